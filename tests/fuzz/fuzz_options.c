/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any command line, one argument a line of input: it is run, or refused by exactly one line of at
 * most 200 characters. diag() is replaced by a counter: do not link core/diag.c. Standard output
 * gets the --help texts; send it to /dev/null.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/diag.h"
#include "../../core/status.h"
#include "../../options.h"

#define ARGS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned lines_said;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void said(const char *object, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void said(const char *object, const char *fmt, va_list args)
{
	size_t len = strlen("sgmmcp: ") + (object ? strlen(object) + strlen(": ") : 0);
	int more = vsnprintf(NULL, 0, fmt, args);

	must(more > 0 && len + (size_t)more <= 200);
	lines_said++;
}

void diag(const char *object, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	said(object, fmt, args);
	va_end(args);
}

void diag_errno(const char *object, int err, const char *fmt, ...)
{
	va_list args;

	(void)err;
	va_start(args, fmt);
	said(object, fmt, args);
	va_end(args);
}

/* What the rest of the program relies on. */
static void options_are_sound(const struct options *o)
{
	must(o->timeout_ms >= 1000 && o->timeout_ms <= 86400000);
	must(o->queue_depth <= 1024 && o->workers <= 1024 && o->retries <= 100);
	must((uint64_t)o->ibs_bytes * o->bpt_blk <= UINT32_MAX);
	must(o->in.offset_blk <= INT64_MAX && o->out.offset_blk <= INT64_MAX);
	must((o->in.flags | o->out.flags) < END_START << 1);
	must(!(o->in.flags & (END_SPARSE | END_TRIM | END_NOFILL)));
	must(o->nouts >= 1 && o->nouts <= OUTS_MAX);
	must(!(o->out.flags & (END_ZEROS | END_ONES)) && !(o->in.flags & END_NOCOPY));
	must(!(o->in.path && (o->generated || (o->in.flags & (END_ZEROS | END_ONES)))));
	must(!(o->generated && (o->in.flags & (END_ZEROS | END_ONES))));
	must(o->generated || !o->seed_given);
	must(o->hash || !o->hash_window_bytes);
	must(o->quiet == (o->status == STATUS_NONE));
	must(!(o->quiet && (o->verbose || o->progress)));
	must(o->in.method <= METHOD_INDIRECT && o->out.method <= METHOD_INDIRECT);
	must(o->io <= IO_RW);
	must(o->coe_in <= 3 && o->coe_out <= 3 && o->min_rate <= INT64_MAX);
	must(!o->map_path || (o->nouts == 1 && !o->hash && !o->compare));
	must(!o->map_path || !(o->out.flags & (END_APPEND | END_NOCOPY)));
	must(!o->map_path || o->verify != VERIFY_EACH);
	must(!o->reverse || !(o->hash || o->out.flags & END_APPEND));
}

static void parse(int argc, const char **argv)
{
	struct options o;
	int exit_status = -1;
	enum options_result r;

	memset(&o, 0, sizeof(o));
	lines_said = 0;
	r = options_parse(&o, argc, argv, &exit_status);
	if (r == OPTIONS_BAD)
		must(lines_said == 1 && exit_status > 0 && exit_status < 128);
	else
		must(lines_said == 0 && exit_status == EXIT_OK);
	if (r == OPTIONS_RUN)
		options_are_sound(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *argv[ARGS_MAX + 1] = { "sgmmcp" };
	char *text = malloc(size + 1);
	char *at = text, *newline;
	int argc = 1;

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	while (argc < ARGS_MAX) {
		argv[argc++] = at;
		newline = strchr(at, '\n');
		if (!newline)
			break;
		*newline = '\0';
		at = newline + 1;
		if (*at == '\0')
			break;
	}
	parse(argc, argv);
	free(text);
	return 0;
}
