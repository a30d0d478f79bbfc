/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../engine/feed.h"
#include "../lib/rng.h"

static void expect_chunk(struct feed *f, uint64_t at, uint32_t len)
{
	struct chunk c;

	assert_int_equal(feed_claim(f, &c), FEED_CHUNK);
	assert_int_equal(c.at_bytes, at);
	assert_int_equal(c.len_bytes, len);
}

static void expect_answer(struct feed *f, enum feed_answer want)
{
	struct chunk c;

	assert_int_equal(feed_claim(f, &c), want);
}

static void finish(struct feed *f)
{
	feed_leave(f);
	feed_destroy(f);
}

static void chunks_are_in_ascending_order_and_the_last_is_the_rest(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f, 1000, 400, 1);
	feed_resume(&f);
	expect_chunk(&f, 0, 400);
	expect_chunk(&f, 400, 400);
	expect_chunk(&f, 800, 200);
	expect_answer(&f, FEED_END);
	expect_answer(&f, FEED_END);
	finish(&f);
}

static void nothing_is_at_its_end_at_once(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f, 0, 400, 1);
	feed_resume(&f);
	expect_answer(&f, FEED_END);
	finish(&f);
}

static void lengths_past_4_gib_are_whole(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f, (UINT64_C(1) << 32) + 1, UINT32_MAX, 1);
	feed_resume(&f);
	expect_chunk(&f, 0, UINT32_MAX);
	expect_chunk(&f, UINT32_MAX, 2);
	expect_answer(&f, FEED_END);
	finish(&f);
}

static void after_a_stop_nothing_is_handed_out(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f, 1000, 400, 1);
	feed_resume(&f);
	expect_chunk(&f, 0, 400);
	feed_stop(&f);
	expect_answer(&f, FEED_END);
	finish(&f);
}

static void a_stopped_feed_does_not_pause(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f, 1000, 400, 1);
	feed_resume(&f);
	feed_stop(&f);
	assert_false(feed_pause(&f)); /* returns, though its worker never waits */
	expect_answer(&f, FEED_END);
	feed_resume(&f);
	expect_answer(&f, FEED_END);
	finish(&f);
}

static void a_pause_without_workers_is_over_at_once(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f, 1000, 400, 1);
	feed_resume(&f);
	feed_leave(&f);
	assert_true(feed_pause(&f));
	expect_answer(&f, FEED_PAUSE);
	feed_resume(&f);
	expect_chunk(&f, 0, 400);
	feed_destroy(&f);
}

static void without_a_pause_nobody_waits(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f, 1000, 400, 1);
	feed_resume(&f);
	feed_wait(&f);
	finish(&f);
}

/* --- with threads --- */

#define WORKERS	  4
#define CHUNKS	  5000
#define CHUNK_LEN 16u

struct crowd {
	struct feed feed;
	_Atomic uint8_t claimed[CHUNKS]; /* how often each chunk was */
	_Atomic unsigned busy;		 /* between a claim and the next */
	_Atomic unsigned claims;
};

static void take(struct crowd *w, const struct chunk *c)
{
	w->busy++;
	w->claimed[c->at_bytes / CHUNK_LEN]++;
	w->claims++;
	w->busy--;
}

static void *claimer(void *arg)
{
	struct crowd *w = arg;
	struct chunk c;

	for (;;) {
		switch (feed_claim(&w->feed, &c)) {
		case FEED_CHUNK: take(w, &c); break;
		case FEED_PAUSE: feed_wait(&w->feed); break;
		case FEED_END: feed_leave(&w->feed); return NULL;
		}
	}
}

static void start(struct crowd *w, pthread_t threads[WORKERS])
{
	feed_init(&w->feed, CHUNKS * CHUNK_LEN, CHUNK_LEN, WORKERS);
	feed_resume(&w->feed);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, claimer, w), 0);
}

static void join(struct crowd *w, pthread_t threads[WORKERS])
{
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	feed_destroy(&w->feed);
}

static void each_chunk_is_handed_out_once(void **state)
{
	struct crowd *w = calloc(1, sizeof(*w));
	pthread_t threads[WORKERS];

	(void)state;
	start(w, threads);
	join(w, threads);
	for (unsigned i = 0; i < CHUNKS; i++)
		assert_int_equal(w->claimed[i], 1);
	free(w);
}

static void a_pause_begins_when_nobody_is_at_work(void **state)
{
	struct crowd *w = calloc(1, sizeof(*w));
	pthread_t threads[WORKERS];
	unsigned before;

	(void)state;
	start(w, threads);
	for (unsigned i = 0; i < 50; i++) {
		assert_true(feed_pause(&w->feed));
		before = w->claims;
		assert_int_equal(w->busy, 0);
		sched_yield();
		assert_int_equal(w->claims, before);
		feed_resume(&w->feed);
	}
	join(w, threads);
	assert_int_equal(w->claims, CHUNKS);
	free(w);
}

static void *stopper(void *arg)
{
	struct crowd *w = arg;

	usleep(1000);
	feed_stop(&w->feed);
	return NULL;
}

static void a_stop_ends_a_pause_that_is_waited_for(void **state)
{
	struct crowd *w = calloc(1, sizeof(*w));
	pthread_t thread;

	(void)state;
	feed_init(&w->feed, CHUNKS, 1, 1); /* a worker that never waits */
	feed_resume(&w->feed);
	assert_int_equal(pthread_create(&thread, NULL, stopper, w), 0);
	assert_false(feed_pause(&w->feed));
	pthread_join(thread, NULL);
	expect_answer(&w->feed, FEED_END);
	finish(&w->feed);
	free(w);
}

static void nothing_is_handed_out_before_the_start(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f, 1000, 400, 1);
	expect_answer(&f, FEED_PAUSE);
	feed_resume(&f);
	expect_chunk(&f, 0, 400);
	finish(&f);
}

/* --- with a map --- */

#define UNIT 100u

/* A feed of ten chunks of two blocks; the test is its one worker. */
struct mapped {
	struct feed feed;
	struct ranges map;
};

/* The first blocks are bad. */
static void begin_with_bad(struct mapped *m, const struct feed_map *with, unsigned bad)
{
	struct feed_map map = *with;

	if (!map.max_bad)
		map.max_bad = UINT64_MAX;
	map.block_bytes = map.unit_bytes = UNIT;
	map.ranges = &m->map;
	assert_true(ranges_init(&m->map, map.at_bytes + 20 * UNIT));
	assert_true(ranges_set(&m->map, map.at_bytes, (uint64_t)bad * UNIT, RANGE_BAD));
	feed_init(&m->feed, 20 * UNIT, 2 * UNIT, 1);
	feed_set_map(&m->feed, &map);
	feed_resume(&m->feed);
}

static void begin_with_map(struct mapped *m, const struct feed_map *with)
{
	begin_with_bad(m, with, 0);
}

static void end_with_map(struct mapped *m)
{
	finish(&m->feed);
	ranges_destroy(&m->map);
}

static struct chunk claim(struct feed *f)
{
	struct chunk c;

	assert_int_equal(feed_claim(f, &c), FEED_CHUNK);
	return c;
}

static void expect_of_pass(struct feed *f, enum feed_pass pass, uint64_t at, uint32_t len)
{
	struct chunk c = claim(f);

	assert_int_equal(c.pass, pass);
	assert_int_equal(c.at_bytes, at);
	assert_int_equal(c.len_bytes, len);
}

/* All that the pass hands out becomes this. */
static void settle_all(struct feed *f, enum range_status status)
{
	struct chunk c;

	while (feed_claim(f, &c) == FEED_CHUNK)
		feed_settle(f, &c, status);
}

static void what_is_done_is_not_handed_out(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true, .at_bytes = 50 });
	assert_true(ranges_set(&m.map, 50, 14 * UNIT, RANGE_DONE));
	assert_true(ranges_set(&m.map, 50 + 18 * UNIT, 2 * UNIT, RANGE_DONE));
	expect_of_pass(&m.feed, PASS_FIRST, 14 * UNIT, 2 * UNIT);
	expect_of_pass(&m.feed, PASS_FIRST, 16 * UNIT, 2 * UNIT);
	expect_answer(&m.feed, FEED_PAUSE);
	end_with_map(&m);
}

static void a_range_between_blocks_is_handed_out_as_whole_blocks(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true });
	assert_true(ranges_set(&m.map, 0, 20 * UNIT, RANGE_DONE));
	assert_true(ranges_set(&m.map, 310, 150, RANGE_UNTRIED));
	expect_of_pass(&m.feed, PASS_FIRST, 300, 200);
	expect_answer(&m.feed, FEED_PAUSE);
	end_with_map(&m);
}

/* Of the bytes of a block: ++??--??++, or what stands for '?' and '-'. */
static void mix_block(struct mapped *m, uint64_t at, enum range_status one, enum range_status other)
{
	assert_true(ranges_set(&m->map, 0, 20 * UNIT, RANGE_DONE));
	assert_true(ranges_set(&m->map, at + 20, 20, one));
	assert_true(ranges_set(&m->map, at + 40, 20, other));
	assert_true(ranges_set(&m->map, at + 60, 20, one));
}

static void expect_range(
	const struct ranges *r, uint64_t at, uint64_t len, enum range_status status)
{
	struct range x;

	assert_true(ranges_first(r, RANGE_IS_ANY, at, at + len, &x));
	assert_int_equal(x.len_bytes, len);
	assert_int_equal(x.status, status);
}

static void a_block_of_several_statuses_is_handed_out_once_in_a_pass(void **state)
{
	static const struct {
		enum range_status one, other;
		enum feed_pass pass;
	} rows[] = {
		{ RANGE_UNTRIED, RANGE_BAD, PASS_FIRST },
		{ RANGE_UNTRIED, RANGE_FAILED, PASS_FIRST },
		{ RANGE_FAILED, RANGE_BAD, PASS_NARROW },
		{ RANGE_NONSCRAPED, RANGE_FAILED, PASS_NARROW },
		{ RANGE_BAD, RANGE_DONE, PASS_AGAIN },
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		struct mapped m;
		struct chunk c;

		begin_with_map(
			&m, &(struct feed_map){ .records = true, .again = true, .reverse = i % 2 });
		mix_block(&m, 3 * UNIT, rows[i / 2].one, rows[i / 2].other);
		while (feed_claim(&m.feed, &c) == FEED_PAUSE)
			feed_wait(&m.feed);
		assert_int_equal(c.pass, rows[i / 2].pass);
		assert_int_equal(c.at_bytes, 3 * UNIT);
		assert_int_equal(c.len_bytes, UNIT);
		feed_settle(&m.feed, &c, RANGE_BAD);
		expect_range(&m.map, 3 * UNIT + 20, rows[i / 2].other == RANGE_DONE ? 20 : 60,
			RANGE_BAD);
		expect_range(&m.map, 3 * UNIT, 20, RANGE_DONE); /* what is there stays */
		expect_answer(&m.feed, FEED_PAUSE);
		end_with_map(&m);
	}
}

static void in_reverse_chunks_descend(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true, .reverse = true });
	expect_of_pass(&m.feed, PASS_FIRST, 18 * UNIT, 2 * UNIT);
	expect_of_pass(&m.feed, PASS_FIRST, 16 * UNIT, 2 * UNIT);
	end_with_map(&m);
}

static void what_failed_comes_when_all_else_has_been_tried_and_bad_blocks_last(void **state)
{
	struct mapped m;
	struct chunk first, second;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true, .again = true });
	first = claim(&m.feed);
	feed_settle(&m.feed, &first, RANGE_FAILED);
	second = claim(&m.feed);
	second.len_bytes = UNIT;
	feed_settle(&m.feed, &second, RANGE_BAD);
	second.at_bytes += UNIT;
	feed_settle(&m.feed, &second, RANGE_WRITTEN);
	settle_all(&m.feed, RANGE_WRITTEN);
	feed_wait(&m.feed);
	expect_of_pass(&m.feed, PASS_NARROW, 0, 2 * UNIT);
	expect_answer(&m.feed, FEED_PAUSE);
	feed_wait(&m.feed);
	expect_of_pass(&m.feed, PASS_AGAIN, 2 * UNIT, UNIT);
	expect_answer(&m.feed, FEED_PAUSE);
	feed_wait(&m.feed);
	expect_answer(&m.feed, FEED_END);
	end_with_map(&m);
}

static void without_leave_bad_blocks_are_not_tried_again(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true });
	settle_all(&m.feed, RANGE_BAD);
	feed_wait(&m.feed);
	expect_answer(&m.feed, FEED_END);
	end_with_map(&m);
}

static void without_records_only_what_failed_comes_again(void **state)
{
	struct mapped m;
	struct chunk c;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .again = true });
	c = claim(&m.feed);
	feed_settle(&m.feed, &c, RANGE_FAILED);
	while (feed_claim(&m.feed, &c) == FEED_CHUNK)
		assert_int_equal(c.pass, PASS_FIRST);
	feed_wait(&m.feed);
	expect_of_pass(&m.feed, PASS_NARROW, 0, 2 * UNIT);
	expect_answer(&m.feed, FEED_PAUSE);
	feed_wait(&m.feed);
	expect_answer(&m.feed, FEED_END);
	end_with_map(&m);
}

static void what_is_slow_is_left_out_and_comes_in_the_second_pass(void **state)
{
	struct mapped m;
	struct chunk c;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true });
	c = claim(&m.feed);
	feed_settle(&m.feed, &c, RANGE_WRITTEN);
	feed_pace(&m.feed, &c, true);
	expect_of_pass(&m.feed, PASS_FIRST, 4 * UNIT, 2 * UNIT); /* a chunk was left out */
	settle_all(&m.feed, RANGE_WRITTEN);
	feed_wait(&m.feed);
	expect_of_pass(&m.feed, PASS_REST, 2 * UNIT, 2 * UNIT);
	end_with_map(&m);
}

static void what_was_refused_as_too_long_is_halved_down_to_a_block(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true });
	feed_shrink(&m.feed, 2 * UNIT);
	expect_of_pass(&m.feed, PASS_FIRST, 0, UNIT);
	feed_shrink(&m.feed, UNIT);
	expect_of_pass(&m.feed, PASS_FIRST, UNIT, UNIT);
	end_with_map(&m);
}

static void what_was_written_before_a_reset_is_handed_out_again(void **state)
{
	struct mapped m;
	struct chunk c, late;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true });
	c = claim(&m.feed);
	feed_settle(&m.feed, &c, RANGE_WRITTEN);
	late = claim(&m.feed);
	feed_was_reset(&m.feed);
	feed_settle(&m.feed, &late, RANGE_WRITTEN); /* it was sent before */
	settle_all(&m.feed, RANGE_WRITTEN);
	feed_wait(&m.feed);
	expect_of_pass(&m.feed, PASS_REST, 0, 2 * UNIT);
	expect_of_pass(&m.feed, PASS_REST, 2 * UNIT, 2 * UNIT);
	expect_answer(&m.feed, FEED_PAUSE);
	end_with_map(&m);
}

static void a_reset_in_a_later_pass_is_made_good_too(void **state)
{
	struct mapped m;
	struct chunk c;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true });
	c = claim(&m.feed);
	feed_settle(&m.feed, &c, RANGE_FAILED);
	settle_all(&m.feed, RANGE_WRITTEN);
	feed_wait(&m.feed);
	c = claim(&m.feed);
	assert_int_equal(c.pass, PASS_NARROW);
	feed_was_reset(&m.feed);
	feed_settle(&m.feed, &c, RANGE_WRITTEN);
	expect_answer(&m.feed, FEED_PAUSE);
	feed_wait(&m.feed);
	expect_of_pass(&m.feed, PASS_REST, 0, 2 * UNIT);
	end_with_map(&m);
}

static void a_disk_that_forgets_whatever_it_is_given_is_given_up(void **state)
{
	struct mapped m;
	unsigned passes = 0;
	struct chunk c;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true });
	for (enum feed_answer a = FEED_CHUNK; a != FEED_END; a = feed_claim(&m.feed, &c)) {
		settle_all(&m.feed, RANGE_WRITTEN);
		feed_was_reset(&m.feed);
		feed_wait(&m.feed);
		assert_true(passes++ < 20);
	}
	end_with_map(&m);
}

/* n blocks from at on, one by one. */
static void lose(struct feed *f, unsigned at, unsigned n)
{
	for (; n > 0; n--, at++) {
		const struct chunk c = { .at_bytes = (uint64_t)at * UNIT, .len_bytes = UNIT };

		feed_settle(f, &c, RANGE_BAD);
	}
}

static void more_adjacent_bad_blocks_than_allowed_stop_the_run(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true, .max_adjacent = 3 });
	lose(&m.feed, 0, 3);
	lose(&m.feed, 5, 3);
	assert_false(feed_is_stopped(&m.feed));
	lose(&m.feed, 3, 1);
	assert_true(feed_is_stopped(&m.feed));
	assert_int_equal(m.feed.limit, LIMIT_ADJACENT);
	expect_answer(&m.feed, FEED_END);
	end_with_map(&m);
}

/* Before the first of them, in the same block, and behind it. */
static void what_is_done_is_not_adjacent_to_bad_blocks(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true, .max_adjacent = 3 });
	assert_true(ranges_set(&m.map, 0, 8 * UNIT + 10, RANGE_DONE));
	lose(&m.feed, 8, 3);
	assert_false(feed_is_stopped(&m.feed));
	lose(&m.feed, 11, 1);
	assert_int_equal(m.feed.limit, LIMIT_ADJACENT);
	end_with_map(&m);
}

static void more_bad_blocks_than_allowed_stop_the_run(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true, .max_bad = 3 });
	lose(&m.feed, 0, 1);
	lose(&m.feed, 4, 2);
	assert_false(feed_is_stopped(&m.feed));
	lose(&m.feed, 9, 1);
	assert_true(feed_is_stopped(&m.feed));
	assert_int_equal(m.feed.limit, LIMIT_TOTAL);
	end_with_map(&m);
}

/* What a run before it has lost counts, or each run would lose one more. */
static void with_more_bad_blocks_than_allowed_a_run_ends_before_it_begins(void **state)
{
	static const struct {
		struct feed_map map;
		enum feed_limit limit;
	} cases[] = {
		{ { .records = true, .resumes = true, .max_bad = 3 }, LIMIT_TOTAL },
		{ { .records = true, .resumes = true, .max_adjacent = 3 }, LIMIT_ADJACENT },
		{ { .records = true, .resumes = true, .reverse = true, .max_bad = 3 },
			LIMIT_TOTAL },
	};
	struct mapped m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin_with_bad(&m, &cases[i].map, 4);
		assert_true(feed_is_stopped(&m.feed));
		assert_int_equal(m.feed.limit, cases[i].limit);
		expect_answer(&m.feed, FEED_END);
		end_with_map(&m);
		begin_with_bad(&m, &cases[i].map, 3);
		assert_false(feed_is_stopped(&m.feed));
		assert_int_equal(claim(&m.feed).pass, PASS_FIRST);
		end_with_map(&m);
	}
}

/* Of a map that tells what is left out nothing was lost. */
static void what_is_left_out_does_not_stop_the_run(void **state)
{
	struct mapped m;

	(void)state;
	begin_with_bad(&m, &(struct feed_map){ .records = true, .max_bad = 3 }, 4);
	expect_of_pass(&m.feed, PASS_FIRST, 4 * UNIT, 2 * UNIT);
	end_with_map(&m);
}

static void too_many_bad_blocks_are_tried_again_before_anything_else(void **state)
{
	const struct feed_map map = {
		.records = true, .resumes = true, .again = true, .max_bad = 3
	};
	struct mapped m;

	(void)state;
	begin_with_bad(&m, &map, 5);
	for (unsigned i = 0; i < 5; i++)
		expect_of_pass(&m.feed, PASS_AGAIN, i * UNIT, UNIT);
	expect_answer(&m.feed, FEED_PAUSE);
	assert_true(ranges_set(&m.map, UNIT, UNIT, RANGE_WRITTEN)); /* and four stay bad */
	feed_wait(&m.feed);
	assert_true(feed_is_stopped(&m.feed));
	assert_int_equal(m.feed.limit, LIMIT_TOTAL);
	expect_answer(&m.feed, FEED_END);
	end_with_map(&m);
}

static void when_enough_of_them_were_good_the_run_goes_on(void **state)
{
	const struct feed_map map = {
		.records = true, .resumes = true, .again = true, .reverse = true, .max_bad = 1
	};
	struct mapped m;
	struct chunk c;

	(void)state;
	begin_with_bad(&m, &map, 3);
	c = claim(&m.feed);
	feed_settle(&m.feed, &c, RANGE_BAD); /* there are more than that until all were tried */
	assert_false(feed_is_stopped(&m.feed));
	for (unsigned i = 1; i < 3; i++) {
		c = claim(&m.feed);
		assert_int_equal(c.pass, PASS_AGAIN);
		feed_settle(&m.feed, &c, RANGE_WRITTEN);
	}
	expect_answer(&m.feed, FEED_PAUSE);
	feed_wait(&m.feed);
	expect_of_pass(&m.feed, PASS_FIRST, 18 * UNIT, 2 * UNIT);
	settle_all(&m.feed, RANGE_WRITTEN);
	expect_answer(&m.feed, FEED_PAUSE);
	feed_wait(&m.feed);
	assert_int_equal(m.feed.limit, LIMIT_NONE);
	end_with_map(&m);
}

static void a_last_block_that_is_shorter_counts_as_one(void **state)
{
	struct mapped m;
	const struct chunk tail = { .at_bytes = 19 * UNIT, .len_bytes = 7 };

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true, .max_bad = 1 });
	lose(&m.feed, 0, 1);
	feed_settle(&m.feed, &tail, RANGE_BAD);
	assert_int_equal(m.feed.limit, LIMIT_TOTAL);
	end_with_map(&m);
}

static void a_pass_waits_for_what_is_still_at_work(void **state)
{
	struct mapped m;
	struct chunk c;

	(void)state;
	begin_with_map(&m, &(struct feed_map){ .records = true });
	c = claim(&m.feed);
	settle_all(&m.feed, RANGE_FAILED); /* and c is not back */
	assert_int_equal(m.feed.pass, PASS_FIRST);
	feed_settle(&m.feed, &c, RANGE_WRITTEN);
	feed_wait(&m.feed);
	assert_int_equal(m.feed.pass, PASS_NARROW);
	end_with_map(&m);
}

/* --- maps of any bytes --- */

#define ANY_BLOCKS 40u

/* A feed with a map from elsewhere, and how often each block was handed out in the pass. */
struct foreign {
	uint64_t seed;
	struct feed feed;
	struct ranges map, at_start;
	uint64_t at, end, blocks;
	unsigned handed[ANY_BLOCKS];
	bool ever[ANY_BLOCKS];
	enum feed_pass pass;
	struct rng rng;
};

/* Ranges of any length from the start on; some are longer than a chunk. */
static void fill_map(struct foreign *f, uint64_t total)
{
	static const enum range_status some[] = { RANGE_UNTRIED, RANGE_FAILED, RANGE_NONSCRAPED,
		RANGE_BAD, RANGE_DONE, RANGE_DONE };

	assert_true(ranges_init(&f->map, total));
	for (uint64_t at = 0, len; at < total; at += len) {
		len = min_u64(total - at,
			rng_between(&f->rng, 1, rng_once_in(&f->rng, 4) ? 5 * UNIT : UNIT));
		assert_true(
			ranges_set(&f->map, at, len, some[rng_below(&f->rng, ARRAY_SIZE(some))]));
	}
	assert_true(ranges_copy(&f->at_start, &f->map));
}

static void begin_foreign(struct foreign *f, uint64_t seed)
{
	struct feed_map map = {
		.records = true, .block_bytes = UNIT, .unit_bytes = UNIT, .max_bad = UINT64_MAX
	};
	uint32_t chunk;

	*f = (struct foreign){ .seed = seed, .rng = { seed }, .pass = PASS_FIRST };
	f->at = rng_below(&f->rng, 3 * UNIT);
	f->end = rng_between(&f->rng, 1, ANY_BLOCKS * UNIT);
	f->blocks = (f->end + UNIT - 1) / UNIT;
	fill_map(f, f->at + f->end + rng_below(&f->rng, 3 * UNIT));
	map.ranges = &f->map;
	map.at_bytes = f->at;
	map.reverse = rng_once_in(&f->rng, 2);
	map.again = rng_once_in(&f->rng, 2);
	chunk = (uint32_t)rng_between(&f->rng, 1, 6) * UNIT;
	feed_init(&f->feed, f->end, chunk, 1);
	feed_set_map(&f->feed, &map);
	feed_resume(&f->feed);
}

static bool has_status(const struct ranges *r, unsigned set, uint64_t at, uint64_t end)
{
	struct range x;

	return ranges_first(r, set, at, end, &x);
}

#define holds(f, cond) \
	do { \
		if (!(cond)) \
			fail_msg("seed %llu: %s", (unsigned long long)(f)->seed, #cond); \
	} while (0)

static enum range_status any_outcome(struct foreign *f, const struct chunk *c)
{
	bool whole = c->pass <= PASS_REST && c->len_bytes > UNIT;

	if (rng_once_in(&f->rng, 2))
		return RANGE_WRITTEN;
	return whole ? RANGE_FAILED : RANGE_BAD;
}

static void note_handed(struct foreign *f, const struct chunk *c)
{
	if (c->pass != f->pass)
		memset(f->handed, 0, sizeof(f->handed));
	f->pass = c->pass;
	for (uint64_t b = c->at_bytes / UNIT; b * UNIT < c->at_bytes + c->len_bytes; b++) {
		holds(f, f->handed[b]++ == 0);
		f->ever[b] = true;
	}
}

/*
 * Whole blocks, which have one status each from then on, but for what is DONE or BAD of those that
 * fail.
 */
static void take_one(struct foreign *f, const struct chunk *c)
{
	enum range_status outcome = any_outcome(f, c);
	unsigned stays = RANGE_IS(RANGE_DONE) | RANGE_IS(RANGE_BAD);
	unsigned allowed = RANGE_IS(outcome) | (outcome == RANGE_WRITTEN ? 0 : stays);

	holds(f, c->len_bytes > 0 && c->at_bytes % UNIT == 0);
	holds(f, c->len_bytes % UNIT == 0 || c->at_bytes + c->len_bytes == f->end);
	note_handed(f, c);
	feed_settle(&f->feed, c, outcome);
	for (uint64_t at = c->at_bytes, len; at < c->at_bytes + c->len_bytes; at += len) {
		len = min_u64(UNIT, f->end - at);
		holds(f, !has_status(&f->map, ~allowed, f->at + at, f->at + at + len));
	}
	feed_pace(&f->feed, c, rng_once_in(&f->rng, 8));
}

static void run_foreign(struct foreign *f)
{
	enum feed_answer answer;
	unsigned answers = 0;
	struct chunk c;

	while ((answer = feed_claim(&f->feed, &c)) != FEED_END) {
		holds(f, answers++ < 5 * ANY_BLOCKS);
		if (answer == FEED_CHUNK)
			take_one(f, &c);
		else
			feed_wait(&f->feed);
	}
}

/* What had nothing to be done is left alone, and nothing is left to be done. */
static void check_foreign(const struct foreign *f)
{
	const unsigned todo =
		RANGE_IS(RANGE_UNTRIED) | RANGE_IS(RANGE_FAILED) | RANGE_IS(RANGE_NONSCRAPED);
	unsigned wanted = todo | (f->feed.map.again ? RANGE_IS(RANGE_BAD) : 0);

	holds(f, !has_status(&f->map, todo, f->at, f->at + f->end));
	for (uint64_t b = 0; b < f->blocks; b++) {
		uint64_t at = f->at + b * UNIT, end = min_u64(at + UNIT, f->at + f->end);

		holds(f, f->ever[b] == has_status(&f->at_start, wanted, at, end));
	}
}

static void a_map_with_borders_at_any_byte_comes_to_an_end(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct foreign f;

		begin_foreign(&f, seed);
		run_foreign(&f);
		check_foreign(&f);
		finish(&f.feed);
		ranges_destroy(&f.map);
		ranges_destroy(&f.at_start);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_handed_out_before_the_start),
		cmocka_unit_test(chunks_are_in_ascending_order_and_the_last_is_the_rest),
		cmocka_unit_test(nothing_is_at_its_end_at_once),
		cmocka_unit_test(lengths_past_4_gib_are_whole),
		cmocka_unit_test(after_a_stop_nothing_is_handed_out),
		cmocka_unit_test(a_stopped_feed_does_not_pause),
		cmocka_unit_test(a_pause_without_workers_is_over_at_once),
		cmocka_unit_test(without_a_pause_nobody_waits),
		cmocka_unit_test(each_chunk_is_handed_out_once),
		cmocka_unit_test(a_pause_begins_when_nobody_is_at_work),
		cmocka_unit_test(a_stop_ends_a_pause_that_is_waited_for),
		cmocka_unit_test(what_is_done_is_not_handed_out),
		cmocka_unit_test(a_range_between_blocks_is_handed_out_as_whole_blocks),
		cmocka_unit_test(a_block_of_several_statuses_is_handed_out_once_in_a_pass),
		cmocka_unit_test(a_map_with_borders_at_any_byte_comes_to_an_end),
		cmocka_unit_test(in_reverse_chunks_descend),
		cmocka_unit_test(
			what_failed_comes_when_all_else_has_been_tried_and_bad_blocks_last),
		cmocka_unit_test(without_leave_bad_blocks_are_not_tried_again),
		cmocka_unit_test(without_records_only_what_failed_comes_again),
		cmocka_unit_test(what_is_slow_is_left_out_and_comes_in_the_second_pass),
		cmocka_unit_test(what_was_refused_as_too_long_is_halved_down_to_a_block),
		cmocka_unit_test(what_was_written_before_a_reset_is_handed_out_again),
		cmocka_unit_test(a_reset_in_a_later_pass_is_made_good_too),
		cmocka_unit_test(a_disk_that_forgets_whatever_it_is_given_is_given_up),
		cmocka_unit_test(more_adjacent_bad_blocks_than_allowed_stop_the_run),
		cmocka_unit_test(what_is_done_is_not_adjacent_to_bad_blocks),
		cmocka_unit_test(more_bad_blocks_than_allowed_stop_the_run),
		cmocka_unit_test(with_more_bad_blocks_than_allowed_a_run_ends_before_it_begins),
		cmocka_unit_test(what_is_left_out_does_not_stop_the_run),
		cmocka_unit_test(too_many_bad_blocks_are_tried_again_before_anything_else),
		cmocka_unit_test(when_enough_of_them_were_good_the_run_goes_on),
		cmocka_unit_test(a_last_block_that_is_shorter_counts_as_one),
		cmocka_unit_test(a_pass_waits_for_what_is_still_at_work),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
