/* Where the stores' records are. */
#include "stream/store_int.h"

/* ---- pool ---- */

struct store_free_block {
	struct store_free_block *next;
};

static uintptr_t
page_of(const void *p)
{
	return (uintptr_t)p / MEM_HUGE;
}

static void
add_free(struct store_pool *pool, void *p)
{
	struct store_free_block *block = p;
	block->next = pool->free;
	pool->free = block;
	pool->nfree++;
}

void *
store_pool_get(struct store_pool *pool, size_t n)
{
	pool->used += n;
	if (n != STORE_BLOCK)
		return mem_alloc(n);
	if (!pool->free) {
		uint8_t *p = mem_pages(MEM_HUGE);
		for (size_t i = MEM_HUGE; i > 0; i -= STORE_BLOCK)
			add_free(pool, p + i - STORE_BLOCK);
	}
	struct store_free_block *block = pool->free;
	pool->free = block->next;
	pool->nfree--;
	return block;
}

/* Give the page back if all its blocks are free. */
static void
free_page(struct store_pool *pool, uintptr_t page)
{
	size_t n = 0;
	for (struct store_free_block *block = pool->free; block; block = block->next)
		n += page_of(block) == page;
	if (n < MEM_HUGE / STORE_BLOCK)
		return;
	for (struct store_free_block **at = &pool->free; *at;) {
		if (page_of(*at) == page)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
	pool->nfree -= n;
	mem_pages_free((void *)(page * MEM_HUGE), MEM_HUGE);
}

void
store_pool_put(struct store_pool *pool, void *p, size_t n)
{
	assert(pool->used >= n);
	pool->used -= n;
	if (n != STORE_BLOCK) {
		mem_free(p);
		return;
	}
	add_free(pool, p);
	free_page(pool, page_of(p));
}

/* ---- chunks ---- */

enum { CHUNK_MIN = 4096 };

static struct store_chunk *
add_chunk(struct store_region *region, size_t n)
{
	struct store_chunk *chunk = store_pool_get(region->pool, n);
	*chunk = (struct store_chunk){ .prev = region->last, .cap = n - sizeof *chunk };
	if (region->last)
		region->last->next = chunk;
	else
		region->first = chunk;
	region->last = chunk;
	region->size += n;
	return chunk;
}

static void
unlink_chunk(struct store_region *region, struct store_chunk *chunk)
{
	if (chunk->prev)
		chunk->prev->next = chunk->next;
	else
		region->first = chunk->next;
	if (chunk->next)
		chunk->next->prev = chunk->prev;
	else
		region->last = chunk->prev;
	region->size -= sizeof *chunk + chunk->cap;
}

static void
free_chunk(struct store_region *region, struct store_chunk *chunk)
{
	store_pool_put(region->pool, chunk, sizeof *chunk + chunk->cap);
}

void
store_region_drop_chunk(struct store_region *region, struct store_chunk *chunk)
{
	if (region->open == chunk)
		region->open = NULL;
	unlink_chunk(region, chunk);
	free_chunk(region, chunk);
}

/* Chunks grow with the region, so that at most an eighth of it is unused. */
static size_t
chunk_size(const struct store_region *region)
{
	size_t n = CHUNK_MIN;
	while (n < region->size / 8 && n < region->pool->chunk_max)
		n *= 2;
	return n;
}

/* ---- records ---- */

struct store_rec *
store_region_get(struct store_region *region, size_t key_n, size_t value_n)
{
	size_t n = rec_size_of(key_n, value_n);
	struct store_rec *rec = region->free && n <= REC_SMALL_MAX ? region->free[n / 8] : NULL;
	if (rec) {
		region->free[n / 8] = rec->next;
		region->dead -= n;
	} else if (n > REC_SMALL_MAX) {
		struct store_chunk *chunk = add_chunk(region, sizeof *chunk + n);
		chunk->n = n;
		rec = (void *)chunk->p;
	} else {
		struct store_chunk *chunk = region->open;
		if (!chunk || chunk->cap - chunk->n < n)
			chunk = region->open = add_chunk(region, chunk_size(region));
		rec = (void *)(chunk->p + chunk->n);
		chunk->n += n;
	}
	rec->ts_ms = INT64_MIN;
	rec->key_n = (uint32_t)key_n & REC_KEY_MAX;
	rec->value_n = (uint32_t)value_n;
	rec->flags = 0;
	rec->change = 0;
	return rec;
}


void
store_region_put(struct store_region *region, struct store_rec *rec, struct store_rec *next)
{
	size_t n = rec_size(rec);
	assert(!(rec->flags & REC_OUT));
	rec->flags = REC_OUT;
	rec->next = next;
	if (n > REC_SMALL_MAX) {
		struct store_chunk *chunk = CONTAINER_OF(rec, struct store_chunk, p);
		unlink_chunk(region, chunk);
		if (region->is_pinned) {
			chunk->next = region->limbo;
			region->limbo = chunk;
		} else {
			free_chunk(region, chunk);
		}
		return;
	}
	region->dead += n;
	if (region->dead > 65536 && region->dead > region->size / 3)
		region->pool->is_sparse = true;
	if (region->is_pinned)
		return;
	if (!region->free) {
		size_t size = (REC_SMALL_MAX / 8 + 1) * sizeof *region->free;
		region->free = store_pool_get(region->pool, size);
	}
	rec->next = region->free[n / 8];
	region->free[n / 8] = rec;
}

void
store_region_forget_free(struct store_region *region)
{
	if (region->free)
		store_pool_put(region->pool, region->free,
			(REC_SMALL_MAX / 8 + 1) * sizeof *region->free);
	region->free = NULL;
}

void
store_region_unpin(struct store_region *region)
{
	region->is_pinned = false;
	while (region->limbo) {
		struct store_chunk *chunk = region->limbo;
		region->limbo = chunk->next;
		free_chunk(region, chunk);
	}
}

void
store_region_release(struct store_region *region)
{
	store_region_unpin(region);
	store_region_forget_free(region);
	while (region->first)
		store_region_drop_chunk(region, region->first);
	region->dead = 0;
}
