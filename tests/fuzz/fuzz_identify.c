/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as any page: nothing is read past them, and what was taken keeps its promises. */
#include <stdlib.h>
#include <string.h>

#include "../../scsi/trim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void is_text(const char *text, size_t room)
{
	size_t i, len = strnlen(text, room);

	must(len < room);
	for (i = 0; i < len; i++)
		must((uint8_t)text[i] >= 0x20 && (uint8_t)text[i] < 0x7f);
}

static void take_all(struct identity *id, const uint8_t *data, size_t size)
{
	bool pages[256];

	(void)!identify_inquiry(id, data, size);
	(void)!identify_vpd_list(pages, data, size);
	(void)!identify_vpd_serial(id, data, size);
	(void)!identify_vpd_device_id(id, data, size);
	(void)!identify_vpd_limits(id, data, size);
	(void)!identify_vpd_characteristics(id, data, size);
	(void)!identify_vpd_provisioning(id, data, size);
	(void)!identify_mode6(id, data, size);
	(void)!identify_mode10(id, data, size);
}

static void capacity_fits(const struct identity *id, bool taken)
{
	uint64_t bytes;

	if (taken)
		must(id->blocks && id->block_bytes &&
			checked_mul(id->blocks, id->block_bytes, &bytes));
}

static void trim_keeps_its_limits(const struct identity *id)
{
	struct trim_how how;

	if (!id->block_bytes)
		return;
	how = trim_choose(id);
	must((how.command == TRIM_NONE) == (how.max_blocks == 0));
	must((how.command == TRIM_NONE) == (how.grain_blocks == 0));
	must(how.command != TRIM_WRITE_SAME_10 || how.max_blocks <= UINT16_MAX);
}

/* What it calls unmapped in one go, it does in parts as well. */
static void status_is_consistent(const uint8_t *data, size_t size)
{
	if (trim_is_unmapped(data, size, 8, 64)) {
		must(trim_is_unmapped(data, size, 8, 1));
		must(trim_is_unmapped(data, size, 8, 63));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *page =
		malloc(size + !size); /* its own piece of memory: ASan sees a byte too far */
	struct identity id;
	char text[160];

	if (!page)
		return 0;
	if (size)
		memcpy(page, data, size);
	identity_init(&id);
	take_all(&id, page, size);
	is_text(id.vendor, sizeof(id.vendor));
	is_text(id.model, sizeof(id.model));
	is_text(id.revision, sizeof(id.revision));
	is_text(id.serial, sizeof(id.serial));
	must(id.lu_id_len <= IDENTITY_LU_ID_MAX);
	must(strlen(id.lu_id_text) == 2 * (size_t)id.lu_id_len);
	is_text(identity_text(&id, text, sizeof(text)), sizeof(text));
	must(!id.lu_id_len || identity_same_unit(&id, &id));
	capacity_fits(&id, identify_capacity10(&id, page, size));
	capacity_fits(&id, identify_capacity16(&id, page, size));
	trim_keeps_its_limits(&id);
	status_is_consistent(page, size);
	free(page);
	return 0;
}
