/* Preloaded into a broker, to imitate a broken disk: once the file $KQ_FAIL_SYNC
 * exists, with a number N in it, N more syncs succeed and all later ones fail. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
must_fail(void)
{
	static atomic_int n;
	const char *path = getenv("KQ_FAIL_SYNC");
	FILE *f = path ? fopen(path, "re") : NULL;
	int good;
	if (!f)
		return false;
	bool is_read = fscanf(f, "%d", &good) == 1;
	fclose(f);
	return is_read && atomic_fetch_add(&n, 1) >= good;
}

static int
sync_with(const char *name, int fd)
{
	int (*real)(int);
	if (must_fail()) {
		errno = EIO;
		return -1;
	}
	void *p = dlsym(RTLD_NEXT, name);
	memcpy(&real, &p, sizeof real);
	return real(fd);
}

int fdatasync(int fd);
int fsync(int fd);

int
fdatasync(int fd)
{
	return sync_with("fdatasync", fd);
}

int
fsync(int fd)
{
	return sync_with("fsync", fd);
}
