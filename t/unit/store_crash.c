/* What a store's folder is after kills, damage and full disks. */
#include "store_help.h"

#include "sys/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct store_set *
try_open(const char *identity, size_t memory_max, struct err *e)
{
	return store_set_new(&(struct store_set_opts){ .dir = "state", .memory_max = memory_max,
		.identity = identity }, e);
}

static struct store_set *
open_set(size_t memory_max)
{
	struct err e;
	struct store_set *set = try_open("app", memory_max, &e);
	if (!set)
		tap_fail(__FILE__, __LINE__, "%s", e.msg);
	return set;
}

/* ---- kills ---- */

/* The same history each time: a checkpoint every 100 steps, with its number as text. */
static void
play(struct history *history, struct store_set *set, int ncheckpoint)
{
	struct err e;
	char text[20];
	for (int i = 1; i <= ncheckpoint; i++) {
		for (int j = 0; j < 100; j++) {
			history_step(history);
			store_set_trim(set);
			if (j % 20)
				continue;
			store_clean(history->store);
			model_clean(&history->model);
		}
		store_clean(history->store);
		model_clean(&history->model);
		snprintf(text, sizeof text, "%d", i);
		if (ncheckpoint == INT32_MAX) /* else there is no folder */
			check(store_set_checkpoint(set, str_of(text), &e) == 0);
	}
}

static _Noreturn void
play_until_killed(enum store_order order, uint64_t seed)
{
	struct err e;
	struct store_set *set = open_set(60000);
	struct history history = { .seed = seed, .nkey = 800, .is_fixed = true };
	history.store = store_open(set, "s", order, &e);
	play(&history, set, INT32_MAX);
	_exit(1);
}

static void
check_after_kill(enum store_order order, uint64_t seed, int *nfound)
{
	struct err e;
	struct store_set *set = open_set(60000);
	struct store *store = store_open(set, "s", order, &e);
	struct str text = store_set_checkpoint_text(set);
	if (store_set_notice(set))
		tap_fail(__FILE__, __LINE__, "%s", store_set_notice(set));
	struct store_set *other = store_set_new(&(struct store_set_opts){ 0 }, &e);
	struct history history = { .seed = seed, .nkey = 800, .is_fixed = true };
	history.store = store_open(other, "s", order, &e);
	char *z = mem_strndup(text);
	play(&history, other, atoi(z));
	check_all(store, &history.model);
	*nfound += text.n > 0;
	mem_free(z);
	model_release(&history.model);
	store_set_free(other);
	store_set_free(set);
}

/* What the last process left, which may be killed before it has begun, is not to be found. */
static void
begin_empty(enum store_order order)
{
	struct err e;
	struct store_set *set = open_set(60000);
	store_open(set, "s", order, &e);
	check(store_set_reset(set, &e) == 0);
	store_set_free(set);
}

static void
kill_many(enum store_order order)
{
	int nfound = 0;
	for (uint64_t seed = 1; seed <= 15; seed++) {
		begin_empty(order);
		pid_t pid = fork();
		check(pid >= 0);
		if (pid == 0)
			play_until_killed(order, seed);
		usleep((useconds_t)(1000 + seed * 7919 % 150000));
		kill(pid, SIGKILL);
		int status;
		check(waitpid(pid, &status, 0) == pid);
		check(WIFSIGNALED(status));
		check_after_kill(order, seed, &nfound);
	}
	check(nfound > 0);
}

void
test_store__after_a_kill_a_hashed_store_is_as_at_the_last_checkpoint(void)
{
	kill_many(STORE_HASH);
}

void
test_store__after_a_kill_a_tree_is_as_at_the_last_checkpoint(void)
{
	kill_many(STORE_TREE);
}

/* ---- damage ---- */

/* A checkpoint of n entries, some of them large; the model has them, too. */
static void
make_state(struct model *model, int n, const char *text)
{
	struct err e;
	uint8_t value[1500], p[20];
	struct store_set *set = open_set(0);
	struct store *store = store_open(set, "s", STORE_TREE, &e);
	for (int i = 0; i < n; i++) {
		struct str key = { p, snprintf((char *)p, sizeof p, "key-%d", i * 7919 % n) };
		memset(value, i, sizeof value);
		int size = i % 50 ? i % 90 : 1500;
		store_put(store, key, (struct str){ value, size }, i);
		if (model)
			model_put(model, key, (struct str){ value, size }, i);
	}
	store_clean(store);
	check(store_set_checkpoint(set, str_of(text), &e) == 0);
	store_set_free(set);
}

static void
write_file(const char *path, const void *p, size_t n)
{
	struct err e;
	int fd = fs_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, &e);
	check(fd >= 0);
	check(fs_write_at(fd, (struct str){ p, (int32_t)n }, 0, &e) == 0);
	fs_close(fd);
}

/* Either the state is as it was, or it is empty; it can be used. */
static bool
check_damaged(const struct model *model)
{
	struct err e;
	struct store_set *set = open_set(0);
	struct store *store = store_open(set, "s", STORE_TREE, &e);
	bool is_lost = store_set_checkpoint_text(set).n < 0;
	if (is_lost) {
		check_int(store_count(store), 0);
	} else {
		check(store_set_notice(set) == NULL);
		check_all(store, model);
	}
	for (int i = 0; i < 300; i++) {
		char z[20];
		snprintf(z, sizeof z, "new-%d", i);
		store_put(store, str_of(z), str_of(z), 1);
	}
	store_clean(store);
	check(store_set_checkpoint(set, STR("2"), &e) == 0);
	check(!store_set_is_failed(set, &e));
	store_set_free(set);
	return is_lost;
}

static void
damage(struct buf *b, const struct buf *good, uint64_t seed)
{
	struct history history = { .seed = seed };
	buf_reset(b);
	buf_put(b, good->p, good->n);
	uint32_t at = history_rand(&history, (uint32_t)b->n);
	uint32_t kind = history_rand(&history, 5);
	if (kind == 0)
		b->n = at;
	else if (kind == 1)
		memset(b->p + at / 4096 * 4096, 0, MIN((size_t)4096, b->n - at / 4096 * 4096));
	else if (kind == 2)
		for (size_t i = at; i < b->n && i < at + 200; i++)
			b->p[i] = (uint8_t)history_rand(&history, 256);
	else if (kind == 3)
		b->p[at % 8192 % 200 + at % 2 * 4096] ^= (uint8_t)(1 + history_rand(&history, 255));
	else
		b->p[at] ^= (uint8_t)(1 + history_rand(&history, 255));
}

void
test_store__a_damaged_file_is_found_or_does_no_harm(void)
{
	struct model model = { 0 };
	struct buf good = BUF_INIT, b = BUF_INIT;
	struct err e;
	int nlost = 0;
	make_state(&model, 700, "1");
	check(fs_read_file(AT_FDCWD, "state/state.mdb", 1 << 24, &good, &e) == 0);
	write_file("state/state.mdb", good.p, good.n);
	check(!check_damaged(&model));
	for (uint64_t seed = 1; seed <= 300; seed++) {
		fprintf(stderr, "# seed %d\n", (int)seed);
		damage(&b, &good, seed);
		write_file("state/state.mdb", b.p, b.n);
		nlost += check_damaged(&model);
	}
	check(nlost > 100);
	buf_release(&b);
	buf_release(&good);
	model_release(&model);
}

void
test_store__a_file_that_is_no_database_is_told_once(void)
{
	struct err e;
	const char *garbage = "this is no database";
	make_state(NULL, 10, "1");
	write_file("state/state.mdb", garbage, strlen(garbage));
	struct store_set *set = open_set(0);
	check(strstr(store_set_notice(set), "it is rebuilt") != NULL);
	check(store_set_checkpoint_text(set).n < 0);
	store_set_free(set);
	set = open_set(0);
	check(store_set_notice(set) == NULL);
	check(store_set_checkpoint_text(set).n < 0);
	check(!store_set_is_failed(set, &e));
	store_set_free(set);
}

/* ---- refusals ---- */

void
test_store__a_file_without_permission_is_told_and_replaced(void)
{
	int status;
	make_state(NULL, 10, "1");
	check(chmod("state/state.mdb", 0) == 0);
	check(chmod("state", 0777) == 0);
	check(chmod("state/lock", 0666) == 0);
	check(chmod(".", 0755) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0)
			check(setuid(65534) == 0);
		struct store_set *set = open_set(0);
		check(strstr(store_set_notice(set), "Permission denied") != NULL);
		store_set_free(set);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid);
	check_int(status, 0);
}

void
test_store__another_applications_state_is_refused(void)
{
	struct err e;
	make_state(NULL, 10, "1");
	check(try_open("other app", 0, &e) == NULL);
	check_int(e.class, ERR_USAGE);
	check(strstr(e.msg, "has the state of \"app\", not of \"other app\"") != NULL);
	struct store_set *set = open_set(0);
	check(str_eq(store_set_checkpoint_text(set), STR("1")));
	store_set_free(set);
}

void
test_store__two_processes_cannot_use_one_folder(void)
{
	int status;
	struct store_set *set = open_set(0);
	pid_t pid = fork();
	if (pid == 0) {
		struct err e;
		check(try_open("app", 0, &e) == NULL);
		check_int(e.class, ERR_LIMIT);
		check(strstr(e.msg, "in use by another process") != NULL);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid);
	check_int(status, 0);
	store_set_free(set);
}

/* ---- a full disk ---- */

/* No file may have more than n bytes from now on. */
static void
limit_files(rlim_t n)
{
	struct rlimit limit = { n, RLIM_INFINITY };
	signal(SIGXFSZ, SIG_IGN);
	check(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void
put_many(struct store_set *set, struct store *store, int n, bool is_clean)
{
	uint8_t value[100] = { 0 };
	for (int i = 0; i < n; i++) {
		char z[20];
		snprintf(z, sizeof z, "more-%d", i);
		store_put(store, str_of(z), (struct str){ value, sizeof value }, 1);
		store_set_trim(set);
		if (is_clean && i % 50 == 0)
			store_clean(store);
	}
	store_clean(store);
}

void
test_store__a_full_disk_fails_the_set_and_keeps_the_checkpoint(void)
{
	struct err e;
	struct model model = { 0 };
	make_state(&model, 700, "1");
	struct store_set *set = open_set(50000);
	struct store *store = store_open(set, "s", STORE_TREE, &e);
	limit_files(100000);
	put_many(set, store, 5000, true);
	check(store_set_is_failed(set, &e));
	check(strstr(e.msg, "cannot write 'state/spill.mdb': ") != NULL);
	check(store_set_checkpoint(set, STR("2"), &e) < 0);
	store_set_free(set);
	set = open_set(0);
	store = store_open(set, "s", STORE_TREE, &e);
	check(str_eq(store_set_checkpoint_text(set), STR("1")));
	check_all(store, &model);
	store_set_free(set);
	model_release(&model);
}

void
test_store__a_checkpoint_on_a_full_disk_keeps_the_last_one(void)
{
	struct err e;
	struct model model = { 0 };
	make_state(&model, 700, "1");
	struct store_set *set = open_set(0);
	struct store *store = store_open(set, "s", STORE_TREE, &e);
	put_many(set, store, 5000, true);
	limit_files(150000);
	check(store_set_checkpoint(set, STR("2"), &e) < 0);
	check(strstr(e.msg, "cannot write 'state/state.mdb': ") != NULL);
	check(!store_set_is_failed(set, &e));
	check(str_eq(store_set_checkpoint_text(set), STR("1")));
	check_int(store_count(store), 5700);
	store_set_free(set);
	set = open_set(0);
	store = store_open(set, "s", STORE_TREE, &e);
	check(str_eq(store_set_checkpoint_text(set), STR("1")));
	check_all(store, &model);
	/* Once there is room, the same set can go on. */
	put_many(set, store, 5000, true);
	check(store_set_checkpoint(set, STR("2"), &e) < 0);
	limit_files(RLIM_INFINITY);
	check(store_set_checkpoint(set, STR("3"), &e) == 0);
	store_set_free(set);
	set = open_set(0);
	store = store_open(set, "s", STORE_TREE, &e);
	check(str_eq(store_set_checkpoint_text(set), STR("3")));
	check_int(store_count(store), 5700);
	store_set_free(set);
	model_release(&model);
}

void
test_store__without_a_folder_the_memory_limit_fails_the_set(void)
{
	struct err e;
	struct store_set *set = store_set_new(&(struct store_set_opts){ .memory_max = 50000 }, &e);
	struct store *store = store_open(set, "s", STORE_HASH, &e);
	put_many(set, store, 5000, false);
	check(store_set_is_failed(set, &e));
	check_int(e.class, ERR_LIMIT);
	check(strstr(e.msg, "more than its limit of 50000 bytes") != NULL);
	struct store_entry entry;
	check(!store_get(store, STR("more-1"), &entry));
	store_set_free(set);
}

void
test_store__full_of_changes_it_wants_a_commit(void)
{
	struct err e;
	struct store_set *set = open_set(100000);
	struct store *store = store_open(set, "s", STORE_HASH, &e);
	uint8_t value[100] = { 0 };
	int n = 0;
	for (; !store_set_wants_commit(set) && n < 5000; n++) {
		char z[20];
		snprintf(z, sizeof z, "key-%d", n);
		store_put(store, str_of(z), (struct str){ value, sizeof value }, 1);
		store_set_trim(set);
	}
	check(n > 300 && n < 1500);
	check(access("state/spill.mdb", F_OK) < 0);
	store_clean(store);
	check(!store_set_wants_commit(set));
	store_set_trim(set);
	check(store_set_memory(set) <= 100000);
	check(access("state/spill.mdb", F_OK) == 0);
	check_int(store_count(store), n);
	store_set_free(set);
	check(access("state/spill.mdb", F_OK) < 0);
}
