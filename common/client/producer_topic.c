/* The topics of a producer, and changes of their metadata. */
#include "client/producer_int.h"

#include "sys/clock.h"
#include "text/units.h"

#include "proto.h"

#include <stdlib.h>

enum {
	DESCRIBE_TIMEOUT_MS = 5000,
	RESOURCE_TOPIC = 2,
	GONE_QUIET_MS = 1000, /* a topic that is created again by then is not reported as deleted */
};

/* Read those of the topic's settings that refuse records; they stay as they are if they
 * cannot be read: an old broker, no permission. */
static void
ask_settings(struct cluster *cl, const char *name, struct producer_topic *t)
{
	struct arena a = { .size_max = 4 << 20 };
	struct describe_configs_request q;
	struct describe_configs_response r;
	struct err ignored;
	struct str key[] = { STR("max.message.bytes"), STR("message.timestamp.after.max.ms"),
		STR("message.timestamp.type") };
	bool is_checked = true;
	const struct wire_api *api = wire_api_find(API_DESCRIBE_CONFIGS);
	wire_defaults(api->request, &q);
	q.resources.n = 1;
	q.resources.v = arena_alloc(&a, sizeof *q.resources.v);
	q.resources.v->resource_type = RESOURCE_TOPIC;
	q.resources.v->resource_name = str_of(name);
	q.resources.v->configuration_keys.n = ARRAY_LEN(key);
	q.resources.v->configuration_keys.v = key;
	if (cluster_call_upto(cl, CLUSTER_ANY, API_DESCRIBE_CONFIGS, INT16_MAX,
		DESCRIBE_TIMEOUT_MS, &q, &r, &a, &ignored) >= 0 && r.results.n == 1)
		for (int32_t i = 0; i < r.results.v->configs.n; i++) {
			struct str name_at = r.results.v->configs.v[i].name;
			struct str v = r.results.v->configs.v[i].value;
			char text[24];
			if (v.n <= 0 || v.n >= (int32_t)sizeof text)
				continue;
			memcpy(text, v.p, (size_t)v.n);
			text[v.n] = 0;
			if (str_eq(name_at, key[0]))
				t->message_max = (size_t)strtoull(text, NULL, 10);
			else if (str_eq(name_at, key[1]))
				t->ahead_max_ms = strtoll(text, NULL, 10);
			else if (str_eq(name_at, key[2]))
				is_checked = str_eq(v, STR("CreateTime"));
		}
	if (!is_checked)
		t->ahead_max_ms = INT64_MAX;
	t->ahead_ms = t->ahead_max_ms == INT64_MAX ? INT64_MAX : INT64_MIN;
	arena_release(&a);
}

/* Add the partitions that are new in the metadata. */
static void
add_parts(struct producer_topic *t)
{
	int32_t n = t->meta->npart;
	t->nlive = n;
	if (n <= t->npart)
		return;
	t->part = mem_realloc(t->part, (size_t)n * sizeof(void *));
	for (; t->npart < n; t->npart++) {
		struct producer_part *part = t->part[t->npart] = NEW(struct producer_part);
		part->topic = t;
		part->index = t->npart;
		part->id = t->producer->id;
		part->epoch = t->producer->epoch;
		part->end_offset = -1;
		list_init(&part->ready);
		list_init(&part->queue);
	}
}

/* Look up the topic, and create it if necessary. */
static struct cluster_topic *
look_up(struct producer *producer, const char *name, struct err *e)
{
	struct cluster *cl = producer->cluster;
	struct cluster_topic *meta = cluster_topic(cl, name, false, e);
	if (meta || e->kafka != KERR_UNKNOWN_TOPIC_OR_PARTITION || producer->opts.never_creates)
		return meta;
	meta = cluster_topic(cl, name, true, e);
	if (meta && cl->opts.say)
		cl->opts.say("topic '%s' did not exist; it was created with %d partition%s", name,
			meta->npart, units_plural(meta->npart));
	return meta;
}

struct producer_topic *
producer_topic(struct producer *producer, const char *name, struct err *e)
{
	for (int i = 0; i < producer->ntopic; i++)
		if (strcmp(producer->topic[i]->meta->name, name) == 0)
			return producer->topic[i];
	struct cluster_topic *meta = look_up(producer, name, e);
	if (!meta)
		return NULL;
	struct producer_topic *t = NEW(struct producer_topic);
	t->producer = producer;
	t->meta = meta;
	t->generation = meta->generation;
	add_parts(t);
	t->sticky = (int32_t)((uint64_t)clock_mono_ns() / 1000 % (uint64_t)t->npart);
	t->ahead_max_ms = INT64_MAX;
	ask_settings(producer->cluster, name, t);
	t->batch_bytes = producer->opts.batch_bytes;
	if (t->message_max)
		t->batch_bytes = MIN(t->batch_bytes, t->message_max);
	producer->topic = mem_realloc(producer->topic, (size_t)(producer->ntopic + 1) * sizeof(void *));
	producer->topic[producer->ntopic++] = t;
	return t;
}

/* The partition's topic was deleted and created again: the broker's state is gone with
 * the old topic, so sequence numbers restart.  Without a transaction that needs a new
 * producer id: a batch sent by topic name may have been stored in the new topic, and
 * its response lost. */
static void
restart_part(struct producer_part *part)
{
	struct producer *producer = part->topic->producer;
	struct err e;
	bool has_records = part->open || part->nqueue > 0;
	part->failing_since_ms = part->retry_at_ms = 0;
	if (part->index >= part->topic->meta->npart && has_records) {
		err_set(&e, ERR_PEER, "topic '%s' was deleted and created again without partition %d",
			part->topic->meta->name, part->index);
		producer_fail(producer, 0, &e);
	} else if (producer->is_in_txn && (part->is_in_txn || part->nqueue > 0)) {
		err_set(&e, ERR_RETRY, "topic '%s' was deleted and created again within the transaction",
			part->topic->meta->name);
		producer_fail(producer, 0, &e);
	} else if (producer->opts.txn_id) {
		part->sequence = 0;
	} else if (producer->is_idempotent && part->sequence > 0) {
		part->needs_id = true;
	}
	if (has_records)
		producer_mark_ready(part);
}

static void
say_gone(struct producer *producer, struct producer_topic *t)
{
	bool is_gone = t->meta->gone_since_ms
		&& clock_mono_ms() - t->meta->gone_since_ms >= GONE_QUIET_MS;
	if (is_gone && !t->is_gone && producer->cluster->opts.say)
		producer->cluster->opts.say("topic '%s' was deleted; records for it wait for up to %d s "
			"until it is created again", t->meta->name, producer->opts.delivery_timeout_ms / 1000);
	t->is_gone = is_gone;
}

void
producer_update_topics(struct producer *producer)
{
	for (int i = 0; i < producer->ntopic; i++) {
		struct producer_topic *t = producer->topic[i];
		say_gone(producer, t);
		if (t->generation != t->meta->generation) {
			t->generation = t->meta->generation;
			if (producer->cluster->opts.say)
				producer->cluster->opts.say("topic '%s' was deleted and created again; "
					"writing to the new one", t->meta->name);
			for (int32_t k = 0; k < t->npart; k++)
				restart_part(t->part[k]);
			t->sticky %= t->meta->npart;
		}
		if (t->nlive != t->meta->npart)
			add_parts(t);
	}
}
