/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk through the Linux SCSI generic driver, version 3 interface (drivers/scsi/sg.c).
 */
#ifndef ENDPOINTS_SG_H
#define ENDPOINTS_SG_H

#include "../scsi/identify.h"
#include "endpoint.h"
#include "node.h"

struct sg_params {
	const char *name;	 /* as the user gave it; must outlive the endpoint */
	const struct node *node; /* NODE_SG, or with END_SGIO NODE_BLOCK_SCSI; copied */
	enum end_role role;
	unsigned flags;	     /* enum end_flags: DPO, FUA, EXCL, FLOCK, SGIO are acted on */
	unsigned timeout_ms; /* of housekeeping commands */
};

/*
 * Opens the node for housekeeping, waits until the unit is ready, reads who it is, and refuses what
 * is not a disk, has no usable capacity or (as a destination) is write-protected or zoned
 * host-managed. A source is opened O_RDONLY here; its data lanes are O_RDONLY too unless IO_RW
 * needs write(2) on the descriptor.
 *
 * NULL with the reason said and *exit_status set. Main thread. Signals should be blocked.
 */
struct endpoint *sg_open(const struct sg_params *p, int *exit_status) MUST_CHECK;

/* Of an endpoint that sg_open() made; they live as long as it does. */
const struct node *sg_node(const struct endpoint *ep);
const struct identity *sg_identity(const struct endpoint *ep);

#endif
