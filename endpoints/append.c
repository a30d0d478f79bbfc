/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening, creating and flushing are filenode.c's. write() instead of pwrite(), which on Linux
 * appends as well, because it tells by lseek() where the bytes went.
 */
#include "append.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "../scsi/reply.h"
#include "broken.h"
#include "filenode.h"

struct append_end {
	struct filenode node; /* first */
	struct broken broken;
	struct filenode_behind behind;
};

static struct append_end *end_of(struct endpoint *ep)
{
	return (struct append_end *)ep;
}

static int append_begin(struct endpoint *ep, uint64_t at_bytes, uint64_t len_bytes)
{
	struct filenode *n = &end_of(ep)->node;
	int flags;

	if (filenode_begin(ep, at_bytes, len_bytes) < 0)
		return -1;
	n->base_bytes = 0;
	flags = fcntl(n->fd, F_GETFL);
	if (flags >= 0 && fcntl(n->fd, F_SETFL, flags | O_APPEND) == 0)
		return 0;
	diag_errno(ep->name, errno, "cannot set O_APPEND");
	ep->exit_status = exit_status_from_errno(errno);
	filenode_uncreate(ep);
	return -1;
}

static struct lane *append_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	assert(!spec->own_buffer);
	return filenode_lane(ep, sizeof(struct lane));
}

static void append_lane_close(struct lane *lane)
{
	free(lane);
}

/* 0, or why not all of it was written. */
static int write_all(const struct filenode *n, struct xfer *x)
{
	while (x->done_bytes < x->len_bytes) {
		ssize_t nwritten = write(n->fd, (const uint8_t *)x->buf + x->done_bytes,
			x->len_bytes - x->done_bytes);

		if (nwritten > 0)
			x->done_bytes += (uint32_t)nwritten;
		else if (nwritten == 0)
			return EIO; /* it took nothing and said nothing */
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}

/* Where others append in between, a part of that is theirs, or of ours is not: it is advice. */
static COLD void drop_behind(struct append_end *e, uint32_t bytes)
{
	off_t end = lseek(e->node.fd, 0, SEEK_CUR);

	if (bytes > 0 && end >= (off_t)bytes)
		filenode_drop_behind(&e->node, &e->behind, end - (off_t)bytes, bytes);
}

static enum xfer_state append_submit(struct lane *lane, struct xfer *x)
{
	struct append_end *e = end_of(lane->ep);
	int err;

	assert(x->op != XFER_READ);
	x->notes = 0;
	x->done_bytes = 0;
	x->fault.kind = FAULT_NONE;
	if (x->op == XFER_TRIM)
		return xfer_unsupported(x);
	if (broken_ends(&e->broken, x))
		return XFER_DONE;
	err = write_all(&e->node, x);
	if (err)
		broken_by(&e->broken, x, err);
	if (e->node.flags & END_NOCACHE)
		drop_behind(e, x->done_bytes);
	return XFER_DONE;
}

static void append_reap(struct lane *lane, struct xfer *x)
{
	(void)lane;
	(void)x;
	assert(0 && "inline");
}

static void append_describe(
	const struct endpoint *ep, const struct xfer *x, char *text, size_t room)
{
	uint32_t left = x->len_bytes - x->done_bytes;
	char why[256];

	(void)ep;
	snprintf(text, room, "write at byte %llu of what is appended, %u byte%s: %s",
		(unsigned long long)x->offset_bytes + x->done_bytes, left, left == 1 ? "" : "s",
		x->fault.err ? strerror(x->fault.err)
			     : fault_describe(&x->fault, why, sizeof(why)));
}

static const struct endpoint_ops append_ops = {
	.probe = filenode_probe,
	.begin = append_begin,
	.lane_open = append_lane_open,
	.lane_close = append_lane_close,
	.submit = append_submit,
	.reap = append_reap,
	.uncreate = filenode_uncreate,
	.flush = filenode_flush,
	.close = filenode_close,
	.describe = append_describe,
};

struct endpoint *append_open(const struct file_params *p, int *exit_status)
{
	struct endpoint *ep =
		filenode_open(p, sizeof(struct append_end), END_BUFFERED, &append_ops, exit_status);

	assert(p->role == END_DEST && p->flags & END_APPEND);
	if (!ep)
		return NULL;
	ep->facts.sequential = true;
	ep->facts.fresh = false;
	ep->facts.can_trim = false;
	ep->facts.hole_bytes = 0;
	return ep;
}
