/* kq-topic offsets, and trim. */
#include "kq-topic/run.h"
#include "kq-topic/verbs.h"

#include "client/offsets.h"
#include "proto.h"
#include "sys/clock.h"
#include "text/units.h"

#include <stdio.h>

enum { DELETE_RECORDS_KEY = 21 };

/* NULL: counted. */
static struct cluster_topic *
find_topic(struct run *r, const char *name)
{
	struct err e;
	struct cluster_topic *t = cluster_topic(&r->cluster, name, false, &e);
	if (!t)
		run_failed(r, &e);
	return t;
}

/* Of each partition; NULL: counted. */
static int64_t *
ask_offsets(struct run *r, struct cluster_topic *t, int64_t when)
{
	struct err e;
	int64_t *v = arena_alloc(&r->arena, (size_t)t->npart * sizeof *v);
	if (offsets_list(&r->cluster, t, when, NULL, v, &e) == 0)
		return v;
	run_failed(r, &e);
	return NULL;
}

/* --- offsets --- */

static void
print_offsets(const char *topic, int32_t partition, const char *const *label,
	const int64_t *offset, int n)
{
	json_t *o = NULL;
	if (options.is_json) {
		o = json_pack("{s:o, s:i}", "topic", json_text(str_of(topic)), "partition",
			(int)partition);
		for (int i = 0; i < n; i++)
			json_object_set_new(o, label[i], json_known(offset[i]));
		json_print(o);
		return;
	}
	put_text(str_of(topic));
	printf("\t%d", partition);
	for (int i = 0; i < n; i++)
		if (offset[i] < 0)
			printf("\t-");
		else
			printf("\t%lld", (long long)offset[i]);
	putchar('\n');
}

static int
parse_at(const char *text, int64_t *when, struct err *e)
{
	if (strcmp(text, "earliest") == 0)
		*when = OFFSETS_EARLIEST;
	else if (strcmp(text, "latest") == 0)
		*when = OFFSETS_LATEST;
	else if (units_parse_time(text, clock_ms(), when, e) < 0)
		return err_wrap(e, "--at is earliest, latest or a time");
	else if (*when < 0)
		return err_set(e, ERR_USAGE, "--at: '%s' is before 1970", text);
	return 0;
}

int
verb_offsets(int argc, char **argv)
{
	static const char *const ends[] = { "start", "end" }, *const one[] = { "offset" };
	struct run r;
	struct err e;
	int64_t when = OFFSETS_EARLIEST;
	if (options.at && parse_at(options.at, &when, &e) < 0)
		return say_err(&e, false);
	int code = run_open_topics(&r, argc, argv);
	if (code)
		return code;
	struct cluster_topic *t = find_topic(&r, argv[0]);
	int32_t n = t ? t->npart : 0;
	int64_t *first = t ? ask_offsets(&r, t, when) : NULL;
	int64_t *last = first && !options.at ? ask_offsets(&r, t, OFFSETS_LATEST) : first;
	for (int32_t i = 0; last && i < n; i++)
		if (options.at)
			print_offsets(t->name, i, one, &first[i], 1);
		else
			print_offsets(t->name, i, ends, (int64_t[]){ first[i], last[i] }, 2);
	return run_close(&r);
}

/* --- trim --- */

struct place {
	bool is_offset;
	int64_t offset, when;
};

/* A plain number is an offset; a time in milliseconds has an '@'. */
static int
parse_before(const char *text, struct place *p, struct err *e)
{
	if (!text)
		return err_set(e, ERR_USAGE, "before what? give --before with an offset, a time or latest");
	*p = (struct place){ .when = OFFSETS_LATEST };
	if (strcmp(text, "latest") == 0)
		return 0;
	const char *digits = text + (*text == '-');
	p->is_offset = *digits && digits[strspn(digits, "0123456789")] == 0;
	if (p->is_offset)
		return units_parse_int(text, 0, INT64_MAX, &p->offset, e) < 0
			? err_wrap(e, "--before") : 0;
	if (units_parse_time(text, clock_ms(), &p->when, e) < 0)
		return err_wrap(e, "--before is an offset, a time or latest");
	if (p->when < 0)
		return err_set(e, ERR_USAGE, "--before: '%s' is before 1970", text);
	return 0;
}

/* Up to which offset each partition is to be emptied.  NULL: counted. */
static int64_t *
find_limits(struct run *r, struct cluster_topic *t, const struct place *before)
{
	int32_t n = t->npart;
	if (before->is_offset) {
		int64_t *v = arena_alloc(&r->arena, (size_t)n * sizeof *v);
		for (int32_t i = 0; i < n; i++)
			v[i] = before->offset;
		return v;
	}
	/* The end comes first: where no record is as young as the time, all up
	 * to the end are older; those that come meanwhile are spared. */
	int64_t *end = ask_offsets(r, t, OFFSETS_LATEST);
	if (!end || before->when == OFFSETS_LATEST)
		return end;
	int64_t *v = ask_offsets(r, t, before->when);
	for (int32_t i = 0; v && i < n; i++)
		if (v[i] < 0)
			v[i] = end[i];
	return v;
}

static void
take_trimmed(struct run *r, const struct cluster_topic *t, const struct delete_records_response *a)
{
	static const char *const label[] = { "start" };
	for (int32_t i = 0; i < a->topics.n; i++)
		for (int32_t k = 0; k < a->topics.v[i].partitions.n; k++) {
			const struct delete_records_response_delete_records_partition_result *p =
				&a->topics.v[i].partitions.v[k];
			if (p->error_code) {
				run_refused(r, p->error_code, STR_NULL, str_of(t->name), p->partition_index);
				continue;
			}
			r->ndone++;
			print_offsets(t->name, p->partition_index, label, &p->low_watermark, 1);
		}
}

/* Each leader trims its own.  A partition whose turn has come is marked by a
 * limit of -1. */
static void
trim_leader(struct run *r, struct cluster_topic *t, int32_t npart, int32_t leader, int64_t *limit)
{
	struct delete_records_request q;
	struct delete_records_response a;
	struct delete_records_request_delete_records_topic topic = { .name = str_of(t->name) };
	wire_defaults(&delete_records_request_desc, &q);
	q.timeout_ms = RUN_TIMEOUT_MS;
	q.topics.v = &topic;
	q.topics.n = 1;
	topic.partitions.v = arena_alloc(&r->arena, (size_t)npart * sizeof *topic.partitions.v);
	for (int32_t i = 0; i < npart; i++)
		if (limit[i] >= 0 && t->part[i].leader == leader) {
			topic.partitions.v[topic.partitions.n++] =
				(struct delete_records_request_delete_records_partition){ i, limit[i] };
			limit[i] = -1;
		}
	if (run_call(r, leader, DELETE_RECORDS_KEY, &q, &a) == 0)
		take_trimmed(r, t, &a);
}

int
verb_trim(int argc, char **argv)
{
	struct run r;
	struct err e;
	struct place before;
	if (parse_before(options.before, &before, &e) < 0)
		return say_err(&e, false);
	int code = run_open_topics(&r, argc, argv);
	if (code)
		return code;
	struct cluster_topic *t = find_topic(&r, argv[0]);
	int32_t n = t ? t->npart : 0;
	if (t && options.partition >= n) {
		err_set(&e, ERR_PEER, "topic '%s' has %d partitions, and none is %lld", t->name, n,
			(long long)options.partition);
		run_failed(&r, &e);
		t = NULL;
	}
	int64_t *limit = t ? find_limits(&r, t, &before) : NULL;
	for (int32_t i = 0; limit && i < n; i++)
		if (options.partition >= 0 && i != options.partition)
			limit[i] = -1;
	for (int32_t i = 0; limit && i < n; i++)
		if (limit[i] >= 0)
			trim_leader(&r, t, n, t->part[i].leader, limit);
	return run_close(&r);
}
