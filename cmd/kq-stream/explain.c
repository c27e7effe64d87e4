#include "kq-stream/explain.h"

#include "sys/fs.h"
#include "text/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- labels ---- */

/* The verb of "filter", or of "FILE:LINE: filter". */
static const char *
verb_of(const struct plan_node *node)
{
	const char *at = strrchr(node->where, ' ');
	return at ? at + 1 : node->where;
}

static void
put_time(const char *what, int64_t ms, struct buf *out)
{
	char text[UNITS_TEXT_SIZE];
	if (ms > 0)
		buf_printf(out, "%s%s", what, units_format_duration(ms, text));
}

static void
put_window(const struct flow_window *window, struct buf *out)
{
	static const char *const types[] = { "", "tumbling", "hopping", "sliding", "session",
		"unlimited" };
	if (window->type == FLOW_NO_WINDOW)
		return;
	buf_printf(out, ", windows %s", types[window->type]);
	put_time(" ", window->size_ms, out);
	put_time(" every ", window->advance_ms, out);
	put_time(" grace ", window->grace_ms, out);
}

static void
put_join(const struct plan_node *node, struct buf *out)
{
	static const char *const kinds[] = { "inner", "left", "outer" };
	const struct flow_join_window *window = &node->spec.join_window;
	buf_printf(out, " %s", kinds[node->spec.kind]);
	if (node->spec.op == FLOW_STREAM_STREAM_JOIN)
		buf_puts(out, ", of streams");
	if (node->key_fn.text)
		buf_printf(out, " on %s", node->key_fn.text);
	buf_printf(out, " with %s", node->fn.text);
	put_time(" before ", window->before_ms, out);
	put_time(" after ", window->after_ms, out);
	put_time(" grace ", window->grace_ms, out);
}

static void
put_suppress(const struct flow_suppress *suppress, struct buf *out)
{
	bool is_end = suppress->limit_ms == PLAN_FOREVER_MS;
	buf_puts(out, suppress->until_window_closes ? " final" : is_end ? " end" : " every");
	put_time(" ", is_end ? 0 : suppress->limit_ms, out);
	if (suppress->max_records)
		buf_printf(out, " max %lld full %s", (long long)suppress->max_records,
			suppress->shuts_down ? "stop" : "emit");
}

static void
put_planned(const struct plan *plan, const struct plan_node *node, struct buf *out)
{
	if (node->source >= 0) {
		const struct plan_source *source = &plan->source[node->source];
		buf_printf(out, "from %s%s", source->is_stdin ? "stdin" : source->topic,
			node->kind == PLAN_TABLE ? " as table" : node->kind == PLAN_GLOBAL ? " as global" : "");
		if (source->time.text)
			buf_printf(out, " time %s", source->time.text);
		return;
	}
	if (node->sink >= 0) {
		const struct plan_sink *sink = &plan->sink[node->sink];
		buf_printf(out, "to %s", sink->is_stdout ? "stdout" : sink->topic);
		return;
	}
	buf_puts(out, node->use == PLAN_RECODE ? "by $key" : node->use == PLAN_KEY ? "by"
		: verb_of(node));
	if (node->use == PLAN_JOIN)
		put_join(node, out);
	else if (node->fn.text)
		buf_printf(out, " %s", node->fn.text);
	if (node->count)
		buf_printf(out, " %lld", (long long)node->count);
	if (node->use == PLAN_EXEC)
		buf_printf(out, " '%s'", node->command);
	else
		put_time(node->use == PLAN_DEDUPE ? " within " : " ", node->interval_ms, out);
	for (int i = 0; i < node->ncolumn; i++)
		buf_printf(out, " %s=%s", node->column[i].name, node->column[i].spec.text);
	if (node->spec.op == FLOW_SUPPRESS)
		put_suppress(&node->spec.suppress, out);
	put_window(&node->spec.window, out);
	if (node->spec.emits_on_close)
		buf_puts(out, ", final results");
}

/* "NAME: TEST": the branches are the users of their node, in order, the default last. */
static void
put_branch(const struct program *program, const struct topology_node *node, struct buf *out)
{
	const struct topology_node *all;
	topology_nodes(program->topo, &all);
	const struct topology_node *parent = &all[node->from[0]];
	const struct plan_node *planned = parent->spec->tag;
	int i = 0;
	while (i < parent->nuser - 1 && parent->user[i].node != node - all)
		i++;
	bool is_default = i >= planned->spec.ncase;
	const char *id = is_default ? planned->spec.default_id : planned->spec.cases[i].id;
	buf_printf(out, "%s: %s", id + strlen(planned->spec.id) + 1, is_default ? "the others"
		: planned->case_fn[i].text);
}

static void
put_label(const struct program *program, const struct topology_node *node, struct buf *out)
{
	const char *application = topology_application(program->topo);
	const struct plan_node *planned = node->spec ? node->spec->tag : NULL;
	switch (node->op) {
	case FLOW_REPARTITION_SINK:
	case FLOW_REPARTITION_SOURCE:
		buf_puts(out, node->op == FLOW_REPARTITION_SINK ? "to " : "from ");
		if (plan_is_local(program->plan))
			buf_puts(out, "memory");
		else
			buf_printf(out, "%s-%s", application, node->topic);
		return;
	case FLOW_FK_LEFT: buf_printf(out, "subscribe by %s", planned->key_fn.text); return;
	case FLOW_FK_RIGHT: buf_puts(out, "answer subscriptions"); return;
	case FLOW_LATE: buf_puts(out, "late records"); return;
	case FLOW_BRANCH_OUT: put_branch(program, node, out); return;
	default: break;
	}
	assert(planned);
	put_planned(program->plan, planned, out);
}

/* ---- text ---- */

struct tree {
	const struct program *program;
	const struct topology_node *node;
	int nnode, nedge;
	bool *is_shown;
	struct buf *out;
};

enum { TREE_DEPTH_MAX = 1000, INDENT_MAX = 4 * TREE_DEPTH_MAX };

/* A step of kq-stream's own has a name for a store that it may not need. */
static bool
is_stateless(const struct topology_node *node)
{
	const struct plan_node *planned = node->spec ? node->spec->tag : NULL;
	return planned && (planned->use == PLAN_EACH || planned->use == PLAN_EXEC);
}

/* The node that reads the internal topic that this one writes; -1: it writes none. */
static int
find_reader(const struct tree *tree, const struct topology_node *writer)
{
	for (int i = 0; i < tree->nnode; i++)
		if (writer->topic && writer->op != FLOW_TO && writer->nfrom > 0
				&& tree->node[i].op == FLOW_REPARTITION_SOURCE
				&& strcmp(tree->node[i].topic, writer->topic) == 0)
			return i;
	return -1;
}

/* Add the nodes below a node.  Without a broker there are no internal topics: those that
 * would read one are below what would write it. */
static void
add_below(const struct tree *tree, int at, int *below, int *n)
{
	bool is_local = plan_is_local(tree->program->plan);
	int reader = is_local ? find_reader(tree, &tree->node[at]) : -1;
	for (int i = 0; i < tree->node[at].nuser; i++) {
		int user = tree->node[at].user[i].node;
		if (is_local && tree->node[user].op == FLOW_REPARTITION_SINK)
			add_below(tree, user, below, n);
		else
			below[(*n)++] = user;
	}
	if (reader >= 0)
		add_below(tree, reader, below, n);
}

/* The node and those below it.  Each depth is one node of the plan, whose number is
 * limited. */
static void
put_tree(struct tree *tree, int at, char *indent, int depth)
{
	static const char branch[] = "|- ", last[] = "`- ";
	const struct topology_node *node = &tree->node[at];
	put_label(tree->program, node, tree->out);
	bool has_store = node->store[0] && !is_stateless(node);
	for (int i = 0; i < 3 && node->store[i] && has_store && !tree->is_shown[at]; i++)
		buf_printf(tree->out, "%s%s", i ? ", " : "  [store ", node->store[i]);
	buf_puts(tree->out, tree->is_shown[at] ? "  (see above)" : has_store ? "]" : "");
	buf_putc(tree->out, '\n');
	if (tree->is_shown[at] || depth == TREE_DEPTH_MAX)
		return;
	tree->is_shown[at] = true;
	size_t n = strlen(indent);
	int *below = mem_alloc(((size_t)tree->nedge + 1) * sizeof *below), nbelow = 0;
	add_below(tree, at, below, &nbelow);
	for (int i = 0; i < nbelow; i++) {
		bool is_last = i == nbelow - 1;
		buf_printf(tree->out, "%s%s", indent, is_last ? last : branch);
		snprintf(indent + n, INDENT_MAX - n, "%s", is_last ? "   " : "|  ");
		put_tree(tree, below[i], indent, depth + 1);
		indent[n] = 0;
	}
	mem_free(below);
}

static void
put_parts(struct tree *tree)
{
	char *indent = mem_alloc(INDENT_MAX);
	bool is_local = plan_is_local(tree->program->plan);
	int nparts = topology_parts(tree->program->topo);
	for (int part = -1; part < nparts; part++)
		for (int i = 0, n = 0; i < tree->nnode; i++) {
			if (tree->node[i].part != part || tree->node[i].nfrom > 0
					|| (is_local && tree->node[i].op == FLOW_REPARTITION_SOURCE))
				continue;
			if (n++ == 0 && part >= 0 && nparts > 1 && !is_local)
				buf_printf(tree->out, "%ssub-topology %d\n", tree->out->n ? "\n" : "", part);
			put_tree(tree, i, indent, 0);
		}
	mem_free(indent);
}

/* The environment of tasks that only tell their stores. */
static int
no_emit(struct flow_env *env, const struct flow_out *out, struct err *e)
{
	(void)env, (void)out, (void)e;
	return 0;
}

static void
no_next(struct flow_env *env)
{
	(void)env;
}

static int
put_changelogs(const struct program *program, int part, struct buf *out, struct err *e)
{
	struct flow_env env = { .emit = no_emit, .next = no_next };
	struct store_set_opts none = { .memory_max = 0 };
	struct store_set *set = store_set_new(&none, e);
	if (!set)
		return -1;
	struct flow_task *task = flow_task_new(program->topo, part, false, &env, set, NULL, e);
	const struct flow_store *stores;
	int n = task ? flow_task_stores(task, &stores) : 0;
	for (int i = 0; i < n; i++)
		if (stores[i].is_logged)
			buf_printf(out, "  %s-%s-changelog\n", topology_application(program->topo),
				stores[i].name);
	flow_task_free(task);
	store_set_free(set);
	return task ? 0 : -1;
}

static int
put_topics(const struct program *program, const struct topology_node *node, int nnode,
	struct buf *out, struct err *e)
{
	if (plan_is_local(program->plan)) {
		buf_puts(out, plan_needs_broker(program->plan)
			? "\nIt reads stdin, and creates no topics of its own.\n"
			: "\nIt needs no broker, and creates no topics.\n");
		return 0;
	}
	size_t from = out->n;
	buf_puts(out, "\nIt creates these topics where they do not exist:\n");
	size_t empty = out->n;
	for (int i = 0; i < nnode; i++)
		if (node[i].op == FLOW_REPARTITION_SINK || node[i].op == FLOW_FK_LEFT
			|| node[i].op == FLOW_FK_RIGHT)
			buf_printf(out, "  %s-%s\n", topology_application(program->topo), node[i].topic);
	for (int part = 0; part < topology_parts(program->topo); part++)
		if (put_changelogs(program, part, out, e) < 0)
			return -1;
	if (out->n == empty) {
		out->n = from;
		buf_puts(out, "\nIt creates no topics of its own.\n");
	}
	buf_printf(out, "The application ID is %s; -a ID sets another one.\n",
		topology_application(program->topo));
	return 0;
}

int
explain_text(const struct program *program, struct buf *out, struct err *e)
{
	struct tree tree = { .program = program, .out = out };
	tree.nnode = topology_nodes(program->topo, &tree.node);
	for (int i = 0; i < tree.nnode; i++)
		tree.nedge += tree.node[i].nuser;
	tree.is_shown = mem_alloc((size_t)tree.nnode + 1);
	put_parts(&tree);
	mem_free(tree.is_shown);
	return put_topics(program, tree.node, tree.nnode, out, e);
}

/* ---- graph ---- */

void
explain_dot(const struct program *program, struct buf *out)
{
	const struct topology_node *node;
	int n = topology_nodes(program->topo, &node);
	struct buf label = BUF_INIT;
	buf_puts(out, "digraph plan {\n\tnode [shape=box, fontname=\"monospace\", fontsize=10];\n");
	for (int i = 0; i < n; i++) {
		buf_reset(&label);
		put_label(program, &node[i], &label);
		buf_printf(out, "\tn%d [label=\"", i);
		for (size_t k = 0; k < label.n; k++) {
			if (label.p[k] == '"' || label.p[k] == '\\')
				buf_putc(out, '\\');
			buf_putc(out, label.p[k] == '\n' ? ' ' : (char)label.p[k]);
		}
		bool is_end = node[i].nfrom == 0 || node[i].nuser == 0;
		buf_printf(out, "\"%s];\n", is_end ? ", style=rounded" : "");
		for (int k = 0; k < node[i].nuser; k++)
			buf_printf(out, "\tn%d -> n%d;\n", i, node[i].user[k].node);
		if (node[i].op == FLOW_REPARTITION_SINK)
			for (int k = 0; k < n; k++)
				if (node[k].op == FLOW_REPARTITION_SOURCE
					&& strcmp(node[k].topic, node[i].topic) == 0)
					buf_printf(out, "\tn%d -> n%d [style=dashed];\n", i, k);
	}
	buf_puts(out, "}\n");
	buf_release(&label);
}

int
explain_svg(const struct program *program, struct err *e)
{
	struct buf graph = BUF_INIT;
	int status = 0;
	explain_dot(program, &graph);
	int fd = fs_open_memory("graph", e);
	int rc = fd < 0 ? -1 : fs_write_at(fd, buf_str(&graph), 0, e);
	buf_release(&graph);
	if (rc < 0) {
		fs_close(fd);
		return -1;
	}
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		if (dup2(fd, STDIN_FILENO) >= 0)
			execlp("dot", "dot", "-Tsvg", (char *)NULL);
		_exit(errno == ENOENT ? 127 : 126);
	}
	fs_close(fd);
	if (pid < 0)
		return err_sys(e, "cannot start dot");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, ERR_USAGE, "dot is not installed; it is part of Graphviz (Debian: apt "
			"install graphviz); --dot prints the graph for it");
	if (status)
		return err_set(e, ERR_USAGE, "dot failed");
	return 0;
}
