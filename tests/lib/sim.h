/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A simulated end: implements the contract of endpoints/endpoint.h out of memory, and is as nasty
 * as the contract allows. Inline, or evented with a seeded choice of when data really move: at
 * submit() or only at reap(), so that a buffer used too early or too late shows in the data. Every
 * read first fills its buffer with garbage, which a fault leaves there. It breaks a fault plan
 * (struct sim_rule) over the engine, and counts.
 *
 * A sequential end is inline and goes on from where it stands: what does not begin there is a hole
 * or comes out of order. It counts no tries but where it stands.
 *
 * One that is END_MAPPED gives out its contents as memory; sim_cut() takes its file away from
 * under it. One with same_as reads what another holds: a destination read back.
 *
 * What the engine must not do ends the program with a line on stderr: two transfers on a lane, two
 * on one block at a time, a write to a source, a length of no whole blocks, a foreign buffer on a
 * mapped lane, a change of what a source's mapped lane has read, memory of a mapped file that was
 * not asked for, salvage of a block that was not tried, a trim that was not planned, of no
 * whole grains, too long, or of other bytes than zeros, a transfer that was changed in flight or
 * reaped by another thread, one that a sequential end stands not before, lanes or transfers left
 * behind at close, end() too early or twice, reach() after end().
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include <stdatomic.h>

#include "../../endpoints/endpoint.h"

/* Which block the sense data name: none, the first that the rule and the transfer have in common,
 * or any of the transfer. */
enum sim_info { SIM_NO_INFO, SIM_INFO, SIM_INFO_LIES };

/*
 * How transfers go wrong. The first rule that hits decides. FAULT_UNMAPPABLE hits lanes of direct
 * IO only, and one that may fall back does so and goes on; FAULT_RECOVERED moves the data;
 * FAULT_SHORT moves half of the blocks.
 */
struct sim_rule {
	enum fault_kind kind;
	bool deferred;
	uint8_t asc;		     /* of a unit attention's sense; 0: no sense */
	int err;		     /* of FAULT_OS; 0: none */
	enum sim_info info;	     /* whether the sense names a block */
	uint64_t first_blk, end_blk; /* hits transfers that touch these; both 0: any */
	uint32_t longer_blk;	     /* and are longer than this; 0: of any length */
	unsigned after;		     /* spares the end's first so many transfers */
	unsigned every_nth;	     /* then hits each nth of the end's transfers; 0: each */
	unsigned tries;		     /* hits the first so many tries of a transfer; 0: all */
};

struct sim_spec {
	const char *name;
	const char *identity; /* NULL: none */
	enum end_role role;
	uint32_t block_bytes;
	uint64_t blocks;
	uint64_t seed;	    /* of the contents and of all choices */
	enum end_class cls; /* no device has no methods and no buffers */
	bool sequential;    /* so of unknown size, and of any bytes */
	bool size_unknown;  /* told as such; it has room for its blocks all the same */
	bool any_bytes;	    /* offsets and lengths of any bytes, of which block_bytes still are one
			     * unit: no two transfers at a time in one */
	uint64_t ends_at;   /* sequential source: the byte at which it ends; 0: with its contents */
	bool evented;
	bool always_flies; /* evented, and no transfer is answered at once */
	bool can_mmap, can_dio, can_block, pinnable, no_rw;
	uint32_t max_xfer_bytes; /* 0: no limit */
	unsigned pinnable_lanes; /* lanes from this one on are not; 0: all as .pinnable says */
	unsigned lanes_max;	 /* no more can be opened; 0: no limit */
	/* A destination's zeros; facts of the same names. */
	bool fresh;	   /* all of its contents are zeros */
	bool can_start;	   /* until start() a rule of FAULT_STOPPED holds, and none after it, */
	bool never_starts; /* unless start() fails */
	bool can_trim;
	uint32_t hole_bytes, trim_grain_bytes, max_trim_bytes;
	unsigned trims_granted;	  /* those after the first so many are unsupported; 0: none is */
	bool rewritten;		  /* a good write may come again: of what cannot be had elsewhere */
	bool forgets;		  /* a unit attention 29h: what was not flushed is lost */
	bool zeros_too;		  /* stretches of its contents are zeros */
	struct endpoint *same_as; /* a sim of the same blocks, which is closed later */
	struct endpoint *out_of;  /* one that is END_MAPPED: EFAULT for its memory that was cut */
	uint64_t rots_at;	  /* bytes that are read as others than were stored: from here */
	unsigned rots;		  /* so many; 0: none */
	unsigned memories;	  /* END_MAPPED: no memory() after so many; 0: always */
	unsigned salvages;	  /* a source: of each nth block there is something; 0: of none */
	int end_status;		  /* end() fails with it */
	int reach_err;		  /* so does reach(), with an errno value */
	unsigned not_direct_nth;  /* each nth transfer of direct IO is copied after all; 0: none */
	const struct sim_rule *rules;
	unsigned nrules;
	struct fault flush_fault;
	unsigned flushes_good; /* those after the first so many get it */
	/* Called in the submitting thread before the nth transfer (from 1) is looked at. */
	void (*on_submit)(void *arg, uint64_t nth);
	void (*on_flush)(void *arg);
	void *arg;
	_Atomic uint64_t *in_flight_too; /* a second place for that count; NULL: none */
};

struct sim_counts {
	_Atomic uint64_t submitted, good_bytes, bad, recovered, not_direct_bytes, fell_back;
	_Atomic uint64_t
		partial_bytes; /* of writes that failed, what has been written all the same */
	_Atomic uint64_t in_flight, most_in_flight, lanes, flushes, lanes_ever;
	_Atomic uint64_t out_of_order; /* first tries below the highest offset seen before */
	_Atomic uint64_t last_offset;
	_Atomic uint64_t position; /* sequential: the byte that is next */
	_Atomic uint64_t looks;	   /* reads of one byte, which no other figure counts */
	_Atomic uint64_t trims, trimmed_bytes,
		unsupported;		/* these are in no other figure but
					 * submitted, and good_bytes if granted */
	_Atomic uint64_t salvaged;	/* blocks of which there was something */
	_Atomic uint64_t starts;	/* calls of start() */
	_Atomic bool runs;		/* one of them was good */
	uint64_t ends, end_bytes;	/* calls of end(), and what the last one said */
	_Atomic uint64_t reached_bytes; /* the most that it or reach() has said */
	bool cut;
};

/* *spec, its rules and its name must outlive the end. Never NULL. */
struct endpoint *sim_open(const struct sim_spec *spec);

/* Its contents, blocks * block_bytes, also for changing them before a run. */
uint8_t *sim_data(struct endpoint *ep);
struct sim_counts *sim_counts(struct endpoint *ep);

/* Has block been written by a write that was answered as good? */
bool sim_acknowledged(const struct endpoint *ep, uint64_t block);
uint64_t sim_acknowledged_bytes(const struct endpoint *ep);

/* Has a flush that was good begun since that write? */
bool sim_is_durable(const struct endpoint *ep, uint64_t block);
/* Was it answered as good and then lost, by a flush that failed or a reset? */
bool sim_is_lost(const struct endpoint *ep, uint64_t block);

/* Of a source: what salvage() has of block, spec->block_bytes; false: nothing. */
bool sim_salvages(const struct endpoint *ep, uint64_t block, uint8_t *bytes);

/* Of one that is END_MAPPED: its file has only so many bytes from now on. Any thread. */
void sim_cut(struct endpoint *ep, uint64_t len_bytes);

/* ep->ops->close(), which checks that all came home. */
void sim_close(struct endpoint *ep);

#endif
