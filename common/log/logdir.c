#include "log/logdir.h"

#include "sys/fs.h"

#include <fcntl.h>
#include <stdio.h>

char *
logdir_path(const struct logdir *dir, int64_t base_offset, const char *suffix,
	char z[LOGDIR_PATH_SIZE])
{
	int n = snprintf(z, LOGDIR_PATH_SIZE, "%s/%020lld%s", dir->name, (long long)base_offset,
		suffix);
	assert(n > 0 && n < LOGDIR_PATH_SIZE);
	return z;
}

int
logdir_sync(const struct logdir *dir, struct err *e)
{
	int fd = fs_open(dir->root_fd, dir->name, O_RDONLY | O_DIRECTORY, 0, e);
	int rc = fd < 0 ? -1 : fs_sync_dir(fd, e);
	fs_close(fd);
	return rc;
}
