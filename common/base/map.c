#include "base/map.h"

#include "base/mem.h"

/* Jenkins' one-at-a-time hash: seeded, short, good enough for names. */
static uint32_t
hash_of(const struct map *m, struct str key)
{
	uint32_t h = m->seed;
	for (int32_t i = 0; i < key.n; i++) {
		h += key.p[i];
		h += h << 10;
		h ^= h >> 6;
	}
	h += h << 3;
	h ^= h >> 11;
	return h + (h << 15);
}

/* The entry of the key, or the free place where it would go. */
static struct map_entry *
find(const struct map *m, struct str key, uint32_t hash)
{
	for (uint32_t i = hash;; i++) {
		struct map_entry *e = &m->v[i & (m->cap - 1)];
		if (!e->value || (e->hash == hash && str_eq(e->key, key)))
			return e;
	}
}

static void
resize(struct map *m, uint32_t cap)
{
	struct map old = *m;
	m->cap = cap;
	m->v = mem_alloc(cap * sizeof *m->v);
	MAP_EACH(e, &old)
		*find(m, e->key, e->hash) = *e;
	mem_free(old.v);
}

void *
map_get(const struct map *m, struct str key)
{
	return m->n ? find(m, key, hash_of(m, key))->value : NULL;
}

void
map_put(struct map *m, struct str key, void *value)
{
	assert(value);
	if (m->n * 4 >= m->cap * 3)
		resize(m, m->cap ? m->cap * 2 : 16);
	uint32_t hash = hash_of(m, key);
	struct map_entry *e = find(m, key, hash);
	if (!e->value)
		m->n++;
	*e = (struct map_entry){ key, value, hash };
}

void *
map_remove(struct map *m, struct str key)
{
	if (!m->n)
		return NULL;
	struct map_entry *e = find(m, key, hash_of(m, key));
	void *value = e->value;
	if (!value)
		return NULL;
	/* Close the gap: every later entry of the run that may move, does. */
	e->value = NULL;
	m->n--;
	for (uint32_t i = (uint32_t)(e - m->v) + 1;; i++) {
		struct map_entry *next = &m->v[i & (m->cap - 1)];
		if (!next->value)
			return value;
		struct map_entry moved = *next;
		next->value = NULL;
		*find(m, moved.key, moved.hash) = moved;
	}
}

void
map_release(struct map *m)
{
	mem_free(m->v);
	m->v = NULL;
	m->n = m->cap = 0;
}
