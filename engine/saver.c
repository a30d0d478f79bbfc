/* SPDX-License-Identifier: BSD-2-Clause */
/* The lock is for the word to end alone; the map has the feed's. */
#include "saver.h"

#include <string.h>
#include <time.h>

static bool flush_side(struct saver *s, unsigned side)
{
	struct endpoint *ep = s->sides->end[side];
	struct fault f = { .kind = FAULT_NONE };

	if (!ep->facts.needs_flush || ep->ops->flush(ep, &f))
		return true;
	s->failed = side;
	s->fault = f;
	return false;
}

static bool flush_all(struct saver *s)
{
	for (unsigned side = 1; side < s->sides->n; side++)
		if (s->writes & side_bit(side) && !flush_side(s, side))
			return false;
	return true;
}

/* What could not be flushed is lost as far as is known: to go on would lose more. */
static void save_once(struct saver *s)
{
	bool good;

	if (!feed_snapshot(s->feed, &s->copy))
		return;
	good = flush_all(s);
	if (!good)
		feed_stop(s->feed);
	/* Saved as it is now: of the first copy a reset may have taken some. */
	if (feed_flushed(s->feed, &s->copy, good) && feed_snapshot(s->feed, &s->copy))
		s->keeper.save(s->keeper.arg, &s->copy);
}

/* False: told to end. */
static bool wait_for_turn(struct saver *s)
{
	struct timespec until;
	int err = 0;
	bool ends;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += s->keeper.every_ns / NSEC_PER_SEC;
	until.tv_nsec += s->keeper.every_ns % NSEC_PER_SEC;
	if (until.tv_nsec >= NSEC_PER_SEC) {
		until.tv_sec++;
		until.tv_nsec -= NSEC_PER_SEC;
	}
	pthread_mutex_lock(&s->lock);
	while (!s->ends && !s->now && err == 0)
		err = pthread_cond_timedwait(&s->told, &s->lock, &until);
	ends = s->ends;
	s->now = false;
	pthread_mutex_unlock(&s->lock);
	return !ends;
}

static void *saver_run(void *arg)
{
	struct saver *s = arg;

	while (wait_for_turn(s) && !s->failed)
		save_once(s);
	return NULL;
}

void saver_start(struct saver *s, struct feed *feed, const struct sides *sides, side_set_t writes,
	const struct keeper *keeper)
{
	pthread_condattr_t attr;

	memset(s, 0, sizeof(*s));
	s->feed = feed;
	s->sides = sides;
	s->writes = writes;
	s->keeper = *keeper;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->told, &attr);
	pthread_condattr_destroy(&attr);
	if (keeper->every_ns > 0)
		s->runs = pthread_create(&s->thread, NULL, saver_run, s) == 0;
}

void saver_now(struct saver *s)
{
	pthread_mutex_lock(&s->lock);
	s->now = true;
	pthread_cond_signal(&s->told);
	pthread_mutex_unlock(&s->lock);
}

void saver_stop(struct saver *s)
{
	pthread_mutex_lock(&s->lock);
	s->ends = true;
	pthread_cond_signal(&s->told);
	pthread_mutex_unlock(&s->lock);
	if (s->runs)
		pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->told);
	pthread_mutex_destroy(&s->lock);
	ranges_destroy(&s->copy);
}
