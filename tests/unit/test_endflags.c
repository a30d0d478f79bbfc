/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endflags.h"
#include "../lib/capture.h"

#define ALL_FLAGS  ((END_GROWS << 1) - 1)
#define EVERYWHERE (END_SGIO)
#define OF_STREAMS (END_SGIO | END_MMAP | END_EXCL | END_FLOCK)

static void taken(enum end_form form, enum end_role role, unsigned flags)
{
	assert_int_equal(endflags_check("it", form, role, flags), 0);
}

static void refused(enum end_form form, enum end_role role, unsigned flag)
{
	struct capture c;
	int status;

	capture_begin(&c);
	status = endflags_check("it", form, role, flag);
	assert_non_null(strstr(capture_end(&c), "it: "));
	assert_int_equal(status, EXIT_CONTRADICT);
}

/* Each of them alone, and all others together. */
static void refused_are(enum end_form form, enum end_role role, unsigned flags)
{
	for (unsigned flag = 1; flag <= END_GROWS; flag <<= 1)
		if (flags & flag)
			refused(form, role, flag);
	taken(form, role, ALL_FLAGS & ~flags);
}

static void a_file_has_all_but_commands(void **state)
{
	(void)state;
	refused_are(FORM_FILE, END_SOURCE, EVERYWHERE);
	refused_are(FORM_FILE, END_DEST, EVERYWHERE);
}

static void a_stream_has_no_direct_io(void **state)
{
	(void)state;
	refused_are(FORM_STREAM, END_SOURCE, OF_STREAMS | END_DIRECT);
	refused_are(FORM_STREAM, END_DEST, OF_STREAMS | END_DIRECT);
}

static void a_file_that_the_shell_has_opened_has(void **state)
{
	(void)state;
	refused_are(FORM_STREAM_FILE, END_SOURCE, OF_STREAMS);
	refused_are(FORM_STREAM_FILE, END_DEST, OF_STREAMS);
}

static void a_disk_is_not_appended_to(void **state)
{
	(void)state;
	refused_are(FORM_STREAM_DISK, END_SOURCE, OF_STREAMS);
	refused_are(FORM_STREAM_DISK, END_DEST, OF_STREAMS | END_APPEND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_has_all_but_commands),
		cmocka_unit_test(a_stream_has_no_direct_io),
		cmocka_unit_test(a_file_that_the_shell_has_opened_has),
		cmocka_unit_test(a_disk_is_not_appended_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
