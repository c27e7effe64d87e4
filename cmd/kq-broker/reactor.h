/*
 * One thread, one loop, and the connections that it accepted.  Reactors share
 * nothing but partitions and topics; what crosses between them is a task
 * posted to the other's loop.
 */
#ifndef KQ_BROKER_REACTOR_H
#define KQ_BROKER_REACTOR_H

#include "base/list.h"
#include "base/mem.h"
#include "kq-broker/request.h"
#include "kq-broker/settings.h"
#include "sys/loop.h"
#include "sys/net.h"
#include "sys/syncer.h"

struct broker;

struct listener {
	struct loop_io io;
	struct net_addr addr;
	struct reactor *reactor;
};

enum {
	INPUT_POOL_MAX = 4,
};

struct reactor {
	struct loop loop;
	struct broker *broker;
	int index;
	pthread_t thread;
	struct syncer *syncer;
	struct listener listener[LISTENERS_MAX];
	int nlistener;
	struct loop_timer accept_again; /* after running out of descriptors */
	struct list sessions;
	struct list to_flush; /* those of them with answers that are done */
	struct list turns;    /* requests for look-ups that go on one after the other, */
	struct loop_task turn_task; /* one a round: see api/02_list_offsets.c */
	bool is_turn_posted;
	struct list free_requests;
	int nfree_request;
	struct buf input[INPUT_POOL_MAX]; /* receive buffers not in use */
	int ninput;
	bool is_stopping;
	struct loop_task stop_task;
	struct loop_timer stop_timer;
};

int reactor_init(struct reactor *r, struct broker *b, int index, struct err *e);
int reactor_start(struct reactor *r, struct err *e); /* its thread */

/* Watch a listening descriptor, which then is the reactor's. */
void reactor_listen(struct reactor *r, int fd, const struct net_addr *addr);

/* From any thread: accept no more, finish what is under way, then end. */
void reactor_stop(struct reactor *r);
void reactor_join(struct reactor *r); /* and wait for its syncs */
void reactor_release(struct reactor *r);

/* Called when a connection is gone: the last one may end a stopping reactor. */
void reactor_conn_gone(struct reactor *r);

/* Requests come from a pool, as their memory is worth keeping. */
struct request *reactor_request_new(struct reactor *r);
void reactor_request_free(struct reactor *r, struct request *rq);

/* A receive buffer with at least 64 KiB, and back. */
struct buf reactor_input_get(struct reactor *r);
void reactor_input_put(struct reactor *r, struct buf *b);

#endif
