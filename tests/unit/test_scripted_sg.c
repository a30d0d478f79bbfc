/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sg end against a scripted driver: which calls it makes, with which headers, and what it makes
 * of every kind of answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <scsi/sg.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endpoints/sg_end.h"
#include "../../scsi/reply.h"
#include "../lib/capture.h"
#include "../lib/scripted.h"

#define SG_NAME	   "/dev/sg7"
#define BLOCK_NAME "/dev/sdh"
#define ROOM	   65536u
#define TIMEOUT_MS 60000

#define TAIL   0x10u
#define MMAPED (0x04u | TAIL)
#define DIRECT (0x01u | TAIL)

/* --- words for scripts --- */

#define OPENS(name, access) \
	{ \
		.call = CALL_OPEN, .path = name, .arg = (access) | O_NONBLOCK | O_CLOEXEC \
	}
#define SETS(n) \
	{ \
		.call = CALL_SET, .arg = n \
	}
#define GETS(n) \
	{ \
		.call = CALL_GET, .value = n \
	}
#define MAPS(n, protection) \
	{ \
		.call = CALL_MMAP, .arg = n, .prot = protection \
	}
#define DATA_FD(access, n) OPENS(SG_NAME, access), SETS(n), GETS(n)

/* READ(10) or WRITE(10) of 8 blocks of 512 bytes at LBA 1000. */
#define COMMAND(opcode, way, flag_bits, memory_at) \
	{ \
		.cdb = { opcode, 0, 0, 0, 0x03, 0xe8, 0, 0, 8, 0 }, .cdb_len = 10, \
		.direction = way, .flags = flag_bits, .len = 4096, .timeout_ms = TIMEOUT_MS, \
		.dxferp = memory_at \
	}
#define READ_10(flag_bits, at)	COMMAND(0x28, SG_DXFER_FROM_DEV, flag_bits, at)
#define WRITE_10(flag_bits, at) COMMAND(0x2a, SG_DXFER_TO_DEV, flag_bits, at)

static uint8_t memory[ROOM];

/* Shared libraries' ioctl() too: libsgutils2 sends the housekeeping commands. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	return script_ioctl(fd, request, arg);
}

/* Nobody waits: the time that was slept is added up, and at some time a run may be told to end. */
static struct {
	uint64_t slept_ms, hurry_at_ms;
	struct endpoint *ep; /* NULL: never */
} clock_of_test;

int __wrap_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *t, struct timespec *rest);

int __wrap_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *t, struct timespec *rest)
{
	(void)clock;
	(void)flags;
	(void)rest;
	clock_of_test.slept_ms += (uint64_t)(t->tv_sec * 1000 + t->tv_nsec / NSEC_PER_MSEC);
	if (clock_of_test.ep && clock_of_test.slept_ms >= clock_of_test.hurry_at_ms)
		clock_of_test.ep->hurry = true;
	return 0;
}

/* --- a lane --- */

struct rig {
	struct sg_end end;
	struct lane_spec spec;
	struct lane *lane;
	struct xfer x;
	struct capture said;
};

static void rig_role(struct rig *r, enum end_role role)
{
	r->end.ep.role = role;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->end.ep.name = r->end.path = SG_NAME;
	r->end.ep.facts.block_bytes = 512;
	r->end.id.block_bytes = 512;
	r->end.id.blocks = UINT64_C(1) << 40;
	r->end.control_fd = r->end.block_fd = -1;
	strcpy(r->end.node.block_path, BLOCK_NAME);
	r->spec = (struct lane_spec){ .method = METHOD_MMAP,
		.io = IO_SG_IO,
		.max_bytes = ROOM,
		.cdb_bytes = 10,
		.timeout_ms = TIMEOUT_MS,
		.own_buffer = true };
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void as(struct rig *r, enum xfer_method method, enum io_kind io)
{
	r->spec.method = method;
	r->spec.io = io;
	r->spec.own_buffer = method == METHOD_MMAP;
}

#define BEGIN(steps) script_begin(steps, ARRAY_SIZE(steps))

static void open_lane(struct rig *r)
{
	r->lane = sg_lane_open(&r->end.ep, &r->spec);
	assert_non_null(r->lane);
}

static void end_lane(struct rig *r)
{
	sg_lane_close(r->lane);
	if (r->end.block_fd >= 0)
		close(r->end.block_fd);
	script_end();
}

/* 8 blocks at LBA 1000. The outcome is nonsense until the lane fills it in. */
static enum xfer_state submit(struct rig *r)
{
	r->x.op = r->end.ep.role == END_DEST ? XFER_WRITE : XFER_READ;
	r->x.offset_bytes = 1000 * 512;
	r->x.len_bytes = 4096;
	r->x.buf = r->lane->buf ? r->lane->buf : memory;
	r->x.done_bytes = 4711;
	r->x.notes = 4711;
	r->x.fault.kind = FAULT_OTHER;
	return sg_submit(r->lane, &r->x);
}

static void carry(struct rig *r)
{
	enum xfer_state state = submit(r);

	assert_int_equal(state, r->spec.io == IO_RW ? XFER_WAIT : XFER_DONE);
	if (state == XFER_WAIT)
		sg_reap(r->lane, &r->x);
}

static void assert_outcome(const struct rig *r, enum fault_kind kind, uint32_t done, unsigned notes)
{
	assert_string_equal(fault_kind_name(r->x.fault.kind), fault_kind_name(kind));
	assert_int_equal(r->x.done_bytes, done);
	assert_int_equal(r->x.notes, notes);
}

/* One transfer of a source's indirect SG_IO lane with that answer. */
static void read_answered(struct rig *r, const struct script_step *answer)
{
	struct script_step steps[] = {
		DATA_FD(O_RDONLY, ROOM),
		*answer,
	};

	steps[3].call = CALL_SG_IO;
	steps[3].cmd = (struct script_cmd)READ_10(TAIL, memory);
	as(r, METHOD_INDIRECT, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	end_lane(r);
}

/* --- headers --- */

static void a_mapped_read_has_no_data_pointer(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDONLY, ROOM),
		MAPS(ROOM, PROT_READ),
		{ .call = CALL_SG_IO, .cmd = READ_10(MMAPED, NULL) },
	};
	struct rig *r = *state;

	BEGIN(steps);
	open_lane(r);
	assert_non_null(r->lane->buf);
	assert_int_equal(r->lane->buf_bytes, ROOM);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
}

static void a_mapped_write_has_no_data_pointer(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, ROOM),
		MAPS(ROOM, PROT_READ | PROT_WRITE),
		{ .call = CALL_WRITE, .cmd = WRITE_10(MMAPED, NULL) },
		{ .call = CALL_READ },
	};
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_MMAP, IO_RW);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
}

static void the_buffer_is_asked_for_in_whole_pages(void **state)
{
	static const struct script_step steps[] = {
		OPENS(SG_NAME, O_RDONLY),
		SETS(8192),
		GETS(8192),
		MAPS(8192, PROT_READ),
	};
	struct rig *r = *state;

	r->spec.max_bytes = 520 * 9;
	BEGIN(steps);
	open_lane(r);
	end_lane(r);
}

static void direct_io_gives_the_memory_to_the_driver(void **state)
{
	static const struct script_step steps[] = {
		OPENS(SG_NAME, O_RDONLY),
		SETS(0),
		GETS(4096),
		{ .call = CALL_SG_IO,
			.cmd = READ_10(DIRECT, memory),
			.reply = { .info = SG_INFO_DIRECT_IO } },
	};
	struct rig *r = *state;

	as(r, METHOD_DIO, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	assert_null(r->lane->buf);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
}

static void direct_io_that_did_not_happen_is_noted(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, 0),
		{ .call = CALL_WRITE, .cmd = WRITE_10(DIRECT, memory) },
		{ .call = CALL_READ, .reply = { .info = SG_INFO_INDIRECT_IO } },
	};
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_DIO, IO_RW);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, XFER_NOT_DIRECT);
	end_lane(r);
}

static void indirect_io_queues_at_the_tail_and_has_no_other_flag(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, ROOM),
		{ .call = CALL_SG_IO, .cmd = WRITE_10(TAIL, memory) },
	};
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_INDIRECT, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
}

static void the_block_node_gets_no_flags_and_is_opened_once(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, 0),
		OPENS(BLOCK_NAME, O_RDWR),
		{ .call = CALL_SG_IO, .path = BLOCK_NAME, .cmd = WRITE_10(0, memory) },
		DATA_FD(O_RDWR, 0),
		{ .call = CALL_SG_IO, .path = BLOCK_NAME, .cmd = WRITE_10(0, memory) },
	};
	struct rig *r = *state;
	struct lane *first;

	rig_role(r, END_DEST);
	as(r, METHOD_DIO, IO_SG_IO);
	r->spec.via = VIA_BLOCK;
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0); /* direct by nature: nothing to note */
	first = r->lane;
	open_lane(r);
	carry(r);
	sg_lane_close(first);
	end_lane(r);
}

static void a_source_opens_its_block_node_for_reading_only(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDONLY, 0),
		OPENS(BLOCK_NAME, O_RDONLY),
	};
	struct rig *r = *state;

	as(r, METHOD_DIO, IO_SG_IO);
	r->spec.via = VIA_BLOCK;
	BEGIN(steps);
	open_lane(r);
	end_lane(r);
}

static void a_source_is_opened_for_writing_only_where_commands_go_by_write(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, ROOM),
		MAPS(ROOM, PROT_READ),
		{ .call = CALL_WRITE, .cmd = READ_10(MMAPED, NULL) },
		{ .call = CALL_READ },
	};
	struct rig *r = *state;

	as(r, METHOD_MMAP, IO_RW);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
}

static void dpo_and_fua_are_in_byte_one(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDONLY, ROOM),
		{ .call = CALL_SG_IO,
			.cmd = { .cdb = { 0x28, 0x18, 0, 0, 0x03, 0xe8, 0, 0, 8 },
				.cdb_len = 10,
				.direction = SG_DXFER_FROM_DEV,
				.flags = TAIL,
				.len = 4096,
				.dxferp = memory } },
	};
	struct rig *r = *state;

	r->end.flags = END_DPO | END_FUA | END_EXCL;
	as(r, METHOD_INDIRECT, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	end_lane(r);
}

static void sixteen_byte_commands_reach_past_2_to_the_32(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDONLY, ROOM),
		{ .call = CALL_SG_IO,
			.cmd = { .cdb = { 0x88, 0, 0, 0, 0, 0x01, 0, 0, 0, 0x02, 0, 0, 0, 1 },
				.cdb_len = 16,
				.direction = SG_DXFER_FROM_DEV,
				.flags = TAIL,
				.len = 4096,
				.dxferp = memory } },
	};
	struct rig *r = *state;

	r->spec.cdb_bytes = 16;
	r->end.ep.facts.block_bytes = 4096;
	as(r, METHOD_INDIRECT, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	r->x = (struct xfer){ .op = XFER_READ,
		.offset_bytes = (UINT64_C(0x100000002)) * 4096,
		.len_bytes = 4096,
		.buf = memory };
	assert_int_equal(sg_submit(r->lane, &r->x), XFER_DONE);
	end_lane(r);
}

static void a_lane_forgets_the_transfer_before(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDONLY, ROOM),
		{ .call = CALL_SG_IO,
			.cmd = READ_10(TAIL, memory),
			.reply = { .status = 2,
				.driver = 8,
				.sense_len = 18,
				.resid = 512,
				.sense = { 0x70, 0, 3, [7] = 10, [12] = 0x11 } } },
		{ .call = CALL_SG_IO, .cmd = READ_10(TAIL, memory) },
	};
	struct rig *r = *state;

	as(r, METHOD_INDIRECT, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_MEDIUM, 0, 0);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
}

/* --- errno --- */

static void an_errno_of_sg_io_is_a_fault_of_its_kind(void **state)
{
	static const struct {
		int err;
		enum fault_kind kind;
	} cases[] = {
		{ ENOMEM, FAULT_NO_MEMORY },
		{ EDOM, FAULT_LANE_BUSY },
		{ EBUSY, FAULT_LANE_BUSY },
		{ ENODEV, FAULT_GONE },
		{ ENXIO, FAULT_GONE },
		{ EFAULT, FAULT_UNMAPPABLE },
		{ EINTR, FAULT_OS },
		{ EPERM, FAULT_OS },
		{ EINVAL, FAULT_OS },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		read_answered(r, &(struct script_step){ .err = cases[i].err });
		assert_outcome(r, cases[i].kind, 0, 0);
		assert_int_equal(r->x.fault.err, cases[i].err);
	}
}

static void write_and_read(struct rig *r, const struct script_step *w, const struct script_step *rd)
{
	struct script_step steps[] = { DATA_FD(O_RDWR, ROOM), *w, *(rd ? rd : w), *(rd ? rd : w) };
	size_t n = !rd ? 4 : rd->err == EINTR ? 6 : 5;

	steps[3].call = CALL_WRITE;
	steps[3].cmd = (struct script_cmd)READ_10(TAIL, memory);
	steps[4].call = steps[5].call = CALL_READ;
	if (n == 6)
		steps[5].err = 0; /* after the EINTR */
	as(r, METHOD_INDIRECT, IO_RW);
	script_begin(steps, n);
	open_lane(r);
	if (rd)
		carry(r);
	else
		assert_int_equal(submit(r), XFER_DONE);
	end_lane(r);
}

static void an_interrupted_read_is_repeated(void **state)
{
	struct rig *r = *state;

	write_and_read(r, &(struct script_step){ 0 }, &(struct script_step){ .err = EINTR });
	assert_outcome(r, FAULT_NONE, 4096, 0);
}

static void a_command_that_write_refuses_is_not_in_flight(void **state)
{
	static const struct {
		int err;
		enum fault_kind kind;
	} cases[] = { { EDOM, FAULT_LANE_BUSY }, { EBUSY, FAULT_LANE_BUSY },
		{ ENOMEM, FAULT_NO_MEMORY }, { ENODEV, FAULT_GONE }, { EFAULT, FAULT_UNMAPPABLE },
		{ EPERM, FAULT_OS } };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		write_and_read(r, &(struct script_step){ .err = cases[i].err }, NULL);
		assert_outcome(r, cases[i].kind, 0, 0);
	}
}

static void a_device_gone_before_its_reply_is_gone(void **state)
{
	struct rig *r = *state;

	write_and_read(r, &(struct script_step){ 0 }, &(struct script_step){ .err = ENODEV });
	assert_outcome(r, FAULT_GONE, 0, 0);
}

static void a_short_count_of_write_is_an_error(void **state)
{
	struct rig *r = *state;

	write_and_read(r, &(struct script_step){ .count = 36 }, NULL);
	assert_outcome(r, FAULT_OS, 0, 0);
	assert_int_equal(r->x.fault.err, EIO);
}

static void a_short_count_of_read_is_an_error(void **state)
{
	struct rig *r = *state;

	write_and_read(r, &(struct script_step){ 0 }, &(struct script_step){ .count = 36 });
	assert_outcome(r, FAULT_OS, 0, 0);
	assert_int_equal(r->x.fault.err, EIO);
}

/* --- falling back --- */

static void memory_that_cannot_be_pinned_is_copied_from_then_on(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, 0),
		{ .call = CALL_SG_IO, .cmd = WRITE_10(DIRECT, memory), .err = EFAULT },
		{ .call = CALL_SG_IO, .cmd = WRITE_10(TAIL, memory) },
		{ .call = CALL_SG_IO, .cmd = WRITE_10(TAIL, memory) },
	};
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_DIO, IO_SG_IO);
	r->spec.may_fall_back = true;
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, XFER_FELL_BACK | XFER_NOT_DIRECT);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, XFER_NOT_DIRECT);
	end_lane(r);
}

static void a_lane_of_write_and_read_falls_back_too(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, 0),
		{ .call = CALL_WRITE, .cmd = WRITE_10(DIRECT, memory), .err = EFAULT },
		{ .call = CALL_WRITE, .cmd = WRITE_10(TAIL, memory) },
		{ .call = CALL_READ },
	};
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_DIO, IO_RW);
	r->spec.may_fall_back = true;
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, XFER_FELL_BACK | XFER_NOT_DIRECT);
	end_lane(r);
}

static void the_block_node_falls_back_to_the_sg_node(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, 0),
		OPENS(BLOCK_NAME, O_RDWR),
		{ .call = CALL_SG_IO,
			.path = BLOCK_NAME,
			.cmd = WRITE_10(0, memory),
			.err = EFAULT },
		{ .call = CALL_SG_IO, .path = SG_NAME, .cmd = WRITE_10(TAIL, memory) },
		{ .call = CALL_SG_IO, .path = SG_NAME, .cmd = WRITE_10(TAIL, memory) },
	};
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_DIO, IO_SG_IO);
	r->spec.via = VIA_BLOCK;
	r->spec.may_fall_back = true;
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, XFER_FELL_BACK | XFER_NOT_DIRECT);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, XFER_NOT_DIRECT);
	end_lane(r);
}

static void a_lane_falls_back_once(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, 0),
		{ .call = CALL_SG_IO, .cmd = WRITE_10(DIRECT, memory), .err = EFAULT },
		{ .call = CALL_SG_IO, .cmd = WRITE_10(TAIL, memory), .err = EFAULT },
	};
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_DIO, IO_SG_IO);
	r->spec.may_fall_back = true;
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_UNMAPPABLE, 0, XFER_FELL_BACK);
	end_lane(r);
}

/* --- the form of the command --- */

#define UNKNOWN \
	{ \
		.status = 2, .driver = 8, .sense_len = 18, .sense = { \
			0x70, \
			0, \
			5, \
			[7] = 10, \
			[12] = 0x20 \
		} \
	}
#define READ_16(flag_bits, at) \
	{ \
		.cdb = { 0x88, 0, 0, 0, 0, 0, 0, 0, 0x03, 0xe8, 0, 0, 0, 8, 0, 0 }, .cdb_len = 16, \
		.direction = SG_DXFER_FROM_DEV, .flags = flag_bits, .len = 4096, \
		.timeout_ms = TIMEOUT_MS, .dxferp = at \
	}

static void a_command_that_is_not_known_is_noted_and_goes_in_its_other_form(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, ROOM),
		{ .call = CALL_WRITE, .cmd = READ_10(TAIL, memory) },
		{ .call = CALL_READ, .reply = UNKNOWN },
		{ .call = CALL_WRITE, .cmd = READ_16(TAIL, memory) },
		{ .call = CALL_READ },
		{ .call = CALL_WRITE, .cmd = READ_16(TAIL, memory) },
		{ .call = CALL_READ },
	};
	struct rig *r = *state;

	as(r, METHOD_INDIRECT, IO_RW);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_INVALID_OPCODE, 0, XFER_OTHER_CDB);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
}

static void the_other_form_is_tried_once(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDONLY, ROOM),
		{ .call = CALL_SG_IO, .cmd = READ_10(TAIL, memory), .reply = UNKNOWN },
		{ .call = CALL_SG_IO, .cmd = READ_16(TAIL, memory), .reply = UNKNOWN },
	};
	struct rig *r = *state;

	as(r, METHOD_INDIRECT, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_INVALID_OPCODE, 0, XFER_OTHER_CDB);
	carry(r);
	assert_outcome(r, FAULT_INVALID_OPCODE, 0, 0);
	end_lane(r);
}

/* Planned by what the whole unit needs: blocks, and blocks a command. */
static void read_16_becomes_read_10_where_that_reaches_all_of_the_unit(void **state)
{
	static const struct script_step known[] = {
		DATA_FD(O_RDONLY, ROOM),
		{ .call = CALL_SG_IO, .cmd = READ_16(TAIL, memory), .reply = UNKNOWN },
		{ .call = CALL_SG_IO, .cmd = READ_10(TAIL, memory) },
	};
	static const struct script_step too_far[] = {
		DATA_FD(O_RDONLY, ROOM),
		{ .call = CALL_SG_IO, .cmd = READ_16(TAIL, memory), .reply = UNKNOWN },
	};
	struct rig *r = *state;

	as(r, METHOD_INDIRECT, IO_SG_IO);
	r->spec.cdb_bytes = 16;
	r->end.id.blocks = UINT64_C(1) << 32;
	BEGIN(known);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_INVALID_OPCODE, 0, XFER_OTHER_CDB);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
	r->end.id.blocks++;
	BEGIN(too_far);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_INVALID_OPCODE, 0, 0);
	end_lane(r);
}

static void a_form_that_the_user_chose_stays(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDONLY, ROOM),
		{ .call = CALL_SG_IO, .cmd = READ_10(TAIL, memory), .reply = UNKNOWN },
	};
	struct rig *r = *state;

	as(r, METHOD_INDIRECT, IO_SG_IO);
	r->spec.cdb_is_given = true;
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_INVALID_OPCODE, 0, 0);
	end_lane(r);
}

static void direct_io_that_must_be_does_not_fall_back(void **state)
{
	static const struct script_step steps[] = {
		DATA_FD(O_RDWR, 0),
		{ .call = CALL_SG_IO, .cmd = WRITE_10(DIRECT, memory), .err = EFAULT },
	};
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_DIO, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_UNMAPPABLE, 0, 0);
	end_lane(r);
}

/* --- replies --- */

static void a_short_transfer_is_not_success(void **state)
{
	struct rig *r = *state;

	read_answered(r, &(struct script_step){ .reply = { .resid = 1024 } });
	assert_outcome(r, FAULT_SHORT, 3072, 0);
	assert_int_equal(r->x.fault.resid_bytes, 1024);
}

static void the_residual_of_a_failure_means_nothing(void **state)
{
	struct rig *r = *state;

	read_answered(r,
		&(struct script_step){ .reply = { .status = 2,
					       .driver = 8,
					       .sense_len = 18,
					       .sense = { 0x70, 0, 4, [7] = 10, [12] = 0x44 } } });
	assert_outcome(r, FAULT_HARDWARE, 0, 0);
}

static void host_errors_are_faults(void **state)
{
	static const struct {
		uint16_t host;
		enum fault_kind kind;
	} cases[] = { { 1, FAULT_GONE }, { 3, FAULT_TIMEOUT }, { 7, FAULT_TRANSPORT },
		{ 8, FAULT_ABORTED } };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		read_answered(r, &(struct script_step){ .reply = { .host = cases[i].host } });
		assert_outcome(r, cases[i].kind, 0, 0);
		assert_int_equal(r->x.fault.host_status, cases[i].host);
	}
}

static void busy_and_task_set_full_are_told_by_the_status(void **state)
{
	struct rig *r = *state;

	read_answered(r, &(struct script_step){ .reply = { .status = 0x08 } });
	assert_outcome(r, FAULT_BUSY, 0, 0);
	read_answered(r, &(struct script_step){ .reply = { .status = 0x28 } });
	assert_outcome(r, FAULT_TASK_SET_FULL, 0, 0);
}

static void fixed_sense_names_the_bad_block(void **state)
{
	struct rig *r = *state;

	read_answered(r, &(struct script_step){ .reply = { .status = 2,
							.driver = 8,
							.sense_len = 18,
							.sense = { 0xf0, 0, 3, 0, 0, 0x03, 0xeb,
								10, [12] = 0x11 } } });
	assert_outcome(r, FAULT_MEDIUM, 0, 0);
	assert_true(r->x.fault.info_valid);
	assert_int_equal(r->x.fault.info_lba, 1003);
}

static void descriptor_sense_names_the_bad_block(void **state)
{
	struct rig *r = *state;

	read_answered(r,
		&(struct script_step){ .reply = { .status = 2,
					       .driver = 8,
					       .sense_len = 20,
					       .sense = { 0x72, 3, 0x11, 0, 0, 0, 0, 12, 0, 0x0a,
						       0x80, 0, 0, 0, 0, 0, 0, 0, 0x03, 0xec } } });
	assert_outcome(r, FAULT_MEDIUM, 0, 0);
	assert_true(r->x.fault.info_valid);
	assert_int_equal(r->x.fault.info_lba, 1004);
}

static void a_recovered_error_is_success_with_all_bytes(void **state)
{
	struct rig *r = *state;

	read_answered(r,
		&(struct script_step){ .reply = { .status = 2,
					       .driver = 8,
					       .sense_len = 18,
					       .sense = { 0x70, 0, 1, [7] = 10, [12] = 0x17 } } });
	assert_outcome(r, FAULT_RECOVERED, 4096, 0);
}

static void driver_sense_alone_is_no_error(void **state)
{
	struct rig *r = *state;

	read_answered(r, &(struct script_step){ .reply = { .driver = 8 } });
	assert_outcome(r, FAULT_NONE, 4096, 0);
}

/* sg says driver status 8 where it copied any sense; the block layer's SG_IO does not. */
static void read_good_with_sense(struct rig *r, uint16_t driver, uint8_t key, uint8_t asc)
{
	read_answered(r,
		&(struct script_step){ .reply = { .driver = driver,
					       .sense_len = 18,
					       .sense = { 0x70, 0, key, [7] = 10, [12] = asc } } });
}

static void an_error_in_the_sense_of_a_good_status_is_an_error(void **state)
{
	static const uint16_t drivers[] = { 8, 0 };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		read_good_with_sense(r, drivers[i], 3, 0x11);
		assert_outcome(r, FAULT_MEDIUM, 0, 0);
		read_good_with_sense(r, drivers[i], 1, 0x17);
		assert_outcome(r, FAULT_RECOVERED, 4096, 0);
		read_good_with_sense(r, drivers[i], 0, 0);
		assert_outcome(r, FAULT_NONE, 4096, 0);
		read_good_with_sense(r, drivers[i], 0xf, 0); /* completed */
		assert_outcome(r, FAULT_NONE, 4096, 0);
	}
}

static void an_error_in_the_sense_of_a_good_status_is_one_through_the_block_node_too(void **state)
{
	static const struct script_step steps[] = { DATA_FD(O_RDWR, 0), OPENS(BLOCK_NAME, O_RDWR),
		{ .call = CALL_SG_IO,
			.path = BLOCK_NAME,
			.cmd = WRITE_10(0, memory),
			.reply = { .sense_len = 18,
				.sense = { 0x71, 0, 3, [7] = 10, [12] = 0x0c } } },
		{ .call = CALL_SG_IO, .path = BLOCK_NAME, .cmd = WRITE_10(0, memory) } };
	struct rig *r = *state;

	rig_role(r, END_DEST);
	as(r, METHOD_DIO, IO_SG_IO);
	r->spec.via = VIA_BLOCK;
	BEGIN(steps);
	open_lane(r);
	carry(r);
	assert_outcome(r, FAULT_MEDIUM, 0, 0);
	assert_true(r->x.fault.deferred);
	carry(r);
	assert_outcome(r, FAULT_NONE, 4096, 0);
	end_lane(r);
}

/* --- opening lanes --- */

static void assert_refused(struct rig *r, int exit_status, const char *words)
{
	capture_begin(&r->said);
	r->lane = sg_lane_open(&r->end.ep, &r->spec);
	capture_end(&r->said);
	assert_null(r->lane);
	assert_int_equal(r->end.ep.exit_status, exit_status);
	assert_non_null(strstr(r->said.text, words));
	assert_non_null(strstr(r->said.text, SG_NAME));
	script_end();
}

static void a_smaller_buffer_than_asked_is_refused(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDONLY), SETS(ROOM),
		GETS(ROOM / 2) };

	BEGIN(steps);
	assert_refused(*state, EXIT_OS + ENOMEM, "reserved buffer");
}

static void a_part_of_a_page_is_not_granted(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDONLY), SETS(ROOM),
		GETS(ROOM - 1) };

	BEGIN(steps);
	assert_refused(*state, EXIT_OS + ENOMEM, "reserved buffer");
}

static void a_node_that_cannot_be_opened_is_told(void **state)
{
	static const struct script_step steps[] = { { .call = CALL_OPEN,
		.path = SG_NAME,
		.arg = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
		.err = EBUSY } };

	BEGIN(steps);
	assert_refused(*state, EXIT_OS + EBUSY, "descriptor");
}

static void a_block_node_that_cannot_be_opened_is_told(void **state)
{
	static const struct script_step steps[] = { DATA_FD(O_RDONLY, 0),
		{ .call = CALL_OPEN,
			.path = BLOCK_NAME,
			.arg = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
			.err = EACCES } };
	struct rig *r = *state;

	as(r, METHOD_DIO, IO_SG_IO);
	r->spec.via = VIA_BLOCK;
	BEGIN(steps);
	assert_refused(r, EXIT_OS + EACCES, "block node");
}

static void a_buffer_that_cannot_be_sized_or_mapped_is_told(void **state)
{
	static const struct script_step sized[] = { OPENS(SG_NAME, O_RDONLY),
		{ .call = CALL_SET, .err = EBUSY } };
	static const struct script_step mapped[] = { DATA_FD(O_RDONLY, ROOM),
		{ .call = CALL_MMAP, .arg = ROOM, .prot = PROT_READ, .err = ENOMEM } };

	BEGIN(sized);
	assert_refused(*state, EXIT_OS + EBUSY, "descriptor");
	BEGIN(mapped);
	assert_refused(*state, EXIT_OS + ENOMEM, "map");
}

/* --- a source is never written --- */

static void write_to_a_source(struct rig *r)
{
	int null_fd = open("/dev/null", O_WRONLY);

	dup2(null_fd, STDERR_FILENO); /* assert()'s words */
	r->x = (struct xfer){ .op = XFER_WRITE, .len_bytes = 4096, .buf = memory };
	sg_submit(r->lane, &r->x);
	_exit(0);
}

static void a_write_to_a_source_ends_the_program(void **state)
{
	static const struct script_step steps[] = { DATA_FD(O_RDONLY, ROOM) };
	struct rig *r = *state;
	int status;
	pid_t child;

	as(r, METHOD_INDIRECT, IO_SG_IO);
	BEGIN(steps);
	open_lane(r);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		write_to_a_source(r);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	end_lane(r);
}

/* --- the end as a whole --- */

/* An SPC disk: no VPD pages, READ CAPACITY(10) does. */
static const uint8_t inquiry_data[36] = { [2] = 3,
	[4] = 31,
	[8] = 'A',
	'C',
	'M',
	'E',
	' ',
	' ',
	' ',
	' ',
	'D',
	'I',
	'S',
	'K',
	' ',
	' ',
	' ',
	' ',
	' ',
	' ',
	' ',
	' ',
	' ',
	' ',
	' ',
	' ',
	'1',
	'.',
	'0',
	' ' };
static const uint8_t tape_data[36] = { 1, [2] = 3, [4] = 31 };
static const uint8_t capacity_data[8] = { 0, 0, 0x0f, 0xff, 0, 0, 2, 0 }; /* 4096 of 512 */
static const uint8_t mode_data[4] = { 3 };
static const uint8_t mode_protected[4] = { 3, 0, 0x80 };

/* clang-format off */
#define SENDS(...)	{ .call = CALL_SG_IO, .path = SG_NAME, __VA_ARGS__ }
#define IN(len_bytes)	.len = len_bytes, .direction = SG_DXFER_FROM_DEV
#define CMD(cdb_bytes, ...) \
	.cmd = { .cdb_len = cdb_bytes, .dxferp = SCRIPT_ANYWHERE, __VA_ARGS__ }
#define DATA(bytes)	.reply = { .data = bytes, .data_len = sizeof(bytes) }
#define CHECK_CONDITION(key, asc, ascq) \
	.reply = { .status = 2, .driver = 8, .sense_len = 18, \
		   .sense = { 0x70, 0, key, [7] = 10, [12] = asc, [13] = ascq } }
#define INQUIRES(bytes)	SENDS(CMD(6, .cdb = { 0x12, 0, 0, 0, 36 }, IN(36)), DATA(bytes))
#define ASKS_CAPACITY(...)   SENDS(CMD(10, .cdb = { 0x25 }, IN(8)), __VA_ARGS__)
#define ASKS_CAPACITY16(...) SENDS(CMD(16, .cdb = { 0x9e, 0x10, [13] = 32 }, IN(32)), __VA_ARGS__)
#define ASKS_MODE(bytes)     SENDS(CMD(6, .cdb = { 0x1a, 0, 0x3f, 0, 4 }, IN(4)), DATA(bytes))
#define ASKS_READY(...)	     SENDS(CMD(6, .direction = SG_DXFER_NONE), __VA_ARGS__)
#define FLUSHES(...)	     SENDS(CMD(10, .cdb = { 0x35 }, .direction = SG_DXFER_NONE, \
					.timeout_ms = 900000), __VA_ARGS__)
#define IS_READY	     ASKS_READY(.value = 0)
#define IDENTIFIED \
	INQUIRES(inquiry_data), ASKS_CAPACITY(DATA(capacity_data)), ASKS_MODE(mode_data)
#define OPENED		     OPENS(SG_NAME, O_RDONLY), IDENTIFIED, IS_READY
/* clang-format on */

static struct endpoint *open_end(
	struct capture *said, enum end_role role, unsigned flags, int *status)
{
	static const struct node node = { .kind = NODE_SG, .queue_depth = 32 };
	const struct sg_params p = { .name = SG_NAME,
		.node = &node,
		.role = role,
		.flags = flags,
		.timeout_ms = TIMEOUT_MS };
	struct endpoint *ep;

	*status = 0;
	capture_begin(said);
	ep = sg_open(&p, status);
	capture_end(said);
	return ep;
}

static void a_disk_tells_who_it_is_over_a_descriptor_of_its_own(void **state)
{
	static const struct script_step steps[] = { OPENED };
	struct capture said;
	struct endpoint *ep;
	int status;

	(void)state;
	BEGIN(steps);
	ep = open_end(&said, END_SOURCE, 0, &status);
	assert_non_null(ep);
	assert_int_equal(ep->facts.size_bytes, 4096 * 512);
	assert_int_equal(ep->facts.block_bytes, 512);
	assert_int_equal(ep->facts.queue_depth, 32);
	assert_false(ep->facts.needs_flush);
	assert_non_null(strstr(ep->identity, "ACME DISK"));
	assert_string_equal(said.text, "");
	ep->ops->close(ep);
	script_end();
}

static void a_unit_attention_at_the_start_is_not_the_answer(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDONLY), IDENTIFIED,
		ASKS_READY(CHECK_CONDITION(6, 0x29, 0)), ASKS_READY(CHECK_CONDITION(6, 0x2a, 1)),
		IS_READY };
	struct capture said;
	struct endpoint *ep;
	int status;

	(void)state;
	BEGIN(steps);
	ep = open_end(&said, END_SOURCE, 0, &status);
	assert_non_null(ep);
	ep->ops->close(ep);
	script_end();
}

static void a_unit_that_becomes_ready_is_identified_once_more(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDONLY),
		INQUIRES(inquiry_data), ASKS_CAPACITY(CHECK_CONDITION(2, 0x04, 0x01)),
		ASKS_CAPACITY16(CHECK_CONDITION(2, 0x04, 0x01)),
		ASKS_READY(CHECK_CONDITION(2, 0x04, 0x01)), IS_READY, IDENTIFIED, IS_READY };
	struct capture said;
	struct endpoint *ep;
	int status;

	(void)state;
	BEGIN(steps);
	ep = open_end(&said, END_SOURCE, 0, &status);
	assert_non_null(ep);
	assert_int_equal(ep->facts.size_bytes, 4096 * 512);
	ep->ops->close(ep);
	script_end();
}

static void refuses(
	const struct script_step *steps, size_t n, enum end_role role, int want, const char *words)
{
	struct capture said;
	int status;

	script_begin(steps, n);
	assert_null(open_end(&said, role, 0, &status));
	assert_int_equal(status, want);
	if (!strstr(said.text, words))
		fail_msg("no \"%s\" in \"%s\"", words, said.text);
	script_end();
}

static void a_disk_that_is_not_ready_is_refused_with_a_remedy(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDONLY), IDENTIFIED,
		ASKS_READY(CHECK_CONDITION(2, 0x04, 0x02)) };

	(void)state;
	refuses(steps, ARRAY_SIZE(steps), END_SOURCE, EXIT_NOT_READY, "sg_start --start");
}

#define STARTS(...) \
	SENDS(CMD(6, .cdb = { 0x1b, 0, 0, 0, 1 }, .direction = SG_DXFER_NONE, \
		      .timeout_ms = 300000), \
		__VA_ARGS__)

static void the_flag_start_starts_what_waits_for_it(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDONLY), IDENTIFIED,
		ASKS_READY(CHECK_CONDITION(2, 0x04, 0x02)), STARTS(.value = 0),
		ASKS_READY(CHECK_CONDITION(2, 0x04, 0x01)), IS_READY };
	struct capture said;
	struct endpoint *ep;
	int status;

	(void)state;
	BEGIN(steps);
	ep = open_end(&said, END_SOURCE, END_START, &status);
	assert_non_null(ep);
	ep->ops->close(ep);
	script_end();
}

static void the_flag_start_does_nothing_about_what_waits_for_a_hand(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDONLY), IDENTIFIED,
		ASKS_READY(CHECK_CONDITION(2, 0x04, 0x03)) };
	struct capture said;
	int status;

	(void)state;
	BEGIN(steps);
	assert_null(open_end(&said, END_SOURCE, END_START, &status));
	assert_int_equal(status, EXIT_NOT_READY);
	script_end();
}

/* --- what the medium has of a block that cannot be read --- */

#define READS_LONG(hi, lo, ...) \
	SENDS(CMD(10, .cdb = { 0x3e, [4] = 0x03, 0xe8, 0, hi, lo }, IN((hi) << 8 | (lo))), \
		__VA_ARGS__)
/* Asked for so many bytes more than there are, in two's complement: sign 0 or 0xff, low byte. */
#define WRONG_LENGTH(sign, low) \
	.reply = { .status = 2, \
		.driver = 8, \
		.sense_len = 18, \
		.sense = { 0xf0, 0, 0x25, sign, sign, sign, low, 10, [12] = 0x24 } }

static bool salvages(const struct script_step *steps, size_t n, uint64_t offset, uint8_t *block)
{
	struct capture said;
	struct endpoint *ep;
	bool salvaged;
	int status;

	script_begin(steps, n);
	ep = open_end(&said, END_SOURCE, 0, &status);
	assert_non_null(ep);
	salvaged = ep->ops->salvage(ep, offset, block);
	ep->ops->close(ep);
	script_end();
	return salvaged;
}

static void read_long_learns_the_length_and_gives_the_block(void **state)
{
	static uint8_t data[512 + 40], block[512];
	static const struct script_step steps[] = { OPENED,
		READS_LONG(2, 0, WRONG_LENGTH(0xff, 256 - 40)), READS_LONG(2, 40, DATA(data)) };

	(void)state;
	memset(data, 0x5a, 512);
	assert_true(salvages(steps, ARRAY_SIZE(steps), 1000 * 512, block));
	assert_memory_equal(block, data, 512);
}

static void without_read_long_nothing_is_salvaged(void **state)
{
	static const struct script_step unknown[] = { OPENED,
		READS_LONG(2, 0, CHECK_CONDITION(5, 0x20, 0)) };
	static const struct script_step too_long[] = { OPENED,
		READS_LONG(2, 0, WRONG_LENGTH(0, 40)) };
	uint8_t block[512];

	(void)state;
	assert_false(salvages(unknown, ARRAY_SIZE(unknown), 1000 * 512, block));
	assert_false(salvages(too_long, ARRAY_SIZE(too_long), 1000 * 512, block));
}

static void a_write_protected_destination_is_refused(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDWR), INQUIRES(inquiry_data),
		ASKS_CAPACITY(DATA(capacity_data)), ASKS_MODE(mode_protected), IS_READY };

	(void)state;
	refuses(steps, ARRAY_SIZE(steps), END_DEST, EXIT_DATA_PROTECT, "write-protected");
}

static void a_tape_is_no_disk(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDONLY), INQUIRES(tape_data) };

	(void)state;
	refuses(steps, ARRAY_SIZE(steps), END_SOURCE, EXIT_FILE, "no disk");
}

static void a_node_of_nobody_is_told(void **state)
{
	static const struct script_step steps[] = { { .call = CALL_OPEN,
		.path = SG_NAME,
		.arg = O_RDONLY | O_NONBLOCK | O_CLOEXEC,
		.err = ENXIO } };

	(void)state;
	refuses(steps, ARRAY_SIZE(steps), END_SOURCE, EXIT_FILE, "cannot open");
}

static void excl_is_asked_of_the_node_once(void **state)
{
	static const struct script_step steps[] = { { .call = CALL_OPEN,
		.path = SG_NAME,
		.arg = O_RDWR | O_EXCL | O_NONBLOCK | O_CLOEXEC,
		.err = EBUSY } };
	struct capture said;
	int status;

	(void)state;
	BEGIN(steps);
	assert_null(open_end(&said, END_SOURCE, END_EXCL, &status));
	assert_int_equal(status, EXIT_FILE);
	assert_non_null(strstr(said.text, "excl"));
	script_end();
}

static void the_flush_synchronizes_the_whole_cache(void **state)
{
	static const struct script_step steps[] = { OPENS(SG_NAME, O_RDWR), IDENTIFIED, IS_READY,
		FLUSHES(.value = 0), FLUSHES(CHECK_CONDITION(3, 0x0c, 0)) };
	struct capture said;
	struct endpoint *ep;
	struct fault f;
	int status;

	(void)state;
	BEGIN(steps);
	ep = open_end(&said, END_DEST, 0, &status);
	assert_non_null(ep);
	assert_true(ep->facts.needs_flush);
	assert_true(ep->ops->flush(ep, &f));
	assert_false(ep->ops->flush(ep, &f));
	assert_int_equal(f.kind, FAULT_MEDIUM);
	ep->ops->close(ep);
	script_end();
}

#define DEFERRED(key, asc, ascq) \
	.reply = { .status = 2, \
		.driver = 8, \
		.sense_len = 18, \
		.sense = { 0x71, 0, key, [7] = 10, [12] = asc, [13] = ascq } }

#define NO_HURRY UINT64_MAX

/* A flush that gets these replies, and what becomes of it; the run is told to end at that time. */
static struct fault flushed_hurrying(
	const struct script_step *replies, size_t n, uint64_t hurry_at_ms)
{
	static const struct script_step opened[] = { OPENS(SG_NAME, O_RDWR), IDENTIFIED, IS_READY };
	struct script_step *steps = calloc(ARRAY_SIZE(opened) + n, sizeof(*steps));
	struct capture said;
	struct endpoint *ep;
	struct fault f;
	int status;
	bool good;

	assert_non_null(steps);
	memcpy(steps, opened, sizeof(opened));
	memcpy(steps + ARRAY_SIZE(opened), replies, n * sizeof(*steps));
	script_begin(steps, ARRAY_SIZE(opened) + n);
	ep = open_end(&said, END_DEST, 0, &status);
	assert_non_null(ep);
	ep->hurry = hurry_at_ms == 0;
	clock_of_test.slept_ms = 0;
	clock_of_test.hurry_at_ms = hurry_at_ms;
	clock_of_test.ep = ep;
	good = ep->ops->flush(ep, &f);
	clock_of_test.ep = NULL;
	assert_int_equal(good, fault_is_good(&f));
	ep->ops->close(ep);
	script_end();
	free(steps);
	return f;
}

static struct fault flushed(const struct script_step *replies, size_t n)
{
	return flushed_hurrying(replies, n, NO_HURRY);
}

/* After n times that reply, and once good if the unit is still asked then. */
static struct fault flushed_after(
	const struct script_step *reply, size_t n, bool then_good, uint64_t hurry_at_ms)
{
	static const struct script_step good = FLUSHES(.value = 0);
	struct script_step *replies = calloc(n + 1, sizeof(*replies));
	struct fault f;

	assert_non_null(replies);
	for (size_t i = 0; i < n; i++)
		replies[i] = *reply;
	replies[n] = good;
	f = flushed_hurrying(replies, n + then_good, hurry_at_ms);
	free(replies);
	return f;
}

/* What the unit answers while it is to be waited for, and how often at 100 ms: the last tries of a
 * busy one are those that an aborted one has too. */
static const struct {
	struct script_step reply;
	enum fault_kind kind;
	size_t asked;
} waited_for[] = {
	{ FLUSHES(.reply = { .status = 0x08 }), FAULT_BUSY, 603 },
	{ FLUSHES(.reply = { .status = 0x28 }), FAULT_TASK_SET_FULL, 603 },
	{ FLUSHES(CHECK_CONDITION(2, 0x04, 0x01)), FAULT_BECOMING_READY, 3000 },
	{ FLUSHES(CHECK_CONDITION(2, 0x04, 0x09)), FAULT_IN_PROGRESS, 3000 },
	{ FLUSHES(CHECK_CONDITION(0xb, 0x47, 0)), FAULT_ABORTED, 3 },
	{ FLUSHES(CHECK_CONDITION(2, 0x04, 0x04)), FAULT_ERASING, 0 },
	{ FLUSHES(CHECK_CONDITION(2, 0x3a, 0)), FAULT_NOT_READY, 0 },
};

static void a_flush_waits_as_long_as_a_write_for_a_unit_that_will_be_ready(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(waited_for); i++) {
		size_t n = waited_for[i].asked;
		struct fault f = flushed_after(&waited_for[i].reply, n, true, NO_HURRY);

		assert_int_equal(f.kind, FAULT_NONE);
		assert_int_equal(clock_of_test.slept_ms, n * 100);
		f = flushed_after(&waited_for[i].reply, n + 1, false, NO_HURRY);
		assert_int_equal(f.kind, waited_for[i].kind);
	}
}

static void a_flush_that_was_busy_for_long_is_repeated_when_it_is_aborted(void **state)
{
	static const struct script_step busy = FLUSHES(.reply = { .status = 0x08 });
	static const struct script_step aborted = FLUSHES(CHECK_CONDITION(0xb, 0x47, 0));
	static const struct script_step good = FLUSHES(.value = 0);
	struct script_step replies[102];

	(void)state;
	for (size_t i = 0; i < 100; i++)
		replies[i] = busy;
	replies[100] = aborted;
	replies[101] = good;
	assert_int_equal(flushed(replies, ARRAY_SIZE(replies)).kind, FAULT_NONE);
}

static bool flushes_stopped(const struct script_step *steps, size_t n, unsigned flags)
{
	struct capture said;
	struct endpoint *ep;
	struct fault f;
	int status;
	bool good;

	script_begin(steps, n);
	ep = open_end(&said, END_DEST, flags, &status);
	assert_non_null(ep);
	good = ep->ops->flush(ep, &f);
	if (!good)
		assert_int_equal(f.kind, FAULT_STOPPED);
	ep->ops->close(ep);
	script_end();
	return good;
}

#define OPENED_TO_WRITE OPENS(SG_NAME, O_RDWR), IDENTIFIED, IS_READY
#define IS_STOPPED	CHECK_CONDITION(2, 0x04, 0x02)

static void a_unit_that_stopped_before_the_flush_is_started_where_that_was_asked(void **state)
{
	static const struct script_step starts[] = { OPENED_TO_WRITE, FLUSHES(IS_STOPPED),
		ASKS_READY(IS_STOPPED), STARTS(.value = 0), IS_READY, FLUSHES(.value = 0) };
	static const struct script_step cannot[] = { OPENED_TO_WRITE, FLUSHES(IS_STOPPED),
		ASKS_READY(IS_STOPPED), STARTS(CHECK_CONDITION(4, 0x44, 0)) };
	static const struct script_step is_not[] = { OPENED_TO_WRITE, FLUSHES(IS_STOPPED) };

	(void)state;
	assert_true(flushes_stopped(starts, ARRAY_SIZE(starts), END_START));
	assert_false(flushes_stopped(cannot, ARRAY_SIZE(cannot), END_START));
	assert_false(flushes_stopped(is_not, ARRAY_SIZE(is_not), 0));
}

static void a_unit_that_cannot_be_started_is_not_asked_twice(void **state)
{
	static const struct script_step steps[] = { OPENED, ASKS_READY(IS_STOPPED),
		STARTS(CHECK_CONDITION(4, 0x44, 0)) };
	struct capture said;
	struct endpoint *ep;
	int status;

	(void)state;
	BEGIN(steps);
	ep = open_end(&said, END_SOURCE, END_START, &status);
	assert_non_null(ep);
	assert_false(ep->ops->start(ep));
	assert_false(ep->ops->start(ep));
	ep->ops->close(ep);
	script_end();
}

static void nobody_waits_for_a_unit_that_starts_in_a_run_that_ends(void **state)
{
	static const struct script_step steps[] = { OPENED, ASKS_READY(IS_STOPPED),
		STARTS(.value = 0), ASKS_READY(CHECK_CONDITION(2, 0x04, 0x01)),
		ASKS_READY(CHECK_CONDITION(2, 0x04, 0x01)) };
	struct capture said;
	struct endpoint *ep;
	int status;

	(void)state;
	BEGIN(steps);
	ep = open_end(&said, END_SOURCE, END_START, &status);
	assert_non_null(ep);
	clock_of_test.slept_ms = 0;
	clock_of_test.hurry_at_ms = 1;
	clock_of_test.ep = ep;
	assert_false(ep->ops->start(ep));
	clock_of_test.ep = NULL;
	assert_int_equal(clock_of_test.slept_ms, 100);
	ep->ops->close(ep);
	script_end();
}

#define SELF_TEST(progress) \
	FLUSHES(.reply = { .status = 2, \
			.driver = 8, \
			.sense_len = 18, \
			.sense = { 0x70, 0, 2, [7] = 10, [12] = 0x04, 0x09, [15] = 0x80, \
				(progress) >> 8, (progress)&0xff } })

static void a_flush_waits_on_while_the_unit_tells_of_progress(void **state)
{
	static const struct script_step before = SELF_TEST(1000), after = SELF_TEST(1001);
	static struct script_step replies[2900 + 3001];
	struct fault f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++)
		replies[i] = i < 2900 ? before : after;
	f = flushed(replies, ARRAY_SIZE(replies));
	assert_int_equal(f.kind, FAULT_IN_PROGRESS);
	assert_int_equal(clock_of_test.slept_ms, (2900 + 3000) * 100);
}

static void a_flush_in_a_hurry_repeats_only_what_takes_a_moment(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(waited_for); i++) {
		bool is_short = i < 2 || waited_for[i].kind == FAULT_ABORTED;
		size_t n = is_short ? 3 : 0;
		struct fault f = flushed_after(&waited_for[i].reply, n, true, 0);

		assert_int_equal(f.kind, FAULT_NONE);
		f = flushed_after(&waited_for[i].reply, n + 1, false, 0);
		assert_int_equal(f.kind, waited_for[i].kind);
	}
}

static void a_run_that_is_to_end_does_not_wait_for_the_flush_any_longer(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t n = i < 2 ? 23 : 20;
		struct fault f = flushed_after(&waited_for[i].reply, n + 1, false, 2000);

		assert_int_equal(f.kind, waited_for[i].kind);
		assert_int_equal(clock_of_test.slept_ms, n * 100);
	}
}

static void a_flush_that_tells_of_an_earlier_writes_error_is_not_good(void **state)
{
	static const struct {
		struct script_step step;
		enum fault_kind kind;
	} cases[] = {
		{ FLUSHES(DEFERRED(0xb, 0x47, 0)), FAULT_ABORTED },
		{ FLUSHES(DEFERRED(3, 0x0c, 0)), FAULT_MEDIUM },
		{ FLUSHES(DEFERRED(5, 0x20, 0)), FAULT_INVALID_OPCODE },
		{ FLUSHES(DEFERRED(6, 0x2a, 1)), FAULT_UNIT_ATTENTION },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct script_step replies[] = { cases[i].step, FLUSHES(.value = 0) };
		struct fault f = flushed(replies, ARRAY_SIZE(replies));

		assert_int_equal(f.kind, cases[i].kind);
		assert_true(f.deferred && !fault_is_reset(&f));
		assert_int_not_equal(fault_exit_status(&f), 0);
	}
}

static void a_flush_that_tells_of_an_earlier_writes_recovery_is_asked_again_and_good(void **state)
{
	static const struct script_step replies[] = { FLUSHES(DEFERRED(1, 0x0c, 1)),
		FLUSHES(DEFERRED(0, 0, 0)), FLUSHES(.value = 0) };
	struct fault f = flushed(replies, ARRAY_SIZE(replies));

	(void)state;
	assert_int_equal(f.kind, FAULT_NONE);
	assert_false(f.deferred);
}

static void a_reset_and_a_later_failure_do_not_hide_an_earlier_writes_error(void **state)
{
	static const struct script_step replies[] = { FLUSHES(CHECK_CONDITION(6, 0x29, 0)),
		FLUSHES(DEFERRED(0xb, 0x47, 0)), FLUSHES(CHECK_CONDITION(6, 0x29, 0)),
		FLUSHES(DEFERRED(3, 0x0c, 0)), FLUSHES(CHECK_CONDITION(4, 0x44, 0)) };
	struct fault f;

	(void)state;
	f = flushed(replies, ARRAY_SIZE(replies));
	assert_int_equal(f.kind, FAULT_ABORTED);
	assert_true(f.deferred);
}

static void a_flush_after_a_reset_says_so(void **state)
{
	static const struct script_step replies[] = { FLUSHES(CHECK_CONDITION(6, 0x29, 0)),
		FLUSHES(CHECK_CONDITION(6, 0x2a, 1)), FLUSHES(CHECK_CONDITION(5, 0x20, 0)) };
	struct fault f;

	(void)state;
	f = flushed(replies, ARRAY_SIZE(replies));
	assert_true(fault_is_reset(&f));
	f = flushed(replies + 1, ARRAY_SIZE(replies) - 1);
	assert_true(fault_is_good(&f));
}

static void a_fault_is_described_in_the_fields_words(void **state)
{
	struct rig *r = *state;
	static const struct script_step steps[] = { OPENED };
	const struct xfer x = { .op = XFER_READ,
		.offset_bytes = 1000 * 512,
		.len_bytes = 512,
		.fault = { .kind = FAULT_GONE, .err = ENODEV } };
	struct endpoint *ep;
	char text[200];
	int status;

	BEGIN(steps);
	ep = open_end(&r->said, END_SOURCE, 0, &status);
	assert_non_null(ep);
	((struct sg_end *)ep)->cdb_bytes = 16;
	ep->ops->describe(ep, &x, text, sizeof(text));
	assert_string_equal(text, "READ(16) at LBA 1000, 1 block: device gone (No such device)");
	ep->ops->close(ep);
	script_end();
}

/* --- probe --- */

#define LIMITS(bytes, segments) \
	{ .call = CALL_LIMIT, .value = bytes }, \
	{ \
		.call = CALL_TABLE, .value = segments \
	}
#define TRIES(blocks, error) \
	{ \
		.call = CALL_SG_IO, .path = SG_NAME, .err = error, \
		.cmd = {.cdb = { 0x88, [10] = 0, 0, (blocks) >> 8, (blocks)&0xff }, \
			.cdb_len = 16, \
			.direction = SG_DXFER_FROM_DEV, \
			.flags = MMAPED, \
			.len = (blocks)*512, \
			.dxferp = NULL } \
	}

static void probe(const struct script_step *steps, size_t n, uint32_t want, struct end_facts *f)
{
	struct capture said;
	struct endpoint *ep;
	int status;

	script_begin(steps, n);
	ep = open_end(&said, END_SOURCE, 0, &status);
	assert_non_null(ep);
	assert_int_equal(ep->ops->probe(ep, want, 0), 0);
	*f = ep->facts;
	ep->ops->close(ep);
	script_end();
}

static void the_probe_believes_limits_that_are_enough(void **state)
{
	static const struct script_step steps[] = { OPENED, DATA_FD(O_RDONLY, 65536),
		LIMITS(524288, 128), MAPS(65536, PROT_READ) };
	struct end_facts f;

	(void)state;
	probe(steps, ARRAY_SIZE(steps), 65536, &f);
	assert_int_equal(f.reserved_bytes, 65536);
	assert_int_equal(f.max_xfer_bytes, 65536);
	assert_true(f.can_mmap);
}

static void a_smaller_grant_lowers_the_largest_transfer(void **state)
{
	static const struct script_step steps[] = { OPENED, OPENS(SG_NAME, O_RDONLY), SETS(65536),
		GETS(33280), LIMITS(524288, 128), MAPS(32768, PROT_READ) };
	struct end_facts f;

	(void)state;
	probe(steps, ARRAY_SIZE(steps), 65536, &f);
	assert_int_equal(f.reserved_bytes, 32768);
	assert_int_equal(f.max_xfer_bytes, 32768);
}

static void more_than_the_limits_promise_is_tried(void **state)
{
	static const struct script_step steps[] = { OPENED, DATA_FD(O_RDONLY, 65536),
		LIMITS(16384, 128), TRIES(128, EINVAL), TRIES(64, 0), MAPS(65536, PROT_READ) };
	struct end_facts f;

	(void)state;
	probe(steps, ARRAY_SIZE(steps), 65536, &f);
	assert_int_equal(f.max_xfer_bytes, 32768);
}

static void what_the_limits_promise_is_the_least(void **state)
{
	static const struct script_step steps[] = { OPENED, DATA_FD(O_RDONLY, 65536),
		LIMITS(524288, 4), TRIES(128, EINVAL), TRIES(64, ENOMEM), MAPS(65536, PROT_READ) };
	struct end_facts f;

	(void)state;
	probe(steps, ARRAY_SIZE(steps), 65536, &f);
	assert_int_equal(f.max_xfer_bytes, 16384);
}

static void a_grant_that_holds_no_block_is_refused(void **state)
{
	static const struct script_step steps[] = { OPENED, OPENS(SG_NAME, O_RDONLY), SETS(4096),
		GETS(0), LIMITS(524288, 128),
		{ .call = CALL_MMAP, .prot = PROT_READ, .err = EINVAL } };
	struct capture said;
	struct endpoint *ep;
	int status;

	(void)state;
	BEGIN(steps);
	ep = open_end(&said, END_SOURCE, 0, &status);
	assert_non_null(ep);
	capture_begin(&said);
	assert_int_equal(ep->ops->probe(ep, 512, 0), -1);
	capture_end(&said);
	assert_int_equal(ep->exit_status, EXIT_OS + ENOMEM);
	assert_non_null(strstr(said.text, "reserved buffer"));
	ep->ops->close(ep);
	script_end();
}

/* --- XFER_TRIM --- */

/* SPC-4, lists B0h and B2h: 2^20 blocks of 512 bytes, 4096 physically; 65536 at once, 128 a
 * granule. */
static const uint8_t inquiry_thin[36] = { [2] = 6, [4] = 31 };
static const uint8_t vpd_list[] = { 0, 0, 0, 3, 0x00, 0xb0, 0xb2 };
static const uint8_t vpd_limits[64] = { 0, 0xb0, 0, 60, [20] = 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1,
	0, 0, 0, 128, [41] = 1, 0, 0 };
static const uint8_t capacity_thin[8] = { 0, 0x0f, 0xff, 0xff, 0, 0, 2, 0 };
static const uint8_t capacity16_thin[32] = { [5] = 0x0f, 0xff, 0xff, [10] = 2, [13] = 3, 0xc0 };
static const uint8_t by_write_same_16[] = { 0, 0xb2, 0, 4, 0, 0xe4, 2, 0 };
static const uint8_t by_write_same_10[] = { 0, 0xb2, 0, 4, 0, 0xa4, 2, 0 };
static const uint8_t by_unmap[] = { 0, 0xb2, 0, 4, 0, 0x84, 2, 0 };
static const uint8_t by_nothing[] = { 0, 0xb2, 0, 4, 0, 0, 0, 0 };

/* clang-format off */
#define ASKS_VPD(page, bytes) \
	SENDS(CMD(6, .cdb = { 0x12, 1, page, 0, 252 }, IN(252)), DATA(bytes))
#define THIN_OPENED(access, provisioning) \
	OPENS(SG_NAME, access), INQUIRES(inquiry_thin), ASKS_VPD(0, vpd_list), \
	ASKS_VPD(0xb0, vpd_limits), ASKS_VPD(0xb2, provisioning), \
	ASKS_CAPACITY(DATA(capacity_thin)), ASKS_CAPACITY16(DATA(capacity16_thin)), \
	ASKS_MODE(mode_data), IS_READY
#define TRIM_LANE	DATA_FD(O_RDWR, ROOM)
#define OUT(len_bytes)	.len = len_bytes, .direction = SG_DXFER_TO_DEV, .flags = TAIL, .timeout_ms = 120000
/* 256 blocks at LBA 1024 */
#define WRITES_SAME_16(...) \
	SENDS(CMD(16, .cdb = { 0x93, 0x08, [8] = 4, [12] = 1 }, OUT(512), .sends = block_of_zeros), __VA_ARGS__)
#define WRITES_SAME_10(...) \
	SENDS(CMD(10, .cdb = { 0x41, 0x08, [4] = 4, [7] = 1 }, OUT(512), .sends = block_of_zeros), __VA_ARGS__)
#define UNMAPS(...)	SENDS(CMD(10, .cdb = { 0x42, [8] = 24 }, OUT(24), .sends = unmap_list), __VA_ARGS__)
#define ASKS_STATUS(...) \
	SENDS(CMD(16, .cdb = { 0x9e, 0x12, [8] = 4, [12] = 2, 8 }, IN(520), .flags = TAIL), __VA_ARGS__)
/* clang-format on */

static const uint8_t block_of_zeros[512];
static const uint8_t unmap_list[24] = { 0, 22, 0, 16, [14] = 4, [18] = 1 };
static const uint8_t status_unmapped[] = { 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1,
	0, 1, 0, 0, 0 };
static const uint8_t status_mapped[] = { 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1,
	0, 0, 0, 0, 0 };

static struct endpoint *open_thin(struct rig *r)
{
	struct endpoint *ep;
	int status;

	ep = open_end(&r->said, END_DEST, 0, &status);
	assert_non_null(ep);
	as(r, METHOD_INDIRECT, IO_SG_IO);
	r->lane = ep->ops->lane_open(ep, &r->spec);
	assert_non_null(r->lane);
	return ep;
}

static void trim(struct rig *r)
{
	r->x = (struct xfer){ .op = XFER_TRIM,
		.offset_bytes = 1024 * 512,
		.len_bytes = 256 * 512,
		.done_bytes = 4711,
		.notes = 4711,
		.fault.kind = FAULT_OTHER };
	assert_int_equal(r->lane->ep->ops->submit(r->lane, &r->x), XFER_DONE);
}

static void trims(struct rig *r)
{
	trim(r);
	assert_outcome(r, FAULT_NONE, 256 * 512, 0);
}

static void does_not_trim(struct rig *r)
{
	trim(r);
	assert_outcome(r, FAULT_OS, 0, 0);
	assert_true(xfer_is_unsupported(&r->x));
}

static void close_thin(struct rig *r)
{
	struct endpoint *ep = r->lane->ep;

	ep->ops->lane_close(r->lane);
	ep->ops->close(ep);
	script_end();
}

static void a_thin_disk_is_trimmed_by_write_same_of_one_block(void **state)
{
	static const struct script_step steps[] = { THIN_OPENED(O_RDWR, by_write_same_16),
		TRIM_LANE, WRITES_SAME_16(.value = 0), WRITES_SAME_16(.value = 0) };
	struct rig *r = *state;
	const struct end_facts *f;

	BEGIN(steps);
	f = &open_thin(r)->facts;
	assert_true(f->can_trim && !f->fresh);
	assert_int_equal(f->trim_grain_bytes, 65536);
	assert_int_equal(f->max_trim_bytes, 65536 * 512);
	assert_int_equal(f->hole_bytes, 65536);
	trims(r);
	trims(r);
	close_thin(r);
}

static void a_thin_disk_that_has_only_the_short_form_gets_that(void **state)
{
	static const struct script_step steps[] = { THIN_OPENED(O_RDWR, by_write_same_10),
		TRIM_LANE, WRITES_SAME_10(.value = 0) };
	struct rig *r = *state;

	BEGIN(steps);
	assert_int_equal(open_thin(r)->facts.max_trim_bytes, 65408 * 512);
	trims(r);
	close_thin(r);
}

static void a_disk_that_only_unmaps_is_asked_whether_it_did(void **state)
{
	static const struct script_step steps[] = { THIN_OPENED(O_RDWR, by_unmap), TRIM_LANE,
		UNMAPS(.value = 0), ASKS_STATUS(DATA(status_unmapped)), UNMAPS(.value = 0),
		ASKS_STATUS(DATA(status_mapped)), UNMAPS(.value = 0),
		ASKS_STATUS(.reply = { .data = status_unmapped, .data_len = 24, .resid = 496 }) };
	struct rig *r = *state;

	BEGIN(steps);
	open_thin(r);
	trims(r);
	does_not_trim(r);
	trims(r); /* what one range was not granted, another may be */
	close_thin(r);
}

static void a_disk_that_cannot_say_whether_it_unmapped_is_written_to(void **state)
{
	static const struct script_step steps[] = { THIN_OPENED(O_RDWR, by_unmap), TRIM_LANE,
		UNMAPS(.value = 0), ASKS_STATUS(CHECK_CONDITION(5, 0x20, 0)) };
	struct rig *r = *state;

	BEGIN(steps);
	open_thin(r);
	does_not_trim(r);
	does_not_trim(r);
	close_thin(r);
}

static void a_disk_that_refuses_what_it_promised_is_asked_once(void **state)
{
	static const struct script_step steps[] = { THIN_OPENED(O_RDWR, by_write_same_16),
		TRIM_LANE, WRITES_SAME_16(CHECK_CONDITION(5, 0x24, 0)) };
	struct rig *r = *state;

	BEGIN(steps);
	open_thin(r);
	does_not_trim(r);
	does_not_trim(r);
	close_thin(r);
}

static void a_trim_fails_as_a_write_does_and_is_not_repeated(void **state)
{
	static const struct script_step steps[] = { THIN_OPENED(O_RDWR, by_write_same_16),
		TRIM_LANE, WRITES_SAME_16(CHECK_CONDITION(3, 0x0c, 0)),
		WRITES_SAME_16(CHECK_CONDITION(6, 0x29, 0)), WRITES_SAME_16(.reply = { .host = 3 }),
		WRITES_SAME_16(.err = ENODEV), WRITES_SAME_16(.reply = { .resid = 512 }),
		WRITES_SAME_16(CHECK_CONDITION(7, 0x27, 7)), WRITES_SAME_16(.value = 0) };
	static const enum fault_kind kinds[] = { FAULT_MEDIUM, FAULT_UNIT_ATTENTION, FAULT_TIMEOUT,
		FAULT_GONE, FAULT_SHORT, FAULT_DATA_PROTECT };
	struct rig *r = *state;
	char text[200];

	BEGIN(steps);
	open_thin(r);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		trim(r);
		assert_outcome(r, kinds[i], 0, 0);
		r->lane->ep->ops->describe(r->lane->ep, &r->x, text, sizeof(text));
		if (strncmp(text, "WRITE SAME(16) at LBA 1024, 256 blocks: ", 40) != 0)
			fail_msg("%s", text);
	}
	trims(r);
	close_thin(r);
}

static void an_earlier_writes_error_does_not_end_trimming(void **state)
{
	static const struct script_step steps[] = { THIN_OPENED(O_RDWR, by_write_same_16),
		TRIM_LANE,
		WRITES_SAME_16(.reply = { .status = 2,
				       .sense_len = 18,
				       .sense = { 0x71, 0, 5, [7] = 10, [12] = 0x24 } }),
		WRITES_SAME_16(.value = 0) };
	struct rig *r = *state;

	BEGIN(steps);
	open_thin(r);
	trim(r);
	assert_outcome(r, FAULT_ILLEGAL_REQUEST, 0, 0);
	trims(r);
	close_thin(r);
}

static void the_block_that_fails_is_named_inside_the_range(void **state)
{
	static const struct script_step steps[] = { THIN_OPENED(O_RDWR, by_write_same_16),
		TRIM_LANE,
		WRITES_SAME_16(.reply = { .status = 2,
				       .sense_len = 18,
				       .sense = { 0xf0, 0, 3, 0, 0, 4, 0xff, 10, [12] = 0x0c } }) };
	struct rig *r = *state;

	BEGIN(steps);
	open_thin(r);
	trim(r);
	assert_outcome(r, FAULT_MEDIUM, 0, 0);
	assert_true(r->x.fault.info_valid);
	assert_int_equal(r->x.fault.info_lba, 1024 + 255);
	close_thin(r);
}

static void a_thick_disk_and_a_source_are_not_trimmed(void **state)
{
	static const struct script_step thick[] = { THIN_OPENED(O_RDWR, by_nothing), TRIM_LANE };
	static const struct script_step source[] = { THIN_OPENED(O_RDONLY, by_write_same_16) };
	struct rig *r = *state;
	struct endpoint *ep;
	int status;

	BEGIN(thick);
	assert_false(open_thin(r)->facts.can_trim);
	assert_int_equal(r->lane->ep->facts.hole_bytes, 65536);
	close_thin(r);
	BEGIN(source);
	ep = open_end(&r->said, END_SOURCE, 0, &status);
	assert_non_null(ep);
	assert_false(ep->facts.can_trim);
	assert_int_equal(ep->facts.hole_bytes, 0);
	ep->ops->close(ep);
	script_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mapped_read_has_no_data_pointer),
		TEST(a_mapped_write_has_no_data_pointer),
		TEST(the_buffer_is_asked_for_in_whole_pages),
		TEST(direct_io_gives_the_memory_to_the_driver),
		TEST(direct_io_that_did_not_happen_is_noted),
		TEST(indirect_io_queues_at_the_tail_and_has_no_other_flag),
		TEST(the_block_node_gets_no_flags_and_is_opened_once),
		TEST(a_source_opens_its_block_node_for_reading_only),
		TEST(a_source_is_opened_for_writing_only_where_commands_go_by_write),
		TEST(dpo_and_fua_are_in_byte_one),
		TEST(sixteen_byte_commands_reach_past_2_to_the_32),
		TEST(a_lane_forgets_the_transfer_before),
		TEST(an_errno_of_sg_io_is_a_fault_of_its_kind),
		TEST(an_interrupted_read_is_repeated),
		TEST(a_command_that_write_refuses_is_not_in_flight),
		TEST(a_device_gone_before_its_reply_is_gone),
		TEST(a_short_count_of_write_is_an_error),
		TEST(a_short_count_of_read_is_an_error),
		TEST(memory_that_cannot_be_pinned_is_copied_from_then_on),
		TEST(a_lane_of_write_and_read_falls_back_too),
		TEST(the_block_node_falls_back_to_the_sg_node),
		TEST(a_lane_falls_back_once),
		TEST(a_command_that_is_not_known_is_noted_and_goes_in_its_other_form),
		TEST(the_other_form_is_tried_once),
		TEST(read_16_becomes_read_10_where_that_reaches_all_of_the_unit),
		TEST(a_form_that_the_user_chose_stays),
		TEST(direct_io_that_must_be_does_not_fall_back),
		TEST(a_short_transfer_is_not_success),
		TEST(the_residual_of_a_failure_means_nothing),
		TEST(host_errors_are_faults),
		TEST(busy_and_task_set_full_are_told_by_the_status),
		TEST(fixed_sense_names_the_bad_block),
		TEST(descriptor_sense_names_the_bad_block),
		TEST(a_recovered_error_is_success_with_all_bytes),
		TEST(driver_sense_alone_is_no_error),
		TEST(an_error_in_the_sense_of_a_good_status_is_an_error),
		TEST(an_error_in_the_sense_of_a_good_status_is_one_through_the_block_node_too),
		TEST(a_smaller_buffer_than_asked_is_refused),
		TEST(a_part_of_a_page_is_not_granted),
		TEST(a_node_that_cannot_be_opened_is_told),
		TEST(a_block_node_that_cannot_be_opened_is_told),
		TEST(a_buffer_that_cannot_be_sized_or_mapped_is_told),
		TEST(a_write_to_a_source_ends_the_program),
		TEST(a_disk_tells_who_it_is_over_a_descriptor_of_its_own),
		TEST(a_unit_attention_at_the_start_is_not_the_answer),
		TEST(a_unit_that_becomes_ready_is_identified_once_more),
		TEST(a_disk_that_is_not_ready_is_refused_with_a_remedy),
		TEST(the_flag_start_starts_what_waits_for_it),
		TEST(the_flag_start_does_nothing_about_what_waits_for_a_hand),
		TEST(read_long_learns_the_length_and_gives_the_block),
		TEST(without_read_long_nothing_is_salvaged),
		TEST(a_write_protected_destination_is_refused),
		TEST(a_tape_is_no_disk),
		TEST(a_node_of_nobody_is_told),
		TEST(excl_is_asked_of_the_node_once),
		TEST(the_flush_synchronizes_the_whole_cache),
		TEST(a_flush_waits_as_long_as_a_write_for_a_unit_that_will_be_ready),
		TEST(a_flush_that_was_busy_for_long_is_repeated_when_it_is_aborted),
		TEST(a_unit_that_stopped_before_the_flush_is_started_where_that_was_asked),
		TEST(a_unit_that_cannot_be_started_is_not_asked_twice),
		TEST(nobody_waits_for_a_unit_that_starts_in_a_run_that_ends),
		TEST(a_flush_waits_on_while_the_unit_tells_of_progress),
		TEST(a_flush_in_a_hurry_repeats_only_what_takes_a_moment),
		TEST(a_run_that_is_to_end_does_not_wait_for_the_flush_any_longer),
		TEST(a_flush_that_tells_of_an_earlier_writes_error_is_not_good),
		TEST(a_flush_that_tells_of_an_earlier_writes_recovery_is_asked_again_and_good),
		TEST(a_reset_and_a_later_failure_do_not_hide_an_earlier_writes_error),
		TEST(a_flush_after_a_reset_says_so),
		TEST(a_fault_is_described_in_the_fields_words),
		TEST(the_probe_believes_limits_that_are_enough),
		TEST(a_smaller_grant_lowers_the_largest_transfer),
		TEST(more_than_the_limits_promise_is_tried),
		TEST(what_the_limits_promise_is_the_least),
		TEST(a_grant_that_holds_no_block_is_refused),
		TEST(a_thin_disk_is_trimmed_by_write_same_of_one_block),
		TEST(a_thin_disk_that_has_only_the_short_form_gets_that),
		TEST(a_disk_that_only_unmaps_is_asked_whether_it_did),
		TEST(a_disk_that_cannot_say_whether_it_unmapped_is_written_to),
		TEST(a_disk_that_refuses_what_it_promised_is_asked_once),
		TEST(a_trim_fails_as_a_write_does_and_is_not_repeated),
		TEST(an_earlier_writes_error_does_not_end_trimming),
		TEST(the_block_that_fails_is_named_inside_the_range),
		TEST(a_thick_disk_and_a_source_are_not_trimmed),
	};

	return cmocka_run_group_tests_name("scripted sg", tests, NULL, NULL);
}
