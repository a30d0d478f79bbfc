/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line at a time, a word at a time: what is found goes to a struct parser, and to the caller only
 * when the last line was good. Printing is the reverse, range by range.
 */
#include "mapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct words {
	const char *at, *end;
};

struct parser {
	struct mapfile m;
	struct mapfile_error *error;
	unsigned long line;
	bool has_status, has_block;
};

static const struct fact {
	const char *name;
	bool is_text;
	size_t offset; /* in struct mapfile_facts */
} facts[] = {
	[MAPFILE_SERIAL] = { "serial", true, offsetof(struct mapfile_facts, serial) },
	[MAPFILE_UNIT_ID] = { "unit_id", true, offsetof(struct mapfile_facts, unit_id) },
	[MAPFILE_BLOCK] = { "block_bytes", false, offsetof(struct mapfile_facts, block_bytes) },
	[MAPFILE_SIZE] = { "size_bytes", false, offsetof(struct mapfile_facts, size_bytes) },
	[MAPFILE_SKIP] = { "skip_bytes", false, offsetof(struct mapfile_facts, skip_bytes) },
	[MAPFILE_SEEK] = { "seek_bytes", false, offsetof(struct mapfile_facts, seek_bytes) },
	[MAPFILE_OUT_SERIAL] = { "out_serial", true, offsetof(struct mapfile_facts, out_serial) },
	[MAPFILE_OUT_UNIT_ID] = { "out_unit_id", true,
		offsetof(struct mapfile_facts, out_unit_id) },
	[MAPFILE_PATTERN] = { "pattern", true, offsetof(struct mapfile_facts, pattern) },
	[MAPFILE_SEED] = { "seed", false, offsetof(struct mapfile_facts, seed) },
};

static const char fact_mark[] = "sgmmcp:";
static const char phases[] = "?*/-FG+";

/* A range that is written but not flushed is, in a file, not tried. */
static const char status_chars[] = {
	[RANGE_UNTRIED] = '?',
	[RANGE_FAILED] = '*',
	[RANGE_NONSCRAPED] = '/',
	[RANGE_BAD] = '-',
	[RANGE_WRITTEN] = '?',
	[RANGE_DONE] = '+',
};

const char *mapfile_fact_name(enum mapfile_fact fact)
{
	return facts[fact].name;
}

void mapfile_destroy(struct mapfile *m)
{
	ranges_destroy(&m->ranges);
}

/* --- words --- */

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(struct words *w)
{
	while (w->at < w->end && is_blank(*w->at))
		w->at++;
}

/* The next word; of no characters at the end of the line or where a comment begins. */
static struct words next_word(struct words *w)
{
	struct words word;

	skip_blanks(w);
	word.at = w->at;
	if (w->at == w->end || *w->at != '#')
		while (w->at < w->end && !is_blank(*w->at))
			w->at++;
	word.end = w->at;
	return word;
}

static bool is_empty(struct words word)
{
	return word.at == word.end;
}

/* Digits up to the end of the word, at least one. */
static bool take_digits(struct words word, unsigned base, uint64_t *out)
{
	uint64_t n = 0;

	if (is_empty(word))
		return false;
	for (; word.at < word.end; word.at++) {
		char c = *word.at;
		unsigned digit = c >= '0' && c <= '9'	? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
				 : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
							: 16;

		if (digit >= base || !checked_mul(n, base, &n) || !checked_add(n, digit, &n))
			return false;
	}
	*out = n;
	return true;
}

/* As in C: the prefix tells the base. */
static bool take_integer(struct words word, uint64_t *out)
{
	size_t len = (size_t)(word.end - word.at);

	if (len > 2 && word.at[0] == '0' && (word.at[1] == 'x' || word.at[1] == 'X')) {
		word.at += 2;
		return take_digits(word, 16, out);
	}
	return take_digits(word, len > 1 && word.at[0] == '0' ? 8 : 10, out);
}

static bool take_position(struct words word, uint64_t *out)
{
	uint64_t n;

	if (!take_integer(word, &n) || n > MAPFILE_SIZE_MAX)
		return false;
	*out = n;
	return true;
}

/* One character of those in set. */
static bool take_char(struct words word, const char *set, char *out)
{
	if (word.end - word.at != 1 || *word.at == '\0' || !strchr(set, *word.at))
		return false;
	*out = *word.at;
	return true;
}

/* --- lines --- */

static bool wrong(struct parser *p, const char *what)
{
	*p->error = (struct mapfile_error){ .line = p->line, .err = EINVAL, .what = what };
	return false;
}

static bool take_fact(struct parser *p, enum mapfile_fact fact, struct words value)
{
	char *field = (char *)&p->m.facts + facts[fact].offset;
	bool valid;

	if (p->m.facts.known & (1u << fact))
		return wrong(p, "this fact comes for the second time");
	if (facts[fact].is_text) {
		valid = textout_unescape(
			value.at, (size_t)(value.end - value.at), field, MAPFILE_TEXT_ROOM);
	} else {
		uint64_t n;

		valid = take_digits(value, 10, &n);
		if (valid)
			memcpy(field, &n, sizeof(n));
	}
	if (!valid)
		return wrong(p, "this fact has no valid value");
	p->m.facts.known |= 1u << fact;
	return true;
}

/* w is what is behind the mark: "key=value". */
static bool parse_fact(struct parser *p, struct words w)
{
	struct words word = next_word(&w);

	for (unsigned i = 0; i < MAPFILE_FACTS; i++) {
		size_t len = strlen(facts[i].name);

		if ((size_t)(word.end - word.at) <= len || word.at[len] != '=' ||
			memcmp(word.at, facts[i].name, len) != 0)
			continue;
		if (!is_empty(next_word(&w)))
			return wrong(p, "this fact has no valid value");
		word.at += len + 1;
		return take_fact(p, (enum mapfile_fact)i, word);
	}
	return true;
}

/* w begins with the '#'. */
static bool parse_comment(struct parser *p, struct words w)
{
	struct words mark;

	w.at++;
	mark = next_word(&w);
	if ((size_t)(mark.end - mark.at) != sizeof(fact_mark) - 1 ||
		memcmp(mark.at, fact_mark, sizeof(fact_mark) - 1) != 0)
		return true;
	if (w.end - w.at > MAPFILE_LINE_MAX)
		return wrong(p, "line is too long");
	return parse_fact(p, w);
}

static bool parse_pass(struct parser *p, struct words word)
{
	uint64_t pass = 1;

	if (!is_empty(word) && (!take_digits(word, 10, &pass) || pass < 1 || pass > INT_MAX))
		return wrong(p, "status line: pass is no decimal number from 1");
	p->m.pass = (unsigned)pass;
	return true;
}

static bool parse_status_line(struct parser *p, struct words w)
{
	if (!take_position(next_word(&w), &p->m.pos_bytes))
		return wrong(p, "status line: position is no number from 0 to 2^63-1");
	if (!take_char(next_word(&w), phases, &p->m.phase))
		return wrong(p, "status line: status is none of ?*/-FG+");
	if (!parse_pass(p, next_word(&w)))
		return false;
	if (!is_empty(next_word(&w)))
		return wrong(p, "status line: a word too many");
	p->has_status = true;
	return true;
}

static enum range_status status_of_char(char c)
{
	for (unsigned s = 0; s < RANGE_STATUSES; s++)
		if (status_chars[s] == c)
			return (enum range_status)s;
	return RANGE_UNTRIED;
}

static bool no_memory(struct parser *p)
{
	*p->error = (struct mapfile_error){ .err = ENOMEM, .what = "no memory for the map" };
	return false;
}

static bool add_block(struct parser *p, uint64_t at, uint64_t len, char c)
{
	uint64_t end = ranges_total(&p->m.ranges);

	if (!p->has_block) {
		p->m.begin_bytes = at;
		if (!ranges_append(&p->m.ranges, at, RANGE_UNTRIED))
			return no_memory(p);
	} else if (at != end) {
		return wrong(
			p, at > end ? "gap before this block" : "block overlaps the one before");
	}
	if (!ranges_append(&p->m.ranges, len, status_of_char(c)))
		return no_memory(p);
	p->has_block = true;
	return true;
}

static bool parse_block(struct parser *p, struct words w)
{
	uint64_t at, len;
	char c;

	if (!take_position(next_word(&w), &at))
		return wrong(p, "block: position is no number from 0 to 2^63-1");
	if (!take_position(next_word(&w), &len) || len > MAPFILE_SIZE_MAX - at)
		return wrong(p, "block: size is no number, or it ends past 2^63-1");
	if (len == 0)
		return wrong(p, "block: size is 0");
	if (!take_char(next_word(&w), "?*/-+", &c))
		return wrong(p, "block: status is none of ?*/-+");
	if (!is_empty(next_word(&w)))
		return wrong(p, "block: a word too many");
	return add_block(p, at, len, c);
}

static bool parse_line(struct parser *p, struct words w)
{
	size_t len = (size_t)(w.end - w.at);

	p->line++;
	if (memchr(w.at, '\0', len))
		return wrong(p, "a NUL byte: this is no text");
	skip_blanks(&w);
	if (is_empty(w))
		return true;
	if (*w.at == '#')
		return parse_comment(p, w);
	if (len > MAPFILE_LINE_MAX)
		return wrong(p, "line is too long");
	return p->has_status ? parse_block(p, w) : parse_status_line(p, w);
}

static bool parse_lines(struct parser *p, const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		struct words line = { text, newline ? newline : end };

		if (!parse_line(p, line))
			return false;
		text = newline ? newline + 1 : end;
	}
	if (!p->has_status)
		return wrong(p, "the status line is missing");
	return p->has_block || wrong(p, "no block follows the status line");
}

bool mapfile_parse(const char *text, size_t len, struct mapfile *m, struct mapfile_error *error)
{
	struct parser p = { .error = error };

	if (parse_lines(&p, text, len)) {
		*m = p.m;
		return true;
	}
	mapfile_destroy(&p.m);
	return false;
}

/* --- loading --- */

static bool failed(struct mapfile_error *error, int err, const char *what)
{
	*error = (struct mapfile_error){ .err = err, .what = what };
	return false;
}

/* O_NONBLOCK: a pipe without a writer is not waited for. */
static int open_regular(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), err;

	if (fd < 0)
		return -1;
	err = fstat(fd, st) < 0 ? errno : S_ISREG(st->st_mode) ? 0 : ENOTSUP;
	if (err == 0)
		return fd;
	(void)close(fd);
	errno = err;
	return -1;
}

/* -1 with errno, or how many bytes there were, of at most room. */
static ssize_t read_up_to(int fd, char *text, size_t room)
{
	size_t len = 0;

	while (len < room) {
		ssize_t nread = read(fd, text + len, room - len);

		if (nread < 0 && errno == EINTR)
			continue;
		if (nread < 0)
			return -1;
		if (nread == 0)
			break;
		len += (size_t)nread;
	}
	return (ssize_t)len;
}

static bool load_open(int fd, size_t size, struct mapfile *m, struct mapfile_error *error)
{
	char *text = malloc(size + 1); /* one more, to see that it does not grow */
	ssize_t nread;
	bool loaded;

	if (!text)
		return failed(error, ENOMEM, "no memory for the map");
	nread = read_up_to(fd, text, size + 1);
	if (nread < 0)
		loaded = failed(error, errno, "cannot read the map");
	else if ((size_t)nread != size)
		loaded = failed(error, EAGAIN, "the map changes while it is read");
	else
		loaded = mapfile_parse(text, size, m, error);
	free(text);
	return loaded;
}

bool mapfile_load(const char *path, struct mapfile *m, struct mapfile_error *error)
{
	struct stat st;
	int fd = open_regular(path, &st);
	bool loaded;

	if (fd < 0)
		return failed(error, errno, "cannot open the map");
	loaded = load_open(fd, (size_t)st.st_size, m, error);
	(void)close(fd); /* was only read */
	return loaded;
}

/* --- printing --- */

static void print_heading(const char *const *heading, struct textout *t)
{
	for (; heading && *heading; heading++) {
		textout_printf(t, "# ");
		for (const char *c = *heading; *c != '\0'; c++)
			textout_printf(t, "%c", *c >= ' ' && *c < 0x7f ? *c : '?');
		textout_printf(t, "\n");
	}
}

static void print_fact(const struct mapfile_facts *f, const struct fact *fact, struct textout *t)
{
	const char *field = (const char *)f + fact->offset;

	textout_printf(t, "# %s %s=", fact_mark, fact->name);
	if (fact->is_text) {
		textout_escaped(t, field);
	} else {
		uint64_t n;

		memcpy(&n, field, sizeof(n));
		textout_printf(t, "%" PRIu64, n);
	}
	textout_printf(t, "\n");
}

/* Ranges that look the same in a file are one line. */
static void print_blocks(const struct ranges *r, struct textout *t)
{
	struct range x;

	for (uint64_t at = 0, end; ranges_get(r, at, &x); at = end) {
		char c = status_chars[x.status];

		end = x.at_bytes + x.len_bytes;
		while (ranges_get(r, end, &x) && status_chars[x.status] == c)
			end = x.at_bytes + x.len_bytes;
		textout_printf(t, "0x%08" PRIX64 "  0x%08" PRIX64 "  %c\n", at, end - at, c);
	}
}

void mapfile_print(const struct mapfile *m, const char *const *heading, struct textout *t)
{
	print_heading(heading, t);
	for (unsigned i = 0; i < MAPFILE_FACTS; i++)
		if (m->facts.known & (1u << i))
			print_fact(&m->facts, &facts[i], t);
	textout_printf(t, "# current_pos  current_status  current_pass\n");
	textout_printf(
		t, "0x%08" PRIX64 "     %c               %u\n", m->pos_bytes, m->phase, m->pass);
	textout_printf(t, "#      pos        size  status\n");
	print_blocks(&m->ranges, t);
}

struct map_and_heading {
	const struct mapfile *m;
	const char *const *heading;
};

static void print_both(struct textout *t, const void *arg)
{
	const struct map_and_heading *both = arg;

	mapfile_print(both->m, both->heading, t);
}

/* What is saved must not be refused when it is loaded. */
static bool can_be_read(const struct mapfile *m)
{
	uint64_t total = ranges_total(&m->ranges);

	return total > 0 && total <= MAPFILE_SIZE_MAX && m->pos_bytes <= MAPFILE_SIZE_MAX &&
	       m->phase != '\0' && strchr(phases, m->phase) && m->pass >= 1 && m->pass <= INT_MAX;
}

int mapfile_save(const char *path, const struct mapfile *m, const char *const *heading,
	enum replace_step *step)
{
	const struct map_and_heading both = { m, heading };

	if (!can_be_read(m)) {
		*step = REPLACE_WRITE;
		return EINVAL;
	}
	return replace_file(path, true, print_both, &both, step);
}
