# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 900 -m 256M -o "add_host=4 per_host_store=1 dev_size_mb=8 ndelay=20000"
# guest: asan qemu -k 6.12 -s 2 -o "add_host=4 per_host_store=1 dev_size_mb=8 ndelay=20000"
#
# One source to several destinations: all get the same; one that fails is dropped and named, the
# others are complete. And verify=each, which reads back as many.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 BLOCKS=16384
scribble=${SGMMCP_HELPERS:?}/scribble

source_data=/tmp/source pattern=/tmp/pattern file=/tmp/file small=/tmp/small/file

start_over() {
	fill "$disk_b" "$pattern"
	fill "$disk_c" "$pattern"
	fill "$disk_d" "$pattern"
	rm -f "$file"
}

# --- good copies ---

all_kinds() {
	local io qd

	for io in rw sg_io; do
		for qd in 1 8; do
			begin "one source, three destinations of three kinds (io=$io qd=$qd)"
			start_over
			run "if=$a" "of=$b" "of=$disk_c" "of=$file" "io=$io" "qd=$qd" bpt=100 -v
			expect_status 0
			expect_records_out "$BLOCKS"
			[[ $io != rw ]] || expect_line '^plan: .* write\(\) and read\(\)'
			expect_equal "$disk_b" "$source_data"
			expect_equal "$disk_c" "$source_data"
			expect 'the file differs' cmp -s "$source_data" "$file"
		done
	done

	begin 'three disks of one kind, a part of each, and a stream'
	start_over
	"$sgmmcp" "if=$a" "of=$b" "of=$c" of=- "of=$d" count=5001 skip=3 qd=4 bpt=64 \
		>/tmp/stream 2>/tmp/err
	took
	expect_status 0
	for disk in "$disk_b" "$disk_c" "$disk_d"; do
		expect "$disk differs" equal_range "$source_data" "$disk" 3 0 5001
		expect "what is behind on $disk differs" equal_range "$pattern" "$disk" 5001 5001 100
	done
	expect 'the stream differs' equal_range "$source_data" /tmp/stream 3 0 5001

	begin 'a stream to three disks, by all buffers of one'
	start_over
	"$sgmmcp" "of=$b" "of=$disk_c" "of=$d" <"$source_data" 2>/tmp/err
	took
	expect_status 0
	expect_equal "$disk_b" "$source_data"
	expect_equal "$disk_c" "$source_data"
	expect_equal "$disk_d" "$source_data"

	begin 'verify=after looks at all of them'
	run "if=$a" "of=$b" "of=$disk_c" "of=$file" verify=after
	expect_status 0
	expect_line 'records compared'
	expect_line "^check $file: "
}

# --- one that fails ---

expect_dropped() {
	expect_line "$1: was dropped after "
	expect_equal "$disk_b" "$source_data"
	expect_equal "$disk_d" "$source_data"
}

failures() {
	local io

	begin 'the same disk twice is refused, by whatever node'
	run "if=$a" "of=$b" "of=$disk_b"
	expect_status 31
	expect_one_line 'the same disk'

	begin 'one that is too small is named, and nothing is written'
	start_over
	run "if=$a" "of=$b" "of=$d" seek=1
	expect_status 22
	expect_one_line 'too small'
	expect_equal "$disk_b" "$pattern"

	for io in rw sg_io; do
		begin "one that is taken away in mid-copy is dropped, the others are complete (io=$io)"
		start_over
		sd_set ndelay 2000000
		start_counting "$c"
		start "if=$a" "of=$b" "of=$c" "of=$d" bpt=32 qd=4 "io=$io"
		wait_midway "$c" 40
		echo 1 >"/sys/class/scsi_generic/${c#/dev/}/device/delete"
		complete
		sd_set ndelay 20000
		expect_status 35
		expect_dropped "$c"
		echo '- - -' >"$scan_c"
		wait_for find_again || fail 'the disk does not come back'
	done

	begin 'a full file system is one destination less'
	start_over
	run "if=$a" "of=$b" "of=$small" "of=$d" bpt=32 qd=4
	expect_status 78
	expect_line "$small: .*No space left"
	expect_dropped "$small"

	begin 'a disk that becomes write-protected is dropped, a file and the null sink are not'
	rm -f "$file"
	sd_set ndelay 2000000
	start_counting "$b"
	start "if=$a" "of=$b" "of=$file" of=. bpt=32 qd=4
	wait_midway "$b" 40
	sd_set wp 1
	complete
	sd_set wp 0
	for disk in "$b" "$c" "$d"; do
		rescan "$disk"
	done
	sd_set ndelay 20000
	expect_status 7
	expect_line "$b: was dropped after "
	expect 'the file differs' cmp -s "$source_data" "$file"

	begin 'verify=after leaves out what was dropped'
	start_over
	run "if=$a" "of=$b" "of=$small" "of=$d" bpt=32 qd=4 verify=after
	expect_status 78
	expect_line 'records compared'
	expect_no_line "^check $small"
	expect_dropped "$small"

	begin 'with the last destination the run ends'
	run "if=$a" "of=$small" "of=/tmp/small/other" bpt=32
	expect_status 78
	expect_line "$small: .*No space left"
	expect_line '/tmp/small/other: .*No space left'
	rm -f /tmp/small/*
}

find_again() {
	local unit=${scan_c%/scsi_host/*}

	unit=$(echo "$unit"/target*/*:*/scsi_generic)
	[[ -e $unit ]] && sd_list_units && ((${#units[@]} == 4)) && name_units && [[ -b $disk_c ]]
}

# --- verify=each ---

each() {
	local qd

	for qd in 1 8; do
		begin "verify=each says yes to a good copy (qd=$qd)"
		start_over
		run "if=$a" "of=$b" "of=$disk_c" "of=$file" verify=each "qd=$qd" bpt=64 -v
		expect_status 0
		expect_records_out "$BLOCKS"
		expect_line "^plan: $file is read back .* and compared"
		expect_equal "$disk_b" "$source_data"
		expect_equal "$disk_c" "$source_data"
	done

	begin 'verify=each of a stream, which cannot be read twice'
	start_over
	"$sgmmcp" "of=$b" verify=each qd=4 bpt=100 <"$source_data" 2>/tmp/err
	took
	expect_status 0
	expect_equal "$disk_b" "$source_data"
}

# Others write one block all the time; each command takes long enough for them to hit in between.
each_finds() {
	local lba=9000 byte=77 before pids=()

	begin 'verify=each finds a byte that is changed before it is read back'
	start_over
	dd "if=$source_data" bs=512 skip=$lba count=1 of=/tmp/block status=none
	before=$(dd if=/tmp/block bs=1 skip=$byte count=1 status=none | od -An -tu1)
	# shellcheck disable=SC2059
	printf "\\$(printf %o $((before ^ 255)))" |
		dd of=/tmp/block bs=1 seek=$byte conv=notrunc status=none
	sd_set ndelay 30000000
	for _ in 1 2 3; do
		"$scribble" "$disk_b" "$lba" /tmp/block &
		pids+=($!)
	done
	run "if=$a" "of=$b" "of=$c" verify=each qd=8 bpt=256
	kill "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null
	sd_set ndelay 20000
	expect_status 14
	expect_one_complaint "$b: miscompare at LBA $lba, byte $byte: expected $(printf 0x%02x "$((before))"), found $(printf 0x%02x $((before ^ 255))); 1 block"
	expect_equal "$disk_c" "$source_data"
}

name_units() {
	node_of "${units[1]}" scsi_generic && b=$REPLY
	node_of "${units[1]}" block && disk_b=$REPLY
	node_of "${units[2]}" scsi_generic && c=$REPLY
	node_of "${units[2]}" block && disk_c=$REPLY
	node_of "${units[3]}" scsi_generic && d=$REPLY
	node_of "${units[3]}" block && disk_d=$REPLY
}

two_units
name_units
scan_c=$(echo "${units[2]%/target*}"/scsi_host/host*/scan)
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
must mkdir -p /tmp/small
must mount -t tmpfs -o size=2m small /tmp/small
all_kinds
each
if is_uml; then
	each_finds
fi
failures
umount /tmp/small
finish
