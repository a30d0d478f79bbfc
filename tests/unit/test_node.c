/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On a made-up sysfs. Device nodes cannot be made without being root, so stat(2) is this file's:
 * it knows some names below /dev, and asks the kernel for all others.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../endpoints/node.h"
#include "../lib/tree.h"

struct fake_node {
	const char *path;
	mode_t type;
	unsigned maj, min;
};

/* The sdc node bears another disk's number. */
static const struct fake_node fakes[] = {
	{ "/dev/sg0", S_IFCHR, 21, 0 },
	{ "/dev/sg1", S_IFCHR, 21, 1 },
	{ "/dev/sg2", S_IFCHR, 21, 2 },
	{ "/dev/sg9", S_IFCHR, 21, 9 },
	{ "/dev/sda", S_IFBLK, 8, 0 },
	{ "/dev/sdb", S_IFBLK, 8, 16 },
	{ "/dev/sdb2", S_IFBLK, 8, 18 },
	{ "/dev/sdc", S_IFBLK, 8, 0 },
	{ "/dev/disk/by-id/scsi-35000c500", S_IFBLK, 8, 16 },
	{ "/dev/md0", S_IFBLK, 9, 0 },
	{ "/dev/cciss/c0d0", S_IFBLK, 104, 0 },
	{ "/dev/mmcblk0", S_IFBLK, 179, 0 },
	{ "/dev/bsg/0:0:0:0", S_IFCHR, 250, 0 },
	{ "/dev/st0", S_IFCHR, 9, 0 },
	{ "/made/by/hand", S_IFCHR, 21, 1 },
	{ "/dev/no-access", 0, 0, 0 },
};

int stat(const char *restrict path, struct stat *restrict st)
{
	for (size_t i = 0; i < ARRAY_SIZE(fakes); i++) {
		if (strcmp(path, fakes[i].path) != 0)
			continue;
		memset(st, 0, sizeof(*st));
		st->st_mode = fakes[i].type | 0600;
		st->st_rdev = makedev(fakes[i].maj, fakes[i].min);
		errno = EACCES;
		return fakes[i].type ? 0 : -1;
	}
	return fstatat(AT_FDCWD, path, st, 0);
}

/* sg1 is sda and sg0 is sdb: letters and numbers do not run in parallel. */
static int make_sysfs(void **state)
{
	static struct tree t;

	tree_make(&t);
	tree_scsi(&t, "0:0:0:0", 0, 1);
	tree_disk(&t, "0:0:0:0", "sda", "8:0");
	tree_scsi(&t, "1:0:0:0", 0, 0);
	tree_disk(&t, "1:0:0:0", "sdb", "8:16");
	tree_partition(&t, "1:0:0:0", "sdb", "sdb2", "8:18");
	tree_scsi(&t, "2:0:0:0", 13, 2);
	*state = &t;
	return 0;
}

static int drop_sysfs(void **state)
{
	tree_drop(*state);
	return 0;
}

static struct node look(void **state, const char *path)
{
	const struct tree *t = *state;
	struct node n;

	memset(&n, 0xa5, sizeof(n));
	assert_int_equal(node_lookup(path, t->root, &n), 0);
	return n;
}

static void expect_kind(const struct node *n, enum node_kind kind)
{
	assert_string_equal(node_kind_name(n->kind), node_kind_name(kind));
}

static void sg_node_leads_to_its_disk_by_number(void **state)
{
	struct node n = look(state, "/dev/sg1");

	expect_kind(&n, NODE_SG);
	assert_string_equal(n.sg_path, "/dev/sg1");
	assert_string_equal(n.block_path, "/dev/sda");
	assert_true(n.block_rdev == makedev(8, 0));
	assert_true(n.rdev == makedev(21, 1));
	assert_int_equal(n.scsi_type, 0);
	assert_int_equal(n.queue_depth, 31);
	assert_non_null(strstr(n.sysfs, "/devices/0:0:0:0"));
}

static void disk_leads_to_its_sg_node(void **state)
{
	struct node n = look(state, "/dev/sdb");

	expect_kind(&n, NODE_BLOCK_SCSI);
	assert_string_equal(n.sg_path, "/dev/sg0");
	assert_string_equal(n.block_path, "/dev/sdb");
}

static void persistent_name_leads_to_both(void **state)
{
	struct node n = look(state, "/dev/disk/by-id/scsi-35000c500");

	expect_kind(&n, NODE_BLOCK_SCSI);
	assert_string_equal(n.sg_path, "/dev/sg0");
	assert_string_equal(n.block_path, "/dev/sdb");
}

static void partition_is_not_a_disk_but_leads_to_it(void **state)
{
	struct node n = look(state, "/dev/sdb2");

	expect_kind(&n, NODE_BLOCK);
	assert_true(n.rdev == makedev(8, 18));
	assert_true(n.block_rdev == makedev(8, 16));
	assert_string_equal(n.block_path, "/dev/sdb");
	assert_string_equal(n.sg_path, "/dev/sg0");
}

static void partition_begins_at_a_byte_of_its_disk(void **state)
{
	static const char start[] = "devices/1:0:0:0/block/sdb/sdb2/start";

	assert_false(look(state, "/dev/sdb").is_part);
	assert_true(look(state, "/dev/sdb2").is_part);
	assert_true(look(state, "/dev/sdb2").part_bytes == 2048 * 512);
	tree_file(*state, start, "36028797018963967\n");
	assert_true(look(state, "/dev/sdb2").part_bytes == UINT64_C(36028797018963967) * 512);
	tree_file(*state, start, "36028797018963968\n");
	assert_true(look(state, "/dev/sdb2").part_bytes == NODE_PART_UNKNOWN);
	tree_file(*state, start, "none\n");
	assert_true(look(state, "/dev/sdb2").part_bytes == NODE_PART_UNKNOWN);
}

static void unit_without_upper_driver_has_no_block_node(void **state)
{
	struct node n = look(state, "/dev/sg2");

	expect_kind(&n, NODE_SG);
	assert_int_equal(n.scsi_type, 13);
	assert_string_equal(n.block_path, "");
	assert_true(n.block_rdev == 0);
}

static void disk_whose_node_bears_another_number_has_a_number_only(void **state)
{
	struct node n;

	tree_scsi(*state, "3:0:0:0", 0, 9);
	tree_disk(*state, "3:0:0:0", "sdc", "8:32");
	n = look(state, "/dev/sg9");
	assert_string_equal(n.block_path, "");
	assert_true(n.block_rdev == makedev(8, 32));
}

static void sg_node_outside_dev_has_its_own_name_as_well(void **state)
{
	struct node n = look(state, "/made/by/hand");

	expect_kind(&n, NODE_SG);
	assert_string_equal(n.sg_path, "/dev/sg1");
}

static void without_sysfs_an_sg_node_is_still_one(void **state)
{
	struct node n;

	(void)state;
	assert_int_equal(node_lookup("/dev/sg1", "/nowhere", &n), 0);
	expect_kind(&n, NODE_SG);
	assert_string_equal(n.sg_path, "/dev/sg1");
	assert_string_equal(n.sysfs, "");
	assert_int_equal(n.scsi_type, -1);
}

static void md_device_is_a_block_device_with_its_own_node(void **state)
{
	struct node n;

	tree_virtual(*state, "md0", "9:0");
	n = look(state, "/dev/md0");
	expect_kind(&n, NODE_BLOCK);
	assert_string_equal(n.block_path, "/dev/md0");
	assert_string_equal(n.sg_path, "");
	assert_string_equal(n.sysfs, "");
}

static void exclamation_mark_in_sysfs_is_a_slash_in_dev(void **state)
{
	struct node n;

	tree_virtual(*state, "cciss!c0d0", "104:0");
	n = look(state, "/dev/cciss/c0d0");
	assert_string_equal(n.block_path, "/dev/cciss/c0d0");
}

static void device_whose_type_is_a_word_is_not_scsi(void **state)
{
	struct node n;

	tree_virtual(*state, "mmcblk0", "179:0");
	tree_file(*state, "devices/virtual/block/mmcblk0/device/type", "MMC\n");
	n = look(state, "/dev/mmcblk0");
	expect_kind(&n, NODE_BLOCK);
	assert_string_equal(n.sysfs, "");
	assert_int_equal(n.scsi_type, -1);
}

static void bsg_node_is_told_by_its_subsystem(void **state)
{
	struct node n;

	tree_link(*state, "devices/0:0:0:0/bsg/0:0:0:0/device", "devices/0:0:0:0");
	tree_link(*state, "devices/0:0:0:0/bsg/0:0:0:0/subsystem", "class/bsg");
	tree_dir(*state, "class/bsg");
	tree_link(*state, "dev/char/250:0", "devices/0:0:0:0/bsg/0:0:0:0");
	n = look(state, "/dev/bsg/0:0:0:0");
	expect_kind(&n, NODE_BSG);
	assert_string_equal(n.sg_path, "/dev/sg1");
	assert_string_equal(n.block_path, "/dev/sda");
	n = look(state, "/dev/st0");
	expect_kind(&n, NODE_CHAR);
	assert_string_equal(n.sg_path, "");
}

static void words_and_plain_files_have_their_kinds(void **state)
{
	static const struct {
		const char *path;
		enum node_kind kind;
	} rows[] = {
		{ ".", NODE_NULL },
		{ "-", NODE_STDIO },
		{ "", NODE_MISSING },
		{ "/dev/null", NODE_NULL },
		{ "/dev/zero", NODE_ZERO },
		{ "/dev/tty", NODE_CHAR },
		{ "/", NODE_DIR },
		{ "/proc/self/exe", NODE_FILE },
		{ "/proc/self/stat", NODE_UNSIZED },
		{ "/sys/kernel/uevent_seqnum", NODE_UNSIZED },
		{ "/dev/sg4711", NODE_MISSING },
		{ "/no/such/directory/file", NODE_MISSING },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct node n = look(state, rows[i].path);

		if (n.kind != rows[i].kind)
			fail_msg("\"%s\" is %s", rows[i].path, node_kind_name(n.kind));
	}
}

static void an_empty_file_has_the_size_it_tells(void **state)
{
	FILE *empty = tmpfile();
	char path[40];
	struct node n;

	assert_non_null(empty);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(empty));
	n = look(state, path);
	assert_int_equal(n.kind, NODE_FILE);
	assert_true(n.is_file);
	fclose(empty);
}

static void name_that_cannot_be_looked_at_is_an_error(void **state)
{
	const struct tree *t = *state;
	struct node n;

	errno = 0;
	assert_int_equal(node_lookup("/dev/no-access", t->root, &n), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(node_lookup("/dev/null/below", t->root, &n), -1);
	assert_int_equal(errno, ENOTDIR);
}

static void attribute_is_a_whole_number_or_none(void **state)
{
	static const struct {
		const char *text;
		long value;
		int result;
	} rows[] = {
		{ "31\n", 31, 0 },
		{ "0x1f\n", 31, 0 },
		{ "-1", -1, 0 },
		{ "010", 10, 0 },
		{ "31 62\n", 0, -1 },
		{ "", 0, -1 },
		{ "disk\n", 0, -1 },
		{ "99999999999999999999\n", 0, -1 },
	};
	const struct tree *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		long value = 0;

		tree_file(t, "attr", rows[i].text);
		assert_int_equal(node_read_long(t->root, "attr", &value), rows[i].result);
		assert_int_equal(value, rows[i].value);
	}
}

static void text_attribute_is_cut_to_its_room(void **state)
{
	const struct tree *t = *state;
	char text[6];

	tree_file(t, "attr", "running\n");
	assert_int_equal(node_read_text(t->root, "attr", text, sizeof(text)), 0);
	assert_string_equal(text, "runni");
	assert_int_equal(node_read_text(t->root, "absent", text, sizeof(text)), -1);
}

static void bytes_of_an_attribute_may_be_of_any_value(void **state)
{
	const struct tree *t = *state;
	uint8_t bytes[8];

	tree_bytes(t, "attr", "\0 \xff\n", 4);
	assert_int_equal(node_read_bytes(t->root, "attr", bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "\0 \xff\n", 4);
	assert_int_equal(node_read_bytes(t->root, "attr", bytes, 3), 3);
	assert_int_equal(node_read_bytes(t->root, "absent", bytes, sizeof(bytes)), 0);
	assert_int_equal(node_read_bytes(t->root, "devices", bytes, sizeof(bytes)), 0);
}

#define NODE_TEST(f) cmocka_unit_test_setup_teardown(f, make_sysfs, drop_sysfs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(sg_node_leads_to_its_disk_by_number),
		NODE_TEST(disk_leads_to_its_sg_node),
		NODE_TEST(persistent_name_leads_to_both),
		NODE_TEST(partition_is_not_a_disk_but_leads_to_it),
		NODE_TEST(partition_begins_at_a_byte_of_its_disk),
		NODE_TEST(unit_without_upper_driver_has_no_block_node),
		NODE_TEST(disk_whose_node_bears_another_number_has_a_number_only),
		NODE_TEST(sg_node_outside_dev_has_its_own_name_as_well),
		NODE_TEST(without_sysfs_an_sg_node_is_still_one),
		NODE_TEST(md_device_is_a_block_device_with_its_own_node),
		NODE_TEST(exclamation_mark_in_sysfs_is_a_slash_in_dev),
		NODE_TEST(device_whose_type_is_a_word_is_not_scsi),
		NODE_TEST(bsg_node_is_told_by_its_subsystem),
		NODE_TEST(words_and_plain_files_have_their_kinds),
		NODE_TEST(an_empty_file_has_the_size_it_tells),
		NODE_TEST(name_that_cannot_be_looked_at_is_an_error),
		NODE_TEST(attribute_is_a_whole_number_or_none),
		NODE_TEST(text_attribute_is_cut_to_its_room),
		NODE_TEST(bytes_of_an_attribute_may_be_of_any_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
