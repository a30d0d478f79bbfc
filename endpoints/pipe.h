/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams: standard input and output, FIFOs, sockets, terminals, other character devices, regular
 * files that tell no size to go by (unsized.h). Inline and sequential: one worker, one transfer at
 * a time, each going on where the last one stopped; offsets only name the place in messages.
 *
 * A read fills the whole transfer from as many pieces as come; only the end of the stream makes it
 * shorter, with FAULT_NONE, and every read after that has 0 bytes. Both directions wait for as
 * long as the other side likes, whether the descriptor has O_NONBLOCK or not, unless ep->hurry:
 * then they give up within a tenth of a second. (Character devices that are no terminals, tapes
 * say, are used as they are and do not hurry.)
 *
 * A transfer that failed before its first byte can be repeated. One that failed half-way cannot,
 * for a part of it has gone: whatever is submitted after it has the same outcome, and moves
 * nothing.
 *
 * SIGPIPE must be blocked or ignored in threads that write: a reader that left is a fault with err
 * EPIPE.
 */
#ifndef ENDPOINTS_PIPE_H
#define ENDPOINTS_PIPE_H

#include "endpoint.h"

struct pipe_params {
	const char *name; /* for messages, and the path where fd is -1; must outlive the endpoint */
	enum end_role role;
	int fd; /* open already (0, 1), never closed here; -1: name is opened and closed again */
	/*
	 * enum end_flags. DIRECT: O_DIRECT, of a file or block device, as far as lengths and places
	 * allow. APPEND: O_APPEND, of a destination that is a regular file. Others are not looked
	 * at, but for the plan's SPARSE and TRIM.
	 */
	unsigned flags;
};

/*
 * Opening a FIFO blocks until its other side is opened. begin() skips: bytes of a source before
 * at_bytes are read and thrown away, or sought over in a file or block device, from where it
 * stands: EXIT_LBA_RANGE where that is past its end. A destination can skip only where the
 * descriptor is a regular file or block device (standard output may be one); probe() refuses
 * others, EXIT_CONTRADICT. Only such a destination needs a flush.
 *
 * begin() sets the flags O_DIRECT and O_APPEND, and close() takes back those that it has set: an
 * open file description is shared with whoever has given it, or has inherited it, and for that time
 * they have the flags too.
 *
 * Zeros in a destination that is a regular file become holes by XFER_TRIM, from where it stands,
 * unless it is O_APPEND.
 *
 * NULL with the reason said and *exit_status set. Main thread.
 */
struct endpoint *pipe_open(const struct pipe_params *p, int *exit_status) MUST_CHECK;

#endif
