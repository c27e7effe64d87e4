/* kq-group: TOPIC[:P,...]. */
#include "tap.h"

#include "kq-group/topic_parts.c"

void
test_topic_parts__a_topic_and_its_partitions(void)
{
	struct arena a = ARENA_INIT;
	struct topic_parts parts;
	struct err e;
	check_int(topic_parts_parse(&parts, "orders", &a, &e), 0);
	check(str_eq(parts.topic, STR("orders")));
	check_int(parts.npart, 0);
	check_int(topic_parts_parse(&parts, "a.b-c_d:0", &a, &e), 0);
	check(str_eq(parts.topic, STR("a.b-c_d")));
	check_int(parts.npart, 1);
	check_int(parts.part[0], 0);
	check_int(topic_parts_parse(&parts, "t:3,2147483647,0", &a, &e), 0);
	check_int(parts.npart, 3);
	check_int(parts.part[0], 3);
	check_int(parts.part[1], INT32_MAX);
	check_int(parts.part[2], 0);
	arena_release(&a);
}

void
test_topic_parts__what_is_none_is_refused(void)
{
	static const char *const bad[] = { "", ":1", "t:", "t:1,", "t:,1", "t:x", "t:-1", "t:+1",
		"t: 1", "t:1:2", "t:2147483648", "t:99999999999999999999999999" };
	struct arena a = ARENA_INIT;
	struct topic_parts parts;
	struct err e;
	char longest[260];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (topic_parts_parse(&parts, bad[i], &a, &e) == 0)
			tap_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
		check_int(e.class, ERR_USAGE);
	}
	memset(longest, 't', sizeof longest);
	longest[249] = 0;
	check_int(topic_parts_parse(&parts, longest, &a, &e), 0);
	longest[249] = 't';
	longest[250] = 0;
	check_int(topic_parts_parse(&parts, longest, &a, &e), -1);
	arena_release(&a);
}
