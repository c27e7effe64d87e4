/* kq-topic alter. */
#include "kq-topic/effect.h"
#include "kq-topic/look.h"
#include "kq-topic/verbs.h"

#include "proto.h"

enum {
	RESOURCE_TOPIC = 2,
	OP_SET = 0,
	OP_DELETE = 1,
};

static void
alter_each(struct run *run, char *name)
{
	struct incremental_alter_configs_request q;
	struct incremental_alter_configs_response answer;
	struct incremental_alter_configs_request_resource topic = {
		.resource_type = RESOURCE_TOPIC, .resource_name = str_of(name) };
	wire_defaults(&incremental_alter_configs_request_desc, &q);
	q.resources.v = &topic;
	q.resources.n = 1;
	topic.configs.n = topic_options.nsetting;
	topic.configs.v = arena_alloc(&run->arena,
		(size_t)topic_options.nsetting * sizeof *topic.configs.v);
	for (int i = 0; i < topic_options.nsetting; i++) {
		topic.configs.v[i].name = str_of(topic_options.setting[i].key);
		topic.configs.v[i].config_operation = topic_options.setting[i].value ? OP_SET : OP_DELETE;
		topic.configs.v[i].value = str_of(topic_options.setting[i].value);
	}
	if (run_call(run, CLUSTER_ANY, API_INCREMENTAL_ALTER_CONFIGS, &q, &answer) < 0)
		return;
	topic_run_check_count(run, 1, answer.responses.n);
	for (int32_t i = 0; i < answer.responses.n; i++)
		topic_run_take(run, answer.responses.v[i].error_code, answer.responses.v[i].error_message,
			str_of(name));
}

/* Fill v with the topic's own settings, changed by the options.  Returns their number. */
static int
merge(const struct look_topic *t, struct alter_configs_request_config *v)
{
	int n = 0;
	for (int32_t i = 0; i < t->nconfig; i++)
		if (t->config[i].source == LOOK_TOPIC)
			v[n++] = (struct alter_configs_request_config){
				t->config[i].name, t->config[i].value };
	for (int i = 0; i < topic_options.nsetting; i++) {
		struct str key = str_of(topic_options.setting[i].key);
		int at = 0;
		while (at < n && !str_eq(v[at].name, key))
			at++;
		if (!topic_options.setting[i].value) {
			if (at < n)
				v[at] = v[--n];
			continue;
		}
		v[at] = (struct alter_configs_request_config){ key,
			str_of(topic_options.setting[i].value) };
		n += at == n;
	}
	return n;
}

/* For brokers without incremental changes (Kafka before 2.3): read all settings of the
 * topic, and write all.  Concurrent changes by others are lost. */
static void
alter_all(struct run *run, char *name)
{
	struct look look;
	struct alter_configs_request q;
	struct alter_configs_response answer;
	struct alter_configs_request_resource topic = {
		.resource_type = RESOURCE_TOPIC, .resource_name = str_of(name) };
	int nfailed = run->nfailed;
	if (look_topics(&look, run, 1, &name, true) == 0)
		look_configs(&look, run);
	if (run->nfailed == nfailed && (look.n != 1 || look.v[0]->nconfig < 0)) {
		struct err e;
		err_set(&e, ERR_PEER, "topic '%s': the broker does not report its settings", name);
		run_failed(run, &e);
	}
	if (run->nfailed == nfailed) {
		wire_defaults(&alter_configs_request_desc, &q);
		q.resources.v = &topic;
		q.resources.n = 1;
		topic.configs.v = arena_alloc(&run->arena,
			(size_t)(look.v[0]->nconfig + topic_options.nsetting) * sizeof *topic.configs.v);
		topic.configs.n = merge(look.v[0], topic.configs.v);
		if (run_call(run, CLUSTER_ANY, API_ALTER_CONFIGS, &q, &answer) == 0) {
			topic_run_check_count(run, 1, answer.responses.n);
			for (int32_t i = 0; i < answer.responses.n; i++)
				topic_run_take(run, answer.responses.v[i].error_code,
					answer.responses.v[i].error_message, str_of(name));
		}
	}
	look_release(&look);
}

static void
grow(struct run *run, char *name)
{
	struct create_partitions_request q;
	struct create_partitions_response answer;
	struct create_partitions_request_topic topic = {
		.name = str_of(name), .count = (int32_t)topic_options.npartition,
			.assignments = { NULL, -1 } };
	wire_defaults(&create_partitions_request_desc, &q);
	q.topics.v = &topic;
	q.topics.n = 1;
	q.timeout_ms = RUN_TIMEOUT_MS;
	if (run_call(run, CLUSTER_CONTROLLER, API_CREATE_PARTITIONS, &q, &answer) < 0)
		return;
	topic_run_check_count(run, 1, answer.results.n);
	for (int32_t i = 0; i < answer.results.n; i++)
		topic_run_take(run, answer.results.v[i].error_code, answer.results.v[i].error_message,
			str_of(name));
}

int
verb_topic_alter(int argc, char **argv)
{
	struct run run;
	if (!topic_options.nsetting && !topic_options.npartition) {
		say_error("nothing to alter: give -p, -c or -d");
		return EXIT_USAGE;
	}
	int code = topic_run_open(&run, argc, argv);
	if (code)
		return code;
	if (topic_options.nsetting && cluster_version(&run.cluster, API_INCREMENTAL_ALTER_CONFIGS) >= 0)
		alter_each(&run, argv[0]);
	else if (topic_options.nsetting)
		alter_all(&run, argv[0]);
	if (topic_options.npartition && !run.nfailed)
		grow(&run, argv[0]);
	if (!run.nfailed)
		effect_warn(&run, argv[0]);
	return run_close(&run);
}
