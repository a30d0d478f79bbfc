/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything said here comes from the result of the run; nothing here moves data. */
#include "verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "core/diag.h"
#include "core/status.h"
#include "report.h"
#include "scsi/reply.h"

/* Nobody reads the pipe any more: not worth a line, and an end as by the signal, like dd's. */
bool verdict_ended_by_reader(const struct run *r)
{
	const struct copy_result *result = &r->result;
	struct sigaction now;

	return r->ends.nouts == 1 && result->failed &&
	       result->side[result->failed_first].failure.fault.err == EPIPE &&
	       sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler != SIG_IGN;
}

static const char *name_of(const struct run *r, unsigned side)
{
	return r->sides.end[side]->name;
}

/* What is compared has ended, and did not fail: to be shorter than the source is a difference. */
static bool ended_before_source(const struct run *r, unsigned side)
{
	return r->o->compare && r->sides.end[side]->facts.sequential &&
	       r->result.side[side].failure.fault.kind == FAULT_SHORT;
}

static int failure_status(const struct run *r, unsigned side)
{
	return ended_before_source(r, side)
		       ? EXIT_MISCOMPARE
		       : fault_exit_status(&r->result.side[side].failure.fault);
}

static void say_failure(const struct run *r, unsigned side)
{
	const struct endpoint *ep = r->sides.end[side];
	const struct side_result *result = &r->result.side[side];
	char text[512];

	if (!result->failed)
		return;
	if (ended_before_source(r, side)) {
		diag(ep->name, "ends at byte %llu, and %s goes on",
			(unsigned long long)result->failure.offset_bytes +
				result->failure.done_bytes,
			name_of(r, 0));
		return;
	}
	ep->ops->describe(ep, &result->failure, text, sizeof(text));
	diag(ep->name, "%s", text);
}

static void say_one_dropped(const struct run *r, unsigned side, const char *why)
{
	const struct copy_result *result = &r->result;

	diag(name_of(r, side), "was dropped after %llu of %llu bytes%s",
		(unsigned long long)counter_get(&result->side[side].count.bytes),
		(unsigned long long)counter_get(&result->side[0].count.bytes), why);
}

/* A destination, or what is compared, that failed or cannot be read back, while others went on. */
static void say_dropped(const struct run *r)
{
	const struct side_result *sides = r->result.side;
	unsigned dests = sides_dests(&r->sides), last = dests ? dests : r->sides.n - 1;
	bool reads_back = dests && dests < r->sides.n - 1;

	for (unsigned side = 1; side <= last && last > 1; side++)
		if (sides[side].failed)
			say_one_dropped(r, side, "");
		else if (reads_back && sides[side + dests].failed)
			say_one_dropped(r, side, ": it cannot be read back");
}

static int say_failures(const struct run *r)
{
	const struct copy_result *result = &r->result;

	if (!result->failed || verdict_ended_by_reader(r))
		return 0;
	/* Of two it is the first that ended the run; what flew meanwhile says nothing more. */
	for (unsigned side = 0; side < r->sides.n; side++)
		if (r->sides.n > 2 || side == result->failed_first)
			say_failure(r, side);
	say_dropped(r);
	return failure_status(r, result->failed_first);
}

void verdict_say_loss(const struct run *r, uint64_t nth, const struct incident *l)
{
	const struct endpoint *ep = r->sides.end[l->side];
	char text[512];

	ep->ops->describe(ep, &l->x, text, sizeof(text));
	diag(ep->name, "%s%s", text, l->salvaged ? ", salvaged by READ LONG" : "");
	if (nth == INCIDENTS_KEPT)
		diag(NULL, "further bad blocks are counted only");
}

void verdict_say_recovered(const struct run *r, uint64_t nth, const struct incident *l)
{
	const struct endpoint *ep = r->sides.end[l->side];
	char text[512];

	ep->ops->describe(ep, &l->x, text, sizeof(text));
	diag(ep->name, "%s", text);
	if (nth == INCIDENTS_KEPT)
		diag(NULL, "further recovered errors are counted only");
}

static void say_no_answer(const struct run *r, const struct stall *s)
{
	const struct endpoint *ep = r->sides.end[s->side];
	long long seconds = s->for_ns / NSEC_PER_SEC;
	unsigned long long at = s->at_bytes;

	if (ep->facts.cls == END_DEVICE)
		diag(ep->name, "no answer for %lld s, at LBA %llu (it has timeout=%us)", seconds,
			at / ep->facts.block_bytes, r->o->timeout_ms / 1000);
	else
		diag(ep->name, "no answer for %lld s, at byte %llu", seconds, at);
}

void verdict_say_stall(const struct run *r, const struct stall *s)
{
	const struct endpoint *ep = r->sides.end[s->side];
	char text[512];

	if (s->flushes) {
		diag(ep->name, "flushing for %lld s so far", (long long)(s->for_ns / NSEC_PER_SEC));
		return;
	}
	if (!s->answered) {
		say_no_answer(r, s);
		return;
	}
	ep->ops->describe(ep, &s->x, text, sizeof(text));
	diag(ep->name, "waiting for %lld s: %s", (long long)(s->for_ns / NSEC_PER_SEC), text);
}

void verdict_say_not_found(const struct run *r, unsigned side)
{
	const struct xfer *x = &r->result.side[side].failure;
	uint32_t block = r->sides.end[side]->facts.block_bytes;
	unsigned long long lba = x->offset_bytes / block;

	diag(name_of(r, side),
		"the drive found a miscompare in LBA %llu to %llu, and reading back finds none: "
		"the source has changed, or the drive is wrong (verify again)",
		lba, lba + x->len_bytes / block - 1);
}

static const char *limit_words(enum feed_limit limit)
{
	switch (limit) {
	case LIMIT_ADJACENT: return "stopped: more adjacent bad blocks than coe_limit=";
	case LIMIT_TOTAL: return "stopped: more bad blocks than maxbad=";
	default: return "stopped: no memory for the map";
	}
}

static void say_salvaged(const struct run *r)
{
	unsigned long long n = counter_get(&r->result.side[0].count.salvaged);

	if (n)
		diag_plain("%llu of them salvaged by READ LONG: they may be wrong", n);
}

static bool is_over(const struct copy_result *result)
{
	return !result->failed && !result->signal;
}

/* What ended early has what lies behind those that it did not come back to; no map tells of them.
 */
static bool has_gaps(const struct run *r)
{
	return (r->o->coe_in || r->o->coe_out) && !r->result.rewrites_lost;
}

static void say_lost_bytes(const struct run *r)
{
	const struct copy_result *result = &r->result;
	uint32_t block = result->loss_block_bytes;
	unsigned long long blocks = (result->bad_bytes + block - 1) / block;

	if (result->bad_bytes)
		diag_plain("%llu unrecovered block%s of %u bytes", blocks, blocks == 1 ? "" : "s",
			block);
	say_salvaged(r);
	if (result->undone_bytes && (is_over(result) || has_gaps(r)))
		diag_plain("%llu bytes were not copied", (unsigned long long)result->undone_bytes);
}

/* Of all that was told of nothing is left. */
static bool were_had_later(const struct copy_result *result)
{
	return result->losses && !result->bad_bytes && !result->undone_bytes && !result->limit;
}

/* What the run went on without, and what a run before it left. */
static int say_losses(const struct run *r)
{
	const struct copy_result *result = &r->result;
	bool known = !r->todo && (result->bad_bytes || result->undone_bytes);

	if (result->limit)
		diag(NULL, "%s", limit_words(result->limit));
	if (!result->losses && !known)
		return result->limit ? EXIT_OTHER : 0;
	if (were_had_later(result)) {
		diag_plain("at another try they were good");
		return 0;
	}
	say_lost_bytes(r);
	if (result->signal) /* what there is to be done is not over */
		return 0;
	if (result->losses)
		return fault_exit_status(&result->first_loss.x.fault);
	if (result->bad_bytes)
		return EXIT_MEDIUM_HARD;
	return EXIT_OTHER;
}

/* The first that ends of what a source is compared with. */
static unsigned shortest(const struct run *r)
{
	unsigned least = 1;

	for (unsigned side = 2; side < r->sides.n; side++)
		if (r->sides.end[side]->facts.size_bytes < r->sides.end[least]->facts.size_bytes)
			least = side;
	return least;
}

static int say_source_goes_on(const struct run *r)
{
	if (r->o->compare) {
		diag(name_of(r, 0), "goes on behind the end of %s", name_of(r, shortest(r)));
		return EXIT_MISCOMPARE;
	}
	diag(name_of(r, 1), "is full, and the source has more");
	return EXIT_OS + ENOSPC;
}

/* Where a stream ends and where the disk does. One that was interrupted was not waited for. */
static int say_stream(const struct run *r)
{
	const struct copy_result *result = &r->result;

	if (result->tail_bytes && !result->signal) {
		diag(name_of(r, 0),
			"ended %u bytes into a block of %u: they were not %s (conv=sync pads)",
			result->tail_bytes, r->span.out_block_bytes,
			r->o->compare ? "compared" : "written");
		return EXIT_CONTRADICT;
	}
	return result->source_has_more ? say_source_goes_on(r) : 0;
}

static int say_flush_fault(const struct run *r, unsigned side)
{
	const struct side_result *result = &r->result.side[side];
	char text[256];

	if (result->end_status)
		return result->end_status;
	if (!result->flushed || fault_is_good(&result->flush_fault))
		return 0;
	diag(name_of(r, side), "SYNCHRONIZE CACHE: %s: what was written may not last",
		fault_describe(&result->flush_fault, text, sizeof(text)));
	return fault_exit_status(&result->flush_fault);
}

static int say_flush_faults(const struct run *r)
{
	int exit_status = 0;

	for (unsigned side = 1; side < r->sides.n; side++) {
		int bad = say_flush_fault(r, side);

		if (!exit_status)
			exit_status = bad;
	}
	return exit_status;
}

static int say_miscompare(const struct run *r, unsigned side)
{
	const struct miscompare *m = &r->result.side[side].miscompare;
	uint32_t block = r->span.out_block_bytes > 1 ? r->span.out_block_bytes : r->span.ibs_bytes;
	uint64_t at = r->span.out_bytes + m->at_bytes;

	if (m->blocks == 0)
		return 0;
	diag(name_of(r, side),
		"miscompare at LBA %llu, byte %llu: expected 0x%02x, found 0x%02x; %llu block%s of "
		"%u bytes differ%s",
		(unsigned long long)(at / block), (unsigned long long)(at % block), m->expected,
		m->found, (unsigned long long)m->blocks, m->blocks == 1 ? "" : "s", block,
		m->blocks == 1 ? "s" : "");
	return EXIT_MISCOMPARE;
}

static int say_miscompares(const struct run *r)
{
	int exit_status = 0;

	for (unsigned side = 1; side < r->sides.n; side++) {
		int bad = say_miscompare(r, side);

		if (!exit_status)
			exit_status = bad;
	}
	return exit_status;
}

/* A stream tells how long it is by ending. */
static uint64_t source_bytes(const struct run *r)
{
	return r->result.source_ended ? counter_get(&r->result.side[0].count.bytes)
				      : r->span.len_bytes;
}

/*
 * Where what is to be compared ends. Two files are not equal when one goes on; a disk may well be
 * larger than its copy's source.
 */
static uint64_t end_to_compare(const struct run *r, const struct end *out)
{
	uint64_t size = out->ep->facts.size_bytes;

	if (r->o->count != COUNT_ALL && size != SIZE_UNKNOWN)
		return min_u64(size, r->span.out_bytes + r->span.len_bytes);
	return out->node.kind == NODE_FILE ? size : 0;
}

static int say_longer(const struct run *r, const struct end *out)
{
	uint64_t to = end_to_compare(r, out);
	uint64_t end = r->span.out_bytes + span_written(&r->span, source_bytes(r));

	if (to <= end)
		return 0;
	diag(out->ep->name, "is equal as far as %s goes, and longer by %llu bytes", name_of(r, 0),
		(unsigned long long)(to - end));
	return EXIT_MISCOMPARE;
}

static int say_all_longer(const struct run *r)
{
	const struct options *o = r->o;
	int exit_status = 0;

	if (!o->compare || o->out.flags & END_NOTRUNC)
		return 0;
	for (unsigned i = 0; i < r->ends.nouts; i++) {
		int bad = say_longer(r, &r->ends.out[i]);

		if (!exit_status)
			exit_status = bad;
	}
	return exit_status;
}

static const char *reset_words(const struct copy_result *result)
{
	if (!result->rewrites_lost)
		return "what was in its write cache may be lost (compare, or copy again)";
	return result->bad_bytes ? "what was not flushed was written once more, but for the zeros "
				   "of bad blocks"
				 : "what was not flushed was written once more";
}

/*
 * Commands were repeated, but what an earlier one left in a volatile cache may be gone. With
 * records the run has written it once more.
 */
static int say_resets(const struct run *r)
{
	int exit_status = 0;

	for (unsigned side = 1; side < r->sides.n; side++) {
		unsigned long long resets = counter_get(&r->result.side[side].count.resets);

		if (!resets)
			continue;
		diag(name_of(r, side), "was reset in mid-run, %llu unit attention%s: %s", resets,
			resets == 1 ? "" : "s", reset_words(&r->result));
		exit_status = r->result.rewrites_lost ? 0 : EXIT_UNIT_ATTENTION;
	}
	return exit_status;
}

/* What was planned, and the devices would not have. */
static void say_lowered(const struct run *r)
{
	const struct copy_result *result = &r->result;

	if (result->depth < r->plan.depth)
		diag(NULL, "queue depth lowered from %u to %u: %s", r->plan.depth, result->depth,
			result->missing_depth ? "threads could not be started" : "task set full");
	if (result->chunk_bytes < r->plan.chunk_bytes)
		diag(NULL, "transfers shortened from %u to %u bytes: longer ones were refused",
			r->plan.chunk_bytes, result->chunk_bytes);
}

/* The hash and, where not all was hashed, of what it is. */
static int say_hash(struct run *r)
{
	const struct copy_result *result = &r->result;
	struct digest *d = &r->digest;
	char text[HASH_TEXT_ROOM];

	if (!run_is_hashed(r))
		return 0;
	if (!digest_end(d, text)) {
		diag("hash=", "%s: the library refused: there is no hash", r->o->hash);
		return EXIT_OTHER;
	}
	hashlines_whole(&r->hashlines, text);
	if (result->signal || result->failed ||
		d->done_bytes < counter_get(&result->side[0].count.bytes))
		diag("hash=", "hash is of the first %llu bytes", (unsigned long long)d->done_bytes);
	if (!r->hashlines.err)
		return 0;
	diag_errno("hash=", r->hashlines.err, "cannot print it");
	return exit_status_from_errno(r->hashlines.err);
}

static int first_of(const int *statuses, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (statuses[i])
			return statuses[i];
	return 0;
}

int verdict(struct run *r)
{
	const struct options *o = r->o;
	const struct report_style style = {
		.time_line = o->time_lines && o->status != STATUS_NOXFER,
		.details = o->status != STATUS_NOXFER && !o->quiet,
	};
	int statuses[7] = { say_failures(r) };
	int stream_status = say_stream(r), flush_status = say_flush_faults(r);
	int lost_status = say_losses(r);

	statuses[1] = say_miscompares(r); /* also where the run failed later */
	statuses[2] = stream_status;
	if (!first_of(statuses, 3) && !r->result.signal)
		statuses[1] = say_all_longer(r);
	say_lowered(r);
	statuses[6] = say_resets(r);
	if (o->status != STATUS_NONE)
		report_end(&style, &r->plan, &r->span, &r->sides, &r->result);
	statuses[3] = flush_status;
	statuses[4] = say_hash(r);
	statuses[5] = lost_status;
	return first_of(statuses, ARRAY_SIZE(statuses));
}

int verdict_with_verify(const struct run *r, int copied, int verified)
{
	if (verified == EXIT_MISCOMPARE && !r->result.failed)
		return verified;
	return copied ? copied : verified;
}
