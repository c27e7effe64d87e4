#include "client/group_reader.h"

#include "sys/clock.h"

enum { RETRY_MS = 200 };

int
group_reader_init(struct group_reader *reader, struct fetcher *f,
	const struct group_reader_opts *o, struct cluster_topic **topic, int ntopic, struct err *e)
{
	*reader = (struct group_reader){ .fetcher = f, .o = o };
	return member_init(&reader->member, f->cluster, &o->member, topic, ntopic, e);
}

void
group_reader_release(struct group_reader *reader)
{
	member_release(&reader->member);
}

/* Was the partition created after the start? */
static bool
is_new(const struct member_part *part)
{
	return part->topic->generation > 0 || part->index >= part->topic->npart_first;
}

static bool
is_to_begin(const struct group_reader *reader, const struct member_part *part,
	const struct cluster_topic *t)
{
	return part->state == MEMBER_GAINED && part->topic == t
		&& (!reader->o->may_begin || reader->o->may_begin(reader->o->arg, part));
}

/* The assigned partitions of a topic, and where to begin and stop. */
struct gained {
	struct cluster_topic *topic;
	int32_t n;
	bool *wants[2];     /* offsets to be looked up: of old partitions, of new ones */
	int64_t *begin, *stop;
};

/* Look up where to begin and stop, for the partitions for which it is needed. */
static int
look_up(struct group_reader *reader, struct gained *in, struct err *e)
{
	struct member *m = &reader->member;
	bool any[2] = { false, false };
	for (int i = 0; i < m->npart; i++) {
		struct member_part *part = m->part[i];
		bool is_new_part = is_new(part);
		if (!is_to_begin(reader, part, in->topic) || part->index >= in->n)
			continue;
		in->wants[is_new_part][part->index] = part->committed < 0 || reader->o->has_stop;
		any[is_new_part] |= in->wants[is_new_part][part->index];
	}
	for (int k = 0; k < 2; k++)
		if (any[k] && reader->o->place(reader->o->arg, in->topic, in->n, in->wants[k], k == 1,
				in->begin, in->stop, e) < 0)
			return -1;
	return 0;
}

static void
begin_part(struct group_reader *reader, struct member_part *part, int64_t begin, int64_t stop)
{
	int64_t at = part->committed >= 0 ? part->committed : begin;
	part->owner = fetcher_add(reader->fetcher, part->topic, part->index, at, stop);
	member_accept(&reader->member, part, at);
}

/* Begin the assigned partitions of a topic.  Some may be revoked while offsets are looked
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
		if (!is_to_begin(reader, part, t) || part->index >= in.n)
			continue;
		bool was_asked = wants[part->index] || (wants + n)[part->index];
		if (was_asked || (part->committed >= 0 && !reader->o->has_stop))
			begin_part(reader, part, begin[part->index], stop[part->index]);
	}
	mem_free(begin);
	mem_free(wants);
	return rc;
}

int
group_reader_begin_gained(struct group_reader *reader, struct err *e)
{
	struct member *m = &reader->member;
	if (clock_mono_ms() < reader->begin_at_ms)
		return 0;
	for (int i = 0; i < m->ntopic; i++) {
		bool has = false;
		for (int k = 0; k < m->npart; k++)
			has |= is_to_begin(reader, m->part[k], m->topic[i]);
		if (!has || begin_topic(reader, m->topic[i], e) == 0)
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
			fetcher_remove(reader->fetcher, part->owner);
		member_give_back(&reader->member, part);
	}
}

bool
group_reader_is_at_end(struct group_reader *reader)
{
	if (!reader->o->has_stop)
		return false;
	if (!member_is_stable(&reader->member)) {
		reader->idle_since_ms = 0;
		return false;
	}
	if (reader->member.npart > 0)
		return fetcher_is_done(reader->fetcher);
	int64_t now = clock_mono_ms();
	if (!reader->idle_since_ms)
		reader->idle_since_ms = now;
	/* other members may still give partitions back to us */
	return now - reader->idle_since_ms >= 2 * reader->member.heartbeat_ms;
}
