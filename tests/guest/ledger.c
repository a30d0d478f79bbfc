// SPDX-License-Identifier: BSD-2-Clause
//
// What a run with a map did: holds the map after it against the data, and both the map after it and
// the commands that scsi_debug logged (opts=1) since the last call against the map before it.
//
//     ledger MAP BEFORE SOURCE COPY SOURCE_UNIT COPY_UNIT
//
// MAP and BEFORE may be missing: nothing is done then. SOURCE is a file; COPY a file, also a
// shorter one, or a block node. The units are H:C:T:L, - for none. Prints a line of NAME=NUMBER for
// each figure, in blocks of 512 bytes. Without arguments it forgets what was logged. Exit status:
// 0, 1 when a map is damaged, 2 when something else cannot be read. The log is read by one call and
// cleared, so it is nobody else's.

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 512, LOG_ROOM = 2 << 20, LINE_ROOM = 512 };
enum { KLOG_READ_CLEAR = 4, KLOG_SIZE = 10 };
enum { READ_10 = 0x28, WRITE_10 = 0x2a };

static void die(int status, const char *what, const char *why)
{
	fprintf(stderr, "ledger: %s: %s\n", what, why);
	exit(status);
}

static void *get(size_t len)
{
	void *p = NULL;

	if (posix_memalign(&p, 4096, len + 4096) != 0)
		die(2, "memory", "none");
	memset(p, 0, len);
	return p;
}

// The first len bytes of it; past its end there are zeros. A block node is read past the page
// cache.
static unsigned char *content(const char *path, size_t len)
{
	struct stat st;
	unsigned char *data = get(len);
	bool is_disk = stat(path, &st) == 0 && S_ISBLK(st.st_mode);
	int fd = open(path, O_RDONLY | O_CLOEXEC | (is_disk ? O_DIRECT : 0));
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0 && errno == ENOENT)
		return data;
	while (fd >= 0 && have < len && n > 0) {
		n = read(fd, data + have, len - have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0)
		die(2, path, strerror(errno));
	close(fd);
	return data;
}

// --- maps ---

// A character for each block: its status.
static char *statuses(const char *path, size_t blocks)
{
	char *of = get(blocks + 1), line[LINE_ROOM], status;
	unsigned long long at, len;
	bool has_position = false, has_range = false;
	FILE *f = fopen(path, "re");

	memset(of, '?', blocks);
	while (f && fgets(line, sizeof(line), f)) {
		if (line[0] == '#')
			continue;
		if (!has_position) {
			has_position = true;
			continue;
		}
		if (sscanf(line, "%llx %llx %c", &at, &len, &status) != 3 ||
			!strchr("?*/-+", status) || at % BLOCK || len % BLOCK ||
			at / BLOCK > blocks || len / BLOCK > blocks - at / BLOCK)
			die(1, path, line);
		memset(of + at / BLOCK, status, len / BLOCK);
		has_range = true;
	}
	if (f && !has_range)
		die(1, path, "is cut short");
	if (f)
		fclose(f);
	return of;
}

// --- the log ---

static void note(char *times, size_t blocks, const unsigned cdb[10])
{
	size_t lba = (size_t)cdb[2] << 24 | cdb[3] << 16 | cdb[4] << 8 | cdb[5];
	size_t len = cdb[7] << 8 | cdb[8];

	for (size_t i = lba; i < lba + len && i < blocks; i++)
		times[i] = (char)(times[i] < 100 ? times[i] + 1 : 100);
}

// How often each block was in a transfer of a command with that code to the unit.
static char *transfers(const char *log, size_t blocks, const char *unit, unsigned code)
{
	char *times = get(blocks);
	char prefix[LINE_ROOM];
	int prefix_len = snprintf(prefix, sizeof(prefix), " %s: scsi_debug: ", unit);

	for (const char *at = strstr(log, prefix); at; at = strstr(at, prefix)) {
		const char *cmd = strstr(at, "cmd "), *end = strchr(at, '\n');
		unsigned c[10];

		at += prefix_len;
		if (cmd && end && cmd < end &&
			sscanf(cmd + 4, "%x %x %x %x %x %x %x %x %x %x", &c[0], &c[1], &c[2], &c[3],
				&c[4], &c[5], &c[6], &c[7], &c[8], &c[9]) == 10 &&
			c[0] == code)
			note(times, blocks, c);
	}
	return times;
}

static void look_for_warnings(const char *log)
{
	static const char *const words[] = { "WARNING: ", "BUG: ", "Oops",
		"Call Trace:", "general protection fault", "blocked for more than" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *at = strstr(log, words[i]);

		if (at)
			die(2, "kernel log", strndup(at, strcspn(at, "\n")));
	}
}

// Nearly full is as good as overrun: what was logged first may be gone.
static char *take_log(void)
{
	char *log = get(LOG_ROOM);
	int len = klogctl(KLOG_READ_CLEAR, log, LOG_ROOM - 1);
	int room = klogctl(KLOG_SIZE, NULL, 0);

	if (len < 0)
		die(2, "kernel log", strerror(errno));
	if (len > room / 3)
		die(2, "kernel log", "is nearly full");
	look_for_warnings(log);
	return log;
}

// --- figures ---

struct figures {
	unsigned long done, done_before, ranges, wrong, lost, bad, left;
	unsigned long read, again, twice, rewritten;
};

static void print(const struct figures *f)
{
	printf("done=%lu\ndone_before=%lu\nranges=%lu\nwrong=%lu\nlost=%lu\nbad=%lu\nleft=%lu\n",
		f->done, f->done_before, f->ranges, f->wrong, f->lost, f->bad, f->left);
	printf("read=%lu\nagain=%lu\ntwice=%lu\nrewritten=%lu\n", f->read, f->again, f->twice,
		f->rewritten);
}

struct block {
	char before, now, was_done; // statuses of it, and of the block in front of it
	int reads, writes;
	bool differs;
};

static void count(struct figures *f, const struct block *b)
{
	bool done = b->now == '+', before = b->before == '+';

	f->done += done;
	f->done_before += before;
	f->ranges += done && b->was_done != '+';
	f->wrong += done && b->differs;
	f->lost += before && !done;
	f->bad += b->now == '-';
	f->left += !done && b->now != '-';
	f->read += (unsigned long)b->reads;
	f->again += before && b->reads > 0;
	f->twice += b->reads > 1;
	f->rewritten += before && b->writes > 0;
}

int main(int argc, char **argv)
{
	struct figures f = { 0 };
	struct stat st;

	if (argc == 1) {
		(void)take_log();
		return 0;
	}
	if (argc != 7 || stat(argv[3], &st) != 0)
		die(2, "usage", "ledger MAP BEFORE SOURCE COPY SOURCE_UNIT COPY_UNIT");

	size_t blocks = (size_t)st.st_size / BLOCK;
	const char *log = take_log();
	const char *now = statuses(argv[1], blocks), *before = statuses(argv[2], blocks);
	const unsigned char *source = content(argv[3], blocks * BLOCK);
	const unsigned char *copy = content(argv[4], blocks * BLOCK);
	const char *reads = transfers(log, blocks, argv[5], READ_10);
	const char *writes = transfers(log, blocks, argv[6], WRITE_10);

	for (size_t i = 0; i < blocks; i++)
		count(&f,
			&(struct block){
				.before = before[i],
				.now = now[i],
				.was_done = i > 0 ? now[i - 1] : '?',
				.reads = reads[i],
				.writes = writes[i],
				.differs = memcmp(source + i * BLOCK, copy + i * BLOCK, BLOCK) != 0,
			});
	print(&f);
	return 0;
}
