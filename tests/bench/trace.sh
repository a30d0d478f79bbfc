# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Whether no CPU copies the data: what the plan says, what the kernel was seen to do (see probes.sh;
# not in user-mode-linux), and whether the data are right. Sourced by guest.sh.
#
# shellcheck disable=SC2154 # variables of engine.sh and guest.sh

readonly TRACE_CHUNKS=256

# traced CHUNKS SETTING...: a copy, what it says in report.
traced() {
	copy_of "$1" 64 -v "${@:2}"
	[[ -z $probes ]] || probes_start
	"${command[@]}" >"$scratch/report" 2>&1
	status=$?
	[[ -z $probes ]] || probes_stop
	report=$(<"$scratch/report")
}

# trace_kernel WHAT TARGET SETTING...: what the probes counted, less what a copy of one chunk needs.
trace_kernel() {
	local copies mapped

	probes_count copy
	copies=$REPLY
	probes_count map
	mapped=$REPLY
	traced 1 "${@:3}"
	probes_count copy
	figure trace "$1: copies by the kernel" $((copies - REPLY)) calls "$2" \
		"in $((TRACE_CHUNKS * 2 - 2)) commands"
	probes_count map
	figure trace "$1: memory mapped" $((mapped - REPLY)) calls
}

# trace_plan WHAT PLANNED COPIED SETTING...: a copy, with targets of its copies by CPU: those that
# the plan tells of, and those that the kernel makes.
trace_plan() {
	local what="$guest, $1" blocks=$((TRACE_CHUNKS * 128))
	local told='plan: ([^;]*); CPU copies per byte ([0-9]+)'

	wipe "$blocks"
	traced "$TRACE_CHUNKS" "${@:4}"
	if ((status != 0)) || ! [[ $report =~ $told ]]; then
		fail "$what: ${command[*]}: $report"
		return
	fi
	figure trace "$what: plan" "${BASH_REMATCH[2]}" copies "$2" "${BASH_REMATCH[1]}"
	if same "$blocks"; then
		figure trace "$what: compared equal" $((blocks / 2)) KiB
	else
		fail "$what: ${command[*]}: the copy differs"
	fi
	[[ -z $probes ]] || trace_kernel "$what" "$3" "${@:4}"
}

# trace_single_pages ALLOW_DIO: buffers of single pages, which newer kernels do not let a process
# pass on.
trace_single_pages() {
	local elements=/sys/module/sg/parameters/scatter_elem_sz usual

	read -r usual <"$elements"
	echo 4096 >"$elements"
	trace_plan "allow_dio=$1, scatter_elem_sz=4096" '' '<= 0'
	echo "$usual" >"$elements"
}

trace_plans() {
	local allowed probes='' zero='<= 0'

	if probes_set; then
		probes=y
	fi
	if [[ $guest == uml ]]; then
		zero=
	fi
	for allowed in 0 1; do
		allow "$allowed"
		trace_plan "allow_dio=$allowed" "$zero" "$zero"
		trace_single_pages "$allowed"
	done
	trace_plan 'for comparison, xfer=indirect' '> 0' '> 0' xfer=indirect
}
