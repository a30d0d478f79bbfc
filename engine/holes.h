/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which parts of a chunk are zeros that need not be written. Pure; looks at the data once.
 *
 * A hole consists of whole grains, counted from the start of the end, so that what several chunks
 * leave out fits together; what is left over at either end of a chunk is written.
 */
#ifndef ENGINE_HOLES_H
#define ENGINE_HOLES_H

#include "../core/base.h"

/*
 * How many of the len bytes at data, which belong at at_bytes of the end, are to be treated alike:
 * 1..len, a hole's no more than max_hole. *is_hole: all zeros, and whole grains.
 */
uint32_t holes_next(const uint8_t *data, uint32_t len, uint64_t at_bytes, uint32_t grain,
	uint32_t max_hole, bool *is_hole) MUST_CHECK;

#endif
