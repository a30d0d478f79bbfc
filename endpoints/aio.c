/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One transfer is one iocb in a context of one. What the kernel leaves over (a short result, an
 * interrupted wait for memory) is rare: filenode_move() does it in reap(), by blocking calls on
 * the descriptor that takes any alignment.
 *
 * libaio's calls return -errno and leave errno alone.
 */
#include "aio.h"

#include <assert.h>
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "filenode.h"

struct aio_lane {
	struct lane lane; /* first */
	io_context_t ctx;
	struct iocb iocb;
};

static struct aio_lane *lane_of(struct lane *lane)
{
	return (struct aio_lane *)lane;
}

static const struct filenode *node_of(const struct lane *lane)
{
	return (const struct filenode *)lane->ep;
}

static void setup_failed(struct endpoint *ep, int err)
{
	if (err == EAGAIN)
		diag(ep->name, "no more asynchronous IO contexts (lower qd=, or raise "
			       "/proc/sys/fs/aio-max-nr)");
	else
		diag_errno(ep->name, err, "no asynchronous IO context");
	ep->exit_status = exit_status_from_errno(err);
}

static struct lane *aio_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	struct aio_lane *l = filenode_lane(ep, sizeof(*l));
	int ret;

	assert(!spec->own_buffer);
	if (!l)
		return NULL;
	ret = io_setup(1, &l->ctx);
	if (ret == 0)
		return &l->lane;
	setup_failed(ep, -ret);
	free(l);
	return NULL;
}

static void aio_lane_close(struct lane *lane)
{
	struct aio_lane *l = lane_of(lane);

	io_destroy(l->ctx);
	free(l);
}

static bool is_aligned(const struct filenode *n, const struct xfer *x)
{
	return x->len_bytes % n->align_bytes == 0 &&
	       (uint64_t)filenode_position(n, x) % n->align_bytes == 0;
}

static COLD void refused(struct xfer *x, int err)
{
	fault_from_errno(&x->fault, err);
	if (err == EAGAIN)
		x->fault.kind = FAULT_BUSY; /* a resource is short for the moment */
}

static enum xfer_state send(struct aio_lane *l, struct xfer *x)
{
	const struct filenode *n = node_of(&l->lane);
	struct iocb *list = &l->iocb;
	int ret;

	if (x->op == XFER_WRITE)
		io_prep_pwrite(list, n->direct_fd, x->buf, x->len_bytes, filenode_position(n, x));
	else
		io_prep_pread(list, n->direct_fd, x->buf, x->len_bytes, filenode_position(n, x));
	do
		ret = io_submit(l->ctx, 1, &list);
	while (ret == -EINTR);
	if (ret == 1)
		return XFER_WAIT;
	refused(x, ret < 0 ? -ret : EIO);
	return XFER_DONE;
}

static enum xfer_state aio_submit(struct lane *lane, struct xfer *x)
{
	const struct filenode *n = node_of(lane);

	assert((x->op == XFER_WRITE) == (lane->ep->role == END_DEST));
	x->notes = 0;
	x->done_bytes = 0;
	if (__builtin_expect(n->is_block || is_aligned(n, x), 1))
		return send(lane_of(lane), x);
	filenode_move(n, x);
	x->notes = XFER_NOT_DIRECT;
	return XFER_DONE;
}

static void outcome(const struct filenode *n, struct xfer *x, long res)
{
	if (res < 0 && res != -EINTR) {
		refused(x, (int)-res);
		return;
	}
	if (res > 0)
		x->done_bytes = (uint32_t)res;
	filenode_move(n, x);
}

static void aio_reap(struct lane *lane, struct xfer *x)
{
	struct aio_lane *l = lane_of(lane);
	struct io_event event;
	int ret;

	do
		ret = io_getevents(l->ctx, 1, 1, &event, NULL);
	while (ret == -EINTR);
	/* Nothing else can be wrong with it, and the memory is the kernel's until it has come. */
	assert(ret == 1 && event.obj == &l->iocb);
	outcome(node_of(lane), x, (long)event.res);
}

static const struct endpoint_ops aio_ops = {
	.probe = filenode_probe,
	.begin = filenode_begin,
	.lane_open = aio_lane_open,
	.lane_close = aio_lane_close,
	.submit = aio_submit,
	.reap = aio_reap,
	.flush = filenode_flush,
	.close = filenode_close,
	.describe = filenode_describe,
};

struct endpoint *aio_open(const struct file_params *p, int *exit_status)
{
	return filenode_open(p, true, &aio_ops, exit_status);
}
