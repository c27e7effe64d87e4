/*
 * A Kafka cluster as a client sees it: its nodes, the leaders of its partitions,
 * and one connection to each node in use.
 *
 *	struct cluster cl;
 *	if (cluster_open(&cl, &(struct cluster_opts){ .client_id = "kq-topic" }, &e) < 0)
 *		...
 *	struct create_topics_request q;
 *	wire_defaults(wire_api_find(API_CREATE_TOPICS)->request, &q);
 *	... fill q ...
 *	struct create_topics_response r;
 *	struct arena a = ARENA_INIT;
 *	if (cluster_call(&cl, CLUSTER_CONTROLLER, API_CREATE_TOPICS, &q, &r, &a, &e) < 0)
 *		...
 *	cluster_close(&cl);
 *
 * Bootstrap addresses: opts.brokers, else KQ_BROKERS (comma-separated), else the
 * default Unix socket if it exists, else 127.0.0.1:9092.  If we connected through
 * a Unix socket and the cluster has one node, that node is always reached through
 * the socket, whatever address it advertises.  With several nodes each is reached
 * at its advertised address, and through the socket if that fails.
 *
 * Times named *_at_ms and *since_ms are clock_mono_ms.
 *
 * Uses: conn.  One thread.
 */
#ifndef KQ_CLIENT_CLUSTER_H
#define KQ_CLIENT_CLUSTER_H

#include "client/conn.h"

#include <poll.h>

/* A node is named by its id, or: */
enum {
	CLUSTER_ANY = -1,        /* any node */
	CLUSTER_CONTROLLER = -2, /* the controller in Metadata; any node if it has none */
};

enum { CLUSTER_FDS_MAX = 64 };

struct cluster_opts {
	const char *brokers;     /* bootstrap addresses; NULL: the rule above */
	const char *client_id;   /* NULL: "kq" */
	int connect_timeout_ms;  /* 0: 10 s */
	int request_timeout_ms;  /* 0: 30 s */
	int topic_timeout_ms;    /* longest wait for the leaders of a topic; 0: 10 s */
	int metadata_max_age_ms; /* age at which metadata is refreshed; 0: 5 min */
	size_t reply_max;        /* longest response in bytes; 0: CONN_REPLY_MAX */
	int wait_ms;             /* how long cluster_open retries; 0: it tries once */
	int wake_fd;             /* see cluster_wait; 0: none */
	/* Reports to a person, while the owner waits, that a broker cannot be reached,
	 * and that it can be reached again.  NULL: no reports. */
	void (*say)(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
	bool is_quiet;           /* another cluster of this process reports lost brokers */
	int retry_timeout_ms;    /* how long the owner retries, for the reports; 0: not reported */
	/* Called now and then (CONN_MEANWHILE_MS) while a call waits for a broker, for an owner that
	 * must keep something going (member_beat).  It may serve clusters, this one, too, but not
	 * wait for a call itself.  NULL: nothing is. */
	void (*meanwhile)(void *arg);
	void *meanwhile_arg;
};

/* A failure that repeats, and whether it was reported. */
struct cluster_outage {
	int64_t since_ms;        /* time of the first failure; 0: none */
	bool is_reported;
};

struct cluster_node {
	int32_t id;
	char *host;
	int32_t port;
	bool is_gone;            /* not in the last metadata */
	struct conn *conn;       /* or NULL; may be cluster.first */
	struct conn *second;     /* see cluster_conn_second; or NULL */
	int backoff_ms;          /* pause before the next attempt to connect */
	int64_t retry_at_ms;
	struct cluster_outage outage;
	bool is_late;            /* a late response was reported */
	struct err err;          /* of the last attempt to connect */
};

struct cluster_part {
	int32_t leader;          /* node id; -1: none */
	int32_t leader_epoch;    /* -1: unknown */
};

struct cluster_topic {
	char *name;
	struct uuid id;          /* zero: the broker does not send ids */
	struct uuid old_id;      /* id of the previous generation; or zero */
	int generation;          /* number of times it was deleted and created again */
	int64_t gone_since_ms;   /* when it was found deleted; 0: it exists */
	bool was_gone;           /* it was found deleted and exists again: without ids, it may be
	                          * a new topic */
	int16_t error;           /* Kafka code */
	struct cluster_part *part;
	int32_t npart;           /* decreases only with a new generation */
	int32_t part_cap;
	int32_t npart_first;     /* npart when the topic was first seen */
};

/* Owners read opts, node, topic, cluster_id and is_woken. */
struct cluster {
	struct cluster_opts opts;
	struct conn_opts conn_opts;
	struct net_addr *boot;   /* bootstrap addresses */
	int nboot;
	struct conn *first;      /* connection to a bootstrap address; or NULL */
	struct conn *given_up;   /* connections that cluster_wait closes */
	struct cluster_node **node;
	int nnode;
	struct cluster_topic **topic;
	int ntopic;
	int32_t controller;      /* node id; -1: unknown */
	char *cluster_id;        /* of the first metadata that had one; or NULL */
	bool has_metadata;
	bool is_incomplete;      /* a topic has an error or a partition no leader: refresh soon */
	struct cluster_outage outage; /* of all brokers, in cluster_open */
	int64_t refreshed_ms;    /* time of the last metadata of all topics */
	int64_t refresh_at_ms;   /* after a failed refresh: earliest time of the next */
	int wake_fd;             /* -1: none */
	bool is_woken;           /* the last cluster_wait found wake_fd readable */
	struct pollfd *poll;     /* scratch of cluster_wait */
	int poll_cap;
};

/* Connect to one of the bootstrap addresses.  Returns 0, or -1 with the last
 * failure (ERR_RETRY if a later attempt may succeed); then *cl must not be closed. */
int cluster_open(struct cluster *cl, const struct cluster_opts *o, struct err *e);

/* Fail all calls under way, close the connections, free everything. */
void cluster_close(struct cluster *cl);

/* Close all connections as if they had failed: calls under way fail, later calls
 * connect again. */
void cluster_disconnect(struct cluster *cl);

/* Send one request and wait for the response, serving the other connections
 * meanwhile.  node is an id, CLUSTER_ANY or CLUSTER_CONTROLLER; the highest version
 * that both sides support is used.  *resp, the generated response struct, is decoded
 * into the arena, which also holds the bytes that its slices point to.  Kafka error
 * codes inside the response are left to the caller.  Returns the version used, or
 * -1. */
int cluster_call(struct cluster *cl, int32_t node, int16_t api_key,
	const void *req, void *resp, struct arena *a, struct err *e);

/* The same with a version of at most upto, and with a timeout. */
int cluster_call_upto(struct cluster *cl, int32_t node, int16_t api_key,
	int upto, int timeout_ms, const void *req, void *resp, struct arena *a,
	struct err *e);

/* The version that a call to CLUSTER_ANY would use; -1: the broker does not support the
 * API.  All brokers of a cluster are assumed to support the same versions. */
int cluster_version(const struct cluster *cl, int16_t api_key);

/* Turn a Kafka error code into *e: ERR_RETRY if the code is retriable, else
 * ERR_PEER; the text is msg if the broker sent one, else the code's sentence.
 * Returns -1. */
int cluster_peer_err(struct err *e, int16_t code, struct str msg);

/* A topic and its partitions, from the cache or the cluster.  Waits up to
 * topic_timeout_ms for every partition to have a leader.  With may_create the broker
 * may create the topic.  Returns NULL on failure (e->kafka is the code, if there is
 * one).  The pointer is valid until cluster_close; later refreshes change what it
 * points to: see generation, gone_since_ms and npart. */
struct cluster_topic *cluster_topic(struct cluster *cl, const char *name,
	bool may_create, struct err *e);

/* The same topic, once cluster_topic has returned it, with whatever leaders it has now; NULL:
 * it has not.  Does not wait. */
struct cluster_topic *cluster_known_topic(const struct cluster *cl, const char *name);

/* Fetch metadata of the nodes, the controller and the cached topics.  Returns 0, or
 * -1 if no node answers. */
int cluster_refresh(struct cluster *cl, struct err *e);

/* Fetch metadata unless some was fetched before, so that the nodes are known.  Returns
 * 0, or -1 if no node answers. */
int cluster_find_nodes(struct cluster *cl, struct err *e);

/* Refresh if it is due: by age, or every second while a topic has an error or a
 * partition no leader.  Returns when to call it again. */
int64_t cluster_keep_fresh(struct cluster *cl);

/* Serve the connections for ms; returns early if woken. */
void cluster_pause(struct cluster *cl, int ms);

/* A node of the last metadata or an earlier one; NULL: unknown. */
struct cluster_node *cluster_node(struct cluster *cl, int32_t id);

/* The connection to a node, opened if there is none.  Returns NULL on failure, at
 * once during the node's back-off.  Valid until the next cluster_ call that waits.
 * If a call on it is parked (call.is_parked), a new connection takes its place: that call
 * fails in the next cluster_wait, which does not wait, and can be sent again. */
struct conn *cluster_conn(struct cluster *cl, int32_t id, struct err *e);

/* The same, but the node's second connection.  A broker answers the requests of one
 * connection in order, so requests that must not wait behind a long Fetch, or that
 * themselves block others (JoinGroup), use this one. */
struct conn *cluster_conn_second(struct cluster *cl, int32_t id, struct err *e);

/* Give up the connection to a node if a call on it is parked, as cluster_conn does. */
void cluster_give_up_parked(struct cluster *cl, int32_t id);

/* Report that a broker refuses a request that the owner retries: once, after some
 * time; and, after that report, that it was accepted. */
void cluster_say_refused(struct cluster *cl, struct cluster_outage *outage, const struct err *why);
void cluster_say_accepted(struct cluster *cl, struct cluster_outage *outage);

/* Serve all connections (write, read, call back) until something happens or
 * timeout_ms (-1: unlimited) is over.  fd (-1: none) is polled too; returns its
 * revents, 0 if nothing happened on it.
 *
 * If wake_fd is readable (a signal handler may write to it; the owner reads it),
 * is_woken is set, and calls that wait for a response fail with ERR_RETRY
 * "interrupted". */
short cluster_wait(struct cluster *cl, int fd, short events, int timeout_ms);

/* The same with any number of descriptors, whose revents are set.  Returns how many have
 * some. */
int cluster_wait_fds(struct cluster *cl, struct pollfd *fds, int nfd, int timeout_ms);

/* As cluster_wait, in a call that waits for a broker and looks then whether it is done: calls
 * opts.meanwhile, and returns earlier if there is one. */
short cluster_await(struct cluster *cl, int fd, short events, int timeout_ms);

/* The descriptors of this cluster's connections, at most n and CLUSTER_FDS_MAX, for an
 * owner that waits in another cluster's cluster_wait_fds; then call cluster_wait with a
 * timeout of 0.  Returns their number. */
int cluster_fds(struct cluster *cl, struct pollfd *fds, int n);

/* Replace wake_fd; -1: none. */
static inline void
cluster_set_wake_fd(struct cluster *cl, int fd)
{
	cl->wake_fd = fd;
}

/* Return is_woken and clear it, for an owner that tries once more. */
static inline bool
cluster_take_woken(struct cluster *cl)
{
	bool is_woken = cl->is_woken;
	cl->is_woken = false;
	return is_woken;
}

#endif
