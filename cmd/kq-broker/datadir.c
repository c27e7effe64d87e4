#include "kq-broker/datadir.h"

#include "log/checkpoint.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/user.h"
#include "text/say.h"

#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECOVERY "recovery-point-offset-checkpoint"
#define HIGH_WATERMARK "replication-offset-checkpoint"
#define LOG_START "log-start-offset-checkpoint"
#define CLEAN ".kafka_cleanshutdown"
#define BOOT "kq-boot-id"
#define POWER_LOSS "kq-power-loss"
#define PROPERTIES "meta.properties"

/* --- opening --- */

/* Is the directory ours, and only ours to write to? */
static int
check_owner(struct broker *b, struct err *e)
{
	struct stat st;
	char owner[USER_TEXT_SIZE], self[USER_TEXT_SIZE];
	if (fstat(b->data_fd, &st) < 0)
		return err_sys(e, "cannot stat the data directory '%s'", b->data_dir);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_USAGE, "the data directory '%s' belongs to %s, the broker runs as %s; "
			"run it as the owner, or change the owner with chown -R", b->data_dir,
			user_text(st.st_uid, owner), user_text(geteuid(), self));
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, ERR_USAGE, "other users may write to the data directory '%s' (mode %03o); "
			"change that with chmod go-w", b->data_dir, st.st_mode & 0777);
	return 0;
}

/* The length of the topic's name and the partition in a directory's name
 * "TOPIC-N"; 0: it is another name. */
static size_t
parse_partition(const char *name, long *index)
{
	const char *dash = strrchr(name, '-');
	char *end;
	if (!dash || dash == name || dash[1] < '0' || dash[1] > '9')
		return 0;
	*index = strtol(dash + 1, &end, 10);
	return *end ? 0 : (size_t)(dash - name);
}

static bool
is_directory(struct broker *b, const char *name)
{
	struct stat st;
	return fstatat(b->data_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int
find_partition(void *ctx, const char *name)
{
	long index;
	return parse_partition(name, &index) && is_directory(ctx, name);
}

/* Refuse a directory that holds data and no metadata: all of its partitions would
 * be taken for strays. */
static int
check_new(struct broker *b, struct err *e)
{
	if (faccessat(b->data_fd, BOOT, F_OK, 0) == 0)
		return err_set(e, ERR_CORRUPT, "the data directory '%s' has lost its " METASTORE_FILE
			"; restore that file from a copy", b->data_dir);
	bool is_foreign = faccessat(b->data_fd, PROPERTIES, F_OK, 0) == 0;
	int found = is_foreign ? 1 : fs_list(b->data_fd, find_partition, b, e);
	if (found <= 0)
		return found;
	return err_set(e, ERR_USAGE, "'%s' is the data directory of another program: it has %s, "
		"but no " METASTORE_FILE "; give a directory of its own with -d", b->data_dir,
		is_foreign ? PROPERTIES : "partitions");
}

static void
log_place(struct broker *b)
{
	char path[PATH_MAX];
	log_line(LOG_INFO, "the data directory is %s",
		realpath(b->data_dir, path) ? path : b->data_dir);
}

int
datadir_open(struct broker *b, struct err *e)
{
	struct stat st;
	if (fs_mkdir(AT_FDCWD, b->data_dir, 0700, e) < 0)
		return -1;
	b->data_fd = fs_open(AT_FDCWD, b->data_dir, O_RDONLY | O_DIRECTORY, 0, e);
	if (b->data_fd < 0 || check_owner(b, e) < 0)
		return -1;
	bool is_new = fstatat(b->data_fd, METASTORE_FILE, &st, 0) < 0 || st.st_size == 0;
	if (is_new && check_new(b, e) < 0)
		return -1;
	b->lock_fd = fs_lock(b->data_fd, ".lock", e);
	if (b->lock_fd < 0 && e->class == ERR_LIMIT)
		return err_set(e, ERR_LIMIT, "another broker uses the data directory '%s'; "
			"choose another with -d", b->data_dir);
	if (b->lock_fd < 0)
		return err_wrap(e, "data directory '%s'", b->data_dir);
	log_place(b);
	return 0;
}

/* --- reading --- */

struct offsets_reader {
	struct offsets *offsets;
	size_t field; /* of the entry */
};

static void
take_offset(void *ctx, struct str topic, int32_t partition, int64_t offset)
{
	struct offsets_reader *r = ctx;
	char name[300];
	int n = snprintf(name, sizeof name, "%.*s-%d", STR_ARG(topic), partition);
	struct str key = { (const uint8_t *)name, n };
	struct offsets_entry *it = map_get(&r->offsets->entries, key);
	if (!it) {
		it = mem_alloc(sizeof *it + (size_t)n);
		memcpy(it + 1, name, (size_t)n);
		it->name = (struct str){ (uint8_t *)(it + 1), n };
		it->high_watermark = INT64_MAX; /* unknown: the log end */
		map_put(&r->offsets->entries, it->name, it);
	}
	*(int64_t *)(void *)((char *)it + r->field) = offset;
}

/* The machine's boot id; "" where there is none. */
static void
boot_id(struct buf *b)
{
	struct err ignored;
	buf_reset(b);
	fs_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 100, b, &ignored);
}

static bool
is_same_boot(struct broker *b)
{
	struct err ignored;
	struct buf now = BUF_INIT, then = BUF_INIT;
	boot_id(&now);
	bool same = fs_read_file(b->data_fd, BOOT, 100, &then, &ignored) == 0
		&& now.n > 0 && str_eq(buf_str(&now), buf_str(&then));
	buf_release(&now);
	buf_release(&then);
	return same;
}

int
datadir_read(struct broker *b, struct datadir_state *s, struct err *e)
{
	*s = (struct datadir_state){ .is_clean = true };
	if (b->data_fd < 0)
		return 0;
	if (metastore_revision(b->meta) == 0 && check_new(b, e) < 0)
		return -1;
	static const struct { const char *file; size_t field; } from[] = {
		{ RECOVERY, offsetof(struct offsets_entry, recovery_offset) },
		{ HIGH_WATERMARK, offsetof(struct offsets_entry, high_watermark) },
		{ LOG_START, offsetof(struct offsets_entry, log_start_offset) },
	};
	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		struct offsets_reader r = { &s->offsets, from[i].field };
		if (checkpoint_read(b->data_fd, from[i].file, take_offset, &r, e) < 0)
			return -1;
	}
	s->is_clean = faccessat(b->data_fd, CLEAN, F_OK, 0) == 0;
	s->same_boot = is_same_boot(b);
	return 0;
}

void
datadir_state_release(struct datadir_state *s)
{
	MAP_EACH(it, &s->offsets.entries)
		mem_free(it->value);
	map_release(&s->offsets.entries);
}

const struct offsets_entry *
datadir_offsets(const struct datadir_state *s, const char *topic, int32_t index)
{
	char name[300];
	snprintf(name, sizeof name, "%s-%d", topic, index);
	return map_get(&s->offsets.entries, str_of(name));
}

/* --- strays --- */

struct strays {
	struct broker *broker;
	struct err *e;
};

/* Is it "TOPIC-N" with a topic or a partition that isn't there? */
static bool
is_stray(struct broker *b, const char *name)
{
	long index;
	size_t n = parse_partition(name, &index);
	if (n == 0)
		return false;
	struct topic *t = topics_find(&b->topics,
		(struct str){ (const uint8_t *)name, (int32_t)n });
	return !t || index >= t->npartition;
}

static int
set_stray_aside(void *ctx, const char *name)
{
	struct strays *s = ctx;
	char aside[400];
	if (!is_stray(s->broker, name) || !is_directory(s->broker, name))
		return 0;
	snprintf(aside, sizeof aside, "%s.%lld-stray", name, (long long)clock_ms());
	log_line(LOG_WARN, "%s belongs to no topic: set aside as %s", name, aside);
	return fs_rename(s->broker->data_fd, name, aside, s->e);
}

int
datadir_set_strays_aside(struct broker *b, struct err *e)
{
	struct strays s = { b, e };
	return fs_list(b->data_fd, set_stray_aside, &s, e);
}

/* --- writing --- */

/* For Kafka's own tools; nothing of ours reads it, so it is not synced. */
static int
write_properties(struct broker *b, struct err *e)
{
	if (faccessat(b->data_fd, PROPERTIES, F_OK, 0) == 0)
		return 0;
	struct buf t = BUF_INIT;
	buf_printf(&t, "version=1\ncluster.id=%s\nnode.id=%d\n", b->cluster_id, b->node_id);
	int fd = fs_open(b->data_fd, PROPERTIES, O_WRONLY | O_CREAT, 0600, e);
	int r = fd < 0 ? -1 : fs_write_at(fd, buf_str(&t), 0, e);
	fs_close(fd);
	buf_release(&t);
	return r;
}

int
datadir_begin(struct broker *b, struct err *e)
{
	if (b->data_fd < 0)
		return 0;
	if (write_properties(b, e) < 0)
		return -1;
	bool was_clean = faccessat(b->data_fd, CLEAN, F_OK, 0) == 0;
	if (!is_same_boot(b)) {
		struct buf id = BUF_INIT;
		boot_id(&id);
		int r = fs_replace_file(b->data_fd, BOOT, buf_str(&id), e);
		buf_release(&id);
		if (r < 0)
			return -1;
	}
	if (!was_clean)
		return 0;
	return fs_remove(b->data_fd, CLEAN, e) < 0 ? -1 : fs_sync_dir(b->data_fd, e);
}

/* Not synced: if that is lost the machine went down again, and it is noted
 * again. */
int
datadir_note_power_loss(struct broker *b, struct err *e)
{
	int fd = fs_open(b->data_fd, POWER_LOSS, O_WRONLY | O_CREAT, 0600, e);
	fs_close(fd);
	return fd < 0 ? -1 : 0;
}

bool
datadir_has_power_loss(struct broker *b)
{
	return b->data_fd >= 0 && faccessat(b->data_fd, POWER_LOSS, F_OK, 0) == 0;
}

void
datadir_forget_power_loss(struct broker *b)
{
	struct err e;
	if (fs_remove(b->data_fd, POWER_LOSS, &e) < 0)
		log_line(LOG_ERROR, "%s", e.msg);
}

int
datadir_checkpoint(struct broker *b, struct err *e)
{
	if (b->data_fd < 0)
		return 0;
	struct checkpoint recovery = CHECKPOINT_INIT, hw = CHECKPOINT_INIT, start = CHECKPOINT_INIT;
	topics_read_begin(&b->topics);
	MAP_EACH(it, &b->topics.by_name) {
		struct topic *t = it->value;
		struct str name = str_of(t->name);
		for (int32_t i = 0; i < t->npartition; i++) {
			struct partition *p = t->partition[i];
			pthread_mutex_lock(&p->lock);
			if (p->log.synced_offset > 0)
				checkpoint_add(&recovery, name, i, p->log.synced_offset);
			if (p->high_watermark > 0)
				checkpoint_add(&hw, name, i, p->high_watermark);
			if (p->log.log_start_offset > 0)
				checkpoint_add(&start, name, i, p->log.log_start_offset);
			pthread_mutex_unlock(&p->lock);
		}
	}
	topics_read_end(&b->topics);
	int r = checkpoint_write(&start, b->data_fd, LOG_START, e) < 0
		|| checkpoint_write(&hw, b->data_fd, HIGH_WATERMARK, e) < 0
		|| checkpoint_write(&recovery, b->data_fd, RECOVERY, e) < 0 ? -1 : 0;
	checkpoint_release(&recovery);
	checkpoint_release(&hw);
	checkpoint_release(&start);
	if (r == 0)
		b->is_checkpoint_stale = false;
	return r;
}

int
datadir_mark_clean(struct broker *b, struct err *e)
{
	return b->data_fd < 0 ? 0
		: fs_replace_file(b->data_fd, CLEAN, STR("{\"version\":0,\"brokerEpoch\":-1}"), e);
}
