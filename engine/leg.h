/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one side does with a slot's chunk: a transfer, or several where zeros are holes, each sent
 * until it is good or the policy has no more patience. No threads; only leg_land() blocks.
 */
#ifndef ENGINE_LEG_H
#define ENGINE_LEG_H

#include "compare.h"
#include "counters.h"
#include "recipe.h"

/* One side of one worker. */
struct tally {
	struct counters count;
	struct miscompare miscompare; /* of a side that is compared */
	uint64_t missing_bytes; /* of a side that writes: from where in the span it lacks something
				 * that is in no map; UINT64_MAX: nothing */
};

enum leg_next {
	LEG_FLYING, /* leg_land() when the worker gets to it */
	LEG_AGAIN,  /* leg_send(), not before leg->delay_ns has passed */
	LEG_HOME,   /* done */
	LEG_LOST,   /* leg->x tells of what; the run goes on without this piece */
	LEG_FAILED, /* leg->x tells of what; the side is to be given up */
};

/* Between two chunks tries and from_bytes are 0, plain and started false. */
struct leg {
	struct slot *slot;
	struct lane *lane;   /* NULL: the side moves nothing */
	void *buf;	     /* NULL: slot->memory */
	struct tally *tally; /* the worker's */
	unsigned side, tries;
	enum xfer_op op;	       /* of its transfers, where zeros are no holes */
	uint64_t start_bytes;	       /* of the span, on this side */
	bool odd;		       /* it has what most have not: */
	bool paced;		       /* its pace is told: the source's, where the policy is */
	const struct hole_rule *holes; /* NULL: zeros are written */
	uint32_t from_bytes; /* of the chunk, what is to be sent next: a leg may have several parts
			      */
	uint32_t hole_bytes; /* of the parts of this piece, zeros that were not written */
	bool plain;	     /* a trim was not granted: the zeros are written */
	bool started;	     /* the unit was, for this transfer */
	bool must_wait; /* the worker's word: what is home at once waits for its turn all the same
			 */
	bool is_home;	/* it is, and leg_land() need not reap it */
	bool rested;	/* its worker has slept since it was sent: once that does for it, too */
	nsec_t delay_ns;
	nsec_t failing_ns; /* since when, or since the device told of another progress: */
	unsigned progress;
	struct xfer x;
};

/* Sends the transfer. LEG_FLYING also where must_wait holds it back. LEG_HOME: no longer pending.
 */
enum leg_next leg_send(struct leg *l);

/* Blocks until the transfer that leg_send() left flying is home. */
enum leg_next leg_land(struct leg *l);

enum leg_part {
	LEG_PART_GOOD,	  /* it is in leg->x.buf, the start of leg->buf */
	LEG_PART_BAD,	  /* leg->x tells of what; the caller counts it */
	LEG_PART_UNKNOWN, /* the side fails in a way that says nothing of the part */
};

/*
 * Reads a part of what has failed as a whole, when nothing of the leg flies: repeats what may be
 * repeated at once, and as often as the block itself what retries= is for; blocks meanwhile.
 */
enum leg_part leg_read_part(struct leg *l, uint32_t at_bytes, uint32_t len_bytes) MUST_CHECK;

/* A leg that was not to be finished, or, if failed, could not be; it is pending no more. */
void leg_lose(struct leg *l, bool failed);

/* The leg's side lacks something from there in the span on that is in no map. */
static inline void leg_lacks(struct leg *l, uint64_t from_bytes)
{
	l->tally->missing_bytes = min_u64(l->tally->missing_bytes, from_bytes);
}

/* Whether the run does without what this leg cannot move. */
bool leg_goes_on(const struct leg *l);

#endif
