/* stream/keys: bytes in order. */
#include "tap.h"
#include "stream/keys.h"

static struct buf at_a, at_b, plain;

static struct str
in_order(struct buf *b, struct str bytes)
{
	buf_reset(b);
	keys_put_bytes(b, bytes);
	return buf_str(b);
}

void
test_stream_keys__bytes_keep_their_order(void)
{
	static const struct str v[] = { { (const uint8_t *)"", 0 }, { (const uint8_t *)"\0", 1 },
		{ (const uint8_t *)"\0\0", 2 }, { (const uint8_t *)"\0\1", 2 },
		{ (const uint8_t *)"\0\377", 2 }, { (const uint8_t *)"a", 1 },
		{ (const uint8_t *)"a\0", 2 }, { (const uint8_t *)"a\0b", 3 },
		{ (const uint8_t *)"aa", 2 }, { (const uint8_t *)"b", 1 },
		{ (const uint8_t *)"\377", 1 } };
	for (size_t i = 0; i + 1 < ARRAY_LEN(v); i++)
		check(str_cmp(in_order(&at_a, v[i]), in_order(&at_b, v[i + 1])) < 0);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		buf_reset(&at_a);
		keys_put_bytes(&at_a, v[i]);
		buf_puts(&at_a, "rest");
		struct str from = buf_str(&at_a);
		check(str_eq(keys_take_bytes(&from, &plain), v[i]));
		check(str_eq(from, STR("rest")));
	}
}

void
test_stream_keys__malformed_bytes_are_null(void)
{
	static const struct str v[] = { { (const uint8_t *)"", 0 }, { (const uint8_t *)"a", 1 },
		{ (const uint8_t *)"a\0", 2 }, { (const uint8_t *)"a\0\1\0\0", 5 },
		{ (const uint8_t *)"a\0\377", 3 } };
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct str from = v[i];
		check_int(keys_take_bytes(&from, &plain).n, -1);
	}
	struct flow_key key;
	struct str from = { (const uint8_t *)"a\0\0" "12345678", 11 };
	check(!keys_take(&from, &(struct flow_window){ .type = FLOW_TUMBLING }, &plain, &key));
}

void
test_stream_keys__times_keep_their_order(void)
{
	static const int64_t v[] = { INT64_MIN, -256, -1, 0, 1, 255, 256, INT64_MAX };
	for (size_t i = 0; i + 1 < ARRAY_LEN(v); i++) {
		buf_reset(&at_a);
		buf_reset(&at_b);
		keys_put_time(&at_a, v[i]);
		keys_put_time(&at_b, v[i + 1]);
		check(str_cmp(buf_str(&at_a), buf_str(&at_b)) < 0);
		struct str from = buf_str(&at_a);
		check_int(keys_take_time(&from), v[i]);
		check_int(from.n, 0);
	}
}

void
test_stream_keys__windowed_keys_have_kafkas_bytes(void)
{
	static const struct flow_window tumbling = { .type = FLOW_TUMBLING, .size_ms = 1000 };
	static const struct flow_window session = { .type = FLOW_SESSION, .size_ms = 1000 };
	struct flow_key key = { .bytes = STR("k"), .start_ms = 5000, .end_ms = 6000,
		.is_windowed = true }, back;

	keys_put_topic(&at_a, &key, &tumbling);
	check(str_eq(buf_str(&at_a), (struct str){ (const uint8_t *)"k\0\0\0\0\0\0\x13\x88", 9 }));
	check(keys_take_topic(buf_str(&at_a), &tumbling, &back));
	check(str_eq(back.bytes, key.bytes));
	check_int(back.start_ms, 5000);
	check_int(back.end_ms, 6000);
	check(back.is_windowed);

	keys_put_topic(&at_b, &key, &session);
	check(str_eq(buf_str(&at_b), (struct str){
		(const uint8_t *)"k\0\0\0\0\0\0\x17\x70\0\0\0\0\0\0\x13\x88", 17 }));
	check(keys_take_topic(buf_str(&at_b), &session, &back));
	check_int(back.start_ms, 5000);
	check_int(back.end_ms, 6000);
	check(!keys_take_topic(STR("1234567890"), &session, &back));

	key = (struct flow_key){ .bytes = STR("k") };
	buf_reset(&at_a);
	keys_put_topic(&at_a, &key, NULL);
	check(str_eq(buf_str(&at_a), STR("k")));
	check(keys_take_topic(STR("k"), NULL, &back) && !back.is_windowed);
}

void
test_stream_keys__a_key_in_a_store_comes_back(void)
{
	struct flow_key key = { .bytes = STR("k"), .start_ms = -5, .end_ms = 7,
		.is_windowed = true }, back;
	keys_put(&at_a, &key);
	struct str from = buf_str(&at_a);
	check(keys_take(&from, &(struct flow_window){ .type = FLOW_TUMBLING }, &plain, &back));
	check(str_eq(back.bytes, key.bytes));
	check_int(back.start_ms, -5);
	check_int(back.end_ms, 7);
	check_int(from.n, 0);
}
