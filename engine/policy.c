/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One row a fault: how many repetitions beside the user's, how long to wait, and what it says of
 * the blocks that were to be moved. What has no row stops the run.
 */
#include "policy.h"

#include <assert.h>
#include <errno.h>

/* Doubling. */
#define BACK_OFF_FIRST (10 * NSEC_PER_MSEC)
#define BACK_OFF_LAST  NSEC_PER_SEC
#define BUSY_PATIENCE  (60 * NSEC_PER_SEC)
/* A disk spins up in half a minute, an array takes longer. */
#define READY_PATIENCE (300 * NSEC_PER_SEC)

static const struct rule {
	unsigned tries;	       /* repetitions whatever the user says */
	nsec_t patience_ns;    /* repetitions for so long instead; 0: no */
	bool users_too;	       /* and as many more as retries= */
	nsec_t first_delay_ns; /* doubles to BACK_OFF_LAST; 0: at once */
	bool local;	       /* said of these blocks */
	bool of_length;	       /* another length might do */
} rules[FAULT_KINDS] = {
	/* The condition is cleared by having been reported, SAM-5 5.14; several may queue up. */
	[FAULT_UNIT_ATTENTION] = { .tries = 10 },
	[FAULT_BUSY] = { .patience_ns = BUSY_PATIENCE, .first_delay_ns = BACK_OFF_FIRST },
	[FAULT_TASK_SET_FULL] = { .patience_ns = BUSY_PATIENCE, .first_delay_ns = BACK_OFF_FIRST },
	/* After a SIGSTOP the driver's orphan of the restarted ioctl owns the reserved buffer. */
	[FAULT_LANE_BUSY] = { .patience_ns = BUSY_PATIENCE, .first_delay_ns = BACK_OFF_FIRST / 10 },
	[FAULT_NO_MEMORY] = { .tries = 5, .first_delay_ns = BACK_OFF_FIRST },
	[FAULT_BECOMING_READY] = { .patience_ns = READY_PATIENCE, .first_delay_ns = BACK_OFF_LAST },
	[FAULT_IN_PROGRESS] = { .patience_ns = READY_PATIENCE, .first_delay_ns = BACK_OFF_LAST },
	[FAULT_ABORTED] = { .tries = 2, .users_too = true, .local = true },
	[FAULT_MEDIUM] = { .users_too = true, .local = true },
	[FAULT_HARDWARE] = { .users_too = true, .local = true },
	[FAULT_UNIT_FAILED] = { .users_too = true },
	[FAULT_PROTECTION] = { .local = true },
	[FAULT_SENSE] = { .local = true },
	[FAULT_TRANSPORT] = { .users_too = true, .first_delay_ns = BACK_OFF_FIRST, .local = true },
	[FAULT_TIMEOUT] = { .users_too = true, .local = true },
	/* A path may come back. */
	[FAULT_GONE] = { .users_too = true, .first_delay_ns = BACK_OFF_FIRST },
	[FAULT_ILLEGAL_REQUEST] = { .of_length = true },
};

static nsec_t back_off(const struct rule *r, unsigned tries)
{
	nsec_t delay = r->first_delay_ns;

	while (--tries > 0 && delay < BACK_OFF_LAST)
		delay *= 2;
	return delay < BACK_OFF_LAST ? delay : BACK_OFF_LAST;
}

/* What the block layer says of a block, block/blk-core.c blk_errors[]; else it is of the file. */
static bool is_local_errno(int err)
{
	return err == EIO || err == EILSEQ || err == ENODATA || err == EREMOTEIO;
}

bool policy_is_local(const struct fault *f)
{
	if (f->deferred) /* of an earlier write */
		return false;
	return f->kind == FAULT_OS ? is_local_errno(f->err) : rules[f->kind].local;
}

static bool is_patient(const struct policy_case *c, const struct fault *f)
{
	return c->since_ns < rules[f->kind].patience_ns;
}

/* The node's device was removed, to which this descriptor never leads again, or set offline. */
static bool is_final(const struct fault *f)
{
	return f->err == ENODEV || f->err == ENXIO;
}

/* What the kernel has to say of a block may be any of those faults that are told apart above. */
static bool heeds_user(const struct fault *f)
{
	if (is_final(f))
		return false;
	return f->kind == FAULT_OS ? is_local_errno(f->err) : rules[f->kind].users_too;
}

/*
 * Where the run goes on, what is long is not repeated: its parts are. But for a time-out, which
 * says little of what it befell, once.
 */
static unsigned allowed(const struct policy_case *c, const struct fault *f)
{
	if (c->goes_on && f->kind == FAULT_TIMEOUT)
		return c->retries > 0 ? c->retries : 1;
	return rules[f->kind].tries + (heeds_user(f) ? c->retries : 0);
}

static enum policy_action give_up(const struct policy_case *c, const struct fault *f)
{
	if (rules[f->kind].of_length && !c->is_smallest)
		return POLICY_SMALLER;
	return c->goes_on && policy_is_local(f) ? POLICY_LOSE : POLICY_STOP;
}

struct policy_verdict policy_decide(const struct policy_case *c, const struct fault *f)
{
	assert(c->tries > 0);
	/* A deferred error is about an earlier write that was reported as good: its data are lost.
	 */
	if (f->deferred && !fault_is_good(f))
		return (struct policy_verdict){ POLICY_STOP, 0 };
	if (fault_is_good(f))
		return (struct policy_verdict){ POLICY_GOOD, 0 };
	if (f->kind == FAULT_STOPPED && c->can_start)
		return (struct policy_verdict){ POLICY_START, 0 };
	if (is_patient(c, f) || c->tries <= allowed(c, f))
		return (struct policy_verdict){ POLICY_RETRY, back_off(&rules[f->kind], c->tries) };
	return (struct policy_verdict){ give_up(c, f), 0 };
}
