/* SPDX-License-Identifier: BSD-2-Clause */
/* What differs between two sides of a run, block by block. */
#ifndef ENGINE_COMPARE_H
#define ENGINE_COMPARE_H

#include "differences.h"

struct miscompare {
	uint64_t blocks;   /* that differ; 0: none, and the rest means nothing */
	uint64_t at_bytes; /* the first byte that differs, from the start of the span */
	uint8_t expected, found;
	struct differences *differences; /* where each block is noted, too; NULL: nowhere */
};

/*
 * Adds what differs between len_bytes at want and got, which lie at_bytes from the start of the
 * span. A last block may be shorter.
 */
void compare_chunk(struct miscompare *m, const void *want, const void *got, uint32_t len_bytes,
	uint32_t block_bytes, uint64_t at_bytes);

/* Adds what another worker has found. */
void compare_add(struct miscompare *sum, const struct miscompare *m);

#endif
