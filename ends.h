/* SPDX-License-Identifier: BSD-2-Clause */
/* From what the user named to endpoints: if= and of=, or what stands in for them. */
#ifndef ENDS_H
#define ENDS_H

#include "endpoints/node.h"
#include "options.h"

struct ends {
	struct endpoint *in, *out;
	struct node in_node, out_node;
	bool out_is_disk; /* out is an sg or block node: the guard has to be asked */
	bool in_is_disk;
};

/*
 * Opens both, out as a second source where the two are to be compared; a side without a name is
 * standard input or output. What cannot be an end, does not exist or is of the wrong kind is
 * refused; nothing is created yet. 0, or the exit status with the reason said; ends_close() either
 * way.
 */
int ends_open(struct ends *e, const struct options *o) MUST_CHECK;
void ends_close(struct ends *e);

/* Puts the null sink in the destination's place (-n), once that has passed all checks. */
int ends_discard_output(struct ends *e) MUST_CHECK;

#endif
