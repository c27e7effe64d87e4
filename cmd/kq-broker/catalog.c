#include "kq-broker/catalog.h"

#include "sys/rand.h"
#include "text/json.h"
#include "text/say.h"
#include "text/units.h"
#include "wire/kerr.h"

#include <stdarg.h>
#include <stdio.h>

#define TOPICS "/topics/"

int
catalog_fail(struct catalog_error *e, int16_t code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	e->code = code;
	vsnprintf(e->message, sizeof e->message, fmt, ap);
	va_end(ap);
	return -1;
}

/* Do the topic's settings fit together? */
static int
check_together(struct broker *b, const struct config_set *set, struct catalog_error *e)
{
	struct err why;
	if (config_check_together(set, b->dynamic.values, &why) < 0)
		return catalog_fail(e, KERR_INVALID_CONFIG, "%s", why.msg);
	return 0;
}

/* ---- topics as JSON ---- */

static void
format_topic(const struct uuid *id, int32_t npartition, const struct config_set *set,
	struct buf *out)
{
	char z[UUID_TEXT_SIZE];
	json_t *configs = json_object();
	for (int i = 0; set && i < CONFIG_N; i++)
		if (set->value[i])
			json_object_set_new(configs, config_table[i].name, json_string(set->value[i]));
	json_t *o = json_pack("{s:s, s:i, s:o}", "id", uuid_format(id, z), "partitions",
		(int)npartition, "configs", configs);
	json_put(o, out);
	json_decref(o);
}

/* A value that is not known, or not allowed, any more is left out, not lost:
 * the metastore keeps it until the topic is changed. */
static struct config_set *
parse_configs(json_t *o, const char *topic)
{
	struct config_set *set = NULL;
	const char *key;
	json_t *value;
	json_object_foreach(o, key, value) {
		struct err e;
		const struct config_key *k = config_find(CONFIG_SCOPE_TOPIC, str_of(key));
		const char *text = json_string_value(value);
		char *plain = k && text ? config_parse(k, CONFIG_SCOPE_TOPIC, str_of(text), &e) : NULL;
		if (!plain) {
			log_line(LOG_WARN, "topic %s: ignoring the setting '%s', which this version does not know",
				topic, key);
			continue;
		}
		if (!set)
			set = config_set_copy(NULL);
		config_set_put(set, config_id_of(k), plain);
		mem_free(plain);
	}
	return set;
}

/* ---- the table ---- */

static struct topic_config *
make_config(struct broker *b, const struct config_set *set)
{
	const struct config_set *d = b->dynamic.values;
	struct topic_config *c = NEW(struct topic_config);
	atomic_init(&c->refs, 1);
	c->message_size_max = config_int(set, d, CONFIG_MAX_MESSAGE_BYTES);
	c->timestamp_before_max_ms = config_int(set, d, CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS);
	c->timestamp_after_max_ms = config_int(set, d, CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS);
	c->record_size_max = (int32_t)config_int(set, d, CONFIG_MAX_DECOMPRESSED_MESSAGE_BYTES);
	c->producer_expiration_ms = config_int(NULL, d, CONFIG_PRODUCER_ID_EXPIRATION_MS);
	c->is_log_append_time = config_is(set, d, CONFIG_MESSAGE_TIMESTAMP_TYPE, "LogAppendTime");
	c->is_compacted = strstr(config_value(set, d, CONFIG_CLEANUP_POLICY), "compact") != NULL;
	c->verifies_compressed = config_int(set, d, CONFIG_VERIFY_COMPRESSED_RECORDS);
	c->is_durable = config_is(set, d, CONFIG_DURABILITY, "disk");
	c->log.segment_bytes = config_int(set, d, CONFIG_INTERNAL_SEGMENT_BYTES);
	if (!c->log.segment_bytes)
		c->log.segment_bytes = config_int(set, d, CONFIG_SEGMENT_BYTES);
	c->log.segment_ms = config_int(set, d, CONFIG_SEGMENT_MS);
	c->log.segment_index_bytes = config_int(set, d, CONFIG_SEGMENT_INDEX_BYTES);
	c->log.index_interval_bytes = config_int(set, d, CONFIG_INDEX_INTERVAL_BYTES);
	return c;
}

/* Make the partitions from first on, in an array that holds the old ones. */
static struct partition **
make_partitions(struct broker *b, struct topic *t, int32_t npartition,
	const struct saved_offsets *offsets, bool is_clean)
{
	struct partition **v = mem_alloc((size_t)npartition * sizeof *v);
	for (int32_t i = 0; i < npartition; i++) {
		if (i < t->npartition) {
			v[i] = t->partition[i];
			continue;
		}
		const struct saved_offset *o = offsets ? saved_offsets_find(offsets, t->name, i) : NULL;
		struct partition_state state = {
			.log = { o ? o->log_start_offset : 0, o ? o->recovery_offset : 0, is_clean },
			.high_watermark = o ? o->high_watermark : INT64_MAX,
			.leader_epoch = b->epoch,
		};
		v[i] = partition_new(&b->partition_env, t->name, &t->id, i, t->config, &state);
	}
	return v;
}

static void
add_topic(struct broker *b, const char *name, const struct uuid *id, int32_t npartition,
	struct config_set *set, int64_t revision,
	const struct saved_offsets *offsets, bool is_clean)
{
	struct topic *t = NEW(struct topic);
	t->name = mem_strdup(name);
	t->id = *id;
	t->overrides = set;
	t->config = make_config(b, set);
	t->revision = revision;
	t->partition = make_partitions(b, t, npartition, offsets, is_clean);
	t->npartition = npartition;
	pthread_rwlock_wrlock(&b->topics.lock);
	map_put(&b->topics.by_name, str_of(t->name), t);
	map_put(&b->topics.by_id, (struct str){ t->id.bytes, sizeof t->id.bytes }, t);
	b->topics.npartition += npartition;
	pthread_rwlock_unlock(&b->topics.lock);
}

/* ---- loading ---- */

struct topics_loading {
	struct broker *broker;
	const struct saved_offsets *offsets;
	bool is_clean;
	struct err *e;
};

static int
load_topic(void *ctx, const struct metastore_entry *entry)
{
	struct topics_loading *l = ctx;
	char *name = mem_strndup((struct str){ entry->key.p + sizeof TOPICS - 1,
		entry->key.n - (int32_t)sizeof TOPICS + 1 });
	json_t *o = json_loadb((const char *)entry->value.p, (size_t)entry->value.n, 0, NULL);
	struct uuid id;
	json_int_t n = json_integer_value(json_object_get(o, "partitions"));
	bool ok = uuid_parse(&id, str_of(json_string_value(json_object_get(o, "id"))))
		&& n > 0 && n <= INT32_MAX;
	if (ok)
		add_topic(l->broker, name, &id, (int32_t)n,
			parse_configs(json_object_get(o, "configs"), name), entry->revision, l->offsets,
			l->is_clean);
	else
		err_set(l->e, ERR_CORRUPT, "metastore: the entry of topic '%s' is not understood", name);
	json_decref(o);
	mem_free(name);
	return ok ? 0 : -1;
}

/* The cluster's id, made at the first start; the epoch, one more after each
 * unclean start with topics in it. */
static int
load_cluster(struct broker *b, bool is_clean, struct err *e)
{
	struct metastore_entry entry;
	json_t *o = NULL;
	if (metastore_get(b->meta, STR("/cluster"), &entry))
		o = json_loadb((const char *)entry.value.p, (size_t)entry.value.n, 0, NULL);
	struct uuid id;
	const char *text = json_string_value(json_object_get(o, "id"));
	bool is_new = !uuid_parse(&id, str_of(text));
	b->epoch = (int32_t)json_integer_value(json_object_get(o, "epoch"));
	json_decref(o);
	if (is_new)
		rand_bytes(id.bytes, sizeof id.bytes);
	uuid_format(&id, b->cluster_id);
	if (!is_new && is_clean)
		return 0;
	b->epoch += !is_new;
	struct buf value = BUF_INIT;
	buf_printf(&value, "{\"id\":\"%s\",\"epoch\":%d}", b->cluster_id, b->epoch);
	struct metastore_op op = { STR("/cluster"), buf_str(&value), METASTORE_ANY };
	int r = metastore_txn(b->meta, &op, 1, e);
	buf_release(&value);
	return r;
}

int
catalog_load(struct broker *b, const struct saved_offsets *offsets, bool is_clean, struct err *e)
{
	struct topics_loading l = { b, offsets, is_clean, e };
	if (load_cluster(b, is_clean, e) < 0)
		return -1;
	return metastore_list(b->meta, STR(TOPICS), load_topic, &l);
}

/* ---- changes ---- */

/* Commit the topic's entry (value null: its removal). */
static int
commit(struct broker *b, struct str name, struct str value, int64_t expected,
	struct catalog_error *e)
{
	struct buf key = BUF_INIT;
	struct err why;
	buf_puts(&key, TOPICS);
	buf_put_str(&key, name);
	struct metastore_op op = { buf_str(&key), value, expected };
	int r = metastore_txn(b->meta, &op, 1, &why);
	buf_release(&key);
	if (r == 0)
		return 0;
	log_bounded(LOG_ERROR, "cannot save a change of topic %.*s: %s", STR_ARG(name), why.msg);
	return catalog_fail(e, KERR_KAFKA_STORAGE_ERROR, "%s", why.msg);
}

static struct topic *
find(struct broker *b, struct str name, struct catalog_error *e)
{
	/* Only this thread changes the table: reading it needs no lock. */
	struct topic *t = topics_find(&b->topics, name);
	if (!t)
		catalog_fail(e, KERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no topic '%.*s'",
			MIN(name.n, 100), name.p);
	return t;
}

/* '.' and '_' are one character in metric names: two topics must not differ
 * in those alone. */
static struct topic *
find_colliding(struct broker *b, struct str name)
{
	MAP_EACH(it, &b->topics.by_name) {
		bool same = it->key.n == name.n;
		for (int32_t i = 0; same && i < name.n; i++)
			same = (it->key.p[i] == '.' ? '_' : it->key.p[i])
				== (name.p[i] == '.' ? '_' : name.p[i]);
		if (same)
			return it->value;
	}
	return NULL;
}

static bool
has_dot_or_underscore(struct str name)
{
	return memchr(name.p, '.', (size_t)name.n) || memchr(name.p, '_', (size_t)name.n);
}

static int
check_room(struct broker *b, int64_t more, struct catalog_error *e)
{
	if (b->topics.npartition + more > b->partition_max)
		return catalog_fail(e, KERR_INVALID_PARTITIONS,
			"max.partitions (%lld) would be exceeded", (long long)b->partition_max);
	return 0;
}

/* Before a topic name is reused, no checkpoint may still hold offsets of the
 * deleted topic that had it. */
static int
freshen_checkpoint(struct broker *b, struct catalog_error *e)
{
	struct err why;
	if (checkpoints_drop_deleted(&b->checkpoints, &why) == 0)
		return 0;
	log_bounded(LOG_ERROR, "cannot write the checkpoints: %s", why.msg);
	return catalog_fail(e, KERR_KAFKA_STORAGE_ERROR, "%s", why.msg);
}

int
catalog_create(struct broker *b, struct str name, int32_t npartition,
	const struct config_set *overrides, bool validate_only, struct catalog_error *e)
{
	const char *fault = topic_name_fault(name);
	if (fault)
		return catalog_fail(e, KERR_INVALID_TOPIC_EXCEPTION, "%s", fault);
	if (topics_find(&b->topics, name))
		return catalog_fail(e, KERR_TOPIC_ALREADY_EXISTS, "the topic '%.*s' already exists",
			STR_ARG(name));
	struct topic *near = has_dot_or_underscore(name) ? find_colliding(b, name) : NULL;
	if (near)
		return catalog_fail(e, KERR_INVALID_TOPIC_EXCEPTION,
			"the topic '%.*s' collides with '%s': '.' and '_' are treated as the same", STR_ARG(name), near->name);
	if (npartition == -1)
		npartition = (int32_t)config_int(NULL, b->dynamic.values, CONFIG_NUM_PARTITIONS);
	if (npartition <= 0)
		return catalog_fail(e, KERR_INVALID_PARTITIONS, "a topic needs at least one partition");
	if (check_together(b, overrides, e) < 0 || check_room(b, npartition, e) < 0)
		return -1;
	if (validate_only)
		return 0;
	if (freshen_checkpoint(b, e) < 0)
		return -1;
	struct uuid id;
	do
		rand_bytes(id.bytes, sizeof id.bytes);
	while (uuid_is_zero(&id) || topics_find_id(&b->topics, &id));
	struct buf value = BUF_INIT;
	format_topic(&id, npartition, overrides, &value);
	int r = commit(b, name, buf_str(&value), 0, e);
	buf_release(&value);
	if (r < 0)
		return -1;
	char *z = mem_strndup(name);
	add_topic(b, z, &id, npartition, overrides ? config_set_copy(overrides) : NULL,
		metastore_revision(b->meta), NULL, true);
	log_line(LOG_INFO, "created topic %s with %d partition%s", z, npartition,
		units_plural(npartition));
	mem_free(z);
	topics_notify_changed(&b->topics, name);
	return 0;
}

int
catalog_delete(struct broker *b, struct str name, struct catalog_error *e)
{
	if (!config_int(NULL, b->dynamic.values, CONFIG_DELETE_TOPIC_ENABLE))
		return catalog_fail(e, KERR_TOPIC_DELETION_DISABLED, "delete.topic.enable is false");
	struct topic *t = find(b, name, e);
	if (!t || commit(b, name, STR_NULL, t->revision, e) < 0)
		return -1;
	pthread_rwlock_wrlock(&b->topics.lock);
	map_remove(&b->topics.by_name, str_of(t->name));
	map_remove(&b->topics.by_id, (struct str){ t->id.bytes, sizeof t->id.bytes });
	b->topics.npartition -= t->npartition;
	pthread_rwlock_unlock(&b->topics.lock);
	topics_notify_deleted(&b->topics, name);
	for (int32_t i = 0; i < t->npartition; i++) {
		struct partition *p = t->partition[i];
		struct err why;
		partition_mark_deleted(p);
		pthread_mutex_lock(&p->lock);
		int r = partlog_delete(&p->log, &why);
		pthread_mutex_unlock(&p->lock);
		if (r < 0)
			log_line(LOG_WARN, "cannot delete the files of %s-%d: %s", t->name, i, why.msg);
	}
	log_line(LOG_INFO, "deleted topic %s", t->name);
	topic_free(t);
	return 0;
}

int
catalog_grow(struct broker *b, struct str name, int32_t npartition, bool validate_only,
	struct catalog_error *e)
{
	struct topic *t = find(b, name, e);
	if (!t)
		return -1;
	if (npartition <= t->npartition)
		return catalog_fail(e, KERR_INVALID_PARTITIONS,
			"the topic has %d partition%s; the number can only be increased", t->npartition,
			units_plural(t->npartition));
	if (check_room(b, (int64_t)npartition - t->npartition, e) < 0)
		return -1;
	if (validate_only)
		return 0;
	struct buf value = BUF_INIT;
	format_topic(&t->id, npartition, t->overrides, &value);
	int r = commit(b, name, buf_str(&value), t->revision, e);
	buf_release(&value);
	if (r < 0)
		return -1;
	struct partition **v = make_partitions(b, t, npartition, NULL, true);
	pthread_rwlock_wrlock(&b->topics.lock);
	mem_free(t->partition);
	t->partition = v;
	b->topics.npartition += npartition - t->npartition;
	t->npartition = npartition;
	t->revision = metastore_revision(b->meta);
	pthread_rwlock_unlock(&b->topics.lock);
	topics_notify_changed(&b->topics, name);
	return 0;
}

/* Give the partitions the configuration that follows from their topic's set. */
static void
configure_partitions(struct broker *b, struct topic *t)
{
	struct topic_config *config = make_config(b, t->overrides);
	struct topic_config *old = t->config;
	pthread_rwlock_wrlock(&b->topics.lock);
	t->config = config;
	pthread_rwlock_unlock(&b->topics.lock);
	for (int32_t i = 0; i < t->npartition; i++)
		partition_set_config(t->partition[i], config);
	topic_config_put(old);
}

void
catalog_follow_defaults(struct broker *b)
{
	MAP_EACH(it, &b->topics.by_name)
		configure_partitions(b, it->value);
}

int
catalog_configure(struct broker *b, struct str name, const struct config_set *overrides,
	bool validate_only, struct catalog_error *e)
{
	struct topic *t = find(b, name, e);
	if (!t || check_together(b, overrides, e) < 0)
		return -1;
	if (validate_only)
		return 0;
	struct buf value = BUF_INIT;
	format_topic(&t->id, t->npartition, overrides, &value);
	int r = commit(b, name, buf_str(&value), t->revision, e);
	buf_release(&value);
	if (r < 0)
		return -1;
	struct config_set *set = config_set_copy(overrides);
	struct config_set *old_set = t->overrides;
	pthread_rwlock_wrlock(&b->topics.lock);
	t->overrides = set;
	t->revision = metastore_revision(b->meta);
	pthread_rwlock_unlock(&b->topics.lock);
	configure_partitions(b, t);
	config_set_free(old_set);
	return 0;
}

int
catalog_put_config(struct config_set *s, enum config_scope scope, struct str key,
	struct str value, struct catalog_error *e)
{
	const struct config_key *k = config_find(scope, key);
	struct err why;
	if (value.n < 0) {
		/* What nobody has set is unset. */
		if (k)
			config_set_put(s, config_id_of(k), NULL);
		return 0;
	}
	if (!k)
		config_unknown(scope, key, &why);
	char *plain = k ? config_parse(k, scope, value, &why) : NULL;
	if (!plain)
		return catalog_fail(e, scope == CONFIG_SCOPE_BROKER ? KERR_INVALID_REQUEST
			: KERR_INVALID_CONFIG, "%s", why.msg);
	config_set_put(s, config_id_of(k), plain);
	mem_free(plain);
	return 0;
}
