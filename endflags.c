/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table has what is refused. Heeded are, of
 *
 * - a file: direct, mmap, flock, append, dsync, sync, nocache, excl and nocreat of a destination,
 *   sparse, trim, force;
 * - a stream: append, sparse and trim where it is a file; direct where it is a file or a disk;
 *   force.
 *
 * The others are taken without effect: nodirect, dpo, fua, start, for there are no commands; nofill
 * of a stream, which has no place to leave as it is, and zeros are written; sparse and trim where
 * there are no holes, zeros are written likewise; append of a pipe, which has nothing but its end;
 * nocreat of a stream, which is there; nocache, an advice; dsync and sync of a stream, which dd
 * cannot have either: standard output is flushed at the end; what is of destinations, of a source.
 */
#include "endflags.h"

#include "core/diag.h"
#include "core/status.h"

#define FORM(form) (1u << (form))
#define STREAMS	   (FORM(FORM_STREAM) | FORM(FORM_STREAM_FILE) | FORM(FORM_STREAM_DISK))
#define ROLE(role) (1u << (role))
#define EITHER	   (ROLE(END_SOURCE) | ROLE(END_DEST))

static const struct {
	unsigned flag, forms, roles;
	const char *why;
} refused[] = {
	{ END_SGIO, STREAMS | FORM(FORM_FILE), EITHER,
		"sgio needs the block node of a SCSI disk, by its name (leave sgio out)" },
	{ END_MMAP, STREAMS, EITHER,
		"only a file that is given by its name is mapped (leave mmap out)" },
	{ END_DIRECT, FORM(FORM_STREAM), EITHER, "a stream has no direct IO (leave direct out)" },
	{ END_EXCL, STREAMS, EITHER,
		"excl cannot be had of what is open already, or a stream (leave excl out)" },
	{ END_FLOCK, STREAMS, EITHER, "a stream is not locked (leave flock out)" },
	{ END_APPEND, FORM(FORM_STREAM_DISK), ROLE(END_DEST),
		"is a block device: there is nothing behind its end to append to" },
};

int endflags_check(const char *name, enum end_form form, enum end_role role, unsigned flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (flags & refused[i].flag && refused[i].forms & FORM(form) &&
			refused[i].roles & ROLE(role)) {
			diag(name, "%s", refused[i].why);
			return EXIT_CONTRADICT;
		}
	return 0;
}
