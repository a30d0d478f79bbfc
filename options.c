/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One table row for each operand, option and flag word; the rows carry their own text, so --help
 * cannot drift from what is accepted. A word is judged alone by its row's set(); what depends on
 * several words is judged by checks.c when all have been read.
 *
 * Each dashed word gets a popt context of its own: popt then never sees an operand, and neither
 * POSIXLY_CORRECT nor the order of the words changes what a line means. popt's config files and
 * aliases are not read (that takes poptReadDefaultConfig(), which nobody calls).
 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <popt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/diag.h"
#include "core/hash.h"
#include "core/status.h"
#include "core/units.h"
#include "parse.h"

#define VERBOSE_MAX 1000

enum group { GROUP_DD, GROUP_DATA, GROUP_SCSI, GROUP_BAD, GROUP_MOVE, GROUP_SHOW };

struct choice {
	const char *word;
	unsigned value;
};

struct operand {
	const char *name;
	const char *arg;
	const char *dflt; /* NULL: not worth a word */
	const char *help;
	enum group group;
	const char *same_as; /* this row is another name for that one */
	bool (*set)(struct parse *p, const struct operand *row, const char *value);
	unsigned most;	    /* how often it may be given; 0: once */
	size_t field, size; /* where in struct parse, for the general set functions */
	uint64_t min, max;
	const struct choice *choices; /* up to a NULL word */
};

struct option {
	const char *name;
	char letter;
	const char *help;
	enum options_result (*apply)(struct parse *p);
};

enum flag_sides { SIDE_IN = 1, SIDE_OUT = 2, SIDE_BOTH = 3 };

struct flag {
	const char *word;
	enum flag_sides sides;
	unsigned sets;		 /* enum end_flags and WORD_* */
	enum xfer_method method; /* METHOD_AUTO: not about methods */
	const char *help;
};

struct conversion {
	const char *word;
	unsigned sets; /* of the destination */
	bool flush, noerror;
};

/* Words of a peer's that would change the copy: refused with a reason rather than as unknown. */
struct missing {
	const char *word, *why;
};

/* ---- saying no ---- */

const char *parse_shown(const char *word, size_t len, char *text)
{
	size_t keep = SHOWN_ROOM - sizeof("...");

	if (len == 0)
		return "''";
	if (len <= keep) {
		memcpy(text, word, len);
		text[len] = '\0';
		return text;
	}
	while (keep > 0 && ((unsigned char)word[keep] & 0xc0) == 0x80)
		keep--;
	memcpy(text, word, keep);
	memcpy(text + keep, "...", sizeof("..."));
	return text;
}

bool parse_refuse(struct parse *p, int status, const char *word, const char *fmt, ...)
{
	char why[160];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	diag(word ? SHOWN(word, strlen(word)) : NULL, "%s", why);
	p->exit_status = status;
	return false;
}

/* ---- "did you mean" ---- */

#define NEAREST_MAX 16 /* no name of ours is longer */

struct nearest {
	const char *typed;
	size_t len;
	const char *name;
	size_t distance;
};

/* Letters to insert, delete, change or swap with their neighbour to get from a to b. */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t d[NEAREST_MAX + 1][NEAREST_MAX + 1];

	for (size_t i = 0; i <= na; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= nb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		for (size_t j = 1; j <= nb; j++) {
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = min_u64(best, d[i - 1][j] + 1);
			best = min_u64(best, d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = min_u64(best, d[i - 2][j - 2] + 1);
			d[i][j] = best;
		}
	}
	return d[na][nb];
}

/* A slip is one letter, two in a name of four and more. */
static void nearest_offer(struct nearest *n, const char *name)
{
	size_t len = strlen(name);
	size_t distance;

	if (n->len == 0 || n->len > NEAREST_MAX || len > NEAREST_MAX)
		return;
	distance = edit_distance(n->typed, n->len, name, len);
	if (distance <= (len < 4 ? 1 : 2) && distance < n->len && distance < n->distance) {
		n->name = name;
		n->distance = distance;
	}
}

static struct nearest nearest_to(const char *typed, size_t len)
{
	return (struct nearest){ .typed = typed, .len = len, .distance = SIZE_MAX };
}

/* ---- setting one operand ---- */

static bool number(
	struct parse *p, const char *text, size_t len, uint64_t min, uint64_t max, uint64_t *out)
{
	enum units_error err = units_parse_n(text, len, out);

	if (err != UNITS_OK)
		return parse_refuse(p, EXIT_SYNTAX, p->word, "%s (see NUMBERS in the manual)",
			units_error_text(err));
	if (*out >= min && *out <= max)
		return true;
	return parse_refuse(p, EXIT_SYNTAX, p->word, "must be %" PRIu64 " %s %" PRIu64, min,
		max == min + 1 ? "or" : "to", max);
}

static bool set_number(struct parse *p, const struct operand *row, const char *value)
{
	char *at = (char *)p + row->field;
	uint64_t n;
	uint32_t n32;

	if (!number(p, value, strlen(value), row->min, row->max, &n))
		return false;
	n32 = (uint32_t)n;
	if (row->size == sizeof(bool))
		*(bool *)at = n != 0;
	else if (row->size == sizeof(n32))
		memcpy(at, &n32, sizeof(n32));
	else
		memcpy(at, &n, sizeof(n));
	return true;
}

static bool set_count(struct parse *p, const struct operand *row, const char *value)
{
	if (strcmp(value, "-1") != 0)
		return set_number(p, row, value);
	p->o.count = COUNT_ALL;
	return true;
}

static bool set_seconds(struct parse *p, const struct operand *row, const char *value)
{
	uint64_t seconds;

	if (!number(p, value, strlen(value), row->min, row->max, &seconds))
		return false;
	p->o.timeout_ms = (unsigned)seconds * 1000;
	return true;
}

/* PATH_MAX counts the final NUL: what is longer, no system call takes. */
static bool set_path(struct parse *p, const struct operand *row, const char *value)
{
	if (strlen(value) >= PATH_MAX)
		return parse_refuse(p, EXIT_SYNTAX, p->word, "file name too long");
	memcpy((char *)p + row->field, &value, sizeof(value));
	return true;
}

static bool add_out(struct parse *p, const struct operand *row, const char *value)
{
	(void)row;
	if (strlen(value) >= PATH_MAX)
		return parse_refuse(p, EXIT_SYNTAX, p->word, "file name too long");
	p->o.out_path[p->o.nouts++] = value;
	return true;
}

static bool set_choice(struct parse *p, const struct operand *row, const char *value)
{
	for (const struct choice *c = row->choices; c->word; c++) {
		if (strcmp(c->word, value) == 0) {
			memcpy((char *)p + row->field, &c->value, sizeof(c->value));
			return true;
		}
	}
	return parse_refuse(p, EXIT_SYNTAX, p->word, "must be %s", row->arg);
}

static bool is_cdb_size(uint64_t n)
{
	return n == 6 || n == 10 || n == 12 || n == 16;
}

static bool cdb_size(struct parse *p, const char *text, size_t len, unsigned *out)
{
	uint64_t n = 0;

	if (units_parse_n(text, len, &n) != UNITS_OK || !is_cdb_size(n))
		return parse_refuse(
			p, EXIT_SYNTAX, p->word, "must be 6, 10, 12 or 16, or two of them");
	*out = (unsigned)n;
	return true;
}

static bool set_cdbsz(struct parse *p, const struct operand *row, const char *value)
{
	size_t len = strcspn(value, ",");

	(void)row;
	if (!cdb_size(p, value, len, &p->o.in.cdb_bytes))
		return false;
	p->o.out.cdb_bytes = p->o.in.cdb_bytes;
	if (value[len] == '\0')
		return true;
	return cdb_size(p, value + len + 1, strlen(value + len + 1), &p->o.out.cdb_bytes);
}

/* sg_dd's time=1,TO: the command timeout rides along. */
static bool set_time(struct parse *p, const struct operand *row, const char *value)
{
	size_t len = strcspn(value, ",");
	const char *seconds = value + len + 1;
	uint64_t n;

	if (!number(p, value, len, row->min, row->max, &n))
		return false;
	p->o.time_lines = n != 0;
	if (value[len] == '\0')
		return true;
	if (!number(p, seconds, strlen(seconds), 1, 86400, &n))
		return false;
	p->time_timeout_ms = (unsigned)n * 1000;
	return true;
}

static bool set_fua(struct parse *p, const struct operand *row, const char *value)
{
	uint64_t n;

	if (!number(p, value, strlen(value), row->min, row->max, &n))
		return false;
	p->o.out.flags |= n & 1 ? END_FUA : 0;
	p->o.in.flags |= n & 2 ? END_FUA : 0;
	return true;
}

static bool set_pattern(struct parse *p, const struct operand *row, const char *value)
{
	struct pattern *pattern = &p->o.pattern;

	(void)row;
	p->o.generated = p->word;
	if (strcmp(value, "random") == 0)
		pattern->kind = PATTERN_RANDOM;
	else if (strcmp(value, "stamp") == 0)
		pattern->kind = PATTERN_STAMP;
	else if (!pattern_parse_bytes(value, strlen(value), pattern))
		return parse_refuse(p, EXIT_SYNTAX, p->word,
			"must be 1 to 8 bytes as pairs of hex digits, random or stamp");
	return true;
}

static bool set_hash(struct parse *p, const struct operand *row, const char *value)
{
	const char *name;

	for (unsigned i = 0; (name = hash_name(i)) != NULL; i++) {
		if (strcmp(name, value) == 0) {
			p->o.hash = name;
			return true;
		}
	}
	return parse_refuse(p, EXIT_SYNTAX, p->word, "must be %s", row->arg);
}

/* ---- lists of words: iflag=, oflag=, conv= ---- */

static const struct flag flags[] = {
	{ "mmap", SIDE_BOTH, END_MMAP, METHOD_MMAP,
		"the mapped reserved buffer of sg; a file: map it" },
	{ "nommap", SIDE_BOTH, WORD_NOMMAP, METHOD_AUTO, "not that: indirect unless dio is asked" },
	{ "dio", SIDE_BOTH, 0, METHOD_DIO, "direct IO from and to user memory" },
	{ "direct", SIDE_BOTH, END_DIRECT, METHOD_DIO, "the same as dio; O_DIRECT on a file" },
	{ "nodirect", SIDE_BOTH, END_NODIRECT, METHOD_AUTO, "a block node through the page cache" },
	{ "indirect", SIDE_BOTH, 0, METHOD_INDIRECT, "the driver copies through its own buffer" },
	{ "dpo", SIDE_BOTH, END_DPO, METHOD_AUTO, "DPO bit in each READ or WRITE: do not cache" },
	{ "fua", SIDE_BOTH, END_FUA, METHOD_AUTO, "FUA bit in each READ or WRITE: to the medium" },
	{ "excl", SIDE_BOTH, END_EXCL, METHOD_AUTO,
		"refuse an sg node open elsewhere, a file that exists" },
	{ "flock", SIDE_BOTH, END_FLOCK, METHOD_AUTO, "hold an flock(2) on the node" },
	{ "force", SIDE_BOTH, END_FORCE, METHOD_AUTO,
		"write to a disk in use (never to the one that holds /)" },
	{ "nocreat", SIDE_BOTH, END_NOCREAT, METHOD_AUTO, "never create a file" },
	{ "null", SIDE_BOTH, END_NULL, METHOD_AUTO, "no effect, as in sgm_dd" },
	{ "sgio", SIDE_BOTH, END_SGIO, METHOD_AUTO,
		"a block node by ioctl(SG_IO), the whole disk" },
	{ "pt", SIDE_BOTH, END_SGIO, METHOD_AUTO, "the same as sgio" },
	{ "append", SIDE_BOTH, END_APPEND, METHOD_AUTO,
		"write behind the end of a file; not with seek=" },
	{ "dsync", SIDE_BOTH, END_DSYNC, METHOD_AUTO, "open a file with O_DSYNC" },
	{ "sync", SIDE_BOTH, END_SYNC, METHOD_AUTO, "open a file with O_SYNC" },
	{ "nocache", SIDE_BOTH, END_NOCACHE, METHOD_AUTO, "keep a file's pages out of the cache" },
	{ "coe", SIDE_BOTH, WORD_COE, METHOD_AUTO,
		"go on after errors; twice and thrice as coe=2, coe=3" },
	{ "start", SIDE_BOTH, END_START, METHOD_AUTO, "start a disk that is stopped" },
	{ "fullblock", SIDE_BOTH, 0, METHOD_AUTO, "no effect: pipes are always read so" },
	{ "trunc", SIDE_OUT, WORD_TRUNC, METHOD_AUTO,
		"oflag only, the default: cut a file to where it is written" },
	{ "notrunc", SIDE_OUT, END_NOTRUNC, METHOD_AUTO,
		"oflag only: keep what a file has behind the copy" },
	{ "sparse", SIDE_OUT, END_SPARSE, METHOD_AUTO,
		"oflag only: zeros are left out (a disk), or holes (a file)" },
	{ "trim", SIDE_OUT, END_TRIM, METHOD_AUTO,
		"oflag only: zeros are unmapped, or holes; else written" },
	{ "unmap", SIDE_OUT, END_TRIM, METHOD_AUTO, "oflag only: the same as trim" },
	{ "nofill", SIDE_OUT, END_NOFILL, METHOD_AUTO,
		"oflag only: bad blocks are left as they are there" },
	{ "reverse", SIDE_IN, WORD_REVERSE, METHOD_AUTO, "iflag only: the same as --reverse" },
	{ "00", SIDE_IN, END_ZEROS, METHOD_AUTO, "iflag only, instead of if=: read zeros" },
	{ "ff", SIDE_IN, END_ONES, METHOD_AUTO, "iflag only, instead of if=: read 0xff bytes" },
	{ "random", SIDE_IN, WORD_RANDOM, METHOD_AUTO, "iflag only: the same as pattern=random" },
};

static const struct conversion conversions[] = {
	{ "null", 0, false, false },
	{ "noerror", 0, false, true },
	{ "nocreat", END_NOCREAT, false, false },
	{ "notrunc", END_NOTRUNC, false, false },
	{ "sparse", END_SPARSE, false, false },
	{ "sync", END_PAD, false, false },
	{ "fsync", 0, true, false },
	{ "fdatasync", 0, true, false },
};

static const struct missing missing[] = {
	{ "sparing", "write sparing" },
	{ "rarc", "the RARC bit" },
};

struct span {
	const char *text;
	size_t len;
};

static bool span_is(struct span s, const char *word)
{
	return strlen(word) == s.len && memcmp(word, s.text, s.len) == 0;
}

/* Which word of p->word's list is wrong need not be plain: it is named. */
static bool refuse_word(struct parse *p, struct span s, struct nearest near)
{
	const char *bad = SHOWN(s.text, s.len);

	for (size_t i = 0; i < ARRAY_SIZE(missing); i++)
		if (span_is(s, missing[i].word))
			return parse_refuse(p, EXIT_SYNTAX, p->word,
				"%s: %s is not there yet (leave it out)", bad, missing[i].why);
	if (s.len == 0)
		return parse_refuse(p, EXIT_SYNTAX, p->word, "empty word in the list");
	if (near.name)
		return parse_refuse(p, EXIT_SYNTAX, p->word,
			"%s: unknown (did you mean %s? see --help)", bad, near.name);
	return parse_refuse(p, EXIT_SYNTAX, p->word, "%s: unknown (see --help)", bad);
}

typedef bool take_word(struct parse *p, const struct operand *row, struct span s);

static bool each_word(struct parse *p, const struct operand *row, const char *list, take_word *take)
{
	for (;;) {
		struct span s = { list, strcspn(list, ",") };

		if (!take(p, row, s))
			return false;
		if (list[s.len] == '\0')
			return true;
		list += s.len + 1;
	}
}

/* As often as the word stands there, so high is the level, as in sg_dd. */
static bool raise_coe(struct parse *p, const struct side_options *side)
{
	unsigned *level = side == &p->o.in ? &p->o.coe_in : &p->o.coe_out;

	if (*level == 3)
		return parse_refuse(p, EXIT_SYNTAX, p->word, "coe: three times at most");
	++*level;
	return true;
}

static bool apply_flag(struct parse *p, const struct flag *f, struct side_options *side)
{
	if ((f->sides & (side == &p->o.in ? SIDE_IN : SIDE_OUT)) == 0)
		return parse_refuse(p, EXIT_SYNTAX, p->word, "%s is for %s= only", f->word,
			f->sides == SIDE_IN ? "iflag" : "oflag");
	side->flags |= f->sets;
	if (f->sets & WORD_COE)
		return raise_coe(p, side);
	if (f->method == METHOD_AUTO)
		return true;
	if (side->method != METHOD_AUTO && side->method != f->method)
		return parse_refuse(p, EXIT_CONTRADICT, p->word,
			"two transfer methods for one side (leave one)");
	side->method = f->method;
	*(side == &p->o.in ? &p->in_word : &p->out_word) = p->word;
	return true;
}

static bool take_flag(struct parse *p, const struct operand *row, struct span s)
{
	struct side_options *side = (void *)((char *)p + row->field);
	struct nearest near = nearest_to(s.text, s.len);

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (span_is(s, flags[i].word))
			return apply_flag(p, &flags[i], side);
		nearest_offer(&near, flags[i].word);
	}
	return refuse_word(p, s, near);
}

static bool set_flags(struct parse *p, const struct operand *row, const char *value)
{
	return each_word(p, row, value, take_flag);
}

static bool take_conversion(struct parse *p, const struct operand *row, struct span s)
{
	struct nearest near = nearest_to(s.text, s.len);

	(void)row;
	for (size_t i = 0; i < ARRAY_SIZE(conversions); i++) {
		const struct conversion *c = &conversions[i];

		if (span_is(s, c->word)) {
			p->o.out.flags |= c->sets;
			p->flush_asked |= c->flush;
			p->noerror |= c->noerror;
			return true;
		}
		nearest_offer(&near, c->word);
	}
	return refuse_word(p, s, near);
}

static bool set_conv(struct parse *p, const struct operand *row, const char *value)
{
	return each_word(p, row, value, take_conversion);
}

/* ---- the table of operands ---- */

static const struct choice io_choices[] = { { "sg_io", IO_SG_IO }, { "rw", IO_RW }, { NULL, 0 } };

static const struct choice verify_choices[] = {
	{ "after", VERIFY_AFTER },
	{ "drive", VERIFY_DRIVE },
	{ "each", VERIFY_EACH },
	{ NULL, 0 },
};

static const struct choice xfer_choices[] = {
	{ "auto", METHOD_AUTO },
	{ "mmap", METHOD_MMAP },
	{ "dio", METHOD_DIO },
	{ "indirect", METHOD_INDIRECT },
	{ NULL, 0 },
};

static const struct choice status_choices[] = {
	{ "none", STATUS_NONE },
	{ "noxfer", STATUS_NOXFER },
	{ "progress", STATUS_PROGRESS },
	{ "null", STATUS_DEFAULT },
	{ NULL, 0 },
};

#define FIELD(member) \
	.field = offsetof(struct parse, member), .size = sizeof(((struct parse *)0)->member)
#define NUMBER(member, least, most) .set = set_number, FIELD(member), .min = (least), .max = (most)
#define CHOICE(member, list)	    .set = set_choice, FIELD(member), .choices = (list)

static const struct operand operands[] = {
	{ "if", "FILE", "standard input", "read from FILE", GROUP_DD, .set = set_path,
		FIELD(o.in.path) },
	{ "of", "FILE", "standard output", "write to FILE (up to 8 of them); .: to none", GROUP_DD,
		.set = add_out, .most = OUTS_MAX },
	{ "bs", "BYTES", "the device's block length", "unit of count, skip and seek", GROUP_DD,
		NUMBER(bs_bytes, 1, UINT32_MAX) },
	{ "ibs", "BYTES", "the source's", "unit of count and skip", GROUP_DD,
		NUMBER(o.ibs_bytes, 1, UINT32_MAX) },
	{ "obs", "BYTES", "the destination's", "unit of seek", GROUP_DD,
		NUMBER(o.obs_bytes, 1, UINT32_MAX) },
	{ "count", "N", "-1", "blocks to copy; -1: all there are", GROUP_DD, .set = set_count,
		FIELD(o.count), .max = COUNT_ALL - 1 },
	{ "skip", "N", "0", "first block to read", GROUP_DD,
		NUMBER(o.in.offset_blk, 0, INT64_MAX) },
	{ "iseek", "N", NULL, "the same as skip=", GROUP_DD, .same_as = "skip" },
	{ "seek", "N", "0", "first block to write", GROUP_DD,
		NUMBER(o.out.offset_blk, 0, INT64_MAX) },
	{ "oseek", "N", NULL, "the same as seek=", GROUP_DD, .same_as = "seek" },
	{ "iflag", "FLAG[,FLAG]...", NULL, "flags of the source, see below", GROUP_DD,
		.set = set_flags, FIELD(o.in) },
	{ "oflag", "FLAG[,FLAG]...", NULL, "flags of the destination, see below", GROUP_DD,
		.set = set_flags, FIELD(o.out) },
	{ "conv", "WORD[,WORD]...", NULL,
		"noerror, nocreat, notrunc, sparse, sync (pads), fsync, fdatasync", GROUP_DD,
		.set = set_conv },

	{ "verify", "after|drive|each", "no", "compare after the copy, by VERIFY, or each chunk",
		GROUP_DD, CHOICE(o.verify, verify_choices) },
	{ "pattern", "HEX|random|stamp", NULL, "generated data instead of if=", GROUP_DATA,
		.set = set_pattern },
	{ "seed", "N", "at random", "of random data and of stamps", GROUP_DATA,
		NUMBER(seed, 0, UINT64_MAX) },
	{ "hash", "xxh3|crc32c|md5|sha1|sha256|sha512", NULL, "print the hash of what was read",
		GROUP_DATA, .set = set_hash },
	{ "hashwindow", "BYTES", NULL, "and of each so many bytes", GROUP_DATA,
		NUMBER(o.hash_window_bytes, 1, INT64_MAX) },

	{ "cdbsz", "R[,W]", "10, 16 if needed", "CDB bytes of READ, WRITE: 6, 10, 12 or 16",
		GROUP_SCSI, .set = set_cdbsz },
	{ "fua", "0|1|2|3", "0", "FUA bit: 1 in WRITE, 2 in READ, 3 in both", GROUP_SCSI,
		.set = set_fua, .max = 3 },
	{ "sync", "0|1", "1", "SYNCHRONIZE CACHE after writing to a device", GROUP_SCSI,
		NUMBER(o.sync_at_end, 0, 1) },
	{ "timeout", "SECONDS", "60", "of one command", GROUP_SCSI, .set = set_seconds, .min = 1,
		.max = 86400 },

	{ "retries", "N", "0", "more tries; with coe or map, of a block that failed alone",
		GROUP_BAD, NUMBER(o.retries, 0, 100) },
	{ "coe", "0|1|2|3", "0", "go on after errors; 1: zeros instead; 2, 3: READ LONG", GROUP_BAD,
		NUMBER(coe, 0, 3) },
	{ "coe_limit", "N", "no limit", "stop at more adjacent bad blocks than this", GROUP_BAD,
		NUMBER(o.coe_limit, 0, UINT64_MAX) },
	{ "maxbad", "N", "no limit", "stop at more bad blocks than this", GROUP_BAD,
		NUMBER(o.max_bad, 0, UINT64_MAX) },
	{ "map", "FILE", NULL, "what was copied, to resume by: ddrescue's mapfile", GROUP_BAD,
		.set = set_path, FIELD(o.map_path) },
	{ "badblocks", "FILE", NULL, "write the list of bad blocks to FILE", GROUP_BAD,
		.set = set_path, FIELD(o.badblocks_path) },
	{ "minrate", "BYTES", "none", "leave areas slower than that a second for later", GROUP_BAD,
		NUMBER(o.min_rate, 1, INT64_MAX) },
	{ "slow", "MS", "none", "leave areas with slower reads than that for later", GROUP_BAD,
		NUMBER(o.slow_ms, 1, 86400000) },

	{ "bpt", "N", "chosen", "blocks of bs per transfer; 0: chosen", GROUP_MOVE,
		NUMBER(o.bpt_blk, 0, UINT32_MAX) },
	{ "io", "sg_io|rw", "chosen", "by ioctl(SG_IO), or by write() and read()", GROUP_MOVE,
		CHOICE(o.io, io_choices) },
	{ "xfer", "auto|mmap|dio|indirect", "auto", "transfer method of both sides", GROUP_MOVE,
		CHOICE(xfer, xfer_choices) },
	{ "dio", "0|1", "chosen", "direct IO on the destination", GROUP_MOVE, NUMBER(dio, 0, 1) },
	{ "reserved", "BYTES", "chosen", "reserved buffer to ask of sg; 0: chosen", GROUP_MOVE,
		NUMBER(o.reserved_bytes, 0, UINT32_MAX) },
	{ "qd", "N", "chosen", "queue depth: commands in flight per side, 1 to 1024", GROUP_MOVE,
		NUMBER(o.queue_depth, 1, 1024) },
	{ "iodepth", "N", NULL, "the same as qd=", GROUP_MOVE, .same_as = "qd" },
	{ "thr", "N", NULL, "the same as qd=", GROUP_MOVE, .same_as = "qd" },
	{ "workers", "N", "chosen", "threads that share the queue depth, 1 to 1024", GROUP_MOVE,
		NUMBER(o.workers, 1, 1024) },

	{ "time", "0|1[,SECONDS]", "1", "timing lines; SECONDS as timeout=", GROUP_SHOW,
		.set = set_time, .max = 1 },
	{ "status", "none|noxfer|progress|null", "null",
		"none: errors only; noxfer: only the records", GROUP_SHOW,
		CHOICE(o.status, status_choices) },
	{ "verbose", "N", "0", "the same as N times -v", GROUP_SHOW,
		NUMBER(o.verbose, 0, VERBOSE_MAX) },
};

_Static_assert(ARRAY_SIZE(operands) <= PARSE_ROWS, "struct parse has a word for each row");

static const struct operand *operand_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(operands); i++)
		if (span_is((struct span){ name, len }, operands[i].name))
			return &operands[i];
	return NULL;
}

/* The row that does the work: of an alias, the one it stands for. */
static const struct operand *operand_real(const struct operand *row)
{
	return row->same_as ? operand_find(row->same_as, strlen(row->same_as)) : row;
}

const char *parse_given(const struct parse *p, const char *name)
{
	const struct operand *row = operand_find(name, strlen(name));

	assert(row && !row->same_as);
	return p->given[row - operands];
}

static bool refuse_operand(struct parse *p, size_t name_len)
{
	struct nearest near = nearest_to(p->word, name_len);

	if (p->word[name_len] == '\0')
		return parse_refuse(p, EXIT_SYNTAX, p->word,
			"not of the form NAME=VALUE (if= and of= go before a file; see --help)");
	for (size_t i = 0; i < ARRAY_SIZE(operands); i++)
		nearest_offer(&near, operands[i].name);
	if (near.name)
		return parse_refuse(p, EXIT_SYNTAX, p->word,
			"unknown operand (did you mean %s=? see --help)", near.name);
	return parse_refuse(p, EXIT_SYNTAX, p->word, "unknown operand (see --help)");
}

static bool parse_operand(struct parse *p)
{
	size_t name_len = strcspn(p->word, "=");
	const struct operand *row = operand_find(p->word, name_len);
	const char *value = p->word + name_len + 1;
	const char **first;

	if (!row || p->word[name_len] == '\0')
		return refuse_operand(p, name_len);
	if (*value == '\0')
		return parse_refuse(
			p, EXIT_SYNTAX, p->word, "empty value (give one or leave it out)");
	row = operand_real(row);
	first = &p->given[row - operands];
	if (*first && p->times[row - operands] >= max_u64(row->most, 1))
		return parse_refuse(p, EXIT_SYNTAX, p->word,
			row->most ? "given too often (%s was before)"
				  : "given twice (%s was before)",
			SHOWN(*first, strlen(*first)));
	*first = p->word;
	p->times[row - operands]++;
	return row->set(p, row, value);
}

/* ---- the table of options ---- */

static enum options_result print_help(struct parse *p);
static enum options_result print_version(struct parse *p);

static enum options_result apply_dry_run(struct parse *p)
{
	p->o.dry_run = true;
	return OPTIONS_RUN;
}

static enum options_result apply_compare(struct parse *p)
{
	p->o.compare = true;
	return OPTIONS_RUN;
}

static enum options_result apply_nocopy(struct parse *p)
{
	p->o.out.flags |= END_NOCOPY;
	return OPTIONS_RUN;
}

static enum options_result apply_progress(struct parse *p)
{
	p->o.progress = true;
	return OPTIONS_RUN;
}

static enum options_result apply_quiet(struct parse *p)
{
	p->o.quiet = true;
	return OPTIONS_RUN;
}

static enum options_result apply_reverse(struct parse *p)
{
	p->o.reverse = true;
	return OPTIONS_RUN;
}

static enum options_result apply_verbose(struct parse *p)
{
	p->verbose_letters += p->verbose_letters < VERBOSE_MAX;
	return OPTIONS_RUN;
}

static const struct option options[] = {
	{ "dry-run", 'd', "open, check and show the plan; copy nothing", apply_dry_run },
	{ "nocopy", 'n', "read only: write nothing to of=", apply_nocopy },
	{ "progress", 'p', "percent, rate and time left, as status=progress", apply_progress },
	{ "quiet", 'q', "say only what goes wrong, as status=none", apply_quiet },
	{ "reverse", 'R', "from the end to the start", apply_reverse },
	{ "verify", 'x', "compare if= with of=; write nothing", apply_compare },
	{ "verbose", 'v', "show the plan and what was decided; may be repeated", apply_verbose },
	{ "help", 'h', "show this and exit", print_help },
	{ "version", 'V', "show the version and exit", print_version },
};

/* ---- --help ---- */

static const char *const group_titles[] = {
	[GROUP_DD] = "Operands as in dd and sgm_dd:",
	[GROUP_DATA] = "Generated data and hashes:",
	[GROUP_SCSI] = "Commands:",
	[GROUP_BAD] = "When blocks are bad:",
	[GROUP_MOVE] = "How data move:",
	[GROUP_SHOW] = "What is shown (all on standard error):",
};

static void print_row(const char *left, const char *text, const char *dflt)
{
	printf("  %-32s  %s", left, text);
	if (dflt)
		printf(" [%s]", dflt);
	putchar('\n');
}

static void print_operands(void)
{
	char left[64];

	for (size_t i = 0; i < ARRAY_SIZE(operands); i++) {
		const struct operand *row = &operands[i];

		if (i == 0 || row->group != row[-1].group)
			printf("\n%s\n", group_titles[row->group]);
		(void)snprintf(left, sizeof(left), "%s=%s", row->name, row->arg);
		print_row(left, row->help, row->dflt);
	}
}

static void print_options(void)
{
	char left[64];

	printf("\nOptions:\n");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		(void)snprintf(left, sizeof(left), "-%c, --%s", options[i].letter, options[i].name);
		print_row(left, options[i].help, NULL);
	}
}

static void print_flags(void)
{
	printf("\nFlags for iflag= and oflag=:\n");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		print_row(flags[i].word, flags[i].help, NULL);
}

/* What could not be written was not said: that is an error too. */
static enum options_result stdout_done(struct parse *p)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return OPTIONS_EXIT;
	p->exit_status = exit_status_from_errno(errno);
	diag_errno("standard output", errno, "cannot write");
	return OPTIONS_BAD;
}

static enum options_result print_help(struct parse *p)
{
	printf("Usage: sgmmcp if=FILE of=FILE [NAME=VALUE]... [-dnpqRvx]\n"
	       "Copy between SCSI disks through their sg nodes, or measure how fast they are.\n");
	print_operands();
	print_options();
	print_flags();
	printf("\nNumbers: 4096, 0x1000, 1000h, 4k (KiB), 4kB (1000), 2x33, 3+1k; suffixes k m g t "
	       "p E.\n"
	       "Manual: man 8 sgmmcp\n");
	return stdout_done(p);
}

static enum options_result print_version(struct parse *p)
{
	printf("sgmmcp " SGMMCP_VERSION "\n");
	return stdout_done(p);
}

/* ---- one option ---- */

static enum options_result refuse_option(struct parse *p, int popt_error)
{
	const char *name = p->word + strspn(p->word, "-");
	struct nearest near = nearest_to(name, strcspn(name, "="));

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		nearest_offer(&near, options[i].name);
	if (popt_error == POPT_ERROR_BADOPT && near.name)
		(void)parse_refuse(p, EXIT_SYNTAX, p->word,
			"unknown option (did you mean --%s? see --help)", near.name);
	else
		(void)parse_refuse(
			p, EXIT_SYNTAX, p->word, "%s (see --help)", poptStrerror(popt_error));
	return OPTIONS_BAD;
}

/* popt gives val back, and wants it positive. */
static void popt_table(struct poptOption *table)
{
	memset(table, 0, (ARRAY_SIZE(options) + 1) * sizeof(*table));
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		table[i].longName = options[i].name;
		table[i].shortName = options[i].letter;
		table[i].argInfo = POPT_ARG_NONE;
		table[i].val = (int)i + 1;
	}
}

static enum options_result parse_option(struct parse *p)
{
	struct poptOption table[ARRAY_SIZE(options) + 1];
	const char *argv[] = { p->word, NULL };
	enum options_result r = OPTIONS_RUN;
	poptContext con;
	int val = 0;

	popt_table(table);
	con = poptGetContext(NULL, 1, argv, table, POPT_CONTEXT_KEEP_FIRST | POPT_CONTEXT_NO_EXEC);
	if (!con) {
		(void)parse_refuse(p, exit_status_from_errno(ENOMEM), p->word, "no memory");
		return OPTIONS_BAD;
	}
	while (r == OPTIONS_RUN && (val = poptGetNextOpt(con)) > 0)
		r = options[val - 1].apply(p);
	if (r == OPTIONS_RUN && val < -1)
		r = refuse_option(p, val);
	poptFreeContext(con);
	return r;
}

/* ---- the line ---- */

static const struct parse defaults = {
	.o = {
		.count = COUNT_ALL,
		.timeout_ms = 60 * 1000,
		.sync_at_end = true,
		.time_lines = true,
	},
};

static enum options_result parse_words(struct parse *p, int argc, const char **argv)
{
	enum options_result r = OPTIONS_RUN;
	bool options_end = false;

	for (int i = 1; i < argc && r == OPTIONS_RUN; i++) {
		p->word = argv[i];
		if (options_end || p->word[0] != '-' || p->word[1] == '\0')
			r = parse_operand(p) ? OPTIONS_RUN : OPTIONS_BAD;
		else if (strcmp(p->word, "--") == 0)
			options_end = true;
		else
			r = parse_option(p);
	}
	return r;
}

enum options_result options_parse(struct options *o, int argc, const char **argv, int *exit_status)
{
	struct parse p = defaults;
	enum options_result r = parse_words(&p, argc, argv);

	if (r == OPTIONS_RUN)
		r = parse_check(&p) ? OPTIONS_RUN : OPTIONS_BAD;
	if (r == OPTIONS_RUN)
		*o = p.o;
	*exit_status = p.exit_status;
	return r;
}

const char *options_name(size_t index, bool *is_operand)
{
	*is_operand = index < ARRAY_SIZE(operands);
	if (*is_operand)
		return operands[index].name;
	index -= ARRAY_SIZE(operands);
	return index < ARRAY_SIZE(options) ? options[index].name : NULL;
}

const char *options_flag_name(size_t index)
{
	return index < ARRAY_SIZE(flags) ? flags[index].word : NULL;
}
