/*
 * The broker: owns the parts, and starts and stops the threads.
 *
 *   main thread     starts, waits for a signal, stops
 *   control thread  handles requests that change metadata, one after the other;
 *                   may block
 *   coordinator     handles requests to groups and transactions, one after the other
 *   reactors        serve connections; never wait for a sync
 *
 * Only what handles requests may include this header; the parts do not know of
 * it.  Each part says who may use it on which thread.
 */
#ifndef KQ_BROKER_BROKER_H
#define KQ_BROKER_BROKER_H

#include "base/err.h"
#include "kq-broker/advertised.h"
#include "kq-broker/catalog.h"
#include "kq-broker/catalog_apply.h"
#include "kq-broker/checkpoints.h"
#include "kq-broker/cluster_facts.h"
#include "kq-broker/datadir.h"
#include "kq-broker/descriptors.h"
#include "kq-broker/dynamic.h"
#include "kq-broker/fetch_session.h"
#include "kq-broker/producer_ids.h"
#include "kq-broker/session.h"
#include "kq-broker/settings.h"
#include "kq-broker/topics.h"
#include "meta/metastore.h"
#include "sys/loop.h"
#include "sys/net.h"

#include <pthread.h>
#include <stdatomic.h>

struct coordinator;
struct reactor;

enum { REACTORS_MAX = 64 };

/* test.fault: the guarantee that the broker breaks on purpose. */
enum fault { FAULT_NONE, FAULT_COMMIT_ABORTED, FAULT_TEAR_COMMITS, FAULT_ACCEPT_DUPLICATES };

/* Set before the threads start, and not changed by them, except inside the parts. */
struct broker {
	struct settings *settings; /* as of the start; borrowed */
	int32_t node_id;
	bool use_uring, auto_create, has_consumer_protocol;
	enum fault fault;
	int64_t fetch_size_max;    /* bytes of records in one response */
	int64_t arena_size_max;    /* bytes of a decoded request and its response */
	struct descriptors descriptors;
	/* What is on disk: */
	struct datadir dir;
	struct metastore *meta;    /* the control thread's, once it runs */
	struct cluster_facts cluster;
	struct dynamic dynamic;
	struct producer_ids producer_ids;
	struct checkpoints checkpoints;
	/* Topics: */
	struct partition_env partition_env;
	struct topics topics;
	struct catalog catalog;
	struct catalog_apply catalog_apply;
	/* Threads: */
	struct loop control;
	pthread_t control_thread;
	bool is_control_started;
	struct coordinator *coordinator;
	struct reactor *reactor;
	int nreactor;
	bool is_over;              /* the threads have ended; nothing may be written */
	/* Clients: */
	struct addr_list listen;   /* with their real ports */
	struct advertised advertised;
	struct fetch_sessions fetch_sessions;
	struct session_limits sessions; /* shared by all reactors */
};

/* Read the data directory, recover after a crash, load the topics.  Nothing is
 * served yet.  -1: *e says why; release it all the same. */
int broker_open(struct broker *broker, struct settings *settings, struct err *e);

/* Listen, and start the threads.  -1: *e says why; stop and release it. */
int broker_start(struct broker *broker, struct err *e);

/* Stop the threads, sync all partitions, and mark the directory as cleanly
 * stopped.  -1: *e says why; the next start recovers. */
int broker_stop(struct broker *broker, struct err *e);
void broker_release(struct broker *broker);

#endif
