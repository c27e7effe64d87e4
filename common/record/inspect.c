#include "record/inspect.h"

#include "base/varint.h"
#include "record/codec.h"

/* The fields of a record.  All but the attributes are varints; KEY, VALUE, NAME
 * and HEADER_VALUE are lengths, followed by as many bytes. */
enum field { SIZE, ATTRIBUTES, TIMESTAMP, OFFSET, KEY, VALUE, HEADERS, NAME, HEADER_VALUE };

enum {
	/* The fast path compares with the record's end only where it must: after
	 * the size, the attributes, the timestamp and the offset, and before
	 * each further integer, of which it reads up to three bytes. */
	FIXED_MAX = 3 + 1 + 10 + 3,
	SLACK = 4,
};

struct record_parser {
	int32_t count, n;   /* records expected, and seen */
	int32_t record_max;
	int64_t delta_min, delta_max;
	int32_t nkeyless;
	int64_t plain_size; /* bytes of the pieces so far */
	bool is_bad;        /* a byte was no part of a good record */
	bool is_too_large;  /* is_bad because a record is too large */
	inspect_record *record; /* or NULL; called at the end of each record */
	void *arg;
	int64_t base_timestamp;
	/* The record that is parsed step by step: */
	enum field field;
	int32_t left;       /* its bytes after the current one */
	int32_t skip;       /* bytes to skip before the next field */
	int32_t nheader;    /* headers still to come */
	int64_t delta;      /* of its timestamp, ms */
	bool is_keyless;
	uint64_t value;     /* of the integer so far */
	int shift;
};

/* ---- step by step: any record, and pieces that end anywhere ---- */

static bool
end_record(struct record_parser *parser)
{
	if (parser->left > 0)
		return false;
	if (parser->record)
		parser->record(parser->arg, parser->n,
			(int64_t)((uint64_t)parser->base_timestamp + (uint64_t)parser->delta),
			parser->is_keyless);
	parser->field = SIZE;
	parser->n++;
	return true;
}

/* Skip n bytes of the record (-1: null) before the next field. */
static bool
skip_bytes(struct record_parser *parser, int64_t n, enum field next)
{
	if (n < -1 || n > parser->left)
		return false;
	parser->skip = n < 0 ? 0 : (int32_t)n;
	parser->left -= parser->skip;
	parser->field = next;
	return true;
}

static bool
begin_record(struct record_parser *parser, int64_t size)
{
	if (size < 1)
		return false;
	parser->is_too_large = size > parser->record_max;
	parser->left = (int32_t)size;
	parser->field = ATTRIBUTES;
	return !parser->is_too_large;
}

/* An integer is complete. */
static bool
take_integer(struct record_parser *parser, int64_t v)
{
	switch (parser->field) {
	case SIZE:
		return begin_record(parser, v);
	case TIMESTAMP:
		parser->delta = v;
		parser->delta_min = MIN(parser->delta_min, v);
		parser->delta_max = MAX(parser->delta_max, v);
		parser->field = OFFSET;
		return true;
	case OFFSET:
		parser->field = KEY;
		return v == parser->n;
	case KEY:
		parser->is_keyless = v < 0;
		parser->nkeyless += parser->is_keyless;
		return skip_bytes(parser, v, VALUE);
	case VALUE:
		return skip_bytes(parser, v, HEADERS);
	case HEADERS:
		if (v < 0 || v > parser->left / 2)
			return false;
		parser->nheader = (int32_t)v;
		parser->field = NAME;
		return v > 0 || end_record(parser);
	case NAME:
		return v >= 0 && skip_bytes(parser, v, HEADER_VALUE);
	case HEADER_VALUE:
		if (!skip_bytes(parser, v, NAME))
			return false;
		if (--parser->nheader > 0)
			return true;
		/* left does not count the bytes to skip. */
		return end_record(parser);
	case ATTRIBUTES:
		break;
	}
	assert(!"an integer");
	return false;
}

/* The next byte of an integer.  One of 32 bits has at most five bytes, and four
 * bits in the last one. */
static bool
take_byte(struct record_parser *parser, uint8_t c)
{
	bool is_long = parser->field == TIMESTAMP;
	if (parser->n == parser->count)
		return false;
	if (parser->shift == (is_long ? 63 : 28) && c > (is_long ? 1 : 15))
		return false;
	parser->value |= (uint64_t)(c & 0x7f) << parser->shift;
	parser->shift += 7;
	if (c & 0x80)
		return true;
	int64_t v = unzigzag(parser->value);
	parser->value = 0;
	parser->shift = 0;
	return take_integer(parser, v);
}

/* Parse up to the end of the record, or of the bytes.  NULL: bad bytes. */
static const uint8_t *
step(struct record_parser *parser, const uint8_t *p, const uint8_t *end)
{
	int32_t n = parser->n;
	while (p < end && (parser->n == n || parser->skip > 0)) {
		if (parser->skip > 0) {
			int32_t skip = (int32_t)MIN(parser->skip, end - p);
			parser->skip -= skip;
			p += skip;
			continue;
		}
		uint8_t c = *p++;
		if (parser->field != SIZE && parser->left-- == 0)
			return NULL;
		if (parser->field == ATTRIBUTES)
			parser->field = TIMESTAMP; /* no attribute is defined */
		else if (!take_byte(parser, c))
			return NULL;
	}
	return p;
}

/* ---- whole records: the fast path ---- */

/* An integer of up to three bytes, all of which are readable.  False: a longer
 * one. */
static inline bool
get_quick(const uint8_t **p, uint32_t *v)
{
	const uint8_t *at = *p;
	if (likely(at[0] < 0x80)) {
		*v = at[0];
		*p = at + 1;
	} else if (likely(at[1] < 0x80)) {
		*v = (uint32_t)(at[0] & 0x7f) | (uint32_t)at[1] << 7;
		*p = at + 2;
	} else if (likely(at[2] < 0x80)) {
		*v = (uint32_t)(at[0] & 0x7f) | (uint32_t)(at[1] & 0x7f) << 7 |
			(uint32_t)at[2] << 14;
		*p = at + 3;
	} else {
		return false;
	}
	return true;
}

/* Skip bytes that begin with their length.  False: the length takes more than
 * three bytes, is bad, or exceeds the bytes. */
static inline bool
pass_bytes(const uint8_t **p, const uint8_t *end, bool *is_null)
{
	uint32_t u;
	if (unlikely(!get_quick(p, &u)))
		return false;
	*is_null = u == 1;
	if (unlikely(u & 1))
		return u == 1;
	if (unlikely((int64_t)(u >> 1) > end - *p))
		return false;
	*p += u >> 1;
	return true;
}

static bool
pass_headers(const uint8_t **p, const uint8_t *end, uint32_t n)
{
	bool is_null;
	for (; n > 0; n--)
		if (*p >= end || !pass_bytes(p, end, &is_null) || is_null
			|| *p >= end || !pass_bytes(p, end, &is_null))
			return false;
	return *p == end;
}

/* Check whole records while each is an ordinary one and SLACK bytes follow it.
 * Returns where the first other one begins; step then finds whether it is good. */
static const uint8_t *
run(struct record_parser *parser, const uint8_t *p, const uint8_t *end)
{
	struct record_parser now = *parser;
	while (now.n < now.count && end - p > FIXED_MAX + SLACK) {
		const uint8_t *at = p;
		uint32_t size, time, offset, nheader;
		int64_t delta;
		bool is_keyless, is_null;
		if (!get_quick(&at, &size) || (size & 1) || (int64_t)(size >> 1) > now.record_max
			|| (int64_t)(size >> 1) + SLACK > end - at)
			break;
		const uint8_t *next = at + (size >> 1);
		at++; /* the attributes */
		if (likely(get_quick(&at, &time)))
			delta = unzigzag(time);
		else if (!(at = varint_get(at, end, &delta)))
			break;
		if (!get_quick(&at, &offset) || offset != (uint32_t)now.n << 1 || at >= next)
			break;
		if (!pass_bytes(&at, next, &is_keyless) || at >= next
			|| !pass_bytes(&at, next, &is_null) || at >= next
			|| !get_quick(&at, &nheader))
			break;
		if (unlikely(nheader || at != next)
			&& ((nheader & 1) || !pass_headers(&at, next, nheader >> 1)))
			break;
		now.delta_min = MIN(now.delta_min, delta);
		now.delta_max = MAX(now.delta_max, delta);
		now.nkeyless += is_keyless;
		now.n++;
		p = next;
	}
	*parser = now;
	return p;
}

/* ---- a batch ---- */

static bool
take_piece(void *arg, struct str piece)
{
	struct record_parser *parser = arg;
	const uint8_t *p = piece.p, *end = p + piece.n;
	parser->plain_size += piece.n;
	while (p && p < end) {
		if (!parser->record && parser->field == SIZE && parser->shift == 0
			&& parser->skip == 0)
			p = run(parser, p, end);
		p = step(parser, p, end);
	}
	parser->is_bad = !p;
	return p;
}

static int
malformed(const struct record_parser *parser, struct err *e)
{
	if (parser->is_too_large)
		return err_set(e, ERR_LIMIT, "record %d of %d opens to more than %d bytes",
			parser->n + 1, parser->count, parser->record_max);
	if (parser->n == parser->count)
		return err_set(e, ERR_CORRUPT, "more bytes follow the last of %d records",
			parser->count);
	return err_set(e, ERR_CORRUPT, "record %d of %d is malformed", parser->n + 1,
		parser->count);
}

static int
walk_batch(struct record_parser *parser, const struct batch *batch, const uint8_t *p,
	size_t plain_max, struct err *e)
{
	enum codec codec = (enum codec)(batch->attributes & BATCH_CODEC_MASK);
	struct str records = { p + BATCH_HEADER_SIZE, batch->size - BATCH_HEADER_SIZE };
	assert(batch->count > 0 && codec < CODEC_N);
	parser->count = batch->count;
	parser->base_timestamp = batch->base_timestamp;
	parser->delta_min = INT64_MAX;
	parser->delta_max = INT64_MIN;
	/* A record that states a size above the bound of all is refused at once. */
	parser->record_max = codec == CODEC_NONE ? INT32_MAX
		: (int32_t)MIN((size_t)parser->record_max, plain_max);
	if (codec == CODEC_NONE)
		take_piece(parser, records);
	else if (codec_inspect(codec, records, plain_max, take_piece, parser, e) < 0
		&& !parser->is_bad)
		return -1;
	if (parser->is_bad)
		return malformed(parser, e);
	if (parser->n < parser->count || parser->skip > 0)
		return err_set(e, ERR_CORRUPT, "the bytes end before the last of %d records does",
			parser->count);
	return 0;
}

int
batch_inspect(const struct batch *batch, const uint8_t *p, size_t plain_max, int32_t record_max,
	struct inspection *out, struct err *e)
{
	struct record_parser parser = { .record_max = record_max };
	int rc = walk_batch(&parser, batch, p, plain_max, e);
	out->plain_size = parser.plain_size;
	if (rc < 0)
		return -1;
	if (__builtin_add_overflow(batch->base_timestamp, parser.delta_min, &out->min_timestamp)
		|| __builtin_add_overflow(batch->base_timestamp, parser.delta_max,
			&out->max_timestamp))
		return err_set(e, ERR_CORRUPT, "a timestamp is out of range");
	assert(parser.n == batch->count && out->min_timestamp <= out->max_timestamp);
	out->nkeyless = parser.nkeyless;
	return 0;
}

int
batch_inspect_each(const struct batch *batch, const uint8_t *p, size_t plain_max,
	inspect_record *record, void *arg, struct err *e)
{
	struct record_parser parser = { .record_max = INT32_MAX, .record = record, .arg = arg };
	return walk_batch(&parser, batch, p, plain_max, e);
}
