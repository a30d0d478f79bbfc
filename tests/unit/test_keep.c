/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In a folder of its own, which is the current one. write(), fsync() and flock() are this file's:
 * the first two fail on request, but for what goes to stderr; before the last one another run may
 * end. The maps that ddrescue made are those of the fuzz target's corpus.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../keep.h"
#include "../../options.h"
#include "../lib/capture.h"
#include "../lib/rangetext.h"
#include "../lib/tree.h"

#define MAP  "disk.map"
#define LOCK MAP ".sgmmcp-lock"
#define MIB  (UINT64_C(1) << 20)

/* --- failures --- */

static struct {
	int write_err, fsync_err; /* 0: none */
	bool folders_only;	  /* fsync() */
	unsigned ends;		  /* as many times the lock file is removed before flock() */
} fails;

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	if (fails.write_err == 0 || fd == STDERR_FILENO)
		return __real_write(fd, buf, len);
	errno = fails.write_err;
	return -1;
}

int __wrap_fsync(int fd)
{
	struct stat st;

	if (fails.fsync_err == 0 || fstat(fd, &st) < 0 ||
		(fails.folders_only && !S_ISDIR(st.st_mode)))
		return __real_fsync(fd);
	errno = fails.fsync_err;
	return -1;
}

int __wrap_flock(int fd, int how)
{
	if (fails.ends > 0) {
		fails.ends--;
		assert_int_equal(unlink(LOCK), 0);
	}
	return __real_flock(fd, how);
}

/* --- what the tests have in common --- */

struct fixture {
	struct tree tree;
	struct capture said;
};

static int set_up(void **state)
{
	static struct fixture f;

	tree_enter(&f.tree);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	memset(&fails, 0, sizeof(fails));
	capture_drop();
	tree_leave(&f->tree);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

/* Valid until the next call. */
static const char *read_file(const char *path)
{
	static char text[16384];
	FILE *file = fopen(path, "r");
	size_t len;

	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	assert_true(len < sizeof(text) - 1);
	text[len] = '\0';
	(void)fclose(file);
	return text;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* A disk of 1 MiB, copied as a whole. */
static struct keep_about about_disk(void)
{
	return (struct keep_about){
		.in_name = "/dev/in",
		.out_name = "/dev/out",
		.in_unit = { .serial = "Z1", .unit_id = "5000" },
		.out_unit = { .serial = "K1", .unit_id = "6000" },
		.block_bytes = 512,
		.in_size_bytes = MIB,
		.len_bytes = MIB,
		.out_size_bytes = MIB,
	};
}

/* A file of that size, nothing else known. */
static struct keep_about about_file(void)
{
	struct keep_about about = about_disk();

	about.in_unit = about.out_unit = (struct keep_unit){ .serial = "" };
	about.block_bytes = 0;
	return about;
}

/* read and check, as good. */
static void begin(struct keep *k, const struct keep_about *about)
{
	assert_int_equal(keep_read(k, MAP), 0);
	assert_int_equal(keep_check(k, about), 0);
}

/* And the lock is held, the map saved once. */
static void start(struct keep *k, const struct keep_about *about)
{
	begin(k, about);
	assert_int_equal(keep_try_save(k), 0);
}

/* FILE is of that run, with one range of status, the rest untried. */
static void make_map(
	const struct keep_about *about, uint64_t at, uint64_t len, enum range_status status)
{
	struct keep k;

	begin(&k, about);
	assert_true(ranges_set(&k.map.ranges, at, len, status));
	assert_true(keep_save(&k, &k.map.ranges, '?'));
	keep_close(&k);
}

static void expect_said(struct fixture *f, const char *text)
{
	assert_string_equal(capture_end(&f->said), text);
}

/* keep_read() and keep_check() of FILE: the status and the line. */
static void refused(
	struct fixture *f, const struct keep_about *about, int exit_status, const char *text)
{
	struct keep k;
	int is;

	capture_begin(&f->said);
	is = keep_read(&k, MAP);
	if (is == 0)
		is = keep_check(&k, about);
	keep_close(&k);
	expect_said(f, text);
	assert_int_equal(is, exit_status);
}

static void accepted(struct fixture *f, const struct keep_about *about)
{
	refused(f, about, 0, "");
}

/* --- from run to run --- */

static void without_a_file_the_map_is_new_and_untried(void **state)
{
	static const char *const argv[] = { "sgmmcp", "if=/dev/sg1", "map=disk.map" };
	struct keep_about about = about_disk();
	struct keep k;

	(void)state;
	about.in_bytes = 0x1000;
	about.out_bytes = 0x2000;
	about.len_bytes = MIB - 0x1000;
	strcpy(about.pattern, "random");
	about.has_seed = true;
	about.seed = 7;
	begin(&k, &about);
	keep_set_command(&k, 3, argv);
	assert_false(k.exists);
	assert_false(keep_has_progress(&k));
	expect_ranges(&k.map.ranges, "0? 100000");
	assert_false(is_there(MAP));
	assert_int_equal(keep_try_save(&k), 0);
	assert_int_equal(keep_status(&k), 0);
	assert_string_equal(read_file(MAP), "# Mapfile. Created by sgmmcp " SGMMCP_VERSION "\n"
					    "# Command line: sgmmcp if=/dev/sg1 map=disk.map\n"
					    "# sgmmcp: serial=Z1\n"
					    "# sgmmcp: unit_id=5000\n"
					    "# sgmmcp: block_bytes=512\n"
					    "# sgmmcp: size_bytes=1048576\n"
					    "# sgmmcp: skip_bytes=4096\n"
					    "# sgmmcp: seek_bytes=8192\n"
					    "# sgmmcp: out_serial=K1\n"
					    "# sgmmcp: out_unit_id=6000\n"
					    "# sgmmcp: pattern=random\n"
					    "# sgmmcp: seed=7\n"
					    "# current_pos  current_status  current_pass\n"
					    "0x00001000     ?               1\n"
					    "#      pos        size  status\n"
					    "0x00000000  0x00100000  ?\n");
	keep_close(&k);
}

static void a_run_goes_on_from_what_was_saved(void **state)
{
	const struct keep_about about = about_disk();
	struct ranges now;
	struct keep k;

	(void)state;
	start(&k, &about);
	assert_true(ranges_init(&now, MIB));
	assert_true(ranges_set(&now, 0, 0x1000, RANGE_DONE));
	assert_true(ranges_set(&now, 0x1000, 0x200, RANGE_BAD));
	assert_true(ranges_set(&now, 0x1200, 0x1000, RANGE_WRITTEN));
	assert_true(ranges_set(&now, 0x4000, 0x1000, RANGE_FAILED));
	assert_true(keep_save(&k, &now, '?'));
	expect_ranges(&k.map.ranges, "0? 100000"); /* which are the caller's */
	keep_close(&k);
	ranges_destroy(&now);
	begin(&k, &about);
	assert_true(k.exists);
	assert_true(keep_has_progress(&k));
	expect_ranges(&k.map.ranges, "0+ 1000- 1200? 4000* 5000? 100000");
	keep_close(&k);
}

static void whatever_was_tried_is_progress(void **state)
{
	static const enum range_status tried[] = { RANGE_FAILED, RANGE_NONSCRAPED, RANGE_BAD,
		RANGE_DONE };
	const struct keep_about about = about_disk();
	struct keep k;

	(void)state;
	make_map(&about, 0, MIB, RANGE_WRITTEN);
	begin(&k, &about);
	assert_true(k.exists);
	assert_false(keep_has_progress(&k));
	keep_close(&k);
	for (size_t i = 0; i < ARRAY_SIZE(tried); i++) {
		make_map(&about, MIB - 1, 1, tried[i]);
		begin(&k, &about);
		assert_true(keep_has_progress(&k));
		keep_close(&k);
	}
}

static void the_status_line_tells_where_in_the_span_it_goes_on(void **state)
{
	struct keep_about about = about_disk();
	struct keep k;

	(void)state;
	about.in_bytes = 0x1000;
	about.len_bytes = 0x2000;
	begin(&k, &about);
	assert_true(ranges_set(&k.map.ranges, 0x1000, 0x1000, RANGE_DONE));
	assert_true(keep_save(&k, &k.map.ranges, '?'));
	assert_non_null(strstr(read_file(MAP), "\n0x00002000     ?               1\n"));
	assert_true(ranges_set(&k.map.ranges, 0x1800, 0x100, RANGE_WRITTEN));
	assert_true(keep_save(&k, &k.map.ranges, '/'));
	assert_non_null(strstr(read_file(MAP), "\n0x00001800     /               1\n"));
	assert_true(ranges_set(&k.map.ranges, 0x1000, 0x2000, RANGE_DONE));
	assert_true(keep_save(&k, &k.map.ranges, '+'));
	assert_non_null(strstr(read_file(MAP), "\n0x00003000     +               1\n"));
	keep_close(&k);
}

static void a_map_is_saved_as_it_was_before_the_run(void **state)
{
	const struct keep_about about = about_file();
	struct keep k;

	(void)state;
	write_file(MAP, "0x10 - 3\n0 0x100000 +\n");
	start(&k, &about);
	assert_non_null(strstr(read_file(MAP), "\n0x00100000     -               3\n"));
	assert_non_null(strstr(read_file(MAP), "\n0x00000000  0x00100000  +\n"));
	assert_string_equal(read_file(MAP ".bak"), "0x10 - 3\n0 0x100000 +\n");
	keep_close(&k);
}

static void a_long_command_line_is_cut(void **state)
{
	static char word[600];
	const char *const argv[] = { "sgmmcp", word, word, word };
	const struct keep_about about = about_disk();
	const char *line;
	struct keep k;

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	begin(&k, &about);
	keep_set_command(&k, 4, argv);
	assert_int_equal(strlen(k.command), KEEP_COMMAND_ROOM - 2);
	assert_true(keep_save(&k, &k.map.ranges, '?'));
	line = strstr(read_file(MAP), "# Command line: sgmmcp xxx");
	assert_non_null(line);
	assert_non_null(strstr(line, "x...\n# sgmmcp:"));
	keep_close(&k);
}

/* --- is it the map of this run? --- */

static void each_fact_that_differs_is_refused_with_both_values(void **state)
{
	static const struct {
		struct keep_about about; /* what is not 0 or "" stands in for that of the disk */
		const char *fact, *there, *here, *name;
	} cases[] = {
		{ { .in_unit.serial = "Z2" }, "serial", "Z1", "Z2", "/dev/in" },
		{ { .in_unit.unit_id = "5001" }, "unit_id", "5000", "5001", "/dev/in" },
		{ { .block_bytes = 4096 }, "block_bytes", "512", "4096", "/dev/in" },
		{ { .in_size_bytes = 2 * MIB }, "size_bytes", "1048576", "2097152", "/dev/in" },
		{ { .in_size_bytes = SIZE_UNKNOWN }, "size_bytes", "1048576", "none", "/dev/in" },
		{ { .in_bytes = 512 }, "skip_bytes", "0", "512", "/dev/in" },
		{ { .out_bytes = 512 }, "seek_bytes", "0", "512", "/dev/out" },
		{ { .pattern = "stamp:512" }, "pattern", "random", "stamp:512", "/dev/in" },
		{ { .seed = 8 }, "seed", "7", "8", "/dev/in" },
	};
	struct fixture *f = *state;
	struct keep_about disk = about_disk();
	char text[256];

	strcpy(disk.pattern, "random");
	disk.has_seed = true;
	disk.seed = 7;
	make_map(&disk, 0, 512, RANGE_DONE);
	accepted(f, &disk);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct keep_about *other = &cases[i].about;
		struct keep_about about = disk;

		if (other->in_unit.serial[0])
			strcpy(about.in_unit.serial, other->in_unit.serial);
		if (other->in_unit.unit_id[0])
			strcpy(about.in_unit.unit_id, other->in_unit.unit_id);
		about.block_bytes = other->block_bytes ? other->block_bytes : about.block_bytes;
		if (other->in_size_bytes)
			about.in_size_bytes = other->in_size_bytes;
		about.in_bytes = other->in_bytes;
		about.len_bytes -= other->in_bytes;
		about.out_bytes = other->out_bytes;
		if (other->pattern[0])
			strcpy(about.pattern, other->pattern);
		about.seed = other->seed ? other->seed : about.seed;
		(void)snprintf(text, sizeof(text),
			"sgmmcp: disk.map: is the map of another run: %s=%s there, %s of %s "
			"(give another map=)\n",
			cases[i].fact, cases[i].there, cases[i].here, cases[i].name);
		refused(f, &about, EXIT_CONTRADICT, text);
	}
}

static void a_fact_that_the_run_does_not_tell_is_refused(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_disk();

	make_map(&about, 0, 512, RANGE_DONE);
	about.in_unit.serial[0] = '\0';
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of another run: serial=Z1 there, none of /dev/in "
		"(give another map=)\n");
	about = about_disk();
	about.block_bytes = 0;
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of another run: block_bytes=512 there, none of "
		"/dev/in (give another map=)\n");
}

/* What it was copied to holds what the map has as done, and no other disk does. */
static void another_disk_as_destination_is_refused_with_both_named(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_disk();

	make_map(&about, 0, 512, RANGE_DONE);
	strcpy(about.out_unit.serial, "K2");
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of a copy to another destination: out_serial=K1 "
		"there, K2 of /dev/out (give that one as of=, or another map=)\n");
	about = about_disk();
	strcpy(about.out_unit.unit_id, "6000@512");
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of a copy to another destination: out_unit_id=6000 "
		"there, 6000@512 of /dev/out (give that one as of=, or another map=)\n");
	about = about_disk();
	about.out_name = "/dev/of_another_name";
	accepted(f, &about);
	about.out_unit = about.in_unit; /* each is held against its own */
	about.in_unit = about_disk().out_unit;
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of another run: serial=Z1 there, K1 of /dev/in "
		"(give another map=)\n");
}

static void a_file_or_a_silent_disk_is_not_the_disk_that_the_map_names(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_disk();

	make_map(&about, 0, 512, RANGE_DONE);
	about.out_name = "disk.img";
	about.out_unit = (struct keep_unit){ .serial = "" };
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of a copy to another destination: out_serial=K1 "
		"there, none of disk.img (give that one as of=, or another map=)\n");
	write_file(MAP, "# sgmmcp: out_unit_id=6000\n0 ? 1\n0 0x100000 +\n");
	about = about_disk();
	accepted(f, &about);
	about.out_unit.unit_id[0] = '\0'; /* the serial number alone does not tell it */
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of a copy to another destination: out_unit_id=6000 "
		"there, none of /dev/out (give that one as of=, or another map=)\n");
}

/* As ddrescue's do, older ones, and those of a copy to a file. */
static void a_map_that_names_no_destination_takes_that_of_the_run(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_disk();

	about.out_unit = (struct keep_unit){ .serial = "" };
	make_map(&about, 0, 512, RANGE_DONE);
	assert_null(strstr(read_file(MAP), "out_"));
	accepted(f, &about);
	about = about_disk();
	make_map(&about, 512, 512, RANGE_DONE);
	assert_non_null(
		strstr(read_file(MAP), "# sgmmcp: out_serial=K1\n# sgmmcp: out_unit_id=6000\n"));
	strcpy(about.out_unit.serial, "K2");
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of a copy to another destination: out_serial=K1 "
		"there, K2 of /dev/out (give that one as of=, or another map=)\n");
}

static void facts_that_the_map_does_not_have_say_nothing_against_it(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_disk();

	write_file(MAP, "# sgmmcp: serial=\n# sgmmcp: block_bytes=512\n0 ? 1\n0 0x100000 +\n");
	strcpy(about.pattern, "random");
	about.has_seed = true;
	accepted(f, &about);
	about.block_bytes = 520;
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of another run: block_bytes=512 there, 520 of "
		"/dev/in (give another map=)\n");
}

static void the_longest_texts_of_a_unit_are_their_own(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_disk();

	memset(about.in_unit.serial, 'S', MAPFILE_TEXT_ROOM - 1);
	memset(about.out_unit.unit_id, ' ', MAPFILE_TEXT_ROOM - 1); /* %20, three times as long */
	make_map(&about, 0, 512, RANGE_DONE);
	accepted(f, &about);
}

static void a_map_longer_than_the_source_is_refused(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_file();

	about.out_size_bytes = SIZE_UNKNOWN;
	write_file(MAP, "0 ? 1\n0 0x100000 +\n");
	accepted(f, &about);
	write_file(MAP, "0 ? 1\n0 0x100001 +\n");
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of 1048577 bytes, but /dev/in has only 1048576 "
		"(give another map=)\n");
}

static void a_map_of_none_of_the_bytes_asked_for_is_refused(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_file();

	about.in_bytes = 0x20000;
	about.len_bytes = 0x10000;
	write_file(MAP, "0 ? 1\n0 0x20000 +\n");
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of bytes 0 to 131072, but 131072 to 196608 of "
		"/dev/in are asked for (give another map=)\n");
	write_file(MAP, "0 ? 1\n0 0x20001 ?\n");
	accepted(f, &about);
	write_file(MAP, "0 ? 1\n0x30000 0x1000 +\n");
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: is the map of bytes 196608 to 200704, but 131072 to 196608 of "
		"/dev/in are asked for (give another map=)\n");
	write_file(MAP, "0 ? 1\n0x2ffff 0x1000 ?\n");
	accepted(f, &about);
}

static void a_destination_shorter_than_what_is_done_is_refused(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_file();

	about.in_bytes = 0x10000;
	about.out_bytes = 0x400;
	about.len_bytes = 0x10000;
	write_file(MAP, "0 ? 1\n0 0x18000 +\n0x18000 0x8000 -\n");
	about.out_size_bytes = 0x8400;
	accepted(f, &about);
	about.out_size_bytes = 0x83ff;
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: says that /dev/out was written up to byte 33792, but it has "
		"only 33791: it is not the destination of this map\n");
	about.out_size_bytes = SIZE_UNKNOWN;
	accepted(f, &about);
	about.out_size_bytes = 0;
	write_file(MAP, "0 ? 1\n0 0x10000 +\n0x10000 0x8000 *\n");
	accepted(f, &about); /* what is done is not of this span */
	about.out_bytes = UINT64_MAX - 1;
	about.out_size_bytes = MIB;
	write_file(MAP, "0 ? 1\n0 0x18000 +\n");
	refused(f, &about, EXIT_CONTRADICT,
		"sgmmcp: disk.map: says that /dev/out was written up to byte "
		"18446744073709551615, but it has only 1048576: it is not the destination of "
		"this map\n");
}

static void a_run_past_what_maps_can_tell_is_refused(void **state)
{
	static const char text[] = "sgmmcp: disk.map: /dev/in goes on past byte 2^63-1, where maps "
				   "end (leave map= out, or give count=)\n";
	struct fixture *f = *state;
	struct keep_about about = about_file();
	struct keep k;

	about.in_size_bytes = SIZE_UNKNOWN;
	about.in_bytes = 1;
	about.len_bytes = MAPFILE_SIZE_MAX;
	refused(f, &about, EXIT_CONTRADICT, text);
	about.len_bytes = UINT64_MAX;
	refused(f, &about, EXIT_CONTRADICT, text);
	about.len_bytes = MIB;
	about.in_size_bytes = (uint64_t)MAPFILE_SIZE_MAX + 1;
	refused(f, &about, EXIT_CONTRADICT, text);
	about.in_size_bytes = SIZE_UNKNOWN;
	about.len_bytes = MAPFILE_SIZE_MAX - 1;
	start(&k, &about);
	keep_close(&k);
	accepted(f, &about);
}

static void the_map_grows_up_to_the_end_of_the_source_or_of_the_span(void **state)
{
	struct keep_about about = about_file();
	struct keep k;

	(void)state;
	write_file(MAP, "0 + 4\n0 0x1000 +\n");
	about.out_size_bytes = SIZE_UNKNOWN;
	about.len_bytes = 0x2000;
	begin(&k, &about);
	expect_ranges(&k.map.ranges, "0+ 1000? 100000");
	assert_int_equal(k.map.phase, '?');
	keep_close(&k);
	about.in_size_bytes = SIZE_UNKNOWN;
	begin(&k, &about);
	expect_ranges(&k.map.ranges, "0+ 1000? 2000");
	keep_close(&k);
	about.len_bytes = 0x800;
	begin(&k, &about);
	expect_ranges(&k.map.ranges, "0+ 1000");
	assert_int_equal(k.map.phase, '+');
	assert_int_equal(k.map.pass, 4);
	keep_close(&k);
}

static void maps_of_ddrescue_are_gone_on_from(void **state)
{
	static const struct {
		const char *name, *ranges;
	} maps[] = {
		{ "full", "0+ 100000" },
		{ "untrimmed", "0+ 20000* 30000+ 60000* 70000+ 100000" },
		{ "unscraped", "0+ 20000- 20200+ 60200- 60400/ 61400- 61600+ 100000" },
		{ "domain_faults", "0? 20000* 30000+ 60000* 6b000? 100000" },
		{ "continued", "0+ 10000- 10200+ 80000? 100000" },
	};
	const struct fixture *f = *state;
	const struct keep_about about = about_disk();

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		char path[PATH_MAX + 128];
		struct keep k;

		(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/mapfile/ddrescue_%s",
			f->tree.was, maps[i].name);
		write_file(MAP, read_file(path));
		begin(&k, &about);
		assert_true(keep_has_progress(&k));
		expect_ranges(&k.map.ranges, maps[i].ranges);
		assert_int_equal(keep_try_save(&k), 0);
		assert_non_null(strstr(read_file(MAP), "\n# sgmmcp: serial=Z1\n"));
		keep_close(&k);
		begin(&k, &about);
		expect_ranges(&k.map.ranges, maps[i].ranges);
		keep_close(&k);
	}
}

/* --- files that are no maps --- */

static void a_damaged_map_is_refused_and_a_whole_one_before_named(void **state)
{
	static const char damaged[] = "0 ? 1\n0 8 +\n9 8 +\n";
	struct fixture *f = *state;
	const struct keep_about about = about_disk();

	write_file(MAP, damaged);
	refused(f, &about, EXIT_FILE, "sgmmcp: disk.map: line 3: gap before this block\n");
	write_file(MAP ".bak", damaged);
	refused(f, &about, EXIT_FILE, "sgmmcp: disk.map: line 3: gap before this block\n");
	write_file(MAP ".bak", "0 ? 1\n0 8 +\n");
	refused(f, &about, EXIT_FILE,
		"sgmmcp: disk.map: line 3: gap before this block (disk.map.bak is whole: copy it "
		"over disk.map to go on from there)\n");
	write_file(MAP, "");
	assert_int_equal(remove(MAP ".bak"), 0);
	refused(f, &about, EXIT_FILE, "sgmmcp: disk.map: the status line is missing\n");
}

static void what_is_no_file_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();

	assert_int_equal(mkdir(MAP, 0700), 0);
	refused(f, &about, EXIT_FILE,
		"sgmmcp: disk.map: cannot open the map: is no regular file\n");
	assert_int_equal(rmdir(MAP), 0);
	assert_int_equal(symlink("elsewhere", MAP), 0);
	refused(f, &about, EXIT_FILE,
		"sgmmcp: disk.map: cannot open the map: is a symbolic link (name the file "
		"itself)\n");
	assert_int_equal(unlink(MAP), 0);
	write_file("file", "");
	capture_begin(&f->said);
	assert_int_equal(keep_read(&(struct keep){ 0 }, "file/map"), EXIT_FILE);
	expect_said(f, "sgmmcp: file/map: cannot open the map: Not a directory\n");
}

/* --- saving --- */

/* It has been checked; it is closed. */
static void try_save_fails(struct fixture *f, struct keep *k, int exit_status, const char *text)
{
	int is;

	capture_begin(&f->said);
	is = keep_try_save(k);
	keep_close(k);
	expect_said(f, text);
	assert_int_equal(is, exit_status);
}

static void a_folder_that_cannot_be_written_to_is_known_before_the_run(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	struct keep k;

	assert_int_equal(keep_read(&k, "missing/map"), 0);
	assert_int_equal(keep_check(&k, &about), 0);
	try_save_fails(f, &k, EXIT_FILE,
		"sgmmcp: missing/map: cannot save the map: cannot lock it by "
		"missing/map.sgmmcp-lock: No such file or directory\n");
}

static void a_full_disk_is_known_before_the_run(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	struct keep k;

	begin(&k, &about);
	fails.write_err = ENOSPC;
	try_save_fails(f, &k, EXIT_OS + ENOSPC,
		"sgmmcp: disk.map: cannot save the map: cannot write the new file beside it: No "
		"space left on device\n");
	assert_false(is_there(MAP));
	fails.write_err = 0;
	make_map(&about, 0, 512, RANGE_DONE);
	begin(&k, &about);
	fails.write_err = ENOSPC;
	try_save_fails(f, &k, EXIT_OS + ENOSPC,
		"sgmmcp: disk.map: cannot save the map: cannot write the new file beside it: No "
		"space left on device: the one before still stands\n");
}

static void saves(struct fixture *f, struct keep *k, bool good, int exit_status, const char *text)
{
	bool saved;

	capture_begin(&f->said);
	saved = keep_save(k, &k->map.ranges, '?');
	expect_said(f, text);
	assert_int_equal(saved, good);
	assert_int_equal(keep_status(k), exit_status);
}

static void a_save_that_fails_is_said_once_and_its_recovery_too(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	char before[1024];
	struct keep k;

	start(&k, &about);
	strcpy(before, read_file(MAP));
	assert_true(ranges_set(&k.map.ranges, 0, 512, RANGE_DONE));
	fails.write_err = ENOSPC;
	saves(f, &k, false, EXIT_OS + ENOSPC,
		"sgmmcp: disk.map: cannot save the map: cannot write the new file beside it: No "
		"space left on device: the one before still stands\n");
	saves(f, &k, false, EXIT_OS + ENOSPC, "");
	assert_string_equal(read_file(MAP), before);
	fails.write_err = EIO;
	saves(f, &k, false, EXIT_OS + EIO,
		"sgmmcp: disk.map: cannot save the map: cannot write the new file beside it: "
		"Input/output error: the one before still stands\n");
	saves(f, &k, false, EXIT_OS + EIO, "");
	fails.write_err = 0;
	saves(f, &k, true, 0, "sgmmcp: disk.map: the map is saved again\n");
	saves(f, &k, true, 0, "");
	assert_non_null(strstr(read_file(MAP), "\n0x00000000  0x00000200  +\n"));
	keep_close(&k);
}

static void a_folder_that_cannot_be_flushed_is_a_failure_of_its_own(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	struct keep k;

	begin(&k, &about);
	fails.fsync_err = EIO;
	fails.folders_only = true;
	saves(f, &k, false, EXIT_OS + EIO,
		"sgmmcp: disk.map: cannot flush its folder: Input/output error: the map is saved, "
		"but a crash may bring back the one before\n");
	assert_true(is_there(MAP));
	fails.folders_only = false; /* another failure, for the same reason */
	saves(f, &k, false, EXIT_OS + EIO,
		"sgmmcp: disk.map: cannot save the map: cannot flush the new file beside it: "
		"Input/output error: the one before still stands\n");
	saves(f, &k, false, EXIT_OS + EIO, "");
	keep_close(&k);
}

static void a_map_that_became_something_else_is_not_replaced(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	struct keep k;

	start(&k, &about);
	assert_int_equal(unlink(MAP), 0);
	assert_int_equal(symlink("elsewhere", MAP), 0);
	saves(f, &k, false, EXIT_FILE,
		"sgmmcp: disk.map: cannot save the map: cannot be replaced: Too many levels of "
		"symbolic links: the one before still stands\n");
	keep_close(&k);
}

static void an_empty_source_has_no_map(void **state)
{
	struct keep_about about = about_file();
	struct keep k;

	(void)state;
	about.in_size_bytes = about.len_bytes = about.out_size_bytes = 0;
	start(&k, &about);
	assert_true(keep_save(&k, &k.map.ranges, '+'));
	assert_int_equal(keep_status(&k), 0);
	keep_close(&k);
	assert_false(is_there(MAP));
	assert_false(is_there(LOCK));
}

static void nothing_to_copy_is_no_contradiction(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_disk();

	about.len_bytes = 0;
	make_map(&about, 0, 0, RANGE_DONE);
	accepted(f, &about);
}

/* --- two runs --- */

static void a_second_is_refused(struct fixture *f, const struct keep_about *about)
{
	struct keep k;

	begin(&k, about);
	try_save_fails(f, &k, EXIT_FLOCK, "sgmmcp: disk.map: another run is using this map\n");
}

static void a_second_run_is_refused_while_the_first_goes_on(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	struct keep first, second;

	start(&first, &about);
	assert_true(is_there(LOCK));
	a_second_is_refused(f, &about);
	assert_true(is_there(LOCK)); /* the first one's */
	assert_true(keep_save(&first, &first.map.ranges, '?'));
	keep_close(&first);
	assert_false(is_there(LOCK));
	start(&second, &about);
	keep_close(&second);
	assert_false(is_there(LOCK));
}

static void expect_changed(struct fixture *f, struct keep *k)
{
	try_save_fails(f, k, EXIT_FLOCK,
		"sgmmcp: disk.map: has changed since it was read: another run has used it (start "
		"again)\n");
}

static void what_another_run_saved_meanwhile_is_not_overwritten(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	struct keep k;

	begin(&k, &about);
	make_map(&about, 0, 512, RANGE_DONE);
	expect_changed(f, &k); /* there was none */
	begin(&k, &about);
	make_map(&about, 0, 512, RANGE_BAD);
	expect_changed(f, &k);
	assert_non_null(strstr(read_file(MAP), "\n0x00000000  0x00000200  -\n"));
	begin(&k, &about);
	assert_int_equal(unlink(MAP), 0);
	expect_changed(f, &k);
	assert_false(is_there(MAP));
}

static void a_lock_that_a_crash_left_locks_nothing(void **state)
{
	const struct keep_about about = about_disk();
	struct keep k;

	(void)state;
	write_file(LOCK, "");
	start(&k, &about);
	keep_close(&k);
	assert_false(is_there(LOCK));
}

static void a_lock_that_is_not_ours_is_left_alone(void **state)
{
	const struct keep_about about = about_disk();
	struct keep k;

	(void)state;
	start(&k, &about);
	assert_int_equal(unlink(LOCK), 0);
	write_file(LOCK, "");
	keep_close(&k);
	assert_true(is_there(LOCK));
}

/* It was opened before the run that held it ended, and locked after that. */
static void a_lock_file_that_lost_its_name_is_not_the_lock(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	struct keep first;

	begin(&first, &about);
	fails.ends = 2;
	assert_int_equal(keep_try_save(&first), 0);
	assert_int_equal(fails.ends, 0);
	assert_true(is_there(LOCK));
	a_second_is_refused(f, &about);
	keep_close(&first);
	assert_false(is_there(LOCK));
}

/* As where inodes have other numbers each time that they are looked at. */
static void a_lock_file_that_always_loses_its_name_is_given_up(void **state)
{
	struct fixture *f = *state;
	const struct keep_about about = about_disk();
	struct keep k;

	begin(&k, &about);
	fails.ends = UINT_MAX;
	try_save_fails(f, &k, EXIT_FILE,
		"sgmmcp: disk.map: cannot save the map: cannot lock it by disk.map.sgmmcp-lock: "
		"Stale file handle\n");
}

#define RACERS 4
#define ROUNDS 50

struct race {
	_Atomic int inside;
	_Atomic unsigned took, crowds;
};

static void *race(void *arg)
{
	const struct keep_about about = about_disk();
	struct race *r = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct keep k;

		if (keep_read(&k, MAP) == 0 && keep_check(&k, &about) == 0 &&
			keep_try_save(&k) == 0) {
			r->took++;
			r->crowds += atomic_fetch_add(&r->inside, 1) > 0;
			r->crowds += !keep_save(&k, &k.map.ranges, '?');
			atomic_fetch_sub(&r->inside, 1);
		}
		keep_close(&k);
	}
	return NULL;
}

/* Lock files come and go all the time: none that lost its name is taken for the lock. */
static void there_is_never_more_than_one_run(void **state)
{
	struct fixture *f = *state;
	pthread_t thread[RACERS];
	struct race r = { 0 };

	capture_begin(&f->said);
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, race, &r), 0);
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	(void)capture_end(&f->said);
	assert_int_equal(r.crowds, 0);
	assert_true(r.took > 0);
	assert_false(is_there(LOCK));
}

/* --- the files of others --- */

static void one_file_is_known_by_whatever_name(void **state)
{
	(void)state;
	assert_int_equal(mkdir("sub", 0700), 0);
	assert_true(keep_same_file("new", "./new"));
	assert_true(keep_same_file("sub/../new", "sub/..//new"));
	assert_false(keep_same_file("new", "sub/new"));
	assert_false(keep_same_file("new", "newer"));
	assert_false(keep_same_file("missing/new", "missing/new")); /* nor can it be written */
	write_file("file", "");
	assert_true(keep_same_file("file", "sub/../file"));
	assert_false(keep_same_file("file", "new"));
	assert_int_equal(symlink("../file", "sub/link"), 0);
	assert_true(keep_same_file("sub/link", "file"));
	assert_int_equal(link("file", "hard"), 0);
	assert_true(keep_same_file("file", "hard"));
}

static void the_files_of_a_map_are_known(void **state)
{
	const struct keep k = { .path = MAP };

	(void)state;
	assert_true(keep_writes_to(&k, "./" MAP));
	assert_true(keep_writes_to(&k, "./" MAP ".bak"));
	assert_true(keep_writes_to(&k, LOCK));
	assert_true(keep_writes_to(&k, "./" MAP ".sgmmcp-new"));
	assert_true(keep_writes_to(&k, MAP ".bak.sgmmcp-new"));
	assert_false(keep_writes_to(&k, MAP ".img"));
}

/* It has a new one as well, and none before. */
static void the_files_of_a_list_are_known(void **state)
{
	const struct keep k = { .path = "list.sgmmcp-new" }, other = { .path = "list.bak" };

	(void)state;
	assert_true(keep_list_writes_to("list", "./list"));
	assert_true(keep_list_writes_to("list", "./list.sgmmcp-new"));
	assert_false(keep_list_writes_to("list", "list.bak"));
	assert_true(keep_list_writes_to_map("./list", &k));
	assert_true(keep_list_writes_to_map("list.sgmmcp-new.sgmmcp-lock", &k));
	assert_false(keep_list_writes_to_map("list", &other));
}

/* --- what is said, bad blocks, the end --- */

static void expect_line(struct fixture *f, const struct keep_about *about, const char *text)
{
	struct keep k;

	begin(&k, about);
	capture_begin(&f->said);
	keep_say(&k, about);
	expect_said(f, text);
	keep_close(&k);
}

static void what_there_is_of_the_span_is_said(void **state)
{
	struct fixture *f = *state;
	struct keep_about about = about_file();

	expect_line(f, &about, "");
	write_file(MAP, "0 ? 1\n0 0x100000 ?\n");
	expect_line(f, &about, "");
	write_file(MAP, "0 ? 1\n0 0x100000 +\n");
	expect_line(f, &about, "sgmmcp: disk.map: going on: 1 MiB of 1 MiB done\n");
	write_file(MAP, "0 ? 1\n0 0x40000 +\n0x40000 0x400 -\n0x40400 0x400 *\n0x40800 0x400 -\n"
			"0x40c00 0x400 /\n0x41000 0xbf000 ?\n");
	expect_line(f, &about,
		"sgmmcp: disk.map: going on: 256 KiB of 1 MiB done, 764 KiB untried, 1 failed "
		"range (1 KiB), 1 unscraped range (1 KiB), 2 bad ranges (2 KiB)\n");
	about.in_bytes = 0x3fe00;
	about.len_bytes = 0x500;
	expect_line(f, &about,
		"sgmmcp: disk.map: going on: 512 B of 1.2 KiB done, 1 bad range (768 B)\n");
}

static void lists(uint64_t from, uint64_t to, uint32_t block_bytes, const char *text)
{
	struct ranges r;

	assert_true(ranges_init(&r, MIB));
	assert_true(ranges_set(&r, 0, 1024, RANGE_BAD));
	assert_true(ranges_set(&r, 0x1000, 512, RANGE_FAILED));
	assert_true(ranges_set(&r, 0x2000, 512, RANGE_BAD));
	assert_true(ranges_set(&r, 0xffe00, 512, RANGE_BAD));
	assert_int_equal(keep_badblocks("list", &r, from, to, block_bytes), 0);
	assert_string_equal(read_file("list"), text);
	ranges_destroy(&r);
}

static void bad_blocks_are_listed_and_nothing_else(void **state)
{
	(void)state;
	lists(0, UINT64_MAX, 512, "0\n1\n16\n2047\n");
	lists(0, UINT64_MAX, 0, "0\n1\n16\n2047\n");
	lists(0, UINT64_MAX, 4096, "0\n2\n255\n");
	lists(512, 0xffe00, 512, "1\n16\n");
	lists(0x2200, 0xffe00, 512, "");
	lists(2 * MIB, UINT64_MAX, 512, "");
	assert_false(is_there("list.bak"));
}

static void a_list_that_cannot_be_saved_is_said(void **state)
{
	struct fixture *f = *state;
	struct ranges r;

	assert_true(ranges_init(&r, MIB));
	assert_true(ranges_set(&r, 0, 512, RANGE_BAD));
	capture_begin(&f->said);
	assert_int_equal(keep_badblocks("missing/list", &r, 0, UINT64_MAX, 512), EXIT_FILE);
	expect_said(f, "sgmmcp: missing/list: cannot save the list of bad blocks: cannot open its "
		       "folder: No such file or directory\n");
	fails.write_err = ENOSPC;
	capture_begin(&f->said);
	assert_int_equal(keep_badblocks("list", &r, 0, UINT64_MAX, 512), EXIT_OS + ENOSPC);
	expect_said(f, "sgmmcp: list: cannot save the list of bad blocks: cannot write the new "
		       "file beside it: No space left on device\n");
	ranges_destroy(&r);
}

static void closing_what_was_never_open_does_nothing(void **state)
{
	struct keep k = { 0 };

	(void)state;
	keep_close(&k);
	keep_close(&k);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_file_the_map_is_new_and_untried),
		TEST(a_run_goes_on_from_what_was_saved),
		TEST(whatever_was_tried_is_progress),
		TEST(the_status_line_tells_where_in_the_span_it_goes_on),
		TEST(a_map_is_saved_as_it_was_before_the_run),
		TEST(a_long_command_line_is_cut),
		TEST(each_fact_that_differs_is_refused_with_both_values),
		TEST(a_fact_that_the_run_does_not_tell_is_refused),
		TEST(facts_that_the_map_does_not_have_say_nothing_against_it),
		TEST(another_disk_as_destination_is_refused_with_both_named),
		TEST(a_file_or_a_silent_disk_is_not_the_disk_that_the_map_names),
		TEST(a_map_that_names_no_destination_takes_that_of_the_run),
		TEST(the_longest_texts_of_a_unit_are_their_own),
		TEST(a_map_longer_than_the_source_is_refused),
		TEST(a_map_of_none_of_the_bytes_asked_for_is_refused),
		TEST(a_destination_shorter_than_what_is_done_is_refused),
		TEST(a_run_past_what_maps_can_tell_is_refused),
		TEST(the_map_grows_up_to_the_end_of_the_source_or_of_the_span),
		TEST(maps_of_ddrescue_are_gone_on_from),
		TEST(a_damaged_map_is_refused_and_a_whole_one_before_named),
		TEST(what_is_no_file_is_refused),
		TEST(a_folder_that_cannot_be_written_to_is_known_before_the_run),
		TEST(a_full_disk_is_known_before_the_run),
		TEST(a_save_that_fails_is_said_once_and_its_recovery_too),
		TEST(a_folder_that_cannot_be_flushed_is_a_failure_of_its_own),
		TEST(a_map_that_became_something_else_is_not_replaced),
		TEST(an_empty_source_has_no_map),
		TEST(nothing_to_copy_is_no_contradiction),
		TEST(a_second_run_is_refused_while_the_first_goes_on),
		TEST(what_another_run_saved_meanwhile_is_not_overwritten),
		TEST(a_lock_that_a_crash_left_locks_nothing),
		TEST(a_lock_that_is_not_ours_is_left_alone),
		TEST(a_lock_file_that_lost_its_name_is_not_the_lock),
		TEST(a_lock_file_that_always_loses_its_name_is_given_up),
		TEST(there_is_never_more_than_one_run),
		TEST(one_file_is_known_by_whatever_name),
		TEST(the_files_of_a_map_are_known),
		TEST(the_files_of_a_list_are_known),
		TEST(what_there_is_of_the_span_is_said),
		TEST(bad_blocks_are_listed_and_nothing_else),
		TEST(a_list_that_cannot_be_saved_is_said),
		TEST(closing_what_was_never_open_does_nothing),
	};

	return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
