/*
 * What the programs of `make bench` share: sockets and frames.  All calls block;
 * any failure ends the program.
 */
#ifndef KQ_BENCH_TALK_H
#define KQ_BENCH_TALK_H

#include "base/mem.h"
#include "base/varint.h"
#include "sys/clock.h"
#include "sys/net.h"
#include "text/say.h"
#include "wire/frame.h"
#include "wire/kerr.h"

#include "proto.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline _Noreturn void
die(const char *what)
{
	say_error("%s: %s", what, strerror(errno));
	exit(EXIT_FAILED);
}

static inline void
must(int r, const struct err *e)
{
	if (r >= 0)
		return;
	say_error("%s", e->msg);
	exit(EXIT_FAILED);
}

static inline void
make_blocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0)
		die("fcntl");
}

static inline int
dial(const char *text)
{
	struct net_addr a;
	struct err e;
	must(net_addr_parse(&a, text, -1, &e), &e);
	int fd = net_connect(&a, 5000, &e);
	must(fd, &e);
	make_blocking(fd);
	return fd;
}

static inline void
send_all(int fd, const void *p, size_t n)
{
	for (const char *at = p; n > 0;) {
		ssize_t k = send(fd, at, n, MSG_NOSIGNAL);
		if (k < 0)
			die("send");
		at += k;
		n -= (size_t)k;
	}
}

static inline void
recv_all(int fd, void *p, size_t n)
{
	if (n && recv(fd, p, n, MSG_WAITALL) != (ssize_t)n)
		die("recv");
}

static inline double
since_s(int64_t start_ns)
{
	return (double)(clock_mono_ns() - start_ns) / 1e9;
}

static inline int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static inline void
print_percentiles(int64_t *ns, int n)
{
	qsort(ns, (size_t)n, sizeof *ns, by_value);
	printf("%.2f %.2f\n", (double)ns[n / 2] / 1e3, (double)ns[n * 99 / 100] / 1e3);
}

static inline void
put_request(struct buf *b, int16_t key, int16_t version, const void *msg)
{
	const struct wire_api *api = wire_api_find(key);
	struct request_header h = { key, version, 1, STR("load") };
	size_t at = frame_begin_request(b, api, &h);
	wire_encode(api->request, version, wire_api_is_flexible(api, version), msg, b);
	frame_end(b, at, 0);
}

/* Read one response into b (its frame without the length). */
static inline void
get_response(int fd, struct buf *b)
{
	uint8_t size[4];
	recv_all(fd, size, 4);
	buf_reset(b);
	recv_all(fd, buf_grow(b, load_be32(size)), load_be32(size));
}

#endif
