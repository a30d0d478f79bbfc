/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names are relative to the folder's descriptor, opened once: should the folder itself be moved
 * meanwhile, all names still mean one place. Relies on rename(2) being atomic, and on fsync(2) of
 * the file before it and of the folder after it for what a power failure leaves.
 */
#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct replacing {
	int folder_fd;
	bool is_there; /* the file to be replaced */
	struct stat old;
	enum replace_step step;
	char name[NAME_MAX + 1], new_name[NAME_MAX + 1];
	char bak_name[NAME_MAX + 1], bak_new_name[NAME_MAX + 1];
};

static const char *const step_texts[] = {
	[REPLACE_FOLDER] = "cannot open its folder",
	[REPLACE_LOOK] = "cannot be replaced",
	[REPLACE_CREATE] = "cannot create the new file beside it",
	[REPLACE_WRITE] = "cannot write the new file beside it",
	[REPLACE_FLUSH] = "cannot flush the new file beside it",
	[REPLACE_BACKUP] = "cannot keep the old file as .bak",
	[REPLACE_RENAME] = "cannot rename the new file",
	[REPLACE_FLUSH_FOLDER] = "cannot flush its folder",
};

const char *replace_step_text(enum replace_step step)
{
	return step_texts[step];
}

/* --- system calls: 0 or an errno value --- */

static int write_all(void *arg, const char *text, size_t len)
{
	const int *fd = arg;

	while (len > 0) {
		ssize_t nwritten = write(*fd, text, len);

		if (nwritten < 0 && errno == EINTR)
			continue;
		if (nwritten < 0)
			return errno;
		if (nwritten == 0)
			return EIO;
		text += nwritten;
		len -= (size_t)nwritten;
	}
	return 0;
}

static int flush(int fd)
{
	while (fsync(fd) < 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

/* File systems that cannot flush a folder say EINVAL; there is nothing more to be done for it. */
static int flush_folder(int fd)
{
	int err = flush(fd);

	return err == EINVAL ? 0 : err;
}

static int remove_name(const struct replacing *r, const char *name)
{
	return unlinkat(r->folder_fd, name, 0) < 0 && errno != ENOENT ? errno : 0;
}

static int rename_name(const struct replacing *r, const char *from, const char *to)
{
	return renameat(r->folder_fd, from, r->folder_fd, to) < 0 ? errno : 0;
}

/* The name is ours by its suffix: what is there was left by a crash. */
static int create(const struct replacing *r, const char *name, mode_t mode, int *fd)
{
	int err = remove_name(r, name);

	if (err != 0)
		return err;
	*fd = openat(
		r->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	return *fd < 0 ? errno : 0;
}

/* fd was flushed, or err says why not; the first error counts. */
static int close_after(int fd, int err)
{
	return close(fd) < 0 && err == 0 ? errno : err;
}

/* --- the old file --- */

static int look(struct replacing *r)
{
	r->step = REPLACE_LOOK;
	r->is_there = fstatat(r->folder_fd, r->name, &r->old, AT_SYMLINK_NOFOLLOW) == 0;
	if (!r->is_there)
		return errno == ENOENT ? 0 : errno;
	if (S_ISLNK(r->old.st_mode))
		return ELOOP;
	return S_ISREG(r->old.st_mode) ? 0 : ENOTSUP;
}

/* As far as allowed: a map that belongs to somebody else is better than none. */
static void keep_owner(const struct replacing *r, int fd)
{
	if (!r->is_there)
		return;
	(void)!fchown(fd, r->old.st_uid, r->old.st_gid);
	(void)fchmod(fd, r->old.st_mode & 0777);
}

static int copy_fd(int in_fd, int out_fd)
{
	char piece[16384];
	ssize_t nread;

	while ((nread = read(in_fd, piece, sizeof(piece))) != 0) {
		int err;

		if (nread < 0 && errno == EINTR)
			continue;
		err = nread < 0 ? errno : write_all(&out_fd, piece, (size_t)nread);
		if (err != 0)
			return err;
	}
	return flush(out_fd);
}

static int copy_old(const struct replacing *r)
{
	int in_fd = openat(r->folder_fd, r->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out_fd, err;

	if (in_fd < 0)
		return errno;
	err = create(r, r->bak_new_name, 0600, &out_fd);
	if (err == 0) {
		keep_owner(r, out_fd);
		err = close_after(out_fd, copy_fd(in_fd, out_fd));
	}
	return close_after(in_fd, err);
}

/* FAT and its kin have no links; some file systems count them in few bits. */
static bool links_are_missing(int err)
{
	return err == EPERM || err == EOPNOTSUPP || err == ENOSYS || err == EMLINK || err == EACCES;
}

static int second_name(const struct replacing *r)
{
	int err = remove_name(r, r->bak_new_name);

	if (err != 0)
		return err;
	err = linkat(r->folder_fd, r->name, r->folder_fd, r->bak_new_name, 0) < 0 ? errno : 0;
	return links_are_missing(err) ? copy_old(r) : err;
}

/* By way of a third name: at no moment is there no .bak, if there was one. */
static int back_up(struct replacing *r)
{
	int err, unlink_err;

	r->step = REPLACE_BACKUP;
	err = second_name(r);
	if (err == 0)
		err = rename_name(r, r->bak_new_name, r->bak_name);
	/*
	 * After a success the name is gone, but not where .bak already was a link to the same file,
	 * as a crash behind this line leaves it: rename(2) does nothing then.
	 */
	unlink_err = remove_name(r, r->bak_new_name);
	return err != 0 ? err : unlink_err;
}

/* --- the new file --- */

static int print_to(int fd, replace_print_fn *print, const void *arg)
{
	struct textout t;

	textout_init(&t, write_all, &fd);
	print(&t, arg);
	return textout_end(&t);
}

static int write_new(struct replacing *r, replace_print_fn *print, const void *arg)
{
	int fd, err;

	r->step = REPLACE_CREATE;
	err = create(r, r->new_name, 0666, &fd);
	if (err != 0)
		return err;
	keep_owner(r, fd);
	r->step = REPLACE_WRITE;
	err = print_to(fd, print, arg);
	if (err == 0) {
		r->step = REPLACE_FLUSH;
		err = flush(fd);
	}
	return close_after(fd, err);
}

static int put_in_place(struct replacing *r, bool keep_old)
{
	int err = r->is_there && keep_old ? back_up(r) : 0;

	if (err != 0)
		return err;
	r->step = REPLACE_RENAME;
	return rename_name(r, r->new_name, r->name);
}

static int replace_in_folder(
	struct replacing *r, bool keep_old, replace_print_fn *print, const void *arg)
{
	int err = look(r);

	if (err != 0)
		return err;
	err = write_new(r, print, arg);
	if (err == 0)
		err = put_in_place(r, keep_old);
	if (err != 0) {
		if (r->step != REPLACE_CREATE)
			(void)remove_name(r, r->new_name); /* the first error is the one to tell */
		return err;
	}
	r->step = REPLACE_FLUSH_FOLDER;
	return flush_folder(r->folder_fd);
}

/* --- names --- */

static bool make_name(char *out, const char *name, const char *suffix)
{
	int len = snprintf(out, NAME_MAX + 1, "%s%s", name, suffix);

	return len >= 0 && len <= NAME_MAX;
}

/* Makes the names and opens the folder. */
static int open_folder(struct replacing *r, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(name - path) : 1; /* with its '/', for "/name" */
	char folder[PATH_MAX];

	r->step = REPLACE_FOLDER;
	if (*name == '\0')
		return EISDIR;
	if (len >= sizeof(folder) || !make_name(r->name, name, "") ||
		!make_name(r->new_name, name, REPLACE_NEW_SUFFIX) ||
		!make_name(r->bak_name, name, REPLACE_BAK_SUFFIX) ||
		!make_name(r->bak_new_name, name, REPLACE_BAK_NEW_SUFFIX))
		return ENAMETOOLONG;
	memcpy(folder, slash ? path : ".", len);
	folder[len] = '\0';
	r->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r->folder_fd < 0 ? errno : 0;
}

int replace_file(const char *path, bool keep_old, replace_print_fn *print, const void *arg,
	enum replace_step *step)
{
	struct replacing r;
	int err = open_folder(&r, path);

	if (err == 0) {
		err = replace_in_folder(&r, keep_old, print, arg);
		err = close_after(r.folder_fd, err);
	}
	if (err != 0)
		*step = r.step;
	return err;
}

static int try_new(struct replacing *r)
{
	int fd, err;

	r->step = REPLACE_CREATE;
	err = create(r, r->new_name, 0600, &fd);
	if (err != 0)
		return err;
	(void)close(fd); /* nothing was written */
	return remove_name(r, r->new_name);
}

int replace_check(const char *path, bool tries, enum replace_step *step)
{
	struct replacing r;
	int err = open_folder(&r, path);

	if (err == 0) {
		err = look(&r);
		if (err == 0 && tries)
			err = try_new(&r);
		(void)close(r.folder_fd);
	}
	if (err != 0)
		*step = r.step;
	return err;
}
