/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which disk it is: INQUIRY, VPD pages 80h 83h B0h B1h B2h, READ CAPACITY(10/16) and MODE SENSE
 * decoded. Pure: bytes in, facts out. Bytes come from devices and are not trusted: every length is
 * checked against what arrived.
 */
#ifndef SCSI_IDENTIFY_H
#define SCSI_IDENTIFY_H

#include "../core/base.h"

#define IDENTITY_LU_ID_MAX 64

struct identity {
	/* standard INQUIRY, SPC-5 6.7.2 */
	int type;    /* peripheral device type: 0 disk, 1 tape, 20 (14h) zoned; -1 unknown
		      * or no unit there (peripheral qualifier not 0) */
	int version; /* 3 SPC, 4 SPC-2, 5 SPC-3, 6 SPC-4, 7 SPC-5 */
	bool removable;
	char vendor[9], model[17], revision[5]; /* trailing blanks cut, control bytes '?' */
	char serial[65];			/* VPD 80h, blanks cut; "" if not told */
	/* VPD 83h: the designator of the logical unit, NAA before EUI-64 before UUID and SCSI name
	 * before T10 vendor id; SPC-5 7.7.6 */
	uint8_t lu_id[IDENTITY_LU_ID_MAX];
	unsigned lu_id_len;			     /* 0: not told */
	char lu_id_text[2 * IDENTITY_LU_ID_MAX + 1]; /* lower-case hex */
	/* READ CAPACITY, SBC-4 5.16, 5.17 */
	uint64_t blocks; /* 0: not told */
	uint32_t block_bytes;
	uint32_t phys_block_bytes;
	int protection_type; /* 0: none, 1..3 */
	bool lbpme;	     /* READ CAPACITY(16): blocks can be unmapped */
	bool lbprz;	     /* READ CAPACITY(16): unmapped blocks read as zeros */
	/* VPD B0h, SBC-4 6.6.3 */
	uint32_t max_xfer_blk;		/* MAXIMUM TRANSFER LENGTH; 0: not told */
	uint32_t opt_xfer_blk;		/* OPTIMAL TRANSFER LENGTH; 0: not told */
	uint32_t max_unmap_blk;		/* MAXIMUM UNMAP LBA COUNT; 0: no UNMAP */
	uint32_t max_unmap_descriptors; /* 0: no UNMAP */
	uint32_t unmap_grain_blk;	/* OPTIMAL UNMAP GRANULARITY; 0: not told */
	uint32_t unmap_align_blk;	/* the LBA where the first granule begins; 0 if not told */
	uint64_t max_write_same_blk;	/* 0: not told */
	/* VPD B1h */
	int zoned; /* ZONED field; type 14h is host-managed by itself */
	/* VPD B2h */
	bool lbpu;	       /* UNMAP unmaps */
	bool lbpws, lbpws10;   /* WRITE SAME(16), WRITE SAME(10) with its UNMAP bit unmaps */
	unsigned lbprz_by_vpd; /* what unmapped blocks read as: odd: zeros, 2: a pattern, 0: not
				  told */
	/* MODE SENSE header */
	bool write_protected; /* WP bit, SBC-4 6.4.1 */
};

void identity_init(struct identity *id);

/* The page codes a VPD page 00h lists. pages must have room for 256. False: as below. */
bool identify_vpd_list(bool pages[256], const uint8_t *data, size_t len) MUST_CHECK;

/* How long the VPD page that begins with these bytes is by its own account; 0 if not that page. */
size_t identify_vpd_length(uint8_t page, const uint8_t *data, size_t len);

/* Each takes what one command returned; false where it is too short or not the page asked. */
bool identify_inquiry(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
bool identify_vpd_serial(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
bool identify_vpd_device_id(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
bool identify_vpd_limits(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
bool identify_vpd_characteristics(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
bool identify_vpd_provisioning(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
/* False also where the answer is ffffffffh: READ CAPACITY(16) has to be asked. After true, blocks
 * times block_bytes fits in 64 bits and neither is 0. */
bool identify_capacity10(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
bool identify_capacity16(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
/* The header of MODE SENSE(6)'s or MODE SENSE(10)'s reply. */
bool identify_mode6(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;
bool identify_mode10(struct identity *id, const uint8_t *data, size_t len) MUST_CHECK;

/*
 * True when both are the same logical unit: the same designator and, where both tell one, the same
 * serial number. (Some makers give one WWN to many units, so the designator alone does not do; and
 * where neither has a designator, equal vendor, model and non-empty serial do.)
 */
bool identity_same_unit(const struct identity *a, const struct identity *b);

/* "VENDOR MODEL REV serial SERIAL": for people. Returns text. */
char *identity_text(const struct identity *id, char *text, size_t room);

#endif
