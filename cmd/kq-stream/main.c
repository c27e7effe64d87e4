/* kq-stream: stream processing over topics, stdin and stdout. */
#include "kq-stream/ps.h"
#include "kq-stream/query.h"
#include "kq-stream/reset.h"
#include "kq-stream/run.h"
#include "kq-stream/settings.h"
#include "kq-stream/steps.h"
#include "text/opt.h"
#include "text/say.h"
#include "tool/run.h"

#include <stdio.h>

static const struct opt from_opts[] = {
	RUN_OPT_BROKERS(&run_flags.brokers),
	RUN_OPT_WAIT(&run_flags.wait_ms),
	OPT_BOOL(0, "print-yaml", &run_flags.prints_yaml, "print it as YAML instead of running it"),
	OPT_END
};

static const struct opt explain_opts[] = {
	RUN_OPT_BROKERS(&run_flags.brokers),
	RUN_OPT_WAIT(&run_flags.wait_ms),
	OPT_BOOL(0, "svg", &run_flags.draws_svg, "print SVG, drawn by Graphviz's dot"),
	OPT_BOOL(0, "dot", &run_flags.prints_dot, "print the graph for dot"),
	OPT_END
};

static const struct opt reset_options[] = {
	RUN_OPT_BROKERS(&reset_opts.run.brokers),
	RUN_OPT_WAIT(&reset_opts.run.wait_ms),
	OPT_BOOL(0, "execute", &reset_opts.executes, "do it; otherwise it is only printed"),
	OPT_STRING(0, "state-dir", &reset_opts.state_dir, "DIR", "where the state is kept on disk"),
	OPT_END
};

#define OPT_JSON(to_) OPT_BOOL('J', "json", to_, "print one JSON object per line")

static const struct opt ps_options[] = {
	OPT_JSON(&ps_opts.is_json),
	OPT_END
};

static const struct opt stop_options[] = {
	OPT_BOOL(0, "all", &ps_opts.all, "stop all processes of the application"),
	OPT_DURATION(0, "wait", &ps_opts.wait_ms, "TIME", 0, INT32_MAX,
		"wait so long for the end of each (default 60s)"),
	OPT_END
};

static const struct opt query_options[] = {
	OPT_PAIR(0, "range", query_opts.range, "A B", "rows with keys from A to B, both included, in "
		"the order of their bytes"),
	OPT_PAIR(0, "window", query_opts.window, "T1 T2", "windows with a time from T1 to before T2"),
	OPT_INT(0, "limit", &query_opts.limit, "N", 1, INT64_MAX, "at most N rows"),
	OPT_JSON(&query_opts.is_json),
	OPT_END
};

static const struct opt_verb verbs[] = {
	OPT_VERB("from", "TOPIC [WORD]...", "process the records of topics, or of stdin (-)", from_opts,
		run_from, .shared = settings_opts),
	OPT_VERB("run", "FILE", "run the application of a YAML file", from_opts, run_file,
		.shared = settings_opts),
	OPT_VERB("explain", "FILE [WORD...]", "show the plan of a YAML file, or of the words of from",
		explain_opts, run_explain, .shared = settings_opts),
	OPT_VERB("test", "FILE", "compare what given records give with what is expected",
		NULL, run_test, .shared = settings_opts),
	OPT_VERB("ps", "", "list the applications that run on this machine", ps_options, run_ps),
	OPT_VERB("describe", "APPLICATION", "show its tasks: lag, stream time, state, late records",
		ps_options, run_describe),
	OPT_VERB("query", "APPLICATION [STORE [KEY]]", "show rows of a store, or its stores",
		query_options, run_query),
	OPT_VERB("stop", "APPLICATION [PID]", "end it cleanly, and wait until it has ended",
		stop_options, run_stop),
	OPT_VERB("reset", "APPLICATION", "remove its group, internal topics and local state",
		reset_options, run_reset),
	OPT_VERB_END
};

static struct opt_command command = {
	.operands = "VERB [WORD]...",
	.phrase = "stream processing over Kafka topics, stdin and stdout",
	.examples =
		"  kq-stream from orders then filter '.amount > 100' then map '{id, amount}' then to big\n"
		"  kq-stream from orders time .ts then by .customer then window tumbling 1m grace 10s \\\n"
		"    then agg total='sum(.amount)' n=count then emit final then to totals\n"
		"  zcat access.json.gz | kq-stream from - time .ts then by .status \\\n"
		"    then window hopping 5m every 1m then agg n=count then to -\n"
		"  kq-stream from clicks then join left users on .user then to enriched\n",
	.verbs = verbs,
};

/* The notes of --help: the steps, from their table. */
static char *
make_notes(void)
{
	struct buf b = BUF_INIT;
	buf_puts(&b, "Steps, to be chained by 'then'; kq-stream STEP --help explains one:\n");
	for (int i = 0; i < STEP_NKIND; i++)
		buf_printf(&b, "  %-12s %s%s\n", step_verbs[i].name, step_verbs[i].phrase,
			step_verbs[i].is_yaml_only ? " (YAML)" : "");
	buf_puts(&b, "\n"
		"A topic of - is stdin or stdout: one JSON value a line, and no broker is needed.\n");
	char *notes = mem_strndup(buf_str(&b));
	buf_release(&b);
	return notes;
}

static const struct step_verb *
find_step(const char *name)
{
	struct err e;
	return step_find_verb(name, &e);
}

/* "STEP --help", "help STEP", and "... then STEP ... --help". */
static const struct step_verb *
step_of_help(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "help") == 0)
		return find_step(argv[2]);
	const struct step_verb *last = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return last;
		if (i == 1 || strcmp(argv[i - 1], "then") == 0)
			last = find_step(argv[i]);
	}
	return NULL;
}

static int
check(struct opt_result *result, struct err *e)
{
	const char *operands = result->verb->operands;
	return opt_check_operands(result, result->verb->run == run_from ? "topic"
		: strncmp(operands, "APPLICATION", 11) == 0 ? "application" : "file", e);
}

int
main(int argc, char **argv)
{
	const struct step_verb *step = step_of_help(argc, argv);
	bool is_mdoc = argc == 2 && strcmp(argv[1], "--help=steps-mdoc") == 0;
	if (step || is_mdoc) {
		say_init(argv[0]);
		if (is_mdoc)
			step_print_mdoc();
		else
			step_print_help(step);
		return say_flush_stdout();
	}
	if (argc == 2 && strcmp(argv[1], "--help=words") == 0)
		step_print_words();
	step = argc > 1 ? find_step(argv[1]) : NULL;
	if (step && step->kind != STEP_FROM) {
		struct err e;
		say_init(argv[0]);
		err_set(&e, ERR_USAGE, "'%s' is a step: kq-stream from TOPIC then %s ...; see kq-stream %s "
			"--help", step->name, step->name, step->name);
		return say_err(&e, false);
	}
	char *notes = make_notes();
	command.notes = notes;
	int code = opt_main(&command, argc, argv, check);
	mem_free(notes);
	return code;
}
