# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# fio as the limit of reading: its sg engine on the sg node, the engines of the block layer on the
# block node. All jobs of a round run in one process, one after the other. Sourced by guest.sh.

declare -A fio_best # of a group: its depth
fio_groups=('fio sg' 'fio psync' 'fio libaio' 'fio io_uring')

# fio_job GROUP DEPTH
fio_job() {
	printf '[%s:%s]\nstonewall\nioengine=%s\niodepth=%s\n' "$1" "$2" "${1#fio }" "$2"
	case $1 in
	'fio sg') printf 'filename=%s\n' "$source_sg" ;;
	'fio libaio') printf 'filename=%s\ndirect=1\nuserspace_reap\n' "$source_disk" ;;
	'fio io_uring') printf 'filename=%s\ndirect=1\nfixedbufs\nregisterfiles\n' "$source_disk" ;;
	*) printf 'filename=%s\ndirect=1\n' "$source_disk" ;;
	esac
}

# fio_common MILLISECONDS
fio_common() {
	printf '%s\n' '[global]' rw=read thread gtod_reduce=1 time_based "runtime=${1}ms" \
		"bs=${size}k" "size=$((disk_blocks / 2048))m"
}

# fio_run ROUND: runs $scratch/jobs and records each. Of the terse format: fields 3 and 5 are the
# job and its error, 6 and 9 KiB read and milliseconds.
fio_run() {
	local status cpu_us rss_kib fields job kib time_ms seconds

	allow 0
	read -r status cpu_us rss_kib < <("$SGMMCP_BENCH/measure" "$scratch/fio" "$PATIENCE_S" \
		fio --output-format=terse --terse-version=3 "$scratch/jobs")
	while IFS=';' read -ra fields; do
		[[ ${fields[1]} == fio-* ]] || continue
		job=${fields[2]} kib=${fields[5]} time_ms=${fields[8]}
		((fields[4] == 0 && time_ms > 0)) || continue
		printf -v seconds '%d.%03d' $((time_ms / 1000)) $((time_ms % 1000))
		record run "$part" "$size" "$latency" "${job%:*}" 0 "iodepth=${job#*:}" "$1" "$seconds" \
			$((kib * 1024)) '' "$rss_kib"
		fio_keep "${job%:*}" "${job#*:}" $((kib * 1000 / time_ms))
	done <"$scratch/fio"
	((status == 0)) || inside_say "fio: exit status $status: $(grep -v '^3;' "$scratch/fio")"
}

# fio_keep GROUP DEPTH RATE: remembers the best.
fio_keep() {
	if ((screening && $3 > ${fio_rate[$1]:-0})); then
		fio_rate[$1]=$3
		fio_best[$1]=$2
	fi
}

# fio_screen: every engine at every depth; finds the best of each.
fio_screen() {
	local group depth screening=1
	local -A fio_rate=()

	fio_best=()
	{
		fio_common 100
		fio_job 'fio psync' 1
		for depth in 1 2 4 8 16 32; do
			for group in 'fio sg' 'fio libaio' 'fio io_uring'; do
				fio_job "$group" "$depth"
			done
		done
	} >"$scratch/jobs"
	fio_run 0
	for group in "${fio_groups[@]}"; do
		[[ -n ${fio_best[$group]} ]] || fail "$group, $size KiB, $latency us: does not work"
	done
}

# fio_round ROUND: the best of each engine.
fio_round() {
	local group screening=0

	{
		fio_common "${SGMMCP_FIO_MS:-300}"
		for group in "${!fio_best[@]}"; do
			fio_job "$group" "${fio_best[$group]}"
		done
	} >"$scratch/jobs"
	fio_run "$1"
}
