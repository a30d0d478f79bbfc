/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../scsi/identify.h"

static void inquiry_data(uint8_t data[36])
{
	memset(data, 0, 36);
	data[2] = 6;
	data[4] = 31;
	memcpy(data + 8, "ATA     ST4000DM004-2CV10001", 28);
}

static struct identity fresh(void)
{
	struct identity id;

	identity_init(&id);
	return id;
}

static void inquiry_tells_type_version_and_names(void **state)
{
	struct identity id = fresh();
	uint8_t data[36];
	char text[128];

	(void)state;
	inquiry_data(data);
	data[1] = 0x80;
	assert_true(identify_inquiry(&id, data, sizeof(data)));
	assert_int_equal(id.type, 0);
	assert_true(id.removable);
	assert_int_equal(id.version, 6);
	assert_string_equal(identity_text(&id, text, sizeof(text)), "ATA ST4000DM004-2CV1 0001");
}

static void place_without_a_unit_has_no_type(void **state)
{
	struct identity id = fresh();
	uint8_t data[36];

	(void)state;
	inquiry_data(data);
	data[0] = 0x20;
	assert_true(identify_inquiry(&id, data, sizeof(data)));
	assert_int_equal(id.type, -1);
}

static void short_inquiry_is_refused(void **state)
{
	struct identity id = fresh();
	uint8_t data[36];

	(void)state;
	inquiry_data(data);
	assert_false(identify_inquiry(&id, data, 35));
	data[4] = 30;
	assert_false(identify_inquiry(&id, data, sizeof(data)));
}

static void control_bytes_of_a_device_are_shown_as_question_marks(void **state)
{
	struct identity id = fresh();
	uint8_t data[36];

	(void)state;
	inquiry_data(data);
	memcpy(data + 8, "\x1b[2J\xff\0B\0", 8);
	assert_true(identify_inquiry(&id, data, sizeof(data)));
	assert_string_equal(id.vendor, "?[2J??B");
}

static void serial_number_loses_its_padding(void **state)
{
	static const uint8_t right[] = { 0, 0x80, 0, 12, ' ', ' ', ' ', ' ', 'Z', '1', ' ', '2',
		'3', ' ', '\0', ' ' };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_vpd_serial(&id, right, sizeof(right)));
	assert_string_equal(id.serial, "Z1 23");
}

static void serial_number_longer_than_what_came_is_cut(void **state)
{
	static const uint8_t page[] = { 0, 0x80, 0, 20, 'A', 'B', 'C' };
	static uint8_t longest[4 + 252] = { 0, 0x80, 0, 252 };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_vpd_serial(&id, page, sizeof(page)));
	assert_string_equal(id.serial, "ABC");
	memset(longest + 4, 'x', 252);
	assert_true(identify_vpd_serial(&id, longest, sizeof(longest)));
	assert_int_equal(strlen(id.serial), sizeof(id.serial) - 1);
}

static void inquiry_data_in_place_of_a_page_is_refused(void **state)
{
	struct identity id = fresh();
	bool pages[256];
	uint8_t data[36];

	(void)state;
	inquiry_data(data);
	assert_false(identify_vpd_serial(&id, data, sizeof(data)));
	assert_false(identify_vpd_device_id(&id, data, sizeof(data)));
	assert_false(identify_vpd_limits(&id, data, sizeof(data)));
	assert_false(identify_vpd_characteristics(&id, data, sizeof(data)));
	assert_false(identify_vpd_provisioning(&id, data, sizeof(data)));
	data[1] = 0x80;
	assert_false(identify_vpd_list(pages, data, sizeof(data)));
}

static void list_of_pages_is_bounded_by_what_came(void **state)
{
	static const uint8_t page[] = { 0, 0, 0, 4, 0x00, 0x80, 0x83, 0xb0 };
	bool pages[256];

	(void)state;
	assert_true(identify_vpd_list(pages, page, 7));
	assert_true(pages[0x00] && pages[0x80] && pages[0x83]);
	assert_false(pages[0xb0] || pages[0xb1]);
}

static void page_tells_its_whole_length(void **state)
{
	static const uint8_t page[] = { 0, 0x83, 1, 2 };

	(void)state;
	assert_int_equal(identify_vpd_length(0x83, page, sizeof(page)), 262);
	assert_int_equal(identify_vpd_length(0x83, page, 3), 0);
	assert_int_equal(identify_vpd_length(0x80, page, sizeof(page)), 0);
}

/* clang-format off */
static const uint8_t designators[] = { 0, 0x83, 0, 60,
	0x02, 0x01, 0, 12, 'L', 'i', 'n', 'u', 'x', ' ', ' ', ' ', 'd', 'b', 'g', '1',
	0x61, 0x94, 0, 4, 0, 0, 0, 1,			/* relative target port */
	0x61, 0x93, 0, 8, 0x50, 1, 1, 1, 1, 1, 1, 1,	/* the port's NAA */
	0x01, 0x03, 0, 8, 0x33, 0x33, 0x33, 0x30, 0, 0, 7, 0xd0,
	0x01, 0x02, 0, 4, 9, 9, 9, 9 };
/* clang-format on */

static void naa_of_the_unit_is_preferred(void **state)
{
	struct identity id = fresh();

	(void)state;
	assert_true(identify_vpd_device_id(&id, designators, sizeof(designators)));
	assert_string_equal(id.lu_id_text, "33333330000007d0");
	assert_int_equal(id.lu_id_len, 8);
}

static void each_kind_of_designator_gives_way_to_a_better_one(void **state)
{
	/* clang-format off */
	static const uint8_t page[] = { 0, 0x83, 0, 40,
		0x01, 0x00, 0, 4, 5, 5, 5, 5,		/* vendor specific: says nothing */
		0x01, 0x03, 0, 4, 1, 1, 1, 1,
		0x01, 0x02, 0, 4, 2, 2, 2, 2,
		0x01, 0x0a, 0, 4, 3, 3, 3, 3,
		0x02, 0x01, 0, 4, 4, 4, 4, 4 };
	/* clang-format on */
	static const char *const best[] = { "04040404", "03030303", "02020202", "01010101" };
	uint8_t cut[sizeof(page)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(best); i++) {
		struct identity id = fresh();

		memcpy(cut, page, sizeof(cut));
		for (size_t blank = 1; blank < 4 - i; blank++)
			cut[4 + 8 * blank + 1] = 0x00;
		assert_true(identify_vpd_device_id(&id, cut, sizeof(cut)));
		assert_string_equal(id.lu_id_text, best[i]);
	}
}

static void designator_that_is_cut_off_is_not_used(void **state)
{
	struct identity id = fresh();

	(void)state;
	assert_true(identify_vpd_device_id(&id, designators, 4 + 16 + 8 + 12 + 11));
	assert_string_equal(id.lu_id_text, "4c696e757820202064626731"); /* the T10 one is whole */
}

static void designator_of_zeros_is_none(void **state)
{
	static const uint8_t page[] = { 0, 0x83, 0, 12, 1, 3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0 };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_vpd_device_id(&id, page, sizeof(page)));
	assert_int_equal(id.lu_id_len, 0);
}

static void limits_and_zones_are_read_where_the_page_has_them(void **state)
{
	static const uint8_t limits[64] = { 0, 0xb0, 0, 60, [10] = 0x80, [14] = 0x04 };
	static const uint8_t zones[64] = { 0, 0xb1, 0, 60, [8] = 0x10 };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_vpd_limits(&id, limits, sizeof(limits)));
	assert_int_equal(id.max_xfer_blk, 0x8000);
	assert_int_equal(id.opt_xfer_blk, 0x400);
	assert_false(identify_vpd_limits(&id, limits, 15));
	assert_true(identify_vpd_characteristics(&id, zones, sizeof(zones)));
	assert_int_equal(id.zoned, 1);
	assert_false(identify_vpd_characteristics(&id, zones, 8));
}

static void limits_of_unmapping_are_in_the_longer_page_only(void **state)
{
	static const uint8_t page[64] = { 0, 0xb0, 0, 60, [20] = 1, 2, 3, 4, 0, 0, 0, 5, 0, 0, 0, 8,
		0x80, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2 };
	uint8_t no_align[sizeof(page)];
	struct identity id = fresh();

	(void)state;
	assert_true(identify_vpd_limits(&id, page, 43));
	assert_int_equal(id.max_unmap_blk | id.unmap_grain_blk, 0);
	assert_true(identify_vpd_limits(&id, page, 44));
	assert_int_equal(id.max_unmap_blk, 0x01020304);
	assert_int_equal(id.max_unmap_descriptors, 5);
	assert_int_equal(id.unmap_grain_blk, 8);
	assert_int_equal(id.unmap_align_blk, 3);
	assert_true(id.max_write_same_blk == UINT64_C(0x100000002));
	memcpy(no_align, page, sizeof(page));
	no_align[32] = 0; /* UGAVALID */
	assert_true(identify_vpd_limits(&id, no_align, sizeof(no_align)));
	assert_int_equal(id.unmap_align_blk, 0);
}

static void provisioning_tells_what_unmaps_and_what_that_reads_as(void **state)
{
	static const struct {
		uint8_t byte;
		bool lbpu, lbpws, lbpws10;
		unsigned lbprz;
	} cases[] = { { 0x80, true, false, false, 0 }, { 0x40, false, true, false, 0 },
		{ 0x20, false, false, true, 0 }, { 0x04, false, false, false, 1 },
		{ 0x08, false, false, false, 2 }, { 0x1c, false, false, false, 7 },
		{ 0x03, false, false, false, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint8_t page[8] = { 0, 0xb2, 0, 4, 0, cases[i].byte };
		struct identity id = fresh();

		assert_false(identify_vpd_provisioning(&id, page, 5));
		assert_true(identify_vpd_provisioning(&id, page, 6));
		assert_int_equal(id.lbpu, cases[i].lbpu);
		assert_int_equal(id.lbpws, cases[i].lbpws);
		assert_int_equal(id.lbpws10, cases[i].lbpws10);
		assert_int_equal(id.lbprz_by_vpd, cases[i].lbprz);
	}
}

static void capacity16_tells_of_thin_provisioning(void **state)
{
	static const uint8_t data[32] = { [7] = 1, [10] = 2, [14] = 0x80 };
	static const uint8_t zeros[32] = { [7] = 1, [10] = 2, [14] = 0x40 };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_capacity16(&id, data, 14));
	assert_false(id.lbpme);
	assert_true(identify_capacity16(&id, data, 15));
	assert_true(id.lbpme && !id.lbprz);
	assert_true(identify_capacity16(&id, zeros, sizeof(zeros)));
	assert_true(!id.lbpme && id.lbprz);
}

static void capacity10_counts_blocks_from_the_last(void **state)
{
	static const uint8_t data[] = { 0, 0, 0x7f, 0xff, 0, 0, 2, 0 };
	static const uint8_t too_big[] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0 };
	static const uint8_t no_block[] = { 0, 0, 0, 7, 0, 0, 0, 0 };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_capacity10(&id, data, sizeof(data)));
	assert_int_equal(id.blocks, 32768);
	assert_int_equal(id.block_bytes, 512);
	assert_false(identify_capacity10(&id, too_big, sizeof(too_big)));
	assert_false(identify_capacity10(&id, no_block, sizeof(no_block)));
	assert_false(identify_capacity10(&id, data, 7));
	assert_int_equal(id.blocks, 32768);
}

static void capacity16_tells_physical_blocks_and_protection(void **state)
{
	static const uint8_t data[32] = { [3] = 2, [7] = 0xff, [10] = 2, [12] = 0x05, [13] = 3 };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_capacity16(&id, data, sizeof(data)));
	assert_true(id.blocks == UINT64_C(0x200000100));
	assert_int_equal(id.phys_block_bytes, 4096);
	assert_int_equal(id.protection_type, 3);
	id = fresh();
	assert_true(identify_capacity16(&id, data, 12)); /* as before SBC-3 */
	assert_int_equal(id.phys_block_bytes, 0);
	assert_false(identify_capacity16(&id, data, 11));
}

static void capacity_that_does_not_fit_in_64_bits_is_refused(void **state)
{
	uint8_t data[32];
	struct identity id = fresh();

	(void)state;
	memset(data, 0xff, 8);
	memset(data + 8, 0, 24);
	data[10] = 2;
	assert_false(identify_capacity16(&id, data, sizeof(data))); /* blocks */
	data[0] = 0x7f;
	assert_false(identify_capacity16(&id, data, sizeof(data))); /* bytes */
	assert_int_equal(id.blocks, 0);
	data[0] = 0;
	data[1] = 0x7f;
	assert_false(identify_capacity16(&id, data, sizeof(data))); /* one byte too many */
	data[1] = 0x7e;
	assert_true(identify_capacity16(&id, data, sizeof(data)));
}

static void physical_block_length_without_room_is_not_told(void **state)
{
	static const uint8_t data[32] = { [8] = 0x80, [13] = 1 };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_capacity16(&id, data, sizeof(data)));
	assert_int_equal(id.phys_block_bytes, 0);
}

static void write_protection_is_in_either_mode_header(void **state)
{
	static const uint8_t six[] = { 3, 0, 0x90, 0 }, ten[] = { 0, 6, 0, 0x80, 0, 0, 0, 0 };
	struct identity id = fresh();

	(void)state;
	assert_true(identify_mode6(&id, six, sizeof(six)));
	assert_true(id.write_protected);
	id = fresh();
	assert_true(identify_mode10(&id, ten, sizeof(ten)));
	assert_true(id.write_protected);
	assert_false(identify_mode6(&id, six, 3));
	assert_false(identify_mode10(&id, ten, 7));
}

static struct identity unit(const char *serial, unsigned id_len, uint8_t last)
{
	struct identity id = fresh();

	(void)snprintf(id.vendor, sizeof(id.vendor), "ACME");
	(void)snprintf(id.model, sizeof(id.model), "DISK");
	(void)snprintf(id.serial, sizeof(id.serial), "%s", serial);
	id.lu_id_len = id_len;
	id.lu_id[0] = 0x50;
	id.lu_id[7] = last;
	return id;
}

static bool same(struct identity a, struct identity b)
{
	assert_int_equal(identity_same_unit(&a, &b), identity_same_unit(&b, &a));
	return identity_same_unit(&a, &b);
}

static void same_unit_needs_designator_and_serial_alike(void **state)
{
	(void)state;
	assert_true(same(unit("A", 8, 1), unit("A", 8, 1)));
	assert_true(same(unit("", 8, 1), unit("A", 8, 1)));
	assert_false(same(unit("A", 8, 1), unit("B", 8, 1))); /* one WWN for a whole batch */
	assert_false(same(unit("A", 8, 1), unit("A", 8, 2)));
	assert_false(same(unit("A", 8, 1), unit("A", 0, 0)));
}

static void without_designator_serial_and_names_decide(void **state)
{
	struct identity other = unit("A", 0, 0);

	(void)state;
	assert_true(same(unit("A", 0, 0), unit("A", 0, 0)));
	assert_false(same(unit("A", 0, 0), unit("B", 0, 0)));
	assert_false(same(unit("", 0, 0), unit("", 0, 0)));
	other.model[0] = 'X';
	assert_false(same(unit("A", 0, 0), other));
}

static void text_has_no_gaps_where_nothing_was_told(void **state)
{
	struct identity id = unit("S1", 0, 0), none = fresh();
	char text[64];

	(void)state;
	assert_string_equal(identity_text(&id, text, sizeof(text)), "ACME DISK serial S1");
	assert_string_equal(identity_text(&none, text, sizeof(text)), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inquiry_tells_type_version_and_names),
		cmocka_unit_test(place_without_a_unit_has_no_type),
		cmocka_unit_test(short_inquiry_is_refused),
		cmocka_unit_test(control_bytes_of_a_device_are_shown_as_question_marks),
		cmocka_unit_test(serial_number_loses_its_padding),
		cmocka_unit_test(serial_number_longer_than_what_came_is_cut),
		cmocka_unit_test(inquiry_data_in_place_of_a_page_is_refused),
		cmocka_unit_test(list_of_pages_is_bounded_by_what_came),
		cmocka_unit_test(page_tells_its_whole_length),
		cmocka_unit_test(naa_of_the_unit_is_preferred),
		cmocka_unit_test(each_kind_of_designator_gives_way_to_a_better_one),
		cmocka_unit_test(designator_that_is_cut_off_is_not_used),
		cmocka_unit_test(designator_of_zeros_is_none),
		cmocka_unit_test(limits_and_zones_are_read_where_the_page_has_them),
		cmocka_unit_test(limits_of_unmapping_are_in_the_longer_page_only),
		cmocka_unit_test(provisioning_tells_what_unmaps_and_what_that_reads_as),
		cmocka_unit_test(capacity16_tells_of_thin_provisioning),
		cmocka_unit_test(capacity10_counts_blocks_from_the_last),
		cmocka_unit_test(capacity16_tells_physical_blocks_and_protection),
		cmocka_unit_test(capacity_that_does_not_fit_in_64_bits_is_refused),
		cmocka_unit_test(physical_block_length_without_room_is_not_told),
		cmocka_unit_test(write_protection_is_in_either_mode_header),
		cmocka_unit_test(same_unit_needs_designator_and_serial_alike),
		cmocka_unit_test(without_designator_serial_and_names_decide),
		cmocka_unit_test(text_has_no_gaps_where_nothing_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
