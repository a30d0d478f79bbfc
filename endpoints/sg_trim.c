/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XFER_TRIM of a disk, by the command that scsi/trim.h chose, over the control descriptor: a data
 * descriptor's mapped buffer would be overwritten by the block that WRITE SAME sends, or hold it
 * up.
 *
 * The unit may refuse what it claims to have (bridges do, and limits that are not told): ILLEGAL
 * REQUEST is then taken for "unsupported" and not asked for again. UNMAP alone makes nothing
 * certain, so each is followed by the question whether it was granted; if not, the next may be.
 *
 * Not by libsgutils2 as the housekeeping commands: its pass-through drops the residual of a command
 * that sends data. Signals must be blocked in the calling thread (SG_IO and EINTR).
 */
#include <assert.h>
#include <errno.h>
#include <scsi/sg.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "../scsi/reply.h"
#include "sg_end.h"

#define TRIM_MIN_MS    120000 /* a unit may write the blocks after all: sd.c SD_WRITE_SAME_TIMEOUT */
#define HOLE_MIN_BYTES 65536  /* one more command costs more than writing less than that */

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static void set_trim_facts(struct sg_end *e)
{
	struct end_facts *f = &e->ep.facts;
	uint64_t grain_bytes = (uint64_t)e->trim.grain_blocks * f->block_bytes;
	uint64_t max_bytes = min_u64((uint64_t)e->trim.max_blocks * f->block_bytes,
		round_down_u64(UINT32_MAX, f->block_bytes));

	if (grain_bytes > max_bytes)
		return;
	f->can_trim = true;
	f->trim_grain_bytes = (uint32_t)grain_bytes;
	f->max_trim_bytes = (uint32_t)round_down_u64(max_bytes, grain_bytes);
}

int sg_trim_set_up(struct sg_end *e)
{
	struct end_facts *f = &e->ep.facts;
	uint64_t hole_bytes = max_u64(f->phys_block_bytes, HOLE_MIN_BYTES);

	if (e->ep.role == END_SOURCE)
		return 0;
	hole_bytes = round_up(hole_bytes, f->block_bytes);
	f->hole_bytes = hole_bytes <= UINT32_MAX ? (uint32_t)hole_bytes : 0;
	e->trim = trim_choose(&e->id);
	if (e->trim.command == TRIM_NONE)
		return 0;
	set_trim_facts(e);
	if (!f->can_trim || e->trim.command == TRIM_UNMAP)
		return 0;
	e->zero_block = calloc(1, f->block_bytes);
	return e->zero_block ? 0 : -1;
}

/* One command of a range. */
struct request {
	uint64_t lba;
	uint32_t blocks;
	uint8_t cdb[CDB_MAX];
	unsigned cdb_bytes;
	int direction;
	void *data;
	uint32_t len_bytes;
};

static void send(const struct sg_end *e, struct request *r, struct fault *f, uint32_t *moved_bytes)
{
	unsigned timeout_ms = e->timeout_ms > TRIM_MIN_MS ? e->timeout_ms : TRIM_MIN_MS;
	const struct scsi_asked asked = {
		.lba = r->lba, .blocks = r->blocks, .len_bytes = r->len_bytes
	};
	uint8_t sense[FAULT_SENSE_MAX];
	struct sg_io_hdr h = {
		.interface_id = 'S',
		.dxfer_direction = r->direction,
		.cmd_len = (unsigned char)r->cdb_bytes,
		.cmdp = r->cdb,
		.sbp = sense,
		.mx_sb_len = sizeof(sense),
		.dxferp = r->data,
		.dxfer_len = r->len_bytes,
		.timeout = timeout_ms,
		.flags = SGM_FLAG_Q_AT_TAIL,
	};
	struct scsi_reply reply;

	*moved_bytes = 0;
	if (ioctl(e->control_fd, SG_IO, &h) < 0) {
		fault_from_errno(f, errno);
		return;
	}
	reply = (struct scsi_reply){
		.scsi_status = h.status,
		.host_status = h.host_status,
		.driver_status = h.driver_status,
		.sense = sense,
		.sense_len = h.sb_len_wr,
		.resid_bytes = h.resid,
	};
	scsi_judge(&reply, &asked, f, moved_bytes);
}

static bool write_same(
	const struct sg_end *e, unsigned cdb_bytes, struct request *r, struct fault *f)
{
	uint32_t moved_bytes;

	cdb_write_same(r->cdb, cdb_bytes, r->lba, r->blocks);
	r->cdb_bytes = cdb_bytes;
	r->direction = SG_DXFER_TO_DEV;
	r->data = e->zero_block;
	r->len_bytes = e->ep.facts.block_bytes;
	send(e, r, f, &moved_bytes);
	return fault_is_good(f);
}

static bool ask_to_unmap(const struct sg_end *e, struct request *r, struct fault *f)
{
	uint8_t list[UNMAP_LIST_BYTES];
	uint32_t moved_bytes;

	cdb_unmap(r->cdb);
	cdb_unmap_list(list, r->lba, r->blocks);
	r->cdb_bytes = 10;
	r->direction = SG_DXFER_TO_DEV;
	r->data = list;
	r->len_bytes = sizeof(list);
	send(e, r, f, &moved_bytes);
	return fault_is_good(f);
}

/* False with *f good: some of it is not. */
static bool is_unmapped(const struct sg_end *e, struct request *r, struct fault *f)
{
	struct request status = { .lba = r->lba, .cdb_bytes = 16 };
	uint8_t data[TRIM_STATUS_BYTES] = { 0 }; /* says nothing where nothing came */
	uint32_t got_bytes;

	cdb_lba_status(status.cdb, r->lba, sizeof(data));
	status.direction = SG_DXFER_FROM_DEV;
	status.data = data;
	status.len_bytes = sizeof(data);
	send(e, &status, f, &got_bytes);
	if (f->kind == FAULT_SHORT) /* the allocation length is a limit */
		f->kind = FAULT_NONE;
	return fault_is_good(f) && trim_is_unmapped(data, got_bytes, r->lba, r->blocks);
}

static bool unmap(const struct sg_end *e, struct request *r, struct fault *f)
{
	if (!ask_to_unmap(e, r, f))
		return false;
	if (!is_unmapped(e, r, f) && fault_is_good(f))
		fault_from_errno(f, EOPNOTSUPP);
	return fault_is_good(f);
}

static bool carry_out(const struct sg_end *e, struct request *r, struct fault *f)
{
	switch (e->trim.command) {
	case TRIM_WRITE_SAME_16: return write_same(e, 16, r, f);
	case TRIM_WRITE_SAME_10: return write_same(e, 10, r, f);
	case TRIM_UNMAP: return unmap(e, r, f);
	default: assert(0 && "facts.can_trim"); return false;
	}
}

/* An earlier write's error is none of this command's. */
static bool is_refused(const struct fault *f)
{
	return !f->deferred &&
	       (f->kind == FAULT_INVALID_OPCODE || f->kind == FAULT_ILLEGAL_REQUEST);
}

void sg_trim(struct sg_end *e, struct xfer *x)
{
	uint32_t block_bytes = e->ep.facts.block_bytes;
	struct request r = {
		.lba = x->offset_bytes / block_bytes,
		.blocks = x->len_bytes / block_bytes,
	};
	bool good;

	assert(e->ep.facts.can_trim && x->len_bytes <= e->ep.facts.max_trim_bytes);
	if (e->trim_refused) {
		xfer_unsupported(x);
		return;
	}
	pthread_mutex_lock(&e->control_lock);
	good = carry_out(e, &r, &x->fault);
	pthread_mutex_unlock(&e->control_lock);
	x->done_bytes = good ? x->len_bytes : 0;
	if (good || !is_refused(&x->fault))
		return;
	e->trim_refused = true;
	xfer_unsupported(x);
}
