# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# SPDX-License-Identifier: BSD-2-Clause
#
# Every kind of end as the operands that name it, and what the plan is to say of a pair. Sourced
# by scripts that have set up a and b (sg nodes), disk_a and disk_b, files (a mounted directory with
# a file named source), source_data (what the first disk holds), COUNT, SKIP and SEEK; BPT: blocks of
# 512 bytes in a transfer.

# in_words KIND: sets words to the operands of that source.
in_words() {
	case $1 in
	sg) words=("if=$a") ;;
	sgio) words=("if=$disk_a" iflag=sgio) ;;
	block) words=("if=$disk_a") ;;
	cached) words=("if=$disk_a" iflag=nodirect) ;;
	file) words=("if=$files/source") ;;
	direct) words=("if=$files/source" iflag=direct) ;;
	mapped) words=("if=$files/source" iflag=mmap) ;;
	pipe) words=(if=-) ;;
	zeros) words=(iflag=00) ;;
	esac
}

out_words() {
	case $1 in
	sg) words+=("of=$b") ;;
	sgio) words+=("of=$disk_b" oflag=sgio) ;;
	block) words+=("of=$disk_b") ;;
	cached) words+=("of=$disk_b" oflag=nodirect) ;;
	file) words+=("of=$files/dest" conv=notrunc) ;;
	direct) words+=("of=$files/dest" conv=notrunc oflag=direct) ;;
	mapped) words+=("of=$files/dest" conv=notrunc oflag=mmap) ;;
	pipe) words+=(of=-) ;;
	null) words+=(of=.) ;;
	esac
}

# makes_sense IN OUT: one mapped file is the buffer, and nothing is generated into it.
makes_sense() {
	[[ $2 != mapped || $1 != @(mapped|zeros) ]]
}

# copies IN OUT: sets REPLY to the copies by CPU that the plan must tell.
copies() {
	REPLY=0
	[[ $1 == @(cached|file|pipe) ]] && REPLY=$((REPLY + 1))
	[[ $2 == @(cached|file|pipe) ]] && REPLY=$((REPLY + 1))
	# Only in qemu can the buffer of one be the memory of the other.
	[[ $1 == sg && $2 == sg ]] && is_uml && REPLY=1
	return 0
}

# copy_pair IN OUT QD: the program with standard input and output as the pair has them.
copy_pair() {
	local input=/dev/null output=/tmp/out seek=$SEEK

	in_words "$1"
	out_words "$2"
	[[ $1 != pipe ]] || input=$source_data
	[[ $2 != pipe ]] || seek=0 output=$files/dest
	command_line="sgmmcp ${words[*]} qd=$3"
	if [[ $1 == pipe ]]; then
		dd if="$input" bs=999 status=none 2>/dev/null | "$sgmmcp" "${words[@]}" bs=512 "skip=$SKIP" \
			"seek=$seek" "count=$COUNT" "bpt=${BPT:-100}" "qd=$3" -v >"$output" 2>/tmp/err
	elif [[ $2 == pipe ]]; then
		"$sgmmcp" "${words[@]}" bs=512 "skip=$SKIP" "count=$COUNT" "bpt=${BPT:-100}" "qd=$3" -v \
			2>/tmp/err </dev/null | cat >"$output"
		(exit "${PIPESTATUS[0]}")
	else
		"$sgmmcp" "${words[@]}" bs=512 "skip=$SKIP" "seek=$seek" "count=$COUNT" "bpt=${BPT:-100}" "qd=$3" \
			-v >"$output" 2>/tmp/err </dev/null
	fi
	took
}

