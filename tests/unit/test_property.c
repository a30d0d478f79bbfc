/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any ends, any request, any faults: what was answered as written is what the source holds, nothing
 * else has changed, the figures are those of the ends, and everything comes home.
 *
 * A seed makes a world; SEEDS=n runs n of them (from 1), SEED=k that one alone. A world that fails
 * prints its seed, also where the engine aborts.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endpoints/synth.h"
#include "../../engine/copy.h"
#include "../lib/rng.h"
#include "../lib/sim.h"

#ifdef __SANITIZE_THREAD__ /* gcc's word; each thread costs it a millisecond */
#define SEEDS_DEFAULT 200
#else
#define SEEDS_DEFAULT 1000
#endif
#define RULES_MAX  4
#define MAX_BLOCKS 300

enum trouble { NO_FAULTS, CURABLE, FATAL };

struct world {
	uint64_t seed;
	enum trouble trouble;
	struct rng rng;
	struct sim_rule rules[2][RULES_MAX]; /* source's, destination's */
	struct sim_spec spec[2];
	struct endpoint *end[2];
	bool is_sim[2];
	uint8_t byte; /* that a generated source has */
	uint8_t *before[2];
	struct span_request asked;
	struct span span;
	struct plan_request request;
	struct plan plan;
	struct policy policy;
	uint64_t interrupt_at; /* the destination's transfer at which SIGINT comes; 0: none */
	struct copy *copy;
	struct copy_result result;
};

static char rerun[160];

/* --- a failing world tells its seed --- */

static void on_abort(int signal_number)
{
	(void)signal_number;
	if (write(STDERR_FILENO, rerun, strlen(rerun)) < 0)
		_exit(1);
}

/* An interrupt that comes when the run is over. */
static void not_heard(int signal_number)
{
	(void)signal_number;
}

static void name_world(const struct world *w)
{
	snprintf(rerun, sizeof(rerun), "world of seed %llu failed: rerun with SEED=%llu %s\n",
		(unsigned long long)w->seed, (unsigned long long)w->seed, program_invocation_name);
}

#define hold(cond) \
	do { \
		if (!(cond)) \
			fail_msg("%s:%d: %s\n%s", __FILE__, __LINE__, #cond, rerun); \
	} while (0)

/* --- making a world --- */

static bool maybe(struct world *w, unsigned n)
{
	return rng_once_in(&w->rng, n);
}

static uint64_t between(struct world *w, uint64_t lo, uint64_t hi)
{
	return rng_between(&w->rng, lo, hi);
}

static void add_rule(struct world *w, unsigned side, struct sim_rule rule)
{
	struct sim_spec *spec = &w->spec[side];

	hold(spec->nrules < RULES_MAX);
	w->rules[side][spec->nrules++] = rule;
	spec->rules = w->rules[side];
}

/* The first tries of some transfers; few of those that are waited for. */
static void add_curable(struct world *w, unsigned side)
{
	static const struct {
		enum fault_kind kind;
		unsigned tries, every_nth;
	} kinds[] = {
		{ FAULT_UNIT_ATTENTION, 10, 0 },
		{ FAULT_UNIT_ATTENTION, 3, 2 },
		{ FAULT_ABORTED, 2, 0 },
		{ FAULT_ABORTED, 1, 3 },
		{ FAULT_RECOVERED, 0, 2 },
		{ FAULT_RECOVERED, 0, 0 },
	};
	static const enum fault_kind waited[] = { FAULT_BUSY, FAULT_TASK_SET_FULL, FAULT_NO_MEMORY,
		FAULT_LANE_BUSY };
	uint64_t at = between(w, 0, w->spec[side].blocks);
	size_t k = between(w, 0, ARRAY_SIZE(kinds) - 1);

	if (maybe(w, 8))
		add_rule(w, side,
			(struct sim_rule){ .kind = waited[between(w, 0, ARRAY_SIZE(waited) - 1)],
				.first_blk = at,
				.end_blk = at + 1,
				.tries = 1 });
	add_rule(w, side,
		(struct sim_rule){ .kind = kinds[k].kind,
			.tries = kinds[k].tries,
			.every_nth = kinds[k].every_nth });
}

static void add_fatal(struct world *w, unsigned side)
{
	static const enum fault_kind kinds[] = { FAULT_MEDIUM, FAULT_HARDWARE, FAULT_SHORT,
		FAULT_GONE, FAULT_ILLEGAL_REQUEST, FAULT_CAPACITY_CHANGED, FAULT_DATA_PROTECT,
		FAULT_TIMEOUT, FAULT_OS, FAULT_SENSE, FAULT_RESERVATION, FAULT_MISCOMPARE };
	struct sim_rule r = { .kind = kinds[between(w, 0, ARRAY_SIZE(kinds) - 1)] };

	r.deferred = maybe(w, 6);
	if (r.deferred && maybe(w, 2))
		r.kind = FAULT_ABORTED; /* else curable */
	switch (between(w, 0, 2)) {
	case 0:
		r.first_blk = between(w, 0, w->spec[side].blocks);
		r.end_blk = r.first_blk + between(w, 1, 8);
		break;
	case 1: r.after = (unsigned)between(w, 0, 40); break;
	default: r.every_nth = (unsigned)between(w, 1, 40);
	}
	add_rule(w, side, r);
}

static void make_faults(struct world *w)
{
	for (unsigned side = 0; side < 2; side++) {
		struct sim_spec *spec = &w->spec[side];

		if (maybe(w, 3))
			spec->not_direct_nth = (unsigned)between(w, 1, 5);
		if (w->trouble == NO_FAULTS)
			continue;
		if (maybe(w, 2))
			add_curable(w, side);
		if (maybe(w, 8))
			add_rule(w, side, (struct sim_rule){ .kind = FAULT_UNMAPPABLE });
		if (w->trouble == FATAL && maybe(w, 2))
			add_fatal(w, side);
	}
}

static void make_spec(struct world *w, unsigned side, uint32_t block)
{
	struct sim_spec *spec = &w->spec[side];

	*spec = (struct sim_spec){
		.name = side ? "dest" : "source",
		.role = side ? END_DEST : END_SOURCE,
		.block_bytes = block,
		.blocks = between(w, 1, MAX_BLOCKS),
		.seed = rng_next(&w->rng),
		.evented = maybe(w, 2),
		.can_mmap = !maybe(w, 6),
		.can_dio = maybe(w, 2),
		.can_block = maybe(w, 2),
		.pinnable = maybe(w, 2),
		.max_xfer_bytes = maybe(w, 2) ? 0 : (uint32_t)between(w, 1, 40) * block,
		.pinnable_lanes = maybe(w, 3) ? (unsigned)between(w, 1, 4) : 0,
	};
}

static void interrupt(void *arg, uint64_t nth)
{
	const struct world *w = arg;

	if (nth == w->interrupt_at)
		kill(getpid(), SIGINT);
}

static void make_interrupt(struct world *w)
{
	if (!maybe(w, 10))
		return;
	w->interrupt_at = between(w, 1, 30);
	w->spec[1].on_submit = interrupt;
	w->spec[1].arg = w;
}

static struct endpoint *open_synth(struct world *w, unsigned side)
{
	int exit_status;

	if (side == 1)
		return synth_open_null("null", &exit_status);
	w->byte = maybe(w, 2) ? 0xff : 0;
	return synth_open_byte("byte", w->byte, &exit_status);
}

static void open_ends(struct world *w)
{
	unsigned synth = maybe(w, 5) ? (unsigned)between(w, 0, 1) : 2;

	for (unsigned side = 0; side < 2; side++) {
		w->is_sim[side] = side != synth;
		w->end[side] = w->is_sim[side] ? sim_open(&w->spec[side]) : open_synth(w, side);
		hold(w->end[side]);
		if (w->is_sim[side]) {
			size_t len = w->end[side]->facts.size_bytes;

			w->before[side] = malloc(len);
			hold(w->before[side]);
			memcpy(w->before[side], sim_data(w->end[side]), len);
		}
	}
}

static void make_request(struct world *w)
{
	static const unsigned cdbs[] = { 0, 0, 0, 10, 16, 6 };

	w->request = (struct plan_request){
		.in_method = maybe(w, 2) ? METHOD_AUTO : (enum xfer_method)between(w, 0, 3),
		.out_method = maybe(w, 2) ? METHOD_AUTO : (enum xfer_method)between(w, 0, 3),
		.io = (enum io_kind)between(w, 0, 2),
		.bpt_blk = maybe(w, 3) ? 0 : (uint32_t)between(w, 1, 64),
		.queue_depth = maybe(w, 4) ? 0 : (unsigned)between(w, 1, 64),
		.workers = maybe(w, 2) ? 0 : (unsigned)between(w, 1, 8),
		.in_cdb_bytes = cdbs[between(w, 0, ARRAY_SIZE(cdbs) - 1)],
		.out_cdb_bytes = cdbs[between(w, 0, ARRAY_SIZE(cdbs) - 1)],
		.timeout_ms = 1000,
		.memory_bytes = maybe(w, 4) ? between(w, 1, 1 << 17) : UINT64_MAX,
	};
	w->policy.retries = maybe(w, 2) ? 0 : (unsigned)between(w, 0, 3);
}

/* Mostly one that fits, so that there is something to copy. */
static void make_asked(struct world *w, uint32_t block)
{
	uint32_t per_bs = maybe(w, 3) ? (uint32_t)between(w, 1, 5) : 1;
	uint64_t shorter = min_u64(w->spec[0].blocks, w->spec[1].blocks) / per_bs;

	w->asked.ibs_bytes = per_bs > 1 || maybe(w, 2) ? per_bs * block : 0;
	if (w->asked.ibs_bytes == 0 && !w->is_sim[0] && !w->is_sim[1])
		w->asked.ibs_bytes = 512;
	w->asked.obs_bytes = w->asked.ibs_bytes;
	w->asked.skip = maybe(w, 2) ? 0 : between(w, 0, shorter);
	w->asked.seek = maybe(w, 2) ? 0 : between(w, 0, shorter);
	w->asked.count = shorter - max_u64(w->asked.skip, w->asked.seek);
	if (maybe(w, 4))
		w->asked.count = SPAN_ALL;
	else if (maybe(w, 3))
		w->asked.count = between(w, 0, w->asked.count);
}

static void world_make(struct world *w, uint64_t seed, enum trouble trouble)
{
	static const uint32_t blocks[] = { 512, 520, 4096 };
	uint32_t block;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->trouble = trouble;
	w->rng.state = seed * 3 + trouble;
	name_world(w);
	block = blocks[between(w, 0, ARRAY_SIZE(blocks) - 1)];
	make_spec(w, 0, block);
	make_spec(w, 1, block);
	make_faults(w);
	make_interrupt(w);
	open_ends(w);
	make_asked(w, block);
	make_request(w);
}

static void world_close(struct world *w)
{
	for (unsigned side = 0; side < 2; side++) {
		w->end[side]->ops->close(w->end[side]);
		free(w->before[side]);
	}
}

/* --- what should come of it --- */

static bool touches(const struct sim_rule *r, uint64_t at_bytes, const struct world *w)
{
	uint64_t first = at_bytes / w->span.block_bytes;
	uint64_t end = first + w->span.len_bytes / w->span.block_bytes;

	return r->end_blk == 0 || (r->first_blk < end && r->end_blk > first);
}

static bool side_is_used(const struct world *w, unsigned side)
{
	return w->is_sim[side] && w->span.len_bytes > 0;
}

/* Direct IO that was asked for, on memory that cannot be pinned. */
static bool unmappable(const struct world *w, unsigned side)
{
	const struct lane_spec *spec = side ? &w->plan.out : &w->plan.in;

	return spec->method == METHOD_DIO && !spec->may_fall_back;
}

/* The first rule of a side hits whatever it can hit. */
static bool must_fail(const struct world *w)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct sim_rule *r = &w->rules[side][0];
		uint64_t at = side ? w->span.out_bytes : w->span.in_bytes;

		if (!side_is_used(w, side) || w->spec[side].nrules == 0)
			continue;
		if (r->kind == FAULT_UNMAPPABLE && unmappable(w, side))
			return true;
		/* Bad blocks that no retry cures. */
		if (r->end_blk && r->tries == 0 && touches(r, at, w))
			return true;
	}
	return false;
}

static bool can_fail(const struct world *w)
{
	for (unsigned side = 0; side < 2; side++)
		for (unsigned i = 0; side_is_used(w, side) && i < w->spec[side].nrules; i++)
			if (w->rules[side][i].kind == FAULT_UNMAPPABLE && unmappable(w, side))
				return true;
	return w->trouble == FATAL;
}

/* --- checks --- */

static bool source_equals(const struct world *w, uint64_t at_bytes, const uint8_t *block)
{
	uint32_t len = w->span.block_bytes;

	if (w->is_sim[0])
		return !memcmp(w->before[0] + w->span.in_bytes + at_bytes, block, len);
	for (uint32_t i = 0; i < len; i++)
		if (block[i] != w->byte)
			return false;
	return true;
}

/* Each block: outside the span as before; answered as written: the source's; else either. */
static void check_data(struct world *w, bool incomplete)
{
	uint32_t len = w->spec[1].block_bytes;
	uint64_t start = w->span.out_bytes, end = start + w->span.len_bytes;

	for (uint64_t b = 0; b < w->spec[1].blocks; b++) {
		const uint8_t *now = sim_data(w->end[1]) + b * len;
		bool unchanged = !memcmp(now, w->before[1] + b * len, len);
		bool written = sim_acknowledged(w->end[1], b);

		if (b * len < start || b * len >= end) {
			hold(unchanged && !written);
			continue;
		}
		hold(written || incomplete);
		if (written || !unchanged)
			hold(source_equals(w, b * len - start, now));
	}
}

static void check_counts(struct world *w, unsigned side, const struct counters *c)
{
	const struct sim_counts *k = sim_counts(w->end[side]);

	hold(counter_get(&c->bytes) == k->good_bytes);
	hold(counter_get(&c->commands) == k->submitted);
	hold(counter_get(&c->recovered) == k->recovered);
	hold(counter_get(&c->retries) + counter_get(&c->unrecovered) == k->bad);
	hold(counter_get(&c->not_direct_bytes) == k->not_direct_bytes);
	hold(counter_get(&c->fell_back) == k->fell_back);
	hold(k->in_flight == 0);
	hold(k->most_in_flight <= w->plan.depth);
}

static void check_result(struct world *w)
{
	const struct copy_result *r = &w->result;
	bool failed = r->failed_end != NULL, interrupted = r->signal != 0;
	uint64_t lost = counter_get(&r->in.unrecovered) + counter_get(&r->out.unrecovered);

	hold(failed == (lost > 0));
	hold(!failed || can_fail(w));
	hold(failed || interrupted || !must_fail(w));
	hold(!interrupted || (r->signal == SIGINT && w->interrupt_at));
	if (failed)
		hold(!xfer_is_good(&r->failed));
	else if (!interrupted)
		hold(counter_get(&r->in.bytes) == w->span.len_bytes);
	for (unsigned side = 0; side < 2; side++)
		if (w->is_sim[side])
			check_counts(w, side, side ? &r->out : &r->in);
	if (w->is_sim[1]) {
		hold(counter_get(&r->out.bytes) == sim_acknowledged_bytes(w->end[1]));
		check_data(w, failed || interrupted);
	}
	if (w->is_sim[0])
		hold(!memcmp(sim_data(w->end[0]), w->before[0], w->end[0]->facts.size_bytes));
}

/* --- a run --- */

static bool resolve(struct world *w)
{
	const struct endpoint *who = NULL;
	char why[SPAN_WHY_ROOM] = "";

	if (span_resolve(&w->asked, w->end[0], w->end[1], &w->span, &who, why) == 0)
		return true;
	hold(why[0]);
	return false;
}

static bool make_plan(struct world *w)
{
	char why[PLAN_WHY_ROOM] = "";

	if (plan_make(&w->request, w->end[0], w->end[1], &w->span, &w->plan, why) == 0)
		return true;
	hold(why[0]);
	return false;
}

static bool plan(struct world *w)
{
	uint32_t want = plan_wanted_chunk(&w->request, &w->span);

	hold(w->end[0]->ops->probe(w->end[0], want, w->span.in_bytes) == 0);
	hold(w->end[1]->ops->probe(w->end[1], want, w->span.out_bytes) == 0);
	return make_plan(w);
}

static bool open_copy(struct world *w)
{
	int exit_status = 0, replans = 0;
	enum copy_opened opened;

	do {
		opened = copy_open(&w->plan, &w->span, w->end[0], w->end[1], &w->policy, &w->copy,
			&exit_status);
		hold(opened != COPY_FAILED);
		hold(replans++ <= 2);
		if (opened == COPY_REPLAN && !make_plan(w))
			return false;
	} while (opened == COPY_REPLAN);
	return true;
}

static bool world_run(struct world *w)
{
	const struct copy_watch watch = { .tick_ns = 0 };
	bool flush = w->is_sim[1] && maybe(w, 2);

	if (!resolve(w) || !plan(w) || !open_copy(w))
		return false;
	hold(copy_run(w->copy, &watch, flush, &w->result) == 0);
	hold(w->result.flushed == (flush && counter_get(&w->result.out.commands) > 0));
	check_result(w);
	copy_close(w->copy);
	return true;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void run_worlds(enum trouble trouble)
{
	uint64_t first = from_environment("SEED", 1);
	uint64_t n = from_environment("SEEDS", getenv("SEED") ? 1 : SEEDS_DEFAULT);
	uint64_t ran = 0, failed = 0;

	for (uint64_t seed = first; seed < first + n; seed++) {
		struct world w;

		world_make(&w, seed, trouble);
		if (world_run(&w)) {
			ran++;
			failed += w.result.failed_end != NULL;
		}
		world_close(&w);
	}
	print_message("%llu worlds, %llu ran, %llu of them with lost data\n", (unsigned long long)n,
		(unsigned long long)ran, (unsigned long long)failed);
	if (n >= SEEDS_DEFAULT)
		assert_true(ran > n / 2);
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
	const struct sigaction act = { .sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND };
	const struct sigaction late = { .sa_handler = not_heard };

	sigaction(SIGABRT, &act, NULL);
	sigaction(SIGINT, &late, NULL);
	return cmocka_run_group_tests_name("property", tests, NULL, NULL);
}
