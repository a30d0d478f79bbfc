# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: BSD-2-Clause
#
# What the system tests share. A test script runs inside a guest and is a list of cases:
#
#     begin 'a write-protected disk is refused'
#     run "if=$a" "of=$b"
#     expect_status 7
#     expect_one_line 'write-protected'
#     ...
#     finish
#
# A case ends where the next one begins. Each prints `ok NAME`, `skip NAME: why`, or `not ok NAME`
# and, indented, what was wrong with it; `finish` prints how many there were, so that the runner
# (tests/system.sh) notices a script that ended half-way.
#
# A new process costs 50 ms in a guest, so the helpers answer in variables, not on stdout.

# shellcheck source=tests/guest/inside.sh
. "$INSIDE"

sgmmcp=${SGMMCP:?names the program under test}
allow_dio=/sys/module/sg/parameters/allow_dio

# Exit statuses of the sanitizers that no exit status of ours can be taken for.
export ASAN_OPTIONS=exitcode=201:${ASAN_OPTIONS:-} UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
# Where a build for coverage leaves its counts.
export GCOV_PREFIX=$RESULTS/gcov

# The last command: how it was called, how it ended, what it said.
command_line='' status=0 err=() ended_by=0

# The case.
case_name='' case_skipped='' faults=()
cases=0

# --- cases ---

# verdict NAME [FAULT...]: prints how a case ended.
verdict() {
	cases=$((cases + 1))
	if (($# == 1)); then
		echo "ok $1"
	else
		echo "not ok $1"
		shift
		printf '    %s\n' "$@"
	fi
}

end_case() {
	[[ -n $case_name ]] || return 0
	if [[ -n $case_skipped ]]; then
		cases=$((cases + 1))
		echo "skip $case_name: $case_skipped"
	else
		verdict "$case_name" "${faults[@]}"
	fi
	case_name=
}

begin() {
	end_case
	case_name=$1 case_skipped='' faults=()
}

skip() {
	case_skipped=$1
}

finish() {
	end_case
	echo "cases $cases"
	exit 0
}

# fail WHAT: the case has failed; tells what command it was and what it said.
fail() {
	faults+=("$1" "  $command_line" "${err[@]/#/  | }")
}

# Nothing after it makes sense when it fails: the script ends, and the runner says so.
must() {
	"$@" && return
	printf '    %s: failed\n' "$*"
	end_case
	exit 1
}

# --- the program ---

took() {
	status=$?
	mapfile -t err </tmp/err
}

# run WORD...: the program, to its end.
run() {
	command_line="sgmmcp $*"
	"$sgmmcp" "$@" >/tmp/out 2>/tmp/err </dev/null
	took
}

# run_guarded WORD...: the same where a hang is among what may happen.
run_guarded() {
	command_line="sgmmcp $*"
	timeout -k 10 120 "$sgmmcp" "$@" >/tmp/out 2>/tmp/err </dev/null
	took
}

# What starts the program with its signals as a terminal has them, and tells how it died: the
# shell cannot tell dying by a signal from exiting with 128 + n, and has its jobs ignore SIGINT.
# shellcheck disable=SC2016
readonly LAUNCHER='
	$child = fork;
	if (!$child) {
		$SIG{$_} = "DEFAULT" for qw(INT QUIT TSTP);
		exec @ARGV;
	}
	open F, ">", "/tmp/pid.new";
	print F "$child\n";
	close F;
	rename "/tmp/pid.new", "/tmp/pid";
	waitpid $child, 0;
	open F, ">", "/tmp/ended";
	printf F "%d %d\n", $? >> 8, $? & 127;
	close F;'

# start WORD...: the program in the background; sets pid.
start() {
	command_line="sgmmcp $*"
	err=()
	rm -f /tmp/pid /tmp/ended
	perl -e "$LAUNCHER" "$sgmmcp" "$@" >/tmp/out 2>/tmp/err </dev/null &
	launcher=$!
	wait_for test -s /tmp/pid || fail 'not started'
	read -r pid </tmp/pid
}

has_ended() {
	[[ -s /tmp/ended ]]
}

# complete: waits for what start() has started; sets status, ended_by (a signal or 0) and err.
complete() {
	if ! WAIT_S=120 wait_for has_ended 2>/dev/null; then
		fail "hangs: $(cat /proc/"$pid"/task/*/wchan 2>&1)"
		kill -KILL "$pid"
	fi
	wait "$launcher"
	read -r status ended_by </tmp/ended
	mapfile -t err </tmp/err
}

# --- ways to move data ---

# every_way COMMAND WORD...: calls it by every io, depth and method with SGMMCP_FULL=1; else by one of
# four, each in its turn.
turn=0
every_way() {
	local way ways=('qd=1 io=sg_io xfer=mmap' 'qd=16 io=rw xfer=dio' 'qd=1 io=rw xfer=dio' \
		'qd=16 io=sg_io xfer=mmap')

	ways=("${ways[turn++ % 4]}")
	if [[ -n ${SGMMCP_FULL:-} ]]; then
		ways=(qd={1,16}\ io={sg_io,rw}\ xfer={mmap,dio})
	fi
	for way in "${ways[@]}"; do
		# shellcheck disable=SC2086
		"$@" $way
	done
}

# all_or WAY COMMAND WORD...: by every way with SGMMCP_FULL=1, else by that one.
all_or() {
	if [[ -n ${SGMMCP_FULL:-} ]]; then
		every_way "${@:2}"
	else
		# shellcheck disable=SC2086
		"${@:2}" $1
	fi
}

# --- what is expected ---

expect_status() {
	((status == $1)) || fail "exit status $status, not $1"
}

expect_signal() {
	((ended_by == $1)) || fail "ended by signal $ended_by (exit status $status), not by signal $1"
}

# says REGEX: whether a line of stderr matches.
says() {
	local line

	for line in "${err[@]}"; do
		[[ $line =~ $1 ]] && return
	done
	return 1
}

expect_line() {
	says "$1" || fail "no line on stderr matches '$1'"
}

expect_no_line() {
	! says "$1" || fail "a line on stderr matches '$1'"
}

# expect_one_line REGEX: stderr is that line and no other.
expect_one_line() {
	((${#err[@]} == 1)) || fail "${#err[@]} lines on stderr, not 1"
	expect_line "^sgmmcp: .*$1"
}

# expect_one_complaint REGEX: among the report there is one line that says what went wrong. Beside
# it, a flush may have failed for the same reason.
expect_one_complaint() {
	local line n=0

	for line in "${err[@]}"; do
		[[ $line == sgmmcp:* && $line != *'may not last' ]] && n=$((n + 1))
	done
	((n == 1)) || fail "$n complaints on stderr, not 1"
	expect_line "^sgmmcp: .*$1"
}

# expect WHAT COMMAND...: COMMAND says yes.
expect() {
	local what=$1

	shift
	"$@" || fail "$what"
}

# number_before WORDS: sets REPLY to the last number on stderr that stands before WORDS.
number_before() {
	local line

	REPLY=-1
	for line in "${err[@]}"; do
		[[ $line =~ ([0-9]+)(\+[01])?\ $1 ]] && REPLY=${BASH_REMATCH[1]}
	done
}

# number_after WORDS: likewise, one that stands after them.
number_after() {
	local line

	REPLY=-1
	for line in "${err[@]}"; do
		[[ $line =~ $1\ ([0-9]+) ]] && REPLY=${BASH_REMATCH[1]}
	done
}

expect_records_out() {
	number_before 'records out'
	((REPLY == $1)) || fail "$REPLY records out, not $1"
}

# --- data ---

# fill DISK FILE: the start of the disk becomes what the file holds, as far as the file goes.
fill() {
	dd "if=$2" "of=$1" bs=1M oflag=direct status=none
}

# make_data FILE MIB: a file of random data.
make_data() {
	dd if=/dev/urandom "of=$1" bs=1M "count=$2" iflag=fullblock status=none
}

# sum_of FILE [MIB]: sets REPLY to its checksum, read past the page cache.
sum_of() {
	local direct=()

	[[ -b $1 ]] && direct=(iflag=direct)
	read -r REPLY _ < <(dd "if=$1" bs=1M "${direct[@]}" ${2:+count=$2} status=none | md5sum)
}

# put FROM TO SKIP SEEK COUNT BLOCK: what a copy of those blocks is to give, done by dd in a file.
put() {
	dd "if=$1" "of=$2" bs=1M conv=notrunc "iflag=skip_bytes,count_bytes" oflag=seek_bytes \
		"skip=$(($3 * $6))" "seek=$(($4 * $6))" "count=$(($5 * $6))" status=none
}

# expect_equal DISK FILE: the whole disk, read past the page cache, is what the file holds.
expect_equal() {
	dd "if=$1" bs=1M iflag=direct status=none | cmp -s - "$2" ||
		fail "$1 is not as expected: $(first_difference "$1" "$2")"
}

first_difference() {
	blockdev --flushbufs "$1"
	cmp "$1" "$2" 2>&1
}

# equal_range FILE FILE SKIP SKIP COUNT [BLOCK]: whether these blocks of both are equal.
equal_range() {
	local block=${6:-512}

	(($5 == 0)) || cmp -s -n "$(($5 * block))" -i "$(($3 * block)):$(($4 * block))" "$1" "$2"
}

# --- devices ---

# unit_file SG NAME: sets REPLY to what the file in the unit's sysfs directory says.
unit_file() {
	read -r REPLY <"/sys/class/scsi_generic/${1#/dev/}/device/$2"
}

# commands_of SG: sets REPLY to the number of commands the unit has had.
commands_of() {
	unit_file "$1" iorequest_cnt
	REPLY=$((REPLY))
}

has_had() {
	commands_of "$1"
	((REPLY >= $2))
}

# is_over PID: a child that bash has not reaped yet has, too: kill -0 would not tell, and bash now
# and then only hears of it when it waits.
is_over() {
	local state

	read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" || return 0
	[[ $state == Z ]]
}

# wait_midway SG N: until the unit has had N more commands than when start_counting SG was called.
commands_before=0
start_counting() {
	commands_of "$1"
	commands_before=$REPLY
}

wait_midway() {
	WAIT_S=60 wait_for has_had "$1" $((commands_before + $2)) || fail 'never got that far'
}

# rescan SG: has sd look at the unit anew, which it does not by itself when something has changed.
rescan() {
	echo 1 >"/sys/class/scsi_generic/${1#/dev/}/device/rescan"
}

is_uml() {
	[[ $(</proc/cpuinfo) == *'User Mode'* ]]
}

kernel_is() {
	[[ $(</proc/sys/kernel/osrelease) == "$1".* ]]
}

a='' b='' disk_a='' disk_b=''

# two_units: sets a and b to the sg nodes of scsi_debug's first two units, disk_a and disk_b to
# their block nodes.
two_units() {
	units=()
	sd_list_units
	must node_of "${units[0]}" scsi_generic && a=$REPLY
	must node_of "${units[1]}" scsi_generic && b=$REPLY
	node_of "${units[0]}" block && disk_a=$REPLY
	node_of "${units[1]}" block && disk_b=$REPLY
}
