/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What options.c, which reads the words of a line, and checks.c, which judges them together, share.
 * Nobody else includes it.
 */
#ifndef PARSE_H
#define PARSE_H

#include "options.h"

/* Flag words that options.c and checks.c alone know; they share a mask with enum end_flags. */
#define WORD_NOMMAP  (1u << 31)
#define WORD_RANDOM  (1u << 30)
#define WORD_REVERSE (1u << 29)
#define WORD_COE     (1u << 28)
#define WORD_TRUNC   (1u << 27)
#define WORDS	     (WORD_NOMMAP | WORD_RANDOM | WORD_REVERSE | WORD_COE | WORD_TRUNC)

#define PARSE_ROWS 64

struct parse {
	struct options o;
	const char *word;		/* the one being read */
	const char *given[PARSE_ROWS];	/* by operand row: the word that set it, at last */
	unsigned times[PARSE_ROWS];	/* how often */
	uint64_t seed;			/* seed= */
	uint32_t bs_bytes;		/* of both sides; 0: not given */
	enum xfer_method xfer;		/* xfer=: both sides */
	unsigned dio;			/* dio=N */
	const char *in_word, *out_word; /* where a side's method comes from, for messages */
	unsigned time_timeout_ms;	/* time=0|1,SECONDS; 0: not given */
	unsigned verbose_letters;
	unsigned coe;	  /* coe=: both sides */
	bool flush_asked; /* conv=fsync */
	bool noerror;	  /* conv=noerror */
	int exit_status;
};

#define SHOWN_ROOM 64

/*
 * What the user wrote, cut (not inside a UTF-8 character) to fit a line; text has SHOWN_ROOM bytes.
 * Control bytes are left to diag().
 */
const char *parse_shown(const char *word, size_t len, char *text);

#define SHOWN(word, len) parse_shown((word), (len), (char[SHOWN_ROOM]){ "" })

/*
 * Says why word (NULL: the line as a whole) cannot be and sets the exit status. Returns false, for
 * the caller to pass on.
 */
COLD bool PRINTF_LIKE(4, 5)
	parse_refuse(struct parse *p, int status, const char *word, const char *fmt, ...);

/* The word that set the operand of that name, which is no alias; NULL if none did. */
const char *parse_given(const struct parse *p, const char *name);

/* options.c calls it when all words are read. False: the reason was said, p->exit_status is set. */
bool parse_check(struct parse *p);

#endif
