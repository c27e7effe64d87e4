/*
 * Which keys may be on disk: a Bloom filter, so that a new key needs no look at the disk.
 * A key has 4 bits of one word.  A filter that has its number of keys stays, and a larger
 * one goes on.
 */
#include "stream/store_int.h"

enum { FILTER_MIN = 512, KEY_BITS = 12 };

struct store_filter {
	struct store_filter *older;
	size_t nword, n; /* a power of two; keys */
	uint64_t word[];
};

static size_t
size_of(const struct store_filter *filter)
{
	return sizeof *filter + filter->nword * sizeof filter->word[0];
}

static size_t
word_of(const struct store_filter *filter, uint64_t hash)
{
	return hash >> 24 & (filter->nword - 1);
}

static uint64_t
bits_of(uint64_t hash)
{
	return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63) | 1ull << (hash >> 12 & 63)
		| 1ull << (hash >> 18 & 63);
}

bool
store_filter_may_have(const struct store *store, struct str key)
{
	uint64_t hash = store_hash_of(store->set->seed, key), bits = bits_of(hash);
	for (const struct store_filter *filter = store->filter; filter; filter = filter->older)
		if ((filter->word[word_of(filter, hash)] & bits) == bits)
			return true;
	return false;
}

void
store_filter_add(struct store *store, struct str key)
{
	struct store_filter *filter = store->filter;
	uint64_t hash = store_hash_of(store->set->seed, key);
	if (store_filter_may_have(store, key))
		return;
	if (!filter || filter->n * KEY_BITS > filter->nword * 64) {
		size_t nword = filter ? filter->nword * 4 : FILTER_MIN;
		size_t size = sizeof *filter + nword * sizeof filter->word[0];
		filter = memset(store_pool_get(&store->set->pool, size), 0, size);
		filter->older = store->filter;
		filter->nword = nword;
		store->filter = filter;
	}
	filter->word[word_of(filter, hash)] |= bits_of(hash);
	filter->n++;
}

void
store_filter_release(struct store *store)
{
	while (store->filter) {
		struct store_filter *filter = store->filter;
		store->filter = filter->older;
		store_pool_put(&store->set->pool, filter, size_of(filter));
	}
}
