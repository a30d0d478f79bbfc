/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A run: the slots and workers that a plan asks for, the signals that reach it meanwhile, the
 * flush after it, and the sums.
 */
#ifndef ENGINE_COPY_H
#define ENGINE_COPY_H

#include "compare.h"
#include "counters.h"
#include "digest.h"
#include "plan.h"
#include "policy.h"
#include "saver.h"
#include "stalls.h"

/* Where a run stands. Bytes are those that reads and writes have moved so far; of several
 * destinations, those of the one that is ahead. */
struct copy_progress {
	uint64_t in_bytes, out_bytes, total_bytes;
	uint64_t before_bytes; /* of total_bytes, what was done before the run */
	uint64_t bad_bytes;    /* lost so far */
	nsec_t elapsed_ns;     /* without the time it was stopped by Ctrl-Z */
};

/* Called by copy_run() in its own thread. */
struct copy_watch {
	nsec_t tick_ns; /* 0: no ticks */
	void (*tick)(void *arg, const struct copy_progress *p);
	void (*report)(void *arg, const struct copy_progress *p); /* SIGUSR1 */
	/* These three are to be there. */
	/* The nth thing, from 1, that the run has to do without; of the first INCIDENTS_KEPT. */
	void (*lost)(void *arg, uint64_t nth, const struct incident *l);
	/* The nth transfer that was good in the end, but not at the device's first try; likewise.
	 */
	void (*recovered)(void *arg, uint64_t nth, const struct incident *l);
	void (*stalled)(void *arg, const struct stall *s); /* for STALL_TOLD_NS, and again */
	void *arg;
};

/* What became of one side. */
struct side_result {
	struct counters count;
	struct miscompare miscompare; /* of a side that is compared */
	bool failed;		      /* a transfer was given up: */
	struct xfer failure;	      /* the one nearest to the start of the disk */
	int end_status;		      /* not 0: its length could not be set, which was said */
	bool flushed;		      /* a flush was sent */
	nsec_t flush_ns;
	struct fault flush_fault;
};

struct copy_result {
	struct side_result side[SIDES_MAX]; /* as in struct sides */
	nsec_t elapsed_ns;		    /* of the transfers; flushes are apart */
	nsec_t user_ns, system_ns;	    /* CPU time of the process meanwhile */
	bool failed;			    /* some side did: */
	unsigned failed_first;		    /* that one */
	bool source_ended;		    /* a stream, before the end of the span */
	bool source_has_more;		    /* a stream, than there is room for */
	/* What the run went on without: */
	uint64_t losses;	    /* blocks, or chunks of a stream, */
	struct incident first_loss; /* the first of them */
	uint64_t before_bytes;	    /* of the span, done before the run */
	uint64_t bad_bytes;	    /* of the span, that nothing is left to be done for, */
	uint64_t undone_bytes;	    /* and what was not dealt with */
	uint32_t loss_block_bytes;  /* how long such a block is */
	enum feed_limit limit;	    /* what put an end to that */
	uint32_t chunk_bytes;	    /* less than the plan's: longer ones were refused */
	bool rewrites_lost;	    /* what a reset of a destination took was written again */
	unsigned depth;		    /* less than the plan's: the device had no room for more; */
	unsigned missing_depth;	    /* or so many are of threads that could not be had */
	uint32_t tail_bytes;	    /* of a last block that could not be written; 0: none */
	int signal;		    /* that ended the run early, 0: none */
};

struct copy;

enum copy_opened {
	COPY_READY,
	COPY_REPLAN, /* a mapped buffer cannot be pinned after all: that end's facts.pinnable is
		      * now false, plan again */
	COPY_FAILED, /* said; *exit_status is set */
};

/*
 * Opens all lanes and allocates all memory: nothing is allocated after it. The ends, the plan and
 * the span must outlive the copy. No command is sent. *out_copy is set on COPY_READY only.
 */
enum copy_opened copy_open(const struct plan *p, const struct span *s, const struct sides *sides,
	const struct policy *policy, struct copy **out_copy, int *exit_status) MUST_CHECK;

/*
 * What is read is hashed too; the plan was made with plan_request.ordered. Before copy_run(), after
 * which d, but for d->failed, is as the last read left it.
 */
void copy_set_digest(struct copy *c, struct digest *d);

/*
 * What became of each byte of the source is kept in map, in positions of the source, which reaches
 * to the end of the span at least. It tells before copy_run() what is left to be done (DONE is left
 * alone), and after it what was: DONE is what was flushed. Without it a run has a map of its own,
 * of failures alone. No end is a stream; with a keeper there is one destination, and what is bad by
 * then counts for the policy's limits. keeper NULL: the map is not saved, and bad blocks are left
 * alone, whatever retries there are.
 */
void copy_set_map(struct copy *c, struct ranges *map, const struct keeper *keeper);

/*
 * Blocks that are compared and differ are noted in d, which gets the span of this run, before
 * copy_run(); d outlives the copy.
 */
void copy_set_differences(struct copy *c, struct differences *d);

/* After copy_run(): the run's own map becomes *to, which owns nothing. */
void copy_move_map(struct copy *c, struct ranges *to);

/*
 * Moves the data; returns when the last transfer is home. Takes SIGINT, SIGTERM, SIGHUP, SIGQUIT
 * (no further chunk is begun; one that comes within SIGNALS_REPEAT_NS is swallowed, a later one
 * kills, and it stays so until copy_close()), SIGUSR1 and SIGTSTP (pauses with nothing in flight)
 * for the time being, unless they were ignored. Then, if flush_at_end and something was
 * written, flushes. 0, or the errno of a thread or descriptor that could not be made, or ENOMEM
 * (nothing moved).
 */
int copy_run(struct copy *c, const struct copy_watch *watch, bool flush_at_end,
	struct copy_result *r) MUST_CHECK;

void copy_close(struct copy *c);

#endif
