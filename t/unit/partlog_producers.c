/* A log's producers survive stops and crashes, in Kafka's files. */
#include "producer_help.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

/* No power is cut here, and thousands of real syncs take long. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static struct partlog_config small = { 1500, INT64_MAX / 2, 10 << 20, 300 };
static struct partlog_config big = { 1 << 30, INT64_MAX / 2, 10 << 20, 1000 };

static void
put(struct partlog *l, int64_t id, int16_t epoch, int32_t sequence, int n, bool is_txn)
{
	struct err e;
	struct buf b = BUF_INIT;
	struct batch batch = make_producer_batch(&b, n, 10, 1000 + l->next_offset, id, epoch,
		sequence, is_txn);
	must(partlog_append(l, b.p, &batch, 0, 5000, &e));
	buf_release(&b);
}

static void
end(struct partlog *l, int64_t id, int16_t epoch, bool is_commit)
{
	struct err e;
	struct control_marker m = { id, epoch, 3, is_commit };
	must(partlog_append_marker(l, &m, 0, 6000 + l->next_offset, &e));
}

static struct prodstate *
producers(struct partlog *l)
{
	struct err e;
	struct prodstate *s = partlog_producers(l, &e);
	check(s);
	return s;
}

static int64_t
stable(struct partlog *l, int64_t high_watermark)
{
	struct err e;
	int64_t offset = -1;
	must(partlog_stable_offset(l, high_watermark, &offset, &e));
	return offset;
}

static void
start(struct partlog *l, const char *name, const struct partlog_config *config,
	const struct partlog_state *state)
{
	partlog_init(l, root_dir(), name, &some_topic, config, state);
}

/* The number of the log's files with this suffix. */
static int
nfile(const char *name, const char *suffix)
{
	DIR *d = opendir(name);
	int n = 0;
	check(d);
	for (struct dirent *it; (it = readdir(d));) {
		size_t len = strlen(it->d_name), ns = strlen(suffix);
		n += len > ns && strcmp(it->d_name + len - ns, suffix) == 0;
	}
	closedir(d);
	return n;
}

static bool
has_file(const char *name, int64_t offset, const char *suffix)
{
	char path[100];
	snprintf(path, sizeof path, "%s/%020lld%s", name, (long long)offset, suffix);
	return access(path, F_OK) == 0;
}

void
test_partlog_producers__a_clean_stop_keeps_them(void)
{
	struct partlog l;
	struct partlog_state state;
	struct buf before = BUF_INIT, after = BUF_INIT;
	start(&l, "t-0", &big, NULL);
	put(&l, 1, 0, 0, 3, false);
	put(&l, 2, 5, 7, 1, true);
	put(&l, 1, 0, 3, 2, false);
	print_producers(producers(&l), &before);
	state = stop(&l);
	check(has_file("t-0", 6, ".snapshot"));
	for (int i = 0; i < 3; i++) { /* also without a use in between */
		start(&l, "t-0", &big, &state);
		if (i != 1) {
			print_producers(producers(&l), &after);
			check(strcmp((char *)before.p, (char *)after.p) == 0);
			check_int(stable(&l, 6), 3);
		}
		state = stop(&l);
	}
	start(&l, "t-0", &big, &state);
	end(&l, 2, 5, false);
	put(&l, 1, 0, 5, 2, false);
	state = stop(&l);
	start(&l, "t-0", &big, &state);
	check_int(stable(&l, 9), 9);
	print_aborted(&l, &after);
	check(strcmp((char *)after.p, "2: 3..6 stable 7\n") == 0);
	partlog_release(&l);
	buf_release(&before);
	buf_release(&after);
}

void
test_partlog_producers__a_log_without_any_has_no_file(void)
{
	struct partlog l;
	start(&l, "t-0", &small, NULL);
	for (int i = 0; i < 50; i++)
		append(&l, 3, 30, i);
	struct partlog_state state = stop(&l);
	check(nsegment("t-0") > 3);
	check_int(nfile("t-0", ".snapshot"), 0);
	check_int(nfile("t-0", ".txnindex"), 0);
	start(&l, "t-0", &small, &state);
	check_int(prodstate_count(producers(&l)), 0);
	/* Recovery has nothing to read for them, nor to write. */
	partlog_release(&l);
	state.is_clean = false;
	int64_t cut;
	struct err e;
	start(&l, "t-0", &small, &state);
	must(partlog_recover(&l, true, &cut, &e));
	check_int(nfile("t-0", ".snapshot"), 0);
	partlog_release(&l);
}

void
test_partlog_producers__snapshots_go_with_their_segments(void)
{
	struct partlog l;
	struct err e;
	start(&l, "t-0", &small, NULL);
	for (int i = 0; i < 60; i++)
		put(&l, 1, 0, 3 * i, 3, false);
	check(nsegment("t-0") > 3);
	check_int(nfile("t-0", ".snapshot"), nsegment("t-0"));
	must(trim(&l, l.next_offset - 1, &e));
	check_int(nsegment("t-0"), 1);
	check_int(nfile("t-0", ".snapshot"), 1);
	struct partlog_state state = stop(&l);
	check_int(nfile("t-0", ".snapshot"), 2);
	start(&l, "t-0", &small, &state);
	check_int(prodstate_find(producers(&l), 1)->batch[0].last_sequence, 179);
	must(partlog_delete(&l, &e));
	partlog_release(&l);
}

void
test_partlog_producers__few_snapshots_are_kept(void)
{
	struct partlog l;
	struct partlog_state state;
	start(&l, "t-0", &big, NULL);
	append(&l, 3, 30, 0);
	put(&l, 1, 0, 0, 1, false);
	for (int i = 1; i < 20; i++) {
		state = stop(&l);
		/* The one before the first producer, and the last one. */
		check_int(nfile("t-0", ".snapshot"), 2);
		check(has_file("t-0", 3, ".snapshot"));
		check(has_file("t-0", state.recovery_offset, ".snapshot"));
		start(&l, "t-0", &big, &state);
		put(&l, 1, 0, i, 1, false);
	}
	partlog_release(&l);
}

static void
break_file(const char *name, int64_t offset)
{
	char path[100];
	snprintf(path, sizeof path, "%s/%020lld.snapshot", name, (long long)offset);
	check(truncate(path, 9) == 0);
}

void
test_partlog_producers__a_broken_snapshot_is_made_up_for(void)
{
	struct partlog l;
	struct buf before = BUF_INIT, after = BUF_INIT;
	start(&l, "t-0", &small, NULL);
	for (int i = 0; i < 60; i++) {
		put(&l, 1 + i % 3, 0, 3 * (i / 3), 3, i % 3 == 1);
		if (i % 3 == 1)
			end(&l, 2, 0, i % 2);
	}
	print_producers(producers(&l), &before);
	struct partlog_state state = stop(&l);
	break_file("t-0", state.recovery_offset);
	start(&l, "t-0", &small, &state);
	print_producers(producers(&l), &after);
	check(strcmp((char *)before.p, (char *)after.p) == 0);
	partlog_release(&l);
	/* All of them: from the start of the log. */
	check(system("for f in t-0/" "*.snapshot; do : >$f; done") == 0);
	start(&l, "t-0", &small, &state);
	print_producers(producers(&l), &after);
	check(strcmp((char *)before.p, (char *)after.p) == 0);
	partlog_release(&l);
	buf_release(&before);
	buf_release(&after);
}

void
test_partlog_producers__the_stable_offset_stops_at_a_transaction(void)
{
	struct partlog l;
	start(&l, "t-0", &big, NULL);
	append(&l, 4, 10, 0);
	check_int(stable(&l, 4), 4);
	put(&l, 1, 0, 0, 2, true); /* 4 */
	append(&l, 4, 10, 0);      /* 6 */
	check_int(stable(&l, 10), 4);
	check_int(stable(&l, 3), 3);
	end(&l, 1, 0, true);       /* 10 */
	/* As long as the marker is not replicated, it is as if not there. */
	check_int(stable(&l, 10), 4);
	check_int(stable(&l, 11), 11);
	partlog_release(&l);
}

void
test_partlog_producers__a_log_start_inside_a_transaction(void)
{
	struct partlog l;
	struct err e;
	start(&l, "t-0", &big, NULL);
	put(&l, 1, 0, 0, 5, true);
	put(&l, 1, 0, 5, 5, true);
	must(trim(&l, 7, &e));
	check_int(stable(&l, 10), 7);
	end(&l, 1, 0, true);
	check_int(stable(&l, 11), 11);
	partlog_release(&l);
}

static void
check_aborted(struct partlog *l, int64_t from, int64_t limit, const char *want)
{
	struct err e;
	struct buf txns = BUF_INIT, got = BUF_INIT;
	struct prodstate_txn txn;
	must(partlog_aborted(l, from, limit, &txns, &e));
	for (size_t i = 0; i < txns.n; i += sizeof txn) {
		memcpy(&txn, txns.p + i, sizeof txn);
		buf_printf(&got, "%lld:%lld ", (long long)txn.producer_id, (long long)txn.first_offset);
	}
	buf_putc(&got, 0);
	if (strcmp((char *)got.p, want) != 0)
		tap_fail(__FILE__, __LINE__, "[%lld, %lld): got %s, want %s", (long long)from,
			(long long)limit, (char *)got.p, want);
	buf_release(&txns);
	buf_release(&got);
}

void
test_partlog_producers__aborted_ones_are_listed_by_range(void)
{
	struct partlog l;
	start(&l, "t-0", &big, NULL);
	put(&l, 1, 0, 0, 2, true);  /* 0 */
	put(&l, 2, 0, 0, 2, true);  /* 2 */
	end(&l, 1, 0, false);       /* 4 */
	put(&l, 1, 0, 2, 2, true);  /* 5 */
	end(&l, 2, 0, true);        /* 7 */
	end(&l, 1, 0, false);       /* 8 */
	put(&l, 3, 0, 0, 2, true);  /* 9 */
	end(&l, 3, 0, false);       /* 11 */
	for (int again = 0; again < 2; again++) {
		check_aborted(&l, 0, 12, "1:0 1:5 3:9 ");
		check_aborted(&l, 0, 1, "1:0 ");
		check_aborted(&l, 4, 5, "1:0 ");
		check_aborted(&l, 5, 6, "1:5 ");
		check_aborted(&l, 4, 9, "1:0 1:5 ");
		check_aborted(&l, 8, 9, "1:5 ");
		check_aborted(&l, 9, 10, "3:9 ");
		check_aborted(&l, 11, 12, "3:9 ");
		check_aborted(&l, 12, 12, "");
		struct partlog_state state = stop(&l);
		check_int(nfile("t-0", ".txnindex"), 1);
		start(&l, "t-0", &big, &state);
	}
	partlog_release(&l);
}

void
test_partlog_producers__many_aborted_ones_are_found(void)
{
	struct partlog_config config = { 40000, INT64_MAX / 2, 10 << 20, 300 };
	struct partlog l;
	char want[50];
	start(&l, "t-0", &config, NULL);
	for (int i = 0; i < 1000; i++) {
		put(&l, i % 7, 0, i / 7, 1, true);
		end(&l, i % 7, 0, false);
	}
	check(nsegment("t-0") > 3);
	for (int i = 0; i < 1000; i += 13) {
		snprintf(want, sizeof want, "%d:%d ", i % 7, 2 * i);
		check_aborted(&l, 2 * i, 2 * i + 1, want);
		check_aborted(&l, 2 * i + 1, 2 * i + 2, want);
	}
	struct buf all = BUF_INIT;
	struct err e;
	must(partlog_aborted(&l, 0, 2000, &all, &e));
	check_int(all.n / sizeof(struct prodstate_txn), 1000);
	buf_release(&all);
	partlog_release(&l);
}

void
test_partlog_producers__in_memory_it_works_too(void)
{
	struct partlog l;
	partlog_init(&l, -1, "t-0", &some_topic, &small, NULL);
	for (int i = 0; i < 40; i++) {
		put(&l, 1, 0, 2 * i, 2, true);
		end(&l, 1, 0, i % 2);
	}
	check_int(prodstate_count(producers(&l)), 1);
	check_int(stable(&l, 120), 120);
	check_aborted(&l, 60, 67, "1:60 1:66 ");
	partlog_release(&l);
}

static int writes_left;

static int
full_disk(const char *op, int fd)
{
	(void)fd;
	if (strcmp(op, "write") != 0 && strcmp(op, "open") != 0 && strcmp(op, "rename") != 0)
		return 0;
	return writes_left-- > 0 ? 0 : ENOSPC;
}

void
test_partlog_producers__a_full_disk_changes_nothing(void)
{
	struct err e;
	struct buf before = BUF_INIT, after = BUF_INIT, b = BUF_INIT;
	int nfailed = 0;
	for (int left = 0; left < 20; left++) {
		struct partlog l;
		start(&l, "t-0", &small, NULL);
		writes_left = left;
		for (int i = 0; i < 60; i++) {
			print_producers(producers(&l), &before);
			int64_t offset = l.next_offset;
			struct batch batch = make_producer_batch(&b, 3, 10, 1, i % 4, 0, i / 4 * 3, false);
			fs_fault = full_disk;
			int r = partlog_append(&l, b.p, &batch, 0, 1, &e);
			fs_fault = NULL;
			if (r < 0) {
				nfailed++;
				print_producers(producers(&l), &after);
				check(strcmp((char *)before.p, (char *)after.p) == 0);
				check_int(l.next_offset, offset);
				writes_left = 1000000; /* room again */
				i--;
			}
		}
		print_producers(producers(&l), &before);
		struct partlog_state state = stop(&l);
		start(&l, "t-0", &small, &state);
		print_producers(producers(&l), &after);
		check(strcmp((char *)before.p, (char *)after.p) == 0);
		must(partlog_delete(&l, &e));
		partlog_release(&l);
	}
	check(nfailed >= 19);
	buf_release(&before);
	buf_release(&after);
	buf_release(&b);
}

void
test_partlog_producers__a_failed_stop_is_no_clean_one(void)
{
	struct partlog l;
	struct err e;
	start(&l, "t-0", &big, NULL);
	put(&l, 1, 0, 0, 2, true);
	end(&l, 1, 0, false);
	sync_all(&l);
	for (int left = 0; ; left++) {
		writes_left = left;
		fs_fault = full_disk;
		int r = partlog_flush(&l, &e);
		fs_fault = NULL;
		if (r == 0)
			break;
		check_int(e.sys, ENOSPC);
		check(left < 20);
	}
	check(has_file("t-0", 3, ".snapshot"));
	partlog_release(&l);
}

/* ---- crashes ---- */

static uint64_t seed = 88172645463325252u;

static int
roll(int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (int)((seed >> 20) % (uint64_t)n);
}

enum { STEPS_MAX = 400, WRITERS = 5 };

/* The state after each batch. */
struct known {
	int64_t offset;
	char *producers, *aborted;
};

struct history {
	struct known known[STEPS_MAX + 1];
	int n;
	int32_t sequence[WRITERS];
	bool is_open[WRITERS];
	int16_t epoch[WRITERS];
};

static void
note(struct history *h, struct partlog *l)
{
	struct buf b = BUF_INIT;
	struct known *k = &h->known[h->n++];
	k->offset = l->next_offset;
	print_producers(producers(l), &b);
	k->producers = mem_strdup((char *)b.p);
	print_aborted(l, &b);
	k->aborted = mem_strdup((char *)b.p);
	buf_release(&b);
}

static void
forget(struct history *h)
{
	for (int i = 0; i < h->n; i++) {
		mem_free(h->known[i].producers);
		mem_free(h->known[i].aborted);
	}
}

static const struct known *
known_at(const struct history *h, int64_t offset)
{
	for (int i = 0; i < h->n; i++)
		if (h->known[i].offset == offset)
			return &h->known[i];
	tap_fail(__FILE__, __LINE__, "no batch ends at %lld", (long long)offset);
	return NULL;
}

/* One more batch: some without a producer, some in transactions. */
static void
step(struct history *h, struct partlog *l)
{
	int w = roll(WRITERS);
	if (w == 0) {
		append(l, 1 + roll(3), roll(30), roll(1000));
	} else if (w > 2) {
		int n = 1 + roll(3);
		put(l, 100 + w, 0, h->sequence[w], n, false);
		h->sequence[w] += n;
	} else if (h->is_open[w] && roll(3) == 0) {
		end(l, 100 + w, h->epoch[w], roll(2));
		h->is_open[w] = false;
		if (roll(2)) {
			h->epoch[w]++;
			h->sequence[w] = 0;
		}
	} else {
		int n = 1 + roll(3);
		put(l, 100 + w, h->epoch[w], h->sequence[w], n, true);
		h->sequence[w] += n;
		h->is_open[w] = true;
	}
}

static void
copy_file(const char *from, const char *to, const char *name)
{
	char path[300], bytes[8192];
	snprintf(path, sizeof path, "%s/%s", from, name);
	int in = open(path, O_RDONLY);
	snprintf(path, sizeof path, "%s/%s", to, name);
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	check(in >= 0 && out >= 0);
	for (ssize_t n; (n = read(in, bytes, sizeof bytes)) > 0;)
		check(write(out, bytes, (size_t)n) == n);
	close(in);
	close(out);
}

/* Each file of the directory, but "." and "..". */
static void
each_file(const char *dir, void (*fn)(const char *dir, const char *name, void *ctx), void *ctx)
{
	DIR *d = opendir(dir);
	if (!d)
		return;
	for (struct dirent *it; (it = readdir(d));)
		if (it->d_name[0] != '.')
			fn(dir, it->d_name, ctx);
	closedir(d);
}

static void
remove_one(const char *dir, const char *name, void *ctx)
{
	char path[300];
	(void)ctx;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	check(unlink(path) == 0);
}

static void
copy_one(const char *dir, const char *name, void *ctx)
{
	copy_file(dir, ctx, name);
}

static void
copy_dir(const char *from, char *to)
{
	each_file(to, remove_one, NULL);
	check(mkdir(to, 0755) == 0 || errno == EEXIST);
	each_file(from, copy_one, to);
}

static void
check_known(struct partlog *l, const struct known *k, const char *what)
{
	struct buf b = BUF_INIT;
	print_producers(producers(l), &b);
	if (strcmp((char *)b.p, k->producers) != 0)
		tap_fail(__FILE__, __LINE__, "%s: at %lld got\n%swant\n%s", what,
			(long long)k->offset, (char *)b.p, k->producers);
	print_aborted(l, &b);
	if (strcmp((char *)b.p, k->aborted) != 0)
		tap_fail(__FILE__, __LINE__, "%s: at %lld got aborted\n%swant\n%s", what,
			(long long)k->offset, (char *)b.p, k->aborted);
	buf_release(&b);
}

/* Recovery opened the log: its state is that at the offset, also after a stop, and
 * after another crash before anything is synced. */
static void
check_recovered(const struct history *h, struct partlog *l, int64_t recovery_offset, bool same_boot,
	const char *what)
{
	struct err e;
	int64_t cut;
	const struct known *k = known_at(h, l->next_offset);
	check_known(l, k, what);
	if (roll(2)) {
		partlog_release(l);
		struct partlog_state again = { 0, recovery_offset, false };
		start(l, "c-0", &small, &again);
		must(partlog_recover(l, same_boot, &cut, &e));
		check_int(cut, 0);
		check_int(l->next_offset, k->offset);
		check_known(l, k, "recovered again");
	}
	if (roll(2)) {
		struct partlog_state state = stop(l);
		start(l, "c-0", &small, &state);
		check_known(l, k, "stopped and started");
	}
}

void
test_partlog_producers__a_killed_process_loses_nothing(void)
{
	struct err e;
	int64_t cut;
	for (int round = 0; round < 3; round++) {
		struct history h = { .n = 0 };
		struct partlog l, copy;
		start(&l, "t-0", &small, NULL);
		note(&h, &l);
		for (int i = 0; i < 150; i++) {
			step(&h, &l);
			note(&h, &l);
			if (roll(2))
				continue;
			copy_dir("t-0", (char[]){ "c-0" });
			struct partlog_state state = { 0, h.known[roll(h.n)].offset, false };
			start(&copy, "c-0", &small, &state);
			must(partlog_recover(&copy, true, &cut, &e));
			check_int(copy.next_offset, l.next_offset);
			check_recovered(&h, &copy, state.recovery_offset, true, "killed");
			partlog_release(&copy);
			if (i % 40 == 39) { /* the first log is stopped now and then, too */
				state = stop(&l);
				start(&l, "t-0", &small, &state);
			}
		}
		check(nsegment("t-0") > 3);
		must(partlog_delete(&l, &e));
		partlog_release(&l);
		forget(&h);
	}
}

/* A power cut loses all that was not on disk.  All before the recovery offset was,
 * except for the list of aborted transactions of its segment. */
static void
lose(const char *dir, const char *name, void *ctx)
{
	char path[300];
	int64_t *bounds = ctx; /* recovery offset, base of its segment */
	struct stat st;
	long long offset = atoll(name);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	const char *suffix = strchr(name, '.');
	if (!suffix)
		return;
	bool is_lost = strcmp(suffix, ".snapshot") == 0 ? offset >= bounds[0]
		: strcmp(suffix, ".txnindex") == 0 && offset >= bounds[1];
	if (!is_lost || roll(2))
		return;
	check(stat(path, &st) == 0);
	if (roll(2))
		check(unlink(path) == 0);
	else
		check(truncate(path, roll((int)st.st_size + 1)) == 0);
}

/* The base offsets of the segments, ascending. */
static int
bases(struct partlog *l, int64_t *v)
{
	DIR *d = opendir(l->name);
	int n = 0;
	for (struct dirent *it; (it = readdir(d));)
		if (strstr(it->d_name, ".log"))
			v[n++] = atoll(it->d_name);
	closedir(d);
	for (int i = 0; i < n; i++)
		for (int k = i + 1; k < n; k++)
			if (v[k] < v[i]) {
				int64_t t = v[i];
				v[i] = v[k];
				v[k] = t;
			}
	return n;
}

/* Cut the whole log at a random byte after the recovery offset. */
static void
cut_copy(int64_t recovery_offset, const int64_t *base, int nbase)
{
	char path[100];
	struct stat st;
	int first = 0;
	while (first + 1 < nbase && base[first + 1] <= recovery_offset)
		first++;
	int at = first + roll(nbase - first);
	for (int i = at; i < nbase; i++) {
		snprintf(path, sizeof path, "c-0/%020lld.log", (long long)base[i]);
		check(stat(path, &st) == 0);
		check((i > at ? unlink(path) : truncate(path, roll((int)st.st_size + 1))) == 0);
	}
	int64_t bounds[2] = { recovery_offset, base[first] };
	each_file("c-0", lose, bounds);
}

void
test_partlog_producers__after_a_power_cut_all_is_made_anew(void)
{
	struct err e;
	int64_t cut, base[100];
	int nrecovered = 0;
	for (int round = 0; round < 3; round++) {
		struct history h = { .n = 0 };
		struct partlog l, copy;
		start(&l, "t-0", &small, NULL);
		note(&h, &l);
		for (int i = 0; i < 150; i++) {
			step(&h, &l);
			note(&h, &l);
			if (roll(60) == 0) {
				struct partlog_state state = stop(&l);
				start(&l, "t-0", &small, &state);
			}
		}
		must(partlog_flush(&l, &e));
		int nbase = bases(&l, base);
		for (int i = 0; i < 30; i++) {
			copy_dir("t-0", (char[]){ "c-0" });
			struct partlog_state state = { 0, h.known[roll(h.n)].offset, false };
			cut_copy(state.recovery_offset, base, nbase);
			start(&copy, "c-0", &small, &state);
			if (partlog_recover(&copy, false, &cut, &e) == 0) {
				check_recovered(&h, &copy, state.recovery_offset, false, "power cut");
				nrecovered++;
			} /* else the cut was before the recovery offset: lost data, refused */
			partlog_release(&copy);
		}
		must(partlog_delete(&l, &e));
		partlog_release(&l);
		forget(&h);
	}
	check(nrecovered > 40);
}

/* The log is cut, and grows beyond its former end again. */
void
test_partlog_producers__a_snapshot_of_what_was_cut_is_not_used(void)
{
	struct err e;
	int64_t cut, base[100];
	for (int round = 0; round < 40; round++) {
		struct history h = { .n = 0 };
		struct partlog l;
		start(&l, "c-0", &small, NULL);
		note(&h, &l);
		for (int crash = 0; crash < 4; crash++) {
			for (int i = 0; i < 40; i++) {
				step(&h, &l);
				note(&h, &l);
			}
			int nbase = bases(&l, base);
			struct partlog_state state = { 0, h.known[roll(h.n)].offset, false };
			partlog_release(&l);
			if (crash < 3)
				cut_copy(state.recovery_offset, base, nbase);
			bool same_boot = crash == 3;
			start(&l, "c-0", &small, &state);
			if (partlog_recover(&l, same_boot, &cut, &e) < 0)
				break; /* cut too far */
			check_known(&l, known_at(&h, l.next_offset), "grown again");
			/* From there on its history differs. */
			while (h.n && h.known[h.n - 1].offset > l.next_offset) {
				h.n--;
				mem_free(h.known[h.n].producers);
				mem_free(h.known[h.n].aborted);
			}
			for (int w = 1; w < WRITERS; w++) {
				h.epoch[w]++;
				h.sequence[w] = 0;
			}
		}
		must(partlog_delete(&l, &e));
		partlog_release(&l);
		forget(&h);
	}
}
