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

static int check_bs(const struct refusal *r, const struct span *s, const struct endpoint *ep)
{
	uint32_t block = ep->facts.block_bytes;

	if (block == 0 || s->bs_bytes % block == 0)
		return 0;
	return refuse(r, EXIT_CONTRADICT, ep,
		"bs=%u is no multiple of its block length of %u bytes (leave bs= out, or give "
		"bs=%u)",
		s->bs_bytes, block, block);
}

static int resolve_blocks(const struct refusal *r, const struct span_request *rq,
	const struct endpoint *in, const struct endpoint *out, struct span *s)
{
	uint32_t a = in->facts.block_bytes, b = out->facts.block_bytes;
	int bad;

	if (a && b && a != b)
		return refuse(r, EXIT_CONTRADICT, NULL,
			"%s has blocks of %u bytes, %s of %u (copies between them are not "
			"supported)",
			in->name, a, out->name, b);
	s->block_bytes = a ? a : b;
	s->bs_bytes = rq->bs_bytes ? rq->bs_bytes : s->block_bytes;
	if (s->bs_bytes == 0)
		s->bs_bytes = 512;
	bad = check_bs(r, s, in);
	if (!bad)
		bad = check_bs(r, s, out);
	if (s->block_bytes == 0)
		s->block_bytes = s->bs_bytes;
	return bad;
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

static int check_room(
	const struct refusal *r, const struct endpoint *ep, uint64_t room, const struct span *s)
{
	if (s->len_bytes <= room)
		return 0;
	return refuse(r, EXIT_LBA_RANGE, ep,
		"%llu bytes asked, %llu bytes from there to its end (give a smaller count=)",
		(unsigned long long)s->len_bytes, (unsigned long long)room);
}

static int resolve_len(const struct refusal *r, const struct span_request *rq,
	const struct endpoint *in, const struct endpoint *out, struct span *s)
{
	uint64_t in_room = 0, out_room = 0;
	int bad = room_after(r, in, "skip=", s->in_bytes, &in_room);

	if (!bad)
		bad = room_after(r, out, "seek=", s->out_bytes, &out_room);
	if (bad)
		return bad;
	if (rq->count != SPAN_ALL) {
		if (!checked_mul(rq->count, s->bs_bytes, &s->len_bytes))
			return refuse(
				r, EXIT_LBA_RANGE, NULL, "count= times bs= is past 2^64 bytes");
	} else {
		s->len_bytes = in_room != SIZE_UNKNOWN ? in_room : out_room;
		if (s->len_bytes == SIZE_UNKNOWN)
			return refuse(
				r, EXIT_CONTRADICT, NULL, "neither end has an end (give count=)");
		if (s->len_bytes > out_room)
			return refuse(r, EXIT_LBA_RANGE, out,
				"is too small: %llu bytes to copy, room for %llu (give count= to "
				"copy a part)",
				(unsigned long long)s->len_bytes, (unsigned long long)out_room);
	}
	bad = check_room(r, in, in_room, s);
	return bad ? bad : check_room(r, out, out_room, s);
}

/* Also where an end has no end: offsets are added up without further checks. */
static int check_reach(const struct refusal *r, const struct span *s)
{
	uint64_t in_end, out_end;

	if (checked_add(s->in_bytes, s->len_bytes, &in_end) && in_end <= INT64_MAX &&
		checked_add(s->out_bytes, s->len_bytes, &out_end) && out_end <= INT64_MAX)
		return 0;
	return refuse(r, EXIT_LBA_RANGE, NULL, "the copy would end past 2^63 bytes");
}

int span_resolve(const struct span_request *rq, const struct endpoint *in,
	const struct endpoint *out, struct span *s, const struct endpoint **who,
	char why[SPAN_WHY_ROOM])
{
	const struct refusal r = { who, why };
	int bad = resolve_blocks(&r, rq, in, out, s);

	if (bad)
		return bad;
	if (!checked_mul(rq->skip, s->bs_bytes, &s->in_bytes))
		return refuse(&r, EXIT_LBA_RANGE, in, "skip= times bs= is past 2^64 bytes");
	if (!checked_mul(rq->seek, s->bs_bytes, &s->out_bytes))
		return refuse(&r, EXIT_LBA_RANGE, out, "seek= times bs= is past 2^64 bytes");
	bad = resolve_len(&r, rq, in, out, s);
	return bad ? bad : check_reach(&r, s);
}
