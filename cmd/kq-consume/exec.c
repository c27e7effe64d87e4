#include "kq-consume/exec.h"

#include "sys/clock.h"
#include "sys/rand.h"
#include "sys/sig.h"
#include "text/opt.h"
#include "text/say.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

enum {
	BATCH_BYTES = 8 << 20, /* given to the command at once, about */
	GRACE_MS = 3000,       /* for a batch under way, when others want partitions */
	STORE_IDLE_MS = 1000,  /* how often offsets move without records */
	RETRY_MS = 100,
	END_WAIT_MS = 5000,    /* for the command to end with its input */
	LEAVE_WAIT_MS = 3000,
};

struct exec {
	struct reading *r;
	struct group_reader *group;
	const struct exec_opts *o;
	struct member *member;
	struct coprocess co;
	struct exec_sink sink;
	struct exec_sink_opts sink_opts;
	char *txn_id;
	struct fetched *chunk;      /* being read, over batches; or NULL */
	struct buf text;            /* of a record */
	struct producer_offset *offset; /* to be stored */
	int noffset;
	int64_t store_at_ms;        /* the next time that offsets alone are stored */
	int64_t give_up_ms;         /* the batch under way; 0: there is no hurry */
	int64_t refused_since_ms;   /* our offsets, again and again; 0 */
};

/* What became of a batch. */
enum { VOID = 0, THROUGH = 1 };

/* --- what was read, and where we are --- */

static void
drop_chunk(struct exec *x)
{
	if (x->chunk)
		fetcher_give_back(x->r->fetcher, x->chunk);
	x->chunk = NULL;
}

/* Read the partition again from offset. */
static void
read_from(struct exec *x, struct member_part *p, int64_t offset)
{
	p->owner = fetcher_rewind(x->r->fetcher, p->owner, offset);
}

/* The batch is void: back to where the last transaction ended. */
static void
rewind_all(struct exec *x)
{
	struct member *m = x->member;
	x->r->left += x->co.nin;
	x->r->done -= x->co.nin;
	x->co.nin = 0;
	drop_chunk(x);
	for (int i = 0; i < m->npart; i++) {
		struct member_part *p = m->part[i];
		struct fetcher_part *from = p->owner;
		if (from && p->state != MEMBER_LOST && from->deliver != p->position)
			read_from(x, p, p->position);
	}
}

/* Partitions that go, between two batches. */
static void
give_back(struct exec *x)
{
	struct member *m = x->member;
	if (!member_must_give_back(m))
		return;
	struct fetcher_part *from = x->chunk ? x->chunk->part : NULL;
	drop_chunk(x);
	for (int i = 0; i < m->npart && from; i++)
		if (m->part[i]->owner == from)
			read_from(x, m->part[i], from->deliver);
	group_reader_drop(x->group);
}

static bool
is_to_store(const struct member_part *p)
{
	const struct fetcher_part *from = p->owner;
	return from && member_is_current(p) && (p->state == MEMBER_HELD || p->state == MEMBER_REVOKED)
		&& from->deliver != p->committed;
}

/* The offsets behind all that was read, those of a topic together. */
static int
list_offsets(struct exec *x)
{
	struct member *m = x->member;
	x->offset = mem_realloc(x->offset, ((size_t)m->npart + 1) * sizeof *x->offset);
	x->noffset = 0;
	for (int t = 0; t < m->ntopic; t++)
		for (int i = 0; i < m->npart; i++) {
			const struct member_part *p = m->part[i];
			const struct fetcher_part *from = p->owner;
			if (p->topic == m->topic[t] && is_to_store(p))
				x->offset[x->noffset++] = (struct producer_offset){ p->topic->name, p->index,
					from->deliver, from->epoch, p->topic->id };
		}
	return x->noffset;
}

static void
note_stored(struct exec *x)
{
	struct member *m = x->member;
	for (int i = 0; i < m->npart; i++) {
		struct member_part *p = m->part[i];
		const struct fetcher_part *from = p->owner;
		if (!is_to_store(p))
			continue;
		member_note_stored(p, from->deliver, from->epoch);
	}
}

/* --- waiting --- */

/* Serve the group and the connections for a while.  False: give the batch up. */
static bool
serve(struct exec *x, int fd, int wait_ms)
{
	struct member *m = x->member;
	int due_ms = member_timeout(m);
	due_ms = MAX(due_ms, 1); /* what is due may have to wait for an answer */
	cluster_wait(x->r->fetcher->cluster, fd, POLLIN, MIN(wait_ms, due_ms));
	member_work(m);
	int64_t now = clock_mono_ms();
	if (*x->r->is_stopped)
		sig_drain(x->sink_opts.wake_fd);
	if (!x->give_up_ms && (*x->r->is_stopped || m->nrevoked > 0))
		x->give_up_ms = now + GRACE_MS;
	return m->nlost == 0 && !m->is_failed && (!x->give_up_ms || now < x->give_up_ms);
}

/* May offsets be stored in our name?  Not while we join, whose answer only a
 * member that is served gets to know. */
static bool
await_place(struct exec *x)
{
	struct member *m = x->member;
	while (!member_has_place(m))
		if (!serve(x, -1, RETRY_MS))
			return false;
	return m->nlost == 0;
}

/* --- a batch --- */

/* Would the text, taken apart, be the record's key again?  And where null has a
 * marker, the value? */
static int
check_split(const struct exec *x, const struct record *rec, struct str text, struct err *e)
{
	const struct keyed *k = &x->o->keyed;
	struct str key, value;
	if (x->o->frame == COFRAME_PAIR || !x->r->format->is_delimited
		|| (k->delimiter.n < 0 && k->marker.n < 0))
		return 0;
	keyed_split(k, text, &key, &value);
	if (k->delimiter.n >= 0 && (key.n != rec->key.n || !str_eq(key, rec->key)))
		return err_set(e, ERR_USAGE, "the delimiter of -K cannot separate its key from its value; "
			"use --frame pair");
	if (k->marker.n >= 0 && (value.n != rec->value.n || !str_eq(value, rec->value)))
		return err_set(e, ERR_USAGE, "its value would be read as null; use --frame pair");
	return 0;
}

static int
put_record(struct exec *x, const struct record *rec, struct err *e)
{
	const struct fetcher_part *part = x->chunk->part;
	struct origin from = { str_of(part->topic->name), part->index,
		fetch_iter_batch(&x->r->iter)->attributes & BATCH_LOG_APPEND_TIME };
	struct str text = rec->value;
	if (x->o->frame != COFRAME_PAIR && !format_is_value(x->r->format)) {
		buf_reset(&x->text);
		format_put(x->r->format, rec, &from, &x->text);
		text = buf_str(&x->text);
	}
	if (x->r->format->is_json && text.n > 0)
		text.n--; /* the newline is the frame's affair */
	if (check_split(x, rec, text, e) < 0 || coprocess_put(&x->co, rec->key, text, e) < 0)
		return err_wrap(e, "partition %d of '%s', offset %lld", part->index, part->topic->name,
			(long long)rec->offset);
	x->r->left--;
	x->r->done++;
	return 0;
}

/* Another chunk of what has come: 1; 0: there is none. */
static int
next_chunk(struct exec *x, struct err *e)
{
	struct fetcher *f = x->r->fetcher;
	x->chunk = fetcher_take(f);
	if (!x->chunk)
		return 0;
	if (!x->chunk->is_out_of_range && !x->chunk->is_new_topic) {
		fetch_iter_begin(&x->r->iter, f, x->chunk);
		return 1;
	}
	int got = 0;
	if (x->chunk->is_out_of_range)
		got = reading_out_of_range(x->r, x->chunk->part, e);
	drop_chunk(x);
	return got < 0 ? -1 : 1;
}

/* Collect a batch of what has come.  Returns 0, or -1; co.nin tells how much. */
static int
gather(struct exec *x, struct err *e)
{
	struct record rec;
	int got = 1;
	coprocess_begin(&x->co);
	while (x->co.nin < x->o->batch_records && x->co.in.n < BATCH_BYTES && x->r->left > 0) {
		if (!x->chunk) {
			got = next_chunk(x, e);
			if (got <= 0)
				return got;
			continue;
		}
		got = fetch_iter_next(&x->r->iter, &rec, e);
		if (got < 0 || (got > 0 && put_record(x, &rec, e) < 0))
			return -1;
		if (got == 0)
			drop_chunk(x);
	}
	return 0;
}

/* Have the command answer. */
static int
converse(struct exec *x, struct err *e)
{
	coprocess_end(&x->co);
	for (;;) {
		int got = coprocess_work(&x->co, e);
		if (got != 0)
			return got < 0 ? -1 : THROUGH;
		if (!serve(x, x->co.poll_fd, coprocess_timeout(&x->co)))
			return VOID;
	}
}

/* Our place in the group was not what we took it for; the member will hear why.
 * VOID; or -1 when that has been so for too long. */
static int
refused(struct exec *x)
{
	int64_t now = clock_mono_ms();
	if (!x->refused_since_ms)
		x->refused_since_ms = now;
	if (now - x->refused_since_ms > x->sink_opts.retry_timeout_ms)
		return -1;
	member_heartbeat_now(x->member);
	serve(x, -1, RETRY_MS);
	return VOID;
}

/* One transaction: the answer, if there is one, and the offsets. */
static int
store(struct exec *x, struct err *e)
{
	struct member *m = x->member;
	struct str key, value;
	if (!await_place(x))
		return VOID;
	struct producer_group g = { m->opts.group, m->member_id, m->opts.instance, m->generation };
	if (list_offsets(x) == 0)
		return THROUGH;
	int got = exec_sink_begin(&x->sink, e);
	while (got == EXEC_SINK_DONE && x->co.nin > 0 && coprocess_next(&x->co, &key, &value)) {
		if (x->o->frame != COFRAME_PAIR && value.n >= 0)
			keyed_split(&x->o->keyed, value, &key, &value);
		got = exec_sink_put(&x->sink, key, value, e);
	}
	if (got == EXEC_SINK_DONE)
		got = exec_sink_offsets(&x->sink, &g, x->offset, x->noffset, e);
	/* A second look, after all that was sent: was it really the end of its answer? */
	if (got == EXEC_SINK_DONE && coprocess_check_quiet(&x->co, e) < 0)
		got = EXEC_SINK_FAILED;
	if (got == EXEC_SINK_DONE)
		got = exec_sink_commit(&x->sink, e);
	if (got != EXEC_SINK_DONE)
		got = exec_sink_abort(&x->sink, got, e);
	if (got != EXEC_SINK_DONE)
		return got == EXEC_SINK_FENCED ? refused(x) : -1;
	note_stored(x);
	x->refused_since_ms = 0;
	x->store_at_ms = clock_mono_ms() + STORE_IDLE_MS;
	return THROUGH;
}

static int
run_batch(struct exec *x, struct err *e)
{
	x->give_up_ms = 0;
	int got = converse(x, e);
	if (got == THROUGH)
		got = store(x, e);
	if (got < 0)
		return -1;
	if (got == VOID)
		rewind_all(x);
	x->co.nin = 0;
	if (x->co.is_busy && !*x->r->is_stopped)
		return coprocess_restart(&x->co, e);
	return 0;
}

/* --- the loop --- */

/* Nothing to read: offsets alone may have moved, or wait. */
static int
rest(struct exec *x, struct err *e)
{
	struct reading *r = x->r;
	bool is_due = list_offsets(x) > 0;
	int wait_ms = member_timeout(x->member);
	if (is_due) {
		int64_t left = x->store_at_ms - clock_mono_ms();
		x->give_up_ms = 0;
		if (left <= 0)
			return store(x, e) < 0 ? -1 : 0;
		wait_ms = (int)MIN(wait_ms, left);
	}
	if (fetcher_wait(r->fetcher, x->co.poll_fd, POLLIN, wait_ms))
		return coprocess_check_idle(&x->co, e);
	return 0;
}

static int
loop(struct exec *x, struct err *e)
{
	struct reading *r = x->r;
	struct member *m = x->member;
	while (!*r->is_stopped) {
		member_work(m);
		if (m->is_failed || (r->fetcher->is_failed && !fetcher_has_ready(r->fetcher))) {
			*e = m->is_failed ? m->err : r->fetcher->err;
			return -1;
		}
		give_back(x);
		if (group_reader_look(x->group, e) < 0 || group_reader_begin_gained(x->group, e) < 0)
			return -1;
		fetcher_wait(r->fetcher, -1, 0, 0);
		if (gather(x, e) < 0)
			return -1;
		if (x->co.nin > 0) {
			if (run_batch(x, e) < 0)
				return -1;
			continue;
		}
		if (r->left == 0 || (!x->chunk && group_reader_is_at_end(x->group)))
			break;
		if (rest(x, e) < 0)
			return -1;
	}
	return 0;
}

/* Go: with what is through stored, and the command's own end seen. */
static int
finish(struct exec *x, int got, struct err *e)
{
	struct member *m = x->member;
	struct err why;
	int ended = 0;
	if (*x->r->is_stopped)
		exec_sink_hurry(&x->sink);
	x->give_up_ms = clock_mono_ms() + GRACE_MS;
	if (got == 0 && !x->co.is_busy) {
		if (list_offsets(x) > 0 && m->nlost == 0)
			got = store(x, e) < 0 ? -1 : 0;
		ended = coprocess_close(&x->co, END_WAIT_MS, &why);
	}
	if (got == 0 && ended < 0) {
		*e = why;
		got = -1;
	}
	if (!m->is_failed)
		member_leave(m, LEAVE_WAIT_MS);
	return got;
}

/* See exec.h.  NULL: it would be too long. */
static char *
make_txn_id(const struct member_opts *m, struct err *e)
{
	struct buf b = BUF_INIT;
	uint64_t n;
	buf_printf(&b, "%s-exec-", m->group);
	if (m->instance) {
		buf_puts(&b, m->instance);
	} else {
		rand_bytes(&n, sizeof n);
		buf_printf(&b, "%016llx", (unsigned long long)n);
	}
	if (b.n <= OPT_TEXT_MAX) {
		buf_putc(&b, 0);
		return (char *)b.p;
	}
	buf_release(&b);
	err_set(e, ERR_USAGE, "the transactional ID made of the names of group and instance is longer "
		"than %d bytes; give --txn", OPT_TEXT_MAX);
	return NULL;
}

static int
open_all(struct exec *x, struct err *e)
{
	const struct exec_opts *o = x->o;
	x->sink_opts = o->sink;
	if (!o->sink.txn_id)
		x->sink_opts.txn_id = x->txn_id = make_txn_id(&x->member->opts, e);
	if (!x->sink_opts.txn_id)
		return -1;
	for (int i = 0; i < x->member->ntopic; i++)
		if (strcmp(x->member->topic[i]->name, o->sink.topic) == 0)
			return err_set(e, ERR_USAGE, "topic '%s' is also an input: its records would be "
				"read again", o->sink.topic);
	if (coprocess_open(&x->co, o->command, o->frame, o->timeout_ms, e) < 0)
		return -1;
	/* First of all: what one before us left open would keep its offsets from us. */
	return exec_sink_open(&x->sink, &x->sink_opts, e);
}

int
exec_run(struct group_reader *g, struct reading *r, const struct exec_opts *o,
	const struct group_reader_opts *go, struct err *e)
{
	struct exec x = { .r = r, .group = g, .o = o, .member = group_reader_self(g),
		.co = { .proc = PROC_INIT, .poll_fd = -1 } };
	signal(SIGPIPE, SIG_IGN);
	r->reset = go->start->begin.kind == PLACE_BEGINNING ? OFFSETS_EARLIEST : OFFSETS_LATEST;
	int got = open_all(&x, e);
	if (got == 0)
		got = finish(&x, loop(&x, e), e);
	drop_chunk(&x);
	fetch_iter_release(&r->iter);
	exec_sink_close(&x.sink);
	coprocess_release(&x.co);
	buf_release(&x.text);
	mem_free(x.offset);
	mem_free(x.txn_id);
	return got;
}
