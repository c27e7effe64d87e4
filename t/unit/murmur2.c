#include "tap.h"

#include "base/murmur2.h"

#include <stdlib.h>

/* Computed with Kafka 4.3.1's Utils.murmur2; with seven partitions. */
static const struct {
	int32_t n;
	const char *key;
	uint32_t hash;
	int32_t partition;
} known[] = {
	{ 0, "", 0x106e08d9, 2 },
	{ 1, "\xa5", 0x1f4b9f97, 2 },
	{ 2, "\xca\xa5", 0x3f7ec9f6, 0 },
	{ 3, "\xef\xca\x25", 0x5c3040d6, 0 },
	{ 4, "\x14\xef\x4a\x25", 0xd65c9b69, 1 },
	{ 5, "\x39\x14\x6f\x4a\x25", 0xf402622d, 4 },
	{ 6, "\x5e\x39\x94\x6f\x4a\xa5", 0x1743f237, 4 },
	{ 7, "\x83\x5e\xb9\x94\x6f\xca\xa5", 0x43723455, 0 },
	{ 8, "\xa8\x83\xde\xb9\x94\xef\xca\xa5", 0x02aee39a, 5 },
	{ 9, "\xcd\xa8\x03\xde\xb9\x14\xef\xca\x25", 0x09ca7b40, 3 },
	{ 10, "\xf2\xcd\x28\x03\xde\x39\x14\xef\x4a\x25", 0x1592e725, 0 },
	{ 11, "\x17\xf2\x4d\x28\x03\x5e\x39\x14\x6f\x4a\x25", 0xb9848488, 5 },
	{ 12, "\x3c\x17\x72\x4d\x28\x83\x5e\x39\x94\x6f\x4a\xa5", 0x3cd0e117, 6 },
	{ 13, "\x61\x3c\x97\x72\x4d\xa8\x83\x5e\xb9\x94\x6f\xca\xa5", 0x24a7eb29, 0 },
	{ 14, "\x86\x61\xbc\x97\x72\xcd\xa8\x83\xde\xb9\x94\xef\xca\xa5", 0x0e8a0382, 5 },
	{ 15, "\xab\x86\xe1\xbc\x97\xf2\xcd\xa8\x03\xde\xb9\x14\xef\xca\x25", 0x91143d05, 5 },
	{ 16, "\xd0\xab\x06\xe1\xbc\x17\xf2\xcd\x28\x03\xde\x39\x14\xef\x4a\x25",
		0x1a60407a, 1 },
	{ 17, "\xf5\xd0\x2b\x06\xe1\x3c\x17\xf2\x4d\x28\x03\x5e\x39\x14\x6f\x4a\x25",
		0x00e94d9d, 0 },
	{ 18, "\x1a\xf5\x50\x2b\x06\x61\x3c\x17\x72\x4d\x28\x83\x5e\x39\x94\x6f\x4a\xa5",
		0xeb6eaa24, 0 },
	{ 19, "\x3f\x1a\x75\x50\x2b\x86\x61\x3c\x97\x72\x4d\xa8\x83\x5e\xb9\x94\x6f\xca\xa5",
		0xd5296c5e, 0 },
	{ 20, "\x64\x3f\x9a\x75\x50\xab\x86\x61\xbc\x97\x72\xcd\xa8\x83\xde\xb9\x94\xef\xca\xa5",
		0xde62aeb2, 2 },
};

static struct str
key_of(size_t i)
{
	return (struct str){ (const uint8_t *)known[i].key, known[i].n };
}

void
test_murmur2__hashes_as_kafka_does(void)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		check_int(murmur2(key_of(i)), known[i].hash);
	check_int(murmur2((struct str){ NULL, 0 }), known[0].hash);
}

void
test_murmur2__every_length_of_rest_counts_every_byte(void)
{
	for (int32_t n = 1; n <= 16; n++)
		for (int32_t at = 0; at < n; at++) {
			uint8_t b[16] = { 0 };
			uint32_t before = murmur2((struct str){ b, n });
			b[at] = 0x80;
			check(murmur2((struct str){ b, n }) != before);
		}
}

void
test_murmur2__no_byte_behind_the_key_is_read(void)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		/* In a heap block of its own, at an odd address. */
		size_t n = (size_t)known[i].n;
		uint8_t *p = malloc(n + 1);
		memcpy(p + 1, known[i].key, n);
		check_int(murmur2((struct str){ p + 1, (int32_t)n }), known[i].hash);
		free(p);
	}
}

void
test_murmur2__keys_go_where_kafka_puts_them(void)
{
	static const struct {
		const char *key;
		int32_t of_12;
	} text[] = {
		{ "21", 0 }, { "foobar", 6 }, { "a-little-bit-long-string", 8 },
		{ "a-little-bit-longer-string", 11 },
		{ "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 5 },
		{ "abc", 3 }, { "orders-42", 1 }, { "\xc3\xbc" "ber \xe2\x82\xac", 9 },
	};
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		check_int(partition_for_key(key_of(i), 7), known[i].partition);
	for (size_t i = 0; i < ARRAY_LEN(text); i++)
		check_int(partition_for_key(str_of(text[i].key), 12), text[i].of_12);
}

void
test_murmur2__partitions_are_in_range_and_all_used(void)
{
	int seen[50] = { 0 };
	for (uint32_t i = 0; i < 5000; i++) {
		uint8_t b[4];
		store_be32(b, i);
		struct str key = { b, 4 };
		int32_t p = partition_for_key(key, 50);
		check(p >= 0 && p < 50);
		seen[p]++;
		check_int(partition_for_key(key, 1), 0);
		check(partition_for_key(key, INT32_MAX) >= 0);
	}
	for (int i = 0; i < 50; i++)
		check(seen[i] > 50);
}
