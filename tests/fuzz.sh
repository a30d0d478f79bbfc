#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Fuzzes one target with libFuzzer under ASan and UBSan, from the corpus, and says how many
# executions that were. What it finds new stays in build/fuzz; `-m` merges into the corpus what
# covers more than the corpus does.

set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
readonly tree=build/fuzz

usage() {
	cat <<-'USAGE'
	Usage: tests/fuzz.sh [-m] TARGET SECONDS

	TARGET is a file tests/fuzz/fuzz_TARGET.c. Needs clang and its libFuzzer (libclang-rt-dev).
	Exit status 1 where something was found: the input is build/fuzz/TARGET-found-*.
	USAGE
}

# build TARGET
build() {
	make -s "BUILD=$tree" CC=clang SANITIZE=address,undefined \
		EXTRA_CFLAGS='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all' \
		"$tree/libsgmmcp.a" "$tree/tests/fuzz/fuzz_$1.o" >&2 &&
		clang -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o "$tree/fuzz_$1" \
			"$tree/tests/fuzz/fuzz_$1.o" "$tree/libsgmmcp.a" \
			-lsgutils2 -lpopt -laio -lcrypto -lxxhash
}

main() {
	local merge='' target seconds found corpus log

	if [[ ${1:-} == -m ]]; then
		merge=1
		shift
	fi
	if (($# != 2)) || [[ ! -f tests/fuzz/fuzz_$1.c ]]; then
		usage >&2
		exit 2
	fi
	target=$1 seconds=$2 corpus=tests/fuzz/corpus/$1 found=$tree/corpus-$1 log=$tree/$1.log
	build "$target" || exit 1
	mkdir -p "$found"
	if ! "$tree/fuzz_$target" "-max_total_time=$seconds" -print_final_stats=1 -rss_limit_mb=4096 \
		-timeout=20 "-artifact_prefix=$tree/$target-found-" "$found" "$corpus" >"$log" 2>&1; then
		tail -40 "$log" >&2
		exit 1
	fi
	grep -a 'number_of_executed_units' "$log"
	[[ -z $merge ]] || "$tree/fuzz_$target" -merge=1 "$corpus" "$found" >>"$log" 2>&1
}

main "$@"
