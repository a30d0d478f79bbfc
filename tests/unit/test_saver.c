/* SPDX-License-Identifier: BSD-2-Clause */
/* The saver alone: a feed whose map is set by hand, and a simulated destination to be flushed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../engine/saver.h"
#include "../lib/sim.h"

#define BLOCK  512u
#define BLOCKS 8u
#define OUT    (2 * BLOCK) /* the span begins there in the destination */

struct scene {
	struct sim_spec spec[2];
	struct sides sides;
	struct feed feed;
	struct ranges map;
	struct keeper keeper;
	struct worker worker; /* it does nothing of its own */
	struct stalls stalls;
	int done_fd;
	uint64_t turns;
	struct saver saver;
	_Atomic unsigned saves;
	unsigned flushes_before;       /* the first save */
	uint64_t reached_bytes;	       /* by then */
	uint64_t reached_before_flush; /* the one before it */
	enum range_status saved[BLOCKS];
	void (*during_flush)(struct scene *s);
	nsec_t flushing_since_ns;
};

static void settle(struct scene *s, unsigned block, enum range_status status)
{
	const struct chunk c = {
		.at_bytes = (uint64_t)block * BLOCK, .len_bytes = BLOCK, .resets = s->feed.resets
	};

	feed_settle(&s->feed, &c, status);
}

static void note_counts(struct scene *s, const struct sim_counts *k)
{
	s->flushes_before = (unsigned)k->flushes;
	s->reached_bytes = k->reached_bytes;
}

/* Of the first save. */
static void save(void *arg, const struct ranges *map)
{
	struct scene *s = arg;
	struct range x;

	for (unsigned b = 0; b < BLOCKS && s->saves == 0; b++)
		if (ranges_get(map, (uint64_t)b * BLOCK, &x))
			s->saved[b] = x.status;
	if (s->saves == 0)
		note_counts(s, sim_counts(s->sides.end[1]));
	s->saves++;
}

static void flushing(void *arg)
{
	struct scene *s = arg;

	if (s->during_flush && s->saves == 0)
		s->during_flush(s);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct feed_map map = {
		.ranges = &s->map,
		.records = true,
		.block_bytes = BLOCK,
		.unit_bytes = BLOCK,
		.max_bad = UINT64_MAX,
	};

	for (unsigned side = 0; side < 2; side++) {
		s->spec[side] = (struct sim_spec){ .role = side ? END_DEST : END_SOURCE,
			.block_bytes = BLOCK,
			.blocks = BLOCKS + OUT / BLOCK,
			.on_flush = flushing,
			.arg = s };
		s->sides.end[side] = sim_open(&s->spec[side]);
	}
	s->sides.n = 2;
	assert_true(ranges_init(&s->map, BLOCKS * BLOCK));
	feed_init(&s->feed, BLOCKS * BLOCK, BLOCK, 1);
	feed_set_map(&s->feed, &map);
	feed_resume(&s->feed);
	s->worker.blocked.side = NO_SIDE;
	s->worker.ring_room = 3;
	assert_true(stalls_init(&s->stalls, &s->worker, 1, &s->sides));
	s->done_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(s->done_fd >= 0);
	s->keeper = (struct keeper){ NSEC_PER_MSEC, save, s };
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	saver_destroy(&s->saver);
	stalls_free(&s->stalls);
	close(s->done_fd);
	feed_leave(&s->feed);
	feed_destroy(&s->feed);
	ranges_destroy(&s->map);
	sim_close(s->sides.end[1]);
	sim_close(s->sides.end[0]);
	free(s);
	return 0;
}

static void start_of(struct scene *s, side_set_t writes)
{
	const struct saver_run run = {
		.feed = &s->feed,
		.sides = &s->sides,
		.writes = writes,
		.out_bytes = OUT,
		.workers = &s->worker,
		.nworkers = 1,
		.turns = &s->turns,
		.stalls = &s->stalls,
		.done_fd = s->done_fd,
	};

	saver_start(&s->saver, &run, &s->keeper);
}

/* A thread that ends says so. */
static void stop(struct scene *s)
{
	uint64_t told = 0;

	if (saver_end(&s->saver)) {
		assert_int_equal(read(s->done_fd, &told, sizeof(told)), sizeof(told));
		assert_int_equal(told, 1);
	}
	saver_stop(&s->saver);
}

static void start(struct scene *s)
{
	start_of(s, side_bit(1));
}

static enum range_status status_of(struct scene *s, unsigned block)
{
	struct ranges now = { 0 };
	struct range x;
	unsigned resets;

	assert_true(feed_snapshot(&s->feed, &now, &resets));
	assert_true(ranges_get(&now, (uint64_t)block * BLOCK, &x));
	ranges_destroy(&now);
	return x.status;
}

/* Until it has saved, or stopped the run. */
static void wait_for_save(const struct scene *s)
{
	while (s->saves == 0 && !feed_is_stopped(&s->feed))
		usleep(200);
}

static void what_is_saved_as_done_was_flushed_before(void **state)
{
	struct scene *s = *state;

	settle(s, 0, RANGE_WRITTEN);
	settle(s, 1, RANGE_BAD);
	start(s);
	wait_for_save(s);
	stop(s);
	assert_true(s->flushes_before > 0);
	assert_int_equal(s->saved[0], RANGE_DONE);
	assert_int_equal(s->saved[1], RANGE_BAD);
	assert_int_equal(s->saved[2], RANGE_UNTRIED);
	assert_int_equal(status_of(s, 0), RANGE_DONE);
}

static void look_at_length_and_write_more(struct scene *s)
{
	s->reached_before_flush = sim_counts(s->sides.end[1])->reached_bytes;
	settle(s, 6, RANGE_WRITTEN);
}

/* What was left out at its end has no length yet. */
static void what_is_saved_as_done_is_in_the_length_of_the_destination(void **state)
{
	struct scene *s = *state;

	settle(s, 4, RANGE_WRITTEN);
	settle(s, 5, RANGE_BAD); /* may be tried again meanwhile */
	s->during_flush = look_at_length_and_write_more;
	start(s);
	wait_for_save(s);
	stop(s);
	assert_int_equal(s->reached_before_flush, OUT + 5 * BLOCK);
	assert_int_equal(s->saved[4], RANGE_DONE);
	assert_int_not_equal(s->saved[6], RANGE_DONE);
}

static void where_nothing_is_done_nothing_is_made_longer(void **state)
{
	struct scene *s = *state;

	settle(s, 5, RANGE_BAD);
	start(s);
	wait_for_save(s);
	stop(s);
	assert_int_equal(s->reached_bytes, 0);
}

static void a_length_that_cannot_be_had_stops_the_run_like_a_flush(void **state)
{
	struct scene *s = *state;

	settle(s, 1, RANGE_WRITTEN);
	s->spec[1].reach_err = ENOSPC;
	start(s);
	wait_for_save(s);
	while (s->saves == 0)
		usleep(200);
	stop(s);
	assert_true(feed_is_stopped(&s->feed));
	assert_int_equal(s->saver.failed, 1);
	assert_int_equal(s->saver.fault.err, ENOSPC);
	assert_int_equal(s->saved[1], RANGE_UNTRIED);
}

static void write_more(struct scene *s)
{
	settle(s, 2, RANGE_WRITTEN);
	settle(s, 3, RANGE_BAD);
}

static void what_is_written_during_the_flush_is_not_saved_as_done(void **state)
{
	struct scene *s = *state;

	settle(s, 0, RANGE_WRITTEN);
	s->during_flush = write_more;
	start(s);
	wait_for_save(s);
	stop(s);
	assert_int_equal(s->saved[0], RANGE_DONE);
	assert_int_not_equal(s->saved[2], RANGE_DONE);
	assert_int_equal(s->saved[3], RANGE_FAILED); /* its zeros were not flushed */
	assert_int_equal(status_of(s, 3), RANGE_BAD);
}

static void a_bad_block_is_saved_as_that_when_its_zeros_were_flushed(void **state)
{
	struct scene *s = *state;

	s->keeper.every_ns = 3600 * NSEC_PER_SEC;
	start(s);
	settle(s, 1, RANGE_BAD);
	saver_now(&s->saver);
	wait_for_save(s);
	stop(s);
	assert_int_equal(s->saved[1], RANGE_BAD);
}

/* By a reset; what was known before the run, and what was flushed, stays. */
static void a_bad_block_whose_zeros_were_lost_is_not_saved_as_that(void **state)
{
	struct scene *s = *state;

	s->keeper.every_ns = 3600 * NSEC_PER_SEC;
	settle(s, 0, RANGE_BAD);
	start(s);
	settle(s, 1, RANGE_BAD);
	feed_was_reset(&s->feed);
	settle(s, 2, RANGE_WRITTEN);
	saver_now(&s->saver);
	wait_for_save(s);
	stop(s);
	assert_int_equal(s->saved[0], RANGE_BAD);
	assert_int_equal(s->saved[1], RANGE_FAILED);
	assert_int_equal(s->saved[2], RANGE_DONE);
}

/* Nobody writes them again in this run: not even after a flush that was good. */
static void zeros_that_were_lost_stay_in_doubt(void **state)
{
	struct scene *s = *state;

	s->keeper.every_ns = 3600 * NSEC_PER_SEC;
	start(s);
	settle(s, 1, RANGE_BAD);
	feed_was_reset(&s->feed);
	for (unsigned n = 0; n < 2; n++) {
		s->saves = 0;
		saver_now(&s->saver);
		wait_for_save(s);
		assert_int_equal(s->saved[1], RANGE_FAILED);
	}
	stop(s);
	s->saves = 0;
	saver_save_last(&s->saver, &s->map, true);
	assert_int_equal(s->saved[1], RANGE_FAILED);
}

static void a_long_flush_can_be_seen(struct scene *s)
{
	s->flushing_since_ns = s->stalls.flushing_ns[1];
}

static void a_flush_in_mid_run_is_seen_while_it_lasts(void **state)
{
	struct scene *s = *state;

	s->during_flush = a_long_flush_can_be_seen;
	start(s);
	wait_for_save(s);
	stop(s);
	assert_true(s->flushing_since_ns > 0);
	assert_true(s->stalls.flushing_ns[1] == 0);
}

static void the_last_save_tells_of_the_last_flush(void **state)
{
	static const enum range_status bad[] = { RANGE_FAILED, RANGE_BAD };
	struct scene *s = *state;

	s->keeper.every_ns = 0;
	start(s);
	stop(s);
	for (unsigned good = 0; good < 2; good++) {
		settle(s, 0, RANGE_WRITTEN);
		settle(s, 1, RANGE_BAD);
		s->saves = 0;
		saver_save_last(&s->saver, &s->map, good);
		assert_int_equal(s->saved[0], good ? RANGE_DONE : RANGE_UNTRIED);
		assert_int_equal(s->saved[1], bad[good]);
		assert_int_equal(status_of(s, 1), RANGE_BAD);
	}
	feed_was_reset(&s->feed);
	s->saves = 0;
	saver_save_last(&s->saver, &s->map, true);
	assert_int_equal(s->saved[0], RANGE_DONE);
	assert_int_equal(s->saved[1], RANGE_FAILED);
}

static void reset(struct scene *s)
{
	feed_was_reset(&s->feed);
}

static void what_a_reset_took_during_the_flush_is_not_saved_as_done(void **state)
{
	struct scene *s = *state;

	settle(s, 0, RANGE_WRITTEN);
	s->during_flush = reset;
	start(s);
	wait_for_save(s);
	stop(s);
	assert_int_equal(s->saved[0], RANGE_UNTRIED);
	assert_int_equal(status_of(s, 0), RANGE_UNTRIED);
}

static void zeros_that_a_reset_took_during_the_flush_are_not_saved_as_bad(void **state)
{
	struct scene *s = *state;

	s->keeper.every_ns = 3600 * NSEC_PER_SEC;
	start(s);
	settle(s, 1, RANGE_BAD);
	s->during_flush = reset;
	saver_now(&s->saver);
	wait_for_save(s);
	stop(s);
	assert_int_equal(s->saved[1], RANGE_FAILED);
}

static void reset_and_write_again(struct scene *s)
{
	feed_was_reset(&s->feed);
	settle(s, 0, RANGE_WRITTEN);
}

static void what_was_written_again_after_a_reset_was_not_flushed(void **state)
{
	struct scene *s = *state;

	settle(s, 0, RANGE_WRITTEN);
	s->during_flush = reset_and_write_again;
	start(s);
	wait_for_save(s);
	stop(s);
	assert_int_equal(s->saved[0], RANGE_WRITTEN);
}

/* One of those that flew may be the one that tells of a reset. */
static void what_was_flushed_is_done_when_all_is_home_that_flew(void **state)
{
	struct scene *s = *state;

	settle(s, 0, RANGE_WRITTEN);
	s->worker.blocked.side = 1;
	start(s);
	while (sim_counts(s->sides.end[1])->flushes == 0)
		usleep(200);
	counter_add(&s->worker.tally[0].count.commands, 100); /* at once: others fly still */
	counter_add(&s->worker.turns, 2);
	usleep(20000);
	assert_int_equal(s->saves, 0);
	counter_add(&s->worker.turns, 1);
	wait_for_save(s);
	s->worker.blocked.side = NO_SIDE; /* a second save may wait already */
	stop(s);
	assert_int_equal(s->saved[0], RANGE_DONE);
}

static void a_flush_that_is_told_of_a_reset_kept_nothing(void **state)
{
	static const uint8_t sense[18] = { 0x70, 0, 6, [7] = 10, [12] = 0x29 };
	struct scene *s = *state;
	struct fault *f = &s->spec[1].flush_fault;

	settle(s, 0, RANGE_WRITTEN);
	f->kind = FAULT_UNIT_ATTENTION;
	f->sense_len = sizeof(sense);
	memcpy(f->sense, sense, sizeof(sense));
	start(s);
	wait_for_save(s);
	assert_false(feed_is_stopped(&s->feed));
	stop(s);
	assert_int_equal(s->saved[0], RANGE_UNTRIED);
	assert_true(s->saver.resets[1] > 0);
	assert_int_equal(s->saver.failed, 0);
}

static void a_failed_flush_stops_the_run_and_what_it_was_to_keep_is_untried(void **state)
{
	struct scene *s = *state;

	settle(s, 0, RANGE_DONE);
	settle(s, 1, RANGE_WRITTEN);
	s->spec[1].flush_fault.kind = FAULT_MEDIUM;
	start(s);
	while (!feed_is_stopped(&s->feed) || s->saves == 0)
		usleep(200);
	stop(s);
	assert_int_equal(s->saver.failed, 1);
	assert_int_equal(s->saver.fault.kind, FAULT_MEDIUM);
	assert_int_equal(s->saved[0], RANGE_DONE);
	assert_int_equal(s->saved[1], RANGE_UNTRIED);
	assert_int_equal(status_of(s, 1), RANGE_UNTRIED);
	assert_int_equal(s->saves, 1);
	assert_int_equal(sim_counts(s->sides.end[1])->flushes, 1);
}

static void what_is_not_written_to_is_not_flushed(void **state)
{
	struct scene *s = *state;

	start_of(s, 0);
	wait_for_save(s);
	stop(s);
	assert_int_equal(sim_counts(s->sides.end[1])->flushes, 0);
}

static void without_an_interval_there_is_no_thread(void **state)
{
	struct scene *s = *state;

	s->keeper.every_ns = 0;
	start(s);
	assert_false(s->saver.runs);
	usleep(3000);
	stop(s);
	assert_int_equal(s->saves, 0);
	assert_int_equal(sim_counts(s->sides.end[1])->flushes, 0);
}

static void a_stop_does_not_wait_for_the_next_turn(void **state)
{
	struct scene *s = *state;

	s->keeper.every_ns = 3600 * NSEC_PER_SEC;
	start(s);
	assert_true(s->saver.runs);
	stop(s);
	assert_int_equal(s->saves, 0);
}

/* SIGUSR1 while the run ends. */
static void when_it_has_stopped_nothing_more_is_saved(void **state)
{
	struct scene *s = *state;

	s->keeper.every_ns = 3600 * NSEC_PER_SEC;
	start(s);
	stop(s);
	saver_now(&s->saver);
	assert_int_equal(s->saves, 0);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(what_is_saved_as_done_was_flushed_before),
		SCENE(what_is_saved_as_done_is_in_the_length_of_the_destination),
		SCENE(where_nothing_is_done_nothing_is_made_longer),
		SCENE(a_length_that_cannot_be_had_stops_the_run_like_a_flush),
		SCENE(what_is_written_during_the_flush_is_not_saved_as_done),
		SCENE(a_bad_block_is_saved_as_that_when_its_zeros_were_flushed),
		SCENE(a_bad_block_whose_zeros_were_lost_is_not_saved_as_that),
		SCENE(zeros_that_were_lost_stay_in_doubt),
		SCENE(a_flush_in_mid_run_is_seen_while_it_lasts),
		SCENE(the_last_save_tells_of_the_last_flush),
		SCENE(what_a_reset_took_during_the_flush_is_not_saved_as_done),
		SCENE(zeros_that_a_reset_took_during_the_flush_are_not_saved_as_bad),
		SCENE(what_was_written_again_after_a_reset_was_not_flushed),
		SCENE(what_was_flushed_is_done_when_all_is_home_that_flew),
		SCENE(a_flush_that_is_told_of_a_reset_kept_nothing),
		SCENE(a_failed_flush_stops_the_run_and_what_it_was_to_keep_is_untried),
		SCENE(what_is_not_written_to_is_not_flushed),
		SCENE(without_an_interval_there_is_no_thread),
		SCENE(a_stop_does_not_wait_for_the_next_turn),
		SCENE(when_it_has_stopped_nothing_more_is_saved),
	};

	return cmocka_run_group_tests_name("saver", tests, NULL, NULL);
}
