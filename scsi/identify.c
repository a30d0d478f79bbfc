/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes what a unit says of itself. A page may be shorter than its own length field claims (a
 * small allocation length, a liar) or longer; the smaller of the two bounds every access.
 */
#include "identify.h"

#include <stdio.h>
#include <string.h>

#include "be.h"

#define INQUIRY_MIN 36
#define VPD_HEADER  4

void identity_init(struct identity *id)
{
	memset(id, 0, sizeof(*id));
	id->type = -1;
}

static bool is_padding(uint8_t c)
{
	return c == ' ' || c == '\0';
}

/* Blanks and NULs at both ends go (SAT right-aligns serial numbers); what is not ASCII is '?'. */
static void take_text(char *text, size_t room, const uint8_t *data, size_t len)
{
	size_t i;

	for (; len && is_padding(data[len - 1]); len--)
		;
	for (; len && is_padding(data[0]); len--)
		data++;
	for (i = 0; i < len && i + 1 < room; i++)
		text[i] = data[i] >= 0x20 && data[i] < 0x7f ? (char)data[i] : '?';
	text[i] = '\0';
}

bool identify_inquiry(struct identity *id, const uint8_t *data, size_t len)
{
	if (len < INQUIRY_MIN || data[4] < INQUIRY_MIN - 5)
		return false;
	id->type = data[0] >> 5 ? -1 : data[0] & 0x1f;
	id->removable = data[1] & 0x80;
	id->version = data[2];
	take_text(id->vendor, sizeof(id->vendor), data + 8, 8);
	take_text(id->model, sizeof(id->model), data + 16, 16);
	take_text(id->revision, sizeof(id->revision), data + 32, 4);
	return true;
}

size_t identify_vpd_length(uint8_t page, const uint8_t *data, size_t len)
{
	/* A unit that ignores EVPD answers with standard INQUIRY data: the page code is not there.
	 */
	if (len < VPD_HEADER || data[1] != page)
		return 0;
	return VPD_HEADER + (size_t)get_be16(data + 2);
}

/* Bytes of the page that are there to be read; 0 if it is another page. */
static size_t vpd_usable(uint8_t page, const uint8_t *data, size_t len)
{
	return (size_t)min_u64(len, identify_vpd_length(page, data, len));
}

bool identify_vpd_list(bool pages[256], const uint8_t *data, size_t len)
{
	size_t i, end = vpd_usable(0x00, data, len);

	memset(pages, 0, 256 * sizeof(*pages));
	for (i = VPD_HEADER; i < end; i++)
		pages[data[i]] = true;
	return end > 0;
}

bool identify_vpd_serial(struct identity *id, const uint8_t *data, size_t len)
{
	size_t end = vpd_usable(0x80, data, len);

	if (!end)
		return false;
	take_text(id->serial, sizeof(id->serial), data + VPD_HEADER, end - VPD_HEADER);
	return true;
}

/* Which designator to prefer, SPC-5 7.7.6.2; 0: none of those that tell units apart. */
static unsigned designator_rank(const uint8_t *d)
{
	bool of_unit = (d[1] & 0x30) == 0;

	if (!of_unit)
		return 0;
	switch (d[1] & 0x0f) {
	case 0x3: return 4; /* NAA */
	case 0x2: return 3; /* EUI-64 */
	case 0x8:	    /* SCSI name string */
	case 0xa: return 2; /* UUID */
	case 0x1: return 1; /* T10 vendor id */
	default: return 0;
	}
}

static bool all_zero(const uint8_t *data, size_t len)
{
	while (len && !data[len - 1])
		len--;
	return len == 0;
}

static void take_designator(struct identity *id, const uint8_t *d)
{
	size_t i;

	id->lu_id_len = d[3];
	memcpy(id->lu_id, d + 4, d[3]);
	for (i = 0; i < id->lu_id_len; i++)
		snprintf(id->lu_id_text + 2 * i, 3, "%02x", id->lu_id[i]);
}

bool identify_vpd_device_id(struct identity *id, const uint8_t *data, size_t len)
{
	size_t at, end = vpd_usable(0x83, data, len);
	unsigned rank, best = 0;

	if (!end)
		return false;
	for (at = VPD_HEADER; at + 4 <= end; at += 4 + (size_t)data[at + 3]) {
		if (at + 4 + data[at + 3] > end || data[at + 3] > IDENTITY_LU_ID_MAX)
			continue;
		rank = designator_rank(data + at);
		if (rank <= best || all_zero(data + at + 4, data[at + 3]))
			continue;
		best = rank;
		take_designator(id, data + at);
	}
	return true;
}

/* What the page has had since SBC-3. */
static void take_unmap_limits(struct identity *id, const uint8_t *data)
{
	bool aligned = data[32] & 0x80; /* UGAVALID */

	id->max_unmap_blk = get_be32(data + 20);
	id->max_unmap_descriptors = get_be32(data + 24);
	id->unmap_grain_blk = get_be32(data + 28);
	id->unmap_align_blk = aligned ? get_be32(data + 32) & 0x7fffffff : 0;
	id->max_write_same_blk = get_be64(data + 36);
}

bool identify_vpd_limits(struct identity *id, const uint8_t *data, size_t len)
{
	size_t end = vpd_usable(0xb0, data, len);

	if (end < 16)
		return false;
	id->max_xfer_blk = get_be32(data + 8);
	id->opt_xfer_blk = get_be32(data + 12);
	if (end >= 44)
		take_unmap_limits(id, data);
	return true;
}

bool identify_vpd_characteristics(struct identity *id, const uint8_t *data, size_t len)
{
	if (vpd_usable(0xb1, data, len) < 9)
		return false;
	id->zoned = data[8] >> 4 & 0x3;
	return true;
}

bool identify_vpd_provisioning(struct identity *id, const uint8_t *data, size_t len)
{
	if (vpd_usable(0xb2, data, len) < 6)
		return false;
	id->lbpu = data[5] & 0x80;
	id->lbpws = data[5] & 0x40;
	id->lbpws10 = data[5] & 0x20;
	id->lbprz_by_vpd = data[5] >> 2 & 0x7;
	return true;
}

static bool take_capacity(struct identity *id, uint64_t last_lba, uint32_t block_bytes)
{
	uint64_t blocks, bytes;

	if (!block_bytes || !checked_add(last_lba, 1, &blocks) ||
		!checked_mul(blocks, block_bytes, &bytes))
		return false;
	id->blocks = blocks;
	id->block_bytes = block_bytes;
	return true;
}

bool identify_capacity10(struct identity *id, const uint8_t *data, size_t len)
{
	if (len < 8 || get_be32(data) == UINT32_MAX)
		return false;
	return take_capacity(id, get_be32(data), get_be32(data + 4));
}

bool identify_capacity16(struct identity *id, const uint8_t *data, size_t len)
{
	uint64_t phys_bytes;

	if (len < 12)
		return false;
	if (!take_capacity(id, get_be64(data), get_be32(data + 8)))
		return false;
	if (len < 14) /* READ CAPACITY(16) before SBC-3 may end there */
		return true;
	id->protection_type = data[12] & 0x01 ? (data[12] >> 1 & 0x7) + 1 : 0;
	phys_bytes = (uint64_t)id->block_bytes << (data[13] & 0x0f);
	id->phys_block_bytes = phys_bytes <= UINT32_MAX ? (uint32_t)phys_bytes : 0;
	if (len > 14) {
		id->lbpme = data[14] & 0x80;
		id->lbprz = data[14] & 0x40;
	}
	return true;
}

bool identify_mode6(struct identity *id, const uint8_t *data, size_t len)
{
	if (len < 4)
		return false;
	id->write_protected = data[2] & 0x80;
	return true;
}

bool identify_mode10(struct identity *id, const uint8_t *data, size_t len)
{
	if (len < 8)
		return false;
	id->write_protected = data[3] & 0x80;
	return true;
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a, b);
}

bool identity_same_unit(const struct identity *a, const struct identity *b)
{
	bool serials = a->serial[0] && b->serial[0];

	if (a->lu_id_len != b->lu_id_len)
		return false;
	if (a->lu_id_len)
		return !memcmp(a->lu_id, b->lu_id, a->lu_id_len) &&
		       (!serials || same_text(a->serial, b->serial));
	return serials && same_text(a->serial, b->serial) && same_text(a->vendor, b->vendor) &&
	       same_text(a->model, b->model);
}

char *identity_text(const struct identity *id, char *text, size_t room)
{
	snprintf(text, room, "%s%s%s%s%s%s%s", id->vendor, id->vendor[0] ? " " : "", id->model,
		id->model[0] && id->revision[0] ? " " : "", id->revision,
		id->serial[0] ? " serial " : "", id->serial);
	return text;
}
