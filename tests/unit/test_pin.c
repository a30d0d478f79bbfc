/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../endpoints/pin.h"

#define PAGE 4096u
/* More than a pipe holds. */
#define LEN (40 * PAGE)

static void *map(size_t len, int prot)
{
	void *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static int lowest_free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 100; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void ordinary_memory_can_be_pinned(void **state)
{
	uint8_t *p = map(LEN, PROT_READ | PROT_WRITE);

	(void)state;
	memset(p, 0x5a, LEN);
	assert_true(pin_test(p, LEN));
	assert_true(pin_test(p, 1));
	for (size_t i = 0; i < LEN; i++)
		assert_int_equal(p[i], 0x5a);
	munmap(p, LEN);
}

static void memory_that_is_not_there_cannot(void **state)
{
	uint8_t *p = map(LEN, PROT_READ | PROT_WRITE);

	(void)state;
	munmap(p + LEN - PAGE, PAGE); /* the last page alone */
	assert_false(pin_test(p, LEN));
	munmap(p, LEN - PAGE);
}

static void memory_that_may_not_be_read_cannot(void **state)
{
	uint8_t *p = map(LEN, PROT_READ | PROT_WRITE);

	(void)state;
	assert_int_equal(mprotect(p + LEN - PAGE, PAGE, PROT_NONE), 0);
	assert_false(pin_test(p, LEN));
	munmap(p, LEN);
}

static void a_test_leaves_no_descriptor(void **state)
{
	uint8_t *p = map(LEN, PROT_READ | PROT_WRITE);
	unsigned before = open_fds();

	(void)state;
	assert_true(pin_test(p, LEN));
	munmap(p, LEN);
	assert_false(pin_test(p, LEN));
	assert_int_equal(open_fds(), before);
}

static void without_descriptors_it_cannot_be_told(void **state)
{
	uint8_t *p = map(PAGE, PROT_READ | PROT_WRITE);
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)lowest_free_fd();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_false(pin_test(p, PAGE));
	none.rlim_cur += 2; /* a pipe, but no /dev/null */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_false(pin_test(p, PAGE));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	munmap(p, PAGE);
}

static bool is_present(void *p)
{
	unsigned char vec;

	return mincore(p, PAGE, &vec) == 0 && (vec & 1);
}

static void touching_makes_all_pages_present(void **state)
{
	int fd = memfd_create("pin", MFD_CLOEXEC);
	uint8_t *p;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, LEN), 0);
	p = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_false(is_present(p + LEN - PAGE));
	pin_touch(p, LEN - PAGE + 1); /* one byte of the last page will do */
	for (size_t at = 0; at < LEN; at += PAGE)
		assert_true(is_present(p + at));
	munmap(p, LEN);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_memory_can_be_pinned),
		cmocka_unit_test(memory_that_is_not_there_cannot),
		cmocka_unit_test(memory_that_may_not_be_read_cannot),
		cmocka_unit_test(a_test_leaves_no_descriptor),
		cmocka_unit_test(without_descriptors_it_cannot_be_told),
		cmocka_unit_test(touching_makes_all_pages_present),
	};

	return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
