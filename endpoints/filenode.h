/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an end that is a regular file or a block node needs whichever way its bytes move: opening,
 * facts, creating and truncating, blocking transfers, flush. file.c, append.c, aio.c and
 * mapped.c put their lanes on top and are the only ones to include this.
 *
 * filenode_open() changes nothing. A destination that is not there is created by begin(), which
 * also truncates a regular file to where writing will start (as dd does), unless END_NOTRUNC or
 * END_APPEND; for direct IO of a known length it is given that length at once. With END_APPEND it
 * is not, and all offsets count from where the file ended at begin(). A file to be mapped gets its
 * length and the space for it. begin() that fails removes what it has created; where the file
 * system cannot set space aside, it does so before it truncates. (Where there is too little, after
 * that: what is in the file counts, too.)
 *
 * end() that is to cut makes it as long as the copy is, or as it was when begin() had truncated it:
 * no zeros stand for what was never written. It leaves alone what is longer than this copy would
 * have made it, or may be: others write to other parts of it. What is killed leaves a file of full
 * length with holes, or one that ends where the last write, or reach(), did.
 *
 * XFER_TRIM is fallocate()'s punched hole: of a regular file blocks are given back and the rest
 * cleared, to the byte; of a block node the kernel has the device zero the range, and give it back
 * if it can, or says EOPNOTSUPP: it never writes zeros itself (block/fops.c blkdev_fallocate(),
 * BLKDEV_ZERO_NOFALLBACK). A hole at the end leaves the file's length alone: end() sees to that.
 *
 * What would make a file longer than RLIMIT_FSIZE raises SIGXFSZ, from begin() to end(): the
 * program ignores it, as a blocked one would kill later, and what is asked for here fails with
 * EFBIG.
 */
#ifndef ENDPOINTS_FILENODE_H
#define ENDPOINTS_FILENODE_H

#include <sys/types.h>

#include "endpoint.h"
#include "file.h"

struct filenode {
	struct endpoint ep; /* first */
	unsigned flags;	    /* enum end_flags */
	bool is_block;
	bool direct;
	bool is_new;   /* created by begin(), and its folder was not flushed since */
	int fd;	       /* of filenode_move(); -1: begin() will create the file */
	int direct_fd; /* O_DIRECT; the same as fd on a block node, -1 where !direct */
	dev_t dev;     /* the file that fd is */
	ino_t ino;
	uint64_t base_bytes;   /* where offset 0 lies */
	uint64_t kept_bytes;   /* begin(): its length, which was there before or was asked for */
	uint64_t limit_bytes;  /* begin(): to where at most this run makes it longer */
	uint32_t align_bytes;  /* what goes through direct_fd has its place and length in these */
	_Atomic bool no_holes; /* XFER_TRIM was refused once and for all */
};

/*
 * The endpoint has size bytes and begins with a struct filenode, the rest zeroed; ops are its
 * own. cls is END_BUFFERED, END_DIRECT_IO (opens for O_DIRECT too) or END_MAPPED (regular files
 * only; a destination is opened for reading too, without which there is no mapping). Sets all
 * facts. NULL with the reason said and *exit_status set: EXIT_FILE, EXIT_FLOCK,
 * EXIT_DATA_PROTECT, or EXIT_CONTRADICT where the file or its file system cannot do that.
 */
struct endpoint *filenode_open(const struct file_params *p, size_t size, enum end_class cls,
	const struct endpoint_ops *ops, int *exit_status) MUST_CHECK;

/* Entries of struct endpoint_ops. */
int filenode_probe(struct endpoint *ep, uint32_t want_bytes, uint64_t at_bytes) MUST_CHECK;
/* END_MAPPED: len_bytes is known, and the end not behind INT64_MAX. */
int filenode_begin(struct endpoint *ep, uint64_t at_bytes, uint64_t len_bytes) MUST_CHECK;
int filenode_end(struct endpoint *ep, uint64_t end_bytes, bool cut) MUST_CHECK;
/* Not END_MAPPED, nor direct IO of a known length: theirs is there. */
bool filenode_reach(struct endpoint *ep, uint64_t end_bytes, struct fault *f);
void filenode_uncreate(struct endpoint *ep);
bool filenode_flush(struct endpoint *ep, struct fault *f); /* of its folder, too, if it is new */
void filenode_describe(const struct endpoint *ep, const struct xfer *x, char *text, size_t room);
void filenode_close(struct endpoint *ep);

/* A zeroed lane of size bytes that begins with a struct lane; NULL as ops->lane_open(). */
void *filenode_lane(struct endpoint *ep, size_t size) MUST_CHECK;

/* Where x lies in the file. */
static inline off_t filenode_position(const struct filenode *n, const struct xfer *x)
{
	return (off_t)(n->base_bytes + x->offset_bytes);
}

/*
 * A block node's FAULT_SHORT or FAULT_OS becomes FAULT_GONE, ENODEV, where its device is gone: the
 * kernel says by then that it ends at 0, has no space, or EIO. Any thread.
 */
void filenode_judge(const struct filenode *n, struct fault *f);

/*
 * Moves what x lacks, from done_bytes on, by pread() or pwrite(), and fills in the outcome but for
 * the notes. FAULT_SHORT: a source ended before its size, and has no END_GROWS. Any thread.
 */
void filenode_move(const struct filenode *n, struct xfer *x);

/* XFER_TRIM, all but the notes. Blocks. Any thread. */
void filenode_trim(struct filenode *n, struct xfer *x);

/* END_NOCACHE: the last write of a lane, in the page cache still. */
struct filenode_behind {
	off_t at, bytes;
};

/*
 * After a write of bytes (> 0) at that place. Pages are dropped only when clean, so it starts
 * write-back of that range and drops what the lane wrote before, by now mostly clean; flush drops
 * the rest. Nothing waits: sync_file_range() that waits would also take the error that fsync() is
 * to report (mm/filemap.c file_check_and_advance_wb_err()).
 */
void filenode_drop_behind(
	const struct filenode *n, struct filenode_behind *behind, off_t at, off_t bytes);

/* The outcome of x is FAULT_SHORT: done_bytes are all that there is. */
void filenode_came_short(struct xfer *x);

#endif
