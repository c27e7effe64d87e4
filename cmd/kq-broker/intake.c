#include "kq-broker/intake.h"

#include "record/codec.h"
#include "record/inspect.h"
#include "text/units.h"
#include "wire/kerr.h"

enum {
	/* What a compressed batch may open to.  kq's own readers take twice as
	 * much; opening it takes some 0.1 s at worst. */
	PLAIN_SIZE_MAX = 128 << 20,
	/* And what those of a request may open to before the next one is refused:
	 * it takes less than a second, in which the reactor does nothing else. */
	REQUEST_PLAIN_SIZE_MAX = 1 << 30,
};

static bool
refuse(struct intake *k, int16_t error, const char *message)
{
	k->error = error;
	k->message = message;
	return false;
}

/* What the bytes themselves say: whole, one batch, of magic 2, good CRC. */
static bool
check_bytes(struct intake *k, struct batch *b, const uint8_t *p, int32_t n)
{
	if (n < BATCH_HEADER_SIZE)
		return refuse(k, KERR_CORRUPT_MESSAGE, "the record batch is cut off");
	if (!batch_parse(b, p))
		return p[16] != 2 ? refuse(k, KERR_INVALID_RECORD,
			"only record batches of magic 2 are accepted")
			: refuse(k, KERR_CORRUPT_MESSAGE, "the batch length is wrong");
	if (b->size > n)
		return refuse(k, KERR_CORRUPT_MESSAGE, "the record batch is cut off");
	if (b->size < n)
		return refuse(k, KERR_INVALID_RECORD,
			"a produce request carries one record batch for each partition");
	if (!batch_crc_is_good(b, p))
		return refuse(k, KERR_CORRUPT_MESSAGE, "the CRC of the record batch is wrong");
	return true;
}

static bool
check_header(struct intake *k, const struct batch *b)
{
	const struct topic_config *c = k->config;
	if (b->size > c->message_size_max)
		return refuse(k, KERR_MESSAGE_TOO_LARGE,
			"the record batch is larger than max.message.bytes");
	if (b->size > c->log.segment_bytes)
		return refuse(k, KERR_RECORD_LIST_TOO_LARGE,
			"the record batch is larger than segment.bytes");
	if (b->base_offset != 0)
		return refuse(k, KERR_INVALID_RECORD, "the base offset must be 0");
	if (b->count <= 0 || b->last_offset_delta != b->count - 1)
		return refuse(k, KERR_INVALID_RECORD, "record count and last offset differ");
	if (b->attributes & BATCH_CONTROL)
		return refuse(k, KERR_INVALID_RECORD, "clients may not write control batches");
	if ((b->attributes & BATCH_CODEC_MASK) >= CODEC_N)
		return refuse(k, KERR_UNSUPPORTED_COMPRESSION_TYPE, "unknown codec");
	if (b->producer_id >= 0 && b->base_sequence < 0)
		return refuse(k, KERR_INVALID_RECORD, "a producer id needs a sequence number");
	if (b->producer_id >= 0 ? b->producer_epoch < 0 : b->attributes & BATCH_TRANSACTIONAL)
		return refuse(k, KERR_INVALID_RECORD,
			"a transactional batch needs a producer ID and an epoch");
	if (b->attributes & BATCH_LOG_APPEND_TIME)
		return refuse(k, KERR_INVALID_TIMESTAMP, "producers may not set LogAppendTime");
	return true;
}

/* --- single records --- */

/* The timestamps that the topic takes; -1, for none, is always fine. */
struct span {
	int64_t first_ms, last_ms;
};

static struct span
span_of(const struct intake *k)
{
	const struct topic_config *c = k->config;
	if (c->is_log_append_time)
		return (struct span){ INT64_MIN, INT64_MAX };
	return (struct span){ k->now_ms - c->timestamp_before_max_ms,
		k->now_ms > INT64_MAX - c->timestamp_after_max_ms ? INT64_MAX
			: k->now_ms + c->timestamp_after_max_ms };
}

static bool
is_within(struct span s, int64_t ms)
{
	return ms == -1 || (ms >= s.first_ms && ms <= s.last_ms);
}

struct sieve {
	struct intake *intake;
	struct span span;
	int32_t nkeyless, nout; /* records refused, listed or not */
};

static const char *
out_of_span(struct arena *a, struct span span, int64_t ms)
{
	bool is_early = ms < span.first_ms;
	return arena_printf(a, "timestamp %lld is %s than %lld (message.timestamp.%s.max.ms)",
		(long long)ms, is_early ? "earlier" : "later",
		(long long)(is_early ? span.first_ms : span.last_ms), is_early ? "before" : "after");
}

static void
sift(void *arg, int32_t index, int64_t timestamp_ms, bool is_keyless)
{
	struct sieve *s = arg;
	struct intake *k = s->intake;
	bool lacks_key = is_keyless && k->config->is_compacted;
	if (!lacks_key && is_within(s->span, timestamp_ms))
		return;
	s->nkeyless += lacks_key;
	s->nout += !lacks_key;
	if (k->nfault == k->nfault_max)
		return;
	k->fault[k->nfault++] = (struct record_fault){ index, str_of(lacks_key
		? "a compacted topic does not accept records without a key"
		: out_of_span(k->arena, s->span, timestamp_ms)) };
}

/* Some of the good batch's records may break a rule of the topic: which? */
static bool
check_each(struct intake *k, const struct batch *b, const uint8_t *p, struct span span)
{
	struct sieve s = { k, span, 0, 0 };
	struct err e;
	k->fault = arena_alloc(k->arena, (size_t)MIN(k->nfault_max, b->count) * sizeof *k->fault);
	if (batch_inspect_each(b, p, PLAIN_SIZE_MAX, sift, &s, &e) < 0)
		return refuse(k, KERR_INVALID_RECORD, arena_printf(k->arena, "%s", e.msg));
	if (s.nkeyless + s.nout == 0)
		return true;
	return refuse(k, s.nkeyless ? KERR_INVALID_RECORD : KERR_INVALID_TIMESTAMP,
		arena_printf(k->arena, "refused %d of %d record%s; the first: %s",
			s.nkeyless + s.nout, b->count, units_plural(b->count), (const char *)k->fault[0].message.p));
}

/* By the header alone: the records are not looked at. */
static bool
check_span(struct intake *k, const struct batch *b)
{
	struct span span = span_of(k);
	if (!is_within(span, b->base_timestamp) || !is_within(span, b->max_timestamp))
		return refuse(k, KERR_INVALID_TIMESTAMP,
			"a timestamp is outside message.timestamp.before.max.ms or .after.max.ms");
	return true;
}

static bool
check_records(struct intake *k, const struct batch *b, uint8_t *p)
{
	const struct topic_config *c = k->config;
	bool is_packed = (b->attributes & BATCH_CODEC_MASK) != CODEC_NONE;
	struct inspection seen;
	struct err e;
	if (is_packed && !c->verifies_compressed && !c->is_compacted)
		return check_span(k, b);
	if (is_packed && k->plain_size > REQUEST_PLAIN_SIZE_MAX)
		return refuse(k, KERR_MESSAGE_TOO_LARGE,
			"the compressed batches of the request open to too many bytes together");
	int rc = batch_inspect(b, p, PLAIN_SIZE_MAX, c->record_size_max, &seen, &e);
	k->plain_size += is_packed ? seen.plain_size : 0;
	if (rc < 0)
		return refuse(k, KERR_INVALID_RECORD, arena_printf(k->arena, "%s", e.msg));
	/* One without a timestamp, -1, may hide one that is too early. */
	struct span span = span_of(k);
	bool is_suspect = (seen.nkeyless > 0 && c->is_compacted)
		|| seen.min_timestamp < span.first_ms || !is_within(span, seen.max_timestamp);
	if (is_suspect) {
		k->plain_size += is_packed ? seen.plain_size : 0; /* opened again */
		if (!check_each(k, b, p, span))
			return false;
	}
	if (!c->is_log_append_time && seen.max_timestamp != b->max_timestamp)
		batch_set_max_timestamp(p, seen.max_timestamp);
	return true;
}

bool
intake_check(struct intake *k, uint8_t *p, int32_t n)
{
	struct batch b;
	k->error = KERR_NONE;
	k->message = NULL;
	k->fault = NULL;
	k->nfault = 0;
	return check_bytes(k, &b, p, n) && check_header(k, &b) && check_records(k, &b, p);
}
