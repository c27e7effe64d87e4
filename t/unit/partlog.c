#include "log_help.h"

#include "log/segfile.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

static struct partlog_config small = { 4000, INT64_MAX / 2, 10 << 20, 200 };
static struct partlog_config big = { 1 << 30, INT64_MAX / 2, 10 << 20, 4096 };

void
test_partlog__appended_batches_are_found_again(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, NULL);
	check(access("t-0", F_OK) < 0);
	must(partlog_find(&l, 0, 10, 1000, true, &slice, &e));
	check_int(slice.size, 0);
	check(access("t-0", F_OK) < 0); /* made by the first append only */
	append(&l, 3, 10, 1000);
	append(&l, 2, 10, 1001);
	must(partlog_find(&l, 0, l.next_offset, 100000, true, &slice, &e));
	check_int(slice.first_offset, 0);
	check_int(slice.next_offset, 5);
	check_int(slice.size, l.size);
	check_slice(&slice);
	must(partlog_find(&l, 4, l.next_offset, 100000, true, &slice, &e));
	check_int(slice.next_offset, 5);
	check_slice(&slice);
	must(partlog_find(&l, 0, 3, 100000, true, &slice, &e));
	check_int(slice.next_offset, 3);
	check_slice(&slice);
	must(partlog_find(&l, 0, 4, 100000, true, &slice, &e));
	check_int(slice.next_offset, 3);
	check_slice(&slice);
	must(partlog_find(&l, 5, 5, 100000, true, &slice, &e));
	check_int(slice.size, 0);
	check(!slice.file);
	check(partlog_find(&l, 6, 6, 100000, true, &slice, &e) < 0);
	check_int(e.class, ERR_LIMIT);
	partlog_release(&l);
}

void
test_partlog__the_first_batch_comes_whole_or_not_at_all(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, NULL);
	append(&l, 1, 1000, 1);
	append(&l, 1, 10, 2);
	must(partlog_find(&l, 0, 2, 500, false, &slice, &e));
	check_int(slice.size, 0);
	must(partlog_find(&l, 0, 2, 500, true, &slice, &e));
	check_int(slice.next_offset, 1);
	check_slice(&slice);
	must(partlog_find(&l, 0, 0, 500, true, &slice, &e));
	check_int(slice.size, 0);
	partlog_release(&l);
}

void
test_partlog__a_clean_stop_is_a_clean_start(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	for (int i = 0; i < 100; i++)
		append(&l, 1 + i % 3, 100, 1000 + i);
	int64_t size = l.size;
	struct partlog_state state = stop(&l);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
	check(!l.body);
	check_int(l.next_offset, state.recovery_offset);
	must(partlog_open(&l, &e));
	check_int(l.size, size);
	for (int64_t at = 0; at < l.next_offset; at = slice.next_offset) {
		must(partlog_find(&l, at, l.next_offset, 700, true, &slice, &e));
		check(slice.size > 0);
		check_slice(&slice);
	}
	append(&l, 1, 10, 5000);
	stop(&l);
}

/* ---- against brute force ---- */

struct known {
	int64_t base, last, segment, position, size;
};

static struct known *known;
static int nknown;

static void
append_known(struct partlog *l, int n, int size, int64_t t)
{
	/* A read of the batch finds its segment. */
	struct err e;
	struct partlog_slice slice;
	int64_t base = l->next_offset;
	append(l, n, size, t);
	must(partlog_find(l, base, l->next_offset, 1, true, &slice, &e));
	known = mem_realloc(known, (size_t)(nknown + 1) * sizeof *known);
	int64_t segment = slice.position == 0 ? base : known[nknown - 1].segment;
	if (slice.position)
		check_int(slice.position, known[nknown - 1].position + known[nknown - 1].size);
	known[nknown++] = (struct known){ base, l->next_offset - 1, segment, slice.position,
		slice.size };
	check_slice(&slice);
}

static void
check_find(struct partlog *l, int64_t offset, int64_t limit, int64_t size_max, bool is_whole)
{
	struct err e;
	struct partlog_slice slice;
	int64_t size = 0, next = offset;
	int i = 0;
	while (i < nknown && known[i].last < offset)
		i++;
	int first = i;
	for (; i < nknown && known[i].segment == known[first].segment; i++) {
		bool is_taken = is_whole && i == first;
		if (known[i].last >= limit || (size + known[i].size > size_max && !is_taken))
			break;
		size += known[i].size;
		next = known[i].last + 1;
	}
	must(partlog_find(l, offset, limit, size_max, is_whole, &slice, &e));
	check_int(slice.size, size);
	check_int(slice.next_offset, next);
	if (size) {
		check_int(slice.position, known[first].position);
		check_slice(&slice);
	}
}

static void
check_many(struct partlog *l, int n)
{
	for (int i = 0; i < n; i++) {
		int64_t offset = l->log_start_offset +
			rand() % (l->next_offset - l->log_start_offset + 1);
		int64_t limit = rand() % 3 ? l->next_offset : rand() % (l->next_offset + 1);
		check_find(l, offset, limit, rand() % 6000, rand() % 2);
	}
}

void
test_partlog__find_agrees_with_brute_force(void)
{
	static const int64_t intervals[] = { 0, 1, 200, 1000, 100000 };
	struct err e;
	for (int round = 0; round < 10; round++) {
		srand((unsigned)round);
		struct partlog_config config = { 2000 + rand() % 20000, INT64_MAX / 2, 10 << 20,
			intervals[round % 5] };
		struct partlog l;
		char name[20];
		snprintf(name, sizeof name, "t-%d", round);
		partlog_init(&l, root_dir(), name, &some_topic, &config, NULL);
		nknown = 0;
		for (int i = 0; i < 400; i++) {
			append_known(&l, 1 + rand() % 5, rand() % 300, 1000 + i);
			if (i % 50 == 49)
				check_many(&l, 50);
			if (rand() % 100 == 0)
				must(partlog_flush(&l, &e));
			if (rand() % 40 == 0)
				sync_all(&l);
		}
		check_many(&l, 300);
		struct partlog_state state = stop(&l);
		partlog_init(&l, root_dir(), name, &some_topic, &config, &state);
		check_many(&l, 300);
		must(trim(&l, l.next_offset / 2, &e));
		check_many(&l, 300);
		partlog_release(&l);
	}
}

void
test_partlog__many_index_pages_are_searched(void)
{
	struct partlog_config config = { 1 << 30, INT64_MAX / 2, 10 << 20, 0 };
	struct partlog l;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &config, NULL);
	for (int i = 0; i < 3000; i++)
		append_known(&l, 1 + i % 3, i % 20, i);
	struct stat st;
	check(stat("t-0/00000000000000000000.index", &st) == 0);
	check(st.st_size >= 5 * 4096); /* by the page, while it was written */
	check_many(&l, 1000);
	struct partlog_state state = stop(&l);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &config, &state);
	check_many(&l, 1000);
	for (int64_t at = 0; at < l.next_offset; at++)
		check_find(&l, at, l.next_offset, 500, true);
	partlog_release(&l);
}

/* ---- rolling ---- */

void
test_partlog__segments_roll_by_size_age_and_index(void)
{
	struct partlog l;
	struct partlog_config config = { 1000, 1000, 1 << 20, 100 };
	partlog_init(&l, root_dir(), "t-0", &some_topic, &config, NULL);
	append(&l, 1, 600, 0);
	append(&l, 1, 600, 0);
	check_int(nsegment("t-0"), 2);
	config.segment_bytes = 1 << 20;
	append(&l, 1, 10, 999);
	check_int(nsegment("t-0"), 2);
	append(&l, 1, 10, 1001); /* 1001 ms younger than the segment's first */
	check_int(nsegment("t-0"), 3);
	config.segment_index_bytes = 24; /* three offset entries, one time entry */
	config.segment_ms = INT64_MAX / 2;
	append(&l, 1, 200, 1002);
	append(&l, 1, 200, 1003);
	check_int(nsegment("t-0"), 3);
	append(&l, 1, 200, 1004);
	check_int(nsegment("t-0"), 4);
	partlog_release(&l);
}

void
test_partlog__relative_offsets_never_overflow(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	struct buf b = BUF_INIT;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, NULL);
	append(&l, 1, 10, 1);
	struct batch batch = make_batch(&b, 1, 10, 2);
	store_be32(b.p + 23, INT32_MAX); /* as compaction may leave it */
	batch_seal(b.p);
	batch.last_offset_delta = INT32_MAX;
	must(partlog_append(&l, b.p, &batch, 0, 2, &e));
	check_int(nsegment("t-0"), 2);
	must(partlog_find(&l, 5, l.next_offset, 1000, true, &slice, &e));
	check_slice(&slice);
	buf_release(&b);
	partlog_release(&l);
}

/* ---- epochs ---- */

static void
check_epoch_end(struct partlog *l, int32_t asked, int32_t epoch, int64_t end)
{
	int32_t got;
	int64_t got_end;
	partlog_epoch_end(l, asked, &got, &got_end);
	check_int(got, epoch);
	check_int(got_end, end);
}

void
test_partlog__epochs_are_kept_and_answered(void)
{
	struct err e;
	struct partlog l;
	struct buf b = BUF_INIT;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	check_epoch_end(&l, 0, -1, -1);
	append_epoch(&l, 5, 10, 1, 2);
	append_epoch(&l, 5, 10, 1, 2);
	append_epoch(&l, 5, 10, 1, 4);
	append_epoch(&l, 5, 10, 1, 7);
	for (int again = 0; again < 2; again++) {
		check_epoch_end(&l, 8, -1, -1);
		check_epoch_end(&l, 7, 7, 20);
		check_epoch_end(&l, 6, 4, 15);
		check_epoch_end(&l, 4, 4, 15);
		check_epoch_end(&l, 3, 2, 10);
		check_epoch_end(&l, 2, 2, 10);
		check_epoch_end(&l, 1, 1, 0);
		check_epoch_end(&l, -1, -1, -1);
		check_int(partlog_epoch_at(&l, 0), 2);
		check_int(partlog_epoch_at(&l, 9), 2);
		check_int(partlog_epoch_at(&l, 10), 4);
		check_int(partlog_epoch_at(&l, 19), 7);
		if (again)
			break;
		sync_all(&l);
		must(fs_read_file(AT_FDCWD, "t-0/leader-epoch-checkpoint", 1000, &b, &e));
		check(str_eq(buf_str(&b), STR("0\n3\n2 0\n4 10\n7 15\n")));
		struct partlog_state state = stop(&l);
		partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
	}
	must(trim(&l, 12, &e));
	check_epoch_end(&l, 2, 2, 12);
	check_int(partlog_epoch_at(&l, 12), 4);
	check_int(partlog_epoch_at(&l, 11), -1);
	buf_release(&b);
	partlog_release(&l);
}

/* ---- faults ---- */

static const char *fault_op;
static int fault_with, fault_after;

static int
fault_now(const char *op, int fd)
{
	(void)fd;
	return strcmp(op, fault_op) == 0 && fault_after-- <= 0 ? fault_with : 0;
}

static void
set_fault(const char *op, int with, int after)
{
	fault_op = op;
	fault_with = with;
	fault_after = after;
	fs_fault = fault_now;
}

static void
check_append_fails(struct partlog *l, int size, int sys)
{
	struct err e;
	struct buf b = BUF_INIT;
	struct batch batch = make_batch(&b, 1, size, 1);
	int64_t next = l->next_offset, bytes = l->size;
	check(partlog_append(l, b.p, &batch, 0, 1, &e) < 0);
	check_int(e.class, ERR_SYS);
	check_int(e.sys, sys);
	check_int(l->next_offset, next);
	check_int(l->size, bytes);
	check(!l->is_failed);
	buf_release(&b);
}

void
test_partlog__a_full_disk_is_no_end(void)
{
	struct partlog l;
	struct stat st;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	set_fault("open", ENOSPC, 0);
	check_append_fails(&l, 10, ENOSPC);
	fs_fault = NULL;
	append(&l, 1, 100, 1);
	set_fault("write", ENOSPC, 0);
	check_append_fails(&l, 200, ENOSPC);
	set_fault("write", -50, 0); /* 50 bytes are written */
	check_append_fails(&l, 200, ENOSPC);
	fs_fault = NULL;
	check(stat("t-0/00000000000000000000.log", &st) == 0);
	check_int(st.st_size, l.size);
	append(&l, 2, 10, 2);
	/* The same at a roll: the index can't be written, or the file not created. */
	append(&l, 1, 3000, 2);
	for (int after = 0; after < 3; after++) {
		set_fault(after < 2 ? "write" : "open", ENOSPC, after < 2 ? after : 2);
		check_append_fails(&l, 3000, ENOSPC);
	}
	fs_fault = NULL;
	append(&l, 1, 3000, 2);
	struct partlog_state state = stop(&l);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
	for (int64_t at = 0; at < l.next_offset;) {
		struct err e;
		struct partlog_slice slice;
		must(partlog_find(&l, at, l.next_offset, 10000, true, &slice, &e));
		at = slice.next_offset;
		check_slice(&slice);
	}
	partlog_release(&l);
}

void
test_partlog__an_index_page_that_does_not_fit_waits(void)
{
	struct partlog_config config = { 1 << 30, INT64_MAX / 2, 10 << 20, 0 };
	struct partlog l;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &config, NULL);
	nknown = 0;
	for (int i = 0; i < 512; i++)
		append_known(&l, 1, 1, i);
	/* Two writes each time: that of the batch succeeds, that of the index page fails. */
	for (int i = 0; i < 600; i++) {
		set_fault("write", ENOSPC, 1);
		append_known(&l, 1, 1, i);
		fs_fault = NULL;
	}
	check_many(&l, 300);
	append_known(&l, 1, 1, 2000);
	check_many(&l, 300);
	partlog_release(&l);
}

void
test_partlog__a_failed_sync_is_the_end(void)
{
	struct err e;
	struct partlog l;
	struct partlog_sync sync;
	struct buf b = BUF_INIT;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	append(&l, 1, 100, 1);
	sync_all(&l);
	append(&l, 1, 100, 1);
	check(partlog_sync_begin(&l, &sync));
	set_fault("sync", EIO, 0);
	partlog_sync_run(&sync);
	fs_fault = NULL;
	partlog_sync_end(&l, &sync);
	check(l.is_failed);
	check(strcmp(l.failure->msg, "t-0: cannot sync: Input/output error") == 0);
	check_int(l.synced_offset, 1);
	struct batch batch = make_batch(&b, 1, 10, 1);
	check(partlog_append(&l, b.p, &batch, 0, 1, &e) < 0);
	check(strcmp(e.msg, l.failure->msg) == 0);
	check(!partlog_sync_begin(&l, &sync));
	buf_release(&b);
	partlog_release(&l);
}

void
test_partlog__a_sync_that_cannot_open_its_file_is_no_sync(void)
{
	struct partlog l, other;
	struct partlog_sync sync;
	segfile_cache_limit(1);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	partlog_init(&other, root_dir(), "t-1", &some_topic, &small, NULL);
	append(&l, 1, 100, 1);
	sync_all(&l);
	append(&l, 1, 100, 1);
	append(&other, 1, 100, 1); /* takes the only descriptor */
	set_fault("open", EACCES, 0);
	check_int(partlog_sync_begin(&l, &sync), 1);
	fs_fault = NULL;
	check(sync.nfd > 0);
	partlog_sync_run(&sync);
	sync.result = 0; /* the descriptors it gave were synced well */
	partlog_sync_end(&l, &sync);
	check_int(l.synced_offset, 1);
	check(l.is_failed);
	check(strstr(l.failure->msg, "cannot open what is to be synced: Permission denied"));
	partlog_release(&l);
	partlog_release(&other);
}

static bool covers(const struct partlog_sync *sync, const char *name);

void
test_partlog__a_first_sync_tried_again_covers_all(void)
{
	struct partlog l;
	struct partlog_sync sync;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	append(&l, 1, 100, 1);
	set_fault("open", EMFILE, 1); /* the first is of the epochs, which can wait */
	check_int(partlog_sync_begin(&l, &sync), -1);
	fs_fault = NULL;
	check_int(partlog_sync_begin(&l, &sync), 1);
	check(covers(&sync, "00000000000000000000.log") && covers(&sync, "t-0"));
	partlog_sync_run(&sync);
	partlog_sync_end(&l, &sync);
	check(!l.is_failed && l.synced_offset == 1);
	check_int(partlog_sync_begin(&l, &sync), 0);
	partlog_release(&l);
}

/* Does the sync cover a file of that name? */
static bool
covers(const struct partlog_sync *sync, const char *name)
{
	int fd[PARTLOG_SYNC_FD_MAX], n = partlog_sync_fds(sync, fd);
	char link[50], path[300];
	for (int i = 0; i < n; i++) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd[i]);
		ssize_t len = readlink(link, path, sizeof path - 1);
		check(len > 0);
		path[len] = 0;
		if (strcmp(strrchr(path, '/') + 1, name) == 0)
			return true;
	}
	return false;
}

void
test_partlog__indexes_are_synced_behind_synced_batches(void)
{
	struct partlog_config tiny = { 100, INT64_MAX / 2, 10 << 20, 300 };
	struct partlog l;
	struct partlog_sync sync;
	bool is_index = false, is_time = false, is_log = false;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &tiny, NULL);
	append(&l, 1, 50, 1);
	sync_all(&l);
	append(&l, 1, 50, 1); /* rolls, with nothing of the first segment unsynced */
	while (partlog_sync_begin(&l, &sync)) {
		is_index |= covers(&sync, "00000000000000000000.index");
		is_time |= covers(&sync, "00000000000000000000.timeindex");
		is_log |= covers(&sync, "00000000000000000001.log");
		partlog_sync_run(&sync);
		partlog_sync_end(&l, &sync);
	}
	check(is_index && is_time && is_log);
	check_int(l.synced_offset, 2);
	partlog_release(&l);
}

void
test_partlog__a_sync_covers_rolled_segments_and_directories(void)
{
	struct partlog l;
	struct partlog_sync sync;
	int fd[PARTLOG_SYNC_FD_MAX];
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	check(!partlog_sync_begin(&l, &sync));
	append(&l, 1, 100, 1);
	check(partlog_sync_begin(&l, &sync));
	/* Epochs, directory, root, segment. */
	check_int(partlog_sync_fds(&sync, fd), 4);
	append(&l, 1, 100, 1); /* meanwhile */
	partlog_sync_run(&sync);
	partlog_sync_end(&l, &sync);
	check_int(l.synced_offset, 1);
	check(partlog_sync_begin(&l, &sync));
	check_int(sync.nfd, 1);
	partlog_sync_run(&sync);
	partlog_sync_end(&l, &sync);
	check_int(l.synced_offset, 2);
	check(!partlog_sync_begin(&l, &sync));
	for (int i = 0; i < 10; i++)
		append(&l, 1, 3000, 1);
	int rounds = 0;
	while (partlog_sync_begin(&l, &sync)) {
		int64_t before = l.synced_offset;
		partlog_sync_run(&sync);
		partlog_sync_end(&l, &sync);
		check(l.synced_offset > before);
		rounds++;
	}
	check(rounds > 1);
	check_int(l.synced_offset, l.next_offset);
	partlog_release(&l);
}

/* ---- memory, many logs, deletion ---- */

void
test_partlog__a_log_in_memory_touches_no_disk(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice kept;
	segfile_cache_limit(1);
	partlog_init(&l, -1, "t-0", &some_topic, &small, NULL);
	must(trim(&l, 0, &e)); /* there is nothing yet, not even a segment */
	nknown = 0;
	for (int i = 0; i < 300; i++)
		append_known(&l, 1 + i % 4, i % 200, i);
	check_int(l.synced_offset, l.next_offset);
	check_many(&l, 500);
	must(partlog_flush(&l, &e));
	check_many(&l, 500);
	must(partlog_find(&l, 0, l.next_offset, 1000, true, &kept, &e));
	must(trim(&l, l.next_offset / 2, &e));
	check_many(&l, 500);
	check_slice(&kept); /* of a segment that is gone */
	must(partlog_delete(&l, &e));
	check(access("t-0", F_OK) < 0);
	partlog_release(&l);
}

void
test_partlog__a_thousand_logs_share_sixteen_descriptors(void)
{
	enum { N = 1000 };
	static struct partlog l[N];
	struct err e;
	char name[20];
	int root = root_dir();
	segfile_cache_limit(16);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "t-%d", i);
		partlog_init(&l[i], root, name, &some_topic, &small, NULL);
		append(&l[i], 1, 10, i);
		check(segfile_nopen() <= 16);
	}
	for (int i = 0; i < N; i++) {
		struct partlog_state state = stop(&l[i]);
		snprintf(name, sizeof name, "t-%d", i);
		partlog_init(&l[i], root, name, &some_topic, &small, &state);
	}
	check_int(segfile_nopen(), 0);
	for (int i = 0; i < 5000; i++) {
		struct partlog *one = &l[rand() % N];
		struct partlog_slice slice;
		append(one, 1, 10, i);
		must(partlog_find(one, 0, one->next_offset, 100000, true, &slice, &e));
		check_slice(&slice);
		check(segfile_nopen() <= 16);
	}
	for (int i = 0; i < N; i++)
		partlog_release(&l[i]);
	check_int(segfile_nopen(), 0);
}

void
test_partlog__an_idle_log_is_small(void)
{
	check(sizeof(struct partlog) <= 128);
}

void
test_partlog__pinned_slices_outlive_cache_and_log(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice[20];
	segfile_cache_limit(2);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	for (int i = 0; i < 20; i++)
		append(&l, 1, 3000, i);
	for (int i = 0; i < 20; i++)
		must(partlog_find(&l, i, 20, 10000, true, &slice[i], &e));
	must(partlog_delete(&l, &e));
	partlog_release(&l);
	check(access("t-0", F_OK) < 0);
	check(system("test -z \"$(ls)\"") == 0);
	for (int i = 0; i < 20; i++)
		check_slice(&slice[i]);
	check_int(segfile_nopen(), 0);
}

void
test_partlog__a_half_deleted_log_is_removed_at_the_start(void)
{
	struct err e;
	must(fs_mkdir(AT_FDCWD, "t-0.0123456789abcdef0123456789abcdef-delete", 0755, &e));
	must(fs_mkdir(AT_FDCWD, "to-delete-0", 0755, &e));
	must(fs_mkdir(AT_FDCWD, "x-delete", 0755, &e));
	check(system("touch t-0.0123456789abcdef0123456789abcdef-delete/0.log") == 0);
	must(partlog_remove_leftovers(root_dir(), &e));
	check(access("t-0.0123456789abcdef0123456789abcdef-delete", F_OK) < 0);
	check(access("to-delete-0", F_OK) == 0);
	check(access("x-delete", F_OK) == 0);
}

void
test_partlog__another_topics_directory_is_refused(void)
{
	struct err e;
	struct partlog l;
	struct uuid other = { { 9 } };
	struct buf b = BUF_INIT;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	append(&l, 1, 10, 1);
	stop(&l);
	partlog_init(&l, root_dir(), "t-0", &other, &small, NULL);
	struct batch batch = make_batch(&b, 1, 10, 1);
	check(partlog_append(&l, b.p, &batch, 0, 1, &e) < 0);
	check_int(e.class, ERR_CORRUPT);
	check(strstr(e.msg, "belongs to topic id AQIDAAAAAAAAAAAAAAAAAA, not "));
	check(l.is_failed);
	buf_release(&b);
	partlog_release(&l);
}

void
test_partlog__a_lost_index_is_made_anew(void)
{
	struct partlog l;
	struct partlog_config config = { 3000, INT64_MAX / 2, 10 << 20, 100 };
	partlog_init(&l, root_dir(), "t-0", &some_topic, &config, NULL);
	nknown = 0;
	for (int i = 0; i < 100; i++)
		append_known(&l, 1 + i % 3, 100, i);
	struct partlog_state state = stop(&l);
	check(system("mkdir was && cp t-0/*index was && rm t-0/*0.index t-0/*5.timeindex && "
		"for f in t-0/*7.index; do printf x >>$f; done") == 0);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &config, &state);
	check_many(&l, 300);
	check(system("for f in was/*; do cmp $f t-0/${f#*/} || exit 1; done") == 0);
	partlog_release(&l);
}

/* Each thread has a log, others put its slices, and the one cache is too small. */
static void *
use_log(void *arg)
{
	struct err e;
	struct partlog *l = arg;
	struct partlog_slice slice[3] = { { 0 } };
	for (int i = 0; i < 500; i++) {
		append(l, 1, 500, i);
		must(partlog_find(l, rand() % l->next_offset, l->next_offset, 3000, true,
			&slice[i % 3], &e));
		check(slice[i % 3].size > 0);
		check_slice(slice[(i + 1) % 3].file ? &slice[(i + 1) % 3] : &slice[i % 3]);
		if (i % 50 == 0)
			sync_all(l);
	}
	for (int i = 0; i < 3; i++)
		partlog_slice_put(&slice[i]);
	return NULL;
}

void
test_partlog__threads_share_the_cache(void)
{
	enum { N = 4 };
	struct partlog l[N];
	pthread_t thread[N];
	char name[20];
	int root = root_dir();
	segfile_cache_limit(3);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof name, "t-%d", i);
		partlog_init(&l[i], root, name, &some_topic, &small, NULL);
		check(pthread_create(&thread[i], NULL, use_log, &l[i]) == 0);
	}
	for (int i = 0; i < N; i++) {
		check(pthread_join(thread[i], NULL) == 0);
		partlog_release(&l[i]);
	}
	check_int(segfile_nopen(), 0);
}

static int
no_descriptors(const char *op, int fd)
{
	(void)fd;
	return strcmp(op, "open") == 0 && segfile_nopen() > 0 ? EMFILE : 0;
}

void
test_partlog__out_of_descriptors_the_idle_ones_go(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice slice;
	segfile_cache_limit(512);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	for (int i = 0; i < 5; i++)
		append(&l, 1, 3000, i);
	must(partlog_flush(&l, &e));
	must(partlog_find(&l, 1, 2, 3000, true, &slice, &e));
	check_slice(&slice);
	check_int(segfile_nopen(), 1);
	fs_fault = no_descriptors;
	must(partlog_find(&l, 3, 4, 3000, true, &slice, &e));
	fs_fault = NULL;
	check_slice(&slice);
	check_int(segfile_nopen(), 1);
	partlog_release(&l);
}
