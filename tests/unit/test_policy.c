/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../engine/policy.h"

#define MSEC NSEC_PER_MSEC

static struct policy_verdict decide(enum fault_kind kind, unsigned tries, unsigned retries)
{
	const struct policy_case c = { .tries = tries, .retries = retries, .is_smallest = true };
	const struct fault f = { .kind = kind };

	return policy_decide(&c, &f);
}

/* How often a transfer with that fault is sent before the run stops. */
static unsigned sent(enum fault_kind kind, unsigned retries)
{
	unsigned tries = 1;

	while (tries < 1000 && decide(kind, tries, retries).action == POLICY_RETRY)
		tries++;
	assert_int_equal(decide(kind, tries, retries).action, POLICY_STOP);
	return tries;
}

/* How often it is sent where time passes by waiting alone, and how long that takes. */
static unsigned sent_in(enum fault_kind kind, nsec_t *waited_ns)
{
	struct policy_case c = { .tries = 1, .retries = 0, .is_smallest = true };
	const struct fault f = { .kind = kind };
	struct policy_verdict v = policy_decide(&c, &f);

	for (; v.action == POLICY_RETRY; v = policy_decide(&c, &f)) {
		c.tries++;
		c.since_ns += v.delay_ns;
	}
	assert_int_equal(v.action, POLICY_STOP);
	*waited_ns = c.since_ns;
	return c.tries;
}

static nsec_t waited_ns(enum fault_kind kind)
{
	nsec_t sum;

	(void)sent_in(kind, &sum);
	return sum;
}

static void good_transfers_go_on(void **state)
{
	(void)state;
	assert_int_equal(decide(FAULT_NONE, 1, 0).action, POLICY_GOOD);
	assert_int_equal(decide(FAULT_RECOVERED, 1, 0).action, POLICY_GOOD);
	assert_int_equal(decide(FAULT_RECOVERED, 100, 0).action, POLICY_GOOD);
}

static void each_fault_is_sent_so_many_times(void **state)
{
	static const struct {
		enum fault_kind kind;
		unsigned without, with_3; /* retries=0, retries=3 */
	} cases[] = {
		{ FAULT_UNIT_ATTENTION, 11, 11 },
		{ FAULT_NO_MEMORY, 6, 6 },
		{ FAULT_ABORTED, 3, 6 },
		{ FAULT_MEDIUM, 1, 4 },
		{ FAULT_HARDWARE, 1, 4 },
		{ FAULT_UNIT_FAILED, 1, 4 },
		{ FAULT_TRANSPORT, 1, 4 },
		{ FAULT_TIMEOUT, 1, 4 },
		{ FAULT_NOT_READY, 1, 1 },
		{ FAULT_STOPPED, 1, 1 },
		{ FAULT_ERASING, 1, 1 },
		{ FAULT_ILLEGAL_REQUEST, 1, 1 },
		{ FAULT_INVALID_OPCODE, 1, 1 },
		{ FAULT_LBA_RANGE, 1, 1 },
		{ FAULT_CAPACITY_CHANGED, 1, 1 },
		{ FAULT_DATA_PROTECT, 1, 1 },
		{ FAULT_MISCOMPARE, 1, 1 },
		{ FAULT_PROTECTION, 1, 1 },
		{ FAULT_RESERVATION, 1, 1 },
		{ FAULT_GONE, 1, 4 },
		{ FAULT_SHORT, 1, 1 },
		{ FAULT_UNMAPPABLE, 1, 1 },
		{ FAULT_OS, 1, 1 },
		{ FAULT_SENSE, 1, 1 },
		{ FAULT_OTHER, 1, 1 },
	};

	(void)state;
	assert_int_equal(ARRAY_SIZE(cases), FAULT_KINDS - 2 - 5); /* good, waited for */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (sent(cases[i].kind, 0) != cases[i].without ||
			sent(cases[i].kind, 3) != cases[i].with_3)
			fail_msg("%s", fault_kind_name(cases[i].kind));
	}
}

/* A block node through the page cache, and a file, have only these words for a bad block. */
static void an_errno_that_is_said_of_a_block_is_sent_as_often_as_the_user_says(void **state)
{
	static const struct {
		int err;
		bool is_local;
	} cases[] = { { EIO, true }, { ENODATA, true }, { EILSEQ, true }, { EREMOTEIO, true },
		{ ENOSPC, false }, { EPIPE, false }, { EFBIG, false }, { EROFS, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct fault f = { .kind = FAULT_OS, .err = cases[i].err };
		struct policy_case c = { .tries = 3, .retries = 3, .is_smallest = true };
		bool is_local = cases[i].is_local;

		assert_int_equal(
			policy_decide(&c, &f).action, is_local ? POLICY_RETRY : POLICY_STOP);
		assert_int_equal(policy_decide(&c, &f).delay_ns, 0);
		c.tries = 4;
		assert_int_equal(policy_decide(&c, &f).action, POLICY_STOP);
		c.goes_on = true;
		assert_int_equal(
			policy_decide(&c, &f).action, is_local ? POLICY_LOSE : POLICY_STOP);
	}
}

/* As against a host status, which tells of a path that may come back. */
static void a_node_whose_device_was_removed_is_not_asked_again(void **state)
{
	const struct policy_case c = { .tries = 1, .retries = 3, .goes_on = true };
	const struct fault removed[] = { { .kind = FAULT_GONE, .err = ENODEV },
		{ .kind = FAULT_GONE, .err = ENXIO } };
	const struct fault away[] = { { .kind = FAULT_GONE, .host_status = 1 },
		{ .kind = FAULT_GONE, .err = ENOLINK } };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(policy_decide(&c, &removed[i]).action, POLICY_STOP);
		assert_int_equal(policy_decide(&c, &away[i]).action, POLICY_RETRY);
		assert_int_equal(policy_decide(&c, &away[i]).delay_ns, 10 * MSEC);
	}
}

static void the_wait_doubles_up_to_a_second(void **state)
{
	(void)state;
	assert_int_equal(decide(FAULT_BUSY, 1, 0).delay_ns, 10 * MSEC);
	assert_int_equal(decide(FAULT_BUSY, 2, 0).delay_ns, 20 * MSEC);
	assert_int_equal(decide(FAULT_BUSY, 7, 0).delay_ns, 640 * MSEC);
	assert_int_equal(decide(FAULT_BUSY, 8, 0).delay_ns, 1000 * MSEC);
	assert_int_equal(decide(FAULT_BUSY, 66, 0).delay_ns, 1000 * MSEC);
	assert_int_equal(decide(FAULT_LANE_BUSY, 1, 0).delay_ns, 1 * MSEC);
}

static void a_busy_unit_is_given_a_minute(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_BUSY, FAULT_TASK_SET_FULL, FAULT_LANE_BUSY };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_in_range(waited_ns(kinds[i]), 60 * NSEC_PER_SEC, 61 * NSEC_PER_SEC);
}

/* Also one that is busy with itself: not longer, if it does not get further. */
static void a_unit_that_will_be_ready_is_given_five(void **state)
{
	nsec_t waited;

	(void)state;
	assert_int_equal(sent_in(FAULT_BECOMING_READY, &waited), 301);
	assert_int_equal(waited, 300 * NSEC_PER_SEC);
	assert_int_equal(sent_in(FAULT_IN_PROGRESS, &waited), 301);
	assert_int_equal(waited, 300 * NSEC_PER_SEC);
}

/* Its data are being lost: to read on when that is over would make a copy of nothing. */
static void a_unit_that_is_being_erased_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(waited_ns(FAULT_ERASING), 0);
}

static void what_is_cured_by_its_report_is_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(waited_ns(FAULT_UNIT_ATTENTION), 0);
	assert_int_equal(waited_ns(FAULT_ABORTED), 0);
}

static void a_deferred_error_stops_whatever_it_is(void **state)
{
	const struct policy_case c = { .tries = 1, .retries = 10, .goes_on = true };

	(void)state;
	for (unsigned k = FAULT_RECOVERED + 1; k < FAULT_KINDS; k++) {
		const struct fault f = { .kind = (enum fault_kind)k, .deferred = true };

		assert_int_equal(policy_decide(&c, &f).action, POLICY_STOP);
		assert_false(policy_is_local(&f));
	}
}

static enum policy_action after(enum fault_kind kind, int err, unsigned tries, bool smallest)
{
	const struct policy_case c = { .tries = tries, .goes_on = true, .is_smallest = smallest };
	const struct fault f = { .kind = kind, .err = err };

	return policy_decide(&c, &f).action;
}

static void what_is_said_of_blocks_is_lost_and_the_run_goes_on(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_MEDIUM, FAULT_HARDWARE, FAULT_PROTECTION,
		FAULT_SENSE, FAULT_TRANSPORT };
	static const int errs[] = { EIO, ENODATA, EILSEQ, EREMOTEIO };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_int_equal(after(kinds[i], 0, 1, true), POLICY_LOSE);
	for (size_t i = 0; i < ARRAY_SIZE(errs); i++)
		assert_int_equal(after(FAULT_OS, errs[i], 1, true), POLICY_LOSE);
	assert_int_equal(after(FAULT_ABORTED, 0, 2, true), POLICY_RETRY);
	assert_int_equal(after(FAULT_ABORTED, 0, 3, true), POLICY_LOSE);
	assert_int_equal(after(FAULT_TIMEOUT, 0, 1, true), POLICY_RETRY);
	assert_int_equal(after(FAULT_TIMEOUT, 0, 2, true), POLICY_LOSE);
}

static void what_is_said_of_the_whole_end_stops_all_the_same(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_NOT_READY, FAULT_STOPPED, FAULT_ERASING,
		FAULT_ILLEGAL_REQUEST, FAULT_INVALID_OPCODE, FAULT_LBA_RANGE,
		FAULT_CAPACITY_CHANGED, FAULT_DATA_PROTECT, FAULT_MISCOMPARE, FAULT_RESERVATION,
		FAULT_GONE, FAULT_SHORT, FAULT_UNMAPPABLE, FAULT_OTHER, FAULT_UNIT_FAILED };
	static const int errs[] = { ENOSPC, EPIPE, EFBIG, EROFS };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_int_equal(after(kinds[i], 0, 1, true), POLICY_STOP);
	for (size_t i = 0; i < ARRAY_SIZE(errs); i++)
		assert_int_equal(after(FAULT_OS, errs[i], 1, true), POLICY_STOP);
}

static void a_request_that_is_refused_is_tried_in_halves(void **state)
{
	(void)state;
	assert_int_equal(after(FAULT_ILLEGAL_REQUEST, 0, 1, false), POLICY_SMALLER);
	assert_int_equal(after(FAULT_ILLEGAL_REQUEST, 0, 1, true), POLICY_STOP);
	assert_int_equal(after(FAULT_LBA_RANGE, 0, 1, false), POLICY_STOP);
}

static void a_unit_that_is_stopped_is_started_once_where_that_was_asked(void **state)
{
	const struct fault f = { .kind = FAULT_STOPPED };
	struct policy_case c = { .tries = 1, .goes_on = true, .can_start = true };

	(void)state;
	assert_int_equal(policy_decide(&c, &f).action, POLICY_START);
	c.can_start = false;
	assert_int_equal(policy_decide(&c, &f).action, POLICY_STOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_transfers_go_on),
		cmocka_unit_test(each_fault_is_sent_so_many_times),
		cmocka_unit_test(
			an_errno_that_is_said_of_a_block_is_sent_as_often_as_the_user_says),
		cmocka_unit_test(a_node_whose_device_was_removed_is_not_asked_again),
		cmocka_unit_test(the_wait_doubles_up_to_a_second),
		cmocka_unit_test(a_busy_unit_is_given_a_minute),
		cmocka_unit_test(a_unit_that_will_be_ready_is_given_five),
		cmocka_unit_test(a_unit_that_is_being_erased_is_not_waited_for),
		cmocka_unit_test(what_is_cured_by_its_report_is_not_waited_for),
		cmocka_unit_test(a_deferred_error_stops_whatever_it_is),
		cmocka_unit_test(what_is_said_of_blocks_is_lost_and_the_run_goes_on),
		cmocka_unit_test(what_is_said_of_the_whole_end_stops_all_the_same),
		cmocka_unit_test(a_request_that_is_refused_is_tried_in_halves),
		cmocka_unit_test(a_unit_that_is_stopped_is_started_once_where_that_was_asked),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
