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

#define CRC32C_LANES 4

/*
 * Of as many stretches of len bytes, which begin stride bytes apart: crc[i] as crc32c(0, ...). Side
 * by side they take little more time than one, whose steps each wait for the one before.
 */
void crc32c_lanes(const void *data, size_t stride, size_t len, uint32_t crc[CRC32C_LANES]);

/* The same by tables: for processors without the instruction, and for comparison in tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
