/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends that are no device: the sink that discards (of=/dev/null, of=.), and generated sources of
 * one repeated byte (00, ff). Both are inline and keep no file.
 */
#ifndef ENDPOINTS_SYNTH_H
#define ENDPOINTS_SYNTH_H

#include "endpoint.h"

/* name must outlive the endpoint. NULL with the reason said and *exit_status set. */
struct endpoint *synth_open_null(const char *name, int *exit_status) MUST_CHECK;
struct endpoint *synth_open_byte(const char *name, uint8_t byte, int *exit_status) MUST_CHECK;

#endif
