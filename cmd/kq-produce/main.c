/* kq-produce: lines of stdin or files become records. */
#include "kq-produce/feed.h"
#include "kq-produce/settings.h"
#include "text/escape.h"
#include "text/opt.h"
#include "text/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RECORD_MAX = 128 << 20 }; /* where the topic's own limit is not known */

static struct settings settings;
static const char *delimiter_text = "\\n", *key_delimiter_text, *acks_text, *codec_text;
static int64_t partition = -1, count = INT64_MAX, linger_ms = -1, batch_bytes = -1;
static bool empty_is_null;
static struct feed feed;

static volatile sig_atomic_t is_stopped;
static int wake_fd = -1;

static int
take_header(void *to, const char *value, struct err *e)
{
	const char *equals = strchr(value, '=');
	if (!equals || equals == value)
		return err_set(e, ERR_USAGE, "'%s' is not name=value", value);
	struct feed *f = to;
	builder_put_header(&f->headers,
		(struct str){ (const uint8_t *)value, (int32_t)(equals - value) }, str_of(equals + 1));
	f->nheader++;
	return 0;
}

static int
take_setting(void *to, const char *value, struct err *e)
{
	return settings_take(to, value, e);
}

static const struct opt opts[] = {
	{ 'b', "brokers", OPT_STRING, &settings.cluster.brokers, "ADDRESS,...", .phrase = "where to begin: host:port, unix:/path" },
	{ 'D', "delimiter", OPT_STRING, &delimiter_text, "STRING", .phrase = "ends a record (default \\n)" },
	{ 'K', "key-delimiter", OPT_STRING, &key_delimiter_text, "STRING", .phrase = "ends a record's key; a record without it has none" },
	{ 'p', "partition", OPT_INT, &partition, "N", .phrase = "the partition (default: by the key's hash)", .max = INT32_MAX },
	{ 'H', "header", OPT_CALL, &feed, "NAME=VALUE", .phrase = "a header of every record; may come often", .call = take_header },
	{ 'Z', "null", OPT_FLAG, &empty_is_null, NULL, .phrase = "an empty value is null" },
	{ 'z', "compress", OPT_STRING, &codec_text, "CODEC", .phrase = "compress batches", .choices = "none|gzip|snappy|lz4|zstd" },
	{ 0, "acks", OPT_STRING, &acks_text, "N", .phrase = "who must have a record: nobody, the leader, all (default)", .choices = "0|1|all" },
	{ 0, "linger", OPT_DURATION, &linger_ms, "TIME", .phrase = "how long an unfilled batch waits for more (default 5ms)" },
	{ 0, "batch-bytes", OPT_SIZE, &batch_bytes, "SIZE", .phrase = "of a batch, before compression" },
	{ 'c', "count", OPT_INT, &count, "N", .phrase = "put at most N records", .max = INT64_MAX },
	{ 'X', "set", OPT_CALL, &settings, "NAME=VALUE", .phrase = "a setting by Kafka's name for it", .call = take_setting },
	OPT_END
};

static const struct opt_command command = {
	.operands = "TOPIC [FILE]...",
	.phrase = "lines of stdin, or of files, become records",
	.examples =
		"  seq 10 | kq-produce numbers\n"
		"  kq-produce -z lz4 lines access.log access.log.1\n"
		"  printf 'alice\\t1\\nbob\\t2\\n' | kq-produce -K '\\t' scores\n"
		"  tail -f app.log | kq-produce -H host=web1 --acks 1 app\n",
	.notes =
		"Delimiters know \\n \\t \\r \\0 \\\\ \\xHH.  A FILE of - is stdin.  The last record needs\n"
		"no delimiter.  Exits with 0 when every record is acknowledged; else the last line on\n"
		"stderr is 'N records acknowledged, next is input record M', counted from 1.\n"
		"\n"
		"A batch whose answer is lost with its connection is sent again, and may then be\n"
		"there twice.\n"
		"\n"
		"Settings of -X:\n" SETTINGS_NAMES "\n",
	.opts = opts,
};

/* The second signal finds nobody waiting politely: see finish. */
static void
on_signal(int sig)
{
	(void)sig;
	int saved = errno;
	uint64_t one = 1;
	is_stopped = 1;
	ssize_t got = write(wake_fd, &one, sizeof one);
	(void)got; /* it can only be full, which wakes as well */
	errno = saved;
}

static int
catch_signals(struct err *e)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return err_sys(e, "cannot make an event descriptor");
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* What the options say beyond what they could be stored as. */
static int
apply_options(struct input *in, struct buf *key_delimiter, struct buf *delimiter,
	struct err *e)
{
	struct producer_opts *o = &settings.producer;
	if (acks_text)
		settings_parse_acks(acks_text, &o->acks, e);
	if (codec_text)
		codec_parse(codec_text, &o->codec);
	if (linger_ms >= 0)
		o->linger_ms = (int)MIN(linger_ms, INT32_MAX);
	if (batch_bytes == 0 || batch_bytes > 256 << 20)
		return err_set(e, ERR_USAGE, "option '--batch-bytes': not between 1 and 256M");
	if (batch_bytes > 0)
		o->batch_bytes = (size_t)batch_bytes;
	o->memory_bytes = MAX(o->memory_bytes, 2 * o->batch_bytes);
	if (escape_parse(str_of(delimiter_text), delimiter, e) < 0)
		return err_wrap(e, "option '-D'");
	if (delimiter->n == 0)
		return err_set(e, ERR_USAGE, "option '-D': empty");
	in->delimiter = buf_str(delimiter);
	feed.key_delimiter = STR_NULL;
	if (key_delimiter_text) {
		if (escape_parse(str_of(key_delimiter_text), key_delimiter, e) < 0)
			return err_wrap(e, "option '-K'");
		if (key_delimiter->n == 0)
			return err_set(e, ERR_USAGE, "option '-K': empty");
		feed.key_delimiter = buf_str(key_delimiter);
	}
	feed.partition = (int32_t)partition;
	feed.empty_is_null = empty_is_null;
	feed.left = count;
	feed.is_stopped = &is_stopped;
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
	int got = feed_input(&feed, in, e);
	if (!is_stdin)
		close(fd);
	return got;
}

static int
feed_files(struct input *in, char **files, struct err *e)
{
	if (!*files)
		return feed_file(in, "-", e);
	int got = 0;
	for (; got == 0 && *files && !is_stopped && feed.left > 0; files++)
		got = feed_file(in, *files, e);
	return got;
}

/* Wait for what is under way.  A signal that comes now ends the waiting. */
static int
flush(struct producer *p, struct err *e)
{
	uint64_t n;
	ssize_t got = read(wake_fd, &n, sizeof n);
	(void)got; /* empty, unless a signal stopped the feeding */
	return producer_flush(p, e);
}

/* Everything between the connection's opening and its end. */
static int
produce(struct cluster *cl, struct producer *p, struct input *in,
	const char *topic, char **files, struct err *e)
{
	struct progress progress;
	struct err why;
	feed.topic = producer_topic(p, topic, e);
	if (!feed.topic)
		return -1;
	cl->wake_fd = wake_fd;
	in->record_max = RECORD_MAX;
	if (feed.topic->message_max && p->opts.codec == CODEC_NONE)
		in->record_max = feed.topic->message_max;
	progress_init(&progress);
	feed.progress = &progress;
	int got = feed_files(in, files, e);
	int flushed = flush(p, &why);
	progress_end(&progress, p->nacked, p->acked_bytes);
	if (got == 0 && flushed < 0) {
		*e = why;
		got = -1;
	}
	cl->wake_fd = -1;
	return got;
}

static int
report(int got, const struct err *e, int64_t nacked, int64_t next)
{
	int code = got < 0 ? say_err(e, false) : EXIT_DONE;
	if (got < 0 || is_stopped)
		fprintf(stderr, "%lld records acknowledged, next is input record %lld\n",
			(long long)nacked, (long long)next);
	return code;
}

int
main(int argc, char **argv)
{
	struct opt_result r;
	struct err e;
	say_init(argv[0]);
	producer_opts_init(&settings.producer);
	settings.cluster.client_id = "kq-produce";
	int got = opt_parse(&command, argc, argv, &r, &e);
	if (got > 0)
		return say_flush_stdout();
	if (got == 0 && r.argc < 1)
		got = err_set(&e, ERR_USAGE, "which topic? see kq-produce --help");
	struct input in = { .fd = -1 };
	struct buf key_delimiter = BUF_INIT, delimiter = BUF_INIT;
	if (got < 0 || apply_options(&in, &key_delimiter, &delimiter, &e) < 0)
		return say_err(&e, false);

	struct cluster cl;
	struct producer p;
	settings.cluster.request_timeout_ms = settings.producer.request_timeout_ms;
	int64_t nacked = 0, next = 1;
	got = catch_signals(&e);
	if (got == 0)
		got = cluster_open(&cl, &settings.cluster, &e);
	if (got == 0) {
		producer_init(&p, &cl, &settings.producer);
		got = produce(&cl, &p, &in, r.argv[0], r.argv + 1, &e);
		nacked = p.nacked;
		next = producer_next_unacked(&p);
		cluster_close(&cl);
		producer_release(&p);
	}
	input_release(&in);
	buf_release(&feed.headers);
	buf_release(&key_delimiter);
	buf_release(&delimiter);
	return report(got, &e, nacked, next);
}
