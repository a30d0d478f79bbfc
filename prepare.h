/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run needs to know before it moves data, in struct run. Main thread. */
#ifndef PREPARE_H
#define PREPARE_H

#include "run.h"

/*
 * Opens the ends, finds the span, asks the guards and the map, probes, plans, and looks whether
 * what verify= asks can be done. Changes nothing on any end. 0, or the exit status with the reason
 * said; run_close() either way.
 */
int prepare(struct run *r) MUST_CHECK;

/* Parts of it, for a run that has got further ends or another request since. */
void prepare_sides(struct run *r);
int prepare_probe(struct run *r) MUST_CHECK;
int prepare_plan(struct run *r) MUST_CHECK;

#endif
