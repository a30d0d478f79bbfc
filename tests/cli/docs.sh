#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# docs.sh BINARY: the same operands, options and flags, no more and no less, in --help (which the
# unit tests hold against the table), in the manual and in the completion.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
binary=$(realpath "${1:?usage: docs.sh BINARY}")
help=$("$binary" --help) || exit 1
status=0

same()
{
	local what=$1 differ
	shift
	if ! differ=$(diff <(sort <<<"$1") <(sort <<<"$2")); then
		echo "FAIL: --help (<) and $what (>) differ:"
		echo "$differ"
		status=1
	fi
	[[ -n $1 ]] || { echo "FAIL: $what: nothing found in --help"; status=1; }
}

# What is behind .TP and .TQ in one section of the manual, without its font requests.
man_tags()
{
	awk -v section="$1" '
		/^\.SH / { inside = $0 == ".SH " section }
		inside && tag { print }
		{ tag = /^\.T[PQ]/ }' "$top/man/sgmmcp.8" |
		sed -E 's/^\.(B|BI|BR) //; s/\\f.//g; s/\\-/-/g; s/"//g'
}

help_operands=$(sed -nE 's/^  ([a-z_]+=).*/\1/p' <<<"$help")
help_options=$(sed -nE 's/^  (-., --[a-z-]+).*/\1/p' <<<"$help")
help_flags=$(sed -n '/^Flags/,$p' <<<"$help" | sed -nE 's/^  ([a-z0-9]+) .*/\1/p')

same "the manual's operands" "$help_operands" "$(man_tags OPERANDS | sed 's/=.*/=/')"
same "the manual's options" "$help_options" "$(man_tags OPTIONS | sed 's/ *, */, /')"
same "the manual's flags" "$help_flags" "$(man_tags FLAGS)"

# What the completion offers behind the words given.
complete_line()
{
	bash -c 'source "$1"; COMP_WORDBREAKS="= "; SGMMCP_SYSFS=/nonexistent
		COMP_LINE="sgmmcp $2"; COMP_POINT=${#COMP_LINE}
		_sgmmcp; printf "%s\n" "${COMPREPLY[@]}"' _ "$top/completions/sgmmcp" "$1"
}

same "the completion's operands" "$help_operands" "$(complete_line '')"
same "the completion's options" "${help_options//-?, }" "$(complete_line '-')"
same "the completion's flags of iflag=" "$(grep -vxE 'trunc|notrunc|sparse|trim|unmap|nofill' <<<"$help_flags")" \
	"$(complete_line 'iflag=')"
same "the completion's flags of oflag=" "$(grep -vxE 'reverse|00|ff|random' <<<"$help_flags")" \
	"$(complete_line 'oflag=')"
# the values of rows such as io=sg_io|rw
while IFS='=' read -r name values; do
	same "the completion of $name=" "${values//|/$'\n'}" "$(complete_line "$name=")"
done < <(sed -nE 's/^  ([a-z_]+=[a-z0-9_]+(\|[a-z0-9_]+)+) .*/\1/p' <<<"$help")

exit $status
