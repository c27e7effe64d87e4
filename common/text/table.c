#include "text/table.h"

#include <stdio.h>

void
table_init(struct table *t, const char *const *head, int ncolumn, const char *align)
{
	*t = (struct table){ .ncolumn = ncolumn, .align = align };
	assert(ncolumn > 0);
	table_add(t, head);
}

void
table_release(struct table *t)
{
	mem_free(t->cell);
	t->cell = NULL;
}

void
table_add(struct table *t, const char *const *row)
{
	if (t->nrow == t->cap) {
		t->cap = MAX(2 * t->cap, 16);
		t->cell = mem_realloc(t->cell, (size_t)t->cap * (size_t)t->ncolumn * sizeof *t->cell);
	}
	memcpy(t->cell + (size_t)t->nrow++ * (size_t)t->ncolumn, row,
		(size_t)t->ncolumn * sizeof *t->cell);
}

/* Characters, taken to be one place wide each. */
static int
width_of(const char *z)
{
	int n = 0;
	for (; *z; z++)
		n += ((uint8_t)*z & 0xc0) != 0x80;
	return n;
}

static int
column_width(const struct table *t, int column)
{
	int n = 0;
	for (int i = 0; i < t->nrow; i++)
		n = MAX(n, width_of(t->cell[i * t->ncolumn + column]));
	return n;
}

static void
pad(struct buf *out, int n)
{
	for (; n > 0; n--)
		buf_putc(out, ' ');
}

void
table_put(const struct table *t, struct buf *out)
{
	int *width = mem_alloc((size_t)t->ncolumn * sizeof *width);
	int nleft = (int)strlen(t->align);
	for (int k = 0; k < t->ncolumn; k++)
		width[k] = column_width(t, k);
	for (int i = 0; i < t->nrow; i++)
		for (int k = 0; k < t->ncolumn; k++) {
			const char *cell = t->cell[i * t->ncolumn + k];
			bool is_left = k < nleft && t->align[k] == 'l', is_last = k + 1 == t->ncolumn;
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
table_print(const struct table *t)
{
	struct buf b = BUF_INIT;
	table_put(t, &b);
	fwrite(b.p, 1, b.n, stdout);
	buf_release(&b);
}
