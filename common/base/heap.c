#include "base/heap.h"

#include "base/mem.h"

static void
place(struct heap *h, struct heap_node *node, size_t at)
{
	h->v[at - 1] = node;
	node->at = at;
}

static void
sift(struct heap *h, struct heap_node *node, size_t at)
{
	for (size_t up = at / 2; up && h->v[up - 1]->key > node->key; up /= 2) {
		place(h, h->v[up - 1], at);
		at = up;
	}
	for (size_t kid; (kid = at * 2) <= h->n; at = kid) {
		if (kid < h->n && h->v[kid]->key < h->v[kid - 1]->key)
			kid++;
		if (h->v[kid - 1]->key >= node->key)
			break;
		place(h, h->v[kid - 1], at);
	}
	place(h, node, at);
}

void
heap_put(struct heap *h, struct heap_node *node, int64_t key)
{
	assert(node->at == 0);
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->v = mem_realloc(h->v, h->cap * sizeof *h->v);
	}
	node->key = key;
	h->n++;
	h->v[h->n - 1] = node;
	sift(h, node, h->n);
}

void
heap_remove(struct heap *h, struct heap_node *node)
{
	if (!node->at)
		return;
	assert(h->v[node->at - 1] == node);
	size_t at = node->at;
	struct heap_node *last = h->v[--h->n];
	node->at = 0;
	if (last != node) {
		h->v[at - 1] = last;
		sift(h, last, at);
	}
}

struct heap_node *
heap_top(const struct heap *h)
{
	return h->n ? h->v[0] : NULL;
}

void
heap_release(struct heap *h)
{
	mem_free(h->v);
	*h = (struct heap)HEAP_INIT;
}
