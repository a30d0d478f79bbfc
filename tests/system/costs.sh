# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: full uml -t 900 -o "add_host=2 per_host_store=1 dev_size_mb=16 ndelay=20000"
# guest: full qemu -k 6.12 -s 2 -o "add_host=2 per_host_store=1 dev_size_mb=16 ndelay=20000"
#
# What a command costs once the copy runs, counted and not timed: system calls, memory. The figures
# of a short copy are taken from those of a long one; what remains is the steady state.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=16 SHORT=512 LONG=1536 CHUNK=8 # blocks

# calls REGEX: sets REPLY to how many of the system calls strace saw.
calls() {
	REPLY=$(awk -v "want=^($1)\$" '$NF ~ want { n += $4 } END { print n + 0 }' /tmp/strace)
}

# traced COUNT WORD...: sets all and memory to its system calls, of any kind and for memory.
traced() {
	local n=$1

	shift
	command_line="strace sgmmcp count=$n $*"
	strace -f -c -o /tmp/strace "$sgmmcp" "if=$a" "of=$b" "count=$n" "bpt=$CHUNK" sync=0 "$@" \
		>/tmp/out 2>/tmp/err </dev/null
	took
	expect_status 0
	calls '[a-z].*'
	calls_all=$REPLY
	calls total
	calls_all=$((calls_all - REPLY))
	calls 'mmap|brk|munmap|mremap'
	calls_memory=$REPLY
}

# calls_of_commands WORD...: sets calls_more and memory_more to those of the longer of two runs that
# the shorter has not.
calls_of_commands() {
	local short_all short_memory

	traced "$SHORT" "$@"
	short_all=$calls_all short_memory=$calls_memory
	traced "$LONG" "$@"
	calls_more=$((calls_all - short_all)) memory_more=$((calls_memory - short_memory))
}

# steady PERCENT WORD...: at most so many system calls for a hundred commands. A machine that is busy
# has threads wait for each other, and runs of seconds: what the program needs is the least of some.
steady() {
	local percent=$1 commands=$((2 * (LONG - SHORT) / CHUNK)) try

	shift
	begin "at most $percent system calls for 100 commands, and no memory asked for ($*)"
	for try in 1 2 3; do
		calls_of_commands "$@"
		((calls_more * 100 > percent * commands)) || break
	done
	((try < 3 || calls_more * 100 <= percent * commands)) ||
		fail "$calls_more system calls for $commands commands"$'\n'"$(</tmp/strace)"
	((memory_more == 0)) || fail "$memory_more calls for memory"
}

peak_kb() {
	local key

	while read -r key REPLY _; do
		[[ $key != VmHWM: ]] || return 0
	done <"/proc/$pid/status"
}

# lean WORD...: looks when most of the copy is done.
lean() {
	local limit=$((16 * 512 * 2 + 8 * 1024))

	begin "peak memory is within twice the chunks in flight and 8 MiB ($*)"
	wait_for sd_set ndelay 900000000
	start_counting "$b"
	start "if=$a" "of=$b" qd=16 bpt=1024 "$@"
	wait_midway "$b" 18
	peak_kb
	complete
	expect_status 0
	((REPLY > 0 && REPLY <= limit)) || fail "$REPLY kB, not $limit kB"
	wait_for sd_set ndelay 20000
}

two_units
must make_data /tmp/source "$MIB"
must fill "$disk_a" /tmp/source
echo 1 >"$allow_dio"
methods='mmap dio'
is_uml || methods=auto # out of the mapped buffer, which only qemu has
for xfer in $methods; do
	! is_uml || steady 105 qd=1 io=sg_io "xfer=$xfer" # strace is slow in qemu
	steady 105 qd=8 io=sg_io "xfer=$xfer"
	steady 210 qd=8 io=rw "xfer=$xfer"
	lean io=rw "xfer=$xfer"
done
finish
