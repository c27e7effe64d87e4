/* Stores with little memory and a folder, against the model. */
#include "store_help.h"

#include "sys/fs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct store_set *
open_set(size_t memory_max)
{
	struct err e;
	struct store_set *set = store_set_new(&(struct store_set_opts){ .dir = "state",
		.memory_max = memory_max, .identity = "app/1" }, &e);
	if (!set)
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
	if (store_set_notice(set))
		tap_fail(__FILE__, __LINE__, "%s", store_set_notice(set));
	return set;
}

static void
must_checkpoint(struct store_set *set, const char *text)
{
	struct err e;
	if (store_set_checkpoint(set, str_of(text), &e) < 0)
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
}

/* Changes, commits, checkpoints, and restarts, after which the last checkpoint is there. */
static void
run(enum store_order order, uint64_t seed, int nstep, int nkey, size_t memory_max)
{
	struct err e;
	struct history history = { .seed = seed, .nkey = nkey };
	struct model saved = { 0 };
	struct store_set *set = open_set(memory_max);
	history.store = store_open(set, "s", order, &e);
	for (int i = 0; i < nstep; i++) {
		history_step(&history);
		store_set_trim(set);
		if (store_set_is_failed(set, &e))
			tap_fail(__FILE__, __LINE__, "%s", e.msg);
		if (history_rand(&history, 50) == 0 || store_set_wants_commit(set)) {
			check_changes(history.store, &history.model);
			store_clean(history.store);
			model_clean(&history.model);
			if (history_rand(&history, 5) == 0) {
				must_checkpoint(set, "text");
				model_release(&saved);
				model_copy(&saved, &history.model);
			}
		}
		if (history_rand(&history, 400) == 0) {
			store_set_free(set);
			set = open_set(memory_max);
			history.store = store_open(set, "s", order, &e);
			model_release(&history.model);
			model_copy(&history.model, &saved);
			check(str_eq(store_set_checkpoint_text(set), saved.n ? STR("text") : STR_NULL));
		}
	}
	check_all(history.store, &history.model);
	check(store_set_reset(set, &e) == 0);
	check_int(store_count(history.store), 0);
	check(store_set_checkpoint_text(set).n < 0);
	model_release(&history.model);
	model_release(&saved);
	store_set_free(set);
}

static void
run_all(enum store_order order)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		fprintf(stderr, "# order %d, seed %d\n", (int)order, (int)seed);
		run(order, seed, 3000, seed % 2 ? 3000 : 300, seed % 3 ? 40000 : 0);
	}
}

void
test_store__a_hashed_store_that_spills_equals_the_model(void)
{
	run_all(STORE_HASH);
}

void
test_store__segments_that_spill_equal_the_model(void)
{
	run_all(STORE_SEGMENTS);
}

void
test_store__a_tree_that_spills_equals_the_model(void)
{
	run_all(STORE_TREE);
}

void
test_store__a_store_that_is_added_later_shares_nothing_with_the_others(void)
{
	const char *const names[] = { "a", "b", "c" };
	struct err e;
	struct store_entry entry;
	/* The second process only finds stores; the third one has a new one. */
	const int n[] = { 2, 2, 3 };
	for (size_t i = 0; i < ARRAY_LEN(n); i++) {
		struct store_set *set = open_set(0);
		for (int k = 0; k < n[i]; k++) {
			struct store *store = store_open(set, names[k], STORE_HASH, &e);
			check_int(store_count(store), i > 0 && k < 2);
			store_put(store, STR("key"), str_of(names[k]), 1);
			store_clean(store);
		}
		must_checkpoint(set, "text");
		store_set_free(set);
	}
	struct store_set *set = open_set(0);
	for (int k = 0; k < 3; k++) {
		struct store *store = store_open(set, names[k], STORE_HASH, &e);
		check(store_get(store, STR("key"), &entry));
		check(str_eq(entry.value, str_of(names[k])));
	}
	store_set_free(set);
}

/* n entries are taken from the front, one by one; no checkpoint comes between. */
static void
drain(bool is_on_disk, uint64_t n)
{
	struct err e;
	struct store_entry entry;
	struct store_set *set = open_set(0);
	struct store *store = store_open(set, "queue", STORE_TREE, &e);
	uint8_t key[8];
	for (uint64_t i = 0; i < n; i++) {
		store_be64(key, i);
		store_put(store, (struct str){ key, sizeof key }, STR("value"), 1);
	}
	store_clean(store);
	must_checkpoint(set, "text");
	if (is_on_disk) {
		store_set_free(set);
		set = open_set(0);
		store = store_open(set, "queue", STORE_TREE, &e);
	}
	clock_t before = clock();
	for (uint64_t i = 0; i < n; i++) {
		check(store_first(store, STR_NULL, &entry));
		check(load_be64(entry.key.p) == i);
		store_be64(key, i);
		store_remove(store, (struct str){ key, sizeof key });
	}
	check(!store_first(store, STR_NULL, &entry));
	/* Far less than a second, if what is gone is not walked through again and again. */
	check((clock() - before) / CLOCKS_PER_SEC < 6);
	store_put(store, STR("a"), STR("value"), 1);
	check(store_first(store, STR_NULL, &entry) && str_eq(entry.key, STR("a")));
	store_set_free(set);
}

void
test_store__a_long_queue_on_disk_is_drained_in_time(void)
{
	drain(true, 40000);
}

void
test_store__a_long_queue_in_memory_is_drained_in_time(void)
{
	drain(false, 200000);
}

/* As at the end of an input without changelogs: what was evicted is taken back, one by one. */
void
test_store__a_long_queue_that_was_evicted_is_drained_in_time(void)
{
	enum { N = 40000 };
	struct err e;
	struct store_entry entry;
	struct store_set *set = store_set_new(&(struct store_set_opts){ .dir = "state",
		.memory_max = 300000, .identity = "app/1", .is_plain = true }, &e);
	check(set);
	struct store *store = store_open(set, "queue", STORE_TREE, &e);
	uint8_t key[8];
	for (uint64_t i = 0; i < N; i++) {
		store_be64(key, i);
		store_put(store, (struct str){ key, sizeof key }, STR("value"), 1);
		store_set_trim(set);
	}
	clock_t before = clock();
	for (uint64_t i = 0; i < N; i++) {
		check(store_first(store, STR_NULL, &entry));
		check(load_be64(entry.key.p) == i);
		store_be64(key, i);
		store_remove(store, (struct str){ key, sizeof key });
		if (i % 1000 == 999)
			store_set_trim(set);
	}
	check(!store_first(store, STR_NULL, &entry));
	check(!store_set_is_failed(set, &e));
	/* Far less than a second, if what is gone is not walked through again and again. */
	check((clock() - before) / CLOCKS_PER_SEC < 6);
	store_set_free(set);
}
