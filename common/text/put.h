/*
 * Printing words that came from elsewhere: what could steer a terminal or end
 * a line is escaped, and so is all that is not ASCII in what is no UTF-8.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_TEXT_PUT_H
#define KQ_TEXT_PUT_H

#include "base/base.h"
#include "base/mem.h"

/* The bytes to stdout. */
void put_text(struct str s);

/* A line of a word and a value, for people. */
void put_line(const char *label, struct str value);

/* Append the bytes. */
void put_escaped(struct str s, struct buf *b);

/* As a string in the arena, "-" for null and for none. */
char *put_cell(struct arena *a, struct str s);

/* A number likewise, "-" when it is negative: not known. */
char *put_known(struct arena *a, int64_t n);

#endif
