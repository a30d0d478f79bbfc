# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Measuring inside a guest. A candidate is a tool with settings; candidates of the same group are
# settings of the same thing, of which only the best is measured in all rounds. A cell is a size of
# transfer and a latency. Sourced by guest.sh,
# which sets part and guest.
#
# shellcheck disable=SC2154,SC2034 # of or for the scripts that go with it

allow_dio=/sys/module/sg/parameters/allow_dio
failures=0
scratch=/tmp/bench
screened=2      # the first round, for choosing, is of one in so many transfers
before_run=:    # what is done before each run
groups=() tools=() allows=() settings=() # one of each a candidate
declare -A best                          # of a group: its candidate

# What a run may take before it is taken for stuck. Not in a counted guest: while that waits for the
# host to read a file its clock leaps, by minutes.
patience_s=120
if [[ $SGMMCP_CLOCK == counted ]]; then
	patience_s=0
fi

# fail WHAT: the bench goes on, and ends with a failure.
fail() {
	inside_say "$*"
	failures=$((failures + 1))
}

# record FIELD...: one line of $RESULTS/records.
record() {
	local IFS=$'\t'

	printf '%s\n' "$*" >>"$RESULTS/records"
}

# figure PART NAME VALUE UNIT [TARGET [NOTE]]: a single figure; TARGET as in "<= 1.05".
figure() {
	record figure "$1" "$2" "$3" "$4" "${5:-}" "${6:-}"
}

# warm TOOL...: reads the programs and their libraries, so that no run waits for the host.
warm() {
	local tool

	for tool; do
		tool=$(type -P "$tool")
		# shellcheck disable=SC2046 # paths
		cat "$tool" $(ldd "$tool" | grep -o '/[^ ]*') >/dev/null
	done
}

use_sg_pair() {
	local nodes=(/dev/sg*)

	source_sg=${nodes[0]} dest=${nodes[1]}
	source_disk=$(disk_of "$source_sg") && dest_disk=$(disk_of "$dest") || return
	read -r disk_blocks <"/sys/class/block/${source_disk#/dev/}/size"
}

fill_source() {
	dd if=/dev/urandom "of=$source_disk" bs=1M count=$((disk_blocks / 2048)) iflag=fullblock \
		oflag=direct status=none
}

# set_latency MICROSECONDS: of scsi_debug's disks.
set_latency() {
	if (($1)); then
		sd_set ndelay "$(($1 * 1000))"
	else
		sd_set delay 0
	fi
}

allow() {
	echo "$1" >"$allow_dio"
}

# cell KIB MICROSECONDS: sets what the next runs are about: transfers of this size, and as many as
# give a stable figure. In a counted guest 0.1 s do.
cell() {
	local chunks

	size=$1 latency=$2 bpt=$(($1 * 2))
	case $size in
	4) chunks=4000 ;;
	64) chunks=1600 ;;
	*) chunks=256 ;;
	esac
	if [[ $latency == 0 ]]; then
		chunks=$((chunks * 2)) # starting threads is part of what the tools take for copying
	fi
	if [[ -n $SGMMCP_QUICK ]]; then
		chunks=$((chunks / 2))
	fi
	if [[ $SGMMCP_CLOCK == real ]]; then
		chunks=$((SGMMCP_REAL_MIB * 2048 / bpt))
	fi
	count=$((chunks * bpt))
	count=$((count > disk_blocks ? disk_blocks / bpt * bpt : count))
}

no_candidates() {
	groups=() tools=() allows=() settings=()
	best=()
}

# candidate GROUP ALLOW_DIO TOOL [SETTING...]
candidate() {
	groups+=("$1") allows+=("$2") tools+=("$3") settings+=("${*:4}")
}

# build TOOL [SETTING...]: sets command.
build() {
	local ends=("if=$source_sg" "of=$dest") length=(bs=512 "bpt=$bpt" "count=$count")
	local disks=("if=$source_disk" "of=$dest_disk")

	case $1 in
	line) command=() ;;
	sgmmcp) command=("$SGMMCP" "${ends[@]}" "${length[@]}") ;;
	sgmmcp-write) command=("$SGMMCP" iflag=00 "of=$dest" "${length[@]}") ;;
	sgmmcp-read) command=("$SGMMCP" "if=$source_sg" of=. "${length[@]}") ;;
	dd) command=(dd "${disks[@]}" "bs=$((bpt * 512))" "count=$((count / bpt))") ;;
	ddpt) command=(ddpt "${ends[@]}" "${length[@]}") ;;
	ddpt-block) command=(ddpt "${disks[@]}" "${length[@]}") ;;
	sg_dd-block) command=(sg_dd "${disks[@]}" "${length[@]}" time=1) ;;
	*) command=("$1" "${ends[@]}" "${length[@]}" time=1) ;;
	esac
	command+=("${@:2}")
}

# to_us SECONDS: sets REPLY to microseconds.
to_us() {
	local fraction=${1#*.}000000

	REPLY=$((${1%.*} * 1000000 + 10#${fraction:0:6}))
}

# seconds_told: sets REPLY to what the tool says in its report that the transfer took; of several
# tools in a row the one that ends last. dd may say 9.6e-05.
seconds_told() {
	local told='.*(time to (transfer|read) data:? *(was )?([0-9.]+) secs|copied, ([0-9.e-]+) s)'

	[[ $report =~ $told ]] && printf -v REPLY '%.6f' "${BASH_REMATCH[4]}${BASH_REMATCH[5]}" &&
		[[ $REPLY != 0.000000 ]]
}

# measured COMMAND...: runs it; sets status, cpu_us, rss_kib, wall_us, report.
measured() {
	read -r status cpu_us rss_kib wall_us \
		< <("$SGMMCP_BENCH/measure" "$scratch/report" "$patience_s" "$@")
	report=$(<"$scratch/report")
}

# run I: also sets seconds.
run() {
	local arguments

	read -ra arguments <<<"${settings[$1]}"
	allow "${allows[$1]}"
	build "${tools[$1]}" "${arguments[@]}"
	"$before_run"
	measured "${command[@]}"
	if ((status != 0)) || ! { seconds_told || seconds_by_clock "${command[0]}"; }; then
		inside_say "${command[*]}: exit status $status: ${report//$'\n'/ }"
		return 1
	fi
	seconds=$REPLY
}

# note I ROUND: the record of the run just made. Round 0 chose the settings, `start` is one of a
# single transfer, whose CPU time is that of starting.
note() {
	record run "$part" "$size" "$latency" "${groups[$1]}" "${allows[$1]}" \
		"${settings[$1]:-(default)}" "$2" "$seconds" "$((count * 512))" "$cpu_us" "$rss_kib"
}

# screen: runs every candidate once, for a part as long, and finds the best of each group.
screen() {
	local i group time_us chunks=$((count / bpt / screened)) count
	local -A least_us=()

	count=$((chunks * bpt))
	for i in "${!groups[@]}"; do
		run "$i" || continue
		note "$i" 0
		to_us "$seconds"
		time_us=$REPLY group=${groups[i]}
		if ((time_us < ${least_us[$group]:-999999999999})); then
			least_us[$group]=$time_us
			best[$group]=$i
		fi
	done
	for group in "${groups[@]}"; do
		[[ -n ${best[$group]} ]] || fail "$group, $size KiB, $latency us: no setting works"
	done
}

# best_in_order: sets order to the best candidate of each group.
best_in_order() {
	local i

	order=()
	for i in "${!groups[@]}"; do
		if [[ ${best[${groups[i]}]} == "$i" ]]; then
			order+=("$i")
		fi
	done
}

measure_starts() {
	local i count=$bpt

	for i in "${order[@]}"; do
		[[ ${tools[i]} == line ]] || { run "$i" && note "$i" start; }
	done
}

# run_again I ROUND: what worked before. A peer may still hang, as sgp_dd does now and then.
run_again() {
	if run "$1"; then
		note "$1" "$2"
	elif [[ ${groups[$1]} == sgmmcp* ]]; then
		fail "${groups[$1]} ${settings[$1]}, $size KiB, $latency us: worked before"
	fi
}

# measure_cell [COMMAND...]: the best of every group in turn, and COMMAND, round by round.
measure_cell() {
	local round i

	screen
	"${@:-:}" 0
	((SGMMCP_ROUNDS)) || return 0
	best_in_order
	measure_starts
	for ((round = 1; round <= SGMMCP_ROUNDS; round++)); do
		for i in "${order[@]}"; do
			run_again "$i" "$round"
		done
		if (($#)); then
			"$@" "$round"
		fi
	done
}

# wipe BLOCKS: the beginning of the destination, so that what is equal later was copied.
wipe() {
	dd if=/dev/zero "of=$dest_disk" bs=64K count=$(($1 / 128)) oflag=direct status=none
}

# same BLOCKS: whether both disks begin with the same data.
same() {
	blockdev --flushbufs "$dest_disk" && cmp -s -n $(($1 * 512)) "$source_disk" "$dest_disk"
}

# compare_all: every candidate copies once more, a little, and the data are compared.
compare_all() {
	local i count

	if [[ -n $SGMMCP_QUICK ]] && ((size != 64)); then
		return
	fi
	count=$((bpt * 80 / 128 * 128 + 1024))
	count=$((count / bpt * bpt > disk_blocks ? disk_blocks : count / bpt * bpt))
	for i in "${!groups[@]}"; do
		wipe "$((count + 127))"
		run "$i" || continue
		if ! same "$count"; then
			fail "${command[*]}: the copy differs"
		fi
	done
	figure "$part" "copies compared equal, $size KiB" "${#groups[@]}" settings
}
