#include "tool/coprocess.h"

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
	END_WAIT_MS = 1000, /* for the command to exit after its output ended */
	CANNOT_RUN = 126,   /* exit codes of sh from here on: not run, or killed */
};

static int
failed(const struct coprocess *coproc, struct err *e, const char *what)
{
	return err_set(e, ERR_PEER, "'%.60s' %s", coproc->command, what);
}

/* The command closed its stdin or stdout.  Report its exit, if it exits. */
static int
ended(struct coprocess *coproc, const char *when, struct err *e)
{
	char z[PROC_TEXT_SIZE];
	if (!proc_wait(&coproc->proc, END_WAIT_MS))
		return err_set(e, ERR_PEER, "'%.60s' closed its stdin or stdout %s, and is still running",
			coproc->command, when);
	bool is_temporary = WIFEXITED(coproc->proc.status)
		&& WEXITSTATUS(coproc->proc.status) == EXIT_RETRY;
	return err_set(e, is_temporary ? ERR_RETRY : ERR_PEER, "'%.60s' exited (%s) %s",
		coproc->command, proc_status_text(coproc->proc.status, z), when);
}

/* Add, change or remove a pipe in poll_fd. */
static int
watch(struct coprocess *coproc, int op, int fd, uint32_t events, struct err *e)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };
	if (epoll_ctl(coproc->poll_fd, op, fd, &ev) == 0)
		return 0;
	return err_sys(e, "cannot watch a pipe");
}

static int
start(struct coprocess *coproc, struct err *e)
{
	if (proc_open(&coproc->proc, coproc->command, e) < 0)
		return -1;
	coproc->is_busy = coproc->watches_in = coproc->is_in_broken = false;
	coproc->nbatch = 0;
	coproc->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	int rc = coproc->poll_fd < 0 ? err_sys(e, "cannot create an epoll descriptor")
		: watch(coproc, EPOLL_CTL_ADD, coproc->proc.out_fd, EPOLLIN, e);
	return rc;
}

static void
stop(struct coprocess *coproc)
{
	if (coproc->poll_fd >= 0)
		close(coproc->poll_fd);
	coproc->poll_fd = -1;
	proc_kill(&coproc->proc);
}

int
coprocess_open(struct coprocess *coproc, const char *command, enum coframe_kind frame,
	int timeout_ms, struct err *e)
{
	*coproc = (struct coprocess){ .command = command, .frame = frame, .timeout_ms = timeout_ms,
		.proc = PROC_INIT, .poll_fd = -1 };
	if (start(coproc, e) == 0)
		return 0;
	coprocess_release(coproc);
	return -1;
}

void
coprocess_release(struct coprocess *coproc)
{
	stop(coproc);
	buf_release(&coproc->in);
	buf_release(&coproc->out);
}

int
coprocess_restart(struct coprocess *coproc, struct err *e)
{
	stop(coproc);
	return start(coproc, e);
}

void
coprocess_begin(struct coprocess *coproc)
{
	assert(!coproc->is_busy);
	coframe_begin(coproc->frame, &coproc->in);
	buf_reset(&coproc->out);
	coproc->nin = coproc->nout = 0;
	coproc->checked = coproc->taken = (struct coframe_cursor){ .kind = coproc->frame };
}

int
coprocess_put(struct coprocess *coproc, struct str key, struct str record, struct err *e)
{
	if (coframe_put(coproc->frame, key, record, &coproc->in, e) < 0)
		return -1;
	coproc->nin++;
	return 0;
}

void
coprocess_end(struct coprocess *coproc)
{
	coproc->in_at = coframe_end(coproc->frame, coproc->nin, &coproc->in);
	coproc->is_busy = true;
	coproc->nbatch++;
	coproc->active_ms = clock_mono_ms();
}

/* Write what the pipe takes.  Returns 1 if anything was written, 0, or -1. */
static int
write_some(struct coprocess *coproc, struct err *e)
{
	size_t before = coproc->in_at;
	while (coproc->in_at < coproc->in.n && !coproc->is_in_broken) {
		ssize_t got = write(coproc->proc.in_fd, coproc->in.p + coproc->in_at,
			MIN(coproc->in.n - coproc->in_at, PIECE));
		if (got >= 0)
			coproc->in_at += (size_t)got;
		else if (errno == EAGAIN)
			break;
		else if (errno == EPIPE)
			coproc->is_in_broken = true; /* the end of its stdout will show how it exited */
		else if (errno != EINTR)
			return err_sys(e, "cannot write to '%.60s'", coproc->command);
	}
	bool wants = coproc->in_at < coproc->in.n && !coproc->is_in_broken;
	if (wants != coproc->watches_in && watch(coproc, wants ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
		coproc->proc.in_fd, EPOLLOUT, e) < 0)
		return -1;
	coproc->watches_in = wants;
	return coproc->in_at > before;
}

/* Read a piece of the answer.  Returns 1 if anything was read, 0, or -1. */
static int
read_some(struct coprocess *coproc, struct err *e)
{
	ssize_t got;
	if (coproc->out.n >= COPROCESS_ANSWER_MAX)
		return err_set(e, ERR_LIMIT,
			"'%.60s' answered a batch of %lld record%s with more than %d MiB; "
			"use a smaller --batch", coproc->command, (long long)coproc->nin,
			units_plural(coproc->nin),
			COPROCESS_ANSWER_MAX >> 20);
	buf_reserve(&coproc->out, PIECE);
	do
		got = read(coproc->proc.out_fd, coproc->out.p + coproc->out.n, PIECE);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got < 0)
		return err_sys(e, "cannot read from '%.60s'", coproc->command);
	if (got == 0)
		return ended(coproc, "during a batch", e);
	coproc->out.n += (size_t)got;
	return 1;
}

/* Parse what was read.  Returns 1 if the answer is complete, 0 if not yet, or -1. */
static int
parse(struct coprocess *coproc, struct err *e)
{
	struct str key, record;
	int rc;
	while ((rc = coframe_next(&coproc->checked, &coproc->out, &key, &record, e)) == COFRAME_RECORD)
		coproc->nout++;
	if (rc < 0)
		return err_wrap(e, "'%.60s', record %lld of its answer", coproc->command,
			(long long)coproc->nout + 1);
	if (rc == COFRAME_MORE)
		return 0;
	if (coproc->in_at < coproc->in.n)
		return failed(coproc, e, "ended its answer before it had read the whole batch");
	if (coproc->checked.at < coproc->out.n)
		return failed(coproc, e, "wrote more after the end of its answer");
	return 1;
}

static int
too_slow(const struct coprocess *coproc, struct err *e)
{
	static const char *const hint[] = {
		[COFRAME_LINE] = "it must answer an empty line with an empty line, and flush",
		[COFRAME_COUNT] = "it must write the number of records before its answer, and flush",
		[COFRAME_LENGTH] = "it must end its answer with ff ff ff ff, and flush",
		[COFRAME_PAIR] = "it must end its answer with ff ff ff ff, and flush",
	};
	return err_set(e, ERR_RETRY,
		"'%.60s' did not complete its answer, and made no progress for %d ms%s%s%s: %s",
		coproc->command, coproc->timeout_ms, coproc->timeout_name ? " (" : "",
		coproc->timeout_name ? coproc->timeout_name : "", coproc->timeout_name ? ")" : "",
		hint[coproc->frame]);
}

int
coprocess_work(struct coprocess *coproc, struct err *e)
{
	int wrote, rc;
	assert(coproc->is_busy);
	do {
		if ((wrote = write_some(coproc, e)) < 0 || (rc = read_some(coproc, e)) < 0)
			return -1;
		if (wrote || rc)
			coproc->active_ms = clock_mono_ms();
		int is_whole = rc ? parse(coproc, e) : 0;
		if (is_whole)
			coproc->is_busy = is_whole < 0;
		if (is_whole)
			return is_whole;
	} while (wrote || rc);
	if (coprocess_timeout(coproc) == 0)
		return too_slow(coproc, e);
	return 0;
}

int
coprocess_timeout(const struct coprocess *coproc)
{
	int64_t left = coproc->active_ms + coproc->timeout_ms - clock_mono_ms();
	return (int)MAX(left, 0);
}

bool
coprocess_next(struct coprocess *coproc, struct str *key, struct str *record)
{
	struct err never;
	return coframe_next(&coproc->taken, &coproc->out, key, record, &never) == COFRAME_RECORD;
}

/* Check that the command writes nothing.  Returns 0; 1 at the end of its output; or -1. */
static int
read_nothing(struct coprocess *coproc, struct err *e)
{
	uint8_t one;
	assert(!coproc->is_busy);
	ssize_t got = read(coproc->proc.out_fd, &one, 1);
	if (got > 0)
		return failed(coproc, e, "wrote output that belongs to no batch");
	return got == 0;
}

int
coprocess_check_quiet(struct coprocess *coproc, struct err *e)
{
	return read_nothing(coproc, e) < 0 ? -1 : 0;
}

int
coprocess_check_idle(struct coprocess *coproc, struct err *e)
{
	struct pollfd in = { coproc->proc.in_fd, 0, 0 };
	int rc = read_nothing(coproc, e);
	if (rc > 0 || (rc == 0 && poll(&in, 1, 0) > 0 && in.revents & POLLERR))
		return ended(coproc, "before the end of its input", e);
	return rc;
}

/* Wait for the end of the output, in which no bytes may remain. */
static int
await_end(struct coprocess *coproc, int timeout_ms, struct err *e)
{
	int64_t until = clock_mono_ms() + timeout_ms;
	for (;;) {
		uint8_t one;
		ssize_t got = read(coproc->proc.out_fd, &one, 1);
		if (got > 0)
			return failed(coproc, e, "wrote output at its end that belongs to no batch");
		if (got == 0)
			return 0;
		int64_t left = until - clock_mono_ms();
		if (left <= 0)
			return failed(coproc, e, "did not exit at the end of its input");
		poll(&(struct pollfd){ coproc->proc.out_fd, POLLIN, 0 }, 1, (int)left);
	}
}

int
coprocess_close(struct coprocess *coproc, int timeout_ms, struct err *e)
{
	proc_close_in(&coproc->proc);
	int rc = await_end(coproc, timeout_ms, e);
	if (rc == 0 && !proc_wait(&coproc->proc, timeout_ms))
		rc = failed(coproc, e, "did not exit at the end of its input");
	bool was_idle = coproc->nbatch == 0 && WIFEXITED(coproc->proc.status)
		&& WEXITSTATUS(coproc->proc.status) < CANNOT_RUN;
	if (rc == 0 && coproc->proc.status && !was_idle)
		rc = ended(coproc, "at the end of its input", e);
	coprocess_release(coproc);
	return rc;
}
