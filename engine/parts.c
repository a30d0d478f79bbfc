/* SPDX-License-Identifier: BSD-2-Clause */
/* The lane is the slot's own and idle: its read has come home, and its writes have not begun. */
#include "parts.h"

#include <string.h>

#define HAD_BEFORE (RANGE_IS(RANGE_DONE) | RANGE_IS(RANGE_WRITTEN))

bool parts_are_several(const struct slot *s)
{
	return s->aside && s->chunk.len_bytes > s->recipe->unit_bytes;
}

static enum leg_part read_part(struct slot *s, uint32_t at)
{
	struct leg *l = &s->leg[0];
	enum leg_part part = leg_read_part(l, at, s->recipe->unit_bytes);

	if (part != LEG_PART_GOOD)
		return part;
	memcpy(s->aside + at, l->x.buf, l->x.len_bytes);
	s->had |= UINT64_C(1) << at / s->recipe->unit_bytes;
	return part;
}

static void salvage(struct slot *s, uint32_t at)
{
	const struct recipe *r = s->recipe;
	struct endpoint *ep = s->leg[0].lane->ep;

	s->salvaged = r->policy.salvage && ep->ops->salvage &&
		      r->unit_bytes == ep->facts.block_bytes &&
		      ep->ops->salvage(ep, leg_place(&s->leg[0]) + at, s->aside + at);
	counter_add(&s->leg[0].tally->count.salvaged, s->salvaged);
	if (!s->salvaged)
		memset(s->aside + at, 0, r->unit_bytes);
}

static struct chunk part_at(const struct slot *s, uint32_t at)
{
	struct chunk part = s->chunk;

	part.at_bytes += at;
	part.len_bytes = s->recipe->unit_bytes;
	return part;
}

static bool part_is(const struct slot *s, uint32_t at, unsigned set)
{
	const struct chunk part = part_at(s, at);

	return feed_has(s->recipe->feed, &part, set);
}

/* The destinations have something of it, from before. */
static bool is_there(const struct slot *s, uint32_t at)
{
	return part_is(s, at, HAD_BEFORE);
}

static void part_is_bad(struct slot *s, uint32_t at)
{
	struct counters *c = &s->leg[0].tally->count;
	struct failures *f = s->recipe->failures;
	struct incident l = { .x = s->leg[0].x };

	if (is_there(s, at)) {
		counter_add(&c->narrowed, 1);
		return;
	}
	salvage(s, at);
	l.salvaged = s->salvaged;
	if (part_is(s, at, RANGE_IS(RANGE_BAD))) { /* it has been told */
		counter_add(&c->narrowed, 1);
		return;
	}
	counter_add(&c->unrecovered, 1);
	failures_add(f, &f->lost, &l);
}

/* The block, which has failed, was none that is lost as a whole. */
static void take_back_loss(struct slot *s)
{
	struct counters *c = &s->leg[0].tally->count;

	if (s->chunk.pass == PASS_AGAIN)
		return;
	counter_add(&c->unrecovered, (uint64_t)-1);
	counter_add(&c->narrowed, 1);
}

/* To go on behind a block that is left would shift what a stream gets: the run ends. */
static void end_in_order(struct slot *s)
{
	const struct recipe *r = s->recipe;

	if (!r->at_once || feed_is_stopped(r->feed))
		return;
	failures_note(r->failures, 0, &s->leg[0].x);
	feed_stop(r->feed);
}

/* False: of one it is not known whether it can be had. */
static bool read_parts(struct slot *s)
{
	uint32_t unit = s->recipe->unit_bytes;

	for (uint32_t at = 0; at < s->chunk.len_bytes; at += unit) {
		enum leg_part part = LEG_PART_UNKNOWN;

		if (!feed_is_stopped(s->recipe->feed)) /* each may take as long as timeouts say */
			part = read_part(s, at);
		if (part == LEG_PART_UNKNOWN) {
			end_in_order(s);
			return false;
		}
		if (part == LEG_PART_BAD)
			part_is_bad(s, at);
	}
	return true;
}

static enum parts_news judge(const struct slot *s)
{
	bool is_worth_it = s->chunk.pass != PASS_AGAIN;

	for (uint32_t at = 0, n = 0; at < s->chunk.len_bytes; at += s->recipe->unit_bytes, n++) {
		bool had = s->had >> n & 1;

		if (!had && is_there(s, at))
			return PARTS_KEPT;
		is_worth_it |= had && part_is(s, at, RANGE_IS_ANY & ~HAD_BEFORE);
	}
	return is_worth_it ? PARTS_READY : PARTS_AS_BEFORE;
}

static enum parts_news gather_several(struct slot *s)
{
	uint64_t read_bytes;
	enum parts_news news;

	take_back_loss(s);
	news = read_parts(s) ? judge(s) : PARTS_UNKNOWN;
	read_bytes = (uint64_t)__builtin_popcountll(s->had) * s->recipe->unit_bytes;
	if (news != PARTS_READY) /* in vain: when they are read again they count */
		counter_add(&s->leg[0].tally->count.bytes, -read_bytes);
	return news;
}

enum parts_news parts_gather(struct slot *s)
{
	s->had = 0;
	s->salvaged = false;
	if (!s->aside)
		return PARTS_READY;
	if (parts_are_several(s))
		return gather_several(s);
	salvage(s, 0);
	return PARTS_READY;
}

void parts_settle(struct slot *s, enum range_status had_as)
{
	uint32_t unit = s->recipe->unit_bytes;

	if (!s->had) {
		feed_settle(s->recipe->feed, &s->chunk, RANGE_BAD);
		return;
	}
	for (uint32_t at = 0; at < s->chunk.len_bytes; at += unit) {
		const struct chunk part = part_at(s, at);
		bool had = s->had >> at / unit & 1;

		feed_settle(s->recipe->feed, &part, had ? had_as : RANGE_BAD);
	}
}
