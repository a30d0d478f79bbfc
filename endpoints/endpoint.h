/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * THE CONTRACT between the engine and whatever data come from or go to.
 *
 * An *endpoint* is one operand (if= or of=): a disk through its sg node, the null sink, generated
 * bytes. It is opened once by the main thread, asked for its facts, and closed last.
 *
 * A *lane* is one slot's private way into an endpoint: for sg its own file descriptor, its own
 * reserved buffer and its own sg_io_hdr. A lane carries AT MOST ONE transfer at a time; queue
 * depth is the number of lanes. (The driver forces this for mmap-ed IO: one user of the reserved
 * buffer per descriptor, sg.c sg_start_req(); making it the rule makes all ends alike.) Lanes are
 * opened by the main thread before the first transfer and belong to one worker from then on.
 *
 * A *transfer* (struct xfer) is filled in by the engine and given to submit():
 *
 *     XFER_DONE   the outcome is in the transfer; nothing is in flight
 *     XFER_WAIT   in flight; the memory belongs to the endpoint until reap() returns
 *
 * reap() blocks until that one transfer is home and fills in its outcome; it is called exactly
 * once for each XFER_WAIT, from the same thread, with no other transfer begun on the lane in
 * between. An end that answers only XFER_DONE is called *inline*, the other kind *evented*; one
 * loop serves both.
 *
 * Outcome: done_bytes of len_bytes have moved, counted from the start; fault.kind says why not all.
 * fault_is_good() implies done_bytes == len_bytes, except that a source of unknown length may end
 * early with FAULT_NONE. After a failed read nothing may be assumed about the buffer's contents (sg
 * leaves the previous command's data there); a write, failed or not, leaves the buffer as it was.
 *
 * Endpoints neither print nor retry, with one exception each: what goes wrong in open() is said
 * by open(), which knows the name; and a lane that may fall back (struct lane_spec) changes its
 * method once, on EFAULT, and notes it.
 *
 * An endpoint whose role is END_SOURCE must not change what it reads, whatever it is asked: its
 * submit() asserts that the operation is a read.
 */
#ifndef ENDPOINTS_ENDPOINT_H
#define ENDPOINTS_ENDPOINT_H

#include "../core/base.h"
#include "../core/fault.h"

enum end_role { END_SOURCE, END_DEST };

/* How bytes get between device and memory. */
enum xfer_method {
	METHOD_AUTO,	 /* the plan's choice; never reaches a lane */
	METHOD_MMAP,	 /* the lane's own reserved buffer, mapped (SG_FLAG_MMAP_IO): no copy */
	METHOD_DIO,	 /* the device reaches the given memory (SG_FLAG_DIRECT_IO): no copy */
	METHOD_INDIRECT, /* the driver copies through its own buffer: one copy */
};

/* By which system calls a command goes out and its reply comes in. */
enum io_kind {
	IO_AUTO,  /* the plan's choice; never reaches a lane */
	IO_SG_IO, /* one blocking ioctl(SG_IO) */
	IO_RW,	  /* write() of the header, read() of the reply: evented */
};

/* Through which node a command goes. */
enum lane_via {
	VIA_SG,	   /* the sg node */
	VIA_BLOCK, /* the block node of the same disk: SG_IO there maps user memory whatever
		    * sg's allow_dio says (block/scsi ioctl, blk_rq_map_user()), and only so */
};

/* What a user asks of one end beside its name: iflag=, oflag= and the like. */
enum end_flags {
	END_DPO = 1u << 0,
	END_FUA = 1u << 1,
	END_EXCL = 1u << 2,
	END_FLOCK = 1u << 3,
	END_FORCE = 1u << 4, /* override the in-use refusal, and nothing else */
	END_NOCREAT = 1u << 5,
	END_NULL = 1u << 6,   /* accepted and without effect, as in sgm_dd */
	END_ZEROS = 1u << 7,  /* 00: generated zeros instead of a named source */
	END_ONES = 1u << 8,   /* ff: generated 0xff bytes */
	END_NOCOPY = 1u << 9, /* destination: discard instead of writing (-n) */
};

#define SIZE_UNKNOWN UINT64_MAX

/*
 * What an end can do. Constant after open() but for reserved_bytes, max_xfer_bytes and pinnable,
 * which probe() fills in.
 */
struct end_facts {
	const char *kind;	   /* "sg", "null", "zeros": a word for the plan */
	uint64_t size_bytes;	   /* SIZE_UNKNOWN where there is no end */
	uint32_t block_bytes;	   /* addressable unit; 0: any */
	uint32_t phys_block_bytes; /* 0: not told */
	uint32_t reserved_bytes;   /* granted reserved buffer, whole pages; 0: none */
	uint32_t max_xfer_bytes;   /* the largest one-command transfer known to be accepted */
	uint32_t dma_align;	   /* direct IO: address and length are multiples of this; 0: n/a */
	unsigned queue_depth;	   /* commands the device takes at once; 0: not told */
	bool can_mmap, can_dio, can_indirect;
	bool can_rw;	  /* evented by write()/read(): the node may be opened for writing */
	bool can_block;	  /* there is a block node that we may send SG_IO to */
	bool pinnable;	  /* its mapped buffer can be the memory of direct IO */
	bool needs_flush; /* a destination that has a cache to be flushed */
};

struct endpoint;
struct lane;

enum xfer_op { XFER_READ, XFER_WRITE };

enum xfer_notes {
	XFER_NOT_DIRECT = 1u << 0, /* direct IO was asked, the driver copied instead */
	XFER_FELL_BACK = 1u << 1,  /* this transfer made the lane change its method */
};

struct xfer {
	/* set by the engine; unchanged until the transfer is home */
	enum xfer_op op;
	uint32_t len_bytes;    /* whole blocks, > 0 */
	uint64_t offset_bytes; /* from the start of the end */
	void *buf;	       /* may be the lane's own buffer, or another lane's */
	/* outcome */
	uint32_t done_bytes;
	unsigned notes;
	struct fault fault;
};

enum xfer_state { XFER_DONE, XFER_WAIT };

/* What the plan decided for all lanes of one side. */
struct lane_spec {
	enum xfer_method method;
	enum io_kind io;
	enum lane_via via;
	uint32_t max_bytes;  /* largest transfer to come */
	unsigned cdb_bytes;  /* form of READ and WRITE that reaches the last block of the run */
	unsigned timeout_ms; /* of one command */
	bool own_buffer;     /* the slot's memory is this lane's mapped buffer */
	bool must_pin; /* which the other side's direct IO will use: lane->pinnable is wanted */
	bool may_fall_back; /* direct IO that cannot be had becomes indirect */
};

struct endpoint_ops {
	/*
	 * Finds out what needs real calls: the granted reserved buffer for chunks of want_bytes,
	 * whether it can be pinned, the largest transfer. Sends no command that writes. Main
	 * thread, before the plan. 0, or -1 with the reason said and ep->exit_status set.
	 */
	int (*probe)(struct endpoint *ep, uint32_t want_bytes, uint64_t at_bytes);

	/* NULL with the reason said and ep->exit_status set. The caller closes it. Main thread. */
	struct lane *(*lane_open)(struct endpoint *ep, const struct lane_spec *spec);
	void (*lane_close)(struct lane *lane);

	enum xfer_state (*submit)(struct lane *lane, struct xfer *x);
	void (*reap)(struct lane *lane, struct xfer *x);

	/*
	 * Makes all completed writes durable (SYNCHRONIZE CACHE). Main thread, nothing in flight.
	 * May take minutes. True when *f is good.
	 */
	bool (*flush)(struct endpoint *ep, struct fault *f);

	/* Main thread, all lanes closed. Frees ep. */
	void (*close)(struct endpoint *ep);

	/* One line for a fault of a transfer: "READ(10) at LBA 1000, 8 blocks: medium error ...".
	 */
	void (*describe)(const struct endpoint *ep, const struct xfer *x, char *text, size_t room);
};

/* Every endpoint begins with this. */
struct endpoint {
	const struct endpoint_ops *ops;
	const char *name; /* as the user gave it */
	enum end_role role;
	int exit_status; /* of the last set-up failure, core/status.h */
	struct end_facts facts;
	const char *identity; /* "ATA ST4000 0004 serial Z1Z2": vendor, model, serial; or "" */
};

/* Every lane begins with this. */
struct lane {
	struct endpoint *ep;
	void *buf; /* mapped buffer, NULL if spec.own_buffer was not asked */
	uint32_t buf_bytes;
	bool pinnable; /* spec.must_pin: buf can be the memory of direct IO */
};

static inline bool xfer_is_good(const struct xfer *x)
{
	return fault_is_good(&x->fault);
}

#endif
