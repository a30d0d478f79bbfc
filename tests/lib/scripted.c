/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deviations end the test at once (cmocka's fail_msg()), so calls must come from the test's own
 * thread. The kernel is reached by syscall(2): the real functions have no name in programs that
 * are linked without --wrap.
 */
#include "scripted.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture.h"

#define FDS_MAX	 64
#define MAPS_MAX 16

int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
ssize_t __wrap_read(int fd, void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

static struct script {
	const struct script_step *steps;
	size_t n, at;
	struct {
		int fd;
		const char *path;
	} fds[FDS_MAX];
	unsigned nfds;
	struct {
		void *p;
		size_t len;
	} maps[MAPS_MAX];
	unsigned nmaps;
	/* what write() left for read() */
	struct sg_io_hdr sent;
} script;

static const char *const call_names[] = { "open()", "SG_SET_RESERVED_SIZE", "SG_GET_RESERVED_SIZE",
	"BLKSECTGET", "SG_GET_SG_TABLESIZE", "mmap()", "SG_IO", "write()", "read()" };

#define must(cond, what) ((cond) ? (void)0 : deviation(call, what))

static void deviation(enum script_call call, const char *what)
{
	capture_drop();
	fail_msg("step %zu, %s: %s", script.at, call_names[call], what);
}

static const char *path_of(int fd)
{
	for (unsigned i = 0; i < script.nfds; i++)
		if (script.fds[i].fd == fd)
			return script.fds[i].path;
	return NULL;
}

static bool is_scripted(int fd)
{
	return path_of(fd) != NULL;
}

/* A number comes again after close(). */
static void forget(int fd)
{
	for (unsigned i = 0; i < script.nfds; i++)
		if (script.fds[i].fd == fd)
			script.fds[i] = script.fds[--script.nfds];
}

static const struct script_step *next(enum script_call call, int fd)
{
	const struct script_step *step = &script.steps[script.at];

	must(script.at < script.n, "one call too many");
	must(step->call == call, call_names[step->call]); /* that one was expected */
	must(fd < 0 || !step->path || !strcmp(step->path, path_of(fd)), path_of(fd));
	script.at++;
	return step;
}

static int failure(const struct script_step *step)
{
	errno = step->err;
	return -1;
}

/* --- headers --- */

static void check_header(
	enum script_call call, const struct script_cmd *c, const struct sg_io_hdr *h)
{
	must(h->interface_id == 'S', "interface_id");
	must(h->cmd_len == c->cdb_len, "CDB length");
	must(!memcmp(h->cmdp, c->cdb, c->cdb_len), "CDB");
	must(h->dxfer_direction == c->direction, "direction");
	must(h->flags == c->flags, "flags");
	must(h->dxfer_len == c->len, "length");
	must(h->dxferp == c->dxferp || c->dxferp == SCRIPT_ANYWHERE, "dxferp");
	must(!c->sends || !memcmp(h->dxferp, c->sends, c->len), "data sent");
	must(h->timeout == c->timeout_ms || c->timeout_ms == 0, "timeout");
	must(h->iovec_count == 0, "iovec_count");
	must(h->sbp && h->mx_sb_len >= 32, "room for sense");
}

static void fill_header(struct sg_io_hdr *h, const struct script_reply *r)
{
	h->status = r->status;
	h->host_status = r->host;
	h->driver_status = r->driver;
	h->resid = r->resid;
	h->info = r->info;
	h->sb_len_wr = (unsigned char)r->sense_len;
	memcpy(h->sbp, r->sense, r->sense_len);
	if (r->data)
		memcpy(h->dxferp, r->data, r->data_len < h->dxfer_len ? r->data_len : h->dxfer_len);
}

/* --- the calls --- */

static int scripted_sg_io(int fd, struct sg_io_hdr *h)
{
	const struct script_step *step = next(CALL_SG_IO, fd);

	check_header(CALL_SG_IO, &step->cmd, h);
	if (step->err)
		return failure(step);
	fill_header(h, &step->reply);
	return 0;
}

static int scripted_number(int fd, enum script_call call, int *out)
{
	const struct script_step *step = next(call, fd);

	if (step->err)
		return failure(step);
	if (call == CALL_SET)
		must(*out == (int)step->arg, "size");
	else
		*out = step->value;
	return 0;
}

int script_ioctl(int fd, unsigned long request, void *arg)
{
	if (!is_scripted(fd))
		return (int)syscall(SYS_ioctl, fd, request, arg);
	switch (request) {
	case SG_IO: return scripted_sg_io(fd, arg);
	case SG_SET_RESERVED_SIZE: return scripted_number(fd, CALL_SET, arg);
	case SG_GET_RESERVED_SIZE: return scripted_number(fd, CALL_GET, arg);
	case BLKSECTGET: return scripted_number(fd, CALL_LIMIT, arg);
	case SG_GET_SG_TABLESIZE: return scripted_number(fd, CALL_TABLE, arg);
	default: deviation(CALL_SG_IO, "another ioctl"); return -1;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	return script_ioctl(fd, request, arg);
}

static bool opens_scripted(const char *path)
{
	return script.at < script.n && script.steps[script.at].call == CALL_OPEN &&
	       !strcmp(path, script.steps[script.at].path);
}

int __wrap_open(const char *path, int flags, ...)
{
	enum script_call call = CALL_OPEN;
	const struct script_step *step;
	mode_t mode = 0;
	va_list args;
	int fd;

	if (flags & O_CREAT) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	if (!opens_scripted(path)) {
		fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
		forget(fd);
		return fd;
	}
	step = next(CALL_OPEN, -1);
	must(flags == (int)step->arg, "flags");
	if (step->err)
		return failure(step);
	fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
	must(fd >= 0 && script.nfds < FDS_MAX, "no descriptor");
	forget(fd);
	script.fds[script.nfds].fd = fd;
	script.fds[script.nfds++].path = step->path;
	return fd;
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	enum script_call call = CALL_MMAP;
	const struct script_step *step;
	void *p;

	if (fd < 0 || !is_scripted(fd))
		return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
	step = next(CALL_MMAP, fd);
	must(len == step->arg, "length");
	must(prot == step->prot, "protection");
	must(flags == MAP_SHARED && offset == 0, "MAP_SHARED of offset 0");
	if (step->err) {
		errno = step->err;
		return MAP_FAILED;
	}
	p = (void *)syscall(
		SYS_mmap, NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(p != MAP_FAILED && script.nmaps < MAPS_MAX, "no memory");
	script.maps[script.nmaps].p = p;
	script.maps[script.nmaps++].len = len;
	return p;
}

ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	enum script_call call = CALL_WRITE;
	const struct script_step *step;

	if (!is_scripted(fd))
		return syscall(SYS_write, fd, buf, len);
	step = next(CALL_WRITE, fd);
	must(len == sizeof(struct sg_io_hdr), "count");
	check_header(CALL_WRITE, &step->cmd, buf);
	if (step->err)
		return failure(step);
	memcpy(&script.sent, buf, len);
	return step->count ? step->count : (ssize_t)len;
}

ssize_t __wrap_read(int fd, void *buf, size_t len)
{
	enum script_call call = CALL_READ;
	const struct script_step *step;

	if (!is_scripted(fd))
		return syscall(SYS_read, fd, buf, len);
	step = next(CALL_READ, fd);
	must(len == sizeof(struct sg_io_hdr), "count"); /* less loses the reply, sg.c sg_read() */
	if (step->err)
		return failure(step);
	memcpy(buf, &script.sent, len);
	fill_header(buf, &step->reply);
	return step->count ? step->count : (ssize_t)len;
}

/* --- the script --- */

void script_begin(const struct script_step *steps, size_t n)
{
	memset(&script, 0, sizeof(script));
	script.steps = steps;
	script.n = n;
}

/* Any page of it. */
static bool still_mapped(uint8_t *p, size_t len)
{
	for (size_t at = 0; at < len; at += 4096)
		if (msync(p + at, 1, MS_ASYNC) == 0)
			return true;
	return false;
}

void script_end(void)
{
	size_t at = script.at, n = script.n;

	for (unsigned i = 0; i < script.nfds; i++)
		if (fcntl(script.fds[i].fd, F_GETFD) >= 0)
			fail_msg("a descriptor was not closed");
	for (unsigned i = 0; i < script.nmaps; i++)
		if (still_mapped(script.maps[i].p, script.maps[i].len))
			fail_msg("a mapping was left");
	if (at < n)
		fail_msg("step %zu, %s, did not come", at, call_names[script.steps[at].call]);
	script.n = script.nfds = 0;
}
