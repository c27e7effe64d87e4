#include "tap.h"

#include "log/checkpoint.h"
#include "sys/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void
gather(void *ctx, struct str topic, int32_t partition, int64_t offset)
{
	buf_printf(ctx, "%.*s/%d=%lld;", STR_ARG(topic), partition, (long long)offset);
}

void
test_checkpoint__what_was_written_is_read(void)
{
	struct err e;
	struct buf b = BUF_INIT;
	struct checkpoint ckpt = CHECKPOINT_INIT;
	checkpoint_add(&ckpt, STR("orders"), 0, 42);
	checkpoint_add(&ckpt, STR("a.b-c_d"), 2147483647, INT64_MAX);
	check_int(checkpoint_write(&ckpt, AT_FDCWD, "x", &e), 0);
	checkpoint_release(&ckpt);
	check_int(fs_read_file(AT_FDCWD, "x", 1000, &b, &e), 0);
	check(str_eq(buf_str(&b),
		STR("0\n2\norders 0 42\na.b-c_d 2147483647 9223372036854775807\n")));
	buf_reset(&b);
	check_int(checkpoint_read(AT_FDCWD, "x", gather, &b, &e), 0);
	check(str_eq(buf_str(&b), STR("orders/0=42;a.b-c_d/2147483647=9223372036854775807;")));
	buf_reset(&b);
	/* A second write replaces the whole file. */
	check_int(checkpoint_write(&ckpt, AT_FDCWD, "x", &e), 0);
	check_int(checkpoint_read(AT_FDCWD, "x", gather, &b, &e), 0);
	check_int(b.n, 0);
	check(access("x.tmp", F_OK) < 0);
	buf_release(&b);
}

void
test_checkpoint__an_absent_file_is_empty(void)
{
	struct err e;
	struct buf b = BUF_INIT;
	check_int(checkpoint_read(AT_FDCWD, "absent", gather, &b, &e), 0);
	check_int(b.n, 0);
}

void
test_checkpoint__bad_lines_are_named(void)
{
	static const struct {
		const char *text;
		int line;
	} bad[] = {
		{ "", 1 },
		{ "1\n0\n", 1 },
		{ "x\n0\n", 1 },
		{ "0 0\n0\n", 1 },
		{ "0\n", 2 },
		{ "0\n-1\n", 2 },
		{ "0\n1\n", 3 },
		{ "0\n1\nt 0\n", 3 },
		{ "0\n1\nt 0 1 2\n", 3 },
		{ "0\n1\nt -1 5\n", 3 },
		{ "0\n1\nt 0 -5\n", 3 },
		{ "0\n1\nt 0 5x\n", 3 },
		{ "0\n1\nt 0 9223372036854775808\n", 3 },
		{ "0\n1\nt 2147483648 0\n", 3 },
		{ "0\n2\nt 0 5\n\n", 4 },
		{ "0\n1\nt 0 5\nt 1 5\n", 4 },
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e;
		struct buf b = BUF_INIT;
		char words[100];
		check_int(fs_replace_file(AT_FDCWD, "x", str_of(bad[i].text), &e), 0);
		check_int(checkpoint_read(AT_FDCWD, "x", gather, &b, &e), -1);
		check_int(e.class, ERR_CORRUPT);
		snprintf(words, sizeof words, "x: line %d is invalid", bad[i].line);
		if (strcmp(e.msg, words) != 0)
			tap_fail(__FILE__, __LINE__, "case %zu: %s", i, e.msg);
		buf_release(&b);
	}
}

void
test_checkpoint__a_failed_write_keeps_the_old_file(void)
{
	struct err e;
	struct buf b = BUF_INIT;
	struct checkpoint ckpt = CHECKPOINT_INIT;
	checkpoint_add(&ckpt, STR("t"), 0, 1);
	check_int(checkpoint_write(&ckpt, AT_FDCWD, "x", &e), 0);
	checkpoint_add(&ckpt, STR("t"), 1, 1);
	check(mkdir("y", 0755) == 0);
	check_int(checkpoint_write(&ckpt, AT_FDCWD, "y", &e), -1); /* a directory */
	check_int(e.class, ERR_SYS);
	check_int(checkpoint_read(AT_FDCWD, "x", gather, &b, &e), 0);
	check(str_eq(buf_str(&b), STR("t/0=1;")));
	checkpoint_release(&ckpt);
	buf_release(&b);
}
