# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The host's half of the guest test harness: what `uml` and `qemu` share. Sourced by them.
#
# A run has two directories the guest also sees: RUN, private to the harness and removed at the
# end (what to run, the two output pipes, the exit status), and RESULTS, the caller's (`dmesg`,
# `console`, and whatever the script writes there). The guest half is in `init`.

readonly TIMED_OUT=200 GUEST_DIED=201 KERNEL_COMPLAINED=202 NOT_STARTED=203

guest_dir=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
repo_dir=$(realpath "$guest_dir/../..")
tool=$(basename "$0")

# Set by the tool: the folder with the kernel's modules, which of them `init` loads, and for how
# many disks it waits.
modules_dir=
drivers=()
disk_count=0

# What the options set; the tool may change the defaults before it reads them.
memory=512M
timeout_s=300
debug_params='add_host=2 per_host_store=1 dev_size_mb=32 ndelay=20000'
tolerate_warnings=

run_dir=
guest_pid=
guest_status=
stream_pids=()
results_are_ours=

say() {
	printf '%s: %s\n' "$tool" "$*" >&2
}

die() {
	say "$@"
	exit "$NOT_STARTED"
}

common_usage() {
	cat <<-EOF
	  -m MEM      guest memory, with suffix M or G (default $memory)
	  -t SECONDS  give up after this long (default $timeout_s)
	  -o PARAMS   load scsi_debug with these parameters ('none': do not load it)
	              (default "$debug_params")
	  -W          do not fail when the kernel logs a warning
	  -h          this text

	SCRIPT runs as root with its arguments and the caller's working directory. It sees the whole
	file system of the host; what it writes there stays in the guest and is lost at the end, except
	below \$RESULTS. /tmp is the guest's own; of the host's /tmp only the repository, the working
	directory, the folder of SCRIPT and \$RESULTS are there. Of the environment it gets SGMMCP*,
	*SAN_OPTIONS, LANG and LC_*. Scripts may source the helpers in tests/guest/inside.sh, whose path
	is in \$INSIDE.

	  RESULTS       directory that both sides can write, one for each run; dmesg and console end up
	                in it (default: a temporary one, kept only when the run fails)
	  SGMMCP_CACHE  where unpacked kernels are kept (default: build/guest in the repository)

	Exit status: that of SCRIPT, or $TIMED_OUT timed out, $GUEST_DIED the guest died (panic),
	$KERNEL_COMPLAINED the kernel logged a warning, $NOT_STARTED not started (usage, missing package).
	EOF
}

# common_option LETTER VALUE: takes the options both tools have.
common_option() {
	case $1 in
	m) memory=$2 ;;
	t) timeout_s=$2 ;;
	o) debug_params=$2 ;;
	W) tolerate_warnings=y ;;
	h)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit "$NOT_STARTED"
		;;
	esac
}

check_common_options() {
	[[ $memory =~ ^[1-9][0-9]*[MG]$ ]] || die "-m $memory: not a size (use 512M or 2G)"
	[[ $timeout_s =~ ^[1-9][0-9]*$ ]] || die "-t $timeout_s: not a number of seconds"
}

# need COMMAND TIER: the command is there, or say which tier of packages has it.
need() {
	command -v "$1" >/dev/null || die "$1: not found (run tests/deps.sh $2)"
}

cleanup() {
	if [[ -n $guest_pid ]]; then
		kill "$guest_pid" 2>/dev/null
		wait "$guest_pid"
	fi
	if ((${#stream_pids[@]})); then
		kill "${stream_pids[@]}" 2>/dev/null
	fi
	if [[ -n $run_dir ]]; then
		rm -rf "$run_dir"
	fi
	if [[ -n $results_are_ours ]]; then
		rm -rf "$RESULTS"
	fi
}

find_script() {
	local path

	path=$(type -P -- "$1") || path=$1
	[[ -f $path ]] || die "$1: no such script or command"
	realpath -s -- "$path"
}

make_results() {
	if [[ -n ${RESULTS:-} ]]; then
		mkdir -p "$RESULTS" || exit "$NOT_STARTED"
	else
		RESULTS=$(mktemp -d "${TMPDIR:-/tmp}/sgmmcp-guest.XXXXXX") || exit "$NOT_STARTED"
		results_are_ours=y
	fi
	RESULTS=$(realpath "$RESULTS")
	rm -f "$RESULTS/dmesg" "$RESULTS/console"
}

passed_environment() {
	local name

	for name in $(compgen -e); do
		case $name in
		SGMMCP* | *SAN_OPTIONS | LANG | LC_*) printf '%q ' "$name=${!name}" ;;
		esac
	done
}

# write_config SCRIPT [ARG...]: tells `init` what to run, as bash assignments.
write_config() {
	{
		printf 'results=%q\n' "$RESULTS"
		printf 'directory=%q\n' "$PWD"
		printf 'inside=%q\n' "$guest_dir/inside.sh"
		printf 'debug_params=%q\n' "$debug_params"
		printf 'disk_count=%d\n' "$disk_count"
		printf 'drivers=(%s)\n' "${drivers[*]}"
		printf 'environment=(%s)\n' "$(passed_environment)"
		printf 'command=(%s)\n' "$(printf '%q ' "$@")"
	} >"$run_dir/config"
}

# fstab_line WHAT WHERE TYPE OPTIONS
fstab_line() {
	local field

	for field; do
		field=${field//\\/\\134}
		printf '%s ' "${field// /\\040}"
	done
	echo
}

# hidden_dirs SCRIPT: the directories to be seen that the guest's own mounts would hide.
hidden_dirs() {
	local dir

	for dir in "$repo_dir" "$PWD" "$(dirname "$1")" "$modules_dir"; do
		case $dir in
		/tmp/* | /run/* | /dev/*) echo "$dir" ;;
		esac
	done
}

# write_fstab SCRIPT: what `init` mounts. Hidden directories are put aside first.
write_fstab() {
	local dirs i

	mapfile -t dirs < <(hidden_dirs "$1")
	{
		fstab_line proc /proc proc defaults
		for i in "${!dirs[@]}"; do
			fstab_line "${dirs[i]}" "/mnt/aside$i" none bind,X-mount.mkdir
		done
		fstab_line sysfs /sys sysfs defaults
		fstab_line devtmpfs /dev devtmpfs defaults
		fstab_line devpts /dev/pts devpts X-mount.mkdir
		fstab_line tmpfs /dev/shm tmpfs X-mount.mkdir
		fstab_line tmpfs /tmp tmpfs defaults
		for i in "${!dirs[@]}"; do
			fstab_line "/mnt/aside$i" "${dirs[i]}" none bind,X-mount.mkdir
		done
		fstab_line "$modules_dir" /lib/modules none bind,X-mount.mkdir
		fstab_of_kind
	} >"$run_dir/fstab"
}

# Names that programs expect in /dev and the kernel does not make.
make_dev_links() {
	mkdir "$run_dir/dev"
	ln -s /proc/self/fd "$run_dir/dev/fd"
	ln -s /proc/self/fd/0 "$run_dir/dev/stdin"
	ln -s /proc/self/fd/1 "$run_dir/dev/stdout"
	ln -s /proc/self/fd/2 "$run_dir/dev/stderr"
}

# prepare_run SCRIPT [ARG...]. The tool has set modules_dir and drivers and defined fstab_of_kind,
# which prints the mounts that differ.
prepare_run() {
	local script

	script=$(find_script "$1") || exit
	shift
	check_common_options
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	make_results
	run_dir=$(mktemp -d "${TMPDIR:-/tmp}/sgmmcp-run.XXXXXX") || exit "$NOT_STARTED"
	run_dir=$(realpath "$run_dir")
	cp "$guest_dir/init" "$run_dir/init"
	write_config "$script" "$@"
	write_fstab "$script"
	make_dev_links
}

# The script's output comes through two pipes, so that whatever the guest does to its end (such
# as making it non-blocking) does not reach the caller's own descriptors.
start_streams() {
	mkfifo "$run_dir/out" "$run_dir/err"
	cat "$run_dir/out" &
	stream_pids+=($!)
	cat "$run_dir/err" >&2 &
	stream_pids+=($!)
}

# run_guest COMMAND...: runs the guest to its end. Descriptors 8 and 9 lead to the caller's stdout
# and stderr; what COMMAND prints itself goes to the console file.
run_guest() {
	start_streams
	ulimit -c 0
	timeout -k 5 "$timeout_s" "$@" </dev/null >"$run_dir/console" 2>&1 \
		8>"$run_dir/out" 9>"$run_dir/err" &
	guest_pid=$!
	{ wait "$guest_pid"; } 2>/dev/null # no word about a core from the shell
	guest_status=$?
	guest_pid=
	wait "${stream_pids[@]}"
	stream_pids=()
	save_logs
}

save_logs() {
	tr -d '\r' <"$run_dir/console" >"$RESULTS/console"
	if [[ -f $run_dir/dmesg ]]; then
		cp "$run_dir/dmesg" "$RESULTS/dmesg"
	fi
}

kernel_complaints() {
	[[ -f $RESULTS/dmesg ]] && grep -E \
		'WARNING: (CPU|possible)|BUG:|Oops|general protection fault|Call Trace:|INFO: task .* blocked|(KASAN|UBSAN|KCSAN):|soft lockup' \
		"$RESULTS/dmesg"
}

# guest_verdict: the exit status of the run, and why on stderr.
guest_verdict() {
	local status lines

	if [[ -s $run_dir/status ]]; then
		status=$(<"$run_dir/status")
		if [[ -z $tolerate_warnings ]] && lines=$(kernel_complaints); then
			say "kernel: logged warnings:"$'\n'"$lines"
			status=$KERNEL_COMPLAINED
		fi
	elif lines=$(grep -m 1 -o 'Kernel panic.*' "$RESULTS/console"); then
		status=$GUEST_DIED
		say "guest: $lines"
	elif ((guest_status == 124 || guest_status == 128 + 9)); then # timeout's, by TERM or by KILL
		status=$TIMED_OUT
		say "guest: not finished after $timeout_s s (-t sets the limit)"
	else
		status=$GUEST_DIED
		say 'guest: ended without a status'
	fi
	if ((status == GUEST_DIED || status == TIMED_OUT)); then
		tail -n 25 "$RESULTS/console" | sed 's/^/    /' >&2
	fi
	return "$status"
}

# finish_run: exits with the verdict.
finish_run() {
	local status=0

	guest_verdict || status=$?
	if ((status != 0)) && [[ -n $results_are_ours ]]; then
		say "$RESULTS: results of the failed run"
		results_are_ours=
	fi
	exit "$status"
}
