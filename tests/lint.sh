#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every static check, each counted as one: compilers' warnings (gcc, clang), layout, clang-tidy,
# cppcheck, shellcheck, the man page, the floors. Shows the output of what fails.

set -u
cd "$(dirname "$0")/.." || exit 1
mkdir -p build/lint
passed=0 failed=0

# check NAME COMMAND...
check() {
	local name=$1 log=build/lint/$1.log
	shift
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
		echo "lint: $name: clean"
	else
		failed=$((failed + 1))
		echo "lint: $name:"
		head -60 "$log"
	fi
}

tracked() {
	git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
		[[ -f $file ]] && printf '%s\n' "$file"
	done
}

scripts() {
	tracked tests completions .ci | while read -r file; do
		head -1 "$file" | grep -qE '^#!.*(bash|sh)$|^# shellcheck shell=' && printf '%s\n' "$file"
	done
}

mapfile -t sources < <(tracked '*.c' | grep -v ^tests/)
mapfile -t all_c < <(tracked '*.c' '*.h')
mapfile -t shell < <(scripts)

layout() {
	clang-format --dry-run -Werror "${all_c[@]}"
}

tidy() {
	printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy --quiet \
		--warnings-as-errors='*'
}

man_page() {
	local out
	out=$(mandoc -Tlint -W warning man/sgmmcp.8)
	printf '%s' "$out"
	[[ -z $out ]]
}

no_stray_words() {
	! grep -nE '\b(TO''DO|FIX''ME|XX''X|HA''CK)\b' "${all_c[@]}" "${shell[@]}"
}

# The build of all else, which is to be made anyway: on Debian cc is gcc.
check cc make test-programs
check clang make BUILD=build/clang CC=clang CFLAGS=-O0 BIN=build/clang/sgmmcp test-programs
check clang-format layout
check clang-tidy tidy
check cppcheck cppcheck --quiet --std=c11 --enable=warning,performance,portability \
	--inline-suppr --error-exitcode=1 -D_GNU_SOURCE --suppress=missingIncludeSystem \
	"${sources[@]}"
check shellcheck shellcheck -x -P SCRIPTDIR "${shell[@]}"
check mandoc man_page
check layers tests/layers.sh
check unfinished no_stray_words
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
