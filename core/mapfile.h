/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GNU ddrescue's mapfile ("Mapfile structure" in its manual): which bytes of the input are moved,
 * which failed, as text. Positions are bytes of the input from 0, whatever part of it a run copies.
 *
 * What only we need is in comments, "# sgmmcp: key=value", one a line, texts escaped as in
 * textout.h, numbers decimal:
 *
 *     serial=  unit_id=            of the input disk, as it tells them
 *     block_bytes=  size_bytes=    of the input
 *     skip_bytes=  seek_bytes=     where the run begins in the input and in the output
 *     out_serial=  out_unit_id=    of the output disk, as it tells them
 *     pattern=  seed=              of generated data: what (pattern_name()), and which of it
 *
 * ddrescue and ddrescuelog read such a map, and drop all comments when they save it: facts that are
 * absent say nothing against a map. We drop all comments but these, too, and facts whose key we do
 * not know.
 *
 * Read are ddrescue's own maps and hand-made ones: integers in decimal, 0x hexadecimal or 0 octal,
 * up to 2^63-1; a missing pass number is 1; a comment behind white space in any line; line ends of
 * either kind, the last one may be missing. A map whose first block is not at 0 is of a partial
 * copy: what is before is untried, as it is for ddrescue.
 *
 * Refused is all else: no status line, no block, gaps, overlaps, blocks without bytes, unknown
 * statuses, a word too many, a NUL byte, a line that says something in more than MAPFILE_LINE_MAX
 * bytes (mere comments may be longer), a fact that comes twice or has no valid value.
 *
 * WRITTEN ranges are printed as untried: only what was flushed is '+'. All functions are free of
 * hidden state; ranges belong to the struct mapfile.
 */
#ifndef CORE_MAPFILE_H
#define CORE_MAPFILE_H

#include "ranges.h"
#include "replace.h"

#define MAPFILE_LINE_MAX  4096
#define MAPFILE_TEXT_ROOM 160
#define MAPFILE_SIZE_MAX  INT64_MAX /* the largest total that ddrescue can read */

enum mapfile_fact {
	MAPFILE_SERIAL,
	MAPFILE_UNIT_ID,
	MAPFILE_BLOCK,
	MAPFILE_SIZE,
	MAPFILE_SKIP,
	MAPFILE_SEEK,
	MAPFILE_OUT_SERIAL,
	MAPFILE_OUT_UNIT_ID,
	MAPFILE_PATTERN,
	MAPFILE_SEED,
	MAPFILE_FACTS
};

struct mapfile_facts {
	unsigned known; /* bit 1 << enum mapfile_fact: those that are there */
	char serial[MAPFILE_TEXT_ROOM], unit_id[MAPFILE_TEXT_ROOM];
	char out_serial[MAPFILE_TEXT_ROOM], out_unit_id[MAPFILE_TEXT_ROOM];
	char pattern[MAPFILE_TEXT_ROOM];
	uint64_t block_bytes, size_bytes, skip_bytes, seek_bytes, seed;
};

/* "serial", "block_bytes": for a message about one that does not match. */
const char *mapfile_fact_name(enum mapfile_fact fact);

struct mapfile {
	struct mapfile_facts facts;
	struct ranges ranges;
	uint64_t begin_bytes; /* read only: where the first block of the file began */
	/* ddrescue's status line: place and phase ("?*\/-FG+") and number of the pass, from 1 */
	uint64_t pos_bytes;
	char phase;
	unsigned pass;
};

struct mapfile_error {
	unsigned long line; /* from 1; 0: not about a line */
	int err;	    /* errno value: EINVAL for the text, ENOMEM, or of the system call */
	const char *what;   /* static text */
};

/*
 * The len bytes of text become *m, which must own nothing before. False: *m is left alone and
 * *error tells the first thing wrong.
 */
bool mapfile_parse(
	const char *text, size_t len, struct mapfile *m, struct mapfile_error *error) MUST_CHECK;

/*
 * The same for a file; error->err is ENOENT where there is none, ENOTSUP for anything that is not
 * a regular file, ELOOP for a symbolic link (replace_file() would not replace what it points to).
 * Nothing is tried instead of a file that cannot be read: FILE.bak is the caller's choice.
 */
bool mapfile_load(const char *path, struct mapfile *m, struct mapfile_error *error) MUST_CHECK;

/*
 * heading: lines of text without '#' and newline, for people, NULL at the end of the list; or NULL.
 * The first one should be "Mapfile. Created by ...". Other than visible ASCII and blanks is shown
 * as '?'.
 */
void mapfile_print(const struct mapfile *m, const char *const *heading, struct textout *t);

/*
 * Saves to path, the old file as path.bak, as replace_file() does. EINVAL, and nothing done: a map
 * of no bytes or of more than MAPFILE_SIZE_MAX, or a status line that could not be read again.
 */
int mapfile_save(const char *path, const struct mapfile *m, const char *const *heading,
	enum replace_step *step) MUST_CHECK;

void mapfile_destroy(struct mapfile *m);

#endif
