/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc() and realloc() are this file's: they fail when told to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/ranges.h"
#include "../lib/rng.h"

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned good_allocations = UINT32_MAX, allocations;

static bool may_allocate(void)
{
	allocations++;
	if (good_allocations == UINT32_MAX)
		return true;
	return good_allocations > 0 && good_allocations-- > 0;
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	return may_allocate() ? __real_realloc(old, size) : NULL;
}

/* "0+100 -200": what status starts where, and the total. */
static void expect(const struct ranges *r, const char *text)
{
	static const char chars[] = "?*/-w+";
	char is[512];
	size_t n = 0;
	struct range x;

	for (uint64_t at = 0; ranges_get(r, at, &x); at += x.len_bytes) {
		assert_int_equal(x.at_bytes, at);
		n += (size_t)snprintf(is + n, sizeof(is) - n, "%llu%c ",
			(unsigned long long)x.at_bytes, chars[x.status]);
	}
	(void)snprintf(is + n, sizeof(is) - n, "%llu", (unsigned long long)ranges_total(r));
	assert_string_equal(is, text);
}

static void set(struct ranges *r, uint64_t at, uint64_t len, enum range_status status)
{
	assert_true(ranges_set(r, at, len, status));
}

static void sets_split_and_merge(void **state)
{
	struct ranges r;

	(void)state;
	assert_true(ranges_init(&r, 100));
	expect(&r, "0? 100");
	set(&r, 40, 20, RANGE_DONE);
	expect(&r, "0? 40+ 60? 100");
	set(&r, 45, 5, RANGE_BAD);
	expect(&r, "0? 40+ 45- 50+ 60? 100");
	set(&r, 45, 5, RANGE_DONE);
	expect(&r, "0? 40+ 60? 100");
	set(&r, 60, 10, RANGE_DONE); /* borders move ... */
	expect(&r, "0? 40+ 70? 100");
	set(&r, 30, 10, RANGE_DONE);
	expect(&r, "0? 30+ 70? 100");
	set(&r, 70, 30, RANGE_DONE); /* ... until nothing is between them */
	expect(&r, "0? 30+ 100");
	set(&r, 0, 30, RANGE_DONE);
	expect(&r, "0+ 100");
	set(&r, 10, 0, RANGE_BAD);
	set(&r, 100, 0, RANGE_BAD);
	expect(&r, "0+ 100");
	set(&r, 0, 1, RANGE_FAILED);
	set(&r, 99, 1, RANGE_NONSCRAPED);
	set(&r, 50, 1, RANGE_WRITTEN);
	expect(&r, "0* 1+ 50w 51+ 99/ 100");
	set(&r, 0, 100, RANGE_UNTRIED);
	expect(&r, "0? 100");
	ranges_destroy(&r);
	expect(&r, "0");
}

static void one_set_may_swallow_many_ranges_and_both_neighbours(void **state)
{
	struct ranges r;

	(void)state;
	assert_true(ranges_init(&r, 100));
	for (unsigned i = 0; i < 10; i++)
		set(&r, i * 10, 5, i % 2 ? RANGE_BAD : RANGE_DONE);
	set(&r, 5, 55, RANGE_DONE);
	expect(&r, "0+ 65? 70- 75? 80+ 85? 90- 95? 100");
	ranges_destroy(&r);
}

static void sums_and_counts_follow(void **state)
{
	struct ranges r;

	(void)state;
	assert_true(ranges_init(&r, 100));
	set(&r, 10, 10, RANGE_DONE);
	set(&r, 30, 10, RANGE_DONE);
	set(&r, 15, 20, RANGE_BAD);
	assert_int_equal(ranges_bytes(&r, RANGE_DONE), 10);
	assert_int_equal(ranges_bytes(&r, RANGE_BAD), 20);
	assert_int_equal(ranges_bytes(&r, RANGE_UNTRIED), 70);
	assert_int_equal(ranges_count(&r, RANGE_DONE), 2);
	assert_int_equal(ranges_count(&r, RANGE_BAD), 1);
	assert_int_equal(ranges_count(&r, RANGE_FAILED), 0);
	ranges_destroy(&r);
}

static void a_map_may_reach_to_the_last_byte_there_is(void **state)
{
	struct ranges r;

	(void)state;
	assert_true(ranges_init(&r, UINT64_MAX));
	set(&r, UINT64_MAX - 1, 1, RANGE_BAD);
	expect(&r, "0? 18446744073709551614- 18446744073709551615");
	assert_false(ranges_append(&r, 1, RANGE_BAD));
	ranges_destroy(&r);
}

static void append_merges_and_counts(void **state)
{
	struct ranges r = { 0 };

	(void)state;
	assert_true(ranges_append(&r, 0, RANGE_BAD));
	expect(&r, "0");
	assert_true(ranges_append(&r, 5, RANGE_BAD));
	assert_true(ranges_append(&r, 5, RANGE_BAD));
	assert_true(ranges_append(&r, 5, RANGE_DONE));
	expect(&r, "0- 10+ 15");
	assert_int_equal(ranges_bytes(&r, RANGE_BAD), 10);
	ranges_destroy(&r);
}

static void found(bool is, const struct range *x, uint64_t at, uint64_t len, enum range_status s)
{
	assert_true(is);
	assert_int_equal(x->at_bytes, at);
	assert_int_equal(x->len_bytes, len);
	assert_int_equal(x->status, s);
}

static void searches_are_cut_to_their_limits(void **state)
{
	const unsigned bad = RANGE_IS(RANGE_BAD), any = RANGE_IS_ANY;
	struct ranges r;
	struct range x = { 7, 7, RANGE_DONE };

	(void)state;
	assert_true(ranges_init(&r, 100));
	set(&r, 20, 10, RANGE_BAD);
	set(&r, 50, 10, RANGE_BAD);
	found(ranges_first(&r, bad, 0, UINT64_MAX, &x), &x, 20, 10, RANGE_BAD);
	found(ranges_first(&r, bad, 25, 100, &x), &x, 25, 5, RANGE_BAD);
	found(ranges_first(&r, bad, 30, 55, &x), &x, 50, 5, RANGE_BAD);
	found(ranges_last(&r, bad, 0, UINT64_MAX, &x), &x, 50, 10, RANGE_BAD);
	found(ranges_last(&r, bad, 0, 55, &x), &x, 50, 5, RANGE_BAD);
	found(ranges_last(&r, bad, 25, 50, &x), &x, 25, 5, RANGE_BAD);
	found(ranges_last(&r, any, 0, 20, &x), &x, 0, 20, RANGE_UNTRIED);
	x = (struct range){ 7, 7, RANGE_DONE };
	assert_false(ranges_first(&r, bad, 30, 50, &x));
	assert_false(ranges_first(&r, bad, 60, 200, &x));
	assert_false(ranges_first(&r, bad, 100, 200, &x));
	assert_false(ranges_first(&r, bad, 55, 55, &x));
	assert_false(ranges_last(&r, bad, 30, 50, &x));
	assert_false(ranges_last(&r, bad, 0, 20, &x));
	assert_false(ranges_last(&r, bad, 0, 0, &x));
	assert_false(ranges_get(&r, 100, &x));
	found(true, &x, 7, 7, RANGE_DONE);
	ranges_destroy(&r);
}

static void what_is_turned_merges(void **state)
{
	struct ranges r;

	(void)state;
	assert_true(ranges_init(&r, 100));
	set(&r, 10, 10, RANGE_WRITTEN);
	set(&r, 20, 10, RANGE_DONE);
	set(&r, 40, 10, RANGE_WRITTEN);
	ranges_turn(&r, RANGE_WRITTEN, RANGE_DONE);
	expect(&r, "0? 10+ 30? 40+ 50? 100");
	assert_int_equal(ranges_bytes(&r, RANGE_DONE), 30);
	assert_int_equal(ranges_bytes(&r, RANGE_WRITTEN), 0);
	ranges_turn(&r, RANGE_DONE, RANGE_UNTRIED);
	expect(&r, "0? 100");
	ranges_destroy(&r);
}

static void a_flush_settles_what_was_written_before_it_only(void **state)
{
	struct ranges r, earlier = { 0 };

	(void)state;
	assert_true(ranges_init(&r, 100));
	set(&r, 0, 30, RANGE_WRITTEN);
	assert_true(ranges_copy(&earlier, &r));
	set(&r, 30, 20, RANGE_WRITTEN);
	set(&r, 10, 5, RANGE_BAD);
	assert_true(ranges_settle(&r, &earlier, RANGE_DONE));
	expect(&r, "0+ 10- 15+ 30w 50? 100");
	assert_true(ranges_copy(&earlier, &r));
	assert_true(ranges_settle(&r, &earlier, RANGE_UNTRIED));
	expect(&r, "0+ 10- 15+ 30? 100");
	ranges_destroy(&earlier);
	ranges_destroy(&r);
}

static void what_has_come_since_is_undone(void **state)
{
	struct ranges r, earlier = { 0 };

	(void)state;
	assert_true(ranges_init(&r, 100));
	set(&r, 10, 10, RANGE_BAD);
	set(&r, 40, 10, RANGE_BAD);
	assert_true(ranges_copy(&earlier, &r));
	set(&r, 5, 10, RANGE_BAD);
	set(&r, 45, 20, RANGE_BAD);
	set(&r, 41, 1, RANGE_DONE);
	set(&r, 90, 10, RANGE_BAD);
	assert_true(ranges_undo(&r, &earlier, RANGE_BAD, RANGE_FAILED));
	expect(&r, "0? 5* 10- 20? 40- 41+ 42- 50* 65? 90* 100");
	assert_true(ranges_undo(&r, &earlier, RANGE_BAD, RANGE_FAILED));
	expect(&r, "0? 5* 10- 20? 40- 41+ 42- 50* 65? 90* 100");
	ranges_destroy(&earlier);
	ranges_destroy(&r);
}

static void copying_in_order_allocates_nothing(void **state)
{
	struct ranges r;
	unsigned before;

	(void)state;
	assert_true(ranges_init(&r, 100000));
	set(&r, 0, 10, RANGE_WRITTEN);
	set(&r, 99990, 10, RANGE_WRITTEN);
	before = allocations;
	for (unsigned i = 1; i < 5000; i++) {
		set(&r, i * 10, 10, RANGE_WRITTEN);
		set(&r, 99990 - i * 10, 10, RANGE_WRITTEN);
	}
	assert_int_equal(allocations, before);
	expect(&r, "0w 100000");
	ranges_destroy(&r);
}

static void a_second_copy_uses_the_memory_of_the_first(void **state)
{
	struct ranges r, copy = { 0 };
	unsigned before;

	(void)state;
	assert_true(ranges_init(&r, 100000));
	for (unsigned i = 0; i < 5000; i++)
		set(&r, i * 20, 10, RANGE_BAD);
	assert_true(ranges_copy(&copy, &r));
	set(&r, 30000, 10000, RANGE_DONE);
	before = allocations;
	assert_true(ranges_copy(&copy, &r));
	assert_int_equal(allocations, before);
	assert_true(ranges_same(&copy, &r));
	set(&r, 99999, 1, RANGE_DONE);
	assert_false(ranges_same(&copy, &r));
	ranges_destroy(&copy);
	ranges_destroy(&r);
}

/* Every allocation of a map's growth fails once; each time the map is as it was and goes on. */
static void without_memory_a_map_stays_as_it_was(void **state)
{
	struct ranges r, was = { 0 };
	struct rng rng = { 1 };
	unsigned failures = 0;

	(void)state;
	good_allocations = 0;
	assert_false(ranges_init(&r, 10));
	good_allocations = 1;
	assert_false(ranges_init(&r, 10));
	good_allocations = UINT32_MAX;
	assert_true(ranges_init(&r, 1 << 20));
	assert_true(ranges_copy(&was, &r));
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t at = rng_below(&rng, 1 << 20);
		enum range_status status = (enum range_status)rng_below(&rng, RANGE_STATUSES);

		good_allocations = 0;
		if (!ranges_set(&r, at, 1, status)) {
			good_allocations = UINT32_MAX;
			failures++;
			assert_true(ranges_same(&r, &was));
			set(&r, at, 1, status);
			assert_false(ranges_same(&r, &was));
		}
		good_allocations = UINT32_MAX;
		if (i % 100 == 0)
			assert_true(ranges_copy(&was, &r));
		else
			set(&was, at, 1, status);
	}
	assert_true(failures > 20);
	ranges_destroy(&was);
	assert_true(ranges_init(&was, 10));
	good_allocations = 5;
	assert_false(ranges_copy(&was, &r));
	good_allocations = UINT32_MAX;
	expect(&was, "0");
	assert_true(ranges_copy(&was, &r));
	ranges_destroy(&was);
	ranges_destroy(&r);
}

/* --- against an array of statuses --- */

#define CELLS 6000u

struct model {
	struct ranges r;
	uint8_t cell[CELLS];
	struct rng rng;
	unsigned large, medium; /* once in so many sets; few of both: many ranges */
};

static struct range naive_run(const struct model *m, unsigned at)
{
	unsigned first = at, end = at;

	while (first > 0 && m->cell[first - 1] == m->cell[at])
		first--;
	while (end < CELLS && m->cell[end] == m->cell[at])
		end++;
	return (struct range){ first, end - first, (enum range_status)m->cell[at] };
}

static void all_agree(const struct model *m)
{
	uint64_t bytes[RANGE_STATUSES] = { 0 }, count[RANGE_STATUSES] = { 0 };
	struct range x;

	for (unsigned at = 0; at < CELLS; at += (unsigned)x.len_bytes) {
		struct range run = naive_run(m, at);

		found(ranges_get(&m->r, at, &x), &x, run.at_bytes, run.len_bytes, run.status);
		bytes[x.status] += x.len_bytes;
		count[x.status]++;
	}
	for (unsigned at = 0; at < CELLS; at++)
		assert_true(ranges_get(&m->r, at, &x) && x.status == m->cell[at] &&
			    x.at_bytes <= at && at < x.at_bytes + x.len_bytes);
	for (unsigned s = 0; s < RANGE_STATUSES; s++) {
		assert_int_equal(bytes[s], ranges_bytes(&m->r, (enum range_status)s));
		assert_int_equal(count[s], ranges_count(&m->r, (enum range_status)s));
	}
}

static void searches_agree(struct model *m)
{
	unsigned set = (unsigned)rng_below(&m->rng, RANGE_IS_ANY + 1);
	unsigned from = (unsigned)rng_below(&m->rng, CELLS), to = from, first, last;
	struct range x, run;

	to += (unsigned)rng_below(&m->rng, CELLS - from + 1);
	for (first = from; first < to && !(set & RANGE_IS(m->cell[first]));)
		first++;
	for (last = to; last > from && !(set & RANGE_IS(m->cell[last - 1]));)
		last--;
	assert_int_equal(ranges_first(&m->r, set, from, to, &x), first < to);
	if (first < to) {
		run = naive_run(m, first);
		assert_int_equal(x.at_bytes, first);
		assert_int_equal(
			x.at_bytes + x.len_bytes, min_u64(run.at_bytes + run.len_bytes, to));
		assert_int_equal(x.status, run.status);
	}
	assert_int_equal(ranges_last(&m->r, set, from, to, &x), last > from);
	if (last > from) {
		run = naive_run(m, last - 1);
		assert_int_equal(x.at_bytes, max_u64(run.at_bytes, from));
		assert_int_equal(x.at_bytes + x.len_bytes, last);
		assert_int_equal(x.status, run.status);
	}
}

static void change(struct model *m)
{
	unsigned most = rng_once_in(&m->rng, m->large)	  ? CELLS
			: rng_once_in(&m->rng, m->medium) ? 100
							  : 2;
	unsigned at = (unsigned)rng_below(&m->rng, CELLS);
	unsigned len = (unsigned)rng_below(&m->rng, min_u64(most, CELLS - at) + 1);
	uint8_t status = (uint8_t)rng_below(&m->rng, RANGE_STATUSES);

	if (rng_once_in(&m->rng, 40 * m->large)) {
		uint8_t to = (uint8_t)rng_below(&m->rng, RANGE_STATUSES);

		ranges_turn(&m->r, (enum range_status)status, (enum range_status)to);
		for (unsigned i = 0; i < CELLS; i++)
			if (m->cell[i] == status)
				m->cell[i] = to;
		return;
	}
	set(&m->r, at, len, (enum range_status)status);
	memset(m->cell + at, status, len);
}

static void settle(struct model *m)
{
	uint8_t earlier[CELLS];
	struct ranges copy = { 0 };

	memcpy(earlier, m->cell, CELLS);
	assert_true(ranges_copy(&copy, &m->r));
	assert_true(ranges_same(&copy, &m->r));
	for (unsigned i = 0; i < 50; i++)
		change(m);
	assert_true(ranges_settle(&m->r, &copy, RANGE_DONE));
	assert_true(ranges_undo(&m->r, &copy, RANGE_BAD, RANGE_FAILED));
	for (unsigned i = 0; i < CELLS; i++)
		if (earlier[i] == RANGE_WRITTEN && m->cell[i] == RANGE_WRITTEN)
			m->cell[i] = RANGE_DONE;
		else if (earlier[i] != RANGE_BAD && m->cell[i] == RANGE_BAD)
			m->cell[i] = RANGE_FAILED;
	ranges_destroy(&copy);
}

static void random_sets_agree_with_an_array(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 20; seed++) {
		static struct model m;

		memset(&m, 0, sizeof(m));
		m.rng.state = seed;
		m.large = seed % 2 ? 50 : 4000;
		m.medium = seed % 2 ? 3 : 100;
		assert_true(ranges_init(&m.r, CELLS));
		for (unsigned i = 0; i < 10000; i++) {
			change(&m);
			searches_agree(&m);
			if (i % 500 == 0) {
				settle(&m);
				all_agree(&m);
			}
		}
		all_agree(&m);
		ranges_destroy(&m.r);
	}
}

/* Wherever a border is in the memory, it is found where it went. */
static void each_border_moves_and_moves_back(void **state)
{
	const uint64_t n = 5000;
	struct ranges r;
	struct range x;

	(void)state;
	assert_true(ranges_init(&r, 4 * n));
	for (uint64_t i = 0; i < n; i++)
		set(&r, 4 * i, 2, RANGE_BAD);
	for (uint64_t at = 2; at < 4 * n; at += 2) {
		enum range_status left = at % 4 == 2 ? RANGE_BAD : RANGE_UNTRIED;
		enum range_status right = at % 4 == 2 ? RANGE_UNTRIED : RANGE_BAD;

		set(&r, at, 1, left);
		found(ranges_get(&r, at, &x), &x, at - 2, 3, left);
		found(ranges_get(&r, at + 1, &x), &x, at + 1, 1, right);
		set(&r, at, 1, right);
		found(ranges_get(&r, at - 1, &x), &x, at - 2, 2, left);
		found(ranges_get(&r, at, &x), &x, at, 2, right);
	}
	ranges_destroy(&r);
}

/* As the header has it: about 9 bytes a range, and 36 at most. */
static void memory_is_that_of_the_ranges(void **state)
{
	const uint64_t n = 100000;
	struct ranges r;
	unsigned before = allocations;

	(void)state;
	assert_true(ranges_init(&r, 2 * n));
	for (uint64_t i = 0; i < n; i++)
		set(&r, 2 * i, 1, RANGE_BAD);
	assert_true(allocations - before < 2 * n / 500 + 20);
	for (uint64_t i = 0; i < n; i++)
		if (i % 300 != 0)
			set(&r, 2 * i, 1, RANGE_UNTRIED);
	assert_int_equal(ranges_count(&r, RANGE_BAD), n / 300 + 1);
	assert_true(r.nleaves <= 2 * (n / 300 + 1) / 128 + 1);
	for (uint64_t i = 0; i < n; i++)
		if (i % 300 != 0)
			set(&r, 2 * i, 1, RANGE_WRITTEN);
	ranges_turn(&r, RANGE_WRITTEN, RANGE_UNTRIED);
	assert_int_equal(ranges_count(&r, RANGE_BAD), n / 300 + 1);
	assert_true(r.nleaves <= 2 * (n / 300 + 1) / 128 + 1);
	ranges_destroy(&r);
}

/* No limit of time: with costs that grow with the square it would take hours. */
static void a_million_ranges_in_any_order_are_no_burden(void **state)
{
	const uint64_t n = 1000000;
	struct ranges r;
	struct range x;
	uint64_t at = 0;

	(void)state;
	assert_true(ranges_init(&r, 2 * n));
	for (uint64_t i = 0; i < n; i++)
		set(&r, i * 611953 % n * 2, 1, RANGE_BAD); /* a prime: each once */
	assert_int_equal(ranges_count(&r, RANGE_BAD), n);
	assert_int_equal(ranges_bytes(&r, RANGE_BAD), n);
	while (ranges_first(&r, RANGE_IS(RANGE_BAD), at, UINT64_MAX, &x)) {
		at = x.at_bytes + 1;
		set(&r, x.at_bytes, 1, RANGE_UNTRIED);
	}
	assert_int_equal(at, 2 * n - 1);
	assert_int_equal(ranges_count(&r, RANGE_UNTRIED), 1);
	ranges_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_split_and_merge),
		cmocka_unit_test(one_set_may_swallow_many_ranges_and_both_neighbours),
		cmocka_unit_test(sums_and_counts_follow),
		cmocka_unit_test(a_map_may_reach_to_the_last_byte_there_is),
		cmocka_unit_test(append_merges_and_counts),
		cmocka_unit_test(searches_are_cut_to_their_limits),
		cmocka_unit_test(what_is_turned_merges),
		cmocka_unit_test(a_flush_settles_what_was_written_before_it_only),
		cmocka_unit_test(what_has_come_since_is_undone),
		cmocka_unit_test(copying_in_order_allocates_nothing),
		cmocka_unit_test(a_second_copy_uses_the_memory_of_the_first),
		cmocka_unit_test(without_memory_a_map_stays_as_it_was),
		cmocka_unit_test(random_sets_agree_with_an_array),
		cmocka_unit_test(each_border_moves_and_moves_back),
		cmocka_unit_test(memory_is_that_of_the_ranges),
		cmocka_unit_test(a_million_ranges_in_any_order_are_no_burden),
	};

	return cmocka_run_group_tests_name("ranges", tests, NULL, NULL);
}
