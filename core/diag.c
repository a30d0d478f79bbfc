/* SPDX-License-Identifier: BSD-2-Clause */
/* One bounded buffer a message, one write(2) a line. */
#include "diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM_NAME "sgmmcp"
#define OBJECT_SHOWN 120 /* bytes of an object's name: a line stays readable */

struct line {
	size_t len;
	char text[4096];
};

static void line_vadd(struct line *l, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void line_vadd(struct line *l, const char *fmt, va_list args)
{
	size_t room = sizeof(l->text) - 1 - l->len; /* 1 for the newline */
	int n = vsnprintf(l->text + l->len, room, fmt, args);

	if (n > 0)
		l->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void PRINTF_LIKE(2, 3) line_add(struct line *l, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line_vadd(l, fmt, args);
	va_end(args);
}

static void line_write(struct line *l)
{
	size_t at = 0;

	for (size_t i = 0; i < l->len; i++)
		if ((unsigned char)l->text[i] < 0x20 || l->text[i] == 0x7f)
			l->text[i] = '?';
	l->text[l->len++] = '\n';
	while (at < l->len) {
		ssize_t nwritten = write(STDERR_FILENO, l->text + at, l->len - at);

		if (nwritten < 0 && errno == EINTR)
			continue;
		if (nwritten <= 0)
			return; /* nowhere left to complain */
		at += (size_t)nwritten;
	}
}

static void line_lead(struct line *l, const char *object)
{
	l->len = 0;
	if (object)
		line_add(l, "%s: %.*s%s: ", PROGRAM_NAME, OBJECT_SHOWN, object,
			strlen(object) > OBJECT_SHOWN ? "..." : "");
	else
		line_add(l, "%s: ", PROGRAM_NAME);
}

void diag(const char *object, const char *fmt, ...)
{
	struct line l;
	va_list args;

	line_lead(&l, object);
	va_start(args, fmt);
	line_vadd(&l, fmt, args);
	va_end(args);
	line_write(&l);
}

void diag_errno(const char *object, int err, const char *fmt, ...)
{
	struct line l;
	va_list args;

	line_lead(&l, object);
	va_start(args, fmt);
	line_vadd(&l, fmt, args);
	va_end(args);
	line_add(&l, ": %s", strerror(err));
	line_write(&l);
}

void diag_plain(const char *fmt, ...)
{
	struct line l;
	va_list args;

	l.len = 0;
	va_start(args, fmt);
	line_vadd(&l, fmt, args);
	va_end(args);
	line_write(&l);
}
