/* Storing a group's offsets in a transaction. */
#include "client/producer_int.h"

#include "proto.h"

enum {
	KEY_TYPE_GROUP = 0,
	ARENA_MAX = 16 << 20,
};

/* Add the group to the transaction. */
static int
add_group(struct producer *producer, const char *group, struct err *e)
{
	struct arena a = { .size_max = ARENA_MAX };
	struct add_offsets_to_txn_request q;
	struct add_offsets_to_txn_response r;
	struct producer_retry retry;
	int rc;
	wire_defaults(wire_api_find(API_ADD_OFFSETS_TO_TXN)->request, &q);
	q.transactional_id = str_of(producer->opts.txn_id);
	q.producer_id = producer->id;
	q.producer_epoch = producer->epoch;
	q.group_id = str_of(group);
	producer_retry_begin(producer, &retry);
	do {
		rc = producer_call_coordinator(producer, API_ADD_OFFSETS_TO_TXN, INT16_MAX, &q, &r, &a, e);
		if (rc >= 0 && r.error_code)
			rc = producer_txn_err(producer, r.error_code, e);
	} while (rc < 0 && producer_retry_wait(producer, &retry, e));
	arena_release(&a);
	return rc < 0 ? -1 : 0;
}

static void
fill(const struct producer *producer, struct txn_offset_commit_request *q,
	const struct producer_group *group, const struct producer_offset *v, int n, struct arena *a)
{
	wire_defaults(wire_api_find(API_TXN_OFFSET_COMMIT)->request, q);
	q->transactional_id = str_of(producer->opts.txn_id);
	q->producer_id = producer->id;
	q->producer_epoch = producer->epoch;
	q->group_id = str_of(group->group);
	q->member_id = str_of(group->member ? group->member : "");
	q->group_instance_id = group->instance ? str_of(group->instance) : STR_NULL;
	q->generation_id_or_member_epoch = group->generation;
	q->topics.v = arena_alloc(a, (size_t)n * sizeof *q->topics.v);
	q->topics.n = 0;
	for (int i = 0; i < n; i++) {
		if (i == 0 || strcmp(v[i].topic, v[i - 1].topic) != 0) {
			int32_t k = q->topics.n++;
			q->topics.v[k].name = str_of(v[i].topic);
			q->topics.v[k].topic_id = v[i].topic_id;
			q->topics.v[k].partitions.v = arena_alloc(a, (size_t)(n - i)
				* sizeof *q->topics.v[k].partitions.v);
			q->topics.v[k].partitions.n = 0;
		}
		int32_t k = q->topics.n - 1, at = q->topics.v[k].partitions.n++;
		struct txn_offset_commit_request_partition *to = &q->topics.v[k].partitions.v[at];
		to->partition_index = v[i].partition;
		to->committed_offset = v[i].offset;
		to->committed_leader_epoch = v[i].leader_epoch;
		to->committed_metadata = v[i].metadata.n > 0 ? v[i].metadata : STR("");
	}
}

static int16_t
code_of(const struct txn_offset_commit_response *r)
{
	for (int32_t i = 0; i < r->topics.n; i++)
		for (int32_t k = 0; k < r->topics.v[i].partitions.n; k++)
			if (r->topics.v[i].partitions.v[k].error_code)
				return r->topics.v[i].partitions.v[k].error_code;
	return 0;
}

/* The group coordinator's error.  Some do not concern the transaction coordinator. */
static int
group_err(struct producer *producer, int16_t code, struct err *e)
{
	switch (code) {
	case KERR_NOT_COORDINATOR:
	case KERR_COORDINATOR_NOT_AVAILABLE:
		producer->group_coordinator = -1;
		return cluster_peer_err(e, code, STR_NULL);
	default:
		return producer_txn_err(producer, code, e);
	}
}

/* The highest version to use.  Versions with topic ids, which tell a topic that was
 * created again from the old one, need the ids of all topics. */
static int
newest(const struct producer *producer, const struct producer_offset *v, int n)
{
	if (!producer->is_txn_v2)
		return TXN_OFFSET_COMMIT_UPTO_V1;
	for (int i = 0; i < n; i++)
		if (uuid_is_zero(&v[i].topic_id))
			return TXN_OFFSET_COMMIT_BY_NAME;
	return INT16_MAX;
}

/* Forget the coordinator of another group. */
static void
use_group(struct producer *producer, const char *group)
{
	if (producer->group && strcmp(producer->group, group) == 0)
		return;
	mem_free(producer->group);
	producer->group = mem_strdup(group);
	producer->group_coordinator = -1;
}

int
producer_send_offsets(struct producer *producer, const struct producer_group *group,
	const struct producer_offset *v, int n, struct err *e)
{
	assert(producer->is_in_txn);
	if (producer->is_failed) {
		*e = producer->err;
		return -1;
	}
	if (n == 0)
		return 0;
	producer->is_txn_known = true;
	if (!producer->is_txn_v2 && !producer->is_group_in_txn
		&& add_group(producer, group->group, e) < 0)
		return -1;
	producer->is_group_in_txn = true;
	struct arena a = { .size_max = ARENA_MAX };
	struct txn_offset_commit_request q;
	struct txn_offset_commit_response r;
	struct producer_retry retry;
	int32_t *node = &producer->group_coordinator;
	int rc, upto = newest(producer, v, n);
	use_group(producer, group->group);
	fill(producer, &q, group, v, n, &a);
	producer_retry_begin(producer, &retry);
	do {
		rc = 0;
		if (*node < 0)
			rc = producer_find_coordinator(producer, KEY_TYPE_GROUP, group->group, node, e);
		if (rc >= 0)
			rc = cluster_call_upto(producer->cluster, *node, API_TXN_OFFSET_COMMIT, upto,
				producer->opts.request_timeout_ms, &q, &r, &a, e);
		if (rc < 0)
			*node = -1;
		else if (code_of(&r))
			rc = group_err(producer, code_of(&r), e);
	} while (rc < 0 && producer_retry_wait(producer, &retry, e));
	arena_release(&a);
	return rc < 0 ? err_wrap(e, "offsets of the group '%s'", group->group) : 0;
}
