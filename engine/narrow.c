/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From at_bytes on: first the suspect part, in which something is bad, then what is not known.
 * narrow_next() is a function of the state, so that the other two can ask which piece it was.
 */
#include "narrow.h"

#include <assert.h>

static void set_hint(struct narrow *n, uint64_t hint_bytes)
{
	bool within = hint_bytes >= n->at_bytes && hint_bytes < n->suspect_bytes;

	n->hint_bytes =
		within ? hint_bytes - (hint_bytes - n->at_bytes) % n->block_bytes : NARROW_NO_HINT;
}

void narrow_begin(struct narrow *n, uint64_t at_bytes, uint32_t len_bytes, uint32_t block_bytes,
	uint32_t physical_bytes, uint64_t hint_bytes)
{
	assert(len_bytes > 0 && block_bytes > 0 && physical_bytes % block_bytes == 0);
	*n = (struct narrow){
		.at_bytes = at_bytes,
		.end_bytes = at_bytes + len_bytes,
		.suspect_bytes = at_bytes + len_bytes,
		.block_bytes = block_bytes,
		.physical_bytes = physical_bytes,
	};
	set_hint(n, hint_bytes);
}

/* About the middle of what is suspect: a block at least, and less than all. */
static uint64_t middle(const struct narrow *n)
{
	uint64_t half = (n->suspect_bytes - n->at_bytes) / 2;
	uint64_t cut =
		round_down_u64(n->at_bytes + half, n->physical_bytes ? n->physical_bytes : 1);

	if (cut > n->at_bytes && (cut - n->at_bytes) % n->block_bytes == 0)
		return cut;
	half = round_down_u64(half, n->block_bytes);
	return n->at_bytes + max_u64(half, n->block_bytes);
}

static uint64_t piece_end(const struct narrow *n)
{
	if (n->after_bad)
		return min_u64(n->at_bytes + n->block_bytes, n->end_bytes);
	if (n->at_bytes == n->suspect_bytes)
		return n->end_bytes;
	if (n->hint_bytes != NARROW_NO_HINT)
		return n->hint_bytes > n->at_bytes
			       ? n->hint_bytes
			       : min_u64(n->at_bytes + n->block_bytes, n->suspect_bytes);
	return min_u64(middle(n), n->suspect_bytes);
}

bool narrow_next(const struct narrow *n, struct piece *p)
{
	if (n->at_bytes == n->end_bytes)
		return false;
	p->at_bytes = n->at_bytes;
	p->len_bytes = (uint32_t)(piece_end(n) - n->at_bytes);
	return true;
}

enum narrow_news narrow_good(struct narrow *n)
{
	bool lie = n->hint_bytes == n->at_bytes;

	n->at_bytes = piece_end(n);
	n->after_bad = false;
	if (n->suspect_bytes < n->at_bytes)
		n->suspect_bytes = n->at_bytes;
	if (lie)
		n->hint_bytes = NARROW_NO_HINT;
	return lie ? NARROW_LIE : NARROW_GOES_ON;
}

enum narrow_news narrow_failed(struct narrow *n, uint64_t hint_bytes)
{
	uint64_t end = piece_end(n);

	if (end - n->at_bytes > n->block_bytes) {
		n->suspect_bytes = end;
		n->after_bad = false;
		set_hint(n, hint_bytes);
		return NARROW_GOES_ON;
	}
	n->at_bytes = n->suspect_bytes = end;
	n->hint_bytes = NARROW_NO_HINT;
	n->after_bad = end < n->end_bytes;
	return NARROW_BAD_BLOCK;
}
