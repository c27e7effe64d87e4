/* kq-topic: create, show, change and delete topics. */
#include "kq-topic/topic_run.h"
#include "kq-topic/verbs.h"
#include "tool/ask.h"
#include "text/config.h"
#include "text/opt.h"
#include "tool/place.h"

#include <stdio.h>

/* Takes ownership of key and value. */
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
	/* Keys in ms or bytes also accept "7d" or "1G". */
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
	OPT_INT('p', "partitions", &topic_options.npartition, "N", 1, INT32_MAX, text)
#define CONFIG \
	OPT_CALL('c', "config", NULL, take_set, "KEY=VALUE", \
		"set a setting of the topic; may be repeated", .is_repeatable = true)
#define JSON \
	OPT_BOOL(0, "json", &topic_options.is_json, "print one JSON object per line")

static const struct opt create_opts[] = {
	PARTITIONS("number of partitions (default: the broker's num.partitions)"),
	OPT_INT('r', "replicas", &topic_options.replicas, "N", 1, INT16_MAX,
		"copies of each partition (default: the broker's default.replication.factor)"),
	CONFIG,
	OPT_BOOL(0, "if-not-exists", &topic_options.may_exist, "succeed if the topic already exists"),
	OPT_END
};
#define INTERNAL \
	OPT_BOOL(0, "internal", &topic_options.shows_internal, "include the cluster's internal topics")
static const struct opt list_opts[] = { INTERNAL, JSON, OPT_END };
static const struct opt alter_opts[] = {
	PARTITIONS("raise the number of partitions to N"),
	CONFIG,
	OPT_CALL('d', "delete-config", NULL, take_unset, "KEY",
		"reset this setting to its default; may be repeated", .is_repeatable = true),
	OPT_END
};
static const struct opt delete_opts[] = {
	ASK_YES(&topic_options.is_sure),
	ASK_DRY_RUN(&topic_options.is_dry),
	OPT_END
};
static const struct opt offsets_opts[] = {
	OPT_STRING(0, "at", &topic_options.at, "WHERE",
		"offset to show: beginning, end, -N or @TIME, see kq(7); default: beginning and end"),
	JSON,
	OPT_END
};
static const struct opt trim_opts[] = {
	OPT_STRING(0, "before", &topic_options.before, "WHERE",
		"delete the records before an offset, @TIME, -N, or end (all records): see kq(7)"),
	OPT_INT('p', "partition", &topic_options.partition, "N", 0, INT32_MAX,
		"delete only in this partition"),
	ASK_YES(&topic_options.is_sure),
	ASK_DRY_RUN(&topic_options.is_dry),
	JSON,
	OPT_END
};

static const struct opt opts[] = {
	RUN_OPT_BROKERS(&topic_options.run.brokers),
	RUN_OPT_WAIT(&topic_options.run.wait_ms),
	OPT_END
};

static const struct opt_verb verbs[] = {
	OPT_VERB("create", "NAME...", "create topics", create_opts, verb_topic_create,
		.is_silent = true),
	OPT_VERB("list", "", "list the names of topics", list_opts, verb_topic_list, .alias = "ls"),
	OPT_VERB("describe", "[NAME...]", "show partitions, replicas, offsets, sizes and settings",
		list_opts, verb_topic_describe),
	OPT_VERB("alter", "NAME", "add partitions; change settings", alter_opts, verb_topic_alter,
		.is_silent = true),
	OPT_VERB("delete", "NAME...", "delete topics and all their records", delete_opts,
		verb_topic_delete, .alias = "rm", .is_silent = true),
	OPT_VERB("offsets", "NAME", "show the first and the next offset, or the offset at a time",
		offsets_opts, verb_topic_offsets),
	OPT_VERB("trim", "NAME", "delete the oldest records", trim_opts, verb_topic_trim),
	OPT_VERB("du", "[NAME...]", "show the bytes on disk", list_opts, verb_topic_du),
	OPT_VERB_END
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
		"--dry-run only prints what would be deleted.  Without a terminal one of them is\n"
		"required.\n"
		"\n"
		RUN_NOTES,
	.opts = opts,
	.verbs = verbs,
	.foreign = foreign,
};

static int
check(struct opt_result *result, struct err *e)
{
	opt_drop_repeats(result, 0);
	return opt_check_operands(result, "topic", e);
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
