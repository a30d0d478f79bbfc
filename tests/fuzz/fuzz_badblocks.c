/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: a list of blocks, printed and read again the same, or a map left as it was. */
#include <stdlib.h>
#include <string.h>

#include "../../core/badblocks.h"
#include "../lib/memout.h"

#define BLOCK 512u
#define TOTAL (1000u * BLOCK + 7) /* the last block is not whole */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void reads_back(const struct ranges *r, const struct ranges *fresh)
{
	struct ranges again = { 0 };
	struct memout text;
	unsigned long line;

	memout_begin(&text);
	badblocks_print(r, RANGE_IS(RANGE_BAD), BLOCK, &text.out);
	(void)memout_end(&text);
	must(ranges_copy(&again, fresh));
	must(badblocks_parse(text.text, text.len, BLOCK, RANGE_BAD, &again, &line) == 0);
	must(ranges_same(&again, r));
	ranges_destroy(&again);
	free(text.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1);
	struct ranges r = { 0 }, fresh;
	unsigned long line;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	must(ranges_init(&fresh, TOTAL) && ranges_copy(&r, &fresh));
	if (badblocks_parse(text, size, BLOCK, RANGE_BAD, &r, &line) == 0)
		reads_back(&r, &fresh);
	else
		must(ranges_same(&r, &fresh) && line >= 1);
	ranges_destroy(&r);
	ranges_destroy(&fresh);
	free(text);
	return 0;
}
