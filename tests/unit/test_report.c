/* SPDX-License-Identifier: BSD-2-Clause */
/* The report at the end, the one in mid-run and the live line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../progress.h"
#include "../../report.h"
#include "../lib/capture.h"

/* Two sides, unless a test has more. */
struct scene {
	struct report_style style;
	struct endpoint in, out, more[3];
	unsigned nmore;
	struct span span;
	struct plan plan;
	struct copy_result result;
	struct capture said;
};

/* 1000 blocks of 512 bytes in two seconds. */
static struct scene scene(void)
{
	return (struct scene){
		.style = { .time_line = true, .details = true },
		.in = { .name = "/dev/sg0", .identity = "ACME A", .facts.block_bytes = 512 },
		.out = { .role = END_DEST,
			.name = "/dev/sg1",
			.identity = "ACME B",
			.facts.block_bytes = 512 },
		.span = { .ibs_bytes = 512,
			.obs_bytes = 512,
			.block_bytes = 512,
			.out_block_bytes = 512,
			.len_bytes = 512000 },
		.plan = { .side = { { .method = METHOD_MMAP, .io = IO_RW },
				  { .method = METHOD_DIO, .io = IO_RW } },
			.chunk_bytes = 65536,
			.depth = 16,
			.writes = true },
		.result = { .side = { { .count = { .bytes = 512000, .commands = 8 } },
				    { .count = { .bytes = 512000, .commands = 8 } } },
			.elapsed_ns = 2 * NSEC_PER_SEC,
			.user_ns = 1500 * NSEC_PER_MSEC,
			.system_ns = 250 * NSEC_PER_MSEC },
	};
}

static const char *report(struct scene *s)
{
	struct sides sides = { { &s->in, &s->out }, 2 };

	for (unsigned i = 0; i < s->nmore; i++)
		sides.end[sides.n++] = &s->more[i];
	capture_begin(&s->said);
	report_end(&s->style, &s->plan, &s->span, &sides, &s->result);
	return capture_end(&s->said);
}

static void expect(struct scene *s, const char *line)
{
	if (!strstr(report(s), line))
		fail_msg("no \"%s\" in\n%s", line, s->said.text);
}

static void expect_not(struct scene *s, const char *words)
{
	if (strstr(report(s), words))
		fail_msg("\"%s\" in\n%s", words, s->said.text);
}

static void records_are_whole_ones_plus_a_part(void **state)
{
	(void)state;
	assert_int_equal(report_records(5120, 512).full, 10);
	assert_int_equal(report_records(5120, 512).partial, 0);
	assert_int_equal(report_records(5632, 1024).full, 5);
	assert_int_equal(report_records(5632, 1024).partial, 1);
	assert_int_equal(report_records(0, 512).full, 0);
	assert_int_equal(report_records(0, 512).partial, 0);
}

static void the_first_lines_are_those_of_sgm_dd(void **state)
{
	struct scene s = scene();
	const char *lines = "time to transfer data: 2.000000 secs at 0.26 MB/sec\n"
			    "1000+0 records in\n"
			    "1000+0 records out\n";

	(void)state;
	assert_memory_equal(report(&s), lines, strlen(lines));
}

static void each_side_tells_its_method(void **state)
{
	struct scene s = scene();

	(void)state;
	expect(&s, "read  /dev/sg0 ACME A: 8 commands of 64 KiB, qd 16, mmap by write/read\n");
	expect(&s, "write /dev/sg1 ACME B: 8 commands of 64 KiB, qd 16, dio by write/read\n");
	s.plan.side[1].via = VIA_BLOCK;
	s.plan.side[1].io = IO_SG_IO;
	expect(&s, "dio (block node) by SG_IO\n");
}

static void direct_io_that_did_not_happen_is_told_and_counted_as_copied(void **state)
{
	struct scene s = scene();

	(void)state;
	expect(&s, "copied by CPU 0 B;");
	s.result.side[1].count.not_direct_bytes = 65536;
	expect(&s, "dio by write/read; direct IO not done for 64 KiB\n");
	expect(&s, "copied by CPU 64 KiB;");
	s.plan.cpu_copies = 2;
	expect(&s, "copied by CPU 1.0 MiB;"); /* 2 times 500 KiB, and 64 */
	s.result.side[1].count.fell_back = 1;
	expect(&s, "; fell back to indirect\n");
}

static void a_command_of_another_size_than_planned_is_told(void **state)
{
	struct scene s = scene();

	(void)state;
	expect_not(&s, "another size");
	s.result.side[0].count.other_cdb = 16;
	expect(&s, "mmap by write/read; command of another size than planned\n");
}

static void costs_and_mishaps_of_both_sides_are_summed(void **state)
{
	struct scene s = scene();

	(void)state;
	s.result.side[0].count.retries = 1;
	s.result.side[1].count.retries = 2;
	s.result.side[0].count.recovered = 3;
	s.result.side[1].count.recovered = 4;
	s.result.side[1].count.unrecovered = 5;
	expect(&s, "CPU   1.750 s (user 1.500, system 0.250)");
	expect(&s, "retries 3, recovered 7, unrecovered 5\n");
}

static void a_flush_has_its_time(void **state)
{
	struct scene s = scene();

	(void)state;
	expect_not(&s, "synchronize");
	s.result.side[1].flushed = true;
	s.result.side[1].flush_ns = 1234 * NSEC_PER_MSEC;
	expect(&s, "; synchronize cache 1.234 s");
}

static void a_short_run_is_marked(void **state)
{
	struct scene s = scene();

	(void)state;
	expect_not(&s, "shorter");
	s.result.elapsed_ns = NSEC_PER_SEC - 1;
	expect(&s, "; shorter than 1 s: the rate says little\n");
}

static void what_is_missing_is_told(void **state)
{
	struct scene s = scene();

	(void)state;
	expect_not(&s, "remaining");
	s.result.side[1].count.bytes = 256000;
	s.result.signal = 2;
	expect(&s, "Interrupted, remaining block count=500\n");
	s.result.failed = s.result.side[1].failed = true;
	s.result.failed_first = 1;
	expect(&s, "Some error occurred,  remaining block count=500\n");
	expect(&s, "1000+0 records in\n500+0 records out\n");
}

static void what_was_lost_does_not_remain(void **state)
{
	struct scene s = scene();

	(void)state;
	s.result.side[1].count.bytes = 256000;
	s.result.bad_bytes = 256000;
	expect_not(&s, "remaining");
	s.result.signal = 2;
	expect(&s, "Interrupted, remaining block count=500\n");
}

static void the_null_sink_got_what_was_read(void **state)
{
	struct scene s = scene();

	(void)state;
	s.out.facts.cls = END_SYNTH;
	s.result.side[1].count.bytes = 0;
	expect(&s, "1000+0 records in\n1000+0 records out\n");
	expect_not(&s, "write /dev/sg1");
	expect_not(&s, "remaining");
}

static void zeros_to_the_null_sink_are_as_good_as_written(void **state)
{
	struct scene s = scene();

	(void)state;
	s.out.facts.cls = END_SYNTH;
	s.span.ibs_bytes = s.span.obs_bytes = 1024000;
	s.span.pad = true;
	s.span.padding = (struct padding){ 1024000, UINT64_MAX };
	expect(&s, "0+1 records in\n1+0 records out\n");
	s.result.side[0].count.bytes = 256000;
	expect(&s, "0+1 records in\n0+1 records out\n");
}

static void a_generated_source_has_no_line(void **state)
{
	struct scene s = scene();

	(void)state;
	s.in.facts.block_bytes = 0;
	expect_not(&s, "read  ");
	expect(&s, "write /dev/sg1");
}

static void lines_can_be_left_out(void **state)
{
	struct scene s = scene();

	(void)state;
	s.style.time_line = s.style.details = false;
	assert_string_equal(report(&s), "1000+0 records in\n1000+0 records out\n");
}

/* --- several destinations, and what is no disk --- */

/* One more side as the destination is; it got bytes. */
static struct endpoint *add_side(struct scene *s, const char *name, uint64_t bytes)
{
	unsigned side = 2 + s->nmore;
	struct endpoint *ep = &s->more[s->nmore++];

	*ep = s->out;
	ep->name = name;
	s->plan.side[side] = s->plan.side[1];
	s->result.side[side].count.bytes = bytes;
	s->result.side[side].count.commands = 4;
	return ep;
}

static void each_destination_has_a_line(void **state)
{
	struct scene s = scene();

	(void)state;
	add_side(&s, "/dev/sg2", 512000);
	s.plan.side[2].method = METHOD_INDIRECT;
	expect(&s, "read  /dev/sg0 ACME A: 8 commands of 64 KiB, qd 16, mmap by write/read\n"
		   "write /dev/sg1 ACME B: 8 commands of 64 KiB, qd 16, dio by write/read\n"
		   "write /dev/sg2 ACME B: 4 commands of 64 KiB, qd 16, indirect by write/read\n"
		   "CPU ");
}

static void records_out_are_those_of_the_one_that_got_least(void **state)
{
	struct scene s = scene();

	(void)state;
	add_side(&s, "/dev/sg2", 5120);
	add_side(&s, "/dev/sg3", 512000);
	s.result.failed = s.result.side[2].failed = true;
	expect(&s, "time to transfer data: 2.000000 secs at 0.00 MB/sec\n"
		   "Some error occurred,  remaining block count=990\n"
		   "1000+0 records in\n"
		   "10+0 records out\n");
	s.more[0].facts.cls = END_SYNTH; /* a null sink gets nothing, and is no measure */
	expect(&s, "1000+0 records out\n");
	expect_not(&s, "/dev/sg2");
}

/* A pipe to three files, of which one was full at once and one after 200 KiB. */
static void what_dropped_and_other_destinations_were_given_was_copied(void **state)
{
	struct scene s = scene();

	(void)state;
	s.in.facts.cls = s.out.facts.cls = END_BUFFERED;
	add_side(&s, "b", 0);
	add_side(&s, "c", 204800);
	s.plan.cpu_copies = 4;
	s.result.failed = s.result.side[2].failed = s.result.side[3].failed = true;
	expect(&s, "0+0 records out\n");
	expect(&s, "copied by CPU 1.1 MiB;"); /* 500 KiB in, 500 and 0 and 200 out */
}

static void a_part_of_a_block_remains_as_one(void **state)
{
	struct scene s = scene();

	(void)state;
	s.result.failed = s.result.side[1].failed = true;
	s.result.side[1].count.bytes = 512000 - 100;
	expect(&s, "remaining block count=1\n");
	s.result.side[1].count.bytes = 512000 - 513;
	expect(&s, "remaining block count=2\n");
}

static void mishaps_and_copies_of_all_sides_are_summed(void **state)
{
	struct scene s = scene();

	(void)state;
	add_side(&s, "/dev/sg2", 512000);
	add_side(&s, "/dev/sg3", 512000);
	s.result.side[1].count.retries = 1;
	s.result.side[2].count.retries = 2;
	s.result.side[3].count.retries = 4;
	s.result.side[2].count.not_direct_bytes = 1024;
	s.result.side[3].count.not_direct_bytes = 2048;
	expect(&s, "copied by CPU 3 KiB; retries 7, ");
}

static void zeros_that_were_not_written_were_not_copied(void **state)
{
	struct scene s = scene();

	(void)state;
	s.plan.cpu_copies = 1; /* the source's */
	s.result.side[1].count.holes = 102400;
	expect(&s, "copied by CPU 500 KiB;");
	s.plan.side[1].method = METHOD_INDIRECT;
	expect(&s, "copied by CPU 400 KiB;");
	s.out.facts.cls = END_BUFFERED;
	s.plan.side[1].method = METHOD_AUTO;
	s.plan.cpu_copies = 2;
	expect(&s, "copied by CPU 900 KiB;");
	s.out.facts.cls = END_DIRECT_IO;
	expect(&s, "copied by CPU 1000 KiB;");
}

static void the_longest_flush_is_told(void **state)
{
	struct scene s = scene();

	(void)state;
	add_side(&s, "/dev/sg2", 512000);
	add_side(&s, "/dev/sg3", 512000);
	for (unsigned side = 1; side <= 3; side++)
		s.result.side[side].flushed = side != 3;
	s.result.side[1].flush_ns = 1500 * NSEC_PER_MSEC;
	s.result.side[2].flush_ns = 250 * NSEC_PER_MSEC;
	s.result.side[3].flush_ns = 9 * NSEC_PER_SEC; /* of none */
	expect(&s, "; synchronize cache 1.500 s\n");
}

static void zeros_that_were_not_written_are_told(void **state)
{
	struct scene s = scene();

	(void)state;
	s.plan.side[1].holes = HOLES_TRIM;
	expect_not(&s, "zeros");
	s.result.side[1].count.holes = 65536;
	expect(&s, "dio by write/read; zeros trimmed 64 KiB\n");
	s.plan.side[1].holes = HOLES_SKIP;
	expect(&s, "dio by write/read; zeros left out 64 KiB\n");
}

static void what_is_no_device_has_transfers(void **state)
{
	static const struct {
		enum end_class cls;
		bool sequential;
		const char *words;
	} cases[] = {
		{ END_BUFFERED, false, "page cache" },
		{ END_BUFFERED, true, "stream" },
		{ END_DIRECT_IO, false, "O_DIRECT" },
		{ END_MAPPED, false, "mapped" },
	};
	char line[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene s = scene();

		s.out.name = "file";
		s.out.facts.cls = cases[i].cls;
		s.out.facts.sequential = cases[i].sequential;
		snprintf(line, sizeof(line), "write file: 8 transfers of 64 KiB, qd 16, %s\n",
			cases[i].words);
		expect(&s, line);
	}
}

static void what_else_there_is_of_a_file_follows_its_class(void **state)
{
	struct scene s = scene();

	(void)state;
	s.out.facts.cls = END_DIRECT_IO;
	s.plan.side[1].holes = HOLES_SKIP;
	s.result.side[1].count.holes = 65536;
	s.result.side[1].count.not_direct_bytes = 1024;
	expect(&s, ", O_DIRECT; zeros left out 64 KiB; not direct for 1 KiB\n");
}

static void what_is_read_back_is_checked(void **state)
{
	struct scene s = scene();

	(void)state;
	add_side(&s, "/dev/sg1 again", 512000)->role = END_SOURCE;
	expect(&s, "\nwrite /dev/sg1 ACME B: ");
	expect(&s, "\ncheck /dev/sg1 again ACME B: 4 commands of 64 KiB, ");
	expect(&s, "1000+0 records out\n");
	s.result.side[2].count.bytes = 51200; /* what was not read back is not known to be there */
	expect(&s, "100+0 records out\n");
}

static void what_is_compared_or_verified_is_not_out(void **state)
{
	struct scene s = scene();

	(void)state;
	s.plan.job = JOB_VERIFY;
	expect(&s, "1000+0 records verified\n");
	expect(&s, "\ncheck /dev/sg1 ");
	s.plan.job = JOB_COMPARE;
	s.out.role = END_SOURCE;
	s.plan.writes = false;
	expect(&s, "1000+0 records compared\n");
	expect(&s, "\nread  /dev/sg0 ");
	expect(&s, "\ncheck /dev/sg1 ");
}

static void a_stream_that_ended_has_nothing_remaining(void **state)
{
	struct scene s = scene();

	(void)state;
	s.result.side[0].count.bytes = s.result.side[1].count.bytes = 700;
	expect(&s, "remaining block count=999\n"); /* and a part of one */
	s.span.open_ended = true;
	expect_not(&s, "remaining");
	expect(&s, "1+1 records in\n1+1 records out\n");
}

/* --- in mid-run --- */

static void the_midway_report_tells_the_records_so_far(void **state)
{
	const struct copy_progress now = { .in_bytes = 1024,
		.out_bytes = 512,
		.total_bytes = 512000,
		.elapsed_ns = NSEC_PER_SEC / 2 };
	struct scene s = scene();

	(void)state;
	capture_begin(&s.said);
	report_midway(&s.span, true, &now);
	assert_string_equal(capture_end(&s.said),
		"time to transfer data: 0.500000 secs at 0.00 MB/sec\n"
		"2+0 records in\n"
		"1+0 records out\n");
	capture_begin(&s.said);
	report_midway(&s.span, false, &now);
	assert_non_null(strstr(capture_end(&s.said), "2+0 records out\n"));
}

/* --- progress --- */

static const char *tick(struct progress *p, const struct copy_progress *now, struct capture *c)
{
	capture_begin(c);
	progress_tick(p, now);
	return capture_end(c);
}

static void progress_tells_percent_rate_and_time_left(void **state)
{
	const struct copy_progress now = { .in_bytes = 1024 * 1024,
		.out_bytes = 512 * 1024,
		.total_bytes = 2048 * 1024,
		.elapsed_ns = NSEC_PER_SEC };
	struct progress p;
	struct capture c;

	(void)state;
	progress_init(&p, false);
	assert_string_equal(
		tick(&p, &now, &c), "512 KiB (25.0%) copied, 0:01, 0.5 MB/s, 0:03 left\n");
}

static void progress_of_a_read_is_what_was_read(void **state)
{
	const struct copy_progress now = { .in_bytes = 1024 * 1024,
		.out_bytes = 0,
		.total_bytes = 2048 * 1024,
		.elapsed_ns = NSEC_PER_SEC };
	struct progress p;
	struct capture c;

	(void)state;
	progress_init(&p, false);
	assert_non_null(strstr(tick(&p, &now, &c), "1 MiB (50.0%)"));
}

static void progress_of_nothing_knows_no_time_left(void **state)
{
	const struct copy_progress none = { .total_bytes = 1024, .elapsed_ns = NSEC_PER_SEC };
	const struct copy_progress empty = { .elapsed_ns = 1 };
	struct progress p;
	struct capture c;

	(void)state;
	progress_init(&p, false);
	assert_non_null(strstr(tick(&p, &none, &c), "(0.0%) copied, 0:01, 0.0 MB/s, -:-- left"));
	progress_init(&p, false);
	assert_non_null(strstr(tick(&p, &empty, &c), "(100.0%)"));
}

static void a_terminal_has_one_line_that_is_ended(void **state)
{
	const struct copy_progress now = {
		.in_bytes = 512, .out_bytes = 512, .total_bytes = 1024, .elapsed_ns = NSEC_PER_SEC
	};
	struct progress p;
	struct capture c;

	(void)state;
	progress_init(&p, true);
	tick(&p, &now, &c);
	assert_int_equal(c.text[0], '\r');
	assert_null(strchr(c.text, '\n'));
	assert_true(strlen(c.text) >= 79); /* covers the line before */
	capture_begin(&c);
	progress_end(&p);
	progress_end(&p);
	assert_string_equal(capture_end(&c), "\n");
}

static void without_a_tick_there_is_no_line_to_end(void **state)
{
	struct progress p;
	struct capture c;

	(void)state;
	progress_init(&p, true);
	capture_begin(&c);
	progress_end(&p);
	assert_string_equal(capture_end(&c), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_whole_ones_plus_a_part),
		cmocka_unit_test(the_first_lines_are_those_of_sgm_dd),
		cmocka_unit_test(each_side_tells_its_method),
		cmocka_unit_test(direct_io_that_did_not_happen_is_told_and_counted_as_copied),
		cmocka_unit_test(a_command_of_another_size_than_planned_is_told),
		cmocka_unit_test(costs_and_mishaps_of_both_sides_are_summed),
		cmocka_unit_test(a_flush_has_its_time),
		cmocka_unit_test(a_short_run_is_marked),
		cmocka_unit_test(what_is_missing_is_told),
		cmocka_unit_test(what_was_lost_does_not_remain),
		cmocka_unit_test(the_null_sink_got_what_was_read),
		cmocka_unit_test(zeros_to_the_null_sink_are_as_good_as_written),
		cmocka_unit_test(a_generated_source_has_no_line),
		cmocka_unit_test(lines_can_be_left_out),
		cmocka_unit_test(each_destination_has_a_line),
		cmocka_unit_test(records_out_are_those_of_the_one_that_got_least),
		cmocka_unit_test(what_dropped_and_other_destinations_were_given_was_copied),
		cmocka_unit_test(a_part_of_a_block_remains_as_one),
		cmocka_unit_test(mishaps_and_copies_of_all_sides_are_summed),
		cmocka_unit_test(zeros_that_were_not_written_were_not_copied),
		cmocka_unit_test(the_longest_flush_is_told),
		cmocka_unit_test(zeros_that_were_not_written_are_told),
		cmocka_unit_test(what_is_no_device_has_transfers),
		cmocka_unit_test(what_else_there_is_of_a_file_follows_its_class),
		cmocka_unit_test(what_is_read_back_is_checked),
		cmocka_unit_test(what_is_compared_or_verified_is_not_out),
		cmocka_unit_test(a_stream_that_ended_has_nothing_remaining),
		cmocka_unit_test(the_midway_report_tells_the_records_so_far),
		cmocka_unit_test(progress_tells_percent_rate_and_time_left),
		cmocka_unit_test(progress_of_a_read_is_what_was_read),
		cmocka_unit_test(progress_of_nothing_knows_no_time_left),
		cmocka_unit_test(a_terminal_has_one_line_that_is_ended),
		cmocka_unit_test(without_a_tick_there_is_no_line_to_end),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
