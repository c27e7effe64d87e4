/*
 * A hash table from bytes to pointers.  The key's bytes are borrowed and must
 * stay valid as long as the entry; usually they are part of the value.
 *
 * Uses: mem.  Any number of readers, or one writer.
 */
#ifndef KQ_BASE_MAP_H
#define KQ_BASE_MAP_H

#include "base/base.h"

struct map_entry {
	struct str key;
	void *value; /* NULL: the entry is free */
	uint32_t hash;
};

struct map {
	struct map_entry *v;
	uint32_t n, cap; /* cap is 0 or a power of two */
	uint32_t seed;   /* random, against chosen collisions; set before the first use */
};
#define MAP_INIT { NULL, 0, 0, 0 }

void *map_get(const struct map *map, struct str key);        /* NULL: absent */
void map_put(struct map *map, struct str key, void *value);  /* adds or replaces */
void *map_remove(struct map *map, struct str key);           /* the value, or NULL */
void map_release(struct map *map);                           /* keeps the values */

/* For each entry, in no order; the body must neither put nor remove. */
#define MAP_EACH(it, map) \
	for (struct map_entry *it = (map)->v, *it##_end = (map)->cap ? it + (map)->cap : it; \
	     it != it##_end; it++) \
		if (it->value)

#endif
