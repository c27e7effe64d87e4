/* Looking at transactions (KIP-664). */
#include "txn/txn.h"

#include "base/pattern.h"

static const char *const status_name[TXN_STATUSES] = {
	"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort",
};

/* ---- DescribeTransactions ---- */

typedef struct describe_transactions_response_transaction described;
typedef struct describe_transactions_response_topic described_topic;

static void
describe(struct txns *t, struct coord_call *call, struct str id, int64_t *told, described *d)
{
	wire_defaults(&describe_transactions_response_transaction_desc, d);
	d->transactional_id = id;
	const struct txn *x = txn_find(t, id);
	if (id.n <= 0 || !x) {
		d->error_code = id.n <= 0 ? KERR_INVALID_REQUEST : KERR_TRANSACTIONAL_ID_NOT_FOUND;
		return;
	}
	if ((*told += x->parts.total) > TXN_TOLD_MAX) {
		d->error_code = KERR_INVALID_REQUEST;
		return;
	}
	d->transaction_state = str_of(status_name[x->m.status]);
	d->transaction_timeout_ms = x->m.timeout_ms;
	d->transaction_start_time_ms = x->m.start_ms;
	d->producer_id = x->m.producer_id;
	d->producer_epoch = x->m.epoch;
	d->topics.n = x->parts.n;
	d->topics.v = arena_alloc(call->arena, (size_t)x->parts.n * sizeof *d->topics.v);
	for (int32_t i = 0; i < x->parts.n; i++) {
		described_topic *p = &d->topics.v[i];
		p->topic = x->parts.v[i].name;
		p->partitions.v = x->parts.v[i].v;
		p->partitions.n = x->parts.v[i].n;
	}
}

void
txn_handle_describe(struct txns *t, struct coord_call *call, struct coord_now now)
{
	(void)now;
	const struct describe_transactions_request *q = call->body;
	struct describe_transactions_response r;
	wire_defaults(&describe_transactions_response_desc, &r);
	int32_t n = MAX(q->transactional_ids.n, 0);
	int64_t told = 0;
	r.transaction_states.n = n;
	r.transaction_states.v = arena_alloc(call->arena, (size_t)n * sizeof *r.transaction_states.v);
	for (int32_t i = 0; i < n; i++)
		describe(t, call, q->transactional_ids.v[i], &told, &r.transaction_states.v[i]);
	txn_respond(t, call, STR_NULL, &r);
}

/* ---- ListTransactions ---- */

typedef struct list_transactions_response_transaction listed;

struct filter {
	const struct list_transactions_request *q;
	bool is_wanted[TXN_STATUSES];
	struct pattern *pattern; /* of the id; NULL: any */
};

static bool
is_shown(const struct txn *x, const struct filter *f, struct coord_now now)
{
	const struct list_transactions_request *q = f->q;
	bool is_one = q->producer_id_filters.n <= 0;
	for (int32_t i = 0; i < q->producer_id_filters.n; i++)
		is_one = is_one || q->producer_id_filters.v[i] == x->m.producer_id;
	if (!is_one || (q->state_filters.n > 0 && !f->is_wanted[x->m.status]))
		return false;
	if (q->duration_filter >= 0 && now.wall_ms - x->m.start_ms <= q->duration_filter)
		return false;
	return !f->pattern || pattern_matches(f->pattern, x->id);
}

/* Sort out the names of states that are none. */
static void
read_states(const struct list_transactions_request *q, struct filter *f,
	struct list_transactions_response *r, struct arena *a)
{
	int32_t n = MAX(q->state_filters.n, 0);
	r->unknown_state_filters.v = arena_alloc(a, (size_t)n * sizeof(struct str));
	for (int32_t i = 0; i < n; i++) {
		struct str name = q->state_filters.v[i];
		int s = 0;
		while (s < TXN_STATUSES && !str_eq(str_of(status_name[s]), name))
			s++;
		if (s < TXN_STATUSES)
			f->is_wanted[s] = true;
		/* Kafka knows these two as well; no id is ever seen in them. */
		else if (!str_eq(name, STR("Dead")) && !str_eq(name, STR("PrepareEpochFence")))
			r->unknown_state_filters.v[r->unknown_state_filters.n++] = name;
	}
}

static void
list(struct txns *t, struct coord_call *call, const struct filter *f,
	struct list_transactions_response *r, struct coord_now now)
{
	int32_t n = 0, cap = txns_count(t);
	listed *v = arena_alloc(call->arena, (size_t)cap * sizeof *v);
	MAP_EACH(e, &t->by_id) {
		const struct txn *x = e->value;
		if (is_shown(x, f, now))
			v[n++] = (listed){ x->id, x->m.producer_id, str_of(status_name[x->m.status]) };
	}
	r->transaction_states.v = v;
	r->transaction_states.n = n;
}

void
txn_handle_list(struct txns *t, struct coord_call *call, struct coord_now now)
{
	const struct list_transactions_request *q = call->body;
	struct list_transactions_response r;
	struct filter f = { .q = q };
	wire_defaults(&list_transactions_response_desc, &r);
	bool has_pattern = q->transactional_id_pattern.n > 0;
	if (has_pattern)
		f.pattern = pattern_compile(q->transactional_id_pattern, &t->scratch);
	if (has_pattern && !f.pattern) {
		r.error_code = KERR_INVALID_REGULAR_EXPRESSION;
	} else {
		read_states(q, &f, &r, call->arena);
		list(t, call, &f, &r, now);
	}
	txn_respond(t, call, STR_NULL, &r);
}
