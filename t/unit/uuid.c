#include "tap.h"

#include "base/uuid.h"

#include <stdlib.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void
check_refused(struct str s)
{
	struct uuid u;
	memset(&u, 0x55, sizeof u);
	check(!uuid_parse(&u, s));
	check(uuid_is_zero(&u));
}

void
test_uuid__is_written_as_kafka_writes_it(void)
{
	/* From org.apache.kafka.common.Uuid.toString() of Kafka 4.3.1. */
	static const struct {
		uint64_t high, low;
		const char *text;
	} v[] = {
		{ 0, 0, "AAAAAAAAAAAAAAAAAAAAAA" },
		{ 0, 1, "AAAAAAAAAAAAAAAAAAAAAQ" },
		{ UINT64_MAX, UINT64_MAX, "_____________________w" },
		{ 0x0123456789abcdef, 0xfedcba9876543210, "ASNFZ4mrze_-3LqYdlQyEA" },
		{ 0xfbefbefbefbefbef, 0xbefbefbefbefbefb, "---------------------w" },
	};
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct uuid u, got;
		char z[UUID_TEXT_SIZE];
		store_be64(u.bytes, v[i].high);
		store_be64(u.bytes + 8, v[i].low);
		check(strcmp(uuid_format(&u, z), v[i].text) == 0);
		check(uuid_parse(&got, str_of(v[i].text)));
		check(uuid_eq(&got, &u));
	}
}

void
test_uuid__goes_both_ways(void)
{
	srand(1);
	for (int i = 0; i < 5000; i++) {
		struct uuid u, got;
		char z[UUID_TEXT_SIZE];
		for (int j = 0; j < 16; j++)
			u.bytes[j] = (uint8_t)(rand() >> 7);
		check(uuid_format(&u, z) == z);
		check_int(strlen(z), 22);
		check(uuid_parse(&got, str_of(z)));
		check(uuid_eq(&got, &u));
		got.bytes[rand() % 16] ^= (uint8_t)(1 << rand() % 8);
		check(!uuid_eq(&got, &u));
	}
}

void
test_uuid__other_lengths_are_refused(void)
{
	struct uuid u;
	static const char text[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	for (int32_t n = 0; n < 40; n++) {
		if (n == 22)
			check(uuid_parse(&u, (struct str){ (const uint8_t *)text, n }));
		else
			check_refused((struct str){ (const uint8_t *)text, n });
	}
	check_refused(STR_NULL);
	check_refused(STR("00000000-0000-0000-0000-000000000000"));
	check_refused(STR("AAAAAAAAAAAAAAAAAAAAAA==")); /* no padding */
}

void
test_uuid__other_characters_are_refused(void)
{
	for (int at = 0; at < 22; at++)
		for (int c = 0; c < 256; c++) {
			char z[UUID_TEXT_SIZE];
			struct uuid u;
			memcpy(z, "AAAAAAAAAAAAAAAAAAAAAA", sizeof z);
			z[at] = (char)c;
			bool good = memchr(digits, c, 64) != NULL;
			if (at == 21) /* its low four bits are past the end */
				good = c == 'A' || c == 'Q' || c == 'g' || c == 'w';
			if (good)
				check(uuid_parse(&u, (struct str){ (uint8_t *)z, 22 }));
			else
				check_refused((struct str){ (uint8_t *)z, 22 });
		}
}

void
test_uuid__bits_past_the_end_are_refused(void)
{
	for (int i = 0; i < 64; i++) {
		char z[] = "0123456789abcdefghijkX";
		struct uuid u;
		z[21] = digits[i];
		if (i & 15)
			check_refused(str_of(z));
		else
			check(uuid_parse(&u, str_of(z)) && u.bytes[15] == (uint8_t)(36 << 2 | i >> 4));
	}
}

void
test_uuid__the_zero_one_is_told(void)
{
	struct uuid u = { { 0 } };
	check(uuid_is_zero(&u));
	for (int i = 0; i < 16; i++) {
		u.bytes[i] = 1;
		check(!uuid_is_zero(&u));
		u.bytes[i] = 0;
	}
}
