/*
 * Addresses and sockets, Unix and TCP.  Every descriptor made here is
 * non-blocking and close-on-exec; stream.h moves the bytes.
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
	uint16_t port;    /* TCP */
	char host[256];   /* TCP: name or number, without brackets; Unix: the path */
};

enum { NET_TEXT_SIZE = 280 };

/* Read "unix:/path" ("/path" and "./path" are enough), "host:port", "[v6]:port",
 * "host" (with default_port; -1: the port is required) or Kafka's
 * "PLAINTEXT://host:port" (none of its other protocols; an empty host or "*"
 * means "0.0.0.0").  An IPv6 address without brackets is refused: it is unclear
 * where the host of "::1:9092" ends.  Returns 0, or -1 (ERR_USAGE). */
int net_addr_parse(struct net_addr *addr, const char *text, int default_port,
	struct err *e);

/* Write the text form, NUL-terminated, to z; returns z. */
char *net_addr_format(const struct net_addr *addr, char z[NET_TEXT_SIZE]);

/* The default address of broker and tools: $XDG_RUNTIME_DIR/kq.sock, else
 * /tmp/kq-UID.sock.  Another user could create the latter first, so must_be_own
 * is set. */
void net_addr_default(struct net_addr *addr);

/* Whether the file of a Unix socket exists: 1, 0, or -1 when must_be_own is set
 * and the file belongs to another user. */
int net_addr_exists(const struct net_addr *addr, struct err *e);

/* Connect within timeout_ms, trying each address of the name.  Blocks.  Returns
 * the descriptor, or -1 (ERR_RETRY: no connection, ERR_USAGE: no such host). */
int net_connect(const struct net_addr *addr, int timeout_ms, struct err *e);

/* Listen.  "::" accepts IPv4 connections, too.  Port 0 means a free port, which
 * is stored in *addr.  With is_shared several sockets of this process may listen
 * on one TCP port (SO_REUSEPORT).  A socket file on which no program listens is
 * replaced; otherwise the result is ERR_LIMIT.  Returns the descriptor, or -1. */
int net_listen(struct net_addr *addr, int backlog, bool is_shared, struct err *e);

/* Accept a connection.  Returns its descriptor, -1 if none waits, or -2 if the
 * process is out of descriptors. */
int net_accept(int fd, bool is_unix);

/* Whether it means all addresses of this machine: "0.0.0.0" or "::". */
bool net_addr_is_any(const struct net_addr *addr);

/* Write the peer's address, for logs, to z; "unix" for a Unix socket.  Returns
 * z. */
char *net_peer_name(int fd, char z[NET_TEXT_SIZE]);

/* The address of our end of a TCP connection; false: it is not one. */
bool net_local_addr(int fd, struct net_addr *addr);

#endif
