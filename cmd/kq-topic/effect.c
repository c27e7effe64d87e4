#include "kq-topic/effect.h"

#include "proto.h"
#include "text/config.h"

enum {
	DOCUMENTATION_FROM = 3, /* version */
	RESOURCE_TOPIC = 2,
};

struct keys {
	struct str *v;
	int32_t n;
};

static bool
has(const struct keys *names, struct str name)
{
	for (int32_t i = 0; i < names->n; i++)
		if (str_eq(names->v[i], name))
			return true;
	return false;
}

/* The keys that have no effect according to the broker.  A failure is ignored: the work of
 * the run is done. */
static struct keys
ask(struct run *run, struct str topic, const struct keys *keys)
{
	struct keys found = { arena_alloc(&run->arena, (size_t)keys->n * sizeof *found.v + 1), 0 };
	struct describe_configs_request_resource resource = {
		.resource_type = RESOURCE_TOPIC, .resource_name = topic,
		.configuration_keys = { keys->v, keys->n } };
	struct describe_configs_request q;
	struct describe_configs_response answer;
	struct err ignored;
	if (!keys->n || cluster_version(&run->cluster, API_DESCRIBE_CONFIGS) < DOCUMENTATION_FROM)
		return found;
	wire_defaults(&describe_configs_request_desc, &q);
	q.resources.v = &resource;
	q.resources.n = 1;
	q.include_documentation = true;
	if (cluster_call(&run->cluster, CLUSTER_ANY, API_DESCRIBE_CONFIGS, &q, &answer, &run->replies,
		&ignored) < 0 || answer.results.n != 1)
		return found;
	static const char mark[] = CONFIG_WITHOUT_EFFECT;
	int32_t size = sizeof mark - 1;
	for (int32_t i = 0; i < answer.results.v[0].configs.n && found.n < keys->n; i++) {
		struct str text = answer.results.v[0].configs.v[i].documentation;
		if (text.n >= size && memcmp(text.p + text.n - size, mark, (size_t)size) == 0)
			found.v[found.n++] = answer.results.v[0].configs.v[i].name;
	}
	return found;
}

void
effect_mark(struct look *look, struct run *run)
{
	struct keys keys = { NULL, 0 };
	int32_t most = 0;
	for (int i = 0; i < look->n; i++)
		most += MAX(look->v[i]->nconfig, 0);
	keys.v = arena_alloc(&run->arena, (size_t)most * sizeof *keys.v + 1);
	for (int i = 0; i < look->n; i++)
		for (int32_t k = 0; k < look->v[i]->nconfig; k++)
			if (look->v[i]->config[k].source != LOOK_DEFAULT
				&& !has(&keys, look->v[i]->config[k].name))
				keys.v[keys.n++] = look->v[i]->config[k].name;
	if (!keys.n)
		return;
	struct keys found = ask(run, look->v[0]->name, &keys);
	for (int i = 0; i < look->n; i++)
		for (int32_t k = 0; k < look->v[i]->nconfig; k++)
			look->v[i]->config[k].has_no_effect = has(&found, look->v[i]->config[k].name);
}

void
effect_warn(struct run *run, const char *topic)
{
	struct keys keys = { arena_alloc(&run->arena,
		(size_t)topic_options.nsetting * sizeof *keys.v + 1), 0 };
	for (int i = 0; i < topic_options.nsetting; i++)
		if (topic_options.setting[i].value)
			keys.v[keys.n++] = str_of(topic_options.setting[i].key);
	struct keys found = ask(run, str_of(topic), &keys);
	struct buf list = BUF_INIT;
	for (int32_t i = 0; i < found.n; i++)
		buf_printf(&list, "%s%.*s", i ? ", " : "", STR_ARG(found.v[i]));
	if (found.n)
		say_error("the broker stores %.*s but does not act on %s yet", (int)list.n,
			(const char *)list.p, found.n > 1 ? "them" : "it");
	buf_release(&list);
}
