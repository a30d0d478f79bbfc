/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends that are no device: the sink that discards (of=/dev/null, of=.), and generated
 * sources: one repeated byte (00, ff) or a pattern (core/pattern.h), of which what stands at a
 * place depends on the place alone. All are inline and keep no file.
 */
#ifndef ENDPOINTS_SYNTH_H
#define ENDPOINTS_SYNTH_H

#include "../core/pattern.h"
#include "endpoint.h"

/* name must outlive the endpoint. NULL with the reason said and *exit_status set. */
struct endpoint *synth_open_null(const char *name, int *exit_status) MUST_CHECK;
struct endpoint *synth_open_byte(const char *name, uint8_t byte, int *exit_status) MUST_CHECK;

/* *p is copied. */
struct endpoint *synth_open_pattern(
	const char *name, const struct pattern *p, int *exit_status) MUST_CHECK;

/*
 * The block length of the destination, 0 where it has none, before the first transfer: stamps are
 * of that length where they can be, else of 512 bytes. Only of a generated source.
 */
void synth_set_blocks(struct endpoint *ep, uint32_t block_bytes);

/* What a generated source makes; it lives as long as ep. */
const struct pattern *synth_pattern(const struct endpoint *ep);

#endif
