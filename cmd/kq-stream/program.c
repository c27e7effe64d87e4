#include "kq-stream/program_int.h"

#include "base/utf8.h"
#include "kq-stream/fingerprint.h"
#include "kq-stream/when.h"
#include "stream/keys.h"

/* ---- making ---- */

static int
add_times(struct program_int *in, struct err *e)
{
	const struct plan *plan = in->plan;
	in->time = mem_alloc((size_t)(plan->nsource + 1) * sizeof(struct expr *));
	for (int i = 0; i < plan->nsource; i++) {
		if (!plan->source[i].time.text)
			continue;
		in->time[i] = program_add_expr(in, &plan->source[i].time, e);
		if (!in->time[i])
			return -1;
	}
	return 0;
}

static int
add_nodes(struct program_int *in, struct err *e)
{
	const struct plan *plan = in->plan;
	in->spec = mem_alloc((size_t)(plan->nnode + 1) * sizeof *in->spec);
	for (int i = 0; i < plan->nnode; i++) {
		const struct plan_node *node = plan->node[i];
		in->spec[i] = node->spec;
		if (node->spec.window.type == FLOW_UNLIMITED)
			flow_fns_be_endless(in->fns);
		if (program_add_functions(in, node, &in->spec[i], e) < 0)
			return -1;
		if (topology_add(in->program->topo, &in->spec[i], e) < 0)
			return err_wrap(e, "%s", node->where);
	}
	return topology_finish(in->program->topo, e);
}

struct program *
program_new(const struct plan *plan, struct program_fault *fault, struct err *e)
{
	struct program *program = NEW(struct program);
	struct program_int *in = NEW(struct program_int);
	if (fault)
		*fault = (struct program_fault){ .line = 0 };
	program->plan = in->plan = plan;
	program->in = in;
	in->program = program;
	in->fault = fault;
	in->fns = flow_fns_new(NULL);
	program->topo = topology_new(plan->settings.application);
	int rc = add_times(in, e) < 0 || add_nodes(in, e) < 0 ? -1 : 0;
	in->fault = NULL;
	if (rc == 0) {
		program->fingerprint = fingerprint_of(program->topo);
		return program;
	}
	program_free(program);
	return NULL;
}

void
program_free(struct program *program)
{
	if (!program)
		return;
	struct program_int *in = program->in;
	topology_free(program->topo);
	flow_fns_free(in->fns);
	mem_free(in->time);
	mem_free(in->spec);
	buf_release(&in->value);
	buf_release(&in->key);
	buf_release(&in->out_key);
	buf_release(&in->out_value);
	buf_release(&in->part);
	arena_release(&in->arena);
	arena_release(&in->pool.arena);
	mem_free(in);
	mem_free(program);
}

void
program_next(struct program *program)
{
	struct program_int *in = program->in;
	if (!in->is_taken)
		flow_fns_next(in->fns);
	in->is_taken = in->is_peeked = false;
}

/* ---- records in ---- */

/* Text and bytes become JSON strings. */
static int
take_text(struct program_int *in, const struct plan_source *source, struct str raw,
	struct str *value, struct err *e)
{
	if (source->value_format == PLAN_TEXT && !utf8_is_valid(raw))
		return err_set(e, ERR_CORRUPT, "the value is not UTF-8; read it as bytes: format bytes");
	buf_reset(&in->value);
	struct flow_key as_key = { .bytes = raw };
	flow_key_put_json(&as_key, program_key_format(source->value_format), &in->value);
	*value = buf_str(&in->value);
	return 0;
}

static int
take_value(struct program_int *in, const struct plan_source *source, struct str raw,
	struct str *value, struct err *e)
{
	*value = raw;
	if (raw.n < 0)
		return 0;
	if (source->value_format == PLAN_TEXT || source->value_format == PLAN_BYTES)
		return take_text(in, source, raw, value, e);
	if (expr_set_check(flow_fns_set(in->fns), raw, e) < 0)
		return -1;
	if (raw.n == 4 && memcmp(raw.p, "null", 4) == 0)
		*value = STR_NULL;
	return 0;
}

static int
take_key(struct program_int *in, const struct plan_source *source, struct str key, struct err *e)
{
	if (key.n < 0)
		return 0;
	if (source->key_format == PLAN_TEXT && !utf8_is_valid(key))
		return err_set(e, ERR_CORRUPT, "the key is not UTF-8; read it as bytes: key bytes");
	if (source->key_format == PLAN_JSON && expr_set_check(flow_fns_set(in->fns), key, e) < 0)
		return err_wrap(e, "the key");
	return 0;
}

static int
take_time(struct program_int *in, const struct plan_source *source, struct flow_rec *rec,
	struct err *e)
{
	struct expr *time = in->time[source - in->plan->source];
	if (!time)
		return 0;
	struct flow_args args = { .key = &rec->key, .value = rec->value, .ts_ms = rec->ts_ms };
	struct expr_in vars;
	struct str result;
	flow_fns_input(in->fns, time, program_key_format(source->key_format), &args, &vars);
	if (expr_value(time, &vars, &result, e) < 0 || when_parse(result, &rec->ts_ms, e) < 0) {
		e->class = ERR_CORRUPT;
		return err_wrap(e, "time");
	}
	return 0;
}

int
program_take(struct program *program, const struct plan_source *source,
	const struct program_raw *raw, struct flow_rec *rec, struct err *e)
{
	struct program_int *in = program->in;
	if (in->is_peeked && raw->value.p == in->peeked_raw.p && raw->value.n == in->peeked_raw.n) {
		*rec = in->peeked;
		in->is_peeked = false;
		in->is_taken = true;
		return 0;
	}
	flow_fns_next(in->fns);
	in->is_taken = in->is_peeked = false; /* a record that fails is not begun */
	*rec = (struct flow_rec){ .key.bytes = raw->key, .old = STR_NULL, .ts_ms = raw->ts_ms,
		.headers = raw->headers, .nheader = raw->nheader };
	if (take_value(in, source, raw->value, &rec->value, e) < 0
		|| take_key(in, source, raw->key, e) < 0)
		return -1;
	/* A deletion has nothing to take a time from. */
	if (rec->value.n >= 0 && take_time(in, source, rec, e) < 0)
		return -1;
	in->is_taken = true;
	return 0;
}

int
program_peek(struct program *program, const struct plan_source *source,
	const struct program_raw *raw, int64_t *ts_ms, struct err *e)
{
	struct program_int *in = program->in;
	struct flow_rec rec;
	if (program_take(program, source, raw, &rec, e) < 0)
		return -1;
	in->is_taken = false;
	in->is_peeked = raw->value.n > 0;
	in->peeked_raw = raw->value;
	in->peeked = rec;
	*ts_ms = rec.ts_ms;
	return 0;
}

/* ---- records out ---- */

const struct plan_sink *
program_sink(const struct program *program, int node)
{
	const struct topology_node *nodes;
	int n = topology_nodes(program->topo, &nodes);
	assert(node >= 0 && node < n);
	const struct plan_node *planned = nodes[node].spec->tag;
	assert(planned->sink >= 0);
	return &program->plan->sink[planned->sink];
}

/* A key from the format in flight to that of the sink; null stays null. */
static int
put_key(struct program_int *in, const struct plan_sink *sink, struct str bytes, struct buf *out,
	struct str *key, struct err *e)
{
	*key = bytes;
	if (bytes.n < 0 || sink->in_key_format == sink->key_format)
		return 0;
	struct flow_key plain = { .bytes = bytes };
	buf_reset(&in->key);
	flow_key_put_json(&plain, program_key_format(sink->in_key_format), &in->key);
	buf_reset(out);
	if (flow_key_parse_json(buf_str(&in->key), program_key_format(sink->key_format), out, e) < 0)
		return err_wrap(e, "the key");
	*key = buf_str(out);
	return 0;
}

static int
put_windowed_key(struct program_int *in, const struct plan_sink *sink, const struct flow_rec *rec,
	struct str *key, struct str *part, struct err *e)
{
	if (put_key(in, sink, rec->key.bytes, &in->part, part, e) < 0)
		return -1;
	buf_reset(&in->out_key);
	if (in->plan->settings.window_key_is_kafka) {
		struct flow_key made = rec->key;
		made.bytes = *part;
		keys_put_windowed(&in->out_key, &made, sink->is_session);
	} else {
		flow_key_put_json(&rec->key, program_key_format(sink->in_key_format), &in->out_key);
	}
	*key = buf_str(&in->out_key);
	return 0;
}

static int
put_value(struct program_int *in, const struct plan_sink *sink, struct str json, struct str *value,
	struct err *e)
{
	*value = json;
	if (json.n < 0 || sink->value_format == PLAN_JSON || sink->value_format == PLAN_CSV)
		return 0;
	buf_reset(&in->out_value);
	if (flow_key_parse_json(json, program_key_format(sink->value_format), &in->out_value, e) < 0)
		return err_wrap(e, "the value");
	*value = buf_str(&in->out_value);
	return 0;
}

int
program_put(struct program *program, const struct plan_sink *sink, const struct flow_rec *rec,
	struct str *key, struct str *value, struct str *part, struct err *e)
{
	struct program_int *in = program->in;
	if (put_value(in, sink, rec->value, value, e) < 0)
		return -1;
	if (rec->key.is_windowed)
		return put_windowed_key(in, sink, rec, key, part, e);
	if (put_key(in, sink, rec->key.bytes, &in->out_key, key, e) < 0)
		return -1;
	*part = *key;
	return 0;
}

/* ---- stdout ---- */

static const uint8_t *
skip_space(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	return p;
}

/* Has the object a member with a name that the result has already? */
static bool
has_name_of_result(struct program_int *in, struct str object, bool is_windowed)
{
	struct val_iter iter;
	struct val name, value;
	bool has = false;
	val_iter_init(&iter, val_of_text(object));
	while (!has && val_iter_next(&iter, &name, &value)) {
		struct str s = val_string(&in->pool, name);
		has = str_eq(s, STR("key"))
			|| (is_windowed && (str_eq(s, STR("start")) || str_eq(s, STR("end"))));
	}
	val_pool_reset(&in->pool);
	return has;
}

/* Append the value's members, or the value under "value", and end the object. */
static void
print_members(struct program_int *in, struct str value, bool is_windowed, struct buf *out)
{
	const uint8_t *end = value.p + MAX(value.n, 0), *p = skip_space(value.p, end);
	struct str trimmed = { p, (int32_t)(end - p) };
	if (p < end && *p == '{' && !has_name_of_result(in, trimmed, is_windowed)) {
		p = skip_space(p + 1, end);
		if (*p != '}')
			buf_putc(out, ',');
		buf_put(out, p, (size_t)(end - p));
		return;
	}
	buf_puts(out, ",\"value\":");
	buf_put_str(out, value.n < 0 ? STR("null") : value);
	buf_putc(out, '}');
}

static void
print_result(struct program_int *in, const struct plan_sink *sink, const struct flow_rec *rec,
	struct buf *out)
{
	struct flow_key plain = { .bytes = rec->key.bytes, .inner = rec->key.inner };
	buf_puts(out, "{\"key\":");
	flow_key_put_json(&plain, program_key_format(sink->in_key_format), out);
	if (rec->key.is_windowed) {
		buf_puts(out, ",\"start\":");
		buf_put_int(out, rec->key.start_ms);
		buf_puts(out, ",\"end\":");
		buf_put_int(out, rec->key.end_ms);
	}
	print_members(in, rec->value, rec->key.is_windowed, out);
}

int
program_print(struct program *program, const struct plan_sink *sink,
	const struct flow_rec *rec, struct buf *out, struct err *e)
{
	struct str value;
	size_t from = out->n;
	if (sink->is_table) {
		print_result(program->in, sink, rec, out);
	} else {
		if (put_value(program->in, sink, rec->value, &value, e) < 0)
			return -1;
		buf_put_str(out, value.n < 0 ? STR("null") : value);
	}
	/* A record is one line: white space within JSON may be another one. */
	if (sink->value_format == PLAN_JSON || sink->value_format == PLAN_CSV)
		for (uint8_t *p; (p = memchr(out->p + from, '\n', out->n - from));)
			*p = ' ';
	buf_putc(out, '\n');
	return 0;
}
