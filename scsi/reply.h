/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a SCSI reply means. A command is good only if the status, the host status and the driver
 * status are clean and the residual is 0: a short transfer comes back GOOD with a residual, and on
 * a failure the residual means nothing. Words come from libsgutils2.
 */
#ifndef SCSI_REPLY_H
#define SCSI_REPLY_H

#include "../core/base.h"
#include "../core/fault.h"

/* A reply as the sg driver's header (or libsgutils2's pass-through object) gives it. */
struct scsi_reply {
	uint8_t scsi_status;
	uint16_t host_status;
	uint16_t driver_status;
	const uint8_t *sense;
	unsigned sense_len;
	int resid_bytes; /* bytes not moved; negative is a driver's nonsense */
};

/* The transfer the reply is about. */
struct scsi_asked {
	uint64_t lba;
	uint32_t blocks; /* 0: a command without an LBA range */
	uint32_t len_bytes;
};

/* Key, additional sense code and qualifier, from fixed or descriptor format alike; SPC-5 4.4. */
struct scsi_sense {
	uint8_t key, asc, ascq;
	bool deferred; /* about an earlier command; this one was not executed (SPC-5 4.4.7) */
};

/* False where there is no sense, or none in a format SPC knows. */
bool scsi_sense_decode(const uint8_t *sense, size_t len, struct scsi_sense *out) MUST_CHECK;

/* The same of a fault's sense. */
bool fault_sense(const struct fault *f, struct scsi_sense *out) MUST_CHECK;

/*
 * The unit was switched on or reset: ASC 29h, SPC-5 annex F. What was in its write cache may be
 * lost. It says so once, to whichever command comes first.
 */
bool fault_is_reset(const struct fault *f);

/*
 * The length that was asked for was wrong (ILI): *excess_bytes more than the right one, SBC-4 5.15
 * READ LONG. False where the sense does not say so.
 */
bool fault_wrong_length(const struct fault *f, int64_t *excess_bytes) MUST_CHECK;

/*
 * How far the operation is that keeps the unit from being ready, in 1/65536ths; SPC-5 4.4.2.4.6
 * (its progress indication). False where the sense does not say so.
 */
bool fault_progress(const struct fault *f, unsigned *progress) MUST_CHECK;

/*
 * Fills in *f; *done_bytes is the count of bytes known to be good: all of them, those before the
 * residual, or 0. INFORMATION of the sense is believed only if VALID is set and it lies in the
 * asked range (scsi_debug and some drives report others). Deferred errors (response codes 71h, 73h)
 * concern an earlier write: kind is what the sense says, f->deferred is set. Where that write is
 * good after all (recovered error, no sense, completed) it is not set, and kind is FAULT_ABORTED,
 * for a command that answers so was not executed itself.
 *
 * A negative residual is answered as if nothing had moved. A command without an LBA range that may
 * come back shorter (INQUIRY) is FAULT_SHORT with the bytes that came in *done_bytes.
 */
void scsi_judge(const struct scsi_reply *r, const struct scsi_asked *asked, struct fault *f,
	uint32_t *done_bytes);

/*
 * "medium error at LBA 4660 (3/11/00 unrecovered read error)", "timed out", "device gone (host
 * status 1, no connect)": one line, printable whatever the device sent. room > 0. Returns text.
 */
char *fault_describe(const struct fault *f, char *text, size_t room);

#endif
