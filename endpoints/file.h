/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regular files and block nodes through the page cache, by pread() and pwrite(): inline, any number
 * of lanes, any offset and length. (On a block node the engine keeps to whole blocks; the page
 * cache would take anything.)
 */
#ifndef ENDPOINTS_FILE_H
#define ENDPOINTS_FILE_H

#include "endpoint.h"

struct file_params {
	const char *name; /* as the user gave it; must outlive the endpoint */
	enum end_role role;
	/*
	 * enum end_flags. NOCREAT: a destination must be there. EXCL: a regular destination must
	 * not be there; a block node is held exclusively. FLOCK: of the file, or EXIT_FLOCK.
	 * APPEND, NOTRUNC: regular destinations (APPEND is refused on block nodes). DSYNC, SYNC:
	 * O_DSYNC, O_SYNC of a destination. NOCACHE: what was moved is dropped from the page
	 * cache soon after. GROWS: of a regular source. Others are not looked at.
	 */
	unsigned flags;
};

/*
 * Opens without changing anything, see filenode.h. A regular source's size is that of now: one that
 * is shorter when it is read gives FAULT_SHORT. (What has no size to go by, unsized.h, is for
 * pipe_open().) A destination under /dev that is not there is refused: a mistyped device name
 * must not become a file that fills the memory.
 *
 * NULL with the reason said and *exit_status set. Main thread.
 */
struct endpoint *file_open(const struct file_params *p, int *exit_status) MUST_CHECK;

#endif
