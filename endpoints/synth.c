/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Repeated bytes are stored once per buffer, not once per chunk: nothing else writes into a slot's
 * buffer when its source is generated, so what was filled stays filled, as long as the period
 * begins at the same byte. But behind what was asked for last there may be the zeros that fill a
 * last block, which need not be the last one that comes.
 */
#include "synth.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/diag.h"
#include "../core/status.h"

struct synth_end {
	struct endpoint ep;	/* first */
	struct pattern pattern; /* of a source */
};

struct synth_lane {
	struct lane lane;   /* first */
	const void *filled; /* the buffer that holds repeated bytes, up to filled_bytes */
	uint32_t filled_bytes;
	unsigned filled_phase; /* the first of them, an index in the period */
};

static int synth_probe(struct endpoint *ep, uint32_t want_bytes, uint64_t at_bytes)
{
	(void)at_bytes;
	ep->facts.max_xfer_bytes = want_bytes;
	return 0;
}

static struct lane *synth_lane_open(struct endpoint *ep, const struct lane_spec *spec)
{
	struct synth_lane *l = calloc(1, sizeof(*l));

	assert(!spec->own_buffer);
	if (!l) {
		diag_errno(ep->name, ENOMEM, "no lane");
		ep->exit_status = exit_status_from_errno(ENOMEM);
		return NULL;
	}
	l->lane.ep = ep;
	return &l->lane;
}

static void synth_lane_close(struct lane *lane)
{
	free(lane);
}

static void fill(const struct pattern *p, const struct xfer *x)
{
	pattern_fill(p, x->offset_bytes, x->buf, x->len_bytes);
}

static void fill_once(struct synth_lane *l, const struct pattern *p, const struct xfer *x)
{
	unsigned phase = (unsigned)(x->offset_bytes % p->bytes_len);

	if (l->filled != x->buf || l->filled_bytes < x->len_bytes || l->filled_phase != phase)
		fill(p, x);
	l->filled = x->buf;
	l->filled_bytes = x->len_bytes;
	l->filled_phase = phase;
}

static enum xfer_state synth_submit(struct lane *lane, struct xfer *x)
{
	struct synth_lane *l = (struct synth_lane *)lane;
	const struct synth_end *e = (const struct synth_end *)lane->ep;

	assert((x->op == XFER_WRITE) == (lane->ep->role == END_DEST));
	if (x->op == XFER_READ && e->pattern.kind == PATTERN_BYTES)
		fill_once(l, &e->pattern, x);
	else if (x->op == XFER_READ)
		fill(&e->pattern, x);
	x->done_bytes = x->len_bytes;
	x->notes = 0;
	x->fault.kind = FAULT_NONE;
	return XFER_DONE;
}

static void synth_reap(struct lane *lane, struct xfer *x)
{
	(void)lane;
	(void)x;
	assert(0 && "inline");
}

static bool synth_flush(struct endpoint *ep, struct fault *f)
{
	(void)ep;
	memset(f, 0, sizeof(*f));
	return true;
}

static void synth_describe(const struct endpoint *ep, const struct xfer *x, char *text, size_t room)
{
	snprintf(text, room, "%s at byte %llu: %s", ep->facts.kind,
		(unsigned long long)x->offset_bytes, fault_kind_name(x->fault.kind));
}

static void synth_close(struct endpoint *ep)
{
	free(ep);
}

static const struct endpoint_ops synth_ops = {
	.probe = synth_probe,
	.lane_open = synth_lane_open,
	.lane_close = synth_lane_close,
	.submit = synth_submit,
	.reap = synth_reap,
	.flush = synth_flush,
	.close = synth_close,
	.describe = synth_describe,
};

static struct synth_end *synth_open(
	const char *name, enum end_role role, const char *kind, int *exit_status)
{
	struct synth_end *e = calloc(1, sizeof(*e));

	if (!e) {
		diag_errno(name, ENOMEM, "cannot open");
		*exit_status = exit_status_from_errno(ENOMEM);
		return NULL;
	}
	e->ep.ops = &synth_ops;
	e->ep.name = name;
	e->ep.role = role;
	e->ep.identity = "";
	e->ep.facts.kind = kind;
	e->ep.facts.cls = END_SYNTH;
	e->ep.facts.size_bytes = SIZE_UNKNOWN;
	return e;
}

struct endpoint *synth_open_null(const char *name, int *exit_status)
{
	struct synth_end *e = synth_open(name, END_DEST, "null", exit_status);

	return e ? &e->ep : NULL;
}

static struct endpoint *open_source(
	const char *name, const char *kind, const struct pattern *p, int *exit_status)
{
	struct synth_end *e = synth_open(name, END_SOURCE, kind, exit_status);

	if (!e)
		return NULL;
	e->pattern = *p;
	synth_set_blocks(&e->ep, 0);
	return &e->ep;
}

struct endpoint *synth_open_byte(const char *name, uint8_t byte, int *exit_status)
{
	const struct pattern p = { .kind = PATTERN_BYTES, .bytes = { byte }, .bytes_len = 1 };

	return open_source(name, byte ? "ones" : "zeros", &p, exit_status);
}

struct endpoint *synth_open_pattern(const char *name, const struct pattern *p, int *exit_status)
{
	static const char *const kinds[] = { "pattern", "random", "stamps" };

	assert((unsigned)p->kind < ARRAY_SIZE(kinds));
	return open_source(name, kinds[p->kind], p, exit_status);
}

void synth_set_blocks(struct endpoint *ep, uint32_t block_bytes)
{
	struct synth_end *e = (struct synth_end *)ep;
	bool fits = block_bytes >= STAMP_BLOCK_MIN && block_bytes % 8 == 0;

	assert(ep->ops == &synth_ops && ep->role == END_SOURCE);
	e->pattern.block_bytes = fits ? block_bytes : 512;
}

const struct pattern *synth_pattern(const struct endpoint *ep)
{
	assert(ep->ops == &synth_ops && ep->role == END_SOURCE);
	return &((const struct synth_end *)ep)->pattern;
}
