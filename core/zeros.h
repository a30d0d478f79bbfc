/* SPDX-License-Identifier: BSD-2-Clause */
/* Where zeros are in memory, at the speed of memory. Pure; any thread; any alignment. */
#ifndef CORE_ZEROS_H
#define CORE_ZEROS_H

#include "base.h"

/* Are all len bytes 0? True for none. Looks no further than it must. */
bool zeros_all(const void *buf, size_t len) MUST_CHECK;

/*
 * How many bytes at buf are alike, in pieces of grain bytes counted from buf (the last may be
 * shorter): *is_zero says whether those pieces are all zeros, or each has something else in it.
 * 1..len; len and grain are not 0.
 */
uint32_t zeros_run(const uint8_t *buf, uint32_t len, uint32_t grain, bool *is_zero) MUST_CHECK;

#endif
