#include "log_help.h"

#include <errno.h>

static struct partlog_config small = { 4000, INT64_MAX / 2, 10 << 20, 200 };

/* The position in every entry of the segment's offset index. */
static void
overwrite_positions(const char *path, int32_t position)
{
	struct err e;
	struct buf b = BUF_INIT;
	uint8_t p[4];
	int fd = open(path, O_RDWR);
	check(fd >= 0);
	must(fs_read_file(AT_FDCWD, path, 4096, &b, &e));
	check(b.n >= 8);
	store_be32(p, (uint32_t)position);
	for (size_t at = 4; at < b.n; at += 8)
		must(fs_write_at(fd, (struct str){ p, sizeof p }, (int64_t)at, &e));
	close(fd);
	buf_release(&b);
}

void
test_partlog_damage__index_positions_outside_of_the_file_are_not_used(void)
{
	static const int32_t positions[] = { 1 << 20, INT32_MAX, -1, INT32_MIN };
	for (size_t k = 0; k < ARRAY_LEN(positions); k++) {
		struct err e;
		struct partlog l;
		struct partlog_slice slice;
		int64_t offset, found_ms;
		int32_t epoch;
		partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
		for (int i = 0; i < 60; i++)
			append(&l, 1, 100, 1000 + i);
		struct partlog_state state = stop(&l);
		check(nsegment("t-0") > 1);
		overwrite_positions("t-0/00000000000000000000.index", positions[k]);
		partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
		/* Backwards, so that no search can continue where the last one ended. */
		for (int64_t at = l.next_offset - 1; at >= 0; at--) {
			must(partlog_find(&l, at, l.next_offset, 700, true, &slice, &e));
			check(slice.size > 0);
			check_slice(&slice);
		}
		check_int(partlog_find_time(&l, 1007, l.next_offset, &offset, &found_ms, &epoch,
			&e), 1);
		check_int(offset, 7);
		partlog_release(&l);
		check(system("rm -r t-0") == 0);
	}
}

static int
failing_sync(const char *op, int fd)
{
	(void)fd;
	return strcmp(op, "sync") == 0 ? EIO : 0;
}

void
test_partlog_damage__a_flush_that_fails_leaves_the_old_epochs(void)
{
	struct err e;
	struct partlog l;
	struct buf was = BUF_INIT, is = BUF_INIT;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	append_epoch(&l, 1, 10, 1000, 3);
	must(partlog_flush(&l, &e));
	must(fs_read_file(AT_FDCWD, "t-0/leader-epoch-checkpoint", 100, &was, &e));
	append_epoch(&l, 1, 10, 1000, 4);
	fs_fault = failing_sync;
	check_int(partlog_flush(&l, &e), -1);
	fs_fault = NULL;
	must(fs_read_file(AT_FDCWD, "t-0/leader-epoch-checkpoint", 100, &is, &e));
	check(str_eq(buf_str(&is), buf_str(&was)));
	must(partlog_flush(&l, &e));
	buf_reset(&is);
	must(fs_read_file(AT_FDCWD, "t-0/leader-epoch-checkpoint", 100, &is, &e));
	check(str_eq(buf_str(&is), STR("0\n2\n3 0\n4 1\n")));
	buf_release(&was);
	buf_release(&is);
	partlog_release(&l);
}
