/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which bytes of which end: bs=, count=, skip=, seek= against what both ends hold. Pure.
 */
#ifndef ENGINE_SPAN_H
#define ENGINE_SPAN_H

#include "../endpoints/endpoint.h"

#define SPAN_ALL UINT64_MAX

struct span_request {
	uint32_t bs_bytes;   /* 0: the ends' block length, 512 where neither has one */
	uint64_t count;	     /* in bs, or SPAN_ALL */
	uint64_t skip, seek; /* in bs */
};

struct span {
	uint32_t bs_bytes;
	uint32_t block_bytes;	      /* transfers are whole multiples of this */
	uint64_t in_bytes, out_bytes; /* where it starts on either side */
	uint64_t len_bytes;
};

#define SPAN_WHY_ROOM 200

/*
 * Without count the span reaches to the end of the source; a destination that has less room then
 * is refused, not silently cut to fit. A tail shorter than bs, but of whole blocks, is copied.
 *
 * 0; or the exit status, *who the end that is wrong (NULL: the request itself) and why in words:
 * EXIT_CONTRADICT where lengths do not fit together, EXIT_LBA_RANGE past the end of an end.
 */
int span_resolve(const struct span_request *rq, const struct endpoint *in,
	const struct endpoint *out, struct span *s, const struct endpoint **who,
	char why[SPAN_WHY_ROOM]) MUST_CHECK;

#endif
