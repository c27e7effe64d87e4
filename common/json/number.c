#include "json/number.h"

#include <jv.h>
#include <math.h>

enum { EXACT_DIGITS = 15, EXACT_POWER = 22 }; /* exact in a double: n < 10^15, 10^n to 10^22 */

static const double power[EXACT_POWER + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
	1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static inline bool
is_digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

/* ---- read ---- */

/* The number of eight digits, given as bytes from 0 to 9, the first one lowest: pairs, then
 * fours, then all. */
static inline uint64_t
eight_digits(uint64_t word)
{
	word = word * 10 + (word >> 8);
	return ((word & 0x000000ff000000ff) * (100 + ((uint64_t)1000000 << 32))
		+ (word >> 16 & 0x000000ff000000ff) * (1 + ((uint64_t)10000 << 32))) >> 32;
}

/* Past the digits at p, which go on *digits. */
static inline const uint8_t *
scan_digits(const uint8_t *p, const uint8_t *end, uint64_t *digits)
{
	static const uint32_t power_of_ten[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
		100000000 };
	uint64_t word, ones = 0x0101010101010101;
	while (end - p >= 8) {
		memcpy(&word, p, sizeof word);
		word ^= ones * '0';
		/* The high bit of the first byte above 9, and perhaps of bytes behind it. */
		uint64_t others = ((word + ones * (0x80 - 10)) | word) & ones * 0x80;
		int n = others ? __builtin_ctzll(others) / 8 : 8;
		if (n == 0)
			return p;
		*digits = *digits * power_of_ten[n] + eight_digits(word << (64 - 8 * n));
		p += n;
		if (n < 8)
			return p;
	}
	while (p < end && is_digit(*p))
		*digits = *digits * 10 + (uint64_t)(*p++ - '0');
	return p;
}

/* The exponent after 'e'; NULL if there is none. */
static const uint8_t *
scan_exponent(const uint8_t *p, const uint8_t *end, struct number *out)
{
	bool is_negative = false;
	int exponent = 0;
	if (p < end && (*p == '+' || *p == '-'))
		is_negative = *p++ == '-';
	if (p >= end || !is_digit(*p))
		return NULL;
	for (; p < end && is_digit(*p); p++)
		if (exponent < 100000)
			exponent = exponent * 10 + (*p - '0');
	out->exponent += is_negative ? -exponent : exponent;
	out->is_printed = false;
	return p;
}

const uint8_t *
number_scan(const uint8_t *p, const uint8_t *end, struct number *out)
{
	uint64_t digits = 0;
	out->is_negative = p < end && *p == '-';
	p += out->is_negative;
	const uint8_t *first = p;
	p = scan_digits(p, end, &digits);
	int64_t ndigit = p - first;
	if (ndigit == 0 || (*first == '0' && ndigit > 1))
		return NULL;
	out->exponent = 0;
	out->is_printed = true;
	if (p < end && *p == '.') {
		const uint8_t *point = p;
		p = scan_digits(p + 1, end, &digits);
		if (p == point + 1)
			return NULL;
		/* jq prints no zero at the end, and 0.00001 as 1e-05. */
		out->is_printed = p[-1] != '0' && (*first != '0' || p - point <= 4
			|| memcmp(point, ".0000", 5) != 0);
		ndigit += p - point - 1;
		out->exponent = ndigit > EXACT_POWER ? 0 : (int)(point + 1 - p);
	}
	out->digits = digits;
	out->is_exact = ndigit <= 18;
	out->is_printed = out->is_printed && ndigit <= EXACT_DIGITS;
	if (p < end && (*p == 'e' || *p == 'E'))
		p = scan_exponent(p + 1, end, out);
	return p;
}

double
number_value(const struct number *number, struct str text)
{
	int exponent = number->exponent;
	if (number->is_exact && number->digits <= (uint64_t)1 << 53
		&& exponent >= -EXACT_POWER && exponent <= EXACT_POWER) {
		/* Both are exact, so that the result is rounded once. */
		double value = (double)number->digits;
		value = exponent < 0 ? value / power[-exponent] : value * power[exponent];
		return number->is_negative ? -value : value;
	}
	jv parsed = jv_parse_sized((const char *)text.p, text.n);
	assert(jv_get_kind(parsed) == JV_KIND_NUMBER);
	return jv_number_value(parsed);
}

/* ---- print ---- */

static int
put_digits(uint8_t *out, uint64_t n)
{
	uint8_t v[20];
	int i = sizeof v;
	do {
		v[--i] = (uint8_t)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	memcpy(out, v + i, sizeof v - (size_t)i);
	return (int)sizeof v - i;
}

/* n * 10^-ndecimal; n does not end with a zero. */
static int
put_decimals(uint8_t *out, uint64_t n, int ndecimal)
{
	uint64_t unit = (uint64_t)power[ndecimal];
	int size = put_digits(out, n / unit);
	out[size++] = '.';
	n %= unit;
	for (int i = ndecimal - 1; i >= 0; i--) {
		out[size + i] = (uint8_t)('0' + n % 10);
		n /= 10;
	}
	return size + ndecimal;
}

/* As libjq prints it: what is below would take half a page of arithmetic here. */
static int
put_hard(uint8_t *out, double value)
{
	jv text = jv_dump_string(jv_number(value), 0);
	int n = jv_string_length_bytes(jv_copy(text));
	assert(n <= NUMBER_SIZE_MAX);
	memcpy(out, jv_string_value(text), (size_t)n);
	jv_free(text);
	return n;
}

int
number_put(uint8_t *out, double value)
{
	enum { NDECIMAL_MAX = 6 };
	double size = fabs(value);
	bool is_negative = signbit(value) != 0;
	if (!(size < 1e15) || (size < 1e-3 && size > 0))
		return put_hard(out, value);
	if (is_negative)
		*out = '-';
	/* A decimal of at most 15 digits that reads back as the value is the shortest. */
	for (int ndecimal = 0; ndecimal <= NDECIMAL_MAX; ndecimal++) {
		double scaled = size * power[ndecimal];
		if (scaled >= 1e15)
			break;
		uint64_t n = (uint64_t)(scaled + 0.5);
		if ((double)n / power[ndecimal] == size)
			return is_negative + (ndecimal == 0 ? put_digits(out + is_negative, n)
				: put_decimals(out + is_negative, n, ndecimal));
	}
	return put_hard(out, value);
}
