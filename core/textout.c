/* SPDX-License-Identifier: BSD-2-Clause */
#include "textout.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void textout_init(struct textout *t, textout_fn *write, void *arg)
{
	t->write = write;
	t->arg = arg;
	t->err = 0;
	t->n = 0;
}

static void send(struct textout *t)
{
	if (t->n > 0 && t->err == 0)
		t->err = t->write(t->arg, t->text, t->n);
	t->n = 0;
}

static void make_room(struct textout *t, size_t room)
{
	if (sizeof(t->text) - t->n < room)
		send(t);
}

void textout_printf(struct textout *t, const char *fmt, ...)
{
	va_list args;
	int len;

	make_room(t, TEXTOUT_PIECE_MAX + 1);
	va_start(args, fmt);
	len = vsnprintf(t->text + t->n, TEXTOUT_PIECE_MAX + 1, fmt, args);
	va_end(args);
	if (len >= 0 && len <= TEXTOUT_PIECE_MAX)
		t->n += (size_t)len;
	else if (t->err == 0)
		t->err = EOVERFLOW;
}

static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != '%';
}

void textout_escaped(struct textout *t, const char *text)
{
	for (; *text != '\0'; text++) {
		if (is_plain(*text)) {
			make_room(t, 1);
			t->text[t->n++] = *text;
		} else {
			textout_printf(t, "%%%02X", (unsigned)(unsigned char)*text);
		}
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* The byte that "%XX" at text stands for; 0 where it is no such thing. */
static char escaped_byte(const char *text, size_t len)
{
	int high = len >= 3 ? hex_value(text[1]) : -1, low = len >= 3 ? hex_value(text[2]) : -1;

	return high < 0 || low < 0 ? '\0' : (char)(high * 16 + low);
}

bool textout_unescape(const char *text, size_t len, char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i += text[i] == '%' ? 3 : 1) {
		char c = text[i];

		if (c == '%')
			c = escaped_byte(text + i, len - i);
		else if (!is_plain(c))
			return false;
		if (c == '\0' || n + 1 >= room)
			return false;
		out[n++] = c;
	}
	if (n >= room)
		return false;
	out[n] = '\0';
	return true;
}

int textout_end(struct textout *t)
{
	send(t);
	return t->err;
}
