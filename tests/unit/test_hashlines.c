/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../hashlines.h"
#include "../lib/capture.h"

/* What h prints, with standard error in the place of where it would. */
static const char *whole(struct hashlines *h, struct capture *c)
{
	capture_begin(c);
	h->fd = STDERR_FILENO;
	hashlines_whole(h, "0011");
	return capture_end(c);
}

static void lines_are_those_of_sha256sum(void **state)
{
	struct hashlines h;
	struct capture c;

	(void)state;
	hashlines_init(&h, "a b", (const char *[]){ "." }, 1);
	assert_string_equal(whole(&h, &c), "0011  a b\n");
	capture_begin(&c);
	hashlines_window(&h, "0011", 512, 1024);
	assert_string_equal(capture_end(&c), "0011  a b [512-1024)\n");
	assert_int_equal(h.err, 0);
}

static void names_that_would_break_the_line_are_escaped(void **state)
{
	struct hashlines h;
	struct capture c;

	(void)state;
	hashlines_init(&h, "a\nb\\c\rd", (const char *[]){ "." }, 1);
	assert_string_equal(whole(&h, &c), "\\0011  a\\nb\\\\c\\rd\n");
}

static void the_longest_name_fits_escaped(void **state)
{
	char name[PATH_MAX];
	struct hashlines h;

	(void)state;
	memset(name, '\n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	hashlines_init(&h, name, (const char *[]){ "." }, 1);
	assert_int_equal(strlen(h.name), 2 * (PATH_MAX - 1));
}

/* Standard output is file meanwhile. */
static int fd_for(const char *file, const char *out_path)
{
	int saved = dup(STDOUT_FILENO), fd = open(file, O_RDWR | O_CREAT, 0600);
	struct hashlines h;

	assert_true(saved >= 0 && fd >= 0);
	(void)fflush(stdout);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	hashlines_init(&h, "x", (const char *[]){ out_path }, 1);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	close(saved);
	close(fd);
	return h.fd;
}

static void standard_output_is_left_to_the_data(void **state)
{
	char file[] = "/tmp/sgmmcp_test_XXXXXX";
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(fd_for(file, NULL), STDERR_FILENO);
	assert_int_equal(fd_for(file, "-"), STDERR_FILENO);
	assert_int_equal(fd_for(file, file), STDERR_FILENO);
	assert_int_equal(fd_for(file, "/dev/stdout"), STDERR_FILENO);
	assert_int_equal(fd_for(file, "/proc/self/fd/1"), STDERR_FILENO);
	assert_int_equal(fd_for(file, "."), STDOUT_FILENO);
	assert_int_equal(fd_for(file, "/dev/null"), STDOUT_FILENO);
	assert_int_equal(fd_for(file, "/nonexistent"), STDOUT_FILENO);
	(void)unlink(file);
}

static void a_line_that_cannot_be_written_is_remembered(void **state)
{
	int fd = open("/dev/full", O_WRONLY);
	struct hashlines h;

	(void)state;
	assert_true(fd >= 0);
	hashlines_init(&h, "x", (const char *[]){ "." }, 1);
	h.fd = fd;
	hashlines_window(&h, "00", 0, 1);
	assert_int_equal(h.err, ENOSPC);
	close(fd);
	hashlines_whole(&h, "00");
	assert_int_equal(h.err, ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_those_of_sha256sum),
		cmocka_unit_test(names_that_would_break_the_line_are_escaped),
		cmocka_unit_test(the_longest_name_fits_escaped),
		cmocka_unit_test(standard_output_is_left_to_the_data),
		cmocka_unit_test(a_line_that_cannot_be_written_is_remembered),
	};

	return cmocka_run_group_tests_name("hashlines", tests, NULL, NULL);
}
