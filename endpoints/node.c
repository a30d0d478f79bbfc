/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a path to a disk: stat(2) gives a device number, sysfs leads from there to the SCSI device
 * and to the names of its other nodes. Such a name is believed only once stat(2) of /dev/NAME has
 * given the device number that sysfs tells. A system without sysfs loses the partners, not the
 * kind.
 */
#include "node.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "unsized.h"

#define MEM_MAJOR 1 /* Documentation/admin-guide/devices.txt, like the next three */
#define MEM_NULL  3
#define MEM_ZERO  5
#define SG_MAJOR  21

static const char *const kind_names[] = {
	[NODE_MISSING] = "missing",
	[NODE_SG] = "sg node",
	[NODE_BLOCK_SCSI] = "SCSI block device",
	[NODE_BLOCK] = "block device",
	[NODE_NULL] = "null",
	[NODE_ZERO] = "zero",
	[NODE_BSG] = "bsg node",
	[NODE_CHAR] = "character device",
	[NODE_FILE] = "file",
	[NODE_UNSIZED] = "file",
	[NODE_DIR] = "directory",
	[NODE_FIFO] = "pipe",
	[NODE_SOCKET] = "socket",
	[NODE_STDIO] = "standard input or output",
};

const char *node_kind_name(enum node_kind kind)
{
	if ((size_t)kind >= ARRAY_SIZE(kind_names))
		return "unknown";
	return kind_names[kind];
}

/* dir/name into path; false where it does not fit. */
static bool join(char *path, size_t room, const char *dir, const char *name)
{
	int len = snprintf(path, room, "%s/%s", dir, name);

	return len > 0 && (size_t)len < room;
}

/* One read(): what sysfs has in a file is no more than that. -1 where it cannot be read. */
static ssize_t read_attr(const char *dir, const char *attr, void *data, size_t room)
{
	char path[PATH_MAX];
	ssize_t nread;
	int fd;

	if (!join(path, sizeof(path), dir, attr))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	do
		nread = read(fd, data, room);
	while (nread < 0 && errno == EINTR);
	close(fd);
	return nread;
}

size_t node_read_bytes(const char *dir, const char *attr, void *data, size_t room)
{
	ssize_t nread = read_attr(dir, attr, data, room);

	return nread > 0 ? (size_t)nread : 0;
}

int node_read_text(const char *dir, const char *attr, char *text, size_t room)
{
	ssize_t nread = room == 0 ? -1 : read_attr(dir, attr, text, room - 1);

	if (nread < 0)
		return -1;
	while (nread > 0 && isspace((unsigned char)text[nread - 1]))
		nread--;
	text[nread] = '\0';
	return 0;
}

int node_read_long(const char *dir, const char *attr, long *out)
{
	char text[32], *end;
	long value;

	if (node_read_text(dir, attr, text, sizeof(text)))
		return -1;
	errno = 0;
	value = strtol(text, &end, strncmp(text, "0x", 2) ? 10 : 16);
	if (errno || end == text || *end)
		return -1;
	*out = value;
	return 0;
}

/* "8:16" as sysfs' dev attributes have it. */
static bool read_dev(const char *dir, dev_t *dev)
{
	char text[32], tail;
	unsigned maj, min;

	if (node_read_text(dir, "dev", text, sizeof(text)))
		return false;
	if (sscanf(text, "%u:%u%c", &maj, &min, &tail) != 2)
		return false;
	*dev = makedev(maj, min);
	return true;
}

/* The directory that sysfs keeps for a device number, links resolved. */
static bool dir_of_rdev(const char *sysfs_root, const char *type, dev_t rdev, char *dir)
{
	char path[PATH_MAX];
	int len;

	len = snprintf(
		path, sizeof(path), "%s/dev/%s/%u:%u", sysfs_root, type, major(rdev), minor(rdev));
	return len > 0 && (size_t)len < sizeof(path) && realpath(path, dir);
}

/* dir/link resolved into out (PATH_MAX bytes). */
static bool follow(const char *dir, const char *link, char *out)
{
	char path[PATH_MAX];

	return join(path, sizeof(path), dir, link) && realpath(path, out);
}

static bool has_entry(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return join(path, sizeof(path), dir, name) && access(path, F_OK) == 0;
}

/* The first directory below dir/group: "sdb" of block/, "sg1" of scsi_generic/. */
static bool first_child(const char *dir, const char *group, char *child, size_t room)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *d;

	if (!join(path, sizeof(path), dir, group))
		return false;
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (entry = readdir(d)))
		found = entry->d_name[0] != '.' && join(child, room, path, entry->d_name);
	closedir(d);
	return found;
}

/*
 * "/dev/sdb" for the sysfs directory ".../block/sdb", where that node exists and has this very
 * number. sysfs writes '!' for the '/' of names like cciss/c0d0.
 */
static bool dev_path(const char *dir, mode_t type, dev_t rdev, char path[NODE_NAME_ROOM])
{
	const char *name = strrchr(dir, '/');
	struct stat st;
	int len;

	len = snprintf(path, NODE_NAME_ROOM, "/dev/%s", name ? name + 1 : dir);
	if (len > 0 && len < NODE_NAME_ROOM) {
		for (char *c = path; *c; c++)
			*c = *c == '!' ? '/' : *c;
		if (stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_rdev == rdev)
			return true;
	}
	path[0] = '\0';
	return false;
}

static void fill_sg(struct node *n)
{
	char dir[PATH_MAX];
	dev_t rdev;

	if (first_child(n->sysfs, "scsi_generic", dir, sizeof(dir)) && read_dev(dir, &rdev))
		(void)dev_path(dir, S_IFCHR, rdev, n->sg_path);
}

static void fill_block(struct node *n, const char *dir)
{
	if (read_dev(dir, &n->block_rdev))
		(void)dev_path(dir, S_IFBLK, n->block_rdev, n->block_path);
}

/* What the SCSI device's own directory tells. */
static void fill_scsi(struct node *n, int scsi_type)
{
	long value;

	n->scsi_type = scsi_type;
	if (!node_read_long(n->sysfs, "queue_depth", &value) && value > 0 && value <= INT_MAX)
		n->queue_depth = (unsigned)value;
	fill_sg(n);
}

/* dir/device, where that is a SCSI device: its type is a number (an MMC card's is a word). */
static void fill_from_device(struct node *n, const char *dir)
{
	long type;

	if (follow(dir, "device", n->sysfs) && !node_read_long(n->sysfs, "type", &type) &&
		type >= 0 && type <= 0x1f)
		fill_scsi(n, (int)type);
	else
		n->sysfs[0] = '\0';
}

/* sg and bsg nodes hang below the SCSI device; its block/ names the disk. */
static void lookup_char(const char *sysfs_root, struct node *n)
{
	char dir[PATH_MAX], child[PATH_MAX];

	if (!dir_of_rdev(sysfs_root, "char", n->rdev, dir))
		return;
	if (n->kind == NODE_CHAR && follow(dir, "subsystem", child) && strrchr(child, '/') &&
		!strcmp(strrchr(child, '/'), "/bsg"))
		n->kind = NODE_BSG;
	if (n->kind == NODE_CHAR)
		return;
	fill_from_device(n, dir);
	if (n->sysfs[0] && first_child(n->sysfs, "block", child, sizeof(child)))
		fill_block(n, child);
}

/* Where a partition begins, in sectors of 512 bytes whatever the disk's blocks are. */
static bool read_start(const char *dir, uint64_t *at_bytes)
{
	long sectors;

	return node_read_long(dir, "start", &sectors) == 0 && sectors >= 0 &&
	       checked_mul((uint64_t)sectors, 512, at_bytes);
}

/* A partition's directory lies in its disk's. */
static void lookup_block(const char *sysfs_root, struct node *n)
{
	char dir[PATH_MAX];

	if (!dir_of_rdev(sysfs_root, "block", n->rdev, dir))
		return;
	n->is_part = has_entry(dir, "partition");
	if (n->is_part) {
		if (!read_start(dir, &n->part_bytes))
			n->part_bytes = NODE_PART_UNKNOWN;
		*strrchr(dir, '/') = '\0';
	}
	fill_block(n, dir);
	fill_from_device(n, dir);
	if (!n->is_part && n->sg_path[0] && n->block_path[0])
		n->kind = NODE_BLOCK_SCSI;
}

static enum node_kind kind_of_char(dev_t rdev)
{
	if (rdev == makedev(MEM_MAJOR, MEM_NULL))
		return NODE_NULL;
	if (rdev == makedev(MEM_MAJOR, MEM_ZERO))
		return NODE_ZERO;
	return major(rdev) == SG_MAJOR ? NODE_SG : NODE_CHAR;
}

static enum node_kind kind_of(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFCHR: return kind_of_char(st->st_rdev);
	case S_IFBLK: return NODE_BLOCK;
	case S_IFDIR: return NODE_DIR;
	case S_IFIFO: return NODE_FIFO;
	case S_IFSOCK: return NODE_SOCKET;
	default: return NODE_FILE;
	}
}

static void node_init(struct node *n)
{
	memset(n, 0, sizeof(*n));
	n->kind = NODE_MISSING;
	n->scsi_type = -1;
}

/* A node outside /dev, or a system without sysfs: the user's own name opens it as well. */
static void own_name(struct node *n, const char *path)
{
	if (n->kind == NODE_SG && !n->sg_path[0] && strlen(path) < sizeof(n->sg_path))
		memcpy(n->sg_path, path, strlen(path) + 1);
}

int node_lookup(const char *path, const char *sysfs_root, struct node *n)
{
	struct stat st;

	node_init(n);
	if (!strcmp(path, "-") || !strcmp(path, ".")) {
		n->kind = path[0] == '-' ? NODE_STDIO : NODE_NULL;
		return 0;
	}
	if (stat(path, &st))
		return errno == ENOENT ? 0 : -1;
	n->kind = kind_of(&st);
	n->is_file = n->kind == NODE_FILE;
	n->is_pipe = n->kind == NODE_FIFO;
	if (n->is_file && unsized_path(path))
		n->kind = NODE_UNSIZED;
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		n->rdev = st.st_rdev;
	n->file_dev = st.st_dev;
	n->file_ino = st.st_ino;
	if (S_ISCHR(st.st_mode))
		lookup_char(sysfs_root, n);
	else if (S_ISBLK(st.st_mode))
		lookup_block(sysfs_root, n);
	own_name(n, path);
	return 0;
}
