#include "sys/stdfd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool was_closed[STDERR_FILENO + 1];

int
stdfd_init(struct err *e)
{
	/* 0 and 1 get the wrong direction, so that using them fails; 2 can be
	 * written, since a child's messages may be lost. */
	static const int flags[] = { O_WRONLY, O_RDONLY, O_WRONLY };
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* The lowest free number is this one. */
		int got = open("/dev/null", flags[fd]);
		if (got < 0)
			return err_sys(e, "descriptor %d is closed; cannot open /dev/null in its place", fd);
		assert(got == fd);
		was_closed[fd] = true;
	}
	return 0;
}

int
stdfd_need(int fd, struct err *e)
{
	assert(fd == STDIN_FILENO || fd == STDOUT_FILENO);
	if (!was_closed[fd])
		return 0;
	return err_set(e, ERR_SYS, fd == STDIN_FILENO
		? "stdin is closed; open it for reading (for nothing to read: </dev/null)"
		: "stdout is closed; open it for writing (to discard the output: >/dev/null)");
}
