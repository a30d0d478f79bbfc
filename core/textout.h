/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text that goes out in large pieces, to a file or to memory, without allocating: printers of files
 * need not know where to, and the first error is remembered for them.
 */
#ifndef CORE_TEXTOUT_H
#define CORE_TEXTOUT_H

#include "base.h"

/* Takes all len bytes: 0, or an errno value. */
typedef int textout_fn(void *arg, const char *text, size_t len);

struct textout {
	textout_fn *write;
	void *arg;
	int err;
	size_t n;
	char text[16384];
};

/* The longest single piece that textout_printf() takes. */
#define TEXTOUT_PIECE_MAX 1024

void textout_init(struct textout *t, textout_fn *write, void *arg);

/* A piece that is too long is not cut: it is an error, EOVERFLOW. */
void textout_printf(struct textout *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * text with all but visible ASCII as %XX, and '%' too: one word, whatever was in it.
 * textout_unescape() is its inverse.
 */
void textout_escaped(struct textout *t, const char *text);

/*
 * The len bytes at text, without its escapes, and a 0 go to out, of room bytes. False: no valid
 * escape, an escaped 0, a byte that should have been escaped, or no room.
 */
bool textout_unescape(const char *text, size_t len, char *out, size_t room) MUST_CHECK;

/* Sends what is left; 0, or the first error of all. */
int textout_end(struct textout *t) MUST_CHECK;

#endif
