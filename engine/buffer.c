/* SPDX-License-Identifier: BSD-2-Clause */
/* One anonymous mapping, aligned by hand to a huge page: direct IO then has one segment to map. */
#include "buffer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static uint8_t *align_up(uint8_t *p, size_t unit)
{
	return p + (unit - (uintptr_t)p % unit) % unit;
}

static void make_present(uint8_t *p, size_t len, size_t page)
{
	for (size_t at = 0; at < len; at += page)
		((volatile uint8_t *)p)[at] = 0;
}

int buffers_alloc(struct buffers *b, unsigned n, uint32_t len_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t stride = (len_bytes + page - 1) / page * page;
	uint64_t total, room;

	memset(b, 0, sizeof(*b));
	if (!checked_mul(stride, n, &total) || !checked_add(total, 2 * HUGE_PAGE_BYTES, &room)) {
		errno = ENOMEM;
		return -1;
	}
	b->map_bytes = room;
	b->map = mmap(
		NULL, b->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b->map == MAP_FAILED) {
		b->map = NULL;
		return -1;
	}
	b->first = align_up(b->map, HUGE_PAGE_BYTES);
	b->stride_bytes = stride;
	/* A wish; ordinary pages do. A buffer of one page gains nothing. */
	if (len_bytes > page)
		(void)madvise(b->first,
			(total + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES,
			MADV_HUGEPAGE);
	make_present(b->first, total, page);
	return 0;
}

void *buffers_at(const struct buffers *b, unsigned i)
{
	return b->first + i * b->stride_bytes;
}

void buffers_free(struct buffers *b)
{
	if (b->map)
		munmap(b->map, b->map_bytes);
	memset(b, 0, sizeof(*b));
}
