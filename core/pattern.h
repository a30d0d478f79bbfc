/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generated data and its checking: streams of bytes without end, of which any range can be written
 * and checked by itself.
 *
 * What stands at a place depends on nothing but the pattern and the place, its absolute byte
 * offset: ranges of any size and alignment, in any order and by any number of threads, fit
 * together. Buffers need no alignment. A range must end at or before byte 2^64. No function here
 * keeps state, allocates or fails.
 *
 * PATTERN_BYTES: bytes[0..bytes_len-1] over and over; byte 0 of the stream is bytes[0].
 *
 * PATTERN_RANDOM: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
 * generators", OOPSLA 2014; constants as in Vigna's splitmix64.c). Word i, at byte 8*i, little
 * endian, is the generator's output number i, worked out from i alone. The generator's seed is
 * pattern.seed in pass 0, and pattern.seed plus the mixed number of the pass later on: each pass
 * writes other data. Good enough to defeat compression, deduplication and luck; no secret.
 *
 * PATTERN_STAMP: blocks of block_bytes that tell who they are. Numbers are big endian:
 *
 *     byte 0    8  LBA: number of the block, its offset in bytes divided by block_bytes
 *          8    8  seed
 *         16    4  pass
 *         20    4  magic, STAMP_MAGIC
 *         24       the bytes that PATTERN_RANDOM of the same seed and pass has at this place
 *     last 4       CRC-32C of all bytes of the block before it
 */
#ifndef CORE_PATTERN_H
#define CORE_PATTERN_H

#include "base.h"

enum pattern_kind { PATTERN_BYTES, PATTERN_RANDOM, PATTERN_STAMP };

#define PATTERN_BYTES_MAX 8
#define PATTERN_NAME_ROOM 24
#define STAMP_BLOCK_MIN	  32
#define STAMP_MAGIC	  UINT32_C(0x53474d31) /* "SGM1" */

struct pattern {
	enum pattern_kind kind;
	uint8_t bytes[PATTERN_BYTES_MAX]; /* BYTES */
	unsigned bytes_len;		  /* BYTES: 1..PATTERN_BYTES_MAX */
	uint64_t seed;			  /* RANDOM, STAMP */
	uint32_t pass;			  /* RANDOM, STAMP */
	uint32_t block_bytes;		  /* STAMP: a multiple of 8, at least STAMP_BLOCK_MIN */
};

/*
 * The len bytes of text are 1 to 8 bytes as pairs of hex digits, first byte first, 0x in front or
 * not: "5a", "0x5a", "DeadBeef". Makes *p such a PATTERN_BYTES; false, and *p left alone, when text
 * is anything else.
 */
bool pattern_parse_bytes(const char *text, size_t len, struct pattern *p) MUST_CHECK;

/*
 * What is generated, but for the seed and the pass: "random", "stamp:512" (the block length), or
 * the fewest bytes that over and over are the same, in lower-case hex. Returns name.
 */
const char *pattern_name(const struct pattern *p, char name[PATTERN_NAME_ROOM]);

/* Writes bytes offset..offset+len-1 of the stream to buf. */
void pattern_fill(const struct pattern *p, uint64_t offset_bytes, void *buf, size_t len);

/*
 * Compares buf with bytes offset..offset+len-1 of the stream: returns the index in buf of the first
 * byte that differs, len when none does.
 */
size_t pattern_check(
	const struct pattern *p, uint64_t offset_bytes, const void *buf, size_t len) MUST_CHECK;

/* The byte of the stream at this place, for a message about one that differs. */
uint8_t pattern_byte(const struct pattern *p, uint64_t offset_bytes);

/*
 * How many blocks of the device, of block_bytes each, are not as they should be. The range may
 * begin and end inside a block, of which then only the part in the range counts.
 */
uint64_t pattern_count_bad_blk(const struct pattern *p, uint64_t offset_bytes, const void *buf,
	size_t len, uint32_t block_bytes) MUST_CHECK;

/* What a block says of itself; seen. */
struct stamp {
	uint64_t lba, seed;
	uint32_t pass;
};

enum stamp_verdict {
	STAMP_INTACT,
	STAMP_CHANGED,	  /* no magic, or wrong CRC: what it says of itself means nothing */
	STAMP_OTHER_SEED, /* whole, of another run */
	STAMP_ELSEWHERE,  /* whole, of this run, belongs at another LBA; perhaps of another pass */
	STAMP_OTHER_PASS, /* whole, of this run and LBA; a write was lost where the pass is lower */
};

/*
 * Judges the p->block_bytes bytes read at this LBA; p is a PATTERN_STAMP. *seen becomes what the
 * block says, whatever the verdict.
 */
enum stamp_verdict pattern_judge_stamp(
	const struct pattern *p, uint64_t lba, const void *block, struct stamp *seen) MUST_CHECK;

#endif
