/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Here is decided in which order a run does what, and that what it began and cannot do is undone.
 */
#include "run.h"

#include <string.h>
#include <unistd.h>

#include "core/diag.h"
#include "core/status.h"
#include "prepare.h"
#include "readback.h"
#include "report.h"
#include "rescue.h"
#include "verdict.h"

static void on_tick(void *arg, const struct copy_progress *now)
{
	struct run *r = arg;

	progress_tick(&r->progress, now);
}

static void on_report(void *arg, const struct copy_progress *now)
{
	struct run *r = arg;

	progress_end(&r->progress);
	report_midway(&r->span, r->plan.writes, now);
}

static void on_loss(void *arg, uint64_t nth, const struct incident *l)
{
	struct run *r = arg;

	progress_end(&r->progress);
	verdict_say_loss(r, nth, l);
}

static void on_recovered(void *arg, uint64_t nth, const struct incident *l)
{
	struct run *r = arg;

	progress_end(&r->progress);
	verdict_say_recovered(r, nth, l);
}

static void on_stall(void *arg, const struct stall *s)
{
	struct run *r = arg;

	progress_end(&r->progress);
	verdict_say_stall(r, s);
}

/*
 * Of a stream nobody knows how much will come; a mapping is made for the most that was asked for,
 * and cut back.
 */
static uint64_t length_to_begin(const struct run *r, const struct endpoint *ep, uint64_t len_bytes)
{
	bool has_most = ep->facts.cls == END_MAPPED && r->o->count != COUNT_ALL;

	return r->span.open_ended && !has_most ? SIZE_UNKNOWN : len_bytes;
}

static int begin_end(
	const struct run *r, struct endpoint *ep, uint64_t at_bytes, uint64_t len_bytes)
{
	uint64_t len = length_to_begin(r, ep, len_bytes);

	if (!ep->ops->begin || ep->ops->begin(ep, at_bytes, len) == 0)
		return 0;
	return ep->exit_status;
}

static int begin_out(const struct run *r, unsigned i)
{
	uint64_t len = span_written(&r->span, r->span.len_bytes);

	return begin_end(r, r->ends.out[i].ep, r->span.out_bytes, len);
}

/* Those that are to be created, or the others. */
static int begin_outs(const struct run *r, bool missing)
{
	int exit_status = 0;

	for (unsigned i = 0; i < r->ends.nouts && !exit_status; i++)
		if ((r->ends.out[i].node.kind == NODE_MISSING) == missing)
			exit_status = begin_out(r, i);
	return exit_status;
}

/* While the source cannot be read nothing is created; while that cannot be, nothing truncated. */
static int begin_ends(struct run *r)
{
	int exit_status;

	r->begun = true;
	exit_status = begin_end(r, r->ends.in.ep, r->span.in_bytes, r->span.len_bytes);
	if (!exit_status)
		exit_status = begin_outs(r, true);
	return exit_status ? exit_status : begin_outs(r, false);
}

/* Nothing was written, and nothing is to look as if it had been. What end() says is said. */
static void undo_begin(struct run *r)
{
	for (unsigned i = 0; i < r->ends.nouts; i++) {
		struct endpoint *ep = r->ends.out[i].ep;

		if (r->begun && ep->role == END_DEST && ep->ops->end && !run_is_kept(r))
			(void)ep->ops->end(ep, 0, true);
		if (r->begun && ep->ops->uncreate)
			ep->ops->uncreate(ep);
	}
	r->begun = false;
}

static int open_copy(struct run *r)
{
	const struct policy policy = rescue_policy(r->o);
	int exit_status = 0;
	enum copy_opened opened;

	/* Few times: a plan that the lanes could not keep is made anew without that way. */
	do {
		opened = copy_open(&r->plan, &r->span, &r->sides, &policy, &r->copy, &exit_status);
		if (opened == COPY_REPLAN)
			exit_status = prepare_plan(r);
	} while (opened == COPY_REPLAN && !exit_status);
	return exit_status;
}

static void on_window(void *arg, const char *hex, uint64_t from_bytes, uint64_t to_bytes)
{
	struct run *r = arg;
	uint64_t start = r->span.in_bytes;

	hashlines_window(&r->hashlines, hex, start + from_bytes, start + to_bytes);
}

static int set_digest(struct run *r)
{
	const struct options *o = r->o;
	const char *name = o->in.path ? o->in.path : "-";
	int err;

	if (!run_is_hashed(r))
		return 0;
	if (r->ends.in.ep->facts.cls == END_SYNTH)
		name = r->ends.in.ep->name;
	hashlines_init(&r->hashlines, name, o->out_path, o->nouts);
	err = digest_init(&r->digest, o->hash, o->hash_window_bytes, on_window, r);
	if (err) {
		diag_errno("hash=", err, "cannot have %s", o->hash);
		return exit_status_from_errno(err);
	}
	copy_set_digest(r->copy, &r->digest);
	return 0;
}

static int run_copy(struct run *r)
{
	const struct copy_watch watch = {
		.tick_ns = r->o->progress ? NSEC_PER_SEC : 0,
		.tick = on_tick,
		.report = on_report,
		.lost = on_loss,
		.recovered = on_recovered,
		.stalled = on_stall,
		.arg = r,
	};
	int err;

	progress_init(&r->progress, isatty(STDERR_FILENO) == 1);
	err = copy_run(r->copy, &watch, r->o->sync_at_end, &r->result);
	progress_end(&r->progress);
	if (!err)
		return 0;
	diag_errno(NULL, err, "cannot start");
	return exit_status_from_errno(err);
}

/* Always: without it nobody can check the data. */
static void tell_seed(const struct options *o)
{
	if (options_have_seed(o) && !o->seed_given)
		diag_plain("seed=0x%016llx", (unsigned long long)o->pattern.seed);
}

int run_planned(struct run *r)
{
	int exit_status = open_copy(r);

	if (exit_status) {
		undo_begin(r);
		return exit_status;
	}
	rescue_set_map(r);
	exit_status = set_digest(r);
	if (!exit_status)
		exit_status = run_copy(r);
	if (exit_status)
		undo_begin(r);
	r->begun = false;
	rescue_take_map(r);
	return exit_status ? exit_status : verdict(r);
}

/* verify=each: what was just created can be opened only now. */
static int add_read_back(struct run *r)
{
	const struct options o = readback_options(r->o);
	int exit_status = ends_open_outs(&r->back, &o);

	if (exit_status)
		return exit_status;
	prepare_sides(r);
	exit_status = prepare_probe(r);
	return exit_status ? exit_status : prepare_plan(r);
}

int run(struct run *r)
{
	int exit_status = prepare(r);

	if (exit_status)
		return exit_status;
	if (!r->o->dry_run)
		exit_status = rescue_try_save(r);
	if (!exit_status && !r->o->dry_run)
		exit_status = begin_ends(r);
	if (!exit_status && !r->o->dry_run && r->o->verify == VERIFY_EACH)
		exit_status = add_read_back(r);
	if (exit_status) {
		undo_begin(r);
		return exit_status;
	}
	if (r->o->verbose || r->o->dry_run)
		plan_print(&r->plan, &r->sides, &r->span);
	if (r->o->dry_run)
		return 0;
	tell_seed(r->o);
	return run_planned(r);
}

void run_close_copy(struct run *r)
{
	if (r->copy)
		copy_close(r->copy);
	r->copy = NULL;
}

void run_init(struct run *r, const struct options *o)
{
	memset(r, 0, sizeof(*r));
	r->o = o;
	for (unsigned i = 0; i < OUTS_MAX; i++)
		r->guard[i].excl_fd = -1;
}

void run_close(struct run *r)
{
	run_close_copy(r);
	digest_destroy(&r->digest);
	for (unsigned i = 0; i < r->ends.nouts; i++)
		if (r->ends.out[i].is_disk)
			guard_release(&r->guard[i], &r->ends.out[i].node,
				counter_get(&r->result.side[i + 1].count.bytes) > 0);
	ends_close(&r->back);
	ends_close(&r->ends);
	ranges_destroy(&r->own_map);
}
