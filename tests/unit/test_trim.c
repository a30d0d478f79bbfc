/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../scsi/trim.h"

/* Can do everything, and says so. */
static struct identity thin(void)
{
	struct identity id;

	identity_init(&id);
	id.blocks = UINT64_C(1) << 32;
	id.block_bytes = id.phys_block_bytes = 512;
	id.lbpme = id.lbprz = true;
	id.lbpu = id.lbpws = id.lbpws10 = true;
	id.lbprz_by_vpd = 1;
	id.max_unmap_blk = UINT32_MAX;
	id.max_unmap_descriptors = 1;
	return id;
}

static void is_trimmed_by(const struct identity *id, enum trim_command command)
{
	struct trim_how how = trim_choose(id);

	assert_string_equal(trim_name(how.command), trim_name(command));
	assert_int_equal(how.max_blocks == 0, command == TRIM_NONE);
	assert_int_equal(how.grain_blocks == 0, command == TRIM_NONE);
}

static void write_same_16_is_preferred_and_unmap_the_last(void **state)
{
	struct identity id = thin();

	(void)state;
	is_trimmed_by(&id, TRIM_WRITE_SAME_16);
	id.lbpws = false;
	is_trimmed_by(&id, TRIM_WRITE_SAME_10);
	id.lbpws10 = false;
	is_trimmed_by(&id, TRIM_UNMAP);
	id.lbpu = false;
	is_trimmed_by(&id, TRIM_NONE);
}

static void write_same_10_must_reach_the_last_block(void **state)
{
	struct identity id = thin();

	(void)state;
	id.lbpws = false;
	id.blocks++;
	is_trimmed_by(&id, TRIM_UNMAP);
}

static void without_zeros_for_certain_nothing_is_trimmed(void **state)
{
	static const struct {
		bool lbpme, lbprz;
		unsigned by_vpd;
		bool trims;
	} cases[] = {
		{ true, true, 1, true },
		{ true, true, 0, true }, /* the page is from before it had the field */
		{ true, false, 1, true },
		{ true, false, 5, true }, /* xx1b */
		{ true, false, 0, false },
		{ true, true, 2, false }, /* a pattern: the page knows better */
		{ false, true, 1, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct identity id = thin();

		id.lbpme = cases[i].lbpme;
		id.lbprz = cases[i].lbprz;
		id.lbprz_by_vpd = cases[i].by_vpd;
		if ((trim_choose(&id).command != TRIM_NONE) != cases[i].trims)
			fail_msg("case %zu", i);
	}
}

static void unmap_needs_its_limits_and_granules_from_lba_0(void **state)
{
	struct identity id = thin();

	(void)state;
	id.lbpws = id.lbpws10 = false;
	id.unmap_grain_blk = 8;
	id.unmap_align_blk = 16;
	is_trimmed_by(&id, TRIM_UNMAP);
	id.unmap_align_blk = 3;
	is_trimmed_by(&id, TRIM_NONE);
	id = thin();
	id.lbpws = id.lbpws10 = false;
	id.max_unmap_blk = 0;
	is_trimmed_by(&id, TRIM_NONE);
	id = thin();
	id.lbpws = id.lbpws10 = false;
	id.max_unmap_descriptors = 0;
	is_trimmed_by(&id, TRIM_NONE);
}

static void write_same_may_be_any_range(void **state)
{
	struct identity id = thin();

	(void)state;
	id.unmap_grain_blk = 8;
	id.unmap_align_blk = 3;
	id.max_unmap_blk = id.max_unmap_descriptors = 0;
	is_trimmed_by(&id, TRIM_WRITE_SAME_16);
}

static void the_longest_command_is_the_lowest_limit(void **state)
{
	static const struct {
		bool ws16, ws10;
		uint64_t max_ws;
		uint32_t max_unmap, max;
	} cases[] = {
		{ true, true, 0, UINT32_MAX, 65535 }, /* not told */
		{ true, true, 0, 1000, 1000 },
		{ true, true, 1 << 20, UINT32_MAX, 1 << 20 },
		{ true, true, UINT64_C(1) << 40, UINT32_MAX, UINT32_MAX },
		{ true, true, 1 << 20, 0, 1 << 20 },
		{ false, true, 1 << 20, UINT32_MAX, 65535 },
		{ false, true, 100, UINT32_MAX, 100 },
		{ false, false, 100, 4096, 4096 },
		{ false, false, 100, UINT32_MAX, UINT32_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct identity id = thin();

		id.lbpws = cases[i].ws16;
		id.lbpws10 = cases[i].ws10;
		id.max_write_same_blk = cases[i].max_ws;
		id.max_unmap_blk = cases[i].max_unmap;
		assert_int_equal(trim_choose(&id).max_blocks, cases[i].max);
	}
}

static void the_grain_is_the_granule_or_the_physical_block(void **state)
{
	struct identity id = thin();

	(void)state;
	assert_int_equal(trim_choose(&id).grain_blocks, 1);
	id.phys_block_bytes = 4096;
	assert_int_equal(trim_choose(&id).grain_blocks, 8);
	assert_int_equal(trim_choose(&id).max_blocks, 65528); /* whole ones */
	id.unmap_grain_blk = 3;
	assert_int_equal(trim_choose(&id).grain_blocks, 8);
	id.unmap_grain_blk = 2048;
	assert_int_equal(trim_choose(&id).grain_blocks, 2048);
	id.phys_block_bytes = 0;
	id.unmap_grain_blk = 1000000;
	assert_int_equal(trim_choose(&id).max_blocks, 65535);
}

/* --- GET LBA STATUS --- */

#define LBA(n) 0, 0, 0, 0, 0, 0, (n) >> 8, (n)&0xff
#define FOR(n) 0, 0, (n) >> 8, (n)&0xff
#define IS(s)  s, 0, 0, 0

enum { MAPPED, DEALLOCATED, ANCHORED, UNKNOWN = 4 };

static void one_stretch_that_holds_the_range_tells(void **state)
{
	static const uint8_t data[] = { 0, 0, 0, 20, 0, 0, 0, 0, LBA(1000), FOR(100),
		IS(DEALLOCATED) };

	(void)state;
	assert_true(trim_is_unmapped(data, sizeof(data), 1000, 100));
	assert_true(trim_is_unmapped(data, sizeof(data), 1050, 50));
	assert_true(trim_is_unmapped(data, sizeof(data), 1000, 1));
	assert_false(trim_is_unmapped(data, sizeof(data), 1000, 101));
	assert_false(trim_is_unmapped(data, sizeof(data), 999, 2));
	assert_false(trim_is_unmapped(data, sizeof(data), 1100, 1));
	assert_false(trim_is_unmapped(data, sizeof(data), 1200, 1));
	assert_false(trim_is_unmapped(data, sizeof(data) - 1, 1000, 100)); /* cut off */
}

static void each_stretch_must_be_unmapped_and_follow_the_one_before(void **state)
{
	uint8_t data[] = { 0, 0, 0, 52, 0, 0, 0, 0, LBA(1000), FOR(10), IS(DEALLOCATED), LBA(1010),
		FOR(10), IS(ANCHORED), LBA(1020), FOR(10), IS(DEALLOCATED) };
	static const uint8_t others[] = { MAPPED, 3, UNKNOWN, 15 };

	(void)state;
	assert_true(trim_is_unmapped(data, sizeof(data), 1000, 30));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		data[24 + 12] = others[i];
		assert_false(trim_is_unmapped(data, sizeof(data), 1000, 30));
		assert_true(trim_is_unmapped(data, sizeof(data), 1000, 10));
	}
	data[24 + 12] = ANCHORED;
	data[24 + 7]++; /* a gap */
	assert_false(trim_is_unmapped(data, sizeof(data), 1000, 30));
}

static void what_lies_behind_its_own_length_is_not_believed(void **state)
{
	static const uint8_t data[] = { 0, 0, 0, 4, 0, 0, 0, 0, LBA(1000), FOR(100),
		IS(DEALLOCATED) };

	(void)state;
	assert_false(trim_is_unmapped(data, sizeof(data), 1000, 100));
	assert_false(trim_is_unmapped(data, 0, 1000, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_same_16_is_preferred_and_unmap_the_last),
		cmocka_unit_test(write_same_10_must_reach_the_last_block),
		cmocka_unit_test(without_zeros_for_certain_nothing_is_trimmed),
		cmocka_unit_test(unmap_needs_its_limits_and_granules_from_lba_0),
		cmocka_unit_test(write_same_may_be_any_range),
		cmocka_unit_test(the_longest_command_is_the_lowest_limit),
		cmocka_unit_test(the_grain_is_the_granule_or_the_physical_block),
		cmocka_unit_test(one_stretch_that_holds_the_range_tells),
		cmocka_unit_test(each_stretch_must_be_unmapped_and_follow_the_one_before),
		cmocka_unit_test(what_lies_behind_its_own_length_is_not_believed),
	};

	return cmocka_run_group_tests_name("trim", tests, NULL, NULL);
}
