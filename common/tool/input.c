#include "tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PIECE = 256 << 10,   /* fits in the second-level cache */
	PIPE_SIZE = 1 << 20,
};

void
input_begin(struct input *in, int fd, const char *name)
{
	struct stat st;
	in->fd = fd;
	in->name = name;
	in->at = in->searched = in->buf.n = 0;
	in->is_at_end = false;
	in->is_pollable = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
	in->is_terminal = isatty(fd);
	if (in->is_pollable)
		fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE); /* fewer, larger reads; may fail */
}

int
input_fill(struct input *in, struct err *e)
{
	struct buf *b = &in->buf;
	if (in->is_at_end)
		return 0;
	if (in->at > 0) {
		memmove(b->p, b->p + in->at, b->n - in->at);
		b->n -= in->at;
		in->searched -= in->at;
		in->at = 0;
	}
	size_t room = MAX((size_t)PIECE, b->n); /* double the buffer for long records */
	buf_reserve(b, room);
	ssize_t got;
	do
		got = read(in->fd, b->p + b->n, room);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return 1;
	if (got < 0)
		return err_sys(e, "cannot read '%s'", in->name);
	b->n += (size_t)got;
	in->nread += got;
	in->is_at_end = got == 0;
	return got > 0;
}

static int
too_long(const struct input *in, struct err *e)
{
	return err_set(e, ERR_LIMIT, "'%s': a record of more than %zu bytes%s%s", in->name,
		in->record_max, in->limit ? ", which is " : "", in->limit ? in->limit : "");
}

int
input_next(struct input *in, struct str *s, struct err *e)
{
	struct buf *b = &in->buf;
	const uint8_t *from = b->p + in->searched, *end = b->p + b->n, *hit = NULL;
	size_t nd = (size_t)in->delimiter.n;
	if (in->searched < b->n)
		hit = nd == 1 ? memchr(from, in->delimiter.p[0], (size_t)(end - from))
			: memmem(from, (size_t)(end - from), in->delimiter.p, nd);
	if (likely(hit)) {
		size_t n = (size_t)(hit - b->p) - in->at;
		*s = (struct str){ b->p + in->at, (int32_t)n };
		if (unlikely(n > in->record_max))
			return too_long(in, e);
		in->at = in->searched = in->at + n + nd;
		return 1;
	}
	size_t n = b->n - in->at;
	if (n > in->record_max)
		return too_long(in, e);
	if (in->is_at_end) {
		if (n == 0)
			return 0;
		*s = (struct str){ b->p + in->at, (int32_t)n };
		in->at = in->searched = b->n;
		return 1;
	}
	in->searched = n >= nd ? b->n - nd + 1 : in->at; /* the end may be part of a delimiter */
	return 0;
}

struct str
input_rest(const struct input *in)
{
	return (struct str){ in->buf.p + in->at, (int32_t)MIN(in->buf.n - in->at, INT32_MAX) };
}

void
input_take(struct input *in, size_t n)
{
	assert(n <= in->buf.n - in->at);
	in->at += n;
	in->searched = MAX(in->searched, in->at);
}

void
input_release(struct input *in)
{
	buf_release(&in->buf);
}
