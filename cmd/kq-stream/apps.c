#include "kq-stream/apps.h"

#include "kq-stream/control.h"
#include "kq-stream/control_dir.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "text/opt.h"
#include "text/say.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

enum {
	CONNECT_MS = 1000,
	ANSWER_MS = 15000,   /* without a byte */
	PIECE = 64 << 10,
	ROW_MAX = 256 << 20, /* bytes of a row */
};

/* ---- one process ---- */

static int
send_all(struct apps_process *process, struct str bytes, struct err *e)
{
	while (bytes.n > 0) {
		struct iovec iov = { (void *)(uintptr_t)bytes.p, (size_t)bytes.n };
		ssize_t n = stream_sendv(&process->stream, &iov, 1, false, e);
		if (n == STREAM_FAILED)
			return -1;
		if (n == STREAM_BLOCKED) {
			struct pollfd fd = { process->stream.fd, POLLOUT, 0 };
			if (poll(&fd, 1, ANSWER_MS) == 0)
				return err_set(e, ERR_RETRY, "it does not take the request");
			continue;
		}
		bytes.p += n;
		bytes.n -= (int32_t)n;
	}
	return 0;
}

/* Wait for more of the answer, and append it.  Returns 0, or -1. */
static int
fill(struct apps_process *process, struct err *e)
{
	struct pollfd fd = { process->stream.fd, POLLIN, 0 };
	if (process->in.n > ROW_MAX)
		return err_set(e, ERR_LIMIT, "a row is larger than %d MB", ROW_MAX >> 20);
	buf_reserve(&process->in, PIECE);
	for (;;) {
		ssize_t n = stream_recv(&process->stream, process->in.p + process->in.n, PIECE, e);
		if (n > 0) {
			process->in.n += (size_t)n;
			return 0;
		}
		if (n == STREAM_FAILED)
			return -1;
		if (n == STREAM_CLOSED)
			return err_set(e, ERR_RETRY, "it has ended");
		if (poll(&fd, 1, ANSWER_MS) == 0)
			return err_set(e, ERR_RETRY, "it does not answer");
	}
}

/* The next line of the answer, without its line feed, at the front of what is left from
 * *at on. */
static int
next_line(struct apps_process *process, size_t *at, struct str *line, struct err *e)
{
	size_t seen = *at;
	for (;;) {
		struct buf *in = &process->in;
		uint8_t *end = in->n > seen ? memchr(in->p + seen, '\n', in->n - seen) : NULL;
		if (end) {
			*line = (struct str){ in->p + *at, (int32_t)(end - in->p - (ptrdiff_t)*at) };
			*at = (size_t)(end + 1 - in->p);
			return 0;
		}
		if (*at > 0)
			memmove(in->p, in->p + *at, in->n - *at);
		in->n -= *at;
		*at = 0;
		seen = in->n;
		if (fill(process, e) < 0)
			return -1;
	}
}

static json_t *
take_object(struct str line, struct err *e)
{
	json_t *object = json_parse_object(line, e);
	const char *error = json_string_value(json_object_get(object, "error"));
	if (!error)
		return object;
	err_set(e, ERR_SYS, "%s", error);
	json_decref(object);
	return NULL;
}

static json_t *
read_answer(struct apps_process *process, apps_row_fn *fn, void *arg, struct err *e)
{
	size_t at = 0;
	struct str line;
	buf_reset(&process->in);
	for (;;) {
		if (next_line(process, &at, &line, e) < 0)
			return NULL;
		if (line.n == 0 || line.p[0] != ' ')
			return take_object(line, e);
		if (fn && fn(arg, (struct str){ line.p + 1, line.n - 1 }, e) < 0)
			return NULL;
	}
}

json_t *
apps_ask(struct apps_process *process, json_t *request, apps_row_fn *fn, void *arg, struct err *e)
{
	struct buf b = BUF_INIT;
	json_put(request, &b);
	json_decref(request);
	buf_putc(&b, '\n');
	int rc = send_all(process, buf_str(&b), e);
	json_t *answer = rc < 0 ? NULL : read_answer(process, fn, arg, e);
	buf_release(&b);
	if (!answer)
		err_wrap(e, "process %ld of '%s'", (long)process->pid, process->application);
	return answer;
}

int
apps_await_end(struct apps_process *process, int timeout_ms, int wake_fd, struct err *e)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;
	struct pollfd fds[2] = { { process->stream.fd, POLLIN, 0 }, { wake_fd, POLLIN, 0 } };
	uint8_t byte;
	struct err ignored;
	for (;;) {
		ssize_t n = stream_recv(&process->stream, &byte, 1, &ignored);
		if (n == STREAM_CLOSED || n == STREAM_FAILED)
			return 0;
		int64_t left = until_ms - clock_mono_ms();
		if (left <= 0)
			return err_set(e, ERR_RETRY, "process %ld of '%s' is still stopping",
				(long)process->pid, process->application);
		poll(fds, 2, (int)left);
		if (fds[1].revents)
			return err_set(e, ERR_RETRY, "interrupted; process %ld goes on stopping",
				(long)process->pid);
	}
}

/* ---- all ---- */

struct apps_list {
	struct apps *apps;
	const struct control_dir *dir;
	const char *application;
};

static void
free_process(struct apps_process *process)
{
	if (process->stream.fd >= 0)
		stream_close(&process->stream);
	json_decref(process->facts);
	buf_release(&process->in);
	mem_free(process->application);
	mem_free(process);
}

/* A socket that nobody listens on is removed if its process is gone. */
static struct apps_process *
connect_to(const struct control_dir *dir, const char *name)
{
	struct err e;
	struct net_addr addr = { .kind = NET_UNIX, .must_be_own = true };
	struct apps_process *process = NEW(struct apps_process);
	snprintf(addr.host, sizeof addr.host, "%s/%s", dir->path, name);
	process->pid = control_dir_pid(name);
	process->stream.fd = net_connect(&addr, CONNECT_MS, &e);
	if (process->stream.fd >= 0)
		return process;
	control_dir_remove_stale(dir, name);
	free_process(process);
	return NULL;
}

/* May the socket be the application's?  Its name may be cut. */
static bool
may_be(const char *name, const char *application)
{
	const char *end = strrchr(name, '.');
	while (end > name && end[-1] != '.')
		end--;
	return !application || strncmp(name, application, (size_t)(end - 1 - name)) == 0;
}

static int
add_socket(void *ctx, const char *name)
{
	struct apps_list *list = ctx;
	struct apps *apps = list->apps;
	struct err e;
	static const struct sockaddr_un un;
	if (!control_dir_pid(name) || !may_be(name, list->application)
		|| strlen(list->dir->path) + 1 + strlen(name) >= sizeof un.sun_path)
		return 0;
	struct apps_process *process = connect_to(list->dir, name);
	if (!process)
		return 0;
	/* Until it says its name, the one that the socket's has, without ".PID.stream". */
	process->application = mem_strdup(name);
	*strrchr(process->application, '.') = 0;
	*strrchr(process->application, '.') = 0;
	process->facts = apps_ask(process, json_pack("{s:s}", "verb", "describe"), NULL, NULL, &e);
	const char *own = json_string_value(json_object_get(process->facts, "application"));
	if (own) {
		mem_free(process->application);
		process->application = mem_strdup(own);
	}
	if (list->application && strcmp(list->application, process->application) != 0) {
		free_process(process);
		return 0;
	}
	apps->v = mem_realloc(apps->v, (size_t)(apps->n + 1) * sizeof(struct apps_process *));
	apps->v[apps->n++] = process;
	return 0;
}

static int
by_name(const void *x, const void *y)
{
	const struct apps_process *const *a = x, *const *b = y;
	int rc = strcmp((*a)->application, (*b)->application);
	return rc ? rc : ((*a)->pid > (*b)->pid) - ((*a)->pid < (*b)->pid);
}

int
apps_open(struct apps *apps, const char *application, struct err *e)
{
	struct control_dir dir;
	struct apps_list list = { apps, &dir, application };
	*apps = (struct apps){ .n = 0 };
	if (control_dir_open(&dir, e) < 0)
		return -1;
	int rc = fs_list(dir.fd, add_socket, &list, e);
	control_dir_close(&dir);
	if (apps->n > 1)
		qsort(apps->v, (size_t)apps->n, sizeof(struct apps_process *), by_name);
	return rc < 0 ? -1 : 0;
}

void
apps_close(struct apps *apps)
{
	for (int i = 0; i < apps->n; i++)
		free_process(apps->v[i]);
	mem_free(apps->v);
	*apps = (struct apps){ .n = 0 };
}

/* No process of the application: say which run, or the one that was probably meant. */
static int
refuse(const char *application, struct err *e)
{
	enum { SHOWN_MAX = 10 };
	struct apps all;
	const char *words[SHOWN_MAX + 1] = { NULL };
	struct buf b = BUF_INIT;
	int n = 0;
	if (apps_open(&all, NULL, e) < 0)
		return -1;
	for (int i = 0; i < all.n && n < SHOWN_MAX; i++) {
		if (n > 0 && strcmp(words[n - 1], all.v[i]->application) == 0)
			continue;
		words[n] = all.v[i]->application;
		buf_printf(&b, "%s%s", n ? ", " : "", words[n]);
		n++;
	}
	const char *near = opt_suggest(application, words);
	if (near)
		err_set(e, ERR_SYS, "application '%s' does not run here; did you mean '%s'?", application,
			near);
	else if (n > 0)
		err_set(e, ERR_SYS, "application '%s' does not run here; running: %.*s", application,
			(int)b.n, (const char *)b.p);
	else
		err_set(e, ERR_SYS, "application '%s' does not run here, nor does any other: start it with "
			"kq-stream run FILE, or kq-stream -a %s from ...", application, application);
	buf_release(&b);
	apps_close(&all);
	return -1;
}

int
apps_need(struct apps *apps, const char *application, struct err *e)
{
	if (apps_open(apps, application, e) < 0)
		return -1;
	if (apps->n > 0)
		return 0;
	apps_close(apps);
	return refuse(application, e);
}
