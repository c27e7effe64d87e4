/* kq-consume: writes records of topics to stdout. */
#include "kq-consume/exec.h"
#include "kq-consume/group_print.h"
#include "sys/clock.h"
#include "sys/sig.h"
#include "sys/stdfd.h"
#include "text/escape.h"
#include "text/opt.h"
#include "text/say.h"
#include "tool/run.h"

#include <unistd.h>

enum { EXEC_TXN_TIMEOUT_MS = 10000 };

static struct cluster_opts cluster_opts = { .client_id = "kq-consume" };
static struct start start;
static struct group_print_opts group_opts;
static struct exec_opts exec_opts = { .batch_records = 1000 };
static struct buf keyed_bytes;

/* The other options, as given. */
static struct {
	const char *format, *key_delimiter, *delimiter, *null_marker; /* with escapes */
	const char *protocol, *frame;
	int64_t partition;       /* -1: all */
	int64_t count;
	int64_t batch_records;   /* 0: not given, as in all below */
	int64_t commit_ms, session_ms, wait_ms, max_age_ms, exec_timeout_ms;
	bool waits_topic, stops_at_end, is_json, is_unbuffered, is_committed, is_uncommitted;
	bool empty_is_null;
} given = { .delimiter = "\\n", .protocol = "auto", .partition = -1, .count = INT64_MAX,
	.commit_ms = 5000 };

/* -o may be given twice: where to start, and where to stop. */
static int
take_start(void *to, const char *value, struct err *e)
{
	static bool has_begin, has_stop;
	bool *has = strncmp(value, "e@", 2) == 0 ? &has_stop : &has_begin;
	if (*has)
		return err_set(e, ERR_USAGE, has == &has_stop ? "where to stop is given twice"
			: "where to start is given twice");
	*has = true;
	return start_parse(to, value, clock_ms(), e);
}

static const struct opt opts[] = {
	RUN_OPT_BROKERS(&cluster_opts.brokers),
	RUN_OPT_WAIT(&given.wait_ms),
	OPT_BOOL(0, "wait-topic", &given.waits_topic,
		"wait for topics that do not exist or are deleted"),
	OPT_DURATION(0, "metadata-max-age", &given.max_age_ms, "TIME", 1, INT32_MAX,
		"look for new partitions this often (default 5m)"),
	OPT_CALL('o', "offset", &start, take_start, "WHERE",
		"where to start (default: beginning; with -G: end); a second -o e@TIME: where to stop",
		.is_repeatable = true),
	OPT_INT('p', "partition", &given.partition, "N", 0, INT32_MAX, "read only this partition"),
	OPT_INT('c', "count", &given.count, "N", 0, INT64_MAX, "stop after N records"),
	OPT_BOOL('e', "end", &given.stops_at_end, "stop at the current end of the partitions"),
	OPT_STRING('f', "format", &given.format, "FORMAT", "format of the printed records: see below",
		.max = INT32_MAX),
	OPT_STRING('K', "key-delimiter", &given.key_delimiter, "STRING",
		"print the key and STRING before each value"),
	OPT_STRING('D', "delimiter", &given.delimiter, "STRING",
		"print STRING after each record (default \\n)"),
	OPT_STRING(0, "null-marker", &given.null_marker, "STRING",
		"print this for a null key or value (default: nothing)"),
	OPT_BOOL('J', "json", &given.is_json, "print one JSON object per record"),
	OPT_STRING('G', "group", &group_opts.member.group, "GROUP", "read as a member of this group"),
	OPT_STRING(0, "instance", &group_opts.member.instance, "ID",
		"be a static member of the group, with this ID (group.instance.id)"),
	OPT_CHOICE(0, "assignor", &group_opts.member.assignors, "NAME",
		"range|roundrobin|sticky|cooperative-sticky|uniform",
		"assignor that divides the partitions among the members"),
	OPT_CHOICE(0, "protocol", &given.protocol, "NAME", "auto|classic|consumer",
		"group protocol (default auto)"),
	OPT_DURATION(0, "commit-every", &given.commit_ms, "TIME", 1, INT32_MAX,
		"interval between offset commits (default 5s)"),
	OPT_DURATION(0, "session", &given.session_ms, "TIME", 1000, INT32_MAX,
		"session timeout: a member silent for longer is removed (classic; default 45s)"),
	OPT_BOOL(0, "committed", &given.is_committed,
		"skip records of open and aborted transactions (default)"),
	OPT_BOOL(0, "uncommitted", &given.is_uncommitted,
		"also print records of open and aborted transactions"),
	OPT_STRING(0, "exec", &exec_opts.command, "COMMAND",
		"process each record exactly once with COMMAND: see below", .max = INT32_MAX),
	OPT_STRING(0, "to", &exec_opts.to, "TOPIC", "topic for COMMAND's output"),
	OPT_CHOICE(0, "frame", &given.frame, "NAME", COFRAME_CHOICES,
		"framing of records on COMMAND's stdin and stdout (default line)"),
	OPT_INT(0, "batch", &given.batch_records, "N", 1, COFRAME_COUNT_MAX,
		"largest number of records in a batch and transaction (default 1000)"),
	OPT_DURATION(0, "exec-timeout", &given.exec_timeout_ms, "TIME", 1, INT32_MAX / 2,
		"time COMMAND has to answer a batch (default 60s)"),
	OPT_STRING(0, "txn", &exec_opts.sink.producer.txn_id, "ID",
		"transactional ID (default GROUP-exec-...)"),
	OPT_BOOL('Z', "null", &given.empty_is_null,
		"turn empty values written by COMMAND into null (tombstones)"),
	OPT_BOOL('u', "unbuffered", &given.is_unbuffered, "flush stdout after every record"),
	OPT_END
};

static const struct opt_foreign foreign[] = {
	{ "-t", "name topics without an option: kq-consume TOPIC" },
	{ "--topic", "name topics without an option: kq-consume TOPIC" },
	{ "-C", "kq-consume always reads; leave it out" },
	{ "-P", "kq-produce writes records: kq-produce TOPIC" },
	{ "-L", "kq-topic shows topics: kq-topic list, kq-topic describe" },
	{ "-q", "kq-consume prints nothing but records; leave it out" },
	{ "--bootstrap-server", "brokers are given by -b HOST:PORT" },
	{ "--from-beginning", "this is the default; with -G, use -o beginning" },
	{ "--max-messages", "use -c N to stop after N records" },
	{ "--timeout-ms", "use -e to stop at the end" },
	OPT_FOREIGN_END
};

static const struct opt_command command = {
	.operands = "TOPIC...",
	.phrase = "write records of Kafka topics to stdout",
	.examples =
		"  kq-consume -e numbers\n"
		"  kq-consume -o -10 -e -K '\\t' scores\n"
		"  kq-consume -o @2026-11-24T10:00Z -J orders | jq .value\n"
		"  kq-consume -o end -f '%p %o %s\\n' app\n"
		"  kq-consume -G billing -o beginning orders | ./charge\n"
		"  kq-consume -G upper -o beginning raw --exec 'sed -u s/a/A/' --to clean\n",
	.notes =
		"WHERE: beginning; end; N (that offset); -N (the last N of each partition); @TIME (the\n"
		"first record at or after it); e@TIME (stop before the first record at or after it, or\n"
		"at the current end).\n"
		PLACE_TIME_NOTES
		"\n"
		"FORMAT: %s value, %S its length, %k key, %K its length, %t topic, %p partition,\n"
		"%o offset, %T timestamp in ms, %h headers, %% a percent sign.\n"
		"It may contain \\n \\t \\r \\0 \\\\ \\xHH.\n"
		"\n"
		"It is an error if a partition does not have offset N.  If records are deleted before\n"
		"they are read, a message reports it, and reading continues after them.\n"
		"\n"
		"With -G the members of the group share the partitions, and reading resumes at the\n"
		"group's committed offsets; -o (default end) applies to partitions without one.  An\n"
		"offset is committed after the records before it have been written: at the interval of\n"
		"--commit-every, before partitions are given up, and at exit.  A record may be printed\n"
		"twice, but none is left out.  The classic protocol has all assignors but uniform, and\n"
		"offers all of them by default; the consumer protocol has uniform and range.\n"
		"\n"
		"--exec: COMMAND reads batches of records from stdin, one per line; an empty line ends a\n"
		"batch.  It writes any number of lines to stdout as its answer, then an empty line, and\n"
		"flushes.  The answer and the group's offsets are then committed in one transaction.\n"
		"--frame count: a line with the number of records precedes them, instead of the empty\n"
		"line after them.  --frame length: each record is preceded by its length in 4 bytes,\n"
		"big-endian; ff ff ff ff ends a batch, ff ff ff fe is null.  --frame pair: the same for\n"
		"the key and the value of each record.  The frame and -K apply to both directions, -f\n"
		"and -J to the input.\n"
		"\n"
		RUN_NOTES,
	.opts = opts,
	.foreign = foreign,
};

static int
make_format(struct format *format, struct err *e)
{
	struct buf delimiter = BUF_INIT;
	if (exec_opts.command)
		given.delimiter = ""; /* the frame delimits */
	if (given.is_json + (given.format != NULL) + (given.key_delimiter != NULL) > 1)
		return err_set(e, ERR_USAGE, "only one of -J, -f and -K");
	if (given.is_json && given.null_marker)
		return err_set(e, ERR_USAGE, "--null-marker cannot be used with -J: JSON has its own null");
	if (given.is_json) {
		format_json(format);
		return 0;
	}
	if (given.format)
		return format_compile(format, given.format, &exec_opts.keyed, e);
	int rc = escape_parse(str_of(given.delimiter), &delimiter, e);
	if (rc == 0)
		format_delimited(format, &exec_opts.keyed, buf_str(&delimiter));
	buf_release(&delimiter);
	return rc;
}

static int
consume(struct fetcher *f, char **topics, struct format *format, struct err *e)
{
	struct output out;
	struct alone alone = { .fetcher = f, .start = &start, .partition = given.partition,
		.stops_at_end = given.stops_at_end,
		.topics = { .cluster = f->cluster, .waits = given.waits_topic } };
	int rc = 0;
	for (; rc == 0 && *topics; topics++)
		rc = alone_add(&alone, *topics, e);
	output_init(&out, STDOUT_FILENO, given.is_unbuffered);
	struct reading reading = { .fetcher = f, .format = format, .output = &out, .left = given.count,
		.is_stopped = &sig_is_stopped, .alone = &alone, .iter = FETCH_ITER_INIT };
	if (rc == 0)
		rc = reading_run(&reading, e);
	output_release(&out);
	alone_release(&alone);
	cluster_close(f->cluster);
	return rc;
}

static int
consume_in_group(struct fetcher *f, char **topics, struct format *format, struct err *e)
{
	struct output out;
	output_init(&out, STDOUT_FILENO, given.is_unbuffered);
	struct reading reading = { .fetcher = f, .format = format, .output = &out, .left = given.count,
		.is_stopped = &sig_is_stopped, .iter = FETCH_ITER_INIT };
	struct group_print *gp = group_print_open(&reading, &group_opts, topics, e);
	int rc = gp ? group_print_run(gp, e) : -1;
	output_release(&out);
	cluster_close(f->cluster);
	group_print_free(gp);
	return rc;
}

static int
consume_exactly_once(struct fetcher *f, char **topics, struct format *format, struct err *e)
{
	struct reading reading = { .fetcher = f, .format = format, .left = given.count,
		.is_stopped = &sig_is_stopped, .iter = FETCH_ITER_INIT };
	struct group_print *gp = group_print_open(&reading, &group_opts, topics, e);
	int rc = gp ? exec_run(gp, &reading, &exec_opts, e) : -1;
	cluster_close(f->cluster);
	group_print_free(gp);
	return rc;
}

static int
check_exec(struct err *e)
{
	struct exec_opts *o = &exec_opts;
	struct producer_opts *po = &o->sink.producer;
	bool has_other = given.frame || given.batch_records || given.exec_timeout_ms || po->txn_id
		|| given.empty_is_null;
	if (!o->command != !o->to)
		return err_set(e, ERR_USAGE, "--exec and --to must be given together");
	if (!o->command && has_other)
		return err_set(e, ERR_USAGE, "--frame, --batch, --exec-timeout, --txn and -Z need --exec");
	if (!o->command)
		return 0;
	if (!group_opts.member.group)
		return err_set(e, ERR_USAGE, "--exec needs a group: -G");
	if (given.is_uncommitted)
		return err_set(e, ERR_USAGE, "only one of --exec and --uncommitted");
	if (po->txn_id && !*po->txn_id)
		return err_set(e, ERR_USAGE, "option '--txn': empty");
	if (given.frame)
		o->frame = coframe_of(given.frame);
	if (given.batch_records)
		o->batch_records = given.batch_records;
	o->timeout_ms = given.exec_timeout_ms ? (int)given.exec_timeout_ms : 60000;
	if (o->frame == COFRAME_PAIR && (given.key_delimiter || given.format || given.is_json
			|| given.null_marker || given.empty_is_null))
		return err_set(e, ERR_USAGE,
			"-K, -f, -J, -Z and --null-marker cannot be used with --frame pair");
	o->keyed.empty_is_null = given.empty_is_null;
	po->delivery_timeout_ms = group_opts.member.retry_timeout_ms;
	return 0;
}

/* Fill the group's options from the others. */
static void
set_group_opts(void)
{
	struct member_opts *member = &group_opts.member;
	if (given.max_age_ms)
		member->refresh_ms = (int)given.max_age_ms;
	member->protocol = *given.protocol == 'a' ? MEMBER_AUTO
		: strcmp(given.protocol, "classic") == 0 ? MEMBER_CLASSIC : MEMBER_CONSUMER;
	if (given.session_ms) {
		member->session_timeout_ms = (int)given.session_ms;
		member->heartbeat_ms = MIN(member->heartbeat_ms, member->session_timeout_ms / 3);
	}
	group_opts.waits_topic = given.waits_topic;
	group_opts.commit_ms = (int)given.commit_ms;
	group_opts.start = &start;
	group_opts.stops_at_end = given.stops_at_end;
}

/* Check the options against each other, and complete those that others depend on. */
static int
check_options(struct err *e)
{
	const struct member_opts *member = &group_opts.member;
	if (keyed_parse(&exec_opts.keyed, given.key_delimiter, given.null_marker, &keyed_bytes, e) < 0)
		return -1;
	if (given.is_committed && given.is_uncommitted)
		return err_set(e, ERR_USAGE, "only one of --committed and --uncommitted");
	if (!member->group && (member->instance || member->assignors || given.session_ms))
		return err_set(e, ERR_USAGE, "--instance, --assignor and --session need -G");
	if (start.begin.kind == PLACE_NONE)
		start.begin.kind = member->group ? PLACE_END : PLACE_BEGINNING;
	start.is_committed = !given.is_uncommitted;
	if (!member->group)
		return check_exec(e);
	if (!*member->group)
		return err_set(e, ERR_USAGE, "the group's name is empty");
	if (given.partition >= 0)
		return err_set(e, ERR_USAGE,
			"only one of -G and -p: the group's members share all partitions");
	if (start.begin.kind == PLACE_OFFSET)
		return err_set(e, ERR_USAGE,
			"with -G, -o does not take an offset; kq-group seek sets the group's offsets");
	set_group_opts();
	return check_exec(e);
}

/* Fill in what the connections need beyond the options.  Returns 0, or -1. */
static int
set_cluster_opts(const struct fetcher_opts *fo, struct err *e)
{
	/* Leaving a group is bounded in time; a second signal (timeout(1) sends two) would
	 * only lose the offsets that are being committed. */
	cluster_opts.wake_fd = sig_catch(!group_opts.member.group, e);
	group_opts.wake_fd = exec_opts.sink.wake_fd = cluster_opts.wake_fd;
	cluster_opts.wait_ms = (int)given.wait_ms;
	cluster_opts.metadata_max_age_ms = (int)given.max_age_ms;
	cluster_opts.retry_timeout_ms = fo->retry_timeout_ms;
	cluster_opts.say = say_error;
	exec_opts.sink.cluster = cluster_opts;
	exec_opts.sink.cluster.is_quiet = true;
	return cluster_opts.wake_fd < 0 ? -1 : 0;
}

int
main(int argc, char **argv)
{
	struct opt_result result;
	struct err e;
	struct format format = { .n = 0 };
	say_init(argv[0]);
	member_opts_init(&group_opts.member);
	producer_opts_init(&exec_opts.sink.producer);
	exec_opts.sink.producer.txn_timeout_ms = EXEC_TXN_TIMEOUT_MS;
	int rc = opt_parse(&command, argc, argv, &result, &e);
	if (rc > 0)
		return say_flush_stdout();
	if (rc == 0 && result.argc < 1)
		rc = err_set(&e, ERR_USAGE, "which topic? see kq-consume --help");
	opt_drop_repeats(&result, 0);
	if (rc < 0 || check_options(&e) < 0
		|| (!exec_opts.command && stdfd_need(STDOUT_FILENO, &e) < 0)
		|| make_format(&format, &e) < 0) {
		format_release(&format);
		return say_err(&e, false);
	}

	signal(SIGPIPE, SIG_IGN); /* a closed pipe ends the program without a failure */
	struct cluster cluster;
	struct fetcher f;
	struct fetcher_opts fo;
	fetcher_opts_init(&fo);
	fo.is_committed = !given.is_uncommitted;
	if (group_opts.member.group)
		fo.retry_timeout_ms = group_opts.member.retry_timeout_ms;
	if (set_cluster_opts(&fo, &e) < 0 || cluster_open(&cluster, &cluster_opts, &e) < 0) {
		format_release(&format);
		return sig_end(sig_is_stopped ? EXIT_DONE : say_err(&e, false));
	}
	fetcher_init(&f, &cluster, &fo);
	rc = exec_opts.command ? consume_exactly_once(&f, result.argv, &format, &e)
		: group_opts.member.group ? consume_in_group(&f, result.argv, &format, &e)
		: consume(&f, result.argv, &format, &e);
	fetcher_release(&f);
	format_release(&format);
	buf_release(&keyed_bytes);
	return sig_end(rc < 0 && !sig_is_stopped ? say_err(&e, false) : EXIT_DONE);
}
