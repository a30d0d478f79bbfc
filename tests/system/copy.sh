# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 900 -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=20000"
#
# What the operands mean, seen from the disks: which blocks are read and written, and by which
# commands.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 BLOCKS=16384

source_data=/tmp/source pattern=/tmp/pattern expected=/tmp/expected

# renew: the destination holds other data again, and so does the file of what is expected.
renew() {
	fill "$disk_b" "$pattern"
	cp "$pattern" "$expected"
}

# expect_copied SKIP SEEK COUNT: these 512-byte blocks have been copied and nothing else.
expect_copied() {
	put "$source_data" "$expected" "$1" "$2" "$3" 512
	expect_equal "$disk_b" "$expected"
}

expect_nothing_written() {
	expect_equal "$disk_b" "$pattern"
}

# --- methods of the two sides ---

# Without direct IO out of a mapped buffer, which this kernel does not do, two pairs are refused.
mixed_methods() {
	local in=$1 out=$2

	begin "iflag=$in oflag=$out copies right, or is refused where the kernel cannot do it"
	renew
	run "if=$a" "of=$b" "iflag=$in" "oflag=$out" skip=9 seek=20 count=3001 bpt=37 qd=5
	case $in-$out in
	mmap-dio | dio-mmap)
		expect_status 31
		expect_one_line 'no direct IO out of a mapped'
		expect_nothing_written
		;;
	*)
		expect_status 0
		expect_copied 9 20 3001
		;;
	esac
}

all_mixed_methods() {
	local in out

	echo 1 >"$allow_dio"
	for in in mmap dio indirect; do
		for out in mmap dio indirect; do
			mixed_methods "$in" "$out"
		done
	done
	echo 0 >"$allow_dio"
}

dio_without_leave() {
	begin 'xfer=dio copies through the block nodes while allow_dio is 0'
	renew
	run "if=$a" "of=$b" xfer=dio skip=1 seek=2 count=999 bpt=64 -v
	expect_status 0
	expect_line 'plan: dio -> dio: SG_IO on both block nodes'
	expect_copied 1 2 999

	begin 'xfer=dio io=rw is refused while allow_dio is 0, and what to do is said'
	renew
	run "if=$a" "of=$b" xfer=dio io=rw count=999
	expect_status 31
	expect_one_line 'echo 1 > /sys/module/sg/parameters/allow_dio'
	expect_nothing_written
}

# --- ends other than two disks ---

# generated FLAG BYTE
generated() {
	begin "iflag=$1 writes that byte and nothing beside"
	renew
	tr '\0' "$2" </dev/zero 2>/dev/null | head -c 1M >/tmp/bytes
	run "iflag=$1" "of=$b" seek=11 count=1500 bpt=100 bs=512
	expect_status 0
	expect_records_out 1500
	put /tmp/bytes "$expected" 0 11 1500 512
	expect_equal "$disk_b" "$expected"
}

# discarded OF
discarded() {
	local before few

	begin "of=$1 reads every block once and writes none"
	commands_of "$a"
	before=$REPLY
	run "if=$a" "of=$1" count=1 bpt=1
	commands_of "$a"
	few=$((REPLY - before))
	run "if=$a" "of=$1" count=200 bpt=1 qd=7
	expect_status 0
	expect_records_out 200
	commands_of "$a"
	((REPLY - before - 2 * few == 199)) ||
		fail "$((REPLY - before - 2 * few + 1)) READ commands for 200 blocks of one each"
}

# --- sizes ---

block_sizes() {
	begin 'bs=3M copies the whole disk with a partial block at its end'
	renew
	run "if=$a" "of=$b" bs=3M
	expect_status 0
	expect_line '^2\+1 records out$'
	expect_copied 0 0 "$BLOCKS"

	begin 'bs=1M count=3 skip=1 seek=4 counts in units of 1 MiB'
	renew
	run "if=$a" "of=$b" bs=1M count=3 skip=1 seek=4
	expect_status 0
	expect_line '^3\+0 records out$'
	expect_copied 2048 8192 6144

	begin 'bs=4096 on 512-byte blocks counts in units of 8 blocks'
	renew
	run "if=$a" "of=$b" bs=4096 count=37 skip=3 seek=5 bpt=9
	expect_status 0
	expect_records_out 37
	expect_copied 24 40 296

	begin 'bs=1000 is refused: no multiple of the block length'
	renew
	run "if=$a" "of=$b" bs=1000
	expect_status 31
	expect_one_line 'bs=1000 is no multiple of its block length of 512'
	expect_nothing_written

	begin 'a chunk larger than both ends take is reduced, said so, and copied'
	renew
	run "if=$a" "of=$b" bpt=8192 count=9999
	expect_status 0
	expect_one_complaint 'chunk reduced to the largest transfer all ends take: 524288 bytes'
	expect_copied 0 0 9999

	begin 'a higher max_sectors_kb is used'
	renew
	echo 2048 >"/sys/block/${disk_a#/dev/}/queue/max_sectors_kb"
	echo 2048 >"/sys/block/${disk_b#/dev/}/queue/max_sectors_kb"
	run "if=$a" "of=$b" bpt=4096 count=9999 -v
	expect_status 0
	expect_line 'in chunks of 2 MiB \(4096 blocks\)'
	expect_copied 0 0 9999
	echo 512 >"/sys/block/${disk_a#/dev/}/queue/max_sectors_kb"
	echo 512 >"/sys/block/${disk_b#/dev/}/queue/max_sectors_kb"
}

counts() {
	begin 'count=0 copies nothing and succeeds'
	renew
	run "if=$a" "of=$b" count=0
	expect_status 0
	expect_records_out 0
	expect_nothing_written

	begin 'count=-1 copies all there is from skip on'
	renew
	run "if=$a" "of=$b" skip=5000 seek=100 count=-1
	expect_status 0
	expect_records_out $((BLOCKS - 5000))
	expect_copied 5000 100 $((BLOCKS - 5000))

	begin 'the last block of both disks can be copied alone'
	renew
	run "if=$a" "of=$b" "skip=$((BLOCKS - 1))" "seek=$((BLOCKS - 1))"
	expect_status 0
	expect_copied $((BLOCKS - 1)) $((BLOCKS - 1)) 1
}

nothing_to_write() {
	begin '-n reads but writes nothing'
	renew
	start_counting "$a"
	run "if=$a" "of=$b" -n bpt=64
	expect_status 0
	expect 'the source has had no 256 commands more' has_had "$a" $((commands_before + 256))
	expect_nothing_written

	begin '-d shows the plan and moves nothing'
	renew
	start_counting "$a"
	run "if=$a" "of=$b" -d bpt=64
	expect_status 0
	expect_line '^plan: '
	expect_no_line 'records'
	! has_had "$a" $((commands_before + 64)) || fail 'the source has had 64 commands'
	expect_nothing_written
}

# --- the commands that a disk gets ---

marks=0

# log_commands WORD...: runs the program with what scsi_debug logs of each command.
log_commands() {
	marks=$((marks + 1))
	echo "mark $marks" >/dev/kmsg
	sd_set opts 1
	run "$@"
	sd_set opts 0
	logged=$(dmesg | sed -n "/mark $marks\$/,\$s/.*cmd \([0-9a-f][0-9a-f] [0-9a-f ]*\).*/\1/p")
}

# expect_command REGEX: one of them begins like that. expect_no_command REGEX: none does.
expect_command() {
	grep -qE "^$1" <<<"$logged" || fail "no command '$1' among: ${logged//$'\n'/, }"
}

expect_no_command() {
	! grep -E "^$1" <<<"$logged" || fail "a command '$1' was sent"
}

# cdb_size BYTES READ WRITE
cdb_size() {
	begin "cdbsz=$1 sends READ($1) and WRITE($1), and the data are right"
	renew
	log_commands "if=$a" "of=$b" "cdbsz=$1" skip=3 seek=5 count=300 bpt=130
	expect_status 0
	expect_command "$2 "
	expect_command "$3 "
	expect_copied 3 5 300
}

cdb_sizes() {
	cdb_size 6 08 0a
	cdb_size 10 28 2a
	cdb_size 12 a8 aa
	cdb_size 16 88 8a

	begin 'cdbsz=16,10 is for READ and WRITE'
	log_commands "if=$a" "of=$b" cdbsz=16,10 count=10
	expect_status 0
	expect_command '88 '
	expect_command '2a '

	begin 'cdbsz=6 never sends more than 256 blocks at once'
	renew
	run "if=$a" "of=$b" cdbsz=6 bpt=1000 count=999
	expect_status 0
	expect_one_complaint 'chunk reduced'
	expect_copied 0 0 999
}

cdb_bits() {
	begin 'fua=1 sets FUA in WRITE alone'
	log_commands "if=$a" "of=$b" count=10 fua=1
	expect_command '2a 08'
	expect_command '28 00'

	begin 'fua=3 sets it in both'
	log_commands "if=$a" "of=$b" count=10 fua=3
	expect_command '2a 08'
	expect_command '28 08'

	begin 'iflag=dpo oflag=dpo,fua set DPO and FUA'
	log_commands "if=$a" "of=$b" count=10 iflag=dpo oflag=dpo,fua
	expect_command '28 10'
	expect_command '2a 18'

	begin 'without them neither bit is set, and the write cache is flushed once'
	log_commands "if=$a" "of=$b" count=10
	expect_command '28 00'
	expect_command '2a 00'
	(($(grep -c '^35 ' <<<"$logged") == 1)) || fail 'not one SYNCHRONIZE CACHE'

	begin 'sync=0 leaves SYNCHRONIZE CACHE out'
	log_commands "if=$a" "of=$b" count=10 sync=0
	expect_no_command '35 '

	begin 'a source gets no command that writes or flushes'
	log_commands "if=$a" of=/dev/null count=100 bpt=10
	expect_status 0
	expect_no_command '(0a|2a|aa|8a|35|91|2e|41|42) '
}

# --- what is shown ---

outputs() {
	begin 'status=none says nothing at all when all is well'
	run "if=$a" "of=$b" count=10 status=none
	expect_status 0
	((${#err[@]} == 0)) || fail 'says something'

	begin 'status=noxfer leaves the timing out but not the counts'
	run "if=$a" "of=$b" count=10 status=noxfer
	expect_no_line 'time to transfer'
	expect_records_out 10

	begin 'nothing is ever said on standard output'
	run "if=$a" "of=$b" count=10 -v
	[[ ! -s /tmp/out ]] || fail "says: $(</tmp/out)"
}

two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
all_mixed_methods
dio_without_leave
generated 00 '\0'
generated ff '\377'
discarded /dev/null
discarded .
block_sizes
counts
nothing_to_write
cdb_sizes
cdb_bits
outputs
begin 'the source is as it was'
expect_equal "$disk_a" "$source_data"
finish
