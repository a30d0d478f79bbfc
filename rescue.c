/* SPDX-License-Identifier: BSD-2-Clause */
/* Each function is one step of a run that goes on after errors, or remembers; in that order. */
#include "rescue.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/diag.h"
#include "core/status.h"
#include "endpoints/sg.h"
#include "endpoints/synth.h"
#include "endpoints/unit.h"

#define SAVE_EVERY_NS (30 * NSEC_PER_SEC)

static_assert(UNIT_TEXT_ROOM <= MAPFILE_TEXT_ROOM, "what a unit tells is not cut");

struct policy rescue_policy(const struct options *o)
{
	return (struct policy){
		.retries = o->retries,
		.go_on_in = o->coe_in > 0,
		.go_on_out = o->coe_out > 0,
		.salvage = o->coe_in > 1,
		.leave_bad = (o->out.flags & END_NOFILL) != 0,
		.max_adjacent = o->coe_limit,
		.max_bad = o->max_bad_given ? o->max_bad : UINT64_MAX,
		.reverse = o->reverse,
		.min_rate = o->min_rate,
		.slow_ns = o->slow_ms * NSEC_PER_MSEC,
	};
}

int rescue_read(struct run *r, struct options *o, int argc, const char *const *argv)
{
	int exit_status = o->badblocks_path ? keep_check_list(o->badblocks_path) : 0;

	if (exit_status || !o->map_path)
		return exit_status;
	exit_status = keep_read(&r->keep, o->map_path);
	if (exit_status)
		return exit_status;
	keep_set_command(&r->keep, argc, argv);
	if (keep_has_progress(&r->keep))
		o->out.flags |= END_NOTRUNC;
	return 0;
}

/* --- what these ends can do --- */

static int cannot(const struct endpoint *ep, const char *why)
{
	diag(ep->name, "%s", why);
	return EXIT_CONTRADICT;
}

static int check_end(const struct options *o, const struct endpoint *ep)
{
	bool goes_on = o->coe_in || o->coe_out;

	if (ep->facts.sequential && o->map_path)
		return cannot(ep, "a stream cannot be gone on with later (leave map= out)");
	if (ep->facts.sequential && (o->reverse || o->min_rate || o->slow_ms))
		return cannot(ep, "a stream has one order (leave -R, minrate= and slow= out)");
	if (ep->facts.cls == END_MAPPED && goes_on)
		return cannot(ep,
			"a mapped file cannot be gone on with after errors (leave mmap or "
			"coe out)");
	return 0;
}

/* checks.c has compared the names; here it is the files. */
static int check_apart(const struct run *r, const struct end *e)
{
	const struct options *o = r->o;

	if (run_is_kept(r) && keep_writes_to(&r->keep, end_path(e)))
		return cannot(e->ep, "would be overwritten by the map (give another map=)");
	if (o->badblocks_path && keep_list_writes_to(o->badblocks_path, end_path(e)))
		return cannot(e->ep,
			"would be overwritten by the list of bad blocks (give another badblocks=)");
	return 0;
}

/* A FIFO or a node goes as a file does when its name is taken for another one. */
static bool has_path(const struct end *e)
{
	return e->ep->facts.cls != END_SYNTH;
}

static int check_files(const struct run *r)
{
	const struct ends *e = &r->ends;
	int exit_status = has_path(&e->in) ? check_apart(r, &e->in) : 0;

	for (unsigned i = 0; i < e->nouts && !exit_status; i++)
		if (has_path(&e->out[i]))
			exit_status = check_apart(r, &e->out[i]);
	if (exit_status || !run_is_kept(r) || !r->o->badblocks_path ||
		!keep_list_writes_to_map(r->o->badblocks_path, &r->keep))
		return exit_status;
	diag(r->o->badblocks_path, "would overwrite a file of the map (give another badblocks=)");
	return EXIT_CONTRADICT;
}

static uint64_t size_of_out(const struct end *out)
{
	struct stat st;

	if (out->node.kind == NODE_MISSING)
		return 0;
	if (out->node.kind != NODE_FILE)
		return out->ep->facts.size_bytes;
	return stat(out->ep->name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void copy_text(char to[MAPFILE_TEXT_ROOM], const char *from)
{
	snprintf(to, MAPFILE_TEXT_ROOM, "%s", from);
}

/* A disk is the same one through either of its nodes. */
static void tell_unit(const struct end *e, struct keep_unit *unit)
{
	struct unit_texts by_kernel;

	if (e->ep->facts.cls == END_DEVICE) {
		copy_text(unit->serial, sg_identity(e->ep)->serial);
		copy_text(unit->unit_id, sg_identity(e->ep)->lu_id_text);
	} else if (e->is_disk) {
		unit_texts(&e->node, &by_kernel);
		copy_text(unit->serial, by_kernel.serial);
		copy_text(unit->unit_id, by_kernel.id);
	}
}

/* By whatever operand it was asked for. */
static void tell_generated(const struct endpoint *in, struct keep_about *about)
{
	const struct pattern *p;

	if (in->facts.cls != END_SYNTH)
		return;
	p = synth_pattern(in);
	(void)pattern_name(p, about->pattern);
	about->has_seed = p->kind != PATTERN_BYTES;
	about->seed = p->seed;
}

/* There is one destination where there is a map: checks.c refuses more. */
static struct keep_about about_run(const struct run *r)
{
	const struct endpoint *in = r->ends.in.ep;
	const struct end *out = &r->ends.out[0];
	struct keep_about about = {
		.in_name = in->name,
		.out_name = out->ep->name,
		.block_bytes = in->facts.block_bytes,
		.in_size_bytes = in->facts.size_bytes,
		.in_bytes = r->span.in_bytes,
		.out_bytes = r->span.out_bytes,
		.len_bytes = r->span.len_bytes,
		.out_size_bytes = size_of_out(out),
	};

	tell_unit(&r->ends.in, &about.in_unit);
	tell_unit(out, &about.out_unit);
	tell_generated(in, &about);
	return about;
}

int rescue_check(struct run *r)
{
	int exit_status = check_end(r->o, r->ends.in.ep);
	struct keep_about about;

	for (unsigned i = 0; i < r->ends.nouts && !exit_status; i++)
		exit_status = check_end(r->o, r->ends.out[i].ep);
	if (!exit_status)
		exit_status = check_files(r);
	if (exit_status || !run_is_kept(r))
		return exit_status;
	about = about_run(r);
	exit_status = keep_check(&r->keep, &about);
	if (!exit_status && r->o->status != STATUS_NONE && !r->o->quiet)
		keep_say(&r->keep, &about);
	return exit_status;
}

int rescue_try_save(struct run *r)
{
	int exit_status = r->o->badblocks_path ? keep_try_list(r->o->badblocks_path) : 0;

	return exit_status || !run_is_kept(r) ? exit_status : keep_try_save(&r->keep);
}

/* --- around the run --- */

static bool has_any(const struct run *r, const struct ranges *map, unsigned set)
{
	uint64_t at = r->span.in_bytes;
	struct range x;

	return ranges_first(map, set, at, at + r->span.len_bytes, &x);
}

/* ddrescue's word for what is to be done next. */
static char phase_of(const struct run *r, const struct ranges *map)
{
	if (has_any(r, map, RANGE_IS(RANGE_UNTRIED) | RANGE_IS(RANGE_WRITTEN)))
		return '?';
	if (has_any(r, map, RANGE_IS(RANGE_FAILED)))
		return '*';
	if (has_any(r, map, RANGE_IS(RANGE_NONSCRAPED)))
		return '/';
	return has_any(r, map, RANGE_IS(RANGE_BAD)) ? '-' : '+';
}

static void save_map(void *arg, const struct ranges *map)
{
	struct run *r = arg;

	(void)keep_save(&r->keep, map, phase_of(r, map)); /* says it, and keeps the status */
}

void rescue_set_map(struct run *r)
{
	const struct keeper keeper = { .every_ns = SAVE_EVERY_NS, .save = save_map, .arg = r };

	if (run_is_kept(r))
		copy_set_map(r->copy, &r->keep.map.ranges, &keeper);
	else if (r->todo)
		copy_set_map(r->copy, r->todo, NULL);
	if (r->differences)
		copy_set_differences(r->copy, r->differences);
}

void rescue_take_map(struct run *r)
{
	if (run_is_kept(r) || r->todo || r->request.job == JOB_VERIFY)
		return;
	ranges_destroy(&r->own_map);
	copy_move_map(r->copy, &r->own_map);
}

/* --- after it --- */

static int no_memory(void)
{
	diag(NULL, "no memory to verify");
	return EXIT_OTHER;
}

/* What is compared are blocks of both: of one that is bad in part, nothing. */
static bool widen_bad(struct ranges *r, const struct span *s)
{
	uint64_t block = s->block_bytes, from = s->in_bytes, end = from + s->len_bytes;
	struct range x;

	for (uint64_t at = from; ranges_first(r, RANGE_IS(RANGE_BAD), at, end, &x);) {
		uint64_t first = from + round_down_u64(x.at_bytes - from, block);

		at = from + round_down_u64(x.at_bytes + x.len_bytes - from + block - 1, block);
		at = min_u64(at, end);
		if (!ranges_set(r, first, at - first, RANGE_BAD))
			return false;
	}
	return true;
}

/* A run's own map has nothing of what was good; one that is kept tells it. */
int rescue_todo(const struct run *r, struct ranges *todo, bool *has_todo)
{
	static const enum range_status left_out[] = { RANGE_FAILED, RANGE_NONSCRAPED };

	*has_todo = run_is_kept(r) || r->result.losses > 0;
	if (!*has_todo)
		return 0;
	if (!ranges_copy(todo, run_map(r)))
		return no_memory();
	for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
		ranges_turn(todo, left_out[i], RANGE_BAD);
	if (run_is_kept(r))
		ranges_turn(todo, RANGE_UNTRIED, RANGE_BAD);
	ranges_turn(todo, RANGE_WRITTEN, RANGE_UNTRIED);
	ranges_turn(todo, RANGE_DONE, RANGE_UNTRIED);
	return widen_bad(todo, &r->span) ? 0 : no_memory();
}

void rescue_save_differences(struct run *r, struct differences *d)
{
	if (!differences_end(d))
		return;
	diag(r->keep.path,
		"%llu bytes that differ count as not copied (the same command copies them again)",
		(unsigned long long)d->bytes);
	save_map(r, d->map);
}

/* What is not known is not listed: that of no run, or of one that has come to nothing. */
static bool knows_bad(const struct run *r)
{
	bool ran = r->result.loss_block_bytes > 0;

	return ran && (counter_get(&r->result.side[0].count.commands) > 0 ||
			      ranges_bytes(run_map(r), RANGE_DONE) > 0);
}

/* Those of the source are LBAs; where it has none, the blocks that the run counts. */
static uint32_t listed_block_bytes(const struct run *r)
{
	uint32_t of_source = r->ends.in.ep->facts.block_bytes;

	return of_source > 1 ? of_source : r->result.loss_block_bytes;
}

static int save_badblocks(const struct run *r)
{
	const struct options *o = r->o;

	if (!o->badblocks_path || o->dry_run || !knows_bad(r))
		return 0;
	return keep_badblocks(o->badblocks_path, run_map(r), 0, UINT64_MAX, listed_block_bytes(r));
}

int rescue_end(struct run *r, int exit_status)
{
	int list_status = save_badblocks(r);

	if (!exit_status)
		exit_status = list_status;
	if (!exit_status && r->o->map_path)
		exit_status = keep_status(&r->keep);
	keep_close(&r->keep);
	return exit_status;
}
