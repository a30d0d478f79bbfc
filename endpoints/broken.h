/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sequential end of which a transfer failed half-way. To repeat it would shift what is read, or
 * write a part twice: from then on whatever is submitted has the same outcome, and moves nothing.
 * One that failed before its first byte can be repeated.
 */
#ifndef ENDPOINTS_BROKEN_H
#define ENDPOINTS_BROKEN_H

#include "endpoint.h"

/* All zeros: it is not. The worker's. */
struct broken {
	int err; /* with which it failed; 0: none did */
	uint32_t done_bytes;
};

/* x fails with err after x->done_bytes. */
static inline void broken_by(struct broken *b, struct xfer *x, int err)
{
	fault_from_errno(&x->fault, err);
	if (x->done_bytes > 0)
		*b = (struct broken){ err, x->done_bytes };
}

/* True: it is, and x has its outcome. */
static inline bool broken_ends(const struct broken *b, struct xfer *x)
{
	if (!b->err)
		return false;
	x->done_bytes = (uint32_t)min_u64(b->done_bytes, x->len_bytes);
	fault_from_errno(&x->fault, b->err);
	return true;
}

#endif
