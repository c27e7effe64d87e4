#include "kq-consume/group_reader.h"

#include "sys/clock.h"
#include "sys/sig.h"
#include "text/say.h"

#include <poll.h>
#include <signal.h>

enum {
	STORE_WAIT_MS = 5000,  /* for offsets to be stored before giving back */
	LEAVE_WAIT_MS = 3000,
	STOP_WAIT_MS = 2000,   /* for a slow stdout, once told to stop */
	RETRY_MS = 200,
};

struct group_reader {
	struct reading *r;
	const struct group_reader_opts *o;
	struct member member;
	struct reading_topics topics;
	int64_t commit_at_ms;
	int64_t begin_at_ms;   /* the next try to begin what was gained */
	int64_t idle_since_ms; /* stable with nothing to read; 0: not so */
	int64_t give_up_ms;    /* of a slow stdout; 0: not told to stop */
};

/* --- output --- */

/* Wait for stdout, and stay in the group meanwhile. */
static int
wait_output(struct output *out, struct err *e)
{
	struct group_reader *g = out->owner;
	struct cluster *cl = g->r->fetcher->cluster;
	int wait_ms = 0;
	if (poll(&(struct pollfd){ out->fd, POLLOUT, 0 }, 1, 0) > 0)
		return 0;
	for (;;) {
		short seen = cluster_wait(cl, out->fd, POLLOUT, wait_ms);
		if (seen)
			return 0;
		int64_t now = clock_mono_ms();
		if (*g->r->is_stopped && !g->give_up_ms) {
			sig_drain(g->o->wake_fd);
			g->give_up_ms = now + STOP_WAIT_MS;
		}
		if (g->give_up_ms && now >= g->give_up_ms)
			return err_set(e, ERR_RETRY, "nothing reads the output");
		member_work(&g->member);
		wait_ms = member_timeout(&g->member);
		if (member_must_give_back(&g->member)) /* they have to wait for us */
			wait_ms = MAX(wait_ms, RETRY_MS);
	}
}

/* All before the fetcher's deliver is written. */
static void
note_written(struct output *out)
{
	struct group_reader *g = out->owner;
	for (int i = 0; i < g->member.npart; i++) {
		struct member_part *p = g->member.part[i];
		struct fetcher_part *from = p->owner;
		if (from && (p->state == MEMBER_HELD || p->state == MEMBER_REVOKED))
			member_move(p, from->deliver, from->epoch);
	}
}

/* --- partitions --- */

static bool
reads_to_end(const struct group_reader *g)
{
	return g->o->stops_at_end || g->o->start->has_stop_time;
}

static void
begin_part(struct group_reader *g, struct member_part *p, int64_t begin, int64_t stop)
{
	struct fetcher *f = g->r->fetcher;
	int64_t at = p->committed >= 0 ? p->committed : begin;
	p->owner = fetcher_add(f, p->topic, p->index, at, stop);
	member_accept(&g->member, p, at);
}

/* A partition that came into being while we ran: nothing of it was meant to be
 * skipped, whatever -o says. */
static bool
is_new(const struct member_part *p)
{
	return p->topic->generation > 0 || p->index >= p->topic->npart_first;
}

/* What was gained of a topic, and where it may begin and end. */
struct gained {
	struct cluster_topic *topic;
	int32_t n;
	bool *wants[2];     /* to be asked about: old ones, new ones */
	int64_t *begin, *stop;
};

/* Look up where the partitions begin and end, as far as that has to be known. */
static int
look_up(struct group_reader *g, struct gained *in, struct err *e)
{
	struct member *m = &g->member;
	bool any[2] = { false, false };
	struct start start = *g->o->start;
	for (int i = 0; i < m->npart; i++) {
		struct member_part *p = m->part[i];
		bool k = is_new(p);
		if (p->state != MEMBER_GAINED || p->topic != in->topic || p->index >= in->n)
			continue;
		in->wants[k][p->index] = p->committed < 0 || reads_to_end(g);
		any[k] |= in->wants[k][p->index];
	}
	for (int k = 0; k < 2; k++) {
		if (any[k] && start_resolve(&start, g->r->fetcher->cluster, in->topic, in->n,
				in->wants[k], g->o->stops_at_end, in->begin, in->stop, e) < 0)
			return -1;
		start.begin.kind = PLACE_BEGINNING;
	}
	return 0;
}

/* Begin what was gained of a topic.  Looking up offsets may let some of it be
 * taken away again: each is looked for afterwards. */
static int
begin_topic(struct group_reader *g, struct cluster_topic *t, struct err *e)
{
	struct member *m = &g->member;
	size_t n = (size_t)t->npart;
	int generation = t->generation;
	bool *wants = mem_alloc(2 * (n + 1));
	int64_t *begin = mem_alloc(2 * (n + 1) * sizeof *begin), *stop = begin + n;
	struct gained in = { t, (int32_t)n, { wants, wants + n }, begin, stop };
	for (size_t i = 0; i < n; i++)
		stop[i] = INT64_MAX;
	int got = look_up(g, &in, e);
	for (int i = 0; got == 0 && i < m->npart && t->generation == generation; i++) {
		struct member_part *p = m->part[i];
		if (p->state != MEMBER_GAINED || p->topic != t || p->index >= in.n)
			continue;
		bool was_asked = wants[p->index] || (wants + n)[p->index];
		if (was_asked || (p->committed >= 0 && !reads_to_end(g)))
			begin_part(g, p, begin[p->index], stop[p->index]);
	}
	mem_free(begin);
	mem_free(wants);
	return got;
}

int
group_reader_look(struct group_reader *g, struct err *e)
{
	return reading_topics_report(&g->topics, e);
}

int
group_reader_begin_gained(struct group_reader *g, struct err *e)
{
	if (clock_mono_ms() < g->begin_at_ms)
		return 0;
	for (int i = 0; i < g->member.ntopic; i++) {
		bool has = false;
		for (int k = 0; k < g->member.npart; k++)
			has |= g->member.part[k]->state == MEMBER_GAINED
				&& g->member.part[k]->topic == g->member.topic[i];
		if (!has || begin_topic(g, g->member.topic[i], e) == 0)
			continue;
		if (e->class != ERR_RETRY)
			return -1;
		g->begin_at_ms = clock_mono_ms() + RETRY_MS;
	}
	return 0;
}

void
group_reader_drop(struct group_reader *g)
{
	struct member_part *p;
	while ((p = member_next(&g->member)) && p->state != MEMBER_GAINED) {
		if (p->owner)
			fetcher_remove(g->r->fetcher, p->owner);
		member_give_back(&g->member, p);
	}
}

/* Partitions that go: what was read of them is written and stored first. */
static int
give_back(struct group_reader *g, struct err *e)
{
	struct member *m = &g->member;
	if (!member_must_give_back(m))
		return 0;
	if (m->nrevoked > 0) {
		if (output_flush(g->r->output, e) < 0)
			return -1;
		member_commit(m);
		member_settle(m, STORE_WAIT_MS);
	}
	group_reader_drop(g);
	return 0;
}

/* --- the loop --- */

bool
group_reader_is_at_end(struct group_reader *g)
{
	if (!reads_to_end(g))
		return false;
	if (!member_is_stable(&g->member)) {
		g->idle_since_ms = 0;
		return false;
	}
	if (g->member.npart > 0)
		return fetcher_is_done(g->r->fetcher);
	int64_t now = clock_mono_ms();
	if (!g->idle_since_ms)
		g->idle_since_ms = now;
	/* others may be about to give us some */
	return now - g->idle_since_ms >= 2 * g->member.heartbeat_ms;
}

static int
rest(struct group_reader *g, int watched, struct err *e)
{
	struct reading *r = g->r;
	short seen = fetcher_wait(r->fetcher, watched, 0, 0);
	if (!seen && !fetcher_has_ready(r->fetcher)) {
		if (output_flush(r->output, e) < 0)
			return -1;
		int64_t left = MAX(g->commit_at_ms - clock_mono_ms(), 0);
		int wait_ms = reading_topics_timeout(&g->topics, (int)MIN(left, member_timeout(&g->member)));
		if (!member_must_give_back(&g->member))
			seen = fetcher_wait(r->fetcher, watched, 0, wait_ms);
	}
	if (seen & (POLLERR | POLLHUP))
		r->output->is_closed = true;
	return 0;
}

static int
loop(struct group_reader *g, struct err *e)
{
	struct reading *r = g->r;
	int watched = reading_watched(r);
	while (r->left > 0 && !*r->is_stopped && !r->output->is_closed) {
		member_work(&g->member);
		if (g->member.is_failed || (r->fetcher->is_failed && !fetcher_has_ready(r->fetcher))) {
			*e = g->member.is_failed ? g->member.err : r->fetcher->err;
			return -1;
		}
		if (give_back(g, e) < 0 || group_reader_look(g, e) < 0 || group_reader_begin_gained(g, e) < 0
			|| reading_print(r, e) < 0)
			return -1;
		if (r->left == 0 || group_reader_is_at_end(g))
			break;
		if (clock_mono_ms() >= g->commit_at_ms) {
			if (output_flush(r->output, e) < 0)
				return -1;
			member_commit(&g->member);
			g->commit_at_ms = clock_mono_ms() + g->o->commit_ms;
		}
		if (rest(g, watched, e) < 0)
			return -1;
	}
	return 0;
}

/* Write and store what was read, and go. */
static int
finish(struct group_reader *g, struct err *e)
{
	struct member *m = &g->member;
	struct output *out = g->r->output;
	int got = out->is_closed ? 0 : output_flush(out, e);
	sig_drain(g->o->wake_fd);
	if (!m->is_failed) {
		member_commit(m);
		if (!member_settle(m, STORE_WAIT_MS) && m->npart > 0)
			say_error("group '%s': not all offsets could be committed", m->opts.group);
		member_leave(m, LEAVE_WAIT_MS);
	}
	return got;
}

struct member *
group_reader_self(struct group_reader *g)
{
	return &g->member;
}

static int
open_member(struct group_reader *g, char **topics, struct err *e)
{
	struct cluster *cl = g->r->fetcher->cluster;
	int n = 0;
	while (topics[n])
		n++;
	struct cluster_topic **t = mem_alloc(((size_t)n + 1) * sizeof(void *));
	int got = 0;
	for (int i = 0; got == 0 && i < n; i++)
		if (!(t[i] = reading_topics_add(&g->topics, topics[i], e)))
			got = -1;
	if (got == 0)
		got = member_init(&g->member, cl, &g->o->member, t, n, e);
	mem_free(t);
	return got;
}

struct group_reader *
group_reader_open(struct reading *r, const struct group_reader_opts *o, char **topics,
	struct err *e)
{
	struct group_reader *g = NEW(struct group_reader);
	g->r = r;
	g->o = o;
	g->topics = (struct reading_topics){ .cluster = r->fetcher->cluster, .waits = o->waits_topic };
	if (open_member(g, topics, e) == 0)
		return g;
	reading_topics_release(&g->topics);
	mem_free(g);
	return NULL;
}

int
group_reader_run(struct group_reader *g, struct err *e)
{
	struct reading *r = g->r;
	struct err why;
	signal(SIGPIPE, SIG_IGN); /* the group is told before we go */
	r->output->owner = g;
	r->output->wait = wait_output;
	r->output->flushed = note_written;
	r->output->is_careful = output_is_pipe(r->output);
	r->reset = g->o->start->begin.kind == PLACE_BEGINNING ? OFFSETS_EARLIEST : OFFSETS_LATEST;
	g->commit_at_ms = clock_mono_ms() + g->o->commit_ms;
	int got = loop(g, e);
	if (finish(g, &why) < 0 && got == 0) {
		*e = why;
		got = -1;
	}
	fetch_iter_release(&r->iter);
	return r->output->is_closed ? 0 : got;
}

void
group_reader_free(struct group_reader *g)
{
	if (!g)
		return;
	member_release(&g->member);
	reading_topics_release(&g->topics);
	mem_free(g);
}
