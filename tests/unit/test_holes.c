/* SPDX-License-Identifier: BSD-2-Clause */
/* Against a model that looks at each grain by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../engine/holes.h"
#include "../lib/rng.h"

#define WHOLE_MAX 6000u

/* An end's bytes, and how they are cut. */
struct world {
	uint64_t seed;
	struct rng rng;
	uint64_t start; /* of bytes, in the end */
	uint32_t len, grain, max_hole;
	uint8_t bytes[WHOLE_MAX];
	bool left_out[WHOLE_MAX];
};

#define hold(w, cond) \
	do { \
		if (!(cond)) \
			fail_msg("seed %llu: %s", (unsigned long long)(w)->seed, #cond); \
	} while (0)

static void world_make(struct world *w, uint64_t seed)
{
	static const uint32_t grains[] = { 1, 3, 16, 512, 520, 4096 };

	memset(w, 0, sizeof(*w));
	w->seed = w->rng.state = seed;
	w->grain = grains[rng_below(&w->rng, ARRAY_SIZE(grains))];
	w->len = (uint32_t)rng_between(&w->rng, 1, WHOLE_MAX);
	w->start = rng_below(&w->rng, 3 * w->grain);
	if (rng_once_in(&w->rng, 4)) /* far out: more than 32 bits */
		w->start += (UINT64_C(1) << 40) / w->grain * w->grain;
	w->max_hole = rng_once_in(&w->rng, 2)
			      ? UINT32_MAX
			      : (uint32_t)rng_between(&w->rng, w->grain, 10ull * w->grain);
	for (uint32_t at = 0, n; at < w->len; at += n) {
		n = (uint32_t)min_u64(rng_between(&w->rng, 1, 3ull * w->grain), w->len - at);
		if (rng_once_in(&w->rng, 2))
			memset(w->bytes + at, (int)rng_between(&w->rng, 1, 255), n);
	}
}

/* One chunk, part by part, as a leg does it. */
static void cut_chunk(struct world *w, uint32_t from, uint32_t len)
{
	uint32_t at = 0, n;
	bool is_hole, was_hole = false, was_full = false;

	for (; at < len; at += n) {
		n = holes_next(w->bytes + from + at, len - at, w->start + from + at, w->grain,
			w->max_hole, &is_hole);
		hold(w, n >= 1 && n <= len - at);
		hold(w, !is_hole || n <= w->max_hole);
		hold(w, !is_hole || (w->start + from + at) % w->grain == 0);
		hold(w, !is_hole || n % w->grain == 0);
		/* What could have been one part is one. */
		hold(w, at == 0 || is_hole != was_hole || (is_hole && was_full));
		memset(w->left_out + from + at, is_hole, n);
		was_hole = is_hole;
		was_full = n == w->max_hole / w->grain * w->grain;
	}
	hold(w, at == len);
}

/* A grain is a hole if it is all zeros and all in the chunk. */
static bool model(const struct world *w, uint32_t from, uint32_t len, uint32_t at)
{
	uint64_t grain = (w->start + at) / w->grain * w->grain;

	if (grain < w->start + from || grain + w->grain > w->start + from + len)
		return false;
	for (uint64_t i = grain; i < grain + w->grain; i++)
		if (w->bytes[i - w->start])
			return false;
	return true;
}

static void check_chunk(const struct world *w, uint32_t from, uint32_t len)
{
	for (uint32_t at = from; at < from + len; at++)
		hold(w, w->left_out[at] == model(w, from, len, at));
}

static void whole_grains_of_zeros_are_left_out_and_nothing_else(void **state)
{
	static struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		world_make(&w, seed);
		cut_chunk(&w, 0, w.len);
		check_chunk(&w, 0, w.len);
	}
}

static void what_several_chunks_leave_out_fits_together(void **state)
{
	static struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		world_make(&w, seed);
		for (uint32_t from = 0, len; from < w.len; from += len) {
			len = (uint32_t)min_u64(rng_between(&w.rng, 1, w.len), w.len - from);
			cut_chunk(&w, from, len);
			check_chunk(&w, from, len);
		}
	}
}

static void a_chunk_of_whole_grains_is_cut_as_the_end_is(void **state)
{
	static struct world w;
	uint32_t len;

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		world_make(&w, seed);
		w.start -= w.start % w.grain;
		for (uint32_t from = 0; from < w.len; from += len) {
			len = (uint32_t)min_u64(rng_between(&w.rng, 1, 4) * w.grain, w.len - from);
			cut_chunk(&w, from, len);
		}
		check_chunk(&w, 0, w.len);
	}
}

static void a_hole_is_no_longer_than_the_longest_one_in_whole_grains(void **state)
{
	static const uint8_t zeros[64];
	bool is_hole;

	(void)state;
	assert_int_equal(holes_next(zeros, 64, 0, 8, 30, &is_hole), 24);
	assert_true(is_hole);
	assert_int_equal(holes_next(zeros, 64, 16, 8, UINT32_MAX, &is_hole), 64);
	assert_true(is_hole);
}

static void zeros_before_the_first_grain_are_written_by_themselves(void **state)
{
	static const uint8_t zeros[64];
	bool is_hole;

	(void)state;
	assert_int_equal(holes_next(zeros, 64, 5, 8, UINT32_MAX, &is_hole), 3);
	assert_false(is_hole);
	assert_int_equal(holes_next(zeros, 7, 0, 8, UINT32_MAX, &is_hole), 7);
	assert_false(is_hole);
	assert_int_equal(holes_next(zeros, 10, 1, 8, UINT32_MAX, &is_hole), 10);
	assert_false(is_hole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_grains_of_zeros_are_left_out_and_nothing_else),
		cmocka_unit_test(what_several_chunks_leave_out_fits_together),
		cmocka_unit_test(a_chunk_of_whole_grains_is_cut_as_the_end_is),
		cmocka_unit_test(a_hole_is_no_longer_than_the_longest_one_in_whole_grains),
		cmocka_unit_test(zeros_before_the_first_grain_are_written_by_themselves),
	};

	return cmocka_run_group_tests_name("holes", tests, NULL, NULL);
}
