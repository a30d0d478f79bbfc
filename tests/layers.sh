#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Keeps the floors true: a file may include headers of its own floor and of those below it, and some
# system headers belong to one file each. Run at the top of the tree.

set -u
status=0

complain() {
	printf 'layers.sh: %s\n' "$*" >&2
	status=1
}

# floor_of PATH: sets REPLY to 0 (lowest) .. 4
floor_of() {
	case $1 in
	core/*) REPLY=0 ;;
	scsi/*) REPLY=1 ;;
	endpoints/*) REPLY=2 ;;
	engine/*) REPLY=3 ;;
	*) REPLY=4 ;;
	esac
}

# check_file FILE: its quoted includes, each resolved against the file's folder.
check_file() {
	local file=$1 from name target to

	floor_of "$file"
	from=$REPLY
	while read -r name; do
		target=$(realpath -m --relative-to=. "$(dirname "$file")/$name")
		[[ -f $target ]] || complain "$file: includes $name, which is not there"
		floor_of "$target"
		to=$REPLY
		((to <= from)) || complain "$file: includes $target, from a floor above"
	done < <(sed -n 's/^#include "\(.*\)".*/\1/p' "$file")
}

# only_in HEADER PATTERN...: no other file may include it.
only_in() {
	local header=$1 file allowed pattern
	shift
	while read -r file; do
		allowed=no
		for pattern; do
			# shellcheck disable=SC2053 # a pattern is meant
			[[ $file == $pattern ]] && allowed=yes
		done
		[[ $allowed == yes ]] || complain "$file: includes <$header>, which belongs to $*"
	done < <(grep -lF "#include <$header" "${sources[@]}")
}

mapfile -t sources < <(find . -name build -prune -o -name tests -prune -o -name '*.[ch]' -print |
	sed 's,^\./,,' | sort)
((${#sources[@]} > 20)) || complain "found ${#sources[@]} sources only: not the top of the tree?"
for file in "${sources[@]}"; do
	check_file "$file"
	head -1 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
		complain "$file: first line has no SPDX licence"
done
only_in popt.h options.c
only_in libaio.h endpoints/aio.c
only_in scsi/sg.h endpoints/sg.c endpoints/sg_end.c endpoints/sg_trim.c
only_in scsi/sg_ 'scsi/*' endpoints/control.c
only_in sys/signalfd.h engine/signals.c
only_in jansson.h report.c
only_in openssl/ core/hash.c
only_in xxhash.h core/hash.c
exit "$status"
