/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/status.h"
#include "../../scsi/reply.h"

#define CHECK_CONDITION 0x02
#define FIXED_LEN	18
#define TEXT_ROOM	256

static const struct scsi_asked eight_blocks = { .lba = 1000, .blocks = 8, .len_bytes = 4096 };

struct verdict {
	struct fault fault;
	uint32_t done_bytes;
};

static struct verdict judge(const struct scsi_reply *r)
{
	struct verdict v;

	memset(&v, 0xa5, sizeof(v));
	scsi_judge(r, &eight_blocks, &v.fault, &v.done_bytes);
	return v;
}

static struct verdict judge_sense(const uint8_t *sense, unsigned len)
{
	const struct scsi_reply r = {
		.scsi_status = CHECK_CONDITION,
		.driver_status = 8,
		.sense = sense,
		.sense_len = len,
	};

	return judge(&r);
}

static void make_fixed(uint8_t *s, uint8_t code, uint8_t key, uint8_t asc, uint8_t ascq)
{
	memset(s, 0, FIXED_LEN);
	s[0] = code;
	s[2] = key;
	s[7] = FIXED_LEN - 8;
	s[12] = asc;
	s[13] = ascq;
}

static struct verdict judge_fixed(uint8_t key, uint8_t asc, uint8_t ascq)
{
	uint8_t s[FIXED_LEN];

	make_fixed(s, 0x70, key, asc, ascq);
	return judge_sense(s, sizeof(s));
}

static struct verdict judge_fixed_info(uint8_t first, uint32_t info)
{
	uint8_t s[FIXED_LEN];

	make_fixed(s, first, 0x3, 0x11, 0);
	s[3] = (uint8_t)(info >> 24);
	s[4] = (uint8_t)(info >> 16);
	s[5] = (uint8_t)(info >> 8);
	s[6] = (uint8_t)info;
	return judge_sense(s, sizeof(s));
}

static void expect_text(const struct fault *f, const char *want)
{
	char text[TEXT_ROOM];

	assert_string_equal(fault_describe(f, text, sizeof(text)), want);
}

static void clean_reply_is_good_and_all_bytes_are_done(void **state)
{
	const struct scsi_reply r = { 0 };
	struct verdict v = judge(&r);

	(void)state;
	assert_int_equal(v.fault.kind, FAULT_NONE);
	assert_int_equal(v.done_bytes, 4096);
	expect_text(&v.fault, "no error");
}

static void driver_sense_alone_is_no_error(void **state)
{
	const struct scsi_reply r = { .driver_status = 8 };

	(void)state;
	assert_int_equal(judge(&r).fault.kind, FAULT_NONE);
}

static void each_status_byte_has_its_kind(void **state)
{
	static const struct {
		uint8_t status;
		enum fault_kind kind;
	} rows[] = {
		{ 0x00, FAULT_NONE },
		{ 0x01, FAULT_NONE }, /* bit 0 is reserved */
		{ 0x04, FAULT_NONE },
		{ 0x08, FAULT_BUSY },
		{ 0x10, FAULT_NONE },
		{ 0x14, FAULT_NONE },
		{ 0x18, FAULT_RESERVATION },
		{ 0x22, FAULT_OTHER },
		{ 0x28, FAULT_TASK_SET_FULL },
		{ 0x30, FAULT_BUSY },
		{ 0x40, FAULT_ABORTED },
		{ 0xfe, FAULT_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct scsi_reply r = { .scsi_status = rows[i].status };
		struct verdict v = judge(&r);

		if (v.fault.kind != rows[i].kind)
			fail_msg("status %02xh is \"%s\"", rows[i].status,
				fault_kind_name(v.fault.kind));
		assert_int_equal(v.done_bytes, fault_is_good(&v.fault) ? 4096 : 0);
	}
}

static void each_host_status_has_its_kind(void **state)
{
	static const struct {
		uint16_t host;
		enum fault_kind kind;
	} rows[] = {
		{ 0x01, FAULT_GONE },
		{ 0x02, FAULT_BUSY },
		{ 0x03, FAULT_TIMEOUT },
		{ 0x04, FAULT_GONE },
		{ 0x05, FAULT_ABORTED },
		{ 0x07, FAULT_TRANSPORT },
		{ 0x08, FAULT_ABORTED },
		{ 0x0b, FAULT_BUSY },
		{ 0x0c, FAULT_BUSY },
		{ 0x0d, FAULT_BUSY },
		{ 0x0e, FAULT_ABORTED },
		{ 0x0f, FAULT_GONE },
		{ 0x11, FAULT_RESERVATION },
		{ 0x14, FAULT_TRANSPORT },
		{ 0x15, FAULT_TRANSPORT },
		{ 0xffff, FAULT_TRANSPORT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct scsi_reply r = { .host_status = rows[i].host };
		struct verdict v = judge(&r);

		if (v.fault.kind != rows[i].kind)
			fail_msg("host status %u is \"%s\"", rows[i].host,
				fault_kind_name(v.fault.kind));
		assert_int_equal(v.done_bytes, 0);
	}
}

static void old_driver_status_is_heard(void **state)
{
	const struct scsi_reply timeout = { .driver_status = 6 }, hard = { .driver_status = 0x37 };

	(void)state;
	assert_int_equal(judge(&timeout).fault.kind, FAULT_TIMEOUT);
	assert_int_equal(judge(&hard).fault.kind, FAULT_TRANSPORT);
}

static void each_sense_has_its_kind(void **state)
{
	static const struct {
		uint8_t key, asc, ascq;
		enum fault_kind kind;
	} rows[] = {
		{ 0x0, 0x00, 0x00, FAULT_NONE },
		{ 0x0, 0x5d, 0x00, FAULT_RECOVERED },
		{ 0x1, 0x17, 0x01, FAULT_RECOVERED },
		{ 0x2, 0x04, 0x01, FAULT_BECOMING_READY },
		{ 0x2, 0x04, 0x02, FAULT_STOPPED },
		{ 0x2, 0x04, 0x04, FAULT_ERASING },
		{ 0x2, 0x04, 0x07, FAULT_IN_PROGRESS },
		{ 0x2, 0x04, 0x09, FAULT_IN_PROGRESS },
		{ 0x2, 0x04, 0x1a, FAULT_BECOMING_READY },
		{ 0x2, 0x04, 0x1b, FAULT_ERASING },
		{ 0x2, 0x3a, 0x04, FAULT_NOT_READY },
		{ 0x3, 0x11, 0x00, FAULT_MEDIUM },
		{ 0x3, 0x10, 0x00, FAULT_MEDIUM },
		{ 0x3, 0x31, 0x00, FAULT_UNIT_FAILED },
		{ 0x3, 0x31, 0x01, FAULT_UNIT_FAILED },
		{ 0x3, 0x30, 0x00, FAULT_MEDIUM },
		{ 0x4, 0x44, 0x00, FAULT_HARDWARE },
		{ 0x4, 0x31, 0x00, FAULT_HARDWARE },
		{ 0x4, 0x3e, 0x01, FAULT_UNIT_FAILED },
		{ 0x4, 0x3e, 0x03, FAULT_UNIT_FAILED },
		{ 0x4, 0x3e, 0x04, FAULT_HARDWARE },
		{ 0x5, 0x20, 0x00, FAULT_INVALID_OPCODE },
		{ 0x5, 0x20, 0x02, FAULT_ILLEGAL_REQUEST },
		{ 0x5, 0x21, 0x00, FAULT_LBA_RANGE },
		{ 0x5, 0x21, 0x04, FAULT_ILLEGAL_REQUEST },
		{ 0x5, 0x24, 0x00, FAULT_ILLEGAL_REQUEST },
		{ 0x5, 0x10, 0x01, FAULT_PROTECTION },
		{ 0x6, 0x29, 0x00, FAULT_UNIT_ATTENTION },
		{ 0x6, 0x2a, 0x09, FAULT_CAPACITY_CHANGED },
		{ 0x6, 0x2a, 0x01, FAULT_UNIT_ATTENTION },
		{ 0x7, 0x27, 0x02, FAULT_DATA_PROTECT },
		{ 0x8, 0x00, 0x05, FAULT_MEDIUM },
		{ 0x9, 0x80, 0x00, FAULT_OTHER },
		{ 0xb, 0x4b, 0x03, FAULT_ABORTED },
		{ 0xb, 0x10, 0x03, FAULT_PROTECTION },
		{ 0xd, 0x00, 0x00, FAULT_OTHER },
		{ 0xe, 0x1d, 0x00, FAULT_MISCOMPARE },
		{ 0xf, 0x00, 0x00, FAULT_NONE },
		{ 0xf, 0x55, 0x0a, FAULT_ABORTED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct verdict v = judge_fixed(rows[i].key, rows[i].asc, rows[i].ascq);
		const uint8_t descriptor[8] = { 0x72, rows[i].key, rows[i].asc, rows[i].ascq };

		if (v.fault.kind != rows[i].kind)
			fail_msg("%x/%02x/%02x is \"%s\"", rows[i].key, rows[i].asc, rows[i].ascq,
				fault_kind_name(v.fault.kind));
		assert_int_equal(v.done_bytes, fault_is_good(&v.fault) ? 4096 : 0);
		v = judge_sense(descriptor, sizeof(descriptor));
		assert_int_equal(v.fault.kind, rows[i].kind);
	}
}

static void check_condition_without_usable_sense_is_no_success(void **state)
{
	static const uint8_t vendor[] = { 0x7f, 0, 3, 0 }, zeros[FIXED_LEN], cut[] = { 0x70, 0 };
	struct verdict v = judge_sense(NULL, 0);

	(void)state;
	assert_int_equal(v.fault.kind, FAULT_SENSE);
	expect_text(&v.fault, "check condition (no usable sense)");
	assert_int_equal(judge_sense(vendor, sizeof(vendor)).fault.kind, FAULT_SENSE);
	assert_int_equal(judge_sense(zeros, sizeof(zeros)).fault.kind, FAULT_SENSE);
	assert_int_equal(judge_sense(cut, sizeof(cut)).fault.kind, FAULT_SENSE);
}

static void sense_cut_before_its_asc_still_has_its_key(void **state)
{
	uint8_t s[FIXED_LEN];
	struct verdict v;

	(void)state;
	make_fixed(s, 0x70, 0x3, 0x11, 0x00);
	v = judge_sense(s, 8);
	assert_int_equal(v.fault.kind, FAULT_MEDIUM);
	expect_text(&v.fault, "medium error (3/00/00 no additional sense information)");
}

static void bytes_past_the_additional_length_are_not_sense(void **state)
{
	uint8_t s[FIXED_LEN];

	(void)state;
	make_fixed(s, 0x70, 0x5, 0x20, 0x00);
	s[7] = 2;
	assert_int_equal(judge_sense(s, sizeof(s)).fault.kind, FAULT_ILLEGAL_REQUEST);
}

static void error_in_the_sense_of_a_good_status_is_no_success(void **state)
{
	uint8_t s[FIXED_LEN];
	const struct scsi_reply r = { .driver_status = 8, .sense = s, .sense_len = sizeof(s) };

	(void)state;
	make_fixed(s, 0x70, 0x3, 0x11, 0x00);
	assert_int_equal(judge(&r).fault.kind, FAULT_MEDIUM);
}

static void sense_counts_for_more_than_the_host_status_beside_it(void **state)
{
	uint8_t s[FIXED_LEN];
	const struct scsi_reply r = {
		.scsi_status = CHECK_CONDITION,
		.host_status = 5,
		.driver_status = 8,
		.sense = s,
		.sense_len = sizeof(s),
	};

	(void)state;
	make_fixed(s, 0x70, 0xb, 0x10, 0x01);
	assert_int_equal(judge(&r).fault.kind, FAULT_PROTECTION);
	/* ... but a recovered error does not cure a dead host. */
	make_fixed(s, 0x70, 0x1, 0x17, 0x01);
	assert_int_equal(judge(&r).fault.kind, FAULT_ABORTED);
}

static void short_transfer_is_not_success(void **state)
{
	const struct scsi_reply r = { .resid_bytes = 2048 };
	struct verdict v = judge(&r);

	(void)state;
	assert_int_equal(v.fault.kind, FAULT_SHORT);
	assert_int_equal(v.fault.resid_bytes, 2048);
	assert_int_equal(v.done_bytes, 2048);
	assert_int_equal(fault_exit_status(&v.fault), EXIT_RESIDUAL);
	expect_text(&v.fault, "short transfer (2048 bytes did not move)");
}

static void short_transfer_counts_whole_blocks_only(void **state)
{
	const struct scsi_reply r = { .resid_bytes = 1 };

	(void)state;
	assert_int_equal(judge(&r).done_bytes, 7 * 512);
}

static void recovered_but_short_is_short(void **state)
{
	uint8_t s[FIXED_LEN];
	const struct scsi_reply r = {
		.scsi_status = CHECK_CONDITION,
		.sense = s,
		.sense_len = sizeof(s),
		.resid_bytes = 512,
	};

	(void)state;
	make_fixed(s, 0x70, 0x1, 0x5d, 0x00);
	assert_int_equal(judge(&r).fault.kind, FAULT_SHORT);
}

static void nonsense_residual_means_that_nothing_moved(void **state)
{
	static const int residuals[] = { -1, INT32_MIN, 4096, 4097, INT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(residuals); i++) {
		const struct scsi_reply r = { .resid_bytes = residuals[i] };
		struct verdict v = judge(&r);

		assert_int_equal(v.fault.kind, FAULT_SHORT);
		assert_int_equal(v.fault.resid_bytes, 4096);
		assert_int_equal(v.done_bytes, 0);
	}
}

static void residual_of_a_failure_is_not_believed(void **state)
{
	const struct scsi_reply r = { .host_status = 3, .resid_bytes = 1024 };
	struct verdict v = judge(&r);

	(void)state;
	assert_int_equal(v.done_bytes, 0);
	assert_int_equal(v.fault.resid_bytes, 0);
}

static void command_without_blocks_keeps_every_byte_that_came(void **state)
{
	const struct scsi_reply r = { .resid_bytes = 63 };
	const struct scsi_asked inquiry = { .len_bytes = 252 };
	struct fault f;
	uint32_t done;

	(void)state;
	scsi_judge(&r, &inquiry, &f, &done);
	assert_int_equal(f.kind, FAULT_SHORT);
	assert_int_equal(done, 189);
}

static void information_is_believed_inside_the_range_and_if_valid(void **state)
{
	struct verdict v = judge_fixed_info(0xf0, 1007);

	(void)state;
	assert_true(v.fault.info_valid);
	assert_int_equal(v.fault.info_lba, 1007);
	expect_text(&v.fault, "medium error at LBA 1007 (3/11/00 unrecovered read error)");
	assert_true(judge_fixed_info(0xf0, 1000).fault.info_valid);
	assert_false(judge_fixed_info(0xf0, 999).fault.info_valid);
	assert_false(judge_fixed_info(0xf0, 1008).fault.info_valid);
	assert_false(judge_fixed_info(0xf0, 4660).fault.info_valid); /* scsi_debug's habit */
	assert_false(judge_fixed_info(0x70, 1007).fault.info_valid);
}

static bool progress_of(const uint8_t *sense, uint8_t len, unsigned *progress)
{
	struct fault f = { .kind = FAULT_IN_PROGRESS, .sense_len = len };

	memcpy(f.sense, sense, len);
	return fault_progress(&f, progress);
}

static void progress_is_told_by_both_formats(void **state)
{
	uint8_t fixed[18] = { 0x70, 0, 2, [7] = 10, [12] = 4, 9, [15] = 0x80, 0x40, 0x01 };
	uint8_t desc[16] = { 0x72, 2, 4, 9, [7] = 8, 0x02, 6, 0, 0, 0x80, 0x80, 0x00 };
	unsigned progress;

	(void)state;
	assert_true(progress_of(fixed, sizeof(fixed), &progress));
	assert_int_equal(progress, 0x4001);
	assert_true(progress_of(desc, sizeof(desc), &progress));
	assert_int_equal(progress, 0x8000);
	assert_false(progress_of(fixed, 17, &progress)); /* cut off */
	assert_false(progress_of(desc, 14, &progress));
	fixed[7] = 9; /* not all of it is meant */
	assert_false(progress_of(fixed, sizeof(fixed), &progress));
	fixed[7] = 10;
	fixed[15] = desc[12] = 0; /* not valid */
	assert_false(progress_of(fixed, sizeof(fixed), &progress));
	assert_false(progress_of(desc, sizeof(desc), &progress));
	fixed[15] = 0x80;
	fixed[2] = 5; /* a field pointer */
	assert_false(progress_of(fixed, sizeof(fixed), &progress));
}

static void progress_is_told_in_words(void **state)
{
	static const uint8_t fixed[18] = { 0x70, 0, 2, [7] = 10, [12] = 4, 9, [15] = 0x80, 0x40 };
	struct fault f = { .kind = FAULT_IN_PROGRESS, .sense_len = sizeof(fixed) };
	char text[200];

	(void)state;
	memcpy(f.sense, fixed, sizeof(fixed));
	assert_non_null(strstr(fault_describe(&f, text, sizeof(text)), "25 % done"));
}

static void information_descriptor_has_64_bits(void **state)
{
	static const uint8_t s[] = { 0x72, 3, 0x11, 0, 0, 0, 0, 20, /* another one before it */
		0x02, 0x06, 0, 0, 0, 0, 0, 0, 0x00, 0x0a, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 5 };
	const struct scsi_reply r = {
		.scsi_status = CHECK_CONDITION,
		.sense = s,
		.sense_len = sizeof(s),
	};
	const struct scsi_asked far = { UINT64_C(0x100000000), 8, 4096 };
	struct fault f;
	uint32_t done;

	(void)state;
	scsi_judge(&r, &far, &f, &done);
	assert_true(f.info_valid);
	assert_true(f.info_lba == UINT64_C(0x100000005));
}

static void information_descriptor_too_short_or_not_valid_is_not_believed(void **state)
{
	uint8_t s[] = { 0x72, 3, 0x11, 0, 0, 0, 0, 12, 0x00, 0x0a, 0x80, 0, 0, 0, 0, 0, 0, 0, 3,
		0xe8 };

	(void)state;
	s[10] = 0;
	assert_false(judge_sense(s, sizeof(s)).fault.info_valid);
	s[10] = 0x80;
	s[9] = 9;
	assert_false(judge_sense(s, sizeof(s)).fault.info_valid);
}

static void information_descriptor_that_is_cut_off_is_not_read(void **state)
{
	static const uint8_t s[] = { 0x72, 3, 0x11, 0, 0, 0, 0, 12, 0x00, 0x0a, 0x80, 0, 0, 0, 0, 0,
		0, 0, 3, 0xe8 };

	(void)state;
	assert_true(judge_sense(s, sizeof(s)).fault.info_valid);
	for (unsigned len = 4; len < sizeof(s); len++)
		assert_false(judge_sense(s, len).fault.info_valid);
}

static void deferred_error_is_told_apart_and_names_no_block(void **state)
{
	uint8_t s[FIXED_LEN];
	struct verdict v;

	(void)state;
	make_fixed(s, 0xf1, 0x3, 0x0c, 0x02);
	s[5] = 1000 >> 8;
	s[6] = 1000 & 0xff;
	v = judge_sense(s, sizeof(s));
	assert_int_equal(v.fault.kind, FAULT_MEDIUM);
	assert_true(v.fault.deferred);
	assert_false(v.fault.info_valid);
	expect_text(&v.fault, "medium error (3/0c/02 write error - auto reallocation failed, of an "
			      "earlier command)");
}

/* The earlier write is good, so all that is to be done is to send this command again. */
static void command_that_answers_with_a_deferred_recovery_was_not_done(void **state)
{
	static const uint8_t s[] = { 0x73, 1, 0x0c, 1, 0, 0, 0, 0 };
	static const uint8_t good_keys[] = { 0x0, 0x1, 0xf };
	uint8_t fixed[FIXED_LEN];
	struct verdict v = judge_sense(s, sizeof(s));

	(void)state;
	expect_text(&v.fault, "aborted command (1/0c/01 write error - recovered with auto "
			      "reallocation, of an earlier command)");
	for (size_t i = 0; i < ARRAY_SIZE(good_keys); i++) {
		make_fixed(fixed, 0xf1, good_keys[i], 0, 0);
		fixed[5] = 1000 >> 8;
		fixed[6] = 1000 & 0xff;
		v = judge_sense(fixed, sizeof(fixed));
		assert_int_equal(v.fault.kind, FAULT_ABORTED);
		assert_false(v.fault.deferred);
		assert_false(v.fault.info_valid);
		assert_int_equal(v.done_bytes, 0);
	}
}

static void long_sense_is_cut_to_the_room(void **state)
{
	uint8_t s[252] = { 0x70, 0, 4, [7] = 244, [12] = 0x44 };
	struct verdict v = judge_sense(s, sizeof(s));

	(void)state;
	assert_int_equal(v.fault.kind, FAULT_HARDWARE);
	assert_int_equal(v.fault.sense_len, FAULT_SENSE_MAX);
}

static void words_name_the_layer_that_failed(void **state)
{
	const struct scsi_reply no_connect = { .host_status = 1 }, timeout = { .host_status = 3 };
	const struct scsi_reply unknown = { .host_status = 99 }, aca = { .scsi_status = 0x30 };
	const struct scsi_reply odd = { .scsi_status = 0x22 }, driver = { .driver_status = 4 };
	struct verdict v = judge(&no_connect);
	struct fault f;

	(void)state;
	expect_text(&v.fault, "device gone (host status 1, no connect)");
	v = judge(&timeout);
	expect_text(&v.fault, "timed out");
	v = judge(&unknown);
	expect_text(&v.fault, "transport error (host status 99)");
	v = judge(&aca);
	expect_text(&v.fault, "busy (ACA active)");
	v = judge(&odd);
	expect_text(&v.fault, "unknown error (SCSI status 22h)");
	v = judge(&driver);
	expect_text(&v.fault, "transport error (driver status 4)");
	v = judge_fixed(0x5, 0x21, 0);
	expect_text(&v.fault, "LBA out of range (5/21/00 logical block address out of range)");
	fault_from_errno(&f, EINVAL);
	expect_text(&f, "system call failed (Invalid argument)");
}

static void description_fits_any_room(void **state)
{
	struct verdict v = judge_fixed_info(0xf0, 1007);
	char text[8] = "1234567";

	(void)state;
	assert_string_equal(fault_describe(&v.fault, text, 1), "");
	assert_string_equal(fault_describe(&v.fault, text, 7), "medium");
	assert_int_equal(text[7], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_reply_is_good_and_all_bytes_are_done),
		cmocka_unit_test(driver_sense_alone_is_no_error),
		cmocka_unit_test(each_status_byte_has_its_kind),
		cmocka_unit_test(each_host_status_has_its_kind),
		cmocka_unit_test(old_driver_status_is_heard),
		cmocka_unit_test(each_sense_has_its_kind),
		cmocka_unit_test(check_condition_without_usable_sense_is_no_success),
		cmocka_unit_test(sense_cut_before_its_asc_still_has_its_key),
		cmocka_unit_test(bytes_past_the_additional_length_are_not_sense),
		cmocka_unit_test(error_in_the_sense_of_a_good_status_is_no_success),
		cmocka_unit_test(sense_counts_for_more_than_the_host_status_beside_it),
		cmocka_unit_test(short_transfer_is_not_success),
		cmocka_unit_test(short_transfer_counts_whole_blocks_only),
		cmocka_unit_test(recovered_but_short_is_short),
		cmocka_unit_test(nonsense_residual_means_that_nothing_moved),
		cmocka_unit_test(residual_of_a_failure_is_not_believed),
		cmocka_unit_test(command_without_blocks_keeps_every_byte_that_came),
		cmocka_unit_test(information_is_believed_inside_the_range_and_if_valid),
		cmocka_unit_test(progress_is_told_by_both_formats),
		cmocka_unit_test(progress_is_told_in_words),
		cmocka_unit_test(information_descriptor_has_64_bits),
		cmocka_unit_test(information_descriptor_too_short_or_not_valid_is_not_believed),
		cmocka_unit_test(information_descriptor_that_is_cut_off_is_not_read),
		cmocka_unit_test(deferred_error_is_told_apart_and_names_no_block),
		cmocka_unit_test(command_that_answers_with_a_deferred_recovery_was_not_done),
		cmocka_unit_test(long_sense_is_cut_to_the_room),
		cmocka_unit_test(words_name_the_layer_that_failed),
		cmocka_unit_test(description_fits_any_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
