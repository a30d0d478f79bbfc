/* SPDX-License-Identifier: BSD-2-Clause */
/* One short mutex. The pause costs the hot path nothing but a flag read under it. */
#include "feed.h"

#include <assert.h>
#include <string.h>

void feed_init(struct feed *f, uint64_t len_bytes, uint32_t chunk_bytes, unsigned workers)
{
	assert(chunk_bytes > 0);
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->end_bytes = len_bytes;
	f->chunk_bytes = chunk_bytes;
	f->workers = workers;
}

void feed_destroy(struct feed *f)
{
	assert(f->workers == 0);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
}

enum feed_answer feed_claim(struct feed *f, struct chunk *c)
{
	enum feed_answer answer = FEED_END;

	pthread_mutex_lock(&f->lock);
	if (f->stopped || f->next_bytes == f->end_bytes) {
		answer = FEED_END;
	} else if (f->paused) {
		answer = FEED_PAUSE;
	} else {
		c->at_bytes = f->next_bytes;
		c->len_bytes = (uint32_t)min_u64(f->chunk_bytes, f->end_bytes - f->next_bytes);
		f->next_bytes += c->len_bytes;
		answer = FEED_CHUNK;
	}
	pthread_mutex_unlock(&f->lock);
	return answer;
}

void feed_stop(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->stopped = true;
	f->paused = false;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void feed_pause(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->paused = !f->stopped;
	while (f->paused && f->waiting < f->workers)
		pthread_cond_wait(&f->changed, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

void feed_resume(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->paused = false;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

void feed_wait(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->waiting++;
	pthread_cond_broadcast(&f->changed);
	while (f->paused)
		pthread_cond_wait(&f->changed, &f->lock);
	f->waiting--;
	pthread_mutex_unlock(&f->lock);
}

void feed_leave(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	assert(f->workers > 0);
	f->workers--;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}
