/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relies on the contract of endpoints/endpoint.h alone. The outcome of every transfer passes
 * through home(): counted once, judged once.
 */
#include <assert.h>
#include <errno.h>

#include "../core/clock.h"
#include "../scsi/reply.h"
#include "holes.h"
#include "slot.h"

static void leg_reset(struct leg *l)
{
	l->tries = 0;
	l->from_bytes = 0;
	l->plain = false;
	l->started = false;
}

void leg_lose(struct leg *l, bool failed)
{
	struct slot *s = l->slot;

	leg_reset(l);
	l->hole_bytes = 0;
	s->odd = true;
	s->lost |= side_bit(l->side);
	s->failed |= failed ? side_bit(l->side) : 0;
	s->pending--;
}

/* A stream that ends early: the chunk is as long as what came. */
static COLD void source_ended(struct leg *l)
{
	struct slot *s = l->slot;

	assert(l->side == 0 && l->lane->ep->facts.sequential);
	s->odd = true;
	s->chunk.len_bytes = l->x.done_bytes;
	feed_source_ended(s->recipe->feed, s->chunk.at_bytes + l->x.done_bytes);
}

/* At a rate of min_rate, all slots together, a transfer takes as long as those of all slots. */
static COLD bool is_slow(const struct leg *l)
{
	const struct recipe *r = l->slot->recipe;
	const struct policy *p = &r->policy;
	nsec_t took_ns = clock_now_ns() - l->slot->sent_ns;
	double due = (double)l->x.len_bytes * r->depth / (double)max_u64(p->min_rate, 1);

	if (p->slow_ns > 0 && took_ns > p->slow_ns)
		return true;
	return p->min_rate > 0 && (double)took_ns / (double)NSEC_PER_SEC > due;
}

/* What fails is no better than slow. */
static COLD void tell_pace(const struct leg *l, bool failed)
{
	feed_pace(l->slot->recipe->feed, &l->slot->chunk, failed || is_slow(l));
}

/* A leg of several parts: false if that was the last. */
static COLD bool has_more_parts(struct leg *l)
{
	uint32_t sent = l->from_bytes + l->x.len_bytes;

	if (l->x.op == XFER_TRIM) {
		counter_add(&l->tally->count.holes, l->x.done_bytes);
		l->hole_bytes += l->x.done_bytes;
	}
	if (sent >= l->slot->chunk.len_bytes)
		return false;
	leg_reset(l);
	l->from_bytes = sent;
	l->delay_ns = 0;
	return true;
}

static COLD bool has_more_to_do(struct leg *l)
{
	if (l->paced)
		tell_pace(l, false);
	return l->holes && has_more_parts(l);
}

/* The transfer is; the leg, if that was its last part. */
static enum leg_next part_done(struct leg *l)
{
	counter_add(&l->tally->count.bytes, l->x.done_bytes);
	if (l->odd && has_more_to_do(l))
		return LEG_AGAIN;
	leg_reset(l);
	l->slot->pending--;
	return LEG_HOME;
}

bool leg_goes_on(const struct leg *l)
{
	const struct recipe *r = l->slot->recipe;
	bool writes = (r->writes & side_bit(l->side)) != 0;

	/* A stream that failed half-way has no next byte. */
	return (writes ? r->policy.go_on_out : r->policy.go_on_in) &&
	       !l->lane->ep->facts.sequential;
}

static bool is_block(const struct leg *l)
{
	return l->x.len_bytes <= l->slot->recipe->block_bytes;
}

/* All of what may be taken apart: a leg has parts. */
static bool is_of_block(const struct leg *l)
{
	return l->slot->chunk.len_bytes <= l->slot->recipe->block_bytes;
}

/* With a map bad blocks are tried again when all else has been done: the first of these is one. */
static unsigned retries_of(const struct leg *l, bool on)
{
	const struct recipe *r = l->slot->recipe;
	unsigned retries = r->policy.retries;

	if (!on)
		return retries;
	if (l->slot->chunk.pass == PASS_AGAIN)
		return retries - 1;
	return is_of_block(l) && r->at_once ? retries : 0;
}

/* What is longer than a block is not lost yet; what is tried again was lost before. */
static COLD enum leg_next lose(struct leg *l)
{
	struct counters *c = &l->tally->count;
	bool is_new = is_of_block(l) && l->slot->chunk.pass != PASS_AGAIN;

	counter_add(is_new ? &c->unrecovered : &c->narrowed, 1);
	/* Its first parts come again. */
	counter_add(&c->bytes, -(uint64_t)l->from_bytes);
	counter_add(&c->holes, -(uint64_t)l->hole_bytes);
	if (l->paced)
		tell_pace(l, true);
	return LEG_LOST;
}

static bool can_be_smaller(const struct leg *l)
{
	return !l->lane->ep->facts.sequential && !is_block(l);
}

/* A device that is further than it was has not stopped working. */
static COLD nsec_t failing_for(struct leg *l)
{
	nsec_t now = clock_now_ns();
	unsigned progress = 0;
	bool tells = fault_progress(&l->x.fault, &progress);

	if (l->tries == 1 || (tells && progress != l->progress))
		l->failing_ns = now;
	l->progress = progress;
	return now - l->failing_ns;
}

/* Once for each transfer, if that is still to be made. */
static bool can_start(const struct leg *l)
{
	const struct recipe *r = l->slot->recipe;

	return l->lane->ep->facts.can_start && !l->started && !feed_is_stopped(r->feed) &&
	       !(r->dropped & side_bit(l->side));
}

static COLD struct policy_verdict judge(struct leg *l)
{
	bool on = leg_goes_on(l);
	const struct policy_case about = {
		.tries = l->tries,
		.since_ns = failing_for(l),
		.retries = retries_of(l, on),
		.goes_on = on,
		.is_smallest = !can_be_smaller(l),
		.can_start = can_start(l),
	};

	return policy_decide(&about, &l->x.fault);
}

/* A disk tells of what it has lost once, to whichever command comes first: be it a read. */
static COLD void note_lost_writes(struct leg *l)
{
	const struct recipe *r = l->slot->recipe;
	bool is_written = l->side == 0 && r->written_source != NO_SIDE;
	unsigned side = is_written ? r->written_source : l->side;

	if (fault_is_reset(&l->x.fault))
		counter_add(&l->slot->leg[side].tally->count.resets, 1);
	if (r->records && side > 0)
		feed_was_reset(r->feed);
}

static COLD void note_kind(struct leg *l)
{
	struct slot *s = l->slot;
	const struct fault *f = &l->x.fault;

	if (f->kind == FAULT_TASK_SET_FULL)
		s->odd = s->one_too_many = true;
	if (f->deferred || fault_is_reset(f))
		note_lost_writes(l);
}

static COLD void note_recovered(struct leg *l)
{
	struct failures *f = l->slot->recipe->failures;
	const struct incident about = { .side = l->side, .x = l->x };

	counter_add(&l->tally->count.recovered, 1);
	failures_add(f, &f->recovered, &about);
}

/* It is not sent again: what did go has gone. */
static COLD enum leg_next fails(struct leg *l)
{
	struct counters *c = &l->tally->count;

	counter_add(&c->unrecovered, 1);
	if (l->x.op == XFER_WRITE)
		counter_add(&c->bytes, l->x.done_bytes);
	return LEG_FAILED;
}

static COLD enum leg_next send_again(struct leg *l, nsec_t delay_ns)
{
	counter_add(&l->tally->count.retries, 1);
	l->delay_ns = delay_ns;
	return LEG_AGAIN;
}

static COLD bool starts(struct leg *l)
{
	struct endpoint *ep = l->lane->ep;

	l->started = true;
	return ep->ops->start(ep);
}

static COLD enum leg_next trouble(struct leg *l)
{
	struct policy_verdict v = judge(l);

	note_kind(l);
	switch (v.action) {
	case POLICY_GOOD: note_recovered(l); return part_done(l);
	case POLICY_RETRY: return send_again(l, v.delay_ns);
	case POLICY_START: return starts(l) ? send_again(l, 0) : fails(l);
	case POLICY_SMALLER:
		feed_shrink(l->slot->recipe->feed, l->slot->chunk.len_bytes);
		return lose(l);
	case POLICY_LOSE: return lose(l);
	default: return fails(l);
	}
}

static COLD void take_notes(struct leg *l)
{
	struct counters *c = &l->tally->count;

	if (l->x.notes & XFER_NOT_DIRECT)
		counter_add(&c->not_direct_bytes, l->x.done_bytes);
	if (l->x.notes & XFER_FELL_BACK)
		counter_add(&c->fell_back, 1);
	if (l->x.notes & XFER_OTHER_CDB)
		counter_add(&c->other_cdb, 1);
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
	return l->x.fault.err == EFAULT && l->side != l->slot->recipe->mapped &&
	       slot_was_cut(l->slot);
}

/* A stream that was waited for when the run was interrupted: that is no failure. */
static bool is_hurried(const struct leg *l)
{
	const struct endpoint *ep = l->lane->ep;

	return ep->facts.sequential && ep->hurry && l->x.fault.kind == FAULT_OS &&
	       l->x.fault.err == EINTR;
}

static COLD enum leg_next came_with_fault(struct leg *l)
{
	if (xfer_is_unsupported(&l->x)) { /* the write that follows has had no try yet */
		l->plain = true;
		l->tries = 0;
		l->delay_ns = 0;
		return LEG_AGAIN;
	}
	if (l->x.notes & XFER_OTHER_CDB) { /* nor has that */
		l->tries = 0;
		return send_again(l, 0);
	}
	if (is_hurried(l))
		counter_add(&l->tally->count.bytes, l->x.done_bytes);
	else if (!is_for_want_of_memory(l))
		return trouble(l);
	leg_lose(l, false);
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

/* What has been salvaged of a bad block was written, and is no zeros. */
static bool is_over_salvage(const struct leg *l)
{
	return l->slot->chunk.pass == PASS_AGAIN && l->holes->mode == HOLES_SKIP;
}

/* The next part: up to where zeros begin or end. False: it is left out. */
static COLD bool aim_at_part(struct leg *l)
{
	const struct hole_rule *rule = l->holes;
	bool is_hole;

	if (l->from_bytes == 0 && l->tries == 0)
		l->hole_bytes = 0;
	l->x.len_bytes -= l->from_bytes;
	l->x.offset_bytes += l->from_bytes;
	l->x.buf = (uint8_t *)l->x.buf + l->from_bytes;
	l->x.len_bytes = holes_next(l->x.buf, l->x.len_bytes, l->x.offset_bytes, rule->grain_bytes,
		rule->max_bytes, &is_hole);
	if (!is_hole || l->plain || is_over_salvage(l))
		return true;
	l->x.op = XFER_TRIM;
	l->x.done_bytes = l->x.len_bytes;
	return rule->mode == HOLES_TRIM;
}

/* False: there is nothing to be sent. */
static COLD bool aim(struct leg *l)
{
	if (l->paced)
		l->slot->sent_ns = clock_now_ns();
	return !l->holes || aim_at_part(l);
}

enum leg_next leg_send(struct leg *l)
{
	struct slot *s = l->slot;

	l->x.op = l->op;
	l->x.len_bytes = s->chunk.len_bytes;
	l->x.offset_bytes = leg_place(l);
	l->x.buf = l->buf ? l->buf : s->memory;
	if (l->odd && !aim(l))
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

/* --- what has failed, part by part --- */

/* More than unit attentions may be queued; what is busy for longer says nothing of the part. */
#define PART_TRIES 12

static COLD struct policy_verdict judge_part(struct leg *l, unsigned tries)
{
	const struct policy_verdict again = { POLICY_RETRY, 0 };
	const struct policy_case about = { .tries = tries,
		.retries = retries_of(l, true),
		.goes_on = true,
		.is_smallest = true,
		.can_start = can_start(l) };
	struct policy_verdict v = policy_decide(&about, &l->x.fault);

	if (l->x.notes & XFER_OTHER_CDB)
		return again;
	if (v.action == POLICY_START && starts(l))
		return again;
	return v;
}

static COLD struct policy_verdict try_part(struct leg *l, unsigned tries)
{
	if (l->lane->ep->ops->submit(l->lane, &l->x) == XFER_WAIT)
		l->lane->ep->ops->reap(l->lane, &l->x);
	counter_add(&l->tally->count.commands, 1);
	if (l->x.notes)
		take_notes(l);
	if (l->x.fault.kind != FAULT_NONE)
		note_kind(l);
	return judge_part(l, tries);
}

enum leg_part leg_read_part(struct leg *l, uint32_t at_bytes, uint32_t len_bytes)
{
	struct counters *c = &l->tally->count;
	struct policy_verdict v;
	unsigned tries = 1, most = PART_TRIES + retries_of(l, true);

	l->x.op = XFER_READ;
	l->x.len_bytes = len_bytes;
	l->x.offset_bytes = leg_place(l) + at_bytes;
	l->x.buf = l->buf;
	while ((v = try_part(l, tries)).action == POLICY_RETRY && tries++ < most)
		counter_add(&c->retries, 1);
	l->started = false;
	if (v.action == POLICY_LOSE)
		return LEG_PART_BAD;
	if (v.action != POLICY_GOOD) {
		counter_add(&c->unrecovered, 1);
		return LEG_PART_UNKNOWN;
	}
	if (l->x.fault.kind == FAULT_RECOVERED)
		note_recovered(l);
	if (l->x.done_bytes < len_bytes)
		return LEG_PART_UNKNOWN;
	counter_add(&c->bytes, len_bytes);
	return LEG_PART_GOOD;
}
