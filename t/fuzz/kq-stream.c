/*
 * An application of kq-stream, in either notation: words of a command line, one a line, or a
 * YAML file if the first byte is 'y'.  It is parsed, printed as YAML, which must mean the
 * same, made a plan and a program, and drawn.  Nothing runs: no command of exec either.
 */
#include "kq-stream/explain.h"
#include "kq-stream/layout.h"
#include "kq-stream/resolve.h"
#include "kq-stream/settings.h"
#include "kq-stream/yaml.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_ = 8192, WORDS_MAX = 512, PARTS = 3 };

static int
parse_yaml(struct steps *steps, struct str text, struct err *e)
{
	static const char *const others[] = { "tests", NULL };
	steps->file = "app.yaml";
	const struct ytree *root = ytree_parse(steps->file, text, &steps->arena, e);
	if (!root)
		return -1;
	if (root->kind != YTREE_MAP)
		return err_set(e, ERR_USAGE, "no map");
	return yaml_take(steps, root, others, e);
}

static int
parse_words(struct steps *steps, char *text, struct err *e)
{
	char *word[WORDS_MAX];
	int n = 0;
	for (char *p = text; p && n < WORDS_MAX;) {
		char *end = strchr(p, '\n');
		word[n++] = p;
		if (end)
			*end++ = 0;
		p = end;
	}
	return steps_parse_words(steps, n, word, e);
}

/* What is printed as YAML reads as what was printed. */
static void
check_print(const struct steps *steps)
{
	struct steps again = { .file = NULL };
	struct buf first = BUF_INIT, second = BUF_INIT;
	struct err e;
	yaml_print(steps, &first);
	settings_forget();
	if (parse_yaml(&again, buf_str(&first), &e) < 0) {
		fprintf(stderr, "%s\n%.*s", e.msg, (int)first.n, (const char *)first.p);
		abort();
	}
	yaml_print(&again, &second);
	if (!str_eq(buf_str(&first), buf_str(&second))) {
		fprintf(stderr, "%.*s---\n%.*s", (int)first.n, (const char *)first.p, (int)second.n,
			(const char *)second.p);
		abort();
	}
	settings_forget();
	steps_release(&again);
	buf_release(&first);
	buf_release(&second);
}

static void
check_layout(const struct program *program)
{
	struct layout layout;
	struct err e;
	layout_init(&layout, program->topo, topology_application(program->topo));
	for (int i = 0; i < layout.nsource; i++)
		if (!layout.source[i].is_internal)
			layout.source[i].npart = PARTS;
	if (layout_solve(&layout, &e) < 0)
		assert(e.class == ERR_USAGE);
	layout_release(&layout);
}

static void
check_program(const struct plan *plan)
{
	struct program_fault fault = { .line = 0 };
	struct buf drawn = BUF_INIT;
	struct err e;
	struct program *program = program_new(plan, &fault, &e);
	if (!program) {
		assert(e.class == ERR_USAGE);
		return;
	}
	if (explain_text(program, &drawn, &e) < 0)
		assert(e.class == ERR_USAGE);
	explain_dot(program, &drawn);
	check_layout(program);
	buf_release(&drawn);
	program_free(program);
}

/* Its settings are still those that were parsed. */
static void
check_plan(const struct steps *steps)
{
	struct plan_settings settings;
	struct err e;
	struct plan *plan = settings_get(&settings, &e) < 0 ? NULL : plan_new(steps, &settings, &e);
	if (plan)
		check_program(plan);
	else
		assert(e.class == ERR_USAGE);
	plan_free(plan);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct steps steps = { .file = NULL };
	struct err e = { .class = ERR_NONE };
	if (size < 1 || size > SIZE_MAX_)
		return 0;
	struct str text = { data + 1, (int32_t)size - 1 };
	char *copy = mem_strndup(text);
	int rc = *data == 'y' ? parse_yaml(&steps, text, &e) : parse_words(&steps, copy, &e);
	if (rc == 0) {
		check_plan(&steps);
		check_print(&steps);
	} else {
		assert(e.class == ERR_USAGE && *e.msg);
	}
	settings_forget();
	steps_release(&steps);
	mem_free(copy);
	return 0;
}
