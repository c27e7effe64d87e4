#include "client/assign_int.h"

#include "proto.h"

#include <stdlib.h>

enum {
	VERSION = 3,        /* that we write, of both formats */
	CELLS_MAX = 16 << 20, /* limit of members times topics, and of partitions */
	ARENA_MAX = 64 << 20,
};

/* In the order in which a member offers them: Kafka's default first. */
const struct assign_kind assign_kinds[] = {
	{ .name = "range", .run = assign_range },
	{ .name = "roundrobin", .run = assign_roundrobin },
	{ .name = "sticky", .has_user_data = true, .run = assign_sticky },
	{ .name = "cooperative-sticky", .is_cooperative = true, .has_user_data = true,
		.run = assign_cooperative },
};
const int assign_kinds_n = ARRAY_LEN(assign_kinds);

/* Only for members that ask for it. */
static const struct assign_kind numbers = { .name = "numbers", .run = assign_numbers };

const struct assign_kind *
assign_find(struct str name)
{
	if (str_eq(name, str_of(numbers.name)))
		return &numbers;
	for (int i = 0; i < assign_kinds_n; i++)
		if (str_eq(str_of(assign_kinds[i].name), name))
			return &assign_kinds[i];
	return NULL;
}

/* ---- helpers of the assignors ---- */

bool
assign_has_topic(const struct assign_member *member, int32_t topic)
{
	int32_t low = 0, high = member->ntopic;
	while (low < high) {
		int32_t mid = low + (high - low) / 2;
		if (member->topic[mid] < topic)
			low = mid + 1;
		else
			high = mid;
	}
	return low < member->ntopic && member->topic[low] == topic;
}

static void
add_part(struct arena *a, struct assign_list *to, int32_t topic, int32_t partition)
{
	if ((to->n & (to->n - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
		struct assign_part *v = arena_alloc(a, (size_t)MAX(2 * to->n, 1) * sizeof *v);
		assert(v);
		if (to->n > 0)
			memcpy(v, to->v, (size_t)to->n * sizeof *v);
		to->v = v;
	}
	to->v[to->n++] = (struct assign_part){ topic, partition };
}

void
assign_give(struct assign *assign, struct assign_member *member, int32_t topic,
	int32_t partition)
{
	add_part(assign->arena, &member->got, topic, partition);
}

static int
by_turn(const void *x, const void *y)
{
	const struct assign_member *a = *(struct assign_member *const *)x;
	const struct assign_member *b = *(struct assign_member *const *)y;
	if ((a->instance.n < 0) != (b->instance.n < 0))
		return a->instance.n < 0 ? 1 : -1;
	int order = a->instance.n < 0 ? 0 : str_cmp(a->instance, b->instance);
	return order ? order : str_cmp(a->id, b->id);
}

struct assign_member **
assign_order(struct assign *assign)
{
	struct assign_member **v = arena_alloc(assign->arena,
		((size_t)assign->nmember + 1) * sizeof(void *));
	assert(v);
	for (int32_t i = 0; i < assign->nmember; i++)
		v[i] = &assign->member[i];
	qsort(v, (size_t)assign->nmember, sizeof(void *), by_turn);
	return v;
}

/* ---- writing ---- */

static void
put_i16(struct buf *b, int16_t v)
{
	buf_put_be16(b, (uint16_t)v);
}

static void
put_i32(struct buf *b, int32_t v)
{
	buf_put_be32(b, (uint32_t)v);
}

/* [topic string, partitions [i32]] */
static void
put_owned(struct buf *b, const struct assign_owned *v, int n)
{
	size_t count_at = b->n;
	int32_t ntopic = 0;
	put_i32(b, 0);
	for (int i = 0; i < n; ntopic++) {
		int last = i;
		while (last < n && str_eq(v[last].topic, v[i].topic))
			last++;
		put_i16(b, (int16_t)v[i].topic.n);
		buf_put_str(b, v[i].topic);
		put_i32(b, last - i);
		while (i < last)
			put_i32(b, v[i++].partition);
	}
	store_be32(b->p + count_at, (uint32_t)ntopic);
}

/* The same, as the generated struct. */
static int32_t
group_owned(const struct assign_owned *v, int n, struct arena *a,
	struct consumer_protocol_subscription_topic **out)
{
	int32_t ntopic = 0;
	*out = arena_alloc(a, ((size_t)n + 1) * sizeof **out);
	int32_t *partition = arena_alloc(a, ((size_t)n + 1) * sizeof *partition);
	for (int i = 0; i < n; ntopic++) {
		int first = i;
		for (; i < n && str_eq(v[i].topic, v[first].topic); i++)
			partition[i] = v[i].partition;
		(*out)[ntopic].topic = v[first].topic;
		(*out)[ntopic].partitions.v = partition + first;
		(*out)[ntopic].partitions.n = i - first;
	}
	return ntopic;
}

void
assign_put_subscription(struct buf *b, const struct assign_kind *as,
	const struct str *topic, int ntopic, const struct assign_owned *owned,
	int nowned, int32_t generation)
{
	struct arena a = ARENA_INIT;
	struct buf user = BUF_INIT;
	struct consumer_protocol_subscription sub;
	wire_defaults(&consumer_protocol_subscription_desc, &sub);
	sub.topics.v = arena_alloc(&a, ((size_t)ntopic + 1) * sizeof *sub.topics.v);
	sub.topics.n = ntopic;
	for (int i = 0; i < ntopic; i++)
		sub.topics.v[i] = topic[i];
	sub.generation_id = generation;
	if (as->is_cooperative) {
		sub.owned_partitions.n = group_owned(owned, nowned, &a, &sub.owned_partitions.v);
		put_i32(&user, generation);
	} else if (as->has_user_data && generation >= 0) {
		put_owned(&user, owned, nowned);
		put_i32(&user, generation);
	}
	if (user.n > 0)
		sub.user_data = buf_str(&user);
	wire_data_encode(&consumer_protocol_subscription_data, VERSION, &sub, b);
	buf_release(&user);
	arena_release(&a);
}

void
assign_put_assignment(struct buf *b, const struct assign *assign, int32_t member)
{
	const struct assign_list *got = &assign->member[member].got;
	struct arena scratch = ARENA_INIT;
	struct consumer_protocol_assignment out;
	struct consumer_protocol_assignment_topic *to;
	wire_defaults(&consumer_protocol_assignment_desc, &out);
	to = arena_alloc(&scratch, ((size_t)assign->ntopic + 1) * sizeof *to);
	out.assigned_partitions.v = to;
	int32_t *partition = arena_alloc(&scratch, ((size_t)got->n + 1) * sizeof *partition);
	/* All assignors append the partitions topic by topic. */
	for (int32_t i = 0; i < got->n;) {
		int32_t topic = got->v[i].topic;
		to[out.assigned_partitions.n].topic = assign->topic[topic].name;
		to[out.assigned_partitions.n].partitions.v = partition + i;
		int32_t first = i;
		for (; i < got->n && got->v[i].topic == topic; i++)
			partition[i] = got->v[i].partition;
		to[out.assigned_partitions.n++].partitions.n = i - first;
	}
	wire_data_encode(&consumer_protocol_assignment_data, VERSION, &out, b);
	arena_release(&scratch);
}

/* ---- reading ---- */

static int
broken(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "a member of the group sent %s that cannot be read", what);
}

/* Decode a version and a message; a later version as the last known one. */
static int
decode(const struct wire_data *data, struct str bytes, struct arena *a, void *msg)
{
	if (bytes.n < 2)
		return -1;
	int16_t version = (int16_t)load_be16(bytes.p);
	if (version < data->min)
		return -1;
	wire_defaults(data->desc, msg);
	return wire_decode(data->desc, MIN(version, data->max), false, bytes.p + 2,
		(size_t)bytes.n - 2, a, msg) < 0 ? -1 : MIN(version, data->max);
}

static int
by_name(const void *x, const void *y)
{
	return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

int
assign_topics(const struct assign_bytes *in, int n, struct arena *a,
	struct str **names, struct err *e)
{
	int32_t count = 0, cap = 0;
	struct str *v = NULL;
	for (int i = 0; i < n; i++) {
		struct consumer_protocol_subscription sub;
		if (decode(&consumer_protocol_subscription_data, in[i].subscription, a, &sub) < 0)
			return broken(e, "a subscription");
		if (count + sub.topics.n > cap) {
			cap = 2 * (count + sub.topics.n);
			struct str *more = arena_alloc(a, (size_t)cap * sizeof *more);
			if (!more)
				return err_set(e, ERR_LIMIT, "the group subscribes to too many topics");
			if (count > 0)
				memcpy(more, v, (size_t)count * sizeof *more);
			v = more;
		}
		for (int32_t k = 0; k < sub.topics.n; k++)
			v[count++] = sub.topics.v[k];
	}
	if (count > 0)
		qsort(v, (size_t)count, sizeof *v, by_name);
	int32_t kept = 0;
	for (int32_t i = 0; i < count; i++)
		if (kept == 0 || !str_eq(v[kept - 1], v[i]))
			v[kept++] = v[i];
	*names = v;
	return kept;
}

static int32_t
find_topic(const struct assign *assign, struct str name)
{
	int32_t low = 0, high = assign->ntopic;
	while (low < high) {
		int32_t mid = low + (high - low) / 2;
		if (str_cmp(assign->topic[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < assign->ntopic && str_eq(assign->topic[low].name, name) ? low : -1;
}

static void
add_owned(struct assign *assign, struct assign_member *member, struct str topic,
	int32_t partition)
{
	int32_t index = find_topic(assign, topic);
	if (index >= 0 && partition >= 0 && partition < assign->topic[index].npart)
		add_part(assign->arena, &member->owned, index, partition);
}

/* Read the user data of sticky; data that is malformed counts as absent. */
static void
read_user_data(struct assign *assign, struct assign_member *member, struct str user)
{
	const uint8_t *p = user.p, *end = p + MAX(user.n, 0);
	if (user.n < 4)
		return;
	int32_t ntopic = (int32_t)load_be32(p);
	p += 4;
	for (int32_t i = 0; i < ntopic; i++) {
		if (end - p < 2 || (int16_t)load_be16(p) < 0 || end - p < 6 + load_be16(p))
			goto bad;
		struct str topic = { p + 2, load_be16(p) };
		p += 2 + topic.n;
		int32_t n = (int32_t)load_be32(p);
		p += 4;
		if (n < 0 || (end - p) / 4 < n)
			goto bad;
		for (; n > 0; n--, p += 4)
			add_owned(assign, member, topic, (int32_t)load_be32(p));
	}
	if (end - p >= 4)
		member->generation = (int32_t)load_be32(p);
	return;
bad:
	member->owned.n = 0;
}

static int
by_number(const void *x, const void *y)
{
	const int32_t *a = x;
	const int32_t *b = y;
	return (*a > *b) - (*a < *b);
}

static void
read_topics(struct assign *assign, struct assign_member *member,
	const struct consumer_protocol_subscription *sub)
{
	member->topic = arena_alloc(assign->arena, ((size_t)sub->topics.n + 1) * sizeof *member->topic);
	assert(member->topic);
	for (int32_t i = 0; i < sub->topics.n; i++) {
		int32_t index = find_topic(assign, sub->topics.v[i]);
		if (index >= 0)
			member->topic[member->ntopic++] = index;
	}
	qsort(member->topic, (size_t)member->ntopic, sizeof *member->topic, by_number);
	int32_t kept = 0;
	for (int32_t i = 0; i < member->ntopic; i++)
		if (kept == 0 || member->topic[kept - 1] != member->topic[i])
			member->topic[kept++] = member->topic[i];
	member->ntopic = kept;
}

static int
read_member(struct assign *assign, const struct assign_kind *as,
	const struct assign_bytes *in, struct assign_member *member, struct err *e)
{
	struct consumer_protocol_subscription sub;
	int version = decode(&consumer_protocol_subscription_data, in->subscription, assign->arena,
		&sub);
	if (version < 0)
		return broken(e, "a subscription");
	member->id = in->id;
	member->instance = in->instance;
	member->generation = -1;
	read_topics(assign, member, &sub);
	if (!as->is_cooperative) {
		if (as->has_user_data)
			read_user_data(assign, member, sub.user_data);
		return 0;
	}
	for (int32_t i = 0; version >= 1 && i < sub.owned_partitions.n; i++)
		for (int32_t k = 0; k < sub.owned_partitions.v[i].partitions.n; k++)
			add_owned(assign, member, sub.owned_partitions.v[i].topic,
				sub.owned_partitions.v[i].partitions.v[k]);
	if (version >= 2 && sub.generation_id >= 0)
		member->generation = sub.generation_id;
	else if (sub.user_data.n >= 4)
		member->generation = (int32_t)load_be32(sub.user_data.p);
	return 0;
}

int
assign_read_members(struct assign *assign, const struct assign_kind *as,
	const struct assign_bytes *in, int n, struct err *e)
{
	int64_t npart = 0;
	for (int32_t i = 0; i < assign->ntopic; i++)
		npart += assign->topic[i].npart;
	if ((int64_t)n * MAX(assign->ntopic, 1) > CELLS_MAX || npart > CELLS_MAX)
		return err_set(e, ERR_LIMIT, "the group is too large to assign its partitions");
	assign->member = arena_alloc(assign->arena, ((size_t)n + 1) * sizeof *assign->member);
	assign->nmember = n;
	for (int i = 0; i < n; i++)
		if (read_member(assign, as, &in[i], &assign->member[i], e) < 0)
			return -1;
	return 0;
}

void
assign_run(struct assign *assign, const struct assign_kind *as)
{
	if (assign->nmember > 0)
		as->run(assign);
}

int
assign_read_assignment(struct str bytes, struct arena *a, struct assign_owned **v,
	struct err *e)
{
	struct consumer_protocol_assignment out;
	if (bytes.n <= 0) {
		*v = NULL;
		return 0;
	}
	if (decode(&consumer_protocol_assignment_data, bytes, a, &out) < 0)
		return err_set(e, ERR_CORRUPT, "the group's leader sent an assignment that cannot be read");
	int64_t n = 0;
	for (int32_t i = 0; i < out.assigned_partitions.n; i++)
		n += out.assigned_partitions.v[i].partitions.n;
	*v = n <= ARENA_MAX / (int64_t)sizeof **v ? arena_alloc(a, ((size_t)n + 1) * sizeof **v) : NULL;
	if (!*v)
		return err_set(e, ERR_LIMIT, "an assignment larger than is allowed");
	int count = 0;
	for (int32_t i = 0; i < out.assigned_partitions.n; i++)
		for (int32_t k = 0; k < out.assigned_partitions.v[i].partitions.n; k++)
			(*v)[count++] = (struct assign_owned){ out.assigned_partitions.v[i].topic,
				out.assigned_partitions.v[i].partitions.v[k] };
	return count;
}
