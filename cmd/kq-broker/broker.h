/*
 * The broker: its data directory, its topics, its threads.
 *
 *   main thread     starts, waits for a signal, stops
 *   control thread  changes metadata, one request after the other; may block
 *   coordinator     groups and transactions, one request after the other
 *   reactors        serve connections; never block on a sync
 *
 * The fields below are set before the threads start and not changed, unless
 * it says otherwise.
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

/* test.fault: how the broker is to break its word. */
enum fault { FAULT_NONE, FAULT_COMMIT_ABORTED, FAULT_TEAR_COMMITS, FAULT_ACCEPT_DUPLICATES };

struct broker {
	struct settings *settings;
	struct datadir dir;
	int32_t node_id;
	struct cluster_facts cluster;
	bool use_uring, auto_create, has_consumer_protocol;
	enum fault fault;
	struct descriptors descriptors;
	int64_t fetch_size_max, arena_size_max;
	struct metastore *meta; /* the control thread's, once it runs */
	struct dynamic dynamic; /* under its lock */
	struct partition_env partition_env;
	struct topics topics;
	struct catalog catalog;
	struct catalog_apply catalog_apply;
	struct fetch_sessions fetch_sessions;
	struct reactor *reactor;
	int nreactor;
	struct loop control;
	pthread_t control_thread;
	bool is_control_started;
	bool is_over;         /* no thread runs any more, nothing may be written */
	struct checkpoints checkpoints;
	struct producer_ids producer_ids;
	struct coordinator *coordinator;
	struct addr_list listen; /* with their real ports */
	struct advertised advertised;
	/* Shared by all threads: */
	struct session_limits sessions;
};

/* Read the data directory, recover after a crash, load the topics.  Nothing
 * is served yet. */
int broker_open(struct broker *broker, struct settings *settings, struct err *e);

/* Listen and start the threads. */
int broker_start(struct broker *broker, struct err *e);

/* Stop the threads, sync everything, leave the clean mark. */
int broker_stop(struct broker *broker, struct err *e);
void broker_release(struct broker *broker);

/* Call fn for each partition, from as many threads as there are reactors.  Takes
 * no lock: only at the start and at the stop, while no other thread runs. */
typedef void partition_fn(struct partition *part, void *ctx);
void broker_each_partition(struct broker *broker, partition_fn *fn, void *ctx);

#endif
