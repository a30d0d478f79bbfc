/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../engine/digest.h"

#define DATA_BYTES 10000u

struct windows {
	unsigned count;
	char text[32][HASH_TEXT_ROOM];
	uint64_t from[32], to[32];
};

static uint8_t data[DATA_BYTES];

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < DATA_BYTES; i++)
		data[i] = (uint8_t)(i * 131 + i / 256);
	return 0;
}

static void note_window(void *arg, const char *hex, uint64_t from_bytes, uint64_t to_bytes)
{
	struct windows *w = arg;

	assert_true(w->count < 32);
	memcpy(w->text[w->count], hex, strlen(hex) + 1);
	w->from[w->count] = from_bytes;
	w->to[w->count++] = to_bytes;
}

static void expect_hash(const char *text, uint64_t from_bytes, uint64_t to_bytes)
{
	struct hash *h = hash_new("sha256");
	char want[HASH_TEXT_ROOM];

	assert_true(hash_update(h, data + from_bytes, to_bytes - from_bytes));
	assert_true(hash_final_hex(h, want));
	assert_string_equal(text, want);
	hash_free(h);
}

static struct digest begin(uint64_t window_bytes, struct windows *w)
{
	struct digest d;

	memset(w, 0, sizeof(*w));
	assert_int_equal(digest_init(&d, "sha256", window_bytes, note_window, w), 0);
	return d;
}

static void expect_end(struct digest *d, uint64_t done_bytes)
{
	char text[HASH_TEXT_ROOM];

	assert_int_equal(d->done_bytes, done_bytes);
	assert_true(digest_end(d, text));
	expect_hash(text, 0, done_bytes);
	digest_destroy(d);
}

static void chunks_of_any_length_make_one_hash(void **state)
{
	struct windows w;
	struct digest d = begin(0, &w);

	(void)state;
	assert_true(digest_take(&d, 0, data, 1));
	assert_true(digest_take(&d, 1, data + 1, 4096));
	assert_true(digest_take(&d, 4097, data + 4097, DATA_BYTES - 4097));
	expect_end(&d, DATA_BYTES);
	assert_int_equal(w.count, 0);
}

static void nothing_behind_a_hole_is_taken(void **state)
{
	struct windows w;
	struct digest d = begin(512, &w);

	(void)state;
	assert_true(digest_take(&d, 0, data, 1000));
	assert_true(digest_take(&d, 2000, data + 2000, 1000));
	assert_true(digest_take(&d, 3000, data + 3000, 1000));
	expect_end(&d, 1000);
	assert_int_equal(w.count, 2);
	assert_int_equal(w.to[1], 1000);
}

static void windows_follow_each_other_wherever_chunks_are_cut(void **state)
{
	static const uint64_t lengths[] = { 1, 512, 1000, 3000, DATA_BYTES, DATA_BYTES + 1 };
	static const size_t chunks[] = { 7, 512, 1000, 1024, DATA_BYTES };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths) * 5; i++) {
		uint64_t len = lengths[i / 5], used = len == 1 ? 30 : DATA_BYTES;
		size_t chunk = chunks[i % 5], n;
		struct windows w;
		struct digest d = begin(len, &w);

		for (uint64_t at = 0; at < used; at += n) {
			n = chunk < used - at ? chunk : used - at;
			assert_true(digest_take(&d, at, data + at, n));
		}
		expect_end(&d, used);
		assert_int_equal(w.count, (used + len - 1) / len);
		for (unsigned k = 0; k < w.count; k++) {
			assert_int_equal(w.from[k], k * len);
			assert_int_equal(w.to[k], (k + 1) * len < used ? (k + 1) * len : used);
			expect_hash(w.text[k], w.from[k], w.to[k]);
		}
	}
}

static void a_whole_window_is_told_before_the_end(void **state)
{
	struct windows w;
	struct digest d = begin(500, &w);

	(void)state;
	assert_true(digest_take(&d, 0, data, 1499));
	assert_int_equal(w.count, 2);
	assert_true(digest_take(&d, 1499, data + 1499, 1));
	assert_int_equal(w.count, 3);
	expect_end(&d, 1500);
	assert_int_equal(w.count, 3);
}

static void nothing_at_all_has_a_hash_and_no_window(void **state)
{
	struct windows w;
	struct digest d = begin(512, &w);

	(void)state;
	expect_end(&d, 0);
	assert_int_equal(w.count, 0);
}

static void an_unknown_hash_is_told_by_its_errno(void **state)
{
	struct digest d;

	(void)state;
	assert_int_equal(digest_init(&d, "sha257", 512, note_window, NULL), EINVAL);
	digest_destroy(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_of_any_length_make_one_hash),
		cmocka_unit_test(nothing_behind_a_hole_is_taken),
		cmocka_unit_test(windows_follow_each_other_wherever_chunks_are_cut),
		cmocka_unit_test(a_whole_window_is_told_before_the_end),
		cmocka_unit_test(nothing_at_all_has_a_hash_and_no_window),
		cmocka_unit_test(an_unknown_hash_is_told_by_its_errno),
	};

	return cmocka_run_group_tests_name("digest", tests, setup, NULL);
}
