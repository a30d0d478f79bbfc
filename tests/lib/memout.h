/* SPDX-License-Identifier: BSD-2-Clause */
/* A textout that ends in memory; for unit tests and fuzz targets. No memory ends the program. */
#ifndef TESTS_MEMOUT_H
#define TESTS_MEMOUT_H

#include <stdlib.h>
#include <string.h>

#include "../../core/textout.h"

struct memout {
	struct textout out;
	char *text; /* of len bytes, and a 0; the user of this struct frees it */
	size_t len;
};

static inline int memout_write(void *arg, const char *text, size_t len)
{
	struct memout *m = arg;
	char *longer = realloc(m->text, m->len + len + 1);

	if (!longer)
		abort();
	memcpy(longer + m->len, text, len);
	m->text = longer;
	m->len += len;
	longer[m->len] = '\0';
	return 0;
}

static inline void memout_begin(struct memout *m)
{
	m->text = NULL;
	m->len = 0;
	(void)memout_write(m, "", 0);
	textout_init(&m->out, memout_write, m);
}

/* The text. */
static inline char *memout_end(struct memout *m)
{
	if (textout_end(&m->out) != 0)
		abort();
	return m->text;
}

#endif
