#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The host's half of `make bench`: boots guests, in which guest.sh measures the copier and its
# peers, and makes tables of what they found. Touches no real device.

bench_dir=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
repo_dir=$(realpath "$bench_dir/../..")
out_dir=$repo_dir/build/bench
guest_dir=$bench_dir/../guest

# Counted parts run in qemu that counts instructions: their figures do not depend on what else the
# host does, so several run at a time. The others take real time and run alone.
counted_parts=(copy read fake overlap cost trace ends clone)
real_parts=(uml smp streams losses)
readonly DISKS='add_host=2 per_host_store=1 dev_size_mb=256 max_queue=192'
readonly END_DISKS='add_host=4 per_host_store=1 dev_size_mb=64 max_queue=192'
readonly STREAM_DISKS='add_host=2 per_host_store=1 dev_size_mb=128 max_queue=192'
readonly LOSS_DISKS='add_host=2 per_host_store=1 dev_size_mb=16'
readonly GUEST_S=3600

say() {
	printf 'bench: %s\n' "$*" >&2
}

usage() {
	cat <<-EOF
	Usage: tests/bench/run.sh [PART...]

	Measures ./sgmmcp (or the program in \$SGMMCP) against its peers, in guests. The tables of these
	parts and of those measured earlier end up in build/bench/bench.txt and bench.json.

	  copy     sg to sg: 4, 64, 512 KiB; 0, 50, 300 us a command
	  read     sg to nothing, also by fio
	  fake     the device moves no data: no copy by CPU against one and two
	  overlap  2 ms a command: a copy against reading and writing alone
	  cost     system calls, memory, allocations
	  trace    whether the kernel copies data; kernels 6.1, 6.12 and user-mode-linux
	  uml      user-mode-linux in real time, 64 KiB, 300 us
	  smp      qemu in real time, two CPUs, virtio-scsi, 512 KiB
	  ends     files, block nodes, pipes; dd, sg_dd, nbdcopy, fio
  clone    one disk to three, also where the devices move no data
	  streams  user-mode-linux in real time: pipes, SHA-256 while copying
	  losses   a disk with bad blocks: what each tool loses and takes, once
	  sweep    depth by system calls, one round, no peers (only when named)

	All but sweep when none is named. The copier's groups: sgmmcp without settings, and 'best' of
	several; with ", dio" where allow_dio=1. Every tool is measured at the best of several settings.

	  ROUNDS=N  rounds, of which the median is taken (5); before them comes one for the settings
	  QUICK=1   only that one, with less data, without 50 us, trace, uml
	           and streams: not for the record
	  JOBS=N    guests at a time where that does not change the figures (number of CPUs)

	Exit status 0 when all was measured, whatever the figures; 1 when a tool failed or data differed.
	EOF
}

build_helpers() {
	local cc=${CC:-cc}

	mkdir -p "$out_dir"
	"$cc" -O2 -o "$out_dir/measure" "$bench_dir/measure.c" &&
		"$cc" -O2 -shared -fPIC -o "$out_dir/allocations.so" "$bench_dir/allocations.c"
}

# A copy of the program, so that a build meanwhile changes nothing.
take_program() {
	local program=${SGMMCP:-$repo_dir/sgmmcp}

	if ! program=$(type -P "$program"); then
		say "${SGMMCP:-./sgmmcp}: not there (run make)"
		return 1
	fi
	cp "$program" "$out_dir/sgmmcp"
}

set_environment() {
	export SGMMCP=$out_dir/sgmmcp SGMMCP_BENCH=$out_dir
	export SGMMCP_QUICK=${QUICK:-}
	export SGMMCP_ROUNDS=${ROUNDS:-$((${#SGMMCP_QUICK} ? 0 : 5))}
	export SGMMCP_CLOCK=counted
	export SGMMCP_COMMIT SGMMCP_STARTED
	SGMMCP_COMMIT=$(git -C "$repo_dir" describe --always --dirty 2>/dev/null)
	SGMMCP_STARTED=$(date -u +%Y-%m-%dT%H:%MZ)
}

# boot PART GUEST COMMAND...: measures PART in the guest that COMMAND starts.
boot() {
	local results=$out_dir/$1-$2

	rm -rf "$results"
	mkdir -p "$results"
	say "$1 ($2): started"
	if RESULTS=$results "${@:3}" -t "$GUEST_S" "$bench_dir/guest.sh" "$1" "$2" \
		>"$results/log" 2>&1; then
		say "$1 ($2): done"
	else
		say "$1 ($2): failed with exit status $?:"
		tail -20 "$results/log" >&2
		return 1
	fi
}

# Where the clock leaps, the kernel may think that something hangs, and warn.
count_in_qemu() {
	boot "$1" qemu "$guest_dir/qemu" -i -W -o "$DISKS delay=0"
}

# in_real_time MIB PART GUEST COMMAND...: MIB is what each run copies.
in_real_time() {
	local mib=$1

	if [[ -n $SGMMCP_QUICK ]]; then
		mib=$((mib / 4))
	fi
	SGMMCP_CLOCK=real SGMMCP_REAL_MIB=$mib boot "${@:2}"
}

trace_everywhere() {
	local status=0 kernel

	for kernel in 6.1 6.12; do
		boot trace "$kernel" "$guest_dir/qemu" -k "$kernel" -o "$DISKS delay=0" || status=1
	done
	boot trace uml "$guest_dir/uml" -m 1G -o "$DISKS" || status=1
	return "$status"
}

measure() {
	case $1 in
	trace) trace_everywhere ;;
	uml) in_real_time 64 uml uml "$guest_dir/uml" -m 1G -o "$DISKS" ;;
	ends | clone) boot "$1" qemu "$guest_dir/qemu" -i -W -m 2G -o "$END_DISKS delay=0" ;;
	streams) SGMMCP_CLOCK=real boot streams uml "$guest_dir/uml" -m 2G -o "$STREAM_DISKS" ;;
	losses) SGMMCP_CLOCK=real boot losses uml "$guest_dir/uml" -m 512M -o "$LOSS_DISKS" ;;
	smp) in_real_time 256 smp qemu "$guest_dir/qemu" -s 2 -d 256 -d 256 -o none ;;
	*) count_in_qemu "$1" ;;
	esac
}

# measure_counted PART...: up to JOBS at a time.
measure_counted() {
	local jobs=${JOBS:-$(nproc)} running=0 status=0 part

	for part; do
		if ((running == jobs)); then
			wait -n || status=1
			running=$((running - 1))
		fi
		measure "$part" &
		running=$((running + 1))
	done
	while ((running--)); do
		wait -n || status=1
	done
	return "$status"
}

# chosen KNOWN... -- PART...: prints those of the parts that are known, in the order given first.
chosen() {
	local known=() part

	while [[ $1 != -- ]]; do
		known+=("$1")
		shift
	done
	for part in "${known[@]}"; do
		if [[ " ${*:2} " == *" $part "* ]]; then
			echo "$part"
		fi
	done
}

make_tables() {
	local part files=() found

	for part in "${counted_parts[@]}" "${real_parts[@]}" sweep; do
		for found in "$out_dir/$part"-*/records; do
			if [[ -s $found ]]; then
				files+=("$found")
			fi
		done
	done
	((${#files[@]})) && LC_ALL=C awk -f "$bench_dir/tables.awk" -v json="$out_dir/bench.json.new" \
		"${files[@]}" >"$out_dir/bench.txt.new" &&
		mv "$out_dir/bench.json.new" "$out_dir/bench.json" &&
		mv "$out_dir/bench.txt.new" "$out_dir/bench.txt"
}

parts=("$@")
case ${1:-} in
-h | --help)
	usage
	exit 0
	;;
'')
	parts=("${counted_parts[@]}" "${real_parts[@]}")
	if [[ -n ${QUICK:-} ]]; then
		parts=(copy read fake overlap cost ends smp)
	fi
	;;
esac
for part in "${parts[@]}"; do
	if [[ " ${counted_parts[*]} ${real_parts[*]} sweep " != *" $part "* ]]; then
		say "$part: no such part (see tests/bench/run.sh -h)"
		exit 1
	fi
done
build_helpers && take_program || exit
set_environment
status=0
mapfile -t now < <(chosen "${counted_parts[@]}" sweep -- "${parts[@]}")
measure_counted "${now[@]}" || status=1
mapfile -t now < <(chosen "${real_parts[@]}" -- "${parts[@]}")
for part in "${now[@]}"; do
	measure "$part" || status=1
done
make_tables || exit 1
cat "$out_dir/bench.txt"
say "also in ${out_dir#"$PWD/"}/bench.txt and bench.json"
exit "$status"
