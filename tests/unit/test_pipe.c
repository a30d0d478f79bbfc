/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endpoints/pipe.h"
#include "../lib/capture.h"
#include "../lib/ends.h"
#include "../lib/rng.h"

static struct tree tree;
static char path[PATH_MAX];

static int make_tree(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	ends_setup(&tree, path);
	return 0;
}

static int drop_tree(void **state)
{
	(void)state;
	ends_teardown(&tree);
	return 0;
}

static struct endpoint *open_with(int fd, enum end_role role, unsigned flags)
{
	int status = 4711;
	struct endpoint *ep = pipe_open(&(struct pipe_params){ path, role, fd, flags }, &status);

	assert_non_null(ep);
	assert_int_equal(ep->role, role);
	return ep;
}

static struct endpoint *open_on(int fd, enum end_role role)
{
	return open_with(fd, role, 0);
}

static void make_pipe(int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

/* --- the other side of a stream, in a thread --- */

struct other_side {
	pthread_t thread;
	int fd;
	uint8_t *bytes;
	size_t len;
	uint64_t seed;
	size_t done;
};

static void *dribble(void *arg)
{
	struct other_side *o = arg;
	struct rng r = { o->seed };

	while (o->done < o->len) {
		size_t piece = (size_t)min_u64(rng_between(&r, 1, 9000), o->len - o->done);
		ssize_t nwritten = write(o->fd, o->bytes + o->done, piece);

		if (nwritten <= 0)
			break;
		o->done += (size_t)nwritten;
		if (rng_once_in(&r, 4))
			sched_yield();
	}
	close(o->fd);
	return NULL;
}

static void *swallow(void *arg)
{
	struct other_side *o = arg;
	struct rng r = { o->seed };

	while (o->done < o->len) {
		size_t piece = (size_t)min_u64(rng_between(&r, 1, 9000), o->len - o->done);
		ssize_t nread = read(o->fd, o->bytes + o->done, piece);

		if (nread <= 0)
			break;
		o->done += (size_t)nread;
	}
	close(o->fd);
	return NULL;
}

static void other_side(
	struct other_side *o, void *(*run)(void *), int fd, size_t len, uint64_t seed)
{
	*o = (struct other_side){ .fd = fd, .len = len, .seed = seed };
	o->bytes = ends_bytes(len, seed);
	assert_int_equal(pthread_create(&o->thread, NULL, run, o), 0);
}

static void other_side_ends(struct other_side *o)
{
	assert_int_equal(pthread_join(o->thread, NULL), 0);
	free(o->bytes);
}

/* --- facts --- */

static void a_stream_has_an_order_and_no_end(void **state)
{
	int fds[2];
	struct endpoint *ep;

	(void)state;
	make_pipe(fds);
	ep = open_on(fds[1], END_DEST);
	assert_string_equal(ep->facts.kind, "pipe");
	assert_int_equal(ep->facts.cls, END_BUFFERED);
	assert_true(ep->facts.sequential && ep->facts.size_bytes == SIZE_UNKNOWN);
	assert_int_equal(ep->facts.block_bytes, 1);
	assert_false(ep->facts.evented || ep->facts.needs_flush);
	assert_int_equal(ep->ops->probe(ep, 12345, 0), 0);
	assert_int_equal(ep->facts.max_xfer_bytes, 12345);
	ends_close(ep, NULL);
	close(fds[0]);
	close(fds[1]);
}

static void a_descriptor_that_was_given_is_left_as_it_was(void **state)
{
	int fds[2], flags;

	(void)state;
	make_pipe(fds);
	flags = fcntl(fds[0], F_GETFL);
	ends_close(open_on(fds[0], END_SOURCE), NULL);
	assert_int_equal(fcntl(fds[0], F_GETFL), flags);
	close(fds[0]);
	close(fds[1]);
}

/* --- reading --- */

static void read_all(struct endpoint *ep, const struct other_side *o)
{
	const uint32_t chunk = 10007;
	uint8_t *mem = ends_memory(chunk);
	struct lane *lane = ends_lane(ep);
	size_t at = 0;

	while (o->len - at >= chunk) {
		ends_move_all(lane, mem, at, chunk);
		assert_memory_equal(mem, o->bytes + at, chunk);
		at += chunk;
	}
	for (int i = 0; i < 2; i++) {
		struct xfer x = ends_move(lane, mem, at, chunk);

		assert_int_equal(x.fault.kind, FAULT_NONE);
		assert_int_equal(x.done_bytes, o->len - at);
		assert_memory_equal(mem, o->bytes + at, x.done_bytes);
		at += x.done_bytes;
	}
	ep->ops->lane_close(lane);
	free(mem);
}

static void pieces_of_any_size_make_whole_transfers(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct other_side o;
		struct endpoint *ep;
		int fds[2];

		make_pipe(fds);
		ep = open_on(fds[0], END_SOURCE);
		other_side(&o, dribble, fds[1], 200000 + seed * 997, seed);
		read_all(ep, &o);
		other_side_ends(&o);
		ends_close(ep, NULL);
		close(fds[0]);
	}
}

static void a_socket_is_read_like_a_pipe(void **state)
{
	struct other_side o;
	struct endpoint *ep;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ep = open_on(fds[0], END_SOURCE);
	other_side(&o, dribble, fds[1], 300000, 3);
	read_all(ep, &o);
	other_side_ends(&o);
	ends_close(ep, NULL);
	close(fds[0]);
}

static void a_descriptor_that_does_not_block_is_waited_for(void **state)
{
	struct other_side o;
	struct endpoint *ep;
	int fds[2];

	(void)state;
	make_pipe(fds);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	ep = open_on(fds[0], END_SOURCE);
	other_side(&o, dribble, fds[1], 300000, 3);
	read_all(ep, &o);
	other_side_ends(&o);
	ends_close(ep, NULL);
	close(fds[0]);
}

static void *open_to_write(void *arg)
{
	struct other_side *o = arg;

	o->fd = open(path, O_WRONLY | O_CLOEXEC);
	return dribble(o);
}

static void a_fifo_is_opened_by_its_name(void **state)
{
	struct other_side o;
	struct endpoint *ep;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	other_side(&o, open_to_write, -1, 300000, 3);
	ep = open_on(-1, END_SOURCE);
	read_all(ep, &o);
	other_side_ends(&o);
	ends_close(ep, NULL);
}

static void the_end_stays_the_end(void **state)
{
	uint8_t mem[16];
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;
	int fd;

	(void)state;
	ends_file(path, 10, 1);
	ep = open_on(-1, END_SOURCE);
	lane = ends_lane(ep);
	x = ends_move(lane, mem, 0, 16);
	assert_int_equal(x.done_bytes, 10);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "more", 4), 4);
	close(fd);
	x = ends_move(lane, mem, 10, 16);
	assert_int_equal(x.done_bytes, 0);
	assert_int_equal(x.fault.kind, FAULT_NONE);
	ends_close(ep, lane);
}

/* --- writing --- */

static void write_all(struct endpoint *ep, size_t len, uint64_t seed)
{
	const uint32_t chunk = 10007;
	uint8_t *bytes = ends_bytes(len, seed), *mem = ends_memory(chunk);
	struct lane *lane = ends_lane(ep);

	for (size_t at = 0; at < len; at += chunk) {
		uint32_t n = (uint32_t)min_u64(chunk, len - at);

		memcpy(mem, bytes + at, n);
		ends_move_all(lane, mem, at, n);
	}
	ep->ops->lane_close(lane);
	free(mem);
	free(bytes);
}

static void expect_swallowed(int read_fd, int write_fd, size_t len, uint64_t seed)
{
	uint8_t *bytes = ends_bytes(len, seed);
	struct endpoint *ep = open_on(write_fd, END_DEST);
	struct other_side o;

	other_side(&o, swallow, read_fd, len, 0);
	write_all(ep, len, seed);
	assert_int_equal(pthread_join(o.thread, NULL), 0);
	assert_int_equal(o.done, len);
	assert_memory_equal(o.bytes, bytes, len);
	ends_close(ep, NULL);
	close(write_fd);
	free(o.bytes);
	free(bytes);
}

static void a_slow_reader_gets_every_byte(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		int fds[2];

		make_pipe(fds);
		expect_swallowed(fds[0], fds[1], 1500000 + seed * 997, seed);
	}
}

static void a_socket_is_written_like_a_pipe(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	expect_swallowed(fds[0], fds[1], 1500000, 5);
}

static void a_full_pipe_that_does_not_block_is_waited_for(void **state)
{
	int fds[2];

	(void)state;
	make_pipe(fds);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	expect_swallowed(fds[0], fds[1], 3000000, 5);
}

static void a_reader_that_left_is_a_broken_pipe(void **state)
{
	uint8_t mem[4096] = { 0 };
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;
	int fds[2];

	(void)state;
	make_pipe(fds);
	ep = open_on(fds[1], END_DEST);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, 0, 4096);
	close(fds[0]);
	x = ends_move_fails(lane, mem, 4096, 4096, EPIPE);
	assert_int_equal(x.done_bytes, 0);
	assert_string_equal(ends_text(ep, &x), "write at byte 4096, 4096 bytes: Broken pipe");
	ends_close(ep, lane);
	close(fds[1]);
}

static void a_reader_that_leaves_in_the_middle_counts_what_it_took(void **state)
{
	const uint32_t len = 3u << 20;
	uint8_t *mem = ends_memory(len);
	struct other_side o;
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;
	int fds[2];

	(void)state;
	make_pipe(fds);
	ep = open_on(fds[1], END_DEST);
	lane = ends_lane(ep);
	other_side(&o, swallow, fds[0], 100000, 1);
	x = ends_move_fails(lane, mem, 0, len, EPIPE);
	assert_in_range(x.done_bytes, 100000, len - 1);
	other_side_ends(&o);
	ends_close(ep, lane);
	close(fds[1]);
	free(mem);
}

static void a_full_device_has_no_space(void **state)
{
	uint8_t mem[512] = { 0 };
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	strcpy(path, "/dev/full");
	ep = open_on(-1, END_DEST);
	lane = ends_lane(ep);
	x = ends_move_fails(lane, mem, 1024, 512, ENOSPC);
	assert_string_equal(
		ends_text(ep, &x), "write at byte 1024, 512 bytes: No space left on device");
	ends_close(ep, lane);
}

/* Once its generator is seeded random(4) never polls writable, and a write to it never waits. */
static void a_device_of_memory_is_not_waited_for(void **state)
{
	uint8_t mem[512] = { 0 };
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	strcpy(path, "/dev/random");
	ep = open_on(-1, END_DEST);
	lane = ends_lane(ep);
	ep->hurry = true; /* so that waiting would end */
	ends_move_all(lane, mem, 0, 512);
	ends_close(ep, lane);
}

/* The far side goes without having read all that it was sent: a reset, told once, then the end. */
static void reset_behind(const char *text, int *fd)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), strlen(text));
	assert_int_equal(write(fds[0], "x", 1), 1);
	close(fds[1]);
	*fd = fds[0];
}

static void a_transfer_that_failed_half_way_is_not_begun_again(void **state)
{
	uint8_t mem[1024];
	struct endpoint *ep;
	struct lane *lane;
	int fd;

	(void)state;
	reset_behind("some", &fd);
	ep = open_on(fd, END_SOURCE);
	lane = ends_lane(ep);
	for (int i = 0; i < 3; i++) {
		struct xfer x = ends_move_fails(lane, mem, 0, sizeof(mem), ECONNRESET);

		assert_int_equal(x.done_bytes, 4);
	}
	ends_close(ep, lane);
	close(fd);
}

static void a_transfer_that_failed_at_its_first_byte_is(void **state)
{
	uint8_t mem[1024];
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;
	int fd;

	(void)state;
	reset_behind("", &fd);
	ep = open_on(fd, END_SOURCE);
	lane = ends_lane(ep);
	x = ends_move_fails(lane, mem, 0, sizeof(mem), ECONNRESET);
	assert_int_equal(x.done_bytes, 0);
	x = ends_move(lane, mem, 0, sizeof(mem));
	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_int_equal(x.done_bytes, 0);
	ends_close(ep, lane);
	close(fd);
}

/* --- hurry --- */

static void *hurry_soon(void *arg)
{
	struct endpoint *ep = arg;

	usleep(20000);
	ep->hurry = true;
	return NULL;
}

static struct xfer moved_in_a_hurry(int fd, enum end_role role)
{
	const uint32_t len = 3u << 20; /* more than a pipe or a socket holds */
	uint8_t *mem = ends_memory(len);
	struct endpoint *ep = open_on(fd, role);
	struct lane *lane = ends_lane(ep);
	pthread_t thread;
	struct xfer x;

	assert_int_equal(pthread_create(&thread, NULL, hurry_soon, ep), 0);
	x = ends_move(lane, mem, 0, len);
	assert_int_equal(pthread_join(thread, NULL), 0);
	ends_close(ep, lane);
	free(mem);
	return x;
}

static void a_read_in_a_hurry_ends_with_what_it_has(void **state)
{
	int fds[2];
	struct xfer x;

	(void)state;
	make_pipe(fds);
	assert_int_equal(write(fds[1], "some", 4), 4);
	x = moved_in_a_hurry(fds[0], END_SOURCE);
	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_int_equal(x.done_bytes, 4);
	close(fds[0]);
	close(fds[1]);
}

static void expect_interrupted_write(int fds[2])
{
	struct xfer x = moved_in_a_hurry(fds[1], END_DEST);

	assert_int_equal(x.fault.kind, FAULT_OS);
	assert_int_equal(x.fault.err, EINTR);
	assert_in_range(x.done_bytes, 4096, x.len_bytes - 1);
	close(fds[0]);
	close(fds[1]);
}

static void a_write_in_a_hurry_is_interrupted(void **state)
{
	int fds[2];

	(void)state;
	make_pipe(fds);
	expect_interrupted_write(fds);
}

static void a_write_to_a_socket_in_a_hurry_is_interrupted(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	expect_interrupted_write(fds);
}

/* --- skip and seek --- */

static void a_skip_is_read_and_thrown_away(void **state)
{
	const size_t skip = 150001;
	uint8_t mem[100];
	struct other_side o;
	struct endpoint *ep;
	struct lane *lane;
	int fds[2];

	(void)state;
	make_pipe(fds);
	ep = open_on(fds[0], END_SOURCE);
	other_side(&o, dribble, fds[1], skip + 100, 7);
	assert_int_equal(ep->ops->probe(ep, 4096, skip), 0);
	assert_int_equal(ep->ops->begin(ep, skip, SIZE_UNKNOWN), 0);
	lane = ends_lane(ep);
	ends_move_all(lane, mem, skip, 100);
	assert_memory_equal(mem, o.bytes + skip, 100);
	other_side_ends(&o);
	ends_close(ep, lane);
	close(fds[0]);
}

static void a_skip_past_the_end_is_refused(void **state)
{
	struct capture c;
	struct endpoint *ep;
	int fds[2];

	(void)state;
	make_pipe(fds);
	assert_int_equal(write(fds[1], "short", 5), 5);
	close(fds[1]);
	ep = open_on(fds[0], END_SOURCE);
	capture_begin(&c);
	assert_int_equal(ep->ops->begin(ep, 6, SIZE_UNKNOWN), -1);
	assert_non_null(strstr(capture_end(&c), "ends at byte 5, before the 6 to be skipped\n"));
	assert_int_equal(ep->exit_status, EXIT_FILE);
	ends_close(ep, NULL);
	close(fds[0]);
}

/* Of which 600 bytes have been read before. */
static int begun_at(uint64_t at, struct lane **lane)
{
	struct capture c;
	struct endpoint *ep;
	int fd, status;

	ends_file(path, 1000, 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(lseek(fd, 600, SEEK_SET), 600);
	ep = open_on(fd, END_SOURCE);
	capture_begin(&c);
	status = ep->ops->begin(ep, at, SIZE_UNKNOWN) < 0 ? ep->exit_status : 0;
	if (status)
		assert_non_null(strstr(capture_end(&c), "where to begin, is past its end\n"));
	else
		assert_string_equal(capture_end(&c), "");
	*lane = ends_lane(ep);
	return status;
}

static void a_file_that_was_opened_for_us_is_sought_up_to_its_end(void **state)
{
	static const struct {
		uint64_t at;
		int status;
		uint32_t there;
	} rows[] = { { 1, 0, 399 }, { 400, 0, 0 }, { 401, EXIT_LBA_RANGE, 400 } };
	uint8_t mem[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lane *lane = NULL;
		struct xfer x;

		assert_int_equal(begun_at(rows[i].at, &lane), rows[i].status);
		x = ends_move(lane, mem, 0, sizeof(mem));
		assert_int_equal(x.done_bytes, rows[i].there);
		ends_close(lane->ep, lane);
	}
}

/* It tells 0 bytes. */
static void a_file_that_tells_no_size_is_read_to_its_end(void **state)
{
	uint8_t mem[4096];
	struct endpoint *ep;
	struct lane *lane;
	struct xfer x;

	(void)state;
	strcpy(path, "/proc/version");
	ep = ends_begin(open_on(-1, END_SOURCE), 6, SIZE_UNKNOWN);
	lane = ends_lane(ep);
	assert_true(ep->facts.size_bytes == SIZE_UNKNOWN);
	x = ends_move(lane, mem, 6, sizeof(mem));
	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_true(x.done_bytes > 8 && x.done_bytes < sizeof(mem));
	assert_memory_equal(mem, "version ", 8);
	ends_close(ep, lane);
}

static void nor_can_it_be_skipped_past_its_end(void **state)
{
	struct capture c;
	struct endpoint *ep;

	(void)state;
	strcpy(path, "/proc/version");
	ep = open_on(-1, END_SOURCE);
	capture_begin(&c);
	assert_int_equal(ep->ops->begin(ep, 4096, SIZE_UNKNOWN), -1);
	assert_non_null(strstr(capture_end(&c), "byte 4096, where to begin, is past its end\n"));
	assert_int_equal(ep->exit_status, EXIT_LBA_RANGE);
	ends_close(ep, NULL);
}

static void a_seek_in_a_stream_is_refused(void **state)
{
	struct capture c;
	struct endpoint *ep;
	int fds[2];

	(void)state;
	make_pipe(fds);
	ep = open_on(fds[1], END_DEST);
	capture_begin(&c);
	assert_int_equal(ep->ops->probe(ep, 4096, 1), -1);
	assert_non_null(strstr(capture_end(&c), "is a stream: no place in it can be sought"));
	assert_int_equal(ep->exit_status, EXIT_CONTRADICT);
	ends_close(ep, NULL);
	close(fds[0]);
	close(fds[1]);
}

static void standard_output_may_be_a_file_and_seeks_from_where_it_stands(void **state)
{
	uint8_t *bytes = ends_bytes(1000, 1), mem[10];
	int fd;
	struct endpoint *ep;
	struct lane *lane;
	struct fault f;

	(void)state;
	ends_file(path, 1000, 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(lseek(fd, 100, SEEK_SET), 100);
	ep = open_on(fd, END_DEST);
	assert_true(ep->facts.needs_flush);
	assert_int_equal(ep->ops->probe(ep, 4096, 50), 0);
	assert_int_equal(ep->ops->begin(ep, 50, 10), 0);
	lane = ends_lane(ep);
	memset(mem, 0xee, 10);
	ends_move_all(lane, mem, 50, 10);
	assert_true(ep->ops->flush(ep, &f));
	memset(bytes + 150, 0xee, 10);
	ends_expect(path, bytes, 1000);
	ends_close(ep, lane);
	close(fd);
	free(bytes);
}

/* --- flags of a descriptor that others have too --- */

static void append_writes_behind_the_end_and_leaves_no_flag(void **state)
{
	uint8_t *bytes = ends_bytes(1010, 1), mem[10];
	struct endpoint *ep;
	struct lane *lane;
	int fd;

	(void)state;
	ends_file(path, 1000, 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ep = open_with(fd, END_DEST, END_APPEND);
	assert_int_equal(fcntl(fd, F_GETFL) & O_APPEND, 0);
	ends_begin(ep, 0, 10);
	assert_int_equal(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
	lane = ends_lane(ep);
	memset(mem, 0xee, 10);
	ends_move_all(lane, mem, 0, 10);
	ends_close(ep, lane);
	assert_int_equal(fcntl(fd, F_GETFL) & O_APPEND, 0);
	memset(bytes + 1000, 0xee, 10);
	ends_expect(path, bytes, 1010);
	close(fd);
	free(bytes);
}

static void a_flag_that_was_set_stays(void **state)
{
	struct endpoint *ep;
	int fd;

	(void)state;
	ends_file(path, 1000, 1);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	ep = ends_begin(open_with(fd, END_DEST, END_APPEND), 0, 10);
	ends_close(ep, NULL);
	assert_int_equal(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
	close(fd);
}

static void a_pipe_is_appended_to_as_it_is(void **state)
{
	int fds[2];

	(void)state;
	make_pipe(fds);
	ends_close(ends_begin(open_with(fds[1], END_DEST, END_APPEND), 0, 10), NULL);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_APPEND, 0);
	close(fds[0]);
	close(fds[1]);
}

/* All of it, in transfers of 8 KiB; *flagged: what the descriptor had after the first one. */
static void move_directly(int fd, enum end_role role, uint8_t *bytes, uint32_t len, int *flagged)
{
	struct endpoint *ep = ends_begin(open_with(fd, role, END_DIRECT), 0, len);
	struct lane *lane = ends_lane(ep);
	uint8_t *mem = ends_memory(8192);

	for (uint32_t at = 0; at < len; at += 8192) {
		uint32_t part = (uint32_t)min_u64(8192, len - at);

		if (role == END_DEST)
			memcpy(mem, bytes + at, part);
		ends_move_all(lane, mem, at, part);
		if (role == END_SOURCE)
			assert_memory_equal(mem, bytes + at, part);
		if (at == 0)
			*flagged = fcntl(fd, F_GETFL) & O_DIRECT;
	}
	ends_close(ep, lane);
	free(mem);
}

static void direct_is_had_but_for_an_odd_end(void **state)
{
	uint8_t *bytes = ends_bytes(20001, 1);
	int fd, flagged = 0;

	(void)state;
	ends_file(path, 20001, 1);
	fd = open(path, O_RDWR | O_CLOEXEC | O_DIRECT);
	if (fd < 0) {
		free(bytes);
		skip(); /* this file system has none */
	}
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	move_directly(fd, END_SOURCE, bytes, 20001, &flagged);
	assert_int_equal(flagged, O_DIRECT);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	move_directly(fd, END_DEST, bytes, 20001, &flagged);
	assert_int_equal(flagged, O_DIRECT);
	assert_int_equal(fcntl(fd, F_GETFL) & O_DIRECT, 0);
	ends_expect(path, bytes, 20001);
	close(fd);
	free(bytes);
}

/* --- zeros that are left out --- */

static void zeros_become_holes_where_standard_output_is_a_file(void **state)
{
	uint8_t *bytes = ends_bytes(65536, 1);
	struct endpoint *ep;
	struct lane *lane;
	bool had;
	int fd;

	(void)state;
	ends_file(path, 40960, 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(lseek(fd, 4096, SEEK_SET), 4096);
	ep = ends_begin(open_on(fd, END_DEST), 0, SIZE_UNKNOWN);
	assert_true(ep->facts.can_trim && ep->facts.hole_bytes > 0 && !ep->facts.fresh);
	lane = ends_lane(ep);
	had = ends_trim_all(lane, 0, 8192);
	if (had) {
		ends_move_all(lane, bytes + 12288, 8192, 4096);
		assert_true(ends_trim_all(lane, 12288, 49152));
		assert_int_equal(ends_size(path), 40960);
		assert_int_equal(ep->ops->end(ep, 61440, true), 0);
	}
	ends_close(ep, lane);
	close(fd);
	memset(bytes + 4096, 0, 8192);
	memset(bytes + 16384, 0, 49152);
	if (had)
		ends_expect(path, bytes, 65536);
	free(bytes);
	if (!had)
		skip();
}

static void nor_do_they_where_all_is_appended(void **state)
{
	int fds[2], fd;
	struct endpoint *ep;

	(void)state;
	ends_file(path, 1000, 1);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	ep = open_on(fd, END_DEST);
	assert_false(ep->facts.can_trim || ep->facts.hole_bytes);
	ends_close(ep, NULL);
	close(fd);
	make_pipe(fds);
	ep = open_on(fds[1], END_DEST);
	assert_false(ep->facts.can_trim || ep->facts.hole_bytes);
	ends_close(ep, NULL);
	close(fds[0]);
	close(fds[1]);
}

/* --- refusals --- */

static void refused(int fd, enum end_role role, const char *words)
{
	struct capture c;
	int status = 4711;
	struct endpoint *ep;

	capture_begin(&c);
	ep = pipe_open(&(struct pipe_params){ path, role, fd, 0 }, &status);
	capture_end(&c);
	assert_null(ep);
	assert_int_equal(status, EXIT_FILE);
	assert_non_null(strstr(c.text, words));
}

static void what_cannot_be_opened_is_refused(void **state)
{
	int fds[2];

	(void)state;
	refused(-1, END_SOURCE, "cannot open: No such file");
	make_pipe(fds);
	refused(fds[0], END_DEST, "is not open for writing");
	refused(fds[1], END_SOURCE, "is not open for reading");
	close(fds[0]);
	close(fds[1]);
	refused(1000, END_SOURCE, "cannot open: Bad file descriptor");
	strcpy(path, tree.root);
	refused(-1, END_SOURCE, "cannot open: Is a directory");
}

static void a_write_to_a_source_ends_the_program(void **state)
{
	uint8_t mem[512];
	struct xfer x = { .op = XFER_WRITE, .len_bytes = 512, .buf = mem };
	struct endpoint *ep;
	struct lane *lane;

	(void)state;
	ends_file(path, 512, 1);
	ep = open_on(-1, END_SOURCE);
	lane = ends_lane(ep);
	ends_submit_aborts(lane, &x);
	ends_close(ep, lane);
}

#define on_tree(f) cmocka_unit_test_setup_teardown(f, make_tree, drop_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tree(a_stream_has_an_order_and_no_end),
		on_tree(a_descriptor_that_was_given_is_left_as_it_was),
		on_tree(pieces_of_any_size_make_whole_transfers),
		on_tree(a_socket_is_read_like_a_pipe),
		on_tree(a_descriptor_that_does_not_block_is_waited_for),
		on_tree(a_fifo_is_opened_by_its_name),
		on_tree(the_end_stays_the_end),
		on_tree(a_slow_reader_gets_every_byte),
		on_tree(a_socket_is_written_like_a_pipe),
		on_tree(a_full_pipe_that_does_not_block_is_waited_for),
		on_tree(a_reader_that_left_is_a_broken_pipe),
		on_tree(a_reader_that_leaves_in_the_middle_counts_what_it_took),
		on_tree(a_full_device_has_no_space),
		on_tree(a_device_of_memory_is_not_waited_for),
		on_tree(a_transfer_that_failed_half_way_is_not_begun_again),
		on_tree(a_transfer_that_failed_at_its_first_byte_is),
		on_tree(a_read_in_a_hurry_ends_with_what_it_has),
		on_tree(a_write_in_a_hurry_is_interrupted),
		on_tree(a_write_to_a_socket_in_a_hurry_is_interrupted),
		on_tree(a_skip_is_read_and_thrown_away),
		on_tree(a_skip_past_the_end_is_refused),
		on_tree(a_file_that_was_opened_for_us_is_sought_up_to_its_end),
		on_tree(a_file_that_tells_no_size_is_read_to_its_end),
		on_tree(nor_can_it_be_skipped_past_its_end),
		on_tree(a_seek_in_a_stream_is_refused),
		on_tree(standard_output_may_be_a_file_and_seeks_from_where_it_stands),
		on_tree(append_writes_behind_the_end_and_leaves_no_flag),
		on_tree(a_flag_that_was_set_stays),
		on_tree(a_pipe_is_appended_to_as_it_is),
		on_tree(direct_is_had_but_for_an_odd_end),
		on_tree(zeros_become_holes_where_standard_output_is_a_file),
		on_tree(nor_do_they_where_all_is_appended),
		on_tree(what_cannot_be_opened_is_refused),
		on_tree(a_write_to_a_source_ends_the_program),
	};

	return cmocka_run_group_tests_name("pipe", tests, NULL, NULL);
}
