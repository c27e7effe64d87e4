#include "kq-consume/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_AT = 256 << 10 };

void
output_init(struct output *o, int fd, bool is_unbuffered)
{
	*o = (struct output){ .fd = fd, .is_unbuffered = is_unbuffered };
	buf_reserve(&o->buf, 2 * FLUSH_AT);
}

/* What a pipe that polls as writable takes at least: all of its size when it is
 * empty, else one page. */
static size_t
pipe_room(int fd)
{
	int used = 0, size = fcntl(fd, F_GETPIPE_SZ);
	return size > PIPE_BUF && ioctl(fd, FIONREAD, &used) == 0 && used == 0
		? (size_t)size : PIPE_BUF;
}

int
output_flush(struct output *o, struct err *e)
{
	size_t at = 0;
	while (at < o->buf.n) {
		size_t n = o->buf.n - at;
		if (o->wait && o->wait(o, e) < 0) {
			buf_reset(&o->buf);
			return -1;
		}
		if (o->is_careful)
			n = MIN(n, pipe_room(o->fd));
		ssize_t got = write(o->fd, o->buf.p + at, n);
		if (got >= 0) {
			at += (size_t)got;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN) { /* a non-blocking stdout, from whoever shares it */
			poll(&(struct pollfd){ o->fd, POLLOUT, 0 }, 1, -1);
			continue;
		}
		o->is_closed = errno == EPIPE;
		buf_reset(&o->buf);
		return err_sys(e, "cannot write to stdout");
	}
	buf_reset(&o->buf);
	if (o->flushed)
		o->flushed(o);
	return 0;
}

bool
output_is_pipe(const struct output *o)
{
	struct stat st;
	return fstat(o->fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

int
output_record_done(struct output *o, struct err *e)
{
	if (likely(o->buf.n < FLUSH_AT && !o->is_unbuffered))
		return 0;
	return output_flush(o, e);
}

void
output_release(struct output *o)
{
	buf_release(&o->buf);
}
