/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which unit the bytes of a block node are of, without a question to the unit: the kernel keeps
 * what it answered when it was found (vpd_pg80, vpd_pg83 of the SCSI device, drivers/scsi/
 * scsi_sysfs.c).
 */
#ifndef ENDPOINTS_UNIT_H
#define ENDPOINTS_UNIT_H

#include "node.h"

/* The longest of struct identity, and "@" with a number. */
#define UNIT_TEXT_ROOM 160

/* "" where not told. */
struct unit_texts {
	char serial[UNIT_TEXT_ROOM], id[UNIT_TEXT_ROOM];
};

/*
 * Of a whole disk: serial and lu_id_text of struct identity, byte for byte what sg_identity() has
 * through its sg node. Of a partition the same and behind each "@" and the byte of the disk that
 * it begins at, for it is a source of its own: its byte 0 is another one than that of the disk,
 * or of the partition beside it, which may be just as long.
 *
 * Of a node that leads to no SCSI device, of one that the kernel did not ask (USB disks for the
 * most part), or without sysfs: nothing.
 */
void unit_texts(const struct node *n, struct unit_texts *texts);

#endif
