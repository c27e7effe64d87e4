#include "tap.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>

enum { KEYS = 300 };

static uint64_t seed = 88172645463325252;

static uint32_t
rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % below;
}

void
test_map__an_empty_map_has_nothing(void)
{
	struct map m = MAP_INIT;
	int n = 0;
	check(map_get(&m, STR("a")) == NULL);
	check(map_remove(&m, STR("a")) == NULL);
	MAP_EACH(e, &m)
		n++;
	check_int(n, 0);
	map_release(&m);
	int v;
	map_put(&m, STR("a"), &v);
	check(map_remove(&m, STR("b")) == NULL);
	check(map_remove(&m, STR("a")) == &v);
	check(map_remove(&m, STR("a")) == NULL);
	check_int(m.n, 0);
	map_release(&m);
	map_release(&m);
	check(m.v == NULL && m.cap == 0);
}

void
test_map__keys_are_bytes(void)
{
	struct map m = MAP_INIT;
	int v[5];
	map_put(&m, STR(""), &v[0]);
	map_put(&m, STR("\0"), &v[1]);
	map_put(&m, STR("\0\0"), &v[2]);
	map_put(&m, STR("a\0b"), &v[3]);
	map_put(&m, STR("a\0c"), &v[4]);
	check_int(m.n, 5);
	check(map_get(&m, STR("")) == &v[0]);
	check(map_get(&m, STR("\0")) == &v[1]);
	check(map_get(&m, STR("\0\0")) == &v[2]);
	check(map_get(&m, STR("a\0b")) == &v[3]);
	check(map_get(&m, STR("a\0c")) == &v[4]);
	check(map_get(&m, STR("a")) == NULL);
	map_release(&m);
}

void
test_map__a_replaced_value_brings_its_key(void)
{
	struct map m = MAP_INIT;
	char old[] = "key", new[] = "key";
	map_put(&m, str_of(old), old);
	map_put(&m, str_of(new), new);
	check_int(m.n, 1);
	old[0] = 'X'; /* the old key's bytes may be freed with its value */
	check(map_get(&m, STR("key")) == new);
	MAP_EACH(e, &m)
		check(e->key.p == (const uint8_t *)new);
	map_release(&m);
}

/* Random puts, replacements, removals and look-ups, in the map and in an array. */
static void
compare(struct map *m, const struct str *key, int nkey, int rounds)
{
	static int value[2 * KEYS];
	int *want[KEYS] = { NULL };
	uint32_t n = 0;
	for (int i = 0; i < rounds; i++) {
		uint32_t k = rnd((uint32_t)nkey);
		/* The map grows and shrinks by turns. */
		if (rnd(100) < (i / 2000 % 2 ? 30u : 70u)) {
			n += !want[k];
			want[k] = &value[k + rnd(2) * KEYS];
			map_put(m, key[k], want[k]);
		} else {
			n -= want[k] != NULL;
			check(map_remove(m, key[k]) == want[k]);
			want[k] = NULL;
		}
		check_int(m->n, n);
		k = rnd((uint32_t)nkey);
		check(map_get(m, key[k]) == want[k]);
		if (i % 500 == 0)
			for (int j = 0; j < nkey; j++)
				check(map_get(m, key[j]) == want[j]);
	}
}

void
test_map__does_what_an_array_does(void)
{
	static char text[KEYS][12];
	struct str key[KEYS];
	for (uint32_t s = 0; s < 4; s++) {
		struct map m = MAP_INIT;
		m.seed = s * 0x9e3779b9u;
		int nkey = s == 0 ? 12 : KEYS; /* 12: all in the smallest table */
		for (int i = 0; i < nkey; i++) {
			snprintf(text[i], sizeof text[i], "%d", i);
			key[i] = str_of(text[i]);
		}
		compare(&m, key, nkey, 20000);
		map_release(&m);
	}
}

void
test_map__colliding_keys_live_side_by_side(void)
{
	/* Found by trying: keys whose hashes share their low 12 bits, so that
	 * they fall on one place of every table up to 4096, the last ones. */
	static char text[40][12];
	struct str key[40];
	int nkey = 0;
	uint32_t want = 0xfff;
	int value;
	for (int i = 0; nkey < 40; i++) {
		struct map one = MAP_INIT;
		snprintf(text[nkey], sizeof text[nkey], "k%d", i);
		key[nkey] = str_of(text[nkey]);
		map_put(&one, key[nkey], &value);
		MAP_EACH(e, &one)
			nkey += (e->hash & 0xfff) == want;
		map_release(&one);
	}
	struct map m = MAP_INIT;
	compare(&m, key, nkey, 20000);
	map_release(&m);
}

void
test_map__grows_and_walks_every_entry_once(void)
{
	enum { N = 5000 };
	static char text[N][8], seen[N];
	struct map m = MAP_INIT;
	for (int i = 0; i < N; i++) {
		snprintf(text[i], sizeof text[i], "%d", i);
		map_put(&m, str_of(text[i]), &seen[i]);
		check(m.n < m.cap);
	}
	MAP_EACH(e, &m)
		++*(char *)e->value;
	for (int i = 0; i < N; i++)
		check_int(seen[i], 1);
	for (int i = 0; i < N; i++)
		check(map_remove(&m, str_of(text[i])) == &seen[i]);
	MAP_EACH(e, &m)
		check(!"an entry is left");
	map_release(&m);
}
