#include "tap.h"
#include "text/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void test_config__every_default_is_a_value_that_is_allowed(void);
void test_config__names_are_unique_in_a_scope(void);
void test_config__a_topics_key_goes_by_its_synonym_in_the_broker(void);
void test_config__a_misspelt_name_gets_a_suggestion(void);
void test_config__numbers_keep_their_limits(void);
void test_config__words_are_from_their_lists(void);
void test_config__the_nearest_value_holds(void);
void test_config__finer_names_win_over_coarser_in_any_order(void);
void test_config__help_and_manual_name_every_key(void);

static const struct config_key *
key(const char *name)
{
	const struct config_key *k = config_find(CONFIG_SCOPE_TOPIC, str_of(name));
	if (!k)
		k = config_find(CONFIG_SCOPE_BROKER, str_of(name));
	check(k != NULL);
	return k;
}

/* NULL: taken.  Else the message. */
static const char *
refused(const char *name, const char *value)
{
	static struct err e;
	return config_check(key(name), value, &e) == 0 ? NULL
		: e.class == ERR_USAGE ? e.msg : "of another class";
}

static bool
is(const char *got, const char *want)
{
	printf("# %s\n", got ? got : "(null)");
	return got && strcmp(got, want) == 0;
}

void
test_config__every_default_is_a_value_that_is_allowed(void)
{
	struct err e;
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		printf("# %s\n", k->name);
		check(k->min <= k->max);
		check(*k->text);
		check(!*k->def || config_check(k, k->def, &e) == 0);
		check_int(config_id_of(k), i);
		check((k->type == CONFIG_TYPE_LIST || k->type == CONFIG_TYPE_ENUM) == (*k->choices != 0));
	}
}

void
test_config__names_are_unique_in_a_scope(void)
{
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		check(config_find(k->scope, str_of(k->name)) == k);
		if (k->synonym)
			check(config_find(CONFIG_SCOPE_BROKER, str_of(k->synonym)) == k);
	}
}

void
test_config__a_topics_key_goes_by_its_synonym_in_the_broker(void)
{
	const struct config_key *k = config_find(CONFIG_SCOPE_TOPIC, STR("retention.ms"));
	check(k && config_id_of(k) == CONFIG_RETENTION_MS);
	check(config_find(CONFIG_SCOPE_BROKER, STR("log.retention.ms")) == k);
	check(!config_find(CONFIG_SCOPE_BROKER, STR("retention.ms")));
	check(!config_find(CONFIG_SCOPE_TOPIC, STR("log.retention.ms")));
	check(!config_find(CONFIG_SCOPE_TOPIC, STR("num.partitions")));
	check(!config_find(CONFIG_SCOPE_TOPIC, STR("retention.m")));
	check(!config_find(CONFIG_SCOPE_TOPIC, STR("")));
	check(!config_find(CONFIG_SCOPE_TOPIC, STR_NULL));
}

void
test_config__a_misspelt_name_gets_a_suggestion(void)
{
	check(is(config_suggest(CONFIG_SCOPE_TOPIC, "retention.sm"), "retention.ms"));
	check(is(config_suggest(CONFIG_SCOPE_BROKER, "num.partition"), "num.partitions"));
	check(!config_suggest(CONFIG_SCOPE_TOPIC, "colour"));
}

void
test_config__numbers_keep_their_limits(void)
{
	check(!refused("retention.ms", "-1"));
	check(!refused("retention.ms", "9223372036854775807"));
	check(!refused("max.message.bytes", "0"));
	check(is(refused("retention.ms", "-2"),
		"Invalid value -2 for configuration retention.ms: Value must be at least -1"));
	check(is(refused("max.message.bytes", "2147483648"),
		"Invalid value 2147483648 for configuration max.message.bytes: Not a number of type INT"));
	check(is(refused("retention.ms", "7d"),
		"Invalid value 7d for configuration retention.ms: Not a number of type LONG"));
	check(refused("retention.ms", ""));
	check(!refused("min.cleanable.dirty.ratio", "0.25"));
	check(is(refused("min.cleanable.dirty.ratio", "1.5"),
		"Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"));
	check(refused("min.cleanable.dirty.ratio", "nan"));
	check(refused("min.cleanable.dirty.ratio", ""));
}

void
test_config__words_are_from_their_lists(void)
{
	check(!refused("cleanup.policy", "compact,delete"));
	check(!refused("cleanup.policy", "delete"));
	check(is(refused("cleanup.policy", "delete,burn"),
		"Invalid value delete,burn for configuration cleanup.policy: each must be one of: delete,compact"));
	check(refused("cleanup.policy", ""));
	check(refused("cleanup.policy", "delete,"));
	check(refused("cleanup.policy", ",delete"));
	check(refused("cleanup.policy", "delet"));
	check(!refused("compression.type", "zstd"));
	check(refused("compression.type", "zstd,lz4"));
	check(refused("compression.type", ""));
	check(!refused("preallocate", "True")); /* as Python writes it */
	check(refused("preallocate", "yes"));
}

void
test_config__the_nearest_value_holds(void)
{
	struct config_set *broker = config_set_copy(NULL), *topic = config_set_copy(NULL);
	check(is(config_value(NULL, NULL, CONFIG_RETENTION_MS), "604800000"));
	config_set_put(broker, CONFIG_RETENTION_MS, "1000");
	check_int(config_int(NULL, broker, CONFIG_RETENTION_MS), 1000);
	check_int(config_int(topic, broker, CONFIG_RETENTION_MS), 1000);
	config_set_put(topic, CONFIG_RETENTION_MS, "-1");
	check_int(config_int(topic, broker, CONFIG_RETENTION_MS), -1);
	config_set_put(topic, CONFIG_RETENTION_MS, NULL);
	check_int(config_int(topic, broker, CONFIG_RETENTION_MS), 1000);
	config_set_put(topic, CONFIG_PREALLOCATE, "True");
	check_int(config_int(topic, broker, CONFIG_PREALLOCATE), 1);
	check_int(config_int(NULL, broker, CONFIG_PREALLOCATE), 0);
	check(config_is(NULL, NULL, CONFIG_DURABILITY, "disk"));
	config_set_free(broker);
	config_set_free(topic);
	config_set_free(NULL);
}

void
test_config__finer_names_win_over_coarser_in_any_order(void)
{
	static const struct {
		enum config_id id;
		const char *value, *want;
	} steps[] = {
		{ CONFIG_LOG_RETENTION_HOURS, "2", "7200000" },
		{ CONFIG_LOG_RETENTION_MINUTES, "5", "300000" },
		{ CONFIG_LOG_RETENTION_HOURS, "3", "300000" },
		{ CONFIG_LOG_RETENTION_MINUTES, NULL, "10800000" },
		{ CONFIG_RETENTION_MS, "10800000", "10800000" },
		{ CONFIG_LOG_RETENTION_MINUTES, "7", "10800000" },
		{ CONFIG_RETENTION_MS, NULL, "420000" },
		{ CONFIG_LOG_RETENTION_MINUTES, "-1", "-1" },
		{ CONFIG_LOG_RETENTION_MINUTES, NULL, "10800000" },
		{ CONFIG_LOG_RETENTION_HOURS, NULL, "604800000" },
	};
	struct config_set *s = config_set_copy(NULL);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		config_set_put(s, steps[i].id, steps[i].value);
		check(is(config_value(NULL, s, CONFIG_RETENTION_MS), steps[i].want));
		struct config_set *copy = config_set_copy(s);
		config_set_free(s);
		s = copy;
	}
	config_set_put(s, CONFIG_LOG_ROLL_HOURS, "1");
	check_int(config_int(NULL, s, CONFIG_SEGMENT_MS), 3600000);
	check_int(config_int(NULL, s, CONFIG_RETENTION_MS), 604800000);
	config_set_free(s);
}

void
test_config__help_and_manual_name_every_key(void)
{
	static char text[1 << 16];
	for (int manual = 0; manual < 2; manual++) {
		check(freopen("out", "w", stdout) != NULL);
		(manual ? config_print_mdoc : config_print_help)();
		fflush(stdout);
		int fd = open("out", O_RDONLY);
		ssize_t n = read(fd, text, sizeof text - 1);
		check(n > 0);
		text[n] = 0;
		close(fd);
		for (int i = 0; i < CONFIG_N; i++)
			check(strstr(text, config_table[i].name) != NULL);
		check(!manual || !strchr(text, '\\'));
	}
}
