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

/* As if it had been written, with the zeros behind the end of the source. */
static uint64_t out_to_nowhere(const struct span *s, const struct copy_result *r)
{
	uint64_t in_bytes = counter_get(&r->side[0].count.bytes);

	return r->source_ended || in_bytes == s->len_bytes ? span_written(s, in_bytes) : in_bytes;
}

/* What reached all of those that were to get it; what the null sink got is what was read. */
static uint64_t least_out(
	const struct sides *sides, const struct span *s, const struct copy_result *r)
{
	uint64_t least = UINT64_MAX;

	for (unsigned side = 1; side < sides->n; side++)
		if (side_moves(sides, side))
			least = min_u64(least, counter_get(&r->side[side].count.bytes));
	return least < UINT64_MAX ? least : out_to_nowhere(s, r);
}

/* Whether a CPU copies what the side moves: of the plan's copies, this one is its own. */
static bool side_copies(const struct endpoint *ep, const struct lane_spec *spec)
{
	if (ep->facts.cls == END_DEVICE)
		return spec->method == METHOD_INDIRECT;
	return ep->facts.cls == END_BUFFERED;
}

/* Without the zeros that were not written. */
static uint64_t written_bytes(const struct counters *c)
{
	uint64_t bytes = counter_get(&c->bytes);

	return bytes - min_u64(bytes, counter_get(&c->holes));
}

/* What reached any of them: one copy that is of no side, from buffer to buffer, was made of it. */
static uint64_t most_out(const struct sides *sides, const struct copy_result *r)
{
	uint64_t most = 0;

	for (unsigned side = 1; side < sides->n; side++)
		most = max_u64(most, counter_get(&r->side[side].count.bytes));
	return most;
}

/*
 * Bytes that a CPU copied: what each side moved whose own copy was planned, be it dropped later,
 * and direct IO that did not happen.
 */
static uint64_t copied_bytes(
	const struct plan *p, const struct sides *sides, const struct copy_result *r)
{
	unsigned others = p->cpu_copies;
	uint64_t copied = 0;

	for (unsigned side = 0; side < sides->n; side++) {
		const struct counters *c = &r->side[side].count;

		if (others > 0 && side_copies(sides->end[side], &p->side[side])) {
			copied += written_bytes(c);
			others--;
		}
		copied += counter_get(&c->not_direct_bytes);
	}
	return copied + others * most_out(sides, r);
}

static const char *class_words(const struct endpoint *ep)
{
	if (ep->facts.cls == END_DIRECT_IO)
		return "O_DIRECT";
	if (ep->facts.cls == END_MAPPED)
		return "mapped";
	return ep->facts.sequential ? "stream" : "page cache";
}

/* What else there is to say of a side: "; TEXT 3 MiB" where it is not 0. */
static void add_note(char *notes, size_t room, const char *text, uint64_t bytes)
{
	char amount[UNITS_TEXT_ROOM];
	size_t at = strlen(notes);

	if (bytes)
		snprintf(notes + at, room - at, "; %s %s", text, units_bytes_text(bytes, amount));
}

static void print_side(const char *way, const struct endpoint *ep, const struct lane_spec *spec,
	const struct plan *p, const struct counters *c)
{
	char chunk[UNITS_TEXT_ROOM], notes[200] = "";
	uint64_t not_direct = counter_get(&c->not_direct_bytes);
	unsigned long long commands = counter_get(&c->commands);

	units_bytes_text(p->chunk_bytes, chunk);
	add_note(notes, sizeof(notes),
		spec->holes == HOLES_TRIM ? "zeros trimmed" : "zeros left out",
		counter_get(&c->holes));
	if (ep->facts.cls != END_DEVICE) {
		add_note(notes, sizeof(notes), "not direct for", not_direct);
		diag_plain("%-5s %s: %llu transfers of %s, qd %u, %s%s", way, ep->name, commands,
			chunk, p->depth, class_words(ep), notes);
		return;
	}
	add_note(notes, sizeof(notes), "direct IO not done for", not_direct);
	diag_plain("%-5s %s %s: %llu commands of %s, qd %u, %s%s by %s%s%s%s", way, ep->name,
		ep->identity, commands, chunk, p->depth, method_name(spec->method),
		spec->via == VIA_BLOCK ? " (block node)" : "",
		spec->io == IO_RW ? "write/read" : "SG_IO", notes,
		counter_get(&c->fell_back) ? "; fell back to indirect" : "",
		counter_get(&c->other_cdb) ? "; command of another size than planned" : "");
}

static double seconds(nsec_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

/* Flushes run side by side: the longest is what was waited for. */
static void flush_text(
	const struct sides *sides, const struct copy_result *r, char *text, size_t room)
{
	nsec_t longest = -1;

	text[0] = '\0';
	for (unsigned side = 1; side < sides->n; side++)
		if (r->side[side].flushed && r->side[side].flush_ns > longest)
			longest = r->side[side].flush_ns;
	if (longest >= 0)
		snprintf(text, room, "; synchronize cache %.3f s", seconds(longest));
}

static void print_costs(bool time_line, const struct plan *p, const struct sides *sides,
	const struct copy_result *r)
{
	char copied[UNITS_TEXT_ROOM], flush[64];
	struct counters sum = { 0 };

	for (unsigned side = 0; side < sides->n; side++)
		counters_add(&sum, &r->side[side].count);
	flush_text(sides, r, flush, sizeof(flush));
	diag_plain(
		"CPU   %.3f s (user %.3f, system %.3f), copied by CPU %s; retries %llu, recovered "
		"%llu, unrecovered %llu%s%s",
		seconds(r->user_ns + r->system_ns), seconds(r->user_ns), seconds(r->system_ns),
		units_bytes_text(copied_bytes(p, sides, r), copied),
		(unsigned long long)counter_get(&sum.retries),
		(unsigned long long)counter_get(&sum.recovered),
		(unsigned long long)counter_get(&sum.unrecovered), flush,
		time_line && r->elapsed_ns < NSEC_PER_SEC
			? "; shorter than 1 s: the rate says little"
			: "");
}

static const char *const out_words[] = {
	[JOB_COPY] = "out",
	[JOB_COMPARE] = "compared",
	[JOB_VERIFY] = "verified",
};

static void print_sides(
	const struct plan *p, const struct sides *sides, const struct copy_result *r)
{
	for (unsigned side = 0; side < sides->n; side++) {
		const struct endpoint *ep = sides->end[side];
		const char *way =
			p->job == JOB_COPY && !side_is_check(sides, side) ? "write" : "check";

		if (side == 0 && !ep->facts.block_bytes)
			continue;
		if (side_moves(sides, side))
			print_side(
				side ? way : "read", ep, &p->side[side], p, &r->side[side].count);
	}
}

/* What is missing then is not what remains: it was told as lost. */
static bool went_through(const struct copy_result *r)
{
	bool told = r->losses || r->before_bytes || r->bad_bytes;

	return told && !r->failed && !r->signal && !r->limit;
}

/* A part of a block is one that remains. */
static void print_remaining(const struct span *s, const struct copy_result *r, uint64_t bytes)
{
	uint64_t blocks = bytes / s->block_bytes + (bytes % s->block_bytes != 0);

	diag_plain("%s remaining block count=%llu",
		r->failed || r->limit ? "Some error occurred, " : "Interrupted,",
		(unsigned long long)blocks);
}

void report_end(const struct report_style *style, const struct plan *p, const struct span *s,
	const struct sides *sides, const struct copy_result *r)
{
	uint64_t in_bytes = counter_get(&r->side[0].count.bytes);
	uint64_t out_bytes = least_out(sides, s, r);

	if (style->time_line)
		print_time(out_bytes, r->elapsed_ns);
	if (out_bytes + r->before_bytes < s->len_bytes && !s->open_ended && !went_through(r))
		print_remaining(s, r, s->len_bytes - out_bytes - r->before_bytes);
	print_records(in_bytes, s->ibs_bytes, "in");
	print_records(out_bytes, s->obs_bytes, out_words[p->job]);
	if (!style->details)
		return;
	print_sides(p, sides, r);
	print_costs(style->time_line, p, sides, r);
}

void report_midway(const struct span *s, bool writes, const struct copy_progress *now)
{
	uint64_t out_bytes = writes ? now->out_bytes : now->in_bytes;

	print_time(out_bytes, now->elapsed_ns);
	print_records(now->in_bytes, s->ibs_bytes, "in");
	print_records(out_bytes, s->obs_bytes, "out");
}
