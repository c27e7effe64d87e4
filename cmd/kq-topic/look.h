/*
 * What a cluster says of its topics, gathered: metadata first, then what each
 * kind of further question adds.  A broker that does not know a question
 * leaves its part unknown; one that refuses it is a failure of the run, and
 * leaves it unknown, too.
 *
 * Everything lives in the run's arenas.
 */
#ifndef KQ_TOPIC_LOOK_H
#define KQ_TOPIC_LOOK_H

#include "base/map.h"
#include "kq-topic/topic_run.h"

struct look_ids {
	int32_t *v;
	int32_t n;
};

/* One copy of a partition in one directory. */
struct look_copy {
	int32_t broker;
	struct str dir;
	int64_t size, lag;
	bool is_future; /* being moved in */
	struct look_copy *next;
};

struct look_part {
	int32_t index, leader; /* leader -1: none */
	int16_t error;
	struct look_ids replicas, isr, offline;
	int64_t start_offset, end_offset; /* -1: unknown */
	int16_t offset_error;
	bool is_settled; /* its offsets are not to be asked again */
	struct look_copy *copies;
};

struct look_config {
	struct str name, value;
	int8_t source; /* LOOK_... */
	bool is_void;  /* it has no effect: see effect.h */
};

/* Kafka's numbers of where a setting comes from. */
enum {
	LOOK_TOPIC = 1, LOOK_DYNAMIC_BROKER = 2, LOOK_DYNAMIC_DEFAULT = 3,
	LOOK_STATIC_BROKER = 4, LOOK_DEFAULT = 5,
};

struct look_topic {
	struct str name;
	struct uuid id;
	bool is_internal;
	struct look_part *part; /* by rising index */
	int32_t npart;
	struct look_config *config; /* all of them */
	int32_t nconfig;            /* -1: unknown */
};

struct look {
	struct look_topic **v;  /* in the order asked for, or by name */
	int n;
	struct map by_name;
};

/* The topics of these names, or all (nname 0; the internal ones if asked).
 * A topic that is not there counts as a failure.  0, or -1: counted. */
int look_topics(struct look *look, struct run *run, int nname, char **names, bool internal);
void look_release(struct look *look);

/* Where the partitions begin and end.  Waits a little for those whose leader
 * is just taking them over. */
void look_offsets(struct look *look, struct run *run);

/* The copies and their sizes. */
void look_copies(struct look *look, struct run *run);

/* The settings of all topics. */
void look_configs(struct look *look, struct run *run);

/* The size of the leader's copy, else of the largest; -1: unknown. */
int64_t look_size(const struct look_part *part);

#endif
