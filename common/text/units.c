#include "text/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Digits of a time in seconds (until the year 2286); a longer number is in milliseconds
 * (since September 1970). */
enum { SECONDS_DIGITS = 10 };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int
units_parse_int(const char *text, int64_t min, int64_t max, int64_t *v, struct err *e)
{
	assert(min <= max);
	/* strtoll would skip blanks. */
	bool is_number = is_digit(text[*text == '-' || *text == '+']);
	char *end = NULL;
	errno = 0;
	long long n = is_number ? strtoll(text, &end, 10) : 0;
	if (!is_number || *end)
		return err_set(e, ERR_USAGE, "'%s' is not a whole number", text);
	if (!errno && n >= min && n <= max) {
		*v = n;
		return 0;
	}
	if (min != INT64_MIN && max != INT64_MAX)
		return err_set(e, ERR_USAGE, "'%s' is not between %lld and %lld", text,
			(long long)min, (long long)max);
	bool is_low = errno ? *text == '-' : n < min;
	if (is_low && min != INT64_MIN)
		return err_set(e, ERR_USAGE, "'%s' is less than %lld", text, (long long)min);
	if (is_low)
		return err_set(e, ERR_USAGE, "'%s' is too small", text);
	return err_set(e, ERR_USAGE, "'%s' is too large", text);
}

struct unit {
	const char *word;
	int64_t factor;
};

/* Parse a number, with a fraction if its unit can be divided.  Digits are added by hand:
 * whole numbers keep full precision, and "0x10", "1e3" and "inf" are no numbers. */
static int
parse_with_unit(const char *text, const struct unit *unit, const char *example, int64_t *v,
	struct err *e)
{
	const char *p = text;
	int64_t whole = 0;
	double fraction = 0, scale = 1;
	bool is_large = false;
	for (; is_digit(*p); p++)
		is_large |= __builtin_mul_overflow(whole, 10, &whole)
			|| __builtin_add_overflow(whole, *p - '0', &whole);
	bool has_digits = p > text, has_fraction = has_digits && *p == '.' && is_digit(p[1]);
	if (has_fraction)
		for (p++; is_digit(*p); p++)
			fraction += (*p - '0') * (scale /= 10);
	while (has_digits && unit->word && strcmp(p, unit->word) != 0)
		unit++;
	if (!has_digits || !unit->word || (has_fraction && unit->factor == 1))
		return err_set(e, ERR_USAGE, "'%s' is not %s", text, example);
	int64_t n;
	if (is_large || __builtin_mul_overflow(whole, unit->factor, &n)
		|| __builtin_add_overflow(n, (int64_t)(fraction * (double)unit->factor), &n))
		return err_set(e, ERR_USAGE, "'%s' is too large", text);
	*v = n;
	return 0;
}

int
units_parse_size(const char *text, int64_t *bytes, struct err *e)
{
	static const struct unit unit[] = { { "", 1 }, { "B", 1 }, { "k", 1 << 10 },
		{ "K", 1 << 10 }, { "kB", 1 << 10 }, { "KB", 1 << 10 }, { "KiB", 1 << 10 },
		{ "M", 1 << 20 }, { "MB", 1 << 20 }, { "MiB", 1 << 20 }, { "G", 1 << 30 },
		{ "GB", 1 << 30 }, { "GiB", 1 << 30 }, { "T", 1LL << 40 }, { "TB", 1LL << 40 },
		{ "TiB", 1LL << 40 }, { NULL, 0 } };
	return parse_with_unit(text, unit, "a size such as 64k, 1M or 2GiB", bytes, e);
}

const char *
units_plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* The bytes of "1d" in "1d12h"; of all of "1d". */
static size_t
first_part(const char *text)
{
	size_t n = strspn(text, "0123456789.");
	return n + strspn(text + n, "abcdefghijklmnopqrstuvwxyz");
}

int
units_parse_duration(const char *text, int64_t *ms, struct err *e)
{
	static const struct unit unit[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 },
		{ "m", 60000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 },
		{ "w", 604800000 }, { NULL, 0 } };
	static const char example[] = "a duration such as 250ms, 5s, 2m, 1h, 7d or 1d12h";
	size_t n = first_part(text);
	char part[UNITS_TEXT_SIZE];
	int64_t sum = 0, v;
	if (n == 0 || !text[n])
		return parse_with_unit(text, unit, example, ms, e);
	for (const char *p = text; *p; p += n) {
		n = first_part(p);
		if (n == 0 || n >= sizeof part || is_digit(p[n - 1]) || p[n - 1] == '.')
			return err_set(e, ERR_USAGE, "'%s' is not %s", text, example);
		snprintf(part, sizeof part, "%.*s", (int)n, p);
		if (parse_with_unit(part, unit, example, &v, e) < 0)
			return -1;
		if (__builtin_add_overflow(sum, v, &sum))
			return err_set(e, ERR_USAGE, "'%s' is too large", text);
	}
	*ms = sum;
	return 0;
}

/* Take exactly n digits.  Returns false if there are others. */
static bool
take_digits(const char **p, int n, int max, int *v)
{
	*v = 0;
	for (; n > 0; n--, ++*p) {
		if (!is_digit(**p))
			return false;
		*v = *v * 10 + **p - '0';
	}
	return *v <= max;
}

static bool
take_char(const char **p, char c)
{
	bool is_there = **p == c;
	*p += is_there;
	return is_there;
}

/* The zone after a time: "" local, "Z", "+01:00", "+0100", "+01". */
static bool
parse_zone(const char *p, bool *is_local, int *minutes)
{
	int hours, rest = 0;
	*is_local = *p == 0;
	*minutes = 0;
	if (!*p || strcmp(p, "Z") == 0)
		return true;
	int sign = *p == '-' ? -1 : 1;
	if (*p != '+' && *p != '-')
		return false;
	p++;
	if (!take_digits(&p, 2, 23, &hours))
		return false;
	p += *p == ':' && p[1];
	if (*p && !take_digits(&p, 2, 59, &rest))
		return false;
	*minutes = sign * (hours * 60 + rest);
	return !*p;
}

/* "T10:00[:00[.123]]", or nothing, which is midnight. */
static bool
parse_clock(const char **p, struct tm *tm, int *fraction_ms)
{
	*fraction_ms = 0;
	if (**p != 'T' && **p != ' ')
		return true;
	++*p;
	if (!take_digits(p, 2, 23, &tm->tm_hour) || !take_char(p, ':')
		|| !take_digits(p, 2, 59, &tm->tm_min))
		return false;
	if (**p != ':')
		return true;
	++*p;
	if (!take_digits(p, 2, 60, &tm->tm_sec))
		return false;
	if (**p != '.')
		return true;
	++*p;
	int scale = 100;
	for (; is_digit(**p); ++*p, scale /= 10)
		*fraction_ms += (**p - '0') * scale;
	return is_digit((*p)[-1]);
}

static bool
parse_date(const char *p, int64_t *ms)
{
	struct tm tm = { .tm_isdst = -1 };
	int year, month, fraction_ms, minutes;
	bool is_local;
	if (!take_digits(&p, 4, 9999, &year) || !take_char(&p, '-')
		|| !take_digits(&p, 2, 12, &month) || !take_char(&p, '-')
		|| !take_digits(&p, 2, 31, &tm.tm_mday) || !parse_clock(&p, &tm, &fraction_ms)
		|| !parse_zone(p, &is_local, &minutes))
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	struct tm day = { .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday };
	timegm(&day);
	if (month < 1 || day.tm_mon != tm.tm_mon || day.tm_mday != tm.tm_mday)
		return false; /* 31 April */
	time_t t = is_local ? mktime(&tm) : timegm(&tm);
	*ms = ((int64_t)t - minutes * 60) * 1000 + fraction_ms;
	return true;
}

int
units_parse_time(const char *text, int64_t now_ms, int64_t *ms, struct err *e)
{
	const char *p = *text == '@' ? text + 1 : text;
	struct err ignored;
	int64_t ago;
	if (is_digit(*p) && units_parse_int(p, 0, INT64_MAX, ms, &ignored) == 0) {
		if (strlen(p) <= SECONDS_DIGITS)
			*ms *= 1000;
		return 0;
	}
	if (*p == '-' && units_parse_duration(p + 1, &ago, &ignored) == 0) {
		*ms = now_ms - ago;
		return 0;
	}
	if (parse_date(p, ms))
		return 0;
	return err_set(e, ERR_USAGE,
		"'%s' is not a time such as 2026-11-24T10:00:00Z, -1h or seconds since 1970", text);
}

char *
units_format_count(double n, char z[UNITS_TEXT_SIZE])
{
	static const char suffix[] = " kMGTP";
	int i = 0;
	/* A value that would be rounded to 1000 gets the next unit. */
	while (n >= 999.5 && i < 5) {
		n /= 1000;
		i++;
	}
	if (i == 0)
		snprintf(z, UNITS_TEXT_SIZE, "%.0f ", n);
	else
		snprintf(z, UNITS_TEXT_SIZE, "%.*f %c", n < 9.995 ? 2 : n < 99.95 ? 1 : 0, n, suffix[i]);
	return z;
}

char *
units_format_size(int64_t bytes, char z[UNITS_TEXT_SIZE])
{
	units_format_count((double)bytes, z);
	strcat(z, "B");
	return z;
}

char *
units_format_duration(int64_t ms, char z[UNITS_TEXT_SIZE])
{
	static const struct { int64_t ms; const char *name; } unit[] = {
		{ 3600000, "h" }, { 60000, "min" }, { 1000, "s" },
	};
	size_t i = 0;
	while (i < ARRAY_LEN(unit) && ms < unit[i].ms)
		i++;
	if (i == ARRAY_LEN(unit))
		snprintf(z, UNITS_TEXT_SIZE, "%lld ms", (long long)ms);
	else
		snprintf(z, UNITS_TEXT_SIZE, "%.3g %s", (double)ms / (double)unit[i].ms, unit[i].name);
	return z;
}

char *
units_format_time(int64_t ms, char z[UNITS_TEXT_SIZE])
{
	time_t s = (time_t)(ms / 1000);
	int part = (int)(ms % 1000);
	struct tm tm;
	if (part < 0) {
		part += 1000;
		s--;
	}
	if (!gmtime_r(&s, &tm))
		return strcpy(z, "?");
	size_t n = strftime(z, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(z + n, UNITS_TEXT_SIZE - n, ".%03dZ", part);
	return z;
}
