/* kq-group describe. */
#include "kq-group/look_group.h"
#include "kq-group/verbs.h"

#include "text/table.h"

#include <stdio.h>

/* ---- JSON ---- */

static json_t *
parts_json(const struct look_parts *v, int32_t n)
{
	json_t *all = json_array();
	for (int32_t i = 0; i < n; i++) {
		json_t *parts = json_array();
		for (int32_t k = 0; k < v[i].n; k++)
			json_array_append_new(parts, json_integer(v[i].v[k]));
		json_t *object = json_object();
		json_set_bytes(object, "topic", v[i].topic);
		json_object_set_new(object, "partitions", parts);
		json_array_append_new(all, object);
	}
	return all;
}

static json_t *
members_json(const struct look_group *group)
{
	json_t *all = json_array();
	for (int32_t i = 0; i < group->nmember; i++) {
		const struct look_member *member = &group->member[i];
		json_t *object = json_object();
		json_set_bytes(object, "member", member->id);
		json_set_bytes(object, "instance", member->instance);
		json_set_bytes(object, "client", member->client);
		json_set_bytes(object, "host", member->host);
		if (member->epoch >= 0)
			json_object_set_new(object, "epoch", json_integer(member->epoch));
		if (member->rack.n > 0)
			json_set_bytes(object, "rack", member->rack);
		json_object_set_new(object, "assigned", parts_json(member->assigned, member->nassigned));
		if (member->ntarget >= 0)
			json_object_set_new(object, "target", parts_json(member->target, member->ntarget));
		json_array_append_new(all, object);
	}
	return all;
}

static json_t *
rows_json(const struct rows *rows)
{
	json_t *all = json_array();
	for (int32_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];
		const struct look_member *member = row->member;
		json_t *object = json_object();
		json_set_bytes(object, "topic", row->topic);
		json_object_set_new(object, "partition", json_integer(row->partition));
		json_object_set_new(object, "committed", json_known(row->committed));
		json_object_set_new(object, "end", json_known(row->end));
		json_object_set_new(object, "lag",
			row_has_lag(row) ? json_integer(row_lag(row)) : json_null());
		json_set_bytes(object, "member", member ? member->id : STR_NULL);
		json_set_bytes(object, "host", member ? member->host : STR_NULL);
		json_set_bytes(object, "client", member ? member->client : STR_NULL);
		json_array_append_new(all, object);
	}
	return all;
}

static json_t *
coordinator_json(struct run *run, const struct look_group *group)
{
	const struct cluster_node *node = cluster_node(&run->cluster, group->coordinator);
	json_t *object = json_pack("{s:i}", "node", (int)group->coordinator);
	if (node) {
		json_set_bytes(object, "host", str_of(node->host));
		json_object_set_new(object, "port", json_integer(node->port));
	}
	return object;
}

static void
print_json(struct run *run, const struct look_group *group, const struct rows *rows)
{
	json_t *object = json_object();
	json_set_bytes(object, "group", group->id);
	json_object_set_new(object, "type", json_string(group->type));
	json_set_bytes(object, "protocol", group->protocol_type);
	json_set_bytes(object, "state", group->state);
	json_set_bytes(object, "assignor", group->protocol);
	json_object_set_new(object, "coordinator", coordinator_json(run, group));
	if (group->epoch >= 0) {
		json_object_set_new(object, "epoch", json_integer(group->epoch));
		json_object_set_new(object, "assignment_epoch", json_integer(group->assignment_epoch));
	}
	json_object_set_new(object, "member_count", json_integer(group->nmember));
	if (!group_options.shows_state)
		json_object_set_new(object, "members", members_json(group));
	if (rows) {
		json_object_set_new(object, "lag", json_known(rows_lag(rows)));
		json_object_set_new(object, "offsets", rows_json(rows));
	}
	json_print(object);
}

/* ---- text ---- */

static void
print_state(struct run *run, const struct look_group *group)
{
	const struct cluster_node *node = cluster_node(&run->cluster, group->coordinator);
	put_line("type", str_of(group->type));
	if (!str_eq(group->protocol_type, STR("consumer")) && group->protocol_type.n > 0)
		put_line("protocol", group->protocol_type);
	printf("%-12s%d", "coordinator", group->coordinator);
	if (node) {
		printf(" (");
		put_text(str_of(node->host));
		printf(":%d)", node->port);
	}
	putchar('\n');
	put_line("state", group->state);
	if (group->protocol.n > 0)
		put_line("assignor", group->protocol);
	if (group->epoch >= 0)
		printf("%-12s%d\n%-12s%d\n", "epoch", group->epoch, "assigned at", group->assignment_epoch);
	printf("%-12s%d\n", "members", group->nmember);
}

/* "orders:0,1 payments:3". */
static const char *
parts_text(struct run *run, const struct look_parts *v, int32_t n)
{
	struct buf b = BUF_INIT;
	for (int32_t i = 0; i < n; i++) {
		if (b.n)
			buf_putc(&b, ' ');
		put_escaped(v[i].topic, &b);
		for (int32_t k = 0; k < v[i].n; k++)
			buf_printf(&b, "%c%d", k ? ',' : ':', v[i].v[k]);
	}
	const char *z = b.n ? (const char *)arena_str(&run->arena, buf_str(&b)).p : "-";
	buf_release(&b);
	return z;
}

static bool
is_settling(const struct look_group *group)
{
	return group->epoch >= 0 && !str_eq(group->state, STR("Stable")) && group->nmember > 0;
}

static void
print_members(struct run *run, const struct look_group *group)
{
	static const char *const head[] = { "member", "instance", "host", "client", "partitions",
		"assigned" };
	struct arena *a = &run->arena;
	struct table table;
	if (group->nmember == 0)
		return;
	putchar('\n');
	table_init(&table, head, (int)ARRAY_LEN(head), "llllrl");
	for (int32_t i = 0; i < group->nmember; i++) {
		const struct look_member *member = &group->member[i];
		int64_t n = 0;
		for (int32_t k = 0; k < member->nassigned; k++)
			n += member->assigned[k].n;
		table_add(&table, (const char *[]){ put_cell(a, member->id), put_cell(a, member->instance),
			put_cell(a, member->host), put_cell(a, member->client), put_known(a, n),
			parts_text(run, member->assigned, member->nassigned) });
	}
	table_print(&table);
	table_release(&table);
	for (int32_t i = 0; is_settling(group) && i < group->nmember; i++) {
		const struct look_member *member = &group->member[i];
		printf("target of %s: %s\n", put_cell(a, member->id),
			parts_text(run, member->target, member->ntarget));
	}
}

static void
print_rows(struct run *run, const struct rows *rows)
{
	static const char *const head[] = { "topic", "partition", "committed", "end", "lag", "member",
		"host", "client" };
	struct arena *a = &run->arena;
	struct table table;
	if (rows->n == 0)
		return;
	putchar('\n');
	table_init(&table, head, (int)ARRAY_LEN(head), "lrrrrlll");
	for (int32_t i = 0; i < rows->n; i++) {
		const struct row *row = &rows->v[i];
		const struct look_member *member = row->member;
		const char *lag = row_has_lag(row) ? arena_printf(a, "%lld", (long long)row_lag(row)) : "-";
		table_add(&table, (const char *[]){ put_cell(a, row->topic), put_known(a, row->partition),
			put_known(a, row->committed), put_known(a, row->end), lag,
			put_cell(a, member ? member->id : STR_NULL),
			put_cell(a, member ? member->host : STR_NULL),
			put_cell(a, member ? member->client : STR_NULL) });
	}
	table_print(&table);
	table_release(&table);
}

static void
print_text(struct run *run, const struct look_group *group, const struct rows *rows)
{
	put_line("group", group->id);
	print_state(run, group);
	if (rows)
		put_line("lag", str_of(put_known(&run->arena, rows_lag(rows))));
	if (rows)
		print_rows(run, rows);
	else if (group_options.shows_members)
		print_members(run, group);
}

int
verb_group_describe(int argc, char **argv)
{
	struct run run;
	struct err e;
	if (group_options.shows_members && group_options.shows_state) {
		err_set(&e, ERR_USAGE, "only one of --members and --state");
		return say_err(&e, false);
	}
	bool has_rows = !group_options.shows_members && !group_options.shows_state;
	struct look_group *group;
	int n, code = look_groups_open(&run, argc, argv, &group, &n);
	if (code)
		return code;
	for (int i = 0; i < n; i++) {
		struct rows rows, *shown = has_rows ? &rows : NULL;
		if (look_group_describe(&run, &group[i], false) < 0
			|| (shown && look_group_rows(&run, &group[i], shown) < 0))
			continue;
		if (shown)
			look_ends(&run, shown, false);
		if (group_options.is_json) {
			print_json(&run, &group[i], shown);
		} else {
			if (run.ndone > 0)
				putchar('\n');
			print_text(&run, &group[i], shown);
		}
		run.ndone++;
	}
	return run_close(&run);
}
