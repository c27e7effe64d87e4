#include "stream/topology_int.h"

/* ---- nodes and ids ---- */

int
topology_node_add(struct topology *topo, enum flow_op op, enum flow_kind kind,
	const struct flow_spec *spec, const char *name)
{
	if (topo->nnode == topo->node_max) {
		topo->node_max = topo->node_max ? 2 * topo->node_max : 16;
		topo->node = mem_realloc(topo->node, sizeof *topo->node * (size_t)topo->node_max);
	}
	topo->node[topo->nnode] = (struct topology_node){
		.op = op, .kind = kind, .spec = spec, .name = name, .late = -1, .part = -1,
	};
	return topo->nnode++;
}

void
topology_edge_add(struct topology *topo, int from, int to)
{
	struct topology_node *up = &topo->node[from], *down = &topo->node[to];
	assert(down->nfrom < FLOW_FROM_MAX);
	up->user = mem_realloc(up->user, sizeof *up->user * (size_t)(up->nuser + 1));
	up->user[up->nuser++] = (struct topology_user){ to, down->nfrom };
	down->from[down->nfrom++] = from;
}

struct topology_id *
topology_id_get(const struct topology *topo, const char *id)
{
	return map_get(&topo->id, str_of(id));
}

struct topology_id *
topology_id_add(struct topology *topo, const char *id, enum flow_kind kind, int node)
{
	struct topology_id *entry = arena_alloc(&topo->arena, sizeof *entry);
	*entry = (struct topology_id){ .id = id, .kind = kind, .node = node };
	map_put(&topo->id, str_of(id), entry);
	return entry;
}

/* ---- specs ---- */

static const char *
copy_text(struct topology *topo, const char *z)
{
	return z ? (const char *)arena_str(&topo->arena, str_of(z)).p : NULL;
}

static struct flow_spec *
copy_spec(struct topology *topo, const struct flow_spec *from)
{
	struct flow_spec *spec = arena_alloc(&topo->arena, sizeof *spec);
	*spec = *from;
	spec->id = copy_text(topo, from->id);
	spec->topic = copy_text(topo, from->topic);
	spec->name = copy_text(topo, from->name);
	spec->default_id = copy_text(topo, from->default_id);
	spec->late_id = copy_text(topo, from->late_id);
	for (int i = 0; i < FLOW_FROM_MAX; i++)
		spec->from[i] = copy_text(topo, from->from[i]);
	if (from->ncase) {
		struct flow_case *v = arena_alloc(&topo->arena, sizeof *v * (size_t)from->ncase);
		for (int i = 0; i < from->ncase; i++) {
			v[i] = from->cases[i];
			v[i].id = copy_text(topo, v[i].id);
		}
		spec->cases = v;
	}
	return spec;
}

int
topology_add(struct topology *topo, const struct flow_spec *spec, struct err *e)
{
	struct topology_id *from[FLOW_FROM_MAX];
	assert(!topo->is_finished);
	assert(spec->id);
	int nfrom = topology_nfrom(spec);
	for (int i = 0; i < nfrom; i++) {
		from[i] = topology_id_get(topo, spec->from[i]);
		if (!from[i])
			return err_set(e, ERR_USAGE, "'%s': there is no step '%s' above it", spec->id,
				spec->from[i]);
	}
	if (topo->nnode + 8 + spec->ncase > TOPOLOGY_NODES_MAX)
		return err_set(e, ERR_USAGE, "a topology has at most %d steps", TOPOLOGY_NODES_MAX);
	if (topology_check(topo, spec, from, e))
		return -1;
	struct flow_spec *copy = copy_spec(topo, spec);
	if (copy->window.type)
		copy->window.inner = from[0]->window;
	topology_build(topo, copy, from);
	return 0;
}

/* ---- the whole ---- */

struct topology *
topology_new(const char *application)
{
	struct topology *topo = NEW(struct topology);
	topo->application = mem_strdup(application);
	return topo;
}

void
topology_free(struct topology *topo)
{
	if (!topo)
		return;
	for (int i = 0; i < topo->nnode; i++)
		mem_free(topo->node[i].user);
	mem_free(topo->node);
	map_release(&topo->id);
	arena_release(&topo->arena);
	mem_free(topo->application);
	mem_free(topo);
}

int
topology_finish(struct topology *topo, struct err *e)
{
	assert(!topo->is_finished);
	if (!topo->nnode)
		return err_set(e, ERR_USAGE, "a topology needs a source");
	if (topology_check_names(topo, e))
		return -1;
	topology_split(topo);
	topology_find_wants(topo);
	topology_find_diamonds(topo);
	topo->is_finished = true;
	return 0;
}

enum flow_kind
topology_kind(const struct topology *topo, const char *id)
{
	const struct topology_id *entry = id ? topology_id_get(topo, id) : NULL;
	return entry ? entry->kind : FLOW_KIND_NONE;
}

const char *
topology_application(const struct topology *topo)
{
	return topo->application;
}

int
topology_nodes(const struct topology *topo, const struct topology_node **v)
{
	*v = topo->node;
	return topo->nnode;
}

int
topology_parts(const struct topology *topo)
{
	assert(topo->is_finished);
	return topo->npart;
}
