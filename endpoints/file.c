/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening and moving are filenode.c's; here is what is special about the page cache: END_NOCACHE.
 */
#include "file.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>

#include "filenode.h"

struct file_lane {
	struct lane lane; /* first */
	bool drops_behind;
	struct filenode_behind behind;
};

static struct file_lane *lane_of(struct lane *lane)
{
	return (struct file_lane *)lane;
}

static struct lane *file_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	struct file_lane *l = filenode_lane(ep, sizeof(*l));

	assert(!spec->own_buffer);
	if (!l)
		return NULL;
	l->drops_behind = ((const struct filenode *)ep)->flags & END_NOCACHE;
	return &l->lane;
}

static void file_lane_close(struct lane *lane)
{
	free(lane_of(lane));
}

/* Hints: what fails here costs memory only. */
static COLD void drop_behind(struct file_lane *l, const struct xfer *x)
{
	const struct filenode *n = (const struct filenode *)l->lane.ep;
	off_t at = filenode_position(n, x);

	if (x->op == XFER_READ) {
		posix_fadvise(n->fd, at, x->done_bytes, POSIX_FADV_DONTNEED);
		return;
	}
	filenode_drop_behind(n, &l->behind, at, x->done_bytes);
}

static enum xfer_state file_submit(struct lane *lane, struct xfer *x)
{
	struct file_lane *l = lane_of(lane);

	assert((x->op != XFER_READ) == (lane->ep->role == END_DEST));
	x->notes = 0;
	x->done_bytes = 0;
	if (__builtin_expect(x->op == XFER_TRIM, 0)) {
		filenode_trim((struct filenode *)lane->ep, x);
		return XFER_DONE;
	}
	filenode_move((const struct filenode *)lane->ep, x);
	if (l->drops_behind && x->done_bytes > 0)
		drop_behind(l, x);
	return XFER_DONE;
}

static void file_reap(struct lane *lane, struct xfer *x)
{
	(void)lane;
	(void)x;
	assert(0 && "inline");
}

static const struct endpoint_ops file_ops = {
	.probe = filenode_probe,
	.begin = filenode_begin,
	.lane_open = file_lane_open,
	.lane_close = file_lane_close,
	.submit = file_submit,
	.reap = file_reap,
	.end = filenode_end,
	.reach = filenode_reach,
	.uncreate = filenode_uncreate,
	.flush = filenode_flush,
	.close = filenode_close,
	.describe = filenode_describe,
};

struct endpoint *file_open(const struct file_params *p, int *exit_status)
{
	return filenode_open(p, sizeof(struct filenode), END_BUFFERED, &file_ops, exit_status);
}
