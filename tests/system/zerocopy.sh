# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: full qemu -k 6.1 -s 2 -d 8 -d 8
# guest: full qemu -k 6.12 -s 2 -d 8 -d 8
# guest: uml
#
# Zero-copy is real where the kernel can do it: the plan says so, the kernel is seen not to copy,
# and the data are right. Where it cannot, the next best way is taken and said.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=4
readonly TRACE=/sys/kernel/tracing
readonly COUNT=7001 SKIP=500 SEEK=77

source_data=/tmp/source pattern=/tmp/pattern expected=/tmp/expected

# copied WORD...: a part of the disk, which is then as it should be.
copied() {
	fill "$disk_b" "$pattern"
	run "if=$a" "of=$b" "count=$COUNT" "skip=$SKIP" "seek=$SEEK" -v "$@"
	expect_status 0
	sum_of "$disk_b" "$MIB"
	[[ $REPLY == "$sum_expected" ]] || fail 'the data or what is around them differ'
}

# planned METHODS TEXT COPIES
planned() {
	expect_line "^plan: $1: $2; CPU copies per byte $3\$"
}

# --- what the kernel does ---

# The block layer's two ways to write user memory: by copying it, by mapping it. That reads into the
# mapped buffer are not copied cannot be seen here, for what copies then cannot be traced.
trace_on() {
	[[ -d $TRACE/events ]] || mount -t tracefs tracefs "$TRACE"
	echo bio_copy_from_iter bio_map_user_iov >"$TRACE/set_ftrace_filter"
	echo function >"$TRACE/current_tracer"
}

# traced WORD...: copied() with those calls counted; sets copies, maps and chunks.
traced() {
	echo >"$TRACE/trace"
	echo 1 >"$TRACE/tracing_on"
	copied "$@"
	echo 0 >"$TRACE/tracing_on"
	copies=$(grep -c 'sgmmcp-.*: bio_copy_from_iter' "$TRACE/trace")
	maps=$(grep -c 'sgmmcp-.*: bio_map_user_iov' "$TRACE/trace")
	number_before 'commands of'
	chunks=$REPLY
}

kernel_copies() {
	begin "the kernel is seen to copy with xfer=indirect (allow_dio=$1)"
	traced xfer=indirect
	((copies == chunks && maps == 0)) || fail "$copies copied, $maps mapped of $chunks chunks"

	begin "the kernel is seen not to copy when the plan says so (allow_dio=$1)"
	traced
	((copies == 0 && maps >= chunks)) || fail "$copies copied, $maps mapped of $chunks chunks"
}

# --- where it works ---

with_allow_dio() {
	local io

	echo 1 >"$allow_dio"
	for io in sg_io rw; do
		begin "allow_dio=1, io=$io: direct IO out of the source's mapped buffer, right data"
		copied "io=$io"
		planned 'mmap -> dio' "direct IO out of the source's mapped buffer" 0
		expect_line 'copied by CPU 0 B'
		expect_no_line 'direct IO not done|fell back'

		begin "allow_dio=1, io=$io: direct IO into the destination's mapped buffer, right data"
		copied "io=$io" iflag=dio oflag=mmap
		planned 'dio -> mmap' "direct IO into the destination's mapped buffer" 0
		expect_line 'copied by CPU 0 B'
		expect_no_line 'direct IO not done|fell back'
	done
	kernel_copies 1
}

without_allow_dio() {
	echo 0 >"$allow_dio"
	begin 'allow_dio=0: SG_IO on the block node out of the mapped buffer, right data'
	copied
	planned 'mmap -> dio' "SG_IO on the destination's block node out of the source's mapped buffer" 0
	expect_line 'copied by CPU 0 B'
	kernel_copies 0

	begin 'allow_dio=0, io=rw: one copy, which is said, and right data'
	copied io=rw
	planned 'mmap -> mmap' 'both reserved buffers mapped, one copy between them' 1

	begin 'reading to nowhere copies nothing'
	run "if=$a" of=/dev/null -v
	expect_status 0
	planned 'mmap -> none' "read into the source's mapped buffer, then discarded" 0
	expect_line 'copied by CPU 0 B'
}

# --- where it does not ---

# no_pinning REASON: this kernel does no direct IO out of the mapped buffer.
no_pinning() {
	begin "$1: falls back to one copy and says so"
	echo 0 >"$allow_dio"
	copied
	planned 'mmap -> mmap' 'both reserved buffers mapped, one copy between them' 1

	begin "$1, allow_dio=1: falls back to direct IO on both sides and says so"
	echo 1 >"$allow_dio"
	copied
	planned 'dio -> dio' 'direct IO on both sides' 0

	begin "$1: what was asked and cannot be had is refused"
	run "if=$a" "of=$b" iflag=mmap oflag=dio
	expect_status 31
	expect_one_line 'this kernel does no direct IO out of a mapped reserved buffer'
	echo 0 >"$allow_dio"
}

# Reserved buffers of single pages: 6.12 does not pin those, 6.1 does (sg-facts: GUP-fast).
single_pages() {
	local parameter=/sys/module/sg/parameters/scatter_elem_sz before

	read -r before <"$parameter"
	echo 4096 >"$parameter"
	if kernel_is 6.1; then
		begin 'a reserved buffer of single pages is as good as any on 6.1'
		copied
		planned 'mmap -> dio' "SG_IO on the destination's block node out of the source's mapped buffer" 0
	else
		no_pinning 'a reserved buffer of single pages'
	fi
	echo "$before" >"$parameter"
}

# use A B: the two disks from now on, the source with its data.
use() {
	disk_a=$1 disk_b=$2
	a=$(sg_of "$1")
	b=$(sg_of "$2")
	must fill "$disk_a" "$source_data"
}

all_of_qemu() {
	trace_on
	use /dev/sda /dev/sdb
	with_allow_dio
	without_allow_dio
	sd_list_units
	node_of "${units[0]}" block
	disk_a=$REPLY
	node_of "${units[1]}" block
	use "$disk_a" "$REPLY"
	with_allow_dio
	without_allow_dio
	single_pages
}

must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
cp "$pattern" "$expected"
put "$source_data" "$expected" "$SKIP" "$SEEK" "$COUNT" 512
sum_of "$expected"
sum_expected=$REPLY
if is_uml; then
	two_units
	use "$disk_a" "$disk_b"
	no_pinning 'user-mode-linux'
else
	all_of_qemu
fi
finish
