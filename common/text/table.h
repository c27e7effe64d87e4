/*
 * A table of text: columns as wide as their widest cell, separated by two spaces.
 *
 *	static const char *const head[] = { "topic", "partition" };
 *	struct table table;
 *	table_init(&table, head, 2, "l");
 *	table_add(&table, (const char *[]){ "orders", "0" });
 *	table_put(&table, &buf);
 *	table_release(&table);
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
	const char **cell; /* row by row; the first row is the head */
	int nrow, cap;
};

/* align has a letter per column, 'l' for left; columns beyond its end are aligned to
 * the right. */
void table_init(struct table *table, const char *const *head, int ncolumn, const char *align);
void table_release(struct table *table);

void table_add(struct table *table, const char *const *row);

/* Append the lines, without trailing blanks. */
void table_put(const struct table *table, struct buf *out);

/* Print the lines to stdout. */
void table_print(const struct table *table);

#endif
