#include "kq-broker/advertised.h"

#include "base/mem.h"

#include <stdio.h>

enum { KNOWN_MAX = 256 }; /* local addresses that are remembered */

struct known_addr {
	struct known_addr *next;
	struct net_addr addr;
};

void
advertised_init(struct advertised *advertised, const struct addr_list *configured,
	const struct addr_list *listen)
{
	*advertised = (struct advertised){ .configured = configured, .listen = listen };
	pthread_mutex_init(&advertised->lock, NULL);
}

void
advertised_release(struct advertised *advertised)
{
	for (struct known_addr *it = advertised->known; it; it = advertised->known) {
		advertised->known = it->next;
		mem_free(it);
	}
	pthread_mutex_destroy(&advertised->lock);
}

/* A copy of the address that stays.  Once there are too many: the newest. */
static const struct net_addr *
remember(struct advertised *advertised, const struct net_addr *addr)
{
	int n = 0;
	struct known_addr *it;
	pthread_mutex_lock(&advertised->lock);
	for (it = advertised->known; it; it = it->next, n++)
		if (it->addr.port == addr->port && strcmp(it->addr.host, addr->host) == 0)
			break;
	if (!it && n < KNOWN_MAX) {
		it = NEW(struct known_addr);
		it->addr = *addr;
		it->next = advertised->known;
		advertised->known = it;
	}
	if (!it)
		it = advertised->known;
	pthread_mutex_unlock(&advertised->lock);
	return &it->addr;
}

/* In the order of the TCP listeners; the last one serves the rest. */
static const struct net_addr *
configured_for(struct advertised *advertised, const struct net_addr *from)
{
	const struct addr_list *listen = advertised->listen;
	int k = 0;
	for (int i = 0; i < listen->n
		&& (listen->v[i].kind == NET_UNIX || listen->v[i].port != from->port); i++)
		k += listen->v[i].kind == NET_TCP;
	k = from->kind == NET_UNIX ? 0 : MIN(k, advertised->configured->n - 1);
	return &advertised->configured->v[k];
}

/* For a client of a Unix socket, which may need an address for others. */
static const struct net_addr *
first_tcp(struct advertised *advertised)
{
	static const struct net_addr nowhere = { .kind = NET_TCP, .host = "localhost" };
	for (int i = 0; i < advertised->listen->n; i++) {
		struct net_addr addr = advertised->listen->v[i];
		if (addr.kind != NET_TCP)
			continue;
		if (net_addr_is_any(&addr))
			strcpy(addr.host, "localhost");
		return remember(advertised, &addr);
	}
	return &nowhere;
}

const struct net_addr *
advertised_for(struct advertised *advertised, const struct net_addr *from, int fd)
{
	struct net_addr local;
	if (advertised->configured->n)
		return configured_for(advertised, from);
	if (from->kind == NET_UNIX)
		return first_tcp(advertised);
	/* The address at our end of the connection: the client can reach it. */
	if (net_addr_is_any(from) && net_local_addr(fd, &local))
		return remember(advertised, &local);
	return remember(advertised, from);
}
