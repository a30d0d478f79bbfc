/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One lane: a descriptor of its own, its reserved buffer, one sg_io_hdr that is filled in once and
 * of which a transfer changes only the LBA, the lengths and the pointer.
 *
 * Relies on (drivers/scsi/sg.c):
 *  - with SG_FLAG_MMAP_IO dxferp must be NULL: anything else makes sg_start_req() copy the data
 *    once more on a read, and overwrite the reserved buffer on a write;
 *  - the size of the reserved buffer cannot change once it has been mapped (sg_ioctl_common());
 *  - without SG_FLAG_Q_AT_TAIL commands queue at the head: last in, first out;
 *  - a reply is the descriptor's only one, so read() needs no pack_id.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <scsi/sg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../core/diag.h"
#include "../core/status.h"
#include "../core/units.h"
#include "../scsi/reply.h"
#include "pin.h"
#include "sg_end.h"

#define DRIVER_SENSE 8 /* set by sg whenever there is sense: not an error by itself */

struct sg_lane {
	struct lane lane; /* first */
	int fd;		  /* the descriptor that owns the reserved buffer */
	int cmd_fd;	  /* where commands go: fd, or the end's block node */
	enum io_kind io;
	enum xfer_method method;
	bool is_write;
	bool may_fall_back;
	bool fell_back; /* direct IO was meant, the driver copies from now on */
	unsigned cdb_bytes;
	unsigned other_cdb_bytes; /* the form to go on with where the unit does not know that; 0 */
	uint32_t block_bytes;
	struct sg_io_hdr hdr;
	uint8_t cdb[CDB_MAX];
	uint8_t sense[FAULT_SENSE_MAX];
};

static struct sg_lane *lane_of(struct lane *lane)
{
	return (struct sg_lane *)lane;
}

static struct sg_end *end_of(struct endpoint *ep)
{
	return (struct sg_end *)ep;
}

static uint32_t page_up(uint32_t len_bytes)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	return len_bytes > UINT32_MAX - page ? UINT32_MAX / page * page
					     : (len_bytes + page - 1) / page * page;
}

static int reserve(int fd, uint32_t len_bytes, uint32_t *granted_bytes)
{
	int want = len_bytes > INT32_MAX ? INT32_MAX / 4096 * 4096 : (int)page_up(len_bytes);
	int got;

	/* SET succeeds whatever it got (sg_build_reserve() halves in silence): only GET tells. */
	if (ioctl(fd, SG_SET_RESERVED_SIZE, &want) < 0 || ioctl(fd, SG_GET_RESERVED_SIZE, &got) < 0)
		return -1;
	*granted_bytes = (uint32_t)round_down_u64((uint64_t)got, (uint64_t)sysconf(_SC_PAGESIZE));
	return 0;
}

int sg_data_open(
	const struct sg_end *end, bool for_write, uint32_t len_bytes, uint32_t *granted_bytes)
{
	/* O_NONBLOCK: an open that somebody's O_EXCL holds up fails instead of waiting for ever. */
	int fd = open(end->path, (for_write ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fcntl(fd, F_SETFL, 0) < 0 || reserve(fd, len_bytes, granted_bytes) < 0) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int block_node_open(struct sg_end *end)
{
	int access = end->ep.role == END_DEST ? O_RDWR : O_RDONLY;

	if (end->block_fd < 0)
		end->block_fd = open(end->node.block_path, access | O_NONBLOCK | O_CLOEXEC);
	return end->block_fd;
}

static unsigned cdb_flags(const struct sg_end *end)
{
	return (end->flags & END_DPO ? CDB_DPO : 0) | (end->flags & END_FUA ? CDB_FUA : 0);
}

static void command_set(struct sg_lane *l, unsigned cdb_bytes)
{
	struct sg_end *end = end_of(l->lane.ep);

	l->cdb_bytes = cdb_bytes;
	end->cdb_bytes = cdb_bytes;
	cdb_init(l->cdb, cdb_bytes, end->op, cdb_flags(end));
	l->hdr.cmd_len = (unsigned char)cdb_bytes;
}

/* It must reach all of the unit: which blocks are to come the lane is not told. */
static unsigned other_form(const struct sg_end *end, const struct lane_spec *spec)
{
	unsigned other = spec->cdb_bytes == 16 ? 10 : 16;
	uint32_t blocks = spec->max_bytes / end->id.block_bytes;

	if (spec->cdb_is_given || !cdb_reaches(other, end->id.blocks - 1, blocks, cdb_flags(end)))
		return 0;
	return other;
}

static void header_init(struct sg_lane *l, const struct sg_end *end, const struct lane_spec *spec)
{
	command_set(l, spec->cdb_bytes);
	l->other_cdb_bytes = other_form(end, spec);
	l->hdr.interface_id = 'S';
	l->hdr.dxfer_direction = l->is_write ? SG_DXFER_TO_DEV : SG_DXFER_FROM_DEV;
	l->hdr.cmdp = l->cdb;
	l->hdr.sbp = l->sense;
	l->hdr.mx_sb_len = sizeof(l->sense);
	l->hdr.timeout = spec->timeout_ms;
}

static void method_set(struct sg_lane *l, enum xfer_method method, enum lane_via via)
{
	l->method = method;
	l->hdr.flags = 0;
	if (via == VIA_BLOCK)
		return; /* the block layer's SG_IO queues at the tail and maps user memory anyway */
	l->hdr.flags = SGM_FLAG_Q_AT_TAIL;
	if (method == METHOD_MMAP)
		l->hdr.flags |= SGM_FLAG_MMAP_IO;
	else if (method == METHOD_DIO)
		l->hdr.flags |= SG_FLAG_DIRECT_IO;
}

static bool lane_map(struct sg_lane *l, const struct lane_spec *spec)
{
	int prot = l->is_write ? PROT_READ | PROT_WRITE : PROT_READ;
	uint32_t len = page_up(spec->max_bytes);
	void *p = mmap(NULL, len, prot, MAP_SHARED, l->fd, 0);

	if (p == MAP_FAILED)
		return false;
	l->lane.buf = p;
	l->lane.buf_bytes = len;
	pin_touch(p, len);
	l->lane.pinnable = spec->must_pin && pin_test(p, len);
	return true;
}

static int lane_fail(struct endpoint *ep, int err, const char *what)
{
	diag_errno(ep->name, err, "%s", what);
	ep->exit_status = exit_status_from_errno(err);
	return -1;
}

static int lane_descriptors(struct sg_lane *l, const struct lane_spec *spec)
{
	struct sg_end *end = end_of(l->lane.ep);
	bool needs_reserve = spec->method != METHOD_DIO;
	uint32_t want = needs_reserve ? spec->max_bytes : 0;
	uint32_t granted = 0;

	/* write(2) on the descriptor needs it open for writing, also for a source's READs. */
	l->fd = sg_data_open(end, l->is_write || spec->io == IO_RW, want, &granted);
	if (l->fd < 0)
		return lane_fail(l->lane.ep, errno, "cannot open another descriptor");
	if (granted < want && (spec->own_buffer || granted < spec->max_bytes))
		return lane_fail(l->lane.ep, ENOMEM,
			"the driver grants no reserved buffer of that size (lower qd= or bpt=)");
	l->cmd_fd = spec->via == VIA_BLOCK ? block_node_open(end) : l->fd;
	if (l->cmd_fd < 0)
		return lane_fail(l->lane.ep, errno, "cannot open its block node");
	if (spec->own_buffer && !lane_map(l, spec))
		return lane_fail(l->lane.ep, errno, "cannot map the reserved buffer");
	return 0;
}

struct lane *sg_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	struct sg_end *end = end_of(ep);
	struct sg_lane *l = calloc(1, sizeof(*l));

	assert(spec->method != METHOD_AUTO && spec->io != IO_AUTO);
	assert(spec->via == VIA_SG || (spec->method == METHOD_DIO && spec->io == IO_SG_IO));
	if (!l) {
		lane_fail(ep, ENOMEM, "no lane");
		return NULL;
	}
	end->op = ep->role == END_SOURCE ? CDB_READ : spec->verify ? CDB_VERIFY : CDB_WRITE;
	l->lane.ep = ep;
	l->fd = -1;
	l->io = spec->io;
	l->is_write = ep->role == END_DEST;
	l->may_fall_back = spec->may_fall_back;
	l->block_bytes = ep->facts.block_bytes;
	header_init(l, end, spec);
	method_set(l, spec->method, spec->via);
	if (lane_descriptors(l, spec) < 0) {
		sg_lane_close(&l->lane);
		return NULL;
	}
	return &l->lane;
}

void sg_lane_close(struct lane *lane)
{
	struct sg_lane *l = lane_of(lane);

	if (lane->buf)
		munmap(lane->buf, lane->buf_bytes); /* all of it: a part would leave a hole */
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

static void header_set(struct sg_lane *l, const struct xfer *x)
{
	uint32_t blocks = x->len_bytes / l->block_bytes;

	cdb_set_range(l->cdb, l->cdb_bytes, x->offset_bytes / l->block_bytes, blocks);
	l->hdr.dxfer_len = x->len_bytes;
	l->hdr.dxferp = l->method == METHOD_MMAP ? NULL : x->buf;
}

static COLD void outcome_bad(struct sg_lane *l, struct xfer *x)
{
	const struct scsi_reply reply = {
		.scsi_status = l->hdr.status,
		.host_status = l->hdr.host_status,
		.driver_status = l->hdr.driver_status,
		.sense = l->sense,
		.sense_len = l->hdr.sb_len_wr,
		.resid_bytes = l->hdr.resid,
	};
	const struct scsi_asked asked = {
		.lba = x->offset_bytes / l->block_bytes,
		.blocks = x->len_bytes / l->block_bytes,
		.len_bytes = x->len_bytes,
	};

	scsi_judge(&reply, &asked, &x->fault, &x->done_bytes);
	if (x->fault.kind != FAULT_INVALID_OPCODE || x->fault.deferred || !l->other_cdb_bytes)
		return;
	command_set(l, l->other_cdb_bytes);
	l->other_cdb_bytes = 0;
	x->notes |= XFER_OTHER_CDB;
}

static void outcome(struct sg_lane *l, struct xfer *x)
{
	const struct sg_io_hdr *h = &l->hdr;

	/* Both drivers set sb_len_wr to 0 where there is no sense. */
	if (__builtin_expect((h->status | h->host_status | (h->driver_status & ~DRIVER_SENSE) |
				     h->resid | h->sb_len_wr) == 0,
		    1)) {
		x->fault.kind = FAULT_NONE;
		x->done_bytes = x->len_bytes;
	} else {
		outcome_bad(l, x);
	}
	/* allow_dio=0 and unaligned memory make the driver ignore the flag in silence. */
	if (l->fell_back ||
		(l->method == METHOD_DIO && l->cmd_fd == l->fd && !(h->info & SG_INFO_DIRECT_IO)))
		x->notes |= XFER_NOT_DIRECT;
}

static enum xfer_state refused(struct xfer *x, int err)
{
	fault_from_errno(&x->fault, err);
	x->done_bytes = 0;
	return XFER_DONE;
}

static enum xfer_state send(struct sg_lane *l, struct xfer *x)
{
	if (l->io == IO_RW) {
		ssize_t nwritten = write(l->fd, &l->hdr, sizeof(l->hdr));

		if (nwritten == (ssize_t)sizeof(l->hdr))
			return XFER_WAIT;
		return refused(x, nwritten < 0 ? errno : EIO);
	}
	if (ioctl(l->cmd_fd, SG_IO, &l->hdr) < 0)
		return refused(x, errno);
	outcome(l, x);
	return XFER_DONE;
}

/* The command did not start: the memory could not be pinned. From now on the driver copies. */
static COLD enum xfer_state fall_back(struct sg_lane *l, struct xfer *x)
{
	l->may_fall_back = false;
	l->fell_back = true;
	l->cmd_fd = l->fd;
	method_set(l, METHOD_INDIRECT, VIA_SG);
	header_set(l, x);
	x->notes |= XFER_FELL_BACK;
	return send(l, x);
}

enum xfer_state sg_submit(struct lane *lane, struct xfer *x)
{
	struct sg_lane *l = lane_of(lane);
	enum xfer_state state;

	assert((x->op != XFER_READ) == l->is_write);
	x->notes = 0;
	if (__builtin_expect(x->op == XFER_TRIM, 0)) {
		sg_trim(end_of(lane->ep), x);
		return XFER_DONE;
	}
	header_set(l, x);
	state = send(l, x);
	if (__builtin_expect(state == XFER_DONE && x->fault.kind == FAULT_UNMAPPABLE, 0) &&
		l->may_fall_back && l->method == METHOD_DIO)
		return fall_back(l, x);
	return state;
}

void sg_reap(struct lane *lane, struct xfer *x)
{
	struct sg_lane *l = lane_of(lane);
	ssize_t nread;

	do
		nread = read(l->fd, &l->hdr, sizeof(l->hdr));
	while (nread < 0 && errno == EINTR);
	if (nread == (ssize_t)sizeof(l->hdr))
		outcome(l, x);
	else
		refused(x, nread < 0 ? errno : EIO);
}
