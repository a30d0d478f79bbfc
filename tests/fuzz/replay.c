/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Feeds every file of the directories (or the files) named to a fuzz target, once, without a
 * fuzzing engine: `replay_TARGET tests/fuzz/corpus/TARGET`. Prints on stderr how many there were;
 * none at all is a failure. Before each file its name goes to stderr with -v, to see which crashes.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct replay {
	bool verbose;
	unsigned files, errors;
};

static void replay_error(struct replay *r, const char *path)
{
	(void)fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	r->errors++;
}

static uint8_t *read_all(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(size + 1); /* never of 0 bytes */

	if (f && data && fread(data, 1, size, f) == size) {
		(void)fclose(f);
		return data;
	}
	free(data);
	if (f)
		(void)fclose(f);
	return NULL;
}

static void replay_file(struct replay *r, const char *path, size_t size)
{
	uint8_t *data = read_all(path, size);

	if (!data) {
		replay_error(r, path);
		return;
	}
	if (r->verbose)
		(void)fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput(data, size);
	r->files++;
	free(data);
}

static void replay_path(struct replay *r, const char *path);

static void replay_dir(struct replay *r, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	char inner[4096];

	if (!dir) {
		replay_error(r, path);
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
		replay_path(r, inner);
	}
	(void)closedir(dir);
}

static void replay_path(struct replay *r, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		replay_error(r, path);
	else if (S_ISDIR(st.st_mode))
		replay_dir(r, path);
	else
		replay_file(r, path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
	struct replay r = { .verbose = argc > 1 && strcmp(argv[1], "-v") == 0 };

	for (int i = r.verbose ? 2 : 1; i < argc; i++)
		replay_path(&r, argv[i]);
	(void)fprintf(stderr, "replay: %u files\n", r.files);
	return r.errors == 0 && r.files > 0 ? 0 : 1;
}
