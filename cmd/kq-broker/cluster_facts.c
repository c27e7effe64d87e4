#include "kq-broker/cluster_facts.h"

#include "sys/rand.h"
#include "text/json.h"

int
cluster_facts_load(struct cluster_facts *facts, struct metastore *meta, bool is_clean,
	struct err *e)
{
	struct metastore_entry entry;
	json_t *object = NULL;
	if (metastore_get(meta, STR("/cluster"), &entry))
		object = json_loadb((const char *)entry.value.p, (size_t)entry.value.n, 0, NULL);
	struct uuid id;
	const char *text = json_string_value(json_object_get(object, "id"));
	bool is_new = !uuid_parse(&id, str_of(text));
	facts->epoch = (int32_t)json_integer_value(json_object_get(object, "epoch"));
	json_decref(object);
	if (is_new)
		rand_bytes(id.bytes, sizeof id.bytes);
	uuid_format(&id, facts->id);
	if (!is_new && is_clean)
		return 0;
	facts->epoch += !is_new;
	struct buf value = BUF_INIT;
	buf_printf(&value, "{\"id\":\"%s\",\"epoch\":%d}", facts->id, facts->epoch);
	struct metastore_op op = { STR("/cluster"), buf_str(&value), METASTORE_ANY };
	int rc = metastore_txn(meta, &op, 1, e);
	buf_release(&value);
	return rc;
}
