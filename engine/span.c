/* SPDX-License-Identifier: BSD-2-Clause */
/* All arithmetic is checked: the operands come from users, the sizes from devices. */
#include "span.h"

#include <stdarg.h>
#include <stdio.h>

#include "../core/status.h"

struct refusal {
	const struct endpoint **who;
	char *why;
};

static int PRINTF_LIKE(4, 5) refuse(
	const struct refusal *r, int exit_status, const struct endpoint *who, const char *fmt, ...)
{
	va_list args;

	*r->who = who;
	va_start(args, fmt);
	vsnprintf(r->why, SPAN_WHY_ROOM, fmt, args);
	va_end(args);
	return exit_status;
}

static int check_bs(const struct refusal *r, const char *operand, uint32_t bs, uint32_t block,
	const struct endpoint *ep)
{
	if (bs % block == 0)
		return 0;
	return refuse(r, EXIT_CONTRADICT, ep,
		"%s=%u is no multiple of its block length of %u bytes (leave %s= out, or give "
		"%s=%u)",
		operand, bs, block, operand, operand, block);
}

static uint32_t block_of(const struct endpoint *ep)
{
	return ep->facts.block_bytes ? ep->facts.block_bytes : 1;
}

/* Where any byte can be reached, blocks are taken from the other end. */
static uint32_t default_bs(uint32_t own, uint32_t other)
{
	if (own > 1)
		return own;
	return other > 1 ? other : 512;
}

/* Of all but the source, the one with the largest blocks. */
static const struct endpoint *coarsest_out(const struct sides *sides)
{
	const struct endpoint *most = sides->end[1];

	for (unsigned side = 2; side < sides->n; side++)
		if (block_of(sides->end[side]) > block_of(most))
			most = sides->end[side];
	return most;
}

static int check_multiple(
	const struct refusal *r, const struct endpoint *a, const struct endpoint *b)
{
	if (block_of(a) % block_of(b) == 0 || block_of(b) % block_of(a) == 0)
		return 0;
	return refuse(r, EXIT_CONTRADICT, NULL,
		"%s has blocks of %u bytes, %s of %u (one must be a multiple of the other)",
		a->name, block_of(a), b->name, block_of(b));
}

/* All divide the largest one. */
static int check_multiples(
	const struct refusal *r, const struct sides *sides, const struct endpoint *coarsest)
{
	int bad = check_multiple(r, sides->end[0], coarsest);

	for (unsigned side = 1; side < sides->n && !bad; side++)
		bad = check_multiple(r, coarsest, sides->end[side]);
	return bad;
}

static int resolve_blocks(const struct refusal *r, const struct span_request *rq,
	const struct sides *sides, struct span *s)
{
	const struct endpoint *in = sides->end[0], *out = coarsest_out(sides);
	uint32_t a = block_of(in), b = block_of(out);
	bool same_bs = rq->ibs_bytes == rq->obs_bytes;
	int bad;

	s->ibs_bytes = rq->ibs_bytes ? rq->ibs_bytes : default_bs(a, b);
	s->obs_bytes = rq->obs_bytes ? rq->obs_bytes : default_bs(b, a);
	s->block_bytes = a > b ? a : b;
	if (s->block_bytes <= 1)
		s->block_bytes = s->ibs_bytes;
	s->out_block_bytes = b;
	bad = check_bs(r, same_bs ? "bs" : "ibs", s->ibs_bytes, a, in);
	if (!bad)
		bad = check_bs(r, same_bs ? "bs" : "obs", s->obs_bytes, b, out);
	return bad ? bad : check_multiples(r, sides, out);
}

/* From offset to the end of ep; SIZE_UNKNOWN has no end. */
static int room_after(const struct refusal *r, const struct endpoint *ep, const char *operand,
	uint64_t offset, uint64_t *room)
{
	if (ep->facts.size_bytes == SIZE_UNKNOWN) {
		*room = SIZE_UNKNOWN;
		return 0;
	}
	if (offset > ep->facts.size_bytes)
		return refuse(r, EXIT_LBA_RANGE, ep, "%s is past its end (%llu blocks of %u bytes)",
			operand, (unsigned long long)(ep->facts.size_bytes / ep->facts.block_bytes),
			ep->facts.block_bytes);
	*room = ep->facts.size_bytes - offset;
	return 0;
}

/* The least of all but the source, and whose it is. */
static int room_of_outs(const struct refusal *r, const struct sides *sides, uint64_t offset,
	uint64_t *room, const struct endpoint **tightest)
{
	*room = SIZE_UNKNOWN;
	*tightest = sides->end[1];
	for (unsigned side = 1; side < sides->n; side++) {
		uint64_t own = 0;
		int bad = room_after(r, sides->end[side], "seek=", offset, &own);

		if (bad)
			return bad;
		if (own < *room) {
			*room = own;
			*tightest = sides->end[side];
		}
	}
	return 0;
}

static int check_room(
	const struct refusal *r, const struct endpoint *ep, uint64_t room, uint64_t len)
{
	if (len <= room)
		return 0;
	return refuse(r, EXIT_LBA_RANGE, ep,
		"%llu bytes asked, %llu bytes from there to its end (give a smaller count=)",
		(unsigned long long)len, (unsigned long long)room);
}

uint64_t span_written(const struct span *s, uint64_t len_bytes)
{
	uint64_t short_by;

	if (!s->pad)
		return len_bytes;
	short_by = len_bytes % s->out_block_bytes;
	if (short_by)
		len_bytes += s->out_block_bytes - short_by;
	return padding_end(&s->padding, len_bytes);
}

/*
 * A disk cannot be longer than it is: that another of the same length gets a copy in blocks that do
 * not divide it is no mistake. A file that is compared, and lacks the zeros, does differ.
 */
static void resolve_padding(
	const struct span_request *rq, const struct sides *sides, struct span *s)
{
	bool fits = s->ibs_bytes % s->out_block_bytes == 0;

	s->pad = rq->pad;
	s->padding.unit_bytes = !rq->pad ? 0 : fits ? s->ibs_bytes : s->out_block_bytes;
	s->padding.room_bytes = UINT64_MAX;
	for (unsigned side = 1; side < sides->n; side++) {
		const struct end_facts *f = &sides->end[side]->facts;

		if (f->block_bytes > 1 && f->size_bytes != SIZE_UNKNOWN)
			s->padding.room_bytes =
				min_u64(s->padding.room_bytes, f->size_bytes - s->out_bytes);
	}
	s->padding.room_bytes = round_down_u64(s->padding.room_bytes, s->out_block_bytes);
}

static int all_there_is(const struct refusal *r, uint64_t in_room, uint64_t out_room,
	const struct endpoint *out, struct span *s)
{
	s->len_bytes = in_room != SIZE_UNKNOWN ? in_room : out_room;
	if (s->len_bytes == SIZE_UNKNOWN && s->open_ended)
		s->len_bytes = round_down_u64(
			INT64_MAX - max_u64(s->in_bytes, s->out_bytes), s->block_bytes);
	else if (s->len_bytes == SIZE_UNKNOWN)
		return refuse(r, EXIT_CONTRADICT, NULL, "neither end has an end (give count=)");
	if (span_written(s, s->len_bytes) <= out_room)
		return 0;
	if (out->role == END_SOURCE)
		return refuse(r, EXIT_MISCOMPARE, out,
			"is shorter: %llu bytes to compare, it has %llu (give count= to compare a "
			"part)",
			(unsigned long long)span_written(s, s->len_bytes),
			(unsigned long long)out_room);
	return refuse(r, EXIT_LBA_RANGE, out,
		"is too small: %llu bytes to copy, room for %llu (give count= to "
		"copy a part)",
		(unsigned long long)span_written(s, s->len_bytes), (unsigned long long)out_room);
}

static int check_tail(const struct refusal *r, const struct endpoint *out, const struct span *s)
{
	uint64_t tail = s->len_bytes % s->out_block_bytes;

	if (tail == 0 || s->pad || s->open_ended)
		return 0;
	return refuse(r, EXIT_CONTRADICT, out,
		"the last %llu bytes would not fill one of its blocks of %u bytes (conv=sync pads "
		"with zeros; or give count=)",
		(unsigned long long)tail, s->out_block_bytes);
}

static int resolve_len(const struct refusal *r, const struct span_request *rq,
	const struct sides *sides, struct span *s)
{
	const struct endpoint *in = sides->end[0], *out;
	uint64_t in_room = 0, out_room = 0;
	int bad = room_after(r, in, "skip=", s->in_bytes, &in_room);

	if (!bad)
		bad = room_of_outs(r, sides, s->out_bytes, &out_room, &out);
	if (bad)
		return bad;
	resolve_padding(rq, sides, s);
	s->open_ended = in->facts.sequential && in_room == SIZE_UNKNOWN;
	s->must_end = s->open_ended && rq->count == SPAN_ALL && out_room != SIZE_UNKNOWN;
	if (rq->count == SPAN_ALL)
		bad = all_there_is(r, in_room, out_room, out, s);
	else if (!checked_mul(rq->count, s->ibs_bytes, &s->len_bytes))
		bad = refuse(r, EXIT_LBA_RANGE, NULL, "count= times bs= is past 2^64 bytes");
	if (!bad)
		bad = check_room(r, in, in_room, s->len_bytes);
	if (!bad)
		bad = check_room(r, out, out_room, span_written(s, s->len_bytes));
	return bad ? bad : check_tail(r, out, s);
}

/* Also where an end has no end: offsets are added up without further checks. */
static int check_reach(const struct refusal *r, const struct span *s)
{
	uint64_t in_end, out_end;

	if (checked_add(s->in_bytes, s->len_bytes, &in_end) && in_end <= INT64_MAX &&
		checked_add(s->out_bytes, span_written(s, s->len_bytes), &out_end) &&
		out_end <= INT64_MAX)
		return 0;
	return refuse(r, EXIT_LBA_RANGE, NULL, "the copy would end past 2^63 bytes");
}

int span_resolve(const struct span_request *rq, const struct sides *sides, struct span *s,
	const struct endpoint **who, char why[SPAN_WHY_ROOM])
{
	const struct refusal r = { who, why };
	int bad = resolve_blocks(&r, rq, sides, s);

	if (bad)
		return bad;
	if (!checked_mul(rq->skip, s->ibs_bytes, &s->in_bytes))
		return refuse(
			&r, EXIT_LBA_RANGE, sides->end[0], "skip= times bs= is past 2^64 bytes");
	if (!checked_mul(rq->seek, s->obs_bytes, &s->out_bytes))
		return refuse(
			&r, EXIT_LBA_RANGE, sides->end[1], "seek= times bs= is past 2^64 bytes");
	bad = resolve_len(&r, rq, sides, s);
	return bad ? bad : check_reach(&r, s);
}
