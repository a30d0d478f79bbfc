/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that look random and follow from a seed (splitmix64): a failing test runs again alike. */
#ifndef TESTS_RNG_H
#define TESTS_RNG_H

#include "../../core/base.h"

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0..n-1; n must not be 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

/* lo..hi */
static inline uint64_t rng_between(struct rng *r, uint64_t lo, uint64_t hi)
{
	return lo + rng_below(r, hi - lo + 1);
}

/* True once in n times. */
static inline bool rng_once_in(struct rng *r, unsigned n)
{
	return rng_below(r, n) == 0;
}

static inline void rng_fill(struct rng *r, void *mem, size_t len)
{
	uint8_t *p = mem;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		uint64_t word = rng_next(r);

		__builtin_memcpy(p + i, &word, 8);
	}
	for (; i < len; i++)
		p[i] = (uint8_t)rng_next(r);
}

#endif
