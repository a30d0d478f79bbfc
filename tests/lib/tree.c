/* SPDX-License-Identifier: BSD-2-Clause */
#include "tree.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void path_in(const struct tree *t, const char *path, char full[PATH_MAX])
{
	int len = snprintf(full, PATH_MAX, "%s/%s", t->root, path);

	assert_true(len > 0 && len < PATH_MAX);
}

static void __attribute__((format(printf, 2, 3))) path_of(char *path, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	assert_true(vsnprintf(path, PATH_MAX, fmt, args) < PATH_MAX);
	va_end(args);
}

static void make_parents(char *full, size_t root_len)
{
	char *slash;

	for (slash = full + root_len + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

void tree_make(struct tree *t)
{
	const char *tmp = getenv("TMPDIR");
	char pattern[PATH_MAX];

	path_of(pattern,
		"%s/sgmmcp-tree.XX"
		"XX"
		"XX",
		tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(pattern));
	assert_non_null(realpath(pattern, t->root));
}

static int drop_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void tree_drop(struct tree *t)
{
	assert_int_equal(nftw(t->root, drop_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void tree_enter(struct tree *t)
{
	tree_make(t);
	assert_non_null(getcwd(t->was, sizeof(t->was)));
	assert_int_equal(chdir(t->root), 0);
}

void tree_leave(struct tree *t)
{
	assert_int_equal(chdir(t->was), 0);
	tree_drop(t);
}

void tree_dir(const struct tree *t, const char *path)
{
	char full[PATH_MAX];

	path_in(t, path, full);
	make_parents(full, strlen(t->root));
	assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
}

void tree_bytes(const struct tree *t, const char *path, const void *data, size_t len)
{
	char full[PATH_MAX];
	FILE *f;

	path_in(t, path, full);
	make_parents(full, strlen(t->root));
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

void tree_file(const struct tree *t, const char *path, const char *content)
{
	tree_bytes(t, path, content, strlen(content));
}

void tree_link(const struct tree *t, const char *path, const char *target)
{
	char full[PATH_MAX], full_target[PATH_MAX];

	path_in(t, path, full);
	path_in(t, target, full_target);
	make_parents(full, strlen(t->root));
	assert_int_equal(symlink(full_target, full), 0);
}

void tree_scsi(const struct tree *t, const char *hctl, int type, unsigned sg_minor)
{
	char dir[PATH_MAX], path[PATH_MAX], text[32];

	path_of(path, "devices/%s/type", hctl);
	(void)snprintf(text, sizeof(text), "%d\n", type);
	tree_file(t, path, text);
	path_of(path, "devices/%s/queue_depth", hctl);
	tree_file(t, path, "31\n");
	path_of(path, "devices/%s/scsi_generic/sg%u/dev", hctl, sg_minor);
	(void)snprintf(text, sizeof(text), "21:%u\n", sg_minor);
	tree_file(t, path, text);
	path_of(dir, "devices/%s", hctl);
	path_of(path, "devices/%s/scsi_generic/sg%u/device", hctl, sg_minor);
	tree_link(t, path, dir);
	path_of(dir, "devices/%s/scsi_generic/sg%u", hctl, sg_minor);
	path_of(path, "dev/char/21:%u", sg_minor);
	tree_link(t, path, dir);
}

/* dir/dev, and the two links that lead to a block device's directory. */
static void add_block(const struct tree *t, const char *dir, const char *dev)
{
	char path[PATH_MAX], text[64];

	path_of(path, "%s/dev", dir);
	(void)snprintf(text, sizeof(text), "%s\n", dev);
	tree_file(t, path, text);
	path_of(path, "dev/block/%s", dev);
	tree_link(t, path, dir);
}

void tree_disk(const struct tree *t, const char *hctl, const char *disk, const char *dev)
{
	char dir[PATH_MAX], path[PATH_MAX], device[PATH_MAX];

	path_of(dir, "devices/%s/block/%s", hctl, disk);
	add_block(t, dir, dev);
	path_of(path, "devices/%s/block/%s/size", hctl, disk);
	tree_file(t, path, "32768\n");
	path_of(path, "devices/%s/block/%s/device", hctl, disk);
	path_of(device, "devices/%s", hctl);
	tree_link(t, path, device);
	path_of(path, "block/%s", disk);
	tree_link(t, path, dir);
}

void tree_partition(
	const struct tree *t, const char *hctl, const char *disk, const char *part, const char *dev)
{
	char dir[PATH_MAX], path[PATH_MAX];

	path_of(dir, "devices/%s/block/%s/%s", hctl, disk, part);
	add_block(t, dir, dev);
	path_of(path, "devices/%s/block/%s/%s/partition", hctl, disk, part);
	tree_file(t, path, "1\n");
	path_of(path, "devices/%s/block/%s/%s/start", hctl, disk, part);
	tree_file(t, path, "2048\n");
}

void tree_virtual(const struct tree *t, const char *name, const char *dev)
{
	char dir[PATH_MAX], path[PATH_MAX];

	path_of(dir, "devices/virtual/block/%s", name);
	add_block(t, dir, dev);
	path_of(path, "block/%s", name);
	tree_link(t, path, dir);
}

void tree_slave(const struct tree *t, const char *holder, const char *dev)
{
	char path[PATH_MAX], number[PATH_MAX];

	path_of(path, "devices/virtual/block/%s/slaves/%s", holder, dev);
	path_of(number, "dev/block/%s", dev);
	tree_link(t, path, number);
}
