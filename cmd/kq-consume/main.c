/* kq-consume: records to stdout. */
#include "kq-consume/reading.h"
#include "kq-consume/start.h"
#include "sys/clock.h"
#include "text/escape.h"
#include "text/opt.h"
#include "text/say.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct cluster_opts cluster_opts = { .client_id = "kq-consume" };
static struct start start = { .kind = START_BEGINNING };
static const char *format_text, *key_delimiter_text, *delimiter_text = "\\n";
static int64_t partition = -1, count = INT64_MAX;
static bool stops_at_end, is_json, is_unbuffered;

static volatile sig_atomic_t is_stopped;
static int wake_fd = -1;

static int
take_start(void *to, const char *value, struct err *e)
{
	return start_parse(to, value, clock_ms(), e);
}

static const struct opt opts[] = {
	{ 'b', "brokers", OPT_STRING, &cluster_opts.brokers, "ADDRESS,...", .phrase = "where to begin: host:port, unix:/path" },
	{ 'o', "offset", OPT_CALL, &start, "WHERE", .phrase = "where to begin (default beginning), to end: see below", .call = take_start },
	{ 'p', "partition", OPT_INT, &partition, "N", .phrase = "only this partition", .max = INT32_MAX },
	{ 'c', "count", OPT_INT, &count, "N", .phrase = "end after N records", .max = INT64_MAX },
	{ 'e', "end", OPT_FLAG, &stops_at_end, NULL, .phrase = "end where the partitions end now" },
	{ 'f', "format", OPT_STRING, &format_text, "FORMAT", .phrase = "how a record is printed: see below" },
	{ 'K', "key-delimiter", OPT_STRING, &key_delimiter_text, "STRING", .phrase = "print keys, too, and this behind them" },
	{ 'D', "delimiter", OPT_STRING, &delimiter_text, "STRING", .phrase = "printed behind a record (default \\n)" },
	{ 'J', "json", OPT_FLAG, &is_json, NULL, .phrase = "one JSON object a record" },
	{ 'u', "unbuffered", OPT_FLAG, &is_unbuffered, NULL, .phrase = "write after every record" },
	OPT_END
};

static const struct opt_command command = {
	.operands = "TOPIC...",
	.phrase = "records to stdout",
	.examples =
		"  kq-consume -e numbers\n"
		"  kq-consume -o -10 -e -K '\\t' scores\n"
		"  kq-consume -o @2026-11-24T10:00Z -J orders | jq .value\n"
		"  kq-consume -o end -f '%p %o %s\\n' app\n",
	.notes =
		"WHERE: beginning; end; N (that offset); -N (the last N of each partition); @TIME or\n"
		"s@MS (the first record at or after it); e@TIME, besides (stop before the first record at\n"
		"or after it, or at the present end).  TIME: ms since 1970, 2026-11-24T10:00Z, -1h.\n"
		"\n"
		"FORMAT: %s value, %S its bytes, %k key, %K its bytes, %t topic, %p partition, %o offset,\n"
		"%T timestamp in ms, %h headers, %% a percent sign; \\n \\t \\r \\0 \\\\ \\xHH.\n"
		"\n"
		"An offset N that a partition does not have is an error.  When records are deleted\n"
		"before they could be read, that is said and reading goes on behind them.\n",
	.opts = opts,
};

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
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	return 0;
}

static int
make_format(struct format *f, struct err *e)
{
	struct buf delimiter = BUF_INIT, key_delimiter = BUF_INIT;
	int got = 0;
	if (is_json + (format_text != NULL) + (key_delimiter_text != NULL) > 1)
		return err_set(e, ERR_USAGE, "only one of -J, -f and -K");
	if (is_json) {
		format_json(f);
		return 0;
	}
	if (format_text)
		return format_compile(f, format_text, e);
	got = escape_parse(str_of(delimiter_text), &delimiter, e);
	if (got == 0 && key_delimiter_text)
		got = escape_parse(str_of(key_delimiter_text), &key_delimiter, e);
	if (got == 0)
		format_delimited(f, key_delimiter_text ? buf_str(&key_delimiter) : STR_NULL,
			buf_str(&delimiter));
	buf_release(&delimiter);
	buf_release(&key_delimiter);
	return got;
}

static int
add_topic(struct fetcher *f, const char *name, struct err *e)
{
	struct cluster_topic *t = cluster_topic(f->cluster, name, false, e);
	if (!t)
		return -1;
	if (partition >= t->npart)
		return err_set(e, ERR_USAGE, "topic '%s' has %d partitions: there is no %lld",
			name, t->npart, (long long)partition);
	int32_t n = t->npart;
	bool *wants = mem_alloc((size_t)n);
	int64_t *begin = mem_alloc(2 * (size_t)n * sizeof *begin), *stop = begin + n;
	for (int32_t i = 0; i < n; i++)
		wants[i] = partition < 0 || i == partition;
	int got = start_resolve(&start, f->cluster, t, wants, stops_at_end, begin, stop, e);
	for (int32_t i = 0; got == 0 && i < n; i++)
		if (wants[i])
			fetcher_add(f, t, i, begin[i], stop[i]);
	mem_free(begin);
	mem_free(wants);
	return got;
}

static int
consume(struct fetcher *f, char **topics, struct format *format, struct err *e)
{
	struct output out;
	for (; *topics; topics++)
		if (add_topic(f, *topics, e) < 0)
			return -1;
	output_init(&out, STDOUT_FILENO, is_unbuffered);
	struct reading r = { .fetcher = f, .format = format, .output = &out, .left = count,
		.is_stopped = &is_stopped, .iter = FETCH_ITER_INIT };
	int got = reading_run(&r, e);
	output_release(&out);
	return got;
}

int
main(int argc, char **argv)
{
	struct opt_result r;
	struct err e;
	struct format format = { .n = 0 };
	say_init(argv[0]);
	int got = opt_parse(&command, argc, argv, &r, &e);
	if (got > 0)
		return say_flush_stdout();
	if (got == 0 && r.argc < 1)
		got = err_set(&e, ERR_USAGE, "which topic? see kq-consume --help");
	if (got < 0 || make_format(&format, &e) < 0)
		return say_err(&e, false);

	struct cluster cl;
	struct fetcher f;
	struct fetcher_opts fo;
	fetcher_opts_init(&fo);
	if (catch_signals(&e) < 0 || cluster_open(&cl, &cluster_opts, &e) < 0) {
		format_release(&format);
		return say_err(&e, false);
	}
	cl.wake_fd = wake_fd;
	fetcher_init(&f, &cl, &fo);
	got = consume(&f, r.argv, &format, &e);
	cluster_close(&cl);
	fetcher_release(&f);
	format_release(&format);
	return got < 0 && !is_stopped ? say_err(&e, false) : EXIT_DONE;
}
