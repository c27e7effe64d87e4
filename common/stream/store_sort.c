/* Records in the order of their keys. */
#include "stream/store_int.h"

#include <stdlib.h>

enum {
	FAR_AHEAD = 4 * AHEAD, /* where there is little to do with a record */
	FEW = 64,              /* are sorted by comparisons */
	DEPTH_MAX = 8,         /* then, too: keys of many bytes may differ at their ends only */
};

static int
compare(const void *x, const void *y)
{
	const struct store_sort *left = x, *right = y;
	return str_cmp(rec_key(left->rec), rec_key(right->rec));
}

/* By heads, byte by byte from the last one; bytes that are equal in all are left out. */
static void
by_heads(struct store_sort *v, size_t n)
{
	struct store_sort *from = v, *to = mem_alloc(n * sizeof *v);
	for (int shift = 0; shift < 64; shift += 8) {
		size_t at[256] = { 0 }, sum = 0;
		for (size_t i = 0; i < n; i++)
			at[from[i].head >> shift & 255]++;
		if (at[from[0].head >> shift & 255] == n)
			continue;
		for (int i = 0; i < 256; i++) {
			size_t count = at[i];
			at[i] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[at[from[i].head >> shift & 255]++] = from[i];
		struct store_sort *swap = from;
		from = to;
		to = swap;
	}
	if (from != v)
		memcpy(v, from, n * sizeof *v);
	mem_free(from == v ? to : from);
}

/* How many of the first n bytes the keys share. */
static size_t
shared_of(const struct store_rec *x, const struct store_rec *y, size_t n)
{
	size_t i = 0, end = MIN(n, (size_t)y->key_n);
	for (; i + 8 <= end && memcmp(x->key + i, y->key + i, 8) == 0; i += 8)
		;
	while (i < end && x->key[i] == y->key[i])
		i++;
	return i;
}

/* By the 8 bytes after those that all keys share, then runs of equal ones likewise. */
static void
sort(struct store_sort *v, size_t n, int depth)
{
	size_t shared = SIZE_MAX;
	if (n < FEW || depth == DEPTH_MAX) {
		if (n > 1)
			qsort(v, n, sizeof *v, compare);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (i + FAR_AHEAD < n)
			__builtin_prefetch(v[i + FAR_AHEAD].rec);
		shared = shared_of(v[0].rec, v[i].rec, shared);
	}
	for (size_t i = 0; i < n; i++) {
		if (i + FAR_AHEAD < n)
			__builtin_prefetch(v[i + FAR_AHEAD].rec);
		v[i].head = rec_head(v[i].rec, shared);
	}
	by_heads(v, n);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && v[j].head == v[i].head; j++)
			;
		if (j - i > 1)
			sort(v + i, j - i, depth + 1);
	}
}

void
store_sort_heads(struct store_sort *v, size_t n)
{
	sort(v, n, 0);
}

void
store_sort(struct store_rec **v, size_t n)
{
	struct store_sort *list = mem_alloc(n * sizeof *list);
	for (size_t i = 0; i < n; i++)
		list[i].rec = v[i];
	sort(list, n, 0);
	for (size_t i = 0; i < n; i++)
		v[i] = list[i].rec;
	mem_free(list);
}
