/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes: an answer or a reason, never both; a number that was read is read again the same. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/units.h"

#define UNTOUCHED UINT64_C(0x5aa55aa55aa55aa5)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void reads_back(uint64_t n)
{
	char text[32];
	uint64_t again = n + 1;

	(void)snprintf(text, sizeof(text), "%" PRIu64, n);
	must(units_parse(text, &again) == UNITS_OK && again == n);
	(void)snprintf(text, sizeof(text), "0x%" PRIx64, n);
	must(units_parse(text, &again) == UNITS_OK && again == n);
	(void)snprintf(text, sizeof(text), "%" PRIX64 "h", n);
	must(units_parse(text, &again) == UNITS_OK && again == n);
}

/* n, times one and plus nothing, is n: whatever form n has. */
static void survives_neutral_arithmetic(const char *text, size_t len, uint64_t n)
{
	char *longer = malloc(len + 16);
	uint64_t again = n + 1;

	if (!longer)
		return;
	(void)sprintf(longer, "0+1x%s+0", text);
	must(units_parse(longer, &again) == UNITS_OK && again == n);
	free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint64_t n = UNTOUCHED, of_len = UNTOUCHED;
	enum units_error err;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	err = units_parse(text, &n);
	must(units_parse_n(text, strlen(text), &of_len) == err && of_len == n);
	must(units_error_text(err) != NULL);
	if (err == UNITS_OK) {
		char shown[UNITS_TEXT_ROOM];

		reads_back(n);
		survives_neutral_arithmetic(text, strlen(text), n);
		must(strlen(units_bytes_text(n, shown)) < sizeof(shown));
	} else {
		must(n == UNTOUCHED);
	}
	free(text);
	return 0;
}
