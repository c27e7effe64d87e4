/* Transactions: requests to the coordinator, and how its responses are handled. */
#include "client_producer_peer.h"

#include <sys/eventfd.h>

static struct cluster cl;
static struct producer p;
static struct producer_topic *t;
static struct err err;

static void
begin(const struct peer_opts *o, int delivery_timeout_ms)
{
	struct cluster_opts co = { .brokers = "unix:peer.sock" };
	struct producer_opts po;
	peer_start(o);
	check_int(cluster_open(&cl, &co, &err), 0);
	producer_opts_init(&po);
	po.retry_backoff_ms = 10;
	po.delivery_timeout_ms = delivery_timeout_ms;
	po.txn_id = "me";
	po.batch_bytes = BATCH_HEADER_SIZE + 80; /* one record per batch */
	producer_init(&p, &cl, &po);
	check_int(producer_start(&p, &err), 0);
	t = producer_topic(&p, "t", &err);
	check(t != NULL);
}

static void
begin_v1(void)
{
	begin(&(struct peer_opts){ .npart = 2, .txn_level = 1 }, 5000);
}

static void
begin_v2(void)
{
	begin(&(struct peer_opts){ .npart = 2, .txn_level = 2 }, 5000);
}

static void
end(void)
{
	cluster_close(&cl);
	producer_release(&p);
	peer_stop();
}

static void
put(int32_t partition, int n)
{
	for (int i = 0; i < n; i++)
		check_int(producer_put(t, partition, 1000, STR_NULL, STR("a value of 30 bytes, and so on"),
			STR_NULL, 0, &err), 0);
}

static void
txn_begin(void)
{
	check_int(producer_begin_txn(&p, &err), 0);
}

static void
commit(void)
{
	bool is_unknown = false;
	if (producer_commit(&p, &is_unknown, &err) < 0)
		tap_fail(__FILE__, __LINE__, "commit: %s", err.msg);
	check(!is_unknown);
}

static void
check_batch(int i, int16_t epoch, int32_t sequence, int max_version)
{
	const struct peer_seen *s = peer_nth(API_PRODUCE, i);
	check_int(s->id, PEER_ID);
	check_int(s->epoch, epoch);
	check_int(s->sequence, sequence);
	check_int(s->version, max_version);
	check(s->is_transactional);
	check(s->has_good_crc);
}

static void
check_end(int i, int16_t epoch, bool is_commit, int version)
{
	const struct peer_seen *s = peer_nth(API_END_TXN, i);
	check_int(s->id, PEER_ID);
	check_int(s->epoch, epoch);
	check_int(s->is_commit, is_commit);
	check_int(s->version, version);
}

void
test_txn__version_2_adds_nothing_and_begins_each_with_a_new_epoch(void)
{
	begin_v2();
	for (int i = 0; i < 3; i++) {
		txn_begin();
		put(0, 2);
		commit();
	}
	check_int(p.ncommitted, 6);
	end();
	check_int(peer_count(API_ADD_PARTITIONS_TO_TXN), 0);
	check_int(peer_count(API_INIT_PRODUCER_ID), 1);
	check_int(peer_count(API_FIND_COORDINATOR), 1);
	check_int(peer_nth(API_FIND_COORDINATOR, 0)->partition, 1);
	for (int i = 0; i < 6; i++)
		check_batch(i, (int16_t)(i / 2), i % 2, 12);
	for (int i = 0; i < 3; i++)
		check_end(i, (int16_t)i, true, 5);
}

void
test_txn__version_1_adds_each_partition_once_and_numbers_go_on(void)
{
	begin_v1();
	for (int i = 0; i < 2; i++) {
		txn_begin();
		put(0, 2);
		put(1, 1);
		put(0, 1);
		commit();
	}
	end();
	check_int(peer_count(API_ADD_PARTITIONS_TO_TXN), 4);
	for (int i = 0; i < 4; i++) {
		check_int(peer_nth(API_ADD_PARTITIONS_TO_TXN, i)->nparts, 1);
		check_int(peer_nth(API_ADD_PARTITIONS_TO_TXN, i)->partition, i % 2);
		check_int(peer_nth(API_ADD_PARTITIONS_TO_TXN, i)->id, PEER_ID);
	}
	int32_t next[2] = { 0, 0 };
	for (int i = 0; i < 8; i++)
		check_batch(i, 0, next[peer_nth(API_PRODUCE, i)->partition]++, 11);
	for (int i = 0; i < 2; i++)
		check_end(i, 0, true, 4);
	/* Always before the partition's first batch. */
	check_int(peer.seen[2].key, API_ADD_PARTITIONS_TO_TXN);
}

void
test_txn__nothing_put_nothing_asked(void)
{
	begin_v2();
	txn_begin();
	commit();
	txn_begin();
	check_int(producer_abort(&p, &err), 0);
	check_int(producer_abort(&p, &err), 0);
	end();
	check_int(peer_count(API_END_TXN), 0);
	check_int(p.ncommitted, 0);
}

void
test_txn__what_may_pass_is_asked_again(void)
{
	begin_v1();
	txn_begin();
	peer_plan(API_ADD_PARTITIONS_TO_TXN, KERR_CONCURRENT_TRANSACTIONS,
		KERR_COORDINATOR_LOAD_IN_PROGRESS, PEER_CLOSE);
	peer_plan(API_END_TXN, KERR_CONCURRENT_TRANSACTIONS, PEER_CLOSE, KERR_NOT_COORDINATOR,
		KERR_COORDINATOR_LOAD_IN_PROGRESS);
	put(0, 1);
	commit();
	end();
	check_int(peer_count(API_ADD_PARTITIONS_TO_TXN), 4);
	check_int(peer_count(API_END_TXN), 5);
	check_int(peer_count(API_PRODUCE), 1);
	check_int(peer_count(API_FIND_COORDINATOR), 4); /* after each loss and NOT_COORDINATOR */
	for (int i = 0; i < 5; i++)
		check_end(i, 0, true, 4);
}

void
test_txn__the_end_of_the_one_before_is_waited_for(void)
{
	begin_v2();
	txn_begin();
	peer_plan(API_PRODUCE, KERR_CONCURRENT_TRANSACTIONS, KERR_CONCURRENT_TRANSACTIONS);
	put(0, 1);
	commit();
	end();
	check_int(peer_count(API_PRODUCE), 3);
	for (int i = 0; i < 3; i++)
		check_batch(i, 0, 0, 12);
}

void
test_txn__who_starts_waits_for_what_the_last_one_left_open(void)
{
	peer_plan(API_FIND_COORDINATOR, KERR_COORDINATOR_NOT_AVAILABLE);
	peer_plan(API_INIT_PRODUCER_ID, KERR_CONCURRENT_TRANSACTIONS, KERR_CONCURRENT_TRANSACTIONS,
		PEER_CLOSE);
	begin_v2();
	end();
	check_int(peer_count(API_INIT_PRODUCER_ID), 4);
	check_int(peer_nth(API_INIT_PRODUCER_ID, 3)->id, -1);
}

void
test_txn__fenced_at_the_end(void)
{
	bool is_unknown = false;
	begin_v2();
	txn_begin();
	peer_plan(API_END_TXN, KERR_PRODUCER_FENCED);
	put(0, 1);
	check_int(producer_commit(&p, &is_unknown, &err), -1);
	check(!is_unknown);
	check_int(err.class, ERR_PEER);
	check(strstr(err.msg, "another producer with the transactional ID 'me' has taken over")
		!= NULL);
	check_int(producer_abort(&p, &err), -1);
	check_int(p.ncommitted, 0);
	end();
	check_int(peer_count(API_END_TXN), 1);
}

void
test_txn__fenced_in_the_midst(void)
{
	bool is_unknown = false;
	begin_v2();
	txn_begin();
	peer_plan(API_PRODUCE, KERR_INVALID_PRODUCER_EPOCH);
	put(0, 1);
	check_int(producer_commit(&p, &is_unknown, &err), -1);
	check(strstr(err.msg, "has taken over") != NULL);
	check_int(producer_abort(&p, &err), -1);
	end();
	check_int(peer_count(API_END_TXN), 0);
}

void
test_txn__too_slow_is_told_from_fenced(void)
{
	bool is_unknown = false;
	begin_v1();
	p.opts.txn_timeout_ms = 20;
	txn_begin();
	peer_plan(API_END_TXN, KERR_INVALID_PRODUCER_EPOCH);
	put(0, 1);
	cluster_pause(&cl, 25);
	check_int(producer_commit(&p, &is_unknown, &err), -1);
	check(strstr(err.msg, "longer than its timeout of 20 ms") != NULL);
	end();
}

void
test_txn__after_an_abort_numbers_begin_with_a_new_epoch(void)
{
	for (int level = 1; level <= 2; level++) {
		peer.n = peer.epoch = 0;
		begin(&(struct peer_opts){ .npart = 2, .txn_level = (int16_t)level }, 5000);
		txn_begin();
		put(0, 3); /* the last one is not sent */
		check_int(producer_abort(&p, &err), 0);
		check_int(p.used + p.open_used, 0);
		txn_begin();
		put(0, 1);
		commit();
		check_int(p.ncommitted, 1);
		end();
		int n = peer_count(API_PRODUCE);
		check(n >= 2 && n <= 4);
		check_batch(n - 1, 1, 0, level == 1 ? 11 : 12);
		check_end(0, 0, false, level == 1 ? 4 : 5);
		check_end(1, 1, true, level == 1 ? 4 : 5);
		check_int(peer_count(API_INIT_PRODUCER_ID), level == 1 ? 2 : 1);
	}
}

void
test_txn__a_signal_that_was_read_does_not_stop_the_abort(void)
{
	uint64_t one = 1;
	begin(&(struct peer_opts){ .npart = 2, .txn_level = 2, .hold = 2, .hold_upto = 1 }, 5000);
	cl.wake_fd = eventfd(0, EFD_NONBLOCK);
	txn_begin();
	put(0, 2); /* the first is under way and answered late */
	check_int(p.nrequest, 1);
	check_int(write(cl.wake_fd, &one, sizeof one), sizeof one);
	cluster_wait(&cl, -1, 0, 0);
	check(cl.is_woken);
	check_int(producer_abort(&p, &err), -1);
	check(p.is_in_txn);
	check_int(read(cl.wake_fd, &one, sizeof one), sizeof one);
	check_int(producer_abort(&p, &err), 0);
	check_int(p.nrequest, 0);
	close(cl.wake_fd);
	end();
	check_int(peer_count(API_END_TXN), 1);
	check_end(0, 0, false, 5);
}

void
test_txn__what_was_never_sent_leaves_no_gap(void)
{
	begin_v1();
	txn_begin();
	put(0, 1); /* stays open */
	check_int(producer_abort(&p, &err), 0);
	txn_begin();
	put(0, 1);
	commit();
	end();
	check_int(peer_count(API_PRODUCE), 1);
	check_batch(0, 0, 0, 11);
	check_int(peer_count(API_END_TXN), 1);
}

void
test_txn__a_refused_batch_is_no_reason_to_end(void)
{
	bool is_unknown = false;
	begin_v2();
	txn_begin();
	peer_plan(API_PRODUCE, KERR_TRANSACTION_ABORTABLE);
	put(0, 1);
	check_int(producer_commit(&p, &is_unknown, &err), -1);
	check_int(err.kafka, KERR_TRANSACTION_ABORTABLE);
	check_int(producer_abort(&p, &err), 0);
	check(!p.is_failed);
	txn_begin();
	put(0, 1);
	commit();
	end();
	check_end(0, 0, false, 5);
	check_end(1, 1, true, 5);
	check_batch(1, 1, 0, 12);
}

void
test_txn__an_end_that_nobody_answers_is_unknown(void)
{
	bool is_unknown = false;
	begin(&(struct peer_opts){ .txn_level = 2 }, 300);
	txn_begin();
	peer_plan(API_END_TXN, PEER_GONE);
	put(0, 1);
	check_int(producer_commit(&p, &is_unknown, &err), -1);
	check(is_unknown);
	check_int(err.class, ERR_RETRY);
	check_int(p.ncommitted, 0);
	check_int(producer_abort(&p, &err), -1);
	end();
}

void
test_txn__a_batch_that_nobody_answers_is_not_committed(void)
{
	bool is_unknown = false;
	begin(&(struct peer_opts){ .txn_level = 2 }, 300);
	txn_begin();
	peer_plan(API_PRODUCE, PEER_GONE);
	put(0, 1);
	check_int(producer_commit(&p, &is_unknown, &err), -1);
	check(!is_unknown);
	check_int(err.class, ERR_RETRY);
	end();
	check_int(peer_count(API_END_TXN), 0);
}

static const struct producer_group group = { "g", "member", NULL, 9 };
static const struct producer_offset offsets[] = {
	{ "in", 0, 100, 1, .metadata = { (const uint8_t *)"note", 4 } },
	{ "in", 1, 200, -1 }, { "other", 0, 300, -1 },
};

void
test_txn__offsets_go_with_it(void)
{
	for (int level = 1; level <= 2; level++) {
		peer.n = peer.epoch = 0;
		begin(&(struct peer_opts){ .npart = 2, .txn_level = (int16_t)level }, 5000);
		txn_begin();
		check_int(producer_send_offsets(&p, &group, offsets, 3, &err), 0);
		check_int(producer_send_offsets(&p, &group, offsets, 1, &err), 0);
		commit();
		end();
		check_int(peer_count(API_ADD_OFFSETS_TO_TXN), level == 1);
		check_int(peer_count(API_TXN_OFFSET_COMMIT), 2);
		check_int(peer_count(API_FIND_COORDINATOR), 2); /* of the transaction, of the group */
		const struct peer_seen *s = peer_nth(API_TXN_OFFSET_COMMIT, 0);
		check_int(s->version, level == 1 ? 4 : 5);
		check_int(s->nparts, 3);
		check_int(s->generation, 9);
		check_int(s->offset, 100);
		check(strcmp(s->text, "note") == 0);
		check_int(s->id, PEER_ID);
		check_int(peer_count(API_END_TXN), 1);
	}
}

void
test_txn__offsets_of_a_member_left_behind_are_refused(void)
{
	begin_v2();
	txn_begin();
	peer_plan(API_TXN_OFFSET_COMMIT, KERR_NOT_COORDINATOR, KERR_COORDINATOR_LOAD_IN_PROGRESS,
		KERR_ILLEGAL_GENERATION);
	check_int(producer_send_offsets(&p, &group, offsets, 2, &err), -1);
	check_int(err.class, ERR_PEER);
	check_int(err.kafka, KERR_ILLEGAL_GENERATION);
	check_int(producer_abort(&p, &err), 0);
	txn_begin();
	check_int(producer_send_offsets(&p, &group, offsets, 2, &err), 0);
	commit();
	end();
	check_int(peer_count(API_TXN_OFFSET_COMMIT), 4);
	check_end(0, 0, false, 5);
	check_end(1, 1, true, 5);
}
