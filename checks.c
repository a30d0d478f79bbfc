/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the words of a line mean together. Each was found good alone by its row in options.c; here
 * it is decided which of them exclude each other, and what follows from several of them. The
 * checks are made in the order of checks[]: what one settles, those behind it rely on.
 */
#include "parse.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/status.h"

#define GENERATED (END_ZEROS | END_ONES | WORD_RANDOM)

static bool refuse_both(struct parse *p, const char *word, const char *other)
{
	return parse_refuse(p, EXIT_CONTRADICT, word, "contradicts %s (leave one out)",
		SHOWN(other, strlen(other)));
}

/* Who types the name alone is to be told; in a pipeline it copies from one side to the other. */
static bool is_at_terminal(void)
{
	return isatty(STDIN_FILENO) || isatty(STDOUT_FILENO);
}

static bool check_ends(struct parse *p)
{
	const char *in = parse_given(p, "if"), *out = parse_given(p, "of");
	unsigned generated = p->o.in.flags & GENERATED;

	if (generated & (generated - 1))
		return parse_refuse(p, EXIT_CONTRADICT, parse_given(p, "iflag"),
			"00, ff and random exclude each other (leave one)");
	if (generated && parse_given(p, "pattern"))
		return refuse_both(p, parse_given(p, "pattern"), parse_given(p, "iflag"));
	if (generated && in)
		return parse_refuse(p, EXIT_CONTRADICT, in,
			"00, ff and random of iflag= are a source of their own (leave one out)");
	if (p->o.generated && in)
		return refuse_both(p, p->o.generated, in);
	if (generated & WORD_RANDOM) {
		p->o.generated = "random";
		p->o.pattern.kind = PATTERN_RANDOM;
	}
	generated |= p->o.generated != NULL;
	if (!generated && !in && !out && is_at_terminal())
		return parse_refuse(
			p, EXIT_CONTRADICT, NULL, "neither if= nor of= given (see --help)");
	return true;
}

static bool check_seed(struct parse *p)
{
	const char *seed = parse_given(p, "seed");

	if (!seed)
		return true;
	if (!p->o.generated || p->o.pattern.kind == PATTERN_BYTES)
		return parse_refuse(p, EXIT_CONTRADICT, seed,
			"only pattern=random and pattern=stamp have a seed (leave seed= out)");
	p->o.pattern.seed = p->seed;
	p->o.seed_given = true;
	return true;
}

static bool check_hash(struct parse *p)
{
	if (!parse_given(p, "hashwindow") || p->o.hash)
		return true;
	return parse_refuse(
		p, EXIT_CONTRADICT, parse_given(p, "hashwindow"), "of which hash? (give hash=)");
}

static bool check_block(struct parse *p)
{
	const struct {
		const char *word;
		uint32_t *bytes;
	} sizes[] = {
		{ parse_given(p, "ibs"), &p->o.ibs_bytes },
		{ parse_given(p, "obs"), &p->o.obs_bytes },
	};
	const char *both = parse_given(p, "bs");

	for (size_t i = 0; both && i < ARRAY_SIZE(sizes); i++) {
		if (sizes[i].word && *sizes[i].bytes != p->bs_bytes)
			return parse_refuse(p, EXIT_CONTRADICT, sizes[i].word,
				"contradicts %s, which is for both sides (leave one out)",
				SHOWN(both, strlen(both)));
		*sizes[i].bytes = p->bs_bytes;
	}
	return true;
}

static bool check_chunk(struct parse *p)
{
	uint64_t bytes;

	if (checked_mul(p->o.ibs_bytes, p->o.bpt_blk, &bytes) && bytes <= UINT32_MAX)
		return true;
	return parse_refuse(p, EXIT_SYNTAX, parse_given(p, "bpt"),
		"one transfer would exceed 4 GiB (blocks are %" PRIu32 " bytes)", p->o.ibs_bytes);
}

/* Bytes up to the end of the range must fit in a file offset; so the sums elsewhere do. */
static bool check_range(struct parse *p, const struct side_options *side, uint32_t bs_bytes,
	const char *offset_word)
{
	uint64_t count = p->o.count == COUNT_ALL ? 0 : p->o.count; /* in ibs, on either side */
	uint64_t at, len, end;

	if (checked_mul(side->offset_blk, max_u64(bs_bytes, 1), &at) &&
		checked_mul(count, max_u64(p->o.ibs_bytes, 1), &len) &&
		checked_add(at, len, &end) && end <= INT64_MAX)
		return true;
	return parse_refuse(p, EXIT_SYNTAX, offset_word ? offset_word : parse_given(p, "count"),
		"the copy would end past 2^63 bytes");
}

static bool check_ranges(struct parse *p)
{
	return check_range(p, &p->o.in, p->o.ibs_bytes, parse_given(p, "skip")) &&
	       check_range(p, &p->o.out, p->o.obs_bytes, parse_given(p, "seek"));
}

/* dio=0 is "indirect IO on write" for sgm_dd, which maps the destination's buffer all the same. */
static bool check_dio(struct parse *p)
{
	const char *word = parse_given(p, "dio");
	enum xfer_method wanted = p->dio ? METHOD_DIO : METHOD_INDIRECT;
	bool may_stay = !p->dio && p->o.out.method != METHOD_DIO;

	if (!word)
		return true;
	if (p->o.out.method == METHOD_AUTO) {
		p->o.out.method = wanted;
		p->out_word = word;
		return true;
	}
	if (p->o.out.method == wanted || may_stay)
		return true;
	return refuse_both(p, word, p->out_word);
}

static bool settle_method(
	struct parse *p, struct side_options *side, const char *from, const char *flag_word)
{
	if (p->xfer != METHOD_AUTO) {
		if (side->method != METHOD_AUTO && side->method != p->xfer)
			return refuse_both(p, parse_given(p, "xfer"), from);
		side->method = p->xfer;
	}
	if (!(side->flags & WORD_NOMMAP))
		return true;
	if (side->method == METHOD_MMAP)
		return parse_refuse(p, EXIT_CONTRADICT, flag_word,
			"nommap and the method mmap exclude each other (leave one out)");
	if (side->method == METHOD_AUTO)
		side->method = METHOD_INDIRECT;
	return true;
}

static bool check_methods(struct parse *p)
{
	return check_dio(p) && settle_method(p, &p->o.in, p->in_word, parse_given(p, "iflag")) &&
	       settle_method(p, &p->o.out, p->out_word, parse_given(p, "oflag"));
}

static bool check_append(struct parse *p)
{
	if (!(p->o.out.flags & END_APPEND) || p->o.out.offset_blk == 0)
		return true;
	return refuse_both(p, parse_given(p, "oflag"), parse_given(p, "seek"));
}

static bool lacks_bits(const struct side_options *side)
{
	return side->cdb_bytes == 6 && (side->flags & (END_DPO | END_FUA));
}

static bool check_trunc(struct parse *p)
{
	unsigned flags = p->o.out.flags;

	if (!(flags & WORD_TRUNC) || !(flags & (END_NOTRUNC | END_APPEND)))
		return true;
	return parse_refuse(p, EXIT_CONTRADICT, parse_given(p, "oflag"), "trunc contradicts %s",
		flags & END_APPEND ? "append (leave one out)" : "notrunc (leave one out)");
}

static bool check_cdb(struct parse *p)
{
	if (!lacks_bits(&p->o.in) && !lacks_bits(&p->o.out))
		return true;
	return parse_refuse(p, EXIT_CONTRADICT, parse_given(p, "cdbsz"),
		"READ(6) and WRITE(6) have no DPO and FUA bits (leave cdbsz= out)");
}

static bool check_flush(struct parse *p)
{
	if (p->flush_asked && !p->o.sync_at_end)
		return refuse_both(p, parse_given(p, "sync"), parse_given(p, "conv"));
	return true;
}

static bool check_timeout(struct parse *p)
{
	if (!p->time_timeout_ms)
		return true;
	if (parse_given(p, "timeout") && p->o.timeout_ms != p->time_timeout_ms)
		return refuse_both(p, parse_given(p, "time"), parse_given(p, "timeout"));
	p->o.timeout_ms = p->time_timeout_ms;
	return true;
}

static bool check_shown(struct parse *p)
{
	const char *status = parse_given(p, "status");

	p->o.verbose += p->verbose_letters;
	if (p->o.status == STATUS_PROGRESS)
		p->o.progress = true;
	if (p->o.status == STATUS_NOXFER)
		p->o.time_lines = false;
	if (p->o.quiet && p->o.status != STATUS_DEFAULT && p->o.status != STATUS_NONE)
		return refuse_both(p, status, "-q");
	if (p->o.quiet)
		p->o.status = STATUS_NONE;
	if (p->o.status == STATUS_NONE)
		p->o.quiet = true;
	if (p->o.quiet && (p->o.verbose || p->o.progress))
		return refuse_both(p, status ? status : "-q", p->o.verbose ? "-v" : "-p");
	return true;
}

static bool check_verify(struct parse *p)
{
	const char *word = parse_given(p, "verify");
	bool nocopy = (p->o.out.flags & END_NOCOPY) != 0;

	if (p->o.compare && word)
		return parse_refuse(
			p, EXIT_CONTRADICT, word, "-x compares and copies nothing (leave one out)");
	if (nocopy && (p->o.compare || word))
		return parse_refuse(p, EXIT_CONTRADICT, word,
			"-n leaves nothing to compare or verify (leave one out)");
	if (p->o.compare && !parse_given(p, "of"))
		return parse_refuse(p, EXIT_CONTRADICT, NULL, "-x needs an of= to compare with");
	return true;
}

static void raise_level(unsigned *level, unsigned to)
{
	if (*level < to)
		*level = to;
}

/* The highest of what was said of a side counts, in whatever order it was said. */
static bool check_levels(struct parse *p)
{
	raise_level(&p->o.coe_in, p->coe);
	raise_level(&p->o.coe_out, p->coe);
	if (p->noerror)
		raise_level(&p->o.coe_in, 1);
	p->o.max_bad_given = parse_given(p, "maxbad") != NULL;
	return true;
}

/* What a map cannot be had with, and what to do instead. */
static bool check_map(struct parse *p)
{
	const char *map = parse_given(p, "map"), *why = NULL;

	if (!map)
		return true;
	if (p->o.compare)
		why = "-x copies nothing that a map could tell of (leave one out)";
	else if (p->o.out.flags & END_NOCOPY)
		why = "-n copies nothing that a map could tell of (leave one out)";
	else if (p->o.nouts > 1)
		why = "a map is of one destination (give one of=, or a run and a map to each)";
	else if (p->o.hash)
		why = "a hash needs all data in their order (leave hash= out; hash the result)";
	else if (p->o.out.flags & END_APPEND)
		why = "append moves the place that the map tells of (give seek= instead)";
	else if (p->o.verify == VERIFY_EACH)
		why = "verify=each reads back nothing that an earlier run wrote (use verify=after)";
	return why ? parse_refuse(p, EXIT_CONTRADICT, map, "%s", why) : true;
}

static bool check_reverse(struct parse *p)
{
	bool by_flag = p->o.in.flags & WORD_REVERSE;
	const char *word = by_flag ? parse_given(p, "iflag") : "-R";

	p->o.reverse |= by_flag;
	if (!p->o.reverse)
		return true;
	if (p->o.hash)
		return parse_refuse(p, EXIT_CONTRADICT, word,
			"a hash needs the data from the start on (leave hash= or reverse out)");
	if (p->o.out.flags & END_APPEND)
		return parse_refuse(p, EXIT_CONTRADICT, word,
			"append writes from the start on (give seek= instead, or leave reverse "
			"out)");
	return true;
}

/* "map=a" and "if=a" name one file; so do "map=a" and "of=a.bak" when behind is ".bak". */
static bool same_file(const char *a, const char *behind, const char *b)
{
	size_t len = a ? strlen(a) : 0;

	return a && b && strncmp(a, b, len) == 0 && strcmp(b + len, behind) == 0;
}

/* A file that is written at the end of the run, and kept as FILE.bak or not, is nothing else. */
static bool check_apart(struct parse *p, const char *name, const char *path, const char *behind)
{
	const char *ends[OUTS_MAX + 1] = { p->o.in.path };

	memcpy(ends + 1, p->o.out_path, sizeof(p->o.out_path));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (same_file(path, behind, ends[i]))
			return parse_refuse(p, EXIT_CONTRADICT, parse_given(p, name),
				"%s would be overwritten (give another name)", i ? "of=" : "if=");
	return true;
}

static bool check_files(struct parse *p)
{
	const char *map = p->o.map_path, *bad = p->o.badblocks_path;

	if (same_file(map, "", bad) || same_file(map, ".bak", bad))
		return parse_refuse(p, EXIT_CONTRADICT, parse_given(p, "badblocks"),
			"the map would be overwritten (give another name)");
	return check_apart(p, "map", map, "") && check_apart(p, "map", map, ".bak") &&
	       check_apart(p, "badblocks", bad, "");
}

static bool (*const checks[])(struct parse *p) = {
	check_ends,
	check_seed,
	check_hash,
	check_block,
	check_chunk,
	check_ranges,
	check_methods,
	check_append,
	check_trunc,
	check_cdb,
	check_flush,
	check_timeout,
	check_shown,
	check_verify,
	check_levels,
	check_map,
	check_reverse,
	check_files,
};

bool parse_check(struct parse *p)
{
	p->o.nouts = p->o.nouts ? p->o.nouts : 1; /* standard output */
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (!checks[i](p))
			return false;
	p->o.in.flags &= ~WORDS;
	p->o.out.flags &= ~WORDS;
	return true;
}
