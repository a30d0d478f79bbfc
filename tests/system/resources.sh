# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: full uml -t 1500 -m 256M -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=1000000"
#
# What a run takes it gives back, and it never takes more than there is: in a guest of 256 MiB.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 INT=2 KILL=9

source_data=/tmp/source pattern=/tmp/pattern

# available: sets REPLY to the kilobytes that could be had.
available() {
	local key

	while read -r key REPLY _; do
		[[ $key != MemAvailable: ]] || return 0
	done </proc/meminfo
}

# again TIMES STATUSES SIGNAL MAX_MS WORD...: see tests/guest/again.c; sets ended to how they did.
again() {
	local ways=("${@:1:4}")

	shift 4
	command_line="again ${ways[*]} sgmmcp $*"
	err=()
	"${SGMMCP_HELPERS:?}/again" "${ways[@]}" "$sgmmcp" "$@" >/tmp/ended || fail 'not as expected'
	mapfile -t ended </tmp/ended
	err=("${ended[@]}")
	started=$((started + ways[0]))
}

# A tenth of them each: good ones of all methods, refused ones, dry ones, and those a signal ends.
all_kinds() {
	again "$1" 0 0 0 "if=$a" "of=$b" count=100 bpt=10 io=sg_io qd=4 sync=0
	again "$1" 0 0 0 "if=$a" "of=$b" count=100 bpt=10 io=rw qd=4 sync=0
	again "$1" 0 0 0 "if=$a" "of=$b" count=100 bpt=10 xfer=indirect qd=2 sync=0
	again "$1" 0 0 0 "if=$a" "of=$b" count=50 bpt=50 sync=0 xfer=dio
	again "$1" 0 0 0 "if=$a" of=/dev/null count=100 -d
	again "$1" 22 0 0 "if=$a" "of=$b" seek=1
	again "$1" 31 0 0 "if=$a" "of=$a"
	again "$1" 15 0 0 "if=$a" of=/dev/nothing
	again "$1" 0,130 $INT 300 "if=$a" "of=$b" bpt=16 qd=16 sync=0
	again "$1" 0,137 $KILL 300 "if=$a" "of=$b" bpt=16 qd=16 sync=0
}

# only_user SG: nobody has the node open.
only_user() {
	perl -e 'use Fcntl; sysopen(F, $ARGV[0], O_RDWR | O_EXCL | O_NONBLOCK) or exit 1' "$1"
}

no_process_left() {
	local comm

	for comm in /proc/[0-9]*/comm; do
		if [[ $(<"$comm") == sgmmcp ]] 2>/dev/null; then
			return 1
		fi
	done
}

# 1,000 with SGMMCP_FULL=1; a start takes this guest 0.2 s.
many_starts() {
	local before started=0 of_a_kind=3

	[[ -z ${SGMMCP_FULL:-} ]] || of_a_kind=50
	begin "$((of_a_kind * 20)) starts and stops leave nothing behind"
	all_kinds 3
	available
	before=$REPLY
	started=0
	all_kinds "$of_a_kind"
	all_kinds "$of_a_kind"
	((started == of_a_kind * 20)) || fail "$started starts"
	expect 'a process is left' no_process_left
	expect 'a descriptor on the source is left' wait_for only_user "$a"
	expect 'a descriptor on the destination is left' wait_for only_user "$b"
	available
	((REPLY > before - 8192)) || fail "MemAvailable has fallen from $before to $REPLY kB"
}

# The driver's modules can be unloaded only when nothing refers to them.
unloadable() {
	begin 'after that the drivers can be unloaded and loaded again'
	expect 'scsi_debug cannot be unloaded' sd_unload
	expect 'sg cannot be unloaded' modprobe -r sg
	expect 'sg cannot be loaded' modprobe sg
	expect 'scsi_debug cannot be loaded' sd_load add_host=2 per_host_store=1 "dev_size_mb=$MIB" ndelay=20000
	two_units
}

deep_queues() {
	local how

	# A thread for each command is dear here: 1,024 of them take half a minute.
	for how in 'io=rw qd=1024' 'io=sg_io qd=200'; do
		begin "$how with small chunks copies right"
		fill "$disk_b" "$pattern"
		# shellcheck disable=SC2086
		run "if=$a" "of=$b" bpt=8 $how
		expect_status 0
		expect_equal "$disk_b" "$source_data"
	done

	begin 'qd=1024 with 512 KiB chunks is reduced to what memory allows, said so, and copies right'
	must sd_load add_host=2 dev_size_mb=8 virtual_gb=2 ndelay=20000 per_host_store=1
	two_units
	fill "$disk_a" "$source_data"
	run "if=$a" "of=$b" qd=1024 bpt=1024 count=8192 skip=8192 seek=8192
	expect_status 0
	run "if=$a" of=/dev/null qd=1024 bpt=1024 count=1048577
	expect_status 0
	expect_one_complaint 'queue depth reduced to what memory allows: [0-9]+'
	expect_records_out 1048577
}

two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
many_starts
unloadable
must fill "$disk_a" "$source_data"
deep_queues
finish
