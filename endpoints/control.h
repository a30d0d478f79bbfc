/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Housekeeping commands on a control descriptor of their own, one at a time, through libsgutils2's
 * pass-through: who are you, how big, are you ready, flush. Never sent on a data lane, where a
 * small command overwrites the start of the mapped buffer. Blocking; any thread.
 */
#ifndef ENDPOINTS_CONTROL_H
#define ENDPOINTS_CONTROL_H

#include "../core/base.h"
#include "../core/fault.h"
#include "../scsi/identify.h"

/* For how long a unit is waited for that says that it will be ready, and who is told. */
struct control_wait {
	unsigned limit_s; /* since it began, or last told of another progress */
	/* After two seconds, and each minute; NULL: nobody. */
	void (*tell)(void *arg, const struct fault *f);
	void *arg;
	const _Atomic bool *hurry; /* true: no longer; NULL: never */
};

/*
 * TEST UNIT READY, repeated while it answers unit attention (power-on, reset: at most 10 times),
 * while it is becoming ready (02/04/01), and while it is busy with itself: formatted, tested,
 * sanitized. False: *f tells.
 */
bool control_ready(int fd, const struct control_wait *w, struct fault *f) MUST_CHECK;

/*
 * START STOP UNIT with START=1, SBC-4 5.31: returns when it has spun up, or with its time limit.
 * False: *f tells.
 */
bool control_start(int fd, unsigned timeout_s, struct fault *f) MUST_CHECK;

/*
 * All of struct identity. Only INQUIRY and a capacity must succeed (for type 0, 4, 7, 0Eh, 14h;
 * other types are asked no capacity); what a device does not have stays "not told". False: *f
 * tells.
 */
bool control_identify(int fd, struct identity *id, struct fault *f) MUST_CHECK;

/*
 * SYNCHRONIZE CACHE(10) of the whole unit with the given time limit. A unit that does not know the
 * command (05/20/00) has no cache to flush: good. One that was reset (fault_is_reset()), and one
 * that told of an earlier write's error (f->deferred, whatever its kind), was asked again for what
 * it had left, but what was written before that may be lost: never good.
 *
 * A busy unit, or one whose task set is full, is asked again for a minute; one that is becoming
 * ready, or busy with itself, for five since it began or last told of another progress. Not one
 * that is being erased. Nobody is told. Once *hurry is set, at any time and by any thread, only
 * what takes no longer than a moment is repeated.
 */
bool control_sync_cache(
	int fd, unsigned timeout_s, const _Atomic bool *hurry, struct fault *f) MUST_CHECK;

#define READ_LONG_MAX_BYTES 8192 /* the largest block */

/*
 * READ LONG(10) or (16), without correction: a block as the medium has it. Of what comes, which
 * has the ECC bytes behind, block gets the first block_bytes. Obsolete since SBC-4, and many units
 * never had it: false, *f tells.
 */
bool control_read_long(
	int fd, uint64_t lba, uint8_t *block, uint32_t block_bytes, struct fault *f) MUST_CHECK;

/* Says what a user can do about a unit that is not ready, "" for others: "spin it up with ...". */
const char *control_remedy(const struct fault *f);

#endif
