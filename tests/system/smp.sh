# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: asan qemu -k 6.12 -s 2 -d 8 -d 8 -d 8:4096 -d 4:4096
#
# On two CPUs, with the sanitizers, on disks of another driver, of 512 and 4096-byte blocks: every
# way to copy once more, in fewer depths and chunks; and what needs disks that differ.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

source_data=/tmp/source pattern=/tmp/pattern expected=/tmp/expected

# use A B BLOCK MIB: the two disks from now on.
use() {
	disk_a=$1 disk_b=$2 block=$3 mib=$4
	a=$(sg_of "$1")
	b=$(sg_of "$2")
	must fill "$disk_a" "$source_data"
	cp "$pattern" "$expected"
	truncate -s "${mib}M" "$expected"
}

# copies SKIP SEEK COUNT WORD...: that range, and nothing beside.
copies() {
	local from=$1 to=$2 n=$3

	shift 3
	begin "$* on $block-byte blocks copies right"
	fill "$disk_b" "$pattern_now"
	run "if=$a" "of=$b" "skip=$from" "seek=$to" "count=$n" "$@"
	expect_status 0
	expect_records_out "$n"
	put "$source_data" "$expected" "$from" "$to" "$n" "$block"
	expect_equal "$disk_b" "$expected"
	put "$pattern" "$expected" "$to" "$to" "$n" "$block"
}

# chunked QD WORD...: three chunk sizes, each with a count off the chunk boundary.
chunked() {
	local qd=$1

	shift
	copies 3 11 $((qd * 3 + 5)) bpt=1 "qd=$qd" "$@"
	copies 5 17 $((qd * 37 + 20)) bpt=37 "qd=$qd" "$@"
	copies 7 23 $((3 * 1024 * 1024 / block + 1)) "bpt=$((1024 * 1024 / block))" "qd=$qd" "$@"
}

all_methods() {
	local io in out

	pattern_now=/tmp/pattern_now
	head -c "${mib}M" "$pattern" >"$pattern_now"
	for io in sg_io rw; do
		echo 0 >"$allow_dio"
		chunked 7 "io=$io"
		copies 9 13 1003 bpt=37 qd=16 "io=$io" xfer=mmap
		copies 5 17 1001 bpt=37 qd=7 "io=$io" xfer=indirect
		echo 1 >"$allow_dio"
		copies 5 17 1002 bpt=64 qd=16 "io=$io"
		copies 5 17 1001 bpt=37 qd=7 "io=$io" xfer=dio
	done
	for out in mmap dio indirect; do
		for in in mmap dio indirect; do
			((block == 512)) || continue # one block length tells
			copies 1 2 999 bpt=37 qd=5 "iflag=$in" "oflag=$out"
		done
	done
	echo 0 >"$allow_dio"
}

# refused STATUS REGEX WORD...: and the disk b is as it was before.
refused() {
	local want=$1 text=$2 before

	shift 2
	sum_of "$disk_b"
	before=$REPLY
	run "$@"
	expect_status "$want"
	expect_one_line "$text"
	sum_of "$disk_b"
	[[ $REPLY == "$before" ]] || fail 'the disk has changed'
}

disks_that_differ() {
	local qd

	for qd in 1 16; do
		begin "a 512-byte disk onto a 4096-byte disk and back copies byte by byte (qd=$qd)"
		fill /dev/sda "$source_data"
		fill /dev/sdb "$pattern"
		fill /dev/sdc "$pattern"
		run "if=$(sg_of /dev/sda)" "of=$(sg_of /dev/sdc)" bpt=100 "qd=$qd"
		expect_status 0
		expect_equal /dev/sdc "$source_data"
		run "if=$(sg_of /dev/sdc)" "of=$(sg_of /dev/sdb)" bpt=13 "qd=$qd"
		expect_status 0
		expect_equal /dev/sdb "$source_data"
	done

	begin 'skip counts blocks of the source, seek those of the destination'
	fill /dev/sdc "$pattern"
	run "if=$(sg_of /dev/sda)" "of=$(sg_of /dev/sdc)" skip=5 seek=3 count=80
	expect_status 0
	head -c 8M "$pattern" >"$expected"
	dd "if=$source_data" "of=$expected" bs=512 skip=5 seek=24 count=80 conv=notrunc status=none
	expect_equal /dev/sdc "$expected"

	begin 'a tail that does not fill a block of the destination is refused'
	disk_b=/dev/sdc
	refused 31 'would not fill one of its blocks of 4096 bytes' "if=$(sg_of /dev/sda)" \
		"of=$(sg_of /dev/sdc)" count=9

	begin 'bs=512 on 4096-byte disks is refused'
	refused 31 'bs=512 is no multiple of its block length of 4096' \
		"if=$(sg_of /dev/sdd)" "of=$(sg_of /dev/sdc)" bs=512

	begin 'a destination smaller than the source is refused'
	disk_b=/dev/sdd
	refused 22 'is too small: 8388608 bytes to copy, room for 4194304' \
		"if=$(sg_of /dev/sdc)" "of=$(sg_of /dev/sdd)"

	begin 'a smaller source onto a larger destination is copied'
	run "if=$(sg_of /dev/sdd)" "of=$(sg_of /dev/sdc)"
	expect_status 0
	expect_records_out 1024
}

must make_data "$source_data" 8
must make_data "$pattern" 8
use /dev/sda /dev/sdb 512 8
all_methods
use /dev/sdc /dev/sdd 4096 4
all_methods
disks_that_differ
finish
