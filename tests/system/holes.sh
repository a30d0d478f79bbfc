# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 900 -m 256M -o "add_host=2 per_host_store=1 dev_size_mb=8"
#
# Zeros that are not written: oflag=sparse and oflag=trim, on disks that give blocks back by WRITE
# SAME, by UNMAP or not at all, on block nodes and in files.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8

source_data=/tmp/source pattern=/tmp/pattern files=/mnt/files

# Data and zeros by turns; some zeros shorter than what is worth leaving out, some not aligned.
make_source() {
	local run

	make_data "$source_data" "$MIB"
	for run in 0:2048 2500:1 3000:7 4096:4096 10000:1500 15001:1383; do
		dd if=/dev/zero "of=$source_data" bs=512 "seek=${run%:*}" "count=${run#*:}" conv=notrunc \
			status=none
	done
}

# load PARAMETER...: disks with these, the first with the source, the second with the pattern.
load() {
	must sd_load add_host=2 per_host_store=1 "dev_size_mb=$MIB" "$@"
	two_units
	must fill "$disk_a" "$source_data"
	must fill "$disk_b" "$pattern"
}

# Whether the first blocks of the second disk have no memory behind them: provisioning status 1.
first_is_unmapped() {
	sg_get_lba_status --lba=0 --brief "$b" 2>/dev/null | grep -q '^0x0* .*  1  0$'
}

trimmed() {
	local words=("$@")

	run "if=$a" oflag=trim bpt=512 qd=4 "${words[@]}"
	expect_status 0
	expect_records_out $((MIB * 2048))
	expect_line 'zeros trimmed 4\.'
	expect_equal "$disk_b" "$source_data"
}

by_commands() {
	local io

	for io in rw sg_io; do
		[[ $io == rw || -n ${SGMMCP_FULL:-} ]] || continue
		begin "zeros are given back by WRITE SAME (io=$io)"
		load lbpws=1 lbprz=1
		trimmed "of=$b" "io=$io"
		expect 'its start is still there' first_is_unmapped
	done

	if [[ -n ${SGMMCP_FULL:-} ]]; then
		begin 'zeros are given back by WRITE SAME(10)'
		load lbpws10=1 lbprz=1
		trimmed "of=$b"
	fi

	begin 'zeros are given back by UNMAP'
	load lbpu=1 lbprz=1
	trimmed "of=$b"
	expect 'its start is still there' first_is_unmapped

	begin 'and in the granules that the disk has'
	load lbpu=1 lbprz=1 unmap_granularity=256
	run "if=$a" "of=$b" oflag=trim bpt=512 qd=4
	expect_status 0
	expect_equal "$disk_b" "$source_data"

	begin 'zeros are given back through the block node'
	load lbpws=1 lbprz=1
	trimmed "of=$disk_b"

	begin 'what is trimmed passes verify=after and verify=drive'
	run "if=$a" "of=$b" oflag=trim verify=after
	expect_status 0
	run "if=$a" "of=$b" oflag=trim verify=drive
	expect_status 0
}

not_to_be_had() {
	begin 'where unmapped blocks do not read as zeros, zeros are written, and it is said'
	load lbpws=1 lbprz=0
	run "if=$a" "of=$b" oflag=trim bpt=512 qd=4
	expect_status 0
	expect_line 'cannot trim .*zeros are written'
	expect_no_line 'zeros trimmed'
	expect_equal "$disk_b" "$source_data"

	begin 'where nothing can be unmapped, zeros are written'
	load
	run "if=$a" "of=$b" oflag=trim bpt=512 qd=4
	expect_status 0
	expect_line 'cannot trim .*zeros are written'
	expect_equal "$disk_b" "$source_data"

	begin 'nor through the block node'
	fill "$disk_b" "$pattern"
	run "if=$a" "of=$disk_b" oflag=trim bpt=512 qd=4
	expect_status 0
	expect_equal "$disk_b" "$source_data"
}

# expect_left_out: the zeros of the source have the pattern in the destination.
sparse_on_disks() {
	local node

	for node in "$b" "$disk_b"; do
		begin "sparse leaves on a disk what was there ($node)"
		fill "$disk_b" "$pattern"
		run "if=$a" "of=$node" oflag=sparse bpt=512 qd=4
		expect_status 0
		expect_line 'zeros left out 4\.'
		blockdev --flushbufs "$disk_b"
		expect 'zeros were written' equal_range "$pattern" "$disk_b" 0 0 2048
		expect 'data differ' equal_range "$source_data" "$disk_b" 2048 2048 2048
		expect 'zeros were written' equal_range "$pattern" "$disk_b" 4096 4096 4096

		begin "on a disk of zeros it is a copy ($node)"
		fill "$disk_b" /tmp/zeros
		run "if=$a" "of=$node" oflag=sparse bpt=512 qd=4
		expect_status 0
		expect_equal "$disk_b" "$source_data"
	done

	begin 'there is nothing to verify it with'
	run "if=$a" "of=$b" oflag=sparse verify=after
	expect_status 31
	expect_one_line 'nothing to verify'
}

# expect_holes FILE: the file is the source, and takes less room.
expect_holes() {
	expect "$1 differs" cmp -s "$source_data" "$1"
	expect "$1 has no holes" test "$(stat -c %b "$1")" -lt $((MIB * 2048 * 5 / 8))
}

in_files() {
	local how

	must mkfs.ext4 -q -F "$disk_b"
	must mount "$disk_b" "$files"
	head -c 6M "$source_data" >/tmp/head && mv /tmp/head "$source_data"
	for how in oflag=sparse oflag=sparse,direct conv=sparse oflag=trim; do
		begin "a file gets holes ($how)"
		rm -f "$files/copy"
		run "if=$a" "of=$files/copy" "$how" count=12288 bpt=512 qd=4
		expect_status 0
		expect_holes "$files/copy"
	done
	for how in oflag=sparse oflag=trim oflag=trim,direct; do
		begin "holes take the place of old data ($how,notrunc)"
		head -c 6M "$pattern" >"$files/copy"
		run "if=$a" "of=$files/copy" "$how" conv=notrunc count=12288 bpt=512 qd=4
		expect_status 0
		expect_holes "$files/copy"
	done

	begin 'a file that ends in zeros has its length'
	rm -f "$files/copy"
	run iflag=00 "of=$files/copy" oflag=sparse count=4097
	expect_status 0
	expect 'its length is wrong' test "$(stat -c %s "$files/copy")" = $((4097 * 512))
	expect 'it has no holes' test "$(stat -c %b "$files/copy")" -lt 64

	for how in oflag=sparse oflag=sparse,direct oflag=trim conv=notrunc,sparse; do
		begin "what ends in zeros is read back before it has its length ($how)"
		rm -f "$files/copy"
		run "if=$a" "of=$files/copy" "$how" verify=each skip=2500 count=5692 bpt=512 qd=4
		expect_status 0
		expect "it differs" cmp -s -i $((2500 * 512)):0 -n $((5692 * 512)) "$disk_a" "$files/copy"
		expect 'its length is wrong' test "$(stat -c %s "$files/copy")" = $((5692 * 512))
		expect 'it has no holes' test "$(stat -c %b "$files/copy")" -lt 2000
	done
	begin 'and so is what comes in a stream'
	rm -f "$files/copy"
	command_line="sgmmcp of=$files/copy conv=sparse verify=each < zeros"
	"$sgmmcp" "of=$files/copy" conv=sparse verify=each qd=4 bpt=100 </tmp/zeros 2>/tmp/err
	status=$?
	mapfile -t err </tmp/err
	expect_status 0
	expect "it differs" cmp -s /tmp/zeros "$files/copy"
	umount "$files"
}

# --- with a map ---

map=/tmp/map copy=/tmp/copy

# some_is_saved: asked for with each look; also where the run has ended.
some_is_saved() {
	kill -USR1 "$pid" 2>/dev/null || return 0
	grep -q '+$' "$map"
}

# end_in_map: sets REPLY to where the last that the map has as copied ends.
end_in_map() {
	local at len state

	REPLY=0
	while read -r at len state; do
		[[ $state != + ]] || REPLY=$((at + len))
	done <"$map"
}

# killed WORD...: a copy to a file, right after its map was saved in mid-run.
killed() {
	rm -f "$map" "$copy"
	sd_set ndelay 10000000
	start_counting "$a"
	start "if=$a" "of=$copy" "map=$map" bpt=64 qd=1 "$@"
	wait_midway "$a" 100
	wait_for some_is_saved || fail 'the map is not saved'
	kill -KILL "$pid"
	complete
	expect_signal 9
	WAIT_S=60 wait_for sd_set ndelay 0 2>/dev/null
}

# resumed AFTER WORD...: killed, by a run that does AFTER alone.
resumed() {
	local how=$1

	begin "what a map calls copied is in the length of the file, and the same goes on (${*:2})"
	killed "${@:2}"
	end_in_map
	((REPLY > 0)) || fail 'nothing is copied'
	(($(stat -c %s "$copy") >= REPLY)) || fail "$(stat -c %s "$copy") bytes, copied up to $REPLY"
	# shellcheck disable=SC2086
	run "if=$a" "of=$copy" "map=$map" $how
	expect_status 0
	expect 'it differs' cmp -s "$disk_a" "$copy"
}

with_map() {
	local how

	load
	resumed '' oflag=sparse -R
	resumed oflag=sparse oflag=sparse -R
	resumed '' oflag=sparse
	resumed oflag=trim oflag=trim -R

	for how in oflag=sparse oflag=trim ''; do
		begin "a destination that is too short is none of the map ($how)"
		: >"$copy"
		# shellcheck disable=SC2086
		run "if=$a" "of=$copy" "map=$map" $how
		expect_status 31
		expect_one_line 'it is not the destination of this map'
		expect 'it was written' test ! -s "$copy"
	done
}

must mkdir -p "$files"
make_source
must make_data "$pattern" "$MIB"
truncate -s "${MIB}M" /tmp/zeros
by_commands
not_to_be_had
sparse_on_disks
with_map
in_files
finish
