/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regular files as memory: mmap(2), MAP_SHARED. The page cache itself is what the other side reads
 * from or writes to, directly (sg, O_DIRECT) or by a copy in the kernel; this side moves nothing.
 * Inline, any number of lanes, any offset and length; the memory's place in its page is the byte's
 * place in the file's page.
 *
 * Each lane maps a window of the file around the chunk that it is at, and the next window when
 * the next chunk lies elsewhere: page tables and mapped pages do not grow with the file, and the
 * address space is no limit to its size.
 *
 * A read brings the pages in and looks whether they are in the file: FAULT_SHORT tells how much of
 * the range there is, a medium error is the one that pread() gives. A write says that the bytes
 * are in memory; it looks whether the file still has their place (else FAULT_SHORT: what was stored
 * behind its end is lost), and writes them to the medium only as END_NOCACHE (begun), END_DSYNC or
 * END_SYNC (waited for) want it. flush does the rest, by fsync(2), which covers mapped pages.
 *
 * THE FILE MAY BE CUT BY OTHERS AT ANY TIME, and then:
 * - user space that touches the memory is killed by SIGBUS. So nobody may (hash, compare, pad):
 *   the plan refuses what would. No handler is installed here.
 * - a system call that is given the memory fails with EFAULT. That says nothing about which side
 *   is at fault: ask mapped_was_cut(). A lane that falls back on EFAULT may have done so in vain.
 * - a cut in mid-page is seen by nobody: what lies behind it in that page reads as zeros, and what
 *   is stored there is lost. So it is asked again when the other side's transfer is home: after a
 *   read from this end mapped_was_cut(), after which the same read, submitted once more,
 *   has the fault to be reported; the write of this end asks by itself, and once more at the end of
 *   the run by mapped_was_cut() over what was written.
 * A file cut and grown again between two questions is not noticed, as with pread() and pwrite().
 *
 * The bytes between the end of the file and the end of its last page read as zeros: a last
 * block up to there may be written out of this memory, but not one that reaches the next page.
 */
#ifndef ENDPOINTS_MAPPED_H
#define ENDPOINTS_MAPPED_H

#include "file.h"

/*
 * Opens without changing anything. Flags as file_open(), but APPEND is refused. A destination must
 * be readable too.
 *
 * begin() of a destination creates, truncates, and gives it its full length and the space for it
 * (fallocate(2)) before anything is mapped: no space, and file systems that cannot do this, are met
 * there. The length must be known. A run that ends early leaves the file with its full length;
 * what has not been written reads as zeros.
 *
 * NULL with the reason said and *exit_status set: as file_open(), and EXIT_CONTRADICT for block
 * nodes, APPEND, and file systems without shared mappings. Main thread.
 */
struct endpoint *mapped_open(const struct file_params *p, int *exit_status) MUST_CHECK;

/*
 * True when not all of the range is in the file ep (of mapped_open()) now, or that cannot be told.
 * Cheap: one fstat(2). Any thread.
 */
bool mapped_was_cut(
	const struct endpoint *ep, uint64_t offset_bytes, uint64_t len_bytes) MUST_CHECK;

#endif
