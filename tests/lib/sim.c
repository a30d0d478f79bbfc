/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lane belongs to one thread, so its choices come from a generator of its own; what lanes share
 * is one byte a block and the counters, all atomic. The tries of a transfer are counted at its
 * first block: a chunk is handed out once.
 */
#include "sim.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/status.h"
#include "../../core/zeros.h"
#include "rng.h"

#define must(cond) ((cond) ? (void)0 : broken(#cond, __LINE__))

/* What became of a good write. */
enum keeping { IN_CACHE, IS_DURABLE, IS_LOST };

struct sim_end {
	struct endpoint ep; /* first */
	const struct sim_spec *spec;
	uint8_t *data;
	/* one a block; data and busy are another's where spec->same_as */
	_Atomic uint8_t *busy, *tries, *acks;
	_Atomic uint8_t *kept;	    /* enum keeping */
	struct sim_end *owner;	    /* of the data: itself, or where spec->same_as */
	pthread_mutex_t forgetting; /* the owner's, if it forgets: while blocks become busy */
	_Atomic uint64_t cut_at;    /* END_MAPPED: the file ends here */
	_Atomic unsigned memories;  /* given out, where they are limited */
	bool gave_up;		    /* a stream whose end was seen: it has no more */
	struct sim_counts counts;
	pthread_t opener;
};

struct sim_lane {
	struct lane lane; /* first */
	struct lane_spec spec;
	struct rng rng;
	enum xfer_method method;
	bool other_cdb; /* its commands have another form than planned */
	bool flying;
	bool effect_pending; /* the data move only at reap() */
	pthread_t flier;
	/* the transfer on the lane, as it was submitted, and what will become of it */
	struct xfer *x, sent;
	enum fault_kind kind;
	const struct sim_rule *rule; /* that says so; NULL: none */
	uint64_t named_blk;	     /* SIM_INFO_LIES */
	unsigned notes;
	uint8_t *given;	 /* a source's mapped buffer, as the last transfer has left it; or NULL */
	uint8_t *memory; /* END_MAPPED: what was given out last */
	uint64_t memory_at;
};

static void __attribute__((noreturn)) broken(const char *what, int line)
{
	fprintf(stderr, "sim.c:%d: the contract is broken: %s\n", line, what);
	abort();
}

static struct sim_end *end_of(struct endpoint *ep)
{
	return (struct sim_end *)ep;
}

static struct sim_lane *lane_of(struct lane *lane)
{
	return (struct sim_lane *)lane;
}

static uint64_t first_block(const struct sim_end *e, const struct xfer *x)
{
	return x->offset_bytes / e->spec->block_bytes;
}

static uint64_t end_block(const struct sim_end *e, const struct xfer *x)
{
	return (x->offset_bytes + x->len_bytes + e->spec->block_bytes - 1) / e->spec->block_bytes;
}

/* --- what goes wrong --- */

static bool rule_hits(const struct sim_rule *r, const struct sim_lane *l, const struct sim_end *e,
	uint64_t nth, unsigned try_number)
{
	if (r->kind == FAULT_UNMAPPABLE && (l->method != METHOD_DIO || l->sent.op == XFER_TRIM))
		return false;
	if (r->kind == FAULT_STOPPED && (e->counts.runs || l->sent.op == XFER_TRIM))
		return false;
	/* It knows what the user chose. */
	if (r->kind == FAULT_INVALID_OPCODE &&
		(l->spec.cdb_is_given || l->other_cdb || l->sent.op == XFER_TRIM))
		return false;
	if (r->end_blk &&
		(end_block(e, &l->sent) <= r->first_blk || first_block(e, &l->sent) >= r->end_blk))
		return false;
	if (r->longer_blk && l->sent.len_bytes <= (uint64_t)r->longer_blk * e->spec->block_bytes)
		return false;
	if (nth <= r->after || (r->every_nth && (nth - r->after) % r->every_nth != 0))
		return false;
	return r->tries == 0 || try_number <= r->tries;
}

/* A lane that may fall back does, and what other rules say of the transfer still holds. */
static bool falls_back(struct sim_lane *l, struct sim_end *e, const struct sim_rule *r)
{
	if (r->kind != FAULT_UNMAPPABLE || !l->spec.may_fall_back)
		return false;
	l->method = METHOD_INDIRECT;
	l->notes |= XFER_FELL_BACK;
	e->counts.fell_back++;
	return true;
}

/* The command is not known in its first form. */
static void take_other_cdb(struct sim_lane *l)
{
	if (l->kind != FAULT_INVALID_OPCODE)
		return;
	l->other_cdb = true;
	l->notes |= XFER_OTHER_CDB;
}

static void verdict(struct sim_lane *l, struct sim_end *e, uint64_t nth, unsigned try_number)
{
	l->kind = FAULT_NONE;
	l->rule = NULL;
	for (unsigned i = 0; i < e->spec->nrules && l->kind == FAULT_NONE; i++) {
		const struct sim_rule *r = &e->spec->rules[i];

		if (!rule_hits(r, l, e, nth, try_number) || falls_back(l, e, r))
			continue;
		l->kind = r->kind;
		l->rule = r;
		if (r->info == SIM_INFO_LIES)
			l->named_blk = rng_between(
				&l->rng, first_block(e, &l->sent), end_block(e, &l->sent) - 1);
	}
	take_other_cdb(l);
}

static uint32_t half_of(const struct sim_end *e, uint32_t len_bytes)
{
	return (uint32_t)round_down_u64(len_bytes / 2, e->spec->block_bytes);
}

static bool is_good(const struct sim_lane *l)
{
	return l->kind == FAULT_NONE || l->kind == FAULT_RECOVERED;
}

/* --- data --- */

static void acknowledge(struct sim_end *e, const struct xfer *x)
{
	for (uint64_t b = first_block(e, x); b < end_block(e, x); b++) {
		/* A good write is not repeated, unless another destination, or its next part, could
		 * not be had. */
		must(e->acks[b] == 0 || e->spec->rewritten);
		e->acks[b] = 1;
		if (e->kept[b] == IS_LOST)
			e->kept[b] = IN_CACHE;
	}
}

/* A reset empties the cache: what was in it reads as anything. */
static void forget(struct sim_lane *l, struct sim_end *e)
{
	uint32_t block = e->spec->block_bytes;

	pthread_mutex_lock(&e->owner->forgetting);
	for (uint64_t b = 0; b < e->spec->blocks; b++)
		if (e->acks[b] && e->kept[b] == IN_CACHE && !e->busy[b]) {
			e->kept[b] = IS_LOST;
			e->acks[b] = 0;
			rng_fill(&l->rng, e->data + b * block, block);
		}
	pthread_mutex_unlock(&e->owner->forgetting);
}

/* A write that fails may have reached the medium in part. */
static uint32_t written_bytes(struct sim_lane *l, const struct sim_end *e)
{
	uint32_t block = e->spec->block_bytes;

	if (is_good(l))
		return l->sent.len_bytes;
	if (l->kind == FAULT_SHORT)
		return half_of(e, l->sent.len_bytes);
	return (uint32_t)rng_below(&l->rng, l->sent.len_bytes / block + 1) * block;
}

static void read_rotten(const struct sim_end *e, const struct xfer *x)
{
	for (uint64_t i = 0; i < e->spec->rots; i++) {
		uint64_t at = e->spec->rots_at + i;

		if (at >= x->offset_bytes && at < x->offset_bytes + x->len_bytes)
			((uint8_t *)x->buf)[at - x->offset_bytes] ^= 0xff;
	}
}

static bool is_mapped(const struct sim_end *e)
{
	return e->spec->cls == END_MAPPED;
}

static void take_effect(struct sim_lane *l, struct sim_end *e)
{
	const struct xfer *x = &l->sent;

	l->effect_pending = false;
	if (is_mapped(e))
		return;
	if (x->op == XFER_WRITE) {
		memcpy(e->data + x->offset_bytes, x->buf, written_bytes(l, e));
	} else if (is_good(l)) {
		memcpy(x->buf, e->data + x->offset_bytes, x->len_bytes);
		read_rotten(e, x);
	} else {
		rng_fill(&l->rng, x->buf, x->len_bytes);
	}
}

/* --- transfers --- */

static void note_order(struct sim_end *e, const struct xfer *x, unsigned try_number)
{
	if (try_number > 1)
		return;
	if (x->offset_bytes < e->counts.last_offset)
		e->counts.out_of_order++;
	else
		e->counts.last_offset = x->offset_bytes;
}

static void note_flight(struct sim_end *e)
{
	uint64_t now = ++e->counts.in_flight;
	uint64_t most = e->counts.most_in_flight;

	if (e->spec->in_flight_too)
		++*e->spec->in_flight_too;

	while (now > most && !atomic_compare_exchange_weak(&e->counts.most_in_flight, &most, now))
		continue;
}

static uint64_t contents_bytes(const struct sim_end *e)
{
	return e->spec->blocks * e->spec->block_bytes;
}

static void check_transfer(const struct sim_lane *l, const struct sim_end *e, const struct xfer *x)
{
	uint32_t block = e->ep.facts.block_bytes ? e->ep.facts.block_bytes : 1;

	must(!l->flying);
	must((x->op != XFER_READ) == (e->spec->role == END_DEST));
	must(x->len_bytes > 0 && x->len_bytes % block == 0);
	must(x->len_bytes <= l->spec.max_bytes);
	must(x->offset_bytes % block == 0);
	must(x->offset_bytes + x->len_bytes <= contents_bytes(e) ||
		(e->spec->sequential && x->op == XFER_READ));
	must(x->buf);
	must(l->method != METHOD_MMAP || x->buf == l->lane.buf);
	must(!is_mapped(e) || x->buf == l->memory + (x->offset_bytes - l->memory_at));
}

static void check_trim(const struct sim_lane *l, const struct sim_end *e, const struct xfer *x)
{
	must(l->spec.holes == HOLES_TRIM && e->spec->can_trim);
	must(x->offset_bytes % e->spec->trim_grain_bytes == 0);
	must(x->len_bytes % e->spec->trim_grain_bytes == 0);
	must(x->len_bytes <= e->spec->max_trim_bytes);
	must(zeros_all(x->buf, x->len_bytes));
}

static void occupy(struct sim_end *e, const struct xfer *x)
{
	/* For others the lock would hide races of those who use them. */
	bool forgets = e->spec->forgets || e->owner->spec->forgets;

	if (forgets)
		pthread_mutex_lock(&e->owner->forgetting);
	for (uint64_t b = first_block(e, x); b < end_block(e, x); b++)
		must(atomic_exchange(&e->busy[b], 1) == 0);
	if (forgets)
		pthread_mutex_unlock(&e->owner->forgetting);
}

static void leave(struct sim_end *e, const struct xfer *x)
{
	for (uint64_t b = first_block(e, x); b < end_block(e, x); b++)
		e->busy[b] = 0;
}

static uint32_t done_bytes(const struct sim_lane *l, const struct sim_end *e)
{
	if (is_good(l))
		return l->sent.len_bytes;
	return l->kind == FAULT_SHORT ? half_of(e, l->sent.len_bytes) : 0;
}

static void count_outcome(struct sim_lane *l, struct sim_end *e)
{
	if (l->notes & XFER_NOT_DIRECT)
		e->counts.not_direct_bytes += done_bytes(l, e);
	if (!is_good(l)) {
		e->counts.bad++;
		if (l->sent.op == XFER_WRITE)
			e->counts.partial_bytes += done_bytes(l, e);
		if (l->rule->asc == 0x29 && e->spec->forgets)
			forget(l, e);
		return;
	}
	e->counts.good_bytes += l->sent.len_bytes;
	if (l->kind == FAULT_RECOVERED)
		e->counts.recovered++;
	if (l->sent.op != XFER_READ)
		acknowledge(e, &l->sent);
	if (l->sent.op == XFER_TRIM)
		e->counts.trimmed_bytes += l->sent.len_bytes;
}

static uint64_t named_block(const struct sim_lane *l, const struct sim_end *e)
{
	return l->rule->info == SIM_INFO_LIES
		       ? l->named_blk
		       : max_u64(l->rule->first_blk, first_block(e, &l->sent));
}

static void fill_sense(const struct sim_lane *l, const struct sim_end *e, struct fault *f)
{
	const struct sim_rule *r = l->rule;

	f->deferred = r->deferred;
	f->err = r->err;
	f->info_valid = r->info != SIM_NO_INFO;
	if (f->info_valid)
		f->info_lba = named_block(l, e);
	if (r->asc) {
		f->sense_len = 18;
		memcpy(f->sense, (uint8_t[14]){ 0x70, 0, 6, [7] = 10, [12] = r->asc }, 14);
	}
}

static void fill_fault(const struct sim_lane *l, const struct sim_end *e, struct xfer *x)
{
	memset(&x->fault, 0, sizeof(x->fault));
	x->fault.kind = l->kind;
	x->notes = l->notes;
	x->done_bytes = done_bytes(l, e);
	if (l->rule)
		fill_sense(l, e, &x->fault);
	if (l->kind == FAULT_SHORT)
		x->fault.resid_bytes = x->len_bytes - x->done_bytes;
}

/* The mapping of a descriptor that is read only is it, too. */
static void check_given(const struct sim_lane *l)
{
	must(!l->given || !memcmp(l->given, l->lane.buf, l->lane.buf_bytes));
}

static void finish(struct sim_lane *l, struct sim_end *e)
{
	struct xfer *x = l->x;

	if (l->effect_pending)
		take_effect(l, e);
	if (l->given)
		memcpy(l->given, l->lane.buf, l->lane.buf_bytes);
	if (!(l->notes & XFER_FELL_BACK) && l->method == METHOD_DIO && x->op != XFER_TRIM &&
		e->spec->not_direct_nth && e->counts.submitted % e->spec->not_direct_nth == 0)
		l->notes |= XFER_NOT_DIRECT;
	count_outcome(l, e);
	fill_fault(l, e, x);
	leave(e, &l->sent);
	e->counts.in_flight--;
	if (e->spec->in_flight_too)
		--*e->spec->in_flight_too;
}

/* --- in a stream --- */

/* How much of a read there is. Told to hurry, it may give up early. */
static uint32_t stream_has(struct sim_lane *l, struct sim_end *e, const struct xfer *x)
{
	uint64_t end = e->spec->ends_at ? e->spec->ends_at : contents_bytes(e);
	uint32_t has = (uint32_t)min_u64(x->len_bytes, end - e->counts.position);

	if (e->gave_up)
		return 0;
	if (e->ep.hurry && rng_once_in(&l->rng, 2))
		has = (uint32_t)rng_below(&l->rng, has + 1);
	e->gave_up = has < x->len_bytes;
	return has;
}

static void stream_move(struct sim_lane *l, struct sim_end *e, struct xfer *x)
{
	uint8_t *at = e->data + e->counts.position;

	if (x->op == XFER_WRITE) {
		x->done_bytes = x->len_bytes;
		memcpy(at, x->buf, x->done_bytes);
	} else {
		x->done_bytes = stream_has(l, e, x);
		memcpy(x->buf, at, x->done_bytes);
	}
	e->counts.position += x->done_bytes;
}

/* One byte more, when all has been copied. */
static enum xfer_state stream_look(struct sim_lane *l, struct sim_end *e, struct xfer *x)
{
	e->counts.looks++;
	memset(&x->fault, 0, sizeof(x->fault));
	x->notes = 0;
	stream_move(l, e, x);
	return XFER_DONE;
}

static enum xfer_state stream_submit(
	struct sim_lane *l, struct sim_end *e, struct xfer *x, uint64_t nth)
{
	must(x->offset_bytes == e->counts.position);
	l->sent = *x;
	l->notes = 0;
	verdict(l, e, nth, ++e->tries[first_block(e, x)]);
	fill_fault(l, e, x);
	if (is_good(l)) {
		stream_move(l, e, x);
		if (x->done_bytes < x->len_bytes)
			x->fault.kind = FAULT_NONE;
		e->counts.good_bytes += x->done_bytes;
		e->counts.recovered += x->fault.kind == FAULT_RECOVERED;
	} else {
		e->counts.bad++;
		if (x->op == XFER_READ) {
			rng_fill(&l->rng, x->buf, x->len_bytes);
			return XFER_DONE;
		}
		memcpy(e->data + e->counts.position, x->buf, x->done_bytes);
		e->counts.position += x->done_bytes;
		e->counts.partial_bytes += x->done_bytes;
	}
	return XFER_DONE;
}

/* --- trimming --- */

/* Nobody knows what is there then; some of it may be zeros. */
static enum xfer_state trim_unsupported(struct sim_lane *l, struct sim_end *e, struct xfer *x)
{
	uint32_t block = e->spec->block_bytes;

	e->counts.unsupported++;
	memset(e->data + x->offset_bytes, 0, block * rng_below(&l->rng, x->len_bytes / block + 1));
	leave(e, x);
	x->notes = 0;
	return xfer_unsupported(x);
}

/* All of it or nothing. Always inline. */
static enum xfer_state trim_submit(
	struct sim_lane *l, struct sim_end *e, struct xfer *x, uint64_t nth)
{
	uint64_t trim = ++e->counts.trims;

	check_trim(l, e, x);
	occupy(e, x);
	if (e->spec->trims_granted == 0 || trim > e->spec->trims_granted)
		return trim_unsupported(l, e, x);
	note_flight(e);
	l->x = x;
	l->sent = *x;
	l->notes = 0;
	l->effect_pending = false;
	verdict(l, e, nth, ++e->tries[first_block(e, x)]);
	if (l->kind == FAULT_SHORT)
		l->kind = FAULT_OTHER;
	if (is_good(l))
		memset(e->data + x->offset_bytes, 0, x->len_bytes);
	finish(l, e);
	return XFER_DONE;
}

/* --- mapped --- */

static void *sim_memory(struct lane *lane, uint64_t offset_bytes, uint32_t len_bytes)
{
	struct sim_lane *l = lane_of(lane);
	struct sim_end *e = end_of(lane->ep);

	must(!l->flying && len_bytes > 0 && len_bytes <= l->spec.max_bytes);
	must(offset_bytes + len_bytes <= contents_bytes(e));
	if (e->spec->memories && e->memories++ >= e->spec->memories) {
		errno = ENOMEM;
		return NULL;
	}
	l->memory = e->data + offset_bytes;
	l->memory_at = offset_bytes;
	return l->memory;
}

static bool sim_was_cut(const struct endpoint *ep, uint64_t offset_bytes, uint64_t len_bytes)
{
	return offset_bytes + len_bytes > ((const struct sim_end *)ep)->cut_at;
}

void sim_cut(struct endpoint *ep, uint64_t len_bytes)
{
	must(is_mapped(end_of(ep)));
	end_of(ep)->cut_at = len_bytes;
}

/* What is in the file no more. */
static enum xfer_state cut_submit(const struct sim_end *e, struct xfer *x)
{
	memset(&x->fault, 0, sizeof(x->fault));
	x->notes = 0;
	x->fault.kind = FAULT_SHORT;
	x->done_bytes = x->offset_bytes < e->cut_at ? (uint32_t)(e->cut_at - x->offset_bytes) : 0;
	return XFER_DONE;
}

/* Its memory lies in a file that has it no more. */
static bool memory_is_gone(const struct sim_end *e, const struct xfer *x)
{
	const struct sim_end *file = (const struct sim_end *)e->spec->out_of;

	return file &&
	       sim_was_cut(&file->ep, (uint64_t)((uint8_t *)x->buf - file->data), x->len_bytes);
}

static enum xfer_state gone_submit(struct xfer *x)
{
	fault_from_errno(&x->fault, EFAULT);
	x->notes = 0;
	x->done_bytes = 0;
	return XFER_DONE;
}

/* --- anywhere --- */

static enum xfer_state sim_submit(struct lane *lane, struct xfer *x)
{
	struct sim_lane *l = lane_of(lane);
	struct sim_end *e = end_of(lane->ep);
	bool looks = e->spec->sequential && x->op == XFER_READ && x->len_bytes == 1;
	uint64_t nth = looks ? 0 : ++e->counts.submitted;
	unsigned try_number;

	if (e->spec->on_submit && !looks)
		e->spec->on_submit(e->spec->arg, nth);
	check_transfer(l, e, x);
	check_given(l);
	if (looks)
		return stream_look(l, e, x);
	if (e->spec->sequential)
		return stream_submit(l, e, x, nth);
	if (x->op == XFER_TRIM)
		return trim_submit(l, e, x, nth);
	if (is_mapped(e) && sim_was_cut(lane->ep, x->offset_bytes, x->len_bytes))
		return cut_submit(e, x);
	if (memory_is_gone(e, x))
		return gone_submit(x);
	occupy(e, x);
	note_flight(e);
	l->x = x;
	l->sent = *x;
	l->notes = 0;
	try_number = ++e->tries[first_block(e, x)];
	note_order(e, x, try_number);
	verdict(l, e, nth, try_number);
	if (x->op == XFER_READ && !is_mapped(e))
		rng_fill(&l->rng, x->buf, x->len_bytes);
	l->effect_pending = true;
	if (!e->spec->evented || rng_once_in(&l->rng, 2))
		take_effect(l, e);
	/* An end that flies may also answer at once, as sg does when a command cannot be sent. */
	if (!e->spec->evented || (!e->spec->always_flies && rng_once_in(&l->rng, 8))) {
		finish(l, e);
		return XFER_DONE;
	}
	l->flying = true;
	l->flier = pthread_self();
	x->done_bytes = UINT32_MAX; /* not to be looked at yet */
	x->fault.kind = FAULT_OTHER;
	if (rng_once_in(&l->rng, 4))
		sched_yield();
	return XFER_WAIT;
}

static void sim_reap(struct lane *lane, struct xfer *x)
{
	struct sim_lane *l = lane_of(lane);

	must(l->flying && l->x == x && pthread_equal(l->flier, pthread_self()));
	must(x->op == l->sent.op && x->buf == l->sent.buf);
	must(x->len_bytes == l->sent.len_bytes && x->offset_bytes == l->sent.offset_bytes);
	l->flying = false;
	finish(l, end_of(lane->ep));
}

/* --- lanes --- */

static bool lane_is_pinnable(const struct sim_end *e, uint64_t index)
{
	return e->ep.facts.pinnable &&
	       (e->spec->pinnable_lanes == 0 || index < e->spec->pinnable_lanes);
}

static void give(struct sim_lane *l, const struct sim_end *e)
{
	if (e->spec->role != END_SOURCE)
		return;
	l->given = malloc(l->lane.buf_bytes);
	must(l->given);
	memcpy(l->given, l->lane.buf, l->lane.buf_bytes);
}

static struct lane *sim_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	struct sim_end *e = end_of(ep);
	struct sim_lane *l;

	must(pthread_equal(e->opener, pthread_self()));
	must(spec->method != METHOD_AUTO && spec->io != IO_AUTO);
	must(spec->method != METHOD_MMAP || spec->own_buffer);
	must(!spec->must_pin || spec->own_buffer);
	must(!spec->own_buffer || e->spec->cls == END_DEVICE);
	must(spec->max_bytes > 0);
	if (e->spec->lanes_max && e->counts.lanes == e->spec->lanes_max) {
		ep->exit_status = EXIT_OS + 12;
		return NULL;
	}
	l = calloc(1, sizeof(*l));
	must(l);
	l->lane.ep = ep;
	l->spec = *spec;
	l->method = spec->method;
	l->rng.state = e->spec->seed ^ (e->counts.lanes_ever + 1) * 7919;
	l->lane.pinnable = spec->must_pin && lane_is_pinnable(e, e->counts.lanes_ever);
	if (spec->own_buffer) {
		/* Of just that length: one byte past it is the sanitizer's. */
		must(posix_memalign(&l->lane.buf, 4096, spec->max_bytes) == 0);
		l->lane.buf_bytes = spec->max_bytes;
		memset(l->lane.buf, 0xa5, spec->max_bytes);
		give(l, e);
	}
	e->counts.lanes++;
	e->counts.lanes_ever++;
	return &l->lane;
}

static void sim_lane_close(struct lane *lane)
{
	struct sim_end *e = end_of(lane->ep);

	must(pthread_equal(e->opener, pthread_self()));
	must(!lane_of(lane)->flying);
	check_given(lane_of(lane));
	free(lane_of(lane)->given);
	e->counts.lanes--;
	free(lane->buf);
	free(lane);
}

/* --- the end as a whole --- */

bool sim_salvages(const struct endpoint *ep, uint64_t block, uint8_t *bytes)
{
	const struct sim_spec *spec = ((const struct sim_end *)ep)->spec;
	struct rng rng = { spec->seed ^ ~block };

	rng_fill(&rng, bytes, spec->block_bytes);
	return spec->salvages > 0 && block % spec->salvages == 0;
}

/* Where there is nothing the block has garbage all the same. */
static bool sim_salvage(struct endpoint *ep, uint64_t offset_bytes, void *block)
{
	struct sim_end *e = end_of(ep);
	uint64_t b = offset_bytes / e->spec->block_bytes;

	must(e->spec->role == END_SOURCE && !e->spec->sequential);
	must(offset_bytes % e->spec->block_bytes == 0 && b < e->spec->blocks);
	must(e->tries[b] > 0 && e->busy[b] == 0);
	if (!sim_salvages(ep, b, block))
		return false;
	e->counts.salvaged++;
	return true;
}

static bool sim_start(struct endpoint *ep)
{
	struct sim_end *e = end_of(ep);

	must(ep->facts.can_start);
	e->counts.starts++;
	e->counts.runs = !e->spec->never_starts;
	return e->counts.runs;
}

static int sim_probe(struct endpoint *ep, uint32_t want_bytes, uint64_t at_bytes)
{
	const struct sim_spec *spec = end_of(ep)->spec;
	uint64_t limit = spec->max_xfer_bytes ? spec->max_xfer_bytes : UINT32_MAX;

	(void)at_bytes;
	limit = round_down_u64(min_u64(want_bytes, limit), spec->block_bytes);
	ep->facts.max_xfer_bytes = (uint32_t)max_u64(limit, spec->block_bytes);
	ep->facts.reserved_bytes = ep->facts.max_xfer_bytes;
	ep->facts.pinnable = spec->cls == END_DEVICE ? spec->pinnable : spec->cls == END_MAPPED;
	return 0;
}

static int sim_begin(struct endpoint *ep, uint64_t at_bytes, uint64_t len_bytes)
{
	struct sim_end *e = end_of(ep);

	(void)len_bytes;
	must(e->counts.submitted == 0);
	if (e->spec->sequential && e->spec->ends_at && at_bytes > e->spec->ends_at) {
		ep->exit_status = EXIT_FILE;
		return -1;
	}
	e->counts.position = at_bytes;
	return 0;
}

static int sim_end(struct endpoint *ep, uint64_t end_bytes, bool cut)
{
	struct sim_end *e = end_of(ep);

	must(pthread_equal(e->opener, pthread_self()) && e->spec->role == END_DEST);
	must(e->counts.in_flight == 0 && e->counts.ends == 0);
	e->counts.ends++;
	e->counts.end_bytes = end_bytes;
	e->counts.reached_bytes = max_u64(e->counts.reached_bytes, end_bytes);
	e->counts.cut = cut;
	ep->exit_status = e->spec->end_status;
	return e->spec->end_status ? -1 : 0;
}

static bool sim_reach(struct endpoint *ep, uint64_t end_bytes, struct fault *f)
{
	struct sim_end *e = end_of(ep);

	must(e->spec->role == END_DEST && e->counts.ends == 0);
	must(end_bytes > 0 && end_bytes <= contents_bytes(e));
	memset(f, 0, sizeof(*f));
	if (e->spec->reach_err)
		fault_from_errno(f, e->spec->reach_err);
	else
		e->counts.reached_bytes = max_u64(e->counts.reached_bytes, end_bytes);
	return fault_is_good(f);
}

/* What was answered as good when a flush begins. */
static void keep(struct sim_end *e, bool good)
{
	for (uint64_t b = 0; b < e->spec->blocks; b++)
		if (e->acks[b] && e->kept[b] == IN_CACHE)
			e->kept[b] = good ? IS_DURABLE : IS_LOST;
}

static bool sim_flush(struct endpoint *ep, struct fault *f)
{
	struct sim_end *e = end_of(ep);

	must(e->spec->role == END_DEST);
	memset(f, 0, sizeof(*f));
	if (++e->counts.flushes > e->spec->flushes_good)
		*f = e->spec->flush_fault;
	keep(e, fault_is_good(f));
	if (e->spec->on_flush)
		e->spec->on_flush(e->spec->arg);
	return fault_is_good(f);
}

static void sim_ep_close(struct endpoint *ep)
{
	struct sim_end *e = end_of(ep);

	must(e->counts.lanes == 0 && e->counts.in_flight == 0);
	if (!e->spec->same_as) {
		free(e->data);
		free((void *)e->busy);
		pthread_mutex_destroy(&e->forgetting);
	}
	free((void *)e->tries);
	free((void *)e->acks);
	free((void *)e->kept);
	free(e);
}

static void sim_describe(const struct endpoint *ep, const struct xfer *x, char *text, size_t room)
{
	snprintf(text, room, "%s %s at byte %llu: %s", ep->name,
		x->op == XFER_READ ? "read" : "write", (unsigned long long)x->offset_bytes,
		fault_kind_name(x->fault.kind));
}

#define SIM_OPS \
	.probe = sim_probe, .begin = sim_begin, .lane_open = sim_lane_open, \
	.lane_close = sim_lane_close, .submit = sim_submit, .reap = sim_reap, .end = sim_end, \
	.reach = sim_reach, .flush = sim_flush, .close = sim_ep_close, .describe = sim_describe, \
	.start = sim_start

static const struct endpoint_ops sim_ops = { SIM_OPS };
static const struct endpoint_ops salvage_ops = { SIM_OPS, .salvage = sim_salvage };
static const struct endpoint_ops mapped_ops = {
	SIM_OPS,
	.memory = sim_memory,
	.was_cut = sim_was_cut,
};

static void facts_of_holes(struct end_facts *f, const struct sim_spec *spec)
{
	f->fresh = spec->fresh;
	f->hole_bytes = spec->hole_bytes;
	f->can_trim = spec->can_trim;
	f->trim_grain_bytes = spec->trim_grain_bytes;
	f->max_trim_bytes = spec->max_trim_bytes;
}

static void facts_fill(struct sim_end *e)
{
	struct end_facts *f = &e->ep.facts;

	f->kind = "sim";
	f->cls = e->spec->cls;
	f->sequential = e->spec->sequential;
	f->size_bytes =
		e->spec->size_unknown || e->spec->sequential ? SIZE_UNKNOWN : contents_bytes(e);
	f->block_bytes = e->spec->any_bytes ? 1 : e->spec->block_bytes;
	if (e->spec->sequential)
		f->block_bytes = 0;
	f->max_xfer_bytes = e->spec->max_xfer_bytes ? e->spec->max_xfer_bytes : UINT32_MAX;
	f->reserved_bytes = f->max_xfer_bytes;
	f->needs_flush = e->spec->role == END_DEST;
	f->evented = e->spec->evented;
	f->can_start = e->spec->can_start;
	facts_of_holes(f, e->spec);
	if (f->cls != END_DEVICE)
		return;
	f->can_mmap = e->spec->can_mmap;
	f->can_dio = e->spec->can_dio;
	f->can_block = e->spec->can_block;
	f->pinnable = e->spec->pinnable;
	f->can_indirect = true;
	f->can_rw = !e->spec->no_rw;
}

static void check_spec(const struct sim_spec *spec)
{
	const uint32_t block = spec->block_bytes;

	must(!(spec->sequential && (spec->evented || spec->cls == END_DEVICE)));
	must(spec->cls != END_MAPPED || !(spec->sequential || spec->evented));
	must(!(spec->sequential && spec->hole_bytes));
	must(spec->hole_bytes % block == 0 && spec->trim_grain_bytes % block == 0);
	must(!spec->can_trim || (spec->trim_grain_bytes > 0 && spec->max_trim_bytes > 0 &&
					spec->max_trim_bytes % spec->trim_grain_bytes == 0));
}

static void fill_contents(struct sim_end *e, size_t len)
{
	struct rng rng = { e->spec->seed };

	if (e->spec->fresh) {
		memset(e->data, 0, len);
		return;
	}
	rng_fill(&rng, e->data, len);
	for (size_t at = 0, n; e->spec->zeros_too && at < len; at += n) {
		n = (size_t)min_u64(rng_between(&rng, 1, 20ull * e->spec->block_bytes), len - at);
		if (rng_once_in(&rng, 2))
			memset(e->data + at, 0, n);
	}
}

/* Its own, or the other's: then both cannot be at one block at a time either. */
static void take_contents(struct sim_end *e)
{
	const struct sim_spec *spec = e->spec;
	size_t len = spec->blocks * spec->block_bytes;

	if (spec->same_as) {
		struct sim_end *other = end_of(spec->same_as);

		must(spec->block_bytes == other->spec->block_bytes);
		must(spec->blocks == other->spec->blocks);
		e->data = other->data;
		e->busy = other->busy;
		e->owner = other->owner;
		return;
	}
	e->data = malloc(len ? len : 1);
	e->busy = calloc(spec->blocks + 1, sizeof(*e->busy));
	must(e->data && e->busy);
	e->owner = e;
	pthread_mutex_init(&e->forgetting, NULL);
	fill_contents(e, len);
}

struct endpoint *sim_open(const struct sim_spec *spec)
{
	struct sim_end *e = calloc(1, sizeof(*e));

	must(e);
	check_spec(spec);
	e->ep.ops = spec->cls == END_MAPPED ? &mapped_ops
		    : spec->salvages	    ? &salvage_ops
					    : &sim_ops;
	e->ep.name = spec->name ? spec->name : "sim";
	e->ep.role = spec->role;
	e->ep.identity = spec->identity ? spec->identity : "";
	e->spec = spec;
	e->opener = pthread_self();
	e->cut_at = UINT64_MAX;
	facts_fill(e);
	take_contents(e);
	e->tries = calloc(spec->blocks + 1, sizeof(*e->tries));
	e->acks = calloc(spec->blocks + 1, sizeof(*e->acks));
	e->kept = calloc(spec->blocks + 1, sizeof(*e->kept));
	must(e->tries && e->acks && e->kept);
	return &e->ep;
}

uint8_t *sim_data(struct endpoint *ep)
{
	return end_of(ep)->data;
}

struct sim_counts *sim_counts(struct endpoint *ep)
{
	return &end_of(ep)->counts;
}

bool sim_acknowledged(const struct endpoint *ep, uint64_t block)
{
	return ((const struct sim_end *)ep)->acks[block] != 0;
}

bool sim_is_durable(const struct endpoint *ep, uint64_t block)
{
	return ((const struct sim_end *)ep)->kept[block] == IS_DURABLE;
}

bool sim_is_lost(const struct endpoint *ep, uint64_t block)
{
	return ((const struct sim_end *)ep)->kept[block] == IS_LOST;
}

uint64_t sim_acknowledged_bytes(const struct endpoint *ep)
{
	const struct sim_end *e = (const struct sim_end *)ep;
	uint64_t bytes = 0;

	for (uint64_t b = 0; b < e->spec->blocks; b++)
		bytes += e->acks[b] ? e->spec->block_bytes : 0;
	return bytes;
}

void sim_close(struct endpoint *ep)
{
	ep->ops->close(ep);
}
