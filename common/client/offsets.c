#include "client/offsets.h"

#include "sys/clock.h"

#include "proto.h"

enum {
	RETRY_MS = 100,
	/* Enough for a time, the beginning and the end.  From version 4 on, librdkafka's
	 * mock broker writes a leader epoch of eight bytes. */
	PLAIN_VERSION = 3,
};

struct offsets_query {
	struct cluster *cl;
	struct cluster_topic *topic;
	int32_t npart;     /* at the start; a refresh may find more */
	int64_t timestamp_ms;
	int64_t *offset;
	bool *is_due;      /* for each partition: not answered yet */
	struct err err;    /* the last error of a partition */
};

/* Take the result of one partition.  Returns -1 if it is an error that is final. */
static int
take(struct offsets_query *query, int32_t index, int16_t error, int64_t offset)
{
	if (index < 0 || index >= query->npart || !query->is_due[index])
		return 0;
	if (!error) {
		query->offset[index] = offset;
		query->is_due[index] = false;
		return 0;
	}
	cluster_peer_err(&query->err, error, STR_NULL);
	err_wrap(&query->err, "partition %d of '%s'", index, query->topic->name);
	return query->err.class == ERR_RETRY ? 0 : -1;
}

/* Ask one leader for its partitions. */
static int
ask_leader(struct offsets_query *query, int32_t leader)
{
	struct arena a = { .size_max = 64 << 20 };
	struct list_offsets_request in;
	struct list_offsets_response out;
	int32_t npart = query->npart;
	wire_defaults(wire_api_find(API_LIST_OFFSETS)->request, &in);
	bool is_stable = query->timestamp_ms == OFFSETS_STABLE;
	in.replica_id = -1;
	in.isolation_level = is_stable;
	in.topics.n = 1;
	in.topics.v = arena_alloc(&a, sizeof *in.topics.v);
	in.topics.v->name = str_of(query->topic->name);
	struct list_offsets_request_partition *part = arena_alloc(&a, (size_t)npart * sizeof *part);
	int32_t n = 0;
	for (int32_t i = 0; i < npart; i++) {
		if (!query->is_due[i] || i >= query->topic->npart || query->topic->part[i].leader != leader)
			continue;
		part[n].partition_index = i;
		part[n].current_leader_epoch = -1;
		part[n++].timestamp = is_stable ? OFFSETS_LATEST : query->timestamp_ms;
	}
	in.topics.v->partitions.v = part;
	in.topics.v->partitions.n = n;
	int upto = query->timestamp_ms >= OFFSETS_EARLIEST || is_stable ? PLAIN_VERSION : INT16_MAX;
	int rc = cluster_call_upto(query->cl, leader, API_LIST_OFFSETS, upto,
		query->cl->opts.request_timeout_ms, &in, &out, &a, &query->err);
	if (rc < 0)
		rc = query->err.class == ERR_RETRY ? 0 : -1;
	else
		for (int32_t i = 0; rc >= 0 && i < out.topics.n; i++)
			for (int32_t k = 0; rc >= 0 && k < out.topics.v[i].partitions.n; k++)
				rc = take(query, out.topics.v[i].partitions.v[k].partition_index,
					out.topics.v[i].partitions.v[k].error_code,
					out.topics.v[i].partitions.v[k].offset);
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}

/* Ask each leader once.  Returns the number of partitions not answered, or -1. */
static int
ask_all(struct offsets_query *query)
{
	int due = 0;
	bool *was_asked = mem_alloc((size_t)query->npart);
	int rc = 0;
	for (int32_t i = 0; rc >= 0 && i < query->npart; i++) {
		int32_t leader = i < query->topic->npart ? query->topic->part[i].leader : -1;
		if (!query->is_due[i] || was_asked[i])
			continue;
		for (int32_t k = i; k < query->npart; k++)
			was_asked[k] |= k < query->topic->npart && query->topic->part[k].leader == leader;
		if (leader < 0)
			err_set(&query->err, ERR_RETRY, "partition %d of '%s' has no leader", i,
				query->topic->name);
		else
			rc = ask_leader(query, leader);
	}
	for (int32_t i = 0; i < query->npart; i++)
		due += query->is_due[i];
	mem_free(was_asked);
	return rc < 0 ? -1 : due;
}

int
offsets_list(struct cluster *cl, struct cluster_topic *t, int32_t n,
	int64_t timestamp_ms, const bool *wants, int64_t *offset, struct err *e)
{
	struct offsets_query query = { cl, t, n, timestamp_ms, offset, NULL, { 0 } };
	query.is_due = mem_alloc((size_t)n + 1);
	for (int32_t i = 0; i < query.npart; i++) {
		query.is_due[i] = !wants || wants[i];
		offset[i] = -1;
	}
	int64_t until = clock_mono_ms() + cl->opts.topic_timeout_ms;
	int rc;
	for (;;) {
		rc = ask_all(&query);
		if (rc <= 0 || clock_mono_ms() >= until || cl->is_woken)
			break;
		cluster_pause(cl, RETRY_MS);
		struct err ignored;
		cluster_refresh(cl, &ignored);
	}
	mem_free(query.is_due);
	if (rc == 0)
		return 0;
	*e = query.err;
	return -1;
}
