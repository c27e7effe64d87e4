/* The transaction coordinator over time: timeouts, refused appends, restarts, expiry;
 * limits; DescribeTransactions and ListTransactions. */
#include "txns_ask.h"

#include <stdio.h>

void
test_txns_state__time_outs_abort(void)
{
	start();
	init("a");
	check_int(txns_next_tick(w.t), w.now.mono_ms + w.config.expiry_interval_ms);
	check_int(write2("a", 1000, 0, 3), 0);
	check_int(txns_next_tick(w.t), w.now.mono_ms + w.config.abort_interval_ms);
	w.now.wall_ms += 10000000; /* the wall clock jumps: no effect */
	for (int i = 0; i < 6; i++) {
		tick_after(10000);
		check(is_in("a", "Ongoing"));
	}
	w.append_error = KERR_KAFKA_STORAGE_ERROR;
	tick_after(10000);
	check(is_in("a", "Ongoing")); /* refused: the next scan tries again */
	w.append_error = 0;
	tick_after(10000);
	check(is_in("a", "PrepareAbort"));
	settle();
	check(is_in("a", "CompleteAbort"));
	check_int(markers()->producer.epoch, 1);
	check_int(write2("a", 1000, 0, 3), KERR_INVALID_PRODUCER_EPOCH);
	check_int(end(5, "a", 1000, 0, true), KERR_INVALID_TXN_STATE);
	/* The producer may continue: no other took over. */
	check_int(init_as(5, "a", 1000, 0).producer_epoch, 1);
	stop();
}

void
test_txns_state__a_refused_record_changes_nothing(void)
{
	const struct { int16_t error, seen; } cases[] = {
		{ KERR_KAFKA_STORAGE_ERROR, KERR_COORDINATOR_NOT_AVAILABLE },
		{ KERR_NOT_LEADER_OR_FOLLOWER, KERR_COORDINATOR_NOT_AVAILABLE },
		{ KERR_MESSAGE_TOO_LARGE, KERR_UNKNOWN_SERVER_ERROR } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start();
		w.append_error = cases[i].error;
		check_int(init("a").error_code, cases[i].seen);
		check_int(txns_count(w.t), 0);
		w.append_error = 0;
		int64_t pid = init("a").producer_id;
		w.append_error = cases[i].error;
		check_int(init("a").error_code, cases[i].seen);
		check_int(add("a", pid, 0, 1), cases[i].seen);
		check_int(write2("a", pid, 0, 1), cases[i].seen);
		check_int(add_offsets(3, "a", pid, 0, "g"), cases[i].seen);
		check_int(end(5, "a", pid, 0, false), cases[i].seen);
		check(is_in("a", "Empty"));
		w.append_error = 0;
		check_int(add("a", pid, 0, 1), 0);
		w.append_error = cases[i].error;
		check_int(add("a", pid, 0, 2), cases[i].seen);
		check_int(end(3, "a", pid, 0, true), cases[i].seen);
		check_int(end(5, "a", pid, 0, true), cases[i].seen);
		check_int(init("a").error_code, cases[i].seen);
		check_int(describe("a").producer_epoch, 0);
		check_int(describe("a").topics.v[0].partitions.n, 1);
		check(is_in("a", "Ongoing"));
		w.append_error = 0;
		check_int(end(5, "a", pid, 0, true), 0);
		stop();
	}
}

void
test_txns_state__a_refused_complete_is_tried_again(void)
{
	start();
	init("a");
	check_int(write2("a", 1000, 0, 1), 0);
	check_int(end(5, "a", 1000, 0, true), 0);
	w.append_error = KERR_KAFKA_STORAGE_ERROR;
	settle();
	check(is_in("a", "PrepareCommit"));
	int n = w.nask;
	tick_after(10000);
	check(is_in("a", "PrepareCommit"));
	w.append_error = 0;
	tick_after(10000);
	check(is_in("a", "CompleteCommit"));
	check_int(w.nask, n); /* no second markers */
	stop();
}

void
test_txns_state__a_restart_goes_on_where_it_was(void)
{
	start();
	for (int i = 0; i < 6; i++) {
		char id[2] = { (char)('a' + i), 0 };
		init(id);
		if (i > 0)
			check_int(add(id, 1000 + i, 0, i), 0);
	}
	settle();
	check_int(end(3, "c", 1002, 0, true), 0);
	check_int(end(5, "d", 1003, 0, false), 0);
	settle();
	check_int(end(3, "e", 1004, 0, true), 0);
	check_int(init("f").error_code, KERR_CONCURRENT_TRANSACTIONS);
	w_restart(&w);
	check(is_in("a", "Empty"));
	check(is_in("b", "Ongoing"));
	check(is_in("c", "CompleteCommit"));
	check(is_in("d", "CompleteAbort"));
	check(is_in("e", "PrepareCommit"));
	check(is_in("f", "PrepareAbort"));
	check_int(w.nask, 2); /* markers of e and f */
	settle();
	check(is_in("e", "CompleteCommit"));
	check(is_in("f", "CompleteAbort"));
	check_int(describe("d").producer_epoch, 1);
	check_int(describe("b").topics.v[0].partitions.v[0], 1);
	check_int(end(3, "b", 1001, 0, true), 0);
	check_int(end(5, "d", 1003, 0, false), 0); /* answers were lost */
	check_int(init("a").producer_epoch, 1);
	stop();
}

void
test_txns_state__time_outs_survive_a_restart(void)
{
	start();
	init("a");
	check_int(write2("a", 1000, 0, 1), 0);
	w.now.wall_ms += 55000;
	w.now.mono_ms = 7; /* another boot */
	w_restart(&w);
	tick_after(10000);
	check(is_in("a", "PrepareAbort"));
	stop();
}

void
test_txns_state__what_was_open_when_the_machine_went_down_is_aborted(void)
{
	start();
	for (const char *id = "abc"; *id; id++)
		init((char[]){ *id, 0 });
	check_int(write2("a", 1000, 0, 3), 0);
	check_int(add("b", 1001, 0, 1), 0);
	check_int(write2("c", 1002, 0, 2), 0);
	check_int(end(5, "c", 1002, 0, true), 0);
	w_restart(&w);
	check(txns_abort_ongoing(w.t, w.now));
	check(is_in("a", "PrepareAbort"));
	check(is_in("b", "PrepareAbort"));
	settle();
	check(is_in("a", "CompleteAbort"));
	check(is_in("b", "CompleteAbort"));
	check(is_in("c", "CompleteCommit")); /* its Prepare record was on disk */
	/* A producer whose writes may be lost can't commit. */
	check_int(write2("a", 1000, 0, 4), KERR_INVALID_PRODUCER_EPOCH);
	check_int(end(5, "a", 1000, 0, true), KERR_INVALID_TXN_STATE);
	check_int(end(3, "b", 1001, 0, true), KERR_PRODUCER_FENCED);
	/* Refused: the next scan does it. */
	check_int(write2("a", 1000, 1, 3), 0);
	check_int(add("b", 1001, 1, 1), 0);
	w.append_error = KERR_KAFKA_STORAGE_ERROR;
	check(!txns_abort_ongoing(w.t, w.now));
	check(is_in("a", "Ongoing"));
	w.append_error = 0;
	/* Until then it can't commit; an abort is fine. */
	check_int(end(5, "a", 1000, 1, true), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(end(3, "b", 1001, 1, true), KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(end(3, "b", 1001, 1, false), 0);
	settle();
	check_int(add("b", 1001, 1, 1), 0);
	check_int(end(3, "b", 1001, 1, true), 0);
	tick_after(w.config.abort_interval_ms);
	check(is_in("a", "PrepareAbort"));
	stop();
}

void
test_txns_state__a_commit_can_ask_what_was_written(void)
{
	struct arena arena = ARENA_INIT;
	struct coord_partition *v = NULL;
	struct coord_producer p = { 1000, 0 }, old = { 1000, -1 }, other = { 1, 0 };
	start();
	check_int(txns_touched(w.t, STR("a"), &p, &arena, &v), 0);
	init("a");
	check_int(txns_touched(w.t, STR("a"), &p, &arena, &v), 0);
	check_int(write2("a", 1000, 0, 3), 0);
	check_int(write2("a", 1000, 0, 5), 0);
	check_int(txns_touched(w.t, STR("a"), &p, &arena, &v), 2);
	check_int(v[0].index, 3);
	check_int(v[1].index, 5);
	check_int(txns_touched(w.t, STR("a"), &old, &arena, &v), 0);
	check_int(txns_touched(w.t, STR("a"), &other, &arena, &v), 0);
	check_int(txns_touched(w.t, STR_NULL, &p, &arena, &v), 0);
	check_int(end(5, "a", 1000, 0, true), 0);
	check_int(txns_touched(w.t, STR("a"), &p, &arena, &v), 0);
	arena_release(&arena);
	stop();
}

void
test_txns_state__foreign_records_are_passed_over(void)
{
	start();
	init("a");
	struct w_record *r = &w.log[0];
	int32_t p = r->partition;
	struct coord_record bad[] = {
		{ STR_NULL, STR("x") }, { STR(""), STR_NULL }, { STR("\0\1\0\1b"), STR("x") },
		{ r->key, STR("") }, { r->key, STR("\0\7junk") }, { r->key, STR("\0\1junk") } };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		txns_replay(w.t, p, &bad[i]);
	txns_replay(w.t, (p + 1) % W_PARTITIONS, &(struct coord_record){ r->key, STR_NULL });
	check_int(txns_count(w.t), 1);
	check(is_in("a", "Empty"));
	txns_replay(w.t, p, &(struct coord_record){ r->key, STR_NULL });
	check_int(txns_count(w.t), 0);
	stop();
}

void
test_txns_state__ids_expire_with_a_tombstone(void)
{
	start();
	init("a");
	check_int(init("b").producer_id, 1001);
	check_int(write2("b", 1001, 0, 1), 0);
	settle();
	w.now.wall_ms += 86400000 - 3600000;
	tick_after(3600000 - 1);
	check_int(txns_count(w.t), 2);
	w.append_error = KERR_KAFKA_STORAGE_ERROR;
	tick_after(3600000);
	check_int(txns_count(w.t), 2); /* refused: tried later */
	w.append_error = 0;
	tick_after(3600000);
	check_int(txns_count(w.t), 1); /* b was aborted, not long ago */
	bool found = false;
	for (int i = 0; i < w.nlog; i++)
		found = found || w.log[i].value.n < 0;
	check(found);
	check_int(describe("a").error_code, KERR_TRANSACTIONAL_ID_NOT_FOUND);
	check(is_in("b", "PrepareAbort"));
	w_restart(&w);
	check_int(txns_count(w.t), 1);
	struct init_producer_id_response r = init_as(5, "a", 1000, 0);
	check_int(r.error_code, 0);
	check_int(r.producer_id, 1002);
	stop();
}

void
test_txns_state__many_ids_expire_bit_by_bit(void)
{
	start();
	w.config.ntxn_max = 5000;
	w_restart(&w);
	for (int i = 0; i < 2500; i++) {
		char id[16];
		snprintf(id, sizeof id, "id-%d", i);
		check_int(init(id).error_code, 0);
	}
	tick_after(86400000);
	check_int(txns_count(w.t), 1500);
	check(txns_next_tick(w.t) <= w.now.mono_ms + 1000);
	tick_after(1000);
	tick_after(1000);
	check_int(txns_count(w.t), 0);
	check_int(txns_next_tick(w.t), INT64_MAX);
	stop();
}

void
test_txns_state__partitions_of_a_transaction_are_limited(void)
{
	static struct coord_partition v[10001];
	struct coord_producer x = { 1000, 0 };
	int32_t partition;
	bool must_wait;
	start();
	init("a");
	for (int i = 0; i < 10001; i++)
		v[i] = (struct coord_partition){ STR("topic"), i };
	check_int(txns_check_write(w.t, STR("a"), &x, v, 10001, true, w.now, &partition, &must_wait),
		KERR_TRANSACTION_ABORTABLE);
	check(is_in("a", "Empty"));
	check_int(txns_check_write(w.t, STR("a"), &x, v + 1, 10000, true, w.now, &partition,
		&must_wait), 0);
	check_int(write2("a", 1000, 0, 0), KERR_TRANSACTION_ABORTABLE);
	check_int(add_as(4, "a", 1000, 0, "topic", 0), KERR_INVALID_TXN_STATE);
	check_int(add_as(5, "a", 1000, 0, "topic", 0), KERR_TRANSACTION_ABORTABLE);
	check_int(add_offsets(3, "a", 1000, 0, "g"), KERR_INVALID_TXN_STATE);
	check_int(end(5, "a", 1000, 0, true), 0);
	settle();
	check_int(markers()->n, 10000);
	stop();
}

void
test_txns_state__bytes_of_partitions_are_limited(void)
{
	enum { NAME = 30000, TOPICS = 200, IDS = 20 };
	char *names = mem_alloc(TOPICS * NAME);
	struct coord_partition v[TOPICS];
	int32_t partition, n = 0;
	bool must_wait;
	int16_t error = 0;
	memset(names, 'x', TOPICS * NAME);
	for (int i = 0; i < TOPICS; i++) {
		char *z = names + i * NAME;
		snprintf(z, 8, "%07d", i);
		z[7] = 'x';
		v[i] = (struct coord_partition){ { (uint8_t *)z, NAME }, 0 };
	}
	start();
	while (n < IDS && !error) {
		char id[8];
		snprintf(id, sizeof id, "%d", n++);
		struct coord_producer x = { init(id).producer_id, 0 };
		error = txns_check_write(w.t, str_of(id), &x, v, TOPICS, true, w.now, &partition,
			&must_wait);
	}
	check_int(error, KERR_COORDINATOR_NOT_AVAILABLE);
	check_int(n - 1, (64 << 20) / (TOPICS * NAME));
	/* Small ones are refused, too, unless they fit into the rest. */
	check_int(write2("0", 1000, 0, 0), 0);
	settle();
	w_restart(&w);
	char tail[8];
	snprintf(tail, sizeof tail, "%d", n - 1);
	struct coord_producer x = { init(tail).producer_id, 1 };
	check_int(txns_check_write(w.t, str_of(tail), &x, v, TOPICS, true, w.now, &partition,
		&must_wait), KERR_COORDINATOR_NOT_AVAILABLE);
	/* The end of a transaction makes room for others'. */
	check_int(end(5, "0", 1000, 0, true), 0);
	settle();
	check_int(txns_check_write(w.t, str_of(tail), &x, v, TOPICS, true, w.now, &partition,
		&must_wait), 0);
	mem_free(names);
	stop();
}

void
test_txns_state__describe_tells_the_state(void)
{
	start();
	init("a");
	check_int(describe("").error_code, KERR_INVALID_REQUEST);
	check_int(describe("zz").error_code, KERR_TRANSACTIONAL_ID_NOT_FOUND);
	struct describe_transactions_response_transaction d = describe("a");
	check_int(d.transaction_start_time_ms, -1);
	check_int(d.transaction_timeout_ms, 60000);
	check_int(d.producer_id, 1000);
	check_int(d.topics.n, 0);
	int64_t began = w.now.wall_ms;
	check_int(write2("a", 1000, 0, 4), 0);
	w.now.wall_ms += 50;
	check_int(write2("a", 1000, 0, 2), 0);
	d = describe("a");
	check_int(d.transaction_start_time_ms, began);
	check_int(d.topics.n, 1);
	check_int(d.topics.v[0].partitions.n, 2);
	check_int(d.topics.v[0].partitions.v[0], 2);
	stop();
}

/* The number of listed transactions, or -error_code. */
static int
list(int16_t version, const char *state, int64_t pid, int64_t duration, const char *pattern)
{
	struct str states[1] = { str_of(state) };
	struct list_transactions_request q;
	wire_defaults(&list_transactions_request_desc, &q);
	q.state_filters.v = states;
	q.state_filters.n = state ? 1 : 0;
	q.producer_id_filters.v = &pid;
	q.producer_id_filters.n = pid >= 0 ? 1 : 0;
	q.duration_filter = duration;
	q.transactional_id_pattern = str_of(pattern);
	struct list_transactions_response *r = ask(66, version, &q);
	return r->error_code ? -r->error_code : r->transaction_states.n;
}

/* 1000 ids of 200 bytes: an ordinary pattern tries them all, one made to be slow
 * is refused long before. */
void
test_txns_state__a_pattern_does_not_hold_the_coordinator(void)
{
	start();
	for (int i = 0; i < 1000; i++) {
		char id[201];
		snprintf(id, sizeof id, "%0200d", i);
		init(id);
	}
	check_int(list(2, NULL, -1, -1, "0+[0-9]{3}"), 1000);
	check_int(list(2, NULL, -1, -1, "(.?){380}"), -KERR_INVALID_REGULAR_EXPRESSION);
	check_int(((struct list_transactions_response *)w_answer(last))->transaction_states.n, 0);
	stop();
}

void
test_txns_state__list_by_many_producer_ids(void)
{
	start();
	init("a");
	init("b");
	init("c");
	int64_t ids[] = { 1002, 7, 1000, 1002, -1 };
	struct list_transactions_request q;
	wire_defaults(&list_transactions_request_desc, &q);
	q.producer_id_filters.v = ids;
	q.producer_id_filters.n = ARRAY_LEN(ids);
	q.duration_filter = -1;
	struct list_transactions_response *r = ask(API_LIST_TRANSACTIONS, 2, &q);
	check_int(r->transaction_states.n, 2);
	stop();
}

void
test_txns_state__list_filters(void)
{
	start();
	init("app-1");
	init("app-2");
	init("other");
	check_int(write2("other", 1002, 0, 1), 0);
	w.now.wall_ms += 1000;
	check_int(write2("app-2", 1001, 0, 1), 0);
	check_int(list(0, NULL, -1, -1, NULL), 3);
	check_int(list(0, "Ongoing", -1, -1, NULL), 2);
	check_int(list(0, "Empty", -1, -1, NULL), 1);
	check_int(list(0, "Dead", -1, -1, NULL), 0);
	struct list_transactions_response *r = w_answer(last);
	check_int(r->unknown_state_filters.n, 0);
	check_int(list(0, "Bogus", -1, -1, NULL), 0);
	r = w_answer(last);
	check_int(r->unknown_state_filters.n, 1);
	check(str_eq(r->unknown_state_filters.v[0], STR("Bogus")));
	check_int(list(0, NULL, 1002, -1, NULL), 1);
	check_int(list(0, NULL, 7, -1, NULL), 0);
	check_int(list(1, "Ongoing", -1, 999, NULL), 1);
	check_int(list(1, "Ongoing", -1, 1000, NULL), 0);
	check_int(list(2, NULL, -1, -1, ""), 3);
	check_int(list(2, NULL, -1, -1, "app-[0-9]"), 2);
	check_int(list(2, NULL, -1, -1, "app"), 0); /* the whole id must match */
	check_int(list(2, NULL, -1, -1, "app.*|other"), 3);
	check_int(list(2, NULL, -1, -1, "[a-z]{3,5}-\\{?1"), 1);
	check_int(list(2, NULL, -1, -1, "[^]x]{5}"), 3);
	check_int(list(2, NULL, -1, -1, "a(p{2})\\-[12]"), 2);
	/* RE2's, as in Kafka. */
	check_int(list(2, NULL, -1, -1, "app-\\d"), 2);
	check_int(list(2, NULL, -1, -1, "[\\d\\-ap]+"), 2);
	check_int(list(2, NULL, -1, -1, "app-[[:digit:]]"), 2);
	check_int(list(2, NULL, -1, -1, "[[:alpha:]]+|\\Qapp-1\\E"), 2);
	check_int(list(2, NULL, -1, -1, "(?:app-1|other)"), 2);
	check_int(list(2, NULL, -1, -1, "a+?pp-1"), 1);
	check_int(list(2, NULL, -1, -1, "a{,3}"), 0); /* its braces are plain bytes */
	/* Wrong, not supported, or too large. */
	const char *bad[] = { "[", "[a", "(", "a)", "*a", "a)|(b", "a|+", "a**", "(a)\\1", "(?i)APP",
		"((a{1,200}){1,200}){1,200}" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_int(list(2, NULL, -1, -1, bad[i]), -KERR_INVALID_REGULAR_EXPRESSION);
	stop();
}

void
test_txns_state__late_and_repeated_tickets_are_passed_over(void)
{
	start();
	init("a");
	check_int(write2("a", 1000, 0, 1), 0);
	check_int(end(5, "a", 1000, 0, true), 0);
	settle();
	int n = w.nlog;
	for (int i = 0; i < w.nask; i++) {
		txns_committed(w.t, w.asks[i].ticket, w.now);
		txns_markers_written(w.t, w.asks[i].ticket, w.now);
	}
	txns_committed(w.t, 4711, w.now);
	check_int(w.nlog, n);
	stop();
}

void
test_txns_state__answers_say_what_they_wait_for(void)
{
	start();
	check(txns_handles(22) && txns_handles(24) && txns_handles(25) && txns_handles(26)
		&& txns_handles(65) && txns_handles(66));
	check(!txns_handles(0) && !txns_handles(28) && !txns_handles(27));
	int32_t p = coord_partition_of(STR("a"), W_PARTITIONS);
	init("a");
	check_int(last->call.partition, p);
	add("a", 1000, 0, 1);
	check_int(last->call.partition, p);
	add_offsets(3, "a", 1000, 0, "g");
	check_int(last->call.partition, p);
	end(3, "a", 1000, 9, true); /* errors wait, too */
	check_int(last->call.partition, p);
	describe("a");
	check_int(last->call.partition, -1);
	stop();
}
