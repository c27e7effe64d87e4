#include "kq-stream/layout.h"

#include "base/mem.h"

static bool
is_source(const struct topology_node *node)
{
	return node->topic && node->nfrom == 0;
}

static char *
full_name(const char *application, const char *topic)
{
	struct buf b = BUF_INIT;
	buf_printf(&b, "%s-%s", application, topic);
	buf_putc(&b, 0);
	return (char *)b.p;
}

/* The node that writes the internal topic. */
static const struct topology_node *
writer_of(const struct topology_node *v, int n, const char *topic)
{
	for (int i = 0; i < n; i++)
		if (v[i].topic && v[i].nfrom > 0 && v[i].op != FLOW_TO && strcmp(v[i].topic, topic) == 0)
			return &v[i];
	return NULL;
}

static int
find(const struct layout *layout, const char *topic)
{
	for (int i = 0; i < layout->nsource; i++)
		if (strcmp(layout->source[i].topic, topic) == 0)
			return i;
	return -1;
}

static void
add_source(struct layout *layout, const struct topology_node *v, int n, int i,
	const char *application)
{
	if (find(layout, v[i].topic) >= 0)
		return;
	layout->source = mem_realloc(layout->source,
		(size_t)(layout->nsource + 1) * sizeof *layout->source);
	struct layout_source *source = &layout->source[layout->nsource];
	bool is_internal = v[i].op == FLOW_REPARTITION_SOURCE;
	const struct topology_node *writer = is_internal ? writer_of(v, n, v[i].topic) : NULL;
	*source = (struct layout_source){
		.topic = mem_strdup(v[i].topic),
		.name = is_internal ? full_name(application, v[i].topic) : mem_strdup(v[i].topic),
		.part = v[i].part,
		.is_internal = is_internal,
		.writer = writer ? writer->part : -1,
		.asked = writer && writer->op == FLOW_REPARTITION_SINK && writer->spec->op
			== FLOW_REPARTITION ? writer->spec->npart : 0,
		.group = layout->nsource,
	};
	layout->nsource++;
}

/* Put all sources above the node into the group. */
static void
join_groups(struct layout *layout, const struct topology_node *v, int at, int *group)
{
	if (is_source(&v[at]) && v[at].part >= 0) {
		int mine = layout->source[find(layout, v[at].topic)].group;
		if (*group < 0)
			*group = mine;
		for (int i = 0; i < layout->nsource; i++)
			if (layout->source[i].group == mine)
				layout->source[i].group = *group;
		return;
	}
	for (int i = 0; i < v[at].nfrom; i++)
		join_groups(layout, v, v[at].from[i], group);
}

/* Must equal keys of the node's inputs meet? */
static bool
joins(const struct topology_node *node)
{
	return node->nfrom > 1 && node->op != FLOW_MERGE;
}

void
layout_init(struct layout *layout, const struct topology *topo, const char *application)
{
	const struct topology_node *v;
	int n = topology_nodes(topo, &v);
	*layout = (struct layout){ .nsub = topology_parts(topo) };
	layout->ntask = mem_alloc((size_t)(layout->nsub + 1) * sizeof *layout->ntask);
	for (int i = 0; i < n; i++)
		if (is_source(&v[i]))
			add_source(layout, v, n, i, application);
	for (int i = 0; i < n; i++) {
		int group = -1;
		if (joins(&v[i]))
			join_groups(layout, v, i, &group);
	}
}

void
layout_release(struct layout *layout)
{
	for (int i = 0; i < layout->nsource; i++) {
		mem_free(layout->source[i].topic);
		mem_free(layout->source[i].name);
		mem_free(layout->source[i].stop);
	}
	mem_free(layout->source);
	mem_free(layout->ntask);
	mem_free(layout->level);
	*layout = (struct layout){ 0 };
}

/* The highest count of what the sub-topology reads; 0: not all are known yet. */
static int32_t
highest(const struct layout *layout, int part)
{
	int32_t most = 0;
	for (int i = 0; i < layout->nsource; i++) {
		const struct layout_source *source = &layout->source[i];
		if (source->part != part)
			continue;
		if (source->npart == 0)
			return 0;
		most = MAX(most, source->npart);
	}
	return most;
}

/* The count of a group: that of a known member, else that of one that exists, else the
 * highest that its members would have; 0: not known yet. */
static int32_t
count_of(const struct layout *layout, int group)
{
	int32_t most = 0, existing = 0;
	bool all = true;
	for (int i = 0; i < layout->nsource; i++) {
		const struct layout_source *source = &layout->source[i];
		if (source->group != group)
			continue;
		if (source->npart > 0)
			return source->npart;
		existing = existing ? existing : source->existing;
		int32_t n = highest(layout, source->writer);
		all = all && n > 0;
		most = MAX(most, n);
	}
	return existing ? existing : all ? most : 0;
}

/* Does the sub-topology `from` write, through any others, to `to`? */
static bool
writes_to(const struct layout *layout, int from, int to)
{
	bool *has = mem_alloc((size_t)layout->nsub + 1); /* reached */
	bool has_changed = true;
	has[from] = true;
	while (has_changed) {
		has_changed = false;
		for (int i = 0; i < layout->nsource; i++) {
			const struct layout_source *source = &layout->source[i];
			if (!source->is_internal || !has[source->writer] || has[source->part])
				continue;
			has[source->part] = has_changed = true;
		}
	}
	bool rc = has[to];
	mem_free(has);
	return rc;
}

static bool
solve_one(struct layout *layout)
{
	bool has_changed = false;
	for (int i = 0; i < layout->nsource; i++) {
		struct layout_source *source = &layout->source[i];
		if (source->npart == 0 && source->is_internal)
			source->npart = count_of(layout, source->group);
		else
			continue;
		has_changed |= source->npart > 0;
	}
	return has_changed;
}

static int
check_groups(const struct layout *layout, struct err *e)
{
	for (int i = 0; i < layout->nsource; i++)
		for (int k = 0; k < i; k++) {
			const struct layout_source *x = &layout->source[k], *y = &layout->source[i];
			if (x->part < 0 || y->part < 0 || x->group != y->group || x->npart == y->npart)
				continue;
			return err_set(e, ERR_USAGE, "topic '%s' has %d partitions and '%s' has %d, and they "
				"are joined: equal keys would not meet; send one of them through 'repartition' "
				"first, or give the topics equal counts", x->name, x->npart, y->name, y->npart);
		}
	return 0;
}

/* Raise levels until each is above those of its writers, but for those that it writes to
 * itself (a foreign-key join is a circle). */
static void
find_levels(struct layout *layout)
{
	layout->level = mem_alloc((size_t)(layout->nsub + 1) * sizeof *layout->level);
	for (int round = 0; round < layout->nsub; round++)
		for (int i = 0; i < layout->nsource; i++) {
			const struct layout_source *source = &layout->source[i];
			if (!source->is_internal || writes_to(layout, source->part, source->writer))
				continue;
			int at_least = layout->level[source->writer] + 1;
			layout->level[source->part] = MAX(layout->level[source->part], at_least);
		}
	for (int part = 0; part < layout->nsub; part++)
		layout->nlevel = MAX(layout->nlevel, layout->level[part] + 1);
}

int
layout_solve(struct layout *layout, struct err *e)
{
	for (int i = 0; i < layout->nsource; i++) {
		struct layout_source *source = &layout->source[i];
		if (source->is_internal)
			source->npart = source->asked;
		assert(source->is_internal || source->npart > 0);
	}
	while (solve_one(layout))
		;
	for (int i = 0; i < layout->nsource; i++)
		if (layout->source[i].npart == 0)
			return err_set(e, ERR_USAGE, "the number of partitions of '%s' cannot be found: it "
				"depends on itself; give it one", layout->source[i].name);
	for (int part = 0; part < layout->nsub; part++)
		layout->ntask[part] = highest(layout, part);
	find_levels(layout);
	return check_groups(layout, e);
}

struct layout_source *
layout_find(const struct layout *layout, const char *name)
{
	for (int i = 0; i < layout->nsource; i++)
		if (strcmp(layout->source[i].name, name) == 0)
			return &layout->source[i];
	return NULL;
}

bool
layout_writes(const struct layout *layout, int part)
{
	for (int i = 0; i < layout->nsource; i++)
		if (layout->source[i].is_internal && layout->source[i].writer == part)
			return true;
	return false;
}

bool
layout_is_even(const struct layout *layout, int part)
{
	for (int i = 0; i < layout->nsource; i++)
		if (layout->source[i].part == part && layout->source[i].npart != layout->ntask[part])
			return false;
	return true;
}
