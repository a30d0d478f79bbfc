/* SPDX-License-Identifier: BSD-2-Clause */
/* An exponentially weighted rate; a time constant of ten seconds. */
#include "timing.h"

#include <stdio.h>

#define METER_SECONDS 10.0

double timing_rate(uint64_t bytes, nsec_t elapsed_ns)
{
	return elapsed_ns > 0 ? (double)bytes * (double)NSEC_PER_SEC / (double)elapsed_ns : 0.0;
}

void rate_meter_feed(struct rate_meter *m, uint64_t total_bytes, nsec_t elapsed_ns)
{
	nsec_t gap_ns = elapsed_ns - m->last_ns;
	double rate, weight;

	if (gap_ns <= 0 || total_bytes < m->last_bytes)
		return;
	rate = timing_rate(total_bytes - m->last_bytes, gap_ns);
	weight = (double)gap_ns / (double)NSEC_PER_SEC / METER_SECONDS;
	if (!m->started || weight > 1.0)
		weight = 1.0;
	m->rate += (rate - m->rate) * weight;
	m->started = true;
	m->last_bytes = total_bytes;
	m->last_ns = elapsed_ns;
}

nsec_t timing_left(uint64_t left_bytes, double rate)
{
	double seconds;

	if (rate <= 0.0)
		return left_bytes == 0 ? 0 : -1;
	seconds = (double)left_bytes / rate;
	return seconds < 1e9 ? (nsec_t)(seconds * (double)NSEC_PER_SEC) : -1;
}

char *timing_text(nsec_t ns, char *text)
{
	long long s = ns / NSEC_PER_SEC;

	if (ns < 0)
		snprintf(text, TIMING_TEXT_ROOM, "-:--");
	else if (s < 3600)
		snprintf(text, TIMING_TEXT_ROOM, "%lld:%02lld", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, TIMING_TEXT_ROOM, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60,
			s % 60);
	else
		snprintf(text, TIMING_TEXT_ROOM, "%lldd%02lld:%02lld:%02lld", s / 86400,
			s / 3600 % 24, s / 60 % 60, s % 60);
	return text;
}
