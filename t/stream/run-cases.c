/*
 * run-cases [-v] [--only PATTERN] [--max N] [--restart] [--checkpoint] [--split] [--seed N]
 * FILE...: run the cases of these files through the operators of kq-stream, and compare.
 *
 * Prints the first differences by name, and a last line with counts.  Exits with 1 if there
 * is a difference.  --restart leaves each task at random points and goes on in a fresh one
 * from its changelogs and numbers (--seed chooses other points); with --checkpoint, from the
 * last checkpoint of its stores and what the changelogs have beyond it.  --split runs each
 * sub-topology as a task of its own, with internal topics between them.  All of these must
 * change nothing.
 */
#include "case.h"

#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

struct run {
	struct case_fns fns;
	struct case_opts play;
	const char *only;
	bool is_verbose;
	uint64_t seed;
	int diff_max;
	int ncase, npassed;
};

/* ---- comparing ---- */

static bool
is_same_json(struct str text, const json_t *wanted)
{
	json_t *got = json_loadb((const char *)text.p, (size_t)text.n, JSON_DECODE_ANY, NULL);
	bool is_same = got && json_equal(got, wanted);
	json_decref(got);
	return is_same;
}

/* The next of the topic's records at or after i; n if there is none. */
static int
next_got(const struct case_result *got, int i, const char *topic)
{
	while (i < got->nout && strcmp(got->out[i].topic, topic))
		i++;
	return i;
}

static size_t
next_wanted(const json_t *output, size_t i, const char *topic)
{
	while (i < json_array_size(output)
			&& strcmp(json_string_value(json_array_get(json_array_get(output, i), 0)), topic))
		i++;
	return i;
}

static bool
is_same_record(const struct case_out *got, const json_t *wanted, const json_t *by)
{
	return got->ts_ms == json_integer_value(json_array_get(wanted, 3))
		&& (!by || got->by == json_integer_value(by))
		&& is_same_json(got->key, json_array_get(wanted, 1))
		&& is_same_json(got->value, json_array_get(wanted, 2));
}

static void
print_got(const struct case_result *got, int i)
{
	if (i >= got->nout) {
		printf("    got       nothing\n");
		return;
	}
	const struct case_out *out = &got->out[i];
	printf("    got       %s  %.*s  %.*s  @%lld  by %d\n", out->topic, STR_ARG(out->key),
		STR_ARG(out->value), (long long)out->ts_ms, out->by);
}

static void
print_wanted(const json_t *output, const json_t *by, size_t i)
{
	const json_t *rec = json_array_get(output, i);
	if (!rec) {
		printf("    expected  nothing\n");
		return;
	}
	char *key = json_dumps(json_array_get(rec, 1), JSON_COMPACT | JSON_ENCODE_ANY);
	char *value = json_dumps(json_array_get(rec, 2), JSON_COMPACT | JSON_ENCODE_ANY);
	printf("    expected  %s  %s  %s  @%lld  by %lld\n", json_string_value(json_array_get(rec, 0)),
		key, value, (long long)json_integer_value(json_array_get(rec, 3)),
		(long long)json_integer_value(json_array_get(by, i)));
	free(key);
	free(value);
}

/* The first difference within one topic. */
static bool
compare_topic(const struct case_result *got, const json_t *output, const json_t *by,
	const char *topic, bool is_shown)
{
	int i = next_got(got, 0, topic);
	size_t j = next_wanted(output, 0, topic);
	while (i < got->nout && j < json_array_size(output)
			&& is_same_record(&got->out[i], json_array_get(output, j), json_array_get(by, j))) {
		i = next_got(got, i + 1, topic);
		j = next_wanted(output, j + 1, topic);
	}
	if (i >= got->nout && j >= json_array_size(output))
		return true;
	if (is_shown) {
		print_wanted(output, by, j);
		print_got(got, i);
	}
	return false;
}

static bool
compare_error(const struct case_result *got, const json_t *wanted, bool is_shown)
{
	const json_t *at = json_object_get(json_object_get(wanted, "error"), "at");
	bool is_same = !got->is_unknown && got->has_error == (at != NULL)
		&& (!at || got->error_at == (json_is_string(at) ? -1 : json_integer_value(at)));
	if (is_same || !is_shown)
		return is_same;
	if (!at)
		printf("    expected  no error\n");
	else if (json_is_string(at))
		printf("    expected  an error at the start\n");
	else
		printf("    expected  an error at record %lld\n", (long long)json_integer_value(at));
	if (got->has_error)
		printf("    got       at record %d: %s\n", got->error_at, got->why.msg);
	else
		printf("    got       no error\n");
	return false;
}

static bool
compare(const json_t *kase, const struct case_result *got, bool is_shown)
{
	const json_t *right = json_object_get(kase, "right"), *rec;
	const json_t *wanted = right ? right : kase;
	const json_t *output = json_object_get(wanted, "output");
	const json_t *by = json_object_get(wanted, "by");
	if (!compare_error(got, wanted, is_shown))
		return false;
	size_t i;
	json_array_foreach(output, i, rec)
		if (!compare_topic(got, output, by, json_string_value(json_array_get(rec, 0)), is_shown))
			return false;
	for (int j = 0; j < got->nout; j++)
		if (!compare_topic(got, output, by, got->out[j].topic, is_shown))
			return false;
	return true;
}

/* ---- files ---- */

static bool
is_wanted(const struct run *run, const char *name)
{
	return !run->only || strstr(name, run->only) || !fnmatch(run->only, name, 0);
}

static void
run_case(struct run *run, const json_t *kase, const char *name)
{
	struct arena arena = ARENA_INIT;
	struct case_result result;
	run->play.seed = run->seed;
	for (const char *z = name; *z; z++)
		run->play.seed = run->play.seed * 31 + (uint8_t)*z;
	case_play(&run->fns, kase, &run->play, &arena, &result);
	run->ncase++;
	if (compare(kase, &result, false)) {
		run->npassed++;
		if (run->is_verbose)
			printf("passed %s\n", name);
	} else if (run->ncase - run->npassed <= run->diff_max) {
		printf("failed %s\n", name);
		compare(kase, &result, true);
	}
	arena_release(&arena);
}

static int
run_file(struct run *run, const char *path)
{
	FILE *file = fopen(path, "r");
	if (!file) {
		fprintf(stderr, "run-cases: cannot open '%s'\n", path);
		return -1;
	}
	char *line = NULL;
	size_t cap = 0;
	int number = 0, rc = 0;
	while (getline(&line, &cap, file) > 0) {
		json_error_t why;
		json_t *kase = json_loads(line, 0, &why);
		const char *name = json_string_value(json_object_get(kase, "name"));
		number++;
		if (!name) {
			fprintf(stderr, "run-cases: %s:%d: no case: %s\n", path, number,
				kase ? "it has no name" : why.text);
			rc = -1;
		} else if (is_wanted(run, name)) {
			run_case(run, kase, name);
		}
		json_decref(kase);
	}
	free(line);
	fclose(file);
	return rc;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "verbose", no_argument, NULL, 'v' }, { "only", required_argument, NULL, 'o' },
		{ "max", required_argument, NULL, 'm' }, { "restart", no_argument, NULL, 'r' },
		{ "checkpoint", no_argument, NULL, 'c' },
		{ "split", no_argument, NULL, 's' }, { "seed", required_argument, NULL, 'n' }, { 0 },
	};
	struct run run = { .diff_max = 10 };
	int rc = 0;
	for (int c; (c = getopt_long(argc, argv, "v", options, NULL)) != -1;)
		switch (c) {
		case 'v': run.is_verbose = true; break;
		case 'o': run.only = optarg; break;
		case 'm': run.diff_max = atoi(optarg); break;
		case 'r': run.play.restarts = true; break;
		case 'c': run.play.restarts = run.play.checkpoints = true; break;
		case 's': run.play.is_split = true; break;
		case 'n': run.seed = strtoull(optarg, NULL, 10); break;
		default: return 2;
		}
	if (optind == argc) {
		fprintf(stderr, "usage: run-cases [-v] [--only PATTERN] [--max N] [--restart] "
			"[--checkpoint] [--split] [--seed N] FILE...\n");
		return 2;
	}
	run.fns.set = flow_fns_new(NULL);
	run.fns.count = agg_of_count(run.fns.set);
	for (int i = optind; i < argc; i++)
		rc |= run_file(&run, argv[i]);
	printf("%d cases: %d passed, %d failed\n", run.ncase, run.npassed, run.ncase - run.npassed);
	flow_fns_free(run.fns.set);
	map_release(&run.fns.fn);
	arena_release(&run.fns.arena);
	return rc || run.npassed < run.ncase;
}
