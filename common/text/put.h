/*
 * Printing text from the network: bytes that could control a terminal or end a line
 * are escaped; in text that is not UTF-8, so are all bytes that are not ASCII.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_TEXT_PUT_H
#define KQ_TEXT_PUT_H

#include "base/base.h"
#include "base/mem.h"

/* Print the text to stdout. */
void put_text(struct str s);

/* Print a line with a label and a value. */
void put_line(const char *label, struct str value);

/* Append the text. */
void put_escaped(struct str s, struct buf *b);

/* The text as a string in the arena; "-" if it is null or empty. */
char *put_cell(struct arena *a, struct str s);

/* A number likewise; "-" if it is negative, which means unknown. */
char *put_known(struct arena *a, int64_t n);

#endif
