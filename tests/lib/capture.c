/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static struct capture *capturing;

static void redirect(int fd)
{
	int got = dup2(fd, STDERR_FILENO);

	assert(got == STDERR_FILENO);
}

void capture_begin(struct capture *c)
{
	fflush(stderr);
	c->saved_fd = dup(STDERR_FILENO);
	c->file_fd = memfd_create("stderr", MFD_CLOEXEC);
	assert(c->saved_fd >= 0 && c->file_fd >= 0);
	redirect(c->file_fd);
	capturing = c;
}

const char *capture_end(struct capture *c)
{
	ssize_t nread;

	fflush(stderr);
	redirect(c->saved_fd);
	nread = pread(c->file_fd, c->text, sizeof(c->text) - 1, 0);
	c->text[nread > 0 ? nread : 0] = '\0';
	close(c->saved_fd);
	close(c->file_fd);
	capturing = NULL;
	return c->text;
}

void capture_drop(void)
{
	if (capturing)
		capture_end(capturing);
}
