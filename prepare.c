/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Before the first command that moves data: ends, span, guards, probe, plan. Each says what is
 * wrong by itself; here only the order is decided.
 */
#include "prepare.h"

#include "core/diag.h"
#include "core/meminfo.h"
#include "core/status.h"
#include "endpoints/sg.h"
#include "rescue.h"

/* Without those that failed in a run before: to check them would be to find what was said. */
void prepare_sides(struct run *r)
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

int prepare_probe(struct run *r)
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

int prepare_plan(struct run *r)
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
	if (r->o->out.flags & END_APPEND)
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

int prepare(struct run *r)
{
	int exit_status = ends_open(&r->ends, r->o);

	if (exit_status)
		return exit_status;
	prepare_sides(r);
	exit_status = resolve_span(r);
	if (!exit_status)
		exit_status = rescue_check(r);
	if (!exit_status && !r->o->compare)
		exit_status = check_guards(r);
	if (!exit_status && (r->o->out.flags & END_NOCOPY))
		exit_status = ends_discard_output(&r->ends);
	if (exit_status)
		return exit_status;
	prepare_sides(r);
	request_fill(r);
	exit_status = prepare_probe(r);
	if (!exit_status)
		exit_status = prepare_plan(r);
	return exit_status ? exit_status : check_verify(r);
}
