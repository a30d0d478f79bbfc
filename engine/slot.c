/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relies on the contract of endpoints/endpoint.h alone. The outcome of every transfer passes
 * through home(): counted once, judged once.
 */
#include "slot.h"

#include <assert.h>
#include <string.h>

#include "../scsi/reply.h"

void slot_begin(struct slot *s, const struct chunk *c)
{
	s->chunk = *c;
	s->step = 0;
	s->tries = 0;
	s->delay_ns = 0;
	s->is_home = false;
	s->tail_bytes = 0;
}

static enum slot_next finish(struct slot *s)
{
	if (s->recipe->compare)
		compare_chunk(s->miscompare, s->buf[0], s->buf[1], s->chunk.len_bytes,
			s->recipe->compare_bytes, s->chunk.at_bytes);
	if (s->tail_bytes == 0)
		return SLOT_FINISHED;
	memset(&s->x.fault, 0, sizeof(s->x.fault));
	s->x.fault.kind = FAULT_TAIL;
	s->x.len_bytes = s->tail_bytes;
	return SLOT_FAILED;
}

/* A stream that ends early: the chunk is as long as what came. */
static COLD void source_ended(struct slot *s)
{
	assert(s->x.op == XFER_READ && s->lane[0]->ep->facts.sequential);
	s->chunk.len_bytes = s->x.done_bytes;
	feed_source_ended(s->recipe->feed, s->chunk.at_bytes + s->x.done_bytes);
}

/* What was read does not fill the last block of the destination. */
static COLD void trim_tail(struct slot *s)
{
	uint32_t block = s->recipe->out_block_bytes;
	uint32_t tail = s->chunk.len_bytes % block;

	if (s->recipe->pad) {
		memset((uint8_t *)s->buf[0] + s->chunk.len_bytes, 0, block - tail);
		s->chunk.len_bytes += block - tail;
	} else {
		s->chunk.len_bytes -= tail;
		s->tail_bytes = tail;
	}
}

/* As it is in the source: before a tail is padded or left out. False: it cannot be hashed. */
static bool take_digest(struct slot *s)
{
	struct digest *d = s->recipe->digest;

	if (!d || s->recipe->step[s->step].side != 0)
		return true;
	return digest_take(d, s->chunk.at_bytes, s->buf[0], s->chunk.len_bytes);
}

static enum slot_next step_done(struct slot *s)
{
	if (!take_digest(s)) {
		s->x.fault.kind = FAULT_OTHER;
		return SLOT_FAILED;
	}
	if (++s->step == s->recipe->steps)
		return finish(s);
	s->tries = 0;
	s->delay_ns = 0;
	if (s->chunk.len_bytes % s->recipe->out_block_bytes != 0)
		trim_tail(s);
	if (s->chunk.len_bytes == 0)
		return finish(s);
	if (s->buf[0] != s->buf[1] && !s->recipe->compare)
		memcpy(s->buf[1], s->buf[0], s->chunk.len_bytes);
	return SLOT_AGAIN;
}

/* ASC 29h: power on, reset, or bus device reset occurred, SPC-5 annex F. */
static bool is_reset(const struct fault *f)
{
	struct scsi_sense sense;

	return f->kind == FAULT_UNIT_ATTENTION && fault_sense(f, &sense) && sense.asc == 0x29;
}

static COLD enum slot_next trouble(struct slot *s, struct counters *c)
{
	struct policy_verdict v = policy_decide(&s->recipe->policy, &s->x.fault, s->tries);

	if (is_reset(&s->x.fault))
		counter_add(&c->resets, 1);
	switch (v.action) {
	case POLICY_GOOD:
		counter_add(&c->recovered, 1);
		counter_add(&c->bytes, s->x.done_bytes);
		return step_done(s);
	case POLICY_RETRY:
		counter_add(&c->retries, 1);
		s->delay_ns = v.delay_ns;
		return SLOT_AGAIN;
	default: counter_add(&c->unrecovered, 1); return SLOT_FAILED;
	}
}

static COLD void take_notes(struct slot *s, struct counters *c)
{
	if (s->x.notes & XFER_NOT_DIRECT)
		counter_add(&c->not_direct_bytes, s->x.done_bytes);
	if (s->x.notes & XFER_FELL_BACK)
		counter_add(&c->fell_back, 1);
}

static enum slot_next home(struct slot *s)
{
	struct counters *c = s->counters[s->recipe->step[s->step].side];

	counter_add(&c->commands, 1);
	if (s->x.notes)
		take_notes(s, c);
	if (s->x.fault.kind != FAULT_NONE)
		return trouble(s, c);
	if (s->x.done_bytes < s->x.len_bytes)
		source_ended(s);
	counter_add(&c->bytes, s->x.done_bytes);
	return step_done(s);
}

enum slot_next slot_step(struct slot *s)
{
	const struct recipe *r = s->recipe;
	unsigned side = r->step[s->step].side;
	struct lane *lane = s->lane[side];

	s->x.op = r->step[s->step].op;
	s->x.len_bytes = s->chunk.len_bytes;
	s->x.offset_bytes = r->start_bytes[side] + s->chunk.at_bytes;
	s->x.buf = s->buf[side];
	s->tries++;
	if (lane->ep->ops->submit(lane, &s->x) == XFER_WAIT)
		return SLOT_FLYING;
	s->is_home = s->must_wait;
	return s->is_home ? SLOT_FLYING : home(s);
}

enum slot_next slot_land(struct slot *s)
{
	struct lane *lane = s->lane[s->recipe->step[s->step].side];

	if (!s->is_home)
		lane->ep->ops->reap(lane, &s->x);
	s->is_home = false;
	return home(s);
}

bool slot_source_ends(struct slot *s)
{
	struct lane *lane = s->lane[0];

	s->step = 0;
	s->x.op = XFER_READ;
	s->x.len_bytes = 1;
	s->x.offset_bytes = s->recipe->start_bytes[0] + s->recipe->feed->end_bytes;
	s->x.buf = s->buf[0];
	if (lane->ep->ops->submit(lane, &s->x) == XFER_WAIT)
		lane->ep->ops->reap(lane, &s->x);
	if (!fault_is_good(&s->x.fault))
		return false;
	if (s->x.done_bytes == 0)
		return true;
	s->step = s->recipe->steps - 1; /* it is the destination that is full */
	s->x.fault.kind = FAULT_FULL;
	return false;
}
