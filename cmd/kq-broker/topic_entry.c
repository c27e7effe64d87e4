#include "kq-broker/topic_entry.h"

#include "kq-broker/topics.h"

#include "text/json.h"
#include "text/say.h"

void
topic_entry_format(const struct uuid *id, int32_t npartition,
	const struct config_set *overrides, struct buf *out)
{
	char text[UUID_TEXT_SIZE];
	json_t *configs = json_object();
	for (int i = 0; overrides && i < CONFIG_N; i++)
		if (overrides->value[i])
			json_object_set_new(configs, config_table[i].name, json_string(overrides->value[i]));
	json_t *object = json_pack("{s:s, s:i, s:o}", "id", uuid_format(id, text), "partitions",
		(int)npartition, "configs", configs);
	json_put(object, out);
	json_decref(object);
}

static struct config_set *
parse_overrides(json_t *object, struct str topic)
{
	struct config_set *set = NULL;
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value) {
		struct err e;
		const struct config_key *key = config_find(CONFIG_SCOPE_TOPIC, str_of(name));
		const char *text = json_string_value(value);
		char *plain = key && text ? config_parse(key, CONFIG_SCOPE_TOPIC, str_of(text), &e) : NULL;
		if (!plain) {
			log_line(LOG_WARN, "topic %.*s: ignoring the setting '%s', which this version does "
				"not know", STR_ARG(topic), name);
			continue;
		}
		if (!set)
			set = config_set_copy(NULL);
		config_set_put(set, config_id_of(key), plain);
		mem_free(plain);
	}
	return set;
}

bool
topic_entry_parse(struct topic_entry *entry, struct str topic, struct str text)
{
	json_t *object = json_loadb((const char *)text.p, (size_t)text.n, 0, NULL);
	json_int_t n = json_integer_value(json_object_get(object, "partitions"));
	bool ok = !topic_name_fault(topic)
		&& uuid_parse(&entry->id, str_of(json_string_value(json_object_get(object, "id"))))
		&& n > 0 && n <= INT32_MAX;
	entry->npartition = ok ? (int32_t)n : 0;
	entry->overrides = ok ? parse_overrides(json_object_get(object, "configs"), topic) : NULL;
	json_decref(object);
	return ok;
}
