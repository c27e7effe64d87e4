#include "tool/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH_AT = 256 << 10 };

void
output_init(struct output *out, int fd, bool is_unbuffered)
{
	*out = (struct output){ .fd = fd, .is_unbuffered = is_unbuffered };
	buf_reserve(&out->buf, 2 * FLUSH_AT);
}

/* Bytes that a pipe which polls as writable takes without blocking: its size if it is
 * empty, else a page. */
static size_t
pipe_room(int fd)
{
	int used = 0, size = fcntl(fd, F_GETPIPE_SZ);
	return size > PIPE_BUF && ioctl(fd, FIONREAD, &used) == 0 && used == 0
		? (size_t)size : PIPE_BUF;
}

int
output_flush(struct output *out, struct err *e)
{
	size_t at = 0;
	while (at < out->buf.n) {
		size_t n = out->buf.n - at;
		if (out->wait && out->wait(out, e) < 0) {
			buf_reset(&out->buf);
			return -1;
		}
		if (out->is_careful)
			n = MIN(n, pipe_room(out->fd));
		ssize_t got = write(out->fd, out->buf.p + at, n);
		if (got >= 0) {
			at += (size_t)got;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN) { /* another program made stdout non-blocking */
			poll(&(struct pollfd){ out->fd, POLLOUT, 0 }, 1, -1);
			continue;
		}
		out->is_closed = errno == EPIPE;
		buf_reset(&out->buf);
		return err_sys(e, "cannot write to stdout");
	}
	buf_reset(&out->buf);
	if (out->flushed)
		out->flushed(out);
	return 0;
}

bool
output_is_pipe(const struct output *output)
{
	struct stat st;
	return fstat(output->fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

int
output_record_done(struct output *out, struct err *e)
{
	if (likely(out->buf.n < FLUSH_AT && !out->is_unbuffered))
		return 0;
	return output_flush(out, e);
}

void
output_release(struct output *out)
{
	buf_release(&out->buf);
}
