/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring holds the flying legs in the order they were sent. A slot of which none flies is not
 * stored: it is running (on the stack), parked, or through.
 */
#include "worker.h"

#include <assert.h>
#include <time.h>
#include <unistd.h>

#include "../core/clock.h"

static void ring_push(struct worker *w, struct leg *l)
{
	unsigned at = w->head + w->flying;

	assert(w->flying < w->ring_room);
	w->ring[at < w->ring_room ? at : at - w->ring_room] = l;
	w->flying++;
}

/* The next to land. */
static void ring_push_front(struct worker *w, struct leg *l)
{
	assert(w->flying < w->ring_room);
	w->head = w->head == 0 ? w->ring_room - 1 : w->head - 1;
	w->ring[w->head] = l;
	w->flying++;
}

static struct leg *ring_pop(struct worker *w)
{
	struct leg *l = w->ring[w->head];

	if (++w->head == w->ring_room)
		w->head = 0;
	w->flying--;
	w->reading -= l->side == 0;
	return l;
}

static void park(struct worker *w, struct slot *s)
{
	s->next = w->parked;
	w->parked = s;
}

/* --- what it waits for --- */

static void is_blocked(struct worker *w, const struct leg *l)
{
	atomic_store_explicit(&w->blocked.side, l->side, memory_order_relaxed);
	atomic_store_explicit(&w->blocked.at_bytes, l->start_bytes + l->slot->chunk.at_bytes,
		memory_order_relaxed);
}

/* Release: who sees it sees what was counted before. */
static void is_idle(struct worker *w)
{
	atomic_store_explicit(&w->blocked.side, NO_SIDE, memory_order_release);
}

/* Release, likewise. */
static void turn(struct worker *w)
{
	uint64_t now = atomic_load_explicit(&w->turns, memory_order_relaxed);

	atomic_store_explicit(&w->turns, now + 1, memory_order_release);
}

uint64_t worker_turns(const struct worker *w)
{
	return atomic_load_explicit(&w->turns, memory_order_acquire);
}

/* What flies comes home in the order of the ring: no more of it than there is room for. */
bool worker_is_past(const struct worker *w, uint64_t turns)
{
	return atomic_load_explicit(&w->blocked.side, memory_order_acquire) == NO_SIDE ||
	       worker_turns(w) - turns >= w->ring_room;
}

uint64_t worker_ended(const struct worker *w, unsigned sides)
{
	uint64_t sum = 0;

	for (unsigned side = 0; side < sides; side++)
		sum += counter_get(&w->tally[side].count.commands) -
		       counter_get(&w->tally[side].count.retries);
	return sum;
}

static COLD void sleep_ns(nsec_t ns)
{
	struct timespec left = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) != 0)
		continue;
}

/* --- what cannot be done --- */

/* With it goes its reading back, or what it would be read back for. */
static COLD void drop(struct worker *w, unsigned side)
{
	struct recipe *r = w->recipe;
	side_set_t all = r->writes | r->checks, set = side_bit(side);

	if (r->dests && side > r->dests)
		set |= side_bit(side - r->dests);
	set |= (set << r->dests) & r->checks;
	set |= atomic_fetch_or(&r->dropped, set);
	if ((set & all) == all)
		feed_stop(w->feed);
}

/* Where in the span a leg stopped; x is of another chunk if none was sent. */
static COLD uint64_t stopped_at(const struct leg *l)
{
	const struct slot *s = l->slot;
	uint64_t start = leg_place(l);

	if (l->x.offset_bytes < start || l->x.offset_bytes - start >= s->chunk.len_bytes)
		return s->chunk.at_bytes;
	return l->x.offset_bytes - l->start_bytes + (l->x.op == XFER_READ ? 0 : l->x.done_bytes);
}

/*
 * The side of l lacks what lies behind there; all that are written do, where it is the source. In a
 * later pass of a run that may leave gaps it is one of these.
 */
static COLD void note_lack(struct worker *w, const struct leg *l, uint64_t from_bytes)
{
	const struct slot *s = l->slot;
	side_set_t lack = l->side == 0 ? w->recipe->writes : w->recipe->writes & side_bit(l->side);

	if (s->chunk.pass > PASS_FIRST && policy_goes_on(&w->recipe->policy))
		return;
	for (; lack; lack &= lack - 1)
		leg_lacks(&s->leg[__builtin_ctz(lack)], from_bytes);
}

/* Without the source there is nothing to be done; without a destination there are the others. */
static COLD void give_up(struct worker *w, const struct leg *l)
{
	failures_note(w->recipe->failures, l->side, &l->x);
	note_lack(w, l, stopped_at(l));
	if (l->side > 0) {
		drop(w, l->side);
		return;
	}
	w->broken = w->in_order;
	feed_stop(w->feed);
}

/*
 * What flies to the same unit was sent before and has waited as long: when it comes home with the
 * same word it need not wait once more. (One that is good keeps the mark: that saves it one wait.)
 */
static void rest_all(struct worker *w, unsigned side)
{
	for (unsigned i = 0; i < w->flying; i++) {
		struct leg *l = w->ring[(w->head + i) % w->ring_room];

		l->rested = l->rested || l->side == side;
	}
}

/* Before l is sent again. */
static COLD void nap(struct worker *w, struct leg *l)
{
	if (l->rested) {
		l->rested = false;
		return;
	}
	failures_note_nap(w->recipe->failures, l->side, &l->x);
	is_blocked(w, l);
	atomic_store(&w->blocked.naps, true);
	sleep_ns(l->delay_ns);
	atomic_store(&w->blocked.naps, false);
	rest_all(w, l->side);
}

static COLD void note_loss(struct worker *w, const struct slot *s, unsigned side)
{
	struct failures *f = w->recipe->failures;
	const struct incident l = { side, side == 0 && s->salvaged, s->leg[side].x };

	failures_add(f, &f->lost, &l);
}

/* When all is home. */
static void look_for_more(struct worker *w, struct slot *s)
{
	if (!w->recipe->must_end || w->looked || w->flying > 0 || w->feed->source_ended ||
		feed_is_stopped(w->feed))
		return;
	w->looked = true;
	if (slot_source_ends(s))
		return;
	if (xfer_is_good(&s->leg[0].x))
		w->has_more = true;
	else
		give_up(w, &s->leg[0]);
}

/* --- the loop --- */

/* A unit that stays busy must not hold up the end of the run. */
static bool is_futile(const struct worker *w, const struct leg *l)
{
	return w->broken || (l->delay_ns > 0 && feed_is_stopped(w->feed)) ||
	       (atomic_load_explicit(&w->recipe->dropped, memory_order_relaxed) &
		       side_bit(l->side));
}

/* What comes home at once, while others fly, tells nothing of those. */
static enum leg_next send(struct worker *w, struct leg *l)
{
	enum leg_next next = leg_send(l);

	if (next != LEG_FLYING && w->flying == 0)
		turn(w);
	return next;
}

/*
 * Runs l until it flies, is home or is given up. overdue: chunks have an order, and it flew before.
 */
static void run_leg(struct worker *w, struct leg *l, enum leg_next next, bool overdue)
{
	for (;;) {
		switch (next) {
		case LEG_HOME: return;
		case LEG_FLYING:
			w->reading += l->side == 0;
			if (overdue && (l->side == 0 || l->slot->apart))
				ring_push_front(w, l);
			else
				ring_push(w, l);
			return;
		case LEG_LOST: leg_lose(l, true); return;
		case LEG_FAILED:
			give_up(w, l);
			/* What the run ends with is told to the map as well. */
			leg_lose(l, policy_is_local(&l->x.fault) && feed_is_stopped(w->feed));
			return;
		case LEG_AGAIN:
			if (is_futile(w, l)) {
				if (feed_is_stopped(w->feed))
					w->broken = w->in_order;
				leg_lose(l, false);
				return;
			}
			if (l->delay_ns > 0)
				nap(w, l);
			l->must_wait = l->must_wait && !overdue;
			break;
		}
		next = send(w, l);
	}
}

static bool has_others_before(const struct worker *w)
{
	return w->in_order && (w->reading > 0 || w->apart > 0);
}

/*
 * Where chunks have an order, one that was read at once, by an end that mostly lets them fly, must
 * not overtake those that still do; but all wait for one that is taken apart.
 */
static void send_legs(struct worker *w, struct slot *s, side_set_t legs)
{
	for (; legs; legs &= legs - 1) {
		struct leg *l = &s->leg[__builtin_ctz(legs)];
		bool overdue = w->in_order && s->apart;
		enum leg_next next;

		l->must_wait = l->side == 0 && !overdue && has_others_before(w);
		is_blocked(w, l);
		next = send(w, l);
		if (next != LEG_HOME)
			run_leg(w, l, next, overdue);
	}
}

/* The next chunk for s, begun; false: s has nothing to do, now or ever. */
static bool next_chunk(struct worker *w, struct slot *s)
{
	struct chunk c;

	switch (feed_claim(w->feed, &c)) {
	case FEED_CHUNK: slot_begin(s, &c); return true;
	case FEED_PAUSE: park(w, s); return false;
	default: look_for_more(w, s); return false;
	}
}

/* What is tried once more, or was settled as bad, is told by the feed's map. */
static COLD void note_missing(struct worker *w, const struct slot *s)
{
	side_set_t without = s->lost & ~s->failed & ~s->spared;

	if (s->cut || without & side_bit(0))
		without = w->recipe->writes;
	for (without &= w->recipe->writes; without; without &= without - 1) {
		const struct leg *l = &s->leg[__builtin_ctz(without)];

		note_lack(w, l, stopped_at(l));
	}
}

static COLD void not_all_written(struct worker *w, const struct slot *s)
{
	if (!s->filling)
		note_missing(w, s);
	if (s->tail_bytes)
		w->tail_bytes = s->tail_bytes;
	if (s->cut)
		give_up(w, &s->leg[w->recipe->mapped]);
	if (s->lost & ~s->failed & side_bit(0))
		w->broken = w->in_order;
}

/* False: that was the last of its chunk. */
static COLD bool settle(struct worker *w, struct slot *s)
{
	bool was_apart = s->apart;
	unsigned bad;
	enum slot_news news = slot_settle(s, &bad);

	if (bad != NO_SIDE)
		note_loss(w, s, bad);
	if (w->in_order)
		w->apart = w->apart - was_apart + s->apart;
	assert(w->apart <= 1 || !w->recipe->reads_once);      /* there is memory for one */
	if (news == SLOT_THROUGH && feed_is_stopped(w->feed)) /* perhaps in the midst of it */
		w->broken = w->in_order;
	return news == SLOT_GOES_ON;
}

/* A chunk that is not like most is through; false: nothing comes of it any more. */
static COLD bool goes_on(struct worker *w, struct slot *s)
{
	if (s->tail_bytes || s->lost || s->cut)
		not_all_written(w, s);
	return slot_is_to_settle(s) && settle(w, s);
}

/*
 * A depth that the device has no room for is lowered, slot by slot, down to one, and stays so.
 * Where chunks have an order, somebody must be left to see the source's end.
 */
static COLD bool retires(struct worker *w, struct slot *s)
{
	_Atomic unsigned *depth = &w->recipe->depth;
	unsigned now = *depth;

	if (!s->one_too_many)
		return false;
	s->one_too_many = false;
	if (w->in_order && w->flying == 0)
		return false;
	while (now > 1)
		if (atomic_compare_exchange_weak(depth, &now, now - 1))
			return true;
	return false;
}

enum after { AFTER_MORE, AFTER_CHUNK, AFTER_SLOT };

/* What is over: nothing yet, a chunk that is not like most, or with it its slot. */
static COLD enum after after_odd(struct worker *w, struct slot *s)
{
	if (goes_on(w, s))
		return AFTER_MORE;
	return retires(w, s) ? AFTER_SLOT : AFTER_CHUNK;
}

/* From phase to phase, from chunk to chunk, until something of s flies. */
static void drive(struct worker *w, struct slot *s)
{
	while (s->pending == 0) {
		side_set_t legs = w->broken ? 0 : slot_next(s);
		enum after after = AFTER_CHUNK;

		if (legs) {
			send_legs(w, s, legs);
			continue;
		}
		if (s->odd)
			after = after_odd(w, s);
		if (after == AFTER_MORE)
			continue;
		if (after == AFTER_SLOT || !next_chunk(w, s))
			return;
	}
}

static void land(struct worker *w)
{
	struct leg *l = ring_pop(w);
	enum leg_next next;

	is_blocked(w, l);
	next = leg_land(l);
	turn(w);
	run_leg(w, l, next, w->in_order);
	if (l->slot->pending == 0)
		drive(w, l->slot);
}

/*
 * A stream is not read on while a chunk of it is taken apart, whose pieces are the next to land: a
 * read that fails meanwhile would be repeated too late.
 */
static void finish_apart(struct worker *w)
{
	while (w->apart > 0 && w->recipe->reads_once)
		land(w);
}

static void unpark(struct worker *w)
{
	struct slot *s = w->parked;

	w->parked = NULL;
	while (s) {
		struct slot *next = s->next;

		finish_apart(w);
		if (next_chunk(w, s))
			drive(w, s);
		s = next;
	}
}

void done_tell(int done_fd)
{
	const uint64_t one = 1;

	while (write(done_fd, &one, sizeof(one)) < 0)
		continue; /* an eventfd takes it; only EINTR can be in the way */
}

void *worker_run(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = w->nslots; i-- > 0;)
		park(w, &w->slots[i]);
	while (w->parked) {
		is_idle(w);
		feed_wait(w->feed); /* returns at once unless there is a pause */
		unpark(w);
		while (w->flying > 0)
			land(w);
	}
	is_idle(w);
	w->ended_ns = clock_now_ns();
	feed_leave(w->feed);
	done_tell(w->done_fd);
	return NULL;
}
