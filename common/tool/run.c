#include "tool/run.h"

enum { REPLIES_MAX = 1 << 30 };

int
run_open(struct run *run, const struct run_opts *o, const char *client_id)
{
	struct cluster_opts co = { .brokers = o->brokers, .client_id = client_id,
		.wait_ms = (int)o->wait_ms, .wake_fd = o->wake_fd, .say = say_error };
	struct err e;
	*run = (struct run){ .arena = ARENA_INIT, .replies = { .size_max = REPLIES_MAX } };
	if (cluster_open(&run->cluster, &co, &e) == 0)
		return 0;
	return run->cluster.is_woken ? EXIT_RETRY : say_err(&e, true);
}

int
run_close(struct run *run)
{
	int code = run->nfailed == 0 ? EXIT_DONE
		: run->ndone == 0 && !run->is_final ? EXIT_RETRY : EXIT_FAILED;
	int flushed = say_flush_stdout();
	cluster_close(&run->cluster);
	arena_release(&run->arena);
	arena_release(&run->replies);
	return flushed ? flushed : code;
}

int
run_end(struct run *run, int code)
{
	int closed = run_close(run);
	return code ? code : closed;
}

struct cluster_topic *
run_topic(struct run *run, const char *name)
{
	struct err e;
	struct cluster_topic *t = cluster_topic(&run->cluster, name, false, &e);
	if (!t)
		run_failed(run, &e);
	return t;
}

void
run_failed(struct run *run, const struct err *e)
{
	run->nfailed++;
	if (run->cluster.is_woken)
		return;
	if (run->repeats && e->class == ERR_RETRY) {
		if (e->kafka) /* otherwise the cluster reports a lost broker */
			cluster_say_refused(&run->cluster, &run->refusal, e);
		return;
	}
	if (say_err(e, false) != EXIT_RETRY)
		run->is_final = true;
}

void
run_missing(struct run *run, const char *kind, struct str name)
{
	struct err e;
	err_set(&e, run->is_removing ? ERR_PEER : ERR_RETRY, "%s '%.*s' does not exist", kind,
		STR_ARG(name));
	run_failed(run, &e);
}

int
run_call_upto(struct run *run, int32_t node, int16_t api_key, int upto, const void *request,
	void *response)
{
	struct err e;
	if (cluster_call_upto(&run->cluster, node, api_key, upto, run->cluster.opts.request_timeout_ms,
			request, response, &run->replies, &e) >= 0)
		return 0;
	run_failed(run, &e);
	return -1;
}

int
run_call(struct run *run, int32_t node, int16_t api_key, const void *request, void *response)
{
	return run_call_upto(run, node, api_key, INT16_MAX, request, response);
}
