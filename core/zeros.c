/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Zeros are seen STEP bytes at a time, all of them or-ed together, so that there is one branch a
 * step; data are mostly seen in their first word. The vectors are of the size that every 64-bit CPU
 * has: longer ones gain nothing once the bytes come from memory.
 */
#include "zeros.h"

#include <assert.h>
#include <string.h>

/* At any address, over any type. */
typedef uint64_t vec __attribute__((vector_size(16), aligned(1), may_alias));

#define STEP 256u

static bool step_is_zero(const uint8_t *p)
{
	const vec *v = (const vec *)p;
	vec a = v[0] | v[1], b = v[2] | v[3];

	for (unsigned i = 4; i < STEP / sizeof(vec); i += 4) {
		a |= v[i] | v[i + 1];
		b |= v[i + 2] | v[i + 3];
	}
	a |= b;
	return (a[0] | a[1]) == 0;
}

static bool few_are_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < len; i++)
		any |= p[i];
	return any == 0;
}

static bool word_is_zero(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word == 0;
}

bool zeros_all(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t at;

	if (len < STEP)
		return few_are_zero(p, len);
	if (!word_is_zero(p))
		return false;
	for (at = 0; at + STEP <= len; at += STEP)
		if (!step_is_zero(p + at))
			return false;
	/* What is left of a step ends the last whole one that fits, part of it seen twice. */
	return at == len || step_is_zero(p + len - STEP);
}

uint32_t zeros_run(const uint8_t *buf, uint32_t len, uint32_t grain, bool *is_zero)
{
	uint32_t at, piece;

	assert(len > 0 && grain > 0);
	at = grain < len ? grain : len;
	*is_zero = zeros_all(buf, at);
	for (; at < len; at += piece) {
		piece = grain < len - at ? grain : len - at;
		if (zeros_all(buf + at, piece) != *is_zero)
			break;
	}
	return at;
}
