/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of core/replace.c are this file's: each in turn fails, or is the last one that
 * the program lives to see. The folder is real.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/replace.h"

#define CALLS_MAX 64
#define NEW_LEN	  40000u /* three pieces */

static struct calls {
	bool counted;
	unsigned n;
	unsigned fail_at; /* from 1; 0: none */
	int err;
	const char *fail_name; /* every call of that name; NULL: none */
	bool kill;	       /* instead of failing */
	bool half;	       /* a write that is to fail or kill writes half of it before */
	const char *names[CALLS_MAX];
} calls;

/* True: this call fails. */
static bool enters(const char *name)
{
	if (!calls.counted)
		return false;
	assert_true(calls.n < CALLS_MAX);
	calls.names[calls.n++] = name;
	if (calls.n != calls.fail_at && !(calls.fail_name && strcmp(calls.fail_name, name) == 0))
		return false;
	if (calls.kill && !calls.half)
		(void)raise(SIGKILL);
	errno = calls.err;
	return true;
}

/* A call with the result and the parameters of the real one. */
#define CALL(result, name, types, args) \
	result __real_##name types; \
	result __wrap_##name types; \
	result __wrap_##name types \
	{ \
		return enters(#name) ? -1 : __real_##name args; \
	}

CALL(int, fstatat, (int fd, const char *name, struct stat *st, int flags), (fd, name, st, flags))
CALL(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
CALL(int, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
CALL(int, fsync, (int fd), (fd))
CALL(int, linkat, (int a, const char *from, int b, const char *to, int flags),
	(a, from, b, to, flags))
CALL(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(int, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int fd, const char *name, int flags, ...);
int __wrap_openat(int fd, const char *name, int flags, ...);
int __real_close(int fd);
int __wrap_close(int fd);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

int __wrap_open(const char *path, int flags, ...)
{
	return enters("open") ? -1 : __real_open(path, flags, 0600);
}

int __wrap_openat(int fd, const char *name, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return enters("openat") ? -1 : __real_openat(fd, name, flags, mode);
}

/* The descriptor is gone in any case, as it is in Linux. */
int __wrap_close(int fd)
{
	bool fails = enters("close");
	int err = errno, nothing = __real_close(fd);

	errno = err;
	return fails ? -1 : nothing;
}

/* Never more than 10000 bytes at once: short counts are no failures. */
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	bool fails = enters("write");

	if (fails && calls.half) {
		(void)!__real_write(fd, buf, len / 2);
		if (calls.kill)
			(void)raise(SIGKILL);
		errno = calls.err;
	}
	if (fails)
		return -1;
	return __real_write(fd, buf, calls.counted && len > 10000 ? 10000 : len);
}

/* --- the folder --- */

struct folder {
	char dir[32], path[48];
};

static char *name_of(const struct folder *f, const char *suffix, char *path)
{
	(void)snprintf(path, PATH_MAX, "%s%s", f->path, suffix);
	return path;
}

static void fill(const struct folder *f, const char *suffix, char c, size_t len)
{
	char path[PATH_MAX];
	FILE *file = fopen(name_of(f, suffix, path), "w");

	assert_non_null(file);
	while (len-- > 0)
		assert_int_equal(fputc(c, file), c);
	assert_int_equal(fclose(file), 0);
}

/* What the file has throughout: a letter; '!' for anything else than len such, '0' for no file. */
static char seen(const struct folder *f, const char *suffix, size_t len)
{
	char path[PATH_MAX];
	FILE *file = fopen(name_of(f, suffix, path), "r");
	int first = file ? fgetc(file) : 0, c = first;
	size_t n = 0;

	if (!file)
		return '0';
	for (; c == first && c != EOF; n++)
		c = fgetc(file);
	(void)fclose(file);
	return c == EOF && n == len ? (char)first : '!';
}

static void remove_one(const struct folder *f, const char *suffix)
{
	char path[PATH_MAX];

	(void)remove(name_of(f, suffix, path));
}

static void empty(const struct folder *f)
{
	remove_one(f, "");
	remove_one(f, ".bak");
	remove_one(f, ".sgmmcp-new");
	remove_one(f, ".bak.sgmmcp-new");
}

static int set_up(void **state)
{
	static struct folder f;

	memset(&calls, 0, sizeof(calls));
	strcpy(f.dir, "/tmp/sgmmcp_test_XXXXXX");
	if (!mkdtemp(f.dir))
		return -1;
	(void)snprintf(f.path, sizeof(f.path), "%s/map", f.dir);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	const struct folder *f = *state;

	calls.counted = false;
	empty(f);
	return rmdir(f->dir); /* fails where anything is left */
}

static void print_new(struct textout *t, const void *arg)
{
	const char *c = arg;

	for (unsigned i = 0; i < NEW_LEN; i++)
		textout_printf(t, "%c", *c);
}

static int replace(const struct folder *f, char c, enum replace_step *step)
{
	int err;

	calls.counted = true;
	calls.n = 0;
	err = replace_file(f->path, true, print_new, &c, step);
	calls.counted = false;
	return err;
}

static void old_files(const struct folder *f)
{
	empty(f);
	fill(f, "", 'b', NEW_LEN);
	fill(f, ".bak", 'a', NEW_LEN);
}

/* --- tests --- */

static void a_new_file_is_made(void **state)
{
	const struct folder *f = *state;
	enum replace_step step;

	assert_int_equal(replace(f, 'a', &step), 0);
	assert_int_equal(seen(f, "", NEW_LEN), 'a');
	assert_int_equal(seen(f, ".bak", NEW_LEN), '0');
	assert_int_equal(seen(f, ".sgmmcp-new", NEW_LEN), '0');
}

static void the_old_file_becomes_bak(void **state)
{
	const struct folder *f = *state;
	enum replace_step step;

	assert_int_equal(replace(f, 'a', &step), 0);
	assert_int_equal(replace(f, 'b', &step), 0);
	assert_int_equal(seen(f, "", NEW_LEN), 'b');
	assert_int_equal(seen(f, ".bak", NEW_LEN), 'a');
	assert_int_equal(replace(f, 'c', &step), 0);
	assert_int_equal(seen(f, "", NEW_LEN), 'c');
	assert_int_equal(seen(f, ".bak", NEW_LEN), 'b');
	calls.counted = true;
	assert_int_equal(replace_file(f->path, false, print_new, "d", &step), 0);
	calls.counted = false;
	assert_int_equal(seen(f, "", NEW_LEN), 'd');
	assert_int_equal(seen(f, ".bak", NEW_LEN), 'b');
}

/* The calls that were made, but of those of one name behind each other only the first. */
static void made(const char *const *order, unsigned n)
{
	unsigned at = 0;

	for (unsigned i = 0; i < calls.n; i++) {
		if (i > 0 && strcmp(calls.names[i], calls.names[i - 1]) == 0)
			continue;
		assert_true(at < n);
		assert_string_equal(calls.names[i], order[at++]);
	}
	assert_int_equal(at, n);
}

static void the_order_of_calls_is_the_one_that_survives_a_power_failure(void **state)
{
	static const char *const order[] = { "open", "fstatat", "unlinkat", "openat", "fchown",
		"fchmod", "write", "fsync", "close", "unlinkat", "linkat", "renameat", "unlinkat",
		"renameat", "fsync", "close" };
	const struct folder *f = *state;
	enum replace_step step;

	old_files(f);
	assert_int_equal(replace(f, 'c', &step), 0);
	made(order, ARRAY_SIZE(order));
}

static void without_links_bak_is_a_copy(void **state)
{
	static const char *const order[] = { "open", "fstatat", "unlinkat", "openat", "fchown",
		"fchmod", "write", "fsync", "close", "unlinkat", "linkat", "openat", "unlinkat",
		"openat", "fchown", "fchmod", "read", "write", "read", "write", "read", "write",
		"read", "fsync", "close", "renameat", "unlinkat", "renameat", "fsync", "close" };
	const struct folder *f = *state;
	enum replace_step step;

	old_files(f);
	calls.fail_name = "linkat";
	calls.err = EPERM;
	assert_int_equal(replace(f, 'c', &step), 0);
	assert_int_equal(seen(f, "", NEW_LEN), 'c');
	assert_int_equal(seen(f, ".bak", NEW_LEN), 'b');
	made(order, ARRAY_SIZE(order));
}

/* The outcome that is right for one failing call, whichever it was. */
static void is_whole(const struct folder *f, int err, enum replace_step step, unsigned k)
{
	char now = seen(f, "", NEW_LEN), bak = seen(f, ".bak", NEW_LEN);

	if (err == 0 || step == REPLACE_FLUSH_FOLDER) {
		assert_int_equal(now, 'c');
		assert_int_equal(bak, 'b');
	} else {
		assert_int_equal(now, 'b');
		assert_true(bak == 'a' || bak == 'b');
	}
	if (seen(f, ".sgmmcp-new", NEW_LEN) != '0' || seen(f, ".bak.sgmmcp-new", NEW_LEN) != '0')
		fail_msg("call %u, %s: a file was left behind", k, calls.names[k - 1]);
}

static bool is_ignored(const char *name)
{
	return strcmp(name, "fchown") == 0 || strcmp(name, "fchmod") == 0;
}

static void each_fails(const struct folder *f, int err)
{
	for (unsigned k = 1;; k++) {
		enum replace_step step = REPLACE_FOLDER;
		int result;

		old_files(f);
		calls.fail_at = k;
		calls.err = err;
		result = replace(f, 'c', &step);
		if (k > calls.n) {
			assert_int_equal(result, 0);
			assert_true(k > 15);
			return;
		}
		assert_int_equal(result, is_ignored(calls.names[k - 1]) ? 0 : err);
		is_whole(f, result, step, k);
	}
}

static void whichever_call_fails_the_name_stands_for_a_whole_file(void **state)
{
	each_fails(*state, EIO);
	each_fails(*state, ENOSPC);
}

/* EMLINK: to other calls than linkat() it means nothing special. */
static void whichever_call_fails_without_links_it_does_so_too(void **state)
{
	const struct folder *f = *state;

	for (unsigned k = 1;; k++) {
		enum replace_step step = REPLACE_FOLDER;
		int result;

		old_files(f);
		calls.fail_at = k;
		calls.fail_name = "linkat";
		calls.err = EMLINK;
		result = replace(f, 'c', &step);
		if (k > calls.n)
			break;
		if (is_ignored(calls.names[k - 1]) || strcmp(calls.names[k - 1], "linkat") == 0)
			assert_int_equal(result, 0);
		else
			assert_int_equal(result, EMLINK);
		is_whole(f, result, step, k);
	}
	assert_true(calls.n > 25);
}

static void the_step_that_failed_is_told(void **state)
{
	static const struct {
		const char *name;
		enum replace_step step;
	} steps[] = {
		{ "open", REPLACE_FOLDER },
		{ "fstatat", REPLACE_LOOK },
		{ "openat", REPLACE_CREATE },
		{ "write", REPLACE_WRITE },
		{ "fsync", REPLACE_FLUSH },
		{ "linkat", REPLACE_BACKUP },
		{ "renameat", REPLACE_BACKUP },
	};
	const struct folder *f = *state;
	enum replace_step last;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		enum replace_step step = REPLACE_FLUSH_FOLDER;

		old_files(f);
		calls.fail_name = steps[i].name;
		calls.err = EIO;
		assert_int_equal(replace(f, 'c', &step), EIO);
		assert_int_equal(step, steps[i].step);
		assert_true(strlen(replace_step_text(step)) > 0);
	}
	empty(f);
	calls.fail_name = "renameat"; /* without an old file the first one is the last */
	assert_int_equal(replace(f, 'c', &last), EIO);
	assert_int_equal(last, REPLACE_RENAME);
}

static void interruptions_are_no_failures(void **state)
{
	const struct folder *f = *state;
	enum replace_step step;
	unsigned writes = 0;

	for (unsigned k = 1; k == 1 || k <= calls.n; k++) {
		calls.fail_at = 0;
		old_files(f);
		assert_int_equal(replace(f, 'c', &step), 0);
		if (k > calls.n || (strcmp(calls.names[k - 1], "write") &&
					   strcmp(calls.names[k - 1], "fsync")))
			continue;
		writes++;
		calls.fail_at = k;
		calls.err = EINTR;
		old_files(f);
		assert_int_equal(replace(f, 'c', &step), 0);
		assert_int_equal(seen(f, "", NEW_LEN), 'c');
	}
	assert_true(writes > 4);
}

static void a_folder_that_cannot_be_flushed_is_accepted(void **state)
{
	const struct folder *f = *state;
	enum replace_step step;

	old_files(f);
	assert_int_equal(replace(f, 'c', &step), 0);
	calls.fail_at = calls.n - 1; /* then close() */
	calls.err = EINVAL;
	old_files(f);
	assert_int_equal(replace(f, 'c', &step), 0);
	assert_string_equal(calls.names[calls.fail_at - 1], "fsync");
}

/* In a child that is killed before call k; false: it lived to the end. */
static bool killed_at(const struct folder *f, unsigned k, bool half)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		enum replace_step step;

		calls.fail_at = k;
		calls.kill = true;
		calls.half = half;
		_exit(replace(f, 'c', &step) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) <= 1);
	return WIFSIGNALED(status);
}

static void is_old_or_new(const struct folder *f)
{
	char now = seen(f, "", NEW_LEN), bak = seen(f, ".bak", NEW_LEN);
	enum replace_step step;

	assert_true((now == 'b' && (bak == 'a' || bak == 'b')) || (now == 'c' && bak == 'b'));
	/* and the next one finds its way, and leaves nothing behind */
	assert_int_equal(replace(f, 'd', &step), 0);
	assert_int_equal(seen(f, "", NEW_LEN), 'd');
	assert_int_equal(seen(f, ".bak", NEW_LEN), now);
	assert_int_equal(seen(f, ".sgmmcp-new", NEW_LEN), '0');
	assert_int_equal(seen(f, ".bak.sgmmcp-new", NEW_LEN), '0');
}

static void killed_anywhere_the_name_stands_for_a_whole_file(void **state)
{
	const struct folder *f = *state;
	unsigned k = 0;

	do {
		old_files(f);
		k++;
		if (!killed_at(f, k, false))
			break;
		is_old_or_new(f);
	} while (k < CALLS_MAX);
	assert_true(k > 15 && k < CALLS_MAX);
}

static void killed_in_the_middle_of_a_write_too(void **state)
{
	const struct folder *f = *state;
	unsigned killed = 0;

	for (unsigned k = 1; k < 20; k++) {
		old_files(f);
		killed += killed_at(f, k, true);
		if (seen(f, "", NEW_LEN) == 'b')
			is_old_or_new(f);
	}
	assert_true(killed > 2);
}

static void links_are_not_followed(void **state)
{
	const struct folder *f = *state;
	static const char *const suffixes[] = { ".bak", ".sgmmcp-new", ".bak.sgmmcp-new" };
	char victim[PATH_MAX], path[PATH_MAX];
	enum replace_step step;

	old_files(f);
	fill(f, ".victim", 'v', 10);
	name_of(f, ".victim", victim);
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		remove_one(f, suffixes[i]);
		assert_int_equal(symlink(victim, name_of(f, suffixes[i], path)), 0);
		assert_int_equal(replace(f, 'c', &step), 0);
		assert_int_equal(seen(f, ".victim", 10), 'v');
		assert_int_equal(seen(f, "", NEW_LEN), 'c');
	}
	remove_one(f, "");
	assert_int_equal(symlink(victim, name_of(f, "", path)), 0);
	assert_int_equal(replace(f, 'c', &step), ELOOP);
	assert_int_equal(step, REPLACE_LOOK);
	assert_int_equal(seen(f, "", 10), 'v');
	remove_one(f, ".victim");
}

static void what_is_no_regular_file_is_left_alone(void **state)
{
	const struct folder *f = *state;
	enum replace_step step;
	char c = 'c';

	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(replace(f, 'c', &step), ENOTSUP);
	assert_int_equal(step, REPLACE_LOOK);
	remove_one(f, "");
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(replace(f, 'c', &step), ENOTSUP);
	assert_int_equal(replace_file("/dev/null", true, print_new, &c, &step), ENOTSUP);
	assert_int_equal(replace_file("/", true, print_new, &c, &step), EISDIR);
	assert_int_equal(replace_file("", true, print_new, &c, &step), EISDIR);
	assert_int_equal(replace_file(".", true, print_new, &c, &step), ENOTSUP);
	assert_int_equal(replace_file("/nonexistent/map", true, print_new, &c, &step), ENOENT);
	assert_int_equal(step, REPLACE_FOLDER);
}

/* What would fail is known, and nothing is changed. */
static void whether_a_file_can_be_replaced_is_found_out_before(void **state)
{
	const struct folder *f = *state;
	char new_path[PATH_MAX];
	enum replace_step step;

	assert_int_equal(replace_check(f->path, true, &step), 0);
	assert_int_equal(seen(f, "", 1), '0');
	assert_int_equal(seen(f, ".sgmmcp-new", 1), '0');
	old_files(f);
	assert_int_equal(replace_check(f->path, true, &step), 0);
	assert_int_equal(seen(f, "", NEW_LEN), 'b');
	assert_int_equal(seen(f, ".bak", NEW_LEN), 'a');
	assert_int_equal(seen(f, ".sgmmcp-new", 1), '0');
	assert_int_equal(mkdir(name_of(f, ".sgmmcp-new", new_path), 0700), 0);
	assert_int_equal(replace_check(f->path, false, &step), 0);
	assert_int_equal(replace_check(f->path, true, &step), EISDIR);
	assert_int_equal(step, REPLACE_CREATE);
	assert_int_equal(rmdir(new_path), 0);
	remove_one(f, "");
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(replace_check(f->path, false, &step), ENOTSUP);
	assert_int_equal(step, REPLACE_LOOK);
	assert_int_equal(replace_check("/nonexistent/map", false, &step), ENOENT);
	assert_int_equal(step, REPLACE_FOLDER);
}

static void names_that_are_too_long_are_refused_before_anything_is_done(void **state)
{
	char name[2 * PATH_MAX];
	enum replace_step step;
	char c = 'c';

	(void)state;
	memset(name, 'x', sizeof(name));
	name[NAME_MAX - 5] = '\0';
	assert_int_equal(replace_file(name, true, print_new, &c, &step), ENAMETOOLONG);
	assert_int_equal(access(name, F_OK), -1);
	memset(name, '/', sizeof(name));
	name[sizeof(name) - 2] = 'x';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(replace_file(name, true, print_new, &c, &step), ENAMETOOLONG);
	assert_int_equal(step, REPLACE_FOLDER);
}

static void a_name_without_a_folder_is_in_the_current_one(void **state)
{
	const struct folder *f = *state;
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum replace_step step;
	char c = 'c';

	assert_true(here >= 0);
	assert_int_equal(chdir(f->dir), 0);
	assert_int_equal(replace_file("map", true, print_new, &c, &step), 0);
	assert_int_equal(fchdir(here), 0);
	close(here);
	assert_int_equal(seen(f, "", NEW_LEN), 'c');
}

static void permissions_stay(void **state)
{
	const struct folder *f = *state;
	enum replace_step step;
	char path[PATH_MAX];
	struct stat st;

	old_files(f);
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_int_equal(replace(f, 'c', &step), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	calls.fail_name = "linkat";
	calls.err = EPERM;
	assert_int_equal(replace(f, 'd', &step), 0);
	name_of(f, ".bak", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void print_too_long(struct textout *t, const void *arg)
{
	(void)arg;
	textout_printf(t, "%*s", TEXTOUT_PIECE_MAX + 1, "");
}

static void a_printer_that_fails_leaves_the_old_file(void **state)
{
	const struct folder *f = *state;
	enum replace_step step;

	old_files(f);
	assert_int_equal(replace_file(f->path, true, print_too_long, NULL, &step), EOVERFLOW);
	assert_int_equal(step, REPLACE_WRITE);
	assert_int_equal(seen(f, "", NEW_LEN), 'b');
	assert_int_equal(seen(f, ".bak", NEW_LEN), 'a');
	assert_int_equal(seen(f, ".sgmmcp-new", NEW_LEN), '0');
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(a_new_file_is_made),
		IN_FOLDER(the_old_file_becomes_bak),
		IN_FOLDER(the_order_of_calls_is_the_one_that_survives_a_power_failure),
		IN_FOLDER(without_links_bak_is_a_copy),
		IN_FOLDER(whichever_call_fails_the_name_stands_for_a_whole_file),
		IN_FOLDER(whichever_call_fails_without_links_it_does_so_too),
		IN_FOLDER(the_step_that_failed_is_told),
		IN_FOLDER(interruptions_are_no_failures),
		IN_FOLDER(a_folder_that_cannot_be_flushed_is_accepted),
		IN_FOLDER(killed_anywhere_the_name_stands_for_a_whole_file),
		IN_FOLDER(killed_in_the_middle_of_a_write_too),
		IN_FOLDER(links_are_not_followed),
		IN_FOLDER(what_is_no_regular_file_is_left_alone),
		IN_FOLDER(whether_a_file_can_be_replaced_is_found_out_before),
		IN_FOLDER(names_that_are_too_long_are_refused_before_anything_is_done),
		IN_FOLDER(a_name_without_a_folder_is_in_the_current_one),
		IN_FOLDER(permissions_stay),
		IN_FOLDER(a_printer_that_fails_leaves_the_old_file),
	};

	return cmocka_run_group_tests_name("replace", tests, NULL, NULL);
}
