#include "base/map.h"

#include "base/mem.h"

/* Jenkins' one-at-a-time hash: short, seeded, good enough for names. */
static uint32_t
hash_of(const struct map *map, struct str key)
{
	uint32_t hash = map->seed;
	for (int32_t i = 0; i < key.n; i++) {
		hash += key.p[i];
		hash += hash << 10;
		hash ^= hash >> 6;
	}
	hash += hash << 3;
	hash ^= hash >> 11;
	return hash + (hash << 15);
}

/* The key's entry, or the free entry where it belongs. */
static struct map_entry *
find(const struct map *map, struct str key, uint32_t hash)
{
	for (uint32_t i = hash;; i++) {
		struct map_entry *entry = &map->v[i & (map->cap - 1)];
		if (!entry->value || (entry->hash == hash && str_eq(entry->key, key)))
			return entry;
	}
}

static void
resize(struct map *map, uint32_t cap)
{
	struct map old = *map;
	map->cap = cap;
	map->v = mem_alloc(cap * sizeof *map->v);
	MAP_EACH(entry, &old)
		*find(map, entry->key, entry->hash) = *entry;
	mem_free(old.v);
}

void *
map_get(const struct map *map, struct str key)
{
	return map->n ? find(map, key, hash_of(map, key))->value : NULL;
}

void
map_put(struct map *map, struct str key, void *value)
{
	assert(value);
	if (map->n * 4 >= map->cap * 3)
		resize(map, map->cap ? map->cap * 2 : 16);
	uint32_t hash = hash_of(map, key);
	struct map_entry *entry = find(map, key, hash);
	if (!entry->value)
		map->n++;
	*entry = (struct map_entry){ key, value, hash };
}

void *
map_remove(struct map *map, struct str key)
{
	if (!map->n)
		return NULL;
	struct map_entry *entry = find(map, key, hash_of(map, key));
	void *value = entry->value;
	if (!value)
		return NULL;
	/* Close the gap: put each later entry of the run where it is found now. */
	entry->value = NULL;
	map->n--;
	for (uint32_t i = (uint32_t)(entry - map->v) + 1;; i++) {
		struct map_entry *next = &map->v[i & (map->cap - 1)];
		if (!next->value)
			return value;
		struct map_entry moved = *next;
		next->value = NULL;
		*find(map, moved.key, moved.hash) = moved;
	}
}

void
map_release(struct map *map)
{
	mem_free(map->v);
	map->v = NULL;
	map->n = map->cap = 0;
}
