# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 400 -o "add_host=2 per_host_store=1 dev_size_mb=2 ndelay=20000"
#
# Pipelines as people write them, with readers and writers that stutter; then file systems that are
# full, readers that leave, and block nodes that fail: the end is as documented, and what the report
# says was written is there.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=2 BLOCKS=4096 BAD_LBA=2345 CHUNK=37

source_data=/tmp/source pattern=/tmp/pattern zeros=/tmp/zeros
small=/mnt/small

# Copies stdin to stdout in pieces that fit no block, with naps.
# shellcheck disable=SC2016
readonly STUTTER='
	@sizes = (1, 511, 7001, 65537, 3, 100003, 513);
	while (sysread STDIN, $_, $sizes[$i++ % @sizes]) {
		for ($at = 0; $at < length; $at += $n) {
			defined($n = syswrite STDOUT, $_, length() - $at, $at) or die "stutter: $!\n";
		}
		select undef, undef, undef, 0.002 if $i % 4 == 0;
	}'

stutter() {
	perl -e "$STUTTER"
}

# Counts the blocks of the third file that are as in the first, as in the second, and neither.
# shellcheck disable=SC2016
readonly SORT_BLOCKS='
	for (@ARGV) {
		open my $f, "<", $_ or die "$_: $!\n";
		push @files, $f;
	}
	while (read $files[2], $is, 512) {
		read $files[0], $new, 512;
		read $files[1], $old, 512;
		$n[$is eq $new ? 0 : $is eq $old ? 1 : 2]++;
	}
	printf "%d %d %d\n", @n[0, 1, 2];'

# expect_reported BEFORE FILE [MORE]: as many of its blocks as were reported are the source's, or at
# most MORE more, and all others as they were.
expect_reported() {
	local new old neither

	[[ ! -b $2 ]] || blockdev --flushbufs "$2"
	read -r new old neither < <(perl -e "$SORT_BLOCKS" "$source_data" "$1" "$2")
	number_before 'records out'
	((REPLY > 0 && new >= REPLY && new <= REPLY + ${3:-0} && neither == 0)) ||
		fail "$2: $new blocks are written, not $REPLY; $old are as before, $neither neither"
}

# took_all STATUS...: of a pipeline; status becomes that of the first that failed.
took_all() {
	local one

	status=0
	mapfile -t err </tmp/err
	for one; do
		((status)) || status=$one
	done
}

# --- pipelines ---

into_programs() {
	local sum wanted

	read -r wanted _ < <(sha256sum "$disk_a")
	begin 'a disk piped into sha256sum has the sum of its block node'
	command_line="sgmmcp if=$a | sha256sum"
	"$sgmmcp" "if=$a" 2>/tmp/err | sha256sum >/tmp/sum
	took_all "${PIPESTATUS[@]}"
	read -r sum _ </tmp/sum
	expect_status 0
	expect "the sums are $sum and $wanted" test "$sum" = "$wanted"

	begin 'a disk is read into a process substitution'
	command_line="sgmmcp if=$a of=>(sha256sum)"
	"$sgmmcp" "if=$a" of=>(sha256sum >/tmp/sum) 2>/tmp/err
	took
	wait $!
	read -r sum _ </tmp/sum
	expect_status 0
	expect "the sums are $sum and $wanted" test "$sum" = "$wanted"

	begin 'a disk goes through zstd and back onto a disk'
	command_line="sgmmcp if=$a | zstd | zstd -d | sgmmcp of=$b"
	fill "$disk_b" "$pattern"
	"$sgmmcp" "if=$a" 2>/tmp/err | zstd -q1 --single-thread | zstd -dq | "$sgmmcp" "of=$b" 2>>/tmp/err
	took_all "${PIPESTATUS[@]}"
	expect_status 0
	expect_equal "$disk_b" "$source_data"

	begin 'a disk is written from a process substitution'
	command_line="sgmmcp if=<(cat) of=$b"
	"$sgmmcp" if=<(cat "$pattern") "of=$b" 2>/tmp/err
	took
	expect_status 0
	expect_equal "$disk_b" "$pattern"
}

# stuttering_writer DATA WORD...: the disk holds something else before.
stuttering_writer() {
	local data=$1

	shift
	begin "a writer that stutters fills a disk right ($*)"
	command_line="stutter | sgmmcp of=$b $*"
	stutter <"$data" | "$sgmmcp" "of=$b" bpt=$CHUNK "$@" 2>/tmp/err
	took_all "${PIPESTATUS[@]}"
	expect_status 0
	expect_records_out "$BLOCKS"
	expect_equal "$disk_b" "$data"
}

stuttering_reader() {
	begin "a reader that stutters gets a disk right ($*)"
	command_line="sgmmcp if=$a $* | stutter"
	"$sgmmcp" "if=$a" bpt=$CHUNK "$@" 2>/tmp/err | stutter >/tmp/copy
	took_all "${PIPESTATUS[@]}"
	expect_status 0
	expect_records_out "$BLOCKS"
	expect 'the data differ' cmp -s "$source_data" /tmp/copy
}

stuttering() {
	stuttering_writer "$source_data" io=rw qd=8
	stuttering_writer "$pattern" io=sg_io qd=1
	stuttering_reader io=rw qd=8
	stuttering_reader io=sg_io qd=1
	if [[ -n ${SGMMCP_FULL:-} ]]; then
		stuttering_writer "$source_data" io=rw qd=1
		stuttering_writer "$pattern" io=sg_io qd=8
		stuttering_reader io=rw qd=1
		stuttering_reader io=sg_io qd=8
	fi

	begin 'between two FIFOs that stutter nothing is lost'
	mkfifo /tmp/to /tmp/from
	command_line='stutter >/tmp/to; sgmmcp if=/tmp/to of=/tmp/from; stutter </tmp/from'
	stutter <"$source_data" >/tmp/to &
	stutter </tmp/from >/tmp/copy &
	"$sgmmcp" if=/tmp/to of=/tmp/from bpt=$CHUNK 2>/tmp/err
	took
	wait
	expect_status 0
	expect 'the data differ' cmp -s "$source_data" /tmp/copy

	begin 'of a stream no more is taken than was asked for'
	command_line="stutter | (sgmmcp of=$b skip=5 count=1001; cat)"
	stutter <"$source_data" | {
		"$sgmmcp" "of=$b" skip=5 count=1001 bpt=$CHUNK qd=8 2>/tmp/err
		status=$?
		cat >/tmp/rest
		(exit "$status")
	}
	took
	expect_status 0
	expect_records_out 1001
	expect 'the data differ' equal_range "$source_data" "$disk_b" 5 0 1001
	expect 'what is left differs' cmp -s -i $((1006 * 512)):0 "$source_data" /tmp/rest
}

# --- sockets ---

# Runs its arguments with one socket as standard input and output; sends it what comes, prints what
# comes back.
# shellcheck disable=SC2016
readonly ON_A_SOCKET='
	use Socket;
	socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die "socketpair: $!\n";
	unless (fork) {
		open STDIN, "<&", $theirs and open STDOUT, ">&", $theirs or die "dup: $!\n";
		close $ours;
		exec @ARGV;
	}
	close $theirs;
	syswrite $ours, $_ while sysread STDIN, $_, 4096;
	shutdown $ours, 1;
	print while sysread $ours, $_, 65536;
	wait;
	exit $? >> 8;'

# on_a_socket WORD...
on_a_socket() {
	command_line="sgmmcp $* on a socket"
	perl -e "$ON_A_SOCKET" "$sgmmcp" "$@" 2>/tmp/err >/tmp/copy </tmp/short
	took
}

sockets() {
	head -c 50000 "$source_data" >/tmp/short

	begin 'what is read from a socket may be written to it'
	on_a_socket bs=1
	expect_status 0
	expect 'the data differ' cmp -s /tmp/short /tmp/copy

	begin 'a socket is not written twice'
	on_a_socket if=/tmp/short of=- of=- bs=1
	expect_status 31
	expect_one_line 'standard output: is the same file as standard output: not writing$'
}

# --- a reader that leaves ---

# leaves IF: after 100,000 bytes.
leaves() {
	begin "a reader that leaves ends the copy of $1 without a word"
	command_line="sgmmcp if=$1 | head -c 100000 | wc -c"
	"$sgmmcp" "if=$1" bs=512 bpt=16 2>/tmp/err | head -c 100000 | wc -c >/tmp/count
	took_all "${PIPESTATUS[0]}"
	expect_status 141
	expect_no_line '^sgmmcp: '
	expect 'it did not get all' test "$(</tmp/count)" = 100000
}

reader_leaves() {
	leaves "$a"
	leaves "$disk_a"
	[[ -z ${SGMMCP_FULL:-} ]] || leaves "$source_data"

	begin 'where SIGPIPE is ignored, a reader that leaves is an error'
	command_line="sgmmcp if=$a | head -c 100000"
	(
		trap '' PIPE
		exec "$sgmmcp" "if=$a" bpt=16 2>/tmp/err
	) | head -c 100000 >/dev/null
	took_all "${PIPESTATUS[0]}"
	expect_status 82
	expect_one_complaint 'Broken pipe'
}

# --- no space ---

# ends_for_want_of_space WHO
ends_for_want_of_space() {
	expect_status 78
	expect_one_complaint "$1: .*No space left on device"
	expect_line '^Some error occurred'
}

# full_file_system NAME WORD...: below $small.
full_file_system() {
	local file=$small/$1/full

	begin "a full $1 ends the copy with what there is room for (${*:2})"
	run "if=$a" "of=$file" bpt=40 "${@:2}"
	ends_for_want_of_space "$file"
	# What the file system took of a chunk before it was full is not reported.
	expect_reported "$zeros" "$file" $((8 * 40))
	rm "$file"
}

full_file_systems() {
	must mkfs.ext4 -q -F -b 1024 -m 0 -O ^has_journal "$disk_b"
	must mkdir -p "$small/tmpfs" "$small/ext4"
	must mount -t tmpfs -o size=1m tmpfs "$small/tmpfs"
	must mount "$disk_b" "$small/ext4"
	full_file_system tmpfs qd=8
	full_file_system ext4 qd=8 oflag=direct
	if [[ -n ${SGMMCP_FULL:-} ]]; then
		full_file_system tmpfs qd=1
		full_file_system ext4 qd=1
		full_file_system ext4 qd=8
		full_file_system ext4 qd=1 oflag=direct
	fi

	begin 'a copy that cannot begin for want of memory leaves the file as it was'
	head -c 256K "$pattern" >/tmp/kept
	must cp /tmp/kept "$small/ext4/kept"
	ulimit -S -v 50000
	run iflag=ff "of=$small/ext4/kept" oflag=direct conv=notrunc bs=1M count=64 bpt=1 qd=64
	ulimit -S -v unlimited
	expect_status 62
	expect_one_line 'no memory for the transfers'
	expect_equal "$small/ext4/kept" /tmp/kept
	rm "$small/ext4/kept" /tmp/kept

	begin 'standard output on a full file system ends the copy too'
	command_line="sgmmcp if=$a >$small/tmpfs/full"
	"$sgmmcp" "if=$a" bpt=$CHUNK >"$small/tmpfs/full" 2>/tmp/err
	took
	ends_for_want_of_space 'standard output'
	expect_reported "$zeros" "$small/tmpfs/full" $CHUNK
	umount "$small/tmpfs" "$small/ext4"
}

# --- block nodes that fail ---

# fails_at STATUS TEXT WORD...: the copy to the second disk ends so.
fails_at() {
	local want=$1 text=$2

	shift 2
	fill "$disk_b" "$pattern"
	run "$@"
	sd_set opts 0
	expect_status "$want"
	expect_one_complaint "$text"
	expect_line 'unrecovered [1-9]'
	expect_line '^Some error occurred'
}

medium_errors() {
	local to=("of=$disk_b" "bpt=$CHUNK" qd=8)

	sd_set medium_error_start $BAD_LBA
	sd_set medium_error_count 10
	begin 'a medium error shows through O_DIRECT, and what was reported is written'
	sd_set opts 2
	fails_at 3 "$disk_a: .*medium error" "if=$disk_a" "${to[@]}"
	expect_reported "$pattern" "$disk_b"

	[[ -n ${SGMMCP_FULL:-} ]] || return 0
	begin 'through the page cache it is an input error'
	blockdev --flushbufs "$disk_a"
	sd_set opts 2
	fails_at 55 "$disk_a: .*Input/output error" "if=$disk_a" iflag=nodirect "${to[@]}"
	expect_reported "$pattern" "$disk_b"
}

# dm_hole DISK: /dev/mapper/hole is that disk, but for 8 blocks that fail.
dm_hole() {
	must dmsetup create hole <<-TABLE
		0 $BAD_LBA linear $1 0
		$BAD_LBA 8 error
		$((BAD_LBA + 8)) $((BLOCKS - BAD_LBA - 8)) linear $1 $((BAD_LBA + 8))
	TABLE
	must wait_for test -b /dev/mapper/hole
}

# into_a_hole WORD...: from a pipe, which is not read again.
into_a_hole() {
	local node=/dev/mapper/hole lba want=() listed lines sum

	for ((lba = BAD_LBA; lba < BAD_LBA + 8; lba++)); do
		want+=("$lba")
	done
	fill "$disk_b" "$pattern"
	begin "what cannot be written of a stream is lost by the block ($*)"
	command_line="stutter | sgmmcp of=$node coe=1 badblocks=bad hash=sha256 $*"
	stutter <"$source_data" | "$sgmmcp" "of=$node" coe=1 badblocks=/tmp/bad hash=sha256 "$@" \
		>/tmp/out 2>/tmp/err
	took_all "${PIPESTATUS[@]}"
	expect_status 55
	expect_line '^8 unrecovered blocks'
	expect_line "unrecovered 8\b"
	expect_no_line 'were not copied'
	lines=$(grep -c "^sgmmcp: $node: .*Input/output error" /tmp/err)
	expect "$lines errors are told" test "$lines" = 8
	mapfile -t listed </tmp/bad
	expect "badblocks=: ${listed[*]}" test "${listed[*]}" = "${want[*]}"
	read -r sum _ < <(sha256sum "$source_data")
	expect "the hash is $(</tmp/out), not $sum" grep -q "$sum" /tmp/out
	cp "$source_data" /tmp/want
	must dd "if=$pattern" of=/tmp/want bs=512 "skip=$BAD_LBA" "seek=$BAD_LBA" count=8 conv=notrunc \
		status=none
	expect_equal "$disk_b" /tmp/want
}

holes() {
	local node=/dev/mapper/hole flag

	dm_hole "$disk_a"
	for flag in nodirect ${SGMMCP_FULL:+direct}; do
		begin "a block node that cannot read some blocks (iflag=$flag)"
		fails_at 55 "$node: .*Input/output error" "if=$node" "of=$disk_b" "iflag=$flag" \
			bpt=$CHUNK qd=8
		expect_reported "$pattern" "$disk_b"
	done
	must dmsetup remove hole

	dm_hole "$disk_b"
	begin 'a block node that cannot write some blocks'
	fails_at 55 "$node: .*Input/output error" "if=$a" "of=$node" bpt=$CHUNK qd=8
	expect_reported "$pattern" "$disk_b" $CHUNK

	into_a_hole bpt=$CHUNK qd=8
	into_a_hole bpt=2048 qd=1

	begin 'what the page cache could not write is told at the end'
	fill "$disk_b" "$pattern"
	run "if=$a" "of=$node" oflag=nodirect bpt=40
	expect_status 55
	expect_line "^sgmmcp: $node: .*Input/output error.*: what was written may not last"
	must dmsetup remove hole
}

two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
truncate -s "${MIB}M" "$zeros"
must fill "$disk_a" "$source_data"
into_programs
stuttering
sockets
reader_leaves
medium_errors
holes
full_file_systems
begin 'the source is as it was'
expect_equal "$disk_a" "$source_data"
finish
