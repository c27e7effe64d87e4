#include "live.h"

#include "proto.h"
#include "wire/kerr.h"

#include <stdio.h>

enum {
	STRING_MAX = 32767, BUDGET = 400, BUDGET_HUGE = 20000,
};

static const char *const group_names[LIVE_GROUPS] = { "g0", "g1", "g2", "g3", "g4", "g5" };
static const char *const txn_names[LIVE_TXNS] = { "t0", "t1", "t2", "t3", "t4" };
static const char *const topic_names[LIVE_TOPICS] = {
	"a", "b", "c", "__consumer_offsets", "__transaction_state",
};
static const char *const protocol_names[] = {
	"range", "roundrobin", "cooperative-sticky", "uniform",
};
static const char *const regexes[] = {
	"a|b", ".*", "[abc]", "(a*)*b", "a{1,1000}", "^(", "\\p{L}+", "(?i)A",
};
static const char *const config_keys[] = {
	"retention.ms", "segment.bytes", "cleanup.policy", "max.message.bytes",
	"compression.type", "message.timestamp.type", "index.interval.bytes",
	"no.such.key", "segment.ms", "log.retention.ms", "log.cleanup.policy", "message.max.bytes",
	"consumer.session.timeout.ms", "consumer.heartbeat.interval.ms", "log.cleaner.threads",
};
static const char *const config_values[] = {
	"1", "-1", "1000", "100000", "delete", "compact", "zstd", "producer",
	"LogAppendTime", "CreateTime", "9223372036854775807", "", "50000", " compact , delete ",
};
static const char *const states[] = {
	"Stable", "Empty", "Dead", "Ongoing", "CompleteCommit", "classic", "consumer",
};

/* The weights of the APIs; 4 for all others. */
static const struct { int16_t key, weight; } weights[] = {
	{ 0, 60 }, { 1, 20 }, { 8, 25 }, { 9, 20 }, { 10, 6 }, { 11, 40 }, { 12, 25 }, { 13, 12 },
	{ 14, 40 }, { 22, 30 }, { 24, 40 }, { 25, 25 }, { 26, 40 }, { 27, 6 }, { 28, 40 },
	{ 20, 1 }, { 21, 2 }, { 33, 1 }, { 37, 1 }, { 44, 1 }, { 42, 6 }, { 68, 60 },
};

#define PICK(l, v) ((v)[live_below(l, ARRAY_LEN(v))])

void
live_init(struct live *l, uint64_t seed)
{
	*l = (struct live){ .rand = seed ^ 0x9e3779b97f4a7c15 };
	memset(l->max, 0xff, sizeof l->max);
	for (int i = 0; i < LIVE_PRODUCERS; i++)
		l->producer[i].id = i;
}

uint64_t
live_below(struct live *l, uint64_t n)
{
	l->rand += 0x9e3779b97f4a7c15; /* splitmix64 */
	uint64_t z = l->rand;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % n;
}

static bool
one_in(struct live *l, uint64_t n)
{
	return live_below(l, n) == 0;
}

/* ---- integers ---- */

static int64_t
extreme(struct live *l)
{
	static const int64_t v[] = { -1, 0, 1, -2, INT8_MAX, INT16_MAX, INT16_MIN, INT32_MAX,
		INT32_MIN, INT64_MAX, INT64_MIN, -3 };
	return one_in(l, 8) ? (int64_t)(live_below(l, UINT32_MAX) << 31 ^ live_below(l, UINT32_MAX))
		: PICK(l, v);
}

/* Values that make sense, for fields without a rule of their own below. */
static const struct {
	const char *name;
	int64_t v[6];
} usual[] = {
	{ "session_timeout_ms", { 6000, 6000, 10000, 1800000, 6000, 45000 } },
	{ "rebalance_timeout_ms", { 1, 20, 100, 500, 1000, 60000 } },
	{ "timeout_ms", { 0, 1, 100, 1000, 1000, 30000 } },
	{ "transaction_timeout_ms", { 1, 100, 1000, 10000, 60000, 900000 } },
	{ "max_wait_ms", { 0, 1, 10, 100, 100, 500 } },
	{ "acks", { -1, -1, -1, 1, 1, 0 } },
	{ "fetch_offset", { 0, 0, 1, 2, 10, 100 } },
	{ "offset", { -1, 0, 1, 2, 10, 100 } },
	{ "committed_offset", { 0, 1, 2, 10, 100, 1000 } },
	{ "timestamp", { -1, -2, -3, -4, 0, 1700000000000 } },
	{ "min_bytes", { 0, 0, 1, 1, 1, 100 } },
	{ "max_bytes", { 1, 1000, 100000, 1 << 20, 1 << 20, INT32_MAX } },
	{ "partition_max_bytes", { 1, 1000, 100000, 1 << 20, 1 << 20, INT32_MAX } },
	{ "num_partitions", { 1, 2, 3, 4, 4, -1 } },
	{ "count", { 1, 2, 3, 4, 4, 5 } },
	{ "replication_factor", { 1, 1, 1, 1, -1, 2 } },
	{ "replica_id", { -1, -1, -1, -1, -1, 1 } },
	{ "key_type", { 0, 0, 1, 1, 1, 2 } },
	{ "resource_type", { 2, 2, 4, 8, 16, 32 } },
	{ "endpoint_type", { 1, 1, 1, 1, 2, 0 } },
	{ "current_leader_epoch", { -1, -1, -1, 0, 1, 1 } },
	{ "leader_epoch", { -1, 0, 0, 1, 1, 2 } },
	{ "last_fetched_epoch", { -1, -1, -1, 0, 1, 1 } },
	{ "committed_leader_epoch", { -1, -1, -1, 0, 1, 1 } },
	{ "retention_time_ms", { -1, -1, -1, 0, 1, 1000 } },
	{ "coordinator_epoch", { 0, 0, 1, 1, 2, 3 } },
	{ "response_partition_limit", { 1, 2, 10, 100, 2000, 2000 } },
	{ "broker_ids", { 1, 1, 1, 1, 0, 2 } },
};

static bool
is_named(const char *name, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, v[i]) == 0)
			return true;
	return false;
}
#define IS_NAMED(name, ...) \
	is_named(name, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static int64_t
draw_int(struct live *l, const char *name)
{
	const struct live_scene *s = &l->scene;
	const struct live_producer *p = &l->producer[s->producer];
	if (one_in(l, 25))
		return extreme(l);
	if (IS_NAMED(name, "partition", "partition_index", "index", "partitions", "partition_indexes"))
		return l->scene.partition = (int)live_below(l, LIVE_PARTITIONS);
	if (IS_NAMED(name, "producer_id", "v3_and_below_producer_id", "producer_id_filters"))
		return one_in(l, 8) ? (int64_t)live_below(l, 20) : p->id;
	if (IS_NAMED(name, "producer_epoch", "v3_and_below_producer_epoch"))
		return one_in(l, 8) ? p->epoch - 1 + (int)live_below(l, 3) : p->epoch;
	if (IS_NAMED(name, "generation_id", "generation_id_or_member_epoch", "member_epoch"))
		return one_in(l, 5) ? (int64_t)live_below(l, 5) - 2
			: l->member[s->group][s->member].epoch;
	if (strcmp(name, "session_id") == 0)
		return one_in(l, 3) ? 0 : l->session[s->session].id;
	if (strcmp(name, "session_epoch") == 0)
		return one_in(l, 3) ? (int64_t)live_below(l, 3) - 1 : l->session[s->session].epoch++;
	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (strcmp(name, usual[i].name) == 0)
			return usual[i].v[live_below(l, 6)];
	return (int64_t)live_below(l, 5);
}

/* ---- strings and bytes ---- */

static struct str
noise(struct live *l, size_t n, bool is_text)
{
	uint8_t *p = arena_alloc(&l->arena, n + 1);
	for (size_t i = 0; i < n; i++)
		p[i] = is_text ? (uint8_t)('a' + live_below(l, 26)) : (uint8_t)live_below(l, 256);
	return (struct str){ p, (int32_t)n };
}

static struct str
strange_string(struct live *l)
{
	static const char *const v[] = { "", ".", "..", "a/b", "\xff\xfe", "\n\x1b[31m",
		"\xf0\x9f\x98\x80", "__x" };
	static const int size[] = { 249, 250, 4096, 4097, STRING_MAX };
	return one_in(l, 3) ? noise(l, (size_t)PICK(l, size), true) : str_of(PICK(l, v));
}

static struct str
draw_string(struct live *l, const struct wire_struct *in, const char *name)
{
	struct live_scene *s = &l->scene;
	if (one_in(l, 60))
		return strange_string(l);
	if (IS_NAMED(name, "group_id", "groups", "groups_names", "group_ids"))
		return str_of(group_names[one_in(l, 10) ? live_below(l, LIVE_GROUPS) : (uint64_t)s->group]);
	if (strcmp(name, "member_id") == 0)
		return one_in(l, 5) ? STR("") : str_of(l->member[s->group][s->member].id);
	if (strstr(name, "instance_id"))
		return one_in(l, 2) ? STR("i0") : STR("i1");
	if (strstr(name, "transactional_id"))
		return str_of(txn_names[s->producer % LIVE_TXNS]);
	if (IS_NAMED(name, "key", "coordinator_keys"))
		return one_in(l, 2) ? str_of(PICK(l, group_names)) : str_of(PICK(l, txn_names));
	if (strcmp(name, "protocol_type") == 0)
		return one_in(l, 8) ? STR("connect") : STR("consumer");
	if (strcmp(name, "server_assignor") == 0)
		return one_in(l, 4) ? str_of(PICK(l, protocol_names)) : STR("uniform");
	if (strstr(name, "protocol") || strstr(in->name, "protocol"))
		return one_in(l, 4) ? str_of(PICK(l, protocol_names)) : STR("range");
	if (strstr(name, "regex") || strstr(name, "pattern"))
		return str_of(PICK(l, regexes));
	if (strcmp(name, "resource_name") == 0 && one_in(l, 2))
		return one_in(l, 2) ? str_of(group_names[s->group]) : one_in(l, 2) ? STR("1") : STR("");
	if (strcmp(name, "value") == 0)
		return str_of(PICK(l, config_values));
	if (strcmp(name, "configuration_keys") == 0
		|| (strcmp(name, "name") == 0 && strstr(in->name, "config")))
		return str_of(PICK(l, config_keys));
	if (strstr(name, "filter"))
		return str_of(PICK(l, states));
	if (strstr(name, "metadata") || IS_NAMED(name, "reason", "rack_id"))
		return noise(l, (size_t)live_below(l, 20), true);
	if (strcmp(name, "client_software_name") == 0 || strcmp(name, "client_software_version") == 0)
		return STR("1.0");
	/* Internal topics, but not as often. */
	s->topic = (int)live_below(l, one_in(l, 10) ? LIVE_TOPICS : 3);
	return str_of(topic_names[s->topic]);
}

/* The metadata that members of classic consumer groups exchange. */
static struct str
protocol_bytes(struct live *l, bool is_assignment)
{
	struct buf b = BUF_INIT;
	struct str names[3];
	int32_t parts[] = { 0, 1, 2 };
	if (one_in(l, 8))
		return noise(l, (size_t)live_below(l, one_in(l, 20) ? 100000 : 50), false);
	for (size_t i = 0; i < 3; i++)
		names[i] = str_of(topic_names[i]);
	if (is_assignment) {
		struct consumer_protocol_assignment a;
		struct consumer_protocol_assignment_topic t = { .topic = names[0],
			.partitions = { parts, (int32_t)live_below(l, 3) } };
		wire_defaults(&consumer_protocol_assignment_desc, &a);
		a.assigned_partitions.v = &t;
		a.assigned_partitions.n = 1;
		wire_data_encode(&consumer_protocol_assignment_data, (int16_t)live_below(l, 4), &a, &b);
	} else {
		struct consumer_protocol_subscription a;
		wire_defaults(&consumer_protocol_subscription_desc, &a);
		a.topics.v = names;
		a.topics.n = (int32_t)live_below(l, 4);
		wire_data_encode(&consumer_protocol_subscription_data, (int16_t)live_below(l, 4), &a, &b);
	}
	struct str s = arena_str(&l->arena, buf_str(&b));
	buf_release(&b);
	return s;
}

static struct builder_producer
draw_producer(struct live *l)
{
	const struct live_scene *s = &l->scene;
	struct live_producer *p = &l->producer[s->producer];
	if (!s->is_txn && one_in(l, 3))
		return BUILDER_NO_PRODUCER;
	int32_t *seq = &p->sequence[s->topic][s->partition];
	struct builder_producer b = { draw_int(l, "producer_id"),
		(int16_t)draw_int(l, "producer_epoch"),
		one_in(l, 6) ? (int32_t)draw_int(l, "") : *seq, s->is_txn };
	if (one_in(l, 30))
		b.is_transactional = !b.is_transactional;
	if (one_in(l, 30))
		b.base_sequence = INT32_MAX;
	return b;
}

static struct str
records(struct live *l)
{
	struct live_scene *s = &l->scene;
	int n = 1 + (int)live_below(l, 4);
	builder_reset(&l->builder);
	for (int i = 0; i < n; i++)
		builder_append(&l->builder, 1700000000000 + i, one_in(l, 3) ? STR_NULL : STR("key"),
			noise(l, (size_t)live_below(l, one_in(l, 50) ? 20000 : 100), true), STR_NULL, 0);
	struct builder_producer producer = draw_producer(l);
	if (producer.id >= 0)
		l->producer[s->producer].sequence[s->topic][s->partition] =
			(int32_t)((uint32_t)producer.base_sequence + (uint32_t)n) & INT32_MAX;
	struct str batch = arena_str(&l->arena, builder_finish(&l->builder,
		(enum codec)live_below(l, 5), &producer, &l->packed));
	uint8_t *p = (uint8_t *)(uintptr_t)batch.p;
	if (one_in(l, 60)) { /* a control batch, or a strange attribute */
		batch_set_attributes(p, (int16_t)(batch_attributes(p) ^ 1 << live_below(l, 8)));
	}
	if (one_in(l, 60))
		p[live_below(l, (uint64_t)batch.n)] ^= (uint8_t)(1 + live_below(l, 255));
	return batch;
}

static struct str
draw_bytes(struct live *l, const char *name)
{
	if (strcmp(name, "records") == 0)
		return records(l);
	return protocol_bytes(l, strcmp(name, "assignment") == 0);
}

/* ---- messages ---- */

static void fill(struct live *l, const struct wire_struct *d, int16_t version, char *msg);

static uint32_t
size_of(const struct wire_field *f)
{
	static const uint8_t size[] = { sizeof(bool), 1, 2, 4, 8, 2, 4, 8, 16,
		sizeof(struct str), sizeof(struct str) };
	return f->kind == WIRE_STRUCT ? f->elem->size : size[f->kind];
}

static void
fill_value(struct live *l, const struct wire_struct *in, const struct wire_field *f,
	int16_t version, char *to)
{
	int64_t n;
	l->budget--;
	switch ((enum wire_kind)f->kind) {
	case WIRE_BOOL: *(bool *)to = one_in(l, 2); break;
	case WIRE_STRING: *(struct str *)to = draw_string(l, in, f->name); break;
	case WIRE_BYTES: *(struct str *)to = draw_bytes(l, f->name); break;
	case WIRE_STRUCT: fill(l, f->elem, version, to); break;
	case WIRE_UUID: {
		struct uuid u = l->topic_id[live_below(l, LIVE_TOPICS)];
		if (one_in(l, 12))
			memset(&u, (int)live_below(l, 2), sizeof u);
		memcpy(to, &u, sizeof u);
		break;
	}
	case WIRE_F64: *(double *)to = 0; break;
	default: /* little-endian: the low bytes are the value */
		n = draw_int(l, f->name);
		memcpy(to, &n, size_of(f));
	}
}

static int32_t
array_size(struct live *l)
{
	if (l->budget <= 0)
		return 0;
	if (one_in(l, 400))
		l->budget = BUDGET_HUGE;
	int32_t n = one_in(l, 12) ? (int32_t)live_below(l, (uint64_t)l->budget + 1)
		: (int32_t)live_below(l, 4);
	return MIN(n, l->budget);
}

static void
fill_field(struct live *l, const struct wire_struct *in, const struct wire_field *f,
	int16_t version, char *to)
{
	bool is_nullable = version >= f->null_from;
	if (f->array) {
		struct wire_vec *v = (void *)to;
		uint32_t size = size_of(f);
		*v = (struct wire_vec){ NULL, -1 };
		if (is_nullable && one_in(l, 4))
			return;
		v->n = array_size(l);
		v->v = arena_alloc(&l->arena, (size_t)v->n * size + 1);
		for (int32_t i = 0; i < v->n; i++)
			fill_value(l, in, f, version, (char *)v->v + (size_t)i * size);
	} else if (f->pointer) {
		*(void **)to = NULL;
		if (is_nullable && one_in(l, 2))
			return;
		void *p = arena_alloc(&l->arena, f->elem->size);
		fill(l, f->elem, version, p);
		*(void **)to = p;
	} else {
		bool wants_null = strcmp(f->name, "records") == 0 ? one_in(l, 100)
			: strcmp(f->name, "transactional_id") == 0 ? !l->scene.is_txn : one_in(l, 3);
		if (is_nullable && wants_null)
			*(struct str *)to = STR_NULL;
		else
			fill_value(l, in, f, version, to);
	}
}

static void
fill(struct live *l, const struct wire_struct *d, int16_t version, char *msg)
{
	wire_defaults(d, msg);
	for (int i = 0; i < d->nfield; i++) {
		const struct wire_field *f = &d->field[i];
		if (version < f->from || version > f->upto)
			continue;
		if (f->tag >= 0 && one_in(l, 2))
			continue; /* leave the field out */
		fill_field(l, d, f, version, msg + f->off);
	}
}

static int
weight(int16_t key)
{
	for (size_t i = 0; i < ARRAY_LEN(weights); i++)
		if (weights[i].key == key)
			return weights[i].weight;
	return 4;
}

static const struct wire_api *
draw_api(struct live *l)
{
	int all = 0;
	for (int i = 0; i < wire_api_n; i++)
		all += l->max[wire_api[i].key] >= 0 ? weight(wire_api[i].key) : 0;
	if (!all) /* first, the APIs that exist */
		return wire_api_find(API_API_VERSIONS);
	int at = (int)live_below(l, (uint64_t)all);
	for (int i = 0;; i++) {
		at -= l->max[wire_api[i].key] >= 0 ? weight(wire_api[i].key) : 0;
		if (at < 0)
			return &wire_api[i];
	}
}

/* Set fields without which nothing happens, and which chance would rarely hit. */
static void
make_likely(struct live *l, struct live_request *r)
{
	if (r->api->key == API_INIT_PRODUCER_ID) {
		struct init_producer_id_request *q = r->body;
		q->producer_id = -1;
		q->producer_epoch = -1;
	} else if (r->api->key == API_CONSUMER_GROUP_HEARTBEAT) {
		struct consumer_group_heartbeat_request *q = r->body;
		if (q->member_epoch != 0)
			return;
		q->rebalance_timeout_ms = 1000;
		q->topic_partitions.n = 0;
		if (q->subscribed_topic_names.n < 0) {
			q->subscribed_topic_names.v = arena_alloc(&l->arena, sizeof(struct str));
			q->subscribed_topic_names.v[0] = str_of(PICK(l, topic_names));
			q->subscribed_topic_names.n = 1;
		}
	}
}

void
live_make(struct live *l, struct live_request *r)
{
	arena_reset(&l->arena);
	const struct wire_api *api = draw_api(l);
	int16_t max = l->max[api->key] < 0 ? api->max : l->max[api->key];
	int16_t min = MIN(api->min, max);
	*r = (struct live_request){ .api = api };
	r->version = one_in(l, 2) ? max
		: (int16_t)(min + (int16_t)live_below(l, (uint64_t)(max - min + 1)));
	l->scene = (struct live_scene){ .group = (int)live_below(l, LIVE_GROUPS),
		.member = (int)live_below(l, LIVE_MEMBERS), .is_txn = one_in(l, 2),
		.session = (int)live_below(l, LIVE_SESSIONS) };
	/* Those with transactional ids come first. */
	l->scene.producer = (int)live_below(l, l->scene.is_txn ? LIVE_TXNS : LIVE_PRODUCERS);
	l->budget = BUDGET;
	r->body = arena_alloc(&l->arena, api->request->size);
	fill(l, api->request, r->version, r->body);
	if (!one_in(l, 4))
		make_likely(l, r);
	if (api->key == API_PRODUCE)
		r->is_silent = ((struct produce_request *)r->body)->acks == 0;
	r->scene = l->scene;
}

/* ---- learning from answers ---- */

static void
learn_field(struct live *l, const struct live_scene *s, const struct wire_field *f, const char *at)
{
	struct live_member *m = &l->member[s->group][s->member];
	struct live_producer *p = &l->producer[s->producer];
	int64_t n = 0;
	if (f->kind == WIRE_I16 || f->kind == WIRE_I32 || f->kind == WIRE_I64) {
		memcpy(&n, at, size_of(f));
		n = f->kind == WIRE_I16 ? (int16_t)n : f->kind == WIRE_I32 ? (int32_t)n : n;
	}
	if (strcmp(f->name, "member_id") == 0 && f->kind == WIRE_STRING) {
		const struct str *id = (const void *)at;
		if (id->n > 0 && id->n < (int32_t)sizeof m->id)
			snprintf(m->id, sizeof m->id, "%.*s", STR_ARG(*id));
	} else if (IS_NAMED(f->name, "generation_id", "member_epoch")) {
		m->epoch = (int32_t)n;
	} else if (strcmp(f->name, "producer_id") == 0 && n >= 0) {
		p->id = n;
	} else if (strcmp(f->name, "producer_epoch") == 0 && n >= 0) {
		if (p->epoch != n)
			memset(p->sequence, 0, sizeof p->sequence);
		p->epoch = (int16_t)n;
	} else if (strcmp(f->name, "session_id") == 0) {
		l->session[s->session].id = (int32_t)n;
		l->session[s->session].epoch = 1;
	} else if (strcmp(f->name, "topic_id") == 0 && f->kind == WIRE_UUID) {
		memcpy(&l->topic_id[live_below(l, LIVE_TOPICS)], at, 16);
	}
}

static void
learn(struct live *l, const struct live_scene *s, const struct wire_struct *d, int16_t version,
	const char *msg)
{
	for (int i = 0; i < d->nfield; i++) {
		const struct wire_field *f = &d->field[i];
		if (version < f->from || version > f->upto)
			continue;
		const char *at = msg + f->off;
		if (f->array && f->kind == WIRE_STRUCT) {
			const struct wire_vec *v = (const void *)at;
			for (int32_t k = 0; k < MIN(v->n, 10); k++)
				learn(l, s, f->elem, version, (const char *)v->v + (size_t)k * f->elem->size);
		} else if (!f->array && f->kind != WIRE_STRUCT) {
			learn_field(l, s, f, at);
		}
	}
}

static int16_t
error_of(const struct wire_struct *d, int16_t version, const char *msg)
{
	int16_t error = 0;
	for (int i = 0; i < d->nfield; i++)
		if (strcmp(d->field[i].name, "error_code") == 0 && version >= d->field[i].from)
			memcpy(&error, msg + d->field[i].off, sizeof error);
	return error;
}

void
live_learn(struct live *l, const struct live_scene *scene, const struct wire_api *api,
	int16_t version, const void *msg)
{
	if (api->key == API_API_VERSIONS) {
		const struct api_versions_response *r = msg;
		for (int32_t i = 0; i < r->api_keys.n; i++)
			if (r->api_keys.v[i].api_key < LIVE_KEYS && wire_api_find(r->api_keys.v[i].api_key))
				l->max[r->api_keys.v[i].api_key] = r->api_keys.v[i].max_version;
		return;
	}
	int16_t error = error_of(api->response, version, msg);
	struct live_member *m = &l->member[scene->group][scene->member];
	if (error == KERR_UNKNOWN_MEMBER_ID || error == KERR_FENCED_INSTANCE_ID
		|| error == KERR_FENCED_MEMBER_EPOCH)
		*m = (struct live_member){ .epoch = 0 };
	if (error == KERR_NONE || error == KERR_MEMBER_ID_REQUIRED)
		learn(l, scene, api->response, version, msg);
}
