/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relies on the contract of endpoints/endpoint.h alone. The outcome of every transfer passes
 * through home(): counted once, judged once.
 */
#include "slot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "../scsi/reply.h"
#include "holes.h"

static uint64_t place_of(const struct leg *l)
{
	return l->start_bytes + l->slot->chunk.at_bytes;
}

/* --- a file that the data lie in --- */

static void aim_at_chunk(struct leg *l, enum xfer_op op)
{
	l->x.op = op;
	l->x.len_bytes = l->slot->chunk.len_bytes;
	l->x.offset_bytes = place_of(l);
	l->x.buf = l->slot->memory;
}

static void find_memory(struct slot *s)
{
	struct leg *l = &s->leg[s->recipe->mapped];

	s->memory = l->lane->ep->ops->memory(l->lane, place_of(l), s->chunk.len_bytes);
	if (s->memory)
		return;
	aim_at_chunk(l, XFER_READ);
	fault_from_errno(&l->x.fault, errno);
	s->cut = true;
}

static bool was_cut(const struct slot *s)
{
	const struct leg *l;

	if (s->recipe->mapped == NO_SIDE)
		return false;
	l = &s->leg[s->recipe->mapped];
	return l->lane->ep->ops->was_cut(l->lane->ep, place_of(l), s->chunk.len_bytes);
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

void slot_begin(struct slot *s, const struct chunk *c)
{
	s->chunk = *c;
	s->phase = 0;
	s->pending = 0;
	s->lost = 0;
	s->tail_bytes = 0;
	s->cut = false;
	if (s->recipe->mapped != NO_SIDE)
		find_memory(s);
}

/* --- between two phases --- */

/* As it is in the source: before a tail is padded or left out. False: it cannot be hashed. */
static bool take_digest(struct slot *s)
{
	struct digest *d = s->recipe->digest;

	return !d || digest_take(d, s->chunk.at_bytes, s->leg[0].buf, s->chunk.len_bytes);
}

/* What was read does not fill the last block of the destination. */
static COLD void trim_tail(struct slot *s)
{
	uint32_t block = s->recipe->out_block_bytes;
	uint32_t tail = s->chunk.len_bytes % block;

	if (s->recipe->pad) {
		memset((uint8_t *)s->leg[0].buf + s->chunk.len_bytes, 0, block - tail);
		s->chunk.len_bytes += block - tail;
	} else {
		s->chunk.len_bytes -= tail;
		s->tail_bytes = tail;
	}
}

static COLD void cannot_hash(struct slot *s)
{
	s->lost |= side_bit(0);
	feed_stop(s->recipe->feed);
}

static void after_read(struct slot *s)
{
	if (!take_digest(s)) {
		cannot_hash(s);
		return;
	}
	if (s->chunk.len_bytes % s->recipe->out_block_bytes != 0)
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

	s->lost |= dropped;
	s->lost |= (s->lost << r->dests) & r->checks;
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

/* False: there is no going on with the chunk. */
static bool phase_done(struct slot *s)
{
	const struct recipe *r = s->recipe;

	if (r->mapped != NO_SIDE && !s->cut && was_cut(s))
		tell_cut(s);
	if (s->cut)
		return false;
	if (s->phase == 1 && !(s->lost & side_bit(0)))
		after_read(s);
	if (s->lost & side_bit(0) || s->chunk.len_bytes == 0)
		return false;
	if (s->phase == r->phases && r->checks)
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

static void leg_reset(struct leg *l)
{
	l->tries = 0;
	l->from_bytes = 0;
	l->plain = false;
}

void slot_lose(struct leg *l)
{
	leg_reset(l);
	l->slot->lost |= side_bit(l->side);
	l->slot->pending--;
}

/* --- a leg --- */

/* A stream that ends early: the chunk is as long as what came. */
static COLD void source_ended(struct leg *l)
{
	struct slot *s = l->slot;

	assert(l->side == 0 && l->lane->ep->facts.sequential);
	s->chunk.len_bytes = l->x.done_bytes;
	feed_source_ended(s->recipe->feed, s->chunk.at_bytes + l->x.done_bytes);
}

/* A leg of several parts: false if that was the last. */
static COLD bool has_more_parts(struct leg *l)
{
	uint32_t sent = l->from_bytes + l->x.len_bytes;

	if (l->x.op == XFER_TRIM)
		counter_add(&l->tally->count.holes, l->x.done_bytes);
	if (sent >= l->slot->chunk.len_bytes)
		return false;
	leg_reset(l);
	l->from_bytes = sent;
	l->delay_ns = 0;
	return true;
}

/* The transfer is; the leg, if that was its last part. */
static enum leg_next part_done(struct leg *l)
{
	counter_add(&l->tally->count.bytes, l->x.done_bytes);
	if (l->holes && has_more_parts(l))
		return LEG_AGAIN;
	leg_reset(l);
	l->slot->pending--;
	return LEG_HOME;
}

/* ASC 29h: power on, reset, or bus device reset occurred, SPC-5 annex F. */
static bool is_reset(const struct fault *f)
{
	struct scsi_sense sense;

	return f->kind == FAULT_UNIT_ATTENTION && fault_sense(f, &sense) && sense.asc == 0x29;
}

static COLD enum leg_next trouble(struct leg *l)
{
	struct counters *c = &l->tally->count;
	struct policy_verdict v = policy_decide(&l->slot->recipe->policy, &l->x.fault, l->tries);

	if (is_reset(&l->x.fault))
		counter_add(&c->resets, 1);
	switch (v.action) {
	case POLICY_GOOD: counter_add(&c->recovered, 1); return part_done(l);
	case POLICY_RETRY:
		counter_add(&c->retries, 1);
		l->delay_ns = v.delay_ns;
		return LEG_AGAIN;
	default: counter_add(&c->unrecovered, 1); return LEG_FAILED;
	}
}

static COLD void take_notes(struct leg *l)
{
	struct counters *c = &l->tally->count;

	if (l->x.notes & XFER_NOT_DIRECT)
		counter_add(&c->not_direct_bytes, l->x.done_bytes);
	if (l->x.notes & XFER_FELL_BACK)
		counter_add(&c->fell_back, 1);
}

static COLD enum leg_next came_short(struct leg *l)
{
	if (l->side > 0) { /* what is compared must be as long as the source */
		l->x.fault.kind = FAULT_SHORT;
		return trouble(l);
	}
	source_ended(l);
	return part_done(l);
}

/* EFAULT does not tell whose fault it is. */
static bool is_for_want_of_memory(const struct leg *l)
{
	return l->x.fault.err == EFAULT && l->side != l->slot->recipe->mapped && was_cut(l->slot);
}

static COLD enum leg_next came_with_fault(struct leg *l)
{
	if (xfer_is_unsupported(&l->x)) { /* the write that follows has had no try yet */
		l->plain = true;
		l->tries = 0;
		l->delay_ns = 0;
		return LEG_AGAIN;
	}
	if (!is_for_want_of_memory(l))
		return trouble(l);
	slot_lose(l);
	return LEG_HOME;
}

static enum leg_next home(struct leg *l)
{
	counter_add(&l->tally->count.commands, 1);
	if (l->x.notes)
		take_notes(l);
	if (l->x.fault.kind != FAULT_NONE)
		return came_with_fault(l);
	return l->x.done_bytes < l->x.len_bytes ? came_short(l) : part_done(l);
}

/* The next part: up to where zeros begin or end. False: it is left out. */
static COLD bool aim_at_part(struct leg *l)
{
	const struct hole_rule *rule = l->holes;
	bool is_hole;

	l->x.len_bytes -= l->from_bytes;
	l->x.offset_bytes += l->from_bytes;
	l->x.buf = (uint8_t *)l->x.buf + l->from_bytes;
	l->x.len_bytes = holes_next(l->x.buf, l->x.len_bytes, l->x.offset_bytes, rule->grain_bytes,
		rule->max_bytes, &is_hole);
	if (!is_hole || l->plain)
		return true;
	l->x.op = XFER_TRIM;
	l->x.done_bytes = l->x.len_bytes;
	return rule->mode == HOLES_TRIM;
}

enum leg_next leg_send(struct leg *l)
{
	struct slot *s = l->slot;

	l->x.op = l->op;
	l->x.len_bytes = s->chunk.len_bytes;
	l->x.offset_bytes = place_of(l);
	l->x.buf = l->buf ? l->buf : s->memory;
	if (l->holes && !aim_at_part(l))
		return part_done(l);
	l->tries++;
	if (l->lane->ep->ops->submit(l->lane, &l->x) == XFER_WAIT)
		return LEG_FLYING;
	l->is_home = l->must_wait;
	return l->is_home ? LEG_FLYING : home(l);
}

enum leg_next leg_land(struct leg *l)
{
	if (!l->is_home)
		l->lane->ep->ops->reap(l->lane, &l->x);
	l->is_home = false;
	return home(l);
}

bool slot_source_ends(struct slot *s)
{
	struct leg *l = &s->leg[0];

	l->x.op = XFER_READ;
	l->x.len_bytes = 1;
	l->x.offset_bytes = l->start_bytes + s->recipe->feed->end_bytes;
	l->x.buf = l->buf;
	if (l->lane->ep->ops->submit(l->lane, &l->x) == XFER_WAIT)
		l->lane->ep->ops->reap(l->lane, &l->x);
	return fault_is_good(&l->x.fault) && l->x.done_bytes == 0;
}
