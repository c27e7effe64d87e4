/*
 * Addresses and stream sockets, Unix and TCP.  Every descriptor made here is
 * non-blocking and close-on-exec.
 *
 * Uses: base.  Any thread.
 */
#ifndef KQ_SYS_NET_H
#define KQ_SYS_NET_H

#include "base/base.h"
#include "base/err.h"

enum net_kind { NET_UNIX, NET_TCP };

struct net_addr {
	enum net_kind kind;
	bool must_be_own; /* Unix: connect only to a program of this user or root */
	uint16_t port;  /* TCP */
	char host[256]; /* TCP: name or number, no brackets; Unix: the path */
};

enum { NET_TEXT_SIZE = 280 };

/* Read "unix:/path" ("/path" and "./path" are enough), "host:port", "[v6]:port",
 * "host" (with default_port; -1: a port is required) or Kafka's
 * "PLAINTEXT://host:port" (no other of its protocols; an empty host or "*" is
 * "0.0.0.0").  An IPv6 address without brackets is refused: nobody can say where
 * the host of "::1:9092" ends.  Returns 0, or -1 (ERR_USAGE). */
int net_addr_parse(struct net_addr *addr, const char *text, int default_port,
	struct err *e);

/* The text form, NUL-terminated, in z; returns z. */
char *net_addr_format(const struct net_addr *addr, char z[NET_TEXT_SIZE]);

/* The default rendezvous of broker and tools: $XDG_RUNTIME_DIR/kq.sock, else
 * /tmp/kq-UID.sock, which any user could make first: it must be our own. */
void net_addr_default(struct net_addr *addr);

/* Is there a file at the address of a Unix socket?  1; 0; or -1 when the address
 * must be our own and the file is another user's. */
int net_addr_exists(const struct net_addr *addr, struct err *e);

/* Connect within timeout_ms, trying each address a name has.  Returns the
 * descriptor, or -1 (ERR_RETRY: nobody there, ERR_USAGE: no such host). */
int net_connect(const struct net_addr *addr, int timeout_ms, struct err *e);

/* Listen.  "::" takes connections of IPv4, too.  Port 0 takes a free one and *a
 * gets it.  is_shared lets several sockets of this process listen on one TCP port
 * (SO_REUSEPORT).  A socket file that nobody answers on is replaced; one that
 * answers is ERR_LIMIT. */
int net_listen(struct net_addr *addr, int backlog, bool is_shared, struct err *e);

/* Accept one connection: the descriptor, -1 when there is none right now, or
 * -2 when the process is out of descriptors. */
int net_accept(int fd, bool is_unix);

/* Does it stand for all addresses of this machine: "0.0.0.0" or "::"? */
bool net_addr_is_any(const struct net_addr *a);

/* Who is at the other end, for logs; "unix" for a Unix socket. */
char *net_peer_name(int fd, char z[NET_TEXT_SIZE]);

/* The address our end of a TCP connection has; false when it is not one. */
bool net_local_addr(int fd, struct net_addr *a);

#endif
