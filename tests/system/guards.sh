# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 900 -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=20000"
#
# What must not be written to is refused: in one line that says why, with the documented status,
# and with every byte of the disk as it was.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 BLOCKS=16384

source_data=/tmp/source pattern=/tmp/pattern expected=/tmp/expected

# refused STATUS REGEX WORD...: the program refuses, and the disk b is as it was before.
refused() {
	local want=$1 text=$2 before

	shift 2
	sync
	sum_of "$disk_b"
	before=$REPLY
	run "$@"
	expect_status "$want"
	expect_one_line "$text"
	sum_of "$disk_b"
	[[ $REPLY == "$before" ]] || fail 'the disk has changed'
}

# in_use WHO: b is in use and refused, and WHO is named.
in_use() {
	refused 15 "$b: is disk ${disk_b#/dev/}, .*$1.*: not writing \(oflag=force to override\)\$" \
		"if=$a" "of=$b" count=100
}

# after_use: b is no longer in use, so a copy works.
after_use() {
	run "if=$a" "of=$b" count=100
	expect_status 0
}

# --- users of the disk ---

make_ext4() {
	mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=0 "$1"
}

mounted_disk() {
	begin 'a mounted disk is refused through its sg node, naming the mount point'
	must make_ext4 "$disk_b"
	must mount "$disk_b" /mnt/somewhere
	in_use 'mounted on /mnt/somewhere'

	begin 'a dry run says the same'
	refused 15 'mounted on /mnt/somewhere' "if=$a" "of=$b" -d

	begin 'generated data are refused just so'
	refused 15 'mounted on /mnt/somewhere' iflag=00 "of=$b"

	begin 'a mounted disk may be read'
	run "if=$b" of=/dev/null count=100
	expect_status 0
	umount /mnt/somewhere

	begin 'once unmounted it may be written'
	after_use
}

# One partition of type 83h from block 2048 to the end, in a classic partition table.
write_partition_table() {
	dd if=/dev/zero "of=$disk_b" bs=512 count=1 status=none
	printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\070\0\0' |
		dd "of=$disk_b" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd "of=$disk_b" bs=1 seek=510 conv=notrunc status=none
	blockdev --rereadpt "$disk_b" && wait_for test -b "${disk_b}1"
}

mounted_partition() {
	local start

	begin 'a disk with a mounted partition is refused, naming partition and mount point'
	must write_partition_table
	must make_ext4 "${disk_b}1"
	must mount "${disk_b}1" /mnt/somewhere
	in_use "mounted on /mnt/somewhere \(${disk_b#/dev/}1\)"
	umount /mnt/somewhere

	begin 'device mapper over a partition is seen too'
	must dmsetup create hidden --table "0 2048 linear ${disk_b}1 0"
	in_use 'device mapper hidden'
	dmsetup remove hidden

	begin 'a partition takes a copy, and what is around it stays'
	dd "if=$disk_b" "of=$expected" bs=1M iflag=direct status=none
	read -r start <"/sys/class/block/${disk_b#/dev/}1/start"
	put "$source_data" "$expected" 0 "$start" 100 512
	run "if=$a" "of=${disk_b}1" count=100
	expect_status 0
	expect_equal "$disk_b" "$expected"

	begin 'a map is of the partition it was copied to, not of its disk'
	run "if=$a" "of=${disk_b}1" count=100 map=/tmp/map
	expect_status 0
	run "if=$a" "of=$disk_b" count=200 map=/tmp/map
	expect_status 31
	expect_one_line "/tmp/map: .*out_(serial|unit_id)=[^ ]+@$((start * 512)) there, [^ @]+ of $disk_b "
	expect_equal "$disk_b" "$expected"
	rm -f /tmp/map

	begin 'SG_IO on a partition is refused'
	refused 15 'needs a whole SCSI disk' "if=$a" "of=${disk_b}1" oflag=sgio
	fill "$disk_b" "$pattern"
	blockdev --rereadpt "$disk_b"
}

swap() {
	begin 'a disk used as swap is refused'
	must mkswap -q "$disk_b"
	if swapon "$disk_b" 2>/dev/null; then
		in_use 'swap'
		swapoff "$disk_b"
	else
		skip 'this kernel has no swap'
	fi
}

device_mapper() {
	begin 'a disk held by device mapper is refused, naming the device'
	must dmsetup create holder --table "0 2048 linear $disk_b 0"
	in_use 'holder'

	begin 'oflag=force overrides that with a warning, and copies right'
	fill "$disk_b" "$pattern"
	run "if=$a" "of=$b" oflag=force seek=3000 count=500
	expect_status 0
	expect_one_complaint 'holder.*: writing all the same \(oflag=force\)'
	cp "$pattern" "$expected"
	put "$source_data" "$expected" 0 3000 500 512
	expect_equal "$disk_b" "$expected"
	dmsetup remove holder
}

# An array of one disk without metadata, by sysfs: mdadm need not be there.
make_array() {
	local md=/sys/block/md127/md dev

	modprobe -q raid1
	echo md127 >/sys/module/md_mod/parameters/new_array || return
	dev=$(<"/sys/block/${disk_b#/dev/}/dev")
	echo none >$md/metadata_version && echo raid1 >$md/level && echo 1 >$md/raid_disks &&
		echo 4096 >$md/component_size && echo "$dev" >$md/new_dev && echo insync >"$md/dev-${disk_b#/dev/}/state" &&
		echo 0 >"$md/dev-${disk_b#/dev/}/slot" && echo active >$md/array_state
}

array() {
	begin 'a disk of an md array is refused, naming the array'
	if make_array 2>/dev/null; then
		in_use 'md127'
		echo inactive >/sys/block/md127/md/array_state
		echo clear >/sys/block/md127/md/array_state
	else
		skip 'no array can be made here'
	fi
}

loop_device() {
	local loop

	begin 'a disk below a loop device is refused, naming it'
	must modprobe loop
	loop=$(losetup -f --show "$disk_b")
	in_use "${loop#/dev/}"
	losetup -d "$loop"
	wait_for after_use
}

# shellcheck disable=SC2016
readonly HOLDER='use Fcntl; sysopen(F, $ARGV[0], O_RDONLY | O_EXCL) or die; open(G, ">/tmp/held"); sleep 600'

exclusive_holder() {
	local holder

	begin 'a disk that another process has opened exclusively is refused'
	perl -e "$HOLDER" "$disk_b" &
	holder=$!
	must wait_for test -e /tmp/held
	in_use 'held exclusively'
	kill "$holder"
	wait "$holder"
	after_use
}

other_users() {
	begin 'oflag=excl is refused while another process has the sg node open'
	exec 5<"$b"
	refused 15 'excl' "if=$a" "of=$b" oflag=excl count=10
	exec 5<&-

	begin 'oflag=flock is refused while another process holds the lock'
	exec 5<>"$b"
	flock -n 5
	refused 47 'flock' "if=$a" "of=$b" oflag=flock count=10
	exec 5<&-
}

kept_away() {
	begin 'nothing can mount the disk during a copy'
	must make_ext4 "$disk_b"
	must sd_set ndelay 20000000
	start_counting "$b"
	start "if=$a" "of=$b" bpt=64 qd=2 seek=8192 count=8192
	wait_midway "$b" 20
	! mount "$disk_b" /mnt/somewhere 2>/dev/null || fail 'it could be mounted'
	complete
	expect_status 0
	sd_set ndelay 20000
}

# --- the disk that holds / ---

# Swaps the root file system in a mount namespace of its own: a tree of links into the old one on b.
readonly PIVOT='
	cd /mnt/root && pivot_root . old || exit 99
	cd /
	mount -n --move old/proc proc && mount -n --move old/sys sys && mount -n --move old/dev dev || exit 98
	exec "$@"'

make_root() {
	local dir

	make_ext4 "$disk_b" && mount -o noatime "$disk_b" /mnt/root && mkdir /mnt/root/{old,proc,sys,dev,tmp} || return
	for dir in bin sbin lib lib64 usr etc; do
		ln -s "old/$dir" "/mnt/root/$dir"
	done
}

root_disk() {
	local before

	begin 'the disk that holds the root file system is refused even with oflag=force'
	must make_root
	sync
	sum_of "$disk_b"
	before=$REPLY
	command_line="sgmmcp if=$a of=$b oflag=force in a root on $disk_b"
	# A build for coverage must not write its counts to that disk.
	GCOV_PREFIX=/old$GCOV_PREFIX unshare -m --propagation private bash -c "$PIVOT" - "/old$sgmmcp" "if=$a" "of=$b" oflag=force count=10 2>/tmp/err
	took
	expect_status 15
	expect_one_line 'holds the root file system: not writing$'
	sync
	sum_of "$disk_b"
	[[ $REPLY == "$before" ]] || fail 'the disk has changed'
	umount /mnt/root
}

# --- what the operands ask for ---

# from_block N WORD...: standard input is the disk b, and stands at that block.
from_block() {
	local block=$1

	shift
	command_line="{ dd bs=512 count=$block of=/dev/null; sgmmcp $*; } < $disk_b"
	{
		dd bs=512 "count=$block" of=/dev/null status=none
		"$sgmmcp" "$@" >/tmp/out 2>/tmp/err
	} <"$disk_b"
	took
}

same_disk() {
	local before

	begin 'a disk onto itself is refused'
	refused 31 'is the same disk as .*, and the ranges overlap: not writing' "if=$b" "of=$b"

	begin 'overlapping ranges of one disk are refused'
	refused 31 'the ranges overlap' "if=$b" "of=$b" skip=100 seek=199 count=100

	begin 'and so where the shell has opened it, and it stands elsewhere than at its start'
	fill "$disk_b" "$pattern"
	sum_of "$disk_b"
	before=$REPLY
	from_block 200 "of=$b" seek=299 count=100
	expect_status 31
	expect_one_line 'the ranges overlap'
	sum_of "$disk_b"
	[[ $REPLY == "$before" ]] || fail 'the disk has changed'

	begin 'what lies before that is no part of the range'
	from_block 200 "of=$b" seek=0 count=100
	expect_status 0
	cp "$pattern" "$expected"
	put "$pattern" "$expected" 200 0 100 512
	expect_equal "$disk_b" "$expected"

	begin 'ranges of one disk that only touch are copied right'
	fill "$disk_b" "$pattern"
	run "if=$b" "of=$b" skip=100 seek=200 count=100
	expect_status 0
	cp "$pattern" "$expected"
	put "$pattern" "$expected" 100 200 100 512
	expect_equal "$disk_b" "$expected"

	begin 'the same disk by another name is found out'
	ln -sf "$b" /tmp/disk
	refused 31 'is the same disk as' if=/tmp/disk "of=$b"
}

# from_node NODE WORD...: standard input is that node; where that hangs, it ends.
from_node() {
	command_line="sgmmcp ${*:2} < $1"
	timeout -k 5 20 "$sgmmcp" "${@:2}" <"$1" >/tmp/out 2>/tmp/err
	took
}

redirected_nodes() {
	local before

	begin 'an sg node is given by its name, not as standard output'
	sum_of "$disk_b"
	before=$REPLY
	command_line="sgmmcp if=$a count=1 > $b"
	"$sgmmcp" "if=$a" count=1 >"$b" 2>/tmp/err </dev/null
	took
	expect_status 15
	expect_one_line "standard output: sg node: is no stream \(give its name: of=$b\)\$"
	sum_of "$disk_b"
	[[ $REPLY == "$before" ]] || fail 'the disk has changed'

	begin 'nor as standard input'
	from_node "$a" "of=$disk_b"
	expect_status 15
	expect_one_line "standard input: sg node: is no stream \(give its name: if=$a\)\$"

	begin 'nor to be compared with'
	from_node "$a" -x "if=$disk_b" of=-
	expect_status 15
	expect_one_line "standard input: sg node: is no stream \(give its name: of=$a\)\$"

	begin 'it is taken where a name leads to it'
	from_node "$a" if=/dev/stdin of=/dev/null count=1
	expect_status 0

	begin 'a character device that is refused by its name is no stream either'
	from_node /dev/loop-control of=/tmp/file
	expect_status 15
	expect_one_line 'standard input: character device: is no disk, file or stream \(give an sg node, /dev/sgN\)$'
}

wrong_operands() {
	begin 'a destination smaller than the source is refused'
	refused 22 'is too small: .*room for 8388096' "if=$a" "of=$b" seek=1

	begin 'a count past the end of the source is refused'
	refused 22 'bytes asked' "if=$a" "of=$b" skip=1 count=$BLOCKS

	begin 'a count past the end of the destination is refused'
	refused 22 'bytes asked' "if=$a" "of=$b" seek=16380 count=5

	begin 'a device that does not exist is refused, and nothing is created'
	refused 15 'not creating a file under /dev' "if=$a" of=/dev/sg77
	[[ ! -e /dev/sg77 ]] || fail '/dev/sg77 has been created'

	begin 'a source that does not exist is refused'
	refused 15 'no such file or device' if=/dev/sg77 "of=$b"

	begin 'a file that must be new keeps its contents'
	echo precious >/tmp/file
	refused 15 'exists' "if=$a" of=/tmp/file oflag=excl
	[[ $(</tmp/file) == precious ]] || fail 'the file has changed'

	begin 'a refused copy leaves a file as it was'
	refused 22 'bytes asked' "if=$a" of=/tmp/file skip=1 "count=$BLOCKS"
	[[ $(</tmp/file) == precious ]] || fail 'the file has changed'

	begin 'the same disk by its block node is refused'
	refused 31 'the same disk' "if=$b" "of=$disk_b"

	begin 'a directory is no source'
	refused 15 'is no disk, file or stream' if=/tmp "of=$b"
}

terminal() {
	begin 'no of= and a terminal as standard output is refused'
	command_line="sgmmcp if=$a on a terminal"
	script -qec "$sgmmcp if=$a" /dev/null </dev/null >/tmp/typescript
	status=$?
	mapfile -t err < <(tr -d '\r' </tmp/typescript)
	expect_status 15
	expect_one_line 'standard output is a terminal'
}

write_protected() {
	begin 'a write-protected disk is refused'
	must sd_set wp 1
	refused 7 'is write-protected: not writing' "if=$a" "of=$b"

	begin 'a write-protected disk may be read'
	run "if=$b" of=/dev/null count=10
	expect_status 0
	sd_set wp 0
}

# --- other devices ---

# not_a_disk TYPE WHAT WORDS
not_a_disk() {
	begin "$2 is refused as a destination"
	must sd_load "ptype=$1" add_host=2 per_host_store=1
	sd_list_units
	node_of "${units[0]}" scsi_generic
	a=$REPLY
	node_of "${units[1]}" scsi_generic
	b=$REPLY
	run iflag=00 "of=$b" count=1 bs=512
	expect_status 15
	expect_one_line 'is no disk \(peripheral device type'

	begin "$2 is refused as a source"
	run "if=$a" of=/dev/null count=1
	expect_status 15
	expect_one_line 'is no disk \(peripheral device type'
}

zoned() {
	begin 'a host-managed zoned disk is refused as a destination'
	must sd_load zbc=managed add_host=1 dev_size_mb=64
	sd_list_units
	node_of "${units[0]}" scsi_generic
	run iflag=00 "of=$REPLY" count=1 bs=512
	expect_status 15
	expect_one_line 'zoned'

	begin 'a host-managed zoned disk may be read'
	run "if=$REPLY" of=/dev/null count=100
	expect_status 0
}

other_path() {
	begin 'the same disk by another path is refused'
	must sd_load add_host=2 vpd_use_hostno=0 "dev_size_mb=$MIB" ndelay=20000
	two_units
	fill "$disk_b" "$pattern"
	refused 31 'the same disk by another path' "if=$a" "of=$b"

	begin 'ranges that do not overlap are copied from path to path'
	run "if=$a" "of=$b" skip=0 seek=8000 count=3000 bpt=50
	expect_status 0
	cp "$pattern" "$expected"
	put "$pattern" "$expected" 0 8000 3000 512
	expect_equal "$disk_b" "$expected"
}

mkdir -p /mnt/somewhere /mnt/root
two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
must fill "$disk_b" "$pattern"
mounted_disk
mounted_partition
swap
must modprobe dm-mod
device_mapper
array
loop_device
exclusive_holder
other_users
kept_away
root_disk
same_disk
redirected_nodes
wrong_operands
terminal
write_protected
begin 'the source is as it was after all that'
expect_equal "$disk_a" "$source_data"
other_path
zoned
not_a_disk 1 'a tape'
not_a_disk 13 'an enclosure'
finish
