/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the blocks of a range that cannot be moved, by moving pieces of it. Pure: it says which
 * piece comes next, and is told what became of it.
 *
 * A piece that fails holds at least one such block. Its first half tells in which half: where that
 * is good, the other half need not be asked. So one bad block among n costs log2(n) transfers, one
 * to see it fail alone (nothing else makes a block bad), one for its neighbour, since bad blocks
 * come in rows, and one for the rest. Where the sense data name a block, that costs two, or three.
 * Whoever names blocks that turn out to be good is believed no more.
 */
#ifndef ENGINE_NARROW_H
#define ENGINE_NARROW_H

#include "../core/base.h"

#define NARROW_NO_HINT UINT64_MAX

struct narrow {
	uint64_t at_bytes, end_bytes; /* what is left */
	uint64_t suspect_bytes; /* a block before this one is bad, as far as is known; at_bytes: no
				 */
	uint64_t hint_bytes;	/* this one is said to be bad, NARROW_NO_HINT: none is */
	uint32_t block_bytes, physical_bytes;
	bool after_bad; /* the next block is a bad one's neighbour */
};

struct piece {
	uint64_t at_bytes;
	uint32_t len_bytes;
};

enum narrow_news {
	NARROW_GOES_ON,
	NARROW_BAD_BLOCK, /* the piece that failed was a block: it is bad */
	NARROW_LIE,	  /* the block that was named is good */
};

/*
 * A range of whole blocks, of which the last may be shorter; it failed as a whole before. Halves
 * end where physical blocks do, as long as they are longer: physical_bytes is a multiple of
 * block_bytes, or 0.
 */
void narrow_begin(struct narrow *n, uint64_t at_bytes, uint32_t len_bytes, uint32_t block_bytes,
	uint32_t physical_bytes, uint64_t hint_bytes);

/* False: all of the range has been told. */
bool narrow_next(const struct narrow *n, struct piece *p) MUST_CHECK;

/* What became of the piece that narrow_next() gave last. */
enum narrow_news narrow_good(struct narrow *n) MUST_CHECK;
enum narrow_news narrow_failed(struct narrow *n, uint64_t hint_bytes) MUST_CHECK;

#endif
