/*
 * Splits input into records: reads in large pieces, finds delimiters, hands
 * out slices of the buffer, copies nothing but the incomplete record at a
 * piece's end.
 *
 * Uses: base.
 */
#ifndef KQ_PRODUCE_INPUT_H
#define KQ_PRODUCE_INPUT_H

#include "base/err.h"
#include "base/mem.h"

struct input {
	int fd;
	const char *name;    /* for messages */
	struct str delimiter;
	size_t record_max;   /* a longer record is an error */
	const char *limit;   /* what says so, for messages; or NULL */
	struct buf buf;
	size_t at;           /* handed out up to here */
	int64_t nread;       /* bytes read, of all files */
	size_t searched;     /* no delimiter begins before here */
	bool is_at_end;      /* of the file; the rest is the last record */
	bool is_pollable;    /* a read may wait: a pipe, a terminal, a socket */
	bool is_terminal;    /* a person types */
};

/* Begin with a descriptor, which is not closed here. */
void input_begin(struct input *in, int fd, const char *name);

/* Read one piece.  1: got some; 0: there is nothing more to read; -1. */
int input_fill(struct input *in, struct err *e);

/* The next whole record in the buffer, without its delimiter; at the end of
 * the file also the last one that lacks it.  1: *s is it, until the next
 * fill; 0: fill first, or that was all; -1: longer than record_max. */
int input_next(struct input *in, struct str *s, struct err *e);

/* What the buffer holds and was not handed out; and that the first n bytes of
 * it, whole records all of them, were taken. */
struct str input_rest(const struct input *in);
void input_take(struct input *in, size_t n);

void input_release(struct input *in);

#endif
