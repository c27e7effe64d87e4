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
	STATES_FROM = 4, TYPES_FROM = 5, /* versions that tell them */
	RETRY_MS = 100,
};

static bool
is_same_word(struct str a, const char *b)
{
	return a.n == (int32_t)strlen(b) && strncasecmp((const char *)a.p, b, (size_t)a.n) == 0;
}

static int
by_id(const void *a, const void *b)
{
	return str_cmp(((const struct listed *)a)->id, ((const struct listed *)b)->id);
}

/* Ask one broker, again while it is still reading what it coordinates. */
static int
ask(struct run *r, int32_t node, struct list_groups_response *a)
{
	struct list_groups_request q;
	struct err e;
	int64_t until_ms = clock_mono_ms() + r->cluster.opts.topic_timeout_ms;
	wire_defaults(&list_groups_request_desc, &q);
	for (;;) {
		if (run_call(r, node, API_LIST_GROUPS, &q, a) < 0)
			return -1;
		if (!a->error_code)
			return 0;
		if (!kerr_info(a->error_code)->is_retriable || clock_mono_ms() >= until_ms
			|| r->cluster.is_woken)
			break;
		cluster_pause(&r->cluster, RETRY_MS);
	}
	cluster_peer_err(&e, a->error_code, STR_NULL);
	err_wrap(&e, "groups of broker %d", node);
	run_failed(r, &e);
	return -1;
}

int
list_groups(struct run *r, struct listed **v)
{
	struct list_groups_response a;
	struct err e;
	int version = run_version(r, API_LIST_GROUPS), n = 0;
	*v = NULL;
	if (!r->cluster.has_metadata && cluster_refresh(&r->cluster, &e) < 0) {
		run_failed(r, &e);
		return 0;
	}
	for (int i = 0; i < r->cluster.nnode; i++) {
		if (r->cluster.node[i]->is_gone || ask(r, r->cluster.node[i]->id, &a) < 0)
			continue;
		struct listed *all = arena_alloc(&r->arena,
			(size_t)(n + MAX(a.groups.n, 0)) * sizeof *all + 1);
		if (n > 0)
			memcpy(all, *v, (size_t)n * sizeof *all);
		for (int32_t k = 0; k < a.groups.n; k++)
			all[n++] = (struct listed){ a.groups.v[k].group_id,
				version >= TYPES_FROM ? a.groups.v[k].group_type : STR("classic"),
				a.groups.v[k].protocol_type,
				version >= STATES_FROM ? a.groups.v[k].group_state : STR_NULL };
		*v = all;
	}
	if (n > 0)
		qsort(*v, (size_t)n, sizeof **v, by_id);
	return n;
}

static int
names_of(struct run *r, struct str **names)
{
	struct listed *v;
	int n = list_groups(r, &v);
	*names = arena_alloc(&r->arena, (size_t)n * sizeof **names + 1);
	int nname = 0;
	for (int i = 0; i < n; i++)
		if (is_same_word(v[i].type, "classic") || is_same_word(v[i].type, "consumer"))
			(*names)[nname++] = v[i].id;
	return nname;
}

struct str
list_type(struct run *r, const struct look_group *g)
{
	struct list_groups_response a;
	if (run_version(r, API_LIST_GROUPS) < TYPES_FROM || ask(r, g->coordinator, &a) < 0)
		return STR_NULL;
	for (int32_t i = 0; i < a.groups.n; i++)
		if (str_eq(a.groups.v[i].group_id, g->id))
			return a.groups.v[i].group_type;
	return STR_NULL;
}

int
list_open(struct run *r, int argc, char **argv, struct look_group **v, int *n)
{
	int code = group_run_open(r);
	if (code)
		return code;
	struct str *names;
	*n = group_options.takes_all ? names_of(r, &names) : argc;
	*v = group_options.takes_all ? look_groups_find(r, n, names) : look_groups_named(r, n, argv);
	return 0;
}

/* --- the verb --- */

static const char *const states[] = { "PreparingRebalance", "CompletingRebalance", "Stable", "Dead",
	"Empty", "Assigning", "Reconciling", "NotReady", NULL };
static const char *const types[] = { "Classic", "Consumer", "Share", "Streams", NULL };

/* The next of the words with commas between; null at the end. */
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

/* Is s one of the words?  All are when there are none. */
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
print(struct run *r, const struct listed *g)
{
	if (group_options.is_json) {
		json_t *o = json_object();
		json_set_bytes(o, "group", g->id);
		json_set_bytes(o, "type", g->type);
		json_set_bytes(o, "protocol", g->protocol_type);
		json_set_bytes(o, "state", g->state);
		json_print(o);
		return;
	}
	put_text(g->id);
	printf("\t%s\t%s\t%s\n", put_cell(&r->arena, g->type), put_cell(&r->arena, g->protocol_type),
		put_cell(&r->arena, g->state));
}

int
verb_group_list(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct run r;
	struct err e;
	struct listed *v;
	if (check_words(group_options.states, states, "state", &e) < 0
		|| check_words(group_options.types, types, "type", &e) < 0)
		return say_err(&e, false);
	int code = group_run_open(&r);
	if (code)
		return code;
	int n = list_groups(&r, &v);
	r.ndone += n > 0;
	if (group_options.states && run_version(&r, API_LIST_GROUPS) < STATES_FROM) {
		err_set(&e, ERR_PEER, "the broker does not report the states of groups");
		run_failed(&r, &e);
		n = 0;
	}
	for (int i = 0; i < n; i++)
		if (is_wanted(v[i].state, group_options.states) && is_wanted(v[i].type, group_options.types))
			print(&r, &v[i]);
	return run_close(&r);
}
