/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges as a short text, for tests that look at all of a map. */
#ifndef TESTS_RANGETEXT_H
#define TESTS_RANGETEXT_H

#include "../../core/ranges.h"

/* Fails the test where r is not "0? 10+ 20": what starts where, in hex ('w' is WRITTEN), and the
 * total. */
void expect_ranges(const struct ranges *r, const char *text);

#endif
