/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists of blocks as badblocks(8) -o writes and e2fsck(8) -l reads them: one decimal number a line,
 * ascending, in units of a block length, nothing else. (e2fsck reads up to 2^32-1.)
 */
#ifndef CORE_BADBLOCKS_H
#define CORE_BADBLOCKS_H

#include "ranges.h"
#include "replace.h"

/*
 * Prints each block that has at least a byte in a range whose status is in the set, once.
 * block_bytes is not 0.
 */
void badblocks_print(const struct ranges *r, unsigned set, uint32_t block_bytes, struct textout *t);

/* The same to a file, as replace_file() does, without .bak. */
int badblocks_save(const char *path, const struct ranges *r, unsigned set, uint32_t block_bytes,
	enum replace_step *step) MUST_CHECK;

/*
 * Gives the blocks listed in the len bytes of text this status: in any order, also twice; a last
 * block that the map ends in counts. Blank lines are passed over. Returns 0, EINVAL (a line that is
 * no number), ERANGE (a block past the end of the map) or ENOMEM; then *line is where, from 1, and
 * the map as it was.
 */
int badblocks_parse(const char *text, size_t len, uint32_t block_bytes, enum range_status status,
	struct ranges *r, unsigned long *line) MUST_CHECK;

#endif
