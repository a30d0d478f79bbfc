/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done between a chunk's transfers, and what is made of it when some of them failed.
 */
#include "slot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "pad.h"
#include "parts.h"
#include "refill.h"

/* --- a file that the data lie in --- */

static void aim_at_chunk(struct leg *l, enum xfer_op op)
{
	l->x.op = op;
	l->x.len_bytes = l->slot->chunk.len_bytes;
	l->x.offset_bytes = leg_place(l);
	l->x.buf = l->slot->memory;
}

static void find_memory(struct slot *s)
{
	struct leg *l = &s->leg[s->recipe->mapped];

	s->memory = l->lane->ep->ops->memory(l->lane, leg_place(l), s->chunk.len_bytes);
	if (s->memory)
		return;
	aim_at_chunk(l, XFER_READ);
	fault_from_errno(&l->x.fault, errno);
	s->cut = true;
}

bool slot_was_cut(const struct slot *s)
{
	const struct leg *l;

	if (s->recipe->mapped == NO_SIDE)
		return false;
	l = &s->leg[s->recipe->mapped];
	return l->lane->ep->ops->was_cut(l->lane->ep, leg_place(l), s->chunk.len_bytes);
}

/* Its own transfer says best how much is left of it. */
static COLD void tell_cut(struct slot *s)
{
	struct leg *l = &s->leg[s->recipe->mapped];

	aim_at_chunk(l, l->side == 0 ? XFER_READ : XFER_WRITE);
	(void)l->lane->ep->ops->submit(l->lane, &l->x);
	if (l->x.fault.kind == FAULT_NONE) /* it has grown again */
		l->x.fault.kind = FAULT_SHORT;
	s->cut = true;
}

/* What lies in one buffer for all sides lies in the other from now on. */
static COLD void move_buffer(struct slot *s, void *to)
{
	void *from = s->leg[0].buf;

	for (unsigned side = 0; side < s->recipe->sides; side++)
		if (s->leg[side].buf == from)
			s->leg[side].buf = to;
}

/* Twice where zeros, or what was salvaged, are of a tail that is padded. */
void slot_lend_buffer(struct slot *s, void *to)
{
	if (!s->own_buf)
		s->own_buf = s->leg[0].buf;
	move_buffer(s, to);
}

void slot_begin_piece(struct slot *s)
{
	if (s->own_buf) {
		move_buffer(s, s->own_buf);
		s->own_buf = NULL;
	}
	s->phase = 0;
	s->pending = 0;
	s->lost = s->spared;
	s->failed = 0;
	s->tail_bytes = 0;
	s->pad_bytes = 0;
	s->cut = false;
	if (s->recipe->mapped != NO_SIDE)
		find_memory(s);
}

/* Where that was of a piece, of which some had their part, on with what follows. */
static COLD bool next_of_narrow(struct slot *s, struct piece *p)
{
	if (narrow_next(&s->narrow, p))
		return true;
	if (s->rest_end_bytes == 0)
		return false;
	s->narrow.end_bytes = s->rest_end_bytes;
	s->rest_end_bytes = 0;
	s->spared = 0;
	return narrow_next(&s->narrow, p);
}

/* Through: all of the chunk has been told, or the run ends. */
static COLD enum slot_news next_piece(struct slot *s)
{
	struct piece p;

	s->apart = !feed_is_stopped(s->recipe->feed) && next_of_narrow(s, &p);
	if (!s->apart)
		return SLOT_THROUGH;
	s->chunk.at_bytes = p.at_bytes - s->leg[0].start_bytes;
	s->chunk.len_bytes = p.len_bytes;
	slot_begin_piece(s);
	if (s->recipe->reads_once)
		refill_piece(s);
	return SLOT_GOES_ON;
}

/*
 * Where blocks of the source end is a matter of its own addresses; what pads the last of them is
 * not in it.
 */
static COLD enum slot_news take_apart(struct slot *s, uint64_t hint_bytes)
{
	const struct recipe *r = s->recipe;
	uint64_t left = r->feed->end_bytes - s->chunk.at_bytes;

	if (r->reads_once)
		refill_keep(s);
	narrow_begin(&s->narrow, leg_place(&s->leg[0]), (uint32_t)min_u64(s->chunk.len_bytes, left),
		r->block_bytes, r->physical_bytes, hint_bytes);
	return next_piece(s);
}

/* The sense data's of when the chunk was tried as a whole. */
static COLD uint64_t hint_from_before(const struct slot *s)
{
	uint64_t hint = feed_take_hint(s->recipe->feed, &s->chunk);

	return s->recipe->hint_lies || hint == FEED_NO_HINT ? NARROW_NO_HINT
							    : s->leg[0].start_bytes + hint;
}

void slot_begin_odd(struct slot *s)
{
	s->odd = s->recipe->odd || s->chunk.pass > PASS_FIRST ||
		 s->chunk.len_bytes % s->recipe->out_block_bytes != 0;
	s->spared = 0;
	s->rest_end_bytes = 0;
	s->apart = false;
	s->claimed_at_bytes = s->chunk.at_bytes;
	s->claimed_to_bytes = s->chunk.at_bytes + s->chunk.len_bytes;
	s->padded_to_bytes = 0;
	slot_begin_piece(s);
	if (s->chunk.pass == PASS_NARROW)
		(void)take_apart(s, hint_from_before(s)); /* or all at once, if the run ends */
}

/* --- between two phases --- */

/*
 * As it is in the source: before a tail is padded or left out; not what stands for a bad block, nor
 * what follows the end. False: it cannot be hashed.
 */
static bool take_digest(struct slot *s)
{
	struct digest *d = s->recipe->digest;

	return !d || s->filling || s->padding ||
	       digest_take(d, s->chunk.at_bytes, s->leg[0].buf, s->chunk.len_bytes);
}

static COLD void add_zeros(struct slot *s, uint32_t pad_bytes)
{
	s->odd = true;
	s->pad_bytes = pad_bytes;
	if (s->recipe->room) {
		memcpy(s->recipe->room, s->leg[0].buf, s->chunk.len_bytes);
		slot_lend_buffer(s, s->recipe->room);
	}
	memset((uint8_t *)s->leg[0].buf + s->chunk.len_bytes, 0, s->pad_bytes);
	s->chunk.len_bytes += s->pad_bytes;
}

/* What was read does not fill the last block of the destination, or of the source. */
static COLD void trim_tail(struct slot *s)
{
	const struct recipe *r = s->recipe;
	uint32_t tail = s->chunk.len_bytes % r->out_block_bytes;
	uint64_t pad = tail ? r->out_block_bytes - tail : 0;

	if (r->padding.unit_bytes)
		pad = max_u64(pad, pad_reach(s) - r->feed->end_bytes);
	if (r->pad && pad > 0) {
		add_zeros(s, (uint32_t)pad);
	} else if (tail) {
		s->odd = true;
		s->chunk.len_bytes -= tail;
		s->tail_bytes = tail;
	}
}

static COLD void cannot_hash(struct slot *s)
{
	s->odd = true;
	s->lost |= side_bit(0);
	feed_stop(s->recipe->feed);
}

static void after_read(struct slot *s)
{
	if (!take_digest(s)) {
		cannot_hash(s);
		return;
	}
	if (s->chunk.len_bytes % s->recipe->out_block_bytes != 0 || s->recipe->padding.unit_bytes)
		trim_tail(s);
	if (s->recipe->copy_across)
		memcpy(s->leg[1].buf, s->leg[0].buf, s->chunk.len_bytes);
}

static void compare_sides(struct slot *s)
{
	const struct recipe *r = s->recipe;

	for (unsigned side = 1; side < r->sides; side++)
		if (r->checks & ~s->lost & side_bit(side))
			compare_chunk(&s->leg[side].tally->miscompare, s->leg[0].buf,
				s->leg[side].buf, s->chunk.len_bytes, r->compare_bytes,
				s->chunk.at_bytes);
}

/* Those of the phase but for those that failed, with this chunk or before. */
static COLD side_set_t legs_left(struct slot *s, side_set_t legs, side_set_t dropped)
{
	const struct recipe *r = s->recipe;

	s->odd = true;
	s->lost |= dropped;
	s->lost |= ((s->lost & ~s->spared) << r->dests) & r->checks;
	legs &= ~s->lost;
	s->pending = (unsigned)__builtin_popcount(legs);
	return legs;
}

static side_set_t legs_of_phase(struct slot *s)
{
	struct recipe *r = s->recipe;
	side_set_t dropped = atomic_load_explicit(&r->dropped, memory_order_relaxed);
	side_set_t legs = r->phase[s->phase];

	s->pending = r->phase_legs[s->phase++];
	return s->lost | dropped ? legs_left(s, legs, dropped) : legs;
}

/*
 * A part of what is taken apart is moved again by all that have not had theirs; when it fails for
 * the first time, those that are good are not asked again (spare()).
 */
static COLD bool comes_again(const struct slot *s)
{
	return s->failed && s->spared && s->chunk.len_bytes > s->recipe->block_bytes;
}

/* False: there is no going on with the chunk. */
static bool phase_done(struct slot *s)
{
	const struct recipe *r = s->recipe;

	if (r->mapped != NO_SIDE && !s->cut && slot_was_cut(s))
		tell_cut(s);
	if (s->cut)
		return false;
	if (s->phase == 1 && !(s->lost & side_bit(0)))
		after_read(s);
	if (s->lost & side_bit(0) || s->chunk.len_bytes == 0)
		return false;
	if (s->phase == r->phases && r->checks && !comes_again(s))
		compare_sides(s);
	return true;
}

side_set_t slot_next_of_any(struct slot *s)
{
	unsigned phases = s->recipe->phases;
	side_set_t legs = 0;

	if ((s->phase > 0 || s->cut) && !phase_done(s))
		return 0;
	while (s->phase < phases && legs == 0)
		legs = legs_of_phase(s);
	return legs;
}

/* --- what became of a chunk, where the run goes on or remembers --- */

/* In the source, by the first leg that failed; what has turned out to be a lie is not believed. */
static COLD uint64_t hint_of(const struct slot *s)
{
	const struct leg *l = &s->leg[__builtin_ctz(s->failed)];
	const struct fault *f = &l->x.fault;
	uint64_t at;

	if (!f->info_valid || s->recipe->hint_lies ||
		!checked_mul(f->info_lba, l->lane->ep->facts.block_bytes, &at) ||
		at < l->start_bytes)
		return NARROW_NO_HINT;
	return at - l->start_bytes + s->leg[0].start_bytes;
}

/*
 * Zeros stand for what cannot be read, or what there is of it all the same; not in a destination
 * that had its part when it could be read, which is not compared with them either.
 */
static COLD void begin_fill(struct slot *s)
{
	const struct recipe *r = s->recipe;

	slot_begin_piece(s);
	s->lost |= (r->writes & ~r->fills) | ((s->spared << r->dests) & r->checks);
	s->phase = 1;
	if (r->zeros)
		slot_lend_buffer(s, s->aside ? s->aside : r->zeros);
	else if (s->aside)
		memcpy(s->leg[0].buf, s->aside, s->chunk.len_bytes);
	else
		memset(s->leg[0].buf, 0, s->chunk.len_bytes);
	after_read(s);
}

unsigned slot_lost_side(const struct slot *s)
{
	unsigned side = (unsigned)__builtin_ctz(s->failed);

	return leg_goes_on(&s->leg[side]) ? side : NO_SIDE;
}

static COLD enum slot_news is_bad(struct slot *s)
{
	parts_settle(s, RANGE_WRITTEN);
	return s->apart ? next_piece(s) : SLOT_THROUGH;
}

/* For another run to try. */
static COLD enum slot_news is_left(struct slot *s)
{
	feed_settle(s->recipe->feed, &s->chunk, RANGE_FAILED);
	return s->apart ? next_piece(s) : SLOT_THROUGH;
}

/*
 * Nobody comes back to what the map calls bad: where the run ended before the zeros were written,
 * the next one is to write them.
 */
static COLD enum slot_news fill_done(struct slot *s)
{
	const struct recipe *r = s->recipe;

	s->filling = false;
	if (r->fills & s->lost & ~s->failed & ~s->spared & ~r->dropped)
		return SLOT_THROUGH;
	if (s->failed)
		s->had = 0; /* what could be read is not there either */
	return is_bad(s);
}

/* Of a map from elsewhere, with other blocks: what another run has got of this one stays. */
static COLD bool has_done(const struct slot *s)
{
	return feed_has(s->recipe->feed, &s->chunk, RANGE_IS(RANGE_DONE));
}

static COLD enum slot_news stays_as_it_is(struct slot *s)
{
	return s->apart ? next_piece(s) : SLOT_THROUGH;
}

static COLD enum slot_news is_kept(struct slot *s)
{
	parts_settle(s, RANGE_FAILED);
	return stays_as_it_is(s);
}

/* What stands for a block that cannot be read, or what there is of it, is to be written. */
static COLD enum slot_news fill(struct slot *s)
{
	switch (parts_gather(s)) {
	case PARTS_READY: break;
	case PARTS_AS_BEFORE: return stays_as_it_is(s);
	case PARTS_KEPT: return is_kept(s);
	default: return is_left(s);
	}
	s->filling = true;
	begin_fill(s);
	return SLOT_GOES_ON;
}

/* It will be read once more, in the last pass, and counts then. */
static COLD void count_later(struct slot *s)
{
	const struct feed_map *m = &s->recipe->feed->map;

	if (m->again && !m->first_only && s->chunk.pass != PASS_AGAIN)
		counter_add(&s->leg[0].tally->count.bytes, -(uint64_t)s->chunk.len_bytes);
}

/*
 * A block that cannot be had. One that is known to be bad stays so, but for those of its parts that
 * can be had by now; by a reset, what else is in it may be untried.
 */
static COLD enum slot_news bad_block(struct slot *s, unsigned *bad)
{
	bool is_known = s->chunk.pass == PASS_AGAIN;
	bool unread = (s->failed & side_bit(0)) != 0;
	bool of_parts = unread && parts_are_several(s);
	unsigned without = slot_lost_side(s);

	s->had = 0;
	s->salvaged = false;
	if (is_known && !of_parts)
		return stays_as_it_is(s);
	if (!of_parts) /* it is told of its parts */
		*bad = without;
	if (without == NO_SIDE) /* the run ends with it, and nothing is written for it */
		return is_left(s);
	if (of_parts || (unread && s->recipe->fills && !has_done(s)))
		return fill(s);
	if (!unread)
		count_later(s);
	return is_bad(s);
}

/* Those that are good, up to the end of the chunk or piece. */
static COLD void spare(struct slot *s)
{
	const struct recipe *r = s->recipe;

	s->spared = (r->writes | r->checks) & ~s->lost;
	if (!s->spared || !s->apart)
		return;
	s->rest_end_bytes = s->narrow.end_bytes;
	s->narrow.end_bytes = leg_place(&s->leg[0]) + s->chunk.len_bytes;
}

/*
 * Those that were written need no second copy, but of the pieces of what several could not write.
 * What is moved once more counts once; a stream is not read once more.
 */
static COLD void move_again(struct slot *s)
{
	const struct recipe *r = s->recipe;
	side_set_t again;

	if (feed_is_stopped(r->feed))
		return;
	if (!s->spared)
		spare(s);
	again = ((r->reads_once ? 0 : side_bit(0)) | r->writes | r->checks) & ~s->spared & ~s->lost;
	for (; again; again &= again - 1) {
		struct leg *l = &s->leg[__builtin_ctz(again)];
		uint64_t moved = s->chunk.len_bytes + (l->side > 0 ? s->pad_bytes : 0);

		counter_add(&l->tally->count.bytes, -moved);
		counter_add(&l->tally->count.holes, -(uint64_t)l->hole_bytes);
	}
}

static COLD void remember_hint(struct slot *s)
{
	uint64_t hint = hint_of(s);

	if (hint != NARROW_NO_HINT)
		feed_hint(s->recipe->feed, hint - s->leg[0].start_bytes);
}

/* The chunk as a whole: now or later its parts are tried. */
static COLD enum slot_news whole_failed(struct slot *s, unsigned *bad)
{
	const struct recipe *r = s->recipe;

	if (s->chunk.len_bytes <= r->block_bytes)
		return bad_block(s, bad);
	feed_settle(r->feed, &s->chunk, RANGE_FAILED);
	if (s->failed & side_bit(0) && r->reads_once) /* it has no next byte */
		return SLOT_THROUGH;
	if (s->failed & side_bit(0) && !r->at_once) {
		remember_hint(s);
		return SLOT_THROUGH;
	}
	if (!(s->failed & side_bit(0)))
		move_again(s);
	return take_apart(s, hint_of(s));
}

static COLD enum slot_news piece_failed(struct slot *s, unsigned *bad)
{
	if (!s->apart)
		return whole_failed(s, bad);
	if (narrow_failed(&s->narrow, hint_of(s)) == NARROW_BAD_BLOCK)
		return bad_block(s, bad);
	if (!(s->failed & side_bit(0)))
		move_again(s);
	return next_piece(s); /* a part of it */
}

/* Nobody is left who needs what is left of the chunk. */
static bool is_in_vain(const struct slot *s)
{
	const struct recipe *r = s->recipe;
	side_set_t needs = (r->writes | r->checks) & ~s->spared;

	return needs && (needs & ~r->dropped) == 0 && (!s->spared || s->rest_end_bytes == 0);
}

/* What a run that ends has not done is left as it was. */
static bool is_given_up(const struct slot *s)
{
	side_set_t gone = s->lost & ~s->spared & ~s->failed & ~s->recipe->dropped;

	return gone || s->cut || is_in_vain(s);
}

/* They have written this piece, and were dropped since: they lack what follows. */
static COLD void note_rest(struct slot *s)
{
	side_set_t without = s->recipe->writes & ~s->spared & ~s->lost;

	for (; without; without &= without - 1)
		leg_lacks(&s->leg[__builtin_ctz(without)], s->chunk.at_bytes + s->chunk.len_bytes);
}

/* The side that the rest was to be moved again for is gone; the others have it. */
static COLD void forget_rest(struct slot *s)
{
	struct chunk rest = s->chunk;
	uint32_t left;

	if (!s->apart || !s->spared || !is_in_vain(s))
		return;
	note_rest(s);
	left = (uint32_t)(s->narrow.end_bytes - leg_place(&s->leg[0]));
	if (!s->recipe->reads_once)
		counter_add(&s->leg[0].tally->count.bytes, left - s->chunk.len_bytes);
	rest.len_bytes = left;
	feed_settle(s->recipe->feed, &rest, RANGE_WRITTEN);
}

static COLD enum slot_news settle_piece(struct slot *s, unsigned *bad)
{
	struct recipe *r = s->recipe;

	s->chunk.len_bytes -= s->pad_bytes; /* the map, and what is read again, are the source's */
	if (s->filling)
		return fill_done(s);
	if (s->failed)
		return piece_failed(s, bad);
	if (is_given_up(s)) {
		forget_rest(s);
		s->apart = false;
		return SLOT_THROUGH;
	}
	if (r->records || s->chunk.pass > PASS_FIRST || s->apart)
		feed_settle(r->feed, &s->chunk, RANGE_WRITTEN);
	if (!s->apart)
		return SLOT_THROUGH;
	if (narrow_good(&s->narrow) == NARROW_LIE)
		r->hint_lies = true;
	return next_piece(s);
}

enum slot_news slot_settle(struct slot *s, unsigned *bad)
{
	enum slot_news news;

	*bad = NO_SIDE;
	if (s->padding)
		return pad_settle(s, bad);
	news = settle_piece(s, bad);
	return news == SLOT_THROUGH && pad_begin(s) ? SLOT_GOES_ON : news;
}

bool slot_source_ends(struct slot *s)
{
	struct leg *l = &s->leg[0];

	s->chunk.at_bytes = s->recipe->feed->end_bytes;
	s->chunk.len_bytes = 1;
	aim_at_chunk(l, XFER_READ);
	l->x.buf = l->buf;
	if (l->lane->ep->ops->submit(l->lane, &l->x) == XFER_WAIT)
		l->lane->ep->ops->reap(l->lane, &l->x);
	return fault_is_good(&l->x.fault) && l->x.done_bytes == 0;
}
