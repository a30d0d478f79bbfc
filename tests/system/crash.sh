# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 1800 -m 256M -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=15000000"
#
# Runs with a map that are killed by SIGKILL at a random moment, and resumed: what the map calls
# finished is right and is not copied again, and in the end all is there. Then maps that cannot be
# saved. $SGMMCP_KILLS kills, 12 by default, with SGMMCP_FULL 200.
#
# A command takes 15 ms, so a copy of 128 chunks of 64 KiB at depth 4 about a second. The map is saved
# at SIGUSR1, sent at random moments too. scsi_debug logs each command: the log tells exactly what
# was read and written, which ledger holds against the maps.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 BLOCKS=16384 CHUNK=128 DEPTH=4
readonly BAD_FIRST=4660 BAD_COUNT=10 # scsi_debug's own
readonly MEDIUM_ERRORS=2 LOGGED=1
readonly STARTING=12 # commands to the source before the first READ, and one
ledger=${SGMMCP_HELPERS:?}/ledger

kills=${SGMMCP_KILLS:-${SGMMCP_FULL:+200}}
kills=${kills:-12}
seed=${SGMMCP_SEED:-$(($(date +%N | sed 's/^0*//') % 32768))}

source_data=/tmp/source pattern=/tmp/pattern file=/tmp/file
maps=/tmp/maps
map=$maps/map

# --- a copy, of a random kind ---

# words: the command line; copy_of: what it writes to; copy_unit: H:C:T:L, - for a file.
words=() copy_of='' copy_unit=- opts=$LOGGED

kinds=(rw sg_io block file file_from_block reverse bad)

# choose KIND
choose() {
	words=("if=$a" bs=512 "bpt=$CHUNK" "qd=$DEPTH" "map=$map" status=noxfer)
	copy_of=$disk_b copy_unit=$unit_b opts=$LOGGED
	case $1 in
	rw) words+=("of=$b" io=rw) ;;
	sg_io) words+=("of=$b" io=sg_io) ;;
	block) words+=("of=$disk_b") ;;
	reverse) words+=("of=$b" -R) ;;
	file) words+=("of=$file") copy_of=$file copy_unit=- ;;
	file_from_block) words+=("of=$file") words[0]="if=$disk_a" copy_of=$file copy_unit=- ;;
	bad) words+=("of=$b" coe=1) opts=$((LOGGED | MEDIUM_ERRORS)) ;;
	esac
}

start_over() {
	must fill "$disk_b" "$pattern"
	rm -rf "$maps" "$file"
	mkdir "$maps"
	sd_set opts "$opts"
	must "$ledger"
}

# stock: what ledger tells, by name.
declare -A stock=()

# take_stock: reads log, maps and copy after a run.
take_stock() {
	local name value

	sd_set opts "$LOGGED" # medium errors are of both units
	"$ledger" "$map" /tmp/before "$source_data" "$copy_of" "$unit_a" "$copy_unit" >/tmp/stock ||
		fail 'the map cannot be read'
	sd_set opts "$opts"
	while IFS='=' read -r name value; do
		stock[$name]=$value
	done </tmp/stock
	total_read=$((total_read + stock[read])) total_ranges=$((total_ranges + stock[ranges]))
}

# keep_before: the map as it is now is kept.
keep_before() {
	local lines

	rm -f /tmp/before
	[[ -e $map ]] || return 0
	mapfile lines <"$map"
	printf '%s' "${lines[@]}" >/tmp/before
}

# What holds after every run, killed or not.
expect_finished_is_final() {
	((stock[wrong] == 0)) || fail "${stock[wrong]} blocks that the map calls finished are wrong"
	((stock[lost] == 0)) || fail "${stock[lost]} blocks that were finished are not any more"
	((stock[again] == 0)) || fail "${stock[again]} finished blocks were read again"
	((stock[rewritten] == 0)) || fail "${stock[rewritten]} finished blocks were written again"
	[[ $kind == bad ]] || ((stock[twice] == 0)) || fail "${stock[twice]} blocks were read twice in one run"
}

# --- the kill ---

# until_had N: until the source has had so many commands in this run, or the run has ended.
until_had() {
	until has_had "$a" $((commands_before + $1)) || ! kill -0 "$pid" 2>/dev/null; do
		nap 0.02
	done
}

# nap_up_to MILLISECONDS: a random time.
nap_up_to() {
	local seconds

	printf -v seconds '0.%03d' $((RANDOM % $1))
	nap "$seconds"
}

# save_now: SIGUSR1. The first of a run is kept in mind: after how many commands, and when.
save_now() {
	if ((first_save == 0)); then
		commands_of "$a"
		first_save=$REPLY
		: >/tmp/saved
	fi
	kill -USR1 "$pid" 2>/dev/null
}

# kill_midway: when the source has had a random number of commands of what is left, and before that
# up to three times SIGUSR1. Every fourth time after a random time, before or after that begins.
kill_midway() {
	local at=$STARTING i

	if ((RANDOM % 4 == 0)); then
		nap_up_to 999
	else
		for ((i = RANDOM % 4; i > 0; i--)); do
			at=$((at + RANDOM % 40))
			until_had "$at"
			save_now
		done
		until_had $((at + RANDOM % 60))
		nap_up_to 15
	fi
	kill -KILL "$pid" 2>/dev/null
}

# run_and_kill: sets killed, to 0 when the run has ended before.
run_and_kill() {
	keep_before
	first_save=0 killed=0
	start_counting "$a"
	command_line="sgmmcp ${words[*]}"
	"$sgmmcp" "${words[@]}" >/tmp/out 2>/tmp/err </dev/null &
	pid=$!
	kill_midway
	{ wait "$pid"; } 2>/dev/null # no word about it from the shell
	took
	((status != 128 + 9)) || killed=1
	commands_of "$a"
	commands_after=$REPLY
	take_stock
}

# What was read and is not finished by the map was in flight or not saved at the kill: no more than
# what was sent since the first save, and what was in flight then.
expect_little_lost() {
	local wasted=$((stock[read] - (stock[done] - stock[done_before])))

	total_wasted=$((total_wasted + wasted))
	((wasted <= most_wasted)) || most_wasted=$wasted
	[[ $kind != bad && $first_save != 0 && $map -nt /tmp/saved ]] || return 0
	saved_kills=$((saved_kills + 1))
	((wasted <= (commands_after - first_save + DEPTH) * CHUNK)) ||
		fail "$wasted blocks were read in vain, with $((commands_after - first_save)) commands since the save"
}

# expect_all_there: after the last run. It has read what was left, once.
expect_all_there() {
	if [[ $kind == bad ]]; then
		expect_status 3
		((stock[bad] == BAD_COUNT)) || fail "${stock[bad]} bad blocks in the map"
		((stock[left] == 0)) || fail "${stock[left]} blocks are left"
		fill_expected
	else
		expect_status 0
		((stock[read] == BLOCKS - stock[done_before])) ||
			fail "${stock[read]} blocks read, of which $((BLOCKS - stock[done_before])) were left"
	fi
	((stock[done] == BLOCKS - stock[bad])) || fail "${stock[done]} blocks are finished"
	if [[ -b $copy_of ]]; then
		expect_equal "$copy_of" "$expected"
	else
		expect 'the file differs' cmp -s "$copy_of" "$expected"
	fi
	[[ $(echo "$maps"/*) == "$map $map.bak" ]] || fail "left behind: $(echo "$maps"/*)"
	expected=$source_data
}

fill_expected() {
	expected=/tmp/expected
	cp "$source_data" "$expected"
	dd if=/dev/zero "of=$expected" bs=512 seek=$BAD_FIRST count=$BAD_COUNT conv=notrunc status=none
}

# killed_copy: killed one to four times, then to its end.
killed_copy() {
	local i

	kind=${kinds[RANDOM % ${#kinds[@]}]}
	choose "$kind"
	start_over
	for ((i = 1 + RANDOM % 4; i > 0 && done_kills < kills; i--)); do
		begin "kill $((done_kills + 1)): what the map calls finished is right ($kind)"
		run_and_kill
		expect_finished_is_final
		((killed)) || break
		done_kills=$((done_kills + 1))
		expect_little_lost
	done
	copies=$((copies + 1))
	begin "copy $copies is resumed to its end, and nothing finished is copied again ($kind)"
	keep_before
	run_guarded "${words[@]}"
	take_stock
	expect_finished_is_final
	if ((killed)); then
		expect_all_there
	fi
	sd_set opts 0
}

killed_copies() {
	total_read=0 total_ranges=0 total_wasted=0 most_wasted=0 saved_kills=0 copies=0 done_kills=0
	expected=$source_data
	RANDOM=$seed
	while ((done_kills < kills)); do
		killed_copy
	done
	end_case
	echo "crash: $done_kills kills in $copies copies of $BLOCKS blocks, seed $seed;" \
		"$total_ranges finished ranges compared;"
	echo "crash: $total_read blocks read, $((total_read - copies * BLOCKS)) more than there are:" \
		"on average $((total_wasted / done_kills)), at most $most_wasted a kill;" \
		"$saved_kills kills after a save"
}

units=()
two_units
unit_a=${units[0]##*/} unit_b=${units[1]##*/}
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
killed_copies
finish
