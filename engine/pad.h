/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The zeros that are asked for behind the end of the source (recipe->padding): the last chunk takes
 * along what fits into it, and the slot that had it goes on with the rest, chunk by chunk. Nobody
 * but the map's last block tells of them: without its zeros that is not done.
 */
#ifndef ENGINE_PAD_H
#define ENGINE_PAD_H

#include "slot.h"

/*
 * After a read, how far what is written of the chunk reaches, in bytes of the span: the end of the
 * source, or, where its last byte was read, as far behind it as the chunk was long.
 */
uint64_t pad_reach(struct slot *s);

/* When s is through with its chunk: true if it goes on with zeros, begun: slot_next(). */
bool pad_begin(struct slot *s);

/* slot_settle() of what pad_begin() has begun. */
enum slot_news pad_settle(struct slot *s, unsigned *bad);

#endif
