/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting is done in poll(), never in read() or write(), so that ep->hurry is seen: the descriptor
 * is made non-blocking where that changes nothing for others who share it. For a pipe or terminal
 * that was given to us, that is a new open file description by way of /proc; where there is none
 * to be had, only as much is written at once as a pipe that polls writable takes.
 *
 * Whether lseek() moves anything is told by the kind of file, not by lseek(): on terminals and
 * tapes it succeeds and does nothing.
 */
#include "pipe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "../scsi/reply.h"
#include "broken.h"
#include "unsized.h"

#define MEM_MAJOR  1	     /* null, zero, full, random, kmsg: admin-guide/devices.txt */
#define PIPE_ROOM  (1 << 20) /* what users may have without privilege, pipe(7) */
#define SKIP_BYTES 65536
#define HURRY_MS   100	 /* how soon hurry is seen */
#define HOLE_MOST  65536 /* a larger st_blksize (NFS, ZFS) is a hint, not a need */

struct pipe_end {
	struct endpoint ep; /* first */
	int fd;
	bool owns_fd;
	bool blocks;	    /* fd: to be polled before it is used */
	bool never_waits;   /* what it does not take at once it refuses; it need not poll ready */
	size_t piece_bytes; /* the most for one system call */
	bool seekable;
	bool is_file;	/* a regular one */
	bool unsized;	/* a source: a regular file that tells no size to go by */
	bool ended;	/* a terminal would go on after its end-of-file character. The worker's */
	bool has_holes; /* that may lie at its end. The worker's */
	unsigned flags; /* enum end_flags */
	bool direct;	/* O_DIRECT is set. The worker's */
	int more_flags; /* O_DIRECT, O_APPEND: those that begin() has set */
	struct broken broken;
};

static struct pipe_end *end_of(struct endpoint *ep)
{
	return (struct pipe_end *)ep;
}

static int fail(struct pipe_end *e, int exit_status)
{
	e->ep.exit_status = exit_status;
	return -1;
}

/* --- moving bytes --- */

/* Until something can be moved, or nothing ever (which moving will tell). False: hurry. */
static bool await(const struct pipe_end *e)
{
	struct pollfd p = { .fd = e->fd, .events = e->ep.role == END_DEST ? POLLOUT : POLLIN };

	while (!atomic_load_explicit(&e->ep.hurry, memory_order_relaxed)) {
		int nready = poll(&p, 1, HURRY_MS);

		if (nready > 0 || (nready < 0 && errno != EINTR))
			return true;
	}
	return false;
}

static ssize_t move_some(const struct pipe_end *e, uint8_t *mem, size_t len)
{
	size_t piece = (size_t)min_u64(len, e->piece_bytes);

	return e->ep.role == END_DEST ? write(e->fd, mem, piece) : read(e->fd, mem, piece);
}

static void take_back(const struct pipe_end *e, int flags)
{
	int present = fcntl(e->fd, F_GETFL);

	if (present >= 0 && present & flags)
		(void)fcntl(e->fd, F_SETFL, present & ~flags);
}

/* A last piece, a place or memory that is not aligned: from there on through the page cache. */
static COLD bool goes_on_without_direct(struct pipe_end *e, int err)
{
	if (!e->direct || (err != EINVAL && err != EFAULT))
		return false;
	take_back(e, O_DIRECT);
	e->direct = false;
	return true;
}

/*
 * Bytes moved, fewer than len only at the end of the stream, in a hurry, or with *err set. What was
 * moved in part has emptied or filled the pipe: to try again at once would be a call for nothing.
 */
static size_t move_all(struct pipe_end *e, uint8_t *mem, size_t len, int *err)
{
	bool wait = e->blocks;
	size_t done = 0;

	*err = 0;
	while (done < len) {
		ssize_t nmoved;

		if (wait && !await(e)) {
			*err = e->ep.role == END_DEST ? EINTR : 0;
			break;
		}
		nmoved = move_some(e, mem + done, len - done);
		wait = e->blocks || (nmoved > 0 && !e->never_waits) ||
		       (nmoved < 0 && errno == EAGAIN);
		if (nmoved > 0) {
			done += (size_t)nmoved;
		} else if (nmoved == 0) {
			break;
		} else if (errno != EINTR && errno != EAGAIN && !goes_on_without_direct(e, errno)) {
			*err = errno;
			break;
		}
	}
	return done;
}

/* As filenode_trim(), and on to where the hole ends. */
static enum xfer_state make_hole(struct pipe_end *e, struct xfer *x)
{
	const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	off_t at = lseek(e->fd, 0, SEEK_CUR);
	int ret;

	do
		ret = at < 0 ? -1 : fallocate(e->fd, mode, at, x->len_bytes);
	while (ret < 0 && errno == EINTR);
	if (ret == 0 && lseek(e->fd, x->len_bytes, SEEK_CUR) >= 0) {
		e->has_holes = true;
		x->done_bytes = x->len_bytes;
	} else if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) {
		xfer_unsupported(x);
	} else {
		fault_from_errno(&x->fault, errno);
	}
	return XFER_DONE;
}

static enum xfer_state pipe_submit(struct lane *lane, struct xfer *x)
{
	struct pipe_end *e = end_of(lane->ep);
	int err;

	assert((x->op != XFER_READ) == (e->ep.role == END_DEST));
	x->notes = 0;
	x->done_bytes = 0;
	x->fault.kind = FAULT_NONE;
	if (e->ended)
		return XFER_DONE;
	if (broken_ends(&e->broken, x))
		return XFER_DONE;
	if (x->op == XFER_TRIM)
		return make_hole(e, x);
	x->notes = e->flags & END_DIRECT && !e->direct ? XFER_NOT_DIRECT : 0;
	x->done_bytes = (uint32_t)move_all(e, x->buf, x->len_bytes, &err);
	if (x->done_bytes == x->len_bytes)
		return XFER_DONE;
	if (err == 0 && x->op == XFER_WRITE)
		err = EIO; /* it took nothing and said nothing */
	if (err)
		broken_by(&e->broken, x, err);
	else
		e->ended = true;
	return XFER_DONE;
}

static void pipe_reap(struct lane *lane, struct xfer *x)
{
	(void)lane;
	(void)x;
	assert(0 && "inline");
}

/* --- before and after --- */

static int pipe_probe(struct endpoint *ep, uint32_t want_bytes, uint64_t at_bytes)
{
	struct pipe_end *e = end_of(ep);

	ep->facts.max_xfer_bytes = want_bytes;
	if (at_bytes == 0 || ep->role == END_SOURCE || e->seekable)
		return 0;
	diag(ep->name, "is a stream: no place in it can be sought (leave out seek=)");
	return fail(e, EXIT_CONTRADICT);
}

/* Its size now; SIZE_UNKNOWN: none is told, or none matters. */
static uint64_t size_now(const struct pipe_end *e)
{
	uint64_t size_bytes;
	struct stat st;

	if (fstat(e->fd, &st) < 0)
		return SIZE_UNKNOWN;
	if (S_ISBLK(st.st_mode))
		return ioctl(e->fd, BLKGETSIZE64, &size_bytes) < 0 ? SIZE_UNKNOWN : size_bytes;
	return e->ep.role == END_DEST || e->unsized ? SIZE_UNKNOWN : (uint64_t)st.st_size;
}

/* The byte before to_bytes tells it of what has no size. */
static bool is_past_end(const struct pipe_end *e, uint64_t to_bytes)
{
	char byte;

	if (e->unsized)
		return pread(e->fd, &byte, 1, (off_t)to_bytes - 1) == 0;
	return to_bytes > size_now(e);
}

static int cannot_seek(struct pipe_end *e, int err)
{
	diag_errno(e->ep.name, err, "cannot seek");
	return fail(e, EXIT_FILE);
}

/* From where it stands: standard input may have been read from before. */
static int skip_by_seeking(struct pipe_end *e, uint64_t len_bytes)
{
	off_t at = lseek(e->fd, 0, SEEK_CUR);
	uint64_t to_bytes;

	if (at < 0)
		return cannot_seek(e, errno);
	if (!checked_add((uint64_t)at, len_bytes, &to_bytes) || to_bytes > INT64_MAX)
		return cannot_seek(e, EFBIG);
	if (is_past_end(e, to_bytes)) {
		diag(e->ep.name, "byte %llu, where to begin, is past its end",
			(unsigned long long)to_bytes);
		return fail(e, EXIT_LBA_RANGE);
	}
	return lseek(e->fd, (off_t)to_bytes, SEEK_SET) < 0 ? cannot_seek(e, errno) : 0;
}

static int skip_by_reading(struct pipe_end *e, uint64_t len_bytes)
{
	uint8_t mem[SKIP_BYTES];
	uint64_t left = len_bytes;

	while (left > 0) {
		size_t want = (size_t)min_u64(left, sizeof(mem));
		int err;
		size_t got = move_all(e, mem, want, &err);

		left -= got;
		if (err) {
			diag_errno(e->ep.name, err, "cannot read what is to be skipped");
			return fail(e, exit_status_from_errno(err));
		}
		if (got < want) {
			diag(e->ep.name, "ends at byte %llu, before the %llu to be skipped",
				(unsigned long long)(len_bytes - left),
				(unsigned long long)len_bytes);
			return fail(e, EXIT_FILE);
		}
	}
	return 0;
}

static int skip(struct pipe_end *e, uint64_t at_bytes)
{
	if (at_bytes == 0)
		return 0;
	assert(e->ep.role == END_SOURCE || e->seekable);
	return e->seekable ? skip_by_seeking(e, at_bytes) : skip_by_reading(e, at_bytes);
}

static int more_flags(const struct pipe_end *e)
{
	int more = e->flags & END_DIRECT ? O_DIRECT : 0;

	if (e->flags & END_APPEND && e->is_file && e->ep.role == END_DEST)
		more |= O_APPEND;
	return more;
}

/* Those that are set already are somebody else's. */
static int set_flags(struct pipe_end *e)
{
	int more = more_flags(e), present = more ? fcntl(e->fd, F_GETFL) : 0;

	more &= ~present;
	if (more == 0 || (present >= 0 && fcntl(e->fd, F_SETFL, present | more) == 0)) {
		e->more_flags = more;
		e->direct = (e->flags & END_DIRECT) != 0;
		return 0;
	}
	diag_errno(e->ep.name, errno, "cannot set O_DIRECT or O_APPEND");
	return fail(e, EXIT_CONTRADICT);
}

static int pipe_begin(struct endpoint *ep, uint64_t at_bytes, uint64_t len_bytes)
{
	struct pipe_end *e = end_of(ep);

	(void)len_bytes;
	return skip(e, at_bytes) < 0 ? -1 : set_flags(e);
}

/* Zeros that were left out may have been the last. */
static int pipe_ends(struct endpoint *ep, uint64_t end_bytes, bool cut)
{
	struct pipe_end *e = end_of(ep);
	struct stat st;
	off_t at;

	(void)end_bytes; /* that is where it stands */
	(void)cut;
	if (!e->has_holes)
		return 0;
	at = lseek(e->fd, 0, SEEK_CUR);
	if (at >= 0 && fstat(e->fd, &st) == 0 && (st.st_size >= at || ftruncate(e->fd, at) == 0))
		return 0;
	diag_errno(ep->name, errno, "cannot be made that long");
	return fail(e, exit_status_from_errno(errno));
}

static struct lane *pipe_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	struct lane *lane = calloc(1, sizeof(*lane));

	assert(!spec->own_buffer);
	if (!lane) {
		diag_errno(ep->name, ENOMEM, "no lane");
		ep->exit_status = exit_status_from_errno(ENOMEM);
		return NULL;
	}
	lane->ep = ep;
	return lane;
}

static void pipe_lane_close(struct lane *lane)
{
	free(lane);
}

static bool pipe_flush(struct endpoint *ep, struct fault *f)
{
	struct pipe_end *e = end_of(ep);
	int ret;

	memset(f, 0, sizeof(*f));
	if (!e->seekable)
		return true;
	do
		ret = fsync(e->fd);
	while (ret < 0 && errno == EINTR);
	if (ret < 0)
		fault_from_errno(f, errno);
	return fault_is_good(f);
}

static void pipe_describe(const struct endpoint *ep, const struct xfer *x, char *text, size_t room)
{
	char why[256];

	(void)ep;
	snprintf(text, room, "%s at byte %llu, %u byte%s: %s",
		x->op == XFER_WRITE ? "write" : "read",
		(unsigned long long)x->offset_bytes + x->done_bytes, x->len_bytes - x->done_bytes,
		x->len_bytes - x->done_bytes == 1 ? "" : "s",
		x->fault.err ? strerror(x->fault.err)
			     : fault_describe(&x->fault, why, sizeof(why)));
}

static void pipe_close(struct endpoint *ep)
{
	struct pipe_end *e = end_of(ep);

	if (e->more_flags)
		take_back(e, e->more_flags);
	if (e->owns_fd && e->fd >= 0)
		close(e->fd);
	free(e);
}

static const struct endpoint_ops pipe_ops = {
	.probe = pipe_probe,
	.begin = pipe_begin,
	.lane_open = pipe_lane_open,
	.lane_close = pipe_lane_close,
	.submit = pipe_submit,
	.reap = pipe_reap,
	.end = pipe_ends,
	.flush = pipe_flush,
	.close = pipe_close,
	.describe = pipe_describe,
};

/* --- open --- */

static int take_descriptor(struct pipe_end *e, int fd)
{
	int access = e->ep.role == END_DEST ? O_WRONLY : O_RDONLY;
	int flags;

	e->owns_fd = fd < 0;
	do
		e->fd = fd >= 0 ? fd : open(e->ep.name, access | O_CLOEXEC | O_NOCTTY);
	while (e->fd < 0 && errno == EINTR);
	flags = e->fd < 0 ? -1 : fcntl(e->fd, F_GETFL);
	if (flags < 0) {
		diag_errno(e->ep.name, errno, "cannot open");
		return fail(e, EXIT_FILE);
	}
	if ((flags & O_ACCMODE) == access || (flags & O_ACCMODE) == O_RDWR)
		return 0;
	diag(e->ep.name, "is not open for %s", access == O_WRONLY ? "writing" : "reading");
	return fail(e, EXIT_FILE);
}

/* The same pipe or terminal by a description of its own; given stays the caller's. */
static void reopen(struct pipe_end *e)
{
	int access = e->ep.role == END_DEST ? O_WRONLY : O_RDONLY;
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", e->fd);
	fd = open(name, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	e->fd = fd;
	e->owns_fd = true;
	e->blocks = false;
}

/*
 * random(4) polls writable only as long as it is not seeded, and never waits for a write, as none
 * of its kind does; but there are some that wait for a read.
 */
static bool never_waits(const struct pipe_end *e, const struct stat *st)
{
	if (S_ISCHR(st->st_mode))
		return e->ep.role == END_DEST && major(st->st_rdev) == MEM_MAJOR;
	return (S_ISREG(st->st_mode) && !e->unsized) || S_ISBLK(st->st_mode);
}

static void avoid_blocking(struct pipe_end *e, const struct stat *st)
{
	int flags = fcntl(e->fd, F_GETFL);
	mode_t mode = st->st_mode;

	e->piece_bytes = SIZE_MAX;
	e->never_waits = never_waits(e, st);
	e->blocks = !e->never_waits && !(flags & O_NONBLOCK);
	if (e->blocks && (S_ISFIFO(mode) || (S_ISREG(mode) && e->owns_fd) || isatty(e->fd))) {
		if (!e->owns_fd)
			reopen(e);
		else if (fcntl(e->fd, F_SETFL, flags | O_NONBLOCK) == 0)
			e->blocks = false;
	}
	if (e->blocks && (S_ISFIFO(mode) || S_ISSOCK(mode)) && e->ep.role == END_DEST)
		e->piece_bytes = PIPE_BUF;
}

/* Whole pages: what is punched out of a part of one is written. All sizes are powers of two. */
static void hole_facts(struct pipe_end *e, const struct stat *st)
{
	struct end_facts *f = &e->ep.facts;
	uint64_t grain = (uint64_t)sysconf(_SC_PAGESIZE);

	if (e->ep.role != END_DEST || !e->is_file || e->flags & END_APPEND ||
		fcntl(e->fd, F_GETFL) & O_APPEND)
		return;
	if (st->st_blksize <= HOLE_MOST && (st->st_blksize & (st->st_blksize - 1)) == 0)
		grain = max_u64(grain, (uint64_t)st->st_blksize);
	f->can_trim = true;
	f->hole_bytes = f->trim_grain_bytes = (uint32_t)grain;
	f->max_trim_bytes = (uint32_t)round_down_u64(UINT32_MAX, grain);
}

static int setup(struct pipe_end *e, int fd)
{
	struct stat st;

	if (take_descriptor(e, fd) < 0)
		return -1;
	if (fstat(e->fd, &st) < 0) {
		diag_errno(e->ep.name, errno, "cannot stat");
		return fail(e, EXIT_FILE);
	}
	if (S_ISDIR(st.st_mode)) {
		diag_errno(e->ep.name, EISDIR, "cannot open");
		return fail(e, EXIT_FILE);
	}
	if (S_ISFIFO(st.st_mode))
		(void)fcntl(e->fd, F_SETPIPE_SZ, PIPE_ROOM); /* twice as fast as with 64 KiB */
	e->is_file = S_ISREG(st.st_mode);
	e->unsized = e->ep.role == END_SOURCE && e->is_file && unsized_fd(e->fd);
	avoid_blocking(e, &st);
	hole_facts(e, &st);
	e->seekable = (e->is_file || S_ISBLK(st.st_mode)) &&
		      (!e->unsized || lseek(e->fd, 0, SEEK_CUR) >= 0);
	e->ep.facts.needs_flush = e->seekable && e->ep.role == END_DEST;
	return 0;
}

struct endpoint *pipe_open(const struct pipe_params *p, int *exit_status)
{
	struct pipe_end *e = calloc(1, sizeof(*e));

	if (!e) {
		diag_errno(p->name, ENOMEM, "cannot open");
		*exit_status = exit_status_from_errno(ENOMEM);
		return NULL;
	}
	e->ep.ops = &pipe_ops;
	e->ep.name = p->name;
	e->ep.role = p->role;
	e->ep.identity = "";
	e->flags = p->flags;
	e->ep.facts.kind = "pipe";
	e->ep.facts.cls = END_BUFFERED;
	e->ep.facts.size_bytes = SIZE_UNKNOWN;
	e->ep.facts.block_bytes = 1;
	e->ep.facts.sequential = true;
	if (setup(e, p->fd) < 0) {
		*exit_status = e->ep.exit_status;
		pipe_close(&e->ep);
		return NULL;
	}
	return &e->ep;
}
