/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread and its slots. It keeps every slot busy and, when all fly, blocks on the one that has
 * flown longest: commands come home about in the order they left, so one blocking read() takes
 * the place of a poll and a read, and nothing wakes up for nothing. A slot whose lane is inline
 * never flies; the same loop then runs it from chunk to chunk.
 *
 * One worker alone can keep chunks in order for a sequential end: it lands them in the order it
 * sent them, and what has to be sent once more is landed first.
 */
#ifndef ENGINE_WORKER_H
#define ENGINE_WORKER_H

#include <pthread.h>

#include "slot.h"

/*
 * What a worker waits for: the worker alone writes it. at_bytes is of that side's end; where it
 * naps, the unit is not ready, or busy, and failures.nap tells of it.
 */
struct blocked {
	_Atomic unsigned side; /* NO_SIDE: nothing, and nothing of its flies */
	_Atomic uint64_t at_bytes;
	_Atomic bool naps;
};

struct worker {
	/* set by the main thread before the start */
	struct feed *feed;
	struct recipe *recipe;
	struct slot *slots;
	unsigned nslots;
	struct leg **ring; /* room for as many as can fly at once */
	unsigned ring_room;
	int done_fd;   /* eventfd: gets 1 when the worker leaves */
	bool in_order; /* chunks are to be written as they were claimed, or not at all */
	/* the worker's own */
	/* Not on a cache line that another worker writes: 64 is x86-64's and arm64's. */
	_Alignas(64) struct tally tally[SIDES_MAX];
	struct blocked blocked;
	unsigned head, flying;
	counter_t turns;  /* legs that flew and came home; or came home at once while none flew */
	unsigned reading; /* those of the flying that read from the source */
	unsigned apart;	  /* in_order: slots whose chunk is taken apart: the others wait */
	bool broken;	  /* in_order: a chunk was given up, those after it must not be written */
	bool looked;	  /* whether the source has more than was asked for: */
	bool has_more;	  /* it has */
	uint32_t tail_bytes; /* of a last block that could not be written */
	struct slot *parked; /* those that found the feed paused, by slot->next */
	pthread_t thread;
	nsec_t ended_ns; /* when its last transfer was home */
};

/* Transfers that came home and were not sent again. Any thread. */
uint64_t worker_ended(const struct worker *w, unsigned sides);

/*
 * Whether, since worker_turns() was so many, all has come home that flew then, and its news were
 * told to the feed. Any thread.
 */
uint64_t worker_turns(const struct worker *w);
bool worker_is_past(const struct worker *w, uint64_t turns);

/* pthread_create()'s function; arg is a struct worker. Runs with all signals blocked. */
void *worker_run(void *arg);

/* Adds 1 to the eventfd that the main thread waits on. Any thread. */
void done_tell(int done_fd);

#endif
