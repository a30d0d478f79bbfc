/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chunk of a stream that a side other than the source cannot have as a whole: the source does not
 * give it again, so what was read is kept aside (recipe->kept), and the slot's buffer is filled
 * from there with one piece after the other. Each lies at the start of the buffer, as a lane wants
 * it whose own that is. One chunk at a time: where one is taken apart, the others of a stream wait.
 *
 * In the file of a side that is mapped it lies anyhow, and each piece where it is to be.
 */
#ifndef ENGINE_REFILL_H
#define ENGINE_REFILL_H

#include "slot.h"

/* The chunk, whose source can be read once, is to be taken apart; all that was sent is home. */
void refill_keep(struct slot *s);

/* It has become a piece, begun, which is now as if it had been read. */
void refill_piece(struct slot *s);

#endif
