/* SPDX-License-Identifier: BSD-2-Clause */
/* A chunk is cut where a window ends; windows need not fit chunks or blocks. */
#include "digest.h"

#include <errno.h>
#include <string.h>

int digest_init(struct digest *d, const char *hash, uint64_t window_bytes,
	digest_window_fn *on_window, void *arg)
{
	int err = 0;

	memset(d, 0, sizeof(*d));
	d->window_bytes = window_bytes;
	d->on_window = on_window;
	d->arg = arg;
	d->whole = hash_new(hash);
	if (d->whole && window_bytes)
		d->window = hash_new(hash);
	if (!d->whole || (window_bytes && !d->window))
		err = errno;
	if (err)
		digest_destroy(d);
	return err;
}

void digest_destroy(struct digest *d)
{
	hash_free(d->whole);
	hash_free(d->window);
	d->whole = d->window = NULL;
}

static bool end_window(struct digest *d, uint64_t to_bytes)
{
	char text[HASH_TEXT_ROOM];

	if (!hash_final_hex(d->window, text))
		return false;
	d->on_window(d->arg, text, d->window_from_bytes, to_bytes);
	d->window_from_bytes = to_bytes;
	return true;
}

static bool take_windows(struct digest *d, const uint8_t *data, size_t len)
{
	uint64_t at = d->done_bytes;

	while (len > 0) {
		uint64_t end = d->window_from_bytes + d->window_bytes;
		size_t n = min_u64(end - at, len);

		if (!hash_update(d->window, data, n))
			return false;
		at += n;
		data += n;
		len -= n;
		if (at == end && !end_window(d, at))
			return false;
	}
	return true;
}

bool digest_take(struct digest *d, uint64_t at_bytes, const void *data, size_t len)
{
	if (at_bytes != d->done_bytes)
		return true;
	if (!hash_update(d->whole, data, len) || (d->window && !take_windows(d, data, len))) {
		d->failed = true;
		return false;
	}
	d->done_bytes += len;
	return true;
}

bool digest_end(struct digest *d, char *text)
{
	text[0] = '\0';
	if (!d->failed && d->window && d->window_from_bytes < d->done_bytes)
		d->failed = !end_window(d, d->done_bytes);
	if (!d->failed)
		d->failed = !hash_final_hex(d->whole, text);
	return !d->failed;
}
