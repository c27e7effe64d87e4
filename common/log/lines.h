/*
 * The small text files of a data directory, as Kafka writes them: a line with
 * the version 0, a line with the number of entries, and a line of words for
 * each entry.
 *
 * Uses: base, sys.  Any thread.
 */
#ifndef KQ_LOG_LINES_H
#define KQ_LOG_LINES_H

#include "base/base.h"
#include "base/err.h"

enum { LINES_WORD_MAX = 4 };

/* Called with the words of an entry; a non-zero return refuses the line. */
typedef int lines_fn(void *ctx, const struct str *word, int nword);

/* Call fn for each entry of the file; an absent file has none.  -1: ERR_SYS;
 * ERR_LIMIT, it is larger than size_max; ERR_CORRUPT with file and line, a line
 * is bad or their number is wrong: fn was called for the lines before it. */
int lines_read(int dirfd, const char *path, size_t size_max, lines_fn *fn,
	void *ctx, struct err *e);

/* Read a word that is a decimal number in [min, max].  False: it is not. */
bool lines_int(struct str word, int64_t min, int64_t max, int64_t *v);

#endif
