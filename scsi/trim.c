/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relies on, of SBC-4 (4.7 and the commands' own clauses):
 *  - WRITE SAME: whether a block is written or unmapped, it reads as the one sent. Not all firmware
 *    keeps to it, so as sd does (sd.c sd_config_write_same()) it is used only where unmapped
 *    blocks read as zeros anyway (LBPRZ);
 *  - UNMAP: may leave blocks as they were, those of a part of a granule surely, and still be GOOD;
 *    GET LBA STATUS tells, and with LBPRZ what is unmapped reads as zeros;
 *  - Block Limits: a disk that tells no MAXIMUM WRITE SAME LENGTH gets no more than WRITE SAME(10)
 *    could carry, again as sd does: some fail above. And where MAXIMUM UNMAP LBA COUNT is lower,
 *    some mean it for WRITE SAME as well.
 */
#include "trim.h"

#include <assert.h>

#include "be.h"

#define STATUS_HEADER	  8
#define STATUS_DESCRIPTOR 16

enum { STATUS_DEALLOCATED = 1, STATUS_ANCHORED = 2 };

static bool unmapped_is_zero(const struct identity *id)
{
	if (id->lbprz_by_vpd)
		return id->lbprz_by_vpd & 1;
	return id->lbprz; /* page B2h had no such field in drafts of SBC-3 */
}

/* Granules that begin elsewhere than at LBA 0 would each be left out by aligned ranges. */
static bool unmaps_aligned(const struct identity *id)
{
	return id->lbpu && id->max_unmap_blk && id->max_unmap_descriptors &&
	       (!id->unmap_grain_blk || id->unmap_align_blk % id->unmap_grain_blk == 0);
}

static enum trim_command choose(const struct identity *id)
{
	if (!id->lbpme || !unmapped_is_zero(id))
		return TRIM_NONE;
	if (id->lbpws)
		return TRIM_WRITE_SAME_16;
	if (id->lbpws10 && id->blocks - 1 <= UINT32_MAX)
		return TRIM_WRITE_SAME_10;
	return unmaps_aligned(id) ? TRIM_UNMAP : TRIM_NONE;
}

static uint32_t max_blocks(const struct identity *id, enum trim_command command)
{
	uint64_t max = UINT32_MAX;

	if (command != TRIM_UNMAP)
		max = id->max_write_same_blk ? id->max_write_same_blk : UINT16_MAX;
	if (command == TRIM_WRITE_SAME_10)
		max = min_u64(max, UINT16_MAX);
	if (id->max_unmap_blk)
		max = min_u64(max, id->max_unmap_blk);
	return (uint32_t)min_u64(max, UINT32_MAX);
}

struct trim_how trim_choose(const struct identity *id)
{
	struct trim_how how = { .command = choose(id) };
	uint64_t grain = max_u64(id->unmap_grain_blk, id->phys_block_bytes / id->block_bytes);

	if (how.command == TRIM_NONE)
		return how;
	how.grain_blocks = (uint32_t)max_u64(grain, 1);
	how.max_blocks = max_blocks(id, how.command);
	if (how.max_blocks >= how.grain_blocks)
		how.max_blocks = (uint32_t)round_down_u64(how.max_blocks, how.grain_blocks);
	return how;
}

const char *trim_name(enum trim_command command)
{
	static const char *const names[] = { "", "WRITE SAME(16)", "WRITE SAME(10)", "UNMAP" };

	assert(command < ARRAY_SIZE(names));
	return names[command];
}

bool trim_is_unmapped(const uint8_t *data, size_t len, uint64_t lba, uint32_t blocks)
{
	size_t at, end = len < 4 ? 0 : (size_t)min_u64(len, UINT64_C(4) + get_be32(data));

	for (at = STATUS_HEADER; blocks && at + STATUS_DESCRIPTOR <= end; at += STATUS_DESCRIPTOR) {
		uint64_t first = get_be64(data + at);
		uint32_t n = get_be32(data + at + 8);
		unsigned status = data[at + 12] & 0x0f;

		if (lba < first || lba - first >= n ||
			(status != STATUS_DEALLOCATED && status != STATUS_ANCHORED))
			return false;
		n = (uint32_t)min_u64(n - (lba - first), blocks);
		lba += n;
		blocks -= n;
	}
	return blocks == 0;
}
