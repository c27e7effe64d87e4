/*
 * The output to stdout: buffered and written in large pieces, or unbuffered, after every
 * record.
 *
 * Uses: base.
 */
#ifndef KQ_TOOL_OUTPUT_H
#define KQ_TOOL_OUTPUT_H

#include "base/err.h"
#include "base/mem.h"

struct output {
	int fd;
	struct buf buf;
	bool is_unbuffered;
	bool is_closed;  /* the reader closed the pipe: not an error, but the end */
	bool is_careful; /* write to a pipe no more than it takes without blocking */
	/* Optional: called before each write, to wait until it would not block.  Returns 0,
	 * or -1 to give up. */
	int (*wait)(struct output *out, struct err *e);
	void (*flushed)(struct output *out); /* optional: called when buf was written */
	void *owner;     /* for wait and flushed */
};

void output_init(struct output *out, int fd, bool is_unbuffered);

/* To be called after a record was appended to buf: flush if buf is large, or
 * unbuffered.  Returns as output_flush. */
int output_record_done(struct output *out, struct err *e);

/* Write the whole buffer.  Returns 0, or -1, with is_closed if the reader closed the
 * pipe.  Bytes that could not be written are dropped. */
int output_flush(struct output *out, struct err *e);

/* Is it a pipe or a socket, whose reader may be slow or close it? */
bool output_is_pipe(const struct output *output);

void output_release(struct output *out);

#endif
