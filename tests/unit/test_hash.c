/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "../../core/hash.h"
#include "../lib/rng.h"

static void expect_hash(const char *name, const void *data, size_t len, const char *want)
{
	struct hash *h = hash_new(name);
	char text[HASH_TEXT_ROOM];

	assert_non_null(h);
	assert_true(hash_update(h, data, len));
	assert_true(hash_final_hex(h, text));
	assert_string_equal(text, want);
	hash_free(h);
}

static void expect_hash_of_text(const char *name, const char *data, const char *want)
{
	expect_hash(name, data, strlen(data), want);
}

/* RFC 1321, A.5 */
static void md5_gives_the_values_of_its_rfc(void **state)
{
	(void)state;
	expect_hash_of_text("md5", "", "d41d8cd98f00b204e9800998ecf8427e");
	expect_hash_of_text("md5", "abc", "900150983cd24fb0d6963f7d28e17f72");
	expect_hash_of_text("md5",
		"1234567890123456789012345678901234567890"
		"1234567890123456789012345678901234567890",
		"57edf4a22be3c955ac49da2e2107b67a");
}

/* FIPS 180, examples of one and of two blocks */
static void sha_gives_the_values_of_its_standard(void **state)
{
	static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

	(void)state;
	expect_hash_of_text("sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
	expect_hash_of_text("sha1", two, "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	expect_hash_of_text("sha256", "abc",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	expect_hash_of_text(
		"sha256", two, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	expect_hash_of_text("sha512", "abc",
		"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void crc32c_gives_its_check_value(void **state)
{
	(void)state;
	expect_hash_of_text("crc32c", "", "00000000");
	expect_hash_of_text("crc32c", "123456789", "e3069283");
}

/* Lengths, data and values of xxHash's own sanity check, without a seed. */
static void xxh3_gives_the_values_of_its_sanity_check(void **state)
{
	uint64_t generator = 2654435761;
	uint8_t data[2367];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(generator >> 56);
		generator *= UINT64_C(11400714785074694797);
	}
	expect_hash("xxh3", data, 0, "2d06800538d394c2");
	expect_hash("xxh3", data, 1, "c44bdff4074eecdb");
	expect_hash("xxh3", data, 195, "cd94217ee362ec3a");
	expect_hash("xxh3", data, 512, "617e49599013cb6b");
	expect_hash("xxh3", data, 2367, "cb37aeb9e5d361ed");
}

static void names_are_listed_to_a_null(void **state)
{
	static const char *const want[] = { "xxh3", "crc32c", "md5", "sha1", "sha256", "sha512" };
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++)
		assert_string_equal(hash_name(i), want[i]);
	assert_null(hash_name(i));
	assert_null(hash_name(UINT32_MAX));
}

static void an_unknown_name_makes_no_hash(void **state)
{
	static const char *const cases[] = { "", "md", "md55", "MD5", "sha-256", "crc32" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		errno = 0;
		assert_null(hash_new(cases[i]));
		assert_int_equal(errno, EINVAL);
	}
}

static void hash_in_parts(struct rng *rng, struct hash *h, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t n = rng_between(rng, 1, len);

		assert_true(hash_update(h, data, n));
		data += n;
		len -= n;
	}
}

static void any_split_of_the_data_gives_the_same_hash(void **state)
{
	struct rng rng = { 1 };
	char whole[HASH_TEXT_ROOM], parts[HASH_TEXT_ROOM];
	uint8_t data[3000];

	(void)state;
	rng_fill(&rng, data, sizeof(data));
	for (unsigned i = 0; hash_name(i); i++) {
		struct hash *h = hash_new(hash_name(i));

		assert_non_null(h);
		for (int round = 0; round < 100; round++) {
			size_t len = rng_below(&rng, sizeof(data) + 1);

			assert_true(hash_update(h, data, len));
			assert_true(hash_final_hex(h, whole));
			hash_in_parts(&rng, h, data, len);
			assert_true(hash_final_hex(h, parts));
			assert_string_equal(parts, whole);
		}
		hash_free(h);
	}
}

static void the_next_window_begins_anew(void **state)
{
	char first[HASH_TEXT_ROOM], second[HASH_TEXT_ROOM], other[HASH_TEXT_ROOM];

	(void)state;
	for (unsigned i = 0; hash_name(i); i++) {
		struct hash *h = hash_new(hash_name(i));

		assert_non_null(h);
		assert_true(hash_update(h, "abc", 3));
		assert_true(hash_final_hex(h, first));
		assert_true(hash_update(h, "xyz", 3));
		assert_true(hash_final_hex(h, other));
		assert_true(hash_update(h, "abc", 3));
		assert_true(hash_final_hex(h, second));
		assert_string_equal(first, second);
		assert_string_not_equal(first, other);
		hash_free(h);
	}
}

static void freeing_nothing_is_allowed(void **state)
{
	(void)state;
	hash_free(NULL);
}

/* No provider has such a hash: libcrypto then refuses them all. */
static void refuse_hashes(bool refuse)
{
	assert_int_equal(EVP_set_default_properties(NULL, refuse ? "there=isnone" : ""), 1);
}

static void a_hash_that_libcrypto_forbids_is_not_made(void **state)
{
	struct hash *h;

	(void)state;
	refuse_hashes(true);
	errno = 0;
	h = hash_new("sha256");
	refuse_hashes(false);
	assert_null(h);
	assert_int_equal(errno, ENOTSUP);
}

static void a_hash_that_could_not_begin_anew_says_so_until_it_can(void **state)
{
	struct hash *h = hash_new("sha256");
	char text[HASH_TEXT_ROOM];

	(void)state;
	assert_non_null(h);
	refuse_hashes(true);
	assert_true(hash_final_hex(h, text)); /* the empty hash; what cannot begin is the next */
	refuse_hashes(false);
	assert_false(hash_update(h, "abc", 3));
	assert_false(hash_final_hex(h, text));
	assert_string_equal(text, "");
	assert_true(hash_update(h, "abc", 3));
	assert_true(hash_final_hex(h, text));
	assert_string_equal(
		text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(md5_gives_the_values_of_its_rfc),
		cmocka_unit_test(sha_gives_the_values_of_its_standard),
		cmocka_unit_test(crc32c_gives_its_check_value),
		cmocka_unit_test(xxh3_gives_the_values_of_its_sanity_check),
		cmocka_unit_test(names_are_listed_to_a_null),
		cmocka_unit_test(an_unknown_name_makes_no_hash),
		cmocka_unit_test(any_split_of_the_data_gives_the_same_hash),
		cmocka_unit_test(the_next_window_begins_anew),
		cmocka_unit_test(freeing_nothing_is_allowed),
		cmocka_unit_test(a_hash_that_libcrypto_forbids_is_not_made),
		cmocka_unit_test(a_hash_that_could_not_begin_anew_says_so_until_it_can),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
