/* Opening a connection: connect, then ask for the broker's API versions. */
#include "client/conn.h"

#include "sys/clock.h"

#include "proto.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
	ARENA_MAX = 1 << 20,
	FIRST_VERSION = 3, /* the highest version of librdkafka's mock broker */
};

_Static_assert((int)API_KEY_MAX < CONN_KEYS, "conn.range has an entry for every API");

struct hello {
	struct call call;
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
	struct hello *hello = CONTAINER_OF(call, struct hello, call);
	hello->is_done = true;
	if (!reply->body) {
		hello->err = *reply->err;
		return;
	}
	if (reply->n < 2) {
		err_set(&hello->err, ERR_CORRUPT, "%s: a truncated answer", reply->conn->name);
		return;
	}
	/* The response to an unsupported version has version 0 (KIP-511). */
	hello->error = (int16_t)load_be16(reply->body);
	if (hello->error == KERR_UNSUPPORTED_VERSION)
		call->version = 0;
	struct arena a = { .size_max = ARENA_MAX };
	struct api_versions_response r;
	wire_defaults(call->api->response, &r);
	if (call_decode(call, reply->body, reply->n, &a, &r, &hello->err) == 0)
		take_ranges(reply->conn, &r);
	else if (hello->error == KERR_UNSUPPORTED_VERSION)
		hello->err.class = ERR_NONE; /* the list may be missing */
	arena_release(&a);
}

/* Serve the connection until the call is done or wake_fd is readable. */
static void
run(struct conn *c, const struct conn_opts *o, struct hello *hello)
{
	struct pollfd fds[2] = { { c->stream.fd }, { o->wake_fd > 0 ? o->wake_fd : -1, POLLIN } };
	int64_t most = o->meanwhile ? CONN_MEANWHILE_MS : 1 << 30;
	while (!hello->is_done) {
		conn_flush(c);
		int64_t now = clock_mono_ms(), left = conn_deadline(c) - now;
		fds[0].events = conn_events(c);
		if (left > 0 && poll(fds, 2, (int)MIN(left, most)) < 0 && errno != EINTR)
			break;
		conn_work(c, clock_mono_ms());
		if (o->meanwhile)
			o->meanwhile(o->meanwhile_arg);
		if (!hello->is_done && fds[1].revents) {
			err_set(&hello->err, ERR_RETRY, "interrupted");
			break;
		}
	}
}

static int
ask_versions(struct conn *c, int version, const struct conn_opts *o, struct hello *hello)
{
	const struct wire_api *api = wire_api_find(API_API_VERSIONS);
	assert(api);
	struct api_versions_request q;
	wire_defaults(api->request, &q);
	q.client_software_name = STR("kq");
	q.client_software_version = STR(KQ_VERSION);
	hello->is_done = false;
	hello->error = 0;
	hello->err.class = ERR_NONE;
	conn_send(c, &hello->call, api, MIN(version, api->max), &q,
		o->connect_timeout_ms, done);
	run(c, o, hello);
	return hello->err.class == ERR_NONE ? 0 : -1;
}

struct conn *
conn_open_fd(int fd, const struct net_addr *addr, const struct conn_opts *o,
	struct err *e)
{
	struct conn *c = NEW(struct conn);
	c->stream.fd = fd;
	c->addr = *addr;
	net_addr_format(addr, c->name);
	c->client_id = o->client_id;
	c->reply_max = o->reply_max ? o->reply_max : CONN_REPLY_MAX;
	list_init(&c->out);
	list_init(&c->waiting);
	list_init(&c->finished);
	for (int i = 0; i < CONN_KEYS; i++)
		c->range[i].min = c->range[i].max = -1;

	struct hello hello = { .is_done = false };
	call_init(&hello.call);
	int rc = ask_versions(c, FIRST_VERSION, o, &hello);
	if (rc == 0 && hello.error == KERR_UNSUPPORTED_VERSION)
		rc = ask_versions(c, 0, o, &hello);
	if (rc == 0 && hello.error != 0)
		err_set(&hello.err, ERR_PEER, "%s: %s", c->name, kerr_info(hello.error)->text);
	if (rc == 0 && hello.error == 0 && !c->is_broken) {
		call_release(&hello.call);
		return c;
	}
	*e = hello.err;
	conn_free(c, e);
	call_release(&hello.call);
	return NULL;
}

struct conn *
conn_open(const struct net_addr *addr, const struct conn_opts *o, struct err *e)
{
	int fd = net_connect(addr, o->connect_timeout_ms, e);
	return fd < 0 ? NULL : conn_open_fd(fd, addr, o, e);
}
