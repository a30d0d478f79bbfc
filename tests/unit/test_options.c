/* SPDX-License-Identifier: BSD-2-Clause */
/* What is printed is caught from the descriptors, so that the real diag() is part of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/hash.h"
#include "../../core/status.h"
#include "../../options.h"

#define SAID_ROOM      16384
#define LINE_MAX_CHARS 200

struct outcome {
	enum options_result result;
	int exit_status;
	struct options o;
	char err[SAID_ROOM], out[SAID_ROOM];
};

struct caught {
	int fd, saved;
	FILE *file;
};

static struct caught catch_begin(int fd)
{
	struct caught c = { fd, dup(fd), tmpfile() };

	assert_non_null(c.file);
	assert_true(c.saved >= 0);
	assert_true(dup2(fileno(c.file), fd) == fd);
	return c;
}

static void catch_end(struct caught *c, char *text)
{
	size_t len;

	assert_true(dup2(c->saved, c->fd) == c->fd);
	(void)close(c->saved);
	rewind(c->file);
	len = fread(text, 1, SAID_ROOM - 1, c->file);
	text[len] = '\0';
	(void)fclose(c->file);
}

static struct outcome parse_argv(int argc, const char **argv)
{
	struct outcome r;
	struct caught err, out;

	memset(&r, 0, sizeof(r));
	r.exit_status = -1;
	(void)fflush(stdout);
	err = catch_begin(STDERR_FILENO);
	out = catch_begin(STDOUT_FILENO);
	r.result = options_parse(&r.o, argc, argv, &r.exit_status);
	(void)fflush(stdout);
	catch_end(&out, r.out);
	catch_end(&err, r.err);
	return r;
}

/* line: words parted by single blanks; they must outlive the outcome, hence the caller's room. */
static struct outcome parse_line(const char *line, char *room)
{
	const char *argv[64] = { "sgmmcp" };
	int argc = 1;
	char *rest;

	(void)snprintf(room, 512, "%s", line);
	for (char *w = strtok_r(room, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
		argv[argc++] = w;
	return parse_argv(argc, argv);
}

#define PARSE(line) parse_line((line), (char[512]){ "" })

static struct options accepted_(const char *line, char *room)
{
	struct outcome r = parse_line(line, room);

	if (r.result != OPTIONS_RUN || r.exit_status != EXIT_OK || r.err[0] || r.out[0])
		fail_msg("\"%s\" is refused: %d %s", line, r.exit_status, r.err);
	return r.o;
}

#define ACCEPTED(line) accepted_((line), (char[512]){ "" })

static void expect_one_line(const char *what, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || strchr(text, '\n') != text + len - 1)
		fail_msg("%.80s: not one line: \"%.300s\"", what, text);
	if (len > LINE_MAX_CHARS + 1)
		fail_msg("%.80s: a line of %zu characters", what, len);
	if (strncmp(text, "sgmmcp: ", 8) != 0)
		fail_msg("%.80s: does not begin with the program's name: %.80s", what, text);
}

static void expect_refusal(const char *line, int exit_status, const char *part)
{
	struct outcome r = PARSE(line);

	if (r.result != OPTIONS_BAD)
		fail_msg("\"%s\" is accepted", line);
	if (r.exit_status != exit_status)
		fail_msg("\"%s\": exit %d, not %d", line, r.exit_status, exit_status);
	expect_one_line(line, r.err);
	if (r.out[0])
		fail_msg("\"%s\": standard output is not clean", line);
	if (!strstr(r.err, part))
		fail_msg("\"%s\": says \"%s\" without \"%s\"", line, r.err, part);
}

static void defaults_are_those_the_header_promises(void **state)
{
	struct options o = ACCEPTED("if=/dev/sg1 of=/dev/sg2");

	(void)state;
	assert_int_equal(o.count, COUNT_ALL);
	assert_int_equal(o.ibs_bytes, 0);
	assert_int_equal(o.bpt_blk, 0);
	assert_int_equal(o.reserved_bytes, 0);
	assert_int_equal(o.queue_depth, 0);
	assert_int_equal(o.workers, 0);
	assert_int_equal(o.io, IO_AUTO);
	assert_int_equal(o.timeout_ms, 60000);
	assert_int_equal(o.retries, 0);
	assert_true(o.sync_at_end);
	assert_true(o.time_lines);
	assert_int_equal(o.status, STATUS_DEFAULT);
	assert_int_equal(o.verbose, 0);
	assert_false(o.quiet || o.dry_run || o.progress);
	assert_int_equal(o.in.flags | o.out.flags, 0);
	assert_int_equal(o.in.cdb_bytes + o.out.cdb_bytes, 0);
	assert_int_equal(o.in.method, METHOD_AUTO);
	assert_int_equal(o.out.method, METHOD_AUTO);
	assert_int_equal(o.in.offset_blk + o.out.offset_blk, 0);
	assert_int_equal(o.coe_in + o.coe_out + o.coe_limit + o.min_rate + o.slow_ms, 0);
	assert_false(o.max_bad_given || o.reverse);
	assert_null(o.map_path);
	assert_null(o.badblocks_path);
}

static void each_operand_sets_its_field(void **state)
{
	char room[512];
	struct options o = accepted_("if=/dev/sg1 of=/dev/sg2 bs=4096 count=1k skip=0x10 seek=20h "
				     "bpt=8 cdbsz=10,16 io=rw reserved=1M qd=16 workers=2 "
				     "timeout=7 retries=9 sync=0 time=0 verbose=3",
		room);

	(void)state;
	assert_string_equal(o.in.path, "/dev/sg1");
	assert_string_equal(o.out_path[0], "/dev/sg2");
	assert_int_equal(o.ibs_bytes, 4096);
	assert_int_equal(o.count, 1024);
	assert_int_equal(o.in.offset_blk, 16);
	assert_int_equal(o.out.offset_blk, 32);
	assert_int_equal(o.bpt_blk, 8);
	assert_int_equal(o.in.cdb_bytes, 10);
	assert_int_equal(o.out.cdb_bytes, 16);
	assert_int_equal(o.io, IO_RW);
	assert_int_equal(o.reserved_bytes, 1 << 20);
	assert_int_equal(o.queue_depth, 16);
	assert_int_equal(o.workers, 2);
	assert_int_equal(o.timeout_ms, 7000);
	assert_int_equal(o.retries, 9);
	assert_false(o.sync_at_end);
	assert_false(o.time_lines);
	assert_int_equal(o.verbose, 3);
}

static void aliases_set_what_they_stand_for(void **state)
{
	(void)state;
	assert_int_equal(ACCEPTED("if=a iseek=3").in.offset_blk, 3);
	assert_int_equal(ACCEPTED("if=a oseek=4").out.offset_blk, 4);
	assert_int_equal(ACCEPTED("if=a iodepth=5").queue_depth, 5);
	assert_int_equal(ACCEPTED("if=a thr=6").queue_depth, 6);
	assert_int_equal(ACCEPTED("if=a cdbsz=12").out.cdb_bytes, 12);
	assert_int_equal(ACCEPTED("if=a io=sg_io").io, IO_SG_IO);
}

static void each_flag_lands_on_its_own_side(void **state)
{
	static const struct {
		const char *word;
		unsigned flag;
	} cases[] = {
		{ "dpo", END_DPO },
		{ "fua", END_FUA },
		{ "excl", END_EXCL },
		{ "flock", END_FLOCK },
		{ "force", END_FORCE },
		{ "nocreat", END_NOCREAT },
		{ "null", END_NULL },
		{ "append", END_APPEND },
		{ "dsync", END_DSYNC },
		{ "sync", END_SYNC },
		{ "nocache", END_NOCACHE },
		{ "nodirect", END_NODIRECT },
		{ "direct", END_DIRECT },
		{ "sgio", END_SGIO },
		{ "pt", END_SGIO },
		{ "start", END_START },
		{ "fullblock", 0 },
	};
	char line[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options o;

		(void)snprintf(line, sizeof(line), "if=a iflag=%s", cases[i].word);
		o = ACCEPTED(line);
		assert_int_equal(o.in.flags, cases[i].flag);
		assert_int_equal(o.out.flags, 0);
		(void)snprintf(line, sizeof(line), "if=a oflag=%s", cases[i].word);
		o = ACCEPTED(line);
		assert_int_equal(o.out.flags, cases[i].flag);
		assert_int_equal(o.in.flags, 0);
	}
	assert_int_equal(ACCEPTED("iflag=00").in.flags, END_ZEROS);
	assert_int_equal(ACCEPTED("iflag=ff").in.flags, END_ONES);
	assert_int_equal(ACCEPTED("if=a oflag=fua,dpo,fua").out.flags, END_FUA | END_DPO);
}

static void methods_come_from_xfer_flags_and_dio(void **state)
{
	static const struct {
		const char *line;
		enum xfer_method in, out;
	} cases[] = {
		{ "if=a xfer=auto", METHOD_AUTO, METHOD_AUTO },
		{ "if=a xfer=mmap", METHOD_MMAP, METHOD_MMAP },
		{ "if=a xfer=dio", METHOD_DIO, METHOD_DIO },
		{ "if=a xfer=indirect", METHOD_INDIRECT, METHOD_INDIRECT },
		{ "if=a iflag=mmap", METHOD_MMAP, METHOD_AUTO },
		{ "if=a oflag=dio", METHOD_AUTO, METHOD_DIO },
		{ "if=a iflag=direct", METHOD_DIO, METHOD_AUTO },
		{ "if=a oflag=indirect,fua", METHOD_AUTO, METHOD_INDIRECT },
		{ "if=a iflag=mmap xfer=auto", METHOD_MMAP, METHOD_AUTO },
		{ "if=a iflag=mmap,mmap xfer=mmap", METHOD_MMAP, METHOD_MMAP },
		{ "if=a dio=1", METHOD_AUTO, METHOD_DIO },
		{ "if=a dio=1 oflag=direct", METHOD_AUTO, METHOD_DIO },
		{ "if=a dio=1 xfer=dio", METHOD_DIO, METHOD_DIO },
		{ "if=a dio=0", METHOD_AUTO, METHOD_INDIRECT },
		{ "if=a dio=0 oflag=mmap", METHOD_AUTO, METHOD_MMAP },
		{ "if=a iflag=nommap", METHOD_INDIRECT, METHOD_AUTO },
		{ "if=a oflag=nommap,dio", METHOD_AUTO, METHOD_DIO },
		{ "if=a oflag=nommap xfer=dio", METHOD_DIO, METHOD_DIO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options o = ACCEPTED(cases[i].line);

		if (o.in.method != cases[i].in || o.out.method != cases[i].out)
			fail_msg("%s: %d, %d", cases[i].line, (int)o.in.method, (int)o.out.method);
		assert_int_equal((o.in.flags | o.out.flags | END_DIRECT | END_MMAP),
			END_DIRECT | END_MMAP | (o.out.flags & END_FUA));
	}
}

static void two_methods_for_one_side_contradict(void **state)
{
	static const char *const lines[] = { "if=a xfer=mmap iflag=dio", "if=a iflag=dio xfer=mmap",
		"if=a xfer=mmap oflag=indirect", "if=a iflag=mmap,dio",
		"if=a oflag=direct,indirect", "if=a dio=1 oflag=mmap", "if=a dio=0 oflag=dio",
		"if=a xfer=mmap dio=1", "if=a xfer=dio dio=0", "if=a iflag=mmap,nommap",
		"if=a oflag=nommap xfer=mmap" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		expect_refusal(lines[i], EXIT_CONTRADICT, "");
	expect_refusal("if=a xfer=mmap oflag=dio", EXIT_CONTRADICT,
		"xfer=mmap: contradicts oflag=dio (leave one out)");
}

static void fua_counts_its_bits_as_sgm_dd_does(void **state)
{
	static const unsigned in[] = { 0, 0, END_FUA, END_FUA };
	static const unsigned out[] = { 0, END_FUA, 0, END_FUA };
	char line[32];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct options o;

		(void)snprintf(line, sizeof(line), "if=a fua=%u", i);
		o = ACCEPTED(line);
		assert_int_equal(o.in.flags, in[i]);
		assert_int_equal(o.out.flags, out[i]);
	}
}

static void six_byte_cdbs_have_no_fua_and_dpo(void **state)
{
	(void)state;
	expect_refusal("if=a cdbsz=6 fua=1", EXIT_CONTRADICT, "cdbsz=6");
	expect_refusal("if=a cdbsz=6,10 iflag=dpo", EXIT_CONTRADICT, "cdbsz=6,10");
	assert_int_equal(ACCEPTED("if=a cdbsz=6,10 oflag=fua").in.cdb_bytes, 6);
}

static void block_sizes_are_of_both_sides_or_of_one(void **state)
{
	(void)state;
	assert_int_equal(ACCEPTED("if=a bs=1M").ibs_bytes, 1 << 20);
	assert_int_equal(ACCEPTED("if=a ibs=520").ibs_bytes, 520);
	assert_int_equal(ACCEPTED("if=a ibs=520").obs_bytes, 0);
	assert_int_equal(ACCEPTED("if=a obs=520").obs_bytes, 520);
	assert_int_equal(ACCEPTED("if=a bs=520").obs_bytes, 520);
	assert_int_equal(ACCEPTED("if=a ibs=512 obs=4096").obs_bytes, 4096);
	assert_int_equal(ACCEPTED("if=a ibs=512 obs=512").ibs_bytes, 512);
	assert_int_equal(ACCEPTED("if=a bs=512 ibs=1b obs=0x200").ibs_bytes, 512);
	assert_int_equal(ACCEPTED("if=a bs=4294967295").ibs_bytes, UINT32_MAX);
	expect_refusal("if=a ibs=512 bs=4096", EXIT_CONTRADICT, "ibs=512: contradicts bs=4096");
	expect_refusal("if=a obs=512 bs=4096", EXIT_CONTRADICT, "obs=512: contradicts bs=4096");
}

static void count_minus_one_is_all(void **state)
{
	(void)state;
	assert_int_equal(ACCEPTED("if=a count=-1").count, COUNT_ALL);
	assert_int_equal(ACCEPTED("if=a count=0").count, 0);
	expect_refusal("if=a count=-2", EXIT_SYNTAX, "not a number");
	expect_refusal("if=a count=18446744073709551615", EXIT_SYNTAX, "must be");
	expect_refusal("if=a skip=-1", EXIT_SYNTAX, "not a number");
}

static void ranges_that_pass_2_to_63_bytes_are_refused(void **state)
{
	(void)state;
	assert_int_equal(
		ACCEPTED("if=a bs=512 skip=18014398509481983").in.offset_blk, INT64_MAX / 512);
	expect_refusal("if=a bs=512 skip=18014398509481984", EXIT_SYNTAX, "2^63");
	expect_refusal("if=a bs=512 seek=18014398509481984", EXIT_SYNTAX, "seek=1801");
	expect_refusal("if=a bs=512 count=18014398509481984", EXIT_SYNTAX, "count=1801");
	expect_refusal("if=a bs=512 skip=18014398509481983 count=1", EXIT_SYNTAX, "skip=1801");
	expect_refusal("if=a skip=9223372036854775807 count=1", EXIT_SYNTAX, "2^63");
	expect_refusal("if=a bs=512 count=36028797018963969", EXIT_SYNTAX, "2^63");
	expect_refusal("if=a skip=9223372036854775808", EXIT_SYNTAX, "must be");
	assert_int_equal(
		ACCEPTED("if=a ibs=512 obs=1M count=18014398509481983").obs_bytes, 1 << 20);
	expect_refusal("if=a ibs=1M obs=512 count=4398046511104 seek=9007199254740992", EXIT_SYNTAX,
		"2^63");
}

static void one_transfer_stays_below_4_gib(void **state)
{
	(void)state;
	assert_int_equal(ACCEPTED("if=a bs=1M bpt=4095").bpt_blk, 4095);
	expect_refusal("if=a bs=1M bpt=4096", EXIT_SYNTAX, "bpt=4096: one transfer");
	expect_refusal("if=a ibs=64k bpt=65536", EXIT_SYNTAX, "4 GiB");
}

static void numbers_outside_their_range_are_refused_with_the_range(void **state)
{
	static const struct {
		const char *line, *part;
	} cases[] = {
		{ "if=a bs=0", "must be 1 to 4294967295" },
		{ "if=a bs=4G", "must be 1 to 4294967295" },
		{ "if=a ibs=0", "must be 1 to" },
		{ "if=a obs=4294967296", "must be 1 to" },
		{ "if=a bpt=4294967296", "must be 0 to 4294967295" },
		{ "if=a reserved=4g", "must be 0 to 4294967295" },
		{ "if=a qd=0", "must be 1 to 1024" },
		{ "if=a qd=1025", "must be 1 to 1024" },
		{ "if=a thr=1025", "must be 1 to 1024" },
		{ "if=a workers=0", "must be 1 to 1024" },
		{ "if=a workers=1025", "must be 1 to 1024" },
		{ "if=a timeout=0", "must be 1 to 86400" },
		{ "if=a timeout=86401", "must be 1 to 86400" },
		{ "if=a retries=101", "must be 0 to 100" },
		{ "if=a sync=2", "must be 0 or 1" },
		{ "if=a dio=2", "must be 0 or 1" },
		{ "if=a time=2", "must be 0 or 1" },
		{ "if=a time=1,0", "must be 1 to 86400" },
		{ "if=a time=1,86401", "must be 1 to 86400" },
		{ "if=a fua=4", "must be 0 to 3" },
		{ "if=a verbose=1001", "must be 0 to 1000" },
		{ "if=a coe=4", "must be 0 to 3" },
		{ "if=a minrate=0", "must be 1 to 9223372036854775807" },
		{ "if=a slow=0", "must be 1 to 86400000" },
		{ "if=a slow=86400001", "must be 1 to 86400000" },
		{ "if=a minrate=8E", "must be 1 to 9223372036854775807" },
		{ "if=a maxbad=-1", "not a number" },
		{ "if=a coe_limit=99999999999999999999", "number too large" },
		{ "if=a bs=99999999999999999999", "number too large" },
		{ "if=a bs=1q", "not a number" },
		{ "if=a time=1,", "empty number" },
		{ "if=a time=,3", "empty number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refusal(cases[i].line, EXIT_SYNTAX, cases[i].part);
}

static void limits_themselves_are_taken(void **state)
{
	(void)state;
	assert_int_equal(ACCEPTED("if=a qd=1024 workers=1024 timeout=86400").queue_depth, 1024);
	assert_int_equal(ACCEPTED("if=a timeout=86400").timeout_ms, 86400000);
	assert_int_equal(ACCEPTED("if=a retries=0").retries, 0);
	assert_int_equal(ACCEPTED("if=a retries=100").retries, 100);
	assert_int_equal(ACCEPTED("if=a bpt=4294967295").bpt_blk, UINT32_MAX);
	assert_int_equal(ACCEPTED("if=a reserved=4294967295").reserved_bytes, UINT32_MAX);
	assert_true(ACCEPTED("if=a minrate=9223372036854775807").min_rate == INT64_MAX);
	assert_true(ACCEPTED("if=a maxbad=18446744073709551615").max_bad == UINT64_MAX);
	assert_true(ACCEPTED("if=a coe_limit=18446744073709551615").coe_limit == UINT64_MAX);
}

static void words_outside_a_choice_are_refused_with_the_choice(void **state)
{
	(void)state;
	expect_refusal("if=a io=auto", EXIT_SYNTAX, "must be sg_io|rw");
	expect_refusal("if=a xfer=zero", EXIT_SYNTAX, "must be auto|mmap|dio|indirect");
	expect_refusal("if=a status=x", EXIT_SYNTAX, "must be none|noxfer|progress|null");
	expect_refusal("if=a cdbsz=32", EXIT_SYNTAX, "must be 6, 10, 12 or 16");
	expect_refusal("if=a cdbsz=10,", EXIT_SYNTAX, "must be 6, 10, 12 or 16");
	expect_refusal("if=a cdbsz=10,16,16", EXIT_SYNTAX, "must be 6, 10, 12 or 16");
}

static void of_may_be_given_eight_times(void **state)
{
	const struct options o = ACCEPTED("if=x of=a of=b of=c of=d of=e of=f of=g of=h");

	(void)state;
	assert_int_equal(o.nouts, 8);
	assert_string_equal(o.out_path[0], "a");
	assert_string_equal(o.out_path[7], "h");
	expect_refusal("if=x of=a of=b of=c of=d of=e of=f of=g of=h of=i", EXIT_SYNTAX,
		"of=i: given too often (of=h was before)");
}

static void whatever_is_given_twice_is_refused(void **state)
{
	bool is_operand;
	const char *name;
	char line[128];

	(void)state;
	for (size_t i = 0; (name = options_name(i, &is_operand)) != NULL; i++) {
		const char *value = strcmp(name, "io") == 0	   ? "rw"
				    : strcmp(name, "xfer") == 0	   ? "mmap"
				    : strcmp(name, "status") == 0  ? "none"
				    : strcmp(name, "cdbsz") == 0   ? "10"
				    : strcmp(name, "coe") == 0	   ? "0"
				    : strcmp(name, "pattern") == 0 ? "5a"
				    : strcmp(name, "verify") == 0  ? "after"
				    : strcmp(name, "hash") == 0	   ? "md5"
				    : strstr(name, "flag")	   ? "fua"
				    : strcmp(name, "conv") == 0	   ? "fsync"
								   : "1";

		if (!is_operand || strcmp(name, "of") == 0)
			continue;
		(void)snprintf(line, sizeof(line), "%s=%s %s=%s", name, value, name, value);
		expect_refusal(line, EXIT_SYNTAX, "given twice");
	}
	expect_refusal(
		"if=a skip=3 iseek=4", EXIT_SYNTAX, "iseek=4: given twice (skip=3 was before)");
	expect_refusal("if=a oseek=3 seek=4", EXIT_SYNTAX, "given twice");
	expect_refusal("if=a qd=3 iodepth=4", EXIT_SYNTAX, "given twice");
	expect_refusal("if=a iodepth=3 thr=4", EXIT_SYNTAX, "given twice");
}

static void an_empty_value_is_refused_for_every_operand(void **state)
{
	bool is_operand;
	const char *name;
	char line[64];

	(void)state;
	for (size_t i = 0; (name = options_name(i, &is_operand)) != NULL; i++) {
		if (!is_operand)
			continue;
		(void)snprintf(line, sizeof(line), "%s=", name);
		expect_refusal(line, EXIT_SYNTAX, "empty value");
	}
}

static void unknown_words_name_the_nearest_known_one(void **state)
{
	static const struct {
		const char *line, *part;
	} cases[] = {
		{ "bss=1", "bss=1: unknown operand (did you mean bs=? see --help)" },
		{ "fi=a", "did you mean if=?" },
		{ "cuont=1", "did you mean count=?" },
		{ "resrvd=1", "did you mean reserved=?" },
		{ "Skip=1", "did you mean skip=?" },
		{ "if=a iflag=diio", "diio: unknown (did you mean dio? see --help)" },
		{ "if=a oflag=fua,forse", "forse: unknown (did you mean force? see --help)" },
		{ "if=a conv=fsnyc", "did you mean fsync?" },
		{ "--hlep", "--hlep: unknown option (did you mean --help? see --help)" },
		{ "--verbos", "did you mean --verbose?" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refusal(cases[i].line, EXIT_SYNTAX, cases[i].part);
}

static void nothing_is_suggested_for_what_resembles_nothing(void **state)
{
	static const char *const lines[] = { "zz=1", "i=1", "=", "=a", "elephant=1",
		"if=a iflag=xyz", "if=a iflag=fxx", "--elephant", "-z" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct outcome r = PARSE(lines[i]);

		expect_refusal(lines[i], EXIT_SYNTAX, "(see --help)");
		if (strstr(r.err, "did you mean"))
			fail_msg("%s: %s", lines[i], r.err);
	}
}

static void words_that_are_no_operands_are_refused(void **state)
{
	(void)state;
	expect_refusal("/dev/sg1", EXIT_SYNTAX, "not of the form NAME=VALUE");
	expect_refusal("-", EXIT_SYNTAX, "not of the form NAME=VALUE");
	expect_refusal("if=a -- -v", EXIT_SYNTAX, "not of the form NAME=VALUE");
	expect_refusal("bs", EXIT_SYNTAX, "not of the form NAME=VALUE");
}

static void an_empty_argument_is_shown_as_quotes(void **state)
{
	const char *argv[] = { "sgmmcp", "", NULL };
	struct outcome r = parse_argv(2, argv);

	(void)state;
	assert_int_equal(r.result, OPTIONS_BAD);
	assert_int_equal(r.exit_status, EXIT_SYNTAX);
	assert_int_equal(strncmp(r.err, "sgmmcp: '': ", 12), 0);
}

static void words_of_a_list_are_refused_with_the_reason(void **state)
{
	(void)state;
	expect_refusal(
		"if=a conv=noerror,sparing", EXIT_SYNTAX, "sparing: write sparing is not there");
	expect_refusal("if=a iflag=rarc", EXIT_SYNTAX, "rarc: the RARC bit is not there yet");
	expect_refusal("if=a iflag=nofill", EXIT_SYNTAX, "nofill is for oflag= only");
	expect_refusal("if=a oflag=reverse", EXIT_SYNTAX, "reverse is for iflag= only");
	expect_refusal("if=a iflag=trim", EXIT_SYNTAX, "trim is for oflag= only");
	expect_refusal("if=a iflag=fua,,dpo", EXIT_SYNTAX, "empty word");
	expect_refusal("if=a iflag=,", EXIT_SYNTAX, "empty word");
	expect_refusal("if=a oflag=00", EXIT_SYNTAX, "00 is for iflag= only");
	expect_refusal("if=a oflag=ff", EXIT_SYNTAX, "ff is for iflag= only");
	expect_refusal("if=a oflag=random", EXIT_SYNTAX, "random is for iflag= only");
}

static void coe_is_the_highest_level_that_was_said_of_a_side(void **state)
{
	static const struct {
		const char *line;
		unsigned in, out;
	} cases[] = {
		{ "if=a coe=0", 0, 0 },
		{ "if=a coe=1", 1, 1 },
		{ "if=a coe=3", 3, 3 },
		{ "if=a iflag=coe", 1, 0 },
		{ "if=a iflag=coe,fua,coe", 2, 0 },
		{ "if=a iflag=coe,coe,coe", 3, 0 },
		{ "if=a oflag=coe", 0, 1 },
		{ "if=a oflag=coe,coe,coe", 0, 3 },
		{ "if=a iflag=coe,coe oflag=coe", 2, 1 },
		{ "if=a coe=2 iflag=coe", 2, 2 },
		{ "if=a iflag=coe,coe,coe coe=1", 3, 1 },
		{ "if=a coe=1 oflag=coe,coe", 1, 2 },
		{ "if=a iflag=coe coe=0", 1, 0 },
		{ "if=a conv=noerror", 1, 0 },
		{ "if=a conv=noerror,noerror", 1, 0 },
		{ "if=a conv=noerror iflag=coe,coe", 2, 0 },
		{ "if=a conv=sync,noerror coe=3", 3, 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options o = ACCEPTED(cases[i].line);

		if (o.coe_in != cases[i].in || o.coe_out != cases[i].out)
			fail_msg("%s: %u, %u", cases[i].line, o.coe_in, o.coe_out);
		assert_int_equal((o.in.flags | o.out.flags) & ~(unsigned)(END_FUA | END_PAD), 0);
	}
	expect_refusal("if=a iflag=coe,coe,coe,coe", EXIT_SYNTAX, "coe: three times at most");
	expect_refusal("if=a oflag=coe,coe,coe,coe", EXIT_SYNTAX, "coe: three times at most");
}

static void what_is_said_of_bad_blocks_is_set(void **state)
{
	char room[512];
	struct options o = accepted_("if=a of=b coe=1 coe_limit=5 maxbad=1k map=m badblocks=l "
				     "minrate=10M slow=200 -R oflag=nofill",
		room);

	(void)state;
	assert_int_equal(o.coe_limit, 5);
	assert_int_equal(o.max_bad, 1024);
	assert_true(o.max_bad_given && o.reverse);
	assert_string_equal(o.map_path, "m");
	assert_string_equal(o.badblocks_path, "l");
	assert_int_equal(o.min_rate, 10 << 20);
	assert_int_equal(o.slow_ms, 200);
	assert_int_equal(o.out.flags, END_NOFILL);
	o = ACCEPTED("if=a maxbad=0");
	assert_true(o.max_bad_given);
	assert_int_equal(o.max_bad, 0);
	assert_int_equal(ACCEPTED("if=a minrate=10kB").min_rate, 10000);
}

/* Words that mean nothing without one another are no contradiction. */
static void what_is_said_of_bad_blocks_needs_no_coe(void **state)
{
	static const char *const lines[] = {
		"if=a coe_limit=5",
		"if=a maxbad=5",
		"if=a of=b badblocks=l",
		"if=a of=b map=m",
		"if=a of=b oflag=nofill",
		"if=a of=b minrate=1k",
		"if=a of=b map=m verify=after",
		"if=a of=b map=m verify=drive",
		"if=a of=b map=m conv=notrunc -d",
		"pattern=stamp of=b map=m",
		"if=a of=b of=c coe=1 badblocks=l -R",
		"if=a of=b coe=1 hash=md5",
		"if=a coe=1 -n",
		"if=a of=b coe=1 -x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		(void)ACCEPTED(lines[i]);
}

static void reverse_has_three_spellings(void **state)
{
	(void)state;
	assert_true(ACCEPTED("if=a -R").reverse);
	assert_true(ACCEPTED("if=a --reverse").reverse);
	assert_true(ACCEPTED("if=a iflag=reverse").reverse);
	assert_true(ACCEPTED("if=a iflag=fua,reverse -vR").reverse);
	assert_int_equal(ACCEPTED("if=a iflag=reverse").in.flags, 0);
	assert_false(ACCEPTED("if=a iflag=fua").reverse);
}

static void a_map_excludes_what_it_could_not_tell_of(void **state)
{
	static const struct {
		const char *line, *part;
	} cases[] = {
		{ "if=a of=b map=m -x", "map=m: -x copies nothing" },
		{ "if=a of=b map=m -n", "map=m: -n copies nothing" },
		{ "if=a of=b of=c map=m", "map=m: a map is of one destination" },
		{ "if=a of=b map=m hash=md5", "map=m: a hash needs all data" },
		{ "if=a of=b map=m oflag=append", "map=m: append moves" },
		{ "if=a of=b map=m verify=each", "map=m: verify=each reads back nothing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refusal(cases[i].line, EXIT_CONTRADICT, cases[i].part);
}

static void reverse_excludes_what_begins_at_the_start(void **state)
{
	(void)state;
	expect_refusal("if=a -R hash=md5", EXIT_CONTRADICT, "-R: a hash needs");
	expect_refusal("if=a iflag=reverse hash=md5", EXIT_CONTRADICT, "iflag=reverse: a hash");
	expect_refusal("if=a -R oflag=append", EXIT_CONTRADICT, "-R: append writes");
	expect_refusal("if=a iflag=reverse oflag=append", EXIT_CONTRADICT, "iflag=reverse: append");
}

static void files_that_are_written_are_nothing_else(void **state)
{
	static const struct {
		const char *line, *part;
	} cases[] = {
		{ "if=a of=b map=a", "map=a: if= would be overwritten" },
		{ "if=a of=b map=b", "map=b: of= would be overwritten" },
		{ "if=a.bak of=b map=a", "map=a: if= would be overwritten" },
		{ "if=a of=b.bak map=b", "map=b: of= would be overwritten" },
		{ "if=a of=b badblocks=a", "badblocks=a: if= would be overwritten" },
		{ "if=a of=b badblocks=b", "badblocks=b: of= would be overwritten" },
		{ "if=a of=b of=c badblocks=c", "badblocks=c: of= would be overwritten" },
		{ "if=a of=b map=m badblocks=m", "badblocks=m: the map would be overwritten" },
		{ "if=a of=b map=m badblocks=m.bak", "badblocks=m.bak: the map would be" },
		{ "map=b of=b iflag=00", "map=b: of= would be overwritten" },
	};
	static const char *const good[] = {
		"if=a of=b map=a.map badblocks=b.bad",
		"if=a of=b map=b.ba badblocks=b.bak",
		"if=ab of=ac map=a badblocks=abc",
		"if=a of=b badblocks=b.bak",
		"if=a of=b map=b.bak",
		"if=a.bakx of=.bak map=a",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refusal(cases[i].line, EXIT_CONTRADICT, cases[i].part);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		(void)ACCEPTED(good[i]);
}

static void a_generated_source_excludes_a_named_one(void **state)
{
	(void)state;
	assert_null(ACCEPTED("iflag=00 of=b").in.path);
	expect_refusal("if=a iflag=00 of=b", EXIT_CONTRADICT, "if=a");
	expect_refusal("iflag=ff if=a of=b", EXIT_CONTRADICT, "if=a");
	expect_refusal("iflag=00,ff of=b", EXIT_CONTRADICT, "exclude each other");
	expect_refusal("iflag=00,random of=b", EXIT_CONTRADICT, "exclude each other");
	expect_refusal("iflag=random if=a of=b", EXIT_CONTRADICT, "if=a");
	expect_refusal("pattern=5a if=a of=b", EXIT_CONTRADICT,
		"pattern=5a: contradicts if=a (leave one out)");
	expect_refusal("pattern=5a iflag=00 of=b", EXIT_CONTRADICT, "contradicts iflag=00");
	expect_refusal("pattern=5a iflag=ff of=b", EXIT_CONTRADICT, "contradicts iflag=ff");
	expect_refusal("iflag=random pattern=5a of=b", EXIT_CONTRADICT, "contradicts iflag=random");
}

static void a_pattern_is_bytes_random_or_stamp(void **state)
{
	struct options o = ACCEPTED("pattern=0xDEADBEEF of=b iflag=null");

	(void)state;
	assert_int_equal(o.pattern.kind, PATTERN_BYTES);
	assert_int_equal(o.pattern.bytes_len, 4);
	assert_memory_equal(o.pattern.bytes, "\xde\xad\xbe\xef", 4);
	assert_int_equal(o.in.flags, END_NULL);
	assert_int_equal(ACCEPTED("pattern=random of=b").pattern.kind, PATTERN_RANDOM);
	assert_int_equal(ACCEPTED("pattern=stamp").pattern.kind, PATTERN_STAMP);
	o = ACCEPTED("iflag=random of=b");
	assert_int_equal(o.pattern.kind, PATTERN_RANDOM);
	assert_string_equal(o.generated, "random");
	assert_int_equal(o.in.flags, 0);
	assert_null(ACCEPTED("if=a").generated);
	assert_null(ACCEPTED("iflag=ff of=b").generated);
	expect_refusal("pattern=5 of=b", EXIT_SYNTAX, "must be 1 to 8 bytes");
	expect_refusal("pattern=010203040506070809 of=b", EXIT_SYNTAX, "must be 1 to 8 bytes");
	expect_refusal("pattern=0x of=b", EXIT_SYNTAX, "must be 1 to 8 bytes");
	expect_refusal("pattern=Random of=b", EXIT_SYNTAX, "must be 1 to 8 bytes");
}

static void a_seed_is_of_random_data_and_stamps(void **state)
{
	struct options o = ACCEPTED("seed=0xffffffffffffffff of=b pattern=stamp");

	(void)state;
	assert_true(o.seed_given && o.pattern.seed == UINT64_MAX);
	assert_int_equal(ACCEPTED("iflag=random seed=5 of=b").pattern.seed, 5);
	assert_true(ACCEPTED("pattern=random seed=0 of=b").seed_given);
	assert_false(ACCEPTED("pattern=random of=b").seed_given);
	expect_refusal("pattern=5a seed=1 of=b", EXIT_CONTRADICT, "seed=1: only pattern=random");
	expect_refusal("if=a seed=1", EXIT_CONTRADICT, "seed=1: only");
	expect_refusal("iflag=00 seed=1 of=b", EXIT_CONTRADICT, "seed=1: only");
	expect_refusal("pattern=random seed=0x10000000000000000 of=b", EXIT_SYNTAX, "seed=");
}

static void hashes_are_those_of_the_library(void **state)
{
	char line[64], all[128] = "must be ";
	const char *name;

	(void)state;
	for (unsigned i = 0; (name = hash_name(i)) != NULL; i++) {
		(void)snprintf(line, sizeof(line), "if=a hash=%s", name);
		assert_string_equal(ACCEPTED(line).hash, name);
		(void)snprintf(
			all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? "|" : "", name);
	}
	expect_refusal("if=a hash=sha257", EXIT_SYNTAX, all);
	assert_null(ACCEPTED("if=a").hash);
	assert_int_equal(ACCEPTED("if=a hash=md5 hashwindow=1M").hash_window_bytes, 1 << 20);
	expect_refusal("if=a hashwindow=1M", EXIT_CONTRADICT, "hashwindow=1M: of which hash?");
	expect_refusal("if=a hash=md5 hashwindow=0", EXIT_SYNTAX, "must be 1 to");
}

/* Neither of them: tests/cli, where it is known what is a terminal. */
static void one_end_is_enough(void **state)
{
	(void)state;
	assert_null(ACCEPTED("if=a").out_path[0]);
	assert_null(ACCEPTED("of=a").in.path);
}

static void no_arguments_at_all_do_not_crash(void **state)
{
	const char *argv[] = { NULL };
	struct outcome r = parse_argv(0, argv);

	(void)state;
	if (r.result != OPTIONS_RUN) /* at a terminal */
		assert_int_equal(r.exit_status, EXIT_CONTRADICT);
}

static void conv_words_keep_their_meaning_for_devices(void **state)
{
	(void)state;
	assert_int_equal(ACCEPTED("if=a conv=nocreat,notrunc,null,sync").out.flags,
		END_NOCREAT | END_NOTRUNC | END_PAD);
	assert_true(ACCEPTED("if=a conv=fsync").sync_at_end);
	assert_true(ACCEPTED("if=a conv=fdatasync sync=1").sync_at_end);
	expect_refusal("if=a sync=0 conv=fsync", EXIT_CONTRADICT, "sync=0: contradicts conv=fsync");
	expect_refusal("if=a sync=0 conv=fdatasync", EXIT_CONTRADICT, "contradicts");
}

static void append_and_seek_contradict(void **state)
{
	(void)state;
	expect_refusal("if=a oflag=append seek=1", EXIT_CONTRADICT, "contradicts seek=1");
	assert_int_equal(ACCEPTED("if=a oflag=append seek=0").out.flags, END_APPEND);
	assert_int_equal(ACCEPTED("if=a iflag=append seek=1").in.flags, END_APPEND);
}

static void the_timeout_may_ride_on_time(void **state)
{
	(void)state;
	assert_int_equal(ACCEPTED("if=a time=1,30").timeout_ms, 30000);
	assert_int_equal(ACCEPTED("if=a time=0,30 timeout=30").timeout_ms, 30000);
	assert_false(ACCEPTED("if=a time=0,30").time_lines);
	expect_refusal("if=a time=1,30 timeout=31", EXIT_CONTRADICT, "contradicts timeout=31");
}

static void quiet_and_status_none_are_one(void **state)
{
	struct options q = ACCEPTED("if=a -q"), none = ACCEPTED("if=a status=none");

	(void)state;
	assert_true(q.quiet && none.quiet);
	assert_int_equal(q.status, STATUS_NONE);
	assert_int_equal(none.status, STATUS_NONE);
	expect_refusal("if=a -qv", EXIT_CONTRADICT, "contradicts -v");
	expect_refusal("if=a -q verbose=1", EXIT_CONTRADICT, "contradicts -v");
	expect_refusal("if=a -qp", EXIT_CONTRADICT, "contradicts -p");
	expect_refusal("if=a -q status=progress", EXIT_CONTRADICT, "status=progress");
	expect_refusal("if=a -q status=noxfer", EXIT_CONTRADICT, "status=noxfer");
	expect_refusal("if=a status=none -v", EXIT_CONTRADICT, "status=none");
}

static void status_words_set_what_they_say(void **state)
{
	(void)state;
	assert_true(ACCEPTED("if=a status=progress").progress);
	assert_true(ACCEPTED("if=a -p").progress);
	assert_false(ACCEPTED("if=a status=noxfer").time_lines);
	assert_int_equal(ACCEPTED("if=a status=noxfer").status, STATUS_NOXFER);
	assert_int_equal(ACCEPTED("if=a status=null").status, STATUS_DEFAULT);
}

static void options_stand_anywhere_alone_or_bundled(void **state)
{
	struct options o = ACCEPTED("-dv if=a --verbose of=b -n verbose=2 -p");

	(void)state;
	assert_true(o.dry_run && o.progress);
	assert_int_equal(o.verbose, 4);
	assert_int_equal(o.out.flags, END_NOCOPY);
	assert_string_equal(o.out_path[0], "b");
	assert_int_equal(ACCEPTED("-v -- if=a").verbose, 1);
}

static void posixly_correct_does_not_change_the_order_rule(void **state)
{
	(void)state;
	assert_int_equal(setenv("POSIXLY_CORRECT", "1", 1), 0);
	assert_true(ACCEPTED("if=a -d of=b --verbose").dry_run);
	assert_int_equal(unsetenv("POSIXLY_CORRECT"), 0);
}

static void an_option_takes_no_argument(void **state)
{
	(void)state;
	expect_refusal("if=a --dry-run=yes", EXIT_SYNTAX, "argument");
	expect_refusal("if=a -v=3", EXIT_SYNTAX, "-v=3");
}

static void popt_reads_no_aliases_of_the_user(void **state)
{
	char dir[] = "/tmp/sgmmcp_test_XXXXXX";
	char path[64];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/.popt", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fprintf(f, "sgmmcp alias --danger -d\nsgmmcp exec --boom /bin/true\n");
	(void)fclose(f);
	assert_int_equal(setenv("HOME", dir, 1), 0);
	expect_refusal("if=a --danger", EXIT_SYNTAX, "unknown option");
	expect_refusal("if=a --boom", EXIT_SYNTAX, "unknown option");
	(void)unlink(path);
	(void)rmdir(dir);
}

/* In turn as an operand's value, its name, a flag, an option, and a file name. */
static void a_megabyte_of_argument_makes_one_short_line(void **state)
{
	static const char *const heads[] = { "bs=", "", "if=a", "iflag=", "--", "-",
		"if=", "count=1", "time=1,", "cdbsz=", "conv=", "qd=1+", "iflag=dio,", "-v" };
	size_t len = 1 << 20;
	char *word = malloc(len + 1);

	(void)state;
	assert_non_null(word);
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		const char *argv[] = { "sgmmcp", word, NULL };
		struct outcome r;

		memset(word, 'z', len);
		word[len] = '\0';
		memcpy(word, heads[i], strlen(heads[i]));
		r = parse_argv(2, argv);
		assert_int_equal(r.result, OPTIONS_BAD);
		assert_int_equal(r.exit_status, EXIT_SYNTAX);
		expect_one_line(heads[i], r.err);
	}
	free(word);
}

static void a_cut_does_not_split_a_utf8_character(void **state)
{
	char word[200] = "bs=";
	const char *argv[] = { "sgmmcp", word, NULL };

	(void)state;
	for (size_t pad = 0; pad < 2; pad++) {
		struct outcome r;
		const char *dots;

		memset(word + 3, '1', pad);
		for (size_t i = 3 + pad; i + 2 < sizeof(word); i += 2)
			memcpy(word + i, "\xc3\xa9", 3);
		r = parse_argv(2, argv);
		dots = strstr(r.err, "...");
		assert_non_null(dots);
		assert_int_equal((unsigned char)dots[-1], 0xa9);
	}
}

static void control_bytes_do_not_reach_the_terminal(void **state)
{
	const char *argv[] = { "sgmmcp", "bs=1\n2\033[2J", NULL };
	struct outcome r = parse_argv(2, argv);

	(void)state;
	assert_int_equal(r.result, OPTIONS_BAD);
	expect_one_line("control bytes", r.err);
	assert_null(strchr(r.err, '\033'));
}

static void a_file_name_longer_than_any_system_call_takes_is_refused(void **state)
{
	static char word[3 + 4097];
	const char *argv[] = { "sgmmcp", word, NULL };

	(void)state;
	memset(word, 'a', sizeof(word) - 1);
	memcpy(word, "if=", 3);
	word[3 + 4095] = '\0';
	assert_int_equal(parse_argv(2, argv).result, OPTIONS_RUN);
	word[3 + 4095] = 'a';
	assert_int_equal(parse_argv(2, argv).result, OPTIONS_BAD);
}

/* The n-th row's name as --help must show it: "  bs=..." or "--dry-run  ". */
static void expect_in_help(const char *help, const char *name, bool is_operand)
{
	char text[64];

	(void)snprintf(text, sizeof(text), is_operand ? "\n  %s=" : ", --%s ", name);
	if (!strstr(help, text))
		fail_msg("%s is not in --help", name);
}

static void help_has_every_row_on_standard_output_only(void **state)
{
	struct outcome r = PARSE("--help");
	bool is_operand;
	const char *name;
	size_t rows = 0;

	(void)state;
	assert_int_equal(r.result, OPTIONS_EXIT);
	assert_int_equal(r.exit_status, EXIT_OK);
	assert_string_equal(r.err, "");
	for (; (name = options_name(rows, &is_operand)) != NULL; rows++)
		expect_in_help(r.out, name, is_operand);
	assert_true(rows > 35);
	for (size_t i = 0; (name = options_flag_name(i)) != NULL; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "\n  %s ", name);
		if (!strstr(r.out, text))
			fail_msg("flag %s is not in --help", name);
	}
}

static void help_fits_100_columns_and_a_line_is_a_row(void **state)
{
	struct outcome r = PARSE("-h");
	size_t table_rows = 0, help_rows = 0;
	bool is_operand;
	char *rest;

	(void)state;
	while (options_name(table_rows, &is_operand))
		table_rows++;
	for (size_t i = 0; options_flag_name(i); i++)
		table_rows++;
	for (char *l = strtok_r(r.out, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest)) {
		if (strlen(l) > 100)
			fail_msg("%zu columns: %s", strlen(l), l);
		help_rows += strncmp(l, "  ", 2) == 0;
	}
	assert_int_equal(help_rows, table_rows);
}

static void version_names_the_program_and_its_version(void **state)
{
	struct outcome r = PARSE("if=a --version");

	(void)state;
	assert_int_equal(r.result, OPTIONS_EXIT);
	assert_int_equal(r.exit_status, EXIT_OK);
	assert_string_equal(r.out, "sgmmcp " SGMMCP_VERSION "\n");
}

static void sg_dd_and_dd_command_lines_for_bad_disks_are_taken(void **state)
{
	static const char *const lines[] = {
		"if=/dev/sg0 of=/dev/sg1 bs=512 coe=1 coe_limit=5",
		"if=/dev/sg0 of=out bs=512 bpt=1 iflag=coe,coe,coe retries=3 coe_limit=100 time=1",
		"if=/dev/sg0 of=/dev/sg1 bs=512 iflag=coe oflag=coe,sparse conv=noerror,sync",
		"if=/dev/sda of=out bs=4096 conv=noerror,sync,notrunc iflag=direct",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		(void)ACCEPTED(lines[i]);
}

static void sgm_dd_command_lines_are_taken(void **state)
{
	static const char *const lines[] = {
		"if=/dev/sg0 of=/dev/sg1 bs=512 count=1000 time=1",
		"if=/dev/sg0 of=. bs=512 bpt=128 cdbsz=10 dio=0 fua=0 sync=0 time=1 verbose=0",
		"of=/dev/sg1 if=/dev/sg0 ibs=512 obs=512 skip=1k seek=0x10 count=-1 dio=1 fua=3",
		"if=/dev/sg0 iflag=direct,dpo,dsync,excl,fua,null of=/dev/null",
		"if=/dev/sg0 of=/dev/sg1 oflag=append,dio,direct,dpo,dsync,excl,fua,null --dry-run",
		"if=/dev/sg0 of=/dev/sg1 -v -d --verbose",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		(void)ACCEPTED(lines[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_the_header_promises),
		cmocka_unit_test(each_operand_sets_its_field),
		cmocka_unit_test(aliases_set_what_they_stand_for),
		cmocka_unit_test(each_flag_lands_on_its_own_side),
		cmocka_unit_test(methods_come_from_xfer_flags_and_dio),
		cmocka_unit_test(two_methods_for_one_side_contradict),
		cmocka_unit_test(fua_counts_its_bits_as_sgm_dd_does),
		cmocka_unit_test(six_byte_cdbs_have_no_fua_and_dpo),
		cmocka_unit_test(block_sizes_are_of_both_sides_or_of_one),
		cmocka_unit_test(count_minus_one_is_all),
		cmocka_unit_test(ranges_that_pass_2_to_63_bytes_are_refused),
		cmocka_unit_test(one_transfer_stays_below_4_gib),
		cmocka_unit_test(numbers_outside_their_range_are_refused_with_the_range),
		cmocka_unit_test(limits_themselves_are_taken),
		cmocka_unit_test(words_outside_a_choice_are_refused_with_the_choice),
		cmocka_unit_test(of_may_be_given_eight_times),
		cmocka_unit_test(whatever_is_given_twice_is_refused),
		cmocka_unit_test(an_empty_value_is_refused_for_every_operand),
		cmocka_unit_test(unknown_words_name_the_nearest_known_one),
		cmocka_unit_test(nothing_is_suggested_for_what_resembles_nothing),
		cmocka_unit_test(words_that_are_no_operands_are_refused),
		cmocka_unit_test(an_empty_argument_is_shown_as_quotes),
		cmocka_unit_test(words_of_a_list_are_refused_with_the_reason),
		cmocka_unit_test(coe_is_the_highest_level_that_was_said_of_a_side),
		cmocka_unit_test(what_is_said_of_bad_blocks_is_set),
		cmocka_unit_test(what_is_said_of_bad_blocks_needs_no_coe),
		cmocka_unit_test(reverse_has_three_spellings),
		cmocka_unit_test(a_map_excludes_what_it_could_not_tell_of),
		cmocka_unit_test(reverse_excludes_what_begins_at_the_start),
		cmocka_unit_test(files_that_are_written_are_nothing_else),
		cmocka_unit_test(a_generated_source_excludes_a_named_one),
		cmocka_unit_test(a_pattern_is_bytes_random_or_stamp),
		cmocka_unit_test(a_seed_is_of_random_data_and_stamps),
		cmocka_unit_test(hashes_are_those_of_the_library),
		cmocka_unit_test(one_end_is_enough),
		cmocka_unit_test(no_arguments_at_all_do_not_crash),
		cmocka_unit_test(conv_words_keep_their_meaning_for_devices),
		cmocka_unit_test(append_and_seek_contradict),
		cmocka_unit_test(the_timeout_may_ride_on_time),
		cmocka_unit_test(quiet_and_status_none_are_one),
		cmocka_unit_test(status_words_set_what_they_say),
		cmocka_unit_test(options_stand_anywhere_alone_or_bundled),
		cmocka_unit_test(posixly_correct_does_not_change_the_order_rule),
		cmocka_unit_test(an_option_takes_no_argument),
		cmocka_unit_test(popt_reads_no_aliases_of_the_user),
		cmocka_unit_test(a_megabyte_of_argument_makes_one_short_line),
		cmocka_unit_test(a_cut_does_not_split_a_utf8_character),
		cmocka_unit_test(control_bytes_do_not_reach_the_terminal),
		cmocka_unit_test(a_file_name_longer_than_any_system_call_takes_is_refused),
		cmocka_unit_test(help_has_every_row_on_standard_output_only),
		cmocka_unit_test(help_fits_100_columns_and_a_line_is_a_row),
		cmocka_unit_test(version_names_the_program_and_its_version),
		cmocka_unit_test(sgm_dd_command_lines_are_taken),
		cmocka_unit_test(sg_dd_and_dd_command_lines_for_bad_disks_are_taken),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
