/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replaces a file by new contents so that, whenever the program or the machine stops, the name
 * stands for the whole old file or the whole new one.
 *
 * The new text goes to PATH.sgmmcp-new (made anew; what a crash left there is removed), is flushed
 * and renamed. The old file becomes PATH.bak before that, if wanted: a second link to it, or a
 * copy on file systems without links; there is no moment without PATH. Then the folder is
 * flushed. Links are never followed: a PATH that is a symbolic link or anything else that is not a
 * regular file is refused, and a symbolic link at the other two names is replaced itself. Owner
 * and permissions of an old file are kept where that is allowed.
 *
 * Two at once for the same PATH disturb each other: lock elsewhere. Allocates no memory; blocks on
 * the disk. Nothing is kept between calls.
 */
#ifndef CORE_REPLACE_H
#define CORE_REPLACE_H

#include "textout.h"

/* The names that belong to PATH. */
#define REPLACE_NEW_SUFFIX     ".sgmmcp-new"
#define REPLACE_BAK_SUFFIX     ".bak"
#define REPLACE_BAK_NEW_SUFFIX ".bak.sgmmcp-new"

enum replace_step {
	REPLACE_FOLDER, /* opening the folder; also a name too long */
	REPLACE_LOOK,	/* at what there is: ELOOP: a symbolic link; ENOTSUP: no regular file */
	REPLACE_CREATE,
	REPLACE_WRITE,
	REPLACE_FLUSH,
	REPLACE_BACKUP,
	REPLACE_RENAME,
	REPLACE_FLUSH_FOLDER, /* the name already stands for the new file */
};

/* "cannot write the new file": for a message, before strerror(). */
const char *replace_step_text(enum replace_step step);

/* Prints the contents; arg is the caller's. */
typedef void replace_print_fn(struct textout *t, const void *arg);

/*
 * 0, or an errno value and *step where it arose: then PATH is as it was (but see
 * REPLACE_FLUSH_FOLDER), and the unfinished new file is removed.
 */
int replace_file(const char *path, bool keep_old, replace_print_fn *print, const void *arg,
	enum replace_step *step) MUST_CHECK;

/*
 * Whether replace_file() would come as far as its new file, and nothing is changed: 0, or as it
 * says. tries: one is created and removed again; else that step is left out.
 */
int replace_check(const char *path, bool tries, enum replace_step *step) MUST_CHECK;

#endif
