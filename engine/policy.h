/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fault leads to. Pure: the fault, how often this transfer has been tried, and the limits.
 */
#ifndef ENGINE_POLICY_H
#define ENGINE_POLICY_H

#include "../core/fault.h"

enum policy_action {
	POLICY_GOOD,	/* the data are valid: go on */
	POLICY_RETRY,	/* the same transfer again, after delay_ns */
	POLICY_LOSE,	/* the transfer is given up, the run goes on; a part of it may still do */
	POLICY_SMALLER, /* the device does not take transfers of that length */
	POLICY_START,	/* the unit is to be started, then the same transfer again */
	POLICY_STOP,	/* the run ends with this fault */
};

/* What is asked of a run. */
struct policy {
	unsigned retries; /* retries=: for faults that a repetition may cure */
	/* What cannot be read, or written, does not end the run. */
	bool go_on_in, go_on_out;
	bool salvage;	       /* what the medium has of it all the same goes before zeros */
	bool leave_bad;	       /* what cannot be read is left as it is, not written as zeros */
	uint64_t max_adjacent; /* bad blocks in a row; 0: any */
	uint64_t max_bad;      /* bad blocks in all; UINT64_MAX: any */
	bool reverse;	       /* from the end to the start */
	/* What is slower comes later; 0: no matter: */
	uint64_t min_rate; /* bytes a second */
	nsec_t slow_ns;	   /* a read */
};

/* Whether a run may leave gaps. */
static inline bool policy_goes_on(const struct policy *p)
{
	return p->go_on_in || p->go_on_out;
}

/* Whether the time that reads take matters to it. */
static inline bool policy_is_paced(const struct policy *p)
{
	return p->min_rate > 0 || p->slow_ns > 0;
}

/* One transfer that came home. */
struct policy_case {
	unsigned tries;	  /* how often it has been sent, 1 after the first */
	nsec_t since_ns;  /* for how long it has failed; what a device says of its progress is news
			   */
	unsigned retries; /* what the user grants it */
	bool goes_on;	  /* the run does without what this side cannot move */
	bool is_smallest; /* it is a block */
	bool can_start;	  /* the end may be, and was not because of this transfer */
};

struct policy_verdict {
	enum policy_action action;
	nsec_t delay_ns; /* POLICY_RETRY only */
};

struct policy_verdict policy_decide(const struct policy_case *c, const struct fault *f);

/* Whether it is said of these blocks: of others nothing is known. Else it is of the whole end. */
bool policy_is_local(const struct fault *f);

#endif
