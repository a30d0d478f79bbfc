/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was really done, on stderr: sgm_dd's lines first, which scripts read, then one line a side
 * and one of costs. Of several destinations "records out" are those of the one that got least.
 */
#ifndef REPORT_H
#define REPORT_H

#include "engine/copy.h"

struct report_style {
	bool time_line; /* time=1 */
	bool details; /* the lines of both sides and the costs; status=noxfer and -q leave them out
		       */
};

/* At the end. flush is in the costs; a run shorter than a second is marked as such. */
void report_end(const struct report_style *style, const struct plan *p, const struct span *s,
	const struct sides *sides, const struct copy_result *r);

/* In mid-run (SIGUSR1): the time line and the records so far. */
void report_midway(const struct span *s, bool writes, const struct copy_progress *now);

/* "N+P": whole records of bs bytes, and 1 where a part of one was moved as well. */
struct records {
	uint64_t full, partial;
};

struct records report_records(uint64_t bytes, uint32_t bs_bytes);

#endif
