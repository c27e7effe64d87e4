#include "tap.h"

#include "meta/metastore.h"

#include <stdio.h>
#include <stdlib.h>

#define must(x) do { if ((x) < 0) tap_fail(__FILE__, __LINE__, "%s: %s", #x, e.msg); } while (0)

/* In memory; the file is tested in metastore_file.c. */
static struct metastore *
new_one(void)
{
	struct err e;
	struct metastore *meta = metastore_open_local(-1, &e);
	check(meta);
	return meta;
}

static int
put(struct metastore *meta, const char *key, const char *value, int64_t expected)
{
	struct err e;
	struct metastore_op op = { str_of(key), str_of(value), expected };
	int64_t before = metastore_revision(meta);
	int r = metastore_txn(meta, &op, 1, &e);
	check(r == 0 || e.class == ERR_RETRY);
	check_int(metastore_revision(meta), before + (r == 0));
	return r;
}

static void
check_entry(struct metastore *meta, const char *key, const char *value, int64_t revision)
{
	struct metastore_entry entry;
	check(metastore_get(meta, str_of(key), &entry) == (value != NULL));
	if (!value)
		return;
	check(str_eq(entry.key, str_of(key)));
	check(str_eq(entry.value, str_of(value)));
	check_int(entry.revision, revision);
}

static int
write_entry(void *ctx, const struct metastore_entry *entry)
{
	struct buf *b = ctx;
	buf_printf(b, "%.*s=%.*s@%d ", STR_ARG(entry->key), STR_ARG(entry->value),
		(int)entry->revision);
	return str_eq(entry->value, STR("stop")) ? 7 : 0;
}

static void
check_list(struct metastore *meta, struct str prefix, int r, const char *want)
{
	struct buf b = BUF_INIT;
	check_int(metastore_list(meta, prefix, write_entry, &b), r);
	if (!str_eq(buf_str(&b), str_of(want)))
		tap_fail(__FILE__, __LINE__, "%.*s, want %s", STR_ARG(buf_str(&b)), want);
	buf_release(&b);
}

void
test_metastore__a_new_one_is_empty(void)
{
	struct metastore *meta = new_one();
	check_int(metastore_revision(meta), 0);
	check_entry(meta, "/a", NULL, 0);
	check_list(meta, STR(""), 0, "");
	metastore_close(meta);
	metastore_close(NULL);
}

void
test_metastore__what_was_put_is_there(void)
{
	struct metastore *meta = new_one();
	check_int(put(meta, "/a", "1", 0), 0);
	check_int(put(meta, "/b", "", METASTORE_ANY), 0); /* empty is not absent */
	check_entry(meta, "/a", "1", 1);
	check_entry(meta, "/b", "", 2);
	check_entry(meta, "/", NULL, 0);
	check_int(put(meta, "/a", "other", METASTORE_ANY), 0);
	check_entry(meta, "/a", "other", 3);
	check_int(put(meta, "/a", NULL, METASTORE_ANY), 0);
	check_entry(meta, "/a", NULL, 0);
	check_int(put(meta, "/a", NULL, METASTORE_ANY), 0); /* absent: a change all the same */
	check_entry(meta, "/b", "", 2);
	check_int(metastore_revision(meta), 5);
	metastore_close(meta);
}

void
test_metastore__a_list_is_in_order_and_can_be_stopped(void)
{
	struct metastore *meta = new_one();
	static const char *const key[] = { "/t/b", "/t/a/x", "/t/a", "/s", "/t", "/u", "/t/\xff",
		"/t/Z" };
	for (size_t i = 0; i < ARRAY_LEN(key); i++)
		check_int(put(meta, key[i], "v", 0), 0);
	check_list(meta, STR("/t/"), 0, "/t/Z=v@8 /t/a=v@3 /t/a/x=v@2 /t/b=v@1 /t/\xff=v@7 ");
	check_list(meta, STR("/t/a"), 0, "/t/a=v@3 /t/a/x=v@2 ");
	check_list(meta, STR("/t/a/x/"), 0, "");
	check_list(meta, (struct str){ NULL, 0 }, 0, "/s=v@4 /t=v@5 /t/Z=v@8 /t/a=v@3 "
		"/t/a/x=v@2 /t/b=v@1 /t/\xff=v@7 /u=v@6 ");
	check_int(put(meta, "/t/a", "stop", METASTORE_ANY), 0);
	check_list(meta, STR("/t/"), 7, "/t/Z=v@8 /t/a=stop@9 ");
	metastore_close(meta);
}

void
test_metastore__a_change_needs_the_revision_it_expects(void)
{
	struct metastore *meta = new_one();
	check_int(put(meta, "/a", "x", 1), -1); /* absent is revision 0 */
	check_int(put(meta, "/a", NULL, 1), -1);
	check_int(put(meta, "/a", "1", 0), 0);
	check_int(put(meta, "/a", "x", 0), -1); /* there already */
	check_int(put(meta, "/a", NULL, 0), -1);
	check_int(put(meta, "/b", "1", 0), 0);
	check_int(put(meta, "/a", "x", 2), -1); /* the store's, not the key's */
	check_entry(meta, "/a", "1", 1);
	check_int(put(meta, "/a", "2", 1), 0);
	check_int(put(meta, "/a", "x", 1), -1); /* seen before the last change */
	check_entry(meta, "/a", "2", 3);
	check_int(put(meta, "/a", NULL, 3), 0);
	check_int(put(meta, "/a", "x", 3), -1);
	check_int(put(meta, "/a", "again", 0), 0);
	check_entry(meta, "/a", "again", 5);
	metastore_close(meta);
}

void
test_metastore__a_transaction_is_all_or_nothing(void)
{
	struct err e;
	struct metastore *meta = new_one();
	check_int(put(meta, "/a", "1", 0), 0);
	check_int(put(meta, "/b", "1", 0), 0);
	for (int bad = 0; bad < 3; bad++) {
		struct metastore_op op[] = {
			{ STR("/a"), STR("2"), 1 }, { STR("/b"), STR_NULL, 2 }, { STR("/c"), STR("2"), 0 },
		};
		op[bad].expected = 9;
		check_int(metastore_txn(meta, op, 3, &e), -1);
		check_int(e.class, ERR_RETRY);
		check(e.msg[2] == "abc"[bad]); /* says which */
		check_list(meta, STR(""), 0, "/a=1@1 /b=1@2 ");
		check_int(metastore_revision(meta), 2);
	}
	const struct metastore_op op[] = {
		{ STR("/a"), STR("2"), 1 }, { STR("/b"), STR_NULL, 2 }, { STR("/c"), STR("2"), 0 },
	};
	must(metastore_txn(meta, op, 3, &e));
	check_list(meta, STR(""), 0, "/a=2@3 /c=2@3 ");
	metastore_close(meta);
}

struct watcher {
	struct metastore_watch watch;
	struct buf seen;
};

static void
on_change(struct metastore_watch *watch, const struct metastore_entry *entry)
{
	struct watcher *it = CONTAINER_OF(watch, struct watcher, watch);
	buf_printf(&it->seen, "%.*s%c%.*s@%d ", STR_ARG(entry->key), entry->value.n < 0 ? '-' : '=',
		STR_ARG(entry->value), (int)entry->revision);
}

void
test_metastore__watches_are_told_of_each_change_in_order(void)
{
	struct err e;
	struct metastore *meta = new_one();
	struct watcher all = { .watch = { .prefix = { NULL, 0 }, .fn = on_change } };
	struct watcher some = { .watch = { .prefix = STR("/t/"), .fn = on_change } };
	check_int(put(meta, "/t/before", "1", 0), 0);
	metastore_watch(meta, &all.watch);
	metastore_watch(meta, &some.watch);
	const struct metastore_op op[] = {
		{ STR("/t/a"), STR("1"), 0 }, { STR("/s"), STR(""), 0 }, { STR("/t/before"), STR_NULL, 1 },
		{ STR("/t"), STR("3"), 0 },
	};
	must(metastore_txn(meta, op, 4, &e));
	check_int(put(meta, "/t/a", "x", 0), -1); /* no change, no notification */
	check_int(put(meta, "/t/a", "2", 2), 0);
	check(str_eq(buf_str(&all.seen), STR("/t/a=1@2 /s=@2 /t/before-@2 /t=3@2 /t/a=2@3 ")));
	check(str_eq(buf_str(&some.seen), STR("/t/a=1@2 /t/before-@2 /t/a=2@3 ")));
	buf_release(&all.seen);
	buf_release(&some.seen);
	metastore_close(meta);
}

void
test_metastore__entries_of_the_store_may_be_written_back(void)
{
	/* They are valid until the transaction is over, and so in it. */
	struct err e;
	struct metastore *meta = new_one();
	struct watcher all = { .watch = { .prefix = STR(""), .fn = on_change } };
	struct metastore_entry a, b;
	metastore_watch(meta, &all.watch);
	check_int(put(meta, "/a", "one", 0), 0);
	check_int(put(meta, "/b", "two", 0), 0);
	check(metastore_get(meta, STR("/a"), &a) && metastore_get(meta, STR("/b"), &b));
	buf_reset(&all.seen);
	const struct metastore_op op[] = {
		{ a.key, b.value, a.revision }, { b.key, STR_NULL, b.revision }, { STR("/c"), b.value, 0 },
	};
	must(metastore_txn(meta, op, 3, &e));
	check_list(meta, STR(""), 0, "/a=two@3 /c=two@3 ");
	check(str_eq(buf_str(&all.seen), STR("/a=two@3 /b-@3 /c=two@3 ")));
	buf_release(&all.seen);
	metastore_close(meta);
}

void
test_metastore__does_what_an_array_does(void)
{
	enum { KEYS = 50 };
	int64_t revision[KEYS] = { 0 };
	int value[KEYS];
	struct metastore *meta = new_one();
	srand(7);
	for (int i = 1; i < 20000; i++) {
		char key[20], text[20];
		int k = rand() % KEYS;
		bool is_stale = rand() % 4 == 0, is_removal = rand() % 3 == 0;
		snprintf(key, sizeof key, "/%d", k);
		snprintf(text, sizeof text, "%d", i);
		int r = put(meta, key, is_removal ? NULL : text,
			is_stale ? revision[k] + 1 : rand() % 2 ? revision[k] : METASTORE_ANY);
		check_int(r, is_stale ? -1 : 0);
		if (r == 0) {
			revision[k] = is_removal ? 0 : metastore_revision(meta);
			value[k] = i;
		}
		k = rand() % KEYS;
		snprintf(key, sizeof key, "/%d", k);
		if (revision[k])
			snprintf(text, sizeof text, "%d", value[k]);
		check_entry(meta, key, revision[k] ? text : NULL, revision[k]);
	}
	metastore_close(meta);
}
