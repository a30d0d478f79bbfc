# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 400 -o "add_host=2 per_host_store=1 dev_size_mb=1 ndelay=20000"
#
# Generated data are the same whatever they are written to and in how many runs, and are known again
# when compared; hashes are those of other programs, for the whole and for each window.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly BLOCKS=2048 SKIP=3 COUNT=1001 BAD_LBA=1234

source_data=/tmp/source made=/tmp/made cut=/tmp/cut

# --- patterns ---

# invert NODE BLOCK LBA BYTE: that byte becomes another; sets expected and found.
invert() {
	local was

	dd "if=$1" "bs=$2" "skip=$3" count=1 iflag=direct of=/tmp/block status=none
	read -r was < <(od -An -tu1 -j "$4" -N 1 /tmp/block)
	printf -v expected '0x%02x' "$was"
	printf -v found '0x%02x' $((was ^ 255))
	# shellcheck disable=SC2059
	printf "\\x${found#0x}" | dd of=/tmp/block bs=1 "seek=$4" conv=notrunc status=none
	dd if=/tmp/block "of=$1" "bs=$2" "seek=$3" count=1 oflag=direct conv=notrunc status=none
}

# changed_is_found NODE SG BLOCK WORD...: one byte, by its LBA and place.
changed_is_found() {
	invert "$1" "$3" 77 501
	run -x "${@:4}" "of=$2" qd=8
	expect_status 14
	expect_line "miscompare at LBA 77, byte 501: expected $expected, found $found; 1 block of $3 bytes differs"
}

# made_alike WORD...: one run to a file, one to an sg node, two to a block node.
made_alike() {
	begin "$* is the same on a file, a disk, and a block node written in two runs"
	run "$@" "of=$made" bs=512 count=$BLOCKS bpt=100
	expect_status 0
	run "$@" "of=$b" bpt=37 qd=8
	expect_status 0
	expect_records_out $BLOCKS
	expect_equal "$disk_b" "$made"
	run "$@" "of=$disk_a" bpt=64 qd=4 seek=$COUNT
	expect_status 0
	expect_records_out $((BLOCKS - COUNT))
	run "$@" "of=$disk_a" bpt=16 count=$COUNT
	expect_status 0
	expect_equal "$disk_a" "$made"

	begin "$* is known again on a disk and in a file"
	run -x "$@" "of=$a" qd=8
	expect_status 0
	run -x "$@" "of=$made" bs=512 count=$BLOCKS
	expect_status 0
}

patterns() {
	made_alike pattern=random seed=77
	[[ -z ${SGMMCP_FULL:-} ]] || made_alike pattern=stamp seed=0xfedcba9876543210
	made_alike pattern=5a5b5c5d5e

	begin 'one byte that was changed is found'
	changed_is_found "$disk_a" "$a" 512 pattern=5a5b5c5d5e

	begin 'another seed makes other data'
	run pattern=random seed=77 "of=$b"
	run -x pattern=random seed=78 "of=$b"
	expect_status 14
	expect_line "; $BLOCKS blocks of 512 bytes differ"

	begin 'the seed that is told makes the same data again'
	run pattern=random "of=$b" verify=after
	expect_status 0
	says '^seed=(0x[0-9a-f]*)$' || fail 'no seed was told'
	run -x pattern=random "seed=${BASH_REMATCH[1]}" "of=$b"
	expect_status 0

	begin 'they come through a pipe as they would without'
	command_line="sgmmcp pattern=random | sgmmcp of=$b"
	"$sgmmcp" pattern=random seed=5 of=- count=$BLOCKS 2>/tmp/err | "$sgmmcp" "of=$b" 2>>/tmp/err
	took
	expect_status 0
	run -x pattern=random seed=5 "of=$b"
	expect_status 0
}

# --- stamps on larger blocks ---

# What the manual says of a stamp, of block $ARGV[1] of $ARGV[2] bytes: CRC-32C bit by bit.
# shellcheck disable=SC2016
readonly READ_STAMP='
	open F, "<", $ARGV[0] or die "$ARGV[0]: $!\n";
	seek F, $ARGV[1] * $ARGV[2], 0;
	read F, $_, $ARGV[2];
	$crc = 0xffffffff;
	for $byte (unpack "C*", substr $_, 0, -4) {
		$crc ^= $byte;
		$crc = $crc >> 1 ^ ($crc & 1 ? 0x82f63b78 : 0) for 1 .. 8;
	}
	($lba, $seed, $pass, $magic) = unpack "Q>Q>L>A4", $_;
	printf "%d %x %d %s %s\n", $lba, $seed, $pass, $magic,
		unpack("L>", substr $_, -4) == ($crc ^ 0xffffffff) ? "good" : "bad";'

stamps_on_4096() {
	must sd_load add_host=2 per_host_store=1 dev_size_mb=1 ndelay=20000 sector_size=4096
	two_units

	begin 'a stamp fills a block of 4096 bytes as the manual says'
	run pattern=stamp seed=0xabc "of=$b" seek=33
	expect_status 0
	run pattern=stamp seed=0xabc "of=$b" count=33 bpt=5
	expect_status 0
	read -r REPLY < <(perl -e "$READ_STAMP" "$disk_b" 200 4096)
	expect "the block says $REPLY" test "$REPLY" = '200 abc 0 SGM1 good'

	begin 'and is known again'
	run -x pattern=stamp seed=0xabc "of=$b"
	expect_status 0
	changed_is_found "$disk_b" "$b" 4096 pattern=stamp seed=0xabc
}

# --- hashes ---

# hashed HASH NAME: sets wanted to the line that the hash of what was cut out is to have.
hashed() {
	read -r wanted _ < <("${1}sum" "$cut")
	wanted+="  $2"
}

# printed FILE: whether that line is among those of the file.
printed() {
	local line

	while IFS= read -r line; do
		[[ $line == "$wanted" ]] && return
	done <"$1"
	return 1
}

expect_printed() {
	printed "$1" || fail "'$wanted' is not printed, but '$(<"$1")'"
}

part=("skip=$SKIP" "count=$COUNT" bpt=37)

as_other_programs() {
	local hash

	for hash in md5 ${SGMMCP_FULL:+sha1 sha256} sha512; do
		begin "hash=$hash of a disk is that of ${hash}sum"
		hashed "$hash" "$a"
		run "if=$a" of=. "hash=$hash" "${part[@]}" status=none
		expect_status 0
		expect_printed /tmp/out
	done

	for hash in xxh3 crc32c; do
		begin "hash=$hash of a disk is that of a file with the same data"
		run "if=$cut" of=. "hash=$hash" status=none bs=1000
		expect_status 0
		read -r wanted _ </tmp/out
		wanted+="  $a"
		run "if=$a" of=. "hash=$hash" "${part[@]}" status=none
		expect_status 0
		expect_printed /tmp/out
	done
}

# hashed_on_the_way OF WHERE: WHERE is what to look at.
hashed_on_the_way() {
	begin "the hash does not depend on where the data go ($1)"
	run "if=$a" "of=$1" hash=sha256 "${part[@]}" qd=8
	expect_status 0
	expect_printed /tmp/out
	[[ ! -b $2 ]] || blockdev --flushbufs "$2"
	expect 'the data differ' equal_range "$cut" "$2" 0 0 $COUNT
}

for_each_destination() {
	hashed sha256 "$a"
	hashed_on_the_way "$b" "$disk_b"
	hashed_on_the_way /tmp/copy /tmp/copy

	begin 'it is told beside where the data go to standard output'
	command_line="sgmmcp if=$a hash=sha256 | cat"
	"$sgmmcp" "if=$a" hash=sha256 "${part[@]}" io=sg_io qd=8 2>/tmp/err | cat >/tmp/copy
	took_first "${PIPESTATUS[0]}"
	expect_status 0
	expect_printed /tmp/err
	expect 'the data differ' cmp -s "$cut" /tmp/copy
}

took_first() {
	status=$1
	mapfile -t err </tmp/err
}

windows() {
	local from to sum

	begin 'each window has the hash of that piece'
	run "if=$a" of=. hash=sha256 hashwindow=200003 "${part[@]}" status=none qd=8
	expect_status 0
	expect 'there are not 3 windows' test "$(grep -c '\[' /tmp/out)" = 3
	while read -r sum _ from; do
		[[ $from =~ ^\[([0-9]+)-([0-9]+)\)$ ]] || continue
		from=${BASH_REMATCH[1]} to=${BASH_REMATCH[2]}
		read -r REPLY _ < <(dd "if=$source_data" bs=1M iflag=skip_bytes,count_bytes "skip=$from" \
			"count=$((to - from))" status=none | sha256sum)
		[[ $sum == "$REPLY" ]] || fail "the hash of [$from-$to) is $sum, not $REPLY"
	done </tmp/out
	expect "the last ends at $to" test "$to" = $(((SKIP + COUNT) * 512))
	expect 'the last line is not that of the whole' printed_last

	begin 'sha256sum -c takes the line'
	cp "$cut" $'/tmp/a \\strange\nname'
	run "if=$disk_a" of=. hash=sha256 status=none
	mv /tmp/out /tmp/sums
	run "if="$'/tmp/a \\strange\nname' of=. hash=sha256 status=none
	expect_status 0
	cat /tmp/out >>/tmp/sums
	expect 'it does not' sha256sum -c --quiet --strict /tmp/sums
}

printed_last() {
	[[ $(tail -n 1 /tmp/out) == "$wanted" ]]
}

after_an_error() {
	local nbytes

	begin 'where the run ended early it is the hash of what is told'
	sd_set medium_error_start $BAD_LBA
	sd_set opts 2
	run "if=$a" of=. hash=sha256 bpt=37 qd=8
	sd_set opts 0
	expect_status 3
	number_after 'hash is of the first'
	nbytes=$REPLY
	head -c "$nbytes" "$source_data" >"$cut"
	hashed sha256 "$a"
	expect_printed /tmp/out
	expect "$nbytes bytes were read" test "$nbytes" = $((BAD_LBA / 37 * 37 * 512))
}

two_units
must dd if=/dev/urandom "of=$source_data" bs=1M count=1 status=none
must dd "if=$source_data" "of=$cut" bs=512 skip=$SKIP count=$COUNT status=none
must fill "$disk_a" "$source_data"
as_other_programs
for_each_destination
windows
after_an_error
patterns
stamps_on_4096
finish
