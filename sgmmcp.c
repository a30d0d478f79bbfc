/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run from the command line to the exit status: options, ends, span, guard, plan, copy, report.
 * Each stage says what is wrong by itself; here only the order is decided, and that what was opened
 * is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/diag.h"
#include "core/meminfo.h"
#include "core/status.h"
#include "endpoints/sg.h"
#include "ends.h"
#include "engine/copy.h"
#include "engine/signals.h"
#include "engine/span.h"
#include "guard.h"
#include "hashlines.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "scsi/reply.h"

struct run {
	const struct options *o;
	struct ends ends;
	struct span span;
	struct guard guard;
	struct plan_request request;
	struct plan plan;
	struct copy *copy;
	struct copy_result result;
	struct progress progress;
	struct digest digest; /* hash= */
	struct hashlines hashlines;
};

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

/* --- before the first command that moves data --- */

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
	int exit_status = span_resolve(&rq, r->ends.in, r->ends.out, &r->span, &who, why);

	if (exit_status)
		diag(who ? who->name : NULL, "%s", why);
	/* What is made depends on where it goes: ranges written by several runs fit together. */
	if (o->generated)
		r->span.in_bytes += r->span.out_bytes;
	return exit_status;
}

static struct guard_range range_of(
	const struct endpoint *ep, const struct node *n, uint64_t at, uint64_t len)
{
	const struct identity *id = ep->facts.cls == END_DEVICE ? sg_identity(ep) : NULL;

	return (struct guard_range){ ep->name, n, id, at, len };
}

static int check_guards(struct run *r)
{
	struct ends *e = &r->ends;
	const struct span *s = &r->span;

	struct guard_range in = range_of(e->in, &e->in_node, s->in_bytes, s->len_bytes);
	struct guard_range out = range_of(e->out, &e->out_node, s->out_bytes, s->len_bytes);
	bool force = (r->o->out.flags & END_FORCE) != 0;
	int exit_status = guard_same_unit(&in, &out);

	if (exit_status)
		return exit_status;
	if (e->out_is_disk)
		return guard_take(&r->guard, e->out->name, &e->out_node, force);
	if (e->out_node.kind == NODE_FILE || e->out_node.kind == NODE_MISSING)
		return guard_file(e->out->name, &e->in_node, force);
	return 0;
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
	struct endpoint *in = r->ends.in, *out = r->ends.out;

	if (r->o->reserved_bytes)
		want = (uint32_t)min_u64(want, max_u64(r->o->reserved_bytes, r->span.block_bytes));
	if (in->ops->probe(in, want, r->span.in_bytes) < 0)
		return in->exit_status;
	if (out->ops->probe(out, want, r->span.out_bytes) < 0)
		return out->exit_status;
	return 0;
}

static int make_plan(struct run *r)
{
	char why[PLAN_WHY_ROOM];
	int exit_status = plan_make(&r->request, r->ends.in, r->ends.out, &r->span, &r->plan, why);

	if (exit_status) {
		diag(NULL, "%s", why);
		return exit_status;
	}
	if (r->plan.chunk_note)
		diag(NULL, "%s: %u bytes", r->plan.chunk_note, r->plan.chunk_bytes);
	if (r->plan.depth_note)
		diag(NULL, "%s: %u", r->plan.depth_note, r->plan.depth);
	return 0;
}

/* Whether what verify= asks can be done, before anything is written. */
static int check_verify(const struct run *r)
{
	const struct endpoint *in = r->ends.in, *out = r->ends.out;
	const char *why = NULL;

	if (r->o->verify == VERIFY_NONE)
		return 0;
	if (!r->plan.writes)
		why = "nothing is written that could be verified";
	else if (in->facts.sequential || out->facts.sequential)
		why = "a stream cannot be read again to verify (leave verify= out)";
	else if (r->o->verify == VERIFY_AFTER && (r->o->out.flags & END_APPEND))
		why = "append: where the copy lies cannot be known afterwards (leave verify= out)";
	else if (r->o->verify == VERIFY_DRIVE && out->facts.cls != END_DEVICE)
		why = "has no VERIFY command (give verify=after)";
	if (!why)
		return 0;
	diag(in->facts.sequential ? in->name : out->name, "%s", why);
	return EXIT_CONTRADICT;
}

static int prepare(struct run *r)
{
	int exit_status = ends_open(&r->ends, r->o);

	if (!exit_status)
		exit_status = resolve_span(r);
	if (!exit_status && !r->o->compare)
		exit_status = check_guards(r);
	if (!exit_status && (r->o->out.flags & END_NOCOPY))
		exit_status = ends_discard_output(&r->ends);
	if (exit_status)
		return exit_status;
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

static int begin_end(struct endpoint *ep, uint64_t at_bytes, const struct span *s)
{
	uint64_t len = s->open_ended ? SIZE_UNKNOWN : s->len_bytes;

	if (!ep->ops->begin || ep->ops->begin(ep, at_bytes, len) == 0)
		return 0;
	return ep->exit_status;
}

/* The source first: while it cannot be read nothing is created. */
static int begin_ends(struct run *r)
{
	int exit_status = begin_end(r->ends.in, r->span.in_bytes, &r->span);

	return exit_status ? exit_status : begin_end(r->ends.out, r->span.out_bytes, &r->span);
}

static int open_copy(struct run *r)
{
	const struct policy policy = { .retries = r->o->retries };
	int exit_status = 0;
	enum copy_opened opened;

	/* At most twice: a plan that the lanes could not keep is made anew without that way. */
	do {
		opened = copy_open(&r->plan, &r->span, r->ends.in, r->ends.out, &policy, &r->copy,
			&exit_status);
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

/* When the drive verifies, the source is read for a second time. */
static bool is_hashed(const struct run *r)
{
	return r->o->hash && r->request.job != JOB_VERIFY;
}

static int set_digest(struct run *r)
{
	const struct options *o = r->o;
	const char *name = o->in.path ? o->in.path : "-";
	int err;

	if (!is_hashed(r))
		return 0;
	if (r->ends.in->facts.cls == END_SYNTH)
		name = r->ends.in->name;
	hashlines_init(&r->hashlines, name, o->out.path);
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
		.arg = r,
	};
	bool flush = r->o->sync_at_end && r->ends.out->facts.needs_flush;
	int err;

	progress_init(&r->progress, isatty(STDERR_FILENO) == 1);
	err = copy_run(r->copy, &watch, flush, &r->result);
	progress_end(&r->progress);
	if (!err)
		return 0;
	diag_errno(NULL, err, "cannot start");
	return exit_status_from_errno(err);
}

/* --- after it --- */

/* Nobody reads the pipe any more: not worth a line, and an end as by the signal, like dd's. */
static bool ended_by_reader(const struct copy_result *result)
{
	struct sigaction now;

	return result->failed_end && result->failed.fault.err == EPIPE &&
	       sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler != SIG_IGN;
}

static int say_fault(const struct run *r)
{
	const struct copy_result *result = &r->result;
	char text[512];

	if (!result->failed_end || ended_by_reader(result))
		return 0;
	if (r->digest.failed) /* say_hash() tells it */
		return EXIT_OTHER;
	switch (result->failed.fault.kind) {
	case FAULT_TAIL:
		if (result->signal) /* it did not end, it was not waited for */
			return 0;
		diag(r->ends.in->name,
			"ended %u bytes into a block of %u: they were not written (conv=sync pads)",
			result->failed.len_bytes, r->span.out_block_bytes);
		break;
	case FAULT_FULL: diag(r->ends.out->name, "is full, and the source has more"); break;
	default:
		result->failed_end->ops->describe(
			result->failed_end, &result->failed, text, sizeof(text));
		diag(result->failed_end->name, "%s", text);
		break;
	}
	return fault_exit_status(&result->failed.fault);
}

static int say_flush_fault(const struct run *r)
{
	const struct copy_result *result = &r->result;
	char text[256];

	if (!result->flushed || fault_is_good(&result->flush_fault))
		return 0;
	diag(r->ends.out->name, "SYNCHRONIZE CACHE: %s: what was written may not last",
		fault_describe(&result->flush_fault, text, sizeof(text)));
	return fault_exit_status(&result->flush_fault);
}

static int say_miscompare(const struct run *r)
{
	const struct miscompare *m = &r->result.miscompare;
	uint32_t block = r->span.out_block_bytes > 1 ? r->span.out_block_bytes : r->span.ibs_bytes;
	uint64_t at = r->span.out_bytes + m->at_bytes;

	if (m->blocks == 0)
		return 0;
	diag(r->ends.out->name,
		"miscompare at LBA %llu, byte %llu: expected 0x%02x, found 0x%02x; %llu block%s of "
		"%u bytes differ%s",
		(unsigned long long)(at / block), (unsigned long long)(at % block), m->expected,
		m->found, (unsigned long long)m->blocks, m->blocks == 1 ? "" : "s", block,
		m->blocks == 1 ? "s" : "");
	return EXIT_MISCOMPARE;
}

/* Two files are not equal when one goes on; a disk may well be larger than its copy's source. */
static int say_longer(const struct run *r)
{
	const struct options *o = r->o;
	uint64_t size = r->ends.out->facts.size_bytes;

	if (!o->compare || o->count != COUNT_ALL || r->ends.out_node.kind != NODE_FILE ||
		(o->out.flags & END_NOTRUNC) || r->span.open_ended ||
		size == r->span.out_bytes + r->span.len_bytes)
		return 0;
	diag(r->ends.out->name, "is equal as far as %s goes, and longer by %llu bytes",
		r->ends.in->name,
		(unsigned long long)(size - r->span.out_bytes - r->span.len_bytes));
	return EXIT_MISCOMPARE;
}

/* Commands were repeated, but what an earlier one left in a volatile cache may be gone. */
static void say_resets(const struct run *r)
{
	unsigned long long resets = counter_get(&r->result.out.resets);

	if (resets)
		diag(r->ends.out->name,
			"was reset in mid-run, %llu unit attention%s: what was in its write cache "
			"may be "
			"lost (compare, or copy again)",
			resets, resets == 1 ? "" : "s");
}

/* The hash and, where not all was hashed, of what it is. */
static int say_hash(struct run *r)
{
	const struct copy_result *result = &r->result;
	struct digest *d = &r->digest;
	char text[HASH_TEXT_ROOM];

	if (!is_hashed(r))
		return 0;
	if (!digest_end(d, text)) {
		diag("hash=", "%s: the library refused: there is no hash", r->o->hash);
		return EXIT_OTHER;
	}
	hashlines_whole(&r->hashlines, text);
	if (result->signal || result->failed_end || d->done_bytes < counter_get(&result->in.bytes))
		diag("hash=", "hash is of the first %llu bytes", (unsigned long long)d->done_bytes);
	if (!r->hashlines.err)
		return 0;
	diag_errno("hash=", r->hashlines.err, "cannot print it");
	return exit_status_from_errno(r->hashlines.err);
}

static int conclude(struct run *r)
{
	const struct options *o = r->o;
	const struct report_style style = {
		.time_line = o->time_lines && o->status != STATUS_NOXFER,
		.details = o->status != STATUS_NOXFER && !o->quiet,
	};
	int exit_status = say_fault(r);
	int flush_status = say_flush_fault(r);
	int miscompare_status = say_miscompare(r); /* also where the run failed later */
	int hash_status;

	if (!exit_status)
		exit_status = miscompare_status;
	if (!exit_status && !r->result.signal)
		exit_status = say_longer(r);
	say_resets(r);
	if (o->status != STATUS_NONE)
		report_end(&style, &r->plan, &r->span, r->ends.in, r->ends.out, &r->result);
	hash_status = say_hash(r);
	if (!exit_status)
		exit_status = flush_status;
	return exit_status ? exit_status : hash_status;
}

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

	if (!exit_status)
		exit_status = set_digest(r);
	if (!exit_status)
		exit_status = run_copy(r);
	return exit_status ? exit_status : conclude(r);
}

static int run(struct run *r)
{
	int exit_status = prepare(r);

	if (exit_status)
		return exit_status;
	if (r->o->verbose || r->o->dry_run)
		plan_print(&r->plan, r->ends.in, r->ends.out, &r->span);
	if (r->o->dry_run)
		return 0;
	exit_status = begin_ends(r);
	if (exit_status)
		return exit_status;
	tell_seed(r->o);
	return carry_out(r);
}

static void copy_done(struct run *r)
{
	if (r->copy)
		copy_close(r->copy);
	r->copy = NULL;
}

static void run_close(struct run *r)
{
	copy_done(r);
	digest_destroy(&r->digest);
	if (r->ends.out_is_disk)
		guard_release(&r->guard, &r->ends.out_node, counter_get(&r->result.out.bytes) > 0);
	ends_close(&r->ends);
}

/* --- verify= --- */

/* What was written is read back by ends of its own, while the first ones keep their locks. */
static int verify_after(const struct run *copied, struct copy_result *result)
{
	struct options o = *copied->o;
	struct run r = { .o = &o, .guard = { .excl_fd = -1 } };
	int exit_status;

	o.compare = true;
	o.verify = VERIFY_NONE;
	o.seed_given = true;
	o.hash = NULL;
	o.in.flags &= ~(unsigned)(END_EXCL | END_FLOCK);
	o.out.flags = (o.out.flags & ~(unsigned)(END_EXCL | END_FLOCK)) | END_NOTRUNC;
	o.out.method = METHOD_AUTO;
	exit_status = run(&r);
	*result = r.result;
	run_close(&r);
	return exit_status;
}

/* The same copy once more, with VERIFY in place of WRITE: the disk reads, compares, stores nothing.
 */
static int verify_drive(struct run *r)
{
	uint64_t written = counter_get(&r->result.out.bytes);
	int exit_status;

	copy_done(r);
	r->request.job = JOB_VERIFY;
	exit_status = make_plan(r);
	if (!exit_status)
		exit_status = carry_out(r);
	counter_add(&r->result.out.bytes, written);
	return exit_status;
}

static int verify(struct run *r)
{
	struct copy_result result;
	int exit_status;

	if (r->o->status != STATUS_NONE)
		diag_plain("verify: what was written is compared with the source");
	if (r->o->verify == VERIFY_DRIVE)
		return verify_drive(r);
	copy_done(r);
	exit_status = verify_after(r, &result);
	r->result.signal = result.signal;
	return exit_status;
}

int main(int argc, char **argv)
{
	struct options o;
	struct run r = { .o = &o, .guard = { .excl_fd = -1 } };
	int exit_status;

	switch (options_parse(&o, argc, (const char **)argv, &exit_status)) {
	case OPTIONS_RUN: break;
	default: return exit_status;
	}
	hold_standard_descriptors();
	raise_descriptor_limit();
	exit_status = choose_seed(&o);
	if (!exit_status)
		exit_status = run(&r);
	if (!exit_status && o.verify != VERIFY_NONE && !o.dry_run && !r.result.signal)
		exit_status = verify(&r);
	run_close(&r);
	if (ended_by_reader(&r.result))
		signals_die(SIGPIPE);
	if (r.result.signal && !exit_status)
		signals_die(r.result.signal);
	return exit_status;
}
