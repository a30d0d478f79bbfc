/* SPDX-License-Identifier: BSD-2-Clause */
/* From what the user named to endpoints: if= and of=, or what stands in for them. */
#ifndef ENDS_H
#define ENDS_H

#include "endpoints/node.h"
#include "engine/sides.h"
#include "options.h"

/* One operand, opened. */
struct end {
	struct endpoint *ep;
	struct node node;
	bool is_disk;	     /* an sg or block node: as a destination, the guard has to be asked */
	uint64_t from_bytes; /* where its offset 0 lies on node: a disk that the shell has opened,
			      * and somebody may have read or written before */
};

struct ends {
	struct end in, out[OUTS_MAX];
	unsigned nouts;
};

/* Of a file that is an end, or of what it was redirected to, a name that leads there. */
const char *end_path(const struct end *e) MUST_CHECK;

/*
 * Opens all, each out as a further source where they are to be compared; a side without a name is
 * standard input or output. What cannot be an end, does not exist or is of the wrong kind is
 * refused, and so is one pipe at two ends, before the open of a FIFO waits for its
 * other side; nothing is created yet. 0, or the exit status with the reason said; ends_close()
 * either way.
 */
int ends_open(struct ends *e, const struct options *o) MUST_CHECK;
void ends_close(struct ends *e);

/* The outs alone. */
int ends_open_outs(struct ends *e, const struct options *o) MUST_CHECK;

/* Puts null sinks in the destinations' places (-n), once those have passed all checks. */
int ends_discard_output(struct ends *e) MUST_CHECK;

#endif
