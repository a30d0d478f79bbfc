/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../engine/span.h"

#define ALL SPAN_ALL

/* Two disks, or ends without an end where blocks is 0. */
struct pair {
	struct endpoint in, out;
};

static struct endpoint disk(const char *name, enum end_role role, uint64_t blocks, uint32_t block)
{
	return (struct endpoint){ .name = name,
		.role = role,
		.facts = { .size_bytes = blocks ? blocks * block : SIZE_UNKNOWN,
			.block_bytes = blocks ? block : 0 } };
}

static struct pair ends(
	uint64_t in_blocks, uint32_t in_block, uint64_t out_blocks, uint32_t out_block)
{
	return (struct pair){ disk("IN", END_SOURCE, in_blocks, in_block),
		disk("OUT", END_DEST, out_blocks, out_block) };
}

static struct sides sides_of(const struct pair *p)
{
	return (struct sides){ { (struct endpoint *)&p->in, (struct endpoint *)&p->out }, 2 };
}

static struct span resolve(
	const struct pair *p, uint32_t bs, uint64_t count, uint64_t skip, uint64_t seek)
{
	const struct span_request rq = { bs, bs, count, skip, seek, false };
	const struct sides sides = sides_of(p);
	const struct endpoint *who = NULL;
	char why[SPAN_WHY_ROOM] = "";
	struct span s;

	memset(&s, 0, sizeof(s));
	if (span_resolve(&rq, &sides, &s, &who, why) != 0)
		fail_msg("refused: %s", why);
	return s;
}

static void expect_refusal(const struct pair *p, const struct span_request *rq, int exit_status,
	const struct endpoint *who_wanted, const char *words)
{
	const struct sides sides = sides_of(p);
	const struct endpoint *who = (const struct endpoint *)p; /* must be set */
	char why[SPAN_WHY_ROOM] = "";
	struct span s;

	if (span_resolve(rq, &sides, &s, &who, why) != exit_status)
		fail_msg("not %d: %s", exit_status, why);
	assert_ptr_equal(who, who_wanted);
	if (!strstr(why, words))
		fail_msg("no \"%s\" in \"%s\"", words, why);
}

static void without_operands_it_is_the_whole_source(void **state)
{
	const struct pair p = ends(1000, 512, 2000, 512);
	struct span s = resolve(&p, 0, ALL, 0, 0);

	(void)state;
	assert_int_equal(s.ibs_bytes, 512);
	assert_int_equal(s.block_bytes, 512);
	assert_int_equal(s.len_bytes, 1000 * 512);
	assert_int_equal(s.in_bytes, 0);
	assert_int_equal(s.out_bytes, 0);
}

static void count_skip_and_seek_are_in_bs(void **state)
{
	const struct pair p = ends(1000, 512, 1000, 512);
	struct span s = resolve(&p, 4096, 3, 5, 7);

	(void)state;
	assert_int_equal(s.ibs_bytes, 4096);
	assert_int_equal(s.block_bytes, 512);
	assert_int_equal(s.in_bytes, 5 * 4096);
	assert_int_equal(s.out_bytes, 7 * 4096);
	assert_int_equal(s.len_bytes, 3 * 4096);
}

static void bs_is_the_blocks_of_whichever_end_has_them(void **state)
{
	const struct pair to_null = ends(1000, 520, 0, 0), from_zeros = ends(0, 0, 1000, 4096),
			  neither = ends(0, 0, 0, 0);

	(void)state;
	assert_int_equal(resolve(&to_null, 0, ALL, 0, 0).ibs_bytes, 520);
	assert_int_equal(resolve(&from_zeros, 0, ALL, 0, 0).ibs_bytes, 4096);
	assert_int_equal(resolve(&neither, 0, 1, 0, 0).ibs_bytes, 512);
	assert_int_equal(resolve(&neither, 0, 1, 0, 0).block_bytes, 512);
	assert_int_equal(resolve(&neither, 1000, 1, 0, 0).block_bytes, 1000);
}

static void without_a_source_end_the_destination_is_filled(void **state)
{
	const struct pair p = ends(0, 0, 1000, 512);

	(void)state;
	assert_int_equal(resolve(&p, 0, ALL, 0, 0).len_bytes, 1000 * 512);
	assert_int_equal(resolve(&p, 0, ALL, 0, 999).len_bytes, 512);
	assert_int_equal(resolve(&p, 0, ALL, 12345, 0).len_bytes, 1000 * 512);
}

static void a_tail_of_whole_blocks_shorter_than_bs_is_copied(void **state)
{
	const struct pair p = ends(1001, 512, 2000, 512);

	(void)state;
	assert_int_equal(resolve(&p, 4096, ALL, 0, 0).len_bytes, 1001 * 512);
}

static void the_very_ends_can_be_reached(void **state)
{
	const struct pair p = ends(1000, 512, 1000, 512);

	(void)state;
	assert_int_equal(resolve(&p, 0, 1, 999, 999).len_bytes, 512);
	assert_int_equal(resolve(&p, 0, ALL, 1000, 0).len_bytes, 0);
	assert_int_equal(resolve(&p, 0, 0, 1000, 1000).len_bytes, 0);
}

static void between_blocks_of_different_lengths_bytes_count(void **state)
{
	const struct pair up = ends(4000, 512, 500, 4096), down = ends(500, 4096, 4000, 512);
	struct span s = resolve(&up, 0, 3992, 8, 1);

	(void)state;
	assert_int_equal(s.ibs_bytes, 512);
	assert_int_equal(s.obs_bytes, 4096);
	assert_int_equal(s.block_bytes, 4096);
	assert_int_equal(s.out_block_bytes, 4096);
	assert_int_equal(s.in_bytes, 4096);
	assert_int_equal(s.out_bytes, 4096);
	assert_int_equal(s.len_bytes, 3992 * 512);
	s = resolve(&down, 0, ALL, 0, 0);
	assert_int_equal(s.ibs_bytes, 4096);
	assert_int_equal(s.out_block_bytes, 512);
	assert_int_equal(s.len_bytes, 500 * 4096);
}

static void blocks_that_do_not_fit_each_other_are_refused(void **state)
{
	const struct pair p = ends(1000, 512, 1000, 520);

	(void)state;
	expect_refusal(&p, &(struct span_request){ 0, 0, 1, 0, 0, false }, EXIT_CONTRADICT, NULL,
		"IN has blocks of 512 bytes, OUT of 520");
}

static void a_tail_that_fills_no_block_is_refused_or_padded(void **state)
{
	const struct pair p = ends(1001, 512, 126, 4096), tight = ends(1001, 512, 125, 4096);
	const struct span_request pad = { 0, 0, ALL, 0, 0, true };
	const struct sides sides = sides_of(&p);
	const struct endpoint *who;
	char why[SPAN_WHY_ROOM];
	struct span s;

	(void)state;
	expect_refusal(&p, &(struct span_request){ 0, 0, ALL, 0, 0, false }, EXIT_CONTRADICT,
		&p.out, "the last 512 bytes would not fill one of its blocks of 4096");
	memset(&s, 0, sizeof(s));
	assert_int_equal(span_resolve(&pad, &sides, &s, &who, why), 0);
	assert_int_equal(s.len_bytes, 1001 * 512);
	assert_true(s.pad);
	expect_refusal(&tight, &pad, EXIT_LBA_RANGE, &tight.out, "too small");
}

static struct span resolve_padded(
	struct endpoint *in, struct endpoint *out, uint32_t bs, uint64_t count)
{
	const struct span_request rq = { bs, bs, count, 0, 0, true };
	const struct sides sides = { { in, out }, 2 };
	const struct endpoint *who;
	char why[SPAN_WHY_ROOM] = "";
	struct span s;

	memset(&s, 0, sizeof(s));
	if (span_resolve(&rq, &sides, &s, &who, why) != 0)
		fail_msg("refused: %s", why);
	return s;
}

static uint64_t written(const struct span *s)
{
	return span_written(s, s->len_bytes);
}

static void what_has_no_blocks_is_padded_to_ibs(void **state)
{
	struct endpoint file = disk("F", END_SOURCE, 1000003, 1), to = disk("T", END_DEST, 0, 0),
			in = disk("D", END_SOURCE, 1001, 512);
	struct span s = resolve_padded(&file, &to, 4096, ALL);

	(void)state;
	assert_int_equal(s.len_bytes, 1000003);
	assert_int_equal(written(&s), 1003520);
	assert_int_equal(span_written(&s, 1000), 4096);
	assert_int_equal(span_written(&s, 8192), 8192);
	assert_int_equal(span_written(&s, 0), 0);
	s = resolve_padded(&file, &to, 0, ALL);
	assert_int_equal(written(&s), 1000448); /* as dd's: 512 */
	s = resolve_padded(&in, &to, 4096, ALL);
	assert_int_equal(written(&s), 126 * 4096);
	s = resolve_padded(&in, &to, 4096, 3);
	assert_int_equal(written(&s), 3 * 4096);
	s = resolve_padded(&in, &to, 0, ALL);
	assert_int_equal(written(&s), 1001 * 512);
}

static void a_disk_is_padded_to_ibs_or_its_block_and_no_further_than_it_goes(void **state)
{
	struct endpoint in = disk("IN", END_SOURCE, 1001, 512),
			large = disk("L", END_DEST, 2000, 512),
			same = disk("S", END_DEST, 1001, 512),
			some = disk("M", END_DEST, 1003, 512),
			coarse = disk("C", END_DEST, 500, 4096);
	struct span s = resolve_padded(&in, &large, 4096, ALL);

	(void)state;
	assert_int_equal(written(&s), 126 * 4096);
	s = resolve_padded(&in, &same, 4096, ALL);
	assert_int_equal(written(&s), 1001 * 512);
	s = resolve_padded(&in, &some, 4096, ALL);
	assert_int_equal(written(&s), 1003 * 512);
	s = resolve_padded(&in, &coarse, 0, ALL);
	assert_int_equal(s.ibs_bytes, 512);
	assert_int_equal(written(&s), 126 * 4096);
	s = resolve_padded(&in, &coarse, 16384, ALL);
	assert_int_equal(written(&s), 32 * 16384);
}

/* The room of the one is no whole number of the other's blocks. */
static void zeros_end_where_all_of_several_disks_have_a_block(void **state)
{
	struct endpoint in = disk("IN", END_SOURCE, 1001, 512),
			fine = disk("A", END_DEST, 1015, 512),
			coarse = disk("B", END_DEST, 500, 4096);
	const struct span_request rq = { 16384, 16384, ALL, 0, 0, true };
	const struct sides sides = { { &in, &fine, &coarse }, 3 };
	const struct endpoint *who;
	char why[SPAN_WHY_ROOM];
	struct span s;

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_int_equal(span_resolve(&rq, &sides, &s, &who, why), 0);
	assert_int_equal(written(&s), 126 * 4096);
}

static void without_the_zeros_a_file_does_not_compare_equal(void **state)
{
	struct pair p = ends(1000, 1, 4095, 1);
	const struct span_request rq = { 4096, 4096, ALL, 0, 0, true };

	(void)state;
	p.out.role = END_SOURCE;
	expect_refusal(&p, &rq, EXIT_MISCOMPARE, &p.out, "is shorter: 4096 bytes");
	p.out.facts.size_bytes = 4096;
	assert_int_equal(resolve_padded(&p.in, &p.out, 4096, ALL).len_bytes, 1000);
}

static void a_stream_is_taken_as_far_as_there_is_room(void **state)
{
	struct pair p = ends(0, 0, 1000, 512), to_file = ends(0, 0, 0, 0);
	struct span s;

	(void)state;
	p.in.facts.sequential = to_file.in.facts.sequential = true;
	s = resolve(&p, 0, ALL, 0, 10);
	assert_int_equal(s.len_bytes, 990 * 512);
	assert_true(s.open_ended && s.must_end);
	s = resolve(&p, 0, 20, 0, 10);
	assert_int_equal(s.len_bytes, 20 * 512);
	assert_true(s.open_ended && !s.must_end);
	s = resolve(&to_file, 4096, ALL, 3, 0);
	assert_true(s.open_ended && !s.must_end);
	assert_true(s.len_bytes > UINT64_C(1) << 62);
	assert_int_equal(s.len_bytes % 4096, 0);
}

static void bs_that_is_no_multiple_is_refused(void **state)
{
	const struct pair p = ends(1000, 520, 1000, 520), to_null = ends(1000, 520, 0, 0),
			  from_zeros = ends(0, 0, 1000, 520);
	const struct span_request rq = { 512, 512, 1, 0, 0, false };

	(void)state;
	expect_refusal(&p, &rq, EXIT_CONTRADICT, &p.in, "520");
	expect_refusal(&to_null, &rq, EXIT_CONTRADICT, &to_null.in, "give bs=520");
	expect_refusal(&from_zeros, &rq, EXIT_CONTRADICT, &from_zeros.out, "bs=512");
}

static void past_the_end_of_either_end_is_refused(void **state)
{
	const struct pair p = ends(1000, 512, 900, 512);

	(void)state;
	expect_refusal(&p, &(struct span_request){ 0, 0, 1, 1001, 0, false }, EXIT_LBA_RANGE, &p.in,
		"skip= is past its end (1000 blocks of 512 bytes)");
	expect_refusal(&p, &(struct span_request){ 0, 0, 1, 0, 901, false }, EXIT_LBA_RANGE, &p.out,
		"seek= is past its end (900 blocks of 512 bytes)");
	expect_refusal(&p, &(struct span_request){ 0, 0, 1001, 0, 0, false }, EXIT_LBA_RANGE, &p.in,
		"512512 bytes asked, 512000");
	expect_refusal(&p, &(struct span_request){ 0, 0, 901, 0, 0, false }, EXIT_LBA_RANGE, &p.out,
		"smaller count=");
	expect_refusal(&p, &(struct span_request){ 0, 0, 1, 1000, 0, false }, EXIT_LBA_RANGE, &p.in,
		"0 bytes from there");
}

static void a_destination_that_is_too_small_is_not_filled(void **state)
{
	const struct pair p = ends(1000, 512, 999, 512);

	(void)state;
	expect_refusal(&p, &(struct span_request){ 0, 0, ALL, 0, 0, false }, EXIT_LBA_RANGE, &p.out,
		"too small");
	assert_int_equal(resolve(&p, 0, ALL, 1, 0).len_bytes, 999 * 512);
	expect_refusal(&p, &(struct span_request){ 0, 0, ALL, 1, 1, false }, EXIT_LBA_RANGE, &p.out,
		"too small");
}

static void no_end_on_either_side_needs_a_count(void **state)
{
	const struct pair p = ends(0, 0, 0, 0);

	(void)state;
	expect_refusal(&p, &(struct span_request){ 512, 512, ALL, 0, 0, false }, EXIT_CONTRADICT,
		NULL, "give count=");
}

static void products_that_wrap_around_are_refused(void **state)
{
	const struct pair p = ends(1000, 512, 1000, 512), none = ends(0, 0, 0, 0);
	const uint64_t wraps = (UINT64_C(1) << 55) + 1; /* times 512 it is 512 */

	(void)state;
	expect_refusal(&p, &(struct span_request){ 512, 512, 1, wraps, 0, false }, EXIT_LBA_RANGE,
		&p.in, "skip= times bs= is past 2^64");
	expect_refusal(&p, &(struct span_request){ 512, 512, 1, 0, wraps, false }, EXIT_LBA_RANGE,
		&p.out, "seek= times bs= is past 2^64");
	expect_refusal(&p, &(struct span_request){ 512, 512, wraps, 0, 0, false }, EXIT_LBA_RANGE,
		NULL, "count= times bs= is past 2^64");
	expect_refusal(&none, &(struct span_request){ 512, 512, wraps, 0, 0, false },
		EXIT_LBA_RANGE, NULL, "count= times bs=");
}

static void sums_that_wrap_around_are_refused(void **state)
{
	const struct pair p = ends(1000, 512, 1000, 512);
	const uint64_t most = UINT64_MAX / 512;

	(void)state;
	expect_refusal(&p, &(struct span_request){ 512, 512, most, 999, 0, false }, EXIT_LBA_RANGE,
		&p.in, "bytes asked");
	expect_refusal(&p, &(struct span_request){ 512, 512, 1, most, 0, false }, EXIT_LBA_RANGE,
		&p.in, "skip=");
}

static void past_2_to_the_63_bytes_is_refused_where_there_is_no_end(void **state)
{
	const struct pair none = ends(0, 0, 0, 0);
	const uint64_t most = INT64_MAX / 512;

	(void)state;
	assert_int_equal(resolve(&none, 512, most, 0, 0).len_bytes, most * 512);
	expect_refusal(&none, &(struct span_request){ 512, 512, most + 1, 0, 0, false },
		EXIT_LBA_RANGE, NULL, "2^63");
	expect_refusal(&none, &(struct span_request){ 512, 512, most, 1, 0, false }, EXIT_LBA_RANGE,
		NULL, "2^63");
	expect_refusal(&none, &(struct span_request){ 512, 512, most, 0, 1, false }, EXIT_LBA_RANGE,
		NULL, "2^63");
	expect_refusal(&none, &(struct span_request){ 512, 512, most * 2, 2, 2, false },
		EXIT_LBA_RANGE, NULL, "2^63");
}

static void less_than_the_source_cannot_compare_equal(void **state)
{
	struct pair p = ends(1000, 512, 999, 512);

	(void)state;
	p.out.role = END_SOURCE;
	expect_refusal(&p, &(struct span_request){ 0, 0, ALL, 0, 0, false }, EXIT_MISCOMPARE,
		&p.out, "is shorter: 512000 bytes to compare, it has 511488");
}

/* --- several destinations --- */

static int resolve_three(
	struct endpoint *end, struct span *s, const struct endpoint **who, char why[SPAN_WHY_ROOM])
{
	const struct sides sides = { { &end[0], &end[1], &end[2], &end[3] }, 4 };
	const struct span_request rq = { 0, 0, ALL, 0, 0, false };

	memset(s, 0, sizeof(*s));
	return span_resolve(&rq, &sides, s, who, why);
}

static void the_largest_blocks_of_several_destinations_are_those_of_all(void **state)
{
	struct endpoint end[] = { disk("IN", END_SOURCE, 1000, 512), disk("A", END_DEST, 0, 0),
		disk("B", END_DEST, 200, 4096), disk("C", END_DEST, 2000, 512) };
	const struct endpoint *who;
	char why[SPAN_WHY_ROOM];
	struct span s;

	(void)state;
	assert_int_equal(resolve_three(end, &s, &who, why), 0);
	assert_int_equal(s.out_block_bytes, 4096);
	assert_int_equal(s.block_bytes, 4096);
	assert_int_equal(s.obs_bytes, 4096);
	assert_int_equal(s.ibs_bytes, 512);
}

static void the_smallest_of_several_destinations_is_the_one_too_small(void **state)
{
	struct endpoint end[] = { disk("IN", END_SOURCE, 1000, 512), disk("A", END_DEST, 999, 512),
		disk("B", END_DEST, 998, 512), disk("C", END_DEST, 2000, 512) };
	const struct endpoint *who = NULL;
	char why[SPAN_WHY_ROOM] = "";
	struct span s;

	(void)state;
	assert_int_equal(resolve_three(end, &s, &who, why), EXIT_LBA_RANGE);
	assert_ptr_equal(who, &end[2]);
	assert_non_null(strstr(why, "too small"));
}

static void destinations_whose_blocks_do_not_fit_together_are_refused(void **state)
{
	struct endpoint end[] = { disk("IN", END_SOURCE, 1000, 512), disk("A", END_DEST, 0, 0),
		disk("B", END_DEST, 2000, 520), disk("C", END_DEST, 2000, 512) };
	const struct endpoint *who = NULL;
	char why[SPAN_WHY_ROOM] = "";
	struct span s;

	(void)state;
	end[0].facts.block_bytes = 0;
	assert_int_equal(resolve_three(end, &s, &who, why), EXIT_CONTRADICT);
	assert_non_null(strstr(why, "B has blocks of 520 bytes, C of 512"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_operands_it_is_the_whole_source),
		cmocka_unit_test(count_skip_and_seek_are_in_bs),
		cmocka_unit_test(bs_is_the_blocks_of_whichever_end_has_them),
		cmocka_unit_test(without_a_source_end_the_destination_is_filled),
		cmocka_unit_test(a_tail_of_whole_blocks_shorter_than_bs_is_copied),
		cmocka_unit_test(the_very_ends_can_be_reached),
		cmocka_unit_test(between_blocks_of_different_lengths_bytes_count),
		cmocka_unit_test(blocks_that_do_not_fit_each_other_are_refused),
		cmocka_unit_test(a_tail_that_fills_no_block_is_refused_or_padded),
		cmocka_unit_test(what_has_no_blocks_is_padded_to_ibs),
		cmocka_unit_test(a_disk_is_padded_to_ibs_or_its_block_and_no_further_than_it_goes),
		cmocka_unit_test(zeros_end_where_all_of_several_disks_have_a_block),
		cmocka_unit_test(without_the_zeros_a_file_does_not_compare_equal),
		cmocka_unit_test(a_stream_is_taken_as_far_as_there_is_room),
		cmocka_unit_test(bs_that_is_no_multiple_is_refused),
		cmocka_unit_test(past_the_end_of_either_end_is_refused),
		cmocka_unit_test(a_destination_that_is_too_small_is_not_filled),
		cmocka_unit_test(no_end_on_either_side_needs_a_count),
		cmocka_unit_test(products_that_wrap_around_are_refused),
		cmocka_unit_test(sums_that_wrap_around_are_refused),
		cmocka_unit_test(past_2_to_the_63_bytes_is_refused_where_there_is_no_end),
		cmocka_unit_test(less_than_the_source_cannot_compare_equal),
		cmocka_unit_test(the_largest_blocks_of_several_destinations_are_those_of_all),
		cmocka_unit_test(the_smallest_of_several_destinations_is_the_one_too_small),
		cmocka_unit_test(destinations_whose_blocks_do_not_fit_together_are_refused),
	};

	return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
