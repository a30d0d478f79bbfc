/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/crc32c.h"
#include "../lib/rng.h"

/* The division bit by bit, as the definition has it. */
static uint32_t by_definition(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void expect_crc(const void *data, size_t len, uint32_t want)
{
	assert_int_equal(crc32c(0, data, len), want);
	assert_int_equal(crc32c_portable(0, data, len), want);
}

static void digits_give_the_check_value(void **state)
{
	(void)state;
	expect_crc("123456789", 9, 0xe3069283);
}

/* RFC 3720, B.4 */
static void iscsi_examples_come_out_right(void **state)
{
	uint8_t data[32];

	(void)state;
	memset(data, 0, sizeof(data));
	expect_crc(data, sizeof(data), 0x8a9136aa);
	memset(data, 0xff, sizeof(data));
	expect_crc(data, sizeof(data), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	expect_crc(data, sizeof(data), 0x46dd794e);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(31 - i);
	expect_crc(data, sizeof(data), 0x113fdb5c);
}

static void nothing_leaves_the_crc_as_it_is(void **state)
{
	(void)state;
	expect_crc("", 0, 0);
	assert_int_equal(crc32c(0x1234, "", 0), 0x1234);
	assert_int_equal(crc32c_portable(0x1234, "", 0), 0x1234);
}

static void every_byte_at_every_place_agrees_with_the_definition(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++)
		for (unsigned at = 0; at < 8; at++) {
			uint8_t data[8] = { 0 };

			data[at] = (uint8_t)byte;
			expect_crc(data, sizeof(data), by_definition(data, sizeof(data)));
		}
}

static void any_length_and_alignment_agrees_with_the_definition(void **state)
{
	struct rng rng = { 1 };
	uint8_t data[1024];

	(void)state;
	rng_fill(&rng, data, sizeof(data));
	for (size_t len = 0; len < 600; len++) {
		size_t at = rng_below(&rng, sizeof(data) - len);

		expect_crc(data + at, len, by_definition(data + at, len));
	}
}

static void parts_one_after_another_give_the_crc_of_the_whole(void **state)
{
	struct rng rng = { 2 };
	uint8_t data[1024];

	(void)state;
	rng_fill(&rng, data, sizeof(data));
	for (int round = 0; round < 200; round++) {
		size_t first = rng_below(&rng, sizeof(data) + 1), rest = sizeof(data) - first;
		uint32_t whole = by_definition(data, sizeof(data));

		assert_int_equal(crc32c(crc32c(0, data, first), data + first, rest), whole);
		assert_int_equal(
			crc32c_portable(crc32c_portable(0, data, first), data + first, rest),
			whole);
	}
}

static void lanes_are_the_crcs_of_their_stretches(void **state)
{
	static uint8_t data[4 * 700];
	struct rng rng = { .state = 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)rng_next(&rng);
	for (int round = 0; round < 2000; round++) {
		size_t len = rng_between(&rng, 0, 600), stride = len + rng_between(&rng, 0, 99);
		uint32_t crc[CRC32C_LANES];

		crc32c_lanes(data, stride, len, crc);
		for (size_t i = 0; i < CRC32C_LANES; i++)
			assert_int_equal(crc[i], by_definition(data + i * stride, len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_give_the_check_value),
		cmocka_unit_test(iscsi_examples_come_out_right),
		cmocka_unit_test(nothing_leaves_the_crc_as_it_is),
		cmocka_unit_test(every_byte_at_every_place_agrees_with_the_definition),
		cmocka_unit_test(any_length_and_alignment_agrees_with_the_definition),
		cmocka_unit_test(parts_one_after_another_give_the_crc_of_the_whole),
		cmocka_unit_test(lanes_are_the_crcs_of_their_stretches),
	};

	return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
