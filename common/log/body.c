#include "log/producers.h"

#include "sys/fs.h"
#include "sys/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint32_t seed;

static void
make_seed(void)
{
	rand_bytes(&seed, sizeof seed);
}

struct partlog_body *
body_new(const struct partlog *l)
{
	struct partlog_body *body = NEW(struct partlog_body);
	body->dir = (struct logdir){ l->root_fd, l->name };
	pthread_once(&seed_once, make_seed);
	prodstate_init(&body->producers, seed);
	body->rolled_offset = -1;
	for (size_t i = 0; i < ARRAY_LEN(body->recent); i++)
		body->recent[i].offset = -1;
	return body;
}

void
body_free(struct partlog_body *body)
{
	if (!body)
		return;
	for (int i = 0; i < body->n; i++)
		segment_release(&body->v[i]);
	epochs_release(&body->epochs);
	prodstate_release(&body->producers);
	mem_free(body->snapshot);
	mem_free(body->v);
	mem_free(body->page);
	mem_free(body);
}

struct segment *
body_add(struct partlog_body *body, int64_t base_offset)
{
	assert(body->n == 0 || body->v[body->n - 1].base_offset < base_offset);
	if (body->n == body->cap) {
		body->cap = body->cap ? body->cap * 2 : 1;
		body->v = mem_realloc(body->v, (size_t)body->cap * sizeof *body->v);
	}
	segment_init(&body->v[body->n], base_offset);
	return &body->v[body->n++];
}

int64_t
body_end(const struct partlog *l, int i)
{
	const struct partlog_body *body = l->body;
	assert(i >= 0 && i < body->n);
	return i + 1 < body->n ? body->v[i + 1].base_offset : l->next_offset;
}

int
body_find(const struct partlog_body *body, int64_t offset)
{
	int low = -1, high = body->n;
	if (high > 0 && body->v[high - 1].base_offset <= offset)
		return high - 1;
	while (high - low > 1) {
		int mid = low + (high - low) / 2;
		if (body->v[mid].base_offset <= offset)
			low = mid;
		else
			high = mid;
	}
	assert(low < 0 || body->v[low].base_offset <= offset);
	return low;
}

void
body_remember(struct partlog_body *body, int64_t offset, int64_t base_offset, int64_t position)
{
	struct slice_end *recent = NULL;
	for (size_t i = 0; i < ARRAY_LEN(body->recent) && !recent; i++)
		if (body->recent[i].offset == offset)
			recent = &body->recent[i];
	if (!recent)
		recent = &body->recent[body->recent_next++ % ARRAY_LEN(body->recent)];
	*recent = (struct slice_end){ offset, base_offset, position };
}

int64_t
body_recall(const struct partlog_body *body, int64_t offset, int64_t base_offset)
{
	if (offset == base_offset)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(body->recent); i++)
		if (body->recent[i].offset == offset && body->recent[i].base_offset == base_offset)
			return body->recent[i].position;
	return -1;
}

/* The offsets in the names "<20 digits>.log", "<20 digits>.txnindex". */
struct listing {
	struct buf logs, txns;
	struct partlog_body *body;
};

static int
list_one(void *ctx, const char *name)
{
	struct listing *list = ctx;
	int64_t base = 0;
	size_t i = 0;
	for (; i < 20 && name[i] >= '0' && name[i] <= '9'; i++)
		if (__builtin_mul_overflow(base, 10, &base)
			|| __builtin_add_overflow(base, name[i] - '0', &base))
			return 0;
	if (i < 20)
		return 0;
	if (strcmp(name + i, ".log") == 0)
		buf_put(&list->logs, &base, sizeof base);
	else if (strcmp(name + i, ".txnindex") == 0)
		buf_put(&list->txns, &base, sizeof base);
	else if (strcmp(name + i, ".snapshot") == 0)
		producers_add_snapshot(list->body, base);
	return 0;
}

static int
by_offset(const void *a, const void *b)
{
	int64_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static int
load_segment(struct partlog_body *body, int64_t base, struct err *e)
{
	const struct logdir *dir = &body->dir;
	char path[LOGDIR_PATH_SIZE];
	struct segment *seg = body_add(body, base);
	seg->size = fs_size_at(dir->root_fd, logdir_path(dir, base, ".log", path), e);
	if (seg->size < 0)
		return -1;
	if (seg->size > INT32_MAX)
		return err_set(e, ERR_CORRUPT, "%s is too large for a segment", path);
	struct index *both[] = { &seg->offsets, &seg->times };
	for (int i = 0; i < 2; i++) {
		int rc = index_open(both[i], dir, e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			both[i]->nfile = -1;
	}
	return 0;
}

/* Most segments have no such file, and cost nothing here. */
static int
load_txns(struct partlog_body *body, int64_t base, struct err *e)
{
	int i = body_find(body, base);
	if (i < 0 || body->v[i].base_offset != base)
		return 0;
	body->v[i].has_txn_file = true;
	return index_open(&body->v[i].txns, &body->dir, e) < 0 ? -1 : 0;
}

/* A directory of a deleted topic of the same name, left because this broker was
 * down, must not become part of the new topic. */
static int
check_owner(const struct partlog *l, int dir_fd, struct err *e)
{
	struct buf b = BUF_INIT;
	struct uuid id;
	if (fs_read_file(dir_fd, "partition.metadata", 4096, &b, e) < 0)
		return e->sys == ENOENT ? 0 : -1;
	buf_putc(&b, 0);
	const char *z = strstr((char *)b.p, "topic_id: ");
	int rc = 0;
	if (z && uuid_parse(&id, (struct str){ (const uint8_t *)z + 10,
			(int32_t)strcspn(z + 10, "\r\n") })
		&& !uuid_is_zero(&l->topic_id) && !uuid_eq(&id, &l->topic_id)) {
		char found[UUID_TEXT_SIZE], want[UUID_TEXT_SIZE];
		rc = err_set(e, ERR_CORRUPT, "the directory %s belongs to topic id %s, not %s",
			l->name, uuid_format(&id, found), uuid_format(&l->topic_id, want));
	}
	buf_release(&b);
	return rc;
}

static int
load_dir(const struct partlog *l, struct partlog_body *body, int dir_fd, struct err *e)
{
	struct listing list = { BUF_INIT, BUF_INIT, body };
	int rc = fs_list(dir_fd, list_one, &list, e);
	int64_t base;
	size_t n = list.logs.n / sizeof base;
	if (rc == 0 && n)
		qsort(list.logs.p, n, sizeof base, by_offset);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		memcpy(&base, list.logs.p + i * sizeof base, sizeof base);
		rc = load_segment(body, base, e);
	}
	for (size_t i = 0; rc == 0 && i < list.txns.n / sizeof base; i++) {
		memcpy(&base, list.txns.p + i * sizeof base, sizeof base);
		rc = load_txns(body, base, e);
	}
	buf_release(&list.logs);
	buf_release(&list.txns);
	return rc < 0 ? -1 : check_owner(l, dir_fd, e);
}

struct partlog_body *
body_load(const struct partlog *l, struct err *e)
{
	struct partlog_body *body = body_new(l);
	int dir_fd = fs_open(l->root_fd, l->name, O_RDONLY | O_DIRECTORY, 0, e);
	if (dir_fd < 0 && e->sys == ENOENT)
		return body;
	if (dir_fd >= 0) {
		body->is_dir = true;
		int rc = load_dir(l, body, dir_fd, e);
		if (rc == 0 && epochs_read(&body->epochs, dir_fd, EPOCHS_FILE, e) < 0) {
			/* Recovery reads them from the batches. */
			epochs_release(&body->epochs);
			body->is_epochs_bad = e->class == ERR_CORRUPT;
			rc = body->is_epochs_bad ? 0 : -1;
		}
		fs_close(dir_fd);
		if (rc == 0)
			return body;
	}
	body_free(body);
	return NULL;
}
