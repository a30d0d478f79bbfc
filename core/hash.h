/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashes of what was moved, by name: xxh3 (64 bits, libxxhash), crc32c (core/crc32c.h), md5, sha1,
 * sha256, sha512 (libcrypto). For telling data apart; md5 and sha1, and of course the first two,
 * resist no attacker.
 *
 * One thread at a time uses a struct hash; several at once use several.
 */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include "base.h"

/* Hex digits of the longest hash, and the 0 behind them. */
#define HASH_TEXT_ROOM 129

struct hash;

/* The name of hash number i, from 0; NULL after the last. */
const char *hash_name(unsigned i);

/*
 * NULL with errno: EINVAL for a name not known, ENOMEM, or ENOTSUP where libcrypto's configuration
 * forbids this hash. Ready for data. The caller frees it.
 */
struct hash *hash_new(const char *name) MUST_CHECK;

/* NULL is allowed. */
void hash_free(struct hash *h);

/* False: libcrypto refused; the hash is of no use until hash_final_hex() was called. */
bool hash_update(struct hash *h, const void *data, size_t len) MUST_CHECK;

/*
 * text, of HASH_TEXT_ROOM bytes, becomes the hash of all data since hash_new() or the last
 * hash_final_hex(), in lower-case hex, most significant byte first, as md5sum, sha256sum and
 * xxhsum print it. Begins anew, for the next data. False where libcrypto refused, now or in an
 * update since the last beginning: text is "" then.
 */
bool hash_final_hex(struct hash *h, char *text) MUST_CHECK;

#endif
