/*
 * Runs a fuzz target over files, as an ordinary test that prints TAP: the files
 * given, or all of t/fuzz/corpus/NAME/ for a program called fuzz-NAME.
 */
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int ntest;

static bool
run(const char *path)
{
	struct buf b = BUF_INIT;
	FILE *f = fopen(path, "r");
	bool ok = f != NULL;
	printf("# %s\n", path); /* the last one printed is the cause of an abort */
	fflush(stdout);
	for (size_t n = 1; ok && n > 0;) {
		buf_reserve(&b, 65536);
		n = fread(b.p + b.n, 1, 65536, f);
		b.n += n;
		ok = !ferror(f);
	}
	if (ok) { /* in a heap block of exactly that size, for the sanitizers */
		uint8_t *exact = mem_alloc(b.n);
		if (b.n)
			memcpy(exact, b.p, b.n);
		LLVMFuzzerTestOneInput(exact, b.n);
		mem_free(exact);
	} else {
		printf("# %s\n", strerror(errno));
	}
	printf("%sok %d - %s\n", ok ? "" : "not ", ++ntest, path);
	if (f)
		fclose(f);
	buf_release(&b);
	return ok;
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
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, v[i]->d_name);
		ok &= run(path);
		free(v[i]);
	}
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
