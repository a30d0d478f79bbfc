/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hands out the span in chunks, each once, to any number of workers; takes back what became of
 * them; and is the one place where a run is told to stop or to pause.
 *
 * A run that goes on after errors, or remembers, has a map (core/ranges.h), of which the span is a
 * part. It then works in passes, what is easy first:
 *
 *     FIRST    what is untried, in chunks; what is slow may be left out
 *     REST     what was left out of it, or was lost by a reset of the destination
 *     NARROW   chunks that failed, each by pieces
 *     AGAIN    bad blocks, where they are to be tried again
 *
 * Where a map that is gone on with has more bad blocks than there may be, AGAIN comes first as
 * well, or, where it does not, or as many stay bad, nothing at all. What a reset takes in a later
 * pass is a REST once more, as long as that gains something. A pass begins when nothing of the one
 * before is in flight any more. Without a map, FIRST is all.
 */
#ifndef ENGINE_FEED_H
#define ENGINE_FEED_H

#include <pthread.h>
#include <stdatomic.h>

#include "../core/ranges.h"

enum feed_pass { PASS_FIRST, PASS_REST, PASS_NARROW, PASS_AGAIN, PASS_NONE };

struct chunk {
	uint64_t at_bytes; /* from the start of the span */
	uint32_t len_bytes;
	enum feed_pass pass;
	unsigned resets; /* the feed's count of them when it was handed out */
};

enum feed_answer {
	FEED_CHUNK, /* *c is the caller's */
	FEED_PAUSE, /* nothing now: bring home what flies, then feed_wait() */
	FEED_END,   /* no more, ever */
};

enum feed_state { FEED_RUNS, FEED_PAUSED, FEED_STOPPED };

/* Why a run that goes on after errors did not, in the end. */
enum feed_limit { LIMIT_NONE, LIMIT_ADJACENT, LIMIT_TOTAL, LIMIT_MEMORY };

#define FEED_HINTS   1024
#define FEED_NO_HINT UINT64_MAX

/* What a run with a map is like. The map is the feed's until feed_destroy(). */
struct feed_map {
	struct ranges *ranges;		/* NULL: there is none */
	uint64_t at_bytes;		/* where the span begins in it */
	bool records;			/* what is good is told too; else what fails alone */
	bool reverse;			/* FIRST and REST go from the end to the start; records */
	bool again;			/* there is a last pass */
	bool resumes;			/* what is bad in it was lost before: that counts, too */
	bool first_only;		/* chunks have an order: what fails is dealt with at once */
	uint32_t block_bytes;		/* chunks begin and end at multiples of it, in the span */
	uint32_t unit_bytes;		/* so long is what is counted as a bad block */
	uint64_t max_adjacent, max_bad; /* bad blocks; more of them stop the run. 0; UINT64_MAX */
};

struct feed {
	uint64_t end_bytes;
	bool source_ended;
	_Atomic uint32_t chunk_bytes;
	_Atomic enum feed_state state;
	_Atomic uint64_t next_bytes; /* may run past the end, by a chunk for each claim after it */
	pthread_mutex_t lock;	     /* the rest */
	pthread_cond_t resumed;	     /* what workers wait for: the state or the pass is another */
	pthread_cond_t gathered;   /* what feed_pause() waits for: all workers wait or have left */
	unsigned waiting, workers; /* threads in feed_wait(); threads that have not left */
	struct feed_map map;
	enum feed_pass pass;
	bool pass_over;	       /* nothing is left of it to be handed out */
	uint64_t cursor_bytes; /* as far as the pass has come; in reverse, down to it */
	uint64_t skip_bytes;   /* left out after the last slow chunk; 0: the last was not slow */
	uint64_t skipped_to_bytes; /* to where that was */
	unsigned resets;
	unsigned resets_before;	 /* the pass began */
	enum feed_pass furthest; /* pass that was begun */
	bool again_first;	 /* AGAIN comes before the others */
	uint64_t least_untried;	 /* bytes, when REST began once more */
	unsigned fruitless;	 /* times that it was no less */
	enum feed_limit limit;	 /* what stopped the run */
	unsigned hints;
	uint64_t hint_bytes[FEED_HINTS]; /* blocks that are said to be bad, of chunks that failed */
};

/*
 * workers threads will claim; each calls feed_leave() when it is through. Paused at first: nothing
 * is handed out before feed_resume().
 */
void feed_init(struct feed *f, uint64_t len_bytes, uint32_t chunk_bytes, unsigned workers);
void feed_destroy(struct feed *f);

/* Before feed_resume(). The map reaches to the end of the span at least. */
void feed_set_map(struct feed *f, const struct feed_map *map);

/* Any thread. */
enum feed_answer feed_claim(struct feed *f, struct chunk *c) MUST_CHECK;

/* The one worker of a sequential source: there is nothing from at_bytes on. */
void feed_source_ended(struct feed *f, uint64_t at_bytes);

/* No further chunk is handed out; what has been claimed is still to be finished. Any thread. */
void feed_stop(struct feed *f);
bool feed_is_stopped(const struct feed *f);

/*
 * Main thread: no chunk is handed out until feed_resume(); returns when nothing is in flight.
 * False: the feed was stopped, there is nothing to pause.
 */
bool feed_pause(struct feed *f) MUST_CHECK;
void feed_resume(struct feed *f);

/* A worker with nothing in flight, after FEED_PAUSE: returns when there may be more to do. */
void feed_wait(struct feed *f);
void feed_leave(struct feed *f);

/* --- with a map; any thread --- */

/*
 * What became of c, or of the piece of it that it has become. RANGE_WRITTEN is untried where the
 * destination was reset since c was handed out. Where c failed, what of it is
 * DONE (in its first and last block, of a map from elsewhere), WRITTEN or BAD stays so. Bad blocks
 * beyond the limits stop the run.
 */
void feed_settle(struct feed *f, const struct chunk *c, enum range_status status);

/* A chunk failed, and this block of it is said to be bad. Only so many are remembered: FEED_HINTS.
 */
void feed_hint(struct feed *f, uint64_t at_bytes);

/* The first of c of which that was said, once; FEED_NO_HINT: none. */
uint64_t feed_take_hint(struct feed *f, const struct chunk *c);

/* Whether a byte of c has a status of that set of RANGE_IS(). */
bool feed_has(struct feed *f, const struct chunk *c, unsigned set);

/* The device refuses transfers of len_bytes: from now on half of that, or a block, is the most. */
void feed_shrink(struct feed *f, uint32_t len_bytes);

/* How c went, with records: from what is slow FIRST goes on further away, more each time. */
void feed_pace(struct feed *f, const struct chunk *c, bool slow);

/* The destination was reset, or had to tell of a write that it had called good: what it was given
 * and did not flush may be lost. */
void feed_was_reset(struct feed *f);

/* How often that was said. */
unsigned feed_resets(struct feed *f);

/* A copy of the map, and the count of resets by then; false: no memory. */
bool feed_snapshot(struct feed *f, struct ranges *to, unsigned *resets) MUST_CHECK;

/*
 * What was written when that copy was made has been flushed, or, if not good, is lost. After a
 * reset since then nothing of it is known to be flushed: it may have been written once more. So not
 * before all is home that flew when the flush was. False: no memory, less is known to be flushed.
 */
bool feed_flushed(
	struct feed *f, const struct ranges *snapshot, unsigned resets, bool good) MUST_CHECK;

/* Bytes of the span that have a status of that set of RANGE_IS(). */
uint64_t feed_bytes(struct feed *f, unsigned set);

#endif
