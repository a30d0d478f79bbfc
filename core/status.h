/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exit statuses: sg3_utils' table (sg3_utils(8), EXIT STATUS), so that scripts written for
 * sgm_dd and its kin read ours. The first error of a run decides; lost blocks never end in 0.
 */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

enum exit_status {
	EXIT_OK = 0,
	EXIT_SYNTAX = 1,
	EXIT_NOT_READY = 2,
	EXIT_MEDIUM_HARD = 3,
	EXIT_ILLEGAL_REQUEST = 5,
	EXIT_UNIT_ATTENTION = 6,
	EXIT_DATA_PROTECT = 7,
	EXIT_INVALID_OPCODE = 9,
	EXIT_ABORTED_COMMAND = 11,
	EXIT_MISCOMPARE = 14,
	EXIT_FILE = 15,		  /* cannot open, in use, not a device of the right kind */
	EXIT_NOT_READY_BUSY = 16, /* format, self-test, sanitize in progress */
	EXIT_LBA_RANGE = 22,
	EXIT_RESERVATION = 24,
	EXIT_BUSY = 26,
	EXIT_TASK_SET_FULL = 27,
	EXIT_CONTRADICT = 31, /* each operand is well formed, together they make no sense */
	EXIT_LOGIC = 32,
	EXIT_TIMEOUT = 33,
	EXIT_TRANSPORT = 35, /* host adapter or link error, device gone */
	EXIT_PROTECTION = 40,
	EXIT_FLOCK = 47,
	EXIT_RESIDUAL = 49, /* status GOOD, fewer bytes moved than asked */
	EXIT_OS = 50,	    /* + errno, up to 96 */
	EXIT_SENSE = 98,
	EXIT_OTHER = 99,
	EXIT_SIGNAL = 128, /* + signal number */
};

/* EXIT_OS + err where that stays within the table, EXIT_OS where it does not. */
static inline int exit_status_from_errno(int err)
{
	return err > 0 && err <= 46 ? EXIT_OS + err : EXIT_OS;
}

#endif
