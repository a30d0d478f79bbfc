/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tree of files in a temporary directory that stands for /sys or /proc. Paths are relative to
 * its root; parent directories are made as needed. What fails, fails the test.
 */
#ifndef TESTS_LIB_TREE_H
#define TESTS_LIB_TREE_H

#include <limits.h>
#include <stddef.h>

struct tree {
	char root[PATH_MAX];
	char was[PATH_MAX]; /* tree_enter() */
};

void tree_make(struct tree *t);
void tree_drop(struct tree *t);

/* The same, and its root is the current directory from then on; back to where that was. */
void tree_enter(struct tree *t);
void tree_leave(struct tree *t);

void tree_dir(const struct tree *t, const char *path);
void tree_file(const struct tree *t, const char *path, const char *content);
void tree_bytes(const struct tree *t, const char *path, const void *data, size_t len);

/* path becomes a symbolic link to target, also relative to the root. */
void tree_link(const struct tree *t, const char *path, const char *target);

/*
 * A SCSI device as sysfs has it: devices/hctl with type and queue_depth, sg node 21:minor; and,
 * with a disk name, block/DISK with number dev ("8:16"), and the links that lead there.
 */
void tree_scsi(const struct tree *t, const char *hctl, int type, unsigned sg_minor);
void tree_disk(const struct tree *t, const char *hctl, const char *disk, const char *dev);
/* It begins at sector 2048. */
void tree_partition(const struct tree *t, const char *hctl, const char *disk, const char *part,
	const char *dev);

/* A block device without a SCSI device below: dm-0, md0, loop0. */
void tree_virtual(const struct tree *t, const char *name, const char *dev);

/* devices of the block layer: holder's slaves/ gets the directory of number dev. */
void tree_slave(const struct tree *t, const char *holder, const char *dev);

#endif
