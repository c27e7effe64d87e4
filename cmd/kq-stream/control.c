#include "kq-stream/control.h"

#include "kq-stream/control_dir.h"
#include "kq-stream/worker_ask.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/stream.h"
#include "text/json.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	CONNS_MAX = 16,
	BACKLOG = 64,
	SILENCE_MS = 5000,  /* a connection that neither asks nor reads for so long is closed */
};

struct control_conn {
	struct stream stream;     /* fd -1: free */
	struct buf in, out;
	size_t sent;              /* of out */
	int64_t until_ms;         /* closed then, unless something moves */
	bool awaits_end;          /* it asked to stop: open as long as the process */
};

struct control {
	struct running *app;
	struct worker **worker;
	int nworker;
	struct worker_ask *ask;   /* one a worker */
	struct net_addr addr;
	int listen_fd;
	int end_fd;               /* becomes readable by control_close */
	int stop_fd;              /* of the owner */
	pthread_t thread;
	struct control_conn conn[CONNS_MAX];
};

/* ---- asking the threads ---- */

/* Ask all threads, and wait for them. */
static void
ask_all(struct control *control, void (*fn)(struct worker *, struct worker_ask *),
	const void *arg)
{
	int64_t deadline_ms = clock_mono_ms() + CONTROL_ASK_MS;
	for (int i = 0; i < control->nworker; i++) {
		buf_release(&control->ask[i].out);
		control->ask[i] = (struct worker_ask){ .fn = fn, .arg = arg };
		worker_post(control->worker[i], &control->ask[i]);
	}
	for (int i = 0; i < control->nworker; i++)
		worker_await(control->worker[i], &control->ask[i], deadline_ms);
}

/* Append an array of what the threads told, each object followed by a comma; and the
 * numbers of those that did not answer. */
static void
put_told(const struct control *control, const char *name, struct buf *out)
{
	buf_printf(out, "\"%s\":[", name);
	size_t from = out->n;
	for (int i = 0; i < control->nworker; i++)
		if (control->ask[i].is_answered)
			buf_put_str(out, buf_str(&control->ask[i].out));
	out->n -= out->n > from;
	buf_puts(out, "],\"busy\":[");
	from = out->n;
	for (int i = 0; i < control->nworker; i++)
		if (!control->ask[i].is_answered)
			buf_printf(out, "%d,", i + 1);
	out->n -= out->n > from;
	buf_puts(out, "]}\n");
}

static void
put_error(struct buf *out, const char *text)
{
	buf_puts(out, "{\"error\":");
	json_put_string(str_of(text), out);
	buf_puts(out, "}\n");
}

/* ---- verbs ---- */

static void
tell_process(struct control *control, struct control_conn *conn, const json_t *request)
{
	struct running *app = control->app;
	struct buf *out = &conn->out;
	int nmember = 0;
	(void)request;
	ask_all(control, worker_tell_tasks, NULL);
	for (int i = 0; i < control->nworker; i++)
		nmember += control->ask[i].is_answered && control->ask[i].is_found;
	buf_puts(out, "{\"application\":");
	json_put_string(str_of(app->id), out);
	buf_puts(out, ",\"cluster\":");
	json_put_string(str_of(app->cluster_id), out);
	buf_printf(out, ",\"pid\":%ld,\"threads\":%d,\"members\":%d,\"is_stopping\":%s,"
		"\"start_ms\":%lld,\"uptime_ms\":%lld,", (long)getpid(), control->nworker, nmember,
		atomic_load(&app->is_stopping) ? "true" : "false", (long long)app->start_ms,
		(long long)(clock_ms() - app->start_ms));
	buf_printf(out, "\"in\":%lld,\"out\":%lld,\"late\":%lld,\"dropped\":%lld,\"failed\":%lld,"
		"\"restored\":%lld,\"rate\":%.0f,", (long long)atomic_load(&app->counts.in),
		(long long)atomic_load(&app->counts.out), (long long)atomic_load(&app->counts.late),
		(long long)atomic_load(&app->counts.dropped), (long long)atomic_load(&app->counts.failed),
		(long long)atomic_load(&app->counts.restored),
		running_get_rate(app, clock_mono_ms()));
	put_told(control, "tasks", out);
}

static void
tell_stores(struct control *control, struct control_conn *conn, const json_t *request)
{
	(void)request;
	ask_all(control, worker_tell_stores, NULL);
	buf_putc(&conn->out, '{');
	put_told(control, "stores", &conn->out);
}

static int64_t
get_int(const json_t *request, const char *name, int64_t other)
{
	const json_t *v = json_object_get(request, name);
	return json_is_integer(v) ? json_integer_value(v) : other;
}

static const char *
get_text(const json_t *request, const char *name)
{
	return json_string_value(json_object_get(request, name)); /* NULL: it is none */
}

static void
tell_rows(struct control *control, struct control_conn *conn, const json_t *request)
{
	struct buf cursor = BUF_INIT;
	const char *text = get_text(request, "cursor");
	struct worker_query query = {
		.store = get_text(request, "store"), .task = get_text(request, "task"),
		.key = get_text(request, "key"), .from = get_text(request, "from"),
		.to = get_text(request, "to"), .limit = get_int(request, "limit", INT64_MAX),
		.start_ms = get_int(request, "start_ms", INT64_MIN),
		.end_ms = get_int(request, "end_ms", INT64_MAX),
		.is_json = json_is_true(json_object_get(request, "is_json")), .cursor = STR_NULL };
	if (!query.store || !query.task) {
		put_error(&conn->out, "a query needs a store and a task");
		return;
	}
	if (text && json_parse_base64(str_of(text), &cursor) < 0) {
		put_error(&conn->out, "the cursor is not base64");
		buf_release(&cursor);
		return;
	}
	query.cursor = text ? buf_str(&cursor) : STR_NULL;
	ask_all(control, worker_tell_rows, &query);
	buf_release(&cursor);
	const char *error = "no thread has the task now";
	for (int i = 0; i < control->nworker; i++) {
		const struct worker_ask *ask = &control->ask[i];
		if (!ask->is_answered)
			error = "a thread is busy and did not answer: it waits for a broker";
		if (ask->is_answered && ask->is_found && !ask->error[0]) {
			buf_put_str(&conn->out, buf_str(&ask->out));
			return;
		}
		if (ask->error[0])
			error = ask->error;
	}
	put_error(&conn->out, error);
}

static void
stop(struct control *control, struct control_conn *conn, const json_t *request)
{
	uint64_t one = 1;
	(void)request;
	ssize_t n = write(control->stop_fd, &one, sizeof one);
	(void)n; /* fails only when it is full, thus readable */
	conn->awaits_end = true;
	conn->until_ms = INT64_MAX;
	buf_printf(&conn->out, "{\"pid\":%ld}\n", (long)getpid());
}

static void
answer(struct control *control, struct control_conn *conn, struct str line)
{
	static const struct {
		const char *verb;
		void (*fn)(struct control *, struct control_conn *, const json_t *);
	} verbs[] = { { "describe", tell_process }, { "stores", tell_stores }, { "query", tell_rows },
		{ "stop", stop } };
	struct err e;
	json_t *request = json_parse_object(line, &e);
	const char *verb = request ? get_text(request, "verb") : NULL;
	size_t i = 0;
	while (verb && i < ARRAY_LEN(verbs) && strcmp(verbs[i].verb, verb) != 0)
		i++;
	if (!request)
		put_error(&conn->out, e.msg);
	else if (!verb || i == ARRAY_LEN(verbs))
		put_error(&conn->out, "the verb is not known: describe, stores, query, stop");
	else
		verbs[i].fn(control, conn, request);
	json_decref(request);
}

/* ---- connections ---- */

static void
close_conn(struct control_conn *conn)
{
	stream_close(&conn->stream);
	buf_release(&conn->in);
	buf_release(&conn->out);
	*conn = (struct control_conn){ .stream.fd = -1 };
}

/* Send what there is.  False: the connection is gone. */
static bool
flush(struct control_conn *conn)
{
	struct err e;
	while (conn->sent < conn->out.n) {
		struct iovec iov = { conn->out.p + conn->sent, conn->out.n - conn->sent };
		ssize_t n = stream_sendv(&conn->stream, &iov, 1, false, &e);
		if (n < 0)
			return n == STREAM_BLOCKED;
		conn->sent += (size_t)n;
		if (!conn->awaits_end)
			conn->until_ms = clock_mono_ms() + SILENCE_MS;
	}
	buf_release(&conn->out); /* it may have been a big one */
	conn->sent = 0;
	return true;
}

/* Answer the first whole line of the input, if the last answer is sent.  Returns whether
 * there was one. */
static bool
take_line(struct control *control, struct control_conn *conn)
{
	uint8_t *end = conn->in.n ? memchr(conn->in.p, '\n', conn->in.n) : NULL;
	if (!end || conn->out.n > 0 || conn->awaits_end)
		return false;
	size_t n = (size_t)(end - conn->in.p);
	answer(control, conn, (struct str){ conn->in.p, (int32_t)n });
	conn->in.n -= n + 1;
	memmove(conn->in.p, end + 1, conn->in.n);
	return true;
}

/* Read what came.  False: the connection is to be closed. */
static bool
receive(struct control_conn *conn)
{
	struct err e;
	uint8_t bytes[4096];
	size_t room = MIN(sizeof bytes, (size_t)CONTROL_LINE_MAX - conn->in.n);
	if (room == 0)
		return false; /* too long for a line, or more than one that was not asked to wait */
	ssize_t n = stream_recv(&conn->stream, bytes, room, &e);
	if (n < 0)
		return n == STREAM_BLOCKED;
	buf_put(&conn->in, bytes, (size_t)n);
	if (!conn->awaits_end)
		conn->until_ms = clock_mono_ms() + SILENCE_MS;
	return true;
}

static void
serve(struct control *control, struct control_conn *conn, short events)
{
	bool is_open = !(events & (POLLIN | POLLHUP | POLLERR)) || receive(conn);
	while (is_open && (is_open = flush(conn)) && take_line(control, conn))
		;
	if (!is_open || (!conn->awaits_end && clock_mono_ms() >= conn->until_ms))
		close_conn(conn);
}

static struct control_conn *
free_conn(struct control *control)
{
	for (int i = 0; i < CONNS_MAX; i++)
		if (control->conn[i].stream.fd < 0)
			return &control->conn[i];
	return NULL;
}

static void
accept_all(struct control *control)
{
	struct control_conn *conn;
	int fd;
	while ((conn = free_conn(control)) && (fd = net_accept(control->listen_fd, true)) >= 0) {
		conn->stream.fd = fd;
		conn->until_ms = clock_mono_ms() + SILENCE_MS;
	}
}

/* ---- the thread ---- */

/* Fill fds[2..]; fds of connections are in their order.  Returns the time to wait, in ms. */
static int
list_fds(struct control *control, struct pollfd *fds)
{
	int64_t until_ms = INT64_MAX;
	fds[0] = (struct pollfd){ control->end_fd, POLLIN, 0 };
	fds[1] = (struct pollfd){ free_conn(control) ? control->listen_fd : -1, POLLIN, 0 };
	for (int i = 0; i < CONNS_MAX; i++) {
		const struct control_conn *conn = &control->conn[i];
		fds[i + 2] = (struct pollfd){ conn->stream.fd, conn->out.n ? POLLOUT : POLLIN, 0 };
		if (conn->stream.fd >= 0)
			until_ms = MIN(until_ms, conn->until_ms);
	}
	return until_ms == INT64_MAX ? -1 : (int)MAX(until_ms - clock_mono_ms(), 0);
}

static void *
run_thread(void *arg)
{
	struct control *control = arg;
	struct pollfd fds[CONNS_MAX + 2];
	for (;;) {
		int ms = list_fds(control, fds);
		if (poll(fds, CONNS_MAX + 2, ms) < 0 && errno != EINTR)
			return NULL;
		if (fds[0].revents)
			return NULL;
		for (int i = 0; i < CONNS_MAX; i++)
			if (control->conn[i].stream.fd >= 0)
				serve(control, &control->conn[i], fds[i + 2].revents);
		if (fds[1].revents)
			accept_all(control);
	}
}

/* Signals are for the main thread. */
static int
start_thread(struct control *control, struct err *e)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&control->thread, NULL, run_thread, control);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc ? err_set(e, ERR_LIMIT, "cannot create a thread") : 0;
}

static void
release(struct control *control)
{
	fs_close(control->listen_fd);
	fs_close(control->end_fd);
	for (int i = 0; i < control->nworker; i++)
		buf_release(&control->ask[i].out);
	mem_free(control->ask);
	mem_free(control);
}

struct control *
control_open(struct running *app, struct worker **worker, int n, int stop_fd, struct err *e)
{
	struct control_dir dir;
	struct control *control = NEW(struct control);
	*control = (struct control){ .app = app, .worker = worker, .nworker = n, .listen_fd = -1,
		.end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .stop_fd = stop_fd,
		.ask = mem_alloc((size_t)n * sizeof *control->ask) };
	for (int i = 0; i < CONNS_MAX; i++)
		control->conn[i].stream.fd = -1;
	if (control->end_fd < 0)
		err_sys(e, "cannot create an event descriptor");
	else if (control_dir_open(&dir, e) == 0) {
		control_dir_socket(&dir, app->id, getpid(), &control->addr);
		control_dir_close(&dir);
		control->listen_fd = net_listen(&control->addr, BACKLOG, false, e);
	}
	if (control->listen_fd < 0 || start_thread(control, e) < 0) {
		if (control->listen_fd >= 0)
			unlink(control->addr.host);
		release(control);
		return NULL;
	}
	return control;
}

void
control_close(struct control *control)
{
	uint64_t one = 1;
	if (!control)
		return;
	unlink(control->addr.host);
	ssize_t n = write(control->end_fd, &one, sizeof one);
	(void)n;
	pthread_join(control->thread, NULL);
	for (int i = 0; i < CONNS_MAX; i++) {
		struct control_conn *conn = &control->conn[i];
		if (conn->stream.fd < 0)
			continue;
		/* The end of the process closes those that wait for it. */
		if (conn->awaits_end) {
			buf_release(&conn->in);
			buf_release(&conn->out);
		} else {
			close_conn(conn);
		}
	}
	release(control);
}
