// SPDX-License-Identifier: BSD-2-Clause
//
// Changes a block of a disk over and over, past the page cache, until it is killed: what a program
// that reads back what it wrote has to notice.
//
//     scribble DISK BLOCK FILE: FILE, of 512 bytes, to that block of 512 bytes
//
// Exit status: 2 if it could not be done.

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_BYTES = 512, ALIGN_BYTES = 4096 };

static bool read_block(const char *name, void *block)
{
	int fd = open(name, O_RDONLY);
	bool done = fd >= 0 && read(fd, block, BLOCK_BYTES) == BLOCK_BYTES;

	if (fd >= 0)
		close(fd);
	return done;
}

int main(int argc, char **argv)
{
	void *block = aligned_alloc(ALIGN_BYTES, ALIGN_BYTES);
	int fd = argc == 4 ? open(argv[1], O_WRONLY | O_DIRECT) : -1;

	if (fd < 0 || !block || !read_block(argv[3], block)) {
		perror(argc > 1 ? argv[1] : "usage: scribble DISK BLOCK FILE");
		return 2;
	}
	for (;;)
		if (pwrite(fd, block, BLOCK_BYTES, atoll(argv[2]) * BLOCK_BYTES) != BLOCK_BYTES) {
			perror(argv[1]);
			return 2;
		}
}
