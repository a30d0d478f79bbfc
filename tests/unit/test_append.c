/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endpoints/append.h"
#include "../lib/capture.h"
#include "../lib/ends.h"

static struct tree tree;
static char path[PATH_MAX];

static int make_tree(void **state)
{
	(void)state;
	ends_setup(&tree, path);
	return 0;
}

static int drop_tree(void **state)
{
	(void)state;
	ends_teardown(&tree);
	return 0;
}

static struct endpoint *open_dest(unsigned flags)
{
	return ends_open(append_open, path, END_DEST, END_APPEND | flags);
}

static void another_appends(const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void it_has_an_order_and_leaves_no_zeros_out(void **state)
{
	struct endpoint *ep;

	(void)state;
	ends_file(path, 1000, 1);
	ep = open_dest(0);
	assert_true(ep->facts.sequential && ep->facts.needs_flush);
	assert_int_equal(ep->facts.cls, END_BUFFERED);
	assert_false(ep->facts.fresh || ep->facts.can_trim || ep->facts.evented);
	assert_int_equal(ep->facts.hole_bytes, 0);
	assert_null(ep->ops->end); /* nothing is cut */
	ends_close(ep, NULL);
}

static void appends_among_others(unsigned flags)
{
	uint8_t *bytes = ends_bytes(1212, 1), *mem = ends_memory(100);
	struct endpoint *ep;
	struct lane *lane;
	struct fault f;

	ends_file(path, 1000, 1);
	ep = ends_begin(open_dest(flags), 0, 200);
	lane = ends_lane(ep);
	another_appends(bytes + 1000, 5);
	memset(mem, 0xee, 100);
	ends_move_all(lane, mem, 0, 100);
	another_appends(bytes + 1105, 7);
	memset(mem, 0xdd, 100);
	ends_move_all(lane, mem, 100, 100);
	assert_true(ep->ops->flush(ep, &f));
	ends_close(ep, lane);
	memset(bytes + 1005, 0xee, 100);
	memset(bytes + 1112, 0xdd, 100);
	ends_expect(path, bytes, 1212);
	free(bytes);
	free(mem);
}

static void what_others_append_meanwhile_stays(void **state)
{
	(void)state;
	appends_among_others(0);
	appends_among_others(END_NOTRUNC | END_DSYNC);
	appends_among_others(END_NOCACHE);
}

static void a_new_file_is_there_from_begin_on_and_can_be_undone(void **state)
{
	struct endpoint *ep = open_dest(END_EXCL);

	(void)state;
	assert_int_equal(ends_size(path), -1);
	ends_begin(ep, 0, SIZE_UNKNOWN);
	assert_int_equal(ends_size(path), 0);
	ep->ops->uncreate(ep);
	assert_int_equal(ends_size(path), -1);
	ends_close(ep, NULL);
}

static void what_a_file_is_refused_for_this_is_too(void **state)
{
	const struct file_params excl = { path, END_DEST, END_APPEND | END_EXCL };
	const struct file_params nocreat = { path, END_DEST, END_APPEND | END_NOCREAT };

	(void)state;
	ends_refused(append_open, &nocreat, EXIT_FILE, "No such file");
	ends_file(path, 10, 1);
	ends_refused(append_open, &excl, EXIT_FILE, "excl: not writing");
}

static void a_transfer_that_failed_half_way_is_not_begun_again(void **state)
{
	uint8_t *mem = ends_memory(4096);
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	ends_file(path, 1000, 1);
	ep = ends_begin(open_dest(0), 0, SIZE_UNKNOWN);
	lane = ends_lane(ep);
	ends_limit_file_size(5000);
	x = ends_move_fails(lane, mem, 0, 4096, EFBIG);
	ends_limit_file_size(RLIM_INFINITY);
	assert_int_equal(x.done_bytes, 4000);
	assert_string_equal(ends_text(ep, &x),
		"write at byte 4000 of what is appended, 96 bytes: File too large");
	x = ends_move_fails(lane, mem, 0, 4096, EFBIG);
	assert_int_equal(x.done_bytes, 4000);
	assert_int_equal(ends_size(path), 5000);
	ends_close(ep, lane);
	free(mem);
}

static void one_that_failed_at_its_first_byte_is(void **state)
{
	uint8_t *mem = ends_memory(4096);
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	ends_file(path, 1000, 1);
	ep = ends_begin(open_dest(0), 0, SIZE_UNKNOWN);
	lane = ends_lane(ep);
	ends_limit_file_size(1000);
	assert_int_equal(ends_move_fails(lane, mem, 0, 4096, EFBIG).done_bytes, 0);
	ends_limit_file_size(RLIM_INFINITY);
	ends_move_all(lane, mem, 0, 4096);
	assert_int_equal(ends_size(path), 5096);
	ends_close(ep, lane);
	free(mem);
}

static void zeros_are_written(void **state)
{
	struct endpoint *ep = ends_begin(open_dest(0), 0, SIZE_UNKNOWN);
	struct lane *lane = ends_lane(ep);

	(void)state;
	assert_false(ends_trim_all(lane, 0, 4096));
	assert_int_equal(ends_size(path), 0);
	ends_close(ep, lane);
}

#define on_tree(f) cmocka_unit_test_setup_teardown(f, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tree(it_has_an_order_and_leaves_no_zeros_out),
		on_tree(what_others_append_meanwhile_stays),
		on_tree(a_new_file_is_there_from_begin_on_and_can_be_undone),
		on_tree(what_a_file_is_refused_for_this_is_too),
		on_tree(a_transfer_that_failed_half_way_is_not_begun_again),
		on_tree(one_that_failed_at_its_first_byte_is),
		on_tree(zeros_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
