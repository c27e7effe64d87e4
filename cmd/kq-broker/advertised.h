/*
 * The addresses that responses name for this broker: those of
 * advertised.listeners, or else the ones that clients connected to.
 *
 * Any thread.  The addresses returned stay valid as long as the struct.
 */
#ifndef KQ_BROKER_ADVERTISED_H
#define KQ_BROKER_ADVERTISED_H

#include "kq-broker/settings.h"

#include <pthread.h>

struct known_addr;

struct advertised {
	const struct addr_list *configured; /* advertised.listeners */
	const struct addr_list *listen;     /* the listeners, with their real ports */
	pthread_mutex_t lock;
	struct known_addr *known; /* under the lock; entries stay */
};

/* Both lists are borrowed; listen may grow until the first client connects. */
void advertised_init(struct advertised *advertised, const struct addr_list *configured,
	const struct addr_list *listen);
void advertised_release(struct advertised *advertised);

/* The address for a client that connected through this listener; fd is its
 * connection. */
const struct net_addr *advertised_for(struct advertised *advertised,
	const struct net_addr *from, int fd);

#endif
