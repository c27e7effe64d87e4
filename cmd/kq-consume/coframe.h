/*
 * How records and the end of a batch look on the pipes to and from a co-process.
 * The same both ways:
 *
 *	line	a record is a line; an empty line ends the batch.  So a record
 *		can be neither empty nor have a newline in it.
 *	count	a line with the number of records, in decimal, then so many
 *		lines.  Records may be empty.
 *	length	four bytes, a record's length, big-endian, then the record, which
 *		may be any bytes; the length ff ff ff fe, without bytes, is null;
 *		the length ff ff ff ff ends the batch.
 *	pair	the same twice a record: its key, then its value.
 *
 * Pure: bytes in, records out.  Uses: base.
 */
#ifndef KQ_CONSUME_COFRAME_H
#define KQ_CONSUME_COFRAME_H

#include "base/err.h"
#include "base/mem.h"

enum coframe_kind { COFRAME_LINE, COFRAME_COUNT, COFRAME_LENGTH, COFRAME_PAIR };
#define COFRAME_CHOICES "line|count|length|pair"

/* One of COFRAME_CHOICES. */
enum coframe_kind coframe_of(const char *word);

enum {
	COFRAME_RECORD_MAX = 16 << 20,
	COFRAME_COUNT_MAX = 100000000, /* records that a head may announce */
};

/* --- writing: begin, put ..., end; what is to be sent is from the returned
 * place in out on --- */

void coframe_begin(enum coframe_kind kind, struct buf *out);

/* The key is for pair alone.  Returns 0, or -1 (ERR_USAGE): the frame cannot carry it;
 * out is unchanged. */
int coframe_put(enum coframe_kind kind, struct str key, struct str record, struct buf *out,
	struct err *e);

size_t coframe_end(enum coframe_kind kind, int64_t nrecord, struct buf *out);

/* ---- reading ---- */

struct coframe_cursor {
	enum coframe_kind kind;
	bool has_head;   /* count: it was read, and ... */
	int64_t left;    /* ... so many are to come */
	size_t at;       /* the next record, or head, begins here */
	size_t searched; /* no newline between at and here */
};

enum { COFRAME_MORE, COFRAME_RECORD, COFRAME_END };

/* Step over what comes next in bytes, which begin where they did the last time and
 * may have grown.  COFRAME_RECORD: *record is one, in bytes; COFRAME_END: the batch ends,
 * at is behind it; COFRAME_MORE: bytes end too early; -1 (ERR_CORRUPT, ERR_LIMIT): that
 * is no frame, or a record of more than COFRAME_RECORD_MAX.  *key is null but with pair. */
int coframe_next(struct coframe_cursor *cursor, const struct buf *bytes, struct str *key,
	struct str *record, struct err *e);

#endif
