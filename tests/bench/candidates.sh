# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What is measured: the copier and its peers, each with the settings among which its best is
# looked for. Groups that are named sgmmcp... are the copier. Sourced by guest.sh.
#
# shellcheck disable=SC2154 # variables of engine.sh

# ours GROUP SETTING...: each setting (a word may hold several) with allow_dio 0 and 1.
ours() {
	local setting

	for setting in "${@:2}"; do
		# shellcheck disable=SC2086 # words
		candidate "$1" 0 sgmmcp $setting
		# shellcheck disable=SC2086
		candidate "$1, dio" 1 sgmmcp $setting
	done
}

# As it comes, and at its best.
copier() {
	ours sgmmcp ''
	if ((latency == 0)); then
		ours 'sgmmcp best' 'io=sg_io qd=1' 'io=sg_io qd=8' 'io=rw qd=1' 'io=rw qd=8' \
			'io=sg_io qd=1 xfer=mmap'
	else
		ours 'sgmmcp best' 'io=sg_io qd=16' 'io=sg_io qd=32' 'io=sg_io qd=64' 'io=rw qd=8' \
			'io=rw qd=16' 'io=rw qd=32' 'io=rw qd=64' 'io=rw qd=128'
	fi
}

# sgp_dd FLAGS...: by number of threads (more than 16 commands on its one descriptor are refused).
sgp_dd() {
	local threads flags

	for threads in 1 4 8 16; do
		candidate sgp_dd 0 sgp_dd "thr=$threads"
		for flags; do
			# shellcheck disable=SC2086
			candidate sgp_dd 1 sgp_dd "thr=$threads" $flags
		done
	done
}

candidates_of_copy() {
	no_candidates
	copier
	if ((latency == 0)); then
		ours 'sgmmcp best' 'io=sg_io qd=1 xfer=dio'
	else
		ours 'sgmmcp best' 'io=rw qd=32 xfer=mmap'
		candidate 'sgmmcp best, dio' 1 sgmmcp io=rw qd=32 xfer=dio
	fi
	candidate sgm_dd 0 sgm_dd
	sgp_dd 'iflag=dio oflag=dio' iflag=mmap
	candidate sg_dd 0 sg_dd
	candidate sg_dd 1 sg_dd iflag=dio oflag=dio
	candidate sg_dd 0 sg_dd-block blk_sgio=1
	candidate ddpt 0 ddpt
	candidate ddpt 0 ddpt-block iflag=pt oflag=pt
	candidate ddpt 0 ddpt-block iflag=direct oflag=direct
	candidate dd 0 dd iflag=direct oflag=direct
}

candidates_of_read() {
	no_candidates
	copier
	candidate sgm_dd 0 sgm_dd
	sgp_dd iflag=dio iflag=mmap
	candidate sg_dd 0 sg_dd
	candidate sg_dd 1 sg_dd iflag=dio
	candidate ddpt 0 ddpt
	candidate dd 0 dd iflag=direct
}

candidates_of_fake() {
	no_candidates
	candidate 'sgmmcp no copy' 1 sgmmcp
	candidate 'sgmmcp one copy' 1 sgmmcp xfer=mmap
	candidate 'sgmmcp two copies' 1 sgmmcp xfer=indirect
	candidate 'sgmmcp no copy, allow_dio=0' 0 sgmmcp
	candidate sgm_dd 0 sgm_dd
}

candidates_of_overlap() {
	no_candidates
	candidate 'sgmmcp copy' 0 sgmmcp qd=16
	candidate 'sgmmcp read' 0 sgmmcp-read qd=8
	candidate 'sgmmcp write' 0 sgmmcp-write qd=8
	candidate 'sgmmcp copy, dio' 1 sgmmcp qd=16
	candidate 'sgmmcp read, dio' 1 sgmmcp-read qd=8
	candidate 'sgmmcp write, dio' 1 sgmmcp-write qd=8
}

candidates_of_uml() {
	no_candidates
	ours sgmmcp ''
	ours 'sgmmcp qd=8' 'qd=8' 'qd=8 io=rw' 'qd=8 io=sg_io' 'qd=8 xfer=mmap' \
		'qd=8 iflag=mmap oflag=indirect' 'qd=8 io=sg_io xfer=mmap'
	ours 'sgmmcp best' 'qd=16' 'qd=32'
	candidate 'sgmmcp qd=8, dio' 1 sgmmcp qd=8 xfer=dio
	candidate sgm_dd 0 sgm_dd
	sgp_dd 'iflag=dio oflag=dio' iflag=mmap
}

candidates_of_smp() {
	no_candidates
	ours sgmmcp ''
	ours 'sgmmcp best' 'qd=4' 'qd=8' 'qd=32' 'qd=8 io=sg_io' 'qd=16 io=sg_io' 'qd=16 workers=2' \
		'qd=8 xfer=mmap'
	candidate sgm_dd 0 sgm_dd
	sgp_dd 'iflag=dio oflag=dio' iflag=mmap
	candidate sg_dd 1 sg_dd iflag=dio oflag=dio
	candidate ddpt 0 ddpt
	candidate dd 0 dd iflag=direct oflag=direct
}

candidates_of_sweep() {
	local depth io

	no_candidates
	for depth in 1 2 4 8 16 32 64; do
		for io in sg_io rw; do
			ours "sgmmcp $io qd=$depth" "io=$io qd=$depth"
		done
	done
}
