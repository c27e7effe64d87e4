/*
 * Runs a fuzz target over files, as an ordinary test that prints TAP: the files given, or
 * all of t/fuzz/corpus/NAME/ for a program called fuzz-NAME, and then changed copies of
 * these.  The changes are the same in each run; KQ_SEED=N makes other ones, KQ_CHANGED=N so
 * many copies of each file.
 */
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGED = 20, CHANGES_MAX = 4 };

static int ntest;

static bool
read_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "r");
	bool ok = f != NULL;
	for (size_t n = 1; ok && n > 0;) {
		buf_reserve(b, 65536);
		n = fread(b->p + b->n, 1, 65536, f);
		b->n += n;
		ok = !ferror(f);
	}
	if (!ok)
		printf("# %s\n", strerror(errno));
	if (f)
		fclose(f);
	return ok;
}

/* In a heap block of exactly that size, for the sanitizers. */
static void
run_bytes(const struct buf *b)
{
	uint8_t *exact = mem_alloc(b->n);
	if (b->n)
		memcpy(exact, b->p, b->n);
	LLVMFuzzerTestOneInput(exact, b->n);
	mem_free(exact);
}

static bool
run(const char *path)
{
	struct buf b = BUF_INIT;
	printf("# %s\n", path); /* the last one printed is the cause of an abort */
	fflush(stdout);
	bool ok = read_file(path, &b);
	if (ok)
		run_bytes(&b);
	printf("%sok %d - %s\n", ok ? "" : "not ", ++ntest, path);
	buf_release(&b);
	return ok;
}

/* ---- changed copies ---- */

static uint64_t random_state;

/* A number below n. */
static size_t
draw(size_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return n ? (size_t)(random_state >> 33) % n : 0;
}

/* Change a byte, take a piece out, or put one of this or of another input in. */
static void
change(struct buf *b, const struct buf *other)
{
	size_t at = draw(b->n + 1);
	const struct buf *from = draw(2) ? b : other;
	struct buf made = BUF_INIT;
	size_t n = draw(MIN(from->n, 64) + 1), start = draw(from->n - n + 1);
	switch (draw(3)) {
	case 0:
		if (at < b->n)
			b->p[at] = draw(2) ? (uint8_t)draw(256) : (uint8_t)(b->p[at] ^ (1 << draw(8)));
		return;
	case 1:
		n = MIN(n, b->n - at);
		if (n)
			memmove(b->p + at, b->p + at + n, b->n - at - n);
		b->n -= n;
		return;
	default:
		buf_put(&made, b->p, at);
		buf_put(&made, from->p + start, n);
		buf_put(&made, b->p + at, b->n - at);
		buf_release(b);
		*b = made;
		return;
	}
}

static int64_t
number_of(const char *variable, int64_t otherwise)
{
	const char *text = getenv(variable);
	return text && *text ? strtoll(text, NULL, 10) : otherwise;
}

static void
run_changed(const char *path, const struct buf *file, const struct buf *other)
{
	int64_t seed = number_of("KQ_SEED", 1), n = number_of("KQ_CHANGED", CHANGED);
	for (int64_t i = 0; i < n; i++) {
		struct buf b = BUF_INIT;
		random_state = (uint64_t)seed * 1000003 + (uint64_t)i;
		printf("# %s, changed: KQ_SEED=%lld, copy %lld\n", path, (long long)seed, (long long)i);
		fflush(stdout);
		buf_put(&b, file->p, file->n);
		for (size_t k = draw(CHANGES_MAX) + 1; k > 0; k--)
			change(&b, other);
		run_bytes(&b);
		buf_release(&b);
	}
}

static int
is_shown(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static bool
run_corpus(const char *name)
{
	char dir[512], path[1024];
	struct dirent **v;
	bool ok = true;
	snprintf(dir, sizeof dir, "t/fuzz/corpus/%s", name);
	int n = scandir(dir, &v, is_shown, alphasort);
	if (n <= 0) {
		printf("not ok %d - %s: %s\n", ++ntest, dir, n ? strerror(errno) : "no files");
		return false;
	}
	struct buf file = BUF_INIT, last = BUF_INIT;
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, v[i]->d_name);
		buf_reset(&file);
		ok &= run(path) && read_file(path, &file);
		run_changed(path, &file, &last);
		buf_reset(&last);
		buf_put(&last, file.p, file.n);
		free(v[i]);
	}
	printf("ok %d - changed copies\n", ++ntest);
	buf_release(&file);
	buf_release(&last);
	free(v);
	return ok;
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	bool ok = true;
	for (int i = 1; i < argc; i++)
		ok &= run(argv[i]);
	if (argc == 1)
		ok = run_corpus(strncmp(name, "fuzz-", 5) ? name : name + 5);
	printf("1..%d\n", ntest);
	return !ok;
}
