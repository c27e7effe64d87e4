/*
 * Where the strings of a JSON text are, and what else the text has, in one pass with AVX2
 * where the processor has it, else eight bytes at a time.
 *
 * Uses: base.  Pure.
 */
#ifndef KQ_JSON_QUOTES_H
#define KQ_JSON_QUOTES_H

#include "base/base.h"

enum {
	QUOTES_ESCAPE  = 1 << 0, /* a backslash */
	QUOTES_CONTROL = 1 << 1, /* a byte below 0x20, white space included */
	QUOTES_OTHER   = 1 << 2, /* DEL, or a byte above it */
};

struct quotes {
	uint32_t *at; /* offset of each quote that no backslash escapes */
	int n, cap;
	unsigned has; /* QUOTES_ flags */
};

enum { QUOTES_TEXT_MIN = 64 };

/* The text has at least QUOTES_TEXT_MIN bytes.  quotes may have been used before. */
void quotes_find(struct quotes *quotes, struct str text);

/* The same without AVX2: for tests. */
void quotes_find_portably(struct quotes *quotes, struct str text);

void quotes_release(struct quotes *quotes);

#endif
