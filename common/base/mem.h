/*
 * The three owners of memory: an arena (one request, one command run), a buf
 * (growing bytes), and plain structs that the caller declares.
 *
 * malloc is called in mem.c only.  Out of memory ends the process, so limits
 * come first: whatever a peer or a file can make grow has an arena with a cap,
 * or its length is checked before the allocation.
 *
 * Uses: libc only.
 */
#ifndef KQ_BASE_MEM_H
#define KQ_BASE_MEM_H

#include "base/base.h"

/* Zeroed bytes from the heap; never NULL.  Freed with mem_free. */
void *mem_alloc(size_t n);
void *mem_realloc(void *p, size_t n); /* new bytes are not zeroed */
void mem_free(void *p);               /* NULL: no effect */
char *mem_strdup(const char *z);
char *mem_strndup(struct str s);      /* NUL-terminated; null becomes "" */

#define NEW(T) ((T *)mem_alloc(sizeof(T)))

/* Zeroed bytes straight from the kernel, for big tables: n is a multiple of
 * MEM_HUGE, and the memory is aligned to it and in huge pages where the kernel has
 * some, which saves most misses of the TLB.  mem_pages_free gives it back at once. */
#define MEM_HUGE ((size_t)2 << 20)
void *mem_pages(size_t n);
void mem_pages_free(void *p, size_t n);

/* Memory that is freed all at once.  One thread at a time. */
struct arena {
	struct arena_block *head;
	size_t used;     /* bytes allocated since the last reset */
	size_t size_max; /* bytes; 0: no cap */
};
#define ARENA_INIT { NULL, 0, 0 }

/* Zeroed bytes, aligned to 16; NULL if they would pass size_max (never without
 * a cap). */
void *arena_alloc(struct arena *a, size_t n);

/* A copy of s in the arena, followed by a NUL; null stays null.  Only for arenas
 * without a cap, as arena_printf. */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void arena_reset(struct arena *a);   /* free all; one small block is kept for reuse */
void arena_release(struct arena *a);

/* Growing bytes. */
struct buf {
	uint8_t *p;
	size_t n, cap;
};
#define BUF_INIT { NULL, 0, 0 }

/* Make room for n more bytes, for buf_reserve. */
void buf_enlarge(struct buf *b, size_t n);

/* Make room for n more bytes; b->n stays, and b->p is valid, also for n = 0. */
static inline void
buf_reserve(struct buf *b, size_t n)
{
	if (unlikely(!b->p || b->cap - b->n < n))
		buf_enlarge(b, n);
}

/* Append n bytes of any content; returns them. */
static inline uint8_t *
buf_grow(struct buf *b, size_t n)
{
	buf_reserve(b, n);
	b->n += n;
	return b->p + b->n - n;
}

static inline void
buf_put(struct buf *b, const void *p, size_t n)
{
	if (n)
		memcpy(buf_grow(b, n), p, n);
}

static inline void
buf_put_str(struct buf *b, struct str s) /* null: no effect */
{
	if (s.n > 0)
		memcpy(buf_grow(b, (size_t)s.n), s.p, (size_t)s.n);
}

static inline void
buf_putc(struct buf *b, char c)
{
	*buf_grow(b, 1) = (uint8_t)c;
}

void buf_puts(struct buf *b, const char *z);
void buf_put_int(struct buf *b, int64_t n); /* as %lld, ten times as fast */
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void buf_release(struct buf *b); /* free; back to BUF_INIT */

/* Big-endian. */
static inline void
buf_put_be16(struct buf *b, uint16_t v)
{
	store_be16(buf_grow(b, sizeof v), v);
}

static inline void
buf_put_be32(struct buf *b, uint32_t v)
{
	store_be32(buf_grow(b, sizeof v), v);
}

static inline void
buf_put_be64(struct buf *b, uint64_t v)
{
	store_be64(buf_grow(b, sizeof v), v);
}

static inline void
buf_reset(struct buf *b)
{
	b->n = 0;
}

static inline struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->p, (int32_t)b->n };
}

#endif
