/*
 * A broker for the producer's tests, in a thread: answers a producer's requests,
 * records them, and fails as the test has planned.
 *
 *	peer_start(&(struct peer_opts){ ... });
 *	peer_plan(API_PRODUCE, KERR_NONE, PEER_CLOSE);  the first Produce succeeds, the second
 *	                                            closes the connection, all others succeed
 *	...
 *	peer_stop();
 *	check_int(peer.n, 3); check_int(peer.seen[0].key, API_INIT_PRODUCER_ID); ...
 */
#ifndef KQ_T_CLIENT_PRODUCER_PEER_H
#define KQ_T_CLIENT_PRODUCER_PEER_H

#include "tap.h"

#include "client/producer.h"
#include "record/batch.h"
#include "sys/clock.h"
#include "sys/net.h"

#include "proto.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PEER_CLOSE = -1000, /* accept it, and close the connection instead of answering */
	PEER_GONE = -1001,  /* the same, and refuse new connections */

	PEER_SEEN = 512,
	PEER_NODE = 7,
	PEER_ID = 1000,     /* the first producer id */
};

/* A batch of a Produce request, or another request. */
struct peer_seen {
	int16_t key, version;
	int64_t id;
	int16_t epoch;
	int32_t partition, sequence, count; /* of a batch */
	bool is_transactional, has_good_crc;
	bool is_commit;                     /* EndTxn */
	int32_t nparts;                     /* AddPartitionsToTxn, TxnOffsetCommit */
	int32_t generation;
	int64_t offset;
	char text[8];                       /* metadata of the first offset */
	uint64_t digest;                    /* of the batch's bytes */
};

struct peer_opts {
	int32_t npart;    /* 0: one */
	int16_t txn_level;
	bool is_old;      /* no InitProducerId */
	int hold;         /* answer Produce only when this many are waiting ... */
	int hold_upto;    /* ... until this many have been answered */
};

static struct peer {
	struct peer_opts o;
	pthread_t thread;
	struct net_addr addr;
	int listener, conn, end[2];
	struct buf in;
	struct { int16_t code[16]; int n, at; } plan[64];
	struct peer_seen seen[PEER_SEEN];
	int n;
	struct { int32_t id; int16_t version; int16_t code; struct buf body; } held[64];
	int nheld, most_held, nanswered;
	int64_t next_id;
	int16_t epoch;
	_Atomic uint8_t topic_id; /* of every topic; 0: none */
} peer;

#define peer_plan(key_, ...) do { \
	static const int16_t codes_[] = { __VA_ARGS__ }; \
	memcpy(peer.plan[key_].code, codes_, sizeof codes_); \
	peer.plan[key_].n = ARRAY_LEN(codes_); \
} while (0)

static int16_t
peer_next_code(int16_t key)
{
	return peer.plan[key].at < peer.plan[key].n ? peer.plan[key].code[peer.plan[key].at++] : 0;
}

static struct peer_seen *
peer_note(int16_t key, int16_t version)
{
	check(peer.n < PEER_SEEN);
	struct peer_seen *s = &peer.seen[peer.n++];
	*s = (struct peer_seen){ .key = key, .version = version, .id = -1, .epoch = -1 };
	return s;
}

static void
peer_answer(int16_t key, int16_t version, int32_t id, const void *msg)
{
	const struct wire_api *api = wire_api_find(key);
	struct buf b = BUF_INIT;
	size_t at = frame_begin_response(&b, api, version, id);
	wire_encode(api->response, version, wire_api_is_flexible(api, version), msg, &b);
	frame_end(&b, at, 0);
	ssize_t got = send(peer.conn, b.p, b.n, MSG_NOSIGNAL);
	(void)got; /* the producer may have closed */
	buf_release(&b);
}

static void
peer_versions(int32_t id)
{
	static struct api_versions_response_api keys[] = {
		{ API_PRODUCE, 3, 12 }, { API_METADATA, 0, 10 }, { API_FIND_COORDINATOR, 0, 4 },
		{ API_API_VERSIONS, 0, 3 }, { API_ADD_PARTITIONS_TO_TXN, 0, 5 },
		{ API_ADD_OFFSETS_TO_TXN, 0, 4 }, { API_END_TXN, 0, 5 }, { API_TXN_OFFSET_COMMIT, 0, 5 },
		{ API_DESCRIBE_CONFIGS, 1, 4 }, { API_INIT_PRODUCER_ID, 0, 5 },
	};
	struct api_versions_response_finalized_feature level = {
		STR("transaction.version"), peer.o.txn_level, 0,
	};
	struct api_versions_response r;
	wire_defaults(&api_versions_response_desc, &r);
	r.api_keys.v = keys;
	r.api_keys.n = (int32_t)ARRAY_LEN(keys) - peer.o.is_old;
	r.finalized_features.v = &level;
	r.finalized_features.n = peer.o.txn_level > 0;
	peer_answer(API_API_VERSIONS, 3, id, &r);
}

static void
peer_metadata(const struct metadata_request *q, int16_t version, int32_t id, struct arena *a)
{
	struct metadata_response r;
	wire_defaults(&metadata_response_desc, &r);
	r.brokers.n = 1;
	r.brokers.v = arena_alloc(a, sizeof *r.brokers.v);
	r.brokers.v[0] = (struct metadata_response_broker){ .node_id = PEER_NODE,
		.host = STR("192.0.2.1"), .port = 1, .rack = STR_NULL };
	r.controller_id = PEER_NODE;
	int32_t n = MAX(q->topics.n, 0), npart = MAX(peer.o.npart, 1);
	r.topics.n = n;
	r.topics.v = arena_alloc(a, (size_t)(n + 1) * sizeof *r.topics.v);
	for (int32_t i = 0; i < n; i++) {
		r.topics.v[i].name = q->topics.v[i].name;
		r.topics.v[i].partitions.n = npart;
		memset(&r.topics.v[i].topic_id, peer.topic_id, sizeof r.topics.v[i].topic_id);
		r.topics.v[i].partitions.v = arena_alloc(a,
			(size_t)npart * sizeof *r.topics.v[i].partitions.v);
		for (int32_t k = 0; k < npart; k++) {
			r.topics.v[i].partitions.v[k].partition_index = k;
			r.topics.v[i].partitions.v[k].leader_id = PEER_NODE;
		}
	}
	peer_answer(API_METADATA, version, id, &r);
}

static void
peer_note_batch(int16_t version, int32_t partition, struct str records)
{
	struct batch b;
	struct peer_seen *s = peer_note(API_PRODUCE, version);
	check(records.n >= BATCH_HEADER_SIZE && batch_parse(&b, records.p));
	check_int(b.size, records.n);
	s->id = b.producer_id;
	s->epoch = b.producer_epoch;
	s->partition = partition;
	s->sequence = b.base_sequence;
	s->count = b.count;
	s->is_transactional = b.attributes & BATCH_TRANSACTIONAL;
	s->has_good_crc = batch_crc_is_good(&b, records.p);
	for (int32_t i = 0; i < records.n; i++)
		s->digest = s->digest * 31 + records.p[i];
}

/* One batch in each partition of one topic. */
static void
peer_answer_produce(int i)
{
	struct produce_request q;
	struct produce_response r;
	struct arena a = ARENA_INIT;
	int16_t version = peer.held[i].version;
	check(wire_decode(&produce_request_desc, version, version >= 9, peer.held[i].body.p,
		peer.held[i].body.n, &a, &q) >= 0);
	wire_defaults(&produce_response_desc, &r);
	r.responses.n = 1;
	r.responses.v = arena_alloc(&a, sizeof *r.responses.v);
	r.responses.v->name = q.topic_data.v->name;
	int32_t n = q.topic_data.v->partition_data.n;
	r.responses.v->partition_responses.n = n;
	r.responses.v->partition_responses.v = arena_alloc(&a, (size_t)n
		* sizeof *r.responses.v->partition_responses.v);
	for (int32_t k = 0; k < n; k++) {
		struct produce_response_partition *to
			= &r.responses.v->partition_responses.v[k];
		to->index = q.topic_data.v->partition_data.v[k].index;
		to->error_code = peer.held[i].code;
		to->error_message = STR_NULL;
		to->base_offset = 1000 * (to->index + 1);
	}
	peer_answer(API_PRODUCE, version, peer.held[i].id, &r);
	buf_release(&peer.held[i].body);
	arena_release(&a);
}

static void
peer_answer_held(bool is_timeout)
{
	int want = peer.nanswered < peer.o.hold_upto ? peer.o.hold : 1;
	peer.most_held = MAX(peer.most_held, peer.nheld);
	if (peer.nheld == 0 || (peer.nheld < want && !is_timeout))
		return;
	int n = peer.nheld;
	peer.nheld = 0;
	for (int i = 0; i < n; i++)
		peer_answer_produce(i);
	peer.nanswered += n;
}

static int16_t
peer_produce(const struct produce_request *q, int16_t version, int32_t id, const uint8_t *p,
	size_t n)
{
	check_int(q->topic_data.n, 1);
	for (int32_t k = 0; k < q->topic_data.v->partition_data.n; k++)
		peer_note_batch(version, q->topic_data.v->partition_data.v[k].index,
			q->topic_data.v->partition_data.v[k].records);
	int16_t code = peer_next_code(API_PRODUCE);
	if (code <= PEER_CLOSE)
		return code;
	check(peer.nheld < (int)ARRAY_LEN(peer.held));
	__typeof__(&peer.held[0]) h = &peer.held[peer.nheld++];
	h->id = id;
	h->version = version;
	h->code = code;
	h->body = (struct buf)BUF_INIT;
	buf_put(&h->body, p, n);
	peer_answer_held(false);
	return 0;
}

static int16_t
peer_find(const struct find_coordinator_request *q, int16_t version, int32_t id)
{
	struct find_coordinator_response r;
	struct find_coordinator_response_coordinator one = { .key = STR_NULL };
	peer_note(API_FIND_COORDINATOR, version)->partition = q->key_type;
	int16_t code = peer_next_code(API_FIND_COORDINATOR);
	wire_defaults(&find_coordinator_response_desc, &r);
	one.key = q->coordinator_keys.v[0];
	one.node_id = PEER_NODE;
	one.host = STR("192.0.2.1");
	one.port = 1;
	one.error_code = code;
	r.coordinators.v = &one;
	r.coordinators.n = 1;
	peer_answer(API_FIND_COORDINATOR, version, id, &r);
	return code;
}

static int16_t
peer_init_id(const struct init_producer_id_request *q, int16_t version, int32_t id)
{
	struct peer_seen *s = peer_note(API_INIT_PRODUCER_ID, version);
	struct init_producer_id_response r;
	s->id = q->producer_id;
	s->epoch = q->producer_epoch;
	wire_defaults(&init_producer_id_response_desc, &r);
	r.error_code = peer_next_code(API_INIT_PRODUCER_ID);
	if (r.error_code <= PEER_CLOSE)
		return r.error_code;
	if (!r.error_code && q->transactional_id.n < 0) {
		r.producer_id = peer.next_id++;
	} else if (!r.error_code) {
		r.producer_id = PEER_ID;
		r.producer_epoch = peer.epoch++;
	}
	peer_answer(API_INIT_PRODUCER_ID, version, id, &r);
	return 0;
}

static int16_t
peer_add_parts(const struct add_partitions_to_txn_request *q, int16_t version, int32_t id,
	struct arena *a)
{
	struct peer_seen *s = peer_note(API_ADD_PARTITIONS_TO_TXN, version);
	struct add_partitions_to_txn_response r;
	check(version <= 3);
	check_int(q->v3_and_below_topics.n, 1);
	s->id = q->v3_and_below_producer_id;
	s->epoch = q->v3_and_below_producer_epoch;
	int32_t n = s->nparts = q->v3_and_below_topics.v->partitions.n;
	s->partition = q->v3_and_below_topics.v->partitions.v[0];
	int16_t code = peer_next_code(API_ADD_PARTITIONS_TO_TXN);
	if (code <= PEER_CLOSE)
		return code;
	wire_defaults(&add_partitions_to_txn_response_desc, &r);
	r.results_by_topic_v3_and_below.n = 1;
	struct add_partitions_to_txn_response_topic *t = arena_alloc(a, sizeof *t);
	r.results_by_topic_v3_and_below.v = t;
	t->name = q->v3_and_below_topics.v->name;
	t->results_by_partition.n = n;
	t->results_by_partition.v = arena_alloc(a, (size_t)n * sizeof *t->results_by_partition.v);
	for (int32_t i = 0; i < n; i++) {
		t->results_by_partition.v[i].partition_index = q->v3_and_below_topics.v->partitions.v[i];
		t->results_by_partition.v[i].partition_error_code = code;
	}
	peer_answer(API_ADD_PARTITIONS_TO_TXN, version, id, &r);
	return 0;
}

static int16_t
peer_end_txn(const struct end_txn_request *q, int16_t version, int32_t id)
{
	struct peer_seen *s = peer_note(API_END_TXN, version);
	struct end_txn_response r;
	s->id = q->producer_id;
	s->epoch = q->producer_epoch;
	s->is_commit = q->committed;
	wire_defaults(&end_txn_response_desc, &r);
	r.error_code = peer_next_code(API_END_TXN);
	if (r.error_code <= PEER_CLOSE)
		return r.error_code;
	if (version >= 5 && !r.error_code) {
		r.producer_id = q->producer_id;
		r.producer_epoch = (int16_t)(q->producer_epoch + 1);
		peer.epoch = (int16_t)(r.producer_epoch + 1);
	}
	peer_answer(API_END_TXN, version, id, &r);
	return 0;
}

static int16_t
peer_add_offsets(const struct add_offsets_to_txn_request *q, int16_t version, int32_t id)
{
	struct peer_seen *s = peer_note(API_ADD_OFFSETS_TO_TXN, version);
	struct add_offsets_to_txn_response r;
	s->id = q->producer_id;
	s->epoch = q->producer_epoch;
	wire_defaults(&add_offsets_to_txn_response_desc, &r);
	r.error_code = peer_next_code(API_ADD_OFFSETS_TO_TXN);
	peer_answer(API_ADD_OFFSETS_TO_TXN, version, id, &r);
	return 0;
}

static int16_t
peer_txn_offsets(const struct txn_offset_commit_request *q, int16_t version, int32_t id,
	struct arena *a)
{
	struct peer_seen *s = peer_note(API_TXN_OFFSET_COMMIT, version);
	struct txn_offset_commit_response r;
	int16_t code = peer_next_code(API_TXN_OFFSET_COMMIT);
	s->id = q->producer_id;
	s->epoch = q->producer_epoch;
	s->generation = q->generation_id_or_member_epoch;
	s->offset = q->topics.v[0].partitions.v[0].committed_offset;
	snprintf(s->text, sizeof s->text, "%.*s",
		STR_ARG(q->topics.v[0].partitions.v[0].committed_metadata));
	wire_defaults(&txn_offset_commit_response_desc, &r);
	r.topics.n = q->topics.n;
	r.topics.v = arena_alloc(a, (size_t)q->topics.n * sizeof *r.topics.v);
	for (int32_t i = 0; i < q->topics.n; i++) {
		int32_t n = q->topics.v[i].partitions.n;
		s->nparts += n;
		r.topics.v[i].name = q->topics.v[i].name;
		r.topics.v[i].partitions.n = n;
		r.topics.v[i].partitions.v = arena_alloc(a, (size_t)n * sizeof *r.topics.v[i].partitions.v);
		for (int32_t k = 0; k < n; k++)
			r.topics.v[i].partitions.v[k].error_code = code;
	}
	peer_answer(API_TXN_OFFSET_COMMIT, version, id, &r);
	return 0;
}

/* Returns PEER_CLOSE, PEER_GONE or anything else. */
static int16_t
peer_take(const uint8_t *p, size_t n)
{
	struct request_header h;
	struct arena a = ARENA_INIT;
	union {
		struct produce_request produce;
		struct metadata_request metadata;
		struct find_coordinator_request find;
		struct init_producer_id_request init_id;
		struct add_partitions_to_txn_request add_parts;
		struct add_offsets_to_txn_request add_offsets;
		struct end_txn_request end_txn;
		struct txn_offset_commit_request txn_offsets;
		struct api_versions_request versions;
		struct describe_configs_request configs;
	} q;
	struct describe_configs_response none;
	int64_t head = request_header_decode(&h, p, n);
	check(head > 0);
	const struct wire_api *api = wire_api_find(h.api_key);
	int16_t v = h.api_version, got = 0;
	check(api && wire_decode(api->request, v, wire_api_is_flexible(api, v), p + head,
		n - (size_t)head, &a, &q) >= 0);
	switch (h.api_key) {
	case API_API_VERSIONS: peer_versions(h.correlation_id); break;
	case API_METADATA: peer_metadata(&q.metadata, v, h.correlation_id, &a); break;
	case API_FIND_COORDINATOR: got = peer_find(&q.find, v, h.correlation_id); break;
	case API_INIT_PRODUCER_ID: got = peer_init_id(&q.init_id, v, h.correlation_id); break;
	case API_ADD_PARTITIONS_TO_TXN:
		got = peer_add_parts(&q.add_parts, v, h.correlation_id, &a);
		break;
	case API_ADD_OFFSETS_TO_TXN: got = peer_add_offsets(&q.add_offsets, v, h.correlation_id); break;
	case API_END_TXN: got = peer_end_txn(&q.end_txn, v, h.correlation_id); break;
	case API_TXN_OFFSET_COMMIT:
		got = peer_txn_offsets(&q.txn_offsets, v, h.correlation_id, &a);
		break;
	case API_PRODUCE:
		got = peer_produce(&q.produce, v, h.correlation_id, p + head, n - (size_t)head);
		break;
	case API_DESCRIBE_CONFIGS:
		wire_defaults(&describe_configs_response_desc, &none);
		peer_answer(API_DESCRIBE_CONFIGS, v, h.correlation_id, &none);
		break;
	default: check(!"a request that nobody expects");
	}
	arena_release(&a);
	return got;
}

static void
peer_hang_up(bool is_for_good)
{
	close(peer.conn);
	peer.conn = -1;
	peer.in.n = 0;
	for (int i = 0; i < peer.nheld; i++)
		buf_release(&peer.held[i].body);
	peer.nheld = 0;
	if (is_for_good) {
		close(peer.listener);
		peer.listener = -1;
		unlink(peer.addr.host);
	}
}

static void
peer_read(void)
{
	buf_reserve(&peer.in, 1 << 20);
	ssize_t got = recv(peer.conn, peer.in.p + peer.in.n, 1 << 20, MSG_DONTWAIT);
	if (got <= 0) {
		peer_hang_up(false);
		return;
	}
	peer.in.n += (size_t)got;
	size_t at = 0;
	while (peer.in.n - at >= 4 && peer.in.n - at - 4 >= load_be32(peer.in.p + at)) {
		size_t n = load_be32(peer.in.p + at);
		int16_t code = peer_take(peer.in.p + at + 4, n);
		if (code == PEER_CLOSE || code == PEER_GONE) {
			peer_hang_up(code == PEER_GONE);
			return;
		}
		at += 4 + n;
	}
	memmove(peer.in.p, peer.in.p + at, peer.in.n - at);
	peer.in.n -= at;
}

static void *
peer_run(void *arg)
{
	(void)arg;
	for (;;) {
		struct pollfd p[3] = { { peer.end[0], POLLIN, 0 }, { peer.listener, POLLIN, 0 },
			{ peer.conn, POLLIN, 0 } };
		/* Send held responses when no more requests arrive. */
		int got = poll(p, 3, peer.nheld ? 200 : -1);
		if (p[0].revents)
			return NULL;
		if (got == 0)
			peer_answer_held(true);
		else if (p[2].revents)
			peer_read();
		else if (p[1].revents && peer.conn < 0)
			peer.conn = net_accept(peer.listener, true);
	}
}

static inline void
peer_start(const struct peer_opts *o)
{
	struct err e;
	peer.o = *o;
	peer.conn = -1;
	peer.next_id = PEER_ID;
	peer.addr = (struct net_addr){ .kind = NET_UNIX, .host = "peer.sock" };
	peer.listener = net_listen(&peer.addr, 8, false, &e);
	check(peer.listener >= 0);
	check_int(pipe(peer.end), 0);
	check_int(pthread_create(&peer.thread, NULL, peer_run, NULL), 0);
}

static inline void
peer_stop(void)
{
	check_int(write(peer.end[1], "", 1), 1);
	check_int(pthread_join(peer.thread, NULL), 0);
	if (peer.conn >= 0)
		close(peer.conn);
	if (peer.listener >= 0)
		close(peer.listener);
	for (int i = 0; i < peer.nheld; i++)
		buf_release(&peer.held[i].body);
	close(peer.end[0]);
	close(peer.end[1]);
	buf_release(&peer.in);
}

/* The number of requests of a kind, and the i-th of them. */
static inline int
peer_count(int16_t key)
{
	int n = 0;
	for (int i = 0; i < peer.n; i++)
		n += peer.seen[i].key == key;
	return n;
}

static inline const struct peer_seen *
peer_nth(int16_t key, int nth)
{
	for (int i = 0; i < peer.n; i++)
		if (peer.seen[i].key == key && nth-- == 0)
			return &peer.seen[i];
	tap_fail(__FILE__, __LINE__, "there is no such request of API %d", key);
}

#endif
