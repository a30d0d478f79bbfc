/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring holds the flying slots in the order they were sent. Whatever else a slot may be is not
 * stored: it is running (on the stack), parked, or through.
 */
#include "worker.h"

#include <assert.h>
#include <time.h>
#include <unistd.h>

#include "../core/clock.h"

static void ring_push(struct worker *w, struct slot *s)
{
	unsigned at = w->head + w->flying;

	assert(w->flying < w->nslots);
	w->ring[at < w->nslots ? at : at - w->nslots] = s;
	w->flying++;
}

/* The next to land. */
static void ring_push_front(struct worker *w, struct slot *s)
{
	assert(w->flying < w->nslots);
	w->head = w->head == 0 ? w->nslots - 1 : w->head - 1;
	w->ring[w->head] = s;
	w->flying++;
}

static struct slot *ring_pop(struct worker *w)
{
	struct slot *s = w->ring[w->head];

	if (++w->head == w->nslots)
		w->head = 0;
	w->flying--;
	return s;
}

/*
 * Where chunks have an order, one that was read at once, by an end that mostly lets them fly, must
 * not overtake those that still do.
 */
static bool must_wait(const struct worker *w, const struct slot *s, bool overdue)
{
	return w->in_order && w->reading > 0 && s->step == 0 && !overdue;
}

/*
 * What was overdue stays so; but where the order is for the reads' sake, writes fly like any other.
 */
static bool must_land_next(const struct slot *s)
{
	return s->step == 0 || s->lane[0]->ep->facts.sequential || s->lane[1]->ep->facts.sequential;
}

static void park(struct worker *w, struct slot *s)
{
	s->next = w->parked;
	w->parked = s;
}

static COLD void sleep_ns(nsec_t ns)
{
	struct timespec left = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) != 0)
		continue;
}

/* Where the source ends, or does not: all that was to be handed out has been. */
static bool is_about_the_end(const struct fault *f)
{
	return f->kind == FAULT_TAIL || f->kind == FAULT_FULL;
}

static COLD void note_first(struct worker *w, const struct slot *s)
{
	struct first_fault *first = w->first;
	unsigned step = s->step < s->recipe->steps ? s->step : s->recipe->steps - 1;

	pthread_mutex_lock(&first->lock);
	if (!first->ep || is_about_the_end(&first->x.fault)) {
		first->ep = s->lane[s->recipe->step[step].side]->ep;
		first->x = s->x;
	}
	pthread_mutex_unlock(&first->lock);
}

/* What flies behind the end of the source is still to be brought home, again if need be. */
static COLD void give_up(struct worker *w, const struct slot *s)
{
	note_first(w, s);
	if (is_about_the_end(&s->x.fault))
		return;
	w->broken = w->in_order;
	feed_stop(w->feed);
}

/* When all is home. */
static void look_for_more(struct worker *w, struct slot *s)
{
	if (!s->recipe->must_end || w->looked || w->flying > 0 || w->feed->source_ended ||
		feed_is_stopped(w->feed))
		return;
	w->looked = true;
	if (!slot_source_ends(s))
		give_up(w, s);
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

/* Runs s as far as it goes without blocking on what flies. */
static void drive(struct worker *w, struct slot *s, enum slot_next next)
{
	bool overdue = w->in_order;

	for (;;) {
		switch (next) {
		case SLOT_FLYING:
			w->reading += s->step == 0;
			if (overdue && must_land_next(s))
				ring_push_front(w, s);
			else
				ring_push(w, s);
			return;
		case SLOT_FAILED: give_up(w, s); return;
		case SLOT_FINISHED:
			if (!next_chunk(w, s))
				return;
			overdue = false;
			break;
		case SLOT_AGAIN:
			if (w->broken)
				return;
			if (s->delay_ns == 0)
				break;
			/* A unit that stays busy must not hold up the end of the run. */
			if (feed_is_stopped(w->feed))
				return;
			sleep_ns(s->delay_ns);
			break;
		}
		s->must_wait = must_wait(w, s, overdue);
		next = slot_step(s);
	}
}

static void unpark(struct worker *w)
{
	struct slot *s = w->parked;

	w->parked = NULL;
	while (s) {
		struct slot *next = s->next;

		drive(w, s, SLOT_FINISHED);
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
		feed_wait(w->feed); /* returns at once unless there is a pause */
		unpark(w);
		while (w->flying > 0) {
			struct slot *s = ring_pop(w);

			w->reading -= s->step == 0;
			drive(w, s, slot_land(s));
		}
	}
	w->ended_ns = clock_now_ns();
	feed_leave(w->feed);
	done_tell(w->done_fd);
	return NULL;
}
