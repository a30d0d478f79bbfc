/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every choice of a run, made once, from what was asked and what the ends can do: transfer method
 * per side, whose memory is the buffer, chunk, depth, workers, CDB forms. Pure: the same request
 * and facts give the same plan, and plan_print() tells it.
 */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "sides.h"
#include "span.h"

#define QUEUE_DEPTH_DEFAULT 16
#define QUEUE_DEPTH_MAX	    1024
#define CHUNK_DEFAULT_BYTES (1024u * 1024)

/* What becomes of a chunk. */
enum plan_job {
	JOB_COPY,
	JOB_COMPARE, /* all sides are read and compared with the source */
	JOB_VERIFY,  /* as a copy, but the destination compares what it is sent (VERIFY) */
};

struct plan_request {
	enum xfer_method in_method, out_method;
	enum io_kind io;
	uint32_t bpt_blk;		      /* in bs; 0: chosen */
	unsigned queue_depth;		      /* 0: chosen */
	unsigned workers;		      /* 0: chosen */
	unsigned in_cdb_bytes, out_cdb_bytes; /* 0: chosen */
	unsigned in_flags, out_flags; /* enum end_flags: DPO and FUA need a CDB that has them;
				       * SPARSE, TRIM */
	unsigned timeout_ms;
	enum plan_job job;
	bool ordered; /* reads are to come home in ascending order, whatever the ends are */
	uint64_t memory_bytes; /* the most that buffers may take; fewer slots otherwise */
};

/*
 * Where the source's data lie on their way. What is read for comparison has memory of its own: the
 * lane's mapped buffer, or ordinary memory.
 */
enum plan_buffer {
	BUFFER_IN,   /* the source lane's mapped buffer */
	BUFFER_OUT,  /* the destination lane's */
	BUFFER_BOTH, /* both, and one memcpy() between them */
	BUFFER_USER, /* ordinary memory of the slot */
};

struct plan {
	/* which case of the table, for plan_print(): of each destination; side 0's: of a comparison
	 */
	const struct plan_row *row[SIDES_MAX];
	struct lane_spec side[SIDES_MAX];
	enum plan_buffer buffer;
	unsigned cpu_copies;   /* of each byte, by CPU, for all sides together */
	unsigned user_buffers; /* of a slot, in ordinary memory */
	bool in_order; /* ordered, or an end is sequential: one worker, chunks in ascending order */
	enum plan_job job;
	bool writes; /* something is written, or verified by the drive */
	uint32_t chunk_bytes;
	unsigned depth, workers; /* the slots of all workers; threads, 1..depth */
	/* Where the plan is less than what was asked; NULL: it is not. */
	const char *chunk_note, *depth_note;
};

#define PLAN_WHY_ROOM 300

/* The chunk that plan_make() would like, for probe(). */
uint32_t plan_wanted_chunk(const struct plan_request *rq, const struct span *s);

/*
 * 0; or an exit status and why: EXIT_CONTRADICT where a method that was asked for cannot be had.
 * The ends have been probed.
 */
int plan_make(const struct plan_request *rq, const struct sides *sides, const struct span *s,
	struct plan *p, char why[PLAN_WHY_ROOM]) MUST_CHECK;

/* The plan in a few lines on stderr: the ends, methods and why, chunk, depth, workers. */
void plan_print(const struct plan *p, const struct sides *sides, const struct span *s);

/* "mmap", "dio", "indirect"; "dio through the block node" has its own word in plan_print(). */
const char *method_name(enum xfer_method m);

#endif
