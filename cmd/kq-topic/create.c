/* kq-topic create, and delete. */
#include "kq-topic/effect.h"
#include "kq-topic/look.h"
#include "kq-topic/verbs.h"

#include "proto.h"
#include "tool/ask.h"

#include <stdio.h>

enum {
	BROKER_DEFAULTS_FROM = 4, /* version: -1 is the broker's default */
};

static void
create_some(struct run *run, int n, char **names)
{
	struct create_topics_request q;
	struct create_topics_response answer;
	int def = cluster_version(&run->cluster, API_CREATE_TOPICS) >= BROKER_DEFAULTS_FROM ? -1 : 1;
	wire_defaults(&create_topics_request_desc, &q);
	q.timeout_ms = RUN_TIMEOUT_MS;
	q.topics.n = n;
	q.topics.v = arena_alloc(&run->arena, (size_t)n * sizeof *q.topics.v);
	for (int i = 0; i < n; i++) {
		struct create_topics_request_topic *t = &q.topics.v[i];
		t->name = str_of(names[i]);
		t->num_partitions = topic_options.npartition ? (int32_t)topic_options.npartition : def;
		t->replication_factor = (int16_t)(topic_options.replicas ? topic_options.replicas : def);
		t->configs.n = topic_options.nsetting;
		t->configs.v = arena_alloc(&run->arena,
			(size_t)topic_options.nsetting * sizeof *t->configs.v + 1);
		for (int k = 0; k < topic_options.nsetting; k++) {
			t->configs.v[k].name = str_of(topic_options.setting[k].key);
			t->configs.v[k].value = str_of(topic_options.setting[k].value);
		}
	}
	if (run_call(run, CLUSTER_CONTROLLER, API_CREATE_TOPICS, &q, &answer) < 0)
		return;
	topic_run_check_count(run, n, answer.topics.n);
	for (int32_t i = 0; i < answer.topics.n; i++) {
		int16_t code = answer.topics.v[i].error_code;
		if (code == KERR_TOPIC_ALREADY_EXISTS && topic_options.may_exist)
			code = KERR_NONE;
		topic_run_take(run, code, answer.topics.v[i].error_message, answer.topics.v[i].name);
	}
}

int
verb_topic_create(int argc, char **argv)
{
	struct run run;
	int code = topic_run_open(&run, argc, argv);
	if (code)
		return code;
	for (int i = 0; i < argc; i += RUN_TOPICS_MAX)
		create_some(&run, MIN(argc - i, RUN_TOPICS_MAX), argv + i);
	if (run.ndone && !run.nfailed)
		effect_warn(&run, argv[0]);
	return run_close(&run);
}

/* ---- delete ---- */

static void
delete_some(struct run *run, int n, char **names)
{
	struct delete_topics_request q;
	struct delete_topics_response answer;
	wire_defaults(&delete_topics_request_desc, &q);
	q.timeout_ms = RUN_TIMEOUT_MS;
	q.topics.n = q.topic_names.n = n;
	q.topics.v = arena_alloc(&run->arena, (size_t)n * sizeof *q.topics.v);
	q.topic_names.v = arena_alloc(&run->arena, (size_t)n * sizeof *q.topic_names.v);
	for (int i = 0; i < n; i++) /* which of the two is sent depends on the version */
		q.topics.v[i].name = q.topic_names.v[i] = str_of(names[i]);
	if (run_call(run, CLUSTER_CONTROLLER, API_DELETE_TOPICS, &q, &answer) < 0)
		return;
	topic_run_check_count(run, n, answer.responses.n);
	for (int32_t i = 0; i < answer.responses.n; i++)
		topic_run_take(run, answer.responses.v[i].error_code, answer.responses.v[i].error_message,
			answer.responses.v[i].name);
}

/* Print the names of the topics that exist. */
static void
print_deleted(struct run *run, int n, char **names)
{
	struct look look;
	look_topics(&look, run, n, names, true);
	for (int i = 0; i < look.n; i++) {
		put_text(look.v[i]->name);
		putchar('\n');
		run->ndone++;
	}
	look_release(&look);
}

int
verb_topic_delete(int argc, char **argv)
{
	struct run run;
	int code = ask_check(topic_options.is_sure, topic_options.is_dry);
	if (!code && !topic_options.is_sure && !topic_options.is_dry)
		code = ask_delete(argc, argv, "topic", "records");
	if (!code)
		code = topic_run_open(&run, argc, argv);
	if (code)
		return code;
	run.is_removing = true;
	if (topic_options.is_dry)
		print_deleted(&run, argc, argv);
	for (int i = 0; !topic_options.is_dry && i < argc; i += RUN_TOPICS_MAX)
		delete_some(&run, MIN(argc - i, RUN_TOPICS_MAX), argv + i);
	return run_close(&run);
}
