/* kq-group: show, move, copy and delete the offsets of consumer groups. */
#include "kq-group/group_run.h"
#include "kq-group/verbs.h"
#include "tool/ask.h"
#include "text/opt.h"
#include "tool/place.h"

#include <stdio.h>

enum { EVERY_MS = 2000 };

struct group_options group_options = { .every_ms = EVERY_MS };

#define ALL(text) \
	{ 0, "all", OPT_FLAG, &group_options.takes_all, NULL, .phrase = text }
#define JSON \
	{ 0, "json", OPT_FLAG, &group_options.is_json, NULL, .phrase = "print one JSON object per line" }

static const struct opt list_opts[] = {
	{ 0, "state", OPT_STRING, &group_options.states, "STATE,...", .phrase = "only groups in one of these states" },
	{ 0, "type", OPT_STRING, &group_options.types, "TYPE,...", .phrase = "only groups of one of these types" },
	JSON,
	OPT_END
};
static const struct opt describe_opts[] = {
	{ 0, "members", OPT_FLAG, &group_options.shows_members, NULL, .phrase = "show members and their partitions instead of offsets" },
	{ 0, "state", OPT_FLAG, &group_options.shows_state, NULL, .phrase = "show only the state of the group" },
	ALL("all groups"),
	JSON,
	OPT_END
};

/* Of seek and import; a plan removes nothing. */
#define PLAN \
	ASK_YES(&group_options.is_sure), \
	{ 'n', "dry-run", OPT_FLAG, &group_options.is_dry, NULL, .phrase = "only print the plan" }, \
	{ 0, "execute", OPT_FLAG, &group_options.is_sure, NULL, .phrase = "the same as --yes" }

static const struct opt seek_opts[] = {
	{ 0, "to", OPT_STRING, &group_options.to, "WHERE", .phrase = "beginning, end, current, N, +N, -N or @TIME: see kq(7)" },
	{ 0, "from-file", OPT_STRING, &group_options.from_file, "FILE", .phrase = "take the offsets of export from FILE (-: stdin), or only those of the named topics" },
	ALL("all topics for which the group has offsets"),
	PLAN,
	JSON,
	OPT_END
};
static const struct opt delete_opts[] = { ASK_YES(&group_options.is_sure), ASK_DRY_RUN(&group_options.is_dry), OPT_END };
static const struct opt export_opts[] = { ALL("all groups"), OPT_END };
static const struct opt import_opts[] = { PLAN, JSON, OPT_END };
static const struct opt watch_opts[] = {
	{ 0, "every", OPT_DURATION, &group_options.every_ms, "TIME", .phrase = "refresh interval (default 2s)", .min = 10, .max = INT32_MAX },
	JSON,
	OPT_END
};

static const struct opt opts[] = {
	{ 'b', "brokers", OPT_STRING, &group_options.run.brokers, "ADDRESS,...", .phrase = "brokers to contact first: host:port, unix:/path, /path", .max = INT32_MAX },
	{ 0, "wait", OPT_DURATION, &group_options.run.wait_ms, "TIME", .phrase = "keep trying to connect for this long", .max = INT32_MAX },
	OPT_END
};

static const struct opt_verb verbs[] = {
	{ "list", "", "list groups with their types and states", list_opts, verb_group_list, "ls" },
	{ "describe", "GROUP...", "show offsets and lag, members, or the state", describe_opts, verb_group_describe },
	{ "seek", "GROUP [TOPIC[:P,..]]...", "change committed offsets: print the plan, then ask", seek_opts, verb_group_seek },
	{ "delete", "GROUP...", "delete groups and all their offsets", delete_opts, verb_group_delete, "rm", .is_silent = true },
	{ "delete-offsets", "GROUP TOPIC[:P,..]...", "delete the committed offsets of topics", delete_opts, verb_group_delete_offsets, .is_silent = true },
	{ "export", "GROUP...", "print all committed offsets, one per line", export_opts, verb_group_export },
	{ "import", "[FILE]", "set offsets from lines of export: print the plan, then ask", import_opts, verb_group_import },
	{ "watch", "GROUP", "show lag and rate, and keep refreshing them", watch_opts, verb_group_watch },
	{ NULL }
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
		"WHERE: beginning; end; current (the committed offset, else the end); N (that offset); +N or\n"
		"-N (N after or before the committed offset); @TIME (the first record at or after it, else\n"
		"the end).\n"
		PLACE_TIME_NOTES
		"\n"
		"delete, delete-offsets, seek and import ask for confirmation on the terminal.  --yes\n"
		"suppresses the question; --dry-run only prints what would be done.  Without a terminal\n"
		"delete and delete-offsets require one of them; seek and import just print their plan.\n"
		"\n"
		"Default of -b: KQ_BROKERS, else the default socket, else 127.0.0.1:9092.\n",
	.opts = opts,
	.verbs = verbs,
	.foreign = foreign,
};

static int
check(struct opt_result *r, struct err *e)
{
	bool is_for_groups = strncmp(r->verb->operands, "GROUP...", 8) == 0;
	opt_drop_repeats(r, is_for_groups ? 0 : 1);
	if (group_options.takes_all && is_for_groups)
		return r->argc == 0 ? 0 : err_set(e, ERR_USAGE, "only one of --all and names of groups");
	return opt_check_operands(r, r->argc == 0 ? "group" : "topic", e);
}

int
main(int argc, char **argv)
{
	return opt_main(&command, argc, argv, check);
}
