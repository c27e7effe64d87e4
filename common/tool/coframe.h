/*
 * The framing of records and batches on the pipes to and from a co-process, the same in
 * both directions:
 *
 *	line	a record is a line; an empty line ends the batch.  A record is not
 *		empty and contains no newline.
 *	count	a line with the number of records, in decimal, then that many
 *		lines.  Records may be empty.
 *	length	the record's length in four bytes, big-endian, then the record, which
 *		may be any bytes; the length ff ff ff fe, without bytes, is null;
 *		the length ff ff ff ff ends the batch.
 *	pair	as length, with two parts per record: its key, then its value.
 *
 * Pure: bytes in, records out.  Uses: base.
 */
#ifndef KQ_TOOL_COFRAME_H
#define KQ_TOOL_COFRAME_H

#include "base/err.h"
#include "base/mem.h"

enum coframe_kind { COFRAME_LINE, COFRAME_COUNT, COFRAME_LENGTH, COFRAME_PAIR };
#define COFRAME_CHOICES "line|count|length|pair"

/* The kind for a word, which must be one of COFRAME_CHOICES. */
enum coframe_kind coframe_of(const char *word);

enum {
	COFRAME_RECORD_MAX = 16 << 20,
	COFRAME_COUNT_MAX = 100000000, /* limit of the number of records in a head */
};

/* ---- writing ---- */

/* A batch is written by begin, any number of puts, and end, which returns the position
 * in out from which the batch is to be sent. */
void coframe_begin(enum coframe_kind kind, struct buf *out);

/* The key is used by pair only.  Returns 0, or -1 (ERR_USAGE): the frame cannot carry the
 * record; out is unchanged. */
int coframe_put(enum coframe_kind kind, struct str key, struct str record, struct buf *out,
	struct err *e);

size_t coframe_end(enum coframe_kind kind, int64_t nrecord, struct buf *out);

/* ---- reading ---- */

struct coframe_cursor {
	enum coframe_kind kind;
	bool has_head;   /* count: the number of records was read */
	int64_t left;    /* count: number of records to come */
	size_t at;       /* position of the next record or head */
	size_t searched; /* no newline is between at and here */
};

enum { COFRAME_MORE, COFRAME_RECORD, COFRAME_END };

/* Take the next record from bytes, which may have grown since the last call.  Returns
 * COFRAME_RECORD: *record is a slice of bytes; COFRAME_END: the batch ends before
 * cursor->at; COFRAME_MORE: more bytes are needed; or -1: not a frame (ERR_CORRUPT), or a
 * record of more than COFRAME_RECORD_MAX (ERR_LIMIT).  *key is null except for pair. */
int coframe_next(struct coframe_cursor *cursor, const struct buf *bytes, struct str *key,
	struct str *record, struct err *e);

#endif
