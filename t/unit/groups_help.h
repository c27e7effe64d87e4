/*
 * A driver for the group coordinator: it records what is appended and answered, and
 * can drop the end of the log and restart.
 *
 * Requests and answers are encoded and decoded in the requested version, and a
 * request's bytes are freed when its handler returns, as in the broker.
 */
#ifndef KQ_T_GROUPS_HELP_H
#define KQ_T_GROUPS_HELP_H
#include "tap.h"

#include "group/groups.h"
#include "proto.h"
#include "wire/kerr.h"

#include <stdio.h>
#include <stdlib.h>

enum { NPARTITION = 4, NTOPIC = 3, NDATA = 6 };

#define MAYBE_UNUSED __attribute__((unused))

/* An entry of the log: a record, or a transaction's end. */
struct entry {
	int32_t partition;
	bool is_marker, is_commit, has_producer;
	struct coord_producer producer;
	struct coord_record r; /* owned */
	int64_t wall_ms;
};

struct ask {
	struct coord_call call;
	struct arena arena, kept; /* of the call; of the answer */
	void *answer;             /* the decoded response; NULL: none yet */
	struct buf bytes;         /* the encoded answer */
	int log_at;               /* entries in the log when it was answered */
};

struct world {
	struct coord_env env;
	struct groups_config config;
	struct groups *g;
	struct coord_now now;
	struct entry *log;
	int nlog, cap;
	int16_t append_error;     /* the error of appends; 0: none */
	uint64_t seed;
	bool is_gone[NTOPIC];     /* the topic is deleted */
	int nask;                 /* calls not released yet */
};

MAYBE_UNUSED static const char *const topic_names[NTOPIC] = { "apples", "books", "cars" };

static inline uint64_t
world_random(struct world *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed;
}

static inline uint32_t
below(struct world *w, uint32_t n)
{
	return (uint32_t)(world_random(w) >> 24) % n;
}

/* ---- the environment ---- */

static inline struct str
own(struct str s)
{
	if (s.n < 0)
		return s;
	uint8_t *p = mem_alloc((size_t)s.n + 1);
	if (s.n > 0)
		memcpy(p, s.p, (size_t)s.n);
	return (struct str){ p, s.n };
}

static inline struct entry *
world_entry(struct world *w)
{
	if (w->nlog == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 16;
		w->log = mem_realloc(w->log, (size_t)w->cap * sizeof *w->log);
	}
	struct entry *e = &w->log[w->nlog++];
	memset(e, 0, sizeof *e);
	e->r.key = e->r.value = STR_NULL;
	return e;
}

static inline int16_t
env_append(struct coord_env *env, int32_t partition, const struct coord_record *v, int n,
	const struct coord_producer *producer, int64_t wall_ms)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	check(partition >= 0 && partition < NPARTITION);
	check(n > 0);
	if (w->append_error)
		return w->append_error;
	for (int i = 0; i < n; i++) {
		struct entry *e = world_entry(w);
		check(v[i].key.n > 0);
		e->partition = partition;
		e->r = (struct coord_record){ own(v[i].key), own(v[i].value) };
		e->has_producer = producer != NULL;
		e->wall_ms = wall_ms;
		if (producer)
			e->producer = *producer;
	}
	return 0;
}

static inline void
env_respond(struct coord_env *env, struct coord_call *call, const void *response)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	struct ask *a = CONTAINER_OF(call, struct ask, call);
	const struct wire_api *api = wire_api_find(call->api_key);
	bool flex = wire_api_is_flexible(api, call->api_version);
	check(a->answer == NULL); /* once */
	wire_encode(api->response, call->api_version, flex, response, &a->bytes);
	a->answer = arena_alloc(&a->kept, api->response->size);
	check_int(wire_decode(api->response, call->api_version, flex, a->bytes.p, a->bytes.n,
		&a->kept, a->answer), (long long)a->bytes.n);
	a->log_at = w->nlog;
	check(call->partition >= COORD_ALL_PARTITIONS && call->partition < NPARTITION);
}

static inline bool
env_topic(struct coord_env *env, struct str name, const struct uuid *id,
	struct coord_topic *t, struct str *name_out)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	for (int i = 0; i < NTOPIC; i++) {
		struct str s = str_of(topic_names[i]);
		struct uuid u = { { 7, (uint8_t)i } };
		if (w->is_gone[i] || !(name.n >= 0 ? str_eq(s, name) : uuid_eq(&u, id)))
			continue;
		*t = (struct coord_topic){ u, NDATA };
		if (name_out)
			*name_out = s;
		return true;
	}
	return false;
}

static inline void
env_each_topic(struct coord_env *env, void (*fn)(void *ctx, struct str name,
	const struct coord_topic *t), void *ctx)
{
	struct world *w = CONTAINER_OF(env, struct world, env);
	for (int i = 0; i < NTOPIC; i++) {
		struct coord_topic t = { { { 7, (uint8_t)i } }, NDATA };
		if (!w->is_gone[i])
			fn(ctx, str_of(topic_names[i]), &t);
	}
}

static inline uint64_t
env_random(struct coord_env *env)
{
	return world_random(CONTAINER_OF(env, struct world, env));
}

/* ---- start, restart, time ---- */

static inline void
world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){
		.env = { .append = env_append, .respond = env_respond, .topic = env_topic,
			.each_topic = env_each_topic, .random = env_random },
		.config = { .npartition = NPARTITION, .ngroup_max = 100,
			.state_size_max = INT64_MAX, .member_max = 50,
			.session_min_ms = 1000, .session_max_ms = 1800000,
			.offset_metadata_max = 100, .offsets_retention_ms = 86400000,
			.expiry_interval_ms = 600000 },
		.now = { 1000000, 1700000000000 },
		.seed = seed * 2654435761 + 88172645463325252,
	};
	w->g = groups_new(&w->config, &w->env);
}

/* As init, with another configuration. */
static inline void
world_configure(struct world *w)
{
	check_int(w->nlog, 0);
	groups_free(w->g);
	w->g = groups_new(&w->config, &w->env);
}

static inline void
world_cut(struct world *w, int nlog)
{
	while (w->nlog > nlog) {
		struct entry *e = &w->log[--w->nlog];
		mem_free((void *)(uintptr_t)e->r.key.p);
		mem_free((void *)(uintptr_t)e->r.value.p);
	}
}

static inline void
world_replay(struct world *w)
{
	for (int i = 0; i < w->nlog; i++) {
		const struct entry *e = &w->log[i];
		if (e->is_marker)
			groups_marker(w->g, e->partition, &e->producer, e->is_commit);
		else
			groups_replay(w->g, e->partition, &e->r,
				e->has_producer ? &e->producer : NULL, e->wall_ms);
	}
	for (int32_t p = 0; p < NPARTITION; p++)
		groups_loaded(w->g, p, w->now);
}

/* The broker dies; the log ends at nlog; the broker starts. */
static inline void
world_restart(struct world *w, int nlog)
{
	groups_free(w->g);
	world_cut(w, nlog);
	w->g = groups_new(&w->config, &w->env);
	world_replay(w);
}

static inline void
world_release(struct world *w)
{
	groups_free(w->g);
	world_cut(w, 0);
	mem_free(w->log);
	check_int(w->nask, 0);
}

/* Advances the clocks; fires timers in order. */
static inline void
pass(struct world *w, int64_t ms)
{
	int64_t end = w->now.mono_ms + ms;
	for (;;) {
		int64_t next = groups_next_tick(w->g);
		if (next > end)
			break;
		if (next > w->now.mono_ms) {
			w->now.wall_ms += next - w->now.mono_ms;
			w->now.mono_ms = next;
		}
		groups_tick(w->g, w->now);
	}
	w->now.wall_ms += end - w->now.mono_ms;
	w->now.mono_ms = end;
}

/* Appends the transaction's end to the log, and reports it. */
static inline void
end_txn(struct world *w, const char *group, int64_t producer_id, bool is_commit)
{
	struct entry *e = world_entry(w);
	e->partition = coord_partition_of(str_of(group), NPARTITION);
	e->is_marker = true;
	e->is_commit = is_commit;
	e->producer = (struct coord_producer){ producer_id, 0 };
	struct coord_producer p = e->producer;
	groups_marker(w->g, e->partition, &p, is_commit);
}

/* ---- asking ---- */

static inline struct ask *
ask_as(struct world *w, int16_t key, int16_t version, const void *request,
	struct str client_id)
{
	const struct wire_api *api = wire_api_find(key);
	struct ask *a = NEW(struct ask);
	struct arena decoded = ARENA_INIT;
	struct buf b = BUF_INIT;
	bool flex = wire_api_is_flexible(api, version);
	check(groups_handles(key));
	wire_encode(api->request, version, flex, request, &b);
	void *body = arena_alloc(&decoded, api->request->size);
	check_int(wire_decode(api->request, version, flex, b.p, b.n, &decoded, body),
		(long long)b.n);
	w->nask++;
	a->call = (struct coord_call){ .api_key = key, .api_version = version, .body = body,
		.client_id = client_id, .client_host = STR("/127.0.0.1"), .partition = -1,
		.arena = &a->arena };
	groups_handle(w->g, &a->call, w->now);
	a->call.body = NULL;
	if (b.n)
		memset(b.p, 0xdd, b.n);
	buf_release(&b);
	arena_release(&decoded);
	return a;
}

static inline struct ask *
ask(struct world *w, int16_t key, int16_t version, const void *request)
{
	return ask_as(w, key, version, request, STR("client"));
}

static inline void
drop(struct world *w, struct ask *a)
{
	arena_release(&a->arena);
	arena_release(&a->kept);
	buf_release(&a->bytes);
	mem_free(a);
	w->nask--;
}

/* ---- requests with defaults ---- */

struct joiner {
	const char *group, *member, *instance; /* instance NULL: dynamic */
	const char *protocol[3];               /* names; their metadata is the name */
	const char *metadata;                  /* or this, for all */
	int16_t version;                       /* 0: the newest */
	int32_t session_ms, rebalance_ms;      /* 0: 10 s, 60 s */
	const char *type;                      /* NULL: consumer */
};

static inline struct ask *
join_as(struct world *w, const struct joiner *j)
{
	struct join_group_request_protocol v[3];
	struct join_group_request q = {
		.group_id = str_of(j->group), .member_id = str_of(j->member),
		.session_timeout_ms = j->session_ms ? j->session_ms : 10000,
		.rebalance_timeout_ms = j->rebalance_ms ? j->rebalance_ms : 60000,
		.group_instance_id = str_of(j->instance),
		.protocol_type = str_of(j->type ? j->type : "consumer"),
		.protocols = { v, 0 }, .reason = STR_NULL,
	};
	for (; q.protocols.n < 3 && j->protocol[q.protocols.n]; q.protocols.n++) {
		v[q.protocols.n].name = str_of(j->protocol[q.protocols.n]);
		v[q.protocols.n].metadata = str_of(j->metadata ? j->metadata
			: j->protocol[q.protocols.n]);
	}
	return ask(w, 11, j->version ? j->version : 9, &q);
}

static inline const struct join_group_response *
joined(const struct ask *a)
{
	check_int(a->call.api_key, 11);
	check(a->answer != NULL);
	return a->answer;
}

/* The error code at the top of an answer. */
static inline int
code(const struct ask *a)
{
	check(a->answer != NULL);
	switch (a->call.api_key) {
	case 11:
		return ((const struct join_group_response *)a->answer)->error_code;
	case 12:
		return ((const struct heartbeat_response *)a->answer)->error_code;
	case 13:
		return ((const struct leave_group_response *)a->answer)->error_code;
	case 14:
		return ((const struct sync_group_response *)a->answer)->error_code;
	default:
		check(!"an API with a code");
		return -1;
	}
}

/* A string of the answer as a C string that lives as long as the test. */
static inline const char *
text(struct str s)
{
	static char z[64][128];
	static unsigned n;
	char *to = z[n++ % 64];
	snprintf(to, sizeof z[0], "%.*s", STR_ARG(s));
	return to;
}

/* Joins twice, the second time with the member id from the first answer.  The
 * second answer has the member id. */
static inline struct ask *
join(struct world *w, const char *group, const char *protocol)
{
	struct joiner j = { group, "", NULL, { protocol } };
	struct ask *a = join_as(w, &j);
	check_int(code(a), KERR_MEMBER_ID_REQUIRED);
	j.member = text(joined(a)->member_id);
	drop(w, a);
	return join_as(w, &j);
}

static inline struct ask *
rejoin(struct world *w, const char *group, const char *member, const char *protocol)
{
	struct joiner j = { group, member, NULL, { protocol } };
	return join_as(w, &j);
}

/* Syncs; assigns assignment[i] to member[i]; nassign 0: not the leader. */
static inline struct ask *
sync_as(struct world *w, const char *group, const char *member, const char *instance,
	int32_t generation, const char *const *to, const char *const *assignment, int nassign)
{
	struct sync_group_request_assignment v[8];
	struct sync_group_request q = {
		.group_id = str_of(group), .generation_id = generation,
		.member_id = str_of(member), .group_instance_id = str_of(instance),
		.protocol_type = STR("consumer"), .protocol_name = STR_NULL,
		.assignments = { v, nassign },
	};
	for (int i = 0; i < nassign; i++) {
		v[i].member_id = str_of(to[i]);
		v[i].assignment = str_of(assignment[i]);
	}
	return ask(w, 14, 4, &q);
}

static inline struct ask *
sync_follower(struct world *w, const char *group, const char *member, int32_t generation)
{
	return sync_as(w, group, member, NULL, generation, NULL, NULL, 0);
}

static inline int
heartbeat_as(struct world *w, const char *group, const char *member, const char *instance,
	int32_t generation)
{
	struct heartbeat_request q = { str_of(group), generation, str_of(member),
		str_of(instance) };
	struct ask *a = ask(w, 12, 4, &q);
	int error = code(a);
	drop(w, a);
	return error;
}

static inline int
heartbeat(struct world *w, const char *group, const char *member, int32_t generation)
{
	return heartbeat_as(w, group, member, NULL, generation);
}

/* The member's error code. */
static inline int
leave_as(struct world *w, const char *group, const char *member, const char *instance)
{
	struct leave_group_request_member m = { str_of(member), str_of(instance),
		STR_NULL };
	struct leave_group_request q = { .group_id = str_of(group), .members = { &m, 1 } };
	struct ask *a = ask(w, 13, 5, &q);
	check_int(code(a), 0);
	const struct leave_group_response *r = a->answer;
	check_int(r->members.n, 1);
	int error = r->members.v[0].error_code;
	drop(w, a);
	return error;
}

struct committing {
	const char *group, *member, *instance, *topic, *metadata;
	int32_t epoch, partition;
	int64_t offset;
	int16_t version;    /* 0: 9 */
	int64_t retention_ms; /* versions 2 to 4; 0: none */
	int64_t producer;   /* 0: not in a transaction */
};

/* The partition's error code. */
static inline int
commit_as(struct world *w, const struct committing *c)
{
	const char *member = c->member ? c->member : "";
	if (c->producer) {
		struct txn_offset_commit_request_partition p = {
			c->partition, c->offset, 5, str_of(c->metadata) };
		struct txn_offset_commit_request_topic t = {
			.name = str_of(c->topic), .partitions = { &p, 1 } };
		struct txn_offset_commit_request q = { STR("txn"), str_of(c->group),
			c->producer, 0, c->epoch, str_of(member), str_of(c->instance), { &t, 1 } };
		struct ask *a = ask(w, 28, 5, &q);
		const struct txn_offset_commit_response *r = a->answer;
		int error = r->topics.v[0].partitions.v[0].error_code;
		drop(w, a);
		return error;
	}
	struct offset_commit_request_partition p = {
		c->partition, c->offset, 5, str_of(c->metadata) };
	struct offset_commit_request_topic t = {
		.name = str_of(c->topic), .partitions = { &p, 1 } };
	for (int i = 0; i < NTOPIC; i++)
		if (strcmp(c->topic, topic_names[i]) == 0)
			t.topic_id = (struct uuid){ { 7, (uint8_t)i } };
	struct offset_commit_request q = { str_of(c->group), c->epoch, str_of(member),
		str_of(c->instance), c->retention_ms ? c->retention_ms : -1, { &t, 1 } };
	struct ask *a = ask(w, 8, c->version ? c->version : 9, &q);
	const struct offset_commit_response *r = a->answer;
	int error = r->topics.v[0].partitions.v[0].error_code;
	drop(w, a);
	return error;
}

/* A commit without member and generation. */
static inline int
commit(struct world *w, const char *group, const char *topic, int32_t partition, int64_t offset)
{
	struct committing c = { .group = group, .topic = topic, .partition = partition,
		.offset = offset, .epoch = -1 };
	return commit_as(w, &c);
}

/* The committed offset, -1: none; -1000 - code: an error. */
static inline int64_t
fetch(struct world *w, const char *group, const char *topic, int32_t partition, bool stable)
{
	struct offset_fetch_request_group_topic t = {
		.name = str_of(topic), .partition_indexes = { &partition, 1 } };
	struct offset_fetch_request_group rg = {
		str_of(group), STR_NULL, -1, { &t, 1 } };
	struct offset_fetch_request q = { .groups = { &rg, 1 }, .require_stable = stable };
	struct ask *a = ask(w, 9, 9, &q);
	const struct offset_fetch_response *r = a->answer;
	const struct offset_fetch_response_group_partition *p =
		&r->groups.v[0].topics.v[0].partitions.v[0];
	check_int(p->partition_index, partition);
	int64_t offset = p->error_code ? -1000 - p->error_code : p->committed_offset;
	drop(w, a);
	return offset;
}

static inline const char *
state(struct world *w, const char *group)
{
	struct str id = str_of(group);
	struct describe_groups_request q = { .groups = { &id, 1 } };
	struct ask *a = ask(w, 15, 5, &q);
	const struct describe_groups_response *r = a->answer;
	const char *z = text(r->groups.v[0].group_state);
	drop(w, a);
	return z;
}

#define check_state(w, group, want) do { const char *is_ = state(w, group); \
	if (strcmp(is_, want)) tap_fail(__FILE__, __LINE__, "state is %s, want %s", is_, want); \
	} while (0)

#endif
