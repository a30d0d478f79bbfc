#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The guest's half of `make bench`: measures one part (see run.sh -h) with the disks that are there
# and appends what it found to $RESULTS/records, for tables.awk. Started by run.sh.

bench_dir=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# shellcheck source=../guest/inside.sh
. "$INSIDE"
# shellcheck source=engine.sh
. "$bench_dir/engine.sh"
# shellcheck source=candidates.sh
. "$bench_dir/candidates.sh"
# shellcheck source=fio.sh
. "$bench_dir/fio.sh"
# shellcheck source=cost.sh
. "$bench_dir/cost.sh"
# shellcheck source=probes.sh
. "$bench_dir/probes.sh"
# shellcheck source=trace.sh
. "$bench_dir/trace.sh"
# shellcheck source=ends.sh
. "$bench_dir/ends.sh"
# shellcheck source=losses.sh
. "$bench_dir/losses.sh"

# The figures are wanted at these transfer sizes (KiB) and latencies (us).
sizes=(4 64 512)
latencies=(0 50 300)
if [[ -n $SGMMCP_QUICK ]]; then
	latencies=(0 300)
fi

# over_cells FUNCTION [ARG...]: calls it for every size and latency.
over_cells() {
	local latency_us size_kib

	for latency_us in "${latencies[@]}"; do
		set_latency "$latency_us"
		for size_kib in "${sizes[@]}"; do
			cell "$size_kib" "$latency_us"
			"$@" || return
		done
	done
}

copy_cell() {
	candidates_of_copy
	measure_cell
	if ((latency == ${latencies[-1]})); then
		compare_all
	fi
}

read_cell() {
	candidates_of_read
	measure_cell fio_round
}

sweep_cell() {
	candidates_of_sweep
	screen
}

part_copy() {
	use_sg_pair && fill_source && over_cells copy_cell
}

part_read() {
	use_sg_pair && dest=. && dest_disk=/dev/null && over_cells read_cell
}

part_sweep() {
	use_sg_pair && over_cells sweep_cell
}

# The device moves no data: what is left is the cost of the copier and of the driver.
part_fake() {
	use_sg_pair && sd_set fake_rw 1 && set_latency 0 && cell 512 0 || return
	candidates_of_fake
	measure_cell
}

# A device of 2 ms: reads and writes of a copy are to take no longer than either alone.
part_overlap() {
	use_sg_pair && set_latency 2000 && cell 64 2000 || return
	candidates_of_overlap
	measure_cell
}

part_uml() {
	use_sg_pair && fill_source && set_latency 300 && cell 64 300 || return
	candidates_of_uml
	measure_cell
	compare_all
}

# Two disks of virtio-scsi, each served by a thread of the emulator.
part_smp() {
	use_sg_pair && fill_source && cell 512 - || return
	candidates_of_smp
	measure_cell
	compare_all
}

part_cost() {
	use_sg_pair && set_latency 50 && system_calls && peak_memory && allocations
}

part_trace() {
	use_sg_pair && fill_source && set_latency 50 && trace_plans
}

# Files, block nodes, pipes, hashes. Figures that repeat come from the counted guest, whose one CPU is
# shared by both ends of a pipe; a hash is of the processor's own instructions, which take real time.
part_ends() {
	use_ends && over_files && over_blocks && over_pipes
}

part_clone() {
	use_ends && over_destinations
}

part_streams() {
	use_ends && over_hashes && over_pipes
}

part_losses() {
	use_sg_pair && fill_source && over_losses
}

part=$1 guest=$2
mkdir -p "$scratch"
record meta "$part" "$guest" "$(uname -r)" "$SGMMCP_COMMIT" "$SGMMCP_ROUNDS" "$SGMMCP_STARTED"
warm "$SGMMCP" "$SGMMCP_BENCH/measure" sgm_dd sgp_dd sg_dd ddpt dd
"part_$part" || exit
((failures == 0))
