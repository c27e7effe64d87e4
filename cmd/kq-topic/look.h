/*
 * Topics as the cluster describes them: metadata first; offsets, copies and settings on
 * request.  A broker without the API leaves that part unknown; a refusal also counts as a
 * failure of the run.
 *
 * Everything is allocated in the run's arenas.
 *
 * Uses: topic_run, base/map.  One thread.
 */
#ifndef KQ_TOPIC_LOOK_H
#define KQ_TOPIC_LOOK_H

#include "base/map.h"
#include "kq-topic/topic_run.h"

struct look_ids {
	int32_t *v;
	int32_t n;
};

/* A copy of a partition in a log directory. */
struct look_copy {
	int32_t broker;
	struct str dir;
	int64_t size, lag;
	bool is_future; /* being moved into the directory */
	struct look_copy *next;
};

struct look_part {
	int32_t index, leader; /* leader -1: none */
	int16_t error;
	struct look_ids replicas, isr, offline;
	int64_t start_offset, end_offset; /* -1: unknown */
	int16_t offset_error;
	bool is_settled; /* its offsets need no further request */
	struct look_copy *copies;
};

struct look_config {
	struct str name, value;
	int8_t source; /* LOOK_... */
	bool has_no_effect; /* see effect.h */
};

/* Sources of a setting, as Kafka numbers them. */
enum {
	LOOK_TOPIC = 1, LOOK_DYNAMIC_BROKER = 2, LOOK_DYNAMIC_DEFAULT = 3,
	LOOK_STATIC_BROKER = 4, LOOK_DEFAULT = 5,
};

struct look_topic {
	struct str name;
	struct uuid id;
	bool is_internal;
	struct look_part *part; /* sorted by index */
	int32_t npart;
	struct look_config *config; /* all settings */
	int32_t nconfig;            /* -1: unknown */
};

struct look {
	struct look_topic **v;  /* in the order of the names given, or sorted by name */
	int n;
	struct map by_name;
};

/* Look up the topics of these names, or all (nname 0; internal: with the internal ones).
 * A missing topic is a failure of the run.  Returns 0, or -1 after run_failed. */
int look_topics(struct look *look, struct run *run, int nname, char **names, bool internal);
void look_release(struct look *look);

/* Get the first and the next offset of the partitions.  Retries for a short time while a
 * leader is taking over. */
void look_offsets(struct look *look, struct run *run);

/* Get the copies and their sizes. */
void look_copies(struct look *look, struct run *run);

/* Get the settings of all topics. */
void look_configs(struct look *look, struct run *run);

/* The size in bytes of the leader's copy, else of the largest; -1: unknown. */
int64_t look_size(const struct look_part *part);

#endif
