/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages in sysfs go through the decoders that the sg node's go through, under the conditions
 * under which control.c asks for them. That the kernel read a page is that it was listed in page
 * 00h (drivers/scsi/scsi.c scsi_attach_vpd()).
 */
#include "unit.h"

#include <assert.h>
#include <stdio.h>

#include "../scsi/identify.h"

#define PAGE_MAX_BYTES 4096 /* control.c asks for no more */
#define LEVEL_SPC_2    5    /* include/scsi/scsi.h: from SPC-2 on VERSION and one */

static_assert(sizeof(((struct identity *)0)->lu_id_text) + sizeof("@18446744073709551615") <=
		      UNIT_TEXT_ROOM,
	"an id with a place behind fits");

typedef bool (*decode_fn)(struct identity *id, const uint8_t *data, size_t len);

static void take_page(const char *dir, const char *attr, decode_fn decode, struct identity *id)
{
	uint8_t page[PAGE_MAX_BYTES];
	size_t len = node_read_bytes(dir, attr, page, sizeof(page));

	(void)!decode(id, page, len); /* false: it stays "not told" */
}

/* Some drivers have the kernel ask older units as well, but control.c never does. */
static bool is_asked(const char *dir)
{
	long level;

	return node_read_long(dir, "scsi_level", &level) == 0 && level >= LEVEL_SPC_2;
}

static bool has_place(const struct node *n)
{
	return n->sysfs[0] && !(n->is_part && n->part_bytes == NODE_PART_UNKNOWN);
}

static void set_text(const struct node *n, const char *of_unit, char text[UNIT_TEXT_ROOM])
{
	if (n->is_part && of_unit[0])
		(void)snprintf(text, UNIT_TEXT_ROOM, "%s@%llu", of_unit,
			(unsigned long long)n->part_bytes);
	else
		(void)snprintf(text, UNIT_TEXT_ROOM, "%s", of_unit);
}

void unit_texts(const struct node *n, struct unit_texts *texts)
{
	struct identity id;

	identity_init(&id);
	if (has_place(n) && is_asked(n->sysfs)) {
		take_page(n->sysfs, "vpd_pg80", identify_vpd_serial, &id);
		take_page(n->sysfs, "vpd_pg83", identify_vpd_device_id, &id);
	}
	set_text(n, id.serial, texts->serial);
	set_text(n, id.lu_id_text, texts->id);
}
