/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../timing.h"

#define SEC NSEC_PER_SEC

static void expect_near(double got, double want)
{
	if (got < want * 0.999 || got > want * 1.001)
		fail_msg("%f, not %f", got, want);
}

static void expect_text(nsec_t ns, const char *want)
{
	char text[TIMING_TEXT_ROOM];

	assert_string_equal(timing_text(ns, text), want);
}

static void a_rate_is_bytes_per_second(void **state)
{
	(void)state;
	expect_near(timing_rate(3000000, 2 * SEC), 1.5e6);
	expect_near(timing_rate(UINT64_MAX, SEC), 1.8446744e19);
	assert_true(timing_rate(1, 0) <= 0.0);
	assert_true(timing_rate(1, -5) <= 0.0);
}

static void the_first_reading_is_the_rate(void **state)
{
	struct rate_meter m = { 0 };

	(void)state;
	rate_meter_feed(&m, 500, SEC / 2);
	expect_near(m.rate, 1000);
}

static void the_meter_forgets_a_slow_start(void **state)
{
	struct rate_meter m = { 0 };
	uint64_t total = 0;

	(void)state;
	rate_meter_feed(&m, total += 10, SEC);
	for (unsigned s = 2; s < 100; s++)
		rate_meter_feed(&m, total += 1000, s * SEC);
	expect_near(m.rate, 1000);
}

static void one_slow_second_does_not_turn_the_meter(void **state)
{
	struct rate_meter m = { 0 };

	(void)state;
	rate_meter_feed(&m, 1000, SEC);
	rate_meter_feed(&m, 1000, 2 * SEC);
	expect_near(m.rate, 900);
}

static void a_gap_longer_than_the_memory_is_all_that_counts(void **state)
{
	struct rate_meter m = { 0 };

	(void)state;
	rate_meter_feed(&m, 1000, SEC);
	rate_meter_feed(&m, 1000 + 2000, 21 * SEC);
	expect_near(m.rate, 100);
}

static void time_or_bytes_that_go_back_are_not_heard(void **state)
{
	struct rate_meter m = { 0 };

	(void)state;
	rate_meter_feed(&m, 1000, SEC);
	rate_meter_feed(&m, 2000, SEC);
	rate_meter_feed(&m, 2000, SEC / 2);
	rate_meter_feed(&m, 500, 2 * SEC);
	expect_near(m.rate, 1000);
}

static void time_left_follows_from_the_rate(void **state)
{
	(void)state;
	assert_int_equal(timing_left(3000, 1000.0), 3 * SEC);
	assert_int_equal(timing_left(0, 1000.0), 0);
	assert_int_equal(timing_left(0, 0.0), 0);
	assert_int_equal(timing_left(1, 0.0), -1);
	assert_int_equal(timing_left(UINT64_MAX, 0.5), -1);
}

static void times_are_written_as_a_clock_shows_them(void **state)
{
	(void)state;
	expect_text(0, "0:00");
	expect_text(7 * SEC, "0:07");
	expect_text(7 * SEC + 999999999, "0:07");
	expect_text(3599 * SEC, "59:59");
	expect_text(3600 * SEC, "1:00:00");
	expect_text(3723 * SEC, "1:02:03");
	expect_text(86399 * SEC, "23:59:59");
	expect_text((3 * 86400 + 4 * 3600 + 5 * 60 + 6) * SEC, "3d04:05:06");
	expect_text(-1, "-:--");
	expect_text(INT64_MAX, "106751d23:47:16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_bytes_per_second),
		cmocka_unit_test(the_first_reading_is_the_rate),
		cmocka_unit_test(the_meter_forgets_a_slow_start),
		cmocka_unit_test(one_slow_second_does_not_turn_the_meter),
		cmocka_unit_test(a_gap_longer_than_the_memory_is_all_that_counts),
		cmocka_unit_test(time_or_bytes_that_go_back_are_not_heard),
		cmocka_unit_test(time_left_follows_from_the_rate),
		cmocka_unit_test(times_are_written_as_a_clock_shows_them),
	};

	return cmocka_run_group_tests_name("timing", tests, NULL, NULL);
}
