/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two levels: leaves, each a sorted array of up to LEAF_MAX ranges, and the array of leaves. A
 * range is its start and status; it ends where the next one starts. Full leaves are halved, small
 * neighbours joined, so that neither level's memmove() grows with the number of ranges (of a
 * million, a leaf moves 4 KiB and the array, once in hundreds of times, 160 KiB). Each leaf counts
 * its statuses: searches pass over leaves that have nothing of what is wanted.
 *
 * Between calls: no leaf is empty, start[0] of the first is 0, starts ascend, neighbours differ in
 * status, bytes[] are the sums.
 */
#include "ranges.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEAF_MAX 512u

struct ranges_slots {
	uint64_t start[LEAF_MAX];
	uint8_t status[LEAF_MAX];
};

struct ranges_leaf {
	uint64_t first; /* start[0]: the search among leaves touches no slots */
	struct ranges_slots *slots;
	uint16_t n;
	uint16_t count[RANGE_STATUSES];
};

/* A place in the map: slot i of leaf l. The end is leaf nleaves, slot 0. */
struct place {
	size_t l;
	unsigned i;
};

/* --- places --- */

static struct place find(const struct ranges *r, uint64_t at)
{
	size_t low = 0, high = r->nleaves;
	const struct ranges_leaf *leaf;
	unsigned first = 0, last;

	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;

		if (r->leaves[mid].first <= at)
			low = mid;
		else
			high = mid;
	}
	leaf = &r->leaves[low];
	last = leaf->n;
	while (last - first > 1) {
		unsigned mid = first + (last - first) / 2;

		if (leaf->slots->start[mid] <= at)
			first = mid;
		else
			last = mid;
	}
	return (struct place){ low, first };
}

static bool is_end(const struct ranges *r, struct place p)
{
	return p.l == r->nleaves;
}

static bool is_front(struct place p)
{
	return p.l == 0 && p.i == 0;
}

static struct place after(const struct ranges *r, struct place p)
{
	if (p.i + 1 < r->leaves[p.l].n)
		return (struct place){ p.l, p.i + 1 };
	return (struct place){ p.l + 1, 0 };
}

/* p must not be the front. */
static struct place before(const struct ranges *r, struct place p)
{
	if (p.i > 0)
		return (struct place){ p.l, p.i - 1 };
	return (struct place){ p.l - 1, r->leaves[p.l - 1].n - 1u };
}

/* The total, at the end. */
static uint64_t start_of(const struct ranges *r, struct place p)
{
	return is_end(r, p) ? r->total_bytes : r->leaves[p.l].slots->start[p.i];
}

static enum range_status status_of(const struct ranges *r, struct place p)
{
	return (enum range_status)r->leaves[p.l].slots->status[p.i];
}

static struct range range_at(const struct ranges *r, struct place p)
{
	uint64_t start = start_of(r, p);

	return (struct range){ start, start_of(r, after(r, p)) - start, status_of(r, p) };
}

/* --- leaves --- */

static void count_again(struct ranges_leaf *leaf)
{
	memset(leaf->count, 0, sizeof(leaf->count));
	for (unsigned i = 0; i < leaf->n; i++)
		leaf->count[leaf->slots->status[i]]++;
	leaf->first = leaf->slots->start[0];
}

static bool room_for_leaves(struct ranges *r, size_t n)
{
	struct ranges_leaf *leaves;
	size_t room = r->room > 0 ? r->room : 4;

	if (n <= r->room)
		return true;
	while (room < n)
		room *= 2; /* memory ends long before size_t does */
	leaves = realloc(r->leaves, room * sizeof(*leaves));
	if (!leaves)
		return false;
	r->leaves = leaves;
	r->room = room;
	return true;
}

/* A leaf without ranges, which the caller fills, before leaf l. */
static bool insert_leaf(struct ranges *r, size_t l)
{
	struct ranges_slots *slots;

	if (!room_for_leaves(r, r->nleaves + 1))
		return false;
	slots = malloc(sizeof(*slots));
	if (!slots)
		return false;
	if (l < r->nleaves)
		memmove(&r->leaves[l + 1], &r->leaves[l], (r->nleaves - l) * sizeof(*r->leaves));
	r->leaves[l] = (struct ranges_leaf){ .slots = slots };
	r->nleaves++;
	return true;
}

static void remove_leaves(struct ranges *r, size_t l, size_t n)
{
	for (size_t i = l; i < l + n; i++)
		free(r->leaves[i].slots);
	memmove(&r->leaves[l], &r->leaves[l + n], (r->nleaves - l - n) * sizeof(*r->leaves));
	r->nleaves -= n;
}

static void move_slots(struct ranges_slots *to, unsigned at_to, const struct ranges_slots *from,
	unsigned at_from, unsigned n)
{
	memmove(&to->start[at_to], &from->start[at_from], n * sizeof(to->start[0]));
	memmove(&to->status[at_to], &from->status[at_from], n * sizeof(to->status[0]));
}

/* A map that grows at its end only leaves full leaves behind. */
static bool halve(struct ranges *r, size_t l)
{
	struct ranges_leaf *left, *right;
	bool at_end = l + 1 == r->nleaves;
	unsigned keep;

	if (!insert_leaf(r, l + 1))
		return false;
	left = &r->leaves[l];
	right = &r->leaves[l + 1];
	keep = at_end ? left->n - 8u : left->n / 2u;
	right->n = (uint16_t)(left->n - keep);
	move_slots(right->slots, 0, left->slots, keep, right->n);
	left->n = (uint16_t)keep;
	count_again(left);
	count_again(right);
	return true;
}

/* The ranges of right, which follow those of left, go to left, if there are few of both. */
static bool absorb(struct ranges_leaf *left, const struct ranges_leaf *right)
{
	if (left->n + right->n > LEAF_MAX / 2)
		return false;
	move_slots(left->slots, left->n, right->slots, 0, right->n);
	left->n = (uint16_t)(left->n + right->n);
	count_again(left);
	return true;
}

/* Leaf l and the next, where they are there. */
static void join_small(struct ranges *r, size_t l)
{
	if (l + 1 >= r->nleaves)
		return;
	if (absorb(&r->leaves[l], &r->leaves[l + 1]))
		remove_leaves(r, l + 1, 1);
}

/* --- changes --- */

static void set_start(struct ranges *r, struct place p, uint64_t start)
{
	r->leaves[p.l].slots->start[p.i] = start;
	if (p.i == 0)
		r->leaves[p.l].first = start;
}

static void set_status(struct ranges *r, struct place p, enum range_status status)
{
	struct ranges_leaf *leaf = &r->leaves[p.l];

	leaf->count[leaf->slots->status[p.i]]--;
	leaf->count[status]++;
	leaf->slots->status[p.i] = (uint8_t)status;
}

/* A range that starts here, before slot i of leaf l, which has room; the one before loses it. */
static void insert_slot(struct ranges_leaf *leaf, unsigned i, uint64_t start, enum range_status s)
{
	move_slots(leaf->slots, i + 1, leaf->slots, i, leaf->n - i);
	leaf->slots->start[i] = start;
	leaf->slots->status[i] = (uint8_t)s;
	leaf->n++;
	leaf->count[s]++;
	leaf->first = leaf->slots->start[0];
}

static void remove_slots(struct ranges_leaf *leaf, unsigned i, unsigned n)
{
	for (unsigned k = i; k < i + n; k++)
		leaf->count[leaf->slots->status[k]]--;
	move_slots(leaf->slots, i, leaf->slots, i + n, leaf->n - i - n);
	leaf->n = (uint16_t)(leaf->n - n);
	leaf->first = leaf->slots->start[0];
}

/* All slots in [from, to): what is before then reaches to to. */
static void remove_places(struct ranges *r, struct place from, struct place to)
{
	size_t whole = from.i == 0 ? from.l : from.l + 1; /* first leaf to go as a whole */

	if (from.l == to.l) {
		remove_slots(&r->leaves[from.l], from.i, to.i - from.i);
	} else {
		if (to.i > 0)
			remove_slots(&r->leaves[to.l], 0, to.i);
		if (from.i > 0)
			remove_slots(&r->leaves[from.l], from.i, r->leaves[from.l].n - from.i);
		remove_leaves(r, whole, to.l - whole);
	}
	join_small(r, from.l + 1);
	join_small(r, from.l);
	if (from.l > 0)
		join_small(r, from.l - 1);
}

/* A range starts at at: the one that holds it is cut in two where it does not. There is room. */
static void cut(struct ranges *r, uint64_t at)
{
	struct place p;

	if (at == r->total_bytes)
		return;
	p = find(r, at);
	if (start_of(r, p) != at)
		insert_slot(&r->leaves[p.l], p.i + 1, at, status_of(r, p));
}

/* Two cuts fit in the leaf of any byte of the range afterwards. */
static bool room_for_cuts(struct ranges *r, uint64_t at)
{
	struct place p = find(r, at);

	return r->leaves[p.l].n + 2u <= LEAF_MAX || halve(r, p.l);
}

static void count_bytes(struct ranges *r, uint64_t from, uint64_t to, enum range_status status)
{
	for (struct place p = find(r, from); !is_end(r, p) && start_of(r, p) < to;
		p = after(r, p)) {
		struct range x = range_at(r, p);
		uint64_t start = max_u64(x.at_bytes, from);
		uint64_t end = min_u64(x.at_bytes + x.len_bytes, to);

		r->bytes[x.status] -= end - start;
	}
	r->bytes[status] += to - from;
}

/* The common case: a neighbour of that status grows into the range, and nothing else changes. */
static bool move_border(struct ranges *r, uint64_t at, uint64_t end, enum range_status status)
{
	struct place p = find(r, at), next = after(r, p);
	uint64_t start = start_of(r, p), stop = start_of(r, next);

	if (at == start && end < stop && !is_front(p) && status_of(r, before(r, p)) == status)
		set_start(r, p, end);
	else if (at > start && end == stop && !is_end(r, next) && status_of(r, next) == status)
		set_start(r, next, at);
	else
		return false;
	r->bytes[status_of(r, p)] -= end - at;
	r->bytes[status] += end - at;
	return true;
}

/* [at, end) are whole ranges: they become one, and one with neighbours of that status. */
static void merge(struct ranges *r, uint64_t at, uint64_t end, enum range_status status)
{
	struct place p = find(r, at), from, to;

	set_status(r, p, status);
	from = !is_front(p) && status_of(r, before(r, p)) == status ? p : after(r, p);
	to = end == r->total_bytes ? (struct place){ r->nleaves, 0 } : find(r, end);
	if (!is_end(r, to) && status_of(r, to) == status)
		to = after(r, to);
	if (start_of(r, from) < start_of(r, to))
		remove_places(r, from, to);
}

bool ranges_set(struct ranges *r, uint64_t at_bytes, uint64_t len_bytes, enum range_status status)
{
	uint64_t end;
	struct place p;

	assert(at_bytes <= r->total_bytes && len_bytes <= r->total_bytes - at_bytes);
	if (len_bytes == 0)
		return true;
	end = at_bytes + len_bytes;
	p = find(r, at_bytes);
	if (status_of(r, p) == status && end <= start_of(r, after(r, p)))
		return true;
	if (move_border(r, at_bytes, end, status))
		return true;
	/* Each cut needs one slot; where both are in one leaf, halving for the second finds room.
	 */
	if (!room_for_cuts(r, at_bytes) || !room_for_cuts(r, end - 1))
		return false;
	count_bytes(r, at_bytes, end, status);
	cut(r, at_bytes);
	cut(r, end);
	merge(r, at_bytes, end, status);
	return true;
}

bool ranges_append(struct ranges *r, uint64_t len_bytes, enum range_status status)
{
	uint64_t total;
	bool grows;

	if (!checked_add(r->total_bytes, len_bytes, &total))
		return false;
	grows = r->nleaves == 0 ||
		status_of(r, before(r, (struct place){ r->nleaves, 0 })) != status;
	if (len_bytes > 0 && grows) {
		struct ranges_leaf *last;

		if (r->nleaves == 0 || r->leaves[r->nleaves - 1].n == LEAF_MAX)
			if (!insert_leaf(r, r->nleaves))
				return false;
		last = &r->leaves[r->nleaves - 1];
		insert_slot(last, last->n, r->total_bytes, status);
	}
	r->total_bytes = total;
	r->bytes[status] += len_bytes;
	return true;
}

bool ranges_init(struct ranges *r, uint64_t total_bytes)
{
	*r = (struct ranges){ 0 };
	if (ranges_append(r, total_bytes, RANGE_UNTRIED))
		return true;
	ranges_destroy(r);
	return false;
}

void ranges_destroy(struct ranges *r)
{
	if (r->nleaves > 0)
		remove_leaves(r, 0, r->nleaves);
	free(r->leaves);
	*r = (struct ranges){ 0 };
}

/* Slots of leaf l whose status is that of the slot kept before go; *last is that status. */
static void drop_repeats(struct ranges_leaf *leaf, unsigned *last)
{
	struct ranges_slots *s = leaf->slots;
	unsigned kept = 0;

	for (unsigned i = 0; i < leaf->n; i++) {
		if (s->status[i] == *last)
			continue;
		*last = s->status[i];
		move_slots(s, kept++, s, i, 1);
	}
	leaf->n = (uint16_t)kept;
	count_again(leaf);
}

static void turn_leaf(struct ranges_leaf *leaf, enum range_status from, enum range_status to)
{
	for (unsigned i = 0; leaf->count[from] > 0 && i < leaf->n; i++)
		if (leaf->slots->status[i] == from)
			leaf->slots->status[i] = (uint8_t)to;
}

void ranges_turn(struct ranges *r, enum range_status from, enum range_status to)
{
	unsigned last = RANGE_STATUSES;
	size_t kept = 0;

	if (from == to)
		return;
	for (size_t l = 0; l < r->nleaves; l++) {
		struct ranges_leaf *leaf = &r->leaves[l];

		turn_leaf(leaf, from, to);
		drop_repeats(leaf, &last);
		if (leaf->n == 0 || (kept > 0 && absorb(&r->leaves[kept - 1], leaf)))
			free(leaf->slots);
		else
			r->leaves[kept++] = *leaf;
	}
	r->nleaves = kept;
	r->bytes[to] += r->bytes[from];
	r->bytes[from] = 0;
}

bool ranges_settle(struct ranges *r, const struct ranges *earlier, enum range_status to)
{
	const unsigned written = RANGE_IS(RANGE_WRITTEN);
	uint64_t total = min_u64(r->total_bytes, earlier->total_bytes), at = 0;
	struct range was, is;

	while (ranges_first(earlier, written, at, total, &was)) {
		uint64_t end = was.at_bytes + was.len_bytes;

		for (at = was.at_bytes; ranges_first(r, written, at, end, &is);) {
			at = is.at_bytes + is.len_bytes;
			if (!ranges_set(r, is.at_bytes, is.len_bytes, to))
				return false;
		}
		at = end;
	}
	return true;
}

static bool undo_one(
	struct ranges *r, const struct ranges *earlier, const struct range *x, enum range_status to)
{
	unsigned others = RANGE_IS_ANY & ~RANGE_IS(x->status);
	uint64_t at = x->at_bytes, end = x->at_bytes + x->len_bytes;
	struct range was;

	for (; ranges_first(earlier, others, at, end, &was); at = was.at_bytes + was.len_bytes)
		if (!ranges_set(r, was.at_bytes, was.len_bytes, to))
			return false;
	return true;
}

bool ranges_undo(struct ranges *r, const struct ranges *earlier, enum range_status status,
	enum range_status to)
{
	struct range x;

	assert(r->total_bytes == earlier->total_bytes && status != to);
	for (uint64_t at = 0; ranges_first(r, RANGE_IS(status), at, r->total_bytes, &x);
		at = x.at_bytes + x.len_bytes)
		if (!undo_one(r, earlier, &x, to))
			return false;
	return true;
}

bool ranges_copy(struct ranges *to, const struct ranges *from)
{
	if (to->nleaves > from->nleaves)
		remove_leaves(to, from->nleaves, to->nleaves - from->nleaves);
	while (to->nleaves < from->nleaves) {
		if (!insert_leaf(to, to->nleaves)) {
			ranges_destroy(to);
			return false;
		}
	}
	for (size_t l = 0; l < from->nleaves; l++) {
		struct ranges_slots *slots = to->leaves[l].slots;

		move_slots(slots, 0, from->leaves[l].slots, 0, from->leaves[l].n);
		to->leaves[l] = from->leaves[l];
		to->leaves[l].slots = slots;
	}
	to->total_bytes = from->total_bytes;
	memcpy(to->bytes, from->bytes, sizeof(to->bytes));
	return true;
}

/* --- answers --- */

bool ranges_get(const struct ranges *r, uint64_t at_bytes, struct range *out)
{
	if (at_bytes >= r->total_bytes)
		return false;
	*out = range_at(r, find(r, at_bytes));
	return true;
}

bool ranges_same(const struct ranges *a, const struct ranges *b)
{
	struct range x, y;

	if (a->total_bytes != b->total_bytes)
		return false;
	for (uint64_t at = 0; ranges_get(a, at, &x); at = x.at_bytes + x.len_bytes)
		if (!ranges_get(b, at, &y) || x.at_bytes != y.at_bytes ||
			x.len_bytes != y.len_bytes || x.status != y.status)
			return false;
	return true;
}

uint64_t ranges_count(const struct ranges *r, enum range_status status)
{
	uint64_t count = 0;

	for (size_t l = 0; l < r->nleaves; l++)
		count += r->leaves[l].count[status];
	return count;
}

static bool leaf_has(const struct ranges_leaf *leaf, unsigned set)
{
	for (unsigned s = 0; s < RANGE_STATUSES; s++)
		if ((set & RANGE_IS(s)) && leaf->count[s] > 0)
			return true;
	return false;
}

static bool is_in(const struct ranges *r, struct place p, unsigned set)
{
	return (set & RANGE_IS(status_of(r, p))) != 0;
}

static void cut_to(const struct range *x, uint64_t from, uint64_t to, struct range *out)
{
	out->at_bytes = max_u64(x->at_bytes, from);
	out->len_bytes = min_u64(x->at_bytes + x->len_bytes, to) - out->at_bytes;
	out->status = x->status;
}

bool ranges_first(const struct ranges *r, unsigned set, uint64_t from_bytes, uint64_t to_bytes,
	struct range *out)
{
	uint64_t to = min_u64(to_bytes, r->total_bytes);
	struct place p;
	struct range x;

	if (from_bytes >= to)
		return false;
	for (p = find(r, from_bytes); !is_in(r, p, set);) {
		p = leaf_has(&r->leaves[p.l], set) ? after(r, p) : (struct place){ p.l + 1, 0 };
		if (start_of(r, p) >= to)
			return false;
	}
	x = range_at(r, p);
	cut_to(&x, from_bytes, to, out);
	return true;
}

bool ranges_last(const struct ranges *r, unsigned set, uint64_t from_bytes, uint64_t to_bytes,
	struct range *out)
{
	uint64_t to = min_u64(to_bytes, r->total_bytes);
	struct place p;
	struct range x;

	if (from_bytes >= to)
		return false;
	for (p = find(r, to - 1); !is_in(r, p, set); p = before(r, p)) {
		if (!leaf_has(&r->leaves[p.l], set))
			p.i = 0;
		if (start_of(r, p) <= from_bytes)
			return false;
	}
	x = range_at(r, p);
	cut_to(&x, from_bytes, to, out);
	return true;
}
