#include "record/inspect.h"

#include "base/varint.h"
#include "record/codec.h"

/* What a record is made of.  All but the attributes are varints; a KEY, VALUE,
 * NAME or HEADER_VALUE is followed by as many bytes. */
enum field { SIZE, ATTRIBUTES, TIMESTAMP, OFFSET, KEY, VALUE, HEADERS, NAME, HEADER_VALUE };

enum {
	/* The quick way compares with the record's end only where it must.  It
	 * reads the size, the attributes, the timestamp and the offset before it
	 * does so, and later a quick integer, of three bytes, from within it. */
	FIXED_MAX = 3 + 1 + 10 + 3,
	SLACK = 4,
};

struct walk {
	int32_t count, n;   /* records there should be, and were */
	int32_t record_max;
	int64_t delta_min, delta_max;
	int32_t nkeyless;
	int64_t plain_size; /* bytes walked, in whole pieces */
	bool is_bad;        /* it has come upon bytes that are no records */
	bool is_too_large;  /* because a record is */
	inspect_record *record; /* or NULL; called at the end of each record */
	void *arg;
	int64_t base_timestamp;
	/* The record that is being walked step by step: */
	enum field field;
	int32_t left;       /* its bytes, behind the current one */
	int32_t skip;       /* bytes to pass over before the next field */
	int32_t nheader;    /* still to come */
	int64_t delta;      /* of its timestamp */
	bool is_keyless;
	uint64_t value;     /* of the integer under way */
	int shift;
};

/* --- step by step: whatever the record is, and wherever the bytes are cut --- */

static bool
end_record(struct walk *k)
{
	if (k->left > 0)
		return false;
	if (k->record)
		k->record(k->arg, k->n, (int64_t)((uint64_t)k->base_timestamp + (uint64_t)k->delta),
			k->is_keyless);
	k->field = SIZE;
	k->n++;
	return true;
}

/* Bytes of the record are to be passed over.  -1: null. */
static bool
skip_bytes(struct walk *k, int64_t n, enum field next)
{
	if (n < -1 || n > k->left)
		return false;
	k->skip = n < 0 ? 0 : (int32_t)n;
	k->left -= k->skip;
	k->field = next;
	return true;
}

static bool
begin_record(struct walk *k, int64_t size)
{
	if (size < 1)
		return false;
	k->is_too_large = size > k->record_max;
	k->left = (int32_t)size;
	k->field = ATTRIBUTES;
	return !k->is_too_large;
}

/* An integer is whole. */
static bool
take_integer(struct walk *k, int64_t v)
{
	switch (k->field) {
	case SIZE:
		return begin_record(k, v);
	case TIMESTAMP:
		k->delta = v;
		k->delta_min = MIN(k->delta_min, v);
		k->delta_max = MAX(k->delta_max, v);
		k->field = OFFSET;
		return true;
	case OFFSET:
		k->field = KEY;
		return v == k->n;
	case KEY:
		k->is_keyless = v < 0;
		k->nkeyless += k->is_keyless;
		return skip_bytes(k, v, VALUE);
	case VALUE:
		return skip_bytes(k, v, HEADERS);
	case HEADERS:
		if (v < 0 || v > k->left / 2)
			return false;
		k->nheader = (int32_t)v;
		k->field = NAME;
		return v > 0 || end_record(k);
	case NAME:
		return v >= 0 && skip_bytes(k, v, HEADER_VALUE);
	case HEADER_VALUE:
		if (!skip_bytes(k, v, NAME))
			return false;
		if (--k->nheader > 0)
			return true;
		/* The bytes to skip are counted off already. */
		return end_record(k);
	case ATTRIBUTES:
		break;
	}
	assert(!"an integer");
	return false;
}

/* One more byte of an integer.  Those of 32 bits have at most five bytes, of
 * which the last one holds four bits. */
static bool
take_byte(struct walk *k, uint8_t c)
{
	bool is_long = k->field == TIMESTAMP;
	if (k->n == k->count)
		return false;
	if (k->shift == (is_long ? 63 : 28) && c > (is_long ? 1 : 15))
		return false;
	k->value |= (uint64_t)(c & 0x7f) << k->shift;
	k->shift += 7;
	if (c & 0x80)
		return true;
	int64_t v = unzigzag(k->value);
	k->value = 0;
	k->shift = 0;
	return take_integer(k, v);
}

/* Walk on to the end of the record, or of the bytes.  NULL: bad ones. */
static const uint8_t *
step(struct walk *k, const uint8_t *p, const uint8_t *end)
{
	int32_t n = k->n;
	while (p < end && (k->n == n || k->skip > 0)) {
		if (k->skip > 0) {
			int32_t skip = (int32_t)MIN(k->skip, end - p);
			k->skip -= skip;
			p += skip;
			continue;
		}
		uint8_t c = *p++;
		if (k->field != SIZE && k->left-- == 0)
			return NULL;
		if (k->field == ATTRIBUTES)
			k->field = TIMESTAMP; /* no attribute is known */
		else if (!take_byte(k, c))
			return NULL;
	}
	return p;
}

/* --- whole records, at their quickest --- */

/* An integer of up to three bytes, which may be read.  False: a longer one. */
static inline bool
get_quick(const uint8_t **p, uint32_t *v)
{
	const uint8_t *q = *p;
	if (likely(q[0] < 0x80)) {
		*v = q[0];
		*p = q + 1;
	} else if (likely(q[1] < 0x80)) {
		*v = (uint32_t)(q[0] & 0x7f) | (uint32_t)q[1] << 7;
		*p = q + 2;
	} else if (likely(q[2] < 0x80)) {
		*v = (uint32_t)(q[0] & 0x7f) | (uint32_t)(q[1] & 0x7f) << 7 |
			(uint32_t)q[2] << 14;
		*p = q + 3;
	} else {
		return false;
	}
	return true;
}

/* Pass over bytes that begin with their length.  False: the length is a
 * long one, or bad, or more than there is. */
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
		if (*p >= end || !pass_bytes(p, end, &is_null) || is_null ||
			*p >= end || !pass_bytes(p, end, &is_null))
			return false;
	return *p == end;
}

/* Walk whole records for as long as each is an ordinary one and SLACK bytes
 * follow it.  Returns where the first other one begins, good or bad: step
 * tells. */
static const uint8_t *
run(struct walk *k, const uint8_t *p, const uint8_t *end)
{
	struct walk w = *k;
	while (w.n < w.count && end - p > FIXED_MAX + SLACK) {
		const uint8_t *at = p;
		uint32_t size, time, offset, nheader;
		int64_t delta;
		bool is_keyless, is_null;
		if (!get_quick(&at, &size) || (size & 1) || (int64_t)(size >> 1) > w.record_max ||
			(int64_t)(size >> 1) + SLACK > end - at)
			break;
		const uint8_t *next = at + (size >> 1);
		at++; /* the attributes */
		if (likely(get_quick(&at, &time)))
			delta = unzigzag(time);
		else if (!(at = varint_get(at, end, &delta)))
			break;
		if (!get_quick(&at, &offset) || offset != (uint32_t)w.n << 1 || at >= next)
			break;
		if (!pass_bytes(&at, next, &is_keyless) || at >= next ||
			!pass_bytes(&at, next, &is_null) || at >= next ||
			!get_quick(&at, &nheader))
			break;
		if (unlikely(nheader || at != next) &&
			((nheader & 1) || !pass_headers(&at, next, nheader >> 1)))
			break;
		w.delta_min = MIN(w.delta_min, delta);
		w.delta_max = MAX(w.delta_max, delta);
		w.nkeyless += is_keyless;
		w.n++;
		p = next;
	}
	*k = w;
	return p;
}

/* --- a batch --- */

static bool
take_piece(void *arg, struct str piece)
{
	struct walk *k = arg;
	const uint8_t *p = piece.p, *end = p + piece.n;
	k->plain_size += piece.n;
	while (p && p < end) {
		if (!k->record && k->field == SIZE && k->shift == 0 && k->skip == 0)
			p = run(k, p, end);
		p = step(k, p, end);
	}
	k->is_bad = !p;
	return p;
}

static int
malformed(const struct walk *k, struct err *e)
{
	if (k->is_too_large)
		return err_set(e, ERR_LIMIT, "record %d of %d opens to more than %d bytes",
			k->n + 1, k->count, k->record_max);
	if (k->n == k->count)
		return err_set(e, ERR_CORRUPT, "more bytes follow the last of %d records", k->count);
	return err_set(e, ERR_CORRUPT, "record %d of %d is malformed", k->n + 1, k->count);
}

static int
walk_batch(struct walk *k, const struct batch *b, const uint8_t *p, size_t plain_max,
	struct err *e)
{
	enum codec c = (enum codec)(b->attributes & BATCH_CODEC_MASK);
	struct str records = { p + BATCH_HEADER_SIZE, b->size - BATCH_HEADER_SIZE };
	assert(b->count > 0 && c < CODEC_N);
	k->count = b->count;
	k->base_timestamp = b->base_timestamp;
	k->delta_min = INT64_MAX;
	k->delta_max = INT64_MIN;
	/* A record that says it is larger than all may be is refused at once. */
	k->record_max = c == CODEC_NONE ? INT32_MAX : (int32_t)MIN((size_t)k->record_max, plain_max);
	if (c == CODEC_NONE)
		take_piece(k, records);
	else if (codec_inspect(c, records, plain_max, take_piece, k, e) < 0 && !k->is_bad)
		return -1;
	if (k->is_bad)
		return malformed(k, e);
	if (k->n < k->count || k->skip > 0)
		return err_set(e, ERR_CORRUPT, "the bytes end before the last of %d records does", k->count);
	return 0;
}

int
batch_inspect(const struct batch *b, const uint8_t *p, size_t plain_max, int32_t record_max,
	struct inspection *out, struct err *e)
{
	struct walk k = { .record_max = record_max };
	int rc = walk_batch(&k, b, p, plain_max, e);
	out->plain_size = k.plain_size;
	if (rc < 0)
		return -1;
	if (__builtin_add_overflow(b->base_timestamp, k.delta_min, &out->min_timestamp) ||
		__builtin_add_overflow(b->base_timestamp, k.delta_max, &out->max_timestamp))
		return err_set(e, ERR_CORRUPT, "a timestamp is out of range");
	out->nkeyless = k.nkeyless;
	return 0;
}

int
batch_inspect_each(const struct batch *b, const uint8_t *p, size_t plain_max,
	inspect_record *record, void *arg, struct err *e)
{
	struct walk k = { .record_max = INT32_MAX, .record = record, .arg = arg };
	return walk_batch(&k, b, p, plain_max, e);
}
