/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end as a whole: who is it, may it be used in its role, what does the driver grant, flush.
 * Housekeeping goes over a descriptor of its own: a small indirect command on a data descriptor
 * would overwrite the start of its mapped buffer (sg.c sg_start_req() takes the free reserve).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "../scsi/reply.h"
#include "control.h"
#include "pin.h"
#include "sg_end.h"

#define READY_WAIT_S 300  /* spin-up takes half a minute, an array's longer */
#define FLUSH_MIN_S  900  /* a large write-back cache drains slowly */
#define PAGE_BYTES   4096 /* the worst segment the driver's scatter list can have */

enum { TYPE_DISK = 0, TYPE_OPTICAL = 7, TYPE_RBC = 0x0e, TYPE_HOST_MANAGED = 0x14 };

static struct sg_end *end_of(struct endpoint *ep)
{
	return (struct sg_end *)ep;
}

const struct node *sg_node(const struct endpoint *ep)
{
	return &((const struct sg_end *)ep)->node;
}

const struct identity *sg_identity(const struct endpoint *ep)
{
	return &((const struct sg_end *)ep)->id;
}

static int fail(struct sg_end *e, int exit_status)
{
	e->ep.exit_status = exit_status;
	return -1;
}

static int fail_fault(struct sg_end *e, const char *what, const struct fault *f)
{
	char text[256];
	const char *remedy = control_remedy(f);

	fault_describe(f, text, sizeof(text));
	diag(e->ep.name, "%s: %s%s%s%s", what, text, *remedy ? " (" : "", remedy,
		*remedy ? ")" : "");
	return fail(e, fault_exit_status(f));
}

/* --- open --- */

/* Nobody else has the sg node open: asked once, since O_EXCL would shut out our own lanes too. */
static int check_exclusive(struct sg_end *e)
{
	int fd = open(e->path, O_RDWR | O_EXCL | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		diag_errno(e->ep.name, errno, "excl: not the only user of the node");
		return fail(e, EXIT_FILE);
	}
	close(fd);
	return 0;
}

static int open_control(struct sg_end *e)
{
	int access = e->ep.role == END_DEST ? O_RDWR : O_RDONLY;

	if ((e->flags & END_EXCL) && check_exclusive(e) < 0)
		return -1;
	e->control_fd = open(e->path, access | O_NONBLOCK | O_CLOEXEC);
	if (e->control_fd < 0) {
		diag_errno(e->ep.name, errno, "cannot open");
		return fail(e, EXIT_FILE);
	}
	if ((e->flags & END_FLOCK) && flock(e->control_fd, LOCK_EX | LOCK_NB) < 0) {
		diag_errno(e->ep.name, errno, "flock: locked by another process");
		return fail(e, EXIT_FLOCK);
	}
	return 0;
}

static int check_type(struct sg_end *e)
{
	const struct identity *id = &e->id;

	switch (id->type) {
	case TYPE_DISK:
	case TYPE_OPTICAL:
	case TYPE_RBC: break;
	case TYPE_HOST_MANAGED:
		if (e->ep.role == END_SOURCE)
			break;
		diag(e->ep.name, "zoned host-managed disk: not writing (its zones take writes in "
				 "order only)");
		return fail(e, EXIT_FILE);
	default:
		diag(e->ep.name, "is no disk (peripheral device type 0x%x: %s)",
			(unsigned)id->type & 0x1f, e->identity_text);
		return fail(e, EXIT_FILE);
	}
	if (id->blocks == 0 || id->block_bytes == 0) {
		diag(e->ep.name, "reports no capacity (medium missing or format corrupted)");
		return fail(e, EXIT_NOT_READY);
	}
	return 0;
}

static int check_writable(struct sg_end *e)
{
	if (e->ep.role != END_DEST || !e->id.write_protected)
		return 0;
	diag(e->ep.name, "is write-protected: not writing");
	return fail(e, EXIT_DATA_PROTECT);
}

static void say_waiting(void *arg, const struct fault *f)
{
	struct sg_end *e = arg;
	char text[256];

	diag(e->ep.name, "waiting: %s", fault_describe(f, text, sizeof(text)));
}

/* With the flag start, one that waits to be started is. */
static bool make_ready(struct sg_end *e, const struct control_wait *wait, struct fault *f)
{
	if (control_ready(e->control_fd, wait, f))
		return true;
	if (!(e->flags & END_START) || f->kind != FAULT_STOPPED)
		return false;
	return control_start(e->control_fd, READY_WAIT_S, f) &&
	       control_ready(e->control_fd, wait, f);
}

static bool is_made_ready(struct sg_end *e, struct fault *f)
{
	const struct control_wait wait = { READY_WAIT_S, say_waiting, e, NULL };

	return make_ready(e, &wait, f);
}

/* A unit that is not ready says by TEST UNIT READY what it waits for, and may yet become ready. */
static int ask_identity(struct sg_end *e)
{
	struct fault f, ready;

	if (control_identify(e->control_fd, &e->id, &f))
		return 0;
	if (f.kind == FAULT_TIMEOUT || f.kind == FAULT_GONE)
		return fail_fault(e, "cannot be identified", &f);
	if (!is_made_ready(e, &ready))
		return fail_fault(e, "is not ready", &ready);
	if (control_identify(e->control_fd, &e->id, &f))
		return 0;
	return fail_fault(e, "cannot be identified", &f);
}

static int identify(struct sg_end *e)
{
	struct fault f;

	if (ask_identity(e) < 0)
		return -1;
	identity_text(&e->id, e->identity_text, sizeof(e->identity_text));
	if (check_type(e) < 0)
		return -1;
	if (!is_made_ready(e, &f))
		return fail_fault(e, "is not ready", &f);
	return check_writable(e);
}

static bool driver_allows_dio(void)
{
	long allow;

	return node_read_long("/sys/module/sg/parameters", "allow_dio", &allow) == 0 && allow == 1;
}

/* What direct IO wants addresses and lengths to be multiples of (queue's dma_alignment + 1). */
static uint32_t dma_align(const struct sg_end *e)
{
	char dir[PATH_MAX];
	long mask;

	if (e->node.block_path[0]) {
		snprintf(dir, sizeof(dir), "/sys/block/%s/queue",
			strrchr(e->node.block_path, '/') + 1);
		if (node_read_long(dir, "dma_alignment", &mask) == 0 && mask >= 0 && mask < 65536)
			return (uint32_t)mask + 1;
	}
	return 4; /* the SCSI mid-layer's own, scsi_host.h; sg then copies what does not fit */
}

/* The user named the block node: the sg node serves for housekeeping alone. */
static bool by_block_node(const struct sg_end *e)
{
	return e->path != e->ep.name;
}

static bool block_node_is_ours(const struct sg_end *e)
{
	int mode = e->ep.role == END_DEST ? R_OK | W_OK : R_OK;

	return e->node.block_path[0] != '\0' && access(e->node.block_path, mode) == 0;
}

static int set_facts(struct sg_end *e)
{
	struct end_facts *f = &e->ep.facts;

	if (!checked_mul(e->id.blocks, e->id.block_bytes, &f->size_bytes)) {
		diag(e->ep.name, "reports a capacity past 2^64 bytes");
		return fail(e, EXIT_OTHER);
	}
	f->kind = "sg";
	f->block_bytes = e->id.block_bytes;
	f->phys_block_bytes = e->id.phys_block_bytes;
	f->queue_depth = e->node.queue_depth;
	f->dma_align = dma_align(e);
	f->can_mmap = f->can_indirect = !by_block_node(e);
	f->can_rw = !by_block_node(e) && access(e->path, W_OK) == 0;
	f->can_dio = !by_block_node(e) && driver_allows_dio() && f->block_bytes % f->dma_align == 0;
	f->can_block = block_node_is_ours(e) && f->block_bytes % f->dma_align == 0;
	f->needs_flush = e->ep.role == END_DEST;
	f->can_start = (e->flags & END_START) != 0;
	if (sg_trim_set_up(e) == 0)
		return 0;
	diag_errno(e->ep.name, ENOMEM, "cannot open");
	return fail(e, exit_status_from_errno(ENOMEM));
}

static int sg_setup(struct sg_end *e)
{
	if (open_control(e) < 0 || identify(e) < 0)
		return -1;
	return set_facts(e);
}

/* --- probe --- */

static uint32_t driver_limit(const struct sg_end *e, int fd)
{
	uint64_t limit = UINT32_MAX;
	int max_bytes, segments;

	/* On sg nodes BLKSECTGET gives bytes (sg_ioctl_common(): max_sectors_bytes()). */
	if (ioctl(fd, BLKSECTGET, &max_bytes) == 0 && max_bytes > 0)
		limit = min_u64(limit, (uint64_t)max_bytes);
	if (ioctl(fd, SG_GET_SG_TABLESIZE, &segments) == 0 && segments > 0)
		limit = min_u64(limit, (uint64_t)segments * PAGE_BYTES);
	if (e->id.max_xfer_blk)
		limit = min_u64(limit, (uint64_t)e->id.max_xfer_blk * e->id.block_bytes);
	return (uint32_t)limit;
}

/* One mapped READ, its data thrown away. False: the driver does not take that length. */
static bool driver_takes(const struct sg_end *e, int fd, uint32_t len_bytes, uint64_t at_bytes)
{
	uint64_t lba = at_bytes / e->id.block_bytes;
	uint32_t blocks = len_bytes / e->id.block_bytes;
	uint8_t cdb[CDB_MAX], sense[FAULT_SENSE_MAX];
	struct sg_io_hdr h = {
		.interface_id = 'S',
		.dxfer_direction = SG_DXFER_FROM_DEV,
		.cmd_len = CDB_MAX,
		.cmdp = cdb,
		.sbp = sense,
		.mx_sb_len = sizeof(sense),
		.dxfer_len = len_bytes,
		.timeout = e->timeout_ms,
		.flags = SGM_FLAG_MMAP_IO | SGM_FLAG_Q_AT_TAIL,
	};

	if (blocks == 0 || lba + blocks > e->id.blocks)
		return false;
	cdb_init(cdb, CDB_MAX, CDB_READ, 0);
	cdb_set_range(cdb, CDB_MAX, lba, blocks);
	return ioctl(fd, SG_IO, &h) == 0 && h.host_status == 0;
}

/*
 * The largest transfer up to want_bytes. What the limits promise is believed; more was asked for
 * by the user and is tried, for a granted reserve of n does not mean that a command of n works.
 */
static uint32_t find_max_xfer(
	const struct sg_end *e, int fd, uint32_t want_bytes, uint32_t granted, uint64_t at_bytes)
{
	uint32_t block = e->id.block_bytes;
	uint32_t safe = (uint32_t)round_down_u64(min_u64(driver_limit(e, fd), granted), block);
	uint32_t len = (uint32_t)round_down_u64(min_u64(want_bytes, granted), block);

	while (len > safe && !driver_takes(e, fd, len, at_bytes))
		len = (uint32_t)round_down_u64(len / 2, block);
	return len > safe ? len : safe;
}

static bool map_is_pinnable(const struct sg_end *e, int fd, uint32_t granted)
{
	int prot = e->ep.role == END_DEST ? PROT_READ | PROT_WRITE : PROT_READ;
	void *map = mmap(NULL, granted, prot, MAP_SHARED, fd, 0);
	bool pinnable;

	if (map == MAP_FAILED)
		return false;
	pin_touch(map, granted);
	pinnable = pin_test(map, granted);
	munmap(map, granted);
	return pinnable;
}

static int sg_probe(struct endpoint *ep, uint32_t want_bytes, uint64_t at_bytes)
{
	struct sg_end *e = end_of(ep);
	struct end_facts *f = &ep->facts;
	uint32_t granted;
	int fd = sg_data_open(e, ep->role == END_DEST, want_bytes, &granted);

	if (fd < 0) {
		int err = errno;

		diag_errno(ep->name, err, "cannot open a data descriptor");
		return fail(e, exit_status_from_errno(err));
	}
	f->reserved_bytes = granted;
	f->max_xfer_bytes = find_max_xfer(e, fd, want_bytes, granted, at_bytes);
	f->pinnable = map_is_pinnable(e, fd, granted);
	f->can_mmap = f->can_mmap && granted >= f->block_bytes;
	close(fd);
	if (f->max_xfer_bytes > 0)
		return 0;
	diag(ep->name, "no reserved buffer that holds one block of %u bytes (lower reserved=)",
		f->block_bytes);
	return fail(e, exit_status_from_errno(ENOMEM));
}

/* --- the rest --- */

/* What is waited for stalls.h tells. */
static bool start_once(struct sg_end *e)
{
	const struct control_wait wait = { READY_WAIT_S, NULL, e, &e->ep.hurry };
	struct fault f;
	char text[256];

	if (e->start_failed || e->ep.hurry)
		return false;
	if (make_ready(e, &wait, &f))
		return true;
	e->start_failed = true;
	if (!e->ep.hurry)
		diag(e->ep.name, "cannot be started: %s", fault_describe(&f, text, sizeof(text)));
	return false;
}

/* Each slot that finds it stopped asks: to one that runs by now START is no news. */
static bool sg_start(struct endpoint *ep)
{
	struct sg_end *e = end_of(ep);
	bool started;

	pthread_mutex_lock(&e->control_lock);
	started = start_once(e);
	pthread_mutex_unlock(&e->control_lock);
	return started;
}

static bool sync_cache(struct sg_end *e, struct fault *f)
{
	unsigned timeout_s = e->timeout_ms / 1000;

	return control_sync_cache(
		e->control_fd, timeout_s > FLUSH_MIN_S ? timeout_s : FLUSH_MIN_S, &e->ep.hurry, f);
}

/* A disk that stops has flushed its cache, SBC-4 5.31; but it has not said so. */
static bool sg_flush(struct endpoint *ep, struct fault *f)
{
	struct sg_end *e = end_of(ep);

	if (sync_cache(e, f))
		return true;
	return f->kind == FAULT_STOPPED && !f->deferred && ep->facts.can_start && sg_start(ep) &&
	       sync_cache(e, f);
}

static void sg_describe(const struct endpoint *ep, const struct xfer *x, char *text, size_t room)
{
	const struct sg_end *e = (const struct sg_end *)ep;
	const char *command =
		x->op == XFER_TRIM ? trim_name(e->trim.command) : cdb_name(e->cdb_bytes, e->op);
	char why[256];

	snprintf(text, room, "%s at LBA %llu, %u block%s: %s", command,
		(unsigned long long)(x->offset_bytes / e->id.block_bytes),
		x->len_bytes / e->id.block_bytes, x->len_bytes == e->id.block_bytes ? "" : "s",
		fault_describe(&x->fault, why, sizeof(why)));
}

static void sg_close(struct endpoint *ep)
{
	struct sg_end *e = end_of(ep);

	if (e->block_fd >= 0)
		close(e->block_fd);
	if (e->control_fd >= 0)
		close(e->control_fd);
	pthread_mutex_destroy(&e->control_lock);
	free(e->zero_block);
	free(e);
}

static bool sg_salvage(struct endpoint *ep, uint64_t offset_bytes, void *block)
{
	struct sg_end *e = end_of(ep);
	uint64_t lba = offset_bytes / ep->facts.block_bytes;
	struct fault f;
	bool salvaged;

	pthread_mutex_lock(&e->control_lock);
	salvaged = control_read_long(e->control_fd, lba, block, ep->facts.block_bytes, &f);
	pthread_mutex_unlock(&e->control_lock);
	return salvaged;
}

static const struct endpoint_ops sg_ops = {
	.probe = sg_probe,
	.lane_open = sg_lane_open,
	.lane_close = sg_lane_close,
	.submit = sg_submit,
	.reap = sg_reap,
	.salvage = sg_salvage,
	.start = sg_start,
	.flush = sg_flush,
	.close = sg_close,
	.describe = sg_describe,
};

struct endpoint *sg_open(const struct sg_params *p, int *exit_status)
{
	struct sg_end *e = calloc(1, sizeof(*e));

	if (!e) {
		diag_errno(p->name, ENOMEM, "cannot open");
		*exit_status = exit_status_from_errno(ENOMEM);
		return NULL;
	}
	e->ep.ops = &sg_ops;
	e->ep.name = p->name;
	e->ep.role = p->role;
	e->ep.identity = e->identity_text;
	e->node = *p->node;
	e->flags = p->flags;
	e->path = p->flags & END_SGIO ? e->node.sg_path : p->name;
	e->timeout_ms = p->timeout_ms;
	e->control_fd = e->block_fd = -1;
	pthread_mutex_init(&e->control_lock, NULL);
	if (sg_setup(e) < 0) {
		*exit_status = e->ep.exit_status;
		sg_close(&e->ep);
		return NULL;
	}
	return &e->ep;
}
