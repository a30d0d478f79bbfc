# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Helpers for scripts that run inside a guest: loading scsi_debug and finding its devices. Sourced
# by them (`. "$INSIDE"`). A unit is one logical unit of scsi_debug, named by its sysfs directory.
#
# A new process costs 30 ms and more in a guest, so there are none here where bash can do it.

SD_DRIVER=/sys/bus/pseudo/drivers/scsi_debug
SD_PARAMETERS=/sys/module/scsi_debug/parameters

inside_say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# A pipe nobody writes to. Opened here, for a process substitution sets $!, which a nap must not.
exec {nap_fd}<> <(:)

# nap SECONDS: a sleep that needs no process and leaves all variables alone.
nap() {
	read -rt "$1" -u "$nap_fd" _ || :
}

# wait_for COMMAND...: until COMMAND succeeds, at most $WAIT_S (10) seconds.
wait_for() {
	local end=$((SECONDS + ${WAIT_S:-10}))

	until "$@"; do
		if ((SECONDS > end)); then
			inside_say "$*: still not true after ${WAIT_S:-10} s"
			return 1
		fi
		nap 0.03
	done
}

# sd_list_units: sets the array units, in the order of H:C:T:L.
sd_list_units() {
	local unit h t l by_key=()

	for unit in /sys/bus/pseudo/devices/adapter*/host*/target*/[0-9]*:*; do
		if [[ -e $unit/scsi_device ]]; then
			IFS=: read -r h _ t l <<<"${unit##*/}"
			by_key[(h << 32) + (t << 20) + l]=$unit
		fi
	done
	units=("${by_key[@]}")
}

# sd_parameter NAME: sets REPLY to its value, empty when this kernel's scsi_debug has no such.
sd_parameter() {
	REPLY=
	if [[ -r $SD_PARAMETERS/$1 ]]; then
		read -r REPLY <"$SD_PARAMETERS/$1"
	fi
}

# sd_count_expected: sets REPLY to the number of units that the hosts are to show.
sd_count_expected() {
	local hosts=(/sys/bus/pseudo/devices/adapter*/host*) targets luns

	[[ -e ${hosts[0]} ]] || hosts=()
	sd_parameter num_tgts
	targets=$REPLY
	sd_parameter max_luns
	luns=$REPLY
	sd_parameter no_lun_0
	if [[ $REPLY != [0N] ]]; then
		luns=$((luns - 1))
	fi
	REPLY=$((${#hosts[@]} * targets * luns))
}

# sd_attaches: whether the units are to get block nodes. Zoned ones do not in user-mode-linux.
sd_attaches() {
	sd_parameter no_uld
	[[ $REPLY == [0N] ]] || return
	sd_parameter ptype
	[[ $REPLY == 0 ]] || return
	sd_parameter zbc
	[[ $REPLY == none || $REPLY == 0 || $REPLY == *null* || -z $REPLY ]]
}

# node_of UNIT CLASS: sets REPLY to the device node of the unit, of class scsi_generic or block.
node_of() {
	local entries=("$1/$2"/*)

	REPLY=/dev/${entries[0]##*/}
	[[ -c $REPLY || -b $REPLY ]]
}

sd_nodes_are_there() {
	local unit disks=

	sd_list_units
	sd_count_expected
	((${#units[@]} == REPLY)) || return
	if sd_attaches; then
		disks=y
	fi
	for unit in "${units[@]}"; do
		node_of "$unit" scsi_generic || return
		if [[ -n $disks ]]; then
			node_of "$unit" block || return
		fi
	done
}

# sd_count_commands: sets REPLY to the counts of commands, begun and done, of all units.
sd_count_commands() {
	local unit begun finished counts=()

	for unit in "${units[@]}"; do
		read -r begun <"$unit/iorequest_cnt"
		read -r finished <"$unit/iodone_cnt"
		counts+=("$begun" "$finished")
	done
	REPLY="${counts[*]}"
}

# The kernel looks for partitions after the node has appeared: wait till it sends no more.
sd_is_quiet() {
	local before

	sd_count_commands
	before=$REPLY
	nap 0.05
	sd_count_commands
	[[ $REPLY == "$before" ]]
}

# sd_settle: until every unit has its nodes and the kernel leaves it alone. Call it after changing
# the hosts by hand (sd_set add_host 1).
sd_settle() {
	wait_for sd_nodes_are_there && wait_for sd_is_quiet
}

# The kernel passes over a parameter that scsi_debug does not know: a slip would go unnoticed.
sd_parameters_are_known() {
	local param

	for param; do
		if [[ ! -e $SD_PARAMETERS/${param%%=*} ]]; then
			inside_say "scsi_debug: has no parameter ${param%%=*}"
			return 1
		fi
	done
}

# sd_load [PARAM=VALUE...]: loads scsi_debug with these parameters, instead of what is loaded.
sd_load() {
	sd_unload && modprobe scsi_debug "$@" && sd_parameters_are_known "$@" && sd_settle
}

sd_unload() {
	[[ -d $SD_PARAMETERS ]] || return 0
	if ! modprobe -r scsi_debug; then
		inside_say 'scsi_debug: cannot be unloaded (close or unmount its devices)'
		return 1
	fi
}

# sd_set NAME VALUE: changes a parameter of the loaded scsi_debug, at once where it can.
sd_set() {
	if [[ -w $SD_DRIVER/$1 ]]; then
		echo "$2" >"$SD_DRIVER/$1"
	else
		echo "$2" >"$SD_PARAMETERS/$1"
	fi
}

# print_node UNIT CLASS NAME: prints the unit's node; NAME is what the caller was asked for.
print_node() {
	if ! node_of "$1" "$2"; then
		inside_say "$3: has no $2 node"
		return 1
	fi
	echo "$REPLY"
}

# sg_of N: prints the sg node of scsi_debug's unit N, from 0. sg_of DISK: that of a block node.
sg_of() {
	local units unit

	if [[ $1 == *[!0-9]* ]]; then
		unit=/sys/class/block/${1#/dev/}/device
	else
		sd_list_units
		unit=${units[$1]:-/none}
	fi
	print_node "$unit" scsi_generic "$1"
}

# disk_of SG: prints the block node of the same unit as the sg node SG.
disk_of() {
	print_node "/sys/class/scsi_generic/${1#/dev/}/device" block "$1"
}
