/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run does about errors, as the user asked for it (coe=, maxbad=, map=, badblocks=, -R,
 * minrate=), between options, the ends, the engine's map and the file it is kept in. Says what is
 * wrong; ints are exit statuses, 0: good.
 */
#ifndef RESCUE_H
#define RESCUE_H

#include "run.h"

struct policy rescue_policy(const struct options *o);

/*
 * Before the ends are opened: a map that tells of progress keeps a file from being truncated, and
 * what badblocks= names must be a file.
 */
int rescue_read(struct run *r, struct options *o, int argc, const char *const *argv) MUST_CHECK;

/* When they are open and the span is known: whether these ends can do it, and are the map's. */
int rescue_check(struct run *r) MUST_CHECK;

/* Before anything is created or written: whether both can be saved. */
int rescue_try_save(struct run *r) MUST_CHECK;

/* Before and after copy_run(). */
void rescue_set_map(struct run *r);
void rescue_take_map(struct run *r);

/*
 * What was written and is to be verified becomes *todo, where that is not all: what is bad, or was
 * not done, is left out.
 */
int rescue_todo(const struct run *r, struct ranges *todo, bool *has_todo) MUST_CHECK;

/*
 * The map that is kept, in which a run that has verified has noted its differences: what is done no
 * more is told, and saved, so that the same command copies it once more.
 */
void rescue_save_differences(struct run *r, struct differences *d);

/* When all is over: the list of bad blocks, the lock of the map. exit_status, or what failed. */
int rescue_end(struct run *r, int exit_status) MUST_CHECK;

#endif
