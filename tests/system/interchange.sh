# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: full uml -t 900 -m 256M -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=15000000"
#
# One map for sgmmcp and ddrescue, on a disk with bad blocks: what one has begun the other ends.
# All is there but the bad blocks, which are the same for both, and so is ddrescuelog's account.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 MEDIUM_ERRORS=2
readonly INT=2

source_data=/tmp/source expected=/tmp/expected alone=/tmp/alone.map
copy=/tmp/copy map=/tmp/map list=/tmp/list bad=/tmp/bad

# bad_blocks FIRST COUNT: which cannot be read from now on, and what the copy is to be.
bad_blocks() {
	bad_first=$1 bad_count=$2
	sd_set medium_error_start "$1"
	sd_set medium_error_count "$2"
	cp "$source_data" "$expected"
	dd if=/dev/zero "of=$expected" bs=512 "seek=$1" "count=$2" conv=notrunc status=none
	seq "$1" $(($1 + $2 - 1)) >"$bad"
}

# account MAP: sets REPLY to what ddrescuelog says of it, but for where the run is.
account() {
	REPLY=$(ddrescuelog -t "$1" 2>&1 | grep -E '^ *(non-|rescued|bad|errors|.*areas)')
}

start_over() {
	rm -f "$copy" "$map" "$map.bak" "$list"
}

# --- the one and the other ---

by_sgmmcp() {
	run "if=$a" "of=$copy" bs=512 bpt=128 qd=4 "map=$map" coe=1 "badblocks=$list"
}

# by_ddrescue WORD...: to its end.
by_ddrescue() {
	command_line="ddrescue $*"
	ddrescue -q -d "$@" "$disk_a" "$copy" "$map" >/tmp/out 2>/tmp/err
	took
	expect_status 0
}

# sgmmcp_until N, ddrescue_until N: interrupted when the disk has had N commands.
sgmmcp_until() {
	start_counting "$a"
	start "if=$a" "of=$copy" bs=512 bpt=128 qd=4 "map=$map" coe=1
	wait_midway "$a" "$1"
	kill -INT "$pid"
	complete
	expect_signal "$INT"
}

ddrescue_until() {
	start_counting "$a"
	command_line='ddrescue, interrupted'
	# A job of the shell ignores SIGINT, and ddrescue leaves that so.
	ddrescue -q -d "$disk_a" "$copy" "$map" </dev/null >/tmp/out 2>/tmp/err &
	pid=$!
	wait_midway "$a" "$1"
	kill -TERM "$pid"
	wait "$pid"
	took
}

# --- what is expected ---

# expect_partial STATUS...: each of these stands in the map.
expect_partial() {
	local status

	for status; do
		grep -q "^0x.* 0x.* [$status]\$" "$map" || fail "no '$status' in the map: $(<"$map")"
	done
}

expect_whole() {
	expect 'the copy differs' cmp "$copy" "$expected"
	account "$map"
	[[ $REPLY == "$alone_account" ]] ||
		fail "ddrescuelog has another account than of sgmmcp alone: $REPLY, not $alone_account"
	ddrescuelog -b 512 -l - "$map" >/tmp/bad.map 2>/tmp/err
	expect 'other blocks are bad in the map' cmp /tmp/bad.map "$bad"
}

# sgmmcp_ends: it goes on with the map, and does the rest.
sgmmcp_ends() {
	by_sgmmcp
	expect_status 3
	expect_line "$map: going on: "
	expect_whole
	expect 'other blocks are in the list' cmp "$list" "$bad"
}

# --- cases ---

both_ways() {
	begin "sgmmcp alone: blocks $bad_first and $((bad_count - 1)) more"
	start_over
	by_sgmmcp
	expect_status 3
	cp "$map" "$alone"
	account "$alone"
	alone_account=$REPLY
	echo "$alone_account" | grep -q "bad-sector: *$((bad_count * 512)) B" ||
		fail "ddrescuelog: $alone_account"
	expect_whole
	expect 'other blocks are in the list' cmp "$list" "$bad"

	begin 'sgmmcp begins and is interrupted, ddrescue goes on'
	start_over
	sgmmcp_until 60
	expect_partial '?' '*' '+'
	by_ddrescue
	expect_whole

	begin 'and sgmmcp has nothing left to do'
	must sd_set opts 0
	start_counting "$a"
	by_sgmmcp
	must sd_set opts "$MEDIUM_ERRORS"
	number_before 'records in'
	((REPLY == 0)) || fail "$REPLY records in"
	expect_whole

	begin 'ddrescue begins and is interrupted, sgmmcp goes on'
	start_over
	ddrescue_until 40
	expect_partial '?' '+'
	sgmmcp_ends

	begin 'ddrescue has not scraped (-n), sgmmcp goes on'
	start_over
	by_ddrescue -n
	sgmmcp_ends

	begin 'ddrescue has not trimmed (-n -N), sgmmcp goes on'
	start_over
	by_ddrescue -n -N
	expect_partial '*'
	sgmmcp_ends

	begin 'to and fro'
	start_over
	ddrescue_until 20
	sgmmcp_until 40
	ddrescue_until 20
	sgmmcp_ends
}

units=()
two_units
must make_data "$source_data" "$MIB"
must fill "$disk_a" "$source_data"
must type ddrescue ddrescuelog >/dev/null
must sd_set opts "$MEDIUM_ERRORS"
bad_blocks 2300 1
both_ways
bad_blocks 1660 10
both_ways
bad_blocks 2044 10 # across the border of two chunks
both_ways
finish
