/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of ways to move a chunk, the cheapest first; the first row that fits what was asked and
 * what both ends can do is taken. Depth, workers and system calls follow from it.
 */
#include "plan.h"

#include <assert.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "../core/units.h"
#include "../scsi/cdb.h"

enum needs {
	NEED_IN_MMAP = 1u << 0,
	NEED_OUT_MMAP = 1u << 1,
	NEED_IN_PIN = 1u << 2, /* the source's mapped buffer as memory of direct IO */
	NEED_OUT_PIN = 1u << 3,
	NEED_IN_DIO = 1u << 4,
	NEED_OUT_DIO = 1u << 5,
	NEED_IN_BLOCK = 1u << 6,
	NEED_OUT_BLOCK = 1u << 7,
	NEED_IN_DRIVER = 1u << 8, /* the driver's own buffer */
	NEED_OUT_DRIVER = 1u << 9,
};

/* Sets of enum end_class. */
enum classes {
	DEV = 1u << END_DEVICE,
	SYN = 1u << END_SYNTH,
	BUF = 1u << END_BUFFERED,
	DIR = 1u << END_DIRECT_IO,
	MAP = 1u << END_MAPPED,
	NOT_DEV = SYN | BUF | DIR,
};

struct plan_row {
	unsigned in_classes, out_classes;
	enum xfer_method in_method, out_method;
	enum lane_via in_via, out_via;
	enum plan_buffer buffer;
	unsigned cpu_copies; /* beside the one of each buffered end */
	unsigned needs;
	bool only_if_asked; /* never the best for anybody: taken only when the methods are given */
	const char *why;
};

/* clang-format off */
static const struct plan_row rows[] = {
	{ DEV, DEV, METHOD_MMAP, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_IN, 0,
	  NEED_IN_MMAP | NEED_IN_PIN | NEED_OUT_DIO, false,
	  "direct IO out of the source's mapped buffer" },
	{ DEV, DEV, METHOD_MMAP, METHOD_DIO, VIA_SG, VIA_BLOCK, BUFFER_IN, 0,
	  NEED_IN_MMAP | NEED_IN_PIN | NEED_OUT_BLOCK, false,
	  "SG_IO on the destination's block node out of the source's mapped buffer" },
	{ DEV, DEV, METHOD_DIO, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_USER, 0,
	  NEED_IN_DIO | NEED_OUT_DIO, false,
	  "direct IO on both sides" },
	{ DEV, DEV, METHOD_DIO, METHOD_DIO, VIA_BLOCK, VIA_BLOCK, BUFFER_USER, 0,
	  NEED_IN_BLOCK | NEED_OUT_BLOCK, true,
	  "SG_IO on both block nodes, out of user memory" },
	{ DEV, DEV, METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1,
	  NEED_IN_MMAP | NEED_OUT_MMAP, false,
	  "both reserved buffers mapped, one copy between them" },
	{ DEV, DEV, METHOD_MMAP, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_IN, 1,
	  NEED_IN_MMAP | NEED_OUT_DRIVER, true, "the driver copies out of the source's mapped buffer" },
	{ DEV, DEV, METHOD_DIO, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_OUT, 0,
	  NEED_IN_DIO | NEED_OUT_MMAP | NEED_OUT_PIN, true,
	  "direct IO into the destination's mapped buffer" },
	{ DEV, DEV, METHOD_INDIRECT, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_OUT, 1,
	  NEED_IN_DRIVER | NEED_OUT_MMAP, true, "the driver copies into the destination's mapped buffer" },
	{ DEV, DEV, METHOD_DIO, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 1,
	  NEED_IN_DIO | NEED_OUT_DRIVER, true, "direct IO from the source, the driver copies to the destination" },
	{ DEV, DEV, METHOD_INDIRECT, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_USER, 1,
	  NEED_IN_DRIVER | NEED_OUT_DIO, true, "the driver copies from the source, direct IO to the destination" },
	{ DEV, DEV, METHOD_INDIRECT, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 2,
	  NEED_IN_DRIVER | NEED_OUT_DRIVER, true, "the driver copies on both sides" },

	/* the only way where an end has nothing but its block node */
	{ DEV, DEV, METHOD_DIO, METHOD_DIO, VIA_BLOCK, VIA_BLOCK, BUFFER_USER, 0,
	  NEED_IN_BLOCK | NEED_OUT_BLOCK, false,
	  "SG_IO on both block nodes, out of user memory" },

	{ DEV, SYN, METHOD_MMAP, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_IN, 0,
	  NEED_IN_MMAP, false, "read into the source's mapped buffer, then discarded" },
	{ DEV, BUF, METHOD_MMAP, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_IN, 0,
	  NEED_IN_MMAP, false, "written out of the source's mapped buffer" },
	{ DEV, DIR, METHOD_MMAP, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_IN, 0,
	  NEED_IN_MMAP | NEED_IN_PIN, false, "O_DIRECT out of the source's mapped buffer" },
	{ DEV, NOT_DEV, METHOD_DIO, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_USER, 0,
	  NEED_IN_DIO, false, "direct IO from the source" },
	{ DEV, NOT_DEV, METHOD_DIO, METHOD_AUTO, VIA_BLOCK, VIA_SG, BUFFER_USER, 0,
	  NEED_IN_BLOCK, false, "SG_IO on the source's block node" },
	{ DEV, NOT_DEV, METHOD_INDIRECT, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_USER, 1,
	  NEED_IN_DRIVER, false, "the driver copies from the source" },

	{ SYN | BUF, DEV, METHOD_AUTO, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_OUT, 0,
	  NEED_OUT_MMAP, false, "made or read in the destination's mapped buffer" },
	{ DIR, DEV, METHOD_AUTO, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_OUT, 0,
	  NEED_OUT_MMAP | NEED_OUT_PIN, false, "O_DIRECT into the destination's mapped buffer" },
	{ NOT_DEV, DEV, METHOD_AUTO, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_USER, 0,
	  NEED_OUT_DIO, false, "direct IO to the destination" },
	{ NOT_DEV, DEV, METHOD_AUTO, METHOD_DIO, VIA_SG, VIA_BLOCK, BUFFER_USER, 0,
	  NEED_OUT_BLOCK, false, "SG_IO on the destination's block node" },
	{ NOT_DEV, DEV, METHOD_AUTO, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 1,
	  NEED_OUT_DRIVER, false, "the driver copies to the destination" },

	{ MAP, DEV, METHOD_AUTO, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_IN, 0,
	  NEED_OUT_DIO, false, "direct IO out of the mapped file" },
	{ MAP, DEV, METHOD_AUTO, METHOD_DIO, VIA_SG, VIA_BLOCK, BUFFER_IN, 0,
	  NEED_OUT_BLOCK, false, "SG_IO on the destination's block node out of the mapped file" },
	{ MAP, DEV, METHOD_AUTO, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_IN, 1,
	  NEED_OUT_DRIVER, false, "the driver copies out of the mapped file" },
	{ MAP, NOT_DEV, METHOD_AUTO, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_IN, 0,
	  0, false, "out of the mapped file" },
	{ DEV, MAP, METHOD_DIO, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_OUT, 0,
	  NEED_IN_DIO, false, "direct IO into the mapped file" },
	{ DEV, MAP, METHOD_DIO, METHOD_AUTO, VIA_BLOCK, VIA_SG, BUFFER_OUT, 0,
	  NEED_IN_BLOCK, false, "SG_IO on the source's block node into the mapped file" },
	{ DEV, MAP, METHOD_INDIRECT, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_OUT, 1,
	  NEED_IN_DRIVER, false, "the driver copies into the mapped file" },
	{ BUF | DIR, MAP, METHOD_AUTO, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_OUT, 0,
	  0, false, "read into the mapped file" },

	{ NOT_DEV, NOT_DEV, METHOD_AUTO, METHOD_AUTO, VIA_SG, VIA_SG, BUFFER_USER, 0,
	  0, false, "through memory of our own" },
};
/* clang-format on */

const char *method_name(enum xfer_method m)
{
	static const char *const names[] = { "none", "mmap", "dio", "indirect" };

	assert((unsigned)m < ARRAY_SIZE(names));
	return names[m];
}

/* --- the row --- */

static bool may_rw(const struct endpoint *ep)
{
	return ep->facts.cls != END_DEVICE || ep->facts.can_rw;
}

static bool all_may_rw(const struct sides *sides)
{
	for (unsigned side = 0; side < sides->n; side++)
		if (!may_rw(sides->end[side]))
			return false;
	return true;
}

static unsigned is_buffered(const struct endpoint *ep)
{
	return ep->facts.cls == END_BUFFERED;
}

static unsigned abilities(const struct endpoint *in, const struct endpoint *out)
{
	const struct end_facts *a = &in->facts, *b = &out->facts;

	return (a->can_mmap ? NEED_IN_MMAP : 0) | (b->can_mmap ? NEED_OUT_MMAP : 0) |
	       (a->pinnable ? NEED_IN_PIN : 0) | (b->pinnable ? NEED_OUT_PIN : 0) |
	       (a->can_dio ? NEED_IN_DIO : 0) | (b->can_dio ? NEED_OUT_DIO : 0) |
	       (a->can_block ? NEED_IN_BLOCK : 0) | (b->can_block ? NEED_OUT_BLOCK : 0) |
	       (a->can_indirect ? NEED_IN_DRIVER : 0) | (b->can_indirect ? NEED_OUT_DRIVER : 0);
}

static bool method_asked(enum xfer_method asked, enum xfer_method offered)
{
	return asked == METHOD_AUTO || offered == METHOD_AUTO || asked == offered;
}

/* shared: several destinations share a buffer, and what is never the best for one may be for them.
 */
static bool row_is_asked(const struct plan_row *r, const struct plan_request *rq, bool shared)
{
	/* SG_IO is all that a block node takes. */
	if (rq->io == IO_RW && (r->in_via == VIA_BLOCK || r->out_via == VIA_BLOCK))
		return false;
	if (r->only_if_asked && !shared && rq->in_method == METHOD_AUTO &&
		rq->out_method == METHOD_AUTO)
		return false;
	return method_asked(rq->in_method, r->in_method) &&
	       method_asked(rq->out_method, r->out_method);
}

static const char *missing_ability(unsigned missing)
{
	if (missing & (NEED_IN_DIO | NEED_OUT_DIO))
		return "direct IO is switched off (echo 1 > /sys/module/sg/parameters/allow_dio) "
		       "or does "
		       "not fit the block length";
	if (missing & (NEED_IN_PIN | NEED_OUT_PIN))
		return "this kernel does no direct IO out of a mapped reserved buffer";
	if (missing & (NEED_IN_BLOCK | NEED_OUT_BLOCK))
		return "there is no block node";
	return "no reserved buffer can be mapped";
}

static bool row_is_for(
	const struct plan_row *r, const struct endpoint *in, const struct endpoint *out)
{
	return r->in_classes & 1u << in->facts.cls && r->out_classes & 1u << out->facts.cls;
}

static int cannot(unsigned missing, char why[PLAN_WHY_ROOM])
{
	if (missing == 0) {
		snprintf(why, PLAN_WHY_ROOM,
			"there is no way from this source to this destination with the methods and "
			"flags given (leave out mmap)");
		return EXIT_CONTRADICT;
	}
	snprintf(why, PLAN_WHY_ROOM, "the transfer method asked cannot be had: %s",
		missing_ability(missing));
	return EXIT_CONTRADICT;
}

static int choose_row(const struct plan_request *rq, const struct endpoint *in,
	const struct endpoint *out, const struct plan_row **row, char why[PLAN_WHY_ROOM])
{
	unsigned can = abilities(in, out), missing = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct plan_row *r = &rows[i];

		if (!row_is_for(r, in, out) || !row_is_asked(r, rq, false))
			continue;
		if ((r->needs & ~can) == 0) {
			*row = r;
			return 0;
		}
		missing |= r->needs & ~can;
	}
	return cannot(missing, why);
}

/* --- the rows of several destinations --- */

static bool row_fits(const struct plan_row *r, const struct plan_request *rq,
	const struct endpoint *in, const struct endpoint *out)
{
	return row_is_for(r, in, out) && row_is_asked(r, rq, true) &&
	       (r->needs & ~abilities(in, out)) == 0;
}

/* One buffer for all: the source's, or ordinary memory. */
static bool row_shares(const struct plan_row *r)
{
	return r->buffer == BUFFER_IN || r->buffer == BUFFER_USER;
}

/* The cheapest in which the source does as in lead. */
static const struct plan_row *row_beside(const struct plan_row *lead, const struct plan_request *rq,
	const struct endpoint *in, const struct endpoint *out)
{
	const struct plan_row *best = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct plan_row *r = &rows[i];

		if (r->in_method == lead->in_method && r->in_via == lead->in_via &&
			r->buffer == lead->buffer && row_fits(r, rq, in, out) &&
			(!best || r->cpu_copies < best->cpu_copies))
			best = r;
	}
	return best;
}

/* CPU copies of a byte that goes to all of them; UINT_MAX: there is no such way. */
static unsigned rows_beside(const struct plan_row *lead, const struct plan_request *rq,
	const struct sides *sides, const struct plan_row *row[SIDES_MAX])
{
	unsigned by_source = lead->in_method == METHOD_INDIRECT, copies = by_source;

	for (unsigned side = 1; side <= sides_dests(sides); side++) {
		row[side] = row_beside(lead, rq, sides->end[0], sides->end[side]);
		if (!row[side])
			return UINT_MAX;
		copies += row[side]->cpu_copies - by_source;
	}
	return copies;
}

/* The cheapest ways; UINT_MAX: there are none. */
static unsigned shared_rows(
	const struct plan_request *rq, const struct sides *sides, struct plan *p)
{
	unsigned copies = UINT_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct plan_row *row[SIDES_MAX] = { NULL };
		unsigned n;

		if (!row_shares(&rows[i]) || !row_fits(&rows[i], rq, sides->end[0], sides->end[1]))
			continue;
		n = rows_beside(&rows[i], rq, sides, row);
		if (n < copies) {
			memcpy(p->row, row, sizeof(p->row));
			copies = n;
		}
	}
	return copies;
}

/*
 * SG_IO, all that a block node takes, blocks: a chunk would go to one destination after the other.
 * That costs more than the driver's copy, so write() and read() come first where they can be had.
 */
static int choose_shared_rows(const struct plan_request *rq, const struct sides *sides,
	struct plan *p, unsigned *copies, char why[PLAN_WHY_ROOM])
{
	struct plan_request by_rw = *rq;

	*copies = UINT_MAX;
	by_rw.io = IO_RW;
	if (rq->io == IO_AUTO && sides_dests(sides) > 1 && all_may_rw(sides))
		*copies = shared_rows(&by_rw, sides, p);
	if (*copies == UINT_MAX)
		*copies = shared_rows(rq, sides, p);
	if (*copies < UINT_MAX)
		return 0;
	snprintf(why, PLAN_WHY_ROOM,
		"no transfer method for all destinations at once (leave xfer=, iflag= and oflag= "
		"out)");
	return EXIT_CONTRADICT;
}

static int choose_rows(const struct plan_request *rq, const struct sides *sides, struct plan *p,
	char why[PLAN_WHY_ROOM])
{
	unsigned copies = 0;
	int bad;

	/* Of what a mapped buffer holds nothing can be left out: it is written from its start. */
	if (sides_dests(sides) > 1 || rq->out_flags & (END_SPARSE | END_TRIM)) {
		bad = choose_shared_rows(rq, sides, p, &copies, why);
	} else {
		bad = choose_row(rq, sides->end[0], sides->end[1], &p->row[1], why);
		copies = bad ? 0 : p->row[1]->cpu_copies;
	}
	p->cpu_copies += copies;
	return bad;
}

/* --- sizes --- */

uint32_t plan_wanted_chunk(const struct plan_request *rq, const struct span *s)
{
	uint64_t bpt = rq->bpt_blk ? rq->bpt_blk : CHUNK_DEFAULT_BYTES / s->ibs_bytes;
	uint64_t want = max_u64(max_u64(bpt, 1) * s->ibs_bytes, s->block_bytes);

	want = min_u64(want, max_u64(span_written(s, s->len_bytes), s->block_bytes));
	return (uint32_t)min_u64(want, round_down_u64(UINT32_MAX / 2, s->block_bytes));
}

static bool is_device(const struct endpoint *ep)
{
	return ep->facts.cls == END_DEVICE;
}

/* CDBs count in the blocks of the device they are sent to. */
static uint64_t most_by_cdb(const struct endpoint *ep, unsigned asked)
{
	return asked && is_device(ep) ? (uint64_t)cdb_max_blocks(asked) * ep->facts.block_bytes
				      : UINT64_MAX;
}

static int choose_chunk(const struct plan_request *rq, const struct sides *sides,
	const struct span *s, struct plan *p, char why[PLAN_WHY_ROOM])
{
	uint32_t want = plan_wanted_chunk(rq, s);
	uint64_t chunk = want;

	for (unsigned side = 0; side < sides->n; side++) {
		const struct endpoint *ep = sides->end[side];

		chunk = min_u64(chunk, ep->facts.max_xfer_bytes);
		chunk = min_u64(
			chunk, most_by_cdb(ep, side ? rq->out_cdb_bytes : rq->in_cdb_bytes));
	}
	p->chunk_bytes = (uint32_t)round_down_u64(chunk, s->block_bytes);
	if (p->chunk_bytes < want && rq->bpt_blk)
		p->chunk_note = "chunk reduced to the largest transfer all ends take";
	if (p->chunk_bytes > 0)
		return 0;
	snprintf(why, PLAN_WHY_ROOM,
		"a block of %u bytes is more than one command to each end can carry",
		s->block_bytes);
	return EXIT_CONTRADICT;
}

static uint64_t slot_bytes(const struct plan *p)
{
	uint64_t buffers = p->user_buffers;

	for (unsigned side = 0; side < SIDES_MAX; side++)
		buffers += p->side[side].own_buffer;
	return max_u64(buffers, 1) * p->chunk_bytes;
}

/* Reserved buffers are charged to nobody: too many end in the OOM killer, not in an error. */
static unsigned choose_depth(const struct plan_request *rq, const struct span *s, struct plan *p)
{
	uint64_t chunks = s->len_bytes / p->chunk_bytes + (s->len_bytes % p->chunk_bytes != 0);
	uint64_t depth = rq->queue_depth ? rq->queue_depth : QUEUE_DEPTH_DEFAULT;
	uint64_t affordable = max_u64(rq->memory_bytes / slot_bytes(p), 1);

	if (depth > affordable && rq->queue_depth)
		p->depth_note = "queue depth reduced to what memory allows";
	return (unsigned)max_u64(1, min_u64(depth, min_u64(affordable, chunks)));
}

/* What the ends of a run have in common. */
struct mix {
	bool devices, evented, sequential, can_rw, through_block;
};

static struct mix mix_of(const struct sides *sides, const struct plan *p)
{
	struct mix m = { .can_rw = true };

	for (unsigned side = 0; side < sides->n; side++) {
		const struct endpoint *ep = sides->end[side];

		m.devices |= is_device(ep);
		m.evented |= ep->facts.evented;
		m.sequential |= ep->facts.sequential;
		m.can_rw &= may_rw(ep);
		m.through_block |= p->side[side].via == VIA_BLOCK;
	}
	return m;
}

/* Whether a slot holds up its thread until its transfer is home. */
static bool all_block(const struct mix *m, enum io_kind io)
{
	return m->devices ? io == IO_SG_IO : !m->evented;
}

/*
 * A blocking call needs a thread for each transfer in flight; write() and read() need one thread
 * for all, and at depth 1 one system call more than SG_IO. What has an order has one thread.
 */
static void choose_workers(
	const struct plan_request *rq, const struct mix *m, unsigned depth, struct plan *p)
{
	bool in_order = rq->ordered || m->sequential;

	p->depth = depth;
	p->workers = rq->workers ? rq->workers : 1;
	if (all_block(m, p->side[0].io)) {
		if (in_order || (!m->devices && !rq->queue_depth))
			p->depth = 1;
		if (p->depth < depth && rq->queue_depth)
			p->depth_note = "one thing after the other: queue depth";
		else if (rq->workers && rq->workers != p->depth)
			p->depth_note = "SG_IO takes a thread for each command: workers= is the "
					"queue depth";
		p->workers = p->depth;
	}
	if (in_order || p->workers > p->depth)
		p->workers = in_order ? 1 : p->depth;
	p->in_order = in_order;
}

/* At depth 1 nothing flies beside a blocking call, unless sides move data at the same time. */
static void choose_io(const struct plan_request *rq, const struct sides *sides, const struct mix *m,
	unsigned depth, struct plan *p)
{
	unsigned dests = sides_dests(sides), checks = sides->n - 1 - dests;
	bool alone = depth == 1 && dests <= 1 && checks <= 1;
	enum io_kind io = rq->io;

	if (io == IO_AUTO)
		io = m->through_block || alone || !m->can_rw ? IO_SG_IO : IO_RW;
	for (unsigned side = 0; side < sides->n; side++)
		p->side[side].io = io;
}

static int choose_cdb(const struct plan_request *rq, const struct sides *sides, unsigned side,
	const struct span *s, struct plan *p, char why[PLAN_WHY_ROOM])
{
	const struct endpoint *ep = sides->end[side];
	struct lane_spec *spec = &p->side[side];
	uint64_t start = side ? s->out_bytes : s->in_bytes;
	unsigned asked = spec->verify ? 0 : side ? rq->out_cdb_bytes : rq->in_cdb_bytes;
	unsigned flags = spec->verify ? 0 : side ? rq->out_flags : rq->in_flags;
	uint64_t end = start + (side ? span_written(s, s->len_bytes) : s->len_bytes), last_lba;
	unsigned bits = flags & (END_DPO | END_FUA);
	uint32_t blocks;

	if (!is_device(ep))
		return 0;
	last_lba = end > 0 ? (end - 1) / ep->facts.block_bytes : 0;
	blocks = p->chunk_bytes / ep->facts.block_bytes;
	spec->cdb_is_given = asked != 0;
	spec->cdb_bytes = asked ? asked : cdb_choose(last_lba, blocks);
	if (cdb_reaches(spec->cdb_bytes, last_lba, blocks, bits))
		return 0;
	snprintf(why, PLAN_WHY_ROOM,
		"cdbsz=%u cannot be used for the %s: it does not reach LBA %llu%s (leave cdbsz= "
		"out)",
		asked, side ? "destination" : "source", (unsigned long long)last_lba,
		bits ? ", or has no DPO and FUA" : "");
	return EXIT_CONTRADICT;
}

static void spec_fill(const struct plan_request *rq, struct plan *p, unsigned side,
	enum xfer_method method, enum lane_via via, bool own_buffer)
{
	enum xfer_method asked = side ? rq->out_method : rq->in_method;
	struct lane_spec *spec = &p->side[side];

	spec->method = method == METHOD_AUTO ? METHOD_INDIRECT : method;
	spec->via = via;
	spec->max_bytes = p->chunk_bytes;
	spec->timeout_ms = rq->timeout_ms;
	spec->own_buffer = own_buffer;
	spec->may_fall_back = method == METHOD_DIO && asked != METHOD_DIO;
}

/* --- comparing --- */

static const struct plan_row compare_row = {
	.why = "both sides read, each as it does best, and compared",
};

static bool method_is_had(const struct end_facts *f, enum xfer_method method)
{
	switch (method) {
	case METHOD_MMAP: return f->can_mmap;
	case METHOD_DIO: return f->can_dio || f->can_block;
	default: return f->can_indirect;
	}
}

/* Reading alone: the mapped buffer where there is one. */
static int choose_read(const struct plan_request *rq, const struct sides *sides, unsigned side,
	struct plan *p, char why[PLAN_WHY_ROOM])
{
	static const enum xfer_method best[] = { METHOD_MMAP, METHOD_DIO, METHOD_INDIRECT };
	const struct endpoint *ep = sides->end[side];
	enum xfer_method method = side ? rq->out_method : rq->in_method;
	enum lane_via via = VIA_SG;

	for (size_t i = 0; method == METHOD_AUTO && i < ARRAY_SIZE(best); i++)
		if (method_is_had(&ep->facts, best[i]))
			method = best[i];
	if (is_device(ep) && !method_is_had(&ep->facts, method)) {
		snprintf(why, PLAN_WHY_ROOM, "%s: the transfer method asked cannot be had",
			ep->name);
		return EXIT_CONTRADICT;
	}
	if (!is_device(ep))
		method = METHOD_AUTO;
	if (method == METHOD_DIO && !ep->facts.can_dio)
		via = VIA_BLOCK;
	spec_fill(rq, p, side, method, via, method == METHOD_MMAP);
	p->cpu_copies += (method == METHOD_INDIRECT) + is_buffered(ep);
	p->user_buffers += !p->side[side].own_buffer;
	return 0;
}

/* What is read for comparison, into memory of its own. */
static int plan_checks(const struct plan_request *rq, const struct sides *sides, struct plan *p,
	char why[PLAN_WHY_ROOM])
{
	int bad = 0;

	for (unsigned side = sides_dests(sides) + 1; side < sides->n && !bad; side++)
		bad = choose_read(rq, sides, side, p, why);
	return bad;
}

static int plan_compare(const struct plan_request *rq, const struct sides *sides, struct plan *p,
	char why[PLAN_WHY_ROOM])
{
	int bad = choose_read(rq, sides, 0, p, why);

	p->row[0] = &compare_row;
	p->buffer = p->side[0].own_buffer ? BUFFER_IN : BUFFER_USER;
	return bad;
}

static bool is_disk(const struct endpoint *ep)
{
	return is_device(ep) || ep->facts.block_bytes > 1;
}

/* Where old data would show through, zeros that are left out must be made so. */
static enum hole_mode choose_holes(const struct plan_request *rq, const struct endpoint *ep)
{
	const struct end_facts *f = &ep->facts;
	bool trims = (rq->out_flags & END_TRIM) != 0, sparse = (rq->out_flags & END_SPARSE) != 0;

	if (rq->job != JOB_COPY || f->hole_bytes == 0 || !(trims || sparse))
		return HOLES_NONE;
	if (f->fresh || (sparse && !trims && is_disk(ep)))
		return HOLES_SKIP;
	return f->can_trim ? HOLES_TRIM : HOLES_NONE;
}

static void plan_dest(
	const struct plan_request *rq, const struct sides *sides, unsigned side, struct plan *p)
{
	const struct plan_row *r = p->row[side];
	bool owns = (r->buffer == BUFFER_OUT || r->buffer == BUFFER_BOTH) &&
		    is_device(sides->end[side]);

	spec_fill(rq, p, side, r->out_method, r->out_via, owns);
	p->side[side].must_pin = owns && r->needs & (NEED_IN_PIN | NEED_OUT_PIN);
	p->side[side].verify = rq->job == JOB_VERIFY;
	p->side[side].holes = choose_holes(rq, sides->end[side]);
	p->side[0].must_pin |= !owns && r->needs & (NEED_IN_PIN | NEED_OUT_PIN);
	p->cpu_copies += is_buffered(sides->end[side]);
	p->writes |= side_moves(sides, side);
}

static int plan_copy(const struct plan_request *rq, const struct sides *sides, struct plan *p,
	char why[PLAN_WHY_ROOM])
{
	const struct plan_row *r;
	int bad = choose_rows(rq, sides, p, why);

	if (bad)
		return bad;
	r = p->row[1];
	p->buffer = r->buffer;
	p->user_buffers = r->buffer == BUFFER_USER;
	p->cpu_copies += is_buffered(sides->end[0]);
	spec_fill(rq, p, 0, r->in_method, r->in_via,
		(r->buffer == BUFFER_IN || r->buffer == BUFFER_BOTH) && is_device(sides->end[0]));
	for (unsigned side = 1; side <= sides_dests(sides); side++)
		plan_dest(rq, sides, side, p);
	return 0;
}

static int check_io(const struct plan_request *rq, const struct sides *sides, const struct mix *m,
	char why[PLAN_WHY_ROOM])
{
	unsigned side = 0;

	if (rq->io != IO_RW || m->can_rw)
		return 0;
	while (may_rw(sides->end[side]))
		side++;
	snprintf(why, PLAN_WHY_ROOM,
		"%s: io=rw needs permission to write to the node, to send commands (give io=sg_io)",
		sides->end[side]->name);
	return EXIT_CONTRADICT;
}

/* A file that is cut under its mapping kills who looks at the data; the kernel gets an error. */
static int check_mapped(const struct plan_request *rq, const struct sides *sides,
	const struct span *s, char why[PLAN_WHY_ROOM])
{
	bool looks = rq->ordered || s->pad || rq->out_flags & (END_SPARSE | END_TRIM) ||
		     sides_dests(sides) + 1 < sides->n;

	for (unsigned side = 0; side < sides->n && looks; side++)
		if (sides->end[side]->facts.cls == END_MAPPED) {
			snprintf(why, PLAN_WHY_ROOM,
				"%s: mmap and what looks at the data exclude each other: hash=, "
				"conv=sync, sparse, trim, verify=each, -x (leave mmap out)",
				sides->end[side]->name);
			return EXIT_CONTRADICT;
		}
	return 0;
}

int plan_make(const struct plan_request *rq, const struct sides *sides, const struct span *s,
	struct plan *p, char why[PLAN_WHY_ROOM])
{
	struct mix mix;
	unsigned depth;
	int bad;

	memset(p, 0, sizeof(*p));
	p->job = rq->job;
	bad = check_mapped(rq, sides, s, why);
	if (!bad)
		bad = choose_chunk(rq, sides, s, p, why);
	if (!bad && sides_dests(sides) > 0)
		bad = plan_copy(rq, sides, p, why);
	else if (!bad)
		bad = plan_compare(rq, sides, p, why);
	if (!bad)
		bad = plan_checks(rq, sides, p, why);
	if (bad)
		return bad;
	mix = mix_of(sides, p);
	depth = choose_depth(rq, s, p);
	choose_io(rq, sides, &mix, depth, p);
	choose_workers(rq, &mix, depth, p);
	bad = check_io(rq, sides, &mix, why);
	for (unsigned side = 0; side < sides->n && !bad; side++)
		bad = choose_cdb(rq, sides, side, s, p, why);
	return bad;
}

/* --- in words --- */

static void print_end(const char *side, const struct endpoint *ep)
{
	const struct end_facts *f = &ep->facts;
	char size[UNITS_TEXT_ROOM], reserved[UNITS_TEXT_ROOM];

	if (f->size_bytes == SIZE_UNKNOWN) {
		diag_plain("%s: %s (%s)", side, ep->name, f->kind);
		return;
	}
	if (!is_device(ep)) {
		diag_plain("%s: %s, %s of %s", side, ep->name, f->kind,
			units_bytes_text(f->size_bytes, size));
		return;
	}
	diag_plain("%s: %s %s, %llu blocks of %u bytes (%s), reserved buffer %s, queue depth %u",
		side, ep->name, ep->identity, (unsigned long long)(f->size_bytes / f->block_bytes),
		f->block_bytes, units_bytes_text(f->size_bytes, size),
		units_bytes_text(f->reserved_bytes, reserved), f->queue_depth);
}

static const char *side_method(const struct endpoint *ep, const struct lane_spec *spec)
{
	return method_name(is_device(ep) ? spec->method : METHOD_AUTO);
}

static const char *side_word(const struct sides *sides, unsigned side)
{
	if (side == 0)
		return "in";
	return side_is_check(sides, side) ? "compared" : "out";
}

static void print_way(const struct plan *p, const struct sides *sides, unsigned side)
{
	const struct endpoint *ep = sides->end[side];
	bool check = side_is_check(sides, side);
	char copies[40] = "";

	if (side == sides->n - 1)
		snprintf(copies, sizeof(copies), "; CPU copies per byte %u", p->cpu_copies);
	if (check && sides_dests(sides) > 0)
		diag_plain("plan: %s is read back (%s) and compared%s", ep->name,
			side_method(ep, &p->side[side]), copies);
	else
		diag_plain("plan: %s %s %s: %s%s", side_method(sides->end[0], &p->side[0]),
			check ? "=" : "->", side_method(ep, &p->side[side]),
			p->row[check ? 0 : side]->why, copies);
}

static enum cdb_op side_cdb(const struct plan *p, const struct sides *sides, unsigned side)
{
	if (p->side[side].verify)
		return CDB_VERIFY;
	return side == 0 || side_is_check(sides, side) ? CDB_READ : CDB_WRITE;
}

/* ", READ(10) and WRITE(10)" */
static void cdb_text(const struct plan *p, const struct sides *sides, char *text, size_t room)
{
	const char *separator = ", ";
	size_t at = 0;

	text[0] = '\0';
	for (unsigned side = 0; side < sides->n && at < room; side++) {
		if (!is_device(sides->end[side]))
			continue;
		at += (size_t)snprintf(text + at, room - at, "%s%s", separator,
			cdb_name(p->side[side].cdb_bytes, side_cdb(p, sides, side)));
		separator = " and ";
	}
}

void plan_print(const struct plan *p, const struct sides *sides, const struct span *s)
{
	char len[UNITS_TEXT_ROOM], chunk[UNITS_TEXT_ROOM], cdbs[SIDES_MAX * 24];
	struct mix mix = mix_of(sides, p);

	for (unsigned side = 0; side < sides->n; side++)
		print_end(side_word(sides, side), sides->end[side]);
	for (unsigned side = 1; side < sides->n; side++)
		print_way(p, sides, side);
	cdb_text(p, sides, cdbs, sizeof(cdbs));
	diag_plain("plan: %s in chunks of %s (%u blocks), qd %u, %u worker%s%s%s",
		s->open_ended ? "all that comes" : units_bytes_text(s->len_bytes, len),
		units_bytes_text(p->chunk_bytes, chunk), p->chunk_bytes / s->block_bytes, p->depth,
		p->workers, p->workers == 1 ? "" : "s",
		!mix.devices		 ? ""
		: p->side[0].io == IO_RW ? ", write() and read()"
					 : ", ioctl(SG_IO)",
		cdbs);
}
