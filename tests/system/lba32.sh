# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# guest: full uml -t 900 -o "add_host=2 per_host_store=1 dev_size_mb=8 virtual_gb=6000 ndelay=20000"
#
# Disks of more than 2 TiB: copies across LBA 2^32 and up to the last block.
#
# The simulated disks hold 8 MiB: LBA n is kept at n modulo 16384, and 2^32 at 0. So what was
# copied is looked for in the first 8 MiB of the disk.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 STORE=16384 EDGE=4294967296
readonly LAST=$((6000 * 2097152)) # blocks of the disk

source_data=/tmp/source pattern=/tmp/pattern expected=/tmp/expected

# put_wrapped SKIP SEEK COUNT: the copy in a file, block by block where they wrap.
put_wrapped() {
	local from=$1 to=$2 left=$3 n room

	while ((left > 0)); do
		n=$((STORE - from % STORE)) room=$((STORE - to % STORE))
		((n <= room)) || n=$room
		((n <= left)) || n=$left
		put "$source_data" "$expected" $((from % STORE)) $((to % STORE)) "$n" 512
		from=$((from + n)) to=$((to + n)) left=$((left - n))
	done
}

# expect_store: the disk's first 8 MiB are what is expected.
expect_store() {
	local want

	sum_of "$expected"
	want=$REPLY
	sum_of "$disk_b" "$MIB"
	[[ $REPLY == "$want" ]] || fail 'the data or what is around them differ'
}

# across NAME SKIP SEEK COUNT WORD...
across() {
	local name=$1 from=$2 to=$3 n=$4

	shift 4
	begin "$name"
	fill "$disk_b" "$pattern"
	cp "$pattern" "$expected"
	run "if=$a" "of=$b" "skip=$from" "seek=$to" "count=$n" -v "$@"
	expect_status 0
	expect_records_out "$n"
	put_wrapped "$from" "$to" "$n"
	expect_store
}

# refused NAME STATUS REGEX WORD...
refused() {
	local name=$1 want=$2 text=$3

	shift 3
	begin "$name"
	fill "$disk_b" "$pattern"
	cp "$pattern" "$expected"
	run "if=$a" "of=$b" "$@"
	expect_status "$want"
	expect_one_line "$text"
	expect_store
}

two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"

for io in sg_io rw; do
	across "reading across LBA 2^32 with io=$io" $((EDGE - 301)) 700 1003 bpt=37 qd=7 "io=$io"
	expect_line 'READ\(16\) and WRITE\(10\)'
	across "writing across LBA 2^32 with io=$io" 11 $((EDGE - 299)) 1003 bpt=37 qd=7 "io=$io"
	expect_line 'READ\(10\) and WRITE\(16\)'
	across "both across LBA 2^32 with io=$io" $((EDGE - 40)) $((EDGE - 41)) 1003 bpt=37 qd=7 "io=$io"
	expect_line 'READ\(16\) and WRITE\(16\)'
done
across 'one command whose range begins below LBA 2^32 and ends above it' \
	$((EDGE - 64)) $((EDGE - 32)) 128 bpt=128
across 'a range that ends with LBA 2^32 - 1 still takes the 10-byte forms' \
	$((EDGE - 500)) $((EDGE - 500)) 500
expect_line 'READ\(10\) and WRITE\(10\)'
across 'the block at LBA 2^32 takes the 16-byte forms' "$EDGE" "$EDGE" 1
expect_line 'READ\(16\) and WRITE\(16\)'
across 'the last blocks of a disk of 6000 GiB' $((LAST - 77)) $((LAST - 200)) 77
across 'cdbsz=16 is the same below 2^32' 5 7 300 cdbsz=16

refused 'cdbsz=10 beyond LBA 2^32 is refused for the source' 31 'cdbsz=10 .* does not reach LBA' \
	"skip=$((EDGE - 10))" count=20 cdbsz=10,16
refused 'cdbsz=10 beyond LBA 2^32 is refused for the destination' 31 'cdbsz=10 .* does not reach LBA' \
	"seek=$((EDGE - 10))" count=20 cdbsz=16,10
refused 'cdbsz=6 is refused beyond LBA 2^21' 31 'cdbsz=6 .* does not reach LBA' \
	skip=2097150 count=20 cdbsz=6
refused 'a count past the end of the source is refused' 22 'bytes asked' \
	"skip=$((LAST - 10))" count=11
refused 'a count past the end of the destination is refused' 22 'bytes asked' \
	"seek=$((LAST - 10))" count=11
refused 'a skip past the end is refused' 22 'past its end' "skip=$((LAST + 1))" count=1
finish
