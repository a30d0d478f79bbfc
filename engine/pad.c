/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The zeros go out like data that were read: phase 0 is left out. One slot of the run has them, the
 * one that is the first to be through with the last of the source (recipe->is_padded).
 */
#include "pad.h"

#include <string.h>

/*
 * What was read is the last of the source: what is to follow it as zeros goes with it as far as a
 * chunk reaches. Where that is: the same for all pieces of it.
 */
uint64_t pad_reach(struct slot *s)
{
	const struct recipe *r = s->recipe;
	uint64_t end = r->feed->end_bytes;

	if (s->padding || s->chunk.len_bytes == 0 || s->chunk.at_bytes + s->chunk.len_bytes != end)
		return end;
	s->padded_to_bytes = max_u64(end,
		min_u64(padding_end(&r->padding, end), s->claimed_at_bytes + r->feed->chunk_bytes));
	return s->padded_to_bytes;
}

static COLD void begin_zeros(struct slot *s, uint64_t at_bytes, uint32_t len_bytes)
{
	s->spared = 0;
	slot_begin_piece(s);
	s->padding = true;
	s->phase = 1;
	s->chunk.at_bytes = at_bytes;
	s->chunk.len_bytes = len_bytes;
	s->padded_to_bytes = at_bytes + len_bytes;
	if (s->recipe->zeros)
		slot_lend_buffer(s, s->recipe->zeros);
	else
		memset(s->leg[0].buf, 0, len_bytes);
}

static COLD bool next_zeros(struct slot *s)
{
	const struct recipe *r = s->recipe;
	uint64_t at = s->padded_to_bytes, end = padding_end(&r->padding, r->feed->end_bytes);

	if (at >= end || feed_is_stopped(r->feed))
		return false;
	begin_zeros(s, at, (uint32_t)min_u64(end - at, r->feed->chunk_bytes));
	return true;
}

/* A map cannot tell of what is not in the source: without its zeros the last block is not done. */
static COLD void put_back_last(struct slot *s)
{
	struct recipe *r = s->recipe;
	uint64_t end = r->feed->end_bytes, at = round_down_u64(end - 1, r->block_bytes);
	const struct chunk last = { at, (uint32_t)(end - at), s->chunk.pass, s->chunk.resets };

	if (r->records && feed_has(r->feed, &last, RANGE_IS(RANGE_WRITTEN)))
		feed_settle(r->feed, &last, RANGE_UNTRIED);
	r->is_padded = false;
}

enum slot_news pad_settle(struct slot *s, unsigned *bad)
{
	bool lacks = s->lost != 0;

	if (s->failed)
		*bad = slot_lost_side(s);
	if (next_zeros(s)) {
		if (lacks)
			put_back_last(s);
		return SLOT_GOES_ON;
	}
	if (lacks ||
		s->padded_to_bytes < padding_end(&s->recipe->padding, s->recipe->feed->end_bytes))
		put_back_last(s);
	s->padding = false;
	return SLOT_THROUGH;
}

/* With the last of the source; not while that is put off, to be tried by pieces. */
static COLD bool is_to_pad(const struct slot *s)
{
	const struct recipe *r = s->recipe;
	bool is_put_off = s->failed && s->chunk.len_bytes > r->block_bytes;
	uint64_t end = r->feed->end_bytes;

	return s->claimed_to_bytes >= end && padding_end(&r->padding, end) > end && !is_put_off;
}

bool pad_begin(struct slot *s)
{
	struct recipe *r = s->recipe;
	uint64_t end = r->feed->end_bytes, over = end % r->out_block_bytes;

	if (!is_to_pad(s) || atomic_exchange(&r->is_padded, true))
		return false;
	s->padded_to_bytes =
		max_u64(s->padded_to_bytes, over ? end - over + r->out_block_bytes : end);
	if (next_zeros(s))
		return true;
	if (s->padded_to_bytes < padding_end(&r->padding, end))
		put_back_last(s);
	return false;
}
