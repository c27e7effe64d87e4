#include "text/table.h"

#include <stdio.h>

void
table_init(struct table *table, const char *const *head, int ncolumn, const char *align)
{
	*table = (struct table){ .ncolumn = ncolumn, .align = align };
	assert(ncolumn > 0);
	table_add(table, head);
}

void
table_release(struct table *table)
{
	mem_free(table->cell);
	table->cell = NULL;
}

void
table_add(struct table *table, const char *const *row)
{
	if (table->nrow == table->cap) {
		table->cap = MAX(2 * table->cap, 16);
		table->cell = mem_realloc(table->cell,
			(size_t)table->cap * (size_t)table->ncolumn * sizeof *table->cell);
	}
	memcpy(table->cell + (size_t)table->nrow++ * (size_t)table->ncolumn, row,
		(size_t)table->ncolumn * sizeof *table->cell);
}

/* The number of characters, each assumed to be one column wide. */
static int
width_of(const char *z)
{
	int n = 0;
	for (; *z; z++)
		n += ((uint8_t)*z & 0xc0) != 0x80;
	return n;
}

static int
column_width(const struct table *table, int column)
{
	int n = 0;
	for (int i = 0; i < table->nrow; i++)
		n = MAX(n, width_of(table->cell[i * table->ncolumn + column]));
	return n;
}

static void
pad(struct buf *out, int n)
{
	for (; n > 0; n--)
		buf_putc(out, ' ');
}

void
table_put(const struct table *table, struct buf *out)
{
	int *width = mem_alloc((size_t)table->ncolumn * sizeof *width);
	int nleft = (int)strlen(table->align);
	for (int k = 0; k < table->ncolumn; k++)
		width[k] = column_width(table, k);
	for (int i = 0; i < table->nrow; i++)
		for (int k = 0; k < table->ncolumn; k++) {
			const char *cell = table->cell[i * table->ncolumn + k];
			bool is_left = k < nleft && table->align[k] == 'l', is_last = k + 1 == table->ncolumn;
			int blanks = width[k] - width_of(cell);
			if (!is_left)
				pad(out, blanks);
			buf_puts(out, cell);
			if (is_left && !is_last)
				pad(out, blanks);
			buf_puts(out, is_last ? "\n" : "  ");
		}
	mem_free(width);
}

void
table_print(const struct table *table)
{
	struct buf b = BUF_INIT;
	table_put(table, &b);
	fwrite(b.p, 1, b.n, stdout);
	buf_release(&b);
}
