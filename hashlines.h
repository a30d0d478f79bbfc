/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashes as sha256sum prints them, "HEX  NAME", and of windows "HEX  NAME [FROM-TO)": on standard
 * output unless the data go there, else on standard error. A line is one write(2), from any thread.
 */
#ifndef HASHLINES_H
#define HASHLINES_H

#include <limits.h>

#include "core/hash.h"

struct hashlines {
	int fd;
	int err;		 /* errno of the first line that could not be written */
	char name[PATH_MAX * 2]; /* as sha256sum escapes it */
	bool escaped;
};

/*
 * name is that of the source, out_path those of the nouts destinations, which exist by now; NULL:
 * standard output.
 */
void hashlines_init(
	struct hashlines *h, const char *name, const char *const *out_path, unsigned nouts);

void hashlines_window(struct hashlines *h, const char *hex, uint64_t from_bytes, uint64_t to_bytes);
void hashlines_whole(struct hashlines *h, const char *hex);

#endif
