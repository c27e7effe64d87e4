/*
 * What the verbs of kq-topic share: the options, and one run of one verb
 * against a cluster.
 *
 * A verb that is given several topics goes on after a failure: it says it,
 * counts it, and run_close makes the exit code of the counts.
 *
 * Uses: client/cluster, text.
 */
#ifndef KQ_TOPIC_RUN_H
#define KQ_TOPIC_RUN_H

#include "client/cluster.h"
#include "text/json.h"
#include "text/say.h"

struct setting {
	const char *key;
	const char *value; /* NULL: back to the default */
};

struct options {
	const char *brokers;
	bool is_json;
	int64_t npartition;    /* 0: not said */
	int64_t replicas;      /* 0: not said */
	struct setting *setting; /* of -c and -d, in their order */
	int nsetting;
	bool may_exist;
	bool shows_internal;
	bool is_sure;
	const char *at, *before;
	int64_t partition;     /* -1: all */
};
extern struct options options;

enum {
	/* How long the broker may take, less than what a request may take. */
	RUN_TIMEOUT_MS = 25000,
	/* Topics in one request. */
	RUN_TOPICS_MAX = 1000,
};

struct run {
	struct cluster cluster;
	struct arena arena;   /* ours, until the end */
	struct arena replies; /* what came in, until the end */
	int ndone, nfailed;
	bool is_final;        /* a failure that trying again does not mend */
};

/* Connect, after a look at the names.  0; or an exit code, after saying why:
 * the run is then not to be closed. */
int run_open(struct run *r, int nname, char **names);

/* Let go of everything and flush stdout.  0 when nothing failed, 75 when all
 * there was failed and may work later, else 1. */
int run_close(struct run *r);

/* Say and count a failure. */
void run_failed(struct run *r, const struct err *e);

/* The same of a Kafka error about a topic (partition -1: all of it), with the
 * broker's own words if it sent any. */
void run_refused(struct run *r, int16_t code, struct str message, struct str topic,
	int32_t partition);

/* Take one topic's answer: count it as done, or as refused. */
void run_take(struct run *r, int16_t code, struct str message, struct str topic);

/* Say that of nasked topics only nanswered were answered for. */
void run_check_count(struct run *r, int nasked, int nanswered);

/* The version in which the broker would be asked; -1: it does not know. */
int run_version(struct run *r, int16_t api_key);

/* Call, and count a failure of the call itself.  Returns 0 or -1. */
int run_call(struct run *r, int32_t node, int16_t api_key, const void *request, void *response);

/* --- printing --- */

/* The bytes to stdout; what could steer a terminal is escaped. */
void put_text(struct str s);

/* A string for JSON; what is no UTF-8 is escaped. */
json_t *json_text(struct str s);

/* A number for JSON; null when it is negative: not known. */
json_t *json_known(int64_t n);

#endif
