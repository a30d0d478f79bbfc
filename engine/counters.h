/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happened on one side of a run. Each worker owns a pair and is its only writer; the main
 * thread reads them at any time (progress), so each is a relaxed atomic: a plain store on the hot
 * path.
 */
#ifndef ENGINE_COUNTERS_H
#define ENGINE_COUNTERS_H

#include <stdatomic.h>

#include "../core/base.h"

typedef _Atomic uint64_t counter_t;

struct counters {
	counter_t bytes;    /* moved, left out or trimmed, and known to be */
	counter_t holes;    /* of these the bytes that were zeros and not written */
	counter_t commands; /* sent, retries included */
	counter_t retries;
	counter_t recovered;	    /* good after a recovered error */
	counter_t unrecovered;	    /* transfers given up for good */
	counter_t salvaged;	    /* of these blocks, those of which the medium had something */
	counter_t narrowed;	    /* given up as a whole: their parts are tried, or they later */
	counter_t resets;	    /* unit attentions 29/xx: power on or reset in mid-run */
	counter_t not_direct_bytes; /* direct IO asked, copied by the driver */
	counter_t fell_back;	    /* lanes that changed their method */
	counter_t other_cdb;	    /* lanes that took another form of their command */
};

/* The owner's only. */
static inline void counter_add(counter_t *c, uint64_t n)
{
	uint64_t now = atomic_load_explicit(c, memory_order_relaxed);

	atomic_store_explicit(c, now + n, memory_order_relaxed);
}

static inline uint64_t counter_get(const counter_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* Adds what another worker counted. sum is the caller's. */
static inline void counters_add(struct counters *sum, const struct counters *c)
{
	counter_add(&sum->bytes, counter_get(&c->bytes));
	counter_add(&sum->holes, counter_get(&c->holes));
	counter_add(&sum->commands, counter_get(&c->commands));
	counter_add(&sum->retries, counter_get(&c->retries));
	counter_add(&sum->recovered, counter_get(&c->recovered));
	counter_add(&sum->unrecovered, counter_get(&c->unrecovered));
	counter_add(&sum->salvaged, counter_get(&c->salvaged));
	counter_add(&sum->narrowed, counter_get(&c->narrowed));
	counter_add(&sum->resets, counter_get(&c->resets));
	counter_add(&sum->not_direct_bytes, counter_get(&c->not_direct_bytes));
	counter_add(&sum->fell_back, counter_get(&c->fell_back));
	counter_add(&sum->other_cdb, counter_get(&c->other_cdb));
}

#endif
