/* A connection to a peer that sends prepared bytes. */
#include "tap.h"

#include "client/conn.h"
#include "sys/clock.h"

#include "proto.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>


static const struct conn_opts opts = { "test", 2000, 2000, 1 << 20 };
static const struct net_addr addr = { .kind = NET_UNIX, .host = "peer" };

static int peer = -1;

static int
new_pair(void)
{
	int fd[2];
	check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	peer = fd[1];
	return fd[0];
}

static void
say(const struct buf *b)
{
	check_int(write(peer, b->p, b->n), (long long)b->n);
}

static void
say_response(int16_t key, int16_t version, int32_t id, const void *msg)
{
	const struct wire_api *api = wire_api_find(key);
	struct buf b = BUF_INIT;
	size_t at = frame_begin_response(&b, api, version, id);
	wire_encode(api->response, version, wire_api_is_flexible(api, version), msg, &b);
	frame_end(&b, at, 0);
	say(&b);
	buf_release(&b);
}

static void
say_versions(int16_t version, int32_t id, int16_t error)
{
	static struct api_versions_response_api keys[] = {
		{ 0, 0, 9 }, { 1, 4, 11 }, { 3, 0, 4 }, { 18, 0, 2 }, { -7, 1, 1 }, { 3000, 1, 1 },
	};
	struct api_versions_response r;
	wire_defaults(&api_versions_response_desc, &r);
	r.error_code = error;
	r.api_keys.v = keys;
	r.api_keys.n = ARRAY_LEN(keys);
	say_response(API_API_VERSIONS, version, id, &r);
}

static struct conn *
open_conn(void)
{
	struct err e = { .class = ERR_NONE };
	int fd = new_pair();
	say_versions(3, 0, 0);
	struct conn *c = conn_open_fd(fd, &addr, &opts, &e);
	check(c != NULL);
	return c;
}

static void
close_conn(struct conn *c)
{
	struct err e;
	err_set(&e, ERR_RETRY, "closing");
	conn_free(c, &e);
	close(peer);
}

struct seen {
	struct call call;
	int n;
	bool has_body;
	size_t size;
	struct err err;
};

static void
seen_done(struct call *call, const struct reply *r)
{
	struct seen *s = CONTAINER_OF(call, struct seen, call);
	s->n++;
	s->has_body = r->body != NULL;
	s->size = r->n;
	s->err = *r->err;
}

static void
ask(struct conn *c, struct seen *s, int timeout_ms)
{
	struct metadata_request q;
	wire_defaults(&metadata_request_desc, &q);
	q.topics.n = -1;
	*s = (struct seen){ .n = 0 };
	call_init(&s->call);
	conn_send(c, &s->call, wire_api_find(API_METADATA), 4, &q, timeout_ms, seen_done);
}

static void
say_metadata(int32_t id)
{
	struct metadata_response r;
	wire_defaults(&metadata_response_desc, &r);
	say_response(API_METADATA, 4, id, &r);
}

void
test_conn__learns_the_versions_of_the_peer(void)
{
	struct err e;
	struct conn *c = open_conn();
	check_int(conn_version(c, wire_api_find(API_METADATA), INT16_MAX, &e), 4);
	check_int(conn_version(c, wire_api_find(API_METADATA), 2, &e), 2);
	check_int(conn_version(c, wire_api_find(API_FETCH), INT16_MAX, &e), 11);
	check_int(conn_version(c, wire_api_find(API_FETCH), 3, &e), -1);
	check_int(e.class, ERR_PEER);
	check_int(conn_version(c, wire_api_find(API_CREATE_TOPICS), INT16_MAX, &e), -1);
	check_int(e.kafka, KERR_UNSUPPORTED_VERSION);
	close_conn(c);
}

void
test_conn__asks_again_in_version_0_when_told_so(void)
{
	struct err e;
	int fd = new_pair();
	pid_t pid = fork();
	if (pid == 0) { /* the peer: one response after each request */
		char junk[256];
		fcntl(peer, F_SETFL, 0);
		check(read(peer, junk, sizeof junk) > 0);
		say_versions(0, 0, KERR_UNSUPPORTED_VERSION);
		check(read(peer, junk, sizeof junk) > 0);
		say_versions(0, 1, 0);
		_exit(0);
	}
	struct conn *c = conn_open_fd(fd, &addr, &opts, &e);
	check(c != NULL);
	check_int(conn_version(c, wire_api_find(API_METADATA), INT16_MAX, &e), 4);
	close_conn(c);
	int status;
	check_int(waitpid(pid, &status, 0), pid);
	check_int(status, 0);
}

void
test_conn__does_not_open_on_an_error_or_a_closed_peer(void)
{
	struct err e;
	int fd = new_pair();
	say_versions(3, 0, KERR_CLUSTER_AUTHORIZATION_FAILED);
	check(!conn_open_fd(fd, &addr, &opts, &e));
	check_int(e.class, ERR_PEER);
	close(peer);
	fd = new_pair();
	close(peer);
	check(!conn_open_fd(fd, &addr, &opts, &e));
	check_int(e.class, ERR_RETRY);
}

void
test_conn__gives_up_on_a_silent_peer(void)
{
	struct err e;
	struct conn_opts quick = opts;
	quick.connect_timeout_ms = 30;
	int fd = new_pair();
	check(!conn_open_fd(fd, &addr, &quick, &e));
	check_int(e.class, ERR_RETRY);
	close(peer);
}

void
test_conn__matches_pipelined_answers_in_order(void)
{
	struct conn *c = open_conn();
	struct seen s[3];
	for (int i = 0; i < 3; i++) {
		ask(c, &s[i], 1000);
		say_metadata(1 + i);
	}
	check_int(c->nwaiting, 3);
	check(conn_work(c, clock_mono_ms()));
	check_int(c->nwaiting, 0);
	for (int i = 0; i < 3; i++) {
		check_int(s[i].n, 1);
		check(s[i].has_body);
		check(s[i].call.is_sent);
		call_release(&s[i].call);
	}
	close_conn(c);
}

void
test_conn__an_answer_may_come_byte_by_byte(void)
{
	struct conn *c = open_conn();
	struct seen s;
	struct buf b = BUF_INIT;
	struct metadata_response r;
	const struct wire_api *api = wire_api_find(API_METADATA);
	wire_defaults(&metadata_response_desc, &r);
	size_t at = frame_begin_response(&b, api, 4, 1);
	wire_encode(api->response, 4, false, &r, &b);
	frame_end(&b, at, 0);
	ask(c, &s, 1000);
	for (size_t i = 0; i < b.n; i++) {
		check_int(s.n, 0);
		check_int(write(peer, b.p + i, 1), 1);
		check(conn_work(c, clock_mono_ms()));
	}
	check_int(s.n, 1);
	check(s.has_body);
	buf_release(&b);
	call_release(&s.call);
	close_conn(c);
}

void
test_conn__a_request_larger_than_the_socket_goes_out_in_parts(void)
{
	struct conn *c = open_conn();
	struct seen s[2];
	static char drain[1 << 20];
	size_t big = 8 << 20, got = 0;
	uint8_t *p = mem_alloc(big);
	struct iovec iov[3] = { { p, 10 }, { p + 10, big - 10 }, { p, 0 } };
	struct err e;
	s[0] = (struct seen){ .n = 0 };
	call_init(&s[0].call);
	while (read(peer, drain, sizeof drain) > 0)
		;
	conn_send_iov(c, &s[0].call, wire_api_find(API_METADATA), 4, iov, 3, 5000, seen_done);
	ask(c, &s[1], 5000);
	while (c->out.next != &c->out) {
		check(conn_work(c, clock_mono_ms()));
		ssize_t n = read(peer, drain, sizeof drain);
		got += n > 0 ? (size_t)n : 0;
	}
	for (ssize_t n; (n = read(peer, drain, sizeof drain)) > 0;)
		got += (size_t)n;
	check_int(got, big + s[1].call.buf.n);
	check_int(s[0].n, 0);
	err_set(&e, ERR_RETRY, "over");
	conn_free(c, &e);
	check_int(s[0].n, 1);
	check(!s[0].has_body);
	check_int(s[1].n, 1);
	call_release(&s[0].call);
	call_release(&s[1].call);
	mem_free(p);
	close(peer);
}

/* Several complete requests in one write: gcc 12 once compiled this to an endless loop
 * (see base/list.h). */
void
test_conn__several_requests_leave_in_one_write(void)
{
	struct conn *c = open_conn();
	struct seen s[5];
	for (int i = 0; i < 5; i++)
		ask(c, &s[i], 5000);
	conn_flush(c);
	check(list_is_empty(&c->out));
	for (int i = 0; i < 5; i++)
		say_metadata(1 + i);
	check(conn_work(c, clock_mono_ms()));
	for (int i = 0; i < 5; i++) {
		check_int(s[i].n, 1);
		call_release(&s[i].call);
	}
	close_conn(c);
}

void
test_conn__a_call_that_wants_no_answer_is_done_when_written(void)
{
	struct conn *c = open_conn();
	struct seen s;
	ask(c, &s, 1000);
	s.call.expects_reply = false;
	conn_flush(c);
	check_int(s.n, 0);
	check_int(conn_deadline(c), 0);
	check(conn_work(c, clock_mono_ms()));
	check_int(s.n, 1);
	check(!s.has_body);
	check_int(s.err.class, ERR_NONE);
	check_int(c->nwaiting, 0);
	call_release(&s.call);
	close_conn(c);
}

void
test_conn__a_late_answer_ends_it(void)
{
	struct conn *c = open_conn();
	struct seen s;
	ask(c, &s, 10);
	check(conn_work(c, clock_mono_ms()));
	check(!conn_work(c, clock_mono_ms() + 11));
	check_int(s.n, 1);
	check(!s.has_body);
	check_int(s.err.class, ERR_RETRY);
	call_release(&s.call);
	close_conn(c);
}

/* Malformed first bytes of a response; each must break the connection. */
static void
check_ends(const void *bytes, size_t n, enum err_class want)
{
	struct conn *c = open_conn();
	struct seen s;
	ask(c, &s, 1000);
	check_int(write(peer, bytes, n), (long long)n);
	check(!conn_work(c, clock_mono_ms()));
	check_int(s.n, 1);
	check(!s.has_body);
	check_int(s.err.class, want);
	call_release(&s.call);
	close_conn(c);
}

void
test_conn__trusts_no_length_and_no_id(void)
{
	check_ends("\x7f\xff\xff\xff", 4, ERR_CORRUPT);
	check_ends("\xff\xff\xff\xff", 4, ERR_CORRUPT);
	check_ends("\0\0\0\0", 4, ERR_CORRUPT);
	check_ends("\0\0\0\3", 4, ERR_CORRUPT);
	check_ends("\0\x10\0\1", 4, ERR_CORRUPT); /* longer than reply_max */
	check_ends("\0\0\0\4\0\0\0\2", 8, ERR_CORRUPT); /* another correlation id */
	check_ends("HTTP/1.1 400 Bad Request\r\n", 26, ERR_CORRUPT);
}

void
test_conn__an_answer_to_nothing_ends_it(void)
{
	struct conn *c = open_conn();
	check_int(write(peer, "\0\0\0\4\0\0\0\1", 8), 8);
	check(!conn_work(c, clock_mono_ms()));
	close_conn(c);
}

void
test_conn__random_bytes_do_no_harm(void)
{
	srand(7);
	for (int i = 0; i < 2000; i++) {
		struct conn *c = open_conn();
		struct seen s;
		uint8_t junk[64];
		ask(c, &s, 1000);
		for (size_t k = 0; k < sizeof junk; k++)
			junk[k] = (uint8_t)rand();
		store_be32(junk, (uint32_t)(rand() % 60 + 4));
		store_be32(junk + 4, 1);
		check_int(write(peer, junk, sizeof junk), sizeof junk);
		conn_work(c, clock_mono_ms());
		if (s.n == 1 && s.has_body) {
			check(s.size <= sizeof junk);
		}
		close_conn(c);
		check_int(s.n, 1);
		call_release(&s.call);
	}
}

static struct buf taken;
static const uint8_t *taken_body;

static void
take_done(struct call *call, const struct reply *r)
{
	if (r->body)
		taken_body = conn_keep_reply(r, &taken);
	seen_done(call, r);
}

void
test_conn__a_taken_answer_outlives_the_next(void)
{
	struct conn *c = open_conn();
	struct seen s, next;
	struct arena a = ARENA_INIT;
	struct metadata_response r;
	struct err e;
	for (int both = 0; both < 2; both++) {
		int32_t id = conn_next_id(c);
		ask(c, &s, 1000);
		s.call.done = take_done;
		ask(c, &next, 1000);
		say_metadata(id);
		if (!both)
			check(conn_work(c, clock_mono_ms()));
		say_metadata(id + 1);
		check(conn_work(c, clock_mono_ms()));
		check_int(s.n, 1);
		check_int(next.n, 1);
		check_int(call_decode(&s.call, taken_body, s.size, &a, &r, &e), 0);
		check_int(r.brokers.n, 0);
		call_release(&s.call);
		call_release(&next.call);
	}
	buf_release(&taken);
	arena_release(&a);
	close_conn(c);
}
