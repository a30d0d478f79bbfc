/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On a real file of the temporary directory; where its file system has no O_DIRECT, all but the
 * refusals are skipped. io_getevents() and pwrite() are wrapped: by their word files have so much
 * room and no more; and open(): some file systems have no O_DIRECT.
 */
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endpoints/aio.h"
#include "../../endpoints/filenode.h"
#include "../lib/capture.h"
#include "../lib/ends.h"
#include "../lib/rng.h"

#define PAGE 4096u

static struct tree tree;
static char path[PATH_MAX];
static long long room_bytes = INT64_MAX; /* of each file */
static bool no_direct_io;
static bool is_removed; /* the device of a block node */

int __real_io_getevents(io_context_t, long, long, struct io_event *, struct timespec *);
int __real_open(const char *, int, ...);
int __real_ioctl(int, unsigned long, ...);
int __wrap_ioctl(int, unsigned long, ...);
int __wrap_open(const char *, int, ...);
ssize_t __real_pwrite(int, const void *, size_t, off_t);
int __wrap_io_getevents(io_context_t, long, long, struct io_event *, struct timespec *);
ssize_t __wrap_pwrite(int, const void *, size_t, off_t);

int __wrap_open(const char *name, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!no_direct_io || !(flags & O_DIRECT))
		return __real_open(name, flags, mode);
	errno = EINVAL;
	return -1;
}

int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	uint64_t *out;
	va_list args;

	va_start(args, cmd);
	out = va_arg(args, uint64_t *);
	va_end(args);
	if (cmd != BLKGETSIZE64)
		return __real_ioctl(fd, cmd, out);
	*out = is_removed ? 0 : 1 << 20;
	return 0;
}

/* What was written of a transfer that does not fit is not told. */
int __wrap_io_getevents(
	io_context_t ctx, long min, long max, struct io_event *events, struct timespec *timeout)
{
	int nevents = __real_io_getevents(ctx, min, max, events, timeout);

	for (int i = 0; i < nevents; i++)
		if (events[i].obj->aio_lio_opcode == IO_CMD_PWRITE &&
			events[i].obj->u.c.offset + (long long)events[i].obj->u.c.nbytes >
				room_bytes)
			events[i].res = (unsigned long)-ENOSPC;
	return nevents;
}

ssize_t __wrap_pwrite(int fd, const void *mem, size_t len, off_t at)
{
	if (at + (off_t)len <= room_bytes)
		return __real_pwrite(fd, mem, len, at);
	errno = ENOSPC;
	return -1;
}

static int make_tree(void **state)
{
	(void)state;
	ends_setup(&tree, path);
	no_direct_io = is_removed = false;
	return 0;
}

static int drop_tree(void **state)
{
	(void)state;
	ends_teardown(&tree);
	return 0;
}

static bool has_direct_io(void)
{
	char probe[PATH_MAX];
	int fd;

	tree_make(&tree);
	fd = open(
		ends_path(&tree, "probe", probe), O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	tree_drop(&tree);
	return fd >= 0;
}

static void direct_io(void **state)
{
	(void)state;
	print_message("SKIPPED: no O_DIRECT below %s: set TMPDIR\n", tree.root);
	skip();
}

static struct endpoint *open_as(enum end_role role, unsigned flags)
{
	return ends_open(aio_open, path, role, flags);
}

static struct endpoint *begin_dest(unsigned flags, uint64_t at)
{
	return ends_begin(open_as(END_DEST, flags), at, SIZE_UNKNOWN);
}

static struct endpoint *source_of(size_t len, uint64_t seed)
{
	ends_file(path, len, seed);
	return open_as(END_SOURCE, 0);
}

/* --- facts --- */

static void direct_io_is_evented_and_says_what_it_wants_aligned(void **state)
{
	struct endpoint *ep;

	(void)state;
	ep = source_of(12345, 1);
	assert_string_equal(ep->facts.kind, "file");
	assert_int_equal(ep->facts.cls, END_DIRECT_IO);
	assert_int_equal(ep->facts.size_bytes, 12345);
	assert_int_equal(ep->facts.block_bytes, 1);
	assert_true(ep->facts.evented);
	assert_true(ep->facts.dma_align > 0 && PAGE % ep->facts.dma_align == 0);
	assert_false(ep->facts.sequential || ep->facts.needs_flush);
	ends_close(ep, NULL);
}

static void a_destination_is_created_by_begin_only(void **state)
{
	struct endpoint *ep;

	(void)state;
	ep = open_as(END_DEST, 0);
	assert_int_equal(ep->ops->probe(ep, 65536, 0), 0);
	assert_int_equal(ends_size(path), -1);
	assert_true(ep->facts.dma_align > 0 && ep->facts.needs_flush);
	assert_int_equal(ep->ops->begin(ep, 100, SIZE_UNKNOWN), 0);
	assert_int_equal(ends_size(path), 100);
	ends_close(ep, NULL);
}

static void size_after(unsigned flags, uint64_t at, uint64_t len, long long size)
{
	struct endpoint *ep;

	ends_file(path, 5000, 1);
	ep = open_as(END_DEST, flags);
	assert_int_equal(ep->ops->begin(ep, at, len), 0);
	assert_int_equal(ends_size(path), size);
	ends_close(ep, NULL);
}

static void a_destination_has_its_length_from_the_start(void **state)
{
	(void)state;
	size_after(0, 100, 1000, 1100);
	size_after(0, 100, 100000, 100100);
	size_after(END_NOTRUNC, 100, 1000, 5000);
	size_after(END_NOTRUNC, 100, 100000, 100100);
	size_after(END_APPEND, 0, 1000, 5000);
}

/* Of 5000 bytes there, len at at were to be copied, and end_bytes were. */
static void size_at_the_end(
	unsigned flags, uint64_t at, uint64_t len, uint64_t end_bytes, bool cut, long long size)
{
	struct endpoint *ep;
	long long before;

	ends_file(path, 5000, 1);
	ep = open_as(END_DEST, flags);
	assert_int_equal(ep->ops->begin(ep, at, len), 0);
	before = ends_size(path);
	assert_int_equal(ep->ops->end(ep, end_bytes, cut), size < before);
	assert_int_equal(ends_size(path), size);
	ends_close(ep, NULL);
}

static void what_was_never_reached_is_cut_off_again(void **state)
{
	(void)state;
	size_at_the_end(0, 100, 100000, 70100, true, 70100);
	size_at_the_end(0, 100, 100000, 100, true, 100);
	size_at_the_end(0, 100, 100000, 70100, false, 100100); /* a map tells of the rest */
	size_at_the_end(0, 100, 100000, 100100, true, 100100);
	size_at_the_end(END_NOTRUNC, 100, 100000, 70100, true, 70100);
	size_at_the_end(END_NOTRUNC, 100, 100000, 300, true, 5000);
	size_at_the_end(END_NOTRUNC, 100, 1000, 300, true, 5000);
	size_at_the_end(END_APPEND, 0, 100000, 0, true, 5000);
	size_at_the_end(END_APPEND, 0, 100000, 200, true, 5200);
}

/* Begun by flags; written to 3 * PAGE; of these end_bytes have no gap before them. */
static void size_with_a_gap(unsigned flags, uint64_t len, uint64_t end_bytes, long long size)
{
	uint8_t *mem = ends_memory(PAGE);
	struct endpoint *ep;
	struct lane *lane;
	long long before;

	ends_file(path, PAGE, 1);
	ep = ends_begin(open_as(END_DEST, flags), 0, len);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 2 * PAGE, PAGE);
	before = ends_size(path);
	assert_int_equal(ep->ops->end(ep, end_bytes, true), size < before);
	assert_int_equal(ends_size(path), size);
	ends_close(ep, lane);
	free(mem);
}

static void what_came_before_its_turn_is_cut_off_too(void **state)
{
	(void)state;
	size_with_a_gap(0, 4 * PAGE, PAGE, PAGE);
	size_with_a_gap(0, SIZE_UNKNOWN, PAGE, PAGE);
	size_with_a_gap(END_APPEND, SIZE_UNKNOWN, PAGE, 2 * PAGE);
	size_with_a_gap(END_APPEND, 4 * PAGE, 0, PAGE);
	size_with_a_gap(END_NOTRUNC, 4 * PAGE, PAGE, PAGE);
	size_with_a_gap(END_NOTRUNC, SIZE_UNKNOWN, PAGE, 3 * PAGE); /* perhaps not ours */
}

static void what_others_have_made_longer_is_left_alone(void **state)
{
	struct endpoint *ep;

	(void)state;
	ep = ends_begin(open_as(END_DEST, END_NOTRUNC), 0, 4 * PAGE);
	assert_int_equal(truncate(path, 6 * PAGE), 0);
	assert_int_equal(ep->ops->end(ep, PAGE, true), 0);
	assert_int_equal(ends_size(path), 6 * PAGE);
	ends_close(ep, NULL);
}

/* As where the destination beside it could not be had. */
static void a_file_that_was_not_begun_has_no_end(void **state)
{
	struct endpoint *ep = open_as(END_DEST, 0);

	(void)state;
	assert_int_equal(ep->ops->end(ep, 0, true), 0);
	assert_int_equal(ends_size(path), -1);
	ends_close(ep, NULL);
	ends_file(path, 5000, 1);
	ep = open_as(END_DEST, 0);
	assert_int_equal(ep->ops->end(ep, 0, true), 0);
	assert_int_equal(ends_size(path), 5000);
	ends_close(ep, NULL);
}

static void a_length_no_file_has_is_refused(void **state)
{
	struct endpoint *ep = open_as(END_DEST, 0);
	struct capture c;

	(void)state;
	capture_begin(&c);
	assert_int_equal(ep->ops->begin(ep, 4096, UINT64_MAX - 4096), -1);
	assert_non_null(strstr(capture_end(&c), "cannot be made that long: File too large"));
	assert_int_equal(ep->exit_status, EXIT_OS + EFBIG);
	ends_close(ep, NULL);
}

static void a_missing_source_is_refused(void **state)
{
	(void)state;
	ends_refused(aio_open, &(struct file_params){ path, END_SOURCE, 0 }, EXIT_FILE,
		"cannot open: No such file");
}

static void a_file_system_without_direct_io_is_refused(void **state)
{
	struct file_params p = { "/proc/self/status", END_SOURCE, 0 };

	(void)state;
	ends_refused(aio_open, &p, EXIT_CONTRADICT, "cannot be opened with O_DIRECT");
}

/* It is known only when it is there. */
static void a_file_that_is_created_for_nothing_is_removed(void **state)
{
	struct endpoint *ep = open_as(END_DEST, 0);
	struct capture c;

	(void)state;
	no_direct_io = true;
	capture_begin(&c);
	assert_int_equal(ep->ops->begin(ep, 0, 4096), -1);
	capture_end(&c);
	assert_int_equal(ep->exit_status, EXIT_CONTRADICT);
	assert_non_null(strstr(c.text, "cannot be opened with O_DIRECT"));
	assert_int_equal(ends_size(path), -1);
	ends_close(ep, NULL);
}

/* --- transfers --- */

static void a_whole_page_flies(void **state)
{
	uint8_t *bytes = ends_bytes(4 * PAGE, 1), *mem = ends_memory(PAGE);
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x = { .op = XFER_READ, .len_bytes = PAGE, .offset_bytes = PAGE, .buf = mem };

	(void)state;
	ep = source_of(4 * PAGE, 1);
	lane = ends_lane(ep);
	x.notes = 4711;
	assert_int_equal(ep->ops->submit(lane, &x), XFER_WAIT);
	ep->ops->reap(lane, &x);
	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_int_equal(x.done_bytes, PAGE);
	assert_int_equal(x.notes, 0);
	assert_memory_equal(mem, bytes + PAGE, PAGE);
	ends_close(ep, lane);
	free(bytes);
	free(mem);
}

static void what_is_not_aligned_goes_through_the_page_cache_and_is_noted(void **state)
{
	uint8_t *bytes = ends_bytes(20001, 1), *mem = ends_memory(20001);
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	ep = source_of(20001, 1);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 1, PAGE);
	assert_memory_equal(mem, bytes + 1, PAGE);
	x = ends_move(lane, mem, 4 * PAGE, 20001 - 4 * PAGE);
	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_int_equal(x.done_bytes, 20001 - 4 * PAGE);
	assert_int_equal(x.notes, XFER_NOT_DIRECT);
	assert_memory_equal(mem, bytes + 4 * PAGE, x.done_bytes);
	ends_close(ep, lane);
	free(bytes);
	free(mem);
}

/* Half a page next to one in flight: written back whole, it could undo the other. */
static void less_than_a_page_is_never_written_directly(void **state)
{
	uint8_t *mem = ends_memory(PAGE);
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	ep = begin_dest(0, 0);
	lane = ends_lane(ep);
	x = ends_move(lane, mem, 512, 512);
	assert_int_equal(x.notes, XFER_NOT_DIRECT);
	x = ends_move(lane, mem, 512, PAGE);
	assert_int_equal(x.notes, XFER_NOT_DIRECT);
	x = ends_move(lane, mem, PAGE, PAGE);
	assert_int_equal(x.notes, 0);
	ends_close(ep, lane);
	free(mem);
}

static void append_counts_from_the_end(void **state)
{
	uint8_t *bytes = ends_bytes(1000 + 2 * PAGE, 1), *mem = ends_memory(PAGE);
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 1000, 1);
	ep = begin_dest(END_APPEND, 0);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, PAGE, PAGE);
	ends_move_all(lane, mem, 0, PAGE);
	ends_close(ep, lane);
	memset(bytes + 1000, 0xee, (size_t)2 * PAGE);
	ends_expect(path, bytes, 1000 + 2 * PAGE);
	free(bytes);
	free(mem);
}

static void lanes_may_be_reaped_in_any_order(void **state)
{
	enum { LANES = 300 }; /* more than share a context; without a factor in common with 13 */
	uint8_t *bytes = ends_bytes((size_t)LANES * PAGE, 1);
	uint8_t *mem = ends_memory((size_t)LANES * PAGE);
	struct endpoint *ep;
	struct lane *lanes[LANES];
	struct xfer x[LANES];

	(void)state;
	ep = source_of((size_t)LANES * PAGE, 1);
	for (unsigned i = 0; i < LANES; i++) {
		lanes[i] = ends_lane(ep);
		x[i] = (struct xfer){ .op = XFER_READ,
			.len_bytes = PAGE,
			.offset_bytes = (uint64_t)i * PAGE,
			.buf = mem + (size_t)i * PAGE };
		assert_int_equal(ep->ops->submit(lanes[i], &x[i]), XFER_WAIT);
	}
	for (unsigned n = 0, i = 5; n < LANES; n++, i = (i + 13) % LANES) {
		ep->ops->reap(lanes[i], &x[i]);
		assert_int_equal(x[i].fault.kind, FAULT_NONE);
		assert_int_equal(x[i].done_bytes, PAGE);
	}
	assert_memory_equal(mem, bytes, (size_t)LANES * PAGE);
	for (unsigned i = 0; i < LANES; i++)
		ep->ops->lane_close(lanes[i]);
	ends_close(ep, NULL);
	free(bytes);
	free(mem);
}

static void what_is_read_back_behind_its_end_is_zeros(void **state)
{
	uint8_t *bytes = ends_bytes((size_t)8 * PAGE, 1), *mem = ends_memory((size_t)4 * PAGE);
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 9000, 1);
	memset(bytes + 9000, 0, (size_t)8 * PAGE - 9000);
	ep = ends_begin(open_as(END_SOURCE, END_GROWS), 0, SIZE_UNKNOWN);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, PAGE, 4 * PAGE);
	assert_memory_equal(mem, bytes + PAGE, (size_t)4 * PAGE);
	memset(mem, 0xee, PAGE);
	ends_move_all(lane, mem, 4 * PAGE, PAGE);
	assert_memory_equal(mem, bytes + 4 * PAGE, PAGE);
	ends_close(ep, lane);
	free(bytes);
	free(mem);
}

/* --- what goes wrong --- */

static void a_source_that_was_truncated_is_a_short_transfer(void **state)
{
	uint8_t *bytes = ends_bytes((size_t)8 * PAGE, 1), *mem = ends_memory((size_t)4 * PAGE);
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	ep = source_of((size_t)8 * PAGE, 1);
	lane = ends_lane(ep);
	assert_int_equal(truncate(path, 9000), 0);
	x = ends_move(lane, mem, PAGE, 4 * PAGE);
	assert_int_equal(x.fault.kind, FAULT_SHORT);
	assert_int_equal(x.done_bytes, 9000 - PAGE);
	assert_int_equal(x.fault.resid_bytes, 5 * PAGE - 9000);
	assert_memory_equal(mem, bytes + PAGE, x.done_bytes);
	assert_string_equal(ends_text(ep, &x),
		"direct read at byte 4096, 16384 bytes: the file ends at byte 9000: it has been "
		"truncated");
	x = ends_move(lane, mem, 4 * PAGE, PAGE);
	assert_int_equal(x.fault.kind, FAULT_SHORT);
	assert_int_equal(x.done_bytes, 0);
	ends_close(ep, lane);
	free(bytes);
	free(mem);
}

static void a_file_that_may_not_grow_counts_what_did_move(void **state)
{
	uint8_t *mem = ends_memory((size_t)4 * PAGE);
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	ep = begin_dest(0, 0);
	lane = ends_lane(ep);
	ends_limit_file_size(2 * PAGE);
	x = ends_move(lane, mem, PAGE, 4 * PAGE);
	ends_limit_file_size(RLIM_INFINITY);
	assert_int_equal(x.fault.kind, FAULT_OS);
	assert_int_equal(x.fault.err, EFBIG);
	assert_int_equal(x.done_bytes, PAGE);
	assert_string_equal(
		ends_text(ep, &x), "direct write at byte 8192, 12288 bytes: File too large");
	ends_close(ep, lane);
	free(mem);
}

/* What is there of it is the source's, up to that and no further. */
static void writes_with_room_for(unsigned pages, unsigned of_pages)
{
	uint8_t *mem = ends_memory((size_t)of_pages * PAGE);
	struct endpoint *ep = begin_dest(0, 0);
	struct lane *lane = ends_lane(ep);
	struct xfer x;
	char text[100];

	room_bytes = (1 + pages) * PAGE + 100;
	x = ends_move(lane, mem, PAGE, of_pages * PAGE);
	room_bytes = INT64_MAX;
	assert_int_equal(x.fault.kind, FAULT_OS);
	assert_int_equal(x.fault.err, ENOSPC);
	assert_int_equal(x.done_bytes, pages * PAGE);
	snprintf(text, sizeof(text), "direct write at byte %u, %u bytes: No space left on device",
		(1 + pages) * PAGE, (of_pages - pages) * PAGE);
	assert_string_equal(ends_text(ep, &x), text);
	ends_close(ep, lane);
	free(mem);
}

static void a_direct_write_into_too_little_space_counts_whole_pages_that_went(void **state)
{
	(void)state;
	for (unsigned pages = 0; pages < 7; pages++)
		writes_with_room_for(pages, 7);
	writes_with_room_for(0, 1);
}

static enum fault_kind read_of_a_block_node_behind_its_end(bool removed)
{
	uint8_t *mem = ends_memory(PAGE);
	struct endpoint *ep = source_of(PAGE, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	((struct filenode *)ep)->is_block = true;
	is_removed = removed;
	x = ends_move(lane, mem, PAGE, PAGE);
	assert_int_equal(x.done_bytes, 0);
	ends_close(ep, lane);
	free(mem);
	return x.fault.kind;
}

static enum fault_kind write_of_a_block_node_without_space(bool removed)
{
	uint8_t *mem = ends_memory(PAGE);
	struct endpoint *ep = begin_dest(0, PAGE);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	((struct filenode *)ep)->is_block = true;
	is_removed = removed;
	room_bytes = 0;
	x = ends_move(lane, mem, 0, PAGE);
	room_bytes = INT64_MAX;
	assert_int_equal(x.done_bytes, 0);
	ends_close(ep, lane);
	free(mem);
	return x.fault.kind;
}

static void a_block_node_whose_device_is_gone_fails_by_no_other_name(void **state)
{
	(void)state;
	assert_int_equal(read_of_a_block_node_behind_its_end(false), FAULT_SHORT);
	assert_int_equal(read_of_a_block_node_behind_its_end(true), FAULT_GONE);
	assert_int_equal(write_of_a_block_node_without_space(false), FAULT_OS);
	assert_int_equal(write_of_a_block_node_without_space(true), FAULT_GONE);
}

static void a_descriptor_that_fails_is_a_fault(void **state)
{
	uint8_t *mem = ends_memory(PAGE);
	struct endpoint *ep;
	struct filenode *n;
	struct lane *lane;
	int fd;

	(void)state;
	ep = source_of(PAGE, 1);
	n = (struct filenode *)ep;
	lane = ends_lane(ep);
	fd = n->direct_fd;
	n->direct_fd = 1000;
	ends_move_fails(lane, mem, 0, PAGE, EBADF);
	n->direct_fd = fd;
	ends_move_all(lane, mem, 0, PAGE);
	ends_close(ep, lane);
	free(mem);
}

static void memory_that_cannot_be_reached_is_a_fault(void **state)
{
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	ep = source_of(PAGE, 1);
	lane = ends_lane(ep);
	x = ends_move(lane, (void *)(uintptr_t)PAGE, 0, PAGE);
	assert_int_equal(x.fault.kind, FAULT_UNMAPPABLE);
	assert_int_equal(x.done_bytes, 0);
	ends_close(ep, lane);
}

static void a_flush_is_good(void **state)
{
	struct endpoint *ep;
	struct fault f = { .kind = FAULT_OTHER };

	(void)state;
	ep = begin_dest(0, 0);
	assert_true(ep->ops->flush(ep, &f));
	assert_int_equal(f.kind, FAULT_NONE);
	ends_close(ep, NULL);
}

static void a_write_to_a_source_ends_the_program(void **state)
{
	uint8_t *mem = ends_memory(PAGE);
	struct xfer x = { .op = XFER_WRITE, .len_bytes = PAGE, .buf = mem };
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ep = source_of(PAGE, 1);
	lane = ends_lane(ep);
	for (enum xfer_op op = XFER_WRITE; op <= XFER_TRIM; op++) {
		x.op = op;
		ends_submit_aborts(lane, &x);
	}
	ends_close(ep, lane);
	free(mem);
}

/* --- zeros --- */

static void a_sparse_copy_equals_its_source(void **state)
{
	(void)state;
	ends_sparse_copies(aio_open, path);
}

/* --- the whole way --- */

#define DEPTH_MAX 16

struct slot {
	struct lane *lane[2];
	struct xfer x;
	bool flying;
	bool writing;
};

struct run {
	struct rng rng;
	struct endpoint *end[2];
	size_t len;
	uint32_t chunk;
	uint64_t next; /* chunks handed out */
	uint64_t step, nchunks;
	struct slot slots[DEPTH_MAX];
	unsigned depth;
};

/* Sends the slot's next transfer: the write of what was read, or the read of the next chunk. */
static void send(struct run *run, struct slot *s)
{
	do {
		if (s->x.op == XFER_READ && s->x.len_bytes > 0) {
			s->x.op = XFER_WRITE;
		} else if (run->next == run->nchunks) {
			return;
		} else {
			s->x.op = XFER_READ;
			s->x.offset_bytes = run->next++ * run->step % run->nchunks * run->chunk;
			s->x.len_bytes =
				(uint32_t)min_u64(run->chunk, run->len - s->x.offset_bytes);
		}
		s->writing = s->x.op == XFER_WRITE;
		s->flying = run->end[0]->ops->submit(s->lane[s->writing], &s->x) == XFER_WAIT;
		if (!s->flying) {
			assert_int_equal(s->x.fault.kind, FAULT_NONE);
			assert_int_equal(s->x.done_bytes, s->x.len_bytes);
		}
	} while (!s->flying);
}

static void land_any(struct run *run)
{
	unsigned i = (unsigned)rng_below(&run->rng, run->depth);
	struct slot *s = &run->slots[i];

	if (!s->flying)
		return;
	s->flying = false;
	run->end[0]->ops->reap(s->lane[s->writing], &s->x);
	assert_int_equal(s->x.fault.kind, FAULT_NONE);
	assert_int_equal(s->x.done_bytes, s->x.len_bytes);
	send(run, s);
}

static bool any_flies(const struct run *run)
{
	for (unsigned i = 0; i < run->depth; i++)
		if (run->slots[i].flying)
			return true;
	return false;
}

static uint32_t random_chunk(struct rng *r)
{
	if (rng_once_in(r, 4))
		return (uint32_t)rng_between(r, 1, 30000);
	return (uint32_t)(rng_between(r, 1, 64) * (rng_once_in(r, 4) ? 512 : PAGE));
}

/* A step without a common factor with n visits all chunks, out of order. */
static uint64_t step_for(uint64_t n)
{
	return n % 7919 == 0 ? 1 : 7919;
}

static void copy_at_random(uint64_t seed)
{
	struct run run = { .rng = { seed } };
	char to[PATH_MAX];
	uint8_t *bytes;
	int status;

	run.len = (size_t)rng_between(&run.rng, 1, 600000);
	run.chunk = random_chunk(&run.rng);
	run.depth = (unsigned)rng_between(&run.rng, 1, DEPTH_MAX);
	run.nchunks = (run.len + run.chunk - 1) / run.chunk;
	run.step = step_for(run.nchunks);
	bytes = ends_bytes(run.len, seed);
	run.end[0] = source_of(run.len, seed);
	run.end[1] = aio_open(
		&(struct file_params){ ends_path(&tree, "copy", to), END_DEST, 0 }, &status);
	assert_int_equal(run.end[1]->ops->begin(run.end[1], 0, run.len), 0);
	for (unsigned i = 0; i < run.depth; i++) {
		run.slots[i].lane[0] = ends_lane(run.end[0]);
		run.slots[i].lane[1] = ends_lane(run.end[1]);
		run.slots[i].x.buf = ends_memory(run.chunk);
		send(&run, &run.slots[i]);
	}
	while (any_flies(&run))
		land_any(&run);
	for (unsigned i = 0; i < run.depth; i++) {
		run.end[0]->ops->lane_close(run.slots[i].lane[0]);
		run.end[1]->ops->lane_close(run.slots[i].lane[1]);
		free(run.slots[i].x.buf);
	}
	ends_close(run.end[0], NULL);
	ends_close(run.end[1], NULL);
	ends_expect(to, bytes, run.len);
	free(bytes);
}

static void a_copy_equals_its_source(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++)
		copy_at_random(seed);
}

/* --- threads --- */

#define READERS	     4
#define READER_LANES 8u
#define WRITERS	     4
#define PIECES	     64u
#define PIECE	     6000u /* shares pages with its neighbours */

struct worker {
	pthread_t thread;
	struct lane *lane, *lanes[READER_LANES];
	const uint8_t *bytes;
	uint8_t *mem;
	unsigned first;
	bool trims; /* every third piece */
};

static void *write_pieces(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = w->first; i < PIECES; i += WRITERS) {
		bool is_zero = w->trims && i % 3 == 0;

		memset(w->mem, is_zero ? 0 : (int)i, PIECE);
		if (!is_zero || !ends_trim_all(w->lane, (uint64_t)i * PIECE, PIECE))
			ends_move_all(w->lane, w->mem, (uint64_t)i * PIECE, PIECE);
	}
	return NULL;
}

/* Several threads in one context: each transfer comes back to the thread that sent it. */
static void *read_in_flights(void *arg)
{
	struct worker *w = arg;
	struct endpoint *ep = w->lane->ep;
	struct xfer x[READER_LANES];

	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < READER_LANES; i++) {
			uint64_t page = (w->first * 31 + round * READER_LANES + i) % PIECES;

			x[i] = (struct xfer){ .op = XFER_READ,
				.len_bytes = PAGE,
				.offset_bytes = page * PAGE,
				.buf = w->mem + (size_t)i * PAGE };
			assert_int_equal(ep->ops->submit(w->lanes[i], &x[i]), XFER_WAIT);
		}
		for (unsigned i = 0; i < READER_LANES; i++) {
			ep->ops->reap(w->lanes[i], &x[i]);
			assert_int_equal(x[i].fault.kind, FAULT_NONE);
			assert_memory_equal(x[i].buf, w->bytes + x[i].offset_bytes, PAGE);
		}
	}
	return NULL;
}

static void threads_get_their_own_transfers_back(void **state)
{
	uint8_t *bytes = ends_bytes((size_t)PIECES * PAGE, 1);
	struct endpoint *ep = source_of((size_t)PIECES * PAGE, 1);
	struct worker readers[READERS];

	(void)state;
	for (unsigned i = 0; i < READERS; i++) {
		struct worker *w = &readers[i];

		*w = (struct worker){ .mem = ends_memory(READER_LANES * PAGE), .first = i };
		w->bytes = bytes;
		for (unsigned k = 0; k < READER_LANES; k++)
			w->lanes[k] = ends_lane(ep);
		w->lane = w->lanes[0];
	}
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(
			pthread_create(&readers[i].thread, NULL, read_in_flights, &readers[i]), 0);
	for (unsigned i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		for (unsigned k = 0; k < READER_LANES; k++)
			ep->ops->lane_close(readers[i].lanes[k]);
		free(readers[i].mem);
	}
	ends_close(ep, NULL);
	free(bytes);
}

static void write_side_by_side(bool trims)
{
	uint8_t *bytes = malloc(PIECES * PIECE);
	struct worker writers[WRITERS];
	struct endpoint *ep;

	assert_non_null(bytes);
	ends_file(path, PIECES * PIECE, 1);
	ep = begin_dest(trims ? END_NOTRUNC : 0, 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct worker){
			.lane = ends_lane(ep), .mem = ends_memory(PIECE), .first = i, .trims = trims
		};
		assert_int_equal(
			pthread_create(&writers[i].thread, NULL, write_pieces, &writers[i]), 0);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
		ep->ops->lane_close(writers[i].lane);
		free(writers[i].mem);
	}
	for (unsigned i = 0; i < PIECES; i++)
		memset(bytes + (size_t)i * PIECE, trims && i % 3 == 0 ? 0 : (int)i, PIECE);
	ends_close(ep, NULL);
	ends_expect(path, bytes, PIECES * PIECE);
	free(bytes);
}

static void threads_that_share_pages_do_not_undo_each_other(void **state)
{
	(void)state;
	write_side_by_side(false);
}

static void holes_do_not_undo_what_others_write(void **state)
{
	(void)state;
	write_side_by_side(true);
}

#define on_tree(f) cmocka_unit_test_setup_teardown(f, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest without[] = {
		on_tree(a_missing_source_is_refused),
		on_tree(a_file_system_without_direct_io_is_refused),
		on_tree(a_file_that_is_created_for_nothing_is_removed),
		cmocka_unit_test(direct_io),
	};
	const struct CMUnitTest tests[] = {
		on_tree(a_missing_source_is_refused),
		on_tree(a_file_system_without_direct_io_is_refused),
		on_tree(a_file_that_is_created_for_nothing_is_removed),
		on_tree(direct_io_is_evented_and_says_what_it_wants_aligned),
		on_tree(a_destination_is_created_by_begin_only),
		on_tree(a_destination_has_its_length_from_the_start),
		on_tree(what_was_never_reached_is_cut_off_again),
		on_tree(what_came_before_its_turn_is_cut_off_too),
		on_tree(what_others_have_made_longer_is_left_alone),
		on_tree(a_file_that_was_not_begun_has_no_end),
		on_tree(a_length_no_file_has_is_refused),
		on_tree(a_whole_page_flies),
		on_tree(what_is_not_aligned_goes_through_the_page_cache_and_is_noted),
		on_tree(less_than_a_page_is_never_written_directly),
		on_tree(append_counts_from_the_end),
		on_tree(lanes_may_be_reaped_in_any_order),
		on_tree(what_is_read_back_behind_its_end_is_zeros),
		on_tree(a_source_that_was_truncated_is_a_short_transfer),
		on_tree(a_file_that_may_not_grow_counts_what_did_move),
		on_tree(a_direct_write_into_too_little_space_counts_whole_pages_that_went),
		on_tree(a_block_node_whose_device_is_gone_fails_by_no_other_name),
		on_tree(a_descriptor_that_fails_is_a_fault),
		on_tree(memory_that_cannot_be_reached_is_a_fault),
		on_tree(a_flush_is_good),
		on_tree(a_write_to_a_source_ends_the_program),
		on_tree(a_sparse_copy_equals_its_source),
		on_tree(a_copy_equals_its_source),
		on_tree(threads_get_their_own_transfers_back),
		on_tree(threads_that_share_pages_do_not_undo_each_other),
		on_tree(holes_do_not_undo_what_others_write),
	};

	if (!has_direct_io())
		return cmocka_run_group_tests_name("aio", without, NULL, NULL);
	return cmocka_run_group_tests_name("aio", tests, NULL, NULL);
}
