/* SPDX-License-Identifier: BSD-2-Clause */
/* CLOCK_MONOTONIC as one number. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <time.h>

#include "base.h"

static inline nsec_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

#endif
