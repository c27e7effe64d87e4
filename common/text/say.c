#include "text/say.h"

#include "base/utf8.h"
#include "sys/clock.h"
#include "sys/stdfd.h"
#include "text/logwriter.h"
#include "text/units.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	LINE_MAX_ = LOGWRITER_LINE_MAX,
	TEXT_MAX_ = LINE_MAX_ / 2,
	HEAD_MAX = 80,
	END_MS = 1000, /* to write the last lines */
};

static const char *name = "kq";
static atomic_int level_max = LOG_INFO;

void
say_init(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	struct err e;
	name = slash ? slash + 1 : argv0 ? argv0 : name;
	if (stdfd_init(&e) < 0)
		exit(say_err(&e, false));
}

const char *
say_name(void)
{
	return name;
}

/* Copy text to to (n bytes), escaping control characters and bytes that are not UTF-8;
 * in a log line also backslashes, so that escapes are unambiguous.  Returns the number
 * of bytes written, without a NUL. */
static size_t
escape(char *to, size_t n, const char *text, bool is_log)
{
	size_t at = 0;
	bool is_utf8 = utf8_is_valid(str_of(text));
	const uint8_t *p = (const uint8_t *)text;
	for (bool is_c1 = false; *p && at + 5 < n; p++) {
		/* C1 controls are two bytes in UTF-8: c2 80 .. c2 9f. */
		bool is_plain = *p >= 0x20 && *p != 0x7f && (*p != '\\' || !is_log)
			&& (*p < 0x80 || is_utf8) && !is_c1;
		is_c1 = *p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
		if (is_plain && !is_c1)
			to[at++] = (char)*p;
		else if (*p == '\n')
			at += (size_t)snprintf(to + at, n - at, "\\n");
		else if (*p == '\\')
			at += (size_t)snprintf(to + at, n - at, "\\\\");
		else
			at += (size_t)snprintf(to + at, n - at, "\\x%02x", *p);
	}
	return at;
}

static void
write_line(const char *line, size_t n)
{
	while (n > 0) {
		ssize_t got = write(STDERR_FILENO, line, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return; /* stderr is gone */
		line += got;
		n -= (size_t)got;
	}
}

/* Make a line.  Returns its length. */
static size_t
format_line(char line[LINE_MAX_], const char *head, bool is_log, const char *text)
{
	int n = snprintf(line, LINE_MAX_ / 4, "%s", head);
	size_t at = (size_t)MIN(n, LINE_MAX_ / 4 - 1);
	at += escape(line + at, LINE_MAX_ - at - 1, text, is_log);
	line[at++] = '\n';
	return at;
}

static void
put_line(const char *head, bool is_log, const char *text)
{
	char line[LINE_MAX_];
	size_t n = format_line(line, head, is_log, text);
	if (!logwriter_put(line, n))
		write_line(line, n);
}

static void (*before)(void);

void
say_before(void (*clear)(void))
{
	before = clear;
}

void
say_error(const char *fmt, ...)
{
	char head[128], text[TEXT_MAX_];
	snprintf(head, sizeof head, "%s: ", name);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (before)
		before();
	put_line(head, false, text);
}

int
say_err(const struct err *e, bool is_retriable)
{
	say_error("%s", e->msg);
	if (e->class == ERR_USAGE)
		return EXIT_USAGE;
	if (e->class == ERR_RETRY || (e->class == ERR_PEER && is_retriable))
		return EXIT_RETRY;
	return EXIT_FAILED;
}

int
say_flush_stdout(void)
{
	struct err e;
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	if (stdfd_need(STDOUT_FILENO, &e) < 0)
		say_err(&e, false);
	else if (errno == 0) /* an earlier write failed */
		say_error("cannot write to stdout");
	else if (errno != EPIPE)
		say_error("cannot write to stdout: %s", strerror(errno));
	return EXIT_FAILED;
}

static const char *const level_word[] = { "error", "warn", "info", "debug" };

void
log_set_level(enum log_level level)
{
	atomic_store(&level_max, (int)level);
}

enum log_level
log_get_level(void)
{
	return (enum log_level)atomic_load(&level_max);
}

bool
log_parse_level(const char *word, enum log_level *level)
{
	for (size_t i = 0; i < ARRAY_LEN(level_word); i++)
		if (strcmp(word, level_word[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

static bool
is_level_written(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&level_max, memory_order_relaxed);
}

/* The beginning of a log line: time and level. */
static void
format_head(char head[HEAD_MAX], enum log_level level)
{
	int64_t now_ms = clock_ms();
	time_t s = (time_t)(now_ms / 1000);
	struct tm tm;
	gmtime_r(&s, &tm);
	char stamp[40];
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(head, HEAD_MAX, "%s.%03dZ %s ", stamp, (int)(now_ms % 1000), level_word[level]);
}

static void
put_log_line(enum log_level level, const char *text)
{
	char head[HEAD_MAX];
	format_head(head, level);
	put_line(head, true, text);
}

/* ---- rate-limited lines ---- */

/* The formats are literals, and few; formats beyond KIND_MAX share the last entry. */
enum { KIND_MAX = 32, BURST_MS = 1000, RECENT_MAX = 1024, SAMPLE_MAX = 200 };

static struct {
	pthread_mutex_t lock;
	struct kind {
		const char *fmt;
		enum log_level level;
		int64_t since_ms; /* time of the first of n lines */
		int n;
		int64_t nmore;    /* suppressed lines */
		char sample[SAMPLE_MAX]; /* the first suppressed line */
		int64_t report_ms; /* when to report them */
	} kind[KIND_MAX];
	atomic_int nmute;     /* number of kinds with nmore > 0 */
	struct recent {       /* a line that was written, indexed by its hash */
		uint64_t hash;    /* 0: none */
		int64_t at_ms;
	} recent[RECENT_MAX];
} bounded = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* FNV-1a, never 0. */
static uint64_t
hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
	return hash ? hash : 1;
}

static void
report_more(struct kind *kind)
{
	char text[TEXT_MAX_];
	snprintf(text, sizeof text, "%lld more line%s like \"%s\" %s left out",
		(long long)kind->nmore, units_plural(kind->nmore), kind->sample,
		kind->nmore == 1 ? "was" : "were");
	put_log_line(kind->level, text);
	kind->nmore = 0;
	atomic_fetch_sub(&bounded.nmute, 1);
}

/* Log the counts that are due, or all; called before any line is written. */
static void
report_suppressed(bool is_end)
{
	if (atomic_load_explicit(&bounded.nmute, memory_order_relaxed) == 0)
		return;
	pthread_mutex_lock(&bounded.lock);
	int64_t now_ms = clock_mono_ms();
	for (int i = 0; i < KIND_MAX; i++)
		if (bounded.kind[i].nmore && (is_end || now_ms >= bounded.kind[i].report_ms))
			report_more(&bounded.kind[i]);
	pthread_mutex_unlock(&bounded.lock);
}

static struct kind *
find_kind(const char *fmt)
{
	int i = 0;
	while (i < KIND_MAX - 1 && bounded.kind[i].fmt && bounded.kind[i].fmt != fmt)
		i++;
	return &bounded.kind[i];
}

static bool
admit(enum log_level level, const char *fmt, const char *text)
{
	uint64_t hash = hash_of(text);
	pthread_mutex_lock(&bounded.lock);
	struct recent *same = &bounded.recent[hash % RECENT_MAX];
	struct kind *kind = find_kind(fmt);
	int64_t now_ms = clock_mono_ms();
	bool is_same = same->hash == hash && now_ms - same->at_ms < LOG_REPEAT_MS;
	if (kind->n && now_ms - kind->since_ms >= BURST_MS)
		kind->n = 0;
	if (kind->n == 0)
		kind->since_ms = now_ms;
	kind->fmt = fmt;
	kind->level = level;
	bool is_admitted = !is_same && kind->n < LOG_BURST;
	if (is_admitted) {
		kind->n++;
		*same = (struct recent){ hash, now_ms };
	} else if (kind->nmore++ == 0) {
		snprintf(kind->sample, sizeof kind->sample, "%.*s", SAMPLE_MAX - 1, text);
		kind->report_ms = is_same ? now_ms + LOG_COUNT_MS : kind->since_ms + BURST_MS;
		atomic_fetch_add(&bounded.nmute, 1);
	}
	pthread_mutex_unlock(&bounded.lock);
	return is_admitted;
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	char text[TEXT_MAX_];
	if (!is_level_written(level))
		return;
	report_suppressed(false);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	put_log_line(level, text);
}

void
log_bounded(enum log_level level, const char *fmt, ...)
{
	char text[TEXT_MAX_];
	if (!is_level_written(level))
		return;
	report_suppressed(false);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (admit(level, fmt, text))
		put_log_line(level, text);
}

/* ---- the writing thread ---- */

static size_t
format_dropped(char line[LINE_MAX_], int64_t n)
{
	char head[HEAD_MAX], text[100];
	format_head(head, LOG_WARN);
	snprintf(text, sizeof text, "%lld log line%s %s dropped while stderr was blocked",
		(long long)n, units_plural(n), n == 1 ? "was" : "were");
	return format_line(line, head, true, text);
}

int
log_begin(struct err *e)
{
	return logwriter_begin(STDERR_FILENO, format_dropped, e);
}

void
log_end(void)
{
	report_suppressed(true);
	logwriter_end(END_MS);
}
