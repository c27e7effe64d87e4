/*
 * Bytes for stdout: collected, and written in large pieces or, unbuffered,
 * after every record.
 *
 * Uses: base.
 */
#ifndef KQ_CONSUME_OUTPUT_H
#define KQ_CONSUME_OUTPUT_H

#include "base/err.h"
#include "base/mem.h"

struct output {
	int fd;
	struct buf buf;
	bool is_unbuffered;
	bool is_closed; /* the reader has gone: not an error, but the end */
	bool is_careful; /* into a pipe no more at once than it takes without waiting */
	/* Called, if set: before each write, to wait until it would not block (0), or
	 * give up (-1), and when all there was is written. */
	int (*wait)(struct output *out, struct err *e);
	void (*flushed)(struct output *out);
	void *owner;    /* of those two */
};

void output_init(struct output *out, int fd, bool is_unbuffered);

/* A record was appended to buf: write if it is time to.  0, or -1. */
int output_record_done(struct output *out, struct err *e);

/* Write all there is.  Returns 0, or -1; a reader that has gone is -1 with
 * is_closed.  What could not be written is dropped. */
int output_flush(struct output *out, struct err *e);

/* Does it go into a pipe, whose reader may leave or be slow? */
bool output_is_pipe(const struct output *output);

void output_release(struct output *out);

#endif
