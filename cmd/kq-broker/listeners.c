#include "kq-broker/listeners.h"

#include "sys/fs.h"

#include <errno.h>
#include <unistd.h>

static int
open_listener(struct net_addr *addr, int backlog, bool is_shared, struct err *e)
{
	int fd = net_listen(addr, backlog, is_shared, e);
	if (fd < 0 && e->sys == EADDRINUSE) {
		struct err why = *e;
		err_set(e, why.class, "%s; choose another address with -l", why.msg);
	}
	return fd;
}

/* Sockets that share a port with each other share it with another broker's, too:
 * one that does not share finds out whether the port is free. */
static int
check_port(struct net_addr *addr, struct err *e)
{
	int fd = open_listener(addr, 1, false, e);
	fs_close(fd);
	return fd < 0 ? -1 : 0;
}

int
listeners_open(struct addr_list *listen, struct net_addr addr, int backlog,
	struct reactor *reactor, int nreactor, struct err *e)
{
	bool is_unix = addr.kind == NET_UNIX, is_shared = nreactor > 1;
	int first = -1;
	assert(listen->n < LISTENERS_MAX);
	if (!is_unix && addr.port != 0 && is_shared && check_port(&addr, e) < 0)
		return -1;
	for (int i = 0; i < nreactor; i++) {
		/* TCP: one socket each, and the kernel spreads the connections.  A
		 * Unix socket is one for all reactors. */
		int fd = is_unix && i > 0 ? dup(first)
			: open_listener(&addr, backlog, is_shared, e);
		if (fd < 0)
			return is_unix && i > 0 ? err_sys(e, "cannot share a socket") : -1;
		first = fd;
		reactor_listen(&reactor[i], fd, &addr);
	}
	listen->v[listen->n++] = addr;
	return 0;
}

void
listeners_remove(const struct addr_list *listen)
{
	for (int i = 0; i < listen->n; i++)
		if (listen->v[i].kind == NET_UNIX)
			unlink(listen->v[i].host);
}
