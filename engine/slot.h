/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One chunk's walk through its recipe: read; write to all destinations at once; perhaps read back
 * and compare. No threads, no blocking: a slot says which of its legs are to be sent next, and its
 * worker does it. A leg is what one side does with the chunk.
 *
 * Where the run goes on after errors, a slot may take its chunk apart (narrow.h): it then walks
 * through its recipe with one piece after the other, and what cannot be read is, as a block of
 * zeros, written all the same. What a stream gave is read once, and comes from memory (refill.h).
 * The slot that had the last of the source goes on with the zeros that are asked for behind it
 * (recipe->padding).
 */
#ifndef ENGINE_SLOT_H
#define ENGINE_SLOT_H

#include "leg.h"
#include "narrow.h"

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
	uint8_t *aside; /* a block of memory for what there is of a bad one; NULL: zeros are it */
	uint64_t had;	/* of that, the recipe's units that could be read */
	void *own_buf;	/* of leg[0], and of those that share it, while they have another */
	uint64_t rest_end_bytes; /* that is only a piece, what follows ends here; 0: it is all */
	bool filling;		 /* zeros, or what there is, are written for what cannot be read */
	bool salvaged;		 /* that is what the medium has of it */
	bool apart;		 /* the chunk is a piece of: */
	struct narrow narrow;
	uint64_t kept_at_bytes; /* where that began, of a stream: refill.h */
	nsec_t sent_ns;		/* the last read, where that is */
	uint32_t tail_bytes;	/* of a last block that cannot be written */
	uint32_t pad_bytes;	/* of the chunk, zeros that the source does not have */
	uint64_t claimed_at_bytes, claimed_to_bytes; /* the chunk as it was handed out */
	uint64_t padded_to_bytes; /* how far the zeros behind the source have come; 0: none yet */
	bool padding;		  /* the chunk is a piece of these */
	void *memory;		  /* recipe->mapped: where the chunk lies */
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
	const struct recipe *r = s->recipe;

	return r->records || s->failed || s->apart || s->filling || s->chunk.pass > PASS_FIRST ||
	       (r->padding.unit_bytes && s->claimed_to_bytes >= r->feed->end_bytes);
}

/*
 * Tells the feed what became of the chunk, or of the piece, and begins the next piece. *bad is set
 * to the side whose leg->x tells why a block cannot be had; or to NO_SIDE.
 */
enum slot_news slot_settle(struct slot *s, unsigned *bad);

/*
 * When nothing is pending: the legs that are to be sent now, which are pending from here on.
 * 0: the chunk is through, or given up (the source's bit is in slot->lost, or slot->cut).
 */
static inline side_set_t slot_next(struct slot *s);

/*
 * When all has been copied: false if the source has more (slot->leg[0].x is good), or cannot tell
 * (it is not). Only of a sequential source, whose next byte it takes.
 */
bool slot_source_ends(struct slot *s) MUST_CHECK;

/* Whether the file that its data lie in has this chunk no more. */
bool slot_was_cut(const struct slot *s);

/* For parts.c and pad.c: the chunk has another place and length now, of which nothing has moved. */
void slot_begin_piece(struct slot *s);

/* Likewise: what lies in the buffer of side 0 is taken from there until the next piece. */
void slot_lend_buffer(struct slot *s, void *to);

/* The side that cannot have the chunk, or NO_SIDE: what ends the run is told as that. */
unsigned slot_lost_side(const struct slot *s);

/* What is left to slot_begin() where the last chunk, or this one, is not like most. */
void slot_begin_odd(struct slot *s);

/* slot_next() of any chunk; most need nothing between their phases, and that costs less. */
side_set_t slot_next_of_any(struct slot *s);

/* Where the chunk lies on the leg's side. */
static inline uint64_t leg_place(const struct leg *l)
{
	return l->start_bytes + l->slot->chunk.at_bytes;
}

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
