#include "sys/stream.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* Why a call moved nothing. */
static ssize_t
failed(struct err *e)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_BLOCKED;
	err_sys(e, "connection lost");
	e->class = ERR_RETRY;
	return STREAM_FAILED;
}

ssize_t
stream_recv(struct stream *stream, void *p, size_t size, struct err *e)
{
	assert(size > 0);
	ssize_t n;
	do
		n = recv(stream->fd, p, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return STREAM_CLOSED;
	return n < 0 ? failed(e) : n;
}

ssize_t
stream_sendv(struct stream *stream, const struct iovec *iov, int niov,
	bool has_more, struct err *e)
{
	assert(niov > 0);
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)niov };
	ssize_t n;
	do
		n = sendmsg(stream->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT | (has_more ? MSG_MORE : 0));
	while (n < 0 && errno == EINTR);
	return n < 0 ? failed(e) : n;
}

ssize_t
stream_send_file(struct stream *stream, int file_fd, int64_t position,
	size_t size, struct err *e)
{
	assert(size > 0);
	off_t at = position;
	ssize_t n;
	do
		n = sendfile(stream->fd, file_fd, &at, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? failed(e) : n;
}

void
stream_close(struct stream *stream)
{
	close(stream->fd);
	stream->fd = -1;
}
