/* SPDX-License-Identifier: BSD-2-Clause */
#include "rangetext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

void expect_ranges(const struct ranges *r, const char *text)
{
	char is[512];
	size_t n = 0;
	struct range x;

	for (uint64_t at = 0; ranges_get(r, at, &x) && n < sizeof(is); at += x.len_bytes)
		n += (size_t)snprintf(is + n, sizeof(is) - n, "%llx%c ", (unsigned long long)at,
			"?*/-w+"[x.status]);
	assert_true(n < sizeof(is));
	(void)snprintf(is + n, sizeof(is) - n, "%llx", (unsigned long long)ranges_total(r));
	assert_string_equal(is, text);
}
