#include "tap.h"

#include "meta/metastore.h"

#include <stdio.h>
#include <stdlib.h>

#define must(x) do { if ((x) < 0) tap_fail(__FILE__, __LINE__, "%s: %s", #x, e.msg); } while (0)

/* Memory alone; what the file adds is tested in metastore_file.c. */
static struct metastore *
new_one(void)
{
	struct err e;
	struct metastore *m = metastore_open_local(-1, &e);
	check(m);
	return m;
}

static int
put(struct metastore *m, const char *key, const char *value, int64_t expected)
{
	struct err e;
	struct metastore_op op = { str_of(key), str_of(value), expected };
	int64_t before = metastore_revision(m);
	int r = metastore_txn(m, &op, 1, &e);
	check(r == 0 || e.class == ERR_RETRY);
	check_int(metastore_revision(m), before + (r == 0));
	return r;
}

static void
check_entry(struct metastore *m, const char *key, const char *value, int64_t revision)
{
	struct metastore_entry x;
	check(metastore_get(m, str_of(key), &x) == (value != NULL));
	if (!value)
		return;
	check(str_eq(x.key, str_of(key)));
	check(str_eq(x.value, str_of(value)));
	check_int(x.revision, revision);
}

static int
write_entry(void *ctx, const struct metastore_entry *x)
{
	struct buf *b = ctx;
	buf_printf(b, "%.*s=%.*s@%d ", STR_ARG(x->key), STR_ARG(x->value), (int)x->revision);
	return str_eq(x->value, STR("stop")) ? 7 : 0;
}

static void
check_list(struct metastore *m, struct str prefix, int r, const char *want)
{
	struct buf b = BUF_INIT;
	check_int(metastore_list(m, prefix, write_entry, &b), r);
	if (!str_eq(buf_str(&b), str_of(want)))
		tap_fail(__FILE__, __LINE__, "%.*s, want %s", STR_ARG(buf_str(&b)), want);
	buf_release(&b);
}

void
test_metastore__a_new_one_is_empty(void)
{
	struct metastore *m = new_one();
	check_int(metastore_revision(m), 0);
	check_entry(m, "/a", NULL, 0);
	check_list(m, STR(""), 0, "");
	metastore_close(m);
	metastore_close(NULL);
}

void
test_metastore__what_was_put_is_there(void)
{
	struct metastore *m = new_one();
	check_int(put(m, "/a", "1", 0), 0);
	check_int(put(m, "/b", "", METASTORE_ANY), 0); /* empty is not absent */
	check_entry(m, "/a", "1", 1);
	check_entry(m, "/b", "", 2);
	check_entry(m, "/", NULL, 0);
	check_int(put(m, "/a", "other", METASTORE_ANY), 0);
	check_entry(m, "/a", "other", 3);
	check_int(put(m, "/a", NULL, METASTORE_ANY), 0);
	check_entry(m, "/a", NULL, 0);
	check_int(put(m, "/a", NULL, METASTORE_ANY), 0); /* absent: a change all the same */
	check_entry(m, "/b", "", 2);
	check_int(metastore_revision(m), 5);
	metastore_close(m);
}

void
test_metastore__a_list_is_in_order_and_can_be_stopped(void)
{
	struct metastore *m = new_one();
	static const char *const key[] = { "/t/b", "/t/a/x", "/t/a", "/s", "/t", "/u", "/t/\xff",
		"/t/Z" };
	for (size_t i = 0; i < ARRAY_LEN(key); i++)
		check_int(put(m, key[i], "v", 0), 0);
	check_list(m, STR("/t/"), 0, "/t/Z=v@8 /t/a=v@3 /t/a/x=v@2 /t/b=v@1 /t/\xff=v@7 ");
	check_list(m, STR("/t/a"), 0, "/t/a=v@3 /t/a/x=v@2 ");
	check_list(m, STR("/t/a/x/"), 0, "");
	check_list(m, (struct str){ NULL, 0 }, 0, "/s=v@4 /t=v@5 /t/Z=v@8 /t/a=v@3 "
		"/t/a/x=v@2 /t/b=v@1 /t/\xff=v@7 /u=v@6 ");
	check_int(put(m, "/t/a", "stop", METASTORE_ANY), 0);
	check_list(m, STR("/t/"), 7, "/t/Z=v@8 /t/a=stop@9 ");
	metastore_close(m);
}

void
test_metastore__a_change_needs_the_revision_it_expects(void)
{
	struct metastore *m = new_one();
	check_int(put(m, "/a", "x", 1), -1); /* absent is revision 0 */
	check_int(put(m, "/a", NULL, 1), -1);
	check_int(put(m, "/a", "1", 0), 0);
	check_int(put(m, "/a", "x", 0), -1); /* there already */
	check_int(put(m, "/a", NULL, 0), -1);
	check_int(put(m, "/b", "1", 0), 0);
	check_int(put(m, "/a", "x", 2), -1); /* the store's, not the key's */
	check_entry(m, "/a", "1", 1);
	check_int(put(m, "/a", "2", 1), 0);
	check_int(put(m, "/a", "x", 1), -1); /* seen before the last change */
	check_entry(m, "/a", "2", 3);
	check_int(put(m, "/a", NULL, 3), 0);
	check_int(put(m, "/a", "x", 3), -1);
	check_int(put(m, "/a", "again", 0), 0);
	check_entry(m, "/a", "again", 5);
	metastore_close(m);
}

void
test_metastore__a_transaction_is_all_or_nothing(void)
{
	struct err e;
	struct metastore *m = new_one();
	check_int(put(m, "/a", "1", 0), 0);
	check_int(put(m, "/b", "1", 0), 0);
	for (int bad = 0; bad < 3; bad++) {
		struct metastore_op op[] = {
			{ STR("/a"), STR("2"), 1 }, { STR("/b"), STR_NULL, 2 }, { STR("/c"), STR("2"), 0 },
		};
		op[bad].expected = 9;
		check_int(metastore_txn(m, op, 3, &e), -1);
		check_int(e.class, ERR_RETRY);
		check(e.msg[2] == "abc"[bad]); /* says which */
		check_list(m, STR(""), 0, "/a=1@1 /b=1@2 ");
		check_int(metastore_revision(m), 2);
	}
	const struct metastore_op op[] = {
		{ STR("/a"), STR("2"), 1 }, { STR("/b"), STR_NULL, 2 }, { STR("/c"), STR("2"), 0 },
	};
	must(metastore_txn(m, op, 3, &e));
	check_list(m, STR(""), 0, "/a=2@3 /c=2@3 ");
	metastore_close(m);
}

struct watcher {
	struct metastore_watch watch;
	struct buf seen;
};

static void
on_change(struct metastore_watch *w, const struct metastore_entry *x)
{
	struct watcher *it = CONTAINER_OF(w, struct watcher, watch);
	buf_printf(&it->seen, "%.*s%c%.*s@%d ", STR_ARG(x->key), x->value.n < 0 ? '-' : '=',
		STR_ARG(x->value), (int)x->revision);
}

void
test_metastore__watches_are_told_of_each_change_in_order(void)
{
	struct err e;
	struct metastore *m = new_one();
	struct watcher all = { .watch = { .prefix = { NULL, 0 }, .fn = on_change } };
	struct watcher some = { .watch = { .prefix = STR("/t/"), .fn = on_change } };
	check_int(put(m, "/t/before", "1", 0), 0);
	metastore_watch(m, &all.watch);
	metastore_watch(m, &some.watch);
	const struct metastore_op op[] = {
		{ STR("/t/a"), STR("1"), 0 }, { STR("/s"), STR(""), 0 }, { STR("/t/before"), STR_NULL, 1 },
		{ STR("/t"), STR("3"), 0 },
	};
	must(metastore_txn(m, op, 4, &e));
	check_int(put(m, "/t/a", "x", 0), -1); /* no change: nothing is told */
	check_int(put(m, "/t/a", "2", 2), 0);
	check(str_eq(buf_str(&all.seen), STR("/t/a=1@2 /s=@2 /t/before-@2 /t=3@2 /t/a=2@3 ")));
	check(str_eq(buf_str(&some.seen), STR("/t/a=1@2 /t/before-@2 /t/a=2@3 ")));
	buf_release(&all.seen);
	buf_release(&some.seen);
	metastore_close(m);
}

void
test_metastore__entries_of_the_store_may_be_written_back(void)
{
	/* They are valid until the transaction is over, and so in it. */
	struct err e;
	struct metastore *m = new_one();
	struct watcher all = { .watch = { .prefix = STR(""), .fn = on_change } };
	struct metastore_entry a, b;
	metastore_watch(m, &all.watch);
	check_int(put(m, "/a", "one", 0), 0);
	check_int(put(m, "/b", "two", 0), 0);
	check(metastore_get(m, STR("/a"), &a) && metastore_get(m, STR("/b"), &b));
	buf_reset(&all.seen);
	const struct metastore_op op[] = {
		{ a.key, b.value, a.revision }, { b.key, STR_NULL, b.revision }, { STR("/c"), b.value, 0 },
	};
	must(metastore_txn(m, op, 3, &e));
	check_list(m, STR(""), 0, "/a=two@3 /c=two@3 ");
	check(str_eq(buf_str(&all.seen), STR("/a=two@3 /b-@3 /c=two@3 ")));
	buf_release(&all.seen);
	metastore_close(m);
}

void
test_metastore__does_what_an_array_does(void)
{
	enum { KEYS = 50 };
	int64_t revision[KEYS] = { 0 };
	int value[KEYS];
	struct metastore *m = new_one();
	srand(7);
	for (int i = 1; i < 20000; i++) {
		char key[20], text[20];
		int k = rand() % KEYS;
		bool is_stale = rand() % 4 == 0, is_removal = rand() % 3 == 0;
		snprintf(key, sizeof key, "/%d", k);
		snprintf(text, sizeof text, "%d", i);
		int r = put(m, key, is_removal ? NULL : text,
			is_stale ? revision[k] + 1 : rand() % 2 ? revision[k] : METASTORE_ANY);
		check_int(r, is_stale ? -1 : 0);
		if (r == 0) {
			revision[k] = is_removal ? 0 : metastore_revision(m);
			value[k] = i;
		}
		k = rand() % KEYS;
		snprintf(key, sizeof key, "/%d", k);
		if (revision[k])
			snprintf(text, sizeof text, "%d", value[k]);
		check_entry(m, key, revision[k] ? text : NULL, revision[k]);
	}
	metastore_close(m);
}
