/*
 * A reactor: one thread, one loop, and the sessions that it accepted.
 * Reactors share the parts of the broker, which say which thread may use them;
 * otherwise only a task posted to another's loop crosses between them.
 */
#ifndef KQ_BROKER_REACTOR_H
#define KQ_BROKER_REACTOR_H

#include "base/list.h"
#include "kq-broker/session.h"
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

struct reactor {
	struct loop loop;
	struct broker *broker;
	int index;
	pthread_t thread;
	struct syncer *syncer;
	struct listener listener[LISTENERS_MAX];
	int nlistener;
	struct loop_timer accept_again; /* after running out of descriptors */
	struct sessions sessions;
	/* Of api/02_list_offsets.c: requests that continue, one in a round of the loop. */
	struct list turns;
	struct loop_task turn_task;
	bool is_turn_posted;
	bool is_stopping;
	struct loop_task stop_task;
	struct loop_timer stop_timer;
};

/* Handles a request of a session: see struct sessions. */
typedef int reactor_handle_fn(struct request *rq, struct err *e);

int reactor_init(struct reactor *reactor, struct broker *broker, int index,
	reactor_handle_fn *handle, struct err *e);
int reactor_start(struct reactor *reactor, struct err *e); /* its thread */

/* Watch a listening descriptor, which becomes the reactor's. */
void reactor_listen(struct reactor *reactor, int fd, const struct net_addr *addr);

/* From any thread: accept no more, finish what is under way, then end. */
void reactor_stop(struct reactor *reactor);
void reactor_join(struct reactor *reactor); /* and wait for its syncs */
void reactor_release(struct reactor *reactor);

#endif
