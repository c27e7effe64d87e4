/* tool/place: one grammar of positions for all options that take one. */
#include "tap.h"
#include "tool/place.h"

#include <stdio.h>

enum { ALL = PLACE_BEGINNING | PLACE_END | PLACE_OFFSET | PLACE_LAST | PLACE_TIME };
static const int64_t now_ms = 1796000000000;

static void
check_place(const char *text, int kinds, enum place_kind kind, int64_t n)
{
	struct place p;
	struct err e;
	if (place_parse(&p, text, kinds, now_ms, &e) < 0)
		tap_fail(__FILE__, __LINE__, "'%s': %s", text, e.msg);
	check_int(p.kind, kind);
	check_int(p.n, n);
}

void
test_place__words_numbers_and_times(void)
{
	check_place("beginning", ALL, PLACE_BEGINNING, 0);
	check_place("earliest", ALL, PLACE_BEGINNING, 0);
	check_place("end", ALL, PLACE_END, 0);
	check_place("latest", ALL, PLACE_END, 0);
	check_place("0", ALL, PLACE_OFFSET, 0);
	check_place("9223372036854775807", ALL, PLACE_OFFSET, INT64_MAX);
	check_place("1796021551", ALL, PLACE_OFFSET, 1796021551); /* no '@': an offset */
	check_place("1796021551", ALL & ~PLACE_OFFSET, PLACE_TIME, 1796021551000);
	check_place("-7", ALL, PLACE_LAST, 7);
	check_place("-0", ALL, PLACE_LAST, 0);
	check_place("@1796021551", ALL, PLACE_TIME, 1796021551000);
	check_place("s@1796021551", ALL, PLACE_TIME, 1796021551000);
	check_place("@1796021551123", ALL, PLACE_TIME, 1796021551123);
	check_place("@0", ALL, PLACE_TIME, 0);
	check_place("@-1h", ALL, PLACE_TIME, now_ms - 3600000);
	check_place("-1h", ALL, PLACE_TIME, now_ms - 3600000);
	check_place("@2026-11-24T10:00Z", ALL, PLACE_TIME, 1795514400000);
	check_place("2026-11-24T10:00Z", ALL, PLACE_TIME, 1795514400000);
}

void
test_place__of_a_group_numbers_with_a_sign_are_from_what_is_committed(void)
{
	int kinds = PLACE_CURRENT | PLACE_OFFSET | PLACE_SHIFT;
	check_place("current", kinds, PLACE_CURRENT, 0);
	check_place("-7", kinds, PLACE_SHIFT, -7);
	check_place("+7", kinds, PLACE_SHIFT, 7);
	check_place("7", kinds, PLACE_OFFSET, 7);
}

static void
check_refused(const char *text, int kinds, const char *want)
{
	struct place p;
	struct err e;
	if (place_parse(&p, text, kinds, now_ms, &e) == 0)
		tap_fail(__FILE__, __LINE__, "'%s' is taken", text);
	printf("# %s\n", e.msg);
	check_int(e.class, ERR_USAGE);
	check(!want || strcmp(e.msg, want) == 0);
}

void
test_place__what_is_none_is_refused_with_those_there_are(void)
{
	static const char *const bad[] = { "", "-", "+", "@", "s@", "s", "+5", "--5", "+-5", "5x",
		"1.5", " 1", "first", "1h", "stored", "9223372036854775808", "-9223372036854775808",
		"@1969-01-01Z", "@-99999d", "@yesterday", "2026-02-30", "e@1796021551" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_refused(bad[i], ALL, NULL);
	check_refused("current", ALL,
		"'current' is not a position; use one of: beginning, end, N (an offset), -N, "
		"@TIME such as @2026-11-24T10:00 or @-1h");
	check_refused("7", PLACE_BEGINNING | PLACE_END,
		"'7' is not a position; use one of: beginning, end");
	check_refused("nonsense", PLACE_CURRENT | PLACE_SHIFT | PLACE_TIME,
		"'nonsense' is not a position; use one of: "
		"current, +N, -N, @TIME such as @2026-11-24T10:00 or @-1h");
}
