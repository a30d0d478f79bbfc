# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Counts with kprobes how often the kernel copies data between a process and a request on behalf of
# the copier. Sourced by guest.sh.
#
# That is done by copy_page_from_iter() (WRITE) and copy_page_to_iter() (READ), in lib/, where the
# kernel forbids probes; so the probes sit on the calls, in the functions of block/blk-map.c, of the
# page cache (mm/filemap.c) and of pipes (fs/pipe.c), found by their machine code. How many bytes
# they are to copy is their third argument, in %rdx. bio_map_user_iov() instead makes the process'
# pages those of the request.

tracing=/sys/kernel/debug/tracing
readonly COPIERS='copy_page_from_iter copy_page_to_iter copy_page_from_iter_atomic'
readonly CALLERS='blk_rq_map_user_iov blk_rq_unmap_user bio_copy_from_iter bio_copy_to_iter
	bio_copy_user_iov bio_uncopy_user filemap_read generic_perform_write pipe_read pipe_write'

# bounds_of FUNCTION: sets start and end to its addresses; false: not a function of its own here.
bounds_of() {
	read -r start end < <(awk -v name="$1" '
		$3 == name { start = $1 }
		{ address[NR] = $1 }
		END {
			for (i = 1; i <= NR && start; i++)
				if (address[i] > start && (!end || address[i] < end))
					end = address[i]
			print start, end
		}' /proc/kallsyms)
	[[ -n $end ]]
}

# code_of ADDRESS LENGTH: sets code to the bytes of the kernel's memory there, in hexadecimal.
code_of() {
	local offset address size

	read -r offset address size < <(readelf -lW /proc/kcore 2>/dev/null | awk -v at="0x$1" '
		$1 == "LOAD" && $3 <= at { print $2, $3, $5 }' | sort -k 2 | tail -1)
	[[ -n $offset ]] && ((0x$1 - address < size)) || return
	read -ra code -d '' < <(dd if=/proc/kcore iflag=skip_bytes,count_bytes bs=64K \
		skip=$((offset + 0x$1 - address)) count="$2" status=none | od -An -v -tx1)
	((${#code[@]} == $2))
}

# calls_in FUNCTION TARGET: prints the offsets of the calls (e8 and a distance) of TARGET.
calls_in() {
	local start end code i distance target

	bounds_of "$2" && target=$start && bounds_of "$1" || return
	code_of "$start" $((0x$end - 0x$start)) || return
	for ((i = 0; i + 4 < ${#code[@]}; i++)); do
		[[ ${code[i]} == e8 ]] || continue
		distance=$((0x${code[i + 4]}${code[i + 3]}${code[i + 2]}${code[i + 1]}))
		distance=$(((distance ^ 0x80000000) - 0x80000000))
		if ((0x$start + i + 5 + distance == 0x$target)); then
			echo "$i"
		fi
	done
}

# probe NAME PLACE
probe() {
	echo "p:bench/$1 $2" >>"$tracing/kprobe_events" &&
		echo 'comm == "sgmmcp"' >"$tracing/events/bench/$1/filter"
}

# probes_set: a probe on every call that copies, named copy_N, and one named map. False where the
# kernel has no such thing, as user-mode-linux.
probes_set() {
	local caller copier offset copies=0

	[[ -e $tracing/kprobe_events ]] || return
	for caller in $CALLERS; do
		for copier in $COPIERS; do
			for offset in $(calls_in "$caller" "$copier"); do
				probe "copy_$copies" "$caller+$offset bytes=%dx" || fail "$caller+$offset: no probe"
				copies=$((copies + 1))
			done
		done
	done
	probe map bio_map_user_iov || fail 'bio_map_user_iov: no probe'
	((copies >= 2)) || fail 'the calls that copy were not found'
}

probes_start() {
	echo >"$tracing/trace"
	echo 1 >"$tracing/events/bench/enable"
}

probes_stop() {
	echo 0 >"$tracing/events/bench/enable"
}

# probes_count NAME: sets REPLY to the hits of the probes whose names begin so.
probes_count() {
	REPLY=$(grep -c " $1[_0-9]*: " "$tracing/trace")
}

# probes_sum NAME: sets REPLY to the bytes that those probes saw.
probes_sum() {
	local line

	REPLY=0
	while read -r line; do
		REPLY=$((REPLY + line))
	done < <(sed -n "s/.* $1[_0-9]*: .* bytes=//p" "$tracing/trace")
}
