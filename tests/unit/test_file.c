/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <scsi/scsi.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endpoints/file.h"
#include "../../endpoints/filenode.h"
#include "../lib/capture.h"
#include "../lib/ends.h"
#include "../lib/rng.h"

static struct tree tree;
static char path[PATH_MAX];

/* What a block node's device is said to be like, -errno: that call fails. */
static long long device_bytes, sd_answers;
static unsigned asked;

/* What is said of folders; how many were flushed well, and whether a file was before. */
static int folder_open_err, folder_flush_err;
static unsigned folders_flushed, files_flushed;

int __wrap_ioctl(int, unsigned long, ...);
int __real_open(const char *, int, ...);
int __wrap_open(const char *, int, ...);
int __real_fsync(int);
int __wrap_fsync(int);

static ino_t tree_inode(void)
{
	struct stat st;

	assert_int_equal(stat(tree.root, &st), 0);
	return st.st_ino;
}

static int answer(long long value)
{
	if (value >= 0)
		return 0;
	errno = (int)-value;
	return -1;
}

int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	uint64_t *size;
	va_list args;

	(void)fd;
	asked++;
	if (cmd != BLKGETSIZE64) {
		assert_int_equal(cmd, SCSI_IOCTL_GET_IDLUN);
		return answer(sd_answers);
	}
	va_start(args, cmd);
	size = va_arg(args, uint64_t *);
	va_end(args);
	if (device_bytes >= 0)
		*size = (uint64_t)device_bytes;
	return answer(device_bytes);
}

int __wrap_open(const char *name, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!(flags & O_DIRECTORY) || folder_open_err == 0)
		return __real_open(name, flags, mode);
	errno = folder_open_err;
	return -1;
}

int __wrap_fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode)) {
		files_flushed++;
		return __real_fsync(fd);
	}
	assert_true(files_flushed > 0); /* a name of nothing would be no better */
	assert_int_equal(st.st_ino, tree_inode());
	if (folder_flush_err == 0) {
		folders_flushed++;
		return __real_fsync(fd);
	}
	errno = folder_flush_err;
	return -1;
}

static int make_tree(void **state)
{
	(void)state;
	device_bytes = sd_answers = 0;
	asked = folders_flushed = files_flushed = 0;
	folder_open_err = folder_flush_err = 0;
	ends_setup(&tree, path);
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
	return ends_open(file_open, path, role, flags);
}

static struct endpoint *begin_dest(unsigned flags, uint64_t at)
{
	return ends_begin(open_as(END_DEST, flags), at, SIZE_UNKNOWN);
}

static void refused(enum end_role role, unsigned flags, int status, const char *words)
{
	ends_refused(file_open, &(struct file_params){ path, role, flags }, status, words);
}

/* --- facts --- */

static void a_source_tells_its_size(void **state)
{
	struct endpoint *ep;

	(void)state;
	ends_file(path, 12345, 1);
	ep = open_as(END_SOURCE, 0);
	assert_string_equal(ep->facts.kind, "file");
	assert_int_equal(ep->facts.cls, END_BUFFERED);
	assert_int_equal(ep->facts.size_bytes, 12345);
	assert_int_equal(ep->facts.block_bytes, 1);
	assert_false(ep->facts.evented || ep->facts.sequential || ep->facts.needs_flush);
	ends_close(ep, NULL);
}

static void a_destination_has_no_end_and_wants_a_flush(void **state)
{
	struct endpoint *ep;

	(void)state;
	ends_file(path, 12345, 1);
	ep = open_as(END_DEST, 0);
	assert_true(ep->facts.size_bytes == SIZE_UNKNOWN);
	assert_true(ep->facts.needs_flush);
	ends_close(ep, NULL);
}

static void a_probe_takes_any_length(void **state)
{
	struct endpoint *ep;

	(void)state;
	ends_file(path, 1, 1);
	ep = open_as(END_SOURCE, 0);
	assert_int_equal(ep->ops->probe(ep, 123457, 0), 0);
	assert_int_equal(ep->facts.max_xfer_bytes, 123457);
	ends_close(ep, NULL);
}

/* --- nothing is changed by opening --- */

static void opening_a_destination_leaves_it_as_it_was(void **state)
{
	uint8_t *bytes = ends_bytes(5000, 1);
	struct stat before, after;
	struct endpoint *ep;

	(void)state;
	ends_file(path, 5000, 1);
	assert_int_equal(stat(path, &before), 0);
	ep = open_as(END_DEST, 0);
	assert_int_equal(ep->ops->probe(ep, 65536, 0), 0);
	ends_close(ep, NULL);
	assert_int_equal(stat(path, &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	ends_expect(path, bytes, 5000);
	free(bytes);
}

static void a_missing_destination_is_created_by_begin_only(void **state)
{
	struct endpoint *ep = open_as(END_DEST, 0);

	(void)state;
	assert_int_equal(ep->ops->probe(ep, 65536, 0), 0);
	assert_int_equal(ends_size(path), -1);
	assert_int_equal(ep->ops->begin(ep, 0, 100), 0);
	assert_int_equal(ends_size(path), 0);
	ends_close(ep, NULL);
}

static void a_bare_name_is_created_in_the_working_directory(void **state)
{
	char was[PATH_MAX];
	struct endpoint *ep;
	int status;

	(void)state;
	assert_non_null(getcwd(was, sizeof(was)));
	assert_int_equal(chdir(tree.root), 0);
	ep = file_open(&(struct file_params){ "file", END_DEST, 0 }, &status);
	assert_non_null(ep);
	assert_int_equal(ep->ops->begin(ep, 0, 100), 0);
	assert_int_equal(chdir(was), 0);
	assert_int_equal(ends_size(path), 0);
	ends_close(ep, NULL);
}

static void begin_truncates_to_where_writing_starts(void **state)
{
	uint8_t *bytes = ends_bytes(5000, 1);

	(void)state;
	ends_file(path, 5000, 1);
	ends_close(begin_dest(0, 700), NULL);
	ends_expect(path, bytes, 700);
	ends_close(begin_dest(0, 9000), NULL);
	assert_int_equal(ends_size(path), 9000);
	free(bytes);
}

static void notrunc_keeps_what_lies_around(void **state)
{
	uint8_t *bytes = ends_bytes(5000, 1), *mem = ends_memory(100);
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 5000, 1);
	ep = begin_dest(END_NOTRUNC, 700);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 700, 100);
	ends_close(ep, lane);
	memset(bytes + 700, 0xee, 100);
	ends_expect(path, bytes, 5000);
	free(bytes);
	free(mem);
}

static void append_counts_from_the_end(void **state)
{
	uint8_t *bytes = ends_bytes(5100, 1), *mem = ends_memory(100);
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 5000, 1);
	ep = begin_dest(END_APPEND, 0);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 50, 50);
	ends_move_all(lane, mem, 0, 50);
	ends_close(ep, lane);
	memset(bytes + 5000, 0xee, 100);
	ends_expect(path, bytes, 5100);
	free(bytes);
	free(mem);
}

static void a_source_is_begun_without_effect(void **state)
{
	struct endpoint *ep;

	(void)state;
	ends_file(path, 5000, 1);
	ep = open_as(END_SOURCE, 0);
	assert_int_equal(ep->ops->begin(ep, 100, 100), 0);
	assert_int_equal(ends_size(path), 5000);
	ends_close(ep, NULL);
}

static void begin_refuses_a_place_no_file_reaches(void **state)
{
	struct endpoint *ep = open_as(END_DEST, 0);
	struct capture c;

	(void)state;
	capture_begin(&c);
	assert_int_equal(ep->ops->begin(ep, UINT64_C(1) << 63, 100), -1);
	assert_non_null(strstr(capture_end(&c), "File too large"));
	assert_int_equal(ep->exit_status, EXIT_OS + EFBIG);
	ends_close(ep, NULL);
}

static void what_appeared_since_open_is_not_written_over(void **state)
{
	struct endpoint *ep = open_as(END_DEST, 0);
	struct capture c;

	(void)state;
	ends_file(path, 5000, 1);
	capture_begin(&c);
	assert_int_equal(ep->ops->begin(ep, 0, 100), -1);
	assert_non_null(strstr(capture_end(&c), "cannot create: File exists"));
	assert_int_equal(ep->exit_status, EXIT_FILE);
	assert_int_equal(ends_size(path), 5000);
	ends_close(ep, NULL);
}

/* --- refusals --- */

static void a_missing_source_is_refused(void **state)
{
	(void)state;
	refused(END_SOURCE, 0, EXIT_FILE, "cannot open: No such file");
}

static void nocreat_refuses_a_missing_destination(void **state)
{
	(void)state;
	refused(END_DEST, END_NOCREAT, EXIT_FILE, "cannot open: No such file");
}

static void a_missing_folder_is_refused(void **state)
{
	(void)state;
	ends_path(&tree, "none/file", path);
	refused(END_DEST, 0, EXIT_FILE, "cannot create: No such file");
}

static void a_link_to_nothing_is_refused(void **state)
{
	(void)state;
	assert_int_equal(symlink("nowhere", path), 0);
	refused(END_DEST, 0, EXIT_FILE, "link to nothing");
}

static void no_file_is_created_under_dev(void **state)
{
	char link[PATH_MAX];

	(void)state;
	strcpy(path, "/dev/sgmmcp-no-such-disk");
	refused(END_DEST, 0, EXIT_FILE, "not creating a file under /dev");
	assert_int_equal(symlink("/dev", ends_path(&tree, "link", link)), 0);
	ends_path(&tree, "link/sgmmcp-no-such-disk", path);
	refused(END_DEST, 0, EXIT_FILE, "not creating a file under /dev");
	assert_int_equal(ends_size(path), -1);
}

static void folders_of_dev_are_refused_too_but_not_the_one_in_memory(void **state)
{
	(void)state;
	strcpy(path, "/dev/pts/sgmmcp-no-such-terminal");
	if (access("/dev/pts", W_OK | X_OK) == 0)
		refused(END_DEST, 0, EXIT_FILE, "not creating a file under /dev");
	strcpy(path, "/dev/shm/sgmmcp-no-such-file");
	if (access("/dev/shm", W_OK | X_OK) == 0)
		ends_close(open_as(END_DEST, 0), NULL);
	assert_int_equal(ends_size(path), -1);
}

static void excl_refuses_a_destination_that_is_there(void **state)
{
	(void)state;
	ends_file(path, 5000, 1);
	refused(END_DEST, END_EXCL, EXIT_FILE, "excl: not writing: File exists");
	assert_int_equal(ends_size(path), 5000);
	ends_close(open_as(END_SOURCE, END_EXCL), NULL);
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	strcpy(path, tree.root);
	refused(END_SOURCE, 0, EXIT_FILE, "neither a regular file nor");
	strcpy(path, "/dev/null");
	refused(END_DEST, 0, EXIT_FILE, "neither a regular file nor");
}

static void a_lock_that_another_holds_is_refused(void **state)
{
	int fd;

	(void)state;
	ends_file(path, 5000, 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	refused(END_SOURCE, END_FLOCK, EXIT_FLOCK, "flock: locked by another");
	ends_close(open_as(END_SOURCE, 0), NULL);
	close(fd);
}

static void a_lock_is_held_until_the_end_is_closed(void **state)
{
	struct endpoint *ep = begin_dest(END_FLOCK, 0);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), -1);
	ends_close(ep, NULL);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	close(fd);
}

static int descriptor_flags(struct endpoint *ep)
{
	int flags = fcntl(((struct filenode *)ep)->fd, F_GETFL);

	ends_close(ep, NULL);
	return flags;
}

static void sync_flags_reach_the_descriptor_of_a_destination(void **state)
{
	(void)state;
	ends_file(path, 5000, 1);
	assert_int_equal(descriptor_flags(open_as(END_DEST, END_DSYNC)) & O_SYNC, O_DSYNC);
	assert_int_equal(descriptor_flags(open_as(END_DEST, END_SYNC)) & O_SYNC, O_SYNC);
	assert_int_equal(descriptor_flags(open_as(END_DEST, 0)) & (O_SYNC | O_ACCMODE), O_WRONLY);
	assert_int_equal(descriptor_flags(open_as(END_SOURCE, END_SYNC)) & O_ACCMODE, O_RDONLY);
}

/* --- transfers --- */

static void any_offset_and_length_will_do(void **state)
{
	uint8_t *bytes = ends_bytes(70000, 1), *mem = ends_memory(70000);
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 70000, 1);
	ep = open_as(END_SOURCE, 0);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 1, 1);
	assert_int_equal(mem[0], bytes[1]);
	assert_int_equal(mem[1], 0xee);
	ends_move_all(lane, mem, 4095, 65537);
	assert_memory_equal(mem, bytes + 4095, 65537);
	ends_close(ep, lane);
	free(bytes);
	free(mem);
}

static void what_is_left_of_a_transfer_is_moved(void **state)
{
	uint8_t *bytes = ends_bytes(5000, 1), *mem = ends_memory(5000);
	struct xfer x = {
		.op = XFER_READ,
		.len_bytes = 3000,
		.offset_bytes = 1000,
		.buf = mem,
		.done_bytes = 700,
	};
	struct endpoint *ep;

	(void)state;
	ends_file(path, 5000, 1);
	ep = open_as(END_SOURCE, 0);
	filenode_move((const struct filenode *)ep, &x);
	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_int_equal(x.done_bytes, 3000);
	assert_memory_equal(mem + 700, bytes + 1700, 2300);
	assert_int_equal(mem[699], 0xee);
	ends_close(ep, NULL);
	free(bytes);
	free(mem);
}

static void a_source_that_was_truncated_is_a_short_transfer(void **state)
{
	uint8_t *bytes = ends_bytes(10000, 1), *mem = ends_memory(4096);
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	ends_file(path, 10000, 1);
	ep = open_as(END_SOURCE, 0);
	lane = ends_lane(ep);
	assert_int_equal(truncate(path, 5000), 0);
	x = ends_move(lane, mem, 4096, 4096);
	assert_int_equal(x.fault.kind, FAULT_SHORT);
	assert_int_equal(x.done_bytes, 904);
	assert_int_equal(x.fault.resid_bytes, 4096 - 904);
	assert_memory_equal(mem, bytes + 4096, 904);
	assert_string_equal(ends_text(ep, &x),
		"pread at byte 4096, 4096 bytes: the file ends at byte 5000: it has been "
		"truncated");
	ends_close(ep, lane);
	free(bytes);
	free(mem);
}

/* The end of the file in the place of the device's. */
static struct xfer read_past_the_end_of_a_block_node(void)
{
	uint8_t *mem = ends_memory(4096);
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	ends_file(path, 1000, 1);
	ep = open_as(END_SOURCE, 0);
	((struct filenode *)ep)->is_block = true;
	lane = ends_lane(ep);
	x = ends_move(lane, mem, 0, 4096);
	assert_int_equal(x.done_bytes, 1000);
	if (x.fault.kind == FAULT_GONE)
		assert_string_equal(ends_text(ep, &x), "pread at byte 1000, 3096 bytes: device "
						       "gone (No such device)");
	else
		assert_string_equal(ends_text(ep, &x), "pread at byte 0, 4096 bytes: the device "
						       "ends at byte 1000");
	ends_close(ep, lane);
	free(mem);
	return x;
}

static void a_block_node_that_ends_early_is_gone_if_its_device_is(void **state)
{
	static const struct {
		long long bytes, sd;
		enum fault_kind kind;
	} cases[] = {
		{ 0, 0, FAULT_GONE }, /* removed */
		{ -ENXIO, -EINVAL, FAULT_GONE },
		{ 4096, -ENODEV, FAULT_GONE }, /* its partition; offline */
		{ 4096, -ENXIO, FAULT_GONE },
		{ 1000, 0, FAULT_SHORT },	/* it has become smaller */
		{ 1000, -EINVAL, FAULT_SHORT }, /* none of sd's */
		{ 1000, -ENOTTY, FAULT_SHORT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		device_bytes = cases[i].bytes;
		sd_answers = cases[i].sd;
		assert_int_equal(read_past_the_end_of_a_block_node().fault.kind, cases[i].kind);
	}
}

static void a_block_node_whose_device_is_gone_fails_by_no_other_name(void **state)
{
	uint8_t *mem = ends_memory(4096);
	struct endpoint *ep = begin_dest(0, 0);
	struct filenode *n = (struct filenode *)ep;
	struct lane *lane = ends_lane(ep);
	int fd = n->fd;
	struct fault f;

	(void)state;
	n->is_block = true;
	n->fd = -1;
	for (unsigned gone = 0; gone < 2; gone++) {
		enum fault_kind kind = gone ? FAULT_GONE : FAULT_OS;

		device_bytes = gone ? 0 : 4096;
		assert_int_equal(ends_move(lane, mem, 0, 4096).fault.kind, kind);
		assert_int_equal(ends_trim(lane, 0, 4096).fault.kind, kind);
		assert_false(ep->ops->flush(ep, &f));
		assert_int_equal(f.kind, kind);
	}
	n->fd = fd;
	ends_close(ep, lane);
	free(mem);
}

static void what_is_good_is_not_asked_after(void **state)
{
	uint8_t *mem = ends_memory(4096);
	struct endpoint *ep = begin_dest(0, 0);
	struct lane *lane = ends_lane(ep);
	struct fault f;

	(void)state;
	((struct filenode *)ep)->is_block = true;
	ends_move_all(lane, mem, 0, 4096);
	assert_true(ep->ops->flush(ep, &f));
	assert_int_equal(asked, 0);
	ends_close(ep, lane);
	free(mem);
}

static void a_file_that_may_not_grow_counts_what_did_move(void **state)
{
	uint8_t *mem = ends_memory(4096);
	struct endpoint *ep = begin_dest(0, 0);
	struct lane *lane = ends_lane(ep);
	struct xfer x;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	ends_limit_file_size(5000);
	x = ends_move(lane, mem, 4096, 4096);
	ends_limit_file_size(RLIM_INFINITY);
	assert_int_equal(x.fault.kind, FAULT_OS);
	assert_int_equal(x.fault.err, EFBIG);
	assert_int_equal(x.done_bytes, 904);
	assert_string_equal(ends_text(ep, &x), "pwrite at byte 5000, 3192 bytes: File too large");
	ends_close(ep, lane);
	free(mem);
}

static void a_flush_of_a_file_is_good(void **state)
{
	struct endpoint *ep = begin_dest(END_NOCACHE, 0);
	struct fault f = { .kind = FAULT_OTHER };

	(void)state;
	assert_true(ep->ops->flush(ep, &f));
	assert_int_equal(f.kind, FAULT_NONE);
	ends_close(ep, NULL);
}

static void a_flush_that_fails_says_so(void **state)
{
	struct endpoint *ep = begin_dest(0, 0);
	struct filenode *n = (struct filenode *)ep;
	struct fault f = { .kind = FAULT_NONE };
	int fd = n->fd;

	(void)state;
	n->fd = -1;
	assert_false(ep->ops->flush(ep, &f));
	assert_int_equal(f.err, EBADF);
	n->fd = fd;
	ends_close(ep, NULL);
}

/* Else the power may fail, the map say of it that it is durable, and nothing be there. */
static void the_first_flush_of_a_file_that_was_created_is_of_its_folder_too(void **state)
{
	struct endpoint *ep = begin_dest(0, 0);
	struct fault f;

	(void)state;
	for (unsigned i = 1; i <= 2; i++) {
		assert_true(ep->ops->flush(ep, &f));
		assert_int_equal(folders_flushed, 1);
		assert_int_equal(files_flushed, i);
	}
	ends_close(ep, NULL);
}

static void the_folder_of_a_file_that_was_there_is_not_flushed(void **state)
{
	struct endpoint *ep;
	struct fault f;

	(void)state;
	ends_file(path, 100, 1);
	ep = begin_dest(0, 0);
	assert_true(ep->ops->flush(ep, &f));
	assert_int_equal(folders_flushed, 0);
	ends_close(ep, NULL);
}

static void a_folder_that_cannot_be_flushed_is_no_error(void **state)
{
	static const struct {
		int open_err, flush_err;
	} cases[] = { { EACCES, 0 }, { 0, EINVAL } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct endpoint *ep = begin_dest(0, 0);
		struct fault f;

		folder_open_err = cases[i].open_err;
		folder_flush_err = cases[i].flush_err;
		assert_true(ep->ops->flush(ep, &f));
		assert_int_equal(folders_flushed, 0);
		folder_open_err = 0;
		ends_close(ep, NULL);
		assert_int_equal(unlink(path), 0);
	}
}

static void a_flush_whose_folder_fails_says_so_and_is_tried_again(void **state)
{
	struct endpoint *ep = begin_dest(0, 0);
	struct fault f;

	(void)state;
	folder_flush_err = EIO;
	assert_false(ep->ops->flush(ep, &f));
	assert_int_equal(f.err, EIO);
	folder_flush_err = 0;
	assert_true(ep->ops->flush(ep, &f));
	assert_int_equal(folders_flushed, 1);
	ends_close(ep, NULL);
}

static size_t cached_pages(size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char in_core[256];
	size_t cached = 0;

	assert_true(map != MAP_FAILED && len / 4096 <= sizeof(in_core));
	assert_int_equal(mincore(map, len, in_core), 0);
	for (size_t i = 0; i < len / 4096; i++)
		cached += in_core[i] & 1;
	munmap(map, len);
	close(fd);
	return cached;
}

static void nocache_leaves_nothing_in_the_page_cache(void **state)
{
	const uint32_t len = 512 * 1024;
	uint8_t *mem = ends_memory(len);
	struct endpoint *ep = begin_dest(END_NOCACHE, 0);
	struct lane *lane = ends_lane(ep);
	struct fault f;

	(void)state;
	ends_move_all(lane, mem, 0, len / 2);
	ends_move_all(lane, mem, len / 2, len / 2);
	assert_true(ep->ops->flush(ep, &f));
	ends_close(ep, lane);
	if (cached_pages(len) == len / 4096) {
		print_message("SKIPPED: this file system keeps its pages whatever it is told\n");
		free(mem);
		skip();
	}
	assert_int_equal(cached_pages(len), 0);
	ep = open_as(END_SOURCE, END_NOCACHE);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 0, len);
	assert_int_equal(cached_pages(len), 0);
	ends_close(ep, lane);
	ep = open_as(END_SOURCE, 0);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 0, len);
	assert_int_equal(cached_pages(len), len / 4096);
	ends_close(ep, lane);
	free(mem);
}

static void a_write_to_a_source_ends_the_program(void **state)
{
	uint8_t mem[512];
	struct xfer x = { .op = XFER_WRITE, .len_bytes = 512, .buf = mem };
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 512, 1);
	ep = open_as(END_SOURCE, 0);
	lane = ends_lane(ep);
	for (enum xfer_op op = XFER_WRITE; op <= XFER_TRIM; op++) {
		x.op = op;
		ends_submit_aborts(lane, &x);
	}
	ends_close(ep, lane);
}

/* --- the whole way --- */

static void copy_in_random_order(uint64_t seed, unsigned flags)
{
	struct rng r = { seed };
	size_t len = (size_t)rng_between(&r, 1, 300000), nchunks;
	uint32_t chunk = (uint32_t)rng_between(&r, 1, 20000);
	uint8_t *bytes = ends_bytes(len, seed), *mem = ends_memory(chunk);
	char to[PATH_MAX];
	struct endpoint *in, *out;
	struct lane *in_lane, *out_lane;
	int status;

	ends_file(path, len, seed);
	in = open_as(END_SOURCE, flags);
	out = file_open(
		&(struct file_params){ ends_path(&tree, "copy", to), END_DEST, flags }, &status);
	assert_int_equal(out->ops->begin(out, 0, len), 0);
	in_lane = ends_lane(in);
	out_lane = ends_lane(out);
	nchunks = (len + chunk - 1) / chunk;
	for (size_t i = 0, at = rng_below(&r, nchunks); i < nchunks; i++, at = (at + 1) % nchunks) {
		uint32_t n = (uint32_t)min_u64(chunk, len - at * chunk);

		ends_move_all(in_lane, mem, at * chunk, n);
		ends_move_all(out_lane, mem, at * chunk, n);
	}
	ends_close(in, in_lane);
	ends_close(out, out_lane);
	ends_expect(to, bytes, len);
	free(bytes);
	free(mem);
}

static void a_copy_equals_its_source(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++)
		copy_in_random_order(seed, seed % 2 ? END_NOCACHE : 0);
}

static void skip_holes(struct endpoint *ep, struct lane *lane)
{
	ends_close(ep, lane);
	print_message("SKIPPED: no holes in files below %s: set TMPDIR\n", tree.root);
	skip();
}

/* --- zeros --- */

static void facts_tell_whether_zeros_may_be_left_out(void **state)
{
	static const struct {
		unsigned flags;
		bool fresh, fresh_if_new;
	} cases[] = {
		{ 0, true, true },
		{ END_NOTRUNC, false, true },
		{ END_APPEND, true, true },
		{ END_APPEND | END_NOTRUNC, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct endpoint *ep = open_as(END_DEST, cases[i].flags);

		assert_true(ep->facts.fresh == cases[i].fresh_if_new && ep->facts.can_trim);
		ends_close(ep, NULL);
		ends_file(path, 5000, 1);
		ep = open_as(END_DEST, cases[i].flags);
		assert_true(ep->facts.fresh == cases[i].fresh && ep->facts.can_trim);
		assert_true(ep->facts.hole_bytes >= 4096);
		assert_int_equal(ep->facts.hole_bytes % ep->facts.trim_grain_bytes, 0);
		assert_int_equal(ep->facts.max_trim_bytes % ep->facts.trim_grain_bytes, 0);
		ends_close(ep, NULL);
		assert_int_equal(unlink(path), 0);
	}
	ends_file(path, 5000, 1);
	ends_close(begin_dest(0, 0), NULL);
}

static void a_source_leaves_nothing_out(void **state)
{
	struct endpoint *ep;

	(void)state;
	ends_file(path, 5000, 1);
	ep = open_as(END_SOURCE, 0);
	assert_false(ep->facts.fresh || ep->facts.can_trim);
	assert_int_equal(ep->facts.hole_bytes, 0);
	assert_int_equal(ep->ops->end(ep, 9000, true), 0);
	ends_close(ep, NULL);
	assert_int_equal(ends_size(path), 5000);
}

static void a_hole_reads_as_zeros_and_gives_its_blocks_back(void **state)
{
	uint8_t *bytes = ends_bytes(1 << 20, 1);
	struct endpoint *ep;
	struct lane *lane;
	struct fault f;
	long long before;

	(void)state;
	ends_file(path, 1 << 20, 1);
	ep = begin_dest(END_NOTRUNC, 0);
	lane = ends_lane(ep);
	assert_true(ep->ops->flush(ep, &f)); /* what is not yet on the disk is not yet counted */
	before = ends_allocated(path);
	if (!ends_trim_all(lane, 1 << 18, 1 << 19))
		skip_holes(ep, lane);
	assert_true(ep->ops->flush(ep, &f));
	assert_true(ends_allocated(path) <= before - (1 << 19));
	assert_true(ends_trim_all(lane, 1001, 10001)); /* to the byte */
	ends_close(ep, lane);
	memset(bytes + (1 << 18), 0, 1 << 19);
	memset(bytes + 1001, 0, 10001);
	ends_expect(path, bytes, 1 << 20);
	free(bytes);
}

static void a_copy_that_ends_in_a_hole_gets_its_length(void **state)
{
	uint8_t *bytes = calloc(1, 17384), *mem = ends_memory(4096);
	struct endpoint *ep = begin_dest(0, 0);
	struct lane *lane = ends_lane(ep);

	(void)state;
	ends_move_all(lane, mem, 0, 4096);
	if (!ends_trim_all(lane, 4096, 8192))
		skip_holes(ep, lane);
	assert_int_equal(ends_size(path), 4096);
	assert_int_equal(ep->ops->end(ep, 17384, true), 0);
	ends_close(ep, lane);
	memset(bytes, 0xee, 4096);
	ends_expect(path, bytes, 17384);
	free(bytes);
	free(mem);
}

static void what_is_read_back_behind_its_end_is_zeros(void **state)
{
	uint8_t *bytes = ends_bytes(10000, 1), *mem = ends_memory(4096);
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 5000, 1);
	memset(bytes + 5000, 0, 5000);
	ep = open_as(END_SOURCE, END_GROWS);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 4096, 4096);
	assert_memory_equal(mem, bytes + 4096, 4096);
	memset(mem, 0xee, 4096);
	ends_move_all(lane, mem, 8192, 1000);
	assert_memory_equal(mem, bytes + 8192, 1000);
	assert_int_equal(mem[1000], 0xee);
	ends_close(ep, lane);
	assert_int_equal(ends_size(path), 5000);
	free(bytes);
	free(mem);
}

static void length_at_the_end(unsigned flags, uint64_t end_bytes, long long size)
{
	struct endpoint *ep;

	ends_file(path, 5000, 1);
	ep = begin_dest(flags, 0);
	assert_int_equal(ep->ops->end(ep, end_bytes, false), 0);
	ends_close(ep, NULL);
	assert_int_equal(ends_size(path), size);
}

static void the_end_makes_a_file_longer_and_never_shorter(void **state)
{
	(void)state;
	length_at_the_end(0, 0, 0);
	length_at_the_end(0, 123, 123);
	length_at_the_end(END_NOTRUNC, 123, 5000);
	length_at_the_end(END_NOTRUNC, 5001, 5001);
	length_at_the_end(END_APPEND, 0, 5000);
	length_at_the_end(END_APPEND, 123, 5123);
}

static void length_reached(unsigned flags, uint64_t end_bytes, long long size)
{
	struct endpoint *ep;
	struct fault f;

	ends_file(path, 5000, 1);
	ep = begin_dest(flags, 0);
	assert_true(ep->ops->reach(ep, end_bytes, &f));
	ends_close(ep, NULL);
	assert_int_equal(ends_size(path), size);
}

static void in_mid_run_a_file_gets_the_length_of_what_was_left_out(void **state)
{
	uint8_t *bytes = calloc(1, 20000);

	(void)state;
	length_reached(0, 0, 0);
	length_reached(END_NOTRUNC, 4999, 5000);
	length_reached(END_NOTRUNC, 5000, 5000);
	length_reached(END_APPEND, 123, 5123);
	length_reached(0, 20000, 20000);
	ends_expect(path, bytes, 20000);
	free(bytes);
}

#define GROWTH_STEPS 3000u

struct growth {
	struct lane *lane;
	_Atomic uint64_t step;
};

/* Of two blocks that are left out and one that is written, again and again. */
static void *write_each_third(void *arg)
{
	struct growth *g = arg;
	uint8_t mem[4096];

	memset(mem, 0xee, sizeof(mem));
	for (; g->step < GROWTH_STEPS; g->step++) {
		struct xfer x = { .op = XFER_WRITE,
			.len_bytes = sizeof(mem),
			.offset_bytes = (3 * g->step + 2) * sizeof(mem),
			.buf = mem };

		(void)g->lane->ep->ops->submit(g->lane, &x); /* what is in the file tells */
	}
	return NULL;
}

static void what_is_written_while_a_file_gets_its_length_stays(void **state)
{
	struct endpoint *ep = begin_dest(0, 0);
	struct growth g = { .lane = ends_lane(ep) };
	uint8_t block[4096];
	pthread_t thread;
	struct fault f;
	int fd;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, write_each_third, &g), 0);
	while (g.step < GROWTH_STEPS)
		assert_true(ep->ops->reach(ep, (3 * g.step + 1) * sizeof(block), &f));
	pthread_join(thread, NULL);
	ends_close(ep, g.lane);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (uint64_t i = 0; i < GROWTH_STEPS; i++) {
		off_t at = (off_t)((3 * i + 2) * sizeof(block));

		assert_int_equal(pread(fd, block, sizeof(block), at), sizeof(block));
		assert_int_equal(block[0], 0xee);
		assert_int_equal(block[sizeof(block) - 1], 0xee);
	}
	close(fd);
}

static void a_length_that_cannot_be_had_is_a_fault(void **state)
{
	struct endpoint *ep = begin_dest(0, 0);
	struct filenode *n = (struct filenode *)ep;
	int fd = n->fd;
	struct fault f;

	(void)state;
	n->fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_false(ep->ops->reach(ep, 1, &f));
	close(n->fd);
	n->fd = fd;
	assert_int_equal(f.err, EBADF);
	ends_close(ep, NULL);
}

static void an_end_that_no_file_reaches_is_told(void **state)
{
	struct endpoint *ep = begin_dest(0, 0);
	struct capture c;

	(void)state;
	capture_begin(&c);
	assert_int_equal(ep->ops->end(ep, UINT64_C(1) << 63, false), -1);
	assert_non_null(strstr(capture_end(&c), "cannot be made that long: File too large"));
	assert_int_equal(ep->exit_status, EXIT_OS + EFBIG);
	ends_close(ep, NULL);
}

static void holes_that_cannot_be_are_asked_for_once(void **state)
{
	struct endpoint *ep = begin_dest(0, 0);
	struct filenode *n = (struct filenode *)ep;
	struct lane *lane = ends_lane(ep);
	int fd = n->fd;

	(void)state;
	n->fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC); /* no fallocate() there */
	assert_true(n->fd >= 0);
	assert_false(ends_trim_all(lane, 0, 4096));
	close(n->fd);
	n->fd = fd;
	assert_false(ends_trim_all(lane, 0, 4096));
	ends_close(ep, lane);
}

static void a_hole_that_fails_is_a_fault(void **state)
{
	struct endpoint *ep = begin_dest(0, 0);
	struct filenode *n = (struct filenode *)ep;
	struct lane *lane = ends_lane(ep);
	int fd = n->fd;
	struct xfer x;

	(void)state;
	n->fd = -1;
	x = ends_trim(lane, 4096, 8192);
	n->fd = fd;
	assert_int_equal(x.fault.err, EBADF);
	assert_int_equal(x.done_bytes, 0);
	assert_false(xfer_is_unsupported(&x));
	assert_string_equal(
		ends_text(ep, &x), "fallocate at byte 4096, 8192 bytes: Bad file descriptor");
	ends_close(ep, lane);
}

static void a_sparse_copy_equals_its_source(void **state)
{
	(void)state;
	ends_sparse_copies(file_open, path);
}

#define on_tree(f) cmocka_unit_test_setup_teardown(f, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tree(a_source_tells_its_size),
		on_tree(a_destination_has_no_end_and_wants_a_flush),
		on_tree(a_probe_takes_any_length),
		on_tree(opening_a_destination_leaves_it_as_it_was),
		on_tree(a_missing_destination_is_created_by_begin_only),
		on_tree(a_bare_name_is_created_in_the_working_directory),
		on_tree(begin_truncates_to_where_writing_starts),
		on_tree(notrunc_keeps_what_lies_around),
		on_tree(append_counts_from_the_end),
		on_tree(a_source_is_begun_without_effect),
		on_tree(begin_refuses_a_place_no_file_reaches),
		on_tree(what_appeared_since_open_is_not_written_over),
		on_tree(a_missing_source_is_refused),
		on_tree(nocreat_refuses_a_missing_destination),
		on_tree(a_missing_folder_is_refused),
		on_tree(a_link_to_nothing_is_refused),
		on_tree(no_file_is_created_under_dev),
		on_tree(folders_of_dev_are_refused_too_but_not_the_one_in_memory),
		on_tree(excl_refuses_a_destination_that_is_there),
		on_tree(what_is_no_file_is_refused),
		on_tree(a_lock_that_another_holds_is_refused),
		on_tree(a_lock_is_held_until_the_end_is_closed),
		on_tree(sync_flags_reach_the_descriptor_of_a_destination),
		on_tree(any_offset_and_length_will_do),
		on_tree(what_is_left_of_a_transfer_is_moved),
		on_tree(a_source_that_was_truncated_is_a_short_transfer),
		on_tree(a_block_node_that_ends_early_is_gone_if_its_device_is),
		on_tree(a_block_node_whose_device_is_gone_fails_by_no_other_name),
		on_tree(what_is_good_is_not_asked_after),
		on_tree(a_file_that_may_not_grow_counts_what_did_move),
		on_tree(a_flush_of_a_file_is_good),
		on_tree(a_flush_that_fails_says_so),
		on_tree(the_first_flush_of_a_file_that_was_created_is_of_its_folder_too),
		on_tree(the_folder_of_a_file_that_was_there_is_not_flushed),
		on_tree(a_folder_that_cannot_be_flushed_is_no_error),
		on_tree(a_flush_whose_folder_fails_says_so_and_is_tried_again),
		on_tree(nocache_leaves_nothing_in_the_page_cache),
		on_tree(a_write_to_a_source_ends_the_program),
		on_tree(a_copy_equals_its_source),
		on_tree(facts_tell_whether_zeros_may_be_left_out),
		on_tree(a_source_leaves_nothing_out),
		on_tree(a_hole_reads_as_zeros_and_gives_its_blocks_back),
		on_tree(a_copy_that_ends_in_a_hole_gets_its_length),
		on_tree(what_is_read_back_behind_its_end_is_zeros),
		on_tree(the_end_makes_a_file_longer_and_never_shorter),
		on_tree(in_mid_run_a_file_gets_the_length_of_what_was_left_out),
		on_tree(what_is_written_while_a_file_gets_its_length_stays),
		on_tree(a_length_that_cannot_be_had_is_a_fault),
		on_tree(an_end_that_no_file_reaches_is_told),
		on_tree(holes_that_cannot_be_are_asked_for_once),
		on_tree(a_hole_that_fails_is_a_fault),
		on_tree(a_sparse_copy_equals_its_source),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
