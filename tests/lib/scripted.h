/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scripted sg driver. Programs linked with -Wl,--wrap=open,--wrap=ioctl,--wrap=mmap,--wrap=read,
 * --wrap=write (any test with "scripted" in its name) have these five calls compared with a list
 * of expected ones, and answered by it: for all that scsi_debug cannot be made to do. Calls of
 * other paths and descriptors pass through to the kernel.
 *
 * A scripted open() gives a real descriptor (of /dev/null), a scripted mmap() real memory: what
 * is closed and unmapped can be checked, and is, by script_end().
 */
#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H

#include <sys/types.h>

#include "../../core/base.h"

enum script_call {
	CALL_OPEN,  /* path, arg: flags */
	CALL_SET,   /* SG_SET_RESERVED_SIZE, arg: bytes */
	CALL_GET,   /* SG_GET_RESERVED_SIZE, answers value */
	CALL_LIMIT, /* BLKSECTGET, answers value */
	CALL_TABLE, /* SG_GET_SG_TABLESIZE, answers value */
	CALL_MMAP,  /* arg: length, prot */
	CALL_SG_IO, /* cmd, then reply */
	CALL_WRITE, /* cmd */
	CALL_READ,  /* reply */
};

#define SCRIPT_ANYWHERE ((const void *)-1)

/* A header as it must come in. */
struct script_cmd {
	uint8_t cdb[16];
	unsigned cdb_len;
	int direction; /* SG_DXFER_* */
	unsigned flags, len, timeout_ms;
	const void *dxferp; /* or SCRIPT_ANYWHERE */
	const void *sends;  /* len bytes that dxferp must hold; NULL: any */
};

/* What the driver puts into the header. */
struct script_reply {
	uint8_t status, sense[32];
	uint16_t host, driver;
	unsigned sense_len, info;
	int resid;
	const void *data; /* for READs and housekeeping: copied to dxferp, of data_len bytes */
	size_t data_len;
};

struct script_step {
	enum script_call call;
	const char *path; /* of open(); of the others, unless NULL, whose descriptor it must be */
	uint64_t arg;
	int prot;
	struct script_cmd cmd;
	int err;       /* the call fails with it; nothing else is looked at */
	ssize_t count; /* what read() and write() return; 0: all */
	int value;
	struct script_reply reply;
};

/* Calls are expected in that order from now on. n steps, which must outlive script_end(). */
void script_begin(const struct script_step *steps, size_t n);

/* Fails the test if a call is missing, or a descriptor or mapping is left. */
void script_end(void);

/* For programs that also want the ioctls of shared libraries: a definition of ioctl() calls it. */
int script_ioctl(int fd, unsigned long request, void *arg);

#endif
