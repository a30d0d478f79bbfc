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
#include <errno.h>
#include <limits.h>
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
#include "../../core/zeros.h"
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
#define ENDS	   4	      /* a source and up to three destinations */
#define SIDES	   (2 * ENDS) /* each of which may be read back */

enum trouble { NO_FAULTS, CURABLE, FATAL };

struct world {
	uint64_t seed;
	enum trouble trouble;
	struct rng rng;
	unsigned ends;				 /* 2..ENDS */
	struct sim_rule rules[SIDES][RULES_MAX]; /* the source's first */
	struct sim_spec spec[SIDES];
	struct sides sides; /* of ends; after begin() those that are read back too */
	bool is_sim[SIDES];
	unsigned hole_flags; /* END_SPARSE, END_TRIM */
	bool each;	     /* what is written is read back */
	uint8_t byte;	     /* that a generated source has */
	uint8_t *before[ENDS];
	struct span_request asked;
	struct span span;
	struct plan_request request;
	struct plan plan;
	struct policy policy;
	uint64_t there;	       /* bytes that the source has from where the span begins */
	uint64_t given;	       /* bytes of the span that it gave */
	uint64_t interrupt_at; /* the destination's transfer at which SIGINT comes; 0: none */
	struct copy *copy;
	struct copy_result result;
	unsigned found; /* bytes that were read back as others */
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
	uint64_t at = between(w, 0, min_u64(w->spec[side].blocks, MAX_BLOCKS));
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
		r.first_blk = between(w, 0, min_u64(w->spec[side].blocks, MAX_BLOCKS));
		r.end_blk = r.first_blk + between(w, 1, 8);
		break;
	case 1: r.after = (unsigned)between(w, 0, 40); break;
	default: r.every_nth = (unsigned)between(w, 1, 40);
	}
	add_rule(w, side, r);
}

static void make_faults(struct world *w, unsigned side)
{
	if (maybe(w, 3))
		w->spec[side].not_direct_nth = (unsigned)between(w, 1, 5);
	if (w->trouble == NO_FAULTS)
		return;
	if (maybe(w, 2))
		add_curable(w, side);
	if (maybe(w, 8))
		add_rule(w, side, (struct sim_rule){ .kind = FAULT_UNMAPPABLE });
	if (w->trouble == FATAL && maybe(w, 2))
		add_fatal(w, side);
}

static void make_spec(struct world *w, unsigned side, uint32_t block)
{
	static const char *const names[ENDS] = { "source", "dest", "dest 2", "dest 3" };
	struct sim_spec *spec = &w->spec[side];

	*spec = (struct sim_spec){
		.name = names[side],
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
		.rewritten = w->ends > 2 || w->hole_flags,
		.zeros_too = side == 0 && w->hole_flags && !maybe(w, 4),
	};
}

/* Both ways of leaving zeros out, and what is granted of them. */
static void make_holes(struct world *w, unsigned side)
{
	struct sim_spec *spec = &w->spec[side];
	uint32_t grain = (uint32_t)between(w, 1, 4) * spec->block_bytes;

	if (spec->sequential || maybe(w, 6))
		return;
	spec->hole_bytes = (uint32_t)between(w, 1, 4) * spec->block_bytes;
	spec->fresh = (spec->cls == END_BUFFERED || spec->cls == END_DIRECT_IO) && maybe(w, 2);
	spec->can_trim = maybe(w, 2);
	spec->trim_grain_bytes = grain;
	spec->max_trim_bytes =
		maybe(w, 2) ? UINT32_MAX / grain * grain : (uint32_t)between(w, 1, 10) * grain;
	spec->trims_granted = maybe(w, 3) ? (unsigned)between(w, 0, 10) : UINT_MAX;
}

/* What is asked to be left out: mostly nothing. */
static void make_hole_flags(struct world *w)
{
	static const unsigned flags[] = { 0, 0, 0, END_SPARSE, END_TRIM, END_SPARSE | END_TRIM };

	w->hole_flags = flags[between(w, 0, ARRAY_SIZE(flags) - 1)];
	w->each = maybe(w, 3);
}

/* Nothing looks at what is mapped, and it is the only memory. */
static bool may_be_mapped(const struct world *w, unsigned side)
{
	return !w->hole_flags && !w->each && (side == 0 || w->ends == 2) &&
	       w->spec[0].cls != END_MAPPED && !w->spec[0].sequential;
}

/* A stream on one side in four or so, and files. */
static void make_kind(struct world *w, unsigned side)
{
	struct sim_spec *spec = &w->spec[side];
	uint64_t all = spec->blocks * spec->block_bytes;

	switch (between(w, 0, 7)) {
	case 0:
	case 1:
		spec->cls = END_BUFFERED;
		spec->sequential = true;
		spec->evented = false;
		if (side == 0)
			spec->ends_at = maybe(w, 4) ? 0 : between(w, 1, all);
		break;
	case 2:
		spec->cls = END_BUFFERED;
		spec->evented = false;
		spec->any_bytes = side > 0 && spec->block_bytes % 512 == 0 && maybe(w, 2);
		if (spec->any_bytes) /* chunks are multiples of it */
			spec->block_bytes = 512;
		spec->size_unknown = side > 0 && maybe(w, 2);
		break;
	case 3: spec->cls = END_DIRECT_IO; break;
	case 4:
		if (!may_be_mapped(w, side))
			break;
		spec->cls = END_MAPPED;
		spec->evented = false;
		break;
	default: break;
	}
}

static bool has_end(const struct world *w, unsigned side)
{
	return !w->spec[side].sequential && !w->spec[side].size_unknown;
}

/* What tells no size takes whatever the others have, and a padded tail. */
static void make_room(struct world *w)
{
	uint64_t most = 0;

	for (unsigned side = 0; side < w->ends; side++)
		most = max_u64(most, w->spec[side].blocks * w->spec[side].block_bytes);
	for (unsigned side = 1; side < w->ends; side++)
		if (!has_end(w, side))
			w->spec[side].blocks += (most + 4096) / w->spec[side].block_bytes;
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

	if (side > 0)
		return synth_open_null("null", &exit_status);
	w->byte = maybe(w, 2) ? 0xff : 0;
	return synth_open_byte("byte", w->byte, &exit_status);
}

static uint64_t bytes_of(const struct world *w, unsigned side)
{
	return w->is_sim[side] ? w->spec[side].blocks * w->spec[side].block_bytes
			       : (uint64_t)MAX_BLOCKS * 4096;
}

static void open_ends(struct world *w)
{
	unsigned synth = maybe(w, 5) ? (unsigned)between(w, 0, w->ends - 1) : ENDS;

	for (unsigned side = 0; side < w->ends; side++) {
		w->is_sim[side] = side != synth;
		w->sides.end[side] =
			w->is_sim[side] ? sim_open(&w->spec[side]) : open_synth(w, side);
		hold(w->sides.end[side]);
		if (w->is_sim[side]) {
			size_t len = bytes_of(w, side);

			w->before[side] = malloc(len);
			hold(w->before[side]);
			memcpy(w->before[side], sim_data(w->sides.end[side]), len);
		}
	}
	w->sides.n = w->ends;
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
		.out_flags = w->hole_flags,
	};
	w->policy.retries = maybe(w, 2) ? 0 : (unsigned)between(w, 0, 3);
}

static uint32_t make_bs(struct world *w, unsigned side)
{
	uint32_t block = w->spec[side].block_bytes;

	if (maybe(w, 2))
		return 0;
	return maybe(w, 3) ? (uint32_t)between(w, 1, 5) * block : block;
}

/* The largest blocks of the source, or of the others. */
static uint32_t largest_block(const struct world *w, bool source)
{
	uint32_t most = 0;

	for (unsigned side = source ? 0 : 1; side < (source ? 1 : w->ends); side++)
		if (w->sides.end[side]->facts.block_bytes > most)
			most = w->sides.end[side]->facts.block_bytes;
	return most;
}

static uint32_t resolved_bs(const struct world *w, uint32_t asked, bool source)
{
	uint32_t own = largest_block(w, source), other = largest_block(w, !source);

	if (asked)
		return asked;
	if (own > 1)
		return own;
	return other > 1 ? other : 512;
}

static uint64_t least_room(const struct world *w)
{
	uint64_t least = UINT64_MAX;

	for (unsigned side = 1; side < w->ends; side++)
		least = min_u64(least, bytes_of(w, side));
	return least;
}

static bool all_have_ends(const struct world *w)
{
	for (unsigned side = 1; side < w->ends; side++)
		if (!has_end(w, side))
			return false;
	return true;
}

/* Mostly one that fits, so that there is something to copy. */
static void make_asked(struct world *w)
{
	struct span_request *rq = &w->asked;
	uint64_t room[2], ibs, obs;

	rq->ibs_bytes = make_bs(w, 0);
	rq->obs_bytes = make_bs(w, 1);
	rq->pad = maybe(w, 3) && w->spec[0].cls != END_MAPPED && w->spec[1].cls != END_MAPPED;
	ibs = resolved_bs(w, rq->ibs_bytes, true);
	obs = resolved_bs(w, rq->obs_bytes, false);
	rq->skip = maybe(w, 2) ? 0 : between(w, 0, bytes_of(w, 0) / ibs / 2);
	rq->seek = maybe(w, 2) || !all_have_ends(w) ? 0 : between(w, 0, least_room(w) / obs / 2);
	room[0] = bytes_of(w, 0) - rq->skip * ibs;
	room[1] = least_room(w) - rq->seek * obs;
	rq->count = round_down_u64(min_u64(room[0], room[1]), max_u64(ibs, obs)) / ibs;
	if (maybe(w, w->spec[0].sequential ? 2 : 4))
		rq->count = SPAN_ALL;
	else if (maybe(w, 3))
		rq->count = between(w, 0, rq->count);
}

/* Where it can be asked for: what is dropped, streamed or left out on a disk cannot be read back.
 */
static void make_each(struct world *w)
{
	for (unsigned side = 1; side < w->ends; side++)
		w->each &= w->is_sim[side] && !w->spec[side].sequential &&
			   (!(w->hole_flags & END_SPARSE) || w->spec[side].fresh);
}

/* The same disk or file, opened once more. */
static void open_read_back(struct world *w, unsigned dest)
{
	unsigned side = w->sides.n++;
	struct sim_spec *spec = &w->spec[side];

	*spec = w->spec[dest];
	spec->name = "dest, read back";
	spec->role = END_SOURCE;
	spec->same_as = w->sides.end[dest];
	spec->fresh = spec->can_trim = false;
	spec->hole_bytes = 0;
	spec->rules = NULL;
	spec->nrules = 0;
	spec->on_submit = NULL;
	spec->rots = maybe(w, 3);
	spec->rots_at = between(w, 0, spec->blocks * spec->block_bytes - 1);
	make_faults(w, side);
	w->sides.end[side] = sim_open(spec);
	w->is_sim[side] = true;
}

static void world_make(struct world *w, uint64_t seed, enum trouble trouble)
{
	static const uint32_t blocks[][2] = { { 512, 512 }, { 520, 520 }, { 4096, 4096 },
		{ 512, 4096 }, { 4096, 512 } };
	const uint32_t *block;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->trouble = trouble;
	w->rng.state = seed * 3 + trouble;
	name_world(w);
	block = blocks[between(w, 0, ARRAY_SIZE(blocks) - 1)];
	w->ends = maybe(w, 3) ? (unsigned)between(w, 3, ENDS) : 2;
	make_hole_flags(w);
	for (unsigned side = 0; side < w->ends; side++) {
		make_spec(w, side, block[side > 0]);
		make_kind(w, side);
		if (side > 0)
			make_holes(w, side);
	}
	make_room(w);
	for (unsigned side = 0; side < w->ends; side++)
		make_faults(w, side);
	make_interrupt(w);
	open_ends(w);
	make_each(w);
	make_asked(w);
	make_request(w);
}

static void world_close(struct world *w)
{
	for (unsigned side = w->sides.n; side-- > 0;) {
		w->sides.end[side]->ops->close(w->sides.end[side]);
		if (side < w->ends)
			free(w->before[side]);
	}
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

static enum hole_mode holes_of(const struct world *w, unsigned side)
{
	return w->plan.side[side].holes;
}

/* The first rule of a side hits whatever it can hit; what is left out cannot be hit. */
static bool must_fail(const struct world *w, unsigned side)
{
	const struct sim_rule *r = &w->rules[side][0];

	if (!side_is_used(w, side) || w->spec[side].nrules == 0 || holes_of(w, side) != HOLES_NONE)
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
	return w->trouble == FATAL;
}

/* --- checks --- */

/* What is to be found in the destination len bytes from at_bytes of the span. */
static void expected(
	const struct world *w, unsigned side, uint64_t at_bytes, uint32_t len, uint8_t *want)
{
	const uint8_t *before = w->before[side] + w->span.out_bytes + at_bytes;
	uint64_t filled =
		round_down_u64(w->given + w->span.out_block_bytes - 1, w->span.out_block_bytes);

	for (uint32_t i = 0; i < len; i++) {
		uint64_t at = at_bytes + i;

		if (at < w->given && w->is_sim[0])
			want[i] = w->before[0][w->span.in_bytes + at];
		else if (at < w->given)
			want[i] = w->byte;
		else
			want[i] = w->span.pad && at < filled ? 0 : before[i];
	}
}

/* How much of what the source gave can be written. */
static uint64_t writable(const struct world *w)
{
	uint64_t whole = round_down_u64(w->given, w->span.out_block_bytes);

	return w->span.pad && whole < w->given ? whole + w->span.out_block_bytes : whole;
}

/* Zeros that were left out. */
static bool is_left_out(const struct world *w, unsigned side, const uint8_t *want,
	const uint8_t *now, bool unchanged)
{
	uint32_t len = w->spec[side].block_bytes;

	return holes_of(w, side) == HOLES_SKIP && unchanged && zeros_all(want, len) &&
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
	uint64_t start = w->span.out_bytes, end = start + writable(w);
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
		expected(w, side, b * len - start, len, want);
		hold(written || incomplete || is_left_out(w, side, want, now, unchanged));
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
	hold(end >= start && end <= start + writable(w));
	while (at < end) {
		uint32_t len = (uint32_t)min_u64(sizeof(want), end - at);

		expected(w, side, at - start, len, want);
		hold(!memcmp(now + at, want, len));
		at += len;
	}
	if (!failed_write)
		hold(!memcmp(now + end, w->before[side] + end, bytes_of(w, side) - end));
}

/* What was left out without a word to the end. */
static uint64_t skipped_bytes(const struct world *w, unsigned side, const struct counters *c)
{
	return holes_of(w, side) == HOLES_SKIP ? counter_get(&c->holes) : 0;
}

static void check_holes(struct world *w, unsigned side, const struct counters *c)
{
	const struct sim_counts *k = sim_counts(w->sides.end[side]);
	bool writes = side > 0 && side < w->ends;

	hold(holes_of(w, side) == HOLES_TRIM || k->trims == 0);
	hold(holes_of(w, side) == HOLES_SKIP || counter_get(&c->holes) == k->trimmed_bytes);
	hold(k->ends == writes);
	hold(!writes || k->end_bytes == w->span.out_bytes + counter_get(&c->bytes));
}

/* What was taken apart is moved again by those that had it before, and counts once. */
static bool taken_apart(const struct world *w)
{
	uint64_t narrowed = 0;

	for (unsigned side = 0; side < w->sides.n; side++)
		narrowed += counter_get(&w->result.side[side].count.narrowed);
	return narrowed > 0;
}

static void check_counts(struct world *w, unsigned side, const struct counters *c)
{
	const struct sim_counts *k = sim_counts(w->sides.end[side]);
	uint64_t moved = counter_get(&c->bytes) - skipped_bytes(w, side, c);

	hold(taken_apart(w) ? moved <= k->good_bytes : moved == k->good_bytes);
	hold(counter_get(&c->commands) == k->submitted);
	hold(counter_get(&c->recovered) == k->recovered);
	hold(counter_get(&c->retries) + counter_get(&c->narrowed) + counter_get(&c->unrecovered) ==
		k->bad);
	hold(counter_get(&c->not_direct_bytes) == k->not_direct_bytes);
	hold(counter_get(&c->fell_back) == k->fell_back);
	hold(k->in_flight == 0);
	hold(k->most_in_flight <= w->plan.depth);
}

static uint64_t position_after(const struct world *w, unsigned side)
{
	uint64_t at = side ? w->span.out_bytes : w->span.in_bytes;

	return sim_counts(w->sides.end[side])->position - at;
}

static const struct counters *counts(const struct world *w, unsigned side)
{
	return &w->result.side[side].count;
}

static bool lost(const struct world *w, unsigned side)
{
	return counter_get(&counts(w, side)->unrecovered) > 0;
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
	uint64_t counted = counter_get(&counts(w, side)->bytes);

	return counted == bytes || (taken_apart(w) && counted < bytes);
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
			hold(counts_all(w, side, writable(w)));
	hold(r->tail_bytes == (tail ? w->given % w->span.out_block_bytes : 0));
	hold(r->source_has_more == (w->span.must_end && w->there > w->span.len_bytes));
	hold(r->source_ended == (w->there < w->span.len_bytes));
}

static void check_dest(struct world *w, unsigned side, bool incomplete)
{
	const struct counters *c = counts(w, side);

	if (w->spec[side].sequential) {
		hold(counter_get(&c->bytes) == position_after(w, side));
		check_stream(w, side, counter_get(&c->unrecovered) || counter_get(&c->retries));
		return;
	}
	if (!w->spec[side].any_bytes) {
		uint64_t moved = counter_get(&c->bytes) - skipped_bytes(w, side, c);
		uint64_t there = sim_acknowledged_bytes(w->sides.end[side]);

		hold(taken_apart(w) ? moved <= there : moved == there);
	}
	check_blocks(w, side, incomplete || dropped(w, side));
}

/* The one byte that is read back as another, and no other. */
static void check_read_back(struct world *w, unsigned side, bool incomplete)
{
	const struct miscompare *m = &w->result.side[side].miscompare;
	uint64_t at = w->spec[side].rots_at;
	bool rots = w->spec[side].rots && at >= w->span.out_bytes &&
		    at < w->span.out_bytes + writable(w);
	uint8_t want;

	hold(m->blocks <= rots);
	if (!incomplete && !dropped(w, side))
		hold(m->blocks == rots);
	if (m->blocks == 0)
		return;
	expected(w, partner_of(w, side), at - w->span.out_bytes, 1, &want);
	hold(m->at_bytes == at - w->span.out_bytes);
	hold(m->expected == want && (m->found ^ want) == 0xff);
	w->found++;
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
	check_counts(w, side, counts(w, side));
	check_holes(w, side, counts(w, side));
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
		w->given = min_u64(w->given, position_after(w, 0));
	hold(!r->signal || (r->signal == SIGINT && w->interrupt_at));
	check_failures(w);
	if (!incomplete)
		check_complete(w);
	for (unsigned side = 0; side < w->sides.n; side++)
		if (w->is_sim[side])
			check_side(w, side, incomplete);
	if (w->is_sim[0])
		hold(!memcmp(sim_data(w->sides.end[0]), w->before[0], bytes_of(w, 0)));
}

/* --- a run --- */

static bool resolve(struct world *w)
{
	const struct endpoint *who = NULL;
	char why[SPAN_WHY_ROOM] = "";

	if (span_resolve(&w->asked, &w->sides, &w->span, &who, why) == 0)
		return true;
	hold(why[0]);
	return false;
}

static bool make_plan(struct world *w)
{
	char why[PLAN_WHY_ROOM] = "";

	if (plan_make(&w->request, &w->sides, &w->span, &w->plan, why) == 0)
		return true;
	hold(why[0]);
	return false;
}

static uint64_t starts_at(const struct world *w, unsigned side)
{
	return side ? w->span.out_bytes : w->span.in_bytes;
}

static bool plan(struct world *w)
{
	uint32_t want = plan_wanted_chunk(&w->request, &w->span);

	for (unsigned side = 0; side < w->sides.n; side++) {
		struct endpoint *ep = w->sides.end[side];

		hold(ep->ops->probe(ep, want, starts_at(w, side)) == 0);
	}
	return make_plan(w);
}

static bool begin(struct world *w)
{
	uint64_t end = w->spec[0].ends_at ? w->spec[0].ends_at : bytes_of(w, 0);

	for (unsigned side = 0; side < w->ends; side++) {
		struct endpoint *ep = w->sides.end[side];

		if (w->is_sim[side] && ep->ops->begin(ep, starts_at(w, side), SIZE_UNKNOWN) < 0)
			return false;
	}
	w->there = w->is_sim[0] ? end - w->span.in_bytes : UINT64_MAX;
	return true;
}

/* As verify=each does it: what was created by begin() can be opened only now. */
static bool add_read_back(struct world *w)
{
	for (unsigned dest = 1; dest < w->ends && w->each; dest++)
		open_read_back(w, dest);
	return !w->each || plan(w);
}

static bool open_copy(struct world *w)
{
	int exit_status = 0;
	unsigned replans = 0;
	enum copy_opened opened;

	do {
		opened = copy_open(
			&w->plan, &w->span, &w->sides, &w->policy, &w->copy, &exit_status);
		hold(opened != COPY_FAILED);
		hold(replans++ <= w->sides.n);
		if (opened == COPY_REPLAN && !make_plan(w))
			return false;
	} while (opened == COPY_REPLAN);
	return true;
}

static bool world_run(struct world *w)
{
	const struct copy_watch watch = { .tick_ns = 0 };
	bool flush = maybe(w, 2);

	if (!resolve(w) || !plan(w) || !begin(w) || !add_read_back(w) || !open_copy(w))
		return false;
	hold(copy_run(w->copy, &watch, flush, &w->result) == 0);
	for (unsigned side = 1; side < w->sides.n; side++)
		hold(w->result.side[side].flushed ==
			(flush && w->is_sim[side] && side < w->ends &&
				counter_get(&counts(w, side)->commands) > 0));
	check_result(w);
	copy_close(w->copy);
	return true;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* How many worlds had what. */
struct tally_of_worlds {
	unsigned long long ran, lost, left_out, trimmed, read_back, found;
};

static void count_world(struct tally_of_worlds *t, const struct world *w)
{
	bool left_out = false, trimmed = false;

	for (unsigned side = 1; side < w->ends; side++) {
		bool any = counter_get(&counts(w, side)->holes) > 0;

		left_out |= any && holes_of(w, side) == HOLES_SKIP;
		trimmed |= any && holes_of(w, side) == HOLES_TRIM;
	}
	t->ran++;
	t->lost += w->result.failed;
	t->left_out += left_out;
	t->trimmed += trimmed;
	t->read_back += w->sides.n > w->ends;
	t->found += w->found > 0;
}

static void run_worlds(enum trouble trouble)
{
	uint64_t first = from_environment("SEED", 1);
	uint64_t n = from_environment("SEEDS", getenv("SEED") ? 1 : SEEDS_DEFAULT);
	struct tally_of_worlds t = { 0 };

	for (uint64_t seed = first; seed < first + n; seed++) {
		struct world w;

		world_make(&w, seed, trouble);
		if (world_run(&w))
			count_world(&t, &w);
		world_close(&w);
	}
	print_message("%llu worlds, %llu ran, %llu of them with lost data, %llu with zeros left "
		      "out, %llu trimmed, %llu read back, %llu with a difference found\n",
		(unsigned long long)n, t.ran, t.lost, t.left_out, t.trimmed, t.read_back, t.found);
	if (n < SEEDS_DEFAULT)
		return;
	assert_true(t.ran > n / 2);
	if (n < 1000) /* too few to have some of each */
		return;
	assert_true(t.left_out > n / 50 && t.trimmed > n / 50);
	assert_true(t.read_back > n / 20 && t.found > n / 100);
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
