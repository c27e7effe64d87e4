#include "kq-broker/catalog.h"

#include "kq-broker/checkpoints.h"
#include "kq-broker/dynamic.h"
#include "kq-broker/topic_entry.h"
#include "kq-broker/topics.h"

#include "meta/metastore.h"
#include "sys/rand.h"
#include "text/say.h"
#include "text/units.h"
#include "wire/kerr.h"

#include <stdarg.h>
#include <stdio.h>

int
catalog_fail(struct catalog_error *error, int16_t code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	error->code = code;
	vsnprintf(error->message, sizeof error->message, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- checks ---- */

static struct topic *
find(struct catalog *catalog, struct str name, struct catalog_error *error)
{
	struct topic *t = topics_find(catalog->topics, name);
	if (!t)
		catalog_fail(error, KERR_UNKNOWN_TOPIC_OR_PARTITION, "there is no topic '%.*s'",
			MIN(name.n, 100), name.p);
	return t;
}

static bool
has_dot_or_underscore(struct str name)
{
	return memchr(name.p, '.', (size_t)name.n) || memchr(name.p, '_', (size_t)name.n);
}

static char
metric_char(uint8_t c)
{
	return c == '.' ? '_' : (char)c;
}

/* Metric names do not tell '.' from '_': two topics must not differ in those
 * alone. */
static struct topic *
find_colliding(struct catalog *catalog, struct str name)
{
	if (!has_dot_or_underscore(name))
		return NULL;
	MAP_EACH(it, &catalog->topics->by_name) {
		bool same = it->key.n == name.n;
		for (int32_t i = 0; same && i < name.n; i++)
			same = metric_char(it->key.p[i]) == metric_char(name.p[i]);
		if (same)
			return it->value;
	}
	return NULL;
}

static int
check_name(struct catalog *catalog, struct str name, struct catalog_error *error)
{
	const char *fault = topic_name_fault(name);
	if (fault)
		return catalog_fail(error, KERR_INVALID_TOPIC_EXCEPTION, "%s", fault);
	if (topics_find(catalog->topics, name))
		return catalog_fail(error, KERR_TOPIC_ALREADY_EXISTS, "the topic '%.*s' already exists",
			STR_ARG(name));
	struct topic *near = find_colliding(catalog, name);
	if (near)
		return catalog_fail(error, KERR_INVALID_TOPIC_EXCEPTION,
			"the topic '%.*s' collides with '%s': '.' and '_' are treated as the same",
			STR_ARG(name), near->name);
	return 0;
}

/* Are the settings compatible with each other? */
static int
check_settings(struct catalog *catalog, const struct config_set *set, struct catalog_error *error)
{
	struct err why;
	if (config_check_together(set, catalog->dynamic->values, &why) < 0)
		return catalog_fail(error, KERR_INVALID_CONFIG, "%s", why.msg);
	return 0;
}

static int
check_room(struct catalog *catalog, int64_t more, struct catalog_error *error)
{
	if (catalog->topics->npartition + more > catalog->partition_max)
		return catalog_fail(error, KERR_INVALID_PARTITIONS,
			"max.partitions (%lld) would be exceeded", (long long)catalog->partition_max);
	return 0;
}

/* ---- commits ---- */

/* Commit the topic's entry; value null: its removal.  expected: the revision that
 * the checks were made at; 0: absent. */
static int
commit(struct catalog *catalog, struct str name, struct str value, int64_t expected,
	struct catalog_error *error)
{
	struct buf key = BUF_INIT;
	struct err why;
	buf_puts(&key, TOPIC_ENTRY_PREFIX);
	buf_put_str(&key, name);
	struct metastore_op op = { buf_str(&key), value, expected };
	int rc = metastore_txn(catalog->meta, &op, 1, &why);
	buf_release(&key);
	if (rc == 0)
		return 0;
	log_bounded(LOG_ERROR, "cannot save a change of topic %.*s: %s", STR_ARG(name), why.msg);
	return catalog_fail(error, KERR_KAFKA_STORAGE_ERROR, "%s", why.msg);
}

static int
commit_topic(struct catalog *catalog, struct str name, const struct uuid *id, int32_t npartition,
	const struct config_set *overrides, int64_t expected, struct catalog_error *error)
{
	struct buf value = BUF_INIT;
	topic_entry_format(id, npartition, overrides, &value);
	int rc = commit(catalog, name, buf_str(&value), expected, error);
	buf_release(&value);
	return rc;
}

/* Before a topic name is reused, no checkpoint may still hold offsets of the
 * deleted topic that had it. */
static int
drop_deleted(struct catalog *catalog, struct catalog_error *error)
{
	struct err why;
	if (checkpoints_drop_deleted(catalog->checkpoints, &why) == 0)
		return 0;
	log_bounded(LOG_ERROR, "cannot write the checkpoints: %s", why.msg);
	return catalog_fail(error, KERR_KAFKA_STORAGE_ERROR, "%s", why.msg);
}

int
catalog_create(struct catalog *catalog, struct str name, int32_t npartition,
	const struct config_set *overrides, bool validate_only, struct catalog_error *error)
{
	if (check_name(catalog, name, error) < 0)
		return -1;
	if (npartition == -1)
		npartition = (int32_t)config_int(NULL, catalog->dynamic->values, CONFIG_NUM_PARTITIONS);
	if (npartition <= 0)
		return catalog_fail(error, KERR_INVALID_PARTITIONS, "a topic needs at least one partition");
	if (check_settings(catalog, overrides, error) < 0
		|| check_room(catalog, npartition, error) < 0)
		return -1;
	if (validate_only)
		return 0;
	if (drop_deleted(catalog, error) < 0)
		return -1;
	struct uuid id;
	do
		rand_bytes(id.bytes, sizeof id.bytes);
	while (uuid_is_zero(&id) || topics_find_id(catalog->topics, &id));
	return commit_topic(catalog, name, &id, npartition, overrides, 0, error);
}

int
catalog_delete(struct catalog *catalog, struct str name, struct catalog_error *error)
{
	if (!config_int(NULL, catalog->dynamic->values, CONFIG_DELETE_TOPIC_ENABLE))
		return catalog_fail(error, KERR_TOPIC_DELETION_DISABLED, "delete.topic.enable is false");
	struct topic *t = find(catalog, name, error);
	return t ? commit(catalog, name, STR_NULL, t->revision, error) : -1;
}

int
catalog_grow(struct catalog *catalog, struct str name, int32_t npartition, bool validate_only,
	struct catalog_error *error)
{
	struct topic *t = find(catalog, name, error);
	if (!t)
		return -1;
	if (npartition <= t->npartition)
		return catalog_fail(error, KERR_INVALID_PARTITIONS,
			"the topic has %d partition%s; the number can only be increased", t->npartition,
			units_plural(t->npartition));
	if (check_room(catalog, (int64_t)npartition - t->npartition, error) < 0)
		return -1;
	if (validate_only)
		return 0;
	return commit_topic(catalog, name, &t->id, npartition, t->overrides, t->revision, error);
}

int
catalog_configure(struct catalog *catalog, struct str name, const struct config_set *overrides,
	bool validate_only, struct catalog_error *error)
{
	struct topic *t = find(catalog, name, error);
	if (!t || check_settings(catalog, overrides, error) < 0)
		return -1;
	if (validate_only)
		return 0;
	return commit_topic(catalog, name, &t->id, t->npartition, overrides, t->revision, error);
}

int
catalog_put_config(struct config_set *set, enum config_scope scope, struct str name,
	struct str value, struct catalog_error *error)
{
	const struct config_key *key = config_find(scope, name);
	struct err why;
	if (value.n < 0) {
		/* Removing an unknown key succeeds: nothing has set it. */
		if (key)
			config_set_put(set, config_id_of(key), NULL);
		return 0;
	}
	if (!key)
		config_unknown(scope, name, &why);
	char *plain = key ? config_parse(key, scope, value, &why) : NULL;
	if (!plain)
		return catalog_fail(error, scope == CONFIG_SCOPE_BROKER ? KERR_INVALID_REQUEST
			: KERR_INVALID_CONFIG, "%s", why.msg);
	config_set_put(set, config_id_of(key), plain);
	mem_free(plain);
	return 0;
}
