/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends made of real files: what their tests have in common. What fails, fails the test. */
#ifndef TESTS_LIB_ENDS_H
#define TESTS_LIB_ENDS_H

#include <sys/resource.h>

#include "../../endpoints/endpoint.h"
#include "tree.h"

struct file_params;

typedef struct endpoint *ends_open_fn(const struct file_params *, int *);

#define ENDS_MAX_BYTES (1u << 20) /* of a transfer */

/*
 * Before and after each test: a directory of its own; path, of PATH_MAX bytes, is that of a file
 * "file" there, which is not made. Stderr is given back.
 */
void ends_setup(struct tree *t, char *path);
void ends_teardown(struct tree *t);

/* Opens path in that role; probes for 64 KiB at a place and begins there; returns ep. */
struct endpoint *ends_open(
	ends_open_fn *open_end, const char *path, enum end_role role, unsigned flags);
struct endpoint *ends_begin(struct endpoint *ep, uint64_t at, uint64_t len);

/* t->root/name; path has PATH_MAX bytes. Returns path. */
char *ends_path(const struct tree *t, const char *name, char *path);

/* A file of len bytes that follow from seed, and that content. */
void ends_file(const char *path, size_t len, uint64_t seed);
uint8_t *ends_bytes(size_t len, uint64_t seed);

/* What path holds is just that. */
void ends_expect(const char *path, const uint8_t *bytes, size_t len);

/* -1: not there */
long long ends_size(const char *path);

/* Page-aligned, as the engine's memory; free() it. */
uint8_t *ends_memory(size_t len);

struct lane *ends_lane(struct endpoint *ep);
void ends_close(struct endpoint *ep, struct lane *lane);

/* One transfer from submit to home. */
struct xfer ends_move(struct lane *lane, void *mem, uint64_t offset, uint32_t len);

/* One XFER_TRIM, which is inline. */
struct xfer ends_trim(struct lane *lane, uint64_t offset, uint32_t len);

/* False: this file system has no holes. Otherwise as it must be. */
bool ends_trim_all(struct lane *lane, uint64_t offset, uint32_t len);

/*
 * Moves len bytes of mem as the engine does with zeros left out: not at all where the end is fresh,
 * else trimmed, else written. begin() was at 0; end() is the caller's.
 */
void ends_move_sparse(struct lane *lane, uint8_t *mem, uint64_t offset, uint32_t len);

/* Stretches of zeros and of data, len bytes that follow from seed. */
uint8_t *ends_sparse_bytes(size_t len, uint64_t seed);

/* Copies of such bytes to path, over what it had or not, chunk by chunk in an order of chance. */
void ends_sparse_copies(ends_open_fn *open_end, const char *path);

/* Bytes of the disk that path takes. */
long long ends_allocated(const char *path);

/* As it must be: all of it moved. */
void ends_move_all(struct lane *lane, void *mem, uint64_t offset, uint32_t len);

/* It fails, by that errno. */
struct xfer ends_move_fails(struct lane *lane, void *mem, uint64_t offset, uint32_t len, int err);

/* open() refuses it with that status and one line that has these words. */
void ends_refused(
	ends_open_fn *open_end, const struct file_params *p, int exit_status, const char *words);

/* Submitting it ends the program, as a change of a source must: tried in a child. */
void ends_submit_aborts(struct lane *lane, struct xfer *x);

/* RLIMIT_FSIZE, of the process from now on. */
void ends_limit_file_size(rlim_t bytes);

/* The text of x's fault. Valid until the next call. */
const char *ends_text(const struct endpoint *ep, const struct xfer *x);

#endif
