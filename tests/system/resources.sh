# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 1500 -m 256M -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=1000000"
#
# What a run takes it gives back, and it never takes more than there is: in a guest of 256 MiB.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8

source_data=/tmp/source pattern=/tmp/pattern

# available: sets REPLY to the kilobytes that could be had.
available() {
	local key

	while read -r key REPLY _; do
		[[ $key != MemAvailable: ]] || return 0
	done </proc/meminfo
}

# Ten starts: good ones of all methods, refused ones, dry ones, and two that a signal ends.
ten_starts() {
	run "if=$a" "of=$b" count=100 bpt=10 io=sg_io qd=4 sync=0
	good
	run "if=$a" "of=$b" count=100 bpt=10 io=rw qd=4 sync=0
	good
	run "if=$a" "of=$b" count=100 bpt=10 xfer=indirect qd=2 sync=0
	good
	run "if=$a" "of=$b" count=50 bpt=50 sync=0 xfer=dio
	good
	run "if=$a" of=/dev/null count=100 -d
	good
	run "if=$a" "of=$b" seek=1
	bad 22
	run "if=$a" "of=$a"
	bad 31
	run "if=$a" of=/dev/nothing
	bad 15
	interrupt INT
	interrupt KILL
}

good() {
	((status == 0)) || fail "exit status $status"
}

bad() {
	((status == $1)) || fail "exit status $status, not $1"
}

# interrupt SIGNAL: while it copies, or a little before or after.
interrupt() {
	set -m
	"$sgmmcp" "if=$a" "of=$b" bpt=16 qd=16 sync=0 2>/dev/null &
	set +m
	nap 0.04
	kill "-$1" $! 2>/dev/null
	wait $! 2>/dev/null
	status=$?
	((status == 130 || status == 137 || status == 0)) || fail "exit status $status after SIG$1"
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

thousand_starts() {
	local i before

	begin '1,000 starts and stops leave nothing behind'
	ten_starts
	available
	before=$REPLY
	for ((i = 1; i < 100; i++)); do
		ten_starts
	done
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
	local io

	for io in rw sg_io; do
		begin "qd=1024 with small chunks copies right (io=$io)"
		fill "$disk_b" "$pattern"
		run "if=$a" "of=$b" qd=1024 bpt=8 "io=$io"
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
thousand_starts
unloadable
must fill "$disk_a" "$source_data"
deep_queues
finish
