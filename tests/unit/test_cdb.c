/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../scsi/cdb.h"

static void expect_bytes(unsigned cdb_bytes, bool is_write, unsigned flags, uint64_t lba,
	uint32_t blocks, const uint8_t want[CDB_MAX])
{
	uint8_t cdb[CDB_MAX];

	memset(cdb, 0xa5, sizeof(cdb));
	cdb_init(cdb, cdb_bytes, is_write ? CDB_WRITE : CDB_READ, flags);
	cdb_set_range(cdb, cdb_bytes, lba, blocks);
	assert_memory_equal(cdb, want, CDB_MAX);
}

static void each_form_has_its_bytes(void **state)
{
	(void)state;
	expect_bytes(
		6, false, 0, 0x123456, 0x78, (uint8_t[CDB_MAX]){ 0x08, 0x12, 0x34, 0x56, 0x78 });
	expect_bytes(10, false, 0, 0x12345678, 0x9abc,
		(uint8_t[CDB_MAX]){ 0x28, 0, 0x12, 0x34, 0x56, 0x78, 0, 0x9a, 0xbc });
	expect_bytes(12, false, 0, 0x12345678, 0x9abcdef0,
		(uint8_t[CDB_MAX]){ 0xa8, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0 });
	expect_bytes(16, false, 0, UINT64_C(0x0102030405060708), 0x9abcdef0,
		(uint8_t[CDB_MAX]){ 0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x9a, 0xbc, 0xde, 0xf0 });
}

static void writes_differ_by_the_opcode_alone(void **state)
{
	(void)state;
	expect_bytes(6, true, 0, 1, 2, (uint8_t[CDB_MAX]){ 0x0a, 0, 0, 1, 2 });
	expect_bytes(10, true, 0, 1, 2, (uint8_t[CDB_MAX]){ 0x2a, [5] = 1, [8] = 2 });
	expect_bytes(12, true, 0, 1, 2, (uint8_t[CDB_MAX]){ 0xaa, [5] = 1, [9] = 2 });
	expect_bytes(16, true, 0, 1, 2, (uint8_t[CDB_MAX]){ 0x8a, [9] = 1, [13] = 2 });
}

static void dpo_and_fua_stay_when_the_range_changes(void **state)
{
	uint8_t cdb[CDB_MAX];

	(void)state;
	cdb_init(cdb, 10, CDB_WRITE, CDB_DPO | CDB_FUA);
	cdb_set_range(cdb, 10, UINT32_MAX, UINT16_MAX);
	cdb_set_range(cdb, 10, 3, 4);
	assert_memory_equal(cdb, ((uint8_t[CDB_MAX]){ 0x2a, 0x18, [5] = 3, [8] = 4 }), CDB_MAX);
}

static void six_byte_forms_say_256_blocks_with_a_zero(void **state)
{
	(void)state;
	expect_bytes(6, false, 0, 0x1fffff, 256, (uint8_t[CDB_MAX]){ 0x08, 0x1f, 0xff, 0xff, 0 });
}

static void the_form_follows_the_last_block_and_the_count(void **state)
{
	(void)state;
	assert_int_equal(cdb_choose(0, 1), 10);
	assert_int_equal(cdb_choose(UINT32_MAX, 65535), 10);
	assert_int_equal(cdb_choose(UINT64_C(1) << 32, 1), 16);
	assert_int_equal(cdb_choose(0, 65536), 16);
}

static void a_form_reaches_as_far_as_its_fields(void **state)
{
	static const struct {
		unsigned bytes;
		uint64_t lba;
		uint32_t blocks;
		unsigned flags;
		bool reaches;
	} cases[] = {
		{ 6, 0x1fffff, 256, 0, true },
		{ 6, 0x200000, 1, 0, false },
		{ 6, 0, 257, 0, false },
		{ 6, 0, 1, CDB_FUA, false },
		{ 10, UINT32_MAX, UINT16_MAX, CDB_DPO, true },
		{ 10, UINT64_C(0x100000000), 1, 0, false },
		{ 10, 0, 65536, 0, false },
		{ 12, UINT32_MAX, UINT32_MAX, CDB_FUA, true },
		{ 12, UINT64_C(0x100000000), 1, 0, false },
		{ 16, UINT64_MAX, UINT32_MAX, CDB_DPO | CDB_FUA, true },
		{ 0, 0, 1, 0, false },
		{ 8, 0, 1, 0, false },
		{ 32, 0, 1, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (cdb_reaches(cases[i].bytes, cases[i].lba, cases[i].blocks, cases[i].flags) !=
			cases[i].reaches)
			fail_msg("case %zu", i);
}

static void the_largest_count_is_the_fields(void **state)
{
	(void)state;
	assert_int_equal(cdb_max_blocks(6), 256);
	assert_int_equal(cdb_max_blocks(10), 65535);
	assert_int_equal(cdb_max_blocks(12), UINT32_MAX);
	assert_int_equal(cdb_max_blocks(16), UINT32_MAX);
}

static void each_form_has_its_name(void **state)
{
	(void)state;
	assert_string_equal(cdb_name(6, CDB_READ), "READ(6)");
	assert_string_equal(cdb_name(10, CDB_WRITE), "WRITE(10)");
	assert_string_equal(cdb_name(12, CDB_READ), "READ(12)");
	assert_string_equal(cdb_name(16, CDB_WRITE), "WRITE(16)");
	assert_string_equal(cdb_name(16, CDB_VERIFY), "VERIFY(16)");
}

static void verify_compares_what_it_is_sent_and_has_no_fua(void **state)
{
	static const struct {
		unsigned bytes;
		uint8_t opcode;
	} cases[] = { { 10, 0x2f }, { 12, 0xaf }, { 16, 0x8f } };
	uint8_t cdb[CDB_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cdb_init(cdb, cases[i].bytes, CDB_VERIFY, CDB_DPO | CDB_FUA);
		assert_int_equal(cdb[0], cases[i].opcode);
		assert_int_equal(cdb[1], CDB_DPO | 0x02);
	}
}

static void write_same_has_the_unmap_bit_and_waits_for_its_block(void **state)
{
	uint8_t cdb[CDB_MAX];

	(void)state;
	memset(cdb, 0xa5, sizeof(cdb));
	cdb_write_same(cdb, 16, UINT64_C(0x0102030405060708), 0x9abcdef0);
	assert_memory_equal(cdb,
		((uint8_t[CDB_MAX]){ 0x93, 0x08, 1, 2, 3, 4, 5, 6, 7, 8, 0x9a, 0xbc, 0xde, 0xf0 }),
		CDB_MAX);
	memset(cdb, 0xa5, sizeof(cdb));
	cdb_write_same(cdb, 10, 0x12345678, 0x9abc);
	assert_memory_equal(cdb,
		((uint8_t[CDB_MAX]){ 0x41, 0x08, 0x12, 0x34, 0x56, 0x78, 0, 0x9a, 0xbc }), CDB_MAX);
}

static void unmap_lists_one_range(void **state)
{
	uint8_t cdb[CDB_MAX], list[UNMAP_LIST_BYTES];

	(void)state;
	memset(cdb, 0xa5, sizeof(cdb));
	memset(list, 0xa5, sizeof(list));
	cdb_unmap(cdb);
	cdb_unmap_list(list, UINT64_C(0x0102030405060708), 0x9abcdef0);
	assert_memory_equal(cdb, ((uint8_t[CDB_MAX]){ 0x42, [8] = 24 }), CDB_MAX);
	assert_memory_equal(list,
		((uint8_t[UNMAP_LIST_BYTES]){
			0, 22, 0, 16, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x9a, 0xbc, 0xde, 0xf0 }),
		UNMAP_LIST_BYTES);
}

static void lba_status_is_a_service_action(void **state)
{
	uint8_t cdb[CDB_MAX];

	(void)state;
	memset(cdb, 0xa5, sizeof(cdb));
	cdb_lba_status(cdb, UINT64_C(0x0102030405060708), 520);
	assert_memory_equal(cdb,
		((uint8_t[CDB_MAX]){ 0x9e, 0x12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x02, 0x08 }),
		CDB_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_same_has_the_unmap_bit_and_waits_for_its_block),
		cmocka_unit_test(unmap_lists_one_range),
		cmocka_unit_test(lba_status_is_a_service_action),
		cmocka_unit_test(verify_compares_what_it_is_sent_and_has_no_fua),
		cmocka_unit_test(each_form_has_its_bytes),
		cmocka_unit_test(writes_differ_by_the_opcode_alone),
		cmocka_unit_test(dpo_and_fua_stay_when_the_range_changes),
		cmocka_unit_test(six_byte_forms_say_256_blocks_with_a_zero),
		cmocka_unit_test(the_form_follows_the_last_block_and_the_count),
		cmocka_unit_test(a_form_reaches_as_far_as_its_fields),
		cmocka_unit_test(the_largest_count_is_the_fields),
		cmocka_unit_test(each_form_has_its_name),
	};

	return cmocka_run_group_tests_name("cdb", tests, NULL, NULL);
}
