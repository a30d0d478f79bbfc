/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What went wrong with one transfer, as a value: made where the reply is judged, passed up,
 * decided on by policy, printed only by whoever reports. A transfer is good when kind is
 * FAULT_NONE or FAULT_RECOVERED (the data are valid, the device had to try hard).
 */
#ifndef CORE_FAULT_H
#define CORE_FAULT_H

#include "base.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_RECOVERED,
	FAULT_NOT_READY,
	FAULT_STOPPED,	      /* not ready: waits for START STOP UNIT */
	FAULT_BECOMING_READY, /* not ready, and will be by itself */
	FAULT_IN_PROGRESS,    /* not ready: self-test, rebuild, another operation of its own */
	FAULT_ERASING,	      /* not ready: format, sanitize: what it held is being lost */
	FAULT_MEDIUM,
	FAULT_HARDWARE,
	FAULT_UNIT_FAILED, /* medium or hardware error that is none of these blocks alone */
	FAULT_ILLEGAL_REQUEST,
	FAULT_INVALID_OPCODE,
	FAULT_LBA_RANGE,
	FAULT_UNIT_ATTENTION,
	FAULT_CAPACITY_CHANGED, /* unit attention 2A/09: not the disk that was planned for */
	FAULT_DATA_PROTECT,
	FAULT_ABORTED,
	FAULT_MISCOMPARE,
	FAULT_PROTECTION, /* protection information did not match */
	FAULT_RESERVATION,
	FAULT_BUSY,
	FAULT_TASK_SET_FULL,
	FAULT_TIMEOUT,
	FAULT_TRANSPORT,
	FAULT_GONE,	  /* the device was removed, or there is no way to it for the moment */
	FAULT_SHORT,	  /* status GOOD, residual not 0 */
	FAULT_LANE_BUSY,  /* the driver still holds this descriptor's buffer or slot */
	FAULT_NO_MEMORY,  /* the driver found no memory for the command */
	FAULT_UNMAPPABLE, /* direct IO: the memory cannot be pinned */
	FAULT_OS,	  /* any other errno */
	FAULT_SENSE,	  /* CHECK CONDITION that says nothing usable */
	FAULT_OTHER,
	FAULT_KINDS
};

#define FAULT_SENSE_MAX 64

struct fault {
	enum fault_kind kind;
	int err;		/* errno, where a system call failed, else 0 */
	uint32_t resid_bytes;	/* meaningful for FAULT_SHORT only (worthless on failures) */
	uint8_t scsi_status;	/* SAM status byte */
	uint8_t sense_len;	/* 0: no sense */
	uint16_t host_status;	/* DID_* */
	uint16_t driver_status; /* DRIVER_*; 8 only says that there is sense */
	bool info_valid;	/* the sense names the failing LBA, inside the transfer */
	bool deferred;		/* the sense is about an earlier command, which failed */
	uint64_t info_lba;
	uint8_t sense[FAULT_SENSE_MAX];
};

/* The exit status that f stands for, core/status.h. */
int fault_exit_status(const struct fault *f);

/* A few words for the kind: "medium error". Never NULL. */
const char *fault_kind_name(enum fault_kind kind);

static inline bool fault_is_good(const struct fault *f)
{
	return f->kind == FAULT_NONE || f->kind == FAULT_RECOVERED;
}

/* f becomes what errno err means for a system call that carried a transfer. */
void fault_from_errno(struct fault *f, int err);

#endif
