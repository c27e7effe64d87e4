/*
 * Split input into records: read in large pieces, find delimiters, and return slices of
 * the buffer.  Only the incomplete record at the end of a piece is copied.
 *
 * Uses: base.
 */
#ifndef KQ_TOOL_INPUT_H
#define KQ_TOOL_INPUT_H

#include "base/err.h"
#include "base/mem.h"

struct input {
	int fd;
	const char *name;    /* for messages */
	struct str delimiter;
	size_t record_max;   /* a longer record is an error */
	const char *limit;   /* name of that limit, for messages; or NULL */
	struct buf buf;
	size_t at;           /* bytes before it were taken */
	int64_t nread;       /* bytes read from all files */
	size_t searched;     /* no delimiter begins before here */
	bool is_at_end;      /* of the file: the buffer ends with the last record */
	bool is_pollable;    /* a read may block: a pipe, a terminal, a socket */
	bool is_terminal;
};

/* Start to read a descriptor, which the caller closes. */
void input_begin(struct input *in, int fd, const char *name);

/* Read one piece.  Returns 1; 0 at the end; or -1. */
int input_fill(struct input *in, struct err *e);

/* Take the next complete record, without its delimiter; at the end of the file, the last
 * one may have none.  Returns 1: *s is valid until the next input_fill; 0: call
 * input_fill first, or the end; -1: longer than record_max. */
int input_next(struct input *in, struct str *s, struct err *e);

/* The bytes of the buffer that were not taken; and take its first n bytes, which must be
 * complete records. */
struct str input_rest(const struct input *in);
void input_take(struct input *in, size_t n);

void input_release(struct input *in);

#endif
