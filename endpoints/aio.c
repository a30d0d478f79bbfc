/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One transfer is one iocb. Lanes share contexts, many to each, because io_destroy() takes tens of
 * milliseconds (fs/aio.c kill_ioctx() waits for RCU); whoever waits for its own transfer takes in
 * what else is home as well, one thread of a context at a time, and the others wait for that one.
 *
 * What the kernel leaves over (a short result, an interrupted wait) is rare: filenode_move() does
 * it in reap(), by blocking calls on the descriptor that takes any alignment. A direct write that
 * finds no space tells nothing of what it has written before (fs/iomap/direct-io.c
 * iomap_dio_complete()): reap() writes as much as there is room for, to be able to tell.
 *
 * libaio's calls return -errno and leave errno alone.
 */
#include "aio.h"

#include <assert.h>
#include <errno.h>
#include <libaio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "filenode.h"

#define GROUP_LANES 64

struct aio_group {
	struct aio_group *next;
	io_context_t ctx;
	unsigned lanes;	      /* main thread */
	pthread_mutex_t lock; /* of what follows and of each lane's home and res */
	pthread_cond_t came;
	bool collecting; /* a thread is in io_getevents() */
};

struct aio_lane {
	struct lane lane; /* first */
	struct aio_group *group;
	struct iocb iocb;
	bool home; /* and not yet reaped */
	long res;  /* bytes, or -errno */
};

struct aio_end {
	struct filenode node; /* first */
	struct aio_group *groups;
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

static struct aio_group *group_new(struct aio_end *e)
{
	struct aio_group *g = calloc(1, sizeof(*g));
	int ret = g ? io_setup(GROUP_LANES, &g->ctx) : -ENOMEM;

	if (ret < 0) {
		setup_failed(&e->node.ep, -ret);
		free(g);
		return NULL;
	}
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->came, NULL);
	g->next = e->groups;
	e->groups = g;
	return g;
}

static struct aio_group *group_with_room(struct aio_end *e)
{
	struct aio_group *g = e->groups;

	while (g && g->lanes == GROUP_LANES)
		g = g->next;
	return g ? g : group_new(e);
}

static void group_free(struct aio_group *g)
{
	assert(g->lanes == 0);
	io_destroy(g->ctx);
	pthread_cond_destroy(&g->came);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static struct lane *aio_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	struct aio_lane *l = filenode_lane(ep, sizeof(*l));

	assert(!spec->own_buffer);
	if (!l)
		return NULL;
	l->group = group_with_room((struct aio_end *)ep);
	if (!l->group) {
		free(l);
		return NULL;
	}
	l->group->lanes++;
	return &l->lane;
}

static void aio_lane_close(struct lane *lane)
{
	struct aio_lane *l = lane_of(lane);

	l->group->lanes--;
	free(l);
}

static void aio_close(struct endpoint *ep)
{
	struct aio_end *e = (struct aio_end *)ep;

	while (e->groups) {
		struct aio_group *g = e->groups;

		e->groups = g->next;
		group_free(g);
	}
	filenode_close(ep);
}

static bool is_aligned(const struct filenode *n, const struct xfer *x)
{
	return x->len_bytes % n->align_bytes == 0 &&
	       (uint64_t)filenode_position(n, x) % n->align_bytes == 0;
}

static COLD void refused(const struct filenode *n, struct xfer *x, int err)
{
	fault_from_errno(&x->fault, err);
	if (err == EAGAIN)
		x->fault.kind = FAULT_BUSY; /* a resource is short for the moment */
	filenode_judge(n, &x->fault);
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
	l->iocb.data = l;
	do
		ret = io_submit(l->group->ctx, 1, &list);
	while (ret == -EINTR);
	if (ret == 1)
		return XFER_WAIT;
	refused(n, x, ret < 0 ? -ret : EIO);
	return XFER_DONE;
}

static enum xfer_state aio_submit(struct lane *lane, struct xfer *x)
{
	const struct filenode *n = node_of(lane);

	assert((x->op != XFER_READ) == (lane->ep->role == END_DEST));
	x->notes = 0;
	x->done_bytes = 0;
	if (__builtin_expect(x->op == XFER_TRIM, 0)) {
		filenode_trim((struct filenode *)lane->ep, x);
		return XFER_DONE;
	}
	if (__builtin_expect(n->is_block || is_aligned(n, x), 1))
		return send(lane_of(lane), x);
	filenode_move(n, x);
	x->notes = XFER_NOT_DIRECT;
	return XFER_DONE;
}

/* The next piece_bytes of what x lacks. False: not all of them. */
static COLD bool write_piece(const struct filenode *n, struct xfer *x, uint32_t piece_bytes)
{
	const uint8_t *mem = (const uint8_t *)x->buf + x->done_bytes;
	ssize_t nwritten =
		pwrite(n->direct_fd, mem, piece_bytes, filenode_position(n, x) + x->done_bytes);

	if (nwritten > 0)
		x->done_bytes += (uint32_t)round_down_u64((uint64_t)nwritten, n->align_bytes);
	return nwritten == (ssize_t)piece_bytes;
}

/*
 * Directly, too: the page cache of some file systems takes what there is no space for. By halves,
 * down to the least that can be written.
 */
static COLD void fill_up(const struct filenode *n, struct xfer *x, int err)
{
	uint64_t piece = x->len_bytes;

	while ((piece = round_down_u64(piece / 2, n->align_bytes)) > 0)
		while (x->len_bytes - x->done_bytes >= piece && write_piece(n, x, (uint32_t)piece))
			continue;
	if (x->done_bytes < x->len_bytes)
		refused(n, x, err);
	else
		x->fault.kind = FAULT_NONE;
}

static bool is_no_space(const struct xfer *x, long res)
{
	return x->op == XFER_WRITE && (res == -ENOSPC || res == -EDQUOT);
}

static void outcome(const struct filenode *n, struct xfer *x, long res)
{
	if (is_no_space(x, res)) {
		fill_up(n, x, (int)-res);
		return;
	}
	if (res < 0 && res != -EINTR) {
		refused(n, x, (int)-res);
		return;
	}
	if (res > 0)
		x->done_bytes = (uint32_t)res;
	filenode_move(n, x);
}

/* With the lock held, which is let go while it waits. */
static void collect(struct aio_group *g)
{
	struct io_event events[GROUP_LANES];
	int nevents;

	g->collecting = true;
	pthread_mutex_unlock(&g->lock);
	do
		nevents = io_getevents(g->ctx, 1, GROUP_LANES, events, NULL);
	while (nevents == -EINTR);
	/* Nothing else can be wrong with it, and the memory is the kernel's until it has come. */
	assert(nevents > 0);
	pthread_mutex_lock(&g->lock);
	for (int i = 0; i < nevents; i++) {
		struct aio_lane *l = events[i].data;

		assert(!l->home && events[i].obj == &l->iocb);
		l->res = (long)events[i].res;
		l->home = true;
	}
	g->collecting = false;
	pthread_cond_broadcast(&g->came);
}

static void aio_reap(struct lane *lane, struct xfer *x)
{
	struct aio_lane *l = lane_of(lane);
	struct aio_group *g = l->group;
	long res;

	pthread_mutex_lock(&g->lock);
	while (!l->home) {
		if (g->collecting)
			pthread_cond_wait(&g->came, &g->lock);
		else
			collect(g);
	}
	l->home = false;
	res = l->res;
	pthread_mutex_unlock(&g->lock);
	outcome(node_of(lane), x, res);
}

static const struct endpoint_ops aio_ops = {
	.probe = filenode_probe,
	.begin = filenode_begin,
	.lane_open = aio_lane_open,
	.lane_close = aio_lane_close,
	.submit = aio_submit,
	.reap = aio_reap,
	.end = filenode_end,
	.uncreate = filenode_uncreate,
	.flush = filenode_flush,
	.close = aio_close,
	.describe = filenode_describe,
};

struct endpoint *aio_open(const struct file_params *p, int *exit_status)
{
	return filenode_open(p, sizeof(struct aio_end), END_DIRECT_IO, &aio_ops, exit_status);
}
