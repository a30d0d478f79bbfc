/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * With the instruction where the processor has it, otherwise eight bytes at a time by eight tables
 * ("slicing-by-8": Kounavis, Berry, ISCC 2005).
 *
 * Table k holds for each byte what it leaves of the CRC after k more bytes of zeros. The CRC is
 * linear: an entry is the sum (exclusive or) of the entries for each of its bits, so that eight
 * numbers, those for the bits 7 to 0, say all about a table, and the compiler works out the rest.
 * Each of the 64 numbers is the one before it after one more step of division; the first is the
 * polynomial, reflected.
 */
#include "crc32c.h"

#include <endian.h>
#include <string.h>

#define BIT(n, bit, value) (((n) >> (bit)&1) ? (value) : 0)
#define ENTRY(n, b7, b6, b5, b4, b3, b2, b1, b0) \
	BIT(n, 7, b7) ^ BIT(n, 6, b6) ^ BIT(n, 5, b5) ^ BIT(n, 4, b4) ^ BIT(n, 3, b3) ^ \
		BIT(n, 2, b2) ^ BIT(n, 1, b1) ^ BIT(n, 0, b0)
#define ENTRIES_4(n, ...) \
	ENTRY(n, __VA_ARGS__), ENTRY((n) + 1, __VA_ARGS__), ENTRY((n) + 2, __VA_ARGS__), \
		ENTRY((n) + 3, __VA_ARGS__)
#define ENTRIES_16(n, ...) \
	ENTRIES_4(n, __VA_ARGS__), ENTRIES_4((n) + 4, __VA_ARGS__), \
		ENTRIES_4((n) + 8, __VA_ARGS__), ENTRIES_4((n) + 12, __VA_ARGS__)
#define ENTRIES_64(n, ...) \
	ENTRIES_16(n, __VA_ARGS__), ENTRIES_16((n) + 16, __VA_ARGS__), \
		ENTRIES_16((n) + 32, __VA_ARGS__), ENTRIES_16((n) + 48, __VA_ARGS__)
#define TABLE(...) \
	ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), ENTRIES_64(128, __VA_ARGS__), \
		ENTRIES_64(192, __VA_ARGS__)

static const uint32_t tables[8][256] = {
	{ TABLE(0x82f63b78, 0x417b1dbc, 0x20bd8ede, 0x105ec76f, 0x8ad958cf, 0xc79a971f, 0xe13b70f7,
		0xf26b8303) },
	{ TABLE(0xfbc3faf9, 0xff17c604, 0x7f8be302, 0x3fc5f181, 0x9d14c3b8, 0x4e8a61dc, 0x274530ee,
		0x13a29877) },
	{ TABLE(0x8b277743, 0xc76580d9, 0xe144fb14, 0x70a27d8a, 0x38513ec5, 0x9edea41a, 0x4f6f520d,
		0xa541927e) },
	{ TABLE(0x52a0c93f, 0xaba65fe7, 0xd725148b, 0xe964b13d, 0xf64463e6, 0x7b2231f3, 0xbf672381,
		0xdd45aab8) },
	{ TABLE(0x6ea2d55c, 0x37516aae, 0x1ba8b557, 0x8f2261d3, 0xc5670b91, 0xe045beb0, 0x7022df58,
		0x38116fac) },
	{ TABLE(0x1c08b7d6, 0x0e045beb, 0x85f4168d, 0xc00c303e, 0x6006181f, 0xb2f53777, 0xdb8ca0c3,
		0xef306b19) },
	{ TABLE(0xf56e0ef4, 0x7ab7077a, 0x3d5b83bd, 0x9c5bfaa6, 0x4e2dfd53, 0xa5e0c5d1, 0xd0065990,
		0x68032cc8) },
	{ TABLE(0x34019664, 0x1a00cb32, 0x0d006599, 0x847609b4, 0x423b04da, 0x211d826d, 0x9278fa4e,
		0x493c7d27) },
};

static uint64_t load_le64(const uint8_t *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return le64toh(word);
}

static uint32_t eight_bytes(uint32_t crc, uint64_t word)
{
	uint32_t sum = 0;

	word ^= crc;
	for (int i = 0; i < 8; i++)
		sum ^= tables[7 - i][word >> 8 * i & 0xff];
	return sum;
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	crc = ~crc;
	for (; len >= 8; len -= 8, p += 8)
		crc = eight_bytes(crc, load_le64(p));
	for (; len > 0; len--, p++)
		crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
	return ~crc;
}

static void lanes_portable(const uint8_t *p, size_t stride, size_t len, uint32_t crc[CRC32C_LANES])
{
	for (size_t i = 0; i < CRC32C_LANES; i++)
		crc[i] = crc32c_portable(0, p + i * stride, len);
}

#ifdef __x86_64__

#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(
	uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t c = ~crc;

	for (; len >= 8; len -= 8, p += 8)
		c = _mm_crc32_u64(c, load_le64(p));
	for (; len > 0; len--, p++)
		c = _mm_crc32_u8((uint32_t)c, *p);
	return ~(uint32_t)c;
}

/* The instruction's result is there after three cycles, but one can begin in each. */
__attribute__((target("sse4.2"))) static void lanes_by_instruction(
	const uint8_t *p, size_t stride, size_t len, uint32_t crc[CRC32C_LANES])
{
	uint64_t c0 = UINT32_MAX, c1 = c0, c2 = c0, c3 = c0;
	size_t at = 0;

	for (; at + 8 <= len; at += 8) {
		c0 = _mm_crc32_u64(c0, load_le64(p + at));
		c1 = _mm_crc32_u64(c1, load_le64(p + stride + at));
		c2 = _mm_crc32_u64(c2, load_le64(p + 2 * stride + at));
		c3 = _mm_crc32_u64(c3, load_le64(p + 3 * stride + at));
	}
	crc[0] = by_instruction(~(uint32_t)c0, p + at, len - at);
	crc[1] = by_instruction(~(uint32_t)c1, p + stride + at, len - at);
	crc[2] = by_instruction(~(uint32_t)c2, p + 2 * stride + at, len - at);
	crc[3] = by_instruction(~(uint32_t)c3, p + 3 * stride + at, len - at);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	if (__builtin_cpu_supports("sse4.2"))
		return by_instruction(crc, data, len);
	return crc32c_portable(crc, data, len);
}

void crc32c_lanes(const void *data, size_t stride, size_t len, uint32_t crc[CRC32C_LANES])
{
	if (__builtin_cpu_supports("sse4.2"))
		lanes_by_instruction(data, stride, len, crc);
	else
		lanes_portable(data, stride, len, crc);
}

#else

void crc32c_lanes(const void *data, size_t stride, size_t len, uint32_t crc[CRC32C_LANES])
{
	lanes_portable(data, stride, len, crc);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	return crc32c_portable(crc, data, len);
}

#endif
