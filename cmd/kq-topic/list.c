/* kq-topic list, and du. */
#include "kq-topic/look.h"
#include "kq-topic/verbs.h"
#include "proto.h"

#include <stdio.h>

int
verb_topic_list(int argc, char **argv)
{
	struct run r;
	struct look l;
	char id[UUID_TEXT_SIZE];
	int code = topic_run_open(&r, argc, argv);
	if (code)
		return code;
	look_topics(&l, &r, 0, NULL, topic_options.shows_internal);
	for (int i = 0; i < l.n; i++) {
		struct look_topic *t = l.v[i];
		if (!topic_options.is_json) {
			put_text(t->name);
			putchar('\n');
			continue;
		}
		json_t *o = json_object();
		json_set_bytes(o, "topic", t->name);
		if (!uuid_is_zero(&t->id))
			json_object_set_new(o, "id", json_string(uuid_format(&t->id, id)));
		json_object_set_new(o, "partitions", json_integer(t->npart));
		json_object_set_new(o, "internal", json_boolean(t->is_internal));
		json_print(o);
	}
	look_release(&l);
	return run_close(&r);
}

/* --- du --- */

static json_t *
du_json(const struct look_topic *t, int64_t bytes)
{
	json_t *parts = json_array();
	for (int32_t i = 0; i < t->npart; i++)
		for (const struct look_copy *c = t->part[i].copies; c; c = c->next) {
			json_t *o = json_pack("{s:i, s:i}", "partition", (int)t->part[i].index,
				"broker", (int)c->broker);
			json_set_bytes(o, "dir", c->dir);
			json_object_set_new(o, "bytes", json_integer(c->size));
			json_object_set_new(o, "lag", json_integer(c->lag));
			if (c->is_future)
				json_object_set_new(o, "future", json_true());
			json_array_append_new(parts, o);
		}
	json_t *o = json_object();
	json_set_bytes(o, "topic", t->name);
	json_object_set_new(o, "bytes", json_integer(bytes));
	json_object_set_new(o, "copies", parts);
	return o;
}

int
verb_topic_du(int argc, char **argv)
{
	struct run r;
	struct look l;
	int code = topic_run_open(&r, argc, argv);
	if (code)
		return code;
	look_topics(&l, &r, argc, argv, topic_options.shows_internal);
	if (run_version(&r, API_DESCRIBE_LOG_DIRS) < 0) {
		struct err e;
		err_set(&e, ERR_PEER, "the broker does not report sizes");
		run_failed(&r, &e);
		l.n = 0;
	}
	look_copies(&l, &r);
	for (int i = 0; i < l.n; i++) {
		int64_t bytes = 0;
		for (int32_t k = 0; k < l.v[i]->npart; k++)
			for (struct look_copy *c = l.v[i]->part[k].copies; c; c = c->next)
				bytes += c->size;
		r.ndone++;
		if (topic_options.is_json) {
			json_print(du_json(l.v[i], bytes));
			continue;
		}
		printf("%lld\t", (long long)bytes);
		put_text(l.v[i]->name);
		putchar('\n');
	}
	look_release(&l);
	return run_close(&r);
}
