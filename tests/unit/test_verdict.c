/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of a result, and the exit status: of runs that were never run. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../verdict.h"
#include "../lib/capture.h"

#define BLOCK 512u
#define LEN   (1000 * BLOCK)
#define DEPTH 16u
#define CHUNK 65536u
#define SIDES 5

struct scene {
	struct options options;
	struct endpoint end[SIDES];
	struct run run;
	struct capture said;
};

static void describe(const struct endpoint *ep, const struct xfer *x, char *text, size_t room)
{
	snprintf(text, room, "(%s) at byte %llu: %s", ep->name, (unsigned long long)x->offset_bytes,
		fault_kind_name(x->fault.kind));
}

static const struct endpoint_ops ops = { .describe = describe };

/* All 1000 blocks have reached each of so many destinations. Nothing but messages is printed. */
static void make_scene(struct scene *s, unsigned dests)
{
	static const char *const names[SIDES] = { "source", "dest", "dest 2", "back", "back 2" };

	memset(s, 0, sizeof(*s));
	s->options = (struct options){ .status = STATUS_NONE, .count = COUNT_ALL };
	s->run.o = &s->options;
	s->run.span = (struct span){ .ibs_bytes = BLOCK,
		.obs_bytes = BLOCK,
		.block_bytes = BLOCK,
		.out_block_bytes = BLOCK,
		.len_bytes = LEN };
	s->run.plan.depth = s->run.result.depth = DEPTH;
	s->run.plan.chunk_bytes = s->run.result.chunk_bytes = CHUNK;
	s->run.sides.n = 1 + dests;
	s->run.ends.nouts = dests;
	for (unsigned side = 0; side < SIDES; side++) {
		s->end[side] = (struct endpoint){ .ops = &ops,
			.name = names[side],
			.identity = "",
			.role = side > 0 && side <= dests ? END_DEST : END_SOURCE,
			.facts.block_bytes = BLOCK };
		s->run.sides.end[side] = &s->end[side];
		s->run.result.side[side].count.bytes = LEN;
	}
	for (unsigned i = 0; i < dests; i++)
		s->run.ends.out[i].ep = &s->end[1 + i];
}

static struct side_result *result(struct scene *s, unsigned side)
{
	return &s->run.result.side[side];
}

static void fail_side(struct scene *s, unsigned side, enum fault_kind kind, uint64_t at_bytes)
{
	struct copy_result *r = &s->run.result;

	if (!r->failed)
		r->failed_first = side;
	r->failed = r->side[side].failed = true;
	r->side[side].failure = (struct xfer){ .offset_bytes = at_bytes, .fault.kind = kind };
}

static void differ(struct scene *s, unsigned side, uint64_t at_bytes, uint64_t blocks)
{
	result(s, side)->miscompare = (struct miscompare){ blocks, at_bytes, 0x11, 0x22, NULL };
}

/* The status is that, and the lines are these and no others. */
static void expect(struct scene *s, int exit_status, const char *lines)
{
	int got;

	capture_begin(&s->said);
	got = verdict(&s->run);
	capture_end(&s->said);
	assert_string_equal(s->said.text, lines);
	assert_int_equal(got, exit_status);
}

/* --- failures --- */

static void a_good_run_has_nothing_to_be_said(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	expect(&s, 0, "");
}

static void a_failure_is_said_once_and_is_the_status(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	fail_side(&s, 1, FAULT_MEDIUM, 4096);
	result(&s, 1)->count.bytes = 4096;
	expect(&s, EXIT_MEDIUM_HARD, "sgmmcp: dest: (dest) at byte 4096: medium error\n");
}

static void the_side_that_failed_first_gives_the_status(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	fail_side(&s, 2, FAULT_DATA_PROTECT, 1024);
	fail_side(&s, 1, FAULT_MEDIUM, 4096);
	result(&s, 1)->count.bytes = 4096;
	result(&s, 2)->count.bytes = 1024;
	expect(&s, EXIT_DATA_PROTECT,
		"sgmmcp: dest: (dest) at byte 4096: medium error\n"
		"sgmmcp: dest 2: (dest 2) at byte 1024: write protected\n"
		"sgmmcp: dest: was dropped after 4096 of 512000 bytes\n"
		"sgmmcp: dest 2: was dropped after 1024 of 512000 bytes\n");
}

static void one_destination_alone_is_not_dropped(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	fail_side(&s, 0, FAULT_MEDIUM, 0);
	expect(&s, EXIT_MEDIUM_HARD, "sgmmcp: source: (source) at byte 0: medium error\n");
}

/* Nothing more was written to it. */
static void a_read_back_that_fails_drops_its_destination(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	s.run.sides.n = 5;
	fail_side(&s, 4, FAULT_HARDWARE, 512);
	result(&s, 2)->count.bytes = 1024;
	expect(&s, EXIT_MEDIUM_HARD,
		"sgmmcp: back 2: (back 2) at byte 512: hardware error\n"
		"sgmmcp: dest 2: was dropped after 1024 of 512000 bytes: it cannot be read back\n");
	fail_side(&s, 2, FAULT_MEDIUM, 1024); /* both: said once */
	expect(&s, EXIT_MEDIUM_HARD,
		"sgmmcp: dest 2: (dest 2) at byte 1024: medium error\n"
		"sgmmcp: back 2: (back 2) at byte 512: hardware error\n"
		"sgmmcp: dest 2: was dropped after 1024 of 512000 bytes\n");
}

/* As one destination alone: that the run ended says it. */
static void the_only_read_back_is_not_dropped(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.end[2].name = "back";
	s.run.sides.n = 3;
	fail_side(&s, 2, FAULT_HARDWARE, 512);
	expect(&s, EXIT_MEDIUM_HARD, "sgmmcp: back: (back) at byte 512: hardware error\n");
}

/* --- a pipe that nobody reads --- */

static void the_end_of_the_reader_is_not_worth_a_line(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	assert_false(verdict_ended_by_reader(&s.run));
	fail_side(&s, 1, FAULT_OS, 0);
	signal(SIGPIPE, SIG_DFL);
	result(&s, 1)->failure.fault.err = EIO;
	assert_false(verdict_ended_by_reader(&s.run));
	result(&s, 1)->failure.fault.err = EPIPE;
	assert_true(verdict_ended_by_reader(&s.run));
	expect(&s, 0, "");
	signal(SIGPIPE, SIG_IGN);
	assert_false(verdict_ended_by_reader(&s.run));
	expect(&s, EXIT_OS + EPIPE, "sgmmcp: dest: (dest) at byte 0: system call failed\n");
	signal(SIGPIPE, SIG_DFL);
}

static void one_reader_of_several_is_told(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	fail_side(&s, 1, FAULT_OS, 0);
	result(&s, 1)->count.bytes = 0;
	result(&s, 1)->failure.fault.err = EPIPE;
	signal(SIGPIPE, SIG_DFL);
	assert_false(verdict_ended_by_reader(&s.run));
	expect(&s, EXIT_OS + EPIPE,
		"sgmmcp: dest: (dest) at byte 0: system call failed\n"
		"sgmmcp: dest: was dropped after 0 of 512000 bytes\n");
}

/* --- streams --- */

static void a_tail_that_was_not_written_is_told(void **state)
{
	static const char line[] = "sgmmcp: source: ended 7 bytes into a block of 512: they were "
				   "not written (conv=sync pads)\n";
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.run.result.tail_bytes = 7;
	expect(&s, EXIT_CONTRADICT, line);
	s.run.result.signal = SIGINT; /* the rest of the block may have been on its way */
	expect(&s, 0, "");
}

static void a_source_with_more_than_there_is_room_for_is_told(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.run.result.source_has_more = true;
	expect(&s, EXIT_OS + ENOSPC, "sgmmcp: dest: is full, and the source has more\n");
}

/* --- flush --- */

static void each_flush_that_failed_is_told(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 3);
	for (unsigned side = 1; side <= 3; side++)
		result(&s, side)->flushed = true;
	result(&s, 2)->flush_fault.kind = FAULT_TIMEOUT;
	result(&s, 3)->flush_fault.kind = FAULT_MEDIUM;
	expect(&s, EXIT_TIMEOUT,
		"sgmmcp: dest 2: SYNCHRONIZE CACHE: timed out: what was written may not last\n"
		"sgmmcp: back: SYNCHRONIZE CACHE: medium error: what was written may not last\n");
	result(&s, 2)->flushed = result(&s, 3)->flushed = false;
	expect(&s, 0, "");
}

static void a_flush_that_tells_of_an_earlier_write_has_the_status_of_that(void **state)
{
	struct scene s;
	struct fault *f;

	(void)state;
	make_scene(&s, 1);
	result(&s, 1)->flushed = true;
	f = &result(&s, 1)->flush_fault;
	f->kind = FAULT_ABORTED;
	f->deferred = true;
	f->sense_len = 18;
	memcpy(f->sense, (uint8_t[18]){ 0x71, 0, 0xb, [7] = 10, [12] = 0x0c }, 18);
	expect(&s, EXIT_ABORTED_COMMAND,
		"sgmmcp: dest: SYNCHRONIZE CACHE: aborted command (b/0c/00 write error, of an "
		"earlier command): what was written may not last\n");
}

/* It was said when it happened. */
static void a_length_that_could_not_be_set_is_a_status(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	result(&s, 2)->end_status = EXIT_OS + EIO;
	expect(&s, EXIT_OS + EIO, "");
}

/* --- what differs --- */

static void a_miscompare_is_told_by_its_place_on_that_disk(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.run.span.out_bytes = 100 * BLOCK;
	differ(&s, 1, 7 * BLOCK + 5, 1);
	expect(&s, EXIT_MISCOMPARE,
		"sgmmcp: dest: miscompare at LBA 107, byte 5: expected 0x11, found 0x22; "
		"1 block of 512 bytes differs\n");
	differ(&s, 1, 7 * BLOCK + 5, 3);
	s.run.span.out_block_bytes = 1; /* a file: bs= counts */
	s.run.span.ibs_bytes = 1024;
	expect(&s, EXIT_MISCOMPARE,
		"sgmmcp: dest: miscompare at LBA 53, byte 517: expected 0x11, found 0x22; "
		"3 blocks of 1024 bytes differ\n");
}

static void each_side_that_differs_is_told(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	s.run.sides.n = 5;
	differ(&s, 3, 0, 1);
	differ(&s, 4, BLOCK, 1);
	expect(&s, EXIT_MISCOMPARE,
		"sgmmcp: back: miscompare at LBA 0, byte 0: expected 0x11, found 0x22; "
		"1 block of 512 bytes differs\n"
		"sgmmcp: back 2: miscompare at LBA 1, byte 0: expected 0x11, found 0x22; "
		"1 block of 512 bytes differs\n");
}

static void a_miscompare_that_is_not_found_again_is_told_by_the_drives_word(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.end[1].facts.block_bytes = 4096;
	fail_side(&s, 1, FAULT_MISCOMPARE, 100 * 4096);
	result(&s, 1)->failure.len_bytes = 16 * 4096;
	expect(&s, EXIT_MISCOMPARE, "sgmmcp: dest: (dest) at byte 409600: miscompare\n");
	capture_begin(&s.said);
	verdict_say_not_found(&s.run, 1);
	assert_string_equal(capture_end(&s.said),
		"sgmmcp: dest: the drive found a miscompare in LBA 100 to 115, and reading back "
		"finds none: the source has changed, or the drive is wrong (verify again)\n");
}

/* Two files, one of which may be longer. */
static void make_compare(struct scene *s)
{
	make_scene(s, 2);
	s->options.compare = true;
	for (unsigned side = 1; side <= 2; side++) {
		s->end[side].role = END_SOURCE;
		s->end[side].facts.size_bytes = LEN;
		s->run.ends.out[side - 1].node.kind = NODE_FILE;
	}
}

static const char is_longer[] = "sgmmcp: dest 2: is equal as far as source goes, and longer by 9 "
				"bytes\n";

static void a_longer_file_is_unequal(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	expect(&s, 0, "");
	s.end[2].facts.size_bytes += 9;
	expect(&s, EXIT_MISCOMPARE, is_longer);
	s.run.span.out_bytes = 9;
	s.end[1].facts.size_bytes += 9;
	expect(&s, 0, "");
}

static void a_longer_end_is_equal_where_a_part_was_asked_for(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	s.end[2].facts.size_bytes += 9;
	s.options.count = 1000;
	expect(&s, 0, "");
	s.options.count = COUNT_ALL;
	s.options.out.flags = END_NOTRUNC;
	expect(&s, 0, "");
	s.options.out.flags = 0;
	s.run.ends.out[1].node.kind = NODE_SG;
	expect(&s, 0, "");
	s.run.ends.out[1].node.kind = NODE_FILE;
	s.run.result.signal = SIGINT; /* nobody knows */
	expect(&s, 0, "");
	s.run.result.signal = 0;
	s.options.compare = false; /* a copy */
	expect(&s, 0, "");
	s.options.compare = true;
	expect(&s, EXIT_MISCOMPARE, is_longer);
}

/* As much was to be compared as was asked for, of a disk too. */
static void what_a_stream_had_too_little_for_is_unequal(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	s.options.count = 1000;
	s.run.result.source_ended = true;
	result(&s, 0)->count.bytes = LEN - 9;
	s.end[1].facts.size_bytes = LEN - 9; /* ends where the stream does */
	s.end[2].facts.size_bytes = 2 * LEN;
	s.run.ends.out[1].node.kind = NODE_SG;
	expect(&s, EXIT_MISCOMPARE, is_longer);
	s.end[2].facts.size_bytes = SIZE_UNKNOWN;
	expect(&s, 0, "");
}

static void a_file_goes_on_where_a_stream_has_ended(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	s.run.span.open_ended = true;
	expect(&s, 0, "");
	s.run.result.source_ended = true;
	expect(&s, 0, "");
	result(&s, 0)->count.bytes = LEN - 1;
	s.end[1].facts.size_bytes = LEN - 1;
	expect(&s, EXIT_MISCOMPARE,
		"sgmmcp: dest 2: is equal as far as source goes, and longer by 1 bytes\n");
}

static void a_stream_that_goes_on_behind_what_it_is_compared_with_is_unequal(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	s.run.span.open_ended = true;
	s.run.result.source_has_more = true;
	s.end[1].facts.size_bytes += 9;
	expect(&s, EXIT_MISCOMPARE, "sgmmcp: source: goes on behind the end of dest 2\n");
}

static void a_stream_that_ends_before_the_source_is_unequal(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	s.run.sides.n = 2;
	s.run.ends.nouts = 1;
	fail_side(&s, 1, FAULT_SHORT, 4096);
	result(&s, 1)->failure.done_bytes = 9;
	expect(&s, EXIT_RESIDUAL, "sgmmcp: dest: (dest) at byte 4096: short transfer\n");
	s.end[1].facts.sequential = true;
	expect(&s, EXIT_MISCOMPARE, "sgmmcp: dest: ends at byte 4105, and source goes on\n");
	s.options.compare = false; /* a copy */
	expect(&s, EXIT_RESIDUAL, "sgmmcp: dest: (dest) at byte 4096: short transfer\n");
}

static void what_cannot_be_compared_is_dropped(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	fail_side(&s, 2, FAULT_HARDWARE, 512);
	result(&s, 2)->count.bytes = 512;
	expect(&s, EXIT_MEDIUM_HARD,
		"sgmmcp: dest 2: (dest 2) at byte 512: hardware error\n"
		"sgmmcp: dest 2: was dropped after 512 of 512000 bytes\n");
}

static void of_files_that_differ_the_length_is_not_told(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	s.end[2].facts.size_bytes += 9;
	differ(&s, 1, 0, 2);
	expect(&s, EXIT_MISCOMPARE,
		"sgmmcp: dest: miscompare at LBA 0, byte 0: expected 0x11, found 0x22; "
		"2 blocks of 512 bytes differ\n");
}

/* --- resets --- */

static void what_a_reset_took_is_told_and_not_success(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	result(&s, 0)->count.resets = 4; /* has nothing to lose */
	result(&s, 1)->count.resets = 1;
	result(&s, 2)->count.resets = 2;
	expect(&s, EXIT_UNIT_ATTENTION,
		"sgmmcp: dest: was reset in mid-run, 1 unit attention: what was in its write cache "
		"may be lost (compare, or copy again)\n"
		"sgmmcp: dest 2: was reset in mid-run, 2 unit attentions: what was in its write "
		"cache may be lost (compare, or copy again)\n");
}

static void what_a_reset_took_and_was_written_again_is_success(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.run.result.rewrites_lost = true;
	result(&s, 1)->count.resets = 1;
	expect(&s, 0,
		"sgmmcp: dest: was reset in mid-run, 1 unit attention: what was not flushed was "
		"written once more\n");
	s.run.result.bad_bytes = s.run.result.loss_block_bytes = BLOCK;
	expect(&s, 3,
		"1 unrecovered block of 512 bytes\n"
		"sgmmcp: dest: was reset in mid-run, 1 unit attention: what was not flushed was "
		"written once more, but for the zeros of bad blocks\n");
}

/* --- what is lost --- */

static void lose_one(struct scene *s)
{
	s->run.result.losses = 1;
	s->run.result.first_loss.x.fault.kind = FAULT_HARDWARE;
	s->run.result.loss_block_bytes = BLOCK;
	s->run.result.bad_bytes = BLOCK;
}

static void a_lost_block_is_never_success(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	lose_one(&s);
	expect(&s, EXIT_MEDIUM_HARD, "1 unrecovered block of 512 bytes\n");
}

static void one_that_could_be_had_after_all_is(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	lose_one(&s);
	s.run.result.bad_bytes = 0;
	expect(&s, 0, "at another try they were good\n");
	s.run.result.undone_bytes = BLOCK;
	expect(&s, EXIT_MEDIUM_HARD, "512 bytes were not copied\n");
}

static void gaps_in_what_ended_early_are_told(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	lose_one(&s);
	s.run.result.undone_bytes = 7 * BLOCK;
	s.run.result.signal = SIGINT;
	expect(&s, 0, "1 unrecovered block of 512 bytes\n");
	s.options.coe_in = 1;
	expect(&s, 0, "1 unrecovered block of 512 bytes\n3584 bytes were not copied\n");
	s.run.result.rewrites_lost = true; /* a map tells */
	expect(&s, 0, "1 unrecovered block of 512 bytes\n");
}

static void what_the_device_would_not_have_is_told(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.run.result.depth = DEPTH - 3;
	s.run.result.chunk_bytes = CHUNK / 2;
	expect(&s, 0,
		"sgmmcp: queue depth lowered from 16 to 13: task set full\n"
		"sgmmcp: transfers shortened from 65536 to 32768 bytes: longer ones were "
		"refused\n");
}

static const char *stall(struct scene *s, const struct stall *what)
{
	s->options.timeout_ms = 60000;
	capture_begin(&s->said);
	verdict_say_stall(&s->run, what);
	capture_end(&s->said);
	return s->said.text;
}

static void who_does_not_answer_is_told_and_where(void **state)
{
	struct stall what = { .side = 1, .for_ns = 12 * NSEC_PER_SEC, .at_bytes = 4 * BLOCK };
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.end[1].facts.cls = END_BUFFERED;
	assert_string_equal(stall(&s, &what), "sgmmcp: dest: no answer for 12 s, at byte 2048\n");
	s.end[1].facts.cls = END_DEVICE;
	assert_string_equal(stall(&s, &what),
		"sgmmcp: dest: no answer for 12 s, at LBA 4 (it has timeout=60s)\n");
	what.answered = true;
	what.x.fault.kind = FAULT_BECOMING_READY;
	assert_string_equal(stall(&s, &what),
		"sgmmcp: dest: waiting for 12 s: (dest) at byte 0: becoming ready\n");
	what.flushes = true;
	assert_string_equal(stall(&s, &what), "sgmmcp: dest: flushing for 12 s so far\n");
}

/* --- hash --- */

static void make_hash(struct scene *s, uint64_t hashed, int fd)
{
	static const uint8_t data[LEN];
	const char *const out = "/nowhere";

	s->options.hash = "sha256";
	assert_int_equal(digest_init(&s->run.digest, "sha256", 0, NULL, NULL), 0);
	assert_true(digest_take(&s->run.digest, 0, data, hashed));
	hashlines_init(&s->run.hashlines, "source", &out, 1);
	s->run.hashlines.fd = fd;
}

static void the_hash_of_a_part_says_of_which(void **state)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	make_hash(&s, LEN, null);
	expect(&s, 0, "");
	digest_destroy(&s.run.digest);
	make_hash(&s, LEN, null);
	s.run.result.signal = SIGINT;
	expect(&s, 0, "sgmmcp: hash=: hash is of the first 512000 bytes\n");
	digest_destroy(&s.run.digest);
	s.run.result.signal = 0;
	make_hash(&s, 4096, null);
	fail_side(&s, 0, FAULT_MEDIUM, 4096);
	expect(&s, EXIT_MEDIUM_HARD,
		"sgmmcp: source: (source) at byte 4096: medium error\n"
		"sgmmcp: hash=: hash is of the first 4096 bytes\n");
	digest_destroy(&s.run.digest);
	close(null);
}

static void a_hash_that_cannot_be_printed_is_a_failure(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	make_hash(&s, LEN, -1);
	expect(&s, EXIT_OS + EBADF, "sgmmcp: hash=: cannot print it: Bad file descriptor\n");
	digest_destroy(&s.run.digest);
}

/* --- which of several --- */

static int status_of(struct scene *s)
{
	int exit_status;

	capture_begin(&s->said);
	exit_status = verdict(&s->run);
	capture_end(&s->said);
	return exit_status;
}

/* From the last to the first: each takes the place of those behind it. */
static void the_gravest_gives_the_status(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 2);
	result(&s, 1)->count.resets = 1;
	assert_int_equal(status_of(&s), EXIT_UNIT_ATTENTION);
	lose_one(&s);
	assert_int_equal(status_of(&s), EXIT_MEDIUM_HARD);
	make_hash(&s, LEN, -1);
	assert_int_equal(status_of(&s), EXIT_OS + EBADF);
	result(&s, 2)->flushed = true;
	result(&s, 2)->flush_fault.kind = FAULT_TIMEOUT;
	assert_int_equal(status_of(&s), EXIT_TIMEOUT);
	s.run.result.tail_bytes = 1;
	assert_int_equal(status_of(&s), EXIT_CONTRADICT);
	differ(&s, 1, 0, 1);
	assert_int_equal(status_of(&s), EXIT_MISCOMPARE);
	fail_side(&s, 2, FAULT_DATA_PROTECT, 0);
	assert_int_equal(status_of(&s), EXIT_DATA_PROTECT);
	digest_destroy(&s.run.digest);
}

/* The blocks were lost first; but what is known to be wrong is worse than what is missing. */
static void a_miscompare_goes_before_lost_blocks(void **state)
{
	struct scene s;

	(void)state;
	make_compare(&s);
	lose_one(&s);
	differ(&s, 2, 0, 1);
	assert_int_equal(status_of(&s), EXIT_MISCOMPARE);
	s.run.result.limit = LIMIT_TOTAL;
	assert_int_equal(status_of(&s), EXIT_MISCOMPARE);
	s.run.result.signal = SIGINT;
	assert_int_equal(status_of(&s), EXIT_MISCOMPARE);

	make_compare(&s);
	lose_one(&s);
	s.end[1].facts.size_bytes += 9;
	assert_int_equal(status_of(&s), EXIT_MISCOMPARE);

	make_compare(&s);
	lose_one(&s);
	s.run.span.open_ended = s.run.result.source_has_more = true;
	assert_int_equal(status_of(&s), EXIT_MISCOMPARE);
}

static void one_that_is_read_back_goes_before_what_the_copy_lost(void **state)
{
	struct scene s;
	int lost = EXIT_MEDIUM_HARD;

	(void)state;
	make_scene(&s, 2);
	assert_int_equal(verdict_with_verify(&s.run, 0, 0), 0);
	assert_int_equal(verdict_with_verify(&s.run, 0, EXIT_TIMEOUT), EXIT_TIMEOUT);
	assert_int_equal(verdict_with_verify(&s.run, lost, 0), lost);
	assert_int_equal(verdict_with_verify(&s.run, lost, EXIT_TIMEOUT), lost);
	assert_int_equal(verdict_with_verify(&s.run, lost, EXIT_MISCOMPARE), EXIT_MISCOMPARE);
	fail_side(&s, 2, FAULT_DATA_PROTECT, 0);
	assert_int_equal(
		verdict_with_verify(&s.run, EXIT_DATA_PROTECT, EXIT_MISCOMPARE), EXIT_DATA_PROTECT);
}

static void the_report_is_printed_unless_it_was_not_wanted(void **state)
{
	struct scene s;

	(void)state;
	make_scene(&s, 1);
	s.run.plan.chunk_bytes = 65536;
	s.options.status = STATUS_NOXFER;
	expect(&s, 0, "1000+0 records in\n1000+0 records out\n");
	s.options.status = STATUS_DEFAULT;
	assert_int_equal(status_of(&s), 0);
	assert_non_null(strstr(s.said.text, "write dest"));
	assert_null(strstr(s.said.text, "time to transfer"));
	s.options.time_lines = true;
	assert_int_equal(status_of(&s), 0);
	assert_non_null(strstr(s.said.text, "time to transfer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_run_has_nothing_to_be_said),
		cmocka_unit_test(a_failure_is_said_once_and_is_the_status),
		cmocka_unit_test(the_side_that_failed_first_gives_the_status),
		cmocka_unit_test(one_destination_alone_is_not_dropped),
		cmocka_unit_test(a_read_back_that_fails_drops_its_destination),
		cmocka_unit_test(the_only_read_back_is_not_dropped),
		cmocka_unit_test(a_file_goes_on_where_a_stream_has_ended),
		cmocka_unit_test(what_a_stream_had_too_little_for_is_unequal),
		cmocka_unit_test(a_stream_that_goes_on_behind_what_it_is_compared_with_is_unequal),
		cmocka_unit_test(a_stream_that_ends_before_the_source_is_unequal),
		cmocka_unit_test(what_cannot_be_compared_is_dropped),
		cmocka_unit_test(the_end_of_the_reader_is_not_worth_a_line),
		cmocka_unit_test(one_reader_of_several_is_told),
		cmocka_unit_test(a_tail_that_was_not_written_is_told),
		cmocka_unit_test(a_source_with_more_than_there_is_room_for_is_told),
		cmocka_unit_test(each_flush_that_failed_is_told),
		cmocka_unit_test(a_flush_that_tells_of_an_earlier_write_has_the_status_of_that),
		cmocka_unit_test(a_length_that_could_not_be_set_is_a_status),
		cmocka_unit_test(a_miscompare_is_told_by_its_place_on_that_disk),
		cmocka_unit_test(each_side_that_differs_is_told),
		cmocka_unit_test(a_miscompare_that_is_not_found_again_is_told_by_the_drives_word),
		cmocka_unit_test(a_longer_file_is_unequal),
		cmocka_unit_test(a_longer_end_is_equal_where_a_part_was_asked_for),
		cmocka_unit_test(of_files_that_differ_the_length_is_not_told),
		cmocka_unit_test(what_a_reset_took_is_told_and_not_success),
		cmocka_unit_test(what_a_reset_took_and_was_written_again_is_success),
		cmocka_unit_test(a_lost_block_is_never_success),
		cmocka_unit_test(one_that_could_be_had_after_all_is),
		cmocka_unit_test(gaps_in_what_ended_early_are_told),
		cmocka_unit_test(what_the_device_would_not_have_is_told),
		cmocka_unit_test(who_does_not_answer_is_told_and_where),
		cmocka_unit_test(the_hash_of_a_part_says_of_which),
		cmocka_unit_test(a_hash_that_cannot_be_printed_is_a_failure),
		cmocka_unit_test(the_gravest_gives_the_status),
		cmocka_unit_test(a_miscompare_goes_before_lost_blocks),
		cmocka_unit_test(one_that_is_read_back_goes_before_what_the_copy_lost),
		cmocka_unit_test(the_report_is_printed_unless_it_was_not_wanted),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
