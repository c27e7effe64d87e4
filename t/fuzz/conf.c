/*
 * A YAML file of settings: parsed, and every value checked against the key of
 * its name.
 */
#include "text/conf.h"
#include "text/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf c = CONF_INIT;
	struct err e = { .class = ERR_NONE };
	if (size > 1 << 20)
		return 0;
	if (conf_parse(&c, "kq.yaml", (struct str){ data, (int32_t)size }, &e) < 0) {
		assert(e.class == ERR_USAGE);
		assert(strncmp(e.msg, "kq.yaml:", 8) == 0);
		assert(c.n == 0);
		return 0;
	}
	struct config_set *set = config_set_copy(NULL);
	for (int i = 0; i < c.n; i++) {
		assert(c.v[i].line >= 1 && c.v[i].column >= 1);
		const struct config_key *k = config_find(CONFIG_SCOPE_BROKER, str_of(c.v[i].key));
		config_suggest(CONFIG_SCOPE_BROKER, c.v[i].key);
		if (!k || config_check(k, c.v[i].value, &e) < 0)
			continue;
		config_set_put(set, config_id_of(k), c.v[i].value);
		const char *held = config_value(NULL, set, config_id_of(k));
		assert(strcmp(held, c.v[i].value) == 0);
	}
	for (int i = 0; i < CONFIG_N; i++)
		if (set->value[i]) {
			bool is_good = config_check(&config_table[i], set->value[i], &e) == 0;
			assert(is_good);
		}
	config_set_free(set);
	conf_release(&c);
	return 0;
}
