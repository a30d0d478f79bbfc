/* SPDX-License-Identifier: BSD-2-Clause */
/* What counts as moved is what has reached the last step of its chunk: written, or read. */
#include "progress.h"

#include <stdio.h>
#include <string.h>

#include "core/units.h"

void progress_init(struct progress *p, bool on_terminal)
{
	memset(p, 0, sizeof(*p));
	p->on_terminal = on_terminal;
}

static void progress_text(
	const struct progress *p, const struct copy_progress *now, char *text, size_t room)
{
	uint64_t done = now->before_bytes + (now->out_bytes ? now->out_bytes : now->in_bytes);
	uint64_t left = now->total_bytes > done ? now->total_bytes - done : 0;
	double percent = now->total_bytes ? 100.0 * (double)done / (double)now->total_bytes : 100.0;
	char bytes[UNITS_TEXT_ROOM], elapsed[TIMING_TEXT_ROOM], remaining[TIMING_TEXT_ROOM];

	int len = snprintf(text, room, "%s (%.1f%%) copied, %s, %.1f MB/s, %s left",
		units_bytes_text(done, bytes), percent, timing_text(now->elapsed_ns, elapsed),
		p->meter.rate / 1e6, timing_text(timing_left(left, p->meter.rate), remaining));

	if (now->bad_bytes)
		snprintf(text + len, room - (size_t)len, ", %s failed",
			units_bytes_text(now->bad_bytes, bytes));
}

void progress_tick(struct progress *p, const struct copy_progress *now)
{
	char text[160];

	rate_meter_feed(
		&p->meter, now->out_bytes ? now->out_bytes : now->in_bytes, now->elapsed_ns);
	progress_text(p, now, text, sizeof(text));
	if (p->on_terminal) {
		fprintf(stderr, "\r%-78s", text);
		p->shown = true;
	} else {
		fprintf(stderr, "%s\n", text);
	}
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputc('\n', stderr);
	p->shown = false;
}
