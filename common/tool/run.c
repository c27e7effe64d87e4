#include "tool/run.h"

enum { REPLIES_MAX = 1 << 30 };

int
run_open(struct run *r, const struct run_opts *o, const char *client_id)
{
	struct cluster_opts co = { .brokers = o->brokers, .client_id = client_id,
		.wait_ms = (int)o->wait_ms, .wake_fd = o->wake_fd, .say = say_error };
	struct err e;
	*r = (struct run){ .arena = ARENA_INIT, .replies = { .size_max = REPLIES_MAX } };
	if (cluster_open(&r->cluster, &co, &e) == 0)
		return 0;
	return r->cluster.is_woken ? EXIT_RETRY : say_err(&e, true);
}

int
run_close(struct run *r)
{
	int code = r->nfailed == 0 ? EXIT_DONE
		: r->ndone == 0 && !r->is_final ? EXIT_RETRY : EXIT_FAILED;
	int flushed = say_flush_stdout();
	cluster_close(&r->cluster);
	arena_release(&r->arena);
	arena_release(&r->replies);
	return flushed ? flushed : code;
}

void
run_failed(struct run *r, const struct err *e)
{
	r->nfailed++;
	if (r->cluster.is_woken)
		return;
	if (r->repeats && e->class == ERR_RETRY) {
		if (e->kafka) /* else a broker is lost, and the cluster says so */
			cluster_say_refused(&r->cluster, &r->refusal, e);
		return;
	}
	if (say_err(e, false) != EXIT_RETRY)
		r->is_final = true;
}

void
run_missing(struct run *r, const char *kind, struct str name)
{
	struct err e;
	err_set(&e, r->is_removing ? ERR_PEER : ERR_RETRY, "%s '%.*s' does not exist", kind,
		STR_ARG(name));
	run_failed(r, &e);
}

int
run_version(struct run *r, int16_t api_key)
{
	struct err ignored;
	const struct wire_api *api = wire_api_find(api_key);
	/* The brokers of a cluster are taken to be of one kind; without the
	 * first connection a call will tell. */
	return r->cluster.first ? conn_version(r->cluster.first, api, INT16_MAX, &ignored) : api->max;
}

int
run_call_upto(struct run *r, int32_t node, int16_t api_key, int upto, const void *request,
	void *response)
{
	struct err e;
	if (cluster_call_upto(&r->cluster, node, api_key, upto, r->cluster.opts.request_timeout_ms,
			request, response, &r->replies, &e) >= 0)
		return 0;
	run_failed(r, &e);
	return -1;
}

int
run_call(struct run *r, int32_t node, int16_t api_key, const void *request, void *response)
{
	return run_call_upto(r, node, api_key, INT16_MAX, request, response);
}
