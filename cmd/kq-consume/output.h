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
};

void output_init(struct output *o, int fd, bool is_unbuffered);

/* A record was appended to buf: write if it is time to.  0, or -1. */
int output_record_done(struct output *o, struct err *e);

/* Write all there is.  Returns 0, or -1; a reader that has gone is -1 with
 * is_closed. */
int output_flush(struct output *o, struct err *e);

void output_release(struct output *o);

#endif
