/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A number is a sum of products of factors; one function for each of the three, each reading what
 * is its own from the front of the text. The caller of parse_sum() sees that nothing is left over.
 */
#include "units.h"

#include <stdio.h>
#include <string.h>

struct text {
	const char *at, *end;
};

struct suffix {
	const char *word;
	uint64_t times;
};

static const struct suffix suffixes[] = {
	{ "c", 1 },
	{ "w", 2 },
	{ "b", 512 },
	{ "k", UINT64_C(1) << 10 },
	{ "K", UINT64_C(1) << 10 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "kB", UINT64_C(1000) },
	{ "KB", UINT64_C(1000) },
	{ "m", UINT64_C(1) << 20 },
	{ "M", UINT64_C(1) << 20 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "mB", UINT64_C(1000000) },
	{ "MB", UINT64_C(1000000) },
	{ "g", UINT64_C(1) << 30 },
	{ "G", UINT64_C(1) << 30 },
	{ "GiB", UINT64_C(1) << 30 },
	{ "gB", UINT64_C(1000000000) },
	{ "GB", UINT64_C(1000000000) },
	{ "t", UINT64_C(1) << 40 },
	{ "T", UINT64_C(1) << 40 },
	{ "TiB", UINT64_C(1) << 40 },
	{ "tB", UINT64_C(1000000000000) },
	{ "TB", UINT64_C(1000000000000) },
	{ "p", UINT64_C(1) << 50 },
	{ "P", UINT64_C(1) << 50 },
	{ "PiB", UINT64_C(1) << 50 },
	{ "pB", UINT64_C(1000000000000000) },
	{ "PB", UINT64_C(1000000000000000) },
	{ "E", UINT64_C(1) << 60 },
	{ "EiB", UINT64_C(1) << 60 },
	{ "EB", UINT64_C(1000000000000000000) },
};

int units_digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return UNITS_NO_DIGIT;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t digits_len(const struct text *t, const char *from, int base)
{
	const char *p = from;

	while (p < t->end && units_digit_value(*p) < base)
		p++;
	return (size_t)(p - from);
}

static bool next_is(const struct text *t, size_t ahead, char lower, char upper)
{
	if ((size_t)(t->end - t->at) <= ahead)
		return false;
	return t->at[ahead] == lower || t->at[ahead] == upper;
}

/* Takes all len digits, also of a number too large: a later syntax error is the better answer. */
static enum units_error take_digits(struct text *t, size_t len, unsigned base, uint64_t *out)
{
	enum units_error err = UNITS_OK;
	uint64_t n = 0;

	if (len == 0)
		return UNITS_SYNTAX;
	for (; len > 0; len--, t->at++)
		if (!checked_mul(n, base, &n) ||
			!checked_add(n, (uint64_t)units_digit_value(*t->at), &n))
			err = UNITS_OVERFLOW;
	*out = n;
	return err;
}

/* The letters up to the next sign; 'x' is a sign. No letters: times 1. */
static enum units_error take_suffix(struct text *t, uint64_t *times)
{
	const char *word = t->at;
	size_t len;

	while (t->at < t->end && is_letter(*t->at) && *t->at != 'x' && *t->at != 'X')
		t->at++;
	len = (size_t)(t->at - word);
	*times = 1;
	if (len == 0)
		return UNITS_OK;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (strlen(suffixes[i].word) == len && memcmp(suffixes[i].word, word, len) == 0) {
			*times = suffixes[i].times;
			return UNITS_OK;
		}
	}
	return UNITS_SYNTAX;
}

static enum units_error take_decimal(struct text *t, uint64_t *out)
{
	uint64_t times;
	enum units_error digits = take_digits(t, digits_len(t, t->at, 10), 10, out);
	enum units_error suffix;

	if (digits == UNITS_SYNTAX)
		return digits;
	suffix = take_suffix(t, &times);
	if (suffix != UNITS_OK)
		return suffix;
	if (digits != UNITS_OK)
		return digits;
	return checked_mul(*out, times, out) ? UNITS_OK : UNITS_OVERFLOW;
}

/* "0x10", "10h", "10", "10k": the end of the digits tells which. */
static enum units_error take_factor(struct text *t, uint64_t *out)
{
	size_t hex_len = digits_len(t, t->at, 16);

	if (next_is(t, 0, '0', '0') && next_is(t, 1, 'x', 'X')) {
		t->at += 2;
		return take_digits(t, digits_len(t, t->at, 16), 16, out);
	}
	if (hex_len > 0 && next_is(t, hex_len, 'h', 'H')) {
		enum units_error err = take_digits(t, hex_len, 16, out);

		t->at++;
		return err;
	}
	return take_decimal(t, out);
}

static bool take_sign(struct text *t, char lower, char upper)
{
	if (!next_is(t, 0, lower, upper))
		return false;
	t->at++;
	return true;
}

/* *so_far stays the first overflow until a syntax error replaces it. */
static bool note_error(enum units_error *so_far, enum units_error err)
{
	if (err == UNITS_SYNTAX || *so_far == UNITS_OK)
		*so_far = err;
	return err != UNITS_SYNTAX;
}

static enum units_error take_product(struct text *t, uint64_t *out)
{
	enum units_error err = UNITS_OK;
	uint64_t factor = 0;

	*out = 1;
	do {
		if (!note_error(&err, take_factor(t, &factor)))
			return err;
		if (err == UNITS_OK && !checked_mul(*out, factor, out))
			err = UNITS_OVERFLOW;
	} while (take_sign(t, 'x', 'X'));
	return err;
}

static enum units_error take_sum(struct text *t, uint64_t *out)
{
	enum units_error err = UNITS_OK;
	uint64_t product = 0;

	*out = 0;
	do {
		if (!note_error(&err, take_product(t, &product)))
			return err;
		if (err == UNITS_OK && !checked_add(*out, product, out))
			err = UNITS_OVERFLOW;
	} while (take_sign(t, '+', '+'));
	return err;
}

enum units_error units_parse_n(const char *text, size_t len, uint64_t *out)
{
	struct text t = { text, text + len };
	enum units_error err;
	uint64_t n;

	if (len == 0)
		return UNITS_EMPTY;
	err = take_sum(&t, &n);
	if (t.at != t.end)
		return UNITS_SYNTAX;
	if (err == UNITS_OK)
		*out = n;
	return err;
}

enum units_error units_parse(const char *text, uint64_t *out)
{
	return units_parse_n(text, strlen(text), out);
}

const char *units_error_text(enum units_error e)
{
	switch (e) {
	case UNITS_OK: return "no error";
	case UNITS_EMPTY: return "empty number";
	case UNITS_SYNTAX: return "not a number";
	case UNITS_OVERFLOW: return "number too large";
	}
	return "not a number";
}

char *units_bytes_text(uint64_t n, char *text)
{
	static const char names[][4] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	uint64_t unit = 1;
	unsigned whole, tenth;
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(names) && n / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	whole = (unsigned)(n / unit);
	tenth = (unsigned)(n % unit * 10 / unit); /* n % unit is below 2^60, ten times that fits */
	if (n % unit == 0)
		(void)snprintf(text, UNITS_TEXT_ROOM, "%u %s", whole, names[i]);
	else
		(void)snprintf(text, UNITS_TEXT_ROOM, "%u.%u %s", whole, tenth, names[i]);
	return text;
}
