/*
 * The small text files of a data directory, as Kafka writes them: a line with
 * the version 0, one with the number of entries, and a line of words an entry.
 *
 * Uses: base, sys.  Any thread.
 */
#ifndef KQ_LOG_LINES_H
#define KQ_LOG_LINES_H

#include "base/base.h"
#include "base/err.h"

enum { LINES_WORD_MAX = 4 };

/* One entry's words; a non-zero return refuses the line. */
typedef int lines_fn(void *ctx, const struct str *word, int nword);

/* Read the file; an absent one has no entries.  -1, ERR_CORRUPT with file and
 * line: a bad line, or another number of them than was said. */
int lines_read(int dirfd, const char *path, size_t size_max, lines_fn *fn,
	void *ctx, struct err *e);

/* A whole word as a decimal number in [min, max]. */
bool lines_int(struct str word, int64_t min, int64_t max, int64_t *v);

#endif
