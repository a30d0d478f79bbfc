/* SPDX-License-Identifier: BSD-2-Clause */
#include "ends.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/zeros.h"
#include "../../endpoints/file.h"
#include "capture.h"
#include "rng.h"

void ends_setup(struct tree *t, char *path)
{
	tree_make(t);
	ends_path(t, "file", path);
}

void ends_teardown(struct tree *t)
{
	capture_drop();
	tree_drop(t);
}

struct endpoint *ends_open(
	ends_open_fn *open_end, const char *path, enum end_role role, unsigned flags)
{
	int status = 4711;
	struct endpoint *ep = open_end(&(struct file_params){ path, role, flags }, &status);

	assert_non_null(ep);
	assert_int_equal(ep->role, role);
	return ep;
}

struct endpoint *ends_begin(struct endpoint *ep, uint64_t at, uint64_t len)
{
	assert_int_equal(ep->ops->probe(ep, 65536, at), 0);
	assert_int_equal(ep->ops->begin(ep, at, len), 0);
	return ep;
}

char *ends_path(const struct tree *t, const char *name, char *path)
{
	assert_true(snprintf(path, PATH_MAX, "%s/%s", t->root, name) < PATH_MAX);
	return path;
}

uint8_t *ends_bytes(size_t len, uint64_t seed)
{
	struct rng r = { seed };
	uint8_t *bytes = malloc(len ? len : 1);

	assert_non_null(bytes);
	rng_fill(&r, bytes, len);
	return bytes;
}

void ends_file(const char *path, size_t len, uint64_t seed)
{
	uint8_t *bytes = ends_bytes(len, seed);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	free(bytes);
}

long long ends_size(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : (long long)st.st_size;
}

void ends_expect(const char *path, const uint8_t *bytes, size_t len)
{
	uint8_t *got = malloc(len + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_non_null(got);
	assert_int_equal(read(fd, got, len + 1), len);
	assert_memory_equal(got, bytes, len);
	close(fd);
	free(got);
}

uint8_t *ends_memory(size_t len)
{
	void *mem = NULL;

	assert_int_equal(posix_memalign(&mem, 4096, len), 0);
	memset(mem, 0xee, len);
	return mem;
}

struct lane *ends_lane(struct endpoint *ep)
{
	const struct lane_spec spec = {
		.method = METHOD_INDIRECT, .io = IO_SG_IO, .max_bytes = ENDS_MAX_BYTES
	};
	struct lane *lane = ep->ops->lane_open(ep, &spec);

	assert_non_null(lane);
	assert_ptr_equal(lane->ep, ep);
	assert_null(lane->buf);
	return lane;
}

void ends_close(struct endpoint *ep, struct lane *lane)
{
	if (lane)
		ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

struct xfer ends_move(struct lane *lane, void *mem, uint64_t offset, uint32_t len)
{
	struct xfer x = {
		.op = lane->ep->role == END_DEST ? XFER_WRITE : XFER_READ,
		.len_bytes = len,
		.offset_bytes = offset,
		.buf = mem,
		.done_bytes = 4711,
		.notes = 4711,
		.fault.kind = FAULT_OTHER,
	};

	if (lane->ep->ops->submit(lane, &x) == XFER_WAIT)
		lane->ep->ops->reap(lane, &x);
	return x;
}

struct xfer ends_trim(struct lane *lane, uint64_t offset, uint32_t len)
{
	struct xfer x = {
		.op = XFER_TRIM,
		.len_bytes = len,
		.offset_bytes = offset,
		.done_bytes = 4711,
		.notes = 4711,
		.fault.kind = FAULT_OTHER,
	};

	assert_int_equal(lane->ep->ops->submit(lane, &x), XFER_DONE);
	assert_int_equal(x.notes, 0);
	return x;
}

bool ends_trim_all(struct lane *lane, uint64_t offset, uint32_t len)
{
	struct xfer x = ends_trim(lane, offset, len);

	if (xfer_is_unsupported(&x)) {
		assert_int_equal(x.done_bytes, 0);
		return false;
	}
	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_int_equal(x.done_bytes, len);
	return true;
}

void ends_move_sparse(struct lane *lane, uint8_t *mem, uint64_t offset, uint32_t len)
{
	const struct end_facts *f = &lane->ep->facts;
	uint32_t at, run;
	bool is_zero;

	for (at = 0; at < len; at += run) {
		run = zeros_run(mem + at, len - at, f->hole_bytes, &is_zero);
		if (is_zero && f->fresh)
			continue;
		if (!is_zero || !ends_trim_all(lane, offset + at, run))
			ends_move_all(lane, mem + at, offset + at, run);
	}
}

uint8_t *ends_sparse_bytes(size_t len, uint64_t seed)
{
	struct rng r = { seed };
	uint8_t *bytes = calloc(len ? len : 1, 1);

	assert_non_null(bytes);
	for (size_t at = 0, n; at < len; at += n) {
		n = (size_t)min_u64(rng_between(&r, 1, 40000), len - at);
		if (rng_below(&r, 2))
			rng_fill(&r, bytes + at, n);
	}
	return bytes;
}

long long ends_allocated(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (long long)st.st_blocks * 512;
}

void ends_move_all(struct lane *lane, void *mem, uint64_t offset, uint32_t len)
{
	struct xfer x = ends_move(lane, mem, offset, len);

	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_int_equal(x.done_bytes, len);
	assert_int_equal(x.notes & ~(unsigned)XFER_NOT_DIRECT, 0);
}

struct xfer ends_move_fails(struct lane *lane, void *mem, uint64_t offset, uint32_t len, int err)
{
	struct xfer x = ends_move(lane, mem, offset, len);

	assert_int_equal(x.fault.kind, FAULT_OS);
	assert_int_equal(x.fault.err, err);
	return x;
}

void ends_refused(
	ends_open_fn *open_end, const struct file_params *p, int exit_status, const char *words)
{
	struct capture c;
	int status = 4711;
	struct endpoint *ep;
	const char *text;

	capture_begin(&c);
	ep = open_end(p, &status);
	text = capture_end(&c);
	assert_null(ep);
	assert_int_equal(status, exit_status);
	if (!strstr(text, words) || strchr(text, '\n') != text + strlen(text) - 1)
		fail_msg("not one line with \"%s\": %s", words, text);
}

void ends_submit_aborts(struct lane *lane, struct xfer *x)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		close(STDERR_FILENO);
		lane->ep->ops->submit(lane, x);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

void ends_limit_file_size(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void move_chunks(
	struct lane *lane, const uint8_t *bytes, size_t len, uint32_t chunk, struct rng *r)
{
	size_t nchunks = (len + chunk - 1) / chunk, at = rng_below(r, nchunks);
	uint8_t *mem = ends_memory(chunk);

	for (size_t i = 0; i < nchunks; i++, at = (at + 1) % nchunks) {
		uint32_t n = (uint32_t)min_u64(chunk, len - at * chunk);

		memcpy(mem, bytes + at * chunk, n);
		ends_move_sparse(lane, mem, at * chunk, n);
	}
	free(mem);
}

static void sparse_copy(ends_open_fn *open_end, const char *path, uint64_t seed, unsigned flags)
{
	struct rng r = { seed };
	size_t len = (size_t)rng_between(&r, 1, 300000);
	uint32_t chunk = (uint32_t)rng_between(&r, 1, 60000);
	uint8_t *bytes = ends_sparse_bytes(len, seed);
	struct endpoint *out;
	struct lane *lane;

	if (rng_below(&r, 2))
		chunk = (uint32_t)max_u64(round_down_u64(chunk, 4096), 1);
	ends_file(path, (size_t)rng_between(&r, 0, 2 * len), seed + 1);
	if (ends_size(path) > (long long)len)
		assert_int_equal(truncate(path, (off_t)len), 0);
	out = ends_open(open_end, path, END_DEST, flags);
	assert_true(out->facts.fresh == !(flags & END_NOTRUNC));
	assert_int_equal(out->ops->begin(out, 0, len), 0);
	lane = ends_lane(out);
	move_chunks(lane, bytes, len, chunk, &r);
	assert_int_equal(out->ops->end(out, len, true), 0);
	ends_close(out, lane);
	ends_expect(path, bytes, len);
	free(bytes);
}

void ends_sparse_copies(ends_open_fn *open_end, const char *path)
{
	for (uint64_t seed = 1; seed <= 100; seed++)
		sparse_copy(open_end, path, seed, seed % 2 ? END_NOTRUNC : 0);
}

const char *ends_text(const struct endpoint *ep, const struct xfer *x)
{
	static char text[400];

	ep->ops->describe(ep, x, text, sizeof(text));
	return text;
}
