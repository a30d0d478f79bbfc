#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What `make demo` shows: ./sgmmcp copying one SCSI disk to another through the sg driver, without
# and with direct IO, in a user-mode-linux guest with two simulated disks. Touches no real device.

tests_dir=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
copier=${SGMMCP:-$(realpath "$tests_dir/..")/sgmmcp}
allow_dio=/sys/module/sg/parameters/allow_dio

readonly DISK_MIB=256

say() {
	printf 'demo.sh: %s\n' "$*" >&2
}

usage() {
	cat <<-EOF
	Usage: tests/demo.sh

	Copies a simulated SCSI disk with ./sgmmcp (or the program in \$SGMMCP) in a guest, twice, and
	compares. Installs the packages it needs when run as root (tests/deps.sh demo).
	EOF
}

start_guest() {
	if ! type -P "$copier" >/dev/null; then
		say "$copier: not there (run make)"
		exit 1
	fi
	"$tests_dir/deps.sh" demo || exit
	echo "Starting a guest with two simulated SCSI disks of $DISK_MIB MiB ..."
	SGMMCP=$copier exec "$tests_dir/guest/uml" -m 1G -t 120 \
		-o "add_host=2 per_host_store=1 dev_size_mb=$DISK_MIB ndelay=20000" \
		"$tests_dir/demo.sh" inside
}

# fill DISK SOURCE: writes the whole disk from a source of bytes.
fill() {
	dd if="$2" of="$1" bs=1M count="$DISK_MIB" iflag=fullblock oflag=direct status=none
}

# run_copy: runs the copier, its report indented.
run_copy() {
	local status

	echo "\$ ${copier##*/} if=$source_sg of=$dest_sg bs=512"
	"$copier" "if=$source_sg" "of=$dest_sg" bs=512 >/tmp/report 2>&1
	status=$?
	sed 's/^/    /' /tmp/report
	if ((status != 0)); then
		say "${copier##*/}: failed with exit status $status"
		return 1
	fi
}

# check_copy: reads both disks through their block nodes, not from what the kernel has buffered of
# them. By digest: cmp reads 4 KiB at a time, which takes four times as long in this guest.
check_copy() {
	local sums

	blockdev --flushbufs "$source_disk" && blockdev --flushbufs "$dest_disk" || return
	read -ra sums -d '' < <(sha256sum "$source_disk" "$dest_disk")
	if [[ -z ${sums[2]} || ${sums[0]} != "${sums[2]}" ]]; then
		say "$dest_disk: differs from $source_disk"
		return 1
	fi
	echo "  sha256sum $source_disk $dest_disk: equal (${sums[0]:0:16}...)"
}

# show_copy 0|1: one copy onto a wiped disk, with direct IO forbidden or allowed.
show_copy() {
	echo
	echo "\$ echo $1 >$allow_dio"
	echo "$1" >"$allow_dio"
	fill "$dest_disk" /dev/zero && run_copy && check_copy
}

demo_inside() {
	# shellcheck source=guest/inside.sh
	. "$INSIDE"
	source_sg=$(sg_of 0) && dest_sg=$(sg_of 1) || return
	source_disk=$(disk_of "$source_sg") && dest_disk=$(disk_of "$dest_sg") || return
	fill "$source_disk" /dev/urandom || return
	echo "Source $source_sg ($source_disk), random data; destination $dest_sg ($dest_disk)."
	show_copy 0 && show_copy 1
}

case ${1:-} in
inside) demo_inside ;;
'') start_guest ;;
*) usage ;;
esac
