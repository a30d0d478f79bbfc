/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who uses a disk: file systems, swap, device mapper, md, loop devices. Reads /proc and sysfs only;
 * sends nothing to the disk, opens no device, says nothing.
 */
#ifndef USAGE_H
#define USAGE_H

#include <sys/types.h>

#include "core/base.h"

#define USAGE_PATHS_MAX 16

/* Where to look, and for which disk. */
struct usage {
	const char *sysfs, *proc;   /* "/sys", "/proc"; other trees in tests */
	dev_t dev[USAGE_PATHS_MAX]; /* [0]: the block device asked about; then other paths to it */
	unsigned count;
};

/*
 * Other paths are disks with the same, non-empty wwid, unit serial number and size. The strings
 * must outlive *u.
 */
void usage_init(struct usage *u, const char *sysfs, const char *proc, dev_t dev);

/*
 * A user of the disk or of anything that lies on it (a partition, an LVM volume, a loop device
 * over a file in a file system there), in words: "mounted on /srv (sdb1)", "used as swap (dm-3)",
 * "held by md0". False where there is none to be found, which does not mean there is none: mounts
 * of another namespace, ZFS, programs.
 */
bool usage_find(const struct usage *u, char *text, size_t room) MUST_CHECK;

/* Does the file system at / (ours or process 1's) lie on the disk, wholly or in part? */
bool usage_holds_root(const struct usage *u) MUST_CHECK;

/* Does the file or directory lie on the disk? Of one that does not exist yet, its directory. */
bool usage_holds_file(const struct usage *u, const char *path) MUST_CHECK;

/* Another process that has it open: "open in mkfs.ext4 (process 4711)". As root it sees all. */
bool usage_opener(const struct usage *u, char *text, size_t room) MUST_CHECK;

/* One line of /proc/PID/mountinfo, proc(5), escapes resolved. The strings lie in the line. */
struct usage_mount {
	int id;
	dev_t dev; /* major 0: no single block device (btrfs, overlay, network) */
	char *point, *fstype, *source;
};

/* Cuts up line in place. */
bool usage_parse_mount(char *line, struct usage_mount *m) MUST_CHECK;

/* The path in one line of /proc/swaps, in place; NULL for the heading. */
char *usage_parse_swap(char *line) MUST_CHECK;

#endif
