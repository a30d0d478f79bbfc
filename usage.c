/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything asks one question, "does this lie on the disk?", and follows what the kernel tells
 * downwards: partition to disk, device mapper and md to their slaves, loop device to its backing
 * file, file to its mount, mount to its device or devices.
 */
#include "usage.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "endpoints/node.h"

#ifndef STATX_MNT_ID /* Linux 5.8 */
#define STATX_MNT_ID 0x1000U
#endif

#define DEPTH_MAX 12 /* loop over LVM over md over partition ... */
#define VPD_ROOM  256

static bool dev_is_on(const struct usage *u, dev_t dev, unsigned depth);

/* -------- small things */

static bool path_fits(int len, size_t room)
{
	return len > 0 && (size_t)len < room;
}

/* What is to be asked of a directory's entry; true ends the walk. */
typedef bool (*entry_fn)(const struct usage *u, const char *path, unsigned depth, void *arg);

static bool any_entry(
	const struct usage *u, const char *dir, unsigned depth, entry_fn ask, void *arg)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *d = opendir(dir);

	if (!d)
		return false;
	while (!found && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if (path_fits(snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name),
			    sizeof(path)))
			found = ask(u, path, depth, arg);
	}
	closedir(d);
	return found;
}

static bool any_entry_below(const struct usage *u, const char *dir, const char *sub, unsigned depth,
	entry_fn ask, void *arg)
{
	char path[PATH_MAX];

	return path_fits(snprintf(path, sizeof(path), "%s/%s", dir, sub), sizeof(path)) &&
	       any_entry(u, path, depth, ask, arg);
}

static bool has(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return path_fits(snprintf(path, sizeof(path), "%s/%s", dir, name), sizeof(path)) &&
	       access(path, F_OK) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool read_dev(const char *dir, dev_t *dev)
{
	char text[32];
	unsigned maj, min;

	if (node_read_text(dir, "dev", text, sizeof(text)) ||
		sscanf(text, "%u:%u", &maj, &min) != 2)
		return false;
	*dev = makedev(maj, min);
	return true;
}

/* The block device's directory, links resolved, so that a partition's parent is its disk. */
static bool dir_of_dev(const struct usage *u, dev_t dev, char dir[PATH_MAX])
{
	char path[PATH_MAX];

	return path_fits(snprintf(path, sizeof(path), "%s/dev/block/%u:%u", u->sysfs, major(dev),
				 minor(dev)),
		       sizeof(path)) &&
	       realpath(path, dir);
}

/* -------- mounts and swap */

/* \040 and the like, proc(5). */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; to++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
			text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*to = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

static char *next_word(char **rest)
{
	char *word = strsep(rest, " \n");

	return word && *word ? word : NULL;
}

/* 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue */
bool usage_parse_mount(char *line, struct usage_mount *m)
{
	char *rest = line, *word, *id = next_word(&rest), *parent = next_word(&rest);
	char *number = next_word(&rest), *root = next_word(&rest);
	unsigned maj, min;

	m->point = next_word(&rest);
	if (!id || !parent || !number || !root || !m->point ||
		sscanf(number, "%u:%u", &maj, &min) != 2)
		return false;
	do
		word = next_word(&rest);
	while (word && strcmp(word, "-") != 0);
	if (!word)
		return false;
	m->fstype = next_word(&rest);
	m->source = rest ? strsep(&rest, " \n") : NULL; /* may be empty */
	if (!m->fstype || !m->source)
		return false;
	m->id = (int)strtol(id, NULL, 10);
	m->dev = makedev(maj, min);
	unescape(m->point);
	unescape(m->source);
	return true;
}

char *usage_parse_swap(char *line)
{
	char *rest = line, *path = strsep(&rest, " \t\n");

	if (!path || path[0] != '/')
		return NULL;
	unescape(path);
	return path;
}

/* A file of /proc, line by line. */
struct lines {
	FILE *file;
	char *line;
	size_t room;
};

static bool lines_open(struct lines *l, const struct usage *u, const char *name)
{
	char path[PATH_MAX];

	memset(l, 0, sizeof(*l));
	if (path_fits(snprintf(path, sizeof(path), "%s/%s", u->proc, name), sizeof(path)))
		l->file = fopen(path, "re");
	return l->file;
}

static char *lines_next(struct lines *l)
{
	return getline(&l->line, &l->room, l->file) >= 0 ? l->line : NULL;
}

static void lines_close(struct lines *l)
{
	free(l->line);
	fclose(l->file);
}

typedef bool (*mount_fn)(
	const struct usage *u, const struct usage_mount *m, unsigned depth, void *arg);

static bool any_mount_in(
	const struct usage *u, const char *file, unsigned depth, mount_fn ask, void *arg)
{
	struct usage_mount m;
	struct lines l;
	bool found = false;
	char *line;

	if (!lines_open(&l, u, file))
		return false;
	while (!found && (line = lines_next(&l)))
		found = usage_parse_mount(line, &m) && ask(u, &m, depth, arg);
	lines_close(&l);
	return found;
}

/* Ours, and those of the system where we run in a namespace of our own and may look. */
static bool any_mount(const struct usage *u, unsigned depth, mount_fn ask, void *arg)
{
	return any_mount_in(u, "self/mountinfo", depth, ask, arg) ||
	       any_mount_in(u, "1/mountinfo", depth, ask, arg);
}

/* -------- does it lie on the disk? */

static bool entry_is_on(const struct usage *u, const char *path, unsigned depth, void *arg)
{
	dev_t dev;

	(void)arg;
	return read_dev(path, &dev) && dev_is_on(u, dev, depth);
}

static bool entry_is_dev(const struct usage *u, const char *path, unsigned depth, void *arg)
{
	dev_t dev;

	(void)u;
	(void)depth;
	return read_dev(path, &dev) && dev == *(const dev_t *)arg;
}

/* One btrfs, by its directory /sys/fs/btrfs/UUID: is *arg (0: unknown) of it, and one on the disk?
 */
static bool btrfs_is_on(const struct usage *u, const char *path, unsigned depth, void *arg)
{
	const dev_t *member = arg;

	return (!*member || any_entry_below(u, path, "devices", depth, entry_is_dev, arg)) &&
	       any_entry_below(u, path, "devices", depth, entry_is_on, NULL);
}

/*
 * A btrfs has an anonymous number, and its source is one of its devices. Where that one's name
 * leads nowhere ("/dev/root" without an initial RAM disk), any btrfs on the disk counts.
 */
static bool anonymous_mount_is_on(
	const struct usage *u, const struct usage_mount *m, unsigned depth)
{
	struct stat st;
	dev_t member = 0;

	if (m->source[0] == '/' && stat(m->source, &st) == 0 && S_ISBLK(st.st_mode))
		member = st.st_rdev;
	if (member && dev_is_on(u, member, depth))
		return true;
	return !strcmp(m->fstype, "btrfs") &&
	       any_entry_below(u, u->sysfs, "fs/btrfs", depth, btrfs_is_on, &member);
}

static bool mount_is_on(const struct usage *u, const struct usage_mount *m, unsigned depth)
{
	return major(m->dev) ? dev_is_on(u, m->dev, depth) : anonymous_mount_is_on(u, m, depth);
}

static bool mount_with_id_is_on(
	const struct usage *u, const struct usage_mount *m, unsigned depth, void *arg)
{
	return (uint64_t)m->id == *(const uint64_t *)arg && mount_is_on(u, m, depth);
}

/* A path: a block device, or a file in some mount (st_dev does not lead from a btrfs to it). */
static bool path_is_on(const struct usage *u, const char *path, unsigned depth)
{
	struct statx stx;
	uint64_t mount_id;

	if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_MNT_ID, &stx))
		return false;
	if (S_ISBLK(stx.stx_mode))
		return dev_is_on(u, makedev(stx.stx_rdev_major, stx.stx_rdev_minor), depth);
	mount_id = stx.stx_mnt_id;
	if ((stx.stx_mask & STATX_MNT_ID) && any_mount(u, depth, mount_with_id_is_on, &mount_id))
		return true;
	return dev_is_on(u, makedev(stx.stx_dev_major, stx.stx_dev_minor), depth);
}

static bool backing_file_is_on(const struct usage *u, const char *dir, unsigned depth)
{
	char path[PATH_MAX];

	return !node_read_text(dir, "loop/backing_file", path, sizeof(path)) &&
	       path_is_on(u, path, depth);
}

static bool disk_of_partition_is_on(const struct usage *u, char *dir, unsigned depth)
{
	char *slash = strrchr(dir, '/');
	dev_t disk;
	bool on;

	if (!has(dir, "partition") || !slash)
		return false;
	*slash = '\0';
	on = read_dev(dir, &disk) && dev_is_on(u, disk, depth);
	*slash = '/';
	return on;
}

static bool dev_is_on(const struct usage *u, dev_t dev, unsigned depth)
{
	char dir[PATH_MAX];
	unsigned i;

	for (i = 0; i < u->count; i++)
		if (u->dev[i] == dev)
			return true;
	if (depth == 0 || !major(dev) || !dir_of_dev(u, dev, dir))
		return false;
	depth--;
	return disk_of_partition_is_on(u, dir, depth) ||
	       any_entry_below(u, dir, "slaves", depth, entry_is_on, NULL) ||
	       backing_file_is_on(u, dir, depth);
}

/* -------- who */

struct words {
	char *text;
	size_t room;
};

/* " (sdb1)" for a device that is not the disk itself; "" for it, or where it is not known. */
static void through(const struct usage *u, dev_t dev, char *text, size_t room)
{
	char dir[PATH_MAX];

	text[0] = '\0';
	if (dev != u->dev[0] && major(dev) && dir_of_dev(u, dev, dir))
		snprintf(text, room, " (%.40s)", base_name(dir));
}

static bool mount_uses(
	const struct usage *u, const struct usage_mount *m, unsigned depth, void *arg)
{
	const struct words *w = arg;
	char via[NODE_NAME_ROOM];

	if (!mount_is_on(u, m, depth))
		return false;
	through(u, m->dev, via, sizeof(via));
	snprintf(w->text, w->room, "mounted on %s%s", m->point, via);
	return true;
}

static bool swap_uses(const struct usage *u, const struct words *w)
{
	struct lines l;
	bool found = false;
	char *line, *path;

	if (!lines_open(&l, u, "swaps"))
		return false;
	while (!found && (line = lines_next(&l))) {
		path = usage_parse_swap(line);
		found = path && path_is_on(u, path, DEPTH_MAX);
		if (found)
			snprintf(w->text, w->room, "used as swap (%s)", path);
	}
	lines_close(&l);
	return found;
}

static void holder_words(const char *dir, const struct words *w)
{
	char dm_name[NODE_NAME_ROOM * 2];

	if (!node_read_text(dir, "dm/name", dm_name, sizeof(dm_name)))
		snprintf(
			w->text, w->room, "held by device mapper %s (%s)", dm_name, base_name(dir));
	else if (has(dir, "loop/backing_file"))
		snprintf(w->text, w->room, "under %s", base_name(dir));
	else
		snprintf(w->text, w->room, "held by %s", base_name(dir));
}

/* A block device that lies on the disk and is not the disk itself. */
static bool holder_uses(const struct usage *u, const char *path, unsigned depth, void *arg)
{
	dev_t dev;
	unsigned i;

	if (!read_dev(path, &dev))
		return false;
	for (i = 0; i < u->count; i++)
		if (u->dev[i] == dev)
			return false;
	if (!dev_is_on(u, dev, depth))
		return false;
	holder_words(path, arg);
	return true;
}

bool usage_find(const struct usage *u, char *text, size_t room)
{
	struct words w = { text, room };

	/* From what tells a person most to what tells least. /sys/block has no partitions. */
	return any_mount(u, DEPTH_MAX, mount_uses, &w) || swap_uses(u, &w) ||
	       any_entry_below(u, u->sysfs, "block", DEPTH_MAX, holder_uses, &w);
}

/* All that were ever mounted on / count, those covered by a later one too. */
static bool root_mount_is_on(
	const struct usage *u, const struct usage_mount *m, unsigned depth, void *arg)
{
	(void)arg;
	return !strcmp(m->point, "/") && mount_is_on(u, m, depth);
}

bool usage_holds_root(const struct usage *u)
{
	/* In a chroot / need not be a mount point. */
	return any_mount(u, DEPTH_MAX, root_mount_is_on, NULL) || path_is_on(u, "/", DEPTH_MAX);
}

bool usage_holds_file(const struct usage *u, const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (access(path, F_OK) == 0 || strlen(path) >= sizeof(dir))
		return path_is_on(u, path, DEPTH_MAX);
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	return path_is_on(u, dir, DEPTH_MAX);
}

static bool descriptor_is_on(const struct usage *u, const char *path, unsigned depth, void *arg)
{
	struct stat st;

	(void)arg;
	return stat(path, &st) == 0 && S_ISBLK(st.st_mode) && dev_is_on(u, st.st_rdev, depth);
}

static bool process_uses(const struct usage *u, const char *path, unsigned depth, void *arg)
{
	const struct words *w = arg;
	const char *pid = base_name(path);
	char comm[32];

	if (!isdigit((unsigned char)pid[0]) || strtol(pid, NULL, 10) == getpid())
		return false;
	if (!any_entry_below(u, path, "fd", depth, descriptor_is_on, NULL))
		return false;
	if (node_read_text(path, "comm", comm, sizeof(comm)))
		comm[0] = '\0';
	snprintf(w->text, w->room, "open in %s (process %s)", comm, pid);
	return true;
}

bool usage_opener(const struct usage *u, char *text, size_t room)
{
	struct words w = { text, room };

	return any_entry(u, u->proc, DEPTH_MAX, process_uses, &w);
}

/* -------- the disk's other paths */

struct unit_names {
	char wwid[VPD_ROOM], serial[VPD_ROOM];
	size_t serial_len;
	long sectors;
};

static bool unit_names_read(struct unit_names *n, const char *dir)
{
	if (node_read_text(dir, "device/wwid", n->wwid, sizeof(n->wwid)) || !n->wwid[0])
		return false;
	n->serial_len = node_read_bytes(dir, "device/vpd_pg80", n->serial, sizeof(n->serial));
	return n->serial_len > 4 && !node_read_long(dir, "size", &n->sectors);
}

static bool unit_names_equal(const struct unit_names *a, const struct unit_names *b)
{
	return !strcmp(a->wwid, b->wwid) && a->serial_len == b->serial_len &&
	       !memcmp(a->serial, b->serial, a->serial_len) && a->sectors == b->sectors;
}

struct siblings {
	struct usage *usage;
	struct unit_names names;
};

static bool add_sibling(const struct usage *u, const char *path, unsigned depth, void *arg)
{
	struct siblings *s = arg;
	struct unit_names names;
	dev_t dev;

	(void)depth;
	if (!read_dev(path, &dev) || dev == u->dev[0] || !unit_names_read(&names, path) ||
		!unit_names_equal(&names, &s->names))
		return false;
	s->usage->dev[s->usage->count++] = dev;
	return s->usage->count == USAGE_PATHS_MAX;
}

void usage_init(struct usage *u, const char *sysfs, const char *proc, dev_t dev)
{
	struct siblings s = { .usage = u };
	char dir[PATH_MAX];

	*u = (struct usage){ .sysfs = sysfs, .proc = proc, .dev = { dev }, .count = 1 };
	if (dir_of_dev(u, dev, dir) && unit_names_read(&s.names, dir))
		(void)any_entry_below(u, sysfs, "block", 1, add_sibling, &s);
}
