/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's own word comes first: an exclusive open of the whole-disk node fails while the disk
 * or a partition is mounted, is swap, or is held by md or device mapper (block/bdev.c
 * bd_prepare_to_claim()), and keeps all of them away as long as it is held. It does not see loop
 * devices, nor users of the unit's other paths; usage.c does, and names the user.
 */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/fs.h>

#include "core/diag.h"
#include "core/status.h"
#include "usage.h"

#define USER_ROOM 512

/* The block device to be guarded: the whole disk, or the partition or md device the user named. */
struct target {
	const char *path; /* "": /dev has no node of it */
	dev_t dev;
	char label[NODE_NAME_ROOM]; /* "sdb" */
};

static bool is_whole(const struct node *n)
{
	return n->kind != NODE_BLOCK || n->rdev == n->block_rdev;
}

/* False where no upper driver has the disk: then nothing can be mounted there. */
static bool target_of(const char *name, const struct node *n, struct target *t)
{
	t->path = is_whole(n) ? n->block_path : name;
	t->dev = is_whole(n) ? n->block_rdev : n->rdev;
	if (!t->dev)
		return false;
	if (!t->path[0])
		snprintf(t->label, sizeof(t->label), "%u:%u", major(t->dev), minor(t->dev));
	else
		snprintf(t->label, sizeof(t->label), "%s",
			strncmp(t->path, "/dev/", 5) ? t->path : t->path + 5);
	return true;
}

/* Writes back and forgets the node's cached pages. Not root: as much as is allowed. */
static void drop_cache(int fd)
{
	if (ioctl(fd, BLKFLSBUF, 0)) {
		(void)!fsync(fd);
		(void)!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
}

static int open_node(const char *path, int flags)
{
	int fd;

	do
		fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	while (fd < 0 && errno == EINTR);
	return fd;
}

/* Who uses it; busy: the exclusive open failed, so somebody does. False: nobody. */
static bool find_user(const struct usage *u, bool busy, char *text, size_t room)
{
	char opener[128];

	if (usage_find(u, text, room))
		return true;
	if (!busy)
		return false;
	if (usage_opener(u, opener, sizeof(opener)))
		snprintf(text, room, "held exclusively, perhaps by what has it %s", opener);
	else
		snprintf(text, room, "held exclusively by a user that cannot be named");
	return true;
}

static int judge_use(const char *name, const struct target *t, bool busy, bool force)
{
	char user[USER_ROOM];
	struct usage u;

	usage_init(&u, "/sys", "/proc", t->dev);
	if (usage_holds_root(&u)) {
		diag(name, "is disk %s, which holds the root file system: not writing", t->label);
		return EXIT_FILE;
	}
	if (!find_user(&u, busy, user, sizeof(user)))
		return 0;
	if (!force) {
		diag(name, "is disk %s, %s: not writing (oflag=force to override)", t->label, user);
		return EXIT_FILE;
	}
	diag(name, "is disk %s, %s: writing all the same (oflag=force)", t->label, user);
	return 0;
}

/* Permission denied, no medium: the node cannot tell whether somebody uses the disk. */
static int judge_unknown(const char *name, const struct target *t, int err, bool force)
{
	if (force) {
		diag(name,
			"is disk %s: cannot see whether it is in use: %s: writing all the same "
			"(oflag=force)",
			t->label, strerror(err));
		return 0;
	}
	diag(name, "is disk %s: cannot see whether it is in use: %s (oflag=force to override)",
		t->label, strerror(err));
	return EXIT_FILE;
}

int guard_take(struct guard *g, const char *name, const struct node *n, bool force)
{
	struct target t;
	int err, status;

	g->excl_fd = -1;
	if (!target_of(name, n, &t))
		return 0;
	g->excl_fd = open_node(t.path, O_EXCL);
	err = g->excl_fd < 0 ? errno : 0;
	status = judge_use(name, &t, err == EBUSY, force);
	if (status == 0 && err && err != EBUSY)
		status = judge_unknown(name, &t, err, force);
	if (status) {
		guard_release(g, n, false);
		return status;
	}
	if (g->excl_fd < 0)
		g->excl_fd = open_node(t.path, 0);
	if (g->excl_fd >= 0)
		drop_cache(g->excl_fd);
	return 0;
}

void guard_release(struct guard *g, const struct node *n, bool wrote)
{
	if (g->excl_fd < 0)
		return;
	if (wrote) {
		drop_cache(g->excl_fd);
		if (is_whole(n))
			(void)!ioctl(g->excl_fd, BLKRRPART, 0);
	}
	close(g->excl_fd);
	g->excl_fd = -1;
}

static bool overlap(const struct guard_range *a, const struct guard_range *b)
{
	uint64_t a_end, b_end;

	if (!a->len_bytes || !b->len_bytes)
		return false;
	if (!checked_add(a->offset_bytes, a->len_bytes, &a_end))
		a_end = UINT64_MAX;
	if (!checked_add(b->offset_bytes, b->len_bytes, &b_end))
		b_end = UINT64_MAX;
	return a->offset_bytes < b_end && b->offset_bytes < a_end;
}

/* How it is known that both are one unit; NULL: they are not. */
static const char *why_same(const struct guard_range *a, const struct guard_range *b)
{
	if (a->node->block_rdev && a->node->block_rdev == b->node->block_rdev)
		return "the same disk";
	if (a->node->sysfs[0] && !strcmp(a->node->sysfs, b->node->sysfs))
		return "the same disk";
	if (a->node->kind == NODE_SG && b->node->kind == NODE_SG && a->node->rdev == b->node->rdev)
		return "the same disk";
	if (a->id && b->id && identity_same_unit(a->id, b->id))
		return "the same disk by another path";
	return NULL;
}

static bool is_same_file(const struct node *a, const struct node *b)
{
	return a->is_file && b->is_file && a->file_dev == b->file_dev && a->file_ino == b->file_ino;
}

/* Offsets in a partition are not those in its disk, and two partitions have nothing in common. */
static bool may_overlap(const struct guard_range *a, const struct guard_range *b)
{
	bool whole_a = is_whole(a->node), whole_b = is_whole(b->node);

	if (whole_a == whole_b && (whole_a || a->node->rdev == b->node->rdev))
		return overlap(a, b);
	return whole_a != whole_b;
}

int guard_file(const char *name, const char *path, const struct node *source, bool force)
{
	struct usage u;

	if (!source->block_rdev)
		return 0;
	usage_init(&u, "/sys", "/proc", source->block_rdev);
	if (!usage_holds_file(&u, path))
		return 0;
	diag(name, "lies on the disk that is read: %s",
		force ? "writing all the same (oflag=force)"
		      : "not writing (oflag=force to override)");
	return force ? 0 : EXIT_FILE;
}

int guard_same_unit(const struct guard_range *in, const struct guard_range *out)
{
	const char *why;

	if (is_same_file(in->node, out->node)) {
		diag(out->name, "is the same file as %s: not writing", in->name);
		return EXIT_CONTRADICT;
	}
	if (!may_overlap(in, out))
		return 0;
	why = why_same(in, out);
	if (!why)
		return 0;
	diag(out->name, "is %s as %s, and the ranges overlap: not writing", why, in->name);
	return EXIT_CONTRADICT;
}
