# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# fio as the limit of reading: its sg engine on the sg node, the engines of the block layer on the
# block node. All jobs of a round run in one process, one after the other. Sourced by guest.sh.
# More than 16 commands on the one descriptor of the sg engine are refused.
#
# shellcheck disable=SC2154 # variables of engine.sh and guest.sh

declare -A fio_best # of a group: its depth
fio_groups=('fio sg' 'fio psync' 'fio libaio' 'fio io_uring')

# fio tells its time in milliseconds, so it needs as many as these.
fio_ms=${SGMMCP_QUICK:+150}
fio_ms=${fio_ms:-300}

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
	local fields job kib time_ms seconds

	allow 0
	measured fio --output-format=terse --terse-version=3 "$scratch/jobs"
	while IFS=';' read -ra fields; do
		[[ ${fields[1]} == fio-* ]] || continue
		job=${fields[2]} kib=${fields[5]} time_ms=${fields[8]}
		((fields[4] == 0 && time_ms > 0)) || continue
		printf -v seconds '%d.%03d' $((time_ms / 1000)) $((time_ms % 1000))
		record run "$part" "$size" "$latency" "${job%:*}" 0 "iodepth=${job#*:}" "$1" "$seconds" \
			$((kib * 1024)) '' "$rss_kib"
		fio_keep "${job%:*}" "${job#*:}" $((kib * 1000 / time_ms))
	done <<<"$report"
	((status == 0)) || inside_say "fio: exit status $status: ${report:0:200}"
}

# fio_keep GROUP DEPTH RATE: remembers the best.
fio_keep() {
	if ((screening)) && (($3 > ${fio_rate[$1]:-0})); then
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
		fio_common $((fio_ms / 3))
		fio_job 'fio psync' 1
		for depth in 1 2 4 8 16; do
			for group in 'fio sg' 'fio libaio' 'fio io_uring'; do
				fio_job "$group" "$depth"
			done
		done
		fio_job 'fio libaio' 32
		fio_job 'fio io_uring' 32
	} >"$scratch/jobs"
	fio_run 0
	for group in "${fio_groups[@]}"; do
		[[ -n ${fio_best[$group]} ]] || fail "$group, $size KiB, $latency us: does not work"
	done
}

# fio_round ROUND: the best of each engine, which round 0 finds.
fio_round() {
	local group screening=0

	if (($1 == 0)); then
		fio_screen
	fi
	if (($1 == 0 || ${#fio_best[@]} == 0)); then
		return
	fi
	{
		fio_common "$fio_ms"
		for group in "${!fio_best[@]}"; do
			fio_job "$group" "${fio_best[$group]}"
		done
	} >"$scratch/jobs"
	fio_run "$1"
}
