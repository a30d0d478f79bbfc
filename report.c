/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All figures come from what replies said, none from what was asked. The rate is of the transfers;
 * the flush is timed apart, as sgm_dd leaves it out too.
 */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include "core/diag.h"
#include "core/units.h"
#include "timing.h"

struct records report_records(uint64_t bytes, uint32_t bs_bytes)
{
	return (struct records){ bytes / bs_bytes, bytes % bs_bytes != 0 };
}

static void print_records(uint64_t bytes, uint32_t bs_bytes, const char *way)
{
	struct records n = report_records(bytes, bs_bytes);

	diag_plain("%llu+%llu records %s", (unsigned long long)n.full,
		(unsigned long long)n.partial, way);
}

static void print_time(uint64_t bytes, nsec_t elapsed_ns)
{
	diag_plain("time to transfer data: %lld.%06lld secs at %.2f MB/sec",
		(long long)(elapsed_ns / NSEC_PER_SEC),
		(long long)(elapsed_ns % NSEC_PER_SEC / 1000),
		timing_rate(bytes, elapsed_ns) / 1e6);
}

/* Bytes that a CPU copied: those that were planned to be, and direct IO that did not happen. */
static uint64_t copied_bytes(const struct plan *p, const struct copy_result *r)
{
	uint64_t moved =
		counter_get(p->writes || p->job == JOB_COMPARE ? &r->out.bytes : &r->in.bytes);

	return moved * p->cpu_copies + counter_get(&r->in.not_direct_bytes) +
	       counter_get(&r->out.not_direct_bytes);
}

static const char *class_words(const struct endpoint *ep)
{
	if (ep->facts.cls == END_DIRECT_IO)
		return "O_DIRECT";
	return ep->facts.sequential ? "stream" : "page cache";
}

static void print_side(const char *way, const struct endpoint *ep, const struct lane_spec *spec,
	const struct plan *p, const struct counters *c)
{
	char chunk[UNITS_TEXT_ROOM], slipped[UNITS_TEXT_ROOM];
	uint64_t not_direct = counter_get(&c->not_direct_bytes);

	if (ep->facts.cls != END_DEVICE) {
		diag_plain("%-5s %s: %llu transfers of %s, qd %u, %s%s%s", way, ep->name,
			(unsigned long long)counter_get(&c->commands),
			units_bytes_text(p->chunk_bytes, chunk), p->depth, class_words(ep),
			not_direct ? "; not direct for " : "",
			not_direct ? units_bytes_text(not_direct, slipped) : "");
		return;
	}
	diag_plain("%-5s %s %s: %llu commands of %s, qd %u, %s%s by %s%s%s%s", way, ep->name,
		ep->identity, (unsigned long long)counter_get(&c->commands),
		units_bytes_text(p->chunk_bytes, chunk), p->depth, method_name(spec->method),
		spec->via == VIA_BLOCK ? " (block node)" : "",
		spec->io == IO_RW ? "write/read" : "SG_IO",
		not_direct ? "; direct IO not done for " : "",
		not_direct ? units_bytes_text(not_direct, slipped) : "",
		counter_get(&c->fell_back) ? "; fell back to indirect" : "");
}

static double seconds(nsec_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

static void print_costs(bool time_line, const struct plan *p, const struct copy_result *r)
{
	unsigned long long retries = counter_get(&r->in.retries) + counter_get(&r->out.retries);
	unsigned long long recovered =
		counter_get(&r->in.recovered) + counter_get(&r->out.recovered);
	unsigned long long lost =
		counter_get(&r->in.unrecovered) + counter_get(&r->out.unrecovered);
	char copied[UNITS_TEXT_ROOM], flush[64] = "";

	if (r->flushed)
		snprintf(flush, sizeof(flush), "; synchronize cache %.3f s", seconds(r->flush_ns));
	diag_plain(
		"CPU   %.3f s (user %.3f, system %.3f), copied by CPU %s; retries %llu, recovered "
		"%llu, unrecovered %llu%s%s",
		seconds(r->user_ns + r->system_ns), seconds(r->user_ns), seconds(r->system_ns),
		units_bytes_text(copied_bytes(p, r), copied), retries, recovered, lost, flush,
		time_line && r->elapsed_ns < NSEC_PER_SEC
			? "; shorter than 1 s: the rate says little"
			: "");
}

static const char *const out_words[] = {
	[JOB_COPY] = "out",
	[JOB_COMPARE] = "compared",
	[JOB_VERIFY] = "verified",
};

void report_end(const struct report_style *style, const struct plan *p, const struct span *s,
	const struct endpoint *in, const struct endpoint *out, const struct copy_result *r)
{
	uint64_t in_bytes = counter_get(&r->in.bytes);
	bool two_sides = p->writes || p->job == JOB_COMPARE;
	/* What the null sink got is what was read. */
	uint64_t out_bytes = two_sides ? counter_get(&r->out.bytes) : in_bytes;

	if (style->time_line)
		print_time(out_bytes, r->elapsed_ns);
	if (out_bytes < s->len_bytes && !s->open_ended)
		diag_plain("%s remaining block count=%llu",
			r->failed_end ? "Some error occurred, " : "Interrupted,",
			(unsigned long long)((s->len_bytes - out_bytes) / s->block_bytes));
	print_records(in_bytes, s->ibs_bytes, "in");
	print_records(out_bytes, s->obs_bytes, out_words[p->job]);
	if (!style->details)
		return;
	if (in->facts.block_bytes)
		print_side("read", in, &p->in, p, &r->in);
	if (two_sides)
		print_side(p->job == JOB_COPY ? "write" : "check", out, &p->out, p, &r->out);
	print_costs(style->time_line, p, r);
}

void report_midway(const struct span *s, bool writes, const struct copy_progress *now)
{
	uint64_t out_bytes = writes ? now->out_bytes : now->in_bytes;

	print_time(out_bytes, now->elapsed_ns);
	print_records(now->in_bytes, s->ibs_bytes, "in");
	print_records(out_bytes, s->obs_bytes, "out");
}
