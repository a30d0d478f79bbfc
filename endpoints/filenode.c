/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decides what may be opened and what that changes; see filenode.h. O_APPEND is not used here: on
 * Linux it makes pwrite() ignore its offset (pwrite(2), BUGS).
 */
#include "filenode.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <scsi/scsi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "../scsi/reply.h"

#define ALIGN_USUAL 4096u  /* good for O_DIRECT wherever nothing else is told */
#define ALIGN_MOST  65536u /* a larger st_blksize (NFS, ZFS) is a hint, not a need */
#define HOLE_DEVICE 65536u /* one more system call costs more than writing less than that */

static struct filenode *node_of(struct endpoint *ep)
{
	return (struct filenode *)ep;
}

static int fail(struct filenode *n, int exit_status)
{
	n->ep.exit_status = exit_status;
	return -1;
}

static int fail_errno(struct filenode *n, int exit_status, const char *what)
{
	diag_errno(n->ep.name, errno, "%s", what);
	return fail(n, exit_status);
}

static bool is_mapped(const struct filenode *n)
{
	return n->ep.facts.cls == END_MAPPED;
}

/* --- open --- */

static int access_flags(const struct filenode *n)
{
	int flags = O_CLOEXEC | (n->is_block && (n->flags & END_EXCL) ? O_EXCL : 0);

	if (n->ep.role == END_SOURCE)
		return flags | O_RDONLY;
	if (n->flags & END_DSYNC)
		flags |= O_DSYNC;
	if (n->flags & END_SYNC)
		flags |= O_SYNC;
	return flags | (is_mapped(n) ? O_RDWR : O_WRONLY);
}

/* The name may have come to mean something else since it was looked at. */
static bool is_as_expected(const struct filenode *n, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (n->is_block ? !S_ISBLK(st.st_mode) : !S_ISREG(st.st_mode)))
		return false;
	return n->fd < 0 || (st.st_dev == n->dev && st.st_ino == n->ino);
}

static int open_one(struct filenode *n, int more_flags)
{
	int fd = open(n->ep.name, access_flags(n) | more_flags, 0666);

	if (fd < 0 && errno == EINVAL && (more_flags & O_DIRECT)) {
		diag(n->ep.name, "cannot be opened with O_DIRECT: its file system has none (leave "
				 "out direct)");
		return fail(n, EXIT_CONTRADICT);
	}
	if (fd < 0)
		return fail_errno(
			n, EXIT_FILE, more_flags & O_CREAT ? "cannot create" : "cannot open");
	if (is_as_expected(n, fd))
		return fd;
	diag(n->ep.name, "was replaced by something else while it was being opened");
	close(fd);
	return fail(n, EXIT_FILE);
}

static int take_lock(struct filenode *n)
{
	if (!(n->flags & END_FLOCK) || flock(n->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return fail_errno(n, EXIT_FLOCK, "flock: locked by another process");
}

static int no_direct(struct filenode *n)
{
	diag(n->ep.name, "takes no direct IO (leave out direct)");
	return fail(n, EXIT_CONTRADICT);
}

static uint32_t file_block_bytes(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_blksize < 512 || st.st_blksize > ALIGN_MOST ||
		(st.st_blksize & (st.st_blksize - 1)) != 0)
		return ALIGN_USUAL;
	return (uint32_t)st.st_blksize;
}

static uint32_t align_by_block_size(const struct filenode *n)
{
	return n->is_block ? n->ep.facts.block_bytes : file_block_bytes(n->direct_fd);
}

/*
 * What direct IO wants aligned, and how. A direct write that shares a page with a buffered one in
 * flight may be undone by it (the page is read, changed and written back whole): whole pages
 * go direct into a regular file, everything else goes through the page cache.
 */
static int find_align(struct filenode *n)
{
	uint32_t align = align_by_block_size(n), mem_align = align;
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (statx(n->direct_fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
		(stx.stx_mask & STATX_DIOALIGN)) {
		if (stx.stx_dio_offset_align == 0)
			return no_direct(n);
		align = stx.stx_dio_offset_align;
		mem_align = stx.stx_dio_mem_align;
	}
#endif
	if (!n->is_block && n->ep.role == END_DEST)
		align = (uint32_t)max_u64(align, (uint64_t)sysconf(_SC_PAGESIZE));
	n->align_bytes = align;
	n->ep.facts.dma_align = mem_align;
	return 0;
}

static int open_direct(struct filenode *n)
{
	n->direct_fd = n->is_block ? n->fd : open_one(n, O_DIRECT);
	return n->direct_fd < 0 ? -1 : find_align(n);
}

static int open_descriptors(struct filenode *n, int more_flags)
{
	struct stat st;
	int fd = open_one(n, more_flags | (n->direct && n->is_block ? O_DIRECT : 0));

	if (fd < 0)
		return -1;
	n->fd = fd;
	if (fstat(fd, &st) < 0)
		return fail_errno(n, EXIT_FILE, "cannot stat");
	n->dev = st.st_dev;
	n->ino = st.st_ino;
	return take_lock(n);
}

/* --- a destination that is not there --- */

static bool is_under_dev(const char *dir)
{
	return (strcmp(dir, "/dev") == 0 || strncmp(dir, "/dev/", 5) == 0) &&
	       strcmp(dir, "/dev/shm") != 0 && strncmp(dir, "/dev/shm/", 9) != 0;
}

/* The directory of name, absolute and without links; NULL with errno. The caller frees it. */
static char *real_folder(const char *name)
{
	const char *slash = strrchr(name, '/');
	char *folder, *real;

	if (!slash)
		return realpath(".", NULL);
	folder = strndup(name, (size_t)(slash - name) + 1);
	if (!folder)
		return NULL;
	real = realpath(folder, NULL);
	free(folder);
	return real;
}

static int check_creatable(struct filenode *n)
{
	struct stat st;
	char *folder;
	bool in_dev, writable;

	if (n->ep.role == END_SOURCE || (n->flags & END_NOCREAT)) {
		errno = ENOENT;
		return fail_errno(n, EXIT_FILE, "cannot open");
	}
	if (lstat(n->ep.name, &st) == 0) {
		diag(n->ep.name, "is a symbolic link to nothing: not creating what it names");
		return fail(n, EXIT_FILE);
	}
	folder = real_folder(n->ep.name);
	if (!folder)
		return fail_errno(n, EXIT_FILE, "cannot create");
	in_dev = is_under_dev(folder);
	writable = faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
	free(folder);
	if (in_dev) {
		diag(n->ep.name, "is not there: not creating a file under /dev");
		return fail(n, EXIT_FILE);
	}
	if (!writable)
		return fail_errno(n, EXIT_FILE, "cannot create");
	n->ep.facts.dma_align = n->direct ? ALIGN_USUAL : 0; /* as good as any until it is there */
	return 0;
}

/* --- facts --- */

static int block_facts(struct filenode *n)
{
	struct end_facts *f = &n->ep.facts;
	int block_bytes, read_only;
	unsigned phys_block_bytes;

	if (ioctl(n->fd, BLKGETSIZE64, &f->size_bytes) < 0 ||
		ioctl(n->fd, BLKSSZGET, &block_bytes) < 0 || ioctl(n->fd, BLKROGET, &read_only) < 0)
		return fail_errno(n, EXIT_FILE, "cannot ask for its size");
	f->block_bytes = (uint32_t)block_bytes;
	if (block_bytes > 0) /* a loop device may end inside a block */
		f->size_bytes = round_down_u64(f->size_bytes, f->block_bytes);
	if (ioctl(n->fd, BLKPBSZGET, &phys_block_bytes) == 0)
		f->phys_block_bytes = phys_block_bytes;
	if (f->size_bytes == 0 || block_bytes <= 0) {
		diag(n->ep.name, "reports no capacity (no medium?)");
		return fail(n, EXIT_NOT_READY);
	}
	if (n->ep.role == END_SOURCE || !read_only)
		return 0;
	diag(n->ep.name, "is write-protected: not writing");
	return fail(n, EXIT_DATA_PROTECT);
}

/*
 * Whole pages: a write to the other part of one that a hole is punched into may be under way.
 * All sizes are powers of two.
 */
static void zero_facts(struct filenode *n)
{
	struct end_facts *f = &n->ep.facts;
	uint64_t grain = n->fd < 0 || n->is_block ? ALIGN_USUAL : file_block_bytes(n->fd);

	grain = max_u64(grain, max_u64(f->block_bytes, (uint64_t)sysconf(_SC_PAGESIZE)));
	if (n->is_block)
		grain = max_u64(grain, f->phys_block_bytes);
	f->can_trim = true; /* unless the first attempt says otherwise */
	f->trim_grain_bytes = (uint32_t)grain;
	f->max_trim_bytes = (uint32_t)round_down_u64(UINT32_MAX, grain);
	f->hole_bytes = (uint32_t)(n->is_block ? max_u64(grain, HOLE_DEVICE) : grain);
	/* begin() truncates it, or it goes on from its end. */
	f->fresh =
		!n->is_block && (n->fd < 0 || !(n->flags & END_NOTRUNC) || (n->flags & END_APPEND));
}

static int set_facts(struct filenode *n)
{
	struct end_facts *f = &n->ep.facts;
	struct stat st;

	f->kind = n->is_block ? "block" : "file";
	f->evented = n->direct;
	f->pinnable = is_mapped(n);
	f->needs_flush = n->ep.role == END_DEST;
	f->block_bytes = 1;
	f->size_bytes = SIZE_UNKNOWN;
	if (n->is_block)
		return block_facts(n);
	if (n->ep.role == END_DEST)
		return 0;
	if (fstat(n->fd, &st) < 0)
		return fail_errno(n, EXIT_FILE, "cannot stat");
	f->size_bytes = (uint64_t)st.st_size;
	return 0;
}

static int check_existing(struct filenode *n, mode_t mode)
{
	n->is_block = S_ISBLK(mode);
	if (!S_ISREG(mode) && !S_ISBLK(mode)) {
		diag(n->ep.name, "is neither a regular file nor a block device");
		return fail(n, EXIT_FILE);
	}
	if (n->is_block && is_mapped(n)) {
		diag(n->ep.name, "is a block device: only regular files are mapped (leave out "
				 "mmap)");
		return fail(n, EXIT_CONTRADICT);
	}
	if (n->ep.role == END_SOURCE)
		return 0;
	if (!n->is_block && (n->flags & END_EXCL)) {
		errno = EEXIST;
		return fail_errno(n, EXIT_FILE, "excl: not writing");
	}
	if (n->is_block && (n->flags & END_APPEND)) {
		diag(n->ep.name, "is a block device: there is nothing behind its end to append to");
		return fail(n, EXIT_CONTRADICT);
	}
	return 0;
}

static int setup(struct filenode *n)
{
	struct stat st;

	if (stat(n->ep.name, &st) < 0) {
		if (errno != ENOENT)
			return fail_errno(n, EXIT_FILE, "cannot open");
		return check_creatable(n) < 0 ? -1 : set_facts(n);
	}
	if (check_existing(n, st.st_mode) < 0 || open_descriptors(n, 0) < 0 || set_facts(n) < 0)
		return -1;
	return n->direct ? open_direct(n) : 0;
}

static int setup_as(struct filenode *n)
{
	if (setup(n) < 0)
		return -1;
	if (n->ep.role == END_DEST)
		zero_facts(n);
	return 0;
}

struct endpoint *filenode_open(const struct file_params *p, size_t size, enum end_class cls,
	const struct endpoint_ops *ops, int *exit_status)
{
	struct filenode *n = calloc(1, size);

	if (!n) {
		diag_errno(p->name, ENOMEM, "cannot open");
		*exit_status = exit_status_from_errno(ENOMEM);
		return NULL;
	}
	n->ep.ops = ops;
	n->ep.name = p->name;
	n->ep.role = p->role;
	n->ep.identity = "";
	n->flags = p->flags;
	n->ep.facts.cls = cls;
	n->direct = cls == END_DIRECT_IO;
	n->fd = n->direct_fd = -1;
	if (setup_as(n) < 0) {
		*exit_status = n->ep.exit_status;
		filenode_close(&n->ep);
		return NULL;
	}
	return &n->ep;
}

void filenode_close(struct endpoint *ep)
{
	struct filenode *n = node_of(ep);

	if (n->direct_fd >= 0 && n->direct_fd != n->fd)
		close(n->direct_fd);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}

/* --- before the first transfer --- */

int filenode_probe(struct endpoint *ep, uint32_t want_bytes, uint64_t at_bytes)
{
	(void)at_bytes;
	ep->facts.max_xfer_bytes = want_bytes;
	return 0;
}

static int create(struct filenode *n)
{
	/* O_EXCL: what came to be there since open() looked was not asked about. */
	int ret = open_descriptors(n, O_CREAT | O_EXCL);

	n->is_new = n->fd >= 0;
	if (ret < 0)
		return -1;
	return n->direct ? open_direct(n) : 0;
}

static int find_size(struct filenode *n, uint64_t *size_bytes)
{
	struct stat st;

	if (fstat(n->fd, &st) < 0)
		return fail_errno(n, EXIT_FILE, "cannot stat");
	*size_bytes = (uint64_t)st.st_size;
	return 0;
}

static int set_size(struct filenode *n, uint64_t size_bytes, const char *failed)
{
	int ret;

	if (size_bytes > INT64_MAX) {
		errno = EFBIG;
		return fail_errno(n, exit_status_from_errno(EFBIG), failed);
	}
	do
		ret = ftruncate(n->fd, (off_t)size_bytes);
	while (ret < 0 && errno == EINTR);
	return ret == 0 ? 0 : fail_errno(n, exit_status_from_errno(errno), failed);
}

static uint64_t end_of(uint64_t at_bytes, uint64_t len_bytes)
{
	uint64_t end_bytes;

	return checked_add(at_bytes, len_bytes, &end_bytes) ? end_bytes : UINT64_MAX;
}

static int grow(struct filenode *n, uint64_t now_bytes, uint64_t end_bytes)
{
	return end_bytes <= now_bytes ? 0 : set_size(n, end_bytes, "cannot be made that long");
}

static int set_aside(const struct filenode *n, uint64_t at_bytes, uint64_t len_bytes)
{
	int ret;

	do
		ret = fallocate(n->fd, 0, (off_t)at_bytes, (off_t)len_bytes);
	while (ret < 0 && errno == EINTR);
	return ret;
}

static int cannot_set_aside(struct filenode *n)
{
	diag(n->ep.name, "its file system cannot set space aside, as a mapping needs (leave "
			 "out mmap)");
	return fail(n, EXIT_CONTRADICT);
}

/*
 * Asked for one byte, before what is in the file is lost. (Not FALLOC_FL_KEEP_SIZE: NFS has no such
 * mode. An empty file becomes longer: it is truncated next.)
 */
static int check_set_aside(struct filenode *n)
{
	return set_aside(n, 0, 1) < 0 && errno == EOPNOTSUPP ? cannot_set_aside(n) : 0;
}

static int no_space(struct filenode *n, int err, uint64_t now_bytes)
{
	/* Part of it may have been had: given back. That this may fail changes nothing. */
	int given_back = ftruncate(n->fd, (off_t)now_bytes);

	(void)given_back;
	if (err == EOPNOTSUPP)
		return cannot_set_aside(n);
	errno = err;
	return fail_errno(n, exit_status_from_errno(err), "cannot set space aside");
}

/*
 * What is stored in a mapping has no way to say that there is no space: it is had before, for all
 * of each page that will be written. Without fallocate() there is no way to be sure of it
 * (posix_fallocate() would write a byte to each block, one system call each).
 */
static int reserve(struct filenode *n, uint64_t at_bytes, uint64_t len_bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t start = round_down_u64(at_bytes, page), end = at_bytes + len_bytes;
	uint64_t now_bytes = n->kept_bytes;

	assert(len_bytes <= INT64_MAX && end <= INT64_MAX);
	if (len_bytes == 0)
		return 0;
	end = max_u64(end, min_u64(now_bytes, round_down_u64(end + page - 1, page)));
	return set_aside(n, start, end - start) == 0 ? 0 : no_space(n, errno, now_bytes);
}

/* Of a stream nobody knows how far it goes; in a file that is not its own others may be there. */
static uint64_t limit_of(const struct filenode *n, uint64_t at_bytes, uint64_t len_bytes)
{
	if (len_bytes != SIZE_UNKNOWN)
		return end_of(n->base_bytes + at_bytes, len_bytes);
	return n->ep.facts.fresh ? UINT64_MAX : 0;
}

static int truncate_to(struct filenode *n, uint64_t at_bytes, uint64_t len_bytes)
{
	if (is_mapped(n) && len_bytes > 0 && check_set_aside(n) < 0)
		return -1;
	return set_size(n, at_bytes, "cannot truncate");
}

static int prepare_file(struct filenode *n, uint64_t at_bytes, uint64_t len_bytes)
{
	bool truncates = !(n->flags & (END_APPEND | END_NOTRUNC));

	if (n->fd < 0 && create(n) < 0)
		return -1;
	if (truncates && truncate_to(n, at_bytes, len_bytes) < 0)
		return -1;
	if (find_size(n, &n->kept_bytes) < 0)
		return -1;
	if (n->flags & END_APPEND)
		n->base_bytes = n->kept_bytes;
	return 0;
}

static int begin_file(struct filenode *n, uint64_t at_bytes, uint64_t len_bytes)
{
	if (prepare_file(n, at_bytes, len_bytes) < 0)
		return -1;
	n->limit_bytes = limit_of(n, at_bytes, len_bytes);
	if (n->flags & END_APPEND)
		return 0;
	if (is_mapped(n))
		return reserve(n, at_bytes, len_bytes);
	/* Direct writes that make a file longer are waited for in io_submit(): no two fly. */
	if (!n->direct || len_bytes == SIZE_UNKNOWN)
		return 0;
	return grow(n, n->kept_bytes, end_of(at_bytes, len_bytes));
}

void filenode_uncreate(struct endpoint *ep)
{
	const struct filenode *n = node_of(ep);
	struct stat st;

	if (n->is_new && lstat(ep->name, &st) == 0 && st.st_dev == n->dev && st.st_ino == n->ino)
		(void)unlink(ep->name);
}

int filenode_begin(struct endpoint *ep, uint64_t at_bytes, uint64_t len_bytes)
{
	if (ep->role == END_SOURCE || node_of(ep)->is_block)
		return 0;
	if (begin_file(node_of(ep), at_bytes, len_bytes) == 0)
		return 0;
	filenode_uncreate(ep);
	return -1;
}

int filenode_end(struct endpoint *ep, uint64_t end_bytes, bool cut)
{
	struct filenode *n = node_of(ep);
	uint64_t end = end_of(n->base_bytes, end_bytes), now_bytes;

	if (ep->role == END_SOURCE || n->is_block || n->fd < 0)
		return 0;
	if (find_size(n, &now_bytes) < 0)
		return -1;
	if (cut && now_bytes <= n->limit_bytes && now_bytes > max_u64(end, n->kept_bytes))
		return set_size(n, max_u64(end, n->kept_bytes), "cannot be cut back") < 0 ? -1 : 1;
	return grow(n, now_bytes, end);
}

/*
 * Others may make it longer between a look and a cut to that length: a byte is written, which never
 * cuts. It was left out, so it is zero, and whoever writes it again meanwhile writes zero.
 * (fallocate() does without, and not every file system has it.)
 */
static int write_last_zero(const struct filenode *n, uint64_t end_bytes)
{
	ssize_t ret;

	do
		ret = pwrite(n->fd, "", 1, (off_t)(end_bytes - 1));
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -1 : 0;
}

bool filenode_reach(struct endpoint *ep, uint64_t end_bytes, struct fault *f)
{
	const struct filenode *n = node_of(ep);
	uint64_t end = end_of(n->base_bytes, end_bytes);
	struct stat st;

	memset(f, 0, sizeof(*f));
	if (n->is_block || end == 0)
		return true;
	if (fstat(n->fd, &st) < 0 || ((uint64_t)st.st_size < end && write_last_zero(n, end) < 0))
		fault_from_errno(f, errno);
	return fault_is_good(f);
}

void *filenode_lane(struct endpoint *ep, size_t size)
{
	struct lane *lane = calloc(1, size);

	if (!lane) {
		diag_errno(ep->name, ENOMEM, "no lane");
		ep->exit_status = exit_status_from_errno(ENOMEM);
		return NULL;
	}
	lane->ep = ep;
	return lane;
}

/* --- transfers --- */

COLD void filenode_came_short(struct xfer *x)
{
	memset(&x->fault, 0, sizeof(x->fault));
	x->fault.kind = FAULT_SHORT;
	x->fault.resid_bytes = x->len_bytes - x->done_bytes;
}

static bool is_no_device(int ret)
{
	return ret < 0 && (errno == ENODEV || errno == ENXIO);
}

/*
 * One that was removed has no size any more (block/genhd.c del_gendisk()), but its partitions keep
 * theirs. Those, and one that was set offline, say so to whatever is asked of sd (sd.c sd_ioctl());
 * to other drivers this question means nothing.
 */
static bool is_dead(const struct filenode *n)
{
	uint64_t size_bytes = 0;
	uint32_t idlun[2];
	int ret = ioctl(n->fd, BLKGETSIZE64, &size_bytes);

	return is_no_device(ret) || (ret == 0 && size_bytes == 0) ||
	       is_no_device(ioctl(n->fd, SCSI_IOCTL_GET_IDLUN, idlun));
}

COLD void filenode_judge(const struct filenode *n, struct fault *f)
{
	if (n->is_block && (f->kind == FAULT_SHORT || f->kind == FAULT_OS) && is_dead(n))
		fault_from_errno(f, ENODEV);
}

static ssize_t move_some(const struct filenode *n, const struct xfer *x)
{
	uint8_t *mem = (uint8_t *)x->buf + x->done_bytes;
	off_t at = filenode_position(n, x) + x->done_bytes;
	size_t len = x->len_bytes - x->done_bytes;

	return x->op == XFER_WRITE ? pwrite(n->fd, mem, len, at) : pread(n->fd, mem, len, at);
}

/* Holes at its end are there only once filenode_end() has made it that long. */
static COLD void read_growing(struct xfer *x)
{
	memset((uint8_t *)x->buf + x->done_bytes, 0, x->len_bytes - x->done_bytes);
	x->done_bytes = x->len_bytes;
	x->fault.kind = FAULT_NONE;
}

/* err: 0 where it ended. */
static COLD void stopped_short(const struct filenode *n, struct xfer *x, int err)
{
	if (err) {
		fault_from_errno(&x->fault, err);
	} else if (n->flags & END_GROWS && !n->is_block) {
		read_growing(x);
		return;
	} else {
		filenode_came_short(x);
	}
	filenode_judge(n, &x->fault);
}

void filenode_move(const struct filenode *n, struct xfer *x)
{
	while (x->done_bytes < x->len_bytes) {
		ssize_t nmoved = move_some(n, x);

		if (nmoved > 0) {
			x->done_bytes += (uint32_t)nmoved;
		} else if (nmoved == 0 || errno != EINTR) {
			stopped_short(n, x, nmoved == 0 ? 0 : errno);
			return;
		}
	}
	x->fault.kind = FAULT_NONE;
}

void filenode_trim(struct filenode *n, struct xfer *x)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int ret = -1;

	x->done_bytes = 0;
	errno = EOPNOTSUPP;
	if (!n->no_holes)
		do
			ret = fallocate(n->fd, mode, filenode_position(n, x), x->len_bytes);
		while (ret < 0 && errno == EINTR);
	if (ret == 0) {
		x->done_bytes = x->len_bytes;
		x->fault.kind = FAULT_NONE;
	} else if (errno == EINVAL) { /* that range: a block node's blocks are larger */
		xfer_unsupported(x);
	} else if (errno == EOPNOTSUPP || errno == ENOSYS) {
		n->no_holes = true;
		xfer_unsupported(x);
	} else {
		fault_from_errno(&x->fault, errno);
		filenode_judge(n, &x->fault);
	}
}

void filenode_drop_behind(
	const struct filenode *n, struct filenode_behind *behind, off_t at, off_t bytes)
{
	if (behind->bytes > 0) /* 0 would mean all of the file */
		posix_fadvise(n->fd, behind->at, behind->bytes, POSIX_FADV_DONTNEED);
	(void)sync_file_range(n->fd, at, bytes, SYNC_FILE_RANGE_WRITE);
	behind->at = at;
	behind->bytes = bytes;
}

/* EINVAL: nothing that could be flushed (files of /proc, folders of CIFS), fsync(2). */
static int flush_fd(int fd, int (*flush)(int))
{
	int ret;

	do
		ret = flush(fd);
	while (ret < 0 && errno == EINTR);
	return ret < 0 && errno != EINVAL ? errno : 0;
}

/* What holds the name of a new file. A folder that may not be read cannot be opened for it. */
static int flush_folder(struct filenode *n)
{
	char *folder = real_folder(n->ep.name);
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, err;

	free(folder);
	if (fd < 0)
		return 0;
	err = flush_fd(fd, fsync);
	close(fd);
	n->is_new = err != 0;
	return err;
}

bool filenode_flush(struct endpoint *ep, struct fault *f)
{
	struct filenode *n = node_of(ep);
	int err = flush_fd(n->fd, n->direct ? fdatasync : fsync);

	if (!err && n->is_new)
		err = flush_folder(n);
	memset(f, 0, sizeof(*f));
	if (err)
		fault_from_errno(f, err);
	filenode_judge(n, f);
	if (n->flags & END_NOCACHE)
		posix_fadvise(n->fd, 0, 0, POSIX_FADV_DONTNEED);
	return fault_is_good(f);
}

static const char *why_text(const struct filenode *n, const struct xfer *x, char *text, size_t room)
{
	unsigned long long end = (unsigned long long)filenode_position(n, x) + x->done_bytes;

	if (x->fault.kind == FAULT_SHORT) {
		snprintf(text, room,
			n->is_block ? "the device ends at byte %llu"
				    : "the file ends at byte %llu: it has been truncated",
			end);
		return text;
	}
	return x->fault.kind == FAULT_OS ? strerror(x->fault.err)
					 : fault_describe(&x->fault, text, room);
}

static const char *call_name(const struct filenode *n, enum xfer_op op)
{
	if (op == XFER_TRIM)
		return "fallocate";
	if (is_mapped(n))
		return op == XFER_WRITE ? "mapped write" : "mapped read";
	if (op == XFER_WRITE)
		return n->direct ? "direct write" : "pwrite";
	return n->direct ? "direct read" : "pread";
}

void filenode_describe(const struct endpoint *ep, const struct xfer *x, char *text, size_t room)
{
	const struct filenode *n = (const struct filenode *)ep;
	/* Where it stopped; the end of a file says that itself. */
	uint32_t done = x->fault.kind == FAULT_SHORT ? 0 : x->done_bytes;
	uint32_t left = x->len_bytes - done;
	char why[256];

	snprintf(text, room, "%s at byte %lld, %u byte%s: %s", call_name(n, x->op),
		(long long)filenode_position(n, x) + done, left, left == 1 ? "" : "s",
		why_text(n, x, why, sizeof(why)));
}
