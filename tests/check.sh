#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# check.sh STAGE...: runs `make STAGE` for each, whatever the others say, and ends with the sum of
# the counts that each prints last.

set -u
cd "$(dirname "$0")/.." || exit 1
mkdir -p build
passed=0 failed=0 skipped=0
MAKEFLAGS=-j$(nproc)
export MAKEFLAGS

# add_counts LOG STATUS STAGE
add_counts() {
	local counts ok bad off

	counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$1" |
		awk '{ p += $1; f += $3; s += $5 } END { if (NR) print p, f, s }')
	read -r ok bad off <<<"${counts:-0 0 0}"
	passed=$((passed + ok))
	failed=$((failed + bad))
	skipped=$((skipped + off))
	if [[ -z $counts ]] || (($2 != 0 && bad == 0)); then
		echo "check.sh: make $3: status $2" >&2
		failed=$((failed + 1))
	fi
}

for stage in "$@"; do
	echo "== $stage"
	log=build/$stage.log began=$SECONDS
	${MAKE:-make} --no-print-directory "$stage" 2>&1 | tee "$log"
	add_counts "$log" "${PIPESTATUS[0]}" "$stage"
	echo "== $stage took $((SECONDS - began)) s"
done
echo
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
