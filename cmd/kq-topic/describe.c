/* kq-topic describe. */
#include "kq-topic/effect.h"
#include "kq-topic/look.h"
#include "kq-topic/verbs.h"
#include "text/table.h"
#include "text/units.h"

#include <stdio.h>

/* The source of a setting that is not the built-in default. */
static const char *
source_word(int8_t source)
{
	switch (source) {
	case LOOK_TOPIC: return "topic";
	case LOOK_DYNAMIC_BROKER:
	case LOOK_DYNAMIC_DEFAULT:
	case LOOK_STATIC_BROKER: return "broker";
	default: return NULL;
	}
}

/* The topic's durability, a setting of kq-broker; NULL with other brokers. */
static const struct look_config *
durability_of(const struct look_topic *t)
{
	for (int32_t i = 0; i < t->nconfig; i++)
		if (str_eq(t->config[i].name, STR("durability")) && t->config[i].value.n >= 0)
			return &t->config[i];
	return NULL;
}

static int
count_replicas(const struct look_topic *t)
{
	int n = 0;
	for (int32_t i = 0; i < t->npart; i++)
		n = MAX(n, t->part[i].replicas.n);
	return n;
}

static int64_t
total_size(const struct look_topic *t)
{
	int64_t sum = -1;
	for (int32_t i = 0; i < t->npart; i++) {
		int64_t size = look_size(&t->part[i]);
		if (size >= 0)
			sum = MAX(sum, 0) + size;
	}
	return sum;
}

/* ---- JSON ---- */

static json_t *
ids_json(struct look_ids ids)
{
	json_t *list = json_array();
	for (int32_t i = 0; i < ids.n; i++)
		json_array_append_new(list, json_integer(ids.v[i]));
	return list;
}

static json_t *
configs_json(const struct look_topic *t)
{
	json_t *all = json_object();
	for (int32_t i = 0; i < t->nconfig; i++) {
		const struct look_config *config = &t->config[i];
		const char *source = source_word(config->source);
		if (!source)
			continue;
		json_t *object = json_object();
		json_set_bytes(object, "value", config->value);
		json_object_set_new(object, "source", json_string(source));
		if (config->has_no_effect)
			json_object_set_new(object, "has_effect", json_false());
		/* Neither Kafka nor kq has a setting whose name is not UTF-8. */
		json_object_setn_new(all, (const char *)config->name.p, (size_t)config->name.n, object);
	}
	return all;
}

static void
print_json(const struct look_topic *t)
{
	char id[UUID_TEXT_SIZE];
	const struct look_config *durability = durability_of(t);
	json_t *object = json_object(), *parts = json_array();
	json_set_bytes(object, "topic", t->name);
	if (!uuid_is_zero(&t->id))
		json_object_set_new(object, "id", json_string(uuid_format(&t->id, id)));
	json_object_set_new(object, "internal", json_boolean(t->is_internal));
	json_object_set_new(object, "replicas", json_integer(count_replicas(t)));
	json_object_set_new(object, "bytes", json_known(total_size(t)));
	if (durability)
		json_set_bytes(object, "durability", durability->value);
	if (t->nconfig >= 0)
		json_object_set_new(object, "configs", configs_json(t));
	for (int32_t i = 0; i < t->npart; i++) {
		const struct look_part *part = &t->part[i];
		json_t *v = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "partition",
			(int)part->index, "leader", json_known(part->leader), "replicas",
			ids_json(part->replicas),
			"isr", ids_json(part->isr), "offline", ids_json(part->offline),
			"start", json_known(part->start_offset), "end", json_known(part->end_offset),
			"bytes", json_known(look_size(part)));
		if (part->error)
			json_object_set_new(v, "error", json_string(kerr_info(part->error)->name));
		json_array_append_new(parts, v);
	}
	json_object_set_new(object, "partitions", parts);
	json_print(object);
}

/* ---- text ---- */

static char *
ids_text(struct run *run, struct look_ids ids)
{
	struct buf b = BUF_INIT;
	for (int32_t i = 0; i < ids.n; i++)
		buf_printf(&b, "%s%d", i ? "," : "", ids.v[i]);
	if (ids.n <= 0)
		buf_puts(&b, "-");
	char *z = arena_printf(&run->arena, "%.*s", (int)b.n, (char *)b.p);
	buf_release(&b);
	return z;
}

static void
print_parts(struct run *run, const struct look_topic *t)
{
	static const char *const head[] = { "partition", "leader", "replicas", "isr", "start", "end",
		"bytes" };
	struct arena *a = &run->arena;
	struct table table;
	table_init(&table, head, (int)ARRAY_LEN(head), "");
	for (int32_t i = 0; i < t->npart; i++) {
		const struct look_part *part = &t->part[i];
		table_add(&table, (const char *[]){ put_known(a, part->index), put_known(a, part->leader),
			ids_text(run, part->replicas), ids_text(run, part->isr),
			put_known(a, part->start_offset),
			put_known(a, part->end_offset), put_known(a, look_size(part)) });
	}
	table_print(&table);
	table_release(&table);
}

static void
print_configs(const struct look_topic *t)
{
	for (int32_t i = 0; i < t->nconfig; i++) {
		const struct look_config *config = &t->config[i];
		const char *source = source_word(config->source);
		if (!source)
			continue;
		printf("%-12s", "config");
		put_text(config->name);
		putchar('=');
		put_text(config->value);
		printf("%s%s\n", config->source == LOOK_TOPIC ? "" : "  (from the broker)",
			config->has_no_effect ? "  (without effect yet)" : "");
	}
}

static void
print_text(struct run *run, const struct look_topic *t)
{
	char z[UNITS_TEXT_SIZE], id[UUID_TEXT_SIZE];
	const struct look_config *durability = durability_of(t);
	int64_t size = total_size(t);
	put_line("topic", t->name);
	if (!uuid_is_zero(&t->id))
		put_line("id", str_of(uuid_format(&t->id, id)));
	printf("%-12s%d\n%-12s%d\n", "partitions", t->npart, "replicas", count_replicas(t));
	if (size >= 0)
		put_line("size", str_of(units_format_size(size, z)));
	if (durability)
		put_line("durability", durability->value);
	print_configs(t);
	putchar('\n');
	print_parts(run, t);
}

int
verb_topic_describe(int argc, char **argv)
{
	struct run run;
	struct look look;
	int code = topic_run_open(&run, argc, argv);
	if (code)
		return code;
	if (look_topics(&look, &run, argc, argv, topic_options.shows_internal) == 0) {
		look_offsets(&look, &run);
		look_copies(&look, &run);
		look_configs(&look, &run);
		effect_mark(&look, &run);
	}
	for (int i = 0; i < look.n; i++) {
		run.ndone++;
		if (topic_options.is_json) {
			print_json(look.v[i]);
			continue;
		}
		if (i > 0)
			putchar('\n');
		print_text(&run, look.v[i]);
	}
	look_release(&look);
	return run_close(&run);
}
