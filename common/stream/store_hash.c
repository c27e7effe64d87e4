/*
 * Hash tables of records.  A slot has the 45 bits of an address that is a multiple of 8,
 * and 19 bits of the hash: they say where the slot should be, and spare most looks at
 * records with other keys.  A slot that is taken moves on to the next one.
 */
#include "stream/store_int.h"

#define TAG_BITS 19
#define TAG_MASK (((uint64_t)1 << TAG_BITS) - 1)
#define TABLE_MIN ((size_t)128)

struct store_table {
	uint32_t n, nslot;
	uint32_t bits; /* first bits of a hash that all its records share */
	uint32_t unused;
	uint64_t slot[];
};

/* ---- the hash ---- */

static uint64_t
mix(uint64_t x, uint64_t y)
{
	__extension__ unsigned __int128 product = (unsigned __int128)x * y;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t
load_8(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static uint64_t
load_4(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

/* Folded products of the key's words, by odd constants (digits of pi) that the seed changes:
 * a word equal to its constant makes a product 0 whatever the other one is, so who chooses
 * keys must not know the constants, or all his keys would have one hash. */
uint64_t
store_hash_of(uint64_t seed, struct str key)
{
	const uint64_t one = 0x243f6a8885a308d3 ^ seed;
	const uint64_t two = 0x13198a2e03707345 ^ (seed << 32 | seed >> 32);
	const uint8_t *p = key.p;
	size_t n = (size_t)key.n;
	uint64_t hash = one, x = 0, y = 0;
	for (; n > 16; n -= 16, p += 16)
		hash = mix(load_8(p) ^ two, load_8(p + 8) ^ hash);
	if (n >= 8) {
		x = load_8(p);
		y = load_8(p + n - 8);
	} else if (n >= 4) {
		x = load_4(p);
		y = load_4(p + n - 4);
	} else if (n > 0) {
		x = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
	}
	return mix(mix(x ^ two, y ^ hash) ^ one, two ^ (uint64_t)key.n);
}

/* ---- slots ---- */

static struct store_rec *
rec_of(uint64_t slot)
{
	return (struct store_rec *)(uintptr_t)(slot >> TAG_BITS << 3);
}

static uint64_t
slot_of(const struct store_rec *rec, uint64_t at)
{
	assert(((uintptr_t)rec & 7) == 0);
	return (uint64_t)(uintptr_t)rec << 16 | (at & TAG_MASK);
}

static uint32_t
home_of(const struct store_table *table, uint64_t at)
{
	return (uint32_t)((at & TAG_MASK) * table->nslot >> TAG_BITS);
}

static uint32_t
after(const struct store_table *table, uint32_t i)
{
	return i + 1 == table->nslot ? 0 : i + 1;
}

static size_t
size_of(const struct store_table *table)
{
	return sizeof *table + table->nslot * sizeof table->slot[0];
}

static struct store_table *
table_new(struct store_hash *hash, size_t n, uint32_t bits)
{
	struct store_table *table = store_pool_get(hash->pool, n);
	memset(table, 0, n);
	table->bits = bits;
	table->nslot = (uint32_t)((n - sizeof *table) / sizeof table->slot[0]);
	return table;
}

static void
put_slot(struct store_table *table, uint64_t slot)
{
	uint32_t i = home_of(table, slot);
	while (table->slot[i])
		i = after(table, i);
	table->slot[i] = slot;
	table->n++;
}

static size_t
index_of(const struct store_hash *hash, uint64_t at)
{
	return hash->bits ? at >> (64 - hash->bits) : 0;
}

static struct store_table *
table_at(const struct store_hash *hash, uint64_t at)
{
	return hash->table[index_of(hash, at)];
}

/* The index of the record's slot. */
static uint32_t
find_slot(const struct store_table *table, const struct store_rec *rec, uint64_t at)
{
	uint64_t slot = slot_of(rec, at);
	uint32_t i = home_of(table, at);
	while (table->slot[i] != slot) {
		assert(table->slot[i]);
		i = after(table, i);
	}
	return i;
}

/* ---- growth ---- */

/* A table that is twice as large; the tags say where each slot goes. */
static struct store_table *
double_table(struct store_hash *hash, struct store_table *old)
{
	struct store_table *table = table_new(hash, size_of(old) * 2, old->bits);
	for (uint32_t i = 0; i < old->nslot; i++)
		if (old->slot[i])
			put_slot(table, old->slot[i]);
	return table;
}

/* Let the entries of the directory that had the table have `half` where the bit is set. */
static void
point_to(struct store_hash *hash, const struct store_table *old, struct store_table *zero,
	struct store_table *half, int bit)
{
	for (size_t i = 0; i < (size_t)1 << hash->bits; i++)
		if (hash->table[i] == old)
			hash->table[i] = i >> (hash->bits - 1 - bit) & 1 ? half : zero;
}

static void
double_directory(struct store_hash *hash)
{
	size_t n = (size_t)1 << hash->bits;
	struct store_table **table = store_pool_get(hash->pool, 2 * n * sizeof(void *));
	for (size_t i = 0; i < 2 * n; i++)
		table[i] = hash->table[i / 2];
	store_pool_put(hash->pool, hash->table, n * sizeof(void *));
	hash->table = table;
	hash->bits++;
}

static void
split(struct store_hash *hash, struct store_table *old, uint64_t seed)
{
	struct store_table *half[2];
	int bit = (int)old->bits;
	assert(bit < 40);
	if (bit == hash->bits)
		double_directory(hash);
	for (int i = 0; i < 2; i++)
		half[i] = table_new(hash, STORE_BLOCK, old->bits + 1);
	for (uint32_t i = 0; i < old->nslot; i++) {
		if (i + 16 < old->nslot)
			__builtin_prefetch(rec_of(old->slot[i + 16]));
		if (old->slot[i]) {
			uint64_t at = store_hash_of(seed, rec_key(rec_of(old->slot[i])));
			put_slot(half[at >> (63 - bit) & 1], old->slot[i]);
		}
	}
	point_to(hash, old, half[0], half[1], bit);
	store_pool_put(hash->pool, old, size_of(old));
}

/* Make room in the table of this hash for one more: at most 3 of 4 slots are taken. */
static void
make_room(struct store_hash *hash, uint64_t at, uint64_t seed)
{
	if (!hash->table) {
		hash->table = store_pool_get(hash->pool, sizeof(void *));
		hash->table[0] = table_new(hash, TABLE_MIN, 0);
	}
	for (;;) {
		struct store_table *table = table_at(hash, at);
		if (table->n < (uint64_t)table->nslot * 3 / 4)
			return;
		if (size_of(table) < STORE_BLOCK) {
			assert(hash->bits == 0);
			hash->table[0] = double_table(hash, table);
			store_pool_put(hash->pool, table, size_of(table));
		} else {
			split(hash, table, seed);
		}
	}
}

/* ---- the calls ---- */

struct store_rec *
store_hash_find(const struct store_hash *hash, struct str key, uint64_t at)
{
	if (!hash->table)
		return NULL;
	const struct store_table *table = table_at(hash, at);
	for (uint32_t i = home_of(table, at); table->slot[i]; i = after(table, i)) {
		if ((table->slot[i] & TAG_MASK) != (at & TAG_MASK))
			continue;
		struct store_rec *rec = rec_of(table->slot[i]);
		if (rec_has_key(rec, key))
			return rec;
	}
	return NULL;
}

void
store_hash_add(struct store_hash *hash, struct store_rec *rec, uint64_t at, uint64_t seed)
{
	make_room(hash, at, seed);
	put_slot(table_at(hash, at), slot_of(rec, at));
	hash->n++;
}

void
store_hash_replace(struct store_hash *hash, struct store_rec *old, struct store_rec *rec,
	uint64_t at)
{
	struct store_table *table = table_at(hash, at);
	table->slot[find_slot(table, old, at)] = slot_of(rec, at);
}

/* Fill the hole with a later slot that may be there, and so on, so that no search ends
 * too early. */
void
store_hash_remove(struct store_hash *hash, struct store_rec *rec, uint64_t at)
{
	struct store_table *table = table_at(hash, at);
	uint32_t hole = find_slot(table, rec, at);
	for (uint32_t i = after(table, hole); table->slot[i]; i = after(table, i)) {
		uint32_t home = home_of(table, table->slot[i]);
		bool is_between = hole < i ? hole < home && home <= i : hole < home || home <= i;
		if (is_between)
			continue;
		table->slot[hole] = table->slot[i];
		hole = i;
	}
	table->slot[hole] = 0;
	table->n--;
	hash->n--;
}

void
store_hash_release(struct store_hash *hash)
{
	size_t n = hash->table ? (size_t)1 << hash->bits : 0;
	for (size_t i = 0; i < n;) {
		struct store_table *table = hash->table[i];
		i += (size_t)1 << (hash->bits - (int)table->bits);
		store_pool_put(hash->pool, table, size_of(table));
	}
	if (n)
		store_pool_put(hash->pool, hash->table, n * sizeof(void *));
	hash->table = NULL;
	hash->bits = 0;
	hash->n = 0;
}

void
store_hash_prefetch(const struct store_hash *hash, uint64_t at)
{
	if (!hash->table)
		return;
	const struct store_table *table = table_at(hash, at);
	__builtin_prefetch(&table->slot[home_of(table, at)]);
}

void
store_hash_prefetch_rec(const struct store_hash *hash, uint64_t at)
{
	if (!hash->table)
		return;
	const struct store_table *table = table_at(hash, at);
	for (uint32_t i = home_of(table, at); table->slot[i]; i = after(table, i)) {
		if ((table->slot[i] & TAG_MASK) != (at & TAG_MASK))
			continue;
		const uint8_t *p = (const uint8_t *)rec_of(table->slot[i]);
		__builtin_prefetch(p);
		__builtin_prefetch(p + 55);
		return;
	}
}

void
store_hash_list(const struct store_hash *hash, struct store_rec **v)
{
	size_t n = hash->table ? (size_t)1 << hash->bits : 0;
	for (size_t i = 0; i < n;) {
		const struct store_table *table = hash->table[i];
		for (uint32_t j = 0; j < table->nslot; j++)
			if (table->slot[j])
				*v++ = rec_of(table->slot[j]);
		i += (size_t)1 << (hash->bits - (int)table->bits);
	}
}
