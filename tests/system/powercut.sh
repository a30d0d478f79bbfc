# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: full killed -t 300 -m 256M -o "add_host=1 dev_size_mb=8 ndelay=200000000"
#
# A copy with a map to a file of a journaled file system, where the whole guest is killed in mid-run,
# again and again: what had not been flushed is lost, so what the map calls finished has to be on the
# disk, which outlives the guests. In the end all is there. Each guest begins with a look at what the
# one before it has left. What the test itself notes is in files of the host, which lose nothing.
#
# A command takes 200 ms, so a copy of 128 chunks of 64 KiB at depth 2 takes 12 seconds and more.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly BLOCKS=16384 MIB=8 LOGGED=1
ledger=${SGMMCP_HELPERS:?}/ledger
n=$1 last=${2:-}

source_data=$RESULTS/source before=$RESULTS/before tally=$RESULTS/tally
disk=/dev/ubda folder=/tmp/mnt
copy=$folder/copy map=$folder/map

declare -A stock=()

# take_stock [UNIT]: what ledger tells, by name.
take_stock() {
	local name value

	"$ledger" "$map" "$before" "$source_data" "$copy" "${1:--}" - >/tmp/stock ||
		fail 'the map cannot be read'
	while IFS='=' read -r name value; do
		stock[$name]=$value
	done </tmp/stock
}

# --- what outlives the guest: how many cases, finished ranges and copies there have been ---

recall() {
	ranges=0 copies=0
	[[ ! -e $tally ]] || read -r cases ranges copies <"$tally"
}

remember() {
	end_case
	echo "$cases $ranges $copies" >"$tally"
}

# --- the guests ---

begin_run() {
	rm -f "$before"
	[[ ! -e $map ]] || cp "$map" "$before"
	words=("if=$a" "of=$copy" bs=512 bpt=128 qd=2 "map=$map" status=noxfer)
}

look_at_what_is_left() {
	begin "the guest is killed ($n): what the map calls finished is on the disk"
	take_stock
	((stock[wrong] == 0)) || fail "${stock[wrong]} blocks that the map calls finished are wrong"
	((stock[lost] == 0)) || fail "${stock[lost]} blocks that were finished are not any more"
	ranges=$((ranges + stock[ranges]))
	if ((stock[done] == BLOCKS)); then
		copies=$((copies + 1))
		rm -f "$copy" "$map" "$map.bak"
		sync
	fi
}

# The map is saved at random moments, until the guest is no more.
run_until_killed() {
	local seconds

	begin_run
	remember
	start_counting "$a"
	start "${words[@]}"
	wait_midway "$a" 16
	: >"$RESULTS/armed"
	while :; do
		printf -v seconds '0.%03d' $((RANDOM % 1000))
		nap "$seconds"
		has_ended || kill -USR1 "$pid" 2>/dev/null || :
	done
}

run_to_end() {
	begin "after $n kills it is resumed to its end, and nothing finished is copied again"
	begin_run
	sd_set ndelay 15000000
	sd_set opts "$LOGGED"
	must "$ledger"
	run_guarded "${words[@]}"
	take_stock "${units[0]##*/}"
	sd_set opts 0
	expect_status 0
	((stock[done] == BLOCKS && stock[wrong] == 0)) ||
		fail "${stock[done]} blocks finished, ${stock[wrong]} wrong"
	((stock[again] == 0 && stock[twice] == 0)) ||
		fail "${stock[again]} finished blocks read again, ${stock[twice]} twice"
	((stock[read] == BLOCKS - stock[done_before])) || fail "${stock[read]} blocks read"
	expect 'the copy differs' cmp "$source_data" "$copy"
	end_case
	echo "powercut: $n guests killed in $((copies + 1)) copies; $ranges finished ranges compared;" \
		"${stock[done_before]} of $BLOCKS blocks were finished at the last kill"
}

units=()
sd_list_units
must node_of "${units[0]}" scsi_generic && a=$REPLY
must node_of "${units[0]}" block && disk_a=$REPLY
recall
mkdir "$folder"
must modprobe -q ext4
if ((n == 0)); then
	must make_data "$source_data" "$MIB"
	must mkfs.ext4 -q "$disk"
	must mount "$disk" "$folder"
else
	must mount "$disk" "$folder"
	look_at_what_is_left
fi
sd_set ndelay 20000
must fill "$disk_a" "$source_data"
wait_for sd_set ndelay 200000000 2>/dev/null
if [[ -n $last ]]; then
	run_to_end
else
	run_until_killed
fi
finish
