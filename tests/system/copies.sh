# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: full qemu -k 6.1 -m 512M -o "add_host=3 per_host_store=1 dev_size_mb=16"
#
# The copies by CPU that the plan tells, counted in the kernel: every byte that it copies between the
# program's memory and a request, a page of the page cache or a pipe.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/pairs.sh
. "$(dirname "$0")/pairs.sh"
# shellcheck source=tests/bench/probes.sh
. "$(dirname "$0")/../bench/probes.sh"

readonly MIB=16 COUNT=6016 SKIP=8 SEEK=16 BPT=128

source_data=/tmp/source files=/mnt/files

# What the program reads and says beside the data is copied too.
expect_copies() {
	local want=$((REPLY * COUNT * 512)) counted

	probes_sum copy
	counted=$REPLY
	((counted >= want && counted <= want + 131072)) ||
		fail "$counted bytes were copied, not $want"
}

pair() {
	begin "$1 to $2: as many copies as the plan tells"
	sync
	echo 1 >/proc/sys/vm/drop_caches
	probes_start
	copy_pair "$1" "$2" 8
	probes_stop
	expect_status 0
	copies "$1" "$2"
	expect_line "^plan: .*; CPU copies per byte $REPLY\$"
	expect_copies
}

every_pair() {
	local in out

	for in in sg sgio block cached file direct mapped pipe zeros; do
		for out in sg sgio block cached file direct mapped pipe null; do
			if makes_sense "$in" "$out"; then
				pair "$in" "$out"
			fi
		done
	done
}

two_units
node_of "${units[2]}" block && disk_c=$REPLY
must make_data "$source_data" "$MIB"
must fill "$disk_a" "$source_data"
must mkfs.ext4 -q -F "$disk_c"
must mkdir -p "$files"
must mount "$disk_c" "$files"
head -c 5M "$source_data" >"$files/source"
head -c 5M /dev/zero >"$files/dest"
echo 1 >"$allow_dio"
must probes_set
every_pair
umount "$files"
finish
