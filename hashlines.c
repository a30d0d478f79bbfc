/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether standard output is the destination is asked of the kernel: it has many names. */
#include "hashlines.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stdout(const char *path)
{
	struct stat out, named;

	if (!path || strcmp(path, "-") == 0)
		return true;
	return fstat(STDOUT_FILENO, &out) != 0 ||
	       (stat(path, &named) == 0 && named.st_dev == out.st_dev &&
		       named.st_ino == out.st_ino);
}

/* What would break the line is written as sha256sum does, which then begins it with a backslash. */
static void set_name(struct hashlines *h, const char *name)
{
	static const char special[] = "\\\n\r", shown[] = "\\nr";
	char *to = h->name, *end = h->name + sizeof(h->name) - 2;

	for (; *name && to < end; name++) {
		const char *found = strchr(special, *name);

		if (found) {
			*to++ = '\\';
			h->escaped = true;
		}
		*to++ = found ? shown[found - special] : *name;
	}
	*to = '\0';
}

void hashlines_init(
	struct hashlines *h, const char *name, const char *const *out_path, unsigned nouts)
{
	h->fd = STDOUT_FILENO;
	for (unsigned i = 0; i < nouts; i++)
		if (is_stdout(out_path[i]))
			h->fd = STDERR_FILENO;
	h->err = 0;
	h->escaped = false;
	set_name(h, name);
}

static void print(struct hashlines *h, const char *hex, const char *range)
{
	char line[sizeof(h->name) + HASH_TEXT_ROOM + 64];
	int len = snprintf(
		line, sizeof(line), "%s%s  %s%s\n", h->escaped ? "\\" : "", hex, h->name, range);

	for (int at = 0; at < len && !h->err;) {
		ssize_t nwritten = write(h->fd, line + at, (size_t)(len - at));

		if (nwritten > 0)
			at += (int)nwritten;
		else if (nwritten < 0 && errno != EINTR)
			h->err = errno;
	}
}

void hashlines_window(struct hashlines *h, const char *hex, uint64_t from_bytes, uint64_t to_bytes)
{
	char range[64];

	snprintf(range, sizeof(range), " [%llu-%llu)", (unsigned long long)from_bytes,
		(unsigned long long)to_bytes);
	print(h, hex, range);
}

void hashlines_whole(struct hashlines *h, const char *hex)
{
	print(h, hex, "");
}
