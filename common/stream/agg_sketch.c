/*
 * distinct_approx and quantile.
 *
 * distinct_approx is a HyperLogLog (Flajolet and others, 2007) of 4096 registers; the hash
 * has 64 bits, so only small counts need a correction (linear counting).
 *
 * quantile has a histogram: buckets whose borders grow by a constant factor (DDSketch,
 * Masson and others, 2019).  A number x > 0 is in bucket BIAS + ceil(log x / log GAMMA),
 * -x in the bucket of the opposite sign, 0 in bucket 0; what comes out is the middle of a
 * bucket, to four digits.  The state is (bucket 4 | count 8)*, by rising buckets.
 */
#include "stream/agg_part.h"

#include "text/jsonput.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>

/* ---- distinct_approx ---- */

enum { HLL_BITS = 12, HLL_SIZE = 1 << HLL_BITS };

/* FNV-1a, and the last steps of MurmurHash3, which spread it over all bits.  It is part of
 * the changelog's format. */
static uint64_t
hash_of(struct str text)
{
	uint64_t hash = 0xcbf29ce484222325;
	for (int32_t i = 0; i < text.n; i++)
		hash = (hash ^ text.p[i]) * 0x100000001b3;
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
	return hash ^ hash >> 33;
}

static int
hll_add(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	uint64_t hash = hash_of(str_eq(value->text, STR("-0")) ? STR("0") : value->text);
	uint8_t *at = cell->p + (hash >> (64 - HLL_BITS));
	uint8_t rank = (uint8_t)(__builtin_clzll(hash << HLL_BITS | 1 << (HLL_BITS - 1)) + 1);
	(void)part, (void)e;
	*at = MAX(*at, rank);
	return 0;
}

static int
hll_merge(const struct agg_part *part, struct agg_cell *cell, struct str right, struct err *e)
{
	(void)part, (void)e;
	for (int i = 0; i < HLL_SIZE; i++)
		cell->p[i] = MAX(cell->p[i], right.p[i]);
	return 0;
}

static void
hll_put(const struct agg_part *part, struct str state, struct buf *out)
{
	double sum = 0, size = HLL_SIZE;
	int nzero = 0;
	(void)part;
	for (int i = 0; i < HLL_SIZE; i++) {
		sum += ldexp(1, -state.p[i]);
		nzero += state.p[i] == 0;
	}
	double n = 0.7213 / (1 + 1.079 / size) * size * size / sum;
	if (n <= 2.5 * size && nzero)
		n = size * log(size / nzero);
	buf_put_int(out, (int64_t)(n + 0.5));
}

static void
hll_pack(const struct agg_part *part, struct str state, struct buf *out)
{
	(void)part;
	buf_puts(out, "{\"hll\":\"");
	json_put_base64(state, out);
	buf_puts(out, "\"}");
}

static void
hll_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	struct buf plain = BUF_INIT;
	(void)part;
	agg_read(from, "{\"hll\":");
	struct str text = agg_read_json(from);
	agg_read(from, "}");
	if (text.n < 2 || json_parse_base64((struct str){ text.p + 1, text.n - 2 }, &plain) < 0
		|| plain.n != HLL_SIZE)
		from->is_bad = true;
	for (size_t i = 0; i < plain.n; i++)
		from->is_bad |= plain.p[i] > 64 - HLL_BITS + 1;
	if (!from->is_bad)
		memcpy(cell->p, plain.p, HLL_SIZE);
	buf_release(&plain);
}

const struct agg_kind agg_distinct_approx = {
	.name = "distinct_approx", .wants = AGG_NOT_NULL, .size = HLL_SIZE, .add = hll_add,
	.merge = hll_merge, .put = hll_put, .pack = hll_pack, .unpack = hll_unpack,
};

/* ---- quantile ---- */

enum { BIAS = 1 << 20, BUCKET_SIZE = 12, BUCKET_MAX = 4096 };

/* 0.95 % to each side of a bucket's middle, and 0.05 % for four digits. */
static const double gamma_of = (1 + 0.0095) / (1 - 0.0095);

struct bucket {
	int32_t at;
	int64_t n;
};

static int32_t
bucket_of(double number)
{
	if (number == 0)
		return 0;
	int32_t at = BIAS + (int32_t)ceil(log(fabs(number)) / log(gamma_of));
	return number < 0 ? -at : at;
}

static double
bucket_middle(int32_t at)
{
	char text[40];
	if (at == 0)
		return 0;
	double middle = 2 / (gamma_of + 1) * pow(gamma_of, abs(at) - BIAS);
	snprintf(text, sizeof text, "%.4g", at < 0 ? -middle : middle);
	return strtod(text, NULL);
}

/* The first bucket of the state, which is then without it; at the end one at INT32_MAX. */
static struct bucket
bucket_take(struct str *state)
{
	struct bucket bucket = { INT32_MAX, 0 };
	if (state->n <= 0)
		return bucket;
	memcpy(&bucket.at, state->p, 4);
	memcpy(&bucket.n, state->p + 4, 8);
	state->p += BUCKET_SIZE;
	state->n -= BUCKET_SIZE;
	return bucket;
}

static void
bucket_put(struct buf *out, struct bucket bucket)
{
	if (bucket.n <= 0)
		return;
	uint8_t *p = buf_grow(out, BUCKET_SIZE);
	memcpy(p, &bucket.at, 4);
	memcpy(p + 4, &bucket.n, 8);
}

/* Both, in order; counts of equal buckets are added. */
static int
bucket_merge(struct str left, struct str right, struct buf *out, struct err *e)
{
	struct bucket a = bucket_take(&left), b = bucket_take(&right);
	size_t from = out->n;
	while (a.at != INT32_MAX || b.at != INT32_MAX) {
		struct bucket both = { MIN(a.at, b.at), 0 };
		if (a.at == both.at) {
			both.n += a.n;
			a = bucket_take(&left);
		}
		if (b.at == both.at) {
			both.n += b.n;
			b = bucket_take(&right);
		}
		bucket_put(out, both);
	}
	if (out->n - from > BUCKET_MAX * BUCKET_SIZE)
		return err_set(e, ERR_LIMIT, "quantile: the numbers are too far apart for %d buckets",
			BUCKET_MAX);
	return 0;
}

static int
quantile_by(struct agg_cell *cell, double number, int64_t n, struct err *e)
{
	uint8_t one[BUCKET_SIZE];
	int32_t at = bucket_of(number);
	memcpy(one, &at, 4);
	memcpy(one + 4, &n, 8);
	return bucket_merge(cell->old, (struct str){ one, BUCKET_SIZE }, cell->out, e);
}

static int
quantile_add(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	(void)part;
	return quantile_by(cell, value->number, 1, e);
}

static int
quantile_sub(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	(void)part;
	return quantile_by(cell, value->number, -1, e);
}

static int
quantile_merge(const struct agg_part *part, struct agg_cell *cell, struct str right,
	struct err *e)
{
	(void)part;
	return bucket_merge(cell->old, right, cell->out, e);
}

static void
quantile_put(const struct agg_part *part, struct str state, struct buf *out)
{
	struct bucket bucket = { 0, 0 };
	int64_t n = 0, seen = 0;
	for (struct str rest = state; rest.n > 0;)
		n += bucket_take(&rest).n;
	if (n == 0) {
		buf_puts(out, "null");
		return;
	}
	int64_t rank = MAX((int64_t)ceil(part->param * (double)n), 1);
	for (; seen < rank; seen += bucket.n)
		bucket = bucket_take(&state);
	agg_put_number(out, bucket_middle(bucket.at));
}

static void
quantile_pack(const struct agg_part *part, struct str state, struct buf *out)
{
	(void)part;
	buf_puts(out, "{\"buckets\":[");
	for (bool is_first = true; state.n > 0; is_first = false) {
		struct bucket bucket = bucket_take(&state);
		buf_printf(out, "%s[%d,%lld]", is_first ? "" : ",", bucket.at, (long long)bucket.n);
	}
	buf_puts(out, "]}");
}

static void
quantile_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	int64_t before = INT64_MIN;
	(void)part;
	agg_read(from, "{\"buckets\":[");
	for (int n = 0; !from->is_bad && !agg_read_if(from, "]"); n++) {
		agg_read(from, n ? ",[" : "[");
		int64_t at = agg_read_int(from);
		agg_read(from, ",");
		int64_t count = agg_read_int(from);
		agg_read(from, "]");
		from->is_bad |= at <= before || at < -2 * BIAS || at > 2 * BIAS || count < 1;
		before = at;
		bucket_put(cell->out, (struct bucket){ (int32_t)at, count });
	}
	agg_read(from, "}");
}

const struct agg_kind agg_quantile = {
	.name = "quantile", .wants = AGG_NUMBER, .param = AGG_FRACTION, .add = quantile_add,
	.sub = quantile_sub, .merge = quantile_merge, .put = quantile_put, .pack = quantile_pack,
	.unpack = quantile_unpack,
};
