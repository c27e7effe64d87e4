/* Sequence numbers: what is sent, and how responses are handled. */
#include "client_producer_peer.h"

static struct cluster cl;
static struct producer p;
static struct producer_topic *t;

/* Each record is a batch of its own, unless batch_bytes is larger. */
static void
begin(struct producer_opts *o)
{
	struct err e;
	struct cluster_opts co = { .brokers = "unix:peer.sock" };
	check_int(cluster_open(&cl, &co, &e), 0);
	o->retry_backoff_ms = 10;
	producer_init(&p, &cl, o);
	check_int(producer_start(&p, &e), 0);
	t = producer_topic(&p, "t", &e);
	check(t != NULL);
}

static void
begin_small(void)
{
	struct producer_opts o;
	producer_opts_init(&o);
	o.batch_bytes = BATCH_HEADER_SIZE + 60;
	begin(&o);
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
	struct err e;
	for (int i = 0; i < n; i++)
		check_int(producer_put(t, partition, 1000, STR_NULL, STR("a value of 30 bytes, and so on"),
			STR_NULL, 0, &e), 0);
}

static void
flush(void)
{
	struct err e;
	int got = producer_flush(&p, &e);
	if (got < 0)
		tap_fail(__FILE__, __LINE__, "flush: %s", e.msg);
}

/* The i-th batch received has this sequence number and producer id. */
static void
check_batch(int i, int64_t id, int32_t sequence)
{
	const struct peer_seen *s = peer_nth(API_PRODUCE, i);
	check_int(s->id, id);
	check_int(s->epoch, 0);
	check_int(s->sequence, sequence);
	check(s->has_good_crc);
	check(!s->is_transactional);
}

void
test_producer__numbers_go_on_from_batch_to_batch_in_each_partition(void)
{
	peer_start(&(struct peer_opts){ .npart = 2 });
	struct producer_opts o;
	producer_opts_init(&o);
	begin(&o);
	put(0, 3);
	put(1, 5);
	flush();
	check_int(t->part[0]->end_offset, 1003);
	put(0, 4);
	put(1, 1);
	flush();
	check_int(t->part[1]->end_offset, 2001);
	end();
	check_int(peer_count(API_INIT_PRODUCER_ID), 1);
	check_int(peer_count(API_PRODUCE), 4);
	int32_t next[2] = { 0, 0 };
	for (int i = 0; i < 4; i++) {
		const struct peer_seen *s = peer_nth(API_PRODUCE, i);
		check_batch(i, PEER_ID, next[s->partition]);
		next[s->partition] += s->count;
	}
	check_int(next[0], 7);
	check_int(next[1], 6);
}

void
test_producer__after_2147483647_comes_0(void)
{
	peer_start(&(struct peer_opts){ 0 });
	struct producer_opts o;
	producer_opts_init(&o);
	begin(&o);
	t->part[0]->sequence = INT32_MAX - 1;
	put(0, 1);
	flush();
	put(0, 3); /* sequence numbers INT32_MAX, 0 and 1 */
	flush();
	put(0, 1);
	flush();
	t->part[0]->sequence = INT32_MAX;
	put(0, 1);
	flush();
	put(0, 1);
	flush();
	end();
	check_batch(0, PEER_ID, INT32_MAX - 1);
	check_batch(1, PEER_ID, INT32_MAX);
	check_batch(2, PEER_ID, 2);
	check_batch(3, PEER_ID, INT32_MAX);
	check_batch(4, PEER_ID, 0);
}

void
test_producer__a_lost_answer_brings_the_same_batch_again(void)
{
	peer_start(&(struct peer_opts){ 0 });
	peer_plan(API_PRODUCE, 0, PEER_CLOSE, KERR_DUPLICATE_SEQUENCE_NUMBER);
	begin_small();
	put(0, 1);
	flush();
	put(0, 1);
	flush();
	put(0, 1);
	flush();
	check_int(p.nacked, 3);
	end();
	check_int(peer_count(API_PRODUCE), 4);
	check_batch(1, PEER_ID, 1);
	check_batch(2, PEER_ID, 1);
	check(peer_nth(API_PRODUCE, 1)->digest == peer_nth(API_PRODUCE, 2)->digest);
	check_batch(3, PEER_ID, 2);
	check_int(peer_count(API_INIT_PRODUCER_ID), 1);
}

void
test_producer__what_came_too_early_goes_again_after_what_was_refused(void)
{
	peer_start(&(struct peer_opts){ .hold = 3, .hold_upto = 3 });
	peer_plan(API_PRODUCE, KERR_NOT_LEADER_OR_FOLLOWER, KERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
		KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	begin_small();
	put(0, 3);
	flush();
	check_int(p.nacked, 3);
	check(!p.is_failed);
	end();
	check_int(peer_count(API_PRODUCE), 6);
	for (int i = 0; i < 6; i++)
		check_batch(i, PEER_ID, i % 3);
}

void
test_producer__a_gap_that_is_not_ours_is_final(void)
{
	struct err e;
	peer_start(&(struct peer_opts){ 0 });
	peer_plan(API_PRODUCE, 0, KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	begin_small();
	put(0, 2);
	check_int(producer_flush(&p, &e), -1);
	check_int(e.class, ERR_PEER);
	check_int(e.kafka, KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
	check(strstr(e.msg, "lost records that it had acknowledged") != NULL);
	check_int(p.nacked, 1);
	check_int(producer_next_unacked(&p), 2);
	end();
	check_int(peer_count(API_PRODUCE), 2);
}

void
test_producer__a_forgotten_producer_begins_anew_in_that_partition(void)
{
	peer_start(&(struct peer_opts){ .npart = 2 });
	peer_plan(API_PRODUCE, 0, 0, KERR_UNKNOWN_PRODUCER_ID);
	begin_small();
	put(0, 1);
	flush();
	put(1, 1);
	flush();
	put(0, 1);
	flush();
	put(0, 1);
	put(1, 1);
	flush();
	check_int(p.nacked, 5);
	end();
	check_int(peer_count(API_INIT_PRODUCER_ID), 2);
	check_batch(0, PEER_ID, 0);
	check_batch(1, PEER_ID, 0);
	check_batch(2, PEER_ID, 1);
	check_batch(3, PEER_ID + 1, 0);
	for (int i = 4; i < 6; i++)
		check_batch(i, PEER_ID + (peer_nth(API_PRODUCE, i)->partition == 0), 1);
}

void
test_producer__those_behind_a_forgotten_one_are_numbered_anew_too(void)
{
	peer_start(&(struct peer_opts){ .hold = 3, .hold_upto = 3 });
	peer_plan(API_PRODUCE, 0, KERR_UNKNOWN_PRODUCER_ID, KERR_UNKNOWN_PRODUCER_ID);
	begin_small();
	put(0, 3);
	flush();
	check_int(p.nacked, 3);
	end();
	check_int(peer_count(API_INIT_PRODUCER_ID), 2);
	check_int(peer_count(API_PRODUCE), 5);
	check_batch(3, PEER_ID + 1, 0);
	check_batch(4, PEER_ID + 1, 1);
}

void
test_producer__five_batches_of_a_partition_are_under_way_and_no_more(void)
{
	struct producer_opts o;
	peer_start(&(struct peer_opts){ .hold = 6, .hold_upto = 1 });
	producer_opts_init(&o);
	o.in_flight = 100;
	o.batch_bytes = BATCH_HEADER_SIZE + 60;
	begin(&o);
	put(0, 20);
	flush();
	end();
	check_int(peer.most_held, 5);
	check_int(peer_count(API_PRODUCE), 20);
	for (int i = 0; i < 20; i++)
		check_batch(i, PEER_ID, i);
}

void
test_producer__without_numbers_there_is_no_such_bound(void)
{
	struct producer_opts o;
	peer_start(&(struct peer_opts){ .hold = 6, .hold_upto = 1 });
	producer_opts_init(&o);
	o.in_flight = 100;
	o.batch_bytes = BATCH_HEADER_SIZE + 60;
	o.idempotence = PRODUCER_PLAIN;
	begin(&o);
	put(0, 20);
	flush();
	end();
	check(peer.most_held >= 6);
	check_int(peer_count(API_INIT_PRODUCER_ID), 0);
	for (int i = 0; i < 20; i++) {
		check_int(peer_nth(API_PRODUCE, i)->id, -1);
		check_int(peer_nth(API_PRODUCE, i)->sequence, -1);
	}
}

void
test_producer__an_old_broker_gets_plain_batches(void)
{
	peer_start(&(struct peer_opts){ .is_old = true });
	begin_small();
	put(0, 2);
	flush();
	check(!p.is_idempotent);
	end();
	check_int(peer_nth(API_PRODUCE, 1)->id, -1);
}

void
test_producer__an_old_broker_is_not_enough_when_it_matters(void)
{
	struct err e;
	struct producer_opts o;
	struct cluster_opts co = { .brokers = "unix:peer.sock" };
	peer_start(&(struct peer_opts){ .is_old = true });
	check_int(cluster_open(&cl, &co, &e), 0);
	producer_opts_init(&o);
	o.idempotence = PRODUCER_IDEMPOTENT;
	producer_init(&p, &cl, &o);
	check_int(producer_start(&p, &e), -1);
	check_int(e.kafka, KERR_UNSUPPORTED_VERSION);
	end();
}

void
test_producer__acks_of_one_is_plain(void)
{
	struct producer_opts o;
	peer_start(&(struct peer_opts){ 0 });
	producer_opts_init(&o);
	o.acks = 1;
	begin(&o);
	put(0, 1);
	flush();
	end();
	check_int(peer_count(API_INIT_PRODUCER_ID), 0);
	check_int(peer_nth(API_PRODUCE, 0)->id, -1);
}

void
test_producer__an_id_is_asked_for_until_there_is_one(void)
{
	peer_start(&(struct peer_opts){ 0 });
	peer_plan(API_INIT_PRODUCER_ID, KERR_COORDINATOR_LOAD_IN_PROGRESS, PEER_CLOSE,
		KERR_NOT_COORDINATOR);
	begin_small();
	check(p.is_idempotent);
	end();
	check_int(peer_count(API_INIT_PRODUCER_ID), 4);
}

/* A metadata refresh is due while the last batch is under way, as after a failure.  The
 * batch's response arrives while the producer waits for the metadata, and no other
 * event follows. */
void
test_producer__an_answer_that_comes_with_metadata_ends_the_waiting(void)
{
	int n = 0;
	alarm(60);
	peer_start(&(struct peer_opts){ .npart = 1 });
	struct producer_opts o;
	producer_opts_init(&o);
	o.linger_ms = 0;
	begin(&o);
	for (int i = 0; i < 20 || (n == 0 && i < 2000); i++) {
		put(0, 1);
		p.needs_refresh = true;
		p.refresh_at_ms = INT64_MAX;
		producer_wait(&p, -1, 0, 0);
		n += p.nrequest > 0; /* the peer has not answered yet */
		p.refresh_at_ms = 0;
		flush();
		check_int(p.nacked, i + 1);
	}
#ifndef __SANITIZE_THREAD__ /* too slow here to be ahead of the peer */
	check(n > 0);
#endif
	end();
	alarm(0);
}

/* The first of two batches is refused with a retriable error, the second is accepted:
 * the partition backs off, and only the end of the back-off wakes the producer. */
void
test_producer__a_rest_ends_by_itself_though_others_were_taken(void)
{
	alarm(30);
	peer_start(&(struct peer_opts){ .npart = 1, .hold = 2, .hold_upto = 2 });
	peer_plan(API_PRODUCE, KERR_NOT_LEADER_OR_FOLLOWER);
	struct producer_opts o;
	producer_opts_init(&o);
	o.idempotence = PRODUCER_PLAIN;
	o.retry_backoff_ms = 300;
	o.batch_bytes = 110; /* one record each */
	begin(&o);
	put(0, 2);
	flush();
	check_int(p.nacked, 2);
	end();
	alarm(0);
	check_int(peer_count(API_PRODUCE), 3);
}

void
test_producer__a_lone_record_goes_at_once_and_others_wait_for_its_answer(void)
{
	peer_start(&(struct peer_opts){ .hold = 2, .hold_upto = 2 });
	struct producer_opts o;
	producer_opts_init(&o);
	begin(&o);
	int64_t since_ms = clock_mono_ms();
	p.has_more = true;
	put(0, 1);
	producer_wait(&p, -1, 0, 0);
	if (clock_mono_ms() - since_ms < PRODUCER_LINGER_MS)
		check_int(p.nrequest, 0);
	p.has_more = false;
	producer_wait(&p, -1, 0, 0);
	check_int(p.nrequest, 1);
	since_ms = clock_mono_ms();
	put(0, 2);
	producer_wait(&p, -1, 0, 0);
	if (clock_mono_ms() - since_ms < PRODUCER_LINGER_MS)
		check_int(p.nrequest, 1);
	flush();
	end();
	check_int(peer_count(API_PRODUCE), 2);
	check_int(peer_nth(API_PRODUCE, 1)->count, 2);
}

/* The broker's disk is full.  The batches after a refused one are out of order, but that
 * is not the failure to report. */
void
test_producer__what_went_wrong_first_is_reported(void)
{
	enum { FULL = KERR_KAFKA_STORAGE_ERROR, EARLY = KERR_OUT_OF_ORDER_SEQUENCE_NUMBER };
	peer_start(&(struct peer_opts){ 0 });
	peer_plan(API_PRODUCE, FULL, EARLY, FULL, EARLY, FULL, EARLY, FULL, EARLY, FULL, EARLY,
		FULL, EARLY, FULL, EARLY, FULL, EARLY);
	struct producer_opts o;
	struct err e;
	producer_opts_init(&o);
	o.batch_bytes = BATCH_HEADER_SIZE + 60;
	o.delivery_timeout_ms = 25;
	begin(&o);
	put(0, 2);
	check_int(producer_flush(&p, &e), -1);
	check_int(e.kafka, FULL);
	check(strstr(e.msg, "KAFKA_STORAGE_ERROR") != NULL);
	check(strstr(e.msg, "OUT_OF_ORDER") == NULL);
	end();
}

/* The metadata has another topic id: the broker's producer state was deleted with the old
 * topic.  Older metadata of another broker changes nothing. */
void
test_producer__numbers_begin_again_in_a_topic_created_again(void)
{
	struct producer_opts o;
	struct err e;
	peer_start(&(struct peer_opts){ 0 });
	peer.topic_id = 1;
	producer_opts_init(&o);
	begin(&o);
	for (int i = 0; i < 2; i++) {
		put(0, 1);
		flush();
	}
	peer.topic_id = 2;
	check_int(cluster_refresh(&cl, &e), 0);
	check_int(t->meta->generation, 1);
	put(0, 1);
	flush();
	peer.topic_id = 1;
	check_int(cluster_refresh(&cl, &e), 0);
	check_int(t->meta->generation, 1);
	put(0, 1);
	flush();
	end();
	check_int(peer_count(API_PRODUCE), 4);
	check_batch(1, PEER_ID, 1);
	check_batch(2, PEER_ID + 1, 0);
	check_batch(3, PEER_ID + 1, 1);
}
