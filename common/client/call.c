/* A blocking call: one request, and its response. */
#include "client/cluster.h"

#include "client/cluster_int.h"

struct sync_call {
	struct call call;
	struct arena *arena;
	void *resp;
	bool is_done;
	struct err err; /* ERR_NONE: success */
};

static void
done(struct call *call, const struct reply *reply)
{
	struct sync_call *sync = CONTAINER_OF(call, struct sync_call, call);
	sync->is_done = true;
	if (!reply->body) {
		sync->err = *reply->err;
		return;
	}
	uint8_t *p = arena_alloc(sync->arena, reply->n ? reply->n : 1);
	if (!p) {
		err_set(&sync->err, ERR_LIMIT, "an answer larger than is allowed");
		return;
	}
	memcpy(p, reply->body, reply->n);
	wire_defaults(call->api->response, sync->resp);
	call_decode(call, p, reply->n, sync->arena, sync->resp, &sync->err);
}

int
cluster_call_upto(struct cluster *cl, int32_t node, int16_t api_key,
	int upto, int timeout_ms, const void *req, void *resp, struct arena *a,
	struct err *e)
{
	const struct wire_api *api = wire_api_find(api_key);
	assert(api);
	struct conn *c = cluster_conn_for(cl, node, e);
	if (!c)
		return -1;
	int version = conn_version(c, api, upto, e);
	if (version < 0)
		return -1;
	struct sync_call sync = { .arena = a, .resp = resp };
	call_init(&sync.call);
	conn_send(c, &sync.call, api, version, req, timeout_ms, done);
	while (!sync.is_done) {
		cluster_await(cl, -1, 0, -1);
		if (cl->is_woken && !sync.is_done) { /* the call is on our stack */
			struct err why;
			err_set(&why, ERR_RETRY, "interrupted");
			conn_abort(c, &why);
		}
	}
	call_release(&sync.call);
	if (sync.err.class == ERR_NONE)
		return version;
	*e = sync.err;
	return -1;
}

int
cluster_call(struct cluster *cl, int32_t node, int16_t api_key,
	const void *req, void *resp, struct arena *a, struct err *e)
{
	return cluster_call_upto(cl, node, api_key, INT16_MAX,
		cl->opts.request_timeout_ms, req, resp, a, e);
}

int
cluster_version(const struct cluster *cl, int16_t api_key)
{
	struct err ignored;
	const struct wire_api *api = wire_api_find(api_key);
	/* Without a connection, the call itself will fail. */
	return cl->first ? conn_version(cl->first, api, INT16_MAX, &ignored) : api->max;
}

int
cluster_peer_err(struct err *e, int16_t code, struct str msg)
{
	const struct kerr_info *info = kerr_info(code);
	enum err_class class = info->is_retriable ? ERR_RETRY : ERR_PEER;
	if (msg.n > 0)
		err_set(e, class, "%.*s (%s)", STR_ARG(msg), info->name);
	else
		err_set(e, class, "%s (%s)", info->text, info->name);
	e->kafka = code;
	return -1;
}
