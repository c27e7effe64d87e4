#include "tap.h"
#include "text/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool
is_int(const char *text, int64_t min, int64_t max, int64_t want)
{
	int64_t v = 0;
	struct err e;
	return units_parse_int(text, min, max, &v, &e) == 0 && v == want;
}

static bool
int_refused(const char *text, int64_t min, int64_t max, const char *want)
{
	int64_t v = 77;
	struct err e;
	if (units_parse_int(text, min, max, &v, &e) == 0 || v != 77)
		return false;
	printf("# %s\n", e.msg);
	return e.class == ERR_USAGE && strcmp(e.msg, want) == 0;
}

void
test_units__whole_numbers_have_limits(void)
{
	check(is_int("0", 0, 5, 0));
	check(is_int("-10", INT64_MIN, INT64_MAX, -10));
	check(is_int("+7", 0, 7, 7));
	check(is_int("9223372036854775807", 0, INT64_MAX, INT64_MAX));
	check(is_int("-9223372036854775808", INT64_MIN, 0, INT64_MIN));
	check(int_refused("6", 0, 5, "'6' is not between 0 and 5"));
	check(int_refused("-1", 0, INT64_MAX, "'-1' is less than 0"));
	check(int_refused("9223372036854775808", INT64_MIN, INT64_MAX,
		"'9223372036854775808' is too large"));
	check(int_refused("-9223372036854775809", INT64_MIN, INT64_MAX,
		"'-9223372036854775809' is too small"));
}

void
test_units__what_is_no_whole_number_is_said(void)
{
	static const char *const bad[] = { "", "-", "+", "x", "1x", " 1", "1 ", "\t1", "1.5",
		"0x10", "--1", "+-1", "\n" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char want[60];
		snprintf(want, sizeof want, "'%s' is not a whole number", bad[i]);
		check(int_refused(bad[i], INT64_MIN, INT64_MAX, want));
	}
}

typedef int parse_fn(const char *, int64_t *, struct err *);

static int64_t
parsed(parse_fn *parse, const char *text)
{
	int64_t v = 0;
	struct err e;
	return parse(text, &v, &e) == 0 ? v : e.class == ERR_USAGE ? -1 : -2;
}

void
test_units__sizes_are_powers_of_1024(void)
{
	check_int(parsed(units_parse_size, "0"), 0);
	check_int(parsed(units_parse_size, "100"), 100);
	check_int(parsed(units_parse_size, "64k"), 65536);
	check_int(parsed(units_parse_size, "64KiB"), 65536);
	check_int(parsed(units_parse_size, "1.5M"), 1572864);
	check_int(parsed(units_parse_size, "2GB"), 2147483648LL);
	check_int(parsed(units_parse_size, "3T"), 3LL << 40);
	check_int(parsed(units_parse_size, "9007199254740993"), 9007199254740993LL);
}

void
test_units__bad_sizes_are_refused(void)
{
	static const char *const bad[] = { "", "k", "-1", "1x", "1 k", "0x10", "1e3", "inf", "nan",
		"1.", ".5", "1.5.5", "1kk", "1.5", "1.5B", "9223372036854775808", "8388608T",
		"99999999999999999999999999", "9223372036854775807.5k" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		check_int(parsed(units_parse_size, bad[i]), -1);
}

void
test_units__durations_are_in_milliseconds(void)
{
	check_int(parsed(units_parse_duration, "250"), 250);
	check_int(parsed(units_parse_duration, "250ms"), 250);
	check_int(parsed(units_parse_duration, "1.5s"), 1500);
	check_int(parsed(units_parse_duration, "2m"), 120000);
	check_int(parsed(units_parse_duration, "1h"), 3600000);
	check_int(parsed(units_parse_duration, "7d"), 604800000);
	check_int(parsed(units_parse_duration, "7w"), 4233600000);
	check_int(parsed(units_parse_duration, "1d12h"), 129600000);
	check_int(parsed(units_parse_duration, "1h30m1.5s"), 5401500);
	check_int(parsed(units_parse_duration, "7y"), -1);
	check_int(parsed(units_parse_duration, "1d12"), -1);
	check_int(parsed(units_parse_duration, "12.d1h"), -1);
	check_int(parsed(units_parse_duration, "1h-5m"), -1);
	check_int(parsed(units_parse_duration, "106751991167d1w"), -1);
	check_int(parsed(units_parse_duration, "1.5"), -1);
	check_int(parsed(units_parse_duration, "1.5ms"), -1);
	check_int(parsed(units_parse_duration, "-5s"), -1);
}

static int64_t
parsed_time(const char *text)
{
	int64_t v = 0;
	struct err e;
	return units_parse_time(text, 1000000000, &v, &e) == 0 ? v : e.class == ERR_USAGE ? -1 : -2;
}

void
test_units__moments_have_many_forms(void)
{
	check_int(parsed_time("1700000000123"), 1700000000123);
	check_int(parsed_time("@1700000000123"), 1700000000123);
	check_int(parsed_time("@1796021551"), 1796021551000); /* ten digits: seconds */
	check_int(parsed_time("0"), 0);
	check_int(parsed_time("9999999999"), 9999999999000);
	check_int(parsed_time("10000000000"), 10000000000);
	check_int(parsed_time("-1h"), 1000000000 - 3600000);
	check_int(parsed_time("@-5"), 1000000000 - 5);
	check_int(parsed_time("2026-11-24T10:00:00.123Z"), 1795514400123);
	check_int(parsed_time("2026-11-24T10:00:00.1239999Z"), 1795514400123);
	check_int(parsed_time("2026-11-24 10:00Z"), 1795514400000);
	check_int(parsed_time("2026-11-24T11:30+01:30"), 1795514400000);
	check_int(parsed_time("2026-11-24T11:30+0130"), 1795514400000);
	check_int(parsed_time("2026-11-24T08:00:00-02"), 1795514400000);
	check_int(parsed_time("2024-02-29Z"), 1709164800000);
	check_int(parsed_time("1969-12-31T23:59:59Z"), -1000);
}

void
test_units__a_moment_without_a_zone_is_local(void)
{
	setenv("TZ", "ABC-5", 1); /* five hours before Greenwich */
	tzset();
	check_int(parsed_time("2026-11-24T15:00"), 1795514400000);
	check_int(parsed_time("2026-11-24"), 1795514400000 - 15 * 3600000);
}

void
test_units__bad_moments_are_refused(void)
{
	static const char *const bad[] = { "", "@", "now", "2026-11", "2026-13-01Z",
		"2026-00-01Z", "2026-04-31Z", "2026-02-29Z", "2026-11-00Z", "2026-11-24T",
		"2026-11-24T10Z", "2026-11-24T24:00Z", "2026-11-24T10:60Z", "2026-11-24T10:00:00.Z",
		"2026-11-24T10:00X", "2026-11-24T10:00+", "2026-11-24T10:00+1", "2026-11-24T10:00+01:",
		"2026-11-24T10:00+01:0", "2026-11-24T10:00Zx", "26-11-24Z", "-", "--1h", "+5",
		"+1796021551" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		printf("# %s\n", bad[i]);
		check_int(parsed_time(bad[i]), -1);
	}
}

static bool
reads(const char *got, const char *want)
{
	printf("# '%s'\n", got);
	return strcmp(got, want) == 0;
}

void
test_units__quantities_read_well(void)
{
	char z[UNITS_TEXT_SIZE];
	check(reads(units_format_size(0, z), "0 B"));
	check(reads(units_format_size(999, z), "999 B"));
	check(reads(units_format_size(1234567890, z), "1.23 GB"));
	check(reads(units_format_duration(0, z), "0 ms"));
	check(reads(units_format_duration(999, z), "999 ms"));
	check(reads(units_format_duration(1500, z), "1.5 s"));
	check(reads(units_format_duration(30000, z), "30 s"));
	check(reads(units_format_duration(300000, z), "5 min"));
	check(reads(units_format_duration(5400000, z), "1.5 h"));
	check(reads(units_format_size(999999, z), "1.00 MB"));
	check(reads(units_format_size(INT64_MAX, z), "9223 PB"));
	check(reads(units_format_count(12345678, z), "12.3 M"));
	check(reads(units_format_count(99960, z), "100 k"));
	check(reads(units_format_count(7, z), "7 "));
}

void
test_units__moments_are_written_as_they_are_read(void)
{
	char z[UNITS_TEXT_SIZE];
	check(reads(units_format_time(1795514400123, z), "2026-11-24T10:00:00.123Z"));
	check(reads(units_format_time(-1, z), "1969-12-31T23:59:59.999Z"));
	check_int(parsed_time(units_format_time(1795514400123, z)), 1795514400123);
	/* A record may hold any timestamp. */
	check(strlen(units_format_time(INT64_MAX, z)) < sizeof z);
	check(strlen(units_format_time(INT64_MIN, z)) < sizeof z);
}
