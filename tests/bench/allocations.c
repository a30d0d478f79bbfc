/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Preloaded into the copier, counts what it allocates between its first and its last READ or WRITE
 * command on an sg node (LD_PRELOAD), and says so on standard error at the end:
 * "allocations: N between C data commands".
 */
#include <dlfcn.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

/* All allocations so far; how many there had been at the first and at the last data command. */
static atomic_ulong allocations, at_first, at_last, commands;

static void *counted(void *memory)
{
	atomic_fetch_add(&allocations, 1);
	return memory;
}

void *malloc(size_t size)
{
	return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	return counted(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
	return counted(__libc_realloc(memory, size));
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	*memory = counted(__libc_memalign(alignment, size));
	return *memory == NULL;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return counted(__libc_memalign(alignment, size));
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
	static void *(*next)(void *, size_t, int, int, int, off_t);

	if (!next) {
		next = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
	}
	return counted(next(address, length, protection, flags, file, offset));
}

static int is_data_command(const sg_io_hdr_t *command)
{
	switch (command->cmdp[0]) {
	case 0x08:
	case 0x28:
	case 0xa8:
	case 0x88: /* READ 6, 10, 12, 16 */
	case 0x0a:
	case 0x2a:
	case 0xaa:
	case 0x8a: /* WRITE */ return 1;
	default: return 0;
	}
}

static void saw(const sg_io_hdr_t *command)
{
	if (!is_data_command(command)) {
		return;
	}
	if (atomic_fetch_add(&commands, 1) == 0) {
		atomic_store(&at_first, atomic_load(&allocations));
	}
	atomic_store(&at_last, atomic_load(&allocations));
}

int ioctl(int file, unsigned long request, ...)
{
	static int (*next)(int, unsigned long, void *);
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (!next) {
		next = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
	}
	if (request == SG_IO) {
		saw(argument);
	}
	return next(file, request, argument);
}

ssize_t write(int file, const void *data, size_t length)
{
	static ssize_t (*next)(int, const void *, size_t);
	const sg_io_hdr_t *command = data;

	if (!next) {
		next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	}
	if (length == sizeof(*command) && command->interface_id == 'S') {
		saw(command);
	}
	return next(file, data, length);
}

__attribute__((destructor)) static void report(void)
{
	fprintf(stderr, "allocations: %lu between %lu data commands\n",
		atomic_load(&at_last) - atomic_load(&at_first), atomic_load(&commands));
}
