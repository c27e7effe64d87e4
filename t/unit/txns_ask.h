/* A client of the transaction coordinator: sends requests and reads the answers. */
#ifndef KQ_T_TXNS_ASK_H
#define KQ_T_TXNS_ASK_H
#include "txns_help.h"

static struct world w;
static struct w_call *last; /* freed by the next */

static inline void
start(void)
{
	w_init(&w, 1);
}

static inline void
stop(void)
{
	if (last)
		w_call_free(last);
	last = NULL;
	w_release(&w);
}

static inline void *
ask(int16_t key, int16_t version, const void *body)
{
	if (last)
		w_call_free(last);
	last = w_call_new(key, version);
	last->call.body = body;
	txns_handle(w.t, &last->call, w.now);
	return last->answers ? w_answer(last) : NULL;
}

/* Reports everything that the coordinator waits for, also what follows from it. */
static inline void
settle(void)
{
	for (int i = 0; i < w.nask; i++)
		if (!w.asks[i].is_done)
			w_tell(&w, i);
}

/* The last markers asked for. */
static inline const struct w_ask *
markers(void)
{
	for (int i = w.nask - 1; i >= 0; i--)
		if (w.asks[i].is_markers)
			return &w.asks[i];
	return NULL;
}

static inline struct init_producer_id_response
init_as(int16_t version, const char *id, int64_t pid, int16_t epoch)
{
	struct init_producer_id_request q;
	wire_defaults(&init_producer_id_request_desc, &q);
	q.transactional_id = str_of(id);
	q.transaction_timeout_ms = 60000;
	q.producer_id = pid;
	q.producer_epoch = epoch;
	return *(struct init_producer_id_response *)ask(22, version, &q);
}

static inline struct init_producer_id_response
init(const char *id)
{
	return init_as(5, id, -1, -1);
}

/* AddPartitionsToTxn of one partition, by a client. */
static inline int16_t
add_as(int16_t version, const char *id, int64_t pid, int16_t epoch, const char *topic,
	int32_t index)
{
	struct add_partitions_to_txn_request_topic topics = { str_of(topic), { &index, 1 } };
	struct add_partitions_to_txn_request_transaction txn = {
		.transactional_id = str_of(id), .producer_id = pid, .producer_epoch = epoch,
		.topics = { &topics, 1 } };
	struct add_partitions_to_txn_request q;
	wire_defaults(&add_partitions_to_txn_request_desc, &q);
	if (version >= 4) {
		q.transactions.v = &txn;
		q.transactions.n = 1;
	}
	q.v3_and_below_transactional_id = str_of(id);
	q.v3_and_below_producer_id = pid;
	q.v3_and_below_producer_epoch = epoch;
	q.v3_and_below_topics.v = &topics;
	q.v3_and_below_topics.n = 1;
	struct add_partitions_to_txn_response *r = ask(24, version, &q);
	struct add_partitions_to_txn_response_topic *t = version >= 4
		? r->results_by_transaction.v[0].topic_results.v : r->results_by_topic_v3_and_below.v;
	check(str_eq(t->name, str_of(topic)));
	check_int(t->results_by_partition.n, 1);
	check_int(t->results_by_partition.v[0].partition_index, index);
	return t->results_by_partition.v[0].partition_error_code;
}

static inline int16_t
add(const char *id, int64_t pid, int16_t epoch, int32_t index)
{
	return add_as(3, id, pid, epoch, "topic", index);
}

static inline int16_t
add_offsets(int16_t version, const char *id, int64_t pid, int16_t epoch, const char *group)
{
	struct add_offsets_to_txn_request q = { str_of(id), pid, epoch, str_of(group) };
	struct add_offsets_to_txn_response *r = ask(25, version, &q);
	return r->error_code;
}

static inline struct end_txn_response
end_as(int16_t version, const char *id, int64_t pid, int16_t epoch, bool commit)
{
	struct end_txn_request q = { str_of(id), pid, epoch, commit };
	return *(struct end_txn_response *)ask(26, version, &q);
}

static inline int16_t
end(int16_t version, const char *id, int64_t pid, int16_t epoch, bool commit)
{
	return end_as(version, id, pid, epoch, commit).error_code;
}

static inline int16_t
write_to(const char *id, int64_t pid, int16_t epoch, int32_t index, bool may_add, bool *must_wait)
{
	struct coord_partition p = { STR("topic"), index };
	struct coord_producer x = { pid, epoch };
	int32_t partition;
	int16_t error = txns_check_write(w.t, str_of(id), &x, &p, 1, may_add, w.now, &partition,
		must_wait);
	check_int(partition, error ? -1 : coord_partition_of(str_of(id), W_PARTITIONS));
	return error;
}

/* As transaction.version 2: a partition is added by writing. */
static inline int16_t
write2(const char *id, int64_t pid, int16_t epoch, int32_t index)
{
	bool must_wait;
	return write_to(id, pid, epoch, index, true, &must_wait);
}

static inline struct describe_transactions_response_transaction
describe(const char *id)
{
	struct str ids[1] = { str_of(id) };
	struct describe_transactions_request q = { { ids, 1 } };
	struct describe_transactions_response *r = ask(65, 0, &q);
	check_int(r->transaction_states.n, 1);
	check(str_eq(r->transaction_states.v[0].transactional_id, ids[0]));
	return r->transaction_states.v[0];
}

static inline bool
is_in(const char *id, const char *state)
{
	struct describe_transactions_response_transaction d = describe(id);
	return d.error_code == 0 && str_eq(d.transaction_state, str_of(state));
}

/* The value of the last record. */
static inline struct transaction_log_value
last_value(void)
{
	struct transaction_log_value v;
	check(w.nlog > 0);
	struct str s = w.log[w.nlog - 1].value;
	check_int(wire_data_decode(&transaction_log_value_data, s.p, (size_t)s.n, &w.arena, &v), 1);
	return v;
}

static inline void
tick_after(int64_t ms)
{
	w.now.mono_ms += ms;
	w.now.wall_ms += ms;
	if (txns_next_tick(w.t) <= w.now.mono_ms)
		txns_tick(w.t, w.now);
}

#endif
