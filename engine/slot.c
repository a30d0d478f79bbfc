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
}

static enum slot_next step_done(struct slot *s)
{
	if (++s->step == s->recipe->steps)
		return SLOT_FINISHED;
	s->tries = 0;
	s->delay_ns = 0;
	if (s->buf[0] != s->buf[1])
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
	assert(s->x.done_bytes == s->x.len_bytes);
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
	return home(s);
}

enum slot_next slot_land(struct slot *s)
{
	struct lane *lane = s->lane[s->recipe->step[s->step].side];

	lane->ep->ops->reap(lane, &s->x);
	return home(s);
}
