/*
 * Opens the sockets that the reactors accept connections on.
 *
 * The main thread, before the reactors start.
 */
#ifndef KQ_BROKER_LISTENERS_H
#define KQ_BROKER_LISTENERS_H

#include "kq-broker/reactor.h"
#include "kq-broker/settings.h"

/* Listen on an address with all reactors, and add it, with its real port, to
 * the list.  0, or -1 and *e says why. */
int listeners_open(struct addr_list *listen, struct net_addr addr, int backlog,
	struct reactor *reactor, int nreactor, struct err *e);

/* Remove the files of Unix sockets. */
void listeners_remove(const struct addr_list *listen);

#endif
