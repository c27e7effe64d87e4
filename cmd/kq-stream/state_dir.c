#include "kq-stream/state_dir.h"

#include "sys/fs.h"
#include "sys/rand.h"
#include "sys/user.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROCESSES_MAX = 1000, MODE = 0700 };

static char *
default_path(const char *dir, const char *application, struct err *e)
{
	struct buf b = BUF_INIT;
	char home[USER_HOME_SIZE];
	const char *own = getenv("KQ_STREAM_STATE"), *xdg = getenv("XDG_STATE_HOME");
	if (dir || (own && *own))
		buf_puts(&b, dir ? dir : own);
	else if (xdg && *xdg == '/')
		buf_printf(&b, "%s/kq-stream", xdg);
	else if (user_home(home))
		buf_printf(&b, "%s/.local/state/kq-stream", home);
	else {
		err_set(e, ERR_USAGE, "there is no home directory to keep the state in: give --state-dir");
		return NULL;
	}
	buf_printf(&b, "/%s", application);
	buf_putc(&b, 0);
	return (char *)b.p;
}

/* The id in the file of a slot that is locked; a new one if there is none. */
static int
take_id(struct state_dir *state, const char *name, struct err *e)
{
	struct buf b = BUF_INIT;
	struct err ignored;
	uint8_t random[16];
	if (fs_read_file(state->fd, name, 64, &b, &ignored) < 0
		|| b.n < STATE_PROCESS_ID_SIZE - 1) {
		buf_reset(&b);
		rand_bytes(random, sizeof random);
		for (size_t i = 0; i < sizeof random; i++)
			buf_printf(&b, "%02x", random[i]);
		if (fs_replace_file(state->fd, name, buf_str(&b), e) < 0) {
			buf_release(&b);
			return -1;
		}
	}
	memcpy(state->process_id, b.p, STATE_PROCESS_ID_SIZE - 1);
	buf_release(&b);
	return 0;
}

static int
take_slot(struct state_dir *state, struct err *e)
{
	for (int i = 0; i < PROCESSES_MAX; i++) {
		char lock[32], name[32];
		snprintf(name, sizeof name, "process-%d", i);
		snprintf(lock, sizeof lock, "process-%d.lock", i);
		state->lock_fd = fs_lock(state->fd, lock, e);
		if (state->lock_fd >= 0)
			return take_id(state, name, e);
		if (e->class != ERR_LIMIT)
			return -1;
	}
	return err_set(e, ERR_LIMIT, "%d processes use the state folder '%s'", PROCESSES_MAX,
		state->path);
}

/* The folder's path; NULL: the application names none. */
static char *
path_of(const char *dir, const char *application, struct err *e)
{
	if (*application && !strchr(application, '/') && strcmp(application, ".") != 0
		&& strcmp(application, "..") != 0)
		return default_path(dir, application, e);
	err_set(e, ERR_USAGE, "application '%.60s' names no folder for its state", application);
	return NULL;
}

int
state_dir_exists(const char *dir, const char *application, char **path, struct err *e)
{
	*path = path_of(dir, application, e);
	return !*path ? -1 : access(*path, F_OK) == 0;
}

int
state_dir_open(struct state_dir *state, const char *dir, const char *application, struct err *e)
{
	*state = (struct state_dir){ .fd = -1, .lock_fd = -1 };
	state->path = path_of(dir, application, e);
	if (!state->path)
		return -1;
	if (fs_mkdir(AT_FDCWD, state->path, MODE, e) == 0
		&& (state->fd = fs_open(AT_FDCWD, state->path, O_RDONLY | O_DIRECTORY, 0, e)) >= 0
		&& take_slot(state, e) == 0)
		return 0;
	state_dir_close(state);
	return -1;
}

void
state_dir_close(struct state_dir *state)
{
	if (!state->path)
		return;
	fs_close(state->lock_fd);
	fs_close(state->fd);
	mem_free(state->path);
	state->path = NULL;
}

int
state_dir_task(const struct state_dir *state, const char *task, char **path, struct err *e)
{
	struct buf b = BUF_INIT;
	char lock[64];
	snprintf(lock, sizeof lock, "%s.lock", task);
	int fd = fs_lock(state->fd, lock, e);
	if (fd < 0)
		return -1;
	if (fs_mkdir(state->fd, task, MODE, e) < 0) {
		fs_close(fd);
		return -1;
	}
	buf_printf(&b, "%s/%s", state->path, task);
	buf_putc(&b, 0);
	*path = (char *)b.p;
	return fd;
}
