/* kq-group list. */
#include "kq-group/look_list.h"
#include "kq-group/verbs.h"

#include "proto.h"
#include "text/opt.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

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
		while (known[i] && !look_list_is(word, known[i]))
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
print(struct run *run, const struct look_listed *one)
{
	if (group_options.is_json) {
		json_t *object = json_object();
		json_set_bytes(object, "group", one->id);
		json_set_bytes(object, "type", one->type);
		json_set_bytes(object, "protocol", one->protocol_type);
		json_set_bytes(object, "state", one->state);
		json_print(object);
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
	struct look_listed *v;
	if (check_words(group_options.states, states, "state", &e) < 0
		|| check_words(group_options.types, types, "type", &e) < 0)
		return say_err(&e, false);
	int code = group_run_open(&run);
	if (code)
		return code;
	int n = look_list(&run, &v);
	run.ndone += n > 0;
	if (group_options.states
		&& cluster_version(&run.cluster, API_LIST_GROUPS) < LOOK_LIST_STATES_FROM) {
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
