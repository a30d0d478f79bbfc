/* SPDX-License-Identifier: BSD-2-Clause */
/* One table row a kind: its words and its exit status. */
#include "fault.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "status.h"

static const struct {
	const char *name;
	int exit_status;
} kinds[] = {
	[FAULT_NONE] = { "no error", EXIT_OK },
	[FAULT_RECOVERED] = { "recovered error", EXIT_OK },
	[FAULT_NOT_READY] = { "not ready", EXIT_NOT_READY },
	[FAULT_STOPPED] = { "not ready, stopped", EXIT_NOT_READY },
	[FAULT_BECOMING_READY] = { "becoming ready", EXIT_NOT_READY },
	[FAULT_IN_PROGRESS] = { "not ready, operation in progress", EXIT_NOT_READY_BUSY },
	[FAULT_ERASING] = { "not ready, being erased or formatted", EXIT_NOT_READY_BUSY },
	[FAULT_MEDIUM] = { "medium error", EXIT_MEDIUM_HARD },
	[FAULT_HARDWARE] = { "hardware error", EXIT_MEDIUM_HARD },
	[FAULT_UNIT_FAILED] = { "unit failed", EXIT_MEDIUM_HARD },
	[FAULT_ILLEGAL_REQUEST] = { "illegal request", EXIT_ILLEGAL_REQUEST },
	[FAULT_INVALID_OPCODE] = { "command not supported", EXIT_INVALID_OPCODE },
	[FAULT_LBA_RANGE] = { "LBA out of range", EXIT_LBA_RANGE },
	[FAULT_UNIT_ATTENTION] = { "unit attention", EXIT_UNIT_ATTENTION },
	[FAULT_CAPACITY_CHANGED] = { "capacity changed", EXIT_UNIT_ATTENTION },
	[FAULT_DATA_PROTECT] = { "write protected", EXIT_DATA_PROTECT },
	[FAULT_ABORTED] = { "aborted command", EXIT_ABORTED_COMMAND },
	[FAULT_MISCOMPARE] = { "miscompare", EXIT_MISCOMPARE },
	[FAULT_PROTECTION] = { "protection information error", EXIT_PROTECTION },
	[FAULT_RESERVATION] = { "reservation conflict", EXIT_RESERVATION },
	[FAULT_BUSY] = { "busy", EXIT_BUSY },
	[FAULT_TASK_SET_FULL] = { "task set full", EXIT_TASK_SET_FULL },
	[FAULT_TIMEOUT] = { "timed out", EXIT_TIMEOUT },
	[FAULT_TRANSPORT] = { "transport error", EXIT_TRANSPORT },
	[FAULT_GONE] = { "device gone", EXIT_TRANSPORT },
	[FAULT_SHORT] = { "short transfer", EXIT_RESIDUAL },
	[FAULT_LANE_BUSY] = { "descriptor busy", EXIT_OS + EBUSY },
	[FAULT_NO_MEMORY] = { "no memory for the command", EXIT_OS + ENOMEM },
	[FAULT_UNMAPPABLE] = { "memory not usable for direct IO", EXIT_OS + EFAULT },
	[FAULT_OS] = { "system call failed", EXIT_OS },
	[FAULT_SENSE] = { "check condition", EXIT_SENSE },
	[FAULT_OTHER] = { "unknown error", EXIT_OTHER },
};

_Static_assert(ARRAY_SIZE(kinds) == FAULT_KINDS, "a row for each kind");

int fault_exit_status(const struct fault *f)
{
	assert((unsigned)f->kind < FAULT_KINDS);
	if (f->kind == FAULT_OS)
		return exit_status_from_errno(f->err);
	return kinds[f->kind].exit_status;
}

const char *fault_kind_name(enum fault_kind kind)
{
	assert((unsigned)kind < FAULT_KINDS);
	return kinds[kind].name;
}

void fault_from_errno(struct fault *f, int err)
{
	memset(f, 0, sizeof(*f));
	f->err = err;
	switch (err) {
	case ENODEV:
	case ENXIO:
	case ENOLINK: /* host status 0Fh, scsi_lib.c scsi_result_to_blk_status() */
		f->kind = FAULT_GONE;
		break;
	case EBUSY:
	case EDOM: /* 16 commands outstanding on the descriptor, sg.c sg_common_write() */
		f->kind = FAULT_LANE_BUSY;
		break;
	case ENOMEM: f->kind = FAULT_NO_MEMORY; break;
	case EFAULT: f->kind = FAULT_UNMAPPABLE; break;
	/* What the block layer makes of a disk's errors, block/blk-core.c blk_errors[]. */
	case ENODATA: f->kind = FAULT_MEDIUM; break;
	case EREMOTEIO: f->kind = FAULT_HARDWARE; break;
	case EBADE: f->kind = FAULT_RESERVATION; break;
	case ETIMEDOUT: f->kind = FAULT_TIMEOUT; break;
	default: f->kind = FAULT_OS; break;
	}
}
