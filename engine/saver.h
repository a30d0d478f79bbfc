/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Saves the map of a run while it runs, so that nothing the saved map calls finished can be lost:
 * a copy is made of the map, then the destinations get the length that it tells of and are flushed,
 * then what the copy calls written, and is still, is called done, and the map is saved. A thread of
 * its own: a flush may take minutes.
 */
#ifndef ENGINE_SAVER_H
#define ENGINE_SAVER_H

#include "stalls.h"

/* Who keeps the map. save() gets a map in which DONE is durable, and WRITTEN is not yet; in any
 * thread, one at a time. What goes wrong is its own matter. */
struct keeper {
	nsec_t every_ns; /* 0: at the end of the run alone */
	void (*save)(void *arg, const struct ranges *map);
	void *arg;
};

/* The run; all of it outlives the saver. */
struct saver_run {
	struct feed *feed; /* with a map */
	const struct sides *sides;
	side_set_t writes;  /* the destinations to be flushed */
	uint64_t out_bytes; /* where the span begins in them */
	const struct worker *workers;
	unsigned nworkers;
	uint64_t *turns;       /* room for a figure of each */
	struct stalls *stalls; /* is told of flushes */
	int done_fd;	       /* done_tell() when the saver's thread ends */
};

struct saver {
	struct saver_run run;
	struct keeper keeper;
	struct ranges copy;
	/* The map before the last flush that was good, or as it was at the start; and: */
	struct ranges flushed;
	unsigned flushed_resets; /* the feed's count of resets by then */
	bool knows;		 /* false: there was no memory for it */
	pthread_mutex_t lock;
	pthread_cond_t told; /* to end, or to save at once */
	bool runs, ends, now;
	pthread_t thread;
	unsigned failed; /* the side whose flush failed, which stopped the run; 0: none */
	struct fault fault;
	unsigned resets[SIDES_MAX]; /* that flushes were told of */
};

/* Begins to save. Without a thread, which may not be had, the map is saved at the end alone. */
void saver_start(struct saver *s, const struct saver_run *run, const struct keeper *keeper);

/* Does not wait for it. The thread that starts and stops it; without effect when it has stopped. */
void saver_now(struct saver *s);

/*
 * Ends it, after a save that is under way; no flush of its own. Does not wait: true, there is a
 * thread, which tells done_fd. Then, or at once if there is none, saver_stop().
 */
bool saver_end(struct saver *s) MUST_CHECK;
void saver_stop(struct saver *s);

/*
 * After saver_stop() and a last flush, or none where nothing was written, which was good or not:
 * what is WRITTEN in map, the feed's, is settled, and it is saved. (Without memory also what is
 * BAD is FAILED in map, as it then is in the file.)
 */
void saver_save_last(struct saver *s, struct ranges *map, bool good);

/* Also of a *s of all zeros. */
void saver_destroy(struct saver *s);

#endif
