/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What there is of a block that cannot be read, where a block of the destination may be several of
 * the source's: each of these is read by itself, and only what fails alone is bad.
 */
#ifndef ENGINE_PARTS_H
#define ENGINE_PARTS_H

#include "slot.h"

enum parts_news {
	PARTS_READY,	 /* to be written */
	PARTS_AS_BEFORE, /* nothing of a block that was bad before can be had that was not */
	PARTS_KEPT,	 /* the destinations have a part, from before, that cannot be had any more:
			  * the block cannot be written without losing that */
	PARTS_UNKNOWN,	 /* the run was told to end, or the source failed as a whole */
};

/*
 * Puts into s->aside, where there is one, what is to be written for the chunk, a block: the parts
 * of it that can be read (s->had), what READ LONG gives of others, else zeros. Where it has several
 * parts, each that cannot be had, and was not known to be bad, is told as a loss here. Blocks; the
 * worker's thread.
 */
enum parts_news parts_gather(struct slot *s) MUST_CHECK;

/* Whether the chunk has several: then its losses have been told. */
bool parts_are_several(const struct slot *s);

/*
 * What was had is that (RANGE_WRITTEN; RANGE_FAILED: left), the rest of the chunk is bad, but for
 * what is done: feed_settle() leaves that.
 */
void parts_settle(struct slot *s, enum range_status had_as);

#endif
