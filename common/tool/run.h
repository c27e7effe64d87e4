/*
 * One run of a verb against a cluster: the connection, the memory, and the result.
 *
 * A verb with several operands continues after a failure: failures are reported and
 * counted, and run_close makes the exit code from the counts.
 *
 * Uses: client/cluster, text/opt, text/say.  One thread.
 */
#ifndef KQ_TOOL_RUN_H
#define KQ_TOOL_RUN_H

#include "client/cluster.h"
#include "text/opt.h"
#include "text/say.h"

enum {
	/* Time given to the broker in requests, below the request timeout of the client. */
	RUN_TIMEOUT_MS = 25000,
};

struct run {
	struct cluster cluster;
	struct arena arena;   /* the verb's memory, until run_close */
	struct arena replies; /* decoded responses, until run_close */
	int ndone, nfailed;
	bool is_final;        /* a failure was final: a retry of the run would not help */
	bool repeats;         /* the verb retries: transient failures are rate-limited */
	struct cluster_outage refusal; /* for repeats: what was reported */
	bool is_removing;     /* set by verbs for which "does not exist" is final */
};

/* Options of the connection. */
struct run_opts {
	const char *brokers;  /* as in cluster_opts */
	int64_t wait_ms;
	int wake_fd;          /* as in cluster_opts */
};

/* Rows of an option table (text/opt.h): where and how long to connect. */
#define RUN_OPT_BROKERS(to_) \
	OPT_STRING('b', "brokers", to_, "ADDRESS,...", \
		"brokers to contact first: host:port, unix:/path, /path", .max = INT32_MAX)
#define RUN_OPT_WAIT(to_) \
	OPT_DURATION(0, "wait", to_, "TIME", 0, INT32_MAX, "keep trying to connect for this long")

/* A line for the notes of --help. */
#define RUN_NOTES "Default of -b: KQ_BROKERS, else the default socket, else 127.0.0.1:9092.\n"

/* Connect.  Returns 0; or an exit code, after reporting the failure unless wake_fd
 * interrupted it: the run must not be closed then. */
int run_open(struct run *run, const struct run_opts *o, const char *client_id);

/* Release everything and flush stdout.  Returns the exit code: 0 if nothing failed, 75
 * if everything failed and a retry may help, else 1. */
int run_close(struct run *run);

/* run_close, after a verb with an exit code of its own, which is returned unless it
 * is 0. */
int run_end(struct run *run, int code);

/* Look up a topic.  Returns NULL after run_failed. */
struct cluster_topic *run_topic(struct run *run, const char *name);

/* Report and count a failure.  It is only counted if wake_fd caused it. */
void run_failed(struct run *run, const struct err *e);

/* Report and count that the topic or group (kind) of this name does not exist.  A retry
 * may help, since it may be created, unless the run is_removing. */
void run_missing(struct run *run, const char *kind, struct str name);

/* Call the node.  Returns 0, or -1 after run_failed. */
int run_call(struct run *run, int32_t node, int16_t api_key, const void *request, void *response);

/* The same, in a version of at most upto. */
int run_call_upto(struct run *run, int32_t node, int16_t api_key, int upto, const void *request,
	void *response);

#endif
