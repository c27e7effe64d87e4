#include "kq-stream/control_dir.h"

#include "sys/fs.h"
#include "sys/user.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SUFFIX ".stream"

enum {
	RUNTIME_MAX = 70,  /* bytes of XDG_RUNTIME_DIR: the socket's name must fit, too */
	PID_MAX_SIZE = 12, /* ".PID" */
	MODE = 0700,
};

static int
check_owner(const struct control_dir *dir, struct err *e)
{
	struct stat st;
	char who[USER_TEXT_SIZE];
	if (fstat(dir->fd, &st) < 0)
		return err_sys(e, "cannot look at '%s'", dir->path);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_SYS, "'%s' belongs to %s", dir->path, user_text(st.st_uid, who));
	if (st.st_mode & 077)
		return err_set(e, ERR_SYS, "others can use '%s': chmod 700 it", dir->path);
	return 0;
}

int
control_dir_open(struct control_dir *dir, struct err *e)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	if (runtime && *runtime == '/' && strlen(runtime) < RUNTIME_MAX)
		snprintf(dir->path, sizeof dir->path, "%s/kq", runtime);
	else
		snprintf(dir->path, sizeof dir->path, "/tmp/kq-%u", (unsigned)geteuid());
	dir->fd = -1;
	if (mkdir(dir->path, MODE) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create '%s'", dir->path);
	dir->fd = fs_open(AT_FDCWD, dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, e);
	if (dir->fd < 0 || check_owner(dir, e) < 0) {
		control_dir_close(dir);
		return -1;
	}
	return 0;
}

void
control_dir_close(struct control_dir *dir)
{
	fs_close(dir->fd);
	dir->fd = -1;
}

void
control_dir_socket(const struct control_dir *dir, const char *application, pid_t pid,
	struct net_addr *addr)
{
	static const struct sockaddr_un un;
	int room = (int)(sizeof un.sun_path - strlen(dir->path) - sizeof "/" SUFFIX) - PID_MAX_SIZE;
	*addr = (struct net_addr){ .kind = NET_UNIX, .must_be_own = true };
	assert(room > 0);
	snprintf(addr->host, sizeof addr->host, "%s/%.*s.%ld" SUFFIX, dir->path, room, application,
		(long)pid);
}

pid_t
control_dir_pid(const char *name)
{
	size_t n = strlen(name), size = sizeof SUFFIX - 1;
	if (n <= size || strcmp(name + n - size, SUFFIX) != 0)
		return 0;
	const char *end = name + n - size, *p = end;
	long pid = 0, unit = 1;
	for (; p > name && p[-1] >= '0' && p[-1] <= '9' && end - p < PID_MAX_SIZE - 2; p--) {
		pid += unit * (p[-1] - '0');
		unit *= 10;
	}
	return p == end || p == name || p[-1] != '.' || pid > INT32_MAX ? 0 : (pid_t)pid;
}

void
control_dir_remove_stale(const struct control_dir *dir, const char *name)
{
	pid_t pid = control_dir_pid(name);
	/* A process that has just made its socket may not listen yet. */
	if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
		unlinkat(dir->fd, name, 0);
}
