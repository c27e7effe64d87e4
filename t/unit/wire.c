#include "tap.h"

#include "base/varint.h"
#include "proto.h"

#include <stdio.h>

/* ---- messages with values in all fields ---- */

static uint64_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static uint32_t
size_of(const struct wire_field *f)
{
	static const uint8_t size[] = { 1, 1, 2, 4, 8, 2, 4, 8, 16, 16, 16 };
	return f->kind == WIRE_STRUCT ? f->elem->size : size[f->kind];
}

static void fill(const struct wire_struct *d, int16_t version, struct arena *a, void *msg);

static void
fill_value(const struct wire_field *f, int16_t version, struct arena *a, void *p)
{
	static const char *const text[] = { "orders", "\303\251\n\"\\", "k", "a.b-c_d" };
	double number = 0.5 + rnd(1000);
	switch ((enum wire_kind)f->kind) {
	case WIRE_BOOL: *(bool *)p = !f->def; break;
	case WIRE_STRING: case WIRE_BYTES: *(struct str *)p = str_of(text[rnd(4)]); break;
	case WIRE_F64: memcpy(p, &number, 8); break;
	case WIRE_STRUCT:
		if (f->pointer)
			p = *(void **)p = arena_alloc(a, f->elem->size);
		fill(f->elem, version, a, p);
		break;
	default: /* no default has a first byte like these */
		for (uint32_t i = 0; i < size_of(f); i++)
			((uint8_t *)p)[i] = (uint8_t)(0x11 + rnd(100));
		break;
	}
}

/* Sets every field of the version to another value than its default. */
static void
fill(const struct wire_struct *d, int16_t version, struct arena *a, void *msg)
{
	wire_defaults(d, msg);
	for (int i = 0; i < d->nfield; i++) {
		const struct wire_field *f = &d->field[i];
		void *p = (char *)msg + f->off;
		if (version < f->from || version > f->upto)
			continue;
		if (!f->array) {
			fill_value(f, version, a, p);
			continue;
		}
		struct wire_vec *v = p;
		v->n = (int32_t)rnd(3) + 1;
		v->v = arena_alloc(a, (size_t)v->n * size_of(f));
		for (int32_t j = 0; j < v->n; j++)
			fill_value(f, version, a, (char *)v->v + (size_t)j * size_of(f));
	}
}

/* A message of an API, version and direction, and its bytes. */
struct sample {
	const struct wire_api *api;
	const struct wire_struct *d;
	int16_t version;
	bool flex;
	void *msg;
	struct buf bytes;
	struct arena a;
};

static void
sample_begin(struct sample *s, const struct wire_api *api, int16_t version, bool is_request)
{
	*s = (struct sample){ .api = api, .version = version,
		.d = is_request ? api->request : api->response,
		.flex = wire_api_is_flexible(api, version) };
	seed = (uint64_t)api->key * 1000 + (uint64_t)version * 2 + is_request;
	s->msg = arena_alloc(&s->a, s->d->size);
	fill(s->d, version, &s->a, s->msg);
	wire_encode(s->d, version, s->flex, s->msg, &s->bytes);
}

static void
sample_end(struct sample *s)
{
	buf_release(&s->bytes);
	arena_release(&s->a);
}

/* The message of every API, version and direction. */
static int
each_sample(void (*fn)(struct sample *))
{
	int n = 0;
	for (const struct wire_api *api = wire_api; api < wire_api + wire_api_n; api++)
		for (int16_t v = api->min; v <= api->max; v++)
			for (int i = 0; i < 2; i++, n++) {
				struct sample s;
				sample_begin(&s, api, v, i == 0);
				fn(&s);
				sample_end(&s);
			}
	return n;
}

static int64_t
decode(const struct sample *s, const uint8_t *p, size_t n, size_t size_max, size_t *used)
{
	struct arena a = { .size_max = size_max };
	void *msg = mem_alloc(s->d->size);
	uint8_t *exact = mem_alloc(n); /* so that a sanitizer sees reads beyond the end */
	if (n)
		memcpy(exact, p, n);
	int64_t got = wire_decode(s->d, s->version, s->flex, exact, n, &a, msg);
	if (used)
		*used = a.used;
	mem_free(exact);
	mem_free(msg);
	arena_release(&a);
	return got;
}

/* ---- known bytes ---- */

static void
check_bytes(const struct buf *b, const void *want, size_t n)
{
	check_int(b->n, n);
	check(n == 0 || memcmp(b->p, want, n) == 0);
}

void
test_wire__api_versions_v3_bytes(void)
{
	static const uint8_t want[] = { 3, 'k', 'q', 2, '1', 0 };
	struct api_versions_request m = { STR("kq"), STR("1") };
	struct buf b = BUF_INIT;
	wire_encode(&api_versions_request_desc, 3, true, &m, &b);
	check_bytes(&b, want, sizeof want);
	buf_release(&b);
}

void
test_wire__a_nullable_struct_has_a_byte_in_front(void)
{
	static const uint8_t null[] = { 1, 0, 0, 0, 9, 0xff, 0 };
	static const uint8_t there[] = { 1, 0, 0, 0, 9, 1, 2, 't', 0, 0, 0, 3, 0, 0 };
	struct describe_topic_partitions_request_cursor c = { STR("t"), 3 };
	struct describe_topic_partitions_request m = { .response_partition_limit = 9 };
	const struct wire_struct *d = &describe_topic_partitions_request_desc;
	struct buf b = BUF_INIT;
	struct arena a = ARENA_INIT;
	wire_encode(d, 0, true, &m, &b);
	check_bytes(&b, null, sizeof null);
	check_int(wire_decode(d, 0, true, b.p, b.n, &a, &m), (long long)b.n);
	check(!m.cursor);
	m.cursor = &c;
	buf_reset(&b);
	wire_encode(d, 0, true, &m, &b);
	check_bytes(&b, there, sizeof there);
	check_int(wire_decode(d, 0, true, b.p, b.n, &a, &m), (long long)b.n);
	check(m.cursor && m.cursor != &c);
	check(str_eq(m.cursor->topic_name, STR("t")));
	check_int(m.cursor->partition_index, 3);
	arena_release(&a);
	buf_release(&b);
}

/* ---- every message ---- */

static void
comes_back(struct sample *s)
{
	struct buf again = BUF_INIT, was = BUF_INIT, is = BUF_INIT;
	void *msg = arena_alloc(&s->a, s->d->size);
	printf("# %s v%d\n", s->d->name, s->version);
	memset(msg, 0xa5, s->d->size);
	check_int(wire_decode(s->d, s->version, s->flex, s->bytes.p, s->bytes.n, &s->a, msg),
		(long long)s->bytes.n);
	wire_dump(s->d, s->version, s->msg, &was);
	wire_dump(s->d, s->version, msg, &is);
	check_bytes(&is, was.p, was.n);
	wire_encode(s->d, s->version, s->flex, msg, &again);
	check_bytes(&again, s->bytes.p, s->bytes.n);
	buf_release(&again);
	buf_release(&was);
	buf_release(&is);
}

void
test_wire__every_version_of_every_message_comes_back(void)
{
	int n = 0;
	for (int i = 0; i < wire_api_n; i++)
		n += 2 * (wire_api[i].max - wire_api[i].min + 1);
	check(n >= 500);
	check_int(each_sample(comes_back), n);
}

static void
cuts_are_refused(struct sample *s)
{
	size_t step = s->bytes.n / 500 + 1;
	for (size_t cut = 0; cut < s->bytes.n; cut += step)
		check_int(decode(s, s->bytes.p, cut, 0, NULL), -1);
}

void
test_wire__every_cut_is_refused(void)
{
	each_sample(cuts_are_refused);
}

/* Puts the largest length, in both forms, at every position. */
static void
lengths_are_bounded(struct sample *s)
{
	static const uint8_t compact[] = { 0x80, 0x80, 0x80, 0x80, 0x08 };
	static const uint8_t plain[] = { 0x7f, 0xff, 0xff, 0xff };
	const uint8_t *huge = s->flex ? compact : plain;
	size_t nhuge = s->flex ? sizeof compact : sizeof plain, used;
	uint8_t *p = mem_alloc(s->bytes.n + nhuge);
	for (size_t at = 0; at < s->bytes.n; at++) {
		memcpy(p, s->bytes.p, s->bytes.n);
		memcpy(p + at, huge, nhuge);
		decode(s, p, MAX(s->bytes.n, at + nhuge), 65536, &used);
		check(used <= 65536);
	}
	mem_free(p);
}

void
test_wire__a_huge_length_anywhere_takes_little_memory(void)
{
	each_sample(lengths_are_bounded);
}

static void
defaults_cost_no_tags(struct sample *s)
{
	struct buf b = BUF_INIT;
	wire_defaults(s->d, s->msg);
	wire_encode(s->d, s->version, s->flex, s->msg, &b);
	check(!s->flex || b.p[b.n - 1] == 0);
	check_int(decode(s, b.p, b.n, 0, NULL), (long long)b.n);
	buf_release(&b);
}

void
test_wire__defaults_are_written_without_tags(void)
{
	each_sample(defaults_cost_no_tags);
}

/* ---- refusals ---- */

static int64_t
decode_fetch(int16_t version, const struct buf *b, size_t size_max, size_t *used)
{
	struct sample s = { .d = &fetch_response_desc, .version = version, .flex = version >= 12 };
	return decode(&s, b->p, b->n, size_max, used);
}

void
test_wire__a_count_of_2_to_the_31_takes_no_memory(void)
{
	static const uint8_t old[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff };
	static const uint8_t new[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 8 };
	struct buf b = BUF_INIT;
	size_t used;
	buf_put(&b, old, sizeof old);
	memset(buf_grow(&b, 1000), 0, 1000);
	check_int(decode_fetch(11, &b, 0, &used), -1);
	check_int(used, 0);
	memcpy(b.p, new, sizeof new);
	check_int(decode_fetch(12, &b, 0, &used), -1);
	check_int(used, 0);
	buf_release(&b);
}

void
test_wire__a_count_beyond_the_bytes_of_its_elements_takes_no_memory(void)
{
	struct buf b = BUF_INIT;
	size_t used, left = 60000; /* a topic of v11 takes six bytes or more */
	memset(buf_grow(&b, 14 + left), 0, 14 + left);
	store_be32(b.p + 10, (uint32_t)left / 6 + 1);
	check_int(decode_fetch(11, &b, 0, &used), -1);
	check_int(used, 0);
	store_be32(b.p + 10, (uint32_t)left / 6);
	check_int(decode_fetch(11, &b, 0, &used), (long long)b.n);
	check(used > 0);
	buf_release(&b);
}

void
test_wire__the_cap_of_the_arena_holds(void)
{
	struct buf b = BUF_INIT;
	size_t used, left = 10 << 20;
	memset(buf_grow(&b, 14 + left), 0, 14 + left);
	store_be32(b.p + 10, (uint32_t)left / 6);
	check_int(decode_fetch(11, &b, 1 << 20, &used), -1);
	check(used <= 1 << 20);
	buf_release(&b);
}

static void
nulls_are_refused(struct sample *s)
{
	if (s->d != &produce_request_desc)
		return;
	struct produce_request *m = s->msg;
	struct buf b = BUF_INIT;
	m->topic_data.n = 0;
	wire_encode(s->d, s->version, s->flex, m, &b);
	check_int(decode(s, b.p, b.n, 0, NULL), (long long)b.n);
	if (s->flex)
		b.p[b.n - 2] = 0; /* the count of topics: null */
	else
		store_be32(b.p + b.n - 4, UINT32_MAX);
	check_int(decode(s, b.p, b.n, 0, NULL), -1);
	if (!s->flex) {
		store_be32(b.p + b.n - 4, (uint32_t)-2);
		check_int(decode(s, b.p, b.n, 0, NULL), -1);
	}
	buf_release(&b);
}

void
test_wire__null_is_refused_where_the_version_has_none(void)
{
	each_sample(nulls_are_refused);
	/* a topic's name may be null since version 10 of a Metadata request */
	static const uint8_t v9[] = { 2, 0, 0, 0, 0, 0, 0 };
	uint8_t v10[sizeof v9 + 16] = { 2 };
	struct sample s = { .d = &metadata_request_desc, .version = 9, .flex = true };
	check_int(decode(&s, v9, sizeof v9, 0, NULL), -1);
	s.version = 10;
	check_int(decode(&s, v10, sizeof v10, 0, NULL), sizeof v10);
}

void
test_wire__a_string_is_at_most_32767_bytes(void)
{
	struct sample s = { .d = &api_versions_request_desc, .version = 3, .flex = true };
	for (int n = INT16_MAX; n <= INT16_MAX + 1; n++) {
		struct buf b = BUF_INIT;
		b.n = (size_t)(uvarint_put(buf_grow(&b, VARINT32_MAX), (uint64_t)n + 1) - b.p);
		memset(buf_grow(&b, (size_t)n), 'x', (size_t)n);
		buf_put(&b, "\1\0", 2);
		check_int(decode(&s, b.p, b.n, 0, NULL), n == INT16_MAX ? (long long)b.n : -1);
		buf_release(&b);
	}
}

void
test_wire__a_length_of_more_than_32_bits_is_refused(void)
{
	static const uint8_t wide[] = { 0x83, 0x80, 0x80, 0x80, 0x10, 'k', 'q', 2, '1', 0 };
	static const uint8_t padded[] = { 0x83, 0x80, 0x80, 0x80, 0x00, 'k', 'q', 2, '1', 0 };
	static const uint8_t long6[] = { 0x83, 0x80, 0x80, 0x80, 0x80, 0, 'k', 'q', 2, '1', 0 };
	struct sample s = { .d = &api_versions_request_desc, .version = 3, .flex = true };
	check_int(decode(&s, wide, sizeof wide, 0, NULL), -1);
	check_int(decode(&s, padded, sizeof padded, 0, NULL), sizeof padded);
	check_int(decode(&s, long6, sizeof long6, 0, NULL), -1);
}

/* ---- tags ---- */

/* A Fetch request of one partition with this tag section. */
static int64_t
decode_tags(int16_t version, const char *tags, size_t n, struct fetch_request_partition *part)
{
	struct fetch_request_partition p = { .high_watermark = INT64_MAX };
	struct fetch_request_topic t = { .topic = STR("t"), .partitions = { &p, 1 } };
	struct fetch_request m = { .topics = { &t, 1 }, .rack_id = STR("") };
	struct buf b = BUF_INIT;
	struct arena a = ARENA_INIT;
	wire_defaults(&fetch_request_replica_desc, &m.replica_state);
	m.cluster_id = STR_NULL;
	wire_encode(&fetch_request_desc, version, true, &m, &b);
	size_t tail = 1 + 1 + 1 + 1; /* topic's tags, forgotten, rack, tags */
	check(b.n > tail && memcmp(b.p + b.n - tail - 1, "\0\0\1\1\0", 5) == 0);
	b.n -= tail + 1;
	buf_put(&b, tags, n);
	buf_put(&b, "\0\1\1\0", tail);
	int64_t got = wire_decode(&fetch_request_desc, version, true, b.p, b.n, &a, &m);
	check(got == -1 || got == (int64_t)b.n);
	if (got > 0)
		*part = m.topics.v[0].partitions.v[0];
	arena_release(&a);
	buf_release(&b);
	return got;
}
#define decode_tags(version, z, part) decode_tags(version, z, sizeof z - 1, part)

void
test_wire__unknown_tags_are_skipped(void)
{
	struct fetch_request_partition p;
	check(decode_tags(18, "\0", &p) > 0);
	check(decode_tags(18, "\2\1\10\0\0\0\0\0\0\0\7\11\3abc", &p) > 0);
	check_int(p.high_watermark, 7);
	check(decode_tags(18, "\1\350\7\0", &p) > 0);
	check_int(p.high_watermark, INT64_MAX);
}

void
test_wire__a_tag_outside_its_versions_is_skipped(void)
{
	struct fetch_request_partition p;
	check(decode_tags(18, "\1\1\10\0\0\0\0\0\0\0\7", &p) > 0);
	check_int(p.high_watermark, 7);
	check(decode_tags(17, "\1\1\10\0\0\0\0\0\0\0\7", &p) > 0);
	check_int(p.high_watermark, INT64_MAX);
	check(decode_tags(17, "\1\1\2ab", &p) > 0);
}

void
test_wire__bad_tags_are_refused(void)
{
	struct fetch_request_partition p;
	check_int(decode_tags(18, "\2\1\10\0\0\0\0\0\0\0\7\1\10\0\0\0\0\0\0\0\7", &p), -1);
	check_int(decode_tags(18, "\2\11\1a\10\1a", &p), -1);             /* falling */
	check_int(decode_tags(18, "\1\1\7\0\0\0\0\0\0\0", &p), -1);       /* too short */
	check_int(decode_tags(18, "\1\1\11\0\0\0\0\0\0\0\0\0", &p), -1);  /* too long */
	check_int(decode_tags(18, "\1\11\377\377\377\377\17", &p), -1);   /* beyond the end */
	check_int(decode_tags(18, "\377\377\377\377\17", &p), -1);        /* too many */
}

/* ---- a hand-made table: what no present message has ---- */

struct odd_point {
	int32_t x;
};
struct odd {
	double ratio;
	struct str note; /* tag 2, in front of tag 0 */
	uint16_t port;   /* tag 0 */
	uint32_t crc;
	struct odd_point *point; /* nullable since version 1 */
	struct odd_point *spare; /* tag 3 */
};

static const struct wire_field odd_point_field[] = {
	{ "x", offsetof(struct odd_point, x), WIRE_I32, 0, 0, 0, 32767, 32767, -1, 0, NULL },
};
static const struct wire_struct odd_point_desc = {
	"odd_point", sizeof(struct odd_point), 1, odd_point_field
};
static const struct wire_field odd_field[] = {
	{ "ratio", offsetof(struct odd, ratio), WIRE_F64, 0, 0, 0, 32767, 32767, -1, 2, NULL },
	{ "note", offsetof(struct odd, note), WIRE_STRING, 0, 0, 0, 32767, 0, 2, -1, NULL },
	{ "port", offsetof(struct odd, port), WIRE_U16, 0, 0, 0, 32767, 32767, 0, 65535, NULL },
	{ "crc", offsetof(struct odd, crc), WIRE_U32, 0, 0, 0, 32767, 32767, -1, 4294967295, NULL },
	{ "point", offsetof(struct odd, point), WIRE_STRUCT, 0, 1, 0, 32767, 1, -1, 0,
		&odd_point_desc },
	{ "spare", offsetof(struct odd, spare), WIRE_STRUCT, 0, 1, 0, 32767, 0, 3, 0, &odd_point_desc },
};
static const struct wire_struct odd_desc = {
	"odd", sizeof(struct odd), ARRAY_LEN(odd_field), odd_field
};

void
test_wire__tags_are_written_in_their_order(void)
{
	static const uint8_t want[] = { 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe,
		0xff, 2, 0, 2, 0x80, 1, 2, 3, 3, 'h', 'i' };
	struct odd m = { 1.5, STR("hi"), 32769, 4294967294, NULL, NULL };
	struct buf b = BUF_INIT;
	wire_encode(&odd_desc, 1, true, &m, &b);
	check_bytes(&b, want, sizeof want);
	struct arena a = ARENA_INIT;
	memset(&m, 0, sizeof m);
	check_int(wire_decode(&odd_desc, 1, true, b.p, b.n, &a, &m), (long long)b.n);
	check(m.ratio == 1.5 && m.port == 32769 && m.crc == 4294967294 && !m.point);
	check(str_eq(m.note, STR("hi")));
	arena_release(&a);
	buf_release(&b);
}

void
test_wire__defaults_of_every_kind(void)
{
	struct odd m;
	memset(&m, 0xa5, sizeof m);
	wire_defaults(&odd_desc, &m);
	check(m.ratio == 2 && m.port == 65535 && m.crc == UINT32_MAX && !m.point && !m.spare);
	check_int(m.note.n, -1);
	struct buf b = BUF_INIT;
	wire_encode(&odd_desc, 1, true, &m, &b);
	check_int(b.n, 8 + 4 + 1 + 1);
	check_int(b.p[b.n - 1], 0);
	m.note.n = 0; /* empty is not null */
	wire_encode(&odd_desc, 1, true, &m, &b);
	check_int(b.p[b.n - 4], 1);
	check_int(b.p[b.n - 3], 2);
	check_int(b.p[b.n - 2], 1);
	check_int(b.p[b.n - 1], 1);
	buf_release(&b);
}

void
test_wire__a_nullable_struct_may_be_tagged(void)
{
	static const uint8_t want[] = { 0xff, 1, 3, 6, 1, 0, 0, 0, 9, 0 };
	struct odd_point p = { 9 };
	struct odd m;
	struct buf b = BUF_INIT;
	struct arena a = ARENA_INIT;
	wire_defaults(&odd_desc, &m);
	m.spare = &p;
	wire_encode(&odd_desc, 1, true, &m, &b);
	check_int(b.n, 12 + sizeof want);
	check(memcmp(b.p + 12, want, sizeof want) == 0);
	check_int(wire_decode(&odd_desc, 1, true, b.p, b.n, &a, &m), (long long)b.n);
	check(m.spare && m.spare != &p && m.spare->x == 9);
	arena_release(&a);
	buf_release(&b);
}

void
test_wire__a_struct_that_may_not_be_null_has_no_byte_in_front(void)
{
	struct odd_point p = { 7 };
	struct odd m = { 0, STR_NULL, 65535, 0, &p, NULL };
	struct buf b = BUF_INIT;
	struct arena a = ARENA_INIT;
	wire_encode(&odd_desc, 0, false, &m, &b);
	check_int(b.n, 8 + 4 + 4);
	check_int(b.p[b.n - 1], 7);
	check_int(wire_decode(&odd_desc, 0, false, b.p, b.n, &a, &m), (long long)b.n);
	check(m.point && m.point != &p && m.point->x == 7);
	arena_release(&a);
	buf_release(&b);
}

/* ---- gaps ---- */

static void
fetch_with_records(int16_t version, struct str records, struct buf *b, struct wire_gaps *gaps)
{
	struct fetch_response_partition p[3];
	for (int i = 0; i < 3; i++) {
		wire_defaults(&fetch_response_partition_desc, &p[i]);
		p[i].partition_index = i;
		p[i].current_leader.leader_id = 9; /* a tagged field after it, when flexible */
		p[i].records = i == 1 ? STR("") : records;
	}
	struct fetch_response_topic t = { .topic = STR("t"),
		.partitions = { p, 3 } };
	struct fetch_response m = { .responses = { &t, 1 } };
	if (gaps)
		wire_encode_gaps(&fetch_response_desc, version, version >= 12, &m, SIZE_MAX, b, gaps);
	else
		wire_encode(&fetch_response_desc, version, version >= 12, &m, b);
}

void
test_wire__a_message_stops_growing_behind_its_limit(void)
{
	struct str name = STR("a name that is told often");
	struct metadata_response_topic t[100];
	struct metadata_response m;
	wire_defaults(&metadata_response_desc, &m);
	for (int i = 0; i < 100; i++) {
		wire_defaults(&metadata_response_topic_desc, &t[i]);
		t[i].name = name;
	}
	m.topics.v = t;
	m.topics.n = 100;
	for (int16_t v = 0; v <= 13; v++) {
		struct buf whole = BUF_INIT, part = BUF_INIT;
		wire_encode(&metadata_response_desc, v, v >= 9, &m, &whole);
		check(wire_encode_gaps(&metadata_response_desc, v, v >= 9, &m, whole.n, &part, NULL));
		check_int(part.n, whole.n);
		check(!wire_encode_gaps(&metadata_response_desc, v, v >= 9, &m, 1000, &part, NULL));
		check(part.n < whole.n + 1200);
		buf_release(&whole);
		buf_release(&part);
	}
}

void
test_wire__gaps_filled_make_the_whole_message(void)
{
	uint8_t records[300];
	memset(records, 'r', sizeof records);
	for (int16_t v = 4; v <= 18; v++) {
		struct buf whole = BUF_INIT, parts = BUF_INIT, joined = BUF_INIT;
		struct wire_gaps gaps = WIRE_GAPS_INIT;
		fetch_with_records(v, (struct str){ records, sizeof records }, &whole, NULL);
		buf_puts(&parts, "head"); /* places count from the buffer's start */
		fetch_with_records(v, (struct str){ NULL, sizeof records }, &parts, &gaps);
		check_int(gaps.n, 2);
		size_t at = 4;
		for (int i = 0; i < gaps.n; i++) {
			check_int(gaps.v[i].n, sizeof records);
			buf_put(&joined, parts.p + at, gaps.v[i].at - at);
			buf_put(&joined, records, sizeof records);
			at = gaps.v[i].at;
		}
		buf_put(&joined, parts.p + at, parts.n - at);
		check_bytes(&joined, whole.p, whole.n);
		wire_gaps_release(&gaps);
		check(!gaps.v && gaps.n == 0);
		buf_release(&whole);
		buf_release(&parts);
		buf_release(&joined);
	}
}

/* ---- JSON ---- */

void
test_wire__dump_is_json(void)
{
	struct describe_topic_partitions_request_topic t[2] = {
		{ STR("a\"b\\c\n\303\251") }, { STR("\377\0") } };
	struct describe_topic_partitions_request_cursor c = { STR("t"), -3 };
	struct describe_topic_partitions_request m = { { t, 2 }, 9, &c };
	struct produce_request_partition part = { 1, STR("12345") };
	struct produce_request_topic topic = { .name = STR("t"), .partition_data = { &part, 1 } };
	struct produce_request p = { STR_NULL, -1, 30, { &topic, 1 } };
	struct buf b = BUF_INIT;
	wire_dump(&describe_topic_partitions_request_desc, 0, &m, &b);
	buf_putc(&b, '\n');
	m.cursor = NULL;
	m.topics.n = -1;
	wire_dump(&describe_topic_partitions_request_desc, 0, &m, &b);
	buf_putc(&b, '\n');
	wire_dump(&produce_request_desc, 3, &p, &b);
	static const char want[] =
		"{\"topics\":[{\"name\":\"a\\\"b\\\\c\\u000a\303\251\"},{\"name\":\"0xff00\"}],"
		"\"response_partition_limit\":9,\"cursor\":{\"topic_name\":\"t\",\"partition_index\":-3}}\n"
		"{\"topics\":null,\"response_partition_limit\":9,\"cursor\":null}\n"
		"{\"transactional_id\":null,\"acks\":-1,\"timeout_ms\":30,\"topic_data\":[{\"name\":\"t\","
		"\"partition_data\":[{\"index\":1,\"records\":5}]}]}";
	check_bytes(&b, want, sizeof want - 1);
	buf_release(&b);
}

void
test_wire__apis_rise_and_are_found(void)
{
	for (int i = 0; i < wire_api_n; i++) {
		check(i == 0 || wire_api[i - 1].key < wire_api[i].key);
		check(wire_api_find(wire_api[i].key) == &wire_api[i]);
		check(wire_api[i].min <= wire_api[i].max);
	}
	check(!wire_api_find(-1));
	check(!wire_api_find(4));
}
