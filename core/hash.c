/* SPDX-License-Identifier: BSD-2-Clause */
/* Each library behind the same five functions; all that is common stands below them. */
#include "hash.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "crc32c.h"

struct hash {
	const struct hash_kind *kind;
	union {
		XXH3_state_t *xxh3;
		uint32_t crc;
		EVP_MD_CTX *evp;
	};
	bool failed; /* since the last beginning */
};

struct hash_ops {
	bool (*create)(struct hash *h);
	void (*destroy)(struct hash *h);
	bool (*begin)(struct hash *h);
	bool (*update)(struct hash *h, const void *data, size_t len);
	/* Writes digest_bytes, most significant first. */
	bool (*final)(struct hash *h, uint8_t *digest);
};

struct hash_kind {
	const char *name;
	unsigned digest_bytes;
	const struct hash_ops *ops;
	const EVP_MD *(*evp)(void);
};

/* --- libxxhash --- */

static bool xxh3_create(struct hash *h)
{
	h->xxh3 = XXH3_createState();
	return h->xxh3;
}

static void xxh3_destroy(struct hash *h)
{
	XXH3_freeState(h->xxh3);
}

static bool xxh3_begin(struct hash *h)
{
	return XXH3_64bits_reset(h->xxh3) == XXH_OK;
}

static bool xxh3_update(struct hash *h, const void *data, size_t len)
{
	return XXH3_64bits_update(h->xxh3, data, len) == XXH_OK;
}

static bool xxh3_final(struct hash *h, uint8_t *digest)
{
	uint64_t n = htobe64(XXH3_64bits_digest(h->xxh3));

	memcpy(digest, &n, sizeof(n));
	return true;
}

static const struct hash_ops xxh3_ops = {
	.create = xxh3_create,
	.destroy = xxh3_destroy,
	.begin = xxh3_begin,
	.update = xxh3_update,
	.final = xxh3_final,
};

/* --- our own --- */

static bool crc_create(struct hash *h)
{
	(void)h;
	return true;
}

static void crc_destroy(struct hash *h)
{
	(void)h;
}

static bool crc_begin(struct hash *h)
{
	h->crc = 0;
	return true;
}

static bool crc_update(struct hash *h, const void *data, size_t len)
{
	h->crc = crc32c(h->crc, data, len);
	return true;
}

static bool crc_final(struct hash *h, uint8_t *digest)
{
	uint32_t n = htobe32(h->crc);

	memcpy(digest, &n, sizeof(n));
	return true;
}

static const struct hash_ops crc_ops = {
	.create = crc_create,
	.destroy = crc_destroy,
	.begin = crc_begin,
	.update = crc_update,
	.final = crc_final,
};

/* --- libcrypto --- */

static bool evp_create(struct hash *h)
{
	h->evp = EVP_MD_CTX_new();
	return h->evp;
}

static void evp_destroy(struct hash *h)
{
	EVP_MD_CTX_free(h->evp);
}

static bool evp_begin(struct hash *h)
{
	return EVP_DigestInit_ex(h->evp, h->kind->evp(), NULL) == 1;
}

static bool evp_update(struct hash *h, const void *data, size_t len)
{
	return EVP_DigestUpdate(h->evp, data, len) == 1;
}

static bool evp_final(struct hash *h, uint8_t *digest)
{
	unsigned len = 0;

	return EVP_DigestFinal_ex(h->evp, digest, &len) == 1 && len == h->kind->digest_bytes;
}

static const struct hash_ops evp_ops = {
	.create = evp_create,
	.destroy = evp_destroy,
	.begin = evp_begin,
	.update = evp_update,
	.final = evp_final,
};

/* --- all of them --- */

static const struct hash_kind kinds[] = {
	{ "xxh3", 8, &xxh3_ops, NULL },
	{ "crc32c", 4, &crc_ops, NULL },
	{ "md5", 16, &evp_ops, EVP_md5 },
	{ "sha1", 20, &evp_ops, EVP_sha1 },
	{ "sha256", 32, &evp_ops, EVP_sha256 },
	{ "sha512", 64, &evp_ops, EVP_sha512 },
};

const char *hash_name(unsigned i)
{
	return i < ARRAY_SIZE(kinds) ? kinds[i].name : NULL;
}

static const struct hash_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static struct hash *new_of_kind(const struct hash_kind *kind)
{
	struct hash *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->kind = kind;
	if (!kind->ops->create(h)) {
		free(h);
		return NULL;
	}
	return h;
}

struct hash *hash_new(const char *name)
{
	const struct hash_kind *kind = find_kind(name);
	struct hash *h;

	if (!kind) {
		errno = EINVAL;
		return NULL;
	}
	h = new_of_kind(kind);
	if (!h) {
		errno = ENOMEM;
		return NULL;
	}
	if (!kind->ops->begin(h)) {
		hash_free(h);
		errno = ENOTSUP;
		return NULL;
	}
	return h;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	h->kind->ops->destroy(h);
	free(h);
}

bool hash_update(struct hash *h, const void *data, size_t len)
{
	if (!h->failed && !h->kind->ops->update(h, data, len))
		h->failed = true;
	return !h->failed;
}

static void put_hex(char *text, const uint8_t *bytes, unsigned len)
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < len; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}

bool hash_final_hex(struct hash *h, char *text)
{
	const struct hash_kind *kind = h->kind;
	uint8_t digest[EVP_MAX_MD_SIZE];
	bool good = !h->failed && kind->ops->final(h, digest);

	assert(2 * kind->digest_bytes < HASH_TEXT_ROOM);
	put_hex(text, digest, good ? kind->digest_bytes : 0);
	h->failed = !kind->ops->begin(h);
	return good;
}
