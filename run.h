/* SPDX-License-Identifier: BSD-2-Clause */
/* One run, from the command line to the exit status: what its stages hand on to each other. */
#ifndef RUN_H
#define RUN_H

#include "ends.h"
#include "engine/copy.h"
#include "guard.h"
#include "hashlines.h"
#include "keep.h"
#include "options.h"
#include "progress.h"

struct run {
	const struct options *o;
	struct ends ends;
	struct ends back;   /* verify=each: the destinations once more, as sources */
	struct sides sides; /* of ends and back; side k is ends.out[k - 1] */
	struct span span;
	struct guard guard[OUTS_MAX];
	struct plan_request request;
	struct plan plan;
	bool begun; /* the ends were, or some of them, and nothing has moved yet */
	struct copy *copy;
	struct copy_result result;
	struct progress progress;
	struct digest digest; /* hash= */
	struct hashlines hashlines;
	/*
	 * What became of the source: map= keeps it, or else, after the run, what failed of it, in
	 * own_map. todo: of a run that verifies, what there is to be verified; NULL: all.
	 */
	struct keep keep;
	struct ranges own_map;
	struct ranges *todo;
	struct differences *differences; /* of it: what differs is noted; NULL: there is no map */
};

/* When the drive verifies, the source is read for a second time. */
static inline bool run_is_hashed(const struct run *r)
{
	return r->o->hash && r->request.job != JOB_VERIFY;
}

/* A run that remembers: not one that looks at what such a run has written. */
static inline bool run_is_kept(const struct run *r)
{
	return r->o->map_path && !r->o->compare && r->request.job == JOB_COPY;
}

static inline const struct ranges *run_map(const struct run *r)
{
	return r->o->map_path ? &r->keep.map.ranges : &r->own_map;
}

/* *r is anything before. o outlives r. */
void run_init(struct run *r, const struct options *o);

/*
 * All of it but verify=after and verify=drive: prepares, creates and truncates what is written,
 * copies, and says how that went. 0, or the exit status with the reason said. Main thread.
 */
int run(struct run *r) MUST_CHECK;

/* The part that moves data, by the plan that there is; once more after run_close_copy(). */
int run_planned(struct run *r) MUST_CHECK;

/* Threads, lanes and buffers of the copy, as far as there are any. */
void run_close_copy(struct run *r);

/* The copy and all else, but the map and its lock: rescue_end(). */
void run_close(struct run *r);

#endif
