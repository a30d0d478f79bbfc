# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What a copy loses on a disk with bad blocks: blocks of the destination that differ from what the
# source held before it failed, how many of these could have been read, and what it took. Each tool
# goes on after errors as it can. Sourced by guest.sh.
#
# shellcheck disable=SC2154 # variables of engine.sh and guest.sh

readonly MEDIUM_ERRORS=2 SWALLOWED=4 LOSS_LATENCY_US=100
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

# break_disks: the faults of the layout from now on, the same for each tool: commands are counted from
# here. mend_disks: none any more. What is still armed hits one read more.
break_disks() {
	sd_set statistics 0
	sd_set every_nth "$fault_nth"
	sd_set opts "$fault_opts"
}

mend_disks() {
	sd_set every_nth 0
	sd_set opts 0
	dd "if=$source_disk" of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null
}

# loss TOOL COMMAND...: records what the tool lost and took. The destination holds zeros before.
loss() {
	local before had lost

	wipe "$disk_blocks"
	rm -f "$loss_map"
	blockdev --flushbufs "$source_disk"
	break_disks
	commands_had
	before=$REPLY
	measured "${@:2}"
	commands_had
	had=$((REPLY - before))
	mend_disks
	differing
	lost=$REPLY
	to_seconds "$wall_us"
	record losses "$layout" "$1" "${*:3}" "$bad_count" "$lost" "$((lost - bad_count))" "$status" \
		"$REPLY" "$had"
}

# every_tool: copies the disk by each, with the faults of the layout. Where commands are not answered
# limit_s is set, and they end after so many seconds with the tools that can be told.
every_tool() {
	local sg=("if=$source_sg" "of=$dest" bs=512 bpt=128)
	local disks=("if=$source_disk" "of=$dest_disk" iflag=direct oflag=direct 'conv=noerror,sync')

	loss 'sgmmcp' "$SGMMCP" "${sg[@]}" coe=1 ${limit_s:+"timeout=$limit_s"}
	loss 'sgmmcp map=' "$SGMMCP" "${sg[@]}" coe=1 "map=$loss_map" ${limit_s:+"timeout=$limit_s"}
	loss 'ddrescue' ddrescue -q -f -d -D "$source_disk" "$dest_disk" "$loss_map"
	loss 'sg_dd' sg_dd "${sg[@]}" coe=1 ${limit_s:+"time=0,$limit_s"}
	loss 'sgp_dd' sgp_dd "${sg[@]}" coe=1
	loss 'ddpt' ddpt "${sg[@]}" iflag=coe
	loss 'dd bs=64k' dd "${disks[@]}" bs=64k
}

# bad_layout NAME FIRST COUNT: so many blocks cannot be read from now on; all tools copy the disk.
# scsi_debug has the same blocks of the destination fail, so nobody may read there, as the page cache
# does.
bad_layout() {
	local fault_opts=$MEDIUM_ERRORS fault_nth=0 limit_s=

	layout=$1 bad_count=$3
	sd_set medium_error_start "$2"
	sd_set medium_error_count "$3"
	every_tool
	[[ -n $SGMMCP_QUICK ]] || loss 'dd bs=512' dd "if=$source_disk" "of=$dest_disk" iflag=direct \
		oflag=direct 'conv=noerror,sync' bs=512
}

# Every so many commands to either disk one gets no answer, so that a copy meets one or two. The kernel
# repeats those of block nodes, after the disk's own time.
timeout_layout() {
	local fault_opts=$SWALLOWED fault_nth=300 limit_s=2 disk

	layout='commands that time out' bad_count=0
	for disk in "$source_disk" "$dest_disk"; do
		echo "$limit_s" >"/sys/class/block/${disk#/dev/}/device/timeout"
	done
	every_tool
}

over_losses() {
	known_data=$scratch/known
	set_latency "$LOSS_LATENCY_US"
	dd "if=$source_disk" "of=$known_data" bs=1M iflag=direct status=none || return
	bad_layout 'one block' 5000 1
	bad_layout '10 adjacent' 5000 10
	bad_layout '10 across a border of chunks' 8187 10
	timeout_layout
}
