/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of the engine (copy, worker, slot) over simulated ends, with real threads and signals. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/clock.h"
#include "../../core/status.h"
#include "../../core/zeros.h"
#include "../../endpoints/synth.h"
#include "../../engine/copy_state.h"
#include "../lib/capture.h"
#include "../lib/sim.h"

#define BLOCK  512u
#define BLOCKS 256u
#define ENDS   5 /* as many sides as a test has, at most */

/* One run: changed from the default by each test before run(). */
struct scene {
	unsigned n; /* sides */
	struct sim_spec spec[ENDS];
	struct sim_rule rule[ENDS]; /* kind FAULT_NONE: none */
	unsigned reads_back[ENDS];  /* which side it reads back; 0: none */
	struct endpoint *end[ENDS];
	struct span span;
	struct plan_request request;
	struct plan plan;
	struct policy policy;
	struct copy_watch watch;
	struct digest digest;
	bool flush;
	struct copy *copy;
	struct copy_result result;
	uint64_t told; /* losses, or recovered errors */
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->n = 2;
	for (unsigned side = 0; side < ENDS; side++)
		s->spec[side] = (struct sim_spec){
			.name = side ? "dest" : "source",
			.role = side ? END_DEST : END_SOURCE,
			.block_bytes = BLOCK,
			.blocks = BLOCKS,
			.seed = side + 1,
			.evented = true,
			.can_mmap = true,
		};
	s->span = (struct span){ .ibs_bytes = BLOCK,
		.obs_bytes = BLOCK,
		.out_block_bytes = BLOCK,
		.block_bytes = BLOCK,
		.len_bytes = (uint64_t)BLOCKS * BLOCK };
	s->request = (struct plan_request){
		.bpt_blk = 4, .queue_depth = 8, .timeout_ms = 1000, .memory_bytes = UINT64_MAX
	};
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	if (s->copy)
		copy_close(s->copy);
	for (unsigned side = ENDS; side-- > 0;)
		if (s->end[side])
			s->end[side]->ops->close(s->end[side]);
	digest_destroy(&s->digest);
	free(s);
	return 0;
}

static void open_ends(struct scene *s)
{
	for (unsigned side = 0; side < s->n; side++) {
		struct sim_spec *spec = &s->spec[side];

		if (s->reads_back[side])
			spec->same_as = s->end[s->reads_back[side]];
		if (s->rule[side].kind != FAULT_NONE) {
			spec->rules = &s->rule[side];
			spec->nrules = 1;
		}
		if (!s->end[side])
			s->end[side] = sim_open(spec);
		(void)s->end[side]->ops->probe(
			s->end[side], plan_wanted_chunk(&s->request, &s->span), 0);
	}
}

static struct sides sides_of(const struct scene *s)
{
	struct sides sides = { .n = s->n };

	memcpy(sides.end, s->end, sizeof(s->end));
	return sides;
}

static enum copy_opened open_copy(struct scene *s, int *exit_status)
{
	char why[PLAN_WHY_ROOM];
	struct sides sides;

	open_ends(s);
	sides = sides_of(s);
	assert_int_equal(plan_make(&s->request, &sides, &s->span, &s->plan, why), 0);
	return copy_open(&s->plan, &s->span, &sides, &s->policy, &s->copy, exit_status);
}

static void is_recovered(void *arg, uint64_t nth, const struct incident *l)
{
	(void)arg;
	assert_true(nth >= 1 && nth <= INCIDENTS_KEPT);
	assert_int_equal(l->x.fault.kind, FAULT_RECOVERED);
}

static void run(struct scene *s)
{
	int exit_status;

	if (!s->watch.recovered)
		s->watch.recovered = is_recovered;
	assert_int_equal(open_copy(s, &exit_status), COPY_READY);
	if (s->request.ordered)
		copy_set_digest(s->copy, &s->digest);
	assert_int_equal(copy_run(s->copy, &s->watch, s->flush, &s->result), 0);
}

static uint64_t in_bytes(const struct scene *s)
{
	return counter_get(&s->result.side[0].count.bytes);
}

static uint64_t out_bytes(const struct scene *s)
{
	return counter_get(&s->result.side[1].count.bytes);
}

/*
 * The blocks that were answered as written, and no others, are the source's; and what has gone of
 * a write that failed counts too.
 */
static void assert_only_the_written_is_changed(const struct scene *s)
{
	struct endpoint *untouched = sim_open(&s->spec[1]);
	uint64_t written = 0;

	for (uint64_t b = 0; b < BLOCKS; b++) {
		const uint8_t *now = sim_data(s->end[1]) + b * BLOCK;

		if (sim_acknowledged(s->end[1], b)) {
			assert_memory_equal(now,
				sim_data(s->end[0]) + b * BLOCK - s->span.out_bytes +
					s->span.in_bytes,
				BLOCK);
			written += BLOCK;
		} else if (s->rule[1].kind == FAULT_NONE) {
			assert_memory_equal(now, sim_data(untouched) + b * BLOCK, BLOCK);
		}
	}
	sim_close(untouched);
	if (s->result.side[1].failed)
		written += s->result.side[1].failure.done_bytes;
	assert_int_equal(out_bytes(s), written);
}

static void assert_all_arrived(const struct scene *s)
{
	assert_false(s->result.failed);
	assert_int_equal(in_bytes(s), s->span.len_bytes);
	assert_int_equal(out_bytes(s), s->span.len_bytes);
	assert_memory_equal(sim_data(s->end[1]) + s->span.out_bytes,
		sim_data(s->end[0]) + s->span.in_bytes, s->span.len_bytes);
}

static void assert_failed(
	const struct scene *s, unsigned side, enum fault_kind kind, enum xfer_op op)
{
	assert_true(s->result.failed && s->result.side[side].failed);
	assert_int_equal(s->result.failed_first, side);
	assert_int_equal(s->result.side[side].failure.fault.kind, kind);
	assert_int_equal(s->result.side[side].failure.op, op);
}

/* --- data --- */

static void a_copy_equals_its_source(void **state)
{
	struct scene *s = *state;

	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[0].count.commands), BLOCKS / 4);
	assert_int_equal(counter_get(&s->result.side[1].count.commands), BLOCKS / 4);
	assert_int_equal(counter_get(&s->result.side[1].count.retries), 0);
}

static void a_tail_shorter_than_a_chunk_is_copied(void **state)
{
	struct scene *s = *state;

	s->span.len_bytes = 13 * BLOCK;
	s->span.in_bytes = 3 * BLOCK;
	s->span.out_bytes = 7 * BLOCK;
	run(s);
	assert_all_arrived(s);
	assert_only_the_written_is_changed(s);
}

static void a_span_of_nothing_sends_nothing(void **state)
{
	struct scene *s = *state;

	s->span.len_bytes = 0;
	s->flush = true;
	run(s);
	assert_all_arrived(s);
	assert_int_equal(sim_counts(s->end[0])->submitted, 0);
	assert_int_equal(sim_counts(s->end[1])->submitted, 0);
	assert_false(s->result.side[1].flushed);
}

static void generated_bytes_fill_the_destination(void **state)
{
	struct scene *s = *state;
	uint8_t ones[BLOCK];
	int exit_status;

	memset(ones, 0xff, sizeof(ones));
	s->end[0] = synth_open_byte("ff", 0xff, &exit_status);
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(out_bytes(s), BLOCKS * BLOCK);
	for (unsigned b = 0; b < BLOCKS; b++)
		assert_memory_equal(sim_data(s->end[1]) + b * BLOCK, ones, BLOCK);
}

static void the_null_sink_gets_no_commands(void **state)
{
	struct scene *s = *state;
	int exit_status;

	s->end[1] = synth_open_null("/dev/null", &exit_status);
	s->flush = true;
	run(s);
	assert_int_equal(in_bytes(s), BLOCKS * BLOCK);
	assert_int_equal(out_bytes(s), 0);
	assert_int_equal(counter_get(&s->result.side[1].count.commands), 0);
	assert_false(s->result.side[1].flushed);
}

static void make_stream(struct scene *s, unsigned side)
{
	s->spec[side].cls = END_BUFFERED;
	s->spec[side].sequential = true;
	s->spec[side].evented = s->spec[side].can_mmap = false;
	s->span.open_ended = side == 0;
	s->request.io = IO_RW;
}

/* --- order and depth --- */

static void one_worker_reads_in_ascending_order(void **state)
{
	struct scene *s = *state;

	s->request.io = IO_RW;
	run(s);
	assert_int_equal(s->plan.workers, 1);
	assert_int_equal(sim_counts(s->end[0])->out_of_order, 0);
}

static void what_is_read_at_once_does_not_overtake_what_flies(void **state)
{
	struct scene *s = *state;

	s->request.io = IO_RW;
	s->request.bpt_blk = 1;
	make_stream(s, 1);
	run(s);
	assert_int_equal(s->plan.workers, 1);
	assert_int_equal(s->plan.depth, 8);
	assert_int_equal(sim_counts(s->end[1])->out_of_order, 0);
	assert_int_equal(sim_counts(s->end[0])->most_in_flight, 8);
	assert_all_arrived(s);
}

static void all_slots_of_the_plan_fly_at_once(void **state)
{
	struct scene *s = *state;

	s->request.queue_depth = 32;
	s->spec[0].always_flies = true;
	run(s);
	assert_int_equal(s->plan.depth, 32);
	assert_int_equal(sim_counts(s->end[0])->most_in_flight, 32);
	assert_int_equal(sim_counts(s->end[0])->lanes_ever, 32);
	assert_int_equal(sim_counts(s->end[1])->lanes_ever, 32);
}

static void reads_overlap_writes(void **state)
{
	struct scene *s = *state;

	s->request.queue_depth = 2;
	s->request.bpt_blk = 1;
	run(s);
	assert_all_arrived(s);
	assert_int_equal(sim_counts(s->end[0])->most_in_flight, 2);
	assert_int_equal(sim_counts(s->end[1])->most_in_flight, 2);
}

static void many_workers_share_the_slots(void **state)
{
	struct scene *s = *state;

	s->request.workers = 3;
	s->request.io = IO_RW;
	s->request.bpt_blk = 1;
	run(s);
	assert_int_equal(s->plan.workers, 3);
	assert_all_arrived(s);
}

static void inline_ends_have_a_worker_a_slot(void **state)
{
	struct scene *s = *state;

	s->spec[0].evented = s->spec[1].evented = false;
	s->request.io = IO_SG_IO;
	run(s);
	assert_int_equal(s->plan.workers, 8);
	assert_all_arrived(s);
}

/* --- faults --- */

static void a_short_read_is_not_success(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_SHORT, .first_blk = 100, .end_blk = 101 };
	run(s);
	assert_failed(s, 0, FAULT_SHORT, XFER_READ);
	assert_int_equal(s->result.side[0].failure.offset_bytes, 100 * BLOCK);
	assert_int_equal(counter_get(&s->result.side[0].count.unrecovered), 1);
	assert_false(sim_acknowledged(s->end[1], 100));
	assert_only_the_written_is_changed(s);
}

static void a_short_write_is_not_success(void **state)
{
	struct scene *s = *state;

	s->rule[1] = (struct sim_rule){ .kind = FAULT_SHORT, .first_blk = 100, .end_blk = 101 };
	run(s);
	assert_failed(s, 1, FAULT_SHORT, XFER_WRITE);
	assert_int_equal(s->result.side[1].failure.done_bytes, 2 * BLOCK);
	assert_only_the_written_is_changed(s);
}

static void a_failed_read_is_never_written(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 40, .end_blk = 41 };
	run(s);
	assert_failed(s, 0, FAULT_MEDIUM, XFER_READ);
	for (uint64_t b = 40; b < 44; b++)
		assert_false(sim_acknowledged(s->end[1], b));
	assert_only_the_written_is_changed(s);
}

static void no_chunk_is_begun_after_a_fatal_fault(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_HARDWARE, .first_blk = 0, .end_blk = 1 };
	run(s);
	/* What flew beside it came home. */
	assert_in_range(counter_get(&s->result.side[0].count.commands), 1, 8);
	assert_int_equal(in_bytes(s), out_bytes(s));
}

static void the_first_of_several_faults_is_told(void **state)
{
	static const struct sim_rule rules[] = {
		{ .kind = FAULT_MEDIUM, .first_blk = 0, .end_blk = 1 },
		{ .kind = FAULT_HARDWARE },
	};
	struct scene *s = *state;

	s->spec[0].rules = rules;
	s->spec[0].nrules = ARRAY_SIZE(rules);
	s->spec[0].always_flies = true;
	run(s);
	assert_failed(s, 0, FAULT_MEDIUM, XFER_READ);
	assert_int_equal(counter_get(&s->result.side[0].count.unrecovered), 8);
}

static void count_recovered(void *arg, uint64_t nth, const struct incident *l)
{
	struct scene *s = arg;

	assert_int_equal(nth, ++s->told);
	assert_int_equal(l->side, 0);
	assert_int_equal(l->x.fault.kind, FAULT_RECOVERED);
	assert_int_equal(l->x.op, XFER_READ);
}

static void a_recovered_error_is_counted_and_its_data_are_good(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_RECOVERED, .every_nth = 4 };
	s->watch.recovered = count_recovered;
	s->watch.arg = s;
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[0].count.recovered), BLOCKS / 4 / 4);
	assert_int_equal(s->told, BLOCKS / 4 / 4);
	assert_int_equal(counter_get(&s->result.side[0].count.retries), 0);
}

static void a_unit_attention_is_retried_and_counted(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_UNIT_ATTENTION, .tries = 3 };
	s->rule[1] = (struct sim_rule){ .kind = FAULT_UNIT_ATTENTION, .tries = 1 };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[0].count.retries), 3 * BLOCKS / 4);
	assert_int_equal(counter_get(&s->result.side[0].count.commands), 4 * BLOCKS / 4);
	assert_int_equal(counter_get(&s->result.side[1].count.retries), BLOCKS / 4);
	assert_int_equal(counter_get(&s->result.side[1].count.unrecovered), 0);
}

static void a_reset_in_mid_run_is_counted_apart(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_UNIT_ATTENTION, .asc = 0x2a, .tries = 1 };
	s->rule[1] = (struct sim_rule){
		.kind = FAULT_UNIT_ATTENTION, .asc = 0x29, .first_blk = 8, .end_blk = 9, .tries = 2
	};
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[0].count.resets), 0);
	assert_int_equal(counter_get(&s->result.side[1].count.resets), 2);
}

static void make_one_disk(struct scene *s)
{
	s->spec[0].identity = s->spec[1].identity = "the disk";
	s->rule[0] = (struct sim_rule){ .kind = FAULT_UNIT_ATTENTION,
		.asc = 0x29,
		.first_blk = 99,
		.end_blk = 100,
		.tries = 1 };
}

/* A disk tells of it once, to whichever command comes first. */
static void a_reset_that_a_read_is_told_of_is_the_destinations_where_they_are_one_disk(void **state)
{
	struct scene *s = *state;

	make_one_disk(s);
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[0].count.resets), 0);
	assert_int_equal(counter_get(&s->result.side[1].count.resets), 1);
}

static void what_was_written_before_such_a_reset_is_written_again(void **state)
{
	struct scene *s = *state;

	make_one_disk(s);
	s->policy.reverse = true; /* it has records */
	s->spec[1].rewritten = true;
	run(s);
	assert_false(s->result.failed);
	assert_true(out_bytes(s) > s->span.len_bytes);
}

static void a_write_is_retried_without_a_second_read(void **state)
{
	struct scene *s = *state;

	s->rule[1] = (struct sim_rule){ .kind = FAULT_ABORTED, .tries = 2 };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[0].count.commands), BLOCKS / 4);
	assert_int_equal(counter_get(&s->result.side[1].count.commands), 3 * BLOCKS / 4);
}

static void tries_of_the_read_do_not_count_for_the_write(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_ABORTED, .tries = 2 };
	s->rule[1] = (struct sim_rule){ .kind = FAULT_ABORTED, .tries = 2 };
	run(s);
	assert_all_arrived(s);
}

static void a_busy_unit_is_asked_again_later(void **state)
{
	struct scene *s = *state;
	nsec_t since = clock_now_ns();

	s->rule[1] =
		(struct sim_rule){ .kind = FAULT_BUSY, .first_blk = 8, .end_blk = 9, .tries = 2 };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[1].count.retries), 2);
	assert_true(clock_now_ns() - since >= 30 * NSEC_PER_MSEC); /* 10 ms and 20 ms */
}

int __real_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *t, struct timespec *rest);
int __wrap_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *t, struct timespec *rest);
static _Atomic unsigned long_naps;

/* A second and more is counted, and not slept. */
int __wrap_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *t, struct timespec *rest)
{
	if (t->tv_sec == 0)
		return __real_clock_nanosleep(clock, flags, t, rest);
	long_naps++;
	return 0;
}

/* Each of eight has to wait, but they wait together. */
static void those_that_fly_to_a_busy_unit_wait_once(void **state)
{
	struct scene *s = *state;

	long_naps = 0;
	s->spec[0].always_flies = true;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_BECOMING_READY, .end_blk = 32, .tries = 1 };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[0].count.retries), 8);
	assert_int_equal(long_naps, 1);
}

static void a_full_task_set_lowers_the_depth(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){
		.kind = FAULT_TASK_SET_FULL, .first_blk = 64, .end_blk = 76, .tries = 1
	};
	run(s);
	assert_all_arrived(s);
	assert_int_equal(s->plan.depth, 8);
	assert_int_equal(s->result.depth, 5);
}

static void the_depth_is_never_lowered_to_nothing(void **state)
{
	struct scene *s = *state;

	s->request.io = IO_SG_IO;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_TASK_SET_FULL, .tries = 1 };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(s->result.depth, 1);
}

int __real_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int __wrap_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
static _Atomic unsigned threads_refused; /* all but the next one */

int __wrap_pthread_create(
	pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	if (threads_refused > 0 && threads_refused++ > 1)
		return EAGAIN;
	return __real_pthread_create(thread, attr, start, arg);
}

/* The slots of the others are none that could be left to go on. */
static void a_worker_that_is_alone_keeps_a_slot(void **state)
{
	struct scene *s = *state;

	s->request.workers = 2;
	s->request.io = IO_RW;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_TASK_SET_FULL, .tries = 1 };
	threads_refused = 1;
	run(s);
	threads_refused = 0;
	assert_int_equal(s->plan.workers, 2);
	assert_all_arrived(s);
	assert_int_equal(s->result.depth, 1);
}

static void a_medium_error_is_retried_as_often_as_asked(void **state)
{
	struct scene *s = *state;

	s->policy.retries = 2;
	s->rule[0] =
		(struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 8, .end_blk = 9, .tries = 2 };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[0].count.retries), 2);
}

static void a_deferred_error_ends_the_run(void **state)
{
	struct scene *s = *state;

	s->policy.retries = 5;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_ABORTED, .deferred = true, .after = 3 };
	run(s);
	assert_failed(s, 1, FAULT_ABORTED, XFER_WRITE);
	assert_int_equal(counter_get(&s->result.side[1].count.retries), 0);
	assert_only_the_written_is_changed(s);
}

static void a_device_that_goes_away_ends_the_run(void **state)
{
	struct scene *s = *state;

	s->rule[1] = (struct sim_rule){ .kind = FAULT_GONE, .after = 10 };
	run(s);
	assert_failed(s, 1, FAULT_GONE, XFER_WRITE);
	assert_int_equal(out_bytes(s), 10 * 4 * BLOCK);
	assert_only_the_written_is_changed(s);
}

static void direct_io_that_was_copied_is_counted(void **state)
{
	struct scene *s = *state;

	s->spec[0].can_dio = s->spec[1].can_dio = true;
	s->spec[1].not_direct_nth = 1;
	s->request.in_method = s->request.out_method = METHOD_DIO;
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[1].count.not_direct_bytes), BLOCKS * BLOCK);
	assert_int_equal(counter_get(&s->result.side[0].count.not_direct_bytes), 0);
}

static void lanes_that_fall_back_are_counted_once(void **state)
{
	struct scene *s = *state;

	s->spec[0].can_dio = s->spec[1].can_dio = true;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_UNMAPPABLE };
	run(s);
	assert_int_equal(s->plan.side[1].method, METHOD_DIO);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&s->result.side[1].count.fell_back), 8);
}

static void goes_in_its_other_form(struct scene *s, unsigned side)
{
	const struct counters *c = &s->result.side[side].count;

	s->rule[side] = (struct sim_rule){ .kind = FAULT_INVALID_OPCODE };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(counter_get(&c->other_cdb), 8);
	assert_int_equal(counter_get(&c->retries), 8);
	assert_int_equal(counter_get(&c->unrecovered), 0);
}

static void a_read_that_is_not_known_goes_in_its_other_form(void **state)
{
	goes_in_its_other_form(*state, 0);
}

static void a_write_that_is_not_known_goes_in_its_other_form(void **state)
{
	goes_in_its_other_form(*state, 1);
}

static void is_started(struct scene *s, unsigned side)
{
	s->spec[side].can_start = true;
	s->rule[side] = (struct sim_rule){ .kind = FAULT_STOPPED, .after = 20 };
	run(s);
	assert_all_arrived(s);
	assert_in_range(sim_counts(s->end[side])->starts, 1, 8);
	assert_int_equal(counter_get(&s->result.side[side].count.unrecovered), 0);
}

static void a_source_that_stops_is_started_where_that_was_asked(void **state)
{
	is_started(*state, 0);
}

static void a_destination_that_stops_is_started_where_that_was_asked(void **state)
{
	is_started(*state, 1);
}

static void a_unit_that_cannot_be_started_ends_the_run(void **state)
{
	struct scene *s = *state;

	s->request.io = IO_RW;
	s->spec[0].can_start = s->spec[0].never_starts = true;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_STOPPED, .after = 20 };
	run(s);
	assert_failed(s, 0, FAULT_STOPPED, XFER_READ);
	assert_int_equal(sim_counts(s->end[0])->starts, 1);
}

static void a_unit_that_stops_ends_the_run_where_it_is_not_to_be_started(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_STOPPED, .after = 20 };
	run(s);
	assert_failed(s, 0, FAULT_STOPPED, XFER_READ);
	assert_int_equal(sim_counts(s->end[0])->starts, 0);
}

static void direct_io_that_was_asked_does_not_fall_back(void **state)
{
	struct scene *s = *state;

	s->spec[0].can_dio = s->spec[1].can_dio = true;
	s->request.in_method = s->request.out_method = METHOD_DIO;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_UNMAPPABLE };
	run(s);
	assert_failed(s, 1, FAULT_UNMAPPABLE, XFER_WRITE);
	assert_int_equal(out_bytes(s), 0);
}

/* --- hashes --- */

static void ask_hash(struct scene *s)
{
	s->request.ordered = true;
	assert_int_equal(digest_init(&s->digest, "sha256", 0, NULL, NULL), 0);
}

/* It is that of the first len_bytes of the span in the source. */
static void assert_hash(struct scene *s, uint64_t len_bytes)
{
	char text[HASH_TEXT_ROOM], want[HASH_TEXT_ROOM];
	struct hash *h = hash_new("sha256");

	assert_true(hash_update(h, sim_data(s->end[0]) + s->span.in_bytes, len_bytes));
	assert_true(hash_final_hex(h, want));
	hash_free(h);
	assert_int_equal(s->digest.done_bytes, len_bytes);
	assert_true(digest_end(&s->digest, text));
	assert_string_equal(text, want);
}

static void the_hash_is_that_of_the_source_at_any_depth(void **state)
{
	static const unsigned depths[] = { 1, 2, 3, 16, 64 };
	struct scene *s;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(depths); i++) {
		setup((void **)&s);
		s->request.queue_depth = depths[i];
		s->request.bpt_blk = 1;
		s->span.in_bytes = 3 * BLOCK;
		s->span.len_bytes = (BLOCKS - 3) * BLOCK;
		ask_hash(s);
		run(s);
		assert_int_equal(s->plan.workers, 1);
		assert_int_equal(s->plan.depth, depths[i]);
		assert_all_arrived(s);
		assert_hash(s, s->span.len_bytes);
		teardown((void **)&s);
	}
}

static void the_hash_is_right_after_retries(void **state)
{
	struct scene *s = *state;

	s->request.bpt_blk = 1;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_ABORTED, .every_nth = 3, .tries = 2 };
	s->rule[1] = (struct sim_rule){ .kind = FAULT_UNIT_ATTENTION, .every_nth = 5, .tries = 2 };
	ask_hash(s);
	run(s);
	assert_all_arrived(s);
	assert_true(counter_get(&s->result.side[0].count.retries) > 10);
	assert_hash(s, s->span.len_bytes);
}

static void the_hash_of_recovered_data_is_right(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_RECOVERED, .every_nth = 2 };
	ask_hash(s);
	run(s);
	assert_hash(s, s->span.len_bytes);
}

static void inline_ends_are_hashed_one_transfer_at_a_time(void **state)
{
	struct scene *s = *state;

	s->spec[0].evented = s->spec[1].evented = false;
	s->request.io = IO_SG_IO;
	ask_hash(s);
	run(s);
	assert_int_equal(s->plan.depth, 1);
	assert_int_equal(s->plan.workers, 1);
	assert_hash(s, s->span.len_bytes);
}

static void what_is_only_read_is_hashed(void **state)
{
	struct scene *s = *state;
	int exit_status;

	s->end[1] = synth_open_null("/dev/null", &exit_status);
	s->rule[0] = (struct sim_rule){ .kind = FAULT_ABORTED, .every_nth = 7, .tries = 1 };
	ask_hash(s);
	run(s);
	assert_hash(s, s->span.len_bytes);
}

static void a_failed_read_ends_the_hash_before_it(void **state)
{
	struct scene *s = *state;

	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 101, .end_blk = 102 };
	ask_hash(s);
	run(s);
	assert_failed(s, 0, FAULT_MEDIUM, XFER_READ);
	assert_hash(s, 100 * BLOCK);
}

static void what_pads_the_last_block_is_not_hashed(void **state)
{
	struct scene *s = *state;

	s->span.len_bytes = 5 * BLOCK;
	s->span.out_block_bytes = 4 * BLOCK;
	s->span.pad = true;
	ask_hash(s);
	run(s);
	assert_int_equal(out_bytes(s), 8 * BLOCK);
	assert_hash(s, 5 * BLOCK);
}

static void writes_fly_beside_each_other_though_reads_are_hashed(void **state)
{
	struct scene *s = *state;

	s->request.bpt_blk = 1;
	s->spec[1].always_flies = true;
	ask_hash(s);
	run(s);
	assert_true(sim_counts(s->end[1])->most_in_flight > 4);
	assert_all_arrived(s);
}

/* --- streams --- */

/* 512-byte blocks from a stream that ends, to 4096-byte blocks. */
static void make_tail(struct scene *s, uint64_t ends_at)
{
	make_stream(s, 0);
	s->spec[0].ends_at = ends_at;
	s->spec[1].block_bytes = s->span.block_bytes = s->span.out_block_bytes = 4096;
	s->spec[1].blocks = BLOCKS / 8;
	s->request.bpt_blk = 8;
}

/* Nothing failed, and not all is well. */
static void assert_tail(const struct scene *s, uint32_t len)
{
	assert_false(s->result.failed || s->result.source_has_more);
	assert_int_equal(s->result.tail_bytes, len);
}

static void assert_full(const struct scene *s)
{
	assert_false(s->result.failed);
	assert_true(s->result.source_has_more);
	assert_int_equal(s->result.tail_bytes, 0);
}

static void a_stream_gets_its_bytes_in_order(void **state)
{
	struct scene *s = *state;

	make_stream(s, 1);
	run(s);
	assert_int_equal(s->plan.depth, 8);
	assert_int_equal(s->plan.workers, 1);
	assert_int_equal(sim_counts(s->end[0])->most_in_flight, 8);
	assert_all_arrived(s);
}

/* The first read is repeated while those behind it are home. */
static void a_read_that_is_repeated_is_waited_for_by_those_behind_it(void **state)
{
	struct scene *s = *state;

	make_stream(s, 1);
	s->spec[0].always_flies = true;
	s->rule[0] = (struct sim_rule){
		.kind = FAULT_UNIT_ATTENTION, .first_blk = 0, .end_blk = 16, .tries = 3
	};
	run(s);
	assert_int_equal(counter_get(&s->result.side[0].count.retries), 4 * 3);
	assert_all_arrived(s);
}

static void nothing_is_written_to_a_stream_behind_a_hole(void **state)
{
	struct scene *s = *state;

	make_stream(s, 1);
	s->spec[0].always_flies = true;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 40, .end_blk = 41 };
	run(s);
	assert_failed(s, 0, FAULT_MEDIUM, XFER_READ);
	assert_int_equal(out_bytes(s), 40 * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->position, 40 * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->submitted, 10);
}

static void look_on(void *arg, const struct copy_progress *p)
{
	(void)arg;
	assert_true(p->in_bytes <= 100 * BLOCK);
}

static void a_stream_that_ends_early_ends_the_run_and_is_told(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	s->watch = (struct copy_watch){ .tick_ns = 1, .tick = look_on };
	s->spec[0].ends_at = 100 * BLOCK;
	run(s);
	assert_false(s->result.failed);
	assert_true(s->result.source_ended);
	assert_int_equal(in_bytes(s), 100 * BLOCK);
	assert_int_equal(out_bytes(s), 100 * BLOCK);
	assert_true(sim_acknowledged(s->end[1], 99));
	assert_false(sim_acknowledged(s->end[1], 100));
}

static void a_stream_that_gives_all_has_not_ended(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	run(s);
	assert_false(s->result.source_ended);
	assert_all_arrived(s);
}

static void an_empty_stream_is_read_once(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	s->spec[0].blocks = 0;
	run(s);
	assert_true(s->result.source_ended);
	assert_int_equal(sim_counts(s->end[0])->submitted, 1);
	assert_int_equal(sim_counts(s->end[1])->submitted, 0);
}

static void a_tail_that_fills_no_block_is_not_written_and_told(void **state)
{
	struct scene *s = *state;

	make_tail(s, 10 * 4096 + 700);
	run(s);
	assert_tail(s, 700);
	assert_int_equal(in_bytes(s), 10 * 4096 + 700);
	assert_int_equal(out_bytes(s), 10 * 4096);
	assert_false(sim_acknowledged(s->end[1], 10));
	assert_int_equal(counter_get(&s->result.side[1].count.unrecovered), 0);
}

/* The chunk is longer than a block: its whole blocks are written. */
static void whole_blocks_before_a_tail_are_written(void **state)
{
	struct scene *s = *state;

	make_tail(s, 11 * 4096 + 1);
	s->request.bpt_blk = 32;
	run(s);
	assert_tail(s, 1);
	assert_int_equal(out_bytes(s), 11 * 4096);
}

static void a_tail_is_padded_with_zeros_where_asked(void **state)
{
	static const uint8_t zeros[4096];
	struct scene *s = *state;

	make_tail(s, 10 * 4096 + 700);
	s->span.pad = true;
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(in_bytes(s), 10 * 4096 + 700);
	assert_int_equal(out_bytes(s), 11 * 4096);
	assert_memory_equal(sim_data(s->end[1]), sim_data(s->end[0]), 10 * 4096 + 700);
	assert_memory_equal(sim_data(s->end[1]) + 10 * 4096 + 700, zeros, 4096 - 700);
	assert_false(sim_acknowledged(s->end[1], 11));
}

static void a_disk_of_shorter_blocks_is_padded_too(void **state)
{
	static const uint8_t zeros[4096];
	struct scene *s = *state;

	s->spec[1].block_bytes = s->span.block_bytes = s->span.out_block_bytes = 4096;
	s->span.len_bytes = 85 * BLOCK;
	s->span.pad = true;
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(in_bytes(s), 85 * BLOCK);
	assert_int_equal(out_bytes(s), 11 * 4096);
	assert_memory_equal(sim_data(s->end[1]) + 85 * BLOCK, zeros, 11 * 4096 - 85 * BLOCK);
}

/* 85 blocks, and zeros up to 128: four chunks and a half, from the middle of one on. */
static void make_padding(struct scene *s)
{
	s->span.len_bytes = 85 * BLOCK;
	s->span.pad = true;
	s->span.padding = (struct padding){ 128 * BLOCK, 120 * BLOCK };
	s->request.bpt_blk = 8;
	memset(sim_data(s->end[1]), 0x55, BLOCKS * BLOCK);
}

static void assert_padded(const struct scene *s, unsigned blocks)
{
	static const uint8_t zeros[BLOCKS * BLOCK];
	const uint8_t *out = sim_data(s->end[1]);

	assert_false(s->result.failed);
	assert_int_equal(in_bytes(s), 85 * BLOCK);
	assert_int_equal(out_bytes(s), (uint64_t)blocks * BLOCK);
	assert_memory_equal(out, sim_data(s->end[0]), 85 * BLOCK);
	assert_memory_equal(out + 85 * BLOCK, zeros, (blocks - 85) * BLOCK);
	assert_false(sim_acknowledged(s->end[1], blocks));
}

static void zeros_go_on_in_chunks_as_far_as_there_is_room(void **state)
{
	struct scene *s = *state;

	open_ends(s);
	make_padding(s);
	run(s);
	assert_padded(s, 120);
}

static void zeros_behind_the_end_are_not_hashed(void **state)
{
	struct scene *s = *state;

	open_ends(s);
	make_padding(s);
	ask_hash(s);
	run(s);
	assert_padded(s, 120);
	assert_hash(s, 85 * BLOCK);
}

/* The end is seen only when nothing comes any more. */
static void a_stream_that_ends_with_a_chunk_is_padded_too(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	s->spec[0].ends_at = 80 * BLOCK;
	s->span.pad = true;
	s->span.padding = (struct padding){ 128 * BLOCK, UINT64_MAX };
	s->request.bpt_blk = 8;
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(out_bytes(s), 128 * BLOCK);
	assert_true(sim_acknowledged(s->end[1], 127));
	assert_false(sim_acknowledged(s->end[1], 128));
}

static void zeros_that_cannot_be_written_end_the_run(void **state)
{
	struct scene *s = *state;

	s->rule[1] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 100, .end_blk = 101 };
	open_ends(s);
	make_padding(s);
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_WRITE);
}

/* A write is still to be repeated when the end of the source is seen. */
static void what_flies_when_a_tail_is_found_is_still_brought_home(void **state)
{
	struct scene *s = *state;

	make_tail(s, 5 * 4096 + 1);
	s->spec[1].always_flies = true;
	s->rule[1] =
		(struct sim_rule){ .kind = FAULT_BUSY, .first_blk = 0, .end_blk = 5, .tries = 1 };
	run(s);
	assert_tail(s, 1);
	assert_int_equal(out_bytes(s), 5 * 4096);
}

static void a_fault_behind_a_tail_is_what_is_told(void **state)
{
	struct scene *s = *state;

	make_tail(s, 5 * 4096 + 1);
	s->spec[1].always_flies = true;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 2, .end_blk = 3 };
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_WRITE);
	assert_int_equal(out_bytes(s), 4 * 4096);
}

static void a_source_with_more_than_there_is_room_for_is_told(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	s->span.must_end = true;
	s->span.len_bytes = 200 * BLOCK;
	s->spec[0].ends_at = 200 * BLOCK + 1;
	run(s);
	assert_full(s);
	assert_int_equal(in_bytes(s), 200 * BLOCK);
	assert_int_equal(out_bytes(s), 200 * BLOCK);
	assert_int_equal(sim_counts(s->end[0])->looks, 1);
}

static void a_source_that_ends_with_the_room_is_good(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	s->span.must_end = true;
	s->span.len_bytes = s->spec[0].ends_at = 200 * BLOCK;
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(out_bytes(s), 200 * BLOCK);
	assert_int_equal(sim_counts(s->end[0])->looks, 1);
}

static void no_byte_more_than_was_counted_is_taken(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	s->span.len_bytes = 200 * BLOCK;
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(sim_counts(s->end[0])->looks, 0);
	assert_int_equal(sim_counts(s->end[0])->position, 200 * BLOCK);
}

/* The last write is repeated: whether there is more is asked after it. */
static void what_flies_when_it_is_full_is_still_brought_home(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	s->span.must_end = true;
	s->span.len_bytes = 200 * BLOCK;
	s->spec[1].always_flies = true;
	s->rule[1] = (struct sim_rule){
		.kind = FAULT_UNIT_ATTENTION, .first_blk = 170, .end_blk = 200, .tries = 2
	};
	run(s);
	assert_full(s);
	assert_int_equal(out_bytes(s), 200 * BLOCK);
}

/* O_DIRECT writes out of a mapped buffer need it pinned as much as direct IO does. */
static void a_buffer_that_o_direct_cannot_pin_asks_for_another_plan(void **state)
{
	struct scene *s = *state;
	int exit_status;

	for (unsigned side = 0; side < 2; side++) {
		s->spec[1 - side].cls = END_DIRECT_IO;
		s->spec[side].pinnable = true;
		s->spec[side].pinnable_lanes = 3;
		assert_int_equal(open_copy(s, &exit_status), COPY_REPLAN);
		assert_int_equal(s->plan.buffer, side == 0 ? BUFFER_IN : BUFFER_OUT);
		assert_false(s->end[side]->facts.pinnable);
		s->spec[1 - side].cls = END_DEVICE;
		sim_close(s->end[0]);
		sim_close(s->end[1]);
		s->end[0] = s->end[1] = NULL;
		s->spec[side].pinnable = false;
	}
}

/* --- several destinations --- */

static const struct side_result *result(const struct scene *s, unsigned side)
{
	return &s->result.side[side];
}

static uint64_t bytes_of(const struct scene *s, unsigned side)
{
	return counter_get(&result(s, side)->count.bytes);
}

static void assert_side_is_whole(const struct scene *s, unsigned side)
{
	assert_false(result(s, side)->failed);
	assert_int_equal(bytes_of(s, side), s->span.len_bytes);
	assert_memory_equal(sim_data(s->end[side]) + s->span.out_bytes,
		sim_data(s->end[0]) + s->span.in_bytes, s->span.len_bytes);
}

/* What was answered as written, and only that, is counted and is the source's. */
static void assert_side_is_true(const struct scene *s, unsigned side)
{
	assert_int_equal(bytes_of(s, side), sim_acknowledged_bytes(s->end[side]));
	for (uint64_t b = 0; b < BLOCKS; b++)
		if (sim_acknowledged(s->end[side], b))
			assert_memory_equal(sim_data(s->end[side]) + b * BLOCK,
				sim_data(s->end[0]) + b * BLOCK, BLOCK);
}

static void bad_block(struct scene *s, unsigned side, uint64_t block)
{
	s->rule[side] =
		(struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = block, .end_blk = block + 1 };
}

static void one_command_at_a_time(struct scene *s)
{
	for (unsigned side = 0; side < ENDS; side++)
		s->spec[side].evented = false;
	s->request.queue_depth = 1;
	s->request.io = IO_SG_IO;
}

static void several_destinations_get_the_same(void **state)
{
	struct scene *s = *state;

	s->n = 4;
	s->spec[2].evented = false;
	s->spec[2].can_mmap = false;
	make_stream(s, 3);
	run(s);
	for (unsigned side = 1; side < s->n; side++)
		assert_side_is_whole(s, side);
	assert_int_equal(counter_get(&result(s, 0)->count.commands), BLOCKS / 4);
	assert_int_equal(in_bytes(s), BLOCKS * BLOCK);
}

static void one_that_fails_is_dropped_and_the_others_are_finished(void **state)
{
	struct scene *s = *state;

	s->n = 4;
	bad_block(s, 2, 101);
	run(s);
	assert_failed(s, 2, FAULT_MEDIUM, XFER_WRITE);
	assert_int_equal(result(s, 2)->failure.offset_bytes, 100 * BLOCK);
	assert_side_is_whole(s, 1);
	assert_side_is_true(s, 2);
	assert_side_is_whole(s, 3);
	assert_int_equal(in_bytes(s), BLOCKS * BLOCK);
}

static void what_was_dropped_gets_nothing_more(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	one_command_at_a_time(s);
	bad_block(s, 2, 40);
	run(s);
	assert_int_equal(sim_counts(s->end[2])->submitted, 11);
	assert_int_equal(bytes_of(s, 2), 40 * BLOCK);
	assert_side_is_whole(s, 1);
}

/* What it was given before it was known is not sent again either. */
static void what_was_dropped_is_not_waited_for(void **state)
{
	static const struct sim_rule rules[] = {
		{ .kind = FAULT_MEDIUM, .first_blk = 4, .end_blk = 8 },
		{ .kind = FAULT_BUSY },
	};
	nsec_t since = clock_now_ns();
	struct scene *s = *state;

	s->n = 3;
	s->spec[2].rules = rules;
	s->spec[2].nrules = ARRAY_SIZE(rules);
	s->request.io = IO_RW;
	run(s);
	assert_failed(s, 2, FAULT_MEDIUM, XFER_WRITE);
	assert_int_equal(bytes_of(s, 2), 0);
	assert_side_is_whole(s, 1);
	assert_true(clock_now_ns() - since < 5 * NSEC_PER_SEC); /* not the minute of a busy unit */
}

static void with_the_last_one_the_run_stops(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	one_command_at_a_time(s);
	bad_block(s, 1, 80);
	bad_block(s, 2, 40);
	run(s);
	assert_true(result(s, 1)->failed && result(s, 2)->failed);
	assert_int_equal(s->result.failed_first, 2);
	assert_int_equal(bytes_of(s, 1), 80 * BLOCK);
	assert_int_equal(bytes_of(s, 2), 40 * BLOCK);
	assert_int_equal(in_bytes(s), 84 * BLOCK);
	assert_false(result(s, 0)->failed);
}

static void a_null_sink_alone_is_not_gone_on_for(void **state)
{
	struct scene *s = *state;
	int exit_status;

	s->n = 3;
	s->end[2] = synth_open_null("/dev/null", &exit_status);
	one_command_at_a_time(s);
	bad_block(s, 1, 40);
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_WRITE);
	assert_int_equal(in_bytes(s), 44 * BLOCK);
}

static void of_each_side_the_failure_nearest_to_the_start_is_told(void **state)
{
	static const struct sim_rule rules[] = {
		{ .kind = FAULT_UNIT_ATTENTION, .first_blk = 0, .end_blk = 1, .tries = 3 },
		{ .kind = FAULT_HARDWARE },
	};
	struct scene *s = *state;

	s->spec[0].rules = rules;
	s->spec[0].nrules = ARRAY_SIZE(rules);
	s->spec[0].always_flies = true;
	s->request.io = IO_RW;
	run(s); /* the first chunk is given up last */
	assert_failed(s, 0, FAULT_HARDWARE, XFER_READ);
	assert_int_equal(result(s, 0)->failure.offset_bytes, 0);
}

static void a_failed_source_is_not_laid_to_the_destinations(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	bad_block(s, 0, 101);
	run(s);
	assert_failed(s, 0, FAULT_MEDIUM, XFER_READ);
	assert_false(result(s, 1)->failed || result(s, 2)->failed);
	assert_side_is_true(s, 1);
	assert_side_is_true(s, 2);
	assert_false(sim_acknowledged(s->end[2], 101));
}

static void a_stream_that_is_dropped_leaves_the_order_to_the_others(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	make_stream(s, 1);
	make_stream(s, 2);
	s->spec[0].always_flies = true;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_OS, .after = 10 };
	run(s);
	assert_failed(s, 1, FAULT_OS, XFER_WRITE);
	assert_int_equal(bytes_of(s, 1), 40 * BLOCK);
	assert_side_is_whole(s, 2);
}

static void each_is_told_the_length_that_it_has(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	s->span.out_bytes = 6 * BLOCK;
	s->span.len_bytes = 80 * BLOCK;
	one_command_at_a_time(s);
	bad_block(s, 2, 6 + 40);
	run(s);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, 86 * BLOCK);
	assert_int_equal(sim_counts(s->end[2])->end_bytes, 46 * BLOCK);
	assert_int_equal(sim_counts(s->end[0])->ends, 0);
}

/* What flew behind it was written; with a gap before it, it is not told. */
static void an_end_is_told_that_has_no_gap_before_it(void **state)
{
	struct scene *s = *state;

	s->span.out_bytes = 6 * BLOCK;
	s->span.len_bytes = 200 * BLOCK;
	s->spec[1].always_flies = true;
	bad_block(s, 1, 6 + 40);
	run(s);
	assert_true(s->result.failed);
	assert_true(bytes_of(s, 1) > 40 * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, 46 * BLOCK);
	assert_true(sim_counts(s->end[1])->cut);
}

static void an_end_is_told_where_a_write_stopped_half_way(void **state)
{
	struct scene *s = *state;

	s->rule[1] = (struct sim_rule){ .kind = FAULT_SHORT, .first_blk = 100, .end_blk = 101 };
	run(s);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, 102 * BLOCK);
}

static void a_length_that_cannot_be_set_is_told(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	s->spec[2].end_status = EXIT_OS + ENOSPC;
	run(s);
	assert_int_equal(result(s, 1)->end_status, 0);
	assert_int_equal(result(s, 2)->end_status, EXIT_OS + ENOSPC);
	assert_false(s->result.failed);
}

static void those_that_wait_for_two_units_wait_once_for_each(void **state)
{
	struct scene *s = *state;

	long_naps = 0;
	s->n = 3;
	s->spec[0].always_flies = true;
	for (unsigned side = 1; side < 3; side++) {
		s->spec[side].always_flies = true;
		s->rule[side] = (struct sim_rule){
			.kind = FAULT_BECOMING_READY, .end_blk = 32, .tries = 1
		};
	}
	run(s);
	assert_side_is_whole(s, 1);
	assert_side_is_whole(s, 2);
	assert_int_equal(long_naps, 2);
}

/* --- read back --- */

/* All destinations, each by the same disk opened once more. */
static void read_back(struct scene *s)
{
	unsigned dests = s->n - 1;

	for (unsigned dest = 1; dest <= dests; dest++) {
		s->spec[s->n].role = END_SOURCE;
		s->spec[s->n].name = "dest, read back";
		s->reads_back[s->n++] = dest;
	}
}

static const struct miscompare *miscompare(const struct scene *s, unsigned side)
{
	return &result(s, side)->miscompare;
}

static void what_was_written_is_read_back_and_equal(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	read_back(s);
	s->span.in_bytes = 3 * BLOCK;
	s->span.out_bytes = 9 * BLOCK;
	s->span.len_bytes = 200 * BLOCK;
	run(s);
	assert_false(s->result.failed);
	for (unsigned side = 1; side < 3; side++) {
		assert_side_is_whole(s, side);
		assert_int_equal(bytes_of(s, side + 2), 200 * BLOCK);
		assert_int_equal(miscompare(s, side + 2)->blocks, 0);
		assert_int_equal(sim_counts(s->end[side])->ends, 1);
		assert_int_equal(sim_counts(s->end[side + 2])->ends, 0);
	}
}

static void a_byte_that_is_read_back_as_another_is_found(void **state)
{
	uint64_t at = 100 * BLOCK + 7;
	struct scene *s = *state;

	s->n = 3;
	read_back(s);
	s->span.in_bytes = 3 * BLOCK;
	s->span.out_bytes = 9 * BLOCK;
	s->span.len_bytes = 200 * BLOCK;
	s->spec[4].rots_at = s->span.out_bytes + at;
	s->spec[4].rots = 1;
	run(s);
	assert_false(s->result.failed); /* all has moved */
	assert_int_equal(miscompare(s, 3)->blocks, 0);
	assert_int_equal(miscompare(s, 4)->blocks, 1);
	assert_int_equal(miscompare(s, 4)->at_bytes, at);
	assert_int_equal(miscompare(s, 4)->expected, sim_data(s->end[0])[s->span.in_bytes + at]);
	assert_int_equal(miscompare(s, 4)->found, miscompare(s, 4)->expected ^ 0xff);
}

/* Over the borders of chunks, which several workers compare. */
static void blocks_that_differ_are_counted_and_the_first_is_told(void **state)
{
	struct scene *s = *state;

	read_back(s);
	s->request.workers = 3;
	s->request.io = IO_RW;
	s->spec[2].rots_at = 50 * BLOCK - 1;
	s->spec[2].rots = 20 * BLOCK + 2;
	run(s);
	assert_int_equal(s->plan.workers, 3);
	assert_int_equal(miscompare(s, 2)->blocks, 22);
	assert_int_equal(miscompare(s, 2)->at_bytes, 50 * BLOCK - 1);
}

static void what_was_not_written_is_neither_read_back_nor_unequal(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	read_back(s);
	one_command_at_a_time(s);
	bad_block(s, 1, 41);
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_WRITE);
	assert_false(result(s, 3)->failed);
	assert_int_equal(sim_counts(s->end[3])->submitted, 10);
	assert_int_equal(bytes_of(s, 3), 40 * BLOCK);
	assert_int_equal(miscompare(s, 3)->blocks, 0);
	assert_side_is_whole(s, 2);
	assert_int_equal(bytes_of(s, 4), BLOCKS * BLOCK);
	assert_int_equal(miscompare(s, 4)->blocks, 0);
}

static void a_failed_read_back_drops_its_destination_and_no_other(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	read_back(s);
	one_command_at_a_time(s);
	bad_block(s, 3, 41);
	run(s);
	assert_failed(s, 3, FAULT_MEDIUM, XFER_READ);
	assert_false(result(s, 1)->failed);
	assert_int_equal(bytes_of(s, 1), 44 * BLOCK); /* that far it was written */
	assert_int_equal(bytes_of(s, 3), 40 * BLOCK);
	assert_int_equal(miscompare(s, 3)->blocks, 0); /* of a failed read nothing is compared */
	assert_side_is_whole(s, 2);
	assert_int_equal(bytes_of(s, 4), BLOCKS * BLOCK);
}

static void a_failed_read_back_of_the_last_one_stops_the_run(void **state)
{
	struct scene *s = *state;

	read_back(s);
	one_command_at_a_time(s);
	bad_block(s, 2, 41);
	run(s);
	assert_failed(s, 2, FAULT_MEDIUM, XFER_READ);
	assert_int_equal(in_bytes(s), 44 * BLOCK);
}

static void with_the_last_one_that_is_read_back_the_run_stops(void **state)
{
	struct scene *s = *state;

	read_back(s);
	one_command_at_a_time(s);
	bad_block(s, 1, 41);
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_WRITE);
	assert_int_equal(in_bytes(s), 44 * BLOCK);
	assert_int_equal(bytes_of(s, 2), 40 * BLOCK);
}

static void interrupt_at_20(void *arg, uint64_t nth)
{
	struct scene *s = arg;

	if (nth != 20)
		return;
	kill(getpid(), SIGINT);
	while (!s->end[1]->hurry)
		usleep(100);
}

/* A busy unit is not waited for then: the write was given up, and is no failure. */
static void what_an_interrupt_kept_from_being_written_is_not_unequal(void **state)
{
	struct scene *s = *state;

	read_back(s);
	one_command_at_a_time(s);
	s->rule[1] = (struct sim_rule){ .kind = FAULT_BUSY, .after = 19 };
	s->spec[1].on_submit = interrupt_at_20;
	s->spec[1].arg = s;
	run(s);
	assert_int_equal(s->result.signal, SIGINT);
	assert_false(s->result.failed);
	assert_int_equal(out_bytes(s), 19 * 4 * BLOCK);
	assert_int_equal(bytes_of(s, 2), 19 * 4 * BLOCK);
	assert_int_equal(miscompare(s, 2)->blocks, 0);
}

static void a_read_back_that_is_repeated_is_compared_once(void **state)
{
	struct scene *s = *state;

	read_back(s);
	s->rule[2] = (struct sim_rule){ .kind = FAULT_UNIT_ATTENTION, .tries = 2 };
	s->spec[2].rots_at = 30 * BLOCK;
	s->spec[2].rots = 1;
	run(s);
	assert_side_is_whole(s, 1);
	assert_int_equal(counter_get(&result(s, 2)->count.retries), 2 * BLOCKS / 4);
	assert_int_equal(miscompare(s, 2)->blocks, 1);
}

static void a_padded_block_is_read_back_as_padded(void **state)
{
	struct scene *s = *state;

	make_tail(s, 10 * 4096 + 700);
	s->spec[2].block_bytes = 4096;
	s->spec[2].blocks = BLOCKS / 8;
	s->span.pad = true;
	read_back(s);
	run(s);
	assert_int_equal(out_bytes(s), 11 * 4096);
	assert_int_equal(bytes_of(s, 2), 11 * 4096);
	assert_int_equal(miscompare(s, 2)->blocks, 0);
}

static void a_tail_that_is_not_written_is_not_read_back(void **state)
{
	struct scene *s = *state;

	make_tail(s, 10 * 4096 + 700);
	s->spec[2].block_bytes = 4096;
	s->spec[2].blocks = BLOCKS / 8;
	read_back(s);
	run(s);
	assert_tail(s, 700);
	assert_int_equal(bytes_of(s, 2), 10 * 4096);
	assert_int_equal(miscompare(s, 2)->blocks, 0);
}

/* --- comparing --- */

/* One with as many others, which hold the same so far. */
static void make_compare(struct scene *s, unsigned others)
{
	s->n = 1 + others;
	s->request.job = JOB_COMPARE;
	for (unsigned side = 1; side < s->n; side++) {
		s->spec[side].role = END_SOURCE;
		s->spec[side].seed = s->spec[0].seed;
	}
	open_ends(s);
}

static void one_is_compared_with_two(void **state)
{
	struct scene *s = *state;

	make_compare(s, 2);
	sim_data(s->end[2])[77 * BLOCK + 5] ^= 1;
	sim_data(s->end[2])[99 * BLOCK] ^= 1;
	s->flush = true;
	run(s);
	assert_false(s->result.failed || s->plan.writes);
	assert_int_equal(miscompare(s, 1)->blocks, 0);
	assert_int_equal(miscompare(s, 2)->blocks, 2);
	assert_int_equal(miscompare(s, 2)->at_bytes, 77 * BLOCK + 5);
	for (unsigned side = 0; side < 3; side++)
		assert_int_equal(bytes_of(s, side), BLOCKS * BLOCK);
	assert_false(result(s, 1)->flushed);
}

/* By several workers. */
static void what_differs_is_taken_out_of_a_map(void **state)
{
	struct scene *s = *state;
	struct differences d;
	struct ranges map;
	int exit_status;

	s->span.len_bytes -= 7 * BLOCK;
	s->span.in_bytes = s->span.out_bytes = 7 * BLOCK;
	s->request.workers = 3;
	s->request.io = IO_RW;
	make_compare(s, 1);
	for (unsigned b = 8; b < BLOCKS; b += 2)
		sim_data(s->end[1])[b * BLOCK + b] ^= 1;
	assert_true(ranges_init(&map, BLOCKS * BLOCK));
	ranges_turn(&map, RANGE_UNTRIED, RANGE_DONE);
	differences_init(&d, &map);
	assert_int_equal(open_copy(s, &exit_status), COPY_READY);
	copy_set_differences(s->copy, &d);
	assert_int_equal(copy_run(s->copy, &s->watch, false, &s->result), 0);
	assert_true(differences_end(&d));
	assert_int_equal(d.bytes, miscompare(s, 1)->blocks * BLOCK);
	for (unsigned b = 0; b < BLOCKS; b++) {
		struct range x;

		assert_true(ranges_get(&map, (uint64_t)b * BLOCK, &x));
		assert_int_equal(x.status, b > 7 && b % 2 == 0 ? RANGE_UNTRIED : RANGE_DONE);
	}
	ranges_destroy(&map);
}

static void one_that_cannot_be_read_is_compared_no_more(void **state)
{
	struct scene *s = *state;

	one_command_at_a_time(s);
	bad_block(s, 1, 40);
	make_compare(s, 2);
	sim_data(s->end[2])[200 * BLOCK] ^= 1;
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_READ);
	assert_int_equal(miscompare(s, 1)->blocks, 0);
	assert_int_equal(sim_counts(s->end[1])->submitted, 11);
	assert_int_equal(miscompare(s, 2)->blocks, 1);
}

static void with_none_left_to_compare_the_run_stops(void **state)
{
	struct scene *s = *state;

	one_command_at_a_time(s);
	bad_block(s, 1, 40);
	bad_block(s, 2, 80);
	make_compare(s, 2);
	run(s);
	assert_true(result(s, 1)->failed && result(s, 2)->failed);
	assert_int_equal(in_bytes(s), 84 * BLOCK);
}

/* --- zeros --- */

/* Blocks 10 to 29, 101 and 240 to the end are zeros. */
#define ZERO_BLOCKS 37u

static void make_zeros(struct scene *s, unsigned flags)
{
	s->request.out_flags = flags;
	s->spec[1].hole_bytes = BLOCK;
	s->spec[1].trim_grain_bytes = BLOCK;
	s->spec[1].max_trim_bytes = 1u << 20;
	s->spec[1].trims_granted = UINT_MAX;
	s->request.bpt_blk = 16;
}

static void open_zeros(struct scene *s)
{
	uint8_t *data;

	open_ends(s);
	data = sim_data(s->end[0]);
	memset(data + 10 * BLOCK, 0, 20 * BLOCK);
	memset(data + 101 * BLOCK, 0, BLOCK);
	memset(data + 240 * BLOCK, 0, 16 * BLOCK);
}

static uint64_t holes_of(const struct scene *s, unsigned side)
{
	return counter_get(&result(s, side)->count.holes);
}

static void zeros_are_left_out_of_what_is_fresh(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_SPARSE);
	s->spec[1].cls = END_BUFFERED;
	s->spec[1].evented = false;
	s->spec[1].fresh = true;
	open_zeros(s);
	run(s);
	assert_int_equal(s->plan.side[1].holes, HOLES_SKIP);
	assert_all_arrived(s);
	assert_int_equal(holes_of(s, 1), ZERO_BLOCKS * BLOCK);
	assert_int_equal(sim_acknowledged_bytes(s->end[1]), (BLOCKS - ZERO_BLOCKS) * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->trims, 0);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, BLOCKS * BLOCK);
}

static void zeros_on_a_disk_leave_what_was_there(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_SPARSE);
	open_zeros(s);
	sim_data(s->end[1])[20 * BLOCK] = 0x4d;
	run(s);
	assert_int_equal(s->plan.side[1].holes, HOLES_SKIP);
	assert_int_equal(sim_data(s->end[1])[20 * BLOCK], 0x4d);
	assert_int_equal(holes_of(s, 1), ZERO_BLOCKS * BLOCK);
	assert_int_equal(out_bytes(s), BLOCKS * BLOCK);
	for (uint64_t b = 0; b < BLOCKS; b++)
		assert_true(sim_acknowledged(s->end[1], b) ||
			    zeros_all(sim_data(s->end[0]) + b * BLOCK, BLOCK));
}

static void zeros_are_trimmed(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	s->spec[1].can_trim = true;
	open_zeros(s);
	run(s);
	assert_int_equal(s->plan.side[1].holes, HOLES_TRIM);
	assert_all_arrived(s);
	assert_int_equal(holes_of(s, 1), ZERO_BLOCKS * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->trims, 4); /* one is in two chunks */
	assert_int_equal(sim_acknowledged_bytes(s->end[1]), BLOCKS * BLOCK);
}

static void a_trim_is_no_longer_than_the_longest_one(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	s->spec[1].can_trim = true;
	s->spec[1].max_trim_bytes = 4 * BLOCK;
	open_zeros(s);
	run(s);
	assert_all_arrived(s);
	assert_int_equal(holes_of(s, 1), ZERO_BLOCKS * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->trims, 2 + 4 + 1 + 4);
}

static void zeros_of_no_whole_grain_are_written(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	s->spec[1].can_trim = true;
	s->spec[1].trim_grain_bytes = 8 * BLOCK;
	open_zeros(s);
	run(s);
	assert_all_arrived(s);
	assert_int_equal(holes_of(s, 1), (8 + 16) * BLOCK); /* 16 to 23, 240 to the end */
}

static void what_is_not_granted_is_written(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	one_command_at_a_time(s);
	s->spec[1].can_trim = true;
	s->spec[1].trims_granted = 1;
	open_zeros(s);
	run(s);
	assert_all_arrived(s);
	assert_int_equal(holes_of(s, 1), 6 * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->unsupported, 3);
	assert_int_equal(counter_get(&result(s, 1)->count.retries), 0);
	assert_int_equal(counter_get(&result(s, 1)->count.unrecovered), 0);
}

/* Also of what lies in the same chunk. */
static void after_a_refused_trim_the_next_one_is_asked_for_again(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	s->request.bpt_blk = BLOCKS;
	s->spec[1].can_trim = true;
	s->spec[1].trims_granted = 1;
	open_zeros(s);
	run(s);
	assert_all_arrived(s);
	assert_int_equal(holes_of(s, 1), 20 * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->unsupported, 2);
	assert_int_equal(sim_counts(s->end[1])->submitted, 8);
}

/* It is no try of the write: ABORTED COMMAND has two repetitions. */
static void a_write_after_a_refused_trim_has_all_its_tries(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	s->spec[1].can_trim = true;
	s->spec[1].trims_granted = 0;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_ABORTED, .tries = 2 };
	open_zeros(s);
	run(s);
	assert_all_arrived(s);
	assert_int_equal(holes_of(s, 1), 0);
}

static void a_trim_is_repeated_like_a_write(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	s->spec[1].can_trim = true;
	s->rule[1] = (struct sim_rule){
		.kind = FAULT_UNIT_ATTENTION, .first_blk = 240, .end_blk = 256, .tries = 3
	};
	open_zeros(s);
	run(s);
	assert_all_arrived(s);
	assert_int_equal(holes_of(s, 1), ZERO_BLOCKS * BLOCK);
	assert_int_equal(counter_get(&result(s, 1)->count.retries), 3);
}

static void a_failed_trim_is_a_failure(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	s->spec[1].can_trim = true;
	bad_block(s, 1, 101);
	open_zeros(s);
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_TRIM);
	assert_int_equal(result(s, 1)->failure.offset_bytes, 101 * BLOCK);
	assert_side_is_true(s, 1);
}

static void each_destination_leaves_out_in_its_own_way(void **state)
{
	struct scene *s = *state;

	s->n = 4;
	make_zeros(s, END_TRIM);
	s->spec[1].can_trim = true;
	s->spec[2].cls = END_BUFFERED;
	s->spec[2].evented = false;
	s->spec[2].fresh = true;
	s->spec[2].hole_bytes = 4 * BLOCK;
	open_zeros(s);
	run(s);
	for (unsigned side = 1; side < s->n; side++)
		assert_side_is_whole(s, side);
	assert_int_equal(holes_of(s, 1), ZERO_BLOCKS * BLOCK);
	/* 12 to 27, cut in chunks of 16, and 240 to the end */
	assert_int_equal(holes_of(s, 2), (16 + 16) * BLOCK);
	assert_int_equal(holes_of(s, 3), 0);
}

static void what_is_all_zeros_sends_nothing_and_gets_its_length(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_SPARSE);
	s->spec[1].cls = END_BUFFERED;
	s->spec[1].evented = false;
	s->spec[1].fresh = true;
	s->flush = true;
	open_ends(s);
	memset(sim_data(s->end[0]), 0, BLOCKS * BLOCK);
	run(s);
	assert_all_arrived(s);
	assert_int_equal(sim_counts(s->end[1])->submitted, 0);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, BLOCKS * BLOCK);
}

static void what_was_left_out_is_read_back_too(void **state)
{
	struct scene *s = *state;

	make_zeros(s, END_TRIM);
	s->spec[1].can_trim = true;
	read_back(s);
	s->spec[2].rots_at = 245 * BLOCK + 3;
	s->spec[2].rots = 1;
	open_zeros(s);
	run(s);
	assert_side_is_whole(s, 1);
	assert_int_equal(miscompare(s, 2)->blocks, 1);
	assert_int_equal(miscompare(s, 2)->at_bytes, 245 * BLOCK + 3);
	assert_int_equal(miscompare(s, 2)->expected, 0);
}

/* --- files that the data lie in --- */

static void make_mapped(struct scene *s, unsigned side)
{
	s->spec[side].cls = END_MAPPED;
	s->spec[side].evented = false;
}

static void a_mapped_source_is_written_where_it_lies(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	make_mapped(s, 0);
	s->span.in_bytes = 3 * BLOCK;
	s->span.len_bytes = 200 * BLOCK;
	run(s);
	assert_int_equal(s->plan.user_buffers, 0);
	assert_side_is_whole(s, 1);
	assert_side_is_whole(s, 2);
}

static void a_mapped_destination_is_read_into(void **state)
{
	struct scene *s = *state;

	make_mapped(s, 1);
	s->span.out_bytes = 3 * BLOCK;
	s->span.len_bytes = 200 * BLOCK;
	run(s);
	assert_int_equal(s->plan.user_buffers, 0);
	assert_all_arrived(s);
}

/* While the 20th transfer of a side is sent, the file of the other one gets shorter. */
struct cut {
	struct scene *s;
	unsigned mapped;
};

static void cut_at_20(void *arg, uint64_t nth)
{
	const struct cut *cut = arg;

	if (nth == 20)
		sim_cut(cut->s->end[cut->mapped], 78 * BLOCK);
}

static void cut_one(struct scene *s, struct cut *cut, unsigned mapped)
{
	*cut = (struct cut){ s, mapped };
	make_mapped(s, mapped);
	one_command_at_a_time(s);
	s->spec[1 - mapped].on_submit = cut_at_20;
	s->spec[1 - mapped].arg = cut;
}

/* Where the memory is gone, the other end's system call says EFAULT. */
static void memory_goes_with_it(struct scene *s, unsigned mapped)
{
	open_ends(s);
	s->spec[1 - mapped].out_of = s->end[mapped];
}

static void a_source_that_is_cut_is_what_failed_and_not_its_destination(void **state)
{
	struct scene *s = *state;
	struct cut cut;

	cut_one(s, &cut, 0);
	memory_goes_with_it(s, 0);
	run(s);
	assert_failed(s, 0, FAULT_SHORT, XFER_READ);
	assert_int_equal(result(s, 0)->failure.offset_bytes, 76 * BLOCK);
	assert_int_equal(result(s, 0)->failure.done_bytes, 2 * BLOCK);
	assert_false(result(s, 1)->failed);
	assert_int_equal(counter_get(&result(s, 1)->count.unrecovered), 0);
	assert_int_equal(out_bytes(s), 76 * BLOCK);
	assert_side_is_true(s, 1);
}

/* The pages were there a moment longer: zeros may have been written. */
static void a_source_that_is_cut_fails_though_its_data_were_written(void **state)
{
	struct scene *s = *state;
	struct cut cut;

	cut_one(s, &cut, 0);
	run(s);
	assert_failed(s, 0, FAULT_SHORT, XFER_READ);
	assert_int_equal(result(s, 0)->failure.offset_bytes, 76 * BLOCK);
	assert_false(result(s, 1)->failed);
	assert_int_equal(sim_counts(s->end[1])->submitted, 20);
}

static void a_destination_that_is_cut_is_what_failed_and_not_the_source(void **state)
{
	struct scene *s = *state;
	struct cut cut;

	cut_one(s, &cut, 1);
	memory_goes_with_it(s, 1);
	run(s);
	assert_failed(s, 1, FAULT_SHORT, XFER_WRITE);
	assert_int_equal(result(s, 1)->failure.offset_bytes, 76 * BLOCK);
	assert_false(result(s, 0)->failed);
	assert_int_equal(counter_get(&result(s, 0)->count.unrecovered), 0);
	assert_side_is_true(s, 1);
}

static void all_are_stopped_by_a_source_that_is_cut(void **state)
{
	struct scene *s = *state;
	struct cut cut;

	s->n = 3;
	cut_one(s, &cut, 0);
	memory_goes_with_it(s, 0);
	s->spec[2].out_of = s->end[0];
	run(s);
	assert_failed(s, 0, FAULT_SHORT, XFER_READ);
	assert_false(result(s, 1)->failed || result(s, 2)->failed);
	assert_int_equal(bytes_of(s, 1), 76 * BLOCK);
	assert_int_equal(bytes_of(s, 2), 76 * BLOCK);
}

static void memory_that_cannot_be_had_is_a_failure_of_its_file(void **state)
{
	struct scene *s = *state;

	make_mapped(s, 0);
	one_command_at_a_time(s);
	s->spec[0].memories = 20;
	run(s);
	assert_failed(s, 0, FAULT_NO_MEMORY, XFER_READ);
	assert_int_equal(result(s, 0)->failure.offset_bytes, 80 * BLOCK);
	assert_int_equal(out_bytes(s), 80 * BLOCK);
}

static void direct_io_that_cannot_be_had_is_a_mapped_files_fault_only_if_it_was_cut(void **state)
{
	struct scene *s = *state;

	make_mapped(s, 0);
	s->spec[1].can_dio = true;
	s->request.out_method = METHOD_DIO;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_UNMAPPABLE };
	run(s);
	assert_failed(s, 1, FAULT_UNMAPPABLE, XFER_WRITE);
	assert_false(result(s, 0)->failed);
}

/* --- opening --- */

static void a_lane_that_cannot_be_had_closes_the_others(void **state)
{
	struct scene *s = *state;
	int exit_status = 0;

	s->spec[1].lanes_max = 5;
	assert_int_equal(open_copy(s, &exit_status), COPY_FAILED);
	assert_int_equal(exit_status, EXIT_OS + ENOMEM);
	assert_int_equal(sim_counts(s->end[1])->lanes_ever, 5);
	assert_int_equal(sim_counts(s->end[0])->lanes, 0);
	assert_int_equal(sim_counts(s->end[1])->lanes, 0);
}

static void a_buffer_that_cannot_be_pinned_asks_for_another_plan(void **state)
{
	struct scene *s = *state;
	int exit_status;

	s->spec[0].pinnable = s->spec[1].can_dio = true;
	s->spec[0].pinnable_lanes = 3;
	assert_int_equal(open_copy(s, &exit_status), COPY_REPLAN);
	assert_int_equal(s->plan.buffer, BUFFER_IN);
	assert_false(s->end[0]->facts.pinnable);
	assert_int_equal(sim_counts(s->end[0])->lanes, 0);
	assert_int_equal(sim_counts(s->end[1])->lanes, 0);
}

static void opening_sends_nothing(void **state)
{
	struct scene *s = *state;
	int exit_status;

	assert_int_equal(open_copy(s, &exit_status), COPY_READY);
	assert_int_equal(sim_counts(s->end[0])->submitted, 0);
	assert_int_equal(sim_counts(s->end[1])->submitted, 0);
}

static void memory_beyond_all_bounds_is_refused(void **state)
{
	struct scene *s = *state;
	int exit_status = 0;
	struct sides sides;
	struct capture said;

	s->end[0] = sim_open(&s->spec[0]);
	s->end[1] = sim_open(&s->spec[1]);
	sides = sides_of(s);
	s->plan = (struct plan){ .buffer = BUFFER_USER,
		.user_buffers = 1,
		.writes = true,
		.chunk_bytes = UINT32_MAX / BLOCK * BLOCK,
		.depth = 1u << 15,
		.workers = 1 };
	capture_begin(&said);
	assert_int_equal(copy_open(&s->plan, &s->span, &sides, &s->policy, &s->copy, &exit_status),
		COPY_FAILED);
	assert_non_null(strstr(capture_end(&said), "no memory"));
	assert_int_equal(exit_status, EXIT_OS + ENOMEM);
}

/* --- flush --- */

static void the_destination_is_flushed_after_the_last_write(void **state)
{
	struct scene *s = *state;

	s->flush = true;
	run(s);
	assert_true(s->result.side[1].flushed);
	assert_int_equal(sim_counts(s->end[1])->flushes, 1);
	assert_int_equal(s->result.side[1].flush_fault.kind, FAULT_NONE);
	assert_true(s->result.side[1].flush_ns >= 0);
}

static void no_flush_where_none_is_asked(void **state)
{
	struct scene *s = *state;

	run(s);
	assert_false(s->result.side[1].flushed);
	assert_int_equal(sim_counts(s->end[1])->flushes, 0);
}

static void a_flush_follows_a_failed_run_too(void **state)
{
	struct scene *s = *state;

	s->flush = true;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 200, .end_blk = 201 };
	run(s);
	assert_failed(s, 0, FAULT_MEDIUM, XFER_READ);
	assert_int_equal(sim_counts(s->end[1])->flushes, 1);
}

static void a_failed_flush_is_told(void **state)
{
	struct scene *s = *state;

	s->flush = true;
	s->spec[1].flush_fault.kind = FAULT_MEDIUM;
	run(s);
	assert_true(s->result.side[1].flushed);
	assert_int_equal(s->result.side[1].flush_fault.kind, FAULT_MEDIUM);
	assert_false(s->result.failed);
}

static void all_destinations_are_flushed(void **state)
{
	struct scene *s = *state;
	int exit_status;

	s->n = 4;
	s->end[3] = synth_open_null("/dev/null", &exit_status);
	s->flush = true;
	s->spec[2].flush_fault.kind = FAULT_MEDIUM;
	run(s);
	assert_true(result(s, 1)->flushed && result(s, 2)->flushed);
	assert_false(result(s, 0)->flushed || result(s, 3)->flushed);
	assert_int_equal(result(s, 1)->flush_fault.kind, FAULT_NONE);
	assert_int_equal(result(s, 2)->flush_fault.kind, FAULT_MEDIUM);
	assert_int_equal(sim_counts(s->end[1])->flushes, 1);
	assert_int_equal(sim_counts(s->end[2])->flushes, 1);
}

static void what_was_dropped_is_flushed_and_what_is_read_back_is_not(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	read_back(s);
	s->flush = true;
	bad_block(s, 2, 100);
	run(s);
	for (unsigned side = 1; side < s->n; side++)
		assert_int_equal(sim_counts(s->end[side])->flushes, side <= 2);
}

/* --- signals --- */

static void raise_at_20(void *arg, uint64_t nth)
{
	if (nth == 20)
		kill(getpid(), *(const int *)arg);
	else if (nth > 20)
		usleep(100); /* leaves the main thread time to hear it */
}

static void send_at_20(struct scene *s, const int *signal_number)
{
	s->spec[0].on_submit = raise_at_20;
	s->spec[0].arg = (void *)(uintptr_t)signal_number;
	s->request.bpt_blk = 1;
}

static void an_interrupt_lets_what_flies_come_home(void **state)
{
	static const int interrupt = SIGINT;
	struct scene *s = *state;
	sigset_t now;

	send_at_20(s, &interrupt);
	s->flush = true;
	run(s);
	assert_int_equal(s->result.signal, SIGINT);
	assert_false(s->result.failed);
	assert_in_range(out_bytes(s), 20 * BLOCK, (BLOCKS - 1) * BLOCK);
	assert_int_equal(in_bytes(s), out_bytes(s));
	assert_only_the_written_is_changed(s);
	assert_int_equal(sim_counts(s->end[1])->flushes, 1);
	sigprocmask(SIG_SETMASK, NULL, &now);
	assert_int_equal(sigismember(&now, SIGINT), 1); /* a repeat may come during the report */
	assert_int_equal(sigismember(&now, SIGUSR1), 0);
}

static void count_call(void *arg, const struct copy_progress *p)
{
	struct copy_progress *last = arg;

	assert_true(p->in_bytes >= p->out_bytes && p->out_bytes >= last->out_bytes);
	assert_true(p->elapsed_ns >= last->elapsed_ns);
	assert_int_equal(p->total_bytes, BLOCKS * BLOCK);
	*last = *p;
}

static void usr1_reports_and_the_run_goes_on(void **state)
{
	static const int usr1 = SIGUSR1;
	struct copy_progress last = { 0 };
	struct scene *s = *state;

	send_at_20(s, &usr1);
	s->watch = (struct copy_watch){ .report = count_call, .arg = &last };
	run(s);
	assert_int_equal(last.total_bytes, BLOCKS * BLOCK);
	assert_int_equal(s->result.signal, 0);
	assert_all_arrived(s);
}

static void ticks_tell_progress(void **state)
{
	static const int nothing = 0;
	struct copy_progress last = { 0 };
	struct scene *s = *state;

	send_at_20(s, &nothing); /* signal 0 is none; the run takes longer than a tick */
	s->watch =
		(struct copy_watch){ .tick_ns = NSEC_PER_MSEC, .tick = count_call, .arg = &last };
	run(s);
	assert_true(last.elapsed_ns > 0);
	assert_all_arrived(s);
}

static void progress_is_that_of_the_destination_ahead(void **state)
{
	static const int nothing = 0;
	struct copy_progress last = { 0 };
	struct scene *s = *state;

	s->n = 3;
	send_at_20(s, &nothing);
	s->rule[2] = (struct sim_rule){ .kind = FAULT_GONE };
	s->watch =
		(struct copy_watch){ .tick_ns = NSEC_PER_MSEC, .tick = count_call, .arg = &last };
	run(s);
	assert_failed(s, 2, FAULT_GONE, XFER_WRITE);
	assert_true(last.out_bytes > 0);
	assert_side_is_whole(s, 1);
}

static void a_signal_that_was_ignored_stays_ignored(void **state)
{
	static const int hup = SIGHUP;
	struct scene *s = *state;

	send_at_20(s, &hup);
	signal(SIGHUP, SIG_IGN);
	run(s);
	signal(SIGHUP, SIG_DFL);
	assert_int_equal(s->result.signal, 0);
	assert_all_arrived(s);
}

/* From the thread that reads: what is waiting in a stream must see it. */
static void interrupt_until_hurried(void *arg, uint64_t nth)
{
	struct scene *s = arg;

	if (nth != 20)
		return;
	assert_false(s->end[0]->hurry || s->end[1]->hurry);
	kill(getpid(), SIGINT);
	while (!(s->end[0]->hurry && s->end[1]->hurry))
		usleep(100);
}

static void an_interrupt_hurries_both_ends(void **state)
{
	struct scene *s = *state;

	s->request.bpt_blk = 1;
	s->spec[0].on_submit = interrupt_until_hurried;
	s->spec[0].arg = s;
	run(s);
	assert_int_equal(s->result.signal, SIGINT);
	assert_true(s->end[0]->hurry && s->end[1]->hurry);
}

struct look {
	struct scene *s;
	nsec_t since_ns;
};

static void look_at_flush(void *arg)
{
	struct look *look = arg;

	look->since_ns = look->s->copy->stalls.flushing_ns[1];
}

/* As it is told of when it takes long. */
static void a_flush_is_seen_while_it_lasts(void **state)
{
	struct scene *s = *state;
	struct look look = { .s = s };

	s->flush = true;
	s->spec[1].on_flush = look_at_flush;
	s->spec[1].arg = &look;
	run(s);
	assert_true(look.since_ns > s->copy->started_ns);
	assert_true(s->copy->stalls.flushing_ns[1] == 0);
}

static void interrupt_now(void *arg)
{
	(void)arg;
	kill(getpid(), SIGTERM);
	usleep(5000);
}

static void an_interrupt_during_the_flush_is_told(void **state)
{
	struct scene *s = *state;

	s->flush = true;
	s->spec[1].on_flush = interrupt_now;
	run(s);
	assert_int_equal(s->result.signal, SIGTERM);
	assert_all_arrived(s);
}

/* --- signals that end or stop the process: in a child --- */

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
static _Atomic time_t clock_ahead_s;

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	int ret = __real_clock_gettime(clock, t);

	t->tv_sec += clock_ahead_s;
	return ret;
}

/* When the clock is put back, the first signal has just come, and will have for an hour. */
static void interrupt_at_20_and_again(void *arg, uint64_t nth)
{
	struct scene *s = arg;

	if (nth != 20)
		return;
	clock_ahead_s = 3600;
	interrupt_until_hurried(arg, nth);
	clock_ahead_s = 0;
	kill(getpid(), SIGINT);
	kill(getpid(), SIGTERM);
	s->told = nth;
}

static void a_repeat_that_comes_at_once_is_of_the_same_wish(void **state)
{
	struct scene *s = *state;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		s->request.bpt_blk = 1;
		s->spec[0].on_submit = interrupt_at_20_and_again;
		s->spec[0].arg = s;
		run(s);
		copy_close(s->copy);
		_exit(s->told != 20 || s->result.signal != SIGINT);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void interrupt_twice(void *arg, uint64_t nth)
{
	(void)arg;
	if (nth < 20)
		return;
	kill(getpid(), SIGINT);
	for (unsigned i = 0; nth == 20 && i < 10000; i++) {
		usleep(1000);
		kill(getpid(), SIGINT);
	}
}

static void a_later_interrupt_kills(void **state)
{
	struct scene *s = *state;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		s->spec[0].on_submit = interrupt_twice;
		run(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
}

/* What the parent sees of its stopped child. */
struct shared {
	_Atomic uint64_t in_flight, arrived;
};

static void copy_with_a_stop(struct scene *s, struct shared *sh)
{
	static const int stop = SIGTSTP;

	send_at_20(s, &stop);
	s->spec[0].in_flight_too = s->spec[1].in_flight_too = &sh->in_flight;
	run(s);
	sh->arrived = out_bytes(s);
	_exit(s->result.signal || s->result.failed ||
		memcmp(sim_data(s->end[1]), sim_data(s->end[0]), BLOCKS * BLOCK));
}

static void a_stop_waits_for_what_flies_and_a_continue_goes_on(void **state)
{
	struct scene *s = *state;
	struct shared *sh =
		mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();
	int status;

	assert_true(child >= 0 && sh != MAP_FAILED);
	if (child == 0)
		copy_with_a_stop(s, sh);
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(sh->in_flight, 0);
	assert_int_equal(sh->arrived, 0);
	kill(child, SIGCONT);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(sh->arrived, BLOCKS * BLOCK);
	munmap(sh, sizeof(*sh));
}

/* --- going on after errors --- */

/* The nth, in its turn. */
static void count_loss(void *arg, uint64_t nth, const struct incident *l)
{
	struct scene *s = arg;

	assert_int_equal(nth, ++s->told);
	assert_false(xfer_is_good(&l->x));
}

static void go_on(struct scene *s)
{
	s->watch.lost = count_loss;
	s->watch.arg = s;
	s->policy = (struct policy){ .go_on_in = true, .go_on_out = true, .max_bad = UINT64_MAX };
	s->request.bpt_blk = 64;
	s->request.queue_depth = 1;
}

static void zeros_that_cannot_be_written_are_a_loss_where_the_run_goes_on(void **state)
{
	struct scene *s = *state;

	s->rule[1] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 100, .end_blk = 101 };
	go_on(s);
	open_ends(s);
	make_padding(s);
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(s->result.losses, 1);
	assert_int_equal(s->told, 1);
	assert_int_equal(s->result.bad_bytes, 0);
	assert_true(sim_acknowledged(s->end[1], 119));
}

/* Commands beyond those that a good side gets. */
static uint64_t extra_commands(const struct scene *s, unsigned side)
{
	return counter_get(&s->result.side[side].count.commands) - BLOCKS / 64;
}

static void assert_lost(const struct scene *s, uint64_t at_blk, unsigned n)
{
	const uint8_t *now = sim_data(s->end[1]), *want = sim_data(s->end[0]);

	assert_false(s->result.failed);
	assert_int_equal(s->result.losses, n);
	assert_int_equal(s->told, n);
	assert_int_equal(s->result.bad_bytes, n * BLOCK);
	assert_int_equal(s->result.undone_bytes, 0);
	for (uint64_t b = 0; b < BLOCKS; b++)
		if (b < at_blk || b >= at_blk + n)
			assert_memory_equal(now + b * BLOCK, want + b * BLOCK, BLOCK);
}

static void a_bad_block_is_lost_alone_and_found_by_halving(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78 };
	run(s);
	assert_lost(s, 77, 1);
	assert_true(zeros_all(sim_data(s->end[1]) + 77 * BLOCK, BLOCK));
	assert_int_equal(in_bytes(s), (BLOCKS - 1) * BLOCK);
	assert_int_equal(out_bytes(s), BLOCKS * BLOCK);
	assert_true(extra_commands(s, 0) <= 2 * 6 + 2); /* of 64 */
}

static void what_stands_for_a_bad_block_is_not_hashed(void **state)
{
	struct scene *s = *state;

	go_on(s);
	ask_hash(s);
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78 };
	run(s);
	assert_lost(s, 77, 1);
	assert_hash(s, 77 * BLOCK - s->span.in_bytes);
}

/* Nothing was written for it: the next run is to try it, and to write zeros if that fails. */
static void a_block_that_the_run_ends_with_is_not_called_bad(void **state)
{
	struct scene *s = *state;
	struct ranges map;
	struct range x;

	s->request.bpt_blk = 1;
	s->request.queue_depth = 1;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78 };
	run(s);
	assert_failed(s, 0, FAULT_MEDIUM, XFER_READ);
	copy_move_map(s->copy, &map);
	assert_true(ranges_get(&map, 77 * BLOCK, &x));
	assert_int_equal(x.status, RANGE_FAILED);
	ranges_destroy(&map);
}

/* Which are no hole in a new file any more. */
static void zeros_that_were_read_at_last_replace_what_was_salvaged(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->policy.salvage = true;
	s->policy.retries = 1;
	make_zeros(s, END_SPARSE);
	s->spec[0].salvages = 1;
	s->spec[1].rewritten = true;
	s->spec[1].fresh = true;
	s->rule[0] = (struct sim_rule){
		.kind = FAULT_MEDIUM, .first_blk = 101, .end_blk = 102, .tries = 1
	};
	s->request.bpt_blk = 1;
	s->spec[1].cls = END_BUFFERED;
	s->spec[1].evented = false;
	open_zeros(s);
	run(s);
	assert_int_equal(counter_get(&s->result.side[0].count.salvaged), 1);
	assert_true(s->result.first_loss.salvaged);
	assert_int_equal(s->result.bad_bytes, 0);
	assert_memory_equal(sim_data(s->end[1]), sim_data(s->end[0]), BLOCKS * BLOCK);
}

static void a_block_that_cannot_be_written_costs_four_commands_if_it_is_named(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->rule[1] = (struct sim_rule){
		.kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78, .info = SIM_INFO
	};
	run(s);
	assert_lost(s, 77, 1);
	assert_int_equal(s->result.first_loss.side, 1);
	assert_true(extra_commands(s, 1) <= 4);
	assert_int_equal(in_bytes(s), BLOCKS * BLOCK);
	assert_int_equal(out_bytes(s), (BLOCKS - 1) * BLOCK);
}

/* The chunk as a whole, what is before the block, the block, its neighbour, what is behind that. */
static void a_block_that_cannot_be_read_costs_four_commands_if_it_is_named(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->rule[0] = (struct sim_rule){
		.kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78, .info = SIM_INFO
	};
	run(s);
	assert_lost(s, 77, 1);
	assert_true(extra_commands(s, 0) <= 4);
}

static void what_cannot_be_read_can_be_left_as_it_is(void **state)
{
	struct scene *s = *state;
	struct endpoint *untouched = sim_open(&s->spec[1]);

	go_on(s);
	s->policy.leave_bad = true;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 9, .end_blk = 12 };
	run(s);
	assert_lost(s, 9, 3);
	assert_memory_equal(
		sim_data(s->end[1]) + 9 * BLOCK, sim_data(untouched) + 9 * BLOCK, 3 * BLOCK);
	sim_close(untouched);
}

/* It is not filled, and it is not missing. */
static void what_is_left_as_it_was_shortens_nothing(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->policy.leave_bad = true;
	bad_block(s, 0, BLOCKS - 1);
	run(s);
	assert_lost(s, BLOCKS - 1, 1);
	assert_int_equal(out_bytes(s), (BLOCKS - 1) * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, BLOCKS * BLOCK);
}

static void a_stream_gets_zeros_for_what_is_left_as_it_is_elsewhere(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->policy.leave_bad = true;
	make_stream(s, 1);
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 9, .end_blk = 12 };
	run(s);
	assert_lost(s, 9, 3);
	assert_true(zeros_all(sim_data(s->end[1]) + 9 * BLOCK, 3 * BLOCK));
}

static void transfers_that_are_refused_as_too_long_are_halved(void **state)
{
	struct scene *s = *state;

	s->request.bpt_blk = 64;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_ILLEGAL_REQUEST, .longer_blk = 5 };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(s->result.losses, 0);
	assert_true(s->result.chunk_bytes <= 5 * BLOCK); /* none is refused once more */
}

static void a_block_that_is_refused_ends_the_run(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->rule[0] =
		(struct sim_rule){ .kind = FAULT_ILLEGAL_REQUEST, .first_blk = 8, .end_blk = 9 };
	run(s);
	assert_failed(s, 0, FAULT_ILLEGAL_REQUEST, XFER_READ);
}

static void a_bad_block_that_a_last_try_can_read_is_not_lost(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->policy.retries = 3;
	s->spec[1].rewritten = true; /* zeros before */
	s->rule[0] = (struct sim_rule){
		.kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78, .tries = 3
	};
	run(s);
	assert_int_equal(s->result.losses, 1);
	assert_int_equal(s->result.bad_bytes, 0);
	assert_memory_equal(sim_data(s->end[1]), sim_data(s->end[0]), BLOCKS * BLOCK);
}

static void counts_once(struct scene *s, unsigned tries, uint64_t written)
{
	go_on(s);
	s->policy.retries = 3;
	s->spec[1].rewritten = true;
	s->rule[1] = (struct sim_rule){
		.kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78, .tries = tries
	};
	run(s);
	assert_int_equal(s->result.losses, 1);
	assert_int_equal(in_bytes(s), BLOCKS * BLOCK);
	assert_int_equal(out_bytes(s), written);
}

static void what_a_last_try_can_write_counts_once(void **state)
{
	counts_once(*state, 3, BLOCKS * BLOCK);
}

static void what_no_try_can_write_counts_as_read_once(void **state)
{
	counts_once(*state, 0, (BLOCKS - 1) * BLOCK);
}

static void a_deferred_error_calls_nothing_bad(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->request.bpt_blk = 1;
	bad_block(s, 1, 77);
	s->rule[1].deferred = true;
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_WRITE);
	assert_int_equal(s->result.bad_bytes, 0);
}

static void with_too_many_bad_blocks_the_run_ends(void **state)
{
	struct scene *s = *state;

	go_on(s);
	s->policy.max_bad = 4;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 20, .end_blk = 60 };
	run(s);
	assert_int_equal(s->result.limit, LIMIT_TOTAL);
	assert_int_equal(s->result.losses, 5);
	assert_false(s->result.failed);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, BLOCKS * BLOCK);
}

/* Blocks of 512 bytes to one of 4096, of which eight are one. */
static void make_longer_blocks(struct scene *s)
{
	go_on(s);
	s->spec[1].block_bytes = s->span.block_bytes = s->span.out_block_bytes = 4096;
	s->spec[1].blocks = BLOCKS / 8;
	s->request.bpt_blk = 8;
}

static void of_a_longer_block_only_what_cannot_be_read_is_lost(void **state)
{
	struct scene *s = *state;

	make_longer_blocks(s);
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 79 };
	run(s);
	assert_lost(s, 77, 2);
	assert_true(zeros_all(sim_data(s->end[1]) + 77 * BLOCK, 2 * BLOCK));
	assert_int_equal(s->result.loss_block_bytes, BLOCK);
	assert_int_equal(s->result.first_loss.x.offset_bytes, 77 * BLOCK);
	assert_int_equal(s->result.first_loss.x.len_bytes, BLOCK);
	assert_int_equal(in_bytes(s), (BLOCKS - 2) * BLOCK);
	assert_int_equal(out_bytes(s), BLOCKS * BLOCK);
}

static void its_parts_are_salvaged_one_by_one(void **state)
{
	struct scene *s = *state;
	uint8_t had[BLOCK];

	make_longer_blocks(s);
	s->policy.salvage = true;
	s->spec[0].salvages = 1;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78 };
	run(s);
	assert_lost(s, 77, 1);
	assert_true(s->result.first_loss.salvaged);
	assert_int_equal(counter_get(&s->result.side[0].count.salvaged), 1);
	assert_true(sim_salvages(s->end[0], 77, had));
	assert_memory_equal(sim_data(s->end[1]) + 77 * BLOCK, had, BLOCK);
}

/* There is no way to write a part. */
static void where_bad_blocks_are_left_as_they_are_a_longer_one_is_lost_whole(void **state)
{
	struct scene *s = *state;

	make_longer_blocks(s);
	s->policy.leave_bad = true;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78 };
	run(s);
	assert_int_equal(s->result.bad_bytes, 4096);
	assert_int_equal(s->result.loss_block_bytes, 4096);
}

/* What lies in them is known no more than before. */
static void a_block_whose_source_goes_meanwhile_is_left_for_another_run(void **state)
{
	struct scene *s = *state;
	struct sim_rule rules[] = {
		{ .kind = FAULT_GONE, .after = 3 },
		{ .kind = FAULT_MEDIUM, .first_blk = 0, .end_blk = 1 },
	};

	make_longer_blocks(s);
	s->spec[0].rules = rules;
	s->spec[0].nrules = ARRAY_SIZE(rules);
	run(s);
	assert_failed(s, 0, FAULT_GONE, XFER_READ);
	assert_int_equal(s->result.bad_bytes, 0);
	assert_int_equal(s->result.undone_bytes, 4096);
}

/* It is what a run that goes on is for. */
static void what_was_copied_behind_a_gap_is_kept(void **state)
{
	struct scene *s = *state;
	struct sim_rule rules[] = {
		{ .kind = FAULT_MEDIUM, .first_blk = 20, .end_blk = 21 },
		{ .kind = FAULT_GONE, .first_blk = 200, .end_blk = BLOCKS },
	};

	go_on(s);
	s->spec[0].rules = rules;
	s->spec[0].nrules = ARRAY_SIZE(rules);
	run(s);
	assert_failed(s, 0, FAULT_GONE, XFER_READ);
	assert_int_equal(s->result.undone_bytes, 64 * BLOCK);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, 200 / 64 * 64 * BLOCK);
	assert_int_equal(out_bytes(s), (200 / 64 - 1) * 64 * BLOCK);
}

static void all_is_kept_of_what_was_through_before_the_gaps_were_tried_again(void **state)
{
	struct scene *s = *state;
	struct sim_rule rules[] = {
		{ .kind = FAULT_GONE, .after = BLOCKS / 64 },
		{ .kind = FAULT_MEDIUM, .first_blk = 20, .end_blk = 21 },
	};

	go_on(s);
	s->spec[0].rules = rules;
	s->spec[0].nrules = ARRAY_SIZE(rules);
	run(s);
	assert_failed(s, 0, FAULT_GONE, XFER_READ);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, BLOCKS * BLOCK);
}

static void of_one_that_is_dropped_while_gaps_are_tried_again_too(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	go_on(s);
	bad_block(s, 0, 20);
	s->rule[2] = (struct sim_rule){ .kind = FAULT_GONE, .after = BLOCKS / 64 - 1 };
	run(s);
	assert_true(s->result.side[2].failed);
	assert_int_equal(sim_counts(s->end[1])->end_bytes, BLOCKS * BLOCK);
	assert_int_equal(sim_counts(s->end[2])->end_bytes, BLOCKS * BLOCK);
}

/* Chunks in order leave no gap. */
static void what_was_read_ahead_when_too_much_was_bad_is_not_counted_as_written(void **state)
{
	struct scene *s = *state;

	go_on(s);
	ask_hash(s);
	s->request.queue_depth = 4;
	s->policy.max_bad = 1;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 20, .end_blk = 23 };
	run(s);
	assert_int_equal(s->result.limit, LIMIT_TOTAL);
	assert_true(sim_counts(s->end[1])->end_bytes <= 22 * BLOCK);
}

/* A chunk that could not be read is in pieces: of one of them a destination has its part. */
static void a_piece_that_another_could_not_write_is_compared_too(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	read_back(s);
	go_on(s);
	bad_block(s, 0, 70);
	bad_block(s, 2, 80);
	s->spec[3].rots_at = 100 * BLOCK;
	s->spec[3].rots = 1;
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(s->result.losses, 2);
	assert_int_equal(miscompare(s, 3)->blocks, 1);
	assert_int_equal(miscompare(s, 4)->blocks, 0);
}

/* It was written with a longer piece; when the pieces are read back one of them is bad. */
static void what_was_written_before_its_source_went_bad_is_not_compared_with_zeros(void **state)
{
	struct scene *s = *state;

	read_back(s);
	go_on(s);
	bad_block(s, 0, 77);
	s->rule[0].tries = 1; /* those that begin with it, and the first of 64 */
	bad_block(s, 2, 78);
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(s->result.losses, 2);
	assert_int_equal(miscompare(s, 2)->blocks, 0);
	assert_memory_equal(sim_data(s->end[1]), sim_data(s->end[0]), BLOCKS * BLOCK);
}

/* --- streams whose chunks cannot be written as a whole --- */

/* Of chunks of 64: the first block of one, two in the midst of one, the last of two in a row. */
static const struct sim_rule holes_in_it[] = {
	{ .kind = FAULT_MEDIUM, .first_blk = 0, .end_blk = 1 },
	{ .kind = FAULT_MEDIUM, .first_blk = 90, .end_blk = 92 },
	{ .kind = FAULT_MEDIUM, .first_blk = 127, .end_blk = 128 },
	{ .kind = FAULT_MEDIUM, .first_blk = 191, .end_blk = 192 },
};

#define HOLES_IN_IT 5u

static bool is_in_a_hole(uint64_t block)
{
	for (size_t i = 0; i < ARRAY_SIZE(holes_in_it); i++)
		if (block >= holes_in_it[i].first_blk && block < holes_in_it[i].end_blk)
			return true;
	return false;
}

static void stream_goes_on(struct scene *s)
{
	go_on(s);
	make_stream(s, 0);
	s->request.queue_depth = 4;
}

static void has_holes(struct scene *s, unsigned side)
{
	s->spec[side].rules = holes_in_it;
	s->spec[side].nrules = ARRAY_SIZE(holes_in_it);
}

/* All blocks of the side are there, but for those. */
static void assert_all_but_holes(const struct scene *s, unsigned side)
{
	assert_int_equal(bytes_of(s, side), (BLOCKS - HOLES_IN_IT) * BLOCK);
	assert_side_is_true(s, side);
	for (uint64_t b = 0; b < BLOCKS; b++)
		assert_int_equal(sim_acknowledged(s->end[side], b), !is_in_a_hole(b));
}

static void assert_blocks_lost(const struct scene *s, unsigned n)
{
	assert_false(s->result.failed);
	assert_int_equal(s->result.losses, n);
	assert_int_equal(s->told, n);
	assert_int_equal(s->result.bad_bytes, n * BLOCK);
	assert_int_equal(s->result.undone_bytes, 0);
	assert_int_equal(in_bytes(s), BLOCKS * BLOCK);
	assert_int_equal(counter_get(&result(s, 0)->count.commands), BLOCKS / 64);
}

static void lose_of_a_stream(struct scene *s, enum xfer_method method, enum plan_buffer buffer)
{
	stream_goes_on(s);
	has_holes(s, 1);
	s->spec[1].can_dio = true;
	s->request.out_method = method;
	run(s);
	assert_int_equal(s->plan.buffer, buffer);
	assert_int_equal(s->plan.depth, 4);
	assert_blocks_lost(s, HOLES_IN_IT);
	assert_all_but_holes(s, 1);
	assert_int_equal(s->result.first_loss.side, 1);
	assert_int_equal(s->result.first_loss.x.offset_bytes, 0);
}

static void what_cannot_be_written_of_a_stream_is_lost_by_the_block_from_a_mapped_buffer(
	void **state)
{
	lose_of_a_stream(*state, METHOD_MMAP, BUFFER_OUT);
}

static void what_cannot_be_written_of_a_stream_is_lost_by_the_block(void **state)
{
	lose_of_a_stream(*state, METHOD_DIO, BUFFER_USER);
}

static void a_block_of_a_stream_costs_four_commands_too_if_it_is_named(void **state)
{
	struct scene *s = *state;

	stream_goes_on(s);
	s->rule[1] = (struct sim_rule){
		.kind = FAULT_MEDIUM, .first_blk = 77, .end_blk = 78, .info = SIM_INFO
	};
	run(s);
	assert_blocks_lost(s, 1);
	assert_lost(s, 77, 1);
	assert_true(extra_commands(s, 1) <= 4);
}

static void of_a_stream_only_the_one_that_failed_is_written_again(void **state)
{
	struct scene *s = *state;

	s->n = 4;
	stream_goes_on(s);
	make_stream(s, 3);
	s->span.open_ended = true;
	has_holes(s, 1);
	run(s);
	assert_blocks_lost(s, HOLES_IN_IT);
	assert_all_but_holes(s, 1);
	for (unsigned side = 2; side < s->n; side++) {
		assert_side_is_whole(s, side);
		assert_int_equal(counter_get(&result(s, side)->count.commands), BLOCKS / 64);
	}
}

static void of_a_stream_two_lose_what_each_cannot_write(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	stream_goes_on(s);
	has_holes(s, 1);
	bad_block(s, 2, 100);
	run(s);
	assert_blocks_lost(s, HOLES_IN_IT + 1);
	assert_all_but_holes(s, 1);
	assert_side_is_true(s, 2);
	assert_int_equal(bytes_of(s, 2), (BLOCKS - 1) * BLOCK);
}

/* Its pieces are written to both until one of the two has its part. */
static void of_a_stream_the_rest_goes_to_those_that_lack_it(void **state)
{
	struct scene *s = *state;

	s->n = 3;
	stream_goes_on(s);
	bad_block(s, 1, 127);
	bad_block(s, 2, 70);
	run(s);
	assert_blocks_lost(s, 2);
	for (unsigned side = 1; side < s->n; side++) {
		assert_side_is_true(s, side);
		assert_int_equal(bytes_of(s, side), (BLOCKS - 1) * BLOCK);
	}
}

/* What it had no more need of is nobody's loss; the bytes of the stream count once. */
static void of_a_stream_one_that_is_dropped_in_mid_chunk_leaves_the_rest_to_the_other(void **state)
{
	static const struct sim_rule rules[] = {
		{ .kind = FAULT_MEDIUM, .first_blk = 70, .end_blk = 71 },
		{ .kind = FAULT_MEDIUM, .first_blk = 120, .end_blk = 121 },
		{ .kind = FAULT_GONE, .first_blk = 80, .end_blk = 81 },
	};
	struct scene *s = *state;

	s->n = 3;
	stream_goes_on(s);
	s->spec[1].rules = rules;
	s->spec[1].nrules = ARRAY_SIZE(rules);
	run(s);
	assert_true(result(s, 1)->failed);
	assert_int_equal(s->result.losses, 1);
	assert_side_is_true(s, 1);
	assert_side_is_whole(s, 2);
	assert_int_equal(in_bytes(s), BLOCKS * BLOCK);
}

static void a_stream_is_hashed_once(void **state)
{
	struct scene *s = *state;

	stream_goes_on(s);
	ask_hash(s);
	has_holes(s, 1);
	run(s);
	assert_blocks_lost(s, HOLES_IN_IT);
	assert_hash(s, BLOCKS * BLOCK);
}

/* The last block of the disk has 700 bytes of the stream; it is in a chunk that fails. */
static void the_last_piece_of_a_stream_is_padded(void **state)
{
	static const uint8_t zeros[4096];
	struct scene *s = *state;

	go_on(s);
	make_tail(s, 10 * 4096 + 700);
	s->request.bpt_blk = 4;
	s->span.pad = true;
	bad_block(s, 1, 9);
	run(s);
	assert_false(s->result.failed);
	assert_int_equal(s->result.losses, 1);
	assert_int_equal(s->result.bad_bytes, 4096);
	assert_int_equal(in_bytes(s), 10 * 4096 + 700);
	assert_int_equal(out_bytes(s), 10 * 4096);
	assert_memory_equal(sim_data(s->end[1]), sim_data(s->end[0]), 9 * 4096);
	assert_memory_equal(sim_data(s->end[1]) + 10 * 4096, sim_data(s->end[0]) + 10 * 4096, 700);
	assert_memory_equal(sim_data(s->end[1]) + 10 * 4096 + 700, zeros, 4096 - 700);
	assert_false(sim_acknowledged(s->end[1], 11));
}

static void a_last_piece_of_a_stream_that_fills_no_block_is_told(void **state)
{
	struct scene *s = *state;

	go_on(s);
	make_tail(s, 10 * 4096 + 700);
	s->request.bpt_blk = 4;
	bad_block(s, 1, 9);
	run(s);
	assert_tail(s, 700);
	assert_int_equal(s->result.losses, 1);
	assert_int_equal(out_bytes(s), 9 * 4096);
	assert_int_equal(s->result.undone_bytes, 0);
}

/* Those of the piece that is bad count as lost, and not as trimmed. */
static void zeros_of_a_stream_are_trimmed_by_the_piece(void **state)
{
	struct scene *s = *state;

	stream_goes_on(s);
	make_zeros(s, END_TRIM);
	s->request.bpt_blk = 64;
	s->spec[1].can_trim = true;
	s->spec[1].rewritten = true; /* a chunk has several parts, and all of it comes again */
	has_holes(s, 1);
	open_zeros(s);
	run(s);
	assert_int_equal(s->plan.side[1].holes, HOLES_TRIM);
	assert_blocks_lost(s, HOLES_IN_IT);
	assert_int_equal(out_bytes(s), (BLOCKS - HOLES_IN_IT) * BLOCK);
	assert_int_equal(holes_of(s, 1), ZERO_BLOCKS * BLOCK);
	for (uint64_t b = 0; b < BLOCKS; b++)
		if (!is_in_a_hole(b))
			assert_memory_equal(sim_data(s->end[1]) + b * BLOCK,
				sim_data(s->end[0]) + b * BLOCK, BLOCK);
}

/* One byte comes back as another, in a chunk of which a block was not written. */
static void the_pieces_of_a_stream_are_read_back(void **state)
{
	struct scene *s = *state;

	read_back(s);
	stream_goes_on(s);
	has_holes(s, 1);
	s->spec[2].rots_at = 100 * BLOCK;
	s->spec[2].rots = 1;
	run(s);
	assert_blocks_lost(s, HOLES_IN_IT);
	assert_all_but_holes(s, 1);
	assert_int_equal(miscompare(s, 2)->blocks, 1);
	assert_int_equal(miscompare(s, 2)->at_bytes, 100 * BLOCK);
}

static void what_cannot_be_read_back_of_a_stream_is_lost_by_the_block(void **state)
{
	struct scene *s = *state;

	read_back(s);
	stream_goes_on(s);
	has_holes(s, 2);
	run(s);
	assert_blocks_lost(s, HOLES_IN_IT);
	assert_side_is_whole(s, 1);
	assert_int_equal(bytes_of(s, 2), (BLOCKS - HOLES_IN_IT) * BLOCK);
	assert_int_equal(miscompare(s, 2)->blocks, 0);
}

/* What the stream gave lies in the file, where each piece of it is to be. */
static void pieces_of_a_stream_lie_in_a_mapped_file(void **state)
{
	struct scene *s = *state;

	stream_goes_on(s);
	make_mapped(s, 1);
	has_holes(s, 1);
	run(s);
	assert_int_equal(s->plan.user_buffers, 0);
	assert_blocks_lost(s, HOLES_IN_IT);
	assert_int_equal(out_bytes(s), (BLOCKS - HOLES_IN_IT) * BLOCK);
}

/*
 * The other slots have nothing yet when the first chunk fails at once, and a piece of it flies: the
 * next read comes after that, and is repeated before the one behind it.
 */
static void read_on_behind_bad_blocks(struct scene *s, uint64_t seed)
{
	stream_goes_on(s);
	s->request.queue_depth = 16;
	s->request.bpt_blk = 8;
	s->spec[1].seed = seed;
	s->rule[0] = (struct sim_rule){ .kind = FAULT_ABORTED, .tries = 2 };
	s->rule[1] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 0, .end_blk = 64 };
	run(s);
	assert_lost(s, 0, 64);
	assert_int_equal(in_bytes(s), BLOCKS * BLOCK);
}

static void a_stream_is_not_read_on_while_a_chunk_of_it_is_taken_apart(void **state)
{
	struct scene *s;

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		setup((void **)&s);
		read_on_behind_bad_blocks(s, seed);
		teardown((void **)&s);
	}
}

static void a_chunk_of_a_stream_that_is_interrupted_is_not_called_bad(void **state)
{
	struct scene *s = *state;

	stream_goes_on(s);
	s->request.queue_depth = 1;
	s->spec[1].on_submit = interrupt_until_hurried;
	s->spec[1].arg = s;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_MEDIUM, .first_blk = 0, .end_blk = 64 };
	run(s);
	assert_int_equal(s->result.signal, SIGINT);
	assert_true(s->result.undone_bytes > 0);
	assert_true(s->result.losses > 0 && s->result.losses < 64);
	assert_int_equal(s->result.bad_bytes, s->result.losses * BLOCK);
	assert_side_is_true(s, 1);
}

static void of_a_stream_what_is_refused_as_too_long_is_written_in_halves(void **state)
{
	struct scene *s = *state;

	make_stream(s, 0);
	s->request.queue_depth = 4;
	s->request.bpt_blk = 64;
	s->rule[1] = (struct sim_rule){ .kind = FAULT_ILLEGAL_REQUEST, .longer_blk = 5 };
	run(s);
	assert_all_arrived(s);
	assert_int_equal(s->result.losses, 0);
	assert_true(s->result.chunk_bytes <= 5 * BLOCK);
}

static void a_write_error_ends_a_stream_that_does_not_go_on(void **state)
{
	struct scene *s = *state;

	stream_goes_on(s);
	s->policy.go_on_out = false;
	bad_block(s, 1, 100);
	run(s);
	assert_failed(s, 1, FAULT_MEDIUM, XFER_WRITE);
	assert_int_equal(s->result.losses, 0);
}

/* A shell's background job starts with some of them ignored, and ignored they would stay. */
static void heed_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGTSTP };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_DFL);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define GROUP(name) cmocka_run_group_tests_name("copy: " #name, name##_tests, NULL, NULL)

static const struct CMUnitTest data_tests[] = {
	TEST(a_copy_equals_its_source),
	TEST(a_tail_shorter_than_a_chunk_is_copied),
	TEST(a_span_of_nothing_sends_nothing),
	TEST(generated_bytes_fill_the_destination),
	TEST(the_null_sink_gets_no_commands),
};

static const struct CMUnitTest order_tests[] = {
	TEST(one_worker_reads_in_ascending_order),
	TEST(what_is_read_at_once_does_not_overtake_what_flies),
	TEST(all_slots_of_the_plan_fly_at_once),
	TEST(reads_overlap_writes),
	TEST(many_workers_share_the_slots),
	TEST(inline_ends_have_a_worker_a_slot),
};

static const struct CMUnitTest faults_tests[] = {
	TEST(a_short_read_is_not_success),
	TEST(a_short_write_is_not_success),
	TEST(a_failed_read_is_never_written),
	TEST(no_chunk_is_begun_after_a_fatal_fault),
	TEST(the_first_of_several_faults_is_told),
	TEST(a_recovered_error_is_counted_and_its_data_are_good),
	TEST(a_unit_attention_is_retried_and_counted),
	TEST(a_reset_in_mid_run_is_counted_apart),
	TEST(a_reset_that_a_read_is_told_of_is_the_destinations_where_they_are_one_disk),
	TEST(what_was_written_before_such_a_reset_is_written_again),
	TEST(a_write_is_retried_without_a_second_read),
	TEST(tries_of_the_read_do_not_count_for_the_write),
	TEST(a_busy_unit_is_asked_again_later),
	TEST(those_that_fly_to_a_busy_unit_wait_once),
	TEST(a_full_task_set_lowers_the_depth),
	TEST(the_depth_is_never_lowered_to_nothing),
	TEST(a_worker_that_is_alone_keeps_a_slot),
	TEST(a_medium_error_is_retried_as_often_as_asked),
	TEST(a_deferred_error_ends_the_run),
	TEST(a_device_that_goes_away_ends_the_run),
	TEST(direct_io_that_was_copied_is_counted),
	TEST(lanes_that_fall_back_are_counted_once),
	TEST(a_read_that_is_not_known_goes_in_its_other_form),
	TEST(a_write_that_is_not_known_goes_in_its_other_form),
	TEST(a_source_that_stops_is_started_where_that_was_asked),
	TEST(a_destination_that_stops_is_started_where_that_was_asked),
	TEST(a_unit_that_cannot_be_started_ends_the_run),
	TEST(a_unit_that_stops_ends_the_run_where_it_is_not_to_be_started),
	TEST(direct_io_that_was_asked_does_not_fall_back),
};

static const struct CMUnitTest going_on_tests[] = {
	TEST(what_stands_for_a_bad_block_is_not_hashed),
	TEST(a_block_that_the_run_ends_with_is_not_called_bad),
	TEST(zeros_that_were_read_at_last_replace_what_was_salvaged),
	TEST(a_bad_block_is_lost_alone_and_found_by_halving),
	TEST(a_block_that_cannot_be_written_costs_four_commands_if_it_is_named),
	TEST(a_block_that_cannot_be_read_costs_four_commands_if_it_is_named),
	TEST(what_cannot_be_read_can_be_left_as_it_is),
	TEST(what_is_left_as_it_was_shortens_nothing),
	TEST(a_stream_gets_zeros_for_what_is_left_as_it_is_elsewhere),
	TEST(transfers_that_are_refused_as_too_long_are_halved),
	TEST(a_block_that_is_refused_ends_the_run),
	TEST(a_bad_block_that_a_last_try_can_read_is_not_lost),
	TEST(what_a_last_try_can_write_counts_once),
	TEST(what_no_try_can_write_counts_as_read_once),
	TEST(a_deferred_error_calls_nothing_bad),
	TEST(with_too_many_bad_blocks_the_run_ends),
	TEST(of_a_longer_block_only_what_cannot_be_read_is_lost),
	TEST(its_parts_are_salvaged_one_by_one),
	TEST(where_bad_blocks_are_left_as_they_are_a_longer_one_is_lost_whole),
	TEST(a_block_whose_source_goes_meanwhile_is_left_for_another_run),
	TEST(what_was_copied_behind_a_gap_is_kept),
	TEST(all_is_kept_of_what_was_through_before_the_gaps_were_tried_again),
	TEST(of_one_that_is_dropped_while_gaps_are_tried_again_too),
	TEST(what_was_read_ahead_when_too_much_was_bad_is_not_counted_as_written),
	TEST(a_piece_that_another_could_not_write_is_compared_too),
	TEST(what_was_written_before_its_source_went_bad_is_not_compared_with_zeros),
};

static const struct CMUnitTest hashes_tests[] = {
	cmocka_unit_test(the_hash_is_that_of_the_source_at_any_depth),
	TEST(the_hash_is_right_after_retries),
	TEST(the_hash_of_recovered_data_is_right),
	TEST(inline_ends_are_hashed_one_transfer_at_a_time),
	TEST(what_is_only_read_is_hashed),
	TEST(a_failed_read_ends_the_hash_before_it),
	TEST(what_pads_the_last_block_is_not_hashed),
	TEST(writes_fly_beside_each_other_though_reads_are_hashed),
};

static const struct CMUnitTest streams_tests[] = {
	TEST(a_stream_gets_its_bytes_in_order),
	TEST(a_read_that_is_repeated_is_waited_for_by_those_behind_it),
	TEST(nothing_is_written_to_a_stream_behind_a_hole),
	TEST(a_stream_that_ends_early_ends_the_run_and_is_told),
	TEST(a_stream_that_gives_all_has_not_ended),
	TEST(an_empty_stream_is_read_once),
	TEST(a_tail_that_fills_no_block_is_not_written_and_told),
	TEST(whole_blocks_before_a_tail_are_written),
	TEST(a_tail_is_padded_with_zeros_where_asked),
	TEST(a_disk_of_shorter_blocks_is_padded_too),
	TEST(zeros_go_on_in_chunks_as_far_as_there_is_room),
	TEST(zeros_behind_the_end_are_not_hashed),
	TEST(a_stream_that_ends_with_a_chunk_is_padded_too),
	TEST(zeros_that_cannot_be_written_end_the_run),
	TEST(zeros_that_cannot_be_written_are_a_loss_where_the_run_goes_on),
	TEST(what_flies_when_a_tail_is_found_is_still_brought_home),
	TEST(a_fault_behind_a_tail_is_what_is_told),
	TEST(a_source_with_more_than_there_is_room_for_is_told),
	TEST(a_source_that_ends_with_the_room_is_good),
	TEST(no_byte_more_than_was_counted_is_taken),
	TEST(what_flies_when_it_is_full_is_still_brought_home),
	TEST(a_buffer_that_o_direct_cannot_pin_asks_for_another_plan),
};

static const struct CMUnitTest streams_apart_tests[] = {
	TEST(what_cannot_be_written_of_a_stream_is_lost_by_the_block_from_a_mapped_buffer),
	TEST(what_cannot_be_written_of_a_stream_is_lost_by_the_block),
	TEST(a_block_of_a_stream_costs_four_commands_too_if_it_is_named),
	TEST(of_a_stream_only_the_one_that_failed_is_written_again),
	TEST(of_a_stream_two_lose_what_each_cannot_write),
	TEST(of_a_stream_the_rest_goes_to_those_that_lack_it),
	TEST(of_a_stream_one_that_is_dropped_in_mid_chunk_leaves_the_rest_to_the_other),
	TEST(a_stream_is_hashed_once),
	TEST(the_last_piece_of_a_stream_is_padded),
	TEST(a_last_piece_of_a_stream_that_fills_no_block_is_told),
	TEST(zeros_of_a_stream_are_trimmed_by_the_piece),
	TEST(the_pieces_of_a_stream_are_read_back),
	TEST(what_cannot_be_read_back_of_a_stream_is_lost_by_the_block),
	TEST(pieces_of_a_stream_lie_in_a_mapped_file),
	cmocka_unit_test(a_stream_is_not_read_on_while_a_chunk_of_it_is_taken_apart),
	TEST(a_chunk_of_a_stream_that_is_interrupted_is_not_called_bad),
	TEST(of_a_stream_what_is_refused_as_too_long_is_written_in_halves),
	TEST(a_write_error_ends_a_stream_that_does_not_go_on),
};

static const struct CMUnitTest several_tests[] = {
	TEST(several_destinations_get_the_same),
	TEST(one_that_fails_is_dropped_and_the_others_are_finished),
	TEST(what_was_dropped_gets_nothing_more),
	TEST(what_was_dropped_is_not_waited_for),
	TEST(with_the_last_one_the_run_stops),
	TEST(a_null_sink_alone_is_not_gone_on_for),
	TEST(of_each_side_the_failure_nearest_to_the_start_is_told),
	TEST(a_failed_source_is_not_laid_to_the_destinations),
	TEST(a_stream_that_is_dropped_leaves_the_order_to_the_others),
	TEST(each_is_told_the_length_that_it_has),
	TEST(an_end_is_told_that_has_no_gap_before_it),
	TEST(an_end_is_told_where_a_write_stopped_half_way),
	TEST(a_length_that_cannot_be_set_is_told),
	TEST(those_that_wait_for_two_units_wait_once_for_each),
};

static const struct CMUnitTest read_back_tests[] = {
	TEST(what_was_written_is_read_back_and_equal),
	TEST(a_byte_that_is_read_back_as_another_is_found),
	TEST(blocks_that_differ_are_counted_and_the_first_is_told),
	TEST(what_was_not_written_is_neither_read_back_nor_unequal),
	TEST(a_failed_read_back_drops_its_destination_and_no_other),
	TEST(a_failed_read_back_of_the_last_one_stops_the_run),
	TEST(with_the_last_one_that_is_read_back_the_run_stops),
	TEST(what_an_interrupt_kept_from_being_written_is_not_unequal),
	TEST(a_read_back_that_is_repeated_is_compared_once),
	TEST(a_padded_block_is_read_back_as_padded),
	TEST(a_tail_that_is_not_written_is_not_read_back),
};

static const struct CMUnitTest compare_tests[] = {
	TEST(one_is_compared_with_two),
	TEST(what_differs_is_taken_out_of_a_map),
	TEST(one_that_cannot_be_read_is_compared_no_more),
	TEST(with_none_left_to_compare_the_run_stops),
};

static const struct CMUnitTest zeros_tests[] = {
	TEST(zeros_are_left_out_of_what_is_fresh),
	TEST(zeros_on_a_disk_leave_what_was_there),
	TEST(zeros_are_trimmed),
	TEST(a_trim_is_no_longer_than_the_longest_one),
	TEST(zeros_of_no_whole_grain_are_written),
	TEST(what_is_not_granted_is_written),
	TEST(after_a_refused_trim_the_next_one_is_asked_for_again),
	TEST(a_write_after_a_refused_trim_has_all_its_tries),
	TEST(a_trim_is_repeated_like_a_write),
	TEST(a_failed_trim_is_a_failure),
	TEST(each_destination_leaves_out_in_its_own_way),
	TEST(what_is_all_zeros_sends_nothing_and_gets_its_length),
	TEST(what_was_left_out_is_read_back_too),
};

static const struct CMUnitTest mapped_tests[] = {
	TEST(a_mapped_source_is_written_where_it_lies),
	TEST(a_mapped_destination_is_read_into),
	TEST(a_source_that_is_cut_is_what_failed_and_not_its_destination),
	TEST(a_source_that_is_cut_fails_though_its_data_were_written),
	TEST(a_destination_that_is_cut_is_what_failed_and_not_the_source),
	TEST(all_are_stopped_by_a_source_that_is_cut),
	TEST(memory_that_cannot_be_had_is_a_failure_of_its_file),
	TEST(direct_io_that_cannot_be_had_is_a_mapped_files_fault_only_if_it_was_cut),
};

static const struct CMUnitTest opening_tests[] = {
	TEST(a_lane_that_cannot_be_had_closes_the_others),
	TEST(a_buffer_that_cannot_be_pinned_asks_for_another_plan),
	TEST(opening_sends_nothing),
	TEST(memory_beyond_all_bounds_is_refused),
};

static const struct CMUnitTest flush_tests[] = {
	TEST(the_destination_is_flushed_after_the_last_write),
	TEST(no_flush_where_none_is_asked),
	TEST(a_flush_follows_a_failed_run_too),
	TEST(a_failed_flush_is_told),
	TEST(all_destinations_are_flushed),
	TEST(what_was_dropped_is_flushed_and_what_is_read_back_is_not),
};

static const struct CMUnitTest signals_tests[] = {
	TEST(an_interrupt_lets_what_flies_come_home),
	TEST(usr1_reports_and_the_run_goes_on),
	TEST(ticks_tell_progress),
	TEST(progress_is_that_of_the_destination_ahead),
	TEST(a_signal_that_was_ignored_stays_ignored),
	TEST(an_interrupt_hurries_both_ends),
	TEST(a_flush_is_seen_while_it_lasts),
	TEST(an_interrupt_during_the_flush_is_told),
};

static const struct CMUnitTest children_tests[] = {
	TEST(a_repeat_that_comes_at_once_is_of_the_same_wish),
	TEST(a_later_interrupt_kills),
	TEST(a_stop_waits_for_what_flies_and_a_continue_goes_on),
};

int main(void)
{
	int failed = 0;

	heed_signals();
	failed += GROUP(data);
	failed += GROUP(order);
	failed += GROUP(faults);
	failed += GROUP(going_on);
	failed += GROUP(hashes);
	failed += GROUP(streams);
	failed += GROUP(streams_apart);
	failed += GROUP(several);
	failed += GROUP(read_back);
	failed += GROUP(compare);
	failed += GROUP(zeros);
	failed += GROUP(mapped);
	failed += GROUP(opening);
	failed += GROUP(flush);
	failed += GROUP(signals);
	failed += GROUP(children);
	return failed != 0;
}
