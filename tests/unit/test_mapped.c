/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On real files. Some system calls pass through this file, to make of the kernel an older or an
 * unluckier one, or to let another process act at the worst moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endpoints/filenode.h"
#include "../../endpoints/mapped.h"
#include "../lib/capture.h"
#include "../lib/ends.h"
#include "../lib/rng.h"

#define PAGE 4096u
#define MIB  (1u << 20)

static struct tree tree;
static char path[PATH_MAX];

static struct {
	int madvise_err;     /* what it fails with; 0: it does what it does */
	off_t cut_after_to;  /* the file's length as soon as its pages are in; -1: leave it */
	off_t pread_eio_at;  /* -1: nowhere */
	unsigned preads;     /* how many there were */
	int fallocate_err;   /* ENOSPC: after it has had some */
	unsigned fallocates; /* how many there were */
	off_t from, to;	     /* of the last */
	unsigned msyncs;
	int msync_err;
	unsigned sync_ranges;
} unlucky;

int madvise(void *addr, size_t len, int advice)
{
	int ret;

	if (unlucky.madvise_err) {
		errno = unlucky.madvise_err;
		return -1;
	}
	ret = (int)syscall(SYS_madvise, addr, len, advice);
	if (unlucky.cut_after_to >= 0)
		assert_int_equal(truncate(path, unlucky.cut_after_to), 0);
	return ret;
}

ssize_t pread(int fd, void *mem, size_t len, off_t at)
{
	unlucky.preads++;
	if (at == unlucky.pread_eio_at) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, mem, len, at);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
	unlucky.fallocates++;
	unlucky.from = at;
	unlucky.to = at + len;
	if (unlucky.fallocate_err) {
		if (unlucky.fallocate_err == ENOSPC && len > 1)
			assert_int_equal(syscall(SYS_fallocate, fd, mode, at, len / 2), 0);
		errno = unlucky.fallocate_err;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, at, len);
}

int msync(void *addr, size_t len, int flags)
{
	unlucky.msyncs++;
	if (unlucky.msync_err) {
		errno = unlucky.msync_err;
		return -1;
	}
	return (int)syscall(SYS_msync, addr, len, flags);
}

int sync_file_range(int fd, off_t at, off_t len, unsigned flags)
{
	unlucky.sync_ranges++;
	return (int)syscall(SYS_sync_file_range, fd, at, len, flags);
}

static int make_tree(void **state)
{
	(void)state;
	ends_setup(&tree, path);
	memset(&unlucky, 0, sizeof(unlucky));
	unlucky.cut_after_to = unlucky.pread_eio_at = -1;
	return 0;
}

static int drop_tree(void **state)
{
	(void)state;
	ends_teardown(&tree);
	return 0;
}

static struct endpoint *open_as(enum end_role role, unsigned flags)
{
	return ends_open(mapped_open, path, role, flags);
}

static struct endpoint *source_of(size_t len, uint64_t seed)
{
	ends_file(path, len, seed);
	return open_as(END_SOURCE, 0);
}

static struct endpoint *begin_dest(unsigned flags, uint64_t at, uint64_t len)
{
	return ends_begin(open_as(END_DEST, flags), at, len);
}

static void refused(const char *name, enum end_role role, unsigned flags, const char *words)
{
	ends_refused(
		mapped_open, &(struct file_params){ name, role, flags }, EXIT_CONTRADICT, words);
}

static void begin_refused(
	struct endpoint *ep, uint64_t at, uint64_t len, int status, const char *words)
{
	struct capture c;
	const char *text;

	capture_begin(&c);
	assert_int_equal(ep->ops->begin(ep, at, len), -1);
	text = capture_end(&c);
	if (!strstr(text, words) || strchr(text, '\n') != text + strlen(text) - 1)
		fail_msg("not one line with \"%s\": %s", words, text);
	assert_int_equal(ep->exit_status, status);
	ends_close(ep, NULL);
}

static uint8_t *memory(struct lane *lane, uint64_t offset, uint32_t len)
{
	uint8_t *mem = lane->ep->ops->memory(lane, offset, len);

	assert_non_null(mem);
	return mem;
}

static struct xfer move(struct lane *lane, uint64_t offset, uint32_t len)
{
	return ends_move(lane, memory(lane, offset, len), offset, len);
}

static void expect_read(struct lane *lane, const uint8_t *bytes, uint64_t offset, uint32_t len)
{
	uint8_t *mem = memory(lane, offset, len);

	ends_move_all(lane, mem, offset, len);
	assert_memory_equal(mem, bytes + offset, len);
}

/* As the other side would: bytes + offset come to lie in memory, and the write says so. */
static void store(struct lane *lane, const uint8_t *bytes, uint64_t offset, uint32_t len)
{
	uint8_t *mem = memory(lane, offset, len);

	memcpy(mem, bytes + offset, len);
	ends_move_all(lane, mem, offset, len);
}

static void expect_short(const struct xfer *x, uint32_t done)
{
	assert_int_equal(x->fault.kind, FAULT_SHORT);
	assert_int_equal(x->done_bytes, done);
	assert_int_equal(x->fault.resid_bytes, x->len_bytes - done);
}

static unsigned mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 200];
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, tree.root) != NULL;
	(void)fclose(f);
	return n;
}

/* --- facts --- */

static void a_source_tells_its_size_and_that_its_memory_can_be_pinned(void **state)
{
	struct endpoint *ep = source_of(12345, 1);
	struct lane *lane = ends_lane(ep);

	(void)state;
	assert_string_equal(ep->facts.kind, "file");
	assert_int_equal(ep->facts.cls, END_MAPPED);
	assert_int_equal(ep->facts.size_bytes, 12345);
	assert_int_equal(ep->facts.block_bytes, 1);
	assert_true(ep->facts.pinnable && lane->pinnable);
	assert_false(ep->facts.evented || ep->facts.sequential || ep->facts.needs_flush);
	ends_close(ep, lane);
}

static void a_destination_has_no_end_and_wants_a_flush(void **state)
{
	struct endpoint *ep = open_as(END_DEST, 0);

	(void)state;
	assert_true(ep->facts.size_bytes == SIZE_UNKNOWN);
	assert_true(ep->facts.needs_flush);
	ends_close(ep, NULL);
}

/* --- reading --- */

static void any_offset_and_length_will_do(void **state)
{
	uint8_t *bytes = ends_bytes(70001, 1);
	struct endpoint *ep = source_of(70001, 1);
	struct lane *lane = ends_lane(ep);

	(void)state;
	expect_read(lane, bytes, 0, 1);
	expect_read(lane, bytes, 1, 1);
	expect_read(lane, bytes, 4095, 2);
	expect_read(lane, bytes, 4095, 65537);
	expect_read(lane, bytes, 70000, 1);
	expect_read(lane, bytes, 0, 70001);
	ends_close(ep, lane);
	free(bytes);
}

static void a_byte_has_the_place_in_its_page_that_it_has_in_the_file(void **state)
{
	struct endpoint *ep = source_of(70001, 1);
	struct lane *lane = ends_lane(ep);

	(void)state;
	for (uint64_t at = 0; at < 70000; at += 777)
		assert_int_equal((uintptr_t)memory(lane, at, 1) % PAGE, at % PAGE);
	ends_close(ep, lane);
}

static void behind_the_end_of_the_file_its_last_page_is_zeros(void **state)
{
	static const uint8_t zeros[PAGE];
	struct endpoint *ep = source_of(PAGE + 1, 1);
	struct lane *lane = ends_lane(ep);
	uint8_t *mem = memory(lane, 0, PAGE + 1);

	(void)state;
	ends_move_all(lane, mem, 0, PAGE + 1);
	assert_memory_equal(mem + PAGE + 1, zeros, PAGE - 1);
	ends_close(ep, lane);
}

static void windows_follow_the_chunks_wherever_they_are(void **state)
{
	const off_t far = (off_t)1 << 40;
	uint8_t *bytes = ends_bytes(100000, 1);
	struct endpoint *ep;
	struct lane *lane;
	int fd;

	(void)state;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, bytes, 100000, far - 50000), 100000);
	close(fd);
	ep = open_as(END_SOURCE, 0);
	lane = ends_lane(ep);
	for (int i = 0; i < 3; i++) {
		expect_read(lane, bytes - (far - 50000), (uint64_t)far - 50000, 100000);
		assert_int_equal(*memory(lane, 12345, 1), 0);
		ends_move_all(lane, memory(lane, 200u * MIB - 1, 2), 200u * MIB - 1, 2);
		assert_int_equal(mappings(), 1);
	}
	ends_close(ep, lane);
	free(bytes);
}

static void a_chunk_may_be_larger_than_a_window(void **state)
{
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 1, 1);
	assert_int_equal(truncate(path, 66 * MIB), 0);
	ep = open_as(END_SOURCE, 0);
	lane = ends_lane(ep);
	ends_move_all(lane, memory(lane, 1, 65 * MIB), 1, 65 * MIB);
	ends_close(ep, lane);
}

static void the_memory_stays_where_it_is_for_the_same_range(void **state)
{
	struct endpoint *ep = source_of(70001, 1);
	struct lane *lane = ends_lane(ep);
	uint8_t *mem = memory(lane, 5000, 60000);

	(void)state;
	ends_move_all(lane, mem, 5000, 60000);
	assert_ptr_equal(memory(lane, 5000, 60000), mem);
	assert_ptr_equal(memory(lane, 6000, 1000), mem + 1000);
	ends_close(ep, lane);
}

static void where_there_is_little_address_space_a_small_window_will_do(void **state)
{
	uint8_t *bytes = ends_bytes(70001, 1);
	struct endpoint *ep = source_of(70001, 1);
	struct lane *lane = ends_lane(ep);
	struct rlimit was, now;
	char line[200];
	unsigned long pages;
	FILE *f = fopen("/proc/self/statm", "re");
	uint8_t *mem;

	(void)state;
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	(void)fclose(f);
	pages = strtoul(line, NULL, 10);
	assert_int_equal(getrlimit(RLIMIT_AS, &was), 0);
	now = was;
	now.rlim_cur = (rlim_t)pages * PAGE + 4 * MIB;
	assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
	errno = 0;
	assert_null(ep->ops->memory(lane, 0, 100u * MIB));
	assert_int_equal(errno, ENOMEM);
	mem = ep->ops->memory(lane, 5000, 60000);
	assert_int_equal(setrlimit(RLIMIT_AS, &was), 0);
	assert_non_null(mem);
	ends_move_all(lane, mem, 5000, 60000);
	assert_memory_equal(mem, bytes + 5000, 60000);
	ends_close(ep, lane);
	free(bytes);
}

static void a_place_no_file_has_is_no_memory(void **state)
{
	struct endpoint *ep = source_of(5000, 1);
	struct lane *lane = ends_lane(ep);

	(void)state;
	errno = 0;
	assert_null(ep->ops->memory(lane, UINT64_MAX, 1));
	assert_null(ep->ops->memory(lane, INT64_MAX, 1));
	assert_int_equal(errno, EFBIG);
	ends_close(ep, lane);
}

static void an_empty_file_is_short_at_once(void **state)
{
	struct endpoint *ep = source_of(0, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	assert_int_equal(ep->facts.size_bytes, 0);
	x = move(lane, 0, 512);
	expect_short(&x, 0);
	ends_close(ep, lane);
}

static void closing_takes_the_mappings_away(void **state)
{
	struct endpoint *ep = source_of(70001, 1);
	struct lane *a = ends_lane(ep), *b = ends_lane(ep);

	(void)state;
	assert_int_equal(mappings(), 0);
	(void)memory(a, 0, 4096);
	(void)memory(b, 4096, 4096);
	assert_int_equal(mappings(), 2);
	ep->ops->lane_close(a);
	assert_int_equal(mappings(), 1);
	ends_close(ep, b);
	assert_int_equal(mappings(), 0);
}

/* --- a source that others cut, or that cannot be read --- */

static void a_source_that_was_cut_is_a_short_transfer(void **state)
{
	uint8_t *bytes = ends_bytes(50000, 1);
	struct endpoint *ep = source_of(50000, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	assert_int_equal(truncate(path, 9000), 0);
	x = move(lane, 4096, 40000);
	expect_short(&x, 9000 - 4096);
	assert_string_equal(ends_text(ep, &x),
		"mapped read at byte 4096, 40000 bytes: the file ends at byte 9000: it has been "
		"truncated");
	assert_memory_equal(x.buf, bytes + 4096, 9000 - 4096);
	x = move(lane, 9000, 1000);
	expect_short(&x, 0);
	x = move(lane, 20000, 1000);
	expect_short(&x, 0);
	expect_read(lane, bytes, 0, 9000);
	ends_close(ep, lane);
	free(bytes);
}

/* The last page is there still, and says zeros where the file had bytes. */
static void a_cut_in_the_last_page_is_a_short_transfer_too(void **state)
{
	struct endpoint *ep = source_of(8000, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	assert_int_equal(truncate(path, 7999), 0);
	x = move(lane, 0, 8000);
	expect_short(&x, 7999);
	ends_close(ep, lane);
}

static void a_cut_while_pages_come_in_is_seen(void **state)
{
	struct endpoint *ep = source_of(8000, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	unlucky.cut_after_to = 5000;
	x = move(lane, 0, 8000);
	expect_short(&x, 5000);
	ends_close(ep, lane);
}

static void a_cut_between_two_reads_is_seen_by_the_second(void **state)
{
	uint8_t *bytes = ends_bytes(50000, 1);
	struct endpoint *ep = source_of(50000, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	expect_read(lane, bytes, 0, 20000);
	assert_int_equal(truncate(path, 30000), 0);
	x = move(lane, 20000, 20000);
	expect_short(&x, 10000);
	ends_close(ep, lane);
	free(bytes);
}

static void who_uses_what_was_cut_gets_efault_and_asking_tells_why(void **state)
{
	struct endpoint *ep = source_of(50000, 1);
	struct lane *lane = ends_lane(ep);
	uint8_t *mem = memory(lane, 4096, 40000);
	int fds[2];
	struct xfer x;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	ends_move_all(lane, mem, 4096, 40000);
	assert_false(mapped_was_cut(ep, 4096, 40000));
	assert_int_equal(truncate(path, 9000), 0);
	errno = 0;
	assert_int_equal(write(fds[1], mem + 8192, PAGE), -1);
	assert_int_equal(errno, EFAULT);
	assert_true(mapped_was_cut(ep, 4096, 40000));
	assert_true(mapped_was_cut(ep, 4096, 9001 - 4096));
	assert_false(mapped_was_cut(ep, 4096, 9000 - 4096));
	assert_true(mapped_was_cut(ep, UINT64_MAX, 2));
	x = ends_move(lane, mem, 4096, 40000);
	expect_short(&x, 9000 - 4096);
	close(fds[0]);
	close(fds[1]);
	ends_close(ep, lane);
}

static void an_older_kernel_is_asked_page_by_page(void **state)
{
	uint8_t *bytes = ends_bytes(50000, 1);
	struct endpoint *ep = source_of(50000, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	unlucky.madvise_err = EINVAL;
	expect_read(lane, bytes, 4095, 4098);
	assert_int_equal(unlucky.preads, 3);
	expect_read(lane, bytes, 0, 50000);
	assert_int_equal(truncate(path, 9000), 0);
	x = move(lane, 4000, 40000);
	expect_short(&x, 5000);
	x = move(lane, 20000, 1000);
	expect_short(&x, 0);
	ends_close(ep, lane);
	free(bytes);
}

/* The kernel says EFAULT for both. */
static void a_page_that_cannot_be_read_is_no_short_file(void **state)
{
	struct endpoint *ep = source_of(50000, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	unlucky.madvise_err = EFAULT;
	unlucky.pread_eio_at = 12288;
	x = ends_move_fails(lane, memory(lane, 5000, 40000), 5000, 40000, EIO);
	assert_int_equal(x.done_bytes, 12288 - 5000);
	assert_string_equal(
		ends_text(ep, &x), "mapped read at byte 12288, 32712 bytes: Input/output error");
	assert_int_equal(truncate(path, 12288), 0);
	x = move(lane, 5000, 40000);
	expect_short(&x, 12288 - 5000);
	ends_close(ep, lane);
}

static void a_file_that_cannot_be_looked_at_is_no_success(void **state)
{
	struct endpoint *ep = source_of(50000, 1);
	struct filenode *n = (struct filenode *)ep;
	struct lane *lane = ends_lane(ep);
	uint8_t *mem = memory(lane, 0, 5000);
	int fd = n->fd;
	struct xfer x;

	(void)state;
	n->fd = -1;
	x = ends_move_fails(lane, mem, 0, 5000, EBADF);
	assert_true(mapped_was_cut(ep, 0, 1));
	n->fd = fd;
	assert_int_equal(x.done_bytes, 0);
	ends_close(ep, lane);
}

static void a_write_to_a_source_ends_the_program(void **state)
{
	struct endpoint *ep = source_of(512, 1);
	struct lane *lane = ends_lane(ep);
	struct xfer x = { .op = XFER_WRITE, .len_bytes = 512, .buf = memory(lane, 0, 512) };

	(void)state;
	ends_submit_aborts(lane, &x);
	ends_close(ep, lane);
}

/* --- what begin() does to a destination --- */

static void opening_a_destination_leaves_it_as_it_was(void **state)
{
	uint8_t *bytes = ends_bytes(5000, 1);
	struct stat before, after;

	(void)state;
	ends_file(path, 5000, 1);
	assert_int_equal(stat(path, &before), 0);
	ends_close(open_as(END_DEST, 0), NULL);
	assert_int_equal(stat(path, &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	ends_expect(path, bytes, 5000);
	free(bytes);
}

static void a_missing_destination_is_created_by_begin_only(void **state)
{
	struct endpoint *ep = open_as(END_DEST, 0);

	(void)state;
	assert_int_equal(ends_size(path), -1);
	assert_int_equal(ep->ops->begin(ep, 100, 1000), 0);
	assert_int_equal(ends_size(path), 1100);
	ends_close(ep, NULL);
}

static void size_after(unsigned flags, uint64_t at, uint64_t len, long long size)
{
	ends_file(path, 5000, 1);
	ends_close(begin_dest(flags, at, len), NULL);
	assert_int_equal(ends_size(path), size);
}

static void a_destination_has_its_length_from_the_start(void **state)
{
	(void)state;
	size_after(0, 100, 1000, 1100);
	size_after(0, 100, 100000, 100100);
	size_after(0, 9000, 1, 9001);
	size_after(0, 100, 0, 100);
	size_after(END_NOTRUNC, 100, 1000, 5000);
	size_after(END_NOTRUNC, 100, 100000, 100100);
	size_after(END_NOTRUNC, 100, 0, 5000);
}

static void space_for(unsigned flags, uint64_t at, uint64_t len, off_t from, off_t to)
{
	ends_file(path, 30000, 1);
	ends_close(begin_dest(flags, at, len), NULL);
	assert_int_equal(unlucky.from, from);
	assert_int_equal(unlucky.to, to);
}

/* Blocks may be smaller than pages, and a page is written back whole. */
static void space_is_set_aside_in_whole_pages_but_not_behind_the_end(void **state)
{
	(void)state;
	space_for(0, 4097, 4096, 4096, 8193);
	space_for(END_NOTRUNC, 4097, 4096, 4096, 12288);
	space_for(END_NOTRUNC, 28000, 1999, 24576, 30000);
	space_for(END_NOTRUNC, 28000, 2001, 24576, 30001);
}

/* A hole in a page of the mapping would be SIGBUS, were there no space when it is filled. */
static void all_pages_to_be_written_have_space(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 4 * MIB), 0);
	close(fd);
	ends_close(begin_dest(END_NOTRUNC, MIB + 1, 2 * MIB), NULL);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 4 * MIB);
	assert_true((uint64_t)st.st_blocks * 512 >= 2 * MIB + PAGE);
	assert_true((uint64_t)st.st_blocks * 512 < 3 * MIB);
}

static void no_space_is_met_by_begin_and_what_was_had_is_given_back(void **state)
{
	struct stat st;

	(void)state;
	ends_file(path, 9000, 1);
	unlucky.fallocate_err = ENOSPC;
	begin_refused(open_as(END_DEST, 0), 5000, 10 * MIB, EXIT_OS + ENOSPC,
		"file: cannot set space aside: No space left on device");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5000);
	assert_true(st.st_blocks * 512 < MIB);
	assert_int_equal(unlucky.fallocates, 2);
}

static void what_was_created_for_nothing_is_removed(void **state)
{
	(void)state;
	unlucky.fallocate_err = ENOSPC;
	begin_refused(open_as(END_DEST, 0), 5000, 10 * MIB, EXIT_OS + ENOSPC,
		"file: cannot set space aside: No space left on device");
	assert_int_equal(ends_size(path), -1);
}

static void a_file_that_may_not_grow_so_far_is_refused(void **state)
{
	struct rlimit was, now;
	struct endpoint *ep = open_as(END_DEST, 0);

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	now = was;
	now.rlim_cur = 5000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	begin_refused(ep, 0, 5001, EXIT_OS + EFBIG, "cannot set space aside: File too large");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(ends_size(path), -1);
}

static void set_aside_refused(unsigned flags)
{
	unlucky.fallocate_err = EOPNOTSUPP;
	begin_refused(open_as(END_DEST, flags), 0, 50000, EXIT_CONTRADICT,
		"cannot set space aside, as a mapping needs (leave out mmap)");
}

static void a_file_system_that_sets_no_space_aside_is_refused_before_anything_is_lost(void **state)
{
	uint8_t *bytes = ends_bytes(5000, 1);

	(void)state;
	set_aside_refused(0);
	assert_int_equal(ends_size(path), -1);
	ends_file(path, 5000, 1);
	set_aside_refused(0);
	ends_expect(path, bytes, 5000);
	set_aside_refused(END_NOTRUNC);
	ends_expect(path, bytes, 5000);
	free(bytes);
}

static void an_unknown_length_is_refused_before_anything_is_changed(void **state)
{
	(void)state;
	ends_file(path, 5000, 1);
	begin_refused(open_as(END_DEST, 0), 100, SIZE_UNKNOWN, EXIT_CONTRADICT,
		"how long it will be is not known");
	assert_int_equal(ends_size(path), 5000);
}

static void a_length_no_file_has_is_refused_before_anything_is_changed(void **state)
{
	(void)state;
	ends_file(path, 5000, 1);
	begin_refused(open_as(END_DEST, 0), 4096, UINT64_MAX - 4096, EXIT_OS + EFBIG,
		"cannot be made that long: File too large");
	begin_refused(open_as(END_DEST, 0), 1, INT64_MAX, EXIT_OS + EFBIG, "File too large");
	assert_int_equal(ends_size(path), 5000);
}

static void a_source_is_begun_without_effect(void **state)
{
	struct endpoint *ep = source_of(5000, 1);

	(void)state;
	assert_int_equal(ep->ops->begin(ep, 100, SIZE_UNKNOWN), 0);
	assert_int_equal(ends_size(path), 5000);
	ends_close(ep, NULL);
}

/* --- refusals --- */

static void append_is_refused(void **state)
{
	(void)state;
	refused(path, END_DEST, END_APPEND, "append and mmap exclude each other");
	ends_close(source_of(5000, 1), NULL);
}

static void a_block_device_is_refused_without_being_opened(void **state)
{
	(void)state;
	/* A number for experiments, of no driver: to open it would be another error. */
	if (mknod(path, S_IFBLK | 0600, makedev(240, 0)) < 0) {
		print_message("SKIPPED: no node can be made here: %s\n", strerror(errno));
		skip();
	}
	refused(path, END_SOURCE, 0, "is a block device: only regular files are mapped");
	refused(path, END_DEST, 0, "is a block device: only regular files are mapped");
}

static void a_file_that_cannot_be_mapped_is_refused(void **state)
{
	(void)state;
	refused("/proc/self/status", END_SOURCE, 0, "cannot be mapped: ");
}

static void a_missing_source_is_refused(void **state)
{
	(void)state;
	ends_refused(mapped_open, &(struct file_params){ path, END_SOURCE, 0 }, EXIT_FILE,
		"cannot open: No such file");
}

/* --- writing --- */

static void what_is_stored_in_memory_is_in_the_file(void **state)
{
	uint8_t *bytes = ends_bytes(70001, 1);
	struct endpoint *ep = begin_dest(0, 0, 70001);
	struct lane *a = ends_lane(ep), *b = ends_lane(ep);
	struct fault f;

	(void)state;
	store(a, bytes, 4097, 60000);
	store(b, bytes, 0, 4097);
	store(b, bytes, 64097, 70001 - 64097);
	ends_expect(path, bytes, 70001);
	assert_true(ep->ops->flush(ep, &f));
	ep->ops->lane_close(a);
	ends_close(ep, b);
	ends_expect(path, bytes, 70001);
	free(bytes);
}

static void notrunc_keeps_what_lies_around(void **state)
{
	uint8_t *bytes = ends_bytes(50000, 1);
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 50000, 1);
	ep = begin_dest(END_NOTRUNC, 4090, 10000);
	lane = ends_lane(ep);
	memset(bytes + 4090, 0xee, 10000);
	store(lane, bytes, 4090, 10000);
	ends_close(ep, lane);
	ends_expect(path, bytes, 50000);
	free(bytes);
}

static void what_was_not_written_reads_as_zeros_at_full_length(void **state)
{
	uint8_t *bytes = ends_bytes(50000, 1);
	struct endpoint *ep = begin_dest(0, 0, 50000);
	struct lane *lane = ends_lane(ep);

	(void)state;
	memset(bytes + 10000, 0, 40000);
	store(lane, bytes, 0, 10000);
	ends_close(ep, lane);
	ends_expect(path, bytes, 50000);
	free(bytes);
}

static void a_destination_that_was_cut_is_a_short_write(void **state)
{
	struct endpoint *ep = begin_dest(0, 0, 50000);
	struct lane *lane = ends_lane(ep);
	uint8_t *mem = memory(lane, 4096, 40000);
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct xfer x;

	(void)state;
	assert_int_equal(read(fd, mem, 40000), 40000);
	assert_int_equal(truncate(path, 9000), 0);
	errno = 0;
	assert_int_equal(read(fd, mem + 8192, 4096), -1);
	assert_int_equal(errno, EFAULT);
	assert_true(mapped_was_cut(ep, 4096, 40000));
	x = ends_move(lane, mem, 4096, 40000);
	expect_short(&x, 9000 - 4096);
	assert_string_equal(ends_text(ep, &x),
		"mapped write at byte 4096, 40000 bytes: the file ends at byte 9000: it has been "
		"truncated");
	close(fd);
	ends_close(ep, lane);
}

static void flags_for_writing_through_leave_the_data_good(void **state)
{
	static const unsigned flags[] = { END_DSYNC, END_SYNC, END_NOCACHE };
	uint8_t *bytes = ends_bytes(300001, 1);
	struct fault f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct endpoint *ep = begin_dest(flags[i], 0, 300001);
		struct lane *lane = ends_lane(ep);

		for (uint32_t at = 0; at < 300001; at += 100000)
			store(lane, bytes, at, (uint32_t)min_u64(100000, 300001 - at));
		assert_true(ep->ops->flush(ep, &f));
		ends_close(ep, lane);
		ends_expect(path, bytes, 300001);
	}
	free(bytes);
}

static void written_once(unsigned flags, unsigned msyncs, unsigned sync_ranges)
{
	uint8_t bytes[1000] = { 1 };
	struct endpoint *ep = begin_dest(flags, 0, sizeof(bytes));
	struct lane *lane = ends_lane(ep);

	unlucky.msyncs = unlucky.sync_ranges = 0;
	store(lane, bytes, 500, 500);
	assert_int_equal(unlucky.msyncs, msyncs);
	assert_int_equal(unlucky.sync_ranges, sync_ranges);
	ends_close(ep, lane);
}

static void a_write_is_waited_for_or_begun_only_where_flags_say_so(void **state)
{
	(void)state;
	written_once(0, 0, 0);
	written_once(END_NOCACHE, 0, 1);
	written_once(END_DSYNC, 1, 0);
	written_once(END_SYNC, 1, 0);
}

static void a_write_that_does_not_reach_the_medium_is_no_success(void **state)
{
	struct endpoint *ep = begin_dest(END_DSYNC, 0, 5000);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	unlucky.msync_err = EIO;
	x = ends_move_fails(lane, memory(lane, 1000, 4000), 1000, 4000, EIO);
	assert_int_equal(x.done_bytes, 0);
	ends_close(ep, lane);
}

static size_t cached_pages(size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char in_core[256];
	size_t cached = 0;

	assert_true(map != MAP_FAILED && len / PAGE <= sizeof(in_core));
	assert_int_equal(mincore(map, len, in_core), 0);
	for (size_t i = 0; i < len / PAGE; i++)
		cached += in_core[i] & 1;
	munmap(map, len);
	close(fd);
	return cached;
}

static bool pages_can_be_dropped(void)
{
	int fd;
	size_t cached;

	ends_file(path, 256 * 1024, 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsync(fd), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	cached = cached_pages(256 * 1024);
	assert_int_equal(unlink(path), 0);
	return cached == 0;
}

static void nocache_leaves_nothing_in_the_page_cache(void **state)
{
	const uint32_t len = 512 * 1024;
	uint8_t *bytes = ends_bytes(len, 1);
	struct endpoint *ep;
	struct lane *lane;
	struct fault f;

	(void)state;
	if (!pages_can_be_dropped()) {
		print_message("SKIPPED: this file system keeps its pages whatever it is told\n");
		free(bytes);
		skip();
	}
	ep = begin_dest(END_NOCACHE, 0, len);
	lane = ends_lane(ep);
	store(lane, bytes, 0, len / 2);
	store(lane, bytes, len / 2, len / 2);
	assert_true(ep->ops->flush(ep, &f));
	ends_close(ep, lane);
	assert_int_equal(cached_pages(len), 0);
	ep = open_as(END_SOURCE, END_NOCACHE);
	lane = ends_lane(ep);
	expect_read(lane, bytes, 0, len);
	ends_close(ep, lane);
	assert_int_equal(cached_pages(len), 0);
	ep = open_as(END_SOURCE, 0);
	lane = ends_lane(ep);
	expect_read(lane, bytes, 0, len);
	ends_close(ep, lane);
	assert_int_equal(cached_pages(len), len / PAGE);
	free(bytes);
}

/* --- the whole way --- */

static int open_direct(const char *name, int flags)
{
	char other[PATH_MAX];
	int fd = open(ends_path(&tree, name, other), flags | O_DIRECT | O_CLOEXEC, 0600);

	if (fd < 0) {
		print_message("SKIPPED: no O_DIRECT below %s: set TMPDIR\n", tree.root);
		skip();
	}
	return fd;
}

static void direct_io_goes_out_of_a_source_and_into_a_destination(void **state)
{
	const uint32_t len = 64 * PAGE;
	uint8_t *bytes = ends_bytes(len, 1);
	struct endpoint *ep = source_of(len, 1);
	struct lane *lane = ends_lane(ep);
	uint8_t *mem = memory(lane, 0, len);
	int fd = open_direct("other", O_RDWR | O_CREAT);

	(void)state;
	ends_move_all(lane, mem, 0, len);
	assert_int_equal(write(fd, mem, len), len);
	ends_close(ep, lane);
	ends_path(&tree, "copy", path);
	ep = begin_dest(0, 0, len);
	lane = ends_lane(ep);
	mem = memory(lane, 0, len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(read(fd, mem, len), len);
	ends_move_all(lane, mem, 0, len);
	ends_close(ep, lane);
	close(fd);
	ends_expect(path, bytes, len);
	free(bytes);
}

static void copy_in_random_order(uint64_t seed, unsigned flags)
{
	struct rng r = { seed };
	size_t len = (size_t)rng_between(&r, 1, 300000), nchunks;
	uint32_t chunk = (uint32_t)rng_between(&r, 1, 20000);
	uint64_t seek = rng_below(&r, 10000);
	uint8_t *bytes = ends_bytes(len, seed), *whole = calloc(1, seek + len);
	struct endpoint *in, *out;
	struct lane *in_lane, *out_lane;

	ends_path(&tree, "in", path);
	ends_file(path, len, seed);
	in = open_as(END_SOURCE, flags);
	ends_path(&tree, "out", path);
	out = begin_dest(flags, seek, len);
	in_lane = ends_lane(in);
	out_lane = ends_lane(out);
	nchunks = (len + chunk - 1) / chunk;
	for (size_t i = 0, at = rng_below(&r, nchunks); i < nchunks; i++, at = (at + 1) % nchunks) {
		uint32_t n = (uint32_t)min_u64(chunk, len - at * chunk);
		uint8_t *from = memory(in_lane, at * chunk, n);
		uint8_t *to = memory(out_lane, seek + at * chunk, n);

		ends_move_all(in_lane, from, at * chunk, n);
		memcpy(to, from, n);
		ends_move_all(out_lane, to, seek + at * chunk, n);
	}
	ends_close(in, in_lane);
	ends_close(out, out_lane);
	assert_non_null(whole);
	memset(whole, 0, seek);
	memcpy(whole + seek, bytes, len);
	ends_expect(path, whole, seek + len);
	assert_int_equal(unlink(path), 0);
	free(bytes);
	free(whole);
}

static void a_copy_equals_its_source(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++)
		copy_in_random_order(seed, seed % 2 ? END_NOCACHE : 0);
	assert_int_equal(mappings(), 0);
}

#define on_tree(f) cmocka_unit_test_setup_teardown(f, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tree(a_source_tells_its_size_and_that_its_memory_can_be_pinned),
		on_tree(a_destination_has_no_end_and_wants_a_flush),
		on_tree(any_offset_and_length_will_do),
		on_tree(a_byte_has_the_place_in_its_page_that_it_has_in_the_file),
		on_tree(behind_the_end_of_the_file_its_last_page_is_zeros),
		on_tree(windows_follow_the_chunks_wherever_they_are),
		on_tree(a_chunk_may_be_larger_than_a_window),
		on_tree(the_memory_stays_where_it_is_for_the_same_range),
		on_tree(where_there_is_little_address_space_a_small_window_will_do),
		on_tree(a_place_no_file_has_is_no_memory),
		on_tree(an_empty_file_is_short_at_once),
		on_tree(closing_takes_the_mappings_away),
		on_tree(a_source_that_was_cut_is_a_short_transfer),
		on_tree(a_cut_in_the_last_page_is_a_short_transfer_too),
		on_tree(a_cut_while_pages_come_in_is_seen),
		on_tree(a_cut_between_two_reads_is_seen_by_the_second),
		on_tree(who_uses_what_was_cut_gets_efault_and_asking_tells_why),
		on_tree(an_older_kernel_is_asked_page_by_page),
		on_tree(a_page_that_cannot_be_read_is_no_short_file),
		on_tree(a_file_that_cannot_be_looked_at_is_no_success),
		on_tree(a_write_to_a_source_ends_the_program),
		on_tree(opening_a_destination_leaves_it_as_it_was),
		on_tree(a_missing_destination_is_created_by_begin_only),
		on_tree(a_destination_has_its_length_from_the_start),
		on_tree(space_is_set_aside_in_whole_pages_but_not_behind_the_end),
		on_tree(all_pages_to_be_written_have_space),
		on_tree(no_space_is_met_by_begin_and_what_was_had_is_given_back),
		on_tree(a_file_that_may_not_grow_so_far_is_refused),
		on_tree(a_file_system_that_sets_no_space_aside_is_refused_before_anything_is_lost),
		on_tree(what_was_created_for_nothing_is_removed),
		on_tree(an_unknown_length_is_refused_before_anything_is_changed),
		on_tree(a_length_no_file_has_is_refused_before_anything_is_changed),
		on_tree(a_source_is_begun_without_effect),
		on_tree(append_is_refused),
		on_tree(a_block_device_is_refused_without_being_opened),
		on_tree(a_file_that_cannot_be_mapped_is_refused),
		on_tree(a_missing_source_is_refused),
		on_tree(what_is_stored_in_memory_is_in_the_file),
		on_tree(notrunc_keeps_what_lies_around),
		on_tree(what_was_not_written_reads_as_zeros_at_full_length),
		on_tree(a_destination_that_was_cut_is_a_short_write),
		on_tree(flags_for_writing_through_leave_the_data_good),
		on_tree(a_write_is_waited_for_or_begun_only_where_flags_say_so),
		on_tree(a_write_that_does_not_reach_the_medium_is_no_success),
		on_tree(nocache_leaves_nothing_in_the_page_cache),
		on_tree(direct_io_goes_out_of_a_source_and_into_a_destination),
		on_tree(a_copy_equals_its_source),
	};

	return cmocka_run_group_tests_name("mapped", tests, NULL, NULL);
}
