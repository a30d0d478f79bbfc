/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What went wrong in a run, of all workers: what was given up, what was lost while the run went on,
 * and what a device had trouble with. Any thread.
 */
#ifndef ENGINE_FAILURES_H
#define ENGINE_FAILURES_H

#include <pthread.h>

#include "sides.h"

#define INCIDENTS_KEPT 100

/* A block that the run had to do without; or a recovered error. */
struct incident {
	unsigned side;
	bool salvaged; /* what the medium has of it all the same was copied */
	struct xfer x;
};

/* Of many the first are kept. */
struct incidents {
	uint64_t n;
	struct incident first[INCIDENTS_KEPT];
};

/*
 * What was given up, side by side; of each the transfer nearest to the start of the disk, since all
 * before that was handed out earlier and came home. Guarded by lock.
 */
struct failures {
	pthread_mutex_t lock;
	unsigned first; /* the side that failed first; SIDES_MAX: none */
	side_set_t failed;
	struct xfer x[SIDES_MAX];
	struct xfer nap[SIDES_MAX]; /* the last that is to be sent again after a while */
	struct incidents lost, recovered;
};

/* f is all zeros. */
void failures_init(struct failures *f);
void failures_destroy(struct failures *f);

/* x of that side is given up. */
void failures_note(struct failures *f, unsigned side, const struct xfer *x);

/* x of that side will be sent again after a while. */
void failures_note_nap(struct failures *f, unsigned side, const struct xfer *x);

/* One more of list, which is one of f's. */
void failures_add(struct failures *f, struct incidents *list, const struct incident *l);

/* How many of the first of list there are. They are never changed: to be read without the lock. */
uint64_t failures_kept(struct failures *f, const struct incidents *list);

#endif
