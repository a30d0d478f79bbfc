/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mostly what fits together, so that there is something to copy; what does not is refused by the
 * engine, with a reason. A seed gives the same choices wherever it runs.
 */
#include "world.h"

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

#include "../../endpoints/synth.h"

char world_rerun[160];

/* --- a failing world tells its seed --- */

static void on_abort(int signal_number)
{
	(void)signal_number;
	if (write(STDERR_FILENO, world_rerun, strlen(world_rerun)) < 0)
		_exit(1);
}

/* An interrupt that comes when the run is over. */
static void not_heard(int signal_number)
{
	(void)signal_number;
}

static void name_world(const struct world *w)
{
	snprintf(world_rerun, sizeof(world_rerun),
		"world of seed %llu failed: rerun with SEED=%llu %s\n", (unsigned long long)w->seed,
		(unsigned long long)w->seed, program_invocation_name);
}

void world_catch_signals(void)
{
	const struct sigaction act = { .sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND };
	const struct sigaction late = { .sa_handler = not_heard };

	sigaction(SIGABRT, &act, NULL);
	sigaction(SIGINT, &late, NULL);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

uint64_t world_each(void (*run)(uint64_t seed, void *arg), void *arg)
{
	uint64_t first = number_of("SEED", 1);
	uint64_t n = number_of("SEEDS", getenv("SEED") ? 1 : WORLD_SEEDS);

	for (uint64_t seed = first; seed < first + n; seed++)
		run(seed, arg);
	return n;
}

/* --- making --- */

void world_add_rule(struct world *w, unsigned side, struct sim_rule rule)
{
	struct sim_spec *spec = &w->spec[side];

	hold(spec->nrules < WORLD_RULES);
	w->rules[side][spec->nrules++] = rule;
	spec->rules = w->rules[side];
}

/* The first tries of some transfers; few of those that are waited for. */
void world_add_curable(struct world *w, unsigned side)
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
	uint64_t at = between(w, 0, min_u64(w->spec[side].blocks, WORLD_BLOCKS));
	size_t k = between(w, 0, ARRAY_SIZE(kinds) - 1);

	if (maybe(w, 8))
		world_add_rule(w, side,
			(struct sim_rule){ .kind = waited[between(w, 0, ARRAY_SIZE(waited) - 1)],
				.first_blk = at,
				.end_blk = at + 1,
				.tries = 1 });
	world_add_rule(w, side,
		(struct sim_rule){ .kind = kinds[k].kind,
			.tries = kinds[k].tries,
			.every_nth = kinds[k].every_nth });
}

void world_add_unknown_command(struct world *w, unsigned side)
{
	const struct sim_spec *spec = &w->spec[side];

	if (spec->cls == END_DEVICE && !spec->sequential)
		world_add_rule(w, side, (struct sim_rule){ .kind = FAULT_INVALID_OPCODE });
}

/* At some time it stops. */
void world_add_stopped(struct world *w, unsigned side)
{
	const struct sim_spec *spec = &w->spec[side];
	const struct sim_rule stops = { .kind = FAULT_STOPPED,
		.after = (unsigned)between(w, 0, 40) };

	if (spec->can_start && spec->cls == END_DEVICE && !spec->sequential)
		world_add_rule(w, side, stops);
}

void world_add_fatal(struct world *w, unsigned side)
{
	static const enum fault_kind kinds[] = { FAULT_MEDIUM, FAULT_HARDWARE, FAULT_SHORT,
		FAULT_UNIT_FAILED, FAULT_GONE, FAULT_ILLEGAL_REQUEST, FAULT_CAPACITY_CHANGED,
		FAULT_DATA_PROTECT, FAULT_TIMEOUT, FAULT_OS, FAULT_SENSE, FAULT_RESERVATION,
		FAULT_MISCOMPARE };
	struct sim_rule r = { .kind = kinds[between(w, 0, ARRAY_SIZE(kinds) - 1)] };

	r.deferred = maybe(w, 6);
	if (r.deferred && maybe(w, 2))
		r.kind = FAULT_ABORTED; /* else curable */
	switch (between(w, 0, 2)) {
	case 0:
		r.first_blk = between(w, 0, min_u64(w->spec[side].blocks, WORLD_BLOCKS));
		r.end_blk = r.first_blk + between(w, 1, 8);
		break;
	case 1: r.after = (unsigned)between(w, 0, 40); break;
	default: r.every_nth = (unsigned)between(w, 1, 40);
	}
	world_add_rule(w, side, r);
}

static void make_spec(struct world *w, unsigned side, uint32_t block)
{
	static const char *const names[WORLD_ENDS] = { "source", "dest", "dest 2", "dest 3" };
	struct sim_spec *spec = &w->spec[side];

	*spec = (struct sim_spec){
		.name = names[side],
		.role = side ? END_DEST : END_SOURCE,
		.block_bytes = block,
		.blocks = between(w, 1, WORLD_BLOCKS),
		.seed = rng_next(&w->rng),
		.evented = maybe(w, 2),
		.can_start = maybe(w, 2),
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
	w->each = maybe(w, 3) && !(w->limits & WORLD_NO_READ_BACK);
}

/* Nothing looks at what is mapped, and it is the only memory. */
static bool may_be_mapped(const struct world *w, unsigned side)
{
	return !(w->limits & WORLD_NO_MAPPED) && !w->hole_flags && !w->each &&
	       (side == 0 || w->ends == 2) && w->spec[0].cls != END_MAPPED &&
	       !w->spec[0].sequential;
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
		if (w->limits & WORLD_NO_STREAMS)
			break;
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

void world_make_interrupt(struct world *w)
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

uint64_t world_bytes(const struct world *w, unsigned side)
{
	return w->is_sim[side] ? w->spec[side].blocks * w->spec[side].block_bytes
			       : (uint64_t)WORLD_BLOCKS * 4096;
}

static void open_ends(struct world *w)
{
	unsigned synth = maybe(w, 5) ? (unsigned)between(w, 0, w->ends - 1) : WORLD_ENDS;

	for (unsigned side = 0; side < w->ends; side++) {
		w->is_sim[side] = side != synth;
		w->sides.end[side] =
			w->is_sim[side] ? sim_open(&w->spec[side]) : open_synth(w, side);
		hold(w->sides.end[side]);
		if (w->is_sim[side]) {
			size_t len = world_bytes(w, side);

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
		least = min_u64(least, world_bytes(w, side));
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
	rq->skip = maybe(w, 2) ? 0 : between(w, 0, world_bytes(w, 0) / ibs / 2);
	rq->seek = maybe(w, 2) || !all_have_ends(w) ? 0 : between(w, 0, least_room(w) / obs / 2);
	room[0] = world_bytes(w, 0) - rq->skip * ibs;
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
	w->make_faults(w, side);
	w->sides.end[side] = sim_open(spec);
	w->is_sim[side] = true;
}

void world_begin(struct world *w, uint64_t seed, unsigned salt, unsigned limits)
{
	static const uint32_t blocks[][2] = { { 512, 512 }, { 520, 520 }, { 4096, 4096 },
		{ 512, 4096 }, { 4096, 512 } };
	const uint32_t *block;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->limits = limits;
	w->rng.state = seed * 3 + salt;
	name_world(w);
	block = blocks[between(w, 0, ARRAY_SIZE(blocks) - 1)];
	w->ends = 2;
	if (maybe(w, 3) && !(limits & WORLD_ONE_DEST))
		w->ends = (unsigned)between(w, 3, WORLD_ENDS);
	make_hole_flags(w);
	for (unsigned side = 0; side < w->ends; side++) {
		make_spec(w, side, block[side > 0]);
		make_kind(w, side);
		if (side > 0)
			make_holes(w, side);
	}
	make_room(w);
}

void world_open(struct world *w)
{
	open_ends(w);
	make_each(w);
	make_asked(w);
	make_request(w);
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

uint64_t world_starts_at(const struct world *w, unsigned side)
{
	return side ? w->span.out_bytes : w->span.in_bytes;
}

static bool plan(struct world *w)
{
	uint32_t want = plan_wanted_chunk(&w->request, &w->span);

	for (unsigned side = 0; side < w->sides.n; side++) {
		struct endpoint *ep = w->sides.end[side];

		hold(ep->ops->probe(ep, want, world_starts_at(w, side)) == 0);
	}
	return make_plan(w);
}

static bool begin(struct world *w)
{
	uint64_t end = w->spec[0].ends_at ? w->spec[0].ends_at : world_bytes(w, 0);

	for (unsigned side = 0; side < w->ends; side++) {
		struct endpoint *ep = w->sides.end[side];

		if (w->is_sim[side] &&
			ep->ops->begin(ep, world_starts_at(w, side), SIZE_UNKNOWN) < 0)
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

bool world_ready(struct world *w)
{
	return resolve(w) && plan(w) && begin(w) && add_read_back(w) && open_copy(w);
}

static void close_copy(struct world *w)
{
	if (w->copy)
		copy_close(w->copy);
	w->copy = NULL;
}

/* Whose contents they are, is closed last. */
static void open_again(struct world *w, unsigned side)
{
	struct endpoint *ep = w->sides.end[side];

	if (w->owner[side])
		sim_close(ep);
	else
		w->owner[side] = ep;
	w->again[side] = w->spec[side];
	w->again[side].same_as = w->owner[side];
	w->again[side].fresh = false;
	w->sides.end[side] = sim_open(&w->again[side]);
	memcpy(w->before[side], sim_data(w->sides.end[side]), world_bytes(w, side));
}

bool world_reopen(struct world *w)
{
	hold(!w->each);
	close_copy(w);
	for (unsigned side = 0; side < w->ends; side++)
		if (w->is_sim[side])
			open_again(w, side);
	return world_ready(w);
}

void world_close(struct world *w)
{
	close_copy(w);
	for (unsigned side = w->sides.n; side-- > 0;) {
		w->sides.end[side]->ops->close(w->sides.end[side]);
		if (side >= w->ends)
			continue;
		free(w->before[side]);
		if (w->owner[side])
			sim_close(w->owner[side]);
	}
}

/* --- telling --- */

static void print_side(const struct world *w, unsigned side)
{
	const struct sim_spec *spec = &w->spec[side];

	fprintf(stderr, "%u: class %d%s, %llu blocks of %u bytes%s, holes %d, method %d\n", side,
		(int)spec->cls, spec->sequential ? " stream" : "", (unsigned long long)spec->blocks,
		spec->block_bytes, w->is_sim[side] ? "" : " (generated)",
		(int)w->plan.side[side].holes, (int)w->plan.side[side].method);
	for (unsigned i = 0; i < spec->nrules; i++) {
		const struct sim_rule *r = &w->rules[side][i];

		fprintf(stderr,
			"\t%s asc %02x%s: blocks %llu to %llu, longer than %u, after %u, each "
			"%u, %u tries\n",
			fault_kind_name(r->kind), r->asc, r->deferred ? " deferred" : "",
			(unsigned long long)r->first_blk, (unsigned long long)r->end_blk,
			r->longer_blk, r->after, r->every_nth, r->tries);
	}
}

void world_stalled(void *arg, const struct stall *s)
{
	(void)arg;
	(void)s;
}

void world_recovered(void *arg, uint64_t nth, const struct incident *l)
{
	(void)arg;
	assert_true(nth >= 1 && nth <= INCIDENTS_KEPT);
	assert_int_equal(l->x.fault.kind, FAULT_RECOVERED);
}

void world_print(const struct world *w)
{
	const struct span *s = &w->span;

	fprintf(stderr,
		"seed %llu: %u ends, blocks of %u (%u out), from %llu to %llu, %llu bytes%s%s\n",
		(unsigned long long)w->seed, w->ends, s->block_bytes, s->out_block_bytes,
		(unsigned long long)s->in_bytes, (unsigned long long)s->out_bytes,
		(unsigned long long)s->len_bytes, s->pad ? ", padded" : "",
		w->interrupt_at ? ", interrupted" : "");
	fprintf(stderr,
		"chunk %u, depth %u, workers %u%s; coe %d %d%s%s, retries %u, limits %llu %llu, "
		"rate %llu\n",
		w->plan.chunk_bytes, w->plan.depth, w->plan.workers,
		w->plan.in_order ? " in order" : "", w->policy.go_on_in, w->policy.go_on_out,
		w->policy.leave_bad ? ", bad left" : "", w->policy.reverse ? ", reverse" : "",
		w->policy.retries, (unsigned long long)w->policy.max_adjacent,
		(unsigned long long)w->policy.max_bad, (unsigned long long)w->policy.min_rate);
	for (unsigned side = 0; side < w->sides.n; side++)
		print_side(w, side);
}

/* --- after a run --- */

enum hole_mode world_holes(const struct world *w, unsigned side)
{
	return w->plan.side[side].holes;
}

/* What is to be found in the destination len bytes from at_bytes of the span. */
void world_expected(
	const struct world *w, unsigned side, uint64_t at_bytes, uint32_t len, uint8_t *want)
{
	const uint8_t *before = w->before[side] + w->span.out_bytes + at_bytes;
	uint64_t filled = span_written(&w->span, w->given);

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
uint64_t world_writable(const struct world *w)
{
	uint64_t whole = round_down_u64(w->given, w->span.out_block_bytes);

	return w->span.pad ? span_written(&w->span, w->given) : whole;
}

/* What was left out without a word to the end. */
uint64_t world_skipped_bytes(const struct world *w, unsigned side)
{
	return world_holes(w, side) == HOLES_SKIP ? counter_get(&world_counts(w, side)->holes) : 0;
}

/* What was taken apart is moved again by those that had it before, and counts once. */
bool world_taken_apart(const struct world *w)
{
	uint64_t narrowed = 0;

	for (unsigned side = 0; side < w->sides.n; side++)
		narrowed += counter_get(&w->result.side[side].count.narrowed);
	return narrowed > 0 || w->result.losses > 0;
}

void world_check_counts(const struct world *w, unsigned side)
{
	const struct counters *c = world_counts(w, side);
	const struct sim_counts *k = sim_counts(w->sides.end[side]);
	uint64_t moved = counter_get(&c->bytes) - world_skipped_bytes(w, side);
	uint64_t good = k->good_bytes + k->partial_bytes;

	hold(world_taken_apart(w) ? moved <= good : moved == good);
	hold(counter_get(&c->commands) == k->submitted);
	hold(counter_get(&c->recovered) == k->recovered);
	hold(counter_get(&c->retries) + counter_get(&c->narrowed) + counter_get(&c->unrecovered) ==
		k->bad);
	hold(counter_get(&c->not_direct_bytes) == k->not_direct_bytes);
	hold(counter_get(&c->fell_back) == k->fell_back);
	hold(k->in_flight == 0);
	hold(k->most_in_flight <= w->plan.depth);
}

uint64_t world_moved(const struct world *w, unsigned side)
{
	uint64_t at = side ? w->span.out_bytes : w->span.in_bytes;

	return sim_counts(w->sides.end[side])->position - at;
}

const struct counters *world_counts(const struct world *w, unsigned side)
{
	return &w->result.side[side].count;
}
