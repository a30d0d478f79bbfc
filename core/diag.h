/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words for the user, one line each, on stderr: "sgmmcp: OBJECT: WHAT: WHY (WHAT TO DO)".
 *
 * Whoever knows the object's name and the reason speaks, once; callers pass the failure on in
 * silence. Each call is one write(2), so lines of several threads do not mix. A message too long
 * for one line buffer (4 KiB) is cut, never split; control bytes that come from users or devices
 * are shown as '?'.
 */
#ifndef CORE_DIAG_H
#define CORE_DIAG_H

#include "base.h"

/* object may be NULL: "sgmmcp: WHAT". */
void diag(const char *object, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* As diag(), then ": " and strerror(err). */
void diag_errno(const char *object, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The text alone and a newline, no program name: reports, the plan. */
void diag_plain(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
