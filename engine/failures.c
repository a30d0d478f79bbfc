/* SPDX-License-Identifier: BSD-2-Clause */
#include "failures.h"

void failures_init(struct failures *f)
{
	pthread_mutex_init(&f->lock, NULL);
}

void failures_destroy(struct failures *f)
{
	pthread_mutex_destroy(&f->lock);
}

void failures_note(struct failures *f, unsigned side, const struct xfer *x)
{
	struct xfer *first = &f->x[side];

	pthread_mutex_lock(&f->lock);
	if (f->failed == 0)
		f->first = side;
	if (!(f->failed & side_bit(side)) || x->offset_bytes < first->offset_bytes)
		*first = *x;
	f->failed |= side_bit(side);
	pthread_mutex_unlock(&f->lock);
}

void failures_note_nap(struct failures *f, unsigned side, const struct xfer *x)
{
	pthread_mutex_lock(&f->lock);
	f->nap[side] = *x;
	pthread_mutex_unlock(&f->lock);
}

void failures_add(struct failures *f, struct incidents *list, const struct incident *l)
{
	pthread_mutex_lock(&f->lock);
	if (list->n < INCIDENTS_KEPT)
		list->first[list->n] = *l;
	list->n++;
	pthread_mutex_unlock(&f->lock);
}

uint64_t failures_kept(struct failures *f, const struct incidents *list)
{
	uint64_t kept;

	pthread_mutex_lock(&f->lock);
	kept = min_u64(list->n, INCIDENTS_KEPT);
	pthread_mutex_unlock(&f->lock);
	return kept;
}
