/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../endpoints/endpoint.h"
#include "../../engine/span.h"
#include "../../readback.h"

/* Of a copy with these operands, which outlive the options. */
static struct options readback_of(unsigned n, const char *const *operands)
{
	const char *argv[16] = { "sgmmcp", "if=a", "of=b" };
	int argc = 3, exit_status = -1;
	struct options o;

	for (unsigned i = 0; i < n; i++)
		argv[argc++] = operands[i];
	assert_int_equal(options_parse(&o, argc, argv, &exit_status), OPTIONS_RUN);
	return readback_options(&o);
}

#define READBACK_OF(...) \
	readback_of(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), \
		(const char *[]){ __VA_ARGS__ })

static void it_compares_the_same_range_and_writes_nothing(void **state)
{
	const struct options back = READBACK_OF("bs=4096", "count=7", "skip=3", "seek=5",
		"verify=after", "iflag=excl,flock,mmap", "oflag=excl,flock,force,sparse,nocreat");

	(void)state;
	assert_true(back.compare);
	assert_int_equal(back.verify, VERIFY_NONE);
	assert_int_equal(back.ibs_bytes, 4096);
	assert_int_equal(back.count, 7);
	assert_int_equal(back.in.offset_blk, 3);
	assert_int_equal(back.out.offset_blk, 5);
	assert_int_equal(back.in.flags, 0);
	assert_int_equal(back.out.flags, END_NOTRUNC);
	assert_string_equal(back.out_path[0], "b");
}

static void it_saves_nothing_and_goes_in_order(void **state)
{
	const struct options back = READBACK_OF("coe=1", "map=m", "badblocks=l", "-R", "minrate=1M",
				     "slow=5", "verify=after"),
			     hashed = READBACK_OF("hash=sha256", "verify=after");

	(void)state;
	assert_null(back.map_path);
	assert_null(back.badblocks_path);
	assert_null(hashed.hash);
	assert_false(back.reverse);
	assert_int_equal(back.min_rate, 0);
	assert_int_equal(back.slow_ms, 0);
}

static void it_goes_the_way_that_was_asked_for(void **state)
{
	const unsigned way = END_DIRECT | END_SGIO | END_DPO | END_FUA;
	const struct options back = READBACK_OF("oflag=direct,sgio,dpo,fua", "verify=after");

	(void)state;
	assert_int_equal(back.out.flags, END_NOTRUNC | way);
}

static void a_file_that_gets_holes_has_not_its_length_before_its_end(void **state)
{
	const struct options each = READBACK_OF("conv=sparse", "verify=each"),
			     trimmed = READBACK_OF("oflag=trim", "verify=each"),
			     after = READBACK_OF("conv=sparse", "verify=after"),
			     full = READBACK_OF("verify=each");

	(void)state;
	assert_true(each.out.flags & END_GROWS);
	assert_true(trimmed.out.flags & END_GROWS);
	assert_false(after.out.flags & END_GROWS);
	assert_false(full.out.flags & END_GROWS);
}

/* A file of 1000 bytes has been copied to a disk, whose second block was filled with zeros. */
static int span_of_odd_file(const struct options *o, struct span *s)
{
	struct endpoint file = { .name = "a", .role = END_SOURCE },
			disk = { .name = "b", .role = END_SOURCE };
	const struct sides sides = { .n = 2, .end = { &file, &disk } };
	const struct span_request rq = { .count = SPAN_ALL, .pad = (o->out.flags & END_PAD) != 0 };
	const struct endpoint *who;
	char why[SPAN_WHY_ROOM];

	file.facts.block_bytes = 1;
	file.facts.size_bytes = 1000;
	disk.facts.block_bytes = 512;
	disk.facts.size_bytes = 1 << 20;
	return span_resolve(&rq, &sides, s, &who, why);
}

static void what_was_padded_is_compared_as_padded(void **state)
{
	const struct options padded = READBACK_OF("conv=sync", "verify=after"),
			     plain = READBACK_OF("verify=after");
	struct span s;

	(void)state;
	assert_int_equal(span_of_odd_file(&plain, &s), EXIT_CONTRADICT);
	assert_int_equal(span_of_odd_file(&padded, &s), 0);
	assert_int_equal(s.len_bytes, 1000);
	assert_true(s.pad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_compares_the_same_range_and_writes_nothing),
		cmocka_unit_test(it_saves_nothing_and_goes_in_order),
		cmocka_unit_test(it_goes_the_way_that_was_asked_for),
		cmocka_unit_test(a_file_that_gets_holes_has_not_its_length_before_its_end),
		cmocka_unit_test(what_was_padded_is_compared_as_padded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
