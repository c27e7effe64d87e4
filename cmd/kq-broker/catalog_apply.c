#include "kq-broker/catalog_apply.h"

#include "kq-broker/checkpoints.h"
#include "kq-broker/dynamic.h"
#include "kq-broker/topic_entry.h"
#include "kq-broker/topics.h"

#include "text/say.h"
#include "text/units.h"

/* The state of new partitions' logs: as in the checkpoints; saved NULL: empty. */
struct log_origin {
	const struct saved_offsets *saved;
	bool is_clean;
};
static const struct log_origin empty = { .is_clean = true };

/* set: the topic's own settings; NULL: none. */
static struct topic_config *
make_config(const struct dynamic *dynamic, const struct config_set *set)
{
	const struct config_set *all = dynamic->values;
	struct topic_config *config = NEW(struct topic_config);
	atomic_init(&config->refs, 1);
	config->message_size_max = config_int(set, all, CONFIG_MAX_MESSAGE_BYTES);
	config->timestamp_before_max_ms = config_int(set, all,
		CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS);
	config->timestamp_after_max_ms = config_int(set, all,
		CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS);
	config->record_size_max = (int32_t)config_int(set, all,
		CONFIG_MAX_DECOMPRESSED_MESSAGE_BYTES);
	config->producer_expiration_ms = config_int(NULL, all, CONFIG_PRODUCER_ID_EXPIRATION_MS);
	config->is_log_append_time = config_is(set, all, CONFIG_MESSAGE_TIMESTAMP_TYPE,
		"LogAppendTime");
	config->is_compacted = strstr(config_value(set, all, CONFIG_CLEANUP_POLICY), "compact");
	config->verifies_compressed = config_int(set, all, CONFIG_VERIFY_COMPRESSED_RECORDS);
	config->is_durable = config_is(set, all, CONFIG_DURABILITY, "disk");
	config->log.segment_bytes = config_int(set, all, CONFIG_INTERNAL_SEGMENT_BYTES);
	if (!config->log.segment_bytes)
		config->log.segment_bytes = config_int(set, all, CONFIG_SEGMENT_BYTES);
	config->log.segment_ms = config_int(set, all, CONFIG_SEGMENT_MS);
	config->log.segment_index_bytes = config_int(set, all, CONFIG_SEGMENT_INDEX_BYTES);
	config->log.index_interval_bytes = config_int(set, all, CONFIG_INDEX_INTERVAL_BYTES);
	return config;
}

/* The topic's partitions: those that it has, and new ones up to npartition. */
static struct partition **
make_partitions(struct catalog_apply *apply, const struct topic *t, int32_t npartition,
	const struct log_origin *origin)
{
	struct partition **v = mem_alloc((size_t)npartition * sizeof *v);
	for (int32_t i = 0; i < npartition; i++) {
		if (i < t->npartition) {
			v[i] = t->partition[i];
			continue;
		}
		const struct saved_offset *at = origin->saved
			? saved_offsets_find(origin->saved, t->name, i) : NULL;
		struct partition_state state = {
			.log.log_start_offset = at ? at->log_start_offset : 0,
			.log.recovery_offset = at ? at->recovery_offset : 0,
			.log.is_clean = origin->is_clean,
			.high_watermark = at ? at->high_watermark : INT64_MAX,
			.leader_epoch = apply->leader_epoch,
		};
		v[i] = partition_new(apply->env, t->name, &t->id, i, t->config, &state);
	}
	return v;
}

/* ---- changes ---- */

/* Takes over entry->overrides. */
static struct topic *
add_topic(struct catalog_apply *apply, struct str name, const struct topic_entry *entry,
	int64_t revision, const struct log_origin *origin)
{
	struct topics *topics = apply->topics;
	struct topic *t = NEW(struct topic);
	t->name = mem_strndup(name);
	t->id = entry->id;
	t->overrides = entry->overrides;
	t->config = make_config(apply->dynamic, t->overrides);
	t->revision = revision;
	t->partition = make_partitions(apply, t, entry->npartition, origin);
	t->npartition = entry->npartition;
	pthread_rwlock_wrlock(&topics->lock);
	map_put(&topics->by_name, str_of(t->name), t);
	map_put(&topics->by_id, (struct str){ t->id.bytes, sizeof t->id.bytes }, t);
	topics->npartition += t->npartition;
	pthread_rwlock_unlock(&topics->lock);
	return t;
}

static void
delete_topic(struct catalog_apply *apply, struct topic *t)
{
	struct topics *topics = apply->topics;
	pthread_rwlock_wrlock(&topics->lock);
	map_remove(&topics->by_name, str_of(t->name));
	map_remove(&topics->by_id, (struct str){ t->id.bytes, sizeof t->id.bytes });
	topics->npartition -= t->npartition;
	pthread_rwlock_unlock(&topics->lock);
	for (int32_t i = 0; i < t->npartition; i++) {
		struct partition *part = t->partition[i];
		struct err why;
		partition_mark_deleted(part);
		pthread_mutex_lock(&part->lock);
		int rc = partlog_delete(&part->log, &why);
		pthread_mutex_unlock(&part->lock);
		if (rc < 0)
			log_line(LOG_WARN, "cannot delete the files of %s-%d: %s", t->name, i, why.msg);
	}
	log_line(LOG_INFO, "deleted topic %s", t->name);
	topics_notify_deleted(topics, str_of(t->name));
	topic_free(t);
}

static void
grow_topic(struct catalog_apply *apply, struct topic *t, int32_t npartition)
{
	struct topics *topics = apply->topics;
	struct partition **v = make_partitions(apply, t, npartition, &empty);
	pthread_rwlock_wrlock(&topics->lock);
	mem_free(t->partition);
	t->partition = v;
	topics->npartition += npartition - t->npartition;
	t->npartition = npartition;
	pthread_rwlock_unlock(&topics->lock);
}

/* Give the topic and its partitions the configuration that follows from the
 * topic's own settings and the defaults. */
static void
configure_topic(struct catalog_apply *apply, struct topic *t)
{
	struct topic_config *config = make_config(apply->dynamic, t->overrides);
	struct topic_config *old = t->config;
	pthread_rwlock_wrlock(&apply->topics->lock);
	t->config = config;
	pthread_rwlock_unlock(&apply->topics->lock);
	for (int32_t i = 0; i < t->npartition; i++)
		partition_set_config(t->partition[i], config);
	topic_config_put(old);
}

/* Takes over entry->overrides. */
static void
change_topic(struct catalog_apply *apply, struct topic *t, const struct topic_entry *entry,
	int64_t revision)
{
	bool must_grow = entry->npartition > t->npartition;
	struct config_set *old = t->overrides;
	assert(revision > t->revision);
	if (must_grow)
		grow_topic(apply, t, entry->npartition);
	pthread_rwlock_wrlock(&apply->topics->lock);
	t->overrides = entry->overrides;
	t->revision = revision;
	pthread_rwlock_unlock(&apply->topics->lock);
	configure_topic(apply, t);
	config_set_free(old);
	if (must_grow)
		topics_notify_changed(apply->topics, str_of(t->name));
}

void
catalog_apply_defaults(struct catalog_apply *apply)
{
	MAP_EACH(it, &apply->topics->by_name)
		configure_topic(apply, it->value);
}

/* ---- entries ---- */

static struct str
name_of(const struct metastore_entry *entry)
{
	int32_t n = sizeof TOPIC_ENTRY_PREFIX - 1;
	return (struct str){ entry->key.p + n, entry->key.n - n };
}

static void
on_entry(struct metastore_watch *watch, const struct metastore_entry *entry)
{
	struct catalog_apply *apply = CONTAINER_OF(watch, struct catalog_apply, watch);
	struct str name = name_of(entry);
	struct topic *t = topics_find(apply->topics, name);
	struct topic_entry to;
	if (entry->value.n < 0) {
		if (t)
			delete_topic(apply, t);
		return;
	}
	if (!topic_entry_parse(&to, name, entry->value)) {
		log_line(LOG_ERROR, "metastore: the entry of topic '%.*s' is not understood",
			STR_ARG(name));
		return;
	}
	if (t && uuid_eq(&t->id, &to.id)) {
		change_topic(apply, t, &to, entry->revision);
		return;
	}
	if (t) /* another of that name: the old one was deleted meanwhile */
		delete_topic(apply, t);
	t = add_topic(apply, name, &to, entry->revision, &empty);
	log_line(LOG_INFO, "created topic %s with %d partition%s", t->name, t->npartition,
		units_plural(t->npartition));
	topics_notify_changed(apply->topics, name);
}

struct topics_loading {
	struct catalog_apply *apply;
	struct log_origin origin;
	struct err *e;
};

static int
load_entry(void *ctx, const struct metastore_entry *entry)
{
	struct topics_loading *loading = ctx;
	struct str name = name_of(entry);
	struct topic_entry to;
	if (!topic_entry_parse(&to, name, entry->value))
		return err_set(loading->e, ERR_CORRUPT,
			"metastore: the entry of topic '%.*s' is not understood", STR_ARG(name));
	add_topic(loading->apply, name, &to, entry->revision, &loading->origin);
	return 0;
}

int
catalog_apply_begin(struct catalog_apply *apply, struct metastore *meta,
	const struct saved_offsets *saved, bool is_clean, struct err *e)
{
	struct topics_loading loading = { apply, { saved, is_clean }, e };
	if (metastore_list(meta, STR(TOPIC_ENTRY_PREFIX), load_entry, &loading) < 0)
		return -1;
	apply->watch = (struct metastore_watch){ .prefix = STR(TOPIC_ENTRY_PREFIX), .fn = on_entry };
	metastore_watch(meta, &apply->watch);
	return 0;
}
