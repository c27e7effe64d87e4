/* kq-group seek, and import: offsets from a word or from lines. */
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

/* Which partitions; none named is all. */
struct scope {
	struct topic_parts *v;
	int n;
};

/* --- the rows to move --- */

static void
add_row(struct run *r, struct seek_plan *p, int32_t *cap, struct row row)
{
	if (p->rows.n == *cap) {
		struct row *old = p->rows.v;
		*cap = MAX(2 * *cap, 64);
		p->rows.v = arena_alloc(&r->arena, (size_t)*cap * sizeof *old);
		if (p->rows.n > 0)
			memcpy(p->rows.v, old, (size_t)p->rows.n * sizeof *old);
	}
	p->rows.v[p->rows.n++] = row;
}

static void
add_target(struct run *r, struct seek_plan *p, int32_t *cap, const struct topic_parts *t)
{
	struct err e;
	for (int32_t i = 0; i < t->npart; i++)
		add_row(r, p, cap, ROW_INIT(t->topic, t->part[i]));
	if (t->npart > 0)
		return; /* they were named */
	const char *name = arena_printf(&r->arena, "%.*s", STR_ARG(t->topic));
	struct cluster_topic *topic = cluster_topic(&r->cluster, name, false, &e);
	if (!topic) {
		run_failed(r, &e);
		return;
	}
	for (int32_t i = 0; i < topic->npart; i++)
		add_row(r, p, cap, ROW_INIT(t->topic, i));
}

/* Is the place in the scope?  All are in an empty one. */
static bool
is_in(const struct scope *s, struct str topic, int32_t partition)
{
	for (int i = 0; i < s->n; i++) {
		if (!str_eq(s->v[i].topic, topic))
			continue;
		if (s->v[i].npart == 0)
			return true;
		for (int32_t k = 0; k < s->v[i].npart; k++)
			if (s->v[i].part[k] == partition)
				return true;
	}
	return s->n == 0;
}

static void
add_lines(struct run *r, struct seek_plan *p, const struct scope *s, const struct offset_lines *l)
{
	int32_t cap = 0;
	for (int32_t i = 0; i < l->n; i++) {
		const struct offset_line *line = &l->v[i];
		if (!str_eq(line->group, p->group->id) || !is_in(s, line->topic, line->partition))
			continue;
		struct row row = ROW_INIT(line->topic, line->partition);
		row.to = line->offset;
		row.metadata = line->metadata;
		add_row(r, p, &cap, row);
	}
}

/* Let the plan's rows know what is committed. */
static void
join_committed(struct seek_plan *p, const struct rows *committed)
{
	rows_merge(&p->rows);
	for (int32_t i = 0; i < p->rows.n; i++) {
		const struct row *c = rows_find(committed, p->rows.v[i].topic, p->rows.v[i].partition);
		if (c)
			p->rows.v[i].committed = c->committed;
	}
}

/* --- reading lines --- */

/* All of a file, or of stdin ("-"), which may be a pipe. */
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
	int got = n < 0 ? err_sys(e, "cannot read") : b->n > FILE_MAX
		? err_set(e, ERR_LIMIT, "more than %d bytes", FILE_MAX) : 0;
	if (!is_stdin)
		close(fd);
	return got;
}

/* Lines without a group are of the one given; or NULL.  Words are copied to
 * the arena. */
static int
read_lines(const char *path, const char *group, struct offset_lines *l, struct arena *a,
	struct err *e)
{
	struct buf b = BUF_INIT;
	*l = (struct offset_lines)OFFSET_LINES_INIT;
	if (strcmp(path, "-") == 0 && stdfd_need(STDIN_FILENO, e) < 0)
		return -1;
	int got = read_all(path, &b, e);
	if (got == 0)
		got = offset_lines_parse(l, buf_str(&b), group, a, e);
	buf_release(&b);
	return got < 0 ? err_wrap(e, "%s", strcmp(path, "-") == 0 ? "stdin" : path) : 0;
}

/* --- seek --- */

struct seek {
	struct place where;
	struct scope scope;
	struct offset_lines lines;
	struct arena arena;
};

/* All that can be wrong before anybody is asked. */
static int
prepare(struct seek *s, int argc, char **argv, struct err *e)
{
	s->scope.n = argc - 1;
	s->scope.v = arena_alloc(&s->arena, (size_t)argc * sizeof *s->scope.v);
	for (int i = 1; i < argc; i++)
		if (topic_parts_parse(&s->scope.v[i - 1], argv[i], &s->arena, e) < 0)
			return -1;
	if (seek_plan_check_options(e) < 0)
		return -1;
	if (!group_options.to == !group_options.from_file)
		return err_set(e, ERR_USAGE, group_options.to ? "only one of --to and --from-file"
			: "which offsets? give --to or --from-file");
	if (group_options.takes_all && (argc > 1 || group_options.from_file))
		return err_set(e, ERR_USAGE, "--all needs --to, and takes the place of topics");
	if (group_options.from_file)
		return read_lines(group_options.from_file, argv[0], &s->lines, &s->arena, e);
	if (argc == 1 && !group_options.takes_all)
		return err_set(e, ERR_USAGE, "which topics? name them, or give --all");
	return place_parse(&s->where, group_options.to, ROW_PLACES, clock_ms(), e) < 0
		? err_wrap(e, "--to") : 0;
}

static void
collect(struct run *r, struct seek_plan *p, const struct seek *s, const struct rows *committed)
{
	struct err e;
	int32_t cap = 0;
	if (group_options.from_file)
		add_lines(r, p, &s->scope, &s->lines);
	else if (group_options.takes_all)
		p->rows = *committed;
	for (int i = 0; !group_options.from_file && i < s->scope.n; i++)
		add_target(r, p, &cap, &s->scope.v[i]);
	join_committed(p, committed);
	if (p->rows.n == 0 && r->nfailed == 0) {
		err_set(&e, ERR_PEER, group_options.from_file ? "%s has no line for group '%.*s'"
			: "%sgroup '%.*s' has no offsets", group_options.from_file ? group_options.from_file : "",
			STR_ARG(p->group->id));
		run_failed(r, &e);
	}
}

static int
seek(struct run *r, const struct seek *s, char **argv)
{
	int n = 1;
	struct rows committed;
	struct seek_plan p = { .group = look_groups_named(r, &n, argv) };
	int code;
	if (seek_plan_begin(r, p.group, &committed) < 0)
		return 0;
	collect(r, &p, s, &committed);
	seek_plan_resolve(r, &p, group_options.to ? &s->where : NULL);
	seek_plan_print(r, &p, false);
	if (seek_plan_is_wanted(r, &code))
		seek_plan_execute(r, &p);
	return code;
}

int
verb_group_seek(int argc, char **argv)
{
	struct run r;
	struct err e;
	struct seek s = { .arena = ARENA_INIT };
	int code = prepare(&s, argc, argv, &e) < 0 ? say_err(&e, false) : group_run_open(&r);
	if (!code) {
		code = seek(&r, &s, argv);
		int closed = run_close(&r);
		code = code ? code : closed;
	}
	offset_lines_release(&s.lines);
	arena_release(&s.arena);
	return code;
}

/* --- import --- */

/* The groups of the lines, which are sorted, each once. */
static struct str *
names_of(struct run *r, const struct offset_lines *l, int *n)
{
	struct str *v = arena_alloc(&r->arena, (size_t)l->n * sizeof *v + 1);
	*n = 0;
	for (int32_t i = 0; i < l->n; i++)
		if (i == 0 || !str_eq(l->v[i].group, l->v[i - 1].group))
			v[(*n)++] = l->v[i].group;
	return v;
}

/* All is planned before anything is done. */
static int
import(struct run *r, const struct offset_lines *l)
{
	static const struct scope all = { NULL, 0 };
	int n;
	struct str *names = names_of(r, l, &n);
	struct look_group *g = look_groups_find(r, &n, names);
	struct seek_plan *p = arena_alloc(&r->arena, (size_t)n * sizeof *p + 1);
	for (int i = 0; i < n; i++) {
		struct rows committed;
		p[i].group = &g[i];
		if (seek_plan_begin(r, &g[i], &committed) < 0)
			continue;
		add_lines(r, &p[i], &all, l);
		join_committed(&p[i], &committed);
		seek_plan_resolve(r, &p[i], NULL);
		seek_plan_print(r, &p[i], true);
	}
	int code;
	if (seek_plan_is_wanted(r, &code))
		for (int i = 0; i < n; i++)
			seek_plan_execute(r, &p[i]);
	return code;
}

int
verb_group_import(int argc, char **argv)
{
	struct run r;
	struct err e;
	struct offset_lines l = OFFSET_LINES_INIT;
	struct arena a = ARENA_INIT;
	int code = seek_plan_check_options(&e) < 0
		|| read_lines(argc ? argv[0] : "-", NULL, &l, &a, &e) < 0 ? say_err(&e, false)
		: group_run_open(&r);
	if (!code) {
		code = import(&r, &l);
		int closed = run_close(&r);
		code = code ? code : closed;
	}
	offset_lines_release(&l);
	arena_release(&a);
	return code;
}
