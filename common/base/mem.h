/*
 * The three owners of memory: an arena (one request, one command run), a buf
 * (growing bytes), and plain structs that the caller declares.
 *
 * malloc is called in mem.c only.  Out of memory ends the process, so limits
 * come first: whatever the outside can make grow has an arena with a cap or
 * a length checked before it is asked for.
 *
 * Uses: libc only.
 */
#ifndef KQ_BASE_MEM_H
#define KQ_BASE_MEM_H

#include "base/base.h"

/* Zeroed bytes from the heap; never NULL.  Freed with mem_free. */
void *mem_alloc(size_t n);
void *mem_realloc(void *p, size_t n); /* new bytes are not zeroed */
void mem_free(void *p);               /* NULL is fine */
char *mem_strdup(const char *z);
char *mem_strndup(struct str s);      /* NUL-terminated; null becomes "" */

#define NEW(T) ((T *)mem_alloc(sizeof(T)))

/* Bytes given back all at once.  One thread at a time. */
struct arena {
	struct arena_block *head;
	size_t used;     /* bytes handed out since the last reset */
	size_t size_max; /* 0: no cap */
};
#define ARENA_INIT { NULL, 0, 0 }

/* Zeroed, 16-byte aligned bytes; NULL once size_max would be passed (never
 * NULL without a cap). */
void *arena_alloc(struct arena *a, size_t n);

/* A copy of s in the arena, NUL-terminated behind its end; null stays null.
 * For arenas without a cap. */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void arena_reset(struct arena *a);   /* keep one small block, forget all */
void arena_release(struct arena *a);

/* Growing bytes. */
struct buf {
	uint8_t *p;
	size_t n, cap;
};
#define BUF_INIT { NULL, 0, 0 }

uint8_t *buf_grow(struct buf *b, size_t n); /* n more bytes, b->n moved on */
void buf_reserve(struct buf *b, size_t n);  /* room for n more; b->n stays */
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_str(struct buf *b, struct str s); /* nothing for null */
void buf_puts(struct buf *b, const char *z);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void buf_release(struct buf *b); /* to BUF_INIT */

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
