#include "kq-stream/run.h"

#include "kq-stream/explain.h"
#include "kq-stream/explain_topics.h"
#include "kq-stream/local.h"
#include "kq-stream/resolve.h"
#include "kq-stream/settings.h"
#include "kq-stream/testing.h"
#include "kq-stream/yaml.h"
#include "kq-stream/topics.h"
#include "sys/sig.h"
#include "sys/stdfd.h"
#include "text/say.h"
#include "text/units.h"

#include <stdio.h>
#include <unistd.h>

struct run_flags run_flags;

/* ---- reading the application ---- */

/* An application as it was read. */
struct app {
	struct steps steps;
	struct plan *plan;
	struct program *program;
};

static void
app_release(struct app *app)
{
	program_free(app->program);
	plan_free(app->plan);
	steps_release(&app->steps);
}

/* Print the expression, and a caret below the place where it is wrong. */
static void
print_fault(const struct program_fault *fault)
{
	const char *line = fault->expr.text;
	for (int i = 1; i < fault->line && line; i++)
		line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
	if (!line || fault->column < 1)
		return;
	struct buf b = BUF_INIT;
	buf_puts(&b, "  ");
	for (const char *p = line; *p && *p != '\n'; p++)
		buf_putc(&b, *p == '\t' || (unsigned char)*p >= ' ' ? *p : '?');
	buf_puts(&b, "\n  ");
	int left = fault->column - 1;
	for (const char *p = line; *p && *p != '\n' && left > 0; p++)
		if (((unsigned char)*p & 0xc0) != 0x80) {
			buf_putc(&b, *p == '\t' ? '\t' : ' ');
			left--;
		}
	fprintf(stderr, "%.*s^\n", (int)b.n, (const char *)b.p);
	buf_release(&b);
}

/* Steps to a program.  0; or the exit code, after reporting the failure. */
static int
app_make(struct app *app)
{
	struct plan_settings settings;
	struct program_fault fault = { .line = 0 };
	struct err e;
	if (settings_get(&settings, &e) < 0)
		return say_err(&e, false);
	app->plan = plan_new(&app->steps, &settings, &e);
	if (!app->plan)
		return say_err(&e, false);
	app->program = program_new(app->plan, &fault, &e);
	if (app->program)
		return 0;
	int code = say_err(&e, false);
	print_fault(&fault);
	return code;
}

/* The words after 'from', which the option parser has taken as its verb. */
static int
app_from_words(struct app *app, int argc, char **argv)
{
	static char from[] = "from";
	struct err e;
	char **words = mem_alloc((size_t)(argc + 1) * sizeof *words);
	words[0] = from;
	memcpy(words + 1, argv, (size_t)argc * sizeof *words);
	int rc = steps_parse_words(&app->steps, argc + 1, words, &e);
	mem_free(words);
	return rc < 0 ? say_err(&e, false) : app_make(app);
}

static int
app_from_file(struct app *app, const char *path)
{
	static const char *const others[] = { "tests", NULL };
	struct err e;
	struct ytree *root = yaml_open(&app->steps, path, &e);
	if (!root || yaml_take(&app->steps, root, others, &e) < 0)
		return say_err(&e, false);
	return app_make(app);
}

static int
print_yaml(const struct app *app)
{
	struct buf b = BUF_INIT;
	yaml_print(&app->steps, &b);
	fwrite(b.p, 1, b.n, stdout);
	buf_release(&b);
	return say_flush_stdout();
}

/* ---- running ---- */

static struct cluster_opts
cluster(int wake_fd)
{
	return (struct cluster_opts){ .brokers = run_flags.brokers, .client_id = "kq-stream",
		.wait_ms = (int)run_flags.wait_ms, .say = say_error, .wake_fd = wake_fd };
}

static int
run_locally(struct app *app)
{
	struct err e;
	if (app->plan->settings.errors == PLAN_DEAD_LETTER) {
		err_set(&e, ERR_USAGE, "a dead-letter topic is for records of topics, not of stdin; "
			"--errors skip counts them");
		return say_err(&e, false);
	}
	if (stdfd_need(STDIN_FILENO, &e) < 0 || stdfd_need(STDOUT_FILENO, &e) < 0)
		return say_err(&e, false);
	signal(SIGPIPE, SIG_IGN);
	int wake_fd = sig_catch(true, &e);
	if (wake_fd < 0)
		return say_err(&e, false);
	struct cluster_opts o = cluster(wake_fd);
	return local_run(app->program, &o, &e) < 0 ? say_err(&e, false) : EXIT_DONE;
}

/* Can the plan run on topics? */
static int
check_topics(const struct plan *plan, struct err *e)
{
	for (int i = 0; i < plan->nsource; i++)
		if (plan->source[i].is_stdin)
			return err_set(e, ERR_USAGE, "stdin cannot be read together with topics, except "
				"global tables (as global); put it into a topic first, with kq-produce");
	return 0;
}

static void
tell_count(int64_t n, const char *what)
{
	if (n > 0)
		fprintf(stderr, "%lld record%s %s\n", (long long)n, units_plural(n), what);
}

static void
tell_counts(const struct topics_counts *counts)
{
	fprintf(stderr, "%lld record%s in, %lld out\n", (long long)counts->in,
		units_plural(counts->in), (long long)counts->out);
	tell_count(counts->restored, "restored from changelogs");
	tell_count(counts->late, "came too late, dropped");
	tell_count(counts->late_partly, "came too late for some of the windows");
	tell_count(counts->late_kept, "came too late, sent on by 'late'");
	tell_count(counts->dropped, "without a key, or value, where one is needed, dropped");
	tell_count(counts->failed, "could not be processed");
	if (counts->late > 0)
		fprintf(stderr, "'grace' lets windows wait for late records, --idle waits for partitions "
			"that get theirs later, 'late' sends them on\n");
}

/* Whoever has run the same before may wonder. */
static void
tell_way_on(const char *id)
{
	fprintf(stderr, "application %s takes no record twice: -a ID begins another one, and "
		"'kq-stream reset %s' this one again\n", id, id);
}

static int
run_on_topics(struct app *app)
{
	struct topics_counts counts = { 0 };
	struct err e;
	if (check_topics(app->plan, &e) < 0)
		return say_err(&e, false);
	signal(SIGPIPE, SIG_IGN);
	int wake_fd = sig_catch(false, &e);
	if (wake_fd < 0)
		return say_err(&e, false);
	struct topics_opts o = { .cluster = cluster(wake_fd) };
	int rc = topics_run(app->plan, &o, &counts, &e);
	int code = rc < 0 ? say_err(&e, false) : EXIT_DONE;
	if ((rc == 0 && !counts.is_reader_gone) || counts.in > 0 || counts.failed > 0)
		tell_counts(&counts);
	if (counts.is_reader_gone)
		fprintf(stderr, "the reader of stdout is gone: records that are not committed come again "
			"with the next start\n");
	else if (rc == 0 && counts.in == 0 && app->plan->has_default_id)
		tell_way_on(app->plan->settings.application);
	return code;
}

static int
app_run(struct app *app)
{
	if (run_flags.prints_yaml)
		return print_yaml(app);
	return plan_is_local(app->plan) ? run_locally(app) : run_on_topics(app);
}

int
run_from(int argc, char **argv)
{
	struct app app = { .plan = NULL };
	int code = app_from_words(&app, argc, argv);
	if (code == 0)
		code = app_run(&app);
	app_release(&app);
	return sig_end(code);
}

int
run_file(int argc, char **argv)
{
	(void)argc;
	struct app app = { .plan = NULL };
	int code = app_from_file(&app, argv[0]);
	if (code == 0)
		code = app_run(&app);
	app_release(&app);
	return sig_end(code);
}

/* ---- explain ---- */

static int
explain(const struct app *app)
{
	struct buf b = BUF_INIT;
	struct err e;
	int rc = 0;
	if (run_flags.draws_svg)
		rc = explain_svg(app->program, &e);
	else if (run_flags.prints_dot)
		explain_dot(app->program, &b);
	else
		rc = explain_text(app->program, &b, &e);
	bool is_text = !run_flags.draws_svg && !run_flags.prints_dot;
	struct cluster_opts o = cluster(0);
	bool is_drawn = rc == 0;
	if (is_drawn && is_text && !plan_is_local(app->plan))
		rc = explain_topics(app->program, run_flags.brokers ? &o : NULL, &b, &e);
	if (b.n > 0 && is_drawn)
		fwrite(b.p, 1, b.n, stdout);
	buf_release(&b);
	return rc < 0 ? say_err(&e, false) : say_flush_stdout();
}

int
run_explain(int argc, char **argv)
{
	struct app app = { .plan = NULL };
	struct err e;
	bool is_words = strcmp(argv[0], "from") == 0;
	int code;
	if (!is_words && argc > 1) {
		err_set(&e, ERR_USAGE, "one FILE is expected, or: kq-stream explain from TOPIC ...");
		code = say_err(&e, false);
	} else {
		code = is_words ? app_from_words(&app, argc - 1, argv + 1) : app_from_file(&app, argv[0]);
		if (!is_words && code && access(argv[0], F_OK) < 0)
			fprintf(stderr, "the steps of a command line begin with from: kq-stream explain from "
				"%s ...\n", argv[0]);
	}
	if (code == 0)
		code = explain(&app);
	app_release(&app);
	return code;
}

/* ---- test ---- */

/* The path of the application: beside the file of tests. */
static const char *
beside(struct app *app, const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	if (*path == '/' || !slash)
		return path;
	return arena_printf(&app->steps.arena, "%.*s/%s", (int)(slash - file), file, path);
}

/* Read the application of a file of tests.  The tests; or NULL with the exit code, after
 * reporting why not. */
static const struct ytree *
read_tests(struct app *app, const char *file, int *code)
{
	static const char *const others[] = { "tests", NULL };
	struct err e;
	struct ytree *root = yaml_open(&app->steps, file, &e);
	const struct ytree *run = root ? ytree_get(root, "run") : NULL;
	const struct ytree *application = root;
	if (run && run->kind != YTREE_TEXT) {
		err_set(&e, ERR_USAGE, "%s:%d: run is the path of a file", file, run->line);
		application = NULL;
	} else if (run) {
		application = yaml_open(&app->steps, beside(app, file, run->text), &e);
	}
	if (!application || yaml_take(&app->steps, application, others, &e) < 0) {
		*code = say_err(&e, false);
		return NULL;
	}
	static const struct ytree none = { .kind = YTREE_TEXT };
	const struct ytree *tests = ytree_get(root, "tests");
	return tests ? tests : &none;
}

int
run_test(int argc, char **argv)
{
	(void)argc;
	struct app app = { .plan = NULL };
	struct err e;
	int code;
	const struct ytree *tests = read_tests(&app, argv[0], &code);
	if (tests)
		code = app_make(&app);
	if (code == 0) {
		int nfailed = testing_run(app.program, argv[0], tests, &e);
		code = nfailed < 0 ? say_err(&e, false) : nfailed > 0 ? EXIT_FAILED : EXIT_DONE;
	}
	int flushed = say_flush_stdout();
	app_release(&app);
	return code ? code : flushed;
}
