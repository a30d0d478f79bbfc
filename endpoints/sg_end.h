/* SPDX-License-Identifier: BSD-2-Clause */
/* What sg.c (the lanes) and sg_end.c (the end as a whole) share. Nobody else includes this. */
#ifndef ENDPOINTS_SG_END_H
#define ENDPOINTS_SG_END_H

#include <pthread.h>

#include "../scsi/cdb.h"
#include "../scsi/trim.h"
#include "sg.h"

/* Newer than glibc's <scsi/sg.h>; values from the kernel's include/scsi/sg.h. */
#define SGM_FLAG_MMAP_IO   4
#define SGM_FLAG_Q_AT_TAIL 0x10

struct sg_end {
	struct endpoint ep; /* first */
	struct node node;
	const char *path; /* opened for housekeeping and data: ep.name, or the sg node of that block
			   * node (END_SGIO) */
	struct identity id;
	char identity_text[160];
	int control_fd;
	int block_fd; /* VIA_BLOCK: one for all lanes (SG_IO there keeps no state); -1 until used */
	unsigned flags;
	unsigned timeout_ms;
	_Atomic unsigned cdb_bytes; /* of the last lane that chose, 0 before lane_open() */
	enum cdb_op op;		    /* of the run's commands, from lane_open() on */
	struct trim_how trim;
	uint8_t *zero_block;	      /* what WRITE SAME sends; NULL where it is not used */
	pthread_mutex_t control_lock; /* one command of a worker on control_fd at a time */
	bool start_failed;	      /* with that lock */
	_Atomic bool trim_refused;    /* the unit does not know the command it claims to have */
};

/*
 * A data descriptor with a reserved buffer of at least len_bytes rounded up to a page, or what the
 * driver grants: *granted_bytes, whole pages. for_write: opened O_RDWR. -1 with errno; says
 * nothing.
 */
int sg_data_open(const struct sg_end *end, bool for_write, uint32_t len_bytes,
	uint32_t *granted_bytes) MUST_CHECK;

/* XFER_TRIM: sg_trim.c. set_up fills in the facts of a destination: 0, or -1 with errno ENOMEM. */
int sg_trim_set_up(struct sg_end *end) MUST_CHECK;
void sg_trim(struct sg_end *end, struct xfer *x); /* any thread */

/* The operations of the lanes, endpoints/endpoint.h. */
struct lane *sg_lane_open(struct endpoint *ep, const struct lane_spec *spec);
void sg_lane_close(struct lane *lane);
enum xfer_state sg_submit(struct lane *lane, struct xfer *x);
void sg_reap(struct lane *lane, struct xfer *x);

#endif
