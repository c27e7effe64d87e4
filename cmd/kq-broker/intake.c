#include "kq-broker/intake.h"

#include "record/codec.h"
#include "record/inspect.h"
#include "text/units.h"
#include "wire/kerr.h"

enum {
	/* Decompressed bytes of a batch.  kq's own readers accept twice as many;
	 * decompressing takes some 0.1 s at worst. */
	PLAIN_SIZE_MAX = 128 << 20,
	/* Of all batches of a request, after which the next one is refused.  They take
	 * less than a second, in which the reactor does nothing else. */
	REQUEST_PLAIN_SIZE_MAX = 1 << 30,
};

static bool
refuse(struct intake *intake, int16_t error, const char *message)
{
	intake->error = error;
	intake->message = message;
	return false;
}

/* Are the bytes one whole batch of magic 2 with a correct CRC? */
static bool
check_bytes(struct intake *intake, struct batch *batch, const uint8_t *p, int32_t n)
{
	if (n < BATCH_HEADER_SIZE)
		return refuse(intake, KERR_CORRUPT_MESSAGE, "the record batch is cut off");
	if (!batch_parse(batch, p))
		return batch_magic(p) != BATCH_MAGIC ? refuse(intake, KERR_INVALID_RECORD,
			"only record batches of magic 2 are accepted")
			: refuse(intake, KERR_CORRUPT_MESSAGE, "the batch length is wrong");
	if (batch->size > n)
		return refuse(intake, KERR_CORRUPT_MESSAGE, "the record batch is cut off");
	if (batch->size < n)
		return refuse(intake, KERR_INVALID_RECORD,
			"a produce request carries one record batch for each partition");
	if (!batch_crc_is_good(batch, p))
		return refuse(intake, KERR_CORRUPT_MESSAGE, "the CRC of the record batch is wrong");
	return true;
}

static bool
check_header(struct intake *intake, const struct batch *batch)
{
	const struct topic_config *config = intake->config;
	if (batch->size > config->message_size_max)
		return refuse(intake, KERR_MESSAGE_TOO_LARGE,
			"the record batch is larger than max.message.bytes");
	if (batch->size > config->log.segment_bytes)
		return refuse(intake, KERR_RECORD_LIST_TOO_LARGE,
			"the record batch is larger than segment.bytes");
	if (batch->base_offset != 0)
		return refuse(intake, KERR_INVALID_RECORD, "the base offset must be 0");
	if (batch->count <= 0 || batch->last_offset_delta != batch->count - 1)
		return refuse(intake, KERR_INVALID_RECORD, "record count and last offset differ");
	if (batch->attributes & BATCH_CONTROL)
		return refuse(intake, KERR_INVALID_RECORD, "clients may not write control batches");
	if ((batch->attributes & BATCH_CODEC_MASK) >= CODEC_N)
		return refuse(intake, KERR_UNSUPPORTED_COMPRESSION_TYPE, "unknown codec");
	if (batch->producer_id >= 0 && batch->base_sequence < 0)
		return refuse(intake, KERR_INVALID_RECORD, "a producer id needs a sequence number");
	if (batch->producer_id >= 0 ? batch->producer_epoch < 0
		: batch->attributes & BATCH_TRANSACTIONAL)
		return refuse(intake, KERR_INVALID_RECORD,
			"a transactional batch needs a producer ID and an epoch");
	if (batch->attributes & BATCH_LOG_APPEND_TIME)
		return refuse(intake, KERR_INVALID_TIMESTAMP, "producers may not set LogAppendTime");
	return true;
}

/* ---- single records ---- */

/* The timestamps that the topic accepts; -1 (none) is always accepted. */
struct span {
	int64_t first_ms, last_ms;
};

static struct span
span_of(const struct intake *intake)
{
	const struct topic_config *config = intake->config;
	if (config->is_log_append_time)
		return (struct span){ INT64_MIN, INT64_MAX };
	return (struct span){ intake->now_ms - config->timestamp_before_max_ms,
		intake->now_ms > INT64_MAX - config->timestamp_after_max_ms ? INT64_MAX
			: intake->now_ms + config->timestamp_after_max_ms };
}

static bool
is_within(struct span span, int64_t ms)
{
	return ms == -1 || (ms >= span.first_ms && ms <= span.last_ms);
}

struct fault_scan {
	struct intake *intake;
	struct span span;
	int32_t nkeyless, nout; /* refused records, listed or not: without key, out of span */
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
scan_record(void *arg, int32_t index, int64_t timestamp_ms, bool is_keyless)
{
	struct fault_scan *scan = arg;
	struct intake *intake = scan->intake;
	bool needs_key = is_keyless && intake->config->is_compacted;
	if (!needs_key && is_within(scan->span, timestamp_ms))
		return;
	scan->nkeyless += needs_key;
	scan->nout += !needs_key;
	if (intake->nfault == intake->nfault_max)
		return;
	intake->fault[intake->nfault++] = (struct record_fault){ index, str_of(needs_key
		? "a compacted topic does not accept records without a key"
		: out_of_span(intake->arena, scan->span, timestamp_ms)) };
}

/* List the records of a valid batch that break a rule of the topic. */
static bool
check_each(struct intake *intake, const struct batch *batch, const uint8_t *p, struct span span)
{
	struct fault_scan scan = { intake, span, 0, 0 };
	struct err e;
	size_t n = (size_t)MIN(intake->nfault_max, batch->count);
	intake->fault = arena_alloc(intake->arena, n * sizeof *intake->fault);
	if (batch_inspect_each(batch, p, PLAIN_SIZE_MAX, scan_record, &scan, &e) < 0)
		return refuse(intake, KERR_INVALID_RECORD, arena_printf(intake->arena, "%s", e.msg));
	if (scan.nkeyless + scan.nout == 0)
		return true;
	return refuse(intake, scan.nkeyless ? KERR_INVALID_RECORD : KERR_INVALID_TIMESTAMP,
		arena_printf(intake->arena, "refused %d of %d record%s; the first: %s",
			scan.nkeyless + scan.nout, batch->count, units_plural(batch->count),
			(const char *)intake->fault[0].message.p));
}

/* By the header alone, when the records are not checked. */
static bool
check_span(struct intake *intake, const struct batch *batch)
{
	struct span span = span_of(intake);
	if (!is_within(span, batch->base_timestamp) || !is_within(span, batch->max_timestamp))
		return refuse(intake, KERR_INVALID_TIMESTAMP,
			"a timestamp is outside message.timestamp.before.max.ms or .after.max.ms");
	return true;
}

static bool
check_records(struct intake *intake, const struct batch *batch, uint8_t *p)
{
	const struct topic_config *config = intake->config;
	bool is_packed = (batch->attributes & BATCH_CODEC_MASK) != CODEC_NONE;
	struct inspection seen;
	struct err e;
	if (is_packed && !config->verifies_compressed && !config->is_compacted)
		return check_span(intake, batch);
	if (is_packed && intake->plain_size > REQUEST_PLAIN_SIZE_MAX)
		return refuse(intake, KERR_MESSAGE_TOO_LARGE,
			"the compressed batches of the request open to too many bytes together");
	int rc = batch_inspect(batch, p, PLAIN_SIZE_MAX, config->record_size_max, &seen, &e);
	intake->plain_size += is_packed ? seen.plain_size : 0;
	if (rc < 0)
		return refuse(intake, KERR_INVALID_RECORD, arena_printf(intake->arena, "%s", e.msg));
	/* A record without timestamp, -1, is the smallest and may hide one that is too early. */
	struct span span = span_of(intake);
	bool may_break_rules = (seen.nkeyless > 0 && config->is_compacted)
		|| seen.min_timestamp < span.first_ms || !is_within(span, seen.max_timestamp);
	if (may_break_rules) {
		intake->plain_size += is_packed ? seen.plain_size : 0; /* decompressed again */
		if (!check_each(intake, batch, p, span))
			return false;
	}
	if (!config->is_log_append_time && seen.max_timestamp != batch->max_timestamp)
		batch_set_max_timestamp(p, seen.max_timestamp);
	return true;
}

bool
intake_check(struct intake *intake, uint8_t *bytes, int32_t n)
{
	struct batch batch;
	intake->error = KERR_NONE;
	intake->message = NULL;
	intake->fault = NULL;
	intake->nfault = 0;
	return check_bytes(intake, &batch, bytes, n) && check_header(intake, &batch)
		&& check_records(intake, &batch, bytes);
}
