/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regular files whose length is known only when they have been read: those of procfs (st_size 0)
 * and sysfs (a page, whatever they hold) and the like, made when they are read. They are streams.
 */
#ifndef ENDPOINTS_UNSIZED_H
#define ENDPOINTS_UNSIZED_H

#include "../core/base.h"

/*
 * Whether the regular file at path, or open for reading as fd, is such a one. Where it cannot be
 * told (no permission), it is not. Says nothing; fd's offset stays. Any thread.
 */
bool unsized_path(const char *path) MUST_CHECK;
bool unsized_fd(int fd) MUST_CHECK;

#endif
