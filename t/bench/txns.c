/*
 * Producers that repeatedly write 1,000 records of 100 bytes and wait until they
 * are committed, each time in a transaction, or without.  Except for the end of the
 * transaction both send the same: batches of at most 16 KiB from an idempotent
 * producer, five in flight, acks=all, as a Java client of version 4 does
 * (transaction.version 2: Produce 12 adds the partition, EndTxn 5).
 *
 *   txns ADDR TOPIC PRODUCERS SECONDS plain|txn
 *
 * Producer i has a connection of its own and writes to partition i.  Prints
 * records per second, and the median and the 99th percentile of the time for
 * 1,000 records (milliseconds).
 */
#include "talk.h"
#include "proto.h"

#include "record/builder.h"

enum {
	RECORDS = 1000, RECORD_BYTES = 100, BATCH_BYTES = 16384, BATCH_MAX = 16, IN_FLIGHT = 5,
	PRODUCER_MAX = 256, ROUND_MAX = 1 << 20,
	INIT_VERSION = 5, END_VERSION = 5,
	PRODUCE_VERSION = 12, RETRY_US = 20000,
};

struct producer {
	int fd, index;
	char txn_id[32];
	int64_t id;
	int16_t epoch;
	int32_t sequence;
	int nsent, nacked; /* batches of this round, and the transaction's end */
	bool is_ending;
	int64_t start_ns;
};

static bool is_txn;
static const char *topic;
static struct { struct buf bytes; int32_t count; } batch[BATCH_MAX];
static int nbatch;
static struct buf request, response;
static int64_t *took;
static int ntook;

static void
make_batches(void)
{
	static uint8_t value[RECORD_BYTES];
	int left = RECORDS;
	int64_t now_ms = clock_ms();
	struct builder_producer own = { 0, 0, 0, is_txn };
	while (left > 0) {
		assert(nbatch < BATCH_MAX);
		struct builder b = BUILDER_INIT;
		builder_reset(&b);
		struct str v = { value, RECORD_BYTES };
		while (left > 0 && builder_size(&b) + builder_record_size(&b, now_ms, STR_NULL, v,
			STR(""), 0) <= BATCH_BYTES) {
			builder_append(&b, now_ms, STR_NULL, v, STR(""), 0);
			batch[nbatch].count++;
			left--;
		}
		struct str s = builder_finish(&b, CODEC_NONE, &own, NULL);
		buf_put(&batch[nbatch++].bytes, s.p, (size_t)s.n);
		builder_release(&b);
	}
}

/* Decode the response into an arena that the next response uses again. */
static void
read_response(struct producer *p, int16_t key, int16_t version, void *msg)
{
	static struct arena arena = ARENA_INIT;
	const struct wire_api *api = wire_api_find(key);
	int32_t correlation;
	arena_reset(&arena);
	get_response(p->fd, &response);
	int64_t skip = response_header_decode(api, version, response.p, response.n, &correlation);
	if (skip < 0 || wire_decode(api->response, version, wire_api_is_flexible(api, version),
		response.p + 4 + skip, response.n - 4 - (size_t)skip, &arena, msg) < 0) {
		say_error("a response does not decode");
		exit(EXIT_FAILED);
	}
}

static void
must_succeed(const char *what, int16_t error)
{
	if (!error)
		return;
	say_error("%s was refused: %s", what, kerr_info(error)->name);
	exit(EXIT_FAILED);
}

static void
put(struct producer *p, int16_t key, int16_t version, const void *msg)
{
	buf_reset(&request);
	put_request(&request, key, version, msg);
	send_all(p->fd, request.p, request.n);
}

static struct str
txn_id(const struct producer *p)
{
	return is_txn ? str_of(p->txn_id) : STR_NULL;
}

/* The coordinator's topic may have to be created first. */
static void
init(struct producer *p, const char *addr, int index)
{
	p->fd = dial(addr);
	p->index = index;
	snprintf(p->txn_id, sizeof p->txn_id, "txn-%d", index);
	struct init_producer_id_request q = { .transactional_id = txn_id(p),
		.transaction_timeout_ms = 60000, .producer_id = -1, .producer_epoch = -1 };
	struct init_producer_id_response r;
	for (int i = 0; i < 100; i++) {
		put(p, API_INIT_PRODUCER_ID, INIT_VERSION, &q);
		read_response(p, API_INIT_PRODUCER_ID, INIT_VERSION, &r);
		if (!r.error_code || !kerr_info(r.error_code)->is_retriable)
			break;
		usleep(RETRY_US);
	}
	must_succeed("a producer id", r.error_code);
	p->id = r.producer_id;
	p->epoch = r.producer_epoch;
}

static void
send_batch(struct producer *p)
{
	struct buf *b = &batch[p->nsent].bytes;
	batch_set_producer(b->p, p->id, p->epoch, p->sequence);
	p->sequence += batch[p->nsent++].count;
	struct produce_request_partition data = { .index = p->index,
		.records = { b->p, (int32_t)b->n } };
	struct produce_request_topic t = { .name = str_of(topic),
		.partition_data = { &data, 1 } };
	struct produce_request q = { .transactional_id = txn_id(p), .acks = -1,
		.timeout_ms = 30000, .topic_data = { &t, 1 } };
	put(p, API_PRODUCE, PRODUCE_VERSION, &q);
}

static void
send_end(struct producer *p)
{
	struct end_txn_request q = { .transactional_id = txn_id(p), .producer_id = p->id,
		.producer_epoch = p->epoch, .committed = true };
	put(p, API_END_TXN, END_VERSION, &q);
	p->is_ending = true;
}

static void
begin(struct producer *p)
{
	p->start_ns = clock_mono_ns();
	p->nsent = p->nacked = 0;
	while (p->nsent < MIN(nbatch, IN_FLIGHT))
		send_batch(p);
}

/* A response has arrived.  True: the round is over. */
static bool
step(struct producer *p)
{
	if (p->is_ending) {
		struct end_txn_response r;
		read_response(p, API_END_TXN, END_VERSION, &r);
		must_succeed("the end of a transaction", r.error_code);
		if (r.producer_epoch != p->epoch || r.producer_id != p->id)
			p->sequence = 0;
		p->id = r.producer_id;
		p->epoch = r.producer_epoch;
		p->is_ending = false;
		return true;
	}
	struct produce_response r;
	read_response(p, API_PRODUCE, PRODUCE_VERSION, &r);
	must_succeed("produce", r.responses.n == 1
		? r.responses.v[0].partition_responses.v[0].error_code : KERR_UNKNOWN_SERVER_ERROR);
	p->nacked++;
	if (p->nsent < nbatch)
		send_batch(p);
	if (p->nacked < nbatch)
		return false;
	if (is_txn)
		send_end(p);
	return !is_txn;
}

int
main(int argc, char **argv)
{
	say_init(argv[0]);
	if (argc != 6) {
		say_error("see the head of t/bench/txns.c");
		return EXIT_USAGE;
	}
	topic = argv[2];
	is_txn = strcmp(argv[5], "txn") == 0;
	int n = MIN(atoi(argv[3]), PRODUCER_MAX);
	struct producer *p = mem_alloc((size_t)n * sizeof *p);
	struct pollfd *fds = mem_alloc((size_t)n * sizeof *fds);
	took = mem_alloc(ROUND_MAX * sizeof *took);
	make_batches();
	for (int i = 0; i < n; i++) {
		init(&p[i], argv[1], i);
		fds[i] = (struct pollfd){ p[i].fd, POLLIN, 0 };
	}
	int64_t start = clock_mono_ns(), stop = start + (int64_t)(atof(argv[4]) * 1e9), last = start;
	for (int i = 0; i < n; i++)
		begin(&p[i]);
	for (int busy = n; busy > 0;) {
		if (poll(fds, (nfds_t)n, -1) < 0)
			die("poll");
		for (int i = 0; i < n; i++) {
			if (!fds[i].revents || !step(&p[i]))
				continue;
			last = clock_mono_ns();
			if (ntook < ROUND_MAX)
				took[ntook++] = last - p[i].start_ns;
			if (last < stop)
				begin(&p[i]);
			else
				busy--;
		}
	}
	qsort(took, (size_t)ntook, sizeof *took, by_value);
	printf("%.0f %.3f %.3f\n", ntook * (double)RECORDS / ((double)(last - start) / 1e9),
		(double)took[ntook / 2] / 1e6, (double)took[ntook * 99 / 100] / 1e6);
	return say_flush_stdout();
}
