/*
 * What the verbs of kq-topic share: the options, and what a run says of
 * topics.
 *
 * Uses: tool/run, text.
 */
#ifndef KQ_TOPIC_TOPIC_RUN_H
#define KQ_TOPIC_TOPIC_RUN_H

#include "tool/run.h"
#include "text/json.h"
#include "text/put.h"

struct topic_setting {
	char *key;
	char *value; /* NULL: back to the default */
};

struct topic_options {
	struct run_opts run;
	bool is_json;
	int64_t npartition;    /* 0: not said */
	int64_t replicas;      /* 0: not said */
	struct topic_setting *setting; /* of -c and -d, in their order */
	int nsetting;
	bool may_exist;
	bool shows_internal;
	bool is_sure, is_dry;
	const char *at, *before;
	int64_t partition;     /* -1: all */
};
extern struct topic_options topic_options;

enum {
	/* Topics in one request. */
	RUN_TOPICS_MAX = 1000,
};

/* run_open, after a look at the names. */
int topic_run_open(struct run *run, int nname, char **names);

/* Say and count a Kafka error about a topic (partition -1: all of it), with the
 * broker's own words if it sent any. */
void topic_run_refused(struct run *run, int16_t code, struct str message, struct str topic,
	int32_t partition);

/* Take one topic's answer: count it as done, or as refused. */
void topic_run_take(struct run *run, int16_t code, struct str message, struct str topic);

/* Say that of nasked topics only nanswered were answered for. */
void topic_run_check_count(struct run *run, int nasked, int nanswered);

#endif
