#include "kq-consume/output.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { FLUSH_AT = 256 << 10 };

void
output_init(struct output *o, int fd, bool is_unbuffered)
{
	*o = (struct output){ .fd = fd, .is_unbuffered = is_unbuffered };
	buf_reserve(&o->buf, 2 * FLUSH_AT);
}

int
output_flush(struct output *o, struct err *e)
{
	size_t at = 0;
	while (at < o->buf.n) {
		ssize_t got = write(o->fd, o->buf.p + at, o->buf.n - at);
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
	return 0;
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
