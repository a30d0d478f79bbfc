/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every file may use: the language's gaps filled in, nothing about disks.
 *
 * Sizes that come from users or devices are multiplied and added only through checked_mul() and
 * checked_add(): each returns false, and leaves *out alone, where the result does not fit.
 */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A caller that drops this result drops an error. */
#define MUST_CHECK __attribute__((warn_unused_result))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Cold code must not crowd the loop that moves data. */
#define COLD __attribute__((cold, noinline))

typedef int64_t nsec_t; /* nanoseconds; a time point is CLOCK_MONOTONIC's */
#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)

static inline MUST_CHECK bool checked_mul(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;

	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

static inline MUST_CHECK bool checked_add(uint64_t a, uint64_t b, uint64_t *out)
{
	uint64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* unit must not be 0. */
static inline uint64_t round_down_u64(uint64_t n, uint64_t unit)
{
	return n - n % unit;
}

#endif
