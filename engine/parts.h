/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What there is of a block that cannot be read, where a block of the destination may be several of
 * the source's: each of these is read by itself, and only what fails alone is bad.
 */
#ifndef ENGINE_PARTS_H
#define ENGINE_PARTS_H

#include "slot.h"

/*
 * Puts into s->aside, where there is one, what is to be written for the chunk, a block: the parts
 * of it that can be read (s->had), what READ LONG gives of others, else zeros. Where it has several
 * parts, each that cannot be had is told as a loss here. False: the run was told to end, or the
 * source fails in a way that says nothing of the block. Blocks; the worker's thread.
 */
bool parts_gather(struct slot *s) MUST_CHECK;

/* Whether the chunk has several: then its losses have been told. */
bool parts_are_several(const struct slot *s);

/* What was had is written, the rest of the chunk is bad. */
void parts_settle(struct slot *s);

#endif
