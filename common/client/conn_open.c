/* Opening a connection: connect, then ask which versions the broker speaks. */
#include "client/conn.h"

#include "sys/clock.h"

#include "proto.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
	ARENA_MAX = 1 << 20,
	FIRST_VERSION = 3, /* 4.x brokers and librdkafka's mock know at most it */
};

struct hello {
	struct call call; /* first: see done */
	bool is_done;
	int16_t error;
	struct err err;
};

static void
take_ranges(struct conn *c, const struct api_versions_response *r)
{
	for (int i = 0; i < CONN_KEYS; i++)
		c->range[i].min = c->range[i].max = -1;
	for (int32_t i = 0; i < r->api_keys.n; i++) {
		int16_t key = r->api_keys.v[i].api_key;
		if (key < 0 || key >= CONN_KEYS)
			continue;
		c->range[key].min = r->api_keys.v[i].min_version;
		c->range[key].max = r->api_keys.v[i].max_version;
	}
	for (int32_t i = 0; i < r->finalized_features.n; i++)
		if (str_eq(r->finalized_features.v[i].name, STR("transaction.version")))
			c->txn_level = r->finalized_features.v[i].max_version_level;
}

static void
done(struct call *call, const struct reply *reply)
{
	struct hello *h = CONTAINER_OF(call, struct hello, call);
	h->is_done = true;
	if (!reply->body) {
		h->err = *reply->err;
		return;
	}
	if (reply->n < 2) {
		err_set(&h->err, ERR_CORRUPT, "%s: a truncated answer", reply->conn->name);
		return;
	}
	/* An unknown version is answered in the form of version 0 (KIP-511). */
	h->error = (int16_t)load_be16(reply->body);
	if (h->error == KERR_UNSUPPORTED_VERSION)
		call->version = 0;
	struct arena a = { .size_max = ARENA_MAX };
	struct api_versions_response r;
	wire_defaults(call->api->response, &r);
	if (call_decode(call, reply->body, reply->n, &a, &r, &h->err) == 0)
		take_ranges(reply->conn, &r);
	else if (h->error == KERR_UNSUPPORTED_VERSION)
		h->err.class = ERR_NONE; /* even the list may be missing */
	arena_release(&a);
}

/* Run the connection until the call is done, or we are woken. */
static void
run(struct conn *c, int wake_fd, struct hello *h)
{
	struct pollfd p[2] = { { c->stream.fd }, { wake_fd > 0 ? wake_fd : -1, POLLIN } };
	while (!h->is_done) {
		conn_flush(c);
		int64_t now = clock_mono_ms(), left = conn_deadline(c) - now;
		p[0].events = conn_events(c);
		if (left > 0 && poll(p, 2, (int)MIN(left, 1 << 30)) < 0 && errno != EINTR)
			break;
		conn_work(c, clock_mono_ms());
		if (!h->is_done && p[1].revents) {
			err_set(&h->err, ERR_RETRY, "interrupted");
			break;
		}
	}
}

static int
ask_versions(struct conn *c, int version, const struct conn_opts *o, struct hello *h)
{
	const struct wire_api *api = wire_api_find(API_API_VERSIONS);
	assert(api);
	struct api_versions_request q;
	wire_defaults(api->request, &q);
	q.client_software_name = STR("kq");
	q.client_software_version = STR(KQ_VERSION);
	h->is_done = false;
	h->error = 0;
	h->err.class = ERR_NONE;
	conn_send(c, &h->call, api, MIN(version, api->max), &q,
		o->connect_timeout_ms, done);
	run(c, o->wake_fd, h);
	return h->err.class == ERR_NONE ? 0 : -1;
}

struct conn *
conn_open_fd(int fd, const struct net_addr *a, const struct conn_opts *o,
	struct err *e)
{
	struct conn *c = NEW(struct conn);
	c->stream.fd = fd;
	c->addr = *a;
	net_addr_format(a, c->name);
	c->client_id = o->client_id;
	c->reply_max = o->reply_max ? o->reply_max : CONN_REPLY_MAX;
	list_init(&c->out);
	list_init(&c->waiting);
	list_init(&c->finished);
	for (int i = 0; i < CONN_KEYS; i++)
		c->range[i].min = c->range[i].max = -1;

	struct hello h = { .is_done = false };
	call_init(&h.call);
	int got = ask_versions(c, FIRST_VERSION, o, &h);
	if (got == 0 && h.error == KERR_UNSUPPORTED_VERSION)
		got = ask_versions(c, 0, o, &h);
	if (got == 0 && h.error != 0)
		err_set(&h.err, ERR_PEER, "%s: %s", c->name, kerr_info(h.error)->text);
	if (got == 0 && h.error == 0 && !c->is_broken) {
		call_release(&h.call);
		return c;
	}
	*e = h.err;
	conn_free(c, e);
	call_release(&h.call);
	return NULL;
}

struct conn *
conn_open(const struct net_addr *a, const struct conn_opts *o, struct err *e)
{
	int fd = net_connect(a, o->connect_timeout_ms, e);
	return fd < 0 ? NULL : conn_open_fd(fd, a, o, e);
}
