/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ordinary memory for transfers, for all slots of a run in one piece: page-aligned pieces, in
 * transparent huge pages where there are any (fewer segments to map for direct IO), present before
 * the first transfer.
 */
#ifndef ENGINE_BUFFER_H
#define ENGINE_BUFFER_H

#include "../core/base.h"

struct buffers {
	uint8_t *map;
	size_t map_bytes;
	uint8_t *first;
	size_t stride_bytes;
};

/* n buffers of at least len_bytes each. 0, or -1 with errno. */
int buffers_alloc(struct buffers *b, unsigned n, uint32_t len_bytes) MUST_CHECK;
void *buffers_at(const struct buffers *b, unsigned i);
void buffers_free(struct buffers *b); /* also of a zeroed struct */

#endif
