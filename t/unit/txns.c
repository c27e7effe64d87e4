/* The transaction coordinator, call by call. */
#include "txns_ask.h"

#include <stdio.h>

void
test_txns__init_hands_out_an_id_and_bumps_its_epoch(void)
{
	start();
	struct init_producer_id_response r = init("a");
	check_int(r.error_code, 0);
	check_int(r.producer_id, 1000);
	check_int(r.producer_epoch, 0);
	check_int(last->call.partition, coord_partition_of(STR("a"), W_PARTITIONS));
	check_int(last_value().transaction_status, 0);
	check_int(last_value().transaction_partitions.n, -1);
	check_int(last_value().transaction_timeout_ms, 60000);
	r = init("a");
	check_int(r.producer_id, 1000);
	check_int(r.producer_epoch, 1);
	check_int(init("b").producer_id, 1001);
	check_int(txns_count(w.t), 2);
	check(is_in("a", "Empty"));
	stop();
}

void
test_txns__init_refuses_bad_requests(void)
{
	struct init_producer_id_request q;
	start();
	check_int(init("").error_code, KERR_INVALID_REQUEST);
	check_int(init_as(5, "a", 7, -1).error_code, KERR_INVALID_REQUEST);
	check_int(init_as(5, "a", -1, 7).error_code, KERR_INVALID_REQUEST);
	wire_defaults(&init_producer_id_request_desc, &q);
	q.transactional_id = STR("a");
	q.transaction_timeout_ms = 900001;
	struct init_producer_id_response *r = ask(22, 0, &q);
	check_int(r->error_code, KERR_INVALID_TRANSACTION_TIMEOUT);
	q.transaction_timeout_ms = 0;
	r = ask(22, 6, &q);
	check_int(r->error_code, KERR_INVALID_TRANSACTION_TIMEOUT);
	q.transaction_timeout_ms = 900000;
	q.enable2_pc = true;
	r = ask(22, 6, &q);
	check_int(r->error_code, KERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
	check_int(r->producer_id, -1);
	check_int(r->producer_epoch, -1);
	q.enable2_pc = false;
	q.keep_prepared_txn = true;
	r = ask(22, 6, &q);
	check_int(r->error_code, KERR_UNSUPPORTED_VERSION);
	q.keep_prepared_txn = false;
	r = ask(22, 6, &q);
	check_int(r->error_code, 0);
	check_int(r->ongoing_txn_producer_id, -1);
	stop();
}

void
test_txns__init_without_a_name_only_hands_out_an_id(void)
{
	start();
	struct init_producer_id_response r = init(NULL);
	check_int(r.error_code, 0);
	check_int(r.producer_id, 1000);
	check_int(r.producer_epoch, 0);
	check_int(last->call.partition, -1);
	check_int(w.nlog, 0);
	w.next_pid = -1;
	r = init(NULL);
	check_int(r.error_code, KERR_COORDINATOR_LOAD_IN_PROGRESS);
	check_int(r.producer_epoch, -1);
	check_int(init("a").error_code, KERR_COORDINATOR_LOAD_IN_PROGRESS);
	check_int(txns_count(w.t), 0);
	stop();
}

void
test_txns__ids_are_limited(void)
{
	start();
	txns_free(w.t);
	w.config.ntxn_max = 2;
	w.t = txns_new(&w.config, &w.env);
	check_int(init("a").error_code, 0);
	check_int(init("b").error_code, 0);
	check_int(init("c").error_code, KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(init("a").error_code, 0);
	check_int(txns_count(w.t), 2);
	stop();
}

void
test_txns__the_bytes_of_ids_are_limited(void)
{
	enum { SIZE = 32767, N = 2500 };
	char *id = mem_alloc(SIZE + 1);
	int n = 0;
	start();
	txns_free(w.t);
	w.config.ntxn_max = N;
	w.t = txns_new(&w.config, &w.env);
	memset(id, 'x', SIZE);
	do {
		snprintf(id, 8, "%07d", n);
		id[7] = 'x';
	} while (n < N && init(id).error_code == 0 && ++n);
	check(n > 2000 && n < N);
	check_int(init(id).error_code, KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(init("short").error_code, KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(txns_count(w.t), n);
	mem_free(id);
	stop();
}

void
test_txns__a_producer_bumps_its_own_epoch(void)
{
	start();
	init("a");
	/* KIP-360: a producer with the current epoch gets the next one, also twice. */
	check_int(init_as(5, "a", 1000, 0).producer_epoch, 1);
	struct init_producer_id_response r = init_as(5, "a", 1000, 0);
	check_int(r.error_code, 0);
	check_int(r.producer_epoch, 1);
	/* Another producer takes over: the old one is fenced. */
	check_int(init("a").producer_epoch, 2);
	check_int(init_as(5, "a", 1000, 1).error_code, KERR_PRODUCER_FENCED);
	check_int(init_as(4, "a", 1000, 0).error_code, KERR_PRODUCER_FENCED);
	check_int(init_as(3, "a", 1000, 0).error_code, KERR_INVALID_PRODUCER_EPOCH);
	check_int(init_as(4, "a", 999, 2).error_code, KERR_PRODUCER_FENCED);
	/* An expired id starts again. */
	r = init_as(4, "b", 999, 17);
	check_int(r.error_code, 0);
	check_int(r.producer_id, 1001);
	check_int(r.producer_epoch, 0);
	stop();
}

void
test_txns__used_up_epochs_bring_a_new_producer_id(void)
{
	start();
	init("a");
	for (int i = 1; i <= 32766; i++)
		check_int(init("a").producer_epoch, i);
	struct init_producer_id_response r = init_as(5, "a", 1000, 32766);
	check_int(r.producer_id, 1001);
	check_int(r.producer_epoch, 0);
	/* A repeated request: the answer was lost. */
	r = init_as(5, "a", 1000, 32766);
	check_int(r.error_code, 0);
	check_int(r.producer_id, 1001);
	check_int(r.producer_epoch, 0);
	check_int(init_as(5, "a", 1000, 32765).error_code, KERR_PRODUCER_FENCED);
	stop();
}

void
test_txns__a_transaction_commits(void)
{
	start();
	init("a");
	check_int(add("a", 1000, 0, 3), 0);
	check_int(add("a", 1000, 0, 1), 0);
	check_int(last_value().transaction_status, 1);
	check_int(last_value().transaction_partitions.v[0].partition_ids.n, 2);
	check(is_in("a", "Ongoing"));
	int n = w.nlog;
	check_int(add("a", 1000, 0, 3), 0); /* has it: nothing to write */
	check_int(w.nlog, n);
	check_int(end(3, "a", 1000, 0, true), 0);
	check_int(last->call.partition, coord_partition_of(STR("a"), W_PARTITIONS));
	check(is_in("a", "PrepareCommit"));
	check(!markers()); /* not before Prepare is on disk */
	check_int(end(3, "a", 1000, 0, true), KERR_CONCURRENT_TRANSACTIONS);
	check_int(end(3, "a", 1000, 0, false), KERR_CONCURRENT_TRANSACTIONS);
	check_int(add("a", 1000, 0, 5), KERR_CONCURRENT_TRANSACTIONS);
	check_int(init("a").error_code, KERR_CONCURRENT_TRANSACTIONS);
	w_tell(&w, w.nask - 1);
	const struct w_ask *m = markers();
	check(m && m->is_commit);
	check_int(m->n, 2);
	check(str_eq(m->v[0].topic, STR("topic")));
	check_int(m->v[0].index, 1);
	check_int(m->v[1].index, 3);
	check_int(m->producer.id, 1000);
	check_int(m->producer.epoch, 0);
	check_int(m->coordinator_epoch, 3);
	check(is_in("a", "PrepareCommit"));
	settle();
	check(is_in("a", "CompleteCommit"));
	check_int(last_value().transaction_partitions.n, 0);
	check_int(last_value().client_transaction_version, 0);
	check_int(end(3, "a", 1000, 0, true), 0);
	check_int(end(3, "a", 1000, 0, false), KERR_INVALID_TXN_STATE);
	check_int(add("a", 1000, 0, 1), 0); /* the next */
	check(is_in("a", "Ongoing"));
	stop();
}

void
test_txns__a_transaction_aborts(void)
{
	start();
	init("a");
	check_int(end(0, "a", 1000, 0, false), KERR_INVALID_TXN_STATE);
	check_int(add("a", 1000, 0, 3), 0);
	check_int(end(0, "a", 1000, 0, false), 0);
	check_int(end(0, "a", 1000, 0, false), KERR_CONCURRENT_TRANSACTIONS);
	check_int(end(0, "a", 1000, 0, true), KERR_CONCURRENT_TRANSACTIONS);
	settle();
	check(!markers()->is_commit);
	check(is_in("a", "CompleteAbort"));
	check_int(end(0, "a", 1000, 0, false), 0);
	check_int(end(0, "a", 1000, 0, true), KERR_INVALID_TXN_STATE);
	stop();
}

void
test_txns__version_2_bumps_the_epoch_at_each_end(void)
{
	start();
	init("a");
	check_int(write2("a", 1000, 0, 2), 0);
	check_int(last_value().client_transaction_version, 2);
	struct end_txn_response r = end_as(5, "a", 1000, 0, true);
	check_int(r.error_code, 0);
	check_int(r.producer_id, 1000);
	check_int(r.producer_epoch, 1);
	check_int(last_value().producer_epoch, 1);
	check_int(last_value().client_transaction_version, 2);
	/* A repeated request while it is ending; the next transaction must wait. */
	check_int(end(5, "a", 1000, 0, true), KERR_CONCURRENT_TRANSACTIONS);
	check_int(end(5, "a", 1000, 0, false), KERR_CONCURRENT_TRANSACTIONS);
	check_int(end(5, "a", 1000, 1, true), KERR_CONCURRENT_TRANSACTIONS);
	check_int(end(5, "a", 1000, 1, false), KERR_CONCURRENT_TRANSACTIONS);
	check_int(write2("a", 1000, 1, 2), KERR_CONCURRENT_TRANSACTIONS);
	settle();
	check_int(markers()->producer.epoch, 1);
	r = end_as(5, "a", 1000, 0, true);
	check_int(r.error_code, 0);
	check_int(r.producer_epoch, 1);
	check_int(end(5, "a", 1000, 0, false), KERR_INVALID_TXN_STATE);
	check_int(end(5, "a", 1000, 1, true), KERR_INVALID_TXN_STATE); /* nothing to commit */
	check_int(write2("a", 1000, 0, 2), KERR_INVALID_PRODUCER_EPOCH);
	check_int(write2("a", 1000, 1, 2), 0);
	check_int(end(5, "a", 1000, 0, true), KERR_PRODUCER_FENCED);
	check_int(end(5, "a", 1000, 2, true), KERR_PRODUCER_FENCED);
	check_int(end_as(5, "a", 1000, 1, false).producer_epoch, 2);
	stop();
}

void
test_txns__version_2_may_abort_nothing(void)
{
	start();
	init("a");
	check_int(end(5, "a", 1000, 0, true), KERR_INVALID_TXN_STATE);
	check_int(end_as(5, "a", 1000, 0, false).producer_epoch, 1);
	check(is_in("a", "PrepareAbort"));
	settle();
	check(!markers());
	check(is_in("a", "CompleteAbort"));
	check_int(describe("a").transaction_start_time_ms, w.now.wall_ms);
	struct end_txn_response r = end_as(5, "a", 1000, 0, false); /* again */
	check_int(r.error_code, 0);
	check_int(r.producer_epoch, 1);
	check_int(end_as(5, "a", 1000, 1, false).producer_epoch, 2); /* another */
	settle();
	check_int(write2("a", 1000, 2, 1), 0);
	check_int(end_as(5, "a", 1000, 2, true).producer_epoch, 3);
	settle();
	check_int(end_as(5, "a", 1000, 3, false).producer_epoch, 4); /* after a commit */
	stop();
}

/* An id with its last epochs, from records. */
static void
load_epoch(const char *id, int16_t epoch)
{
	struct transaction_log_key k = { str_of(id) };
	struct transaction_log_value v;
	struct buf kb = BUF_INIT, vb = BUF_INIT;
	wire_defaults(transaction_log_value_data.desc, &v);
	v.producer_id = 500;
	v.producer_epoch = epoch;
	v.transaction_timeout_ms = 60000;
	v.transaction_partitions.n = -1;
	v.transaction_last_update_timestamp_ms = w.now.wall_ms;
	v.transaction_start_timestamp_ms = -1;
	wire_data_encode(&transaction_log_key_data, 0, &k, &kb);
	wire_data_encode(&transaction_log_value_data, 1, &v, &vb);
	struct coord_record r = { buf_str(&kb), buf_str(&vb) };
	w_append(&w.env, coord_partition_of(k.transactional_id, W_PARTITIONS), &r, 1, NULL,
		w.now.wall_ms);
	buf_release(&kb);
	buf_release(&vb);
	w_restart(&w);
}

void
test_txns__version_2_takes_a_new_producer_id_when_epochs_are_used_up(void)
{
	start();
	load_epoch("a", 32766);
	check_int(write2("a", 500, 32766, 1), 0);
	w.next_pid = -1;
	check_int(end(5, "a", 500, 32766, true), KERR_COORDINATOR_LOAD_IN_PROGRESS);
	check(is_in("a", "Ongoing"));
	w.next_pid = 2000;
	struct end_txn_response r = end_as(5, "a", 500, 32766, true);
	check_int(r.error_code, 0);
	check_int(r.producer_id, 2000);
	check_int(r.producer_epoch, 0);
	check_int(last_value().next_producer_id, 2000);
	check_int(end(5, "a", 500, 32766, true), KERR_CONCURRENT_TRANSACTIONS);
	check_int(end(5, "a", 2000, 0, false), KERR_CONCURRENT_TRANSACTIONS);
	check_int(write2("a", 2000, 0, 1), KERR_CONCURRENT_TRANSACTIONS);
	check_int(end(5, "a", 3000, 0, false), KERR_INVALID_PRODUCER_ID_MAPPING);
	w_restart(&w); /* the new id is in the record */
	settle();
	check_int(markers()->producer.id, 500);
	check_int(markers()->producer.epoch, 32767);
	check_int(markers()->coordinator_epoch, 5);
	check_int(last_value().producer_id, 2000);
	check_int(last_value().producer_epoch, 0);
	check_int(last_value().previous_producer_id, 500);
	r = end_as(5, "a", 500, 32766, true);
	check_int(r.error_code, 0);
	check_int(r.producer_id, 2000);
	check_int(end(5, "a", 500, 32766, false), KERR_INVALID_TXN_STATE);
	check_int(end(5, "a", 500, 32765, true), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(write2("a", 2000, 0, 1), 0);
	check_int(end(5, "a", 500, 32766, true), KERR_INVALID_PRODUCER_ID_MAPPING);
	stop();
}

void
test_txns__fencing_at_the_last_epoch_takes_a_new_producer_id(void)
{
	start();
	load_epoch("a", 32766);
	check_int(write2("a", 500, 32766, 1), 0);
	check_int(init("a").error_code, KERR_CONCURRENT_TRANSACTIONS);
	settle();
	check_int(markers()->producer.epoch, 32767);
	struct init_producer_id_response r = init("a");
	check_int(r.producer_id, 1000);
	check_int(r.producer_epoch, 1);
	stop();
}

void
test_txns__a_new_producer_aborts_the_old_ones_transaction(void)
{
	start();
	init("a");
	check_int(add("a", 1000, 0, 3), 0);
	check_int(init("a").error_code, KERR_CONCURRENT_TRANSACTIONS);
	check(is_in("a", "PrepareAbort"));
	check_int(add_as(2, "a", 1000, 0, "topic", 3), KERR_PRODUCER_FENCED);
	check_int(add_as(1, "a", 1000, 0, "topic", 3), KERR_INVALID_PRODUCER_EPOCH);
	check_int(end(2, "a", 1000, 0, true), KERR_PRODUCER_FENCED);
	check_int(end(1, "a", 1000, 0, true), KERR_INVALID_PRODUCER_EPOCH);
	check_int(add_offsets(1, "a", 1000, 0, "g"), KERR_INVALID_PRODUCER_EPOCH);
	check_int(add_offsets(2, "a", 1000, 0, "g"), KERR_PRODUCER_FENCED);
	check_int(end(5, "a", 1000, 0, true), KERR_CONCURRENT_TRANSACTIONS);
	settle();
	check(!markers()->is_commit);
	check_int(markers()->producer.epoch, 1); /* fences the old producer there, too */
	check_int(init("a").producer_epoch, 2);
	check_int(end(4, "a", 1000, 0, true), KERR_PRODUCER_FENCED);
	check_int(end(5, "a", 1000, 0, true), KERR_PRODUCER_FENCED);
	check_int(end(5, "a", 1000, 1, true), KERR_PRODUCER_FENCED);
	stop();
}

void
test_txns__a_fenced_producer_does_not_disturb_its_successor(void)
{
	start();
	init("a");
	check_int(init("a").producer_epoch, 1);
	check_int(write2("a", 1000, 1, 3), 0);
	check_int(init_as(5, "a", 1000, 0).error_code, KERR_PRODUCER_FENCED);
	check(is_in("a", "Ongoing"));
	check_int(init_as(5, "a", 1000, 1).error_code, KERR_CONCURRENT_TRANSACTIONS);
	check(is_in("a", "PrepareAbort"));
	stop();
}

void
test_txns__an_old_clients_end_is_not_taken_for_a_new_ones(void)
{
	start();
	init("a");                          /* epoch 0, a client of version 2 */
	check_int(init("a").producer_epoch, 1); /* an old one takes over */
	check_int(add("a", 1000, 1, 3), 0);
	check_int(end(3, "a", 1000, 1, true), 0);
	settle();
	check_int(end(5, "a", 1000, 0, true), KERR_PRODUCER_FENCED);
	stop();
}

void
test_txns__unknown_and_foreign_producers_are_refused(void)
{
	start();
	check_int(add("a", 1000, 0, 3), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(end(4, "a", 1000, 0, true), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(end(5, "a", 1000, 0, true), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(write2("a", 1000, 0, 3), KERR_INVALID_PRODUCER_ID_MAPPING);
	init("a");
	check_int(add("a", 1001, 0, 3), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(add_offsets(3, "a", 1001, 0, "g"), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(end(4, "a", 1001, 0, true), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(end(5, "a", 1001, 0, true), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(add("", 1000, 0, 3), KERR_INVALID_REQUEST);
	check_int(add_offsets(3, "", 1000, 0, "g"), KERR_INVALID_REQUEST);
	check_int(end(4, "", 1000, 0, true), KERR_INVALID_REQUEST);
	check_int(write2("", 1000, 0, 3), KERR_INVALID_REQUEST);
	check_int(add("a", 1000, 1, 3), KERR_PRODUCER_FENCED);
	stop();
}

void
test_txns__one_bad_partition_fails_all(void)
{
	int32_t index[] = { 1, 10, 2 };
	struct add_partitions_to_txn_request_topic topics[] = {
		{ STR("topic"), { index, 3 } }, { STR("nosuch"), { index, 1 } },
		{ STR("__consumer_offsets"), { index, 1 } } };
	struct add_partitions_to_txn_request q;
	start();
	init("a");
	wire_defaults(&add_partitions_to_txn_request_desc, &q);
	q.v3_and_below_transactional_id = STR("a");
	q.v3_and_below_producer_id = 1000;
	q.v3_and_below_topics.v = topics;
	q.v3_and_below_topics.n = 3;
	struct add_partitions_to_txn_response *r = ask(24, 0, &q);
	struct add_partitions_to_txn_response_topic *t = r->results_by_topic_v3_and_below.v;
	check_int(r->results_by_topic_v3_and_below.n, 3);
	check_int(t[0].results_by_partition.v[0].partition_error_code, KERR_OPERATION_NOT_ATTEMPTED);
	check_int(t[0].results_by_partition.v[1].partition_error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(t[0].results_by_partition.v[2].partition_error_code, KERR_OPERATION_NOT_ATTEMPTED);
	check_int(t[1].results_by_partition.v[0].partition_error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	check_int(t[2].results_by_partition.v[0].partition_error_code, KERR_TOPIC_AUTHORIZATION_FAILED);
	check(is_in("a", "Empty"));
	check_int(add_as(4, "a", 1000, 0, "__consumer_offsets", 1), 0); /* a broker may */
	index[0] = -1;
	check_int(add("a", 1000, 0, -1), KERR_UNKNOWN_TOPIC_OR_PARTITION);
	stop();
}

void
test_txns__adding_nothing_changes_nothing(void)
{
	struct add_partitions_to_txn_request q;
	start();
	init("a");
	wire_defaults(&add_partitions_to_txn_request_desc, &q);
	q.v3_and_below_transactional_id = STR("a");
	q.v3_and_below_producer_id = 1000;
	struct add_partitions_to_txn_response *r = ask(24, 3, &q);
	check_int(r->results_by_topic_v3_and_below.n, 0);
	check(is_in("a", "Empty"));
	stop();
}

void
test_txns__offsets_are_a_partition_of_their_topic(void)
{
	start();
	init("a");
	check_int(add_offsets(3, "a", 1000, 0, "group"), 0);
	struct describe_transactions_response_transaction d = describe("a");
	check_int(d.topics.n, 1);
	check(str_eq(d.topics.v[0].topic, STR("__consumer_offsets")));
	check_int(d.topics.v[0].partitions.v[0], coord_partition_of(STR("group"), W_OFFSETS));
	w.no_offsets = true;
	check_int(add_offsets(3, "a", 1000, 0, "group"), KERR_COORDINATOR_NOT_AVAILABLE);
	stop();
}

void
test_txns__writes_of_old_clients_are_verified(void)
{
	bool must_wait;
	start();
	init("a");
	check_int(write_to("a", 1000, 0, 3, false, &must_wait), KERR_TRANSACTION_ABORTABLE);
	check_int(add("a", 1000, 0, 3), 0);
	check_int(write_to("a", 1000, 0, 3, false, &must_wait), 0);
	check(must_wait); /* what was added is not on disk yet */
	settle();
	check_int(write_to("a", 1000, 0, 3, false, &must_wait), 0);
	check(!must_wait);
	check_int(write_to("a", 1000, 0, 4, false, &must_wait), KERR_TRANSACTION_ABORTABLE);
	check_int(write_to("a", 1000, 1, 3, false, &must_wait), KERR_INVALID_PRODUCER_EPOCH);
	check_int(write_to("a", 1001, 0, 3, false, &must_wait), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(write_to("b", 1000, 0, 3, false, &must_wait), KERR_INVALID_PRODUCER_ID_MAPPING);
	check_int(end(3, "a", 1000, 0, true), 0);
	check_int(write_to("a", 1000, 0, 3, false, &must_wait), KERR_CONCURRENT_TRANSACTIONS);
	settle();
	check_int(write_to("a", 1000, 0, 3, false, &must_wait), KERR_TRANSACTION_ABORTABLE);
	stop();
}

void
test_txns__writes_add_partitions_and_wait_for_the_disk(void)
{
	bool must_wait;
	start();
	init("a");
	check_int(write_to("a", 1000, 0, 3, true, &must_wait), 0);
	check(must_wait);
	check(is_in("a", "Ongoing"));
	check_int(write_to("a", 1000, 0, 3, true, &must_wait), 0); /* a second one right after */
	check(must_wait);
	check_int(write_to("a", 1000, 0, 4, true, &must_wait), 0);
	w_tell(&w, 0); /* the first addition is on disk, the second is not */
	check_int(write_to("a", 1000, 0, 3, true, &must_wait), 0);
	check(must_wait);
	settle();
	int n = w.nlog;
	check_int(write_to("a", 1000, 0, 4, true, &must_wait), 0);
	check(!must_wait);
	check_int(w.nlog, n);
	stop();
}

/* The error of a partition in the first topic of a transaction. */
static int16_t
added_error(const struct add_partitions_to_txn_response *r, int32_t transaction, int32_t partition)
{
	return r->results_by_transaction.v[transaction].topic_results.v[0]
		.results_by_partition.v[partition].partition_error_code;
}

void
test_txns__batches_wait_for_all_their_partitions(void)
{
	int32_t index = 1;
	struct add_partitions_to_txn_request_topic topic = { STR("topic"), { &index, 1 } };
	struct add_partitions_to_txn_request_transaction v[] = {
		{ STR("a"), 1000, 0, false, { &topic, 1 } }, { STR("b"), 1001, 0, false, { &topic, 1 } },
		{ STR("b"), 1001, 0, true, { &topic, 1 } }, { STR("c"), 7, 0, true, { &topic, 1 } } };
	struct add_partitions_to_txn_request q;
	start();
	init("a");
	init("b");
	wire_defaults(&add_partitions_to_txn_request_desc, &q);
	q.transactions.v = v;
	q.transactions.n = 4;
	check(!ask(24, 5, &q));
	int n = w.nask;
	for (int i = 0; i < n; i++) {
		check_int(last->answers, 0);
		w_tell(&w, i);
	}
	struct add_partitions_to_txn_response *r = w_answer(last);
	check_int(r->results_by_transaction.n, 4);
	const int16_t want[] = { 0, 0, 0, KERR_INVALID_PRODUCER_ID_MAPPING };
	for (int i = 0; i < 4; i++) {
		check(str_eq(r->results_by_transaction.v[i].transactional_id, v[i].transactional_id));
		check_int(added_error(r, i, 0), want[i]);
	}
	/* A parked call is answered when the broker stops. */
	check(!ask(24, 5, &q));
	txns_stop(w.t);
	r = w_answer(last);
	check_int(r->error_code, KERR_NOT_COORDINATOR);
	settle();
	stop();
}

void
test_txns__verifying_adds_nothing(void)
{
	int32_t index[] = { 1, 2 };
	struct add_partitions_to_txn_request_topic topic = { STR("topic"), { index, 2 } };
	struct add_partitions_to_txn_request_transaction v = {
		STR("a"), 1000, 0, true, { &topic, 1 } };
	struct add_partitions_to_txn_request q;
	start();
	init("a");
	check_int(add("a", 1000, 0, 1), 0);
	int n = w.nlog;
	wire_defaults(&add_partitions_to_txn_request_desc, &q);
	q.transactions.v = &v;
	q.transactions.n = 1;
	struct add_partitions_to_txn_response *r = ask(24, 4, &q);
	check_int(added_error(r, 0, 0), 0);
	check_int(added_error(r, 0, 1), KERR_TRANSACTION_ABORTABLE);
	v.producer_epoch = 4;
	r = ask(24, 4, &q);
	check_int(added_error(r, 0, 1), KERR_PRODUCER_FENCED);
	v.transactional_id = STR("");
	r = ask(24, 4, &q);
	check_int(added_error(r, 0, 0), KERR_INVALID_REQUEST);
	check_int(w.nlog, n);
	stop();
}
