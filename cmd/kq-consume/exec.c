#include "kq-consume/exec.h"

#include "sys/clock.h"
#include "sys/rand.h"
#include "sys/sig.h"
#include "text/opt.h"
#include "text/say.h"

#include <poll.h>
#include <stdio.h>

enum {
	BATCH_BYTES = 8 << 20, /* about the size of a batch at which it is complete */
	GRACE_MS = 3000,       /* to finish a batch, when partitions are revoked */
	COMMIT_IDLE_MS = 1000, /* interval of commits of offsets without records */
	RETRY_MS = 100,
	END_WAIT_MS = 5000,    /* for the command to exit after its input ended */
	LEAVE_WAIT_MS = 3000,
};

struct exec {
	struct reading *reading;
	struct group_print *gp;
	struct group_reader *group;
	const struct exec_opts *o;
	struct member *member;
	struct coprocess co;
	struct txn_sink sink;
	struct txn_sink_opts sink_opts;
	int to;                     /* topic of the answers, in the sink */
	int64_t now_ms;             /* wall clock at the begin of the transaction */
	char *txn_id;
	struct fetched *chunk;      /* being read, possibly across batches; or NULL */
	struct buf text;            /* a formatted record */
	struct producer_offset *offset; /* offsets to commit */
	int noffset;
	int64_t commit_at_ms;       /* next commit of offsets without records */
	int64_t give_up_ms;         /* deadline of the current batch; 0: none */
	int64_t refused_since_ms;   /* commits have been refused since; 0: were not */
};

/* Result of a step of a batch. */
enum { DISCARDED = 0, DONE = 1 };

/* ---- positions ---- */

static void
drop_chunk(struct exec *exec)
{
	if (exec->chunk)
		fetcher_give_back(exec->reading->fetcher, exec->chunk);
	exec->chunk = NULL;
}

/* Read the partition again from offset. */
static void
read_from(struct exec *exec, struct member_part *part, int64_t offset)
{
	part->owner = fetcher_rewind(exec->reading->fetcher, part->owner, offset);
}

/* Discard the batch: go back to the end of the last transaction. */
static void
rewind_all(struct exec *exec)
{
	struct member *m = exec->member;
	exec->reading->left += exec->co.nin;
	exec->reading->done -= exec->co.nin;
	exec->co.nin = 0;
	drop_chunk(exec);
	for (int i = 0; i < m->npart; i++) {
		struct member_part *part = m->part[i];
		struct fetcher_part *from = part->owner;
		if (from && part->state != MEMBER_LOST && from->deliver != part->position)
			read_from(exec, part, part->position);
	}
}

/* Give back revoked and lost partitions, between two batches. */
static void
give_back(struct exec *exec)
{
	struct member *m = exec->member;
	if (!member_must_give_back(m))
		return;
	struct fetcher_part *from = exec->chunk ? exec->chunk->part : NULL;
	drop_chunk(exec);
	for (int i = 0; i < m->npart && from; i++)
		if (m->part[i]->owner == from)
			read_from(exec, m->part[i], from->deliver);
	group_reader_drop(exec->group);
}

static bool
is_to_commit(const struct member_part *part)
{
	const struct fetcher_part *from = part->owner;
	return from && member_is_current(part)
		&& (part->state == MEMBER_HELD || part->state == MEMBER_REVOKED)
		&& from->deliver != part->committed;
}

/* Fill exec->offset with the offsets after all records that were read, grouped by topic.
 * Returns their number. */
static int
list_offsets(struct exec *exec)
{
	struct member *m = exec->member;
	exec->offset = mem_realloc(exec->offset, ((size_t)m->npart + 1) * sizeof *exec->offset);
	exec->noffset = 0;
	for (int k = 0; k < m->ntopic; k++)
		for (int i = 0; i < m->npart; i++) {
			const struct member_part *part = m->part[i];
			const struct fetcher_part *from = part->owner;
			if (part->topic == m->topic[k] && is_to_commit(part))
				exec->offset[exec->noffset++] = (struct producer_offset){ part->topic->name,
					part->index, from->deliver, from->epoch, part->topic->id };
		}
	return exec->noffset;
}

static void
note_committed(struct exec *exec)
{
	struct member *m = exec->member;
	for (int i = 0; i < m->npart; i++) {
		struct member_part *part = m->part[i];
		const struct fetcher_part *from = part->owner;
		if (!is_to_commit(part))
			continue;
		member_note_stored(part, from->deliver, from->epoch);
	}
}

/* ---- waiting ---- */

/* Serve the group and the connections for up to wait_ms.  Returns false if the batch must
 * be given up. */
static bool
serve(struct exec *exec, int fd, int wait_ms)
{
	struct member *m = exec->member;
	int due_ms = member_timeout(m);
	due_ms = MAX(due_ms, 1); /* work that is due may wait for a response */
	cluster_wait(exec->reading->fetcher->cluster, fd, POLLIN, MIN(wait_ms, due_ms));
	member_work(m);
	int64_t now = clock_mono_ms();
	if (*exec->reading->is_stopped)
		sig_drain(exec->sink_opts.wake_fd);
	if (!exec->give_up_ms && (*exec->reading->is_stopped || m->nrevoked > 0))
		exec->give_up_ms = now + GRACE_MS;
	return m->nlost == 0 && !m->is_failed && (!exec->give_up_ms || now < exec->give_up_ms);
}

/* Wait until the member has joined, so that it can commit.  Returns false if the batch
 * must be given up. */
static bool
await_place(struct exec *exec)
{
	struct member *m = exec->member;
	while (!member_has_place(m))
		if (!serve(exec, -1, RETRY_MS))
			return false;
	return m->nlost == 0;
}

/* ---- a batch ---- */

/* Check that splitting the text gives the record's key again, and the value if there is a
 * null marker. */
static int
check_split(const struct exec *exec, const struct record *rec, struct str text, struct err *e)
{
	const struct keyed *keyed = &exec->o->keyed;
	struct str key, value;
	if (exec->o->frame == COFRAME_PAIR || !exec->reading->format->is_delimited
		|| (keyed->delimiter.n < 0 && keyed->marker.n < 0))
		return 0;
	keyed_split(keyed, text, &key, &value);
	if (keyed->delimiter.n >= 0 && (key.n != rec->key.n || !str_eq(key, rec->key)))
		return err_set(e, ERR_USAGE, "the delimiter of -K cannot separate its key from its value; "
			"use --frame pair");
	if (keyed->marker.n >= 0 && (value.n != rec->value.n || !str_eq(value, rec->value)))
		return err_set(e, ERR_USAGE, "its value would be read as null; use --frame pair");
	return 0;
}

static int
put_record(struct exec *exec, const struct record *rec, struct err *e)
{
	const struct fetcher_part *part = exec->chunk->part;
	struct origin from = { str_of(part->topic->name), part->index,
		fetch_iter_batch(&exec->reading->iter)->attributes & BATCH_LOG_APPEND_TIME };
	struct str text = rec->value;
	if (exec->o->frame != COFRAME_PAIR && !format_is_value(exec->reading->format)) {
		buf_reset(&exec->text);
		format_put(exec->reading->format, rec, &from, &exec->text);
		text = buf_str(&exec->text);
	}
	if (exec->reading->format->is_json && text.n > 0)
		text.n--; /* the frame adds the newline */
	if (check_split(exec, rec, text, e) < 0 || coprocess_put(&exec->co, rec->key, text, e) < 0)
		return err_wrap(e, "partition %d of '%s', offset %lld", part->index, part->topic->name,
			(long long)rec->offset);
	exec->reading->left--;
	exec->reading->done++;
	return 0;
}

/* Take the next fetched chunk.  Returns 1; 0: there is none; -1. */
static int
next_chunk(struct exec *exec, struct err *e)
{
	struct fetcher *f = exec->reading->fetcher;
	exec->chunk = fetcher_take(f);
	if (!exec->chunk)
		return 0;
	if (!exec->chunk->is_out_of_range && !exec->chunk->is_new_topic) {
		fetch_iter_begin(&exec->reading->iter, f, exec->chunk);
		return 1;
	}
	int rc = 0;
	if (exec->chunk->is_out_of_range)
		rc = reading_out_of_range(exec->reading, exec->chunk->part, e);
	drop_chunk(exec);
	return rc < 0 ? -1 : 1;
}

/* Collect a batch of fetched records; co.nin is their number.  Returns 0, or -1. */
static int
gather(struct exec *exec, struct err *e)
{
	struct record rec;
	int rc = 1;
	coprocess_begin(&exec->co);
	while (exec->co.nin < exec->o->batch_records && exec->co.in.n < BATCH_BYTES
		&& exec->reading->left > 0) {
		if (!exec->chunk) {
			rc = next_chunk(exec, e);
			if (rc <= 0)
				return rc;
			continue;
		}
		rc = fetch_iter_next(&exec->reading->iter, &rec, e);
		if (rc < 0 || (rc > 0 && put_record(exec, &rec, e) < 0))
			return -1;
		if (rc == 0)
			drop_chunk(exec);
	}
	return 0;
}

/* Send the batch to the command, and wait for its answer. */
static int
run_command(struct exec *exec, struct err *e)
{
	coprocess_end(&exec->co);
	for (;;) {
		int rc = coprocess_work(&exec->co, e);
		if (rc != 0)
			return rc < 0 ? -1 : DONE;
		if (!serve(exec, exec->co.poll_fd, coprocess_timeout(&exec->co)))
			return DISCARDED;
	}
}

/* The coordinator refused our generation; a heartbeat will tell the member why.  Returns
 * DISCARDED, or -1 if commits have been refused for too long. */
static int
on_fenced(struct exec *exec)
{
	int64_t now = clock_mono_ms();
	if (!exec->refused_since_ms)
		exec->refused_since_ms = now;
	if (now - exec->refused_since_ms > exec->sink_opts.producer.delivery_timeout_ms)
		return -1;
	member_heartbeat_now(exec->member);
	serve(exec, -1, RETRY_MS);
	return DISCARDED;
}

/* Commit one transaction: the answer, if any, and the offsets. */
static int
commit(struct exec *exec, struct err *e)
{
	struct member *m = exec->member;
	struct str key, value;
	if (!await_place(exec))
		return DISCARDED;
	struct producer_group group = { m->opts.group, m->member_id, m->opts.instance, m->generation };
	if (list_offsets(exec) == 0)
		return DONE;
	exec->now_ms = clock_ms();
	int rc = txn_sink_begin(&exec->sink, e);
	while (rc == TXN_SINK_DONE && exec->co.nin > 0 && coprocess_next(&exec->co, &key, &value)) {
		if (exec->o->frame != COFRAME_PAIR && value.n >= 0)
			keyed_split(&exec->o->keyed, value, &key, &value);
		rc = txn_sink_put(&exec->sink, exec->to, -1, exec->now_ms, key, value, STR_NULL, 0, e);
	}
	if (rc == TXN_SINK_DONE)
		rc = txn_sink_offsets(&exec->sink, &group, exec->offset, exec->noffset, e);
	/* Check once more that the command wrote nothing after the end of its answer. */
	if (rc == TXN_SINK_DONE && coprocess_check_quiet(&exec->co, e) < 0)
		rc = TXN_SINK_FAILED;
	if (rc == TXN_SINK_DONE)
		rc = txn_sink_commit(&exec->sink, e);
	if (rc != TXN_SINK_DONE)
		rc = txn_sink_abort(&exec->sink, rc, e);
	if (rc != TXN_SINK_DONE)
		return rc == TXN_SINK_FENCED ? on_fenced(exec) : -1;
	note_committed(exec);
	exec->refused_since_ms = 0;
	exec->commit_at_ms = clock_mono_ms() + COMMIT_IDLE_MS;
	return DONE;
}

static int
run_batch(struct exec *exec, struct err *e)
{
	exec->give_up_ms = 0;
	int rc = run_command(exec, e);
	if (rc == DONE)
		rc = commit(exec, e);
	if (rc < 0)
		return -1;
	if (rc == DISCARDED)
		rewind_all(exec);
	exec->co.nin = 0;
	if (exec->co.is_busy && !*exec->reading->is_stopped)
		return coprocess_restart(&exec->co, e);
	return 0;
}

/* ---- the loop ---- */

/* No records are ready: commit offsets that moved without records, or wait. */
static int
idle(struct exec *exec, struct err *e)
{
	struct reading *reading = exec->reading;
	bool is_due = list_offsets(exec) > 0;
	int wait_ms = member_timeout(exec->member);
	if (is_due) {
		int64_t left = exec->commit_at_ms - clock_mono_ms();
		exec->give_up_ms = 0;
		if (left <= 0)
			return commit(exec, e) < 0 ? -1 : 0;
		wait_ms = (int)MIN(wait_ms, left);
	}
	if (fetcher_wait(reading->fetcher, exec->co.poll_fd, POLLIN, wait_ms))
		return coprocess_check_idle(&exec->co, e);
	return 0;
}

static int
loop(struct exec *exec, struct err *e)
{
	struct reading *reading = exec->reading;
	struct member *m = exec->member;
	while (!*reading->is_stopped) {
		member_work(m);
		if (m->is_failed || (reading->fetcher->is_failed && !fetcher_has_ready(reading->fetcher))) {
			*e = m->is_failed ? m->err : reading->fetcher->err;
			return -1;
		}
		give_back(exec);
		if (group_print_report_topics(exec->gp, e) < 0
			|| group_reader_begin_gained(exec->group, e) < 0)
			return -1;
		fetcher_wait(reading->fetcher, -1, 0, 0);
		if (gather(exec, e) < 0)
			return -1;
		if (exec->co.nin > 0) {
			if (run_batch(exec, e) < 0)
				return -1;
			continue;
		}
		if (reading->left == 0 || (!exec->chunk && group_reader_is_at_end(exec->group)))
			break;
		if (idle(exec, e) < 0)
			return -1;
	}
	return 0;
}

/* Commit what is left, wait for the command to exit, and leave the group. */
static int
finish(struct exec *exec, int rc, struct err *e)
{
	struct member *m = exec->member;
	struct err why;
	int ended = 0;
	if (*exec->reading->is_stopped)
		txn_sink_hurry(&exec->sink);
	exec->give_up_ms = clock_mono_ms() + GRACE_MS;
	if (rc == 0 && !exec->co.is_busy) {
		if (list_offsets(exec) > 0 && m->nlost == 0)
			rc = commit(exec, e) < 0 ? -1 : 0;
		ended = coprocess_close(&exec->co, END_WAIT_MS, &why);
	}
	if (rc == 0 && ended < 0) {
		*e = why;
		rc = -1;
	}
	if (!m->is_failed)
		member_leave(m, LEAVE_WAIT_MS);
	return rc;
}

/* The default ID (see exec.h).  NULL if it would be too long. */
static char *
make_txn_id(const struct member_opts *opts, struct err *e)
{
	struct buf b = BUF_INIT;
	uint64_t n;
	buf_printf(&b, "%s-exec-", opts->group);
	if (opts->instance) {
		buf_puts(&b, opts->instance);
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
open_all(struct exec *exec, struct err *e)
{
	const struct exec_opts *o = exec->o;
	exec->sink_opts = o->sink;
	if (!o->sink.producer.txn_id)
		exec->sink_opts.producer.txn_id = exec->txn_id = make_txn_id(&exec->member->opts, e);
	if (!exec->sink_opts.producer.txn_id)
		return -1;
	for (int i = 0; i < exec->member->ntopic; i++)
		if (strcmp(exec->member->topic[i]->name, o->to) == 0)
			return err_set(e, ERR_USAGE, "topic '%s' is also an input: its records would be "
				"read again", o->to);
	if (coprocess_open(&exec->co, o->command, o->frame, o->timeout_ms, e) < 0)
		return -1;
	exec->co.timeout_name = "--exec-timeout";
	/* Before reading: a transaction that an earlier process left open would hide its
	 * offsets. */
	if (txn_sink_open(&exec->sink, &exec->sink_opts, e) < 0)
		return -1;
	exec->to = txn_sink_topic(&exec->sink, o->to, e);
	return exec->to < 0 ? -1 : 0;
}

int
exec_run(struct group_print *gp, struct reading *reading, const struct exec_opts *o,
	struct err *e)
{
	struct group_reader *group = group_print_reader(gp);
	struct exec exec = { .reading = reading, .gp = gp, .group = group, .o = o,
		.member = &group->member, .co = { .proc = PROC_INIT, .poll_fd = -1 } };
	int rc = open_all(&exec, e);
	if (rc == 0)
		rc = finish(&exec, loop(&exec, e), e);
	drop_chunk(&exec);
	fetch_iter_release(&reading->iter);
	txn_sink_close(&exec.sink);
	coprocess_release(&exec.co);
	buf_release(&exec.text);
	mem_free(exec.offset);
	mem_free(exec.txn_id);
	return rc;
}
