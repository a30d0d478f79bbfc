# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 3600 -m 256M -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=15000000"
#
# Runs with a map that are killed by SIGKILL at a random moment, and resumed: what the map calls
# finished is right and is not copied again, and in the end all is there. Then maps that cannot be
# saved. $SGMMCP_KILLS kills, 2 by default, with SGMMCP_FULL 200.
#
# A command takes 15 ms, so a copy of 128 chunks of 64 KiB at depth 4 about a second. The map is saved
# at SIGUSR1, sent at random moments too. scsi_debug logs each command: the log tells exactly what
# was read and written, which ledger holds against the maps.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 BLOCKS=16384 CHUNK=128 DEPTH=4 DELAY=15000000
readonly BAD_FIRST=4660 BAD_COUNT=10 # scsi_debug's own
readonly MEDIUM_ERRORS=2 LOGGED=1
readonly STARTING=12 # commands to the source before the first READ, and one
ledger=${SGMMCP_HELPERS:?}/ledger

kills=${SGMMCP_KILLS:-${SGMMCP_FULL:+200}}
kills=${kills:-2}
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
	rm -rf "${maps:?}"/* "$file"
	mkdir -p "$maps"
	sd_set opts "$opts"
	must "$ledger"
}

# stock: what ledger tells, by name; and of all runs.
declare -A stock=()
total_read=0 total_ranges=0

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
	until has_had "$a" $((commands_before + $1)) || is_over "$pid"; do
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
		for ((i = 1 + RANDOM % 3; i > 0; i--)); do
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
# what was sent since the first save, and what was in flight then. Commands are chunks where they go
# to an sg node; those of a block node the kernel may join.
expect_little_lost() {
	local wasted=$((stock[read] - (stock[done] - stock[done_before])))

	total_wasted=$((total_wasted + wasted))
	((wasted <= most_wasted)) || most_wasted=$wasted
	[[ $kind != @(bad|file_from_block) && $first_save != 0 && $map -nt /tmp/saved ]] || return 0
	saved_kills=$((saved_kills + 1))
	((wasted <= (commands_after - first_save + DEPTH) * CHUNK)) ||
		fail "$wasted blocks were read in vain: of ${stock[read]}, ${stock[done_before]} finished before, ${stock[done]} after; $((first_save - commands_before)) commands before the save, $((commands_after - first_save)) after it"
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
	sd_set opts 0
	expect_finished_is_final
	if ((killed)); then
		expect_all_there
	fi
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

# --- maps that cannot be saved ---

# set_delay NANOSECONDS: not before the last command is home.
set_delay() {
	wait_for sd_set ndelay "$1" 2>/dev/null
}

map_has_finished() {
	[[ $(<"$map") == *'  +'* ]]
}

has_said() {
	[[ $(</tmp/err) == *"$1"* ]]
}

# midway_with_map: a slower copy to the second disk, of which some is there and in the map.
midway_with_map() {
	choose rw
	start_over
	must set_delay 100000000
	start_counting "$a"
	start "${words[@]}"
	wait_midway "$a" $((STARTING + 20))
	kill -USR1 "$pid"
	wait_for map_has_finished || fail 'no map with anything finished'
}

# save_fails WORDS: asks for a save, and waits until it is said that it failed.
save_fails() {
	kill -USR1 "$pid"
	WAIT_S=60 wait_for has_said "$1" || fail "nobody says '$1'"
}

# expect_copied_without_map STATUS REGEX
expect_copied_without_map() {
	complete
	must set_delay "$DELAY"
	expect_status "$1"
	expect_one_complaint "$2"
	expect_records_out "$BLOCKS"
	expect_equal "$disk_b" "$source_data"
}

# expect_resumed: the map is whole and tells that something is finished, and that is right.
expect_resumed() {
	must "$ledger"
	keep_before
	run "${words[@]}"
	take_stock
	expect_status 0
	expect_finished_is_final
	((stock[done_before] > 0 && stock[done_before] < BLOCKS)) ||
		fail "the old map has ${stock[done_before]} finished blocks"
	((stock[done] == BLOCKS)) || fail "${stock[done]} blocks are finished"
}

full_file_system() {
	begin 'a full file system: the copy goes on, the map before stands, and the status tells'
	rm -rf "$maps"
	mkdir "$maps"
	must mount -t tmpfs -o size=32k maps "$maps"
	midway_with_map
	dd if=/dev/zero "of=$maps/filler" bs=4k status=none 2>/dev/null
	cp "$map" /tmp/map.then
	save_fails 'No space left'
	expect_copied_without_map 78 \
		"$map: cannot save the map: .*: No space left on device: the one before still stands"
	expect 'the map before is another' cmp -s "$map" /tmp/map.then

	begin 'and when there is room again it is gone on with'
	rm "$maps/filler"
	expect_resumed

	begin 'a map that cannot be created ends the run before anything is written'
	must fill "$disk_b" "$pattern"
	rm -f "$maps"/*
	dd if=/dev/zero "of=$maps/filler" bs=4k status=none 2>/dev/null
	run "${words[@]}"
	expect_status 78
	expect_one_line "$map: cannot save the map: .*: No space left on device"
	expect_equal "$disk_b" "$pattern"
	umount "$maps"
}

moved_folder() {
	begin 'a folder that is gone in mid-run: the copy goes on, and the status tells'
	midway_with_map
	mv "$maps" "$maps.away"
	cp "$maps.away/map" /tmp/map.then
	save_fails 'No such file'
	expect_copied_without_map 15 \
		"$map: cannot save the map: .*: No such file or directory: the one before still stands"
	expect 'the map before is another' cmp -s "$maps.away/map" /tmp/map.then

	begin 'and when it is back it is gone on with'
	mv "$maps.away" "$maps"
	expect_resumed

	begin 'a folder that comes back in time is no failure'
	midway_with_map
	mv "$maps" "$maps.away"
	save_fails 'No such file'
	mv "$maps.away" "$maps"
	complete
	must set_delay "$DELAY"
	expect_status 0
	expect_line "$map: the map is saved again"
	expect 'it is not finished' grep -q '^0x0* *0x0*800000 *+$' "$map"
}

# A mount over it: nobody is root enough for that one.
read_only_folder() {
	begin 'a folder that becomes read-only in mid-run: the copy goes on, and the status tells'
	midway_with_map
	must mount --bind "$maps" "$maps"
	must mount -o remount,bind,ro "$maps"
	cp "$map" /tmp/map.then
	save_fails 'Read-only'
	expect_copied_without_map 15 \
		"$map: cannot save the map: .*: Read-only file system: the one before still stands"
	expect 'the map before is another' cmp -s "$map" /tmp/map.then

	begin 'and when it is writable again it is gone on with'
	umount "$maps"
	expect_resumed
}

units=()
two_units
unit_a=${units[0]##*/} unit_b=${units[1]##*/}
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
full_file_system
moved_folder
read_only_folder
if ((kills)); then
	killed_copies
fi
finish
