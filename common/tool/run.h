/*
 * One run of one verb of a program against a cluster: the connection, what
 * lives until the end, and what came of it.
 *
 * A verb that is given several things goes on after a failure: it says it,
 * counts it, and run_close makes the exit code of the counts.
 *
 * Uses: cluster, text.  One thread.
 */
#ifndef KQ_TOOL_RUN_H
#define KQ_TOOL_RUN_H

#include "client/cluster.h"
#include "text/say.h"

enum {
	/* How long the broker may take, less than what a request may take. */
	RUN_TIMEOUT_MS = 25000,
};

struct run {
	struct cluster cluster;
	struct arena arena;   /* ours, until the end */
	struct arena replies; /* what came in, until the end */
	int ndone, nfailed;
	bool is_final;        /* a failure that trying again does not mend */
	bool repeats;         /* the verb tries again: what may pass is not said each time */
	struct cluster_outage refusal;
	bool is_removing;     /* set by verbs for which "not there" is final */
};

/* What the command line says of how to connect. */
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

/* Connect.  0; or an exit code, after saying
 * why, unless it was woken: the run is then not to be closed. */
int run_open(struct run *run, const struct run_opts *o, const char *client_id);

/* Let go of everything and flush stdout.  0 when nothing failed, 75 when all
 * there was failed and may work later, else 1. */
int run_close(struct run *run);

/* Say and count a failure; it is not said when it comes of being woken. */
void run_failed(struct run *run, const struct err *e);

/* Reports and counts that the topic or group (kind) of this name does not exist: a
 * failure that may pass, since it may be created yet, unless the run removes it. */
void run_missing(struct run *run, const char *kind, struct str name);

/* The version in which the broker would be asked; -1: it does not know. */
int run_version(struct run *run, int16_t api_key);

/* Call, and count a failure of the call itself.  Returns 0 or -1. */
int run_call(struct run *run, int32_t node, int16_t api_key, const void *request, void *response);

/* The same in a version of at most upto. */
int run_call_upto(struct run *run, int32_t node, int16_t api_key, int upto, const void *request,
	void *response);

#endif
