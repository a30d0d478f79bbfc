/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a property test runs in: ends of any kind and length, what is asked of them, and the run
 * that comes of it, all made from a seed. What should come of it is the test's.
 *
 *	world_begin()	the ends as they are to be; the test may change them yet
 *	world_open()	opens them; what is asked
 *	world_ready()	span, plan, lanes
 *	copy_run(w->copy, ...)
 *	world_reopen()	perhaps, for another run
 *	world_close()
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "../../engine/copy.h"
#include "rng.h"
#include "sim.h"

#define WORLD_RULES  16
#define WORLD_BLOCKS 300	      /* of an end, at most */
#define WORLD_ENDS   4		      /* a source and up to three destinations */
#define WORLD_SIDES  (2 * WORLD_ENDS) /* each of which may be read back */

/* What a world is not to have. */
enum world_limits {
	WORLD_NO_STREAMS = 1u << 0,
	WORLD_NO_MAPPED = 1u << 1,
	WORLD_ONE_DEST = 1u << 2,
	WORLD_NO_READ_BACK = 1u << 3,
};

struct world {
	uint64_t seed;
	unsigned limits; /* enum world_limits */
	/* what goes wrong on a side; also of those that are read back, which come last */
	void (*make_faults)(struct world *w, unsigned side);
	struct rng rng;
	unsigned ends;					 /* 2..WORLD_ENDS */
	struct sim_rule rules[WORLD_SIDES][WORLD_RULES]; /* the source's first */
	struct sim_spec spec[WORLD_SIDES];
	struct sides sides; /* of ends; after world_ready() those that are read back too */
	bool is_sim[WORLD_SIDES];
	unsigned hole_flags;		    /* END_SPARSE, END_TRIM */
	bool each;			    /* what is written is read back */
	uint8_t byte;			    /* that a generated source has */
	uint8_t *before[WORLD_ENDS];	    /* its contents before the run */
	struct sim_spec again[WORLD_ENDS];  /* of world_reopen(): */
	struct endpoint *owner[WORLD_ENDS]; /* those that were opened first; NULL: no others */
	struct span_request asked;
	struct span span;
	struct plan_request request;
	struct plan plan;
	struct policy policy;
	uint64_t there;	       /* bytes that the source has from where the span begins */
	uint64_t given;	       /* bytes of the span that it gave: the test's word */
	uint64_t interrupt_at; /* the destination's transfer at which SIGINT comes; 0: none */
	struct copy *copy;
	struct copy_result result;
};

/* --- a failing world tells its seed --- */

/* Signals of the program: an abort tells the world, a late interrupt is not heard. */
void world_catch_signals(void);

extern char world_rerun[160]; /* how the present one is run again */

#define hold(cond) \
	do { \
		if (!(cond)) \
			fail_msg("%s:%d: %s\n%s", __FILE__, __LINE__, #cond, world_rerun); \
	} while (0)

/* How many worlds there are by default. */
#ifdef __SANITIZE_THREAD__ /* gcc's word; each thread costs it a millisecond */
#define WORLD_SEEDS 200
#elif defined(__SANITIZE_ADDRESS__)
#define WORLD_SEEDS 300
#else
#define WORLD_SEEDS 1000
#endif

/* Runs the worlds that SEED= and SEEDS= of the environment ask for; returns how many those are. */
uint64_t world_each(void (*run)(uint64_t seed, void *arg), void *arg);

/* --- choices --- */

/* True once in n times. */
static inline bool maybe(struct world *w, unsigned n)
{
	return rng_once_in(&w->rng, n);
}

static inline uint64_t between(struct world *w, uint64_t lo, uint64_t hi)
{
	return rng_between(&w->rng, lo, hi);
}

/* --- making --- */

/* salt: another world of the same seed. */
void world_begin(struct world *w, uint64_t seed, unsigned salt, unsigned limits);

/* The first rule that hits decides. Of any time before the run. */
void world_add_rule(struct world *w, unsigned side, struct sim_rule rule);
/* What retries cure; what they do not. */
void world_add_curable(struct world *w, unsigned side);
void world_add_fatal(struct world *w, unsigned side);
/* A disk does not know its commands, until they have another form. */
void world_add_unknown_command(struct world *w, unsigned side);
/* A disk stops, if it is one that may be started. */
void world_add_stopped(struct world *w, unsigned side);
/* Now and then. */
void world_make_interrupt(struct world *w);

void world_open(struct world *w);
/* False: what is asked cannot be had, for a reason that was told. */
bool world_ready(struct world *w) MUST_CHECK;
/* The next run on the same disks, opened anew; the copy of the one before is closed. As
 * world_ready(). Not where anything is read back. */
bool world_reopen(struct world *w) MUST_CHECK;
/* Also the copy. */
void world_close(struct world *w);

/* In a few lines on stderr, to find out why a world failed. */
void world_print(const struct world *w);

/* A copy_watch's stalled(): a busy machine may take its time. */
void world_stalled(void *arg, const struct stall *s);

/* A copy_watch's recovered(). */
void world_recovered(void *arg, uint64_t nth, const struct incident *l);

/* --- after a run --- */

uint64_t world_bytes(const struct world *w, unsigned side);
/* Where the span begins on that side. */
uint64_t world_starts_at(const struct world *w, unsigned side);
/* How much of what the source gave can be written. */
uint64_t world_writable(const struct world *w);
enum hole_mode world_holes(const struct world *w, unsigned side);
const struct counters *world_counts(const struct world *w, unsigned side);
/* Bytes that a stream has moved. */
uint64_t world_moved(const struct world *w, unsigned side);
/* What was left out without a word to the end. */
uint64_t world_skipped_bytes(const struct world *w, unsigned side);
/* Whether something was, or was lost after a part of it had been written. */
bool world_taken_apart(const struct world *w);

/* What is to be found in the destination len bytes from at_bytes of the span. */
void world_expected(
	const struct world *w, unsigned side, uint64_t at_bytes, uint32_t len, uint8_t *want);

/* The figures of a side are those of its end. */
void world_check_counts(const struct world *w, unsigned side);

#endif
