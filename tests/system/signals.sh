# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 900 -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=100000000"
#
# Signals in mid-copy: what is reported is what is on the destination, and whatever is stopped and
# continued copies right in the end.
#
# A command takes 100 ms, so a copy of 128 chunks of 64 KiB at depth 16 takes 1.6 seconds and more.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 BLOCKS=16384
readonly INT=2 TERM=15

source_data=/tmp/source pattern=/tmp/pattern

# start_copy WORD...: a copy of the whole disk, and waits until a few chunks are there.
start_copy() {
	fill "$disk_b" "$pattern"
	start_counting "$b"
	start "if=$a" "of=$b" "$@"
	wait_midway "$b" 20
}

# set_delay NANOSECONDS: not before the last command is home.
set_delay() {
	wait_for sd_set ndelay "$1" 2>/dev/null
}

send() {
	kill "-$1" "$pid" || fail "already gone before SIG$1"
}

# expect_prefix: what was reported as written has been, and nothing after it. Chunks are begun in
# ascending order and each that was begun is completed, so it is the start of the disk.
expect_prefix() {
	number_before 'records out'
	((REPLY > 0 && REPLY < BLOCKS)) || fail "$REPLY records out are no part of the disk"
	blockdev --flushbufs "$disk_b"
	equal_range "$source_data" "$disk_b" 0 0 "$REPLY" || fail 'what was reported is not all there'
	equal_range "$pattern" "$disk_b" "$REPLY" "$REPLY" $((BLOCKS - REPLY)) ||
		fail 'something was written beyond what was reported'
}

expect_all_copied() {
	expect_status 0
	expect_records_out "$BLOCKS"
	expect_equal "$disk_b" "$source_data"
}

# interrupted NAME NUMBER WORD...
interrupted() {
	local name=$1 number=$2

	shift 2
	begin "SIG$name in mid-copy ends it by that signal, and what is reported is there ($*)"
	start_copy "$@"
	send "$name"
	complete
	expect_signal "$number"
	expect_line '^Interrupted, +remaining block count='
	expect_prefix
	expect_no_line '^sgmmcp: '
}

# ended_by_interrupt: sends one more to what start() has started, if it is there still.
ended_by_interrupt() {
	kill -INT "$pid" 2>/dev/null
	has_ended
}

# A command takes 3 seconds, so that what flies is not at home before the time of repeats is over.
later_interrupt() {
	begin 'an interrupt that is no repeat ends it at once, without waiting for what flies'
	must wait_for sd_set delay $((3 * $(getconf CLK_TCK))) 2>/dev/null
	start_counting "$a"
	start "if=$a" "of=$b" qd=16 bpt=128
	wait_midway "$a" 20
	wait_for ended_by_interrupt || fail 'interrupts do not end it'
	complete
	expect_signal "$INT"
	expect_no_line 'records out'
	must set_delay 100000000
}

reported_midway() {
	local line n=0

	begin "SIGUSR1 reports and the copy goes on ($*)"
	start_copy "$@"
	send USR1
	send USR1
	complete
	for line in "${err[@]}"; do
		[[ $line == *'records out' ]] && n=$((n + 1))
	done
	((n >= 2)) || fail "$n reports, not 2 or more"
	expect_all_copied
}

is_stopped() {
	[[ $(</proc/"$pid"/stat) == *') T '* ]]
}

# stopped_and_continued SIGNAL WORD...: three times.
stopped_and_continued() {
	local name=$1 i

	shift
	begin "SIG$name and SIGCONT in mid-copy copy right in the end ($*)"
	start_copy "$@"
	for i in 1 2 3; do
		send "$name"
		wait_for is_stopped || fail 'does not stop'
		[[ $i != 2 ]] || nap 0.1
		send CONT
		nap 0.02
	done
	complete
	expect_all_copied
}

# had_since: sets REPLY to the number of commands b has had since start_counting.
had_since() {
	commands_of "$b"
	REPLY=$((REPLY - commands_before))
}

# Ctrl-Z pauses with nothing in flight, so that no command is sent twice: the driver would, when a
# thread in SG_IO is stopped and continued. A few more or less are the kernel's own.
pause_is_quiet() {
	local before counts units usual

	begin "SIGTSTP leaves no command in flight, and none is sent twice ($*)"
	start_copy "$@"
	complete
	had_since
	usual=$REPLY
	start_copy "$@"
	send TSTP
	wait_for is_stopped || fail 'does not stop'
	units=("/sys/class/scsi_generic/${a#/dev/}/device" "/sys/class/scsi_generic/${b#/dev/}/device")
	sd_count_commands
	before=$REPLY
	read -ra counts <<<"$before"
	((counts[0] == counts[1] && counts[2] == counts[3])) || fail "commands in flight: $before"
	nap 0.2
	sd_count_commands
	[[ $REPLY == "$before" ]] || fail 'commands are sent while it is stopped'
	send CONT
	complete
	had_since
	((REPLY < usual + 8)) || fail "$REPLY commands instead of $usual"
	expect_all_copied
	number_after 'retries'
	((REPLY == 0)) || fail "$REPLY retries"
}

two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
echo 1 >"$allow_dio"
for io in rw sg_io; do
	for xfer in mmap ${SGMMCP_FULL:+dio}; do
		interrupted INT "$INT" qd=16 bpt=128 "io=$io" "xfer=$xfer"
	done
	interrupted TERM "$TERM" qd=16 bpt=128 "io=$io"
	reported_midway qd=16 bpt=128 "io=$io"
	for xfer in mmap ${SGMMCP_FULL:+dio indirect}; do
		stopped_and_continued TSTP qd=16 bpt=128 "io=$io" "xfer=$xfer"
		stopped_and_continued STOP qd=16 bpt=128 "io=$io" "xfer=$xfer"
	done
	pause_is_quiet qd=16 bpt=128 "io=$io"
done
interrupted INT "$INT" qd=1 bpt=128
later_interrupt
finish
