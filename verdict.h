/* SPDX-License-Identifier: BSD-2-Clause */
/* After the data have moved: what went wrong, each in one line, the report, the exit status. */
#ifndef VERDICT_H
#define VERDICT_H

#include "run.h"

/*
 * Says what is to be said of r->result and prints report and hash. The exit status: that of the
 * first failure that ended the run or dropped an end, then that of a miscompare, of a flush, of the
 * hash, of what was lost, of a reset.
 */
int verdict(struct run *r) MUST_CHECK;

/* That of both, where r, which ended with copied, was read back with verified: in the same order.
 */
int verdict_with_verify(const struct run *r, int copied, int verified) MUST_CHECK;

/* In mid-run: the nth thing that the run has to do without. */
void verdict_say_loss(const struct run *r, uint64_t nth, const struct incident *l);

/* In mid-run: the nth that was good, but not at the device's first try. */
void verdict_say_recovered(const struct run *r, uint64_t nth, const struct incident *l);

/* In mid-run: what it has been waiting for. */
void verdict_say_stall(const struct run *r, const struct stall *s);

/*
 * verify=drive: that side's drive has told of a miscompare, which was said and is the status; what
 * was read back, from there on, equals what the source has by now.
 */
void verdict_say_not_found(const struct run *r, unsigned side);

/*
 * Nobody reads the pipe any more that was the only destination: not worth a line, and an end as by
 * the signal, like dd's.
 */
bool verdict_ended_by_reader(const struct run *r) MUST_CHECK;

#endif
