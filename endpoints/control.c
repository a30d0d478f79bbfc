/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each housekeeping command: build the CDB, let libsgutils2 carry it, judge the reply as any other.
 * What is asked of an unknown unit, and how much of it, follows sd (drivers/scsi/sd.c): USB bridges
 * have been known to hang for good on questions newer than the version they claim.
 */
#include "control.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <scsi/sg_pt.h>

#include "../scsi/reply.h"

#define QUICK_TIMEOUT_S	    20 /* what needs no medium */
#define MEDIUM_TIMEOUT_S    60 /* some units answer only once they have spun up */
#define ATTENTION_TRIES	    10 /* several unit attentions may be queued */
#define ABORT_TRIES	    3
#define POLL_MS		    100
#define BUSY_WAIT_S	    60 /* as READ and WRITE are repeated, engine/policy.c */
#define READY_WAIT_S	    300
#define TELL_FIRST_MS	    2000
#define TELL_AGAIN_MS	    60000
#define VPD_FIRST_BYTES	    252 /* one byte held the allocation length before SPC-3 */
#define VPD_MAX_BYTES	    4096
#define VERSION_SPC_2	    4
#define VERSION_SPC_3	    5
#define SENSE_BYTES	    96 /* what the mid-layer keeps, SCSI_SENSE_BUFFERSIZE */
#define CAPACITY16_BYTES    32
#define MODE_ALL_PAGES	    0x3f
#define MODE6_HEADER_BYTES  4
#define MODE10_HEADER_BYTES 8

struct command {
	uint8_t cdb[16];
	int cdb_len;
	uint8_t *in; /* where data come in, NULL: a command without data */
	uint32_t in_len;
	unsigned timeout_s;
};

/* The reply as the pass-through object has it; it does not tell the driver status. */
static void judge(
	const struct sg_pt_base *pt, const struct command *c, struct fault *f, uint32_t *got)
{
	struct scsi_asked asked = { .len_bytes = c->in_len };
	struct scsi_reply reply = {
		.scsi_status = (uint8_t)get_scsi_pt_status_response(pt),
		.host_status = (uint16_t)get_scsi_pt_transport_err(pt),
		.sense = get_scsi_pt_sense_buf(pt),
		.sense_len = (unsigned)get_scsi_pt_sense_len(pt),
		.resid_bytes = c->in ? get_scsi_pt_resid(pt) : 0,
	};

	scsi_judge(&reply, &asked, f, got);
	/* An allocation length is a limit: less than that is what most replies are. */
	if (f->kind == FAULT_SHORT)
		f->kind = FAULT_NONE;
}

static void send_pt(struct sg_pt_base *pt, const struct command *c, struct fault *f, uint32_t *got)
{
	uint8_t sense[SENSE_BYTES] = { 0 };
	int res;

	set_scsi_pt_cdb(pt, c->cdb, c->cdb_len);
	set_scsi_pt_sense(pt, sense, (int)sizeof(sense));
	if (c->in)
		set_scsi_pt_data_in(pt, c->in, (int)c->in_len);
	res = do_scsi_pt(pt, -1, (int)c->timeout_s, 0);
	if (res < 0)
		fault_from_errno(f, -res);
	else if (res > 0)
		fault_from_errno(f, EINVAL);
	else
		judge(pt, c, f, got);
}

/*
 * Signals wait: one that comes in during SG_IO either ends it with EINTR while the command goes on,
 * or makes the kernel issue it a second time (sg.c sg_ioctl() and restarting).
 */
static void send_once(int fd, const struct command *c, struct fault *f, uint32_t *got)
{
	struct sg_pt_base *pt;
	sigset_t all, before;

	*got = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pt = construct_scsi_pt_obj_with_fd(fd, 0);
	if (!pt)
		fault_from_errno(f, ENOMEM);
	else if (get_scsi_pt_os_err(pt))
		fault_from_errno(f, get_scsi_pt_os_err(pt));
	else
		send_pt(pt, c, f, got);
	if (pt)
		destruct_scsi_pt_obj(pt);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void sleep_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * NSEC_PER_MSEC };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

static bool is_attention(const struct fault *f)
{
	return f->kind == FAULT_UNIT_ATTENTION || f->kind == FAULT_CAPACITY_CHANGED;
}

static bool is_passing(const struct fault *f)
{
	return f->kind == FAULT_ABORTED || f->kind == FAULT_BUSY || f->kind == FAULT_TASK_SET_FULL;
}

/* Repeats what says nothing about the command itself. True when good. */
static bool send_command(int fd, const struct command *c, struct fault *f, uint32_t *got)
{
	unsigned attentions = 0, aborts = 0;

	for (;;) {
		send_once(fd, c, f, got);
		if (is_attention(f) && ++attentions <= ATTENTION_TRIES)
			continue;
		if (!is_passing(f) || ++aborts > ABORT_TRIES)
			return fault_is_good(f);
		sleep_ms(POLL_MS);
	}
}

static bool will_be_ready(const struct fault *f)
{
	return f->kind == FAULT_BECOMING_READY || f->kind == FAULT_IN_PROGRESS ||
	       f->kind == FAULT_ERASING;
}

/* When a unit was given up, if it tells nothing new. */
struct patience {
	uint64_t waited_ms, since_ms, tell_ms;
	unsigned progress;
};

static bool has_patience(struct patience *p, unsigned limit_s, const struct fault *f)
{
	unsigned progress;

	if (fault_progress(f, &progress) && progress != p->progress) {
		p->progress = progress;
		p->since_ms = p->waited_ms;
	}
	return p->waited_ms - p->since_ms < limit_s * UINT64_C(1000);
}

static void wait_on(struct patience *p)
{
	sleep_ms(POLL_MS);
	p->waited_ms += POLL_MS;
}

static void tell_wait(struct patience *p, const struct control_wait *w, const struct fault *f)
{
	if (p->waited_ms < p->tell_ms)
		return;
	if (w->tell)
		w->tell(w->arg, f);
	p->tell_ms = p->waited_ms + TELL_AGAIN_MS;
}

bool control_ready(int fd, const struct control_wait *w, struct fault *f)
{
	const struct command ready = { .cdb_len = 6, .timeout_s = QUICK_TIMEOUT_S };
	struct patience p = { .tell_ms = TELL_FIRST_MS };
	uint32_t got;

	while (!send_command(fd, &ready, f, &got)) {
		if (!will_be_ready(f) || !has_patience(&p, w->limit_s, f) ||
			(w->hurry && *w->hurry))
			return false;
		tell_wait(&p, w, f);
		wait_on(&p);
	}
	return true;
}

bool control_start(int fd, unsigned timeout_s, struct fault *f)
{
	const struct command c = { .cdb = { 0x1b, [4] = 1 }, .cdb_len = 6, .timeout_s = timeout_s };
	uint32_t got;

	return send_command(fd, &c, f, &got);
}

static bool inquiry(int fd, int page, uint8_t *data, uint16_t len, struct fault *f, uint32_t *got)
{
	const struct command c = {
		.cdb = { 0x12, page >= 0, page >= 0 ? (uint8_t)page : 0, (uint8_t)(len >> 8),
			(uint8_t)len },
		.cdb_len = 6,
		.in = data,
		.in_len = len,
		.timeout_s = QUICK_TIMEOUT_S,
	};

	return send_command(fd, &c, f, got);
}

/* One VPD page, asked again at its full length where that is more than the first answer. */
static bool vpd(int fd, uint8_t page, uint8_t data[VPD_MAX_BYTES], uint32_t *got)
{
	struct fault f;
	size_t len;

	if (!inquiry(fd, page, data, VPD_FIRST_BYTES, &f, got))
		return false;
	len = identify_vpd_length(page, data, *got);
	if (len <= VPD_FIRST_BYTES)
		return len > 0;
	return inquiry(fd, page, data, (uint16_t)min_u64(len, VPD_MAX_BYTES), &f, got);
}

typedef bool (*vpd_decode)(struct identity *id, const uint8_t *data, size_t len);

static void ask_vpd(int fd, uint8_t page, vpd_decode decode, struct identity *id)
{
	uint8_t data[VPD_MAX_BYTES];
	uint32_t got;

	/* A page that is missing or broken leaves its facts "not told". */
	if (vpd(fd, page, data, &got))
		(void)!decode(id, data, got);
}

/* Mandatory since SPC-2, and not to be asked before (scsi_device_supports_vpd()). */
static void ask_all_vpd(int fd, struct identity *id)
{
	static const struct {
		uint8_t page;
		vpd_decode decode;
	} wanted[] = {
		{ 0x80, identify_vpd_serial },
		{ 0x83, identify_vpd_device_id },
		{ 0xb0, identify_vpd_limits },
		{ 0xb1, identify_vpd_characteristics },
		{ 0xb2, identify_vpd_provisioning },
	};
	uint8_t data[VPD_MAX_BYTES];
	bool pages[256];
	uint32_t got;
	size_t i;

	if (id->version < VERSION_SPC_2 || !vpd(fd, 0x00, data, &got) ||
		!identify_vpd_list(pages, data, got))
		return;
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if (pages[wanted[i].page])
			ask_vpd(fd, wanted[i].page, wanted[i].decode, id);
}

static bool ask_capacity10(int fd, struct identity *id, struct fault *f)
{
	uint8_t data[8];
	const struct command c = {
		.cdb = { 0x25 },
		.cdb_len = 10,
		.in = data,
		.in_len = sizeof(data),
		.timeout_s = MEDIUM_TIMEOUT_S,
	};
	uint32_t got;

	return send_command(fd, &c, f, &got) && identify_capacity10(id, data, got);
}

static bool ask_capacity16(int fd, struct identity *id, struct fault *f)
{
	uint8_t data[CAPACITY16_BYTES];
	const struct command c = {
		.cdb = { 0x9e, 0x10, [13] = CAPACITY16_BYTES },
		.cdb_len = 16,
		.in = data,
		.in_len = sizeof(data),
		.timeout_s = MEDIUM_TIMEOUT_S,
	};
	uint32_t got;

	return send_command(fd, &c, f, &got) && identify_capacity16(id, data, got);
}

/*
 * (10) first, as every disk knows it; then (16) where (10) did not do, or from SPC-3 on, for the
 * physical block length and the protection type.
 */
static bool ask_capacity(int fd, struct identity *id, struct fault *f)
{
	struct fault f16;
	bool known = ask_capacity10(fd, id, f);
	bool too_big_for_10 = !known && fault_is_good(f);

	if (known && id->version < VERSION_SPC_3)
		return true;
	if (ask_capacity16(fd, id, &f16) || known)
		return true;
	if (too_big_for_10 || f->kind == FAULT_INVALID_OPCODE)
		*f = f16;
	if (fault_is_good(f))
		f->kind = FAULT_OTHER; /* it answered, and what it answered is no capacity */
	return false;
}

static bool ask_mode6(int fd, struct identity *id)
{
	uint8_t data[MODE6_HEADER_BYTES];
	const struct command c = {
		.cdb = { 0x1a, 0, MODE_ALL_PAGES, 0, MODE6_HEADER_BYTES },
		.cdb_len = 6,
		.in = data,
		.in_len = sizeof(data),
		.timeout_s = MEDIUM_TIMEOUT_S,
	};
	struct fault f;
	uint32_t got;

	return send_command(fd, &c, &f, &got) && identify_mode6(id, data, got);
}

static bool ask_mode10(int fd, struct identity *id)
{
	uint8_t data[MODE10_HEADER_BYTES];
	const struct command c = {
		.cdb = { 0x5a, 0, MODE_ALL_PAGES, [8] = MODE10_HEADER_BYTES },
		.cdb_len = 10,
		.in = data,
		.in_len = sizeof(data),
		.timeout_s = MEDIUM_TIMEOUT_S,
	};
	struct fault f;
	uint32_t got;

	return send_command(fd, &c, &f, &got) && identify_mode10(id, data, got);
}

/* The types of the block commands: disk, write-once, optical, RBC, zoned. */
static bool has_capacity(int type)
{
	return type == 0x00 || type == 0x04 || type == 0x07 || type == 0x0e || type == 0x14;
}

static bool ask_inquiry(int fd, struct identity *id, struct fault *f)
{
	uint8_t data[36]; /* the first question to a stranger, as scsi_scan.c asks it */
	uint32_t got;

	if (!inquiry(fd, -1, data, sizeof(data), f, &got))
		return false;
	if (identify_inquiry(id, data, got))
		return true;
	f->kind = FAULT_OTHER;
	return false;
}

bool control_identify(int fd, struct identity *id, struct fault *f)
{
	identity_init(id);
	if (!ask_inquiry(fd, id, f))
		return false;
	ask_all_vpd(fd, id);
	if (!has_capacity(id->type))
		return true;
	if (!ask_capacity(fd, id, f))
		return false;
	if (!ask_mode6(fd, id))
		(void)!ask_mode10(fd, id); /* a unit without mode pages does not tell WP */
	return true;
}

/* What a flush was told on its way. */
struct flushing {
	struct fault lost; /* of writes before it: the first deferred error, else a reset */
	unsigned reports, passing;
	struct patience patience;
};

/* One that is being erased loses what there is to flush. */
static unsigned flush_limit_s(const struct fault *f)
{
	switch (f->kind) {
	case FAULT_BUSY:
	case FAULT_TASK_SET_FULL: return BUSY_WAIT_S;
	case FAULT_BECOMING_READY:
	case FAULT_IN_PROGRESS: return READY_WAIT_S;
	default: return 0;
	}
}

static void note_loss(struct flushing *s, const struct fault *f)
{
	if (!s->lost.deferred && (f->deferred || fault_is_reset(f)))
		s->lost = *f;
}

/* A unit attention and a deferred error are over once they were reported, and nothing was done. */
static bool is_flushed_again(struct flushing *s, const _Atomic bool *hurry, const struct fault *f)
{
	bool waits = !*hurry && has_patience(&s->patience, flush_limit_s(f), f);

	if (is_attention(f) || f->deferred)
		return ++s->reports <= ATTENTION_TRIES;
	if (!waits && (!is_passing(f) || ++s->passing > ABORT_TRIES))
		return false;
	wait_on(&s->patience);
	return true;
}

bool control_sync_cache(int fd, unsigned timeout_s, const _Atomic bool *hurry, struct fault *f)
{
	const struct command c = { .cdb = { 0x35 }, .cdb_len = 10, .timeout_s = timeout_s };
	struct flushing s = { .reports = 0 };
	uint32_t got;

	do {
		send_once(fd, &c, f, &got);
		note_loss(&s, f);
	} while (is_flushed_again(&s, hurry, f));
	if (f->kind == FAULT_INVALID_OPCODE && !f->deferred)
		memset(f, 0, sizeof(*f));
	if (s.lost.deferred || (fault_is_good(f) && fault_is_reset(&s.lost)))
		*f = s.lost;
	return fault_is_good(f);
}

static bool read_long(
	int fd, uint64_t lba, uint8_t *data, uint32_t len, struct fault *f, uint32_t *got)
{
	struct command c = { .in = data, .in_len = len, .timeout_s = MEDIUM_TIMEOUT_S };
	bool is_far = lba > UINT32_MAX;

	c.cdb_len = is_far ? 16 : 10;
	c.cdb[0] = is_far ? 0x9e : 0x3e;
	c.cdb[1] = is_far ? 0x11 : 0;
	for (unsigned i = 0, n = is_far ? 8 : 4; i < n; i++)
		c.cdb[2 + i] = (uint8_t)(lba >> (8 * (n - 1 - i)));
	c.cdb[is_far ? 12 : 7] = (uint8_t)(len >> 8);
	c.cdb[is_far ? 13 : 8] = (uint8_t)len;
	return send_command(fd, &c, f, got);
}

/* How long such a block is, the unit alone knows, and says so when asked for another length. */
bool control_read_long(int fd, uint64_t lba, uint8_t *block, uint32_t block_bytes, struct fault *f)
{
	uint8_t data[2 * READ_LONG_MAX_BYTES];
	uint32_t got;
	int64_t excess;

	if (block_bytes > READ_LONG_MAX_BYTES) {
		fault_from_errno(f, EOPNOTSUPP);
		return false;
	}
	if (!read_long(fd, lba, data, block_bytes, f, &got)) {
		int64_t len = block_bytes;

		if (!fault_wrong_length(f, &excess) || excess > 0 ||
			excess < -(int64_t)READ_LONG_MAX_BYTES)
			return false;
		len -= excess;
		if (!read_long(fd, lba, data, (uint32_t)len, f, &got))
			return false;
	}
	memcpy(block, data, min_u64(got, block_bytes));
	return got >= block_bytes;
}

static const char *remedy_04(uint8_t ascq)
{
	switch (ascq) {
	case 0x01: return "it is starting: try again in a minute";
	case 0x02: return "spin it up with sg_start --start, or give the flag start";
	case 0x03: return "it needs a hand at the device";
	case 0x04: return "it is being formatted: watch with sg_turs --progress";
	case 0x09: return "a self-test runs: watch with sg_turs --progress, or wait";
	case 0x0b:
	case 0x0c: return "use the unit's other path";
	case 0x1b: return "it is being sanitized: watch with sg_turs --progress";
	case 0x22: return "it needs a power cycle";
	default: return "";
	}
}

const char *control_remedy(const struct fault *f)
{
	struct scsi_sense s;

	if (!fault_sense(f, &s))
		return "";
	if (s.key == 0x2 && s.asc == 0x04)
		return remedy_04(s.ascq);
	if (s.key == 0x2 && s.asc == 0x3a)
		return "put a medium in";
	if (s.key == 0x3 && s.asc == 0x31)
		return "format it with sg_format --format";
	return "";
}
