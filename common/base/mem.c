#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A small first block keeps idle connections cheap; later ones grow. */
#define BLOCK_MIN 4096
#define BLOCK_MAX 65536

struct arena_block {
	struct arena_block *next;
	size_t n, cap;
	_Alignas(16) uint8_t p[];
};

static void *
must(void *p)
{
	if (unlikely(!p)) {
		fputs("kq: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *
mem_alloc(size_t n)
{
	return must(calloc(1, n ? n : 1));
}

void *
mem_realloc(void *p, size_t n)
{
	return must(realloc(p, n ? n : 1));
}

void
mem_free(void *p)
{
	free(p);
}

/* The kernel aligns to small pages: ask for more, and give back what is around. */
void *
mem_pages(size_t n)
{
	assert(n > 0);
	assert(n % MEM_HUGE == 0);
	uint8_t *p = mmap(NULL, n + MEM_HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	must(p == MAP_FAILED ? NULL : p);
	size_t before = -(uintptr_t)p % MEM_HUGE;
	if (before)
		munmap(p, before);
	if (before < MEM_HUGE)
		munmap(p + before + n, MEM_HUGE - before);
	(void)madvise(p + before, n, MADV_HUGEPAGE); /* not every kernel has them */
	return p + before;
}

void
mem_pages_free(void *p, size_t n)
{
	if (p)
		munmap(p, n);
}

char *
mem_strdup(const char *z)
{
	return must(strdup(z));
}

char *
mem_strndup(struct str s)
{
	size_t n = s.n > 0 ? (size_t)s.n : 0;
	char *z = must(malloc(n + 1));
	if (n)
		memcpy(z, s.p, n);
	z[n] = 0;
	return z;
}

/* Bytes of any content. */
static void *
arena_take(struct arena *a, size_t n)
{
	if (a->size_max && n > a->size_max - a->used)
		return NULL;
	if (unlikely(n > PTRDIFF_MAX / 2))
		must(NULL); /* the rounding would overflow to 0 */
	n = (n + 15) & ~(size_t)15;
	if (!a->head || a->head->cap - a->head->n < n) {
		size_t cap = a->head ? MIN(a->head->cap * 2, BLOCK_MAX)
				     : BLOCK_MIN;
		cap = MAX(cap, n);
		struct arena_block *block = must(malloc(sizeof *block + cap));
		*block = (struct arena_block){ .next = a->head, .cap = cap };
		a->head = block;
	}
	void *p = a->head->p + a->head->n;
	a->head->n += n;
	a->used += n;
	if (a->size_max && a->used > a->size_max)
		a->used = a->size_max; /* only the rounding passed it */
	return p;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p = arena_take(a, n);
	return p ? memset(p, 0, n) : NULL;
}

struct str
arena_str(struct arena *a, struct str s)
{
	if (s.n < 0)
		return STR_NULL;
	uint8_t *p = arena_take(a, (size_t)s.n + 1);
	if (s.n)
		memcpy(p, s.p, (size_t)s.n);
	p[s.n] = 0;
	return (struct str){ p, s.n };
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	char *z = arena_alloc(a, (size_t)n + 1);
	vsnprintf(z, (size_t)n + 1, fmt, again);
	va_end(again);
	return z;
}

void
arena_reset(struct arena *a)
{
	while (a->head && (a->head->next || a->head->cap > BLOCK_MAX)) {
		struct arena_block *block = a->head;
		a->head = block->next;
		free(block);
	}
	if (a->head)
		a->head->n = 0;
	a->used = 0;
}

void
arena_release(struct arena *a)
{
	while (a->head) {
		struct arena_block *block = a->head;
		a->head = block->next;
		free(block);
	}
	a->used = 0;
}

void
buf_enlarge(struct buf *b, size_t n)
{
	if (unlikely(n > PTRDIFF_MAX / 2 - b->n))
		must(NULL); /* the doubling would overflow */
	size_t cap = b->cap ? b->cap * 2 : 256;
	while (cap - b->n < n)
		cap *= 2;
	b->p = must(realloc(b->p, cap));
	b->cap = cap;
}

void
buf_puts(struct buf *b, const char *z)
{
	buf_put(b, z, strlen(z));
}

void
buf_put_int(struct buf *b, int64_t n)
{
	static const char pair[] = "000102030405060708091011121314151617181920212223242526272829303132"
		"333435363738394041424344454647484950515253545556575859606162636465666768697071727374"
		"75767778798081828384858687888990919293949596979899";
	char digits[20], *to = digits + sizeof digits, *p = to;
	uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	for (; rest >= 10; rest /= 100)
		memcpy(p -= 2, pair + rest % 100 * 2, 2);
	if (rest || p == to)
		*--p = (char)('0' + rest);
	if (n < 0)
		*--p = '-';
	buf_put(b, p, (size_t)(to - p));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	buf_reserve(b, (size_t)n + 1);
	vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
	va_end(again);
	b->n += (size_t)n;
}

void
buf_release(struct buf *b)
{
	free(b->p);
	*b = (struct buf)BUF_INIT;
}
