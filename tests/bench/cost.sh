# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What a copy costs beside time: system calls, memory, allocations. Sourced by guest.sh.
#
# shellcheck disable=SC2154 # variables of engine.sh and guest.sh

readonly COST_CHUNKS=64

# copy_of CHUNKS KIB SETTING...: sets command.
copy_of() {
	command=("$SGMMCP" "if=$source_sg" "of=$dest" bs=512 "bpt=$(($2 * 2))"
		"count=$(($1 * $2 * 2))" "${@:3}")
}

# calls_of CHUNKS SETTING...: sets REPLY to the system calls of a copy with 64 KiB transfers.
calls_of() {
	copy_of "$1" 64 "${@:2}"
	if ! strace -c -f -o "$scratch/calls" "${command[@]}" >"$scratch/report" 2>&1; then
		fail "strace ${command[*]}: $(<"$scratch/report")"
		return 1
	fi
	REPLY=$(awk '$NF == "total" { print $4 }' "$scratch/calls")
}

# calls_per_command TARGET ALLOW_DIO SETTING...: from two copies, so that the calls of starting and
# ending fall out.
calls_per_command() {
	local few many per_command

	allow "$2"
	calls_of "$COST_CHUNKS" "${@:3}" || return
	few=$REPLY
	calls_of $((COST_CHUNKS * 5)) "${@:3}" || return
	many=$REPLY
	per_command=$(((many - few) * 1000 / (COST_CHUNKS * 4 * 2)))
	printf -v per_command '%d.%03d' $((per_command / 1000)) $((per_command % 1000))
	figure cost "system calls per command, ${*:3}, allow_dio=$2" "$per_command" calls "$1"
}

system_calls() {
	local allowed

	for allowed in 0 1; do
		calls_per_command '<= 1.05' "$allowed" io=sg_io qd=1
		calls_per_command '<= 1.05' "$allowed" io=sg_io qd=16
		calls_per_command '<= 2.1' "$allowed" io=rw qd=1
		calls_per_command '<= 2.1' "$allowed" io=rw qd=16
	done
}

# memory_of ALLOW_DIO DEPTH KIB
memory_of() {
	allow "$1"
	copy_of $(($2 * 2)) "$3" "qd=$2"
	measured "${command[@]}"
	if ((status != 0)); then
		fail "${command[*]}: $report"
		return
	fi
	figure cost "peak memory, qd=$2 bpt=$3K, allow_dio=$1" "$rss_kib" KiB \
		"<= $(($2 * $3 * 2 + 8192))"
}

peak_memory() {
	local allowed

	for allowed in 0 1; do
		memory_of "$allowed" 1 4
		memory_of "$allowed" 16 4
		memory_of "$allowed" 16 64
		memory_of "$allowed" 64 64
		memory_of "$allowed" 1 512
		memory_of "$allowed" 16 512
		memory_of "$allowed" 64 512
	done
}

# Of a strace, prints how many calls that get memory were made between the first and the last READ
# or WRITE, and how many of these there were.
# shellcheck disable=SC2016 # awk's
readonly MEMORY_CALLS='
	/SG_IO.*cmdp="\\x(28|2a|88|8a)/ || /write\([0-9]+, "S\\0\\0\\0.*, 88\)/ {
		commands++
		got += pending
		pending = 0
	}
	/^[0-9]+ +(brk|mmap|mremap)\(/ && commands { pending++ }
	END { print got + 0, commands + 0 }'

# allocations_of ALLOW_DIO SETTING...
allocations_of() {
	local told='allocations: ([0-9]+) between ([0-9]+) data commands' calls commands

	allow "$1"
	copy_of 128 64 "${@:2}"
	if ! LD_PRELOAD=$SGMMCP_BENCH/allocations.so "${command[@]}" >"$scratch/report" 2>&1 ||
		! [[ $(<"$scratch/report") =~ $told ]]; then
		fail "allocations, ${command[*]}: $(<"$scratch/report")"
		return
	fi
	figure cost "allocations after the first transfer, ${*:2}, allow_dio=$1" \
		"${BASH_REMATCH[1]}" calls '<= 0' "of malloc and its like in ${BASH_REMATCH[2]} commands"
	strace -f -e trace=brk,mmap,mremap,ioctl,write -o "$scratch/calls" "${command[@]}" \
		>"$scratch/report" 2>&1
	read -r calls commands < <(awk "$MEMORY_CALLS" "$scratch/calls")
	((commands >= 256)) || fail "strace ${command[*]}: $commands commands seen"
	figure cost "brk, mmap after the first transfer, ${*:2}, allow_dio=$1" "$calls" calls '<= 0' \
		"in $commands commands"
}

allocations() {
	local allowed

	for allowed in 0 1; do
		allocations_of "$allowed" io=sg_io qd=1
		allocations_of "$allowed" io=sg_io qd=16
		allocations_of "$allowed" io=rw qd=16
	done
}
