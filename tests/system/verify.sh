# shellcheck shell=bash disable=SC2317
# SPDX-License-Identifier: BSD-2-Clause
# guest: uml -t 900 -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=20000"
# guest: qemu -k 6.12 -s 2 -o "add_host=2 per_host_store=1 dev_size_mb=8 ndelay=20000"
#
# What was written is what is there: comparing, verify=after and verify=drive say yes when it is, and
# where it is not when another process has changed it in between.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly MIB=8 LBA=16000 BYTE=77
readonly TRACE=/sys/kernel/tracing

source_data=/tmp/source pattern=/tmp/pattern

# damage LBA: one byte of the destination becomes another.
damage() {
	local before

	dd "if=$source_data" bs=512 "skip=$1" count=1 of=/tmp/block status=none
	before=$(dd if=/tmp/block bs=1 skip=$BYTE count=1 status=none | od -An -tu1)
	expected=$(printf '0x%02x' "$((before))")
	found=$(printf '0x%02x' $((before ^ 255)))
	# shellcheck disable=SC2059
	printf "\\$(printf %o $((before ^ 255)))" |
		dd of=/tmp/block bs=1 seek=$BYTE conv=notrunc status=none
	dd if=/tmp/block "of=$disk_b" bs=512 "seek=$1" count=1 oflag=direct conv=notrunc status=none
}

comparing() {
	local qd

	for qd in 1 16; do
		begin "equal disks compare equal at qd=$qd, and nothing is written"
		fill "$disk_b" "$source_data"
		run -x "if=$a" "of=$b" bpt=37 "qd=$qd"
		expect_status 0
		number_before 'records compared'
		((REPLY == MIB * 2048)) || fail "$REPLY records"
		expect_equal "$disk_b" "$source_data"

		begin "one byte is found by its LBA and place at qd=$qd"
		damage "$LBA"
		run -x "if=$a" "of=$b" bpt=37 "qd=$qd"
		expect_status 14
		expect_line "miscompare at LBA $LBA, byte $BYTE: expected $expected, found $found; 1 block "
		damage 5
		run -x "if=$a" "of=$b" bpt=37 "qd=$qd"
		expect_line "miscompare at LBA 5, byte $BYTE: .*; 2 blocks "
	done

	begin 'a part of a disk is compared with another part, and a file with a disk'
	run -x "if=$a" "of=$b" skip=6 seek=6 count=15000
	expect_status 0
	run -x "if=$source_data" "of=$b" skip=6 seek=6 count=15000
	expect_status 0
	run -x "if=$a" "of=$b" skip=7 seek=6 count=100
	expect_status 14
	run -x "if=$disk_a" "of=$disk_b" bpt=64
	expect_status 14
	expect_line "miscompare at LBA 5, byte $BYTE"

	begin 'a disk that is in use may be compared'
	mkfs.ext4 -q -F "$disk_b"
	mkdir -p /mnt/b
	mount "$disk_b" /mnt/b
	run -x "if=$b" "of=$disk_b" count=8
	expect_status 0
	umount /mnt/b
}

is_verifying() {
	mapfile -t err </tmp/err
	says '^verify: '
}

after_and_drive() {
	local how status_wanted=0

	for how in after drive; do
		begin "verify=$how says yes to a good copy"
		fill "$disk_b" "$pattern"
		run "if=$a" "of=$b" "verify=$how" bpt=64 count=16001 seek=3
		expect_status "$status_wanted"
		expect_line "$([[ $how == after ]] && echo compared || echo verified)\$"

		begin "verify=$how finds what was changed after it was written"
		fill "$disk_b" "$pattern"
		sd_set ndelay 2000000
		start "if=$a" "of=$b" "verify=$how" bpt=8 qd=2
		WAIT_S=60 wait_for is_verifying
		damage "$LBA"
		complete
		wait_for sd_set ndelay 20000
		expect_status 14
		expect_line "miscompare at LBA $LBA, byte $BYTE: expected $expected, found $found; 1 block "
		[[ $how == after ]] || expect_line 'VERIFY\(10\) at LBA 16000, 8 blocks: miscompare'
	done

	begin 'verify=after reads a file back too'
	run "if=$a" of=/tmp/image verify=after bs=1M
	expect_status 0
	expect_line 'records compared'
}

# --- with a map ---

map=/tmp/map

# read_map: sets map_text to its ranges, as FIRST+COUNT and the status.
read_map() {
	local at len state

	map_text=''
	while read -r at len state; do
		[[ $at == '#'* || $state == [0-9]* ]] || map_text+="$((at / 512))+$((len / 512))$state "
	done <"$map"
}

# copied_again COUNT HOW WORD...: the same run finds so many blocks to copy, and then all is there.
copied_again() {
	run "${@:3}"
	expect_status 0
	number_before 'records in'
	(($1 == REPLY)) || fail "$REPLY blocks copied, not $1"
	run "${@:3}" "verify=$2"
	expect_status 0
	expect_no_line differ
}

# What the map has when blocks 5 and LBA differ, and how many blocks those are. The drive tells of a
# chunk of 64.
declare -A untried=(
	[after]="0+5+ 5+1? 6+$((LBA - 6))+ $LBA+1? $((LBA + 1))+$((MIB * 2048 - LBA - 1))+ "
	[drive]="0+64? 64+$((LBA - 64))+ $LBA+1? $((LBA + 1))+$((MIB * 2048 - LBA - 1))+ "
) again=([after]=2 [drive]=65)

map_of_differences() {
	local how words

	for how in after drive; do
		words=("if=$a" "of=$b" "map=$map" bpt=64 qd=1)
		begin "what verify=$how finds to differ is not copied by the map, and the same copies it"
		rm -f "$map"
		fill "$disk_b" "$pattern"
		run "${words[@]}"
		expect_status 0
		damage "$LBA"
		damage 5
		run "${words[@]}" "verify=$how"
		expect_status 14
		expect_line "miscompare at LBA 5, byte $BYTE: .*; 2 blocks "
		expect_line "^sgmmcp: $map: $((again[$how] * 512)) bytes that differ count as not copied \\(the same"
		read_map
		[[ $map_text == "${untried[$how]}" ]] || fail "map: $map_text"
		copied_again "${again[$how]}" "$how" "${words[@]}"
		expect_equal "$disk_b" "$source_data"
	done

	begin 'also in the run that copied, and what was good stays copied'
	rm -f "$map"
	fill "$disk_b" "$pattern"
	sd_set ndelay 2000000
	start "${words[@]}" verify=after
	WAIT_S=60 wait_for is_verifying
	damage "$LBA"
	complete
	wait_for sd_set ndelay 20000
	expect_status 14
	copied_again 1 after "${words[@]}"
	expect_equal "$disk_b" "$source_data"

	begin 'also elsewhere on the destination, and where a block was bad'
	words=("if=$a" "of=$disk_b" "map=$map" skip=1000 seek=3000 count=4000 coe=1)
	rm -f "$map"
	sd_set medium_error_start 1500
	sd_set medium_error_count 2
	sd_set opts 2
	run "${words[@]}"
	sd_set opts 0
	expect_status 3
	damage 3100
	run "${words[@]}" verify=after
	expect_status 14
	expect_line 'miscompare at LBA 3100, .*; 1 block '
	read_map
	[[ $map_text == *' 1100+1? '*' 1500+2- '* ]] || fail "map: $map_text"

	for how in after drive; do
		begin "also of generated data, which go by the place (verify=$how)"
		words=(pattern=random seed=5 "of=$b" "map=$map" seek=3000 count=4000 bpt=64)
		rm -f "$map"
		run "${words[@]}"
		expect_status 0
		damage 3100
		run "${words[@]}" "verify=$how"
		expect_status 14
		expect_line 'bytes that differ count as not copied'
		read_map
		[[ $how == drive || $map_text == *' 3100+1? '* ]] || fail "map: $map_text"
		copied_again "$([[ $how == after ]] && echo 1 || echo 64)" "$how" "${words[@]}"
	done

	begin 'also of a file that is padded, in its last block'
	words=(if=/tmp/odd of=/tmp/padded "map=$map" bs=4096 conv=sync)
	rm -f "$map"
	head -c 100000 "$source_data" >/tmp/odd
	run "${words[@]}"
	expect_status 0
	printf x | dd of=/tmp/padded bs=1 seek=100001 conv=notrunc status=none
	run "${words[@]}" verify=after
	expect_status 14
	expect_line "^sgmmcp: $map: 1696 bytes that differ"
	run "${words[@]}" verify=after
	expect_status 0
}

# --- larger blocks, other ends ---

# What the copies of this part have in common, and how long its commands take: so that there is time
# to change what was written.
part=(skip=3 seek=5 count=160 bpt=2 qd=2)
readonly SLOW_NS=20000000

# changed_meanwhile OUT NODE TEXT WORD...: a block that was written becomes another, by way of NODE,
# before it is verified.
changed_meanwhile() {
	local node=$2 text=$3 flags=(conv=notrunc)

	[[ ! -b $node ]] || flags+=(oflag=direct)
	begin "what was changed is found (${*:4} of=$1)"
	sd_set ndelay $SLOW_NS
	start "if=$a" "of=$1" bs=4096 "${part[@]}" "${@:4}"
	WAIT_S=60 wait_for is_verifying
	dd "if=$zeros" "of=$node" bs=4096 seek=163 count=1 "${flags[@]}" status=none
	complete
	wait_for sd_set ndelay 20000
	expect_status 14
	expect_line "$text"
}

# verified_well WORDS OUT WORD...
verified_well() {
	begin "a part that was copied well is $1 (${*:3} of=$2)"
	run "if=$a" "of=$2" bs=4096 "${part[@]}" "${@:3}"
	expect_status 0
	expect_line "^160\\+0 records $1\$"
}

larger_blocks() {
	zeros=/tmp/zeros
	truncate -s 4096 "$zeros"
	must sd_load add_host=2 per_host_store=1 dev_size_mb=1 sector_size=4096 ndelay=20000
	two_units
	head -c 1M "$source_data" >/tmp/part
	must fill "$disk_a" /tmp/part

	verified_well compared "$b" verify=after
	verified_well verified "$b" verify=drive
	verified_well compared "$disk_b" verify=after
	verified_well verified "$disk_b" verify=drive oflag=sgio
	changed_meanwhile "$b" "$disk_b" \
		"^sgmmcp: $b: miscompare at LBA 163, .*found 0x00; 1 block of 4096 bytes" verify=after
	changed_meanwhile "$b" "$disk_b" "^sgmmcp: $b: VERIFY\(10\) at LBA 163, 2 blocks: miscompare" \
		verify=drive
	changed_meanwhile /tmp/image /tmp/image "^sgmmcp: /tmp/image: miscompare at LBA 163, " verify=after

	begin 'a block node has no VERIFY of its own'
	run "if=$a" "of=$disk_b" verify=drive
	expect_status 31
	expect_one_line 'has no VERIFY command'
}

lengths() {
	begin 'a file that goes on is not equal, unless that does not matter'
	head -c 100000 "$source_data" >/tmp/short
	head -c 100001 "$source_data" >/tmp/long
	run -x if=/tmp/short of=/tmp/long
	expect_status 14
	expect_one_complaint 'longer by 1 byte'
	run -x if=/tmp/short of=/tmp/long conv=notrunc
	expect_status 0
	run -x if=/tmp/long of=/tmp/short
	expect_status 14
	expect_one_line 'is shorter: '
}

# Which commands the destination had, as the kernel saw them.
drive_sends_no_read() {
	local host

	begin 'verify=drive sends no READ to the destination'
	[[ -d $TRACE/events ]] || mount -t tracefs tracefs "$TRACE"
	host=$(realpath "/sys/class/scsi_generic/${b#/dev/}/device")
	host=${host##*/}
	fill "$disk_b" "$pattern"
	run "if=$a" "of=$b" bpt=64
	echo "host_no == ${host%%:*}" >"$TRACE/events/scsi/scsi_dispatch_cmd_start/filter"
	echo 1 >"$TRACE/events/scsi/scsi_dispatch_cmd_start/enable"
	echo >"$TRACE/trace"
	run "if=$a" "of=$b" bpt=64 verify=drive
	echo 0 >"$TRACE/events/scsi/scsi_dispatch_cmd_start/enable"
	expect_status 0
	expect 'no VERIFY was seen' test "$(grep -c 'cmnd=(VERIFY' "$TRACE/trace")" -ge 256
	expect 'no WRITE was seen' test "$(grep -c 'cmnd=(WRITE' "$TRACE/trace")" -ge 256
	# At the end the kernel looks for partitions: READs, but not of 64 blocks.
	expect 'a READ was seen' test "$(grep -c 'cmnd=(READ_1.* txlen=64 ' "$TRACE/trace")" -eq 0
}

two_units
must make_data "$source_data" "$MIB"
must make_data "$pattern" "$MIB"
must fill "$disk_a" "$source_data"
if is_uml; then
	after_and_drive
	comparing
	map_of_differences
	lengths
	larger_blocks
else
	drive_sends_no_read
fi
finish
