/* SPDX-License-Identifier: BSD-2-Clause */
/* The lane is the slot's own and idle: its read has come home, and its writes have not begun. */
#include "parts.h"

#include <string.h>

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

/* Not again what the map has as bad: the rest of the block was to be had once more. */
static void tell_part(struct slot *s, uint32_t at)
{
	struct failures *f = s->recipe->failures;
	const struct incident l = { .salvaged = s->salvaged, .x = s->leg[0].x };
	const struct chunk part = part_at(s, at);

	if (!feed_has(s->recipe->feed, &part, RANGE_IS(RANGE_BAD)))
		failures_add(f, &f->lost, &l);
}

/* The block, which has failed, was none that is lost as a whole. */
static void take_back_loss(struct slot *s)
{
	struct counters *c = &s->leg[0].tally->count;

	counter_add(&c->unrecovered, (uint64_t)-1);
	counter_add(&c->narrowed, 1);
}

static bool gather_several(struct slot *s)
{
	uint32_t unit = s->recipe->unit_bytes;

	take_back_loss(s);
	for (uint32_t at = 0; at < s->chunk.len_bytes; at += unit) {
		enum leg_part part = LEG_PART_UNKNOWN;

		if (!feed_is_stopped(s->recipe->feed)) /* each may take as long as timeouts say */
			part = read_part(s, at);
		if (part == LEG_PART_UNKNOWN)
			return false;
		if (part == LEG_PART_BAD) {
			salvage(s, at);
			tell_part(s, at);
		}
	}
	return true;
}

bool parts_gather(struct slot *s)
{
	s->had = 0;
	s->salvaged = false;
	if (!s->aside)
		return true;
	if (parts_are_several(s))
		return gather_several(s);
	salvage(s, 0);
	return true;
}

void parts_settle(struct slot *s)
{
	uint32_t unit = s->recipe->unit_bytes;

	if (!s->had) {
		feed_settle(s->recipe->feed, &s->chunk, RANGE_BAD);
		return;
	}
	for (uint32_t at = 0; at < s->chunk.len_bytes; at += unit) {
		const struct chunk part = part_at(s, at);
		bool had = s->had >> at / unit & 1;

		feed_settle(s->recipe->feed, &part, had ? RANGE_WRITTEN : RANGE_BAD);
	}
}
