/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a map is of this run is decided fact by fact, as texts, which are also what is said. How
 * a file is replaced, and what its text means, is core/mapfile.h's; that flock() goes with the
 * open file, and a lock file may be removed while it is held, is what the lock relies on.
 */
#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/badblocks.h"
#include "core/diag.h"
#include "core/status.h"
#include "core/units.h"
#include "options.h"

#define LOCK_SUFFIX ".sgmmcp-lock"

/* False: too long to be the name of a file. */
static bool path_with(const char *path, const char *suffix, char out[PATH_MAX])
{
	int len = snprintf(out, PATH_MAX, "%s%s", path, suffix);

	return len >= 0 && len < PATH_MAX;
}

/* --- reading --- */

static void look(const char *path, struct keep_seen *seen)
{
	struct stat st;

	*seen = (struct keep_seen){ .is_there = lstat(path, &st) == 0 };
	if (!seen->is_there)
		return;
	seen->dev = st.st_dev;
	seen->ino = st.st_ino;
	seen->size = st.st_size;
	seen->changed = st.st_mtim;
}

static bool is_as_seen(const struct keep *k)
{
	const struct keep_seen *was = &k->seen;
	struct keep_seen is;

	look(k->path, &is);
	return is.is_there == was->is_there && is.dev == was->dev && is.ino == was->ino &&
	       is.size == was->size && is.changed.tv_sec == was->changed.tv_sec &&
	       is.changed.tv_nsec == was->changed.tv_nsec;
}

static bool is_whole(const char *path)
{
	struct mapfile_error error;
	struct mapfile m;

	if (!mapfile_load(path, &m, &error))
		return false;
	mapfile_destroy(&m);
	return true;
}

static void say_damaged(const char *path, const struct mapfile_error *error)
{
	char line[32] = "", bak[PATH_MAX];

	if (error->line > 0)
		(void)snprintf(line, sizeof(line), "line %lu: ", error->line);
	if (path_with(path, REPLACE_BAK_SUFFIX, bak) && is_whole(bak))
		diag(path, "%s%s (%s is whole: copy it over %s to go on from there)", line,
			error->what, bak, path);
	else
		diag(path, "%s%s", line, error->what);
}

static int refuse_file(const char *path, const struct mapfile_error *error)
{
	switch (error->err) {
	case EINVAL: say_damaged(path, error); break;
	case ENOTSUP: diag(path, "%s: is no regular file", error->what); break;
	case ELOOP: diag(path, "%s: is a symbolic link (name the file itself)", error->what); break;
	default: diag_errno(path, error->err, "%s", error->what);
	}
	return error->err == ENOMEM ? exit_status_from_errno(ENOMEM) : EXIT_FILE;
}

int keep_read(struct keep *k, const char *path)
{
	struct mapfile_error error;

	*k = (struct keep){ .path = path };
	look(path, &k->seen);
	k->exists = mapfile_load(path, &k->map, &error);
	k->is_saved = k->exists;
	return k->exists || error.err == ENOENT ? 0 : refuse_file(path, &error);
}

void keep_set_command(struct keep *k, int argc, const char *const *argv)
{
	static const char cut[] = "...";
	const size_t room = sizeof(k->command) - sizeof(cut);
	size_t len = (size_t)snprintf(k->command, room, "Command line:");

	for (int i = 0; i < argc && len < room; i++)
		len += (size_t)snprintf(k->command + len, room - len, " %s", argv[i]);
	if (len >= room)
		memcpy(k->command + room - 1, cut, sizeof(cut));
}

bool keep_has_progress(const struct keep *k)
{
	const struct ranges *r = &k->map.ranges;

	return ranges_bytes(r, RANGE_UNTRIED) != ranges_total(r);
}

/* --- is it the map of this run? --- */

static void take_text(struct mapfile_facts *f, enum mapfile_fact fact, const char *text,
	char field[MAPFILE_TEXT_ROOM])
{
	(void)snprintf(field, MAPFILE_TEXT_ROOM, "%s", text);
	f->known |= (text[0] != '\0') * 1u << fact;
}

static struct mapfile_facts facts_of(const struct keep_about *about)
{
	struct mapfile_facts f = {
		.known = 1u << MAPFILE_SKIP | 1u << MAPFILE_SEEK,
		.block_bytes = about->block_bytes,
		.size_bytes = about->in_size_bytes,
		.skip_bytes = about->in_bytes,
		.seek_bytes = about->out_bytes,
		.seed = about->seed,
	};

	take_text(&f, MAPFILE_SERIAL, about->in_unit.serial, f.serial);
	take_text(&f, MAPFILE_UNIT_ID, about->in_unit.unit_id, f.unit_id);
	take_text(&f, MAPFILE_OUT_SERIAL, about->out_unit.serial, f.out_serial);
	take_text(&f, MAPFILE_OUT_UNIT_ID, about->out_unit.unit_id, f.out_unit_id);
	take_text(&f, MAPFILE_PATTERN, about->pattern, f.pattern);
	f.known |= (about->block_bytes != 0) * 1u << MAPFILE_BLOCK;
	f.known |= (about->in_size_bytes != SIZE_UNKNOWN) * 1u << MAPFILE_SIZE;
	f.known |= about->has_seed * 1u << MAPFILE_SEED;
	return f;
}

/* "": not told. */
static const char *fact_text(
	const struct mapfile_facts *f, enum mapfile_fact fact, char number[UNITS_TEXT_ROOM])
{
	uint64_t n = 0;

	if (!(f->known & 1u << fact))
		return "";
	switch (fact) {
	case MAPFILE_SERIAL: return f->serial;
	case MAPFILE_UNIT_ID: return f->unit_id;
	case MAPFILE_OUT_SERIAL: return f->out_serial;
	case MAPFILE_OUT_UNIT_ID: return f->out_unit_id;
	case MAPFILE_PATTERN: return f->pattern;
	case MAPFILE_BLOCK: n = f->block_bytes; break;
	case MAPFILE_SIZE: n = f->size_bytes; break;
	case MAPFILE_SKIP: n = f->skip_bytes; break;
	case MAPFILE_SEEK: n = f->seek_bytes; break;
	case MAPFILE_SEED: n = f->seed; break;
	case MAPFILE_FACTS: return "";
	}
	(void)snprintf(number, UNITS_TEXT_ROOM, "%llu", (unsigned long long)n);
	return number;
}

struct whose {
	const char *map_of, *name, *remedy;
};

/* The end that a fact is of, and what is to be done where it is another one. */
static struct whose whose_fact(enum mapfile_fact fact, const struct keep_about *about)
{
	static const char another[] = "give another map=";

	switch (fact) {
	case MAPFILE_OUT_SERIAL:
	case MAPFILE_OUT_UNIT_ID:
		return (struct whose){ "a copy to another destination", about->out_name,
			"give that one as of=, or another map=" };
	case MAPFILE_SEEK: return (struct whose){ "another run", about->out_name, another };
	default: return (struct whose){ "another run", about->in_name, another };
	}
}

static int check_fact(const struct keep *k, const struct mapfile_facts *run, enum mapfile_fact fact,
	const struct keep_about *about)
{
	const struct whose whose = whose_fact(fact, about);
	char there_number[UNITS_TEXT_ROOM], here_number[UNITS_TEXT_ROOM];
	const char *there = fact_text(&k->map.facts, fact, there_number);
	const char *here = fact_text(run, fact, here_number);

	if (!there[0] || strcmp(there, here) == 0)
		return 0;
	diag(k->path, "is the map of %s: %s=%s there, %s of %s (%s)", whose.map_of,
		mapfile_fact_name(fact), there, here[0] ? here : "none", whose.name, whose.remedy);
	return EXIT_CONTRADICT;
}

static int check_facts(
	const struct keep *k, const struct mapfile_facts *run, const struct keep_about *about)
{
	int exit_status = 0;

	for (unsigned fact = 0; fact < MAPFILE_FACTS && !exit_status; fact++)
		exit_status = check_fact(k, run, (enum mapfile_fact)fact, about);
	return exit_status;
}

/* The span as positions in the source, and what the map has to cover. */
static int find_span(struct keep *k, const struct keep_about *about, uint64_t *total_bytes)
{
	uint64_t total;

	k->from_bytes = about->in_bytes;
	if (!checked_add(about->in_bytes, about->len_bytes, &k->to_bytes))
		k->to_bytes = UINT64_MAX;
	total = k->to_bytes;
	if (about->in_size_bytes != SIZE_UNKNOWN)
		total = max_u64(total, about->in_size_bytes);
	*total_bytes = total;
	if (total <= MAPFILE_SIZE_MAX)
		return 0;
	diag(k->path,
		"%s goes on past byte 2^63-1, where maps end (leave map= out, or give count=)",
		about->in_name);
	return EXIT_CONTRADICT;
}

/* What the file covered, before it is made longer. */
static int check_domain(const struct keep *k, const struct keep_about *about)
{
	uint64_t begin = k->map.begin_bytes, total = ranges_total(&k->map.ranges);

	if (!k->exists)
		return 0;
	if (total > about->in_size_bytes) { /* SIZE_UNKNOWN is the largest of all */
		diag(k->path, "is the map of %llu bytes, but %s has only %llu (give another map=)",
			(unsigned long long)total, about->in_name,
			(unsigned long long)about->in_size_bytes);
		return EXIT_CONTRADICT;
	}
	if (about->len_bytes == 0 || (begin < k->to_bytes && total > k->from_bytes))
		return 0;
	diag(k->path,
		"is the map of bytes %llu to %llu, but %llu to %llu of %s are asked for "
		"(give another map=)",
		(unsigned long long)begin, (unsigned long long)total,
		(unsigned long long)k->from_bytes, (unsigned long long)k->to_bytes, about->in_name);
	return EXIT_CONTRADICT;
}

static int check_out_size(const struct keep *k, const struct keep_about *about)
{
	struct range done;
	uint64_t end;

	if (about->out_size_bytes == SIZE_UNKNOWN ||
		!ranges_last(
			&k->map.ranges, RANGE_IS(RANGE_DONE), about->in_bytes, UINT64_MAX, &done))
		return 0;
	if (!checked_add(done.at_bytes + done.len_bytes - about->in_bytes, about->out_bytes, &end))
		end = UINT64_MAX;
	if (end <= about->out_size_bytes)
		return 0;
	diag(k->path,
		"says that %s was written up to byte %llu, but it has only %llu: it is not the "
		"destination of this map",
		about->out_name, (unsigned long long)end,
		(unsigned long long)about->out_size_bytes);
	return EXIT_CONTRADICT;
}

static int cover(struct keep *k, uint64_t total_bytes)
{
	struct mapfile *m = &k->map;
	uint64_t had = ranges_total(&m->ranges);

	if (k->exists && had >= total_bytes)
		return 0;
	m->phase = '?';
	m->pass = 1;
	if (ranges_append(&m->ranges, total_bytes - had, RANGE_UNTRIED))
		return 0;
	diag_errno(k->path, ENOMEM, "no map");
	return exit_status_from_errno(ENOMEM);
}

int keep_check(struct keep *k, const struct keep_about *about)
{
	const struct mapfile_facts run = facts_of(about);
	uint64_t total_bytes;
	int exit_status = find_span(k, about, &total_bytes);

	if (!exit_status)
		exit_status = check_facts(k, &run, about);
	if (!exit_status)
		exit_status = check_domain(k, about);
	if (!exit_status)
		exit_status = check_out_size(k, about);
	if (!exit_status)
		exit_status = cover(k, total_bytes);
	if (!exit_status)
		k->map.facts = run;
	return exit_status;
}

/* --- what there is --- */

struct tally {
	uint64_t bytes[RANGE_STATUSES], count[RANGE_STATUSES];
};

static struct tally tally_span(const struct ranges *r, const struct keep_about *about)
{
	uint64_t to = about->in_bytes + about->len_bytes;
	struct tally t = { 0 };
	struct range x;

	for (uint64_t at = about->in_bytes; ranges_first(r, RANGE_IS_ANY, at, to, &x);
		at = x.at_bytes + x.len_bytes) {
		t.bytes[x.status] += x.len_bytes;
		t.count[x.status]++;
	}
	return t;
}

#define SAY_ROOM 256

static void say_more(
	char text[SAY_ROOM], const struct tally *t, enum range_status status, const char *word)
{
	char bytes[UNITS_TEXT_ROOM];
	size_t len = strlen(text);

	if (t->count[status] == 0)
		return;
	(void)snprintf(text + len, SAY_ROOM - len, ", %llu %s range%s (%s)",
		(unsigned long long)t->count[status], word, t->count[status] == 1 ? "" : "s",
		units_bytes_text(t->bytes[status], bytes));
}

void keep_say(const struct keep *k, const struct keep_about *about)
{
	const struct tally t = tally_span(&k->map.ranges, about);
	char done[UNITS_TEXT_ROOM], all[UNITS_TEXT_ROOM], untried[UNITS_TEXT_ROOM];
	char text[SAY_ROOM] = "";

	if (!keep_has_progress(k))
		return;
	if (t.bytes[RANGE_UNTRIED] > 0)
		(void)snprintf(text, sizeof(text), ", %s untried",
			units_bytes_text(t.bytes[RANGE_UNTRIED], untried));
	say_more(text, &t, RANGE_FAILED, "failed");
	say_more(text, &t, RANGE_NONSCRAPED, "unscraped");
	say_more(text, &t, RANGE_BAD, "bad");
	diag(k->path, "going on: %s of %s done%s", units_bytes_text(t.bytes[RANGE_DONE], done),
		units_bytes_text(about->len_bytes, all), text);
}

/* --- the lock --- */

#define REMOVED_MEANWHILE (-1)
#define LOCK_TRIES	  1000 /* more runs do not end between two calls: inodes change their numbers */

static bool is_file_of(int fd, const char *path)
{
	struct stat open_st, named_st;

	return fstat(fd, &open_st) == 0 && lstat(path, &named_st) == 0 &&
	       open_st.st_dev == named_st.st_dev && open_st.st_ino == named_st.st_ino;
}

/* 0, an errno value, or REMOVED_MEANWHILE: by a run that ended between the two calls. */
static int try_lock(const char *path, int *lock_fd)
{
	int fd =
		open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return errno;
	err = flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
	if (err == 0 && !is_file_of(fd, path))
		err = REMOVED_MEANWHILE;
	if (err != 0)
		(void)close(fd); /* nothing was written */
	else
		*lock_fd = fd;
	return err;
}

static int take_lock(struct keep *k)
{
	char path[PATH_MAX] = "";
	int err = path_with(k->path, LOCK_SUFFIX, path) ? EINTR : ENAMETOOLONG;
	unsigned tries = 0;

	while (err == EINTR || (err == REMOVED_MEANWHILE && tries++ < LOCK_TRIES))
		err = try_lock(path, &k->lock_fd);
	if (err == REMOVED_MEANWHILE)
		err = ESTALE;
	k->is_locked = err == 0;
	if (err == 0)
		return 0;
	if (err == EWOULDBLOCK) {
		diag(k->path, "another run is using this map");
		return EXIT_FLOCK;
	}
	diag_errno(k->path, err, "cannot save the map: cannot lock it by %s", path);
	return EXIT_FILE;
}

/* Removed while it is held: whoever has opened it meanwhile sees that it has lost its name. */
static void drop_lock(struct keep *k)
{
	char path[PATH_MAX];

	if (!k->is_locked)
		return;
	if (path_with(k->path, LOCK_SUFFIX, path) && is_file_of(k->lock_fd, path))
		(void)unlink(path);
	(void)close(k->lock_fd);
	k->is_locked = false;
}

/* --- saving --- */

static int status_of_failure(int err, enum replace_step step)
{
	return step <= REPLACE_CREATE ? EXIT_FILE : exit_status_from_errno(err);
}

static void say_failure(const struct keep *k, int err, enum replace_step step)
{
	if (step == REPLACE_FLUSH_FOLDER)
		diag(k->path, "%s: %s: the map is saved, but a crash may bring back the one before",
			replace_step_text(step), strerror(err));
	else
		diag(k->path, "cannot save the map: %s: %s%s", replace_step_text(step),
			strerror(err), k->is_saved ? ": the one before still stands" : "");
}

static void note_outcome(struct keep *k, int err, enum replace_step step)
{
	if (err == 0 && k->err != 0)
		diag(k->path, "the map is saved again");
	if (err != 0 && (err != k->err || step != k->step))
		say_failure(k, err, step);
	if (err == 0 || step == REPLACE_FLUSH_FOLDER)
		k->is_saved = true;
	k->err = err;
	k->step = step;
	k->status = err == 0 ? 0 : status_of_failure(err, step);
}

/* The first byte of the span that is untried, or will be so in the file. */
static uint64_t position(const struct keep *k, const struct ranges *now)
{
	const unsigned untried = RANGE_IS(RANGE_UNTRIED) | RANGE_IS(RANGE_WRITTEN);
	struct range x;

	if (ranges_first(now, untried, k->from_bytes, k->to_bytes, &x))
		return x.at_bytes;
	return k->to_bytes;
}

bool keep_save(struct keep *k, const struct ranges *now, char phase)
{
	const char *const heading[] = { "Mapfile. Created by sgmmcp " SGMMCP_VERSION,
		k->command[0] ? k->command : NULL, NULL };
	enum replace_step step = REPLACE_FOLDER;
	struct mapfile m = k->map;
	int err;

	if (ranges_total(now) == 0)
		return true;
	m.ranges = *now; /* borrowed */
	m.pos_bytes = position(k, now);
	m.pass = phase == m.phase ? m.pass : 1;
	m.phase = phase;
	err = mapfile_save(k->path, &m, heading, &step);
	note_outcome(k, err, step);
	return err == 0;
}

int keep_try_save(struct keep *k)
{
	int exit_status = take_lock(k);

	if (exit_status)
		return exit_status;
	if (!is_as_seen(k)) {
		diag(k->path,
			"has changed since it was read: another run has used it (start again)");
		return EXIT_FLOCK;
	}
	(void)keep_save(k, &k->map.ranges, k->map.phase);
	return k->status;
}

int keep_status(const struct keep *k)
{
	return k->status;
}

/* --- the files of others --- */

/* The folder that path lies in, and its last component. False: it cannot be looked at. */
static bool place_of(const char *path, struct stat *folder, const char **name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";

	if (slash && (size_t)(slash - path) + 2 > sizeof(dir))
		return false;
	if (slash)
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	*name = slash ? slash + 1 : path;
	return stat(dir, folder) == 0;
}

static bool is_one(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool keep_same_file(const char *a, const char *b)
{
	const char *name_a, *name_b;
	struct stat st_a, st_b;

	if (stat(a, &st_a) == 0 && stat(b, &st_b) == 0)
		return is_one(&st_a, &st_b);
	return place_of(a, &st_a, &name_a) && place_of(b, &st_b, &name_b) && is_one(&st_a, &st_b) &&
	       strcmp(name_a, name_b) == 0;
}

bool keep_writes_to(const struct keep *k, const char *path)
{
	static const char *const suffixes[] = { "", REPLACE_NEW_SUFFIX, REPLACE_BAK_SUFFIX,
		REPLACE_BAK_NEW_SUFFIX, LOCK_SUFFIX };
	char own[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (path_with(k->path, suffixes[i], own) && keep_same_file(own, path))
			return true;
	return false;
}

bool keep_list_writes_to(const char *list, const char *path)
{
	char new_list[PATH_MAX];

	return keep_same_file(list, path) ||
	       (path_with(list, REPLACE_NEW_SUFFIX, new_list) && keep_same_file(new_list, path));
}

bool keep_list_writes_to_map(const char *list, const struct keep *k)
{
	char new_list[PATH_MAX];

	return keep_writes_to(k, list) ||
	       (path_with(list, REPLACE_NEW_SUFFIX, new_list) && keep_writes_to(k, new_list));
}

/* --- bad blocks --- */

/* What is outside counts as untried. */
static bool copy_part(
	struct ranges *to, const struct ranges *r, uint64_t from_bytes, uint64_t to_bytes)
{
	uint64_t total = ranges_total(r), from = min_u64(from_bytes, total),
		 end = min_u64(to_bytes, total);

	return ranges_copy(to, r) && ranges_set(to, 0, from, RANGE_UNTRIED) &&
	       ranges_set(to, end, total - end, RANGE_UNTRIED);
}

static int refuse_list(const char *path, int err, enum replace_step step)
{
	static const char what[] = "cannot save the list of bad blocks";

	if (step == REPLACE_LOOK && err == ENOTSUP)
		diag(path, "%s: is no regular file", what);
	else if (step == REPLACE_LOOK && err == ELOOP)
		diag(path, "%s: is a symbolic link (name the file itself)", what);
	else
		diag_errno(path, err, "%s: %s", what, replace_step_text(step));
	return status_of_failure(err, step);
}

static int check_list(const char *path, bool tries)
{
	enum replace_step step = REPLACE_FOLDER;
	int err = replace_check(path, tries, &step);

	return err ? refuse_list(path, err, step) : 0;
}

int keep_check_list(const char *path)
{
	return check_list(path, false);
}

int keep_try_list(const char *path)
{
	return check_list(path, true);
}

int keep_badblocks(const char *path, const struct ranges *r, uint64_t from_bytes, uint64_t to_bytes,
	uint32_t block_bytes)
{
	enum replace_step step = REPLACE_WRITE;
	struct ranges part = { 0 };
	int err = ENOMEM;

	if (copy_part(&part, r, from_bytes, to_bytes))
		err = badblocks_save(
			path, &part, RANGE_IS(RANGE_BAD), block_bytes ? block_bytes : 512, &step);
	ranges_destroy(&part);
	return err ? refuse_list(path, err, step) : 0;
}

void keep_close(struct keep *k)
{
	drop_lock(k);
	mapfile_destroy(&k->map);
}
