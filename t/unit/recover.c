#include "log_help.h"

#include <errno.h>
#include <sys/stat.h>

static struct partlog_config small = { 4000, INT64_MAX / 2, 10 << 20, 300 };
static struct partlog_config big = { 1 << 30, INT64_MAX / 2, 10 << 20, 1000 };

#define FIRST "t-0/00000000000000000000.log"

static void
shell(const char *cmd)
{
	if (system(cmd) != 0)
		tap_fail(__FILE__, __LINE__, "failed: %s", cmd);
}

static int64_t
file_size(const char *path)
{
	struct stat st;
	check(stat(path, &st) == 0);
	return st.st_size;
}

/* Change one byte. */
static void
rot_at(const char *path, int64_t position)
{
	uint8_t c;
	int fd = open(path, O_RDWR);
	check(fd >= 0);
	check(pread(fd, &c, 1, position) == 1);
	c ^= 0x55;
	check(pwrite(fd, &c, 1, position) == 1);
	close(fd);
}

static void
put_at(const char *path, int64_t position, const void *p, size_t n)
{
	int fd = open(path, O_RDWR);
	check(fd >= 0);
	check(pwrite(fd, p, n, position) == (ssize_t)n);
	close(fd);
}

/* A log of n batches of two records, left as a killed process leaves it.  Returns
 * the next offset. */
static int64_t
make_log(const struct partlog_config *config, int n)
{
	struct partlog l;
	partlog_init(&l, root_dir(), "t-0", &some_topic, config, NULL);
	for (int i = 0; i < n; i++)
		append_epoch(&l, 2, 50 + i % 40, 1000 + i, i / 10);
	int64_t next = l.next_offset;
	partlog_release(&l);
	return next;
}

static void
begin(struct partlog *l, const struct partlog_config *config, int64_t recovery_offset)
{
	struct partlog_state state = { 0, recovery_offset, false };
	partlog_init(l, root_dir(), "t-0", &some_topic, config, &state);
}

/* Every batch can be read, and more can be appended. */
static void
check_whole(struct partlog *l)
{
	struct err e;
	struct partlog_slice slice;
	for (int round = 0; round < 2; round++) {
		int64_t at = l->log_start_offset;
		while (at < l->next_offset) {
			must(partlog_find(l, at, l->next_offset, 1500, true, &slice, &e));
			check(slice.size > 0);
			at = slice.next_offset;
			check_slice(&slice);
		}
		append(l, 3, 10, 9000);
	}
}

void
test_recover__every_cut_of_the_last_batch_is_mended(void)
{
	struct err e;
	int64_t next = make_log(&big, 30), size = file_size(FIRST), cut;
	struct partlog l;
	begin(&l, &big, 0);
	must(partlog_recover(&l, true, &cut, &e));
	check_int(cut, 0);
	check_int(l.next_offset, next);
	struct partlog_slice slice;
	must(partlog_find(&l, next - 1, next, 1, true, &slice, &e));
	int64_t last = slice.size;
	partlog_slice_put(&slice);
	partlog_release(&l);
	shell("cp -r t-0 whole");
	for (int64_t gone = 1; gone <= last; gone++) {
		for (int same_boot = 0; same_boot < 2; same_boot++) {
			shell("rm -rf t-0 && cp -r whole t-0");
			check(truncate(FIRST, size - gone) == 0);
			begin(&l, &big, gone % 2 ? 0 : next / 2);
			must(partlog_recover(&l, same_boot, &cut, &e));
			check_int(cut, last - gone);
			check_int(l.next_offset, next - 2);
			check_int(file_size(FIRST), size - last);
			check_int(l.size, size - last);
			if (gone % 16 == 0)
				check_whole(&l);
			partlog_release(&l);
		}
	}
}

void
test_recover__indexes_are_the_same_again(void)
{
	struct err e;
	struct partlog l;
	int64_t cut;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	for (int i = 0; i < 200; i++)
		append_epoch(&l, 1 + i % 3, i % 90, 1000 + (i * 37) % 150, i / 50);
	int64_t next = l.next_offset;
	stop(&l);
	shell("cp -r t-0 whole");
	for (int64_t from = 0; from <= next; from += 7) {
		for (int same_boot = 0; same_boot < 2; same_boot++) {
			/* The last segment's are older than the log is. */
			shell("f=$(ls t-0/*.index | tail -1) && truncate -s 16 $f && "
				"truncate -s 24 ${f%.index}.timeindex && rm t-0/*checkpoint");
			begin(&l, &small, from);
			if (from)
				shell("cp whole/*checkpoint t-0");
			must(partlog_recover(&l, same_boot, &cut, &e));
			check_int(cut, 0);
			check_int(l.next_offset, next);
			stop(&l);
			shell("diff -r t-0 whole");
		}
	}
}

void
test_recover__entries_for_what_was_cut_are_gone(void)
{
	struct err e;
	struct partlog l;
	int64_t cut;
	for (int same_boot = 0; same_boot < 2; same_boot++) {
		shell("rm -rf t-0");
		partlog_init(&l, root_dir(), "t-0", &some_topic, &big, NULL);
		for (int i = 0; i < 100; i++)
			append(&l, 2, 50, 1000 + i);
		stop(&l);
		check(truncate(FIRST, file_size(FIRST) / 2 - 7) == 0);
		begin(&l, &big, 20);
		must(partlog_recover(&l, same_boot, &cut, &e));
		check(cut > 0);
		check(file_size("t-0/00000000000000000000.index") <= file_size(FIRST) / 1000 * 8);
		check_whole(&l);
		struct partlog_state state = stop(&l);
		partlog_init(&l, root_dir(), "t-0", &some_topic, &big, &state);
		check_whole(&l);
		partlog_release(&l);
	}
}

/* Recovery must refuse, name the place, and change nothing. */
static void
check_refused(const struct partlog_config *config, int64_t recovery_offset, bool same_boot,
	const char *words)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	int64_t cut;
	shell("rm -rf before && cp -r t-0 before");
	begin(&l, config, recovery_offset);
	check(partlog_recover(&l, same_boot, &cut, &e) < 0);
	check_int(e.class, ERR_CORRUPT);
	if (!strstr(e.msg, words))
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
	check(l.is_failed);
	check(strcmp(l.failure->msg, e.msg) == 0);
	check(partlog_find(&l, 0, 1, 100, true, &slice, &e) < 0);
	check_int(e.class, ERR_CORRUPT);
	partlog_release(&l);
	shell("diff -r t-0 before");
}

/* Where the batch with that first offset begins. */
static int64_t
position_of(const struct partlog_config *config, int64_t offset, int64_t *segment)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	int64_t cut;
	begin(&l, config, 0);
	must(partlog_recover(&l, false, &cut, &e));
	must(partlog_find(&l, offset, l.next_offset, 1, true, &slice, &e));
	int64_t position = slice.position;
	partlog_slice_put(&slice);
	*segment = 0;
	shell("ls t-0/*.log | sed 's/.*[/]0*//; s/[.]log//; s/^$/0/' > bases");
	FILE *f = fopen("bases", "r");
	for (long long base; f && fscanf(f, "%lld", &base) == 1;)
		if (base <= offset)
			*segment = base;
	fclose(f);
	partlog_release(&l);
	return position;
}

void
test_recover__rot_before_the_recovery_offset_is_refused(void)
{
	char words[100];
	int64_t segment, next = make_log(&big, 50), position = position_of(&big, 40, &segment);
	rot_at(FIRST, position + 70);
	snprintf(words, sizeof words, FIRST ": position %lld: a record batch with the wrong CRC",
		(long long)position);
	check_refused(&big, next, false, words);
	check_refused(&big, 42, false, words);
}

void
test_recover__rot_with_good_batches_behind_it_is_refused(void)
{
	static const int bytes[] = { 3, 9, 10, 11, 16, 17, 25, 60, 61, 100 };
	char words[100];
	int64_t segment;
	make_log(&big, 50);
	int64_t position = position_of(&big, 40, &segment);
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
		rot_at(FIRST, position + bytes[i]);
		snprintf(words, sizeof words, FIRST ": position %lld: ", (long long)position);
		check_refused(&big, 0, true, words);
		check_refused(&big, 30, true, words);
		rot_at(FIRST, position + bytes[i]);
	}
	/* A smaller jump of the offset shows at the next batch only. */
	rot_at(FIRST, position + 6);
	check_refused(&big, 0, true, ": a record batch with the wrong offset");
}

void
test_recover__after_a_power_cut_the_unsynced_rest_goes(void)
{
	struct err e;
	struct partlog l;
	int64_t cut, segment, next = make_log(&big, 50), size = file_size(FIRST);
	int64_t position = position_of(&big, next - 10, &segment);
	rot_at(FIRST, position + 70);
	begin(&l, &big, next - 10);
	must(partlog_recover(&l, false, &cut, &e));
	check_int(cut, size - position);
	check_int(l.next_offset, next - 10);
	check_int(partlog_epoch_at(&l, next - 11), 4);
	check_whole(&l);
	partlog_release(&l);
}

void
test_recover__later_segments_go_with_a_torn_one(void)
{
	struct err e;
	struct partlog l;
	char path[100], words[200];
	int64_t cut, segment, next = make_log(&small, 200);
	int64_t position = position_of(&small, 100, &segment);
	snprintf(path, sizeof path, "t-0/%020lld.log", (long long)segment);
	check(segment > 0 && next > segment + 100);
	rot_at(path, position + 70);
	snprintf(words, sizeof words, "%s: position %lld", path, (long long)position);
	check_refused(&small, 0, true, words);
	check_refused(&small, 101, false, words);
	begin(&l, &small, 100);
	must(partlog_recover(&l, false, &cut, &e));
	check_int(l.next_offset, 100);
	check(cut > 4000);
	shell("ls t-0/*.index | tail -1 | xargs basename -s .index > a; "
		"ls t-0/*.log | tail -1 | xargs basename -s .log > b; cmp a b");
	check_whole(&l);
	struct partlog_state state = stop(&l);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
	check_whole(&l);
	partlog_release(&l);
}

void
test_recover__a_stored_batch_inside_a_torn_one_is_no_batch(void)
{
	struct err e;
	struct partlog l;
	struct buf b = BUF_INIT, inner = BUF_INIT;
	int64_t cut;
	make_log(&big, 10);
	int64_t size = file_size(FIRST);
	/* A producer's records hold the bytes of a log. */
	make_batch(&inner, 1, 100, 5);
	batch_set_offset(inner.p, 25, 0);
	make_batch(&b, 1, 4000, 5);
	batch_set_offset(b.p, 20, 0);
	memcpy(b.p + 1000, inner.p, inner.n);
	batch_seal(b.p);
	put_at(FIRST, size, b.p, 3000);
	begin(&l, &big, 0);
	must(partlog_recover(&l, true, &cut, &e));
	check_int(cut, 3000);
	check_int(l.next_offset, 20);
	check_whole(&l);
	partlog_release(&l);
	buf_release(&b);
	buf_release(&inner);
}

void
test_recover__zeros_at_the_end_are_cut(void)
{
	struct err e;
	struct partlog l;
	int64_t cut, next = make_log(&big, 10), size = file_size(FIRST);
	for (int same_boot = 0; same_boot < 2; same_boot++) {
		check(truncate(FIRST, size + 100000) == 0);
		begin(&l, &big, next);
		must(partlog_recover(&l, same_boot, &cut, &e));
		check_int(cut, 100000);
		check_int(file_size(FIRST), size);
		partlog_release(&l);
	}
}

void
test_recover__lost_data_is_refused(void)
{
	int64_t next = make_log(&small, 100);
	check_refused(&small, next + 1, false, "t-0 ends at offset ");
	shell("rm t-0/*.log");
	check_refused(&small, next, true, "t-0: there are no segments");
	shell("rm -r t-0 && mkdir t-0");
	check_refused(&small, 5, true, "t-0: there are no segments");
}

void
test_recover__a_log_that_never_was_is_empty(void)
{
	struct err e;
	struct partlog l;
	int64_t cut;
	begin(&l, &small, 0);
	must(partlog_recover(&l, false, &cut, &e));
	check_int(l.next_offset, 0);
	check(access("t-0", F_OK) < 0);
	check_whole(&l);
	partlog_release(&l);
}

void
test_recover__deleted_records_need_not_be_there(void)
{
	struct err e;
	struct partlog l;
	int64_t cut, next = make_log(&small, 100);
	struct partlog_state state = { next + 50, 0, false };
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
	must(partlog_recover(&l, false, &cut, &e));
	check_int(l.next_offset, next + 50);
	check_int(l.log_start_offset, next + 50);
	check_int(l.size, 0);
	check_whole(&l);
	state = stop(&l);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
	check_whole(&l);
	partlog_release(&l);
}

void
test_recover__a_clean_log_with_another_end_is_read(void)
{
	struct err e;
	struct partlog l;
	struct partlog_state state;
	struct partlog_slice slice;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, NULL);
	for (int i = 0; i < 50; i++)
		append(&l, 2, 100, i);
	state = stop(&l);
	int64_t size = file_size(FIRST);
	/* Longer by half a batch. */
	put_at(FIRST, size, "not a batch at all", 18);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, &state);
	must(partlog_find(&l, 99, 100, 1, true, &slice, &e));
	check_slice(&slice);
	check_int(file_size(FIRST), size);
	check_whole(&l);
	partlog_release(&l);
	/* Shorter: that is a loss. */
	check(truncate(FIRST, size - 1) == 0);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, &state);
	check(partlog_find(&l, 0, 100, 1, true, &slice, &e) < 0);
	check_int(e.class, ERR_CORRUPT);
	check(strstr(e.msg, "cut off, before the recovery offset"));
	partlog_release(&l);
}

void
test_recover__broken_epochs_are_read_from_the_batches(void)
{
	struct err e;
	struct buf b = BUF_INIT;
	struct partlog l;
	int64_t cut;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	for (int i = 0; i < 100; i++)
		append_epoch(&l, 2, 50, i, i / 30);
	int64_t next = l.next_offset;
	struct partlog_state state = stop(&l);
	for (int clean = 0; clean < 2; clean++) {
		shell("printf '0\\n9\\n0 0\\n' > t-0/leader-epoch-checkpoint");
		if (clean) {
			partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
			must(partlog_open(&l, &e));
		} else {
			begin(&l, &small, next - 10);
			must(partlog_recover(&l, false, &cut, &e));
		}
		check_int(partlog_epoch_at(&l, 59), 0);
		check_int(partlog_epoch_at(&l, 60), 1);
		stop(&l);
		buf_reset(&b);
		must(fs_read_file(AT_FDCWD, "t-0/leader-epoch-checkpoint", 1000, &b, &e));
		check(str_eq(buf_str(&b), STR("0\n4\n0 0\n1 60\n2 120\n3 180\n")));
	}
	buf_release(&b);
}

void
test_recover__a_first_use_recovers_by_itself(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	int64_t next = make_log(&big, 20);
	check(truncate(FIRST, file_size(FIRST) - 5) == 0);
	begin(&l, &big, 0);
	check(!l.is_recovered);
	must(partlog_find(&l, 0, next, 100, true, &slice, &e));
	check_slice(&slice);
	check(l.is_recovered);
	check_int(l.next_offset, next - 2);
	partlog_release(&l);
}

static int
no_truncate(const char *op, int fd)
{
	(void)fd;
	return strcmp(op, "truncate") == 0 ? EIO : 0;
}

void
test_recover__a_disk_that_refuses_may_be_tried_again(void)
{
	struct err e;
	struct partlog l;
	int64_t cut, next = make_log(&big, 20);
	check(truncate(FIRST, file_size(FIRST) - 5) == 0);
	begin(&l, &big, 0);
	fs_fault = no_truncate;
	check(partlog_recover(&l, true, &cut, &e) < 0);
	check_int(e.class, ERR_SYS);
	check(!l.is_failed);
	fs_fault = NULL;
	must(partlog_recover(&l, true, &cut, &e));
	check_int(l.next_offset, next - 2);
	check_whole(&l);
	partlog_release(&l);
}

/* Random crashes: a cut, bad bytes after the recovery offset, or nothing. */
void
test_recover__random_crashes_lose_nothing_that_was_synced(void)
{
	struct err e;
	for (int round = 0; round < 60; round++) {
		srand((unsigned)round);
		struct partlog l;
		struct partlog_config config = { 1000 + rand() % 20000, INT64_MAX / 2, 10 << 20,
			rand() % 500 };
		int64_t cut, synced = 0;
		shell("rm -rf t-0");
		partlog_init(&l, root_dir(), "t-0", &some_topic, &config, NULL);
		int n = 1 + rand() % 150;
		for (int i = 0; i < n; i++) {
			append_epoch(&l, 1 + rand() % 4, rand() % 200, 1000 + i, i / 40);
			if (rand() % 20 == 0)
				sync_all(&l);
		}
		int64_t next = l.next_offset;
		synced = l.synced_offset;
		int64_t synced_size = 0;
		if (synced < next) {
			struct partlog_slice slice;
			must(partlog_find(&l, synced, next, 1, true, &slice, &e));
			synced_size = slice.position;
			partlog_slice_put(&slice);
		}
		partlog_release(&l);
		bool same_boot = rand() % 2;
		/* Only a last segment that holds all unsynced batches is cut. */
		shell("ls t-0/*.log | tail -1 | tr -d '\\n' > last");
		char path[100] = "";
		FILE *f = fopen("last", "r");
		check(f && fscanf(f, "%99s", path) == 1);
		fclose(f);
		bool is_cut = synced < next && atoll(path + 4) <= synced;
		if (is_cut)
			check(truncate(path, synced_size +
				rand() % (file_size(path) - synced_size + 1)) == 0);
		begin(&l, &config, synced);
		must(partlog_recover(&l, same_boot, &cut, &e));
		check(l.next_offset >= synced);
		check(is_cut || l.next_offset == next);
		check_whole(&l);
		partlog_release(&l);
	}
}
