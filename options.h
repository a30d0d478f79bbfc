/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line, checked as far as it can be without looking at any device.
 *
 * Operands are dd's and sgm_dd's NAME=VALUE words, options are popt's; they may be mixed in any
 * order. One table describes each operand and option (name, argument, default, one line of help);
 * --help is printed from it and the tests hold the man page against it. An operand given twice, an
 * unknown one, an empty or malformed value is one line on stderr and EXIT_SYNTAX; values that are
 * well formed but exclude each other (bs= against ibs=, two transfer methods for one side) are
 * EXIT_CONTRADICT.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "core/base.h"
#include "core/pattern.h"
#include "engine/sides.h"

#define SGMMCP_VERSION "0.1.0"

#define COUNT_ALL UINT64_MAX /* count= not given or -1: all there is */

struct side_options {
	const char *path;	 /* if=; NULL where not given */
	uint64_t offset_blk;	 /* skip=/iseek=, seek=/oseek=, in units of ibs, obs */
	unsigned cdb_bytes;	 /* cdbsz=: 6, 10, 12, 16; 0: chosen */
	unsigned flags;		 /* enum end_flags */
	enum xfer_method method; /* xfer=, iflag=, oflag=, dio=1 (destination) */
};

/* verify=: the check of a copy, after it or (each) chunk by chunk. */
enum verify { VERIFY_NONE, VERIFY_AFTER, VERIFY_DRIVE, VERIFY_EACH };

enum status_level { STATUS_DEFAULT, STATUS_NONE, STATUS_NOXFER, STATUS_PROGRESS };

struct options {
	struct side_options in, out;	/* out: what all destinations have in common */
	const char *out_path[OUTS_MAX]; /* of=; NULL where not given */
	unsigned nouts;			/* 1..OUTS_MAX */
	uint32_t ibs_bytes;		/* ibs= or bs=; 0: the block length of the end */
	uint32_t obs_bytes;		/* likewise */
	uint64_t count;			/* in units of ibs, or COUNT_ALL */
	uint32_t bpt_blk;		/* blocks of ibs per transfer; 0: chosen */
	uint32_t reserved_bytes;	/* 0: chosen */
	unsigned queue_depth;		/* qd= thr= iodepth=, 1..1024; 0: chosen */
	unsigned workers;		/* workers=, 1..1024; 0: chosen */
	/* pattern=, iflag=random: what stands in for if=, as the user named it; NULL: if= does */
	const char *generated;
	struct pattern pattern; /* of generated; its seed only where seed_given */
	bool seed_given;
	const char *hash;	    /* hash=, a hash_name(); NULL: none */
	uint64_t hash_window_bytes; /* 0: none */
	enum io_kind io;
	unsigned timeout_ms; /* of one command; default 60 s, 1..86400 s */
	unsigned retries;    /* of commands that may succeed when repeated; 0..100 */
	/*
	 * What becomes of a block that cannot be read (in) or written (out), 0..3: coe=,
	 * iflag=coe, oflag=coe, conv=noerror, the highest of them. 0: the copy stops. 1: it is
	 * noted and the copy goes on; for one that cannot be read zeros are written (unless
	 * END_NOFILL). 2: instead of them what READ LONG gives, where that can be had. 3: as 2.
	 */
	unsigned coe_in, coe_out;
	uint64_t coe_limit; /* stop at more adjacent bad blocks than this, as sg_dd; 0: never */
	uint64_t max_bad;   /* maxbad=: stop at more bad blocks than this; 0 is a limit, too */
	bool max_bad_given;
	const char *map_path;	    /* map=; NULL: none */
	const char *badblocks_path; /* badblocks=; NULL: none. Neither is an end, nor the other one,
				     * nor map_path's .bak, as far as the names tell */
	bool reverse;		    /* -R, iflag=reverse: from the end to the start */
	uint64_t min_rate;	    /* minrate=, bytes per second; 0: none */
	unsigned slow_ms;	    /* slow=; 0: none */
	bool sync_at_end;	    /* sync=, default on */
	bool time_lines;	    /* time=, default on; off with status=noxfer */
	enum status_level status;
	unsigned verbose; /* -v, repeated; verbose= */
	bool quiet;	  /* -q or status=none, which are one */
	bool dry_run;	  /* -d */
	bool compare;	  /* -x: compare instead of copying */
	enum verify verify;
	bool progress; /* -p or status=progress */
};

enum options_result {
	OPTIONS_RUN,  /* *o is filled in */
	OPTIONS_EXIT, /* --help or --version was printed; leave with *exit_status */
	OPTIONS_BAD,  /* the reason was said; leave with *exit_status */
};

/*
 * Strings in *o point into argv, which must live as long as *o. Not thread-safe (popt).
 * Allocates nothing that outlives the call.
 */
enum options_result options_parse(
	struct options *o, int argc, const char **argv, int *exit_status) MUST_CHECK;

/* Whether what is generated depends on a seed. */
static inline bool options_have_seed(const struct options *o)
{
	return o->generated && o->pattern.kind != PATTERN_BYTES;
}

/*
 * The table, for the tests and the completion: name without '=' or leading dashes; NULL past the
 * end. Aliases have rows of their own. *is_operand tells NAME=VALUE words from options.
 */
const char *options_name(size_t index, bool *is_operand);

/* The words that iflag= and oflag= take; NULL past the end. */
const char *options_flag_name(size_t index);

#endif
