/* SPDX-License-Identifier: BSD-2-Clause */
/* One row a form; the byte positions are SBC-4's. */
#include "cdb.h"

#include <assert.h>
#include <string.h>

#include "be.h"

#define BYTCHK_COMPARE 0x02 /* byte 1 of VERIFY: all bytes with those sent */
#define UNMAP_BIT      0x08 /* byte 1 of WRITE SAME */

static const struct form {
	unsigned bytes;
	uint8_t opcode[3]; /* by enum cdb_op; 0: there is none */
	uint64_t max_lba;
	uint32_t max_blocks;
	bool has_flags;
	const char *name[3];
} forms[] = {
	{ 6, { 0x08, 0x0a, 0 }, 0x1fffff, 256, false, { "READ(6)", "WRITE(6)", "" } },
	{ 10, { 0x28, 0x2a, 0x2f }, UINT32_MAX, UINT16_MAX, true,
		{ "READ(10)", "WRITE(10)", "VERIFY(10)" } },
	{ 12, { 0xa8, 0xaa, 0xaf }, UINT32_MAX, UINT32_MAX, true,
		{ "READ(12)", "WRITE(12)", "VERIFY(12)" } },
	{ 16, { 0x88, 0x8a, 0x8f }, UINT64_MAX, UINT32_MAX, true,
		{ "READ(16)", "WRITE(16)", "VERIFY(16)" } },
};

static const struct form *form_find(unsigned cdb_bytes)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (forms[i].bytes == cdb_bytes)
			return &forms[i];
	return NULL;
}

bool cdb_reaches(unsigned cdb_bytes, uint64_t last_lba, uint32_t max_blocks, unsigned flags)
{
	const struct form *f = form_find(cdb_bytes);

	return f && last_lba <= f->max_lba && max_blocks <= f->max_blocks &&
	       (f->has_flags || flags == 0);
}

unsigned cdb_choose(uint64_t last_lba, uint32_t max_blocks)
{
	return cdb_reaches(10, last_lba, max_blocks, 0) ? 10 : 16;
}

uint32_t cdb_max_blocks(unsigned cdb_bytes)
{
	const struct form *f = form_find(cdb_bytes);

	assert(f);
	return f->max_blocks;
}

void cdb_init(uint8_t cdb[CDB_MAX], unsigned cdb_bytes, enum cdb_op op, unsigned flags)
{
	const struct form *f = form_find(cdb_bytes);

	assert(f && f->opcode[op] && (f->has_flags || flags == 0));
	memset(cdb, 0, CDB_MAX);
	cdb[0] = f->opcode[op];
	cdb[1] = (uint8_t)(op == CDB_VERIFY ? (flags & CDB_DPO) | BYTCHK_COMPARE : flags);
}

void cdb_set_range(uint8_t cdb[CDB_MAX], unsigned cdb_bytes, uint64_t lba, uint32_t blocks)
{
	switch (cdb_bytes) {
	case 6:
		cdb[1] = (uint8_t)(lba >> 16);
		put_be16(cdb + 2, (uint16_t)lba);
		cdb[4] = (uint8_t)blocks; /* 0 means 256, SBC-4 5.13 */
		break;
	case 10:
		put_be32(cdb + 2, (uint32_t)lba);
		put_be16(cdb + 7, (uint16_t)blocks);
		break;
	case 12:
		put_be32(cdb + 2, (uint32_t)lba);
		put_be32(cdb + 6, blocks);
		break;
	case 16:
		put_be64(cdb + 2, lba);
		put_be32(cdb + 10, blocks);
		break;
	default: assert(0 && "a form cdb_init() accepts");
	}
}

void cdb_write_same(uint8_t cdb[CDB_MAX], unsigned cdb_bytes, uint64_t lba, uint32_t blocks)
{
	/* No block at all would mean all up to the last (WSNZ 0). */
	assert((cdb_bytes == 10 || cdb_bytes == 16) && blocks > 0);
	memset(cdb, 0, CDB_MAX);
	cdb[0] = cdb_bytes == 10 ? 0x41 : 0x93;
	cdb[1] = UNMAP_BIT;
	cdb_set_range(cdb, cdb_bytes, lba, blocks);
}

void cdb_unmap(uint8_t cdb[CDB_MAX])
{
	memset(cdb, 0, CDB_MAX);
	cdb[0] = 0x42;
	put_be16(cdb + 7, UNMAP_LIST_BYTES);
}

void cdb_unmap_list(uint8_t list[UNMAP_LIST_BYTES], uint64_t lba, uint32_t blocks)
{
	memset(list, 0, UNMAP_LIST_BYTES);
	put_be16(list, UNMAP_LIST_BYTES - 2);
	put_be16(list + 2, UNMAP_LIST_BYTES - 8);
	put_be64(list + 8, lba);
	put_be32(list + 16, blocks);
}

void cdb_lba_status(uint8_t cdb[CDB_MAX], uint64_t lba, uint32_t len_bytes)
{
	memset(cdb, 0, CDB_MAX);
	cdb[0] = 0x9e;
	cdb[1] = 0x12;
	put_be64(cdb + 2, lba);
	put_be32(cdb + 10, len_bytes);
}

const char *cdb_name(unsigned cdb_bytes, enum cdb_op op)
{
	const struct form *f = form_find(cdb_bytes);

	assert(f);
	return f->name[op];
}
