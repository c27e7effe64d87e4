/*
 * streamloop make N KEYS SPAN_MS | map | windows - what a C programmer writes for one job.
 *
 * make prints N orders of 295 bytes, their customers at random among KEYS, their times one
 * after the other over SPAN_MS.  map prints {"id":...,"amount":...} of the orders from stdin
 * whose amount is above 100; windows prints count and sum of each customer's orders for each
 * minute, at the end.  Both find a member by memmem for its name, check nothing, and take
 * the input's order of members for granted: the floor under programs that do more.
 *
 * windows has a table of open addressing for each minute.  It neither prefetches nor asks
 * for huge pages.
 */
#include "base/base.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 256 << 10, ORDER_SIZE = 295 };

/* ---- lines ---- */

struct lines {
	char *p;
	size_t at, n, cap;
};

/* The next line without its line feed; false: the end. */
static bool
next_line(struct lines *in, const char **line, size_t *n)
{
	for (;;) {
		char *end = in->n > in->at ? memchr(in->p + in->at, '\n', in->n - in->at) : NULL;
		if (end) {
			*line = in->p + in->at;
			*n = (size_t)(end - *line);
			in->at += *n + 1;
			return true;
		}
		if (in->at)
			memmove(in->p, in->p + in->at, in->n - in->at);
		in->n -= in->at;
		in->at = 0;
		if (in->cap < in->n + PIECE)
			in->p = mem_realloc(in->p, in->cap = in->n + 2 * PIECE);
		ssize_t got = read(STDIN_FILENO, in->p + in->n, PIECE);
		if (got <= 0)
			return false;
		in->n += (size_t)got;
	}
}

/* Behind the member's name, which begins with its quote and ends with the colon. */
static const char *
member(const char *line, size_t n, const char *name, size_t name_n)
{
	const char *at = memmem(line, n, name, name_n);
	if (!at)
		exit(1);
	return at + name_n;
}
#define MEMBER(line, n, name) member(line, n, "\"" name "\":", sizeof "\"" name "\":" - 1)

/* A number of digits and a point, and its end. */
static double
take_number(const char *p, const char **end)
{
	int64_t digits = 0, scale = 1;
	for (; *p >= '0' && *p <= '9'; p++)
		digits = digits * 10 + (*p - '0');
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++, scale *= 10)
			digits = digits * 10 + (*p - '0');
	*end = p;
	return (double)digits / (double)scale;
}

/* ---- map ---- */

static void
map(void)
{
	struct lines in = { 0 };
	const char *line, *end;
	size_t n;
	while (next_line(&in, &line, &n)) {
		const char *amount = MEMBER(line, n, "amount");
		if (take_number(amount, &end) <= 100)
			continue;
		const char *id = MEMBER(line, n, "id");
		const char *quote = memchr(id + 1, '"', n);
		fputs_unlocked("{\"id\":", stdout);
		fwrite_unlocked(id, 1, (size_t)(quote + 1 - id), stdout);
		fputs_unlocked(",\"amount\":", stdout);
		fwrite_unlocked(amount, 1, (size_t)(end - amount), stdout);
		fputs_unlocked("}\n", stdout);
	}
}

/* ---- windows ---- */

struct row {
	uint64_t key[2]; /* up to 16 bytes, zeroes behind them; a length of 0: no row */
	int64_t n;
	double total;
};

struct window {
	int64_t minute;
	size_t n, cap;
	struct row *row;
};

static struct window windows[64];
static int nwindow;

static size_t
home_of(const struct window *window, const uint64_t *key)
{
	uint64_t hash = (key[0] ^ key[1] * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
	return (hash ^ hash >> 32) & (window->cap - 1);
}

static struct row *
find_row(struct window *window, const uint64_t *key)
{
	size_t i = home_of(window, key);
	while (window->row[i].n && memcmp(window->row[i].key, key, 16) != 0)
		i = (i + 1) & (window->cap - 1);
	return &window->row[i];
}

static void
grow(struct window *window)
{
	struct window old = *window;
	window->cap = old.cap ? old.cap * 2 : 1024;
	window->row = mem_alloc(window->cap * sizeof *window->row);
	for (size_t i = 0; i < old.cap; i++)
		if (old.row[i].n)
			*find_row(window, old.row[i].key) = old.row[i];
	mem_free(old.row);
}

static struct window *
window_of(int64_t minute)
{
	for (int i = nwindow; i-- > 0;)
		if (windows[i].minute == minute)
			return &windows[i];
	if (nwindow == ARRAY_LEN(windows))
		exit(1);
	windows[nwindow].minute = minute;
	return &windows[nwindow++];
}

/* Minutes since 1970 of "2025-11-30T10:53:20.001Z"; the day's begin is remembered. */
static int64_t
minute_of(const char *p)
{
	static char day[11];
	static int64_t begin;
	if (memcmp(day, p, 10) != 0) {
		struct tm tm = { .tm_year = atoi(p) - 1900, .tm_mon = atoi(p + 5) - 1,
			.tm_mday = atoi(p + 8) };
		memcpy(day, p, 10);
		begin = timegm(&tm) / 60;
	}
	return begin + ((p[11] - '0') * 10 + (p[12] - '0')) * 60 + (p[14] - '0') * 10 + (p[15] - '0');
}

static void
count_and_sum(void)
{
	struct lines in = { 0 };
	const char *line, *end;
	size_t n;
	while (next_line(&in, &line, &n)) {
		struct window *window = window_of(minute_of(MEMBER(line, n, "ts") + 1));
		const char *customer = MEMBER(line, n, "customer") + 1;
		const char *quote = memchr(customer, '"', n);
		uint64_t key[2] = { 0 };
		memcpy(key, customer, MIN((size_t)(quote - customer), sizeof key));
		double amount = take_number(MEMBER(line, n, "amount"), &end);
		if (window->n >= window->cap / 2)
			grow(window);
		struct row *row = find_row(window, key);
		window->n += row->n == 0;
		memcpy(row->key, key, sizeof key);
		row->n++;
		row->total += amount;
	}
	for (int i = 0; i < nwindow; i++)
		for (size_t j = 0; j < windows[i].cap; j++) {
			const struct row *row = &windows[i].row[j];
			if (row->n)
				printf("{\"key\":\"%.16s\",\"start\":%lld,\"total\":%.15g,\"n\":%lld}\n",
					(const char *)row->key, (long long)windows[i].minute * 60000, row->total,
					(long long)row->n);
		}
}

/* ---- make ---- */

static uint64_t seed = 88172645463325252u;

static uint64_t
below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static void
make(int64_t n, int64_t nkey, int64_t span_ms)
{
	const int64_t begin_ms = 1764500400000; /* 2025-11-30T11:00:00Z */
	for (int64_t i = 0; i < n; i++) {
		char line[ORDER_SIZE + 200], clock[32];
		int64_t ms = begin_ms + i * span_ms / n;
		time_t second = ms / 1000;
		struct tm tm;
		strftime(clock, sizeof clock, "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &tm));
		int size = snprintf(line, sizeof line, "{\"id\":\"o-%07lld\",\"ts\":\"%s.%03dZ\","
			"\"customer\":\"c-%07d\",\"product\":\"p-%03d\",\"amount\":%d.%02d,\"quantity\":%d,"
			"\"currency\":\"EUR\",\"address\":{\"street\":\"Long Street %d\","
			"\"city\":\"Springfield\"},\"tags\":[\"new\",\"web\"],\"note\":\"", (long long)i, clock,
			(int)(ms % 1000), (int)below((uint64_t)nkey), (int)below(400), (int)below(200),
			(int)below(100), (int)below(9) + 1, (int)below(300));
		memset(line + size, 'x', (size_t)(ORDER_SIZE - 3 - size));
		memcpy(line + ORDER_SIZE - 3, "\"}\n", 3);
		fwrite_unlocked(line, 1, ORDER_SIZE, stdout);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "map") == 0)
		map();
	else if (argc == 2 && strcmp(argv[1], "windows") == 0)
		count_and_sum();
	else if (argc == 5 && strcmp(argv[1], "make") == 0)
		make(atoll(argv[2]), atoll(argv[3]), atoll(argv[4]));
	else {
		fputs("usage: streamloop make N KEYS SPAN_MS | map | windows\n", stderr);
		return 2;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
