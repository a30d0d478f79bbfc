/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets the stage, lets the workers run, and meanwhile sleeps in poll() until a signal, a tick or
 * the end. Whatever a worker touches was made here and is torn down here after it has left.
 */
#include "copy.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../core/clock.h"
#include "../core/diag.h"
#include "../core/status.h"
#include "buffer.h"
#include "signals.h"

struct copy {
	bool has_all; /* of what is allocated first */
	const struct plan *plan;
	const struct span *span;
	struct sides sides;
	struct recipe recipe;
	struct slot *slots;	/* plan->depth */
	struct leg *legs;	/* of each slot one for each side */
	struct leg **rings;	/* as many */
	struct worker *workers; /* plan->workers */
	struct buffers memory;
	uint8_t *salvage; /* a block of each slot; NULL: not asked for */
	struct failures failures;
	struct feed feed;
	struct ranges own_map; /* where there is no other */
	struct feed_map map;
	struct stalls stalls;
	nsec_t look_ns;	      /* when they are looked for */
	struct keeper keeper; /* save NULL: none */
	struct saver saver;
	uint64_t *turns;	/* its: a figure of each worker */
	unsigned missing_depth; /* slots of workers that could not be started */
	uint64_t before_bytes, told_losses;
	int done_fd;
	nsec_t started_ns, stopped_ns; /* stopped: time spent in Ctrl-Z */
	struct rusage before;
	int ended_by; /* signal */
};

/* --- set-up --- */

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

static void recipe_side(struct copy *c, unsigned side)
{
	const struct end_facts *f = &c->sides.end[side]->facts;
	struct hole_rule *rule = &c->recipe.holes[side];

	if (f->cls == END_MAPPED)
		c->recipe.mapped = side;
	if (c->recipe.writes & side_bit(side) && is_same_disk(c->sides.end[0], c->sides.end[side]))
		c->recipe.written_source = side;
	rule->mode = c->plan->side[side].holes;
	if (rule->mode == HOLES_TRIM)
		*rule = (struct hole_rule){ HOLES_TRIM, f->trim_grain_bytes, f->max_trim_bytes };
	else if (rule->mode == HOLES_SKIP)
		*rule = (struct hole_rule){ HOLES_SKIP, f->hole_bytes, UINT32_MAX };
}

/* Where an end has no blocks: as few bytes as a disk below it may lose. */
static uint32_t smallest_bytes(const struct span *s)
{
	uint32_t block = s->block_bytes;

	return block < 512 ? (512 + block - 1) / block * block : block;
}

/* A stream has no place that could be left as it is. */
static side_set_t filled_sides(const struct copy *c)
{
	const struct recipe *r = &c->recipe;
	side_set_t streams = 0;

	if (r->mapped != NO_SIDE)
		return 0;
	for (unsigned side = 1; side < c->sides.n; side++)
		if (c->sides.end[side]->facts.sequential)
			streams |= side_bit(side);
	return r->writes & (r->policy.leave_bad ? streams : r->writes);
}

static void recipe_errors(struct copy *c)
{
	struct recipe *r = &c->recipe;
	uint32_t physical = c->sides.end[0]->facts.phys_block_bytes;

	r->depth = c->plan->depth;
	r->at_once = c->plan->in_order;
	r->reads_once = c->sides.end[0]->facts.sequential;
	r->fills = filled_sides(c);
	r->block_bytes = smallest_bytes(c->span);
	r->physical_bytes = physical % r->block_bytes == 0 ? physical : 0;
	r->records = r->policy.reverse || policy_is_paced(&r->policy);
	c->map = (struct feed_map){
		.at_bytes = c->span->in_bytes,
		.records = r->records,
		.reverse = r->policy.reverse,
		.again = r->policy.retries > 0,
		.first_only = c->plan->in_order,
		.block_bytes = r->block_bytes,
		.max_adjacent = r->policy.max_adjacent,
		.max_bad = r->policy.max_bad,
	};
}

static void recipe_make(struct copy *c, const struct policy *policy)
{
	const struct span *s = c->span;
	struct recipe *r = &c->recipe;

	recipe_phases(r, &c->sides);
	r->policy = *policy;
	r->sides = c->sides.n;
	r->dests = sides_dests(&c->sides);
	r->out_block_bytes = r->writes | r->checks ? s->out_block_bytes : 1;
	r->pad = s->pad;
	r->copy_across = c->plan->buffer == BUFFER_BOTH;
	r->must_end = s->must_end;
	r->feed = &c->feed;
	r->compare_bytes = s->out_block_bytes > 1 ? s->out_block_bytes : s->ibs_bytes;
	r->mapped = r->written_source = NO_SIDE;
	for (unsigned side = 0; side < c->sides.n; side++)
		recipe_side(c, side);
	recipe_errors(c);
	r->odd = r->records || r->mapped != NO_SIDE;
	r->is_plain = !r->checks && !r->copy_across && r->mapped == NO_SIDE;
}

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

/* Aligned for direct IO: blocks are of 512 bytes and more. */
static bool make_room_to_salvage(struct copy *c)
{
	const struct endpoint *in = c->sides.end[0];
	size_t len = (size_t)c->plan->depth * c->recipe.block_bytes;

	if (!c->recipe.policy.salvage || !in->ops->salvage ||
		c->recipe.block_bytes != in->facts.block_bytes)
		return true;
	c->salvage = aligned_alloc(4096, (len + 4095) / 4096 * 4096);
	return c->salvage != NULL;
}

static enum copy_opened open_slots(struct copy *c, int *exit_status)
{
	const struct plan *p = c->plan;

	if (!make_room_aside(c) || !make_room_to_salvage(c) ||
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
		s->salvage = c->salvage ? c->salvage + (size_t)i * c->recipe.block_bytes : NULL;
	}
	return COPY_READY;
}

static void set_worker(struct copy *c, struct worker *w, unsigned at, unsigned nslots)
{
	w->feed = &c->feed;
	w->recipe = &c->recipe;
	w->failures = &c->failures;
	w->done_fd = c->done_fd;
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
	pthread_mutex_init(&c->failures.lock, NULL);
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
	recipe_make(c, policy);
	opened = open_slots(c, exit_status);
	if (opened == COPY_READY)
		*out_copy = c;
	else
		copy_close(c);
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
	if (keeper)
		c->keeper = *keeper;
	else
		c->map.again = false;
}

void copy_move_map(struct copy *c, struct ranges *to)
{
	*to = c->own_map;
	memset(&c->own_map, 0, sizeof(c->own_map));
}

void copy_close(struct copy *c)
{
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
	pthread_mutex_destroy(&c->failures.lock);
	stalls_free(&c->stalls);
	free(c->salvage);
	free(c->workers);
	free(c->turns);
	free(c->rings);
	free(c->legs);
	free(c->slots);
	free(c);
}

/* --- the run --- */

static void sum_up(const struct copy *c, unsigned side, struct counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < c->plan->workers; i++)
		counters_add(sum, &c->workers[i].tally[side].count);
}

static struct copy_progress progress_now(struct copy *c)
{
	struct copy_progress now = {
		.total_bytes = c->span->len_bytes,
		.before_bytes = c->before_bytes,
		.elapsed_ns = clock_now_ns() - c->started_ns - c->stopped_ns,
	};
	struct counters sum;

	now.bad_bytes = feed_bytes(&c->feed, RANGE_IS(RANGE_BAD) | RANGE_IS(RANGE_FAILED));
	sum_up(c, 0, &sum);
	now.in_bytes = counter_get(&sum.bytes);
	for (unsigned side = 1; side < c->sides.n; side++) {
		sum_up(c, side, &sum);
		now.out_bytes = max_u64(now.out_bytes, counter_get(&sum.bytes));
	}
	return now;
}

/* Ctrl-Z: a stop in the middle of SG_IO would make the kernel send the command again. */
static void stop_and_go(struct copy *c)
{
	nsec_t since = clock_now_ns();

	if (!feed_pause(&c->feed))
		return;
	raise(SIGSTOP);
	c->stopped_ns += clock_now_ns() - since;
	stalls_forget(&c->stalls, clock_now_ns());
	feed_resume(&c->feed);
}

static void take_signal(struct copy *c, const struct copy_watch *watch, int signal_number)
{
	struct copy_progress p;

	switch (signal_number) {
	case SIGUSR1:
		p = progress_now(c);
		watch->report(watch->arg, &p);
		if (c->keeper.save)
			saver_now(&c->saver);
		break;
	case SIGTSTP: stop_and_go(c); break;
	default:
		c->ended_by = signal_number;
		feed_stop(&c->feed);
		for (unsigned side = 0; side < c->sides.n; side++)
			c->sides.end[side]->hurry = true;
		signals_unblock_deadly();
		break;
	}
}

/* Those that have come since. The first are never changed: they may be read without the lock. */
static void tell_losses(struct copy *c, const struct copy_watch *watch)
{
	struct failures *f = &c->failures;
	uint64_t losses;

	pthread_mutex_lock(&f->lock);
	losses = min_u64(f->losses, LOSSES_KEPT);
	pthread_mutex_unlock(&f->lock);
	for (; c->told_losses < losses; c->told_losses++)
		watch->lost(watch->arg, c->told_losses + 1, &f->loss[c->told_losses]);
}

static void tell_stalls(struct copy *c, const struct copy_watch *watch, nsec_t now_ns)
{
	struct stall stall;

	if (now_ns < c->look_ns)
		return;
	while (stalls_look(&c->stalls, now_ns, &stall))
		watch->stalled(watch->arg, &stall);
	c->look_ns = now_ns + STALL_LOOK_NS;
}

static int ms_until(nsec_t when, nsec_t now)
{
	return when <= now ? 0 : (int)((when - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

/* Until as many workers as were started have left. */
static void attend(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	unsigned started)
{
	struct pollfd fds[2] = { { c->done_fd, POLLIN, 0 }, { sigs->fd, POLLIN, 0 } };
	nsec_t next_tick = c->started_ns + watch->tick_ns, next;
	uint64_t left = 0, n;
	int signal_number;

	while (left < started) {
		nsec_t now = clock_now_ns();

		if (watch->tick_ns && now >= next_tick) {
			struct copy_progress p = progress_now(c);

			watch->tick(watch->arg, &p);
			next_tick = now + watch->tick_ns;
		}
		tell_stalls(c, watch, now);
		next = watch->tick_ns && next_tick < c->look_ns ? next_tick : c->look_ns;
		(void)poll(fds, 2, ms_until(next, now));
		while ((signal_number = signals_next(sigs)) != 0)
			take_signal(c, watch, signal_number);
		tell_losses(c, watch);
		if (read(c->done_fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
			left += n;
	}
	tell_losses(c, watch);
}

static unsigned start_workers(struct copy *c, int *err)
{
	unsigned started = 0;

	*err = 0;
	while (started < c->plan->workers && *err == 0) {
		struct worker *w = &c->workers[started];

		*err = pthread_create(&w->thread, NULL, worker_run, w);
		if (*err == 0)
			started++;
	}
	/* The others go on without those that could not be had; none at all is the caller's news.
	 */
	for (unsigned i = started; i < c->plan->workers; i++) {
		c->missing_depth += c->workers[i].nslots;
		c->recipe.depth -= c->workers[i].nslots;
		feed_leave(&c->feed);
	}
	return started;
}

/* The end of what was dealt with, whatever lies before it. */
static uint64_t last_recorded(const struct copy *c)
{
	unsigned set = RANGE_IS(RANGE_WRITTEN) | RANGE_IS(RANGE_DONE) | RANGE_IS(RANGE_BAD);
	const struct feed_map *m = &c->map;
	struct range x;

	return ranges_last(m->ranges, set, m->at_bytes, m->at_bytes + c->span->len_bytes, &x)
		       ? x.at_bytes + x.len_bytes - m->at_bytes
		       : 0;
}

/*
 * What the run ended before it was dealt with once more. Where nothing is, what the run ended with
 * is all that the map has as failed.
 */
static uint64_t first_put_aside(const struct copy *c)
{
	const struct policy *p = &c->recipe.policy;
	bool was_shrunk = c->feed.chunk_bytes != c->plan->chunk_bytes;
	unsigned set = RANGE_IS(RANGE_FAILED) | RANGE_IS(RANGE_NONSCRAPED);
	const struct feed_map *m = &c->map;
	struct range x;

	if (!p->go_on_in && !p->go_on_out && !was_shrunk)
		return UINT64_MAX;
	return ranges_first(m->ranges, set, m->at_bytes, m->at_bytes + c->span->len_bytes, &x)
		       ? x.at_bytes - m->at_bytes
		       : UINT64_MAX;
}

/* What the run ended with may be in the map as bad, and nothing was filled in for it. */
static uint64_t failed_at(const struct copy_result *r, unsigned side, uint64_t start_bytes)
{
	const struct xfer *x = &r->side[side].failure;
	uint32_t done = x->op == XFER_READ ? 0 : x->done_bytes;

	return r->side[side].failed ? x->offset_bytes - start_bytes + done : UINT64_MAX;
}

/*
 * How much of it, from the start, a side has of a span that it does not have all of: not more than
 * was counted, up to the first of what it lacks.
 */
static uint64_t begun_bytes(struct copy *c, const struct copy_result *r, unsigned side)
{
	uint64_t bad = c->recipe.fills & side_bit(side) ? 0 : r->bad_bytes;
	uint64_t reached = counter_get(&r->side[side].count.bytes) + bad;

	for (unsigned i = 0; i < c->plan->workers; i++)
		reached = min_u64(reached, c->workers[i].tally[side].missing_bytes);
	reached = min_u64(reached, failed_at(r, 0, c->span->in_bytes));
	reached = min_u64(reached, failed_at(r, side, c->span->out_bytes));
	return min_u64(reached, first_put_aside(c));
}

/* Up to where the destination is as it should be, written, left out or filled. */
static uint64_t reached_bytes(struct copy *c, const struct copy_result *r, unsigned side)
{
	bool went_through = !feed_is_stopped(&c->feed) && !(c->recipe.dropped & side_bit(side));

	if (c->map.records)
		return last_recorded(c);
	if (!went_through)
		return begun_bytes(c, r, side);
	return max_u64(counter_get(&r->side[side].count.bytes), c->feed.end_bytes - r->tail_bytes);
}

/* What came before its turn and is cut off again was not copied. */
static void end_file(struct copy *c, struct copy_result *r, unsigned side)
{
	struct endpoint *ep = c->sides.end[side];
	uint64_t reached = reached_bytes(c, r, side);
	counter_t *bytes = &r->side[side].count.bytes;
	int ret = ep->ops->end(ep, c->span->out_bytes + reached, !c->map.records);

	if (ret < 0)
		r->side[side].end_status = ep->exit_status;
	else if (ret > 0)
		*bytes = min_u64(*bytes, reached);
}

/*
 * What ends in zeros that were left out gets its length all the same; what was made longer before
 * it was written does not keep it, unless by its map a later run will find what is left to be done.
 */
static void end_files(struct copy *c, struct copy_result *r)
{
	for (unsigned side = 1; side < c->sides.n; side++) {
		if (c->recipe.writes & side_bit(side) && c->sides.end[side]->ops->end)
			end_file(c, r, side);
	}
}

struct flush_job {
	struct endpoint *end;
	struct side_result *result;
	int done_fd;
	pthread_t thread;
};

static void *flush_run(void *arg)
{
	struct flush_job *job = arg;
	nsec_t since = clock_now_ns();

	job->result->flushed = true;
	(void)job->end->ops->flush(job->end, &job->result->flush_fault); /* the verdict is there */
	job->result->flush_ns = clock_now_ns() - since;
	done_tell(job->done_fd);
	return NULL;
}

static bool is_to_be_flushed(const struct copy *c, unsigned side, const struct copy_result *r)
{
	return c->recipe.writes & side_bit(side) && c->sides.end[side]->facts.needs_flush &&
	       counter_get(&r->side[side].count.commands) > 0;
}

/*
 * All at the same time, in threads of their own if they can be had: it may take minutes, and
 * signals are to be heard.
 */
static void flush(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	struct copy_result *r)
{
	struct flush_job job[SIDES_MAX];
	unsigned started = 0;

	for (unsigned side = 1; side < c->sides.n; side++) {
		struct flush_job *j = &job[started];

		if (!is_to_be_flushed(c, side, r))
			continue;
		*j = (struct flush_job){ c->sides.end[side], &r->side[side], c->done_fd, 0 };
		if (pthread_create(&j->thread, NULL, flush_run, j) == 0)
			started++;
		else
			flush_run(j);
	}
	attend(c, sigs, watch, started);
	for (unsigned i = 0; i < started; i++)
		pthread_join(job[i].thread, NULL);
}

/* What came in after the last wait must not kill before the report. */
static void take_late_signals(
	struct copy *c, const struct signals *sigs, const struct copy_watch *watch)
{
	int signal_number;

	while ((signal_number = signals_next(sigs)) != 0)
		if (signal_number != SIGTSTP)
			take_signal(c, watch, signal_number);
}

static int run_workers(struct copy *c, const struct signals *sigs, const struct copy_watch *watch)
{
	unsigned started;
	int err;

	c->before_bytes = feed_bytes(&c->feed, RANGE_IS(RANGE_DONE));
	c->started_ns = clock_now_ns();
	started = start_workers(c, &err);
	if (started == 0)
		return err;
	/* All are waiting: from here on time is that of the transfers. */
	if (feed_pause(&c->feed)) {
		getrusage(RUSAGE_SELF, &c->before);
		c->started_ns = clock_now_ns();
		feed_resume(&c->feed);
	}
	stalls_forget(&c->stalls, c->started_ns);
	attend(c, sigs, watch, started);
	for (unsigned i = 0; i < started; i++)
		pthread_join(c->workers[i].thread, NULL);
	return 0;
}

static nsec_t timeval_diff_ns(const struct timeval *a, const struct timeval *b)
{
	return (b->tv_sec - a->tv_sec) * NSEC_PER_SEC + (b->tv_usec - a->tv_usec) * 1000;
}

static nsec_t ended_ns(const struct copy *c)
{
	nsec_t last = c->started_ns;

	for (unsigned i = 0; i < c->plan->workers; i++)
		if (c->workers[i].ended_ns > last)
			last = c->workers[i].ended_ns;
	return last;
}

static void side_fill(const struct copy *c, unsigned side, struct side_result *r)
{
	sum_up(c, side, &r->count);
	for (unsigned i = 0; i < c->plan->workers; i++)
		compare_add(&r->miscompare, &c->workers[i].tally[side].miscompare);
	r->failed = (c->failures.failed & side_bit(side)) != 0;
	r->failure = c->failures.x[side];
}

static void result_of_map(struct copy *c, struct copy_result *r)
{
	const unsigned failed = RANGE_IS(RANGE_FAILED) | RANGE_IS(RANGE_NONSCRAPED);

	r->losses = c->failures.losses;
	r->first_loss = c->failures.loss[0];
	r->loss_block_bytes = c->map.block_bytes;
	r->before_bytes = c->before_bytes;
	r->bad_bytes = feed_bytes(&c->feed, RANGE_IS(RANGE_BAD));
	r->undone_bytes = feed_bytes(&c->feed, failed);
	if (c->map.records)
		r->undone_bytes += feed_bytes(&c->feed, RANGE_IS(RANGE_UNTRIED));
	r->limit = c->feed.limit;
	r->chunk_bytes = c->feed.chunk_bytes;
	r->depth = c->recipe.depth;
	r->missing_depth = c->missing_depth;
	r->rewrites_lost = c->map.records;
}

static void result_fill(struct copy *c, struct copy_result *r)
{
	struct rusage after;

	memset(r, 0, sizeof(*r));
	getrusage(RUSAGE_SELF, &after);
	r->user_ns = timeval_diff_ns(&c->before.ru_utime, &after.ru_utime);
	r->system_ns = timeval_diff_ns(&c->before.ru_stime, &after.ru_stime);
	r->elapsed_ns = ended_ns(c) - c->started_ns - c->stopped_ns;
	for (unsigned side = 0; side < c->sides.n; side++)
		side_fill(c, side, &r->side[side]);
	r->failed = c->failures.failed != 0;
	r->failed_first = c->failures.first;
	result_of_map(c, r);
	r->source_ended = c->feed.source_ended;
	/* One worker alone knows, if there is a stream. */
	r->source_has_more = c->workers[0].has_more;
	r->tail_bytes = c->workers[0].tail_bytes;
}

/* The last word: what is flushed now is done; where that failed, it is lost. */
static void save_at_end(struct copy *c, const struct copy_result *r)
{
	bool good = true;

	for (unsigned side = 1; side < c->sides.n; side++)
		good = good && r->side[side].end_status == 0 &&
		       (!r->side[side].flushed || fault_is_good(&r->side[side].flush_fault));
	ranges_turn(c->map.ranges, RANGE_WRITTEN, good ? RANGE_DONE : RANGE_UNTRIED);
	c->keeper.save(c->keeper.arg, c->map.ranges);
}

static void saver_result(const struct copy *c, struct copy_result *r)
{
	const struct saver *s = &c->saver;

	for (unsigned side = 1; side < c->sides.n; side++)
		counter_add(&r->side[side].count.resets, s->resets[side]);
	if (!s->failed)
		return;
	r->side[s->failed].flushed = true;
	r->side[s->failed].flush_fault = s->fault;
}

/* With the map, if one is kept: no end without a flush and a save. */
static void end_run(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	bool flush_at_end, struct copy_result *r)
{
	bool keeps = c->keeper.save != NULL;

	end_files(c, r);
	if (keeps)
		saver_result(c, r);
	if ((flush_at_end || keeps) && !(keeps && c->saver.failed))
		flush(c, sigs, watch, r);
	if (keeps)
		save_at_end(c, r);
}

static bool make_own_map(struct copy *c)
{
	uint64_t total;

	c->map.ranges = &c->own_map;
	return checked_add(c->span->in_bytes, c->span->len_bytes, &total) &&
	       ranges_init(&c->own_map, total);
}

static void start_saver(struct copy *c)
{
	const struct saver_run run = {
		.feed = &c->feed,
		.sides = &c->sides,
		.writes = c->recipe.writes,
		.workers = c->workers,
		.nworkers = c->plan->workers,
		.turns = c->turns,
	};

	if (c->keeper.save)
		saver_start(&c->saver, &run, &c->keeper);
}

int copy_run(
	struct copy *c, const struct copy_watch *watch, bool flush_at_end, struct copy_result *r)
{
	struct signals sigs;
	int err;

	if (!c->map.ranges && !make_own_map(c))
		return ENOMEM;
	c->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (c->done_fd < 0 || signals_take(&sigs) < 0)
		return errno;
	feed_init(&c->feed, c->span->len_bytes, c->plan->chunk_bytes, c->plan->workers);
	feed_set_map(&c->feed, &c->map);
	share_out(c);
	start_saver(c);
	err = run_workers(c, &sigs, watch);
	if (c->keeper.save)
		saver_stop(&c->saver);
	result_fill(c, r);
	if (err == 0)
		end_run(c, &sigs, watch, flush_at_end, r);
	take_late_signals(c, &sigs, watch);
	r->signal = c->ended_by;
	feed_destroy(&c->feed); /* signals reach it during the flush too */
	signals_give_back(&sigs);
	return err;
}
