/* Handling the response to a Fetch. */
#include "client/fetcher_int.h"

#include "sys/clock.h"

#include "proto.h"

#include <stdlib.h>

enum {
	ARENA_MAX = 64 << 20,
	PART_BYTES_MAX = 128 << 20,
};

static struct fetcher_reply *
reply_new(struct fetcher *f)
{
	struct fetcher_reply *from = f->idle_reply;
	if (from)
		f->idle_reply = from->next;
	else
		from = NEW(struct fetcher_reply);
	from->nused = 0;
	return from;
}

struct fetched *
fetcher_add_fetched(struct fetcher *f, struct fetcher_part *part, struct fetcher_reply *from)
{
	struct fetched *chunk = NEW(struct fetched);
	list_init(&chunk->link);
	chunk->part = part;
	chunk->reply = from;
	if (from)
		from->nused++;
	list_append(&f->ready, &chunk->link);
	return chunk;
}

/* Measure the complete batches in records; a broker may cut the last one anywhere.
 * Returns their bytes and sets *next to the offset after them; -1: the first batch is
 * corrupt. */
static int64_t
measure(struct str records, int64_t *next)
{
	int64_t at = 0;
	while (records.n - at >= BATCH_HEADER_SIZE) {
		struct batch batch;
		bool is_good = batch_parse(&batch, records.p + at) && batch.base_offset >= 0
			&& batch.last_offset_delta >= 0
			&& batch.base_offset < INT64_MAX - batch.last_offset_delta;
		if (!is_good && at == 0)
			return -1;
		if (!is_good || batch.size > records.n - at)
			break; /* a corrupt one is fetched again as the first, and reported then */
		*next = MAX(*next, batch_last_offset(&batch) + 1);
		at += batch.size;
	}
	return at;
}

static int
by_first(const void *x, const void *y)
{
	const struct fetch_aborted *a = x;
	const struct fetch_aborted *b = y;
	return (a->first_offset > b->first_offset) - (a->first_offset < b->first_offset);
}

/* Copy the broker's list of aborted transactions, sorted. */
static void
keep_aborted(struct fetched *chunk, const struct fetch_response_partition *in)
{
	int32_t n = in->aborted_transactions.n;
	if (n <= 0)
		return;
	chunk->aborted = mem_alloc((size_t)n * sizeof *chunk->aborted);
	chunk->naborted = n;
	for (int32_t i = 0; i < n; i++)
		chunk->aborted[i] = (struct fetch_aborted){ in->aborted_transactions.v[i].producer_id,
			in->aborted_transactions.v[i].first_offset, false };
	qsort(chunk->aborted, (size_t)n, sizeof *chunk->aborted, by_first);
}

static void
take_records(struct fetcher *f, struct fetcher_part *part,
	const struct fetch_response_partition *in, struct fetcher_reply *from)
{
	struct str records = in->records;
	if (records.n <= 0)
		return;
	int64_t next = part->offset;
	int64_t n = measure(records, &next);
	struct err e;
	if (n == 0) { /* no complete batch: an old broker cut a large one */
		part->bytes_max = MIN(part->bytes_max * 2, (size_t)PART_BYTES_MAX);
		return;
	}
	if (n < 0 || next == part->offset) {
		err_set(&e, ERR_CORRUPT, "offset %lld: the broker sent something other than a record "
			"batch of format 2", (long long)part->offset);
		fetcher_refused(f, part, &e);
		return;
	}
	struct fetched *chunk = fetcher_add_fetched(f, part, from);
	chunk->batches = (struct str){ records.p, (int32_t)n };
	if (f->opts.is_committed)
		keep_aborted(chunk, in);
	part->offset = next;
	if (next >= part->stop) {
		part->is_done = true;
		f->ndone++;
	}
	list_unlink(&part->link); /* the next Fetch asks for the others first */
	list_append(&f->part, &part->link);
}

static void
take_error(struct fetcher *f, struct fetcher_part *part, int16_t code)
{
	struct err why;
	cluster_peer_err(&why, code, STR_NULL);
	if (code == KERR_OFFSET_OUT_OF_RANGE) {
		part->is_paused = true;
		fetcher_add_fetched(f, part, NULL)->is_out_of_range = true;
		return;
	}
	if (code == KERR_UNKNOWN_TOPIC_ID)
		why.class = ERR_RETRY;
	fetcher_refused(f, part, &why);
}

/* Find a partition of the response in the request.  They have the same order. */
static struct fetcher_part *
find_part(struct fetcher_request *req, struct str name, const struct uuid *id,
	int32_t index)
{
	for (int i = 0; i < req->npart; i++) {
		int at = (req->cursor + i) % req->npart;
		struct fetcher_part *part = req->part[at];
		if (part->index != index || !part->is_asked || part->is_removed)
			continue;
		if (req->call.version >= FETCH_TOPIC_ID_VERSION ? uuid_eq(&part->topic->id, id)
			: str_eq(str_of(part->topic->name), name)) {
			req->cursor = at + 1;
			return part;
		}
	}
	return NULL;
}

static void
take_answer(struct fetcher_request *req, const struct fetch_response *in,
	struct fetcher_reply *from)
{
	struct fetcher *f = req->fetcher;
	for (int32_t i = 0; i < in->responses.n; i++)
		for (int32_t k = 0; k < in->responses.v[i].partitions.n; k++) {
			const struct fetch_response_partition *one
				= &in->responses.v[i].partitions.v[k];
			struct fetcher_part *part = find_part(req, in->responses.v[i].topic,
				&in->responses.v[i].topic_id, one->partition_index);
			if (!part)
				continue; /* not requested, or a duplicate */
			part->is_asked = false;
			if (one->error_code) {
				take_error(f, part, one->error_code);
				continue;
			}
			if (part->failing_since_ms)
				cluster_say_accepted(f->cluster, &f->refusal);
			part->failing_since_ms = 0;
			part->high = one->high_watermark;
			part->end = f->opts.is_committed && one->last_stable_offset >= 0
				? one->last_stable_offset : one->high_watermark;
			take_records(f, part, one, from);
		}
}

static void
request_recycle(struct fetcher_request *req)
{
	struct fetcher *f = req->fetcher;
	req->next = f->idle;
	f->idle = req;
	f->nrequest--;
}

/* End the request.  Partitions without a result are asked for again, or fail with *why. */
static void
request_end(struct fetcher_request *req, const struct err *why)
{
	for (int i = 0; i < req->npart; i++) {
		struct fetcher_part *part = req->part[i];
		if (!part->is_asked)
			continue;
		part->is_asked = false;
		if (part->is_removed)
			mem_free(part);
		else if (why)
			fetcher_refused(req->fetcher, part, why);
	}
	request_recycle(req);
}

/* Let the broker wait longer for records while none come, and nothing fails. */
static void
adapt_wait(struct fetcher *f, bool has_records)
{
	f->wait_ms = has_records || f->needs_refresh ? f->opts.max_wait_ms
		: MAX(MIN(2 * f->wait_ms, f->opts.idle_wait_ms), f->opts.max_wait_ms);
}

void
fetcher_done(struct call *call, const struct reply *reply)
{
	struct fetcher_request *req = CONTAINER_OF(call, struct fetcher_request, call);
	struct fetcher *f = req->fetcher;
	if (!reply->body) {
		struct err why = *reply->err;
		if (why.class == ERR_CORRUPT)
			why.class = ERR_RETRY; /* another connection may work */
		request_end(req, reply->conn->is_given_up ? NULL : &why);
		return;
	}
	struct fetcher_reply *from = reply_new(f);
	const uint8_t *body = conn_keep_reply(reply, &from->bytes);
	struct arena a = { .size_max = ARENA_MAX };
	struct fetch_response in;
	struct err why = { .class = ERR_NONE };
	struct list *last = f->ready.prev;
	wire_defaults(call->api->response, &in);
	from->nused = 1; /* while it is read here */
	from->size = reply->n;
	f->held += from->size;
	if (call_decode(call, body, reply->n, &a, &in, &why) == 0) {
		if (in.error_code)
			cluster_peer_err(&why, in.error_code, STR_NULL);
		else
			take_answer(req, &in, from);
	}
	arena_release(&a);
	request_end(req, why.class == ERR_NONE ? NULL : &why);
	adapt_wait(f, f->ready.prev != last);
	if (--from->nused == 0) {
		f->held -= from->size;
		from->next = f->idle_reply;
		f->idle_reply = from;
	}
}
