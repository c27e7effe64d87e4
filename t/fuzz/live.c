/*
 * A hostile client for a live broker: random requests that can be decoded,
 * made from the protocol's tables, pipelined over a few connections, some of
 * which are dropped at any moment.
 *
 *   fuzz-live [--seed N] [--seconds N] [--connections N] ADDRESS
 *
 * Every answer must belong to the oldest request of its connection, and the
 * tables must be able to decode it.  The broker may close a connection, and may be
 * unreachable for a while (the caller kills and restarts it), but it may not send
 * anything else, or leave a request without an answer.  Exit codes: 0 no fault,
 * 1 a fault.
 *
 *   live.c       connections, answers
 *   live_make.c  requests
 */
#include "live.h"

#include "sys/clock.h"
#include "sys/net.h"
#include "sys/rand.h"
#include "text/opt.h"
#include "text/say.h"
#include "wire/frame.h"
#include "wire/kerr.h"
#include "proto.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNS_MAX = 64,
	PIPE_MAX = 24,        /* unanswered requests of a connection */
	PARKED_MS = 400,      /* how long to wait for an answer that may be parked */
	ANSWER_MS = 30000,    /* how long to wait for any other answer */
	GONE_MS = 60000,      /* how long the broker may be unreachable: a restart */
	ANSWER_SIZE_MAX = 128 << 20,
};

struct asked {
	int32_t correlation_id;
	const struct wire_api *api;
	int16_t version;
	bool is_silent;
	struct live_scene scene;
};

struct conn {
	int fd;                /* -1: none */
	struct buf in, out;
	size_t at_out;
	struct asked asked[PIPE_MAX];
	int nasked;
	int64_t moved_ms;      /* when the oldest request became the oldest */
	int depth;             /* most unanswered requests, this time */
};

static struct live live;
static struct conn conns[CONNS_MAX];
static int64_t seed = -1, seconds = 10, nconn = 6;
static bool is_trace;
static int64_t nanswer, nclosed, ndropped, ngone;
static int64_t ncode[256]; /* number of answers by error code, from -1 */
static int64_t slowest_ms[LIVE_KEYS]; /* since the request was the oldest */
static int64_t gone_since_ms = -1;
static int32_t last_id;
static const struct net_addr *broker;

static _Noreturn void
fail(const struct conn *c, const char *what)
{
	const struct asked *a = c && c->nasked ? &c->asked[0] : NULL;
	say_error("seed %lld: %s%s%s", (long long)seed, what, a ? "; asked was " : "",
		a ? a->api->name : "");
	if (a)
		fprintf(stderr, "version %d, %d under way\n", a->version, c->nasked);
	exit(EXIT_FAILED);
}

/* ---- connections ---- */

static void
drop(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->nasked = 0;
	c->at_out = 0;
	buf_reset(&c->in);
	buf_reset(&c->out);
}

static void
closed_by_broker(struct conn *c)
{
	nclosed++;
	if (is_trace && c->nasked)
		fprintf(stderr, "closed at %s %d\n", c->asked[0].api->name, c->asked[0].version);
	drop(c);
}

static void
ensure_open(struct conn *c)
{
	struct err e = { 0 };
	if (c->fd >= 0)
		return;
	c->fd = net_connect(broker, 1000, &e);
	int64_t now_ms = clock_mono_ms();
	if (c->fd >= 0) {
		gone_since_ms = -1;
		c->depth = (int)live_below(&live, 3) ? 1 + (int)live_below(&live, PIPE_MAX) : 1;
		return;
	}
	ngone++;
	if (gone_since_ms < 0)
		gone_since_ms = now_ms;
	if (now_ms - gone_since_ms > GONE_MS)
		fail(NULL, "nobody listens");
	usleep(20000);
}

/* ---- asking ---- */

static void
ask(struct conn *c)
{
	struct asked *a = &c->asked[c->nasked];
	struct live_request r;
	live_make(&live, &r);
	*a = (struct asked){ ++last_id, r.api, r.version, r.is_silent, r.scene };
	if (!c->nasked)
		c->moved_ms = clock_mono_ms();
	struct request_header h = { r.api->key, r.version, a->correlation_id,
		live_below(&live, 20) ? STR("hostile") : STR_NULL };
	size_t at = frame_begin_request(&c->out, r.api, &h);
	wire_encode(r.api->request, r.version, wire_api_is_flexible(r.api, r.version), r.body,
		&c->out);
	frame_end(&c->out, at, 0);
	if (is_trace) {
		struct buf b = BUF_INIT;
		wire_dump(r.api->request, r.version, r.body, &b);
		fprintf(stderr, "%d %s %d %.*s\n", a->correlation_id, r.api->name, r.version,
			(int)MIN(b.n, 2000), (const char *)b.p);
		buf_release(&b);
	}
	live.nmade[r.api->key]++;
	c->nasked++;
}

static void
send_out(struct conn *c)
{
	ssize_t n = send(c->fd, c->out.p + c->at_out, c->out.n - c->at_out, MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		closed_by_broker(c);
		return;
	}
	c->at_out += (size_t)n;
	if (c->at_out == c->out.n) {
		c->at_out = 0;
		buf_reset(&c->out);
	}
}

/* ---- answers ---- */

static void
pop(struct conn *c, int n)
{
	c->nasked -= n;
	memmove(c->asked, c->asked + n, (size_t)c->nasked * sizeof *c->asked);
	c->moved_ms = clock_mono_ms();
}

static void
count_codes(const struct wire_struct *d, int16_t version, const void *msg)
{
	for (int i = 0; i < d->nfield; i++)
		if (strcmp(d->field[i].name, "error_code") == 0 && version >= d->field[i].from) {
			int16_t code;
			memcpy(&code, (const char *)msg + d->field[i].off, 2);
			if (code < -1 || code > 200)
				fail(NULL, "an error code that Kafka does not have");
			ncode[code + 1]++;
		}
}

static void
take_answer(struct conn *c, const uint8_t *p, size_t n)
{
	int32_t id;
	while (c->nasked && c->asked[0].is_silent)
		pop(c, 1);
	if (!c->nasked)
		fail(c, "an answer that nobody asked for");
	struct asked *a = &c->asked[0];
	int64_t used = response_header_decode(a->api, a->version, p, n, &id);
	if (used < 0)
		fail(c, "an answer with a malformed header");
	if (id != a->correlation_id)
		fail(c, "an answer to another request than the oldest");
	struct arena arena = ARENA_INIT;
	void *msg = arena_alloc(&arena, a->api->response->size);
	size_t head = 4 + (size_t)used;
	if (wire_decode(a->api->response, a->version, wire_api_is_flexible(a->api, a->version),
		p + head, n - head, &arena, msg) != (int64_t)(n - head))
		fail(c, "an answer that the tables can't decode");
	count_codes(a->api->response, a->version, msg);
	live_learn(&live, &a->scene, a->api, a->version, msg);
	arena_release(&arena);
	nanswer++;
	int64_t took_ms = clock_mono_ms() - c->moved_ms;
	slowest_ms[a->api->key] = MAX(slowest_ms[a->api->key], took_ms);
	pop(c, 1);
}

static void
take_answers(struct conn *c)
{
	size_t at = 0;
	while (c->in.n - at >= 4) {
		size_t n = load_be32(c->in.p + at);
		if (n > ANSWER_SIZE_MAX)
			fail(c, "an answer of too many bytes");
		if (c->in.n - at - 4 < n)
			break;
		take_answer(c, c->in.p + at + 4, n);
		at += 4 + n;
	}
	if (at && c->in.n > at)
		memmove(c->in.p, c->in.p + at, c->in.n - at);
	c->in.n -= at;
}

static void
receive(struct conn *c)
{
	buf_reserve(&c->in, 65536);
	ssize_t n = recv(c->fd, c->in.p + c->in.n, 65536, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		closed_by_broker(c);
		return;
	}
	c->in.n += (size_t)n;
	take_answers(c);
}

/* ---- the run ---- */

static bool
may_park(const struct asked *a)
{
	return a->api->key == API_FETCH || a->api->key == API_JOIN_GROUP
		|| a->api->key == API_SYNC_GROUP;
}

/* Give up on a request that has waited too long. */
static void
look(struct conn *c, int64_t now_ms)
{
	if (!c->nasked)
		return;
	if (c->asked[0].is_silent && c->nasked > 1 && c->out.n == 0)
		return; /* the answer to the next request shows that it was done */
	int64_t waited_ms = now_ms - c->moved_ms;
	if (may_park(&c->asked[0]) && waited_ms > PARKED_MS) {
		ndropped++;
		drop(c);
	} else if (c->asked[0].is_silent && c->nasked == 1 && c->out.n == 0) {
		pop(c, 1);
	} else if (waited_ms > ANSWER_MS && !c->asked[0].is_silent) {
		fail(c, "no answer");
	}
}

static void
step(struct conn *c, short revents)
{
	if (revents & (POLLIN | POLLHUP | POLLERR))
		receive(c);
	if (c->fd < 0)
		return;
	while (c->nasked < c->depth && c->out.n < 1 << 20 && live_below(&live, 8))
		ask(c);
	if (c->out.n)
		send_out(c);
	if (c->fd >= 0 && live_below(&live, 300) == 0) {
		ndropped++;
		drop(c);
	}
}

static void
run(int64_t end_ms)
{
	struct pollfd p[CONNS_MAX];
	while (clock_mono_ms() < end_ms) {
		for (int i = 0; i < nconn; i++) {
			ensure_open(&conns[i]);
			p[i] = (struct pollfd){ conns[i].fd, POLLIN, 0 };
			if (conns[i].out.n || conns[i].nasked < conns[i].depth)
				p[i].events |= POLLOUT;
		}
		poll(p, (nfds_t)nconn, 20);
		int64_t now_ms = clock_mono_ms();
		for (int i = 0; i < nconn; i++)
			if (conns[i].fd >= 0) {
				step(&conns[i], p[i].revents);
				if (conns[i].fd >= 0)
					look(&conns[i], now_ms);
			}
	}
}

static void
report(void)
{
	printf("# %lld answers, %lld connections closed by the broker, %lld by us, "
		"%lld refused\n# asked:",
		(long long)nanswer, (long long)nclosed, (long long)ndropped, (long long)ngone);
	for (int i = 0; i < LIVE_KEYS; i++)
		if (live.nmade[i])
			printf(" %s %lld", wire_api_find((int16_t)i)->name, (long long)live.nmade[i]);
	printf("\n# slowest, ms:");
	for (int i = 0; i < LIVE_KEYS; i++)
		if (slowest_ms[i])
			printf(" %s %lld", wire_api_find((int16_t)i)->name, (long long)slowest_ms[i]);
	printf("\n# told:");
	for (int i = 0; i < (int)ARRAY_LEN(ncode); i++)
		if (ncode[i])
			printf(" %s %lld", kerr_info((int16_t)(i - 1))->name, (long long)ncode[i]);
	printf("\n");
}

static const struct opt opts[] = {
	OPT_INT('s', "seed", &seed, "N", 0, 0, "what chance begins with"),
	OPT_INT('t', "seconds", &seconds, "N", 1, 1000000, "how long"),
	OPT_INT('c', "connections", &nconn, "N", 1, CONNS_MAX, "how many"),
	OPT_BOOL(0, "trace", &is_trace, "tell each request"),
	OPT_END
};

static const struct opt_command command = {
	.operands = "ADDRESS",
	.phrase = "ask a broker random things",
	.opts = opts,
};

int
main(int argc, char **argv)
{
	struct opt_result r;
	struct err e = { 0 };
	struct net_addr addr;
	say_init(argv[0]);
	int done = opt_parse(&command, argc, argv, &r, &e);
	if (done > 0)
		return EXIT_DONE;
	if (done < 0 || r.argc != 1 || net_addr_parse(&addr, r.argv[0], 9092, &e) < 0) {
		say_error("%s", done == 0 && r.argc != 1 ? "which broker?" : e.msg);
		return EXIT_USAGE;
	}
	broker = &addr;
	uint32_t word;
	rand_bytes(&word, sizeof word);
	if (seed < 0)
		seed = word;
	printf("# seed %lld\n", (long long)seed);
	fflush(stdout);
	live_init(&live, (uint64_t)seed);
	for (int i = 0; i < CONNS_MAX; i++)
		conns[i].fd = -1;
	run(clock_mono_ms() + seconds * 1000);
	report();
	return nanswer ? EXIT_DONE : EXIT_FAILED;
}
