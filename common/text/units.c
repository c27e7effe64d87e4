#include "text/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int
units_parse_int(const char *text, int64_t min, int64_t max, int64_t *v, struct err *e)
{
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (end == text || *end || *text == ' ')
		return err_set(e, ERR_USAGE, "'%s' is not a whole number", text);
	if (errno || n < min || n > max)
		return err_set(e, ERR_USAGE, "'%s' is not between %lld and %lld", text,
			(long long)min, (long long)max);
	*v = n;
	return 0;
}

struct unit {
	const char *word;
	int64_t factor;
};

/* A number and one of the units behind it. */
static int
parse_with_unit(const char *text, const struct unit *unit, const char *example, int64_t *v,
	struct err *e)
{
	char *end;
	errno = 0;
	double n = strtod(text, &end);
	if (end != text && !errno && n >= 0 && *text >= '0' && *text <= '9')
		for (; unit->word; unit++)
			if (strcmp(end, unit->word) == 0 && n * (double)unit->factor < 9e18) {
				/* Whole numbers keep every digit. */
				long long whole = strtoll(text, &end, 10);
				*v = strcmp(end, unit->word) == 0 ? (int64_t)whole * unit->factor
					: (int64_t)(n * (double)unit->factor);
				return 0;
			}
	return err_set(e, ERR_USAGE, "'%s' is not %s", text, example);
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

int
units_parse_duration(const char *text, int64_t *ms, struct err *e)
{
	static const struct unit unit[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 },
		{ "m", 60000 }, { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 },
		{ NULL, 0 } };
	return parse_with_unit(text, unit, "a duration such as 250ms, 5s, 2m, 1h or 7d", ms, e);
}

/* The zone behind a time: "" local, "Z", "+01:00".  False: something else. */
static bool
parse_zone(const char *p, bool *is_local, int64_t *minutes)
{
	int h, m, n = 0;
	*is_local = *p == 0;
	*minutes = 0;
	if (!*p || strcmp(p, "Z") == 0)
		return true;
	if ((*p == '+' || *p == '-') && sscanf(p + 1, "%2d:%2d%n", &h, &m, &n) == 2 && !p[1 + n]) {
		*minutes = (h * 60 + m) * (*p == '-' ? -1 : 1);
		return true;
	}
	return false;
}

static bool
parse_date(const char *text, int64_t *ms)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *p = strptime(text, "%Y-%m-%d", &tm);
	int64_t fraction = 0, minutes;
	bool is_local;
	if (!p)
		return false;
	if (*p == 'T' || *p == ' ') {
		const char *hm = strptime(p + 1, "%H:%M", &tm);
		if (!hm)
			return false;
		p = hm;
		const char *s = *p == ':' ? strptime(p + 1, "%S", &tm) : NULL;
		if (s)
			p = s;
		if (s && *p == '.') {
			int64_t scale = 100;
			for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
				fraction += (*p - '0') * scale;
		}
	}
	if (!parse_zone(p, &is_local, &minutes))
		return false;
	time_t t = is_local ? mktime(&tm) : timegm(&tm);
	*ms = ((int64_t)t - minutes * 60) * 1000 + fraction;
	return true;
}

int
units_parse_time(const char *text, int64_t now_ms, int64_t *ms, struct err *e)
{
	const char *p = *text == '@' ? text + 1 : text;
	struct err ignored;
	int64_t ago;
	if (units_parse_int(p, 0, INT64_MAX, ms, &ignored) == 0)
		return 0;
	if (*p == '-' && units_parse_duration(p + 1, &ago, &ignored) == 0) {
		*ms = now_ms - ago;
		return 0;
	}
	if (parse_date(p, ms))
		return 0;
	return err_set(e, ERR_USAGE,
		"'%s' is not a time such as 2026-11-24T10:00:00Z, -1h or milliseconds since 1970", text);
}

char *
units_format_count(double n, char z[UNITS_TEXT_SIZE])
{
	static const char suffix[] = " kMGTP";
	int i = 0;
	while (n >= 1000 && i < 5) {
		n /= 1000;
		i++;
	}
	if (i == 0)
		snprintf(z, UNITS_TEXT_SIZE, "%.0f ", n);
	else
		snprintf(z, UNITS_TEXT_SIZE, "%.*f %c", n < 10 ? 2 : n < 100 ? 1 : 0, n, suffix[i]);
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
