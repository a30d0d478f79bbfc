/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which flags of iflag= and oflag= an end heeds. What it can do nothing with is harmless there and
 * taken, as dd and sgm_dd take it; or it matters, and is refused before anything is opened.
 */
#ifndef ENDFLAGS_H
#define ENDFLAGS_H

#include "endpoints/endpoint.h"

/* Disks are not among them: sg.h, aio.h and ends.c say what becomes of their flags. */
enum end_form {
	FORM_FILE,	  /* a regular file by its name */
	FORM_STREAM,	  /* a pipe, terminal, character device, a file that tells no size */
	FORM_STREAM_FILE, /* standard input or output, and a regular file */
	FORM_STREAM_DISK, /* likewise, and a block node */
};

/* enum end_flags of an end of that form; 0, or EXIT_CONTRADICT with the reason said. */
int endflags_check(
	const char *name, enum end_form form, enum end_role role, unsigned flags) MUST_CHECK;

#endif
