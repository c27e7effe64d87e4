/* Metadata: nodes, topics, leaders. */
#include "client/cluster.h"

#include "client/cluster_int.h"
#include "sys/clock.h"

#include "proto.h"

enum {
	ARENA_MAX = 256 << 20,
	RETRY_MS = 20,      /* first pause between requests about a topic that is being created */
	RETRY_MAX_MS = 300,
	CREATE_WAIT_MS = 5000, /* for a topic that remains unknown */
	INCOMPLETE_AGE_MS = 1000,     /* of incomplete metadata */
	REFRESH_RETRY_MS = 1000,
};

static void
take_node(struct cluster *cl, int32_t id, struct str host, int32_t port)
{
	struct cluster_node *node = cluster_node(cl, id);
	if (!node) {
		cl->node = mem_realloc(cl->node, (size_t)(cl->nnode + 1) * sizeof(void *));
		node = cl->node[cl->nnode++] = NEW(struct cluster_node);
		node->id = id;
	}
	if (node->host && (node->port != port || !str_eq(str_of(node->host), host)))
		node->retry_at_ms = node->backoff_ms = 0;
	mem_free(node->host);
	node->host = mem_strndup(host);
	node->port = port;
	node->is_gone = false;
}

static struct cluster_topic *
find_topic(const struct cluster *cl, struct str name)
{
	for (int i = 0; i < cl->ntopic; i++)
		if (str_eq(str_of(cl->topic[i]->name), name))
			return cl->topic[i];
	return NULL;
}

/* The topic has another id: what was known of its partitions is obsolete. */
static void
begin_generation(struct cluster_topic *t)
{
	t->old_id = t->id;
	t->generation++;
	for (int32_t i = 0; i < t->npart; i++) /* also those that no longer exist */
		t->part[i] = (struct cluster_part){ .leader = -1, .leader_epoch = -1 };
}

/* Partitions are listed in any order, without gaps.  The array never shrinks: a stale
 * index finds no leader. */
static void
take_parts(struct cluster_topic *t, const struct metadata_response_topic *in,
	bool is_new)
{
	int32_t n = MAX(in->partitions.n, 0);
	if (n > t->part_cap) {
		t->part = mem_realloc(t->part, (size_t)n * sizeof *t->part);
		for (int32_t i = t->part_cap; i < n; i++)
			t->part[i] = (struct cluster_part){ .leader = -1, .leader_epoch = -1 };
		t->part_cap = n;
	}
	t->npart = is_new ? n : MAX(n, t->npart);
	if (!t->npart_first)
		t->npart_first = n;
	for (int32_t i = 0; i < in->partitions.n; i++) {
		int32_t k = in->partitions.v[i].partition_index;
		if (k < 0 || k >= n)
			continue;
		t->part[k].leader = in->partitions.v[i].leader_id;
		t->part[k].leader_epoch = in->partitions.v[i].leader_epoch;
	}
}

static void
take_topic(struct cluster *cl, const struct metadata_response_topic *in)
{
	struct cluster_topic *t = find_topic(cl, in->name);
	const struct uuid *id = &in->topic_id;
	if (!t)
		return;
	if (!uuid_is_zero(id) && uuid_eq(id, &t->old_id))
		return; /* from a broker with older metadata */
	t->error = in->error_code;
	if (t->error == KERR_UNKNOWN_TOPIC_OR_PARTITION && t->npart > 0 && !t->gone_since_ms)
		t->gone_since_ms = clock_mono_ms();
	if (in->partitions.n <= 0)
		return; /* keep the known partitions */
	bool is_new = !uuid_is_zero(id) && !uuid_is_zero(&t->id) && !uuid_eq(id, &t->id);
	if (is_new)
		begin_generation(t);
	t->was_gone |= t->gone_since_ms != 0;
	t->gone_since_ms = 0;
	t->id = *id;
	take_parts(t, in, is_new);
}

/* Has a topic an error, or a partition no leader? */
static bool
is_incomplete(const struct cluster *cl)
{
	for (int i = 0; i < cl->ntopic; i++) {
		const struct cluster_topic *t = cl->topic[i];
		if (t->error)
			return true;
		for (int32_t k = 0; k < t->npart; k++)
			if (t->part[k].leader < 0)
				return true;
	}
	return false;
}

static void
take_metadata(struct cluster *cl, const struct metadata_response *r)
{
	for (int i = 0; i < cl->nnode; i++)
		cl->node[i]->is_gone = true;
	for (int32_t i = 0; i < r->brokers.n; i++)
		take_node(cl, r->brokers.v[i].node_id, r->brokers.v[i].host,
			r->brokers.v[i].port);
	cl->controller = r->controller_id;
	if (r->cluster_id.n > 0 && !cl->cluster_id)
		cl->cluster_id = mem_strndup(r->cluster_id);
	for (int32_t i = 0; i < r->topics.n; i++)
		take_topic(cl, &r->topics.v[i]);
	cl->has_metadata = true;
	cl->is_incomplete = is_incomplete(cl);
}

/* Fetch metadata of the cached topics, or of one. */
static int
ask(struct cluster *cl, const struct cluster_topic *only, bool may_create,
	struct err *e)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct metadata_request q;
	struct metadata_response r;
	wire_defaults(wire_api_find(API_METADATA)->request, &q);
	int n = only ? 1 : cl->ntopic;
	q.topics.v = arena_alloc(&a, (size_t)(n + 1) * sizeof *q.topics.v);
	q.topics.n = n;
	for (int i = 0; i < n; i++) /* zeroed: no topic id */
		q.topics.v[i].name = str_of(only ? only->name : cl->topic[i]->name);
	q.allow_auto_topic_creation = may_create;
	int rc = cluster_call(cl, CLUSTER_ANY, API_METADATA, &q, &r, &a, e);
	if (rc >= 0)
		take_metadata(cl, &r);
	if (rc >= 0 && (!only || !cl->refreshed_ms))
		cl->refreshed_ms = clock_mono_ms();
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}

int
cluster_refresh(struct cluster *cl, struct err *e)
{
	return ask(cl, NULL, false, e);
}

int
cluster_find_nodes(struct cluster *cl, struct err *e)
{
	return cl->has_metadata ? 0 : cluster_refresh(cl, e);
}

int64_t
cluster_keep_fresh(struct cluster *cl)
{
	struct err ignored;
	int age_ms = cl->opts.metadata_max_age_ms;
	if (cl->is_incomplete)
		age_ms = MIN(age_ms, INCOMPLETE_AGE_MS);
	int64_t now = clock_mono_ms(), at = MAX(cl->refreshed_ms + age_ms, cl->refresh_at_ms);
	if (now < at)
		return at;
	if (cluster_refresh(cl, &ignored) < 0)
		cl->refresh_at_ms = clock_mono_ms() + REFRESH_RETRY_MS;
	return clock_mono_ms(); /* the caller must see the new metadata at once */
}

/* Has every partition a leader? */
static bool
has_all_leaders(const struct cluster_topic *t)
{
	if (t->error || t->npart == 0)
		return false;
	for (int32_t i = 0; i < t->npart; i++)
		if (t->part[i].leader < 0)
			return false;
	return true;
}

/* Is it worth asking again? */
static bool
may_change(const struct cluster_topic *t, bool may_create, int64_t waited_ms)
{
	if (t->error == KERR_UNKNOWN_TOPIC_OR_PARTITION)
		return may_create && waited_ms < CREATE_WAIT_MS;
	return !t->error || kerr_info(t->error)->is_retriable;
}

static void
forget_topic(struct cluster *cl, struct cluster_topic *t)
{
	int i = 0;
	while (cl->topic[i] != t)
		i++;
	cl->topic[i] = cl->topic[--cl->ntopic];
	mem_free(t->name);
	mem_free(t->part);
	mem_free(t);
}

static struct cluster_topic *
add_topic(struct cluster *cl, const char *name)
{
	cl->topic = mem_realloc(cl->topic, (size_t)(cl->ntopic + 1) * sizeof(void *));
	struct cluster_topic *t = cl->topic[cl->ntopic++] = NEW(struct cluster_topic);
	t->name = mem_strdup(name);
	return t;
}

void
cluster_pause(struct cluster *cl, int ms)
{
	int64_t until = clock_mono_ms() + ms, now;
	while ((now = clock_mono_ms()) < until && !cl->is_woken)
		cluster_await(cl, -1, 0, (int)(until - now));
}

static int
topic_err(const struct cluster_topic *t, struct err *e)
{
	if (t->error == KERR_UNKNOWN_TOPIC_OR_PARTITION) {
		err_set(e, ERR_RETRY, "topic '%s' does not exist", t->name); /* yet */
		e->kafka = t->error;
		return -1;
	}
	if (t->error) {
		cluster_peer_err(e, t->error, STR_NULL);
		return err_wrap(e, "topic '%s'", t->name);
	}
	return err_set(e, ERR_RETRY, "topic '%s' has partitions without a leader", t->name);
}

struct cluster_topic *
cluster_known_topic(const struct cluster *cl, const char *name)
{
	return find_topic(cl, str_of(name));
}

struct cluster_topic *
cluster_topic(struct cluster *cl, const char *name, bool may_create,
	struct err *e)
{
	struct cluster_topic *t = find_topic(cl, str_of(name));
	if (t && has_all_leaders(t))
		return t;
	bool is_new = !t;
	if (is_new)
		t = add_topic(cl, name);
	int64_t start = clock_mono_ms();
	for (int wait = RETRY_MS;; wait = MIN(wait * 2, RETRY_MAX_MS)) {
		if (ask(cl, t, may_create, e) < 0)
			break;
		if (has_all_leaders(t))
			return t;
		int64_t waited = clock_mono_ms() - start;
		if (!may_change(t, may_create, waited) || waited >= cl->opts.topic_timeout_ms) {
			topic_err(t, e);
			break;
		}
		cluster_pause(cl, wait);
	}
	if (is_new)
		forget_topic(cl, t);
	return NULL;
}
