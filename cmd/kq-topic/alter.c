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
alter_each(struct run *r, char *name)
{
	struct incremental_alter_configs_request q;
	struct incremental_alter_configs_response a;
	struct incremental_alter_configs_request_resource topic = {
		.resource_type = RESOURCE_TOPIC, .resource_name = str_of(name) };
	wire_defaults(&incremental_alter_configs_request_desc, &q);
	q.resources.v = &topic;
	q.resources.n = 1;
	topic.configs.n = topic_options.nsetting;
	topic.configs.v = arena_alloc(&r->arena, (size_t)topic_options.nsetting * sizeof *topic.configs.v);
	for (int i = 0; i < topic_options.nsetting; i++) {
		topic.configs.v[i].name = str_of(topic_options.setting[i].key);
		topic.configs.v[i].config_operation = topic_options.setting[i].value ? OP_SET : OP_DELETE;
		topic.configs.v[i].value = str_of(topic_options.setting[i].value);
	}
	if (run_call(r, CLUSTER_ANY, API_INCREMENTAL_ALTER_CONFIGS, &q, &a) < 0)
		return;
	topic_run_check_count(r, 1, a.responses.n);
	for (int32_t i = 0; i < a.responses.n; i++)
		topic_run_take(r, a.responses.v[i].error_code, a.responses.v[i].error_message, str_of(name));
}

/* The topic's own settings with the options applied.  The place after the
 * last is free for one more. */
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

/* For brokers without single changes (Kafka before 2.3): read all of the
 * topic's settings, write all.  What another changes in between is lost. */
static void
alter_all(struct run *r, char *name)
{
	struct look l;
	struct alter_configs_request q;
	struct alter_configs_response a;
	struct alter_configs_request_resource topic = {
		.resource_type = RESOURCE_TOPIC, .resource_name = str_of(name) };
	int nfailed = r->nfailed;
	if (look_topics(&l, r, 1, &name, true) == 0)
		look_configs(&l, r);
	if (r->nfailed == nfailed && (l.n != 1 || l.v[0]->nconfig < 0)) {
		struct err e;
		err_set(&e, ERR_PEER, "topic '%s': the broker does not report its settings", name);
		run_failed(r, &e);
	}
	if (r->nfailed == nfailed) {
		wire_defaults(&alter_configs_request_desc, &q);
		q.resources.v = &topic;
		q.resources.n = 1;
		topic.configs.v = arena_alloc(&r->arena,
			(size_t)(l.v[0]->nconfig + topic_options.nsetting) * sizeof *topic.configs.v);
		topic.configs.n = merge(l.v[0], topic.configs.v);
		if (run_call(r, CLUSTER_ANY, API_ALTER_CONFIGS, &q, &a) == 0) {
			topic_run_check_count(r, 1, a.responses.n);
			for (int32_t i = 0; i < a.responses.n; i++)
				topic_run_take(r, a.responses.v[i].error_code, a.responses.v[i].error_message,
					str_of(name));
		}
	}
	look_release(&l);
}

static void
grow(struct run *r, char *name)
{
	struct create_partitions_request q;
	struct create_partitions_response a;
	struct create_partitions_request_topic topic = {
		.name = str_of(name), .count = (int32_t)topic_options.npartition, .assignments = { NULL, -1 } };
	wire_defaults(&create_partitions_request_desc, &q);
	q.topics.v = &topic;
	q.topics.n = 1;
	q.timeout_ms = RUN_TIMEOUT_MS;
	if (run_call(r, CLUSTER_CONTROLLER, API_CREATE_PARTITIONS, &q, &a) < 0)
		return;
	topic_run_check_count(r, 1, a.results.n);
	for (int32_t i = 0; i < a.results.n; i++)
		topic_run_take(r, a.results.v[i].error_code, a.results.v[i].error_message, str_of(name));
}

int
verb_topic_alter(int argc, char **argv)
{
	struct run r;
	if (!topic_options.nsetting && !topic_options.npartition) {
		say_error("nothing to alter: give -p, -c or -d");
		return EXIT_USAGE;
	}
	int code = topic_run_open(&r, argc, argv);
	if (code)
		return code;
	if (topic_options.nsetting && run_version(&r, API_INCREMENTAL_ALTER_CONFIGS) >= 0)
		alter_each(&r, argv[0]);
	else if (topic_options.nsetting)
		alter_all(&r, argv[0]);
	if (topic_options.npartition && !r.nfailed)
		grow(&r, argv[0]);
	if (!r.nfailed)
		effect_warn(&r, argv[0]);
	return run_close(&r);
}
