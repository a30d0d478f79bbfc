/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * READ and WRITE command descriptor blocks of 6, 10, 12 and 16 bytes (SBC-4 5.13 to 5.16, 5.34 to
 * 5.38), and VERIFY of the same but 6 (5.30 to 5.32). The form is chosen once a run, by the last
 * block it will touch: a form that is too short does not fail, it addresses another block (READ(10)
 * cuts the LBA off at 32 bits).
 */
#ifndef SCSI_CDB_H
#define SCSI_CDB_H

#include "../core/base.h"

#define CDB_MAX 16

/* CDB_VERIFY sends the data like a write: the disk compares them with its own (BYTCHK 01b). */
enum cdb_op { CDB_READ, CDB_WRITE, CDB_VERIFY };

enum cdb_flags { CDB_DPO = 0x10, CDB_FUA = 0x08 }; /* bits of byte 1 */

/*
 * Can READ or WRITE of cdb_bytes (6, 10, 12, 16) reach last_lba with up to max_blocks a command
 * and these flags? False for any other cdb_bytes.
 */
bool cdb_reaches(unsigned cdb_bytes, uint64_t last_lba, uint32_t max_blocks, unsigned flags);

/* The form to use when the user does not say: 10, or 16 where 10 does not reach. */
unsigned cdb_choose(uint64_t last_lba, uint32_t max_blocks);

/* The largest block count of one command. */
uint32_t cdb_max_blocks(unsigned cdb_bytes);

/*
 * Opcode and flags; the rest is zero until cdb_set_range(). cdb_bytes is 6, 10, 12 or 16, not 6 for
 * CDB_VERIFY, which has no FUA either.
 */
void cdb_init(uint8_t cdb[CDB_MAX], unsigned cdb_bytes, enum cdb_op op, unsigned flags);

/* blocks is 1..cdb_max_blocks(cdb_bytes), and the range is one that cdb_reaches(). */
void cdb_set_range(uint8_t cdb[CDB_MAX], unsigned cdb_bytes, uint64_t lba, uint32_t blocks);

/*
 * WRITE SAME(10) or (16): of one block, sent with it, blocks copies from lba
 * on, with the UNMAP bit. cdb_bytes is 10 or 16; the range is one that WRITE of that form reaches.
 * NDOB is left 0: who does not know it waits for the data all the same.
 */
void cdb_write_same(uint8_t cdb[CDB_MAX], unsigned cdb_bytes, uint64_t lba, uint32_t blocks);

/* UNMAP (10 bytes), and the parameter list of one range that goes with it. */
#define UNMAP_LIST_BYTES 24
void cdb_unmap(uint8_t cdb[CDB_MAX]);
void cdb_unmap_list(uint8_t list[UNMAP_LIST_BYTES], uint64_t lba, uint32_t blocks);

/* GET LBA STATUS(16): of lba and what follows, in an answer of up to len_bytes. */
void cdb_lba_status(uint8_t cdb[CDB_MAX], uint64_t lba, uint32_t len_bytes);

/* "READ(10)", for messages. */
const char *cdb_name(unsigned cdb_bytes, enum cdb_op op);

#endif
