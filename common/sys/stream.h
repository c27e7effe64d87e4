/*
 * The bytes of a connected socket, in both directions.  The owner of a connection
 * moves its bytes only through these functions, so that another kind of stream
 * (TLS) can be put below them.
 *
 * No function blocks.  Each moves bytes and returns how many, at least one, or
 * says why it moved none; an interrupted call is repeated.  Fewer bytes than
 * asked for mean that the stream takes or has no more now: an implementation
 * that moves bytes in records of its own continues until this holds.
 *
 * Uses: base.  One thread at a time.
 */
#ifndef KQ_SYS_STREAM_H
#define KQ_SYS_STREAM_H

#include "base/base.h"
#include "base/err.h"

#include <sys/types.h>
#include <sys/uio.h>

struct stream {
	int fd; /* non-blocking; what to poll */
};

enum {
	STREAM_FAILED = -1,  /* *e says why, with the errno; the connection is lost */
	STREAM_BLOCKED = -2, /* nothing can be moved now: poll the descriptor */
	STREAM_CLOSED = -3,  /* the peer sends no more */
};

/* Receive up to size bytes, at least 1.  Can return each of the three. */
ssize_t stream_recv(struct stream *stream, void *p, size_t size, struct err *e);

/* Send the bytes of the vectors, in order; they hold at least one byte.  With
 * has_more the caller sends more at once, so that the last packet may wait for
 * it.  STREAM_FAILED, STREAM_BLOCKED. */
ssize_t stream_sendv(struct stream *stream, const struct iovec *iov, int niov,
	bool has_more, struct err *e);

/* Send up to size bytes of a file, at least 1, from a position in it.  The
 * kernel copies them; the file's own position does not move.  The process must
 * ignore SIGPIPE.  Returns 0 when the file ends there; STREAM_FAILED,
 * STREAM_BLOCKED. */
ssize_t stream_send_file(struct stream *stream, int file_fd, int64_t position,
	size_t size, struct err *e);

/* Close the descriptor.  Bytes that were not sent yet are still sent. */
void stream_close(struct stream *stream);

#endif
