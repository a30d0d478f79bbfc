/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One chunk's walk through its recipe: read, perhaps a copy between two buffers, write. No threads,
 * no blocking: a slot says what it needs next and its worker does it.
 */
#ifndef ENGINE_SLOT_H
#define ENGINE_SLOT_H

#include "../endpoints/endpoint.h"
#include "compare.h"
#include "counters.h"
#include "digest.h"
#include "feed.h"
#include "policy.h"

#define RECIPE_MAX 2

/* What all slots of a run have in common. */
struct recipe {
	unsigned steps; /* 1..RECIPE_MAX */
	struct {
		unsigned side; /* 0: source, 1: destination */
		enum xfer_op op;
	} step[RECIPE_MAX];
	uint64_t start_bytes[2];  /* of the span, on each side */
	uint32_t out_block_bytes; /* writes are whole multiples of this, */
	bool pad;		  /* a tail filled up with zeros; else it is a FAULT_TAIL */
	bool compare;		  /* both sides are read, and must be equal */
	uint32_t compare_bytes;	  /* blocks in which differences are counted */
	bool must_end;		  /* a source that has more than the span is a FAULT_FULL */
	struct feed *feed;
	struct digest *digest; /* of what is read from the source; NULL: none */
	struct policy policy;
};

enum slot_next {
	SLOT_FLYING,   /* slot_land() when the worker gets to it */
	SLOT_AGAIN,    /* slot_step(), not before slot->delay_ns has passed */
	SLOT_FINISHED, /* the chunk is where it belongs */
	SLOT_FAILED,   /* slot->x tells of what; the chunk is given up */
};

struct slot {
	const struct recipe *recipe;
	struct lane *lane[2];
	void *buf[2];		      /* the same memory, or two buffers with a copy between */
	struct counters *counters[2]; /* the worker's */
	struct miscompare *miscompare;
	struct chunk chunk;
	struct slot *next; /* the worker's list */
	unsigned step, tries;
	bool must_wait; /* the worker's word: what is home at once waits for its turn all the same
			 */
	bool is_home;	/* it is, and slot_land() need not reap it */
	uint32_t tail_bytes; /* of a last block that cannot be written */
	nsec_t delay_ns;
	struct xfer x;
};

/* Takes the chunk; follow with slot_step(). */
void slot_begin(struct slot *s, const struct chunk *c);

/* Sends the transfer of the present step. SLOT_FLYING also where must_wait holds it back. */
enum slot_next slot_step(struct slot *s);

/*
 * When all has been copied: false if the source has more, or cannot tell, and slot->x says which.
 * Only of a sequential source, whose next byte it takes.
 */
bool slot_source_ends(struct slot *s) MUST_CHECK;

/* Blocks until the transfer that slot_step() left flying is home. */
enum slot_next slot_land(struct slot *s);

#endif
