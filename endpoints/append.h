/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regular files that are appended to, as by the shell's >>: each write goes behind what the file
 * has then (O_APPEND), so that others may append to it meanwhile and nothing is overwritten. Where
 * a byte comes to lie is known to nobody before: inline and sequential, no zeros are left out, and
 * offsets are those from where the run began, in messages only. (file_open() with END_APPEND knows
 * the places, and the file is its own.)
 *
 * Nothing is ever cut: what lies behind the copy is somebody else's.
 */
#ifndef ENDPOINTS_APPEND_H
#define ENDPOINTS_APPEND_H

#include "file.h"

/* As file_open(), of a destination that is a regular file or is to become one. */
struct endpoint *append_open(const struct file_params *p, int *exit_status) MUST_CHECK;

#endif
