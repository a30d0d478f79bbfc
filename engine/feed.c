/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A claim is one atomic addition; the lock is for those who wait, and for the map. A worker that
 * has claimed before it could see the pause is waited for like any other. That all workers wait is
 * also how it is known that nothing of a pass is in flight: the last one to come begins the next
 * pass.
 */
#include "feed.h"

#include <assert.h>
#include <string.h>

/* How often what was lost by resets is written once more though it is no less than before. */
#define FRUITLESS_MAX 3

void feed_init(struct feed *f, uint64_t len_bytes, uint32_t chunk_bytes, unsigned workers)
{
	assert(chunk_bytes > 0 && len_bytes <= INT64_MAX);
	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->resumed, NULL);
	pthread_cond_init(&f->gathered, NULL);
	f->end_bytes = len_bytes;
	f->chunk_bytes = chunk_bytes;
	f->workers = workers;
	f->state = FEED_PAUSED;
	f->least_untried = UINT64_MAX;
}

static bool goes_back(const struct feed *f)
{
	return f->map.reverse && f->pass <= PASS_REST;
}

/* --- limits; with the lock held, or before there are others --- */

/* A last one may be shorter. */
static uint64_t blocks_in(const struct feed *f, uint64_t bytes)
{
	return (bytes + f->map.unit_bytes - 1) / f->map.unit_bytes;
}

/* What is bad in all, or adjacent. */
static bool is_over(const struct feed *f, uint64_t adjacent_blocks, enum feed_limit *limit)
{
	const struct feed_map *m = &f->map;

	if (m->max_adjacent && adjacent_blocks > m->max_adjacent)
		*limit = LIMIT_ADJACENT;
	else if (blocks_in(f, ranges_bytes(m->ranges, RANGE_BAD)) > m->max_bad)
		*limit = LIMIT_TOTAL;
	else
		return false;
	return true;
}

/* Blocks of the longest bad range of the span. */
static uint64_t most_adjacent(const struct feed *f)
{
	uint64_t at = f->map.at_bytes, end = at + f->end_bytes, most = 0;
	struct range x;

	for (; ranges_first(f->map.ranges, RANGE_IS(RANGE_BAD), at, end, &x);
		at = x.at_bytes + x.len_bytes)
		most = max_u64(most, x.len_bytes);
	return blocks_in(f, most);
}

static void stop_at_limit(struct feed *f, enum feed_limit limit)
{
	f->limit = limit;
	f->state = FEED_STOPPED;
	pthread_cond_broadcast(&f->resumed);
	pthread_cond_signal(&f->gathered);
}

/* More is bad than may be: all that loses no more is to try that again. */
static void begin_over(struct feed *f, enum feed_limit limit)
{
	if (!f->map.again || most_adjacent(f) == 0) {
		stop_at_limit(f, limit);
		return;
	}
	f->again_first = true;
	f->pass = PASS_AGAIN;
	f->cursor_bytes = 0;
}

void feed_set_map(struct feed *f, const struct feed_map *map)
{
	enum feed_limit limit;

	assert(f->state == FEED_PAUSED && f->waiting == 0);
	assert(!map->ranges || map->at_bytes + f->end_bytes <= ranges_total(map->ranges));
	assert(!map->ranges || map->unit_bytes > 0);
	/* Or what begins in the middle of a chunk would be handed out again and again. */
	assert(!map->ranges || f->chunk_bytes % map->block_bytes == 0);
	f->map = *map;
	f->cursor_bytes = f->skipped_to_bytes = goes_back(f) ? f->end_bytes : 0;
	if (map->resumes && is_over(f, most_adjacent(f), &limit))
		begin_over(f, limit);
}

void feed_destroy(struct feed *f)
{
	assert(f->workers == 0);
	pthread_cond_destroy(&f->resumed);
	pthread_cond_destroy(&f->gathered);
	pthread_mutex_destroy(&f->lock);
}

/* --- handing out --- */

static bool has_end(const struct feed *f)
{
	return f->map.ranges
		       ? f->pass == PASS_NONE
		       : atomic_load_explicit(&f->next_bytes, memory_order_relaxed) >= f->end_bytes;
}

static COLD enum feed_answer claim_halted(struct feed *f, enum feed_state state)
{
	bool ended;

	if (state == FEED_STOPPED)
		return FEED_END;
	pthread_mutex_lock(&f->lock);
	ended = has_end(f);
	pthread_mutex_unlock(&f->lock);
	return ended ? FEED_END : FEED_PAUSE;
}

static unsigned statuses_of(enum feed_pass pass)
{
	static const unsigned sets[] = {
		[PASS_FIRST] = RANGE_IS(RANGE_UNTRIED),
		[PASS_REST] = RANGE_IS(RANGE_UNTRIED),
		[PASS_NARROW] = RANGE_IS(RANGE_FAILED) | RANGE_IS(RANGE_NONSCRAPED),
		[PASS_AGAIN] = RANGE_IS(RANGE_BAD),
	};

	return sets[pass];
}

/* The next range of the pass, in the span, whole blocks: a map may come from elsewhere. */
static bool next_range(const struct feed *f, uint64_t *from_bytes, uint64_t *to_bytes)
{
	const struct feed_map *m = &f->map;
	unsigned set = statuses_of(f->pass);
	uint64_t start = m->at_bytes, cursor = start + f->cursor_bytes;
	struct range x;

	if (goes_back(f) ? !ranges_last(m->ranges, set, start, cursor, &x)
			 : !ranges_first(m->ranges, set, cursor, start + f->end_bytes, &x))
		return false;
	*from_bytes = round_down_u64(x.at_bytes - start, m->block_bytes);
	*to_bytes = x.at_bytes + x.len_bytes - start;
	*to_bytes = min_u64(
		round_down_u64(*to_bytes + m->block_bytes - 1, m->block_bytes), f->end_bytes);
	return true;
}

/* What failed is taken as it failed: up to where chunks end. */
static uint64_t longest(const struct feed *f, uint64_t from_bytes)
{
	switch (f->pass) {
	case PASS_NARROW: return f->chunk_bytes - from_bytes % f->chunk_bytes;
	case PASS_AGAIN: return f->map.block_bytes;
	default: return f->chunk_bytes;
	}
}

static bool claim_from_map(struct feed *f, struct chunk *c)
{
	uint64_t from, to;

	if (f->pass == PASS_NONE || !next_range(f, &from, &to))
		return false;
	if (goes_back(f))
		from = max_u64(from, round_down_u64(to - 1, f->chunk_bytes));
	else
		to = min_u64(to, from + longest(f, from));
	f->cursor_bytes = goes_back(f) ? from : to;
	*c = (struct chunk){ from, (uint32_t)(to - from), f->pass, f->resets };
	return true;
}

static COLD enum feed_answer claim_with_map(struct feed *f, struct chunk *c)
{
	enum feed_answer answer = FEED_CHUNK;

	pthread_mutex_lock(&f->lock);
	if ((!f->map.records && f->pass == PASS_FIRST) || !claim_from_map(f, c)) {
		f->pass_over = f->pass != PASS_NONE;
		answer = f->pass_over ? FEED_PAUSE : FEED_END;
	}
	pthread_mutex_unlock(&f->lock);
	return answer;
}

enum feed_answer feed_claim(struct feed *f, struct chunk *c)
{
	enum feed_state state = atomic_load_explicit(&f->state, memory_order_relaxed);
	uint32_t len = atomic_load_explicit(&f->chunk_bytes, memory_order_relaxed);
	uint64_t at;

	if (state != FEED_RUNS)
		return claim_halted(f, state);
	if (f->map.records)
		return claim_with_map(f, c);
	at = atomic_fetch_add_explicit(&f->next_bytes, len, memory_order_relaxed);
	if (at >= f->end_bytes)
		return f->map.ranges ? claim_with_map(f, c) : FEED_END;
	c->at_bytes = at;
	c->len_bytes = (uint32_t)min_u64(len, f->end_bytes - at);
	c->pass = PASS_FIRST;
	c->resets = 0; /* none is counted without records */
	return FEED_CHUNK;
}

void feed_source_ended(struct feed *f, uint64_t at_bytes)
{
	assert(at_bytes <= f->end_bytes);
	pthread_mutex_lock(&f->lock); /* who looks on asks how much there is */
	f->end_bytes = at_bytes;
	f->source_ended = true;
	pthread_mutex_unlock(&f->lock);
}

void feed_stop(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->state = FEED_STOPPED;
	pthread_cond_broadcast(&f->resumed);
	pthread_cond_signal(&f->gathered);
	pthread_mutex_unlock(&f->lock);
}

bool feed_is_stopped(const struct feed *f)
{
	return f->state == FEED_STOPPED;
}

/* --- waiting; with the lock held --- */

static uint64_t bytes_of(const struct feed *f, unsigned set)
{
	uint64_t at = f->map.at_bytes, end = at + f->end_bytes, sum = 0;
	struct range x;

	for (; ranges_first(f->map.ranges, set, at, end, &x); at = x.at_bytes + x.len_bytes)
		sum += x.len_bytes;
	return sum;
}

static bool is_in_pass(const struct feed *f)
{
	uint64_t from, to;

	switch (f->pass) {
	case PASS_REST: /* without records nothing tells what was left out */
		if (!f->map.records)
			return false;
		break;
	case PASS_AGAIN:
		if (!f->map.again)
			return false;
		break;
	case PASS_NONE: return true;
	default: break;
	}
	return next_range(f, &from, &to);
}

/* A disk that keeps forgetting is not to be written forever. */
static bool is_worth_it(struct feed *f)
{
	uint64_t untried = bytes_of(f, RANGE_IS(RANGE_UNTRIED));

	f->fruitless = untried < f->least_untried ? 0 : f->fruitless + 1;
	f->least_untried = min_u64(f->least_untried, untried);
	return f->fruitless < FRUITLESS_MAX;
}

/* Once more what a reset took; then on from where that was. A last pass is not repeated. */
static enum feed_pass pass_after(struct feed *f)
{
	bool was_reset = f->resets != f->resets_before && f->pass != PASS_FIRST;

	if (f->map.first_only)
		return PASS_NONE;
	if (f->again_first) {
		f->again_first = false;
		return PASS_FIRST;
	}
	if (was_reset && is_worth_it(f))
		return PASS_REST;
	return f->pass == PASS_NARROW && f->furthest == PASS_AGAIN ? PASS_NONE : f->pass + 1;
}

/* Nothing of the pass is in flight: the next one in which there is something to do. */
static void next_pass(struct feed *f)
{
	enum feed_limit limit;

	f->pass_over = false;
	if (f->again_first && is_over(f, most_adjacent(f), &limit)) {
		stop_at_limit(f, limit);
		return;
	}
	do {
		f->pass = pass_after(f);
		f->resets_before = f->resets;
		f->cursor_bytes = goes_back(f) ? f->end_bytes : 0;
	} while (!is_in_pass(f));
	if (f->pass != PASS_NONE && f->pass > f->furthest)
		f->furthest = f->pass;
	pthread_cond_broadcast(&f->resumed);
}

static void tell_if_gathered(struct feed *f)
{
	if (f->waiting != f->workers)
		return;
	if (f->pass_over && f->state == FEED_RUNS)
		next_pass(f);
	pthread_cond_signal(&f->gathered);
}

bool feed_pause(struct feed *f)
{
	bool paused;

	pthread_mutex_lock(&f->lock);
	if (f->state == FEED_RUNS)
		f->state = FEED_PAUSED;
	while (f->state == FEED_PAUSED && f->waiting < f->workers)
		pthread_cond_wait(&f->gathered, &f->lock);
	paused = f->state == FEED_PAUSED;
	pthread_mutex_unlock(&f->lock);
	return paused;
}

void feed_resume(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	if (f->state == FEED_PAUSED)
		f->state = FEED_RUNS;
	tell_if_gathered(f);
	pthread_cond_broadcast(&f->resumed);
	pthread_mutex_unlock(&f->lock);
}

void feed_wait(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->waiting++;
	tell_if_gathered(f);
	while (f->state == FEED_PAUSED || (f->state == FEED_RUNS && f->pass_over))
		pthread_cond_wait(&f->resumed, &f->lock);
	f->waiting--;
	pthread_mutex_unlock(&f->lock);
}

void feed_leave(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	assert(f->workers > 0);
	f->workers--;
	tell_if_gathered(f);
	pthread_mutex_unlock(&f->lock);
}

/* --- what became of it --- */

/* The bad range that c, or what is not DONE of it, belongs to. */
static uint64_t adjacent(const struct feed *f, const struct chunk *c)
{
	const struct ranges *map = f->map.ranges;
	uint64_t at = f->map.at_bytes + c->at_bytes;
	struct range x;

	return ranges_first(map, RANGE_IS(RANGE_BAD), at, at + c->len_bytes, &x) &&
			       ranges_get(map, x.at_bytes, &x)
		       ? blocks_in(f, x.len_bytes)
		       : 0;
}

static bool settle(struct feed *f, uint64_t at, uint64_t end, enum range_status status)
{
	const unsigned settled =
		RANGE_IS(RANGE_DONE) | RANGE_IS(RANGE_WRITTEN) | RANGE_IS(RANGE_BAD);
	unsigned set = RANGE_IS_ANY & ~settled;
	struct range x;

	if (status != RANGE_FAILED && status != RANGE_BAD)
		return ranges_set(f->map.ranges, at, end - at, status);
	for (; ranges_first(f->map.ranges, set, at, end, &x); at = x.at_bytes + x.len_bytes)
		if (!ranges_set(f->map.ranges, x.at_bytes, x.len_bytes, status))
			return false;
	return true;
}

bool feed_has(struct feed *f, const struct chunk *c, unsigned set)
{
	uint64_t at = f->map.at_bytes + c->at_bytes;
	struct range x;
	bool has;

	pthread_mutex_lock(&f->lock);
	has = ranges_first(f->map.ranges, set, at, at + c->len_bytes, &x);
	pthread_mutex_unlock(&f->lock);
	return has;
}

void feed_settle(struct feed *f, const struct chunk *c, enum range_status status)
{
	const struct feed_map *m = &f->map;
	uint64_t len = min_u64(c->len_bytes, f->end_bytes - c->at_bytes); /* it may be padded */
	enum feed_limit limit;

	pthread_mutex_lock(&f->lock);
	if (status == RANGE_WRITTEN && c->resets != f->resets)
		status = RANGE_UNTRIED;
	if (!settle(f, m->at_bytes + c->at_bytes, m->at_bytes + c->at_bytes + len, status))
		stop_at_limit(f, LIMIT_MEMORY);
	else if (status == RANGE_BAD && !f->again_first && is_over(f, adjacent(f, c), &limit))
		stop_at_limit(f, limit);
	pthread_mutex_unlock(&f->lock);
}

void feed_shrink(struct feed *f, uint32_t len_bytes)
{
	uint32_t block = f->map.block_bytes;
	uint64_t half = max_u64(round_down_u64(len_bytes / 2, block), block);

	pthread_mutex_lock(&f->lock);
	if (half < f->chunk_bytes)
		f->chunk_bytes = (uint32_t)half;
	pthread_mutex_unlock(&f->lock);
}

void feed_hint(struct feed *f, uint64_t at_bytes)
{
	pthread_mutex_lock(&f->lock);
	if (f->hints < FEED_HINTS)
		f->hint_bytes[f->hints++] = at_bytes;
	pthread_mutex_unlock(&f->lock);
}

static uint64_t take_hint(struct feed *f, const struct chunk *c)
{
	unsigned found = FEED_HINTS;
	uint64_t hint;

	for (unsigned i = 0; i < f->hints; i++)
		if (f->hint_bytes[i] - c->at_bytes < c->len_bytes &&
			(found == FEED_HINTS || f->hint_bytes[i] < f->hint_bytes[found]))
			found = i;
	if (found == FEED_HINTS)
		return FEED_NO_HINT;
	hint = f->hint_bytes[found];
	f->hint_bytes[found] = f->hint_bytes[--f->hints];
	return hint;
}

uint64_t feed_take_hint(struct feed *f, const struct chunk *c)
{
	uint64_t hint;

	pthread_mutex_lock(&f->lock);
	hint = take_hint(f, c);
	pthread_mutex_unlock(&f->lock);
	return hint;
}

/* Far enough to get out of a bad area soon, and never past much that is good. */
static uint64_t next_skip(const struct feed *f)
{
	uint64_t most = max_u64(f->end_bytes / 100, f->chunk_bytes);
	uint64_t skip = f->skip_bytes ? f->skip_bytes * 2 : f->chunk_bytes;

	return round_down_u64(min_u64(skip, most), f->chunk_bytes);
}

static void skip_on(struct feed *f)
{
	f->skip_bytes = next_skip(f);
	if (goes_back(f))
		f->cursor_bytes -= min_u64(f->cursor_bytes, f->skip_bytes);
	else
		f->cursor_bytes = min_u64(f->cursor_bytes + f->skip_bytes, f->end_bytes);
	f->skipped_to_bytes = f->cursor_bytes;
}

/* What was handed out before the last skip is no news. */
void feed_pace(struct feed *f, const struct chunk *c, bool slow)
{
	bool news;

	pthread_mutex_lock(&f->lock);
	news = goes_back(f) ? c->at_bytes < f->skipped_to_bytes
			    : c->at_bytes >= f->skipped_to_bytes;
	if (f->pass == PASS_FIRST && news && slow)
		skip_on(f);
	else if (news && !slow)
		f->skip_bytes = 0;
	pthread_mutex_unlock(&f->lock);
}

void feed_was_reset(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->resets++;
	ranges_turn(f->map.ranges, RANGE_WRITTEN, RANGE_UNTRIED);
	pthread_mutex_unlock(&f->lock);
}

unsigned feed_resets(struct feed *f)
{
	unsigned resets;

	pthread_mutex_lock(&f->lock);
	resets = f->resets;
	pthread_mutex_unlock(&f->lock);
	return resets;
}

bool feed_snapshot(struct feed *f, struct ranges *to, unsigned *resets)
{
	bool ok;

	pthread_mutex_lock(&f->lock);
	ok = ranges_copy(to, f->map.ranges);
	*resets = f->resets;
	pthread_mutex_unlock(&f->lock);
	return ok;
}

bool feed_flushed(struct feed *f, const struct ranges *snapshot, unsigned resets, bool good)
{
	bool ok = true;

	pthread_mutex_lock(&f->lock);
	if (!good)
		ok = ranges_settle(f->map.ranges, snapshot, RANGE_UNTRIED);
	else if (resets == f->resets)
		ok = ranges_settle(f->map.ranges, snapshot, RANGE_DONE);
	pthread_mutex_unlock(&f->lock);
	return ok;
}

uint64_t feed_bytes(struct feed *f, unsigned set)
{
	uint64_t sum;

	pthread_mutex_lock(&f->lock);
	sum = bytes_of(f, set);
	pthread_mutex_unlock(&f->lock);
	return sum;
}
