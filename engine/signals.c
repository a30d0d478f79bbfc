/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signalfd(2): the mask decides, no handler runs. Signals ignored from the start stay ignored. To
 * unblock a signal in one thread is enough for it to end the process, and interrupts no other.
 */
#include "signals.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../core/clock.h"

static const int deadly[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static const int others[] = { SIGUSR1, SIGTSTP };

static void add_unless_ignored(sigset_t *set, const int *signals, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct sigaction now;

		if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(set, signals[i]);
	}
}

static sigset_t all_deadly(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		sigaddset(&set, deadly[i]);
	return set;
}

int signals_take(struct signals *s)
{
	sigset_t all, wanted;

	memset(s, 0, sizeof(*s));
	sigfillset(&all);
	sigemptyset(&wanted);
	add_unless_ignored(&wanted, deadly, ARRAY_SIZE(deadly));
	add_unless_ignored(&wanted, others, ARRAY_SIZE(others));
	s->fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->fd < 0)
		return -1;
	pthread_sigmask(SIG_BLOCK, &all, &s->old);
	return 0;
}

int signals_next(const struct signals *s)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

nsec_t signals_repeat_left(nsec_t heard_ns, nsec_t now_ns)
{
	nsec_t end_ns = heard_ns + SIGNALS_REPEAT_NS;

	return now_ns < end_ns ? end_ns - now_ns : 0;
}

/* Whoever waits for them reads none of them any more. */
static void leave_deadly_alone(const struct signals *s)
{
	sigset_t wanted;

	sigemptyset(&wanted);
	add_unless_ignored(&wanted, others, ARRAY_SIZE(others));
	(void)signalfd(s->fd, &wanted, 0);
}

static void drop_repeats(void)
{
	const struct timespec at_once = { 0 };
	const sigset_t set = all_deadly();

	while (sigtimedwait(&set, NULL, &at_once) > 0)
		;
}

static void unblock_deadly(void)
{
	const sigset_t set = all_deadly();

	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Not longer than a second, so that it is an int. */
static int ms_of(nsec_t ns)
{
	return (int)(min_u64((uint64_t)ns, NSEC_PER_SEC) / NSEC_PER_MSEC) + 1;
}

/* What is pending when the time of repeats is over has come in it. */
static void *let_later_ones_through(void *arg)
{
	const struct signals *s = arg;
	struct pollfd end = { s->end_fd, POLLIN, 0 };
	nsec_t left_ns;

	while ((left_ns = signals_repeat_left(s->heard_ns, clock_now_ns())) > 0)
		if (poll(&end, 1, ms_of(left_ns)) > 0)
			return NULL;
	drop_repeats();
	unblock_deadly();
	while (poll(&end, 1, -1) < 0)
		;
	return NULL;
}

void signals_heard(struct signals *s, nsec_t now_ns)
{
	s->heard_ns = now_ns;
	s->end_fd = eventfd(0, EFD_CLOEXEC);
	s->has_thread =
		s->end_fd >= 0 && pthread_create(&s->thread, NULL, let_later_ones_through, s) == 0;
	if (s->has_thread) {
		leave_deadly_alone(s);
		return;
	}
	if (s->end_fd >= 0)
		close(s->end_fd);
	unblock_deadly();
}

void signals_give_back(struct signals *s)
{
	sigset_t set = s->old;

	close(s->fd);
	for (size_t i = 0; s->has_thread && i < ARRAY_SIZE(deadly); i++)
		sigaddset(&set, deadly[i]);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
}

void signals_end(struct signals *s)
{
	if (!s->has_thread)
		return;
	(void)eventfd_write(s->end_fd, 1);
	pthread_join(s->thread, NULL);
	close(s->end_fd);
	s->has_thread = false;
	drop_repeats();
	pthread_sigmask(SIG_SETMASK, &s->old, NULL);
}

void signals_die(int signal_number)
{
	sigset_t set;

	signal(signal_number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(signal_number);
	_exit(128 + signal_number);
}
