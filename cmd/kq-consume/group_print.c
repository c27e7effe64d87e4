#include "kq-consume/group_print.h"

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

struct group_print {
	struct reading *reading;
	const struct group_print_opts *o;
	struct group_reader_opts reader_opts;
	struct group_reader reader;
	struct reading_topics topics;
	int64_t commit_at_ms;
	int64_t give_up_ms;    /* deadline of a blocked stdout; 0: no signal yet */
};

/* ---- output ---- */

/* Wait for stdout, and serve the group meanwhile. */
static int
wait_output(struct output *out, struct err *e)
{
	struct group_print *gp = out->owner;
	struct cluster *cluster = gp->reading->fetcher->cluster;
	int wait_ms = 0;
	if (poll(&(struct pollfd){ out->fd, POLLOUT, 0 }, 1, 0) > 0)
		return 0;
	for (;;) {
		short seen = cluster_wait(cluster, out->fd, POLLOUT, wait_ms);
		if (seen)
			return 0;
		int64_t now = clock_mono_ms();
		if (*gp->reading->is_stopped && !gp->give_up_ms) {
			sig_drain(gp->o->wake_fd);
			gp->give_up_ms = now + STOP_WAIT_MS;
		}
		if (gp->give_up_ms && now >= gp->give_up_ms)
			return err_set(e, ERR_RETRY, "nothing reads the output");
		member_work(&gp->reader.member);
		wait_ms = member_timeout(&gp->reader.member);
		if (member_must_give_back(&gp->reader.member)) /* the rebalance waits for us */
			wait_ms = MAX(wait_ms, RETRY_MS);
	}
}

/* All records before the fetcher's deliver offset are written. */
static void
note_written(struct output *out)
{
	struct group_print *gp = out->owner;
	for (int i = 0; i < gp->reader.member.npart; i++) {
		struct member_part *part = gp->reader.member.part[i];
		struct fetcher_part *from = part->owner;
		if (from && (part->state == MEMBER_HELD || part->state == MEMBER_REVOKED))
			member_move(part, from->deliver, from->epoch);
	}
}

/* ---- partitions ---- */

static int
place(void *arg, struct cluster_topic *t, int32_t n, const bool *wants, bool is_new,
	int64_t *begin, int64_t *stop, struct err *e)
{
	struct group_print *gp = arg;
	struct start start = *gp->o->start;
	if (is_new) /* it is read from its beginning, whatever -o says */
		start.begin.kind = PLACE_BEGINNING;
	return start_resolve(&start, gp->reading->fetcher->cluster, t, n, wants,
		gp->o->stops_at_end, begin, stop, e);
}

int
group_print_report_topics(struct group_print *gp, struct err *e)
{
	return reading_topics_report(&gp->topics, e);
}

/* Give back revoked and lost partitions, after output and offsets are written. */
static int
give_back(struct group_print *gp, struct err *e)
{
	struct member *m = &gp->reader.member;
	if (!member_must_give_back(m))
		return 0;
	if (m->nrevoked > 0) {
		if (output_flush(gp->reading->output, e) < 0)
			return -1;
		member_commit(m);
		member_flush(m, STORE_WAIT_MS);
	}
	group_reader_drop(&gp->reader);
	return 0;
}

/* ---- the loop ---- */

static int
idle(struct group_print *gp, int watched, struct err *e)
{
	struct reading *reading = gp->reading;
	short seen = fetcher_wait(reading->fetcher, watched, 0, 0);
	if (!seen && !fetcher_has_ready(reading->fetcher)) {
		if (output_flush(reading->output, e) < 0)
			return -1;
		int64_t left = MAX(gp->commit_at_ms - clock_mono_ms(), 0);
		left = MIN(left, member_timeout(&gp->reader.member));
		int wait_ms = reading_topics_timeout(&gp->topics, (int)left);
		if (!member_must_give_back(&gp->reader.member))
			seen = fetcher_wait(reading->fetcher, watched, 0, wait_ms);
	}
	if (seen & (POLLERR | POLLHUP))
		reading->output->is_closed = true;
	return 0;
}

static int
loop(struct group_print *gp, struct err *e)
{
	struct reading *reading = gp->reading;
	int watched = reading_watched(reading);
	while (reading->left > 0 && !*reading->is_stopped && !reading->output->is_closed) {
		member_work(&gp->reader.member);
		if (gp->reader.member.is_failed
			|| (reading->fetcher->is_failed && !fetcher_has_ready(reading->fetcher))) {
			*e = gp->reader.member.is_failed ? gp->reader.member.err : reading->fetcher->err;
			return -1;
		}
		if (give_back(gp, e) < 0 || group_print_report_topics(gp, e) < 0
			|| group_reader_begin_gained(&gp->reader, e) < 0 || reading_print(reading, e) < 0)
			return -1;
		if (reading->left == 0 || group_reader_is_at_end(&gp->reader))
			break;
		if (clock_mono_ms() >= gp->commit_at_ms) {
			if (output_flush(reading->output, e) < 0)
				return -1;
			member_commit(&gp->reader.member);
			gp->commit_at_ms = clock_mono_ms() + gp->o->commit_ms;
		}
		if (idle(gp, watched, e) < 0)
			return -1;
	}
	return 0;
}

/* Write the output, commit, and leave the group. */
static int
finish(struct group_print *gp, struct err *e)
{
	struct member *m = &gp->reader.member;
	struct output *out = gp->reading->output;
	int rc = out->is_closed ? 0 : output_flush(out, e);
	sig_drain(gp->o->wake_fd);
	if (!m->is_failed) {
		member_commit(m);
		if (!member_flush(m, STORE_WAIT_MS) && m->npart > 0)
			say_error("group '%s': not all offsets could be committed", m->opts.group);
		member_leave(m, LEAVE_WAIT_MS);
	}
	return rc;
}

struct group_reader *
group_print_reader(struct group_print *gp)
{
	return &gp->reader;
}

static int
open_member(struct group_print *gp, char **topics, struct err *e)
{
	int n = 0;
	while (topics[n])
		n++;
	struct cluster_topic **t = mem_alloc(((size_t)n + 1) * sizeof(void *));
	int rc = 0;
	for (int i = 0; rc == 0 && i < n; i++)
		if (!(t[i] = reading_topics_add(&gp->topics, topics[i], e)))
			rc = -1;
	if (rc == 0)
		rc = group_reader_init(&gp->reader, gp->reading->fetcher, &gp->reader_opts, t, n, e);
	mem_free(t);
	return rc;
}

struct group_print *
group_print_open(struct reading *reading, const struct group_print_opts *o, char **topics,
	struct err *e)
{
	struct group_print *gp = NEW(struct group_print);
	gp->reading = reading;
	gp->o = o;
	gp->reader_opts = (struct group_reader_opts){ .member = o->member, .place = place, .arg = gp,
		.has_stop = o->stops_at_end || o->start->has_stop_time };
	gp->topics = (struct reading_topics){ .cluster = reading->fetcher->cluster,
		.waits = o->waits_topic };
	reading->reset = o->start->begin.kind == PLACE_BEGINNING ? OFFSETS_EARLIEST : OFFSETS_LATEST;
	if (open_member(gp, topics, e) == 0)
		return gp;
	reading_topics_release(&gp->topics);
	mem_free(gp);
	return NULL;
}

int
group_print_run(struct group_print *gp, struct err *e)
{
	struct reading *reading = gp->reading;
	struct err why;
	reading->output->owner = gp;
	reading->output->wait = wait_output;
	reading->output->flushed = note_written;
	reading->output->is_careful = output_is_pipe(reading->output);
	gp->commit_at_ms = clock_mono_ms() + gp->o->commit_ms;
	int rc = loop(gp, e);
	if (finish(gp, &why) < 0 && rc == 0) {
		*e = why;
		rc = -1;
	}
	fetch_iter_release(&reading->iter);
	return reading->output->is_closed ? 0 : rc;
}

void
group_print_free(struct group_print *gp)
{
	if (!gp)
		return;
	group_reader_release(&gp->reader);
	reading_topics_release(&gp->topics);
	mem_free(gp);
}
