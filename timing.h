/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rates and times left, out of numbers that are passed in: nothing here reads a clock.
 */
#ifndef TIMING_H
#define TIMING_H

#include "core/base.h"

/* Bytes per second; 0 where no time has passed. */
double timing_rate(uint64_t bytes, nsec_t elapsed_ns);

/*
 * A meter that forgets: the rate of about the last ten seconds, so that a slow patch or a slow
 * start does not haunt the estimate. Fed with running totals.
 */
struct rate_meter {
	bool started;
	uint64_t last_bytes;
	nsec_t last_ns;
	double rate; /* bytes per second */
};

void rate_meter_feed(struct rate_meter *m, uint64_t total_bytes, nsec_t elapsed_ns);

/* Nanoseconds for what is left at that rate; -1 where it cannot be told. */
nsec_t timing_left(uint64_t left_bytes, double rate);

#define TIMING_TEXT_ROOM 32

/* "0:07", "1:02:03", "3d04:05:06", "-:--" for a negative time. Returns text. */
char *timing_text(nsec_t ns, char *text);

#endif
