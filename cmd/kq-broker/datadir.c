#include "kq-broker/datadir.h"

#include "base/mem.h"
#include "meta/metastore.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/user.h"
#include "text/say.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLEAN ".kafka_cleanshutdown"
#define BOOT "kq-boot-id"
#define POWER_LOSS "kq-power-loss"
#define PROPERTIES "meta.properties"

/* ---- opening ---- */

/* Refuse a directory that another user owns or may write to. */
static int
check_owner(struct datadir *dir, struct err *e)
{
	struct stat st;
	char owner[USER_TEXT_SIZE], self[USER_TEXT_SIZE];
	if (fstat(dir->fd, &st) < 0)
		return err_sys(e, "cannot stat the data directory '%s'", dir->path);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_USAGE,
			"the data directory '%s' belongs to %s, the broker runs as %s; "
			"run it as the owner, or change the owner with chown -R", dir->path,
			user_text(st.st_uid, owner), user_text(geteuid(), self));
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, ERR_USAGE,
			"other users may write to the data directory '%s' (mode %03o); "
			"change that with chmod go-w", dir->path, st.st_mode & 0777);
	return 0;
}

/* Split a directory's name "TOPIC-N": returns the length of TOPIC, or 0 for any
 * other name. */
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
is_directory(struct datadir *dir, const char *name)
{
	struct stat st;
	return fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int
find_partition(void *ctx, const char *name)
{
	long index;
	return parse_partition(name, &index) && is_directory(ctx, name);
}

/* Refuse a directory that holds data but no metadata: all of its partitions
 * would be taken for strays. */
static int
check_new(struct datadir *dir, struct err *e)
{
	if (faccessat(dir->fd, BOOT, F_OK, 0) == 0)
		return err_set(e, ERR_CORRUPT, "the data directory '%s' has lost its " METASTORE_FILE
			"; restore that file from a copy", dir->path);
	bool is_foreign = faccessat(dir->fd, PROPERTIES, F_OK, 0) == 0;
	int found = is_foreign ? 1 : fs_list(dir->fd, find_partition, dir, e);
	if (found <= 0)
		return found;
	return err_set(e, ERR_USAGE, "'%s' is the data directory of another program: it has %s, "
		"but no " METASTORE_FILE "; give a directory of its own with -d", dir->path,
		is_foreign ? PROPERTIES : "partitions");
}

static void
log_place(struct datadir *dir)
{
	char path[PATH_MAX];
	log_line(LOG_INFO, "the data directory is %s",
		realpath(dir->path, path) ? path : dir->path);
}

void
datadir_init(struct datadir *dir, const char *path)
{
	*dir = (struct datadir){ .fd = -1, .lock_fd = -1 };
	dir->path = mem_strdup(path ? path : "(memory)");
}

void
datadir_release(struct datadir *dir)
{
	fs_close(dir->lock_fd);
	fs_close(dir->fd);
	mem_free(dir->path);
}

int
datadir_open(struct datadir *dir, struct err *e)
{
	struct stat st;
	if (fs_mkdir(AT_FDCWD, dir->path, 0700, e) < 0)
		return -1;
	dir->fd = fs_open(AT_FDCWD, dir->path, O_RDONLY | O_DIRECTORY, 0, e);
	if (dir->fd < 0 || check_owner(dir, e) < 0)
		return -1;
	bool is_new = fstatat(dir->fd, METASTORE_FILE, &st, 0) < 0 || st.st_size == 0;
	if (is_new && check_new(dir, e) < 0)
		return -1;
	dir->lock_fd = fs_lock(dir->fd, ".lock", e);
	if (dir->lock_fd < 0 && e->class == ERR_LIMIT)
		return err_set(e, ERR_LIMIT, "another broker uses the data directory '%s'; "
			"choose another with -d", dir->path);
	if (dir->lock_fd < 0)
		return err_wrap(e, "data directory '%s'", dir->path);
	log_place(dir);
	return 0;
}

/* ---- reading ---- */

/* The machine's boot id; "" if it has none. */
static void
boot_id(struct buf *b)
{
	struct err ignored;
	buf_reset(b);
	fs_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 100, b, &ignored);
}

static bool
is_same_boot(struct datadir *dir)
{
	struct err ignored;
	struct buf now = BUF_INIT, then = BUF_INIT;
	boot_id(&now);
	bool same = fs_read_file(dir->fd, BOOT, 100, &then, &ignored) == 0
		&& now.n > 0 && str_eq(buf_str(&now), buf_str(&then));
	buf_release(&now);
	buf_release(&then);
	return same;
}

int
datadir_read(struct datadir *dir, bool is_new, struct datadir_state *state, struct err *e)
{
	*state = (struct datadir_state){ .is_clean = true };
	if (dir->fd < 0)
		return 0;
	if (is_new && check_new(dir, e) < 0)
		return -1;
	state->is_clean = faccessat(dir->fd, CLEAN, F_OK, 0) == 0;
	state->same_boot = is_same_boot(dir);
	return 0;
}

/* ---- strays ---- */

struct strays {
	struct datadir *dir;
	struct topics *topics;
	struct err *e;
};

/* Is it "TOPIC-N" of a topic or a partition that does not exist? */
static bool
is_stray(struct topics *topics, const char *name)
{
	long index;
	size_t n = parse_partition(name, &index);
	if (n == 0)
		return false;
	struct topic *t = topics_find(topics,
		(struct str){ (const uint8_t *)name, (int32_t)n });
	return !t || index >= t->npartition;
}

static int
set_stray_aside(void *ctx, const char *name)
{
	struct strays *strays = ctx;
	char aside[400];
	if (!is_stray(strays->topics, name) || !is_directory(strays->dir, name))
		return 0;
	snprintf(aside, sizeof aside, "%s.%lld-stray", name, (long long)clock_ms());
	log_line(LOG_WARN, "%s belongs to no topic: set aside as %s", name, aside);
	return fs_rename(strays->dir->fd, name, aside, strays->e);
}

int
datadir_set_strays_aside(struct datadir *dir, struct topics *topics, struct err *e)
{
	struct strays strays = { dir, topics, e };
	return fs_list(dir->fd, set_stray_aside, &strays, e);
}

/* ---- writing ---- */

/* For Kafka's own tools.  kq does not read it, so it is not synced. */
static int
write_properties(struct datadir *dir, const char *cluster_id, int32_t node_id, struct err *e)
{
	if (faccessat(dir->fd, PROPERTIES, F_OK, 0) == 0)
		return 0;
	struct buf text = BUF_INIT;
	buf_printf(&text, "version=1\ncluster.id=%s\nnode.id=%d\n", cluster_id, node_id);
	int fd = fs_open(dir->fd, PROPERTIES, O_WRONLY | O_CREAT, 0600, e);
	int rc = fd < 0 ? -1 : fs_write_at(fd, buf_str(&text), 0, e);
	fs_close(fd);
	buf_release(&text);
	return rc;
}

int
datadir_begin(struct datadir *dir, const char *cluster_id, int32_t node_id, struct err *e)
{
	if (dir->fd < 0)
		return 0;
	if (write_properties(dir, cluster_id, node_id, e) < 0)
		return -1;
	bool was_clean = faccessat(dir->fd, CLEAN, F_OK, 0) == 0;
	if (!is_same_boot(dir)) {
		struct buf id = BUF_INIT;
		boot_id(&id);
		int rc = fs_replace_file(dir->fd, BOOT, buf_str(&id), e);
		buf_release(&id);
		if (rc < 0)
			return -1;
	}
	if (!was_clean)
		return 0;
	return fs_remove(dir->fd, CLEAN, e) < 0 ? -1 : fs_sync_dir(dir->fd, e);
}

/* Not synced: if the note is lost the machine went down again, and the next
 * start writes it again. */
int
datadir_note_power_loss(struct datadir *dir, struct err *e)
{
	int fd = fs_open(dir->fd, POWER_LOSS, O_WRONLY | O_CREAT, 0600, e);
	fs_close(fd);
	return fd < 0 ? -1 : 0;
}

bool
datadir_has_power_loss(struct datadir *dir)
{
	return dir->fd >= 0 && faccessat(dir->fd, POWER_LOSS, F_OK, 0) == 0;
}

void
datadir_forget_power_loss(struct datadir *dir)
{
	struct err e;
	if (fs_remove(dir->fd, POWER_LOSS, &e) < 0)
		log_line(LOG_ERROR, "%s", e.msg);
}

int
datadir_mark_clean(struct datadir *dir, struct err *e)
{
	return dir->fd < 0 ? 0
		: fs_replace_file(dir->fd, CLEAN, STR("{\"version\":0,\"brokerEpoch\":-1}"), e);
}
