/*
 * Consumer groups in groups_help.h's world, with topics that grow.
 */
#ifndef KQ_T_CONSUMER_HELP_H
#define KQ_T_CONSUMER_HELP_H
#include "groups_help.h"

enum { SESSION_MS = 45000, BEAT_MS = 5000, SET_MAX = 64 };

struct town {
	struct world w;
	int32_t npartition[NTOPIC];
};

static inline bool
town_topic(struct coord_env *env, struct str name, const struct uuid *id,
	struct coord_topic *t, struct str *name_out)
{
	struct town *o = CONTAINER_OF(CONTAINER_OF(env, struct world, env), struct town, w);
	if (!env_topic(env, name, id, t, name_out))
		return false;
	t->npartition = o->npartition[t->id.bytes[1]];
	return true;
}

static inline void
town_each_topic(struct coord_env *env, void (*fn)(void *ctx, struct str name,
	const struct coord_topic *t), void *ctx)
{
	struct town *o = CONTAINER_OF(CONTAINER_OF(env, struct world, env), struct town, w);
	for (int i = 0; i < NTOPIC; i++) {
		struct coord_topic t = { { { 7, (uint8_t)i } }, o->npartition[i] };
		if (!o->w.is_gone[i])
			fn(ctx, str_of(topic_names[i]), &t);
	}
}

static inline void
town_init(struct town *o, uint64_t seed)
{
	world_init(&o->w, seed);
	o->w.env.topic = town_topic;
	o->w.env.each_topic = town_each_topic;
	o->w.config.has_consumer_protocol = true;
	o->w.config.consumer_session_ms = SESSION_MS;
	o->w.config.consumer_heartbeat_ms = BEAT_MS;
	o->w.config.consumer_member_max = 20;
	o->w.config.can_upgrade = o->w.config.can_downgrade = true;
	for (int i = 0; i < NTOPIC; i++)
		o->npartition[i] = NDATA;
	world_configure(&o->w);
}

/* Partitions: topic * 1000 + index, ascending. */
struct set {
	int32_t v[SET_MAX], n;
};

struct beating {
	const char *group, *member, *instance, *regex, *assignor, *rack;
	const char *topic[NTOPIC + 1];
	int32_t epoch;
	const struct set *owned; /* NULL: not reported */
	bool is_full;            /* all fields are sent, as in a join */
	bool no_topics;          /* a join without topic names */
	int32_t rebalance_ms;    /* 0: 30 s */
	int16_t version;         /* -1: 0; 0: 1 */
	const char *client;
};

/* Topic by topic, as in the protocol. */
static inline int32_t
set_request(const struct set *s, struct consumer_group_heartbeat_request_topic *t,
	int32_t *p)
{
	int32_t n = 0;
	for (int32_t i = 0; i < s->n; i++) {
		p[i] = s->v[i] % 1000;
		if (i == 0 || s->v[i] / 1000 != s->v[i - 1] / 1000) {
			t[n].topic_id = (struct uuid){ { 7, (uint8_t)(s->v[i] / 1000) } };
			t[n].partitions.v = p + i;
			t[n++].partitions.n = 0;
		}
		t[n - 1].partitions.n++;
	}
	return n;
}

static inline struct ask *
beat_as(struct town *o, const struct beating *b)
{
	struct consumer_group_heartbeat_request_topic t[NTOPIC];
	int32_t p[SET_MAX];
	struct str names[NTOPIC + 1];
	struct consumer_group_heartbeat_request q;
	static const struct set none;
	wire_defaults(&consumer_group_heartbeat_request_desc, &q);
	bool is_full = b->is_full || b->epoch == 0;
	const struct set *owned = b->owned ? b->owned : is_full ? &none : NULL;
	q.group_id = str_of(b->group);
	q.member_id = str_of(b->member);
	q.member_epoch = b->epoch;
	q.instance_id = str_of(b->instance);
	q.rack_id = str_of(b->rack);
	q.server_assignor = str_of(b->assignor);
	q.subscribed_topic_regex = str_of(b->regex);
	if (is_full || b->topic[0]) {
		q.subscribed_topic_names.v = names;
		q.subscribed_topic_names.n = b->no_topics ? -1 : 0;
		for (int i = 0; i <= NTOPIC && b->topic[i]; i++)
			names[q.subscribed_topic_names.n++] = str_of(b->topic[i]);
	}
	if (is_full)
		q.rebalance_timeout_ms = b->rebalance_ms ? b->rebalance_ms : 30000;
	if (owned) {
		q.topic_partitions.v = t;
		q.topic_partitions.n = set_request(owned, t, p);
	}
	return ask_as(&o->w, 68, b->version < 0 ? 0 : 1, &q,
		str_of(b->client ? b->client : "client"));
}

static inline const struct consumer_group_heartbeat_response *
beaten(const struct ask *a)
{
	check_int(a->call.api_key, 68);
	check(a->answer != NULL);
	return a->answer;
}

static inline int
by_number(const void *a, const void *b)
{
	return *(const int32_t *)a - *(const int32_t *)b;
}

/* The assignment of a response; false: it has none. */
static inline bool
set_answer(const struct consumer_group_heartbeat_response *r, struct set *s)
{
	if (!r->assignment)
		return false;
	s->n = 0;
	for (int32_t i = 0; i < r->assignment->topic_partitions.n; i++)
		for (int32_t k = 0; k < r->assignment->topic_partitions.v[i].partitions.n; k++) {
			check(s->n < SET_MAX);
			s->v[s->n++] = r->assignment->topic_partitions.v[i].topic_id.bytes[1] * 1000
				+ r->assignment->topic_partitions.v[i].partitions.v[k];
		}
	qsort(s->v, (size_t)s->n, sizeof s->v[0], by_number);
	return true;
}

/* A client that follows its assignment at once. */
struct client {
	const char *id, *instance, *group, *regex;
	const char *topic[NTOPIC + 1];
	int32_t epoch;
	struct set owned;
};

/* One heartbeat; the error code. */
static inline int
step(struct town *o, struct client *c)
{
	struct beating b = { .group = c->group ? c->group : "g", .member = c->id,
		.instance = c->instance, .epoch = c->epoch, .owned = &c->owned,
		.is_full = c->epoch == 0, .regex = c->regex };
	if (c->epoch == 0) {
		c->owned.n = 0;
		memcpy(b.topic, c->topic, sizeof b.topic);
	}
	struct ask *a = beat_as(o, &b);
	const struct consumer_group_heartbeat_response *r = beaten(a);
	int error = r->error_code;
	if (!error) {
		c->epoch = r->member_epoch;
		set_answer(r, &c->owned);
	}
	drop(&o->w, a);
	return error;
}

/* A leave, for good or for a while. */
static inline int
leave_now(struct town *o, struct client *c, int32_t epoch)
{
	struct beating b = { .group = c->group ? c->group : "g", .member = c->id,
		.instance = c->instance, .epoch = epoch };
	struct ask *a = beat_as(o, &b);
	int error = beaten(a)->error_code;
	if (!error)
		check_int(beaten(a)->member_epoch, epoch);
	drop(&o->w, a);
	c->epoch = 0;
	return error;
}

static inline void
steps(struct town *o, struct client *c, int n, int rounds)
{
	for (int k = 0; k < rounds; k++)
		for (int i = 0; i < n; i++)
			check_int(step(o, &c[i]), 0);
}

/* ConsumerGroupDescribe of one group. */
static inline struct ask *
look_at(struct town *o, const char *group)
{
	struct str id = str_of(group);
	struct consumer_group_describe_request q = { .group_ids = { &id, 1 } };
	return ask(&o->w, 69, 1, &q);
}

static inline const struct consumer_group_describe_response_group *
looked(const struct ask *a)
{
	return &((const struct consumer_group_describe_response *)a->answer)->groups.v[0];
}

static inline int32_t
group_epoch(struct town *o, const char *group)
{
	struct ask *a = look_at(o, group);
	int32_t epoch = looked(a)->error_code ? -looked(a)->error_code : looked(a)->group_epoch;
	drop(&o->w, a);
	return epoch;
}

#define check_group(o, group, want) do { struct ask *a_ = look_at(o, group); \
	const char *is_ = text(looked(a_)->group_state); drop(&(o)->w, a_); \
	if (strcmp(is_, want)) tap_fail(__FILE__, __LINE__, "state is %s, want %s", is_, want); \
	} while (0)

#endif
