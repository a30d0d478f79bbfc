/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of each byte of [0, total): an ordered map from ranges to statuses. Neighbours of the
 * same status are one range, always. Bytes only: blocks, and which part of the map a run works on,
 * are the caller's matter.
 *
 * Finding and setting cost O(log n) and the moving of a few KiB, wherever in the map and in
 * whatever order. Memory: about 9 bytes a range when the map grew in ascending order, at most about
 * 36; a set that only moves the border between two ranges, as copying in ascending or descending
 * order does, allocates nothing.
 *
 * One thread at a time uses a struct ranges; several at once use several.
 */
#ifndef CORE_RANGES_H
#define CORE_RANGES_H

#include "base.h"

enum range_status {
	RANGE_UNTRIED,
	RANGE_FAILED,	  /* the range as a whole failed; not narrowed yet */
	RANGE_NONSCRAPED, /* its edges were narrowed, what is inside was not tried block by block */
	RANGE_BAD,	  /* blocks that failed by themselves */
	RANGE_WRITTEN,	  /* moved, but a crash may lose it: no flush has followed yet */
	RANGE_DONE,	  /* moved, and flushed since */
	RANGE_STATUSES
};

/* Sets of statuses, for searches: RANGE_IS(RANGE_BAD) | RANGE_IS(RANGE_FAILED). */
#define RANGE_IS(status) (1u << (status))
#define RANGE_IS_ANY	 (RANGE_IS(RANGE_STATUSES) - 1)

struct range {
	uint64_t at_bytes, len_bytes;
	enum range_status status;
};

/* All fields are ranges.c's own. All zeros is a map of nothing. */
struct ranges {
	struct ranges_leaf *leaves;
	size_t nleaves, room;
	uint64_t total_bytes;
	uint64_t bytes[RANGE_STATUSES];
};

/*
 * A map of [0, total_bytes), all of it untried. False: no memory, and nothing to destroy. What r
 * held before is forgotten, not freed.
 */
bool ranges_init(struct ranges *r, uint64_t total_bytes) MUST_CHECK;

/* Afterwards r is a map of nothing. */
void ranges_destroy(struct ranges *r);

/*
 * The map grows at its end by len_bytes of this status. False: no memory, or the total would pass
 * 2^64-1; the map is as it was.
 */
bool ranges_append(struct ranges *r, uint64_t len_bytes, enum range_status status) MUST_CHECK;

/*
 * [at_bytes, at_bytes + len_bytes), which must lie within the map, gets this status. False: no
 * memory; the map is as it was.
 */
bool ranges_set(struct ranges *r, uint64_t at_bytes, uint64_t len_bytes,
	enum range_status status) MUST_CHECK;

/* All that has status from gets status to: never fails, never allocates. O(n). */
void ranges_turn(struct ranges *r, enum range_status from, enum range_status to);

/*
 * What is WRITTEN both here and in earlier, a copy made of r before a flush, becomes to: DONE where
 * that flush succeeded, UNTRIED (or what else stands for "lost") where it did not: a later flush
 * that succeeds says nothing about data that an earlier one could not keep. False: no memory; some
 * of it may still be WRITTEN. O(n log n) in the ranges of earlier.
 */
bool ranges_settle(struct ranges *r, const struct ranges *earlier, enum range_status to) MUST_CHECK;

/*
 * What has this status here, and had another in earlier, a copy made of r before, becomes to.
 * False: no memory; some of it may still have it. Costs as ranges_settle().
 */
bool ranges_undo(struct ranges *r, const struct ranges *earlier, enum range_status status,
	enum range_status to) MUST_CHECK;

/*
 * *to, a map made before or all zeros, becomes the same as from; its memory is used again. False:
 * no memory, and *to is a map of nothing.
 */
bool ranges_copy(struct ranges *to, const struct ranges *from) MUST_CHECK;

bool ranges_same(const struct ranges *a, const struct ranges *b) MUST_CHECK;

static inline uint64_t ranges_total(const struct ranges *r)
{
	return r->total_bytes;
}

/* Sum of the bytes that have this status. O(1). */
static inline uint64_t ranges_bytes(const struct ranges *r, enum range_status status)
{
	return r->bytes[status];
}

/* How many ranges have this status. O(n / 256). */
uint64_t ranges_count(const struct ranges *r, enum range_status status) MUST_CHECK;

/*
 * The whole range that holds byte at_bytes; false at the total and past it. All ranges in order:
 *
 *	for (at = 0; ranges_get(r, at, &x); at = x.at_bytes + x.len_bytes)
 */
bool ranges_get(const struct ranges *r, uint64_t at_bytes, struct range *out) MUST_CHECK;

/*
 * The first (ranges_last: the last) range in [from_bytes, to_bytes) whose status is in the set,
 * cut to these limits; a to_bytes past the total is the total. False, and *out left alone, when
 * there is none. Ranges of the set that touch come one by one. O(log n) where the next range is
 * such a one, O(n / 256) where it is far.
 */
bool ranges_first(const struct ranges *r, unsigned set, uint64_t from_bytes, uint64_t to_bytes,
	struct range *out) MUST_CHECK;
bool ranges_last(const struct ranges *r, unsigned set, uint64_t from_bytes, uint64_t to_bytes,
	struct range *out) MUST_CHECK;

#endif
