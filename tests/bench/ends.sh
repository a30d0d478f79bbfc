# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Ends other than sg to sg: files, block nodes, pipes, hashes, several destinations. A candidate is a
# whole command line here, with '|' between commands. The programs run in a root of their own in
# memory: in a counted guest the clock leaps whenever the kernel waits for a file of the host, and a
# command that does not tell its time is timed from its start to its end. Sourced by guest.sh.
#
# shellcheck disable=SC2154,SC2034 # variables of engine.sh and guest.sh

jail=$scratch/root
file=/data/file   # in the jail
small=/data/small # 64 KiB: to start a tool and little more
declare -A idle_us # of a tool that does not tell its time: what starting it takes

# How fio says it; it reads everything so many times, for it counts in milliseconds.
readonly FIO_LOOPS=8

# --- the jail ---

# put_in_jail PROGRAM...: with the libraries it needs.
put_in_jail() {
	local program path

	for program; do
		path=$(type -P "$program") || return
		# shellcheck disable=SC2046 # paths
		cp --parents -L "$path" $(ldd "$path" | grep -o '/[^ ]*') "$jail" || return
	done
}

make_jail() {
	local mount

	mkdir -p "$jail"/{data,mnt,tmp,dev,proc,sys,usr/bin}
	put_in_jail dd cat cmp sha256sum openssl nbdcopy sg_dd sgm_dd sgp_dd ddpt fio "$SGMMCP" || return
	mv "$jail/$SGMMCP" "$jail/usr/bin/sgmmcp"
	for mount in dev proc sys; do
		mount --rbind "/$mount" "$jail/$mount" || return
	done
	export MEASURE_ROOT=$jail
}

# --- lines ---

# line GROUP COMMAND: read -a, which takes it apart, knows no quotes.
line() {
	candidate "$1" 0 line "$2"
}

# ends_cell PART KIB MICROSECONDS: all of the disk is copied, by lines.
ends_cell() {
	part=${ends_prefix}$1 size=$2 latency=$3
	bpt=1 count=$disk_blocks screened=1 before_run=:
	if [[ $latency != - ]]; then
		set_latency "$latency"
	fi
	no_candidates
}

# seconds_by_clock TOOL: sets REPLY to the seconds of the run just made that are not starting it.
seconds_by_clock() {
	local told='run=([0-9]+)-[0-9]+msec'

	if [[ $1 == fio ]]; then
		[[ $report =~ $told ]] || return
		to_seconds $((BASH_REMATCH[1] * 1000 / FIO_LOOPS))
		cpu_us=
	else
		[[ -n ${idle_us[$1]:-} ]] && to_seconds $((wall_us - idle_us[$1]))
	fi
}

# to_seconds MICROSECONDS: sets REPLY.
to_seconds() {
	printf -v REPLY '%d.%06d' $(($1 / 1000000)) $(($1 % 1000000))
	(($1 > 0))
}

# time_start TOOL ARG...: the shortest of three.
time_start() {
	local i

	for i in 1 2 3; do
		measured "$@"
		((status == 0)) || return
		if ((wall_us < ${idle_us[$1]:-999999999})); then
			idle_us[$1]=$wall_us
		fi
	done
}

# check_lines COMMAND...: runs the best of each group once more, after wiping; COMMAND tells whether
# what came out is right.
check_lines() {
	local i

	for i in "${!groups[@]}"; do
		[[ ${best[${groups[i]}]} == "$i" ]] || continue
		"$wipe_result"
		{ run "$i" && "$@"; } || fail "$part, ${settings[i]}: what came out differs"
	done
	figure "$part" 'results compared equal' "${#best[@]}" tools
}

# --- resets and checks ---

remove_file() {
	rm -f "$jail$file" "$jail/mnt/file"
}

# Without sync the blocks of the file that was there are not free before the journal is written.
remove_direct_file() {
	remove_file
	sync
}

forget_pages() {
	blockdev --flushbufs "$source_disk" && blockdev --flushbufs "$dest_disk"
}

wipe_dest() {
	wipe "$disk_blocks"
}

file_is_right() {
	cmp -n $((count * 512)) "$jail$1" "$source_disk"
}

dest_is_right() {
	same "$disk_blocks"
}

fill_file() {
	remove_file
	dd "if=$source_disk" "of=$jail$file" bs=1M status=none
	# What memory is used often is found out by the kernel at the first two readings.
	cat "$jail$file" "$jail$file" >/dev/null
}

# --- a disk to a file ---

# candidates_of_file FILE FLAG: the serial tools are best at the largest transfers, which the
# reserved buffer bounds; sgm_dd cannot write a file of O_DIRECT out of its mapped buffer.
candidates_of_file() {
	local ends="if=$source_sg of=$1 bs=512 count=$count" blocks

	line sgmmcp "sgmmcp $ends $2"
	line 'sgmmcp best' "sgmmcp $ends bpt=1024 qd=1 $2"
	line 'sgmmcp best' "sgmmcp $ends bpt=1024 qd=4 $2"
	line 'sgmmcp best' "sgmmcp $ends bpt=128 qd=32 $2"
	line 'sgmmcp best' "sgmmcp $ends qd=32 $2"
	for blocks in 128 1024; do
		line sg_dd "sg_dd $ends bpt=$blocks time=1 $2"
		line ddpt "ddpt $ends bpt=$blocks $2"
		if [[ -z $2 ]]; then
			line sgm_dd "sgm_dd $ends bpt=$blocks time=1"
		fi
	done
	for blocks in 1024 2048 8192; do
		line dd "dd if=$source_disk of=$1 iflag=direct bs=$((blocks / 2))k count=$((count / blocks)) $2"
	done
}

file_cell() {
	ends_cell 'sg to file' - "$1"
	before_run=remove_file wipe_result=remove_file
	candidates_of_file "$file" ''
	measure_cell
	check_lines file_is_right "$file"
	remove_file
}

# Of the file system on the second disk, three quarters are filled: whole transfers of all sizes.
direct_file_cell() {
	mkfs.ext4 -q -F -E nodiscard "$dest_disk" && mount "$dest_disk" "$jail/mnt" || return
	ends_cell 'sg to O_DIRECT file' - 300
	count=$((disk_blocks * 3 / 4 / 8192 * 8192)) before_run=remove_direct_file wipe_result=remove_file
	candidates_of_file /mnt/file oflag=direct
	measure_cell
	check_lines file_is_right /mnt/file
	umount "$jail/mnt"
}

over_files() {
	file_cell 0 && file_cell 300 && direct_file_cell
}

# --- block nodes ---

# nbdcopy goes through the page cache, which is written out when it closes the disk: no --flush, for no
# other tool's time has SYNCHRONIZE CACHE in it.
lines_of_nbdcopy() {
	local ends="$1 $source_disk $2"

	line nbdcopy "nbdcopy $ends"
	line nbdcopy "nbdcopy --synchronous $ends"
	line nbdcopy "nbdcopy --threads=8 --connections=8 --requests=64 $ends"
	line nbdcopy "nbdcopy --threads=4 --request-size=1048576 $ends"
}

block_cell() {
	local ends="if=$source_disk of=$dest_disk"

	ends_cell 'block to block' 64 300
	before_run=forget_pages wipe_result=wipe_dest
	line 'sgmmcp qd=8' "sgmmcp $ends bs=512 bpt=128 qd=8"
	line 'sgmmcp 64 KiB' "sgmmcp $ends bs=512 bpt=128"
	line 'sgmmcp' "sgmmcp $ends"
	line dd "dd $ends bs=64k iflag=direct oflag=direct"
	line 'dd best' "dd $ends bs=1M iflag=direct oflag=direct"
	line 'dd best' "dd $ends bs=4M iflag=direct oflag=direct"
	lines_of_nbdcopy --sparse=0 "$dest_disk"
	measure_cell
	check_lines dest_is_right
}

null_cell() {
	local ends="if=$source_disk of=." fio

	fio="--ioengine=libaio --iodepth=8 --direct=1 --userspace_reap --loops=$FIO_LOOPS --filename=$source_disk"

	ends_cell 'block to null' 64 300
	before_run=forget_pages
	line 'sgmmcp qd=8' "sgmmcp $ends bs=512 bpt=128 qd=8"
	line 'sgmmcp 64 KiB' "sgmmcp $ends bs=512 bpt=128"
	line 'sgmmcp' "sgmmcp $ends"
	line 'fio libaio' "fio --name=x --rw=read --thread --gtod_reduce=1 --bs=64k --size=$((count / 2))k $fio"
	lines_of_nbdcopy '' null:
	measure_cell
}

over_blocks() {
	time_start nbdcopy "$small" null: && block_cell && null_cell
}

# --- pipes ---

pipe_latencies=(0 300)

pipe_in_cell() {
	local to_sg="sgmmcp of=$dest bs=512" size_of_dd dd

	ends_cell 'pipe to sg' - "$1"
	wipe_result=wipe_dest
	line 'cat to sgmmcp' "cat $file | $to_sg"
	line 'sgmmcp to sgmmcp' "sgmmcp if=$file | $to_sg"
	line 'cat to sgmmcp, 64 KiB' "cat $file | $to_sg bpt=128"
	for size_of_dd in 64k 256k 1M; do
		dd="dd of=$dest_disk oflag=direct iflag=fullblock bs=$size_of_dd"
		line 'dd after cat' "cat $file | $dd"
		line 'dd after dd' "dd if=$file bs=$size_of_dd | $dd"
	done
	measure_cell
	check_lines dest_is_right
}

# pipe_is_right: runs the best of each group once more with cmp in place of cat; that fails when the
# data differ.
pipe_is_right() {
	local i

	for i in "${!groups[@]}"; do
		[[ ${best[${groups[i]}]} == "$i" ]] || continue
		settings[i]=${settings[i]/%| cat/| cmp - $source_disk}
		run "$i" || fail "$part, ${settings[i]}: what came out differs"
	done
	figure "$part" 'results compared equal' "${#best[@]}" tools
}

pipe_out_cell() {
	local blocks

	ends_cell 'sg to pipe' - "$1"
	line sgmmcp "sgmmcp if=$source_sg | cat"
	line 'sgmmcp 64 KiB' "sgmmcp if=$source_sg bs=512 bpt=128 | cat"
	for blocks in 128 1024; do
		line dd "dd if=$source_disk iflag=direct bs=$((blocks / 2))k | cat"
		line sg_dd "sg_dd if=$source_sg of=- bs=512 bpt=$blocks time=1 | cat"
		line sgm_dd "sgm_dd if=$source_sg of=- bs=512 bpt=$blocks time=1 | cat"
	done
	line dd "dd if=$source_disk iflag=direct bs=1M | cat"
	measure_cell
	pipe_is_right
}

over_pipes() {
	local latency_us

	fill_file || return
	for latency_us in "${pipe_latencies[@]}"; do
		pipe_in_cell "$latency_us"
		pipe_out_cell "$latency_us"
	done
	remove_file
}

# --- hashes ---

# The file is what the disk holds, in memory: nothing but hashing is left to do for those two.
hash_cell() {
	ends_cell hash - 0
	line sgmmcp "sgmmcp if=$source_sg of=."
	line 'sgmmcp sha256' "sgmmcp if=$source_sg of=. hash=sha256"
	line 'sgmmcp copy' "sgmmcp if=$source_sg of=$dest"
	line 'sgmmcp copy sha256' "sgmmcp if=$source_sg of=$dest hash=sha256"
	line sha256sum "sha256sum $file"
	line openssl "openssl dgst -sha256 $file"
	measure_cell
	check_lines hash_is_right
}

# What is known of the data: the hash that another program made of them.
hash_is_right() {
	[[ "${command[*]}" == *sha256* ]] || return 0
	[[ $report == *"$known_hash"* ]]
}

over_hashes() {
	fill_file || return
	known_hash=$(sha256sum "$jail$file")
	known_hash=${known_hash%% *} wipe_result=:
	time_start sha256sum "$small" && time_start openssl dgst -sha256 "$small" && hash_cell
	remove_file
}

# --- several destinations ---

several_are_taken() {
	measured sgmmcp "if=$source_sg" "of=$dest" "of=${more_dests[0]}" "of=${more_dests[1]}" -d
	((status == 0))
}

all_are_right() {
	local node

	dest_is_right || return
	[[ "${command[*]}" == *"of=${more_dests[1]}"* ]] || return 0
	for node in "${more_dests[@]}"; do
		cmp -s -n $((count * 512)) "$source_disk" "$(disk_of "$node")" || return
	done
}

wipe_dests() {
	local dest_disk node

	for node in "$dest" "${more_dests[@]}"; do
		dest_disk=$(disk_of "$node")
		wipe_dest
		blockdev --flushbufs "$dest_disk"
	done
}

# destinations_cell NAME DEPTH...
destinations_cell() {
	local depth more to_one="sgmmcp if=$source_sg of=$dest"

	ends_cell "$1" 64 300
	shift
	for depth; do
		set -- bs=512 bpt=128 "qd=$depth"
		[[ $depth != default ]] || set -- bs=512 bpt=128
		more="of=${more_dests[0]} of=${more_dests[1]} $*"
		line "sgmmcp to one, $depth" "$to_one $*"
		line "sgmmcp to three, $depth" "$to_one $more"
		line "sgmmcp to one, $depth, rw" "$to_one $* io=rw"
		line "sgmmcp to three, $depth, rw" "$to_one $more io=rw"
	done
	measure_cell
}

# take_at_once COMMANDS NODE...: so many have these in hand. With 1 a command begins when the one
# before it has ended, as in a disk that has a single actuator.
take_at_once() {
	local depth=$1 node

	shift
	for node; do
		echo "$depth" >"/sys/class/scsi_generic/${node#/dev/}/device/queue_depth" || return
	done
}

# At a low depth the latency of the disks is waited for, and at the default one, where a disk does
# one thing at a time. Where each takes 192 commands at once, a single CPU does the work of four
# simulated disks, which real ones do themselves: so once more with disks that move no data, where
# what is left is that of the copier and of the driver.
over_destinations() {
	local nodes=(/dev/sg*) more_dests

	more_dests=("${nodes[@]:2:2}")
	if ! several_are_taken; then
		inside_say 'one to three: of= may not be repeated in this program'
		return
	fi
	wipe_result=wipe_dests
	destinations_cell 'one to three' 1 4 default && check_lines all_are_right || return
	take_at_once 1 "${nodes[@]}" &&
		destinations_cell 'one to three, one command at a time' 1 4 default &&
		check_lines all_are_right && take_at_once 192 "${nodes[@]}" || return
	wipe_result=:
	sd_set fake_rw 1 && destinations_cell 'one to three, no data' 1 4 8 default
}

use_ends() {
	ends_prefix=
	if [[ $guest == uml ]]; then
		ends_prefix='uml, '
		pipe_latencies=(300) # a timer of 300 us is late anyway
	fi
	use_sg_pair && fill_source && make_jail &&
		dd if=/dev/urandom "of=$jail$small" bs=64k count=1 status=none
}
