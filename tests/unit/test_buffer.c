/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "../../core/clock.h"
#include "../../engine/buffer.h"

#define PAGE 4096u
#define HUGE ((size_t)2 << 20)

static void buffers_are_page_aligned_and_apart(void **state)
{
	struct buffers b;

	(void)state;
	assert_int_equal(buffers_alloc(&b, 7, 520 * 9), 0);
	for (unsigned i = 0; i < 7; i++) {
		uint8_t *p = buffers_at(&b, i);

		assert_int_equal((uintptr_t)p % PAGE, 0);
		memset(p, (int)i, 520 * 9);
	}
	for (unsigned i = 0; i < 7; i++) {
		uint8_t *p = buffers_at(&b, i);

		assert_int_equal(p[0], i);
		assert_int_equal(p[520 * 9 - 1], i);
	}
	buffers_free(&b);
}

static void large_ones_begin_at_a_huge_page(void **state)
{
	struct buffers b;

	(void)state;
	assert_int_equal(buffers_alloc(&b, 4, 1u << 20), 0);
	assert_int_equal((uintptr_t)buffers_at(&b, 0) % HUGE, 0);
	memset(buffers_at(&b, 3), 1, 1u << 20);
	buffers_free(&b);
}

static void all_pages_are_present_from_the_start(void **state)
{
	struct buffers b;
	unsigned char vec[64];

	(void)state;
	assert_int_equal(buffers_alloc(&b, 4, 16 * PAGE), 0);
	assert_int_equal(mincore(buffers_at(&b, 0), 64 * PAGE, vec), 0);
	for (unsigned i = 0; i < 64; i++)
		assert_true(vec[i] & 1);
	buffers_free(&b);
}

static void freeing_gives_all_back(void **state)
{
	struct buffers b;
	uint8_t *map;
	size_t len;

	(void)state;
	assert_int_equal(buffers_alloc(&b, 4, 1u << 20), 0);
	map = b.map;
	len = b.map_bytes;
	buffers_free(&b);
	assert_int_equal(msync(map, PAGE, MS_ASYNC), -1);
	assert_int_equal(msync(map + len - PAGE, PAGE, MS_ASYNC), -1);
	assert_null(b.map);
	buffers_free(&b); /* of a zeroed struct */
}

static void too_much_is_refused(void **state)
{
	struct buffers b;

	(void)state;
	assert_int_equal(buffers_alloc(&b, UINT32_MAX, UINT32_MAX), -1);
	assert_int_equal(errno, ENOMEM);
	assert_null(b.map);
	buffers_free(&b);
}

static void the_clock_never_goes_back(void **state)
{
	nsec_t last = clock_now_ns();

	(void)state;
	assert_true(last > 0);
	for (unsigned i = 0; i < 1000; i++) {
		nsec_t now = clock_now_ns();

		assert_true(now >= last);
		last = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_are_page_aligned_and_apart),
		cmocka_unit_test(large_ones_begin_at_a_huge_page),
		cmocka_unit_test(all_pages_are_present_from_the_start),
		cmocka_unit_test(freeing_gives_all_back),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(the_clock_never_goes_back),
	};

	return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
