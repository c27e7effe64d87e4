/*
 * A binary heap of int64 keys, the smallest on top.  The nodes are embedded in
 * the ordered structs and know their place, so any of them can be removed.
 *
 * Uses: mem.  One thread at a time.
 */
#ifndef KQ_BASE_HEAP_H
#define KQ_BASE_HEAP_H

#include "base/base.h"

struct heap_node {
	int64_t key;
	size_t at; /* place in the heap, from 1; 0: in no heap */
};

struct heap {
	struct heap_node **v;
	size_t n, cap;
};
#define HEAP_INIT { NULL, 0, 0 }

void heap_put(struct heap *h, struct heap_node *node, int64_t key);
void heap_remove(struct heap *h, struct heap_node *node); /* absent: no effect */
struct heap_node *heap_top(const struct heap *h);         /* NULL if empty */
void heap_release(struct heap *h);

#endif
