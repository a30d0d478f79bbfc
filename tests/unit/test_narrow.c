/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk of bad and good blocks: what is found is what is bad, and how many transfers it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../engine/narrow.h"
#include "../lib/rng.h"

#define BLOCK  512u
#define BLOCKS 1024u

enum told { NOTHING, THE_FIRST, LIES };

struct disk {
	bool bad[BLOCKS], found[BLOCKS];
	unsigned moved[BLOCKS]; /* how often it came with a good piece */
	unsigned first, n;	/* the range that failed */
	uint32_t physical_bytes;
	enum told told;
	unsigned transfers, lies;
	struct rng rng;
};

static uint64_t first_bad(const struct disk *d, uint64_t at, uint64_t end)
{
	while (at < end && !d->bad[at])
		at++;
	return at;
}

static uint64_t hint(struct disk *d, uint64_t at, uint64_t end)
{
	switch (d->told) {
	case THE_FIRST: return first_bad(d, at, end) * BLOCK;
	case LIES: return rng_between(&d->rng, at, end - 1) * BLOCK;
	default: return NARROW_NO_HINT;
	}
}

static void be_good(struct disk *d, struct narrow *n, uint64_t at, uint64_t end)
{
	for (uint64_t b = at; b < end; b++)
		d->moved[b]++;
	if (narrow_good(n) != NARROW_LIE)
		return;
	d->lies++;
	d->told = NOTHING;
}

static void narrow_all(struct disk *d)
{
	uint64_t end = d->first + d->n;
	struct narrow n;
	struct piece p;

	narrow_begin(&n, (uint64_t)d->first * BLOCK, d->n * BLOCK, BLOCK, d->physical_bytes,
		hint(d, d->first, end));
	while (narrow_next(&n, &p)) {
		uint64_t from = p.at_bytes / BLOCK, to = from + p.len_bytes / BLOCK;

		assert_true(p.len_bytes > 0 && p.len_bytes % BLOCK == 0 && to <= end);
		d->transfers++;
		assert_true(d->transfers < 4 * BLOCKS);
		if (first_bad(d, from, to) == to) {
			be_good(d, &n, from, to);
		} else if (narrow_failed(&n, hint(d, from, to)) == NARROW_BAD_BLOCK) {
			assert_int_equal(to - from, 1);
			d->found[from] = true;
		}
	}
}

static void check_found(const struct disk *d)
{
	for (unsigned b = 0; b < BLOCKS; b++) {
		bool within = b >= d->first && b < d->first + d->n;

		assert_int_equal(d->found[b], within && d->bad[b]);
		assert_int_equal(d->moved[b], within && !d->bad[b]);
	}
}

static void one_bad_block_anywhere_costs_log2_and_three(void **state)
{
	(void)state;
	for (unsigned bad = 0; bad < 128; bad++) {
		struct disk d = { .n = 128, .first = 256 };

		d.bad[256 + bad] = true;
		narrow_all(&d);
		check_found(&d);
		assert_in_range(d.transfers, 8, 7 + 3);
	}
}

static void a_named_block_costs_four_at_most(void **state)
{
	(void)state;
	for (unsigned bad = 0; bad < 128; bad++) {
		struct disk d = { .n = 128, .first = 256, .told = THE_FIRST };

		d.bad[256 + bad] = true;
		narrow_all(&d);
		check_found(&d);
		assert_in_range(d.transfers, 2, 4);
		assert_int_equal(d.lies, 0);
	}
}

static void bad_blocks_in_a_row_cost_one_each(void **state)
{
	struct disk d = { .n = 128, .first = 0 };

	(void)state;
	memset(d.bad + 50, true, 10);
	narrow_all(&d);
	check_found(&d);
	assert_in_range(d.transfers, 11, 7 + 10 + 2);
}

static void a_range_that_turns_out_good_is_moved_in_two(void **state)
{
	struct disk d = { .n = 64, .first = 10 };

	(void)state;
	narrow_all(&d);
	check_found(&d);
	assert_in_range(d.transfers, 2, 7);
}

static void all_bad_is_found_block_by_block(void **state)
{
	struct disk d = { .n = 33, .first = 7 };

	(void)state;
	memset(d.bad, true, sizeof(d.bad));
	narrow_all(&d);
	check_found(&d);
	assert_true(d.transfers <= 33 + 6);
}

static void who_lies_is_found_out_at_once(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct disk d = { .n = 128, .first = 3, .told = LIES, .rng = { seed } };

		d.bad[3 + seed % 128] = true;
		narrow_all(&d);
		check_found(&d);
		assert_true(d.lies <= 1);
		assert_true(d.transfers <= 25);
	}
}

static void halves_end_where_physical_blocks_do(void **state)
{
	struct disk d = { .n = 128, .first = 5, .physical_bytes = 8 * BLOCK };
	struct narrow n;
	struct piece p;

	(void)state;
	narrow_begin(&n, 5 * BLOCK, 128 * BLOCK, BLOCK, 8 * BLOCK, NARROW_NO_HINT);
	for (unsigned i = 0; i < 4; i++) { /* 64, 32, 16, 8 blocks or so */
		assert_true(narrow_next(&n, &p));
		assert_int_equal((p.at_bytes + p.len_bytes) % (8 * BLOCK), 0);
		assert_int_equal(narrow_failed(&n, NARROW_NO_HINT), NARROW_GOES_ON);
	}
	memset(d.bad + 40, true, 8);
	narrow_all(&d);
	check_found(&d);
	assert_true(d.transfers <= 7 + 8 + 2);
}

static void any_layout_is_found_exactly(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 5000; seed++) {
		struct disk d = { .rng = { seed } };
		unsigned sparse;

		d.first = (unsigned)rng_below(&d.rng, BLOCKS / 2);
		d.n = (unsigned)rng_between(&d.rng, 1, BLOCKS / 2);
		d.physical_bytes = BLOCK << rng_below(&d.rng, 4);
		d.told = (enum told)rng_below(&d.rng, 3);
		sparse = (unsigned)rng_between(&d.rng, 1, 200);
		for (unsigned b = 0; b < BLOCKS; b++)
			d.bad[b] = rng_once_in(&d.rng, sparse);
		narrow_all(&d);
		check_found(&d);
	}
}

static void a_short_last_block_is_a_block(void **state)
{
	struct narrow n;
	struct piece p;

	(void)state;
	narrow_begin(&n, 0, BLOCK + 100, BLOCK, 0, NARROW_NO_HINT);
	assert_true(narrow_next(&n, &p));
	assert_int_equal(p.len_bytes, BLOCK);
	assert_int_equal(narrow_good(&n), NARROW_GOES_ON);
	assert_true(narrow_next(&n, &p));
	assert_int_equal(p.at_bytes, BLOCK);
	assert_int_equal(p.len_bytes, 100);
	assert_int_equal(narrow_failed(&n, NARROW_NO_HINT), NARROW_BAD_BLOCK);
	assert_false(narrow_next(&n, &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_bad_block_anywhere_costs_log2_and_three),
		cmocka_unit_test(a_named_block_costs_four_at_most),
		cmocka_unit_test(bad_blocks_in_a_row_cost_one_each),
		cmocka_unit_test(a_range_that_turns_out_good_is_moved_in_two),
		cmocka_unit_test(all_bad_is_found_block_by_block),
		cmocka_unit_test(who_lies_is_found_out_at_once),
		cmocka_unit_test(halves_end_where_physical_blocks_do),
		cmocka_unit_test(any_layout_is_found_exactly),
		cmocka_unit_test(a_short_last_block_is_a_block),
	};

	return cmocka_run_group_tests_name("narrow", tests, NULL, NULL);
}
