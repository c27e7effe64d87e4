#include "tap.h"
#include "text/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct config_key *
key(const char *name)
{
	const struct config_key *k = config_find(CONFIG_SCOPE_TOPIC, str_of(name));
	if (!k)
		k = config_find(CONFIG_SCOPE_BROKER, str_of(name));
	if (!k)
		k = config_find(CONFIG_SCOPE_GROUP, str_of(name));
	check(k != NULL);
	return k;
}

/* NULL if the value is accepted, else the message. */
static const char *
refused(const char *name, const char *value)
{
	static struct err e;
	char *plain = config_parse(key(name), key(name)->scope, str_of(value), &e);
	bool is_taken = plain != NULL;
	mem_free(plain);
	return is_taken ? NULL : e.class == ERR_USAGE ? e.msg : "of another class";
}

/* Is the value accepted, with this canonical form? */
static bool
becomes(const char *name, struct str value, const char *want)
{
	struct err e;
	char *plain = config_parse(key(name), key(name)->scope, value, &e);
	bool ok = plain && strcmp(plain, want) == 0;
	if (!ok)
		printf("# %s: %s, not %s\n", name, plain ? plain : e.msg, want);
	mem_free(plain);
	return ok;
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
		char *plain = *k->def ? config_parse(k, k->scope, str_of(k->def), &e) : NULL;
		check(!*k->def || (plain && strcmp(plain, k->def) == 0));
		mem_free(plain);
		check_int(config_id_of(k), i);
		check(k->type != CONFIG_TYPE_ENUM || *k->choices);
		check(k->type != CONFIG_TYPE_ANYCASE || *k->choices);
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
		"Invalid value 1.5 for configuration min.cleanable.dirty.ratio: "
		"Value must be no more than 1"));
	check(refused("min.cleanable.dirty.ratio", "nan"));
	check(refused("min.cleanable.dirty.ratio", ""));
}

void
test_config__words_are_from_their_lists(void)
{
	check(!refused("cleanup.policy", "compact,delete"));
	check(!refused("cleanup.policy", "delete"));
	check(is(refused("cleanup.policy", "delete,burn"),
		"Invalid value delete,burn for configuration cleanup.policy: "
		"each must be one of: delete,compact"));
	check(!refused("cleanup.policy", ""));
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
test_config__every_number_is_kept_plain_and_has_its_limits(void)
{
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		bool is_long = k->type == CONFIG_TYPE_LONG;
		if ((k->type != CONFIG_TYPE_INT && !is_long) || k->effect == CONFIG_EFFECT_FIXED)
			continue;
		char z[60];
		const char *bad[] = { "", "x", "1x", "1.5", "1e3", "0x10", "--1", "+", "1 2", "null" };
		for (size_t at = 0; at < ARRAY_LEN(bad); at++)
			check(refused(k->name, bad[at]));
		check(refused(k->name, is_long ? "9223372036854775808" : "2147483648"));
		check(refused(k->name, is_long ? "-9223372036854775809" : "-2147483649"));
		int64_t good[] = { k->min, k->max, k->other };
		for (size_t at = 0; at < ARRAY_LEN(good); at++) {
			char want[30];
			snprintf(want, sizeof want, "%lld", (long long)good[at]);
			snprintf(z, sizeof z, "\t %s%s%s \r\n", good[at] >= 0 ? "+" : "-",
				good[at] >= 0 ? "00" : "", want + (good[at] < 0));
			check(becomes(k->name, str_of(z), want));
		}
		if (k->min - (is_long ? 0 : 1) != INT64_MIN && k->min - 1 != k->other) {
			snprintf(z, sizeof z, "%lld", (long long)k->min - 1);
			check(refused(k->name, z));
		}
		if (k->max != INT64_MAX) {
			snprintf(z, sizeof z, "%lld", (long long)k->max + 1);
			check(refused(k->name, z));
		}
	}
	check(!refused("compression.gzip.level", "-1"));
	check(is(refused("compression.gzip.level", "0"), "Invalid value 0 for configuration "
		"compression.gzip.level: Value must be between 1 and 9 or equal to -1"));
	check(refused("segment.bytes", "1048575"));
	check(refused("max.decompressed.message.bytes", "2147483640"));
}

void
test_config__every_word_is_kept_plain(void)
{
	for (int i = 0; i < CONFIG_N; i++) {
		const struct config_key *k = &config_table[i];
		char z[200];
		if (k->effect == CONFIG_EFFECT_FIXED || !*k->def)
			continue;
		snprintf(z, sizeof z, " \n%s\t", k->def);
		check(becomes(k->name, str_of(z), k->def));
		check(becomes(k->name, (struct str){ (const uint8_t *)z, (int32_t)strlen(z) + 1 }, k->def));
		if (k->type == CONFIG_TYPE_BOOL) {
			check(becomes(k->name, STR(" TRUE"), "true"));
			check(becomes(k->name, STR("False "), "false"));
			check(refused(k->name, "1") && refused(k->name, "yes") && refused(k->name, ""));
		} else if (k->type == CONFIG_TYPE_ENUM || k->type == CONFIG_TYPE_ANYCASE) {
			check(refused(k->name, "") && refused(k->name, "nothing"));
			z[1] = (char)(k->def[0] ^ 32);
			strcpy(z + 2, k->def + 1);
			check((refused(k->name, z) != NULL) == (k->type == CONFIG_TYPE_ENUM));
		} else if (k->type == CONFIG_TYPE_LIST && *k->choices) {
			check(refused(k->name, ",") && refused(k->name, "nothing"));
			check(becomes(k->name, STR(""), ""));
		}
	}
	check(becomes("cleanup.policy", STR(" compact , delete,compact"), "compact,delete"));
	check(refused("cleanup.policy", "delete compact"));
	check(becomes("min.cleanable.dirty.ratio", STR(" .5f "), "0.5"));
	check(becomes("min.cleanable.dirty.ratio", STR("1"), "1.0"));
	check(refused("min.cleanable.dirty.ratio", "0.5x"));
	struct err e;
	check(!config_parse(key("listeners"), CONFIG_SCOPE_BROKER, STR("a\0b"), &e));
	char longest[CONFIG_VALUE_MAX + 2];
	memset(longest, 'x', sizeof longest - 1);
	longest[CONFIG_VALUE_MAX + 1] = 0;
	check(refused("cluster.id", longest));
	longest[CONFIG_VALUE_MAX] = 0;
	check(becomes("cluster.id", str_of(longest), longest));
}

void
test_config__throttled_replicas_are_pairs_or_a_star(void)
{
	static const char *const bad[] = { "0", "a:b", "0:1:2", ":", "0:", ":1", "*,0:1", "none",
		"-1:2", "0:1,," };
	const char *name = "leader.replication.throttled.replicas";
	check(becomes(name, STR(" 0:1 , 1:2"), "0:1,1:2"));
	check(becomes(name, STR(" * "), "*"));
	check(becomes(name, STR(""), ""));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check(refused(name, bad[i]));
}

void
test_config__what_would_have_no_effect_is_refused(void)
{
	check(!refused("remote.storage.enable", "False"));
	check(refused("remote.storage.enable", "true"));
	check(!refused("local.retention.ms", " -2 "));
	check(strstr(refused("local.retention.ms", "1000"), "kq does not have"));
}

void
test_config__unknown_names_are_explained(void)
{
	struct err e;
	check_int(config_unknown(CONFIG_SCOPE_BROKER, STR("log.cleaner.threads"), &e), -1);
	check(is(e.msg, "Kafka has the broker setting 'log.cleaner.threads', kq does not yet"));
	config_unknown(CONFIG_SCOPE_GROUP, STR("share.session.timeout.ms"), &e);
	check(is(e.msg, "Kafka has the group setting 'share.session.timeout.ms', kq does not yet"));
	config_unknown(CONFIG_SCOPE_TOPIC, STR("retention.sm"), &e);
	check(is(e.msg, "there is no topic setting 'retention.sm'; did you mean 'retention.ms'?"));
	config_unknown(CONFIG_SCOPE_TOPIC, STR("colour"), &e);
	check(is(e.msg, "there is no topic setting 'colour'"));
}

void
test_config__people_may_write_units(void)
{
	static const struct { const char *name, *value, *want; } cases[] = {
		{ "retention.ms", "7d", "604800000" }, { "retention.ms", "-1", "-1" },
		{ "segment.bytes", "1G", "1073741824" }, { "log.roll.ms", "1h", "3600000" },
		{ "group.state.bytes.max", "2M", "2097152" }, { "retention.ms", "1G", "1G" },
		{ "segment.bytes", "7d", "7d" }, { "num.partitions", "1k", "1k" },
		{ "flush.messages", "1k", "1k" }, { "x.unknown.ms", "5s", "5000" },
		{ "retention.ms", "", "" }, { "compression.zstd.level", "1M", "1M" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = BUF_INIT;
		config_put_plain(cases[i].name, cases[i].value, &b);
		check(str_eq(buf_str(&b), str_of(cases[i].want)));
		buf_release(&b);
	}
}

void
test_config__compaction_lags_are_in_order(void)
{
	struct config_set *broker = config_set_copy(NULL), *topic = config_set_copy(NULL);
	struct err e;
	check_int(config_check_together(NULL, NULL, &e), 0);
	config_set_put(broker, CONFIG_MAX_COMPACTION_LAG_MS, "10");
	config_set_put(topic, CONFIG_MIN_COMPACTION_LAG_MS, "10");
	check_int(config_check_together(topic, broker, &e), 0);
	config_set_put(topic, CONFIG_MIN_COMPACTION_LAG_MS, "11");
	check_int(config_check_together(topic, broker, &e), -1);
	check(e.class == ERR_USAGE);
	config_set_free(broker);
	config_set_free(topic);
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
