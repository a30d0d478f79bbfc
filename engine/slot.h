/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One chunk's walk through its recipe: read; write to all destinations at once; perhaps read back
 * and compare. No threads, no blocking: a slot says which of its legs are to be sent next, and its
 * worker does it. A leg is what one side does with the chunk.
 *
 * Where the run goes on after errors, a slot may take its chunk apart (narrow.h): it then walks
 * through its recipe with one piece after the other, and what cannot be read is, as a block of
 * zeros, written all the same.
 */
#ifndef ENGINE_SLOT_H
#define ENGINE_SLOT_H

#include "compare.h"
#include "counters.h"
#include "digest.h"
#include "feed.h"
#include "narrow.h"
#include "policy.h"
#include "sides.h"

#define PHASES_MAX 3
#define NO_SIDE	   SIDES_MAX

/* How a side's zeros are kept from being written: holes_next()'s figures. */
struct hole_rule {
	enum hole_mode mode;
	uint32_t grain_bytes, max_bytes;
};

/* What all slots of a run have in common. */
struct recipe {
	unsigned sides;
	side_set_t phase[PHASES_MAX];	 /* the sides that move data at the same time */
	unsigned phase_legs[PHASES_MAX]; /* how many those are */
	unsigned phases;
	side_set_t writes, checks; /* which of them write; which read what is compared */
	unsigned dests; /* check k + dests is destination k read back; 0: there are none */
	uint32_t out_block_bytes;	   /* writes are whole multiples of this, */
	bool pad;			   /* a tail filled up with zeros; else slot->tail_bytes */
	bool odd;			   /* its slots are: records, or mapped */
	bool is_plain;			   /* nothing is done between two phases, but for a tail */
	bool copy_across;		   /* between the buffers of sides 0 and 1 */
	unsigned mapped;		   /* the side in whose file the data lie; NO_SIDE: none */
	unsigned written_source;	   /* the side that writes the source's disk; NO_SIDE */
	struct hole_rule holes[SIDES_MAX]; /* of the writing sides */
	uint32_t compare_bytes;		   /* blocks in which differences are counted */
	bool must_end; /* whether the source has more than the span is to be told */
	struct feed *feed;
	struct digest *digest; /* of what is read from the source; NULL: none */
	struct policy policy;
	_Atomic side_set_t dropped; /* those that failed: they get nothing more */
	/* What is done where something fails: */
	bool records;	 /* what is good is told to the feed, too */
	bool at_once;	 /* chunks have an order: what fails is taken apart where it is */
	bool reads_once; /* the source is a stream: nothing can be taken apart */
	/* Where the source's own buffer can only be read: zeros, of a chunk; room for one tail. */
	void *zeros, *room;
	side_set_t fills;		      /* those that get zeros for what cannot be read */
	uint32_t block_bytes, physical_bytes; /* of the source: narrow_begin()'s */
	_Atomic unsigned depth;		      /* slots of all workers */
	_Atomic bool hint_lies;		      /* the sense data have named a good block */
};

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

/* Between two chunks tries and from_bytes are 0, plain is false. */
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
	bool must_wait; /* the worker's word: what is home at once waits for its turn all the same
			 */
	bool is_home;	/* it is, and leg_land() need not reap it */
	bool rested;	/* its worker has slept since it was sent: once that does for it, too */
	nsec_t delay_ns;
	nsec_t failing_ns; /* since when, or since the device told of another progress: */
	unsigned progress;
	struct xfer x;
};

struct slot {
	struct recipe *recipe;
	struct leg *leg; /* recipe->sides */
	struct chunk chunk;
	struct slot *next; /* the worker's list */
	unsigned phase;
	/* The chunk is not like most: it has a tail, failed, is a piece, is to be settled. */
	bool odd;
	unsigned pending;  /* legs that were sent, or are to be sent, and are not home */
	bool one_too_many; /* the device had no room for a command of it: the chunk is its last */
	side_set_t lost;   /* whose leg was given up, in this chunk */
	side_set_t failed; /* of these, those whose data are what is wrong: LEG_LOST */
	side_set_t spared; /* those that have had their part of what is taken apart */
	void *salvage; /* a block of memory for what the medium has of a bad one; NULL: not asked */
	void *own_buf; /* of leg[0], and of those that share it, while they have another */
	uint64_t rest_end_bytes; /* that is only a piece, what follows ends here; 0: it is all */
	bool filling;		 /* zeros are written for what cannot be read */
	bool apart;		 /* the chunk is a piece of: */
	struct narrow narrow;
	nsec_t sent_ns;	     /* the last read, where that is */
	uint32_t tail_bytes; /* of a last block that cannot be written */
	uint32_t pad_bytes;  /* of the chunk, zeros that the source does not have */
	void *memory;	     /* recipe->mapped: where the chunk lies */
	bool cut; /* the file that it lies in has it no more: that side's leg tells of what */
};

/* Takes the chunk; follow with slot_next(). */
static inline void slot_begin(struct slot *s, const struct chunk *c);

enum slot_news {
	SLOT_THROUGH, /* with the whole chunk */
	SLOT_GOES_ON, /* there is a further piece, begun: slot_next() */
};

/* Whether slot_settle() is to be called when slot_next() has said that a chunk is through. */
static inline bool slot_is_to_settle(const struct slot *s)
{
	return s->recipe->records || s->failed || s->apart || s->filling ||
	       s->chunk.pass > PASS_FIRST;
}

/*
 * Tells the feed what became of the chunk, or of the piece, and begins the next piece. *bad is set
 * to the side whose leg->x tells why a block, or all of a chunk of a stream, cannot be had; or to
 * NO_SIDE.
 */
enum slot_news slot_settle(struct slot *s, unsigned *bad);

/*
 * When nothing is pending: the legs that are to be sent now, which are pending from here on.
 * 0: the chunk is through, or given up (the source's bit is in slot->lost, or slot->cut).
 */
static inline side_set_t slot_next(struct slot *s);

/* A leg that was not to be finished, or, if failed, could not be; it is pending no more. */
void slot_lose(struct leg *l, bool failed);

/*
 * When all has been copied: false if the source has more (slot->leg[0].x is good), or cannot tell
 * (it is not). Only of a sequential source, whose next byte it takes.
 */
bool slot_source_ends(struct slot *s) MUST_CHECK;

/* Sends the transfer. LEG_FLYING also where must_wait holds it back. LEG_HOME: no longer pending.
 */
enum leg_next leg_send(struct leg *l);

/* Blocks until the transfer that leg_send() left flying is home. */
enum leg_next leg_land(struct leg *l);

/* What is left to slot_begin() where the last chunk, or this one, is not like most. */
void slot_begin_odd(struct slot *s);

/* slot_next() of any chunk; most need nothing between their phases, and that costs less. */
side_set_t slot_next_of_any(struct slot *s);

static inline void slot_begin(struct slot *s, const struct chunk *c)
{
	s->chunk = *c;
	s->phase = 0;
	if (s->odd || s->recipe->odd || c->pass > PASS_FIRST ||
		c->len_bytes % s->recipe->out_block_bytes != 0)
		slot_begin_odd(s);
}

static inline side_set_t slot_next(struct slot *s)
{
	struct recipe *r = s->recipe;
	unsigned phase = s->phase;

	if (!r->is_plain || s->odd || atomic_load_explicit(&r->dropped, memory_order_relaxed))
		return slot_next_of_any(s);
	if (phase == r->phases)
		return 0;
	s->phase = phase + 1;
	s->pending = r->phase_legs[phase];
	return r->phase[phase];
}

#endif
