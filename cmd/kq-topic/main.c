/* kq-topic: create, show, change and delete topics. */
#include "kq-topic/topic_run.h"
#include "kq-topic/verbs.h"
#include "tool/ask.h"
#include "text/config.h"
#include "text/opt.h"
#include "tool/place.h"

#include <stdio.h>

struct topic_options topic_options = { .partition = -1 };

/* key and value: ours to free. */
static int
add_setting(char *key, char *value, struct err *e)
{
	for (int i = 0; i < topic_options.nsetting; i++)
		if (strcmp(topic_options.setting[i].key, key) == 0) {
			err_set(e, ERR_USAGE, "the setting '%s' is given twice", key);
			mem_free(key);
			mem_free(value);
			return -1;
		}
	topic_options.setting = mem_realloc(topic_options.setting,
		(size_t)(topic_options.nsetting + 1) * sizeof *topic_options.setting);
	topic_options.setting[topic_options.nsetting++] = (struct topic_setting){ key, value };
	return 0;
}

static int
take_set(void *to, const char *text, struct err *e)
{
	(void)to;
	const char *equals = strchr(text, '=');
	if (!equals || equals == text)
		return err_set(e, ERR_USAGE, "'%s' is not key=value", text);
	/* Where the key is in ms or bytes, "7d" or "1G" will do. */
	char *key = mem_strndup((struct str){ (const uint8_t *)text, (int32_t)(equals - text) });
	struct buf plain = BUF_INIT;
	config_put_plain(key, equals + 1, &plain);
	char *value = mem_strndup(buf_str(&plain));
	buf_release(&plain);
	return add_setting(key, value, e);
}

static int
take_unset(void *to, const char *text, struct err *e)
{
	(void)to;
	if (!*text || strchr(text, '='))
		return err_set(e, ERR_USAGE, "'%s' is not a key", text);
	return add_setting(mem_strdup(text), NULL, e);
}

#define PARTITIONS(text) \
	{ 'p', "partitions", OPT_INT, &topic_options.npartition, "N", .phrase = text, .min = 1, .max = INT32_MAX }
#define CONFIG \
	{ 'c', "config", OPT_CALL, NULL, "KEY=VALUE", .phrase = "set a setting of the topic; may be repeated", .call = take_set, .is_repeatable = true }
#define JSON \
	{ 0, "json", OPT_FLAG, &topic_options.is_json, NULL, .phrase = "print one JSON object per line" }

static const struct opt create_opts[] = {
	PARTITIONS("number of partitions (default: the broker's num.partitions)"),
	{ 'r', "replicas", OPT_INT, &topic_options.replicas, "N", .phrase = "copies of each partition (default: the broker's default.replication.factor)", .min = 1, .max = INT16_MAX },
	CONFIG,
	{ 0, "if-not-exists", OPT_FLAG, &topic_options.may_exist, NULL, .phrase = "succeed if the topic already exists" },
	OPT_END
};
#define INTERNAL \
	{ 0, "internal", OPT_FLAG, &topic_options.shows_internal, NULL, .phrase = "include the cluster's internal topics" }
static const struct opt list_opts[] = { INTERNAL, JSON, OPT_END };
static const struct opt alter_opts[] = {
	PARTITIONS("raise the number of partitions to N"),
	CONFIG,
	{ 'd', "delete-config", OPT_CALL, NULL, "KEY", .phrase = "reset this setting to its default; may be repeated", .call = take_unset, .is_repeatable = true },
	OPT_END
};
static const struct opt delete_opts[] = {
	ASK_YES(&topic_options.is_sure),
	ASK_DRY_RUN(&topic_options.is_dry),
	OPT_END
};
static const struct opt offsets_opts[] = {
	{ 0, "at", OPT_STRING, &topic_options.at, "WHERE", .phrase = "beginning, end, -N or @TIME, see kq(7); default: beginning and end" },
	JSON,
	OPT_END
};
static const struct opt trim_opts[] = {
	{ 0, "before", OPT_STRING, &topic_options.before, "WHERE", .phrase = "delete the records before an offset, @TIME, -N, or end (all records): see kq(7)" },
	{ 'p', "partition", OPT_INT, &topic_options.partition, "N", .phrase = "delete only in this partition", .min = 0, .max = INT32_MAX },
	ASK_YES(&topic_options.is_sure),
	ASK_DRY_RUN(&topic_options.is_dry),
	JSON,
	OPT_END
};

static const struct opt opts[] = {
	{ 'b', "brokers", OPT_STRING, &topic_options.run.brokers, "ADDRESS,...", .phrase = "brokers to contact first: host:port, unix:/path, /path", .max = INT32_MAX },
	{ 0, "wait", OPT_DURATION, &topic_options.run.wait_ms, "TIME", .phrase = "keep trying to connect for this long", .max = INT32_MAX },
	OPT_END
};

static const struct opt_verb verbs[] = {
	{ "create", "NAME...", "create topics", create_opts, verb_topic_create, .is_silent = true },
	{ "list", "", "list the names of topics", list_opts, verb_topic_list, "ls" },
	{ "describe", "[NAME...]", "show partitions, replicas, offsets, sizes and settings", list_opts, verb_topic_describe },
	{ "alter", "NAME", "add partitions; change settings", alter_opts, verb_topic_alter, .is_silent = true },
	{ "delete", "NAME...", "delete topics and all their records", delete_opts, verb_topic_delete, "rm", .is_silent = true },
	{ "offsets", "NAME", "show the first and the next offset, or the offset at a time", offsets_opts, verb_topic_offsets },
	{ "trim", "NAME", "delete the oldest records", trim_opts, verb_topic_trim },
	{ "du", "[NAME...]", "show the bytes on disk", list_opts, verb_topic_du },
	{ NULL }
};

static const struct opt_foreign foreign[] = {
	{ "-t", "name the topic after the verb: kq-topic describe TOPIC" },
	{ "--topic", "name the topic after the verb: kq-topic describe TOPIC" },
	{ "-L", "kq-topic list and kq-topic describe show topics" },
	{ "-C", "kq-consume reads records: kq-consume TOPIC" },
	{ "-P", "kq-produce writes records: kq-produce TOPIC" },
	{ "--bootstrap-server", "brokers are given by -b HOST:PORT" },
	{ "--create", "it is a verb here: kq-topic create TOPIC" },
	{ "--list", "it is a verb here: kq-topic list" },
	{ "--describe", "it is a verb here: kq-topic describe TOPIC" },
	{ "--alter", "it is a verb here: kq-topic alter TOPIC" },
	{ "--delete", "it is a verb here: kq-topic delete TOPIC" },
	{ "--replication-factor", "the number of replicas is given by -r N" },
	OPT_FOREIGN_END
};

static const struct opt_command command = {
	.operands = "VERB [NAME]...",
	.phrase = "create, show, change and delete Kafka topics",
	.examples =
		"  kq-topic create -p 4 -c max.message.bytes=4MiB orders\n"
		"  kq-topic list\n"
		"  kq-topic describe orders\n"
		"  kq-topic alter orders -p 8 -d max.message.bytes\n"
		"  kq-topic offsets orders --at @2026-11-24T10:00\n"
		"  kq-topic trim orders --before @-7d --yes\n"
		"  kq-topic du | sort -rn | head\n"
		"  kq-topic delete --yes orders\n",
	.notes =
		"WHERE: beginning; end; N (that offset); -N (the last N of each partition); @TIME (the\n"
		"first record at or after it).\n"
		PLACE_TIME_NOTES
		"\n"
		"delete and trim ask for confirmation on the terminal.  --yes suppresses the question;\n"
		"--dry-run only prints what would be deleted.  Without a terminal one of them is required.\n"
		"\n"
		"Default of -b: KQ_BROKERS, else the default socket, else 127.0.0.1:9092.\n",
	.opts = opts,
	.verbs = verbs,
	.foreign = foreign,
};

static int
check(struct opt_result *r, struct err *e)
{
	opt_drop_repeats(r, 0);
	return opt_check_operands(r, "topic", e);
}

int
main(int argc, char **argv)
{
	int code = opt_main(&command, argc, argv, check);
	for (int i = 0; i < topic_options.nsetting; i++) {
		mem_free(topic_options.setting[i].key);
		mem_free(topic_options.setting[i].value);
	}
	mem_free(topic_options.setting);
	return code;
}
