/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/memout.h"

static int refuse(void *arg, const char *text, size_t len)
{
	unsigned *refused = arg;

	(void)text;
	assert_true(len > 0);
	return ++*refused == 1 ? ENOSPC : EIO;
}

static void text_comes_out_whole_and_in_order(void **state)
{
	struct memout m;
	size_t len = 0;

	(void)state;
	memout_begin(&m);
	for (unsigned i = 0; i < 5000; i++)
		textout_printf(&m.out, "%08u", i);
	(void)memout_end(&m);
	assert_int_equal(m.len, 40000);
	for (unsigned i = 0; i < 5000; i++, len += 8) {
		char number[9];

		(void)snprintf(number, sizeof(number), "%08u", i);
		assert_memory_equal(m.text + len, number, 8);
	}
	free(m.text);
}

static void the_first_error_is_kept_and_nothing_is_sent_after_it(void **state)
{
	struct textout t;
	unsigned refused = 0;

	(void)state;
	textout_init(&t, refuse, &refused);
	for (unsigned i = 0; i < 5000; i++)
		textout_printf(&t, "%032u", i);
	assert_int_equal(textout_end(&t), ENOSPC);
	assert_int_equal(refused, 1);
}

static void a_piece_that_is_too_long_is_an_error(void **state)
{
	struct memout m;

	(void)state;
	memout_begin(&m);
	textout_printf(&m.out, "%*s", TEXTOUT_PIECE_MAX, "");
	textout_escaped(&m.out, "");
	(void)memout_end(&m);
	assert_int_equal(m.len, TEXTOUT_PIECE_MAX);
	textout_printf(&m.out, "%*s", TEXTOUT_PIECE_MAX + 1, "");
	assert_int_equal(textout_end(&m.out), EOVERFLOW);
	free(m.text);
}

static void escaped_text_is_one_word_and_comes_back(void **state)
{
	static const char *const wrong[] = { "%", "%2", "%2g", "%g2", "%00", "a b", "a\tb",
		"\x7f" };
	char all[256], back[256], small[3];
	struct memout m;

	(void)state;
	for (unsigned i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	memout_begin(&m);
	textout_escaped(&m.out, all);
	(void)memout_end(&m);
	for (size_t i = 0; i < m.len; i++)
		assert_true(m.text[i] > ' ' && m.text[i] < 0x7f);
	assert_true(textout_unescape(m.text, m.len, back, sizeof(back)));
	assert_string_equal(back, all);
	free(m.text);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(textout_unescape(wrong[i], strlen(wrong[i]), back, sizeof(back)));
	assert_true(textout_unescape("a%62c", 4, small, sizeof(small)));
	assert_string_equal(small, "ab");
	assert_false(textout_unescape("abc", 3, small, sizeof(small)));
	assert_false(textout_unescape("", 0, small, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_out_whole_and_in_order),
		cmocka_unit_test(the_first_error_is_kept_and_nothing_is_sent_after_it),
		cmocka_unit_test(a_piece_that_is_too_long_is_an_error),
		cmocka_unit_test(escaped_text_is_one_word_and_comes_back),
	};

	return cmocka_run_group_tests_name("textout", tests, NULL, NULL);
}
