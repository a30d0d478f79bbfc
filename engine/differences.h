/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes what is found to differ out of a map that calls it done: a run of that map copies it once
 * more. Of a run that verifies what another run, of which the map is, has written.
 */
#ifndef ENGINE_DIFFERENCES_H
#define ENGINE_DIFFERENCES_H

#include <pthread.h>

#include "../core/ranges.h"

struct differences {
	struct ranges *map; /* nobody else's meanwhile */
	/* Of the run that looks, set by copy_set_differences(): where its span begins in the map,
	 * and how long it is. */
	uint64_t at_bytes, len_bytes;
	pthread_mutex_t lock;
	uint64_t bytes; /* that were done, and are untried now */
	bool lost;	/* there was no memory for some of them: */
};

void differences_init(struct differences *d, struct ranges *map);

/*
 * [at_bytes, at_bytes + len_bytes) of the span differs: what of it is DONE becomes UNTRIED. What
 * lies behind the span pads it, which is written with its last block. Any thread.
 */
void differences_note(
	struct differences *d, uint64_t at_bytes, uint64_t len_bytes, uint32_t block_bytes);

/* No more is noted. True: the map has changed; where some were lost, nothing of it is DONE. */
bool differences_end(struct differences *d) MUST_CHECK;

#endif
