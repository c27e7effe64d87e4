#include "kq-consume/coprocess.h"

#include "sys/clock.h"
#include "text/say.h"
#include "text/units.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PIECE = 64 << 10,
	END_WAIT_MS = 1000, /* from the end of its output to its own */
	CANNOT_RUN = 126,   /* sh's exit codes from here on: it did not run, or died */
};

static int
failed(const struct coprocess *c, struct err *e, const char *what)
{
	return err_set(e, ERR_PEER, "'%.60s' %s", c->command, what);
}

/* Its stdout has ended, or its stdin: by its own end? */
static int
ended(struct coprocess *c, const char *when, struct err *e)
{
	char z[PROC_TEXT_SIZE];
	if (!proc_wait(&c->proc, END_WAIT_MS))
		return err_set(e, ERR_PEER, "'%.60s' closed its stdin or stdout %s, and is still running", c->command, when);
	bool is_temporary = WIFEXITED(c->proc.status) && WEXITSTATUS(c->proc.status) == EXIT_RETRY;
	return err_set(e, is_temporary ? ERR_RETRY : ERR_PEER, "'%.60s' exited (%s) %s",
		c->command, proc_status_text(c->proc.status, z), when);
}

/* Add, change or remove one of the pipes among what poll_fd tells of. */
static int
watch(struct coprocess *c, int op, int fd, uint32_t events, struct err *e)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };
	if (epoll_ctl(c->poll_fd, op, fd, &ev) == 0)
		return 0;
	return err_sys(e, "cannot watch a pipe");
}

static int
start(struct coprocess *c, struct err *e)
{
	if (proc_open(&c->proc, c->command, e) < 0)
		return -1;
	c->is_busy = c->watches_in = c->is_in_broken = false;
	c->nbatch = 0;
	c->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	int got = c->poll_fd < 0 ? err_sys(e, "cannot create an epoll descriptor")
		: watch(c, EPOLL_CTL_ADD, c->proc.out_fd, EPOLLIN, e);
	return got;
}

static void
stop(struct coprocess *c)
{
	if (c->poll_fd >= 0)
		close(c->poll_fd);
	c->poll_fd = -1;
	proc_kill(&c->proc);
}

int
coprocess_open(struct coprocess *c, const char *command, enum coframe_kind frame,
	int timeout_ms, struct err *e)
{
	*c = (struct coprocess){ .command = command, .frame = frame, .timeout_ms = timeout_ms,
		.proc = PROC_INIT, .poll_fd = -1 };
	if (start(c, e) == 0)
		return 0;
	coprocess_release(c);
	return -1;
}

void
coprocess_release(struct coprocess *c)
{
	stop(c);
	buf_release(&c->in);
	buf_release(&c->out);
}

int
coprocess_restart(struct coprocess *c, struct err *e)
{
	stop(c);
	return start(c, e);
}

void
coprocess_begin(struct coprocess *c)
{
	assert(!c->is_busy);
	coframe_begin(c->frame, &c->in);
	buf_reset(&c->out);
	c->nin = c->nout = 0;
	c->seen = c->given = (struct coframe_cursor){ .kind = c->frame };
}

int
coprocess_put(struct coprocess *c, struct str key, struct str record, struct err *e)
{
	if (coframe_put(c->frame, key, record, &c->in, e) < 0)
		return -1;
	c->nin++;
	return 0;
}

void
coprocess_end(struct coprocess *c)
{
	c->in_at = coframe_end(c->frame, c->nin, &c->in);
	c->is_busy = true;
	c->nbatch++;
	c->active_ms = clock_mono_ms();
}

/* Write what the pipe takes.  1: some, 0: none. */
static int
write_some(struct coprocess *c, struct err *e)
{
	size_t before = c->in_at;
	while (c->in_at < c->in.n && !c->is_in_broken) {
		ssize_t got = write(c->proc.in_fd, c->in.p + c->in_at, MIN(c->in.n - c->in_at, PIECE));
		if (got >= 0)
			c->in_at += (size_t)got;
		else if (errno == EAGAIN)
			break;
		else if (errno == EPIPE)
			c->is_in_broken = true; /* how it ended, its stdout will tell */
		else if (errno != EINTR)
			return err_sys(e, "cannot write to '%.60s'", c->command);
	}
	bool wants = c->in_at < c->in.n && !c->is_in_broken;
	if (wants != c->watches_in && watch(c, wants ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
		c->proc.in_fd, EPOLLOUT, e) < 0)
		return -1;
	c->watches_in = wants;
	return c->in_at > before;
}

/* Read a piece of the answer.  1: some, 0: none now. */
static int
read_some(struct coprocess *c, struct err *e)
{
	ssize_t got;
	if (c->out.n >= COPROCESS_ANSWER_MAX)
		return err_set(e, ERR_LIMIT, "'%.60s' answered a batch of %lld record%s with more than %d MiB; "
			"use a smaller --batch", c->command, (long long)c->nin, units_plural(c->nin),
			COPROCESS_ANSWER_MAX >> 20);
	buf_reserve(&c->out, PIECE);
	do
		got = read(c->proc.out_fd, c->out.p + c->out.n, PIECE);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got < 0)
		return err_sys(e, "cannot read from '%.60s'", c->command);
	if (got == 0)
		return ended(c, "during a batch", e);
	c->out.n += (size_t)got;
	return 1;
}

/* Is the answer whole? */
static int
parse(struct coprocess *c, struct err *e)
{
	struct str key, record;
	int got;
	while ((got = coframe_next(&c->seen, &c->out, &key, &record, e)) == COFRAME_RECORD)
		c->nout++;
	if (got < 0)
		return err_wrap(e, "'%.60s', record %lld of its answer", c->command,
			(long long)c->nout + 1);
	if (got == COFRAME_MORE)
		return 0;
	if (c->in_at < c->in.n)
		return failed(c, e, "ended its answer before it had read the whole batch");
	if (c->seen.at < c->out.n)
		return failed(c, e, "wrote more after the end of its answer");
	return 1;
}

static int
too_slow(const struct coprocess *c, struct err *e)
{
	static const char *const hint[] = {
		[COFRAME_LINE] = "it must answer an empty line with an empty line, and flush",
		[COFRAME_COUNT] = "it must write the number of records before its answer, and flush",
		[COFRAME_LENGTH] = "it must end its answer with ff ff ff ff, and flush",
		[COFRAME_PAIR] = "it must end its answer with ff ff ff ff, and flush",
	};
	return err_set(e, ERR_RETRY, "'%.60s' did not complete its answer, and made no progress for %d ms "
		"(--exec-timeout): %s", c->command, c->timeout_ms, hint[c->frame]);
}

int
coprocess_work(struct coprocess *c, struct err *e)
{
	int wrote, got;
	assert(c->is_busy);
	do {
		if ((wrote = write_some(c, e)) < 0 || (got = read_some(c, e)) < 0)
			return -1;
		if (wrote || got)
			c->active_ms = clock_mono_ms();
		int is_whole = got ? parse(c, e) : 0;
		if (is_whole)
			c->is_busy = is_whole < 0;
		if (is_whole)
			return is_whole;
	} while (wrote || got);
	if (coprocess_timeout(c) == 0)
		return too_slow(c, e);
	return 0;
}

int
coprocess_timeout(const struct coprocess *c)
{
	int64_t left = c->active_ms + c->timeout_ms - clock_mono_ms();
	return (int)MAX(left, 0);
}

bool
coprocess_next(struct coprocess *c, struct str *key, struct str *record)
{
	struct err never;
	return coframe_next(&c->given, &c->out, key, record, &never) == COFRAME_RECORD;
}

/* 1: its output has ended. */
static int
read_nothing(struct coprocess *c, struct err *e)
{
	uint8_t one;
	assert(!c->is_busy);
	ssize_t got = read(c->proc.out_fd, &one, 1);
	if (got > 0)
		return failed(c, e, "wrote output that belongs to no batch");
	return got == 0;
}

int
coprocess_check_quiet(struct coprocess *c, struct err *e)
{
	return read_nothing(c, e) < 0 ? -1 : 0;
}

int
coprocess_check_idle(struct coprocess *c, struct err *e)
{
	struct pollfd in = { c->proc.in_fd, 0, 0 };
	int got = read_nothing(c, e);
	if (got > 0 || (got == 0 && poll(&in, 1, 0) > 0 && in.revents & POLLERR))
		return ended(c, "before the end of its input", e);
	return got;
}

/* Wait for the end of its output, of which nothing may be left. */
static int
await_end(struct coprocess *c, int timeout_ms, struct err *e)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	for (;;) {
		uint8_t one;
		ssize_t got = read(c->proc.out_fd, &one, 1);
		if (got > 0)
			return failed(c, e, "wrote output at its end that belongs to no batch");
		if (got == 0)
			return 0;
		int64_t left = until - clock_mono_ms();
		if (left <= 0)
			return failed(c, e, "did not exit at the end of its input");
		poll(&(struct pollfd){ c->proc.out_fd, POLLIN, 0 }, 1, (int)left);
	}
}

int
coprocess_close(struct coprocess *c, int timeout_ms, struct err *e)
{
	proc_close_in(&c->proc);
	int got = await_end(c, timeout_ms, e);
	if (got == 0 && !proc_wait(&c->proc, timeout_ms))
		got = failed(c, e, "did not exit at the end of its input");
	bool was_idle = c->nbatch == 0 && WIFEXITED(c->proc.status)
		&& WEXITSTATUS(c->proc.status) < CANNOT_RUN;
	if (got == 0 && c->proc.status && !was_idle)
		got = ended(c, "at the end of its input", e);
	coprocess_release(c);
	return got;
}
