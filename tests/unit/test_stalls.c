/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers that do nothing but say what they wait for, and a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../engine/stalls.h"

#define SECOND NSEC_PER_SEC

struct scene {
	struct endpoint end[2];
	struct sides sides;
	struct failures failures;
	struct recipe recipe;
	struct worker *workers; /* two */
	struct stalls stalls;
	struct stall told;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->sides.n = 2;
	for (unsigned side = 0; side < 2; side++)
		s->sides.end[side] = &s->end[side];
	failures_init(&s->failures);
	s->recipe.failures = &s->failures;
	s->workers = aligned_alloc(_Alignof(struct worker), 2 * sizeof(*s->workers));
	for (unsigned i = 0; i < 2; i++) {
		s->workers[i] = (struct worker){ .recipe = &s->recipe };
		s->workers[i].blocked.side = NO_SIDE;
	}
	assert_true(stalls_init(&s->stalls, s->workers, 2, &s->sides));
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	stalls_free(&s->stalls);
	failures_destroy(&s->failures);
	free(s->workers);
	free(s);
	return 0;
}

static void waits(struct scene *s, unsigned worker, unsigned side, uint64_t at_bytes)
{
	s->workers[worker].blocked.side = side;
	s->workers[worker].blocked.at_bytes = at_bytes;
}

/* How many stalls are told then. */
static unsigned told_at(struct scene *s, nsec_t now_ns)
{
	unsigned n = 0;

	while (stalls_look(&s->stalls, now_ns, &s->told))
		n++;
	return n;
}

static void a_command_that_does_not_come_home_is_told_and_again_after_twice_as_long(void **state)
{
	struct scene *s = *state;

	waits(s, 0, 1, 4096);
	assert_int_equal(told_at(s, 1 * SECOND), 0);
	s->workers[0].tally[1].count.commands = 1;
	assert_int_equal(told_at(s, 2 * SECOND), 0);
	assert_int_equal(told_at(s, 11 * SECOND), 0);
	assert_int_equal(told_at(s, 12 * SECOND), 1);
	assert_int_equal(s->told.side, 1);
	assert_int_equal(s->told.at_bytes, 4096);
	assert_int_equal(s->told.for_ns, 10 * SECOND);
	assert_false(s->told.answered);
	assert_int_equal(told_at(s, 21 * SECOND), 0);
	assert_int_equal(told_at(s, 22 * SECOND), 1);
	assert_int_equal(told_at(s, 41 * SECOND), 0);
	assert_int_equal(told_at(s, 42 * SECOND), 1);
}

static void what_comes_home_at_last_is_forgotten(void **state)
{
	struct scene *s = *state;

	waits(s, 0, 0, 0);
	assert_int_equal(told_at(s, 0), 0);
	assert_int_equal(told_at(s, 10 * SECOND), 1);
	s->workers[0].tally[0].count.commands = 1;
	assert_int_equal(told_at(s, 11 * SECOND), 0);
	assert_int_equal(told_at(s, 20 * SECOND), 0);
	assert_int_equal(told_at(s, 21 * SECOND), 1);
	assert_int_equal(s->told.for_ns, 10 * SECOND);
}

/* It comes home each time, and nothing comes of it. */
static void what_is_sent_again_and_again_is_told_with_its_reason(void **state)
{
	struct scene *s = *state;

	waits(s, 0, 0, 512);
	s->failures.nap[0].fault.kind = FAULT_BECOMING_READY;
	s->workers[0].blocked.naps = true;
	for (nsec_t now = 0; now < 10 * SECOND; now += SECOND) {
		s->workers[0].tally[0].count.commands++;
		s->workers[0].tally[0].count.retries++;
		assert_int_equal(told_at(s, now), 0);
	}
	assert_int_equal(told_at(s, 10 * SECOND), 1);
	assert_true(s->told.answered);
	assert_int_equal(s->told.x.fault.kind, FAULT_BECOMING_READY);
}

static void workers_that_wait_for_the_same_side_are_one_and_the_others_another(void **state)
{
	struct scene *s = *state;

	waits(s, 0, 0, 512);
	assert_int_equal(told_at(s, 0), 0);
	waits(s, 1, 0, 1024);
	assert_int_equal(told_at(s, 2 * SECOND), 0);
	assert_int_equal(told_at(s, 12 * SECOND), 1);
	assert_int_equal(s->told.at_bytes, 512);
	waits(s, 1, 1, 1024);
	assert_int_equal(told_at(s, 13 * SECOND), 1);
	assert_int_equal(s->told.side, 1);
}

static void who_is_idle_waits_for_nothing(void **state)
{
	struct scene *s = *state;

	assert_int_equal(told_at(s, 0), 0);
	assert_int_equal(told_at(s, 100 * SECOND), 0);
	waits(s, 0, 0, 0);
	assert_int_equal(told_at(s, 101 * SECOND), 0);
}

static void a_long_flush_is_told_and_again_after_twice_as_long(void **state)
{
	struct scene *s = *state;

	stalls_flush(&s->stalls, 1, 5 * SECOND);
	assert_int_equal(told_at(s, 14 * SECOND), 0);
	assert_int_equal(told_at(s, 15 * SECOND), 1);
	assert_true(s->told.flushes);
	assert_int_equal(s->told.side, 1);
	assert_int_equal(s->told.for_ns, 10 * SECOND);
	assert_int_equal(told_at(s, 24 * SECOND), 0);
	assert_int_equal(told_at(s, 25 * SECOND), 1);
	stalls_forget(&s->stalls, 100 * SECOND); /* it was stopped */
	assert_int_equal(told_at(s, 109 * SECOND), 0);
	assert_int_equal(told_at(s, 110 * SECOND), 1);
	stalls_flush(&s->stalls, 1, 0);
	assert_int_equal(told_at(s, 500 * SECOND), 0);
	stalls_forget(&s->stalls, 500 * SECOND);
	assert_int_equal(told_at(s, 900 * SECOND), 0);
}

static void a_stopped_run_does_not_wait(void **state)
{
	struct scene *s = *state;

	waits(s, 0, 0, 0);
	assert_int_equal(told_at(s, 0), 0);
	stalls_forget(&s->stalls, 100 * SECOND);
	assert_int_equal(told_at(s, 101 * SECOND), 0);
	assert_int_equal(told_at(s, 110 * SECOND), 1);
}

static void a_stream_may_take_its_time(void **state)
{
	struct scene *s = *state;

	s->end[0].facts.sequential = true;
	stalls_free(&s->stalls);
	assert_true(stalls_init(&s->stalls, s->workers, 2, &s->sides));
	waits(s, 0, 0, 0);
	assert_int_equal(told_at(s, 0), 0);
	assert_int_equal(told_at(s, 100 * SECOND), 0);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE(a_command_that_does_not_come_home_is_told_and_again_after_twice_as_long),
		SCENE(what_comes_home_at_last_is_forgotten),
		SCENE(what_is_sent_again_and_again_is_told_with_its_reason),
		SCENE(workers_that_wait_for_the_same_side_are_one_and_the_others_another),
		SCENE(who_is_idle_waits_for_nothing),
		SCENE(a_long_flush_is_told_and_again_after_twice_as_long),
		SCENE(a_stopped_run_does_not_wait),
		SCENE(a_stream_may_take_its_time),
	};

	return cmocka_run_group_tests_name("stalls", tests, NULL, NULL);
}
