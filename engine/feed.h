/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hands out the span in chunks, in ascending order, each once, to any number of workers; and the
 * one place where a run is told to stop or to pause.
 */
#ifndef ENGINE_FEED_H
#define ENGINE_FEED_H

#include <pthread.h>
#include <stdatomic.h>

#include "../core/base.h"

struct chunk {
	uint64_t at_bytes; /* from the start of the span */
	uint32_t len_bytes;
};

enum feed_answer {
	FEED_CHUNK, /* *c is the caller's */
	FEED_PAUSE, /* nothing now: bring home what flies, then feed_wait() */
	FEED_END,   /* no more, ever */
};

enum feed_state { FEED_RUNS, FEED_PAUSED, FEED_STOPPED };

struct feed {
	uint64_t end_bytes;
	bool source_ended;
	uint32_t chunk_bytes;
	_Atomic enum feed_state state;
	_Atomic uint64_t next_bytes; /* may run past the end, by a chunk for each claim after it */
	pthread_mutex_t lock;	     /* the rest */
	pthread_cond_t resumed;	     /* what workers wait for: the state is another */
	pthread_cond_t gathered;   /* what feed_pause() waits for: all workers wait or have left */
	unsigned waiting, workers; /* threads in feed_wait(); threads that have not left */
};

/*
 * workers threads will claim; each calls feed_leave() when it is through. Paused at first: nothing
 * is handed out before feed_resume().
 */
void feed_init(struct feed *f, uint64_t len_bytes, uint32_t chunk_bytes, unsigned workers);
void feed_destroy(struct feed *f);

/* Any thread. */
enum feed_answer feed_claim(struct feed *f, struct chunk *c) MUST_CHECK;

/* The one worker of a sequential source: there is nothing from at_bytes on. */
void feed_source_ended(struct feed *f, uint64_t at_bytes);

/* No further chunk is handed out; what has been claimed is still to be finished. Any thread. */
void feed_stop(struct feed *f);
bool feed_is_stopped(const struct feed *f);

/*
 * Main thread: no chunk is handed out until feed_resume(); returns when nothing is in flight.
 * False: the feed was stopped, there is nothing to pause.
 */
bool feed_pause(struct feed *f) MUST_CHECK;
void feed_resume(struct feed *f);

/* A worker with nothing in flight, after FEED_PAUSE: returns when the pause is over. */
void feed_wait(struct feed *f);
void feed_leave(struct feed *f);

#endif
