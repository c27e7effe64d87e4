/*
 * What the verbs of kq-topic share: the options, and the errors about topics.
 *
 * Uses: tool/run, text/json, text/put.
 */
#ifndef KQ_TOPIC_TOPIC_RUN_H
#define KQ_TOPIC_TOPIC_RUN_H

#include "tool/run.h"
#include "text/json.h"
#include "text/put.h"

struct topic_setting {
	char *key;
	char *value; /* NULL: reset to the default */
};

struct topic_options {
	struct run_opts run;
	bool is_json;
	int64_t npartition;    /* 0: not given */
	int64_t replicas;      /* 0: not given */
	struct topic_setting *setting; /* from -c and -d, in their order */
	int nsetting;
	bool may_exist;
	bool shows_internal;
	bool is_sure, is_dry;
	const char *at, *before;
	int64_t partition;     /* -1: all */
};
extern struct topic_options topic_options;

enum {
	/* Topics per request. */
	RUN_TOPICS_MAX = 1000,
};

/* run_open, after a check of the names. */
int topic_run_open(struct run *run, int nname, char **names);

/* Report and count a Kafka error about a topic, or a partition if it is not -1, with the
 * broker's message if it sent one. */
void topic_run_refused(struct run *run, int16_t code, struct str message, struct str topic,
	int32_t partition);

/* Count a topic's result as done, or report it with topic_run_refused. */
void topic_run_take(struct run *run, int16_t code, struct str message, struct str topic);

/* Report a failure if the broker answered for fewer topics than were asked. */
void topic_run_check_count(struct run *run, int nasked, int nanswered);

#endif
