/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/crc32c.h"
#include "../../core/pattern.h"
#include "../lib/rng.h"

#define ROOM 20000

/* --- helpers --- */

static struct pattern some_pattern(struct rng *rng)
{
	static const uint32_t sizes[] = { 32, 40, 512, 520, 4096, 4160, 16384 };
	struct pattern p = {
		.kind = (enum pattern_kind)rng_below(rng, 3),
		.bytes_len = (unsigned)rng_between(rng, 1, PATTERN_BYTES_MAX),
		.seed = rng_next(rng),
		.pass = (uint32_t)rng_below(rng, 3),
		.block_bytes = sizes[rng_below(rng, ARRAY_SIZE(sizes))],
	};

	rng_fill(rng, p.bytes, sizeof(p.bytes));
	return p;
}

/* Small ones, large ones, and those whose ranges end where offsets end. */
static uint64_t some_offset(struct rng *rng)
{
	switch (rng_below(rng, 3)) {
	case 0: return rng_below(rng, 10000);
	case 1: return rng_next(rng) >> rng_between(rng, 1, 40);
	default: return UINT64_MAX - ROOM - rng_below(rng, 10000);
	}
}

static struct pattern stamps(uint64_t seed, uint32_t pass, uint32_t block_bytes)
{
	return (struct pattern){
		.kind = PATTERN_STAMP, .seed = seed, .pass = pass, .block_bytes = block_bytes
	};
}

static uint64_t big_endian(const uint8_t *p, size_t len)
{
	uint64_t n = 0;

	while (len-- > 0)
		n = n << 8 | *p++;
	return n;
}

/* --- text --- */

static void hex_pairs_are_bytes_in_order(void **state)
{
	static const struct {
		const char *text;
		unsigned len;
		uint8_t bytes[PATTERN_BYTES_MAX];
	} cases[] = {
		{ "00", 1, { 0 } },
		{ "5a", 1, { 0x5a } },
		{ "0x5a", 1, { 0x5a } },
		{ "0X5A", 1, { 0x5a } },
		{ "5aa5", 2, { 0x5a, 0xa5 } },
		{ "DeadBeef", 4, { 0xde, 0xad, 0xbe, 0xef } },
		{ "0x010203", 3, { 1, 2, 3 } },
		{ "0123456789abcdef", 8, { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pattern p = { .kind = PATTERN_RANDOM };

		assert_true(pattern_parse_bytes(cases[i].text, strlen(cases[i].text), &p));
		assert_int_equal(p.kind, PATTERN_BYTES);
		assert_int_equal(p.bytes_len, cases[i].len);
		assert_memory_equal(p.bytes, cases[i].bytes, sizeof(p.bytes));
	}
}

static void the_same_data_have_the_same_name(void **state)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "00", "00" },
		{ "0x5A", "5a" },
		{ "5a5a5a", "5a" },
		{ "5aa55aa5", "5aa5" },
		{ "5aa55a", "5aa55a" },
		{ "0123456789ABCDEF", "0123456789abcdef" },
	};
	char name[PATTERN_NAME_ROOM];
	struct pattern p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(pattern_parse_bytes(cases[i].text, strlen(cases[i].text), &p));
		assert_string_equal(pattern_name(&p, name), cases[i].name);
	}
	p = (struct pattern){ .kind = PATTERN_RANDOM, .seed = 5, .block_bytes = 512 };
	assert_string_equal(pattern_name(&p, name), "random");
	p.kind = PATTERN_STAMP;
	assert_string_equal(pattern_name(&p, name), "stamp:512");
	p.block_bytes = UINT32_MAX;
	assert_string_equal(pattern_name(&p, name), "stamp:4294967295");
}

static void other_text_is_refused_and_touches_nothing(void **state)
{
	static const char *const cases[] = { "", "5", "5aa", "0x", "0x5", "x5a", "0xx5", "5g", "g5",
		"5a ", " 5a", "5a:a5", "-5a", "0123456789abcdef00", "0x0123456789abcdef00",
		"0x0x5a", "\xc3\xa9" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pattern p = { .kind = PATTERN_RANDOM, .seed = 4711 };

		if (pattern_parse_bytes(cases[i], strlen(cases[i]), &p))
			fail_msg("\"%s\" is taken", cases[i]);
		assert_int_equal(p.kind, PATTERN_RANDOM);
		assert_int_equal(p.seed, 4711);
	}
}

static void only_the_given_length_of_the_text_is_read(void **state)
{
	struct pattern p;

	(void)state;
	assert_true(pattern_parse_bytes("5aa5,", 4, &p));
	assert_int_equal(p.bytes_len, 2);
	assert_true(pattern_parse_bytes("5aa5", 2, &p));
	assert_int_equal(p.bytes_len, 1);
	assert_false(pattern_parse_bytes("0x5a", 2, &p));
}

/* --- the streams --- */

static void bytes_repeat_from_the_start_of_the_stream(void **state)
{
	static const struct pattern p = { .kind = PATTERN_BYTES, .bytes = "abcde", .bytes_len = 5 };
	uint8_t buf[9];

	(void)state;
	pattern_fill(&p, 0, buf, sizeof(buf));
	assert_memory_equal(buf, "abcdeabcd", 9);
	pattern_fill(&p, 13, buf, 3);
	assert_memory_equal(buf, "dea", 3);
}

/* The first numbers of splitmix64.c with this seed. */
static void random_data_are_those_of_splitmix64(void **state)
{
	static const uint64_t want[] = { UINT64_C(6457827717110365317),
		UINT64_C(3203168211198807973), UINT64_C(9817491932198370423),
		UINT64_C(4593380528125082431), UINT64_C(16408922859458223821) };
	static const struct pattern p = { .kind = PATTERN_RANDOM, .seed = 1234567 };
	uint8_t buf[40];

	(void)state;
	pattern_fill(&p, 0, buf, sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], want[i / 8] >> 8 * (i % 8) & 0xff);
}

static void each_seed_and_pass_has_other_data(void **state)
{
	uint8_t data[3][3][64];

	(void)state;
	for (uint32_t seed = 0; seed < 3; seed++)
		for (uint32_t pass = 0; pass < 3; pass++) {
			struct pattern p = { .kind = PATTERN_RANDOM, .seed = seed, .pass = pass };

			pattern_fill(&p, 0, data[seed][pass], 64);
		}
	for (size_t i = 0; i < 9; i++)
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(data[i / 3][i % 3], data[j / 3][j % 3], 64);
}

static void a_stamp_is_laid_out_as_documented(void **state)
{
	struct pattern p = stamps(UINT64_C(0x1122334455667788), 3, 512);
	struct pattern random = { .kind = PATTERN_RANDOM, .seed = p.seed, .pass = p.pass };
	uint8_t block[512], payload[512];

	(void)state;
	pattern_fill(&p, UINT64_C(0x123456789) * 512, block, sizeof(block));
	pattern_fill(&random, UINT64_C(0x123456789) * 512, payload, sizeof(payload));
	assert_int_equal(big_endian(block, 8), UINT64_C(0x123456789));
	assert_int_equal(big_endian(block + 8, 8), p.seed);
	assert_int_equal(big_endian(block + 16, 4), 3);
	assert_int_equal(big_endian(block + 20, 4), STAMP_MAGIC);
	assert_memory_equal(block + 24, payload + 24, 484);
	assert_int_equal(big_endian(block + 508, 4), crc32c(0, block, 508));
}

static void the_smallest_stamp_has_all_its_parts(void **state)
{
	struct pattern p = stamps(1, 0, STAMP_BLOCK_MIN);
	uint8_t block[STAMP_BLOCK_MIN];

	(void)state;
	pattern_fill(&p, 0, block, sizeof(block));
	assert_int_equal(big_endian(block + 20, 4), STAMP_MAGIC);
	assert_int_equal(big_endian(block + 28, 4), crc32c(0, block, 28));
}

/* --- any range, any split --- */

/* Fills out in parts of random lengths, the last first. */
static void fill_in_parts(
	struct rng *rng, const struct pattern *p, uint64_t offset, uint8_t *out, size_t len)
{
	while (len > 0) {
		size_t most = rng_once_in(rng, 2) ? 20 : 5000;
		size_t n = rng_between(rng, 1, min_u64(most, len));

		len -= n;
		pattern_fill(p, offset + len, out + len, n);
	}
}

static void any_split_of_a_range_gives_the_same_bytes(void **state)
{
	static uint8_t whole[ROOM], parts[ROOM];

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct rng rng = { seed };
		struct pattern p = some_pattern(&rng);
		uint64_t offset = some_offset(&rng);
		size_t at = rng_below(&rng, 64), len = rng_below(&rng, ROOM - at);

		pattern_fill(&p, offset, whole, len);
		fill_in_parts(&rng, &p, offset, parts + at, len);
		if (memcmp(whole, parts + at, len) != 0)
			fail_msg("seed %ju: the split range differs", (uintmax_t)seed);
	}
}

static void nothing_outside_the_range_is_written(void **state)
{
	uint8_t buf[700];

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct rng rng = { seed };
		struct pattern p = some_pattern(&rng);
		size_t at = rng_below(&rng, 100), len = rng_below(&rng, 600);

		memset(buf, 0xee, sizeof(buf));
		pattern_fill(&p, some_offset(&rng), buf + at, len);
		for (size_t i = 0; i < sizeof(buf); i++)
			if ((i < at || i >= at + len) && buf[i] != 0xee)
				fail_msg("seed %ju: byte %zu", (uintmax_t)seed, i);
	}
}

static void what_was_filled_passes_the_check(void **state)
{
	static uint8_t buf[ROOM];

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct rng rng = { seed };
		struct pattern p = some_pattern(&rng);
		uint64_t offset = some_offset(&rng);
		size_t at = rng_below(&rng, 64), len = rng_below(&rng, ROOM - at);

		pattern_fill(&p, offset, buf + at, len);
		if (pattern_check(&p, offset, buf + at, len) != len)
			fail_msg("seed %ju: not equal", (uintmax_t)seed);
	}
}

static void a_flipped_bit_anywhere_is_found_at_its_index(void **state)
{
	static uint8_t buf[ROOM];

	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct rng rng = { seed };
		struct pattern p = some_pattern(&rng);
		uint64_t offset = some_offset(&rng);
		size_t at = rng_below(&rng, 64), len = rng_between(&rng, 1, ROOM - at);
		size_t bad = rng_below(&rng, len);
		uint8_t want;

		pattern_fill(&p, offset, buf + at, len);
		want = buf[at + bad];
		buf[at + bad] ^= (uint8_t)(1 << rng_below(&rng, 8));
		if (pattern_check(&p, offset, buf + at, len) != bad)
			fail_msg("seed %ju: not found at %zu", (uintmax_t)seed, bad);
		if (pattern_byte(&p, offset + bad) != want)
			fail_msg("seed %ju: other byte expected at %zu", (uintmax_t)seed, bad);
	}
}

static void data_a_few_bytes_out_of_place_are_not_equal(void **state)
{
	static const struct pattern p = { .kind = PATTERN_RANDOM };
	uint8_t buf[800];

	(void)state;
	pattern_fill(&p, 800, buf, sizeof(buf));
	for (unsigned shift = 1; shift <= 8; shift++) {
		assert_int_equal(pattern_check(&p, 800 + shift, buf, sizeof(buf)), 0);
		assert_int_equal(pattern_check(&p, 800 - shift, buf, sizeof(buf)), 0);
	}
}

static void every_bit_of_a_piece_is_looked_at(void **state)
{
	static const enum pattern_kind kinds[] = { PATTERN_BYTES, PATTERN_RANDOM, PATTERN_STAMP };
	uint8_t buf[600];

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct pattern p = stamps(5, 1, 512);

		p.kind = kinds[k];
		p.bytes_len = 3;
		pattern_fill(&p, 3800, buf, sizeof(buf));
		for (size_t bit = 0; bit < 8 * sizeof(buf); bit++) {
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(pattern_check(&p, 3800, buf, sizeof(buf)), bit / 8);
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void the_first_of_several_differences_is_told(void **state)
{
	static const struct pattern p = { .kind = PATTERN_RANDOM };
	static uint8_t buf[ROOM];

	(void)state;
	pattern_fill(&p, 0, buf, sizeof(buf));
	buf[9000] ^= 1;
	buf[5003] ^= 1;
	buf[5001] ^= 1;
	assert_int_equal(pattern_check(&p, 0, buf, sizeof(buf)), 5001);
}

static void an_empty_range_has_no_difference(void **state)
{
	struct rng rng = { 1 };

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct pattern p = some_pattern(&rng);
		uint8_t byte = 0x77;

		pattern_fill(&p, some_offset(&rng), &byte, 0);
		assert_int_equal(byte, 0x77);
		assert_int_equal(pattern_check(&p, some_offset(&rng), &byte, 0), 0);
	}
}

static void bad_blocks_are_counted_once_each(void **state)
{
	static const struct pattern p = { .kind = PATTERN_RANDOM };
	uint8_t buf[4096];

	(void)state;
	pattern_fill(&p, 512, buf, sizeof(buf));
	assert_int_equal(pattern_count_bad_blk(&p, 512, buf, sizeof(buf), 512), 0);
	buf[0] ^= 1;
	buf[511] ^= 1;
	buf[1024] ^= 1;
	buf[4095] ^= 1;
	assert_int_equal(pattern_count_bad_blk(&p, 512, buf, sizeof(buf), 512), 3);
	assert_int_equal(pattern_count_bad_blk(&p, 512, buf, sizeof(buf), 4096), 2);
}

static void blocks_cut_by_the_range_count_with_their_part(void **state)
{
	static const struct pattern p = { .kind = PATTERN_RANDOM };
	uint8_t buf[1000];

	(void)state;
	pattern_fill(&p, 100, buf, sizeof(buf));
	buf[411] ^= 1; /* the last byte of block 0 */
	assert_int_equal(pattern_count_bad_blk(&p, 100, buf, sizeof(buf), 512), 1);
	buf[412] ^= 1; /* the first of block 1 */
	assert_int_equal(pattern_count_bad_blk(&p, 100, buf, sizeof(buf), 512), 2);
	buf[999] ^= 1; /* within block 2 */
	assert_int_equal(pattern_count_bad_blk(&p, 100, buf, sizeof(buf), 512), 3);
}

/* --- verdicts on stamps --- */

static void expect_verdict(
	uint8_t *block, uint64_t lba, enum stamp_verdict want, struct stamp *seen)
{
	struct pattern p = stamps(77, 5, 512);

	assert_int_equal(pattern_judge_stamp(&p, lba, block, seen), want);
}

/* The block of these marks, read at LBA 1000 in pass 5 of seed 77. */
static void expect_told(struct stamp is, enum stamp_verdict want)
{
	struct pattern p = stamps(is.seed, is.pass, 512);
	struct stamp seen;
	uint8_t block[512];

	pattern_fill(&p, is.lba * 512, block, sizeof(block));
	expect_verdict(block, 1000, want, &seen);
	assert_int_equal(seen.lba, is.lba);
	assert_int_equal(seen.seed, is.seed);
	assert_int_equal(seen.pass, is.pass);
}

static void the_right_block_is_intact(void **state)
{
	(void)state;
	expect_told((struct stamp){ .lba = 1000, .seed = 77, .pass = 5 }, STAMP_INTACT);
}

static void a_block_of_another_lba_tells_which(void **state)
{
	(void)state;
	expect_told((struct stamp){ .lba = 999, .seed = 77, .pass = 5 }, STAMP_ELSEWHERE);
	expect_told((struct stamp){ .lba = 1000 + (UINT64_C(1) << 32), .seed = 77, .pass = 5 },
		STAMP_ELSEWHERE);
}

static void a_block_of_an_older_pass_tells_which(void **state)
{
	(void)state;
	expect_told((struct stamp){ .lba = 1000, .seed = 77, .pass = 4 }, STAMP_OTHER_PASS);
	expect_told((struct stamp){ .lba = 1000, .seed = 77, .pass = 0 }, STAMP_OTHER_PASS);
}

static void a_block_of_another_run_tells_its_seed(void **state)
{
	(void)state;
	expect_told((struct stamp){ .lba = 1000, .seed = 78, .pass = 5 }, STAMP_OTHER_SEED);
}

static void another_run_outranks_another_place_and_that_another_pass(void **state)
{
	(void)state;
	expect_told((struct stamp){ .lba = 1, .seed = 78, .pass = 4 }, STAMP_OTHER_SEED);
	expect_told((struct stamp){ .lba = 1, .seed = 77, .pass = 4 }, STAMP_ELSEWHERE);
}

static void a_flipped_bit_anywhere_makes_a_block_changed(void **state)
{
	struct pattern p = stamps(77, 5, 512);
	struct stamp seen;
	uint8_t block[512];

	(void)state;
	pattern_fill(&p, UINT64_C(1000) * 512, block, sizeof(block));
	for (size_t bit = 0; bit < 8 * sizeof(block); bit++) {
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_verdict(block, 1000, STAMP_CHANGED, &seen);
		block[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* Redoes the CRC after a change, as no fault of a disk does. */
static void reseal(uint8_t *block)
{
	uint32_t crc = crc32c(0, block, 508);

	for (int i = 0; i < 4; i++)
		block[508 + i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void wrong_data_under_a_right_crc_are_changed(void **state)
{
	struct pattern p = stamps(77, 5, 512);
	struct stamp seen;
	uint8_t block[512];

	(void)state;
	pattern_fill(&p, UINT64_C(1000) * 512, block, sizeof(block));
	block[100] ^= 1;
	reseal(block);
	expect_verdict(block, 1000, STAMP_CHANGED, &seen);
}

static void a_right_crc_without_the_magic_is_no_stamp(void **state)
{
	struct pattern p = stamps(77, 5, 512);
	struct stamp seen;
	uint8_t block[512];

	(void)state;
	pattern_fill(&p, UINT64_C(999) * 512, block, sizeof(block));
	block[20] ^= 1;
	reseal(block);
	expect_verdict(block, 1000, STAMP_CHANGED, &seen);
}

static void zeros_are_changed(void **state)
{
	uint8_t block[512] = { 0 };
	struct stamp seen;

	(void)state;
	expect_verdict(block, 0, STAMP_CHANGED, &seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_pairs_are_bytes_in_order),
		cmocka_unit_test(the_same_data_have_the_same_name),
		cmocka_unit_test(other_text_is_refused_and_touches_nothing),
		cmocka_unit_test(only_the_given_length_of_the_text_is_read),
		cmocka_unit_test(bytes_repeat_from_the_start_of_the_stream),
		cmocka_unit_test(random_data_are_those_of_splitmix64),
		cmocka_unit_test(each_seed_and_pass_has_other_data),
		cmocka_unit_test(a_stamp_is_laid_out_as_documented),
		cmocka_unit_test(the_smallest_stamp_has_all_its_parts),
		cmocka_unit_test(any_split_of_a_range_gives_the_same_bytes),
		cmocka_unit_test(nothing_outside_the_range_is_written),
		cmocka_unit_test(what_was_filled_passes_the_check),
		cmocka_unit_test(a_flipped_bit_anywhere_is_found_at_its_index),
		cmocka_unit_test(data_a_few_bytes_out_of_place_are_not_equal),
		cmocka_unit_test(every_bit_of_a_piece_is_looked_at),
		cmocka_unit_test(the_first_of_several_differences_is_told),
		cmocka_unit_test(an_empty_range_has_no_difference),
		cmocka_unit_test(bad_blocks_are_counted_once_each),
		cmocka_unit_test(blocks_cut_by_the_range_count_with_their_part),
		cmocka_unit_test(the_right_block_is_intact),
		cmocka_unit_test(a_block_of_another_lba_tells_which),
		cmocka_unit_test(a_block_of_an_older_pass_tells_which),
		cmocka_unit_test(a_block_of_another_run_tells_its_seed),
		cmocka_unit_test(another_run_outranks_another_place_and_that_another_pass),
		cmocka_unit_test(a_flipped_bit_anywhere_makes_a_block_changed),
		cmocka_unit_test(wrong_data_under_a_right_crc_are_changed),
		cmocka_unit_test(a_right_crc_without_the_magic_is_no_stamp),
		cmocka_unit_test(zeros_are_changed),
	};

	return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
