/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ends of a run, side by side: 0 is the source; then come the destinations (role END_DEST);
 * then those that are read and compared with the source (role END_SOURCE). Where there are
 * destinations as well, the kth of those that are compared is the kth destination read back.
 */
#ifndef ENGINE_SIDES_H
#define ENGINE_SIDES_H

#include <assert.h>

#include "../endpoints/endpoint.h"

#define OUTS_MAX  8
#define SIDES_MAX (1 + 2 * OUTS_MAX)

struct sides {
	struct endpoint *end[SIDES_MAX];
	unsigned n; /* >= 2 */
};

/* A set of sides, a bit each. */
typedef uint32_t side_set_t;

static inline side_set_t side_bit(unsigned side)
{
	return (side_set_t)1 << side;
}

static inline bool side_is_check(const struct sides *s, unsigned side)
{
	assert(side < SIDES_MAX);
	/* cppcheck-suppress arrayIndexOutOfBoundsCond ; it takes n for more than SIDES_MAX */
	return side > 0 && s->end[side]->role == END_SOURCE;
}

/* Destinations and what is compared are numbered 1 to this, this + 1 to n - 1. */
static inline unsigned sides_dests(const struct sides *s)
{
	unsigned last = s->n - 1;

	while (last > 0 && side_is_check(s, last))
		last--;
	return last;
}

/* Whether data go to it: what is only dropped needs no lanes and no transfers. */
static inline bool side_moves(const struct sides *s, unsigned side)
{
	return side == 0 || side_is_check(s, side) || s->end[side]->facts.cls != END_SYNTH;
}

#endif
