/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checking is filling a piece small enough to stay in the first-level cache and comparing it; so
 * there is one generator of each kind, not two. Only random data are compared word by word in
 * registers, because there the way through memory is felt.
 *
 * A stamped block is random data over which its head and its CRC are laid.
 */
#include "pattern.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crc32c.h"
#include "units.h"

#define PIECE_BYTES 16384 /* CRC32C_LANES blocks of 4096 bytes */

/* --- numbers in memory --- */

static void put_le64(uint8_t *to, uint64_t n)
{
	n = htole64(n);
	memcpy(to, &n, sizeof(n));
}

static uint64_t get_le64(const uint8_t *from)
{
	uint64_t n;

	memcpy(&n, from, sizeof(n));
	return le64toh(n);
}

static void put_be64(uint8_t *to, uint64_t n)
{
	n = htobe64(n);
	memcpy(to, &n, sizeof(n));
}

static uint64_t get_be64(const uint8_t *from)
{
	uint64_t n;

	memcpy(&n, from, sizeof(n));
	return be64toh(n);
}

static void put_be32(uint8_t *to, uint32_t n)
{
	n = htobe32(n);
	memcpy(to, &n, sizeof(n));
}

static uint32_t get_be32(const uint8_t *from)
{
	uint32_t n;

	memcpy(&n, from, sizeof(n));
	return be32toh(n);
}

/* --- bytes --- */

/* Doubles what is there up to this many periods, then repeats those: few, large copies. */
#define PERIODS_MAX UINT64_C(512)

static void bytes_fill(const struct pattern *p, uint64_t offset, uint8_t *out, size_t len)
{
	size_t done = 0, n;

	for (; done < p->bytes_len && done < len; done++)
		out[done] = p->bytes[(offset + done) % p->bytes_len];
	for (; done < len; done += n) {
		n = min_u64(done, PERIODS_MAX * p->bytes_len);
		n = min_u64(n, len - done);
		memcpy(out + done, out, n);
	}
}

/* --- random --- */

static uint64_t mix64(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t random_word(uint64_t key, uint64_t i)
{
	return mix64(key + (i + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/* mix64(0) is 0. */
static uint64_t random_key(const struct pattern *p)
{
	return p->seed + mix64(p->pass);
}

/* n bytes of word i, the first skip left out. */
static void random_part(uint64_t key, uint64_t i, size_t skip, uint8_t *out, size_t n)
{
	uint8_t word[8];

	put_le64(word, random_word(key, i));
	memcpy(out, word + skip, n);
}

static void random_fill(uint64_t key, uint64_t offset, uint8_t *out, size_t len)
{
	uint64_t i = offset / 8;
	size_t skip = offset % 8, words;

	if (skip > 0) {
		size_t n = min_u64(8 - skip, len);

		random_part(key, i++, skip, out, n);
		out += n;
		len -= n;
	}
	words = len / 8;
	for (size_t w = 0; w < words; w++)
		put_le64(out + 8 * w, random_word(key, i + w));
	random_part(key, i + words, 0, out + 8 * words, len % 8);
}

/* The words at and after an offset that is a multiple of 8. */
static bool random_words_equal(uint64_t key, uint64_t offset, const uint8_t *in, size_t len)
{
	uint64_t i = offset / 8, difference = 0;

	for (size_t w = 0; w < len / 8; w++)
		difference |= get_le64(in + 8 * w) ^ random_word(key, i + w);
	return difference == 0;
}

/* --- stamps --- */

#define STAMP_HEAD_BYTES 24
#define STAMP_CRC_BYTES	 4

static void stamp_head(const struct pattern *p, uint64_t lba, uint8_t *head)
{
	put_be64(head, lba);
	put_be64(head + 8, p->seed);
	put_be32(head + 16, p->pass);
	put_be32(head + 20, STAMP_MAGIC);
}

/* Of a block that is not in memory as a whole. */
static uint32_t stamp_crc(const struct pattern *p, uint64_t block_offset, const uint8_t *head)
{
	uint8_t piece[512];
	uint32_t end = p->block_bytes - STAMP_CRC_BYTES, n;
	uint32_t crc = crc32c(0, head, STAMP_HEAD_BYTES);

	for (uint32_t at = STAMP_HEAD_BYTES; at < end; at += n) {
		n = (uint32_t)min_u64(sizeof(piece), end - at);
		random_fill(random_key(p), block_offset + at, piece, n);
		crc = crc32c(crc, piece, n);
	}
	return crc;
}

/* Lays n bytes that belong at index at of a block over what of them is in from..to-1. */
static void lay(
	uint8_t *out, uint32_t from, uint32_t to, const uint8_t *over, uint32_t at, uint32_t n)
{
	uint32_t first = from > at ? from : at, end = to < at + n ? to : at + n;

	if (first < end)
		memcpy(out + (first - from), over + (first - at), end - first);
}

/* Bytes from..to-1 of the block. */
static void stamp_block(
	const struct pattern *p, uint64_t lba, uint8_t *out, uint32_t from, uint32_t to)
{
	uint8_t head[STAMP_HEAD_BYTES], tail[STAMP_CRC_BYTES];
	uint32_t crc_at = p->block_bytes - STAMP_CRC_BYTES;

	random_fill(random_key(p), lba * p->block_bytes + from, out, to - from);
	stamp_head(p, lba, head);
	lay(out, from, to, head, 0, sizeof(head));
	if (to <= crc_at)
		return;
	put_be32(tail,
		from == 0 ? crc32c(0, out, crc_at) : stamp_crc(p, lba * p->block_bytes, head));
	lay(out, from, to, tail, crc_at, sizeof(tail));
}

/* CRC32C_LANES whole blocks. */
static void stamp_lanes(const struct pattern *p, uint64_t lba, uint8_t *out)
{
	uint32_t block = p->block_bytes, crc_at = block - STAMP_CRC_BYTES;
	uint32_t crc[CRC32C_LANES];

	random_fill(random_key(p), lba * block, out, (size_t)block * CRC32C_LANES);
	for (uint32_t i = 0; i < CRC32C_LANES; i++)
		stamp_head(p, lba + i, out + (size_t)i * block);
	crc32c_lanes(out, block, crc_at, crc);
	for (uint32_t i = 0; i < CRC32C_LANES; i++)
		put_be32(out + (size_t)i * block + crc_at, crc[i]);
}

static void stamp_fill(const struct pattern *p, uint64_t offset, uint8_t *out, size_t len)
{
	size_t lanes_bytes = (size_t)p->block_bytes * CRC32C_LANES;
	uint64_t lba = offset / p->block_bytes;
	uint32_t from = (uint32_t)(offset % p->block_bytes), to;

	while (len > 0) {
		if (from == 0 && len >= lanes_bytes) {
			stamp_lanes(p, lba, out);
			lba += CRC32C_LANES;
			out += lanes_bytes;
			len -= lanes_bytes;
			continue;
		}
		to = (uint32_t)min_u64(p->block_bytes, from + len);
		stamp_block(p, lba++, out, from, to);
		out += to - from;
		len -= to - from;
		from = 0;
	}
}

static struct stamp stamp_read(const uint8_t *block)
{
	return (struct stamp){
		.lba = get_be64(block),
		.seed = get_be64(block + 8),
		.pass = get_be32(block + 16),
	};
}

static bool stamp_is_whole(const uint8_t *block, uint32_t block_bytes)
{
	uint32_t crc_at = block_bytes - STAMP_CRC_BYTES;

	return get_be32(block + 20) == STAMP_MAGIC &&
	       get_be32(block + crc_at) == crc32c(0, block, crc_at);
}

enum stamp_verdict pattern_judge_stamp(
	const struct pattern *p, uint64_t lba, const void *block, struct stamp *seen)
{
	*seen = stamp_read(block);
	if (pattern_check(p, lba * p->block_bytes, block, p->block_bytes) == p->block_bytes)
		return STAMP_INTACT;
	if (!stamp_is_whole(block, p->block_bytes))
		return STAMP_CHANGED;
	if (seen->seed != p->seed)
		return STAMP_OTHER_SEED;
	if (seen->lba != lba)
		return STAMP_ELSEWHERE;
	if (seen->pass != p->pass)
		return STAMP_OTHER_PASS;
	return STAMP_CHANGED; /* the CRC alone did not see it */
}

/* --- all kinds --- */

void pattern_fill(const struct pattern *p, uint64_t offset_bytes, void *buf, size_t len)
{
	switch (p->kind) {
	case PATTERN_BYTES: bytes_fill(p, offset_bytes, buf, len); break;
	case PATTERN_RANDOM: random_fill(random_key(p), offset_bytes, buf, len); break;
	case PATTERN_STAMP: stamp_fill(p, offset_bytes, buf, len); break;
	}
}

uint8_t pattern_byte(const struct pattern *p, uint64_t offset_bytes)
{
	uint8_t byte;

	pattern_fill(p, offset_bytes, &byte, 1);
	return byte;
}

/* To the next multiple of the piece: where blocks fit into pieces, none is cut. */
static size_t piece_len(const struct pattern *p, uint64_t offset, size_t left)
{
	uint64_t unit = PIECE_BYTES;

	if (p->kind == PATTERN_STAMP && p->block_bytes < PIECE_BYTES)
		unit = round_down_u64(PIECE_BYTES, p->block_bytes);
	return min_u64(unit - offset % unit, left);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t i = 0;

	while (i < len && a[i] == b[i])
		i++;
	return i;
}

/* pattern_check() of at most PIECE_BYTES. */
static size_t piece_check(const struct pattern *p, uint64_t offset, const uint8_t *in, size_t len)
{
	uint8_t want[PIECE_BYTES];

	if (p->kind == PATTERN_RANDOM && offset % 8 == 0 && len % 8 == 0 &&
		random_words_equal(random_key(p), offset, in, len))
		return len;
	pattern_fill(p, offset, want, len);
	return memcmp(want, in, len) == 0 ? len : first_difference(want, in, len);
}

size_t pattern_check(const struct pattern *p, uint64_t offset_bytes, const void *buf, size_t len)
{
	const uint8_t *in = buf;
	size_t done = 0;

	while (done < len) {
		size_t n = piece_len(p, offset_bytes + done, len - done);
		size_t same = piece_check(p, offset_bytes + done, in + done, n);

		done += same;
		if (same < n)
			break;
	}
	return done;
}

uint64_t pattern_count_bad_blk(const struct pattern *p, uint64_t offset_bytes, const void *buf,
	size_t len, uint32_t block_bytes)
{
	const uint8_t *in = buf;
	uint64_t bad = 0;
	size_t n;

	for (; len > 0; in += n, offset_bytes += n, len -= n) {
		n = min_u64(block_bytes - offset_bytes % block_bytes, len);
		if (pattern_check(p, offset_bytes, in, n) < n)
			bad++;
	}
	return bad;
}

/* --- text --- */

bool pattern_parse_bytes(const char *text, size_t len, struct pattern *p)
{
	struct pattern parsed = { .kind = PATTERN_BYTES };

	if (len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		len -= 2;
	}
	if (len == 0 || len % 2 != 0 || len / 2 > PATTERN_BYTES_MAX)
		return false;
	for (; parsed.bytes_len < len / 2; parsed.bytes_len++) {
		int high = units_digit_value(*text++), low = units_digit_value(*text++);

		if (high == UNITS_NO_DIGIT || low == UNITS_NO_DIGIT)
			return false;
		parsed.bytes[parsed.bytes_len] = (uint8_t)(high << 4 | low);
	}
	*p = parsed;
	return true;
}

/* The fewest bytes, at the start, that all are repetitions of. */
static unsigned period(const struct pattern *p)
{
	unsigned n = 1;

	while (p->bytes_len % n != 0 || memcmp(p->bytes, p->bytes + n, p->bytes_len - n) != 0)
		n++;
	return n;
}

const char *pattern_name(const struct pattern *p, char name[PATTERN_NAME_ROOM])
{
	switch (p->kind) {
	case PATTERN_RANDOM: (void)snprintf(name, PATTERN_NAME_ROOM, "random"); break;
	case PATTERN_STAMP:
		(void)snprintf(name, PATTERN_NAME_ROOM, "stamp:%" PRIu32, p->block_bytes);
		break;
	case PATTERN_BYTES:
		for (unsigned i = 0, n = period(p); i < n; i++)
			(void)snprintf(name + 2 * (size_t)i, 3, "%02x", p->bytes[i]);
		break;
	}
	return name;
}
