/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hash of what a run reads, as it reads it, from the start of the span and without a hole: as a
 * whole, and by windows. It is of the bytes as they are in the source, in the order of the source;
 * so the reads have to come home in order (struct plan_request.ordered).
 *
 * The one worker that reads calls digest_take(); the main thread what is before and after the run.
 * Nothing is allocated in between.
 */
#ifndef ENGINE_DIGEST_H
#define ENGINE_DIGEST_H

#include "../core/hash.h"

/* Bytes from..to-1 have that hash; counted from the start of the span. Called by the worker, and by
 * digest_end(). */
typedef void digest_window_fn(void *arg, const char *hex, uint64_t from_bytes, uint64_t to_bytes);

struct digest {
	struct hash *whole, *window; /* window NULL: none asked for */
	uint64_t window_bytes;
	uint64_t window_from_bytes; /* of the present one */
	uint64_t done_bytes;	    /* hashed */
	bool failed;		    /* the library refused: no hash is to be told */
	digest_window_fn *on_window;
	void *arg;
};

/* window_bytes 0: no windows, and on_window may be NULL. 0, or the errno of hash_new(). */
int digest_init(struct digest *d, const char *hash, uint64_t window_bytes,
	digest_window_fn *on_window, void *arg) MUST_CHECK;
void digest_destroy(struct digest *d);

/*
 * What was read at at_bytes of the span. Of what lies behind a hole nothing is taken. False: the
 * library refused, the run is to end.
 */
bool digest_take(struct digest *d, uint64_t at_bytes, const void *data, size_t len) MUST_CHECK;

/*
 * text, of HASH_TEXT_ROOM bytes, becomes the hash of the first done_bytes; a window that has begun
 * is ended before. False: the library refused, text is "".
 */
bool digest_end(struct digest *d, char *text) MUST_CHECK;

#endif
