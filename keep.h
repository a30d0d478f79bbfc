/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The map file of a run (map=FILE): read before it, held against it, saved while it goes on; and
 * the list of bad blocks (badblocks=FILE). In this order:
 *
 *	keep_read()		before the ends are opened; keep_check_list()
 *	keep_has_progress()	then the destination is not to be truncated
 *	keep_check(), keep_say()
 *	keep_try_save()		before anything is created, truncated or written; keep_try_list()
 *	keep_save() ...		while the run goes on, and once when it has ended
 *	keep_badblocks()
 *	keep_close()
 *
 * A dry run leaves out what saves: the others change nothing on any disk.
 *
 * Two runs at once would each save what only they know. So keep_try_save() takes flock() on
 * FILE.sgmmcp-lock, made for that and removed by keep_close(), and then sees that FILE is still the
 * one that was read. Not on FILE: each save puts another file in its place. Not on its folder:
 * maps of many disks lie in one. A socket in the abstract namespace would leave nothing behind
 *after a crash, but any user can take its name first, and other network namespaces and hosts do not
 * see it. What a crash leaves is an empty file that locks nothing and that the next run removes.
 *
 * What is wrong is said in one line (core/diag.h) where it is found; statuses are those of
 * core/status.h, 0: good. Main thread, but for keep_save().
 */
#ifndef KEEP_H
#define KEEP_H

#include <sys/types.h>
#include <time.h>

#include "core/mapfile.h"
#include "core/pattern.h"
#include "endpoints/endpoint.h"

#define KEEP_COMMAND_ROOM 1000

/* What a disk tells of itself; "" where not told, and of all that is no disk. */
struct keep_unit {
	char serial[MAPFILE_TEXT_ROOM], unit_id[MAPFILE_TEXT_ROOM];
};

/* The run, as it is known when the ends are open. */
struct keep_about {
	const char *in_name, *out_name; /* for messages */
	struct keep_unit in_unit, out_unit;
	uint32_t block_bytes;	/* of the source; 0: none (a file) */
	uint64_t in_size_bytes; /* SIZE_UNKNOWN where not known */
	/* The span: where it begins in the source and in the destination, how long it is. */
	uint64_t in_bytes, out_bytes, len_bytes;
	/*
	 * Of the destination now, the smallest of several; SIZE_UNKNOWN: no limit, or not known.
	 * A file that zeros were left out of must have been made as long as what is DONE says
	 * before that was saved, or a run that was killed cannot be taken up again.
	 */
	uint64_t out_size_bytes;
	/* Of generated data, as pattern_name() has it; else "". */
	char pattern[PATTERN_NAME_ROOM];
	bool has_seed;
	uint64_t seed;
};

/* FILE as it was when it was read: each save is another file. */
struct keep_seen {
	bool is_there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

/* Callers read path, exists and map.ranges; all else is keep.c's own. */
struct keep {
	const char *path;
	struct mapfile map; /* its ranges: positions in the source, from 0 */
	bool exists;	    /* there was a map to be read */
	char command[KEEP_COMMAND_ROOM];
	struct keep_seen seen;
	uint64_t from_bytes, to_bytes; /* the span, in the source */
	bool is_saved;		       /* there is a map that a failing save leaves in place */
	int err;		       /* errno of the last save; 0: good */
	enum replace_step step;	       /* where it failed */
	int status;		       /* its exit status */
	bool is_locked;
	int lock_fd;
};

/*
 * Reads path, which must live as long as *k; none there is a new map. A damaged map is refused, and
 * FILE.bak named if that is whole: which of the two is right, only the user can say. *k is
 * overwritten; keep_close() either way.
 */
int keep_read(struct keep *k, const char *path) MUST_CHECK;

/*
 * The command line for the map's heading, where ddrescue has it, too; cut where it is long. After
 * keep_read(). argv may go afterwards.
 */
void keep_set_command(struct keep *k, int argc, const char *const *argv);

/* Something was tried: the destination must not be truncated. */
bool keep_has_progress(const struct keep *k);

/*
 * The map against the run, EXIT_CONTRADICT where it is that of another one:
 *
 * - a fact of the map is not that of the run, or the run does not tell it: a map that names the
 *   disk it was copied to is that of no other disk and of no file; facts that the map does not
 *   have (ddrescue's have none) say nothing against it;
 * - the map is longer than the source, or has no byte in common with the span;
 * - something DONE ends past the end of the destination: that is not the one it was copied to;
 * - the run goes past MAPFILE_SIZE_MAX.
 *
 * Otherwise the map gets the facts of the run, and untried bytes at its end up to the end of the
 * source (of unknown size: of the span). A new map is untried as a whole.
 */
int keep_check(struct keep *k, const struct keep_about *about) MUST_CHECK;

/*
 * Takes the lock (EXIT_FLOCK where another run has it, or has saved since keep_read()) and saves
 * the map once as it is: a folder that nothing can be written to, or a full disk, is known before
 * the run. After keep_check().
 */
int keep_try_save(struct keep *k) MUST_CHECK;

/*
 * Saves now, of the same total as map.ranges, in place of what the file has: WRITTEN is untried
 * there, so the destinations are flushed, and what that settled is DONE, before. phase is
 * ddrescue's: '?' copying, '*' trimming, '/' scraping, '-' retrying, '+' finished. The position
 * that goes with it is the first untried byte of the span, or its end.
 *
 * A failure is said, and the file as it was; the next ones in a row only where the reason is
 * another, and a success after them. The caller goes on, and asks keep_status() at the end. A map
 * of no bytes (of an empty source) has no form as a file: nothing is done, which is a success.
 *
 * Any thread, one at a time. Blocks on the disk that FILE is on.
 */
bool keep_save(struct keep *k, const struct ranges *now, char phase);

/* Of the last save: 0, or the exit status. Not while a keep_save() is on. */
int keep_status(const struct keep *k);

/*
 * Whether the list can be made there: what the path is, and, before anything is created or written,
 * whether a file can be made beside it. That it is a file of an end or of the map is not seen here.
 */
int keep_check_list(const char *path) MUST_CHECK;
int keep_try_list(const char *path) MUST_CHECK;

/*
 * The blocks of [from_bytes, to_bytes) (UINT64_MAX: to the end) that have a byte in a BAD range, as
 * badblocks(8) lists them, to the file path, which is replaced. block_bytes 0 stands for 512.
 */
int keep_badblocks(const char *path, const struct ranges *r, uint64_t from_bytes, uint64_t to_bytes,
	uint32_t block_bytes) MUST_CHECK;

/*
 * One line on what there is, of the span, if anything was tried: "sgmmcp: disk.map: going on:
 * 37 GiB of 40 GiB done, 2.9 GiB untried, 2 failed ranges (1 MiB), 3 bad ranges (5 KiB)". After
 * keep_check().
 */
void keep_say(const struct keep *k, const struct keep_about *about);

/*
 * Whether both names are, or would be, of one file: whatever way leads there. keep_*() put another
 * file in the place of theirs, so that of an end must not be it.
 */
bool keep_same_file(const char *a, const char *b);

/*
 * Whether path is of one of the files that keep_*() write, or remove, for this map: it, FILE.bak,
 * the new one of either (core/replace.h), the lock.
 */
bool keep_writes_to(const struct keep *k, const char *path);

/* Likewise for a list of bad blocks: it and its new one; and whether one of them is of this map. */
bool keep_list_writes_to(const char *list, const char *path);
bool keep_list_writes_to_map(const char *list, const struct keep *k);

/* Lets go of the lock and the ranges. Also of a *k of all zeros; twice is once. */
void keep_close(struct keep *k);

#endif
