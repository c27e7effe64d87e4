/*
 * Where the strings of a JSON text are, and what else the text has, in one pass: with
 * AVX-512 or AVX2 where the processor has it, else eight bytes at a time.
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

struct quotes;
typedef void (*quotes_find_fn)(struct quotes *quotes, struct str text);

struct quotes {
	quotes_find_fn find;
	uint32_t *at; /* offset of each quote that no backslash escapes */
	int n, cap;
	unsigned has; /* QUOTES_ flags */
};

/* find is the fastest variant that the processor has. */
void quotes_init(struct quotes *quotes);

enum { QUOTES_TEXT_MIN = 64 };

/* The text has at least QUOTES_TEXT_MIN bytes. */
static inline void
quotes_find(struct quotes *quotes, struct str text)
{
	quotes->find(quotes, text);
}

/* Variant 0 (portable) to QUOTES_NVARIANT - 1: for tests.  NULL: the processor lacks it. */
enum { QUOTES_NVARIANT = 3 };
quotes_find_fn quotes_variant(int i);

void quotes_release(struct quotes *quotes);

#endif
