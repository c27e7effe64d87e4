/* Stores in memory against the model. */
#include "store_help.h"

static void
run(enum store_order order, uint64_t seed, int nstep, int nkey, bool is_plain)
{
	struct err e;
	struct store_set *set = store_set_new(&(struct store_set_opts){ .is_plain = is_plain }, &e);
	struct history history = { .seed = seed, .nkey = nkey, .is_plain = is_plain };
	history.store = store_open(set, "s", order, &e);
	for (int i = 0; i < nstep; i++) {
		history_step(&history);
		if (history_rand(&history, 100) == 0) {
			store_clean(history.store);
			model_clean(&history.model);
		}
		if (history_rand(&history, 10) == 0)
			store_set_trim(set);
	}
	check_all(history.store, &history.model);
	model_release(&history.model);
	store_set_free(set);
}

static void
run_all(int nstep, int nkey, bool is_plain)
{
	for (int order = STORE_HASH; order <= STORE_TREE; order++) {
		for (uint64_t seed = 1; seed <= 10; seed++) {
			fprintf(stderr, "# order %d, seed %d\n", order, (int)seed);
			run((enum store_order)order, seed, nstep, nkey, is_plain);
		}
	}
}

void
test_store__histories_of_few_keys_equal_the_model(void)
{
	run_all(1500, 60, false);
}

void
test_store__histories_of_many_keys_equal_the_model(void)
{
	run_all(3000, 2000, false);
}

void
test_store__histories_without_a_changelog_equal_the_model(void)
{
	run_all(2000, 500, true);
}
