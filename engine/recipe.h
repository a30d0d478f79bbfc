/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all slots of a run have in common: which sides move data in which phase, and what is done
 * where one cannot. Made of the plan before the run; during it, but for the atomics, it stays.
 */
#ifndef ENGINE_RECIPE_H
#define ENGINE_RECIPE_H

#include "digest.h"
#include "failures.h"
#include "feed.h"
#include "plan.h"
#include "policy.h"
#include "sides.h"

#define PHASES_MAX 3
#define NO_SIDE	   SIDES_MAX

/* How a side's zeros are kept from being written: holes_next()'s figures. */
struct hole_rule {
	enum hole_mode mode;
	uint32_t grain_bytes, max_bytes;
};

struct recipe {
	unsigned sides;
	side_set_t phase[PHASES_MAX];	 /* the sides that move data at the same time */
	unsigned phase_legs[PHASES_MAX]; /* how many those are */
	unsigned phases;
	side_set_t writes, checks; /* which of them write; which read what is compared */
	unsigned dests; /* check k + dests is destination k read back; 0: there are none */
	uint32_t out_block_bytes;	   /* writes are whole multiples of this, */
	bool pad;			   /* a tail filled up with zeros; else slot->tail_bytes */
	struct padding padding;		   /* zeros that go on behind that; unit 0: none */
	_Atomic bool is_padded;		   /* a slot has taken it on to write them */
	bool odd;			   /* its slots are: records, or mapped */
	bool is_plain;			   /* nothing is done between two phases, but for a tail */
	bool copy_across;		   /* between the buffers of sides 0 and 1 */
	unsigned mapped;		   /* the side in whose file the data lie; NO_SIDE: none */
	unsigned written_source;	   /* the side that writes the source's disk; NO_SIDE */
	struct hole_rule holes[SIDES_MAX]; /* of the writing sides */
	uint32_t compare_bytes;		   /* blocks in which differences are counted */
	bool must_end; /* whether the source has more than the span is to be told */
	struct feed *feed;
	struct failures *failures;
	struct digest *digest; /* of what is read from the source; NULL: none */
	struct policy policy;
	_Atomic side_set_t dropped; /* those that failed: they get nothing more */
	/* What is done where something fails: */
	bool records;	 /* what is good is told to the feed, too */
	bool at_once;	 /* chunks have an order: what fails is taken apart where it is */
	bool reads_once; /* the source is a stream: what fails there ends the run */
	uint8_t *kept;	 /* a chunk of it while that is taken apart; NULL: is never needed */
	/* Where the source's own buffer can only be read: zeros, of a chunk; room for one tail. */
	void *zeros, *room;
	side_set_t fills;		      /* those that get zeros for what cannot be read */
	uint32_t block_bytes, physical_bytes; /* of the source: narrow_begin()'s */
	uint32_t unit_bytes; /* what is bad alone: such a block, or, of several, one of the source's
			      */
	_Atomic unsigned depth; /* slots of all workers */
	_Atomic bool hint_lies; /* the sense data have named a good block */
};

/* *r is zeroed; its feed, failures, digest, zeros, room and kept are the caller's to set. */
void recipe_make(struct recipe *r, const struct plan *p, const struct span *s,
	const struct sides *sides, const struct policy *policy);

#endif
