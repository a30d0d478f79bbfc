# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 900 -m 256M -o "add_host=3 per_host_store=1 dev_size_mb=16 ndelay=20000"
# guest: full asan qemu -k 6.12 -s 2 -o "add_host=3 per_host_store=1 dev_size_mb=16 ndelay=20000"
#
# Every kind of end with every other: the data, what lies behind them, and the copies that the plan
# says. Then what each kind refuses, and how each fails.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/pairs.sh
. "$(dirname "$0")/pairs.sh"

readonly MIB=16 COUNT=6001 SKIP=7 SEEK=11

source_data=/tmp/source pattern=/tmp/pattern expected=/tmp/expected expected_zeros=/tmp/expected-zeros zeros=/tmp/zeros
files=/mnt/files

# --- every pair ---

sources='sg sgio block cached file direct mapped pipe zeros'
dests='sg sgio block cached file direct mapped pipe null'
depths='1 8'

# right_data IN OUT: the destination, and what is around it.
right_data() {
	local from=$expected seek=0 count=$((SEEK + COUNT + 50)) dest=$disk_b

	[[ $1 != zeros ]] || from=$expected_zeros
	case $2 in
	null) return ;;
	pipe) dest=$files/dest seek=$SEEK count=$COUNT ;;
	file | direct | mapped) dest=$files/dest ;;
	*) blockdev --flushbufs "$disk_b" ;;
	esac
	equal_range "$from" "$dest" "$seek" 0 "$count" || fail 'the data or what is around them differ'
}

# start_with OUT: the pattern where it will be written, as far as is looked at.
start_with() {
	case $1 in
	null | pipe) return ;;
	file | direct | mapped) dd "if=$pattern" "of=$files/dest" bs=64k count=60 status=none ;;
	*) dd "if=$pattern" "of=$disk_b" bs=64k count=60 oflag=direct status=none ;;
	esac
}

pair() {
	begin "$1 to $2 at qd=$3 copies right, with as many copies as it says"
	start_with "$2"
	copy_pair "$@"
	if ! makes_sense "$1" "$2"; then
		expect_status 31
		expect_line 'leave .*mmap'
		return
	fi
	expect_status 0
	if [[ $2 != null ]]; then
		expect_records_out "$COUNT"
	fi
	copies "$1" "$2"
	expect_line "^plan: .*; CPU copies per byte $REPLY\$"
	right_data "$1" "$2"
}

# is_tried IN OUT QD: all pairs with SGMMCP_FULL=1. Else those with sg, what is mapped, and like
# with like; one at a time differs least, and most where both ends are alike.
is_tried() {
	[[ -z ${SGMMCP_FULL:-} ]] || return 0
	[[ $1 == "$2" ]] || [[ $3 != 1 && (-$1-$2- == *-sg-* || -$1-$2- == *-mapped-*) ]]
}

every_pair() {
	local in out qd

	# Those that differ there: what is direct IO, and out of a mapped buffer.
	is_uml || sources='sg direct pipe' dests='sg block direct pipe' depths=8
	for in in $sources; do
		for out in $dests; do
			for qd in $depths; do
				is_tried "$in" "$out" "$qd" || continue
				pair "$in" "$out" "$qd"
			done
		done
	done
}

# --- files ---

odd_tails() {
	local how

	head -c 1234567 "$source_data" >"$files/odd"
	for how in '' iflag=direct oflag=direct 'iflag=direct oflag=direct'; do
		begin "a file of an odd length is copied to its last byte ($how)"
		rm -f "$files/copy"
		# shellcheck disable=SC2086
		run "if=$files/odd" "of=$files/copy" bs=4k bpt=16 qd=4 $how
		expect_status 0
		expect "the files differ" cmp -s "$files/odd" "$files/copy"
	done

	begin 'a file that does not fill the last block of a disk is refused, and nothing is written'
	fill "$disk_b" "$pattern"
	run "if=$files/odd" "of=$b"
	expect_status 31
	expect_one_line 'would not fill one of its blocks .*conv=sync'
	expect_equal "$disk_b" "$pattern"

	begin 'conv=sync fills the last block with zeros'
	run "if=$files/odd" "of=$b" conv=sync verify=after
	expect_status 0
	cp "$pattern" "$expected"
	dd "if=$zeros" "of=$expected" bs=512 seek=2411 count=1 conv=notrunc status=none
	dd "if=$files/odd" "of=$expected" bs=1M conv=notrunc status=none
	expect_equal "$disk_b" "$expected"

	begin 'a shorter copy cuts a longer file off, unless it is told not to'
	head -c 3000000 "$source_data" >"$files/copy"
	run "if=$files/odd" "of=$files/copy" conv=notrunc
	expect_status 0
	expect 'it was cut' test "$(stat -c %s "$files/copy")" = 3000000
	run "if=$files/odd" "of=$files/copy"
	expect_status 0
	expect 'the files differ' cmp -s "$files/odd" "$files/copy"

	begin 'append goes on where the file ends'
	run "if=$files/odd" "of=$files/copy" oflag=append
	expect_status 0
	cat "$files/odd" "$files/odd" >/tmp/twice
	expect 'the files differ' cmp -s /tmp/twice "$files/copy"
	appended_by_others
}

# appended_by_others: while sgmmcp waits for its second block, another process appends a line.
appended_by_others() {
	local two_blocks=/tmp/two

	begin 'what others append meanwhile stays'
	head -c 1024 "$source_data" >$two_blocks
	echo start >"$files/log"
	rm -f /tmp/fifo && mkfifo /tmp/fifo
	{
		head -c 512 $two_blocks
		wait_for has_size "$files/log" 518
		echo another >>"$files/log"
		tail -c 512 $two_blocks
	} >/tmp/fifo &
	run if=/tmp/fifo "of=$files/log" oflag=append bs=512 bpt=1
	wait $!
	expect_status 0
	{
		echo start
		head -c 512 $two_blocks
		echo another
		tail -c 512 $two_blocks
	} >"$expected"
	expect 'the files differ' cmp -s "$expected" "$files/log"
	rm -f /tmp/fifo "$files/log"
}

# has_size FILE BYTES
has_size() {
	[[ $(stat -c %s "$1") == "$2" ]]
}

# --- pipes ---

pipelines() {
	local io

	begin 'a disk goes through a pipe and a compressor and back onto a disk'
	fill "$disk_b" "$pattern"
	"$sgmmcp" "if=$a" 2>/tmp/err | gzip -1 | gzip -d | "$sgmmcp" "of=$b" 2>>/tmp/err
	took
	expect_status 0
	expect_equal "$disk_b" "$source_data"

	begin 'slow and small pieces make the same disk'
	fill "$disk_b" "$pattern"
	(
		dd if="$source_data" bs=7001 count=100 status=none
		nap 0.3
		dd if="$source_data" bs=7001 skip=100 status=none
	) | "$sgmmcp" "of=$b" qd=8 bpt=64 2>/tmp/err
	took
	expect_status 0
	expect_equal "$disk_b" "$source_data"

	for io in rw sg_io; do
		begin "process substitution on both sides (io=$io)"
		"$sgmmcp" "if=$a" "of=">(cat >/tmp/copy) "io=$io" qd=4 2>/tmp/err
		took
		expect_status 0
		wait $!
		expect 'the data differ' cmp -s "$source_data" /tmp/copy
	done

	begin 'a reader that leaves ends the program by SIGPIPE'
	"$sgmmcp" "if=$a" bpt=16 2>/tmp/err | head -c 100000 >/dev/null
	status=${PIPESTATUS[0]}
	mapfile -t err </tmp/err
	expect_status 141
	expect_no_line '^sgmmcp: '

	begin 'a stream with more than the disk holds is an error, and the disk is full'
	fill "$disk_b" "$pattern"
	cat "$source_data" "$source_data" | "$sgmmcp" "of=$b" 2>/tmp/err
	took
	expect_status 78
	expect_one_complaint 'the source has more'
	expect_equal "$disk_b" "$source_data"

	begin 'a stream that ends inside a block loses that block alone, and says so'
	fill "$disk_b" "$pattern"
	head -c 100000 "$source_data" | "$sgmmcp" "of=$b" bpt=16 2>/tmp/err
	took
	expect_status 31
	expect_one_complaint 'ended 160 bytes into a block of 512'
	cp "$pattern" "$expected"
	dd "if=$source_data" "of=$expected" bs=512 count=195 conv=notrunc status=none
	expect_equal "$disk_b" "$expected"

	begin 'a stream that nobody reads from is no failure when the copy is interrupted'
	mkfifo /tmp/unread
	exec {stall_fd}<>/tmp/unread
	start_counting "$a"
	start "if=$a" of=/tmp/unread bpt=16
	wait_midway "$a" 4
	nap 0.5
	kill -INT "$pid"
	complete
	expect_signal 2
	expect_no_line '^sgmmcp: (/tmp/unread|Some error)|^Some error'
	number_before 'records out'
	dd if=/tmp/unread of=/tmp/unread_data bs=1M iflag=nonblock count=1 status=none
	(($(stat -c %s /tmp/unread_data) / 512 == REPLY && REPLY > 0)) ||
		fail "$REPLY blocks reported, $(stat -c %s /tmp/unread_data) bytes written"
	cmp -s -n "$((REPLY * 512))" /tmp/unread_data "$source_data" || fail 'other data were written'
	exec {stall_fd}>&-

	begin 'a stream that stalls does not hold up an interrupt, and what came is on the disk'
	fill "$disk_b" "$pattern"
	mkfifo /tmp/stall
	exec {stall_fd}<>/tmp/stall
	head -c 40000 "$source_data" >&"$stall_fd"
	start_counting "$b"
	start if=/tmp/stall "of=$b" bpt=16
	wait_midway "$b" 4
	nap 0.5
	kill -INT "$pid"
	complete
	expect_signal 2
	exec {stall_fd}>&-
	number_before 'records out'
	((REPLY == 78)) || fail "$REPLY records, not the 78 that came"
	expect 'the data differ' equal_range "$source_data" "$disk_b" 0 0 "$REPLY"
	expect 'what is behind differs' equal_range "$pattern" "$disk_b" "$REPLY" "$REPLY" 100
}

# --- what is refused ---

# refused NAME STATUS TEXT WORD...
refused() {
	local want=$2 text=$3

	begin "$1"
	shift 3
	run "$@"
	expect_status "$want"
	expect_one_line "$text"
}

refusals() {
	refused 'a mounted block node is not written' 15 'mounted on /mnt/files' "if=$a" "of=$disk_c"
	refused 'nor through its sg node' 15 'mounted on /mnt/files' "if=$disk_a" "of=$c"
	refused 'nor by SG_IO' 15 'mounted on /mnt/files' "if=$a" "of=$disk_c" oflag=sgio
	begin 'nor as the standard output'
	"$sgmmcp" "if=$a" 2>/tmp/err >"$disk_c"
	took
	expect_status 15
	expect_one_line 'mounted on /mnt/files'

	refused 'a file on the disk that is read is not written' 15 'lies on the disk that is read' \
		"if=$c" "of=$files/new"
	expect 'it was created' test ! -e "$files/new"
	begin 'nor by redirection'
	"$sgmmcp" "if=$c" 2>/tmp/err >"$files/new"
	took
	expect_status 15
	expect_one_line 'standard output: lies on the disk that is read'
	expect 'something was written' test ! -s "$files/new"
	rm -f "$files/new"
	refused 'the same disk by both nodes' 31 'the same disk' "if=$a" "of=$disk_a"
	refused 'the same file by two names' 31 'the same file' "if=$files/odd" "of=$files/./odd"
	refused 'a file is not created below /dev' 15 'under /dev' "if=$a" of=/dev/sdzz
	expect 'it was created' test ! -e /dev/sdzz
	refused 'a directory is no end' 15 'directory' "if=$a" "of=$files"
	refused 'a stream cannot be sought' 31 'is a stream' "if=$a" of=/dev/tty1 seek=1
	refused 'past the end of a file' 22 'past its end' "if=$files/odd" of=. bs=512 skip=9999999
	refused 'past the end of a block node' 22 'is too small' "if=$files/odd" "of=$disk_b" \
		bs=512 conv=sync seek=32767
}

# --- how it fails ---

failures() {
	local how size start

	begin 'a full file system ends the copy with what there is room for'
	run if=/dev/zero "of=$files/big" bs=64k count=100000
	expect_status 78
	expect_one_complaint 'No space left on device'
	number_before 'records out'
	((REPLY > 0 && REPLY * 65536 <= $(stat -c %s "$files/big"))) || fail "$REPLY records"
	rm "$files/big"

	for how in direct 'direct conv=sparse' 'direct conv=notrunc' 'direct,append' mmap; do
		begin "a full file system leaves what there was room for, and nothing else ($how)"
		printf x >"$files/big"
		truncate -s 4096 "$files/big"
		fallocate -l "$(($(stat -f -c '%a * %S' "$files") - 1500000))" "$files/filler"
		# shellcheck disable=SC2086
		run "if=$source_data" "of=$files/big" bs=4k count=1500 bpt=16 qd=4 oflag=$how
		expect_status 78
		expect_one_complaint 'No space left on device'
		size=$(stat -c %s "$files/big")
		start=0
		[[ $how != *append ]] || start=4096
		if [[ $how == mmap ]]; then # nothing was begun
			((size == 0)) || fail "$size bytes"
		else
			((size > 500000 && size < 6000000)) || fail "$size bytes"
			number_before 'records out'
			((REPLY * 4096 + start >= size - 4095)) || fail "$REPLY records, $size bytes"
		fi
		expect 'the data differ' cmp -s -n "$((size - start))" -i "0:$start" \
			"$source_data" "$files/big"
		rm "$files/big" "$files/filler"
	done

	begin 'an interrupted copy leaves a file that ends where it has come to'
	sd_set ndelay 20000000
	start_counting "$a"
	start "if=$a" "of=$files/big" bpt=16 qd=4 oflag=direct count=8000
	wait_midway "$a" 20
	kill -INT "$pid"
	complete
	sd_set ndelay 20000
	expect_signal 2
	number_before 'records out'
	size=$(stat -c %s "$files/big")
	((size == REPLY * 512 && size < 8000 * 512)) || fail "$REPLY records, $size bytes"
	expect 'the data differ' cmp -s -n "$size" "$source_data" "$files/big"
	rm "$files/big"

	begin 'a medium error shows through the block node, and what came before it is right'
	fill "$disk_b" "$pattern"
	sd_set medium_error_start 4660
	sd_set medium_error_count 10
	sd_set opts 2
	run "if=$disk_a" "of=$disk_b" bpt=16 qd=4
	sd_set opts 0
	expect_status 3
	expect_one_complaint 'medium error'
	number_before 'records out'
	expect 'the data differ' equal_range "$source_data" "$disk_b" 0 0 4640

	for how in nodirect mmap; do
		begin "a file that gets shorter in mid-copy is an error that names the place ($how)"
		cp "$source_data" "$files/short"
		sd_set ndelay 20000000
		start_counting "$b"
		start "if=$files/short" "of=$b" bpt=16 qd=1 "iflag=$how"
		wait_midway "$b" 20
		truncate -s 1M "$files/short"
		complete
		sd_set ndelay 20000
		expect_status 49
		expect_one_complaint "$files/short: .*(ends|truncated)"
		number_before 'records out'
		expect 'what was copied differs' equal_range "$source_data" "$disk_b" 0 0 2048
	done
}

two_units
node_of "${units[2]}" block && disk_c=$REPLY
node_of "${units[2]}" scsi_generic && c=$REPLY
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
truncate -s "${MIB}M" "$zeros"
must fill "$disk_a" "$source_data"
must mkfs.ext4 -q -F "$disk_c"
must mkdir -p "$files"
must mount "$disk_c" "$files"
cp "$source_data" "$files/source" 2>/dev/null || head -c 4M "$source_data" >"$files/source"
cp "$pattern" "$expected"
put "$source_data" "$expected" "$SKIP" "$SEEK" "$COUNT" 512
cp "$pattern" "$expected_zeros"
put "$zeros" "$expected_zeros" "$SKIP" "$SEEK" "$COUNT" 512
every_pair
rm -f "$files/source" "$files/dest"
pipelines
if is_uml; then
	odd_tails
	refusals
	failures
fi
begin 'the source is as it was'
expect_equal "$disk_a" "$source_data"
umount "$files"
finish
