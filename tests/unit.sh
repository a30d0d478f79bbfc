#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# unit.sh BUILD BINARY [TEST...]: runs what needs no device and no root: every unit-test program of a
# build tree, the corpora of the fuzz targets, and the command-line cases; or those programs alone.
# Ends with the counts.

set -u
cd "$(dirname "$0")/.." || exit 1
build=$1 binary=$2
passed=0 failed=0

fail() {
	printf 'unit.sh: %s\n' "$*" >&2
	failed=$((failed + 1))
}

# count_tests OUTCOME LOG: of all groups of a program; nothing where there is none.
count_tests() {
	sed -nE 's/^\[  '"$1"'  \] ([0-9]+) test.*/\1/p' "$2" |
		awk '{ n += $1 } END { if (NR) print n }'
}

# run_program PROGRAM: counts its cmocka tests; what failed is shown whole.
run_program() {
	local log=$build/tests/${1##*/}.log ok bad status=0

	"$1" >"$log" 2>&1 || status=$?
	ok=$(count_tests PASSED "$log")
	bad=$(count_tests FAILED "$log")
	passed=$((passed + ${ok:-0}))
	failed=$((failed + ${bad:-0}))
	if ((status != 0)) || [[ -z $ok ]]; then
		cat "$log"
		((${bad:-0} > 0)) || fail "$1: status $status without a failed test"
	fi
	printf '%-24s %s passed\n' "${1##*/}" "${ok:-0}"
}

# run_corpus PROGRAM: replays the folder of that target.
run_corpus() {
	local name=${1##*/fuzz_} log=$build/tests/${1##*/}.log

	if "$1" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
		passed=$((passed + 1))
		printf '%-24s %s\n' "${1##*/}" "$(tail -1 "$log")"
	else
		cat "$log"
		fail "$1: corpus"
	fi
}

run_cli() {
	local log=$build/tests/cli.log counts

	tests/cli/run.sh "$binary" >"$log" 2>&1 || cat "$log"
	counts=$(sed -nE 's/^([a-z]+: )?([0-9]+ passed, [0-9]+ failed)/\2/p' "$log" | tail -1)
	[[ -n $counts ]] || fail "tests/cli/run.sh: no counts"
	printf '%-24s %s\n' cli "$counts"
	read -r ok _ bad _ <<<"${counts:-0 passed, 0 failed}"
	passed=$((passed + ok))
	failed=$((failed + bad))
}

run_all() {
	local source

	for source in tests/unit/test_*.c; do
		run_program "$build/tests/$(basename "$source" .c)"
	done
	for source in tests/fuzz/fuzz_*.c; do
		run_corpus "$build/tests/$(basename "$source" .c)"
	done
	run_cli
}

shift 2
if (($#)); then
	for name; do
		run_program "$build/tests/$name"
	done
else
	run_all
fi
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0 && passed > 0))
