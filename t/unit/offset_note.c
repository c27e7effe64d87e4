/* The metadata of committed offsets. */
#include "tap.h"

#include "kq-stream/offset_note.c"

static struct buf text;

static struct str
note(int64_t time_ms, const struct flow_number *v, int n)
{
	buf_reset(&text);
	offset_note_put(&text, time_ms, v, n);
	return buf_str(&text);
}

void
test_offset_note__is_what_kafka_streams_writes(void)
{
	static const struct flow_number v[] = { { "eowc", 0x1a22b9af2bc } };
	check(str_eq(note(1100, NULL, 0), STR("AgAAAAAAAARM")));
	check(str_eq(note(INT64_MIN, NULL, 0), STR("Av//////////")));
	check(str_eq(note(0x1a22b9af578, v, 1), STR("AgAAAaIrmvV4AAAAAQAAAARlb3djAAABoiua8rw=")));
}

struct seen {
	int n;
	int64_t sum;
	char last[16];
};

static void
see(void *arg, struct str name, int64_t value)
{
	struct seen *seen = arg;
	seen->n++;
	seen->sum = (int64_t)((uint64_t)seen->sum + (uint64_t)value); /* it may wrap around */
	check(name.n < 16);
	memcpy(seen->last, name.p, (size_t)name.n);
	seen->last[name.n] = 0;
}

void
test_offset_note__is_read_as_it_was_written(void)
{
	static const struct flow_number v[] = { { "a.time", -5 }, { "b", INT64_MAX }, { "", 7 } };
	struct seen seen = { 0 };
	struct err e;
	int64_t time_ms;
	check_int(offset_note_read(note(1234, v, 2), &time_ms, see, &seen, &e), 0);
	check_int(time_ms, 1234);
	check_int(seen.n, 2);
	check_int(seen.sum, INT64_MAX - 5);
	check(strcmp(seen.last, "b") == 0);
	seen = (struct seen){ 0 };
	check_int(offset_note_read(note(INT64_MIN, v + 2, 1), &time_ms, see, &seen, &e), 0);
	check_int(time_ms, INT64_MIN);
	check(strcmp(seen.last, "") == 0);
}

void
test_offset_note__what_is_none_is_refused(void)
{
	struct seen seen = { 0 };
	struct err e;
	int64_t time_ms;
	check_int(offset_note_read(STR("by hand"), &time_ms, see, &seen, &e), -1);
	check_int(e.class, ERR_CORRUPT);
	check_int(offset_note_read(STR(""), &time_ms, see, &seen, &e), -1);
	check_int(offset_note_read(STR("AwAAAAAAAARM"), &time_ms, see, &seen, &e), -1);
	/* each cut of a whole one */
	static const struct flow_number v[] = { { "abc", 1 }, { "defg", 2 } };
	struct buf plain = BUF_INIT, cut = BUF_INIT;
	json_parse_base64(note(99, v, 2), &plain);
	for (size_t n = 0; n < plain.n; n++) {
		buf_reset(&cut);
		json_put_base64((struct str){ plain.p, (int32_t)n }, &cut);
		check_int(offset_note_read(buf_str(&cut), &time_ms, see, &seen, &e), n == 9 ? 0 : -1);
	}
	buf_release(&plain);
	buf_release(&cut);
}
