/* SPDX-License-Identifier: BSD-2-Clause */
/* The maps that ddrescue made are those of the fuzz target's corpus; the test runs at the top. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/mapfile.h"
#include "../lib/memout.h"
#include "../lib/rangetext.h"
#include "../lib/rng.h"
#include "../lib/tree.h"

#define MAP    "disk.map"
#define CORPUS "tests/fuzz/corpus/mapfile/"

static bool parse(const char *text, struct mapfile *m, struct mapfile_error *error)
{
	size_t len = strlen(text);
	char *own = malloc(len + 1); /* exactly as long: reading past it is seen */
	bool parsed;

	assert_non_null(own);
	memcpy(own, text, len);
	own = realloc(own, len > 0 ? len : 1);
	assert_non_null(own);
	parsed = mapfile_parse(own, len, m, error);
	free(own);
	return parsed;
}

static void reads(const char *text, const char *ranges)
{
	struct mapfile_error error = { 0 };
	struct mapfile m;

	if (!parse(text, &m, &error))
		fail_msg("%s: line %lu: %s", text, error.line, error.what);
	expect_ranges(&m.ranges, ranges);
	mapfile_destroy(&m);
}

static void all_that_ddrescue_takes_for_a_number_is_read(void **state)
{
	(void)state;
	reads("0 ?\n0 16 ?\n16 16 *\n", "0? 10* 20");
	reads("0x0 ? 1\n0x0 0X1f +\n0x1F 0xA -\n", "0+ 1f- 29");
	reads("00 / 7\n0 010 /\n010 8 -\n", "0/ 8- 10");
	reads("0x7FFFFFFFFFFFFFFF - 2147483647\n0 0x7FFFFFFFFFFFFFFF ?", "0? 7fffffffffffffff");
}

static void blanks_comments_and_line_ends_are_free(void **state)
{
	(void)state;
	reads("\n# x\n \t0\t+\v1 # y\n#z\n\n\f0 8 + #\n   # sgmmcp:\n8 8 -", "0+ 8- 10");
	reads("# x\r\n0 + 1\r\n0 8 +\r\n", "0+ 8");
	reads("0 + # no pass\n0 8 +\n", "0+ 8");
}

static void touching_blocks_of_a_status_are_one_range(void **state)
{
	(void)state;
	reads("0 + 1\n0 8 +\n8 8 +\n16 8 -\n", "0+ 10- 18");
}

static void what_is_before_the_first_block_is_untried(void **state)
{
	struct mapfile_error error;
	struct mapfile m;

	(void)state;
	assert_true(parse("0 + 1\n0x100 0x100 +\n", &m, &error));
	expect_ranges(&m.ranges, "0? 100+ 200");
	assert_int_equal(m.begin_bytes, 0x100);
	mapfile_destroy(&m);
}

static void the_status_line_is_read(void **state)
{
	static const char chars[] = "?*/-FG+";
	struct mapfile_error error;
	struct mapfile m;
	char text[64];

	(void)state;
	for (unsigned i = 0; chars[i] != '\0'; i++) {
		(void)snprintf(text, sizeof(text), "0x123 %c %u\n0 1 +\n", chars[i], i + 1);
		assert_true(parse(text, &m, &error));
		assert_int_equal(m.pos_bytes, 0x123);
		assert_int_equal(m.phase, chars[i]);
		assert_int_equal(m.pass, i + 1);
		mapfile_destroy(&m);
	}
	assert_true(parse("1 ?\n0 1 +\n", &m, &error));
	assert_int_equal(m.pass, 1);
	mapfile_destroy(&m);
}

static void each_error_is_told_with_its_line_and_nothing_else_happens(void **state)
{
	static const struct {
		const char *text;
		unsigned long line;
		const char *word; /* of the message */
	} cases[] = {
		{ "", 0, "status line is missing" },
		{ "# c\n\n", 2, "status line is missing" },
		{ "0 + 1\n", 1, "no block" },
		{ "0 + 1\n# 0 8 +\n", 2, "no block" },
		{ "0 8 +\n", 1, "status is none" },
		{ "x + 1\n0 8 +\n", 1, "position" },
		{ "-1 + 1\n0 8 +\n", 1, "position" },
		{ "0x8000000000000000 + 1\n0 8 +\n", 1, "position" },
		{ "0 a 1\n0 8 +\n", 1, "status is none" },
		{ "0 ++ 1\n0 8 +\n", 1, "status is none" },
		{ "0\n0 8 +\n", 1, "status is none" },
		{ "0 + 0\n0 8 +\n", 1, "pass" },
		{ "0 + 0x1\n0 8 +\n", 1, "pass" },
		{ "0 + 2147483648\n0 8 +\n", 1, "pass" },
		{ "0 + 1 1\n0 8 +\n", 1, "a word too many" },
		{ "0 + 1\n0 8 + x\n", 2, "a word too many" },
		{ "0 + 1\n0 8 +\n9 8 +\n", 3, "gap" },
		{ "0 + 1\n0 8 +\n\n7 8 +\n", 4, "overlaps" },
		{ "0 + 1\n0 8 +\n0 8 +\n", 3, "overlaps" },
		{ "0 + 1\n0 8 F\n", 2, "status is none" },
		{ "0 + 1\n0 8\n", 2, "status is none" },
		{ "0 + 1\n0 8+\n", 2, "size" },
		{ "0 + 1\n0\n", 2, "size" },
		{ "0 + 1\n0 0 +\n", 2, "size is 0" },
		{ "0 + 1\n0 -8 +\n", 2, "size" },
		{ "0 + 1\n0 +8 +\n", 2, "size" },
		{ "0 + 1\n0 8k +\n", 2, "size" },
		{ "0 + 1\n0 09 +\n", 2, "size" },
		{ "0 + 1\n0 0x +\n", 2, "size" },
		{ "0 + 1\n0 0b1 +\n", 2, "size" },
		{ "0 + 1\n0 18446744073709551616 +\n", 2, "size" },
		{ "0 + 1\n0 0x8000000000000000 +\n", 2, "size" },
		{ "0 + 1\n0x7FFFFFFFFFFFFFFF 1 +\n", 2, "past 2^63-1" },
		{ "0 + 1\n0x10000000000000000 1 +\n", 2, "position" },
		{ "0 + 1\n0 | 8 | +\n", 2, "size" },
		{ "# sgmmcp: seed=\n0 + 1\n0 8 +\n", 1, "no valid value" },
		{ "# sgmmcp: seed=0x1\n0 + 1\n0 8 +\n", 1, "no valid value" },
		{ "# sgmmcp: seed=18446744073709551616\n0 + 1\n0 8 +\n", 1, "no valid value" },
		{ "# sgmmcp: serial=%0\n0 + 1\n0 8 +\n", 1, "no valid value" },
		{ "# sgmmcp: serial=a b\n0 + 1\n0 8 +\n", 1, "no valid value" },
		{ "# sgmmcp: seed=1\n# sgmmcp: seed=1\n0 + 1\n0 8 +\n", 2, "second time" },
		{ "# sgmmcp: out_serial=K1\n# sgmmcp: out_serial=K1\n0 + 1\n0 8 +\n", 2,
			"second time" },
		{ "# sgmmcp: out_unit_id=5\n# sgmmcp: out_unit_id=6\n0 + 1\n0 8 +\n", 2,
			"second time" },
		{ "0 + 1\n# sgmmcp: out_serial=%zz\n0 8 +\n", 2, "no valid value" },
	};
	struct mapfile_error error;
	struct mapfile m, untouched;

	(void)state;
	memset(&m, 0x5a, sizeof(m));
	memcpy(&untouched, &m, sizeof(m));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (parse(cases[i].text, &m, &error))
			fail_msg("read: %s", cases[i].text);
		assert_int_equal(error.err, EINVAL);
		if (error.line != cases[i].line || !strstr(error.what, cases[i].word))
			fail_msg("%s: line %lu: %s", cases[i].text, error.line, error.what);
		assert_memory_equal(&m, &untouched, sizeof(m));
	}
}

static void a_nul_byte_is_refused_where_it_is(void **state)
{
	static const char text[] = "0 + 1\n0 8 +\n# \0\n", zeros[512] = "";
	struct mapfile_error error;
	struct mapfile m;

	(void)state;
	assert_false(mapfile_parse(text, sizeof(text) - 1, &m, &error));
	assert_int_equal(error.line, 3);
	assert_non_null(strstr(error.what, "NUL"));
	assert_false(mapfile_parse(zeros, sizeof(zeros), &m, &error));
	assert_int_equal(error.line, 1);
}

static void only_mere_comments_may_be_long(void **state)
{
	const size_t room = 3 * MAPFILE_LINE_MAX;
	char *text = malloc(room), *blanks = malloc(room);
	struct mapfile_error error;
	struct mapfile m;

	(void)state;
	assert_true(text && blanks);
	memset(blanks, ' ', room);
	blanks[MAPFILE_LINE_MAX + 1] = '\0';
	(void)snprintf(text, room, "0 + 1\n#%s\n0 8 +\n", blanks);
	assert_true(parse(text, &m, &error));
	mapfile_destroy(&m);
	(void)snprintf(text, room, "0 + 1\n0 8 +%s\n", blanks);
	assert_false(parse(text, &m, &error));
	assert_int_equal(error.line, 2);
	assert_non_null(strstr(error.what, "too long"));
	(void)snprintf(text, room, "# sgmmcp: seed=1%s\n0 + 1\n0 8 +\n", blanks);
	assert_false(parse(text, &m, &error));
	assert_int_equal(error.line, 1);
	free(blanks);
	free(text);
}

/* --- printing --- */

static char *printed(const struct mapfile *m, const char *const *heading, struct memout *out)
{
	memout_begin(out);
	mapfile_print(m, heading, &out->out);
	return memout_end(out);
}

static void a_map_is_printed_as_ddrescue_prints_it(void **state)
{
	static const char *const heading[] = { "Mapfile. Created by a test", "A\nB\x80", NULL };
	struct mapfile m = { .pos_bytes = 0x120000, .phase = '?', .pass = 1 };
	struct memout out;

	(void)state;
	assert_true(ranges_append(&m.ranges, 0x117000, RANGE_DONE));
	assert_true(ranges_append(&m.ranges, 0x200, RANGE_BAD));
	assert_true(ranges_append(&m.ranges, 0x1000, RANGE_NONSCRAPED));
	assert_true(ranges_append(&m.ranges, 0x7e00, RANGE_FAILED));
	assert_true(ranges_append(&m.ranges, UINT64_C(0x123456789a), RANGE_UNTRIED));
	m.facts.known = 1u << MAPFILE_SERIAL | 1u << MAPFILE_BLOCK | 1u << MAPFILE_OUT_SERIAL |
			1u << MAPFILE_OUT_UNIT_ID | 1u << MAPFILE_PATTERN | 1u << MAPFILE_SEED;
	strcpy(m.facts.serial, "Z1 %");
	strcpy(m.facts.out_serial, "K1");
	strcpy(m.facts.out_unit_id, "naa.6 0");
	strcpy(m.facts.pattern, "random");
	m.facts.block_bytes = 520;
	m.facts.seed = UINT64_MAX;
	assert_string_equal(printed(&m, heading, &out),
		"# Mapfile. Created by a test\n"
		"# A?B?\n"
		"# sgmmcp: serial=Z1%20%25\n"
		"# sgmmcp: block_bytes=520\n"
		"# sgmmcp: out_serial=K1\n"
		"# sgmmcp: out_unit_id=naa.6%200\n"
		"# sgmmcp: pattern=random\n"
		"# sgmmcp: seed=18446744073709551615\n"
		"# current_pos  current_status  current_pass\n"
		"0x00120000     ?               1\n"
		"#      pos        size  status\n"
		"0x00000000  0x00117000  +\n"
		"0x00117000  0x00000200  -\n"
		"0x00117200  0x00001000  /\n"
		"0x00118200  0x00007E00  *\n"
		"0x00120000  0x123456789A  ?\n");
	free(out.text);
	mapfile_destroy(&m);
}

static void what_is_not_flushed_is_printed_as_untried(void **state)
{
	struct mapfile m = { .phase = '?', .pass = 1 };
	struct memout out;

	(void)state;
	assert_true(ranges_append(&m.ranges, 0x10, RANGE_DONE));
	assert_true(ranges_append(&m.ranges, 0x10, RANGE_WRITTEN));
	assert_true(ranges_append(&m.ranges, 0x10, RANGE_UNTRIED));
	assert_true(ranges_append(&m.ranges, 0x10, RANGE_WRITTEN));
	assert_non_null(strstr(printed(&m, NULL, &out),
		"\n0x00000000  0x00000010  +\n0x00000010  0x00000030  ?\n"));
	assert_null(strstr(out.text, "0x00000020"));
	free(out.text);
	mapfile_destroy(&m);
}

static void facts_come_back_whatever_is_in_them(void **state)
{
	struct mapfile m = { .phase = '-', .pass = 3, .pos_bytes = 5 }, again;
	struct mapfile_error error;
	struct memout out;

	(void)state;
	assert_true(ranges_append(&m.ranges, 0x10, RANGE_DONE));
	m.facts = (struct mapfile_facts){ .known = (1u << MAPFILE_FACTS) - 1,
		.serial = "# sgmmcp: seed=\n\t \xff=",
		.unit_id = "",
		.out_serial = "# sgmmcp: serial=\n",
		.out_unit_id = "6000@512",
		.pattern = "stamp:512",
		.block_bytes = 1,
		.size_bytes = 2,
		.skip_bytes = 3,
		.seek_bytes = UINT64_MAX,
		.seed = 5 };
	memset(m.facts.unit_id, '%', sizeof(m.facts.unit_id) - 1);
	assert_true(parse(printed(&m, NULL, &out), &again, &error));
	assert_int_equal(again.facts.known, m.facts.known);
	assert_string_equal(again.facts.serial, m.facts.serial);
	assert_string_equal(again.facts.unit_id, m.facts.unit_id);
	assert_string_equal(again.facts.out_serial, m.facts.out_serial);
	assert_string_equal(again.facts.out_unit_id, m.facts.out_unit_id);
	assert_string_equal(again.facts.pattern, m.facts.pattern);
	assert_int_equal(again.facts.block_bytes, 1);
	assert_int_equal(again.facts.size_bytes, 2);
	assert_int_equal(again.facts.skip_bytes, 3);
	assert_true(again.facts.seek_bytes == UINT64_MAX);
	assert_int_equal(again.facts.seed, 5);
	assert_string_equal(mapfile_fact_name(MAPFILE_SERIAL), "serial");
	assert_string_equal(mapfile_fact_name(MAPFILE_SEED), "seed");
	free(out.text);
	mapfile_destroy(&again);
	mapfile_destroy(&m);
}

static void facts_of_later_versions_are_passed_over(void **state)
{
	struct mapfile_error error;
	struct mapfile m;

	(void)state;
	assert_true(parse("# sgmmcp: colour=blue\n# sgmmcp: seedling=x\n#sgmmcp: block_bytes=512\n"
			  "0 + 1\n0 8 +\n",
		&m, &error));
	assert_int_equal(m.facts.known, 1u << MAPFILE_BLOCK);
	assert_int_equal(m.facts.block_bytes, 512);
	mapfile_destroy(&m);
}

static void random_map(struct rng *rng, struct mapfile *m)
{
	uint64_t total = rng_between(rng, 1, UINT64_C(1) << rng_between(rng, 1, 62));

	*m = (struct mapfile){ .phase = "?*/-FG+"[rng_below(rng, 7)],
		.pass = (unsigned)rng_between(rng, 1, INT_MAX),
		.pos_bytes = rng_next(rng) >> 1 };
	assert_true(ranges_init(&m->ranges, total));
	for (uint64_t i = rng_below(rng, 200); i > 0; i--) {
		uint64_t at = rng_below(rng, total), len = rng_between(rng, 1, total - at);

		len = rng_once_in(rng, 3) ? len : min_u64(len, total / 100 + 1);
		assert_true(ranges_set(&m->ranges, at, len, (enum range_status)rng_below(rng, 6)));
	}
	m->facts.known = (unsigned)rng_below(rng, 1u << MAPFILE_FACTS);
	m->facts.seed = rng_next(rng);
	rng_fill(rng, m->facts.serial, rng_below(rng, MAPFILE_TEXT_ROOM));
	rng_fill(rng, m->facts.out_unit_id, rng_below(rng, MAPFILE_TEXT_ROOM));
}

static void any_map_is_read_as_it_was_printed(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 2000; seed++) {
		struct rng rng = { seed };
		struct mapfile m, again;
		struct mapfile_error error;
		struct memout out;

		random_map(&rng, &m);
		if (!parse(printed(&m, NULL, &out), &again, &error))
			fail_msg("seed %u: line %lu: %s", seed, error.line, error.what);
		ranges_turn(&m.ranges, RANGE_WRITTEN, RANGE_UNTRIED);
		assert_true(ranges_same(&again.ranges, &m.ranges));
		assert_int_equal(again.phase, m.phase);
		assert_int_equal(again.pass, m.pass);
		assert_int_equal(again.pos_bytes, m.pos_bytes);
		assert_int_equal(again.facts.known, m.facts.known);
		if (m.facts.known & 1u << MAPFILE_SERIAL)
			assert_string_equal(again.facts.serial, m.facts.serial);
		if (m.facts.known & 1u << MAPFILE_OUT_UNIT_ID)
			assert_string_equal(again.facts.out_unit_id, m.facts.out_unit_id);
		free(out.text);
		mapfile_destroy(&again);
		mapfile_destroy(&m);
	}
}

/* A map with some bytes changed: read, or refused, and never more than that. */
static void damaged_maps_do_no_harm(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned seed = 0; seed < 5000; seed++) {
		struct rng rng = { seed };
		struct mapfile m;
		struct mapfile_error error;
		struct memout out;

		random_map(&rng, &m);
		(void)printed(&m, NULL, &out);
		mapfile_destroy(&m);
		for (uint64_t i = rng_between(&rng, 1, 5); i > 0; i--)
			out.text[rng_below(&rng, out.len)] = (char)rng_next(&rng);
		if (rng_once_in(&rng, 3))
			out.len = rng_below(&rng, out.len);
		if (mapfile_parse(out.text, out.len, &m, &error))
			mapfile_destroy(&m);
		else
			refused++;
		free(out.text);
	}
	assert_in_range(refused, 1000, 4999);
}

/* --- files --- */

static void maps_of_ddrescue_are_read(void **state)
{
	static const struct {
		const char *name, *ranges;
		uint64_t pos;
		unsigned pass;
	} maps[] = {
		{ "full", "0+ 100000", 0xf0000, 1 },
		{ "faults", "0+ 20000- 20200+ 60200- 61600+ 100000", 0x61200, 1 },
		{ "untrimmed", "0+ 20000* 30000+ 60000* 70000+ 100000", 0x40000, 2 },
		{ "unscraped", "0+ 20000- 20200+ 60200- 60400/ 61400- 61600+ 100000", 0x61600, 1 },
		{ "domain", "0? 20000+ 6b000? 100000", 0x60000, 1 },
		{ "domain_faults", "0? 20000* 30000+ 60000* 6b000? 100000", 0x40000, 2 },
		{ "4096", "0+ 20000- 21000+ 60000- 62000+ 100000", 0x62000, 1 },
		{ "continued", "0+ 10000- 10200+ 80000? 100000", 0x10400, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		struct mapfile_error error;
		struct mapfile m;
		char path[128];

		(void)snprintf(path, sizeof(path), CORPUS "ddrescue_%s", maps[i].name);
		if (!mapfile_load(path, &m, &error))
			fail_msg("%s: line %lu: %s", path, error.line, error.what);
		expect_ranges(&m.ranges, maps[i].ranges);
		assert_int_equal(m.pos_bytes, maps[i].pos);
		assert_int_equal(m.phase, '+');
		assert_int_equal(m.pass, maps[i].pass);
		assert_int_equal(m.facts.known, 0);
		mapfile_destroy(&m);
	}
}

static int set_up(void **state)
{
	static struct tree t;

	tree_enter(&t);
	*state = &t;
	return 0;
}

static int tear_down(void **state)
{
	tree_leave(*state);
	return 0;
}

static void a_map_that_was_saved_is_loaded_and_the_one_before_is_bak(void **state)
{
	struct mapfile m = { .phase = '?', .pass = 1 }, again;
	struct mapfile_error error;
	enum replace_step step;

	(void)state;
	assert_true(ranges_init(&m.ranges, 1 << 20));
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), 0);
	for (unsigned i = 0; i < 5000; i++)
		assert_true(ranges_set(&m.ranges, i * 200, 100, RANGE_BAD));
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), 0);
	assert_true(mapfile_load(MAP, &again, &error));
	assert_true(ranges_same(&again.ranges, &m.ranges));
	mapfile_destroy(&again);
	assert_true(mapfile_load(MAP ".bak", &again, &error));
	expect_ranges(&again.ranges, "0? 100000");
	mapfile_destroy(&again);
	mapfile_destroy(&m);
}

static void a_map_that_could_not_be_read_again_is_not_saved(void **state)
{
	struct mapfile m = { .phase = '?', .pass = 1 };
	enum replace_step step;

	(void)state;
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), EINVAL);
	assert_true(ranges_init(&m.ranges, (uint64_t)MAPFILE_SIZE_MAX + 1));
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), EINVAL);
	mapfile_destroy(&m);
	assert_true(ranges_init(&m.ranges, MAPFILE_SIZE_MAX));
	m.phase = 'x';
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), EINVAL);
	m.phase = '\0';
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), EINVAL);
	m.phase = '?';
	m.pass = 0;
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), EINVAL);
	m.pass = 1;
	m.pos_bytes = (uint64_t)MAPFILE_SIZE_MAX + 1;
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), EINVAL);
	assert_int_equal(access(MAP, F_OK), -1);
	m.pos_bytes = MAPFILE_SIZE_MAX;
	assert_int_equal(mapfile_save(MAP, &m, NULL, &step), 0);
	mapfile_destroy(&m);
}

static void what_is_no_map_file_is_told_apart(void **state)
{
	struct mapfile_error error;
	struct mapfile m;

	(void)state;
	assert_false(mapfile_load(MAP, &m, &error));
	assert_int_equal(error.err, ENOENT);
	assert_int_equal(error.line, 0);
	assert_false(mapfile_load(".", &m, &error));
	assert_int_equal(error.err, ENOTSUP);
	assert_false(mapfile_load("/dev/null", &m, &error));
	assert_int_equal(error.err, ENOTSUP);
	assert_int_equal(mkfifo(MAP, 0600), 0);
	assert_false(mapfile_load(MAP, &m, &error));
	assert_int_equal(error.err, ENOTSUP);
	assert_int_equal(remove(MAP), 0);
	assert_int_equal(symlink("/etc/passwd", MAP), 0);
	assert_false(mapfile_load(MAP, &m, &error));
	assert_int_equal(error.err, ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_ddrescue_takes_for_a_number_is_read),
		cmocka_unit_test(blanks_comments_and_line_ends_are_free),
		cmocka_unit_test(touching_blocks_of_a_status_are_one_range),
		cmocka_unit_test(what_is_before_the_first_block_is_untried),
		cmocka_unit_test(the_status_line_is_read),
		cmocka_unit_test(each_error_is_told_with_its_line_and_nothing_else_happens),
		cmocka_unit_test(a_nul_byte_is_refused_where_it_is),
		cmocka_unit_test(only_mere_comments_may_be_long),
		cmocka_unit_test(a_map_is_printed_as_ddrescue_prints_it),
		cmocka_unit_test(what_is_not_flushed_is_printed_as_untried),
		cmocka_unit_test(facts_come_back_whatever_is_in_them),
		cmocka_unit_test(facts_of_later_versions_are_passed_over),
		cmocka_unit_test(any_map_is_read_as_it_was_printed),
		cmocka_unit_test(damaged_maps_do_no_harm),
		cmocka_unit_test(maps_of_ddrescue_are_read),
		cmocka_unit_test_setup_teardown(
			a_map_that_was_saved_is_loaded_and_the_one_before_is_bak, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_map_that_could_not_be_read_again_is_not_saved, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_no_map_file_is_told_apart, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("mapfile", tests, NULL, NULL);
}
