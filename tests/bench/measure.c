/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a command and tells what it took: measure FILE SECONDS COMMAND [ARG...] ['|' COMMAND...]
 *
 * What the command writes goes to FILE; after SECONDS (0: never) it is killed. Commands with | in
 * between run at once, each reading what the one before it writes; of these, only the standard
 * error goes to FILE, and what the last one writes is dropped. With MEASURE_ROOT in the environment
 * they run with that directory as their root.
 *
 * Prints on one line the exit status (128 and more: the signal; of several commands the first that
 * is not 0), CPU time of all in microseconds, the highest peak resident memory in KiB, and the
 * microseconds from the first start to the last end.
 */
#define _GNU_SOURCE /* pipe2() */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MOST 8

struct command {
	char **words; /* NULL at the end */
	pid_t child;
	int status;
};

struct sums {
	long cpu_us;
	long rss_kib;
};

_Noreturn static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void enter_root(void)
{
	const char *root = getenv("MEASURE_ROOT");

	if (root && (chroot(root) < 0 || chdir("/") < 0))
		die(root);
}

static void become(struct command *c, const char *seconds, int in, int out, int err)
{
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	alarm((unsigned int)strtoul(seconds, NULL, 10));
	enter_root();
	execvp(c->words[0], c->words);
	perror(c->words[0]);
	_exit(127);
}

/* All descriptors are closed on exec, so that each pipe ends when its writer does. */
static int open_or_die(const char *file, int flags)
{
	int fd = open(file, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die(file);
	return fd;
}

static void start_all(struct command *c, int count, const char *file, const char *seconds)
{
	int err = open_or_die(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
	int in = open_or_die("/dev/null", O_RDONLY);
	int last = count == 1 ? err : open_or_die("/dev/null", O_WRONLY);
	int ends[2];

	for (int i = 0; i < count; i++) {
		if (i + 1 < count && pipe2(ends, O_CLOEXEC) < 0)
			die("pipe");
		c[i].child = fork();
		if (c[i].child < 0)
			die("fork");
		if (c[i].child == 0)
			become(&c[i], seconds, in, i + 1 < count ? ends[1] : last, err);
		close(in);
		if (i + 1 < count) {
			close(ends[1]);
			in = ends[0];
		}
	}
}

static long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000L + time.tv_usec;
}

static void wait_for(struct command *c, struct sums *s)
{
	struct rusage used;
	int status;

	if (wait4(c->child, &status, 0, &used) < 0)
		die("wait");
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	s->cpu_us += microseconds(used.ru_utime) + microseconds(used.ru_stime);
	if (used.ru_maxrss > s->rss_kib)
		s->rss_kib = used.ru_maxrss;
}

static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

/* Ends each command where the next begins; returns how many there are. */
static int split(char **words, struct command *c)
{
	int count = 1;

	c[0].words = words;
	for (; *words; words++) {
		if (strcmp(*words, "|") != 0)
			continue;
		if (count == COMMANDS_MOST)
			exit(1);
		*words = NULL;
		c[count++].words = words + 1;
	}
	return count;
}

int main(int argc, char **argv)
{
	struct command commands[COMMANDS_MOST] = { 0 };
	struct sums sums = { 0 };
	int count, status = 0;
	long start_us;

	if (argc < 4) {
		fputs("usage: measure FILE SECONDS COMMAND [ARG...] ['|' COMMAND...]\n", stderr);
		return 1;
	}
	count = split(argv + 3, commands);
	start_us = now_us();
	start_all(commands, count, argv[1], argv[2]);
	for (int i = 0; i < count; i++) {
		wait_for(&commands[i], &sums);
		if (status == 0)
			status = commands[i].status;
	}
	printf("%d %ld %ld %ld\n", status, sums.cpu_us, sums.rss_kib, now_us() - start_us);
	return 0;
}
