/*
 * A hash table from bytes to pointers.  The key's bytes are borrowed: they
 * live in the value, or at least as long as the entry.
 *
 * Uses: mem.  Readers may share it while nobody writes.
 */
#ifndef KQ_BASE_MAP_H
#define KQ_BASE_MAP_H

#include "base/base.h"

struct map_entry {
	struct str key;
	void *value; /* NULL: free place */
	uint32_t hash;
};

struct map {
	struct map_entry *v;
	uint32_t n, cap; /* cap is 0 or a power of two */
	uint32_t seed;   /* against chosen collisions; set before first use */
};
#define MAP_INIT { NULL, 0, 0, 0 }

void *map_get(const struct map *map, struct str key);        /* NULL: absent */
void map_put(struct map *map, struct str key, void *value);  /* or replace */
void *map_remove(struct map *map, struct str key);           /* the old value */
void map_release(struct map *map);                           /* not the values */

/* Walk in no order; neither put nor remove meanwhile. */
#define MAP_EACH(e, m) \
	for (struct map_entry *e = (m)->v, *e##_end = (m)->cap ? e + (m)->cap : e; \
	     e != e##_end; e++) \
		if (e->value)

#endif
