/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judges a reply: status byte, then host and driver status, then the residual; the sense is heard
 * wherever there is one. Sense bytes come from devices and are decoded here, each index checked
 * against what arrived: libsgutils2's sg_get_sense_info_fld() reads past a descriptor that is cut
 * off. libsgutils2 gives the words for an additional sense code, nothing else.
 */
#include "reply.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <scsi/sg_lib.h>

#include "be.h"

/*
 * The mid-layer's verdict, include/scsi/scsi_status.h; 10h to 13h up to Linux 6.0 only. What has
 * nobody who could answer it (01h, 04h, and 0fh of a remote port that was given up) tells nothing
 * of the blocks it was sent for. 14h does not belong there: such a command was lost on a path that
 * loses some (scsi_transport_fc.c fc_eh_should_retry_cmd()). 0ah never gets as far as here
 * (scsi_error.c scsi_decide_disposition()).
 */
static const struct {
	const char *words;
	enum fault_kind kind;
} hosts[] = {
	[0x00] = { "ok", FAULT_NONE },
	[0x01] = { "no connect", FAULT_GONE },
	[0x02] = { "bus busy", FAULT_BUSY },
	[0x03] = { "timed out", FAULT_TIMEOUT },
	[0x04] = { "bad target", FAULT_GONE },
	[0x05] = { "aborted", FAULT_ABORTED },
	[0x06] = { "parity error", FAULT_TRANSPORT },
	[0x07] = { "host adapter error", FAULT_TRANSPORT },
	[0x08] = { "reset", FAULT_ABORTED },
	[0x09] = { "unexpected interrupt", FAULT_TRANSPORT },
	[0x0a] = { "passed through", FAULT_TRANSPORT },
	[0x0b] = { "soft error", FAULT_BUSY },
	[0x0c] = { "retry at once", FAULT_BUSY },
	[0x0d] = { "requeue", FAULT_BUSY },
	[0x0e] = { "transport disrupted", FAULT_ABORTED },
	[0x0f] = { "transport failed fast", FAULT_GONE },
	[0x10] = { "target failure", FAULT_TRANSPORT },
	[0x11] = { "reservation conflict", FAULT_RESERVATION },
	[0x12] = { "space allocation failed", FAULT_DATA_PROTECT },
	[0x13] = { "medium error", FAULT_MEDIUM },
	[0x14] = { "transport marginal", FAULT_TRANSPORT },
};

/* SPC-5 annex F, 04h. What is in progress takes minutes or hours. */
static enum fault_kind kind_of_not_ready(const struct scsi_sense *s)
{
	if (s->asc != 0x04)
		return FAULT_NOT_READY;
	switch (s->ascq) {
	case 0x01: /* in process of becoming ready */
	case 0x0a: /* changing its access state */
	case 0x11: /* waits for its turn to spin up */
	case 0x1a: /* START STOP UNIT in progress */ return FAULT_BECOMING_READY;
	case 0x02: return FAULT_STOPPED;
	case 0x05: /* rebuild */
	case 0x06: /* recalculation */
	case 0x07: /* operation */
	case 0x08: /* long write */
	case 0x09: /* self-test */
	case 0x14: /* space allocation */ return FAULT_IN_PROGRESS;
	case 0x04: /* format */
	case 0x1b: /* sanitize */
	case 0x1d: /* configuration */
	case 0x24: /* depopulation */
	case 0x25: /* depopulation restoration */ return FAULT_ERASING;
	default: return FAULT_NOT_READY;
	}
}

static enum fault_kind kind_of_illegal_request(const struct scsi_sense *s)
{
	if (s->asc == 0x20 && s->ascq == 0)
		return FAULT_INVALID_OPCODE;
	/* 21/04 to 21/07 are a zone's write pointer and boundaries: the address exists. */
	if (s->asc == 0x21 && s->ascq == 0)
		return FAULT_LBA_RANGE;
	return FAULT_ILLEGAL_REQUEST;
}

/* 10/00 is an ID field's ECC error; what follows it is protection information. */
static bool is_protection(const struct scsi_sense *s)
{
	return s->asc == 0x10 && s->ascq != 0 && (s->key == 0x5 || s->key == 0xb);
}

/* SPC-5 annex F: whichever blocks had been asked for, it would have said the same. */
static bool is_of_unit(const struct scsi_sense *s)
{
	if (s->key == 0x3) /* format corrupted, or failed; sanitize failed */
		return s->asc == 0x31;
	/* logical unit failure, failed self-test */
	return s->key == 0x4 && s->asc == 0x3e && (s->ascq == 0x01 || s->ascq == 0x03);
}

static enum fault_kind kind_of_sense(const struct scsi_sense *s)
{
	if (is_protection(s))
		return FAULT_PROTECTION;
	if (is_of_unit(s))
		return FAULT_UNIT_FAILED;
	switch (s->key) {
	case 0x0: return s->asc ? FAULT_RECOVERED : FAULT_NONE; /* e.g. 5D failure prediction */
	case 0x1: return FAULT_RECOVERED;
	case 0x2: return kind_of_not_ready(s);
	case 0x3:
	case 0x8: /* blank check: an optical or zoned unit was never written there */
		return FAULT_MEDIUM;
	case 0x4: return FAULT_HARDWARE;
	case 0x5: return kind_of_illegal_request(s);
	case 0x6:
		return s->asc == 0x2a && s->ascq == 0x09 ? FAULT_CAPACITY_CHANGED
							 : FAULT_UNIT_ATTENTION;
	case 0x7: return FAULT_DATA_PROTECT;
	case 0xb: return FAULT_ABORTED;
	case 0xe: return FAULT_MISCOMPARE;
	case 0xf:
		/* Completed; but 55/0A is a command duration limit that passed: no data came. */
		return s->asc == 0x55 && s->ascq == 0x0a ? FAULT_ABORTED : FAULT_NONE;
	default: return FAULT_OTHER;
	}
}

bool scsi_sense_decode(const uint8_t *sense, size_t len, struct scsi_sense *out)
{
	memset(out, 0, sizeof(*out));
	if (!sense || len < 3)
		return false;
	switch (sense[0] & 0x7f) {
	case 0x71: out->deferred = true; __attribute__((fallthrough));
	case 0x70:
		out->key = sense[2] & 0x0f;
		if (len > 7 && len > (size_t)sense[7] + 8)
			len = (size_t)sense[7] + 8;
		out->asc = len > 12 ? sense[12] : 0;
		out->ascq = len > 13 ? sense[13] : 0;
		return true;
	case 0x73: out->deferred = true; __attribute__((fallthrough));
	case 0x72:
		out->key = sense[1] & 0x0f;
		out->asc = sense[2];
		out->ascq = len > 3 ? sense[3] : 0;
		return true;
	default: return false; /* 7Fh is vendor specific */
	}
}

bool fault_sense(const struct fault *f, struct scsi_sense *out)
{
	return scsi_sense_decode(f->sense, f->sense_len, out);
}

bool fault_is_reset(const struct fault *f)
{
	struct scsi_sense s;

	return f->kind == FAULT_UNIT_ATTENTION && fault_sense(f, &s) && s.asc == 0x29;
}

/* The first descriptor of that type, of which all bytes came, NULL if there is none. SPC-5 4.4.2.1
 */
static const uint8_t *descriptor(const uint8_t *sense, size_t len, uint8_t type, size_t bytes)
{
	size_t end, at;

	if (len < 8)
		return NULL;
	end = (size_t)min_u64(len, (uint64_t)sense[7] + 8);
	for (at = 8; at + 2 <= end; at += (size_t)sense[at + 1] + 2)
		if (sense[at] == type)
			return sense[at + 1] + 2u >= bytes && at + bytes <= end ? sense + at : NULL;
	return NULL;
}

/* The information descriptor, SPC-5 4.4.2.2. */
static bool descriptor_information(const uint8_t *sense, size_t len, uint64_t *info)
{
	const uint8_t *d = descriptor(sense, len, 0x00, 12);

	if (!d || !(d[2] & 0x80))
		return false;
	*info = get_be64(d + 4);
	return true;
}

/* INFORMATION where the device declares it valid. */
static bool sense_information(const uint8_t *sense, size_t len, uint64_t *info)
{
	if (len < 7)
		return false;
	switch (sense[0] & 0x7f) {
	case 0x70:
	case 0x71: *info = get_be32(sense + 3); return sense[0] & 0x80;
	case 0x72:
	case 0x73: return descriptor_information(sense, len, info);
	default: return false;
	}
}

/* Fixed format has the bit ILI; in descriptor format the information itself has to do. */
bool fault_wrong_length(const struct fault *f, int64_t *excess_bytes)
{
	bool is_fixed = f->sense_len > 2 && (f->sense[0] & 0x7f) == 0x70;
	uint64_t info;

	if (f->kind != FAULT_ILLEGAL_REQUEST || (is_fixed && !(f->sense[2] & 0x20)) ||
		!sense_information(f->sense, f->sense_len, &info))
		return false;
	*excess_bytes = is_fixed ? (int32_t)(uint32_t)info : (int64_t)info;
	return true;
}

/* The three bytes of sense key specific data, NULL: none. SPC-5 4.4.2.4 and 4.4.3. */
static const uint8_t *key_specific(const uint8_t *sense, size_t len)
{
	const uint8_t *d = NULL;

	switch (len ? sense[0] & 0x7f : 0) {
	case 0x70:
		if (len >= 18 && sense[7] >= 10)
			d = sense + 15;
		break;
	case 0x72:
		d = descriptor(sense, len, 0x02, 7);
		if (d)
			d += 4;
		break;
	default: break;
	}
	return d && d[0] & 0x80 ? d : NULL;
}

bool fault_progress(const struct fault *f, unsigned *progress)
{
	const uint8_t *d = key_specific(f->sense, f->sense_len);
	struct scsi_sense s;

	if (!d || !fault_sense(f, &s) || (s.key != 0x0 && s.key != 0x2))
		return false;
	*progress = get_be16(d + 1);
	return true;
}

/* A valid INFORMATION may still be nonsense: scsi_debug names LBAs outside what was asked. */
static void take_information(struct fault *f, const struct scsi_asked *asked)
{
	struct scsi_sense s;
	uint64_t lba;

	if (!fault_sense(f, &s) || s.deferred || !sense_information(f->sense, f->sense_len, &lba))
		return;
	if (lba < asked->lba || lba - asked->lba >= asked->blocks)
		return;
	f->info_valid = true;
	f->info_lba = lba;
}

static void take_reply(struct fault *f, const struct scsi_reply *r)
{
	memset(f, 0, sizeof(*f));
	f->scsi_status = r->scsi_status & 0xfe; /* bit 0 is reserved, SAM-5 5.3.1 */
	f->host_status = r->host_status;
	f->driver_status = r->driver_status;
	if (r->sense && r->sense_len) {
		f->sense_len = (uint8_t)min_u64(r->sense_len, FAULT_SENSE_MAX);
		memcpy(f->sense, r->sense, f->sense_len);
	}
}

/*
 * GOOD with an error in its sense is not good either: some low-level drivers leave the status 0
 * and say DRIVER_SENSE, and sg says that of any sense it copies (sg.c sg_new_read()). A deferred
 * one that is no error tells of a write that is good: all that it cost is this command.
 */
static enum fault_kind judge_sense(struct fault *f, enum fault_kind without)
{
	struct scsi_sense s;
	enum fault_kind kind;

	if (!fault_sense(f, &s))
		return without;
	kind = kind_of_sense(&s);
	if (s.deferred && (kind == FAULT_NONE || kind == FAULT_RECOVERED))
		return FAULT_ABORTED;
	f->deferred = s.deferred;
	return kind;
}

static enum fault_kind judge_status(struct fault *f)
{
	switch (f->scsi_status) {
	case 0x00: /* good */
	case 0x04: /* condition met */
	case 0x10: /* intermediate: SCSI-2's linked commands */
	case 0x14: /* intermediate, condition met */ return judge_sense(f, FAULT_NONE);
	case 0x02: return judge_sense(f, FAULT_SENSE);
	case 0x08: return FAULT_BUSY;
	case 0x18: return FAULT_RESERVATION;
	case 0x28: return FAULT_TASK_SET_FULL;
	case 0x30: return FAULT_BUSY; /* ACA active: gone once somebody clears it */
	case 0x40: return FAULT_ABORTED;
	default: return FAULT_OTHER;
	}
}

static enum fault_kind judge_host(const struct fault *f)
{
	if (f->host_status >= ARRAY_SIZE(hosts))
		return FAULT_TRANSPORT;
	return hosts[f->host_status].kind;
}

/* Kernels before 5.14 had more than DRIVER_SENSE; the high nibble was advice. */
static enum fault_kind judge_driver(const struct fault *f)
{
	switch (f->driver_status & 0x0f) {
	case 0x0:
	case 0x8: return FAULT_NONE;
	case 0x1: return FAULT_BUSY;
	case 0x6: return FAULT_TIMEOUT;
	default: return FAULT_TRANSPORT;
	}
}

/*
 * The device's own word counts for most: scsi_debug's protection errors carry DID_ABORT beside
 * their sense, and kernels before 6.1 put DID_MEDIUM_ERROR and others beside a reply's.
 */
static enum fault_kind judge_kind(struct fault *f)
{
	enum fault_kind kind = judge_status(f);

	if (kind != FAULT_NONE && kind != FAULT_RECOVERED && kind != FAULT_SENSE)
		return kind;
	if (judge_host(f) != FAULT_NONE)
		return judge_host(f);
	if (judge_driver(f) != FAULT_NONE)
		return judge_driver(f);
	return kind;
}

/* Bytes that moved, whole blocks of them. */
static uint32_t moved_bytes(const struct scsi_asked *asked, uint32_t resid)
{
	uint32_t moved = asked->len_bytes - resid;
	uint32_t block = asked->blocks ? asked->len_bytes / asked->blocks : 1;

	return block ? moved - moved % block : 0;
}

void scsi_judge(const struct scsi_reply *r, const struct scsi_asked *asked, struct fault *f,
	uint32_t *done_bytes)
{
	*done_bytes = 0;
	take_reply(f, r);
	f->kind = judge_kind(f);
	take_information(f, asked);
	if (!fault_is_good(f))
		return;
	if (r->resid_bytes == 0) {
		*done_bytes = asked->len_bytes;
		return;
	}
	f->kind = FAULT_SHORT;
	f->resid_bytes = asked->len_bytes;
	if (r->resid_bytes > 0 && (uint32_t)r->resid_bytes < asked->len_bytes)
		f->resid_bytes = (uint32_t)r->resid_bytes;
	*done_bytes = moved_bytes(asked, f->resid_bytes);
}

/* "unrecovered read error": T10's words without libsgutils2's lead-in and capital. */
static void asc_text(const struct scsi_sense *s, char *text, size_t room)
{
	static const char lead[] = "Additional sense: ";
	char words[128] = "";
	const char *w = words;

	sg_get_asc_ascq_str(s->asc, s->ascq, (int)sizeof(words), words);
	if (!strncmp(w, lead, sizeof(lead) - 1))
		w += sizeof(lead) - 1;
	snprintf(text, room, "%s", w);
	if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
		text[0] = (char)(text[0] - 'A' + 'a');
}

static void sense_text(const struct fault *f, const struct scsi_sense *s, char *text, size_t room)
{
	char words[128], done[24] = "";
	unsigned progress;

	asc_text(s, words, sizeof(words));
	if (fault_progress(f, &progress))
		snprintf(done, sizeof(done), ", %u %% done", progress * 100 / 65536);
	snprintf(text, room, "%x/%02x/%02x %s%s%s", s->key, s->asc, s->ascq, words, done,
		s->deferred ? ", of an earlier command" : "");
}

static void host_text(const struct fault *f, char *text, size_t room)
{
	unsigned host = f->host_status;

	if (host < ARRAY_SIZE(hosts))
		snprintf(text, room, "host status %u, %s", host, hosts[host].words);
	else
		snprintf(text, room, "host status %u", host);
}

/* What stands in the brackets; "" where the kind's name says it all. */
static void detail_text(const struct fault *f, char *text, size_t room)
{
	struct scsi_sense s;

	text[0] = '\0';
	if (f->err)
		snprintf(text, room, "%s", strerror(f->err));
	else if (f->kind == FAULT_SHORT)
		snprintf(text, room, "%" PRIu32 " bytes did not move", f->resid_bytes);
	else if (fault_sense(f, &s) && (f->kind != FAULT_NONE || s.key))
		sense_text(f, &s, text, room);
	else if (f->kind == FAULT_SENSE)
		snprintf(text, room, "no usable sense");
	else if (f->scsi_status == 0x30)
		snprintf(text, room, "ACA active");
	else if (f->host_status && f->kind != FAULT_TIMEOUT)
		host_text(f, text, room);
	else if ((f->driver_status & 0x07) && f->kind != FAULT_TIMEOUT)
		snprintf(text, room, "driver status %u", f->driver_status);
	else if (f->kind == FAULT_OTHER)
		snprintf(text, room, "SCSI status %02xh", f->scsi_status);
}

char *fault_describe(const struct fault *f, char *text, size_t room)
{
	char detail[192], at[40] = "";

	assert(room > 0);
	detail_text(f, detail, sizeof(detail));
	if (f->info_valid)
		snprintf(at, sizeof(at), " at LBA %" PRIu64, f->info_lba);
	if (detail[0])
		snprintf(text, room, "%s%s (%s)", fault_kind_name(f->kind), at, detail);
	else
		snprintf(text, room, "%s%s", fault_kind_name(f->kind), at);
	return text;
}
