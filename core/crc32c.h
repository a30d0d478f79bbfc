/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC-32C (Castagnoli): polynomial 0x1edc6f41, bits reflected, begun and ended with all ones, as
 * in iSCSI (RFC 3720, 12.1) and the CRC32 instruction of SSE4.2. "123456789" gives 0xe3069283.
 */
#ifndef CORE_CRC32C_H
#define CORE_CRC32C_H

#include "base.h"

/* crc is 0 at the start, later what the call for the bytes before returned. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The same by tables: for processors without the instruction, and for comparison in tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
