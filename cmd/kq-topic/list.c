/* kq-topic list, and du. */
#include "kq-topic/look.h"
#include "kq-topic/verbs.h"
#include "proto.h"

#include <stdio.h>

int
verb_topic_list(int argc, char **argv)
{
	struct run run;
	struct look look;
	char id[UUID_TEXT_SIZE];
	int code = topic_run_open(&run, argc, argv);
	if (code)
		return code;
	look_topics(&look, &run, 0, NULL, topic_options.shows_internal);
	for (int i = 0; i < look.n; i++) {
		struct look_topic *t = look.v[i];
		if (!topic_options.is_json) {
			put_text(t->name);
			putchar('\n');
			continue;
		}
		json_t *object = json_object();
		json_set_bytes(object, "topic", t->name);
		if (!uuid_is_zero(&t->id))
			json_object_set_new(object, "id", json_string(uuid_format(&t->id, id)));
		json_object_set_new(object, "partitions", json_integer(t->npart));
		json_object_set_new(object, "internal", json_boolean(t->is_internal));
		json_print(object);
	}
	look_release(&look);
	return run_close(&run);
}

/* ---- du ---- */

static json_t *
du_json(const struct look_topic *t, int64_t bytes)
{
	json_t *parts = json_array();
	for (int32_t i = 0; i < t->npart; i++)
		for (const struct look_copy *copy = t->part[i].copies; copy; copy = copy->next) {
			json_t *object = json_pack("{s:i, s:i}", "partition", (int)t->part[i].index,
				"broker", (int)copy->broker);
			json_set_bytes(object, "dir", copy->dir);
			json_object_set_new(object, "bytes", json_integer(copy->size));
			json_object_set_new(object, "lag", json_integer(copy->lag));
			if (copy->is_future)
				json_object_set_new(object, "future", json_true());
			json_array_append_new(parts, object);
		}
	json_t *object = json_object();
	json_set_bytes(object, "topic", t->name);
	json_object_set_new(object, "bytes", json_integer(bytes));
	json_object_set_new(object, "copies", parts);
	return object;
}

int
verb_topic_du(int argc, char **argv)
{
	struct run run;
	struct look look;
	int code = topic_run_open(&run, argc, argv);
	if (code)
		return code;
	look_topics(&look, &run, argc, argv, topic_options.shows_internal);
	if (cluster_version(&run.cluster, API_DESCRIBE_LOG_DIRS) < 0) {
		struct err e;
		err_set(&e, ERR_PEER, "the broker does not report sizes");
		run_failed(&run, &e);
		look.n = 0;
	}
	look_copies(&look, &run);
	for (int i = 0; i < look.n; i++) {
		int64_t bytes = 0;
		for (int32_t k = 0; k < look.v[i]->npart; k++)
			for (struct look_copy *copy = look.v[i]->part[k].copies; copy; copy = copy->next)
				bytes += copy->size;
		run.ndone++;
		if (topic_options.is_json) {
			json_print(du_json(look.v[i], bytes));
			continue;
		}
		printf("%lld\t", (long long)bytes);
		put_text(look.v[i]->name);
		putchar('\n');
	}
	look_release(&look);
	return run_close(&run);
}
