/* A local metastore in the test's directory, and its file. */
#ifndef KQ_T_METASTORE_HELP_H
#define KQ_T_METASTORE_HELP_H
#include "tap.h"

#include "meta/metastore.h"
#include "sys/fs.h"

#include <fcntl.h>

#define FILE_NAME "kq-metadata.log"
#define must(x) do { if ((x) < 0) tap_fail(__FILE__, __LINE__, "%s: %s", #x, e.msg); } while (0)

/* The test's own directory. */
static inline int
here(void)
{
	static int fd = -1;
	if (fd < 0)
		fd = open(".", O_RDONLY | O_DIRECTORY);
	check(fd >= 0);
	return fd;
}

static inline struct metastore *
open_here(void)
{
	struct err e;
	struct metastore *meta = metastore_open_local(here(), &e);
	if (!meta)
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
	return meta;
}

static inline void
put(struct metastore *meta, const char *key, const char *value)
{
	struct err e;
	struct metastore_op op = { str_of(key), str_of(value), METASTORE_ANY };
	must(metastore_txn(meta, &op, 1, &e));
}

static inline int
write_entry(void *ctx, const struct metastore_entry *entry)
{
	buf_printf(ctx, "%.*s=%.*s@%d ", STR_ARG(entry->key), STR_ARG(entry->value),
		(int)entry->revision);
	return 0;
}

/* Everything the store tells, as text. */
static inline struct buf
dump(struct metastore *meta)
{
	struct buf b = BUF_INIT;
	metastore_list(meta, STR(""), write_entry, &b);
	buf_printf(&b, "to %d", (int)metastore_revision(meta));
	return b;
}

static inline void
check_dump(struct metastore *meta, struct str want)
{
	struct buf b = dump(meta);
	if (!str_eq(buf_str(&b), want))
		tap_fail(__FILE__, __LINE__, "%.*s, want %.*s", STR_ARG(buf_str(&b)), STR_ARG(want));
	buf_release(&b);
}

/* What a store opened now tells. */
static inline void
check_reopened(struct str want)
{
	struct metastore *meta = open_here();
	check_dump(meta, want);
	metastore_close(meta);
}

static inline struct buf
read_log(void)
{
	struct err e;
	struct buf b = BUF_INIT;
	must(fs_read_file(AT_FDCWD, FILE_NAME, 1 << 28, &b, &e));
	return b;
}

static inline void
write_log(struct str bytes)
{
	struct err e;
	int fd; /* not made durable: it is written thousands of times */
	must(fd = fs_open(AT_FDCWD, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0644, &e));
	must(fs_write_at(fd, bytes, 0, &e));
	fs_close(fd);
}

#endif
