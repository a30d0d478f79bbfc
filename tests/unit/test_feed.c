/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../engine/feed.h"

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
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
