/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "../../core/zeros.h"
#include "../lib/rng.h"

#define ROOM 2048u

static bool naive_all(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static uint32_t naive_run(const uint8_t *p, uint32_t len, uint32_t grain, bool *is_zero)
{
	uint32_t at = 0;
	bool is;

	do {
		uint32_t n = (uint32_t)min_u64(grain, len - at);

		is = naive_all(p + at, n);
		if (at == 0)
			*is_zero = is;
		if (is != *is_zero)
			break;
		at += n;
	} while (at < len);
	return at;
}

static void nothing_is_all_zeros(void **state)
{
	(void)state;
	assert_true(zeros_all("x", 0));
}

static void one_byte_anywhere_is_seen_at_any_length_and_alignment(void **state)
{
	uint8_t buf[ROOM] = { 0 };

	(void)state;
	for (size_t from = 0; from < 17; from++)
		for (size_t len = 1; len < 600; len += len < 300 ? 1 : 7) {
			assert_true(zeros_all(buf + from, len));
			for (size_t at = 0; at < len; at++) {
				buf[from + at] = 0x80;
				if (zeros_all(buf + from, len))
					fail_msg("from %zu, byte %zu of %zu", from, at, len);
				buf[from + at] = 0;
			}
		}
}

static void what_lies_around_is_not_looked_at(void **state)
{
	uint8_t buf[ROOM];

	(void)state;
	for (size_t from = 1; from < 18; from++)
		for (size_t len = 0; len < 1100; len++) {
			memset(buf, 0xff, sizeof(buf));
			memset(buf + from, 0, len);
			if (!zeros_all(buf + from, len))
				fail_msg("from %zu, %zu bytes", from, len);
		}
}

static void no_byte_before_or_behind_is_read(void **state)
{
	uint8_t *map = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + 4096, 4096, PROT_READ), 0);
	for (size_t len = 0; len <= 4096; len++) {
		assert_true(zeros_all(map + 4096, len));
		assert_true(zeros_all(map + 8192 - len, len));
	}
	munmap(map, 3 * 4096);
}

static void a_run_ends_where_the_kind_changes(void **state)
{
	uint8_t buf[ROOM] = { 0 };
	bool is_zero;

	(void)state;
	buf[1024] = 1;
	assert_int_equal(zeros_run(buf, ROOM, 512, &is_zero), 1024);
	assert_true(is_zero);
	assert_int_equal(zeros_run(buf + 1024, ROOM - 1024, 512, &is_zero), 512);
	assert_false(is_zero);
	assert_int_equal(zeros_run(buf, ROOM, 4096, &is_zero), ROOM);
	assert_false(is_zero);
}

static void a_short_last_piece_belongs_to_its_run(void **state)
{
	uint8_t buf[ROOM] = { 0 };
	bool is_zero;

	(void)state;
	assert_int_equal(zeros_run(buf, 1025, 512, &is_zero), 1025);
	assert_true(is_zero);
	buf[1024] = 1;
	assert_int_equal(zeros_run(buf, 1025, 512, &is_zero), 1024);
	assert_true(is_zero);
	assert_int_equal(zeros_run(buf + 1024, 1, 512, &is_zero), 1);
	assert_false(is_zero);
}

/* Stretches of zeros and of data with many zeros in it. */
static void fill(struct rng *r, uint8_t *buf, uint32_t len)
{
	for (uint32_t at = 0, n; at < len; at += n) {
		n = (uint32_t)min_u64(rng_between(r, 1, 700), len - at);
		memset(buf + at, 0, n);
		if (rng_below(r, 2))
			for (uint64_t i = rng_between(r, 1, 3); i > 0; i--)
				buf[at + rng_below(r, n)] = (uint8_t)rng_between(r, 1, 255);
	}
}

static void runs_are_those_of_a_byte_by_byte_search(void **state)
{
	struct rng r = { 1 };

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		uint32_t from = (uint32_t)rng_below(&r, 64);
		uint32_t len = (uint32_t)rng_between(&r, 1, 5000);
		uint32_t grain = (uint32_t)rng_between(&r, 1, rng_below(&r, 2) ? 16 : 1500);
		uint8_t *buf = malloc(from + len); /* its end is the end of the memory: ASan */

		assert_non_null(buf);
		fill(&r, buf, from + len);
		for (uint32_t at = 0, n; at < len; at += n) {
			bool want_zero = false, is_zero = false;
			uint32_t want = naive_run(buf + from + at, len - at, grain, &want_zero);

			n = zeros_run(buf + from + at, len - at, grain, &is_zero);
			if (n != want || is_zero != want_zero)
				fail_msg("round %u: %u, not %u at %u of %u, grain %u", round, n,
					want, at, len, grain);
		}
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_all_zeros),
		cmocka_unit_test(one_byte_anywhere_is_seen_at_any_length_and_alignment),
		cmocka_unit_test(what_lies_around_is_not_looked_at),
		cmocka_unit_test(no_byte_before_or_behind_is_read),
		cmocka_unit_test(a_run_ends_where_the_kind_changes),
		cmocka_unit_test(a_short_last_piece_belongs_to_its_run),
		cmocka_unit_test(runs_are_those_of_a_byte_by_byte_search),
	};

	return cmocka_run_group_tests_name("zeros", tests, NULL, NULL);
}
