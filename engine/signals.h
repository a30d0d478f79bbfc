/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals as something to read. While taken, none interrupts a system call: a signal inside SG_IO
 * would return EINTR while the command still owns the reserved buffer.
 *
 * Of the deadly ones (SIGINT SIGTERM SIGHUP SIGQUIT) the first is read, and is the wish to end. One
 * that comes soon after it is of the same wish and thrown away: timeout(1) signals its child and
 * then the group that the child is in, and what runs under a wrapper gets Ctrl-C from the terminal
 * and from the wrapper. A later one ends the process at once, whatever its threads wait in; a
 * thread of its own sees to both.
 */
#ifndef ENGINE_SIGNALS_H
#define ENGINE_SIGNALS_H

#include <pthread.h>
#include <signal.h>

#include "../core/base.h"

#define SIGNALS_REPEAT_NS NSEC_PER_SEC

struct signals {
	int fd;	      /* becomes readable; then signals_next() */
	sigset_t old; /* the caller's mask */
	nsec_t heard_ns;
	int end_fd;	  /* tells the thread to end */
	bool has_thread;  /* signals_heard() was called, and it could be had: */
	pthread_t thread; /* lets later ones through */
};

/* Blocks every signal in the calling thread and those it makes. 0, or -1 with errno. */
int signals_take(struct signals *s) MUST_CHECK;

/* The next pending one of the deadly ones, if none was heard, SIGUSR1 and SIGTSTP; 0: none. */
int signals_next(const struct signals *s);

/* For how long from now_ns on what comes is a repeat of what was heard; 0: no more. */
nsec_t signals_repeat_left(nsec_t heard_ns, nsec_t now_ns);

/*
 * A deadly one was read, at that time. Without memory for the thread a repeat kills. s stays where
 * it is until signals_end().
 */
void signals_heard(struct signals *s, nsec_t now_ns);

/* The caller's mask again; where one was heard the deadly ones stay as they are. */
void signals_give_back(struct signals *s);

/* After signals_give_back(), or of zeros: repeats are dropped, and all is as before. */
void signals_end(struct signals *s);

/* Ends the process by that signal, as if it had never been taken. */
void signals_die(int signal) __attribute__((noreturn));

#endif
