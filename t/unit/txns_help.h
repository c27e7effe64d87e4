/* A driver for the transaction coordinator: it keeps records, answers, tickets and
 * markers for the test, and can make a new coordinator from the records. */
#ifndef KQ_T_TXNS_HELP_H
#define KQ_T_TXNS_HELP_H
#include "tap.h"

#include "txn/txns.h"
#include "proto.h"
#include "wire/kerr.h"

enum { W_PARTITIONS = 7, W_OFFSETS = 5, W_TOPIC_PARTITIONS = 10 };

struct w_record {
	int32_t partition;
	struct str key, value; /* owned */
	bool is_synced;
};

/* What the coordinator waits for: a partition on disk, or markers. */
struct w_ask {
	uint64_t ticket;
	bool is_markers, is_done;
	int32_t partition;
	int nlog; /* records before it */
	struct coord_producer producer;
	int32_t coordinator_epoch;
	bool is_commit;
	int n;
	struct coord_partition *v; /* in the arena */
};

struct w_call {
	struct coord_call call;
	struct arena arena;  /* freed when the call is */
	int answers, nlog;   /* nlog: records that the answer waits for */
	struct buf bytes;    /* the encoded response */
	void *ctx;
};

struct world {
	struct coord_env env;
	struct txns_config config;
	struct txns *t;
	struct coord_now now;
	struct w_record *log;
	int nlog, log_cap, nappend;
	struct w_ask *asks;
	int nask, ask_cap;
	int16_t append_error;   /* what append returns */
	int64_t next_pid;       /* -1: none is available */
	uint64_t rng;
	bool no_offsets;        /* __consumer_offsets does not exist */
	struct arena arena;
	void (*on_respond)(struct world *w, struct w_call *c);
};

static inline uint64_t
w_random(struct world *w)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng * 0x2545f4914f6cdd1du;
}

static inline int
w_below(struct world *w, int n)
{
	return (int)((w_random(w) >> 20) % (uint64_t)n);
}

static inline struct str
w_own(struct str s)
{
	if (s.n < 0)
		return STR_NULL;
	return (struct str){ (const uint8_t *)mem_strndup(s), s.n };
}

static inline int16_t
w_append(struct coord_env *env, int32_t partition, const struct coord_record *v, int n,
	const struct coord_producer *producer, int64_t wall_ms)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	check(partition >= 0 && partition < W_PARTITIONS && !producer && n > 0);
	check_int(wall_ms, w->now.wall_ms);
	w->nappend++;
	if (w->append_error)
		return w->append_error;
	for (int i = 0; i < n; i++) {
		if (w->nlog == w->log_cap) {
			w->log_cap = w->log_cap ? 2 * w->log_cap : 64;
			w->log = mem_realloc(w->log, (size_t)w->log_cap * sizeof *w->log);
		}
		w->log[w->nlog++] = (struct w_record){ partition, w_own(v[i].key), w_own(v[i].value),
			false };
	}
	return 0;
}

static inline void
w_respond(struct coord_env *env, struct coord_call *call, const void *response)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	struct w_call *c = CONTAINER_OF(call, struct w_call, call);
	const struct wire_api *a = wire_api_find(call->api_key);
	c->answers++;
	check_int(c->answers, 1);
	c->nlog = w->nlog;
	wire_encode(a->response, call->api_version, wire_api_is_flexible(a, call->api_version),
		response, &c->bytes);
	if (w->on_respond)
		w->on_respond(w, c);
}

static inline bool
w_topic(struct coord_env *env, struct str name, const struct uuid *id, struct coord_topic *t,
	struct str *name_out)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	check(name.n >= 0 && !id && !name_out);
	bool is_offsets = str_eq(name, STR("__consumer_offsets"));
	memset(t, 0, sizeof *t);
	t->npartition = is_offsets ? W_OFFSETS : W_TOPIC_PARTITIONS;
	if (is_offsets)
		return !w->no_offsets;
	return str_has_prefix(name, STR("topic")) || str_eq(name, STR("__transaction_state"));
}

static inline uint64_t
w_env_random(struct coord_env *env)
{
	return w_random(CONTAINER_OF(env, struct world, env));
}

static inline int64_t
w_producer_id(struct coord_env *env)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	return w->next_pid < 0 ? -1 : w->next_pid++;
}

static inline struct w_ask *
w_new_ask(struct world *w, uint64_t ticket)
{
	if (w->nask == w->ask_cap) {
		w->ask_cap = w->ask_cap ? 2 * w->ask_cap : 16;
		w->asks = mem_realloc(w->asks, (size_t)w->ask_cap * sizeof *w->asks);
	}
	struct w_ask *a = &w->asks[w->nask++];
	memset(a, 0, sizeof *a);
	a->ticket = ticket;
	a->nlog = w->nlog;
	return a;
}

static inline void
w_when_committed(struct coord_env *env, int32_t partition, uint64_t ticket)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	w_new_ask(w, ticket)->partition = partition;
}

static inline void
w_write_markers(struct coord_env *env, uint64_t ticket, const struct coord_producer *producer,
	int32_t coordinator_epoch, bool is_commit, const struct coord_partition *v, int n)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	struct w_ask *a = w_new_ask(w, ticket);
	check(n > 0);
	a->is_markers = true;
	a->producer = *producer;
	a->coordinator_epoch = coordinator_epoch;
	a->is_commit = is_commit;
	a->n = n;
	a->v = arena_alloc(&w->arena, (size_t)n * sizeof *a->v);
	for (int i = 0; i < n; i++)
		a->v[i] = (struct coord_partition){ arena_str(&w->arena, v[i].topic), v[i].index };
}

static inline void
w_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof *w);
	w->env = (struct coord_env){ .append = w_append, .respond = w_respond, .topic = w_topic,
		.random = w_env_random, .producer_id = w_producer_id,
		.when_committed = w_when_committed, .write_markers = w_write_markers };
	w->config = (struct txns_config){ .npartition = W_PARTITIONS, .ntxn_max = 1000,
		.timeout_max_ms = 900000, .id_expiration_ms = 86400000, .abort_interval_ms = 10000,
		.expiry_interval_ms = 3600000, .coordinator_epoch = 3 };
	w->rng = seed * 0x9e3779b97f4a7c15u + 0x1234567;
	w->now = (struct coord_now){ 1000, 1700000000000 };
	w->next_pid = 1000;
	w->t = txns_new(&w->config, &w->env);
}

/* Drops tickets and parked calls, and makes a new coordinator from the records. */
static inline void
w_restart(struct world *w)
{
	txns_free(w->t);
	w->nask = 0;
	w->config.coordinator_epoch++;
	w->t = txns_new(&w->config, &w->env);
	for (int p = 0; p < W_PARTITIONS; p++) {
		for (int i = 0; i < w->nlog; i++)
			if (w->log[i].partition == p)
				txns_replay(w->t, p, &(struct coord_record){ w->log[i].key, w->log[i].value });
		txns_loaded(w->t, p, w->now);
	}
}

static inline void
w_free_record(struct w_record *r)
{
	mem_free((void *)(uintptr_t)r->key.p);
	mem_free((void *)(uintptr_t)r->value.p);
}

static inline void
w_release(struct world *w)
{
	txns_free(w->t);
	for (int i = 0; i < w->nlog; i++)
		w_free_record(&w->log[i]);
	mem_free(w->log);
	mem_free(w->asks);
	arena_release(&w->arena);
}

/* Reports one thing that the coordinator waits for, by its index in asks. */
static inline void
w_tell(struct world *w, int i)
{
	struct w_ask a = w->asks[i];
	check(!a.is_done);
	w->asks[i].is_done = true;
	if (a.is_markers)
		txns_markers_written(w->t, a.ticket, w->now);
	else
		txns_committed(w->t, a.ticket, w->now);
}

static inline struct w_call *
w_call_new(int16_t key, int16_t version)
{
	struct w_call *c = NEW(struct w_call);
	c->call = (struct coord_call){ .api_key = key, .api_version = version,
		.client_id = STR("t"), .client_host = STR("/127.0.0.1"), .partition = -1 };
	c->call.arena = &c->arena;
	return c;
}

static inline void
w_call_free(struct w_call *c)
{
	arena_release(&c->arena);
	buf_release(&c->bytes);
	mem_free(c);
}

/* The response, decoded into the call's arena. */
static inline void *
w_answer(struct w_call *c)
{
	const struct wire_api *a = wire_api_find(c->call.api_key);
	check_int(c->answers, 1);
	void *r = arena_alloc(&c->arena, a->response->size);
	check(wire_decode(a->response, c->call.api_version,
		wire_api_is_flexible(a, c->call.api_version), c->bytes.p, c->bytes.n, &c->arena, r)
		== (int64_t)c->bytes.n);
	return r;
}

#endif
