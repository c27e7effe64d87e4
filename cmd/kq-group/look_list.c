#include "kq-group/look_list.h"

#include "proto.h"
#include "sys/clock.h"

#include <stdlib.h>
#include <strings.h>

enum { RETRY_MS = 100 };

static int
by_id(const void *a, const void *b)
{
	return str_cmp(((const struct look_listed *)a)->id, ((const struct look_listed *)b)->id);
}

/* Ask a broker; repeat while its coordinator is loading. */
static int
ask(struct run *run, int32_t node, struct list_groups_response *answer)
{
	struct list_groups_request q;
	struct err e;
	int64_t until_ms = clock_mono_ms() + run->cluster.opts.topic_timeout_ms;
	wire_defaults(&list_groups_request_desc, &q);
	for (;;) {
		if (run_call(run, node, API_LIST_GROUPS, &q, answer) < 0)
			return -1;
		if (!answer->error_code)
			return 0;
		if (!kerr_info(answer->error_code)->is_retriable || clock_mono_ms() >= until_ms
			|| run->cluster.is_woken)
			break;
		cluster_pause(&run->cluster, RETRY_MS);
	}
	cluster_peer_err(&e, answer->error_code, STR_NULL);
	err_wrap(&e, "groups of broker %d", node);
	run_failed(run, &e);
	return -1;
}

int
look_list(struct run *run, struct look_listed **v)
{
	struct list_groups_response answer;
	struct err e;
	int version = cluster_version(&run->cluster, API_LIST_GROUPS), n = 0;
	*v = NULL;
	if (cluster_find_nodes(&run->cluster, &e) < 0) {
		run_failed(run, &e);
		return 0;
	}
	for (int i = 0; i < run->cluster.nnode; i++) {
		if (run->cluster.node[i]->is_gone || ask(run, run->cluster.node[i]->id, &answer) < 0)
			continue;
		struct look_listed *all = arena_alloc(&run->arena,
			(size_t)(n + MAX(answer.groups.n, 0)) * sizeof *all + 1);
		if (n > 0)
			memcpy(all, *v, (size_t)n * sizeof *all);
		for (int32_t k = 0; k < answer.groups.n; k++)
			all[n++] = (struct look_listed){ .id = answer.groups.v[k].group_id,
				.type = version >= LOOK_LIST_TYPES_FROM ? answer.groups.v[k].group_type
					: STR("classic"),
				.protocol_type = answer.groups.v[k].protocol_type,
				.state = version >= LOOK_LIST_STATES_FROM ? answer.groups.v[k].group_state
					: STR_NULL };
		*v = all;
	}
	if (n > 0)
		qsort(*v, (size_t)n, sizeof **v, by_id);
	return n;
}

struct str
look_list_type(struct run *run, int32_t node, struct str group)
{
	struct list_groups_response answer;
	if (cluster_version(&run->cluster, API_LIST_GROUPS) < LOOK_LIST_TYPES_FROM
		|| ask(run, node, &answer) < 0)
		return STR_NULL;
	for (int32_t i = 0; i < answer.groups.n; i++)
		if (str_eq(answer.groups.v[i].group_id, group))
			return answer.groups.v[i].group_type;
	return STR_NULL;
}

bool
look_list_is(struct str word, const char *name)
{
	return word.n == (int32_t)strlen(name)
		&& strncasecmp((const char *)word.p, name, (size_t)word.n) == 0;
}

int
look_list_names(struct run *run, struct str **names)
{
	struct look_listed *v;
	int n = look_list(run, &v);
	*names = arena_alloc(&run->arena, (size_t)n * sizeof **names + 1);
	int nname = 0;
	for (int i = 0; i < n; i++)
		if (look_list_is(v[i].type, "classic") || look_list_is(v[i].type, "consumer"))
			(*names)[nname++] = v[i].id;
	return nname;
}
