/*
 * first, last, collect, distinct: their states have values.
 *
 *	first, last: the value's text, or nothing
 *	collect:     number of items 4 | item, item, ...
 *	distinct:    (count 4 | length 4 | text)*
 */
#include "stream/agg_part.h"

static uint32_t
load_u32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return v;
}

static void
put_u32(struct buf *out, uint32_t v)
{
	buf_put(out, &v, sizeof v);
}

/* ---- first and last ---- */

static int
one_add(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	(void)e;
	buf_put_str(cell->out, part->kind == &agg_first && cell->old.n > 0 ? cell->old : value->text);
	return 0;
}

static int
one_merge(const struct agg_part *part, struct agg_cell *cell, struct str right, struct err *e)
{
	bool takes_left = part->kind == &agg_first ? cell->old.n > 0 : right.n == 0;
	(void)e;
	buf_put_str(cell->out, takes_left ? cell->old : right);
	return 0;
}

static void
one_put(const struct agg_part *part, struct str state, struct buf *out)
{
	(void)part;
	agg_put_text(out, state.n > 0 ? state : STR_NULL);
}

static void
one_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	(void)part;
	if (!agg_read_if(from, "null"))
		buf_put_str(cell->out, agg_read_json(from));
}

const struct agg_kind agg_first = {
	.name = "first", .wants = AGG_NOT_NULL, .add = one_add, .merge = one_merge, .put = one_put,
	.unpack = one_unpack,
};
const struct agg_kind agg_last = {
	.name = "last", .wants = AGG_NOT_NULL, .add = one_add, .merge = one_merge, .put = one_put,
	.unpack = one_unpack,
};

/* ---- collect ---- */

static uint32_t
collect_n(struct str state)
{
	return state.n > 0 ? load_u32(state.p) : 0;
}

/* The items' texts, with commas between. */
static struct str
collect_items(struct str state)
{
	return state.n > 0 ? (struct str){ state.p + 4, state.n - 4 } : STR("");
}

static int
collect_join(const struct agg_part *part, struct agg_cell *cell, struct str items, uint32_t n,
	struct err *e)
{
	uint32_t before = collect_n(cell->old);
	if ((double)before + n > part->param)
		return err_set(e, ERR_LIMIT, "collect has more than %.0f values: raise its limit, "
			"collect(...; N)", part->param);
	put_u32(cell->out, before + n);
	buf_put_str(cell->out, collect_items(cell->old));
	if (before && n)
		buf_putc(cell->out, ',');
	buf_put_str(cell->out, items);
	return 0;
}

static int
collect_add(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	return collect_join(part, cell, value->text.n < 0 ? STR("null") : value->text, 1, e);
}

static int
collect_merge(const struct agg_part *part, struct agg_cell *cell, struct str right,
	struct err *e)
{
	return collect_join(part, cell, collect_items(right), collect_n(right), e);
}

/* Take away the first item that is equal. */
static int
collect_sub(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	struct str list = collect_items(cell->old), item;
	struct flow_items items = { list.p, list.p + list.n };
	size_t at = cell->out->n;
	uint32_t n = 0;
	bool is_taken = false;
	(void)part, (void)e;
	put_u32(cell->out, 0);
	while (flow_items_next(&items, &item)) {
		if (!is_taken && str_eq(item, value->text)) {
			is_taken = true;
			continue;
		}
		if (n++)
			buf_putc(cell->out, ',');
		agg_put_text(cell->out, item);
	}
	memcpy(cell->out->p + at, &n, sizeof n);
	return 0;
}

static void
collect_put(const struct agg_part *part, struct str state, struct buf *out)
{
	(void)part;
	buf_putc(out, '[');
	buf_put_str(out, collect_items(state));
	buf_putc(out, ']');
}

static void
collect_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	size_t at = cell->out->n;
	uint32_t n = 0;
	(void)part;
	put_u32(cell->out, 0);
	agg_read(from, "[");
	while (!from->is_bad && !agg_read_if(from, "]")) {
		if (n++) {
			agg_read(from, ",");
			buf_putc(cell->out, ',');
		}
		buf_put_str(cell->out, agg_read_json(from));
	}
	memcpy(cell->out->p + at, &n, sizeof n);
}

const struct agg_kind agg_collect = {
	.name = "collect", .wants = AGG_ANY, .param = AGG_MAY_LIMIT, .param_default = 1000,
	.add = collect_add, .sub = collect_sub, .merge = collect_merge, .put = collect_put,
	.unpack = collect_unpack,
};

/* ---- distinct ---- */

struct distinct_value {
	uint32_t n;
	struct str text;
};

static bool
entry_next(struct str *state, struct distinct_value *entry)
{
	if (state->n <= 0)
		return false;
	entry->n = load_u32(state->p);
	entry->text = (struct str){ state->p + 8, (int32_t)load_u32(state->p + 4) };
	state->p += 8 + entry->text.n;
	state->n -= 8 + entry->text.n;
	return true;
}

static void
entry_put(struct buf *out, uint32_t n, struct str text)
{
	put_u32(out, n);
	put_u32(out, (uint32_t)text.n);
	buf_put_str(out, text);
}

static struct str
normal(struct str text)
{
	return str_eq(text, STR("-0")) ? STR("0") : text;
}

/* Append the state with n more, or less, of the text.  Its number of values. */
static int64_t
distinct_change(struct str state, struct str text, int64_t n, struct buf *out)
{
	struct distinct_value entry;
	int64_t nvalue = 0;
	bool is_found = false;
	while (entry_next(&state, &entry)) {
		if (str_eq(entry.text, text)) {
			is_found = true;
			if (entry.n + n <= 0)
				continue;
			entry.n = (uint32_t)MIN(entry.n + n, UINT32_MAX);
		}
		entry_put(out, entry.n, entry.text);
		nvalue++;
	}
	if (is_found || n <= 0)
		return nvalue;
	entry_put(out, (uint32_t)n, text);
	return nvalue + 1;
}

static int
distinct_full(const struct agg_part *part, struct err *e)
{
	return err_set(e, ERR_LIMIT, "distinct has more than %.0f values: raise its limit, "
		"distinct(...; N), or use distinct_approx", part->param);
}

static int
distinct_add(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	if ((double)distinct_change(cell->old, normal(value->text), 1, cell->out) > part->param)
		return distinct_full(part, e);
	return 0;
}

static int
distinct_sub(const struct agg_part *part, struct agg_cell *cell, const struct agg_value *value,
	struct err *e)
{
	(void)part, (void)e;
	distinct_change(cell->old, normal(value->text), -1, cell->out);
	return 0;
}

static int
distinct_merge(const struct agg_part *part, struct agg_cell *cell, struct str right,
	struct err *e)
{
	struct buf from = BUF_INIT, to = BUF_INIT;
	struct distinct_value entry;
	int64_t nvalue = 0;
	for (struct str rest = cell->old; entry_next(&rest, &entry);)
		nvalue++;
	buf_put_str(&from, cell->old);
	while ((double)nvalue <= part->param && entry_next(&right, &entry)) {
		buf_reset(&to);
		nvalue = distinct_change(buf_str(&from), entry.text, entry.n, &to);
		struct buf swap = from;
		from = to;
		to = swap;
	}
	buf_put_str(cell->out, buf_str(&from));
	buf_release(&from);
	buf_release(&to);
	return (double)nvalue > part->param ? distinct_full(part, e) : 0;
}

static void
distinct_put(const struct agg_part *part, struct str state, struct buf *out)
{
	struct distinct_value entry;
	int64_t n = 0;
	(void)part;
	while (entry_next(&state, &entry))
		n++;
	buf_put_int(out, n);
}

static void
distinct_pack(const struct agg_part *part, struct str state, struct buf *out)
{
	struct distinct_value entry;
	(void)part;
	buf_puts(out, "{\"values\":[");
	for (bool is_first = true; entry_next(&state, &entry); is_first = false) {
		buf_puts(out, is_first ? "[" : ",[");
		buf_put_str(out, entry.text);
		buf_putc(out, ',');
		buf_put_int(out, entry.n);
		buf_putc(out, ']');
	}
	buf_puts(out, "]}");
}

static void
distinct_unpack(const struct agg_part *part, struct agg_reader *from, struct agg_cell *cell)
{
	(void)part;
	agg_read(from, "{\"values\":[");
	for (int n = 0; !from->is_bad && !agg_read_if(from, "]"); n++) {
		agg_read(from, n ? ",[" : "[");
		struct str text = agg_read_json(from);
		agg_read(from, ",");
		int64_t count = agg_read_int(from);
		agg_read(from, "]");
		if (count < 1 || count > UINT32_MAX)
			from->is_bad = true;
		else
			entry_put(cell->out, (uint32_t)count, text);
	}
	agg_read(from, "}");
}

const struct agg_kind agg_distinct = {
	.name = "distinct", .wants = AGG_NOT_NULL, .param = AGG_MAY_LIMIT, .param_default = 1000,
	.add = distinct_add, .sub = distinct_sub, .merge = distinct_merge, .put = distinct_put,
	.pack = distinct_pack, .unpack = distinct_unpack,
};
