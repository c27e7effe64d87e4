#include "log_help.h"

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
