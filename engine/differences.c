/* SPDX-License-Identifier: BSD-2-Clause */
/* Seldom and few, or else all of a disk: a lock for each will do. */
#include "differences.h"

#include <string.h>

void differences_init(struct differences *d, struct ranges *map)
{
	memset(d, 0, sizeof(*d));
	d->map = map;
	pthread_mutex_init(&d->lock, NULL);
}

/* With the lock held; from and to are of the map. */
static void take_back(struct differences *d, uint64_t from_bytes, uint64_t to_bytes)
{
	struct range x;

	while (ranges_first(d->map, RANGE_IS(RANGE_DONE), from_bytes, to_bytes, &x)) {
		if (ranges_set(d->map, x.at_bytes, x.len_bytes, RANGE_UNTRIED))
			d->bytes += x.len_bytes;
		else
			d->lost = true;
		from_bytes = x.at_bytes + x.len_bytes;
	}
}

void differences_note(
	struct differences *d, uint64_t at_bytes, uint64_t len_bytes, uint32_t block_bytes)
{
	uint64_t last = round_down_u64(max_u64(d->len_bytes, 1) - 1, block_bytes);
	uint64_t from = min_u64(at_bytes, last);
	uint64_t to = min_u64(at_bytes + len_bytes, d->len_bytes);

	pthread_mutex_lock(&d->lock);
	take_back(d, d->at_bytes + from, d->at_bytes + to);
	pthread_mutex_unlock(&d->lock);
}

bool differences_end(struct differences *d)
{
	pthread_mutex_destroy(&d->lock);
	if (d->lost) {
		d->bytes += ranges_bytes(d->map, RANGE_DONE);
		ranges_turn(d->map, RANGE_DONE, RANGE_UNTRIED);
	}
	return d->bytes > 0;
}
