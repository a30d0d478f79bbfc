# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 900 -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=1000000"
#
# What goes wrong on the way: commands that fail, and devices that change or go away in mid-copy.
# Either the copy survives it and is right, or it ends with the documented status and one line that
# says what, where and why.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 BLOCKS=16384

source_data=/tmp/source pattern=/tmp/pattern
# By default rescue.sh has the same faults by write() and read().
ios=(sg_io ${SGMMCP_FULL:+rw})

# inject OPTS EVERY_NTH: faults from now on. heal: none any more, and what is still armed is used up.
inject() {
	sd_set every_nth "$2"
	sd_set opts "$1"
}

heal() {
	sd_set opts 0
	sd_set every_nth 0
	timeout 60 dd "if=$disk_a" of=/dev/null bs=512 count=1 iflag=direct status=none 2>/dev/null
	timeout 60 dd "if=$disk_b" of=/dev/null bs=512 count=1 iflag=direct status=none 2>/dev/null
	rescan "$a"
	rescan "$b"
}

# copy_whole WORD...: of the disk, with faults as injected by then.
copy_whole() {
	run_guarded "if=$a" "of=$b" "$@"
}

expect_all_copied() {
	expect_status 0
	expect_records_out "$BLOCKS"
	expect_equal "$disk_b" "$source_data"
}

# survives NAME OPTS EVERY_NTH COUNTER WORD...: the copy is right, and COUNTER on the report is not 0.
survives() {
	local name=$1 opts=$2 nth=$3 counter=$4

	shift 4
	begin "$name ($*)"
	fill "$disk_b" "$pattern"
	inject "$opts" "$nth"
	copy_whole "$@"
	heal
	expect_all_copied
	[[ -n $counter ]] || return
	number_after "$counter"
	((REPLY > 0)) || fail "none $counter"
}

survived() {
	local io

	for io in "${ios[@]}"; do
		survives 'recovered errors are counted and the data taken' 8 7 recovered bpt=64 "io=$io"
		survives 'aborted commands are repeated' 0x10 23 retries bpt=64 "io=$io"
		survives 'a full task set does no harm' 0x800 20 '' bpt=64 "io=$io"
		survives 'a busy host does no harm' 0x8000 50 '' bpt=64 "io=$io"
		survives 'a command that timed out is repeated' 4 150 retries bpt=64 timeout=1 retries=3 "io=$io"
	done
}

# --- errors that end the copy ---

medium_error() {
	begin "a medium error names command, LBA and sense, and leaves what follows alone ($*)"
	fill "$disk_b" "$pattern"
	inject 2 0
	copy_whole bpt=128 "$@"
	heal
	expect_status 3
	expect_one_complaint "$a: READ\\(10\\) at LBA 4608, 128 blocks: medium error.*\\(3/11/00 "
	expect_line '^Some error occurred, +remaining block count='
	blockdev --flushbufs "$disk_b"
	equal_range "$source_data" "$disk_b" 0 0 4608 || fail 'what was before it is not right'
	equal_range "$pattern" "$disk_b" 4608 4608 128 || fail 'the blocks that could not be read were written'
	number_before 'records out'
	((REPLY >= 4608 && REPLY < BLOCKS)) || fail "$REPLY records out"
}


commands_of_retries() {
	local before one

	begin 'retries=4 repeats a failed READ four times, retries=0 never'
	fill "$disk_b" "$pattern"
	inject 2 0
	commands_of "$a"
	before=$REPLY
	copy_whole skip=4660 count=1 retries=0
	expect_status 3
	commands_of "$a"
	one=$((REPLY - before)) before=$REPLY
	copy_whole skip=4660 count=1 retries=4
	expect_status 3
	commands_of "$a"
	heal
	((REPLY - before - one == 4)) || fail "$((REPLY - before - one)) READs more"
	number_after retries
	((REPLY == 4)) || fail "$REPLY retries reported"
}

short_transfer() {
	begin "a short transfer with status GOOD is not success ($*)"
	fill "$disk_b" "$pattern"
	inject 0x100 37
	copy_whole bpt=64 "$@"
	heal
	expect_status 49
	expect_one_complaint 'READ\(10\) at LBA [0-9]+, 64 blocks: short transfer'
}

always_aborted() {
	begin 'a command that is always aborted ends with status 11'
	fill "$disk_b" "$pattern"
	start_counting "$b"
	start "if=$a" "of=$b" bpt=8 qd=4
	wait_midway "$b" 20
	inject 0x10 1
	complete
	heal
	expect_status 11
	expect_one_complaint '(READ|WRITE)\(10\) at LBA [0-9]+, 8 blocks: aborted command'
}

timed_out() {
	begin "a timeout ends with status 33 when there are no retries ($*)"
	fill "$disk_b" "$pattern"
	inject 4 100
	copy_whole bpt=64 timeout=1 retries=0 "$@"
	heal
	expect_status 33
	expect_one_complaint '(READ|WRITE)\(10\) at LBA [0-9]+, 64 blocks: timed out'
}

hangs() {
	begin "a device that does not answer is told after ten seconds, and where ($*)"
	fill "$disk_b" "$pattern"
	inject 4 100
	copy_whole bpt=64 timeout=15 retries=0 "$@"
	heal
	expect_status 33
	expect_line '^sgmmcp: /dev/sg[0-9]+: no answer for 1[0-9] s, at LBA [0-9]+ \(it has timeout=15s\)$'
	expect_line '(READ|WRITE)\(10\) at LBA [0-9]+, 64 blocks: timed out'
}

not_ready() {
	begin 'a stopped destination is refused with status 2 and what to do about it'
	fill "$disk_b" "$pattern"
	must sg_start --stop "$b"
	copy_whole
	expect_status 2
	expect_one_line "$b: is not ready: .*sg_start --start"
	must sg_start --start "$b"
	expect_equal "$disk_b" "$pattern"

	begin 'a stopped source just so'
	must sg_start --stop "$a"
	copy_whole
	expect_status 2
	expect_one_line "$a: is not ready: .*sg_start --start"

	begin 'with the flag start both are started, each for itself'
	must sg_start --stop "$b"
	copy_whole iflag=start
	expect_status 2
	expect_one_line "$b: is not ready: .*flag start"
	copy_whole oflag=start
	expect_all_copied
}

# --- changes in mid-copy ---

# midway WORD...: starts a slow copy and waits until some of it is there.
midway() {
	fill "$disk_b" "$pattern"
	must set_delay 20000000
	start_counting "$b"
	start "if=$a" "of=$b" bpt=16 qd=4 "$@"
	wait_midway "$b" 30
}

set_delay() {
	wait_for sd_set ndelay "$1" 2>/dev/null
}

changes_midway() {
	begin 'write protection set in mid-copy ends it with status 7'
	midway
	sd_set wp 1
	complete
	sd_set wp 0
	rescan "$b"
	expect_status 7
	expect_one_complaint "$b: WRITE\\(10\\) at LBA [0-9]+, 16 blocks: write protected"

	begin 'a unit stopped in mid-copy ends it with status 2'
	midway
	sg_start --stop "$a"
	complete
	sg_start --start "$a"
	expect_status 2
	expect_one_complaint "$a: READ\\(10\\) at LBA [0-9]+, 16 blocks: not ready"

	begin 'a capacity that changes in mid-copy ends it with status 6'
	midway
	sd_set virtual_gb 1
	complete
	sd_set virtual_gb 0
	heal
	heal
	expect_status 6
	expect_one_complaint 'capacity'

	begin 'a reset in mid-copy is survived, said, and the copy is right'
	midway
	must sg_reset -d "$b"
	must sg_reset -d "$a"
	complete
	expect_status 6
	expect_equal "$disk_b" "$source_data"
	number_after retries
	((REPLY > 0)) || fail 'no retries: the reset came too late'
	expect_one_complaint "$b: was reset in mid-run"
}

# --- devices that go away ---

state_of() {
	echo "$2" >"/sys/class/scsi_generic/${1#/dev/}/device/state"
}

offline() {
	begin "a destination that goes offline in mid-copy ends it with status 35 ($*)"
	midway "$@"
	state_of "$b" offline
	complete
	state_of "$b" running
	rescan "$b"
	expect_status 35
	expect_one_complaint "$b: "
}

# host_of SG: sets REPLY to the directory of its host adapter.
host_of() {
	local device

	device=$(realpath "/sys/class/scsi_generic/${1#/dev/}/device")
	device=${device##*/host}
	REPLY=/sys/class/scsi_host/host${device%%/*}
}

# pull_out NAME SG WORD...: removes the unit in mid-copy, and puts it back after it.
pull_out() {
	local name=$1 node=$2 host

	shift 2
	begin "a $name removed in mid-copy ends it promptly with status 35 ($*)"
	host_of "$node"
	host=$REPLY
	midway "$@"
	echo 1 >"/sys/class/scsi_generic/${node#/dev/}/device/delete"
	complete
	expect_status 35
	# What was in flight may come home with a host status before the node says that it is gone.
	expect_one_complaint \
		"$node: (READ|WRITE)\\(10\\) at LBA [0-9]+, 16 blocks: (device gone|transport error)"
	expect_records
	echo '- - -' >"$host/scan"
	must sd_settle
	two_units
}

# expect_records: the counts are reported all the same.
expect_records() {
	number_before 'records out'
	((REPLY > 0 && REPLY < BLOCKS)) || fail "$REPLY records out"
}

goes_away() {
	local io

	for io in "${ios[@]}"; do
		offline "io=$io"
		pull_out source "$a" "io=$io"
		pull_out destination "$b" "io=$io"
	done
	begin 'an adapter removed in mid-copy ends it promptly with status 35'
	midway
	sd_set add_host -1
	complete
	expect_status 35
	expect_one_complaint 'device gone|transport'
}

two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
survived
for io in "${ios[@]}"; do
	medium_error "io=$io" qd=16
	short_transfer "io=$io"
	timed_out "io=$io"
done
hangs io=rw
medium_error qd=1
commands_of_retries
always_aborted
not_ready
changes_midway
must set_delay 1000000
goes_away
finish
