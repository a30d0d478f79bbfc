# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Whether no CPU copies the data: what the plan says, what the kernel was seen to do, and whether
# the data are right. Sourced by guest.sh.
#
# The kernel copies data between a process and a request with copy_page_from_iter() (WRITE) and
# copy_page_to_iter() (READ); bio_map_user_iov() instead makes the process' pages those of the
# request. kprobes count them in guests that have tracefs (user-mode-linux has none).
#
# shellcheck disable=SC2154 # variables of engine.sh and guest.sh

tracing=/sys/kernel/debug/tracing
readonly COPYING='copy_page_from_iter copy_page_to_iter' MAPPING=bio_map_user_iov
readonly TRACE_CHUNKS=256

trace_start() {
	local name

	[[ -e $tracing/kprobe_events ]] || return 0
	echo 0 >"$tracing/events/enable"
	for name in $COPYING $MAPPING; do
		[[ -d $tracing/events/bench/$name ]] || echo "p:bench/$name $name" >>"$tracing/kprobe_events"
		echo "comm == \"sgmmcp\"" >"$tracing/events/bench/$name/filter"
	done
	echo >"$tracing/trace"
	echo 1 >"$tracing/events/bench/enable"
}

# trace_count NAME...: sets REPLY to how often the kernel called these functions for the copier, or
# to nothing where that cannot be seen.
trace_count() {
	local name

	REPLY=
	[[ -e $tracing/kprobe_events ]] || return 0
	echo 0 >"$tracing/events/bench/enable"
	REPLY=0
	for name; do
		REPLY=$((REPLY + $(grep -c " $name: " "$tracing/trace")))
	done
}

# trace_plan WHAT TARGET SETTING...: TARGET of the copies by CPU.
trace_plan() {
	local plan='plan: ([^;]*); CPU copies per byte ([0-9]+)' what="$guest, $1" note blocks=$((TRACE_CHUNKS * 128))

	wipe "$blocks"
	copy_of "$TRACE_CHUNKS" 64 -v "${@:3}"
	trace_start
	if ! "${command[@]}" >"$scratch/report" 2>&1 || ! [[ $(<"$scratch/report") =~ $plan ]]; then
		fail "$what: ${command[*]}: $(<"$scratch/report")"
		return
	fi
	note=${BASH_REMATCH[1]}
	figure trace "$what: plan" "${BASH_REMATCH[2]}" 'CPU copies' "$2" "$note"
	# shellcheck disable=SC2086 # names
	trace_count $COPYING
	if [[ -n $REPLY ]]; then
		figure trace "$what: page copies by the kernel" "$REPLY" calls "$(kernel_target "$2" "$note")" \
			"in $((TRACE_CHUNKS * 2)) commands"
		trace_count "$MAPPING"
		figure trace "$what: user pages mapped by the kernel" "$REPLY" calls
	fi
	same "$blocks" || fail "$what: ${command[*]}: the copy differs"
	figure trace "$what: data compared equal" "$((blocks / 2))" KiB
}

# kernel_target TARGET PLAN: prints it; the kernel copies nothing for mapped buffers either.
kernel_target() {
	if [[ $2 == mmap* && $2 != *indirect* ]]; then
		echo '<= 0'
	else
		echo "$1"
	fi
}

trace_plans() {
	local allowed elements=/sys/module/sg/parameters/scatter_elem_sz usual zero_copy='<= 0'

	if [[ $guest == uml ]]; then
		zero_copy=
	fi
	for allowed in 0 1; do
		allow "$allowed"
		trace_plan "allow_dio=$allowed" "$zero_copy"
		read -r usual <"$elements"
		echo 4096 >"$elements"
		trace_plan "allow_dio=$allowed, scatter_elem_sz=4096" ''
		echo "$usual" >"$elements"
	done
	trace_plan 'for comparison: xfer=indirect' '> 0' xfer=indirect
}
