/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * By which command a disk's blocks are given back so that they certainly read as zeros afterwards.
 * Pure.
 */
#ifndef SCSI_TRIM_H
#define SCSI_TRIM_H

#include "identify.h"

enum trim_command {
	TRIM_NONE,	    /* none that leaves zeros for certain: write them */
	TRIM_WRITE_SAME_16, /* of a block of zeros, with UNMAP */
	TRIM_WRITE_SAME_10,
	TRIM_UNMAP, /* a wish: ask trim_is_unmapped() whether it was granted */
};

struct trim_how {
	enum trim_command command;
	uint32_t max_blocks;   /* of one command, > 0 */
	uint32_t grain_blocks; /* what is unmapped comes in multiples of these from LBA 0; > 0 */
};

/* id has a block length. All fields are 0 with TRIM_NONE. */
struct trim_how trim_choose(const struct identity *id);

/* "WRITE SAME(16)", for messages. */
const char *trim_name(enum trim_command command);

/* Enough for the answer of trim_is_unmapped() to describe 32 stretches. */
#define TRIM_STATUS_BYTES (8 + 32 * 16)

/*
 * Does this answer to GET LBA STATUS, of which len bytes came, say of each of those blocks that it
 * is unmapped (deallocated or anchored)? What it does not speak of, is not.
 */
bool trim_is_unmapped(const uint8_t *data, size_t len, uint64_t lba, uint32_t blocks) MUST_CHECK;

#endif
