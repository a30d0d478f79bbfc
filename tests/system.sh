#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Runs the system tests, tests/system/*.sh, inside guests with the real sg driver. Each script says
# in lines at its top which guests it is to run in and with which program:
#
#     # guest: uml -m 1G -o "add_host=2 per_host_store=1 dev_size_mb=64"
#     # guest: asan qemu -k 6.12 -s 2 -d 64 -d 64:4096
#
# `full` before it: only with SGMMCP_FULL=1.
# What follows the kind are options of tests/guest/uml or tests/guest/qemu; `killed` (tests/guest/killed)
# takes those of uml, and kills guests in mid-run. `asan` takes the build
# with sanitizers, which cannot start in user-mode-linux.

tests_dir=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
repo_dir=$(dirname "$tests_dir")
program=$(realpath -m "${SGMMCP:-$repo_dir/sgmmcp}")
program_asan=$(realpath -m "${SGMMCP_ASAN:-$repo_dir/build/asan/sgmmcp}")
helpers=$repo_dir/build/release/tests
jobs=${JOBS:-4}
results=

usage() {
	cat <<-EOF
	Usage: tests/system.sh [NAME...]

	Runs the system tests of these names (default: all) in guests, \$JOBS (4) at a time.

	  SGMMCP       the program under test (default: ./sgmmcp)
	  SGMMCP_ASAN  the same, built with sanitizers (default: build/asan/sgmmcp)
	  SGMMCP_FULL  not empty: also what takes long and differs little from the rest
	  KEEP         keep the output of all runs below this directory
	EOF
}

say() {
	printf 'system.sh: %s\n' "$*" >&2
}

# list_runs SCRIPT: prints "SCRIPT<tab>GUEST", one line for each run.
list_runs() {
	local guest found=

	while read -r guest; do
		found=y
		if [[ $guest == full\ * ]]; then
			[[ -n ${SGMMCP_FULL:-} ]] || continue
			guest=${guest#full }
		fi
		printf '%s\t%s\n' "$1" "$guest"
	done < <(sed -n '2,/^[^#]/s/^# guest: //p' "$1")
	[[ -n $found ]] || say "$1: names no guest"
}

# The slow guests first, so that the last to end is a short one.
list_all_runs() {
	local name script

	for name; do
		script=$tests_dir/system/$name.sh
		if [[ ! -f $script ]]; then
			say "$name: no such test"
			exit 1
		fi
		list_runs "$script"
	done | sort -s -t "$(printf '\t')" -k 2,2 -k 1,1
	return "${PIPESTATUS[0]}"
}

# boot SCRIPT DIRECTORY: sets status. Of run_one.
boot() {
	SGMMCP=$tool SGMMCP_HELPERS=$helpers RESULTS=$2/results \
		"$tests_dir/guest/${words[0]}" "${words[@]:1}" "$1" >"$2/out" 2>"$2/err" </dev/null
	status=$?
}

# run_one SCRIPT GUEST DIRECTORY: runs a script in a guest, its output in the directory.
run_one() {
	local words tool=$program started=$SECONDS status

	eval "words=($2)"
	if [[ ${words[0]} == asan ]]; then
		tool=$program_asan
		words=("${words[@]:1}")
	fi
	mkdir -p "$3/results"
	boot "$1" "$3"
	# An emulated machine of two CPUs now and then panics while it starts: that is no test yet.
	if ((status != 0)) && [[ ! -s $3/out ]] && grep -q 'Kernel panic' "$3/err"; then
		say "$2: its kernel panicked before the test began: once more"
		boot "$1" "$3"
	fi
	echo "$status $((SECONDS - started))" >"$3/status"
}

# tally DIRECTORY TITLE: prints one run's summary and what failed in it, adds to the totals.
tally() {
	local line good=0 bad=0 skipped=0 claimed=none status seconds

	read -r status seconds <"$1/status"
	while IFS= read -r line; do
		case $line in
		'ok '*) good=$((good + 1)) ;;
		'skip '*) skipped=$((skipped + 1)) trouble+=("$line") ;;
		'not ok '*) bad=$((bad + 1)) trouble+=("$line") ;;
		'cases '*) claimed=${line#cases } ;;
		*) trouble+=("$line") ;;
		esac
	done <"$1/out"
	if [[ $status != 0 || $claimed != $((good + bad + skipped)) ]]; then
		bad=$((bad + 1))
		trouble+=("not ok $2 runs to its end" "    exit status $status, $claimed cases")
		mapfile -t -O "${#trouble[@]}" trouble < <(tail -n 40 "$1/err" | sed 's/^/    /')
	fi
	echo "$2: $good passed, $bad failed, $skipped skipped ($seconds s)"
	passed=$((passed + good)) failed=$((failed + bad)) all_skipped=$((all_skipped + skipped))
}

# show DIRECTORY TITLE
show() {
	local trouble=()

	tally "$@"
	if ((${#trouble[@]})); then
		printf '  %s\n' "${trouble[@]}"
	fi
}

# run_all: runs what `runs` lists, $jobs at a time, each shown when it has ended.
run_all() {
	local i pid script guest titles=() dirs=() number=() running=0

	for i in "${!runs[@]}" end; do
		while ((running == jobs)) || [[ $i == end && $running -gt 0 ]]; do
			wait -n -p pid
			running=$((running - 1))
			show "${dirs[number[pid]]}" "${titles[number[pid]]}"
		done
		[[ $i != end ]] || break
		IFS=$'\t' read -r script guest <<<"${runs[i]}"
		script=${script##*/}
		dirs[i]=$results/$i-${script%.sh}
		titles[i]="${script%.sh} [$guest]"
		run_one "$tests_dir/system/$script" "$guest" "${dirs[i]}" &
		number[$!]=$i
		running=$((running + 1))
	done
}

# check_program TOOL: the program is there if a run needs it.
check_program() {
	[[ -x $1 ]] && return
	say "$1: not there (make check-guest builds it)"
	return 1
}

check_programs() {
	check_program "$program" || return
	check_program "$helpers/again" && check_program "$helpers/scribble" || return
	[[ $listed != *$'\t'asan\ * ]] || check_program "$program_asan"
}

make_results() {
	if [[ -n ${KEEP:-} ]]; then
		results=$(realpath -m "$KEEP") && rm -rf "$results" && mkdir -p "$results"
	else
		results=$(mktemp -d "${TMPDIR:-/tmp}/sgmmcp-system.XXXXXX") && trap 'rm -rf "$results"' EXIT
	fi
}

default_names() {
	local script

	for script in "$tests_dir"/system/*.sh; do
		script=${script##*/}
		[[ $script == @(lib|pairs).sh ]] || names+=("${script%.sh}")
	done
}

main() {
	local names=("$@") runs=() listed passed=0 failed=0 all_skipped=0

	((${#names[@]})) || default_names
	listed=$(list_all_runs "${names[@]}") && check_programs && make_results || return
	mapfile -t runs <<<"$listed"
	run_all
	echo "$passed passed, $failed failed, $all_skipped skipped"
	((failed == 0))
}

case ${1:-} in
-*) usage ;;
*) main "$@" ;;
esac
