#include "kq-stream/reset.h"

#include "kq-stream/state_dir.h"
#include "sys/fs.h"

#include "proto.h"

#include <fcntl.h>
#include <stdio.h>

enum {
	KEY_TYPE_GROUP = 0,
	ONE_KEY_VERSION = 3, /* last version of FindCoordinator with only one key */
};

struct reset_opts reset_opts;

/* ---- what there is ---- */

/* Is it the name of an internal topic of the application? */
static bool
is_internal(struct str name, const char *application)
{
	static const char *const ends[] = { "-repartition", "-changelog",
		"-subscription-registration-topic", "-subscription-response-topic" };
	struct str prefix = str_of(application);
	if (name.n <= prefix.n || memcmp(name.p, prefix.p, (size_t)prefix.n) != 0
		|| name.p[prefix.n] != '-')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct str end = str_of(ends[i]);
		if (name.n - prefix.n >= end.n
			&& memcmp(name.p + name.n - end.n, end.p, (size_t)end.n) == 0)
			return true;
	}
	/* foreign-key joins without a name */
	return memmem(name.p, (size_t)name.n, "-KTABLE-FK-JOIN-SUBSCRIPTION-", 29)
		&& memcmp(name.p + name.n - 6, "-topic", 6) == 0;
}

/* The names of all groups whose ID begins with the application's and '-': their topics look
 * like its own. */
struct neighbours {
	struct str *v;
	int n;
	bool has_own; /* the application's group is there */
};

/* Add those of one broker.  Returns 0, or -1 after a report. */
static int
add_neighbours(struct run *run, int32_t node, const char *application, struct neighbours *to)
{
	struct list_groups_request q;
	struct list_groups_response r;
	struct str prefix = str_of(application);
	wire_defaults(&list_groups_request_desc, &q);
	if (run_call(run, node, API_LIST_GROUPS, &q, &r) < 0)
		return -1;
	if (r.error_code) {
		struct err e;
		cluster_peer_err(&e, r.error_code, STR_NULL);
		err_wrap(&e, "cannot list the groups of broker %d", node);
		run_failed(run, &e);
		return -1;
	}
	struct str *v = arena_alloc(&run->arena,
		((size_t)to->n + (size_t)MAX(r.groups.n, 0) + 1) * sizeof *v);
	if (to->n > 0)
		memcpy(v, to->v, (size_t)to->n * sizeof *v);
	to->v = v;
	for (int32_t i = 0; i < r.groups.n; i++) {
		struct str id = r.groups.v[i].group_id;
		to->has_own |= str_eq(id, prefix);
		if (id.n > prefix.n + 1 && str_has_prefix(id, prefix) && id.p[prefix.n] == '-')
			to->v[to->n++] = id;
	}
	return 0;
}

static bool
is_neighbours(const struct neighbours *neighbours, struct str topic)
{
	for (int i = 0; i < neighbours->n; i++) {
		struct str id = neighbours->v[i];
		if (topic.n > id.n && str_has_prefix(topic, id) && topic.p[id.n] == '-')
			return true;
	}
	return false;
}

/* The internal topics, in the run's memory, without those of an application with a longer
 * ID, and whether there is a group.  Returns their number, or -1 after a report. */
static int
list_topics(struct run *run, const char *application, struct str **names, bool *has_group)
{
	struct metadata_request q;
	struct metadata_response r;
	wire_defaults(&metadata_request_desc, &q);
	q.topics.n = -1;
	if (run_call(run, CLUSTER_ANY, API_METADATA, &q, &r) < 0)
		return -1;
	int n = 0;
	struct neighbours neighbours = { NULL, 0, false };
	for (int32_t i = 0; i < r.brokers.n; i++)
		if (add_neighbours(run, r.brokers.v[i].node_id, application, &neighbours) < 0)
			return -1;
	*has_group = neighbours.has_own;
	*names = arena_alloc(&run->arena, ((size_t)MAX(r.topics.n, 0) + 1) * sizeof **names);
	for (int32_t i = 0; i < r.topics.n; i++)
		if (r.topics.v[i].name.n > 0 && is_internal(r.topics.v[i].name, application)
			&& !is_neighbours(&neighbours, r.topics.v[i].name))
			(*names)[n++] = r.topics.v[i].name;
	return n;
}

/* ---- removing ---- */

/* Report and count that the broker refused something.  Returns -1. */
static int
refused(struct run *run, int16_t code, struct str message, struct str name)
{
	struct err e;
	cluster_peer_err(&e, code, message);
	err_wrap(&e, "%.*s", STR_ARG(name));
	run_failed(run, &e);
	return -1;
}

static int
find_coordinator(struct run *run, const char *group, int32_t *node)
{
	struct find_coordinator_request q;
	struct find_coordinator_response r;
	struct str key = str_of(group);
	wire_defaults(&find_coordinator_request_desc, &q);
	q.key = key;
	q.key_type = KEY_TYPE_GROUP;
	if (run_call_upto(run, CLUSTER_ANY, API_FIND_COORDINATOR, ONE_KEY_VERSION, &q, &r) < 0)
		return -1;
	*node = r.node_id;
	return r.error_code ? refused(run, r.error_code, r.error_message, key) : 0;
}

/* Delete the group.  It must have no members: a running application is not reset. */
static int
delete_group(struct run *run, const char *group)
{
	struct delete_groups_request q;
	struct delete_groups_response r;
	struct str name = str_of(group);
	int32_t node;
	if (find_coordinator(run, group, &node) < 0)
		return -1;
	wire_defaults(&delete_groups_request_desc, &q);
	q.groups_names.v = &name;
	q.groups_names.n = 1;
	if (run_call(run, node, API_DELETE_GROUPS, &q, &r) < 0)
		return -1;
	int16_t code = r.results.n == 1 ? r.results.v->error_code : KERR_UNKNOWN_SERVER_ERROR;
	if (code == KERR_NON_EMPTY_GROUP) {
		say_error("application '%s' is running: stop it first (one that was "
			"killed, or has an --instance, still counts until its session is over)", group);
		run->nfailed++;
		return -1;
	}
	return code && code != KERR_GROUP_ID_NOT_FOUND ? refused(run, code, STR_NULL, name) : 0;
}

static void
delete_topics(struct run *run, struct str *names, int n)
{
	struct delete_topics_request q;
	struct delete_topics_response r;
	if (n == 0)
		return;
	wire_defaults(&delete_topics_request_desc, &q);
	q.timeout_ms = RUN_TIMEOUT_MS;
	q.topics.n = q.topic_names.n = n;
	q.topics.v = arena_alloc(&run->arena, (size_t)n * sizeof *q.topics.v);
	q.topic_names.v = names;
	for (int i = 0; i < n; i++)
		q.topics.v[i].name = names[i];
	if (run_call(run, CLUSTER_CONTROLLER, API_DELETE_TOPICS, &q, &r) < 0)
		return;
	for (int32_t i = 0; i < r.responses.n; i++) {
		int16_t code = r.responses.v[i].error_code;
		if (code && code != KERR_UNKNOWN_TOPIC_OR_PARTITION)
			refused(run, code, r.responses.v[i].error_message, r.responses.v[i].name);
	}
}

static int
remove_one(void *ctx, const char *name)
{
	const struct state_dir *state = ctx;
	struct err e;
	bool is_dir = name[0] >= '0' && name[0] <= '9' && !strchr(name, '.');
	if ((is_dir ? fs_remove_dir(state->fd, name, &e) : fs_remove(state->fd, name, &e)) < 0) {
		say_err(&e, false);
		return 1;
	}
	return 0;
}

static void
remove_state(struct run *run, struct state_dir *state)
{
	struct err e;
	int rc = fs_list(state->fd, remove_one, state, &e);
	if (rc < 0)
		say_err(&e, false);
	run->nfailed += rc != 0;
}

/* ---- the verb ---- */

static void
print_plan(const char *verb, const char *application, const struct str *names, int n,
	const char *state)
{
	printf("%s group %s with its committed offsets\n", verb, application);
	for (int i = 0; i < n; i++)
		printf("%s topic %.*s\n", verb, STR_ARG(names[i]));
	printf("%s the state in %s\n", verb, state);
	fflush(stdout);
}

/* Nothing is said to be removed before it is. */
static int
execute(struct run *run, const char *application, struct str *names, int n, struct err *e)
{
	struct state_dir state;
	if (state_dir_open(&state, reset_opts.state_dir, application, e) < 0)
		return -1;
	if (delete_group(run, application) == 0) {
		delete_topics(run, names, n);
		if (!run->nfailed)
			remove_state(run, &state);
		if (!run->nfailed)
			print_plan("removed", application, names, n, state.path);
	}
	state_dir_close(&state);
	return 0;
}

static int
reset(struct run *run, const char *application, const char *path, bool has_state, struct err *e)
{
	struct str *names;
	bool has_group;
	int n = list_topics(run, application, &names, &has_group);
	if (n < 0)
		return 0; /* reported */
	if (n == 0 && !has_group && !has_state)
		return err_set(e, ERR_PEER, "nothing is known of an application '%.100s': there are no "
			"group, no internal topics and no folder '%.100s'", application, path);
	if (reset_opts.executes)
		return execute(run, application, names, n, e);
	print_plan("would remove", application, names, n, path);
	printf("--execute does it; results in other topics stay\n");
	return 0;
}

int
run_reset(int argc, char **argv)
{
	struct run run;
	struct err e;
	char *path;
	(void)argc;
	int has_state = state_dir_exists(reset_opts.state_dir, argv[0], &path, &e);
	if (has_state < 0)
		return say_err(&e, false);
	int code = run_open(&run, &reset_opts.run, "kq-stream");
	if (code == 0) {
		code = reset(&run, argv[0], path, has_state, &e) < 0 ? say_err(&e, false) : 0;
		run.ndone++;
		code = run_end(&run, code);
	}
	mem_free(path);
	return code;
}
