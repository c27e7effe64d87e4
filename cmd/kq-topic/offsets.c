/* kq-topic offsets, and trim. */
#include "kq-topic/topic_run.h"
#include "kq-topic/verbs.h"

#include "client/last.h"
#include "client/offsets.h"
#include "proto.h"
#include "sys/clock.h"
#include "tool/ask.h"
#include "tool/place.h"
#include "text/units.h"

#include <stdio.h>

enum {
	AT_KINDS = PLACE_BEGINNING | PLACE_END | PLACE_LAST | PLACE_TIME,
	BEFORE_KINDS = AT_KINDS | PLACE_OFFSET,
};

/* Ask for an offset of the first n partitions; t->npart may change, since each call may
 * refresh the metadata.  Returns NULL after run_failed, as the functions below do. */
static int64_t *
ask_offsets(struct run *run, struct cluster_topic *t, int32_t n, int64_t when)
{
	struct err e;
	int64_t *v = arena_alloc(&run->arena, (size_t)n * sizeof *v);
	if (offsets_list(&run->cluster, t, n, when, NULL, v, &e) == 0)
		return v;
	run_failed(run, &e);
	return NULL;
}

/* ---- offsets ---- */

static void
print_offsets(const char *topic, int32_t partition, const char *const *label,
	const int64_t *offset, int n)
{
	json_t *object = NULL;
	if (topic_options.is_json) {
		object = json_object();
		json_set_bytes(object, "topic", str_of(topic));
		json_object_set_new(object, "partition", json_integer(partition));
		for (int i = 0; i < n; i++)
			json_object_set_new(object, label[i], json_known(offset[i]));
		json_print(object);
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

/* The offsets at which the last count records begin, as kq-consume -o -N reads them. */
static int64_t *
find_last(struct run *run, struct cluster_topic *t, int32_t n, int64_t count)
{
	struct err e;
	int64_t *v = arena_alloc(&run->arena, (size_t)n * sizeof *v);
	const int64_t *first = ask_offsets(run, t, n, OFFSETS_EARLIEST);
	const int64_t *end = first ? ask_offsets(run, t, n, OFFSETS_STABLE) : NULL;
	if (!end)
		return NULL;
	struct last last = { .topic = t, .npart = n, .is_committed = true, .count = count,
		.first = first, .end = end };
	if (last_find(&run->cluster, &last, v, &e) == 0)
		return v;
	run_failed(run, &e);
	return NULL;
}

/* The offset of the place in each partition; -1 if no record is at or after the time. */
static int64_t *
find_places(struct run *run, struct cluster_topic *t, int32_t n, const struct place *place)
{
	switch (place->kind) {
	case PLACE_BEGINNING:
		return ask_offsets(run, t, n, OFFSETS_EARLIEST);
	case PLACE_TIME:
		return ask_offsets(run, t, n, place->n);
	case PLACE_OFFSET: {
		int64_t *v = arena_alloc(&run->arena, (size_t)n * sizeof *v);
		for (int32_t i = 0; i < n; i++)
			v[i] = place->n;
		return v;
	}
	case PLACE_LAST:
		return find_last(run, t, n, place->n);
	default:
		return ask_offsets(run, t, n, OFFSETS_LATEST);
	}
}

int
verb_topic_offsets(int argc, char **argv)
{
	static const char *const ends[] = { "start", "end" }, *const one[] = { "offset" };
	struct run run;
	struct err e;
	struct place at = { PLACE_BEGINNING, 0 };
	if (topic_options.at && place_parse(&at, topic_options.at, AT_KINDS, clock_ms(), &e) < 0) {
		err_wrap(&e, "option '--at'");
		return say_err(&e, false);
	}
	int code = topic_run_open(&run, argc, argv);
	if (code)
		return code;
	struct cluster_topic *t = run_topic(&run, argv[0]);
	int32_t n = t ? t->npart : 0;
	int64_t *first = t ? find_places(&run, t, n, &at) : NULL;
	int64_t *last = first && !topic_options.at ? ask_offsets(&run, t, n, OFFSETS_LATEST) : first;
	for (int32_t i = 0; last && i < n; i++)
		if (topic_options.at)
			print_offsets(t->name, i, one, &first[i], 1);
		else
			print_offsets(t->name, i, ends, (int64_t[]){ first[i], last[i] }, 2);
	return run_close(&run);
}

/* ---- trim ---- */

/* The offset before which each partition is to be emptied; -1: not at all. */
static int64_t *
find_limits(struct run *run, struct cluster_topic *t, int32_t n, const struct place *before)
{
	/* The end is read first: if no record is at or after the time, all records before the
	 * end are deleted, but none that is written meanwhile. */
	int64_t *end = before->kind == PLACE_TIME ? ask_offsets(run, t, n, OFFSETS_LATEST) : NULL;
	if (before->kind == PLACE_TIME && !end)
		return NULL;
	int64_t *v = find_places(run, t, n, before);
	for (int32_t i = 0; v && i < n; i++)
		if (topic_options.partition >= 0 && i != topic_options.partition)
			v[i] = -1;
		else if (v[i] < 0 && end)
			v[i] = end[i];
	return v;
}

static void
take_trimmed(struct run *run, const struct cluster_topic *t,
	const struct delete_records_response *answer)
{
	static const char *const label[] = { "start" };
	for (int32_t i = 0; i < answer->topics.n; i++)
		for (int32_t k = 0; k < answer->topics.v[i].partitions.n; k++) {
			const struct delete_records_response_partition *from =
				&answer->topics.v[i].partitions.v[k];
			if (from->error_code) {
				topic_run_refused(run, from->error_code, STR_NULL, str_of(t->name),
					from->partition_index);
				continue;
			}
			run->ndone++;
			print_offsets(t->name, from->partition_index, label, &from->low_watermark, 1);
		}
}

/* Trim the partitions of one leader, and set their limit to -1. */
static void
trim_leader(struct run *run, struct cluster_topic *t, int32_t npart, int32_t leader, int64_t *limit)
{
	struct delete_records_request q;
	struct delete_records_response answer;
	struct delete_records_request_topic topic = { .name = str_of(t->name) };
	wire_defaults(&delete_records_request_desc, &q);
	q.timeout_ms = RUN_TIMEOUT_MS;
	q.topics.v = &topic;
	q.topics.n = 1;
	topic.partitions.v = arena_alloc(&run->arena, (size_t)npart * sizeof *topic.partitions.v);
	for (int32_t i = 0; i < npart; i++)
		if (limit[i] >= 0 && t->part[i].leader == leader) {
			topic.partitions.v[topic.partitions.n++] =
				(struct delete_records_request_partition){ i, limit[i] };
			limit[i] = -1;
		}
	if (run_call(run, leader, API_DELETE_RECORDS, &q, &answer) == 0)
		take_trimmed(run, t, &answer);
}

/* The plan, for --dry-run and the confirmation: print where the partitions will begin.
 * Returns the number of offsets to be deleted, or -1 after run_failed. */
static int64_t
plan_trim(struct run *run, struct cluster_topic *t, int32_t n, const int64_t *limit, bool prints)
{
	static const char *const label[] = { "start" };
	int64_t *first = ask_offsets(run, t, n, OFFSETS_EARLIEST);
	int64_t *end = first ? ask_offsets(run, t, n, OFFSETS_LATEST) : NULL, sum = 0;
	for (int32_t i = 0; end && i < n; i++) {
		int64_t to = MAX(limit[i], first[i]);
		if (limit[i] < 0)
			continue;
		if (limit[i] > end[i]) {
			topic_run_refused(run, KERR_OFFSET_OUT_OF_RANGE, STR_NULL, str_of(t->name), i);
			continue;
		}
		sum += to - first[i];
		if (prints)
			print_offsets(t->name, i, label, &to, 1);
	}
	return end && run->nfailed == 0 ? sum : -1;
}

static int
trim(struct run *run, struct cluster_topic *t, const struct place *before)
{
	struct err e;
	int32_t n = t->npart;
	if (topic_options.partition >= n) {
		err_set(&e, ERR_PEER, "topic '%s' has %d partition%s: there is no partition %lld", t->name,
			n, units_plural(n), (long long)topic_options.partition);
		run_failed(run, &e);
		return 0;
	}
	int64_t *limit = find_limits(run, t, n, before);
	if (!limit)
		return 0;
	int64_t nrecord = topic_options.is_sure ? 0 : plan_trim(run, t, n, limit, topic_options.is_dry);
	if (nrecord < 0 || topic_options.is_dry)
		return 0;
	int code = topic_options.is_sure ? 0 : ask("Delete %lld record%s of the topic '%s'?",
		(long long)nrecord, units_plural(nrecord), t->name);
	for (int32_t i = 0; code == 0 && i < n; i++)
		if (limit[i] >= 0)
			trim_leader(run, t, n, t->part[i].leader, limit);
	return code;
}

int
verb_topic_trim(int argc, char **argv)
{
	struct run run;
	struct err e;
	struct place before;
	if (!topic_options.before)
		err_set(&e, ERR_USAGE,
			"before what? give --before with an offset, a time or another place");
	else if (place_parse(&before, topic_options.before, BEFORE_KINDS, clock_ms(), &e) == 0)
		e.class = ERR_NONE;
	else
		err_wrap(&e, "option '--before'");
	if (e.class != ERR_NONE)
		return say_err(&e, false);
	int code = ask_check(topic_options.is_sure, topic_options.is_dry);
	if (!code)
		code = topic_run_open(&run, argc, argv);
	if (code)
		return code;
	struct cluster_topic *t = run_topic(&run, argv[0]);
	return run_end(&run, t ? trim(&run, t, &before) : 0);
}
