# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: asan qemu -t 1800 -k 6.12 -s 2 -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=20000"
#
# One fault of each kind, put into single commands by the fault injection that scsi_debug has since
# 6.7: what the program makes of it.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 READY=0x00 READ=0x28 WRITE=0x2a FLUSH=0x35 VERIFY=0x2f

source_data=/tmp/source pattern=/tmp/pattern

# errors_of SG: sets REPLY to the file that takes the rules of the unit.
errors_of() {
	REPLY=$(realpath "/sys/class/scsi_generic/${1#/dev/}/device")
	REPLY=/sys/kernel/debug/scsi_debug/${REPLY##*/}/error
}

# inject SG TIMES OPCODE HOST STATUS KEY ASC ASCQ: the next TIMES commands with that opcode fail so.
inject() {
	errors_of "$1"
	echo "2 -$2 $3 $4 0 $5 $6 $7 $8" >"$REPLY"
	rule="$REPLY" opcode=$3
}

heal() {
	echo "- 2 $opcode" >"$rule"
}

expect_all_copied() {
	expect_status 0
	expect_equal "$disk_b" "$source_data"
}

# ends WHAT STATUS OPCODE REGEX HOST STATUS KEY ASC ASCQ: a fault that never goes away, at either end.
ends() {
	local what=$1 want=$2 opcode=$3 text=$4 node=$a blocks='64 blocks'

	shift 4
	[[ $what != *request* ]] || blocks='1 block' # it is tried in halves first, which is told
	begin "$what ends the copy with status $want"
	[[ $opcode == "$READ" ]] || node=$b
	inject "$node" 1000 "$opcode" "$@"
	run_guarded "if=$a" "of=$b" bpt=64 qd=4 retries=1 timeout=5 ${with:+"$with"}
	heal
	expect_status "$want"
	if [[ $what == *request* ]]; then
		expect_line '^sgmmcp: transfers shortened from 32768 to 512 bytes: longer ones were refused$'
		expect_line "^sgmmcp: $node: (READ|WRITE)\\(10\\) at LBA [0-9]+, $blocks: $text"
	else
		expect_one_complaint "$node: (READ|WRITE)\\(10\\) at LBA [0-9]+, $blocks: $text"
	fi
}

# passes WHAT OPCODE HOST STATUS KEY ASC ASCQ: a fault that goes away when the command is repeated.
passes() {
	local what=$1 opcode=$2 node=$a

	shift 2
	begin "$what that goes away is survived, and the copy is right"
	[[ $opcode == "$READ" ]] || node=$b
	fill "$disk_b" "$pattern"
	inject "$node" 2 "$opcode" "$@"
	run_guarded "if=$a" "of=$b" bpt=64 qd=4 retries=2
	heal
	expect_all_copied
	number_after retries
	((REPLY == 2)) || fail "$REPLY retries, not 2"
}

both_fates() {
	passes 'a medium error' $READ 0 2 0x3 0x11 0x0
	ends 'a medium error' 3 $READ 'medium error .*3/11/00' 0 2 0x3 0x11 0x0
	passes 'a hardware error' $WRITE 0 2 0x4 0x44 0x0
	ends 'a hardware error' 3 $WRITE 'hardware error .*4/44/00' 0 2 0x4 0x44 0x0
	passes 'a unit attention' $READ 0 2 0x6 0x29 0x0
	passes 'a unit attention' $WRITE 0 2 0x6 0x3f 0x0e
	ends 'a unit attention' 6 $READ 'unit attention .*6/29/00' 0 2 0x6 0x29 0x0
	passes 'an aborted command' $WRITE 0 2 0xb 0x0 0x0
	ends 'an aborted command' 11 $READ 'aborted command .*b/00/00' 0 2 0xb 0x0 0x0
	passes 'a host error' $READ 7 0 0 0 0
	ends 'a host error' 35 $WRITE 'transport error' 7 0 0 0 0
	ends 'write protection' 7 $WRITE 'write protected .*7/27/00' 0 2 0x7 0x27 0x0
	ends 'a unit that is not ready' 2 $READ 'not ready, stopped .*2/04/02' 0 2 0x2 0x4 0x2
	passes 'a self-test' $READ 0 2 0x2 0x4 0x9
	passes 'becoming ready' $WRITE 0 2 0x2 0x4 0x1
	ends 'a unit that is being sanitized' 16 $READ 'not ready, being erased .*2/04/1b' 0 2 0x2 0x4 0x1b
	ends 'an illegal request' 5 $READ 'illegal request .*5/24/00' 0 2 0x5 0x24 0x0
	with='cdbsz=10' ends 'a command not supported' 9 $WRITE 'command not supported .*5/20/00' 0 2 0x5 0x20 0x0
	ends 'an LBA out of range' 22 $READ 'LBA out of range .*5/21/00' 0 2 0x5 0x21 0x0
	ends 'a reservation conflict' 24 $WRITE 'reservation conflict' 0 0x18 0 0 0
	ends 'a miscompare' 14 $READ 'miscompare .*e/1d/00' 0 2 0xe 0x1d 0x0
	ends 'a capacity that has changed' 6 $READ 'capacity changed .*6/2a/09' 0 2 0x6 0x2a 0x9
	ends 'a protection error' 40 $READ 'protection information error .*b/10/01' 0 2 0xb 0x10 0x1
}

# other_form NODE OPCODE WORD...: that command is not known, for good.
other_form() {
	local node=$1 code=$2

	shift 2
	begin "a unit that does not know $code gets its other form ($*)"
	fill "$disk_b" "$pattern"
	inject "$node" 100000 "$code" 0 2 0x5 0x20 0x0
	run_guarded "if=$a" "of=$b" bpt=64 "$@"
	heal
	expect_all_copied
	expect_line "$node .*; command of another size than planned\$"
	number_after retries
	((REPLY > 0 && REPLY <= 16)) || fail "$REPLY retries"
}

other_forms() {
	other_form "$a" $READ qd=1
	other_form "$a" $READ qd=16 io=rw
	other_form "$b" $WRITE qd=16 io=sg_io
	other_form "$b" $WRITE qd=4 coe=1 map=/tmp/other-map
	other_form "$b" $VERIFY qd=4 verify=drive
}

# rescued WHAT OPCODE HOST STATUS KEY ASC ASCQ WORD...: the next three such commands fail; a rescue
# loses nothing by it.
rescued() {
	local what=$1 code=$2 fault=("${@:3:5}") node=$a map=/tmp/map

	shift 7
	begin "$what, thrice: a rescue loses nothing ($*)"
	[[ $code == "$READ" ]] || node=$b
	fill "$disk_b" "$pattern"
	rm -f "$map" "$map.bak"
	inject "$node" 3 "$code" "${fault[@]}"
	run_guarded "if=$a" "of=$b" coe=1 "map=$map" bpt=64 "$@"
	heal
	expect_all_copied
	expect_no_line 'unrecovered block'
	expect 'not all is done in the map' grep -q "^0x00000000  0x00800000  +" "$map"
}

# What fails by the host adapter alone cannot be had of the kernel in rescue.sh.
all_rescued() {
	local way='qd=16 io=rw xfer=dio'

	echo 1 >"$allow_dio"
	all_or "$way" rescued 'a transport error of READ' $READ 7 0 0 0 0
	all_or "$way" rescued 'a transport error of WRITE' $WRITE 7 0 0 0 0
	[[ -n ${SGMMCP_FULL:-} ]] || return
	every_way rescued 'a medium error' $READ 0 2 0x3 0x11 0x0
	every_way rescued 'a hardware error of WRITE' $WRITE 0 2 0x4 0x44 0x0
	every_way rescued 'an aborted command' $READ 0 2 0xb 0x0 0x0
	every_way rescued 'an aborted WRITE' $WRITE 0 2 0xb 0x0 0x0
	every_way rescued 'a unit attention' $READ 0 2 0x6 0x3f 0x0e
	every_way rescued 'a unit attention of WRITE' $WRITE 0 2 0x6 0x2a 0x1
}

# The data are not looked at: such a command moves none here. faults.sh has those that do.
recovered() {
	begin 'a recovered error is success and counted'
	inject "$a" 2 $READ 0 2 0x1 0x17 0x1
	run_guarded "if=$a" "of=$b" bpt=64 qd=4
	heal
	expect_status 0
	number_after recovered
	((REPLY == 2)) || fail "$REPLY recovered, not 2"
}

flush_fails() {
	begin 'a flush that fails is no success, though all was written'
	fill "$disk_b" "$pattern"
	inject "$b" 1000 $FLUSH 0 2 0x3 0xc 0x0
	run_guarded "if=$a" "of=$b" bpt=64
	heal
	expect_status 3
	expect_line "^sgmmcp: $b: SYNCHRONIZE CACHE: medium error"
	expect_records_out 16384
	expect_equal "$disk_b" "$source_data"

	begin 'a unit that has no such command needs no flush'
	inject "$b" 1000 $FLUSH 0 2 0x5 0x20 0x0
	run_guarded "if=$a" "of=$b" count=100
	heal
	expect_status 0
	expect_no_line '^sgmmcp: '
}

# The drive tells of a reset once, and it may be the flush that is told.
flush_hears_of_a_reset() {
	local map=/tmp/map

	begin 'a flush that is told of a reset is no success, though all was written'
	fill "$disk_b" "$pattern"
	inject "$b" 1 $FLUSH 0 2 0x6 0x29 0x0
	run_guarded "if=$a" "of=$b" bpt=64
	expect_status 6
	expect_line "^sgmmcp: $b: SYNCHRONIZE CACHE: unit attention .*6/29/00"

	begin 'and to the map it is what a failed flush is: all is copied once more'
	inject "$b" 1 $FLUSH 0 2 0x6 0x29 0x0
	run_guarded "if=$a" "of=$b" bpt=64 "map=$map"
	heal
	expect_status 6
	grep -q '^0x00000000  *0x00800000  *?$' "$map" || fail "map: $(<"$map")"
	run_guarded "if=$a" "of=$b" bpt=64 "map=$map"
	expect_status 0
	expect_records_out 16384
	grep -q '^0x00000000  *0x00800000  *+$' "$map" || fail "map: $(<"$map")"
	expect_equal "$disk_b" "$source_data"
}

# waited_for WHAT KEY ASC ASCQ: before the first command, three seconds long.
waited_for() {
	local what=$1

	shift
	begin "a unit that says '$what' is waited for, and that is said"
	fill "$disk_b" "$pattern"
	inject "$a" 30 $READY 0 2 "$@"
	run_guarded "if=$a" "of=$b" bpt=64
	heal
	expect_all_copied
	expect_line "^sgmmcp: $a: waiting: "
}

# As where the source has changed by the time it is read once more.
not_found_again() {
	begin 'a miscompare that only the drive finds stays one'
	inject "$b" 1 $VERIFY 0 2 0xe 0x1d 0x0
	run_guarded "if=$a" "of=$b" bpt=64 qd=1 verify=drive
	heal
	expect_status 14
	expect_line "^sgmmcp: $b: VERIFY\\(10\\) at LBA 0, 64 blocks: miscompare"
	expect_line "^sgmmcp: $b: the drive found a miscompare in LBA 0 to 63, and reading back finds none"
	expect_equal "$disk_b" "$source_data"
}

two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
both_fates
other_forms
recovered
flush_fails
flush_hears_of_a_reset
waited_for 'becoming ready' 0x2 0x4 0x1
waited_for 'format in progress' 0x2 0x4 0x4
waited_for 'self-test in progress' 0x2 0x4 0x9
not_found_again
all_rescued
finish
