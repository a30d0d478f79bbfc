/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On a made-up sysfs, with the pages that scsi_debug has. What is told is compared with what the
 * same pages tell that come as replies to INQUIRY.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../endpoints/unit.h"
#include "../../scsi/identify.h"
#include "../lib/tree.h"

#define DIR "devices/0:0:0:0"

static const uint8_t serial_page[] = { 0, 0x80, 0, 4, '2', '0', '0', '0' };

/* T10 vendor id, relative port, NAA of the unit and of the port, group, NAA and name of the target
 */
static const uint8_t id_page[] = { 0, 0x83, 0, 0x6c, 2, 1, 0, 0x1c, 'L', 'i', 'n', 'u', 'x', ' ',
	' ', ' ', 's', 'c', 's', 'i', '_', 'd', 'e', 'b', 'u', 'g', ' ', ' ', ' ', ' ', ' ', ' ',
	'2', '0', '0', '0', 1, 3, 0, 8, 0x33, 0x33, 0x33, 0x30, 0, 0, 0x07, 0xd0, 0x61, 0x94, 0, 4,
	0, 0, 0, 1, 0x61, 0x93, 0, 8, 0x32, 0x22, 0x22, 0x20, 0, 0, 0x07, 0xcf, 0x61, 0x95, 0, 4, 0,
	0, 1, 0, 0x61, 0xa3, 0, 8, 0x32, 0x22, 0x22, 0x20, 0, 0, 0x07, 0xce, 0x63, 0xa8, 0, 12, 'n',
	'a', 'a', '.', '3', '2', '2', '2', '2', '2', '2', '0' };

struct fixture {
	struct tree tree;
	struct node node;
};

static int set_up(void **state)
{
	static struct fixture f;

	tree_make(&f.tree);
	tree_scsi(&f.tree, "0:0:0:0", 0, 1);
	tree_file(&f.tree, DIR "/scsi_level", "8\n");
	tree_bytes(&f.tree, DIR "/vpd_pg80", serial_page, sizeof(serial_page));
	tree_bytes(&f.tree, DIR "/vpd_pg83", id_page, sizeof(id_page));
	f.node = (struct node){ .kind = NODE_BLOCK_SCSI };
	(void)snprintf(f.node.sysfs, sizeof(f.node.sysfs), "%.*s/" DIR, PATH_MAX - 64, f.tree.root);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	tree_drop(&f->tree);
	return 0;
}

static void expect(const struct fixture *f, const char *serial, const char *id)
{
	struct unit_texts texts;

	memset(&texts, 0xa5, sizeof(texts));
	unit_texts(&f->node, &texts);
	assert_string_equal(texts.serial, serial);
	assert_string_equal(texts.id, id);
}

static void a_disk_tells_what_its_sg_node_tells(void **state)
{
	struct identity id;

	identity_init(&id);
	assert_true(identify_vpd_serial(&id, serial_page, sizeof(serial_page)));
	assert_true(identify_vpd_device_id(&id, id_page, sizeof(id_page)));
	assert_string_equal(id.lu_id_text, "33333330000007d0");
	expect(*state, id.serial, id.lu_id_text);
}

static void a_partition_is_a_source_of_its_own(void **state)
{
	struct fixture *f = *state;

	f->node.is_part = true;
	f->node.part_bytes = 1048576;
	expect(f, "2000@1048576", "33333330000007d0@1048576");
	f->node.part_bytes = 0;
	expect(f, "2000@0", "33333330000007d0@0");
	f->node.part_bytes = NODE_PART_UNKNOWN;
	expect(f, "", "");
}

static void what_is_not_told_has_no_place_either(void **state)
{
	struct fixture *f = *state;

	f->node.is_part = true;
	f->node.part_bytes = 512;
	tree_file(&f->tree, DIR "/vpd_pg80", "");
	expect(f, "", "33333330000007d0@512");
}

static void the_longest_texts_fit(void **state)
{
	struct fixture *f = *state;
	uint8_t page[8 + IDENTITY_LU_ID_MAX] = { 0, 0x83, 0, 4 + IDENTITY_LU_ID_MAX, 3, 8, 0,
		IDENTITY_LU_ID_MAX };
	char id[UNIT_TEXT_ROOM];

	memset(page + 8, 0xab, IDENTITY_LU_ID_MAX);
	for (size_t i = 0; i < IDENTITY_LU_ID_MAX; i++)
		memcpy(id + 2 * i, "ab", 2);
	strcpy(id + 2 * (size_t)IDENTITY_LU_ID_MAX, "@18446744073709551104");
	tree_bytes(&f->tree, DIR "/vpd_pg83", page, sizeof(page));
	f->node.is_part = true;
	f->node.part_bytes = UINT64_MAX - 511;
	expect(f, "2000@18446744073709551104", id);
}

static void what_the_kernel_did_not_ask_is_not_told(void **state)
{
	struct fixture *f = *state;

	tree_scsi(&f->tree, "0:0:0:1", 0, 2);
	f->node.sysfs[strlen(f->node.sysfs) - 1] = '1';
	expect(f, "", "");
	tree_file(&f->tree, "devices/0:0:0:1/scsi_level", "8\n");
	expect(f, "", "");
	f->node.sysfs[0] = '\0';
	expect(f, "", "");
}

static void a_unit_that_its_sg_node_does_not_ask_tells_nothing(void **state)
{
	struct fixture *f = *state;

	tree_file(&f->tree, DIR "/scsi_level", "5\n");
	expect(f, "2000", "33333330000007d0");
	tree_file(&f->tree, DIR "/scsi_level", "4\n");
	expect(f, "", "");
}

static void a_page_that_is_none_tells_nothing(void **state)
{
	struct fixture *f = *state;

	tree_bytes(&f->tree, DIR "/vpd_pg80", id_page, sizeof(id_page));
	tree_bytes(&f->tree, DIR "/vpd_pg83", id_page, 3);
	expect(f, "", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_tells_what_its_sg_node_tells),
		TEST(a_partition_is_a_source_of_its_own),
		TEST(what_is_not_told_has_no_place_either),
		TEST(the_longest_texts_fit),
		TEST(what_the_kernel_did_not_ask_is_not_told),
		TEST(a_unit_that_its_sg_node_does_not_ask_tells_nothing),
		TEST(a_page_that_is_none_tells_nothing),
	};

	return cmocka_run_group_tests_name("unit", tests, NULL, NULL);
}
