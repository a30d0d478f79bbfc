/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../engine/compare.h"

#define LEN   4096
#define BLOCK 512
#define AT    (1u << 20)

static uint8_t want[LEN], got[LEN];

static struct miscompare compared(uint32_t len)
{
	struct miscompare m;

	memset(&m, 0, sizeof(m));
	compare_chunk(&m, want, got, len, BLOCK, AT);
	return m;
}

static int equal_sides(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LEN; i++)
		want[i] = got[i] = (uint8_t)(i * 7 + i / 256);
	return 0;
}

static void equal_sides_have_no_miscompare(void **state)
{
	(void)state;
	assert_int_equal(compared(LEN).blocks, 0);
	assert_int_equal(compared(0).blocks, 0);
}

static void one_byte_anywhere_is_found_in_its_place(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LEN; i++) {
		struct miscompare m;

		got[i] ^= 0x10;
		m = compared(LEN);
		assert_int_equal(m.blocks, 1);
		assert_int_equal(m.at_bytes, AT + i);
		assert_int_equal(m.expected, want[i]);
		assert_int_equal(m.found, want[i] ^ 0x10);
		got[i] ^= 0x10;
	}
}

static void each_block_that_differs_counts_once(void **state)
{
	struct miscompare m;

	(void)state;
	got[BLOCK + 3] ^= 1;
	got[BLOCK + 4] ^= 1;
	got[3 * BLOCK] ^= 1;
	m = compared(LEN);
	assert_int_equal(m.blocks, 2);
	assert_int_equal(m.at_bytes, AT + BLOCK + 3);
}

static void a_last_block_may_be_short(void **state)
{
	(void)state;
	got[BLOCK + 99] ^= 1;
	got[BLOCK + 100] ^= 1;
	assert_int_equal(compared(BLOCK + 100).blocks, 1);
	assert_int_equal(compared(BLOCK + 99).blocks, 0);
}

static void sums_keep_the_first_place(void **state)
{
	struct miscompare sum = { 0 }, late = { 2, 900, 1, 2, NULL },
			  early = { 3, 100, 3, 4, NULL }, none = { 0, 5, 6, 7, NULL };

	(void)state;
	compare_add(&sum, &none);
	assert_int_equal(sum.blocks, 0);
	compare_add(&sum, &late);
	compare_add(&sum, &none);
	assert_int_equal(sum.at_bytes, 900);
	compare_add(&sum, &early);
	assert_int_equal(sum.blocks, 5);
	assert_int_equal(sum.at_bytes, 100);
	assert_int_equal(sum.found, 4);
	compare_add(&sum, &late);
	assert_int_equal(sum.at_bytes, 100);
	assert_int_equal(sum.blocks, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(equal_sides_have_no_miscompare, equal_sides),
		cmocka_unit_test_setup(one_byte_anywhere_is_found_in_its_place, equal_sides),
		cmocka_unit_test_setup(each_block_that_differs_counts_once, equal_sides),
		cmocka_unit_test_setup(a_last_block_may_be_short, equal_sides),
		cmocka_unit_test(sums_keep_the_first_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
