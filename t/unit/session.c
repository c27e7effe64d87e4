#include "tap.h"

#include "kq-broker/request.c"
#include "kq-broker/session.c"

#include "proto.h"

#include <errno.h>
#include <sys/socket.h>

/* A client at one end of a socket; at the other a session whose handler keeps
 * the requests for the test to answer. */
static struct loop loop;
static struct session_limits limits = { .idle_max_ms = 60000, .frame_size_max = 1 << 20,
	.nsession_max = 2, .budget.used_max = 1 << 20 };
static struct sessions sessions;
static struct request *kept[256];
static int nkept, nemptied;
static int client = -1;

static int
keep(struct request *rq, struct err *e)
{
	if (!request_decode_header(rq))
		return err_set(e, ERR_CORRUPT, "the header is malformed");
	rq->wire = wire_api_find(rq->header.api_key);
	if (!rq->wire || !request_decode_body(rq))
		return err_set(e, ERR_CORRUPT, "the body is malformed");
	kept[nkept++] = rq;
	return 0;
}

static void
count_emptied(struct sessions *which)
{
	check(which == &sessions);
	nemptied++;
}

static void
flush_all(struct loop *which)
{
	check(which == &loop);
	sessions_flush(&sessions);
}

static void
stop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(&loop);
}

/* Let the loop handle all that has happened. */
static void
turn(void)
{
	struct loop_timer timer = { .fn = stop };
	loop.is_stopped = false;
	loop_timer_set(&loop, &timer, loop.now_ms + 2);
	loop_run(&loop);
}

static void
open_one(void)
{
	struct err e;
	int fd[2];
	static const struct net_addr here = { .kind = NET_UNIX };
	if (!sessions.loop) {
		check_int(loop_init(&loop, &e), 0);
		loop.before_wait = flush_all;
		sessions.loop = &loop;
		sessions.limits = &limits;
		sessions.handle = keep;
		sessions.emptied = count_emptied;
		sessions_init(&sessions, 1 << 16);
	}
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	client = fd[0];
	session_open(&sessions, fd[1], &here);
}

/* Send a Heartbeat request. */
static void
ask(int32_t id)
{
	struct buf b = BUF_INIT;
	const struct wire_api *api = wire_api_find(API_HEARTBEAT);
	struct request_header header = { API_HEARTBEAT, 0, id, STR("t") };
	struct heartbeat_request q = { .group_id = STR("g"), .member_id = STR("m") };
	size_t at = frame_begin_request(&b, api, &header);
	wire_encode(api->request, 0, false, &q, &b);
	frame_end(&b, at, 0);
	check_int(write(client, b.p, b.n), (long long)b.n);
	buf_release(&b);
	turn();
}

static void
answer(struct request *rq)
{
	struct heartbeat_response r = { .error_code = 0 };
	request_respond(rq, &r);
}

/* The id of the next answer; -1: none yet; -2: the connection is closed. */
static int
answered(void)
{
	uint8_t p[10]; /* length, id, error */
	turn();
	ssize_t n = read(client, p, sizeof p);
	if (n <= 0)
		return n == 0 || errno != EAGAIN ? -2 : -1;
	check_int(n, sizeof p);
	return (int)load_be32(p + 4);
}

void
test_session__answers_go_out_in_the_order_of_the_requests(void)
{
	open_one();
	for (int i = 0; i < 3; i++)
		ask(i);
	check_int(nkept, 3);
	answer(kept[2]);
	check_int(answered(), -1);
	answer(kept[0]);
	check_int(answered(), 0);
	check_int(answered(), -1);
	request_drop(kept[1]);
	check_int(answered(), 2);
	check_int(sessions.requests.nfree, 3);
}

void
test_session__closes_where_a_request_says_so(void)
{
	open_one();
	ask(0);
	ask(1);
	request_close(kept[1]);
	check_int(answered(), -1);
	answer(kept[0]);
	check_int(answered(), 0);
	check_int(answered(), -2);
	check_int(nemptied, 1);
	check_int(limits.nsession, 0);
	check_int(limits.budget.used, 0);
}

void
test_session__a_refused_frame_closes_it_at_once(void)
{
	open_one();
	ask(0);
	check_int(write(client, "\0\0\0\1x", 5), 5);
	check_int(answered(), -2);
	answer(kept[0]); /* without a session */
	check_int(sessions.requests.nfree, 2);
}

void
test_session__a_frame_beyond_the_limit_is_refused(void)
{
	open_one();
	check_int(write(client, "\1\0\0\0", 4), 4);
	check_int(answered(), -2);
}

void
test_session__reads_no_more_behind_too_many_requests(void)
{
	open_one();
	for (int i = 0; i < 130; i++)
		ask(i);
	check_int(nkept, 128);
	answer(kept[0]);
	check_int(answered(), 0);
	check_int(nkept, 129);
}

void
test_session__one_too_many_is_refused(void)
{
	open_one();
	open_one();
	int second = client;
	open_one();
	check_int(answered(), -2);
	client = second;
	ask(7);
	answer(kept[0]);
	check_int(answered(), 7);
}

void
test_session__draining_answers_what_was_asked(void)
{
	open_one();
	ask(0);
	sessions_drain(&sessions);
	check_int(answered(), -1);
	answer(kept[0]);
	check_int(answered(), 0);
	check_int(answered(), -2);
	check_int(nemptied, 1);
	sessions_release(&sessions);
}

/* ---- requests away from their session ---- */

void
test_request__away_it_has_a_copy_of_the_frame(void)
{
	open_one();
	ask(5);
	struct request *rq = kept[0];
	check(request_leave(rq) == 0 && rq->is_away && !rq->body);
	memset(sessions.input[0].p, 0xff, sessions.input[0].cap); /* given back */
	check(request_decode_header(rq) && request_decode_body(rq));
	check(str_eq(((struct heartbeat_request *)rq->body)->group_id, STR("g")));
	check_int(rq->header.correlation_id, 5);
	answer(rq);
	check(!rq->is_done); /* until the session's thread runs */
	check_int(answered(), 5);
}

void
test_request__it_may_outlive_its_session(void)
{
	open_one();
	ask(0);
	check(request_leave(kept[0]) == 0);
	close(client);
	turn();
	check_int(nemptied, 1);
	answer(kept[0]);
	turn();
	check_int(sessions.requests.nfree, 1);
}

void
test_request__does_not_leave_beyond_the_budget(void)
{
	open_one();
	ask(0);
	struct request *rq = kept[0];
	static uint8_t large[8192];
	limits.budget.used_max = limits.budget.used + 8192;
	rq->raw = (struct str){ large, sizeof large };
	check(request_leave(rq) > sizeof large && !rq->is_away);
	limits.budget.used_max += 65536;
	check(request_leave(rq) == 0);
	check_int(rq->frame.n, sizeof large);
	int64_t used = limits.budget.used;
	answer(rq);
	check_int(answered(), 0);
	check(limits.budget.used <= used - (int64_t)sizeof large);
}
