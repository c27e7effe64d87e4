/* The fetcher and the producer against a scripted broker. */
#include "fetch_peer_help.h"

#include "client/last.h"
#include "client/producer.h"
#include "sys/clock.h"

static bool is_committed;

/* Read from offset to stop.  Returns the values joined by spaces, or the error. */
static void
fetch_all(int64_t offset, int64_t stop, struct buf *got, struct err *e)
{
	struct cluster cl;
	struct fetcher f;
	struct fetcher_opts o;
	struct fetch_iter it = FETCH_ITER_INIT;
	*e = (struct err){ .class = ERR_NONE };
	fetcher_opts_init(&o);
	o.retry_timeout_ms = 1;
	o.retry_backoff_ms = 1;
	o.is_committed = is_committed;
	struct cluster_opts co = { .brokers = "unix:s", .connect_timeout_ms = 2000,
		.request_timeout_ms = 2000 };
	check_int(cluster_open(&cl, &co, e), 0);
	struct cluster_topic *t = cluster_topic(&cl, "t", false, e);
	check(t);
	fetcher_init(&f, &cl, &o);
	fetcher_add(&f, t, 0, offset, stop);
	for (int i = 0; i < 100 && !fetcher_is_done(&f) && e->class == ERR_NONE; i++) {
		fetcher_wait(&f, -1, 0, 2000);
		struct fetched *ch;
		while (e->class == ERR_NONE && (ch = fetcher_take(&f))) {
			struct record r;
			fetch_iter_begin(&it, &f, ch);
			while (!ch->is_out_of_range && fetch_iter_next(&it, &r, e) > 0) {
				buf_put_str(got, r.value);
				buf_putc(got, ' ');
			}
			fetcher_give_back(&f, ch);
		}
		if (e->class == ERR_NONE && f.is_failed)
			*e = f.err;
	}
	cluster_close(&cl);
	fetcher_release(&f);
	fetch_iter_release(&it);
}

static void
check_fetch(int64_t offset, int64_t stop, const char *want)
{
	struct buf got = BUF_INIT;
	struct err e;
	fetch_all(offset, stop, &got, &e);
	if (!str_eq(buf_str(&got), str_of(want)) || e.class != ERR_NONE)
		tap_fail(__FILE__, __LINE__, "'%.*s', want '%s' (%s)", STR_ARG(buf_str(&got)), want,
			e.msg);
	buf_release(&got);
}

void
test_fetcher__gaps_control_batches_and_cut_batches_are_passed_over(void)
{
	add_batch(0, 3, 0);
	add_batch(5, 2, 0);              /* 3 and 4 were compacted away */
	add_batch(7, 1, BATCH_CONTROL);
	add_batch(8, 2, 0);
	add_batch(10, 4, 0);
	the_log.n -= 10;                 /* the last batch is truncated */
	start_peer();
	check_fetch(0, 10, "0 1 2 5 6 8 9 ");
	check_fetch(1, 9, "1 2 5 6 8 ");
	check_fetch(4, 6, "5 ");
	check_fetch(9, 10, "9 ");
	check_fetch(7, 8, "");
	stop_peer();
	buf_release(&the_log);
}

void
test_fetcher__aborted_transactions_are_left_out_of_what_is_committed(void)
{
	add_in_txn(0, 2, 1, CODEC_NONE);
	add_in_txn(2, 2, 2, CODEC_LZ4);
	add_batch(4, 1, 0);
	add_in_txn(5, 1, 1, CODEC_LZ4);
	add_marker(6, 1, false);
	add_in_txn(7, 2, 1, CODEC_NONE); /* the same producer again */
	add_marker(9, 2, true);
	add_marker(10, 1, true);
	add_batch(11, 1, 0);
	add_in_txn(12, 2, 1, CODEC_NONE);
	add_in_txn(14, 1, 2, CODEC_NONE);
	add_marker(15, 1, false);
	add_marker(16, 2, true);
	add_batch(17, 1, 0);
	naborted = 2; /* unsorted */
	the_aborted[0].producer = the_aborted[1].producer = 1;
	the_aborted[0].first = 12;
	the_aborted[0].marker = 15;
	the_aborted[1].marker = 6;
	start_peer();
	is_committed = true;
	check_fetch(0, 18, "2 3 4 7 8 11 14 17 ");
	check_fetch(1, 18, "2 3 4 7 8 11 14 17 ");
	check_fetch(5, 12, "7 8 11 ");
	check_fetch(8, 15, "8 11 14 ");
	check_fetch(13, 14, "");
	is_committed = false;
	check_fetch(0, 18, "0 1 2 3 4 5 7 8 11 12 13 14 17 ");
	stop_peer();
	buf_release(&the_log);
}

void
test_fetcher__a_rotten_marker_is_not_believed(void)
{
	struct buf got = BUF_INIT;
	struct err e;
	add_in_txn(0, 2, 1, CODEC_NONE);
	add_marker(2, 1, false);
	the_log.p[the_log.n - 8] ^= 1;
	add_batch(3, 1, 0);
	the_aborted[0].producer = 1;
	the_aborted[0].marker = 2;
	naborted = 1;
	is_committed = true;
	start_peer();
	fetch_all(0, 4, &got, &e);
	check_int(e.class, ERR_CORRUPT);
	check(strstr(e.msg, "offset 2"));
	check_int(got.n, 0);
	stop_peer();
	buf_release(&got);
	buf_release(&the_log);
}

/* Remove a partition while it is requested, and while a chunk of it is ready. */
void
test_fetcher__a_partition_can_be_removed_at_any_time(void)
{
	add_batch(0, 3, 0);
	start_peer();
	struct cluster cl;
	struct fetcher f;
	struct fetcher_opts o;
	struct err e;
	fetcher_opts_init(&o);
	struct cluster_opts co = { .brokers = "unix:s", .connect_timeout_ms = 2000 };
	check_int(cluster_open(&cl, &co, &e), 0);
	struct cluster_topic *t = cluster_topic(&cl, "t", false, &e);
	fetcher_init(&f, &cl, &o);
	struct fetcher_part *part = fetcher_add(&f, t, 0, 0, 3);
	fetcher_wait(&f, -1, 0, 0);
	if (part->is_asked || !list_is_empty(&f.ready))
		fetcher_remove(&f, part);
	check_int(f.npart, 0);
	check(list_is_empty(&f.ready));
	check(!fetcher_is_done(&f));
	while (f.nrequest > 0)
		fetcher_wait(&f, -1, 0, 100);
	check(list_is_empty(&f.ready));
	part = fetcher_add(&f, t, 0, 0, 3);
	while (list_is_empty(&f.ready))
		fetcher_wait(&f, -1, 0, 100);
	check(fetcher_is_done(&f) == false);
	fetcher_remove(&f, part);
	check(list_is_empty(&f.ready));
	check_int(f.held, 0);
	check_int(f.npart, 0);
	check_int(f.ndone, 0);
	/* and the next one is read as if nothing had been */
	part = fetcher_add(&f, t, 0, 1, 3);
	while (!fetcher_is_done(&f)) {
		fetcher_wait(&f, -1, 0, 100);
		struct fetched *ch = fetcher_take(&f);
		if (ch)
			fetcher_give_back(&f, ch);
	}
	fetcher_remove(&f, part);
	cluster_close(&cl);
	fetcher_release(&f);
	stop_peer();
	buf_release(&the_log);
}

void
test_last__an_interrupted_search_waits_for_no_answer(void)
{
	struct cluster cl;
	struct err e;
	int wake[2];
	start_peer();
	check(pipe(wake) == 0);
	struct cluster_opts co = { .brokers = "unix:s", .wake_fd = wake[0] };
	check_int(cluster_open(&cl, &co, &e), 0);
	struct cluster_topic *t = cluster_topic(&cl, "t", false, &e);
	check(t);
	kill(peer, SIGSTOP);
	check(write(wake[1], "", 1) == 1);
	struct last l = { .topic = t, .npart = 1, .count = 1, .first = (int64_t[]){ 0 },
		.end = (int64_t[]){ 3 } };
	int64_t begin, since_ms = clock_mono_ms();
	int got = last_find(&cl, &l, &begin, &e);
	int64_t took_ms = clock_mono_ms() - since_ms;
	stop_peer();
	check_int(got, -1);
	check_int(e.class, ERR_RETRY);
	check(took_ms < 10000); /* the request timeout is 30 s */
	cluster_close(&cl);
}

void
test_fetcher__a_wrong_crc_is_told_with_its_place(void)
{
	struct buf got = BUF_INIT;
	struct err e;
	add_batch(0, 3, 0);
	add_batch(3, 3, 0);
	the_log.p[the_log.n - 2] ^= 1;
	start_peer();
	fetch_all(0, 6, &got, &e);
	check_int(e.class, ERR_CORRUPT);
	check(strstr(e.msg, "CRC") && strstr(e.msg, "offset 3") && strstr(e.msg, "'t'"));
	check(str_eq(buf_str(&got), STR("0 1 2 ")));
	stop_peer();
	buf_release(&got);
	buf_release(&the_log);
}

void
test_fetcher__bytes_that_are_no_batches_end_it(void)
{
	struct buf got = BUF_INIT;
	struct err e;
	buf_puts(&the_log, "................................................................");
	start_peer();
	fetch_all(0, 6, &got, &e);
	check_int(e.class, ERR_CORRUPT);
	check_int(got.n, 0);
	stop_peer();
	buf_release(&got);
	buf_release(&the_log);
}

void
test_fetcher__answers_that_lie_do_no_harm(void)
{
	for (int i = 0; i < 20; i++)
		add_batch(3 * i, 3, 0);
	for (lie_seed = 1; lie_seed <= 40; lie_seed++) {
		start_peer();
		for (int i = 0; i < 10; i++) {
			struct buf got = BUF_INIT;
			struct err e;
			fetch_all(0, 60, &got, &e);
			check(e.class == ERR_NONE || e.msg[0]);
			buf_release(&got);
		}
		stop_peer();
	}
	buf_release(&the_log);
}

/* ---- the producer ---- */

struct setup {
	struct cluster cl;
	struct producer p;
	struct producer_topic *t;
};

static void
open_producer(struct setup *s, int in_flight)
{
	struct err e;
	struct producer_opts o;
	struct cluster_opts co = { .brokers = "unix:s", .connect_timeout_ms = 2000 };
	producer_opts_init(&o);
	o.batch_bytes = 150; /* about one record per batch */
	o.in_flight = in_flight;
	o.retry_backoff_ms = 1;
	o.delivery_timeout_ms = 2000;
	check_int(cluster_open(&s->cl, &co, &e), 0);
	producer_init(&s->p, &s->cl, &o);
	s->t = producer_topic(&s->p, "t", &e);
	check(s->t);
}

static void
close_producer(struct setup *s)
{
	cluster_close(&s->cl);
	producer_release(&s->p);
}

static int
put(struct setup *s, int n, struct err *e)
{
	static const uint8_t value[60];
	for (int i = 0; i < n; i++)
		if (producer_put(s->t, -1, 1, STR_NULL, (struct str){ value, 60 }, STR(""), 0, e) < 0)
			return -1;
	return 0;
}

void
test_producer__counts_what_is_acknowledged(void)
{
	struct setup s;
	struct err e;
	start_peer();
	open_producer(&s, 5);
	check_int(producer_next_unacked(&s.p), 1);
	check_int(put(&s, 10, &e), 0);
	check_int(producer_flush(&s.p, &e), 0);
	check_int(s.p.nacked, 10);
	check_int(producer_next_unacked(&s.p), 11);
	close_producer(&s);
	stop_peer();
}

void
test_producer__repeats_what_may_be_repeated(void)
{
	struct setup s;
	struct err e;
	produce_error[0] = produce_error[1] = produce_error[4] = KERR_NOT_LEADER_OR_FOLLOWER;
	start_peer();
	open_producer(&s, 1);
	check_int(put(&s, 10, &e), 0);
	check_int(producer_flush(&s.p, &e), 0);
	check_int(s.p.nacked, 10);
	check_int(producer_next_unacked(&s.p), 11);
	close_producer(&s);
	stop_peer();
}

void
test_producer__a_refusal_is_final_and_numbered(void)
{
	struct setup s;
	struct err e;
	produce_error[3] = KERR_INVALID_RECORD;
	start_peer();
	open_producer(&s, 1);
	int got = put(&s, 10, &e);
	if (got == 0)
		got = producer_flush(&s.p, &e);
	else
		producer_flush(&s.p, &(struct err){ 0 });
	check_int(got, -1);
	check_int(e.class, ERR_PEER);
	check_int(e.kafka, KERR_INVALID_RECORD);
	check_int(s.p.nacked, 3); /* one record per batch */
	check_int(producer_next_unacked(&s.p), 4);
	check(strstr(e.msg, "record 4"));
	close_producer(&s);
	stop_peer();
}

void
test_producer__gives_up_when_the_broker_stays_away(void)
{
	struct setup s;
	struct err e;
	start_peer();
	open_producer(&s, 5);
	s.p.opts.delivery_timeout_ms = 50;
	check_int(put(&s, 1, &e), 0);
	check_int(producer_flush(&s.p, &e), 0);
	stop_peer();
	check_int(unlink("s"), 0);
	int64_t begin = clock_mono_ms();
	int got = put(&s, 3, &e);
	if (got == 0)
		got = producer_flush(&s.p, &e);
	check_int(got, -1);
	check_int(e.class, ERR_RETRY);
	check(clock_mono_ms() - begin < 20000);
	check_int(s.p.nacked, 1);
	check_int(producer_next_unacked(&s.p), 2);
	close_producer(&s);
}
