/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/fault.h"
#include "../../core/status.h"

static void only_none_and_recovered_are_good(void **state)
{
	(void)state;
	for (unsigned k = 0; k < FAULT_KINDS; k++) {
		struct fault f = { .kind = (enum fault_kind)k };

		assert_int_equal(fault_is_good(&f), k == FAULT_NONE || k == FAULT_RECOVERED);
	}
}

static void every_bad_kind_has_an_exit_status_that_is_not_0(void **state)
{
	(void)state;
	for (unsigned k = 0; k < FAULT_KINDS; k++) {
		struct fault f = { .kind = (enum fault_kind)k };

		assert_int_equal(fault_exit_status(&f) == EXIT_OK, fault_is_good(&f));
	}
}

static void the_statuses_are_those_of_sg3_utils(void **state)
{
	static const struct {
		enum fault_kind kind;
		int exit_status;
	} cases[] = {
		{ FAULT_NOT_READY, 2 },
		{ FAULT_STOPPED, 2 },
		{ FAULT_BECOMING_READY, 2 },
		{ FAULT_IN_PROGRESS, 16 },
		{ FAULT_ERASING, 16 },
		{ FAULT_MEDIUM, 3 },
		{ FAULT_HARDWARE, 3 },
		{ FAULT_UNIT_FAILED, 3 },
		{ FAULT_ILLEGAL_REQUEST, 5 },
		{ FAULT_UNIT_ATTENTION, 6 },
		{ FAULT_CAPACITY_CHANGED, 6 },
		{ FAULT_DATA_PROTECT, 7 },
		{ FAULT_INVALID_OPCODE, 9 },
		{ FAULT_ABORTED, 11 },
		{ FAULT_MISCOMPARE, 14 },
		{ FAULT_LBA_RANGE, 22 },
		{ FAULT_RESERVATION, 24 },
		{ FAULT_BUSY, 26 },
		{ FAULT_TASK_SET_FULL, 27 },
		{ FAULT_TIMEOUT, 33 },
		{ FAULT_TRANSPORT, 35 },
		{ FAULT_GONE, 35 },
		{ FAULT_PROTECTION, 40 },
		{ FAULT_SHORT, 49 },
		{ FAULT_LANE_BUSY, 50 + EBUSY },
		{ FAULT_NO_MEMORY, 50 + ENOMEM },
		{ FAULT_UNMAPPABLE, 50 + EFAULT },
		{ FAULT_SENSE, 98 },
		{ FAULT_OTHER, 99 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fault f = { .kind = cases[i].kind };

		assert_int_equal(fault_exit_status(&f), cases[i].exit_status);
	}
}

static void an_errno_stays_within_the_table(void **state)
{
	struct fault f = { .kind = FAULT_OS, .err = EPERM };

	(void)state;
	assert_int_equal(fault_exit_status(&f), 51);
	f.err = 46;
	assert_int_equal(fault_exit_status(&f), 96);
	f.err = 47;
	assert_int_equal(fault_exit_status(&f), 50);
	assert_int_equal(exit_status_from_errno(-1), 50);
	assert_int_equal(exit_status_from_errno(0), 50);
}

static void an_errno_is_a_fault_of_its_kind(void **state)
{
	static const struct {
		int err;
		enum fault_kind kind;
	} cases[] = {
		{ ENODEV, FAULT_GONE },
		{ ENXIO, FAULT_GONE },
		{ EBUSY, FAULT_LANE_BUSY },
		{ EDOM, FAULT_LANE_BUSY },
		{ ENOMEM, FAULT_NO_MEMORY },
		{ EFAULT, FAULT_UNMAPPABLE },
		{ ENODATA, FAULT_MEDIUM },
		{ EREMOTEIO, FAULT_HARDWARE },
		{ EBADE, FAULT_RESERVATION },
		{ ENOLINK, FAULT_GONE },
		{ ETIMEDOUT, FAULT_TIMEOUT },
		{ EIO, FAULT_OS },
		{ EINVAL, FAULT_OS },
		{ EPERM, FAULT_OS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fault f;

		memset(&f, 0xff, sizeof(f));
		fault_from_errno(&f, cases[i].err);
		assert_int_equal(f.kind, cases[i].kind);
		assert_int_equal(f.err, cases[i].err);
		assert_int_equal(f.sense_len, 0);
		assert_false(f.deferred);
		assert_false(f.info_valid);
	}
}

static void every_kind_has_its_own_name(void **state)
{
	(void)state;
	for (unsigned a = 0; a < FAULT_KINDS; a++) {
		assert_true(strlen(fault_kind_name((enum fault_kind)a)) > 0);
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(fault_kind_name((enum fault_kind)a),
				fault_kind_name((enum fault_kind)b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_none_and_recovered_are_good),
		cmocka_unit_test(every_bad_kind_has_an_exit_status_that_is_not_0),
		cmocka_unit_test(the_statuses_are_those_of_sg3_utils),
		cmocka_unit_test(an_errno_stays_within_the_table),
		cmocka_unit_test(an_errno_is_a_fault_of_its_kind),
		cmocka_unit_test(every_kind_has_its_own_name),
	};

	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
