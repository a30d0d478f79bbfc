/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fault leads to. Pure: the fault, how often this transfer has been tried, and the limits.
 */
#ifndef ENGINE_POLICY_H
#define ENGINE_POLICY_H

#include "../core/fault.h"

enum policy_action {
	POLICY_GOOD,  /* the data are valid: go on */
	POLICY_RETRY, /* the same transfer again, after delay_ns */
	POLICY_STOP,  /* the run ends with this fault */
};

struct policy {
	unsigned retries; /* retries=: for faults that a repetition may cure */
};

struct policy_verdict {
	enum policy_action action;
	nsec_t delay_ns; /* POLICY_RETRY only */
};

/* tries: how often it has been sent, 1 after the first. */
struct policy_verdict policy_decide(const struct policy *p, const struct fault *f, unsigned tries);

#endif
