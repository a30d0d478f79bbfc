# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 1500 -o "add_host=2 per_host_store=1 dev_size_mb=32 ndelay=50000 random=1"
# guest: full uml -t 1500 -m 1G -o "add_host=2 per_host_store=1 dev_size_mb=128 ndelay=50000 random=1 sector_size=4096"
#
# Every way to copy gives the same bytes: each interface, transfer method, queue depth, chunk and
# block length, with skip, seek and count that end off any chunk boundary, and not a byte beside.
#
# One batch is one interface and method with all depths and chunks, each copying into a range of
# its own of a disk filled with other data; then the whole disk is compared with a file in which dd
# has done the same copies. Only when that fails is each range looked at.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

depths='1 2 7 16 64'
readonly GUARD=5 # blocks between the ranges, to show what goes beyond them

source_data=/tmp/source pattern=/tmp/pattern expected=/tmp/expected

# The largest command, a little above the other chunks: memory is slow to touch in this guest.
limit_commands() {
	local disk

	largest=$((block == 512 ? 256 : 132))
	for disk in "$disk_a" "$disk_b"; do
		echo $((largest * block / 1024)) >"/sys/block/${disk#/dev/}/queue/max_sectors_kb"
	done
}

add_range() {
	local blocks=$2

	[[ $2 != largest ]] || blocks=$largest
	depth+=("$1")
	bpt+=("$2")
	skip_blk+=($((3 + ${#depth[@]} * 7)))
	seek_blk+=("$at")
	count_blk+=($((blocks * $1 + (blocks + 1) / 2)))
	at=$((at + count_blk[-1] + GUARD))
}

plan_ranges() {
	local qd n

	depth=() bpt=() skip_blk=() seek_blk=() count_blk=() at=$GUARD
	for qd in $depths; do
		for n in 1 8 37 128 largest; do
			add_range "$qd" "$n"
		done
	done
}

make_expected() {
	local i

	cp "$pattern" "$expected"
	for i in "${!depth[@]}"; do
		put "$source_data" "$expected" "${skip_blk[i]}" "${seek_blk[i]}" "${count_blk[i]}" "$block"
	done
	sum_of "$expected"
	sum_expected=$REPLY
}

# check_run I: the status and the report of the copy into range I.
check_run() {
	expect_status 0
	expect_records_out "${count_blk[$1]}"
}

# range_is_right I: the range and what is around it.
range_is_right() {
	equal_range "$expected" "$disk_b" $((seek_blk[$1] - GUARD)) $((seek_blk[$1] - GUARD)) \
		$((count_blk[$1] + 2 * GUARD)) "$block"
}

copy_range() {
	local blocks=${bpt[$1]}

	[[ $blocks != largest ]] || blocks=$((4 * 1024 * 1024 / block))
	run "if=$a" "of=$b" "skip=${skip_blk[$1]}" "seek=${seek_blk[$1]}" "count=${count_blk[$1]}" \
		"qd=${depth[$1]}" "bpt=$blocks" "io=$2" "xfer=$3" sync=0
}

# batch IO XFER ALLOW_DIO
batch() {
	local i name right=

	echo "$3" >"$allow_dio"
	fill "$disk_b" "$pattern"
	for i in "${!depth[@]}"; do
		faults=()
		copy_range "$i" "$1" "$2"
		check_run "$i"
		printf -v "outcome[$i]" '%s\n' "${faults[@]}"
	done
	sum_of "$disk_b"
	[[ $REPLY == "$sum_expected" ]] && right=y
	blockdev --flushbufs "$disk_b"
	for i in "${!depth[@]}"; do
		name="io=$1 xfer=$2 qd=${depth[i]} bpt=${bpt[i]} on $block-byte blocks copies right (allow_dio=$3)"
		mapfile -t faults <<<"${outcome[i]%$'\n'}"
		[[ -n ${faults[0]} ]] || faults=()
		[[ -n $right ]] || range_is_right "$i" || faults+=('the data or what is around them differ')
		verdict "$name" "${faults[@]}"
	done
}

outcome=()
two_units
read -r block <"/sys/block/${disk_a#/dev/}/queue/logical_block_size"
read -r mib <"$SD_PARAMETERS/dev_size_mb"
must make_data "$source_data" "$mib"
must make_data "$pattern" "$mib"
must fill "$disk_a" "$source_data"
limit_commands
# The block length changes little of how depths differ: all of them on both with SGMMCP_FULL=1.
if [[ -z ${SGMMCP_FULL:-} ]]; then
	((block == 512)) && depths='1 16' || depths='7'
fi
plan_ranges
make_expected
for io in sg_io rw; do
	batch "$io" mmap 0
	batch "$io" dio 1
	# In this guest auto is mmap; and how the driver copies does not depend on the block length.
	if ((block == 512)) || [[ -n ${SGMMCP_FULL:-} ]]; then
		batch "$io" indirect 0
		[[ -z ${SGMMCP_FULL:-} ]] || batch "$io" auto 0
	fi
done
begin 'the source is as it was'
expect_equal "$disk_a" "$source_data"
finish
