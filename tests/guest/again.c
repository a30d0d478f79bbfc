// SPDX-License-Identifier: BSD-2-Clause
//
// Runs a program again and again, as cheaply as a guest allows: a shell's fork() costs more there
// than all that the program does.
//
//     again TIMES STATUS[,STATUS...] SIGNAL MAX_MS PROGRAM ARG...
//
// Each run is to end with one of these statuses, 128 + n for death by signal n, as a shell has it.
// Where SIGNAL is not 0 it is sent at a moment that moves from the start to MAX_MS after it. What
// the program prints is thrown away. stdout gets one line for each status seen, with how often.
// Exit status: 0 if all were as expected, 1 if not, 2 if the program could not be started.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { STATUSES = 256 };

static bool start(char **argv, pid_t *pid)
{
	posix_spawn_file_actions_t actions;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return false;

	bool started = posix_spawn_file_actions_addopen(
			       &actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
		       posix_spawn_file_actions_addopen(
			       &actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
		       posix_spawn_file_actions_addopen(
			       &actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
		       posix_spawn(pid, argv[0], &actions, NULL, argv, environ) == 0;

	posix_spawn_file_actions_destroy(&actions);
	return started;
}

static void sleep_us(long us)
{
	struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	while (nanosleep(&ts, &ts) != 0)
		continue;
}

static int await(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		return STATUSES - 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void parse_statuses(const char *list, bool allowed[STATUSES])
{
	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		allowed[strtoul(at, NULL, 10) % STATUSES] = true;
}

int main(int argc, char **argv)
{
	bool allowed[STATUSES] = { false };
	long seen[STATUSES] = { 0 };
	bool as_expected = true;

	if (argc < 6)
		return 2;
	long times = strtol(argv[1], NULL, 10);
	int signal_number = atoi(argv[3]);
	long max_us = strtol(argv[4], NULL, 10) * 1000;
	parse_statuses(argv[2], allowed);

	for (long i = 0; i < times; i++) {
		pid_t pid;

		if (!start(argv + 5, &pid))
			return 2;
		if (signal_number != 0) {
			sleep_us(max_us * i / times);
			kill(pid, signal_number);
		}
		seen[await(pid)]++;
	}
	for (int status = 0; status < STATUSES; status++) {
		if (seen[status] > 0)
			printf("%d %ld\n", status, seen[status]);
		as_expected = as_expected && (allowed[status] || seen[status] == 0);
	}
	return as_expected ? 0 : 1;
}
