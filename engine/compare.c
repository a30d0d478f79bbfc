/* SPDX-License-Identifier: BSD-2-Clause */
/* Equal chunks cost one memcmp(); only a chunk that differs is looked at block by block. */
#include "compare.h"

#include <string.h>

static uint32_t first_difference(const uint8_t *want, const uint8_t *got)
{
	uint32_t i = 0;

	while (want[i] == got[i])
		i++;
	return i;
}

void compare_add(struct miscompare *sum, const struct miscompare *m)
{
	uint64_t blocks = sum->blocks + m->blocks;
	struct differences *differences = sum->differences;

	if (m->blocks && (!sum->blocks || m->at_bytes < sum->at_bytes))
		*sum = *m;
	sum->blocks = blocks;
	sum->differences = differences;
}

static COLD void compare_blocks(struct miscompare *m, const uint8_t *want, const uint8_t *got,
	uint32_t len_bytes, uint32_t block_bytes, uint64_t at_bytes)
{
	for (uint32_t at = 0; at < len_bytes; at += block_bytes) {
		uint32_t len = (uint32_t)min_u64(block_bytes, len_bytes - at);

		if (memcmp(want + at, got + at, len) != 0) {
			uint32_t i = at + first_difference(want + at, got + at);

			compare_add(
				m, &(struct miscompare){ 1, at_bytes + i, want[i], got[i], NULL });
			if (m->differences)
				differences_note(m->differences, at_bytes + at, len, block_bytes);
		}
	}
}

void compare_chunk(struct miscompare *m, const void *want, const void *got, uint32_t len_bytes,
	uint32_t block_bytes, uint64_t at_bytes)
{
	if (memcmp(want, got, len_bytes) != 0)
		compare_blocks(m, want, got, len_bytes, block_bytes, at_bytes);
}
