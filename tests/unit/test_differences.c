/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../engine/compare.h"
#include "../../engine/differences.h"

#define BLOCK 512u
#define START (4 * BLOCK) /* of the span in the map */
#define SPAN  (8 * BLOCK)
#define TOTAL (START + SPAN + 4 * BLOCK)

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
static bool no_memory;

void *__wrap_malloc(size_t n)
{
	return no_memory ? NULL : __real_malloc(n);
}

struct scene {
	struct ranges map;
	struct differences d;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_true(ranges_init(&s->map, TOTAL));
	assert_true(ranges_set(&s->map, 0, TOTAL, RANGE_DONE));
	differences_init(&s->d, &s->map);
	s->d.at_bytes = START;
	s->d.len_bytes = SPAN;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	no_memory = false;
	ranges_destroy(&s->map);
	free(s);
	return 0;
}

/* That range of the map, and nothing else, is untried. */
static void assert_untried(struct scene *s, uint64_t at, uint64_t len)
{
	struct range x;

	assert_int_equal(ranges_bytes(&s->map, RANGE_UNTRIED), len);
	assert_true(ranges_get(&s->map, at, &x));
	assert_int_equal(x.at_bytes, at);
	assert_int_equal(x.len_bytes, len);
	assert_int_equal(x.status, RANGE_UNTRIED);
}

static void what_differs_is_untried_where_it_lies_in_the_map(void **state)
{
	struct scene *s = *state;

	differences_note(&s->d, 2 * BLOCK, 2 * BLOCK, BLOCK);
	differences_note(&s->d, 3 * BLOCK, BLOCK, BLOCK);
	assert_true(differences_end(&s->d));
	assert_int_equal(s->d.bytes, 2 * BLOCK);
	assert_untried(s, START + 2 * BLOCK, 2 * BLOCK);
}

static void without_a_difference_the_map_stays(void **state)
{
	struct scene *s = *state;

	assert_false(differences_end(&s->d));
	assert_int_equal(ranges_bytes(&s->map, RANGE_DONE), TOTAL);
}

static void what_is_bad_or_failed_stays_that(void **state)
{
	struct scene *s = *state;

	assert_true(ranges_set(&s->map, START, BLOCK, RANGE_BAD));
	assert_true(ranges_set(&s->map, START + 2 * BLOCK, SPAN - 2 * BLOCK, RANGE_FAILED));
	differences_note(&s->d, 0, SPAN, BLOCK);
	assert_true(differences_end(&s->d));
	assert_untried(s, START + BLOCK, BLOCK);
	assert_int_equal(ranges_bytes(&s->map, RANGE_BAD), BLOCK);
}

static void what_pads_the_end_counts_as_the_last_block(void **state)
{
	struct scene *s = *state;

	s->d.len_bytes = SPAN - 100;
	differences_note(&s->d, SPAN + 3 * BLOCK, BLOCK, BLOCK);
	assert_true(differences_end(&s->d));
	assert_untried(s, START + SPAN - BLOCK, BLOCK - 100);
}

static void a_span_of_nothing_has_no_differences(void **state)
{
	struct scene *s = *state;

	s->d.len_bytes = 0;
	differences_note(&s->d, 0, BLOCK, BLOCK);
	assert_false(differences_end(&s->d));
}

static void without_memory_nothing_is_done(void **state)
{
	struct scene *s = *state;

	no_memory = true;
	for (uint64_t at = 0; at < SPAN && !s->d.lost; at += 2)
		differences_note(&s->d, at, 1, 1);
	no_memory = false;
	assert_true(s->d.lost);
	assert_true(differences_end(&s->d));
	assert_int_equal(s->d.bytes, TOTAL);
	assert_untried(s, 0, TOTAL);
}

static void blocks_that_differ_are_noted_and_no_others(void **state)
{
	static uint8_t want[SPAN], got[SPAN];
	struct scene *s = *state;
	struct miscompare m = { .differences = &s->d }, sum = { 0 };

	got[BLOCK] = 1;
	got[3 * BLOCK - 1] = 1;
	compare_chunk(&m, want, got, 4 * BLOCK, BLOCK, 2 * BLOCK);
	assert_int_equal(m.blocks, 2);
	assert_ptr_equal(m.differences, &s->d);
	compare_add(&sum, &m);
	assert_null(sum.differences);
	assert_true(differences_end(&s->d));
	assert_untried(s, START + 3 * BLOCK, 2 * BLOCK);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(what_differs_is_untried_where_it_lies_in_the_map),
		SCENE(without_a_difference_the_map_stays),
		SCENE(what_is_bad_or_failed_stays_that),
		SCENE(what_pads_the_end_counts_as_the_last_block),
		SCENE(a_span_of_nothing_has_no_differences),
		SCENE(without_memory_nothing_is_done),
		SCENE(blocks_that_differ_are_noted_and_no_others),
	};

	return cmocka_run_group_tests_name("differences", tests, NULL, NULL);
}
