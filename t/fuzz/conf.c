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
		if (!k) {
			config_unknown(CONFIG_SCOPE_BROKER, str_of(c.v[i].key), &e);
			continue;
		}
		char *plain = config_parse(k, CONFIG_SCOPE_BROKER, str_of(c.v[i].value), &e);
		if (!plain)
			continue;
		config_set_put(set, config_id_of(k), plain);
		const char *held = config_value(NULL, set, config_id_of(k));
		assert(strcmp(held, plain) == 0);
		mem_free(plain);
	}
	for (int i = 0; i < CONFIG_N; i++)
		if (set->value[i]) {
			char *again = config_parse(&config_table[i], config_table[i].scope,
				str_of(set->value[i]), &e);
			assert(again && strcmp(again, set->value[i]) == 0);
			mem_free(again);
		}
	config_set_free(set);
	conf_release(&c);
	return 0;
}
