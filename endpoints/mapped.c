/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening, creating and growing are filenode.c's; here is what is special about mappings: windows,
 * and how to learn without SIGBUS what is behind them.
 *
 * MADV_POPULATE_READ (Linux 5.14) maps pages and reads them in, and fails where touching them would
 * raise SIGBUS, without saying why (EFAULT for a page behind the end as for one that cannot be
 * read). pread() of a byte of each page says why, and does as well where there is no such advice:
 * after it the page is in the page cache, and whoever is given the memory finds it there.
 *
 * A window is larger than a chunk because taking one away costs more than bringing a chunk in
 * (TLBs of all CPUs are flushed). MADV_SEQUENTIAL, MADV_HUGEPAGE and readahead() were measured:
 * the first two change nothing, the last is slower.
 */
#include "mapped.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "filenode.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define WINDOW_BYTES (64u << 20)
#define WINDOW_ALIGN (2u << 20) /* what one page table, or one huge page, covers */

struct mapped_lane {
	struct lane lane; /* first */
	uint8_t *map;	  /* the window; NULL: none */
	size_t map_bytes;
	uint64_t map_at; /* where it begins in the file */
};

static struct mapped_lane *lane_of(struct lane *lane)
{
	return (struct mapped_lane *)lane;
}

static const struct filenode *node_of(const struct endpoint *ep)
{
	return (const struct filenode *)ep;
}

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int protection(const struct endpoint *ep)
{
	return ep->role == END_DEST ? PROT_READ | PROT_WRITE : PROT_READ;
}

/* --- what is in the file --- */

/* How many of the len bytes from at on are in the file now; false with errno. */
static bool count_present(
	const struct filenode *n, uint64_t at_bytes, uint64_t len_bytes, uint64_t *present_bytes)
{
	struct stat st;

	if (fstat(n->fd, &st) < 0)
		return false;
	*present_bytes = (uint64_t)st.st_size <= at_bytes
				 ? 0
				 : min_u64((uint64_t)st.st_size - at_bytes, len_bytes);
	return true;
}

bool mapped_was_cut(const struct endpoint *ep, uint64_t offset_bytes, uint64_t len_bytes)
{
	const struct filenode *n = node_of(ep);
	uint64_t at, present;

	return !checked_add(n->base_bytes, offset_bytes, &at) ||
	       !count_present(n, at, len_bytes, &present) || present < len_bytes;
}

/* Corrects an outcome by where the file ends now. */
static void look_for_end(const struct filenode *n, struct xfer *x)
{
	uint64_t present;

	if (!count_present(n, (uint64_t)filenode_position(n, x), x->len_bytes, &present)) {
		fault_from_errno(&x->fault, errno);
		x->done_bytes = 0;
	} else if (present < x->len_bytes && present <= x->done_bytes) {
		x->done_bytes = (uint32_t)present;
		filenode_came_short(x);
	}
}

/* --- windows --- */

static COLD void drop_window(struct mapped_lane *l)
{
	const struct filenode *n = node_of(l->lane.ep);
	int ret;

	if (!l->map)
		return;
	ret = munmap(l->map, l->map_bytes);
	assert(ret == 0);
	(void)ret;
	l->map = NULL;
	/* A hint: pages that are dirty or in another lane's window stay. */
	if (n->flags & END_NOCACHE)
		posix_fadvise(n->fd, (off_t)l->map_at, (off_t)l->map_bytes, POSIX_FADV_DONTNEED);
}

static COLD bool map_window(struct mapped_lane *l, uint64_t at_bytes, uint64_t len_bytes)
{
	const struct endpoint *ep = l->lane.ep;
	size_t len = (size_t)len_bytes;
	void *map;

	if (len != len_bytes) {
		errno = ENOMEM;
		return false;
	}
	map = mmap(NULL, len, protection(ep), MAP_SHARED, node_of(ep)->fd, (off_t)at_bytes);
	if (map == MAP_FAILED)
		return false;
	l->map = map;
	l->map_bytes = len;
	l->map_at = at_bytes;
	return true;
}

/* As large as is good, or else as small as will do. */
static COLD bool move_window(struct mapped_lane *l, uint64_t at_bytes, uint64_t end_bytes)
{
	uint64_t start = round_down_u64(at_bytes, WINDOW_ALIGN);

	drop_window(l);
	if (map_window(l, start, max_u64(WINDOW_BYTES, end_bytes - start)))
		return true;
	start = round_down_u64(at_bytes, page_bytes());
	return map_window(l, start, end_bytes - start);
}

static bool is_in_window(const struct mapped_lane *l, uint64_t at_bytes, uint64_t end_bytes)
{
	return l->map && at_bytes >= l->map_at && end_bytes <= l->map_at + l->map_bytes;
}

static void *mapped_memory(struct lane *lane, uint64_t offset_bytes, uint32_t len_bytes)
{
	struct mapped_lane *l = lane_of(lane);
	uint64_t at, end;

	if (!checked_add(node_of(lane->ep)->base_bytes, offset_bytes, &at) ||
		!checked_add(at, len_bytes, &end) || end > INT64_MAX) {
		errno = EFBIG;
		return NULL;
	}
	if (!is_in_window(l, at, end) && !move_window(l, at, end))
		return NULL;
	return l->map + (at - l->map_at);
}

/* The page that x->buf lies in, and the bytes from there to the end of x. */
static void *page_of(const struct xfer *x, size_t *bytes)
{
	size_t inside = (uintptr_t)x->buf % page_bytes();

	*bytes = inside + x->len_bytes;
	return (uint8_t *)x->buf - inside;
}

/* --- transfers --- */

static COLD void ask_for_each_page(const struct filenode *n, struct xfer *x)
{
	const size_t page = page_bytes();
	uint8_t byte;

	while (x->done_bytes < x->len_bytes) {
		off_t at = filenode_position(n, x) + x->done_bytes;
		ssize_t nread = pread(n->fd, &byte, 1, at);

		if (nread > 0) {
			x->done_bytes += (uint32_t)min_u64(
				page - (uint64_t)at % page, x->len_bytes - x->done_bytes);
		} else if (nread == 0) {
			filenode_came_short(x);
			return;
		} else if (errno != EINTR) {
			fault_from_errno(&x->fault, errno);
			return;
		}
	}
}

static void bring_in(const struct filenode *n, struct xfer *x)
{
	size_t bytes;
	void *mem = page_of(x, &bytes);

	if (madvise(mem, bytes, MADV_POPULATE_READ) == 0)
		x->done_bytes = x->len_bytes;
	else
		ask_for_each_page(n, x);
	look_for_end(n, x);
}

static COLD void write_through(struct xfer *x)
{
	size_t bytes;
	void *mem = page_of(x, &bytes);
	int ret;

	do
		ret = msync(mem, bytes, MS_SYNC);
	while (ret < 0 && errno == EINTR);
	if (ret == 0)
		return;
	fault_from_errno(&x->fault, errno);
	x->done_bytes = 0;
}

static void account_for(const struct filenode *n, struct xfer *x)
{
	x->done_bytes = x->len_bytes;
	look_for_end(n, x);
	if (!xfer_is_good(x))
		return;
	if (n->flags & (END_DSYNC | END_SYNC))
		write_through(x);
	else if (n->flags & END_NOCACHE)
		(void)sync_file_range(n->fd, filenode_position(n, x), x->len_bytes,
			SYNC_FILE_RANGE_WRITE); /* a hint, see file.c */
}

static enum xfer_state mapped_submit(struct lane *lane, struct xfer *x)
{
	const struct filenode *n = node_of(lane->ep);
	const struct mapped_lane *l = lane_of(lane);
	uint64_t at = (uint64_t)filenode_position(n, x);

	assert((x->op == XFER_WRITE) == (lane->ep->role == END_DEST));
	assert(is_in_window(l, at, at + x->len_bytes) && x->buf == l->map + (at - l->map_at));
	x->notes = 0;
	x->done_bytes = 0;
	memset(&x->fault, 0, sizeof(x->fault));
	if (x->op == XFER_READ)
		bring_in(n, x);
	else
		account_for(n, x);
	return XFER_DONE;
}

static void mapped_reap(struct lane *lane, struct xfer *x)
{
	(void)lane;
	(void)x;
	assert(0 && "inline");
}

/* --- before and after --- */

static int check_mappable(struct endpoint *ep)
{
	void *map = mmap(NULL, page_bytes(), protection(ep), MAP_SHARED, node_of(ep)->fd, 0);

	if (map != MAP_FAILED) {
		munmap(map, page_bytes());
		return 0;
	}
	diag(ep->name, "cannot be mapped: %s (leave out mmap)", strerror(errno));
	ep->exit_status = EXIT_CONTRADICT;
	return -1;
}

static int mapped_begin(struct endpoint *ep, uint64_t at_bytes, uint64_t len_bytes)
{
	uint64_t end;

	if (ep->role == END_SOURCE)
		return 0;
	if (len_bytes == SIZE_UNKNOWN) {
		diag(ep->name,
			"cannot be mapped: how long it will be is not known (give count=, or "
			"leave out mmap)");
		ep->exit_status = EXIT_CONTRADICT;
		return -1;
	}
	if (!checked_add(at_bytes, len_bytes, &end) || end > INT64_MAX) {
		diag_errno(ep->name, EFBIG, "cannot be made that long");
		ep->exit_status = exit_status_from_errno(EFBIG);
		return -1;
	}
	return filenode_begin(ep, at_bytes, len_bytes) < 0 ? -1 : check_mappable(ep);
}

static struct lane *mapped_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	struct mapped_lane *l = filenode_lane(ep, sizeof(*l));

	assert(!spec->own_buffer);
	if (!l)
		return NULL;
	l->lane.pinnable = true;
	return &l->lane;
}

static void mapped_lane_close(struct lane *lane)
{
	drop_window(lane_of(lane));
	free(lane_of(lane));
}

static const struct endpoint_ops mapped_ops = {
	.probe = filenode_probe,
	.begin = mapped_begin,
	.lane_open = mapped_lane_open,
	.lane_close = mapped_lane_close,
	.memory = mapped_memory,
	.was_cut = mapped_was_cut,
	.submit = mapped_submit,
	.reap = mapped_reap,
	.end = filenode_end,
	.uncreate = filenode_uncreate,
	.flush = filenode_flush,
	.close = filenode_close,
	.describe = filenode_describe,
};

struct endpoint *mapped_open(const struct file_params *p, int *exit_status)
{
	struct endpoint *ep;

	if (p->role == END_DEST && (p->flags & END_APPEND)) {
		diag(p->name, "append and mmap exclude each other (leave out one)");
		*exit_status = EXIT_CONTRADICT;
		return NULL;
	}
	ep = filenode_open(p, sizeof(struct filenode), END_MAPPED, &mapped_ops, exit_status);
	if (!ep || node_of(ep)->fd < 0 || check_mappable(ep) == 0)
		return ep;
	*exit_status = ep->exit_status;
	filenode_close(ep);
	return NULL;
}
