/* SPDX-License-Identifier: BSD-2-Clause */
#include "holes.h"

#include "../core/zeros.h"

uint32_t holes_next(const uint8_t *data, uint32_t len, uint64_t at_bytes, uint32_t grain,
	uint32_t max_hole, bool *is_hole)
{
	uint32_t behind = (uint32_t)(at_bytes % grain), head = behind ? grain - behind : 0;
	uint32_t body, run;
	bool zeros;

	*is_hole = false;
	if (head >= len || len - head < grain)
		return len;
	body = (uint32_t)round_down_u64(len - head, grain);
	run = zeros_run(data + head, body, grain, &zeros);
	if (zeros && head == 0) {
		*is_hole = true;
		return (uint32_t)min_u64(run, round_down_u64(max_hole, grain));
	}
	if (zeros)
		return head;
	return run == body ? len : head + run;
}
