/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a command and tells what it took: measure FILE SECONDS COMMAND [ARG...]
 *
 * What the command writes goes to FILE; after SECONDS (0: never) it is killed. Prints on one line
 * its exit status (128 and more: the signal), CPU time in microseconds and peak resident memory in
 * KiB.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void become(const char *file, const char *seconds, char **command)
{
	int out = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int in = open("/dev/null", O_RDONLY);

	if (out < 0 || in < 0) {
		perror(file);
		_exit(126);
	}
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close(in);
	close(out);
	alarm((unsigned int)strtoul(seconds, NULL, 10));
	execvp(command[0], command);
	perror(command[0]);
	_exit(127);
}

static long microseconds(struct timeval time)
{
	return time.tv_sec * 1000000L + time.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage used;
	int status;
	pid_t child;

	if (argc < 4) {
		fputs("usage: measure FILE SECONDS COMMAND [ARG...]\n", stderr);
		return 1;
	}
	child = fork();
	if (child == 0) {
		become(argv[1], argv[2], argv + 3);
	}
	if (child < 0 || wait4(child, &status, 0, &used) < 0) {
		perror("measure");
		return 1;
	}
	printf("%d %ld %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		microseconds(used.ru_utime) + microseconds(used.ru_stime), used.ru_maxrss);
	return 0;
}
