/* kq-group seek, and import: offsets from a place or from export's output. */
#include "kq-group/offsetfile.h"
#include "kq-group/seek_plan.h"
#include "kq-group/topic_parts.h"
#include "kq-group/verbs.h"

#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/stdfd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { FILE_MAX = 256 << 20 };

/* The partitions named by the operands; none: all. */
struct scope {
	struct topic_parts *v;
	int n;
};

/* ---- the rows to move ---- */

static void
add_row(struct run *run, struct seek_plan *plan, int32_t *cap, struct row row)
{
	if (plan->rows.n == *cap) {
		struct row *old = plan->rows.v;
		*cap = MAX(2 * *cap, 64);
		plan->rows.v = arena_alloc(&run->arena, (size_t)*cap * sizeof *old);
		if (plan->rows.n > 0)
			memcpy(plan->rows.v, old, (size_t)plan->rows.n * sizeof *old);
	}
	plan->rows.v[plan->rows.n++] = row;
}

static void
add_parts(struct run *run, struct seek_plan *plan, int32_t *cap, const struct topic_parts *parts)
{
	for (int32_t i = 0; i < parts->npart; i++)
		add_row(run, plan, cap, ROW_INIT(parts->topic, parts->part[i]));
	if (parts->npart > 0)
		return; /* partitions were named */
	const char *name = arena_printf(&run->arena, "%.*s", STR_ARG(parts->topic));
	const struct cluster_topic *topic = run_topic(run, name);
	for (int32_t i = 0; topic && i < topic->npart; i++)
		add_row(run, plan, cap, ROW_INIT(parts->topic, i));
}

/* Is the partition in the scope?  An empty scope contains all. */
static bool
is_in(const struct scope *scope, struct str topic, int32_t partition)
{
	for (int i = 0; i < scope->n; i++) {
		if (!str_eq(scope->v[i].topic, topic))
			continue;
		if (scope->v[i].npart == 0)
			return true;
		for (int32_t k = 0; k < scope->v[i].npart; k++)
			if (scope->v[i].part[k] == partition)
				return true;
	}
	return scope->n == 0;
}

static void
add_lines(struct run *run, struct seek_plan *plan, const struct scope *scope,
	const struct offset_lines *lines)
{
	int32_t cap = 0;
	for (int32_t i = 0; i < lines->n; i++) {
		const struct offset_line *line = &lines->v[i];
		if (!str_eq(line->group, plan->group->id) || !is_in(scope, line->topic, line->partition))
			continue;
		struct row row = ROW_INIT(line->topic, line->partition);
		row.to = line->offset;
		row.metadata = line->metadata;
		add_row(run, plan, &cap, row);
	}
}

/* Set the committed offsets of the plan's rows. */
static void
join_committed(struct seek_plan *plan, const struct rows *committed)
{
	rows_merge(&plan->rows);
	for (int32_t i = 0; i < plan->rows.n; i++) {
		const struct row *known = rows_find(committed, plan->rows.v[i].topic,
			plan->rows.v[i].partition);
		if (known)
			plan->rows.v[i].committed = known->committed;
	}
}

/* ---- reading lines ---- */

/* Read a whole file, or stdin ("-"), which may be a pipe. */
static int
read_all(const char *path, struct buf *b, struct err *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : fs_open(AT_FDCWD, path, O_RDONLY, 0, e);
	if (fd < 0)
		return -1;
	ssize_t n;
	do {
		buf_reserve(b, 65536);
		n = read(fd, b->p + b->n, 65536);
		b->n += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && b->n <= FILE_MAX) || (n < 0 && errno == EINTR));
	int rc = n < 0 ? err_sys(e, "cannot read") : b->n > FILE_MAX
		? err_set(e, ERR_LIMIT, "more than %d bytes", FILE_MAX) : 0;
	if (!is_stdin)
		close(fd);
	return rc;
}

/* Read and parse lines, as offset_lines_parse does. */
static int
read_lines(const char *path, const char *group, struct offset_lines *lines, struct arena *a,
	struct err *e)
{
	struct buf b = BUF_INIT;
	*lines = (struct offset_lines)OFFSET_LINES_INIT;
	if (strcmp(path, "-") == 0 && stdfd_need(STDIN_FILENO, e) < 0)
		return -1;
	int rc = read_all(path, &b, e);
	if (rc == 0)
		rc = offset_lines_parse(lines, buf_str(&b), group, a, e);
	buf_release(&b);
	return rc < 0 ? err_wrap(e, "%s", strcmp(path, "-") == 0 ? "stdin" : path) : 0;
}

/* ---- seek ---- */

struct seek {
	struct place where;
	struct scope scope;
	struct offset_lines lines;
	struct arena arena;
};

/* Check options and operands, before any request is sent. */
static int
prepare(struct seek *seek, int argc, char **argv, struct err *e)
{
	seek->scope.n = argc - 1;
	seek->scope.v = arena_alloc(&seek->arena, (size_t)argc * sizeof *seek->scope.v);
	for (int i = 1; i < argc; i++)
		if (topic_parts_parse(&seek->scope.v[i - 1], argv[i], &seek->arena, e) < 0)
			return -1;
	if (seek_plan_check_options(e) < 0)
		return -1;
	if (!group_options.to == !group_options.from_file)
		return err_set(e, ERR_USAGE, group_options.to ? "only one of --to and --from-file"
			: "which offsets? give --to or --from-file");
	if (group_options.takes_all && (argc > 1 || group_options.from_file))
		return err_set(e, ERR_USAGE, "--all needs --to, and takes the place of topics");
	if (group_options.from_file)
		return read_lines(group_options.from_file, argv[0], &seek->lines, &seek->arena, e);
	if (argc == 1 && !group_options.takes_all)
		return err_set(e, ERR_USAGE, "which topics? name them, or give --all");
	return place_parse(&seek->where, group_options.to, ROW_PLACES, clock_ms(), e) < 0
		? err_wrap(e, "--to") : 0;
}

static void
collect(struct run *run, struct seek_plan *plan, const struct seek *seek,
	const struct rows *committed)
{
	struct err e;
	int32_t cap = 0;
	if (group_options.from_file)
		add_lines(run, plan, &seek->scope, &seek->lines);
	else if (group_options.takes_all)
		plan->rows = *committed;
	for (int i = 0; !group_options.from_file && i < seek->scope.n; i++)
		add_parts(run, plan, &cap, &seek->scope.v[i]);
	join_committed(plan, committed);
	if (plan->rows.n == 0 && run->nfailed == 0) {
		err_set(&e, ERR_PEER, group_options.from_file ? "%s has no line for group '%.*s'"
			: "%sgroup '%.*s' has no offsets",
			group_options.from_file ? group_options.from_file : "",
			STR_ARG(plan->group->id));
		run_failed(run, &e);
	}
}

static int
seek_group(struct run *run, const struct seek *seek, char **argv)
{
	int n = 1;
	struct rows committed;
	struct seek_plan plan = { .group = look_groups_named(run, &n, argv) };
	int code;
	if (seek_plan_begin(run, plan.group, &committed) < 0)
		return 0;
	collect(run, &plan, seek, &committed);
	seek_plan_resolve(run, &plan, group_options.to ? &seek->where : NULL);
	seek_plan_print(run, &plan, false);
	if (seek_plan_is_wanted(run, &code))
		seek_plan_execute(run, &plan);
	return code;
}

int
verb_group_seek(int argc, char **argv)
{
	struct run run;
	struct err e;
	struct seek seek = { .arena = ARENA_INIT };
	int code = prepare(&seek, argc, argv, &e) < 0 ? say_err(&e, false) : group_run_open(&run);
	if (!code) {
		code = run_end(&run, seek_group(&run, &seek, argv));
	}
	offset_lines_release(&seek.lines);
	arena_release(&seek.arena);
	return code;
}

/* ---- import ---- */

/* The groups of the lines, which are sorted; each once. */
static struct str *
names_of(struct run *run, const struct offset_lines *lines, int *n)
{
	struct str *v = arena_alloc(&run->arena, (size_t)lines->n * sizeof *v + 1);
	*n = 0;
	for (int32_t i = 0; i < lines->n; i++)
		if (i == 0 || !str_eq(lines->v[i].group, lines->v[i - 1].group))
			v[(*n)++] = lines->v[i].group;
	return v;
}

/* All plans are made before any is executed. */
static int
import(struct run *run, const struct offset_lines *lines)
{
	static const struct scope all = { NULL, 0 };
	int n;
	struct str *names = names_of(run, lines, &n);
	struct look_group *group = look_groups_find(run, &n, names);
	struct seek_plan *plan = arena_alloc(&run->arena, (size_t)n * sizeof *plan + 1);
	for (int i = 0; i < n; i++) {
		struct rows committed;
		plan[i].group = &group[i];
		if (seek_plan_begin(run, &group[i], &committed) < 0)
			continue;
		add_lines(run, &plan[i], &all, lines);
		join_committed(&plan[i], &committed);
		seek_plan_resolve(run, &plan[i], NULL);
		seek_plan_print(run, &plan[i], true);
	}
	int code;
	if (seek_plan_is_wanted(run, &code))
		for (int i = 0; i < n; i++)
			seek_plan_execute(run, &plan[i]);
	return code;
}

int
verb_group_import(int argc, char **argv)
{
	struct run run;
	struct err e;
	struct offset_lines lines = OFFSET_LINES_INIT;
	struct arena a = ARENA_INIT;
	int code = seek_plan_check_options(&e) < 0
		|| read_lines(argc ? argv[0] : "-", NULL, &lines, &a, &e) < 0 ? say_err(&e, false)
		: group_run_open(&run);
	if (!code) {
		code = run_end(&run, import(&run, &lines));
	}
	offset_lines_release(&lines);
	arena_release(&a);
	return code;
}
