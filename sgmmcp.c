/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run from the command line to the exit status: options, ends, span, guard, plan, copy, report.
 * Each stage says what is wrong by itself; here only the order is decided, and that what was opened
 * is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/diag.h"
#include "core/meminfo.h"
#include "core/status.h"
#include "endpoints/sg.h"
#include "engine/signals.h"
#include "readback.h"
#include "report.h"
#include "rescue.h"
#include "run.h"
#include "verdict.h"

/*
 * One that is closed would be the number of the first file opened, and words for the user would go
 * to a disk. Opened the wrong way round, so that its use fails.
 */
static void hold_standard_descriptors(void)
{
	static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };

	for (int fd = 0; fd < (int)ARRAY_SIZE(modes); fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", modes[fd] | O_CLOEXEC);
}

/* A slot takes up to two descriptors. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* A file that may not become so long is an error like others, with a report. */
static void ignore_file_size_signal(void)
{
	signal(SIGXFSZ, SIG_IGN);
}

/* --- before the first command that moves data --- */

/* Without those that failed in a run before: to check them would be to find what was said. */
static void set_sides(struct run *r)
{
	struct sides *s = &r->sides;

	s->n = 0;
	s->end[s->n++] = r->ends.in.ep;
	for (unsigned i = 0; i < r->ends.nouts; i++)
		s->end[s->n++] = r->ends.out[i].ep;
	for (unsigned i = 0; i < r->back.nouts; i++)
		s->end[s->n++] = r->back.out[i].ep;
}

static int resolve_span(struct run *r)
{
	const struct options *o = r->o;
	const struct span_request rq = {
		.ibs_bytes = o->ibs_bytes,
		.obs_bytes = o->obs_bytes,
		.count = o->count == COUNT_ALL ? SPAN_ALL : o->count,
		.skip = o->in.offset_blk,
		.seek = o->out.offset_blk,
		.pad = (o->out.flags & END_PAD) != 0,
	};
	const struct endpoint *who = NULL;
	char why[SPAN_WHY_ROOM];
	int exit_status = span_resolve(&rq, &r->sides, &r->span, &who, why);

	if (exit_status)
		diag(who ? who->name : NULL, "%s", why);
	/* What is made depends on where it goes: ranges written by several runs fit together. */
	if (o->generated)
		r->span.in_bytes += r->span.out_bytes;
	return exit_status;
}

static struct guard_range range_of(const struct end *e, uint64_t at, uint64_t len)
{
	const struct identity *id = e->ep->facts.cls == END_DEVICE ? sg_identity(e->ep) : NULL;

	return (struct guard_range){ e->ep->name, &e->node, id, e->from_bytes + at, len };
}

/* No range is written that is read, or written twice. */
static int check_overlaps(const struct run *r)
{
	const struct ends *e = &r->ends;
	const struct span *s = &r->span;
	const struct guard_range in = range_of(&e->in, s->in_bytes, s->len_bytes);
	uint64_t written = span_written(s, s->len_bytes);
	int exit_status = 0;

	for (unsigned i = 0; i < e->nouts && !exit_status; i++) {
		const struct guard_range out = range_of(&e->out[i], s->out_bytes, written);

		exit_status = guard_same_unit(&in, &out);
		for (unsigned k = 0; k < i && !exit_status; k++) {
			const struct guard_range other =
				range_of(&e->out[k], s->out_bytes, written);

			exit_status = guard_same_unit(&other, &out);
		}
	}
	return exit_status;
}

static int guard_out(struct run *r, unsigned i)
{
	const struct end *out = &r->ends.out[i];
	bool force = (r->o->out.flags & END_FORCE) != 0;

	if (out->is_disk)
		return guard_take(&r->guard[i], out->ep->name, &out->node, force);
	if (out->node.is_file || out->node.kind == NODE_MISSING)
		return guard_file(out->ep->name, end_path(out), &r->ends.in.node, force);
	return 0;
}

static int check_guards(struct run *r)
{
	int exit_status = check_overlaps(r);

	for (unsigned i = 0; i < r->ends.nouts && !exit_status; i++)
		exit_status = guard_out(r, i);
	return exit_status;
}

static void request_fill(struct run *r)
{
	const struct options *o = r->o;
	uint64_t available = meminfo_available();

	r->request = (struct plan_request){
		.in_method = o->in.method,
		.out_method = o->out.method,
		.io = o->io,
		.bpt_blk = o->bpt_blk,
		.queue_depth = o->queue_depth,
		.workers = o->workers,
		.in_cdb_bytes = o->in.cdb_bytes,
		.out_cdb_bytes = o->out.cdb_bytes,
		.in_flags = o->in.flags,
		.out_flags = o->out.flags,
		.timeout_ms = o->timeout_ms,
		.job = o->compare ? JOB_COMPARE : JOB_COPY,
		.ordered = o->hash != NULL,
		.memory_bytes = available / 2,
	};
}

static int probe_ends(struct run *r)
{
	uint32_t want = plan_wanted_chunk(&r->request, &r->span);

	if (r->o->reserved_bytes)
		want = (uint32_t)min_u64(want, max_u64(r->o->reserved_bytes, r->span.block_bytes));
	for (unsigned side = 0; side < r->sides.n; side++) {
		struct endpoint *ep = r->sides.end[side];

		if (ep->ops->probe(ep, want, side ? r->span.out_bytes : r->span.in_bytes) < 0)
			return ep->exit_status;
	}
	return 0;
}

static void say_untrimmed(const struct run *r)
{
	for (unsigned side = 1; side <= r->ends.nouts && r->request.job == JOB_COPY; side++)
		if (r->o->out.flags & END_TRIM && r->plan.side[side].holes == HOLES_NONE &&
			side_moves(&r->sides, side))
			diag(r->sides.end[side]->name,
				"cannot trim so that zeros are read there: zeros are written");
}

static int make_plan(struct run *r)
{
	char why[PLAN_WHY_ROOM];
	int exit_status = plan_make(&r->request, &r->sides, &r->span, &r->plan, why);

	if (exit_status) {
		diag(NULL, "%s", why);
		return exit_status;
	}
	say_untrimmed(r);
	if (r->plan.chunk_note)
		diag(NULL, "%s: %u bytes", r->plan.chunk_note, r->plan.chunk_bytes);
	if (r->plan.depth_note)
		diag(NULL, "%s: %u", r->plan.depth_note, r->plan.depth);
	return 0;
}

static int cannot_verify(const struct endpoint *ep, const char *why)
{
	diag(ep->name, "%s", why);
	return EXIT_CONTRADICT;
}

static int check_verify_out(const struct run *r, const struct endpoint *out)
{
	enum verify verify = r->o->verify;

	if (out->facts.cls == END_SYNTH)
		return cannot_verify(out, "nothing is written that could be verified");
	if (r->o->out.flags & END_SPARSE &&
		(out->facts.cls == END_DEVICE || out->facts.block_bytes > 1))
		return cannot_verify(out, "sparse leaves old data where zeros belong: there is "
					  "nothing to verify (give oflag=trim)");
	if (verify != VERIFY_DRIVE && r->o->out.flags & END_APPEND)
		return cannot_verify(out, "append: where the copy lies cannot be known afterwards "
					  "(leave verify= out)");
	if (out->facts.sequential)
		return cannot_verify(
			out, "a stream cannot be read again to verify (leave verify= out)");
	if (verify == VERIFY_DRIVE && out->facts.cls != END_DEVICE)
		return cannot_verify(out, "has no VERIFY command (give verify=after)");
	return 0;
}

/* Whether what verify= asks can be done, before anything is written. */
static int check_verify(const struct run *r)
{
	const struct endpoint *in = r->ends.in.ep;
	int exit_status = 0;

	if (r->o->verify == VERIFY_NONE)
		return 0;
	if (in->facts.sequential && r->o->verify != VERIFY_EACH)
		return cannot_verify(
			in, "a stream cannot be read again to verify (give verify=each)");
	for (unsigned i = 0; i < r->ends.nouts && !exit_status; i++)
		exit_status = check_verify_out(r, r->ends.out[i].ep);
	return exit_status;
}

static int prepare(struct run *r)
{
	int exit_status = ends_open(&r->ends, r->o);

	if (exit_status)
		return exit_status;
	set_sides(r);
	exit_status = resolve_span(r);
	if (!exit_status)
		exit_status = rescue_check(r);
	if (!exit_status && !r->o->compare)
		exit_status = check_guards(r);
	if (!exit_status && (r->o->out.flags & END_NOCOPY))
		exit_status = ends_discard_output(&r->ends);
	if (exit_status)
		return exit_status;
	set_sides(r);
	request_fill(r);
	exit_status = probe_ends(r);
	if (!exit_status)
		exit_status = make_plan(r);
	return exit_status ? exit_status : check_verify(r);
}

/* --- the run --- */

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
			exit_status = make_plan(r);
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

/* --- from the beginning to the end --- */

static bool has_seed(const struct options *o)
{
	return o->generated && o->pattern.kind != PATTERN_BYTES;
}

static int choose_seed(struct options *o)
{
	uint64_t *seed = &o->pattern.seed;

	if (!has_seed(o) || o->seed_given)
		return 0;
	if (getrandom(seed, sizeof(*seed), 0) == (ssize_t)sizeof(*seed))
		return 0;
	diag_errno(NULL, errno, "no random seed (give seed=)");
	return exit_status_from_errno(errno);
}

/* Always: without it nobody can check the data. */
static void tell_seed(const struct options *o)
{
	if (has_seed(o) && !o->seed_given)
		diag_plain("seed=0x%016llx", (unsigned long long)o->pattern.seed);
}

static int carry_out(struct run *r)
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
	set_sides(r);
	exit_status = probe_ends(r);
	return exit_status ? exit_status : make_plan(r);
}

static int run(struct run *r)
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
	return carry_out(r);
}

static void copy_done(struct run *r)
{
	if (r->copy)
		copy_close(r->copy);
	r->copy = NULL;
}

static void run_init(struct run *r, const struct options *o)
{
	memset(r, 0, sizeof(*r));
	r->o = o;
	for (unsigned i = 0; i < OUTS_MAX; i++)
		r->guard[i].excl_fd = -1;
}

static void run_close(struct run *r)
{
	copy_done(r);
	digest_destroy(&r->digest);
	for (unsigned i = 0; i < r->ends.nouts; i++)
		if (r->ends.out[i].is_disk)
			guard_release(&r->guard[i], &r->ends.out[i].node,
				counter_get(&r->result.side[i + 1].count.bytes) > 0);
	ends_close(&r->back);
	ends_close(&r->ends);
	ranges_destroy(&r->own_map);
}

/* --- verify= --- */

/* Those that failed are not looked at again. */
static void drop_failed(struct options *o, const struct copy_result *copied)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < o->nouts; i++)
		if (!copied->side[i + 1].failed)
			o->out_path[kept++] = o->out_path[i];
	o->nouts = kept;
}

/* What was written is read back by ends of its own, while the first ones keep their locks. */
static int verify_after(
	const struct run *copied, struct ranges *todo, struct differences *d, int *signal_number)
{
	struct options o = readback_options(copied->o);
	struct run r;
	int exit_status;

	drop_failed(&o, &copied->result);
	run_init(&r, &o);
	r.todo = todo;
	r.differences = d;
	exit_status = run(&r);
	*signal_number = r.result.signal;
	run_close(&r);
	return exit_status;
}

static unsigned out_of_side(const struct run *r, unsigned side)
{
	unsigned i = 0;

	while (r->ends.out[i].ep != r->sides.end[side])
		i++;
	return i;
}

static uint32_t block_of(const struct endpoint *ep)
{
	return ep->facts.block_bytes ? ep->facts.block_bytes : 1;
}

/* From where the chunk that differs begins, in the blocks of each end. */
static struct options from_there(const struct run *r, unsigned side)
{
	const struct side_result *result = &r->result.side[side];
	/* In what pads the last block: all of that is looked at. */
	uint64_t last = round_down_u64(max_u64(r->span.len_bytes, 1) - 1, r->span.block_bytes);
	uint64_t at = min_u64(result->failure.offset_bytes - r->span.out_bytes, last);
	struct options o = readback_options(r->o);

	o.out_path[0] = r->o->out_path[out_of_side(r, side)];
	o.nouts = 1;
	o.ibs_bytes = block_of(r->ends.in.ep);
	o.obs_bytes = block_of(r->sides.end[side]);
	if (o.generated) /* goes by the place in the destination */
		o.in.offset_blk = (r->span.in_bytes - r->span.out_bytes) / o.ibs_bytes;
	else
		o.in.offset_blk = (r->span.in_bytes + at) / o.ibs_bytes;
	o.out.offset_blk = (r->span.out_bytes + at) / o.obs_bytes;
	o.count = (r->span.len_bytes - at) / o.ibs_bytes;
	o.bpt_blk = 0;
	o.status = STATUS_NONE;
	o.quiet = true;
	o.progress = false;
	o.verbose = 0;
	return o;
}

/*
 * The drive says that a chunk differs, not where: that takes reading back, from the first such
 * chunk on. It is said by that run.
 */
static void locate_miscompares(const struct run *r)
{
	for (unsigned side = 1; side < r->sides.n; side++) {
		const struct side_result *result = &r->result.side[side];
		struct options o;
		struct run located;

		if (!result->failed || result->failure.fault.kind != FAULT_MISCOMPARE)
			continue;
		o = from_there(r, side);
		run_init(&located, &o);
		located.differences = r->differences;
		if (run(&located) == 0 && !located.result.signal)
			verdict_say_not_found(r, side);
		run_close(&located);
	}
}

/* By the drive's word the chunk differs, whatever is found in it: it may have been read well now.
 */
static void note_chunks(const struct run *r)
{
	for (unsigned side = 1; side < r->sides.n && r->differences; side++) {
		const struct xfer *x = &r->result.side[side].failure;

		if (r->result.side[side].failed && x->fault.kind == FAULT_MISCOMPARE)
			differences_note(r->differences, x->offset_bytes - r->span.out_bytes,
				x->len_bytes, r->span.block_bytes);
	}
}

static void drop_failed_sides(struct sides *s, const struct copy_result *copied)
{
	unsigned kept = 1;

	for (unsigned side = 1; side < s->n; side++)
		if (!copied->side[side].failed)
			s->end[kept++] = s->end[side];
	s->n = kept;
}

/*
 * The same copy once more, with VERIFY in place of WRITE: the disk reads, compares, stores nothing.
 */
static int verify_drive(
	struct run *r, struct ranges *todo, struct differences *d, int *signal_number)
{
	struct copy_result written = r->result;
	int exit_status;

	copy_done(r);
	drop_failed_sides(&r->sides, &r->result);
	r->request.job = JOB_VERIFY;
	r->todo = todo;
	r->differences = d;
	exit_status = make_plan(r);
	if (!exit_status)
		exit_status = carry_out(r);
	note_chunks(r);
	if (r->result.signal == 0)
		locate_miscompares(r);
	*signal_number = r->result.signal;
	r->result = written;
	return exit_status;
}

static int verify_by(struct run *r, struct ranges *todo, struct differences *d, int *signal_number)
{
	if (r->o->status != STATUS_NONE)
		diag_plain("verify: what was written is compared with the source");
	if (r->o->verify == VERIFY_DRIVE)
		return verify_drive(r, todo, d, signal_number);
	copy_done(r);
	return verify_after(r, todo, d, signal_number);
}

static int verify(struct run *r)
{
	bool is_kept = run_is_kept(r), has_todo;
	struct differences differences;
	struct ranges todo = { 0 };
	int exit_status = rescue_todo(r, &todo, &has_todo), signal_number = 0;

	if (exit_status)
		return exit_status;
	differences_init(&differences, &r->keep.map.ranges);
	exit_status = verify_by(
		r, has_todo ? &todo : NULL, is_kept ? &differences : NULL, &signal_number);
	rescue_save_differences(r, &differences);
	r->result.signal = signal_number;
	ranges_destroy(&todo);
	return exit_status;
}

/* Now, or by a run before of which the map tells. */
static bool was_copied(const struct copy_result *result)
{
	return counter_get(&result->side[0].count.commands) > 0 || result->before_bytes > 0;
}

/* A copy that ended by itself, to one destination at least. */
static bool is_to_be_verified(const struct run *r)
{
	const struct options *o = r->o;
	const struct copy_result *result = &r->result;
	unsigned failed = 0;

	if (o->verify != VERIFY_AFTER && o->verify != VERIFY_DRIVE)
		return false;
	for (unsigned side = 1; side <= o->nouts; side++)
		failed += result->side[side].failed;
	return was_copied(result) && !result->signal && !result->side[0].failed &&
	       failed < o->nouts;
}

int main(int argc, char **argv)
{
	struct options o;
	struct run r;
	int exit_status;

	ignore_file_size_signal();
	switch (options_parse(&o, argc, (const char **)argv, &exit_status)) {
	case OPTIONS_RUN: break;
	default: return exit_status;
	}
	hold_standard_descriptors();
	raise_descriptor_limit();
	run_init(&r, &o);
	exit_status = choose_seed(&o);
	if (!exit_status)
		exit_status = rescue_read(&r, &o, argc, (const char *const *)argv);
	if (!exit_status)
		exit_status = run(&r);
	if (is_to_be_verified(&r)) {
		int verify_status = verify(&r);

		exit_status = verdict_with_verify(&r, exit_status, verify_status);
	}
	exit_status = rescue_end(&r, exit_status);
	run_close(&r);
	if (verdict_ended_by_reader(&r))
		signals_die(SIGPIPE);
	if (r.result.signal && !exit_status)
		signals_die(r.result.signal);
	return exit_status;
}
