/*
 * The topics of this broker, by name and by id.  Readers on any thread find
 * partitions here; only the control thread changes the table.
 */
#ifndef KQ_BROKER_TOPICS_H
#define KQ_BROKER_TOPICS_H

#include "base/map.h"
#include "base/uuid.h"
#include "kq-broker/partition.h"
#include "text/config.h"

enum { TOPIC_NAME_MAX = 249 };

struct topic {
	char *name;
	struct uuid id;
	int32_t npartition;
	struct partition **partition;
	struct topic_config *config;
	struct config_set *overrides; /* what was set for this topic; NULL: nothing */
	int64_t revision;            /* of its key in the metastore */
};

/* Changes of the table, reported on the control thread once they are made,
 * without the lock.  Either function may be NULL. */
struct topics_listener {
	struct topics_listener *next; /* the table's */
	void (*changed)(struct topics_listener *listener, struct str topic); /* created or grown */
	void (*deleted)(struct topics_listener *listener, struct str topic);
};

struct topics {
	pthread_rwlock_t lock;
	struct map by_name, by_id;
	int64_t npartition; /* in all topics */
	struct topics_listener *listeners; /* set before the threads start */
};

void topics_init(struct topics *t);
void topics_release(struct topics *t);

/* A reference to a partition, to be put back; NULL when there is none.  With
 * name.n >= 0 by name, else by id.  *is_topic (if given) tells whether the
 * topic at least exists. */
struct partition *topics_partition(struct topics *t, struct str name,
	const struct uuid *id, int32_t index, bool *is_topic);

/* For looking at a topic: hold the lock (topics_read_begin) meanwhile. */
void topics_read_begin(struct topics *t);
void topics_read_end(struct topics *t);
struct topic *topics_find(struct topics *t, struct str name);
struct topic *topics_find_id(struct topics *t, const struct uuid *id);

/* All topics sorted by name, in an array of the arena's; under the lock. */
struct topic **topics_sorted(struct topics *t, struct arena *a, int *n);

/* Have the changes of the table reported; *listener is the caller's and stays. */
void topics_listen(struct topics *t, struct topics_listener *listener);
void topics_tell_changed(struct topics *t, struct str topic);
void topics_tell_deleted(struct topics *t, struct str topic);

/* Names as Kafka has them: 1 to 249 of [a-zA-Z0-9._-], not "." or "..".
 * NULL: fine; else what is wrong, without a full stop. */
const char *topic_name_fault(struct str name);

void topic_free(struct topic *t);

#endif
