/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which bytes of which end: bs=, count=, skip=, seek= against what the ends hold. Pure.
 */
#ifndef ENGINE_SPAN_H
#define ENGINE_SPAN_H

#include "sides.h"

#define SPAN_ALL UINT64_MAX

struct span_request {
	uint32_t ibs_bytes, obs_bytes; /* 0: the block length of the end, 512 where it has none */
	uint64_t count;		       /* in ibs, or SPAN_ALL */
	uint64_t skip, seek;	       /* in ibs and in obs */
	bool pad; /* conv=sync: zeros fill the last block, of ibs and of the destination */
};

/* How far zeros go on behind the end of the source. */
struct padding {
	uint32_t unit_bytes; /* up to a multiple of this, from where the span starts; 0: nowhere */
	uint64_t room_bytes; /* no further than this: there the first of the disks ends */
};

struct span {
	uint32_t ibs_bytes, obs_bytes;
	uint32_t block_bytes;	      /* transfers are whole multiples of this, but for a tail */
	uint32_t out_block_bytes;     /* writes are whole multiples of this */
	uint64_t in_bytes, out_bytes; /* where it starts in the source and in all others */
	uint64_t len_bytes;	      /* of what is read */
	bool pad;		      /* a tail is filled up to out_block_bytes at least, */
	struct padding padding;	      /* and then as far as this says */
	bool must_end;	 /* open_ended, and all was asked for: nothing may be left in the source */
	bool open_ended; /* len_bytes is what there is room for; the source may end before */
};

#define SPAN_WHY_ROOM 200

/* Where the zeros end that follow len_bytes of the source. */
static inline uint64_t padding_end(const struct padding *p, uint64_t len_bytes)
{
	uint64_t over = p->unit_bytes ? len_bytes % p->unit_bytes : 0;

	if (over == 0)
		return len_bytes;
	return max_u64(len_bytes, min_u64(len_bytes - over + p->unit_bytes, p->room_bytes));
}

/* What is written of len_bytes that are read: the last block of the destination may be padded. */
uint64_t span_written(const struct span *s, uint64_t len_bytes);

/*
 * Without count the span reaches to the end of the source; a destination that has less room then
 * is refused, not silently cut to fit. A tail shorter than ibs, but of whole blocks, is copied. One
 * that does not fill a block of the destination is refused, or padded on request: as dd does, to
 * ibs, where that is whole blocks of the destination; or else to one of these. What lies behind the
 * end of a disk is not asked for: there the zeros end, too. Of a source that comes in a stream as
 * much is taken as comes: len_bytes is the most. Several destinations have the same blocks: the
 * largest that one of them has.
 *
 * 0; or the exit status, *who the end that is wrong (NULL: the request itself) and why in words:
 * EXIT_CONTRADICT where lengths do not fit together, EXIT_LBA_RANGE past the end of an end,
 * EXIT_MISCOMPARE where all of the source is to be compared with less.
 */
int span_resolve(const struct span_request *rq, const struct sides *sides, struct span *s,
	const struct endpoint **who, char why[SPAN_WHY_ROOM]) MUST_CHECK;

#endif
