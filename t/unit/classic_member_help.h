/*
 * A consumer with the classic protocol, as in a client library: it joins, assigns if
 * it is the leader, syncs, sends heartbeats.  An eager one gives up all partitions
 * before it joins again; a cooperative one keeps and reports them.
 */
#ifndef KQ_T_CLASSIC_MEMBER_HELP_H
#define KQ_T_CLASSIC_MEMBER_HELP_H
#include "consumer_help.h"
#include "proto.h"

enum { OLD_JOIN, OLD_SYNC, OLD_BEAT }; /* what it sends next */

struct old_member {
	const char *group, *instance, *protocol; /* protocol NULL: range */
	const char *topic[NTOPIC + 1];
	bool is_cooperative;
	int32_t session_ms, rebalance_ms;
	char id[64];
	int next;
	int32_t generation;
	struct set owned;
	struct buf lead; /* the sync's assignments, when it leads */
	struct { char id[64]; struct set set; } plan[24];
	int nplan;
};

static inline int
topic_at(struct str name)
{
	for (int i = 0; i < NTOPIC; i++)
		if (str_eq(str_of(topic_names[i]), name))
			return i;
	return -1;
}

static inline void
set_add(struct set *s, int32_t p)
{
	check(s->n < SET_MAX);
	s->v[s->n++] = p;
	qsort(s->v, (size_t)s->n, sizeof s->v[0], by_number);
}

static inline bool
set_has(const struct set *s, int32_t p)
{
	return bsearch(&p, s->v, (size_t)s->n, sizeof s->v[0], by_number) != NULL;
}

/* Topic by topic; both embedded messages have the same layout. */
#define SET_TOPICS(s, T, out, index) \
	for (int32_t i_ = 0; i_ < (s)->n; i_++) { \
		index[i_] = (s)->v[i_] % 1000; \
		if (i_ == 0 || (s)->v[i_] / 1000 != (s)->v[i_ - 1] / 1000) { \
			T[out].topic = str_of(topic_names[(s)->v[i_] / 1000]); \
			T[out].partitions.v = index + i_; \
			T[out++].partitions.n = 0; \
		} \
		T[out - 1].partitions.n++; \
	}

static inline void
old_metadata(const struct old_member *m, struct buf *b)
{
	struct consumer_protocol_subscription_topic t[NTOPIC];
	struct consumer_protocol_subscription s;
	struct str names[NTOPIC];
	int32_t index[SET_MAX], n = 0;
	wire_defaults(&consumer_protocol_subscription_desc, &s);
	s.topics.v = names;
	s.topics.n = 0;
	for (int i = 0; i < NTOPIC && m->topic[i]; i++)
		names[s.topics.n++] = str_of(m->topic[i]);
	SET_TOPICS(&m->owned, t, n, index)
	s.owned_partitions.v = t;
	s.owned_partitions.n = n;
	wire_data_encode(&consumer_protocol_subscription_data, 1, &s, b);
}

static inline void
old_assignment(const struct set *set, struct buf *b)
{
	struct consumer_protocol_assignment_topic t[NTOPIC];
	struct consumer_protocol_assignment s;
	int32_t index[SET_MAX], n = 0;
	wire_defaults(&consumer_protocol_assignment_desc, &s);
	SET_TOPICS(set, t, n, index)
	s.assigned_partitions.v = t;
	s.assigned_partitions.n = n;
	wire_data_encode(&consumer_protocol_assignment_data, 1, &s, b);
}

/* Whether the member reports that it owns the partition. */
static inline bool
old_has(const struct consumer_protocol_subscription *s, int topic, int32_t p)
{
	for (int32_t k = 0; k < s->owned_partitions.n; k++)
		for (int32_t x = 0; x < s->owned_partitions.v[k].partitions.n; x++)
			if (topic_at(s->owned_partitions.v[k].topic) == topic
					&& s->owned_partitions.v[k].partitions.v[x] == p)
				return true;
	return false;
}

/* Each topic's partitions to the members in turn, except those another one still
 * owns. */
static inline void
old_plan(struct town *o, struct old_member *m, const struct join_group_response *r)
{
	struct arena a = ARENA_INIT;
	struct consumer_protocol_subscription sub[24];
	m->nplan = r->members.n;
	check(m->nplan <= 24);
	for (int i = 0; i < m->nplan; i++) {
		snprintf(m->plan[i].id, sizeof m->plan[i].id, "%.*s",
			STR_ARG(r->members.v[i].member_id));
		m->plan[i].set.n = 0;
		check(wire_data_decode(&consumer_protocol_subscription_data,
			r->members.v[i].metadata.p, (size_t)r->members.v[i].metadata.n, &a,
			&sub[i]) >= 0);
	}
	for (int t = 0; t < NTOPIC; t++) {
		int who[24], n = 0;
		for (int i = 0; i < m->nplan; i++)
			for (int32_t k = 0; k < sub[i].topics.n; k++)
				if (topic_at(sub[i].topics.v[k]) == t)
					who[n++] = i;
		for (int32_t p = 0; n > 0 && p < o->npartition[t]; p++) {
			bool is_kept = false;
			for (int i = 0; i < m->nplan; i++)
				is_kept |= i != who[p % n] && old_has(&sub[i], t, p);
			if (!is_kept)
				set_add(&m->plan[who[p % n]].set, t * 1000 + p);
		}
	}
	arena_release(&a);
}

static inline struct ask *
old_send_join(struct town *o, struct old_member *m)
{
	struct buf b = BUF_INIT;
	if (!m->is_cooperative)
		m->owned.n = 0;
	old_metadata(m, &b);
	struct join_group_request_protocol p = {
		str_of(m->protocol ? m->protocol : "range"), buf_str(&b) };
	struct join_group_request q = {
		.group_id = str_of(m->group ? m->group : "g"), .member_id = str_of(m->id),
		.session_timeout_ms = m->session_ms ? m->session_ms : SESSION_MS,
		.rebalance_timeout_ms = m->rebalance_ms ? m->rebalance_ms : 60000,
		.group_instance_id = str_of(m->instance), .protocol_type = STR("consumer"),
		.protocols = { &p, 1 }, .reason = STR_NULL,
	};
	struct ask *a = ask(&o->w, 11, 9, &q);
	buf_release(&b);
	return a;
}

static inline struct ask *
old_send_sync(struct town *o, struct old_member *m)
{
	struct sync_group_request_assignment v[24];
	struct buf b[24];
	struct sync_group_request q = {
		.group_id = str_of(m->group ? m->group : "g"), .generation_id = m->generation,
		.member_id = str_of(m->id), .group_instance_id = str_of(m->instance),
		.protocol_type = STR("consumer"), .protocol_name = STR_NULL,
		.assignments = { v, m->nplan },
	};
	for (int i = 0; i < m->nplan; i++) {
		b[i] = (struct buf)BUF_INIT;
		old_assignment(&m->plan[i].set, &b[i]);
		v[i].member_id = str_of(m->plan[i].id);
		v[i].assignment = buf_str(&b[i]);
	}
	struct ask *a = ask(&o->w, 14, 4, &q);
	for (int i = 0; i < m->nplan; i++)
		buf_release(&b[i]);
	return a;
}

static inline struct ask *
old_send(struct town *o, struct old_member *m)
{
	if (m->next == OLD_JOIN)
		return old_send_join(o, m);
	if (m->next == OLD_SYNC)
		return old_send_sync(o, m);
	struct heartbeat_request q = { str_of(m->group ? m->group : "g"), m->generation,
		str_of(m->id), str_of(m->instance) };
	return ask(&o->w, 12, 4, &q);
}

static inline void
old_lost(struct old_member *m, int error)
{
	if (error == KERR_UNKNOWN_MEMBER_ID || error == KERR_FENCED_INSTANCE_ID)
		m->id[0] = '\0';
	if (error == KERR_UNKNOWN_MEMBER_ID || error == KERR_ILLEGAL_GENERATION
			|| error == KERR_FENCED_INSTANCE_ID)
		m->owned.n = 0;
	m->next = OLD_JOIN;
}

/* Takes its assignment. */
static inline void
old_assigned(struct old_member *m, const struct sync_group_response *r)
{
	struct arena a = ARENA_INIT;
	struct consumer_protocol_assignment v;
	struct set fresh = { .n = 0 };
	check(wire_data_decode(&consumer_protocol_assignment_data, r->assignment.p,
		(size_t)r->assignment.n, &a, &v) >= 0);
	for (int32_t i = 0; i < v.assigned_partitions.n; i++)
		for (int32_t k = 0; k < v.assigned_partitions.v[i].partitions.n; k++)
			set_add(&fresh, topic_at(v.assigned_partitions.v[i].topic) * 1000
				+ v.assigned_partitions.v[i].partitions.v[k]);
	bool is_revoking = false;
	for (int32_t i = 0; i < m->owned.n; i++)
		is_revoking |= !set_has(&fresh, m->owned.v[i]);
	m->owned = fresh;
	m->next = is_revoking ? OLD_JOIN : OLD_BEAT;
	arena_release(&a);
}

/* Handles the answer to its last request; returns the error code. */
static inline int
old_hear(struct town *o, struct old_member *m, const struct ask *a)
{
	int error = code(a);
	if (a->call.api_key == API_JOIN_GROUP) {
		const struct join_group_response *r = joined(a);
		if (error == KERR_MEMBER_ID_REQUIRED || error == 0)
			snprintf(m->id, sizeof m->id, "%.*s", STR_ARG(r->member_id));
		if (error && error != KERR_MEMBER_ID_REQUIRED) {
			old_lost(m, error);
		} else if (!error) {
			m->generation = r->generation_id;
			m->nplan = 0;
			if (str_eq(r->leader, r->member_id) && r->members.n > 0)
				old_plan(o, m, r);
			m->next = OLD_SYNC;
		}
	} else if (error) {
		old_lost(m, error);
	} else if (a->call.api_key == API_SYNC_GROUP) {
		old_assigned(m, a->answer);
	}
	return error;
}

/* Sends a request, which must be answered at once, and handles the answer. */
static inline int
old_step(struct town *o, struct old_member *m)
{
	struct ask *a = old_send(o, m);
	pass(&o->w, 0);
	check(a->answer != NULL);
	int error = old_hear(o, m, a);
	drop(&o->w, a);
	return error;
}

/* Steps until only heartbeats are left to send. */
static inline void
old_settle(struct town *o, struct old_member *m)
{
	for (int i = 0; i < 8 && m->next != OLD_BEAT; i++)
		old_step(o, m);
	check_int(m->next, OLD_BEAT);
}

#endif
