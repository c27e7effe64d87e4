/* kq-stream's times of records. */
#include "tap.h"

#include "kq-stream/when.c"

#include <stdio.h>

static int64_t
ms_of(const char *json)
{
	int64_t ms;
	struct err e;
	return when_parse(str_of(json), &ms, &e) < 0 ? -1 : ms;
}

void
test_when__numbers_below_ten_to_the_eleven_are_seconds(void)
{
	check_int(ms_of("0"), 0);
	check_int(ms_of("1700000000"), 1700000000000);
	check_int(ms_of("99999999999"), 99999999999000);
	check_int(ms_of("100000000000"), 100000000000);
	check_int(ms_of("1700000000123"), 1700000000123);
	check_int(ms_of("1700000000.5"), 1700000000500);
	check_int(ms_of("1700000000.12399"), 1700000000123);
	check_int(ms_of("1700000000123.9"), 1700000000123);
	check_int(ms_of("1.7e9"), 1700000000000);
	check_int(ms_of("1.7e+12"), 1700000000000);
	check_int(ms_of("\"1700000000\""), 1700000000000);
}

void
test_when__iso_8601_has_fractions_and_zones(void)
{
	check_int(ms_of("\"1970-01-01\""), 0);
	check_int(ms_of("\"2023-11-14T22:13:20Z\""), 1700000000000);
	check_int(ms_of("\"2023-11-14 22:13:20\""), 1700000000000);
	check_int(ms_of("\"2023-11-14T22:13:20.123456789Z\""), 1700000000123);
	check_int(ms_of("\"2023-11-14T22:13:20,5Z\""), 1700000000500);
	check_int(ms_of("\"2023-11-14T23:13:20+01:00\""), 1700000000000);
	check_int(ms_of("\"2023-11-14T16:43:20-0530\""), 1700000000000);
	check_int(ms_of("\"2023-11-15T00:13:20+02\""), 1700000000000);
	check_int(ms_of("\"2023-11-14T22:13Z\""), 1699999980000);
	check_int(ms_of("\"2024-02-29\""), 1709164800000);
	check_int(ms_of("\"2000-02-29T24:00:00Z\""), 951868800000);
	check_int(ms_of("\"2016-12-31T23:59:60Z\""), 1483228800000);
	check_int(ms_of("\"9999-12-31T23:59:59.999Z\""), 253402300799999);
}

void
test_when__what_is_no_time_is_refused(void)
{
	static const char *const bad[] = { "null", "true", "-1", "-0.5", "\"\"", "\"now\"", "{}", "[]",
		"1e400", "253402300800000", "99999999999999999999", "1.", "1.x", "\"2023-02-29\"",
		"\"2023-13-01\"", "\"2023-00-10\"", "\"2023-04-31\"", "\"1969-12-31T23:59:59Z\"",
		"\"2023-11-14T25:00Z\"", "\"2023-11-14T24:01Z\"", "\"2023-11-14T22:60Z\"",
		"\"2023-11-14T22:13:61Z\"", "\"2023-11-14T\"", "\"2023-11-14T22:13:20.Z\"",
		"\"2023-11-14T22:13:20Zx\"", "\"2023-11-14T22:13:20+1\"", "\"2023-11-14T22:13:20+24:00\"",
		"\"2023-1-14\"", "\"2023-11-14x\"", "\"170000000a\"" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_int(ms_of(bad[i]), -1);
		if (ms_of(bad[i]) != -1)
			printf("# %s\n", bad[i]);
	}
}
