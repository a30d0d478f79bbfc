/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any reply: judged without reading past its sense, and by rules that hold whatever it says.
 * Bytes: SCSI status, host, driver, residual (4), flags (1: blocks asked 0); the rest is the sense.
 */
#include <stdlib.h>
#include <string.h>

#include "../../scsi/reply.h"

#define HEAD_BYTES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void good_means_all(const struct scsi_reply *r, const struct scsi_asked *asked,
	const struct fault *f, uint32_t done)
{
	must((unsigned)f->kind < FAULT_KINDS);
	must(done <= asked->len_bytes);
	must(fault_is_good(f) == (done == asked->len_bytes));
	must(done == 0 || fault_is_good(f) || f->kind == FAULT_SHORT);
	if (asked->blocks)
		must(done % (asked->len_bytes / asked->blocks) == 0);
	if (fault_is_good(f))
		must(r->host_status == 0 && r->resid_bytes == 0);
}

static void information_is_inside(const struct scsi_asked *asked, const struct fault *f)
{
	if (f->info_valid)
		must(f->info_lba >= asked->lba && f->info_lba - asked->lba < asked->blocks);
	must(!(f->info_valid && f->deferred));
}

static void words_are_one_printable_line(const struct fault *f, size_t room)
{
	char text[300];
	size_t i;

	memset(text, 0x01, sizeof(text));
	must(fault_describe(f, text, room) == text);
	must(memchr(text, 0, room) != NULL);
	must(room == sizeof(text) || text[room] == 0x01);
	for (i = 0; text[i]; i++)
		must((uint8_t)text[i] >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scsi_asked asked = { .lba = 1000, .blocks = 8, .len_bytes = 4096 };
	struct scsi_reply r = { 0 };
	uint8_t *sense;
	struct fault f;
	uint32_t done;

	if (size < HEAD_BYTES)
		return 0;
	r.scsi_status = data[0];
	r.host_status = data[1];
	r.driver_status = data[2];
	memcpy(&r.resid_bytes, data + 3, sizeof(r.resid_bytes));
	if (data[7] & 1)
		asked.blocks = 0;
	r.sense_len = (unsigned)(size - HEAD_BYTES);
	sense = malloc(
		r.sense_len + !r.sense_len); /* its own piece of memory: ASan sees a byte too far */
	if (!sense)
		return 0;
	memcpy(sense, data + HEAD_BYTES, r.sense_len);
	r.sense = r.sense_len ? sense : NULL;
	memset(&f, 0xa5, sizeof(f));
	scsi_judge(&r, &asked, &f, &done);
	good_means_all(&r, &asked, &f, done);
	information_is_inside(&asked, &f);
	words_are_one_printable_line(&f, 300);
	words_are_one_printable_line(&f, 1u + (unsigned)data[0] % 64);
	free(sense);
	return 0;
}
