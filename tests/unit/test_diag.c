/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/diag.h"
#include "../lib/capture.h"

static void a_message_names_program_and_object(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	diag("/dev/sg1", "is %s", "no disk");
	assert_string_equal(capture_end(&c), "sgmmcp: /dev/sg1: is no disk\n");
}

static void without_an_object_the_program_speaks(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	diag(NULL, "qd=%d", 4);
	assert_string_equal(capture_end(&c), "sgmmcp: qd=4\n");
}

static void an_errno_comes_last(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	diag_errno("a", ENODEV, "cannot open %d", 7);
	assert_string_equal(capture_end(&c), "sgmmcp: a: cannot open 7: No such device\n");
}

static void plain_text_has_no_lead(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	diag_plain("%u+0 records in", 3u);
	assert_string_equal(capture_end(&c), "3+0 records in\n");
}

static void control_bytes_are_shown_as_question_marks(void **state)
{
	struct capture c;

	(void)state;
	capture_begin(&c);
	diag("a\nb\033[2J", "c\rd\x7f\t");
	assert_string_equal(capture_end(&c), "sgmmcp: a?b?[2J: c?d??\n");
}

static void a_long_message_is_cut_to_one_line(void **state)
{
	static char text[10000];
	struct capture c;
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	capture_begin(&c);
	diag(NULL, "%s", text);
	len = strlen(capture_end(&c));
	assert_in_range(len, 4000, 4096);
	assert_int_equal(c.text[len - 1], '\n');
	assert_ptr_equal(strchr(c.text, '\n'), c.text + len - 1);
}

static void a_long_object_leaves_room_for_the_reason(void **state)
{
	static char text[10000];
	struct capture c;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	capture_begin(&c);
	diag_errno(text, ENOENT, "cannot open");
	assert_non_null(strstr(capture_end(&c), ": cannot open: No such file or directory\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_names_program_and_object),
		cmocka_unit_test(without_an_object_the_program_speaks),
		cmocka_unit_test(an_errno_comes_last),
		cmocka_unit_test(plain_text_has_no_lead),
		cmocka_unit_test(control_bytes_are_shown_as_question_marks),
		cmocka_unit_test(a_long_message_is_cut_to_one_line),
		cmocka_unit_test(a_long_object_leaves_room_for_the_reason),
	};

	return cmocka_run_group_tests_name("diag", tests, NULL, NULL);
}
