/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals as something to read. While taken, none interrupts a system call: a signal inside SG_IO
 * would return EINTR while the command still owns the reserved buffer.
 */
#ifndef ENGINE_SIGNALS_H
#define ENGINE_SIGNALS_H

#include <signal.h>

#include "../core/base.h"

struct signals {
	int fd;	      /* becomes readable; then signals_next() */
	sigset_t old; /* the caller's mask */
};

/* Blocks every signal in the calling thread and those it makes. 0, or -1 with errno. */
int signals_take(struct signals *s) MUST_CHECK;

/* The next pending one of SIGINT SIGTERM SIGHUP SIGQUIT SIGUSR1 SIGTSTP, 0: none. */
int signals_next(const struct signals *s);

/* From now on the signals that end a program end it at once. */
void signals_unblock_deadly(void);

void signals_give_back(struct signals *s);

/* Ends the process by that signal, as if it had never been taken. */
void signals_die(int signal) __attribute__((noreturn));

#endif
