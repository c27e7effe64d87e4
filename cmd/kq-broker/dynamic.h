/*
 * Settings that are changed while the broker runs, kept in the metastore:
 *
 *   /configs/brokers/     {"message.max.bytes":"2000000"}   of all brokers
 *   /configs/brokers/1    likewise, of the broker with that id
 *   /configs/groups/NAME  {"consumer.session.timeout.ms":"50000"}
 *
 * For a broker the nearest value counts: its own, that of all brokers, its
 * command line and kq.yaml, the default.  Topics without a value of their own
 * follow at once.
 *
 * The control thread changes them; it reads them without the lock, others
 * with it.
 */
#ifndef KQ_BROKER_DYNAMIC_H
#define KQ_BROKER_DYNAMIC_H

#include "base/map.h"
#include "kq-broker/describe.h"
#include "text/config.h"
#include "text/say.h"

#include <pthread.h>

struct broker;
struct catalog_error;

struct dynamic {
	pthread_rwlock_t lock;
	struct config_set *own, *shared; /* of this broker, of all; never NULL */
	struct config_set *values;       /* these two over what was set at the start */
	struct map groups;               /* struct dynamic_group, by its name */
};

struct dynamic_group {
	char *name;
	int32_t name_size;
	struct config_set *set;
};

void dynamic_init(struct dynamic *d, const struct config_set *at_start);
void dynamic_release(struct dynamic *d);

/* Take what the metastore has; before the topics are loaded.  An entry, or a setting
 * in one, that is not understood is left out, which is logged. */
void dynamic_load(struct broker *b);

/* Whoever is not the control thread reads the sets between these two.  It may take
 * the lock of the topics meanwhile, but not the other way round. */
void dynamic_read_begin(struct dynamic *d);
void dynamic_read_end(struct dynamic *d);

/* What was set for the group; NULL: nothing. */
const struct config_set *dynamic_group(struct dynamic *d, struct str name);

/* Is it the id of this broker? */
bool dynamic_is_this_broker(const struct broker *b, struct str id);

/* Levels of the log in Kafka's words. */
const char *dynamic_level_name(void); /* of the one that holds */
bool dynamic_parse_level(struct str word, enum log_level *level);

/* Where the broker's value of a key comes from.  *set is the set that has it, or
 * NULL for the default. */
enum config_source dynamic_source(const struct broker *b, enum config_id id,
	const struct config_set **set);

/* Replace what is set for all brokers (is_shared) or this one alone, or for the
 * group, once that is durable.  With validate_only the set is only checked.
 * Returns 0; or -1 with *e filled and nothing changed: INVALID_REQUEST (a broker's)
 * or INVALID_CONFIG for values that do not fit together, POLICY_VIOLATION for too
 * many groups, KAFKA_STORAGE_ERROR for the metastore. */
int dynamic_configure_broker(struct broker *b, bool is_shared, const struct config_set *set,
	bool validate_only, struct catalog_error *e);
int dynamic_configure_group(struct broker *b, struct str name, const struct config_set *set,
	bool validate_only, struct catalog_error *e);

#endif
