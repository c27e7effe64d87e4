#include "stream/topology_int.h"

const char *
topology_name(struct topology *topo, const char *prefix)
{
	return arena_printf(&topo->arena, "%s%010lld", prefix, (long long)topo->number++);
}
