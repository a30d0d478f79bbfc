/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_MEMINFO_H
#define CORE_MEMINFO_H

#include "base.h"

/* MemAvailable of proc(5) in bytes; UINT64_MAX where it is not told. */
uint64_t meminfo_available(void);

#endif
