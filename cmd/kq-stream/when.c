#include "kq-stream/when.h"

#include <stdlib.h>

static const int64_t SECONDS_BELOW = 100000000000; /* 10^11 */
static const int64_t MS_MAX = 253402300799999;     /* 9999-12-31T23:59:59.999Z */

struct when_text {
	const uint8_t *p, *end;
};

static inline bool
take_char(struct when_text *at, const char *any)
{
	if (at->p == at->end)
		return false;
	while (*any && (uint8_t)*any != *at->p)
		any++;
	at->p += *any != 0;
	return *any != 0;
}

/* A number of exactly n digits, up to max. */
static bool
take_digits(struct when_text *at, int n, int max, int *value)
{
	*value = 0;
	for (int i = 0; i < n; i++, at->p++) {
		if (at->p == at->end || *at->p < '0' || *at->p > '9')
			return false;
		*value = *value * 10 + (*at->p - '0');
	}
	return *value <= max;
}

/* ---- numbers ---- */

/* Milliseconds of ".5": the first three digits; the others are cut off. */
static bool
take_fraction(struct when_text *at, int *ms)
{
	int scale = 100;
	*ms = 0;
	if (at->p == at->end || *at->p < '0' || *at->p > '9')
		return false;
	for (; at->p < at->end && *at->p >= '0' && *at->p <= '9'; at->p++, scale /= 10)
		*ms += (*at->p - '0') * scale;
	return true;
}

/* A number with an exponent. */
static bool
parse_double(struct str text, int64_t *ms)
{
	char z[64];
	char *end;
	if (text.n >= (int32_t)sizeof z)
		return false;
	memcpy(z, text.p, (size_t)text.n);
	z[text.n] = 0;
	double value = strtod(z, &end);
	if (*end || !(value >= 0) || value > (double)MS_MAX)
		return false;
	*ms = (int64_t)(value < (double)SECONDS_BELOW ? value * 1000 : value);
	return true;
}

static bool
parse_number(struct str text, int64_t *ms)
{
	struct when_text at = { text.p, text.p + text.n };
	int64_t whole = 0;
	int fraction_ms = 0;
	if (text.n < 1 || *at.p < '0' || *at.p > '9')
		return false;
	for (; at.p < at.end && *at.p >= '0' && *at.p <= '9'; at.p++) {
		whole = whole * 10 + (*at.p - '0');
		if (whole > MS_MAX)
			return false;
	}
	if (take_char(&at, ".") && !take_fraction(&at, &fraction_ms))
		return false;
	if (at.p < at.end)
		return parse_double(text, ms);
	*ms = whole < SECONDS_BELOW ? whole * 1000 + fraction_ms : whole;
	return *ms <= MS_MAX;
}

/* ---- ISO 8601 ---- */

/* Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that the
 * leap day is the last one. */
static int64_t
days_of(int year, int month, int day)
{
	int64_t of = month > 2 ? year : year - 1;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	return of * 365 + of / 4 - of / 100 + of / 400 + of_year - 719468;
}

static bool
take_date(struct when_text *at, int64_t *days)
{
	static const uint8_t length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, month, day;
	if (!take_digits(at, 4, 9999, &year) || !take_char(at, "-")
		|| !take_digits(at, 2, 12, &month) || !take_char(at, "-")
		|| !take_digits(at, 2, 31, &day) || month < 1 || day < 1)
		return false;
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (day > length[month - 1] + (month == 2 && is_leap))
		return false;
	*days = days_of(year, month, day);
	return true;
}

static bool
take_clock(struct when_text *at, int64_t *ms)
{
	int hour, minute, second = 0, fraction_ms = 0;
	if (!take_digits(at, 2, 24, &hour) || !take_char(at, ":")
		|| !take_digits(at, 2, 59, &minute))
		return false;
	if (take_char(at, ":")) {
		/* 60: a leap second, which is the next minute's first one. */
		if (!take_digits(at, 2, 60, &second))
			return false;
		if (take_char(at, ".,") && !take_fraction(at, &fraction_ms))
			return false;
	}
	if (hour == 24 && (minute || second || fraction_ms))
		return false;
	*ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + fraction_ms;
	return true;
}

/* "Z", "+01:00", "+0100", "+01", or nothing: UTC. */
static bool
take_zone(struct when_text *at, int64_t *ms)
{
	int hour, minute = 0;
	*ms = 0;
	if (at->p == at->end || take_char(at, "Zz"))
		return true;
	bool is_west = *at->p == '-';
	if (!take_char(at, "+-") || !take_digits(at, 2, 23, &hour))
		return false;
	if (at->p < at->end) {
		take_char(at, ":");
		if (!take_digits(at, 2, 59, &minute))
			return false;
	}
	*ms = (hour * 60 + minute) * INT64_C(60000) * (is_west ? -1 : 1);
	return true;
}

static bool
parse_iso(struct str text, int64_t *ms)
{
	struct when_text at = { text.p, text.p + text.n };
	int64_t days, clock_ms = 0, zone_ms = 0;
	if (!take_date(&at, &days))
		return false;
	if (at.p < at.end && (!take_char(&at, "Tt ") || !take_clock(&at, &clock_ms)
		|| !take_zone(&at, &zone_ms)))
		return false;
	*ms = days * 86400000 + clock_ms - zone_ms;
	return at.p == at.end && *ms >= 0 && *ms <= MS_MAX;
}

int
when_parse(struct str json, int64_t *ms, struct err *e)
{
	bool is_string = json.n >= 2 && json.p[0] == '"';
	struct str text = is_string ? (struct str){ json.p + 1, json.n - 2 } : json;
	bool is_date = is_string && text.n >= 5 && text.p[4] == '-';
	if (json.n > 0 && (is_date ? parse_iso(text, ms) : parse_number(text, ms)))
		return 0;
	if (json.n < 0 || str_eq(json, STR("null")))
		return err_set(e, ERR_CORRUPT, "the record has no time");
	return err_set(e, ERR_CORRUPT, "%.*s is not a time from 1970 to 9999 (seconds, milliseconds "
		"or ISO 8601)", MIN(json.n, 60), (const char *)json.p);
}
