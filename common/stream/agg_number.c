/* count, sum, min, max, avg. */
#include "stream/agg_part.h"

#include <math.h>

struct count_state {
	int64_t n;
};
struct sum_state {
	double sum;
	int64_t n; /* of avg only */
};
struct extreme_state {
	double number;
	int64_t has;
};

/* ---- count ---- */

static int
count_by(struct agg_cell *cell, int64_t n)
{
	struct count_state state;
	memcpy(&state, cell->p, sizeof state);
	state.n += n;
	memcpy(cell->p, &state, sizeof state);
	return 0;
}

static int
count_add(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	(void)part, (void)value, (void)e;
	return count_by(cell, 1);
}

static int
count_sub(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	(void)part, (void)value, (void)e;
	return count_by(cell, -1);
}

static int
count_merge(const struct agg_part *part, struct agg_cell *cell, struct str right, struct err *e)
{
	struct count_state other;
	(void)part, (void)e;
	memcpy(&other, right.p, sizeof other);
	return count_by(cell, other.n);
}

static void
count_put(const struct agg_part *part, struct str state, struct buf *out)
{
	struct count_state count;
	(void)part;
	memcpy(&count, state.p, sizeof count);
	buf_put_int(out, count.n);
}

static void
count_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	struct count_state count = { agg_read_int(from) };
	(void)part;
	memcpy(cell->p, &count, sizeof count);
}

const struct agg_kind agg_count_all = {
	.name = "count", .wants = AGG_NOTHING, .size = sizeof(struct count_state), .is_number = true,
	.add = count_add, .sub = count_sub, .merge = count_merge, .put = count_put,
	.unpack = count_unpack,
};
const struct agg_kind agg_count = {
	.name = "count", .wants = AGG_NOT_NULL, .size = sizeof(struct count_state), .is_number = true,
	.add = count_add, .sub = count_sub, .merge = count_merge, .put = count_put,
	.unpack = count_unpack,
};

/* ---- sum and avg ---- */

/* Of sum, only the first field is there. */
static int
sum_by(const struct agg_part *part, struct agg_cell *cell, double number, int64_t n,
	struct err *e)
{
	struct sum_state state;
	memcpy(&state, cell->p, (size_t)part->kind->size);
	state.sum += number;
	if (!isfinite(state.sum))
		return err_set(e, ERR_LIMIT, "the sum is beyond the largest number");
	state.n += part->kind == &agg_avg ? n : 0;
	memcpy(cell->p, &state, (size_t)part->kind->size);
	return 0;
}

static int
sum_add(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	return sum_by(part, cell, value->number, 1, e);
}

static int
sum_sub(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	return sum_by(part, cell, -value->number, -1, e);
}

static int
sum_merge(const struct agg_part *part, struct agg_cell *cell, struct str right, struct err *e)
{
	struct sum_state other = { 0 };
	memcpy(&other, right.p, (size_t)part->kind->size);
	return sum_by(part, cell, other.sum, other.n, e);
}

static void
sum_put(const struct agg_part *part, struct str state, struct buf *out)
{
	double sum;
	(void)part;
	memcpy(&sum, state.p, sizeof sum);
	agg_put_number(out, sum);
}

static void
sum_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	double sum = agg_read_number(from);
	(void)part;
	memcpy(cell->p, &sum, sizeof sum);
}

const struct agg_kind agg_sum = {
	.name = "sum", .wants = AGG_NUMBER, .size = sizeof(double), .is_number = true,
	.add = sum_add, .sub = sum_sub, .merge = sum_merge, .put = sum_put, .unpack = sum_unpack,
};

static void
avg_put(const struct agg_part *part, struct str state, struct buf *out)
{
	struct sum_state sum;
	(void)part;
	memcpy(&sum, state.p, sizeof sum);
	if (sum.n == 0)
		buf_puts(out, "null");
	else
		agg_put_number(out, sum.sum / (double)sum.n);
}

static void
avg_pack(const struct agg_part *part, struct str state, struct buf *out)
{
	struct sum_state sum;
	(void)part;
	memcpy(&sum, state.p, sizeof sum);
	buf_puts(out, "{\"sum\":");
	agg_put_number(out, sum.sum);
	buf_puts(out, ",\"n\":");
	buf_put_int(out, sum.n);
	buf_putc(out, '}');
}

static void
avg_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	struct sum_state sum;
	(void)part;
	agg_read(from, "{\"sum\":");
	sum.sum = agg_read_number(from);
	agg_read(from, ",\"n\":");
	sum.n = agg_read_int(from);
	agg_read(from, "}");
	memcpy(cell->p, &sum, sizeof sum);
}

const struct agg_kind agg_avg = {
	.name = "avg", .wants = AGG_NUMBER, .size = sizeof(struct sum_state), .is_number = true,
	.add = sum_add, .sub = sum_sub, .merge = sum_merge, .put = avg_put, .pack = avg_pack,
	.unpack = avg_unpack,
};

/* ---- min and max ---- */

static void
extreme_take(const struct agg_part *part, struct agg_cell *cell, double number)
{
	struct extreme_state state;
	memcpy(&state, cell->p, sizeof state);
	if (state.has && (part->kind == &agg_min ? number >= state.number : number <= state.number))
		return;
	state = (struct extreme_state){ number, 1 };
	memcpy(cell->p, &state, sizeof state);
}

static int
extreme_add(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	(void)e;
	extreme_take(part, cell, value->number);
	return 0;
}

static int
extreme_merge(const struct agg_part *part, struct agg_cell *cell, struct str right,
	struct err *e)
{
	struct extreme_state other;
	(void)e;
	memcpy(&other, right.p, sizeof other);
	if (other.has)
		extreme_take(part, cell, other.number);
	return 0;
}

static void
extreme_put(const struct agg_part *part, struct str state, struct buf *out)
{
	struct extreme_state extreme;
	(void)part;
	memcpy(&extreme, state.p, sizeof extreme);
	if (extreme.has)
		agg_put_number(out, extreme.number);
	else
		buf_puts(out, "null");
}

static void
extreme_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	struct extreme_state extreme = { 0 };
	(void)part;
	if (!agg_read_if(from, "null"))
		extreme = (struct extreme_state){ agg_read_number(from), 1 };
	memcpy(cell->p, &extreme, sizeof extreme);
}

const struct agg_kind agg_min = {
	.name = "min", .wants = AGG_NUMBER, .size = sizeof(struct extreme_state), .is_number = true,
	.add = extreme_add, .merge = extreme_merge, .put = extreme_put, .unpack = extreme_unpack,
};
const struct agg_kind agg_max = {
	.name = "max", .wants = AGG_NUMBER, .size = sizeof(struct extreme_state), .is_number = true,
	.add = extreme_add, .merge = extreme_merge, .put = extreme_put, .unpack = extreme_unpack,
};
