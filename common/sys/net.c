#include "sys/net.h"

#include "sys/clock.h"
#include "sys/user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Bytes asked for; what the kernel grants moves a 1 MiB batch in few pieces. */
enum { SOCKET_BUFFER = 1 << 20 };

/* A port of digits alone, unlike strtol; -1: it is not one. */
static int
read_port(const char *p)
{
	int port = *p ? 0 : -1;
	for (; *p && port >= 0; p++)
		port = *p >= '0' && *p <= '9' && port <= 65535 ? port * 10 + *p - '0' : -1;
	return port <= 65535 ? port : -1;
}

static int
parse_unix(struct net_addr *addr, const char *text, const char *path, struct err *e)
{
	size_t n = strlen(path), n_max = sizeof ((struct sockaddr_un *)0)->sun_path - 1;
	if (n == 0 || n > n_max)
		return err_set(e, ERR_USAGE, "'%s': a socket's path has 1 to %zu bytes", text, n_max);
	addr->kind = NET_UNIX;
	memcpy(addr->host, path, n + 1);
	return 0;
}

int
net_addr_parse(struct net_addr *addr, const char *text, int default_port,
	struct err *e)
{
	*addr = (struct net_addr){ .kind = NET_TCP };
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(addr, text, text + 5, e);
	if (*text == '/' || strncmp(text, "./", 2) == 0)
		return parse_unix(addr, text, text, e); /* no host name begins like this */
	const char *p = text, *scheme = strstr(text, "://");
	if (scheme) {
		p = scheme + 3;
		/* SSL:// as plain text would expose secrets. */
		if (scheme - text != 9 || strncasecmp(text, "PLAINTEXT", 9) != 0)
			return err_set(e, ERR_USAGE,
				"'%s': PLAINTEXT:// is the only protocol of Kafka that is supported", text);
	}
	bool has_bracket = *p == '[';
	const char *end = has_bracket ? strchr(p, ']') : strrchr(p, ':'), *rest;
	if (has_bracket) {
		p++;
		if (!end)
			return err_set(e, ERR_USAGE, "'%s': ']' is missing", text);
		rest = end + 1;
	} else {
		if (end && memchr(p, ':', (size_t)(end - p))) /* the host of ::1:9092 is ambiguous */
			return err_set(e, ERR_USAGE, "'%s': write an IPv6 address in brackets: [ADDRESS]:PORT",
				text);
		end = end ? end : p + strlen(p);
		rest = end;
	}
	size_t n = (size_t)(end - p);
	bool may_be_empty = !has_bracket && (scheme || *rest);
	if (n >= sizeof addr->host || (n == 0 && !may_be_empty) || (*rest && *rest != ':'))
		return err_set(e, ERR_USAGE, "'%s' is not an address; write host:port or unix:/path",
			text);
	int port = *rest ? read_port(rest + 1) : default_port;
	if (port < 0 || port > 65535)
		return err_set(e, ERR_USAGE, "'%s': the port must be a number from 0 to 65535", text);
	memcpy(addr->host, p, n);
	if (n == 0 || strcmp(addr->host, "*") == 0)
		strcpy(addr->host, "0.0.0.0");
	addr->port = (uint16_t)port;
	return 0;
}

char *
net_addr_format(const struct net_addr *addr, char z[NET_TEXT_SIZE])
{
	if (addr->kind == NET_UNIX)
		snprintf(z, NET_TEXT_SIZE, "unix:%s", addr->host);
	else
		snprintf(z, NET_TEXT_SIZE, strchr(addr->host, ':') ? "[%s]:%u" : "%s:%u",
			addr->host, addr->port);
	return z;
}

void
net_addr_default(struct net_addr *addr)
{
	*addr = (struct net_addr){ .kind = NET_UNIX, .must_be_own = true };
	const char *dir = getenv("XDG_RUNTIME_DIR");
	if (dir && *dir == '/' && strlen(dir) < 90)
		snprintf(addr->host, sizeof addr->host, "%s/kq.sock", dir);
	else
		snprintf(addr->host, sizeof addr->host, "/tmp/kq-%u.sock", (unsigned)getuid());
}

/* Checks that our default socket belongs to this user or to root. */
static int
check_owner(const struct net_addr *addr, uid_t uid, struct err *e)
{
	char who[USER_TEXT_SIZE];
	if (!addr->must_be_own || uid == geteuid() || uid == 0)
		return 0;
	return err_set(e, ERR_SYS, "the default socket '%s' belongs to %s; give another address",
		addr->host, user_text(uid, who));
}

int
net_addr_exists(const struct net_addr *addr, struct err *e)
{
	struct stat st;
	assert(addr->kind == NET_UNIX);
	if (lstat(addr->host, &st) < 0)
		return 0;
	return check_owner(addr, st.st_uid, e) < 0 ? -1 : 1;
}

static int
new_socket(int family, struct err *e)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? err_sys(e, "cannot create a socket") : fd;
}

/* Set the options of a connection.  All are optional: failures are ignored. */
static void
tune(int fd, bool is_unix)
{
	int one = 1, size = SOCKET_BUFFER;
	if (is_unix) { /* TCP adjusts its buffers itself */
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

static void
unix_sockaddr(const struct net_addr *addr, struct sockaddr_un *un)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(un->sun_path, addr->host, strlen(addr->host) + 1);
}

/* Connect a socket, waiting until the deadline.  Returns 0, or -1 and errno. */
static int
connect_by(int fd, const struct sockaddr *sa, socklen_t n, int64_t deadline_ms)
{
	if (connect(fd, sa, n) == 0)
		return 0;
	/* With a full backlog a Unix socket returns EAGAIN instead of waiting. */
	while (errno == EAGAIN && clock_mono_ms() < deadline_ms) {
		poll(NULL, 0, 1);
		if (connect(fd, sa, n) == 0)
			return 0;
	}
	if (errno != EINPROGRESS)
		return -1;
	for (;;) {
		int64_t left = deadline_ms - clock_mono_ms();
		struct pollfd poll_fd = { fd, POLLOUT, 0 };
		int rc = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
		if (rc < 0 && errno == EINTR)
			continue;
		if (rc == 0)
			errno = ETIMEDOUT;
		if (rc <= 0)
			return -1;
		int sys = 0;
		socklen_t len = sizeof sys;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len);
		errno = sys;
		return sys ? -1 : 0;
	}
}

static int
resolve(const struct net_addr *addr, int flags, struct addrinfo **list, struct err *e)
{
	char port[8];
	snprintf(port, sizeof port, "%u", addr->port);
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	int rc = getaddrinfo(addr->host, port, &hint, list);
	if (rc == EAI_AGAIN)
		return err_set(e, ERR_RETRY, "cannot look up host '%s': %s", addr->host, gai_strerror(rc));
	if (rc)
		return err_set(e, ERR_USAGE, "cannot look up host '%s': %s", addr->host, gai_strerror(rc));
	return 0;
}

static int
connect_unix(const struct net_addr *addr, int64_t deadline_ms, struct err *e)
{
	char z[NET_TEXT_SIZE];
	struct sockaddr_un un;
	struct ucred peer;
	socklen_t n = sizeof peer;
	if (net_addr_exists(addr, e) < 0)
		return -1;
	unix_sockaddr(addr, &un);
	int fd = new_socket(AF_UNIX, e);
	if (fd < 0)
		return -1;
	tune(fd, true);
	if (connect_by(fd, (struct sockaddr *)&un, sizeof un, deadline_ms) < 0) {
		err_sys(e, "cannot connect to '%s'", net_addr_format(addr, z));
		e->class = e->sys == EACCES ? ERR_SYS : ERR_RETRY;
	} else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
		err_sys(e, "cannot determine who listens on '%s'", net_addr_format(addr, z));
	} else if (check_owner(addr, peer.uid, e) == 0) {
		return fd;
	}
	close(fd);
	return -1;
}

int
net_connect(const struct net_addr *addr, int timeout_ms, struct err *e)
{
	char z[NET_TEXT_SIZE];
	int64_t deadline_ms = clock_mono_ms() + timeout_ms;
	if (addr->kind == NET_UNIX)
		return connect_unix(addr, deadline_ms, e);
	struct addrinfo *list;
	if (resolve(addr, 0, &list, e) < 0)
		return -1;
	int fd = -1;
	for (struct addrinfo *info = list; info && fd < 0; info = info->ai_next) {
		fd = new_socket(info->ai_family, e);
		if (fd < 0)
			continue;
		tune(fd, false);
		if (connect_by(fd, info->ai_addr, info->ai_addrlen, deadline_ms) == 0)
			break;
		err_sys(e, "cannot connect to '%s'", net_addr_format(addr, z));
		e->class = ERR_RETRY;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

/* Whether a program listens on the socket file: 1, 0, or -1: not a socket. */
static int
answers(const struct sockaddr_un *un)
{
	struct stat st;
	if (lstat(un->sun_path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -1;
	struct err ignored;
	int fd = new_socket(AF_UNIX, &ignored);
	/* Any other error (full backlog, other socket type, no permission) means that
	 * a program has it open. */
	bool is_dead = connect(fd, (const struct sockaddr *)un, sizeof *un) < 0
		&& (errno == ECONNREFUSED || errno == ENOENT);
	close(fd);
	return !is_dead;
}

static int
listen_unix(const struct net_addr *addr, int backlog, struct err *e)
{
	struct sockaddr_un un;
	if (net_addr_exists(addr, e) < 0)
		return -1;
	unix_sockaddr(addr, &un);
	int fd = new_socket(AF_UNIX, e);
	if (fd < 0)
		return -1;
	int rc = bind(fd, (struct sockaddr *)&un, sizeof un);
	if (rc < 0 && errno == EADDRINUSE) {
		int who = answers(&un); /* a socket in use is never replaced */
		if (who != 0) {
			close(fd);
			return err_set(e, ERR_LIMIT, "cannot listen on 'unix:%s': %s", addr->host,
				who > 0 ? "another program is listening there"
					: "it is a file, not a socket");
		}
		if (unlink(addr->host) < 0 && errno != ENOENT) {
			err_sys(e, "cannot listen on 'unix:%s': cannot delete the old socket", addr->host);
			close(fd);
			return -1;
		}
		rc = bind(fd, (struct sockaddr *)&un, sizeof un);
	}
	if (rc < 0 || chmod(addr->host, 0600) < 0 || listen(fd, backlog) < 0) {
		err_sys(e, "cannot listen on 'unix:%s'", addr->host);
		close(fd);
		return -1;
	}
	return fd;
}

static int
listen_tcp(const struct addrinfo *info, int backlog, bool is_shared)
{
	struct err ignored;
	int one = 1, fd = new_socket(info->ai_family, &ignored);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (is_shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	if (info->ai_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)info->ai_addr;
		int only = !IN6_IS_ADDR_UNSPECIFIED(&in->sin6_addr);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
	}
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, backlog) == 0)
		return fd;
	int sys = errno;
	close(fd);
	errno = sys;
	return -1;
}

int
net_listen(struct net_addr *addr, int backlog, bool is_shared, struct err *e)
{
	if (addr->kind == NET_UNIX)
		return listen_unix(addr, backlog, e);
	struct addrinfo *list;
	if (resolve(addr, AI_PASSIVE, &list, e) < 0)
		return -1;
	char z[NET_TEXT_SIZE];
	int fd = listen_tcp(list, backlog, is_shared);
	if (fd < 0)
		err_sys(e, "cannot listen on '%s'", net_addr_format(addr, z));
	freeaddrinfo(list);
	if (fd >= 0 && !addr->port) {
		struct net_addr got;
		net_local_addr(fd, &got);
		addr->port = got.port;
	}
	return fd;
}

int
net_accept(int fd, bool is_unix)
{
	int c;
	do
		c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (c < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (c < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -2 : -1;
	tune(c, is_unix);
	return c;
}

static bool
sockaddr_to_addr(const struct sockaddr_storage *ss, struct net_addr *addr)
{
	*addr = (struct net_addr){ .kind = NET_TCP };
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;
		inet_ntop(AF_INET, &in->sin_addr, addr->host, sizeof addr->host);
		addr->port = ntohs(in->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const void *)ss;
		if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) /* IPv4 on a "::" socket */
			inet_ntop(AF_INET, &in->sin6_addr.s6_addr[12], addr->host, sizeof addr->host);
		else
			inet_ntop(AF_INET6, &in->sin6_addr, addr->host, sizeof addr->host);
		addr->port = ntohs(in->sin6_port);
	} else {
		return false;
	}
	return true;
}

bool
net_addr_is_any(const struct net_addr *addr)
{
	struct in6_addr in6;
	struct in_addr in;
	if (addr->kind != NET_TCP)
		return false;
	return (inet_pton(AF_INET, addr->host, &in) == 1 && in.s_addr == INADDR_ANY)
		|| (inet_pton(AF_INET6, addr->host, &in6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&in6));
}

char *
net_peer_name(int fd, char z[NET_TEXT_SIZE])
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	struct net_addr addr;
	if (getpeername(fd, (struct sockaddr *)&ss, &n) == 0 && sockaddr_to_addr(&ss, &addr))
		return net_addr_format(&addr, z);
	return strcpy(z, "unix");
}

bool
net_local_addr(int fd, struct net_addr *addr)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof ss;
	return getsockname(fd, (struct sockaddr *)&ss, &n) == 0 && sockaddr_to_addr(&ss, addr);
}
