/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A claim is one atomic addition; the lock is for those who wait. A worker that has claimed before
 * it could see the pause is waited for like any other.
 */
#include "feed.h"

#include <assert.h>
#include <string.h>

void feed_init(struct feed *f, uint64_t len_bytes, uint32_t chunk_bytes, unsigned workers)
{
	assert(chunk_bytes > 0 && len_bytes <= INT64_MAX);
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->resumed, NULL);
	pthread_cond_init(&f->gathered, NULL);
	f->end_bytes = len_bytes;
	f->chunk_bytes = chunk_bytes;
	f->workers = workers;
	f->state = FEED_PAUSED;
}

void feed_destroy(struct feed *f)
{
	assert(f->workers == 0);
	pthread_cond_destroy(&f->resumed);
	pthread_cond_destroy(&f->gathered);
	pthread_mutex_destroy(&f->lock);
}

static COLD enum feed_answer claim_halted(const struct feed *f, enum feed_state state)
{
	if (state == FEED_STOPPED)
		return FEED_END;
	return atomic_load_explicit(&f->next_bytes, memory_order_relaxed) < f->end_bytes
		       ? FEED_PAUSE
		       : FEED_END;
}

enum feed_answer feed_claim(struct feed *f, struct chunk *c)
{
	enum feed_state state = atomic_load_explicit(&f->state, memory_order_relaxed);
	uint64_t at;

	if (state != FEED_RUNS)
		return claim_halted(f, state);
	at = atomic_fetch_add_explicit(&f->next_bytes, f->chunk_bytes, memory_order_relaxed);
	if (at >= f->end_bytes)
		return FEED_END;
	c->at_bytes = at;
	c->len_bytes = (uint32_t)min_u64(f->chunk_bytes, f->end_bytes - at);
	return FEED_CHUNK;
}

void feed_source_ended(struct feed *f, uint64_t at_bytes)
{
	assert(at_bytes <= f->end_bytes);
	f->end_bytes = at_bytes;
	f->source_ended = true;
}

void feed_stop(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->state = FEED_STOPPED;
	pthread_cond_broadcast(&f->resumed);
	pthread_cond_signal(&f->gathered);
	pthread_mutex_unlock(&f->lock);
}

bool feed_is_stopped(const struct feed *f)
{
	return f->state == FEED_STOPPED;
}

/* With the lock held. */
static void tell_if_gathered(struct feed *f)
{
	if (f->waiting == f->workers)
		pthread_cond_signal(&f->gathered);
}

bool feed_pause(struct feed *f)
{
	bool paused;

	pthread_mutex_lock(&f->lock);
	if (f->state == FEED_RUNS)
		f->state = FEED_PAUSED;
	while (f->state == FEED_PAUSED && f->waiting < f->workers)
		pthread_cond_wait(&f->gathered, &f->lock);
	paused = f->state == FEED_PAUSED;
	pthread_mutex_unlock(&f->lock);
	return paused;
}

void feed_resume(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	if (f->state == FEED_PAUSED)
		f->state = FEED_RUNS;
	pthread_cond_broadcast(&f->resumed);
	pthread_mutex_unlock(&f->lock);
}

void feed_wait(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->waiting++;
	tell_if_gathered(f);
	while (f->state == FEED_PAUSED)
		pthread_cond_wait(&f->resumed, &f->lock);
	f->waiting--;
	pthread_mutex_unlock(&f->lock);
}

void feed_leave(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	assert(f->workers > 0);
	f->workers--;
	tell_if_gathered(f);
	pthread_mutex_unlock(&f->lock);
}
