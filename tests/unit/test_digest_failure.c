/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash library that refuses in mid-run: the functions of core/hash.h are this file's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../engine/copy.h"
#include "../lib/sim.h"

#define BLOCK  512u
#define BLOCKS 64u

struct hash {
	unsigned updates, finals;
};

static struct hash only;
static unsigned good_updates, good_finals; /* those that it does not refuse */

const char *hash_name(unsigned i)
{
	return i == 0 ? "only" : NULL;
}

struct hash *hash_new(const char *name)
{
	(void)name;
	memset(&only, 0, sizeof(only));
	return &only;
}

void hash_free(struct hash *h)
{
	(void)h;
}

bool hash_update(struct hash *h, const void *data, size_t len)
{
	(void)data;
	(void)len;
	return h->updates++ < good_updates;
}

bool hash_final_hex(struct hash *h, char *text)
{
	bool good = h->finals++ < good_finals;

	memcpy(text, good ? "00" : "", good ? 3 : 1);
	return good;
}

static void ignore_window(void *arg, const char *hex, uint64_t from_bytes, uint64_t to_bytes)
{
	(void)hex;
	(void)from_bytes;
	(void)to_bytes;
	++*(unsigned *)arg;
}

static void run(struct digest *d, struct copy_result *result)
{
	const struct sim_spec in = { .role = END_SOURCE,
		.block_bytes = BLOCK,
		.blocks = BLOCKS,
		.evented = true,
		.can_mmap = true };
	struct sim_spec out = in;
	const struct span span = { .ibs_bytes = BLOCK,
		.obs_bytes = BLOCK,
		.block_bytes = BLOCK,
		.out_block_bytes = BLOCK,
		.len_bytes = (uint64_t)BLOCKS * BLOCK };
	const struct plan_request request = {
		.bpt_blk = 1, .queue_depth = 4, .ordered = true, .memory_bytes = UINT64_MAX
	};
	const struct copy_watch watch = { 0 };
	const struct policy policy = { 0 };
	struct endpoint *source, *dest;
	struct sides sides;
	char why[PLAN_WHY_ROOM];
	struct copy *copy;
	struct plan plan;
	int exit_status;

	out.role = END_DEST;
	source = sim_open(&in);
	dest = sim_open(&out);
	sides = (struct sides){ { source, dest }, 2 };
	assert_int_equal(plan_make(&request, &sides, &span, &plan, why), 0);
	assert_int_equal(copy_open(&plan, &span, &sides, &policy, &copy, &exit_status), COPY_READY);
	copy_set_digest(copy, d);
	assert_int_equal(copy_run(copy, &watch, false, result), 0);
	copy_close(copy);
	sim_close(dest);
	sim_close(source);
}

static void a_refusal_ends_the_run_and_there_is_no_hash(void **state)
{
	struct copy_result result;
	char text[HASH_TEXT_ROOM];
	struct digest d;

	(void)state;
	good_updates = 10;
	good_finals = 1000;
	assert_int_equal(digest_init(&d, "only", 0, NULL, NULL), 0);
	run(&d, &result);
	assert_false(result.failed);
	assert_true(counter_get(&result.side[1].count.bytes) <= 10 * BLOCK);
	assert_true(d.failed);
	assert_false(digest_end(&d, text));
	assert_string_equal(text, "");
	digest_destroy(&d);
}

static void a_refusal_at_the_end_is_no_hash_either(void **state)
{
	struct copy_result result;
	char text[HASH_TEXT_ROOM];
	struct digest d;

	(void)state;
	good_updates = 1000;
	good_finals = 0;
	assert_int_equal(digest_init(&d, "only", 0, NULL, NULL), 0);
	run(&d, &result);
	assert_false(result.failed);
	assert_false(digest_end(&d, text));
	assert_true(d.failed);
	digest_destroy(&d);
}

static void a_refusal_at_the_end_of_a_window_ends_the_run(void **state)
{
	unsigned windows = 0;
	struct copy_result result;
	struct digest d;

	(void)state;
	good_updates = 1000;
	good_finals = 3;
	assert_int_equal(digest_init(&d, "only", 2 * BLOCK, ignore_window, &windows), 0);
	run(&d, &result);
	assert_false(result.failed);
	assert_int_equal(windows, 3);
	assert_true(d.failed);
	digest_destroy(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_ends_the_run_and_there_is_no_hash),
		cmocka_unit_test(a_refusal_at_the_end_is_no_hash_either),
		cmocka_unit_test(a_refusal_at_the_end_of_a_window_ends_the_run),
	};

	return cmocka_run_group_tests_name("digest_failure", tests, NULL, NULL);
}
