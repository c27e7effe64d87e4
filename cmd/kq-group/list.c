#include "kq-group/list.h"
#include "kq-group/verbs.h"

#include "proto.h"
#include "sys/clock.h"
#include "text/opt.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
	STATES_FROM = 4, TYPES_FROM = 5, /* versions that report them */
	RETRY_MS = 100,
};

static bool
is_same_word(struct str word, const char *name)
{
	return word.n == (int32_t)strlen(name)
		&& strncasecmp((const char *)word.p, name, (size_t)word.n) == 0;
}

static int
by_id(const void *a, const void *b)
{
	return str_cmp(((const struct listed *)a)->id, ((const struct listed *)b)->id);
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
list_groups(struct run *run, struct listed **v)
{
	struct list_groups_response answer;
	struct err e;
	int version = run_version(run, API_LIST_GROUPS), n = 0;
	*v = NULL;
	if (!run->cluster.has_metadata && cluster_refresh(&run->cluster, &e) < 0) {
		run_failed(run, &e);
		return 0;
	}
	for (int i = 0; i < run->cluster.nnode; i++) {
		if (run->cluster.node[i]->is_gone || ask(run, run->cluster.node[i]->id, &answer) < 0)
			continue;
		struct listed *all = arena_alloc(&run->arena,
			(size_t)(n + MAX(answer.groups.n, 0)) * sizeof *all + 1);
		if (n > 0)
			memcpy(all, *v, (size_t)n * sizeof *all);
		for (int32_t k = 0; k < answer.groups.n; k++)
			all[n++] = (struct listed){ answer.groups.v[k].group_id,
				version >= TYPES_FROM ? answer.groups.v[k].group_type : STR("classic"),
				answer.groups.v[k].protocol_type,
				version >= STATES_FROM ? answer.groups.v[k].group_state : STR_NULL };
		*v = all;
	}
	if (n > 0)
		qsort(*v, (size_t)n, sizeof **v, by_id);
	return n;
}

static int
names_of(struct run *run, struct str **names)
{
	struct listed *v;
	int n = list_groups(run, &v);
	*names = arena_alloc(&run->arena, (size_t)n * sizeof **names + 1);
	int nname = 0;
	for (int i = 0; i < n; i++)
		if (is_same_word(v[i].type, "classic") || is_same_word(v[i].type, "consumer"))
			(*names)[nname++] = v[i].id;
	return nname;
}

struct str
list_type(struct run *run, const struct look_group *group)
{
	struct list_groups_response answer;
	if (run_version(run, API_LIST_GROUPS) < TYPES_FROM || ask(run, group->coordinator, &answer) < 0)
		return STR_NULL;
	for (int32_t i = 0; i < answer.groups.n; i++)
		if (str_eq(answer.groups.v[i].group_id, group->id))
			return answer.groups.v[i].group_type;
	return STR_NULL;
}

int
list_open(struct run *run, int argc, char **argv, struct look_group **v, int *n)
{
	int code = group_run_open(run);
	if (code)
		return code;
	struct str *names;
	*n = group_options.takes_all ? names_of(run, &names) : argc;
	*v = group_options.takes_all ? look_groups_find(run, n, names)
		: look_groups_named(run, n, argv);
	return 0;
}

/* ---- the verb ---- */

static const char *const states[] = { "PreparingRebalance", "CompletingRebalance", "Stable", "Dead",
	"Empty", "Assigning", "Reconciling", "NotReady", NULL };
static const char *const types[] = { "Classic", "Consumer", "Share", "Streams", NULL };

/* Take the next word of a list with commas; null at the end. */
static struct str
next_word(const char **at)
{
	*at += strspn(*at, ", ");
	struct str word = { (const uint8_t *)*at, (int32_t)strcspn(*at, ", ") };
	*at += word.n;
	return word.n ? word : STR_NULL;
}

static int
check_words(const char *text, const char *const *known, const char *option, struct err *e)
{
	struct str word;
	for (const char *at = text ? text : ""; (word = next_word(&at)).n > 0;) {
		int i = 0;
		while (known[i] && !is_same_word(word, known[i]))
			i++;
		if (known[i])
			continue;
		char shown[80];
		snprintf(shown, sizeof shown, "%.*s", STR_ARG(word));
		shown[0] = (char)toupper((unsigned char)shown[0]);
		const char *near = opt_suggest(shown, known);
		if (near)
			return err_set(e, ERR_USAGE, "option '--%s': '%.*s' is not known; did you mean '%s'?",
				option, STR_ARG(word), near);
		return err_set(e, ERR_USAGE, "option '--%s': '%.*s' is not known", option, STR_ARG(word));
	}
	return 0;
}

/* Is s one of the words in text?  Without text, all are. */
static bool
is_wanted(struct str s, const char *text)
{
	struct str word;
	if (!text)
		return true;
	for (const char *at = text; (word = next_word(&at)).n > 0;)
		if (word.n == s.n && strncasecmp((const char *)s.p, (const char *)word.p, (size_t)s.n) == 0)
			return true;
	return false;
}

static void
print(struct run *run, const struct listed *one)
{
	if (group_options.is_json) {
		json_t *o = json_object();
		json_set_bytes(o, "group", one->id);
		json_set_bytes(o, "type", one->type);
		json_set_bytes(o, "protocol", one->protocol_type);
		json_set_bytes(o, "state", one->state);
		json_print(o);
		return;
	}
	put_text(one->id);
	printf("\t%s\t%s\t%s\n", put_cell(&run->arena, one->type),
		put_cell(&run->arena, one->protocol_type), put_cell(&run->arena, one->state));
}

int
verb_group_list(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct run run;
	struct err e;
	struct listed *v;
	if (check_words(group_options.states, states, "state", &e) < 0
		|| check_words(group_options.types, types, "type", &e) < 0)
		return say_err(&e, false);
	int code = group_run_open(&run);
	if (code)
		return code;
	int n = list_groups(&run, &v);
	run.ndone += n > 0;
	if (group_options.states && run_version(&run, API_LIST_GROUPS) < STATES_FROM) {
		err_set(&e, ERR_PEER, "the broker does not report the states of groups");
		run_failed(&run, &e);
		n = 0;
	}
	for (int i = 0; i < n; i++)
		if (is_wanted(v[i].state, group_options.states)
			&& is_wanted(v[i].type, group_options.types))
			print(&run, &v[i]);
	return run_close(&run);
}
