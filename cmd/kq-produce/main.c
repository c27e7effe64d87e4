/* kq-produce: writes lines of stdin or files as records to a topic. */
#include "kq-produce/feed.h"
#include "kq-produce/producer_settings.h"
#include "sys/sig.h"
#include "sys/stdfd.h"
#include "text/escape.h"
#include "text/opt.h"
#include "text/say.h"
#include "text/units.h"
#include "tool/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum {
	RECORD_MAX = 128 << 20, /* limit, where the topic's own is not known */
	ABORT_MS = 5000,        /* time to abort a transaction before the exit */
};

static struct producer_settings settings;
static struct json_record json_record = JSON_RECORD_INIT;
static struct feed feed;
static int wake_fd = -1;

/* The other options, as given. */
static struct {
	const char *brokers, *txn_id, *acks, *codec;
	const char *delimiter, *key_delimiter, *null_marker; /* with escapes */
	int64_t partition;       /* -1: by key */
	int64_t count;
	int64_t linger_ms, batch_bytes, txn_timeout_ms; /* -1: not given */
	int64_t wait_ms, max_age_ms; /* 0: not given */
	bool empty_is_null, is_json, is_plain;
} given = { .delimiter = "\\n", .partition = -1, .count = INT64_MAX, .linger_ms = -1,
	.batch_bytes = -1, .txn_timeout_ms = -1 };

static int
take_header(void *to, const char *value, struct err *e)
{
	const char *equals = strchr(value, '=');
	if (!equals || equals == value)
		return err_set(e, ERR_USAGE, "'%s' is not name=value", value);
	struct feed *into = to;
	builder_put_header(&into->headers,
		(struct str){ (const uint8_t *)value, (int32_t)(equals - value) }, str_of(equals + 1));
	into->nheader++;
	return 0;
}

static int
take_setting(void *to, const char *value, struct err *e)
{
	return producer_settings_take(to, value, e);
}

/* "1000": a number of records; "500ms": a time. */
static int
take_every(void *to, const char *value, struct err *e)
{
	struct feed *into = to;
	int64_t n;
	bool is_count = value[strspn(value, "0123456789")] == 0;
	into->txn_ms = 0;
	into->txn_records = INT64_MAX;
	if (is_count)
		return units_parse_int(value, 1, INT64_MAX, &into->txn_records, e);
	if (units_parse_duration(value, &n, e) < 0)
		return -1;
	if (n < 1 || n > INT32_MAX)
		return err_set(e, ERR_USAGE, "'%s' is not between 1ms and 24d", value);
	into->txn_ms = (int)n;
	return 0;
}

static const struct opt opts[] = {
	RUN_OPT_BROKERS(&given.brokers),
	RUN_OPT_WAIT(&given.wait_ms),
	OPT_BOOL(0, "no-create", &settings.producer.never_creates,
		"fail when the topic does not exist"),
	OPT_DURATION(0, "metadata-max-age", &given.max_age_ms, "TIME", 1, INT32_MAX,
		"look for new partitions this often (default 5m)"),
	OPT_STRING('D', "delimiter", &given.delimiter, "STRING", "end records at STRING (default \\n)"),
	OPT_STRING('K', "key-delimiter", &given.key_delimiter, "STRING",
		"separate key and value at STRING; without it, the key is null"),
	OPT_INT('p', "partition", &given.partition, "N", 0, INT32_MAX,
		"write to this partition (default: chosen by the key)"),
	OPT_CALL('H', "header", &feed, take_header, "NAME=VALUE",
		"add this header to every record; may be repeated", .max = INT32_MAX,
		.is_repeatable = true),
	OPT_BOOL('Z', "null", &given.empty_is_null, "turn empty values into null (tombstones)"),
	OPT_STRING(0, "null-marker", &given.null_marker, "STRING",
		"read a key or value equal to STRING as null"),
	OPT_BOOL('J', "json", &given.is_json,
		"read each line as a JSON object, as printed by kq-consume -J"),
	OPT_CHOICE('z', "compress", &given.codec, "CODEC", "none|gzip|snappy|lz4|zstd",
		"compress batches"),
	OPT_CHOICE(0, "acks", &given.acks, "N", "0|1|all",
		"replicas that must acknowledge a record: none, the leader, or all in sync (default)"),
	OPT_DURATION(0, "linger", &given.linger_ms, "TIME", 0, 0,
		"wait this long to fill a batch (default: 5ms; not at all when idle)"),
	OPT_SIZE(0, "batch-bytes", &given.batch_bytes, "SIZE", 0, 0,
		"largest batch before compression (default 1 MB)"),
	OPT_BOOL(0, "no-idempotence", &given.is_plain,
		"do not use a producer ID: a retry may store a record twice"),
	OPT_STRING(0, "txn", &given.txn_id, "ID",
		"write all input in one transaction, with this transactional ID"),
	OPT_CALL(0, "txn-every", &feed, take_every, "N|TIME",
		"begin a new transaction every N records, or every TIME (such as 500ms)"),
	OPT_DURATION(0, "txn-timeout", &given.txn_timeout_ms, "TIME", 1, INT32_MAX,
		"time after which the broker aborts an open transaction (default 60s)"),
	OPT_INT('c', "count", &given.count, "N", 0, INT64_MAX, "stop after N records"),
	OPT_CALL('X', "set", &settings, take_setting, "NAME=VALUE",
		"set a producer setting of Kafka (listed below); may be repeated", .is_repeatable = true),
	OPT_END
};

static const struct opt_foreign foreign[] = {
	{ "-t", "name the topic without an option: kq-produce TOPIC" },
	{ "--topic", "name the topic without an option: kq-produce TOPIC" },
	{ "-P", "kq-produce always writes; leave it out" },
	{ "-l", "kq-produce reads lines of every FILE: kq-produce TOPIC FILE" },
	{ "-C", "kq-consume reads records: kq-consume TOPIC" },
	{ "-k", "the key stands in each line: -K SEPARATOR" },
	{ "--key", "the key stands in each line: -K SEPARATOR" },
	{ "-L", "kq-topic shows topics: kq-topic list, kq-topic describe" },
	{ "--bootstrap-server", "brokers are given by -b HOST:PORT" },
	{ "--broker-list", "brokers are given by -b HOST:PORT" },
	OPT_FOREIGN_END
};

static const struct opt_command command = {
	.operands = "TOPIC [FILE]...",
	.phrase = "write lines of stdin or files to a Kafka topic",
	.examples =
		"  seq 10 | kq-produce numbers\n"
		"  kq-produce -z lz4 lines access.log access.log.1\n"
		"  printf 'alice\\t1\\nbob\\t2\\n' | kq-produce -K '\\t' scores\n"
		"  tail -f app.log | kq-produce -H host=web1 --acks 1 app\n"
		"  kq-produce --txn load-1 orders orders.csv\n"
		"  tail -f orders.csv | kq-produce --txn feed-1 --txn-every 500ms orders\n",
	.notes =
		"Delimiters may contain \\n \\t \\r \\0 \\\\ \\xHH.  A FILE of - is stdin.  The last\n"
		"record needs no delimiter.  The exit code is 0 if every record was acknowledged;\n"
		"otherwise the last line on stderr is 'N records acknowledged, next is input record M',\n"
		"counted from 1.\n"
		"\n"
		"If the answer to a batch is lost, the batch is sent again, and the broker recognizes it\n"
		"by its sequence number.  With --acks 0 or 1, or --no-idempotence, it may be stored\n"
		"twice.\n"
		"\n"
		"With --txn, consumers of committed records see all of a transaction or nothing.  After a\n"
		"failure or a signal the open transaction is aborted, and the last line on stderr is\n"
		"'N records committed, next is input record M'.  Starting with an ID shuts out an earlier\n"
		"producer with the same ID, and aborts the transaction that it left open.\n"
		"\n"
		"Settings of -X:\n" PRODUCER_SETTINGS_NAMES "\n"
		"\n"
		RUN_NOTES,
	.opts = opts,
	.foreign = foreign,
};

/* Apply the options of idempotence and transactions. */
static int
apply_txn(struct producer_opts *o, struct err *e)
{
	if (given.is_plain)
		o->idempotence = PRODUCER_PLAIN;
	if (given.txn_timeout_ms > 0)
		o->txn_timeout_ms = (int)given.txn_timeout_ms;
	bool has_every = feed.txn_records || feed.txn_ms;
	if (!o->txn_id && (has_every || given.txn_timeout_ms > 0))
		return err_set(e, ERR_USAGE, "option '--txn%s' needs '--txn'",
			has_every ? "-every" : "-timeout");
	if (o->txn_id && !*o->txn_id)
		return err_set(e, ERR_USAGE, "option '--txn': empty");
	if (o->txn_id && (o->idempotence == PRODUCER_PLAIN || o->acks != -1))
		return err_set(e, ERR_USAGE, "transactions need idempotence and --acks all");
	if (o->idempotence == PRODUCER_IDEMPOTENT && o->acks != -1)
		return err_set(e, ERR_USAGE, "idempotence needs --acks all");
	feed.is_txn = o->txn_id != NULL;
	if (!has_every)
		feed.txn_records = INT64_MAX;
	return 0;
}

/* Refuse an option together with the setting of -X that means the same. */
static int
check_once(struct err *e)
{
	const struct { bool is_given; const char *option, *name; } both[] = {
		{ given.brokers, "-b", "bootstrap.servers" }, { given.acks, "--acks", "acks" },
		{ given.codec, "-z", "compression.type" },
		{ given.linger_ms >= 0, "--linger", "linger.ms" },
		{ given.batch_bytes >= 0, "--batch-bytes", "batch.size" },
		{ given.is_plain, "--no-idempotence", "enable.idempotence" },
		{ given.txn_id, "--txn", "transactional.id" },
		{ given.txn_timeout_ms > 0, "--txn-timeout", "transaction.timeout.ms" },
	};
	for (size_t i = 0; i < ARRAY_LEN(both); i++)
		if (both[i].is_given
			&& producer_settings_check_once(&settings, both[i].name, both[i].option, e) < 0)
			return -1;
	if (given.brokers)
		settings.cluster.brokers = given.brokers;
	if (given.txn_id)
		settings.producer.txn_id = given.txn_id;
	return 0;
}

/* Is stdin among the files?  Without files, stdin is read, too. */
static bool
takes_stdin(char **files)
{
	bool is = !*files;
	for (; *files && !is; files++)
		is = strcmp(*files, "-") == 0;
	return is;
}

/* Check the options against each other, and apply those that are not parsed into place. */
static int
apply_options(struct input *in, struct buf *keyed_bytes, struct buf *delimiter,
	struct err *e)
{
	struct producer_opts *o = &settings.producer;
	if (check_once(e) < 0)
		return -1;
	if (given.acks)
		producer_settings_parse_acks(given.acks, &o->acks, e);
	if (apply_txn(o, e) < 0)
		return -1;
	if (given.codec)
		codec_parse(given.codec, &o->codec);
	if (given.linger_ms >= 0)
		o->linger_ms = (int)MIN(given.linger_ms, INT32_MAX);
	if (given.batch_bytes == 0 || given.batch_bytes > 256 << 20)
		return err_set(e, ERR_USAGE, "option '--batch-bytes': not between 1 and 256M");
	if (given.batch_bytes > 0)
		o->batch_bytes = (size_t)given.batch_bytes;
	o->memory_bytes = MAX(o->memory_bytes, 2 * o->batch_bytes);
	if (escape_parse(str_of(given.delimiter), delimiter, e) < 0)
		return err_wrap(e, "option '-D'");
	if (delimiter->n == 0)
		return err_set(e, ERR_USAGE, "option '-D': empty");
	in->delimiter = buf_str(delimiter);
	if (given.is_json && (given.key_delimiter || given.null_marker || given.empty_is_null))
		return err_set(e, ERR_USAGE,
			"-K, -Z and --null-marker cannot be used with -J: JSON has its own keys and null");
	if (keyed_parse(&feed.keyed, given.key_delimiter, given.null_marker, keyed_bytes, e) < 0)
		return -1;
	feed.keyed.empty_is_null = given.empty_is_null;
	feed.json = given.is_json ? &json_record : NULL;
	feed.partition = (int32_t)given.partition;
	feed.left = given.count;
	feed.is_stopped = &sig_is_stopped;
	return 0;
}

static int
feed_file(struct input *in, const char *name, struct err *e)
{
	bool is_stdin = strcmp(name, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot open '%s'", name);
	input_begin(in, fd, is_stdin ? "stdin" : name);
	int rc = feed_input(&feed, in, e);
	if (!is_stdin)
		close(fd);
	return rc;
}

static int
feed_files(struct input *in, char **files, struct err *e)
{
	if (!*files)
		return feed_file(in, "-", e);
	int rc = 0;
	for (; rc == 0 && *files && !sig_is_stopped && feed.left > 0; files++)
		rc = feed_file(in, *files, e);
	return rc;
}

/* Wait until all records are acknowledged, or a further signal arrives. */
static int
flush(struct producer *producer, struct err *e)
{
	sig_drain(wake_fd);
	return producer_flush(producer, e);
}

/* Commit the last transaction; or, after a failure or a signal, abort it. */
static int
end_txn(struct producer *producer, int rc, struct err *e)
{
	struct err why;
	if (rc == 0 && !sig_is_stopped)
		rc = feed_commit(&feed, e);
	if (!producer->is_in_txn)
		return rc;
	sig_drain(wake_fd);
	if (feed.is_unknown && sig_is_stopped && feed_commit(&feed, e) == 0)
		return 0; /* the signal interrupted the first commit */
	long long n = (long long)producer_txn_records(producer);
	if (rc == 0 || sig_is_stopped)
		rc = err_set(e, ERR_RETRY, "interrupted: a transaction of %lld record%s is aborted", n,
			units_plural(n));
	/* If the abort fails, the broker aborts the transaction after its timeout. */
	producer_hurry(producer, ABORT_MS);
	if (producer_abort(producer, &why) == 0)
		return rc;
	if (feed.is_unknown)
		return err_wrap(e, n == 1 ? "it is not known whether the last %lld record is committed"
			: "it is not known whether the last %lld records are committed", n);
	if (!producer->is_fenced)
		say_error("cannot abort the transaction: %s; the broker aborts it after its timeout",
			why.msg);
	return rc;
}

/* All work between opening and closing the connection. */
static int
produce(struct cluster *cluster, struct producer *producer, struct input *in,
	const char *topic, char **files, struct err *e)
{
	struct progress progress;
	struct err why;
	cluster_set_wake_fd(cluster, wake_fd);
	if (producer_start(producer, e) < 0)
		return -1;
	feed.topic = producer_topic(producer, topic, e);
	if (!feed.topic && e->kafka == KERR_UNKNOWN_TOPIC_OR_PARTITION && producer->opts.never_creates)
		return err_set(e, ERR_RETRY, "topic '%s' does not exist; create it with "
			"'kq-topic create', or leave out --no-create", topic);
	if (!feed.topic)
		return -1;
	in->record_max = RECORD_MAX;
	if (feed.topic->message_max && producer->opts.codec == CODEC_NONE)
		in->record_max = feed.topic->message_max;
	in->limit = in->record_max == RECORD_MAX ? NULL : "the topic's max.message.bytes";
	progress_init(&progress);
	feed.progress = &progress;
	int rc = feed_files(in, files, e);
	progress_end(&progress);
	if (feed.is_txn)
		rc = end_txn(producer, rc, e);
	int flushed = flush(producer, &why);
	if (rc == 0 && flushed < 0) {
		*e = why;
		rc = -1;
	}
	cluster_set_wake_fd(cluster, -1);
	return rc;
}

static int
report(int rc, const struct err *e, const char *what, int64_t n, int64_t next)
{
	int code = rc < 0 ? say_err(e, false) : EXIT_DONE;
	if (rc < 0 || sig_is_stopped)
		fprintf(stderr, "%lld records %s, next is input record %lld\n",
			(long long)n, what, (long long)next);
	return code;
}

int
main(int argc, char **argv)
{
	struct opt_result result;
	struct err e;
	say_init(argv[0]);
	producer_opts_init(&settings.producer);
	settings.cluster.client_id = "kq-produce";
	int rc = opt_parse(&command, argc, argv, &result, &e);
	if (rc > 0)
		return say_flush_stdout();
	if (rc == 0 && result.argc < 1)
		rc = err_set(&e, ERR_USAGE, "which topic? see kq-produce --help");
	struct input in = { .fd = -1 };
	static struct buf keyed_bytes, delimiter; /* static: reachable after a usage error */
	if (rc < 0 || apply_options(&in, &keyed_bytes, &delimiter, &e) < 0)
		return say_err(&e, false);
	if (takes_stdin(result.argv + 1) && stdfd_need(STDIN_FILENO, &e) < 0)
		return say_err(&e, false);

	struct cluster cluster;
	struct producer producer;
	settings.cluster.request_timeout_ms = settings.producer.request_timeout_ms;
	int64_t n = 0, next = 1;
	signal(SIGPIPE, SIG_IGN);
	wake_fd = sig_catch(false, &e);
	rc = wake_fd < 0 ? -1 : 0;
	settings.cluster.wake_fd = wake_fd;
	settings.cluster.wait_ms = (int)given.wait_ms;
	if (given.max_age_ms)
		settings.cluster.metadata_max_age_ms = (int)given.max_age_ms;
	settings.cluster.retry_timeout_ms = settings.producer.delivery_timeout_ms;
	settings.cluster.say = say_error;
	if (rc == 0)
		rc = cluster_open(&cluster, &settings.cluster, &e);
	if (rc == 0) {
		producer_init(&producer, &cluster, &settings.producer);
		rc = produce(&cluster, &producer, &in, result.argv[0], result.argv + 1, &e);
		n = feed.is_txn ? producer.ncommitted : producer.nacked;
		next = feed.is_txn ? n + 1 : producer_next_unacked(&producer);
		cluster_close(&cluster);
		producer_release(&producer);
	}
	input_release(&in);
	buf_release(&feed.headers);
	buf_release(&keyed_bytes);
	json_record_release(&json_record);
	buf_release(&delimiter);
	return sig_end(report(rc, &e, feed.is_txn ? "committed" : "acknowledged", n, next));
}
