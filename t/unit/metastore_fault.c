#include "metastore_help.h"

#include <errno.h>
#include <stdio.h>

static const char *fault_op;
static int fault_with, fault_skip;

static int
fault_now(const char *op, int fd)
{
	(void)fd;
	return strcmp(op, fault_op) == 0 && fault_skip-- <= 0 ? fault_with : 0;
}

static void
check_fails(struct metastore *meta, const char *op, int with)
{
	struct err e;
	struct metastore_op x = { STR("/b"), STR("a longer value"), METASTORE_ANY };
	fault_op = op;
	fault_with = with;
	fault_skip = 0;
	fs_fault = fault_now;
	check_int(metastore_txn(meta, &x, 1, &e), -1);
	fs_fault = NULL;
	check_int(e.class, ERR_SYS);
	check(strstr(e.msg, FILE_NAME) != NULL);
}

void
test_metastore_fault__a_failed_write_changes_nothing(void)
{
	struct metastore *meta = open_here();
	put(meta, "/a", "1");
	struct buf before = dump(meta), log = read_log();
	for (int with = EIO; with >= -40; with = with == EIO ? -1 : with - 1) {
		check_fails(meta, "write", with);
		check_dump(meta, buf_str(&before));
		struct buf same = read_log();
		check(str_eq(buf_str(&same), buf_str(&log)));
		buf_release(&same);
	}
	put(meta, "/c", "2"); /* the next one works */
	check_dump(meta, STR("/a=1@1 /c=2@2 to 2"));
	metastore_close(meta);
	check_reopened(STR("/a=1@1 /c=2@2 to 2"));
	buf_release(&before);
	buf_release(&log);
}

static int
fault_write_and_truncate(const char *op, int fd)
{
	(void)fd;
	return strcmp(op, "write") == 0 ? fault_with : strcmp(op, "truncate") == 0 ? EIO : 0;
}

void
test_metastore_fault__bytes_of_a_failed_write_do_not_come_back(void)
{
	/* Not even if cutting them off failed. */
	for (fault_with = -1; fault_with > -60; fault_with--) {
		struct err e;
		must(fs_remove(AT_FDCWD, FILE_NAME, &e));
		struct metastore *meta = open_here();
		struct metastore_op op = { STR("/b"), STR("a value that is long enough"), 0 };
		put(meta, "/a", "1");
		fs_fault = fault_write_and_truncate;
		check_int(metastore_txn(meta, &op, 1, &e), -1);
		fs_fault = NULL;
		put(meta, "/c", "");
		metastore_close(meta);
		check_reopened(STR("/a=1@1 /c=@2 to 2"));
	}
}

void
test_metastore_fault__a_failed_sync_is_the_end(void)
{
	struct err e;
	struct metastore *meta = open_here();
	put(meta, "/a", "1");
	check_fails(meta, "sync", EIO);
	check_dump(meta, STR("/a=1@1 to 1"));
	for (int i = 0; i < 3; i++) {
		struct metastore_op op = { STR("/c"), STR("x"), METASTORE_ANY };
		check_int(metastore_txn(meta, &op, 1, &e), -1);
		check_int(e.class, ERR_SYS);
		check(strstr(e.msg, "sync failed before") != NULL);
		check_dump(meta, STR("/a=1@1 to 1")); /* but it can be read */
	}
	metastore_close(meta);
	meta = open_here(); /* opens, whether that one was stored or not */
	put(meta, "/c", "2");
	metastore_close(meta);
}

/* A log of which most is history; returns what is in it. */
static struct buf
grown_log(void)
{
	static char value[1000];
	struct err e;
	struct metastore *meta = open_here();
	memset(value, 'v', sizeof value - 1);
	put(meta, "/first", "of all");
	for (int i = 0; i < 60; i++) { /* each half of the keys, by turns */
		struct metastore_op op[50];
		char key[50][20];
		for (int j = 0; j < 50; j++) {
			snprintf(key[j], sizeof key[j], "/k%d", i % 2 * 50 + j);
			op[j] = (struct metastore_op){ str_of(key[j]),
				str_of((i + j) % 7 ? value : NULL), METASTORE_ANY };
		}
		must(metastore_txn(meta, op, 50, &e));
	}
	put(meta, "/gone", "x");
	put(meta, "/gone", NULL); /* the last revision is no entry's */
	struct buf b = dump(meta);
	metastore_close(meta);
	check(fs_size_at(AT_FDCWD, FILE_NAME, &e) > 2 << 20);
	return b;
}

void
test_metastore_fault__compaction_keeps_everything(void)
{
	struct err e;
	struct buf want = grown_log();
	check_reopened(buf_str(&want)); /* compacts */
	int64_t size = fs_size_at(AT_FDCWD, FILE_NAME, &e);
	check(size > 0 && size < 200000);
	check_reopened(buf_str(&want)); /* reads what that wrote */
	check_int(fs_size_at(AT_FDCWD, FILE_NAME, &e), size);
	struct metastore *meta = open_here();
	put(meta, "/new", "x");
	struct buf more = dump(meta);
	metastore_close(meta);
	check_reopened(buf_str(&more));
	buf_release(&more);
	buf_release(&want);
}

void
test_metastore_fault__a_failed_compaction_loses_nothing(void)
{
	static const struct { const char *op; int with, skip; } v[] = {
		{ "write", EIO, 0 }, { "write", -1000, 0 }, { "rename", EIO, 0 },
		{ "sync", EIO, 1 }, { "sync", EIO, 2 }, { "open", EMFILE, 1 },
		{ "open", EMFILE, 2 }, { "open", EMFILE, 3 }, { "open", EMFILE, 4 },
	};
	struct buf want = grown_log(), log = read_log();
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct err e;
		write_log(buf_str(&log));
		fault_op = v[i].op;
		fault_with = v[i].with;
		fault_skip = v[i].skip;
		fs_fault = fault_now;
		struct metastore *meta = metastore_open_local(here(), &e);
		fs_fault = NULL;
		if (meta)
			tap_fail(__FILE__, __LINE__, "way %zu failed not", i);
		check_reopened(buf_str(&want));
	}
	buf_release(&want);
	buf_release(&log);
}

void
test_metastore_fault__a_directory_that_fails_is_told(void)
{
	struct err e;
	check(metastore_open_local(900, &e) == NULL);
	check_int(e.sys, EBADF);
	fault_op = "sync"; /* the new file's name would not be safe */
	fault_with = EIO;
	fault_skip = 0;
	fs_fault = fault_now;
	check(metastore_open_local(here(), &e) == NULL);
	check_int(e.sys, EIO);
	fs_fault = NULL;
	check_reopened(STR("to 0"));
}
