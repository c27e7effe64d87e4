#include "tap.h"

#include "json/number.h"

#include <jv.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t seed = 88172645463325252;

static uint64_t
rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 8) % n;
}

/* Read and printed as by libjq; with is_printed the bytes are the same. */
static void
check_number(const char *text, const char *behind)
{
	char all[128], put[NUMBER_SIZE_MAX + 1];
	snprintf(all, sizeof all, "%s%s", text, behind);
	const uint8_t *p = (const uint8_t *)all;
	struct number number;
	size_t n = strlen(text);
	const uint8_t *end = number_scan(p, p + strlen(all), &number);
	if (end != p + n)
		tap_fail(__FILE__, __LINE__, "%s ends elsewhere", all);
	double value = number_value(&number, (struct str){ p, (int32_t)n });
	jv want = jv_parse(text);
	double want_value = jv_number_value(want);
	if (memcmp(&value, &want_value, sizeof value) != 0)
		tap_fail(__FILE__, __LINE__, "%s is %.17g, want %.17g", text, value, want_value);
	want = jv_dump_string(want, 0);
	put[number_put((uint8_t *)put, value)] = '\0';
	if (strcmp(put, jv_string_value(want)) != 0)
		tap_fail(__FILE__, __LINE__, "%s is printed %s, want %s", text, put, jv_string_value(want));
	if (number.is_printed && strcmp(put, text) != 0)
		tap_fail(__FILE__, __LINE__, "%s is printed %s", text, put);
	jv_free(want);
}

static void
put_digits(char *text, unsigned n)
{
	text += strlen(text);
	*text = (char)(n > 1 && rnd(4) ? '1' + rnd(9) : n > 1 ? '1' : '0' + rnd(10));
	for (unsigned i = 1; i < n; i++)
		text[i] = (char)(rnd(3) ? '0' + rnd(10) : rnd(2) ? '0' : '9');
	text[n] = '\0';
}

void
test_number__is_read_and_printed_as_by_libjq(void)
{
	static const char *const behind[] = { "", ",", "}", ",\"b\":12345678", " ", "x1234567" };
	for (int i = 0; i < 200000; i++) {
		char text[64] = "", exponent[16];
		if (rnd(4) == 0)
			strcat(text, "-");
		put_digits(text, 1 + (unsigned)rnd(rnd(3) ? 6 : 22));
		if (rnd(2)) {
			strcat(text, rnd(8) ? "." : ".000");
			put_digits(text, 1 + (unsigned)rnd(rnd(3) ? 3 : 20));
		}
		if (rnd(8) == 0) {
			snprintf(exponent, sizeof exponent, "%s%d", rnd(2) ? "e" : "E+",
				(int)rnd(rnd(2) ? 30 : 330));
			strcat(text, exponent);
		}
		check_number(text, behind[rnd(6)]);
	}
}

void
test_number__what_was_computed_is_printed_as_by_libjq(void)
{
	for (int i = 0; i < 200000; i++) {
		char put[NUMBER_SIZE_MAX + 1];
		double value = (double)rnd(1000000) / (double)(1 + rnd(1000));
		if (rnd(2))
			value = (double)rnd(100000) / 100 + (double)rnd(100000) / 100;
		if (rnd(8) == 0) {
			uint64_t bits = rnd(UINT64_MAX) ^ rnd(UINT64_MAX) << 32;
			memcpy(&value, &bits, sizeof value);
		}
		put[number_put((uint8_t *)put, value)] = '\0';
		jv want = jv_dump_string(jv_number(value), 0);
		if (strcmp(put, jv_string_value(want)) != 0)
			tap_fail(__FILE__, __LINE__, "%.17g is printed %s, want %s", value, put,
				jv_string_value(want));
		jv_free(want);
	}
}

void
test_number__of_another_grammar_is_refused(void)
{
	static const char *const v[] = { "", "-", "+1", ".5", "1.", "1.e5", "01", "-01", "00", "1e",
		"1e+", "1E-", "x", "-x", "--1", "nan", "Infinity", "-.5" };
	struct number number;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct str s = str_of(v[i]);
		const uint8_t *end = number_scan(s.p, s.p + s.n, &number);
		if (end == s.p + s.n)
			tap_fail(__FILE__, __LINE__, "%s is taken", v[i]);
	}
}
