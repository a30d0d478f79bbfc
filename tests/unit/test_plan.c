/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../engine/plan.h"
#include "../lib/capture.h"

#define KIB 1024u
#define MIB (1024u * KIB)
#define GIB (UINT64_C(1) << 30)

/* What an end can do, a bit each. */
enum can {
	MM = 1 << 0,  /* mmap */
	DIO = 1 << 1, /* direct IO */
	PIN = 1 << 2,
	BLK = 1 << 3, /* block node */
	RW = 1 << 4,
	SYNTH = 1 << 5, /* is no device */
};

struct scene {
	struct endpoint in, out;
	struct span span;
	struct plan_request rq;
	struct plan plan;
	char why[PLAN_WHY_ROOM];
};

static struct endpoint end_that(unsigned can, const char *name)
{
	return (struct endpoint){ .name = name,
		.identity = "ACME DISK 1.0",
		.facts = { .kind = can & SYNTH ? "null" : "sg",
			.size_bytes = can & SYNTH ? SIZE_UNKNOWN : 1024 * GIB,
			.block_bytes = can & SYNTH ? 0 : 512,
			.reserved_bytes = MIB,
			.max_xfer_bytes = MIB,
			.queue_depth = 32,
			.can_mmap = can & MM,
			.can_dio = can & DIO,
			.cls = can & SYNTH ? END_SYNTH : END_DEVICE,
			.can_indirect = !(can & SYNTH),
			.can_rw = can & RW,
			.can_block = can & BLK,
			.pinnable = can & PIN } };
}

/* 1 GiB from one end to another. */
static struct scene scene(unsigned in_can, unsigned out_can)
{
	return (struct scene){
		.in = end_that(in_can, "/dev/sg0"),
		.out = end_that(out_can, "/dev/sg1"),
		.span = { .ibs_bytes = 512,
			.obs_bytes = 512,
			.block_bytes = 512,
			.out_block_bytes = 512,
			.len_bytes = GIB },
		.rq = { .timeout_ms = 60000, .memory_bytes = UINT64_MAX },
	};
}

static int try_plan(struct scene *s)
{
	const struct sides sides = { { &s->in, &s->out }, 2 };

	s->out.role = s->rq.job == JOB_COMPARE ? END_SOURCE : END_DEST;
	s->why[0] = '\0';
	return plan_make(&s->rq, &sides, &s->span, &s->plan, s->why);
}

static const struct plan *make(struct scene *s)
{
	if (try_plan(s) != 0)
		fail_msg("refused: %s", s->why);
	return &s->plan;
}

static void expect_refusal(struct scene *s, const char *words)
{
	assert_int_equal(try_plan(s), EXIT_CONTRADICT);
	if (!strstr(s->why, words))
		fail_msg("no \"%s\" in \"%s\"", words, s->why);
}

/* --- rows --- */

#define DEVICE (MM | RW)

/* clang-format off */
static const struct row_case {
	const char *name;
	unsigned in_can, out_can;
	enum xfer_method in_asked, out_asked;
	enum io_kind io_asked;
	/* wanted */
	enum xfer_method in_method, out_method;
	enum lane_via in_via, out_via;
	enum plan_buffer buffer;
	unsigned copies;
	enum io_kind io;
} row_cases[] = {
	/* what is best for each ability */
	{ "mmap + direct out of it", DEVICE | PIN, DEVICE | DIO, 0, 0, 0,
	  METHOD_MMAP, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_IN, 0, IO_RW },
	{ "direct IO beats the block node", DEVICE | PIN | DIO | BLK, DEVICE | DIO | BLK, 0, 0, 0,
	  METHOD_MMAP, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_IN, 0, IO_RW },
	{ "mmap + block node", DEVICE | PIN, DEVICE | BLK, 0, 0, 0,
	  METHOD_MMAP, METHOD_DIO, VIA_SG, VIA_BLOCK, BUFFER_IN, 0, IO_SG_IO },
	{ "direct on both", DEVICE | DIO, DEVICE | DIO, 0, 0, 0,
	  METHOD_DIO, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_USER, 0, IO_RW },
	{ "mmap on both", DEVICE, DEVICE, 0, 0, 0,
	  METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1, IO_RW },
	{ "a block node without a pinnable buffer is no use", DEVICE, DEVICE | BLK, 0, 0, 0,
	  METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1, IO_RW },
	{ "a pinnable buffer without direct IO is no use", DEVICE | PIN, DEVICE, 0, 0, 0,
	  METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1, IO_RW },
	{ "direct IO at the source alone is no use", DEVICE | DIO, DEVICE, 0, 0, 0,
	  METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1, IO_RW },
	{ "read only", DEVICE, SYNTH, 0, 0, 0,
	  METHOD_MMAP, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_IN, 0, IO_RW },
	{ "generated", SYNTH, DEVICE, 0, 0, 0,
	  METHOD_INDIRECT, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_OUT, 0, IO_RW },
	{ "generated and discarded", SYNTH, SYNTH, 0, 0, 0,
	  METHOD_INDIRECT, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 0, IO_RW },
	/* io=rw keeps away from block nodes */
	{ "io=rw, block node there", DEVICE | PIN, DEVICE | BLK, 0, 0, IO_RW,
	  METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1, IO_RW },
	{ "io=sg_io", DEVICE, DEVICE, 0, 0, IO_SG_IO,
	  METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1, IO_SG_IO },
	{ "no permission to write", MM, DEVICE, 0, 0, 0,
	  METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1, IO_SG_IO },
	/* methods that are asked for */
	{ "mmap, mmap", DEVICE | PIN, DEVICE | DIO, METHOD_MMAP, METHOD_MMAP, 0,
	  METHOD_MMAP, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_BOTH, 1, IO_RW },
	{ "mmap, dio", DEVICE | PIN, DEVICE | DIO, METHOD_MMAP, METHOD_DIO, 0,
	  METHOD_MMAP, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_IN, 0, IO_RW },
	{ "mmap, dio by block node", DEVICE | PIN, DEVICE | BLK, METHOD_MMAP, METHOD_DIO, 0,
	  METHOD_MMAP, METHOD_DIO, VIA_SG, VIA_BLOCK, BUFFER_IN, 0, IO_SG_IO },
	{ "mmap, indirect", DEVICE | PIN | DIO, DEVICE | DIO, METHOD_MMAP, METHOD_INDIRECT, 0,
	  METHOD_MMAP, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_IN, 1, IO_RW },
	{ "dio, mmap", DEVICE | DIO, DEVICE | PIN, METHOD_DIO, METHOD_MMAP, 0,
	  METHOD_DIO, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_OUT, 0, IO_RW },
	{ "dio, dio", DEVICE | DIO | PIN, DEVICE | DIO, METHOD_DIO, METHOD_DIO, 0,
	  METHOD_DIO, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_USER, 0, IO_RW },
	{ "dio, dio by block nodes", DEVICE | BLK, DEVICE | BLK, METHOD_DIO, METHOD_DIO, 0,
	  METHOD_DIO, METHOD_DIO, VIA_BLOCK, VIA_BLOCK, BUFFER_USER, 0, IO_SG_IO },
	{ "dio, indirect", DEVICE | DIO, DEVICE, METHOD_DIO, METHOD_INDIRECT, 0,
	  METHOD_DIO, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 1, IO_RW },
	{ "indirect, mmap", DEVICE, DEVICE, METHOD_INDIRECT, METHOD_MMAP, 0,
	  METHOD_INDIRECT, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_OUT, 1, IO_RW },
	{ "indirect, dio", DEVICE, DEVICE | DIO, METHOD_INDIRECT, METHOD_DIO, 0,
	  METHOD_INDIRECT, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_USER, 1, IO_RW },
	{ "indirect, indirect", DEVICE, DEVICE, METHOD_INDIRECT, METHOD_INDIRECT, 0,
	  METHOD_INDIRECT, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 2, IO_RW },
	{ "dio, null", DEVICE | DIO, SYNTH, METHOD_DIO, 0, 0,
	  METHOD_DIO, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 0, IO_RW },
	{ "indirect, null", DEVICE, SYNTH, METHOD_INDIRECT, 0, 0,
	  METHOD_INDIRECT, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 1, IO_RW },
	{ "zeros, dio", SYNTH, DEVICE | DIO, 0, METHOD_DIO, 0,
	  METHOD_INDIRECT, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_USER, 0, IO_RW },
	{ "zeros, indirect", SYNTH, DEVICE, 0, METHOD_INDIRECT, 0,
	  METHOD_INDIRECT, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 1, IO_RW },
	/* one side asked, the other is for the plan */
	{ "in mmap", DEVICE | PIN, DEVICE | DIO, METHOD_MMAP, 0, 0,
	  METHOD_MMAP, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_IN, 0, IO_RW },
	{ "in indirect", DEVICE, DEVICE, METHOD_INDIRECT, 0, 0,
	  METHOD_INDIRECT, METHOD_MMAP, VIA_SG, VIA_SG, BUFFER_OUT, 1, IO_RW },
	{ "in dio", DEVICE | DIO, DEVICE, METHOD_DIO, 0, 0,
	  METHOD_DIO, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_USER, 1, IO_RW },
	{ "out indirect", DEVICE, DEVICE, 0, METHOD_INDIRECT, 0,
	  METHOD_MMAP, METHOD_INDIRECT, VIA_SG, VIA_SG, BUFFER_IN, 1, IO_RW },
	{ "out dio", DEVICE, DEVICE | DIO, 0, METHOD_DIO, 0,
	  METHOD_INDIRECT, METHOD_DIO, VIA_SG, VIA_SG, BUFFER_USER, 1, IO_RW },
};
/* clang-format on */

static void expect_row(const struct row_case *c)
{
	struct scene s = scene(c->in_can, c->out_can);
	const struct plan *p;

	s.rq.in_method = c->in_asked;
	s.rq.out_method = c->out_asked;
	s.rq.io = c->io_asked;
	p = make(&s);
	if (p->side[0].method != c->in_method || p->side[1].method != c->out_method ||
		p->side[0].via != c->in_via || p->side[1].via != c->out_via)
		fail_msg("%s: %s%s -> %s%s", c->name, method_name(p->side[0].method),
			p->side[0].via == VIA_BLOCK ? " (block)" : "",
			method_name(p->side[1].method),
			p->side[1].via == VIA_BLOCK ? " (block)" : "");
	if (p->buffer != c->buffer || p->cpu_copies != c->copies)
		fail_msg("%s: buffer %d, %u copies", c->name, (int)p->buffer, p->cpu_copies);
	if (p->side[0].io != c->io || p->side[1].io != c->io)
		fail_msg("%s: io %d and %d", c->name, (int)p->side[0].io, (int)p->side[1].io);
	if (p->writes != !(c->out_can & SYNTH))
		fail_msg("%s: steps", c->name);
	if (p->side[0].own_buffer != (p->side[0].method == METHOD_MMAP) ||
		p->side[1].own_buffer != (p->side[1].method == METHOD_MMAP))
		fail_msg("%s: own_buffer", c->name);
}

static void each_case_takes_the_cheapest_row_that_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row_cases); i++)
		expect_row(&row_cases[i]);
}

static void only_direct_io_that_was_not_asked_falls_back(void **state)
{
	struct scene s = scene(DEVICE | PIN, DEVICE | DIO);

	(void)state;
	assert_true(make(&s)->side[1].may_fall_back);
	assert_false(s.plan.side[0].may_fall_back);
	s.rq.out_method = METHOD_DIO;
	assert_false(make(&s)->side[1].may_fall_back);
}

static void only_a_buffer_of_direct_io_must_be_pinned(void **state)
{
	struct scene to_dio = scene(DEVICE | PIN, DEVICE | DIO),
		     from_dio = scene(DEVICE | DIO, DEVICE | PIN),
		     both = scene(DEVICE | PIN, DEVICE | PIN);

	(void)state;
	assert_true(make(&to_dio)->side[0].must_pin);
	assert_false(to_dio.plan.side[1].must_pin);
	from_dio.rq.in_method = METHOD_DIO;
	from_dio.rq.out_method = METHOD_MMAP;
	assert_true(make(&from_dio)->side[1].must_pin);
	assert_false(make(&both)->side[0].must_pin || both.plan.side[1].must_pin);
}

static void a_method_that_cannot_be_had_is_refused_with_its_reason(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.rq.in_method = s.rq.out_method = METHOD_DIO;
	expect_refusal(&s, "allow_dio");
	s.rq.in_method = METHOD_MMAP;
	s.out.facts.can_dio = true;
	expect_refusal(&s, "no direct IO out of a mapped reserved buffer");
	s.rq.out_method = METHOD_MMAP;
	s.in.facts.can_mmap = false;
	expect_refusal(&s, "no reserved buffer can be mapped");
}

static void io_rw_needs_permission_to_write(void **state)
{
	struct scene s = scene(MM, DEVICE);

	(void)state;
	s.rq.io = IO_RW;
	expect_refusal(&s, "/dev/sg0: io=rw");
	s = scene(DEVICE, MM);
	s.rq.io = IO_RW;
	expect_refusal(&s, "/dev/sg1: io=rw");
	s = scene(DEVICE, SYNTH);
	s.rq.io = IO_RW;
	assert_int_equal(make(&s)->side[0].io, IO_RW);
}

/* --- chunk --- */

static void expect_chunk(struct scene *s, uint32_t want)
{
	assert_int_equal(make(s)->chunk_bytes, want);
	assert_int_equal(s->plan.side[0].max_bytes, want);
	assert_int_equal(s->plan.side[1].max_bytes, want);
}

static void the_chunk_is_bpt_in_bs(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	expect_chunk(&s, CHUNK_DEFAULT_BYTES);
	s.rq.bpt_blk = 128;
	expect_chunk(&s, 64 * KIB);
	s.span.ibs_bytes = 4096;
	expect_chunk(&s, 512 * KIB);
	assert_null(s.plan.chunk_note);
}

static void the_chunk_is_no_more_than_either_end_takes(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.out.facts.max_xfer_bytes = 100 * KIB + 100; /* no whole block */
	expect_chunk(&s, 100 * KIB);
	assert_null(s.plan.chunk_note); /* nobody asked */
	s.rq.bpt_blk = 1024;
	expect_chunk(&s, 100 * KIB);
	assert_non_null(s.plan.chunk_note);
	s.in.facts.max_xfer_bytes = 512;
	expect_chunk(&s, 512);
}

static void the_chunk_is_no_more_than_the_span(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.span.len_bytes = 7 * 512;
	expect_chunk(&s, 7 * 512);
	s.span.len_bytes = 0;
	expect_chunk(&s, 512);
	assert_int_equal(s.plan.depth, 1);
}

static void the_chunk_is_no_more_than_a_cdb_that_was_asked_counts(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.rq.bpt_blk = 1024;
	s.rq.in_cdb_bytes = 6;
	s.span.len_bytes = 512 * KIB;
	expect_chunk(&s, 256 * 512);
	assert_non_null(s.plan.chunk_note);
	s.rq.in_cdb_bytes = 0;
	s.rq.out_cdb_bytes = 6;
	expect_chunk(&s, 256 * 512);
	s = scene(DEVICE, DEVICE);
	s.rq.out_cdb_bytes = 10;
	s.rq.bpt_blk = 70000;
	s.in.facts.max_xfer_bytes = s.out.facts.max_xfer_bytes = UINT32_MAX;
	expect_chunk(&s, 65535 * 512);
}

static void the_wanted_chunk_is_of_whole_blocks_and_fits_an_int(void **state)
{
	struct plan_request rq = { .bpt_blk = UINT32_MAX };
	struct span s = { .ibs_bytes = UINT32_MAX / 520 * 520,
		.block_bytes = 520,
		.len_bytes = UINT64_MAX / 520 * 520 };

	(void)state;
	assert_int_equal(plan_wanted_chunk(&rq, &s), UINT32_MAX / 2 / 520 * 520);
	rq.bpt_blk = 0;
	assert_int_equal(plan_wanted_chunk(&rq, &s), UINT32_MAX / 2 / 520 * 520);
	s.ibs_bytes = 520;
	assert_int_equal(plan_wanted_chunk(&rq, &s), CHUNK_DEFAULT_BYTES / 520 * 520);
}

/* --- depth and workers --- */

static void expect_threads(struct scene *s, unsigned depth, unsigned workers)
{
	const struct plan *p = make(s);

	if (p->depth != depth || p->workers != workers)
		fail_msg("depth %u, workers %u; not %u, %u", p->depth, p->workers, depth, workers);
}

static void evented_lanes_share_a_worker(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	expect_threads(&s, QUEUE_DEPTH_DEFAULT, 1);
	s.rq.queue_depth = 64;
	expect_threads(&s, 64, 1);
	s.rq.workers = 3;
	expect_threads(&s, 64, 3);
	s.rq.workers = 100;
	expect_threads(&s, 64, 64);
}

static void inline_lanes_have_a_worker_each(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.rq.io = IO_SG_IO;
	expect_threads(&s, QUEUE_DEPTH_DEFAULT, QUEUE_DEPTH_DEFAULT);
	s.rq.workers = 2; /* would leave slots idle */
	expect_threads(&s, QUEUE_DEPTH_DEFAULT, QUEUE_DEPTH_DEFAULT);
}

static void of_class(struct endpoint *ep, enum end_class cls, bool sequential)
{
	ep->facts.cls = cls;
	ep->facts.sequential = sequential;
	ep->facts.evented = cls == END_DIRECT_IO;
	ep->facts.can_mmap = ep->facts.can_rw = ep->facts.can_indirect = false;
}

static void a_stream_has_one_worker(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	of_class(&s.out, END_BUFFERED, true);
	s.rq.workers = 4;
	expect_threads(&s, QUEUE_DEPTH_DEFAULT, 1);
	assert_true(s.plan.in_order);
	assert_int_equal(s.plan.cpu_copies, 1);
	assert_int_equal(s.plan.buffer, BUFFER_IN);
	s.rq.workers = 0;
	s.rq.io = IO_SG_IO;
	expect_threads(&s, 1, 1);
	assert_null(s.plan.depth_note);
	s.rq.queue_depth = 8;
	expect_threads(&s, 1, 1);
	assert_non_null(s.plan.depth_note);
}

static void files_are_copied_one_chunk_at_a_time_unless_asked(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	of_class(&s.in, END_BUFFERED, false);
	of_class(&s.out, END_BUFFERED, false);
	expect_threads(&s, 1, 1);
	assert_int_equal(s.plan.cpu_copies, 2);
	assert_int_equal(s.plan.buffer, BUFFER_USER);
	s.rq.queue_depth = 8;
	expect_threads(&s, 8, 8);
	of_class(&s.out, END_DIRECT_IO, false);
	expect_threads(&s, 8, 1);
	assert_int_equal(s.plan.cpu_copies, 1);
}

static void o_direct_and_sg_share_a_worker_and_a_pinned_buffer(void **state)
{
	struct scene s = scene(DEVICE | PIN, DEVICE);

	(void)state;
	of_class(&s.out, END_DIRECT_IO, false);
	expect_threads(&s, QUEUE_DEPTH_DEFAULT, 1);
	assert_int_equal(s.plan.buffer, BUFFER_IN);
	assert_true(s.plan.side[0].must_pin);
	assert_int_equal(s.plan.cpu_copies, 0);
	s.in.facts.pinnable = false;
	make(&s);
	assert_int_equal(s.plan.buffer, BUFFER_USER);
	assert_int_equal(s.plan.cpu_copies, 1);
}

static void block_nodes_alone_are_driven_by_sg_io(void **state)
{
	struct scene s = scene(BLK, BLK);

	(void)state;
	s.in.facts.can_indirect = s.out.facts.can_indirect = false;
	make(&s);
	assert_int_equal(s.plan.side[0].via, VIA_BLOCK);
	assert_int_equal(s.plan.side[1].via, VIA_BLOCK);
	assert_int_equal(s.plan.side[0].io, IO_SG_IO);
	of_class(&s.out, END_BUFFERED, false);
	make(&s);
	assert_int_equal(s.plan.side[0].via, VIA_BLOCK);
	assert_int_equal(s.plan.side[0].method, METHOD_DIO);
}

static void one_command_at_a_time_goes_by_sg_io(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.rq.queue_depth = 1;
	expect_threads(&s, 1, 1);
	assert_int_equal(s.plan.side[0].io, IO_SG_IO);
	s.rq.io = IO_RW; /* asked is asked */
	assert_int_equal(make(&s)->side[0].io, IO_RW);
}

static void there_are_no_more_slots_than_chunks(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.rq.bpt_blk = 8;
	s.span.len_bytes = 5 * 4096 + 512;
	expect_threads(&s, 6, 1);
	assert_null(s.plan.depth_note);
}

static void memory_limits_the_depth(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.rq.bpt_blk = 128;
	s.rq.memory_bytes = 10 * 64 * KIB;
	expect_threads(&s, 5, 1); /* two buffers a slot */
	assert_null(s.plan.depth_note);
	s.rq.queue_depth = 6;
	expect_threads(&s, 5, 1);
	assert_non_null(s.plan.depth_note);
	s.rq.out_method = METHOD_INDIRECT; /* one buffer a slot */
	expect_threads(&s, 6, 1);
	assert_null(s.plan.depth_note);
	s.rq.memory_bytes = 0;
	expect_threads(&s, 1, 1);
}

/* --- several destinations --- */

/* What an end is made of beside what it can do. */
enum made_of { A_DEVICE, A_STREAM, A_FILE, A_DIRECT_FILE, A_MAPPED_FILE, A_NULL };

#define OUTS 3

struct crowd {
	struct endpoint in, out[OUTS], back[OUTS];
	unsigned nouts, nbacks;
	struct span span;
	struct plan_request rq;
	struct plan plan;
	char why[PLAN_WHY_ROOM];
};

static struct endpoint end_made_of(enum made_of what, unsigned can, const char *name)
{
	struct endpoint ep = end_that(what == A_NULL ? SYNTH : can, name);

	if (what == A_DEVICE || what == A_NULL)
		return ep;
	of_class(&ep, END_BUFFERED, what == A_STREAM);
	if (what == A_DIRECT_FILE)
		of_class(&ep, END_DIRECT_IO, false);
	if (what == A_MAPPED_FILE)
		of_class(&ep, END_MAPPED, false);
	ep.facts.kind = "file";
	ep.facts.block_bytes = 1;
	ep.facts.pinnable = what == A_MAPPED_FILE;
	ep.facts.max_xfer_bytes = UINT32_MAX;
	return ep;
}

static struct crowd crowd(enum made_of in, unsigned in_can)
{
	struct scene s = scene(DEVICE, DEVICE);

	return (struct crowd){
		.in = end_made_of(in, in_can, "source"), .span = s.span, .rq = s.rq
	};
}

static void to(struct crowd *c, enum made_of what, unsigned can)
{
	static const char *const names[] = { "dest", "dest 2", "dest 3" };

	c->out[c->nouts] = end_made_of(what, can, names[c->nouts]);
	c->out[c->nouts++].role = END_DEST;
}

static void back_from(struct crowd *c, enum made_of what, unsigned can)
{
	c->back[c->nbacks] = end_made_of(what, can, "back");
	c->back[c->nbacks++].role = END_SOURCE;
}

static struct sides sides_of(struct crowd *c)
{
	struct sides sides = { { &c->in }, 1 };

	for (unsigned i = 0; i < c->nouts; i++)
		sides.end[sides.n++] = &c->out[i];
	for (unsigned i = 0; i < c->nbacks; i++)
		sides.end[sides.n++] = &c->back[i];
	return sides;
}

static const struct plan *make_all(struct crowd *c)
{
	const struct sides sides = sides_of(c);

	c->why[0] = '\0';
	if (plan_make(&c->rq, &sides, &c->span, &c->plan, c->why) != 0)
		fail_msg("refused: %s", c->why);
	return &c->plan;
}

static void expect_crowd_refusal(struct crowd *c, const char *words)
{
	const struct sides sides = sides_of(c);

	c->why[0] = '\0';
	assert_int_equal(plan_make(&c->rq, &sides, &c->span, &c->plan, c->why), EXIT_CONTRADICT);
	if (!strstr(c->why, words))
		fail_msg("no \"%s\" in \"%s\"", words, c->why);
}

static void expect_side(const struct plan *p, unsigned side, enum xfer_method method,
	enum lane_via via, bool own_buffer)
{
	const struct lane_spec *spec = &p->side[side];

	if (spec->method != method || spec->via != via || spec->own_buffer != own_buffer)
		fail_msg("side %u: %s%s%s", side, method_name(spec->method),
			spec->via == VIA_BLOCK ? " (block)" : "",
			spec->own_buffer ? ", its own buffer" : "");
}

static void expect_buffer(const struct plan *p, enum plan_buffer buffer, unsigned copies)
{
	if (p->buffer != buffer || p->cpu_copies != copies)
		fail_msg("buffer %d, %u copies", (int)p->buffer, p->cpu_copies);
}

static void all_write_out_of_the_sources_mapped_buffer(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);
	const struct plan *p;

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_DIRECT_FILE, 0);
	p = make_all(&c);
	expect_buffer(p, BUFFER_IN, 0);
	expect_side(p, 0, METHOD_MMAP, VIA_SG, true);
	expect_side(p, 1, METHOD_DIO, VIA_SG, false);
	expect_side(p, 2, METHOD_DIO, VIA_SG, false);
	expect_side(p, 3, METHOD_INDIRECT, VIA_SG, false);
	assert_true(p->side[0].must_pin);
	assert_true(p->side[1].may_fall_back && p->side[2].may_fall_back);
	assert_int_equal(p->user_buffers, 0);
	assert_int_equal(p->side[0].io, IO_RW);
	assert_int_equal(p->workers, 1);
	c.in.facts.can_dio = true; /* as cheap, but with memory of its own */
	expect_buffer(make_all(&c), BUFFER_IN, 0);
}

static void a_buffer_is_pinned_if_one_of_them_needs_it(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);

	(void)state;
	to(&c, A_FILE, 0);
	assert_false(make_all(&c)->side[0].must_pin);
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_FILE, 0);
	expect_buffer(make_all(&c), BUFFER_IN, 2);
	assert_true(c.plan.side[0].must_pin);
}

/* SG_IO blocks, and is all that a block node takes: one would be written after the other. */
static void a_block_node_is_not_for_several_unless_sg_io_is_all_there_is(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_DEVICE, DEVICE | BLK);
	expect_buffer(make_all(&c), BUFFER_IN, 1);
	expect_side(&c.plan, 1, METHOD_DIO, VIA_SG, false);
	expect_side(&c.plan, 2, METHOD_INDIRECT, VIA_SG, false);
	assert_int_equal(c.plan.side[0].io, IO_RW);
	c.rq.io = IO_SG_IO;
	expect_buffer(make_all(&c), BUFFER_IN, 0);
	expect_side(&c.plan, 2, METHOD_DIO, VIA_BLOCK, false);
	assert_int_equal(c.plan.workers, c.plan.depth);
	c.rq.io = IO_AUTO;
	c.in.facts.can_rw = false; /* not without permission to write to each node */
	expect_buffer(make_all(&c), BUFFER_IN, 0);
	expect_side(&c.plan, 2, METHOD_DIO, VIA_BLOCK, false);
	assert_int_equal(c.plan.side[0].io, IO_SG_IO);
	c.in.facts.can_rw = true; /* nor where there is no other way */
	c.out[1].facts.can_indirect = c.out[1].facts.can_mmap = false;
	expect_side(make_all(&c), 2, METHOD_DIO, VIA_BLOCK, false);
	assert_int_equal(c.plan.side[0].io, IO_SG_IO);
}

/* By itself each would be mapped: one copy. Two mapped buffers cannot be one. */
static void what_cannot_be_mapped_twice_is_copied_by_the_driver(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);
	const struct plan *p;

	(void)state;
	to(&c, A_DEVICE, DEVICE);
	to(&c, A_DEVICE, DEVICE);
	p = make_all(&c);
	expect_buffer(p, BUFFER_IN, 2);
	expect_side(p, 0, METHOD_MMAP, VIA_SG, true);
	expect_side(p, 1, METHOD_INDIRECT, VIA_SG, false);
	expect_side(p, 2, METHOD_INDIRECT, VIA_SG, false);
	assert_false(p->side[0].must_pin);
	assert_int_equal(p->side[0].io, IO_RW);
	assert_int_equal(p->workers, 1);
}

static void the_cheapest_for_all_of_them_is_taken(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | DIO);
	const struct plan *p;

	(void)state;
	/* Nothing is pinned: direct IO all round is in memory of our own. */
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_DIRECT_FILE, 0);
	p = make_all(&c);
	expect_buffer(p, BUFFER_USER, 0);
	expect_side(p, 0, METHOD_DIO, VIA_SG, false);
	expect_side(p, 1, METHOD_DIO, VIA_SG, false);
	assert_int_equal(p->user_buffers, 1);
	/* One more that can do no direct IO: one copy, for it alone. */
	to(&c, A_DEVICE, DEVICE);
	p = make_all(&c);
	expect_buffer(p, BUFFER_USER, 1);
	expect_side(p, 1, METHOD_DIO, VIA_SG, false);
	expect_side(p, 3, METHOD_INDIRECT, VIA_SG, false);
	/* What is best for the first is not for both. */
	c = crowd(A_DEVICE, DEVICE | DIO);
	to(&c, A_FILE, 0);
	expect_buffer(make_all(&c), BUFFER_IN, 1);
	to(&c, A_DEVICE, DEVICE | DIO);
	expect_buffer(make_all(&c), BUFFER_USER, 1);
	expect_side(&c.plan, 0, METHOD_DIO, VIA_SG, false);
}

static void the_source_is_copied_once_for_all(void **state)
{
	struct crowd c = crowd(A_DEVICE, RW);
	const struct plan *p;

	(void)state;
	to(&c, A_DEVICE, RW);
	to(&c, A_DEVICE, RW);
	to(&c, A_FILE, 0);
	p = make_all(&c);
	expect_buffer(p, BUFFER_USER, 1 + 2 + 1); /* by the driver; by both; by the page cache */
	for (unsigned side = 0; side < 3; side++)
		expect_side(p, side, METHOD_INDIRECT, VIA_SG, false);
}

static void generated_bytes_are_made_in_memory_of_our_own(void **state)
{
	struct crowd c = crowd(A_NULL, 0);
	const struct plan *p;

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_DEVICE, DEVICE);
	p = make_all(&c);
	expect_buffer(p, BUFFER_USER, 1);
	expect_side(p, 1, METHOD_DIO, VIA_SG, false);
	expect_side(p, 2, METHOD_INDIRECT, VIA_SG, false);
	assert_true(p->writes);
}

static void one_of_them_may_be_a_stream(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);
	const struct plan *p;

	(void)state;
	to(&c, A_STREAM, 0);
	to(&c, A_DEVICE, DEVICE);
	p = make_all(&c);
	assert_true(p->in_order);
	assert_int_equal(p->workers, 1);
	expect_buffer(p, BUFFER_IN, 2);
}

static void null_sinks_alone_write_nothing(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);

	(void)state;
	to(&c, A_NULL, 0);
	to(&c, A_NULL, 0);
	assert_false(make_all(&c)->writes);
	to(&c, A_DEVICE, DEVICE);
	assert_true(make_all(&c)->writes);
}

static void methods_that_are_asked_hold_for_all(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_DEVICE, DEVICE | DIO);
	c.rq.out_method = METHOD_INDIRECT;
	expect_buffer(make_all(&c), BUFFER_IN, 2);
	c.rq.out_method = METHOD_DIO;
	expect_buffer(make_all(&c), BUFFER_IN, 0);
	assert_false(c.plan.side[2].may_fall_back);
	c.rq.out_method = METHOD_MMAP;
	expect_crowd_refusal(&c, "no transfer method for all destinations at once");
	c.rq.out_method = METHOD_DIO;
	c.out[1].facts.can_dio = false;
	expect_crowd_refusal(&c, "no transfer method for all destinations at once");
}

static void at_depth_1_several_writes_fly_at_once(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);

	(void)state;
	to(&c, A_DEVICE, DEVICE);
	c.rq.queue_depth = 1;
	assert_int_equal(make_all(&c)->side[0].io, IO_SG_IO);
	to(&c, A_DEVICE, DEVICE);
	assert_int_equal(make_all(&c)->side[0].io, IO_RW);
	assert_int_equal(c.plan.workers, 1);
	c.out[1].facts.can_rw = false;
	assert_int_equal(make_all(&c)->side[2].io, IO_SG_IO);
	c.rq.io = IO_RW;
	expect_crowd_refusal(&c, "dest 2: io=rw");
}

static void the_chunk_is_no_more_than_the_least_of_them_takes(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);

	(void)state;
	to(&c, A_DEVICE, DEVICE);
	to(&c, A_DEVICE, DEVICE);
	c.out[1].facts.max_xfer_bytes = 60 * KIB;
	assert_int_equal(make_all(&c)->chunk_bytes, 60 * KIB);
	back_from(&c, A_DEVICE, DEVICE);
	back_from(&c, A_DEVICE, DEVICE);
	c.back[0].facts.max_xfer_bytes = 30 * KIB;
	assert_int_equal(make_all(&c)->chunk_bytes, 30 * KIB);
	assert_int_equal(c.plan.side[4].max_bytes, 30 * KIB);
}

/* --- mapped files --- */

static void a_mapped_source_is_the_buffer(void **state)
{
	static const struct {
		enum made_of what;
		unsigned can;
		enum xfer_method method;
		enum lane_via via;
		unsigned copies;
	} cases[] = {
		{ A_DEVICE, DEVICE | DIO | BLK, METHOD_DIO, VIA_SG, 0 },
		{ A_DEVICE, DEVICE | BLK, METHOD_DIO, VIA_BLOCK, 0 },
		{ A_DEVICE, DEVICE, METHOD_INDIRECT, VIA_SG, 1 },
		{ A_FILE, 0, METHOD_INDIRECT, VIA_SG, 1 },
		{ A_STREAM, 0, METHOD_INDIRECT, VIA_SG, 1 },
		{ A_DIRECT_FILE, 0, METHOD_INDIRECT, VIA_SG, 0 },
		{ A_NULL, 0, METHOD_INDIRECT, VIA_SG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct crowd c = crowd(A_MAPPED_FILE, 0);
		const struct plan *p;

		to(&c, cases[i].what, cases[i].can);
		p = make_all(&c);
		expect_buffer(p, BUFFER_IN, cases[i].copies);
		expect_side(p, 0, METHOD_INDIRECT, VIA_SG, false);
		expect_side(p, 1, cases[i].method, cases[i].via, false);
		assert_int_equal(p->user_buffers, 0);
		assert_false(p->side[0].must_pin);
	}
}

static void a_mapped_destination_is_the_buffer(void **state)
{
	static const struct {
		enum made_of what;
		unsigned can;
		enum xfer_method method;
		enum lane_via via;
		unsigned copies;
	} cases[] = {
		{ A_DEVICE, DEVICE | DIO | BLK, METHOD_DIO, VIA_SG, 0 },
		{ A_DEVICE, DEVICE | BLK, METHOD_DIO, VIA_BLOCK, 0 },
		{ A_DEVICE, DEVICE, METHOD_INDIRECT, VIA_SG, 1 },
		{ A_FILE, 0, METHOD_INDIRECT, VIA_SG, 1 },
		{ A_DIRECT_FILE, 0, METHOD_INDIRECT, VIA_SG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct crowd c = crowd(cases[i].what, cases[i].can);
		const struct plan *p;

		to(&c, A_MAPPED_FILE, 0);
		p = make_all(&c);
		expect_buffer(p, BUFFER_OUT, cases[i].copies);
		expect_side(p, 0, cases[i].method, cases[i].via, false);
		expect_side(p, 1, METHOD_INDIRECT, VIA_SG, false);
		assert_int_equal(p->user_buffers, 0);
	}
}

static void several_write_out_of_one_mapped_file(void **state)
{
	struct crowd c = crowd(A_MAPPED_FILE, 0);
	const struct plan *p;

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_DIRECT_FILE, 0);
	to(&c, A_DEVICE, DEVICE);
	p = make_all(&c);
	expect_buffer(p, BUFFER_IN, 1);
	expect_side(p, 1, METHOD_DIO, VIA_SG, false);
	expect_side(p, 3, METHOD_INDIRECT, VIA_SG, false);
}

static void there_is_one_mapping_only(void **state)
{
	struct crowd both = crowd(A_MAPPED_FILE, 0), made = crowd(A_NULL, 0),
		     two = crowd(A_DEVICE, DEVICE | DIO);

	(void)state;
	to(&both, A_MAPPED_FILE, 0);
	expect_crowd_refusal(&both, "leave out mmap");
	to(&made, A_MAPPED_FILE, 0);
	expect_crowd_refusal(&made, "leave out mmap");
	to(&two, A_MAPPED_FILE, 0);
	to(&two, A_DEVICE, DEVICE | DIO);
	expect_crowd_refusal(&two, "no transfer method for all destinations at once");
}

static void nothing_that_looks_at_the_data_goes_with_a_mapped_file(void **state)
{
	static const char words[] = "mmap and what looks at the data exclude each other";
	const struct crowd plain = crowd(A_MAPPED_FILE, 0);
	struct crowd c = plain;

	(void)state;
	to(&c, A_DEVICE, DEVICE);
	c.rq.ordered = true;
	expect_crowd_refusal(&c, words);
	c.rq.ordered = false;
	c.span.pad = true;
	expect_crowd_refusal(&c, words);
	c.span.pad = false;
	c.rq.out_flags = END_SPARSE;
	expect_crowd_refusal(&c, words);
	c.rq.out_flags = END_TRIM;
	expect_crowd_refusal(&c, words);
	c.rq.out_flags = 0;
	make_all(&c);
	back_from(&c, A_DEVICE, DEVICE);
	expect_crowd_refusal(&c, "source: mmap");
	c = plain;
	back_from(&c, A_DEVICE, DEVICE); /* -x */
	c.rq.job = JOB_COMPARE;
	expect_crowd_refusal(&c, words);
	c = crowd(A_DEVICE, DEVICE);
	to(&c, A_MAPPED_FILE, 0);
	c.rq.ordered = true;
	expect_crowd_refusal(&c, "dest: mmap");
}

/* --- zeros --- */

enum zeros { FRESH = 1 << 0, TRIMS = 1 << 1, NO_HOLES = 1 << 2 };

static void zeros_are_left_out_trimmed_or_written(void **state)
{
	static const struct {
		const char *name;
		enum made_of what;
		unsigned zeros, flags;
		enum hole_mode want;
	} cases[] = {
		{ "not asked", A_FILE, FRESH | TRIMS, 0, HOLES_NONE },
		{ "a new file", A_FILE, FRESH | TRIMS, END_SPARSE, HOLES_SKIP },
		{ "a new file, trimmed", A_FILE, FRESH, END_TRIM, HOLES_SKIP },
		{ "an old file", A_FILE, TRIMS, END_SPARSE, HOLES_TRIM },
		{ "an old file without holes", A_FILE, 0, END_SPARSE, HOLES_NONE },
		{ "an old file, trimmed", A_FILE, TRIMS, END_TRIM, HOLES_TRIM },
		{ "a disk, sparse", A_DEVICE, TRIMS, END_SPARSE, HOLES_SKIP },
		{ "a disk that cannot trim, sparse", A_DEVICE, 0, END_SPARSE, HOLES_SKIP },
		{ "a disk, trimmed", A_DEVICE, TRIMS, END_TRIM, HOLES_TRIM },
		{ "a disk, both", A_DEVICE, TRIMS, END_SPARSE | END_TRIM, HOLES_TRIM },
		{ "a disk that cannot trim", A_DEVICE, 0, END_TRIM, HOLES_NONE },
		{ "a disk that cannot trim, both", A_DEVICE, 0, END_SPARSE | END_TRIM, HOLES_NONE },
		{ "without holes", A_FILE, FRESH | TRIMS | NO_HOLES, END_SPARSE, HOLES_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct crowd c = crowd(A_DEVICE, DEVICE);

		to(&c, cases[i].what, DEVICE);
		c.out[0].facts.fresh = cases[i].zeros & FRESH;
		c.out[0].facts.can_trim = cases[i].zeros & TRIMS;
		c.out[0].facts.hole_bytes = cases[i].zeros & NO_HOLES ? 0 : 4096;
		c.rq.out_flags = cases[i].flags;
		if (make_all(&c)->side[1].holes != cases[i].want)
			fail_msg("%s: %d", cases[i].name, (int)c.plan.side[1].holes);
		assert_int_equal(c.plan.side[0].holes, HOLES_NONE);
	}
}

static void a_block_node_is_a_disk_to_sparse(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);

	(void)state;
	to(&c, A_FILE, 0);
	c.out[0].facts.hole_bytes = c.out[0].facts.block_bytes = 512;
	c.rq.out_flags = END_SPARSE;
	assert_int_equal(make_all(&c)->side[1].holes, HOLES_SKIP);
}

/* VERIFY reads what was trimmed, and it is compared with the zeros. */
static void what_the_drive_verifies_has_no_holes(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);

	(void)state;
	to(&c, A_DEVICE, DEVICE);
	c.out[0].facts.can_trim = true;
	c.out[0].facts.hole_bytes = 512;
	c.rq.out_flags = END_TRIM;
	assert_int_equal(make_all(&c)->side[1].holes, HOLES_TRIM);
	assert_false(c.plan.side[1].verify);
	c.rq.job = JOB_VERIFY;
	assert_int_equal(make_all(&c)->side[1].holes, HOLES_NONE);
	assert_true(c.plan.side[1].verify);
}

/* What a mapped buffer holds is written from its start. */
static void what_may_be_left_out_is_not_in_the_destinations_buffer(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);

	(void)state;
	to(&c, A_DEVICE, DEVICE);
	expect_buffer(make_all(&c), BUFFER_BOTH, 1);
	c.rq.out_flags = END_SPARSE;
	expect_buffer(make_all(&c), BUFFER_IN, 1);
	expect_side(&c.plan, 1, METHOD_INDIRECT, VIA_SG, false);
	c.rq.out_method = METHOD_MMAP;
	expect_crowd_refusal(&c, "no transfer method");
}

/* --- read back --- */

static void each_side_that_is_read_back_has_a_buffer_of_its_own(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);
	const struct plan *p;

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_DEVICE, DEVICE | DIO);
	back_from(&c, A_DEVICE, DEVICE | DIO);
	back_from(&c, A_DEVICE, DIO | RW);
	p = make_all(&c);
	expect_buffer(p, BUFFER_IN, 0);
	expect_side(p, 3, METHOD_MMAP, VIA_SG, true);
	expect_side(p, 4, METHOD_DIO, VIA_SG, false);
	assert_int_equal(p->user_buffers, 1);
	assert_true(p->side[4].may_fall_back);
	assert_int_equal(p->side[3].holes, HOLES_NONE);
	assert_int_equal(p->side[3].cdb_bytes, 10);
}

static void what_is_read_back_counts_into_memory_and_copies(void **state)
{
	struct crowd c = crowd(A_FILE, 0);
	const struct plan *p;

	(void)state;
	to(&c, A_FILE, 0);
	c.rq.bpt_blk = 128;
	c.rq.queue_depth = 16;
	c.rq.memory_bytes = 12 * 64 * KIB;
	p = make_all(&c);
	assert_int_equal(p->depth, 12);
	expect_buffer(p, BUFFER_USER, 2);
	back_from(&c, A_FILE, 0);
	p = make_all(&c);
	assert_int_equal(p->user_buffers, 2);
	assert_int_equal(p->depth, 6);
	expect_buffer(p, BUFFER_USER, 3);
	assert_non_null(p->depth_note);
}

static void mapped_buffers_count_into_memory_too(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	c.rq.bpt_blk = 128;
	c.rq.memory_bytes = 12 * 64 * KIB;
	assert_int_equal(make_all(&c)->depth, 12);
	back_from(&c, A_DEVICE, DEVICE);
	assert_int_equal(make_all(&c)->depth, 6);
}

static void a_method_that_cannot_read_back_is_refused_by_name(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	back_from(&c, A_DEVICE, DEVICE);
	c.rq.out_method = METHOD_DIO;
	expect_crowd_refusal(&c, "back: the transfer method asked cannot be had");
	c.back[0].facts.can_block = true;
	expect_side(make_all(&c), 2, METHOD_DIO, VIA_BLOCK, false);
}

static void one_is_compared_with_several(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);
	const struct plan *p;

	(void)state;
	back_from(&c, A_DEVICE, DEVICE);
	back_from(&c, A_FILE, 0);
	c.rq.job = JOB_COMPARE;
	p = make_all(&c);
	expect_buffer(p, BUFFER_IN, 1);
	expect_side(p, 1, METHOD_MMAP, VIA_SG, true);
	expect_side(p, 2, METHOD_INDIRECT, VIA_SG, false);
	assert_int_equal(p->user_buffers, 1);
	assert_false(p->writes);
}

/* --- CDBs --- */

static void expect_cdbs(struct scene *s, unsigned in, unsigned out)
{
	make(s);
	assert_int_equal(s->plan.side[0].cdb_bytes, in);
	assert_int_equal(s->plan.side[1].cdb_bytes, out);
}

static void each_side_has_the_cdb_that_reaches_its_last_block(void **state)
{
	const uint64_t two_tib = (UINT64_C(1) << 32) * 512;
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	expect_cdbs(&s, 10, 10);
	s.span.in_bytes = two_tib - GIB; /* ends with LBA 2^32 - 1 */
	expect_cdbs(&s, 10, 10);
	s.span.in_bytes += 512;
	expect_cdbs(&s, 16, 10);
	s.span.out_bytes = two_tib;
	expect_cdbs(&s, 16, 16);
}

static void more_than_65535_blocks_need_16_bytes(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.in.facts.max_xfer_bytes = s.out.facts.max_xfer_bytes = UINT32_MAX;
	s.rq.bpt_blk = 65535;
	expect_cdbs(&s, 10, 10);
	s.rq.bpt_blk = 65536;
	expect_cdbs(&s, 16, 16);
}

static void a_cdb_that_was_asked_is_used_where_it_reaches(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.rq.in_cdb_bytes = 12;
	s.rq.out_cdb_bytes = 16;
	expect_cdbs(&s, 12, 16);
	s.span.len_bytes = 0x200000ull * 512;
	s.rq.in_cdb_bytes = 6;
	expect_cdbs(&s, 6, 16);
	s.span.in_bytes = 512;
	expect_refusal(&s, "cdbsz=6 cannot be used for the source: it does not reach LBA 2097152");
	s.rq.in_cdb_bytes = 10;
	s.rq.out_cdb_bytes = 12;
	s.span.out_bytes = (UINT64_C(1) << 32) * 512;
	expect_refusal(&s, "cdbsz=12 cannot be used for the destination");
}

/* 512-byte blocks to 4096-byte blocks: each CDB counts in its own. */
static struct scene mixed(void)
{
	struct scene s = scene(DEVICE, DEVICE);

	s.out.facts.block_bytes = s.span.obs_bytes = 4096;
	s.span.block_bytes = s.span.out_block_bytes = 4096;
	return s;
}

static void cdbs_count_in_the_blocks_of_their_own_end(void **state)
{
	const uint64_t two_tib = (UINT64_C(1) << 32) * 512;
	struct scene s = mixed();

	(void)state;
	s.span.in_bytes = s.span.out_bytes = two_tib - GIB;
	expect_cdbs(&s, 10, 10);
	s.span.in_bytes = s.span.out_bytes = two_tib - GIB + 4096;
	expect_cdbs(&s, 16, 10);
	s = mixed();
	s.span.len_bytes = MIB;
	s.rq.in_cdb_bytes = s.rq.out_cdb_bytes = 6;
	expect_chunk(&s, 256 * 512);
	s = mixed();
	s.in.facts.max_xfer_bytes = s.out.facts.max_xfer_bytes = UINT32_MAX;
	s.rq.bpt_blk = 65536;
	expect_cdbs(&s, 16, 10);
}

/* conv=sync writes more than is read. */
static void the_block_that_is_padded_is_reached(void **state)
{
	struct scene s = mixed();

	(void)state;
	s.span.pad = true;
	s.span.out_bytes = (UINT64_C(1) << 32) * 4096 - GIB;
	expect_cdbs(&s, 10, 10);
	s.span.len_bytes += 512;
	expect_cdbs(&s, 10, 16);
}

static void cdbsz_is_nothing_to_an_end_without_cdbs(void **state)
{
	struct scene s = scene(SYNTH, DEVICE);

	(void)state;
	s.rq.in_cdb_bytes = 6;
	s.rq.out_cdb_bytes = 16;
	expect_chunk(&s, MIB);
}

static void a_block_that_no_command_carries_is_refused(void **state)
{
	struct scene s = mixed();

	(void)state;
	s.in.facts.max_xfer_bytes = 2048;
	expect_refusal(&s, "a block of 4096 bytes is more than one command");
}

static void six_byte_cdbs_have_no_dpo_and_fua(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.span.len_bytes = MIB;
	s.rq.out_cdb_bytes = 6;
	s.rq.out_flags = END_FUA;
	expect_refusal(&s, "DPO and FUA");
	s.rq.out_flags = END_EXCL | END_FORCE; /* nothing of a CDB */
	expect_cdbs(&s, 10, 6);
	s.rq.in_flags = END_DPO;
	expect_cdbs(&s, 10, 6);
}

static void the_rest_of_the_request_goes_into_the_specs(void **state)
{
	struct scene s = scene(DEVICE, DEVICE);

	(void)state;
	s.rq.timeout_ms = 4711;
	make(&s);
	assert_int_equal(s.plan.side[0].timeout_ms, 4711);
	assert_int_equal(s.plan.side[1].timeout_ms, 4711);
}

/* --- in words --- */

static void a_plan_is_told_in_words(void **state)
{
	struct scene s = scene(DEVICE | PIN, DEVICE | DIO);
	const struct sides sides = { { &s.in, &s.out }, 2 };
	struct capture c;

	(void)state;
	make(&s);
	capture_begin(&c);
	plan_print(&s.plan, &sides, &s.span);
	capture_end(&c);
	assert_string_equal(c.text,
		"in: /dev/sg0 ACME DISK 1.0, 2147483648 blocks of 512 bytes (1 TiB), "
		"reserved buffer 1 MiB, queue depth 32\n"
		"out: /dev/sg1 ACME DISK 1.0, 2147483648 blocks of 512 bytes (1 TiB), "
		"reserved buffer 1 MiB, queue depth 32\n"
		"plan: mmap -> dio: direct IO out of the source's mapped buffer; "
		"CPU copies per byte 0\n"
		"plan: 1 GiB in chunks of 1 MiB (2048 blocks), qd 16, 1 worker, "
		"write() and read(), READ(10) and WRITE(10)\n");
}

static void an_end_without_an_end_is_told_by_its_kind(void **state)
{
	struct scene s = scene(DEVICE, SYNTH);
	const struct sides sides = { { &s.in, &s.out }, 2 };
	struct capture c;

	(void)state;
	s.rq.io = IO_SG_IO;
	make(&s);
	capture_begin(&c);
	plan_print(&s.plan, &sides, &s.span);
	capture_end(&c);
	assert_non_null(strstr(c.text, "out: /dev/sg1 (null)\n"));
	assert_non_null(strstr(c.text, "16 workers, ioctl(SG_IO)"));
}

/* The lines that begin with "plan:" or have no sizes in them are enough. */
static const char *printed(struct crowd *c, struct capture *said)
{
	const struct sides sides = sides_of(c);

	make_all(c);
	capture_begin(said);
	plan_print(&c->plan, &sides, &c->span);
	return capture_end(said);
}

static void expect_line(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in\n%s", line, text);
}

static void each_destination_is_told_in_words(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);
	struct capture said;
	const char *text;

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	to(&c, A_FILE, 0);
	text = printed(&c, &said);
	expect_line(text, "in: source ACME DISK 1.0, ");
	expect_line(text, "\nout: dest ACME DISK 1.0, ");
	expect_line(text, "\nout: dest 2, file of 1 TiB\n");
	expect_line(text, "\nplan: mmap -> dio: direct IO out of the source's mapped buffer\n"
			  "plan: mmap -> none: written out of the source's mapped buffer; "
			  "CPU copies per byte 1\n"
			  "plan: 1 GiB in chunks of 1 MiB (2048 blocks), qd 16, 1 worker, "
			  "write() and read(), READ(10) and WRITE(10)\n");
}

static void what_is_read_back_is_told_in_words(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE | PIN);
	struct capture said;
	const char *text;

	(void)state;
	to(&c, A_DEVICE, DEVICE | DIO);
	back_from(&c, A_DEVICE, DEVICE);
	text = printed(&c, &said);
	expect_line(text, "\ncompared: back ACME DISK 1.0, ");
	expect_line(text, "\nplan: mmap -> dio: direct IO out of the source's mapped buffer\n"
			  "plan: back is read back (mmap) and compared; CPU copies per byte 0\n");
	expect_line(text, ", READ(10) and WRITE(10) and READ(10)\n");
}

static void a_comparison_is_told_in_words(void **state)
{
	struct crowd c = crowd(A_DEVICE, DEVICE);
	struct capture said;

	(void)state;
	back_from(&c, A_DEVICE, DIO | RW);
	c.rq.job = JOB_COMPARE;
	expect_line(printed(&c, &said),
		"\nplan: mmap = dio: both sides read, each as it does best, and compared; "
		"CPU copies per byte 0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_case_takes_the_cheapest_row_that_fits),
		cmocka_unit_test(only_direct_io_that_was_not_asked_falls_back),
		cmocka_unit_test(only_a_buffer_of_direct_io_must_be_pinned),
		cmocka_unit_test(a_method_that_cannot_be_had_is_refused_with_its_reason),
		cmocka_unit_test(io_rw_needs_permission_to_write),
		cmocka_unit_test(the_chunk_is_bpt_in_bs),
		cmocka_unit_test(the_chunk_is_no_more_than_either_end_takes),
		cmocka_unit_test(the_chunk_is_no_more_than_the_span),
		cmocka_unit_test(the_chunk_is_no_more_than_a_cdb_that_was_asked_counts),
		cmocka_unit_test(the_wanted_chunk_is_of_whole_blocks_and_fits_an_int),
		cmocka_unit_test(evented_lanes_share_a_worker),
		cmocka_unit_test(inline_lanes_have_a_worker_each),
		cmocka_unit_test(a_stream_has_one_worker),
		cmocka_unit_test(files_are_copied_one_chunk_at_a_time_unless_asked),
		cmocka_unit_test(o_direct_and_sg_share_a_worker_and_a_pinned_buffer),
		cmocka_unit_test(block_nodes_alone_are_driven_by_sg_io),
		cmocka_unit_test(one_command_at_a_time_goes_by_sg_io),
		cmocka_unit_test(there_are_no_more_slots_than_chunks),
		cmocka_unit_test(memory_limits_the_depth),
		cmocka_unit_test(all_write_out_of_the_sources_mapped_buffer),
		cmocka_unit_test(a_buffer_is_pinned_if_one_of_them_needs_it),
		cmocka_unit_test(a_block_node_is_not_for_several_unless_sg_io_is_all_there_is),
		cmocka_unit_test(what_cannot_be_mapped_twice_is_copied_by_the_driver),
		cmocka_unit_test(the_cheapest_for_all_of_them_is_taken),
		cmocka_unit_test(the_source_is_copied_once_for_all),
		cmocka_unit_test(generated_bytes_are_made_in_memory_of_our_own),
		cmocka_unit_test(one_of_them_may_be_a_stream),
		cmocka_unit_test(null_sinks_alone_write_nothing),
		cmocka_unit_test(methods_that_are_asked_hold_for_all),
		cmocka_unit_test(at_depth_1_several_writes_fly_at_once),
		cmocka_unit_test(the_chunk_is_no_more_than_the_least_of_them_takes),
		cmocka_unit_test(a_mapped_source_is_the_buffer),
		cmocka_unit_test(a_mapped_destination_is_the_buffer),
		cmocka_unit_test(several_write_out_of_one_mapped_file),
		cmocka_unit_test(there_is_one_mapping_only),
		cmocka_unit_test(nothing_that_looks_at_the_data_goes_with_a_mapped_file),
		cmocka_unit_test(zeros_are_left_out_trimmed_or_written),
		cmocka_unit_test(a_block_node_is_a_disk_to_sparse),
		cmocka_unit_test(what_the_drive_verifies_has_no_holes),
		cmocka_unit_test(what_may_be_left_out_is_not_in_the_destinations_buffer),
		cmocka_unit_test(each_side_that_is_read_back_has_a_buffer_of_its_own),
		cmocka_unit_test(what_is_read_back_counts_into_memory_and_copies),
		cmocka_unit_test(mapped_buffers_count_into_memory_too),
		cmocka_unit_test(a_method_that_cannot_read_back_is_refused_by_name),
		cmocka_unit_test(one_is_compared_with_several),
		cmocka_unit_test(each_side_has_the_cdb_that_reaches_its_last_block),
		cmocka_unit_test(more_than_65535_blocks_need_16_bytes),
		cmocka_unit_test(a_cdb_that_was_asked_is_used_where_it_reaches),
		cmocka_unit_test(cdbs_count_in_the_blocks_of_their_own_end),
		cmocka_unit_test(the_block_that_is_padded_is_reached),
		cmocka_unit_test(cdbsz_is_nothing_to_an_end_without_cdbs),
		cmocka_unit_test(a_block_that_no_command_carries_is_refused),
		cmocka_unit_test(six_byte_cdbs_have_no_dpo_and_fua),
		cmocka_unit_test(the_rest_of_the_request_goes_into_the_specs),
		cmocka_unit_test(a_plan_is_told_in_words),
		cmocka_unit_test(an_end_without_an_end_is_told_by_its_kind),
		cmocka_unit_test(each_destination_is_told_in_words),
		cmocka_unit_test(what_is_read_back_is_told_in_words),
		cmocka_unit_test(a_comparison_is_told_in_words),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
