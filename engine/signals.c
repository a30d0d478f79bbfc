/* SPDX-License-Identifier: BSD-2-Clause */
/* signalfd(2): the mask decides, no handler runs. Signals ignored from the start stay ignored. */
#include "signals.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

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

int signals_take(struct signals *s)
{
	sigset_t all, wanted;

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

void signals_unblock_deadly(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		sigaddset(&set, deadly[i]);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void signals_give_back(struct signals *s)
{
	close(s->fd);
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
