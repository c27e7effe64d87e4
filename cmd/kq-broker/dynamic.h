/*
 * Settings that are changed while the broker runs, kept in the metastore:
 *
 *   /configs/brokers/     {"message.max.bytes":"2000000"}   of all brokers
 *   /configs/brokers/1    the same, of the broker with that id
 *   /configs/groups/NAME  {"consumer.session.timeout.ms":"50000"}
 *
 * A broker's value of a key is the first of: its own, that of all brokers, that
 * of its command line or kq.yaml, the default.
 *
 * Threads: the control thread changes the settings, and reads them without the
 * lock; other threads read them under it.
 */
#ifndef KQ_BROKER_DYNAMIC_H
#define KQ_BROKER_DYNAMIC_H

#include "base/map.h"
#include "kq-broker/config_resource.h"
#include "text/config.h"
#include "text/say.h"

#include <pthread.h>

struct catalog_error;
struct metastore;

struct dynamic {
	const struct config_set *at_start; /* command line and kq.yaml; borrowed */
	char id[12];                       /* this broker's */
	struct metastore *meta;            /* borrowed */
	void (*changed)(struct dynamic *dynamic);
	pthread_rwlock_t lock;
	/* Under the lock: */
	struct config_set *own, *shared; /* of this broker, of all; never NULL */
	struct config_set *values;       /* at_start with these two on top */
	struct map groups;               /* struct dynamic_group, by its name */
};

struct dynamic_group {
	char *name;
	int32_t name_size;
	struct config_set *set;
};

/* changed is called on the control thread, without the lock, once values were
 * loaded or replaced. */
void dynamic_init(struct dynamic *dynamic, const struct config_set *at_start,
	void (*changed)(struct dynamic *dynamic));
void dynamic_release(struct dynamic *dynamic);

/* Read the settings of the metastore; at the start, before the topics are loaded.
 * Entries and settings that are not understood are left out, and logged. */
void dynamic_load(struct dynamic *dynamic, struct metastore *meta);

/* Any thread but the control thread reads the sets between these two.  It may take
 * the lock of the topics inside, but not the other way round. */
void dynamic_read_begin(struct dynamic *dynamic);
void dynamic_read_end(struct dynamic *dynamic);

/* The group's settings; NULL: none. */
const struct config_set *dynamic_group(struct dynamic *dynamic, struct str name);

/* Is it the id of this broker? */
bool dynamic_is_this_broker(const struct dynamic *dynamic, struct str id);

/* Log levels by Kafka's names. */
const char *dynamic_level_name(void); /* of the current one */
bool dynamic_parse_level(struct str word, enum log_level *level);

/* The source of the broker's value of a key.  *set is the set that has it; NULL:
 * it is the default. */
enum config_source dynamic_source(const struct dynamic *dynamic, enum config_id id,
	const struct config_set **set);

/* Replace the settings of all brokers (is_shared), of this one, or of the group,
 * once the new ones are durable.  With validate_only the set is only checked.
 * Returns 0; or -1 with *error filled and nothing changed: INVALID_REQUEST (a
 * broker's) or INVALID_CONFIG for values that are not compatible, POLICY_VIOLATION
 * for too many groups, KAFKA_STORAGE_ERROR if the metastore failed. */
int dynamic_configure_broker(struct dynamic *dynamic, bool is_shared, const struct config_set *set,
	bool validate_only, struct catalog_error *error);
int dynamic_configure_group(struct dynamic *dynamic, struct str name, const struct config_set *set,
	bool validate_only, struct catalog_error *error);

#endif
