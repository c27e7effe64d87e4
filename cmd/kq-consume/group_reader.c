#include "kq-consume/group_reader.h"

#include "sys/clock.h"
#include "sys/sig.h"
#include "text/say.h"

#include <poll.h>

enum {
	STORE_WAIT_MS = 5000,  /* for a commit, before partitions are given back */
	LEAVE_WAIT_MS = 3000,
	STOP_WAIT_MS = 2000,   /* for a blocked stdout, after a signal */
	RETRY_MS = 200,
};

struct group_reader {
	struct reading *reading;
	const struct group_reader_opts *opts;
	struct member member;
	struct reading_topics topics;
	int64_t commit_at_ms;
	int64_t begin_at_ms;   /* next attempt to start assigned partitions */
	int64_t idle_since_ms; /* stable without partitions since; 0: not so */
	int64_t give_up_ms;    /* deadline of a blocked stdout; 0: no signal yet */
};

/* ---- output ---- */

/* Wait for stdout, and serve the group meanwhile. */
static int
wait_output(struct output *out, struct err *e)
{
	struct group_reader *reader = out->owner;
	struct cluster *cluster = reader->reading->fetcher->cluster;
	int wait_ms = 0;
	if (poll(&(struct pollfd){ out->fd, POLLOUT, 0 }, 1, 0) > 0)
		return 0;
	for (;;) {
		short seen = cluster_wait(cluster, out->fd, POLLOUT, wait_ms);
		if (seen)
			return 0;
		int64_t now = clock_mono_ms();
		if (*reader->reading->is_stopped && !reader->give_up_ms) {
			sig_drain(reader->opts->wake_fd);
			reader->give_up_ms = now + STOP_WAIT_MS;
		}
		if (reader->give_up_ms && now >= reader->give_up_ms)
			return err_set(e, ERR_RETRY, "nothing reads the output");
		member_work(&reader->member);
		wait_ms = member_timeout(&reader->member);
		if (member_must_give_back(&reader->member)) /* the rebalance waits for us */
			wait_ms = MAX(wait_ms, RETRY_MS);
	}
}

/* All records before the fetcher's deliver offset are written. */
static void
note_written(struct output *out)
{
	struct group_reader *reader = out->owner;
	for (int i = 0; i < reader->member.npart; i++) {
		struct member_part *part = reader->member.part[i];
		struct fetcher_part *from = part->owner;
		if (from && (part->state == MEMBER_HELD || part->state == MEMBER_REVOKED))
			member_move(part, from->deliver, from->epoch);
	}
}

/* ---- partitions ---- */

static bool
reads_to_end(const struct group_reader *reader)
{
	return reader->opts->stops_at_end || reader->opts->start->has_stop_time;
}

static void
begin_part(struct group_reader *reader, struct member_part *part, int64_t begin, int64_t stop)
{
	struct fetcher *f = reader->reading->fetcher;
	int64_t at = part->committed >= 0 ? part->committed : begin;
	part->owner = fetcher_add(f, part->topic, part->index, at, stop);
	member_accept(&reader->member, part, at);
}

/* Was the partition created after the start?  It is read from its beginning, whatever
 * -o says. */
static bool
is_new(const struct member_part *part)
{
	return part->topic->generation > 0 || part->index >= part->topic->npart_first;
}

/* The assigned partitions of a topic, and where to start and stop. */
struct gained {
	struct cluster_topic *topic;
	int32_t n;
	bool *wants[2];     /* offsets to be looked up: of old partitions, of new ones */
	int64_t *begin, *stop;
};

/* Look up where to start and stop, for the partitions for which it is needed. */
static int
look_up(struct group_reader *reader, struct gained *in, struct err *e)
{
	struct member *m = &reader->member;
	bool any[2] = { false, false };
	struct start start = *reader->opts->start;
	for (int i = 0; i < m->npart; i++) {
		struct member_part *part = m->part[i];
		bool is_new_part = is_new(part);
		if (part->state != MEMBER_GAINED || part->topic != in->topic || part->index >= in->n)
			continue;
		in->wants[is_new_part][part->index] = part->committed < 0 || reads_to_end(reader);
		any[is_new_part] |= in->wants[is_new_part][part->index];
	}
	for (int k = 0; k < 2; k++) {
		if (any[k] && start_resolve(&start, reader->reading->fetcher->cluster, in->topic, in->n,
				in->wants[k], reader->opts->stops_at_end, in->begin, in->stop, e) < 0)
			return -1;
		start.begin.kind = PLACE_BEGINNING;
	}
	return 0;
}

/* Start the assigned partitions of a topic.  Some may be revoked while offsets are looked
 * up, so the assignment is searched again afterwards. */
static int
begin_topic(struct group_reader *reader, struct cluster_topic *t, struct err *e)
{
	struct member *m = &reader->member;
	size_t n = (size_t)t->npart;
	int generation = t->generation;
	bool *wants = mem_alloc(2 * (n + 1));
	int64_t *begin = mem_alloc(2 * (n + 1) * sizeof *begin), *stop = begin + n;
	struct gained in = { t, (int32_t)n, { wants, wants + n }, begin, stop };
	for (size_t i = 0; i < n; i++)
		stop[i] = INT64_MAX;
	int rc = look_up(reader, &in, e);
	for (int i = 0; rc == 0 && i < m->npart && t->generation == generation; i++) {
		struct member_part *part = m->part[i];
		if (part->state != MEMBER_GAINED || part->topic != t || part->index >= in.n)
			continue;
		bool was_asked = wants[part->index] || (wants + n)[part->index];
		if (was_asked || (part->committed >= 0 && !reads_to_end(reader)))
			begin_part(reader, part, begin[part->index], stop[part->index]);
	}
	mem_free(begin);
	mem_free(wants);
	return rc;
}

int
group_reader_report_topics(struct group_reader *reader, struct err *e)
{
	return reading_topics_report(&reader->topics, e);
}

int
group_reader_begin_gained(struct group_reader *reader, struct err *e)
{
	if (clock_mono_ms() < reader->begin_at_ms)
		return 0;
	for (int i = 0; i < reader->member.ntopic; i++) {
		bool has = false;
		for (int k = 0; k < reader->member.npart; k++)
			has |= reader->member.part[k]->state == MEMBER_GAINED
				&& reader->member.part[k]->topic == reader->member.topic[i];
		if (!has || begin_topic(reader, reader->member.topic[i], e) == 0)
			continue;
		if (e->class != ERR_RETRY)
			return -1;
		reader->begin_at_ms = clock_mono_ms() + RETRY_MS;
	}
	return 0;
}

void
group_reader_drop(struct group_reader *reader)
{
	struct member_part *part;
	while ((part = member_next(&reader->member)) && part->state != MEMBER_GAINED) {
		if (part->owner)
			fetcher_remove(reader->reading->fetcher, part->owner);
		member_give_back(&reader->member, part);
	}
}

/* Give back revoked and lost partitions, after output and offsets are written. */
static int
give_back(struct group_reader *reader, struct err *e)
{
	struct member *m = &reader->member;
	if (!member_must_give_back(m))
		return 0;
	if (m->nrevoked > 0) {
		if (output_flush(reader->reading->output, e) < 0)
			return -1;
		member_commit(m);
		member_flush(m, STORE_WAIT_MS);
	}
	group_reader_drop(reader);
	return 0;
}

/* ---- the loop ---- */

bool
group_reader_is_at_end(struct group_reader *reader)
{
	if (!reads_to_end(reader))
		return false;
	if (!member_is_stable(&reader->member)) {
		reader->idle_since_ms = 0;
		return false;
	}
	if (reader->member.npart > 0)
		return fetcher_is_done(reader->reading->fetcher);
	int64_t now = clock_mono_ms();
	if (!reader->idle_since_ms)
		reader->idle_since_ms = now;
	/* other members may still give partitions back to us */
	return now - reader->idle_since_ms >= 2 * reader->member.heartbeat_ms;
}

static int
idle(struct group_reader *reader, int watched, struct err *e)
{
	struct reading *reading = reader->reading;
	short seen = fetcher_wait(reading->fetcher, watched, 0, 0);
	if (!seen && !fetcher_has_ready(reading->fetcher)) {
		if (output_flush(reading->output, e) < 0)
			return -1;
		int64_t left = MAX(reader->commit_at_ms - clock_mono_ms(), 0);
		left = MIN(left, member_timeout(&reader->member));
		int wait_ms = reading_topics_timeout(&reader->topics, (int)left);
		if (!member_must_give_back(&reader->member))
			seen = fetcher_wait(reading->fetcher, watched, 0, wait_ms);
	}
	if (seen & (POLLERR | POLLHUP))
		reading->output->is_closed = true;
	return 0;
}

static int
loop(struct group_reader *reader, struct err *e)
{
	struct reading *reading = reader->reading;
	int watched = reading_watched(reading);
	while (reading->left > 0 && !*reading->is_stopped && !reading->output->is_closed) {
		member_work(&reader->member);
		if (reader->member.is_failed
			|| (reading->fetcher->is_failed && !fetcher_has_ready(reading->fetcher))) {
			*e = reader->member.is_failed ? reader->member.err : reading->fetcher->err;
			return -1;
		}
		if (give_back(reader, e) < 0 || group_reader_report_topics(reader, e) < 0
			|| group_reader_begin_gained(reader, e) < 0 || reading_print(reading, e) < 0)
			return -1;
		if (reading->left == 0 || group_reader_is_at_end(reader))
			break;
		if (clock_mono_ms() >= reader->commit_at_ms) {
			if (output_flush(reading->output, e) < 0)
				return -1;
			member_commit(&reader->member);
			reader->commit_at_ms = clock_mono_ms() + reader->opts->commit_ms;
		}
		if (idle(reader, watched, e) < 0)
			return -1;
	}
	return 0;
}

/* Write the output, commit, and leave the group. */
static int
finish(struct group_reader *reader, struct err *e)
{
	struct member *m = &reader->member;
	struct output *out = reader->reading->output;
	int rc = out->is_closed ? 0 : output_flush(out, e);
	sig_drain(reader->opts->wake_fd);
	if (!m->is_failed) {
		member_commit(m);
		if (!member_flush(m, STORE_WAIT_MS) && m->npart > 0)
			say_error("group '%s': not all offsets could be committed", m->opts.group);
		member_leave(m, LEAVE_WAIT_MS);
	}
	return rc;
}

struct member *
group_reader_member(struct group_reader *reader)
{
	return &reader->member;
}

static int
open_member(struct group_reader *reader, char **topics, struct err *e)
{
	struct cluster *cluster = reader->reading->fetcher->cluster;
	int n = 0;
	while (topics[n])
		n++;
	struct cluster_topic **t = mem_alloc(((size_t)n + 1) * sizeof(void *));
	int rc = 0;
	for (int i = 0; rc == 0 && i < n; i++)
		if (!(t[i] = reading_topics_add(&reader->topics, topics[i], e)))
			rc = -1;
	if (rc == 0)
		rc = member_init(&reader->member, cluster, &reader->opts->member, t, n, e);
	mem_free(t);
	return rc;
}

struct group_reader *
group_reader_open(struct reading *reading, const struct group_reader_opts *o, char **topics,
	struct err *e)
{
	struct group_reader *reader = NEW(struct group_reader);
	reader->reading = reading;
	reader->opts = o;
	reader->topics = (struct reading_topics){ .cluster = reading->fetcher->cluster,
		.waits = o->waits_topic };
	reading->reset = o->start->begin.kind == PLACE_BEGINNING ? OFFSETS_EARLIEST : OFFSETS_LATEST;
	if (open_member(reader, topics, e) == 0)
		return reader;
	reading_topics_release(&reader->topics);
	mem_free(reader);
	return NULL;
}

int
group_reader_run(struct group_reader *reader, struct err *e)
{
	struct reading *reading = reader->reading;
	struct err why;
	reading->output->owner = reader;
	reading->output->wait = wait_output;
	reading->output->flushed = note_written;
	reading->output->is_careful = output_is_pipe(reading->output);
	reader->commit_at_ms = clock_mono_ms() + reader->opts->commit_ms;
	int rc = loop(reader, e);
	if (finish(reader, &why) < 0 && rc == 0) {
		*e = why;
		rc = -1;
	}
	fetch_iter_release(&reading->iter);
	return reading->output->is_closed ? 0 : rc;
}

void
group_reader_free(struct group_reader *reader)
{
	if (!reader)
		return;
	member_release(&reader->member);
	reading_topics_release(&reader->topics);
	mem_free(reader);
}
