/* SPDX-License-Identifier: BSD-2-Clause */
/* verify=after and verify=drive: what a run has written is looked at when it has ended. */
#ifndef VERIFY_H
#define VERIFY_H

#include "run.h"

/* Whether it was asked for, and r, after run(), has copied something that can be. */
bool verify_is_due(const struct run *r) MUST_CHECK;

/*
 * Compares what r has written, and what runs before it have by its map, with the source. What
 * differs is told, and in a map that is kept no longer done. 0, or the exit status with the reason
 * said; r->result.signal is that of the comparison. The copy of r is closed.
 */
int verify_run(struct run *r) MUST_CHECK;

#endif
