/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One row a fault that may go away by itself: how many repetitions beside the user's, and how long
 * to wait. What has no row stops the run unless the user asked for retries of it.
 */
#include "policy.h"

#include <assert.h>

/* 10 ms doubling to 1 s: 66 of them last just over a minute. */
#define BACK_OFF_FIRST (10 * NSEC_PER_MSEC)
#define BACK_OFF_LAST  NSEC_PER_SEC
#define BACK_OFF_TRIES 66

static const struct rule {
	unsigned tries;	       /* repetitions whatever the user says */
	bool users_too;	       /* and as many more as retries= */
	nsec_t first_delay_ns; /* doubles to BACK_OFF_LAST; 0: at once */
} rules[FAULT_KINDS] = {
	/* The condition is cleared by having been reported, SAM-5 5.14; several may queue up. */
	[FAULT_UNIT_ATTENTION] = { 10, false, 0 },
	[FAULT_BUSY] = { BACK_OFF_TRIES, false, BACK_OFF_FIRST },
	[FAULT_TASK_SET_FULL] = { BACK_OFF_TRIES, false, BACK_OFF_FIRST },
	/* After a SIGSTOP the driver's orphan of the restarted ioctl owns the reserved buffer. */
	[FAULT_LANE_BUSY] = { BACK_OFF_TRIES, false, BACK_OFF_FIRST / 10 },
	[FAULT_NO_MEMORY] = { 5, false, BACK_OFF_FIRST },
	[FAULT_ABORTED] = { 2, true, 0 },
	[FAULT_MEDIUM] = { 0, true, 0 },
	[FAULT_HARDWARE] = { 0, true, 0 },
	[FAULT_TRANSPORT] = { 0, true, BACK_OFF_FIRST },
	[FAULT_TIMEOUT] = { 0, true, 0 },
};

static nsec_t back_off(const struct rule *r, unsigned tries)
{
	nsec_t delay = r->first_delay_ns;

	while (--tries > 0 && delay < BACK_OFF_LAST)
		delay *= 2;
	return delay < BACK_OFF_LAST ? delay : BACK_OFF_LAST;
}

struct policy_verdict policy_decide(const struct policy *p, const struct fault *f, unsigned tries)
{
	const struct rule *r = &rules[f->kind];
	unsigned allowed = r->tries + (r->users_too ? p->retries : 0);

	assert(tries > 0);
	/* A deferred error is about an earlier write that was reported as good: its data are lost.
	 */
	if (f->deferred && !fault_is_good(f))
		return (struct policy_verdict){ POLICY_STOP, 0 };
	if (fault_is_good(f))
		return (struct policy_verdict){ POLICY_GOOD, 0 };
	if (tries <= allowed)
		return (struct policy_verdict){ POLICY_RETRY, back_off(r, tries) };
	return (struct policy_verdict){ POLICY_STOP, 0 };
}
