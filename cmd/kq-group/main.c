/* kq-group: show, move, copy and delete the offsets of consumer groups. */
#include "kq-group/group_run.h"
#include "kq-group/verbs.h"
#include "tool/ask.h"
#include "text/opt.h"
#include "tool/place.h"

#include <stdio.h>

#define ALL(text) \
	OPT_BOOL(0, "all", &group_options.takes_all, text)
#define JSON \
	OPT_BOOL(0, "json", &group_options.is_json, "print one JSON object per line")

static const struct opt list_opts[] = {
	OPT_STRING(0, "state", &group_options.states, "STATE,...",
		"only groups in one of these states"),
	OPT_STRING(0, "type", &group_options.types, "TYPE,...", "only groups of one of these types"),
	JSON,
	OPT_END
};
static const struct opt describe_opts[] = {
	OPT_BOOL(0, "members", &group_options.shows_members,
		"show members and their partitions instead of offsets"),
	OPT_BOOL(0, "state", &group_options.shows_state, "show only the state of the group"),
	ALL("all groups"),
	JSON,
	OPT_END
};

/* Of seek and import; a plan removes nothing. */
#define PLAN \
	ASK_YES(&group_options.is_sure), \
	OPT_BOOL('n', "dry-run", &group_options.is_dry, "only print the plan"), \
	OPT_BOOL(0, "execute", &group_options.is_sure, "the same as --yes")

static const struct opt seek_opts[] = {
	OPT_STRING(0, "to", &group_options.to, "WHERE",
		"target: beginning, end, current, N, +N, -N or @TIME: see kq(7)"),
	OPT_STRING(0, "from-file", &group_options.from_file, "FILE",
		"read the offsets from a file that export wrote (-: stdin); with topics, only theirs"),
	ALL("all topics for which the group has offsets"),
	PLAN,
	JSON,
	OPT_END
};
static const struct opt delete_opts[] = { ASK_YES(&group_options.is_sure),
	ASK_DRY_RUN(&group_options.is_dry), OPT_END };
static const struct opt export_opts[] = { ALL("all groups"), OPT_END };
static const struct opt import_opts[] = { PLAN, JSON, OPT_END };
static const struct opt watch_opts[] = {
	OPT_DURATION(0, "every", &group_options.every_ms, "TIME", 10, INT32_MAX,
		"refresh interval (default 2s)"),
	JSON,
	OPT_END
};

static const struct opt opts[] = {
	RUN_OPT_BROKERS(&group_options.run.brokers),
	RUN_OPT_WAIT(&group_options.run.wait_ms),
	OPT_END
};

static const struct opt_verb verbs[] = {
	OPT_VERB("list", "", "list groups with their types and states", list_opts, verb_group_list,
		.alias = "ls"),
	OPT_VERB("describe", "GROUP...", "show offsets and lag, members, or the state", describe_opts,
		verb_group_describe),
	OPT_VERB("seek", "GROUP [TOPIC[:P,..]]...",
		"change committed offsets: print the plan, then ask", seek_opts, verb_group_seek),
	OPT_VERB("delete", "GROUP...", "delete groups and all their offsets", delete_opts,
		verb_group_delete, .alias = "rm", .is_silent = true),
	OPT_VERB("delete-offsets", "GROUP TOPIC[:P,..]...", "delete the committed offsets of topics",
		delete_opts, verb_group_delete_offsets, .is_silent = true),
	OPT_VERB("export", "GROUP...", "print all committed offsets, one per line", export_opts,
		verb_group_export),
	OPT_VERB("import", "[FILE]", "set offsets from export's output: print the plan, then ask",
		import_opts, verb_group_import),
	OPT_VERB("watch", "GROUP", "show lag and rate, and keep refreshing them", watch_opts,
		verb_group_watch),
	OPT_VERB_END
};

static const struct opt_foreign foreign[] = {
	{ "-G", "name the group after the verb: kq-group describe GROUP" },
	{ "--group", "name the group after the verb: kq-group describe GROUP" },
	{ "-t", "name topics after the group: kq-group seek GROUP TOPIC" },
	{ "--topic", "name topics after the group: kq-group seek GROUP TOPIC" },
	{ "-L", "kq-group list and kq-group describe show groups" },
	{ "-C", "kq-consume reads as a member: kq-consume -G GROUP TOPIC" },
	{ "-P", "kq-produce writes records: kq-produce TOPIC" },
	{ "--bootstrap-server", "brokers are given by -b HOST:PORT" },
	{ "--list", "it is a verb here: kq-group list" },
	{ "--describe", "it is a verb here: kq-group describe GROUP" },
	{ "--delete", "it is a verb here: kq-group delete GROUP" },
	{ "--delete-offsets", "it is a verb here: kq-group delete-offsets GROUP TOPIC" },
	{ "--reset-offsets", "use the verb seek: kq-group seek GROUP TOPIC --to WHERE" },
	{ "--all-groups", "use --all for all groups" },
	{ "--all-topics", "use --all for all topics" },
	OPT_FOREIGN_END
};

static const struct opt_command command = {
	.operands = "VERB [GROUP]...",
	.phrase = "show, move, copy and delete the offsets of Kafka consumer groups",
	.examples =
		"  kq-group list --state stable\n"
		"  kq-group describe billing\n"
		"  kq-group describe --members billing\n"
		"  kq-group seek billing orders:0,1 --to @2026-11-24T10:00\n"
		"  kq-group seek billing --all --to -100 --yes\n"
		"  kq-group export --all | KQ_BROKERS=other:9092 kq-group import --yes\n"
		"  kq-group watch billing --every 1s\n"
		"  kq-group delete --yes billing\n",
	.notes =
		"WHERE: beginning; end; current (the committed offset, else the end); N (that offset); +N\n"
		"or -N (N after or before the committed offset); @TIME (the first record at or after it,\n"
		"else the end).\n"
		PLACE_TIME_NOTES
		"\n"
		"delete, delete-offsets, seek and import ask for confirmation on the terminal.  --yes\n"
		"suppresses the question; --dry-run only prints what would be done.  Without a terminal\n"
		"delete and delete-offsets require one of them; seek and import just print their plan.\n"
		"\n"
		RUN_NOTES,
	.opts = opts,
	.verbs = verbs,
	.foreign = foreign,
};

static int
check(struct opt_result *result, struct err *e)
{
	bool is_for_groups = strncmp(result->verb->operands, "GROUP...", 8) == 0;
	opt_drop_repeats(result, is_for_groups ? 0 : 1);
	if (group_options.takes_all && is_for_groups)
		return result->argc == 0 ? 0
			: err_set(e, ERR_USAGE, "only one of --all and names of groups");
	return opt_check_operands(result, result->argc == 0 ? "group" : "topic", e);
}

int
main(int argc, char **argv)
{
	return opt_main(&command, argc, argv, check);
}
