/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages go into a pipe by reference and out to /dev/null: nothing is copied, nothing is kept. */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIPE_FILL 65536 /* a pipe's default room: 16 pages */

void pin_touch(const void *mem, size_t len_bytes)
{
	const volatile uint8_t *p = mem;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t at = 0; at < len_bytes; at += page)
		(void)p[at];
}

static bool drain(int from, int to, size_t len)
{
	while (len > 0) {
		ssize_t nmoved = splice(from, NULL, to, NULL, len, 0);

		if (nmoved < 0 && errno == EINTR)
			continue;
		if (nmoved <= 0)
			return false;
		len -= (size_t)nmoved;
	}
	return true;
}

static bool pass_through(const int pipe_fds[2], int null_fd, uint8_t *mem, size_t len)
{
	while (len > 0) {
		struct iovec iov = { mem, len < PIPE_FILL ? len : PIPE_FILL };
		ssize_t ntaken = vmsplice(pipe_fds[1], &iov, 1, 0);

		if (ntaken < 0 && errno == EINTR)
			continue;
		if (ntaken <= 0 || !drain(pipe_fds[0], null_fd, (size_t)ntaken))
			return false;
		mem += ntaken;
		len -= (size_t)ntaken;
	}
	return true;
}

bool pin_test(void *mem, size_t len_bytes)
{
	int pipe_fds[2], null_fd;
	bool ok = false;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return false;
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null_fd >= 0) {
		ok = pass_through(pipe_fds, null_fd, mem, len_bytes);
		close(null_fd);
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return ok;
}
