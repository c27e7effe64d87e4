/* kq-group describe. */
#include "kq-group/list.h"
#include "kq-group/verbs.h"

#include "text/table.h"

#include <stdio.h>

/* --- JSON --- */

static json_t *
places_json(const struct look_parts *v, int32_t n)
{
	json_t *all = json_array();
	for (int32_t i = 0; i < n; i++) {
		json_t *parts = json_array();
		for (int32_t k = 0; k < v[i].n; k++)
			json_array_append_new(parts, json_integer(v[i].v[k]));
		json_t *o = json_object();
		json_set_bytes(o, "topic", v[i].topic);
		json_object_set_new(o, "partitions", parts);
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *
members_json(const struct look_group *g)
{
	json_t *all = json_array();
	for (int32_t i = 0; i < g->nmember; i++) {
		const struct look_member *m = &g->member[i];
		json_t *o = json_object();
		json_set_bytes(o, "member", m->id);
		json_set_bytes(o, "instance", m->instance);
		json_set_bytes(o, "client", m->client);
		json_set_bytes(o, "host", m->host);
		if (m->epoch >= 0)
			json_object_set_new(o, "epoch", json_integer(m->epoch));
		if (m->rack.n > 0)
			json_set_bytes(o, "rack", m->rack);
		json_object_set_new(o, "assigned", places_json(m->assigned, m->nassigned));
		if (m->ntarget >= 0)
			json_object_set_new(o, "target", places_json(m->target, m->ntarget));
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *
rows_json(const struct rows *rows)
{
	json_t *all = json_array();
	for (int32_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];
		const struct look_member *m = row->member;
		json_t *o = json_object();
		json_set_bytes(o, "topic", row->topic);
		json_object_set_new(o, "partition", json_integer(row->partition));
		json_object_set_new(o, "committed", json_known(row->committed));
		json_object_set_new(o, "end", json_known(row->end));
		json_object_set_new(o, "lag", row_has_lag(row) ? json_integer(row_lag(row)) : json_null());
		json_set_bytes(o, "member", m ? m->id : STR_NULL);
		json_set_bytes(o, "host", m ? m->host : STR_NULL);
		json_set_bytes(o, "client", m ? m->client : STR_NULL);
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *
coordinator_json(struct run *r, const struct look_group *g)
{
	const struct cluster_node *n = cluster_node(&r->cluster, g->coordinator);
	json_t *o = json_pack("{s:i}", "node", (int)g->coordinator);
	if (n) {
		json_set_bytes(o, "host", str_of(n->host));
		json_object_set_new(o, "port", json_integer(n->port));
	}
	return o;
}

static void
print_json(struct run *r, const struct look_group *g, const struct rows *rows)
{
	json_t *o = json_object();
	json_set_bytes(o, "group", g->id);
	json_object_set_new(o, "type", json_string(g->type));
	json_set_bytes(o, "protocol", g->protocol_type);
	json_set_bytes(o, "state", g->state);
	json_set_bytes(o, "assignor", g->protocol);
	json_object_set_new(o, "coordinator", coordinator_json(r, g));
	if (g->epoch >= 0) {
		json_object_set_new(o, "epoch", json_integer(g->epoch));
		json_object_set_new(o, "assignment_epoch", json_integer(g->assignment_epoch));
	}
	json_object_set_new(o, "member_count", json_integer(g->nmember));
	if (!group_options.shows_state)
		json_object_set_new(o, "members", members_json(g));
	if (rows) {
		json_object_set_new(o, "lag", json_known(rows_lag(rows)));
		json_object_set_new(o, "offsets", rows_json(rows));
	}
	json_print(o);
}

/* --- text --- */

static void
print_state(struct run *r, const struct look_group *g)
{
	const struct cluster_node *n = cluster_node(&r->cluster, g->coordinator);
	put_line("type", str_of(g->type));
	if (!str_eq(g->protocol_type, STR("consumer")) && g->protocol_type.n > 0)
		put_line("protocol", g->protocol_type);
	printf("%-12s%d", "coordinator", g->coordinator);
	if (n) {
		printf(" (");
		put_text(str_of(n->host));
		printf(":%d)", n->port);
	}
	putchar('\n');
	put_line("state", g->state);
	if (g->protocol.n > 0)
		put_line("assignor", g->protocol);
	if (g->epoch >= 0)
		printf("%-12s%d\n%-12s%d\n", "epoch", g->epoch, "assigned at", g->assignment_epoch);
	printf("%-12s%d\n", "members", g->nmember);
}

/* "orders:0,1 payments:3". */
static const char *
places_text(struct run *r, const struct look_parts *v, int32_t n)
{
	struct buf b = BUF_INIT;
	for (int32_t i = 0; i < n; i++) {
		if (b.n)
			buf_putc(&b, ' ');
		put_escaped(v[i].topic, &b);
		for (int32_t k = 0; k < v[i].n; k++)
			buf_printf(&b, "%c%d", k ? ',' : ':', v[i].v[k]);
	}
	const char *z = b.n ? (const char *)arena_str(&r->arena, buf_str(&b)).p : "-";
	buf_release(&b);
	return z;
}

static bool
is_settling(const struct look_group *g)
{
	return g->epoch >= 0 && !str_eq(g->state, STR("Stable")) && g->nmember > 0;
}

static void
print_members(struct run *r, const struct look_group *g)
{
	static const char *const head[] = { "member", "instance", "host", "client", "partitions",
		"assigned" };
	struct arena *a = &r->arena;
	struct table t;
	if (g->nmember == 0)
		return;
	putchar('\n');
	table_init(&t, head, (int)ARRAY_LEN(head), "llllrl");
	for (int32_t i = 0; i < g->nmember; i++) {
		const struct look_member *m = &g->member[i];
		int64_t n = 0;
		for (int32_t k = 0; k < m->nassigned; k++)
			n += m->assigned[k].n;
		table_add(&t, (const char *[]){ put_cell(a, m->id), put_cell(a, m->instance),
			put_cell(a, m->host), put_cell(a, m->client), put_known(a, n),
			places_text(r, m->assigned, m->nassigned) });
	}
	table_print(&t);
	table_release(&t);
	for (int32_t i = 0; is_settling(g) && i < g->nmember; i++) {
		const struct look_member *m = &g->member[i];
		printf("target of %s: %s\n", put_cell(a, m->id), places_text(r, m->target, m->ntarget));
	}
}

static void
print_rows(struct run *r, const struct rows *rows)
{
	static const char *const head[] = { "topic", "partition", "committed", "end", "lag", "member",
		"host", "client" };
	struct arena *a = &r->arena;
	struct table t;
	if (rows->n == 0)
		return;
	putchar('\n');
	table_init(&t, head, (int)ARRAY_LEN(head), "lrrrrlll");
	for (int32_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];
		const struct look_member *m = row->member;
		const char *lag = row_has_lag(row) ? arena_printf(a, "%lld", (long long)row_lag(row)) : "-";
		table_add(&t, (const char *[]){ put_cell(a, row->topic), put_known(a, row->partition),
			put_known(a, row->committed), put_known(a, row->end), lag,
			put_cell(a, m ? m->id : STR_NULL), put_cell(a, m ? m->host : STR_NULL),
			put_cell(a, m ? m->client : STR_NULL) });
	}
	table_print(&t);
	table_release(&t);
}

static void
print_text(struct run *r, const struct look_group *g, const struct rows *rows)
{
	put_line("group", g->id);
	print_state(r, g);
	if (rows)
		put_line("lag", str_of(put_known(&r->arena, rows_lag(rows))));
	if (rows)
		print_rows(r, rows);
	else if (group_options.shows_members)
		print_members(r, g);
}

int
verb_group_describe(int argc, char **argv)
{
	struct run r;
	struct err e;
	if (group_options.shows_members && group_options.shows_state) {
		err_set(&e, ERR_USAGE, "only one of --members and --state");
		return say_err(&e, false);
	}
	struct look_group *g;
	int n, code = list_open(&r, argc, argv, &g, &n);
	if (code)
		return code;
	for (int i = 0; i < n; i++) {
		struct rows rows, *shown = group_options.shows_members || group_options.shows_state ? NULL : &rows;
		if (look_group_describe(&r, &g[i], false) < 0 || (shown && look_group_rows(&r, &g[i], shown) < 0))
			continue;
		if (shown)
			look_ends(&r, shown, false);
		if (group_options.is_json) {
			print_json(&r, &g[i], shown);
		} else {
			if (r.ndone > 0)
				putchar('\n');
			print_text(&r, &g[i], shown);
		}
		r.ndone++;
	}
	return run_close(&r);
}
