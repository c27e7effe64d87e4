/*
 * A Kafka cluster as a client sees it: where to begin, which nodes there are,
 * who leads which partition, and one connection to each node in use.
 *
 *	struct cluster cl;
 *	if (cluster_open(&cl, &(struct cluster_opts){ .client_id = "kq-topic" }, &e) < 0)
 *		...
 *	struct create_topics_request q;
 *	wire_defaults(wire_api_find(API_CREATE_TOPICS)->request, &q);
 *	... fill q ...
 *	struct create_topics_response r;
 *	struct arena a = ARENA_INIT;
 *	if (cluster_call(&cl, CLUSTER_CONTROLLER, 19, &q, &r, &a, &e) < 0)
 *		...
 *	cluster_close(&cl);
 *
 * Where to begin: the addresses of opts.brokers, else of KQ_BROKERS
 * (comma-separated), else the default Unix socket if it is there, else
 * 127.0.0.1:9092.  Came we in through a Unix socket, and the cluster has one
 * node, then that node is always reached through the socket, whatever it
 * advertises; of several nodes each is reached at its advertised address, and
 * through the socket when that fails.
 *
 * Uses: conn.  One thread.
 */
#ifndef KQ_CLIENT_CLUSTER_H
#define KQ_CLIENT_CLUSTER_H

#include "client/conn.h"

enum {
	CLUSTER_ANY = -1,        /* any node */
	CLUSTER_CONTROLLER = -2, /* the one Metadata names; any if it names none */
};

struct cluster_opts {
	const char *brokers;     /* NULL: by the rule above */
	const char *client_id;   /* NULL: "kq" */
	int connect_timeout_ms;  /* 0: 10 s */
	int request_timeout_ms;  /* 0: 30 s */
	int topic_timeout_ms;    /* to wait for a topic's leaders; 0: 10 s */
	int metadata_max_age_ms; /* then it is asked for again; 0: 5 min */
	size_t reply_max;        /* 0: CONN_REPLY_MAX */
	int wait_ms;             /* cluster_open tries for this long; 0: once */
	int wake_fd;             /* see cluster_wait; 0: none */
	/* What a person should know while the owner waits: a broker that cannot be
	 * reached, and that it can be again.  NULL: nothing is said. */
	void (*say)(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
	bool is_quiet;           /* another cluster of this process reports lost brokers */
	int retry_timeout_ms;    /* how long the owner repeats what fails, to be said; 0 */
};

/* Something that fails again and again, and what was said of it. */
struct cluster_outage {
	int64_t since_ms;        /* the first failure; 0: all is well */
	bool is_said;
};

struct cluster_node {
	int32_t id;
	char *host;
	int32_t port;
	bool is_gone;            /* absent from the last metadata */
	struct conn *conn;       /* may be the cluster's first one; or NULL */
	struct conn *second;     /* see cluster_conn_second; or NULL */
	int backoff_ms;          /* of reconnecting */
	int64_t retry_at_ms;
	struct cluster_outage outage;
	bool is_late;            /* it owes an answer; that was said */
	struct err err;          /* why the last attempt failed */
};

struct cluster_part {
	int32_t leader;          /* node id; -1: none */
	int32_t leader_epoch;
	int16_t error;
};

struct cluster_topic {
	char *name;
	struct uuid id;          /* zero: the broker has none */
	struct uuid old_id;      /* of the topic that was deleted before; zero */
	int generation;          /* how often it was deleted and created again */
	int64_t gone_since_ms;   /* it was there, and is not any more; 0 */
	bool was_gone;           /* and is there again: without ids it may be a new one */
	int16_t error;
	struct cluster_part *part;
	int32_t npart;           /* becomes less only with a new generation */
	int32_t part_cap;
	int32_t npart_first;     /* when it was first seen */
};

struct cluster {
	struct cluster_opts opts;
	struct conn_opts conn_opts;
	struct net_addr *boot;   /* the bootstrap list */
	int nboot;
	struct conn *first;      /* the connection that answered; or NULL */
	struct cluster_node **node;
	int nnode;
	struct cluster_topic **topic;
	int ntopic;
	char *cluster_id;        /* or NULL */
	int32_t controller;      /* node id; -1: unknown */
	bool has_metadata;
	bool is_incomplete;             /* something is missing in it that may be there soon */
	struct cluster_outage outage; /* of all brokers, at the start */
	int64_t refreshed_ms;    /* when all topics were last asked about */
	int64_t refresh_at_ms;   /* after an attempt that failed: not before */
	int wake_fd;             /* readable: stop waiting; -1: none */
	bool is_woken;           /* cluster_wait saw it readable */
	struct pollfd *poll;     /* scratch */
	int poll_cap;
};

/* Reach one of the bootstrap addresses.  Returns 0, or -1 with the last
 * failure (ERR_RETRY when it may work later); nothing is to be closed then. */
int cluster_open(struct cluster *cl, const struct cluster_opts *o, struct err *e);

/* Calls under way are done with an error first. */
void cluster_close(struct cluster *cl);

/* Close all connections, as if they had failed: calls under way are done with an
 * error, and later ones connect again. */
void cluster_disconnect(struct cluster *cl);

/* Send one request and wait for the answer; other connections are served
 * meanwhile.  node is an id, CLUSTER_ANY or CLUSTER_CONTROLLER; api_key one of
 * share/proto; the highest version both sides know is used.  *resp is decoded
 * into the arena (which also holds the bytes its slices point to).  Kafka's
 * error codes inside the answer are the caller's business.  Returns the
 * version that was used, or -1. */
int cluster_call(struct cluster *cl, int32_t node, int16_t api_key,
	const void *req, void *resp, struct arena *a, struct err *e);

/* The same with a version of at most upto, and a time-out. */
int cluster_call_upto(struct cluster *cl, int32_t node, int16_t api_key,
	int upto, int timeout_ms, const void *req, void *resp, struct arena *a,
	struct err *e);

/* Fill *e from a Kafka error code: ERR_PEER, or ERR_RETRY when the code is
 * retriable; the message is the code's sentence with "msg" instead if the
 * broker sent one.  Returns -1. */
int cluster_peer_err(struct err *e, int16_t code, struct str msg);

/* A topic and its partitions, from the cache or the cluster.  Waits, up to
 * topic_timeout_ms, for every partition to have a leader.  With may_create the
 * broker may create it.  NULL on failure (ERR_PEER with the code).  The
 * pointer stays good until cluster_close; its contents follow refreshes: see
 * generation, gone_since_ms and npart. */
struct cluster_topic *cluster_topic(struct cluster *cl, const char *name,
	bool may_create, struct err *e);

/* Ask again about nodes, controller and the topics in the cache.  Returns 0,
 * or -1 when no node answers. */
int cluster_refresh(struct cluster *cl, struct err *e);

/* Ask again if that is due: by age, or, when a topic is gone or a partition has no
 * leader, every second.  Returns when to call it again (clock_mono_ms). */
int64_t cluster_keep_fresh(struct cluster *cl);

/* The names of all topics, internal ones too if asked, and metadata of each,
 * as one metadata response (see cluster_call for what lives where). */
int cluster_list_topics(struct cluster *cl, void *metadata_response,
	struct arena *a, struct err *e);

/* Serve the connections for a while (less when woken). */
void cluster_pause(struct cluster *cl, int ms);

struct cluster_node *cluster_node(struct cluster *cl, int32_t id); /* or NULL */

/* A connection to a node, made if there is none.  NULL on failure: ERR_RETRY,
 * at once while its back-off lasts.  Good until the next cluster_ call that
 * waits. */
struct conn *cluster_conn(struct cluster *cl, int32_t id, struct err *e);

/* The same, but a second connection, of its own: a broker serves one in order,
 * and what must not wait behind a Fetch that waits for data, or itself keeps
 * others waiting, goes over this. */
struct conn *cluster_conn_second(struct cluster *cl, int32_t id, struct err *e);

/* A broker refuses what the owner repeats: say so when it has lasted; and, once that
 * was said, that it is over. */
void cluster_say_refused(struct cluster *cl, struct cluster_outage *outage, const struct err *why);
void cluster_say_accepted(struct cluster *cl, struct cluster_outage *outage);

/* Serve all connections: write, read, call back, until something happened or
 * timeout_ms (-1: none) is over.  fd (-1: none) is polled along for events.
 * Returns what poll says of it, 0 for nothing.  When wake_fd (which a signal
 * handler may write to; the owner reads it) is readable, is_woken is set, and
 * whatever waits for an answer gives up with ERR_RETRY "interrupted". */
short cluster_wait(struct cluster *cl, int fd, short events, int timeout_ms);

/* Another wake_fd; -1: none. */
static inline void
cluster_set_wake_fd(struct cluster *cl, int fd)
{
	cl->wake_fd = fd;
}

/* Was the last wait ended by wake_fd?  Then is_woken is cleared: for an owner that
 * tries once more. */
static inline bool
cluster_take_woken(struct cluster *cl)
{
	bool is_woken = cl->is_woken;
	cl->is_woken = false;
	return is_woken;
}

#endif
