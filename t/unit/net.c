#include "tap.h"

#include "sys/clock.h"
#include "sys/net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define must(x) do { if ((x) < 0) tap_fail(__FILE__, __LINE__, "%s: %s", #x, e.msg); } while (0)

static struct net_addr
addr(const char *text)
{
	struct err e;
	struct net_addr a;
	must(net_addr_parse(&a, text, -1, &e));
	return a;
}

void
test_net_addr__good_forms_are_read(void)
{
	static const struct {
		const char *text;
		int default_port;
		enum net_kind kind;
		const char *host;
		int port;
		const char *again;
	} v[] = {
		{ "unix:/tmp/x", -1, NET_UNIX, "/tmp/x", 0, "unix:/tmp/x" },
		{ "/run/kq.sock", 9092, NET_UNIX, "/run/kq.sock", 0, "unix:/run/kq.sock" },
		{ "./kq.sock", -1, NET_UNIX, "./kq.sock", 0, "unix:./kq.sock" },
		{ "unix:x", 9092, NET_UNIX, "x", 0, "unix:x" },
		{ "unix:a:1", 9092, NET_UNIX, "a:1", 0, "unix:a:1" },
		{ "localhost:9092", -1, NET_TCP, "localhost", 9092, "localhost:9092" },
		{ "localhost", 9092, NET_TCP, "localhost", 9092, "localhost:9092" },
		{ "h:0", -1, NET_TCP, "h", 0, "h:0" },
		{ "h:65535", 1, NET_TCP, "h", 65535, "h:65535" },
		{ "h:00080", 1, NET_TCP, "h", 80, "h:80" },
		{ "h", 0, NET_TCP, "h", 0, "h:0" },
		{ "1.2.3.4:5", -1, NET_TCP, "1.2.3.4", 5, "1.2.3.4:5" },
		{ "[::1]:9092", -1, NET_TCP, "::1", 9092, "[::1]:9092" },
		{ "[::1]", 9092, NET_TCP, "::1", 9092, "[::1]:9092" },
		{ ":9092", -1, NET_TCP, "0.0.0.0", 9092, "0.0.0.0:9092" },
		{ "*:9092", -1, NET_TCP, "0.0.0.0", 9092, "0.0.0.0:9092" },
		{ "PLAINTEXT://h:1", -1, NET_TCP, "h", 1, "h:1" },
		{ "PLAINTEXT://:1", -1, NET_TCP, "0.0.0.0", 1, "0.0.0.0:1" },
		{ "PLAINTEXT://[::]:1", -1, NET_TCP, "::", 1, "[::]:1" },
		{ "PLAINTEXT://h", 9092, NET_TCP, "h", 9092, "h:9092" },
		{ "PLAINTEXT://", 9092, NET_TCP, "0.0.0.0", 9092, "0.0.0.0:9092" },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct err e;
		struct net_addr a, b;
		char z[NET_TEXT_SIZE];
		must(net_addr_parse(&a, v[i].text, v[i].default_port, &e));
		if (strcmp(a.host, v[i].host) != 0 || a.port != v[i].port || a.kind != v[i].kind)
			tap_fail(__FILE__, __LINE__, "%s is read as '%s' port %u",
				v[i].text, a.host, a.port);
		check(strcmp(net_addr_format(&a, z), v[i].again) == 0);
		must(net_addr_parse(&b, z, -1, &e));
		check(memcmp(&a, &b, sizeof a) == 0);
	}
}

void
test_net_addr__bad_forms_are_refused(void)
{
	static const struct {
		const char *text;
		int default_port;
	} v[] = {
		{ "", 9092 }, { "", -1 }, { "unix:", 9092 }, { "h", -1 }, { "h:", 9092 }, { ":", 9092 },
		{ "h:x", 9092 }, { "h:1x", 9092 }, { "h:-1", 9092 }, { "h:65536", 9092 },
		{ "h:99999999999999999999", 9092 }, { "h: 1", 9092 }, { "h:+1", 9092 },
		{ "h:-0", 9092 }, { "h:1 ", 9092 }, { "h:\t1", 9092 }, { "h:0x10", 9092 },
		{ "[::1", 9092 }, { "[::1:9092", 9092 }, { "[]:9092", 9092 }, { "[]", 9092 },
		{ "[::1]x", 9092 }, { "[::1]9092", 9092 }, { "[::1]]:1", 9092 }, { "[::1]", -1 },
		{ "::1", -1 }, { "::1", 9092 }, { "::1:9092", 9092 }, { "PLAINTEXT://fe80::1:2", 7 },
		{ "[::1]:", 9092 }, { "PLAINTEXT://h", -1 }, { "PLAINTEXT://", -1 },
		{ "PLAINTEXT://[]:1", 9092 }, { "PLAINTEXT://h:1:2:x", -1 },
		{ "SSL://h:1", 9092 }, { "SASL_PLAINTEXT://h:1", 9092 }, { "http://h:1", 9092 },
		{ "://h:1", 9092 }, { "h:1://x", 9092 },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct err e;
		struct net_addr a;
		if (net_addr_parse(&a, v[i].text, v[i].default_port, &e) == 0)
			tap_fail(__FILE__, __LINE__, "'%s' is read as '%s' port %u",
				v[i].text, a.host, a.port);
		check_int(e.class, ERR_USAGE);
		check(strstr(e.msg, v[i].text) != NULL);
	}
}

void
test_net_addr__long_names_have_a_limit(void)
{
	struct err e;
	struct net_addr a;
	char text[400], z[NET_TEXT_SIZE];
	for (int n = 1; n < 300; n++) {
		memset(text, 'h', sizeof text);
		strcpy(text + n, ":65535");
		int r = net_addr_parse(&a, text, -1, &e);
		check_int(r, n < 256 ? 0 : -1);
		if (r == 0)
			check(strcmp(net_addr_format(&a, z), text) == 0);
		memcpy(text, "unix:", 5);
		text[5 + n] = 0;
		memset(text + 5, 'p', (size_t)n);
		r = net_addr_parse(&a, text, -1, &e);
		check_int(r, n < (int)sizeof ((struct sockaddr_un *)0)->sun_path ? 0 : -1);
		if (r == 0)
			check(strcmp(net_addr_format(&a, z), text) == 0);
	}
}

void
test_net_addr__the_default_is_the_users_own(void)
{
	struct net_addr a;
	char want[100], long_dir[200];
	snprintf(want, sizeof want, "/tmp/kq-%u.sock", (unsigned)getuid());
	memset(long_dir, 'x', sizeof long_dir - 1);
	long_dir[sizeof long_dir - 1] = 0;
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	net_addr_default(&a);
	check(a.kind == NET_UNIX && strcmp(a.host, "/run/user/7/kq.sock") == 0);
	setenv("XDG_RUNTIME_DIR", "", 1);
	net_addr_default(&a);
	check(strcmp(a.host, want) == 0);
	setenv("XDG_RUNTIME_DIR", long_dir, 1); /* longer than a socket's path can be */
	net_addr_default(&a);
	check(strcmp(a.host, want) == 0);
	unsetenv("XDG_RUNTIME_DIR");
	net_addr_default(&a);
	check(strcmp(a.host, want) == 0);
}

static int
accept_soon(int fd, bool is_unix)
{
	struct pollfd p = { fd, POLLIN, 0 };
	check_int(poll(&p, 1, 5000), 1);
	int c = net_accept(fd, is_unix);
	check(c >= 0);
	return c;
}

/* Bytes pass through a connection, and its descriptors have the promised flags. */
static void
talk(int client, int server)
{
	const int fd[] = { client, server };
	for (int i = 0; i < 2; i++) {
		char got[4] = "";
		check(fcntl(fd[i], F_GETFL) & O_NONBLOCK);
		check(fcntl(fd[i], F_GETFD) & FD_CLOEXEC);
		check(read(fd[i], got, 3) < 0 && errno == EAGAIN);
		check_int(write(fd[!i], "abc", 3), 3);
		struct pollfd p = { fd[i], POLLIN, 0 };
		check_int(poll(&p, 1, 5000), 1);
		check_int(read(fd[i], got, 3), 3);
		check(strcmp(got, "abc") == 0);
	}
	close(client);
	close(server);
}

void
test_net__a_unix_socket_carries_bytes(void)
{
	struct err e;
	struct net_addr a = addr("unix:s"), local;
	struct stat st;
	char z[NET_TEXT_SIZE];
	int fd, c, s;
	must(fd = net_listen(&a, 10, false, &e));
	check_int(net_accept(fd, true), -1); /* no connection yet; it does not wait */
	check(stat("s", &st) == 0 && (st.st_mode & 0777) == 0600);
	must(c = net_connect(&a, 1000, &e));
	s = accept_soon(fd, true);
	check(strcmp(net_peer_name(s, z), "unix") == 0);
	check(!net_local_addr(s, &local));
	talk(c, s);
	close(fd);
}

void
test_net__a_dead_socket_file_is_replaced(void)
{
	struct err e;
	struct net_addr a = addr("unix:s");
	int fd, c;
	must(fd = net_listen(&a, 10, false, &e));
	close(fd); /* the file stays, as after a crash */
	check(access("s", F_OK) == 0);
	check_int(net_connect(&a, 100, &e), -1);
	check_int(e.class, ERR_RETRY);
	check_int(e.sys, ECONNREFUSED);
	must(fd = net_listen(&a, 10, false, &e));
	must(c = net_connect(&a, 1000, &e));
	talk(c, accept_soon(fd, true));
	close(fd);
}

void
test_net__a_live_socket_file_is_refused(void)
{
	struct err e;
	struct net_addr a = addr("unix:s"), other = addr("unix:d");
	int fd, c[20], n = 0;
	must(fd = net_listen(&a, 0, false, &e));
	check_int(net_listen(&a, 10, false, &e), -1);
	check_int(e.class, ERR_LIMIT);
	check(strstr(e.msg, "unix:s") && strstr(e.msg, "is listening there"));
	close(accept_soon(fd, true)); /* the check connected to it */
	while (n < 20 && (c[n] = net_connect(&a, 10, &e)) >= 0)
		n++;
	check(n < 20); /* its backlog is full: in use, but busy */
	check_int(net_listen(&a, 10, false, &e), -1);
	check_int(e.class, ERR_LIMIT);
	while (n > 0)
		talk(c[--n], accept_soon(fd, true)); /* it still belongs to the first listener */
	close(fd);

	/* In use, but a socket of another type. */
	struct sockaddr_un un = { AF_UNIX, "d" };
	check((fd = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0);
	check(bind(fd, (struct sockaddr *)&un, sizeof un) == 0);
	check_int(net_listen(&other, 10, false, &e), -1);
	check_int(e.class, ERR_LIMIT);
	check(access("d", F_OK) == 0);
	close(fd);
}

void
test_net__a_file_that_is_no_socket_stays(void)
{
	struct err e;
	struct net_addr a = addr("unix:s");
	FILE *f = fopen("s", "w");
	check(f && fputs("mine", f) >= 0 && fclose(f) == 0);
	check_int(net_listen(&a, 10, false, &e), -1);
	check_int(e.class, ERR_LIMIT);
	check(strstr(e.msg, "a file, not a socket") != NULL);
	struct stat st;
	check(stat("s", &st) == 0 && st.st_size == 4);
	check(unlink("s") == 0 && symlink("elsewhere", "s") == 0);
	check_int(net_listen(&a, 10, false, &e), -1);
	check(lstat("s", &st) == 0 && S_ISLNK(st.st_mode));
	check(unlink("s") == 0 && mkdir("s", 0700) == 0);
	check_int(net_listen(&a, 10, false, &e), -1);
	check(stat("s", &st) == 0 && S_ISDIR(st.st_mode));
	a = addr("unix:no/such/folder");
	check_int(net_listen(&a, 10, false, &e), -1);
	check_int(e.class, ERR_SYS);
	check_int(e.sys, ENOENT);
}

void
test_net__port_0_is_told(void)
{
	struct err e;
	struct net_addr a = addr("127.0.0.1:0"), local;
	char z[NET_TEXT_SIZE], want[NET_TEXT_SIZE];
	int fd, c, s;
	must(fd = net_listen(&a, 10, false, &e));
	check(a.port > 0);
	check_int(net_accept(fd, false), -1);
	must(c = net_connect(&a, 1000, &e));
	s = accept_soon(fd, false);
	check(net_local_addr(s, &local));
	check(memcmp(&local, &a, sizeof a) == 0);
	check(net_local_addr(c, &local));
	check(strcmp(net_peer_name(s, z), net_addr_format(&local, want)) == 0);
	check(strcmp(net_peer_name(c, z), net_addr_format(&a, want)) == 0);
	talk(c, s);
	close(fd);
}

void
test_net__a_taken_port_is_refused_unless_shared(void)
{
	struct err e;
	struct net_addr a = addr("127.0.0.1:0"), b = addr("127.0.0.1:0");
	int fd[3];
	must(fd[0] = net_listen(&a, 10, false, &e));
	check_int(net_listen(&a, 10, false, &e), -1);
	check_int(e.sys, EADDRINUSE);
	check_int(net_listen(&a, 10, true, &e), -1); /* the first one does not share its port */
	must(fd[1] = net_listen(&b, 10, true, &e));
	must(fd[2] = net_listen(&b, 10, true, &e));
	check_int(net_listen(&b, 10, false, &e), -1);
	check(b.port != a.port);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

void
test_net__nobody_there_may_be_tried_again(void)
{
	struct err e;
	struct net_addr a = addr("127.0.0.1:0"), none = addr("unix:none");
	char z[NET_TEXT_SIZE];
	int fd;
	must(fd = net_listen(&a, 10, false, &e));
	close(fd); /* now the port is free */
	check_int(net_connect(&a, 1000, &e), -1);
	check_int(e.class, ERR_RETRY);
	check_int(e.sys, ECONNREFUSED);
	check(strstr(e.msg, net_addr_format(&a, z)) != NULL);
	check_int(net_connect(&none, 1000, &e), -1);
	check_int(e.class, ERR_RETRY);
	check_int(e.sys, ENOENT);
	a = addr("300.1.1.1.1:1"); /* neither an address nor a host name */
	strcpy(a.host, "no such host");
	check_int(net_connect(&a, 1000, &e), -1);
	check(e.class == ERR_USAGE || e.class == ERR_RETRY); /* RETRY: no resolver */
	check(strstr(e.msg, "no such host") != NULL);
	check_int(net_listen(&a, 10, false, &e), -1);
}

/* Connect until the backlog is full; the next connect must give up in time. */
static void
fill(const struct net_addr *a, int want_sys)
{
	struct err e;
	for (int n = 0; n < 20; n++) {
		int64_t start = clock_mono_ms();
		if (net_connect(a, 150, &e) >= 0)
			continue;
		int64_t took = clock_mono_ms() - start;
		check_int(e.class, ERR_RETRY);
		check_int(e.sys, want_sys);
		check(took >= 150 && took < 5000);
		return;
	}
	tap_fail(__FILE__, __LINE__, "the backlog never fills");
}

void
test_net__nobody_answering_takes_as_long_as_allowed(void)
{
	struct err e;
	struct net_addr a = addr("127.0.0.1:0"), u = addr("unix:s");
	int fd;
	must(fd = net_listen(&a, 0, false, &e));
	fill(&a, ETIMEDOUT);
	close(fd);
	must(fd = net_listen(&u, 0, false, &e));
	fill(&u, EAGAIN);
	close(fd);
}

void
test_net__no_descriptors_left_is_told(void)
{
	struct err e;
	struct net_addr a = addr("unix:s");
	struct rlimit few;
	int fd, c, s;
	must(fd = net_listen(&a, 10, false, &e));
	must(c = net_connect(&a, 1000, &e));
	check(getrlimit(RLIMIT_NOFILE, &few) == 0);
	few.rlim_cur = (rlim_t)c + 1;
	check(setrlimit(RLIMIT_NOFILE, &few) == 0);
	check_int(net_accept(fd, true), -2);
	check_int(net_connect(&a, 1000, &e), -1);
	check_int(e.sys, EMFILE);
	few.rlim_cur = (rlim_t)c + 10;
	check(setrlimit(RLIMIT_NOFILE, &few) == 0);
	s = accept_soon(fd, true); /* it waited in the backlog */
	talk(c, s);
	close(fd);
}
