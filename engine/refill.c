/* SPDX-License-Identifier: BSD-2-Clause */
#include "refill.h"

#include <assert.h>
#include <string.h>

void refill_keep(struct slot *s)
{
	const struct recipe *r = s->recipe;

	s->kept_at_bytes = s->chunk.at_bytes;
	if (r->kept)
		memcpy(r->kept, s->leg[0].buf, s->chunk.len_bytes);
}

void refill_piece(struct slot *s)
{
	const struct recipe *r = s->recipe;
	uint64_t at = s->chunk.at_bytes - s->kept_at_bytes;

	assert(r->kept || r->mapped != NO_SIDE);
	if (r->kept)
		memcpy(s->leg[0].buf, r->kept + at, s->chunk.len_bytes);
	s->phase = 1;
}
