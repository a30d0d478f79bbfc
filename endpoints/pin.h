/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Can this memory be pinned for direct IO? Asked of the kernel without any device: vmsplice(2) to
 * a pipe takes pages by the same path (get_user_pages_fast()) as direct IO does.
 *
 * sg's mapped reserved buffer is VM_IO: the slow path of GUP refuses it, the fast path only looks
 * at page tables. So every page must have been touched once by this process, and the kernel must
 * have a fast path that takes such pages (x86-64 does; user-mode-linux has none; since 6.12
 * single-page allocations fall to the slow path, mm/gup.c gup_fast_folio_allowed()).
 */
#ifndef ENDPOINTS_PIN_H
#define ENDPOINTS_PIN_H

#include "../core/base.h"

/* Reads one byte of each page: after it, no first-touch fault hits a transfer. */
void pin_touch(const void *mem, size_t len_bytes);

/* True when all of [mem, mem + len_bytes) can be pinned; false also where that cannot be told. */
/* (vmsplice()'s iovec wants it not const; nothing is written.) */
bool pin_test(void *mem, size_t len_bytes) MUST_CHECK;

#endif
