/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any ends, any request, any faults: what was answered as written is what the source holds, nothing
 * else has changed, what was left out were zeros, what is read back as something else is found, the
 * figures are those of the ends, and everything comes home. Streams end where they like; the
 * simulated end itself dies of a byte that is out of order.
 *
 * A seed makes a world; SEEDS=n runs n of them (from 1), SEED=k that one alone. A world that fails
 * prints its seed, also where the engine aborts.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../core/zeros.h"
#include "../lib/world.h"

enum trouble { NO_FAULTS, CURABLE, FATAL };

struct property {
	struct world w; /* first */
	enum trouble trouble;
	unsigned found; /* bytes that were read back as others */
};

static enum trouble trouble_of(const struct world *w)
{
	return ((const struct property *)w)->trouble;
}

/* --- making a world --- */

static void make_faults(struct world *w, unsigned side)
{
	if (maybe(w, 3))
		w->spec[side].not_direct_nth = (unsigned)between(w, 1, 5);
	if (trouble_of(w) == NO_FAULTS)
		return;
	if (maybe(w, 2))
		world_add_curable(w, side);
	if (maybe(w, 8))
		world_add_rule(w, side, (struct sim_rule){ .kind = FAULT_UNMAPPABLE });
	if (maybe(w, 8))
		world_add_unknown_command(w, side);
	if (maybe(w, 8))
		world_add_stopped(w, side);
	if (trouble_of(w) == FATAL && maybe(w, 2))
		world_add_fatal(w, side);
}

static void make_world(struct property *p, uint64_t seed, enum trouble trouble)
{
	struct world *w = &p->w;

	p->trouble = trouble;
	p->found = 0;
	world_begin(w, seed, trouble, 0);
	w->make_faults = make_faults;
	for (unsigned side = 0; side < w->ends; side++)
		make_faults(w, side);
	world_make_interrupt(w);
	world_open(w);
}

/* --- what should come of it --- */

static bool touches(const struct world *w, unsigned side, const struct sim_rule *r)
{
	uint64_t at = side ? w->span.out_bytes : w->span.in_bytes;
	uint64_t len = min_u64(w->span.len_bytes, w->there);
	uint32_t block = w->spec[side].block_bytes;

	if (side > 0) /* a tail may not be written */
		len = round_down_u64(len, w->span.out_block_bytes);
	return r->end_blk == 0 ||
	       (r->first_blk * block < at + len && r->end_blk * block > at && len > 0);
}

static bool side_is_used(const struct world *w, unsigned side)
{
	return w->is_sim[side] && w->span.len_bytes > 0;
}

/* Direct IO that was asked for, on memory that cannot be pinned. */
static bool unmappable(const struct world *w, unsigned side)
{
	const struct lane_spec *spec = &w->plan.side[side];

	return spec->method == METHOD_DIO && !spec->may_fall_back;
}

/* The first rule of a side hits whatever it can hit; what is left out cannot be hit. */
static bool must_fail(const struct world *w, unsigned side)
{
	const struct sim_rule *r = &w->rules[side][0];

	if (!side_is_used(w, side) || w->spec[side].nrules == 0 ||
		world_holes(w, side) != HOLES_NONE)
		return false;
	if (r->kind == FAULT_UNMAPPABLE && unmappable(w, side))
		return true;
	/* Bad blocks that no retry cures. */
	return r->end_blk && r->tries == 0 && touches(w, side, r);
}

static bool can_fail(const struct world *w, unsigned side)
{
	for (unsigned i = 0; side_is_used(w, side) && i < w->spec[side].nrules; i++)
		if (w->rules[side][i].kind == FAULT_UNMAPPABLE && unmappable(w, side))
			return true;
	return trouble_of(w) == FATAL;
}

/* --- checks --- */

/* Zeros that were left out. */
static bool is_left_out(const struct world *w, unsigned side, const uint8_t *want,
	const uint8_t *now, bool unchanged)
{
	uint32_t len = w->spec[side].block_bytes;

	return world_holes(w, side) == HOLES_SKIP && unchanged && zeros_all(want, len) &&
	       (!w->spec[side].fresh || zeros_all(now, len));
}

/* What reads into a mapped file that fail leave there is anything. */
static bool may_be_garbage(const struct world *w, unsigned side, bool written)
{
	return !written && w->spec[side].cls == END_MAPPED;
}

/* Each block: outside the span as before; answered as written: the source's; else either. */
static void check_blocks(struct world *w, unsigned side, bool incomplete)
{
	uint32_t len = w->spec[side].block_bytes;
	uint64_t start = w->span.out_bytes, end = start + world_writable(w);
	struct endpoint *ep = w->sides.end[side];
	uint8_t want[4096];

	for (uint64_t b = 0; b < w->spec[side].blocks; b++) {
		const uint8_t *now = sim_data(ep) + b * len;
		bool unchanged = !memcmp(now, w->before[side] + b * len, len);
		bool written = sim_acknowledged(ep, b);

		if (b * len < start || b * len >= end) {
			hold(unchanged && !written);
			continue;
		}
		world_expected(w, side, b * len - start, len, want);
		hold(written || incomplete || is_left_out(w, side, want, now, unchanged));
		if ((b + 1) * len <= sim_counts(ep)->end_bytes)
			hold(!memcmp(now, want, len) || is_left_out(w, side, want, now, unchanged));
		if (may_be_garbage(w, side, written))
			continue;
		if (written || !unchanged)
			hold(!memcmp(now, want, len));
	}
}

/* A stream: no hole, and nothing before it; what a failed write left behind it may be anything. */
static void check_stream(struct world *w, unsigned side, bool failed_write)
{
	struct endpoint *ep = w->sides.end[side];
	const uint8_t *now = sim_data(ep);
	uint64_t start = w->span.out_bytes, at = start;
	uint64_t end = sim_counts(ep)->position;
	uint8_t want[4096];

	hold(!memcmp(now, w->before[side], start));
	hold(end >= start && end <= start + world_writable(w));
	while (at < end) {
		uint32_t len = (uint32_t)min_u64(sizeof(want), end - at);

		world_expected(w, side, at - start, len, want);
		hold(!memcmp(now + at, want, len));
		at += len;
	}
	if (!failed_write)
		hold(!memcmp(now + end, w->before[side] + end, world_bytes(w, side) - end));
}

static void check_holes(struct world *w, unsigned side, const struct counters *c)
{
	const struct sim_counts *k = sim_counts(w->sides.end[side]);
	bool writes = side > 0 && side < w->ends;

	hold(world_holes(w, side) == HOLES_TRIM || k->trims == 0);
	hold(world_holes(w, side) == HOLES_SKIP || counter_get(&c->holes) == k->trimmed_bytes ||
		(world_taken_apart(w) && counter_get(&c->holes) < k->trimmed_bytes));
	hold(k->ends == writes);
	hold(k->cut == writes);
}

/* What a file would keep: what was told is complete, and no more than was counted. */
static void check_end(struct world *w, unsigned side, bool incomplete)
{
	uint64_t counted = w->span.out_bytes + counter_get(&world_counts(w, side)->bytes);
	uint64_t end = sim_counts(w->sides.end[side])->end_bytes;

	hold(end >= w->span.out_bytes && end <= counted);
	if (!incomplete || w->plan.depth == 1)
		hold(end == counted || world_taken_apart(w));
}

static bool lost(const struct world *w, unsigned side)
{
	return counter_get(&world_counts(w, side)->unrecovered) > 0;
}

/* A destination's reading back, and the other way round; 0: none. */
static unsigned partner_of(const struct world *w, unsigned side)
{
	unsigned dests = w->ends - 1;

	if (side == 0 || w->sides.n == w->ends)
		return 0;
	return side > dests ? side - dests : side + dests;
}

/* By itself, or with its partner. */
static bool dropped(const struct world *w, unsigned side)
{
	unsigned partner = partner_of(w, side);

	return lost(w, side) || (partner && lost(w, partner));
}

/* The null sink cannot fail, and there is nothing to be done for it alone. */
static bool all_dests_dropped(const struct world *w)
{
	bool any = false;

	for (unsigned side = 1; side < w->ends; side++) {
		if (w->is_sim[side] && !dropped(w, side))
			return false;
		any |= w->is_sim[side];
	}
	return any;
}

/* What was taken apart while a side was dropped is told low rather than high. */
static bool counts_all(const struct world *w, unsigned side, uint64_t bytes)
{
	uint64_t counted = counter_get(&world_counts(w, side)->bytes);

	return counted == bytes || (world_taken_apart(w) && counted < bytes);
}

/* The source could be read, no signal, and somebody was there to write to. */
static void check_complete(struct world *w)
{
	const struct copy_result *r = &w->result;
	bool tail = w->plan.writes && !w->span.pad;

	hold(w->given == min_u64(w->there, w->span.len_bytes));
	hold(counts_all(w, 0, w->given));
	for (unsigned side = 1; side < w->sides.n; side++)
		if (w->is_sim[side] && !dropped(w, side))
			hold(counts_all(w, side, world_writable(w)));
	hold(r->tail_bytes == (tail ? w->given % w->span.out_block_bytes : 0));
	hold(r->source_has_more == (w->span.must_end && w->there > w->span.len_bytes));
	hold(r->source_ended == (w->there < w->span.len_bytes));
}

static void check_dest(struct world *w, unsigned side, bool incomplete)
{
	const struct counters *c = world_counts(w, side);

	if (w->spec[side].sequential) {
		hold(counter_get(&c->bytes) == world_moved(w, side));
		check_stream(w, side, counter_get(&c->unrecovered) || counter_get(&c->retries));
		return;
	}
	if (!w->spec[side].any_bytes) {
		uint64_t moved = counter_get(&c->bytes) - world_skipped_bytes(w, side);
		struct endpoint *ep = w->sides.end[side];
		uint64_t there = sim_acknowledged_bytes(ep) + sim_counts(ep)->partial_bytes;

		hold(world_taken_apart(w) ? moved <= there : moved == there);
	}
	check_blocks(w, side, incomplete || dropped(w, side));
	check_end(w, side, incomplete || dropped(w, side));
}

/* The one byte that is read back as another, and no other. */
static void check_read_back(struct world *w, unsigned side, bool incomplete)
{
	const struct miscompare *m = &w->result.side[side].miscompare;
	uint64_t at = w->spec[side].rots_at;
	bool rots = w->spec[side].rots && at >= w->span.out_bytes &&
		    at < w->span.out_bytes + world_writable(w);
	uint8_t want;

	hold(m->blocks <= rots);
	if (!incomplete && !dropped(w, side))
		hold(m->blocks == rots);
	if (m->blocks == 0)
		return;
	world_expected(w, partner_of(w, side), at - w->span.out_bytes, 1, &want);
	hold(m->at_bytes == at - w->span.out_bytes);
	hold(m->expected == want && (m->found ^ want) == 0xff);
	((struct property *)w)->found++;
}

/* What failed can fail, and what must fail did, unless the run ended before for another reason. */
static void check_failure(struct world *w, unsigned side)
{
	const struct copy_result *r = &w->result;
	bool ended = r->signal || (side ? lost(w, 0) || dropped(w, side) : all_dests_dropped(w));

	hold(r->side[side].failed == lost(w, side));
	hold(!lost(w, side) || can_fail(w, side));
	hold(lost(w, side) || ended || !must_fail(w, side));
	if (lost(w, side))
		hold(!xfer_is_good(&r->side[side].failure));
}

static void check_failures(struct world *w)
{
	const struct copy_result *r = &w->result;
	bool any = false;

	for (unsigned side = 0; side < w->sides.n; side++) {
		check_failure(w, side);
		any |= lost(w, side);
	}
	hold(r->failed == any);
	hold(!any || lost(w, r->failed_first));
}

static void check_side(struct world *w, unsigned side, bool incomplete)
{
	world_check_counts(w, side);
	check_holes(w, side, world_counts(w, side));
	if (side >= w->ends)
		check_read_back(w, side, incomplete);
	else if (side > 0)
		check_dest(w, side, incomplete);
}

static void check_result(struct world *w)
{
	const struct copy_result *r = &w->result;
	bool incomplete = lost(w, 0) || r->signal || all_dests_dropped(w);

	w->given = w->span.len_bytes;
	if (w->spec[0].sequential && w->is_sim[0])
		w->given = min_u64(w->given, world_moved(w, 0));
	hold(!r->signal || (r->signal == SIGINT && w->interrupt_at));
	check_failures(w);
	if (!incomplete)
		check_complete(w);
	for (unsigned side = 0; side < w->sides.n; side++)
		if (w->is_sim[side])
			check_side(w, side, incomplete);
	if (w->is_sim[0])
		hold(!memcmp(sim_data(w->sides.end[0]), w->before[0], world_bytes(w, 0)));
}

/* --- a run --- */

static bool world_run(struct world *w)
{
	const struct copy_watch watch = { .stalled = world_stalled, .recovered = world_recovered };
	bool flush = maybe(w, 2);

	if (!world_ready(w))
		return false;
	hold(copy_run(w->copy, &watch, flush, &w->result) == 0);
	for (unsigned side = 1; side < w->sides.n; side++)
		hold(w->result.side[side].flushed ==
			(flush && w->is_sim[side] && side < w->ends &&
				counter_get(&world_counts(w, side)->commands) > 0));
	check_result(w);
	return true;
}

/* How many worlds had what. */
struct tally_of_worlds {
	enum trouble trouble;
	unsigned long long ran, lost, left_out, trimmed, read_back, found;
};

static void count_world(struct tally_of_worlds *t, const struct property *p)
{
	const struct world *w = &p->w;
	bool left_out = false, trimmed = false;

	for (unsigned side = 1; side < w->ends; side++) {
		bool any = counter_get(&world_counts(w, side)->holes) > 0;

		left_out |= any && world_holes(w, side) == HOLES_SKIP;
		trimmed |= any && world_holes(w, side) == HOLES_TRIM;
	}
	t->ran++;
	t->lost += w->result.failed;
	t->left_out += left_out;
	t->trimmed += trimmed;
	t->read_back += w->sides.n > w->ends;
	t->found += p->found > 0;
}

static void run_world(uint64_t seed, void *arg)
{
	struct tally_of_worlds *t = arg;
	struct property p;

	make_world(&p, seed, t->trouble);
	if (world_run(&p.w))
		count_world(t, &p);
	world_close(&p.w);
}

static void run_worlds(enum trouble trouble)
{
	struct tally_of_worlds t = { .trouble = trouble };
	uint64_t n = world_each(run_world, &t);

	print_message("%llu worlds, %llu ran, %llu of them with lost data, %llu with zeros left "
		      "out, %llu trimmed, %llu read back, %llu with a difference found\n",
		(unsigned long long)n, t.ran, t.lost, t.left_out, t.trimmed, t.read_back, t.found);
	if (n < WORLD_SEEDS)
		return;
	assert_true(t.ran > n / 2);
	if (n < 1000) /* too few to have some of each */
		return;
	assert_true(t.left_out > n / 50 && t.trimmed > n / 50);
	assert_true(t.read_back > n / 20 && t.found > n / 200);
}

static void without_faults_all_data_arrive(void **state)
{
	(void)state;
	run_worlds(NO_FAULTS);
}

static void curable_faults_are_cured(void **state)
{
	(void)state;
	run_worlds(CURABLE);
}

static void after_fatal_faults_no_byte_is_wrong_or_miscounted(void **state)
{
	(void)state;
	run_worlds(FATAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_faults_all_data_arrive),
		cmocka_unit_test(curable_faults_are_cured),
		cmocka_unit_test(after_fatal_faults_no_byte_is_wrong_or_miscounted),
	};

	world_catch_signals();
	return cmocka_run_group_tests_name("property", tests, NULL, NULL);
}
