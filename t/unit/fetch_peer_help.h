/*
 * A scripted broker for the tests of the fetcher and the producer: a child process on a Unix
 * socket, with one topic, "t".  It can also send corrupt bytes.
 */
#ifndef KQ_T_FETCH_PEER_HELP_H
#define KQ_T_FETCH_PEER_HELP_H

#include "tap.h"

#include "client/fetcher.h"
#include "record/builder.h"
#include "record/control.h"

#include "proto.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct buf the_log;          /* log of the peer, from offset 0 */
static int16_t produce_error[64];   /* [i]: answer to the i-th Produce request */
static struct { int64_t producer, first, marker; } the_aborted[4];
static int naborted;                /* aborted transactions listed for read_committed */
static int lie_seed;                /* not 0: corrupt bytes of Fetch responses */
static bool tells_wait;             /* the high watermark is the wait that was asked for */
static int parks_ms;                /* not 0: partition 1 has no records, and a Fetch of it alone
                                     * that may wait for longer gets no answer */
static pid_t peer;

/* ---- the peer ---- */

static inline void
answer_versions(const struct wire_api *api, int16_t v, struct buf *out)
{
	static struct api_versions_response_api keys[] = {
		{ 0, 0, 9 }, { 1, 4, 12 }, { 2, 1, 7 }, { 3, 0, 9 },
	};
	struct api_versions_response r;
	wire_defaults(api->response, &r);
	r.api_keys.v = keys;
	r.api_keys.n = ARRAY_LEN(keys);
	wire_encode(api->response, v, wire_api_is_flexible(api, v), &r, out);
}

static inline void
answer_metadata(const struct wire_api *api, int16_t v, struct buf *out)
{
	struct metadata_response r;
	struct metadata_response_broker b = { .node_id = 1, .host = STR("nowhere"),
		.port = 1, .rack = STR_NULL };
	struct metadata_response_partition p[] = { { .leader_id = 1 },
		{ .leader_id = 1, .partition_index = 1 } };
	struct metadata_response_topic t = { .name = STR("t") };
	wire_defaults(api->response, &r);
	t.partitions.v = p;
	t.partitions.n = parks_ms ? 2 : 1;
	r.brokers.v = &b;
	r.brokers.n = 1;
	r.topics.v = &t;
	r.topics.n = 1;
	wire_encode(api->response, v, wire_api_is_flexible(api, v), &r, out);
}

/* Answer for partition 1 alone.  Returns whether there is an answer. */
static inline bool
answer_or_park(const struct wire_api *api, int16_t v, const struct fetch_request *q,
	struct buf *out)
{
	struct fetch_response r;
	struct fetch_response_topic t = { .topic = STR("t") };
	struct fetch_response_partition p;
	if (q->max_wait_ms > parks_ms)
		return false;
	wire_defaults(api->response, &r);
	wire_defaults(&fetch_response_partition_desc, &p);
	p.partition_index = 1;
	p.high_watermark = 0;
	t.partitions.v = &p;
	t.partitions.n = 1;
	r.responses.v = &t;
	r.responses.n = 1;
	wire_encode(api->response, v, wire_api_is_flexible(api, v), &r, out);
	return true;
}

static inline bool
is_of_empty_one(const struct fetch_request *q)
{
	return parks_ms && q->topics.v[0].partitions.n == 1
		&& q->topics.v[0].partitions.v[0].partition == 1;
}

static inline void
answer_fetch(const struct wire_api *api, int16_t v, const struct fetch_request *q,
	struct buf *out)
{
	struct fetch_response r;
	struct fetch_response_topic t = { .topic = STR("t") };
	struct fetch_response_partition p;
	wire_defaults(api->response, &r);
	wire_defaults(&fetch_response_partition_desc, &p);
	const struct fetch_request_partition *first = q->topics.v[0].partitions.v;
	int64_t want = first->partition == 0 ? first->fetch_offset : first[1].fetch_offset;
	size_t at = 0;
	struct batch b;
	while (at + BATCH_HEADER_SIZE <= the_log.n && batch_parse(&b, the_log.p + at)
		&& batch_last_offset(&b) < want)
		at += (size_t)b.size;
	at = MIN(at, the_log.n);
	p.high_watermark = tells_wait ? q->max_wait_ms : 1000;
	struct fetch_response_aborted_transaction aborted[4];
	p.aborted_transactions.v = aborted;
	p.aborted_transactions.n = q->isolation_level ? 0 : -1;
	for (int i = 0; i < naborted && q->isolation_level; i++)
		if (the_aborted[i].marker >= want)
			aborted[p.aborted_transactions.n++] = (struct fetch_response_aborted_transaction){
				the_aborted[i].producer, the_aborted[i].first };
	p.records = (struct str){ the_log.p + at, (int32_t)(the_log.n - at) };
	t.partitions.v = &p;
	t.partitions.n = 1;
	r.responses.v = &t;
	r.responses.n = 1;
	size_t start = out->n;
	wire_encode(api->response, v, wire_api_is_flexible(api, v), &r, out);
	if (lie_seed)
		for (int i = 0; i < 1 + rand() % 4; i++)
			out->p[start + (size_t)rand() % MIN(out->n - start, (size_t)(i % 2 ? 40 : 400))]
				= (uint8_t)rand();
}

static inline void
answer_produce(const struct wire_api *api, int16_t v, struct buf *out)
{
	static int n;
	struct produce_response r;
	struct produce_response_topic t = { .name = STR("t") };
	struct produce_response_partition p;
	wire_defaults(api->response, &r);
	wire_defaults(&produce_response_partition_desc, &p);
	p.error_code = produce_error[n++ % 64];
	t.partition_responses.v = &p;
	t.partition_responses.n = 1;
	r.responses.v = &t;
	r.responses.n = 1;
	wire_encode(api->response, v, wire_api_is_flexible(api, v), &r, out);
}

static inline bool
read_all(int fd, void *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

static inline void
serve(int fd)
{
	static uint8_t frame[1 << 20];
	uint8_t len[4];
	struct arena a = ARENA_INIT;
	struct buf out = BUF_INIT;
	while (read_all(fd, len, 4) && load_be32(len) < sizeof frame
		&& read_all(fd, frame, load_be32(len))) {
		struct request_header h;
		uint32_t n = load_be32(len);
		int64_t at = request_header_decode(&h, frame, n);
		const struct wire_api *api = wire_api_find(h.api_key);
		buf_reset(&out);
		size_t begin = frame_begin_response(&out, api, h.api_version, h.correlation_id);
		struct fetch_request q;
		if (h.api_key == API_API_VERSIONS)
			answer_versions(api, h.api_version, &out);
		else if (h.api_key == API_METADATA)
			answer_metadata(api, h.api_version, &out);
		else if (h.api_key == API_PRODUCE)
			answer_produce(api, h.api_version, &out);
		else if (wire_decode(api->request, h.api_version,
			wire_api_is_flexible(api, h.api_version), frame + at, n - (size_t)at, &a, &q) < 0)
			break;
		else if (!is_of_empty_one(&q))
			answer_fetch(api, h.api_version, &q, &out);
		else if (!answer_or_park(api, h.api_version, &q, &out))
			continue;
		frame_end(&out, begin, 0);
		if (send(fd, out.p, out.n, MSG_NOSIGNAL) < 0)
			break;
		arena_reset(&a);
	}
	arena_release(&a);
	buf_release(&out);
	close(fd);
}

static inline void
start_peer(void)
{
	struct net_addr a;
	struct err e;
	check_int(net_addr_parse(&a, "unix:s", -1, &e), 0);
	int fd = net_listen(&a, 10, false, &e);
	check(fd >= 0);
	peer = fork();
	if (peer) {
		close(fd);
		return;
	}
	srand((unsigned)lie_seed);
	fcntl(fd, F_SETFL, 0);
	for (;;) {
		int c = accept(fd, NULL, NULL);
		if (c >= 0 && parks_ms && fork() == 0) { /* several connections at once */
			serve(c);
			_exit(0);
		}
		if (c >= 0 && parks_ms)
			close(c);
		else if (c >= 0)
			serve(c);
	}
}

static inline void
stop_peer(void)
{
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
}

/* ---- its log ---- */

/* Append a batch, with these attributes if there are any. */
static inline void
add_bytes(struct str s, int64_t offset, int16_t attributes)
{
	size_t at = the_log.n;
	buf_put_str(&the_log, s);
	if (attributes) {
		batch_set_attributes(the_log.p + at, attributes);
	}
	batch_set_offset(the_log.p + at, offset, 0);
}

/* Append a batch of n records with the values "OFFSET". */
static inline void
add_batch(int64_t offset, int n, int16_t attributes)
{
	struct builder b = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	builder_reset(&b);
	for (int i = 0; i < n; i++) {
		char text[24];
		snprintf(text, sizeof text, "%lld", (long long)offset + i);
		builder_append(&b, 1700000000000, STR_NULL, str_of(text), STR(""), 0);
	}
	struct str s = builder_finish(&b, CODEC_NONE, &BUILDER_NO_PRODUCER, &packed);
	add_bytes(s, offset, attributes);
	builder_release(&b);
	buf_release(&packed);
}

/* The same in a transaction of a producer. */
static inline void
add_in_txn(int64_t offset, int n, int64_t producer, enum codec codec)
{
	struct builder b = BUILDER_INIT;
	struct buf packed = BUF_INIT;
	struct builder_producer p = { producer, 0, 0, true };
	builder_reset(&b);
	for (int i = 0; i < n; i++) {
		char text[24];
		snprintf(text, sizeof text, "%lld", (long long)offset + i);
		builder_append(&b, 1700000000000, STR_NULL, str_of(text), STR(""), 0);
	}
	add_bytes(builder_finish(&b, codec, &p, &packed), offset, 0);
	builder_release(&b);
	buf_release(&packed);
}

/* Append the marker that ends the transaction. */
static inline void
add_marker(int64_t offset, int64_t producer, bool is_commit)
{
	struct builder b = BUILDER_INIT;
	struct control_marker marker = { producer, 0, 0, is_commit };
	add_bytes(control_build(&b, &marker, 1700000000000), offset, 0);
	builder_release(&b);
}

#endif
