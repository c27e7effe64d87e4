/*
 * What a store costs: store [entries].  Keys of 12 bytes, states of 24, in memory; then
 * a restore of entries of 200 bytes in batches, without and with a limit of memory.
 * Prints nanoseconds and bytes per entry.
 */
#include "stream/store.h"
#include "sys/clock.h"
#include "text/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int64_t
cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Resident bytes of memory that is not a file's. */
static long
resident(void)
{
	long size = 0, resident = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f || fscanf(f, "%ld %ld %ld", &size, &resident, &shared) != 3)
		exit(EXIT_FAILED);
	fclose(f);
	return (resident - shared) * sysconf(_SC_PAGESIZE);
}

static void
must(const struct store_set *set)
{
	struct err e;
	if (!store_set_is_failed(set, &e))
		return;
	say_error("%s", e.msg);
	exit(EXIT_FAILED);
}

static struct store *
open_one(const struct store_set_opts *o, enum store_order order, struct store_set **set)
{
	struct err e;
	struct store *store = NULL;
	*set = store_set_new(o, &e);
	if (*set)
		store = store_open(*set, "bench", order, &e);
	if (!store) {
		say_error("%s", e.msg);
		exit(EXIT_FAILED);
	}
	return store;
}

/* The key of a number: 12 bytes, in an order that is not the numbers'. */
static struct str
key_of(uint64_t number, uint8_t *p)
{
	uint64_t x = number * 0x9e3779b97f4a7c15u;
	memcpy(p, &x, 8);
	store_be32(p + 8, (uint32_t)number);
	return (struct str){ p, 12 };
}

static void
count(struct store *store, struct str key)
{
	int64_t *ts_ms;
	bool is_new;
	uint64_t *p = store_slot(store, key, 24, &ts_ms, &is_new);
	p[0]++;
	*ts_ms = (int64_t)p[0];
}

static void
touch_all(const char *what, struct store *store, uint64_t n, uint64_t step, bool is_ahead)
{
	enum { BATCH = 32 };
	uint8_t p[BATCH][12];
	struct str key[BATCH];
	int64_t start = cpu_ns();
	for (uint64_t i = 0; i < n; i += BATCH) {
		for (uint64_t j = 0; j < BATCH; j++) {
			key[j] = key_of((i + j) * step % n, p[j]);
			if (is_ahead)
				store_prefetch(store, key[j]);
		}
		for (int j = 0; j < BATCH; j++)
			count(store, key[j]);
	}
	printf("  %-30s %6.0f ns\n", what, (double)(cpu_ns() - start) / (double)n);
}

static void
bench_order(const char *name, enum store_order order, uint64_t n)
{
	struct store_set *set;
	struct store_entry entry;
	long before = resident();
	struct store *store = open_one(&(struct store_set_opts){ .is_plain = true }, order, &set);
	printf("%s, %llu keys of 12 bytes, values of 24\n", name, (unsigned long long)n);
	touch_all("store_slot, new", store, n, 1, false);
	touch_all("store_slot, there", store, n, 7919, false);
	touch_all("store_slot, there, ahead", store, n, 7919, true);
	double size = (double)store_set_memory(set), real = (double)(resident() - before);
	printf("  %-30s %6.1f (resident %.1f)\n", "bytes", size / (double)n, real / (double)n);
	int64_t start = cpu_ns();
	struct store_iter *it = store_scan(store, STR_NULL, STR_NULL);
	while (store_iter_next(it, &entry))
		;
	store_iter_free(it);
	printf("  %-30s %6.0f ns\n", "scan", (double)(cpu_ns() - start) / (double)n);
	start = cpu_ns();
	store_set_free(set);
	printf("  %-30s %6.1f ns\n", "free", (double)(cpu_ns() - start) / (double)n);
}

static void
bench_restore(const char *what, uint64_t n, const struct store_set_opts *o)
{
	enum { BATCH = 10000 };
	struct store_set *set;
	uint8_t key[12], value[200] = { 0 };
	struct err e;
	struct store *store = open_one(o, STORE_HASH, &set);
	int64_t start = cpu_ns(), wall = clock_mono_ms();
	for (uint64_t i = 0; i < n; i++) {
		memcpy(value, &i, sizeof i);
		store_put(store, key_of(i, key), (struct str){ value, sizeof value }, 1);
		store_set_trim(set);
		if (i % BATCH == BATCH - 1)
			store_clean(store);
	}
	store_clean(store);
	must(set);
	printf("restore, %s, %llu entries of 200 bytes\n", what, (unsigned long long)n);
	printf("  %-30s %6.0f ns, %.1f s in all\n", "store_put and store_clean",
		(double)(cpu_ns() - start) / (double)n, (double)(clock_mono_ms() - wall) / 1000);
	printf("  %-30s %6.0f MB (resident %.0f)\n", "memory",
		(double)store_set_memory(set) / 1e6, (double)resident() / 1e6);
	if (o->dir) {
		wall = clock_mono_ms();
		if (store_set_checkpoint(set, STR("bench"), &e) < 0)
			say_error("%s", e.msg);
		printf("  %-30s %6.1f s\n", "checkpoint", (double)(clock_mono_ms() - wall) / 1000);
	}
	store_set_free(set);
}

int
main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	size_t memory_max = n * 256; /* a quarter of what is restored */
	char dir[] = "/tmp/kq-bench-XXXXXX", command[64];
	bench_order("STORE_HASH", STORE_HASH, n);
	bench_order("STORE_TREE", STORE_TREE, n);
	bench_restore("in memory", n * 5, &(struct store_set_opts){ 0 });
	if (!mkdtemp(dir))
		return EXIT_FAILED;
	bench_restore("with spill", n * 5, &(struct store_set_opts){ .dir = dir,
		.memory_max = memory_max });
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) ? EXIT_FAILED : 0;
}
