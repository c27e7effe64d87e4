/*
 * A table for people: columns as wide as their widest cell, two spaces
 * between.
 *
 *	static const char *const head[] = { "topic", "partition" };
 *	struct table t;
 *	table_init(&t, head, 2, "l");
 *	table_add(&t, (const char *[]){ "orders", "0" });
 *	table_put(&t, &buf);
 *	table_release(&t);
 *
 * Cells are borrowed.
 *
 * Uses: base.  One thread.
 */
#ifndef KQ_TEXT_TABLE_H
#define KQ_TEXT_TABLE_H

#include "base/mem.h"

struct table {
	int ncolumn;
	const char *align;
	const char **cell; /* a row behind the other; the head is the first */
	int nrow, cap;
};

/* align: a letter a column, 'l' for left; those that it does not reach stand
 * to the right. */
void table_init(struct table *table, const char *const *head, int ncolumn, const char *align);
void table_release(struct table *table);

void table_add(struct table *table, const char *const *row);

/* Append the lines, without blanks at their ends. */
void table_put(const struct table *table, struct buf *out);

/* The same to stdout. */
void table_print(const struct table *table);

#endif
