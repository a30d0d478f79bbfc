/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relies on worker.h's counts and what a worker says it is blocked on. Main thread. A worker that
 * is idle waits for nothing that a device could give it.
 */
#include "stalls.h"

#include <stdlib.h>

bool stalls_init(
	struct stalls *s, struct worker *workers, unsigned nworkers, const struct sides *sides)
{
	*s = (struct stalls){ .workers = workers, .nworkers = nworkers, .sides = sides->n };
	for (unsigned side = 0; side < sides->n; side++)
		if (sides->end[side]->facts.sequential)
			s->quiet |= side_bit(side);
	s->seen = calloc(nworkers, sizeof(*s->seen));
	return s->seen != NULL;
}

void stalls_free(struct stalls *s)
{
	free(s->seen);
	s->seen = NULL;
}

void stalls_flush(struct stalls *s, unsigned side, nsec_t since_ns)
{
	s->flushing_ns[side] = since_ns;
}

/* Unless it ends just now. */
static void flush_anew(_Atomic nsec_t *flushing_ns, nsec_t now_ns)
{
	nsec_t since = *flushing_ns;

	if (since)
		atomic_compare_exchange_strong(flushing_ns, &since, now_ns);
}

void stalls_forget(struct stalls *s, nsec_t now_ns)
{
	for (unsigned i = 0; i < s->nworkers; i++)
		s->seen[i].since_ns = now_ns;
	for (unsigned side = 0; side < s->sides; side++) {
		s->told_ns[side] = 0;
		flush_anew(&s->flushing_ns[side], now_ns);
	}
}

static unsigned side_of(const struct worker *w)
{
	return atomic_load_explicit(&w->blocked.side, memory_order_relaxed);
}

/* For how long a worker has got nowhere. */
static nsec_t stuck_ns(struct stalls *s, unsigned i, nsec_t now_ns)
{
	uint64_t ended = worker_ended(&s->workers[i], s->sides);
	struct seen *seen = &s->seen[i];

	if (ended != seen->ended || side_of(&s->workers[i]) == NO_SIDE)
		*seen = (struct seen){ ended, now_ns };
	return now_ns - seen->since_ns;
}

/* The worker that has waited longest for that side; NULL: none does. */
static const struct worker *longest(
	struct stalls *s, unsigned side, nsec_t now_ns, nsec_t *out_for_ns)
{
	const struct worker *found = NULL;

	*out_for_ns = 0;
	for (unsigned i = 0; i < s->nworkers; i++) {
		nsec_t for_ns = stuck_ns(s, i, now_ns);

		if (side_of(&s->workers[i]) == side && for_ns > *out_for_ns) {
			*out_for_ns = for_ns;
			found = &s->workers[i];
		}
	}
	return found;
}

static void describe(const struct worker *w, unsigned side, struct stall *out)
{
	struct failures *f = w->recipe->failures;

	out->answered = w->blocked.naps;
	out->at_bytes = atomic_load_explicit(&w->blocked.at_bytes, memory_order_relaxed);
	if (!out->answered)
		return;
	pthread_mutex_lock(&f->lock);
	out->x = f->nap[side];
	pthread_mutex_unlock(&f->lock);
}

bool stalls_look(struct stalls *s, nsec_t now_ns, struct stall *out)
{
	for (unsigned side = 0; side < s->sides; side++) {
		nsec_t for_ns, since = s->flushing_ns[side];
		const struct worker *w = longest(s, side, now_ns, &for_ns);

		if (since)
			for_ns = now_ns - since;
		if (for_ns < STALL_TOLD_NS || s->quiet & side_bit(side)) {
			s->told_ns[side] = 0;
			continue;
		}
		if (s->told_ns[side] && for_ns < 2 * s->told_ns[side])
			continue;
		s->told_ns[side] = for_ns;
		*out = (struct stall){ .side = side, .for_ns = for_ns, .flushes = since != 0 };
		if (!since)
			describe(w, side, out);
		return true;
	}
	return false;
}
