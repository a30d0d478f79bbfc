/* SPDX-License-Identifier: BSD-2-Clause */
#include "recipe.h"

#include <string.h>

/* First the source, then all that is written, then all that is read back. */
static void recipe_phases(struct recipe *r, const struct sides *sides)
{
	for (unsigned side = 1; side < sides->n; side++) {
		if (side_is_check(sides, side))
			r->checks |= side_bit(side);
		else if (side_moves(sides, side))
			r->writes |= side_bit(side);
	}
	r->phase[r->phases++] = side_bit(0);
	if (r->writes)
		r->phase[r->phases++] = r->writes;
	if (r->checks)
		r->phase[r->phases++] = r->checks;
	for (unsigned i = 0; i < r->phases; i++)
		r->phase_legs[i] = (unsigned)__builtin_popcount(r->phase[i]);
}

/* As far as is told: a disk without a serial number is taken for another like it. */
static bool is_same_disk(const struct endpoint *a, const struct endpoint *b)
{
	return a->identity[0] != '\0' && strcmp(a->identity, b->identity) == 0;
}

static void recipe_side(
	struct recipe *r, const struct plan *p, const struct sides *sides, unsigned side)
{
	const struct end_facts *f = &sides->end[side]->facts;
	struct hole_rule *rule = &r->holes[side];

	if (f->cls == END_MAPPED)
		r->mapped = side;
	if (r->writes & side_bit(side) && is_same_disk(sides->end[0], sides->end[side]))
		r->written_source = side;
	rule->mode = p->side[side].holes;
	if (rule->mode == HOLES_TRIM)
		*rule = (struct hole_rule){ HOLES_TRIM, f->trim_grain_bytes, f->max_trim_bytes };
	else if (rule->mode == HOLES_SKIP)
		*rule = (struct hole_rule){ HOLES_SKIP, f->hole_bytes, UINT32_MAX };
}

/*
 * Where an end has no blocks: as few bytes as a disk below it may lose, if chunks are multiples of
 * that.
 */
static uint32_t smallest_bytes(const struct plan *p, const struct span *s)
{
	uint32_t block = s->block_bytes, least = (512 + block - 1) / block * block;

	return block < 512 && p->chunk_bytes % least == 0 ? least : block;
}

/* A stream has no place that could be left as it is. */
static side_set_t filled_sides(const struct recipe *r, const struct sides *sides)
{
	side_set_t streams = 0;

	if (r->mapped != NO_SIDE)
		return 0;
	for (unsigned side = 1; side < sides->n; side++)
		if (sides->end[side]->facts.sequential)
			streams |= side_bit(side);
	return r->writes & (r->policy.leave_bad ? streams : r->writes);
}

/* Where all that are written get what stands for a block, its parts that can be read go there. */
static uint32_t unit_bytes(const struct recipe *r, const struct end_facts *in)
{
	bool has_parts = !in->sequential && r->mapped == NO_SIDE && r->writes &&
			 r->fills == r->writes && in->block_bytes >= 512 &&
			 r->block_bytes % in->block_bytes == 0 &&
			 r->block_bytes / in->block_bytes <= 64; /* bits of slot->had */

	return has_parts ? in->block_bytes : r->block_bytes;
}

static void recipe_errors(
	struct recipe *r, const struct plan *p, const struct span *s, const struct sides *sides)
{
	uint32_t physical = sides->end[0]->facts.phys_block_bytes;

	r->depth = p->depth;
	r->at_once = p->in_order;
	r->reads_once = sides->end[0]->facts.sequential;
	r->fills = filled_sides(r, sides);
	r->block_bytes = smallest_bytes(p, s);
	r->unit_bytes = unit_bytes(r, &sides->end[0]->facts);
	r->physical_bytes = physical % r->block_bytes == 0 ? physical : 0;
	r->records = r->policy.reverse || policy_is_paced(&r->policy);
}

void recipe_make(struct recipe *r, const struct plan *p, const struct span *s,
	const struct sides *sides, const struct policy *policy)
{
	recipe_phases(r, sides);
	r->policy = *policy;
	r->sides = sides->n;
	r->dests = sides_dests(sides);
	r->out_block_bytes = r->writes | r->checks ? s->out_block_bytes : 1;
	r->pad = s->pad;
	if (s->pad && r->phases > 1 && s->padding.unit_bytes > s->out_block_bytes)
		r->padding = s->padding;
	r->copy_across = p->buffer == BUFFER_BOTH;
	r->must_end = s->must_end;
	r->compare_bytes = s->out_block_bytes > 1 ? s->out_block_bytes : s->ibs_bytes;
	r->mapped = r->written_source = NO_SIDE;
	for (unsigned side = 0; side < sides->n; side++)
		recipe_side(r, p, sides, side);
	recipe_errors(r, p, s, sides);
	r->odd = r->records || r->mapped != NO_SIDE || r->padding.unit_bytes;
	r->is_plain = !r->checks && !r->copy_across && r->mapped == NO_SIDE;
}
