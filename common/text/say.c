#include "text/say.h"

#include "base/utf8.h"
#include "sys/clock.h"
#include "sys/stdfd.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_ = 2048 };

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

/* Copy text to to (n bytes), escaping control characters, what is not UTF-8,
 * and in a log line backslashes, so that it can be told what was escaped.
 * Returns the bytes written, without a NUL. */
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
		ssize_t k = write(STDERR_FILENO, line, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return; /* nobody to tell */
		line += k;
		n -= (size_t)k;
	}
}

static void
put_line(const char *head, bool is_log, const char *fmt, va_list ap)
{
	char text[LINE_MAX_ / 2], line[LINE_MAX_];
	int n = snprintf(line, sizeof line / 4, "%s", head);
	size_t at = (size_t)MIN(n, (int)sizeof line / 4 - 1);
	vsnprintf(text, sizeof text, fmt, ap);
	at += escape(line + at, sizeof line - at - 1, text, is_log);
	line[at++] = '\n';
	write_line(line, at);
}

void
say_error(const char *fmt, ...)
{
	char head[128];
	snprintf(head, sizeof head, "%s: ", name);
	va_list ap;
	va_start(ap, fmt);
	put_line(head, false, fmt, ap);
	va_end(ap);
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
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_DONE;
	if (errno != EPIPE)
		say_error("cannot write to stdout: %s", strerror(errno ? errno : EIO));
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

static void
put_log_line(enum log_level level, const char *fmt, va_list ap)
{
	int64_t now_ms = clock_ms();
	time_t s = (time_t)(now_ms / 1000);
	struct tm tm;
	gmtime_r(&s, &tm);
	char stamp[40], head[80];
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(head, sizeof head, "%s.%03dZ %s ", stamp, (int)(now_ms % 1000), level_word[level]);
	put_line(head, true, fmt, ap);
}

/* --- lines that others bring about --- */

/* The formats are literals, and few: where there are more, they share the last. */
enum { KIND_MAX = 32, BURST_MS = 1000 };

static struct {
	pthread_mutex_t lock;
	struct kind {
		const char *fmt;
		enum log_level level;
		int64_t since_ms; /* when the first of n lines was written */
		int n;
		int64_t nmore;    /* that were not */
	} kind[KIND_MAX];
	atomic_int nmute;     /* kinds with nmore */
} bounded = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void __attribute__((format(printf, 2, 3)))
put_log_linef(enum log_level level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	put_log_line(level, fmt, ap);
	va_end(ap);
}

static void
end_burst(struct kind *k)
{
	if (k->nmore) {
		put_log_linef(k->level, "%lld more lines like \"%s\" were left out",
			(long long)k->nmore, k->fmt);
		atomic_fetch_sub(&bounded.nmute, 1);
	}
	k->n = 0;
	k->nmore = 0;
}

/* Before any line is written: those whose second is over. */
static void
tell_left_out(void)
{
	if (atomic_load_explicit(&bounded.nmute, memory_order_relaxed) == 0)
		return;
	pthread_mutex_lock(&bounded.lock);
	int64_t now_ms = clock_mono_ms();
	for (int i = 0; i < KIND_MAX; i++)
		if (bounded.kind[i].nmore && now_ms - bounded.kind[i].since_ms >= BURST_MS)
			end_burst(&bounded.kind[i]);
	pthread_mutex_unlock(&bounded.lock);
}

static bool
admit(enum log_level level, const char *fmt)
{
	pthread_mutex_lock(&bounded.lock);
	int i = 0;
	while (i < KIND_MAX - 1 && bounded.kind[i].fmt && bounded.kind[i].fmt != fmt)
		i++;
	struct kind *k = &bounded.kind[i];
	int64_t now_ms = clock_mono_ms();
	if (k->n && now_ms - k->since_ms >= BURST_MS)
		end_burst(k);
	if (k->n == 0)
		k->since_ms = now_ms;
	k->fmt = fmt;
	k->level = level;
	bool is_admitted = k->n < LOG_BURST;
	if (is_admitted)
		k->n++;
	else if (k->nmore++ == 0)
		atomic_fetch_add(&bounded.nmute, 1);
	pthread_mutex_unlock(&bounded.lock);
	return is_admitted;
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	if (!is_level_written(level))
		return;
	tell_left_out();
	va_list ap;
	va_start(ap, fmt);
	put_log_line(level, fmt, ap);
	va_end(ap);
}

void
log_bounded(enum log_level level, const char *fmt, ...)
{
	if (!is_level_written(level))
		return;
	tell_left_out();
	if (!admit(level, fmt))
		return;
	va_list ap;
	va_start(ap, fmt);
	put_log_line(level, fmt, ap);
	va_end(ap);
}
