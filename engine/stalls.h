/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Notices that workers wait, and says for what: a command that does not come home, or a unit that
 * is busy or not ready; or the run for its last flush. By looking on, about once a second: nothing
 * is measured for it on the way of a transfer. What takes long enough to be told is told again when
 * it takes twice as long.
 */
#ifndef ENGINE_STALLS_H
#define ENGINE_STALLS_H

#include "worker.h"

#define STALL_LOOK_NS NSEC_PER_SEC
#define STALL_TOLD_NS (10 * NSEC_PER_SEC)

/* What is waited for. */
struct stall {
	unsigned side;
	nsec_t for_ns;	   /* since then nothing of it has come to an end */
	bool flushes;	   /* the flush at the end; the rest says nothing then */
	bool answered;	   /* x came home so, and will be sent again; else: */
	uint64_t at_bytes; /* of that side's end: where the command is that does not come home */
	struct xfer x;
};

struct stalls {
	struct worker *workers;
	unsigned nworkers, sides;
	side_set_t quiet; /* who waits for them waits for another process, as is usual */
	struct seen {
		uint64_t ended;
		nsec_t since_ns;
	} * seen;			       /* a worker's */
	nsec_t told_ns[SIDES_MAX];	       /* of the present stall; 0: nothing */
	_Atomic nsec_t flushing_ns[SIDES_MAX]; /* since when; 0: it is not flushed */
};

/* False: no memory. The workers outlive it; streams are not waited for. */
bool stalls_init(struct stalls *s, struct worker *workers, unsigned nworkers,
	const struct sides *sides) MUST_CHECK;
void stalls_free(struct stalls *s);

/* That side is flushed since then, by whom is no worker; 0: no more. Any thread. */
void stalls_flush(struct stalls *s, unsigned side, nsec_t since_ns);

/* From now on: before, the run had not begun, or was stopped. */
void stalls_forget(struct stalls *s, nsec_t now_ns);

/* True: *out is to be told. Call it again until it is false, with the same now_ns. */
bool stalls_look(struct stalls *s, nsec_t now_ns, struct stall *out) MUST_CHECK;

#endif
