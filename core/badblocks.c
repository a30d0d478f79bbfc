/* SPDX-License-Identifier: BSD-2-Clause */
/* A list is read into a copy of the map, which takes the map's place when all lines were good. */
#include "badblocks.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "units.h"

struct listing {
	const struct ranges *r;
	unsigned set;
	uint32_t block_bytes;
};

void badblocks_print(const struct ranges *r, unsigned set, uint32_t block_bytes, struct textout *t)
{
	uint64_t at = 0, next_blk = 0;
	struct range x;

	while (ranges_first(r, set, at, UINT64_MAX, &x)) {
		uint64_t last_blk;

		at = x.at_bytes + x.len_bytes;
		last_blk = (at - 1) / block_bytes;
		next_blk = max_u64(next_blk, x.at_bytes / block_bytes);
		for (; next_blk <= last_blk; next_blk++)
			textout_printf(t, "%" PRIu64 "\n", next_blk);
	}
}

static void print_listing(struct textout *t, const void *arg)
{
	const struct listing *l = arg;

	badblocks_print(l->r, l->set, l->block_bytes, t);
}

int badblocks_save(const char *path, const struct ranges *r, unsigned set, uint32_t block_bytes,
	enum replace_step *step)
{
	const struct listing listing = { r, set, block_bytes };

	return replace_file(path, false, print_listing, &listing, step);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool all_digits(const char *text, const char *end)
{
	for (; text < end; text++)
		if (*text < '0' || *text > '9')
			return false;
	return true;
}

static int take_block(
	uint64_t blk, uint32_t block_bytes, enum range_status status, struct ranges *r)
{
	uint64_t at, total = ranges_total(r);

	if (!checked_mul(blk, block_bytes, &at) || at >= total)
		return ERANGE;
	return ranges_set(r, at, min_u64(block_bytes, total - at), status) ? 0 : ENOMEM;
}

static int take_line(const char *text, const char *end, uint32_t block_bytes,
	enum range_status status, struct ranges *r)
{
	enum units_error units;
	uint64_t blk;

	while (text < end && is_blank(*text))
		text++;
	while (text < end && is_blank(end[-1]))
		end--;
	if (text == end)
		return 0;
	if (!all_digits(text, end))
		return EINVAL;
	units = units_parse_n(text, (size_t)(end - text), &blk);
	if (units != UNITS_OK)
		return units == UNITS_OVERFLOW ? ERANGE : EINVAL;
	return take_block(blk, block_bytes, status, r);
}

int badblocks_parse(const char *text, size_t len, uint32_t block_bytes, enum range_status status,
	struct ranges *r, unsigned long *line)
{
	const char *end = text + len;
	struct ranges changed = { 0 };
	int err = ranges_copy(&changed, r) ? 0 : ENOMEM;

	for (*line = 0; err == 0 && text < end; ++*line) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		err = take_line(text, newline ? newline : end, block_bytes, status, &changed);
		text = newline ? newline + 1 : end;
	}
	if (err != 0) {
		ranges_destroy(&changed);
		return err;
	}
	ranges_destroy(r);
	*r = changed;
	return 0;
}
