#include "kq-broker/dynamic.h"

#include "kq-broker/catalog.h"

#include "meta/metastore.h"
#include "sys/rand.h"
#include "text/json.h"
#include "wire/kerr.h"

#include <stdio.h>

#define BROKERS "/configs/brokers/"
#define GROUPS "/configs/groups/"

/* ---- the sets ---- */

static struct config_set *
merge(const struct config_set *at_start, const struct config_set *shared,
	const struct config_set *own)
{
	struct config_set *set = config_set_copy(at_start);
	for (int i = 0; i < CONFIG_N; i++) {
		const char *value = own && own->value[i] ? own->value[i]
			: shared ? shared->value[i] : NULL;
		if (value)
			config_set_put(set, (enum config_id)i, value);
	}
	return set;
}

void
dynamic_init(struct dynamic *dynamic, const struct config_set *at_start,
	void (*changed)(struct dynamic *dynamic))
{
	*dynamic = (struct dynamic){ .at_start = at_start, .changed = changed, .groups = MAP_INIT };
	snprintf(dynamic->id, sizeof dynamic->id, "%d",
		(int)config_int(NULL, at_start, CONFIG_NODE_ID));
	pthread_rwlock_init(&dynamic->lock, NULL);
	rand_bytes(&dynamic->groups.seed, sizeof dynamic->groups.seed);
	dynamic->own = config_set_copy(NULL);
	dynamic->shared = config_set_copy(NULL);
	dynamic->values = config_set_copy(at_start);
}

static void
group_free(struct dynamic_group *group)
{
	if (!group)
		return;
	config_set_free(group->set);
	mem_free(group->name);
	mem_free(group);
}

void
dynamic_release(struct dynamic *dynamic)
{
	config_set_free(dynamic->own);
	config_set_free(dynamic->shared);
	config_set_free(dynamic->values);
	MAP_EACH(it, &dynamic->groups)
		group_free(it->value);
	map_release(&dynamic->groups);
	pthread_rwlock_destroy(&dynamic->lock);
}

void
dynamic_read_begin(struct dynamic *dynamic)
{
	pthread_rwlock_rdlock(&dynamic->lock);
}

void
dynamic_read_end(struct dynamic *dynamic)
{
	pthread_rwlock_unlock(&dynamic->lock);
}

const struct config_set *
dynamic_group(struct dynamic *dynamic, struct str name)
{
	struct dynamic_group *group = map_get(&dynamic->groups, name);
	return group ? group->set : NULL;
}

enum config_source
dynamic_source(const struct dynamic *dynamic, enum config_id id, const struct config_set **set)
{
	*set = dynamic->own->value[id] ? dynamic->own
		: dynamic->shared->value[id] ? dynamic->shared
		: dynamic->at_start->value[id] ? dynamic->at_start : NULL;
	return *set == NULL ? SOURCE_DEFAULT
		: *set == dynamic->own ? SOURCE_DYNAMIC_BROKER
		: *set == dynamic->shared ? SOURCE_DYNAMIC_ALL_BROKERS : SOURCE_STATIC_BROKER;
}

bool
dynamic_is_this_broker(const struct dynamic *dynamic, struct str id)
{
	return str_eq(id, str_of(dynamic->id));
}

static const char *const level_name[] = { [LOG_ERROR] = "ERROR", [LOG_WARN] = "WARN",
	[LOG_INFO] = "INFO", [LOG_DEBUG] = "DEBUG" };

const char *
dynamic_level_name(void)
{
	return level_name[log_get_level()];
}

bool
dynamic_parse_level(struct str word, enum log_level *level)
{
	for (size_t i = 0; i < ARRAY_LEN(level_name); i++)
		if (str_eq(word, str_of(level_name[i]))) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

/* Replace the group's set; NULL: it has none any more.  Takes over the set. */
static void
put_group(struct dynamic *dynamic, struct str name, struct config_set *set)
{
	struct dynamic_group *group = NULL;
	if (set) {
		group = NEW(struct dynamic_group);
		group->name = mem_strndup(name);
		group->name_size = name.n;
		group->set = set;
	}
	pthread_rwlock_wrlock(&dynamic->lock);
	struct dynamic_group *old = map_remove(&dynamic->groups, name);
	if (group)
		map_put(&dynamic->groups, (struct str){ (uint8_t *)group->name, group->name_size }, group);
	pthread_rwlock_unlock(&dynamic->lock);
	group_free(old);
}

/* ---- in the metastore ---- */

static bool
is_empty(const struct config_set *set)
{
	for (int i = 0; i < CONFIG_N; i++)
		if (set->value[i])
			return false;
	return true;
}

/* Commit the set as the entry of a broker or group; an empty set removes it. */
static int
commit(struct dynamic *dynamic, const char *prefix, struct str name, enum config_scope scope,
	const struct config_set *set, struct catalog_error *error)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct err why;
	buf_puts(&key, prefix);
	buf_put_str(&key, name);
	json_t *object = json_object();
	for (int i = 0; i < CONFIG_N; i++)
		if (set->value[i])
			json_object_set_new(object, config_name(&config_table[i], scope),
				json_string(set->value[i]));
	json_put(object, &value);
	json_decref(object);
	struct metastore_op op = { buf_str(&key), is_empty(set) ? STR_NULL : buf_str(&value),
		METASTORE_ANY };
	int rc = metastore_txn(dynamic->meta, &op, 1, &why);
	buf_release(&key);
	buf_release(&value);
	if (rc == 0)
		return 0;
	log_line(LOG_ERROR, "cannot save a change of settings: %s", why.msg);
	return catalog_fail(error, KERR_KAFKA_STORAGE_ERROR, "%s", why.msg);
}

/* The settings in an entry.  One that is unknown or no longer allowed is left
 * out, and logged. */
static struct config_set *
parse(const struct metastore_entry *entry, enum config_scope scope)
{
	struct config_set *set = config_set_copy(NULL);
	json_t *object = json_loadb((const char *)entry->value.p, (size_t)entry->value.n, 0, NULL);
	const char *name;
	json_t *value;
	if (!json_is_object(object))
		log_line(LOG_WARN, "metastore: ignoring the entry %.*s, which this version does not know",
			MIN(entry->key.n, 100), (const char *)entry->key.p);
	json_object_foreach(object, name, value) {
		const struct config_key *key = config_find(scope, str_of(name));
		const char *text = json_string_value(value);
		struct err e;
		char *plain = key && text ? config_parse(key, scope, str_of(text), &e) : NULL;
		if (plain)
			config_set_put(set, config_id_of(key), plain);
		else
			log_line(LOG_WARN, "ignoring the setting '%s', made at run time, which this version "
				"does not know", name);
		if (plain && key->effect == CONFIG_EFFECT_NO)
			log_line(LOG_WARN, "the setting %s has no effect yet", name);
		mem_free(plain);
	}
	json_decref(object);
	return set;
}

static int
load_group(void *ctx, const struct metastore_entry *entry)
{
	struct dynamic *dynamic = ctx;
	int32_t prefix = sizeof GROUPS - 1;
	struct str name = { entry->key.p + prefix, entry->key.n - prefix };
	put_group(dynamic, name, parse(entry, CONFIG_SCOPE_GROUP));
	return 0;
}

/* Read the entry of the brokers with this id into *set, if there is one. */
static void
load_broker(struct dynamic *dynamic, const char *id, struct config_set **set)
{
	struct metastore_entry entry;
	struct buf key = BUF_INIT;
	buf_printf(&key, BROKERS "%s", id);
	if (metastore_get(dynamic->meta, buf_str(&key), &entry)) {
		config_set_free(*set);
		*set = parse(&entry, CONFIG_SCOPE_BROKER);
	}
	buf_release(&key);
}

void
dynamic_load(struct dynamic *dynamic, struct metastore *meta)
{
	dynamic->meta = meta;
	load_broker(dynamic, "", &dynamic->shared);
	load_broker(dynamic, dynamic->id, &dynamic->own);
	config_set_free(dynamic->values);
	dynamic->values = merge(dynamic->at_start, dynamic->shared, dynamic->own);
	dynamic->changed(dynamic);
	metastore_list(dynamic->meta, STR(GROUPS), load_group, dynamic);
}

/* ---- changes ---- */

int
dynamic_configure_broker(struct dynamic *dynamic, bool is_shared, const struct config_set *set,
	bool validate_only, struct catalog_error *error)
{
	struct config_set *values = merge(dynamic->at_start, is_shared ? set : dynamic->shared,
		is_shared ? dynamic->own : set);
	struct err why;
	int rc = config_check_together(NULL, values, &why) < 0
		? catalog_fail(error, KERR_INVALID_REQUEST, "%s", why.msg) : 0;
	if (rc == 0 && !validate_only)
		rc = commit(dynamic, BROKERS, is_shared ? STR("") : str_of(dynamic->id),
			CONFIG_SCOPE_BROKER, set, error);
	if (rc < 0 || validate_only) {
		config_set_free(values);
		return rc;
	}
	struct config_set **place = is_shared ? &dynamic->shared : &dynamic->own;
	struct config_set *old = *place, *old_values = dynamic->values;
	struct config_set *copy = config_set_copy(set);
	pthread_rwlock_wrlock(&dynamic->lock);
	*place = copy;
	dynamic->values = values;
	pthread_rwlock_unlock(&dynamic->lock);
	config_set_free(old);
	config_set_free(old_values);
	dynamic->changed(dynamic);
	log_line(LOG_INFO, "changed the settings of %s", is_shared ? "all brokers" : "this broker");
	return 0;
}

static int
check_range(struct dynamic *dynamic, const struct config_set *set, enum config_id id,
	enum config_id min_id, enum config_id max_id, struct catalog_error *error)
{
	int64_t min = config_int(NULL, dynamic->values, min_id);
	int64_t max = config_int(NULL, dynamic->values, max_id);
	int64_t n = config_int(set, dynamic->values, id);
	if (!set->value[id] || (n >= min && n <= max))
		return 0;
	return catalog_fail(error, KERR_INVALID_CONFIG,
		"%s must be in the range %lld to %lld inclusive", config_table[id].name,
		(long long)min, (long long)max);
}

static int
check_group(struct dynamic *dynamic, struct str name, const struct config_set *set,
	struct catalog_error *error)
{
	if (check_range(dynamic, set, CONFIG_CONSUMER_SESSION_TIMEOUT_MS,
		CONFIG_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS,
		CONFIG_GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS, error) < 0
		|| check_range(dynamic, set, CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS,
		CONFIG_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS,
		CONFIG_GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS, error) < 0)
		return -1;
	struct err why;
	if (config_check_together(set, dynamic->values, &why) < 0)
		return catalog_fail(error, KERR_INVALID_CONFIG, "%s", why.msg);
	if (!is_empty(set) && !dynamic_group(dynamic, name)
		&& (int64_t)dynamic->groups.n >= config_int(NULL, dynamic->values, CONFIG_MAX_GROUPS))
		return catalog_fail(error, KERR_POLICY_VIOLATION,
			"the groups that have settings would exceed max.groups");
	return 0;
}

int
dynamic_configure_group(struct dynamic *dynamic, struct str name, const struct config_set *set,
	bool validate_only, struct catalog_error *error)
{
	if (check_group(dynamic, name, set, error) < 0)
		return -1;
	if (validate_only)
		return 0;
	if (commit(dynamic, GROUPS, name, CONFIG_SCOPE_GROUP, set, error) < 0)
		return -1;
	put_group(dynamic, name, is_empty(set) ? NULL : config_set_copy(set));
	log_line(LOG_INFO, "changed the settings of group %.*s", MIN(name.n, 100),
		(const char *)name.p);
	return 0;
}
