/* DescribeTransactions and ListTransactions (KIP-664). */
#include "txn/txn.h"

#include "base/pattern.h"

#include <stdlib.h>

static const char *const status_name[TXN_STATUSES] = {
	"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort",
};

/* ---- DescribeTransactions ---- */

static void
describe(struct txns *txns, struct coord_call *call, struct str id, int64_t *nlisted,
	struct describe_transactions_response_transaction *out)
{
	wire_defaults(&describe_transactions_response_transaction_desc, out);
	out->transactional_id = id;
	const struct txn *txn = txn_find(txns, id);
	if (id.n <= 0 || !txn) {
		out->error_code = id.n <= 0 ? KERR_INVALID_REQUEST : KERR_TRANSACTIONAL_ID_NOT_FOUND;
		return;
	}
	if ((*nlisted += txn->parts.total) > TXN_LISTED_MAX) {
		out->error_code = KERR_INVALID_REQUEST;
		return;
	}
	out->transaction_state = str_of(status_name[txn->meta.status]);
	out->transaction_timeout_ms = txn->meta.timeout_ms;
	out->transaction_start_time_ms = txn->meta.start_ms;
	out->producer_id = txn->meta.producer_id;
	out->producer_epoch = txn->meta.epoch;
	out->topics.n = txn->parts.n;
	out->topics.v = arena_alloc(call->arena, (size_t)txn->parts.n * sizeof *out->topics.v);
	for (int32_t i = 0; i < txn->parts.n; i++) {
		struct describe_transactions_response_topic *topic = &out->topics.v[i];
		topic->topic = txn->parts.v[i].name;
		topic->partitions.v = txn->parts.v[i].v;
		topic->partitions.n = txn->parts.v[i].n;
	}
}

void
txn_handle_describe(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	(void)now;
	const struct describe_transactions_request *q = call->body;
	struct describe_transactions_response r;
	wire_defaults(&describe_transactions_response_desc, &r);
	int32_t n = MAX(q->transactional_ids.n, 0);
	int64_t nlisted = 0;
	r.transaction_states.n = n;
	r.transaction_states.v = arena_alloc(call->arena, (size_t)n * sizeof *r.transaction_states.v);
	for (int32_t i = 0; i < n; i++)
		describe(txns, call, q->transactional_ids.v[i], &nlisted, &r.transaction_states.v[i]);
	txn_respond(txns, call, STR_NULL, &r);
}

/* ---- ListTransactions ---- */

struct filter {
	const struct list_transactions_request *q;
	bool is_wanted[TXN_STATUSES];
	int64_t *producer_ids; /* ascending */
	int32_t nproducer_id;  /* 0: any */
	struct pattern *pattern; /* of the id; NULL: any */
};

/* Steps of one request's pattern over all ids: half a second or less.  Only a
 * pattern made for the purpose needs more. */
enum { LIST_WORK_MAX = 50 * 1000 * 1000 };

static int
compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void
read_producer_ids(const struct list_transactions_request *q, struct filter *filter,
	struct arena *a)
{
	int32_t n = MAX(q->producer_id_filters.n, 0);
	size_t size = (size_t)n * sizeof *filter->producer_ids;
	filter->nproducer_id = n;
	if (n == 0)
		return;
	filter->producer_ids = arena_alloc(a, size);
	memcpy(filter->producer_ids, q->producer_id_filters.v, size);
	qsort(filter->producer_ids, (size_t)n, sizeof *filter->producer_ids, compare_ids);
}

static bool
matches(const struct txn *txn, const struct filter *filter, struct coord_now now)
{
	const struct list_transactions_request *q = filter->q;
	if (filter->nproducer_id > 0
		&& !bsearch(&txn->meta.producer_id, filter->producer_ids, (size_t)filter->nproducer_id,
			sizeof *filter->producer_ids, compare_ids))
		return false;
	if (q->state_filters.n > 0 && !filter->is_wanted[txn->meta.status])
		return false;
	if (q->duration_filter >= 0 && now.wall_ms - txn->meta.start_ms <= q->duration_filter)
		return false;
	return !filter->pattern || pattern_matches(filter->pattern, txn->id);
}

/* Reads the state filters; names that are no states go into the response. */
static void
read_states(const struct list_transactions_request *q, struct filter *filter,
	struct list_transactions_response *r, struct arena *a)
{
	int32_t n = MAX(q->state_filters.n, 0);
	r->unknown_state_filters.v = arena_alloc(a, (size_t)n * sizeof(struct str));
	for (int32_t i = 0; i < n; i++) {
		struct str name = q->state_filters.v[i];
		int status = 0;
		while (status < TXN_STATUSES && !str_eq(str_of(status_name[status]), name))
			status++;
		if (status < TXN_STATUSES)
			filter->is_wanted[status] = true;
		/* Kafka also has these two states; no id is ever in them. */
		else if (!str_eq(name, STR("Dead")) && !str_eq(name, STR("PrepareEpochFence")))
			r->unknown_state_filters.v[r->unknown_state_filters.n++] = name;
	}
}

static int16_t
list(struct txns *txns, struct coord_call *call, const struct filter *filter,
	struct list_transactions_response *r, struct coord_now now)
{
	int32_t n = 0, cap = txns_count(txns);
	struct list_transactions_response_transaction *v = arena_alloc(call->arena,
		(size_t)cap * sizeof *v);
	MAP_EACH(e, &txns->by_id) {
		const struct txn *txn = e->value;
		if (filter->pattern && pattern_work(filter->pattern) > LIST_WORK_MAX)
			return KERR_INVALID_REGULAR_EXPRESSION;
		if (matches(txn, filter, now))
			v[n++] = (struct list_transactions_response_transaction){ txn->id,
				txn->meta.producer_id,
				str_of(status_name[txn->meta.status]) };
	}
	r->transaction_states.v = v;
	r->transaction_states.n = n;
	return 0;
}

void
txn_handle_list(struct txns *txns, struct coord_call *call, struct coord_now now)
{
	const struct list_transactions_request *q = call->body;
	struct list_transactions_response r;
	struct filter filter = { .q = q };
	wire_defaults(&list_transactions_response_desc, &r);
	bool has_pattern = q->transactional_id_pattern.n > 0;
	if (has_pattern)
		filter.pattern = pattern_compile(q->transactional_id_pattern, &txns->scratch);
	if (has_pattern && !filter.pattern) {
		r.error_code = KERR_INVALID_REGULAR_EXPRESSION;
	} else {
		read_states(q, &filter, &r, call->arena);
		read_producer_ids(q, &filter, &txns->scratch);
		r.error_code = list(txns, call, &filter, &r, now);
	}
	txn_respond(txns, call, STR_NULL, &r);
}
