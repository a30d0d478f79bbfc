/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a path is, and which other nodes lead to the same disk: stat(2) and sysfs only, no device is
 * opened. Names do not tell (sg0 may well be sdb); device numbers do.
 */
#ifndef ENDPOINTS_NODE_H
#define ENDPOINTS_NODE_H

#include <limits.h>
#include <sys/types.h>

#include "../core/base.h"

enum node_kind {
	NODE_MISSING,	 /* nothing there */
	NODE_SG,	 /* character device, major 21 */
	NODE_BLOCK_SCSI, /* whole-disk block node with an sg partner */
	NODE_BLOCK,	 /* other block node: partition, md, dm, loop, nvme */
	NODE_NULL,	 /* /dev/null, or the word "." */
	NODE_ZERO,	 /* /dev/zero */
	NODE_BSG,
	NODE_CHAR, /* another character device (st, tty) */
	NODE_FILE,
	NODE_UNSIZED, /* a regular file too, that tells no size to go by (unsized.h) */
	NODE_DIR,
	NODE_FIFO,
	NODE_SOCKET,
	NODE_STDIO /* "-" */
};

#define NODE_NAME_ROOM	  64
#define NODE_PART_UNKNOWN UINT64_MAX

struct node {
	enum node_kind kind;
	dev_t rdev;	/* of the node itself */
	bool is_file;	/* a regular one; NODE_STDIO: node_lookup() does not look, who opens it does
			 */
	bool is_pipe;	/* a FIFO; NODE_STDIO: likewise */
	dev_t file_dev; /* is_file, is_pipe: which file it is */
	ino_t file_ino;
	/* For every node that leads to a disk, a partition too; "" where there is none. */
	char sg_path[NODE_NAME_ROOM];	 /* "/dev/sg1" */
	char block_path[NODE_NAME_ROOM]; /* "/dev/sdb", the whole disk */
	dev_t block_rdev;		 /* the whole disk's number, also where /dev has no node of
					  * it; 0: no upper driver */
	char sysfs[PATH_MAX];		 /* the SCSI device's directory, or "" */
	int scsi_type;			 /* peripheral device type, -1 not told */
	unsigned queue_depth;		 /* device/queue_depth, 0 not told */
	bool is_part;			 /* a partition, and where it begins on its disk */
	uint64_t part_bytes;		 /* NODE_PART_UNKNOWN */
};

/*
 * Follows symbolic links (/dev/disk/by-id/...). 0, or -1 with errno where stat() fails for another
 * reason than ENOENT. ("" is NODE_MISSING.) Says nothing. sysfs_root is "/sys" but in tests.
 */
int node_lookup(const char *path, const char *sysfs_root, struct node *n) MUST_CHECK;

/* A word for messages: "sg node", "block device", "directory". */
const char *node_kind_name(enum node_kind kind);

/* A whole number or a word from one sysfs file below dir; -1 where it cannot be read. */
int node_read_long(const char *dir, const char *attr, long *out) MUST_CHECK;
int node_read_text(const char *dir, const char *attr, char *text, size_t room) MUST_CHECK;

/* The bytes of one sysfs file, of any value, room at most; 0 where it cannot be read. */
size_t node_read_bytes(const char *dir, const char *attr, void *data, size_t room) MUST_CHECK;

#endif
