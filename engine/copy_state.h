/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run is made of: for copy.c, which sets the stage, copy_run.c, which looks on, and
 * copy_end.c, which tells what came of it. Nobody else sees it.
 */
#ifndef ENGINE_COPY_STATE_H
#define ENGINE_COPY_STATE_H

#include <sys/resource.h>

#include "buffer.h"
#include "copy.h"
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
	uint8_t *room_for_bad; /* a block of each slot; NULL: zeros will do */
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
	uint64_t before_bytes, told_losses, told_recovered;
	int done_fd;
	struct signals signals;	       /* until copy_close(): the report is to be heard out, too */
	nsec_t started_ns, stopped_ns; /* stopped: time spent in Ctrl-Z */
	struct rusage before;
	int ended_by; /* signal */
};

/* --- copy_run.c --- */

/*
 * Sleeps until so many have told copy->done_fd that they are through, and meanwhile serves signals
 * and the watch.
 */
void copy_attend(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	unsigned started);

/* --- copy_end.c --- */

/* What the workers, who have left, have counted on that side. */
void copy_sum_up(const struct copy *c, unsigned side, struct counters *sum);

/* The workers have left: what came of it; nothing is flushed yet. */
void copy_result_fill(struct copy *c, struct copy_result *r);

/*
 * Gives files their lengths, flushes, and saves the map, if one is kept: without a flush and a save
 * there is no end then.
 */
void copy_end(struct copy *c, const struct signals *sigs, const struct copy_watch *watch,
	bool flush_at_end, struct copy_result *r);

#endif
