#include "stream/agg_part.h"

#include "text/jsonput.h"

#include <math.h>

struct agg_columns {
	struct flow_agg agg;
	struct flow_fns *fns;
	enum flow_key_format in_key;
	struct agg_part *part;
	int npart;
	int nvarying;
	bool is_number;      /* all parts are */
	int32_t fixed_size;  /* bytes of the parts of a fixed size */
	uint8_t *work;       /* fixed_size: a state that is being changed */
};

/* ---- states ---- */

/* Goes over the parts' states. */
struct walk {
	struct str state;
	int32_t at;          /* of the next one that varies */
};

static struct walk
walk_begin(const struct agg_columns *cols, struct str state)
{
	return (struct walk){ state, cols->fixed_size };
}

static struct str
walk_next(struct walk *walk, const struct agg_part *part)
{
	uint32_t n;
	if (part->kind->size)
		return (struct str){ walk->state.p + part->at, part->kind->size };
	assert(walk->at + 4 <= walk->state.n);
	memcpy(&n, walk->state.p + walk->at, sizeof n);
	struct str s = { walk->state.p + walk->at + 4, (int32_t)n };
	walk->at += 4 + s.n;
	assert(walk->at <= walk->state.n);
	return s;
}

/* The state that is being made: work, and behind out->p + from the parts that vary. */
struct making {
	struct buf *out;
	size_t from, part_from;
};

static void
make_begin(struct agg_columns *cols, struct making *make, struct buf *out, const uint8_t *fixed)
{
	*make = (struct making){ .out = out, .from = out ? out->n : 0 };
	if (cols->nvarying)
		buf_grow(out, (size_t)cols->fixed_size);
	if (fixed)
		memcpy(cols->work, fixed, (size_t)cols->fixed_size);
	else
		memset(cols->work, 0, (size_t)cols->fixed_size);
}

static struct agg_cell
make_part(struct agg_columns *cols, struct making *make, const struct agg_part *part,
	struct str old)
{
	if (part->kind->size)
		return (struct agg_cell){ .p = cols->work + part->at };
	buf_grow(make->out, 4);
	make->part_from = make->out->n;
	return (struct agg_cell){ .old = old, .out = make->out };
}

static void
make_part_end(struct making *make, const struct agg_part *part)
{
	if (part->kind->size)
		return;
	uint32_t n = (uint32_t)(make->out->n - make->part_from);
	memcpy(make->out->p + make->part_from - 4, &n, sizeof n);
}

/* The whole state: in place, if it has a place and a fixed size. */
static void
make_end(struct agg_columns *cols, struct making *make, struct str *state)
{
	if (!cols->nvarying && state->n == cols->fixed_size) {
		memcpy((uint8_t *)state->p, cols->work, (size_t)cols->fixed_size);
		return;
	}
	if (!cols->nvarying)
		buf_grow(make->out, (size_t)cols->fixed_size);
	memcpy(make->out->p + make->from, cols->work, (size_t)cols->fixed_size);
	*state = (struct str){ make->out->p + make->from, (int32_t)(make->out->n - make->from) };
}

/* ---- functions ---- */

/* The part's value of the record: 1; 0: it is passed over. */
static int
value_of(struct agg_columns *cols, const struct agg_part *part, const struct flow_args *args,
	struct agg_value *value, struct err *e)
{
	struct expr_in in;
	if (!part->expr)
		return 1;
	flow_fns_input(cols->fns, part->expr, cols->in_key, args, &in);
	if (part->kind->wants == AGG_NUMBER) {
		int rc = expr_number(part->expr, &in, &value->number, e);
		if (rc == 1 && !isfinite(value->number))
			return err_set(e, ERR_USAGE, "the result is no number, or beyond the largest one");
		return rc;
	}
	if (flow_fns_value(cols->fns, part->expr, &in, &value->text, e) < 0)
		return -1;
	return part->kind->wants == AGG_ANY || value->text.n >= 0;
}

static int
failed(const struct agg_part *part, struct err *e)
{
	/* lead is {"name": or ,"name": */
	return err_wrap(e, "%.*s", MAX(part->lead.n - 4, 0), (const char *)part->lead.p + 2);
}

static int
columns_init(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	struct agg_columns *cols = CONTAINER_OF(agg, struct agg_columns, agg);
	struct making make;
	(void)args, (void)e;
	make_begin(cols, &make, out, NULL);
	for (int i = 0; i < cols->npart; i++) {
		make_part(cols, &make, &cols->part[i], STR(""));
		make_part_end(&make, &cols->part[i]);
	}
	make_end(cols, &make, state);
	return 0;
}

/* Take a record in or out. */
static int
take(struct flow_agg *agg, const struct flow_args *args, bool is_add, struct str *state,
	struct buf *out, struct err *e)
{
	struct agg_columns *cols = CONTAINER_OF(agg, struct agg_columns, agg);
	struct walk walk = walk_begin(cols, *state);
	struct making make;
	make_begin(cols, &make, out, state->p);
	for (int i = 0; i < cols->npart; i++) {
		const struct agg_part *part = &cols->part[i];
		struct str old = walk_next(&walk, part);
		struct agg_cell cell = make_part(cols, &make, part, old);
		struct agg_value value = { 0 };
		int rc = value_of(cols, part, args, &value, e);
		if (rc == 1)
			rc = (is_add ? part->kind->add : part->kind->sub)(part, &cell, &value, e);
		else if (rc == 0 && cell.out)
			buf_put_str(cell.out, old);
		if (rc < 0)
			return failed(part, e);
		make_part_end(&make, part);
	}
	make_end(cols, &make, state);
	return 0;
}

static int
columns_add(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	return take(agg, args, true, state, out, e);
}

/* A part that passes the record over has NaN, which no value is. */
static int
columns_read(struct flow_agg *agg, const struct flow_args *args, double *v, struct err *e)
{
	struct agg_columns *cols = CONTAINER_OF(agg, struct agg_columns, agg);
	bool is_safe = true;
	for (int i = 0; i < cols->npart; i++) {
		struct agg_value value = { 0 };
		int rc = value_of(cols, &cols->part[i], args, &value, e);
		if (rc < 0)
			return failed(&cols->part[i], e);
		v[i] = rc ? value.number : (double)NAN;
		is_safe = is_safe && !(fabs(v[i]) >= AGG_SAFE);
	}
	return is_safe;
}

static void
columns_add_read(struct flow_agg *agg, const double *v, struct str state)
{
	struct agg_columns *cols = CONTAINER_OF(agg, struct agg_columns, agg);
	struct err e;
	for (int i = 0; i < cols->npart; i++) {
		const struct agg_part *part = &cols->part[i];
		struct agg_cell cell = { .p = (uint8_t *)(uintptr_t)state.p + part->at };
		struct agg_value value = { .number = v[i] };
		if (!isnan(v[i]) && part->kind->add(part, &cell, &value, &e) < 0)
			assert(!"a number within AGG_SAFE was refused");
	}
}

static int
columns_sub(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	return take(agg, args, false, state, out, e);
}

static int
columns_merge(struct flow_agg *agg, const struct flow_args *args, struct str *state,
	struct buf *out, struct err *e)
{
	struct agg_columns *cols = CONTAINER_OF(agg, struct agg_columns, agg);
	struct walk left = walk_begin(cols, args->left), right = walk_begin(cols, args->right);
	struct making make;
	make_begin(cols, &make, out, args->left.p);
	for (int i = 0; i < cols->npart; i++) {
		const struct agg_part *part = &cols->part[i];
		struct agg_cell cell = make_part(cols, &make, part, walk_next(&left, part));
		if (part->kind->merge(part, &cell, walk_next(&right, part), e) < 0)
			return failed(part, e);
		make_part_end(&make, part);
	}
	*state = STR_NULL;
	make_end(cols, &make, state);
	return 0;
}

/* ---- rows ---- */

static void
put_row(struct agg_columns *cols, struct str state, bool is_pack, struct buf *out)
{
	struct walk walk = walk_begin(cols, state);
	for (int i = 0; i < cols->npart; i++) {
		const struct agg_part *part = &cols->part[i];
		struct str s = walk_next(&walk, part);
		buf_put_str(out, part->lead);
		(is_pack && part->kind->pack ? part->kind->pack : part->kind->put)(part, s, out);
	}
	buf_putc(out, '}');
}

static int
columns_result(struct flow_agg *agg, struct str state, struct str *value, struct buf *out,
	struct err *e)
{
	size_t from = out->n;
	(void)e;
	put_row(CONTAINER_OF(agg, struct agg_columns, agg), state, false, out);
	*value = (struct str){ out->p + from, (int32_t)(out->n - from) };
	return 0;
}

static int
columns_pack(struct flow_agg *agg, struct str state, struct buf *out, struct err *e)
{
	(void)e;
	put_row(CONTAINER_OF(agg, struct agg_columns, agg), state, true, out);
	return 0;
}

static int
columns_unpack(struct flow_agg *agg, struct str packed, struct buf *out, struct err *e)
{
	struct agg_columns *cols = CONTAINER_OF(agg, struct agg_columns, agg);
	struct agg_reader from = { packed.p, packed.p + MAX(packed.n, 0), packed.n <= 0 };
	struct str state = STR_NULL;
	struct making make;
	make_begin(cols, &make, out, NULL);
	for (int i = 0; i < cols->npart && !from.is_bad; i++) {
		const struct agg_part *part = &cols->part[i];
		struct agg_cell cell = make_part(cols, &make, part, STR(""));
		agg_read(&from, (const char *)part->lead.p);
		part->kind->unpack(part, &from, &cell);
		make_part_end(&make, part);
	}
	agg_read(&from, "}");
	if (from.is_bad || from.p != from.end) {
		out->n = make.from;
		return err_set(e, ERR_CORRUPT, "the changelog entry is not of these columns: %.*s",
			MIN(MAX(packed.n, 0), 100), packed.n > 0 ? (const char *)packed.p : "");
	}
	make_end(cols, &make, &state);
	return 0;
}

/* ---- making ---- */

static int
add_part(struct agg_columns *cols, const struct agg_column *column,
	const struct agg_place *place, struct err *e)
{
	struct arena *memory = flow_fns_memory(cols->fns);
	struct agg_part *part = &cols->part[cols->npart];
	struct buf b = BUF_INIT;
	if (agg_parse(cols->fns, column->spec, part, e) < 0)
		return err_wrap(e, "%.*s", STR_ARG(column->name));
	if (part->kind == &agg_quantile && !place->is_table) { /* the ends need no buckets */
		if (part->param == 0)
			part->kind = &agg_min;
		else if (part->param == 1)
			part->kind = &agg_max;
	}
	if (place->is_table && !part->kind->sub)
		return err_set(e, ERR_USAGE, "%.*s: %s cannot be told when a row of the table changes "
			"or goes; aggregate by an expression that can", STR_ARG(column->name),
			part->kind->name);
	buf_putc(&b, cols->npart ? ',' : '{');
	json_put_string(column->name, &b);
	buf_putc(&b, ':');
	part->lead = arena_str(memory, buf_str(&b));
	buf_release(&b);
	for (int i = 0; i < cols->npart; i++)
		if (part->lead.n == cols->part[i].lead.n
			&& memcmp(part->lead.p + 1, cols->part[i].lead.p + 1, (size_t)part->lead.n - 1) == 0)
			return err_set(e, ERR_USAGE, "there are two columns '%.*s'", STR_ARG(column->name));
	part->at = cols->fixed_size;
	cols->fixed_size += part->kind->size;
	cols->nvarying += part->kind->size == 0;
	cols->is_number = cols->is_number && part->kind->is_number;
	cols->npart++;
	return 0;
}

struct flow_agg *
agg_of_columns(struct flow_fns *fns, const struct agg_column *v, int n,
	const struct agg_place *place, struct err *e)
{
	struct arena *memory = flow_fns_memory(fns);
	struct agg_columns *cols = arena_alloc(memory, sizeof *cols);
	assert(n > 0);
	cols->fns = fns;
	cols->in_key = place->in_key;
	cols->is_number = true;
	cols->part = arena_alloc(memory, (size_t)n * sizeof *cols->part);
	for (int i = 0; i < n; i++)
		if (add_part(cols, &v[i], place, e) < 0)
			return NULL;
	cols->work = arena_alloc(memory, (size_t)MAX(cols->fixed_size, 1));
	cols->agg = (struct flow_agg){
		.state_size = cols->nvarying ? 0 : cols->fixed_size,
		.init = columns_init, .add = columns_add, .sub = columns_sub, .merge = columns_merge,
		.result = columns_result, .pack = columns_pack, .unpack = columns_unpack,
	};
	if (cols->is_number) {
		cols->agg.nread = cols->npart;
		cols->agg.read = columns_read;
		cols->agg.add_read = columns_add_read;
	}
	return &cols->agg;
}
