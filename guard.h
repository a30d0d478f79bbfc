/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * May we write there? Asked before the first command that writes; nothing here writes.
 */
#ifndef GUARD_H
#define GUARD_H

#include "core/base.h"
#include "endpoints/node.h"
#include "scsi/identify.h"

struct guard {
	int excl_fd; /* the destination's block node, held for the whole run: with O_EXCL unless
		      * force let a disk in use pass; -1: none */
};

/*
 * Is the disk that n leads to in use: mounted (whole or a partition), swap, held by md, dm/LVM,
 * under a loop device, open exclusively by someone? Takes the whole-disk node O_RDONLY|O_EXCL and
 * keeps it in *g, so that nothing can mount the disk during the run; flushes the node's cached
 * pages (BLKFLSBUF), which would overwrite ours later.
 *
 * Refusal is one line naming the user of the disk and how to override it. force lets a disk in use
 * pass with a warning line, but never the disk that holds the root file system (directly or below
 * md, dm, loop: all slaves are followed).
 *
 * name is what the user called the device. 0, or the exit status.
 */
int guard_take(struct guard *g, const char *name, const struct node *n, bool force) MUST_CHECK;

/*
 * Lets go; after a write (wrote) drops the node's stale cached pages and asks the kernel to read
 * the partition table again, neither of which can fail the run.
 */
void guard_release(struct guard *g, const struct node *n, bool wrote);

/*
 * A destination that is a file, new or old: refuses one that lies on the source's disk (it would be
 * copied into itself; force lets it pass with a warning line). path leads to it, name is what the
 * user called it. 0, or the exit status.
 */
int guard_file(
	const char *name, const char *path, const struct node *source, bool force) MUST_CHECK;

/* One side's range for guard_same_unit(), in bytes from the start of the unit. */
struct guard_range {
	const char *name;
	const struct node *node;
	const struct identity *id; /* NULL: not a SCSI unit */
	uint64_t offset_bytes, len_bytes;
};

/*
 * Refuses (one line, EXIT_CONTRADICT) ranges that overlap on one unit, by whatever nodes or paths
 * the two names lead there: same device number, same SCSI device, same identity; and one file as
 * both ends, whatever the ranges. 0 or the status.
 */
int guard_same_unit(const struct guard_range *in, const struct guard_range *out) MUST_CHECK;

#endif
