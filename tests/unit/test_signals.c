/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which signals are a wish of their own. When the first was heard is the test's word: an hour ago,
 * or in an hour, so that nothing depends on how fast the test is. Each in a child, which it may
 * kill.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/clock.h"
#include "../../engine/signals.h"

#define HOUR (3600 * NSEC_PER_SEC)

static void is_heard_for_a_second(void **state)
{
	(void)state;
	assert_true(signals_repeat_left(5 * NSEC_PER_SEC, 5 * NSEC_PER_SEC) == NSEC_PER_SEC);
	assert_true(signals_repeat_left(5 * NSEC_PER_SEC, 6 * NSEC_PER_SEC - 1) == 1);
	assert_true(signals_repeat_left(5 * NSEC_PER_SEC, 6 * NSEC_PER_SEC) == 0);
	assert_true(signals_repeat_left(5 * NSEC_PER_SEC, 60 * NSEC_PER_SEC) == 0);
}

/* The wait status of a child that does so; what it returns is its exit status. */
static int status_of(int (*work)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0)
		_exit(work());
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void assert_lives(int status)
{
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A shell's background job starts with some of them ignored. */
static int take(struct signals *s)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	return signals_take(s);
}

static bool is_in(int (*get)(sigset_t *), int signal_number)
{
	sigset_t set;

	return get(&set) == 0 && sigismember(&set, signal_number) == 1;
}

static int get_mask(sigset_t *set)
{
	return pthread_sigmask(SIG_SETMASK, NULL, set);
}

/* To be read, and then heard. */
static bool hears(struct signals *s, int signal_number, nsec_t now_ns)
{
	kill(getpid(), signal_number);
	if (signals_next(s) != signal_number)
		return false;
	signals_heard(s, now_ns);
	return true;
}

static int repeats_in_time(void)
{
	struct signals s;

	if (take(&s) < 0 || !hears(&s, SIGTERM, clock_now_ns() + HOUR))
		return 1;
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGINT);
	if (signals_next(&s) != 0)
		return 2;
	kill(getpid(), SIGUSR1);
	if (signals_next(&s) != SIGUSR1)
		return 3;
	signals_give_back(&s);
	if (is_in(get_mask, SIGUSR1) || !is_in(get_mask, SIGTERM))
		return 4;
	signals_end(&s);
	return is_in(get_mask, SIGTERM) ? 5 : 0;
}

static void a_repeat_is_thrown_away(void **state)
{
	(void)state;
	assert_lives(status_of(repeats_in_time));
}

/* Nothing but a signal ends it. */
static int repeats_too_late(void)
{
	struct signals s;

	if (take(&s) < 0 || !hears(&s, SIGTERM, clock_now_ns() - HOUR))
		return 1;
	while (true) {
		kill(getpid(), SIGINT);
		usleep(1000);
	}
}

static void a_later_one_ends_the_process(void **state)
{
	int status = status_of(repeats_too_late);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
}

/* It is there before the thread, which finds that the time is over. */
static int repeats_before_it_is_over(void)
{
	struct signals s;

	if (take(&s) < 0)
		return 1;
	kill(getpid(), SIGINT);
	if (signals_next(&s) != SIGINT)
		return 2;
	kill(getpid(), SIGTERM);
	signals_heard(&s, clock_now_ns() - HOUR);
	while (is_in(sigpending, SIGTERM))
		usleep(1000);
	signals_give_back(&s);
	signals_end(&s);
	return is_in(get_mask, SIGTERM) ? 3 : 0;
}

static void a_repeat_is_not_left_to_kill_when_its_time_is_over(void **state)
{
	(void)state;
	assert_lives(status_of(repeats_before_it_is_over));
}

static int hears_none(void)
{
	struct signals s;

	if (take(&s) < 0)
		return 1;
	signals_give_back(&s);
	if (is_in(get_mask, SIGTERM))
		return 2;
	signals_end(&s);
	return is_in(get_mask, SIGTERM) ? 3 : 0;
}

static void where_none_was_heard_all_is_as_before(void **state)
{
	(void)state;
	assert_lives(status_of(hears_none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_heard_for_a_second),
		cmocka_unit_test(a_repeat_is_thrown_away),
		cmocka_unit_test(a_later_one_ends_the_process),
		cmocka_unit_test(a_repeat_is_not_left_to_kill_when_its_time_is_over),
		cmocka_unit_test(where_none_was_heard_all_is_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
