# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What a copy loses on a disk with bad blocks: blocks of the destination that differ from what the
# source held before it failed, how many of these could have been read, and what it took. Each tool
# goes on after errors as it can. Sourced by guest.sh.
#
# shellcheck disable=SC2154 # variables of engine.sh and guest.sh

readonly MEDIUM_ERRORS=2 LOSS_LATENCY_US=100
loss_map=$scratch/loss.map

# differing: sets REPLY to the number of blocks of the destination that differ from $known_data.
# shellcheck disable=SC2016 # perl's
differing() {
	blockdev --flushbufs "$dest_disk"
	REPLY=$(perl -e '
		open A, "<:raw", shift or die; open B, "<:raw", shift or die;
		$/ = \512; $n = 0;
		while (defined($a = <A>)) { $n++ if $a ne <B> }
		print $n' "$known_data" "$dest_disk")
}

# commands_had: sets REPLY to the number of commands the source has had.
commands_had() {
	read -r REPLY <"/sys/class/block/${source_disk#/dev/}/device/iorequest_cnt"
	REPLY=$((REPLY))
}

# loss TOOL COMMAND...: records what the tool lost and took. The destination holds zeros before.
loss() {
	local before had lost

	sd_set opts 0
	wipe "$disk_blocks"
	rm -f "$loss_map"
	blockdev --flushbufs "$source_disk"
	sd_set opts "$MEDIUM_ERRORS"
	commands_had
	before=$REPLY
	measured "${@:2}"
	commands_had
	had=$((REPLY - before))
	sd_set opts 0
	differing
	lost=$REPLY
	to_seconds "$wall_us"
	record losses "$layout" "$1" "${*:3}" "$bad_count" "$lost" "$((lost - bad_count))" "$status" \
		"$REPLY" "$had"
}

# bad_layout NAME FIRST COUNT: so many blocks cannot be read from now on; all tools copy the disk.
# scsi_debug has the same blocks of the destination fail, so nobody may read there, as the page cache
# does.
bad_layout() {
	local sg=("if=$source_sg" "of=$dest" bs=512 bpt=128)
	local disks=("if=$source_disk" "of=$dest_disk" iflag=direct oflag=direct 'conv=noerror,sync')

	layout=$1 bad_count=$3
	sd_set medium_error_start "$2"
	sd_set medium_error_count "$3"
	loss 'sgmmcp' "$SGMMCP" "${sg[@]}" coe=1
	loss 'sgmmcp map=' "$SGMMCP" "${sg[@]}" coe=1 "map=$loss_map"
	loss 'ddrescue' ddrescue -q -f -d -D "$source_disk" "$dest_disk" "$loss_map"
	loss 'sg_dd' sg_dd "${sg[@]}" coe=1
	loss 'sgp_dd' sgp_dd "${sg[@]}" coe=1
	loss 'ddpt' ddpt "${sg[@]}" iflag=coe
	loss 'dd bs=64k' dd "${disks[@]}" bs=64k
	[[ -n $SGMMCP_QUICK ]] || loss 'dd bs=512' dd "${disks[@]}" bs=512
}

over_losses() {
	known_data=$scratch/known
	set_latency "$LOSS_LATENCY_US"
	dd "if=$source_disk" "of=$known_data" bs=1M iflag=direct status=none || return
	bad_layout 'one block' 5000 1
	bad_layout '10 adjacent' 5000 10
	bad_layout '10 across a border of chunks' 8187 10
}
