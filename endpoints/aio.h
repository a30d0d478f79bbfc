/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block nodes and regular files by O_DIRECT and Linux AIO (libaio): evented, no copy by the CPU.
 * Any number of threads, each with its own lanes.
 *
 * Memory is aligned to facts.dma_align (a page always is). On a block node transfers are whole
 * blocks. On a regular file any offset and length will do: what is not aligned to what O_DIRECT
 * wants there (when writing: to a page) goes through the page cache instead, inline, and is noted
 * XFER_NOT_DIRECT: in a run of page-multiple chunks from an aligned start, only the tail.
 */
#ifndef ENDPOINTS_AIO_H
#define ENDPOINTS_AIO_H

#include "file.h"

/*
 * Parameters, refusals and thread as file_open(); END_NOCACHE has no effect. Also refused, with
 * EXIT_CONTRADICT: a file whose file system has no O_DIRECT; where the file is yet to be created
 * that shows only in begin().
 */
struct endpoint *aio_open(const struct file_params *p, int *exit_status) MUST_CHECK;

#endif
