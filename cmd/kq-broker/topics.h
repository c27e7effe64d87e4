/*
 * The table of this broker's topics, by name and by id.
 *
 * Threads: any thread may read it, under its lock; only the control thread
 * changes it, and so reads it without.  A reference to a partition
 * outlives the lock.
 */
#ifndef KQ_BROKER_TOPICS_H
#define KQ_BROKER_TOPICS_H

#include "base/map.h"
#include "base/uuid.h"
#include "kq-broker/partition.h"
#include "text/config.h"
#include "wire/topic.h"

struct topic {
	char *name;
	struct uuid id;
	int32_t npartition;
	struct partition **partition;
	struct topic_config *config;
	struct config_set *overrides; /* the settings of this topic; NULL: none */
	int64_t revision;             /* of its key in the metastore */
};

/* Gets the changes of the table: on the control thread, once they are made,
 * without the lock.  Either function may be NULL. */
struct topics_listener {
	struct topics_listener *next; /* owned by the table */
	void (*changed)(struct topics_listener *listener, struct str topic); /* created or grown */
	void (*deleted)(struct topics_listener *listener, struct str topic);
};

struct topics {
	pthread_rwlock_t lock;
	struct map by_name, by_id;
	int64_t npartition; /* of all topics */
	struct topics_listener *listeners; /* set before the threads start */
};

void topics_init(struct topics *t);
void topics_release(struct topics *t);

/* A new reference to a partition, for partition_put; NULL: it does not exist.  By
 * name if name.n >= 0, else by id.  *is_topic (unless NULL): the topic exists.
 * Takes the lock. */
struct partition *topics_partition(struct topics *t, struct str name,
	const struct uuid *id, int32_t index, bool *is_topic);

/* A topic, valid while the caller holds the lock (topics_read_begin); NULL: it does
 * not exist. */
void topics_read_begin(struct topics *t);
void topics_read_end(struct topics *t);
struct topic *topics_find(struct topics *t, struct str name);
struct topic *topics_find_id(struct topics *t, const struct uuid *id);

/* All n topics sorted by name, in an array from the arena.  Under the lock. */
struct topic **topics_sorted(struct topics *t, struct arena *a, int *n);

/* Add a listener, owned by the caller; it must outlive the table's last change. */
void topics_listen(struct topics *t, struct topics_listener *listener);

/* Report a change to all listeners. */
void topics_notify_changed(struct topics *t, struct str topic);
void topics_notify_deleted(struct topics *t, struct str topic);

/* Is the name valid in Kafka: 1 to 249 of [a-zA-Z0-9._-], not "." or ".."?
 * NULL: yes; else what is wrong, without a full stop. */
const char *topic_name_fault(struct str name);

void topic_free(struct topic *t); /* not in the table (any more) */

#endif
