#include "tap.h"

#include "base/heap.h"

#include <stdlib.h>

enum { N = 500 };

static uint64_t seed = 362436069;

static uint32_t
rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % below;
}

void
test_heap__an_empty_heap_has_no_top(void)
{
	struct heap h = HEAP_INIT;
	struct heap_node a = { 0 };
	check(heap_top(&h) == NULL);
	heap_remove(&h, &a); /* absent: no effect */
	heap_put(&h, &a, 1);
	check(heap_top(&h) == &a);
	heap_remove(&h, &a);
	check_int(a.at, 0);
	heap_remove(&h, &a);
	check(heap_top(&h) == NULL);
	heap_release(&h);
	heap_release(&h);
}

void
test_heap__nodes_leave_in_order(void)
{
	for (int range = 1; range < 2000; range = range * 4 + 1) {
		struct heap h = HEAP_INIT;
		static struct heap_node v[N];
		int64_t last = INT64_MIN;
		for (int i = 0; i < N; i++)
			heap_put(&h, &v[i], rnd((uint32_t)range));
		for (int i = 0; i < N; i++) {
			struct heap_node *top = heap_top(&h);
			check(top && top->key >= last);
			last = top->key;
			heap_remove(&h, top);
		}
		check(heap_top(&h) == NULL);
		heap_release(&h);
	}
}

void
test_heap__any_node_may_leave(void)
{
	struct heap h = HEAP_INIT;
	static struct heap_node v[N];
	for (int round = 0; round < 40000; round++) {
		struct heap_node *it = &v[rnd(N)];
		if (it->at)
			heap_remove(&h, it);
		else if (rnd(100) < (round / 5000 % 2 ? 30u : 80u))
			heap_put(&h, it, (int64_t)rnd(200) - 100);
		if (round % 10)
			continue;
		size_t n = 0;
		int64_t least = INT64_MAX;
		for (int i = 0; i < N; i++)
			if (v[i].at) {
				check(v[i].at <= h.n && h.v[v[i].at - 1] == &v[i]);
				least = MIN(least, v[i].key);
				n++;
			}
		check_int(h.n, n);
		check(n == 0 ? !heap_top(&h) : heap_top(&h)->key == least);
	}
	heap_release(&h);
}

void
test_heap__the_extremes_are_keys_like_others(void)
{
	static const int64_t key[] = { 0, INT64_MAX, -1, INT64_MIN, 1, INT64_MIN, INT64_MAX };
	static const int64_t want[] = { INT64_MIN, INT64_MIN, -1, 0, 1, INT64_MAX, INT64_MAX };
	struct heap h = HEAP_INIT;
	struct heap_node v[ARRAY_LEN(key)] = { { 0 } };
	for (size_t i = 0; i < ARRAY_LEN(key); i++)
		heap_put(&h, &v[i], key[i]);
	for (size_t i = 0; i < ARRAY_LEN(key); i++) {
		check_int(heap_top(&h)->key, want[i]);
		heap_remove(&h, heap_top(&h));
	}
	heap_release(&h);
}
