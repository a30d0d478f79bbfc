#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Line coverage of unit, command-line and system tests together: a build of its own, all tests with
# it, one table, and the percentage last. `coverage.sh quick` leaves the guests out.

set -u
cd "$(dirname "$0")/.." || exit 1
build=build/cov
tests/deps.sh unit system qemu coverage || exit

# summarize NAME DIRECTORY: the counters below DIRECTORY, as gcovr's JSON.
summarize() {
	gcovr --root . --filter '(core|scsi|endpoints|engine)/' --filter '[a-z]+\.c$' \
		--exclude tests/ --exclude build/ --json "$build/$1.json" \
		--gcov-ignore-parse-errors "$2" >/dev/null || exit
}

# adopt DIRECTORY: counters written in a guest stand apart from the notes the compiler left.
adopt() {
	local notes

	(cd "$build" && find . -name '*.gcno' -not -path './system/*') | while read -r notes; do
		mkdir -p "$1/$(dirname "$notes")" && cp "$build/$notes" "$1/$notes"
	done
}

rm -rf "$build"
make -j"$(nproc)" BUILD="$build" BIN="$build/sgmmcp" CFLAGS='-O0 -g --coverage -fprofile-update=atomic' \
	LDFLAGS=--coverage test-programs >/dev/null || exit
tests/unit.sh "$build" "$build/sgmmcp"
summarize unit "$build"

if [[ ${1:-} != quick ]]; then
	KEEP=$build/system SGMMCP=$build/sgmmcp SGMMCP_ASAN=$build/sgmmcp tests/system.sh
	for results in "$build"/system/*/results/gcov; do
		[[ -d $results ]] || continue
		name=$(basename "$(dirname "$(dirname "$results")")")
		adopt "$results$(realpath "$build")"
		summarize "system-$name" "$results"
	done
fi
tracefiles=()
for json in "$build"/*.json; do
	tracefiles+=(--add-tracefile "$json")
done
gcovr --root . "${tracefiles[@]}" --txt --print-summary
