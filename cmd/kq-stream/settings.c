#include "kq-stream/settings.h"

#include "text/ytree.h"

enum { NOT_GIVEN = -2 };

static struct {
	const char *application, *guarantee, *errors, *dead_letter, *window_key, *state_dir,
		*protocol, *instance;
	int64_t nthread, nstandby, commit_ms, memory_max, idle_ms, session_ms;
	bool until_end;
} given = { .nthread = NOT_GIVEN, .nstandby = NOT_GIVEN, .commit_ms = NOT_GIVEN,
	.memory_max = NOT_GIVEN, .idle_ms = NOT_GIVEN, .session_ms = NOT_GIVEN };

const struct opt settings_opts[] = {
	OPT_STRING('a', "application", &given.application, "ID",
		"application ID: the consumer group, and the prefix of internal topics (default: made "
		"from the name of the YAML file, or from the topics; with stdout from the steps, "
		"too)", .max = PLAN_APPLICATION_MAX),
	OPT_CHOICE(0, "guarantee", &given.guarantee, "NAME", "exactly-once|at-least-once",
		"for results in topics (default exactly-once)"),
	OPT_CHOICE('e', "errors", &given.errors, "ACTION", "fail|skip|dead-letter",
		"for records that cannot be read or processed (default fail)"),
	OPT_STRING(0, "dead-letter", &given.dead_letter, "TOPIC",
		"topic of such records, with the reason in headers; means --errors dead-letter"),
	OPT_CHOICE(0, "window-key", &given.window_key, "FORMAT", "json|kafka",
		"windowed keys in topics: JSON (default), or as Kafka's serializers write them"),
	OPT_BOOL(0, "until-end", &given.until_end,
		"end where the topics end now; what is still open comes out"),
	OPT_INT(0, "threads", &given.nthread, "N", 1, 256, "number of threads (default 1)"),
	OPT_INT(0, "standby", &given.nstandby, "N", 0, 16, "warm copies of the state (default 0)"),
	OPT_DURATION(0, "commit-interval", &given.commit_ms, "TIME", 1, 600000,
		"commit this often (default 100ms)"),
	OPT_DURATION(0, "idle", &given.idle_ms, "TIME", 0, INT32_MAX,
		"wait so long for a partition without records, to take records in order of time "
		"(default 0: only for what the brokers have)"),
	OPT_SIZE('m', "memory", &given.memory_max, "SIZE", 1 << 20, INT64_MAX,
		"state in memory; what is beyond it is on disk (default: no limit)"),
	OPT_STRING(0, "state-dir", &given.state_dir, "DIR",
		"where state is kept on disk (default ~/.local/state/kq-stream)"),
	OPT_CHOICE(0, "protocol", &given.protocol, "NAME", "auto|classic|consumer",
		"protocol of the group (default auto: consumer, if the broker has it)"),
	OPT_STRING(0, "instance", &given.instance, "ID",
		"be a static member of the group, with this ID (group.instance.id); thread N adds -N",
		.max = PLAN_INSTANCE_MAX),
	OPT_DURATION(0, "session", &given.session_ms, "TIME", 1, INT32_MAX,
		"session timeout of the classic protocol: a process silent for longer loses its tasks"),
	OPT_END
};

static const struct opt *
find(const char *name, struct err *e)
{
	const char *words[ARRAY_LEN(settings_opts) + 1] = { "streams" };
	for (size_t i = 0; settings_opts[i].kind != OPT_KIND_END; i++) {
		if (strcmp(settings_opts[i].name, name) == 0)
			return &settings_opts[i];
		words[i + 1] = settings_opts[i].name;
	}
	const char *near = opt_suggest(name, words);
	if (near)
		err_set(e, ERR_USAGE, "key '%.60s' is not known; did you mean '%s'?", name, near);
	else
		err_set(e, ERR_USAGE, "key '%.60s' is not known: streams, or a setting of "
			"kq-stream --help", name);
	return NULL;
}

static bool
is_given(const struct opt *opt)
{
	return opt->kind == OPT_KIND_BOOL ? *opt->to_bool
		: opt->kind == OPT_KIND_STRING ? *opt->to_string != NULL : *opt->to_int != NOT_GIVEN;
}

int
settings_check(const char *name, struct err *e)
{
	return find(name, e) ? 0 : -1;
}

int
settings_set(const char *name, const char *text, struct err *e)
{
	const struct opt *opt = find(name, e);
	if (!opt)
		return -1;
	if (opt->kind == OPT_KIND_BOOL && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return err_set(e, ERR_USAGE, "%s: '%.60s' is not true or false", name, text);
	if (is_given(opt) || (opt->kind == OPT_KIND_BOOL && strcmp(text, "false") == 0))
		return 0;
	if (opt_take(opt, text, e) < 0)
		return err_wrap(e, "%s", name);
	return 0;
}

void
settings_forget(void)
{
	for (const struct opt *opt = settings_opts; opt->kind != OPT_KIND_END; opt++) {
		if (opt->kind == OPT_KIND_BOOL)
			*opt->to_bool = false;
		else if (opt->kind == OPT_KIND_STRING)
			*opt->to_string = NULL;
		else
			*opt->to_int = NOT_GIVEN;
	}
}

int
settings_get(struct plan_settings *settings, struct err *e)
{
	bool is_dead_letter = given.errors && strcmp(given.errors, "dead-letter") == 0;
	if (is_dead_letter && !given.dead_letter)
		return err_set(e, ERR_USAGE, "errors dead-letter needs a topic: --dead-letter TOPIC");
	if (given.dead_letter && given.errors && !is_dead_letter)
		return err_set(e, ERR_USAGE, "a dead-letter topic is not used with errors %s",
			given.errors);
	if (given.application && (!*given.application
		|| given.application[strspn(given.application, "abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")]))
		return err_set(e, ERR_USAGE, "application '%.60s': letters, digits, '.', '_' and '-' make "
			"an ID", given.application);
	if (given.instance && !*given.instance)
		return err_set(e, ERR_USAGE, "instance: the ID is empty");
	*settings = (struct plan_settings){
		.application = given.application,
		.guarantee = given.guarantee && strcmp(given.guarantee, "at-least-once") == 0
			? PLAN_AT_LEAST_ONCE : PLAN_EXACTLY_ONCE,
		.errors = given.dead_letter ? PLAN_DEAD_LETTER
			: given.errors && strcmp(given.errors, "skip") == 0 ? PLAN_SKIP : PLAN_FAIL,
		.dead_letter = given.dead_letter,
		.window_key_is_kafka = given.window_key && strcmp(given.window_key, "kafka") == 0,
		.until_end = given.until_end,
		.nthread = given.nthread < 0 ? 1 : (int)given.nthread,
		.nstandby = given.nstandby < 0 ? 0 : (int)given.nstandby,
		.commit_ms = given.commit_ms < 0 ? 100 : given.commit_ms,
		.memory_max = given.memory_max < 0 ? 0 : given.memory_max,
		.idle_ms = given.idle_ms < 0 ? 0 : given.idle_ms,
		.state_dir = given.state_dir,
		.instance = given.instance,
		.protocol = given.protocol ? given.protocol : "auto",
		.session_ms = given.session_ms < 0 ? 0 : given.session_ms,
	};
	return 0;
}

void
settings_print_yaml(struct buf *out)
{
	for (const struct opt *opt = settings_opts; opt->kind != OPT_KIND_END; opt++) {
		if (!is_given(opt))
			continue;
		switch (opt->kind) {
		case OPT_KIND_BOOL: buf_printf(out, "%s: true\n", opt->name); break;
		case OPT_KIND_STRING:
			buf_printf(out, "%s: ", opt->name);
			ytree_put_text(str_of(*opt->to_string), out);
			buf_putc(out, '\n');
			break;
		case OPT_KIND_DURATION: buf_printf(out, "%s: %lldms\n", opt->name,
			(long long)*opt->to_int); break;
		default: buf_printf(out, "%s: %lld\n", opt->name, (long long)*opt->to_int); break;
		}
	}
}
