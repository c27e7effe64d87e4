/* stream/join_fk through its topics: bytes, partitions, restarts, malformed records. */
#include "join_help.h"

#define REGISTRATION "KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000006-topic"
#define RESPONSE "KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000014-topic"
#define STORE "KTABLE-FK-JOIN-SUBSCRIPTION-STATE-STORE-0000000010"
/* Of "1x", murmur3 with Kafka's seed. */
#define HASH "\x3e\x26\x4a\x69\xe1\xcc\xcf\x59\x57\x97\xd0\x4b\x45\xba\x7d\xd3"
#define HASH_TEXT ">&Ji\\e1\\cc\\cfYW\\97\\d0KE\\ba}\\d3"

static void
start(enum flow_join_kind kind, int part)
{
	const struct flow_spec specs[] = {
		{ .id = "l", .op = FLOW_TABLE, .topic = "l" },
		{ .id = "r", .op = FLOW_TABLE, .topic = "r" },
		{ .id = "j", .op = FLOW_FOREIGN_KEY_JOIN, .from = { "l", "r" }, .key_fn = &first_fn,
			.fn = &join_fn, .kind = kind },
		{ .id = "o", .op = FLOW_TO, .from = { "j" }, .topic = "out" },
	};
	play_start(specs, ARRAY_LEN(specs), part);
}

/* The sub-topology that reads the topic. */
static int
part_of(enum flow_join_kind kind, const char *topic)
{
	start(kind, -1);
	const struct topology_node *nodes;
	int n = topology_nodes(play.topo, &nodes), part = -1;
	for (int i = 0; i < n; i++)
		if (!nodes[i].nfrom && !strcmp(nodes[i].topic, topic))
			part = nodes[i].part;
	play_stop();
	check(part >= 0);
	return part;
}

void
test_join_fk__registrations_have_kafkas_bytes(void)
{
	start(FLOW_INNER, part_of(FLOW_INNER, "l"));
	take("l", "p", "1x", 10);
	check_out(REGISTRATION " 1 \\01\\03" HASH_TEXT "p\\00\\00\\00\\03 @10 -1\n");
	/* The same key again, then another one. */
	take("l", "p", "1x", 11);
	check_out(REGISTRATION " 1 \\01\\02" HASH_TEXT "p\\00\\00\\00\\03 @11 -1\n");
	take("l", "q", "2", 12);
	buf_reset(&play.out);
	take("l", "q", "1x", 13);
	check_out(REGISTRATION " 2 \\01\\00" HASH_TEXT "q\\00\\00\\00\\03 @13 -1\n"
		REGISTRATION " 1 \\01\\02" HASH_TEXT "q\\00\\00\\00\\03 @13 -1\n");
	take("l", "q", NULL, 14);
	check_out(REGISTRATION " 1 \\81\\01q\\00\\00\\00\\03 @14 -1\n");
	take("l", "q", NULL, 15);
	check_out("");
	play_stop();
}

void
test_join_fk__a_left_joins_row_without_a_key_has_no_partition(void)
{
	start(FLOW_LEFT, part_of(FLOW_LEFT, "l"));
	take("l", "p", "1x", 10);
	check_out(REGISTRATION " 1 \\01\\02" HASH_TEXT "p\\00\\00\\00\\03 @10 -1\n");
	take("l", "q", "", 11); /* the function gives null */
	buf_reset(&play.out);
	take("l", "q", NULL, 12);
	check_out(REGISTRATION " null \\81\\02q\\00\\00\\00\\03 @12 -1\n");
	play_stop();
}

static struct str
registration(const char *head, const char *rest, int32_t nrest)
{
	struct buf b = BUF_INIT;
	buf_put(&b, head, 2);
	if (!(head[0] & 0x80))
		buf_put(&b, HASH, 16);
	buf_put(&b, rest, (size_t)nrest);
	struct str out = arena_str(&play.arena, buf_str(&b));
	buf_release(&b);
	return out;
}

void
test_join_fk__answers_have_kafkas_bytes_and_go_to_the_left_rows_partition(void)
{
	start(FLOW_INNER, part_of(FLOW_INNER, "r"));
	take("r", "1", "R", 20);
	take_bytes(REGISTRATION, STR("1"), registration("\1\3", "p\0\0\0\5", 5), 10);
	check_out(RESPONSE " p \\00" HASH_TEXT "R @20 5\n");
	take_bytes(REGISTRATION, STR("2"), registration("\1\3", "q\0\0\0\6", 5), 10);
	check_out("");
	take_bytes(REGISTRATION, STR("2"), registration("\1\2", "q\0\0\0\6", 5), 10);
	check_out(RESPONSE " q \\00" HASH_TEXT " @10 6\n");
	check_changes("r-STATE-STORE-0000000003 1 R @20\n"
		STORE " \\00\\00\\00\\011p \\01\\03" HASH_TEXT "p\\00\\00\\00\\05 @10\n"
		STORE " \\00\\00\\00\\012q \\01\\02" HASH_TEXT "q\\00\\00\\00\\06 @10\n");

	/* All of one key are told, in order of theirs, and no others. */
	take_bytes(REGISTRATION, STR("1"), registration("\1\0", "z\0\0\0\7", 5), 10);
	take_bytes(REGISTRATION, STR("1"), registration("\1\2", "o\0\0\0\7", 5), 11);
	take_bytes(REGISTRATION, STR("12"), registration("\1\2", "x\0\0\0\7", 5), 11);
	buf_reset(&play.out);
	play_restart(true);
	take("r", "1", "S", 5);
	check_out(RESPONSE " o \\00" HASH_TEXT "S @5 7\n" RESPONSE " p \\00" HASH_TEXT "S @5 5\n");
	take("r", "1", NULL, 6);
	check_out(RESPONSE " o \\00" HASH_TEXT " @6 7\n" RESPONSE " p \\00" HASH_TEXT " @6 5\n");
	take("r", "1", NULL, 7);
	check_out("");

	take_bytes(REGISTRATION, STR("1"), registration("\x81\1", "p\0\0\0\5", 5), 10);
	check_out(RESPONSE " p \\80 @10 5\n");
	play_restart(true);
	take("r", "1", "T", 5);
	check_out(RESPONSE " o \\00" HASH_TEXT "T @5 7\n");
	play_stop();
}

void
test_join_fk__answers_to_a_row_that_has_changed_are_dropped(void)
{
	start(FLOW_LEFT, part_of(FLOW_LEFT, "l"));
	take("l", "p", "1x", 10);
	buf_reset(&play.out);
	take_bytes(RESPONSE, STR("p"), STR("\0" HASH "R"), 20);
	check_out("out p 1x,R @20\n");
	take_bytes(RESPONSE, STR("p"), STR("\0" HASH), 5);
	check_out("out p 1x, @10\n");
	take_bytes(RESPONSE, STR("p"), STR("\0" "0123456789abcdef" "R"), 20);
	take_bytes(RESPONSE, STR("p"), STR("\x80"), 20);
	check_out("");
	check_int(play.ndropped, 2);
	play_restart(true);
	take("l", "p", NULL, 30);
	buf_reset(&play.out);
	take_bytes(RESPONSE, STR("p"), STR("\x80"), 35);
	check_out("out p null @35\n");
	take_bytes(RESPONSE, STR("p"), STR("\x80"), 36);
	check_out("");
	play_stop();
}

static void
check_malformed(const char *topic, struct str value)
{
	struct err e = { 0 };
	struct flow_rec rec = { .key.bytes = STR("k"), .value = value, .old = STR_NULL,
		.headers = STR_NULL };
	check_int(flow_task_take(play.task, topic, &rec, &e), -1);
	check_int(e.class, ERR_CORRUPT);
}

void
test_join_fk__malformed_records_are_refused(void)
{
	static const struct str registrations[] = { { (const uint8_t *)"", 0 },
		{ (const uint8_t *)"\x81", 1 }, { (const uint8_t *)"\x81\0\0\0\0", 5 },
		{ (const uint8_t *)"\x82\0\0\0\0\0", 6 }, { (const uint8_t *)"\x81\4\0\0\0\0", 6 },
		{ (const uint8_t *)"\x81\1\377\377\377\377", 6 },
		{ (const uint8_t *)"\1\0" "0123456789abcdef" "\0\0\0", 21 } };
	start(FLOW_INNER, part_of(FLOW_INNER, "r"));
	for (size_t i = 0; i < ARRAY_LEN(registrations); i++) {
		check_malformed(REGISTRATION, registrations[i]);
		check_refused(STORE, STR("\0\0\0\1fp"), registrations[i]);
	}
	check_refused(STORE, STR("\0\0\0"), STR("\x81\1\0\0\0\0"));
	check_refused(STORE, STR("\0\0\0\5fp"), STR("\x81\1\0\0\0\0"));
	play_stop();
	static const struct str responses[] = { { (const uint8_t *)"", 0 },
		{ (const uint8_t *)"\0" "0123456789abcde", 16 }, { (const uint8_t *)"\x81", 1 },
		{ (const uint8_t *)"\1" "0123456789abcdef", 17 } };
	start(FLOW_INNER, part_of(FLOW_INNER, "l"));
	for (size_t i = 0; i < ARRAY_LEN(responses); i++)
		check_malformed(RESPONSE, responses[i]);
	play_stop();
}
