/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file systems of which that is known are told by number, for to read from their files may
 * take away what is there (trace_pipe) or wait. Of all others a file that has length 0 and a first
 * byte is one: FUSE has such, and what is not in the table.
 */
#include "unsized.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CONFIGFS_MAGIC 0x62656570 /* fs/configfs/mount.c; linux/magic.h lacks it */

static const uint32_t made_when_read[] = {
	PROC_SUPER_MAGIC,
	SYSFS_MAGIC,
	DEBUGFS_MAGIC,
	TRACEFS_MAGIC,
	SECURITYFS_MAGIC,
	SELINUX_MAGIC,
	SMACK_MAGIC,
	CGROUP_SUPER_MAGIC,
	CGROUP2_SUPER_MAGIC,
	CONFIGFS_MAGIC,
};

static bool is_made_when_read(const struct statfs *fs)
{
	for (size_t i = 0; i < ARRAY_SIZE(made_when_read); i++)
		if ((uint32_t)fs->f_type == made_when_read[i])
			return true;
	return false;
}

static bool has_more_than_told(int fd)
{
	struct stat st;
	char byte;

	return fstat(fd, &st) == 0 && st.st_size == 0 && pread(fd, &byte, 1, 0) == 1;
}

bool unsized_fd(int fd)
{
	struct statfs fs;

	return (fstatfs(fd, &fs) == 0 && is_made_when_read(&fs)) || has_more_than_told(fd);
}

bool unsized_path(const char *path)
{
	struct statfs fs;
	struct stat st;
	bool unsized;
	int fd;

	if (statfs(path, &fs) == 0 && is_made_when_read(&fs))
		return true;
	if (stat(path, &st) < 0 || st.st_size > 0) /* most: it need not be opened */
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	unsized = has_more_than_told(fd);
	close(fd);
	return unsized;
}
