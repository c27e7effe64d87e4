#include "tap.h"

#include "base/base.h"
#include "base/err.h"
#include "base/list.h"

#include <errno.h>
#include <stdio.h>

void
test_base__null_and_empty_strings_differ(void)
{
	struct str no_bytes = { NULL, 0 };
	check(str_eq(STR_NULL, STR_NULL));
	check(str_eq(STR(""), no_bytes));
	check(!str_eq(STR(""), STR_NULL));
	check(!str_eq(STR("a"), STR_NULL));
	check(!str_eq(STR("a"), STR("b")));
	check(!str_eq(STR("a"), STR("ab")));
	check(str_eq(str_of("abc"), STR("abc")));
	check(str_eq(str_of(NULL), STR_NULL));
	check_int(str_of("").n, 0);
	char z[20];
	snprintf(z, sizeof z, "<%.*s|%.*s|%.*s>", STR_ARG(STR_NULL), STR_ARG(no_bytes),
		STR_ARG(((struct str){ (const uint8_t *)"abc", 2 })));
	check(strcmp(z, "<||ab>") == 0);
}

void
test_base__strings_are_ordered_by_bytes_then_length(void)
{
	const struct str v[] = { STR_NULL, STR(""), STR("\0"), STR("A"), STR("a"),
		STR("a\0"), STR("aa"), STR("ab"), STR("b"), STR("\x7f"), STR("\x80"), STR("\xff") };
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		for (size_t j = 0; j < ARRAY_LEN(v); j++) {
			int r = str_cmp(v[i], v[j]);
			check_int((r > 0) - (r < 0), (i > j) - (i < j));
		}
}

void
test_base__a_prefix_is_where_a_string_begins(void)
{
	struct str no_bytes = { NULL, 0 };
	check(str_has_prefix(STR("abc"), STR("ab")));
	check(str_has_prefix(STR("abc"), STR("abc")));
	check(!str_has_prefix(STR("abc"), STR("abcd")));
	check(!str_has_prefix(STR("abc"), STR("b")));
	check(str_has_prefix(STR("abc"), no_bytes));
	check(str_has_prefix(no_bytes, no_bytes));
	check(!str_has_prefix(no_bytes, STR("a")));
	check(!str_has_prefix(STR_NULL, no_bytes));
	check(!str_has_prefix(STR("abc"), STR_NULL));
}

void
test_base__big_endian_words_go_both_ways(void)
{
	uint8_t p[11] = { 0, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x55, 0x55 }, q[11];
	check_int(load_be16(p + 1), 0x8123);
	check_int(load_be32(p + 1), 0x81234567);
	check(load_be64(p + 1) == 0x8123456789abcdef);
	memset(q, 0x55, sizeof q);
	store_be16(q + 1, 0x8123);
	check(memcmp(q + 1, p + 1, 2) == 0 && q[0] == 0x55 && q[3] == 0x55);
	store_be32(q + 1, 0x81234567);
	check(memcmp(q + 1, p + 1, 4) == 0 && q[5] == 0x55);
	store_be64(q + 1, 0x8123456789abcdef);
	check(memcmp(q + 1, p + 1, 10) == 0 && q[0] == 0x55);
}

/* Like a clock: each call returns a larger value. */
static int64_t
next(int64_t *last)
{
	return ++*last;
}

void
test_base__the_lesser_of_two_looks_once(void)
{
	int64_t last = 0;
	check_int(MIN(next(&last), 10), 1);
	check_int(MAX(10, next(&last)), 10);
	check_int(MAX(2 - next(&last), 0), 0);
	check_int(MAX(MIN(next(&last), 10), MIN(20, next(&last))), 5);
	check_int(last, 5);
	check(MIN((uint8_t)200, -1) == -1);
	check(MAX(UINT32_MAX, (int64_t)-1) == UINT32_MAX);
	check_int(sizeof MIN((int8_t)1, INT64_MAX), sizeof(int64_t));
}

void
test_err__a_message_says_why(void)
{
	struct err e;
	memset(&e, 0x55, sizeof e);
	errno = ENOENT;
	check_int(err_sys(&e, "cannot open %s", "x"), -1);
	check_int(e.class, ERR_SYS);
	check_int(e.sys, ENOENT);
	check_int(e.kafka, 0);
	check(strcmp(e.msg, "cannot open x: No such file or directory") == 0);
	check_int(err_set(&e, ERR_LIMIT, "%d is too much", 7), -1);
	check_int(e.class, ERR_LIMIT);
	check_int(e.sys, 0); /* not the errno that is still set */
	check(strcmp(e.msg, "7 is too much") == 0);
	e.kafka = 3;
	e.sys = 5;
	check_int(err_wrap(&e, "topic %s", "t"), -1);
	check(strcmp(e.msg, "topic t: 7 is too much") == 0);
	check(e.class == ERR_LIMIT && e.kafka == 3 && e.sys == 5);
}

void
test_err__a_long_message_is_cut(void)
{
	struct err e;
	char want[1000];
	for (int n = 380; n < 420; n++) {
		memset(want, 'x', sizeof want);
		snprintf(want + n, sizeof want - (size_t)n, ": %s", strerror(ENOSPC));
		want[sizeof e.msg - 1] = 0;
		errno = ENOSPC;
		memset(e.msg, 'y', sizeof e.msg);
		check_int(err_sys(&e, "%.*s", n, want), -1);
		check_int(e.sys, ENOSPC);
		check(strcmp(e.msg, want) == 0);
	}
}

void
test_err__words_in_front_push_the_end_out(void)
{
	struct err e;
	char old[400], front[1000], want[2000];
	for (int n = 0; n < 420; n++)
		for (int m = 0; m < 400; m += m == 0 || m >= 398 ? 1 : 199) {
			memset(old, 'o', sizeof old);
			memset(front, 'f', sizeof front);
			old[m] = front[n] = 0;
			err_set(&e, ERR_USAGE, "%s", old);
			check_int(err_wrap(&e, "%s", front), -1);
			snprintf(want, sizeof want, "%s: %s", front, old);
			want[sizeof e.msg - 1] = 0;
			/* Near the end the ": " is left out together with the message. */
			if (n + 2 >= (int)sizeof e.msg && n < (int)sizeof e.msg)
				want[n] = 0;
			check(strcmp(e.msg, want) == 0);
		}
}

struct item {
	struct list link;
	int n;
};

static void
check_list(struct list *head, const char *want)
{
	char got[20];
	int n = 0;
	LIST_EACH(it, head) {
		got[n++] = (char)('0' + CONTAINER_OF(it, struct item, link)->n);
		check(it->prev->next == it && it->next->prev == it);
	}
	got[n] = 0;
	check(strcmp(got, want) == 0);
	check(list_is_empty(head) == (n == 0));
}

void
test_list__links_join_move_and_leave(void)
{
	struct list a, b;
	struct item v[6];
	list_init(&a);
	list_init(&b);
	for (int i = 0; i < 6; i++) {
		v[i].n = i;
		list_init(&v[i].link);
	}
	check_list(&a, "");
	list_splice(&a, &b);
	check_list(&a, "");
	for (int i = 0; i < 3; i++)
		list_append(&a, &v[i].link);
	list_splice(&a, &b);
	check_list(&a, "012");
	for (int i = 3; i < 6; i++)
		list_append(&b, &v[i].link);
	list_splice(&a, &b);
	check_list(&a, "012345");
	check_list(&b, "");
	list_unlink(&v[0].link);
	list_unlink(&v[5].link);
	list_unlink(&v[3].link);
	list_unlink(&v[3].link); /* in no list: no effect */
	check_list(&a, "124");
	check(list_is_empty(&v[3].link));
	list_append(&b, &v[3].link);
	list_splice(&b, &a);
	check_list(&b, "3124");
	check_list(&a, "");
	while (!list_is_empty(&b))
		list_unlink(b.next);
	check_list(&b, "");
}

void
test_list__a_walk_survives_its_body(void)
{
	struct list a;
	struct item v[6];
	list_init(&a);
	for (int i = 0; i < 6; i++) {
		v[i].n = i;
		list_init(&v[i].link);
		list_append(&a, &v[i].link);
	}
	int seen = 0;
	LIST_EACH(it, &a) {
		seen++;
		if (CONTAINER_OF(it, struct item, link)->n % 2 == 0)
			list_unlink(it);
	}
	check_int(seen, 6);
	check_list(&a, "135");
}
