/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/units.h"

static void expect_number(const char *text, uint64_t want)
{
	uint64_t n = want + 1;

	if (units_parse(text, &n) != UNITS_OK || n != want)
		fail_msg("\"%s\" gives %ju, not %ju", text, (uintmax_t)n, (uintmax_t)want);
}

static void expect_error(const char *text, enum units_error want)
{
	uint64_t n = 4711;
	enum units_error err = units_parse(text, &n);

	if (err != want)
		fail_msg("\"%s\": error %d, not %d", text, (int)err, (int)want);
	if (n != 4711)
		fail_msg("\"%s\": refused, but the result was touched", text);
}

static void plain_decimals_are_themselves(void **state)
{
	(void)state;
	expect_number("0", 0);
	expect_number("1", 1);
	expect_number("007", 7);
	expect_number("4096", 4096);
	expect_number("18446744073709551615", UINT64_MAX);
}

static void hex_is_0x_in_front_or_h_behind(void **state)
{
	(void)state;
	expect_number("0x10", 16);
	expect_number("0X10", 16);
	expect_number("0xdeadBEEF", 0xdeadbeef);
	expect_number("0xffffffffffffffff", UINT64_MAX);
	expect_number("10h", 16);
	expect_number("10H", 16);
	expect_number("ffh", 255);
	expect_number("bh", 11);
	expect_number("12bh", 0x12b);
	expect_number("1Eh", 0x1e);
}

static void each_suffix_has_its_factor(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} cases[] = {
		{ "3c", 3 },
		{ "3w", 6 },
		{ "3b", 1536 },
		{ "3k", 3 * UINT64_C(1024) },
		{ "3K", 3 * UINT64_C(1024) },
		{ "3KiB", 3 * UINT64_C(1024) },
		{ "3kB", 3000 },
		{ "3KB", 3000 },
		{ "3m", 3 * UINT64_C(1048576) },
		{ "3M", 3 * UINT64_C(1048576) },
		{ "3MiB", 3 * UINT64_C(1048576) },
		{ "3mB", 3000000 },
		{ "3MB", 3000000 },
		{ "3g", UINT64_C(3) << 30 },
		{ "3G", UINT64_C(3) << 30 },
		{ "3GiB", UINT64_C(3) << 30 },
		{ "3gB", UINT64_C(3000000000) },
		{ "3GB", UINT64_C(3000000000) },
		{ "3t", UINT64_C(3) << 40 },
		{ "3T", UINT64_C(3) << 40 },
		{ "3TiB", UINT64_C(3) << 40 },
		{ "3tB", UINT64_C(3000000000000) },
		{ "3TB", UINT64_C(3000000000000) },
		{ "3p", UINT64_C(3) << 50 },
		{ "3P", UINT64_C(3) << 50 },
		{ "3PiB", UINT64_C(3) << 50 },
		{ "3pB", UINT64_C(3000000000000000) },
		{ "3PB", UINT64_C(3000000000000000) },
		{ "3E", UINT64_C(3) << 60 },
		{ "3EiB", UINT64_C(3) << 60 },
		{ "3EB", UINT64_C(3000000000000000000) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_number(cases[i].text, cases[i].want);
}

static void products_bind_tighter_than_sums(void **state)
{
	(void)state;
	expect_number("2x33", 66);
	expect_number("2X33", 66);
	expect_number("1x2x3", 6);
	expect_number("1kx2", 2048);
	expect_number("2x1k", 2048);
	expect_number("3+1k", 1027);
	expect_number("2x3+4x5+1", 27);
	expect_number("1+2x3", 7);
	expect_number("2x0x10", 32);
	expect_number("0x10x2", 32);
	expect_number("0x10+10h", 32);
	expect_number("2xffh", 510);
	expect_number("00x10", 0);
}

static void what_does_not_fit_is_refused_not_wrapped(void **state)
{
	(void)state;
	expect_error("18446744073709551616", UNITS_OVERFLOW);
	expect_error("99999999999999999999", UNITS_OVERFLOW);
	expect_error("0x10000000000000000", UNITS_OVERFLOW);
	expect_error("10000000000000000h", UNITS_OVERFLOW);
	expect_error("20000000000t", UNITS_OVERFLOW);
	expect_error("16E", UNITS_OVERFLOW);
	expect_error("19EB", UNITS_OVERFLOW);
	expect_error("4294967296x4294967296", UNITS_OVERFLOW);
	expect_error("18446744073709551615+1", UNITS_OVERFLOW);
	expect_error("15E+1E", UNITS_OVERFLOW);
	expect_error("99999999999999999999x0", UNITS_OVERFLOW);
	expect_error("18446744073709551616k", UNITS_OVERFLOW);
}

static void the_largest_that_fits_is_taken(void **state)
{
	(void)state;
	expect_number("15E", UINT64_C(15) << 60);
	expect_number("18EB", UINT64_C(18000000000000000000));
	expect_number("4294967295x4294967297", UINT64_MAX);
	expect_number("18446744073709551614+1", UINT64_MAX);
}

static void malformed_text_is_no_number(void **state)
{
	static const char *const cases[] = { " 1", "1 ", "-1", "+1", "1+", "1++2", "x2", "2x",
		"2xx3", "1kk", "1q", "1kib", "1Kib", "1B", "1C", "1W", "1e", "1ki", "1KiBx", "0x",
		"0xg", "0x10k", "10hk", "h", "0xh", "0x10h", "1.5", "1,5", "1_000", "k", "1k2",
		"1\n", "0x-1", "\xc3\xa9", "1Bk", "1kBB" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_error(cases[i], UNITS_SYNTAX);
}

static void a_malformed_end_outranks_an_overflow(void **state)
{
	(void)state;
	expect_error("99999999999999999999z", UNITS_SYNTAX);
	expect_error("99999999999999999999x", UNITS_SYNTAX);
	expect_error("99999999999999999999+1q", UNITS_SYNTAX);
}

static void nothing_is_an_error_of_its_own(void **state)
{
	(void)state;
	expect_error("", UNITS_EMPTY);
}

static void only_the_given_length_is_read(void **state)
{
	uint64_t n = 0;

	(void)state;
	assert_int_equal(units_parse_n("123", 2, &n), UNITS_OK);
	assert_int_equal(n, 12);
	assert_int_equal(units_parse_n("0x10", 1, &n), UNITS_OK);
	assert_int_equal(n, 0);
	assert_int_equal(units_parse_n("10h", 2, &n), UNITS_OK);
	assert_int_equal(n, 10);
	assert_int_equal(units_parse_n("1kB", 2, &n), UNITS_OK);
	assert_int_equal(n, 1024);
	assert_int_equal(units_parse_n("1", 0, &n), UNITS_EMPTY);
}

static void each_error_has_its_words(void **state)
{
	(void)state;
	assert_string_equal(units_error_text(UNITS_EMPTY), "empty number");
	assert_string_equal(units_error_text(UNITS_SYNTAX), "not a number");
	assert_string_equal(units_error_text(UNITS_OVERFLOW), "number too large");
}

static void bytes_are_shown_whole_or_cut_to_one_decimal(void **state)
{
	static const struct {
		uint64_t n;
		const char *want;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1 KiB" },
		{ 1025, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 512 * 1024, "512 KiB" },
		{ 1024 * 1024 - 1, "1023.9 KiB" },
		{ 1024 * 1024, "1 MiB" },
		{ UINT64_C(3) << 29, "1.5 GiB" },
		{ UINT64_C(4000787030016), "3.6 TiB" },
		{ UINT64_MAX, "15.9 EiB" },
	};
	char text[UNITS_TEXT_ROOM];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(units_bytes_text(cases[i].n, text), cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_decimals_are_themselves),
		cmocka_unit_test(hex_is_0x_in_front_or_h_behind),
		cmocka_unit_test(each_suffix_has_its_factor),
		cmocka_unit_test(products_bind_tighter_than_sums),
		cmocka_unit_test(what_does_not_fit_is_refused_not_wrapped),
		cmocka_unit_test(the_largest_that_fits_is_taken),
		cmocka_unit_test(malformed_text_is_no_number),
		cmocka_unit_test(a_malformed_end_outranks_an_overflow),
		cmocka_unit_test(nothing_is_an_error_of_its_own),
		cmocka_unit_test(only_the_given_length_is_read),
		cmocka_unit_test(each_error_has_its_words),
		cmocka_unit_test(bytes_are_shown_whole_or_cut_to_one_decimal),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
