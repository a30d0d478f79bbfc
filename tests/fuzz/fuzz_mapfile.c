/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes: a map or an error, never both; a map that was read is whole, and is read again the
 * same from what is printed of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/mapfile.h"
#include "../lib/memout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void is_whole(const struct ranges *r)
{
	uint64_t at = 0, sum = 0;
	unsigned last = RANGE_STATUSES;
	struct range x;

	for (; ranges_get(r, at, &x); at += x.len_bytes) {
		must(x.at_bytes == at && x.len_bytes > 0 && x.status != last);
		last = x.status;
	}
	must(at == ranges_total(r) && at > 0 && at <= MAPFILE_SIZE_MAX);
	for (unsigned s = 0; s < RANGE_STATUSES; s++)
		sum += ranges_bytes(r, (enum range_status)s);
	must(sum == at && ranges_bytes(r, RANGE_WRITTEN) == 0);
}

static void same_facts(const struct mapfile_facts *a, const struct mapfile_facts *b)
{
	must(a->known == b->known && strcmp(a->serial, b->serial) == 0 &&
		strcmp(a->unit_id, b->unit_id) == 0);
	must(strcmp(a->out_serial, b->out_serial) == 0 &&
		strcmp(a->out_unit_id, b->out_unit_id) == 0 && strcmp(a->pattern, b->pattern) == 0);
	must(a->block_bytes == b->block_bytes && a->size_bytes == b->size_bytes &&
		a->skip_bytes == b->skip_bytes && a->seek_bytes == b->seek_bytes &&
		a->seed == b->seed);
}

static void reads_back(const struct mapfile *m)
{
	static const char *const heading[] = { "Mapfile.\n0 + 1", NULL };
	struct mapfile_error error;
	struct mapfile again;
	struct memout text;

	memout_begin(&text);
	mapfile_print(m, heading, &text.out);
	(void)memout_end(&text);
	must(mapfile_parse(text.text, text.len, &again, &error));
	must(ranges_same(&again.ranges, &m->ranges));
	must(again.pos_bytes == m->pos_bytes && again.phase == m->phase && again.pass == m->pass);
	must(again.begin_bytes == 0);
	same_facts(&again.facts, &m->facts);
	mapfile_destroy(&again);
	free(text.text);
}

static unsigned long lines_in(const uint8_t *data, size_t size)
{
	unsigned long lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1); /* its own, so that reading past it is seen */
	struct mapfile_error error = { 0 };
	struct mapfile m, untouched;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	memset(&m, 0x5a, sizeof(m));
	memcpy(&untouched, &m, sizeof(m));
	if (mapfile_parse(text, size, &m, &error)) {
		must(!error.what);
		is_whole(&m.ranges);
		reads_back(&m);
		mapfile_destroy(&m);
	} else {
		must(error.what && (error.err == EINVAL || error.err == ENOMEM));
		must(error.line <= lines_in(data, size));
		must(memcmp(&m, &untouched, sizeof(m)) == 0);
	}
	free(text);
	return 0;
}
