/* What one store does, in memory: entries, scans, changes. */
#include "stream/store_int.h"
#include "tap.h"

#define check_text(a, b) check(strcmp(a, b) == 0)

static struct store *
open_store(enum store_order order, struct store_set **set)
{
	struct err e;
	*set = store_set_new(&(struct store_set_opts){ 0 }, &e);
	return store_open(*set, "s", order, &e);
}

static void
put(struct store *store, const char *key, const char *value, int64_t ts_ms)
{
	store_put(store, str_of(key), str_of(value), ts_ms);
}

static const char *
joined(struct store_iter *it)
{
	static struct buf b;
	struct store_entry entry;
	buf_reset(&b);
	while (store_iter_next(it, &entry))
		buf_printf(&b, "%.*s=%.*s ", STR_ARG(entry.key), STR_ARG(entry.value));
	buf_putc(&b, 0);
	store_iter_free(it);
	return (const char *)b.p;
}

static int
add_change(void *arg, const struct store_entry *entry, struct err *e)
{
	(void)e;
	buf_printf(arg, "%.*s=%.*s ", STR_ARG(entry->key),
		STR_ARG(entry->value.n < 0 ? STR("null") : entry->value));
	return 0;
}

static const char *
changes(struct store *store)
{
	static struct buf b;
	struct err e;
	buf_reset(&b);
	check(store_changes(store, add_change, &b, &e) == 0);
	buf_putc(&b, 0);
	return (const char *)b.p;
}

void
test_store__entries_are_scanned_in_order_of_bytes(void)
{
	for (int order = STORE_HASH; order <= STORE_TREE; order++) {
		struct store_set *set;
		struct store *store = open_store((enum store_order)order, &set);
		put(store, "bbbbbbbb2", "2", 2);
		put(store, "aaaaaaaa", "0", 0);
		put(store, "bbbbbbbb1", "1", 1);
		put(store, "cccccccc", "3", 3);
		store_put(store, STR(""), STR("e"), 9);
		check_text(joined(store_scan(store, STR_NULL, STR_NULL)),
			"=e aaaaaaaa=0 bbbbbbbb1=1 bbbbbbbb2=2 cccccccc=3 ");
		check_text(joined(store_scan(store, STR("aaaaaaaa"), STR("bbbbbbbb2"))),
			"aaaaaaaa=0 bbbbbbbb1=1 ");
		check_text(joined(store_scan_back(store, STR("aaaaaaaaa"), STR("cccccccc"))),
			"bbbbbbbb2=2 bbbbbbbb1=1 ");
		store_set_free(set);
	}
}

static int
note_time(void *arg, const struct store_entry *entry, struct err *e)
{
	(void)e;
	check(entry->value.n < 0);
	*(int64_t *)arg = entry->ts_ms;
	return 0;
}

void
test_store__a_removal_is_listed_with_its_time(void)
{
	for (int order = STORE_HASH; order <= STORE_TREE; order++) {
		struct store_set *set;
		struct store *store = open_store((enum store_order)order, &set);
		struct err e;
		int64_t ts_ms = 0;
		put(store, "k0000001", "a", 1);
		store_clean(store);
		store_remove_at(store, STR("k0000001"), 7);
		check(store_changes(store, note_time, &ts_ms, &e) == 0);
		check_int(ts_ms, 7);
		store_set_free(set);
	}
}

void
test_store__each_change_is_listed_once_and_as_it_is_now(void)
{
	for (int order = STORE_HASH; order <= STORE_TREE; order++) {
		struct store_set *set;
		struct store *store = open_store((enum store_order)order, &set);
		put(store, "k0000002", "a", 1);
		put(store, "k0000001", "a", 1);
		put(store, "k0000002", "bb", 1);
		put(store, "k0000003", "a", 1);
		store_remove(store, STR("k0000003"));
		check_text(changes(store), "k0000002=bb k0000001=a ");
		store_clean(store);
		check_text(changes(store), "");
		store_remove(store, STR("k0000001"));
		check_text(changes(store), "k0000001=null ");
		check_int(store_count(store), 1);
		store_set_free(set);
	}
}

/* Keys that share much, with zeroes, and of which some begin with others. */
void
test_store__scans_sort_keys_that_share_their_beginnings(void)
{
	static const char *const begin[] = { "", "p", "p23456789", "p2345678912345678" };
	struct store_set *set;
	struct store *store = open_store(STORE_HASH, &set);
	uint32_t seed = 1;
	for (int i = 0; i < 20000; i++) {
		struct buf key = BUF_INIT;
		buf_puts(&key, begin[i % 4]);
		int n = i % 97 == 0 ? 200 : i % 29;
		for (int j = 0; j < n; j++) {
			seed = seed * 1664525 + 1013904223;
			buf_putc(&key, "\0\0\0a"[seed >> 30]);
		}
		store_put(store, buf_str(&key), STR("v"), i);
		buf_release(&key);
	}
	struct store_iter *it = store_scan(store, STR_NULL, STR_NULL);
	struct store_entry entry;
	struct buf last = BUF_INIT;
	int64_t n = 0;
	while (store_iter_next(it, &entry)) {
		if (n++ > 0)
			check(str_cmp(buf_str(&last), entry.key) < 0);
		buf_reset(&last);
		buf_put_str(&last, entry.key);
	}
	check(n > 5000);
	check_int(n, store_count(store));
	store_iter_free(it);
	buf_release(&last);
	store_set_free(set);
}

/* Keys of 16 and 24 bytes that begin with a constant of the hash, and differ behind it. */
void
test_store__no_keys_have_one_hash_whatever_the_seed_is(void)
{
	static const uint64_t constants[] = { 0x243f6a8885a308d3, 0x13198a2e03707345 };
	for (size_t i = 0; i < ARRAY_LEN(constants); i++)
		for (int32_t n = 16; n <= 24; n += 8) {
			uint8_t key[24] = { 0 };
			struct str s = { key, n };
			memcpy(key, &constants[i], sizeof constants[i]);
			uint64_t one = store_hash_of(1234567, s), other = store_hash_of(7654321, s);
			key[8] = 1;
			check(one != other);
			check(store_hash_of(1234567, s) != one);
		}
}
