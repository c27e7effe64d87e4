#include "log_help.h"

#include "log/segfile.h"

#include <errno.h>
#include <sys/stat.h>

void test_partlog__appended_batches_are_found_again(void);
void test_partlog__the_first_batch_comes_whole_or_not_at_all(void);
void test_partlog__a_clean_stop_is_a_clean_start(void);

static struct partlog_config small = { 4000, INT64_MAX / 2, 10 << 20, 200 };
static struct partlog_config big = { 1 << 30, INT64_MAX / 2, 10 << 20, 4096 };

void
test_partlog__appended_batches_are_found_again(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice s;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, NULL);
	check(access("t-0", F_OK) < 0);
	must(partlog_find(&l, 0, 10, 1000, true, &s, &e));
	check_int(s.size, 0);
	check(access("t-0", F_OK) < 0); /* made by the first append only */
	append(&l, 3, 10, 1000);
	append(&l, 2, 10, 1001);
	must(partlog_find(&l, 0, l.next_offset, 100000, true, &s, &e));
	check_int(s.first_offset, 0);
	check_int(s.next_offset, 5);
	check_int(s.size, l.size);
	check_slice(&s);
	must(partlog_find(&l, 4, l.next_offset, 100000, true, &s, &e));
	check_int(s.next_offset, 5);
	check_slice(&s);
	must(partlog_find(&l, 0, 3, 100000, true, &s, &e));
	check_int(s.next_offset, 3);
	check_slice(&s);
	must(partlog_find(&l, 0, 4, 100000, true, &s, &e));
	check_int(s.next_offset, 3);
	check_slice(&s);
	must(partlog_find(&l, 5, 5, 100000, true, &s, &e));
	check_int(s.size, 0);
	check(!s.file);
	check(partlog_find(&l, 6, 6, 100000, true, &s, &e) < 0);
	check_int(e.class, ERR_LIMIT);
	partlog_release(&l);
}

void
test_partlog__the_first_batch_comes_whole_or_not_at_all(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice s;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &big, NULL);
	append(&l, 1, 1000, 1);
	append(&l, 1, 10, 2);
	must(partlog_find(&l, 0, 2, 500, false, &s, &e));
	check_int(s.size, 0);
	must(partlog_find(&l, 0, 2, 500, true, &s, &e));
	check_int(s.next_offset, 1);
	check_slice(&s);
	must(partlog_find(&l, 0, 0, 500, true, &s, &e));
	check_int(s.size, 0);
	partlog_release(&l);
}

void
test_partlog__a_clean_stop_is_a_clean_start(void)
{
	struct err e;
	struct partlog l;
	struct partlog_slice s;
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, NULL);
	for (int i = 0; i < 100; i++)
		append(&l, 1 + i % 3, 100, 1000 + i);
	int64_t size = l.size;
	struct partlog_state state = stop(&l);
	partlog_init(&l, root_dir(), "t-0", &some_topic, &small, &state);
	check(!l.body);
	check_int(l.next_offset, state.recovery_offset);
	must(partlog_open(&l, &e));
	check_int(l.size, size);
	for (int64_t at = 0; at < l.next_offset; at = s.next_offset) {
		must(partlog_find(&l, at, l.next_offset, 700, true, &s, &e));
		check(s.size > 0);
		check_slice(&s);
	}
	append(&l, 1, 10, 5000);
	stop(&l);
}
