/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/badblocks.h"
#include "../lib/memout.h"

static void lists(const struct ranges *r, unsigned set, uint32_t block_bytes, const char *text)
{
	struct memout m;

	memout_begin(&m);
	badblocks_print(r, set, block_bytes, &m.out);
	assert_string_equal(memout_end(&m), text);
	free(m.text);
}

static void each_block_that_a_range_touches_is_listed_once(void **state)
{
	const unsigned bad = RANGE_IS(RANGE_BAD);
	struct ranges r;

	(void)state;
	assert_true(ranges_init(&r, 10000));
	lists(&r, bad, 512, "");
	assert_true(ranges_set(&r, 512, 1024, RANGE_BAD));
	assert_true(ranges_set(&r, 5120, 1, RANGE_BAD));
	assert_true(ranges_set(&r, 5130, 1, RANGE_BAD));
	assert_true(ranges_set(&r, 5140, 512, RANGE_BAD));
	assert_true(ranges_set(&r, 5652, 1, RANGE_FAILED));
	assert_true(ranges_set(&r, 9999, 1, RANGE_BAD));
	lists(&r, bad, 512, "1\n2\n10\n11\n19\n");
	lists(&r, bad | RANGE_IS(RANGE_FAILED), 512, "1\n2\n10\n11\n19\n");
	lists(&r, RANGE_IS(RANGE_FAILED), 512, "11\n");
	lists(&r, bad, 4096, "0\n1\n2\n");
	ranges_destroy(&r);
}

static int read_list(const char *text, struct ranges *r, unsigned long *line)
{
	return badblocks_parse(text, strlen(text), 512, RANGE_BAD, r, line);
}

static void a_list_is_read_in_any_order(void **state)
{
	struct ranges r;
	unsigned long line;

	(void)state;
	assert_true(ranges_init(&r, 10 * 512 + 1));
	assert_int_equal(read_list("", &r, &line), 0);
	assert_int_equal(read_list("10\n3\r\n\n 2\t\n3\n0", &r, &line), 0);
	lists(&r, RANGE_IS(RANGE_BAD), 512, "0\n2\n3\n10\n");
	assert_int_equal(ranges_bytes(&r, RANGE_BAD), 3 * 512 + 1);
	ranges_destroy(&r);
}

static void a_wrong_line_is_told_and_changes_nothing(void **state)
{
	static const struct {
		const char *text;
		int err;
		unsigned long line;
	} cases[] = {
		{ "1\nx\n", EINVAL, 2 },
		{ "1\n2 3\n", EINVAL, 2 },
		{ "0x1\n", EINVAL, 1 },
		{ "1k\n", EINVAL, 1 },
		{ "-1\n", EINVAL, 1 },
		{ "# 1\n", EINVAL, 1 },
		{ "1\n\n10\n", ERANGE, 3 },
		{ "36028797018963968\n", ERANGE, 1 }, /* times 512 is 2^64 */
		{ "18446744073709551616\n", ERANGE, 1 },
	};
	struct ranges r, was = { 0 };
	unsigned long line;

	(void)state;
	assert_true(ranges_init(&r, 10 * 512) && ranges_copy(&was, &r));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(read_list(cases[i].text, &r, &line), cases[i].err);
		assert_int_equal(line, cases[i].line);
		assert_true(ranges_same(&r, &was));
	}
	assert_int_equal(badblocks_parse("1\n\0\n", 4, 512, RANGE_BAD, &r, &line), EINVAL);
	ranges_destroy(&was);
	ranges_destroy(&r);
}

static void a_list_is_saved_without_a_backup(void **state)
{
	char dir[] = "/tmp/sgmmcp_test_XXXXXX", path[64], text[16] = "";
	enum replace_step step;
	struct ranges r;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/list", dir);
	assert_true(ranges_init(&r, 10 * 512) && ranges_set(&r, 512, 1024, RANGE_BAD));
	assert_int_equal(badblocks_save(path, &r, RANGE_IS(RANGE_BAD), 512, &step), 0);
	assert_int_equal(badblocks_save(path, &r, RANGE_IS(RANGE_BAD), 512, &step), 0);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(text, 1, sizeof(text), file), 4);
	assert_string_equal(text, "1\n2\n");
	assert_int_equal(fclose(file), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0); /* nothing else is in it */
	ranges_destroy(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_block_that_a_range_touches_is_listed_once),
		cmocka_unit_test(a_list_is_read_in_any_order),
		cmocka_unit_test(a_wrong_line_is_told_and_changes_nothing),
		cmocka_unit_test(a_list_is_saved_without_a_backup),
	};

	return cmocka_run_group_tests_name("badblocks", tests, NULL, NULL);
}
