/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any ends and requests, with disks of which parts cannot be read or written, and runs that go on:
 * what is lost is what the fault plan took, no block more; all else is what the source holds; the
 * map says so; what was done before is left alone; and no saved map promises what a crash could
 * take. Runs that were interrupted, or met something fatal, are held to what they say.
 *
 * A unit is the smallest that is moved, in the span; a part the smallest that can be lost
 * (copy_result.loss_block_bytes), of which a unit may have several.
 *
 * A seed makes a world; SEEDS=n runs n of them (from 1), SEED=k that one alone. A world that fails
 * prints its seed, also where the engine aborts; with TELL=1 all of them print what they are.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/zeros.h"
#include "../lib/world.h"

#define RUNS_MAX 6 /* until all is dealt with */

enum kind { NO_MAP, WITH_MAP, KINDS };

/* What is to become of a unit. */
enum fate {
	KEPT,	/* not dealt with: as it was */
	GOOD,	/* copied */
	BAD,	/* lost */
	EITHER, /* lost or copied */
};

struct rescue {
	struct world w; /* first */
	enum kind kind;
	bool cut_short;	     /* the plan has more than blocks that are bad */
	bool is_foreign;     /* the map at the start has other blocks than the run */
	uint32_t unit, part; /* bytes */
	uint64_t nunits;     /* in what the source gave */
	struct ranges map, at_start;
	nsec_t every_ns;
	_Atomic unsigned saves;
	_Atomic bool saving;
	pthread_t main;
	uint64_t told; /* losses */
	unsigned runs;
};

/* --- making a world --- */

static void make_faults(struct world *w, unsigned side)
{
	(void)w;
	(void)side;
}

static void make_policy(struct rescue *r)
{
	struct world *w = &r->w;
	struct policy *p = &w->policy;
	bool stream = false;

	for (unsigned side = 0; side < w->ends; side++)
		stream |= w->spec[side].sequential && w->is_sim[side];
	p->go_on_in = !maybe(w, 4);
	p->go_on_out = !maybe(w, 3);
	p->leave_bad = maybe(w, 4);
	p->salvage = maybe(w, 2);
	p->max_bad = maybe(w, 12) ? between(w, 0, 20) : UINT64_MAX;
	p->max_adjacent = maybe(w, 12) ? between(w, 1, 8) : 0;
	w->request.ordered = r->kind == NO_MAP && maybe(w, 6);
	if (stream || w->request.ordered)
		return;
	p->reverse = maybe(w, 4);
	p->slow_ns = w->seed % 8 == 3 ? 1 + (nsec_t)(w->seed % 50) * (nsec_t)(w->seed % 1000) : 0;
	p->min_rate = maybe(w, 4) ? between(w, 1, 1000) << between(w, 0, 24) : 0;
}

static void rescue_make(struct rescue *r, uint64_t seed, enum kind kind)
{
	static const unsigned limits[KINDS] = { WORLD_NO_MAPPED,
		WORLD_NO_MAPPED | WORLD_NO_STREAMS | WORLD_ONE_DEST | WORLD_NO_READ_BACK };
	struct world *w = &r->w;

	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->main = pthread_self();
	world_begin(w, seed, kind, limits[kind]);
	w->make_faults = make_faults;
	world_make_interrupt(w);
	w->spec[0].salvages = maybe(w, 3) ? 0 : (unsigned)between(w, 1, 3);
	world_open(w);
	make_policy(r);
}

/* --- the fault plan: when span and plan are known --- */

static bool goes_on(const struct world *w, unsigned side)
{
	bool writes = side > 0 && side < w->ends;

	return (writes ? w->policy.go_on_out : w->policy.go_on_in) && !w->spec[side].sequential;
}

static uint64_t end_of_side(const struct world *w, unsigned side)
{
	uint64_t end = world_starts_at(w, side) + w->span.len_bytes;

	return min_u64(end, world_bytes(w, side)) / w->spec[side].block_bytes;
}

/* Blocks that are bad, for good or for the first few tries. */
static void add_bad(struct rescue *r, unsigned side)
{
	static const struct {
		enum fault_kind kind;
		int err;
	} kinds[] = { { FAULT_MEDIUM, 0 }, { FAULT_MEDIUM, 0 }, { FAULT_HARDWARE, 0 },
		{ FAULT_TIMEOUT, 0 }, { FAULT_OS, EIO }, { FAULT_PROTECTION, 0 },
		{ FAULT_SENSE, 0 } };
	struct world *w = &r->w;
	uint64_t start = world_starts_at(w, side) / w->spec[side].block_bytes;
	uint64_t end = end_of_side(w, side);
	size_t k = between(w, 0, ARRAY_SIZE(kinds) - 1);
	struct sim_rule rule = { .kind = kinds[k].kind, .err = kinds[k].err };

	if (start >= end)
		return;
	rule.first_blk = between(w, start, end - 1);
	rule.end_blk = rule.first_blk + between(w, 1, maybe(w, 6) ? 60 : 6);
	rule.tries = maybe(w, 4) ? (unsigned)between(w, 1, 5) : 0;
	if (w->spec[side].cls == END_DEVICE)
		rule.info = (enum sim_info)between(w, SIM_NO_INFO, SIM_INFO_LIES);
	world_add_rule(w, side, rule);
}

/* Transfers that are too long; a unit never is. */
static void add_illegal(struct rescue *r, unsigned side)
{
	struct world *w = &r->w;
	uint64_t block = w->spec[side].block_bytes;

	if (w->spec[side].sequential)
		return;
	world_add_rule(w, side,
		(struct sim_rule){ .kind = FAULT_ILLEGAL_REQUEST,
			.longer_blk = (uint32_t)between(w, r->unit / block,
				max_u64(w->plan.chunk_bytes, r->unit) / block) });
}

static void add_reset(struct rescue *r, unsigned side)
{
	struct world *w = &r->w;
	uint64_t start = world_starts_at(w, side) / w->spec[side].block_bytes;
	uint64_t end = end_of_side(w, side), at;

	if (w->spec[side].sequential || start >= end)
		return;
	at = between(w, start, end - 1);
	world_add_rule(w, side,
		(struct sim_rule){ .kind = FAULT_UNIT_ATTENTION,
			.asc = 0x29,
			.first_blk = at,
			.end_blk = at + 1,
			.tries = 1 });
	w->spec[side].forgets = side == 1 && r->kind == WITH_MAP && w->spec[1].cls == END_DEVICE;
}

/* The first rule that hits decides: what is bad comes first. */
static void add_plan(struct rescue *r, unsigned side)
{
	struct world *w = &r->w;

	if (maybe(w, 3))
		w->spec[side].not_direct_nth = (unsigned)between(w, 1, 5);
	if (goes_on(w, side))
		for (uint64_t n = maybe(w, 3) ? 0 : between(w, 1, 4); n > 0; n--)
			add_bad(r, side);
	if (maybe(w, 6))
		add_illegal(r, side);
	if (maybe(w, 4))
		add_reset(r, side);
	if (maybe(w, 3))
		world_add_curable(w, side);
	if (maybe(w, 8) && w->plan.side[side].may_fall_back)
		world_add_rule(w, side, (struct sim_rule){ .kind = FAULT_UNMAPPABLE });
	if (maybe(w, 8))
		world_add_unknown_command(w, side);
	if (maybe(w, 8))
		world_add_stopped(w, side);
	if (maybe(w, 20)) {
		world_add_fatal(w, side);
		r->cut_short = true;
	}
}

/* Once in a while: after so many tries, or by a rule before it that moves the data. */
static bool may_be_good(const struct world *w, unsigned side, unsigned rule)
{
	for (unsigned i = 0; i < rule; i++)
		if (w->rules[side][i].kind == FAULT_RECOVERED)
			return true;
	return w->rules[side][rule].tries > 0;
}

/* What is written twice, for a reason. */
static void allow_rewriting(struct rescue *r)
{
	struct world *w = &r->w;
	bool *rewritten = &w->spec[1].rewritten;

	for (unsigned i = 0; i < w->spec[0].nrules; i++)
		*rewritten |= w->rules[0][i].kind != FAULT_UNIT_ATTENTION &&
			      (may_be_good(w, 0, i) || w->rules[0][i].every_nth > 0 ||
				      w->rules[0][i].after > 0); /* zeros, then what was read */
	for (unsigned side = 1; side < w->sides.n; side++)
		for (unsigned i = 0; i < w->spec[side].nrules; i++)
			*rewritten |= w->rules[side][i].asc == 0x29;
	/* What could not be read back is tried again from the start. */
	for (unsigned side = w->ends; side < w->sides.n; side++)
		*rewritten |= w->spec[side].nrules > 0 && w->policy.retries > 0;
}

/* Where zeros stand for what cannot be read, parts of a unit that can be stand for themselves. */
static uint32_t part_bytes(const struct world *w)
{
	const struct end_facts *in = &w->sides.end[0]->facts;
	bool fills = w->ends > 1;

	for (unsigned side = 1; side < w->ends; side++)
		fills &= !w->policy.leave_bad || w->spec[side].sequential;
	return fills && !in->sequential && in->block_bytes >= 512 &&
			       w->span.block_bytes % in->block_bytes == 0 &&
			       w->span.block_bytes / in->block_bytes <= 64
		       ? in->block_bytes
		       : w->span.block_bytes;
}

static void make_plan(struct rescue *r)
{
	struct world *w = &r->w;

	r->unit = w->span.block_bytes;
	r->part = part_bytes(w);
	r->every_ns = maybe(w, 2) ? 0 : (nsec_t)between(w, 1, 3) * NSEC_PER_MSEC;
	for (unsigned side = 0; side < w->sides.n; side++)
		if (w->is_sim[side])
			add_plan(r, side);
	allow_rewriting(r);
	if (r->kind == WITH_MAP && w->is_sim[1] && maybe(w, 10)) {
		w->spec[1].flush_fault.kind = FAULT_MEDIUM;
		w->spec[1].flushes_good = (unsigned)between(w, 0, 3);
	}
}

/* --- the map at the start --- */

static void copy_part(struct world *w, uint64_t at, uint64_t len)
{
	uint8_t *to;

	if (!w->is_sim[1] || len == 0)
		return;
	to = sim_data(w->sides.end[1]) + w->span.out_bytes + at;
	if (w->is_sim[0])
		memcpy(to, w->before[0] + w->span.in_bytes + at, len);
	else
		memset(to, w->byte, len);
	memcpy(w->before[1] + w->span.out_bytes + at, to, len);
}

/* What of [at, at + len) of the map lies in the span is in the destination. */
static void have_done(struct world *w, uint64_t at, uint64_t len)
{
	uint64_t from = max_u64(at, w->span.in_bytes);
	uint64_t to = min_u64(at + len, w->span.in_bytes + w->span.len_bytes);

	if (from < to)
		copy_part(w, from - w->span.in_bytes, to - from);
}

static enum range_status any_status(struct world *w)
{
	static const enum range_status some[] = { RANGE_UNTRIED, RANGE_UNTRIED, RANGE_FAILED,
		RANGE_NONSCRAPED, RANGE_BAD, RANGE_DONE, RANGE_DONE };

	return some[between(w, 0, ARRAY_SIZE(some) - 1)];
}

/* Of a program with other blocks, or none: up to several ranges in one of ours, all of it. */
static void make_foreign_map(struct rescue *r, uint64_t total)
{
	static const uint64_t theirs[] = { 1, 7, 512, 4096 };
	struct world *w = &r->w;
	uint64_t block = theirs[between(w, 0, ARRAY_SIZE(theirs) - 1)];
	uint64_t most = (maybe(w, 2) ? 2 : 20) * r->unit / block + 1;

	for (uint64_t at = 0, len; at < total; at += len) {
		enum range_status status = any_status(w);

		len = min_u64(between(w, 1, most) * block, total - at);
		hold(ranges_set(&r->map, at, len, status));
		if (status == RANGE_DONE)
			have_done(w, at, len);
	}
}

static void make_map(struct rescue *r)
{
	struct world *w = &r->w;
	uint64_t total = w->span.in_bytes + w->span.len_bytes + between(w, 0, 9999);

	hold(ranges_init(&r->map, total));
	r->is_foreign = maybe(w, 3);
	if (r->is_foreign) {
		make_foreign_map(r, total);
		return;
	}
	for (uint64_t n = maybe(w, 3) ? 0 : between(w, 1, 12); n > 0 && total > 0; n--) {
		uint64_t at = between(w, 0, total - 1);
		uint64_t len = between(w, 1, min_u64(total - at, 40000));
		enum range_status status = any_status(w);

		if (maybe(w, 2)) { /* as a map of blocks */
			at = round_down_u64(at, r->unit);
			len = min_u64(round_down_u64(len, r->unit) + r->unit, total - at);
		}
		hold(ranges_set(&r->map, at, len, status));
		if (status == RANGE_DONE)
			have_done(w, at, len);
	}
}

/* --- what should come of it --- */

/* The bytes of a unit, in the span. */
static uint64_t unit_at(const struct rescue *r, uint64_t u)
{
	return u * r->unit;
}

static uint64_t unit_end(const struct rescue *r, uint64_t u)
{
	return min_u64((u + 1) * r->unit, r->w.given);
}

/* Which statuses there are in [at, end) of the span. */
static unsigned statuses(
	const struct rescue *r, const struct ranges *map, uint64_t at, uint64_t end)
{
	uint64_t start = r->w.span.in_bytes;
	unsigned set = 0;
	struct range x;

	for (; ranges_first(map, RANGE_IS_ANY, start + at, start + end, &x);
		at = x.at_bytes + x.len_bytes - start)
		set |= RANGE_IS(x.status);
	return set;
}

static bool is_bad_rule(const struct sim_rule *rule)
{
	return rule->end_blk > 0 && rule->every_nth == 0 && rule->after == 0 &&
	       policy_is_local(&(struct fault){ .kind = rule->kind, .err = rule->err }) &&
	       rule->kind != FAULT_ABORTED;
}

static bool rule_touches(const struct world *w, unsigned side, const struct sim_rule *rule,
	uint64_t at, uint64_t end)
{
	uint64_t start = world_starts_at(w, side), block = w->spec[side].block_bytes;

	return rule->first_blk * block < start + end && rule->end_blk * block > start + at;
}

enum how_bad { IS_FINE, IS_CURED, IS_BAD };

/* [at, end) of the span, on that side. */
static enum how_bad how_bad(const struct world *w, unsigned side, uint64_t at, uint64_t end)
{
	enum how_bad worst = IS_FINE;

	for (unsigned i = 0; w->is_sim[side] && i < w->spec[side].nrules; i++) {
		const struct sim_rule *rule = &w->rules[side][i];
		enum how_bad this = may_be_good(w, side, i) ? IS_CURED : IS_BAD;

		if (is_bad_rule(rule) && rule_touches(w, side, rule, at, end) && this > worst)
			worst = this;
	}
	return worst;
}

static bool is_tried(const struct rescue *r, uint64_t u)
{
	unsigned set;

	if (r->kind == NO_MAP)
		return true;
	set = statuses(r, &r->at_start, unit_at(r, u), unit_end(r, u));
	return (set & ~(RANGE_IS(RANGE_DONE) | RANGE_IS(RANGE_BAD))) ||
	       (set & RANGE_IS(RANGE_BAD) && r->w.policy.retries > 0);
}

/* A tail that fills no block is read and not written. */
static uint64_t written_end(const struct world *w)
{
	return min_u64(w->given, world_writable(w));
}

/* Zeros are not written where they may be left out. */
static bool may_be_left_out(const struct rescue *r, unsigned side, uint64_t at, uint64_t end)
{
	static uint8_t want[4096];
	uint32_t len = r->w.spec[side].block_bytes;

	if (side >= r->w.ends || world_holes(&r->w, side) != HOLES_SKIP)
		return false;
	for (; at < end; at += len) {
		world_expected(&r->w, side, at, len, want);
		if (zeros_all(want, len))
			return true;
	}
	return false;
}

/* Not what is only tried again. */
static bool is_new(const struct rescue *r, uint64_t u)
{
	unsigned set;

	if (r->kind == NO_MAP)
		return true;
	set = statuses(r, &r->at_start, unit_at(r, u), unit_end(r, u));
	return set & ~(RANGE_IS(RANGE_BAD) | RANGE_IS(RANGE_DONE));
}

enum sure { NO, PERHAPS, YES };

/*
 * Whether a unit that cannot be read as a whole is written: not where that would take away what the
 * destination has of it, nor for nothing that was not there before.
 */
static enum sure is_to_fill(const struct rescue *r, uint64_t u)
{
	uint64_t end = unit_end(r, u);
	enum sure is_worth_it = is_new(r, u) ? YES : NO, is_kept = NO;

	if (r->kind == NO_MAP)
		return YES;
	for (uint64_t at = unit_at(r, u); at < end; at += r->part) {
		uint64_t to = min_u64(at + r->part, end);
		unsigned before = statuses(r, &r->at_start, at, to);
		enum sure is_bad = (enum sure)how_bad(&r->w, 0, at, to), is_had = YES - is_bad;

		if (before & RANGE_IS(RANGE_DONE) && is_bad > is_kept)
			is_kept = is_bad;
		if (before != RANGE_IS(RANGE_DONE) && is_had > is_worth_it)
			is_worth_it = is_had;
	}
	return is_worth_it < YES - is_kept ? is_worth_it : YES - is_kept;
}

static enum fate fate(const struct rescue *r, uint64_t u);

/* Zeros behind the end of the source go with the last of it. */
static enum fate fate_of_padding(const struct rescue *r, uint64_t u)
{
	const struct world *w = &r->w;
	uint64_t at = unit_at(r, u);
	enum fate last = r->nunits > 0 ? fate(r, r->nunits - 1) : KEPT;

	if (last == KEPT)
		return KEPT;
	for (unsigned side = 1; side < w->sides.n; side++)
		if (how_bad(w, side, at, at + r->unit) != IS_FINE)
			return EITHER;
	return last == GOOD ? GOOD : EITHER;
}

/* Zeros behind the end go with the last block, which cannot be had without them then. */
static bool goes_with_bad_padding(const struct rescue *r, uint64_t u)
{
	const struct world *w = &r->w;
	uint64_t at = unit_end(r, u), end = world_writable(w);

	for (unsigned side = 1; side < w->sides.n && u + 1 == r->nunits && at < end; side++)
		if (how_bad(w, side, at, end) != IS_FINE)
			return true;
	return false;
}

static enum fate fate(const struct rescue *r, uint64_t u)
{
	const struct world *w = &r->w;
	enum fate f = GOOD;
	uint64_t at, end;

	if (u >= r->nunits)
		return fate_of_padding(r, u);
	if (!is_tried(r, u))
		return KEPT;
	at = unit_at(r, u);
	end = unit_end(r, u);
	for (unsigned side = 0; side < w->sides.n; side++) {
		enum how_bad bad = how_bad(w, side, at, end);

		if (bad == IS_BAD && !may_be_left_out(r, side, at, end))
			return BAD;
		if (bad != IS_FINE)
			f = EITHER;
	}
	return goes_with_bad_padding(r, u) ? EITHER : f;
}

/* --- checks --- */

/* Everything was dealt with. */
static bool is_complete(const struct rescue *r)
{
	const struct copy_result *res = &r->w.result;
	bool flushed = true;

	for (unsigned side = 1; side < r->w.ends; side++)
		flushed &= fault_is_good(&res->side[side].flush_fault);
	return !r->cut_short && !res->failed && !res->signal && res->limit == LIMIT_NONE && flushed;
}

/* A block of a destination, in the span. */
struct block {
	unsigned side;
	uint64_t at; /* of the span */
	uint32_t len;
	const uint8_t *now, *before;
	uint8_t want[4096];
	bool written, lost;
	bool is_done; /* says the map */
	enum how_bad unread, unwritten;
};

static bool is_want(const struct block *b)
{
	return !memcmp(b->now, b->want, b->len);
}

static bool is_as_before(const struct block *b)
{
	return !memcmp(b->now, b->before, b->len);
}

/* What stands for the len bytes from at on: zeros, or what the medium has of their block. */
static bool is_fill(const struct rescue *r, const uint8_t *now, uint64_t at, uint32_t len)
{
	const struct world *w = &r->w;
	uint64_t place = w->span.in_bytes + at, block = w->spec[0].block_bytes;
	uint8_t bytes[4096];

	if (!w->policy.salvage || !w->is_sim[0] || w->spec[0].sequential || r->part != block ||
		!sim_salvages(w->sides.end[0], place / block, bytes))
		return zeros_all(now, len);
	return !memcmp(now, bytes + place % block, len);
}

/* Those that could be read are there. */
static bool is_fill_of_parts(
	const struct rescue *r, const uint8_t *now, const uint8_t *want, uint64_t at, uint32_t len)
{
	for (uint32_t i = 0, n; i < len; i += n) {
		bool is_given = at + i < r->w.given; /* else it pads */
		enum how_bad bad = is_given ? how_bad(&r->w, 0, at + i, at + i + 1) : IS_FINE;

		n = (uint32_t)min_u64(len - i, r->part - (at + i) % r->part);
		if (!(bad != IS_BAD && !memcmp(now + i, want + i, n)) &&
			!((bad != IS_FINE || r->cut_short) && is_fill(r, now + i, at + i, n)))
			return false;
	}
	return true;
}

static bool is_fill_of(const struct rescue *r, const struct block *b)
{
	return r->part < r->unit ? is_fill_of_parts(r, b->now, b->want, b->at, b->len)
				 : is_fill(r, b->now, b->at, b->len);
}

/* What stands for what could not be read. */
static bool is_filled(const struct rescue *r, const struct block *b)
{
	bool leaves = r->w.policy.leave_bad && !r->w.spec[b->side].sequential;
	bool skips = world_holes(&r->w, b->side) == HOLES_SKIP;
	bool filled = is_fill_of(r, b) || (skips && is_as_before(b));
	bool left = is_as_before(b) && !b->written;

	if (leaves)
		return left;
	switch (is_to_fill(r, b->at / r->unit)) {
	case NO: return left;
	case YES: return filled;
	default: return left || filled;
	}
}

/*
 * What was there before, or what a reset, or a longer transfer that was refused, has left of a
 * shorter stretch.
 */
static bool is_left_out(const struct rescue *r, const struct block *b)
{
	return world_holes(&r->w, b->side) == HOLES_SKIP && zeros_all(b->want, b->len) &&
	       (is_as_before(b) || is_want(b) || b->lost);
}

/* Some side's loss, which is none of this one's. */
static bool is_lost_elsewhere(const struct rescue *r, const struct block *b)
{
	return !b->unread && !b->unwritten && (is_want(b) || is_left_out(r, b));
}

static bool is_as_fated(const struct rescue *r, const struct block *b, enum fate f)
{
	switch (f) {
	case KEPT: return is_as_before(b) && !b->written;
	case GOOD: return (is_want(b) && b->written) || is_left_out(r, b);
	case BAD:
		return b->unwritten || b->lost || (b->unread == IS_BAD && is_filled(r, b)) ||
		       b->unread == IS_CURED || is_lost_elsewhere(r, b);
	default:
		return is_want(b) || is_as_before(b) || is_fill_of(r, b) || is_left_out(r, b) ||
		       (b->lost && !b->is_done);
	}
}

/* What a run that did not get to its end may have left. */
static bool is_possible(const struct rescue *r, const struct block *b, enum fate f)
{
	bool filled = (b->unread || r->cut_short) && is_fill_of(r, b);

	if (f == KEPT)
		return is_as_before(b) && !b->written;
	if (b->written && !b->lost)
		return is_want(b) || filled;
	return b->lost || b->unwritten || is_want(b) || is_as_before(b) || filled;
}

/* Of the last block a stream may have filled a part alone. */
static void look_at(const struct rescue *r, struct block *b, uint64_t blk)
{
	const struct world *w = &r->w;
	uint64_t at = blk * b->len;
	uint64_t unit = round_down_u64(b->at, r->unit);

	b->now = sim_data(w->sides.end[b->side]) + at;
	b->before = w->before[b->side] + at;
	b->written = sim_acknowledged(w->sides.end[b->side], blk);
	b->lost = sim_is_lost(w->sides.end[b->side], blk);
	world_expected(w, b->side, b->at, b->len, b->want);
	b->unread = how_bad(w, 0, unit, min_u64(unit + r->unit, w->given));
	b->unwritten = how_bad(w, b->side, unit, min_u64(unit + r->unit, written_end(w)));
	b->is_done = r->kind == WITH_MAP &&
		     statuses(r, &r->map, b->at, b->at + b->len) & RANGE_IS(RANGE_DONE);
}

static void print_block(const struct rescue *r, const struct block *b, enum fate f, bool complete)
{
	print_message("side %u, byte %llu of the span, %s, fate %d, bad %d %d%s%s: %s%s%s%s\n",
		b->side, (unsigned long long)b->at, complete ? "complete" : "incomplete", (int)f,
		(int)b->unread, (int)b->unwritten, b->written ? ", written" : "",
		b->lost ? ", lost" : "", is_want(b) ? "as it should be" : "wrong",
		is_as_before(b) ? ", as before" : "", zeros_all(b->now, b->len) ? ", zeros" : "",
		r->runs > 1 ? ", in a later run" : "");
}

static void check_dest(const struct rescue *r, unsigned side, bool complete)
{
	const struct world *w = &r->w;
	uint64_t start = w->span.out_bytes, end = start + world_writable(w);
	struct block b = { .side = side, .len = w->spec[side].block_bytes };

	for (uint64_t blk = 0; blk < w->spec[side].blocks; blk++) {
		uint64_t at = blk * b.len;
		enum fate f;
		bool ok;

		b.at = at - start;
		look_at(r, &b, blk);
		if (at < start || at >= end) {
			hold(is_as_before(&b) && !b.written);
			continue;
		}
		f = fate(r, b.at / r->unit);
		ok = complete ? is_as_fated(r, &b, f) : is_possible(r, &b, f);
		if (!ok)
			print_block(r, &b, f, complete);
		hold(ok);
	}
}

/* No hole: what could not be read is zeros. */
static void check_stream(const struct rescue *r, unsigned side, bool complete)
{
	const struct world *w = &r->w;
	const uint8_t *now = sim_data(w->sides.end[side]) + w->span.out_bytes;
	uint64_t end = world_moved(w, side);
	uint8_t want[4096];

	hold(!complete || end == world_writable(w));
	for (uint64_t at = 0, len; at < end; at += len) {
		uint64_t unit = round_down_u64(at, r->unit);
		enum how_bad unread = how_bad(w, 0, unit, min_u64(unit + r->unit, w->given));
		bool filled;

		len = min_u64(min_u64(unit + r->unit, end) - at, sizeof(want));
		world_expected(w, side, at, (uint32_t)len, want);
		filled = r->part < r->unit ? is_fill_of_parts(r, now + at, want, at, (uint32_t)len)
					   : is_fill(r, now + at, at, (uint32_t)len);
		hold((filled && (unread || r->cut_short)) ||
			(!memcmp(now + at, want, len) && (unread != IS_BAD || r->cut_short)));
	}
}

/* Its source alone is to blame. */
static bool is_of_source(const struct rescue *r, uint64_t u)
{
	const struct world *w = &r->w;
	uint64_t at = unit_at(r, u), end = unit_end(r, u);

	for (unsigned side = 1; side < w->sides.n; side++)
		if (how_bad(w, side, at, end) != IS_FINE)
			return false;
	return how_bad(w, 0, at, end) == IS_BAD;
}

/* Each of its parts has been tried, and those that could be read were written. */
static bool is_had_in_parts(const struct rescue *r, uint64_t u)
{
	return is_of_source(r, u) && is_to_fill(r, u) == YES;
}

/* What can be read of a lost unit is done, and only that. */
static void check_parts_in_map(const struct rescue *r, uint64_t u, bool complete)
{
	const unsigned done = RANGE_IS(RANGE_DONE), bad = RANGE_IS(RANGE_BAD);
	uint64_t end = unit_end(r, u);

	for (uint64_t at = unit_at(r, u); at < end; at += r->part) {
		uint64_t to = min_u64(at + r->part, end);
		enum how_bad is_bad = how_bad(&r->w, 0, at, to);
		unsigned now = statuses(r, &r->map, at, to);
		unsigned before = statuses(r, &r->at_start, at, to);

		hold(is_bad != IS_BAD || !(now & ~before & done));
		if (!complete)
			continue;
		/* What could be read, and not be written, is left for another run. */
		hold(!(now & ~(done | bad)) || (now & ~(done | bad)) == RANGE_IS(RANGE_FAILED));
		hold(!(now & RANGE_IS(RANGE_FAILED)) || is_to_fill(r, u) != YES);
		hold(is_bad != IS_FINE || !is_had_in_parts(r, u) || now == done);
	}
}

static void check_unit_in_map(const struct rescue *r, uint64_t u, bool complete)
{
	const unsigned done = RANGE_IS(RANGE_DONE), bad = RANGE_IS(RANGE_BAD);
	uint64_t at = unit_at(r, u), end = unit_end(r, u);
	unsigned now = statuses(r, &r->map, at, end);
	unsigned before = statuses(r, &r->at_start, at, end);

	if (r->part < r->unit && fate(r, u) != KEPT && fate(r, u) != GOOD) {
		hold(complete || !(now & RANGE_IS(RANGE_WRITTEN)));
		check_parts_in_map(r, u, complete);
		return;
	}
	if (!complete) { /* to be sure of what it says is what counts */
		hold(!(now & RANGE_IS(RANGE_WRITTEN)));
		hold(fate(r, u) != BAD || !(now & ~before & done));
		hold(fate(r, u) != GOOD || !(now & ~before & bad) || r->cut_short);
		hold(before != done || now == done);
		return;
	}
	switch (fate(r, u)) {
	case KEPT: hold(now == before); break;
	case GOOD: hold(now == done); break;
	case BAD: hold((now & ~(before & done)) == bad); break;
	default: hold(now == done || (now & ~(before & done)) == bad); break;
	}
}

static void check_outside(const struct rescue *r)
{
	uint64_t start = r->w.span.in_bytes, end = start + r->w.span.len_bytes;
	struct range x;

	hold(ranges_total(&r->map) == ranges_total(&r->at_start));
	for (uint64_t at = 0; ranges_get(&r->at_start, at, &x); at = x.at_bytes + x.len_bytes) {
		struct range y;

		for (uint64_t b = x.at_bytes; b < x.at_bytes + x.len_bytes; b += 97)
			if (b < start || b >= end)
				hold(ranges_get(&r->map, b, &y) && y.status == x.status);
	}
}

static uint64_t bytes_in_span(const struct rescue *r, unsigned set)
{
	uint64_t at = r->w.span.in_bytes, end = at + r->w.span.len_bytes, sum = 0;
	struct range x;

	for (; ranges_first(&r->map, set, at, end, &x); at = x.at_bytes + x.len_bytes)
		sum += x.len_bytes;
	return sum;
}

/* Then what was not flushed is copied once more, where there are records. */
static bool was_reset(const struct rescue *r)
{
	const struct policy *p = &r->w.policy;
	uint64_t resets = 0;

	for (unsigned side = 1; side < r->w.sides.n; side++)
		resets += counter_get(&world_counts(&r->w, side)->resets);
	return resets > 0 && (r->kind == WITH_MAP || p->reverse || policy_is_paced(p));
}

/* A byte of the span that was DONE. */
static bool may_be_bad(const struct rescue *r, uint64_t at)
{
	uint64_t unit = round_down_u64(at, r->unit);

	/* With the rest of its block it was written once more, and perhaps a reset took it. */
	return was_reset(r) &&
	       statuses(r, &r->at_start, unit, unit + r->unit) != RANGE_IS(RANGE_DONE);
}

/* But for what a reset took. */
static bool is_untouched(const struct rescue *r, uint64_t at)
{
	const struct world *w = &r->w;
	uint64_t to = w->span.out_bytes + at;

	return !w->is_sim[1] || sim_data(w->sides.end[1])[to] == w->before[1][to] ||
	       sim_is_lost(w->sides.end[1], to / w->spec[1].block_bytes);
}

/* To the byte: what was DONE is there as it was, and the map still says so. */
static void check_done(const struct rescue *r)
{
	const struct world *w = &r->w;
	uint64_t start = w->span.in_bytes, end = start + w->span.len_bytes, at = start;
	struct range x;

	for (; ranges_first(&r->at_start, RANGE_IS(RANGE_DONE), at, end, &x);
		at = x.at_bytes + x.len_bytes)
		for (uint64_t b = x.at_bytes - start; b < x.at_bytes + x.len_bytes - start; b++) {
			bool is_bad = statuses(r, &r->map, b, b + 1) == RANGE_IS(RANGE_BAD);

			hold(is_untouched(r, b) && (!is_bad || may_be_bad(r, b)));
		}
}

static void check_map(const struct rescue *r, bool complete)
{
	const struct copy_result *res = &r->w.result;
	const unsigned undone =
		RANGE_IS(RANGE_UNTRIED) | RANGE_IS(RANGE_FAILED) | RANGE_IS(RANGE_NONSCRAPED);

	check_done(r);
	check_outside(r);
	for (uint64_t u = 0; u < r->nunits; u++)
		check_unit_in_map(r, u, complete);
	hold(res->bad_bytes == bytes_in_span(r, RANGE_IS(RANGE_BAD)));
	hold(!complete || res->undone_bytes == bytes_in_span(r, undone));
}

/* --- figures --- */

/* In bytes and units: the least and the most. */
struct sums {
	uint64_t bad[2], read[2], losses[2], failed[2];
};

static void add_range(uint64_t sum[2], uint64_t n, bool surely)
{
	sum[0] += surely ? n : 0;
	sum[1] += n;
}

static void add_unit(const struct rescue *r, uint64_t u, uint64_t len, struct sums *s)
{
	uint64_t at = unit_at(r, u);
	enum how_bad unread = how_bad(&r->w, 0, at, at + len);
	enum fate f = fate(r, u);

	if (f == KEPT)
		return;
	if (f != GOOD)
		add_range(s->bad, len, f == BAD);
	if (f != GOOD && is_new(r, u))
		add_range(s->losses, 1, f == BAD);
	if (unread != IS_BAD)
		add_range(s->read, len, unread == IS_FINE);
}

/* Not told: what is known to be bad, and what the destination has. */
static bool is_told(const struct rescue *r, uint64_t at, uint64_t end)
{
	const unsigned known = RANGE_IS(RANGE_BAD) | RANGE_IS(RANGE_DONE);

	return r->kind == NO_MAP || !(statuses(r, &r->at_start, at, end) & known);
}

/* Of one that is lost each that can be read may have been, and each may be lost with it. */
static void add_parts(const struct rescue *r, uint64_t u, uint64_t len, struct sums *s)
{
	uint64_t at = unit_at(r, u), end = at + len, surely = 0;
	bool is_fine = how_bad(&r->w, 0, at, end) == IS_FINE;
	enum fate f = fate(r, u);

	for (; at < end; at += r->part) {
		uint64_t n = min_u64(r->part, end - at);
		enum how_bad unread = how_bad(&r->w, 0, at, at + n);
		bool lost = f == BAD && unread == IS_BAD;

		surely += lost && is_told(r, at, at + n);
		if (f != GOOD)
			add_range(s->bad, n, lost);
		s->losses[1] += f != GOOD && (is_new(r, u) || is_told(r, at, at + n));
		if (unread != IS_BAD)
			add_range(s->read, n, is_fine);
	}
	if (f == BAD && is_new(r, u))
		s->losses[0] += is_of_source(r, u) ? surely : is_told(r, unit_at(r, u), end);
}

/* Zeros behind the source that cannot be written are a loss, if they do not go with its last. */
static uint64_t bad_padding(const struct rescue *r)
{
	const struct world *w = &r->w;
	uint64_t end = padding_end(&w->span.padding, w->given), n = 0;

	for (uint64_t at = w->given; at < end; at += r->unit)
		for (unsigned side = 1; side < w->sides.n; side++)
			n += how_bad(w, side, at, min_u64(at + r->unit, end)) != IS_FINE;
	return n;
}

static struct sums sum_up(const struct rescue *r)
{
	const struct world *w = &r->w;
	struct sums s = { 0 };

	for (uint64_t u = 0; unit_at(r, u) < written_end(w); u++) {
		uint64_t at = unit_at(r, u), len = min_u64(unit_end(r, u), written_end(w)) - at;

		if (r->part < r->unit && fate(r, u) != KEPT)
			add_parts(r, u, len, &s);
		else
			add_unit(r, u, len, &s);
	}
	s.losses[1] += bad_padding(r);
	return s;
}

static bool is_between(uint64_t n, const uint64_t sum[2])
{
	return n >= sum[0] && n <= sum[1];
}

static bool reads_once(const struct rescue *r)
{
	return r->w.is_sim[0] && r->w.spec[0].sequential;
}

static void check_sums(const struct rescue *r)
{
	const struct world *w = &r->w;
	const struct copy_result *res = &w->result;
	struct sums s = sum_up(r);
	bool again = w->policy.retries > 0 || was_reset(r);

	hold(is_between(res->losses, s.losses));
	if (r->kind == NO_MAP)
		hold(is_between(res->bad_bytes, s.bad) && res->undone_bytes == 0);
	if (reads_once(r)) /* a tail that is not written too */
		hold(counter_get(&res->side[0].count.bytes) == w->given);
	else if (!again)
		hold(is_between(counter_get(&res->side[0].count.bytes), s.read));
}

static void check_figures(const struct rescue *r)
{
	const struct world *w = &r->w;
	const struct copy_result *res = &w->result;
	unsigned passes = w->policy.retries > 0 ? 2 : 1; /* that compare a block */

	for (unsigned side = 0; side < w->sides.n; side++) {
		const struct counters *c = world_counts(w, side);
		const struct sim_counts *k;

		if (!w->is_sim[side])
			continue;
		world_check_counts(w, side);
		k = sim_counts(w->sides.end[side]);
		hold(world_holes(w, side) == HOLES_SKIP ||
			counter_get(&c->holes) <= k->trimmed_bytes);
		hold(side > 0 || counter_get(&c->salvaged) == k->salvaged);
		hold(res->side[side].miscompare.blocks <= w->spec[side].rots * passes ||
			was_reset(r));
	}
	hold(r->told == min_u64(res->losses, INCIDENTS_KEPT));
	hold(!res->losses || !xfer_is_good(&res->first_loss.x));
	hold(res->loss_block_bytes == r->part);
	hold(res->bad_bytes + res->undone_bytes <= w->span.len_bytes);
}

/* Whatever became of the blocks around it, and on the other sides. */
static void check_rot(const struct rescue *r)
{
	const struct world *w = &r->w;

	for (unsigned side = w->ends; side < w->sides.n; side++) {
		uint64_t at = w->spec[side].rots_at - world_starts_at(w, side);

		if (w->spec[side].rots && at < written_end(w) && fate(r, at / r->unit) == GOOD)
			hold(w->result.side[side].miscompare.blocks > 0);
	}
}

/* In a run that ends for another reason nobody starts a unit that stops. */
static bool is_stopped_at_the_end(const struct rescue *r)
{
	const struct copy_result *res = &r->w.result;
	bool ends = res->limit != LIMIT_NONE || res->signal;

	for (unsigned side = 0; side < r->w.sides.n && ends; side++)
		if (res->side[side].failed)
			ends = res->side[side].failure.fault.kind == FAULT_STOPPED;
	return ends;
}

static void check_end(struct rescue *r)
{
	const struct copy_result *res = &r->w.result;

	hold(!res->failed || r->cut_short || is_stopped_at_the_end(r));
	hold(!res->signal || r->w.interrupt_at);
	hold(res->limit != LIMIT_ADJACENT || r->w.policy.max_adjacent);
	hold(res->limit != LIMIT_TOTAL || r->w.policy.max_bad != UINT64_MAX);
	hold(res->limit != LIMIT_MEMORY);
}

static void check_result(struct rescue *r)
{
	struct world *w = &r->w;
	bool complete;

	w->given = w->span.len_bytes;
	if (reads_once(r))
		w->given = min_u64(w->given, world_moved(w, 0));
	r->nunits = (w->given + r->unit - 1) / r->unit;
	check_end(r);
	complete = is_complete(r);
	check_figures(r);
	for (unsigned side = 1; side < w->ends; side++)
		if (w->is_sim[side])
			(w->spec[side].sequential ? check_stream : check_dest)(r, side, complete);
	if (r->kind == WITH_MAP)
		check_map(r, complete);
	if (complete) {
		check_sums(r);
		check_rot(r);
	}
	if (w->is_sim[0])
		hold(!memcmp(sim_data(w->sides.end[0]), w->before[0], world_bytes(w, 0)));
}

/* --- a run --- */

static void lost(void *arg, uint64_t nth, const struct incident *l)
{
	struct rescue *r = arg;

	hold(pthread_equal(r->main, pthread_self()));
	hold(nth == ++r->told && nth <= INCIDENTS_KEPT);
	hold(l->side < r->w.sides.n && !xfer_is_good(&l->x));
	hold(how_bad(&r->w, l->side, l->x.offset_bytes - world_starts_at(&r->w, l->side),
		     l->x.offset_bytes - world_starts_at(&r->w, l->side) + l->x.len_bytes) !=
			IS_FINE ||
		r->cut_short);
}

/* Nobody comes back to it: the zeros, if it got any. */
static bool is_bad_and_not_kept(
	const struct rescue *r, const struct ranges *map, uint64_t at, uint64_t end, uint64_t blk)
{
	const struct endpoint *ep = r->w.sides.end[1];

	return statuses(r, map, at, end) == RANGE_IS(RANGE_BAD) &&
	       !(statuses(r, &r->at_start, at, end) & RANGE_IS(RANGE_BAD)) &&
	       (sim_is_lost(ep, blk) || (sim_acknowledged(ep, blk) && !sim_is_durable(ep, blk)));
}

/* What a crash would leave is at least what the map calls done, or bad. */
static void saved(void *arg, const struct ranges *map)
{
	struct rescue *r = arg;
	const struct world *w = &r->w;
	uint32_t len = w->spec[1].block_bytes;
	uint8_t want[4096];

	assert(!atomic_exchange(&r->saving, true));
	r->saves++;
	for (uint64_t at = 0; at < w->span.len_bytes && w->is_sim[1]; at += len) {
		uint64_t end = min_u64(at + len, w->span.len_bytes);
		uint64_t blk = (w->span.out_bytes + at) / len;

		assert(!is_bad_and_not_kept(r, map, at, end, blk));
		if (statuses(r, map, at, end) != RANGE_IS(RANGE_DONE) ||
			statuses(r, &r->at_start, at, end) & RANGE_IS(RANGE_DONE) ||
			sim_is_durable(w->sides.end[1], blk))
			continue;
		world_expected(w, 1, at, len, want);
		assert(world_holes(w, 1) == HOLES_SKIP && zeros_all(want, len));
		assert(sim_counts(w->sides.end[1])->reached_bytes >= w->span.out_bytes + end);
	}
	r->saving = false;
}

static void run_once(struct rescue *r)
{
	struct world *w = &r->w;
	const struct copy_watch watch = {
		.lost = lost, .recovered = world_recovered, .stalled = world_stalled, .arg = r
	};
	const struct keeper keeper = { r->every_ns, saved, r };

	r->told = 0;
	r->saves = 0;
	w->given = w->span.len_bytes;
	if (r->kind == WITH_MAP) {
		hold(ranges_copy(&r->at_start, &r->map));
		copy_set_map(w->copy, &r->map, &keeper);
	}
	if (getenv("TELL"))
		world_print(w);
	hold(copy_run(w->copy, &watch, maybe(w, 2), &w->result) == 0);
	r->runs++;
	hold(r->kind == NO_MAP || r->saves > 0);
	check_result(r);
}

static bool wants_another(struct rescue *r)
{
	if (r->kind == NO_MAP || r->runs == RUNS_MAX)
		return false;
	return !is_complete(r) || maybe(&r->w, 3);
}

static bool rescue_run(struct rescue *r)
{
	struct world *w = &r->w;

	if (!world_ready(w))
		return false;
	make_plan(r);
	if (r->kind == WITH_MAP)
		make_map(r);
	run_once(r);
	while (wants_another(r)) {
		w->interrupt_at = maybe(w, 4) ? between(w, 1, 30) : 0;
		w->policy.retries = (unsigned)between(w, 0, 2);
		w->spec[1].flush_fault.kind = FAULT_NONE;
		hold(world_reopen(w));
		run_once(r);
	}
	return true;
}

/* How many worlds had what. */
struct tally_of_worlds {
	enum kind kind;
	unsigned long long ran, lost, complete, failed, limited, again, units, bad, resets, smaller,
		foreign, salvaged, of_streams;
};

static void count_world(struct tally_of_worlds *t, const struct rescue *r)
{
	const struct copy_result *res = &r->w.result;

	t->ran++;
	t->lost += res->losses > 0;
	t->of_streams += res->losses > 0 && reads_once(r);
	t->complete += is_complete(r);
	t->failed += res->failed;
	t->limited += res->limit != LIMIT_NONE;
	t->again += r->runs > 1;
	t->units += r->nunits;
	t->bad += res->bad_bytes / r->unit;
	t->resets += counter_get(&res->side[1].count.resets) > 0;
	t->foreign += r->is_foreign && is_complete(r);
	t->salvaged += counter_get(&world_counts(&r->w, 0)->salvaged);
	t->smaller += res->chunk_bytes < r->w.plan.chunk_bytes;
}

static void rescue_close(struct rescue *r)
{
	world_close(&r->w);
	ranges_destroy(&r->map);
	ranges_destroy(&r->at_start);
}

static void run_world(uint64_t seed, void *arg)
{
	struct tally_of_worlds *t = arg;
	struct rescue r;

	rescue_make(&r, seed, t->kind);
	if (rescue_run(&r))
		count_world(t, &r);
	rescue_close(&r);
}

static void run_worlds(enum kind kind)
{
	struct tally_of_worlds t = { .kind = kind };
	uint64_t n = world_each(run_world, &t);

	print_message("%llu worlds, %llu ran: %llu complete, %llu with losses (%llu of %llu units "
		      "bad), %llu failed, %llu at a limit, %llu in several runs, %llu with "
		      "resets, %llu with shorter transfers, %llu foreign maps complete, %llu "
		      "blocks salvaged, %llu with losses of a stream\n",
		(unsigned long long)n, t.ran, t.complete, t.lost, t.bad, t.units, t.failed,
		t.limited, t.again, t.resets, t.smaller, t.foreign, t.salvaged, t.of_streams);
	if (n < WORLD_SEEDS)
		return;
	assert_true(t.ran > n / 2 && t.complete > t.ran / 2);
	assert_true(t.lost > n / 10 && t.bad > t.units / 100);
	assert_true(kind == NO_MAP || t.foreign > n / 10);
	assert_true(kind == WITH_MAP || t.of_streams > n / 50);
	assert_true(t.salvaged > n / 20);
}

static void what_is_lost_is_what_is_bad_and_no_more(void **state)
{
	(void)state;
	run_worlds(NO_MAP);
}

static void a_map_is_the_fault_plan_and_what_it_calls_done_is(void **state)
{
	(void)state;
	run_worlds(WITH_MAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_lost_is_what_is_bad_and_no_more),
		cmocka_unit_test(a_map_is_the_fault_plan_and_what_it_calls_done_is),
	};

	world_catch_signals();
	return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}
