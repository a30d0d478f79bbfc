# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 3600 -o "add_host=3 per_host_store=1 dev_size_mb=4 ndelay=50000 random=1"
# guest: full uml -t 3600 -o "add_host=3 per_host_store=1 dev_size_mb=4 ndelay=50000 random=1 physblk_exp=3"
# guest: full uml -t 3600 -o "add_host=3 per_host_store=1 dev_size_mb=32 ndelay=50000 random=1 sector_size=4096"
#
# A run that goes on after errors, remembers and resumes: exactly the bad blocks are lost, all others
# are equal, and the report, the map, the list of bad blocks and the exit status say just that.
#
# Commands come home in random order. scsi_debug has one range of bad blocks, in all of its units at
# once; reads alone fail there. Its sense data always name block 4660, and of transfers behind it the
# first block, so they are right about that one alone. Several ranges come from runs that resume,
# and from dm-dust below a block node; writes that fail from dm's error target.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly BLOCKS=8192 CHUNK=128 NAMED=4660 # the disk and a transfer; all places and lengths are in blocks
readonly DEEP='qd=16 io=rw xfer=dio' # the way by default of what differs little by it

image=/tmp/image source_data=/tmp/source pattern=/tmp/pattern zeros=/tmp/zeros expected=/tmp/expected
nth=0 map='' list='' copy='' expected_now=none
changes=0 # of the disks, in mid-run
# The variables that hold what a rescue reads and writes, and the unit whose commands are counted.
in=a out=b watched=b
on=(coe=1) # what else goes with it

# --- faults ---

# inject OPTS EVERY_NTH: faults from now on.
inject() {
	sd_set every_nth "$2"
	sd_set opts "$1"
}

# heal: none any more. What is still armed hits one read more, which is spent here.
heal() {
	inject 0 0
	dd "if=$disk_a" of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null
}

# bad_medium FIRST COUNT: these blocks cannot be read. good_medium: all can.
bad_medium() {
	sd_set medium_error_start "$1"
	sd_set medium_error_count "$2"
	inject 2 0
}

good_medium() {
	inject 0 0
}

# set_delay NANOSECONDS: not before the last command is home.
set_delay() {
	wait_for sd_set ndelay "$1" 2>/dev/null
}

# --- what is lost ---

# lost_are FIRST COUNT ...: sets lost to these blocks.
lost_are() {
	local lba

	lost=()
	while (($#)); do
		for ((lba = $1; lba < $1 + $2; lba++)); do
			lost+=("$lba")
		done
		shift 2
	done
}

# expected_is FIRST COUNT ...: the source, and zeros there, is what is expected.
expected_is() {
	[[ "$*" != "$expected_now" ]] || return 0
	expected_now="$*"
	cp "$source_data" "$expected"
	while (($#)); do
		put "$zeros" "$expected" 0 "$1" "$2" "$block"
		shift 2
	done
}

# expect_told SG READ|WRITE: there is a line for each block of lost, for a hundred of them at most,
# and no other that tells of a command.
expect_told() {
	local line told=() lines=0 rest=0 first=("${lost[@]:0:100}")

	for line in "${err[@]}"; do
		if [[ $line =~ ^"sgmmcp: $1: $2(10) at LBA "([0-9]+)", 1 block: medium error" ]]; then
			told[BASH_REMATCH[1]]=1 lines=$((lines + 1))
		elif [[ $line == *' at LBA '* ]]; then
			rest=1
		fi
	done
	((rest == 0)) || fail 'errors of another kind are told'
	((lines == ${#told[@]})) || fail "$lines lines on ${#told[@]} blocks"
	if ((${#lost[@]} > 100)); then
		((${#told[@]} == 100)) || fail "${#told[@]} blocks told, not 100"
		expect_line '^sgmmcp: further bad blocks are counted only$'
	else
		[[ "${!told[*]}" == "${first[*]}" ]] || fail "told: ${!told[*]}, not ${first[*]}"
	fi
}

expect_counted() {
	number_before 'unrecovered block'
	((REPLY == (${#lost[@]} ? ${#lost[@]} : -1))) ||
		fail "$REPLY unrecovered blocks, not ${#lost[@]}"
}

# read_map: sets map_text to its ranges, as FIRST+COUNT and the status, and map_phase.
read_map() {
	local at len state

	map_text='' map_phase=
	while read -r at len state; do
		case $at in
		'#'*) ;;
		*) if [[ -z $map_phase ]]; then
			map_phase=$len
		else
			map_text+="$((at / block))+$((len / block))$state "
		fi ;;
		esac
	done <"$map"
}

# done_in_map: sets REPLY to the blocks that the map has as copied.
done_in_map() {
	local word

	read_map
	REPLY=0
	for word in $map_text; do
		[[ $word != *+ ]] || word=${word%+} REPLY=$((REPLY + ${word#*+}))
	done
}

expect_map() {
	read_map
	[[ $map_text == "$1 " ]] || fail "map: $map_text, not $1"
}

# map_of FIRST COUNT ...: sets REPLY to the map of a run that has done all but these.
map_of() {
	local at=0 text=

	while (($#)); do
		(($1 == at)) || text+="$at+$(($1 - at))+ "
		text+="$1+$2- "
		at=$(($1 + $2))
		shift 2
	done
	((at == BLOCKS)) || text+="$at+$((BLOCKS - at))+ "
	REPLY=${text% }
}

# expect_lists: the list of bad blocks has those of lost, and so has the map for ddrescue's tool.
expect_lists() {
	local lines

	mapfile -t lines <"$list"
	[[ "${lines[*]}" == "${lost[*]}" ]] || fail "badblocks=: ${lines[*]}, not ${lost[*]}"
	mapfile -t lines < <(ddrescuelog "-b$block" -l- "$map" 2>&1)
	[[ "${lines[*]}" == "${lost[*]}" ]] || fail "ddrescuelog: ${lines[*]}, not ${lost[*]}"
}

# expect_lost FIRST COUNT ...: just these blocks, all else is on the destination.
expect_lost() {
	lost_are "$@"
	expect_status $(($# ? 3 : 0))
	expect_told "$a" READ
	expect_counted
	map_of "$@"
	expect_map "$REPLY"
	expect_lists
	expected_is "$@"
	expect_equal "$disk_b" "$expected"
}

# expect_all_done: nothing is lost, and what there is to remember says so.
expect_all_done() {
	expect_status 0
	expect_no_line 'unrecovered block'
	expect_map "0+$BLOCKS+"
	if [[ $out == image ]]; then
		expect "$image differs" cmp -s "$image" "$source_data"
	else
		expect_equal "$disk_b" "$source_data"
	fi
}

# afresh: nothing is remembered, and nothing of the source is on the destination.
afresh() {
	fill "$disk_b" "$pattern"
	nth=$((nth + 1))
	map=/tmp/map$nth list=/tmp/list$nth copy=/tmp/copy$nth
}

# rescue WORD...: the disk to the other one with all that goes with it.
rescue() {
	run "if=${!in}" "of=${!out}" "${on[@]}" "map=$map" "badblocks=$list" "$@"
}

# --- layouts of bad blocks ---

# layout NAME FIRST COUNT WORD...
layout() {
	begin "$1: exactly those are lost (${*:4})"
	afresh
	bad_medium "$2" "$3"
	rescue "bpt=$CHUNK" "${@:4}"
	good_medium
	expect_lost "$2" "$3"
}

# The first run is of the start of the disk alone, so its bad blocks stay when others take over.
scattered() {
	begin "ranges that are bad in one run and in the next are lost together ($*)"
	afresh
	bad_medium 300 2
	rescue "count=1024" "bpt=$CHUNK" "$@"
	expect_status 3
	expect_map "0+300+ 300+2- 302+722+ 1024+$((BLOCKS - 1024))?"
	bad_medium 3000 1
	rescue "bpt=$CHUNK" "$@"
	good_medium
	expect_status 3
	expect_line "^sgmmcp: $map: going on: "
	lost_are 3000 1
	expect_told "$a" READ
	lost_are 300 2 3000 1
	expect_counted
	map_of 300 2 3000 1
	expect_map "$REPLY"
	expect_lists
	expected_is 300 2 3000 1
	expect_equal "$disk_b" "$expected"
}

every_layout() {
	every_way layout 'a block in the middle of a chunk' 1077 1
	every_way layout 'a run across the border of two chunks' 1149 6
	every_way layout 'the last block of the disk' $((BLOCKS - 1)) 1
	every_way layout 'a run where the sense data name others' 6270 5
	every_way scattered
	[[ -n ${SGMMCP_FULL:-} ]] || return 0
	every_way layout 'the first block of a chunk' 1024 1
	every_way layout 'the last block of a chunk' 1151 1
	every_way layout 'a whole chunk' 1280 "$CHUNK"
	every_way layout 'the first block of the disk' 0 1
	every_way layout 'a block that the sense data name' "$NAMED" 1
	every_way layout 'a block where they name others' 6000 1
}

# --- how many commands it takes ---

# reads_of WORD...: sets REPLY to the READs that the run says it sent.
reads_of() {
	local line

	run "if=$a" of=. "count=$CHUNK" "bpt=$CHUNK" qd=1 "$@"
	REPLY=-1
	for line in "${err[@]}"; do
		[[ $line =~ ^'read '.*': '([0-9]+)' commands' ]] && REPLY=${BASH_REMATCH[1]}
	done
	for line in "${err[@]}"; do
		[[ $line =~ 'data: '([0-9.]+)' secs' ]] && seconds=${BASH_REMATCH[1]}
	done
}

# one_named AT: sets REPLY to the READs that the chunk costs which the sense data name block AT of.
one_named() {
	bad_medium "$NAMED" 1
	reads_of coe=1 time=1 "skip=$((NAMED - $1))"
	good_medium
	expect_status 3
}

# Most of the time goes into starting the program, so not each block of the chunk by default.
commands_of_a_bad_block() {
	local usual at worst=0 worst_at=0 worst_s=0 step=${SGMMCP_FULL:+1} limit=16 seconds=0

	begin "a chunk of $CHUNK blocks with a bad one that is not named costs at most $limit commands more"
	sd_set dsense 1
	reads_of
	usual=$REPLY
	((usual == 1)) || fail "$usual READs where nothing is bad"
	for ((at = 0; at < CHUNK; at += ${step:-21})); do
		bad_medium $((CHUNK + at)) 1
		reads_of coe=1 time=1 "skip=$CHUNK"
		good_medium
		expect_status 3
		((REPLY > usual && REPLY - usual <= limit)) || fail "$((REPLY - usual)) more for block $at"
		((REPLY - usual <= worst)) || worst=$((REPLY - usual)) worst_at=$at worst_s=$seconds
	done
	sd_set dsense 0
	echo "a bad block of $CHUNK, not named: $worst commands more at worst (block $worst_at), $worst_s s"

	begin 'and one that is named not more than by halves alone'
	limit=$worst worst=0
	for at in 0 1 52 64 127; do
		one_named "$at"
		((REPLY > usual && REPLY - usual <= limit)) || fail "$((REPLY - usual)) more for block $at"
		((REPLY - usual <= worst)) || worst=$((REPLY - usual)) worst_at=$at worst_s=$seconds
	done
	echo "one that is named: $worst commands more at worst (block $worst_at), $worst_s s"
}

# --- faults that go away ---

# nothing_lost NAME OPTS EVERY_NTH COUNTER WORD...: nothing is, and COUNTER on the report is not 0.
nothing_lost() {
	local counter=$4

	begin "$1: nothing is lost (${*:5})"
	afresh
	inject "$2" "$3"
	shift 4
	run_guarded "if=$a" "of=$b" coe=1 "map=$map" bpt=64 "$@"
	heal
	expect_all_done
	[[ -n $counter ]] || return 0
	number_after "$counter"
	((REPLY > 0)) || fail "none $counter"
	[[ $counter != recovered ]] || expect_line ': (READ|WRITE)\(10\) at LBA .*: recovered error'
}

go_away() {
	all_or "$DEEP" nothing_lost 'recovered errors' 8 7 recovered
	all_or "$DEEP" nothing_lost 'aborted commands, transport errors' 0x10 23 retries
	all_or "$DEEP" nothing_lost 'a full task set' 0x800 20 ''
	all_or "$DEEP" nothing_lost 'a busy host' 0x8000 50 ''
	all_or "$DEEP" nothing_lost 'commands that time out' 4 150 retries timeout=1
}

# --- what ends a run, and how it goes on ---

# goes_on_from DONE WORD...: the run after it reads nothing of what was done by then.
goes_on_from() {
	local before=$1

	shift
	rescue "$@"
	expect_all_done
	number_before 'records in'
	((REPLY == BLOCKS - before)) || fail "$REPLY blocks read, where $before of $BLOCKS were done"
}

# short_transfer WORD...: says good and is none, so nothing can be believed: the run ends.
short_transfer() {
	begin "a short transfer ends the run, and the same command goes on ($*)"
	afresh
	inject 0x100 37
	rescue bpt=64 "$@"
	heal
	expect_status 49
	expect_one_complaint 'READ\(10\) at LBA [0-9]+, 64 blocks: short transfer'
	done_in_map
	((REPLY < BLOCKS)) || fail "$REPLY blocks done"
	goes_on_from "$REPLY" bpt=64 "$@"
}

# stopped_before WORD...: the destination is looked at alone, as the source is stopped.
stopped_before() {
	begin "a source that is stopped when the run begins is refused with status 2 ($*)"
	afresh
	must sg_start --stop "$a"
	rescue bpt=64 "$@"
	expect_status 2
	expect_one_line "$a: is not ready: .*sg_start --start"
	expect 'there is a map' test ! -e "$map"
	expect_equal "$disk_b" "$pattern"

	begin "and started by iflag=start, nothing is lost ($*)"
	rescue bpt=64 iflag=start "$@"
	expect_all_done
}

first_error() {
	begin "without coe the first error ends the run, and the same command goes on once healed"
	afresh
	bad_medium 1077 1
	run_guarded "if=$a" "of=$b" "map=$map" "badblocks=$list" "bpt=$CHUNK" qd=1
	expect_status 3
	expect_one_complaint "$a: READ\\(10\\) at LBA 1024, $CHUNK blocks: medium error"
	expect_map "0+1024+ 1024+${CHUNK}* $((1024 + CHUNK))+$((BLOCKS - 1024 - CHUNK))?"
	lost=()
	expect_lists
	# What is done is bad by now: it is not read again.
	bad_medium 0 1024
	run_guarded "if=$a" "of=$b" "map=$map" "badblocks=$list" "bpt=$CHUNK" qd=1
	good_medium
	expect_all_done
	number_before 'records in'
	((REPLY == BLOCKS - 1024)) || fail "$REPLY blocks read"
}

retried() {
	begin 'blocks that are good again are had with retries=, and no others are read'
	afresh
	bad_medium 1077 3
	rescue "bpt=$CHUNK"
	good_medium
	expect_lost 1077 3
	rescue "bpt=$CHUNK"
	expect_status 3
	number_before 'records in'
	((REPLY == 0)) || fail "$REPLY blocks read without retries="
	rescue "bpt=$CHUNK" retries=1
	expect_all_done
	number_before 'records in'
	((REPLY == 3)) || fail "$REPLY blocks read"
	lost=()
	expect_lists

	begin 'retries=2 tries a bad block thrice'
	bad_medium $((CHUNK + 5)) 1
	reads_of coe=1 "skip=$CHUNK" retries=0
	local once=$REPLY
	reads_of coe=1 "skip=$CHUNK" retries=2
	good_medium
	((REPLY == once + 2)) || fail "$REPLY READs, not $once and 2"
}

good_at_last() {
	begin 'blocks that are good at another try of the same run are not lost'
	afresh
	must set_delay 20000000
	bad_medium 1000 100
	start "if=$a" "of=$b" coe=1 "map=$map" "badblocks=$list" "bpt=$CHUNK" qd=1 retries=2
	WAIT_S=60 must wait_for grep -q 'medium error' /tmp/err
	good_medium
	complete
	must set_delay 50000
	expect_all_done
	expect_line '^at another try they were good$'
	lost=()
	expect_lists
}

# Without a map too: what lies behind a gap has been copied.
kept_behind_gaps() {
	local from=$((1077 / CHUNK * CHUNK))

	begin 'a run that ends early keeps what it has copied behind a gap'
	afresh
	bad_medium 1077 3
	run "if=$a" "of=$copy" coe=1 maxbad=1 "bpt=$CHUNK"
	good_medium
	expect_status 3
	expect_line '^sgmmcp: stopped: more bad blocks than maxbad=$'
	expect_line "^$(((from + CHUNK - 1079) * block)) bytes were not copied\$"
	expected_is 1077 $((from + CHUNK - 1077))
	expect 'the file differs' cmp -s "$copy" "$expected"
}

# --- changes in mid-run ---

# midway CHANGE WORD...: a slow rescue, and CHANGE is called when some of it is there; where that came
# too late on a busy machine, once more and slower. Ends when the run has, at full speed again.
midway() {
	local change=$1 delay_ns

	for delay_ns in 20000000 80000000 320000000; do
		afresh
		must set_delay "$delay_ns"
		start_counting "${!watched}"
		start "if=${!in}" "of=${!out}" "${on[@]}" "map=$map" "badblocks=$list" bpt=32 "${@:2}"
		changes=1
		wait_midway "${!watched}" 40
		"$change"
		complete
		must set_delay 50000
		came_too_late || return
		undo_changes
	done
}

# came_too_late: the run has done all, and noticed too little of it, or nothing before the last flush.
came_too_late() {
	((ended_by == 0 && (status == 0 || status == 6))) || return
	number_before 'records out'
	((REPLY == BLOCKS)) || return
	number_after retries
	((REPLY < changes))
}

# undo_changes: the disks become what they were.
undo_changes() {
	local host

	sd_set wp 0
	sd_set virtual_gb 0
	sd_set max_luns 1
	for host in /sys/class/scsi_host/host*; do
		echo '- - -' >"$host/scan"
	done
	must sd_settle
	two_units
	sg_start --start "$a" 2>/dev/null || sg_start --start "$a" # a unit attention may come first
	rescan "$a"
	rescan "$b"
}

# ended_midway CHANGE WORD...: likewise, of what ends the run. Sets REPLY to how much is remembered.
ended_midway() {
	midway "$@"
	done_in_map
	((REPLY < BLOCKS)) || fail 'all blocks done'
}

# something_is_kept: as the destination could be flushed.
something_is_kept() {
	((REPLY > 0)) || fail 'no blocks done'
}

interrupt() {
	kill -INT "$pid"
}

interrupted() {
	begin "SIGINT in mid-run saves, and the same command goes on ($*)"
	bad_medium 8100 2
	ended_midway interrupt "$@"
	something_is_kept
	local before=$REPLY
	expect_signal 2
	expect_no_line '^sgmmcp: '
	[[ $map_text != *[-*/]* ]] || fail "map: $map_text"
	rescue "bpt=32" "$@"
	good_medium
	expect_lost 8100 2
	number_before 'records in'
	((REPLY == BLOCKS - before - 2)) || fail "$REPLY blocks read, where $before were done"
}

save_now() {
	kill -USR1 "$pid"
	wait_for has_progress || fail 'nothing is saved'
}

saved_on_demand() {
	begin 'SIGUSR1 in mid-run saves what is durable by then, and the run goes on'
	midway save_now qd=4
	expect_all_done
}

has_progress() {
	done_in_map
	((REPLY > 0 && REPLY < BLOCKS))
}

protect() {
	sd_set wp 1
}

write_protected() {
	begin "write protection in mid-run ends it with status 7, and the same command goes on ($*)"
	ended_midway protect "$@"
	something_is_kept
	local before=$REPLY
	sd_set wp 0
	rescan "$b"
	expect_status 7
	expect_one_complaint "$b: WRITE\\(10\\) at LBA [0-9]+, 32 blocks: write protected"
	goes_on_from "$before" "$@"
}

stop_source() {
	sg_start --stop "$a"
}

stopped() {
	begin "a source stopped in mid-run ends it with status 2, and iflag=start goes on ($*)"
	ended_midway stop_source "$@"
	something_is_kept
	expect_status 2
	expect_one_complaint "$a: READ\\(10\\) at LBA [0-9]+, 32 blocks: not ready"
	goes_on_from "$REPLY" iflag=start "$@"
}

stop_both() {
	sg_start --stop "$a"
	sg_start --stop "$b"
}

started_again() {
	begin "disks that are stopped in mid-run are started where that was asked ($*)"
	midway stop_both iflag=start oflag=start "$@"
	must sg_start --start "$a" # the second may have been stopped when the run was over
	must sg_start --start "$b"
	expect_all_done
	expect_no_line 'not ready'
	number_after retries
	((REPLY > 0)) || fail 'nothing was sent again'
}

reset_both() {
	must sg_reset -d "$b"
	must sg_reset -d "$a"
}

# What was written and not flushed may be gone with a reset of the destination: it is written again.
was_reset() {
	begin "resets in mid-run are survived, and what they may have cost is done again ($*)"
	midway reset_both "$@"
	expect_all_done
	expect_line "$b: was reset in mid-run"
	number_before 'records out'
	((REPLY > BLOCKS)) || fail "$REPLY blocks written"
}

# further_or_over N: the destination has had N commands more, or the run is over.
further_or_over() {
	has_had "$b" $((commands_before + $1)) || is_over "$pid"
}

# tell_of_changes: toggling the number of units has all of them report that it has changed.
tell_of_changes() {
	for changes in 1 2 3; do
		sd_set max_luns 2
		sd_set max_luns 1
		start_counting "$b"
		WAIT_S=60 must wait_for further_or_over 20
	done
}

told_of_changes() {
	begin "unit attentions in mid-run are survived, and nothing is lost ($*)"
	midway tell_of_changes "$@"
	expect_all_done
	number_after retries
	((REPLY >= 3)) || fail "$REPLY retries"
}

change_capacity() {
	sd_set virtual_gb 1
}

# The disk is not the one that the run began with, which is what it has to go by.
capacity_changed() {
	begin "a capacity that changes in mid-run ends it with status 6, and the same command goes on ($*)"
	ended_midway change_capacity "$@"
	local before=$REPLY
	sd_set virtual_gb 0
	rescan "$a"
	rescan "$b"
	expect_status 6
	expect_one_complaint 'capacity'
	goes_on_from "$before" "$@"
}

# host_of SG: sets REPLY to the directory of its host adapter.
host_of() {
	local device

	device=$(realpath "/sys/class/scsi_generic/${1#/dev/}/device")
	device=${device##*/host}
	REPLY=/sys/class/scsi_host/host${device%%/*}
}

# Of pulled_out: the node.
pull_out() {
	echo 1 >"/sys/class/scsi_generic/${node#/dev/}/device/delete"
}

# pulled_out NAME END WORD...: the unit a or b in mid-run; it is put back for the run that goes on.
# What a destination that is gone was not flushed of is not kept.
pulled_out() {
	local name=$1 node=${!2} host

	begin "a $name removed in mid-run ends it with status 35, and the same command goes on (${*:3})"
	host_of "$node"
	host=$REPLY
	ended_midway pull_out "${@:3}"
	[[ $name == destination ]] || something_is_kept
	local before=$REPLY
	echo '- - -' >"$host/scan"
	must sd_settle
	two_units
	expect_status 35
	expect_one_complaint \
		"$node: (READ|WRITE)\\(10\\) at LBA [0-9]+, [0-9]+ blocks?: (device gone|transport error)"
	expect_no_line 'unrecovered block'
	goes_on_from "$before" "${@:3}"
}

# nothing_is_bad: no block is called so, nor one that failed.
nothing_is_bad() {
	expect_no_line 'unrecovered block'
	[[ $map_text != *[-*/]* ]] || fail "map: $map_text"
}

cut_off() {
	sd_set max_luns 0
}

# cut_off_from source|destination WORD...: of both units at once, so the other end is a file.
cut_off_from() {
	local name=$1 in=a out=image watched=a node=$a

	[[ $name == source ]] || local in=source_data out=b watched=b node=$b
	begin "a $name that nothing gets through to in mid-run ends it with status 35, no block is bad (${*:2})"
	rm -f "$image"
	ended_midway cut_off "bs=$block" "${@:2}"
	[[ $name == destination ]] || something_is_kept
	local before=$REPLY
	sd_set max_luns 1
	expect_status 35
	expect_one_complaint \
		"$node: (READ|WRITE)\\(10\\) at LBA [0-9]+, [0-9]+ blocks?: device gone \\(host status 1, no connect\\)"
	nothing_is_bad

	begin "and when that is over the same command goes on ($name, ${*:2})"
	goes_on_from "$before" "bs=$block" "${@:2}"
}

# Of node_goes: the unit.
set_offline() {
	echo offline >"/sys/class/scsi_generic/${unit#/dev/}/device/state"
}

set_running() {
	echo running 2>/dev/null >"/sys/class/scsi_generic/${unit#/dev/}/device/state"
}

# node_goes HOW source|destination WORD...: its block node tells that the device ends there, that it
# has no space, or of an error, as it does of each block.
node_goes() {
	local name=$2 in=disk_a out=b watched=b unit=$a node=$a host

	[[ $name == source ]] || local in=a out=disk_b watched=a unit=$b node=$b
	begin "a $name that goes ($1) ends a run through its block node with status 35 (${on[*]} ${*:3})"
	host_of "$unit"
	host=$REPLY
	ended_midway "$1" "${@:3}"
	local before=$REPLY
	set_running
	echo '- - -' >"$host/scan"
	must sd_settle
	expect_status 35
	expect_one_complaint \
		"/dev/sd[a-z]: (direct (read|write)|pread|pwrite) at byte [0-9]+, [0-9]+ bytes: device gone"
	nothing_is_bad
	two_units

	begin "and when it is back the same command goes on ($name, ${on[*]} ${*:3})"
	goes_on_from "$before" "${@:3}"
}

go_midway() {
	local on=(coe=1)

	cut_off_from source qd=4
	cut_off_from destination qd=4
	node_goes pull_out source qd=4
	node_goes pull_out destination qd=4
	node_goes set_offline source qd=4
	node_goes pull_out destination qd=4 oflag=nodirect
	on=()
	node_goes pull_out source qd=4 iflag=nodirect
	[[ -n ${SGMMCP_FULL:-} ]] || return 0
	cut_off_from source qd=1
	node_goes pull_out source qd=4
	node_goes pull_out destination qd=4
	node_goes set_offline destination qd=4
	node_goes pull_out destination qd=1 oflag=nodirect
}

end_midway() {
	all_or "$DEEP" interrupted
	all_or "$DEEP" write_protected
	all_or "$DEEP" stopped
	all_or "$DEEP" started_again
	all_or "$DEEP" was_reset
	all_or "$DEEP" told_of_changes
	all_or "$DEEP" capacity_changed
	all_or "$DEEP" pulled_out source a
	all_or "$DEEP" pulled_out destination b
	saved_on_demand
}

# --- what the operands say ---

reversed() {
	begin '-R copies from the end: at an error what is behind it is done'
	afresh
	bad_medium 1077 1
	run_guarded "if=$a" "of=$b" "map=$map" "bpt=$CHUNK" qd=1 -R
	expect_status 3
	expect_map "0+1024? 1024+${CHUNK}* $((1024 + CHUNK))+$((BLOCKS - 1024 - CHUNK))+"

	begin '-R and coe lose just the same'
	afresh
	rescue "bpt=$CHUNK" qd=16 -R
	good_medium
	expect_lost 1077 1
}

not_filled() {
	begin 'oflag=nofill leaves the bad blocks of the destination as they are'
	afresh
	bad_medium 1149 6
	rescue oflag=nofill "bpt=$CHUNK"
	good_medium
	lost_are 1149 6
	expect_status 3
	expect_counted
	expected_is
	put "$pattern" "$expected" 1149 1149 6 "$block"
	expected_now=none
	expect_equal "$disk_b" "$expected"
}

# limited NAME LINE LOST WORD...: the run ends when it has lost LOST blocks, and goes on without.
limited() {
	local name=$1 line=$2 most=$3

	begin "$name ends a run that has lost more, and the same without it goes on"
	shift 3
	afresh
	bad_medium 1280 12
	rescue "bpt=$CHUNK" qd=1 "$@"
	expect_status 3
	expect_line "^sgmmcp: stopped: more $line\$"
	number_before 'unrecovered block'
	((REPLY == most)) || fail "$REPLY blocks lost, not $most"
	read_map
	[[ $map_text == *" 1280+$most- "* ]] || fail "map: $map_text"
	rescue "bpt=$CHUNK" qd=1
	good_medium
	lost_are 1280 12
	expect_status 3
	map_of 1280 12
	expect_map "$REPLY"
	expect_lists
	expected_is 1280 12
	expect_equal "$disk_b" "$expected"

	begin "$name is not reached by as many as it says"
	bad_medium 1280 "$((most - 1))"
	afresh
	rescue "bpt=$CHUNK" qd=1 "$@"
	good_medium
	expect_lost 1280 "$((most - 1))"
}

# limited_before WORD...: a limit that a run has reached holds for the next one.
limited_before() {
	local lost_before

	begin "a run that was ended by $1 ends before it reads when it is begun again"
	afresh
	bad_medium 1280 12
	rescue "bpt=$CHUNK" qd=1 "$@"
	expect_line '^sgmmcp: stopped: more '
	number_before 'unrecovered block'
	lost_before=$REPLY
	rescue "bpt=$CHUNK" qd=1 "$@"
	good_medium
	expect_status 3
	expect_line '^sgmmcp: stopped: more '
	expect_line '^0\+0 records in$'
	number_before 'unrecovered block'
	((REPLY == lost_before)) || fail "$REPLY blocks lost, and $lost_before before"

	begin 'with retries= it goes on when enough of them are good'
	rescue "bpt=$CHUNK" qd=1 retries=1 "$@"
	expect_all_done
}

refused() {
	local text

	begin 'the map of another disk is refused, and nothing is done'
	text=$(<"$map")
	run "if=$b" "of=$copy" coe=1 "map=$map"
	expect_status 31
	expect_one_line "$map: .*(serial|unit_id)"
	expect 'it was made' test ! -e "$copy"
	[[ $(<"$map") == "$text" ]] || fail 'the map has changed'

	begin 'so is one of another place of the same disk'
	run "if=$a" "of=$b" coe=1 "map=$map" seek=1 count=10
	expect_status 31
	expect_one_line "$map: .*seek_bytes"
}

# A map knows its disk by serial number and unit id, which the kernel has of a block node, too.
either_node() {
	begin 'a map is gone on with through the other node of the same disk'
	afresh
	run "if=$a" "of=$b" "map=$map" count=1000
	expect_status 0
	run "if=$disk_a" "of=$disk_b" "map=$map" count=2000
	expect_status 0
	number_before 'records in'
	((REPLY == 1000)) || fail "$REPLY blocks read"
	run "if=$a" "of=$b" "map=$map"
	expect_all_done
	number_before 'records in'
	((REPLY == BLOCKS - 2000)) || fail "$REPLY blocks read"

	begin 'and refused through that of another disk'
	run "if=$disk_b" "of=$copy" "map=$map"
	expect_status 31
	expect_one_line "$map: .*(serial|unit_id)"
}

# As after a reboot, when the same name is that of another disk.
another_destination() {
	local other text

	begin 'no disk or file but the one the map names is taken as a destination, or written'
	afresh
	must fill "$disk_c" "$pattern"
	run "if=$a" "of=$b" "map=$map" count=1000
	expect_status 0
	text=$(<"$map")
	for other in "$c" "$disk_c" "$copy"; do
		run "if=$a" "of=$other" "map=$map"
		expect_status 31
		expect_one_line "$map: .*out_(serial|unit_id)=[^ ]+ there, [^ ]+ of $other \\("
		[[ $(<"$map") == "$text" ]] || fail 'the map has changed'
	done
	expect 'it was made' test ! -e "$copy"
	expect_equal "$disk_c" "$pattern"

	begin 'it is, through its other node, and through the one it was begun with'
	run "if=$a" "of=$disk_b" "map=$map" count=2000
	expect_status 0
	number_before 'records in'
	((REPLY == 1000)) || fail "$REPLY blocks read"
	run "if=$a" "of=$b" "map=$map"
	expect_all_done
	number_before 'records in'
	((REPLY == BLOCKS - 2000)) || fail "$REPLY blocks read"

	begin 'a map begun through the block node is that of no other disk, either'
	afresh
	run "if=$a" "of=$disk_b" "map=$map" count=1000
	expect_status 0
	run "if=$a" "of=$c" "map=$map"
	expect_status 31
	expect_one_line "$map: .*out_(serial|unit_id)="
	expect_equal "$disk_c" "$pattern"
	run "if=$a" "of=$b" "map=$map"
	expect_all_done

	begin 'a map of a copy to a file names none, and takes that of the run that goes on'
	rm -f "$map"
	run "if=$a" "of=$copy" "map=$map" count=1000
	expect_status 0
	must dd "if=$copy" "of=$disk_c" "bs=$block" oflag=direct status=none
	run "if=$a" "of=$c" "map=$map"
	expect_status 0
	expect_equal "$disk_c" "$source_data"
	run "if=$a" "of=$copy" "map=$map"
	expect_status 31
	expect_one_line "$map: .*out_(serial|unit_id)=[^ ]+ there, none of $copy "
}

verified() {
	begin 'verify=after leaves out what was lost: no miscompare, status 3'
	afresh
	bad_medium 1149 6
	rescue "bpt=$CHUNK" verify=after
	good_medium
	expect_lost 1149 6
	expect_no_line miscompare
	number_before 'records compared'
	((REPLY == BLOCKS - 6)) || fail "$REPLY blocks compared"
	expect_no_line 'Interrupted'

	begin 'nor is it compared by a run that has nothing left to copy, and all else is'
	rescue "bpt=$CHUNK" verify=after
	expect_status 3
	expect_no_line miscompare
	number_before 'records compared'
	((REPLY == BLOCKS - 6)) || fail "$REPLY blocks compared"

	begin 'without a map just so'
	afresh
	expected_is 1149 6
	bad_medium 1149 6
	run_guarded "if=$a" "of=$b" coe=1 "bpt=$CHUNK" verify=after
	good_medium
	expect_status 3
	expect_no_line miscompare
	expect_equal "$disk_b" "$expected"
}

with_dd() {
	begin 'conv=noerror,sync to a file is what dd makes of it'
	afresh
	bad_medium 1149 6
	expected_is 1149 6
	run_guarded "if=$a" "of=$copy" conv=noerror,sync "bpt=$CHUNK"
	good_medium
	expect_status 3
	expect 'the file differs' cmp -s "$copy" "$expected"

	begin 'ddrescue goes on with the map of a run that was cut short'
	afresh
	run "if=$a" "of=$copy" "map=$map" count=1000
	truncate -s $((BLOCKS * block)) "$copy"
	ddrescue -q -b"$block" "$disk_a" "$copy" "$map" || fail 'ddrescue failed'
	expect_map "0+$BLOCKS+"
	expect 'the file differs' cmp -s "$copy" "$source_data"
}

# expect_on_loop WORD...: the destination of longer blocks is as expected.
expect_on_loop() {
	blockdev --flushbufs "$loop"
	expect "the data differ ($*)" cmp -s "$loop" "$expected"
}

# The last block of the destination is not filled.
padded() {
	local way odd=$((BLOCKS - 1))

	begin 'conv=sync fills the last block of a destination, also out of a mapped buffer'
	expected_is $odd 1
	for way in xfer=mmap xfer=dio xfer=indirect; do
		dd "if=$pattern" "of=$loop" bs=1M status=none
		run "if=$a" "of=$loop" "count=$odd" conv=sync oflag=nodirect "$way"
		expect_status 0
		expect_on_loop "$way"
	done
}

# bad_in_part WORD...: a mapped buffer is no memory for direct IO here.
bad_in_part() {
	[[ $* != *xfer=mmap* ]] || set -- "$@" oflag=nodirect
	begin "of a longer block of the destination only what cannot be read is lost ($*)"
	afresh
	dd "if=$pattern" "of=$loop" bs=1M status=none
	bad_medium 1077 2
	run_guarded "if=$a" "of=$loop" coe=1 "map=$map" "badblocks=$list" "bpt=$CHUNK" verify=after "$@"
	good_medium
	lost_are 1077 2
	expect_status 3
	expect_no_line miscompare
	expect_told "$a" READ
	expect_counted
	map_of 1077 2
	expect_map "$REPLY"
	expect_lists
	expected_is 1077 2
	expect_on_loop "$@"
	run "if=$a" "of=$loop" coe=1 "map=$map" retries=1
	expect_status 0
	expect_map "0+$BLOCKS+"
	expected_is
	expect_on_loop 'once more'
}

# Of a longer block that has several bad ones some may be had when it is tried again.
healed_in_part() {
	begin 'retries= has back what can be read by now of a longer block that still has bad ones'
	afresh
	bad_medium 1077 2
	run "if=$a" "of=$loop" coe=1 "map=$map" "bpt=$CHUNK"
	expect_status 3
	good_medium
	bad_medium 1077 1
	run_guarded "if=$a" "of=$loop" coe=1 "map=$map" "badblocks=$list" "bpt=$CHUNK" retries=1
	good_medium
	lost_are 1077 1
	expect_status 3
	map_of 1077 1
	expect_map "$REPLY"
	expect_lists
	expected_is 1077 1
	expect_on_loop
}

# map_of_ddrescue: to the first bad block of a longer one all has been copied, and no further.
map_of_ddrescue() {
	printf '%d / 1\n' $((1078 * block))
	printf '%d %d %s\n' 0 $((1077 * block)) + $((1077 * block)) "$block" - \
		$((1078 * block)) $((2 * block)) / $((1080 * block)) $(((BLOCKS - 1080) * block)) '?'
}

within_a_block_of_another_map() {
	begin 'a map of ddrescue that ends within a longer block is gone on with, and no block lost by it'
	afresh
	dd "if=$source_data" "of=$loop" "bs=$block" count=1077 conv=notrunc status=none
	map_of_ddrescue >"$map"
	bad_medium 1077 1
	run_guarded "if=$a" "of=$loop" coe=1 "map=$map" "bpt=$CHUNK"
	good_medium
	expect_status 3
	map_of 1077 1
	expect_map "$REPLY"
	expected_is 1077 1
	expect_on_loop

	begin 'what a longer block has from before, and the source has no more, is not given up for the rest'
	afresh
	dd "if=$source_data" "of=$loop" "bs=$block" count=1077 conv=notrunc status=none
	map_of_ddrescue >"$map"
	bad_medium 1076 1
	run_guarded "if=$a" "of=$loop" coe=1 "map=$map" retries=1 "bpt=$CHUNK"
	good_medium
	expect_status 3
	expect 'what was there is gone' cmp -s -n $((1077 * block)) "$loop" "$source_data"
	run_guarded "if=$a" "of=$loop" coe=1 "map=$map" retries=1 "bpt=$CHUNK"
	expect_status 0
	expect_map "0+$BLOCKS+"
	expected_is
	expect_on_loop
}

onto_longer_blocks() {
	local loop=/dev/loop0 image=/tmp/image

	truncate -s $((BLOCKS * block)) "$image"
	must modprobe loop
	must losetup -b 4096 "$loop" "$image"
	padded
	all_or "$DEEP" bad_in_part
	bad_in_part qd=1 io=sg_io xfer=mmap
	healed_in_part
	within_a_block_of_another_map
	losetup -d "$loop"
	rm -f "$image"
}

# --- ends that device mapper makes ---

scattered_below() {
	local dust=/dev/mapper/dust lba bad=(3 1 64 1 66 2 127 2 2000 1 4000 3 8191 1) way

	begin 'many ranges of a block node that are bad are lost, and no more'
	must modprobe dm-dust
	must dmsetup create dust --table "0 $sectors dust $disk_a 0 $block"
	lost_are "${bad[@]}"
	for lba in "${lost[@]}"; do
		dmsetup message dust 0 addbadblock "$lba" 2>/dev/null
	done
	dmsetup message dust 0 enable 2>/dev/null
	for way in qd=1 qd=16; do
		afresh
		run_guarded "if=$dust" "of=$b" coe=1 "map=$map" "badblocks=$list" "bpt=$CHUNK" "$way"
		expect_status 55
		expect_line "$dust: direct read at byte $((2000 * block)), $block bytes: Input/output error"
		expect_counted
		map_of "${bad[@]}"
		expect_map "$REPLY"
		expect_lists
		expected_is "${bad[@]}"
		expect_equal "$disk_b" "$expected"
	done
	dmsetup remove dust
}

cannot_be_written() {
	local holey=/dev/mapper/holey from=$((1149 * block / 512)) behind=$((1155 * block / 512))

	begin "a run goes on without what cannot be written ($*)"
	must dmsetup create holey <<-END
	0 $from linear $disk_b 0
	$from $((behind - from)) error
	$behind $((sectors - behind)) linear $disk_b $behind
	END
	afresh
	run_guarded "if=$a" "of=$holey" "map=$map" "badblocks=$list" "bpt=$CHUNK" "$@"
	dmsetup remove holey
	expect_status 55
	lost_are 1149 6
	expect_counted
	map_of 1149 6
	expect_map "$REPLY"
	expect_lists
	expected_is
	put "$pattern" "$expected" 1149 1149 6 "$block"
	expected_now=none
	expect_equal "$disk_b" "$expected"
}

# What a source has no blocks of is counted, and listed, in those that are copied.
cannot_be_written_from_a_file() {
	local holey=/dev/mapper/holey from=$((1149 * block / 512)) lines

	begin 'of a file the blocks are listed that are counted'
	must dmsetup create holey <<-END
	0 $from linear $disk_b 0
	$from $((2 * block / 512)) error
	END
	afresh
	run "if=$source_data" "of=$holey" count=1151 coe=1 "badblocks=$list" "bpt=$CHUNK" "bs=$block"
	dmsetup remove holey
	lost_are 1149 2
	expect_counted
	mapfile -t lines <"$list"
	[[ "${lines[*]}" == "${lost[*]}" ]] || fail "badblocks=: ${#lines[@]} lines, not ${lost[*]}"
}

# slow_below MILLISECONDS: a disk whose second eighth is slow.
slow_below() {
	local eighth=$((sectors / 8))

	must dmsetup create slow <<-END
	0 $eighth linear $disk_a 0
	$eighth $eighth delay $disk_a $eighth $1
	$((2 * eighth)) $((sectors - 2 * eighth)) linear $disk_a $((2 * eighth))
	END
}

slow_area() {
	local slow=/dev/mapper/slow rate=$((CHUNK * block * 32)) # a transfer in 31 ms

	begin 'minrate= leaves what is slow for later: an error behind it is met first'
	must modprobe dm-delay
	slow_below 200
	afresh
	bad_medium 5000 1
	run_guarded "if=$slow" "of=$b" "map=$map" "minrate=$rate" "bpt=$CHUNK" qd=1
	good_medium
	expect_status 3
	read_map
	[[ $map_text =~ ^0\+[0-9]+\+' '[0-9]+\+[0-9]+\?' '.*'+ '[0-9]+\+[0-9]+\*' '[0-9]+\+[0-9]+\?' '$ ]] ||
		fail "map: $map_text"

	begin 'and all of it is copied in the end'
	run_guarded "if=$slow" "of=$b" "map=$map" "minrate=$rate" "bpt=$CHUNK" qd=4
	expect_all_done

	begin 'slow= does so by the time of a read'
	afresh
	bad_medium 5000 1
	run_guarded "if=$slow" "of=$b" "map=$map" slow=100 "bpt=$CHUNK" qd=1
	good_medium
	dmsetup remove slow
	expect_status 3
	read_map
	[[ $map_text =~ ^0\+[0-9]+\+' '[0-9]+\+[0-9]+\?' '.*'+ '[0-9]+\+[0-9]+\*' '[0-9]+\+[0-9]+\?' '$ ]] ||
		fail "map: $map_text"
}

two_units
must node_of "${units[2]}" scsi_generic && c=$REPLY
node_of "${units[2]}" block && disk_c=$REPLY
sd_parameter sector_size
block=$REPLY sectors=$((BLOCKS * REPLY / 512))
must make_data "$source_data" $((BLOCKS * block >> 20))
must make_data "$pattern" $((BLOCKS * block >> 20))
truncate -s $((BLOCKS * block)) "$zeros"
must fill "$disk_a" "$source_data"
echo 1 >"$allow_dio"
every_layout
commands_of_a_bad_block
go_away
all_or 'qd=1 io=sg_io xfer=mmap' short_transfer
[[ -n ${SGMMCP_FULL:-} ]] || short_transfer qd=16 io=rw
all_or 'qd=1 io=rw xfer=mmap' stopped_before
first_error
retried
good_at_last
kept_behind_gaps
end_midway
go_midway
reversed
not_filled
limited maxbad=5 'bad blocks than maxbad=' 6 maxbad=5
limited coe_limit=5 'adjacent bad blocks than coe_limit=' 6 coe_limit=5
limited_before maxbad=5
limited_before coe_limit=5
refused
either_node
another_destination
verified
with_dd
((block == 4096)) || onto_longer_blocks
scattered_below
cannot_be_written oflag=coe
cannot_be_written coe=1 qd=16
cannot_be_written_from_a_file
slow_area
begin 'the source is as it was'
expect_equal "$disk_a" "$source_data"
finish
