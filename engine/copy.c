/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets the stage and clears it away: whatever a worker touches was made here and is torn down here
 * after it has left.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "copy_state.h"

static int out_of_memory(int *exit_status)
{
	diag_errno(NULL, ENOMEM, "no memory for the transfers (lower qd= or bpt=)");
	*exit_status = exit_status_from_errno(ENOMEM);
	return -1;
}

static int open_lanes(struct copy *c, struct slot *s, int *exit_status)
{
	for (unsigned side = 0; side < c->sides.n; side++) {
		struct endpoint *ep = c->sides.end[side];
		struct leg *l = &s->leg[side];

		l->slot = s;
		l->side = side;
		l->op = c->recipe.writes & side_bit(side) ? XFER_WRITE : XFER_READ;
		l->start_bytes = side ? c->span->out_bytes : c->span->in_bytes;
		l->holes = c->recipe.holes[side].mode == HOLES_NONE ? NULL : &c->recipe.holes[side];
		l->paced = side == 0 && policy_is_paced(&c->recipe.policy);
		l->odd = l->holes || l->paced;
		if (!side_moves(&c->sides, side))
			continue;
		l->lane = ep->ops->lane_open(ep, &c->plan->side[side]);
		if (!l->lane) {
			*exit_status = ep->exit_status;
			return -1;
		}
	}
	return 0;
}

/* Where the source's data lie; *at counts the slot's buffers in ordinary memory. */
static void *shared_buffer(struct copy *c, const struct slot *s, unsigned *at)
{
	assert(s->leg[0].lane);
	switch (c->plan->buffer) {
	case BUFFER_IN:
	case BUFFER_BOTH: return s->leg[0].lane->buf;
	case BUFFER_OUT: assert(s->leg[1].lane); return s->leg[1].lane->buf;
	default: return buffers_at(&c->memory, (*at)++);
	}
}

static void place_buffers(struct copy *c, struct slot *s, unsigned index)
{
	unsigned at = index * c->plan->user_buffers;
	void *shared = shared_buffer(c, s, &at);

	for (unsigned side = 0; side < c->sides.n; side++) {
		struct leg *l = &s->leg[side];

		if (c->plan->side[side].own_buffer)
			l->buf = l->lane->buf;
		else if (side_is_check(&c->sides, side))
			l->buf = buffers_at(&c->memory, at++);
		else
			l->buf = shared;
	}
}

/* A pinned mapped buffer was planned on one probe; each lane has its own buffer. */
static bool lanes_keep_promise(struct copy *c, const struct slot *s)
{
	for (unsigned side = 0; side < c->sides.n; side++)
		if (c->plan->side[side].must_pin && !s->leg[side].lane->pinnable) {
			c->sides.end[side]->facts.pinnable = false;
			return false;
		}
	return true;
}

/*
 * A source's mapped buffer is read-only, as its descriptor may be. Ordinary pages, which are zeros
 * and take no memory until they are needed.
 */
static bool make_room_aside(struct copy *c)
{
	const struct plan *p = c->plan;
	size_t len = 2 * (size_t)p->chunk_bytes;
	uint8_t *aside;

	if (p->buffer != BUFFER_IN && p->buffer != BUFFER_BOTH)
		return true;
	aside = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (aside == MAP_FAILED)
		return false;
	c->recipe.zeros = aside;
	c->recipe.room = aside + p->chunk_bytes;
	return true;
}

static bool wants_room_for_bad(const struct copy *c)
{
	const struct recipe *r = &c->recipe;
	const struct endpoint *in = c->sides.end[0];

	if (!r->policy.go_on_in)
		return false;
	return r->unit_bytes < r->block_bytes ||
	       (r->policy.salvage && in->ops->salvage && r->unit_bytes == in->facts.block_bytes);
}

/* Aligned for direct IO: blocks are of 512 bytes and more. */
static bool make_room_for_bad(struct copy *c)
{
	size_t len = (size_t)c->plan->depth * c->recipe.block_bytes;

	if (!wants_room_for_bad(c))
		return true;
	c->room_for_bad = aligned_alloc(4096, (len + 4095) / 4096 * 4096);
	return c->room_for_bad != NULL;
}

/* What is mapped lies in its file. Not touched before it is needed, it takes no memory. */
static bool wants_room_to_keep(const struct recipe *r)
{
	return r->reads_once && r->mapped == NO_SIDE && (r->writes | r->checks);
}

static bool make_room_to_keep(struct copy *c)
{
	if (!wants_room_to_keep(&c->recipe))
		return true;
	c->recipe.kept = malloc(c->plan->chunk_bytes);
	return c->recipe.kept != NULL;
}

static enum copy_opened open_slots(struct copy *c, int *exit_status)
{
	const struct plan *p = c->plan;

	if (!make_room_aside(c) || !make_room_for_bad(c) || !make_room_to_keep(c) ||
		(p->user_buffers && buffers_alloc(&c->memory, p->depth * p->user_buffers,
					    p->chunk_bytes) < 0)) {
		out_of_memory(exit_status);
		return COPY_FAILED;
	}
	for (unsigned i = 0; i < p->depth; i++) {
		struct slot *s = &c->slots[i];

		s->recipe = &c->recipe;
		s->leg = c->legs + (size_t)i * c->sides.n;
		if (open_lanes(c, s, exit_status) < 0)
			return COPY_FAILED;
		if (!lanes_keep_promise(c, s))
			return COPY_REPLAN;
		place_buffers(c, s, i);
		if (c->room_for_bad)
			s->aside = c->room_for_bad + (size_t)i * c->recipe.block_bytes;
	}
	return COPY_READY;
}

static void set_worker(struct copy *c, struct worker *w, unsigned at, unsigned nslots)
{
	w->feed = &c->feed;
	w->recipe = &c->recipe;
	w->blocked.side = NO_SIDE;
	w->in_order = c->plan->in_order;
	w->slots = c->slots + at;
	w->nslots = nslots;
	w->ring = c->rings + (size_t)at * c->sides.n;
	w->ring_room = nslots * c->sides.n;
	for (unsigned i = 0; i < nslots; i++)
		for (unsigned side = 0; side < c->sides.n; side++)
			w->slots[i].leg[side].tally = &w->tally[side];
	for (unsigned side = 0; side < c->sides.n; side++)
		w->tally[side].missing_bytes = UINT64_MAX;
}

static void share_out(struct copy *c)
{
	const struct plan *p = c->plan;
	unsigned at = 0;

	for (unsigned i = 0; i < p->workers; i++) {
		unsigned nslots = p->depth / p->workers + (i < p->depth % p->workers ? 1 : 0);

		set_worker(c, &c->workers[i], at, nslots);
		at += nslots;
	}
	assert(at == p->depth);
}

static struct copy *copy_alloc(const struct plan *p, const struct sides *sides)
{
	size_t legs = (size_t)p->depth * sides->n;
	struct copy *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->done_fd = -1;
	c->plan = p;
	c->sides = *sides;
	failures_init(&c->failures);
	c->slots = calloc(p->depth, sizeof(*c->slots));
	c->legs = calloc(legs, sizeof(*c->legs));
	c->rings = calloc(legs, sizeof(struct leg *));
	c->turns = calloc(p->workers, sizeof(*c->turns));
	c->workers = aligned_alloc(_Alignof(struct worker), p->workers * sizeof(*c->workers));
	if (c->workers)
		memset(c->workers, 0, p->workers * sizeof(*c->workers));
	c->has_all = stalls_init(&c->stalls, c->workers, p->workers, sides) && c->slots &&
		     c->legs && c->rings && c->turns && c->workers;
	return c;
}

static void make_map_rules(struct copy *c)
{
	const struct recipe *r = &c->recipe;
	bool limited = policy_goes_on(&r->policy);

	c->map = (struct feed_map){
		.at_bytes = c->span->in_bytes,
		.records = r->records,
		.reverse = r->policy.reverse,
		.again = r->policy.retries > 0,
		.first_only = c->plan->in_order,
		.block_bytes = r->block_bytes,
		.unit_bytes = r->unit_bytes,
		.max_adjacent = limited ? r->policy.max_adjacent : 0,
		.max_bad = limited ? r->policy.max_bad : UINT64_MAX,
	};
}

enum copy_opened copy_open(const struct plan *p, const struct span *s, const struct sides *sides,
	const struct policy *policy, struct copy **out_copy, int *exit_status)
{
	struct copy *c = copy_alloc(p, sides);
	enum copy_opened opened;

	if (!c || !c->has_all) {
		out_of_memory(exit_status);
		if (c)
			copy_close(c);
		return COPY_FAILED;
	}
	c->span = s;
	recipe_make(&c->recipe, p, s, sides, policy);
	c->recipe.feed = &c->feed;
	c->recipe.failures = &c->failures;
	make_map_rules(c);
	opened = open_slots(c, exit_status);
	if (opened != COPY_READY) {
		copy_close(c);
		return opened;
	}
	share_out(c);
	*out_copy = c;
	return opened;
}

void copy_set_digest(struct copy *c, struct digest *d)
{
	assert(c->plan->in_order);
	c->recipe.digest = d;
	c->recipe.is_plain = false;
}

void copy_set_map(struct copy *c, struct ranges *map, const struct keeper *keeper)
{
	assert(!c->plan->in_order && (!keeper || sides_dests(&c->sides) <= 1));
	c->map.ranges = map;
	c->map.records = c->recipe.records = c->recipe.odd = true;
	c->map.resumes = keeper != NULL;
	if (keeper)
		c->keeper = *keeper;
	else
		c->map.again = false;
}

void copy_set_differences(struct copy *c, struct differences *d)
{
	d->at_bytes = c->span->in_bytes;
	d->len_bytes = c->span->len_bytes;
	for (unsigned i = 0; i < c->plan->workers; i++)
		for (unsigned side = 0; side < c->sides.n; side++)
			c->workers[i].tally[side].miscompare.differences = d;
}

void copy_move_map(struct copy *c, struct ranges *to)
{
	*to = c->own_map;
	memset(&c->own_map, 0, sizeof(c->own_map));
}

void copy_close(struct copy *c)
{
	signals_end(&c->signals);
	for (size_t i = 0; c->legs && i < (size_t)c->plan->depth * c->sides.n; i++) {
		struct lane *lane = c->legs[i].lane;

		if (lane)
			lane->ep->ops->lane_close(lane);
	}
	buffers_free(&c->memory);
	if (c->recipe.zeros)
		munmap(c->recipe.zeros, 2 * (size_t)c->plan->chunk_bytes);
	ranges_destroy(&c->own_map);
	if (c->done_fd >= 0)
		close(c->done_fd);
	failures_destroy(&c->failures);
	stalls_free(&c->stalls);
	saver_destroy(&c->saver);
	free(c->room_for_bad);
	free(c->recipe.kept);
	free(c->workers);
	free(c->turns);
	free(c->rings);
	free(c->legs);
	free(c->slots);
	free(c);
}
