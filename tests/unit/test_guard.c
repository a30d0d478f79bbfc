/* SPDX-License-Identifier: BSD-2-Clause */
/* What needs no disk of its own; the rest is tested in guests. What is said is caught from stderr.
 */
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

#include "../../core/status.h"
#include "../../guard.h"

#define SAID_ROOM 1024

struct caught {
	int saved;
	FILE *file;
};

static struct caught catch_begin(void)
{
	struct caught c = { dup(STDERR_FILENO), tmpfile() };

	assert_non_null(c.file);
	assert_true(dup2(fileno(c.file), STDERR_FILENO) == STDERR_FILENO);
	return c;
}

static void catch_end(struct caught *c, char said[SAID_ROOM])
{
	size_t len;

	assert_true(dup2(c->saved, STDERR_FILENO) == STDERR_FILENO);
	(void)close(c->saved);
	rewind(c->file);
	len = fread(said, 1, SAID_ROOM - 1, c->file);
	said[len] = '\0';
	(void)fclose(c->file);
}

struct ends {
	struct node node[2];
	struct identity id[2];
	struct guard_range range[2];
};

/* Two different disks, the first 1 MiB of each. */
static void two_disks(struct ends *e)
{
	memset(e, 0, sizeof(*e));
	for (unsigned i = 0; i < 2; i++) {
		struct identity *id = &e->id[i];

		e->node[i].kind = NODE_SG;
		e->node[i].rdev = makedev(21, i);
		e->node[i].block_rdev = makedev(8, 16 * i);
		(void)snprintf(e->node[i].sysfs, sizeof(e->node[i].sysfs), "/sys/devices/%u", i);
		identity_init(id);
		(void)snprintf(id->serial, sizeof(id->serial), "S%u", i);
		id->lu_id_len = 8;
		id->lu_id[7] = (uint8_t)i;
		e->range[i] = (struct guard_range){ i ? "/dev/sg1" : "/dev/sg0", &e->node[i], id, 0,
			1 << 20 };
	}
}

static int same_unit(const struct ends *e, char said[SAID_ROOM])
{
	struct caught c = catch_begin();
	int status = guard_same_unit(&e->range[0], &e->range[1]);

	catch_end(&c, said);
	return status;
}

static void expect_pass(const struct ends *e)
{
	char said[SAID_ROOM];

	assert_int_equal(same_unit(e, said), 0);
	assert_string_equal(said, "");
}

static void expect_refusal(const struct ends *e, const char *want)
{
	char said[SAID_ROOM];

	assert_int_equal(same_unit(e, said), EXIT_CONTRADICT);
	assert_string_equal(said, want);
}

#define SAME_DISK \
	"sgmmcp: /dev/sg1: is the same disk as /dev/sg0, and the ranges overlap: not writing\n"
#define OTHER_PATH \
	"sgmmcp: /dev/sg1: is the same disk by another path as /dev/sg0, and the ranges " \
	"overlap: not writing\n"

static void two_disks_are_not_one(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	expect_pass(&e);
}

static void one_disk_is_known_by_each_of_its_numbers(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	e.node[1].rdev = e.node[0].rdev;
	expect_refusal(&e, SAME_DISK);
	two_disks(&e);
	e.node[1].block_rdev = e.node[0].block_rdev = makedev(8, 16);
	expect_refusal(&e, SAME_DISK);
	two_disks(&e);
	memcpy(e.node[1].sysfs, e.node[0].sysfs, sizeof(e.node[0].sysfs));
	expect_refusal(&e, SAME_DISK);
}

static void facts_that_neither_tells_do_not_make_one_disk(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	e.node[0].sysfs[0] = e.node[1].sysfs[0] = '\0';
	e.node[0].block_rdev = e.node[1].block_rdev = 0;
	e.range[0].id = e.range[1].id = NULL;
	expect_pass(&e);
}

static void block_node_with_the_number_of_an_sg_node_is_another(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	e.node[0].kind = NODE_BLOCK_SCSI;
	e.node[0].rdev = e.node[1].rdev;
	expect_pass(&e);
}

static void one_identity_is_one_disk_by_two_paths(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	e.id[1] = e.id[0];
	expect_refusal(&e, OTHER_PATH);
	e.range[1].id = NULL;
	expect_pass(&e);
}

static void ranges_apart_on_one_disk_pass(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	e.id[1] = e.id[0];
	e.range[1].offset_bytes = 1 << 20;
	expect_pass(&e);
	e.range[1].offset_bytes--;
	expect_refusal(&e, OTHER_PATH);
	e.range[1].offset_bytes = 0;
	e.range[0].offset_bytes = 1 << 20;
	expect_pass(&e);
	e.range[0].offset_bytes--;
	expect_refusal(&e, OTHER_PATH);
}

static void range_without_bytes_or_without_end_is_understood(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	e.id[1] = e.id[0];
	e.range[0].offset_bytes = 4096;
	e.range[0].len_bytes = 0;
	expect_pass(&e);
	e.range[0].len_bytes = UINT64_MAX;
	expect_refusal(&e, OTHER_PATH);
}

static void partition_of(struct ends *e, unsigned side, unsigned number)
{
	e->node[side].kind = NODE_BLOCK;
	e->node[side].block_rdev = makedev(8, 0);
	e->node[side].rdev = makedev(8, number);
}

/* Whatever the ranges: a partition's offsets are not its disk's. */
static void partition_and_its_disk_overlap(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	partition_of(&e, 1, 1);
	e.range[1].offset_bytes = 1 << 30;
	expect_refusal(&e, SAME_DISK);
	partition_of(&e, 0, 1);
	expect_pass(&e);
	e.range[1].offset_bytes = 0;
	expect_refusal(&e, SAME_DISK);
}

static void two_partitions_of_one_disk_do_not_overlap(void **state)
{
	struct ends e;

	(void)state;
	two_disks(&e);
	partition_of(&e, 0, 1);
	partition_of(&e, 1, 2);
	expect_pass(&e);
}

static void one_file_as_both_ends_is_refused_whatever_the_ranges(void **state)
{
	struct ends e;

	(void)state;
	memset(&e, 0, sizeof(e));
	for (unsigned i = 0; i < 2; i++) {
		e.node[i].kind = NODE_FILE;
		e.node[i].is_file = true;
		e.node[i].file_dev = makedev(8, 1);
		e.node[i].file_ino = 4711;
		e.range[i] = (struct guard_range){ i ? "b" : "a", &e.node[i], NULL, i << 30, 1 };
	}
	expect_refusal(&e, "sgmmcp: b: is the same file as a: not writing\n");
	e.node[1].file_ino++;
	expect_pass(&e);
	e.node[1].file_ino--;
	e.node[1].file_dev++;
	expect_pass(&e);
}

/* Whatever it is called: a redirected one has no name. */
static void a_file_on_the_disk_that_is_read_is_refused_by_where_it_lies(void **state)
{
	struct node source = { .kind = NODE_BLOCK };
	struct stat st;
	struct caught c = catch_begin();
	char said[SAID_ROOM];
	int status;

	(void)state;
	assert_int_equal(fstat(fileno(c.file), &st), 0);
	source.block_rdev = st.st_dev;
	status = guard_file("/sys/standard output", "/proc/self/fd/2", &source, false);
	catch_end(&c, said);
	assert_int_equal(status, EXIT_FILE);
	assert_string_equal(said,
		"sgmmcp: /sys/standard output: lies on the disk that is read: not writing "
		"(oflag=force to override)\n");
	assert_int_equal(guard_file("a", "/sys/kernel", &source, false), 0);
}

static void disk_without_upper_driver_needs_no_guard(void **state)
{
	const struct node n = { .kind = NODE_SG };
	struct guard g = { 4711 };

	(void)state;
	assert_int_equal(guard_take(&g, "/dev/sg0", &n, false), 0);
	assert_int_equal(g.excl_fd, -1);
	guard_release(&g, &n, true);
}

/* A number that no disk has: as where a container was given the sg node alone. */
static void disk_without_a_block_node_is_refused_unless_forced(void **state)
{
	const struct node n = { .kind = NODE_SG, .block_rdev = makedev(4000, 16) };
	struct guard g;
	struct caught c = catch_begin();
	char said[SAID_ROOM];
	int status = guard_take(&g, "/dev/sg0", &n, false);

	(void)state;
	catch_end(&c, said);
	assert_int_equal(status, EXIT_FILE);
	assert_string_equal(said,
		"sgmmcp: /dev/sg0: is disk 4000:16: cannot see whether it is in use: "
		"No such file or directory (oflag=force to override)\n");
	c = catch_begin();
	status = guard_take(&g, "/dev/sg0", &n, true);
	catch_end(&c, said);
	assert_int_equal(status, 0);
	assert_int_equal(g.excl_fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_disks_are_not_one),
		cmocka_unit_test(one_disk_is_known_by_each_of_its_numbers),
		cmocka_unit_test(facts_that_neither_tells_do_not_make_one_disk),
		cmocka_unit_test(block_node_with_the_number_of_an_sg_node_is_another),
		cmocka_unit_test(one_identity_is_one_disk_by_two_paths),
		cmocka_unit_test(ranges_apart_on_one_disk_pass),
		cmocka_unit_test(range_without_bytes_or_without_end_is_understood),
		cmocka_unit_test(partition_and_its_disk_overlap),
		cmocka_unit_test(two_partitions_of_one_disk_do_not_overlap),
		cmocka_unit_test(one_file_as_both_ends_is_refused_whatever_the_ranges),
		cmocka_unit_test(a_file_on_the_disk_that_is_read_is_refused_by_where_it_lies),
		cmocka_unit_test(disk_without_upper_driver_needs_no_guard),
		cmocka_unit_test(disk_without_a_block_node_is_refused_unless_forced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
