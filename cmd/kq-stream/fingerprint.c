#include "kq-stream/fingerprint.h"

#include "base/mem.h"
#include "kq-stream/plan.h"
#include "stream/murmur3.h"

/* The names of the columns and what each keeps: "sum" of "sum(.amount)". */
static void
put_columns(const struct plan_node *node, struct buf *out)
{
	for (int i = 0; i < node->ncolumn; i++) {
		const char *spec = node->column[i].spec.text;
		buf_printf(out, " %s=%.*s", node->column[i].name, (int)strcspn(spec, "("), spec);
	}
}

static void
put_aggregate(const struct plan_node *node, struct buf *out)
{
	switch (node->use) {
	case PLAN_AGGREGATORS:
		put_columns(node, out);
		return;
	case PLAN_TOP:
		buf_puts(out, " top");
		return;
	case PLAN_REDUCE:
	case PLAN_AGGREGATE:
	case PLAN_COGROUP:
		buf_puts(out, " expression");
		return;
	default:
		return;
	}
}

static void
put_node(const struct topology_node *node, struct buf *out)
{
	static const char *const types[] = { "", "tumbling", "hopping", "sliding", "session",
		"unlimited" };
	const struct plan_node *planned = node->spec->tag;
	const struct flow_window *window = node->window;
	if (node->op == FLOW_REPARTITION_SOURCE)
		buf_printf(out, " topic %s", node->topic);
	for (size_t k = 0; k < ARRAY_LEN(node->store) && node->store[k]; k++)
		buf_printf(out, " store %s", node->store[k]);
	buf_printf(out, " keys %s %s", plan_format_names[planned->in_key_format],
		plan_format_names[planned->key_format]);
	if (window && window->type == FLOW_SESSION)
		buf_puts(out, " session");
	else if (window)
		buf_printf(out, " %s %lld %lld", types[window->type], (long long)window->size_ms,
			(long long)window->advance_ms);
	if (node->op == FLOW_AGGREGATE || node->op == FLOW_COGROUP)
		put_aggregate(planned, out);
	buf_putc(out, '\n');
}

/* The expression of new keys: others put other rows under the names of the old ones. */
static void
put_key(const struct topology_node *node, struct buf *out)
{
	const struct plan_node *planned = node->spec ? node->spec->tag : NULL;
	if (planned && (planned->use == PLAN_KEY || planned->use == PLAN_ROW_KEY))
		buf_printf(out, "by %s\n", planned->fn.text);
}

int64_t
fingerprint_of(const struct topology *topo)
{
	struct buf text = BUF_INIT;
	uint8_t hash[MURMUR3_SIZE];
	const struct topology_node *v;
	int n = topology_nodes(topo, &v);
	for (int i = 0; i < n; i++)
		if (v[i].part >= 0 && (v[i].store[0] || v[i].op == FLOW_REPARTITION_SOURCE))
			put_node(&v[i], &text);
	if (text.n == 0)
		return 0;
	for (int i = 0; i < n; i++)
		put_key(&v[i], &text);
	murmur3(buf_str(&text), hash);
	buf_release(&text);
	return (int64_t)load_be64(hash);
}
