/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On made-up trees for /sys and /proc. The disk asked about is sdb, 8:16, on 1:0:0:0. stat(2) and
 * statx(2) are this file's for the names it makes up.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../usage.h"
#include "../lib/tree.h"

#define TEXT_ROOM 512

/* A block node of that number; or a file whose file system has it, on the mount with that id. */
struct fake_path {
	const char *path;
	mode_t type;
	unsigned maj, min;
	uint64_t mount_id;
};

static const struct fake_path fakes[] = {
	{ "/dev/sdb", S_IFBLK, 8, 16, 0 },
	{ "/dev/sdb1", S_IFBLK, 8, 17, 0 },
	{ "/dev/sda1", S_IFBLK, 8, 1, 0 },
	{ "/srv/image", S_IFREG, 0, 40, 36 },
	{ "/srv/", S_IFDIR, 0, 40, 36 },
	{ "/gone/swap file", S_IFREG, 8, 17, 99 },
	{ "/", S_IFDIR, 0, 41, 22 },
};

/* Where /proc/4711/fd/7 leads. */
static const struct fake_path descriptor = { "/4711/fd/7", S_IFBLK, 8, 17, 0 };

static const struct fake_path *fake_of(const char *path)
{
	size_t len = strlen(path), tail = strlen(descriptor.path);

	for (size_t i = 0; i < ARRAY_SIZE(fakes); i++)
		if (!strcmp(path, fakes[i].path))
			return &fakes[i];
	return len > tail && !strcmp(path + len - tail, descriptor.path) ? &descriptor : NULL;
}

int stat(const char *restrict path, struct stat *restrict st)
{
	const struct fake_path *f = fake_of(path);

	if (!f)
		return fstatat(AT_FDCWD, path, st, 0);
	memset(st, 0, sizeof(*st));
	st->st_mode = f->type;
	st->st_rdev = f->type == S_IFBLK ? makedev(f->maj, f->min) : 0;
	return 0;
}

int statx(
	int dirfd, const char *restrict path, int flags, unsigned mask, struct statx *restrict stx)
{
	const struct fake_path *f = fake_of(path);

	if (!f)
		return (int)syscall(SYS_statx, dirfd, path, flags, mask, stx);
	memset(stx, 0, sizeof(*stx));
	stx->stx_mask = mask;
	stx->stx_mode = (uint16_t)f->type;
	if (f->type == S_IFBLK) {
		stx->stx_rdev_major = f->maj;
		stx->stx_rdev_minor = f->min;
	} else {
		stx->stx_dev_major = f->maj;
		stx->stx_dev_minor = f->min;
	}
	stx->stx_mnt_id = f->mount_id;
	return 0;
}

struct machine {
	struct tree sys, proc;
};

/* Root on sda1, a tmpfs and a network mount beside it. */
static const char quiet_mounts[] =
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	"23 22 0:25 / /run rw,nosuid shared:2 - tmpfs tmpfs rw,size=100k\n"
	"24 22 0:26 / /net rw - nfs4 server:/export rw\n";

static void mounts(const struct machine *m, const char *more)
{
	char text[2048];

	(void)snprintf(text, sizeof(text), "%s%s", quiet_mounts, more);
	tree_file(&m->proc, "self/mountinfo", text);
}

static void swaps(const struct machine *m, const char *line)
{
	char text[512];

	(void)snprintf(
		text, sizeof(text), "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n%s", line);
	tree_file(&m->proc, "swaps", text);
}

static int make_machine(void **state)
{
	static struct machine m;

	tree_make(&m.sys);
	tree_make(&m.proc);
	tree_scsi(&m.sys, "0:0:0:0", 0, 0);
	tree_disk(&m.sys, "0:0:0:0", "sda", "8:0");
	tree_partition(&m.sys, "0:0:0:0", "sda", "sda1", "8:1");
	tree_scsi(&m.sys, "1:0:0:0", 0, 1);
	tree_disk(&m.sys, "1:0:0:0", "sdb", "8:16");
	tree_partition(&m.sys, "1:0:0:0", "sdb", "sdb1", "8:17");
	mounts(&m, "");
	swaps(&m, "");
	*state = &m;
	return 0;
}

static int drop_machine(void **state)
{
	struct machine *m = *state;

	tree_drop(&m->sys);
	tree_drop(&m->proc);
	return 0;
}

static struct usage usage_of(const struct machine *m, unsigned maj, unsigned min)
{
	struct usage u;

	usage_init(&u, m->sys.root, m->proc.root, makedev(maj, min));
	return u;
}

static void expect_user(const struct machine *m, const char *want)
{
	struct usage u = usage_of(m, 8, 16);
	char text[TEXT_ROOM];

	if (!usage_find(&u, text, sizeof(text)))
		fail_msg("no user found, not \"%s\"", want);
	assert_string_equal(text, want);
}

static void expect_no_user(const struct machine *m)
{
	struct usage u = usage_of(m, 8, 16);
	char text[TEXT_ROOM];

	if (usage_find(&u, text, sizeof(text)))
		fail_msg("\"%s\" for a disk that is free", text);
}

static bool holds_root(const struct machine *m, unsigned maj, unsigned min)
{
	struct usage u = usage_of(m, maj, min);

	return usage_holds_root(&u);
}

/* -------- parsing */

static void mount_line_is_cut_into_its_fields(void **state)
{
	char line[] =
		"36 35 98:5 /sub /mnt2 rw,noatime master:1 shared:7 - ext3 /dev/root rw,x=y\n";
	struct usage_mount m;

	(void)state;
	assert_true(usage_parse_mount(line, &m));
	assert_int_equal(m.id, 36);
	assert_true(m.dev == makedev(98, 5));
	assert_string_equal(m.point, "/mnt2");
	assert_string_equal(m.fstype, "ext3");
	assert_string_equal(m.source, "/dev/root");
}

static void mount_line_needs_no_optional_field_and_no_source(void **state)
{
	char none[] = "36 35 98:5 / /mnt2 rw - ext3 /dev/sdb rw\n";
	char empty[] = "36 35 0:5 / /mnt2 rw - tmpfs  rw\n";
	struct usage_mount m;

	(void)state;
	assert_true(usage_parse_mount(none, &m));
	assert_string_equal(m.source, "/dev/sdb");
	assert_true(usage_parse_mount(empty, &m));
	assert_string_equal(m.source, "");
}

static void escapes_of_mount_points_are_resolved(void **state)
{
	char line[] = "36 35 98:0 / /a\\040b\\134c\\012d\\9\\04 rw - ext3 /dev/x\\040y rw\n";
	struct usage_mount m;

	(void)state;
	assert_true(usage_parse_mount(line, &m));
	assert_string_equal(m.point, "/a b\\c\nd\\9\\04");
	assert_string_equal(m.source, "/dev/x y");
}

static void broken_mount_lines_are_refused(void **state)
{
	static const char *const lines[] = { "", "\n", "36", "36 35 98:0 / /mnt",
		"36 35 98 / /m rw - e s", "36 35 98:0 / /mnt rw ext3 /dev/sdb rw",
		"36 35 98:0 / /mnt rw -", "36 35 98:0 / /mnt rw - x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct usage_mount m;
		char line[128];

		(void)snprintf(line, sizeof(line), "%s", lines[i]);
		if (usage_parse_mount(line, &m))
			fail_msg("\"%s\" was taken", lines[i]);
	}
}

static void swap_line_gives_its_path_and_the_heading_none(void **state)
{
	char heading[] = "Filename\t\t\t\tType\t\tSize\n";
	char line[] = "/srv/swap\\040file                          file\t\t2044\t\t0\t\t-2\n";
	char empty[] = "";

	(void)state;
	assert_null(usage_parse_swap(heading));
	assert_null(usage_parse_swap(empty));
	assert_string_equal(usage_parse_swap(line), "/srv/swap file");
}

/* -------- who uses the disk */

static void free_disk_has_no_user(void **state)
{
	expect_no_user(*state);
}

static void mounted_disk_names_its_mount_point(void **state)
{
	mounts(*state, "36 22 8:16 / /srv rw - ext4 /dev/sdb rw\n");
	expect_user(*state, "mounted on /srv");
}

static void mounted_partition_is_named_beside_the_mount_point(void **state)
{
	mounts(*state, "36 22 8:17 / /srv/with\\040blank rw - ext4 /dev/sdb1 rw\n");
	expect_user(*state, "mounted on /srv/with blank (sdb1)");
}

static void volume_on_md_on_a_partition_is_followed(void **state)
{
	const struct machine *m = *state;

	tree_virtual(&m->sys, "md0", "9:0");
	tree_slave(&m->sys, "md0", "8:1");
	tree_slave(&m->sys, "md0", "8:17");
	tree_virtual(&m->sys, "dm-3", "253:3");
	tree_slave(&m->sys, "dm-3", "9:0");
	mounts(m, "36 22 253:3 / /srv rw - ext4 /dev/mapper/vg-srv rw\n");
	expect_user(m, "mounted on /srv (dm-3)");
}

static void mount_of_another_disk_is_no_user(void **state)
{
	const struct machine *m = *state;

	tree_virtual(&m->sys, "dm-3", "253:3");
	tree_slave(&m->sys, "dm-3", "8:1");
	mounts(m, "36 22 253:3 / /srv rw - ext4 /dev/mapper/vg-srv rw\n");
	expect_no_user(m);
}

static void mount_of_process_one_counts_in_a_namespace(void **state)
{
	const struct machine *m = *state;

	tree_file(&m->proc, "1/mountinfo", "36 22 8:17 / /srv rw - ext4 /dev/sdb1 rw\n");
	expect_user(m, "mounted on /srv (sdb1)");
}

static void btrfs_is_found_by_its_source(void **state)
{
	mounts(*state, "36 22 0:40 /sub /srv rw - btrfs /dev/sdb1 rw\n");
	expect_user(*state, "mounted on /srv");
}

static void btrfs_is_found_by_its_second_device(void **state)
{
	const struct machine *m = *state;

	mounts(m, "36 22 0:40 /sub /srv rw - btrfs /dev/sda1 rw\n");
	tree_link(&m->sys, "fs/btrfs/1234-5678/devices/sda1", "dev/block/8:1");
	expect_no_user(m);
	tree_link(&m->sys, "fs/btrfs/1234-5678/devices/sdb1", "dev/block/8:17");
	expect_user(m, "mounted on /srv");
}

static void btrfs_of_other_devices_is_no_user(void **state)
{
	const struct machine *m = *state;

	mounts(m, "36 22 0:40 /sub /srv rw - btrfs /dev/sda1 rw\n");
	tree_link(&m->sys, "fs/btrfs/1234-5678/devices/sda1", "dev/block/8:1");
	tree_link(&m->sys, "fs/btrfs/9abc-def0/devices/sdb1", "dev/block/8:17");
	expect_no_user(m);
}

static void swap_partition_is_a_user(void **state)
{
	const struct machine *m = *state;

	swaps(m, "/dev/sda1                               partition\t2044\t0\t-2\n");
	expect_no_user(m);
	swaps(m, "/dev/sda1                               partition\t2044\t0\t-2\n"
		 "/dev/sdb1                               partition\t2044\t0\t-3\n");
	expect_user(m, "used as swap (/dev/sdb1)");
}

static void swap_file_of_an_unlisted_mount_is_a_user(void **state)
{
	swaps(*state, "/gone/swap\\040file                      file\t2044\t0\t-2\n");
	expect_user(*state, "used as swap (/gone/swap file)");
}

static void device_mapper_holder_is_named(void **state)
{
	const struct machine *m = *state;

	tree_virtual(&m->sys, "dm-0", "253:0");
	tree_slave(&m->sys, "dm-0", "8:17");
	tree_file(&m->sys, "devices/virtual/block/dm-0/dm/name", "vg-root\n");
	expect_user(m, "held by device mapper vg-root (dm-0)");
}

static void md_holder_is_named(void **state)
{
	const struct machine *m = *state;

	tree_virtual(&m->sys, "md127", "9:127");
	tree_slave(&m->sys, "md127", "8:16");
	expect_user(m, "held by md127");
}

static void loop_device_over_the_disk_is_a_user(void **state)
{
	const struct machine *m = *state;

	tree_virtual(&m->sys, "loop3", "7:3");
	expect_no_user(m);
	tree_file(&m->sys, "devices/virtual/block/loop3/loop/backing_file", "/dev/sdb1\n");
	expect_user(m, "under loop3");
}

static void loop_device_over_a_file_on_the_disk_is_a_user(void **state)
{
	const struct machine *m = *state;

	tree_virtual(&m->sys, "loop3", "7:3");
	tree_file(&m->sys, "devices/virtual/block/loop3/loop/backing_file", "/srv/image\n");
	tree_file(&m->proc, "self/mountinfo",
		"36 22 0:40 / /srv rw - btrfs /dev/sda1 rw\n" /* the file's mount, not on sdb */
		"37 22 7:3 / /mnt rw - ext4 /dev/loop3 rw\n");
	expect_no_user(m);
	tree_file(&m->proc, "self/mountinfo",
		"37 22 7:3 / /mnt rw - ext4 /dev/loop3 rw\n"
		"36 22 0:40 / /srv rw - btrfs /dev/sdb1 rw\n");
	expect_user(m, "mounted on /mnt (loop3)");
}

static void devices_that_hold_each_other_do_not_hang_the_search(void **state)
{
	const struct machine *m = *state;

	tree_virtual(&m->sys, "dm-0", "253:0");
	tree_virtual(&m->sys, "dm-1", "253:1");
	tree_slave(&m->sys, "dm-0", "253:1");
	tree_slave(&m->sys, "dm-1", "253:0");
	expect_no_user(m);
}

static void names_of(
	const struct machine *m, const char *hctl, const char *wwid, const char *serial)
{
	char path[PATH_MAX], page[64];

	(void)snprintf(path, sizeof(path), "devices/%s/wwid", hctl);
	tree_file(&m->sys, path, wwid);
	(void)snprintf(path, sizeof(path), "devices/%s/vpd_pg80", hctl);
	(void)snprintf(page, sizeof(page), "....%s", serial);
	tree_file(&m->sys, path, page);
}

static void user_of_the_unit_by_another_path_counts(void **state)
{
	const struct machine *m = *state;

	tree_scsi(&m->sys, "2:0:0:0", 0, 2);
	tree_disk(&m->sys, "2:0:0:0", "sdc", "8:32");
	names_of(m, "1:0:0:0", "naa.5000c500\n", "Z1");
	names_of(m, "2:0:0:0", "naa.5000c500\n", "Z1");
	mounts(m, "36 22 8:32 / /srv rw - ext4 /dev/sdc rw\n");
	expect_user(m, "mounted on /srv (sdc)");
	names_of(m, "2:0:0:0", "naa.5000c500\n", "Z2");
	expect_no_user(m);
	names_of(m, "2:0:0:0", "naa.5000c501\n", "Z1");
	expect_no_user(m);
}

static void units_without_a_serial_number_are_not_taken_for_one(void **state)
{
	const struct machine *m = *state;

	tree_scsi(&m->sys, "2:0:0:0", 0, 2);
	tree_disk(&m->sys, "2:0:0:0", "sdc", "8:32");
	names_of(m, "1:0:0:0", "t10.QEMU\n", "");
	names_of(m, "2:0:0:0", "t10.QEMU\n", "");
	mounts(m, "36 22 8:32 / /srv rw - ext4 /dev/sdc rw\n");
	expect_no_user(m);
}

/* -------- root */

static void root_is_found_through_its_partition(void **state)
{
	assert_true(holds_root(*state, 8, 0));
	assert_true(holds_root(*state, 8, 1));
	assert_false(holds_root(*state, 8, 16));
}

static void root_is_found_through_volume_and_md(void **state)
{
	const struct machine *m = *state;

	tree_virtual(&m->sys, "md0", "9:0");
	tree_slave(&m->sys, "md0", "8:17");
	tree_virtual(&m->sys, "dm-0", "253:0");
	tree_slave(&m->sys, "dm-0", "9:0");
	tree_file(&m->proc, "self/mountinfo", "22 1 253:0 / / rw - ext4 /dev/mapper/root rw\n");
	assert_true(holds_root(m, 8, 16));
	assert_false(holds_root(m, 8, 0));
}

static void root_under_a_later_mount_still_counts(void **state)
{
	const struct machine *m = *state;

	tree_file(&m->proc, "self/mountinfo",
		"1 1 8:17 / / rw - ext4 /dev/root rw\n30 1 0:30 / / rw - overlay overlay rw\n");
	assert_true(holds_root(m, 8, 16));
}

static void root_of_process_one_counts(void **state)
{
	const struct machine *m = *state;

	tree_file(&m->proc, "self/mountinfo", "22 1 0:30 / / rw - overlay overlay rw\n");
	assert_false(holds_root(m, 8, 16));
	tree_file(&m->proc, "1/mountinfo", "1 1 8:17 / / rw - ext4 /dev/sdb1 rw\n");
	assert_true(holds_root(m, 8, 16));
}

static void root_of_a_chroot_is_found_by_its_mount(void **state)
{
	const struct machine *m = *state;

	/* id 22 is where "/" lies, and it shows as another mount point */
	tree_file(&m->proc, "self/mountinfo", "22 1 8:17 / /jail rw - ext4 /dev/sdb1 rw\n");
	assert_true(holds_root(m, 8, 16));
}

static void root_without_a_disk_is_on_none(void **state)
{
	const struct machine *m = *state;

	tree_file(&m->proc, "self/mountinfo", "22 1 0:2 / / rw - 9p hostshare rw\n");
	assert_false(holds_root(m, 8, 16));
	assert_false(holds_root(m, 8, 0));
}

static void without_proc_and_sysfs_nothing_is_found(void **state)
{
	char text[TEXT_ROOM];
	struct usage u;

	(void)state;
	usage_init(&u, "/nowhere", "/nowhere", makedev(8, 16));
	assert_false(usage_find(&u, text, sizeof(text)));
	assert_false(usage_holds_root(&u));
	assert_false(usage_opener(&u, text, sizeof(text)));
}

/* The directory of a new file stands for it. */
static void file_is_found_by_its_mount_or_that_of_its_directory(void **state)
{
	const struct machine *m = *state;
	struct usage u = usage_of(m, 8, 16);

	assert_false(usage_holds_file(&u, "/srv/new"));
	mounts(m, "36 22 8:17 / /srv rw - ext4 /dev/sdb1 rw\n");
	assert_true(usage_holds_file(&u, "/srv/new"));
	tree_virtual(&m->sys, "dm-3", "253:3");
	tree_slave(&m->sys, "dm-3", "8:17");
	mounts(m, "36 22 253:3 / /srv rw - ext4 /dev/mapper/vg-srv rw\n");
	assert_true(usage_holds_file(&u, "/srv/new"));
	mounts(m, "36 22 8:1 / /srv rw - ext4 /dev/sda1 rw\n");
	assert_false(usage_holds_file(&u, "/srv/new"));
}

static void process_that_has_it_open_is_named(void **state)
{
	const struct machine *m = *state;
	struct usage u = usage_of(m, 8, 16);
	char text[TEXT_ROOM];

	tree_file(&m->proc, "4711/comm", "mkfs.ext4\n");
	tree_dir(&m->proc, "4711/fd");
	assert_false(usage_opener(&u, text, sizeof(text)));
	tree_file(&m->proc, "4711/fd/7", "");
	assert_true(usage_opener(&u, text, sizeof(text)));
	assert_string_equal(text, "open in mkfs.ext4 (process 4711)");
	u = usage_of(m, 8, 0);
	assert_false(usage_opener(&u, text, sizeof(text)));
}

#define USAGE_TEST(f) cmocka_unit_test_setup_teardown(f, make_machine, drop_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mount_line_is_cut_into_its_fields),
		cmocka_unit_test(mount_line_needs_no_optional_field_and_no_source),
		cmocka_unit_test(escapes_of_mount_points_are_resolved),
		cmocka_unit_test(broken_mount_lines_are_refused),
		cmocka_unit_test(swap_line_gives_its_path_and_the_heading_none),
		USAGE_TEST(free_disk_has_no_user),
		USAGE_TEST(mounted_disk_names_its_mount_point),
		USAGE_TEST(mounted_partition_is_named_beside_the_mount_point),
		USAGE_TEST(volume_on_md_on_a_partition_is_followed),
		USAGE_TEST(mount_of_another_disk_is_no_user),
		USAGE_TEST(mount_of_process_one_counts_in_a_namespace),
		USAGE_TEST(btrfs_is_found_by_its_source),
		USAGE_TEST(btrfs_is_found_by_its_second_device),
		USAGE_TEST(btrfs_of_other_devices_is_no_user),
		USAGE_TEST(swap_partition_is_a_user),
		USAGE_TEST(swap_file_of_an_unlisted_mount_is_a_user),
		USAGE_TEST(device_mapper_holder_is_named),
		USAGE_TEST(md_holder_is_named),
		USAGE_TEST(loop_device_over_the_disk_is_a_user),
		USAGE_TEST(loop_device_over_a_file_on_the_disk_is_a_user),
		USAGE_TEST(devices_that_hold_each_other_do_not_hang_the_search),
		USAGE_TEST(user_of_the_unit_by_another_path_counts),
		USAGE_TEST(units_without_a_serial_number_are_not_taken_for_one),
		USAGE_TEST(root_is_found_through_its_partition),
		USAGE_TEST(root_is_found_through_volume_and_md),
		USAGE_TEST(root_under_a_later_mount_still_counts),
		USAGE_TEST(root_of_process_one_counts),
		USAGE_TEST(root_of_a_chroot_is_found_by_its_mount),
		USAGE_TEST(root_without_a_disk_is_on_none),
		USAGE_TEST(without_proc_and_sysfs_nothing_is_found),
		USAGE_TEST(file_is_found_by_its_mount_or_that_of_its_directory),
		USAGE_TEST(process_that_has_it_open_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
