#include "kq-stream/internal_topics.h"

#include "sys/clock.h"

#include "proto.h"

#include <stdio.h>

enum {
	TIMEOUT_MS = 30000,
	SETTINGS_MAX = 5,
	DAY_MS = 86400000,           /* added to retentions: clocks of producers may be ahead */
	SEGMENT_BYTES = 52428800,
};

enum internal_kind
internal_changelog_kind(const struct flow_store *store)
{
	if (store->history_ms > 0)
		return INTERNAL_VERSIONED_CHANGELOG;
	if (store->retention_ms == 0)
		return INTERNAL_CHANGELOG;
	return store->is_compacted ? INTERNAL_WINDOW_CHANGELOG : INTERNAL_JOIN_CHANGELOG;
}

/* A retention near the limit of time stays there. */
static int64_t
add_day(int64_t keep_ms)
{
	return keep_ms > INT64_MAX - DAY_MS ? INT64_MAX : keep_ms + DAY_MS;
}

int64_t
internal_changelog_keep_ms(const struct flow_store *store)
{
	return add_day(store->retention_ms);
}

static void
set(struct create_topics_request_topic *t, struct arena *a, const char *name, const char *fmt,
	int64_t n)
{
	int32_t k = t->configs.n++;
	char *value = arena_printf(a, fmt, (long long)n);
	assert(k < SETTINGS_MAX);
	t->configs.v[k].name = str_of(name);
	t->configs.v[k].value = str_of(value);
}

/* The settings that Kafka Streams gives; and one for times of events that are ahead of the
 * clock, of which brokers since 3.6 refuse those of more than an hour.  Older ones do not know
 * it. */
static void
set_all(struct create_topics_request_topic *t, const struct internal_topic *in, bool is_old,
	struct arena *a)
{
	int64_t keep_ms = add_day(in->keep_ms);
	t->configs.v = arena_alloc(a, SETTINGS_MAX * sizeof *t->configs.v);
	t->configs.n = 0;
	set(t, a, "message.timestamp.type", "CreateTime", 0);
	if (!is_old)
		set(t, a, "message.timestamp.after.max.ms", "%lld", INT64_MAX);
	switch (in->kind) {
	case INTERNAL_REPARTITION:
		set(t, a, "cleanup.policy", "delete", 0);
		set(t, a, "retention.ms", "%lld", -1);
		set(t, a, "segment.bytes", "%lld", SEGMENT_BYTES);
		return;
	case INTERNAL_CHANGELOG:
		set(t, a, "cleanup.policy", "compact", 0);
		return;
	case INTERNAL_WINDOW_CHANGELOG:
		set(t, a, "cleanup.policy", "compact,delete", 0);
		set(t, a, "retention.ms", "%lld", keep_ms);
		return;
	case INTERNAL_JOIN_CHANGELOG:
		set(t, a, "cleanup.policy", "delete", 0);
		set(t, a, "retention.ms", "%lld", keep_ms);
		return;
	case INTERNAL_VERSIONED_CHANGELOG:
		set(t, a, "cleanup.policy", "compact", 0);
		set(t, a, "min.compaction.lag.ms", "%lld", keep_ms);
		return;
	}
}

static int
create(struct cluster *cl, const struct internal_topic *in, bool is_old, struct err *e)
{
	struct arena a = ARENA_INIT;
	struct create_topics_request q;
	struct create_topics_response r;
	struct create_topics_request_topic t;
	wire_defaults(&create_topics_request_desc, &q);
	wire_defaults(&create_topics_request_topic_desc, &t);
	q.timeout_ms = TIMEOUT_MS;
	q.topics.v = &t;
	q.topics.n = 1;
	t.name = str_of(in->name);
	t.num_partitions = in->npart;
	t.replication_factor = -1;
	set_all(&t, in, is_old, &a);
	int rc = cluster_call_upto(cl, CLUSTER_CONTROLLER, API_CREATE_TOPICS, INT16_MAX, TIMEOUT_MS,
		&q, &r, &a, e);
	if (rc >= 0) {
		int16_t code = r.topics.n == 1 ? r.topics.v[0].error_code : KERR_UNKNOWN_SERVER_ERROR;
		/* Another instance may have been first. */
		rc = !code || code == KERR_TOPIC_ALREADY_EXISTS ? 0
			: cluster_peer_err(e, code, r.topics.n == 1 ? r.topics.v[0].error_message : STR_NULL);
	}
	arena_release(&a);
	return rc < 0 ? err_wrap(e, "topic '%s' cannot be created", in->name) : 0;
}

static int
check(const struct cluster_topic *t, const char *application, const struct internal_topic *in,
	struct err *e)
{
	if (t->npart == in->npart)
		return 0;
	return err_set(e, ERR_USAGE, "topic '%s' has %d partition%s, and the topology needs %d: its "
		"inputs or their partitions have changed; 'kq-stream reset %s' removes the internal topics "
		"and the state, or give the changed application another ID", in->name, t->npart,
		t->npart == 1 ? "" : "s", in->npart, application);
}

int
internal_topics_make(struct cluster *cl, const char *application, const struct internal_topic *v,
	int n, struct err *e)
{
	for (int i = 0; i < n; i++) {
		struct cluster_topic *t = cluster_topic(cl, v[i].name, false, e);
		if (!t && e->kafka != KERR_UNKNOWN_TOPIC_OR_PARTITION)
			return -1;
		int rc = t ? 0 : create(cl, &v[i], false, e);
		if (rc < 0 && e->kafka == KERR_INVALID_CONFIG)
			rc = create(cl, &v[i], true, e);
		if (rc < 0)
			return -1;
		int64_t until = clock_mono_ms() + TIMEOUT_MS;
		while (!t && clock_mono_ms() < until) { /* until the metadata has it */
			t = cluster_topic(cl, v[i].name, false, e);
			if (!t && e->kafka != KERR_UNKNOWN_TOPIC_OR_PARTITION)
				return -1;
			if (!t)
				cluster_pause(cl, 100);
		}
		if (!t || check(t, application, &v[i], e) < 0)
			return -1;
	}
	return 0;
}
