/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How fast one CPU makes and checks generated data, hashes, and looks for zeros, in a buffer that
 * stays in the second-level cache and in one that does not. Prints GB/s (10^9 bytes), a line for
 * each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/clock.h"
#include "../../core/hash.h"
#include "../../core/pattern.h"
#include "../../core/zeros.h"

struct work {
	const char *name;
	const struct pattern *pattern; /* or */
	struct hash *hash;
	uint8_t *buf;
	size_t len;
};

/* Must not be optimized away, nor fail. */
static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "memory: %s failed\n", what);
	exit(1);
}

static void fill(const struct work *w)
{
	pattern_fill(w->pattern, 0, w->buf, w->len);
}

static void check(const struct work *w)
{
	must(pattern_check(w->pattern, 0, w->buf, w->len) == w->len, w->name);
}

static void hash(const struct work *w)
{
	must(hash_update(w->hash, w->buf, w->len), w->name);
}

static void find_zeros(const struct work *w)
{
	must(zeros_all(w->buf, w->len), w->name);
}

/* What libc's comparison of the buffer with itself, moved by a byte, makes of the same. */
static void compare_zeros(const struct work *w)
{
	must(memcmp(w->buf, w->buf + 1, w->len - 1) == 0, w->name);
}

/* A buffer of data, in the pieces of a file's holes. */
static void find_none(const struct work *w)
{
	bool is_zero;

	must(zeros_run(w->buf, (uint32_t)w->len, 4096, &is_zero) == w->len && !is_zero, w->name);
}

/* GB/s over about a second. */
static double rate(void (*run)(const struct work *), const struct work *w)
{
	nsec_t begin, now;
	size_t bytes = 0;

	run(w);
	begin = clock_now_ns();
	do {
		run(w);
		bytes += w->len;
		now = clock_now_ns();
	} while (now - begin < NSEC_PER_SEC);
	return (double)bytes / (double)(now - begin);
}

static void measure_pattern(const char *name, const struct pattern *p, uint8_t *buf, size_t len)
{
	struct work w = { .name = name, .pattern = p, .buf = buf, .len = len };
	double fill_rate = rate(fill, &w);

	printf("%3zu MiB  %-14s fill %6.2f  check %6.2f GB/s\n", len >> 20, name, fill_rate,
		rate(check, &w));
}

static void measure_hash(const char *name, uint8_t *buf, size_t len)
{
	struct work w = { .name = name, .hash = hash_new(name), .buf = buf, .len = len };

	must(w.hash, name);
	printf("%3zu MiB  %-14s hash %6.2f GB/s\n", len >> 20, name, rate(hash, &w));
	hash_free(w.hash);
}

static void measure_zeros(uint8_t *buf, size_t len)
{
	struct work w = { .name = "zeros", .buf = buf, .len = len };
	double all, memcmp_all;

	memset(buf, 0, len);
	all = rate(find_zeros, &w);
	memcmp_all = rate(compare_zeros, &w);
	memset(buf, 0x5a, len);
	printf("%3zu MiB  %-14s find %6.2f  memcmp() %6.2f  in data %6.2f GB/s\n", len >> 20,
		w.name, all, memcmp_all, rate(find_none, &w));
}

static void measure_all(uint8_t *buf, size_t len)
{
	static const struct {
		const char *name;
		struct pattern p;
	} patterns[] = {
		{ "bytes (1)", { .kind = PATTERN_BYTES, .bytes = { 0x5a }, .bytes_len = 1 } },
		{ "bytes (7)", { .kind = PATTERN_BYTES, .bytes = { 1, 2, 3 }, .bytes_len = 7 } },
		{ "random", { .kind = PATTERN_RANDOM, .seed = 1 } },
		{ "stamp (512)", { .kind = PATTERN_STAMP, .seed = 1, .block_bytes = 512 } },
		{ "stamp (520)", { .kind = PATTERN_STAMP, .seed = 1, .block_bytes = 520 } },
		{ "stamp (4096)", { .kind = PATTERN_STAMP, .seed = 1, .block_bytes = 4096 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		measure_pattern(patterns[i].name, &patterns[i].p, buf, len);
	for (unsigned i = 0; hash_name(i); i++)
		measure_hash(hash_name(i), buf, len);
	measure_zeros(buf, len);
}

int main(void)
{
	static const size_t sizes[] = { 1 << 20, 64 << 20 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t *buf = aligned_alloc(4096, sizes[i]);

		must(buf, "memory");
		measure_all(buf, sizes[i]);
		free(buf);
	}
	return 0;
}
