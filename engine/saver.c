/* SPDX-License-Identifier: BSD-2-Clause */
/* The lock is for the word to end alone; the map has the feed's. */
#include "saver.h"

#include <string.h>
#include <time.h>

#include "../core/clock.h"
#include "../scsi/reply.h"

enum flushed { FLUSH_GOOD, FLUSH_RESET, FLUSH_FAILED };

static bool flush_end(struct saver *s, unsigned side, struct fault *f)
{
	struct endpoint *ep = s->run.sides->end[side];
	bool good;

	stalls_flush(s->run.stalls, side, clock_now_ns());
	good = ep->ops->flush(ep, f);
	stalls_flush(s->run.stalls, side, 0);
	return good;
}

/*
 * In the destination: the end of what the copy calls written. Not of what is bad: that may be tried
 * again right now.
 */
static uint64_t reached_bytes(const struct saver *s)
{
	const unsigned set = RANGE_IS(RANGE_WRITTEN) | RANGE_IS(RANGE_DONE);
	uint64_t start = s->run.feed->map.at_bytes, end = start + s->run.feed->end_bytes;
	struct range x;

	return ranges_last(&s->copy, set, start, end, &x)
		       ? s->run.out_bytes + (x.at_bytes + x.len_bytes - start)
		       : 0;
}

/* Zeros at its end that were left out are to be there after a crash, too. */
static bool has_length(const struct saver *s, unsigned side, struct fault *f)
{
	struct endpoint *ep = s->run.sides->end[side];
	uint64_t end_bytes = ep->ops->reach ? reached_bytes(s) : 0;

	return end_bytes == 0 || ep->ops->reach(ep, end_bytes, f);
}

static enum flushed flush_side(struct saver *s, unsigned side)
{
	struct endpoint *ep = s->run.sides->end[side];
	struct fault f = { .kind = FAULT_NONE };

	if (has_length(s, side, &f) && (!ep->facts.needs_flush || flush_end(s, side, &f)))
		return FLUSH_GOOD;
	if (fault_is_reset(&f)) {
		s->resets[side]++;
		feed_was_reset(s->run.feed);
		return FLUSH_RESET;
	}
	s->failed = side;
	s->fault = f;
	return FLUSH_FAILED;
}

static enum flushed flush_all(struct saver *s)
{
	enum flushed all = FLUSH_GOOD;

	for (unsigned side = 1; side < s->run.sides->n && all != FLUSH_FAILED; side++)
		if (s->run.writes & side_bit(side)) {
			enum flushed one = flush_side(s, side);

			all = one > all ? one : all;
		}
	return all;
}

static void mark_turns(struct saver *s)
{
	for (unsigned i = 0; i < s->run.nworkers; i++)
		s->run.turns[i] = worker_turns(&s->run.workers[i]);
}

static bool all_are_home(const struct saver *s)
{
	for (unsigned i = 0; i < s->run.nworkers; i++)
		if (!worker_is_past(&s->run.workers[i], s->run.turns[i]))
			return false;
	return true;
}

/*
 * A device tells of a reset once, to whichever command comes first: where that was one that flew
 * during the flush, the flush was good, and what it was to flush is lost.
 */
static void wait_for_news(struct saver *s)
{
	const struct timespec moment = { 0, 5 * NSEC_PER_MSEC };

	mark_turns(s);
	while (!all_are_home(s))
		clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
}

/*
 * Zeros for bad blocks are lost in a crash like all that was not flushed, and by a reset; but what
 * the map has as bad is not written again. So it is saved as failed. False: no memory.
 */
static bool save_copy(struct saver *s)
{
	if (!s->knows)
		ranges_turn(&s->copy, RANGE_BAD, RANGE_FAILED);
	else if (!ranges_undo(&s->copy, &s->flushed, RANGE_BAD, RANGE_FAILED))
		return false;
	s->keeper.save(s->keeper.arg, &s->copy);
	return true;
}

/*
 * copy is from before a flush that was good, and resets of then. Which zeros a reset took is not
 * known, and nobody writes them again in this run: what has become bad since the last flush before
 * the first reset is in doubt to the end.
 */
static void note_flushed(struct saver *s, unsigned resets)
{
	struct ranges was = s->flushed;

	if (resets != s->flushed_resets)
		return;
	s->flushed = s->copy;
	s->copy = was;
	s->knows = true;
}

/* What could not be flushed is lost as far as is known: to go on would lose more. */
static void save_once(struct saver *s)
{
	struct feed *feed = s->run.feed;
	enum flushed flushed;
	unsigned resets, later;
	bool settled;

	if (!feed_snapshot(feed, &s->copy, &resets))
		return;
	flushed = flush_all(s);
	if (flushed == FLUSH_FAILED)
		feed_stop(feed);
	else
		wait_for_news(s);
	settled = feed_flushed(feed, &s->copy, resets, flushed != FLUSH_FAILED);
	if (flushed == FLUSH_GOOD && feed_resets(feed) == resets)
		note_flushed(s, resets);
	/* Saved as it is now: of the first copy a reset may have taken some. */
	if (settled && feed_snapshot(feed, &s->copy, &later))
		(void)save_copy(s); /* without memory the map of before stays */
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

	while (wait_for_turn(s))
		if (!s->failed)
			save_once(s);
	done_tell(s->run.done_fd);
	return NULL;
}

void saver_start(struct saver *s, const struct saver_run *run, const struct keeper *keeper)
{
	pthread_condattr_t attr;

	memset(s, 0, sizeof(*s));
	s->run = *run;
	s->keeper = *keeper;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->told, &attr);
	pthread_condattr_destroy(&attr);
	s->knows = feed_snapshot(run->feed, &s->flushed, &s->flushed_resets);
	if (keeper->every_ns > 0)
		s->runs = pthread_create(&s->thread, NULL, saver_run, s) == 0;
}

void saver_now(struct saver *s)
{
	if (!s->runs)
		return;
	pthread_mutex_lock(&s->lock);
	s->now = true;
	pthread_cond_signal(&s->told);
	pthread_mutex_unlock(&s->lock);
}

bool saver_end(struct saver *s)
{
	pthread_mutex_lock(&s->lock);
	s->ends = true;
	pthread_cond_signal(&s->told);
	pthread_mutex_unlock(&s->lock);
	return s->runs;
}

void saver_stop(struct saver *s)
{
	if (s->runs)
		pthread_join(s->thread, NULL);
	s->runs = false;
	pthread_cond_destroy(&s->told);
	pthread_mutex_destroy(&s->lock);
}

void saver_save_last(struct saver *s, struct ranges *map, bool good)
{
	ranges_turn(map, RANGE_WRITTEN, good ? RANGE_DONE : RANGE_UNTRIED);
	if (!good || feed_resets(s->run.feed) != s->flushed_resets) {
		if (ranges_copy(&s->copy, map) && save_copy(s))
			return;
		ranges_turn(map, RANGE_BAD, RANGE_FAILED); /* no memory to tell which of them */
	}
	s->keeper.save(s->keeper.arg, map);
}

void saver_destroy(struct saver *s)
{
	ranges_destroy(&s->copy);
	ranges_destroy(&s->flushed);
}
