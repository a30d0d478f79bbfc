/* SPDX-License-Identifier: BSD-2-Clause */
/* The line that lives while a run lasts: percent, rate, time left. On stderr. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "engine/copy.h"
#include "timing.h"

struct progress {
	struct rate_meter meter;
	bool on_terminal; /* redraws one line; otherwise a line a tick */
	bool shown;	  /* a redrawn line stands on the terminal, without its newline */
};

void progress_init(struct progress *p, bool on_terminal);
void progress_tick(struct progress *p, const struct copy_progress *now);

/* Ends a redrawn line, before anything else is printed. */
void progress_end(struct progress *p);

#endif
