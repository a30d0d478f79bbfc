/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Read back by a run of its own that compares; or by the drive, which says that something differs
 * and not where: that is then read back.
 */
#include "verify.h"

#include "core/diag.h"
#include "prepare.h"
#include "readback.h"
#include "rescue.h"
#include "verdict.h"

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

	run_close_copy(r);
	drop_failed_sides(&r->sides, &r->result);
	r->request.job = JOB_VERIFY;
	r->todo = todo;
	r->differences = d;
	exit_status = prepare_plan(r);
	if (!exit_status)
		exit_status = run_planned(r);
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
	run_close_copy(r);
	return verify_after(r, todo, d, signal_number);
}

int verify_run(struct run *r)
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
bool verify_is_due(const struct run *r)
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
