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
dynamic_init(struct dynamic *d, const struct config_set *at_start,
	void (*changed)(struct dynamic *d))
{
	*d = (struct dynamic){ .at_start = at_start, .changed = changed, .groups = MAP_INIT };
	snprintf(d->id, sizeof d->id, "%d", (int)config_int(NULL, at_start, CONFIG_NODE_ID));
	pthread_rwlock_init(&d->lock, NULL);
	rand_bytes(&d->groups.seed, sizeof d->groups.seed);
	d->own = config_set_copy(NULL);
	d->shared = config_set_copy(NULL);
	d->values = config_set_copy(at_start);
}

static void
group_free(struct dynamic_group *g)
{
	if (!g)
		return;
	config_set_free(g->set);
	mem_free(g->name);
	mem_free(g);
}

void
dynamic_release(struct dynamic *d)
{
	config_set_free(d->own);
	config_set_free(d->shared);
	config_set_free(d->values);
	MAP_EACH(it, &d->groups)
		group_free(it->value);
	map_release(&d->groups);
	pthread_rwlock_destroy(&d->lock);
}

void
dynamic_read_begin(struct dynamic *d)
{
	pthread_rwlock_rdlock(&d->lock);
}

void
dynamic_read_end(struct dynamic *d)
{
	pthread_rwlock_unlock(&d->lock);
}

const struct config_set *
dynamic_group(struct dynamic *d, struct str name)
{
	struct dynamic_group *g = map_get(&d->groups, name);
	return g ? g->set : NULL;
}

enum config_source
dynamic_source(const struct dynamic *d, enum config_id id, const struct config_set **set)
{
	*set = d->own->value[id] ? d->own
		: d->shared->value[id] ? d->shared
		: d->at_start->value[id] ? d->at_start : NULL;
	return *set == NULL ? SOURCE_DEFAULT
		: *set == d->own ? SOURCE_DYNAMIC_BROKER
		: *set == d->shared ? SOURCE_DYNAMIC_ALL_BROKERS : SOURCE_STATIC_BROKER;
}

bool
dynamic_is_this_broker(const struct dynamic *d, struct str id)
{
	return str_eq(id, str_of(d->id));
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

/* Put the group's set in place of the one it has; NULL: it has none. */
static void
put_group(struct dynamic *d, struct str name, struct config_set *set)
{
	struct dynamic_group *g = NULL;
	if (set) {
		g = NEW(struct dynamic_group);
		g->name = mem_strndup(name);
		g->name_size = name.n;
		g->set = set;
	}
	pthread_rwlock_wrlock(&d->lock);
	struct dynamic_group *old = map_remove(&d->groups, name);
	if (g)
		map_put(&d->groups, (struct str){ (uint8_t *)g->name, g->name_size }, g);
	pthread_rwlock_unlock(&d->lock);
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

/* Commit what is set; an empty set has no entry. */
static int
commit(struct dynamic *d, const char *prefix, struct str name, enum config_scope scope,
	const struct config_set *set, struct catalog_error *e)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct err why;
	buf_puts(&key, prefix);
	buf_put_str(&key, name);
	json_t *o = json_object();
	for (int i = 0; i < CONFIG_N; i++)
		if (set->value[i])
			json_object_set_new(o, config_name(&config_table[i], scope),
				json_string(set->value[i]));
	json_put(o, &value);
	json_decref(o);
	struct metastore_op op = { buf_str(&key), is_empty(set) ? STR_NULL : buf_str(&value),
		METASTORE_ANY };
	int r = metastore_txn(d->meta, &op, 1, &why);
	buf_release(&key);
	buf_release(&value);
	if (r == 0)
		return 0;
	log_line(LOG_ERROR, "cannot save a change of settings: %s", why.msg);
	return catalog_fail(e, KERR_KAFKA_STORAGE_ERROR, "%s", why.msg);
}

/* What an entry says.  A setting that is not known, or not allowed, any more
 * is left out. */
static struct config_set *
parse(const struct metastore_entry *entry, enum config_scope scope)
{
	struct config_set *set = config_set_copy(NULL);
	json_t *o = json_loadb((const char *)entry->value.p, (size_t)entry->value.n, 0, NULL);
	const char *name;
	json_t *value;
	if (!json_is_object(o))
		log_line(LOG_WARN, "metastore: ignoring the entry %.*s, which this version does not know",
			MIN(entry->key.n, 100), (const char *)entry->key.p);
	json_object_foreach(o, name, value) {
		const struct config_key *k = config_find(scope, str_of(name));
		const char *text = json_string_value(value);
		struct err e;
		char *plain = k && text ? config_parse(k, scope, str_of(text), &e) : NULL;
		if (plain)
			config_set_put(set, config_id_of(k), plain);
		else
			log_line(LOG_WARN, "ignoring the setting '%s', made at run time, which this version "
				"does not know", name);
		if (plain && k->effect == CONFIG_EFFECT_NO)
			log_line(LOG_WARN, "the setting %s has no effect yet", name);
		mem_free(plain);
	}
	json_decref(o);
	return set;
}

static int
load_group(void *ctx, const struct metastore_entry *entry)
{
	struct dynamic *d = ctx;
	int32_t prefix = sizeof GROUPS - 1;
	struct str name = { entry->key.p + prefix, entry->key.n - prefix };
	put_group(d, name, parse(entry, CONFIG_SCOPE_GROUP));
	return 0;
}

/* The broker's entry, or an empty set. */
static void
load_broker(struct dynamic *d, const char *id, struct config_set **set)
{
	struct metastore_entry entry;
	struct buf key = BUF_INIT;
	buf_printf(&key, BROKERS "%s", id);
	if (metastore_get(d->meta, buf_str(&key), &entry)) {
		config_set_free(*set);
		*set = parse(&entry, CONFIG_SCOPE_BROKER);
	}
	buf_release(&key);
}

void
dynamic_load(struct dynamic *d, struct metastore *meta)
{
	d->meta = meta;
	load_broker(d, "", &d->shared);
	load_broker(d, d->id, &d->own);
	config_set_free(d->values);
	d->values = merge(d->at_start, d->shared, d->own);
	d->changed(d);
	metastore_list(d->meta, STR(GROUPS), load_group, d);
}

/* ---- changes ---- */

int
dynamic_configure_broker(struct dynamic *d, bool is_shared, const struct config_set *set,
	bool validate_only, struct catalog_error *e)
{
	struct config_set *values = merge(d->at_start, is_shared ? set : d->shared,
		is_shared ? d->own : set);
	struct err why;
	int r = config_check_together(NULL, values, &why) < 0
		? catalog_fail(e, KERR_INVALID_REQUEST, "%s", why.msg) : 0;
	if (r == 0 && !validate_only)
		r = commit(d, BROKERS, is_shared ? STR("") : str_of(d->id), CONFIG_SCOPE_BROKER, set, e);
	if (r < 0 || validate_only) {
		config_set_free(values);
		return r;
	}
	struct config_set **place = is_shared ? &d->shared : &d->own;
	struct config_set *old = *place, *old_values = d->values;
	struct config_set *copy = config_set_copy(set);
	pthread_rwlock_wrlock(&d->lock);
	*place = copy;
	d->values = values;
	pthread_rwlock_unlock(&d->lock);
	config_set_free(old);
	config_set_free(old_values);
	d->changed(d);
	log_line(LOG_INFO, "changed the settings of %s", is_shared ? "all brokers" : "this broker");
	return 0;
}

static int
check_range(struct dynamic *d, const struct config_set *set, enum config_id id,
	enum config_id min_id, enum config_id max_id, struct catalog_error *e)
{
	int64_t min = config_int(NULL, d->values, min_id);
	int64_t max = config_int(NULL, d->values, max_id);
	int64_t n = config_int(set, d->values, id);
	if (!set->value[id] || (n >= min && n <= max))
		return 0;
	return catalog_fail(e, KERR_INVALID_CONFIG, "%s must be in the range %lld to %lld inclusive",
		config_table[id].name, (long long)min, (long long)max);
}

static int
check_group(struct dynamic *d, struct str name, const struct config_set *set,
	struct catalog_error *e)
{
	if (check_range(d, set, CONFIG_CONSUMER_SESSION_TIMEOUT_MS,
		CONFIG_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS,
		CONFIG_GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS, e) < 0
		|| check_range(d, set, CONFIG_CONSUMER_HEARTBEAT_INTERVAL_MS,
		CONFIG_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS,
		CONFIG_GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS, e) < 0)
		return -1;
	struct err why;
	if (config_check_together(set, d->values, &why) < 0)
		return catalog_fail(e, KERR_INVALID_CONFIG, "%s", why.msg);
	if (!is_empty(set) && !dynamic_group(d, name)
		&& (int64_t)d->groups.n >= config_int(NULL, d->values, CONFIG_MAX_GROUPS))
		return catalog_fail(e, KERR_POLICY_VIOLATION,
			"the groups that have settings would exceed max.groups");
	return 0;
}

int
dynamic_configure_group(struct dynamic *d, struct str name, const struct config_set *set,
	bool validate_only, struct catalog_error *e)
{
	if (check_group(d, name, set, e) < 0)
		return -1;
	if (validate_only)
		return 0;
	if (commit(d, GROUPS, name, CONFIG_SCOPE_GROUP, set, e) < 0)
		return -1;
	put_group(d, name, is_empty(set) ? NULL : config_set_copy(set));
	log_line(LOG_INFO, "changed the settings of group %.*s", MIN(name.n, 100),
		(const char *)name.p);
	return 0;
}
