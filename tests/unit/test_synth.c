/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../endpoints/synth.h"

static const struct lane_spec any_spec = {
	.method = METHOD_INDIRECT, .io = IO_RW, .max_bytes = 4096
};

static void expect_all(const uint8_t *mem, size_t len, uint8_t want)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(mem[i], want);
}

static void read_into(struct lane *lane, uint8_t *mem, uint32_t len)
{
	struct xfer x = { .op = XFER_READ,
		.len_bytes = len,
		.buf = mem,
		.notes = 4711,
		.fault.kind = FAULT_OTHER };

	assert_int_equal(lane->ep->ops->submit(lane, &x), XFER_DONE);
	assert_int_equal(x.done_bytes, len);
	assert_int_equal(x.fault.kind, FAULT_NONE);
	assert_int_equal(x.notes, 0);
}

static void a_generated_source_gives_its_byte(void **state)
{
	int exit_status;
	struct endpoint *ep = synth_open_byte("ff", 0xff, &exit_status);
	struct lane *lane = ep->ops->lane_open(ep, &any_spec);
	uint8_t mem[2048] = { 0 };

	(void)state;
	read_into(lane, mem, 1024);
	expect_all(mem, 1024, 0xff);
	expect_all(mem + 1024, 1024, 0);
	ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

static void a_longer_read_after_a_shorter_one_is_filled_too(void **state)
{
	int exit_status;
	struct endpoint *ep = synth_open_byte("ff", 0xff, &exit_status);
	struct lane *lane = ep->ops->lane_open(ep, &any_spec);
	uint8_t mem[2048] = { 0 };

	(void)state;
	read_into(lane, mem, 512);
	read_into(lane, mem, 2048);
	expect_all(mem, 2048, 0xff);
	ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

/* As a last block is padded, and an earlier chunk comes later. */
static void what_is_behind_a_shorter_read_may_be_overwritten(void **state)
{
	int exit_status;
	struct endpoint *ep = synth_open_byte("ff", 0xff, &exit_status);
	struct lane *lane = ep->ops->lane_open(ep, &any_spec);
	uint8_t mem[2048] = { 0 };

	(void)state;
	read_into(lane, mem, 2048);
	read_into(lane, mem, 500);
	memset(mem + 500, 0, 12);
	read_into(lane, mem, 2048);
	expect_all(mem, 2048, 0xff);
	ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

static void another_buffer_is_filled_anew(void **state)
{
	int exit_status;
	struct endpoint *ep = synth_open_byte("00", 0, &exit_status);
	struct lane *lane = ep->ops->lane_open(ep, &any_spec);
	uint8_t mem[2][512];

	(void)state;
	memset(mem, 0x55, sizeof(mem));
	read_into(lane, mem[0], 512);
	read_into(lane, mem[1], 512);
	expect_all(mem[1], 512, 0);
	ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

static void read_at(struct lane *lane, uint64_t offset, uint8_t *mem, uint32_t len)
{
	struct xfer x = { .op = XFER_READ, .offset_bytes = offset, .len_bytes = len, .buf = mem };

	assert_int_equal(lane->ep->ops->submit(lane, &x), XFER_DONE);
	assert_int_equal(x.done_bytes, len);
	assert_int_equal(x.fault.kind, FAULT_NONE);
}

/* Places, lengths and order of reads as no run has them. */
static void expect_pattern(const struct pattern *asked, uint32_t blocks, const struct pattern *want)
{
	static const struct {
		uint64_t offset;
		uint32_t len;
	} reads[] = { { 0, 1024 }, { 0, 1024 }, { 512, 512 }, { 515, 700 }, { 3, 1024 },
		{ 1024, 1024 }, { UINT64_C(1) << 40, 4096 }, { 4095, 1 }, { 520 * 7, 2080 } };
	int exit_status;
	struct endpoint *ep = synth_open_pattern("pattern=x", asked, &exit_status);
	struct lane *lane = ep->ops->lane_open(ep, &any_spec);
	uint8_t mem[4096], should[4096];

	synth_set_blocks(ep, blocks);
	for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
		memset(should, 0xee, sizeof(should));
		pattern_fill(want, reads[i].offset, should, reads[i].len);
		read_at(lane, reads[i].offset, mem, reads[i].len);
		assert_memory_equal(mem, should, reads[i].len);
	}
	ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

static void a_pattern_depends_on_the_place_alone(void **state)
{
	static const struct pattern patterns[] = {
		{ .kind = PATTERN_BYTES, .bytes = { 0x5a }, .bytes_len = 1 },
		{ .kind = PATTERN_BYTES, .bytes = { 1, 2, 3 }, .bytes_len = 3 },
		{ .kind = PATTERN_BYTES, .bytes = { 1, 2, 3, 4, 5, 6, 7, 8 }, .bytes_len = 8 },
		{ .kind = PATTERN_RANDOM, .seed = 4711 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		expect_pattern(&patterns[i], 512, &patterns[i]);
}

static void stamps_have_the_block_length_of_the_destination_or_512(void **state)
{
	static const struct {
		uint32_t blocks, stamps;
	} cases[] = { { 512, 512 }, { 4096, 4096 }, { 520, 520 }, { 32, 32 }, { 0, 512 },
		{ 1, 512 }, { 24, 512 }, { 516, 512 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct pattern asked = { .kind = PATTERN_STAMP, .seed = 7 };
		struct pattern want = asked;

		want.block_bytes = cases[i].stamps;
		expect_pattern(&asked, cases[i].blocks, &want);
	}
}

static void repeated_bytes_are_stored_once(void **state)
{
	const struct pattern p = { .kind = PATTERN_BYTES, .bytes = { 1, 2, 3 }, .bytes_len = 3 };
	int exit_status;
	struct endpoint *ep = synth_open_pattern("pattern=010203", &p, &exit_status);
	struct lane *lane = ep->ops->lane_open(ep, &any_spec);
	uint8_t mem[512];

	(void)state;
	read_at(lane, 0, mem, 512);
	mem[0] = 0x77;
	read_at(lane, 3 * 512, mem, 512);
	assert_int_equal(mem[0], 0x77); /* not stored anew */
	read_at(lane, 512, mem, 512);
	assert_int_equal(mem[0], 3);
	ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

static void the_null_sink_takes_all_and_leaves_the_memory_alone(void **state)
{
	int exit_status;
	struct endpoint *ep = synth_open_null("/dev/null", &exit_status);
	struct lane *lane = ep->ops->lane_open(ep, &any_spec);
	uint8_t mem[512];
	struct xfer x = { .op = XFER_WRITE, .len_bytes = 512, .buf = mem };

	(void)state;
	memset(mem, 0x55, sizeof(mem));
	assert_int_equal(ep->ops->submit(lane, &x), XFER_DONE);
	assert_int_equal(x.done_bytes, 512);
	expect_all(mem, 512, 0x55);
	ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

static void generated_ends_have_no_end_and_no_blocks(void **state)
{
	int exit_status;
	struct endpoint *in = synth_open_byte("00", 0, &exit_status);
	struct endpoint *out = synth_open_null(".", &exit_status);

	(void)state;
	assert_true(in->facts.size_bytes == SIZE_UNKNOWN && in->facts.block_bytes == 0);
	assert_true(out->facts.size_bytes == SIZE_UNKNOWN && out->facts.block_bytes == 0);
	assert_int_equal(in->role, END_SOURCE);
	assert_int_equal(out->role, END_DEST);
	assert_string_equal(in->facts.kind, "zeros");
	assert_string_equal(out->facts.kind, "null");
	assert_string_equal(out->name, ".");
	assert_false(out->facts.needs_flush);
	in->ops->close(in);
	out->ops->close(out);
}

static void a_probe_takes_any_length(void **state)
{
	int exit_status;
	struct endpoint *ep = synth_open_null(".", &exit_status);

	(void)state;
	assert_int_equal(ep->ops->probe(ep, 123456, 0), 0);
	assert_int_equal(ep->facts.max_xfer_bytes, 123456);
	ep->ops->close(ep);
}

static void a_flush_of_nothing_is_good(void **state)
{
	int exit_status;
	struct endpoint *ep = synth_open_null(".", &exit_status);
	struct fault f = { .kind = FAULT_OTHER };

	(void)state;
	assert_true(ep->ops->flush(ep, &f));
	assert_int_equal(f.kind, FAULT_NONE);
	ep->ops->close(ep);
}

static void a_fault_is_described(void **state)
{
	int exit_status;
	struct endpoint *ep = synth_open_null(".", &exit_status);
	struct xfer x = { .offset_bytes = 512, .fault.kind = FAULT_OTHER };
	char text[100];

	(void)state;
	ep->ops->describe(ep, &x, text, sizeof(text));
	assert_string_equal(text, "null at byte 512: unknown error");
	ep->ops->close(ep);
}

static void a_write_to_a_source_ends_the_program(void **state)
{
	int exit_status, status;
	struct endpoint *ep = synth_open_byte("00", 0, &exit_status);
	struct lane *lane = ep->ops->lane_open(ep, &any_spec);
	uint8_t mem[512];
	struct xfer x = { .op = XFER_WRITE, .len_bytes = 512, .buf = mem };
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		close(STDERR_FILENO);
		ep->ops->submit(lane, &x);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	ep->ops->lane_close(lane);
	ep->ops->close(ep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_generated_source_gives_its_byte),
		cmocka_unit_test(a_longer_read_after_a_shorter_one_is_filled_too),
		cmocka_unit_test(what_is_behind_a_shorter_read_may_be_overwritten),
		cmocka_unit_test(another_buffer_is_filled_anew),
		cmocka_unit_test(a_pattern_depends_on_the_place_alone),
		cmocka_unit_test(stamps_have_the_block_length_of_the_destination_or_512),
		cmocka_unit_test(repeated_bytes_are_stored_once),
		cmocka_unit_test(the_null_sink_takes_all_and_leaves_the_memory_alone),
		cmocka_unit_test(generated_ends_have_no_end_and_no_blocks),
		cmocka_unit_test(a_probe_takes_any_length),
		cmocka_unit_test(a_flush_of_nothing_is_good),
		cmocka_unit_test(a_fault_is_described),
		cmocka_unit_test(a_write_to_a_source_ends_the_program),
	};

	return cmocka_run_group_tests_name("synth", tests, NULL, NULL);
}
