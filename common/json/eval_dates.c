/* fromdate and todate of plain dates; libjq is asked for all others. */
#include "json/eval.h"

#include <time.h>

enum { DATE_SIZE = 20 }; /* 2026-11-30T12:00:00Z */

/* n digits; -1: they are none. */
static int
digits(const uint8_t *p, int n)
{
	int value = 0;
	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		value = value * 10 + (p[i] - '0');
	}
	return value;
}

/* jq 1.6 takes the date to local time and back, which shows in zones with summer time. */
int
eval_fromdate(struct eval *eval, struct val v, struct val *out)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (v.kind != VAL_STRING)
		return -1;
	struct str s = val_string(&eval->pool, v);
	if (s.n != DATE_SIZE || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != 'T' || s.p[13] != ':'
		|| s.p[16] != ':' || s.p[19] != 'Z')
		return eval_ask(eval);
	struct tm tm = { .tm_year = digits(s.p, 4) - 1900, .tm_mon = digits(s.p + 5, 2) - 1,
		.tm_mday = digits(s.p + 8, 2), .tm_hour = digits(s.p + 11, 2),
		.tm_min = digits(s.p + 14, 2), .tm_sec = digits(s.p + 17, 2) };
	if (tm.tm_year < 71 || tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1
		|| tm.tm_mday > days[tm.tm_mon] || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0
		|| tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 59)
		return eval_ask(eval);
	time_t t = mktime(&tm);
	*out = val_of_number((double)(t + tm.tm_gmtoff));
	return 1;
}

int
eval_todate(struct eval *eval, struct val v, struct val *out)
{
	struct tm tm;
	if (v.kind != VAL_NUMBER)
		return eval_ask(eval);
	double seconds = val_number(v);
	if (!(seconds >= 0 && seconds < 1e11))
		return eval_ask(eval);
	time_t t = (time_t)seconds;
	char *text = val_alloc(&eval->pool, 2 * DATE_SIZE);
	if (!text || !gmtime_r(&t, &tm))
		return eval_ask(eval);
	size_t n = strftime(text, 2 * DATE_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
	*out = val_of_string((struct str){ (const uint8_t *)text, (int32_t)n });
	return 1;
}
